//! TRUNCATE and LOCK TABLE.

use sqlparser::tokenizer::Token;

use super::Reader;
use crate::catalog::Name;
use crate::error::{Error, Result};
use crate::sql::TableMode;
use crate::sql::statement::{Statement, Truncate};

impl Reader<'_> {
    /// `TRUNCATE [TABLE] name, .. [RESTART IDENTITY | CONTINUE IDENTITY] [CASCADE | RESTRICT]`
    pub(super) fn truncate(&mut self) -> Result<Statement> {
        self.skip(1);
        self.eat("table");
        let tables = self.tables()?;
        let restart_identity = self.eat_words(&["restart", "identity"]);
        if !restart_identity {
            self.eat_words(&["continue", "identity"]);
        }
        let cascade = self.cascade();
        Ok(Statement::Truncate(Truncate { tables, restart_identity, cascade }))
    }

    /// `LOCK [TABLE] name, .. [IN mode MODE] [NOWAIT]`
    pub(super) fn lock_tables(&mut self) -> Result<Statement> {
        self.skip(1);
        self.eat("table");
        let tables = self.tables()?;
        let mode = if self.eat("in") { self.table_mode()? } else { TableMode::AccessExclusive };
        let nowait = self.eat("nowait");
        Ok(Statement::LockTables { tables, mode, nowait })
    }

    /// `mode MODE`, behind IN
    fn table_mode(&mut self) -> Result<TableMode> {
        let mut words = Vec::new();
        while !self.ended() && self.word(0) != "mode" {
            words.push(self.name()?);
        }
        self.expect("mode")?;
        let words = words.join(" ");
        let mode = TableMode::ALL.into_iter().find(|mode| mode.words() == words);
        mode.ok_or_else(|| Error::syntax(format!("there is no lock mode \"{words}\"")))
    }

    fn tables(&mut self) -> Result<Vec<Name>> {
        let mut tables = Vec::new();
        loop {
            self.eat("only");
            tables.push(self.relation_name()?);
            let _ = self.parser.consume_token(&Token::Mul);
            if !self.parser.consume_token(&Token::Comma) {
                return Ok(tables);
            }
        }
    }
}
