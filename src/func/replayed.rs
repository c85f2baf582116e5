//! Aggregates over frames that move, of functions that cannot take back the rows that leave.
//!
//! DataFusion refuses such a function (string_agg, bit_and, any_value ..) where rows leave a frame. [`over_frames`] gives every function
//! an accumulator for such frames: its own where it can take rows back, else a [`Replay`], which folds the rows of a frame anew for each
//! row. Cost per row: O(1) of the former, O(rows in its frame) of the latter. A view is given the functions as they are
//! ([`as_they_are`]): it has whole partitions at hand, and folds each frame anew itself.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::compute::concat;
use datafusion::common::{Result as DfResult, ScalarValue, internal_err};
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, ReversedUDAF};
use datafusion::physical_expr::aggregate::{AggregateExprBuilder, AggregateFunctionExpr};

use super::theirs::handed_on;

/// How many of the pieces that a frame came in are joined to one, so that a large frame is not folded row by row.
const JOINED: usize = 64;

/// A function with an accumulator for frames that move.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Replayed(AggregateUDF);

/// The function of a call over a window, with an accumulator for frames that move.
pub(super) fn over_frames(function: &Arc<AggregateUDF>) -> Arc<AggregateUDF> {
    if function.inner().is::<Replayed>() {
        return Arc::clone(function);
    }
    Arc::new(AggregateUDF::new_from_impl(Replayed(function.as_ref().clone())))
}

/// The function that [`over_frames`] was given.
pub fn as_they_are(function: &Arc<AggregateUDF>) -> Arc<AggregateUDF> {
    match function.inner().downcast_ref::<Replayed>() {
        Some(replayed) => Arc::new(replayed.0.clone()),
        None => Arc::clone(function),
    }
}

impl AggregateUDFImpl for Replayed {
    handed_on!(name, aliases, window_function_schema_name, window_function_display_name, signature, coerce_types);
    handed_on!(return_type, return_field, is_nullable, default_value, state_fields, accumulator);
    handed_on!(groups_accumulator_supported, create_groups_accumulator, is_descending, order_sensitivity, with_beneficial_ordering);
    handed_on!(value_from_stats, set_monotonicity, supports_null_handling_clause, supports_within_group_clause);

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> DfResult<Box<dyn Accumulator>> {
        match self.0.create_sliding_accumulator(args.clone()) {
            Ok(theirs) if theirs.supports_retract_batch() => Ok(theirs),
            _ => Ok(Box::new(Replay::new(&self.0, args)?)),
        }
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        match self.0.reverse_udf() {
            ReversedUDAF::Reversed(theirs) => ReversedUDAF::Reversed(over_frames(&theirs)),
            same_or_none => same_or_none,
        }
    }
}

/// The rows of a frame, which are folded when its value is asked for.
#[derive(Debug)]
struct Replay {
    call: AggregateFunctionExpr,
    /// The arguments of the frame's rows, in the pieces that they came in, or several joined to one.
    pieces: VecDeque<Vec<ArrayRef>>,
    /// How many of the last pieces have not been joined to others.
    single: usize,
    /// The frame's value, if it was asked for since it changed.
    value: Option<ScalarValue>,
}

impl Replay {
    /// Errors: what the function says of the call.
    fn new(function: &AggregateUDF, args: AccumulatorArgs) -> DfResult<Self> {
        let call = AggregateExprBuilder::new(Arc::new(function.clone()), args.exprs.to_vec())
            .schema(Arc::new(args.schema.clone()))
            .alias(args.name)
            .order_by(args.order_bys.to_vec())
            .with_ignore_nulls(args.ignore_nulls)
            .with_distinct(args.is_distinct)
            .with_reversed(args.is_reversed)
            .build()?;
        call.create_accumulator()?;
        Ok(Replay { call, pieces: VecDeque::new(), single: 0, value: None })
    }

    /// Joins the last pieces once there are enough of them. Each row is copied at most once.
    fn join(&mut self) -> DfResult<()> {
        if self.single < JOINED {
            return Ok(());
        }
        let last = self.pieces.split_off(self.pieces.len() - self.single);
        let column = |i: usize| concat(&last.iter().map(|piece| piece[i].as_ref()).collect::<Vec<_>>());
        let columns = last.front().map_or(0, Vec::len);
        self.pieces.push_back((0..columns).map(column).collect::<Result<_, _>>()?);
        self.single = 0;
        Ok(())
    }

    fn folded(&self) -> DfResult<Box<dyn Accumulator>> {
        let mut accumulator = self.call.create_accumulator()?;
        self.pieces.iter().try_for_each(|piece| accumulator.update_batch(piece))?;
        Ok(accumulator)
    }
}

fn rows(piece: &[ArrayRef]) -> usize {
    piece.first().map_or(0, |column| column.len())
}

