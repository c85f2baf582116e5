//! sum, avg and the statistics (variances, deviations, covariances, regressions) as aggregate functions of DataFusion, on the states
//! of [`super::sum_state`] and [`super::moments`].
//!
//! The names of the first two are `pg_sum` and `pg_avg`, with `sum` and `avg` as aliases: DataFusion rewrites `sum(sum(x))` for a
//! function named sum when it splits a DISTINCT, which would type the inner sum again and change the result's type.
//! One generic accumulator serves single groups, grouped batches and sliding frames; DISTINCT keeps the set of values.

use std::marker::PhantomData;
use std::mem::size_of;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BinaryArray, BooleanArray, Decimal128Array, Decimal256Array, Float32Array, Float64Array,
    Int64Array, IntervalMonthDayNanoArray, PrimitiveArray,
};
use arrow::buffer::NullBuffer;
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
use super::moments::{FloatMoments, Of, Pair, Pairs, WholeMoments};
use super::sum_state::{IntervalSum, Kept, Spec, Total, What, WideSum};
use crate::data::PgType;
use crate::error::{Error, Result, code};

/// One of the functions in [`functions`].
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct SumLike {
    what: What,
    name: &'static str,
    aliases: Vec<String>,
    signature: Signature,
}

impl SumLike {
    /// What it computes.
    pub fn what(&self) -> What {
        self.what
    }

    /// Its name in SQL.
    fn called(&self) -> &str {
        self.aliases.first().map_or(self.name, String::as_str)
    }
}

/// All functions, for the registry.
pub fn functions() -> Vec<Arc<AggregateUDF>> {
    use Of::{Population, Sample};
    let one = [
        ("pg_sum", vec!["sum".to_string()], What::Sum),
        ("pg_avg", vec!["avg".to_string()], What::Avg),
        ("var_pop", vec![], What::Variance(Population)),
        ("var_samp", vec![], What::Variance(Sample)),
        ("variance", vec![], What::Variance(Sample)),
        ("stddev_pop", vec![], What::Deviation(Population)),
        ("stddev_samp", vec![], What::Deviation(Sample)),
        ("stddev", vec![], What::Deviation(Sample)),
    ];
    let pairs = [
        ("covar_pop", Pair::Covariance(Population)),
        ("covar_samp", Pair::Covariance(Sample)),
        ("corr", Pair::Correlation),
        ("regr_avgx", Pair::AverageX),
        ("regr_avgy", Pair::AverageY),
        ("regr_count", Pair::Count),
        ("regr_intercept", Pair::Intercept),
        ("regr_r2", Pair::R2),
        ("regr_slope", Pair::Slope),
        ("regr_sxx", Pair::Sxx),
        ("regr_sxy", Pair::Sxy),
        ("regr_syy", Pair::Syy),
    ];
    let all = one.into_iter().chain(pairs.map(|(name, statistic)| (name, vec![], What::Pair(statistic))));
    all.map(|(name, aliases, what)| {
        let function = SumLike { what, name, aliases, signature: Signature::user_defined(Volatility::Immutable) };
        Arc::new(AggregateUDF::new_from_impl(function))
    })
    .collect()
}

/// How the arguments of a call are read, row by row.
pub trait Arguments: 'static {
    type Value: Copy;
    type Columns<'a>;
    /// Errors: XX000 for columns of other types.
    fn columns(args: &[ArrayRef]) -> Result<Self::Columns<'_>>;
    fn value(columns: &Self::Columns<'_>, row: usize) -> Self::Value;
}

impl<T: ArrowPrimitiveType> Arguments for T {
    type Value = T::Native;
    type Columns<'a> = &'a PrimitiveArray<T>;
    fn columns(args: &[ArrayRef]) -> Result<&PrimitiveArray<T>> {
        let array = args.first().ok_or_else(|| Error::internal("sum without an argument"))?;
        super::arith::kernel::downcast::<T>(array.as_ref())
    }
    fn value(columns: &&PrimitiveArray<T>, row: usize) -> T::Native {
        columns.value(row)
    }
}

/// Two columns of float8.
pub struct TwoFloats;

