//! Comparisons: which types compare, and what is converted first.
//!
//! Numbers compare with numbers and nothing else, text also with dates and times, which it is then read as; truth values and composites
//! know only equality. Beside that text is a point in time where it meets a column named ROWTIME, WINDOWSTART or WINDOWEND.

use bigdecimal::BigDecimal;

use crate::error::{Error, Result, code};
use crate::func::ksql::cast::coerce_literal;
use crate::func::ksql::code::{Code, Comparison, Conversion};
use crate::func::ksql::{Type, Value};
use crate::sql::ksql::ast::ExprKind;

use super::node::{Made, Node};
use super::placed;

/// The columns that hold a time in milliseconds although they are BIGINT.
const TIMES: [&str; 3] = ["ROWTIME", "WINDOWSTART", "WINDOWEND"];

/// The code of a comparison.
pub(super) fn compare(op: Comparison, mut left: Node<'_>, mut right: Node<'_>) -> Result<Code> {
    if is_time(&left) {
        right = as_time(right)?;
    } else if is_time(&right) {
        left = as_time(left)?;
    }
    check(op, &left, &right)?;
    let left_is_typed = !left.is_untyped();
    let (left, right) = match (left_is_typed, right.is_untyped()) {
        // A constructor that does not say its type takes the other's.
        (true, true) => {
            let (code, ty) = left.finish()?;
            let right = right.converted(&ty)?;
            ((code, ty.clone()), (right, ty))
        }
        (false, false) => {
            let (code, ty) = right.finish()?;
            let left = left.converted(&ty)?;
            ((left, ty.clone()), (code, ty))
        }
        _ => (left.finish()?, right.finish()?),
    };
    let (l, r) = match (&left.1, &right.1) {
        (Type::String, to @ (Type::Date | Type::Time | Type::Timestamp)) => (parsed(left.0, to), right.0),
        (from @ (Type::Date | Type::Time | Type::Timestamp), Type::String) => {
            let r = parsed(right.0, from);
            (left.0, r)
        }
        (Type::Double, Type::Decimal(..)) => (left.0, as_double(right.0)),
        (Type::Decimal(..), Type::Double) => (as_double(left.0), right.0),
        _ => (left.0, right.0),
    };
    Ok(Code::Compare(op, Box::new(l), Box::new(r)).folded())
}

fn check(op: Comparison, left: &Node<'_>, right: &Node<'_>) -> Result<()> {
    use Type::*;
    if left.ty == Null || right.ty == Null {
        let message = format!("Comparison with NULL not supported: {} and {}", left.ty, right.ty);
        return Err(Error::new(code::DATATYPE_MISMATCH, message).hint("Use IS NULL or IS NOT NULL instead."));
    }
    let equality = matches!(op, Comparison::Equal | Comparison::NotEqual | Comparison::Distinct | Comparison::NotDistinct);
    let fits = match (&left.ty, &right.ty) {
        (l, r) if l.is_number() => r.is_number(),
        (String, String | Date | Time | Timestamp) | (Time, Time | String) => true,
        (Date | Timestamp, Date | Timestamp | String) | (Bytes, Bytes) => true,
        (Boolean, Boolean) | (Array(_), Array(_)) | (Map(..), Map(..)) | (Struct(_), Struct(_)) => equality,
        _ => false,
    };
    if fits {
        return Ok(());
    }
    let message = format!("Cannot compare {} ({}) to {} ({})", left.text(), left.ty, right.text(), right.ty);
    Err(placed(Error::new(code::UNDEFINED_FUNCTION, message), left.expr.at).hint("You might need to add explicit type casts."))
}

fn is_time(node: &Node<'_>) -> bool {
    let named = |name: &str| TIMES.contains(&name);
    node.ty == Type::Bigint && matches!(&node.expr.kind, ExprKind::Column { name, .. } if named(name))
}

/// A text literal as milliseconds.
fn as_time(node: Node<'_>) -> Result<Node<'_>> {
    let Made::Literal(Value::String(text)) = &node.made else { return Ok(node) };
    let time = coerce_literal(text, &Type::Timestamp).map_err(|e| placed(e, node.expr.at))?;
    let ms = time.as_i64().ok_or_else(|| Error::internal("a time without milliseconds"))?;
    Ok(Node { made: Made::Literal(Value::Bigint(ms)), ty: Type::Bigint, expr: node.expr })
}

/// Text read as a date or time. Bad text fails for each row, as in ksqlDB, and not the statement.
fn parsed(code: Code, to: &Type) -> Code {
    Code::Convert { value: Box::new(code), to: to.clone(), how: Conversion::Parse }.folded()
}

/// A constant decimal beside doubles, as a double if that is the same number: then comparing needs no decimals.
fn as_double(code: Code) -> Code {
    let Code::Constant(Value::Decimal(decimal)) = &code else { return code };
    let double = decimal.to_string().parse::<f64>().ok().filter(|x| x.is_finite());
    let same = |x: &f64| Value::Double(*x).as_decimal().is_some_and(|d: BigDecimal| d == *decimal);
    match double.filter(same) {
        Some(x) => Code::Constant(Value::Double(x)),
        None => code,
    }
}
