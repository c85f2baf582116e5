//! A keyword behind a point is a name: `t.current_user` is a column, `pg_catalog.current_user()` a function. sqlparser reads such words as
//! it does where they stand alone.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::is_word;

/// What PostgreSQL's grammar calls without parentheses, or with words between the arguments.
const KEYWORDS: [&str; 6] = ["current_user", "session_user", "user", "current_catalog", "current_role", "substring"];

/// The tokens with such words as quoted names.
pub(super) fn spelled(mut tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut behind_point = false;
    for token in tokens.iter_mut().filter(|t| !matches!(t.token, Token::Whitespace(_))) {
        let keyword = KEYWORDS.iter().find(|keyword| behind_point && is_word(&token.token, keyword));
        if let (Some(keyword), Token::Word(word)) = (keyword, &mut token.token) {
            (word.value, word.quote_style, word.keyword) = (keyword.to_string(), Some('"'), Keyword::NoKeyword);
        }
        behind_point = token.token == Token::Period;
    }
    tokens
}
