//! Cutting array literals (manual, 8.15.2 "Array Value Input") into the text of their items.

use crate::error::{Error, Result, code};

/// The items of `{a,"b c",NULL}`; `None` is NULL. Errors: 22P02; 0A000 for more than one dimension or a lower bound.
pub fn split(text: &str) -> Result<Vec<Option<String>>> {
    let malformed = |detail: &str| {
        let error = Error::new(code::INVALID_TEXT_REPRESENTATION, format!("malformed array literal: \"{text}\""));
        error.detail(detail)
    };
    let trimmed = text.trim();
    if trimmed.starts_with('[') {
        return Err(Error::unsupported("array bounds are not supported").hint("Leave the bounds away; arrays count from 1."));
    }
    let body = trimmed.strip_prefix('{').ok_or_else(|| malformed("Array value must start with \"{\" or dimension information."))?;
    let mut cutter = Cutter { rest: body };
    if let Some(after) = body.trim_start().strip_prefix('}') {
        return if after.is_empty() { Ok(Vec::new()) } else { Err(malformed("Junk after closing right brace.")) };
    }
    let mut items = Vec::new();
    loop {
        items.push(cutter.item(&malformed)?);
        let mut letters = cutter.rest.chars();
        let next = letters.next();
        cutter.rest = letters.as_str();
        match next {
            Some(',') => {}
            Some('}') if cutter.rest.is_empty() => return Ok(items),
            Some('}') => return Err(malformed("Junk after closing right brace.")),
            _ => return Err(malformed("Unexpected end of input.")),
        }
    }
}

struct Cutter<'a> {
    rest: &'a str,
}

impl Cutter<'_> {
    /// One item, up to the comma or brace behind it.
    fn item(&mut self, malformed: &dyn Fn(&str) -> Error) -> Result<Option<String>> {
        self.rest = self.rest.trim_start();
        let mut item = String::new();
        let mut quoted = false;
        let mut escaped = false;
        // Blanks behind an item are not part of it, unless quoted or escaped.
        let mut keep = 0;
        let mut letters = self.rest.chars();
        loop {
            let before = letters.as_str();
            let Some(c) = letters.next() else { return Err(malformed("Unexpected end of input.")) };
            match c {
                '\\' => {
                    item.push(letters.next().ok_or_else(|| malformed("Unexpected end of input."))?);
                    escaped = true;
                    keep = item.len();
                }
                '"' if !quoted && !item.is_empty() => return Err(malformed("Unexpected array element.")),
                '"' => {
                    quoted = true;
                    loop {
                        match letters.next() {
                            Some('"') => break,
                            Some('\\') => item.push(letters.next().ok_or_else(|| malformed("Unexpected end of input."))?),
                            Some(c) => item.push(c),
                            None => return Err(malformed("Unexpected end of input.")),
                        }
                    }
                    keep = item.len();
                }
                ',' | '}' => {
                    self.rest = before;
                    break;
                }
                '{' if quoted || !item.is_empty() => return Err(malformed("Unexpected \"{\" character.")),
                '{' => {
                    let error = Error::unsupported("multidimensional arrays are not supported as input");
                    return Err(error.hint("Use an array of one dimension, or jsonb."));
                }
                c => {
                    item.push(c);
                    if !c.is_ascii_whitespace() {
                        if quoted {
                            return Err(malformed("Unexpected array element."));
                        }
                        keep = item.len();
                    }
                }
            }
        }
        item.truncate(keep);
        if item.is_empty() && !quoted {
            return Err(malformed(&format!("Unexpected \"{}\" character.", &self.rest[..1])));
        }
        Ok(Some(item).filter(|i| quoted || escaped || !i.eq_ignore_ascii_case("NULL")))
    }
}
