//! REINDEX, CLUSTER, ANALYZE and VACUUM, which mend in PostgreSQL what needs no mending here: they do nothing, and the first two tell so.

use sqlparser::tokenizer::Token;

use super::Reader;
use crate::catalog::Name;
use crate::error::{Error, Result, code};
use crate::sql::statement::Statement;

/// What REINDEX is said of.
const KINDS: [&str; 5] = ["index", "table", "schema", "database", "system"];

impl Reader<'_> {
    /// `REINDEX [(option, ..)] kind [CONCURRENTLY] [name]`
    pub(super) fn reindex(&mut self) -> Result<Statement> {
        self.skip(1);
        self.skip_options()?;
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
        self.skip_options()?;
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
        self.skip_options()?;
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

    /// Passes over `(option, ..)`.
    fn skip_options(&mut self) -> Result<()> {
        if self.parser.consume_token(&Token::LParen) {
            while !matches!(self.parser.peek_token_ref().token, Token::RParen | Token::EOF) {
                self.skip(1);
            }
            self.close()?;
        }
        Ok(())
    }

    fn told(&self, tag: &str, of: Vec<Name>, why: &str) -> Result<Statement> {
        if !self.ended() {
            return Err(self.unexpected());
        }
        let notice = Error::new(code::SUCCESS, format!("{tag} has nothing to do, skipping")).detail(why);
        Ok(Statement::Told { tag: tag.into(), notice, of })
    }
}
