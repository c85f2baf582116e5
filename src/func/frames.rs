//! Frames of RANGE with an offset over dates and timestamps, of which some are infinite.
//!
//! To PostgreSQL infinity stays infinity whatever is added to it. Here it is the end of what its Arrow type holds, and DataFusion takes
//! a bound past that end for no bound at all, for the row itself and for those after it. So such windows are ordered by what [`place`]
//! makes of the values: infinity is a day far from all others there, from which an offset leads neither to one of them nor past any end.
//!
//! One difference stays: to PostgreSQL an infinite row is in its own frame even where that begins behind it or ends before it.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{DataType, Date32Type, TimeUnit, TimestampMicrosecondType};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result as DfResult, ScalarValue};
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, ScalarUDF, Window, WindowFrameBound, WindowFrameUnits};

use super::scalar::define::Function;
use crate::data::datetime::{US_PER_DAY, parse_interval};
use crate::error::{Error, Result};

/// The name of the function that places dates and timestamps.
const PLACED: &str = "pg_frame_order";
/// Where infinity is placed, in days from 1970: in the year 199920, and as far before.
const INFINITE: i64 = 72_300_000;
/// The farthest day that is placed where it is: some 100000 years away.
const FINITE_MAX: i64 = 36_500_000;
/// Most days of an offset: from no finite day to infinity or back, and from there not past what chrono's dates hold.
const OFFSET_MAX: i64 = 20_000_000;

/// The window with the orders of such frames placed, wherever they stand in it: its calls are to be sorted alike. Errors: 0A000 for an
/// offset that leads too far.
pub(super) fn settle(window: Window) -> DfResult<LogicalPlan> {
    let mut orders: Vec<Expr> = Vec::new();
    for expr in &window.window_expr {
        if let Expr::WindowFunction(call) = expr.clone().unalias()
            && let Some(order) = order_of_offset(&call, window.input.schema())?
        {
            orders.push(order);
        }
    }
    let plan = LogicalPlan::Window(window);
    if orders.is_empty() {
        return plan.recompute_schema();
    }
    let names = NamePreserver::new(&plan);
    let settled = plan.map_expressions(|expr| {
        let name = names.save(&expr);
        let placed = expr.transform_up(|e| match e {
            Expr::WindowFunction(mut call) => {
                place_orders(&mut call, &orders);
                Ok(Transformed::yes(Expr::WindowFunction(call)))
            }
            other => Ok(Transformed::no(other)),
        })?;
        Ok(placed.update_data(|e| name.restore(e)))
    })?;
    settled.data.recompute_schema()
}

/// What the frame of a call adds offsets to, if those are dates or timestamps that are not placed yet.
fn order_of_offset(call: &WindowFunction, schema: &DFSchema) -> DfResult<Option<Expr>> {
    let frame = &call.params.window_frame;
    let [by] = call.params.order_by.as_slice() else { return Ok(None) };
    let offsets = [&frame.start_bound, &frame.end_bound].map(days);
    let is_placed = matches!(&by.expr, Expr::ScalarFunction(f) if f.name() == PLACED);
    if frame.units != WindowFrameUnits::Range || offsets.iter().all(Option::is_none) || is_placed || !is_time(&by.expr.get_type(schema)?) {
        return Ok(None);
    }
    if offsets.into_iter().flatten().any(|days| days > OFFSET_MAX) {
        let message = "RANGE with an offset PRECEDING/FOLLOWING of more than 50000 years is not supported";
        return Err(Error::unsupported(message).hint("Write UNBOUNDED.").into());
    }
    Ok(Some(by.expr.clone()))
}

/// How many days an interval leads away from a row, at most; `None` where a bound has none.
fn days(bound: &WindowFrameBound) -> Option<i64> {
    let (WindowFrameBound::Preceding(offset) | WindowFrameBound::Following(offset)) = bound else { return None };
    let interval = match offset {
        ScalarValue::IntervalMonthDayNano(interval) => (*interval)?,
        // As it is written, before its type is found.
        ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)) => parse_interval(text).ok()?,
        _ => return None,
    };
    let (months, days) = (i64::from(interval.months.unsigned_abs()), i64::from(interval.days.unsigned_abs()));
    Some(months * 31 + days + (interval.nanoseconds / 1_000 / US_PER_DAY).abs())
}

fn is_time(ty: &DataType) -> bool {
    matches!(ty, DataType::Date32 | DataType::Timestamp(TimeUnit::Microsecond, _))
}

fn place_orders(call: &mut WindowFunction, orders: &[Expr]) {
    let params = &mut call.params;
    let by = params.order_by.iter_mut().map(|by| &mut by.expr);
    for expr in params.partition_by.iter_mut().chain(by).filter(|expr| orders.contains(expr)) {
        *expr = placed().call(vec![std::mem::take(expr)]);
    }
}

/// Dates and timestamps in their places: the order is theirs. Errors: 0A000 for one that is too far off.
fn placed() -> Arc<ScalarUDF> {
    Function::udf(
        PLACED,
        |types| matches!(types, [ty] if is_time(ty)).then(|| (types.to_vec(), types[0].clone())),
        |args, ty| {
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
