//! Frames of RANGE over dates and timestamps whose ends DataFusion cannot tell, found row by row as PostgreSQL finds them.
//!
//! - Of `'30 days' PRECEDING` and `'1 month' PRECEDING` either may be the farther one, as months are: where the frame ends before it begins it
//!   is of no row. DataFusion compares the offsets themselves, refuses the frame or computes nonsense.
//! - Days and months are those of the session's clocks: from one 10:00 to the next may be 23 hours.
//!
//! A call over such a frame becomes one of [`super::excluding`], which folds each frame from nothing; a [`Measure`] tells it the rows.

use std::ops::Range;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Date32Type, Int64Type};
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::{WindowFrame, WindowFrameBound, WindowFrameUnits};

use super::arith::time::{Interval, add_interval, negate};
use super::frames::{self, INFINITE};
use super::zone::add_in;
use crate::data::datetime::{US_PER_DAY, Zone, is_infinite, is_infinite_date};
use crate::error::{Error, Result};

/// Where a frame begins and ends, by the order of its rows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Measure {
    start: Reach,
    end: Reach,
    descending: bool,
    /// The time zone by whose clocks days and months are measured; none for UTC and for what has none.
    zone: Option<String>,
}

/// How far an end of a frame is away from a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Reach {
    /// It is the partition's.
    Open,
    /// So far, an interval of nothing for CURRENT ROW.
    By(Interval),
}

impl Measure {
    /// The measure of a call's frame if DataFusion cannot tell it; `ty` is the type of its order. Errors: those of offsets that are none, 22013
    /// and 0A000.
    pub(super) fn wanted(call: &WindowFunction, ty: &DataType) -> Result<Option<Measure>> {
        let frame = &call.params.window_frame;
        let is_apart = frame.units == WindowFrameUnits::Range && frames::is_date(ty) && frames::may_end_first(frame);
        if is_apart { Measure::of(call, ty, None).map(Some) } else { Ok(None) }
    }

    /// The measure of a call's frame by the clocks of a zone, if these matter.
    pub(super) fn in_zone(call: &WindowFunction, ty: &DataType, zone: &str) -> Result<Option<Measure>> {
        let frame = &call.params.window_frame;
        let is_of_days = |bound: &WindowFrameBound| frames::offset(bound).is_some_and(|v| v.months != 0 || v.days != 0);
        let matters = frame.units == WindowFrameUnits::Range && (is_of_days(&frame.start_bound) || is_of_days(&frame.end_bound));
        if matters { Measure::of(call, ty, Some(zone.to_string())).map(Some) } else { Ok(None) }
    }

    /// The same measure by the clocks of a zone.
    pub(super) fn moved_to(&self, zone: &str) -> Measure {
        Measure { zone: Some(zone.to_string()), ..self.clone() }
    }

    fn of(call: &WindowFunction, ty: &DataType, zone: Option<String>) -> Result<Measure> {
        let params = &call.params;
        let descending = params.order_by.first().is_some_and(|by| !by.asc);
        let WindowFrame { start_bound, end_bound, .. } = &params.window_frame;
        let reach = |bound| reach(bound, ty, descending);
        Ok(Measure { start: reach(start_bound)?, end: reach(end_bound)?, descending, zone })
    }
}

fn reach(bound: &WindowFrameBound, ty: &DataType, descending: bool) -> Result<Reach> {
    let (offset, precedes) = match bound {
        WindowFrameBound::CurrentRow => return Ok(Reach::By(Interval::new(0, 0, 0))),
        WindowFrameBound::Preceding(offset) => (offset, true),
        WindowFrameBound::Following(offset) => (offset, false),
    };
    if offset.is_null() {
        return Ok(Reach::Open);
    }
    frames::by_interval(offset, ty)?;
    let by = frames::offset(bound).ok_or_else(|| Error::internal("a distance between moments that is no interval"))?;
    Ok(Reach::By(if precedes == descending { by } else { negate(by)? }))
}

/// The rows of a partition, measured.
#[derive(Debug)]
pub(super) struct Measured {
    measure: Measure,
    zone: Zone,
    /// The order of each row that has one, in microseconds since 1970.
    moments: Vec<i64>,
    /// The rows that have one, and those that have none.
    with: Range<usize>,
    without: Range<usize>,
}

impl Measured {
    /// The rows of a partition by their order. Errors: 22023 for a zone that is none.
    pub(super) fn new(measure: &Measure, order: &ArrayRef) -> Result<Measured> {
        let (rows, nulls) = (order.len(), order.null_count());
        // All that are NULL come first, or all come last.
        let (with, without) = if nulls > 0 && order.is_null(0) { (nulls..rows, 0..nulls) } else { (0..rows - nulls, rows - nulls..rows) };
        let moments = moments(&order.slice(with.start, with.len()))?;
        let zone = measure.zone.as_deref().map_or(Ok(Zone::Utc), Zone::parse)?;
        Ok(Measured { measure: measure.clone(), zone, moments, with, without })
    }

    /// The frame of a row; one that ends before it begins is of no row. Cost O(log rows). Errors: 22008 for an end that is past all dates.
    pub(super) fn frame(&self, row: usize) -> Result<Range<usize>> {
        let rows = self.with.len() + self.without.len();
        let (start, end) = (self.measure.start, self.measure.end);
        if self.without.contains(&row) {
            // What is added to NULL is NULL.
            let start = if start == Reach::Open { 0 } else { self.without.start };
            return Ok(start..if end == Reach::Open { rows } else { self.without.end });
        }
        let start = match start {
            Reach::Open => 0,
            Reach::By(by) => {
                let at = self.moved(row, by)?;
                self.with.start + self.moments.partition_point(|moment| self.is_before(*moment, at))
            }
        };
        let end = match end {
            Reach::Open => rows,
            Reach::By(by) => {
                let at = self.moved(row, by)?;
                self.with.start + self.moments.partition_point(|moment| !self.is_before(at, *moment))
            }
        };
        Ok(start..end)
    }

    fn moved(&self, row: usize, by: Interval) -> Result<i64> {
        let at = self.moments[row - self.with.start];
        if is_infinite(at) {
            return Ok(at);
        }
        if self.zone.is_utc() { add_interval(at, by) } else { add_in(&self.zone, at, by) }
    }

    fn is_before(&self, one: i64, other: i64) -> bool {
        if self.measure.descending { one > other } else { one < other }
    }
}

/// Dates and timestamps in microseconds; infinity is that of timestamps, also where it has been placed ([`frames`]).
fn moments(order: &ArrayRef) -> Result<Vec<i64>> {
    let infinite = |at: i64| if at < 0 { i64::MIN } else { i64::MAX };
    if *order.data_type() == DataType::Date32 {
        let days = order.as_primitive::<Date32Type>().values().iter();
        let is_far = |day: i32| is_infinite_date(day) || i64::from(day).abs() >= INFINITE;
        return Ok(days.map(|&day| if is_far(day) { infinite(day.into()) } else { i64::from(day) * US_PER_DAY }).collect());
    }
    let values = arrow::compute::cast(order, &DataType::Int64)?;
    let is_far = |us: i64| is_infinite(us) || us.abs() >= INFINITE * US_PER_DAY;
    Ok(values.as_primitive::<Int64Type>().values().iter().map(|&us| if is_far(us) { infinite(us) } else { us }).collect())
}
