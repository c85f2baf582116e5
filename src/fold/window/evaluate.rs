//! The values of window functions over sorted partitions.
//!
//! Arguments, filters and order keys are evaluated once for all partitions and sliced for each. An aggregate whose frame is the
//! whole partition is folded for all partitions at once; one whose frame moves is given the rows that enter, and the rows that
//! leave are taken back where the function can do so exactly as DataFusion does; where it cannot, each frame is folded anew.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, UInt32Array, new_empty_array};
use arrow::compute::{self, SortOptions};
use arrow::datatypes::FieldRef;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Accumulator, EmitTo, WindowFrame, WindowFrameBound, WindowFrameUnits};
use datafusion::physical_expr::PhysicalSortExpr;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_expr::window::StandardWindowFunctionExpr;

use super::super::eval::{Expr, evaluate_all, mask};
use super::super::stop::Stop;
use super::frame::frames;
use crate::error::Result;

/// One window function of a [`Window`](super::Window).
pub struct WindowCall {
    /// What is computed.
    pub function: WindowFunction,
    /// Over which rows around the current one, for functions that heed it.
    pub frame: Arc<WindowFrame>,
    /// Name and type of the value.
    pub field: FieldRef,
}

/// What a [`WindowCall`] computes.
pub enum WindowFunction {
    /// row_number, rank, lag, first_value and their kin.
    Standard(Arc<dyn StandardWindowFunctionExpr>),
    /// An aggregate function, and which rows it takes.
    Aggregate { function: Arc<AggregateFunctionExpr>, filter: Option<Expr> },
}

/// Rows of several partitions, one partition after the other, each in order.
pub(super) struct Sorted<'a> {
    pub batch: &'a RecordBatch,
    pub order: &'a [ArrayRef],
    pub order_by: &'a [PhysicalSortExpr],
    pub partitions: &'a [Partition],
    /// What the evaluation stops by.
    pub stop: &'a Stop,
}

/// A partition in a [`Sorted`] batch.
pub(super) struct Partition {
    /// Its number in the index.
    pub number: u32,
    /// Its rows in the batch.
    pub rows: Range<usize>,
    /// Runs of rows with equal order keys, counted from the partition's first row.
    pub peers: Vec<Range<usize>>,
}

impl Partition {
    /// A partition of peers.
    pub fn new(number: u32, rows: Range<usize>) -> Self {
        Partition { number, peers: std::iter::once(0..rows.len()).collect(), rows }
    }

    /// Rows up to `end` belong to it too, peers of the last one or of one another.
    pub fn extend(&mut self, end: usize, peers_of_last: bool) {
        let (from, to) = (self.rows.len(), end - self.rows.start);
        self.rows.end = end;
        match self.peers.last_mut().filter(|_| peers_of_last) {
            Some(last) => last.end = to,
            None => self.peers.push(from..to),
        }
    }
}

impl fmt::Display for WindowCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.field.name())
    }
}

impl WindowCall {
    /// One value for each row. Errors: what arguments and function raise.
    pub(super) fn evaluate(&self, sorted: &Sorted<'_>) -> Result<ArrayRef> {
        match &self.function {
            WindowFunction::Standard(function) => self.standard(function.as_ref(), sorted),
            WindowFunction::Aggregate { function, filter } => {
                let args = evaluate_all(&function.expressions(), sorted.batch)?;
                let filter = filter.as_ref().map(|f| mask(f, sorted.batch)).transpose()?;
                if sorted.partitions.is_empty() {
                    return Ok(new_empty_array(self.field.data_type()));
                }
                if self.is_whole_partition(sorted.order_by) && function.groups_accumulator_supported() {
                    return whole_partitions(function, &args, filter.as_ref(), sorted.partitions);
                }
                let passing = filter.map(|mask| {
                    let mut count = 0;
                    let counts = (0..mask.len()).map(|i| {
                        count += usize::from(mask.value(i));
                        count
                    });
                    let counts: Vec<usize> = std::iter::once(0).chain(counts).collect();
                    (mask, counts)
                });
                let Some((mask, counts)) = passing else { return self.aggregate(function, &args, sorted, |row| row) };
                // Only rows that pass are folded: a frame is counted in those.
                let args = args.iter().map(|a| Ok(compute::filter(a, &mask)?)).collect::<Result<Vec<_>>>()?;
                self.aggregate(function, &args, sorted, |row| counts[row])
            }
        }
    }

    fn standard(&self, function: &dyn StandardWindowFunctionExpr, sorted: &Sorted<'_>) -> Result<ArrayRef> {
        let args = evaluate_all(&function.expressions(), sorted.batch)?;
        let mut parts: Vec<ArrayRef> = Vec::with_capacity(sorted.partitions.len());
        for partition in sorted.partitions {
            sorted.stop.check()?;
            let rows = partition.rows.len();
            let mut evaluator = function.create_evaluator()?;
            let values = slices(&args, &partition.rows);
            parts.push(if evaluator.uses_window_frame() {
                let frames = self.frames(sorted, partition)?;
                // As DataFusion has it, which peers may be told by.
                let values = [values, slices(sorted.order, &partition.rows)].concat();
                let values = frames.iter().map(|frame| evaluator.evaluate(&values, frame)).collect::<Result<Vec<_>, _>>()?;
                ScalarValue::iter_to_array(values)?
            } else if evaluator.include_rank() {
                evaluator.evaluate_all_with_rank(rows, &partition.peers)?
            } else {
                evaluator.evaluate_all(&values, rows)?
            });
        }
        if parts.is_empty() {
            return Ok(new_empty_array(self.field.data_type()));
        }
        Ok(compute::concat(&parts.iter().map(|p| p.as_ref()).collect::<Vec<_>>())?)
    }

