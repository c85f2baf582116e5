//! CREATE, ALTER and DROP TYPE of PostgreSQL's dialect.

use sqlparser::ast;
use sqlparser::tokenizer::Token;

use super::Reader;
use super::table::{Defined, defined};
use crate::data::enums::Place;
use crate::error::{Error, Result};
use crate::sql::convert::checked_name;
use crate::sql::statement::{AttributeChange, NewAttribute, Statement, TypeChange};

impl Reader<'_> {
    /// `CREATE TYPE name AS ENUM ('label', ..)` and `CREATE TYPE name AS (attribute type, ..)`. Errors: 0A000 for types of other kinds.
    pub(super) fn create_type(&mut self) -> Result<Statement> {
        self.skip(2);
        let name = self.relation_name()?;
        if self.eat_words(&["as", "enum"]) {
            return Ok(Statement::CreateEnum { name, labels: self.labels()? });
        }
        if self.word(0) == "as" && matches!(self.parser.peek_nth_token_ref(1).token, Token::LParen) {
            self.skip(1);
            return Ok(Statement::CreateComposite { name, attributes: self.attributes()? });
        }
        let (kind, hint) = match (self.word(0).as_str(), self.word(1).as_str()) {
            ("as", "range") => ("range types", "Use two columns, for the lower and the upper bound."),
            _ => ("base types", "Use text, or CREATE DOMAIN for a type with a CHECK."),
        };
        Err(Error::unsupported(format!("{kind} are not supported")).hint(hint).at(1))
    }

    /// `(name type, ..)`. Errors: 0A000 for none.
    fn attributes(&mut self) -> Result<Vec<NewAttribute>> {
        let (definitions, constraints) = self.parser.parse_columns().map_err(|e| self.refused(e))?;
        if !constraints.is_empty() {
            return Err(Error::syntax("an attribute takes a name and a type, and no constraint"));
        }
        if definitions.is_empty() {
            return Err(Error::unsupported("a composite type without attributes is not supported").hint("Give it one attribute at least."));
        }
        definitions.iter().map(attribute).collect()
    }

    /// `{ADD | DROP | ALTER} ATTRIBUTE .., ..` and `RENAME ATTRIBUTE a TO b`.
    fn attribute_changes(&mut self) -> Result<Option<TypeChange>> {
        if self.eat_words(&["rename", "attribute"]) {
            let from = self.name()?;
            self.expect("to")?;
            let to = checked_name(self.name()?)?;
            self.behavior();
            return Ok(Some(TypeChange::Attributes(vec![AttributeChange::Rename { from, to }])));
        }
        if !matches!(self.word(0).as_str(), "add" | "drop" | "alter") || self.word(1) != "attribute" {
            return Ok(None);
        }
        self.listed(|r| r.attribute_change()).map(|changes| Some(TypeChange::Attributes(changes)))
    }

    fn attribute_change(&mut self) -> Result<AttributeChange> {
        let what = self.word(0);
        self.skip(1);
        self.expect("attribute")?;
        let change = match what.as_str() {
            "add" => {
                let definition = self.parser.parse_column_def().map_err(|e| self.refused(e))?;
                AttributeChange::Add(attribute(&definition)?)
            }
            "drop" => {
                let if_exists = self.eat_words(&["if", "exists"]);
                AttributeChange::Drop { name: self.name()?, if_exists }
            }
            "alter" => {
                let name = self.parser.parse_identifier().map_err(|e| self.refused(e))?;
                self.eat_words(&["set", "data"]);
                self.expect("type")?;
                let data_type = self.parser.parse_data_type().map_err(|e| self.refused(e))?;
                AttributeChange::Retype(attribute(&ast::ColumnDef { name, data_type, options: vec![] })?)
            }
            _ => return Err(self.unexpected()),
        };
        self.behavior();
        Ok(change)
    }

    /// CASCADE and RESTRICT, which make no difference while nothing may be of the type.
    fn behavior(&mut self) {
        if !self.eat("cascade") {
            self.eat("restrict");
        }
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

    /// ALTER TYPE.
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
        } else if let Some(change) = self.attribute_changes()? {
            change
        } else if matches!(self.word(0).as_str(), "add" | "drop" | "alter" | "rename" | "set") {
            let clause = self.rest();
            return Err(Error::unsupported(format!("ALTER TYPE .. {clause} is not supported"))
                .hint("Enumerations take ADD VALUE and RENAME VALUE, composite types ADD, DROP, ALTER and RENAME ATTRIBUTE."));
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
        let cascade = self.cascade();
        Ok(Statement::DropTypes { names, domains, if_exists, cascade })
    }
}

/// Errors: 42601 for one with a default or a constraint; 0A000 for a type that only columns have.
fn attribute(definition: &ast::ColumnDef) -> Result<NewAttribute> {
    let Defined { column, named, key, rules, numbered, .. } = defined(definition, "")?;
    let plain = column.nullable && column.default.is_none() && column.generated.is_none() && column.identity.is_none();
    if key || !rules.is_empty() || numbered.is_some() || !plain {
        return Err(Error::syntax("an attribute takes a name and a type, and no constraint"));
    }
    if column.precision.is_some() {
        return Err(Error::unsupported(format!("the precision of attribute \"{}\" is not supported", column.name))
            .hint("Leave it out: times are kept to the microsecond."));
    }
    Ok(NewAttribute { column, named })
}
