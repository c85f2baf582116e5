//! Values with separators between them: unaligned and CSV.

use super::Table;

/// The text of a table, unaligned.
pub(super) fn unaligned(table: &Table<'_>) -> String {
    let options = table.options;
    let mut records: Vec<String> = table.title().map(str::to_string).into_iter().collect();
    if table.is_headed() {
        let names: Vec<&str> = table.headings.iter().map(|h| h.name.as_str()).collect();
        records.push(names.join(options.fieldsep.text()));
    }
    records.extend(table.rows.iter().map(|row| row.join(options.fieldsep.text())));
    records.extend(table.footers().iter().cloned());
    joined(table, &records, options.recordsep.text())
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
    if !table.own_footers().is_empty() {
        records.push(table.own_footers().join(record));
    }
    joined(table, &records, &record.repeat(2))
}

/// Records, separated from each other and from those of the part before. The last one ends with a newline, whatever separates the
/// others.
fn joined(table: &Table<'_>, records: &[String], separator: &str) -> String {
    let (continued, mut text) = (!table.part.first, records.join(separator));
    if continued && !records.is_empty() {
        text.insert_str(0, separator);
    }
    if table.part.last && (continued || !records.is_empty()) {
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
    if table.is_headed() && !expanded {
        out.push_str(&line(&mut table.headings.iter().map(|h| h.name.as_str())));
    }
    for row in &table.rows {
        if expanded {
            table.headings.iter().zip(row).for_each(|(h, value)| out.push_str(&line(&mut [h.name.as_str(), value].into_iter())));
        } else {
            out.push_str(&line(&mut row.iter().map(AsRef::as_ref)));
        }
    }
    out
}

/// A cell, quoted if it could be taken for something else: COPY takes a line `\.` for the end of its rows.
fn csv_cell(cell: &str, separator: &str) -> String {
    if cell == "\\." || ["\\", "."].contains(&separator) || cell.contains(separator) || cell.contains(['"', '\r', '\n']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_string()
    }
}