impl Accumulator for Replay {
    fn update_batch(&mut self, values: &[ArrayRef]) -> DfResult<()> {
        if rows(values) == 0 {
            return Ok(());
        }
        self.value = None;
        self.pieces.push_back(values.to_vec());
        self.single += 1;
        self.join()
    }

    /// The rows that leave are the first ones.
    fn retract_batch(&mut self, values: &[ArrayRef]) -> DfResult<()> {
        let mut leaving = rows(values);
        if leaving > 0 {
            self.value = None;
        }
        while leaving > 0 {
            let Some(first) = self.pieces.front_mut() else {
                return internal_err!("rows leave a frame that have not entered it");
            };
            let here = rows(first);
            if here > leaving {
                first.iter_mut().for_each(|column| *column = column.slice(leaving, here - leaving));
                break;
            }
            leaving -= here;
            self.pieces.pop_front();
        }
        self.single = self.single.min(self.pieces.len());
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> DfResult<ScalarValue> {
        if let Some(value) = &self.value {
            return Ok(value.clone());
        }
        let value = self.folded()?.evaluate()?;
        self.value = Some(value.clone());
        Ok(value)
    }

    fn state(&mut self) -> DfResult<Vec<ScalarValue>> {
        self.folded()?.state()
    }

    fn merge_batch(&mut self, _: &[ArrayRef]) -> DfResult<()> {
        internal_err!("a frame is made of rows, not of states")
    }

    fn size(&self) -> usize {
        let columns = self.pieces.iter().flatten();
        size_of_val(self) + columns.map(|column| column.to_data().get_slice_memory_size().unwrap_or(0)).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Int64Array, StringViewArray};
    use arrow::datatypes::{DataType, Field, Schema};
    use datafusion::functions_aggregate::bit_and_or_xor::bit_and_udaf;
    use datafusion::physical_expr::expressions::{col, lit};

    fn sliding(function: Arc<AggregateUDF>, more: bool, ty: DataType) -> Box<dyn Accumulator> {
        let schema = Arc::new(Schema::new(vec![Field::new("x", ty, true)]));
        let mut args = vec![col("x", &schema).unwrap()];
        if more {
            args.push(lit("+"));
        }
        let call = AggregateExprBuilder::new(over_frames(&function), args).schema(schema).alias("w").build().unwrap();
        call.create_sliding_accumulator().unwrap()
    }

    #[test]
    fn the_value_is_that_of_the_rows_which_are_left() {
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(7), Some(3), None, Some(6), Some(12)]));
        let mut frame = sliding(bit_and_udaf(), false, DataType::Int64);
        assert!(frame.evaluate().unwrap().is_null());
        frame.update_batch(&[numbers.slice(0, 2)]).unwrap();
        assert_eq!(frame.evaluate().unwrap(), ScalarValue::Int64(Some(3)));
        frame.update_batch(&[numbers.slice(2, 2)]).unwrap();
        frame.retract_batch(&[numbers.slice(0, 1)]).unwrap();
        assert_eq!(frame.evaluate().unwrap(), ScalarValue::Int64(Some(2)));
        frame.retract_batch(&[numbers.slice(1, 2)]).unwrap();
        frame.update_batch(&[numbers.slice(4, 1)]).unwrap();
        assert_eq!(frame.evaluate().unwrap(), ScalarValue::Int64(Some(4)));
        frame.retract_batch(&[numbers.slice(3, 2)]).unwrap();
        assert!(frame.evaluate().unwrap().is_null());
        assert!(frame.retract_batch(&[numbers.slice(0, 1)]).is_err());
    }

    #[test]
    fn rows_keep_their_order_when_pieces_are_joined() {
        let texts: Vec<String> = (0..3 * JOINED).map(|i| i.to_string()).collect();
        let column: ArrayRef = Arc::new(StringViewArray::from_iter_values(&texts));
        for width in [1, 2, JOINED - 1, JOINED, 2 * JOINED + 5] {
            let mut frame = sliding(super::super::string_agg::function(), true, DataType::Utf8View);
            for end in 1..=texts.len() {
                frame.update_batch(&[column.slice(end - 1, 1)]).unwrap();
                if end > width {
                    frame.retract_batch(&[column.slice(end - 1 - width, 1)]).unwrap();
                }
                let expected = texts[end.saturating_sub(width)..end].join("+");
                assert_eq!(frame.evaluate().unwrap(), ScalarValue::Utf8View(Some(expected)), "{width} rows up to {end}");
            }
        }
    }

    #[test]
    fn what_takes_rows_back_itself_is_left_to_it() {
        let counted = sliding(datafusion::functions_aggregate::count::count_udaf(), false, DataType::Int64);
        assert!(!format!("{counted:?}").contains("Replay"));
        let twice = over_frames(&over_frames(&bit_and_udaf()));
        assert_eq!(as_they_are(&twice), bit_and_udaf());
    }
}
