//! GROUP BY: one row per group, kept up to date.
//!
//! A step goes so: [`Aggregate::fold`] numbers the groups of each delta, keeps the present results of groups that are touched for
//! the first time in this step, and folds the rows into the states, a column at a time; at the end [`Aggregate::emit`] computes
//! the results of touched groups again and gives the old row with weight -1 and the new one with +1 where they differ.
//! A group whose row count falls to zero vanishes and its number is reused; without GROUP BY there is one group, which stays, and
//! so does the group of each grouping set ().
//!
//! Three tiers of state, picked by [`build`]: vectors of numbers for what can be subtracted (`sums`, `moments`) or only grows
//! (`extremes`); ordered multisets per group for min, max, first and last of input that retracts; and for everything else the
//! group's multiset replayed into DataFusion's accumulator (`generic`), touched groups only.

mod extremes;
mod generic;
mod moments;
mod state;
mod sums;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::compute::{self, SortOptions};
use arrow::datatypes::*;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_expr::expressions::PhysicalSortExpr;

use self::extremes::{Best, ByteKeys, Extreme, IntegerKeys};
use self::generic::Generic;
use self::state::{DistinctState, Rows, State, sized};
use self::sums::{Bools, Count, ExactSums, FloatSums, IntervalSums, Want};
use super::basic::{list, only};
use super::eval::{Expr, append_all, encoded_as, evaluate, evaluate_all, mask, replace, same_rows, take_all};
use super::key_index::{Equality, KeyIndex, is_integer_like};
use super::marks::Marks;
use super::{Operator, StateReader, StateWriter};
use crate::data::Delta;
use crate::error::{Error, Result};
use crate::func::sum::SumLike;
use crate::func::sum_state::{NARROW_DIGITS_MAX, Spec, What, WideSum};

/// What an aggregate call computes.
#[derive(Clone, Debug)]
pub enum AggregateKind {
    /// count(*) without arguments, else rows in which no argument is null.
    Count,
    Sum,
    Avg,
    Min,
    Max,
    BoolAnd,
    BoolOr,
    /// A variance, deviation, covariance or regression.
    Moments(What),
    /// The argument of the first row in the call's ORDER BY; ties are broken by the argument.
    First {
        ignore_nulls: bool,
    },
    /// The argument of the last row in the call's ORDER BY; ties are broken by the argument.
    Last {
        ignore_nulls: bool,
    },
    /// Any function that DataFusion can run.
    Generic(Arc<AggregateFunctionExpr>),
}

impl AggregateKind {
    /// The kind of a planned function: one with columnar state if there is one for it and its argument types.
    pub fn of(function: &Arc<AggregateFunctionExpr>, args: &[DataType]) -> AggregateKind {
        if let Some(what) = moments_of(function) {
            return AggregateKind::Moments(what);
        }
        let summable = matches!(args, [t] if t.is_numeric() || matches!(t, DataType::Interval(IntervalUnit::MonthDayNano)));
        match (function.fun().name(), args) {
            ("count", _) => AggregateKind::Count,
            ("sum" | "pg_sum", _) if summable => AggregateKind::Sum,
            ("avg" | "pg_avg", [t]) if t.is_numeric() => AggregateKind::Avg,
            ("min", [_]) => AggregateKind::Min,
            ("max", [_]) => AggregateKind::Max,
            ("bool_and", [DataType::Boolean]) => AggregateKind::BoolAnd,
            ("bool_or", [DataType::Boolean]) => AggregateKind::BoolOr,
            ("first_value", [_]) => AggregateKind::First { ignore_nulls: function.ignore_nulls() },
            ("last_value", [_]) => AggregateKind::Last { ignore_nulls: function.ignore_nulls() },
            _ => AggregateKind::Generic(Arc::clone(function)),
        }
    }
}

/// What a statistic on exact sums computes; `None` for other functions.
fn moments_of(function: &AggregateFunctionExpr) -> Option<What> {
    let what = function.fun().inner().downcast_ref::<SumLike>()?.what();
    (!matches!(what, What::Sum | What::Avg)).then_some(what)
}

/// One aggregate call of a GROUP BY.
#[derive(Clone, Debug)]
pub struct AggregateCall {
    /// What it computes.
    pub kind: AggregateKind,
    /// Its arguments.
    pub args: Vec<Expr>,
    /// FILTER (WHERE ..).
    pub filter: Option<Expr>,
    /// DISTINCT.
    pub distinct: bool,
    /// ORDER BY inside the call.
    pub order_by: Vec<PhysicalSortExpr>,
    /// Name and type of the result.
    pub field: FieldRef,
}

