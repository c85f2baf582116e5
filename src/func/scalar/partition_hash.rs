//! `hash_partition(modulus, remainder, key, ..)`: true for a row that is of that partition by the hash of its key, see
//! `Bound::Hash` of the catalog.
//!
//! Hashes are PostgreSQL's, so that a dump which fills its partitions one by one finds each row in its place.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int32Type, Int64Type};
use datafusion::logical_expr::ScalarUDF;

use super::define::{Function, TEXT};
use super::hashing::hash_extended;
use crate::data::PgType;
use crate::error::{Error, Result};

/// The seed of all hashes of partition keys.
const SEED: u64 = 0x7A5B_2236_7996_DCFD;
/// Days and microseconds from 1970, from which Arrow counts, to 2000, from which PostgreSQL does.
const EPOCH_DAYS: i32 = 10_957;
const EPOCH_MICROS: i64 = 946_684_800_000_000;

/// True for a type whose values have PostgreSQL's hash here.
pub fn is_hashed(ty: &PgType) -> bool {
    use PgType::*;
    matches!(ty.base(), Bool | Int2 | Int4 | Int8 | Text | Varchar(_) | Date | Timestamp | Timestamptz | Uuid)
}

pub fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![Function::udf("hash_partition", types, |args, _| {
        let (modulus, remainder) = (args[0].as_primitive::<Int64Type>(), args[1].as_primitive::<Int64Type>());
        let mut hashes = vec![0_u64; modulus.len()];
        for key in &args[2..] {
            for (all, own) in hashes.iter_mut().zip(hashes_of(key)?) {
                // What is NULL counts for nothing.
                *all = own.map_or(*all, |own| combined(*all, own));
            }
        }
        let of = |(row, hash): (usize, &u64)| Some(hash.checked_rem(modulus.value(row) as u64)? == remainder.value(row) as u64);
        Ok(Arc::new(hashes.iter().enumerate().map(of).collect::<BooleanArray>()))
    })]
}

fn types(given: &[DataType]) -> Option<(Vec<DataType>, DataType)> {
    let own = |ty: &DataType| match ty {
        DataType::Utf8 | DataType::LargeUtf8 => TEXT,
        other => other.clone(),
    };
    let keys = given.get(2..).filter(|keys| !keys.is_empty())?.iter().map(own);
    Some(([DataType::Int64, DataType::Int64].into_iter().chain(keys).collect(), DataType::Boolean))
}

fn combined(all: u64, own: u64) -> u64 {
    let stirred = own.wrapping_add(0x49A0_F4DD_15E5_A8E3).wrapping_add(all << 54).wrapping_add(all >> 7);
    all ^ stirred
}

fn hashes_of(values: &ArrayRef) -> Result<Vec<Option<u64>>> {
    let small = |shift: i32| -> Result<Vec<Option<u64>>> {
        let values = cast(values, &DataType::Int32)?;
        let values = values.as_primitive::<Int32Type>();
        Ok(values.iter().map(|v| v.map(|v| hash_extended(&v.wrapping_sub(shift).to_le_bytes(), SEED))).collect())
    };
    let large = |shift: i64| -> Result<Vec<Option<u64>>> {
        let values = cast(values, &DataType::Int64)?;
        let values = values.as_primitive::<Int64Type>();
        Ok(values.iter().map(|v| v.map(|v| hash_of_large(v.wrapping_sub(shift)))).collect())
    };
    match values.data_type() {
        DataType::Boolean | DataType::Int16 | DataType::Int32 => small(0),
        DataType::Date32 => small(EPOCH_DAYS),
        DataType::Int64 => large(0),
        DataType::Timestamp(..) => large(EPOCH_MICROS),
        DataType::Utf8View => Ok(values.as_string_view().iter().map(|v| v.map(|v| hash_extended(v.as_bytes(), SEED))).collect()),
        DataType::FixedSizeBinary(_) => Ok(values.as_fixed_size_binary().iter().map(|v| v.map(|v| hash_extended(v, SEED))).collect()),
        other => Err(Error::internal(format!("no hash of {other}"))),
    }
}

/// That of a number of 64 bits: the same as that of the number of 32 bits, where it is one.
fn hash_of_large(value: i64) -> u64 {
    let (low, high) = (value as u32, (value >> 32) as u32);
    hash_extended(&(low ^ if value >= 0 { high } else { !high }).to_le_bytes(), SEED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_postgres() {
        assert_eq!(hash_extended(&42_i32.to_le_bytes(), SEED) as i64, 7_363_975_540_656_877_951);
        assert_eq!(hash_of_large(-5_000_000_000) as i64, -4_482_100_988_868_492_312);
        let rows: ArrayRef = Arc::new(arrow::array::Int32Array::from_iter_values(0..8));
        let remainders = hashes_of(&rows).unwrap().into_iter().map(|hash| combined(0, hash.unwrap()) % 4);
        assert_eq!(remainders.collect::<Vec<_>>(), [0, 0, 2, 1, 3, 1, 3, 3]);
    }
}
