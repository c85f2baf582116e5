//! Looking through expressions: names, columns, aggregates, and replacing parts.

use crate::func::ksql::list;
use crate::sql::ksql::ast::{Expr, ExprKind};

use super::call::unit;

/// The name of a column made of an expression without an alias; `None` stands for a generated one.
pub fn name_of(expr: &Expr) -> Option<String> {
    match &expr.kind {
        ExprKind::Column { name, .. } | ExprKind::Field(_, name) => Some(name.clone()),
        _ => None,
    }
}

/// The columns an expression reads, as written, in order; lambdas' parameters and units are none.
pub fn columns_of(expr: &Expr) -> Vec<(Option<String>, String)> {
    let mut columns = Vec::new();
    collect(expr, &mut Vec::new(), &mut columns);
    columns
}

fn collect<'e>(expr: &'e Expr, variables: &mut Vec<&'e str>, columns: &mut Vec<(Option<String>, String)>) {
    match &expr.kind {
        ExprKind::Column { source, name } => {
            if source.is_some() || !variables.contains(&name.as_str()) {
                columns.push((source.clone(), name.clone()));
            }
        }
        ExprKind::Lambda { parameters, body } => {
            let before = variables.len();
            variables.extend(parameters.iter().map(String::as_str));
            collect(body, variables, columns);
            variables.truncate(before);
        }
        ExprKind::Call { name, arguments } => {
            let function = list::scalar(name);
            for (at, argument) in arguments.iter().enumerate() {
                if function.is_none_or(|f| unit(f, at, argument).is_none()) {
                    collect(argument, variables, columns);
                }
            }
        }
        _ => children(expr).into_iter().for_each(|child| collect(child, variables, columns)),
    }
}

/// Whether an aggregate is called anywhere in an expression.
pub fn calls_aggregate(expr: &Expr, is_aggregate: &dyn Fn(&str) -> bool) -> bool {
    let own = matches!(&expr.kind, ExprKind::Call { name, .. } if is_aggregate(name));
    own || children(expr).into_iter().any(|child| calls_aggregate(child, is_aggregate))
}

/// Replaces parts of an expression, from the top: where `f` gives something it stands instead, elsewhere the parts are looked at.
pub fn rewrite(expr: Expr, f: &mut dyn FnMut(&Expr) -> Option<Expr>) -> Expr {
    if let Some(instead) = f(&expr) {
        return instead;
    }
    let Expr { kind, at } = expr;
    let mut one = |e: Box<Expr>| Box::new(rewrite(*e, f));
    let kind = match kind {
        ExprKind::Field(base, name) => ExprKind::Field(one(base), name),
        ExprKind::Index(base, index) => ExprKind::Index(one(base), one(index)),
        ExprKind::Call { name, arguments } => ExprKind::Call { name, arguments: all(arguments, f) },
        ExprKind::Lambda { parameters, body } => ExprKind::Lambda { parameters, body: one(body) },
        ExprKind::Array(items) => ExprKind::Array(all(items, f)),
        ExprKind::Map(entries) => ExprKind::Map(pairs(entries, f)),
        ExprKind::Struct(fields) => ExprKind::Struct(fields.into_iter().map(|(name, e)| (name, rewrite(e, f))).collect()),
        ExprKind::Not(inner) => ExprKind::Not(one(inner)),
        ExprKind::Negate(inner) => ExprKind::Negate(one(inner)),
        ExprKind::Binary(op, left, right) => ExprKind::Binary(op, one(left), one(right)),
        ExprKind::Between { value, low, high, negated } => ExprKind::Between { value: one(value), low: one(low), high: one(high), negated },
        ExprKind::In { value, list, negated } => ExprKind::In { value: one(value), list: all(list, f), negated },
        ExprKind::Like { value, pattern, escape, negated } => ExprKind::Like { value: one(value), pattern: one(pattern), escape, negated },
        ExprKind::IsNull { value, negated } => ExprKind::IsNull { value: one(value), negated },
        ExprKind::Case { operand, whens, otherwise } => {
            let operand = operand.map(&mut one);
            let whens = pairs(whens, f);
            ExprKind::Case { operand, whens, otherwise: otherwise.map(|e| Box::new(rewrite(*e, f))) }
        }
        ExprKind::Cast(inner, ty) => ExprKind::Cast(one(inner), ty),
        leaf => leaf,
    };
    Expr { kind, at }
}

fn all(exprs: Vec<Expr>, f: &mut dyn FnMut(&Expr) -> Option<Expr>) -> Vec<Expr> {
    exprs.into_iter().map(|e| rewrite(e, f)).collect()
}

fn pairs(exprs: Vec<(Expr, Expr)>, f: &mut dyn FnMut(&Expr) -> Option<Expr>) -> Vec<(Expr, Expr)> {
    exprs.into_iter().map(|(a, b)| (rewrite(a, f), rewrite(b, f))).collect()
}

/// The parts of an expression, in the order in which they are written.
fn children(expr: &Expr) -> Vec<&Expr> {
    match &expr.kind {
        ExprKind::Field(a, _) | ExprKind::Not(a) | ExprKind::Negate(a) | ExprKind::Cast(a, _) => vec![a],
        ExprKind::IsNull { value: a, .. } | ExprKind::Lambda { body: a, .. } => vec![a],
        ExprKind::Index(a, b) | ExprKind::Binary(_, a, b) | ExprKind::Like { value: a, pattern: b, .. } => vec![a, b],
        ExprKind::Between { value, low, high, .. } => vec![value, low, high],
        ExprKind::Call { arguments: items, .. } | ExprKind::Array(items) => items.iter().collect(),
        ExprKind::Map(entries) => entries.iter().flat_map(|(k, v)| [k, v]).collect(),
        ExprKind::Struct(fields) => fields.iter().map(|(_, e)| e).collect(),
        ExprKind::In { value, list, .. } => std::iter::once(value.as_ref()).chain(list).collect(),
        ExprKind::Case { operand, whens, otherwise } => {
            let whens = whens.iter().flat_map(|(w, t)| [w, t]);
            operand.as_deref().into_iter().chain(whens).chain(otherwise.as_deref()).collect()
        }
        _ => Vec::new(),
    }
}
