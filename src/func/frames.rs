//! Frames of RANGE with an offset, as PostgreSQL has them.
//!
//! - Of dates and timestamps some are infinite. To PostgreSQL infinity stays infinity whatever is added to it. Here it is the end of what
//!   its Arrow type holds, and DataFusion takes a bound past that end for no bound at all, for the row itself and for those after it. So
//!   such windows are ordered by what [`place`] makes of the values: infinity is a day far from all others there, from which an offset
//!   leads neither to one of them nor past any end.
//! - A time of day is placed too, as its microseconds since midnight: an offset leads past the day's ends, where there are no rows, and its
//!   months and days mean nothing.
//! - A smallint or an integer is placed as a bigint, since an offset leads past the end of its own type.
//! - NULL, infinity and NaN stay what they are whatever is added, so the frame of such a row is its peers even if the frame begins behind
//!   the row or ends before it, or ends before it begins: of other rows such a frame is empty. DataFusion knows this of NULL and of floats,
//!   but refuses frames that end before they begin. Where it matters, the call becomes two, one over the frame as it is written and one
//!   in which CURRENT ROW stands for the offsets, and each row has the value of one of them.
//!
//! Two calls that are written apart may come to the same, as `lag(a, 1)` and `lag(a, 1::int)` do: it is computed once, since DataFusion takes
//! equal calls of a window for an expression like others, which it cannot compute below the window.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Date32Type, Float32Type, Float64Type, Int64Type, IntervalMonthDayNano, Time64MicrosecondType, TimeUnit,
    TimestampMicrosecondType,
};
use datafusion::common::metadata::FieldMetadata;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, Result as DfResult, ScalarValue};
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{
    Expr, ExprSchemable, LogicalPlan, Projection, ScalarUDF, Window, WindowFrame, WindowFrameBound, WindowFrameUnits, when,
};

use super::length;
use super::scalar::define::Function;
use crate::data::PgType;
use crate::data::datetime::{US_PER_DAY, is_infinite, is_infinite_date, parse_interval};
use crate::error::{Error, Result, code};

/// The name of the function that places dates, timestamps and times.
const PLACED: &str = "pg_frame_order";
/// Where infinity is placed, in days from 1970: in the year 199920, and as far before.
pub(super) const INFINITE: i64 = 72_300_000;
/// The farthest day that is placed where it is: some 100000 years away.
const FINITE_MAX: i64 = 36_500_000;
/// Most days of an offset: from no finite day to infinity or back, and from there not past what chrono's dates hold.
const OFFSET_MAX: i64 = 20_000_000;
/// Largest offset between whole numbers.
const WHOLE_OFFSET_MAX: f64 = (1u64 << 62) as f64;
/// More rows than any partition has; less than what overflows when a row's number is added.
pub(super) const BEYOND_ALL_ROWS: i64 = 1 << 48;

/// The window with the orders of such frames placed, wherever they stand in it, since its calls are to be sorted alike, and behind it the
/// choice between the calls of which one became two. Errors: 0A000 for an offset that leads too far or is none of the order's type, 22013
/// for a negative one.
pub(super) fn settle(mut window: Window) -> DfResult<LogicalPlan> {
    let input = Arc::clone(window.input.schema());
    let schema: &DFSchema = &input;
    let mut outputs: Vec<Expr> = schema.iter().map(Expr::from).collect();
    let (mut calls, mut orders): (Vec<Expr>, Vec<Expr>) = (Vec::new(), Vec::new());
    let mut known: Vec<(Expr, usize)> = Vec::new();
    let count = window.window_expr.len();
    for expr in std::mem::take(&mut window.window_expr) {
        let name = expr.schema_name().to_string();
        let written = expr.clone().unalias();
        if let Some((_, output)) = known.iter().find(|(call, _)| *call == written) {
            let metadata = FieldMetadata::from(expr.to_field(schema)?.1.as_ref());
            let value = outputs[*output].clone().unalias();
            outputs.push(value.alias_with_metadata(name, Some(metadata)));
            continue;
        }
        known.push((written, outputs.len()));
        let Some((mut call, order)) = over_offset(&expr) else {
            outputs.push(column(&name));
            calls.push(expr);
            continue;
        };
        let ty = order.get_type(schema)?;
        if is_moment(&ty) {
            by_intervals(&mut call.params.window_frame, &ty)?;
        } else if ty.is_signed_integer() {
            check_whole(&call.params.window_frame)?;
        }
        if is_placed_type(&ty) {
            orders.push(order.clone());
        }
        let Some(moving) = apart(&call.params.window_frame, &ty) else {
            outputs.push(column(&name));
            calls.push(if ty == TIME_OF_DAY { Expr::from(call).alias(name) } else { expr });
            continue;
        };
        let mut staying = call.clone();
        staying.params.window_frame = of_peers(&call.params.window_frame);
        call.params.window_frame = moving;
        let field = Expr::from(staying.clone()).to_field(schema)?.1;
        let names = ["moving", "staying"].map(|part| format!("pg_frame_{part}_{}", calls.len()));
        let value = when(moves().call(vec![order]), column(&names[0])).otherwise(column(&names[1]))?;
        outputs.push(value.alias_with_metadata(name, Some(FieldMetadata::from(field.as_ref()))));
        calls.extend([call, staying].into_iter().zip(names).map(|(call, name)| Expr::from(call).alias(name)));
    }
    let is_as_before = calls.len() == count && known.len() == count;
    window.window_expr = calls;
    let window = ordered_by_places(LogicalPlan::Window(window), &orders)?;
    if is_as_before {
        return Ok(window);
    }
    Ok(LogicalPlan::Projection(Projection::try_new(outputs, Arc::new(window))?))
}

