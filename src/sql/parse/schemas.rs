//! CREATE, ALTER and DROP SCHEMA.

use super::Reader;
use crate::error::{Error, Result};
use crate::sql::statement::{SchemaChange, Statement};

impl Reader<'_> {
    /// `CREATE SCHEMA [IF NOT EXISTS] [name] [AUTHORIZATION role]`. Errors: 0A000 for definitions within it.
    pub(super) fn create_schema(&mut self) -> Result<Statement> {
        self.skip(2);
        let if_not_exists = self.eat_words(&["if", "not", "exists"]);
        let name = if self.word(0) == "authorization" { None } else { Some(self.name()?) };
        let owner = if self.eat("authorization") { Some(self.role_name()?) } else { None };
        if name.is_none() && owner.is_none() {
            return Err(self.unexpected());
        }
        if matches!(self.word(0).as_str(), "create" | "grant") {
            return Err(Error::unsupported("definitions within CREATE SCHEMA are not supported")
                .hint("End the statement behind the name, and write the others behind it, as in CREATE TABLE schema.name."));
        }
        Ok(Statement::CreateSchema { name, owner, if_not_exists })
    }

    /// `ALTER SCHEMA name {RENAME TO name | OWNER TO role}`
    pub(super) fn alter_schema(&mut self) -> Result<Statement> {
        self.skip(2);
        let name = self.name()?;
        let change = if self.eat_words(&["rename", "to"]) {
            SchemaChange::Rename(self.name()?)
        } else if self.eat_words(&["owner", "to"]) {
            SchemaChange::Own(self.role_name()?)
        } else {
            return Err(self.unexpected());
        };
        Ok(Statement::AlterSchema { name, change })
    }

    /// `DROP SCHEMA [IF EXISTS] name, .. [CASCADE | RESTRICT]`
    pub(super) fn drop_schemas(&mut self) -> Result<Statement> {
        self.skip(2);
        let if_exists = self.eat_words(&["if", "exists"]);
        let names = self.listed(|r| r.name())?;
        let cascade = self.eat("cascade");
        if !cascade {
            self.eat("restrict");
        }
        Ok(Statement::DropSchema { names, if_exists, cascade })
    }
}
