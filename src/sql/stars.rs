//! `*` and `relation.*` in the SELECTs whose columns are a query's: where they stand, and what they mean.

use sqlparser::ast::{Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, WildcardAdditionalOptions, With};

use super::parse::written_query;
use super::split::char_position;
use crate::error::Result;

/// One of them.
pub struct Star {
    /// The characters of the text that it is, from and to.
    pub place: (usize, usize),
    /// What stands before the point, as it is written.
    pub of: Option<String>,
    /// A query that gives its columns and no others.
    pub alone: String,
}

/// Those of a query, in the order in which they stand: in its SELECT, or in each that UNION and its like combine. Errors: 42601.
pub fn stars(sql: &str) -> Result<Vec<Star>> {
    let query = written_query(sql)?;
    let mut found = Vec::new();
    in_body(sql, &query.body, query.with.as_ref(), &mut found);
    Ok(found)
}

fn in_body(sql: &str, body: &SetExpr, with: Option<&With>, found: &mut Vec<Star>) {
    match body {
        SetExpr::Select(select) => found.extend(select.projection.iter().filter_map(|item| star(sql, select, item, with))),
        SetExpr::SetOperation { left, right, .. } => {
            in_body(sql, left, with, found);
            in_body(sql, right, with, found);
        }
        SetExpr::Query(inner) if inner.with.is_none() => in_body(sql, &inner.body, with, found),
        _ => {}
    }
}

fn star(sql: &str, select: &Select, item: &SelectItem, with: Option<&With>) -> Option<Star> {
    let at = |location| char_position(sql, location) - 1;
    let token = |options: &WildcardAdditionalOptions| options.wildcard_token.0.span;
    let (place, of) = match item {
        SelectItem::Wildcard(options) => ((at(token(options).start), at(token(options).end)), None),
        SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options) => {
            let first = name.0.first()?.as_ident()?.span;
            ((at(first.start), at(token(options).end)), Some(name.to_string()))
        }
        _ => return None,
    };
    let with = with.map(|with| format!("{with} ")).unwrap_or_default();
    let from: Vec<String> = select.from.iter().map(ToString::to_string).collect();
    Some(Star { place, of, alone: format!("{with}SELECT {item} FROM {}", from.join(", ")) })
}

/// A text with others in the place of some of its characters, which do not overlap: from, to, and the text. Positions are in characters.
pub fn replaced(sql: &str, mut edits: Vec<(usize, usize, String)>) -> String {
    edits.sort_unstable();
    edits.dedup();
    let (mut text, mut done) = (String::with_capacity(sql.len() + 16 * edits.len()), 0);
    let byte = |character: usize| sql.char_indices().nth(character).map_or(sql.len(), |(i, _)| i);
    for (from, to, new) in edits {
        text.push_str(&sql[done..byte(from)]);
        text.push_str(&new);
        done = byte(to);
    }
    text.push_str(&sql[done..]);
    text
}
