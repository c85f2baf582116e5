//! Expressions as PostgreSQL prints them again: `pg_get_indexdef`, `pg_get_triggerdef`, and keys in errors.
//!
//! PostgreSQL keeps an expression analyzed, and prints that: with the casts that were not written, operators for LIKE, IN and BETWEEN, and all
//! parentheses, or in the pretty style those that are needed. The catalog keeps the text; [`read`] makes of it what analysis would, as far
//! as what it prints is concerned, and [`mod@print`] is PostgreSQL's way of printing. A part that it does not know is printed as it was written.

mod print;
mod read;

use sqlparser::ast::Expr;

use crate::catalog::{Index, Indexed, Relation};
use crate::data::PgType;
use crate::data::quoting::ident;
use crate::sql::fold_name;
use crate::sql::parse::written_expression;

pub use print::Style;

/// An expression over a relation's columns, analyzed as far as its printing asks for.
enum Node {
    /// A column, a constant, or what is printed as it was written.
    Atom(String),
    /// Parts, each behind a text, and a last text: a function, COALESCE, CASE, ARRAY ... `call`: an index needs no parentheses around it.
    Parts {
        call: bool,
        parts: Vec<(String, Node)>,
        end: String,
    },
    Cast(Box<Node>, String),
    Operator(Box<Node>, String, Box<Node>),
    Prefix(String, Box<Node>),
    /// `x = ANY (array)`, with what is between.
    Any(Box<Node>, String, Box<Node>),
    /// `x IS NULL` and its kin, with what is behind.
    Test(Box<Node>, String),
    Distinct(Box<Node>, Box<Node>),
    Not(Box<Node>),
    And(Vec<Node>),
    Or(Vec<Node>),
}

/// A key of an index: an expression that is no function call is in parentheses.
pub fn key(relation: &Relation, of: &Indexed, style: Style) -> String {
    match of {
        Indexed::Column(name) => ident(name),
        Indexed::Expression { sql, .. } => match written_expression(sql) {
            Ok(expr) => print::key(&read::node(relation, &expr).0, style),
            Err(_) => sql.clone(),
        },
    }
}

/// An expression, as the condition of a partial index is one.
pub fn expression(relation: &Relation, sql: &str, style: Style) -> String {
    written_expression(sql).map_or_else(|_| sql.to_string(), |expr| print::print(&read::node(relation, &expr).0, style))
}

/// The condition of a trigger, over the rows `new` and `old`.
pub fn condition(relation: &Relation, sql: &str, style: Style) -> String {
    written_expression(sql).map_or_else(|_| sql.to_string(), |expr| print::print(&read::node_of_rows(relation, &expr).0, style))
}

/// What the columns of an index are called: keys, then those of INCLUDE. An expression goes by the name of its function.
pub fn column_names(index: &Index) -> Vec<String> {
    let keys = index.keys.iter().map(|key| name_of(&key.of));
    keys.chain(index.include.iter().cloned()).fold(Vec::new(), |mut names, name| {
        let numbered = (1..).map(|i| format!("{name}{i}"));
        names.extend(std::iter::once(name.clone()).chain(numbered).find(|name| !names.contains(name)));
        names
    })
}

fn name_of(of: &Indexed) -> String {
    match of {
        Indexed::Column(name) => name.clone(),
        Indexed::Expression { sql, .. } => {
            written_expression(sql).ok().and_then(|expr| figure(&expr)).map_or_else(|| "expr".into(), |(name, _)| name)
        }
    }
}

/// The name that an expression suggests, and whether it is a good one.
fn figure(expr: &Expr) -> Option<(String, bool)> {
    let good = |name: &str| Some((name.to_string(), true));
    match expr {
        Expr::Identifier(name) => good(&fold_name(name)),
        Expr::CompoundIdentifier(parts) => good(&fold_name(parts.last()?)),
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } | Expr::CompoundFieldAccess { root: inner, .. } => figure(inner),
        Expr::Function(f) => good(&fold_name(f.name.0.last()?.as_ident()?)),
        Expr::Cast { expr, data_type, .. } => {
            let own = || PgType::parse(&data_type.to_string()).map_or_else(|_| data_type.to_string(), |ty| ty.typname());
            figure(expr).filter(|(_, good)| *good).or_else(|| Some((own(), false)))
        }
        Expr::Case { else_result, .. } => {
            let by_else = else_result.as_ref().and_then(|e| figure(e)).filter(|(_, good)| *good);
            by_else.or_else(|| Some(("case".into(), false)))
        }
        Expr::Extract { .. } => good("extract"),
        Expr::Substring { shorthand, .. } => good(if *shorthand { "substr" } else { "substring" }),
        Expr::Trim { .. } => good("btrim"),
        Expr::Position { .. } => good("position"),
        Expr::Overlay { .. } => good("overlay"),
        Expr::Ceil { .. } => good("ceil"),
        Expr::Floor { .. } => good("floor"),
        Expr::AtTimeZone { .. } => good("timezone"),
        Expr::Array(_) => good("array"),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
