//! format() (manual, chapter 9.4.1): `%s`, `%I`, `%L` with a position, a flag and a width; and what takes names apart, parse_ident().

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::DataType;
use datafusion::logical_expr::ScalarUDF;

use super::define::{Function, TEXT, each, fixed, text, text_array};
use super::series::list_of;
use super::sets::text_lists;
use crate::data::PgType;
use crate::data::quoting::{ident, literal};
use crate::error::{Error, Result, code};
use crate::func::text_io;
use crate::limits;

pub fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![
        Function::udf("format", format_rule, format),
        Function::udf("parse_ident", |t| fixed(t, &[TEXT, DataType::Boolean], 1, list_of(TEXT)), parse_ident),
    ]
}

fn format_rule(types: &[DataType]) -> Option<(Vec<DataType>, DataType)> {
    let (first, rest) = types.split_first()?;
    (first.is_string() || first.is_null()).then(|| ([vec![TEXT], rest.to_vec()].concat(), TEXT))
}

/// A value as its type's output function shows it; `None` for NULL.
pub(super) fn shown(array: &ArrayRef, row: usize) -> Result<Option<String>> {
    if array.is_valid(row) && *array.data_type() == DataType::Boolean {
        return Ok(Some(if array.as_boolean().value(row) { "t" } else { "f" }.to_string()));
    }
    text_io::print(array, row, &PgType::of_arrow(array.data_type()))
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(code::INVALID_PARAMETER_VALUE, message)
}

fn format(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let one = |row: usize| match args[0].is_valid(row) {
        true => Formatter { args: &args[1..], row, next: 0, out: String::new() }.run(text(args, 0).value(row)).map(Some),
        false => Ok(None),
    };
    Ok(text_array((0..args[0].len()).map(one).collect::<Result<_>>()?))
}

/// One call under way.
struct Formatter<'a> {
    args: &'a [ArrayRef],
    row: usize,
    /// The argument that a specifier without a position takes.
    next: usize,
    out: String,
}

impl Formatter<'_> {
    fn run(mut self, pattern: &str) -> Result<String> {
        let mut rest = pattern;
        while let Some(at) = rest.find('%') {
            self.out.push_str(&rest[..at]);
            rest = self.specifier(&rest[at + 1..])?;
            if self.out.len() > limits::VALUE_BYTES_MAX {
                return Err(Error::new(code::PROGRAM_LIMIT_EXCEEDED, "the result of format() is too long").hint("Use smaller widths."));
            }
        }
        self.out.push_str(rest);
        Ok(self.out)
    }

    /// What follows a percent sign: `[position$][-][width]type`; gives what is behind it.
    fn specifier<'t>(&mut self, rest: &'t str) -> Result<&'t str> {
        if let Some(rest) = rest.strip_prefix('%') {
            self.out.push('%');
            return Ok(rest);
        }
        let (position, rest) = position(rest)?;
        let (left, rest) = match rest.strip_prefix('-') {
            Some(_) => (true, rest.trim_start_matches('-')),
            None => (false, rest),
        };
        let (width, rest) = self.width(rest)?;
        let Some(kind) = rest.chars().next() else {
            return Err(invalid("unterminated format() type specifier").hint("For a single \"%\" use \"%%\"."));
        };
        if !matches!(kind, 's' | 'I' | 'L') {
            let error = invalid(format!("unrecognized format() type specifier \"{kind}\""));
            return Err(error.hint("For a single \"%\" use \"%%\"."));
        }
        let value = self.argument(position)?;
        let value = match (kind, value) {
            ('I', None) => return Err(Error::new(code::NULL_VALUE_NOT_ALLOWED, "null values cannot be formatted as an SQL identifier")),
            ('I', Some(name)) => ident(&name),
            ('L', None) => "NULL".to_string(),
            ('L', Some(value)) => literal(&value),
            (_, value) => value.unwrap_or_default(),
        };
        self.pad(&value, width, left);
        Ok(&rest[kind.len_utf8()..])
    }

    /// A width: a number, `*` for the next argument, `*n$` for argument n; negative to align to the left.
    fn width<'t>(&mut self, rest: &'t str) -> Result<(i64, &'t str)> {
        let Some(rest) = rest.strip_prefix('*') else { return number(rest).map(|(n, rest)| (n.unwrap_or(0), rest)) };
        let (position, rest) = position(rest)?;
        let width = self.argument(position)?.unwrap_or_else(|| "0".into());
        let width = width.parse().map_err(|_| invalid(format!("invalid input syntax for type integer: \"{width}\"")))?;
        Ok((width, rest))
    }

    fn argument(&mut self, position: Option<usize>) -> Result<Option<String>> {
        let at = position.map_or(self.next, |n| n - 1);
        self.next = at + 1;
        let array = self.args.get(at).ok_or_else(|| invalid("too few arguments for format()"))?;
        shown(array, self.row)
    }

    fn pad(&mut self, value: &str, width: i64, left: bool) {
        let blanks = usize::try_from(width.unsigned_abs()).unwrap_or(usize::MAX).saturating_sub(value.chars().count());
        let blanks = " ".repeat(blanks.min(limits::VALUE_BYTES_MAX));
        if left || width < 0 {
            self.out.push_str(value);
            self.out.push_str(&blanks);
        } else {
            self.out.push_str(&blanks);
            self.out.push_str(value);
        }
    }
}

