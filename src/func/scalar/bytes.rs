//! Functions of bytea and of encodings (manual, chapters 9.4 and 9.5): encode, decode, convert_from, convert_to, get_bit and its kin.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Int32Array, Int64Array};
use arrow::datatypes::{DataType, Int32Type, Int64Type};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use datafusion::logical_expr::ScalarUDF;

use super::define::{Function, TEXT, each, fixed, text, text_array};
use super::growing::Room;
use crate::error::{Error, Result, code};

const BYTES: DataType = DataType::Binary;
const INT: DataType = DataType::Int32;
const BIGINT: DataType = DataType::Int64;
/// Characters in a line of base64, as MIME wants it and PostgreSQL does it.
const LINE: usize = 76;

pub fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![
        Function::udf("encode", |t| fixed(&as_bytes(t), &[BYTES, TEXT], 0, TEXT), encode),
        Function::udf("decode", |t| fixed(t, &[TEXT, TEXT], 0, BYTES), decode),
        Function::udf("convert_from", |t| fixed(&as_bytes(t), &[BYTES, TEXT], 0, TEXT), convert_from),
        Function::udf("convert_to", |t| fixed(t, &[TEXT, TEXT], 0, BYTES), convert_to),
        Function::udf("get_byte", |t| fixed(t, &[BYTES, INT], 0, INT), get_byte),
        Function::udf("set_byte", |t| fixed(t, &[BYTES, INT, INT], 0, BYTES), set_byte),
        Function::udf("get_bit", |t| fixed(t, &[BYTES, BIGINT], 0, INT), get_bit),
        Function::udf("set_bit", |t| fixed(t, &[BYTES, BIGINT, INT], 0, BYTES), set_bit),
        Function::udf("bit_count", |t| fixed(t, &[BYTES], 0, BIGINT), bit_count),
        Function::udf("bits_number", |t| fixed(t, &[TEXT, BIGINT, BIGINT], 0, BIGINT), bits_number),
        Function::udf("octet_length", |t| sized(t, INT), |args, _| sizes(args, 1)),
        Function::udf("bit_length", |t| sized(t, INT), |args, _| sizes(args, 8)),
        bytealike(),
        length(),
        joined(),
    ]
}

/// What `bytea LIKE bytea` is.
pub fn bytealike() -> Arc<ScalarUDF> {
    Function::udf(
        "bytealike",
        |t| fixed(&as_bytes(t), &[BYTES, BYTES], 0, DataType::Boolean),
        |args, _| {
            let rows = each(args, |row| is_like(args[0].as_binary::<i32>().value(row), args[1].as_binary::<i32>().value(row)))?;
            Ok(Arc::new(rows.into_iter().collect::<BooleanArray>()))
        },
    )
}

/// What `bytea || bytea` is.
pub fn joined() -> Arc<ScalarUDF> {
    Function::udf(
        "byteacat",
        |t| fixed(&as_bytes(t), &[BYTES, BYTES], 0, BYTES),
        |args, _| {
            let mut room = Room::default();
            let mut rows = Vec::with_capacity(args[0].len());
            for row in 0..args[0].len() {
                if args.iter().any(|a| a.is_null(row)) {
                    rows.push(None);
                    continue;
                }
                let sides = [0, 1].map(|i| args[i].as_binary::<i32>().value(row));
                room.take(sides.iter().map(|side| side.len()).sum())?;
                rows.push(Some(sides.concat()));
            }
            Ok(Arc::new(rows.into_iter().collect::<BinaryArray>()))
        },
    )
}

/// A text or a bytea.
fn sized(types: &[DataType], output: DataType) -> Option<(Vec<DataType>, DataType)> {
    let types = as_bytes(types);
    let wanted = if types.first() == Some(&BYTES) { BYTES } else { TEXT };
    fixed(&types, &[wanted], 0, output)
}

/// How many bytes there are, in units of which a byte has so many.
fn sizes(args: &[ArrayRef], units: usize) -> Result<ArrayRef> {
    let bytes = |row: usize| match args[0].as_binary_opt::<i32>() {
        Some(values) => values.value(row).len(),
        None => text(args, 0).value(row).len(),
    };
    let too_long = |_| Error::new(code::NUMERIC_VALUE_OUT_OF_RANGE, "integer out of range");
    let rows = each(args, |row| i32::try_from(bytes(row) * units).map_err(too_long))?;
    Ok(Arc::new(rows.into_iter().collect::<Int32Array>()))
}

/// How many bytes there are, what `length(bytea)` is.
pub fn length() -> Arc<ScalarUDF> {
    Function::udf(
        "bytealength",
        |t| fixed(&as_bytes(t), &[BYTES], 0, INT),
        |args, _| {
            let rows = each(args, |row| Ok(args[0].as_binary::<i32>().value_length(row)))?;
            Ok(Arc::new(rows.into_iter().collect::<Int32Array>()))
        },
    )
}

