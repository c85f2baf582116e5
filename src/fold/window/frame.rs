//! Frames: which rows of its partition each row's value is computed over.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::compute::SortOptions;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::window_state::WindowFrameContext;
use datafusion::logical_expr::{WindowFrame, WindowFrameBound, WindowFrameUnits};

use crate::error::{Error, Result};

/// The frame of each of `rows` rows of a partition. `order` are the partition's order keys, `peers` its runs of equal ones.
/// Starts and ends never go back from one row to the next. Cost: O(rows), and O(log rows) more per row for a RANGE of an offset.
pub(super) fn frames(
    frame: &Arc<WindowFrame>,
    order: &[ArrayRef],
    options: &[SortOptions],
    peers: &[Range<usize>],
    rows: usize,
) -> Result<Vec<Range<usize>>> {
    if frame.units == WindowFrameUnits::Range && (has_offset(&frame.start_bound) || has_offset(&frame.end_bound)) {
        let mut context = WindowFrameContext::new(Arc::clone(frame), options.to_vec());
        let mut last = 0..0;
        return (0..rows)
            .map(|row| {
                last = context.calculate_range(order, &last, rows, row)?;
                Ok(last.start..last.end.max(last.start))
            })
            .collect();
    }
    // In ROWS each row is a group of its own.
    let by_row = frame.units == WindowFrameUnits::Rows;
    let groups = if by_row { rows } else { peers.len() };
    let group = |at: usize| match at {
        at if at >= groups => rows..rows,
        at if by_row => at..at + 1,
        at => peers[at].clone(),
    };
    let (first, last) = (Bound::of(&frame.start_bound)?, Bound::of(&frame.end_bound)?);
    let mut all = Vec::with_capacity(rows);
    for at in 0..groups {
        let from = group(first.group(at).unwrap_or(0)).start;
        let to = last.group(at).map_or(0, |last| group(last.saturating_add(1)).start);
        all.extend(std::iter::repeat_n(from..to.max(from), group(at).len()));
    }
    Ok(all)
}

fn has_offset(bound: &WindowFrameBound) -> bool {
    matches!(bound, WindowFrameBound::Preceding(n) | WindowFrameBound::Following(n) if !n.is_null())
}

/// A bound as groups of peers from the current one.
enum Bound {
    Before(usize),
    After(usize),
}

impl Bound {
    fn of(bound: &WindowFrameBound) -> Result<Bound> {
        let groups = |n: &ScalarValue| match n {
            ScalarValue::UInt64(n) => Ok(n.map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX))),
            n if n.is_null() => Ok(usize::MAX),
            n => Err(Error::internal(format!("a frame of {n} rows"))),
        };
        Ok(match bound {
            WindowFrameBound::Preceding(n) => Bound::Before(groups(n)?),
            WindowFrameBound::CurrentRow => Bound::Before(0),
            WindowFrameBound::Following(n) => Bound::After(groups(n)?),
        })
    }

    /// The group at the bound; `None` if it would stand before the first.
    fn group(&self, current: usize) -> Option<usize> {
        match *self {
            Bound::Before(n) => current.checked_sub(n),
            Bound::After(n) => Some(current.saturating_add(n)),
        }
    }
}
