//! What functions tell of a value by its type (manual, chapter 9.27.7): `pg_column_size(x)`, the bytes that PostgreSQL takes for a value that
//! is not stored, and `pg_collation_for(x)`.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int32Array, StringViewArray};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result as DfResult, ScalarValue};
use datafusion::logical_expr::{ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

use super::rewrite::literal;
use super::scalar::define::text_array;
use crate::data::PgType;
use crate::error::{Error, Result, code};
use crate::func::cast::cast_array;

/// The bytes that say how long a value is.
const LENGTH_BYTES: i32 = 4;
/// The bytes before the items of an array of one dimension.
const ARRAY_BYTES: i32 = 24;
/// The bytes of an array without items.
const EMPTY_ARRAY_BYTES: i32 = 16;

/// The functions.
pub fn functions() -> [Arc<ScalarUDF>; 2] {
    let udf = |name, told| {
        let told = ToldByType { name, told, signature: Signature::any(1, Volatility::Immutable) };
        Arc::new(ScalarUDF::new_from_impl(told))
    };
    [udf("pg_column_size", Told::Size), udf("pg_collation_for", Told::Collation)]
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Told {
    Size,
    Collation,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ToldByType {
    name: &'static str,
    told: Told,
    signature: Signature,
}

impl ScalarUDFImpl for ToldByType {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> DfResult<DataType> {
        Ok(match self.told {
            Told::Size => DataType::Int32,
            Told::Collation => PgType::Text.arrow(),
        })
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> DfResult<FieldRef> {
        // A whole number is bigint until the plan is whole.
        let written = args.scalar_arguments.first().copied().flatten().and_then(literal).map(|value| PgType::of_arrow(&value.data_type()));
        let ty = written.or_else(|| args.arg_fields.first().map(|field| PgType::of(field))).unwrap_or(PgType::Unknown);
        match self.told {
            Told::Size if !has_size(&ty) => Err(Error::unsupported(format!("pg_column_size() of {ty} is not supported"))
                .hint("octet_length(x::text) tells the bytes of a value's text.")
                .into()),
            Told::Collation if !has_collation(&ty) => {
                Err(Error::new(code::DATATYPE_MISMATCH, format!("collations are not supported by type {ty}")).into())
            }
            _ => Ok(Arc::new(Field::new(self.name, self.return_type(&[])?, true))),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        let ty = args.arg_fields.first().map_or(PgType::Unknown, |field| PgType::of(field));
        let values = args.args.first().ok_or_else(|| Error::internal("a value is given"))?;
        if self.told == Told::Collation {
            let collation = if ty == PgType::Name { "\"C\"" } else { "\"default\"" };
            return Ok(ColumnarValue::Scalar(ScalarValue::Utf8View(Some(collation.to_string()))));
        }
        let is_one = matches!(values, ColumnarValue::Scalar(_));
        let sizes: ArrayRef = Arc::new(sizes(&values.to_array(if is_one { 1 } else { args.number_rows })?, &ty)?);
        Ok(if is_one { ColumnarValue::Scalar(ScalarValue::try_from_array(&sizes, 0)?) } else { ColumnarValue::Array(sizes) })
    }
}

fn has_collation(ty: &PgType) -> bool {
    matches!(ty, PgType::Text | PgType::Varchar(_) | PgType::Bpchar(_) | PgType::Name | PgType::Unknown)
}

/// True for types whose values take as much as is said here.
fn has_size(ty: &PgType) -> bool {
    match ty {
        PgType::Array(item) => item.typlen() > 0 && !matches!(**item, PgType::Name),
        PgType::Jsonb | PgType::Record | PgType::Void | PgType::Int2Vector | PgType::OidVector | PgType::Opaque(_) => false,
        _ => true,
    }
}

fn sizes(values: &ArrayRef, ty: &PgType) -> Result<Int32Array> {
    let lengths = |bytes: Vec<Option<usize>>| {
        let size = |length: usize| i32::try_from(length).unwrap_or(i32::MAX).saturating_add(LENGTH_BYTES);
        bytes.into_iter().map(|length| length.map(size)).collect()
    };
    if values.data_type().is_null() {
        return Ok(Int32Array::new_null(values.len()));
    }
    Ok(match ty {
        PgType::Array(item) => {
            let size = |items: ArrayRef| match items.len() {
                0 => EMPTY_ARRAY_BYTES,
                // A map of bits says which are there.
                count if items.null_count() > 0 => {
                    let there = (count - items.null_count()) as i32 * i32::from(item.typlen());
                    (ARRAY_BYTES + (count as i32 + 7) / 8 + 7) / 8 * 8 + there
                }
                count => ARRAY_BYTES + count as i32 * i32::from(item.typlen()),
            };
            values.as_list::<i32>().iter().map(|items| items.map(size)).collect()
        }
        PgType::Bytea => lengths(values.as_binary::<i32>().iter().map(|bytes| bytes.map(<[u8]>::len)).collect()),
        PgType::Unknown => lengths(texts(values, ty)?.iter().map(|text| text.map(str::len)).collect()),
        ty if ty.is_numeric() => texts(values, ty)?.iter().map(|text| text.map(numeric)).collect(),
        ty if ty.typlen() > 0 => (0..values.len()).map(|row| values.is_valid(row).then(|| i32::from(ty.typlen()))).collect(),
        PgType::Bpchar(n) => {
            let padded = |text: &str| text.len() + (*n as usize).saturating_sub(text.chars().count());
            lengths(texts(values, ty)?.iter().map(|text| text.map(padded)).collect())
        }
        ty => lengths(texts(values, ty)?.iter().map(|text| text.map(str::len)).collect()),
    })
}

fn texts(values: &ArrayRef, ty: &PgType) -> Result<StringViewArray> {
    let texts = cast_array(values, ty, &PgType::Text)?;
    Ok(texts.as_string_view_opt().cloned().unwrap_or_else(|| text_array(vec![None; texts.len()]).as_string_view().clone()))
}

/// Of a numeric: two bytes for sign, weight and scale, and two for each four digits that are not 0 at an end.
fn numeric(text: &str) -> i32 {
    let digits = text.trim_start_matches(['-', '+']);
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
    let mut groups: Vec<bool> = Vec::new();
    let not_zero = |group: &[u8]| group.iter().any(|digit| *digit != b'0');
    groups.extend(whole.as_bytes().rchunks(4).rev().map(not_zero));
    groups.extend(decimals.as_bytes().chunks(4).map(not_zero));
    let first = groups.iter().position(|is_there| *is_there);
    let last = groups.iter().rposition(|is_there| *is_there);
    let count = first.zip(last).map_or(0, |(first, last)| last - first + 1);
    LENGTH_BYTES + 2 + 2 * count as i32
}

#[cfg(test)]
mod tests {
    use super::numeric;

    #[test]
    fn numerics_take_what_their_digits_do() {
        let of = |texts: &[&str]| texts.iter().map(|text| numeric(text)).collect::<Vec<_>>();
        assert_eq!(of(&["0", "1.5", "-1.5", "100000.25", "10000", "0.0001", "12345678"]), [6, 10, 10, 12, 8, 8, 10]);
    }
}
