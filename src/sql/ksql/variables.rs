//! Variables of a script: `DEFINE name = 'value'` makes one, `${name}` stands for its value, `$${name}` for itself.

use std::collections::HashMap;

use super::ast::Place;
use super::lex::{Lexeme, Lexer};
use crate::error::{Error, Result, code};

/// `text` with the values of its variables, which are looked for in strings and in quoted names too, but not in comments. Names match
/// whatever their case. A value takes the place of one token, or of a part of a quoted one: it cannot bring in further clauses.
/// Errors: 42704 for a variable that is not defined, 22023 for a value that is more than one name, number or string.
pub fn variables(text: &str, values: &HashMap<String, String>) -> Result<String> {
    if !text.contains("${") {
        return Ok(text.to_string());
    }
    let mut out = String::with_capacity(text.len());
    let mut quote: Option<char> = None;
    let (mut rest, mut at): (&str, Place) = (text, 1);
    while let Some(first) = rest.chars().next() {
        let mut length = first.len_utf8();
        match quote {
            None if rest.starts_with("--") => length = rest.find('\n').unwrap_or(rest.len()),
            None if rest.starts_with("/*") => length = comment_length(rest),
            None if matches!(first, '\'' | '"' | '`') => quote = Some(first),
            // A doubled quote closes and opens again, which comes to the same.
            Some(open) if first == open => quote = None,
            _ => {}
        }
        let (piece, behind) = rest.split_at(length);
        if piece.starts_with('$') && rest.starts_with("$${") {
            out.push_str("${");
            rest = rest.get(3..).unwrap_or_default();
            at += 3;
            continue;
        }
        if let Some(name) = named(rest) {
            out.push_str(&value(name, quote, at, values)?);
            rest = rest.get(name.len() + 3..).unwrap_or_default();
            at += name.len() + 3;
            continue;
        }
        out.push_str(piece);
        at += piece.chars().count();
        rest = behind;
    }
    Ok(out)
}

fn comment_length(rest: &str) -> usize {
    rest.get(2..).and_then(|r| r.find("*/")).map_or(rest.len(), |i| i + 4)
}

/// The name in `${name}` at the beginning of `rest`.
fn named(rest: &str) -> Option<&str> {
    let name = rest.strip_prefix("${")?.split_once('}')?.0;
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '@');
    let begins = |c: char| c.is_ascii_alphabetic() || c == '_';
    (name.starts_with(begins) && name.chars().all(fits)).then_some(name)
}

fn value(name: &str, quote: Option<char>, at: Place, values: &HashMap<String, String>) -> Result<String> {
    // The smallest of several names that differ in case only, so that the order of the map does not matter.
    let found = values.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).min();
    let Some((_, value)) = found else {
        let error = Error::new(code::UNDEFINED_OBJECT, format!("variable \"{name}\" is not defined")).at(at);
        return Err(error.hint(format!("Write DEFINE {name} = 'value' first, or $${{{name}}} if no variable is meant.")));
    };
    match quote {
        Some(quote) => Ok(value.replace(quote, &format!("{quote}{quote}"))),
        None if is_one_token(value) => Ok(value.clone()),
        None => {
            let message = format!("the value of variable \"{name}\" is not one name, number or string");
            let error = Error::new(code::INVALID_PARAMETER_VALUE, message).at(at);
            Err(error.hint(format!("Write '${{{name}}}' for a string, `${{{name}}}` for a name.")))
        }
    }
}

fn is_one_token(value: &str) -> bool {
    let tokens: Vec<_> = Lexer::new(value).take(3).collect();
    // Nothing but the token: a comment behind it could swallow what follows.
    let alone = tokens.first().is_some_and(|t| t.start == 0) && tokens.last().is_some_and(|t| t.end == value.len());
    let number = |t: &Lexeme| matches!(t, Lexeme::Integer(_) | Lexeme::Decimal(_) | Lexeme::Double(_));
    let kinds: Vec<&Lexeme> = tokens.iter().map(|t| &t.kind).collect();
    alone
        && match kinds.as_slice() {
            [Lexeme::Sign("-"), n] => number(n),
            [Lexeme::Word(_) | Lexeme::Quoted(_) | Lexeme::Text(_)] => true,
            [n] => number(n),
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_take_the_place_of_names() {
        let values = [("topic", "it's"), ("N", "-5"), ("s", "'x'"), ("two", "a b"), ("bad", "a--")];
        let values: HashMap<String, String> = values.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
        let cases = [
            ("a ${n} '${Topic}!' `${topic}`", "a -5 'it''s!' `it's`"),
            ("${s} -- ${none}\n/* ${none} */ $${n} ${} $", "'x' -- ${none}\n/* ${none} */ ${n} ${} $"),
            ("'it''s ${n}' \"ä\" ${N}", "'it''s -5' \"ä\" -5"),
        ];
        for (text, expected) in cases {
            assert_eq!(variables(text, &values).unwrap(), expected, "{text}");
        }
        for (text, code, at) in [("ä ${none}", "42704", 3), ("'${none}'", "42704", 2), ("${two}", "22023", 1), ("${bad}", "22023", 1)] {
            let error = variables(text, &values).unwrap_err();
            assert_eq!((error.code(), error.fields().position), (code, Some(at)), "{text}");
        }
    }
}
