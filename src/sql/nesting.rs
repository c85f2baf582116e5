//! How deep a statement nests, by its tokens, before a parser sees it.
//!
//! sqlparser reads an array's brackets twice, and what some words call ([`READ_TWICE`]) once more as a plain call where it is not as they want it;
//! the planner walks a subquery once for every one around it, and a CASE within a call twice; and what is asked whether it is NULL
//! ([`PLANNED_TWICE`]) stands in the plan once more as the value. All that takes time, and some of it memory, that doubles with each level. So
//! what doubles is limited here, whatever the parser itself allows.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::error::{Error, Result, code};

/// How deep calls of functions may nest: each is a level of the plan, which is walked recursively.
const CALLS_MAX: usize = 64;
/// How deep what is doubled may nest: a CASE, or a call of [`READ_TWICE`] or [`PLANNED_TWICE`].
const DOUBLED_MAX: usize = 14;
/// How deep calls of [`READ_TWICE`] may nest.
const READ_TWICE_MAX: usize = 8;
/// Words whose calls have a grammar of their own.
const READ_TWICE: &[&str] = &[
    "cast",
    "ceil",
    "convert",
    "extract",
    "floor",
    "interval",
    "not",
    "overlay",
    "position",
    "safe_cast",
    "substr",
    "substring",
    "trim",
    "try_cast",
    "try_convert",
];
/// Functions that become a CASE in which an argument stands twice.
const PLANNED_TWICE: &[&str] = &["coalesce", "ifnull", "nullif", "nvl", "nvl2"];
/// How deep brackets of arrays may nest.
const ARRAYS_MAX: usize = 14;
/// How deep subqueries may nest.
const SUBQUERIES_MAX: usize = 14;
/// How many operators may follow one another in one expression: each is a level of its syntax tree, which is walked recursively.
const OPERATORS_MAX: usize = 1_000;

/// How many operators of json, AT TIME ZONE and words INTERVAL may follow one another in one expression: such a chain is a nesting of calls, and
/// the time that planning takes grows with the cube of its length. Chains of numbers and of `||` are one call, however long.
const STEPS_MAX: usize = 250;

/// How many subscripts may follow one another: each is a call of the one before, likewise.
const SUBSCRIPTS_MAX: usize = 64;

/// How many UNION, EXCEPT and INTERSECT a statement may have: each is a level of its syntax tree and of its plan.
const SET_OPERATIONS_MAX: usize = 400;

/// Words that may stand before a parenthesis without calling anything.
const NO_CALLS: &[&str] = &[
    "all",
    "and",
    "any",
    "as",
    "between",
    "by",
    "case",
    "distinct",
    "else",
    "except",
    "exists",
    "filter",
    "from",
    "having",
    "in",
    "intersect",
    "into",
    "is",
    "join",
    "lateral",
    "like",
    "limit",
    "not",
    "on",
    "or",
    "over",
    "returning",
    "select",
    "set",
    "some",
    "table",
    "then",
    "union",
    "using",
    "values",
    "when",
    "where",
    "with",
];

/// What a parenthesis opens.
#[derive(Default)]
struct Open {
    call: bool,
    subquery: bool,
    read_twice: bool,
    planned_twice: bool,
}

