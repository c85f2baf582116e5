//! Where in a statement stands what an error names: DataFusion plans a syntax tree and says names, not places.

mod operands;

use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use super::split::char_position;
use crate::error::{Error, code};

/// Errors whose message begins with the name of what is wrong.
const NAMING: [&str; 5] =
    [code::UNDEFINED_COLUMN, code::UNDEFINED_TABLE, code::UNDEFINED_FUNCTION, code::AMBIGUOUS_COLUMN, code::GROUPING_ERROR];

/// The error with the position in `sql` of the name it is about, if it has none yet and the name is there. Cost O(length of `sql`).
pub fn located(sql: &str, error: Error) -> Error {
    // A function may be given what it does not take by another SQLSTATE too.
    let of_type = error.code() == code::UNDEFINED_OBJECT && error.message().starts_with("type ");
    let of_window = error.code() == code::UNDEFINED_OBJECT && error.message().starts_with("window ");
    let of_call = error.code() == code::WRONG_OBJECT_TYPE && called(error.message()).is_some();
    let misused = error.code() == code::DATATYPE_MISMATCH && error.message().starts_with("function ");
    // What a function's body says is of another text.
    let of_operand = error.fields().context.is_none() && operands::place_is_known(error.message());
    if error.fields().position.is_some() || !NAMING.contains(&error.code()) && !misused && !of_call && !of_type && !of_window && !of_operand
    {
        return error;
    }
    let name = named(error.message());
    if name.is_none() && !of_operand {
        return error;
    }
    let dialect = PostgreSqlDialect {};
    let Ok(tokens) = Tokenizer::new(&dialect, sql).tokenize_with_location() else { return error };
    let tokens: Vec<TokenWithSpan> = tokens.into_iter().filter(|t| !matches!(t.token, Token::Whitespace(_))).collect();
    let found = if of_operand { operands::find(&tokens, &error) } else { name.and_then(|name| find(&tokens, name)) };
    match found {
        Some(token) => error.at(char_position(sql, token.span.start)),
        None => error,
    }
}

/// The name that a message is about: in double quotes, or the function's.
fn named(message: &str) -> Option<&str> {
    if let Some(rest) = message.strip_prefix("function ") {
        return rest.split(['(', ' ']).next();
    }
    called(message).or_else(|| message.split('"').nth(1))
}

/// The function that is called as it cannot be.
fn called(message: &str) -> Option<&str> {
    let rest = message.strip_prefix("window function ").or_else(|| message.split_once(" specified, but ").map(|(_, rest)| rest))?;
    rest.split(' ').next()
}

/// True for a token that is this name.
fn is(token: &Token, name: &str) -> bool {
    match token {
        Token::Word(w) if w.quote_style.is_some() => w.value == name,
        Token::Word(w) => w.value.eq_ignore_ascii_case(name),
        _ => false,
    }
}

/// The first token of the name, of all its parts if they stand together, else of its last. A label behind AS is not meant.
fn find<'a>(tokens: &'a [TokenWithSpan], name: &str) -> Option<&'a TokenWithSpan> {
    let last = name.rsplit('.').next()?;
    let labels = |i: usize| i > 0 && matches!(&tokens[i - 1].token, Token::Word(w) if w.keyword == Keyword::AS);
    let at = (0..tokens.len()).find(|i| is(&tokens[*i].token, last) && !labels(*i))?;
    let qualified = at >= 2 && tokens[at - 1].token == Token::Period && matches!(tokens[at - 2].token, Token::Word(_));
    Some(&tokens[if qualified { at - 2 } else { at }])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_where_it_stands() {
        let at = |sql: &str, code: &'static str, message: &str| located(sql, Error::new(code, message)).fields().position;
        assert_eq!(at("select é, aa from s", code::UNDEFINED_COLUMN, "column \"aa\" does not exist"), Some(11));
        assert_eq!(at("select 'aa', s.AA from s", code::UNDEFINED_COLUMN, "column \"s.aa\" does not exist"), Some(14));
        assert_eq!(at("select 1 as aa, aa from s", code::UNDEFINED_COLUMN, "column \"aa\" does not exist"), Some(17));
        assert_eq!(at("select foo (1)", code::UNDEFINED_FUNCTION, "function foo(integer) does not exist"), Some(8));
        assert_eq!(at("select \"Aa\" from s", code::UNDEFINED_COLUMN, "column \"aa\" does not exist"), None);
        assert_eq!(at("select a", code::DIVISION_BY_ZERO, "division by \"a\""), None);
    }
}
