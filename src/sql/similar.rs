//! `substring(text SIMILAR pattern ESCAPE escape)` is the standard's later spelling of `substring(text FROM pattern FOR escape)` (manual,
//! chapter 9.7.2); sqlparser reads the latter only.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::{is_word, solid};

/// The tokens with such calls spelled so. Cost O(tokens).
pub(super) fn spelled(mut tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    if !tokens.iter().any(|t| is_word(&t.token, "similar")) {
        return tokens;
    }
    let solid = solid(&tokens);
    let is = |i: usize, word: &str| solid.get(i).is_some_and(|i| is_word(&tokens[*i].token, word));
    // For each open parenthesis, whether it is that of a call of substring, and where its SIMILAR stands.
    let mut open: Vec<(bool, Option<usize>)> = Vec::new();
    let mut spelt: Vec<(usize, &str)> = Vec::new();
    for (i, at) in solid.iter().copied().enumerate() {
        match &tokens[at].token {
            Token::LParen => open.push((i > 0 && is(i - 1, "substring"), None)),
            Token::RParen => _ = open.pop(),
            _ => {
                let Some((true, similar)) = open.last_mut() else { continue };
                if is(i, "similar") && !is(i + 1, "to") {
                    *similar = Some(at);
                } else if is(i, "escape")
                    && let Some(similar) = similar.take()
                {
                    spelt.extend([(similar, "FROM"), (at, "FOR")]);
                }
            }
        }
    }
    for (at, word) in spelt {
        tokens[at].token = Token::make_word(word, None);
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::super::{Statement, parse};

    #[test]
    fn both_spellings_are_one() {
        let read = |sql: &str| match parse(sql) {
            Ok(Statement::Query(query)) => query.to_string(),
            _ => panic!("{sql}"),
        };
        assert_eq!(read("SELECT substring(a SIMILAR 'b' ESCAPE '#')"), read("SELECT substring(a FROM 'b' FOR '#')"));
        assert_eq!(read("SELECT substring((a SIMILAR TO 'b' ESCAPE '#')::text, 1)").matches("SIMILAR TO").count(), 1);
    }
}
