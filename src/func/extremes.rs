//! max and min: DataFusion's, but with NaN above every other float, as PostgreSQL sorts it. DataFusion compares the floats of groups with
//! `<`, of which NaN knows nothing, so that the answer depended on which row came last. [`Ordered`] lets it compare whole numbers that are
//! ordered as the floats are.
//!
//! -0 and 0 are equal, and of both max shows 0 and min -0, as arrow compares floats wherever else extremes are looked for: over a whole table, in
//! windows, and in views. PostgreSQL shows the one that it met last.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray};
use arrow::datatypes::{DataType, Field, Float32Type, Float64Type, Int32Type, Int64Type};
use datafusion::common::Result as DfResult;
use datafusion::functions_aggregate::min_max::{max_udaf, min_udaf};
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::logical_expr::{AggregateUDF, AggregateUDFImpl, EmitTo, GroupsAccumulator};

use super::theirs::handed_on;

#[derive(Debug, PartialEq, Eq, Hash)]
struct Extreme(AggregateUDF);

/// max and min, for the registry.
pub fn functions() -> [Arc<AggregateUDF>; 2] {
    [max_udaf(), min_udaf()].map(|theirs| Arc::new(AggregateUDF::new_from_impl(Extreme(theirs.as_ref().clone()))))
}

impl AggregateUDFImpl for Extreme {
    handed_on!(name, signature, coerce_types, return_type, accumulator, create_sliding_accumulator, groups_accumulator_supported);
    handed_on!(is_descending, order_sensitivity, reverse_expr, value_from_stats, set_monotonicity);

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> DfResult<Box<dyn GroupsAccumulator>> {
        let whole = match args.return_field.data_type() {
            DataType::Float32 => DataType::Int32,
            DataType::Float64 => DataType::Int64,
            _ => return self.0.create_groups_accumulator(args),
        };
        let return_field = Arc::new(Field::new(args.return_field.name(), whole, true));
        Ok(Box::new(Ordered(self.0.create_groups_accumulator(AccumulatorArgs { return_field, ..args })?)))
    }
}

/// An accumulator of whole numbers that is given floats.
struct Ordered(Box<dyn GroupsAccumulator>);

impl GroupsAccumulator for Ordered {
    fn update_batch(&mut self, values: &[ArrayRef], groups: &[usize], filter: Option<&BooleanArray>, total: usize) -> DfResult<()> {
        self.0.update_batch(&all(values, ordered), groups, filter, total)
    }

    fn merge_batch(&mut self, values: &[ArrayRef], groups: &[usize], total: usize) -> DfResult<()> {
        self.0.merge_batch(&all(values, ordered), groups, total)
    }

    fn evaluate(&mut self, emit: EmitTo) -> DfResult<ArrayRef> {
        self.0.evaluate(emit).map(|values| floats(&values))
    }

    fn state(&mut self, emit: EmitTo) -> DfResult<Vec<ArrayRef>> {
        Ok(all(&self.0.state(emit)?, floats))
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> DfResult<Vec<ArrayRef>> {
        Ok(all(&self.0.convert_to_state(&all(values, ordered), filter)?, floats))
    }

    fn size(&self) -> usize {
        self.0.size()
    }
}

fn all(arrays: &[ArrayRef], f: fn(&ArrayRef) -> ArrayRef) -> Vec<ArrayRef> {
    arrays.iter().map(f).collect()
}

/// Floats as whole numbers that are ordered as they are, -0 next below 0 and NaN the greatest: their bits, those below a sign turned round.
/// One NaN stands for all.
fn ordered(values: &ArrayRef) -> ArrayRef {
    if let Some(floats) = values.as_primitive_opt::<Float32Type>() {
        let bits = |v: f32| if v.is_nan() { f32::NAN.to_bits() } else { v.to_bits() };
        return Arc::new(floats.unary::<_, Int32Type>(|v| turned32(bits(v) as i32)));
    }
    if let Some(floats) = values.as_primitive_opt::<Float64Type>() {
        let bits = |v: f64| if v.is_nan() { f64::NAN.to_bits() } else { v.to_bits() };
        return Arc::new(floats.unary::<_, Int64Type>(|v| turned64(bits(v) as i64)));
    }
    values.clone()
}

/// The floats of [`ordered`].
fn floats(values: &ArrayRef) -> ArrayRef {
    if let Some(whole) = values.as_primitive_opt::<Int32Type>() {
        return Arc::new(whole.unary::<_, Float32Type>(|v| f32::from_bits(turned32(v) as u32)));
    }
    if let Some(whole) = values.as_primitive_opt::<Int64Type>() {
        return Arc::new(whole.unary::<_, Float64Type>(|v| f64::from_bits(turned64(v) as u64)));
    }
    values.clone()
}

/// Its own inverse.
fn turned32(bits: i32) -> i32 {
    bits ^ ((bits >> 31) as u32 >> 1) as i32
}

/// Its own inverse.
fn turned64(bits: i64) -> i64 {
    bits ^ ((bits >> 63) as u64 >> 1) as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Float32Array, Float64Array};

    #[test]
    fn floats_are_ordered_as_postgresql_sorts_them_and_come_back() {
        let sorted = [f64::NEG_INFINITY, f64::MIN, -1.5, -5e-324, -0.0, 0.0, 5e-324, 1.5, f64::MAX, f64::INFINITY, f64::NAN];
        let array: ArrayRef = Arc::new(Float64Array::from(sorted.to_vec()));
        assert!(ordered(&array).as_primitive::<Int64Type>().values().is_sorted());
        assert_eq!(format!("{:?}", floats(&ordered(&array))), format!("{array:?}"));
        let array: ArrayRef =
            Arc::new(Float32Array::from(vec![f32::NEG_INFINITY, f32::MIN, -1.5, -1e-45, -0.0, 0.0, 1e-45, f32::MAX, f32::NAN]));
        assert!(ordered(&array).as_primitive::<Int32Type>().values().is_sorted());
        assert_eq!(format!("{:?}", floats(&ordered(&array))), format!("{array:?}"));
        let odd: ArrayRef = Arc::new(Float64Array::from(vec![Some(-f64::NAN), None]));
        assert_eq!(format!("{:?}", floats(&ordered(&odd))), format!("{:?}", Float64Array::from(vec![Some(f64::NAN), None])));
    }
}
