//! CREATE, ALTER and DROP TYPE of PostgreSQL's dialect.

use sqlparser::tokenizer::Token;

use super::Reader;
use crate::data::enums::Place;
use crate::error::{Error, Result};
use crate::sql::convert::checked_name;
use crate::sql::statement::{Statement, TypeChange};

impl Reader<'_> {
    /// `CREATE TYPE name AS ENUM ('label', ..)`. Errors: 0A000 for types of other kinds.
    pub(super) fn create_type(&mut self) -> Result<Statement> {
        self.skip(2);
        let name = self.relation_name()?;
        if self.eat_words(&["as", "enum"]) {
            return Ok(Statement::CreateEnum { name, labels: self.labels()? });
        }
        let (kind, hint) = match (self.word(0).as_str(), self.word(1).as_str()) {
            ("as", "range") => ("range types", "Use two columns, for the lower and the upper bound."),
            ("as", _) => ("composite types", "Use columns, or jsonb."),
            _ => ("base types", "Use text, or CREATE DOMAIN for a type with a CHECK."),
        };
        Err(Error::unsupported(format!("{kind} are not supported")).hint(hint).at(1))
    }

    fn labels(&mut self) -> Result<Vec<String>> {
        if !self.parser.consume_token(&Token::LParen) {
            return Err(self.unexpected());
        }
        let labels = match self.parser.peek_token_ref().token {
            Token::RParen => vec![],
            _ => self.listed(|r| r.label())?,
        };
        self.close()?;
        Ok(labels)
    }

    fn label(&mut self) -> Result<String> {
        match &self.parser.peek_token_ref().token {
            // It is a name to text(), and not here.
            Token::DoubleQuotedString(_) => Err(self.unexpected()),
            _ => self.text(),
        }
    }

    /// ALTER TYPE of an enumeration.
    pub(super) fn alter_type(&mut self) -> Result<Statement> {
        self.skip(2);
        let name = self.relation_name()?;
        let change = if self.eat_words(&["add", "value"]) {
            let if_not_exists = self.eat_words(&["if", "not", "exists"]);
            let label = self.label()?;
            let place = if self.eat("before") {
                Place::Before(self.label()?)
            } else if self.eat("after") {
                Place::After(self.label()?)
            } else {
                Place::Last
            };
            TypeChange::AddValue { label, if_not_exists, place }
        } else if self.eat_words(&["rename", "value"]) {
            let from = self.label()?;
            self.expect("to")?;
            TypeChange::RenameValue { from, to: self.label()? }
        } else if let Some(change) = self.type_change()? {
            change
        } else if matches!(self.word(0).as_str(), "add" | "drop" | "alter" | "rename" | "set") {
            let clause = self.rest();
            return Err(Error::unsupported(format!("ALTER TYPE .. {clause} is not supported"))
                .hint("Enumerations take ADD VALUE, RENAME VALUE, RENAME TO, SET SCHEMA and OWNER TO."));
        } else {
            return Err(self.unexpected());
        };
        Ok(Statement::AlterType { name, domain: false, change })
    }

    /// RENAME TO, SET SCHEMA, OWNER TO, of any type.
    pub(super) fn type_change(&mut self) -> Result<Option<TypeChange>> {
        Ok(if self.eat_words(&["rename", "to"]) {
            Some(TypeChange::Rename(checked_name(self.name()?)?))
        } else if self.eat_words(&["set", "schema"]) {
            Some(TypeChange::SetSchema(self.name()?))
        } else if self.eat_words(&["owner", "to"]) {
            Some(TypeChange::Own(self.role_name()?))
        } else {
            None
        })
    }

    /// `DROP {TYPE | DOMAIN} [IF EXISTS] name, .. [CASCADE | RESTRICT]`
    pub(super) fn drop_types(&mut self) -> Result<Statement> {
        self.skip(1);
        let domains = self.word(0) == "domain";
        self.skip(1);
        let if_exists = self.eat_words(&["if", "exists"]);
        let names = self.listed(|r| r.relation_name())?;
        let cascade = self.eat("cascade");
        if !cascade {
            self.eat("restrict");
        }
        Ok(Statement::DropTypes { names, domains, if_exists, cascade })
    }
}
