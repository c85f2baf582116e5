//! `x LIKE ANY (ARRAY['a%', 'b%'])`, `x NOT LIKE ALL ('{a%,b%}')` (manual, chapter 9.24): as many comparisons, for patterns that are
//! written down.

use sqlparser::ast::{BinaryOperator, Expr, Function, FunctionArguments, UnaryOperator, Value};

use super::super::SystemContext;
use super::build::{arguments, bare, joined, last_name, literal, strings, take};
use super::copies;
use crate::error::Result;

pub fn spelled_out(expr: &mut Expr, _: &SystemContext) -> Result<()> {
    let (Expr::Like { negated, any, expr: value, pattern, escape_char: None }
    | Expr::ILike { negated, any, expr: value, pattern, escape_char: None }) = &mut *expr
    else {
        return Ok(());
    };
    let (all, patterns) = match pattern.as_mut() {
        Expr::Function(f) if !*any && is_quantifier(f) => {
            let all = last_name(&f.name) == "all";
            (all, arguments(f).into_iter().next().map_or(Ok(None), |array| elements(array))?)
        }
        array if *any => (false, elements(array)?),
        _ => return Ok(()),
    };
    let Some(patterns) = patterns else { return Ok(()) };
    copies::check(value, patterns.len())?;
    let (negated, value) = (*negated, take(value));
    let insensitive = matches!(expr, Expr::ILike { .. });
    let one = |pattern: Expr| {
        let (expr, pattern) = (Box::new(value.clone()), Box::new(pattern));
        match insensitive {
            true => Expr::ILike { negated, any: false, expr, pattern, escape_char: None },
            false => Expr::Like { negated, any: false, expr, pattern, escape_char: None },
        }
    };
    let op = if all { BinaryOperator::And } else { BinaryOperator::Or };
    let joined = joined(patterns.into_iter().map(one), &op);
    // All of none is true, any of none is false.
    *expr = joined.map_or_else(|| literal(Value::Boolean(all)), |joined| Expr::Nested(Box::new(joined)));
    Ok(())
}

fn is_quantifier(f: &Function) -> bool {
    matches!(last_name(&f.name).as_str(), "any" | "some" | "all")
        && matches!(&f.args, FunctionArguments::List(list) if list.args.len() == 1)
}

/// The elements of an array that is written down. Errors: 22P02.
fn elements(array: &Expr) -> Result<Option<Vec<Expr>>> {
    match bare(array) {
        Expr::Array(array) => Ok(Some(array.elem.clone())),
        Expr::Tuple(items) => Ok(Some(items.clone())),
        Expr::Cast { expr, .. } => elements(expr),
        Expr::Value(v) => match &v.value {
            Value::SingleQuotedString(text) => strings(text).map(Some),
            _ => Ok(None),
        },
        _ => Ok(None),
    }
}

/// `WHERE ('true')`, `'t' AND x`: a literal of no type is a boolean where one is expected (Hasura, pgjdbc).
pub fn boolean_literal(expr: &mut Expr, _: &SystemContext) -> Result<()> {
    match expr {
        Expr::BinaryOp { left, op: BinaryOperator::And | BinaryOperator::Or, right } => {
            [left, right].into_iter().for_each(|operand| as_boolean(operand));
        }
        Expr::UnaryOp { op: UnaryOperator::Not, expr } => as_boolean(expr),
        _ => {}
    }
    Ok(())
}

/// The truth value that a literal of no type says.
pub fn as_boolean(expr: &mut Expr) {
    let Expr::Value(v) = bare(expr) else { return };
    let Value::SingleQuotedString(text) = &v.value else { return };
    let value = match text.trim().to_ascii_lowercase().as_str() {
        "t" | "true" | "y" | "yes" | "on" | "1" => true,
        "f" | "false" | "n" | "no" | "off" | "0" => false,
        _ => return,
    };
    *expr = literal(Value::Boolean(value));
}
