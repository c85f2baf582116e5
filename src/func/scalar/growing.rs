//! Functions whose result may be far larger than their arguments: repeat, lpad, rpad, replace, concat, concat_ws, `||` and
//! array_fill (manual, chapters 9.4 and 9.19).
//!
//! Each asks for [`Room`] before it allocates, so that no statement makes a value, or a batch of values, that the server's memory
//! cannot hold. The memory that operators gather over many batches is DataFusion's pool to bound.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, UInt32Array};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, Int32Type};
use datafusion::logical_expr::ScalarUDF;

use super::define::{Function, TEXT, each, fixed, text, text_array};
use crate::data::PgType;
use crate::error::{Error, Result, code};
use crate::func::text_io;
use crate::limits;

const INT: DataType = DataType::Int32;

/// The function of the operator `||` between texts.
pub const JOIN: &str = "textcat";

pub fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![
        Function::udf("repeat", |t| fixed(t, &[TEXT, INT], 0, TEXT), repeat),
        Function::udf("lpad", |t| fixed(t, &[TEXT, INT, TEXT], 1, TEXT), |args, _| pad(args, true)),
        rpad(),
        Function::udf("replace", |t| fixed(t, &[TEXT, TEXT, TEXT], 0, TEXT), replace),
        Function::udf("concat", any_rule, |args, _| join(args, None)),
        Function::udf("concat_ws", any_rule, |args, _| join(&args[1..], Some(text(args, 0)))),
        Function::udf(JOIN, |t| if t.len() == 2 { any_rule(t) } else { None }, append),
        Function::udf("array_fill", fill_rule, fill),
    ]
}

/// What `||` is between two texts and more.
pub fn joined() -> Arc<ScalarUDF> {
    Function::udf(JOIN, |t| if t.len() >= 2 { any_rule(t) } else { None }, append)
}

pub fn rpad() -> Arc<ScalarUDF> {
    Function::udf("rpad", |t| fixed(t, &[TEXT, INT, TEXT], 1, TEXT), |args, _| pad(args, false))
}

/// How much a batch of results may take.
#[derive(Default)]
pub struct Room {
    taken: usize,
}

impl Room {
    /// Takes room for one value. Errors: 54000 for a value that is too large, 53200 for a batch that is.
    pub fn take(&mut self, bytes: usize) -> Result<()> {
        if bytes > limits::VALUE_BYTES_MAX {
            return Err(Error::new(code::PROGRAM_LIMIT_EXCEEDED, "requested length too large")
                .detail(format!("A value has at most {} bytes.", limits::VALUE_BYTES_MAX)));
        }
        self.taken += bytes;
        if self.taken > limits::RESULT_BYTES_MAX {
            return Err(Error::new(code::OUT_OF_MEMORY, "out of memory for this statement")
                .detail(format!("The values that one step computes together have at most {} bytes.", limits::RESULT_BYTES_MAX))
                .hint("Select fewer rows, or shorter values."));
        }
        Ok(())
    }
}

fn repeat(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let (values, counts) = (text(args, 0), args[1].as_primitive::<Int32Type>());
    let mut room = Room::default();
    let mut rows = Vec::with_capacity(values.len());
    for row in 0..values.len() {
        if values.is_null(row) || counts.is_null(row) {
            rows.push(None);
            continue;
        }
        let count = usize::try_from(counts.value(row)).unwrap_or(0);
        room.take(values.value(row).len().saturating_mul(count))?;
        rows.push(Some(values.value(row).repeat(count)));
    }
    Ok(text_array(rows))
}

/// The text filled up to a length in characters, or cut to it, on the right.
fn pad(args: &[ArrayRef], left: bool) -> Result<ArrayRef> {
    let (values, lengths) = (text(args, 0), args[1].as_primitive::<Int32Type>());
    let room = std::cell::RefCell::new(Room::default());
    let rows = each(args, |row| {
        let (value, wanted) = (values.value(row), usize::try_from(lengths.value(row)).unwrap_or(0));
        let filling = args.get(2).map_or(" ", |_| text(args, 2).value(row));
        let cut: String = value.chars().take(wanted).collect();
        let missing = wanted - cut.chars().count();
        if missing == 0 || filling.is_empty() {
            return Ok(cut);
        }
        let whole = missing / filling.chars().count();
        let rest: String = filling.chars().take(missing % filling.chars().count()).collect();
        room.borrow_mut().take(filling.len().saturating_mul(whole).saturating_add(rest.len() + cut.len()))?;
        let padding = filling.repeat(whole) + &rest;
        Ok(if left { padding + &cut } else { cut + &padding })
    })?;
    Ok(text_array(rows))
}

fn replace(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let room = std::cell::RefCell::new(Room::default());
    let rows = each(args, |row| {
        let (value, from, to) = (text(args, 0).value(row), text(args, 1).value(row), text(args, 2).value(row));
        if from.is_empty() {
            return Ok(value.to_string());
        }
        let grown = to.len().saturating_sub(from.len()).saturating_mul(value.matches(from).count());
        room.borrow_mut().take(value.len().saturating_add(grown))?;
        Ok(value.replace(from, to))
    })?;
    Ok(text_array(rows))
}

