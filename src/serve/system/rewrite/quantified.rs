//! `x < ANY (array)`, `x >= ALL ('{1,2}')`, `x ~ ANY (array)` and their kin (manual, chapter 9.24). What is written down is as many comparisons. DataFusion compares
//! with the least and the greatest element otherwise, and forgets for ANY that a NULL among them may be what x compares with.

use sqlparser::ast::{BinaryOperator, CastKind, DataType, Expr, UnaryOperator, Value};

use super::super::SystemContext;
use super::build::{bare, binary, call, joined, literal, strings, take, text, when};
use super::copies;
use crate::error::Result;

/// As many elements become comparisons of their own.
const ELEMENTS_MAX: usize = 32;

/// The rule of comparisons. `= ANY` and `<> ALL` are lists and searches already.
pub fn compared(expr: &mut Expr, _: &SystemContext) -> Result<()> {
    use BinaryOperator::{Eq, Gt, GtEq, Lt, LtEq, NotEq, PGRegexIMatch, PGRegexMatch, PGRegexNotIMatch, PGRegexNotMatch};
    if let Expr::AnyOp { left, compare_op: op @ (PGRegexMatch | PGRegexIMatch | PGRegexNotMatch | PGRegexNotIMatch), right, .. }
    | Expr::AllOp { left, compare_op: op @ (PGRegexMatch | PGRegexIMatch | PGRegexNotMatch | PGRegexNotIMatch), right } = expr
    {
        if matches!(right.as_ref(), Expr::Subquery(_)) {
            return Ok(());
        }
        // DataFusion has no patterns in arrays.
        let mut arguments = vec![take(left), take(right), text(&op.to_string())];
        arguments.push(literal(Value::Boolean(matches!(expr, Expr::AllOp { .. }))));
        *expr = call("regexp_quantified", arguments);
        return Ok(());
    }
    let (left, op, right, all) = match expr {
        Expr::AnyOp { left, compare_op: op @ (NotEq | Lt | LtEq | Gt | GtEq), right, .. } => (left, op.clone(), right, false),
        Expr::AllOp { left, compare_op: op @ (Eq | Lt | LtEq | Gt | GtEq), right } => (left, op.clone(), right, true),
        _ => return Ok(()),
    };
    if let Some(elements) = elements(right)?.filter(|elements| elements.len() <= ELEMENTS_MAX) {
        copies::check(left, elements.len())?;
        let left = take(left);
        let by = if all { BinaryOperator::And } else { BinaryOperator::Or };
        let each = elements.into_iter().map(|element| binary(left.clone(), op.clone(), element));
        // All of none is true, any of none is false.
        let joined = joined(each, &by);
        *expr = Expr::Nested(Box::new(joined.unwrap_or_else(|| literal(Value::Boolean(all)))));
        return Ok(());
    }
    if all || matches!(right.as_ref(), Expr::Subquery(_)) {
        return Ok(());
    }
    let has_null = Expr::IsNotNull(Box::new(call("array_position", vec![right.as_ref().clone(), literal(Value::Null)])));
    let null =
        Expr::Cast { kind: CastKind::Cast, expr: Box::new(literal(Value::Null)), data_type: DataType::Boolean, array: false, format: None };
    let mut unless_null = when(has_null, null);
    if let Expr::Case { else_result, .. } = &mut unless_null {
        *else_result = Some(Box::new(literal(Value::Boolean(false))));
    }
    *expr = Expr::Nested(Box::new(binary(take(expr), BinaryOperator::Or, unless_null)));
    Ok(())
}

/// `'a' = ANY (array)` and `'a' <> ALL (array)`: the literal is one of the array's elements, whose type only the plan tells. DataFusion
/// looks for a text.
pub fn sought(expr: &mut Expr, _: &SystemContext) -> Result<()> {
    let (left, right, all) = match expr {
        Expr::AnyOp { left, compare_op: BinaryOperator::Eq, right, .. } => (left, right, false),
        Expr::AllOp { left, compare_op: BinaryOperator::NotEq, right } => (left, right, true),
        _ => return Ok(()),
    };
    let is_text = matches!(bare(left), Expr::Value(value) if matches!(value.value, Value::SingleQuotedString(_)));
    if !is_text || matches!(right.as_ref(), Expr::Subquery(_)) {
        return Ok(());
    }
    let any = call("pg_any", vec![take(right), take(left)]);
    *expr = if all { Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(any) } } else { any };
    Ok(())
}

/// The elements of an array that is written down, in their types or in none. Errors: 22P02.
fn elements(array: &Expr) -> Result<Option<Vec<Expr>>> {
    match bare(array) {
        Expr::Array(array) => Ok(Some(array.elem.clone()).filter(|elements| !elements.iter().any(|e| matches!(e, Expr::Array(_))))),
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => strings(text).map(Some),
            _ => Ok(None),
        },
        _ => Ok(None),
    }
}