fn column(name: &str) -> Expr {
    Expr::Column(Column::new_unqualified(name))
}

/// The plan with each of these orders placed.
fn ordered_by_places(plan: LogicalPlan, orders: &[Expr]) -> DfResult<LogicalPlan> {
    if orders.is_empty() {
        return plan.recompute_schema();
    }
    let names = NamePreserver::new(&plan);
    let settled = plan.map_expressions(|expr| {
        let name = names.save(&expr);
        let placed = expr.transform_up(|e| match e {
            Expr::WindowFunction(mut call) => {
                place_orders(&mut call, orders);
                Ok(Transformed::yes(Expr::WindowFunction(call)))
            }
            other => Ok(Transformed::no(other)),
        })?;
        Ok(placed.update_data(|e| name.restore(e)))
    })?;
    settled.data.recompute_schema()
}

/// A call whose frame is by RANGE with an offset, and what it adds that to, if this is not placed yet: plans are analyzed more than once.
fn over_offset(expr: &Expr) -> Option<(WindowFunction, Expr)> {
    let Expr::WindowFunction(call) = expr.clone().unalias() else { return None };
    let frame = &call.params.window_frame;
    let [by] = call.params.order_by.as_slice() else { return None };
    let has_offset = has_offset(&frame.start_bound) || has_offset(&frame.end_bound);
    let is_placed = matches!(&by.expr, Expr::ScalarFunction(f) if f.name() == PLACED);
    let order = by.expr.clone();
    (frame.units == WindowFrameUnits::Range && has_offset && !is_placed).then_some((*call, order))
}

/// True for a bound so much away from the current row.
pub(super) fn has_offset(bound: &WindowFrameBound) -> bool {
    matches!(bound, WindowFrameBound::Preceding(n) | WindowFrameBound::Following(n) if !n.is_null())
}

/// The frame of the rows that move, if it is not that of all rows.
fn apart(frame: &WindowFrame, ty: &DataType) -> Option<WindowFrame> {
    use WindowFrameBound::{Following, Preceding};
    if is_inverted(frame) {
        return Some(empty());
    }
    let without_row = matches!(&frame.end_bound, Preceding(_)) || matches!(&frame.start_bound, Following(_));
    (without_row && is_date(ty)).then(|| frame.clone())
}

/// A frame of no row.
pub(super) fn empty() -> WindowFrame {
    let beyond = || WindowFrameBound::Following(ScalarValue::UInt64(Some(BEYOND_ALL_ROWS as u64)));
    WindowFrame::new_bounds(WindowFrameUnits::Rows, beyond(), beyond())
}

/// The frame of a row from which no offset leads away.
fn of_peers(frame: &WindowFrame) -> WindowFrame {
    let here = |bound: &WindowFrameBound| if has_offset(bound) { WindowFrameBound::CurrentRow } else { bound.clone() };
    WindowFrame::new_bounds(frame.units, here(&frame.start_bound), here(&frame.end_bound))
}

/// True for a frame that ends before it begins.
pub(super) fn is_inverted(frame: &WindowFrame) -> bool {
    use WindowFrameBound::{Following, Preceding};
    match (&frame.start_bound, &frame.end_bound) {
        (Preceding(start), Preceding(end)) => is_less(start, end),
        (Following(start), Following(end)) => is_less(end, start),
        _ => false,
    }
}

/// True for an offset that leads less far than the other, from wherever. Of intervals with months, days and times one may be less in one place
/// and more in another.
fn is_less(one: &ScalarValue, other: &ScalarValue) -> bool {
    if let (ScalarValue::UInt64(one), ScalarValue::UInt64(other)) = (one, other) {
        return matches!((one, other), (Some(one), Some(other)) if one < other);
    }
    if let (Some(one), Some(other)) = (number(one), number(other)) {
        return one < other;
    }
    let (Some(one), Some(other)) = (interval(one), interval(other)) else { return false };
    let by_parts = one != other && one.months <= other.months && one.days <= other.days && one.nanoseconds <= other.nanoseconds;
    let (_, most) = lengths(&one);
    let (fewest, _) = lengths(&other);
    by_parts || most < fewest
}

