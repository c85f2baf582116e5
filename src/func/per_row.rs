//! lag, lead, nth_value and ntile with arguments that differ from row to row, where DataFusion's take constants alone.
//!
//! PostgreSQL computes a distance, a default and a number for the row at hand, and the number of buckets for the first row of a partition
//! for which it is not NULL. A row for which lag, lead or nth_value has no number is given NULL, whatever its default.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int32Array, Int64Array, new_null_array};
use arrow::compute::interleave;
use arrow::datatypes::{DataType, Field, FieldRef, Int64Type};
use datafusion::common::{Result as DfResult, ScalarValue, internal_err};
use datafusion::logical_expr::function::{PartitionEvaluatorArgs, WindowUDFFieldArgs};
use datafusion::logical_expr::{PartitionEvaluator, Signature, Volatility, WindowFunctionDefinition, WindowUDF, WindowUDFImpl};

use super::arith::rules::common_numeric;
use super::scalar::define::{TEXT, no_function};
use crate::error::{Error, Result, code};

/// Which function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Lag,
    Lead,
    NthValue,
    Ntile,
}

impl Kind {
    const ALL: [Kind; 4] = [Kind::Lag, Kind::Lead, Kind::NthValue, Kind::Ntile];

    fn name(self) -> &'static str {
        match self {
            Kind::Lag => "lag",
            Kind::Lead => "lead",
            Kind::NthValue => "nth_value",
            Kind::Ntile => "ntile",
        }
    }
}

