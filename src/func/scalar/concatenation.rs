//! Chains of `||`: of texts, of bytea, of jsonb and of arrays, each of which is one call, however long.
//!
//! As a nesting of calls of two arguments they would take DataFusion time that grows with the cube of their length, since it learns the type and
//! the name of a call from its arguments at every level. A chain of two has the function that is known by its name; the function of more has
//! the same name, and is called by the operator only.

use arrow::datatypes::DataType;
use datafusion::common::{DFSchema, Result as DfResult, ScalarValue};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::planner::RawBinaryExpr;
use datafusion::logical_expr::{Expr, ExprSchemable, cast};

use super::{bytes, growing, jsonb_edit};
use crate::data::PgType;
use crate::func::cast as casts;

/// What DataFusion's planner makes of `||` between arrays.
const ARRAYS: &str = "array_concat";

/// The call that `left || right` is if its left side is a call of `||` that takes one more argument as well; `Err` with the operands as they
/// were if not. Cost: that of looking at the right side, and at the arrays to the left.
pub fn longer(expr: RawBinaryExpr, schema: &DFSchema) -> DfResult<Result<Expr, RawBinaryExpr>> {
    let RawBinaryExpr { op, left, right } = expr;
    let mut call = match left {
        Expr::ScalarFunction(call) => call,
        left => return Ok(Err(RawBinaryExpr { op, left, right })),
    };
    let Some(side) = fitting(&call, &right, schema)? else {
        return Ok(Err(RawBinaryExpr { op, left: Expr::ScalarFunction(call), right }));
    };
    let of_more = match call.name() {
        growing::JOIN => Some(growing::joined()),
        bytes::JOIN => Some(bytes::joined()),
        jsonb_edit::JOIN => Some(jsonb_edit::joined_all()),
        _ => None,
    };
    if let Some(function) = of_more {
        call.func = function;
    }
    call.args.push(side);
    Ok(Ok(Expr::ScalarFunction(call)))
}

/// What stands to the right of a chain as its next argument, if it can be that.
fn fitting(chain: &ScalarFunction, right: &Expr, schema: &DFSchema) -> DfResult<Option<Expr>> {
    let Ok((_, field)) = right.to_field(schema) else { return Ok(None) };
    let ty = PgType::of(&field);
    let fits = match chain.name() {
        // A parameter without a type is looked at elsewhere.
        growing::JOIN => !matches!(right, Expr::Placeholder(place) if place.field.is_none()) && !matches!(ty, PgType::Array(_)),
        bytes::JOIN if is_plain(right) => return Ok(casts::read_beside(right, &DataType::Binary)?),
        bytes::JOIN => ty == PgType::Bytea,
        jsonb_edit::JOIN => is_plain(right) || ty == PgType::Jsonb,
        ARRAYS => {
            let is_alike = |array: &Expr| array.get_type(schema).is_ok_and(|of| of == *field.data_type());
            matches!(field.data_type(), DataType::List(_)) && chain.args.iter().all(is_alike)
        }
        _ => false,
    };
    Ok(fits.then(|| operand(right.clone(), &ty)))
}

/// A value of that type as `||` takes it: char(n) loses its blanks, and inet shows all of itself, as everywhere where they become text.
pub fn operand(value: Expr, ty: &PgType) -> Expr {
    match ty {
        PgType::Bpchar(_) => cast(value, PgType::Text.arrow()),
        PgType::Inet | PgType::Cidr => casts::call(value, PgType::Text),
        _ => value,
    }
}

/// True for a string literal whose type is not said.
pub fn is_plain(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(ScalarValue::Utf8(Some(_)) | ScalarValue::Utf8View(Some(_)), None))
}
