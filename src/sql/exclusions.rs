//! EXCLUDE behind a frame (manual, chapter 4.2.8), which sqlparser does not read and whose tree has no place for it. What a frame leaves out is
//! told by a function that stands first in PARTITION BY: `(PARTITION BY a ORDER BY b ROWS 1 PRECEDING EXCLUDE TIES)` is read as
//! `(PARTITION BY excluding_ties(), a ORDER BY b ROWS 1 PRECEDING)`. EXCLUDE NO OTHERS says nothing.

use sqlparser::ast::Expr;
use sqlparser::tokenizer::{Token, TokenWithSpan, Whitespace};

use super::{is_word, solid};
use crate::func::excluding::{Exclusion, is_marker};

/// What may stand behind EXCLUDE, and what it leaves out.
const CLAUSES: [(&[&str], Option<Exclusion>); 4] = [
    (&["current", "row"], Some(Exclusion::CurrentRow)),
    (&["group"], Some(Exclusion::Group)),
    (&["ties"], Some(Exclusion::Ties)),
    (&["no", "others"], None),
];

/// The words that a frame may end with.
const ENDS: [&str; 3] = ["row", "preceding", "following"];

/// The words that a window may begin with if it does not name another one.
const BEGINS: [&str; 5] = ["partition", "order", "rows", "range", "groups"];

/// True for what tells that a frame leaves rows out, among the expressions of PARTITION BY.
pub fn is_exclusion(by: &Expr) -> bool {
    matches!(by, Expr::Function(f) if is_marker(&f.name.to_string()))
}

/// The tokens with such clauses spelled as functions. Cost O(tokens).
pub(super) fn spelled(mut tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    if !tokens.iter().any(|t| is_word(&t.token, "exclude")) {
        return tokens;
    }
    let solid = solid(&tokens);
    let at = |i: usize| solid.get(i).map(|i| &tokens[*i].token);
    let is = |i: usize, word: &str| at(i).is_some_and(|t| is_word(t, word));
    let (mut blank, mut open) = (Vec::new(), Vec::new());
    // Tokens that come in, and behind which one.
    let mut put: Vec<(usize, Vec<Token>)> = Vec::new();
    for i in 0..solid.len() {
        match at(i) {
            Some(Token::LParen) => open.push(i),
            Some(Token::RParen) => _ = open.pop(),
            _ if i > 0 && is(i, "exclude") && ENDS.iter().any(|word| is(i - 1, word)) => {
                let said = |words: &[&str]| words.iter().enumerate().all(|(n, word)| is(i + 1 + n, word));
                let ends = |words: &[&str]| at(i + 1 + words.len()) == Some(&Token::RParen);
                let Some((words, exclusion)) = CLAUSES.iter().find(|(words, _)| said(words) && ends(words)) else { continue };
                let Some(begin) = open.last().copied() else { continue };
                blank.extend_from_slice(&solid[i..=i + words.len()]);
                let Some(exclusion) = exclusion else { continue };
                let names_another = matches!(at(begin + 1), Some(Token::Word(_))) && !BEGINS.iter().any(|word| is(begin + 1, word));
                let after = begin + usize::from(names_another);
                let marker = [Token::make_word(exclusion.marker(), None), Token::LParen, Token::RParen];
                if is(after + 1, "partition") && is(after + 2, "by") {
                    put.push((solid[after + 2], marker.into_iter().chain([Token::Comma]).collect()));
                } else {
                    let by = ["PARTITION", "BY"].map(|word| Token::make_word(word, None));
                    put.push((solid[after], by.into_iter().chain(marker).collect()));
                }
            }
            _ => {}
        }
    }
    for i in blank {
        tokens[i].token = Token::Whitespace(Whitespace::Space);
    }
    put.sort_by_key(|(after, _)| *after);
    let mut put = put.into_iter().peekable();
    let mut out = Vec::with_capacity(tokens.len());
    for (i, token) in tokens.into_iter().enumerate() {
        let span = token.span;
        out.push(token);
        if let Some((_, new)) = put.next_if(|(after, _)| *after == i) {
            out.extend(new.into_iter().map(|token| TokenWithSpan { token, span }));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::{Statement, parse};

    fn read(window: &str) -> String {
        match parse(&format!("SELECT sum(a) OVER ({window}) FROM t")) {
            Ok(Statement::Query(query)) => query.to_string().replace("SELECT sum(a) OVER (", "").replace(") FROM t", ""),
            Ok(_) => panic!("not a query"),
            Err(e) => e.code().to_string(),
        }
    }

    #[test]
    fn what_is_left_out_is_told_first_in_partition_by() {
        let frame = "ROWS BETWEEN 1 PRECEDING AND CURRENT ROW";
        for (written, expected) in [
            ("ORDER BY a {} EXCLUDE CURRENT ROW", "PARTITION BY excluding_current_row() ORDER BY a {}"),
            ("PARTITION BY b, c ORDER BY a {} exclude ties", "PARTITION BY excluding_ties(), b, c ORDER BY a {}"),
            ("w {} EXCLUDE GROUP", "w PARTITION BY excluding_group() {}"),
            ("\"order\" {} EXCLUDE GROUP", "\"order\" PARTITION BY excluding_group() {}"),
            ("{} EXCLUDE /* but */ TIES", "PARTITION BY excluding_ties() {}"),
            ("ORDER BY (a) {} EXCLUDE NO OTHERS", "ORDER BY (a) {}"),
            (
                "PARTITION BY (SELECT max(b) OVER (ORDER BY c {} EXCLUDE TIES) FROM u) {} EXCLUDE GROUP",
                "PARTITION BY excluding_group(), (SELECT max(b) OVER (PARTITION BY excluding_ties() ORDER BY c {}) FROM u) {}",
            ),
        ] {
            assert_eq!(read(&written.replace("{}", frame)), expected.replace("{}", frame), "{written}");
        }
        for wrong in
            ["ORDER BY a EXCLUDE TIES", "ROWS CURRENT ROW EXCLUDE", "ROWS CURRENT ROW EXCLUDE PEERS", "ROWS CURRENT ROW EXCLUDE NO"]
        {
            assert_eq!(read(wrong), "42601", "{wrong}");
        }
    }
}
