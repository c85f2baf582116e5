//! sum and avg as aggregate functions of DataFusion, on the states of [`super::sum_state`].
//!
//! Their names are `pg_sum` and `pg_avg`, with `sum` and `avg` as aliases: DataFusion rewrites `sum(sum(x))` for a function
//! named sum when it splits a DISTINCT, which would type the inner sum again and change the result's type.
//! One generic accumulator serves single groups, grouped batches and sliding frames; DISTINCT keeps the set of values.

use std::marker::PhantomData;
use std::mem::size_of;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BinaryArray, BooleanArray, Decimal128Array, Decimal256Array, Float32Array, Float64Array,
    Int64Array, IntervalMonthDayNanoArray, PrimitiveArray,
};
use arrow::datatypes::{
    DataType, Decimal128Type, Decimal256Type, Field, FieldRef, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type,
    IntervalMonthDayNano, IntervalMonthDayNanoType, i256,
};
use datafusion::common::{Result as DfResult, ScalarValue};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, GroupsAccumulator, ReversedUDAF, Signature, Volatility,
};

use super::distinct::DistinctSum;
use super::exact_float::ExactSum;
use super::sum_state::{self, IntervalSum, Spec, Total, WideSum};
use crate::error::{Error, Result, code};

/// sum or avg.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct SumLike {
    average: bool,
    aliases: [String; 1],
    signature: Signature,
}

impl SumLike {
    fn new(average: bool) -> Self {
        let alias = if average { "avg" } else { "sum" };
        SumLike { average, aliases: [alias.to_string()], signature: Signature::user_defined(Volatility::Immutable) }
    }

    /// True for avg.
    pub fn is_average(&self) -> bool {
        self.average
    }
}

/// sum and avg, for the registry.
pub fn functions() -> Vec<Arc<AggregateUDF>> {
    [false, true].map(|average| Arc::new(AggregateUDF::new_from_impl(SumLike::new(average)))).into()
}

/// How one value enters and leaves a state, how two states merge, and what the finished value is.
pub trait State<V>: Clone + Default + std::fmt::Debug + Send + Sync + 'static {
    fn add(&mut self, value: V);
    fn sub(&mut self, value: V);
    fn merge(&mut self, other: &Self);
    fn finish(&self, count: i64, spec: &Spec) -> Result<Total>;
    /// The states as a column, to be sent between partial and final aggregation.
    fn export(states: Vec<Self>) -> ArrayRef;
    fn import(column: &ArrayRef, row: usize) -> Result<Self>;
    fn heap_bytes(&self) -> usize {
        0
    }
}

macro_rules! narrow_state {
    ($($native:ty),*) => { $(
        impl State<$native> for i128 {
            fn add(&mut self, value: $native) { *self = self.wrapping_add(value as i128); }
            fn sub(&mut self, value: $native) { *self = self.wrapping_sub(value as i128); }
            fn merge(&mut self, other: &Self) { *self = self.wrapping_add(*other); }
            fn finish(&self, count: i64, spec: &Spec) -> Result<Total> { spec.finish_narrow(*self, count) }
            fn export(states: Vec<Self>) -> ArrayRef { Arc::new(Decimal128Array::from(states)) }
            fn import(column: &ArrayRef, row: usize) -> Result<Self> { Ok(column.as_primitive::<Decimal128Type>().value(row)) }
        }
    )* };
}
narrow_state!(i16, i32, i64, i128);