impl Arguments for TwoFloats {
    type Value = (f64, f64);
    type Columns<'a> = [&'a Float64Array; 2];
    fn columns(args: &[ArrayRef]) -> Result<[&Float64Array; 2]> {
        let [y, x] = args else { return Err(Error::internal("a statistic of pairs has two arguments")) };
        Ok([super::arith::kernel::downcast::<Float64Type>(y.as_ref())?, super::arith::kernel::downcast::<Float64Type>(x.as_ref())?])
    }
    fn value([y, x]: &[&Float64Array; 2], row: usize) -> (f64, f64) {
        (y.value(row), x.value(row))
    }
}

/// How one value enters and leaves a state, how two states merge, and what the finished value is.
pub trait State<V>: Clone + Default + std::fmt::Debug + Send + Sync + 'static {
    fn add(&mut self, value: V);
    fn sub(&mut self, value: V);
    fn merge(&mut self, other: &Self);
    /// The value of `count` rows, which may be none; `None` for NULL.
    fn finish(&self, count: i64, spec: &Spec) -> Result<Option<Total>>;
    /// The states as a column, to be sent between partial and final aggregation.
    fn export(states: Vec<Self>) -> ArrayRef;
    fn import(column: &ArrayRef, row: usize) -> Result<Self>;
    fn heap_bytes(&self) -> usize {
        0
    }
}

/// NULL for no rows.
fn some(count: i64, value: impl FnOnce() -> Result<Total>) -> Result<Option<Total>> {
    (count != 0).then(value).transpose()
}

macro_rules! narrow_state {
    ($($native:ty),*) => { $(
        impl State<$native> for i128 {
            fn add(&mut self, value: $native) { *self = self.wrapping_add(value as i128); }
            fn sub(&mut self, value: $native) { *self = self.wrapping_sub(value as i128); }
            fn merge(&mut self, other: &Self) { *self = self.wrapping_add(*other); }
            fn finish(&self, count: i64, spec: &Spec) -> Result<Option<Total>> { some(count, || spec.finish_narrow(*self, count)) }
            fn export(states: Vec<Self>) -> ArrayRef { Arc::new(Decimal128Array::from(states)) }
            fn import(column: &ArrayRef, row: usize) -> Result<Self> { Ok(column.as_primitive::<Decimal128Type>().value(row)) }
        }
    )* };
}
narrow_state!(i16, i32, i64, i128);

macro_rules! wide_state {
    ($($native:ty => $state:ty, $convert:expr, $heap:expr, $finish:expr;)*) => { $(
        impl State<$native> for $state {
            fn add(&mut self, value: $native) { <$state>::add(self, ($convert)(value)); }
            fn sub(&mut self, value: $native) { <$state>::sub(self, ($convert)(value)); }
            fn merge(&mut self, other: &Self) { <$state>::merge(self, other); }
            fn finish(&self, count: i64, spec: &Spec) -> Result<Option<Total>> { ($finish)(self, count, spec) }
            fn export(states: Vec<Self>) -> ArrayRef { Arc::new(BinaryArray::from_iter_values(states.iter().map(|s| s.to_bytes()))) }
            fn import(column: &ArrayRef, row: usize) -> Result<Self> { <$state>::from_bytes(column.as_binary::<i32>().value(row)) }
            fn heap_bytes(&self) -> usize { ($heap)(self) }
        }
    )* };
}
wide_state! {
    i128 => WideSum, i256::from_i128, |_| 0, |s: &WideSum, n, spec: &Spec| some(n, || spec.finish_decimal(s.value()?, n));
    i256 => WideSum, |v| v, |_| 0, |s: &WideSum, n, spec: &Spec| some(n, || spec.finish_decimal(s.value()?, n));
    f64 => ExactSum, |v| v, ExactSum::heap_bytes, |s: &ExactSum, n, spec: &Spec| some(n, || spec.finish_float(s, n));
    f32 => ExactSum, f64::from, ExactSum::heap_bytes, |s: &ExactSum, n, spec: &Spec| some(n, || spec.finish_float(s, n));
    IntervalMonthDayNano => IntervalSum, |v| v, |_| 0, |s: &IntervalSum, n, spec: &Spec| some(n, || spec.finish_interval(s, n));
    i16 => WholeMoments, |v: i16| i256::from_i128(v.into()), WholeMoments::heap_bytes, Spec::finish_whole;
    i32 => WholeMoments, |v: i32| i256::from_i128(v.into()), WholeMoments::heap_bytes, Spec::finish_whole;
    i64 => WholeMoments, |v: i64| i256::from_i128(v.into()), WholeMoments::heap_bytes, Spec::finish_whole;
    i128 => WholeMoments, i256::from_i128, WholeMoments::heap_bytes, Spec::finish_whole;
    i256 => WholeMoments, |v| v, WholeMoments::heap_bytes, Spec::finish_whole;
    f32 => FloatMoments, f64::from, FloatMoments::heap_bytes, Spec::finish_float_moments;
    f64 => FloatMoments, |v| v, FloatMoments::heap_bytes, Spec::finish_float_moments;
    (f64, f64) => Pairs, |pair| pair, Pairs::heap_bytes, Spec::finish_pairs;
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
struct Sums<A, S> {
    spec: Spec,
    states: Vec<S>,
    counts: Vec<i64>,
    _input: PhantomData<fn() -> A>,
}

impl<A, S> std::fmt::Debug for Sums<A, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sums({:?}, {} groups)", self.spec, self.counts.len())
    }
}

