//! `GROUP BY DISTINCT ..` and `GROUP BY ALL ..` (manual, chapter 7.2.4), whether grouping sets that come twice are one: sqlparser reads neither, and
//! its tree has no place for the former. That is told by a function that stands first among the keys: `GROUP BY DISTINCT ROLLUP (a), ROLLUP (b)` is read
//! as `GROUP BY distinct_sets(), ROLLUP (a), ROLLUP (b)`. ALL says nothing.

use sqlparser::ast::Expr;
use sqlparser::tokenizer::{Token, TokenWithSpan, Whitespace};

use super::{is_word, solid};

const MARKER: &str = "distinct_sets";

/// True for what tells, among the keys of GROUP BY, that each grouping set counts once.
pub fn is_marker(key: &Expr) -> bool {
    matches!(key, Expr::Function(f) if f.name.to_string() == MARKER)
}

/// The tokens with the word DISTINCT there as that function, and without ALL before a key. Cost O(tokens).
pub(super) fn spelled(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    if !tokens.iter().any(|t| is_word(&t.token, "group")) {
        return tokens;
    }
    let solid = solid(&tokens);
    let token = |i: usize| solid.get(i).map(|at| &tokens[*at].token);
    let is = |i: usize, word: &str| token(i).is_some_and(|t| is_word(t, word));
    // Both words are reserved, so that no key is called so.
    let is_key = |i: usize| match token(i) {
        Some(Token::Word(word)) => word.quote_style.is_some() || !["having", "window", "order", "limit"].iter().any(|end| is(i, end)),
        Some(token) => !matches!(token, Token::Comma | Token::RParen | Token::SemiColon | Token::EOF),
        None => false,
    };
    let groups = (2..solid.len()).filter(|i| is(i - 2, "group") && is(i - 1, "by") && is_key(i + 1));
    let told: Vec<(usize, bool)> = groups.filter(|i| is(*i, "distinct") || is(*i, "all")).map(|i| (solid[i], is(i, "distinct"))).collect();
    let mut told = told.into_iter().peekable();
    let mut out = Vec::with_capacity(tokens.len());
    for (at, token) in tokens.into_iter().enumerate() {
        let span = token.span;
        let put = |token: Token| TokenWithSpan { token, span };
        match told.next_if(|(word, _)| *word == at) {
            Some((_, true)) => out.extend([Token::make_word(MARKER, None), Token::LParen, Token::RParen, Token::Comma].map(put)),
            Some((_, false)) => out.push(put(Token::Whitespace(Whitespace::Space))),
            None => out.push(token),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::dialect::Postgres;
    use sqlparser::tokenizer::Tokenizer;

    fn spelled_out(sql: &str) -> String {
        let tokens = Tokenizer::new(&Postgres, sql).tokenize_with_location().unwrap();
        spelled(tokens).iter().map(|t| t.token.to_string()).collect()
    }

    #[test]
    fn what_stands_before_the_keys_is_told_by_a_function() {
        assert_eq!(spelled_out("group by distinct rollup (a)"), "group by distinct_sets(), rollup (a)");
        assert_eq!(spelled_out("group  by /* all */ distinct (a, b)"), "group  by /* all */ distinct_sets(), (a, b)");
        assert_eq!(spelled_out("group by distinct 1, rollup (2)"), "group by distinct_sets(), 1, rollup (2)");
        assert_eq!(spelled_out("group by all a"), "group by   a");
        for sql in [
            "group by \"distinct\"",
            "group by a, all_of",
            "group by all",
            "group by all order by a",
            "select distinct a, \"group\" from t",
        ] {
            assert_eq!(spelled_out(sql), sql);
        }
    }
}