macro_rules! wide_state {
    ($($native:ty => $state:ty, $convert:expr, $finish:expr;)*) => { $(
        impl State<$native> for $state {
            fn add(&mut self, value: $native) { <$state>::add(self, ($convert)(value)); }
            fn sub(&mut self, value: $native) { <$state>::sub(self, ($convert)(value)); }
            fn merge(&mut self, other: &Self) { <$state>::merge(self, other); }
            fn finish(&self, count: i64, spec: &Spec) -> Result<Total> { ($finish)(self, count, spec) }
            fn export(states: Vec<Self>) -> ArrayRef { Arc::new(BinaryArray::from_iter_values(states.iter().map(|s| s.to_bytes()))) }
            fn import(column: &ArrayRef, row: usize) -> Result<Self> { <$state>::from_bytes(column.as_binary::<i32>().value(row)) }
        }
    )* };
}
wide_state! {
    i128 => WideSum, i256::from_i128, |s: &WideSum, n, spec: &Spec| spec.finish_decimal(s.value()?, n);
    i256 => WideSum, |v| v, |s: &WideSum, n, spec: &Spec| spec.finish_decimal(s.value()?, n);
    f64 => ExactSum, |v| v, |s: &ExactSum, n, spec: &Spec| spec.finish_float(s, n);
    f32 => ExactSum, f64::from, |s: &ExactSum, n, spec: &Spec| spec.finish_float(s, n);
    IntervalMonthDayNano => IntervalSum, |v| v, |s: &IntervalSum, n, spec: &Spec| spec.finish_interval(s, n);
}

/// Finished values as an array of the spec's output type.
pub fn totals_array(totals: Vec<Option<Total>>, output: &DataType) -> ArrayRef {
    let decimal = |t: &Option<Total>| if let Some(Total::Decimal(v)) = t { Some(*v) } else { None };
    let float = |t: &Option<Total>| if let Some(Total::Float(v)) = t { Some(*v) } else { None };
    match output {
        DataType::Int64 => {
            let whole = |t: &Option<Total>| if let Some(Total::Int8(v)) = t { Some(*v) } else { None };
            Arc::new(totals.iter().map(whole).collect::<Int64Array>())
        }
        DataType::Decimal128(..) => {
            let values = totals.iter().map(|t| decimal(t).and_then(|v| v.to_i128()));
            Arc::new(values.collect::<Decimal128Array>().with_data_type(output.clone()))
        }
        DataType::Decimal256(..) => Arc::new(totals.iter().map(decimal).collect::<Decimal256Array>().with_data_type(output.clone())),
        DataType::Float32 => Arc::new(totals.iter().map(|t| float(t).map(|v| v as f32)).collect::<Float32Array>()),
        DataType::Float64 => Arc::new(totals.iter().map(float).collect::<Float64Array>()),
        _ => {
            let interval = |t: &Option<Total>| if let Some(Total::Interval(v)) = t { Some(*v) } else { None };
            Arc::new(totals.iter().map(interval).collect::<IntervalMonthDayNanoArray>())
        }
    }
}

/// The state of all groups: one vector per part, indexed by group.
struct Sums<T: ArrowPrimitiveType, S> {
    spec: Spec,
    states: Vec<S>,
    counts: Vec<i64>,
    _input: PhantomData<fn() -> T>,
}

impl<T: ArrowPrimitiveType, S> std::fmt::Debug for Sums<T, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sums({:?}, {} groups)", self.spec, self.counts.len())
    }
}

impl<T: ArrowPrimitiveType, S: State<T::Native>> Sums<T, S> {
    fn new(spec: Spec) -> Self {
        Sums { spec, states: Vec::new(), counts: Vec::new(), _input: PhantomData }
    }

    fn one(spec: Spec) -> Self {
        Sums { states: vec![S::default()], counts: vec![0], ..Sums::new(spec) }
    }

    fn resize(&mut self, groups: usize) {
        self.states.resize(groups, S::default());
        self.counts.resize(groups, 0);
    }

    fn finish(&self, states: &[S], counts: &[i64]) -> Result<ArrayRef> {
        let finish = |(s, n): (&S, &i64)| if *n == 0 { Ok(None) } else { s.finish(*n, &self.spec).map(Some) };
        let totals = states.iter().zip(counts).map(finish).collect::<Result<Vec<_>>>()?;
        Ok(totals_array(totals, &self.spec.output))
    }
}

fn input<T: ArrowPrimitiveType>(values: &[ArrayRef]) -> Result<&PrimitiveArray<T>> {
    let array = values.first().ok_or_else(|| Error::internal("sum without an argument"))?;
    super::arith::kernel::downcast::<T>(array.as_ref())
}

