//! The places of operators and conditions: the errors about them tell types, and at most the words of the operands.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::is_name as is;
use crate::error::Error;

const OPERATOR: &str = "operator does not exist: ";
const CONDITION: (&str, &str) = ("argument of ", " must be type boolean");

/// True for a message about an operator or a condition.
pub fn place_is_known(message: &str) -> bool {
    sign(message).is_some() || clause(message).is_some()
}

/// True for an error about an operator.
pub fn is_of_operator(error: &Error) -> bool {
    sign(error.message()).is_some()
}

/// The token that PostgreSQL points at: the operator, or where the condition begins. `None` if it may be any of several.
pub fn find<'a>(tokens: &'a [TokenWithSpan], error: &Error) -> Option<&'a TokenWithSpan> {
    let [left, right] = &error.fields().operands;
    let operands = [left.as_deref(), right.as_deref()];
    if let Some(sign) = sign(error.message()) {
        let at = chosen(tokens, |i| is_operator(tokens, i, sign), |i| stands_between(tokens, i, operands), operands)?;
        return tokens.get(at);
    }
    let clause = clause(error.message())?;
    if matches!(clause, "AND" | "OR") {
        return beside_junction(tokens, clause, operands[0]?);
    }
    let follows = |i: usize| operands[0].is_some_and(|operand| is_word(tokens, last_of_name(tokens, i + 1), operand));
    let at = chosen(tokens, |i| opens(tokens, i, clause), follows, operands)?;
    tokens.get(at + 1)
}

/// The place if there is one only, else the first of those that suit the operands.
fn chosen(
    tokens: &[TokenWithSpan],
    may_be: impl Fn(usize) -> bool,
    suits: impl Fn(usize) -> bool,
    operands: [Option<&str>; 2],
) -> Option<usize> {
    let all: Vec<usize> = (0..tokens.len()).filter(|i| may_be(*i)).collect();
    match all.as_slice() {
        [only] => Some(*only),
        _ if operands == [None, None] => None,
        several => several.iter().copied().find(|i| suits(*i)),
    }
}

/// The operator that a message names.
fn sign(message: &str) -> Option<&str> {
    let operation = message.strip_prefix(OPERATOR)?;
    operation.split(' ').find(|word| word.chars().all(|c| "+-*/<>=~!@#%^&|?".contains(c)))
}

/// The clause that a message names.
fn clause(message: &str) -> Option<&str> {
    message.strip_prefix(CONDITION.0)?.split_once(CONDITION.1).map(|(clause, _)| clause)
}

fn keyword(tokens: &[TokenWithSpan], i: usize) -> Option<Keyword> {
    match &tokens.get(i)?.token {
        Token::Word(word) if word.quote_style.is_none() => Some(word.keyword),
        _ => None,
    }
}

/// True where that operator stands, or a construct that PostgreSQL makes of it.
fn is_operator(tokens: &[TokenWithSpan], i: usize, sign: &str) -> bool {
    let next = keyword(tokens, i + 1);
    let denied = i > 0 && keyword(tokens, i - 1) == Some(Keyword::NOT);
    let Some(word) = keyword(tokens, i) else { return tokens[i].token.to_string() == sign };
    match (word, sign) {
        (Keyword::IN | Keyword::LIKE | Keyword::ILIKE | Keyword::BETWEEN, _) if denied => false,
        (Keyword::NOT, "<>" | "=") => next == Some(Keyword::IN),
        (Keyword::NOT, "<" | ">") => next == Some(Keyword::BETWEEN),
        (Keyword::NOT, "!~~") => next == Some(Keyword::LIKE),
        (Keyword::NOT, "!~~*") => next == Some(Keyword::ILIKE),
        (Keyword::IS, "=") => {
            next == Some(Keyword::DISTINCT) || next == Some(Keyword::NOT) && keyword(tokens, i + 2) == Some(Keyword::DISTINCT)
        }
        (Keyword::WHEN, "=") => i > 0 && keyword(tokens, i - 1) != Some(Keyword::CASE),
        (Keyword::IN, "=") | (Keyword::BETWEEN, ">=" | "<=") | (Keyword::LIKE, "~~") | (Keyword::ILIKE, "~~*") => true,
        (_, "=") => is(&tokens[i].token, "nullif"),
        _ => false,
    }
}

/// True if the operands stand on both sides of the operator, as far as they are known. What follows a word may be a list.
fn stands_between(tokens: &[TokenWithSpan], i: usize, [left, right]: [Option<&str>; 2]) -> bool {
    let next = last_of_name(tokens, i + 1);
    let has = |at: Option<usize>, operand: Option<&str>| operand.is_none_or(|operand| is_word(tokens, at, operand));
    match keyword(tokens, i) {
        Some(_) if is(&tokens[i].token, "nullif") => has(last_of_name(tokens, i + 2), left),
        Some(_) => has(i.checked_sub(1), left),
        None => has(i.checked_sub(1), left) && has(next, right),
    }
}

