//! `ROWS BETWEEN '1'::int PRECEDING ..`, `RANGE '1 day'::interval PRECEDING`: sqlparser takes a quoted text that begins a frame's offset for
//! a whole interval. Such offsets are put into parentheses, where it reads them as what they are.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::{is_word, solid};

/// The tokens with parentheses around offsets that begin with a quoted text. Cost O(tokens).
pub(super) fn spelled(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    if !tokens.iter().any(|t| ENDS.iter().any(|end| is_word(&t.token, end))) {
        return tokens;
    }
    let solid = solid(&tokens);
    let at = |i: usize| solid.get(i).map(|i| &tokens[*i].token);
    let offsets: Vec<(usize, usize)> = offsets(&at, solid.len()).into_iter().map(|(first, last)| (solid[first], solid[last])).collect();
    if offsets.is_empty() {
        return tokens;
    }
    let mut offsets = offsets.into_iter().peekable();
    let mut out = Vec::with_capacity(tokens.len() + 2 * offsets.len());
    for (i, token) in tokens.into_iter().enumerate() {
        let span = token.span;
        if offsets.peek().is_some_and(|(first, _)| *first == i) {
            out.push(TokenWithSpan { token: Token::LParen, span });
        }
        out.push(token);
        if offsets.next_if(|(_, last)| *last == i).is_some() {
            out.push(TokenWithSpan { token: Token::RParen, span });
        }
    }
    out
}

/// The words that an offset ends before.
const ENDS: [&str; 2] = ["preceding", "following"];
/// The words that a frame begins with.
const UNITS: [&str; 3] = ["rows", "range", "groups"];

/// True if an offset begins at the `i`-th token that is no white space.
fn begins<'a>(at: &impl Fn(usize) -> Option<&'a Token>, i: usize) -> bool {
    let is = |back: usize, words: &[&str]| {
        let token = i.checked_sub(back).and_then(at);
        token.is_some_and(|token| words.iter().any(|word| is_word(token, word)))
    };
    is(1, &UNITS) || is(1, &["between"]) && is(2, &UNITS) || is(1, &["and"]) && (is(2, &ENDS) || is(3, &["current"]) && is(2, &["row"]))
}

/// The first and the last token of each such offset.
fn offsets<'a>(at: &impl Fn(usize) -> Option<&'a Token>, count: usize) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    // For each parenthesis that is open, where an offset began that has not ended.
    let mut open: Vec<Option<usize>> = vec![None];
    for i in 1..count {
        match at(i) {
            Some(Token::LParen) => open.push(None),
            Some(Token::RParen) if open.len() > 1 => _ = open.pop(),
            Some(Token::RParen | Token::SemiColon) => open = vec![None],
            Some(Token::SingleQuotedString(_)) if begins(at, i) => {
                if let Some(begun) = open.last_mut() {
                    *begun = Some(i);
                }
            }
            Some(token) if ENDS.iter().any(|word| is_word(token, word)) => {
                found.extend(open.last_mut().and_then(Option::take).map(|first| (first, i - 1)));
            }
            _ => {}
        }
    }
    found.sort_unstable();
    found
}

#[cfg(test)]
mod tests {
    use super::super::{Statement, parse};

    #[test]
    fn offsets_that_begin_with_a_text_are_read() {
        for (frame, read) in [
            ("ROWS '1' PRECEDING", "ROWS ('1') PRECEDING"),
            ("ROWS BETWEEN '1'::INT PRECEDING AND '2'::INT FOLLOWING", "ROWS BETWEEN ('1'::INT) PRECEDING AND ('2'::INT) FOLLOWING"),
            ("RANGE BETWEEN CURRENT ROW AND '1'::INT + 1 FOLLOWING", "RANGE BETWEEN CURRENT ROW AND ('1'::INT + 1) FOLLOWING"),
            ("ROWS (1) PRECEDING", "ROWS (1) PRECEDING"),
        ] {
            let Ok(Statement::Query(query)) = parse(&format!("SELECT sum(a) OVER (ORDER BY a {frame}) FROM t")) else { panic!("{frame}") };
            assert_eq!(query.to_string(), format!("SELECT sum(a) OVER (ORDER BY a {read}) FROM t"));
        }
    }
}
