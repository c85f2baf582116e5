//! Offsets of frames that are computed, `ROWS 1 + 1 PRECEDING`: the planner takes numbers and intervals as they are written only. Others are
//! told by a function in PARTITION BY, which [`crate::func::frame_offsets`] takes out again, and 0 stands in their place.

use sqlparser::ast::{Expr, Function, Value, WindowFrame, WindowFrameBound, WindowSpec, WindowType};

use super::build::{call, each_expression, literal};
use crate::error::Result;
use crate::func::frame_offsets::{End, not_constant};
use crate::serve::system::SystemContext;

/// Rows by the digits of their number that surely fit.
const DIGITS_MAX: usize = 18;

/// Puts the computed offsets of a call's frame into its PARTITION BY. Errors: 0A000 for one that asks a query.
pub fn in_partition(expr: &mut Expr, _: &SystemContext) -> Result<()> {
    let Expr::Function(Function { over: Some(WindowType::WindowSpec(spec)), .. }) = expr else { return Ok(()) };
    let WindowSpec { partition_by, window_frame: Some(WindowFrame { start_bound, end_bound, .. }), .. } = spec else { return Ok(()) };
    for (end, bound) in [(End::Start, Some(start_bound)), (End::End, end_bound.as_mut())] {
        let Some(WindowFrameBound::Preceding(Some(offset)) | WindowFrameBound::Following(Some(offset))) = bound else { continue };
        if !is_plain(offset) {
            let mut asks = false;
            each_expression(offset.as_mut(), |expr, queries| {
                asks |= queries > 0 || matches!(expr, Expr::Subquery(_) | Expr::Exists { .. })
            });
            if asks {
                return Err(not_constant());
            }
            let offset = std::mem::replace(offset.as_mut(), literal(Value::Number("0".into(), false)));
            partition_by.insert(0, call(end.marker(), vec![offset]));
        }
    }
    Ok(())
}

/// True for a whole number and for an interval's literal.
fn is_plain(offset: &Expr) -> bool {
    match offset {
        Expr::Interval(_) => true,
        Expr::Value(value) => match &value.value {
            Value::Number(number, _) => {
                let number = number.to_string();
                number.len() <= DIGITS_MAX && number.bytes().all(|b| b.is_ascii_digit())
            }
            _ => false,
        },
        _ => false,
    }
}
