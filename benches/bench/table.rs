//! The lines of the result.

/// Numbers as people read them: `1.25M`, `13.4k`, `87`.
pub fn short(value: f64) -> String {
    match value {
        v if v >= 1e6 => format!("{:.2}M", v / 1e6),
        v if v >= 1e4 => format!("{:.1}k", v / 1e3),
        v if v >= 100.0 => format!("{v:.0}"),
        v => format!("{v:.2}"),
    }
}

/// The middle one of some values in their order.
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A rate: by wall time and by the server's processor time.
#[derive(Clone, Copy)]
pub struct Rate {
    pub per_second: f64,
    pub per_cpu_second: f64,
}

#[derive(Default)]
pub struct Table {
    lines: Vec<[String; 6]>,
    queries: Vec<[String; 7]>,
    notes: Vec<String>,
}

impl Table {
    /// A rate beside PostgreSQL's, if that was measured.
    pub fn rate(&mut self, what: impl Into<String>, ours: Rate, theirs: Option<Rate>) {
        let ratio = |f: fn(Rate) -> f64| theirs.map_or(String::new(), |t| format!("{:.2}", f(ours) / f(t)));
        let both = |r: Rate| format!("{} ({})", short(r.per_second), short(r.per_cpu_second));
        self.push([
            what.into(),
            short(ours.per_second),
            short(ours.per_cpu_second),
            theirs.map_or(String::new(), both),
            ratio(|r| r.per_second),
            ratio(|r| r.per_cpu_second),
        ]);
    }

    /// Anything else, as text.
    pub fn fact(&mut self, what: impl Into<String>, value: impl Into<String>) {
        self.push([what.into(), value.into(), String::new(), String::new(), String::new(), String::new()]);
    }

    /// A query as a view: filled from segments, kept during COPY, its state and its rows.
    pub fn query(&mut self, name: &str, filled: Rate, live: Rate, state: String, rows: String) {
        let rates = [filled.per_second, filled.per_cpu_second, live.per_second, live.per_cpu_second].map(short);
        let [a, b, c, d] = rates;
        let line = [name.to_string(), a, b, c, d, state, rows];
        eprintln!("{}", line.join("  "));
        self.queries.push(line);
    }

    /// A remark below the table.
    pub fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    fn push(&mut self, line: [String; 6]) {
        // A run takes minutes: whoever waits sees that it goes on.
        eprintln!("{}", line.iter().filter(|c| !c.is_empty()).cloned().collect::<Vec<_>>().join("  "));
        self.lines.push(line);
    }

    /// Prints it in Markdown.
    pub fn print(&self) {
        if !self.lines.is_empty() {
            println!("| measure | Everfold /s | per CPU-s | PostgreSQL /s (per CPU-s) | ratio | ratio per CPU-s |");
            println!("|---|--:|--:|--:|--:|--:|");
        }
        for line in &self.lines {
            println!("| {} |", line.join(" | "));
        }
        if !self.queries.is_empty() {
            println!("\n| query | backfill, events/s | per CPU-s | live COPY, events/s | per CPU-s | state | rows |");
            println!("|---|--:|--:|--:|--:|--:|--:|");
        }
        for line in &self.queries {
            println!("| {} |", line.join(" | "));
        }
        for note in &self.notes {
            println!("\n{note}");
        }
    }
}