impl<A: Arguments, S: State<A::Value>> Sums<A, S> {
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
        let totals = states.iter().zip(counts).map(|(s, n)| s.finish(*n, &self.spec)).collect::<Result<Vec<_>>>()?;
        Ok(totals_array(totals, &self.spec.output))
    }
}

/// Calls `f(row)` for each row in which no argument is null and that passes the filter.
fn each_row(args: &[ArrayRef], filter: Option<&BooleanArray>, mut f: impl FnMut(usize)) {
    let rows = args.first().map_or(0, |a| a.len());
    let nulls = args.iter().fold(None, |all, a| NullBuffer::union(all.as_ref(), a.nulls()));
    match (nulls.filter(|n| n.null_count() > 0), filter) {
        (None, None) => (0..rows).for_each(f),
        (Some(nulls), None) => nulls.valid_indices().for_each(f),
        (nulls, Some(filter)) => {
            for row in 0..rows {
                if filter.is_valid(row) && filter.value(row) && nulls.as_ref().is_none_or(|n| n.is_valid(row)) {
                    f(row);
                }
            }
        }
    }
}

impl<A: Arguments, S: State<A::Value>> GroupsAccumulator for Sums<A, S> {
    fn update_batch(&mut self, values: &[ArrayRef], groups: &[usize], filter: Option<&BooleanArray>, total: usize) -> DfResult<()> {
        let columns = A::columns(values)?;
        self.resize(total);
        let (states, counts) = (&mut self.states, &mut self.counts);
        each_row(values, filter, |row| {
            states[groups[row]].add(A::value(&columns, row));
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
        let columns = A::columns(values)?;
        let rows = values.first().map_or(0, |v| v.len());
        let mut states = vec![S::default(); rows];
        let mut counts = vec![0i64; rows];
        each_row(values, filter, |row| {
            states[row].add(A::value(&columns, row));
            counts[row] = 1;
        });
        Ok(vec![S::export(states), Arc::new(Int64Array::from(counts))])
    }

    fn size(&self) -> usize {
        // The states of some groups stand for all: to ask each would cost more than what is added in a batch.
        let step = (self.states.len() / 64).max(1);
        let asked = self.states.iter().step_by(step);
        let heap = asked.clone().map(S::heap_bytes).sum::<usize>() / asked.len().max(1) * self.states.len();
        self.states.capacity() * size_of::<S>() + heap + self.counts.capacity() * 8
    }
}

impl<A: Arguments, S: State<A::Value>> Accumulator for Sums<A, S> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> DfResult<()> {
        let columns = A::columns(values)?;
        let (state, count) = (&mut self.states[0], &mut self.counts[0]);
        each_row(values, None, |row| {
            state.add(A::value(&columns, row));
            *count += 1;
        });
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> DfResult<()> {
        let columns = A::columns(values)?;
        let (state, count) = (&mut self.states[0], &mut self.counts[0]);
        each_row(values, None, |row| {
            state.sub(A::value(&columns, row));
            *count -= 1;
        });
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
        match (&spec.input, spec.kept()) {
            (DataType::Int16, Kept::Narrow) => Ok(Box::new(Sums::<Int16Type, i128>::$make(spec))),
            (DataType::Int32, Kept::Narrow) => Ok(Box::new(Sums::<Int32Type, i128>::$make(spec))),
            (DataType::Int64, Kept::Narrow) => Ok(Box::new(Sums::<Int64Type, i128>::$make(spec))),
            (DataType::Decimal128(..), Kept::Narrow) => Ok(Box::new(Sums::<Decimal128Type, i128>::$make(spec))),
            (DataType::Decimal128(..), Kept::Wide) => Ok(Box::new(Sums::<Decimal128Type, WideSum>::$make(spec))),
            (DataType::Decimal256(..), Kept::Wide) => Ok(Box::new(Sums::<Decimal256Type, WideSum>::$make(spec))),
            (DataType::Float32, Kept::Wide) => Ok(Box::new(Sums::<Float32Type, ExactSum>::$make(spec))),
            (DataType::Float64, Kept::Wide) => Ok(Box::new(Sums::<Float64Type, ExactSum>::$make(spec))),
            (DataType::Interval(_), Kept::Wide) => Ok(Box::new(Sums::<IntervalMonthDayNanoType, IntervalSum>::$make(spec))),
            (DataType::Int16, Kept::Moments) => Ok(Box::new(Sums::<Int16Type, WholeMoments>::$make(spec))),
            (DataType::Int32, Kept::Moments) => Ok(Box::new(Sums::<Int32Type, WholeMoments>::$make(spec))),
            (DataType::Int64, Kept::Moments) => Ok(Box::new(Sums::<Int64Type, WholeMoments>::$make(spec))),
            (DataType::Decimal128(..), Kept::Moments) => Ok(Box::new(Sums::<Decimal128Type, WholeMoments>::$make(spec))),
            (DataType::Decimal256(..), Kept::Moments) => Ok(Box::new(Sums::<Decimal256Type, WholeMoments>::$make(spec))),
            (DataType::Float32, Kept::Moments) => Ok(Box::new(Sums::<Float32Type, FloatMoments>::$make(spec))),
            (DataType::Float64, Kept::Moments) => Ok(Box::new(Sums::<Float64Type, FloatMoments>::$make(spec))),
            (DataType::Float64, Kept::Pairs) => Ok(Box::new(Sums::<TwoFloats, Pairs>::$make(spec))),
            (other, _) => Err(Error::new(code::UNDEFINED_FUNCTION, format!("no {:?} over {other}", spec.what)).into()),
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
        Spec::new(self.what, field.data_type())
    }
}

impl AggregateUDFImpl for SumLike {
    fn name(&self) -> &str {
        self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> DfResult<Vec<DataType>> {
        if types.len() != self.what.arguments() {
            let shown: Vec<String> = types.iter().map(|ty| PgType::of_arrow(ty).base().to_string()).collect();
            return Err(
                Error::new(code::UNDEFINED_FUNCTION, format!("function {}({}) does not exist", self.called(), shown.join(", "))).into()
            );
        }
        Ok(types.iter().map(|ty| self.what.argument_type(self.called(), ty)).collect::<Result<_>>()?)
    }

    fn return_type(&self, types: &[DataType]) -> DfResult<DataType> {
        let ty = types.first().unwrap_or(&DataType::Null);
        Ok(Spec::new(self.what, ty)?.output)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> DfResult<Box<dyn Accumulator>> {
        let spec = self.spec(&args)?;
        if args.is_distinct { Ok(Box::new(DistinctSum::new(spec)?)) } else { accumulator(spec) }
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> DfResult<Box<dyn Accumulator>> {
        self.accumulator(args)
    }

    fn state_fields(&self, args: StateFieldsArgs) -> DfResult<Vec<FieldRef>> {
        let ty = args.input_fields.first().map_or(DataType::Null, |f| f.data_type().clone());
        let spec = Spec::new(self.what, &ty)?;
        let name = |part: &str| format!("{}[{part}]", args.name);
        if args.is_distinct {
            return Ok(DistinctSum::state_fields(args.name, &spec));
        }
        let state = if spec.kept() == Kept::Narrow { DataType::Decimal128(38, 10) } else { DataType::Binary };
        Ok(vec![Arc::new(Field::new(name("sum"), state, true)), Arc::new(Field::new(name("count"), DataType::Int64, true))])
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        !args.is_distinct
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> DfResult<Box<dyn GroupsAccumulator>> {
        with_state!(self.spec(&args)?, new)
    }

    fn default_value(&self, ty: &DataType) -> DfResult<ScalarValue> {
        if self.what == What::Pair(Pair::Count) { Ok(ScalarValue::Int64(Some(0))) } else { ScalarValue::try_from(ty) }
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }
}