/// The least and the most nanoseconds that an interval is long, whichever months it spans.
fn lengths(interval: &IntervalMonthDayNano) -> (i128, i128) {
    const DAY: i128 = 86_400_000_000_000;
    let of_month = |days: i128| (i128::from(interval.months) * days + i128::from(interval.days)) * DAY + i128::from(interval.nanoseconds);
    (of_month(28).min(of_month(31)), of_month(28).max(of_month(31)))
}

fn number(offset: &ScalarValue) -> Option<f64> {
    match offset.cast_to(&DataType::Float64) {
        Ok(ScalarValue::Float64(number)) => number,
        _ => None,
    }
}

/// The interval that a bound is away from the current row.
pub(super) fn offset(bound: &WindowFrameBound) -> Option<IntervalMonthDayNano> {
    match bound {
        WindowFrameBound::Preceding(offset) | WindowFrameBound::Following(offset) => interval(offset),
        WindowFrameBound::CurrentRow => None,
    }
}

fn interval(offset: &ScalarValue) -> Option<IntervalMonthDayNano> {
    match offset {
        ScalarValue::IntervalMonthDayNano(interval) => *interval,
        // As it is written, before its type is found.
        ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)) => parse_interval(text).ok(),
        _ => None,
    }
}

/// Checks the offsets of a frame over this type; those over times of day are made microseconds.
fn by_intervals(frame: &mut WindowFrame, ty: &DataType) -> Result<()> {
    let settled = |bound: &WindowFrameBound| -> Result<WindowFrameBound> {
        Ok(match bound {
            WindowFrameBound::Preceding(offset) if !offset.is_null() => WindowFrameBound::Preceding(by_interval(offset, ty)?),
            WindowFrameBound::Following(offset) if !offset.is_null() => WindowFrameBound::Following(by_interval(offset, ty)?),
            other => other.clone(),
        })
    };
    *frame = WindowFrame::new_bounds(frame.units, settled(&frame.start_bound)?, settled(&frame.end_bound)?);
    Ok(())
}

/// True for a frame of intervals to the same side that ends before it begins for some rows and not for others, or that DataFusion takes for one
/// that ends first: it compares months first, then days, then times.
pub(super) fn may_end_first(frame: &WindowFrame) -> bool {
    use WindowFrameBound::{Following, Preceding};
    let (least, most) = match (&frame.start_bound, &frame.end_bound) {
        (Preceding(start), Preceding(end)) => (interval(end), interval(start)),
        (Following(start), Following(end)) => (interval(start), interval(end)),
        _ => return false,
    };
    let (Some(least), Some(most)) = (least, most) else { return false };
    let by_parts = least.months <= most.months && least.days <= most.days && least.nanoseconds <= most.nanoseconds;
    !by_parts && !is_inverted(frame)
}

/// The offset as it is added to values of this type. Errors: 0A000 for what is no interval or leads too far, 22013 for a negative one.
pub(super) fn by_interval(offset: &ScalarValue, ty: &DataType) -> Result<ScalarValue> {
    // A text that is a number is one that was written as a number.
    let Some(interval) = interval(offset).filter(|_| number(offset).is_none()) else {
        let ty = PgType::of_arrow(ty).base();
        let message = format!("RANGE with offset PRECEDING/FOLLOWING is not supported for column type {ty} and offset {offset}");
        return Err(Error::unsupported(message).hint("Write an interval, as '1 day'."));
    };
    let is_negative = if is_date(ty) { length::micros(interval) < 0 } else { interval.nanoseconds < 0 };
    if is_negative {
        return Err(Error::new(code::INVALID_PRECEDING_OR_FOLLOWING_SIZE, "invalid preceding or following size in window function"));
    }
    if !is_date(ty) {
        return Ok(ScalarValue::Int64(Some(interval.nanoseconds / 1_000)));
    }
    if days(interval) > OFFSET_MAX {
        let message = "RANGE with an offset PRECEDING/FOLLOWING of more than 50000 years is not supported";
        return Err(Error::unsupported(message).hint("Write UNBOUNDED."));
    }
    Ok(offset.clone())
}

/// How many days an interval leads away from a row, at most.
fn days(interval: IntervalMonthDayNano) -> i64 {
    let (months, days) = (i64::from(interval.months.unsigned_abs()), i64::from(interval.days.unsigned_abs()));
    months * 31 + days + (interval.nanoseconds / 1_000 / US_PER_DAY).abs()
}

pub(super) fn is_date(ty: &DataType) -> bool {
    matches!(ty, DataType::Date32 | DataType::Timestamp(TimeUnit::Microsecond, _))
}

