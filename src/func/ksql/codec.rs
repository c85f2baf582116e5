//! Values as bytes: a codec that keeps everything, for checkpoints, and keys, which are equal as bytes exactly if they are equal as
//! values.
//!
//! Both describe themselves, so no schema is needed to read or compare them. Keys keep the natural order of numbers and text, because
//! the order in which windows of one time are emitted is the order of their keys.

use std::sync::Arc;

use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::BigInt;

use super::value::{Row, Struct, Value};
use crate::error::{Error, Result, code};

/// Composite values nested more deeply than this cannot have been written by us.
const DEPTH_MAX: usize = 500;

fn damaged(what: &str) -> Error {
    Error::new(code::DATA_CORRUPTED, format!("a saved value is damaged: {what}"))
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    out.extend_from_slice(bytes);
}

/// Appends a value.
pub fn encode(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(0),
        Value::Boolean(false) => out.push(1),
        Value::Boolean(true) => out.push(2),
        Value::Int(n) => tagged(out, 3, &n.to_le_bytes()),
        Value::Bigint(n) => tagged(out, 4, &n.to_le_bytes()),
        Value::Double(x) => tagged(out, 5, &x.to_bits().to_le_bytes()),
        Value::Decimal(d) => {
            let (digits, scale) = d.as_bigint_and_exponent();
            tagged(out, 6, &scale.to_le_bytes());
            put_bytes(out, &digits.to_signed_bytes_le());
        }
        Value::String(s) => {
            out.push(7);
            put_bytes(out, s.as_bytes());
        }
        Value::Bytes(b) => {
            out.push(8);
            put_bytes(out, b);
        }
        Value::Date(n) => tagged(out, 9, &n.to_le_bytes()),
        Value::Time(n) => tagged(out, 10, &n.to_le_bytes()),
        Value::Timestamp(n) => tagged(out, 11, &n.to_le_bytes()),
        Value::Array(items) => {
            tagged(out, 12, &(items.len() as u64).to_le_bytes());
            items.iter().for_each(|item| encode(item, out));
        }
        Value::Map(entries) => {
            tagged(out, 13, &(entries.len() as u64).to_le_bytes());
            for (key, value) in entries.iter() {
                encode(key, out);
                encode(value, out);
            }
        }
        Value::Struct(fields) => {
            tagged(out, 14, &(fields.values.len() as u64).to_le_bytes());
            for (name, value) in fields.names.iter().zip(&fields.values) {
                put_bytes(out, name.as_bytes());
                encode(value, out);
            }
        }
    }
}

fn tagged(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    out.push(tag);
    out.extend_from_slice(bytes);
}

/// Reads values, one after the other.
struct Decoder<'a>(&'a [u8]);

