//! Array functions whose results PostgreSQL types or computes otherwise (manual, chapter 9.19).

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Int32Array, Int64Array, ListArray, StructArray, make_comparator, new_empty_array,
    new_null_array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::{self, SortOptions};
use arrow::datatypes::{DataType, Field, FieldRef, Int64Type, IntervalUnit};
use arrow::row::{RowConverter, SortField};
use datafusion::logical_expr::ScalarUDF;
use hashbrown::HashSet;

use super::define::{Function, Rule, each};
use super::joined_arrays;
use super::jsonb_order;
use super::math;
use super::places;
use super::series::list_of;
use crate::error::{Error, Result};
use crate::func::arith::rules::common_numeric;
use crate::func::length;

pub fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![
        // PostgreSQL removes and replaces all, not the first.
        Function::udf("array_remove", remove_rule, remove),
        Function::udf("array_replace", replace_rule, replace),
        Function::udf("array_length", dimension_rule, |args, _| places::bound(args, |length| length)),
        Function::udf("cardinality", list_rule, cardinality),
        // Not PostgreSQL's own: `a && b` and ARRAY(SELECT ..) become them.
        Function::udf("pg_array_overlap", overlap_rule, overlap),
        Function::udf("pg_array_or_empty", same_rule, or_empty),
        joined_arrays::function(),
        any(),
        order(),
        key(),
    ]
}

/// The function of an operator of arrays.
pub fn operator(name: &str) -> Option<Arc<ScalarUDF>> {
    functions().into_iter().find(|f| f.name() == name)
}

/// Which of two arrays comes first, by the first items that differ: below, at or above 0. A NULL among them comes last.
pub fn order() -> Arc<ScalarUDF> {
    Function::udf("pg_array_order", order_rule, |args, _| {
        let order = make_comparator(args[0].as_ref(), args[1].as_ref(), SortOptions { descending: false, nulls_first: false })?;
        let rows = each(args, |row| Ok(order(row, row) as i32))?;
        Ok(Arc::new(rows.into_iter().collect::<Int32Array>()))
    })
}

/// `list[from:to]`: what there is of it. DataFusion's function of the name counts a bound below 1 from the end.
pub fn slice() -> Arc<ScalarUDF> {
    Function::udf("array_slice", slice_rule, |args, output| {
        let lists = args[0].as_list::<i32>();
        let (from, to) = (args[1].as_primitive::<Int64Type>(), args[2].as_primitive::<Int64Type>());
        let rows = each(args, |row| {
            let from = from.value(row).max(1);
            let to = to.value(row).min(i64::from(lists.value_length(row)));
            // Counted from 0, without the last.
            Ok(if from <= to { from - 1..to } else { 0..0 })
        })?;
        picked(lists, output, rows)
    })
}

/// The arrays of those items of each that stand at these places, counted from 0.
fn picked(lists: &ListArray, output: &DataType, places: Vec<Option<impl Iterator<Item = i64>>>) -> Result<ArrayRef> {
    let DataType::List(item) = output else { return Err(Error::internal(format!("an array of type {output}"))) };
    let (offsets, mut kept, mut lengths) = (lists.value_offsets(), Vec::new(), Vec::with_capacity(places.len()));
    let nulls = NullBuffer::from_iter(places.iter().map(Option::is_some));
    for (row, places) in places.into_iter().enumerate() {
        let before = kept.len();
        kept.extend(places.into_iter().flatten().map(|place| i64::from(offsets[row]) + place));
        lengths.push(kept.len() - before);
    }
    let values = compute::take(lists.values(), &Int64Array::from(kept), None)?;
    Ok(Arc::new(ListArray::try_new(item.clone(), OffsetBuffer::from_lengths(lengths), values, Some(nulls))?))
}

fn slice_rule(types: &[DataType]) -> Option<(Vec<DataType>, DataType)> {
    let is_bound = |ty: &DataType| ty.is_integer() || ty.is_null();
    match types {
        [list @ DataType::List(_), from, to] if is_bound(from) && is_bound(to) => {
            Some((vec![list.clone(), DataType::Int64, DataType::Int64], list.clone()))
        }
        _ => None,
    }
}