fn is_moment(ty: &DataType) -> bool {
    is_date(ty) || *ty == TIME_OF_DAY
}

fn is_placed_type(ty: &DataType) -> bool {
    is_moment(ty) || matches!(ty, DataType::Int16 | DataType::Int32)
}

/// Errors: 0A000 for an offset between whole numbers that leads past the end of bigint from a value that is likely.
fn check_whole(frame: &WindowFrame) -> Result<()> {
    use WindowFrameBound::{Following, Preceding};
    let is_far = |bound: &WindowFrameBound| matches!(bound, Preceding(n) | Following(n) if number(n).is_some_and(|n| n > WHOLE_OFFSET_MAX));
    if is_far(&frame.start_bound) || is_far(&frame.end_bound) {
        let message = "RANGE with an offset PRECEDING/FOLLOWING of more than 2^62 is not supported over whole numbers";
        return Err(Error::unsupported(message).hint("Write UNBOUNDED."));
    }
    Ok(())
}

/// The type of times of day.
pub(super) const TIME_OF_DAY: DataType = DataType::Time64(TimeUnit::Microsecond);

fn place_orders(call: &mut WindowFunction, orders: &[Expr]) {
    let params = &mut call.params;
    let by = params.order_by.iter_mut().map(|by| &mut by.expr);
    for expr in params.partition_by.iter_mut().chain(by).filter(|expr| orders.contains(expr)) {
        *expr = placed().call(vec![std::mem::take(expr)]);
    }
}

/// Dates, timestamps, times of day and whole numbers in their places: the order is theirs. Errors: 0A000 for one that is too far off.
fn placed() -> Arc<ScalarUDF> {
    Function::udf(
        PLACED,
        |types| {
            let [ty] = types else { return None };
            let place = if is_date(ty) { ty.clone() } else { DataType::Int64 };
            is_placed_type(ty).then(|| (types.to_vec(), place))
        },
        |args, ty| {
            if *args[0].data_type() == TIME_OF_DAY {
                return Ok(Arc::new(args[0].as_primitive::<Time64MicrosecondType>().reinterpret_cast::<Int64Type>()) as ArrayRef);
            }
            if *ty == DataType::Int64 {
                return Ok(cast(&args[0], ty)?);
            }
            if *ty == DataType::Date32 {
                let ends = [i64::from(i32::MIN), i64::from(i32::MAX)];
                let place = |day: i32| place(i64::from(day), ends, 1).map(|day| day as i32);
                return Ok(Arc::new(args[0].as_primitive::<Date32Type>().try_unary::<_, Date32Type, Error>(place)?) as ArrayRef);
            }
            let place = |us: i64| place(us, [i64::MIN, i64::MAX], US_PER_DAY);
            let placed = args[0].as_primitive::<TimestampMicrosecondType>().try_unary::<_, TimestampMicrosecondType, Error>(place)?;
            Ok(Arc::new(placed.with_data_type(ty.clone())))
        },
    )
}

/// A time of so many a day; `ends` are its infinities.
fn place(at: i64, [past, future]: [i64; 2], per_day: i64) -> Result<i64> {
    match at {
        at if at == past => Ok(-INFINITE * per_day),
        at if at == future => Ok(INFINITE * per_day),
        at if at.abs() <= FINITE_MAX * per_day => Ok(at),
        _ => {
            let message = "RANGE with offset PRECEDING/FOLLOWING is not supported over dates beyond the year 100000";
            Err(Error::unsupported(message).hint("Use ROWS or GROUPS."))
        }
    }
}

/// True for the values from which an offset leads away: neither NULL nor infinite nor NaN.
fn moves() -> Arc<ScalarUDF> {
    Function::udf(
        "pg_frame_moves",
        |types| (types.len() == 1).then(|| (types.to_vec(), DataType::Boolean)),
        |args, _| {
            let order = &args[0];
            let moves: BooleanArray = match order.data_type() {
                DataType::Float32 => order.as_primitive::<Float32Type>().iter().map(|v| Some(v.is_some_and(f32::is_finite))).collect(),
                DataType::Float64 => order.as_primitive::<Float64Type>().iter().map(|v| Some(v.is_some_and(f64::is_finite))).collect(),
                DataType::Date32 => {
                    order.as_primitive::<Date32Type>().iter().map(|v| Some(v.is_some_and(|day| !is_infinite_date(day)))).collect()
                }
                DataType::Timestamp(TimeUnit::Microsecond, _) => {
                    order.as_primitive::<TimestampMicrosecondType>().iter().map(|v| Some(v.is_some_and(|us| !is_infinite(us)))).collect()
                }
                _ => (0..order.len()).map(|row| Some(order.is_valid(row))).collect(),
            };
            Ok(Arc::new(moves))
        },
    )
}
