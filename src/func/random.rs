//! Random numbers and bytes. What `random()` gives is xoroshiro128** (Blackman and Vigna, public domain) as PostgreSQL 15 uses it, so that `setseed()` is followed by
//! the same numbers as there.

use std::sync::Arc;

use arrow::array::{AsArray, BinaryArray};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::Result as DfResult;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

use crate::data::PgType;
use crate::error::{Error, Result, code};

/// The bits of a number between 0 and 1.
const BITS: u32 = 52;

/// A sequence of random numbers.
#[derive(Clone, Debug)]
pub struct Random([u64; 2]);

impl Random {
    /// The sequence that begins with these bits.
    pub fn of_bits(mut bits: u64) -> Self {
        let mut next = || {
            bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^ (mixed >> 31)
        };
        Random([next(), next()])
    }

    /// The sequence after `setseed(seed)`. Errors: 22023 for a number not between -1 and 1.
    pub fn seeded(seed: f64) -> Result<Self> {
        if !(-1.0..=1.0).contains(&seed) {
            let message = format!("setseed parameter {seed} is out of allowed range [-1,1]");
            return Err(Error::new(code::INVALID_PARAMETER_VALUE, message));
        }
        Ok(Random::of_bits((((1_u64 << BITS) - 1) as f64 * seed) as i64 as u64))
    }

    /// The next number, from 0 on and below 1.
    pub fn next_number(&mut self) -> f64 {
        let [first, second] = self.0;
        let bits = first.wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let mixed = first ^ second;
        self.0 = [first.rotate_left(24) ^ mixed ^ (mixed << 16), mixed.rotate_left(37)];
        (bits >> (u64::BITS - BITS)) as f64 / (1_u64 << BITS) as f64
    }
}

/// The most bytes that `gen_random_bytes` gives, as pgcrypto has it.
const BYTES_MAX: i64 = 1024;

/// `gen_random_bytes(count)` of the extension pgcrypto: bytes from the operating system, which nobody can guess.
pub fn random_bytes() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::new_from_impl(RandomBytes { signature: Signature::exact(vec![DataType::Int64], Volatility::Volatile) }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct RandomBytes {
    signature: Signature,
}

impl RandomBytes {
    /// Errors: 39000 for a count that is none.
    fn bytes(count: i64) -> Result<Vec<u8>> {
        if !(1..=BYTES_MAX).contains(&count) {
            return Err(Error::new("39000", "Length not in range").hint(format!("From 1 to {BYTES_MAX} bytes are given.")));
        }
        let mut bytes = vec![0; count as usize];
        getrandom::fill(&mut bytes).map_err(|e| Error::internal(e.to_string()))?;
        Ok(bytes)
    }
}

impl ScalarUDFImpl for RandomBytes {
    fn name(&self) -> &str {
        "gen_random_bytes"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> DfResult<DataType> {
        Ok(PgType::Bytea.arrow())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        let count = args.args.first().ok_or_else(|| Error::internal("gen_random_bytes has an argument"))?.to_array(args.number_rows)?;
        let rows = count.as_primitive::<Int64Type>().iter().map(|count| count.map(RandomBytes::bytes).transpose());
        Ok(ColumnarValue::Array(Arc::new(rows.collect::<Result<BinaryArray>>()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_followed_by_the_numbers_of_postgresql() {
        let first = |seed: f64| {
            let mut random = Random::seeded(seed).unwrap();
            [random.next_number(), random.next_number()]
        };
        assert_eq!(first(0.5), [0.985_167_717_534_799_9, 0.825_301_858_027_981]);
        assert_eq!(first(-1.0), [0.725_656_831_544_149, 0.213_424_316_059_815_93]);
        assert!(Random::seeded(1.5).is_err() && Random::seeded(f64::NAN).is_err());
    }
}
