//! Places in the clauses of a statement, found in its tokens. What stands in several places is not found: an error shall point at what it
//! is about, or nowhere.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan};

/// Clauses that end a list at its own level.
const ENDS: [Keyword; 14] = [
    Keyword::FROM,
    Keyword::WHERE,
    Keyword::GROUP,
    Keyword::HAVING,
    Keyword::WINDOW,
    Keyword::ORDER,
    Keyword::LIMIT,
    Keyword::OFFSET,
    Keyword::FETCH,
    Keyword::FOR,
    Keyword::UNION,
    Keyword::INTERSECT,
    Keyword::EXCEPT,
    Keyword::RETURNING,
];

/// Aggregates that are used most: a call of one is meant rather than one of a function that may be none.
const AGGREGATES: [&str; 5] = ["count", "sum", "avg", "min", "max"];

/// The keyword at `i`, if an unquoted one stands there.
pub fn keyword(tokens: &[TokenWithSpan], i: usize) -> Option<Keyword> {
    match &tokens.get(i)?.token {
        Token::Word(word) if word.keyword != Keyword::NoKeyword => Some(word.keyword),
        _ => None,
    }
}

/// The only token for which that holds.
pub fn sole(tokens: &[TokenWithSpan], is: impl Fn(usize) -> bool) -> Option<usize> {
    let mut found = (0..tokens.len()).filter(|i| is(*i));
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

fn is(tokens: &[TokenWithSpan], i: usize, token: &Token) -> bool {
    tokens.get(i).is_some_and(|t| t.token == *token)
}

/// Where the items of a list begin, and behind its last token: it goes from `start` to the parenthesis that closes it, or to a clause.
fn items(tokens: &[TokenWithSpan], start: usize) -> (Vec<usize>, usize) {
    let (mut begins, mut depth) = (vec![start], 0usize);
    for (i, t) in tokens.iter().enumerate().skip(start) {
        match &t.token {
            Token::LParen | Token::LBracket => depth += 1,
            Token::RParen | Token::RBracket if depth == 0 => return (begins, i),
            Token::RParen | Token::RBracket => depth -= 1,
            Token::SemiColon => return (begins, i),
            Token::Comma if depth == 0 => begins.push(i + 1),
            Token::Word(word) if depth == 0 && ENDS.contains(&word.keyword) => return (begins, i),
            _ => {}
        }
    }
    (begins, tokens.len())
}

/// True if an item stands for as many columns as a relation has.
fn is_wildcard(tokens: &[TokenWithSpan], begin: usize) -> bool {
    is(tokens, begin, &Token::Mul) || is(tokens, begin + 1, &Token::Period) && is(tokens, begin + 2, &Token::Mul)
}

/// Where the list of a SELECT at `select` begins.
fn select_list(tokens: &[TokenWithSpan], select: usize) -> usize {
    let quantified = matches!(keyword(tokens, select + 1), Some(Keyword::DISTINCT | Keyword::ALL));
    select + if quantified { 2 } else { 1 }
}

/// The wildcard of a select list that has only one.
pub fn wildcard(tokens: &[TokenWithSpan]) -> Option<usize> {
    let begins = |i: usize| is(tokens, i, &Token::Comma) || matches!(keyword(tokens, i), Some(Keyword::SELECT | Keyword::DISTINCT));
    sole(tokens, |i| i > 0 && begins(i - 1) && is_wildcard(tokens, i))
}

/// The first value of the right query of the only set operation.
pub fn right_query(tokens: &[TokenWithSpan]) -> Option<usize> {
    let operators = [Keyword::UNION, Keyword::INTERSECT, Keyword::EXCEPT];
    let mut at = sole(tokens, |i| keyword(tokens, i).is_some_and(|k| operators.contains(&k)))? + 1;
    while is(tokens, at, &Token::LParen) || matches!(keyword(tokens, at), Some(Keyword::ALL | Keyword::DISTINCT)) {
        at += 1;
    }
    match keyword(tokens, at)? {
        Keyword::SELECT => Some(select_list(tokens, at)),
        Keyword::VALUES => Some(at + 2),
        _ => None,
    }
}

/// What a clause begins with, for the only clause of that name, as messages call it.
pub fn clause(tokens: &[TokenWithSpan], name: &str) -> Option<usize> {
    let filter = |i: usize| i >= 2 && keyword(tokens, i - 2) == Some(Keyword::FILTER) && is(tokens, i - 1, &Token::LParen);
    let begins = |i: usize| match (name, keyword(tokens, i)) {
        ("FILTER", Some(Keyword::WHERE)) => filter(i),
        ("WHERE", Some(Keyword::WHERE)) => !filter(i),
        ("HAVING", Some(Keyword::HAVING))
        | ("NOT", Some(Keyword::NOT))
        | ("CASE/WHEN", Some(Keyword::WHEN))
        | ("JOIN/ON", Some(Keyword::ON))
        | ("LIMIT", Some(Keyword::LIMIT))
        | ("OFFSET", Some(Keyword::OFFSET)) => true,
        ("GROUP BY", Some(Keyword::BY)) => i > 0 && keyword(tokens, i - 1) == Some(Keyword::GROUP),
        ("ORDER BY", Some(Keyword::BY)) => i > 0 && keyword(tokens, i - 1) == Some(Keyword::ORDER),
        _ => false,
    };
    let mut at = sole(tokens, begins)? + 1;
    while is(tokens, at, &Token::LParen) {
        at += 1;
    }
    Some(at)
}

/// The item of a clause that is a number: `GROUP BY 5`.
pub fn ordinal(tokens: &[TokenWithSpan], name: &str, number: &str) -> Option<usize> {
    let (begins, _) = items(tokens, clause(tokens, name)?);
    begins.into_iter().find(|begin| matches!(tokens.get(*begin).map(|t| &t.token), Some(Token::Number(n, _)) if n == number))
}

/// The call of an aggregate in a clause, or of a window function.
pub fn call(tokens: &[TokenWithSpan], name: &str, of_window: bool) -> Option<usize> {
    let start = clause(tokens, name)?;
    let (_, end) = items(tokens, start);
    let called = |i: &usize| matches!(tokens[*i].token, Token::Word(_)) && is(tokens, i + 1, &Token::LParen);
    let plain = |i: &usize| called(i) && !matches!(keyword(tokens, *i), Some(Keyword::AND | Keyword::OR | Keyword::NOT | Keyword::IN));
    let calls: Vec<usize> = (start..end).filter(plain).collect();
    if of_window {
        let is_over = |i: &usize| keyword(tokens, items(tokens, i + 2).1 + 1) == Some(Keyword::OVER);
        return calls.into_iter().find(is_over);
    }
    let is_frequent = |i: &usize| matches!(&tokens[*i].token, Token::Word(w) if AGGREGATES.iter().any(|a| w.value.eq_ignore_ascii_case(a)));
    let frequent = calls.iter().copied().find(is_frequent);
    frequent.or(if let [only] = calls[..] { Some(only) } else { None })
}

/// The first expression of the only DISTINCT ON.
pub fn distinct_on(tokens: &[TokenWithSpan]) -> Option<usize> {
    let found = sole(tokens, |i| keyword(tokens, i) == Some(Keyword::DISTINCT) && keyword(tokens, i + 1) == Some(Keyword::ON))?;
    is(tokens, found + 2, &Token::LParen).then_some(found + 3)
}

/// The first value of the first list of VALUES that is not as long as those before it.
pub fn uneven_values(tokens: &[TokenWithSpan]) -> Option<usize> {
    (0..tokens.len()).filter(|i| keyword(tokens, *i) == Some(Keyword::VALUES)).find_map(|values| {
        let (mut open, mut width) = (values + 1, None);
        while is(tokens, open, &Token::LParen) {
            let (begins, close) = items(tokens, open + 1);
            if *width.get_or_insert(begins.len()) != begins.len() {
                return Some(open + 1);
            }
            open = close + 2;
        }
        None
    })
}

/// The only subquery of several columns that stands for a value: its parenthesis, or the operator before it.
pub fn wide_subquery(tokens: &[TokenWithSpan]) -> Option<usize> {
    let several = |i: usize| {
        let (begins, _) = items(tokens, select_list(tokens, i + 1));
        begins.len() > 1 || is_wildcard(tokens, begins[0])
    };
    let subquery = |i: usize| is(tokens, i, &Token::LParen) && keyword(tokens, i + 1) == Some(Keyword::SELECT);
    let at = sole(tokens, |i| i > 0 && subquery(i) && several(i) && is_value(tokens, i))?;
    Some(match (keyword(tokens, at - 1), at) {
        (Some(Keyword::IN), 2..) if keyword(tokens, at - 2) == Some(Keyword::NOT) => at - 2,
        (Some(Keyword::IN), _) => at - 1,
        (Some(Keyword::ANY | Keyword::SOME | Keyword::ALL), 2..) => at - 2,
        _ => at,
    })
}

/// True if a subquery at `i` > 0 stands where one column is wanted.
fn is_value(tokens: &[TokenWithSpan], i: usize) -> bool {
    let before = |k: Keyword| i >= 2 && keyword(tokens, i - 2) == Some(k);
    match keyword(tokens, i - 1) {
        Some(Keyword::EXISTS | Keyword::AS | Keyword::UNION | Keyword::INTERSECT | Keyword::EXCEPT | Keyword::MATERIALIZED) => {
            return false;
        }
        Some(Keyword::ALL) if before(Keyword::UNION) || before(Keyword::INTERSECT) || before(Keyword::EXCEPT) => return false,
        Some(Keyword::IN) if i >= 2 && is(tokens, i - 2, &Token::RParen) => return false,
        _ => {}
    }
    let mut depth = 0usize;
    for j in (0..i).rev() {
        match &tokens[j].token {
            Token::RParen => depth += 1,
            Token::LParen if depth == 0 => return true,
            Token::LParen => depth -= 1,
            Token::Word(word) if depth == 0 => match word.keyword {
                Keyword::FROM | Keyword::JOIN => return false,
                Keyword::SELECT | Keyword::WHERE | Keyword::ON | Keyword::HAVING | Keyword::BY | Keyword::SET => return true,
                _ => {}
            },
            _ => {}
        }
    }
    true
}

/// Expression `n` of what an INSERT takes its rows from, counted from 1.
pub fn inserted(tokens: &[TokenWithSpan], n: usize) -> Option<usize> {
    let into = insert(tokens)?;
    let is_source = |k: Keyword| matches!(k, Keyword::VALUES | Keyword::SELECT | Keyword::WITH);
    let source = (into..tokens.len()).find(|i| keyword(tokens, *i).is_some_and(is_source))?;
    let (begins, _) = match keyword(tokens, source)? {
        Keyword::VALUES if is(tokens, source + 1, &Token::LParen) => items(tokens, source + 2),
        Keyword::SELECT => items(tokens, select_list(tokens, source)),
        _ => return None,
    };
    if begins.iter().any(|begin| is_wildcard(tokens, *begin)) { None } else { begins.get(n.checked_sub(1)?).copied() }
}

/// Column `n` of the columns that an INSERT lists, counted from 1.
pub fn target(tokens: &[TokenWithSpan], n: usize) -> Option<usize> {
    let open = (insert(tokens)?..tokens.len()).find(|i| is(tokens, *i, &Token::LParen))?;
    items(tokens, open + 1).0.get(n.checked_sub(1)?).copied()
}

fn insert(tokens: &[TokenWithSpan]) -> Option<usize> {
    sole(tokens, |i| keyword(tokens, i) == Some(Keyword::INTO) && i > 0 && keyword(tokens, i - 1) == Some(Keyword::INSERT))
}

/// The second column of a name among those that INSERT lists or CREATE TABLE defines. `is_name` knows the name.
pub fn doubled(tokens: &[TokenWithSpan], is_name: impl Fn(&Token) -> bool) -> Option<usize> {
    let open = (0..tokens.len()).find(|i| is(tokens, *i, &Token::LParen))?;
    let before = |k: Keyword| (0..open).any(|i| keyword(tokens, i) == Some(k));
    let lists = before(Keyword::INSERT) || before(Keyword::CREATE) && (before(Keyword::TABLE) || before(Keyword::STREAM));
    if !lists || before(Keyword::AS) || before(Keyword::SELECT) {
        return None;
    }
    let (begins, _) = items(tokens, open + 1);
    begins.into_iter().filter(|begin| tokens.get(*begin).is_some_and(|t| is_name(&t.token))).nth(1)
}

/// The second PRIMARY KEY.
pub fn second_key(tokens: &[TokenWithSpan]) -> Option<usize> {
    let is_key = |i: &usize| keyword(tokens, *i) == Some(Keyword::PRIMARY) && keyword(tokens, i + 1) == Some(Keyword::KEY);
    (0..tokens.len()).filter(is_key).nth(1)
}
