//! A table of LaTeX that may be longer than a page: the environment `longtable`, with the lines of the package `booktabs`.

use super::Table;
use super::latex::{aligned, columns_spec, escaped};

/// The text of a table.
pub(super) fn text(table: &Table<'_>) -> String {
    let border = table.options.border.min(3);
    let mut out = String::new();
    if table.part.first {
        out.push_str(&format!("\\begin{{longtable}}{{{}}}\n", columns_spec(columns(table).into_iter(), border)));
    }
    if table.is_headed() {
        heads(&mut out, table, border);
        feet(&mut out, table.title(), border);
    }
    for row in &table.rows {
        let values: Vec<String> = row.iter().map(|value| format!("\\raggedright{{{}}}", escaped(value))).collect();
        out.push_str(&format!("{} \\tabularnewline\n{}", values.join("\n&\n"), if border == 3 { " \\hline\n" } else { "" }));
    }
    if table.part.last {
        out.push_str("\\end{longtable}\n");
    }
    out
}

/// The columns: those on the left have the widths that `\pset tableattr` says, as shares of the text's width, and the last of them
/// holds for all that follow.
fn columns(table: &Table<'_>) -> Vec<String> {
    let mut shares = table.options.tableattr.as_deref().unwrap_or_default().split([' ', '\t', '\n']).filter(|word| !word.is_empty());
    let mut share = None;
    let column = |heading| {
        let alignment = aligned(heading);
        if alignment == 'l' {
            share = shares.next().or(share);
        }
        share.filter(|_| alignment == 'l').map_or(alignment.to_string(), |share| format!("p{{{share}\\textwidth}}"))
    };
    table.headings.iter().map(column).collect()
}

/// The headings on the first page and on the others.
fn heads(out: &mut String, table: &Table<'_>, border: u16) {
    let names: Vec<String> = table.headings.iter().map(|h| format!("\\small\\textbf{{\\textit{{{}}}}}", escaped(&h.name))).collect();
    let line = format!("{}{} \\\\\n", if border >= 2 { "\\toprule\n" } else { "" }, names.join(" & "));
    // With a line under each row there is one above the first of a page as it is.
    let rule = if border == 3 { "" } else { "\\midrule\n" };
    out.push_str(&format!("{line}\\midrule\n\\endfirsthead\n{line}{rule}\\endhead\n"));
}

/// What stands below the table on its last page and on the others: the title or a line.
fn feet(out: &mut String, title: Option<&str>, border: u16) {
    let Some(title) = title.map(escaped) else {
        if border >= 2 {
            out.push_str("\\bottomrule\n\\endfoot\n\\bottomrule\n\\endlastfoot\n");
        }
        return;
    };
    let rule = if border == 2 { "\\bottomrule\n" } else { "" };
    out.push_str(&format!(
        "{rule}\\caption[{title} (Continued)]{{{title}}}\n\\endfoot\n{rule}\\caption[{title}]{{{title}}}\n\\endlastfoot\n"
    ));
}
