//! Keys of two integer columns to dense numbers: a coding of [`KeyIndex`](super::KeyIndex), whose table holds the two integers themselves.

use arrow::array::{Array, ArrayRef};
use arrow::buffer::NullBuffer;
use arrow::datatypes::DataType;

use super::key_index::{Numbers, from_integers, integers, mix};
use super::number_table::{NumberTable, SlotKey, joined, marked};
use super::state::{StateReader, StateWriter, damaged};
use super::warm::TOGETHER;
use crate::error::{Error, Result};

/// Two values, and a bit for each that is NULL; such a value is 0.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Pair {
    values: [i64; 2],
    nulls: u32,
}

impl SlotKey for Pair {
    type Slot = [u32; 6];
    #[inline]
    fn hash(&self) -> u64 {
        mix(self.values[0] ^ mix(self.values[1].wrapping_add(i64::from(self.nulls) << 32)).rotate_left(32) as i64)
    }
    #[inline]
    fn marked(self, mark: u32) -> [u32; 6] {
        let [a, b, nulls] = marked(self.values[0] as u64, self.nulls);
        let [c, d, mark] = marked(self.values[1] as u64, mark);
        [a, b, c, d, nulls, mark]
    }
    #[inline]
    fn read([a, b, c, d, nulls, mark]: &[u32; 6]) -> (Self, u32) {
        (Pair { values: [joined(*a, *b) as i64, joined(*c, *d) as i64], nulls: *nulls }, *mark)
    }
}

/// Pairs with their numbers.
#[derive(Default)]
pub(super) struct Pairs {
    table: NumberTable<Pair>,
    by_number: Vec<Pair>,
}

fn pairs(columns: &[ArrayRef]) -> Result<Vec<Pair>> {
    let changed = || Error::internal("a key changed its type");
    let [first, second] = columns else { return Err(changed()) };
    let both = integers(first).zip(integers(second)).ok_or_else(changed)?;
    let mut pairs: Vec<Pair> = both.0.iter().zip(both.1.iter()).map(|(a, b)| Pair { values: [*a, *b], nulls: 0 }).collect();
    for (at, column) in columns.iter().enumerate() {
        let Some(nulls) = column.nulls().filter(|n| n.null_count() > 0) else { continue };
        for (pair, _) in pairs.iter_mut().zip(nulls).filter(|(_, valid)| !valid) {
            pair.values[at] = 0;
            pair.nulls |= 1 << at;
        }
    }
    Ok(pairs)
}

impl Pairs {
    /// The number of each row's key, new ones from `give`.
    pub fn intern(&mut self, columns: &[ArrayRef], numbers: &mut Vec<u32>, give: &mut Numbers<'_>) -> Result<()> {
        for together in pairs(columns)?.chunks(TOGETHER) {
            self.table.warm(together.iter().copied());
            for &pair in together {
                let add = || give.next_for(&mut self.by_number, pair);
                numbers.push(self.table.find_or_add(pair, |_| true, add));
            }
        }
        Ok(())
    }

    /// The number of each row's key, or [`NONE`](super::key_index::NONE).
    pub fn find(&self, columns: &[ArrayRef]) -> Result<Vec<u32>> {
        let pairs = pairs(columns)?;
        let mut numbers = Vec::with_capacity(pairs.len());
        for together in pairs.chunks(TOGETHER) {
            self.table.warm(together.iter().copied());
            numbers.extend(together.iter().map(|pair| self.table.find(pair, |_| true)));
        }
        Ok(numbers)
    }

    /// Removes a key.
    pub fn release(&mut self, number: u32) {
        self.table.remove(&self.by_number[number as usize], number);
    }

    /// The key columns of `numbers`.
    pub fn keys(&self, types: &[DataType], numbers: &[u32]) -> Result<Vec<ArrayRef>> {
        let column = |(at, data_type): (usize, &DataType)| {
            let pair = |n: &u32| self.by_number[*n as usize];
            let valid = |n: &u32| pair(n).nulls >> at & 1 == 0;
            let nulls = (!numbers.iter().all(valid)).then(|| numbers.iter().map(valid).collect::<NullBuffer>());
            from_integers(data_type, numbers.iter().map(|n| pair(n).values[at]).collect(), nulls)
        };
        types.iter().enumerate().map(column).collect()
    }

    /// Bytes of memory held.
    pub fn bytes(&self) -> usize {
        self.table.bytes() + self.by_number.capacity() * size_of::<Pair>()
    }

    /// Writes all keys by number.
    pub fn save(&self, out: &mut StateWriter<'_>) {
        for at in 0..2 {
            out.i64s(self.by_number.iter().map(|p| p.values[at]));
        }
        out.u32s(self.by_number.iter().map(|p| p.nulls));
    }

    /// Reads what `save` wrote; `live` are the numbers in use of `slots`.
    pub fn load(&mut self, input: &mut StateReader<'_>, slots: usize, live: impl Iterator<Item = u32>) -> Result<()> {
        let (first, second, nulls) = (input.i64s()?, input.i64s()?, input.u32s()?);
        if [first.len(), second.len(), nulls.len()] != [slots; 3] {
            return Err(damaged("key values"));
        }
        let values = first.into_iter().zip(second).zip(nulls);
        self.by_number = values.map(|((a, b), nulls)| Pair { values: [a, b], nulls }).collect();
        for number in live {
            self.table.add(self.by_number[number as usize], number);
        }
        Ok(())
    }
}