/// `%` is any bytes, `_` any byte, and what is behind a backslash stands for itself. Errors: 22025 for a backslash at the end.
fn is_like(value: &[u8], pattern: &[u8]) -> Result<bool> {
    let (mut v, mut p) = (0, 0);
    // Where the last `%` is, and the first byte that it does not take.
    let mut any: Option<(usize, usize)> = None;
    loop {
        let fits = match pattern.get(p..) {
            Some([b'%', ..]) => {
                any = Some((p, v));
                p += 1;
                continue;
            }
            Some([b'\\']) => {
                let message = "LIKE pattern must not end with escape character";
                return Err(Error::new(code::INVALID_ESCAPE_SEQUENCE, message));
            }
            Some([b'_', ..]) if v < value.len() => Some(1),
            Some([b'\\', byte, ..]) if value.get(v) == Some(byte) => Some(2),
            Some([byte, ..]) if *byte != b'\\' && value.get(v) == Some(byte) => Some(1),
            Some([]) if v == value.len() => return Ok(true),
            _ => None,
        };
        match (fits, any) {
            (Some(width), _) => (v, p) = (v + 1, p + width),
            (None, Some((at, from))) if from < value.len() => {
                any = Some((at, from + 1));
                (v, p) = (from + 1, at + 1);
            }
            (None, _) => return Ok(false),
        }
    }
}

/// A literal without a type is a bytea.
fn as_bytes(types: &[DataType]) -> Vec<DataType> {
    let mut types = types.to_vec();
    if let Some(first) = types.first_mut().filter(|t| matches!(t, DataType::LargeBinary | DataType::BinaryView)) {
        *first = BYTES;
    }
    types
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(code::INVALID_PARAMETER_VALUE, message)
}

fn unknown(encoding: &str) -> Error {
    invalid(format!("unrecognized encoding: \"{encoding}\"")).hint("Encodings are hex, base64 and escape.")
}

/// `text::bit(length)` as a number of `width` bits: hexadecimal digits behind an x, else binary ones; what is too long is cut off at
/// its end, and what is too short filled with zeros there. Errors: 22P02, 22003 for more bits than the number has.
fn bits_number(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let sizes = [1, 2].map(|i| args[i].as_primitive::<Int64Type>());
    let rows = each(args, |row| {
        let (length, width) = (sizes[0].value(row), sizes[1].value(row));
        if length > width {
            let name = if width == 32 { "integer" } else { "bigint" };
            return Err(Error::new(code::NUMERIC_VALUE_OUT_OF_RANGE, format!("{name} out of range")));
        }
        let value = text(args, 0).value(row);
        let (digits, radix, kind) = match value.split_at_checked(1) {
            Some(("x" | "X", digits)) => (digits, 16, "hexadecimal"),
            Some(("b" | "B", digits)) => (digits, 2, "binary"),
            _ => (value, 2, "binary"),
        };
        let (step, mut bits, mut taken) = (if radix == 16 { 4 } else { 1 }, 0u128, 0);
        for digit in digits.chars() {
            let wrong = || Error::new(code::INVALID_TEXT_REPRESENTATION, format!("\"{digit}\" is not a valid {kind} digit"));
            let digit = digit.to_digit(radix).ok_or_else(wrong)?;
            if taken < length {
                bits = bits << step | u128::from(digit);
                taken += step;
            }
        }
        // At most 64 bits are wanted, and the last digit brings three too many.
        let bits = if taken > length { bits >> (taken - length) } else { bits << (length - taken) };
        // A number of all its bits has a sign.
        Ok(if length == width { (bits as u64 as i64) << (64 - width) >> (64 - width) } else { bits as i64 })
    })?;
    Ok(Arc::new(rows.into_iter().collect::<Int64Array>()))
}

fn encode(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let rows = each(args, |row| {
        let (value, encoding) = (args[0].as_binary::<i32>().value(row), text(args, 1).value(row));
        match encoding.to_ascii_lowercase().as_str() {
            "hex" => Ok(value.iter().map(|b| format!("{b:02x}")).collect()),
            "base64" => {
                let all = STANDARD.encode(value);
                let lines: Vec<&str> = all.as_bytes().chunks(LINE).filter_map(|l| std::str::from_utf8(l).ok()).collect();
                Ok(lines.join("\n"))
            }
            "escape" => Ok(value.iter().map(|b| escaped(*b)).collect()),
            _ => Err(unknown(encoding)),
        }
    })?;
    Ok(text_array(rows))
}

fn escaped(byte: u8) -> String {
    match byte {
        b'\\' => "\\\\".into(),
        0 | 128.. => format!("\\{byte:03o}"),
        other => char::from(other).to_string(),
    }
}

fn decode(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let rows = each(args, |row| {
        let (value, encoding) = (text(args, 0).value(row), text(args, 1).value(row));
        match encoding.to_ascii_lowercase().as_str() {
            "hex" => unhex(value),
            "base64" => {
                let value: String = value.chars().filter(|c| !c.is_ascii_whitespace()).collect();
                STANDARD
                    .decode(value)
                    .map_err(|_| invalid("invalid base64 end sequence").hint("Input data is missing padding or is corrupted."))
            }
            "escape" => unescaped(value),
            _ => Err(unknown(encoding)),
        }
    })?;
    Ok(Arc::new(rows.into_iter().collect::<BinaryArray>()))
}

