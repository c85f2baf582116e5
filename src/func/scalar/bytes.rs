//! Functions of bytea and of encodings (manual, chapters 9.4 and 9.5): encode, decode, convert and its kin, get_bit and its kin.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Int32Array, Int64Array};
use arrow::datatypes::{DataType, Int32Type, Int64Type};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use datafusion::logical_expr::ScalarUDF;

use super::define::{Function, TEXT, each, fixed, text, text_array};
use super::growing::Room;
use crate::data::charset::Charset;
use crate::data::decode;
use crate::error::{Error, Result, code};

const BYTES: DataType = DataType::Binary;
const INT: DataType = DataType::Int32;
const BIGINT: DataType = DataType::Int64;
/// Characters in a line of base64, as MIME wants it and PostgreSQL does it.
const LINE: usize = 76;

pub fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![
        Function::udf("encode", |t| fixed(&as_bytes(t), &[BYTES, TEXT], 0, TEXT), encode),
        Function::udf("decode", |t| fixed(t, &[TEXT, TEXT], 0, BYTES), decoded),
        Function::udf("convert_from", |t| fixed(&as_bytes(t), &[BYTES, TEXT], 0, TEXT), convert_from),
        Function::udf("convert_to", |t| fixed(t, &[TEXT, TEXT], 0, BYTES), convert_to),
        Function::udf("convert", |t| fixed(&as_bytes(t), &[BYTES, TEXT, TEXT], 0, BYTES), convert),
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
        Function::udf(JOIN, |t| fixed(&as_bytes(t), &[BYTES, BYTES], 0, BYTES), concatenated),
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

/// The function of the operator `||` between bytea.
pub const JOIN: &str = "byteacat";

/// What `||` is between two bytea and more.
pub fn joined() -> Arc<ScalarUDF> {
    Function::udf(JOIN, |t| fixed(&as_bytes(t), &vec![BYTES; t.len().max(2)], 0, BYTES), concatenated)
}

fn concatenated(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let mut room = Room::default();
    let mut rows = Vec::with_capacity(args[0].len());
    for row in 0..args[0].len() {
        if args.iter().any(|a| a.is_null(row)) {
            rows.push(None);
            continue;
        }
        let sides: Vec<&[u8]> = args.iter().map(|side| side.as_binary::<i32>().value(row)).collect();
        room.take(sides.iter().map(|side| side.len()).sum())?;
        rows.push(Some(sides.concat()));
    }
    Ok(Arc::new(rows.into_iter().collect::<BinaryArray>()))
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

/// What `length(bytea)` is, the number of bytes; and of the characters that they are in an encoding.
pub fn length() -> Arc<ScalarUDF> {
    Function::udf(
        "bytealength",
        |t| fixed(&as_bytes(t), &[BYTES, TEXT], 1, INT),
        |args, _| {
            let rows = each(args, |row| {
                let value = args[0].as_binary::<i32>().value(row);
                let count = if args.len() > 1 { read(encoding(args, 1, row, ENCODING)?, value)?.chars().count() } else { value.len() };
                i32::try_from(count).map_err(|_| Error::new(code::NUMERIC_VALUE_OUT_OF_RANGE, "integer out of range"))
            })?;
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

/// The types, each form of bytea as the one that kernels take.
pub(super) fn as_bytes(types: &[DataType]) -> Vec<DataType> {
    let plain = |ty: &DataType| if matches!(ty, DataType::LargeBinary | DataType::BinaryView) { BYTES } else { ty.clone() };
    types.iter().map(plain).collect()
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

fn decoded(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let rows = each(args, |row| {
        let (value, encoding) = (text(args, 0).value(row), text(args, 1).value(row));
        match encoding.to_ascii_lowercase().as_str() {
            "hex" => decode::bytea_hex(value),
            "base64" => {
                let value: String = value.chars().filter(|c| !c.is_ascii_whitespace()).collect();
                STANDARD
                    .decode(value)
                    .map_err(|_| invalid("invalid base64 end sequence").hint("Input data is missing padding or is corrupted."))
            }
            "escape" => decode::bytea_escaped(value.as_bytes()),
            _ => Err(unknown(encoding)),
        }
    })?;
    Ok(Arc::new(rows.into_iter().collect::<BinaryArray>()))
}

/// What an encoding is to a function, as errors have it.
const SOURCE: &str = "source encoding";
const DESTINATION: &str = "destination encoding";
const ENCODING: &str = "encoding";

/// The encoding that an argument names. Errors: 22023 for what is no encoding's name, 0A000.
fn encoding(args: &[ArrayRef], i: usize, row: usize, role: &str) -> Result<Charset> {
    let name = text(args, i).value(row);
    Charset::named(name)?.ok_or_else(|| invalid(format!("invalid {role} name \"{name}\"")))
}

/// Text of bytes in an encoding. Errors: 22021 and 22P05 for bytes that are no text in it.
fn read(charset: Charset, bytes: &[u8]) -> Result<String> {
    if bytes.contains(&0) {
        let message = format!("invalid byte sequence for encoding \"{}\": 0x00", charset.name());
        return Err(Error::new(code::CHARACTER_NOT_IN_REPERTOIRE, message));
    }
    Ok(charset.read(bytes)?.into_owned())
}

fn convert_from(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let rows = each(args, |row| read(encoding(args, 1, row, SOURCE)?, args[0].as_binary::<i32>().value(row)))?;
    Ok(text_array(rows))
}

fn convert_to(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let rows = each(args, |row| Ok(encoding(args, 1, row, DESTINATION)?.write(text(args, 0).value(row))?.into_owned()))?;
    Ok(Arc::new(rows.into_iter().collect::<BinaryArray>()))
}

/// The text of a bytea in one encoding, in another.
fn convert(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let rows = each(args, |row| {
        let (from, to) = (encoding(args, 1, row, SOURCE)?, encoding(args, 2, row, DESTINATION)?);
        Ok(to.write(&read(from, args[0].as_binary::<i32>().value(row))?)?.into_owned())
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
