//! TRUNCATE and LOCK TABLE.

use sqlparser::tokenizer::Token;

use super::Reader;
use crate::catalog::Name;
use crate::error::{Error, Result};
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
        let cascade = self.eat("cascade");
        if !cascade {
            self.eat("restrict");
        }
        Ok(Statement::Truncate(Truncate { tables, restart_identity, cascade }))
    }

    /// `LOCK [TABLE] name, .. [IN mode MODE] [NOWAIT]`
    pub(super) fn lock_tables(&mut self) -> Result<Statement> {
        self.skip(1);
        self.eat("table");
        let tables = self.tables()?;
        let mut exclusive = true;
        if self.eat("in") {
            let mut mode = Vec::new();
            while !self.ended() && self.word(0) != "mode" {
                mode.push(self.name()?);
            }
            self.expect("mode")?;
            exclusive = match mode.join(" ").as_str() {
                "access share" | "row share" | "row exclusive" => false,
                "share update exclusive" | "share" | "share row exclusive" | "exclusive" | "access exclusive" => true,
                other => return Err(Error::syntax(format!("there is no lock mode \"{other}\""))),
            };
        }
        let nowait = self.eat("nowait");
        Ok(Statement::LockTables { tables, exclusive, nowait })
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