/// An array and what to remove of it, of one type.
fn remove_rule(types: &[DataType]) -> Option<(Vec<DataType>, DataType)> {
    let (item, value) = match types {
        [DataType::List(item), value] => (item.data_type(), value),
        // NULL, or a parameter whose type is not known yet.
        [DataType::Null, value] if !value.is_null() => (value, value),
        _ => return None,
    };
    let common = match (item.is_numeric() && value.is_numeric(), item.is_string() && value.is_string()) {
        _ if item == value || value.is_null() || item.is_integer() && value.is_integer() => item.clone(),
        _ if item.is_null() => value.clone(),
        (true, _) => common_numeric(item, value)?,
        (_, true) => item.clone(),
        _ => return None,
    };
    Some((vec![list_of(common.clone()), common.clone()], list_of(common)))
}

/// The array without the items that are the value: NULL, too, is one.
fn remove(args: &[ArrayRef], output: &DataType) -> Result<ArrayRef> {
    let lists = args[0].as_list::<i32>();
    let (items, values) = (comparable(lists.values())?, comparable(&args[1])?);
    let order = make_comparator(items.as_ref(), values.as_ref(), SortOptions::default())?;
    let offsets = lists.value_offsets();
    let rest = |row: usize| {
        let start = offsets[row];
        let rest = (start..offsets[row + 1]).filter(|i| order(*i as usize, row).is_ne()).map(|i| i64::from(i - start));
        lists.is_valid(row).then(|| rest.collect::<Vec<i64>>().into_iter())
    };
    picked(lists, output, (0..lists.len()).map(rest).collect())
}

/// An array, what to replace of it, and by what, of one type.
fn replace_rule(types: &[DataType]) -> Option<(Vec<DataType>, DataType)> {
    let [list, from, to] = types else { return None };
    let (_, list) = remove_rule(&[list.clone(), from.clone()])?;
    let (types, list) = remove_rule(&[list, to.clone()])?;
    Some((vec![list.clone(), types[1].clone(), types[1].clone()], list))
}

/// The array with another value in the place of the items that are the value: NULL, too, is one.
fn replace(args: &[ArrayRef], output: &DataType) -> Result<ArrayRef> {
    let DataType::List(item) = output else { return Err(Error::internal(format!("an array of type {output}"))) };
    let lists = args[0].as_list::<i32>();
    let (items, values) = (comparable(lists.values())?, comparable(&args[1])?);
    let order = make_comparator(items.as_ref(), values.as_ref(), SortOptions::default())?;
    let offsets = lists.value_offsets();
    // Of the items themselves, and of what is put there.
    let (mut places, mut lengths) = (Vec::new(), Vec::with_capacity(lists.len()));
    for row in 0..lists.len() {
        let here = if lists.is_valid(row) { offsets[row] as usize..offsets[row + 1] as usize } else { 0..0 };
        lengths.push(here.len());
        places.extend(here.map(|i| if order(i, row).is_eq() { (1, row) } else { (0, i) }));
    }
    let values = compute::interleave(&[lists.values().as_ref(), args[2].as_ref()], &places)?;
    Ok(Arc::new(ListArray::try_new(item.clone(), OffsetBuffer::from_lengths(lengths), values, lists.nulls().cloned())?))
}

/// Bytes in the order of arrays, or of rows: by the first items that differ, a NULL being the largest, then by length. Equal ones have the same.
pub fn key() -> Arc<ScalarUDF> {
    let rule: Rule = |types| matches!(types, [DataType::List(_) | DataType::Struct(_)]).then(|| (types.to_vec(), DataType::Binary));
    Function::udf("pg_array_key", rule, |args, _| keys(&args[0]))
}

