//! CREATE and ALTER DOMAIN.

use super::table::{Defined, defined};
use super::{Reader, parser_of};
use crate::error::{Error, Result};
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
        let Defined { column, named, key, rules, numbered } = self.definition("")?;
        if key || numbered.is_some() || rules.iter().any(|rule| !matches!(rule.what, What::Check { .. })) {
            return Err(Error::syntax("a domain takes DEFAULT, NOT NULL and CHECK only").hint("Put the other constraints on the columns."));
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
            [one] if constraints.is_empty() && reader.ended() => defined(one),
            _ => Err(moved(reader.unexpected())),
        }
    }

    /// ALTER DOMAIN. Errors: 0A000 for its default, which columns have taken over.
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
        } else if self.eat_words(&["drop", "constraint"]) {
            let if_exists = self.eat_words(&["if", "exists"]);
            let check = self.name()?;
            let _ = self.eat("cascade") || self.eat("restrict");
            DomainChange::DropCheck { name: check, if_exists }
        } else if self.eat("add") {
            DomainChange::AddCheck(self.condition()?)
        } else if matches!(self.word(0).as_str(), "set" | "drop" | "rename" | "validate") {
            let clause = self.rest();
            return Err(Error::unsupported(format!("ALTER DOMAIN .. {clause} is not supported"))
                .hint("A default is that of the columns: ALTER TABLE .. ALTER COLUMN .. SET DEFAULT. Constraints are added and dropped."));
        } else {
            return Err(self.unexpected());
        };
        Ok(Statement::AlterDomain { name, change })
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