impl<'a> Decoder<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(length).ok_or_else(|| damaged("a value ends early"))?;
        self.0 = rest;
        Ok(head)
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut value = [0; N];
        value.copy_from_slice(self.take(N)?);
        Ok(value)
    }

    fn i32(&mut self) -> Result<i32> {
        Ok(i32::from_le_bytes(self.fixed()?))
    }

    fn i64(&mut self) -> Result<i64> {
        Ok(i64::from_le_bytes(self.fixed()?))
    }

    /// A count of things that take at least one byte each.
    fn count(&mut self) -> Result<usize> {
        let count = usize::try_from(u64::from_le_bytes(self.fixed()?)).map_err(|_| damaged("a count is too large"))?;
        if count > self.0.len() { Err(damaged("a count is too large")) } else { Ok(count) }
    }

    fn bytes(&mut self) -> Result<&'a [u8]> {
        let length = self.count()?;
        self.take(length)
    }

    fn text(&mut self) -> Result<Arc<str>> {
        Ok(Arc::from(std::str::from_utf8(self.bytes()?).map_err(|_| damaged("text is not UTF-8"))?))
    }

    fn value(&mut self, depth: usize) -> Result<Value> {
        if depth > DEPTH_MAX {
            return Err(damaged("a value is nested too deeply"));
        }
        Ok(match self.fixed::<1>()?[0] {
            0 => Value::Null,
            1 => Value::Boolean(false),
            2 => Value::Boolean(true),
            3 => Value::Int(self.i32()?),
            4 => Value::Bigint(self.i64()?),
            5 => Value::Double(f64::from_bits(u64::from_le_bytes(self.fixed()?))),
            6 => {
                let scale = self.i64()?;
                Value::Decimal(BigDecimal::new(BigInt::from_signed_bytes_le(self.bytes()?), scale))
            }
            7 => Value::String(self.text()?),
            8 => Value::Bytes(Arc::from(self.bytes()?)),
            9 => Value::Date(self.i32()?),
            10 => Value::Time(self.i32()?),
            11 => Value::Timestamp(self.i64()?),
            12 => {
                let count = self.count()?;
                Value::array((0..count).map(|_| self.value(depth + 1)).collect::<Result<_>>()?)
            }
            13 => {
                let count = self.count()?;
                let entries = (0..count).map(|_| Ok((self.value(depth + 1)?, self.value(depth + 1)?)));
                Value::Map(Arc::new(entries.collect::<Result<_>>()?))
            }
            14 => {
                let count = self.count()?;
                let (mut names, mut values) = (Vec::with_capacity(count), Vec::with_capacity(count));
                for _ in 0..count {
                    names.push(self.text()?);
                    values.push(self.value(depth + 1)?);
                }
                Value::Struct(Arc::new(Struct { names: names.into(), values }))
            }
            _ => return Err(damaged("a value of an unknown kind")),
        })
    }
}

/// The bytes of a row.
pub fn encode_row(row: &[Value]) -> Vec<u8> {
    let mut out = Vec::new();
    row.iter().for_each(|value| encode(value, &mut out));
    out
}

/// The row that [`encode_row`] wrote. Errors: XX001 for damaged bytes.
pub fn decode_row(bytes: &[u8]) -> Result<Row> {
    let mut decoder = Decoder(bytes);
    let mut row = Vec::new();
    while !decoder.0.is_empty() {
        row.push(decoder.value(0)?);
    }
    Ok(row.into())
}

/// A key as bytes.
pub type KeyBytes = Arc<[u8]>;

/// The bytes of a key: equal for equal values (1.0 and 1.00, -0.0 and 0.0, maps whatever their order), and in the values' order.
pub fn key_bytes(values: &[Value]) -> KeyBytes {
    let mut out = Vec::with_capacity(values.len() * 9);
    values.iter().for_each(|value| put_key(value, &mut out));
    out.into()
}

/// Sequences end in a zero byte, which is less than any tag.
fn put_key(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(1),
        Value::Boolean(b) => tagged(out, 2, &[u8::from(*b)]),
        Value::Int(n) => put_number(out, 3, i64::from(*n)),
        Value::Bigint(n) => put_number(out, 3, *n),
        Value::Double(x) => {
            let bits = if x.is_nan() { f64::NAN } else { x + 0.0 }.to_bits();
            let ordered = if bits >> 63 == 1 { !bits } else { bits | 1 << 63 };
            tagged(out, 4, &ordered.to_be_bytes());
        }
        Value::Decimal(d) => {
            out.push(5);
            put_text(out, d.normalized().to_string().as_bytes());
        }
        Value::String(s) => {
            out.push(6);
            put_text(out, s.as_bytes());
        }
        Value::Bytes(b) => {
            out.push(7);
            put_text(out, b);
        }
        Value::Date(n) => put_number(out, 8, i64::from(*n)),
        Value::Time(n) => put_number(out, 9, i64::from(*n)),
        Value::Timestamp(n) => put_number(out, 10, *n),
        Value::Array(items) => {
            out.push(11);
            items.iter().for_each(|item| put_key(item, out));
            out.push(0);
        }
        Value::Map(entries) => {
            out.push(12);
            let mut parts: Vec<Vec<u8>> = Vec::with_capacity(entries.len());
            for (key, value) in entries.iter() {
                let mut part = Vec::new();
                put_key(key, &mut part);
                put_key(value, &mut part);
                parts.push(part);
            }
            parts.sort();
            parts.iter().for_each(|part| out.extend_from_slice(part));
            out.push(0);
        }
        Value::Struct(fields) => {
            out.push(13);
            fields.values.iter().for_each(|item| put_key(item, out));
            out.push(0);
        }
    }
}