/// The last part of the name that begins at a token.
fn last_of_name(tokens: &[TokenWithSpan], mut at: usize) -> Option<usize> {
    while tokens.get(at + 1).is_some_and(|token| token.token == Token::Period) {
        at += 2;
    }
    (at < tokens.len()).then_some(at)
}

/// The first part of the name that ends at a token.
fn first_of_name(tokens: &[TokenWithSpan], mut at: usize) -> usize {
    while at >= 2 && tokens[at - 1].token == Token::Period {
        at -= 2;
    }
    at
}

/// True if the token is that name or number.
fn is_word(tokens: &[TokenWithSpan], at: Option<usize>, word: &str) -> bool {
    at.and_then(|at| tokens.get(at)).is_some_and(|token| match &token.token {
        Token::Number(number, _) => number == word,
        token => is(token, word),
    })
}

/// True if the token before a condition is there: that of the clause.
fn opens(tokens: &[TokenWithSpan], i: usize, clause: &str) -> bool {
    let filters = i >= 2 && tokens[i - 1].token == Token::LParen && keyword(tokens, i - 2) == Some(Keyword::FILTER);
    match (keyword(tokens, i), clause) {
        (Some(Keyword::WHERE), "FILTER") => filters,
        (Some(Keyword::WHERE), "WHERE") => !filters,
        (Some(Keyword::HAVING), "HAVING") | (Some(Keyword::ON), "JOIN/ON") | (Some(Keyword::WHEN), "CASE/WHEN") => true,
        (Some(Keyword::NOT), "NOT") => i == 0 || keyword(tokens, i - 1) != Some(Keyword::IS),
        _ => false,
    }
}

/// The operand of the first AND or OR that has it on a side.
fn beside_junction<'a>(tokens: &'a [TokenWithSpan], clause: &str, operand: &str) -> Option<&'a TokenWithSpan> {
    let junctions = (1..tokens.len()).filter(|i| is(&tokens[*i].token, clause));
    let mut sides = junctions.filter_map(|i| {
        if is_word(tokens, Some(i - 1), operand) {
            return Some(first_of_name(tokens, i - 1));
        }
        is_word(tokens, last_of_name(tokens, i + 1), operand).then_some(i + 1)
    });
    sides.next().and_then(|at| tokens.get(at))
}

#[cfg(test)]
mod tests {
    use crate::error::{Error, code};
    use crate::sql::located;

    fn at(sql: &str, message: &str, operands: [&str; 2]) -> Option<usize> {
        let [left, right] = operands.map(|operand| Some(operand.to_string()).filter(|operand| !operand.is_empty()));
        let error = Error::new(code::UNDEFINED_FUNCTION, message).beside(left, right);
        located(sql, error).fields().position
    }

    #[test]
    fn an_operator_is_found_where_it_stands() {
        let equal = "operator does not exist: text = integer";
        assert_eq!(at("select 1 where b = 5", equal, ["", ""]), Some(18));
        assert_eq!(at("select 1 where a = 1 and t.b = 5", equal, ["b", "5"]), Some(30));
        assert_eq!(at("select 1 where a = 1 and b in (5, 6)", equal, ["b", "5"]), Some(28));
        assert_eq!(at("select 1 where a = 1 and f(b) = 5", equal, ["", ""]), None);
        assert_eq!(at("select nullif(b, 1)", equal, ["b", "1"]), Some(8));
        assert_eq!(at("select case b when 1 then 2 end", equal, ["b", "1"]), Some(15));
        assert_eq!(at("select b not in (1, 2)", "operator does not exist: text <> integer", ["b", "1"]), Some(10));
        assert_eq!(at("select b is not distinct from 5", equal, ["b", "5"]), Some(10));
        assert_eq!(at("select b like 5", "operator does not exist: text ~~ integer", ["b", "5"]), Some(10));
    }

    #[test]
    fn a_condition_is_found_where_it_begins() {
        let of = |clause: &str| format!("argument of {clause} must be type boolean, not type integer");
        assert_eq!(at("select count(*) filter (where a) from t where b", &of("FILTER"), ["a", ""]), Some(31));
        assert_eq!(at("select case when 1 then 2 end", &of("CASE/WHEN"), ["1", ""]), Some(18));
        assert_eq!(at("select 1 where f and t.a", &of("AND"), ["a", ""]), Some(22));
        assert_eq!(at("select 1 where t.a and f", &of("AND"), ["a", ""]), Some(16));
        assert_eq!(at("select not 1", &of("NOT"), ["", ""]), Some(12));
    }
}