/// Errors: 54001 for calls or subqueries nested deeper than planning them could end in time, and for chains of operators and set
/// operations longer than a thread's stack can hold. Cost O(tokens).
pub fn check(tokens: &[TokenWithSpan]) -> Result<()> {
    check_chains(tokens)?;
    check_subscripts(tokens)?;
    let mut open: Vec<Open> = Vec::new();
    let (mut calls, mut arrays, mut subqueries, mut read_twice, mut planned_twice, mut cases) = (0, 0, 0, 0, 0, 0usize);
    let mut solid = tokens.iter().map(|t| &t.token).filter(|t| !matches!(t, Token::Whitespace(_))).peekable();
    let mut before: Option<&Token> = None;
    while let Some(token) = solid.next() {
        match token {
            Token::LParen => {
                let opened = Open {
                    call: matches!(before, Some(Token::Word(_))) && !is_one_of(before, NO_CALLS),
                    subquery: is_one_of(solid.peek().copied(), &["select", "with", "values"]),
                    read_twice: is_one_of(before, READ_TWICE),
                    planned_twice: is_one_of(before, PLANNED_TWICE),
                };
                calls += usize::from(opened.call);
                subqueries += usize::from(opened.subquery);
                read_twice += usize::from(opened.read_twice);
                planned_twice += usize::from(opened.planned_twice);
                open.push(opened);
                let doubled = cases + read_twice + planned_twice;
                if calls > CALLS_MAX || doubled > DOUBLED_MAX || subqueries > SUBQUERIES_MAX || read_twice > READ_TWICE_MAX {
                    return Err(too_deep());
                }
            }
            Token::Word(w) if w.quote_style.is_none() && w.value.eq_ignore_ascii_case("case") => {
                cases += 1;
                if cases + read_twice + planned_twice > DOUBLED_MAX {
                    return Err(too_deep());
                }
            }
            Token::Word(w) if w.quote_style.is_none() && w.value.eq_ignore_ascii_case("end") => cases = cases.saturating_sub(1),
            Token::LBracket => {
                arrays += 1;
                if arrays > ARRAYS_MAX {
                    return Err(too_deep());
                }
            }
            Token::RBracket => arrays = arrays.saturating_sub(1),
            Token::RParen => {
                let closed = open.pop().unwrap_or_default();
                calls -= usize::from(closed.call);
                read_twice -= usize::from(closed.read_twice);
                planned_twice -= usize::from(closed.planned_twice);
                subqueries -= usize::from(closed.subquery);
            }
            _ => {}
        }
        before = Some(token);
    }
    Ok(())
}

fn is_one_of(token: Option<&Token>, words: &[&str]) -> bool {
    matches!(token, Some(Token::Word(w)) if words.contains(&w.value.to_lowercase().as_str()))
}

/// How many operators stand in an expression so far.
#[derive(Default)]
struct Chain {
    operators: usize,
    /// Those of [`STEPS_MAX`] since the last comparison.
    steps: usize,
}

impl Chain {
    /// An operator on whose two sides other chains stand.
    fn compare(&mut self) {
        self.operators += 1;
        self.steps = 0;
    }
}

fn check_chains(tokens: &[TokenWithSpan]) -> Result<()> {
    let mut chains = vec![Chain::default()];
    let mut set_operations = 0;
    for token in tokens.iter().map(|t| &t.token) {
        let inside = chains.len() > 1;
        let Some(chain) = chains.last_mut() else { return Ok(()) };
        match token {
            Token::LParen => chains.push(Chain::default()),
            // One too many is the parser's to refuse.
            Token::RParen if inside => {
                chains.pop();
            }
            Token::Comma | Token::SemiColon => *chain = Chain::default(),
            Token::Word(w) => match w.value.to_lowercase().as_str() {
                "and" | "or" | "not" => chain.compare(),
                "at" | "interval" => chain.steps += 1,
                "from" | "where" | "having" | "on" => *chain = Chain::default(),
                "union" | "except" | "intersect" => set_operations += 1,
                _ => {}
            },
            Token::Plus | Token::Minus | Token::Mul | Token::Div | Token::Mod | Token::StringConcat | Token::DoubleColon => {
                chain.operators += 1;
            }
            Token::Eq | Token::Neq | Token::Lt | Token::Gt | Token::LtEq | Token::GtEq => chain.compare(),
            Token::Arrow | Token::LongArrow | Token::HashArrow | Token::HashLongArrow | Token::HashMinus => chain.steps += 1,
            _ => {}
        }
        if set_operations > SET_OPERATIONS_MAX {
            return Err(Error::new(code::STATEMENT_TOO_COMPLEX, "a statement has too many set operations")
                .hint(format!("At most {SET_OPERATIONS_MAX} UNION, EXCEPT and INTERSECT are taken; use VALUES for a list of rows.")));
        }
        if chains.last().is_some_and(|chain| chain.steps > STEPS_MAX) {
            return Err(Error::new(code::STATEMENT_TOO_COMPLEX, "an expression has too many operators in a row")
                .hint(format!("At most {STEPS_MAX} of json and of intervals are taken; use #> with a path, or one interval.")));
        }
        if chains.last().is_some_and(|chain| chain.operators > OPERATORS_MAX) {
            return Err(Error::new(code::STATEMENT_TOO_COMPLEX, "an expression has too many operators in a row")
                .hint(format!("At most {OPERATORS_MAX} are taken; use IN or = ANY for a list of values.")));
        }
    }
    Ok(())
}

