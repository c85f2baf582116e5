//! A table of HTML.

use super::{Heading, Table, is_blank};

/// The text of a table; a name and a value a row, if it is expanded.
pub(super) fn text(table: &Table<'_>, expanded: bool) -> String {
    let mut out = String::new();
    if table.part.first {
        begin(&mut out, table, expanded);
    }
    for (number, row) in table.records() {
        let cells = table.headings.iter().zip(row);
        if expanded {
            out.push_str(&above_record(number, table.options.tuples_only));
            cells.for_each(|(heading, value)| {
                let name = escaped(&heading.name);
                out.push_str(&format!("  <tr valign=\"top\">\n    <th>{name}</th>\n{}  </tr>\n", cell(heading, value)));
            });
        } else {
            let cells: String = cells.map(|(heading, value)| cell(heading, value)).collect();
            out.push_str(&format!("  <tr valign=\"top\">\n{cells}  </tr>\n"));
        }
    }
    if table.part.last {
        let footers = table.footers();
        end(&mut out, if expanded { table.own_footers() } else { &footers });
    }
    out
}

fn begin(out: &mut String, table: &Table<'_>, expanded: bool) {
    let attributes = table.options.tableattr.as_ref().map(|text| format!(" {text}")).unwrap_or_default();
    out.push_str(&format!("<table border=\"{}\"{attributes}>\n", table.options.border));
    if let Some(title) = table.title() {
        out.push_str(&format!("  <caption>{}</caption>\n", escaped(title)));
    }
    if table.is_headed() && !expanded {
        let heading = |heading: &Heading| format!("    <th align=\"center\">{}</th>\n", escaped(&heading.name));
        out.push_str(&format!("  <tr>\n{}  </tr>\n", table.headings.iter().map(heading).collect::<String>()));
    }
}

fn above_record(number: usize, tuples_only: bool) -> String {
    if tuples_only {
        "\n  <tr><td colspan=\"2\">&nbsp;</td></tr>\n".to_string()
    } else {
        format!("\n  <tr><td colspan=\"2\" align=\"center\">Record {number}</td></tr>\n")
    }
}

fn cell(heading: &Heading, value: &str) -> String {
    let text = if is_blank(value) { "&nbsp; ".to_string() } else { escaped(value) };
    format!("    <td align=\"{}\">{text}</td>\n", if heading.right { "right" } else { "left" })
}

fn end(out: &mut String, footers: &[String]) {
    out.push_str("</table>\n");
    if !footers.is_empty() {
        let lines: String = footers.iter().map(|line| format!("{}<br />\n", escaped(line))).collect();
        out.push_str(&format!("<p>{lines}</p>"));
    }
    out.push('\n');
}

/// A text in which nothing is markup. Blanks at its beginning are kept: plans are indented.
fn escaped(text: &str) -> String {
    let rest = text.trim_start_matches(' ');
    let mut escaped = "&nbsp;".repeat(text.len() - rest.len());
    for c in rest.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' => escaped.push_str("<br />\n"),
            c => escaped.push(c),
        }
    }
    escaped
}
