//! SIMILAR TO (manual, chapter 9.7.2): a pattern of SQL as a regular expression over the whole text. And the ESCAPE of LIKE (9.7.1).

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray};
use arrow::datatypes::DataType;
use datafusion::logical_expr::ScalarUDF;

use super::define::{Function, TEXT, each, fixed, text, text_array};
use super::regexps::Patterns;
use crate::error::{Error, Result, code};

pub fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![
        Function::udf("similar_to", |t| fixed(t, &[TEXT, TEXT, TEXT], 1, DataType::Boolean), similar),
        Function::udf(
            "similar_to_escape",
            |t| fixed(t, &[TEXT, TEXT], 1, TEXT),
            |args, _| Ok(text_array(each(args, |row| translated(text(args, 0).value(row), escape(args, 1, row)?))?)),
        ),
        Function::udf(
            "like_escape",
            |t| fixed(t, &[TEXT, TEXT], 0, TEXT),
            |args, _| Ok(text_array(each(args, |row| Ok(with_backslash(text(args, 0).value(row), escape(args, 1, row)?)))?)),
        ),
    ]
}

/// The character that argument `i` is; none for the empty text, a backslash where it is left out. Errors: 22025.
fn escape(args: &[ArrayRef], i: usize, row: usize) -> Result<Option<char>> {
    let Some(_) = args.get(i) else { return Ok(Some('\\')) };
    let mut chars = text(args, i).value(row).chars();
    match (chars.next(), chars.next()) {
        (one, None) => Ok(one),
        _ => Err(Error::new(code::INVALID_ESCAPE_SEQUENCE, "invalid escape string").hint("Escape string must be empty or one character.")),
    }
}

/// A pattern of LIKE with a backslash for its escape character; a backslash that escaped nothing stands for itself.
fn with_backslash(pattern: &str, escape: Option<char>) -> String {
    if escape == Some('\\') {
        return pattern.to_string();
    }
    let (mut out, mut escaped) = (String::with_capacity(pattern.len()), false);
    for c in pattern.chars() {
        if Some(c) == escape && !escaped {
            out.push('\\');
            escaped = true;
            continue;
        }
        if c == '\\' && !escaped {
            out.push(c);
        }
        out.push(c);
        escaped = false;
    }
    out
}

fn similar(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let patterns = std::cell::RefCell::new(Patterns::default());
    let rows = each(args, |row| {
        let pattern = translated(text(args, 1).value(row), escape(args, 2, row)?)?;
        Ok(patterns.borrow_mut().get(&pattern, "")?.is_match(text(args, 0).value(row)))
    })?;
    Ok(Arc::new(rows.into_iter().collect::<BooleanArray>()))
}

/// `%` is any text, `_` any character; `| * + ? {m,n} ( ) [ ]` are those of regular expressions, all else stands for itself.
fn translated(pattern: &str, escape: Option<char>) -> Result<String> {
    let (mut out, mut chars, mut bracket) = (String::from("^(?:"), pattern.chars(), false);
    while let Some(c) = chars.next() {
        match c {
            c if Some(c) == escape => match chars.next() {
                Some(next) => out.push_str(&regex::escape(&next.to_string())),
                None => return Err(Error::new(code::INVALID_ESCAPE_SEQUENCE, "pattern must not end with escape character")),
            },
            ']' if bracket => {
                bracket = false;
                out.push(']');
            }
            '[' if !bracket => {
                bracket = true;
                out.push('[');
            }
            '\\' if bracket => out.push_str("\\\\"),
            c if bracket => out.push(c),
            '%' => out.push_str(".*"),
            '_' => out.push('.'),
            '(' => out.push_str("(?:"),
            '|' | '*' | '+' | '?' | '{' | '}' | ')' => out.push(c),
            c => out.push_str(&regex::escape(&c.to_string())),
        }
    }
    out.push_str(")$");
    Ok(out)
}
