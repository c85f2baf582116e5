//! Values with separators between them: unaligned and CSV.

use super::Table;

/// The text of a table, unaligned.
pub(super) fn unaligned(table: &Table<'_>) -> String {
    let options = table.options;
    let mut records: Vec<String> = table.title().map(str::to_string).into_iter().collect();
    if !options.tuples_only {
        let names: Vec<&str> = table.headings.iter().map(|h| h.name.as_str()).collect();
        records.push(names.join(options.fieldsep.text()));
    }
    records.extend(table.rows.iter().map(|row| row.join(options.fieldsep.text())));
    records.extend(table.footers());
    ended(table, records.join(options.recordsep.text()), !records.is_empty())
}

/// The text of a table, unaligned, a value a line.
pub(super) fn unaligned_records(table: &Table<'_>) -> String {
    let options = table.options;
    let (field, record) = (options.fieldsep.text(), options.recordsep.text());
    let mut records: Vec<String> = table.title().map(str::to_string).into_iter().collect();
    for row in &table.rows {
        let values: Vec<String> = table.headings.iter().zip(row).map(|(h, value)| format!("{}{field}{value}", h.name)).collect();
        records.push(values.join(record));
    }
    if table.footers.is_some_and(|footers| !footers.is_empty()) {
        records.push(table.footers().join(record));
    }
    ended(table, records.join(&format!("{record}{record}")), !records.is_empty())
}

/// The last record ends with a newline, whatever separates the others.
fn ended(table: &Table<'_>, mut text: String, any: bool) -> String {
    if any {
        text.push(if table.options.recordsep.is_zero() { '\0' } else { '\n' });
    }
    text
}

/// The text of a table as CSV; a name and a value a line, if it is expanded.
pub(super) fn csv(table: &Table<'_>, expanded: bool) -> String {
    let separator = &table.options.csv_fieldsep;
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let cells: Vec<String> = cells.map(|cell| csv_cell(cell, separator)).collect();
        format!("{}\n", cells.join(separator))
    };
    let mut out = String::new();
    if !table.options.tuples_only && !expanded {
        out.push_str(&line(&mut table.headings.iter().map(|h| h.name.as_str())));
    }
    for row in &table.rows {
        if expanded {
            table.headings.iter().zip(row).for_each(|(h, value)| out.push_str(&line(&mut [h.name.as_str(), value].into_iter())));
        } else {
            out.push_str(&line(&mut row.iter().copied()));
        }
    }
    out
}

fn csv_cell(cell: &str, separator: &str) -> String {
    if cell == "\\." || cell.contains(separator) || cell.contains(['"', '\r', '\n']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_string()
    }
}
