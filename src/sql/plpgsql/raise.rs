//! RAISE and ASSERT, and GET DIAGNOSTICS.

use sqlparser::tokenizer::Token;

use super::block::of_condition;
use super::scan::Reader;
use super::{Expression, Raise, What};
use crate::error::{Error, Result, code};

/// Levels of RAISE, and how a client is told of them.
const LEVELS: [(&str, &str); 6] =
    [("debug", "DEBUG"), ("log", "LOG"), ("info", "INFO"), ("notice", "NOTICE"), ("warning", "WARNING"), ("exception", "EXCEPTION")];

/// What USING of RAISE may set.
const OPTIONS: [&str; 9] = ["message", "detail", "hint", "errcode", "column", "constraint", "datatype", "table", "schema"];

/// What GET DIAGNOSTICS may ask for, of the last statement.
const CURRENT: [&str; 2] = ["row_count", "pg_context"];

/// What GET STACKED DIAGNOSTICS may ask for, of the error that is being handled.
const STACKED: [&str; 10] = [
    "returned_sqlstate",
    "message_text",
    "pg_exception_detail",
    "pg_exception_hint",
    "pg_exception_context",
    "column_name",
    "constraint_name",
    "pg_datatype_name",
    "table_name",
    "schema_name",
];

impl Reader<'_> {
    /// `RAISE [level] ['format' [, expression ..] | condition | SQLSTATE 'xxxxx'] [USING option = expression, ..];`
    pub fn raise(&mut self) -> Result<What> {
        let level = LEVELS.iter().find(|(word, _)| self.word(0) == *word && self.piece(1).token != Token::Eq).map(|(_, level)| *level);
        if level.is_some() {
            self.skip(1);
        }
        let mut raise = Raise { level: level.unwrap_or("EXCEPTION"), format: None, condition: None, options: vec![] };
        if self.eat("sqlstate") {
            let state = self.state()?;
            raise.condition = Some((state.clone(), state));
        } else if matches!(self.piece(0).token, Token::Word(_)) && self.word(0) != "using" {
            let name = self.name()?;
            raise.condition = Some((of_condition(&name)?, name));
        } else if !self.is(&Token::SemiColon) && self.word(0) != "using" {
            let format = self.text()?;
            let arguments = self.listed(&["using"])?;
            let places = format.replace("%%", "").matches('%').count();
            if places != arguments.len() {
                let few = if places < arguments.len() { "many" } else { "few" };
                return Err(Error::syntax(format!("too {few} parameters specified for RAISE")));
            }
            raise.format = Some((format, arguments));
        }
        if self.eat("using") {
            loop {
                let name = self.name()?;
                if !OPTIONS.contains(&name.as_str()) {
                    return Err(Error::syntax("unrecognized RAISE statement option"));
                }
                if !self.eat_token(&Token::Eq) {
                    self.expect_token(&Token::Assignment)?;
                }
                raise.options.push((name, self.item(&[])?));
                if !self.eat_token(&Token::Comma) {
                    break;
                }
            }
        }
        self.end_statement()?;
        Ok(What::Raise(raise))
    }

    /// `, expression ..` up to a word.
    pub fn listed(&mut self, words: &[&str]) -> Result<Vec<Expression>> {
        let mut listed = Vec::new();
        while self.eat_token(&Token::Comma) {
            listed.push(self.item(words)?);
        }
        Ok(listed)
    }

    /// `ASSERT condition [, message];`
    pub fn assert(&mut self) -> Result<What> {
        let condition = self.item(&[])?;
        let message = if self.eat_token(&Token::Comma) { Some(self.item(&[])?) } else { None };
        self.end_statement()?;
        Ok(What::Assert { condition, message })
    }

    /// `GET [CURRENT | STACKED] DIAGNOSTICS variable = item, ..;`
    pub fn diagnostics(&mut self) -> Result<What> {
        let stacked = self.eat("stacked");
        let _ = stacked || self.eat("current");
        self.expect("diagnostics")?;
        let mut items = Vec::new();
        loop {
            let target = self.path()?;
            if !self.eat_token(&Token::Eq) {
                self.expect_token(&Token::Assignment)?;
            }
            let item = self.name()?;
            let (known, other) = if stacked { (&STACKED[..], &CURRENT[..]) } else { (&CURRENT[..], &STACKED[..]) };
            if other.contains(&item.as_str()) {
                let which = if stacked { "GET STACKED DIAGNOSTICS" } else { "GET CURRENT DIAGNOSTICS" };
                return Err(Error::syntax(format!("diagnostics item {} is not allowed in {which}", item.to_uppercase())));
            }
            if item == "pg_context" || !known.contains(&item.as_str()) {
                return Err(Error::new(code::FEATURE_NOT_SUPPORTED, format!("diagnostics item {} is not supported", item.to_uppercase()))
                    .hint(format!(
                        "There are {}.",
                        known.iter().filter(|i| **i != "pg_context").map(|i| i.to_uppercase()).collect::<Vec<_>>().join(", ")
                    )));
            }
            items.push((target, item));
            if !self.eat_token(&Token::Comma) {
                break;
            }
        }
        self.end_statement()?;
        Ok(What::Diagnostics { stacked, items })
    }
}
