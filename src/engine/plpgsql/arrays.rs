//! Arrays of a body: assignment to an element, and what FOREACH goes over.

use super::frame::{Holds, Place};
use super::run::Run;
use super::{Cell, unsupported};
use crate::data::PgType;
use crate::error::{Error, Result, code};
use crate::limits;
use crate::sql::plpgsql::Expression;

impl Run<'_> {
    /// `array[i] := value`: an array that is shorter gets NULLs up to there. Errors: 42804 for what is no array, 22004 for a subscript that
    /// is NULL, 0A000 for one below 1 and for an array of several dimensions.
    pub(super) async fn assign_element(&mut self, place: Place, subscript: &Expression, value: &Expression) -> Result<()> {
        if place.field.is_none() && matches!(self.frame.variable(place).holds, Holds::Row { .. }) {
            return Err(no_array(&PgType::Record));
        }
        let Cell { ty, text } = self.frame.cell(place)?;
        let PgType::Array(item) = &ty else { return Err(no_array(&ty)) };
        let at = self.value(subscript).await?;
        let null = || Error::new(code::NULL_VALUE_NOT_ALLOWED, "array subscript in assignment must not be null");
        let at = self.converted(at, &PgType::Int4, None).await?.text.ok_or_else(null)?;
        let at: i64 = at.parse().map_err(|_| Error::internal("an integer reads as one"))?;
        if at < 1 {
            return Err(unsupported("a subscript below 1 is not supported in an assignment", "Count from 1."));
        }
        let value = self.value(value).await?;
        let value = self.converted(value, item, None).await?;
        let mut items = match text {
            Some(text) if dimensions(&text) > 1 => {
                return Err(unsupported(
                    "assignment to an element of an array of several dimensions is not supported",
                    "Build the array anew.",
                ));
            }
            Some(text) => self.items(text, (**item).clone()).await?.into_iter().map(|cell| cell.text).collect(),
            None => vec![],
        };
        let at = usize::try_from(at - 1).unwrap_or(usize::MAX);
        if at >= limits::ARRAY_ITEMS_MAX {
            let message = format!("array size exceeds the maximum allowed ({})", limits::ARRAY_ITEMS_MAX);
            return Err(Error::new(code::PROGRAM_LIMIT_EXCEEDED, message));
        }
        if items.len() <= at {
            items.resize(at + 1, None);
        }
        items[at] = value.text;
        // As a text, so that it is read and shown as its type is.
        self.assign(place, Cell::text(array_text(&items))).await
    }

    /// What FOREACH goes over: the items of an array, or its slices of so many dimensions. Errors: 42804, 22004, 2202E.
    pub(super) async fn parts(&mut self, array: &Expression, slice: usize) -> Result<Vec<Cell>> {
        let cell = self.value(array).await?;
        let PgType::Array(item) = cell.ty.clone() else {
            return Err(Error::new(code::DATATYPE_MISMATCH, format!("FOREACH expression must yield an array, not type {}", cell.ty)));
        };
        let text = cell.text.ok_or_else(|| Error::new(code::NULL_VALUE_NOT_ALLOWED, "FOREACH expression must not be null"))?;
        let most = dimensions(&text);
        if slice == 0 {
            let mut items = Vec::new();
            for row in if most > 1 { nested(&text, most) } else { vec![text] } {
                items.extend(self.items(row, (*item).clone()).await?);
            }
            return Ok(items);
        }
        if slice > most {
            let message = format!("slice dimension ({slice}) is out of the valid range 0..{most}");
            return Err(Error::new(code::ARRAY_SUBSCRIPT_ERROR, message));
        }
        Ok(nested(&text, most - slice + 1).into_iter().map(|text| Cell { ty: cell.ty.clone(), text: Some(text) }).collect())
    }

    /// The items of an array's text.
    async fn items(&mut self, text: String, item: PgType) -> Result<Vec<Cell>> {
        let sql = format!("SELECT unnest(CAST($1 AS {}))", PgType::Array(Box::new(item.clone())));
        let mut answer = self.asked(&sql, vec![Cell { ty: PgType::Array(Box::new(item)), text: Some(text) }]).await?;
        let mut items = Vec::new();
        while let Some(row) = self.next(&mut answer).await? {
            items.extend(row);
        }
        Ok(items)
    }
}

fn no_array(ty: &PgType) -> Error {
    Error::new(code::DATATYPE_MISMATCH, format!("cannot subscript type {ty} because it does not support subscripting"))
}

/// Texts as the text of an array of them.
pub(super) fn array_text(items: &[Option<String>]) -> String {
    let quoted = |item: &String| format!("\"{}\"", item.replace('\\', "\\\\").replace('"', "\\\""));
    let items: Vec<String> = items.iter().map(|item| item.as_ref().map_or_else(|| "NULL".to_string(), quoted)).collect();
    format!("{{{}}}", items.join(","))
}

/// How many dimensions the text of an array has: 0 for one without items.
fn dimensions(text: &str) -> usize {
    let body = text.split_once('=').filter(|(bounds, _)| bounds.starts_with('[')).map_or(text, |(_, body)| body);
    match body.bytes().take_while(|b| *b == b'{').count() {
        1 if body == "{}" => 0,
        braces => braces,
    }
}

/// The arrays that stand in the text of one, that many braces deep.
fn nested(text: &str, depth: usize) -> Vec<String> {
    let (mut found, mut start, mut open, mut quoted, mut escaped) = (Vec::new(), 0, 0usize, false, false);
    for (i, b) in text.bytes().enumerate() {
        match b {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => quoted = !quoted,
            b'{' if !quoted => {
                open += 1;
                if open == depth {
                    start = i;
                }
            }
            b'}' if !quoted => {
                if open == depth {
                    found.push(text[start..=i].to_string());
                }
                open = open.saturating_sub(1);
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{array_text, dimensions, nested};

    #[test]
    fn items_are_an_array_whatever_is_in_them() {
        assert_eq!(array_text(&[]), "{}");
        assert_eq!(array_text(&[Some("a,b".into()), None, Some("say \"x\\y\"".into())]), r#"{"a,b",NULL,"say \"x\\y\""}"#);
    }

    #[test]
    fn slices_are_found_by_their_braces() {
        assert_eq!([dimensions("{}"), dimensions("{1}"), dimensions("{{1},{2}}"), dimensions("[0:0]={1}")], [0, 1, 2, 1]);
        assert_eq!(nested("{{1,2},{3,4}}", 2), ["{1,2}", "{3,4}"]);
        assert_eq!(nested("{{1,2},{3,4}}", 1), ["{{1,2},{3,4}}"]);
        assert_eq!(nested(r#"{{"}{"},{"\""}}"#, 2), [r#"{"}{"}"#, r#"{"\""}"#]);
    }
}
