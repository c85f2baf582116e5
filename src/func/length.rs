//! Intervals are compared by their length, a month being 30 days and a day 24 hours; arrow compares months first.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, ListArray, UInt64Array};
use arrow::buffer::OffsetBuffer;
use arrow::compute::take;
use arrow::datatypes::{DataType, IntervalMonthDayNano, IntervalMonthDayNanoType};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{Expr, ScalarUDF};

use super::arith::rules::INTERVAL;
use super::scalar::arrays::comparable;
use super::scalar::define::{Function, Rule, each, fixed};
use crate::data::datetime::US_PER_DAY;
use crate::error::Result;

/// The name of the function that gives an interval's length.
pub const LENGTH: &str = "interval_length";
/// Microseconds: wide enough for any interval.
const MICROSECONDS: DataType = DataType::Decimal128(38, 0);

/// The functions of lengths, for the registry.
pub fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![function(), sorted(), of_items()]
}

/// The length of an interval in microseconds, as what comparisons compare.
fn function() -> Arc<ScalarUDF> {
    Function::udf(LENGTH, |types| fixed(types, &[INTERVAL], 0, MICROSECONDS), length)
}

/// The length of an expression that gives an interval.
pub fn of(expr: Expr) -> Expr {
    Expr::ScalarFunction(ScalarFunction::new_udf(function(), vec![expr]))
}

/// The lengths of intervals, NULL for NULL.
pub fn lengths(intervals: &ArrayRef) -> Result<ArrayRef> {
    length(std::slice::from_ref(intervals), &MICROSECONDS)
}

/// The items of a list of intervals by their length, of equal ones the one with the most months, then the most days: descending if the
/// second argument is true, NULL first if the third is.
pub fn sorted() -> Arc<ScalarUDF> {
    let rule: Rule = |types| {
        let fits = matches!(types, [DataType::List(item), DataType::Boolean, DataType::Boolean] if *item.data_type() == INTERVAL);
        fits.then(|| (types.to_vec(), types[0].clone()))
    };
    Function::udf("pg_intervals_sorted", rule, |args, _| {
        let lists = args[0].as_list::<i32>();
        let (descending, nulls_first) = (args[1].as_boolean(), args[2].as_boolean());
        let (mut places, mut counts): (Vec<u64>, Vec<usize>) = (Vec::new(), Vec::with_capacity(lists.len()));
        for row in 0..lists.len() {
            let items = if lists.is_valid(row) { items_of(lists, row) } else { 0..0 };
            let sorted = in_order(lists.values(), items, descending.value(row), nulls_first.value(row));
            counts.push(sorted.len());
            places.extend(sorted.into_iter().map(|at| at as u64));
        }
        let DataType::List(item) = lists.data_type() else { return Ok(args[0].clone()) };
        let items = take(lists.values(), &UInt64Array::from(places), None)?;
        Ok(Arc::new(ListArray::try_new(item.clone(), OffsetBuffer::from_lengths(counts), items, lists.nulls().cloned())?))
    })
}

/// Where the items of a list stand among those of all.
fn items_of(lists: &ListArray, row: usize) -> Range<usize> {
    let offsets = lists.value_offsets();
    offsets[row] as usize..offsets[row + 1] as usize
}

fn in_order(items: &ArrayRef, within: Range<usize>, descending: bool, nulls_first: bool) -> Vec<usize> {
    let intervals = items.as_primitive::<IntervalMonthDayNanoType>();
    let key = |at: usize| {
        let interval = intervals.value(at);
        (micros(interval), interval.months, interval.days, at)
    };
    let null = within.clone().find(|at| items.is_null(*at));
    let mut keyed: Vec<_> = within.filter(|at| items.is_valid(*at)).map(key).collect();
    keyed.sort_unstable();
    keyed.dedup_by(|later, first| {
        let is_equal = later.0 == first.0;
        if is_equal {
            *first = *later;
        }
        is_equal
    });
    if descending {
        keyed.reverse();
    }
    let mut sorted: Vec<usize> = keyed.into_iter().map(|(.., at)| at).collect();
    if let Some(null) = null {
        sorted.insert(if nulls_first { 0 } else { sorted.len() }, null);
    }
    sorted
}

/// The lengths of the intervals of a list.
pub fn of_items() -> Arc<ScalarUDF> {
    let rule: Rule = |types| {
        let fits = matches!(types, [DataType::List(item)] if *item.data_type() == INTERVAL);
        fits.then(|| (types.to_vec(), DataType::new_list(MICROSECONDS, true)))
    };
    Function::udf("pg_interval_lengths", rule, |args, _| comparable(&args[0]))
}

/// The length of an interval in microseconds.
pub fn micros(v: IntervalMonthDayNano) -> i128 {
    (i128::from(v.months) * 30 + i128::from(v.days)) * i128::from(US_PER_DAY) + i128::from(v.nanoseconds / 1_000)
}

fn length(args: &[ArrayRef], output: &DataType) -> Result<ArrayRef> {
    let values = args[0].as_primitive::<IntervalMonthDayNanoType>();
    let rows = each(args, |row| Ok(micros(values.value(row))))?;
    Ok(Arc::new(rows.into_iter().collect::<Decimal128Array>().with_data_type(output.clone())))
}