/// GROUP BY with aggregate calls. Output: the group columns, then one column per call.
pub struct Aggregate {
    group: Vec<Expr>,
    calls: Vec<AggregateCall>,
    schema: SchemaRef,
    index: KeyIndex,
    /// Rows of each group.
    rows: Vec<i64>,
    states: Vec<Box<dyn State>>,
    /// Groups that are there without rows, the first numbers: that of an aggregate without GROUP BY, and those of the grouping set ().
    standing: u32,
    /// True once the rows of the standing groups were given.
    started: bool,
    /// What the step at hand has touched.
    marks: Marks,
}

/// The groups touched in a step: the old ones with their results before it, and those that were not there.
#[derive(Default)]
struct Touched {
    old: Vec<u32>,
    before: Vec<ArrayRef>,
    fresh: Vec<u32>,
}

impl Aggregate {
    /// `input` is the input's schema, `schema` that of the output: the group columns, then the calls' fields. `append_only`
    /// promises that no input row is ever retracted. Errors: 0A000 for types that a function does not have.
    pub fn new(group: Vec<Expr>, calls: Vec<AggregateCall>, input: SchemaRef, schema: SchemaRef, append_only: bool) -> Result<Self> {
        let types = group.iter().map(|e| Ok(e.data_type(&input)?)).collect::<Result<Vec<_>>>()?;
        let mut states = calls.iter().map(|c| build(c, &input, append_only)).collect::<Result<Vec<_>>>()?;
        let mut index = KeyIndex::new(&types, Equality::Sql)?;
        if group.is_empty() {
            index.intern(&[], 1, &mut Vec::new(), &mut Vec::new())?;
        }
        states.iter_mut().for_each(|s| s.resize(index.slots()));
        let rows = vec![0; index.slots()];
        let standing = index.slots() as u32;
        Ok(Aggregate { group, calls, schema, index, rows, states, standing, started: false, marks: Marks::default() })
    }

    /// The same with groups that are there without rows: `keys` are the values of the group expressions, one row per group.
    pub fn with_standing(mut self, keys: &[ArrayRef], groups: usize) -> Result<Self> {
        self.index.intern(keys, groups, &mut Vec::new(), &mut Vec::new())?;
        self.rows.resize(self.index.slots(), 0);
        self.states.iter_mut().for_each(|s| s.resize(self.index.slots()));
        self.standing = self.index.slots() as u32;
        Ok(self)
    }

    /// Folds one delta into the states.
    fn fold(&mut self, delta: &Delta, touched: &mut Touched) -> Result<()> {
        let keys = evaluate_all(&self.group, &delta.batch)?;
        let (mut groups, mut fresh) = (Vec::new(), Vec::new());
        self.index.intern(&keys, delta.num_rows(), &mut groups, &mut fresh)?;
        let slots = self.index.slots();
        self.rows.resize(slots, 0);
        self.marks.grow(slots);
        self.states.iter_mut().for_each(|s| s.resize(slots));
        fresh.iter().for_each(|&g| {
            self.marks.first(g);
        });
        touched.fresh.append(&mut fresh);

        let mut old = Vec::new();
        for &g in &groups {
            if self.marks.first(g) {
                old.push(g);
            }
        }
        self.keep(old, touched)?;
        for (i, &g) in groups.iter().enumerate() {
            self.rows[g as usize] += delta.weight(i);
        }
        let weights = delta.weights.as_ref().map(|w| &w.values()[..]);
        for (call, state) in self.calls.iter().zip(&mut self.states) {
            update(call, state.as_mut(), delta, &groups, weights)?;
        }
        Ok(())
    }

    /// Keeps the present results of `old` groups.
    fn keep(&mut self, mut old: Vec<u32>, touched: &mut Touched) -> Result<()> {
        if old.is_empty() {
            return Ok(());
        }
        let results = self.finish(&old)?;
        touched.before = if touched.old.is_empty() { results } else { append_all(std::mem::take(&mut touched.before), results)? };
        touched.old.append(&mut old);
        Ok(())
    }

    /// The result columns of these groups.
    fn finish(&mut self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        let finish = |(state, call): (&mut Box<dyn State>, &AggregateCall)| encoded_as(state.finish(groups)?, call.field.data_type());
        self.states.iter_mut().zip(&self.calls).map(finish).collect()
    }

