//! `a JOIN b LEFT JOIN c ON x ON y` means `a JOIN (b LEFT JOIN c ON x) ON y`: each ON belongs to the last join that has none. sqlparser
//! reads the latter only, so the parentheses are put in beforehand.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan};

/// A join whose ON or USING is still to come.
struct Open {
    /// Where its right side begins.
    right: usize,
    /// True if another join begins within its right side.
    nested: bool,
}

/// The tokens with parentheses around joins that are written without. Cost O(tokens).
pub(super) fn spelled(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    if tokens.iter().filter(|t| keyword(t) == Some(Keyword::JOIN)).count() < 2 {
        return tokens;
    }
    let mut put: Vec<(usize, Token)> = Vec::new();
    // The joins that are open, for each level of parentheses.
    let mut levels: Vec<Vec<Open>> = vec![vec![]];
    let mut before = None;
    for (at, token) in tokens.iter().enumerate() {
        let Some(open) = levels.last_mut() else { return tokens };
        match (&token.token, keyword(token)) {
            (Token::Whitespace(_), _) => continue,
            (Token::LParen, _) => levels.push(vec![]),
            (Token::RParen, _) => drop(levels.pop()),
            (_, Some(Keyword::NATURAL | Keyword::CROSS)) => {}
            (_, Some(Keyword::JOIN)) if !matches!(before, Some(Keyword::CROSS)) => {
                if let Some(outer) = open.last_mut() {
                    outer.nested = true;
                }
                open.push(Open { right: at + 1, nested: false });
            }
            (_, Some(Keyword::ON | Keyword::USING)) => {
                if let Some(join) = open.pop().filter(|join| join.nested) {
                    put.extend([(join.right, Token::LParen), (at, Token::RParen)]);
                }
            }
            (_, Some(Keyword::SELECT | Keyword::WHERE | Keyword::GROUP | Keyword::ORDER | Keyword::UNION)) => open.clear(),
            _ => {}
        }
        before = keyword(token);
    }
    put.sort_by_key(|(at, token)| (*at, *token == Token::LParen));
    let mut put = put.into_iter().peekable();
    let mut out = Vec::with_capacity(tokens.len());
    for (at, token) in tokens.into_iter().enumerate() {
        while let Some((_, parenthesis)) = put.next_if(|(place, _)| *place == at) {
            out.push(TokenWithSpan { token: parenthesis, span: token.span });
        }
        out.push(token);
    }
    out
}

fn keyword(token: &TokenWithSpan) -> Option<Keyword> {
    match &token.token {
        Token::Word(word) if word.quote_style.is_none() => Some(word.keyword),
        _ => None,
    }
}
