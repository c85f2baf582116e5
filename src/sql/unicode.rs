//! `U&'d\0061ta'` is the literal `'data'`, and `U&'d!0061ta' UESCAPE '!'` is too (manual, chapter 4.1.2.3). sqlparser reads the first with a
//! backslash only, and DataFusion has no such literals.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::is_word;
use super::split::{LineIndex, char_position};
use crate::data::escapes::unescaped;
use crate::error::{Error, Result};

/// The tokens of `sql` with such literals as plain ones. Cost O(tokens). Errors: 42601 for escapes that are none, with their literal's
/// position.
pub(super) fn spelled(sql: &str, tokens: Vec<TokenWithSpan>) -> Result<Vec<TokenWithSpan>> {
    if !tokens.iter().any(|t| matches!(t.token, Token::UnicodeStringLiteral(_))) {
        return Ok(tokens);
    }
    let (mut plain, mut lines, mut at) = (Vec::with_capacity(tokens.len()), LineIndex::new(sql), 0);
    while let Some(token) = tokens.get(at) {
        at += 1;
        let Token::UnicodeStringLiteral(text) = &token.token else {
            plain.push(token.clone());
            continue;
        };
        let mut text = text.clone();
        if let Some((escape, behind)) = escape(&tokens, at) {
            let written = &sql[lines.byte(token.span.start)..];
            text = decoded(written, escape).map_err(|e| e.at(char_position(sql, token.span.start)))?;
            at = behind;
        }
        plain.push(TokenWithSpan::new(Token::SingleQuotedString(text), token.span));
    }
    Ok(plain)
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

/// The text of a literal that `written` begins with. Errors: 42601.
fn decoded(written: &str, escape: char) -> Result<String> {
    if escape.is_ascii_hexdigit() || escape.is_whitespace() || ['+', '\'', '"'].contains(&escape) {
        return Err(Error::syntax("invalid Unicode escape character"));
    }
    let mut rest = written.split_once('\'').map_or("", |(_, rest)| rest);
    let mut text = String::new();
    while let Some((before, behind)) = rest.split_once('\'') {
        text.push_str(before);
        let Some(behind) = behind.strip_prefix('\'') else { break };
        text.push('\'');
        rest = behind;
    }
    unescaped(&text, escape, false)
}

#[cfg(test)]
mod tests {
    use super::decoded;

    #[test]
    fn a_literal_ends_at_its_quote() {
        let read = |written: &str| decoded(written, '!').map_err(|e| e.message().to_string());
        assert_eq!(read("U&'d!0061!+000074é''!!' x"), Ok("daté'!".into()));
        assert_eq!(read("u&'' 'x'"), Ok("".into()));
        assert_eq!(read("u&'!00'"), Err("invalid Unicode escape".into()));
        assert!(decoded("u&'a'", 'a').is_err());
    }
}