/// Calls `f(row)` for each row that has a value and passes the filter.
fn each_row(array: &dyn Array, filter: Option<&BooleanArray>, mut f: impl FnMut(usize)) {
    match (array.nulls().filter(|n| n.null_count() > 0), filter) {
        (None, None) => (0..array.len()).for_each(f),
        (Some(nulls), None) => nulls.valid_indices().for_each(f),
        (nulls, Some(filter)) => {
            for row in 0..array.len() {
                if filter.is_valid(row) && filter.value(row) && nulls.is_none_or(|n| n.is_valid(row)) {
                    f(row);
                }
            }
        }
    }
}

impl<T: ArrowPrimitiveType, S: State<T::Native>> GroupsAccumulator for Sums<T, S> {
    fn update_batch(&mut self, values: &[ArrayRef], groups: &[usize], filter: Option<&BooleanArray>, total: usize) -> DfResult<()> {
        let array = input::<T>(values)?;
        self.resize(total);
        let (states, counts) = (&mut self.states, &mut self.counts);
        each_row(array, filter, |row| {
            states[groups[row]].add(array.value(row));
            counts[groups[row]] += 1;
        });
        Ok(())
    }

    fn evaluate(&mut self, emit: EmitTo) -> DfResult<ArrayRef> {
        let (states, counts) = (emit.take_needed(&mut self.states), emit.take_needed(&mut self.counts));
        Ok(self.finish(&states, &counts)?)
    }

    fn state(&mut self, emit: EmitTo) -> DfResult<Vec<ArrayRef>> {
        let (states, counts) = (emit.take_needed(&mut self.states), emit.take_needed(&mut self.counts));
        Ok(vec![S::export(states), Arc::new(Int64Array::from(counts))])
    }

