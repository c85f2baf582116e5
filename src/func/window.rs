//! What PostgreSQL asks of the call of a window function and DataFusion does not, settled when a statement is analyzed.

use arrow::datatypes::DataType;
use datafusion::common::{DFSchema, Result as DfResult, ScalarValue};
use datafusion::functions_aggregate::min_max::{max_udaf, min_udaf};
use datafusion::functions_window::lead_lag::lag_udwf;
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::{Expr, ExprSchemable, WindowFrame, WindowFrameBound, WindowFrameUnits, WindowFunctionDefinition};

use super::frames::{self, BEYOND_ALL_ROWS, TIME_OF_DAY};
use super::measured::Measure;
use super::rewrite::alternatives_alike;
use super::scalar::jsonb_order;
use super::{cast, excluding, filtered, frame_offsets, per_row, replayed, row_delimiters};
use crate::error::{Error, Result, code};

/// The call with a default of lag or lead in the type of its values, and as one of NULL where its count of rows is NULL. Errors: 42P20
/// for a frame that cannot be, those of [`frame_offsets`], 0A000 for one over values without distances and for DISTINCT, 22016 for a row before the first.
pub(super) fn settle(mut call: WindowFunction, schema: &DFSchema) -> DfResult<Expr> {
    if call.params.distinct {
        let error = Error::unsupported("DISTINCT is not implemented for window functions");
        return Err(error.hint("Leave repeated values out in a subquery.").into());
    }
    if excluding::is_excluding(&call.fun) {
        return Ok(Expr::from(call));
    }
    let exclusion = excluding::taken(&mut call.params.partition_by);
    frame_offsets::settle(&mut call, schema)?;
    check_frame(&call, schema)?;
    settle_frame(&mut call);
    without_null_count(&mut call);
    if let Some(function) = row_delimiters::function(call.fun.name(), &call.params.args) {
        call.fun = WindowFunctionDefinition::AggregateUDF(function);
    }
    // Of booleans they are the least and the greatest, which a frame that moves can keep.
    match call.fun.name() {
        "bool_and" => call.fun = WindowFunctionDefinition::AggregateUDF(min_udaf()),
        "bool_or" => call.fun = WindowFunctionDefinition::AggregateUDF(max_udaf()),
        _ => {}
    }
    filtered::guard(call.params.filter.as_deref(), call.params.args.iter_mut())?;
    if call.params.order_by.is_empty() && call.params.window_frame.units == WindowFrameUnits::Range {
        // Without an order all rows of a partition are peers.
        call.params.window_frame = WindowFrame::new(None);
    }
    let measure = match call.params.order_by.as_slice() {
        [by] => Measure::wanted(&call, &by.expr.get_type(schema)?)?,
        _ => None,
    };
    by_row(&mut call, exclusion.is_some() || measure.is_some())?;
    match (call.fun.name(), call.params.args.as_slice()) {
        ("nth_value", [_, Expr::Literal(n, _)]) if !is_positive(n) => {
            let message = "argument of nth_value must be greater than zero";
            return Err(Error::new(code::INVALID_ARGUMENT_FOR_NTH_VALUE_FUNCTION, message).into());
        }
        ("lag" | "lead", [value, _, default]) => {
            let (value, default) = (value.clone(), default.clone());
            let default = if jsonb_order::is_jsonb(&value, schema) { jsonb_order::read(default)? } else { default };
            let mut alike = alternatives_alike(vec![value, default], schema)?.into_iter();
            if let (Some(value), Some(default)) = (alike.next(), alike.next()) {
                (call.params.args[0], call.params.args[2]) = (value, default);
            }
        }
        _ => {}
    }
    if exclusion.is_some() || measure.is_some() {
        return Ok(Expr::from(excluding::call(call, exclusion, measure)));
    }
    if let WindowFunctionDefinition::AggregateUDF(function) = &call.fun {
        call.fun = WindowFunctionDefinition::AggregateUDF(replayed::over_frames(function));
    }
    Ok(Expr::from(call))
}

