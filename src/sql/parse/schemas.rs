//! CREATE, ALTER and DROP SCHEMA.

use sqlparser::tokenizer::Token;

use super::{Reader, parse};
use crate::error::{Error, Result};
use crate::sql::split::char_position;
use crate::sql::statement::{SchemaChange, Statement};

impl Reader<'_> {
    /// `CREATE SCHEMA [IF NOT EXISTS] [name] [AUTHORIZATION role] [definition ..]`. Errors: 0A000 for definitions behind IF NOT EXISTS.
    pub(super) fn create_schema(&mut self) -> Result<Statement> {
        self.skip(2);
        let if_not_exists = self.eat_words(&["if", "not", "exists"]);
        let name = if self.word(0) == "authorization" { None } else { Some(self.name()?) };
        let owner = if self.eat("authorization") { Some(self.role_name()?) } else { None };
        if name.is_none() && owner.is_none() {
            return Err(self.unexpected());
        }
        let definitions = self.definitions_within()?;
        if if_not_exists && !definitions.is_empty() {
            let hint = "The schema may have them already: write them as statements of their own, with IF NOT EXISTS.";
            return Err(Error::unsupported("CREATE SCHEMA IF NOT EXISTS cannot include schema elements").hint(hint));
        }
        Ok(Statement::CreateSchema { name, owner, if_not_exists, definitions })
    }

    /// What is defined within CREATE SCHEMA, and the texts of that, in an order in which later ones may name earlier ones. Errors: 42601 for a
    /// statement that defines nothing in a schema, and those of the statements.
    fn definitions_within(&mut self) -> Result<Vec<(String, Statement)>> {
        let mut found: Vec<(usize, String, Statement)> = Vec::new();
        while !self.ended() {
            let Some(rank) = rank([0, 1, 2].map(|n| self.word(n)).each_ref().map(String::as_str)) else { return Err(self.unexpected()) };
            let place = |reader: &Self| char_position(reader.sql, reader.parser.peek_token_ref().span.start) - 1;
            let start = place(self);
            self.skip(1);
            while !self.ended() && !matches!(self.word(0).as_str(), "create" | "grant") {
                self.skip(1);
            }
            let end = if matches!(self.parser.peek_token_ref().token, Token::EOF) { self.sql.chars().count() } else { place(self) };
            let text: String = self.sql.chars().skip(start).take(end.saturating_sub(start)).collect();
            let statement = parse(&text)?;
            found.push((rank, text, statement));
        }
        found.sort_by_key(|(rank, ..)| *rank);
        Ok(found.into_iter().map(|(_, text, statement)| (text, statement)).collect())
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
        let cascade = self.cascade();
        Ok(Statement::DropSchema { names, if_exists, cascade })
    }
}

/// When a statement within CREATE SCHEMA is run: tables stand on sequences, views on tables, and grants on all. `None` for what may not be there.
fn rank(words: [&str; 3]) -> Option<usize> {
    match words {
        ["create", "sequence", _] => Some(0),
        ["create", "table" | "stream", _] => Some(1),
        ["create", "view", _] | ["create", "materialized", "view"] => Some(2),
        ["create", "index", _] | ["create", "unique", "index"] => Some(3),
        ["grant", ..] => Some(4),
        _ => None,
    }
}
