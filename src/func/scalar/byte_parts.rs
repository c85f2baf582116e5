//! Parts of a bytea (manual, chapter 9.5): substr, btrim, ltrim, rtrim, position and overlay. [`super::overloads`] tells them from those
//! of text.

use std::cell::RefCell;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BinaryArray, Int32Array};
use arrow::datatypes::{DataType, Int32Type};
use datafusion::logical_expr::ScalarUDF;

use super::define::{Function, each, fixed};
use super::growing::Room;
use crate::error::{Error, Result, code};

const BYTES: DataType = DataType::Binary;
const INT: DataType = DataType::Int32;

pub fn substr() -> Arc<ScalarUDF> {
    Function::udf(
        "substr",
        |t| fixed(t, &[BYTES, INT, INT], 1, BYTES),
        |args, _| {
            let length = |row| (args.len() > 2).then(|| int(args, 2, row));
            gathered(each(args, |row| Ok(substring(bytes(args, 0, row), int(args, 1, row), length(row))?.to_vec()))?)
        },
    )
}

pub fn btrim() -> Arc<ScalarUDF> {
    Function::udf("btrim", two, |args, _| trimmed(args, true, true))
}

pub fn ltrim() -> Arc<ScalarUDF> {
    Function::udf("ltrim", two, |args, _| trimmed(args, true, false))
}

pub fn rtrim() -> Arc<ScalarUDF> {
    Function::udf("rtrim", two, |args, _| trimmed(args, false, true))
}

/// Where the second bytea begins in the first, from 1 on; 0 if it does not stand there.
pub fn position() -> Arc<ScalarUDF> {
    Function::udf(
        "position",
        |t| fixed(t, &[BYTES, BYTES], 0, INT),
        |args, _| {
            let rows = each(args, |row| Ok(place(bytes(args, 0, row), bytes(args, 1, row))))?;
            Ok(Arc::new(rows.into_iter().collect::<Int32Array>()))
        },
    )
}

pub fn overlay() -> Arc<ScalarUDF> {
    Function::udf(
        "overlay",
        |t| fixed(t, &[BYTES, BYTES, INT, INT], 1, BYTES),
        |args, _| {
            let room = RefCell::new(Room::default());
            gathered(each(args, |row| {
                let (value, new, from) = (bytes(args, 0, row), bytes(args, 1, row), int(args, 2, row));
                let count = if args.len() > 3 { int(args, 3, row) } else { i32::try_from(new.len()).unwrap_or(i32::MAX) };
                let [before, after] = around(value, from, count)?;
                room.borrow_mut().take(before.len() + new.len() + after.len())?;
                Ok([before, new, after].concat())
            })?)
        },
    )
}

fn two(types: &[DataType]) -> Option<(Vec<DataType>, DataType)> {
    fixed(types, &[BYTES, BYTES], 0, BYTES)
}

fn bytes(args: &[ArrayRef], i: usize, row: usize) -> &[u8] {
    args[i].as_binary::<i32>().value(row)
}

fn int(args: &[ArrayRef], i: usize, row: usize) -> i32 {
    args[i].as_primitive::<Int32Type>().value(row)
}

fn gathered(rows: Vec<Option<Vec<u8>>>) -> Result<ArrayRef> {
    Ok(Arc::new(rows.into_iter().collect::<BinaryArray>()))
}

fn negative_length() -> Error {
    Error::new(code::SUBSTRING_ERROR, "negative substring length not allowed")
}

/// So many bytes from the place `from` on, which counts from 1 and may be before the first; without a length, all. Errors: 22011.
fn substring(value: &[u8], from: i32, length: Option<i32>) -> Result<&[u8]> {
    if length.is_some_and(|length| length < 0) {
        return Err(negative_length());
    }
    let at = |place: i64| usize::try_from(place.max(1) - 1).unwrap_or(0).min(value.len());
    let (start, end) = (i64::from(from), length.map(|length| i64::from(from) + i64::from(length)));
    Ok(&value[at(start)..end.map_or(value.len(), at)])
}

/// What stays of a value before and behind `count` bytes from the place `from` on; a count below zero keeps some twice. Errors: 22011.
fn around(value: &[u8], from: i32, count: i32) -> Result<[&[u8]; 2]> {
    if from <= 0 {
        return Err(negative_length());
    }
    let after = from.checked_add(count).ok_or_else(|| Error::new(code::NUMERIC_VALUE_OUT_OF_RANGE, "integer out of range"))?;
    Ok([substring(value, 1, Some(from - 1))?, substring(value, after, None)?])
}

fn place(value: &[u8], wanted: &[u8]) -> i32 {
    let found = if wanted.is_empty() { Some(0) } else { memchr::memmem::find(value, wanted) };
    found.and_then(|at| i32::try_from(at + 1).ok()).unwrap_or(0)
}

/// Each bytea without the bytes at its ends that stand in the second one.
fn trimmed(args: &[ArrayRef], left: bool, right: bool) -> Result<ArrayRef> {
    gathered(each(args, |row| {
        let (mut value, set) = (bytes(args, 0, row), bytes(args, 1, row));
        while let [first, rest @ ..] = value
            && left
            && set.contains(first)
        {
            value = rest;
        }
        while let [rest @ .., last] = value
            && right
            && set.contains(last)
        {
            value = rest;
        }
        Ok(value.to_vec())
    })?)
}
