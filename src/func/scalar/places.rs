//! Where things stand in arrays (manual, chapter 9.19): array_position, array_positions, bounds and dimensions, trim_array, and the
//! operators `@>` and `<@`.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int32Array, Int32Builder, ListArray, ListBuilder, UInt32Array, make_comparator,
};
use arrow::buffer::OffsetBuffer;
use arrow::compute;
use arrow::datatypes::{DataType, Field, Int32Type};
use datafusion::logical_expr::ScalarUDF;

use super::arrays;
use super::define::{Function, TEXT, each, text_array};
use super::series::list_of;
use crate::error::{Error, Result, code};

const INT: DataType = DataType::Int32;

pub fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![
        Function::udf("array_position", |t| element_rule(t, true, INT), position),
        Function::udf("array_positions", |t| element_rule(t, false, list_of(INT)), positions),
        Function::udf("array_lower", dimension_rule, |a, _| bound(a, |_| 1)),
        Function::udf("array_upper", dimension_rule, |a, _| bound(a, |n| n)),
        Function::udf("array_ndims", |t| list_rule(t, INT), dimensions),
        Function::udf("array_dims", |t| list_rule(t, TEXT), dims),
        Function::udf("trim_array", trim_rule, trim),
        Function::udf("array_contains_all", two_rule, contains_all),
    ]
}

/// The function of an operator of arrays.
pub fn operator(name: &str) -> Option<Arc<ScalarUDF>> {
    functions().into_iter().find(|f| f.name() == name)
}

type Types = Option<(Vec<DataType>, DataType)>;

/// The type in which the elements and a value to compare them with are compared.
fn comparable(item: &DataType, value: &DataType) -> Option<DataType> {
    match (item, value) {
        (i, v) if i == v || v.is_null() => Some(i.clone()),
        (i, v) if i.is_null() => Some(v.clone()),
        (DataType::LargeUtf8, v) if v.is_string() => Some(DataType::LargeUtf8),
        (i, v) if i.is_string() && v.is_string() => Some(TEXT),
        (i, v) if v.is_string() && !i.is_numeric() && !i.is_nested() => Some(i.clone()),
        (i, v) if i.is_integer() && v.is_integer() => Some(DataType::Int64),
        (i, v) if i.is_numeric() && v.is_numeric() => Some(DataType::Float64),
        _ => None,
    }
}

fn element_rule(types: &[DataType], start: bool, output: DataType) -> Types {
    let ([DataType::List(item), value], rest) = types.split_at_checked(2)? else { return None };
    let common = comparable(item.data_type(), value)?;
    let fits = match rest {
        [] => true,
        [at] => start && at.is_integer(),
        _ => false,
    };
    fits.then(|| ([vec![list_of(common.clone()), common], vec![INT; rest.len()]].concat(), output))
}

fn dimension_rule(types: &[DataType]) -> Types {
    match types {
        [list @ DataType::List(_), n] if n.is_integer() || n.is_null() => Some((vec![list.clone(), INT], INT)),
        [DataType::Null, n] if n.is_integer() || n.is_null() => Some((vec![list_of(TEXT), INT], INT)),
        _ => None,
    }
}

fn list_rule(types: &[DataType], output: DataType) -> Types {
    matches!(types, [DataType::List(_)]).then(|| (types.to_vec(), output))
}

fn trim_rule(types: &[DataType]) -> Types {
    match types {
        [list @ DataType::List(_), n] if n.is_integer() => Some((vec![list.clone(), INT], list.clone())),
        _ => None,
    }
}

fn two_rule(types: &[DataType]) -> Types {
    let common = match types {
        [DataType::List(a), DataType::List(b)] => list_of(comparable(a.data_type(), b.data_type())?),
        // NULL, or a parameter whose type is not known yet.
        [list @ DataType::List(_), DataType::Null] | [DataType::Null, list @ DataType::List(_)] => list.clone(),
        _ => return None,
    };
    Some((vec![common.clone(), common], DataType::Boolean))
}

fn range(lists: &ListArray, row: usize) -> std::ops::Range<usize> {
    lists.value_offsets()[row] as usize..lists.value_offsets()[row + 1] as usize
}

/// Each row's places, from 0, of the elements that are the value; a NULL is found by a NULL.
fn found(args: &[ArrayRef]) -> Result<Vec<Option<Vec<i32>>>> {
    let lists = args[0].as_list::<i32>();
    let (items, values) = (arrays::comparable(lists.values())?, arrays::comparable(&args[1])?);
    let compare = make_comparator(values.as_ref(), items.as_ref(), Default::default())?;
    let one = |row: usize| {
        let range = range(lists, row);
        let is_it = |i: &usize| compare(row, *i).is_eq();
        let from = range.start;
        lists.is_valid(row).then(|| range.filter(is_it).map(|i| (i - from) as i32).collect())
    };
    Ok((0..lists.len()).map(one).collect())
}