/// A number at the start of the text.
fn number(text: &str) -> Result<(Option<i64>, &str)> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    if digits == 0 {
        return Ok((None, text));
    }
    let value = text[..digits].parse::<i32>().map_err(|_| Error::new(code::NUMERIC_VALUE_OUT_OF_RANGE, "number is out of range"))?;
    Ok((Some(value.into()), &text[digits..]))
}

/// `n$` at the start of the text; a number without the sign is a width and left alone.
fn position(text: &str) -> Result<(Option<usize>, &str)> {
    match number(text)? {
        (Some(n), rest) if let Some(rest) = rest.strip_prefix('$') => match usize::try_from(n) {
            Ok(n) if n > 0 => Ok((Some(n), rest)),
            _ => Err(invalid("format specifies argument 0, but arguments are numbered from 1")),
        },
        _ => Ok((None, text)),
    }
}

fn parse_ident(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let rows = each(args, |row| {
        let strict = args.get(1).is_none_or(|a| a.as_boolean().value(row));
        identifier(text(args, 0).value(row), strict)
    })?;
    text_lists(rows.into_iter().map(|r| r.map(|parts| parts.into_iter().map(Some).collect())).collect())
}

/// The parts of a qualified name; with `strict`, nothing may follow it.
fn identifier(name: &str, strict: bool) -> Result<Vec<String>> {
    let wrong = |detail: String| invalid(format!("string is not a valid identifier: \"{name}\"")).detail(detail);
    let (mut parts, mut rest) = (Vec::new(), name.trim_start());
    loop {
        if let Some(quoted) = rest.strip_prefix('"') {
            let (part, behind) = unquoted(quoted).ok_or_else(|| wrong("String has unclosed double quotes.".into()))?;
            if part.is_empty() {
                return Err(wrong("Quoted identifier must not be empty.".into()));
            }
            parts.push(part);
            rest = behind;
        } else {
            let starts = |c: char| c == '_' || c.is_alphabetic();
            let goes_on = |c: char| starts(c) || c.is_ascii_digit() || c == '$';
            let length = rest.find(|c: char| !goes_on(c)).unwrap_or(rest.len());
            if !rest.starts_with(starts) {
                let place = if parts.is_empty() { "" } else { "No valid identifier after \".\"." };
                return Err(wrong(place.into()));
            }
            parts.push(rest[..length].to_lowercase());
            rest = &rest[length..];
        }
        rest = rest.trim_start();
        match rest.strip_prefix('.') {
            Some(more) => rest = more.trim_start(),
            None if strict && !rest.is_empty() => return Err(invalid(format!("string is not a valid identifier: \"{name}\""))),
            None => return Ok(parts),
        }
    }
}

/// What stands before the closing quote, and what behind it.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut part = String::new();
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c != '"' {
            part.push(c);
        } else if chars.peek().is_some_and(|(_, next)| *next == '"') {
            part.push('"');
            chars.next();
        } else {
            return Some((part, &text[at + 1..]));
        }
    }
    None
}
