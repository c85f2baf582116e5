//! `ROWS BETWEEN '1'::int PRECEDING ..`, `RANGE '1 day'::interval PRECEDING`: sqlparser takes a quoted text that begins a frame's offset for
//! a whole interval. Such offsets are put into parentheses, where it reads them as what they are.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::is_word;

/// The tokens with parentheses around offsets that begin with a quoted text. Cost O(tokens).
pub(super) fn spelled(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    if !tokens.iter().any(|t| ENDS.iter().any(|end| is_word(&t.token, end))) {
        return tokens;
    }
    let solid: Vec<usize> = (0..tokens.len()).filter(|i| !matches!(tokens[*i].token, Token::Whitespace(_))).collect();
    let at = |i: usize| solid.get(i).map(|i| &tokens[*i].token);
    // The first and the last token of each such offset.
    let offsets = (1..solid.len()).filter(|i| matches!(at(*i), Some(Token::SingleQuotedString(_))) && begins(&at, *i));
    let offsets: Vec<(usize, usize)> = offsets.filter_map(|i| Some((solid[i], solid[end(&at, i)? - 1]))).collect();
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

/// The number of the word that the offset at `i` ends before, if it is one.
fn end<'a>(at: &impl Fn(usize) -> Option<&'a Token>, i: usize) -> Option<usize> {
    let mut depth = 0usize;
    for n in i + 1.. {
        match at(n)? {
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.checked_sub(1)?,
            Token::SemiColon => return None,
            token if depth == 0 && ENDS.iter().any(|word| is_word(token, word)) => return Some(n),
            _ => {}
        }
    }
    None
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