/// The place, from 1, of the first one at or behind the third argument.
fn position(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let start = |row: usize| match args.get(2) {
        None => Ok(1),
        Some(start) if start.is_null(row) => Err(Error::new(code::NULL_VALUE_NOT_ALLOWED, "initial position must not be null")),
        Some(start) => Ok(start.as_primitive::<Int32Type>().value(row)),
    };
    let rows = found(args)?.into_iter().enumerate();
    let one = |(row, places): (usize, Option<Vec<i32>>)| {
        let start = start(row)?;
        Ok(places.and_then(|places| places.into_iter().map(|i| i + 1).find(|i| *i >= start)))
    };
    Ok(Arc::new(rows.map(one).collect::<Result<Int32Array>>()?))
}

fn positions(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let mut lists = ListBuilder::new(Int32Builder::new()).with_field(Field::new_list_field(INT, true));
    for row in found(args)? {
        let valid = row.is_some();
        row.into_iter().flatten().for_each(|i| lists.values().append_value(i + 1));
        lists.append(valid);
    }
    Ok(Arc::new(lists.finish()))
}

/// What is made of the length of the dimension that the second argument names; NULL for an empty array and for a dimension that it does not have.
pub fn bound(args: &[ArrayRef], of: fn(i32) -> i32) -> Result<ArrayRef> {
    let dimensions = args[1].as_primitive::<Int32Type>();
    let rows = each(args, |row| {
        let dimension = usize::try_from(dimensions.value(row)).ok().and_then(|n| n.checked_sub(1));
        Ok(dimension.and_then(|n| lengths(&args[0], row).get(n).copied()).map(|length| of(length as i32)))
    })?;
    Ok(Arc::new(rows.into_iter().map(Option::flatten).collect::<Int32Array>()))
}

/// The lengths of an array and of the arrays in it, outermost first; none for an empty one.
pub fn lengths(array: &ArrayRef, row: usize) -> Vec<usize> {
    let DataType::List(_) = array.data_type() else { return vec![] };
    let items = array.as_list::<i32>().value(row);
    if items.is_empty() {
        return vec![];
    }
    [vec![items.len()], lengths(&items, 0)].concat()
}

fn dimensions(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let rows = each(args, |row| Ok(Some(lengths(&args[0], row).len() as i32).filter(|n| *n > 0)))?;
    Ok(Arc::new(rows.into_iter().map(Option::flatten).collect::<Int32Array>()))
}

fn dims(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let rows = each(args, |row| {
        let text: String = lengths(&args[0], row).iter().map(|n| format!("[1:{n}]")).collect();
        Ok(Some(text).filter(|t| !t.is_empty()))
    })?;
    Ok(text_array(rows.into_iter().map(Option::flatten).collect()))
}

/// Without its last n elements.
fn trim(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let (lists, counts) = (args[0].as_list::<i32>(), args[1].as_primitive::<Int32Type>());
    let DataType::List(field) = args[0].data_type() else { return Err(Error::internal("trim_array takes an array")) };
    let kept = each(args, |row| {
        let (length, n) = (lists.value_length(row), counts.value(row));
        if n < 0 || n > length {
            let message = format!("number of elements to trim must be between 0 and {length}");
            return Err(Error::new(code::ARRAY_SUBSCRIPT_ERROR, message));
        }
        Ok((length - n) as usize)
    })?;
    let indices: UInt32Array =
        kept.iter().enumerate().flat_map(|(row, n)| range(lists, row).take(n.unwrap_or(0)).map(|i| i as u32)).collect();
    let offsets = OffsetBuffer::from_lengths(kept.iter().map(|n| n.unwrap_or(0)));
    let nulls = kept.iter().map(Option::is_some).collect::<Vec<bool>>().into();
    Ok(Arc::new(ListArray::try_new(field.clone(), offsets, compute::take(lists.values(), &indices, None)?, Some(nulls))?))
}

/// Whether every element of the second array is in the first; NULL equals nothing.
fn contains_all(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let (left, right) = (args[0].as_list::<i32>(), args[1].as_list::<i32>());
    let (lefts, rights) = (arrays::comparable(left.values())?, arrays::comparable(right.values())?);
    let compare = make_comparator(rights.as_ref(), lefts.as_ref(), Default::default())?;
    let rows = each(args, |row| {
        let is_in = |i: usize| rights.is_valid(i) && range(left, row).any(|j| lefts.is_valid(j) && compare(i, j).is_eq());
        Ok(range(right, row).all(is_in))
    })?;
    Ok(Arc::new(rows.into_iter().collect::<BooleanArray>()))
}
