//! What ON CONFLICT infers unique indexes by: columns, expressions, and a condition for partial ones (manual, INSERT).
//!
//! sqlparser reads columns only. Whatever else there is goes past it as one name in brackets, which no PostgreSQL identifier has around it,
//! and is read when the rest of the statement is.

use sqlparser::ast::{Expr, Ident};
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan, Word};

use super::parse::written_inference;
use super::statement::ConflictTarget;
use super::{fold_name, is_word, solid, written};
use crate::error::{Error, Result};

const BRACKET: char = '[';

/// The tokens with each such part, unless it is a list of columns, as one name in parentheses. Cost O(tokens).
pub(super) fn spelled(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    if !tokens.iter().any(|t| is_word(&t.token, "conflict")) {
        return tokens;
    }
    let solid = solid(&tokens);
    let clauses = solid.windows(2).filter(|at| is_word(&tokens[at[0]].token, "on") && is_word(&tokens[at[1]].token, "conflict"));
    let parts: Vec<(usize, usize)> = clauses.filter_map(|at| inference(&tokens, at[1] + 1)).collect();
    if parts.is_empty() {
        return tokens;
    }
    let (mut out, mut at) = (Vec::with_capacity(tokens.len()), 0);
    for (open, end) in parts {
        out.extend_from_slice(&tokens[at..open]);
        let text: String = tokens[open..end].iter().map(|t| written(&t.token)).collect();
        let name = Word { value: text, quote_style: Some(BRACKET), keyword: Keyword::NoKeyword };
        let span = tokens[open].span;
        out.extend([Token::LParen, Token::Word(name), Token::RParen].map(|token| TokenWithSpan { token, span }));
        at = end;
    }
    out.extend_from_slice(&tokens[at..]);
    out
}

/// Where the part behind ON CONFLICT begins and ends, DO being behind it; `None` if it is a list of columns, or nothing of the kind.
fn inference(tokens: &[TokenWithSpan], at: usize) -> Option<(usize, usize)> {
    let is_blank = |i: &usize| matches!(tokens[*i].token, Token::Whitespace(_));
    let words = |from: usize| (from..tokens.len()).filter(move |i| !is_blank(i));
    let open = words(at).next().filter(|i| tokens[*i].token == Token::LParen)?;
    let (mut depth, mut plain) = (0usize, true);
    let mut before: Option<&Token> = None;
    for i in words(open) {
        match &tokens[i].token {
            Token::LParen => {
                depth += 1;
                plain &= depth == 1;
            }
            Token::RParen => depth = depth.checked_sub(1)?,
            Token::Comma => {}
            Token::SemiColon | Token::EOF => return None,
            // Of another INSERT: so no part is walked over for those before it.
            token if is_word(token, "conflict") && before.is_some_and(|b| is_word(b, "on")) => return None,
            token if depth == 0 && is_word(token, "do") => return (!plain).then_some((open, i)),
            Token::Word(_) => plain &= depth == 1,
            _ => plain = false,
        }
        before = Some(&tokens[i].token);
    }
    None
}

/// What the names that sqlparser has read stand for.
pub(super) fn target(names: &[Ident]) -> Result<ConflictTarget> {
    let [only] = names else { return Ok(of_columns(names)) };
    if only.quote_style != Some(BRACKET) {
        return Ok(of_columns(names));
    }
    let (keys, predicate) = written_inference(&only.value)?;
    let (mut columns, mut expressions) = (Vec::new(), Vec::new());
    for key in keys {
        match bare(key) {
            Expr::Identifier(name) => columns.push(fold_name(&name)),
            Expr::Collate { .. } => {
                return Err(Error::unsupported("ON CONFLICT does not take a collation")
                    .hint("Leave COLLATE out: it makes no difference to what is equal."));
            }
            other => expressions.push(other.to_string()),
        }
    }
    Ok(ConflictTarget::Keys { columns, expressions, predicate: predicate.map(|p| p.to_string()) })
}

fn of_columns(names: &[Ident]) -> ConflictTarget {
    ConflictTarget::Keys { columns: names.iter().map(fold_name).collect(), expressions: vec![], predicate: None }
}

fn bare(expr: Expr) -> Expr {
    match expr {
        Expr::Nested(inner) => bare(*inner),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use crate::sql::statement::ConflictTarget;
    use crate::sql::{Statement, parse};

    fn target(clause: &str) -> (Vec<String>, Vec<String>, Option<String>) {
        let sql = format!("INSERT INTO t VALUES (1) {clause} DO NOTHING RETURNING a");
        let Statement::Insert { conflict, .. } = parse(&sql).unwrap() else { panic!("{sql}") };
        match conflict.unwrap().target.unwrap() {
            ConflictTarget::Keys { columns, expressions, predicate } => (columns, expressions, predicate),
            ConflictTarget::Constraint(name) => panic!("{name}"),
        }
    }

    #[test]
    fn indexes_are_named_by_what_they_are_on() {
        let text = |texts: &[&str]| texts.iter().map(|t| t.to_string()).collect::<Vec<_>>();
        assert_eq!(target("ON CONFLICT (A, \"B\")"), (text(&["a", "B"]), vec![], None));
        assert_eq!(target("on conflict(lower(a), b)"), (text(&["b"]), text(&["lower(a)"]), None));
        assert_eq!(target("ON CONFLICT ((a + 1))"), (vec![], text(&["a + 1"]), None));
        assert_eq!(target("ON CONFLICT (a) WHERE b > 0 AND (c)"), (text(&["a"]), vec![], Some("b > 0 AND (c)".into())));
        let quoted = r#"ON CONFLICT ("A""b") WHERE a <> 'it''s' AND b <> E'it\'s\\'"#;
        assert_eq!(target(quoted), (text(&["A\"b"]), vec![], Some(r"a <> 'it''s' AND b <> E'it\'s\\'".into())));
        assert!(parse("INSERT INTO t VALUES (1) ON CONFLICT (a b) DO NOTHING").is_err());
        assert!(parse("INSERT INTO t VALUES (1) ON CONFLICT (a + ) DO NOTHING").is_err());
        assert!(parse("SELECT * FROM a JOIN b ON conflict(a) WHERE b.x > (1 + 2)").is_ok());
    }
}
