//! `U&'d\0061ta'` is the literal `'data'`, and `U&'d!0061ta' UESCAPE '!'` is too (manual, chapter 4.1.2.3). sqlparser reads the first with a
//! backslash only, and DataFusion has no such literals.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::is_word;
use super::split::{LineIndex, char_position};
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

/// The text of a literal that `written` begins with.
fn decoded(written: &str, escape: char) -> Result<String> {
    if escape.is_ascii_hexdigit() || escape.is_whitespace() || ['+', '\'', '"'].contains(&escape) {
        return Err(Error::syntax("invalid Unicode escape character"));
    }
    let wrong = || {
        let hint = format!("Unicode escapes must be {escape}XXXX or {escape}+XXXXXX.");
        Error::syntax("invalid Unicode escape").hint(hint)
    };
    let mut rest = written.split_once('\'').map_or("", |(_, rest)| rest);
    let mut text = String::new();
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        if c == '\'' || c == escape {
            if let Some(more) = rest.strip_prefix(c) {
                text.push(c);
                rest = more;
                continue;
            }
            if c == '\'' {
                break;
            }
            let (digits, length) = rest.strip_prefix('+').map_or((rest, 4), |more| (more, 6));
            let digits = digits.get(..length).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit())).ok_or_else(wrong)?;
            let number = u32::from_str_radix(digits, 16).ok().and_then(char::from_u32).filter(|c| *c != '\0');
            text.push(number.ok_or_else(wrong)?);
            rest = &rest[length + usize::from(length == 6)..];
        } else {
            text.push(c);
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::decoded;

    #[test]
    fn escapes_are_read() {
        let read = |written: &str| decoded(written, '!').map_err(|e| e.message().to_string());
        assert_eq!(read("U&'d!0061!+000074é''!!' x"), Ok("daté'!".into()));
        assert_eq!(read("u&'!00g1'"), Err("invalid Unicode escape".into()));
        assert_eq!(read("u&'!00'"), Err("invalid Unicode escape".into()));
        assert!(decoded("u&'a'", 'a').is_err());
    }
}
