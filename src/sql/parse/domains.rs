//! CREATE and ALTER DOMAIN.

use super::table::{Defined, defined};
use super::{Reader, parser_of};
use crate::error::{Error, Result};
use crate::sql::convert::checked_name;
use crate::sql::split::char_position;
use crate::sql::statement::{DomainChange, NewRule, Statement, What};

/// What makes the definition of a column of a domain's.
const COLUMN: &str = "(value ";

impl Reader<'_> {
    /// `CREATE DOMAIN name [AS] type [DEFAULT ..] [NOT NULL] [[CONSTRAINT name] CHECK (..)] ..`
    pub(super) fn create_domain(&mut self) -> Result<Statement> {
        self.skip(2);
        let name = self.relation_name()?;
        self.eat("as");
        let Defined { column, named, key, rules, numbered, .. } = self.definition("")?;
        if key || numbered.is_some() || rules.iter().any(|rule| !matches!(rule.what, What::Check { .. })) {
            return Err(only_what_domains_take());
        }
        Ok(Statement::CreateDomain { name, column, named, rules })
    }

    /// The rest of the statement as the definition of a column, with a type before it if it has none.
    fn definition(&mut self, ty: &str) -> Result<Defined> {
        let (start, before) = (char_position(self.sql, self.parser.peek_token_ref().span.start), format!("{COLUMN}{ty}"));
        let text = format!("{before}{})", self.rest());
        self.skip_all();
        let moved = |mut e: Error| {
            let fields = e.fields_mut();
            fields.position = fields.position.and_then(|at| (at + start).checked_sub(before.chars().count() + 1));
            e
        };
        let mut reader = Reader { sql: &text, parser: parser_of(&text).map_err(moved)? };
        let columns = reader.parser.parse_columns();
        let (definitions, constraints) = columns.map_err(|e| moved(reader.refused(e)))?;
        match definitions.as_slice() {
            [one] if constraints.is_empty() && reader.ended() => match defined(one, "")? {
                Defined { column, .. } if column.generated.is_some() => Err(only_what_domains_take()),
                defined => Ok(defined),
            },
            _ => Err(moved(reader.unexpected())),
        }
    }

    /// ALTER DOMAIN.
    pub(super) fn alter_domain(&mut self) -> Result<Statement> {
        self.skip(2);
        let name = self.relation_name()?;
        if let Some(change) = self.type_change()? {
            return Ok(Statement::AlterType { name, domain: true, change });
        }
        let change = if self.eat_words(&["set", "not", "null"]) {
            DomainChange::SetNotNull(true)
        } else if self.eat_words(&["drop", "not", "null"]) {
            DomainChange::SetNotNull(false)
        } else if self.eat_words(&["set", "default"]) {
            DomainChange::SetDefault(self.default()?)
        } else if self.eat_words(&["drop", "default"]) {
            DomainChange::SetDefault(None)
        } else if self.eat_words(&["drop", "constraint"]) {
            let if_exists = self.eat_words(&["if", "exists"]);
            let check = self.name()?;
            let _ = self.eat("cascade") || self.eat("restrict");
            DomainChange::DropCheck { name: check, if_exists }
        } else if self.eat_words(&["rename", "constraint"]) {
            let check = self.name()?;
            if !self.eat("to") {
                return Err(self.unexpected());
            }
            DomainChange::RenameCheck { name: check, to: checked_name(self.name()?)? }
        } else if self.eat_words(&["validate", "constraint"]) {
            DomainChange::ValidateCheck(self.name()?)
        } else if self.eat("add") {
            DomainChange::AddCheck(self.condition()?)
        } else {
            return Err(self.unexpected());
        };
        Ok(Statement::AlterDomain { name, change })
    }

    /// The expression of a default; NULL is none.
    fn default(&mut self) -> Result<Option<String>> {
        let (position, Defined { column, rules, key, numbered, .. }) = (self.unexpected(), self.definition("int DEFAULT ")?);
        if !rules.is_empty() || key || numbered.is_some() || !column.nullable {
            return Err(position);
        }
        Ok(column.default.filter(|default| !default.eq_ignore_ascii_case("null")))
    }

    /// `[CONSTRAINT name] CHECK (..)`
    fn condition(&mut self) -> Result<NewRule> {
        if !matches!(self.word(0).as_str(), "constraint" | "check") {
            return Err(self.unexpected());
        }
        match self.definition("int ")?.rules.as_slice() {
            [rule] if matches!(rule.what, What::Check { .. }) => Ok(rule.clone()),
            _ => Err(Error::syntax("ALTER DOMAIN .. ADD takes one CHECK constraint")),
        }
    }
}

fn only_what_domains_take() -> Error {
    Error::syntax("a domain takes DEFAULT, NOT NULL and CHECK only").hint("Put the other constraints on the columns.")
}