    /// Old rows out, new rows in, for touched groups whose row changed; vanished groups are released.
    fn emit(&mut self, touched: Touched) -> Result<Vec<Delta>> {
        let Touched { old, before, fresh, .. } = touched;
        let standing = self.standing;
        let alive = |g: u32| g < standing || self.rows[g as usize] > 0;
        if old.iter().chain(&fresh).any(|&g| self.rows[g as usize] < 0) {
            return Err(Error::internal("a group lost more rows than it had"));
        }
        let (stay, gone): (Vec<u32>, Vec<u32>) = (0..old.len() as u32).partition(|&i| alive(old[i as usize]));
        let mut shown: Vec<u32> = stay.iter().map(|&i| old[i as usize]).collect();
        let staying = shown.len();
        shown.extend(fresh.iter().copied().filter(|&g| alive(g)));

        let after = self.finish(&shown)?;
        let before_stay = if gone.is_empty() { before.clone() } else { take_all(&before, &stay)? };
        let heads: Vec<ArrayRef> = after.iter().map(|c| c.slice(0, staying)).collect();
        let same = same_rows(&before_stay, &heads, staying)?;
        let changed: Vec<u32> = (0..staying as u32).filter(|&i| !same.value(i as usize)).collect();

        let removed: Vec<u32> = changed.iter().map(|&i| stay[i as usize]).chain(gone.iter().copied()).collect();
        let added: Vec<u32> = changed.iter().copied().chain(staying as u32..shown.len() as u32).collect();
        let before = self.gather(&old, before, &removed)?;
        let after = self.gather(&shown, after, &added)?;
        for g in old.into_iter().chain(fresh).filter(|g| *g >= standing && self.rows[*g as usize] == 0) {
            self.index.release(g);
            self.states.iter_mut().for_each(|s| s.reset(g));
        }
        Ok(replace(&self.schema, before, after)?.into_iter().collect())
    }

    /// Whole output rows: the keys of `groups` and their `results`, at `indices`.
    fn gather(&self, groups: &[u32], results: Vec<ArrayRef>, indices: &[u32]) -> Result<(Vec<ArrayRef>, usize)> {
        let numbers: Vec<u32> = indices.iter().map(|&i| groups[i as usize]).collect();
        let mut columns = self.index.keys(&numbers)?;
        // Indices ascend, so as many as there are results are all of them.
        let all = indices.len() == groups.len() && indices.is_sorted();
        columns.extend(if all { results } else { take_all(&results, indices)? });
        Ok((columns, indices.len()))
    }
}

/// Folds the rows of `delta` that pass the call's FILTER; its arguments are not computed for others.
fn update(call: &AggregateCall, state: &mut dyn State, delta: &Delta, groups: &[u32], weights: Option<&[i64]>) -> Result<()> {
    let Some(filter) = &call.filter else { return fold_rows(call, state, &delta.batch, groups, weights) };
    let mask = mask(filter, &delta.batch)?;
    let kept: Vec<u32> = mask.values().set_indices_u32().collect();
    let groups: Vec<u32> = kept.iter().map(|&i| groups[i as usize]).collect();
    let weights: Option<Vec<i64>> = weights.map(|w| kept.iter().map(|&i| w[i as usize]).collect());
    fold_rows(call, state, &compute::filter_record_batch(&delta.batch, &mask)?, &groups, weights.as_deref())
}

fn fold_rows(call: &AggregateCall, state: &mut dyn State, batch: &RecordBatch, groups: &[u32], weights: Option<&[i64]>) -> Result<()> {
    let args = evaluate_all(&call.args, batch)?;
    let order = call.order_by.iter().map(|o| evaluate(&o.expr, batch)).collect::<Result<Vec<_>>>()?;
    state.update(&Rows { groups, args: &args, order: &order, weights })
}

/// The state of a call, by its kind and the types of its arguments.
fn build(call: &AggregateCall, input: &SchemaRef, append_only: bool) -> Result<Box<dyn State>> {
    let args = call.args.iter().map(|e| Ok(e.data_type(input)?)).collect::<Result<Vec<_>>>()?;
    let order = call.order_by.iter().map(|o| Ok((o.expr.data_type(input)?, o.options))).collect::<Result<Vec<_>>>()?;
    let result = call.field.data_type().clone();
    let one = || args.first().cloned().ok_or_else(|| Error::internal(format!("{:?} without an argument", call.kind)));
    let state: Box<dyn State> = match &call.kind {
        AggregateKind::Count => Box::new(Count::default()),
        AggregateKind::Sum => sums(Want::Sum, &one()?, result)?,
        AggregateKind::Avg => sums(Want::Avg, &one()?, result)?,
        AggregateKind::Moments(what) => moments::state(Spec::new(*what, &one()?)?)?,
        AggregateKind::BoolAnd | AggregateKind::BoolOr => {
            return Ok(Box::new(Bools { and: matches!(call.kind, AggregateKind::BoolAnd), counts: Vec::new() }));
        }
        AggregateKind::Min => return extreme(&one()?, false, append_only),
        AggregateKind::Max => return extreme(&one()?, true, append_only),
        AggregateKind::First { ignore_nulls } => return ordered(&order, one()?, false, append_only, *ignore_nulls),
        AggregateKind::Last { ignore_nulls } => return ordered(&order, one()?, true, append_only, *ignore_nulls),
        AggregateKind::Generic(function) => {
            return Ok(Box::new(Generic::new(Arc::clone(function), &order, &args, call.distinct, result)?));
        }
    };
    if call.distinct { Ok(Box::new(DistinctState::new(&args, state)?)) } else { Ok(state) }
}