/// The function of this name; `None` if it has no arguments that DataFusion asks to be constants.
pub(super) fn function(name: &str) -> Option<WindowFunctionDefinition> {
    let kind = Kind::ALL.into_iter().find(|kind| kind.name() == name)?;
    let function = PerRow { kind, signature: Signature::user_defined(Volatility::Immutable) };
    Some(WindowFunctionDefinition::WindowUDF(Arc::new(WindowUDF::new_from_impl(function))))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct PerRow {
    kind: Kind,
    signature: Signature,
}

impl WindowUDFImpl for PerRow {
    fn name(&self) -> &str {
        self.kind.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> DfResult<Vec<DataType>> {
        let is_count = |ty: &DataType| ty.is_integer() || ty.is_null();
        let coerced = match (self.kind, types) {
            (Kind::Ntile, [count]) if is_count(count) => Some(vec![DataType::Int64]),
            (Kind::Lag | Kind::Lead | Kind::NthValue, [value, count]) if is_count(count) => Some(vec![value.clone(), DataType::Int64]),
            (Kind::Lag | Kind::Lead, [value, count, default]) if is_count(count) => {
                common(value, default).map(|ty| vec![ty.clone(), DataType::Int64, ty])
            }
            _ => None,
        };
        coerced.ok_or_else(|| no_function(self.name(), types).into())
    }

    fn field(&self, args: WindowUDFFieldArgs) -> DfResult<FieldRef> {
        let fields = args.input_fields();
        let value = match (self.kind, fields) {
            (Kind::Ntile, _) => return Ok(Arc::new(Field::new(args.name(), DataType::Int32, true))),
            // A value that is always NULL is of its default's type.
            (_, [value, _, default]) if value.data_type().is_null() => default,
            (_, [value, ..]) => value,
            (_, []) => return internal_err!("{} without an argument", self.name()),
        };
        Ok(Arc::new(value.as_ref().clone().with_name(args.name()).with_nullable(true)))
    }

    /// Errors: 0A000 for IGNORE NULLS.
    fn partition_evaluator(&self, args: PartitionEvaluatorArgs) -> DfResult<Box<dyn PartitionEvaluator>> {
        if args.ignore_nulls() {
            let message = format!("IGNORE NULLS is not supported for {} with an argument that differs from row to row", self.name());
            return Err(Error::unsupported(message).hint("Write a constant.").into());
        }
        Ok(Box::new(Evaluator { kind: self.kind, row: 0 }))
    }
}

/// The type of a value and its default.
fn common(value: &DataType, default: &DataType) -> Option<DataType> {
    match (value, default) {
        (value, default) if value == default || default.is_null() => Some(value.clone()),
        (value, default) if value.is_null() => Some(default.clone()),
        (value, default) if value.is_string() && default.is_string() => Some(TEXT),
        (value, default) if value.is_numeric() && default.is_numeric() => common_numeric(value, default),
        _ => None,
    }
}

/// Evaluates the rows of one partition.
#[derive(Debug)]
struct Evaluator {
    kind: Kind,
    /// The row that nth_value is asked for next.
    row: usize,
}

impl PartitionEvaluator for Evaluator {
    fn evaluate_all(&mut self, values: &[ArrayRef], rows: usize) -> DfResult<ArrayRef> {
        match (self.kind, values) {
            (Kind::Lag, [value, by, default @ ..]) => shifted(value, by, default.first(), |row, by| row.checked_sub(by)),
            (Kind::Lead, [value, by, default @ ..]) => shifted(value, by, default.first(), |row, by| row.checked_add(by)),
            (Kind::Ntile, [counts]) => Ok(Arc::new(Int32Array::from(buckets(counts.as_primitive::<Int64Type>(), rows)?))),
            _ => internal_err!("{} is given {} columns", self.kind.name(), values.len()),
        }
    }

    /// It is asked once for each row, in their order.
    fn evaluate(&mut self, values: &[ArrayRef], frame: &Range<usize>) -> DfResult<ScalarValue> {
        let [value, numbers, ..] = values else { return internal_err!("nth_value has a value and a number") };
        let numbers = numbers.as_primitive::<Int64Type>();
        let row = self.row;
        self.row += 1;
        let number = if numbers.is_null(row) { None } else { Some(numbers.value(row)) };
        if number.is_some_and(|n| n <= 0) {
            let message = "argument of nth_value must be greater than zero";
            return Err(Error::new(code::INVALID_ARGUMENT_FOR_NTH_VALUE_FUNCTION, message).into());
        }
        let at = number.and_then(|n| usize::try_from(n - 1).ok()).and_then(|n| frame.start.checked_add(n));
        match at.filter(|at| *at < frame.end) {
            Some(at) => ScalarValue::try_from_array(value, at),
            None => ScalarValue::try_from(value.data_type()),
        }
    }

    fn uses_window_frame(&self) -> bool {
        self.kind == Kind::NthValue
    }
}

/// The value so many rows away from each row, as `at` counts them; where there is no such row, the row's own default.
fn shifted(value: &ArrayRef, by: &ArrayRef, default: Option<&ArrayRef>, at: fn(i64, i64) -> Option<i64>) -> DfResult<ArrayRef> {
    let (rows, by) = (value.len(), by.as_primitive::<Int64Type>());
    let null = new_null_array(value.data_type(), 1);
    // The arrays that values are taken from: the column, NULL, and the defaults.
    let place = |row: usize| {
        if by.is_null(row) {
            return (1, 0);
        }
        let found = at(row as i64, by.value(row)).and_then(|at| usize::try_from(at).ok()).filter(|at| *at < rows);
        match (found, default) {
            (Some(at), _) => (0, at),
            (None, Some(_)) => (2, row),
            (None, None) => (1, 0),
        }
    };
    let places: Vec<(usize, usize)> = (0..rows).map(place).collect();
    let sources: Vec<&dyn Array> = [Some(value), Some(&null), default].into_iter().flatten().map(|array| array.as_ref()).collect();
    Ok(interleave(&sources, &places)?)
}

/// The bucket of each row. Rows before the first with a count have none. Errors: 22014.
fn buckets(counts: &Int64Array, rows: usize) -> Result<Vec<Option<i32>>> {
    let first = (0..rows).find(|row| counts.is_valid(*row)).unwrap_or(rows);
    let mut buckets = vec![None; first];
    if first == rows {
        return Ok(buckets);
    }
    let count = counts.value(first);
    if count <= 0 {
        return Err(Error::new(code::INVALID_ARGUMENT_FOR_NTILE_FUNCTION, "argument of ntile must be greater than zero"));
    }
    let (rows, first) = (rows as i64, first as i64);
    // So many of the first buckets have one row more than the others.
    let (size, larger) = (rows / count, rows % count);
    let in_larger = larger * (size + 1);
    let bucket = |at: i64| if at < in_larger { at / (size + 1) } else { larger + (at - in_larger) / size.max(1) };
    // There are no more buckets than rows, of which no partition has as many as an integer counts.
    buckets.extend((0..rows - first).map(|at| i32::try_from(bucket(at) + 1).ok()));
    Ok(buckets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_differ_by_one_row_at_most() {
        let of = |counts: Vec<Option<i64>>| {
            let rows = counts.len();
            buckets(&Int64Array::from(counts), rows)
        };
        let numbers = |numbers: &[i32]| numbers.iter().map(|n| Some(*n)).collect::<Vec<_>>();
        assert_eq!(of(vec![Some(3); 7]).unwrap(), numbers(&[1, 1, 1, 2, 2, 3, 3]));
        assert_eq!(of(vec![Some(9); 3]).unwrap(), numbers(&[1, 2, 3]));
        assert_eq!(of(vec![None, Some(2), Some(0), None]).unwrap(), [vec![None], numbers(&[1, 1, 2])].concat());
        assert_eq!(of(vec![None; 2]).unwrap(), [None, None]);
        assert!(of(vec![Some(0)]).is_err());
    }
}
