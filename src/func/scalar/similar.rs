//! SIMILAR TO and `substring(x FROM pattern FOR escape)` (manual, chapter 9.7.2): a pattern of SQL as a regular expression over the whole
//! text. And the ESCAPE of LIKE (9.7.1).

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
            |args, _| Ok(text_array(each(args, |row| translated(text(args, 0).value(row), escape(args, 1, row)?, false))?)),
        ),
        substring_similar(),
        Function::udf(
            "like_escape",
            |t| fixed(t, &[TEXT, TEXT], 0, TEXT),
            |args, _| Ok(text_array(each(args, |row| Ok(with_backslash(text(args, 0).value(row), escape(args, 1, row)?)))?)),
        ),
    ]
}

/// What `substring(text FROM pattern FOR escape)` is.
pub(super) fn substring_similar() -> Arc<ScalarUDF> {
    Function::udf("substring_similar", |t| fixed(t, &[TEXT, TEXT, TEXT], 0, TEXT), substring)
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
        let pattern = translated(text(args, 1).value(row), escape(args, 2, row)?, false)?;
        Ok(patterns.borrow_mut().get(&pattern, "")?.is_match(text(args, 0).value(row)))
    })?;
    Ok(Arc::new(rows.into_iter().collect::<BooleanArray>()))
}

/// What of the text stands between the separators of the pattern, or the whole text; NULL where it does not fit.
fn substring(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let patterns = std::cell::RefCell::new(Patterns::default());
    let rows = each(args, |row| {
        let pattern = translated(text(args, 1).value(row), escape(args, 2, row)?, true)?;
        let regex = patterns.borrow_mut().get(&pattern, "")?;
        let found = regex.captures(text(args, 0).value(row));
        Ok(found.and_then(|found| found.get(1).or_else(|| found.get(0)).map(|part| part.as_str().to_string())))
    })?;
    Ok(text_array(rows.into_iter().map(Option::flatten).collect()))
}

/// `%` is any text, `_` any character; `| * + ? {m,n} ( ) [ ]` are those of regular expressions, all else stands for itself. With `parted` the
/// escape character and `"` part the pattern, at most into three, of which the second becomes a group and the first takes as little as it
/// can. Errors: 22025, 2200C for more separators than two.
fn translated(pattern: &str, escape: Option<char>, parted: bool) -> Result<String> {
    let (mut out, mut chars, mut bracket, mut separators) = (String::from("^(?:"), pattern.chars(), false, 0);
    while let Some(c) = chars.next() {
        let lazy = if parted && separators == 0 { "?" } else { "" };
        match c {
            c if Some(c) == escape => match chars.next() {
                Some('"') if parted && !bracket => {
                    separators += 1;
                    out.push_str(match separators {
                        1 => ")(",
                        2 => ")(?:",
                        _ => {
                            let message = "SQL regular expression may not contain more than two escape-double-quote separators";
                            return Err(Error::new("2200C", message));
                        }
                    });
                }
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
            '%' => {
                out.push_str(".*");
                out.push_str(lazy);
            }
            '_' => out.push('.'),
            '(' => out.push_str("(?:"),
            '*' | '+' | '?' | '}' => {
                out.push(c);
                out.push_str(lazy);
            }
            '|' | '{' | ')' => out.push(c),
            c => out.push_str(&regex::escape(&c.to_string())),
        }
    }
    out.push_str(")$");
    Ok(out)
}