    fn frames(&self, sorted: &Sorted<'_>, partition: &Partition) -> Result<Vec<Range<usize>>> {
        let options: Vec<SortOptions> = sorted.order_by.iter().map(|o| o.options).collect();
        frames(&self.frame, &slices(sorted.order, &partition.rows), &options, &partition.peers, partition.rows.len())
    }

    /// `place` says how many of the rows before a row are in `args`.
    fn aggregate(
        &self,
        function: &AggregateFunctionExpr,
        args: &[ArrayRef],
        sorted: &Sorted<'_>,
        place: impl Fn(usize) -> usize,
    ) -> Result<ArrayRef> {
        let mut slide = Slide::new(function, self.frame.start_bound.is_unbounded())?;
        let mut values = Vec::with_capacity(sorted.batch.num_rows());
        for partition in sorted.partitions {
            slide.begin()?;
            let start = partition.rows.start;
            for frame in self.frames(sorted, partition)? {
                // Each frame may be folded anew.
                sorted.stop.check()?;
                values.push(slide.value(args, place(start + frame.start)..place(start + frame.end))?);
            }
        }
        Ok(ScalarValue::iter_to_array(values)?)
    }

    fn is_whole_partition(&self, order_by: &[PhysicalSortExpr]) -> bool {
        let peers = self.frame.units != WindowFrameUnits::Rows && order_by.is_empty();
        let open = |bound: &WindowFrameBound| bound.is_unbounded() || peers && matches!(bound, WindowFrameBound::CurrentRow);
        open(&self.frame.start_bound) && open(&self.frame.end_bound)
    }
}

fn slices(arrays: &[ArrayRef], rows: &Range<usize>) -> Vec<ArrayRef> {
    arrays.iter().map(|a| a.slice(rows.start, rows.len())).collect()
}

/// One value per partition, folded over all of them at once.
fn whole_partitions(
    function: &AggregateFunctionExpr,
    args: &[ArrayRef],
    filter: Option<&BooleanArray>,
    partitions: &[Partition],
) -> Result<ArrayRef> {
    let (mut groups, mut owners) = (Vec::new(), Vec::new());
    for (i, partition) in partitions.iter().enumerate() {
        groups.extend(std::iter::repeat_n(i, partition.rows.len()));
        owners.extend(std::iter::repeat_n(i as u32, partition.rows.len()));
    }
    // It is told which rows pass: of a group it is given no row of, some accumulators make a value nevertheless.
    let mut accumulator = function.create_groups_accumulator()?;
    accumulator.update_batch(args, &groups, filter, partitions.len())?;
    let values = accumulator.evaluate(EmitTo::All)?;
    Ok(compute::take(&values, &UInt32Array::from(owners), None)?)
}

/// An aggregate over frames that move forward.
struct Slide<'a> {
    function: &'a AggregateFunctionExpr,
    /// Frames all begin with the partition, so nothing ever leaves.
    grows: bool,
    /// Rows that leave can be taken back.
    retracts: bool,
    accumulator: Box<dyn Accumulator>,
    /// The rows folded into the accumulator.
    folded: Range<usize>,
    /// The last frame and its value.
    last: Option<(Range<usize>, ScalarValue)>,
}

impl<'a> Slide<'a> {
    fn new(function: &'a AggregateFunctionExpr, grows: bool) -> Result<Self> {
        let sliding = if grows { None } else { function.create_sliding_accumulator().ok() };
        let retracts = sliding.is_some_and(|a| a.supports_retract_batch());
        let accumulator = Self::accumulator(function, retracts)?;
        Ok(Slide { function, grows, retracts, accumulator, folded: 0..0, last: None })
    }

    fn accumulator(function: &AggregateFunctionExpr, retracts: bool) -> Result<Box<dyn Accumulator>> {
        Ok(if retracts { function.create_sliding_accumulator()? } else { function.create_accumulator()? })
    }

    /// Forgets the partition before.
    fn begin(&mut self) -> Result<()> {
        self.accumulator = Self::accumulator(self.function, self.retracts)?;
        self.folded = 0..0;
        self.last = None;
        Ok(())
    }

    fn value(&mut self, args: &[ArrayRef], frame: Range<usize>) -> Result<ScalarValue> {
        if let Some((last, value)) = &self.last
            && *last == frame
        {
            return Ok(value.clone());
        }
        let value = if frame.is_empty() {
            self.function.default_value(self.function.field().data_type())?
        } else {
            self.fold(args, &frame)?;
            self.accumulator.evaluate()?
        };
        self.last = Some((frame, value.clone()));
        Ok(value)
    }

    fn fold(&mut self, args: &[ArrayRef], frame: &Range<usize>) -> Result<()> {
        if !self.retracts && !self.grows && !self.folded.is_empty() {
            self.begin()?;
        }
        let enter = self.folded.end.max(frame.start)..frame.end;
        if !enter.is_empty() {
            self.accumulator.update_batch(&slices(args, &enter))?;
        }
        let leave = self.folded.start..self.folded.end.min(frame.start);
        if !leave.is_empty() {
            self.accumulator.retract_batch(&slices(args, &leave))?;
        }
        self.folded = frame.clone();
        Ok(())
    }
}