    fn merge_batch(&mut self, values: &[ArrayRef], groups: &[usize], total: usize) -> DfResult<()> {
        self.resize(total);
        let [states, counts] = values else { return Err(Error::internal("a sum has two columns of state").into()) };
        let counts = counts.as_primitive::<Int64Type>();
        for (row, group) in groups.iter().enumerate() {
            self.states[*group].merge(&S::import(states, row)?);
            self.counts[*group] += counts.value(row);
        }
        Ok(())
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> DfResult<Vec<ArrayRef>> {
        let array = input::<T>(values)?;
        let mut states = vec![S::default(); array.len()];
        let mut counts = vec![0i64; array.len()];
        each_row(array, filter, |row| {
            states[row].add(array.value(row));
            counts[row] = 1;
        });
        Ok(vec![S::export(states), Arc::new(Int64Array::from(counts))])
    }

    fn size(&self) -> usize {
        let heap: usize = self.states.first().map_or(0, S::heap_bytes);
        self.states.capacity() * size_of::<S>() + self.states.len() * heap + self.counts.capacity() * 8
    }
}

impl<T: ArrowPrimitiveType, S: State<T::Native>> Accumulator for Sums<T, S> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> DfResult<()> {
        let array = input::<T>(values)?;
        let (state, count) = (&mut self.states[0], &mut self.counts[0]);
        each_row(array, None, |row| state.add(array.value(row)));
        *count += (array.len() - array.null_count()) as i64;
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> DfResult<()> {
        let array = input::<T>(values)?;
        let (state, count) = (&mut self.states[0], &mut self.counts[0]);
        each_row(array, None, |row| state.sub(array.value(row)));
        *count -= (array.len() - array.null_count()) as i64;
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> DfResult<ScalarValue> {
        ScalarValue::try_from_array(&self.finish(&self.states, &self.counts)?, 0)
    }

    fn state(&mut self) -> DfResult<Vec<ScalarValue>> {
        let state = S::export(self.states.clone());
        Ok(vec![ScalarValue::try_from_array(&state, 0)?, ScalarValue::Int64(Some(self.counts[0]))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> DfResult<()> {
        let groups = vec![0; states.first().map_or(0, |s| s.len())];
        GroupsAccumulator::merge_batch(self, states, &groups, 1)
    }

    fn size(&self) -> usize {
        GroupsAccumulator::size(self)
    }
}

/// Picks the accumulator of the argument's type and passes it, boxed, to where it is needed.
macro_rules! with_state {
    ($spec:expr, $make:ident) => {{
        let spec: Spec = $spec;
        match (&spec.input, spec.is_narrow()) {
            (DataType::Int16, _) => Ok(Box::new(Sums::<Int16Type, i128>::$make(spec))),
            (DataType::Int32, _) => Ok(Box::new(Sums::<Int32Type, i128>::$make(spec))),
            (DataType::Int64, _) => Ok(Box::new(Sums::<Int64Type, i128>::$make(spec))),
            (DataType::Decimal128(..), true) => Ok(Box::new(Sums::<Decimal128Type, i128>::$make(spec))),
            (DataType::Decimal128(..), false) => Ok(Box::new(Sums::<Decimal128Type, WideSum>::$make(spec))),
            (DataType::Decimal256(..), _) => Ok(Box::new(Sums::<Decimal256Type, WideSum>::$make(spec))),
            (DataType::Float32, _) => Ok(Box::new(Sums::<Float32Type, ExactSum>::$make(spec))),
            (DataType::Float64, _) => Ok(Box::new(Sums::<Float64Type, ExactSum>::$make(spec))),
            (DataType::Interval(_), _) => Ok(Box::new(Sums::<IntervalMonthDayNanoType, IntervalSum>::$make(spec))),
            (other, _) => Err(Error::new(code::UNDEFINED_FUNCTION, format!("no sum over {other}")).into()),
        }
    }};
}

/// An accumulator of one group. Errors: 42883.
pub fn accumulator(spec: Spec) -> DfResult<Box<dyn Accumulator>> {
    with_state!(spec, one)
}

impl SumLike {
    fn spec(&self, args: &AccumulatorArgs) -> Result<Spec> {
        let field = args.expr_fields.first().ok_or_else(|| Error::internal("sum without an argument"))?;
        Spec::new(self.average, field.data_type())
    }
}

impl AggregateUDFImpl for SumLike {
    fn name(&self) -> &str {
        if self.average { "pg_avg" } else { "pg_sum" }
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> DfResult<Vec<DataType>> {
        let [ty] = types else {
            let message = format!("function {} takes one argument, not {}", self.aliases[0], types.len());
            return Err(Error::new(code::UNDEFINED_FUNCTION, message).into());
        };
        Ok(vec![sum_state::argument_type(&self.aliases[0], ty)?])
    }

    fn return_type(&self, types: &[DataType]) -> DfResult<DataType> {
        let ty = types.first().unwrap_or(&DataType::Null);
        Ok(Spec::new(self.average, ty)?.output)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> DfResult<Box<dyn Accumulator>> {
        let spec = self.spec(&args)?;
        if args.is_distinct {
            return Ok(Box::new(DistinctSum::new(spec)?));
        }
        accumulator(spec)
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> DfResult<Box<dyn Accumulator>> {
        self.accumulator(args)
    }

    fn state_fields(&self, args: StateFieldsArgs) -> DfResult<Vec<FieldRef>> {
        let ty = args.input_fields.first().map_or(DataType::Null, |f| f.data_type().clone());
        let spec = Spec::new(self.average, &ty)?;
        let name = |part: &str| format!("{}[{part}]", args.name);
        if args.is_distinct {
            return Ok(vec![Arc::new(Field::new_list(name("distinct"), Field::new_list_field(spec.input, true), true))]);
        }
        let state = if spec.is_narrow() { DataType::Decimal128(38, 10) } else { DataType::Binary };
        Ok(vec![Arc::new(Field::new(name("sum"), state, true)), Arc::new(Field::new(name("count"), DataType::Int64, true))])
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        !args.is_distinct
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> DfResult<Box<dyn GroupsAccumulator>> {
        with_state!(self.spec(&args)?, new)
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }
}