/// True for types of which equal values have equal keys: they differ in names, and in whether there may be a NULL.
pub fn have_keys_alike(one: &DataType, other: &DataType) -> bool {
    match (one, other) {
        (DataType::List(one), DataType::List(other)) => have_keys_alike(one.data_type(), other.data_type()),
        (DataType::Struct(one), DataType::Struct(other)) => {
            let mut pairs = one.iter().zip(other);
            one.len() == other.len() && pairs.all(|(one, other)| have_keys_alike(one.data_type(), other.data_type()))
        }
        (one, other) => one == other,
    }
}

/// The keys of a column of arrays or of rows.
pub fn keys(values: &ArrayRef) -> Result<ArrayRef> {
    let lists = comparable(values)?;
    let options = SortOptions { descending: false, nulls_first: false };
    let converter = RowConverter::new(vec![SortField::new_with_options(lists.data_type().clone(), options)])?;
    let (offsets, bytes, _) = converter.convert_columns(&[lists])?.try_into_binary()?.into_parts();
    Ok(Arc::new(BinaryArray::try_new(offsets, bytes, values.logical_nulls())?))
}

/// Values in whose place arrow can compare these: floats of which equal ones have the same bits, intervals by their length, jsonb by its keys.
pub fn comparable(values: &ArrayRef) -> Result<ArrayRef> {
    Ok(match values.data_type() {
        ty if math::has_twins(ty) => math::one_zeros(values),
        DataType::Interval(IntervalUnit::MonthDayNano) => length::lengths(values)?,
        DataType::LargeUtf8 => jsonb_order::keys(values)?,
        DataType::List(_) => {
            let lists = values.as_list::<i32>();
            let items = comparable(lists.values())?;
            let item = Arc::new(Field::new_list_field(items.data_type().clone(), true));
            Arc::new(ListArray::try_new(item, lists.offsets().clone(), items, lists.nulls().cloned())?)
        }
        DataType::Struct(fields) => {
            let rows = values.as_struct();
            let columns = rows.columns().iter().map(comparable).collect::<Result<Vec<_>>>()?;
            let field = |(field, column): (&FieldRef, &ArrayRef)| Field::new(field.name(), column.data_type().clone(), true);
            let fields = fields.iter().zip(&columns).map(field).collect();
            Arc::new(StructArray::try_new_with_length(fields, columns, rows.nulls().cloned(), rows.len())?)
        }
        _ => Arc::clone(values),
    })
}

/// The type of what [`comparable`] gives for values of this one.
pub fn comparable_type(ty: &DataType) -> Result<DataType> {
    Ok(comparable(&new_empty_array(ty))?.data_type().clone())
}

/// `item = ANY (list)` of the list, the item, and whether it is there: unknown where it is not, but may be what a NULL stands for.
/// Of a list and a literal alone it stands in a plan until the literal is read as one of the list's items.
pub fn any() -> Arc<ScalarUDF> {
    Function::udf("pg_any", any_rule, |args, _| {
        let (Some(lists), Some(found)) = (args[0].as_list_opt::<i32>(), args.get(2).and_then(|found| found.as_boolean_opt())) else {
            // An array of no type is NULL.
            return Ok(new_null_array(&DataType::Boolean, args[0].len()));
        };
        let row = |i: usize| match lists.is_valid(i).then(|| lists.value(i)) {
            None => None,
            Some(items) if items.is_empty() => Some(false),
            Some(_) if found.is_valid(i) && found.value(i) => Some(true),
            Some(items) => (args[1].is_valid(i) && items.null_count() == 0).then_some(false),
        };
        Ok(Arc::new((0..lists.len()).map(row).collect::<BooleanArray>()))
    })
}

fn order_rule(types: &[DataType]) -> Option<(Vec<DataType>, DataType)> {
    matches!(types, [left, right] if left == right).then(|| (types.to_vec(), DataType::Int32))
}

fn any_rule(types: &[DataType]) -> Option<(Vec<DataType>, DataType)> {
    matches!(types.len(), 2 | 3).then(|| (types.to_vec(), DataType::Boolean))
}

fn dimension_rule(types: &[DataType]) -> Option<(Vec<DataType>, DataType)> {
    match types {
        [list @ DataType::List(_), dimension] if dimension.is_integer() => Some((vec![list.clone(), DataType::Int32], DataType::Int32)),
        _ => None,
    }
}