/// What does not heed its frame is computed over the one that DataFusion takes for any order, and a frame of rows or of groups that ends before
/// it begins is one of no row.
fn settle_frame(call: &mut WindowFunction) {
    let frame = &call.params.window_frame;
    if !frames::has_offset(&frame.start_bound) && !frames::has_offset(&frame.end_bound) {
        return;
    }
    if !excluding::heeds_frame(&call.fun) {
        call.params.window_frame = WindowFrame::new((!call.params.order_by.is_empty()).then_some(false));
    } else if frame.units != WindowFrameUnits::Range && frames::is_inverted(frame) {
        call.params.window_frame = frames::empty();
    }
}

/// Gives a call whose count, number or default differs from row to row a function that takes such. Errors: 0A000 for nth_value over frames that
/// leave rows out.
fn by_row(call: &mut WindowFunction, is_apart: bool) -> Result<()> {
    let name = call.fun.name();
    let constants = match name {
        "lag" | "lead" | "nth_value" => call.params.args.get(1..).unwrap_or_default(),
        "ntile" => &call.params.args,
        _ => &[],
    };
    if !constants.iter().any(|arg| arg.any_column_refs() || arg.contains_outer()) {
        return Ok(());
    }
    if is_apart && name == "nth_value" {
        let message = "nth_value with an argument that differs from row to row is not supported over this frame";
        return Err(Error::unsupported(message).hint("Write a constant."));
    }
    if let Some(function) = per_row::function(name) {
        call.fun = function;
    }
    Ok(())
}

/// lag and lead by an offset of NULL and ntile of NULL are NULL in every row: DataFusion takes such an offset for 0. They are lag and lead by
/// more rows than there are.
fn without_null_count(call: &mut WindowFunction) {
    let null = match (call.fun.name(), call.params.args.as_slice()) {
        ("lag" | "lead", [value, offset, ..]) if is_null(offset) => value.clone(),
        ("ntile", [buckets]) if is_null(buckets) => {
            call.fun = WindowFunctionDefinition::WindowUDF(lag_udwf());
            Expr::Literal(ScalarValue::Int32(None), None)
        }
        _ => return,
    };
    call.params.args = vec![null, Expr::Literal(ScalarValue::Int64(Some(BEYOND_ALL_ROWS)), None)];
}

/// True for NULL, of a type or of none.
fn is_null(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(value, _) => value.is_null(),
        Expr::Cast(outer) => is_null(&outer.expr),
        Expr::ScalarFunction(call) if call.name() == cast::NAME => call.args.first().is_some_and(is_null),
        _ => false,
    }
}

fn is_positive(n: &ScalarValue) -> bool {
    matches!(n.cast_to(&DataType::Int64), Ok(ScalarValue::Int64(n)) if n.is_none_or(|n| n > 0))
}

fn check_frame(call: &WindowFunction, schema: &DFSchema) -> Result<()> {
    use WindowFrameBound::{CurrentRow, Following, Preceding};
    let (frame, order_by) = (&call.params.window_frame, &call.params.order_by);
    let refuse = |message: &str| Err(Error::new(code::WINDOWING_ERROR, message));
    match (&frame.start_bound, &frame.end_bound) {
        (Following(_), Preceding(_)) => return refuse("frame starting from following row cannot have preceding rows"),
        (CurrentRow, Preceding(_)) => return refuse("frame starting from current row cannot have preceding rows"),
        (Following(_), CurrentRow) => return refuse("frame starting from following row cannot end with current row"),
        _ => {}
    }
    if frame.units != WindowFrameUnits::Range || !frames::has_offset(&frame.start_bound) && !frames::has_offset(&frame.end_bound) {
        return Ok(());
    }
    let types = order_by.iter().map(|by| by.expr.get_type(schema)).collect::<DfResult<Vec<_>>>()?;
    if types.iter().all(|t| t.is_numeric() || *t == TIME_OF_DAY || matches!(t, DataType::Date32 | DataType::Timestamp(..))) {
        return Ok(());
    }
    let message = "RANGE with offset PRECEDING/FOLLOWING is not supported for a column of this type";
    Err(Error::unsupported(message).hint("Order by a number, a date, a time or a timestamp, or use ROWS or GROUPS."))
}