fn put_number(out: &mut Vec<u8>, tag: u8, n: i64) {
    tagged(out, tag, &((n as u64) ^ (1 << 63)).to_be_bytes());
}

fn put_text(out: &mut Vec<u8>, bytes: &[u8]) {
    for &byte in bytes {
        out.push(byte);
        if byte == 0 {
            out.push(0xFF);
        }
    }
    out.extend_from_slice(&[0, 0]);
}

/// Bytes of memory of a row, about.
pub fn row_bytes(row: &[Value]) -> usize {
    row.iter().map(Value::bytes).sum::<usize>() + 16
}

/// Bytes of memory of an aggregate's state, about: large collections by their length, so that it is cheap to ask after each record.
pub fn shallow_bytes(value: &Value) -> usize {
    const EACH: usize = 2 * size_of::<Value>();
    match value {
        Value::Array(items) => (items.len() + 1) * EACH,
        Value::Map(entries) => (entries.len() + 1) * 2 * EACH,
        Value::Struct(fields) => fields.values.iter().map(shallow_bytes).sum::<usize>() + EACH,
        other => other.bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Value {
        Value::Decimal(text.parse().unwrap())
    }

    fn samples() -> Vec<Value> {
        let names: Arc<[Arc<str>]> = vec![Arc::from("A"), Arc::from("b")].into();
        vec![
            Value::Null,
            Value::Boolean(true),
            Value::Int(-7),
            Value::Bigint(i64::MIN),
            Value::Double(-0.0),
            decimal("-12.3400"),
            Value::text("h\0é"),
            Value::Bytes(Arc::from(&[0u8, 255][..])),
            Value::Date(1),
            Value::Time(2),
            Value::Timestamp(-3),
            Value::array(vec![Value::Int(1), Value::Null]),
            Value::map([(Value::text("k"), Value::array(vec![])), (Value::text("a"), Value::Null)]),
            Value::Struct(Arc::new(Struct { names, values: vec![Value::Int(1), Value::text("x")] })),
        ]
    }

    #[test]
    fn what_is_written_is_read() {
        let row = decode_row(&encode_row(&samples())).unwrap();
        assert_eq!(format!("{:?}", row.to_vec()), format!("{:?}", samples()));
    }

    #[test]
    fn damaged_bytes_are_errors() {
        let good = encode_row(&samples());
        for i in 0..good.len() {
            let mut bad = good.clone();
            bad[i] ^= 0xC1;
            let _ = decode_row(&bad);
            let _ = decode_row(&good[..i]);
        }
        assert!(decode_row(&[200]).is_err());
        assert!(decode_row(&vec![12u8; 9_000]).is_err());
    }

    #[test]
    fn keys_are_equal_as_values_are_and_ordered_as_they_are() {
        let same = [(decimal("1.0"), decimal("1.00")), (Value::Double(0.0), Value::Double(-0.0)), (Value::Int(5), Value::Bigint(5))];
        for (a, b) in same {
            assert_eq!(key_bytes(&[a]), key_bytes(&[b]));
        }
        let (a, b) = ((Value::text("a"), Value::Int(1)), (Value::text("b"), Value::Int(2)));
        assert_eq!(key_bytes(&[Value::map([a.clone(), b.clone()])]), key_bytes(&[Value::map([b, a])]));
        let ordered = [
            vec![Value::Null],
            vec![Value::Bigint(-2)],
            vec![Value::Bigint(3)],
            vec![Value::Double(-1.5)],
            vec![Value::Double(2.5)],
            vec![Value::text("a"), Value::text("z")],
            vec![Value::text("ab"), Value::text("a")],
            vec![Value::text("b")],
        ];
        assert!(ordered.windows(2).all(|pair| key_bytes(&pair[0]) < key_bytes(&pair[1])));
    }
}
