//! `SET a[2] = x` and `SET j['key'] = x`: an element of an array, or a value within jsonb, is assigned (manual, chapters 8.14.5 and 8.15.4). The
//! parser knows columns only. So the column is given what [`ASSIGNED`] makes of it: `SET a = pg_assigned_element(a, x, 2)`.

use sqlparser::ast::{Expr, FunctionArg, FunctionArgExpr, FunctionArguments};
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan, Whitespace, Word};

use crate::func::ASSIGNED;

/// Where something is assigned to, and what.
struct Assignment<'a> {
    target: &'a [TokenWithSpan],
    /// Each with its brackets.
    subscripts: Vec<&'a [TokenWithSpan]>,
    value: &'a [TokenWithSpan],
}

/// The tokens with such assignments written out.
pub(super) fn spelled(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut spelled = Vec::with_capacity(tokens.len());
    let mut from = 0;
    for at in 0..tokens.len() {
        if at < from || !is_word(&tokens[at], Keyword::SET) {
            continue;
        }
        let Some((assignments, end)) = assignments(&tokens, at + 1) else { continue };
        spelled.extend_from_slice(&tokens[from..=at]);
        put_all(&assignments, &mut spelled);
        from = end;
    }
    if from == 0 {
        return tokens;
    }
    spelled.extend_from_slice(&tokens[from..]);
    spelled
}

/// The assignments from there on and where they end; `None` unless one of them has a subscript.
fn assignments(tokens: &[TokenWithSpan], mut at: usize) -> Option<(Vec<Assignment<'_>>, usize)> {
    let mut found = Vec::new();
    loop {
        let start = next(tokens, at)?;
        let (mut end, mut subscripts) = (start, Vec::new());
        if tokens[start].token == Token::LParen {
            end = closing(tokens, start)? + 1;
        } else {
            matches!(tokens[start].token, Token::Word(_)).then_some(())?;
            end += 1;
            while let Some(dot) = next(tokens, end).filter(|dot| tokens[*dot].token == Token::Period) {
                end = next(tokens, dot + 1)? + 1;
            }
        }
        let target = &tokens[start..end];
        while let Some(open) = next(tokens, end).filter(|open| tokens[*open].token == Token::LBracket) {
            let close = closing(tokens, open)?;
            subscripts.push(&tokens[open..=close]);
            end = close + 1;
        }
        let equals = next(tokens, end).filter(|equals| tokens[*equals].token == Token::Eq)?;
        let stop = value_end(tokens, equals + 1);
        found.push(Assignment { target, subscripts, value: &tokens[equals + 1..stop] });
        at = stop + 1;
        if tokens.get(stop).is_none_or(|t| t.token != Token::Comma) {
            return found.iter().any(|a| !a.subscripts.is_empty()).then_some((found, stop));
        }
    }
}

