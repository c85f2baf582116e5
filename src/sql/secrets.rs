//! Passwords in the text of statements: wherever a text is kept or shown, it goes through [`redacted`] first.

use std::borrow::Cow;

use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use super::split::LineIndex;

/// What stands in the place of a password.
const MASK: &str = "'********'";
/// Statements that may have a password in them, by their first word; those behind the second may have a statement inside.
const FIRST: [&str; 6] = ["create", "alter", "prepare", "explain", "set", "do"];

/// The text without passwords: in a statement about roles no string literal is left, in any other none that follows the word PASSWORD.
pub fn redacted(text: &str) -> Cow<'_, str> {
    if !may_have_secrets(text) {
        return Cow::Borrowed(text);
    }
    let tokens = Tokenizer::new(&PostgreSqlDialect {}, text).tokenize_with_location();
    let Ok(tokens) = tokens else {
        // Not even tokens: an open quote, say. What is behind the first quote is not shown.
        let end = text.find(['\'', '$']).unwrap_or(text.len());
        return Cow::Owned(format!("{}{}", &text[..end], if end < text.len() { MASK } else { "" }));
    };
    let tokens: Vec<TokenWithSpan> = tokens.into_iter().filter(|t| !matches!(t.token, Token::Whitespace(_) | Token::EOF)).collect();
    let about_roles = is_about_roles(&tokens) || has_body(&tokens) && text.to_ascii_lowercase().contains("password");
    let mut lines = LineIndex::new(text);
    let (mut shown, mut copied) = (String::with_capacity(text.len()), 0);
    for (i, token) in tokens.iter().enumerate() {
        let after_password = i > 0 && word(&tokens[i - 1]) == "password";
        if is_literal(&token.token) && (about_roles || after_password) {
            shown.push_str(&text[copied..lines.byte(token.span.start)]);
            shown.push_str(MASK);
            copied = lines.byte(token.span.end);
        }
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    shown.push_str(&text[copied..]);
    Cow::Owned(shown)
}

/// True if the text may be one that has to be looked at; false, cheaply, for what most statements are.
fn may_have_secrets(text: &str) -> bool {
    let first: String = text.trim_start().chars().take_while(|c| c.is_ascii_alphabetic()).collect::<String>().to_ascii_lowercase();
    // A statement behind a comment is looked at to be sure.
    let known = first.is_empty() || FIRST.contains(&first.as_str());
    known && text.contains(['\'', '$'])
}

/// True for `CREATE|ALTER ROLE|USER|GROUP ..`, within PREPARE and EXPLAIN too.
fn is_about_roles(tokens: &[TokenWithSpan]) -> bool {
    let mut pairs = tokens.windows(2).take(16);
    pairs.any(|pair| matches!(word(&pair[0]).as_str(), "create" | "alter") && matches!(word(&pair[1]).as_str(), "role" | "user" | "group"))
}

/// True for DO and CREATE FUNCTION and its kin, whose literals are statements that may be about roles.
fn has_body(tokens: &[TokenWithSpan]) -> bool {
    tokens.iter().take(4).any(|token| matches!(word(token).as_str(), "do" | "function" | "procedure"))
}

fn word(token: &TokenWithSpan) -> String {
    match &token.token {
        Token::Word(w) if w.quote_style.is_none() => w.value.to_ascii_lowercase(),
        _ => String::new(),
    }
}

fn is_literal(token: &Token) -> bool {
    matches!(
        token,
        Token::SingleQuotedString(_)
            | Token::EscapedStringLiteral(_)
            | Token::UnicodeStringLiteral(_)
            | Token::NationalStringLiteral(_)
            | Token::HexStringLiteral(_)
            | Token::DollarQuotedString(_)
    )
}

#[cfg(test)]
mod tests {
    use super::redacted;

    #[test]
    fn passwords_are_masked_and_all_else_is_left() {
        let cases = [
            ("CREATE ROLE a LOGIN PASSWORD 'se''cret' SUPERUSER", "CREATE ROLE a LOGIN PASSWORD '********' SUPERUSER"),
            ("/* é */ alter user a password $$secret$$", "/* é */ alter user a password '********'"),
            ("CREATE USER a PASWORD E'sec\\'ret'", "CREATE USER a PASWORD '********'"),
            ("PREPARE p AS CREATE ROLE a PASSWORD 'secret'", "PREPARE p AS CREATE ROLE a PASSWORD '********'"),
            ("CREATE ROLE a PASSWORD 'secret", "CREATE ROLE a PASSWORD '********'"),
            ("DO $$ BEGIN CREATE ROLE a PASSWORD 'secret'; END $$", "DO '********'"),
            ("DO $$ BEGIN CREATE TABLE t (a int); END $$", "DO $$ BEGIN CREATE TABLE t (a int); END $$"),
            ("CREATE FUNCTION f() AS 'ALTER USER a PASSWORD ''b''' LANGUAGE sql", "CREATE FUNCTION f() AS '********' LANGUAGE sql"),
            ("CREATE VIEW v AS SELECT 'x' AS password", "CREATE VIEW v AS SELECT 'x' AS password"),
            ("SELECT 'x' WHERE password = 'y'", "SELECT 'x' WHERE password = 'y'"),
        ];
        for (text, shown) in cases {
            assert_eq!(redacted(text), shown);
        }
    }
}
