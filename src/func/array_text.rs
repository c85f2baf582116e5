//! Arrays as text: `{1,NULL,"a b"}` (manual, chapter 8.15.2), one dimension.

use arrow::array::ArrayRef;
use datafusion::common::ScalarValue;

use super::text_io;
use crate::data::PgType;
use crate::error::{Error, Result, code};

fn malformed(text: &str) -> Error {
    Error::new(code::INVALID_TEXT_REPRESENTATION, format!("malformed array literal: \"{text}\""))
}

/// Reads an array of `ty` (a [`PgType::Array`]). Errors: 22P02; 0A000 for more than one dimension.
pub fn parse(ty: &PgType, text: &str) -> Result<ScalarValue> {
    let PgType::Array(item) = ty else { return Err(malformed(text)) };
    let inner = text.trim().strip_prefix('{').and_then(|t| t.strip_suffix('}')).ok_or_else(|| malformed(text))?;
    let mut values = Vec::new();
    for element in elements(inner).ok_or_else(|| malformed(text))? {
        values.push(match element {
            Some(cell) => text_io::parse(item, &cell)?,
            None => ScalarValue::try_from(&item.arrow())?,
        });
    }
    Ok(ScalarValue::List(ScalarValue::new_list(&values, &item.arrow(), true)))
}

fn elements(inner: &str) -> Option<Vec<Option<String>>> {
    if inner.trim().is_empty() {
        return Some(Vec::new());
    }
    let (mut all, mut cell, mut quoted, mut was_quoted) = (Vec::new(), String::new(), false, false);
    let mut push = |cell: &mut String, was_quoted: &mut bool| -> Option<()> {
        let bare = cell.trim();
        if bare.is_empty() && !*was_quoted {
            return None;
        }
        all.push(if *was_quoted {
            Some(cell.clone())
        } else if bare.eq_ignore_ascii_case("null") {
            None
        } else {
            Some(bare.to_string())
        });
        cell.clear();
        *was_quoted = false;
        Some(())
    };
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => cell.push(chars.next()?),
            '"' => {
                quoted = !quoted;
                was_quoted = true;
            }
            ',' if !quoted => push(&mut cell, &mut was_quoted)?,
            '{' | '}' if !quoted => return None,
            c if was_quoted && !quoted && c.is_whitespace() => {}
            c => cell.push(c),
        }
    }
    push(&mut cell, &mut was_quoted)?;
    (!quoted).then_some(all)
}

/// Prints the elements of one array of type `ty`.
pub fn print(values: &ArrayRef, ty: &PgType) -> Result<String> {
    let item = if let PgType::Array(item) = ty { item.as_ref() } else { &PgType::Text };
    let mut cells = Vec::with_capacity(values.len());
    for row in 0..values.len() {
        cells.push(match text_io::print(values.as_ref(), row, item)? {
            None => "NULL".to_string(),
            Some(text) if *item == PgType::Bool => text[..1].to_string(),
            Some(text) => quoted(&text),
        });
    }
    Ok(format!("{{{}}}", cells.join(",")))
}

fn quoted(text: &str) -> String {
    let plain =
        !text.is_empty() && !text.eq_ignore_ascii_case("null") && !text.contains(|c: char| c.is_whitespace() || "{},\"\\".contains(c));
    if plain { text.to_string() } else { format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")) }
}
