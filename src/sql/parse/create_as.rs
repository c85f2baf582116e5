//! CREATE TABLE .. AS query, and CREATE TEMPORARY TABLE.

use sqlparser::tokenizer::Token;

use super::Reader;
use crate::catalog::{RelationKind, TEMPORARY_NAME};
use crate::error::{Error, Result, code};
use crate::sql::statement::{NewTable, OnCommit, Statement};

impl Reader<'_> {
    /// True if `AS` follows, or a list in parentheses and then `AS`; so it does where a table is made of a query, and nowhere else.
    pub(super) fn query_follows(&self) -> bool {
        let mut depth = 0_usize;
        for (n, token) in self.ahead().enumerate() {
            match &token.token {
                Token::EOF => return false,
                Token::LParen => depth += 1,
                Token::RParen => depth = depth.saturating_sub(1),
                _ if depth > 0 => {}
                // ON COMMIT stands between.
                _ if self.word(n) == "on" => return (n + 3..n + 5).any(|n| self.word(n) == "as"),
                _ => return self.word(n) == "as",
            }
        }
        false
    }

    /// `[(columns)] AS query [WITH [NO] DATA]`, behind the table's name.
    pub(super) fn create_table_as(&mut self, mut new: NewTable) -> Result<Statement> {
        let columns = self.names_in_parentheses()?;
        if self.on_commit_follows() {
            new.temporary = Some(self.on_commit()?);
        }
        self.expect("as")?;
        if self.word(0) == "execute" {
            return Err(Error::unsupported("CREATE TABLE .. AS EXECUTE is not supported").hint("Write the query itself."));
        }
        let query = self.query()?;
        let data = !self.eat_words(&["with", "no", "data"]);
        if data {
            self.eat_words(&["with", "data"]);
        }
        Ok(Statement::CreateTableAs { new, columns, query, data })
    }

    /// `CREATE TABLE ..`. Errors: 42P16 for ON COMMIT.
    pub(super) fn create_permanent(&mut self) -> Result<Statement> {
        let statement = self.create_relation(RelationKind::Table)?;
        let temporary = matches!(&statement, Statement::CreateTableAs { new, .. } if new.temporary.is_some());
        if temporary || self.on_commit_follows() {
            return Err(Error::new(code::INVALID_TABLE_DEFINITION, "ON COMMIT can only be used on temporary tables")
                .hint("Write CREATE TEMPORARY TABLE."));
        }
        Ok(statement)
    }

    /// `CREATE UNLOGGED TABLE ..`: all is in the log here, so the table is as safe as others are, and a notice says so.
    pub(super) fn create_unlogged(&mut self) -> Result<Statement> {
        self.skip(1);
        let mut statement = self.create_permanent()?;
        let told = match &mut statement {
            Statement::CreateRelation(new) => &mut new.told,
            Statement::CreateTableAs { new, .. } => &mut new.told,
            _ => return Err(Error::internal("an unlogged table is a table")),
        };
        told.insert(0, "UNLOGGED has no effect: all tables are logged".into());
        Ok(statement)
    }

    /// `CREATE [LOCAL | GLOBAL] TEMP[ORARY] TABLE | VIEW ..`
    pub(super) fn create_temporary(&mut self) -> Result<Statement> {
        let behind = if matches!(self.word(1).as_str(), "local" | "global") { 3 } else { 2 };
        if self.word(behind) == "view" || self.word(behind) == "recursive" {
            return self.create_view();
        }
        if matches!(self.word(1).as_str(), "local" | "global") {
            self.skip(1);
        }
        if !matches!(self.word(1).as_str(), "temp" | "temporary") {
            self.skip(1);
            return Err(self.unexpected());
        }
        self.skip(1);
        if self.word(1) == "sequence" {
            let mut statement = self.create_sequence()?;
            if let Statement::CreateSequence { name, .. } = &mut statement {
                name.schema.get_or_insert(TEMPORARY_NAME.to_string());
            }
            return Ok(statement);
        }
        if self.word(1) != "table" {
            return Err(Error::unsupported(format!("CREATE TEMPORARY {} is not supported", self.word(1).to_uppercase()))
                .hint("Use CREATE TEMPORARY TABLE, VIEW or SEQUENCE."));
        }
        let mut statement = self.create_relation(RelationKind::Table)?;
        match &mut statement {
            Statement::CreateTableAs { new, .. } => {
                new.temporary.get_or_insert(OnCommit::PreserveRows);
            }
            Statement::CreatePartition(_) => return Err(temporary_partition()),
            Statement::CreateRelation(new) if new.partitioning.is_some() => return Err(temporary_partition()),
            Statement::CreateRelation(new) => {
                new.temporary = Some(if self.on_commit_follows() { self.on_commit()? } else { OnCommit::PreserveRows });
            }
            _ => return Err(Error::internal("a temporary table is a table")),
        }
        Ok(statement)
    }

    pub(super) fn on_commit_follows(&self) -> bool {
        self.word(0) == "on" && self.word(1) == "commit"
    }

    fn on_commit(&mut self) -> Result<OnCommit> {
        self.skip(2);
        if self.eat_words(&["preserve", "rows"]) {
            Ok(OnCommit::PreserveRows)
        } else if self.eat_words(&["delete", "rows"]) {
            Ok(OnCommit::DeleteRows)
        } else if self.eat("drop") {
            Ok(OnCommit::Drop)
        } else {
            Err(self.unexpected())
        }
    }
}

fn temporary_partition() -> Error {
    Error::unsupported("temporary tables are not partitioned").hint("Leave PARTITION out, or TEMPORARY.")
}
