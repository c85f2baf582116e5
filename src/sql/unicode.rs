//! `U&'d\0061ta'` is the literal `'data'`, and `U&'d!0061ta' UESCAPE '!'` is too (manual, chapter 4.1.2.3). sqlparser would read the first with
//! a backslash only, and each escape as a character of its own, where two may make one; DataFusion has no such literals. The dialect has none
//! either, so such a literal is a word, an operator and a text.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::is_word;
use super::split::char_position;
use crate::data::escapes::unescaped;
use crate::error::{Error, Result};

/// The tokens of `sql` with such literals as plain ones. Cost O(tokens). Errors: 42601 for escapes that are none, with their literal's
/// position.
pub(super) fn spelled(sql: &str, tokens: Vec<TokenWithSpan>) -> Result<Vec<TokenWithSpan>> {
    if !(0..tokens.len()).any(|at| literal(&tokens, at).is_some()) {
        return Ok(tokens);
    }
    let (mut plain, mut at) = (Vec::with_capacity(tokens.len()), 0);
    while let Some(token) = tokens.get(at) {
        let Some(text) = literal(&tokens, at) else {
            plain.push(token.clone());
            at += 1;
            continue;
        };
        let (escape, behind) = escape(&tokens, at + 3).unwrap_or(('\\', at + 3));
        let text = decoded(text, escape).map_err(|e| e.at(char_position(sql, token.span.start)))?;
        plain.push(TokenWithSpan::new(Token::SingleQuotedString(text), token.span));
        at = behind;
    }
    Ok(plain)
}

/// What is between the quotes of the literal that begins at `at`, if one does: nothing stands between its parts.
fn literal(tokens: &[TokenWithSpan], at: usize) -> Option<&str> {
    let [word, sign, text] = tokens.get(at..at + 3)? else { return None };
    let adjoin = word.span.end == sign.span.start && sign.span.end == text.span.start;
    match (&sign.token, &text.token) {
        (Token::Ampersand, Token::SingleQuotedString(text)) if adjoin && is_word(&word.token, "u") => Some(text),
        _ => None,
    }
}

/// The character that UESCAPE at `at` names, and where it ends.
fn escape(tokens: &[TokenWithSpan], at: usize) -> Option<(char, usize)> {
    let solid = |from: usize| (from..tokens.len()).find(|i| !matches!(tokens[*i].token, Token::Whitespace(_)));
    let word = solid(at).filter(|i| is_word(&tokens[*i].token, "uescape"))?;
    let named = solid(word + 1)?;
    match &tokens[named].token {
        Token::SingleQuotedString(text) if text.chars().count() == 1 => Some((text.chars().next()?, named + 1)),
        _ => None,
    }
}

/// The text of a literal. Errors: 42601.
fn decoded(text: &str, escape: char) -> Result<String> {
    if escape.is_ascii_hexdigit() || escape.is_whitespace() || ['+', '\'', '"'].contains(&escape) {
        return Err(Error::syntax("invalid Unicode escape character"));
    }
    unescaped(text, escape, false)
}

#[cfg(test)]
mod tests {
    use super::super::{Statement, parse};

    #[test]
    fn escapes_of_literals_are_read() {
        let read = |literal: &str| match parse(&format!("SELECT {literal}")) {
            Ok(Statement::Query(query)) => query.to_string(),
            Ok(_) => panic!("not a query"),
            Err(e) => format!("{} {:?}", e.message(), e.fields().position),
        };
        assert_eq!(read("U&'d\\0061t''\\+0000e9'"), "SELECT 'dat''é'");
        assert_eq!(read("u&'d!0061!!' UESCAPE '!'"), "SELECT 'da!'");
        assert_eq!(read("U&'\\D83D\\DE00'"), "SELECT '😀'");
        assert_eq!(read("U&'\\D83D'"), "invalid Unicode surrogate pair Some(8)");
        assert_eq!(read("u & 'x'"), "SELECT u & 'x'");
        assert_eq!(read("u&'a' UESCAPE 'a'"), "invalid Unicode escape character Some(8)");
    }
}
