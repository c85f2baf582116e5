//! A table of troff, for the macros `ms` and the preprocessor tbl.

use super::Table;

/// The text of a table.
pub(super) fn text(table: &Table<'_>) -> String {
    let mut out = String::new();
    if table.part.first {
        begin(&mut out, table);
        let columns: Vec<&str> = table.headings.iter().map(|heading| if heading.right { "r" } else { "l" }).collect();
        out.push_str(&format!("{}.\n", columns.join(if table.options.border > 0 { " | " } else { "" })));
    }
    if table.is_headed() {
        let names: Vec<String> = table.headings.iter().map(|heading| format!("\\fI{}\\fP", escaped(&heading.name))).collect();
        out.push_str(&format!("{}\n_\n", names.join("\t")));
    }
    for row in &table.rows {
        let values: Vec<String> = row.iter().map(|value| escaped(value)).collect();
        out.push_str(&format!("{}\n", values.join("\t")));
    }
    if table.part.last {
        end(&mut out, &table.footers());
    }
    out
}

/// The text of a table, one record below the other.
pub(super) fn records(table: &Table<'_>) -> String {
    let (border, mut out) = (table.options.border.min(2), String::new());
    if table.part.first {
        begin(&mut out, table);
        if table.options.tuples_only {
            out.push_str("c l;\n");
        }
    }
    for (number, row) in table.records() {
        let rule = if border >= 1 { "_\n" } else { "" };
        if table.options.tuples_only {
            out.push_str(rule);
        } else {
            // The columns change for the line above each record, and back again.
            let before = match (number, border) {
                (1, _) => "",
                (_, 2) => "_\n.T&\n",
                _ => ".T&\n",
            };
            let columns = if border == 1 { "c | l." } else { "c l." };
            out.push_str(&format!("{before}c s.\n\\fIRecord {number}\\fP\n{rule}.T&\n{columns}\n"));
        }
        for (heading, value) in table.headings.iter().zip(row) {
            out.push_str(&format!("{}\t{}\n", escaped(&heading.name), escaped(value)));
        }
    }
    if table.part.last {
        end(&mut out, table.own_footers());
    }
    out
}

fn begin(out: &mut String, table: &Table<'_>) {
    if let Some(title) = table.title() {
        out.push_str(&format!(".LP\n.DS C\n{}\n.DE\n", escaped(title)));
    }
    out.push_str(&format!(".LP\n.TS\ncenter{};\n", if table.options.border >= 2 { " box" } else { "" }));
}

fn end(out: &mut String, footers: &[String]) {
    let footers: String = footers.iter().map(|line| format!("{}\n", escaped(line))).collect();
    out.push_str(&format!(".TE\n.DS L\n{footers}.DE\n"));
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\(rs")
}
