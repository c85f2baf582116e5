//! REINDEX, CLUSTER, ANALYZE and VACUUM, which mend in PostgreSQL what needs no mending here: they do nothing, and the first two tell so.

use sqlparser::tokenizer::Token;

use super::Reader;
use crate::catalog::Name;
use crate::error::{Error, Result, code};
use crate::sql::split::char_position;
use crate::sql::statement::Statement;

/// The options of each, in parentheses. What some of them are set to is no boolean.
const OF_REINDEX: &[&str] = &["concurrently", "tablespace", "verbose"];
const OF_CLUSTER: &[&str] = &["verbose"];
const OF_ANALYZE: &[&str] = &["verbose", "skip_locked"];
const OF_VACUUM: &[&str] = &[
    "full",
    "freeze",
    "verbose",
    "analyze",
    "disable_page_skipping",
    "skip_locked",
    "index_cleanup",
    "process_toast",
    "truncate",
    "parallel",
];
const NOT_BOOLEAN: &[&str] = &["tablespace", "index_cleanup", "parallel"];
const BOOLEANS: &[&str] = &["true", "false", "on", "off", "0", "1"];

/// What REINDEX is said of.
const KINDS: [&str; 5] = ["index", "table", "schema", "database", "system"];

impl Reader<'_> {
    /// `REINDEX [(option, ..)] kind [CONCURRENTLY] [name]`
    pub(super) fn reindex(&mut self) -> Result<Statement> {
        self.skip(1);
        self.options("REINDEX", OF_REINDEX)?;
        let kind = self.word(0);
        if !KINDS.contains(&kind.as_str()) {
            return Err(self.unexpected());
        }
        self.skip(1);
        self.eat("concurrently");
        let named = matches!(kind.as_str(), "index" | "table");
        let of = if named || !self.ended() { vec![self.relation_name()?] } else { vec![] };
        self.told("REINDEX", if named { of } else { vec![] }, "Indexes are kept as rows change, and are always whole.")
    }

    /// `CLUSTER [VERBOSE | (option, ..)] [table [USING index]]`
    pub(super) fn cluster(&mut self) -> Result<Statement> {
        self.skip(1);
        self.options("CLUSTER", OF_CLUSTER)?;
        self.eat("verbose");
        let mut of = vec![];
        if !self.ended() {
            let table = self.relation_name()?;
            if self.eat("using") {
                of.push(Name { name: self.name()?, ..table.clone() });
            }
            of.push(table);
        }
        self.told("CLUSTER", of, "Rows are found by key, in whatever order they are kept.")
    }

    /// `ANALYZE | VACUUM [(option, ..)] [FULL] [FREEZE] [VERBOSE] [ANALYZE] [table [(column, ..)], ..]`
    pub(super) fn upkeep(&mut self, tag: &'static str) -> Result<Statement> {
        self.skip(1);
        self.options(tag, if tag == "VACUUM" { OF_VACUUM } else { OF_ANALYZE })?;
        let options: &[&str] = if tag == "VACUUM" { &["full", "freeze", "verbose", "analyze", "analyse"] } else { &["verbose"] };
        for option in options {
            self.eat(option);
        }
        let mut tables = vec![];
        while !self.ended() {
            if !tables.is_empty() && !self.parser.consume_token(&Token::Comma) {
                return Err(self.unexpected());
            }
            let table = self.relation_name()?;
            let mut columns = vec![];
            if self.parser.consume_token(&Token::LParen) {
                columns.push(self.name()?);
                while self.parser.consume_token(&Token::Comma) {
                    columns.push(self.name()?);
                }
                self.close()?;
            }
            tables.push((table, columns));
        }
        Ok(Statement::Upkeep(tag, tables))
    }

    /// `(option [value], ..)`. Errors: 42601 for an option that there is not, and for a value that is none of its.
    fn options(&mut self, tag: &str, known: &[&str]) -> Result<()> {
        if !self.parser.consume_token(&Token::LParen) {
            return Ok(());
        }
        loop {
            let at = char_position(self.sql, self.parser.peek_token_ref().span.start);
            let option = self.name()?;
            if !known.contains(&option.as_str()) {
                return Err(Error::syntax(format!("unrecognized {tag} option \"{option}\"")).at(at));
            }
            let value = &self.parser.peek_token_ref().token;
            if !matches!(value, Token::Comma | Token::RParen | Token::EOF) {
                let value = value.to_string().to_lowercase();
                if !NOT_BOOLEAN.contains(&option.as_str()) && !BOOLEANS.contains(&value.trim_matches('\'')) {
                    return Err(Error::syntax(format!("{option} requires a Boolean value")));
                }
                self.skip(1);
            }
            if !self.parser.consume_token(&Token::Comma) {
                return self.close();
            }
        }
    }

    fn told(&self, tag: &str, of: Vec<Name>, why: &str) -> Result<Statement> {
        if !self.ended() {
            return Err(self.unexpected());
        }
        let notice = Error::new(code::SUCCESS, format!("{tag} has nothing to do, skipping")).detail(why);
        Ok(Statement::Told { tag: tag.into(), notice, of })
    }
}
