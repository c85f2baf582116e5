//! SEARCH and CYCLE behind a query of WITH RECURSIVE (manual, chapter 7.8.2), which sqlparser does not read and whose tree has no place for them.
//! What they say is carried in the place of a name that Hive has there: `r AS (..) SEARCH DEPTH FIRST BY a SET o` is read as `r AS (..) FROM
//! "search depth first by a set o"`. [`read`] reads it from there.

use sqlparser::ast::{Expr, Ident};
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::{is_word, written};
use crate::error::{Error, Result};

/// SEARCH: the order in which a recursive query finds its rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Search {
    /// True for DEPTH FIRST, false for BREADTH FIRST.
    pub by_depth: bool,
    /// The columns that tell rows of one parent apart.
    pub columns: Vec<Ident>,
    /// The column by which to sort.
    pub sequence: Ident,
}

/// CYCLE: what ends a recursive query that comes back to where it was.
#[derive(Clone, Debug, PartialEq)]
pub struct Cycle {
    /// The columns that tell where it is.
    pub columns: Vec<Ident>,
    /// The column that marks the row which closes a cycle, with this value and otherwise with that.
    pub mark: Ident,
    pub value: Expr,
    pub default: Expr,
    /// The column of the rows on the way.
    pub path: Ident,
}

/// Both clauses of a query.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Clauses {
    pub search: Option<Search>,
    pub cycle: Option<Cycle>,
}

/// The tokens with such clauses each as a name behind FROM. Cost O(tokens).
pub(super) fn spelled(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    if !tokens.iter().any(|t| is_word(&t.token, "search") || is_word(&t.token, "cycle")) {
        return tokens;
    }
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let (mut at, mut closed) = (0, false);
    while let Some(token) = tokens.get(at) {
        if closed && let Some(end) = clauses(&tokens, at) {
            let text: String = tokens[at..end].iter().map(|t| written(&t.token)).collect();
            let from = [Token::make_word("FROM", None), Token::make_word(text.trim(), Some('"'))];
            out.extend(from.map(|new| TokenWithSpan { token: new, span: token.span }));
            (at, closed) = (end, false);
            continue;
        }
        closed = matches!(token.token, Token::RParen) || closed && matches!(token.token, Token::Whitespace(_));
        out.push(token.clone());
        at += 1;
    }
    out
}

/// Where the clauses that begin at `at` end, if there are any.
fn clauses(tokens: &[TokenWithSpan], at: usize) -> Option<usize> {
    let mut words = Words { tokens, at };
    let mut end = None;
    if words.eat("search") {
        (words.eat("depth") || words.eat("breadth")).then_some(())?;
        (words.eat("first") && words.eat("by")).then_some(())?;
        words.until("set")?;
        words.next()?;
        end = Some(words.at);
    }
    if words.eat("cycle") {
        words.until("set")?;
        words.next()?;
        if words.eat("to") {
            words.until("default")?;
        }
        words.until("using")?;
        words.next()?;
        end = Some(words.at);
    }
    end
}

/// A walk over tokens that are no white space.
struct Words<'a> {
    tokens: &'a [TokenWithSpan],
    at: usize,
}

impl<'a> Words<'a> {
    fn next(&mut self) -> Option<&'a Token> {
        let solid = self.tokens[self.at..].iter().position(|t| !matches!(t.token, Token::Whitespace(_)))?;
        self.at += solid + 1;
        Some(&self.tokens[self.at - 1].token)
    }

    fn eat(&mut self, word: &str) -> bool {
        let before = self.at;
        let fits = self.next().is_some_and(|token| is_word(token, word));
        if !fits {
            self.at = before;
        }
        fits
    }

    /// Goes behind a word, which stands before the parentheses around this place close.
    fn until(&mut self, word: &str) -> Option<()> {
        loop {
            match self.next()? {
                Token::LParen | Token::RParen | Token::SemiColon | Token::EOF => return None,
                token if is_word(token, word) => return Some(()),
                _ => {}
            }
        }
    }
}

/// What [`spelled`] made a name of. Errors: 42601.
pub fn read(text: &str) -> Result<Clauses> {
    let mut parser = super::parse::parser_of(text)?;
    let read = clauses_of(&mut parser).map_err(|e| Error::syntax(format!("invalid SEARCH or CYCLE clause: {e}")))?;
    match parser.peek_token_ref().token {
        Token::EOF => Ok(read),
        _ => Err(Error::syntax("invalid SEARCH or CYCLE clause")),
    }
}

fn clauses_of(parser: &mut Parser<'_>) -> Result<Clauses, sqlparser::parser::ParserError> {
    let mut clauses = Clauses::default();
    if eat(parser, "search") {
        let by_depth = eat(parser, "depth") || !eat(parser, "breadth");
        let _ = eat(parser, "first") && eat(parser, "by");
        let columns = parser.parse_comma_separated(Parser::parse_identifier)?;
        let _ = eat(parser, "set");
        clauses.search = Some(Search { by_depth, columns, sequence: parser.parse_identifier()? });
    }
    if eat(parser, "cycle") {
        let columns = parser.parse_comma_separated(Parser::parse_identifier)?;
        let _ = eat(parser, "set");
        let mark = parser.parse_identifier()?;
        let (value, default) = if eat(parser, "to") {
            let value = parser.parse_expr()?;
            let _ = eat(parser, "default");
            (value, parser.parse_expr()?)
        } else {
            let constant = |value: bool| Expr::Value(sqlparser::ast::Value::Boolean(value).into());
            (constant(true), constant(false))
        };
        let _ = eat(parser, "using");
        clauses.cycle = Some(Cycle { columns, mark, value, default, path: parser.parse_identifier()? });
    }
    Ok(clauses)
}

fn eat(parser: &mut Parser<'_>, word: &str) -> bool {
    let fits = is_word(&parser.peek_token_ref().token, word);
    if fits {
        parser.advance_token();
    }
    fits
}

#[cfg(test)]
mod tests {
    use super::super::{Statement, parse};
    use super::read;

    #[test]
    fn clauses_are_carried_by_a_name() {
        let sql =
            "WITH RECURSIVE r (n) AS (SELECT 1) SEARCH BREADTH FIRST BY n, m SET o CYCLE n SET c TO 'it''s' DEFAULT '' USING p SELECT 1";
        let Ok(Statement::Query(query)) = parse(sql) else { panic!("not read") };
        let cte = &query.with.as_ref().expect("WITH").cte_tables[0];
        let read = read(&cte.from.as_ref().expect("clauses").value).expect("read");
        let search = read.search.expect("SEARCH");
        assert!(!search.by_depth && search.columns.len() == 2 && search.sequence.value == "o");
        let cycle = read.cycle.expect("CYCLE");
        assert_eq!((cycle.mark.value.as_str(), cycle.value.to_string().as_str(), cycle.path.value.as_str()), ("c", "'it''s'", "p"));
    }

    #[test]
    fn other_uses_of_the_words_are_left_alone() {
        for sql in ["SELECT (1) cycle", "SELECT search FROM (SELECT 1 AS search) cycle", "SELECT f(1) search"] {
            assert!(matches!(parse(sql), Ok(Statement::Query(_))), "{sql}");
        }
    }
}