/// Writes assignments, those to parts of one column as one.
fn put_all(assignments: &[Assignment<'_>], out: &mut Vec<TokenWithSpan>) {
    let is_same = |a: &Assignment<'_>, b: &Assignment<'_>| {
        let words = |of: &Assignment<'_>| of.target.iter().map(|t| t.token.to_string().to_lowercase()).collect::<Vec<_>>();
        !a.subscripts.is_empty() && !b.subscripts.is_empty() && words(a) == words(b)
    };
    for (i, assignment) in assignments.iter().enumerate() {
        if assignments[..i].iter().any(|before| is_same(before, assignment)) {
            continue;
        }
        let token = |token: Token| TokenWithSpan { token, span: assignment.target[0].span };
        if i > 0 {
            out.push(token(Token::Comma));
        }
        out.push(token(Token::Whitespace(Whitespace::Space)));
        out.extend_from_slice(assignment.target);
        out.push(token(Token::Eq));
        if assignment.subscripts.is_empty() {
            out.extend_from_slice(assignment.value);
            continue;
        }
        let parts: Vec<_> = assignments[i..].iter().filter(|later| is_same(assignment, later)).collect();
        for _ in &parts {
            let function = Word { value: ASSIGNED.to_string(), quote_style: None, keyword: Keyword::NoKeyword };
            out.extend([token(Token::Word(function)), token(Token::LParen)]);
        }
        out.extend_from_slice(assignment.target);
        for part in parts {
            out.push(token(Token::Comma));
            out.extend_from_slice(part.value);
            for subscript in &part.subscripts {
                out.push(token(Token::Comma));
                out.extend_from_slice(&subscript[1..subscript.len() - 1]);
            }
            out.push(token(Token::RParen));
        }
    }
}

/// The next token that is no white space.
fn next(tokens: &[TokenWithSpan], from: usize) -> Option<usize> {
    (from..tokens.len()).find(|at| !matches!(tokens[*at].token, Token::Whitespace(_)))
}

/// Where a parenthesis or a bracket is closed.
fn closing(tokens: &[TokenWithSpan], open: usize) -> Option<usize> {
    let mut depth = 0usize;
    (open..tokens.len()).find(|at| {
        match tokens[*at].token {
            Token::LParen | Token::LBracket => depth += 1,
            Token::RParen | Token::RBracket => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0
    })
}

/// Where a value ends that begins there: at a comma, at the clause behind the list, or with the statement.
fn value_end(tokens: &[TokenWithSpan], from: usize) -> usize {
    let (mut cases, mut at, mut before) = (0usize, from, None);
    while at < tokens.len() {
        let token = &tokens[at];
        match &token.token {
            Token::LParen | Token::LBracket => at = closing(tokens, at).unwrap_or(tokens.len() - 1),
            Token::RParen | Token::RBracket | Token::Comma | Token::SemiColon | Token::EOF => return at,
            Token::Word(word) if word.quote_style.is_none() => {
                match word.keyword {
                    Keyword::CASE => cases += 1,
                    Keyword::END => cases = cases.saturating_sub(1),
                    Keyword::WHERE | Keyword::RETURNING | Keyword::WHEN if cases == 0 => return at,
                    Keyword::FROM if before != Some(Keyword::DISTINCT) => return at,
                    _ => {}
                }
                before = Some(word.keyword);
            }
            _ => {}
        }
        at += 1;
    }
    at
}

fn is_word(token: &TokenWithSpan, keyword: Keyword) -> bool {
    matches!(&token.token, Token::Word(word) if word.keyword == keyword && word.quote_style.is_none())
}

/// The place of the old value in what is assigned, if that is [`ASSIGNED`]'s: the innermost call has it first.
pub fn old_value(value: &mut Expr) -> Option<&mut Expr> {
    let Expr::Function(call) = value else { return None };
    let [name] = call.name.0.as_slice() else { return None };
    if name.as_ident().is_none_or(|name| name.value != ASSIGNED) {
        return None;
    }
    let FunctionArguments::List(list) = &mut call.args else { return None };
    let FunctionArg::Unnamed(FunctionArgExpr::Expr(first)) = list.args.first_mut()? else { return None };
    if matches!(first, Expr::Function(_)) { old_value(first) } else { Some(first) }
}

#[cfg(test)]
mod tests {
    use crate::sql::{Statement, parse};

    #[test]
    fn what_is_assigned_to_a_part_is_assigned_to_the_column() {
        let assigned = |sql: &str| match parse(sql).unwrap() {
            Statement::Update(change) => change.assignments.iter().map(|(name, value)| format!("{name} = {value}")).collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        };
        assert_eq!(assigned("UPDATE t SET a[1] = 2"), ["a = pg_assigned_element(a, 2, 1)"]);
        assert_eq!(
            assigned("UPDATE t SET b = 1, a[i + 1] = CASE WHEN x THEN 1 ELSE 2 END, j['k'][0] = f(1, 2), a[2] = 3 FROM u WHERE u.a[1] = 2"),
            [
                "b = 1",
                "a = pg_assigned_element(pg_assigned_element(a, CASE WHEN x THEN 1 ELSE 2 END, i + 1), 3, 2)",
                "j = pg_assigned_element(j, f(1, 2), 'k', 0)",
            ]
        );
        assert_eq!(
            assigned("UPDATE t SET a[1] = b IS DISTINCT FROM c RETURNING a[1]"),
            ["a = pg_assigned_element(a, b IS DISTINCT FROM c, 1)"]
        );
        assert_eq!(assigned("UPDATE t SET a = b[1], c = d[2]"), ["a = b[1]", "c = d[2]"]);
    }
}