fn list_rule(types: &[DataType]) -> Option<(Vec<DataType>, DataType)> {
    match types {
        [list @ DataType::List(_)] => Some((vec![list.clone()], DataType::Int32)),
        _ => None,
    }
}

fn same_rule(types: &[DataType]) -> Option<(Vec<DataType>, DataType)> {
    (types.len() == 1).then(|| (types.to_vec(), types[0].clone()))
}

/// An array of no elements for NULL.
fn or_empty(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let DataType::List(item) = args[0].data_type() else { return Ok(args[0].clone()) };
    let lists = args[0].as_list::<i32>();
    if lists.null_count() == 0 {
        return Ok(args[0].clone());
    }
    // The slot of a NULL may hold elements, which must not come to light: only those of the others are taken.
    let kept = (0..lists.len()).filter(|row| lists.is_valid(*row)).map(|row| lists.value(row)).collect::<Vec<_>>();
    let kept = kept.iter().map(|values| values.as_ref()).collect::<Vec<_>>();
    let values = if kept.is_empty() { new_empty_array(item.data_type()) } else { compute::concat(&kept)? };
    let lengths = (0..lists.len()).map(|row| if lists.is_valid(row) { lists.value_length(row) as usize } else { 0 });
    Ok(Arc::new(ListArray::try_new(item.clone(), OffsetBuffer::from_lengths(lengths), values, None)?))
}

fn cardinality(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let lists = args[0].as_list::<i32>();
    Ok(Arc::new((0..lists.len()).map(|row| lists.is_valid(row).then(|| elements(lists, row))).collect::<Int32Array>()))
}

/// How many elements an array has in all of its dimensions.
fn elements(lists: &ListArray, row: usize) -> i32 {
    if !matches!(lists.value_type(), DataType::List(_)) {
        return lists.value_length(row);
    }
    let within = lists.value(row);
    let within = within.as_list::<i32>();
    (0..within.len()).map(|row| elements(within, row)).sum()
}

/// Two arrays of one type; whole numbers are compared as the widest.
fn overlap_rule(types: &[DataType]) -> Option<(Vec<DataType>, DataType)> {
    let (left, right) = match types {
        [DataType::List(left), DataType::List(right)] => (left, right),
        // NULL, or a parameter whose type is not known yet.
        [DataType::List(one), DataType::Null] | [DataType::Null, DataType::List(one)] => (one, one),
        _ => return None,
    };
    let (l, r) = (left.data_type(), right.data_type());
    let common = match (l.is_integer() && r.is_integer(), l.is_string() && r.is_string()) {
        _ if l == r || r.is_null() => l.clone(),
        _ if l.is_null() => r.clone(),
        (true, _) => DataType::Int64,
        (_, true) => DataType::Utf8View,
        _ => return None,
    };
    Some((vec![list_of(common.clone()), list_of(common)], DataType::Boolean))
}

/// True if a value, other than NULL, is in both.
fn overlap(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let (left, right) = (args[0].as_list::<i32>(), args[1].as_list::<i32>());
    let values = [comparable(left.values())?, comparable(right.values())?];
    let converter = RowConverter::new(vec![SortField::new(values[0].data_type().clone())])?;
    let [in_left, in_right] = values.map(|values| converter.convert_columns(&[values]));
    let (in_left, in_right) = (in_left?, in_right?);
    let items = |lists: &ListArray, row: usize| {
        let (from, to) = (lists.value_offsets()[row] as usize, lists.value_offsets()[row + 1] as usize);
        let values = Arc::clone(lists.values());
        (from..to).filter(move |i| values.is_valid(*i))
    };
    let rows = each(args, |row| {
        let known: HashSet<_> = items(left, row).map(|i| in_left.row(i)).collect();
        Ok(items(right, row).any(|i| known.contains(&in_right.row(i))))
    })?;
    Ok(Arc::new(rows.into_iter().collect::<BooleanArray>()))
}
