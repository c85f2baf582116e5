//! A table of AsciiDoc.

use super::{Heading, Table, is_blank};

/// The text of a table; a name and a value a row, if it is expanded.
pub(super) fn text(table: &Table<'_>, expanded: bool) -> String {
    let mut out = String::new();
    if table.part.first {
        begin(&mut out, table, expanded);
    }
    for (number, row) in table.records() {
        if expanded {
            record(&mut out, table, number, row);
        } else {
            let last = row.len() - 1;
            let cells: Vec<String> = row.iter().enumerate().map(|(i, value)| format!("|{}", cell(value, i < last))).collect();
            out.push_str(&format!("{}\n", cells.join(" ")));
        }
    }
    // psql ends the table with each part.
    out.push_str("|====\n");
    let footers = table.footers();
    let footers = if expanded { table.own_footers() } else { &footers };
    if !footers.is_empty() {
        out.push_str(&format!("\n....\n{}\n....\n", footers.join("\n")));
    }
    out
}

fn begin(out: &mut String, table: &Table<'_>, expanded: bool) {
    out.push('\n');
    if let Some(title) = table.title() {
        out.push_str(&format!(".{title}\n"));
    }
    let frame = match table.options.border {
        0 => ",frame=\"none\",grid=\"none\"",
        1 => ",frame=\"none\"",
        2 => ",frame=\"all\",grid=\"all\"",
        _ => "",
    };
    if expanded {
        out.push_str(&format!("[cols=\"h,l\"{frame}]\n|====\n"));
        return;
    }
    let header = if table.is_headed() { "options=\"header\"," } else { "" };
    let columns: Vec<&str> = table.headings.iter().map(aligned).collect();
    out.push_str(&format!("[{header}cols=\"{}\"{frame}]\n|====\n", columns.join(",")));
    if table.is_headed() {
        let names: Vec<String> = table.headings.iter().map(|heading| format!("^l|{}", escaped(&heading.name))).collect();
        out.push_str(&format!("{}\n", names.join(" ")));
    }
}

fn record(out: &mut String, table: &Table<'_>, number: usize, row: &[impl AsRef<str>]) {
    let name = if table.options.tuples_only { "|".to_string() } else { format!("^|Record {number}") };
    out.push_str(&format!("2+{name}\n"));
    for (heading, value) in table.headings.iter().zip(row) {
        out.push_str(&format!("<l|{} {}|{}\n", escaped(&heading.name), aligned(heading), cell(value.as_ref(), true)));
    }
}

fn aligned(heading: &Heading) -> &'static str {
    if heading.right { ">l" } else { "<l" }
}

/// What stands in a cell; blanks are one blank, if there has to be one.
fn cell(value: &str, filled: bool) -> String {
    match is_blank(value) {
        true => if filled { " " } else { "" }.to_string(),
        false => escaped(value),
    }
}

fn escaped(text: &str) -> String {
    text.replace('|', "\\|")
}