/// Arguments of any types, each to be printed.
fn any_rule(types: &[DataType]) -> Option<(Vec<DataType>, DataType)> {
    let plain = |t: &DataType| if t.is_string() && *t != DataType::LargeUtf8 || t.is_null() { TEXT } else { t.clone() };
    (!types.is_empty()).then(|| (types.iter().map(plain).collect(), TEXT))
}

/// A value as concat prints it.
fn printed(array: &ArrayRef, row: usize) -> Result<Option<Cow<'_, str>>> {
    if array.is_null(row) {
        return Ok(None);
    }
    Ok(match array.data_type() {
        DataType::Utf8View => Some(array.as_string_view().value(row).into()),
        DataType::Boolean => Some(if array.as_boolean().value(row) { "t" } else { "f" }.into()),
        other => text_io::print(array.as_ref(), row, &PgType::of_arrow(other))?.map(Cow::from),
    })
}

/// All values that are not NULL in a row, with a separator between them; NULL if the separator is.
fn join(args: &[ArrayRef], separator: Option<&arrow::array::StringViewArray>) -> Result<ArrayRef> {
    let count = separator.map(|s| s.len()).or(args.first().map(|a| a.len())).unwrap_or(1);
    let mut room = Room::default();
    let mut rows = Vec::with_capacity(count);
    for row in 0..count {
        if separator.is_some_and(|s| s.is_null(row)) {
            rows.push(None);
            continue;
        }
        let parts = args.iter().filter_map(|a| printed(a, row).transpose()).collect::<Result<Vec<_>>>()?;
        let between = separator.map_or("", |s| s.value(row));
        room.take(parts.iter().map(|p| p.len()).sum::<usize>().saturating_add(between.len().saturating_mul(parts.len())))?;
        rows.push(Some(parts.join(between)));
    }
    Ok(text_array(rows))
}

/// `a || b ..`: NULL if one of them is.
fn append(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let room = std::cell::RefCell::new(Room::default());
    // As the operator casts to text and does not print as concat does, a boolean is spelled out.
    let spelled = |i: usize, row: usize| match args[i].data_type() {
        DataType::Boolean => Ok(Some(if args[i].as_boolean().value(row) { "true" } else { "false" }.into())),
        _ => printed(&args[i], row),
    };
    let rows = each(args, |row| {
        let parts = (0..args.len()).map(|i| Ok(spelled(i, row)?.unwrap_or_default())).collect::<Result<Vec<_>>>()?;
        room.borrow_mut().take(parts.iter().map(|part| part.len()).sum())?;
        Ok(parts.join(""))
    })?;
    Ok(text_array(rows))
}

fn fill_rule(types: &[DataType]) -> Option<(Vec<DataType>, DataType)> {
    let [value, lengths @ DataType::List(_)] = types else { return None };
    let value = if value.is_string() && *value != DataType::LargeUtf8 || value.is_null() { TEXT } else { value.clone() };
    let integers = DataType::new_list(INT, true);
    (!value.is_list() && lengths.is_list()).then(|| (vec![value.clone(), integers], DataType::new_list(value, true)))
}

/// `array_fill(value, ARRAY[n])`. Several dimensions are refused: there are none here.
fn fill(args: &[ArrayRef], output: &DataType) -> Result<ArrayRef> {
    let (values, lengths) = (&args[0], args[1].as_list::<i32>());
    let mut room = Room::default();
    let width = values.data_type().primitive_width().unwrap_or(16);
    let (mut counts, mut takes) = (Vec::new(), Vec::new());
    for row in 0..lengths.len() {
        let dimensions = lengths.is_valid(row).then(|| lengths.value(row));
        let count = match dimensions.as_ref().map(|d| d.as_primitive::<Int32Type>()) {
            None => return Err(Error::new("22004", "dimension array or low bound array cannot be null")),
            Some(d) if d.null_count() > 0 => return Err(Error::new("22004", "dimension values cannot be null")),
            Some(d) if d.len() > 1 => {
                return Err(Error::unsupported("arrays of several dimensions are not supported").hint("Give array_fill one length."));
            }
            Some(d) => d.values().first().copied().unwrap_or(0),
        };
        let count =
            usize::try_from(count).map_err(|_| Error::new(code::PROGRAM_LIMIT_EXCEEDED, "array size exceeds the maximum allowed"))?;
        room.take(count.saturating_mul(width))?;
        counts.push(count);
        takes.extend(std::iter::repeat_n(row as u32, count));
    }
    let items = arrow::compute::take(values, &UInt32Array::from(takes), None)?;
    let DataType::List(field) = output else { return Err(Error::internal("array_fill gives an array")) };
    let field = Arc::new(Field::new(field.name(), field.data_type().clone(), true));
    Ok(Arc::new(ListArray::try_new(field, OffsetBuffer::from_lengths(counts), items, None)?))
}