fn unhex(value: &str) -> Result<Vec<u8>> {
    let digits: Vec<u8> = value.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    let digit = |b: &u8| {
        let shown = || invalid(format!("invalid hexadecimal digit: \"{}\"", char::from(*b)));
        char::from(*b).to_digit(16).map(|d| d as u8).ok_or_else(shown)
    };
    let digits = digits.iter().map(digit).collect::<Result<Vec<u8>>>()?;
    if digits.len() % 2 == 1 {
        return Err(invalid("invalid hexadecimal data: odd number of digits"));
    }
    Ok(digits.as_chunks::<2>().0.iter().map(|[high, low]| high << 4 | low).collect())
}

fn unescaped(value: &str) -> Result<Vec<u8>> {
    let wrong = || Error::new(code::INVALID_TEXT_REPRESENTATION, "invalid input syntax for type bytea");
    let (bytes, mut out, mut i) = (value.as_bytes(), Vec::new(), 0);
    while i < bytes.len() {
        match bytes[i..] {
            [b'\\', b'\\', ..] => {
                out.push(b'\\');
                i += 2;
            }
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', ..] => {
                out.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                i += 4;
            }
            [b'\\', ..] => return Err(wrong()),
            [byte, ..] => {
                out.push(byte);
                i += 1;
            }
            [] => break,
        }
    }
    Ok(out)
}

/// Errors: 42704 for an encoding that is unknown, 0A000 for one that is not UTF8.
fn only_utf8(encoding: &str) -> Result<()> {
    match encoding.to_ascii_uppercase().as_str() {
        "UTF8" | "UTF-8" | "UNICODE" | "SQL_ASCII" => Ok(()),
        _ => Err(Error::unsupported(format!("encoding \"{encoding}\" is not supported")).hint("Text is UTF8.")),
    }
}

fn convert_from(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let rows = each(args, |row| {
        only_utf8(text(args, 1).value(row))?;
        let wrong = |_| Error::new(code::CHARACTER_NOT_IN_REPERTOIRE, "invalid byte sequence for encoding \"UTF8\"");
        String::from_utf8(args[0].as_binary::<i32>().value(row).to_vec()).map_err(wrong)
    })?;
    Ok(text_array(rows))
}

fn convert_to(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let rows = each(args, |row| {
        only_utf8(text(args, 1).value(row))?;
        Ok(text(args, 0).value(row).as_bytes().to_vec())
    })?;
    Ok(Arc::new(rows.into_iter().collect::<BinaryArray>()))
}

/// A place among so many. Errors: 2202E.
fn place(n: i64, len: usize) -> Result<usize> {
    let outside = || Error::new(code::ARRAY_SUBSCRIPT_ERROR, format!("index {n} out of valid range, 0..{}", len as i64 - 1));
    usize::try_from(n).ok().filter(|n| *n < len).ok_or_else(outside)
}

fn get_byte(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let rows = each(args, |row| {
        let value = args[0].as_binary::<i32>().value(row);
        Ok(i32::from(value[place(args[1].as_primitive::<Int32Type>().value(row).into(), value.len())?]))
    })?;
    Ok(Arc::new(rows.into_iter().collect::<Int32Array>()))
}

fn set_byte(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let rows = each(args, |row| {
        let mut value = args[0].as_binary::<i32>().value(row).to_vec();
        let at = place(args[1].as_primitive::<Int32Type>().value(row).into(), value.len())?;
        value[at] = args[2].as_primitive::<Int32Type>().value(row) as u8;
        Ok(value)
    })?;
    Ok(Arc::new(rows.into_iter().collect::<BinaryArray>()))
}

fn get_bit(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let rows = each(args, |row| {
        let value = args[0].as_binary::<i32>().value(row);
        let at = place(args[1].as_primitive::<Int64Type>().value(row), value.len() * 8)?;
        Ok(i32::from(value[at / 8] >> (at % 8) & 1))
    })?;
    Ok(Arc::new(rows.into_iter().collect::<Int32Array>()))
}

fn set_bit(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let rows = each(args, |row| {
        let mut value = args[0].as_binary::<i32>().value(row).to_vec();
        let at = place(args[1].as_primitive::<Int64Type>().value(row), value.len() * 8)?;
        match args[2].as_primitive::<Int32Type>().value(row) {
            0 => value[at / 8] &= !(1 << (at % 8)),
            1 => value[at / 8] |= 1 << (at % 8),
            _ => return Err(invalid("new bit must be 0 or 1")),
        }
        Ok(value)
    })?;
    Ok(Arc::new(rows.into_iter().collect::<BinaryArray>()))
}

fn bit_count(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let ones = |row| Ok(args[0].as_binary::<i32>().value(row).iter().map(|b| i64::from(b.count_ones())).sum());
    Ok(Arc::new(each(args, ones)?.into_iter().collect::<Int64Array>()))
}
