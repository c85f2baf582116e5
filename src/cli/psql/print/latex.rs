//! A table of LaTeX: the environment `tabular`.

use super::{Heading, Table};

/// The text of a table.
pub(super) fn text(table: &Table<'_>) -> String {
    let border = table.options.border.min(3);
    let mut out = String::new();
    if table.part.first {
        caption(&mut out, table);
        let columns = table.headings.iter().map(|heading| aligned(heading).to_string());
        out.push_str(&format!("\\begin{{tabular}}{{{}}}\n", columns_spec(columns, border)));
    }
    if table.is_headed() {
        let names = table.headings.iter().map(|heading| format!("\\textit{{{}}}", escaped(&heading.name)));
        let rule = if border >= 2 { "\\hline\n" } else { "" };
        out.push_str(&format!("{rule}{} \\\\\n\\hline\n", names.collect::<Vec<_>>().join(" & ")));
    }
    for row in &table.rows {
        let values: Vec<String> = row.iter().map(|value| escaped(value)).collect();
        out.push_str(&format!("{} \\\\\n{}", values.join(" & "), if border == 3 { "\\hline\n" } else { "" }));
    }
    if table.part.last {
        end(&mut out, border, &table.footers());
    }
    out
}

/// The text of a table, one record below the other.
pub(super) fn records(table: &Table<'_>) -> String {
    let border = table.options.border.min(2);
    let mut out = String::new();
    if table.part.first {
        caption(&mut out, table);
        let columns = ["cl", "c|l", "|c|l|"][usize::from(border)];
        out.push_str(&format!("\\begin{{tabular}}{{{columns}}}\n"));
    }
    for (number, row) in table.records() {
        if !table.options.tuples_only {
            let (rule, column) = if border == 2 { ("\\hline\n", "|c|") } else { ("", "c") };
            out.push_str(&format!("{rule}\\multicolumn{{2}}{{{column}}}{{\\textit{{Record {number}}}}} \\\\\n"));
        }
        if border >= 1 {
            out.push_str("\\hline\n");
        }
        for (heading, value) in table.headings.iter().zip(row) {
            out.push_str(&format!("{} & {} \\\\\n", escaped(&heading.name), escaped(value)));
        }
    }
    if table.part.last {
        end(&mut out, border, table.own_footers());
    }
    out
}

/// The title above the table.
fn caption(out: &mut String, table: &Table<'_>) {
    if let Some(title) = table.title() {
        out.push_str(&format!("\\begin{{center}}\n{}\n\\end{{center}}\n\n", escaped(title)));
    }
}

fn end(out: &mut String, border: u16, footers: &[String]) {
    let rule = if border == 2 { "\\hline\n" } else { "" };
    let footers: String = footers.iter().map(|line| format!("{} \\\\\n", escaped(line))).collect();
    out.push_str(&format!("{rule}\\end{{tabular}}\n\n\\noindent {footers}\n"));
}

/// How a column is aligned.
pub(super) fn aligned(heading: &Heading) -> char {
    if heading.right { 'r' } else { 'l' }
}

/// The columns of an environment with the lines between them and around them.
pub(super) fn columns_spec(columns: impl Iterator<Item = String>, border: u16) -> String {
    let columns = columns.collect::<Vec<_>>().join(if border > 0 { " | " } else { "" });
    if border >= 2 { format!("| {columns} |") } else { columns }
}

/// A text in which nothing is a command.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '#' | '$' | '%' | '&' | '_' | '{' | '}' => escaped.extend(['\\', c]),
            '<' => escaped.push_str("\\textless{}"),
            '>' => escaped.push_str("\\textgreater{}"),
            '\\' => escaped.push_str("\\textbackslash{}"),
            '|' => escaped.push_str("\\textbar{}"),
            '^' => escaped.push_str("\\^{}"),
            '~' => escaped.push_str("\\~{}"),
            '\n' => escaped.push_str("\\\\"),
            c => escaped.push(c),
        }
    }
    escaped
}
