//! `a<>-1`, `j->-1`: an operator does not end with a sign unless it has a character that no operator of the standard has (manual,
//! chapter 4.1.3). sqlparser takes the sign for a part of the operator.

use sqlparser::tokenizer::{Token, TokenWithSpan};

/// Operators with one of these may end with a sign.
const UNUSUAL: [char; 9] = ['~', '!', '@', '#', '%', '^', '&', '|', '`'];

/// The tokens with such signs apart. Cost O(tokens).
pub(super) fn spelled(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    if !tokens.iter().any(|t| apart(&t.token).is_some()) {
        return tokens;
    }
    let mut out = Vec::with_capacity(tokens.len() + 1);
    for token in tokens {
        match apart(&token.token) {
            Some((operator, signs)) => {
                let place = |token: Token, span| TokenWithSpan { token, span };
                out.push(place(operator, token.span));
                out.extend(signs.into_iter().map(|sign| place(sign, token.span)));
            }
            None => out.push(token),
        }
    }
    out
}

/// The operator that it is without the signs at its end, and these.
fn apart(token: &Token) -> Option<(Token, Vec<Token>)> {
    let Token::CustomBinaryOperator(text) = token else { return None };
    let operator = text.trim_end_matches(['+', '-']);
    if operator.len() == text.len() || text.contains(UNUSUAL) || text.contains('?') {
        return None;
    }
    let signs = text[operator.len()..].chars().map(|sign| if sign == '+' { Token::Plus } else { Token::Minus });
    let operator = match operator {
        "<" => Token::Lt,
        ">" => Token::Gt,
        "=" => Token::Eq,
        "<=" => Token::LtEq,
        ">=" => Token::GtEq,
        "<>" => Token::Neq,
        "->" => Token::Arrow,
        "->>" => Token::LongArrow,
        "<<" => Token::ShiftLeft,
        ">>" => Token::ShiftRight,
        _ => return None,
    };
    Some((operator, signs.collect()))
}