fn ordered(order: &[(DataType, SortOptions)], arg: DataType, last: bool, append_only: bool, skip_nulls: bool) -> Result<Box<dyn State>> {
    Ok(Box::new(Extreme::new(ByteKeys::new(order, arg)?, last, append_only, skip_nulls)))
}

fn sums(want: Want, arg: &DataType, result: DataType) -> Result<Box<dyn State>> {
    use DataType::*;
    Ok(match arg {
        Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 | UInt64 => Box::new(ExactSums::<i128>::new(want, 0, result)),
        Decimal128(p, s) if *p <= NARROW_DIGITS_MAX => Box::new(ExactSums::<i128>::new(want, *s, result)),
        Decimal128(_, s) | Decimal256(_, s) => Box::new(ExactSums::<WideSum>::new(want, *s, result)),
        Float32 | Float64 => Box::new(FloatSums::new(want, result)),
        Interval(IntervalUnit::MonthDayNano) if want == Want::Sum => Box::<IntervalSums>::default(),
        other => {
            let name = if want == Want::Sum { "sum" } else { "avg" };
            return Err(Error::unsupported(format!("{name}({other}) is not supported")).hint("Cast the argument to numeric."));
        }
    })
}

fn extreme(arg: &DataType, max: bool, append_only: bool) -> Result<Box<dyn State>> {
    macro_rules! best {
        ($($pattern:pat => $t:ty),*) => {
            match arg {
                $($pattern if append_only => return Ok(Box::new(Best::<$t> { max, data_type: arg.clone(), groups: Vec::new() })),)*
                _ => {}
            }
        };
    }
    use DataType::{Date32, Decimal128, Decimal256, Float32, Float64, Int8, Int16, Int32, Int64, Timestamp, UInt32, UInt64};
    best!(Int8 => Int8Type, Int16 => Int16Type, Int32 => Int32Type, Int64 => Int64Type, UInt32 => UInt32Type, UInt64 => UInt64Type,
        Float32 => Float32Type, Float64 => Float64Type, Decimal128(..) => Decimal128Type, Decimal256(..) => Decimal256Type,
        Date32 => Date32Type, Timestamp(TimeUnit::Second, _) => TimestampSecondType, Timestamp(TimeUnit::Microsecond, _) => TimestampMicrosecondType,
        Timestamp(TimeUnit::Nanosecond, _) => TimestampNanosecondType);
    if is_integer_like(arg) && *arg != UInt64 {
        return Ok(Box::new(Extreme::new(IntegerKeys(arg.clone()), max, append_only, true)));
    }
    ordered(&[], arg.clone(), max, append_only, true)
}

impl Operator for Aggregate {
    fn name(&self) -> &'static str {
        "Aggregate"
    }
    fn detail(&self) -> String {
        let calls: Vec<&str> = self.calls.iter().map(|c| c.field.name().as_str()).collect();
        format!("group by: {}; {}", list(&self.group), list(&calls))
    }
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn step(&mut self, inputs: Vec<Vec<Delta>>) -> Result<Vec<Delta>> {
        let mut touched = Touched::default();
        self.marks.begin(self.rows.len());
        if !std::mem::replace(&mut self.started, true) {
            for g in 0..self.standing {
                self.marks.first(g);
                touched.fresh.push(g);
            }
        }
        for delta in only(inputs)?.iter().filter(|d| d.num_rows() > 0) {
            self.fold(delta, &mut touched)?;
        }
        if touched.old.is_empty() && touched.fresh.is_empty() {
            return Ok(Vec::new());
        }
        if touched.old.is_empty() {
            touched.before = self.finish(&[])?;
        }
        self.emit(touched)
    }

    fn state_bytes(&self) -> usize {
        self.index.bytes() + self.rows.capacity() * 8 + self.states.iter().map(|s| s.bytes()).sum::<usize>()
    }
    fn save(&self, out: &mut StateWriter<'_>) -> Result<()> {
        out.bool(self.started);
        self.index.save(out)?;
        out.i64s(&self.rows);
        self.states.iter().try_for_each(|s| s.save(out))
    }
    fn load(&mut self, input: &mut StateReader<'_>) -> Result<()> {
        self.started = input.bool()?;
        let types = Vec::from(self.index.types());
        self.index = KeyIndex::new(&types, Equality::Sql)?;
        self.index.load(input)?;
        let slots = self.index.slots();
        self.rows = sized(input.i64s()?, slots)?;
        self.states.iter_mut().try_for_each(|s| s.load(input, slots))
    }
}
