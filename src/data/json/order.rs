//! The order of jsonb (manual, chapter 8.14.4) as that of bytes.
//!
//! Objects come after arrays, these after booleans, numbers, strings and null. Of two arrays the one with more items comes later, of two
//! objects the one with more members; then the first items that differ decide, or the first keys or values in the order in which they are
//! kept. Strings are in the order of their bytes. Against all this an empty array comes first of all, unless it stands within another value.

use std::cmp::Ordering;

use super::{Json, parse};
use crate::error::Result;

const EMPTY: u8 = 0;
const NULL: u8 = 1;
const STRING: u8 = 2;
const NUMBER: u8 = 3;
const FALSE: u8 = 4;
const TRUE: u8 = 5;
const ARRAY: u8 = 6;
const OBJECT: u8 = 7;

const BELOW_ZERO: u8 = 0;
const ZERO: u8 = 1;
const ABOVE_ZERO: u8 = 2;

/// Bytes that are ordered as jsonb values are, the same for equal ones, from the text of a value. Errors: those of [`parse`].
pub fn key(text: &str) -> Result<Vec<u8>> {
    let json = parse(text)?;
    let mut out = Vec::with_capacity(text.len() + 8);
    match &json {
        Json::Array(items) if items.is_empty() => out.push(EMPTY),
        json => put(json, &mut out),
    }
    Ok(out)
}

/// The order of two numbers as jsonb prints them.
pub fn compare_numbers(left: &str, right: &str) -> Ordering {
    let key = |number: &str| {
        let mut out = Vec::with_capacity(number.len() + 12);
        put_number(number, &mut out);
        out
    };
    if left == right { Ordering::Equal } else { key(left).cmp(&key(right)) }
}

/// `json` was read as jsonb, which leaves nothing as it is written.
fn put(json: &Json, out: &mut Vec<u8>) {
    match json {
        Json::Null | Json::Written(_) => out.push(NULL),
        Json::Bool(value) => out.push(if *value { TRUE } else { FALSE }),
        Json::String(text) => {
            out.push(STRING);
            put_text(text, out);
        }
        Json::Number(number) => {
            out.push(NUMBER);
            put_number(number, out);
        }
        Json::Array(items) => {
            out.push(ARRAY);
            put_count(items.len(), out);
            items.iter().for_each(|item| put(item, out));
        }
        Json::Object(members) => {
            out.push(OBJECT);
            put_count(members.len(), out);
            for (key, value) in members {
                put_text(key, out);
                put(value, out);
            }
        }
    }
}

fn put_count(count: usize, out: &mut Vec<u8>) {
    out.extend((count as u64).to_be_bytes());
}

/// Two zeros end it; one in it is followed by something else.
fn put_text(text: &str, out: &mut Vec<u8>) {
    for byte in text.bytes() {
        out.push(byte);
        if byte == 0 {
            out.push(1);
        }
    }
    out.extend([0, 0]);
}

/// A number as jsonb prints it: its sign, the place of its first digit before or behind the point, its digits. Below zero all is turned round.
fn put_number(number: &str, out: &mut Vec<u8>) {
    let (negative, unsigned) = number.strip_prefix('-').map_or((false, number), |rest| (true, rest));
    let (whole, decimals) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let all = || whole.bytes().chain(decimals.bytes());
    let leading = all().take_while(|digit| *digit == b'0').count();
    // Zeros at the end count for nothing.
    let significant = whole.len() + decimals.len() - all().rev().take_while(|digit| *digit == b'0').count();
    if significant == 0 {
        out.push(ZERO);
        return;
    }
    out.push(if negative { BELOW_ZERO } else { ABOVE_ZERO });
    let start = out.len();
    let place = whole.len() as i64 - leading as i64;
    out.extend((place ^ i64::MIN).to_be_bytes());
    // From 1 up, so that the end is below every digit.
    out.extend(all().take(significant).skip(leading).map(|digit| digit.wrapping_sub(b'0').saturating_add(1)));
    out.push(0);
    if negative {
        out[start..].iter_mut().for_each(|byte| *byte = !*byte);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Recorded from PostgreSQL 15 with the collation C.
    const SORTED: &[&str] = &[
        "[]",
        "null",
        "\"\"",
        "\"B\"",
        "\"a\"",
        "\"ab\"",
        "-10000000000",
        "-10",
        "-9.5",
        "-9",
        "-0.00001",
        "0",
        "0.00001",
        "0.1",
        "1",
        "1.5",
        "9",
        "10",
        "123456789012345678901234567890.5",
        "false",
        "true",
        "[null]",
        "[\"a\"]",
        "[1]",
        "[[]]",
        "[[1]]",
        "[{}]",
        "[1, 2]",
        "[[], 1]",
        "{}",
        "{\"a\": null}",
        "{\"a\": 1}",
        "{\"a\": 2}",
        "{\"a\": []}",
        "{\"aa\": 0}",
        "{\"b\": 0}",
        "{\"a\": 1, \"b\": 2}",
    ];

    #[test]
    fn keys_are_in_the_order_of_jsonb() {
        let keys: Vec<Vec<u8>> = SORTED.iter().map(|text| key(text).unwrap()).collect();
        for (i, pair) in keys.windows(2).enumerate() {
            assert!(pair[0] < pair[1], "{} is not below {}", SORTED[i], SORTED[i + 1]);
        }
    }

    #[test]
    fn equal_values_have_one_key() {
        for (one, other) in [("1", "1.00"), ("0", "-0.0"), ("[100]", "[1e2]"), (r#"{"a":1,"b":0.50}"#, r#"{"b":0.5, "a":1.0}"#)] {
            assert_eq!(key(one).unwrap(), key(other).unwrap(), "{one} and {other}");
        }
    }
}
