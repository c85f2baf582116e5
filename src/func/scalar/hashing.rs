//! hashtext and hashtextextended: the numbers that PostgreSQL hashes texts to, which clients take advisory locks by.
//!
//! The hash is Bob Jenkins' lookup3 (public domain) over the bytes of the text, three words at a time, with PostgreSQL's beginning.

use std::sync::Arc;

use arrow::array::{AsArray, Int32Array, Int64Array};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::logical_expr::ScalarUDF;

use super::define::{Function, TEXT, each, fixed, text};

/// What PostgreSQL's hash begins with, besides the length.
const START: u32 = 0x9e37_79b9_u32.wrapping_add(3_923_095);

pub fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![
        Function::udf(
            "hashtext",
            |t| fixed(t, &[TEXT], 0, DataType::Int32),
            |args, _| {
                let rows = each(args, |row| Ok(hash(text(args, 0).value(row).as_bytes(), 0)[2] as i32))?;
                Ok(Arc::new(rows.into_iter().collect::<Int32Array>()))
            },
        ),
        Function::udf(
            "hashtextextended",
            |t| fixed(t, &[TEXT, DataType::Int64], 0, DataType::Int64),
            |args, _| {
                let seeds = args[1].as_primitive::<Int64Type>();
                let rows = each(args, |row| Ok(hash_extended(text(args, 0).value(row).as_bytes(), seeds.value(row) as u64) as i64))?;
                Ok(Arc::new(rows.into_iter().collect::<Int64Array>()))
            },
        ),
    ]
}

/// The hash of 64 bits.
pub(super) fn hash_extended(bytes: &[u8], seed: u64) -> u64 {
    let [_, high, low] = hash(bytes, seed);
    (u64::from(high) << 32) | u64::from(low)
}

/// The three words of the state behind the last byte.
fn hash(bytes: &[u8], seed: u64) -> [u32; 3] {
    let mut state = [START.wrapping_add(bytes.len() as u32); 3];
    if seed != 0 {
        add(&mut state, [(seed >> 32) as u32, seed as u32, 0]);
        mix(&mut state);
    }
    let whole = bytes.chunks_exact(12);
    // The lowest byte of the last word is not used: the length stands for it.
    let mut rest = [0; 12];
    for (i, byte) in whole.remainder().iter().enumerate() {
        rest[if i < 8 { i } else { i + 1 }] = *byte;
    }
    for chunk in whole {
        add(&mut state, words(chunk));
        mix(&mut state);
    }
    add(&mut state, words(&rest));
    finish(&mut state);
    state
}

fn words(bytes: &[u8]) -> [u32; 3] {
    let word = |i: usize| (0..4).rev().fold(0u32, |word, j| (word << 8) | u32::from(bytes[4 * i + j]));
    [word(0), word(1), word(2)]
}

fn add(state: &mut [u32; 3], words: [u32; 3]) {
    for (own, word) in state.iter_mut().zip(words) {
        *own = own.wrapping_add(word);
    }
}

/// Stirs the state so that it could be undone.
fn mix(state: &mut [u32; 3]) {
    let [mut a, mut b, mut c] = *state;
    for turn in [4, 6, 8, 16, 19, 4] {
        a = a.wrapping_sub(c) ^ c.rotate_left(turn);
        c = c.wrapping_add(b);
        [a, b, c] = [b, c, a];
    }
    *state = [a, b, c];
}

/// Spreads what is in the first word over the others, for the last time.
fn finish(state: &mut [u32; 3]) {
    let [mut a, mut b, mut c] = *state;
    for turn in [14, 11, 25, 16, 4, 14, 24] {
        c = (c ^ b).wrapping_sub(b.rotate_left(turn));
        [a, b, c] = [b, c, a];
    }
    // Seven turns have moved the words by one.
    *state = [c, a, b];
}