fn check_subscripts(tokens: &[TokenWithSpan]) -> Result<()> {
    let (mut subscripts, mut before) = (0, None);
    for token in tokens.iter().map(|t| &t.token).filter(|t| !matches!(t, Token::Whitespace(_))) {
        if *token == Token::LBracket {
            subscripts = if before == Some(&Token::RBracket) { subscripts + 1 } else { 1 };
        }
        if subscripts > SUBSCRIPTS_MAX {
            return Err(Error::new(code::STATEMENT_TOO_COMPLEX, "an expression has too many subscripts in a row")
                .hint(format!("At most {SUBSCRIPTS_MAX} are taken; use #> with a path.")));
        }
        before = Some(token);
    }
    Ok(())
}

fn too_deep() -> Error {
    Error::new(code::STATEMENT_TOO_COMPLEX, "statement is nested too deeply").hint(format!(
        "At most {CALLS_MAX} calls, {DOUBLED_MAX} CASE, COALESCE and NULLIF, {READ_TWICE_MAX} CAST, TRIM, NOT and the like, {ARRAYS_MAX} arrays and {SUBQUERIES_MAX} subqueries may stand in one another; name the inner ones in WITH."
    ))
}

#[cfg(test)]
mod tests {
    use super::super::parse;

    #[test]
    fn what_would_take_forever_is_refused_at_once() {
        for (open, close) in [("cast(abs(", "))"), ("position(", ")"), ("not(", ")"), ("abs(case when true then ", " end)")] {
            let sql = |n: usize| format!("SELECT {}1 1{}", open.repeat(n), close.repeat(n));
            assert!(parse(&sql(4)).is_err());
            assert_eq!(parse(&sql(18)).unwrap_err().code(), "54001", "{open}");
        }
        for open in ["coalesce(", "abs(nullif("] {
            let sql = |n: usize| format!("SELECT {}1{}", open.repeat(n), ", 2)".repeat(n * open.matches('(').count()));
            assert!(parse(&sql(14)).is_ok(), "{open}");
            assert_eq!(parse(&sql(15)).unwrap_err().code(), "54001", "{open}");
        }
        for (open, close) in [("abs(", ")"), ("ARRAY[", "]"), ("(SELECT ", ")"), ("coalesce(1, (SELECT ", "))")] {
            let sql = |n: usize| format!("SELECT {}1{}", open.repeat(n), close.repeat(n));
            assert!(parse(&sql(5)).is_ok());
            assert!(open != "abs(" || parse(&sql(64)).is_ok());
            assert_eq!(parse(&sql(70)).unwrap_err().code(), "54001");
        }
        for chain in ["1 + ", "true OR ", "'a' || "] {
            assert!(parse(&format!("SELECT {}true", chain.repeat(900))).is_ok());
            assert_eq!(parse(&format!("SELECT {}true", chain.repeat(20_000))).unwrap_err().code(), "54001");
        }
        for step in ["->'a'", "#>'{a}'", "+ interval '1 day'"] {
            assert!(parse(&format!("SELECT x{}", step.repeat(200))).is_ok(), "{step}");
            assert_eq!(parse(&format!("SELECT x{}", step.repeat(300))).unwrap_err().code(), "54001", "{step}");
            assert!(parse(&format!("SELECT {}true", format!("x{step} = y AND ").repeat(300))).is_ok(), "{step}");
        }
        let union = |n: usize| parse(&format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(n)));
        assert!(union(300).is_ok());
        assert_eq!(union(20_000).unwrap_err().code(), "54001");
        let replaced = |inner: &str| parse(&format!("SELECT {}{inner}{}", "replace(".repeat(40), ", 'a', 'b')".repeat(40)));
        assert!(replaced("trim(x)").is_ok() && replaced(r#""case""#).is_ok() && replaced("CASE WHEN a THEN b END").is_ok());
        let siblings = "abs(1) + (SELECT 1) + ".repeat(100);
        assert!(parse(&format!("SELECT {siblings} 1 IN (1) AND (2 IN ((3)))")).is_ok());
    }
}
