//! Statements of ksqlDB's dialect that make, change and drop relations and types, and those that write rows.

use super::ast::{ColumnDef, ColumnRole, Create, Kind, Properties, Property, Statement};
use super::lex::Lexeme;
use super::parse::Parser;
use crate::error::{Error, Result, code};

/// What to write instead of a connector.
const CONNECTORS_HINT: &str = "Write rows with INSERT INTO or COPY, and read them with SELECT: there is no Kafka Connect.";

impl Parser<'_> {
    pub(super) fn create(&mut self) -> Result<Statement> {
        self.expect(&["CREATE"])?;
        if self.eat(&["TYPE"]) {
            let if_not_exists = self.eat(&["IF", "NOT", "EXISTS"]);
            let name = self.name()?;
            self.expect(&["AS"])?;
            let ty = self.root(Self::type_name)?;
            return Ok(Statement::CreateType { name, ty, if_not_exists });
        }
        if matches!(self.word(0), "SOURCE" | "SINK") && self.word(1) == "CONNECTOR" {
            return Ok(self.connectors());
        }
        let or_replace = self.eat(&["OR", "REPLACE"]);
        let source = self.eat(&["SOURCE"]);
        let kind = self.kind()?;
        let if_not_exists = self.eat(&["IF", "NOT", "EXISTS"]);
        let name = self.name()?;
        let elements = self.sign(0) == "(";
        let columns = if elements { self.columns()? } else { Vec::new() };
        let with = self.with()?;
        let query = if !elements && !source && self.eat(&["AS"]) { Some(self.query()?) } else { None };
        Ok(Statement::Create(Create { kind, name, or_replace, source, if_not_exists, columns, with, query }))
    }

    /// A statement about connectors, which is skipped.
    pub(super) fn connectors(&mut self) -> Statement {
        self.skip_all();
        Statement::Refused { what: "a connector", hint: CONNECTORS_HINT }
    }

    /// STREAM or TABLE.
    pub(super) fn kind(&mut self) -> Result<Kind> {
        if self.eat(&["STREAM"]) {
            return Ok(Kind::Stream);
        }
        self.expect(&["TABLE"])?;
        Ok(Kind::Table)
    }

    /// `(name type [role], ..)`
    pub(super) fn columns(&mut self) -> Result<Vec<ColumnDef>> {
        self.parenthesized(|p| {
            let mut column = p.column()?;
            if p.eat(&["PRIMARY"]) {
                p.expect(&["KEY"])?;
                column.role = ColumnRole::PrimaryKey;
            } else if p.eat(&["KEY"]) {
                column.role = ColumnRole::Key;
            } else if p.eat(&["HEADERS"]) {
                column.role = ColumnRole::Headers(None);
            } else if p.eat(&["HEADER"]) {
                p.expect_sign("(")?;
                column.role = ColumnRole::Headers(Some(p.string()?));
                p.expect_sign(")")?;
            }
            Ok(column)
        })
    }

    /// `name type`
    fn column(&mut self) -> Result<ColumnDef> {
        let at = self.place();
        let name = self.name()?;
        Ok(ColumnDef { name, ty: self.root(Self::type_name)?, role: ColumnRole::Value, at })
    }

    /// `WITH (name = literal, ..)`, or nothing.
    pub(super) fn with(&mut self) -> Result<Properties> {
        if !self.eat(&["WITH"]) {
            return Ok(Vec::new());
        }
        self.parenthesized(|p| {
            let at = p.place();
            let name = if matches!(p.peek(0), Some(Lexeme::Text(_))) { p.string()? } else { p.name()? };
            let name = name.to_ascii_uppercase();
            p.expect_sign("=")?;
            let value = p.property_value(&name)?;
            Ok(Property { name, value, at })
        })
    }

    fn property_value(&mut self, name: &str) -> Result<String> {
        let sign = if self.eat_sign("-") { "-" } else { "" };
        let value = match self.peek(0) {
            Some(Lexeme::Integer(n) | Lexeme::Decimal(n) | Lexeme::Double(n)) => format!("{sign}{n}"),
            Some(Lexeme::Text(text)) if sign.is_empty() => text.clone(),
            Some(Lexeme::Word(word)) if sign.is_empty() && matches!(word.as_str(), "TRUE" | "FALSE") => word.to_ascii_lowercase(),
            Some(Lexeme::Word(word)) if sign.is_empty() && word == "NULL" => {
                return Err(Error::new(code::INVALID_PARAMETER_VALUE, format!("property {name} cannot be NULL")).at(self.place()));
            }
            _ => return Err(self.unexpected()),
        };
        self.skip(1);
        Ok(value)
    }

    pub(super) fn insert(&mut self) -> Result<Statement> {
        self.expect(&["INSERT", "INTO"])?;
        let name = self.name()?;
        if matches!(self.word(0), "WITH" | "SELECT") {
            let with = self.with()?;
            return Ok(Statement::InsertSelect { name, with, query: self.query()? });
        }
        let columns = if self.sign(0) == "(" {
            self.parenthesized(|p| {
                let at = p.place();
                Ok((p.name()?, at))
            })?
        } else {
            Vec::new()
        };
        self.expect(&["VALUES"])?;
        let rows = self.list(Self::values)?;
        Ok(Statement::InsertValues { name, columns, rows })
    }

    /// `(expression, ..)`, or `()`.
    pub(super) fn values(&mut self) -> Result<Vec<super::ast::Expr>> {
        self.expect_sign("(")?;
        let values = self.until(")", Self::whole)?;
        self.expect_sign(")")?;
        Ok(values)
    }

    pub(super) fn delete(&mut self) -> Result<Statement> {
        self.expect(&["DELETE", "FROM"])?;
        let name = self.name()?;
        let condition = if self.eat(&["WHERE"]) { Some(self.whole()?) } else { None };
        Ok(Statement::Delete { name, condition })
    }

    pub(super) fn alter(&mut self) -> Result<Statement> {
        self.expect(&["ALTER"])?;
        if self.eat(&["SYSTEM"]) {
            self.string()?;
            self.expect_sign("=")?;
            self.string()?;
            return Ok(Statement::Refused { what: "ALTER SYSTEM", hint: "Write SET 'property' = 'value' for the session." });
        }
        let kind = self.kind()?;
        let name = self.name()?;
        let columns = self.list(|p| {
            p.expect(&["ADD"])?;
            // A column may be named COLUMN: then its type follows, and nothing that could be another type.
            if p.word(0) == "COLUMN" && p.names(1) && p.names(2) {
                p.skip(1);
            }
            p.column()
        })?;
        Ok(Statement::Alter { kind, name, columns })
    }

    pub(super) fn drop(&mut self) -> Result<Statement> {
        self.expect(&["DROP"])?;
        if self.word(0) == "CONNECTOR" {
            return Ok(self.connectors());
        }
        if self.eat(&["TYPE"]) {
            let if_exists = self.eat(&["IF", "EXISTS"]);
            return Ok(Statement::DropType { name: self.name()?, if_exists });
        }
        let kind = self.kind()?;
        let if_exists = self.eat(&["IF", "EXISTS"]);
        let name = self.name()?;
        let (mut delete_topic, mut cascade) = (false, false);
        while !self.ends() {
            if !delete_topic && self.eat(&["DELETE", "TOPIC"]) {
                delete_topic = true;
            } else if !cascade && self.eat(&["CASCADE"]) {
                cascade = true;
            } else {
                return Err(self.unexpected());
            }
        }
        Ok(Statement::Drop { kind, name, if_exists, delete_topic, cascade })
    }
}
