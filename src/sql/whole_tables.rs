//! `TABLE t` where a query may stand, short for `SELECT * FROM t` (manual, SELECT): sqlparser reads it in few of these places, and the planner not
//! at all. It is spelled out.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::reserved::is_reserved;
use super::{is_word, solid};

/// The words between two queries.
const BETWEEN: [&str; 3] = ["union", "intersect", "except"];

/// The words of EXPLAIN before what is explained.
const EXPLAINING: [&str; 5] = ["explain", "analyze", "verbose", "plan", "dataflow"];

/// Functions that take a table by its name, `TUMBLE(TABLE t, ..)`.
const WINDOWS: [&str; 3] = ["tumble", "hop", "session"];

/// The tokens with `SELECT * FROM` in the place of such a word. Cost O(tokens).
pub(super) fn spelled(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    if !tokens.iter().any(|t| is_word(&t.token, "table")) {
        return tokens;
    }
    let solid = solid(&tokens);
    let words = Words::of(solid.iter().map(|at| &tokens[*at].token).collect());
    let tables: Vec<usize> = (0..solid.len()).filter(|at| words.begins_query(*at)).map(|at| solid[at]).collect();
    let mut tables = tables.into_iter().peekable();
    let mut out = Vec::with_capacity(tokens.len() + 2 * tables.len());
    for (at, token) in tokens.into_iter().enumerate() {
        if tables.next_if_eq(&at).is_none() {
            out.push(token);
            continue;
        }
        let all = [Token::make_keyword("SELECT"), Token::Mul, Token::make_keyword("FROM")];
        out.extend(all.map(|word| TokenWithSpan { token: word, span: token.span }));
    }
    out
}

/// The tokens of a statement without what is blank.
struct Words<'a> {
    tokens: Vec<&'a Token>,
    /// For each, whether it stands behind INSERT INTO and before what it inserts.
    inserting: Vec<bool>,
    /// Where the first AS stands that is in no parentheses.
    outer_as: Option<usize>,
}

impl<'a> Words<'a> {
    fn of(tokens: Vec<&'a Token>) -> Words<'a> {
        let mut inserting = Vec::with_capacity(tokens.len());
        for (at, token) in tokens.iter().enumerate() {
            let begins = is_word(token, "into") && at.checked_sub(1).is_some_and(|before| is_word(tokens[before], "insert"));
            let goes_on = inserting.last() == Some(&true) && !is_word(token, "select");
            inserting.push(begins || goes_on);
        }
        let mut depth = 0;
        let outer_as = tokens.iter().position(|token| {
            match token {
                Token::LParen => depth += 1,
                Token::RParen => depth -= 1,
                _ => {}
            }
            depth == 0 && is_word(token, "as")
        });
        Words { tokens, inserting, outer_as }
    }

    fn is(&self, at: usize, word: &str) -> bool {
        self.tokens.get(at).is_some_and(|token| is_word(token, word))
    }

    fn is_between(&self, at: usize) -> bool {
        BETWEEN.iter().any(|word| self.is(at, word))
    }

    /// True for the word TABLE with a name behind it, where a query begins.
    fn begins_query(&self, at: usize) -> bool {
        if !self.is(at, "table") || !self.is_named(at + 1) {
            return false;
        }
        let Some(before) = at.checked_sub(1) else { return true };
        match self.tokens[before] {
            // A subquery; behind the queries of WITH, and the columns of INSERT.
            Token::LParen => !before.checked_sub(1).is_some_and(|at| WINDOWS.iter().any(|name| self.is(at, name))),
            Token::RParen => true,
            _ if self.is_between(before) => true,
            _ if self.is(before, "all") || self.is(before, "distinct") => before.checked_sub(1).is_some_and(|at| self.is_between(at)),
            // Anywhere else it is the name of a column behind this word.
            _ if self.is(before, "as") => self.is_defining(before),
            _ if self.is(before, "for") => self.is(0, "declare"),
            _ if EXPLAINING.iter().any(|word| self.is(before, word)) => self.is(0, "explain") && at <= EXPLAINING.len(),
            Token::Word(_) => self.inserting[at],
            _ => false,
        }
    }

    /// True for what may be the name of a relation: `SELECT count(*) table FROM t` names a column so.
    fn is_named(&self, at: usize) -> bool {
        matches!(self.tokens.get(at), Some(Token::Word(word)) if word.quote_style.is_some() || !is_reserved(&word.value))
    }

    /// True for the AS of `CREATE .. AS` and `PREPARE .. AS`: the first that is in no parentheses.
    fn is_defining(&self, at: usize) -> bool {
        self.outer_as == Some(at) && (self.is(0, "create") || self.is(0, "prepare"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::dialect::Postgres;
    use sqlparser::tokenizer::Tokenizer;

    fn spelled_out(sql: &str) -> String {
        let tokens = Tokenizer::new(&Postgres, sql).tokenize_with_location().unwrap();
        spelled(tokens).iter().map(|t| if t.token == Token::Mul { " * ".into() } else { t.token.to_string() }).collect()
    }

    #[test]
    fn a_query_is_spelled_out_wherever_it_may_stand() {
        for sql in [
            "table t",
            "with w as (table t) table \"w\"",
            "select * from (table s.t order by a) x, lateral (table u) y",
            "select 1 where exists (table t)",
            "table t union all table u except table v intersect distinct table w",
            "create view v(a) as table t",
            "create table c as table t",
            "prepare p(int) as table t",
            "insert into t table u",
            "insert into s.t (a, b) table u",
            "with w as (select 1) insert into t table w",
            "explain analyze table t",
            "declare c cursor for table t",
            "copy (table t) to stdout",
        ] {
            let spelled = spelled_out(sql);
            assert!(spelled.contains("SELECT * FROM"), "{sql}: {spelled}");
            assert!(sql.starts_with("create table") || !spelled.contains("table "), "{sql}: {spelled}");
        }
    }

    #[test]
    fn other_tables_are_left_alone() {
        for sql in [
            "create table t (a int)",
            "create function f(a int) returns table (b int) language sql as 'select a'",
            "create view v as select a as table from t",
            "select a as table from t",
            "select max(a) table from t",
            "select (a) table where true",
            "grant select, insert on table t to u",
            "insert into t select a as table from u",
            "alter table t add a int",
            "lock table t, u",
            "truncate table t",
            "grant select (a) on table t to u",
            "drop table if exists t",
            "comment on table t is 'x'",
            "select \"table\" from t",
            "select a from tumble(table s.t, descriptor(at), interval '1 hour')",
            "select a from session(table t partition by b, descriptor(at), interval '1 hour')",
            "select a from table(hop(table t, descriptor(at), interval '1 hour', interval '2 hours'))",
        ] {
            assert_eq!(spelled_out(sql), sql);
        }
    }
}
