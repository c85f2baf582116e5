//! String functions that DataFusion lacks, or does otherwise (manual, chapter 9.4): quoting, and upper and lower case. A letter becomes another letter,
//! as in C: upper('ß') is ß, and a Σ at the end of a word is σ in lower case.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, StringViewBuilder};
use arrow::datatypes::{DataType, Int32Type};
use datafusion::logical_expr::ScalarUDF;
use unicode_normalization::UnicodeNormalization;

use super::define::{Function, TEXT, each, fixed, text, text_array};
use super::format::shown;
use crate::data::escapes::unescaped;
use crate::data::quoting::{ident, literal};
use crate::error::{Error, Result, code};

pub fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![
        Function::udf("upper", one_text, |args, _| {
            Ok(in_case(args, str::make_ascii_uppercase, |value, out| out.extend(value.chars().map(upper))))
        }),
        Function::udf("lower", one_text, |args, _| {
            Ok(in_case(args, str::make_ascii_lowercase, |value, out| out.extend(value.chars().map(lower))))
        }),
        Function::udf("initcap", one_text, |args, _| map(args, capitalized)),
        Function::udf("unistr", one_text, |args, _| Ok(text_array(each(args, |row| unescaped(text(args, 0).value(row), '\\', true))?))),
        Function::udf(
            "normalize",
            |t| fixed(t, &[TEXT, TEXT], 1, TEXT),
            |args, _| Ok(text_array(each(args, |row| normalized(text(args, 0).value(row), form(args, row)))?)),
        ),
        Function::udf("is_normalized", |t| fixed(t, &[TEXT, TEXT], 1, DataType::Boolean), is_normalized),
        Function::udf("quote_ident", one_text, |args, _| map(args, ident)),
        Function::udf("quote_literal", one_value, |args, _| Ok(text_array(each(args, |row| Ok(literal(&printed(args, row)?)))?))),
        Function::udf("quote_nullable", one_value, quote_nullable),
        Function::udf(
            "chr",
            |t| fixed(t, &[DataType::Int32], 0, TEXT),
            |args, _| Ok(text_array(each(args, |row| character(args[0].as_primitive::<Int32Type>().value(row)))?)),
        ),
    ]
}

/// Errors: 22023 and 54000 for what is the number of no character.
fn character(number: i32) -> Result<String> {
    let limit = |message: String| Error::new(code::PROGRAM_LIMIT_EXCEEDED, message);
    let found = match u32::try_from(number) {
        Err(_) => return Err(Error::new(code::INVALID_PARAMETER_VALUE, "character number must be positive")),
        Ok(0) => return Err(limit("null character not permitted".to_string())),
        Ok(n @ 0x11_0000..) => return Err(limit(format!("requested character too large for encoding: {n}"))),
        Ok(n) => char::from_u32(n).ok_or_else(|| limit(format!("requested character not valid for encoding: {n}"))),
    };
    found.map(String::from)
}

/// The form that the second argument names, NFC where it is left out.
fn form(args: &[ArrayRef], row: usize) -> &str {
    args.get(1).map_or("NFC", |_| text(args, 1).value(row))
}

/// Errors: 22023 for a form that is none.
fn normalized(value: &str, form: &str) -> Result<String> {
    Ok(match form.to_ascii_uppercase().as_str() {
        "NFC" => value.nfc().collect(),
        "NFD" => value.nfd().collect(),
        "NFKC" => value.nfkc().collect(),
        "NFKD" => value.nfkd().collect(),
        _ => {
            let error = Error::new(code::INVALID_PARAMETER_VALUE, format!("invalid normalization form: {form}"));
            return Err(error.hint("Forms are NFC, NFD, NFKC and NFKD."));
        }
    })
}

fn is_normalized(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let rows = each(args, |row| {
        let value = text(args, 0).value(row);
        Ok(normalized(value, form(args, row))? == value)
    })?;
    Ok(Arc::new(rows.into_iter().collect::<BooleanArray>()))
}

/// A letter in upper case, if it is one letter there.
fn upper(c: char) -> char {
    let mut all = c.to_uppercase();
    if all.len() == 1 { all.next().unwrap_or(c) } else { c }
}

/// A letter in lower case; İ loses its dot.
fn lower(c: char) -> char {
    c.to_lowercase().next().unwrap_or(c)
}

/// The first letter of each word is in upper case, the others in lower case.
fn capitalized(value: &str) -> String {
    let mut inside = false;
    let one = |c: char| {
        let cased = if inside { lower(c) } else { upper(c) };
        inside = c.is_alphanumeric();
        cased
    };
    value.chars().map(one).collect()
}

/// Each text in another case; most are plain ASCII, whose letters are changed in place.
fn in_case(args: &[ArrayRef], ascii: fn(&mut str), other: fn(&str, &mut String)) -> ArrayRef {
    let values = text(args, 0);
    let (mut out, mut cased) = (StringViewBuilder::with_capacity(values.len()), String::new());
    for value in values {
        let Some(value) = value else {
            out.append_null();
            continue;
        };
        cased.clear();
        if value.is_ascii() {
            cased.push_str(value);
            ascii(&mut cased);
        } else {
            other(value, &mut cased);
        }
        out.append_value(&cased);
    }
    Arc::new(out.finish())
}

fn one_text(types: &[DataType]) -> Option<(Vec<DataType>, DataType)> {
    fixed(types, &[TEXT], 0, TEXT)
}

/// A value of any type, shown as text.
fn one_value(types: &[DataType]) -> Option<(Vec<DataType>, DataType)> {
    (types.len() == 1).then(|| (types.to_vec(), TEXT))
}

fn printed(args: &[ArrayRef], row: usize) -> Result<String> {
    Ok(shown(&args[0], row)?.unwrap_or_default())
}

fn map(args: &[ArrayRef], f: fn(&str) -> String) -> Result<ArrayRef> {
    Ok(text_array(each(args, |row| Ok(f(text(args, 0).value(row))))?))
}

fn quote_nullable(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let quoted = |row| Ok(Some(shown(&args[0], row)?.map_or_else(|| "NULL".to_string(), |value| literal(&value))));
    Ok(text_array((0..args[0].len()).map(quoted).collect::<Result<_>>()?))
}
