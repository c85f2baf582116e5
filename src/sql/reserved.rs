//! Words that cannot name a relation.

use std::ops::ControlFlow;

use sqlparser::ast;

use super::split::char_position;
use crate::error::{Error, Result};

/// Words that name no relation unless they are quoted; sqlparser lets them, and `SELECT 1 FROM WHERE` would look for one.
const RESERVED: &[&str] = &[
    "all",
    "and",
    "as",
    "cross",
    "distinct",
    "end",
    "except",
    "fetch",
    "for",
    "from",
    "full",
    "group",
    "having",
    "inner",
    "intersect",
    "into",
    "join",
    "left",
    "limit",
    "natural",
    "not",
    "offset",
    "on",
    "or",
    "order",
    "right",
    "select",
    "then",
    "union",
    "using",
    "when",
    "where",
    "window",
    "with",
];

/// Errors: 42601 at the first reserved word that stands where a relation should.
pub(super) fn refuse_reserved(sql: &str, query: &ast::Query) -> Result<()> {
    let refused = ast::visit_relations(query, |name| match name.0.as_slice() {
        [part] => match part.as_ident() {
            Some(ident) if ident.quote_style.is_none() && RESERVED.contains(&ident.value.to_lowercase().as_str()) => {
                let error = Error::syntax(format!("syntax error at or near \"{}\"", ident.value));
                ControlFlow::Break(error.at(char_position(sql, ident.span.start)))
            }
            _ => ControlFlow::Continue(()),
        },
        _ => ControlFlow::Continue(()),
    });
    refused.break_value().map_or(Ok(()), Err)
}
