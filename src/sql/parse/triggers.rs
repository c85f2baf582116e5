//! CREATE, ALTER and DROP TRIGGER, and ALTER TABLE .. ENABLE and DISABLE TRIGGER.

use sqlparser::tokenizer::Token;

use super::Reader;
use crate::catalog::{Timing, TriggerEvent};
use crate::error::{Error, Result};
use crate::sql::convert::checked_name;
use crate::sql::split::char_position;
use crate::sql::statement::{Alteration, NewTrigger, Statement, TriggerStatement};

fn statement(statement: TriggerStatement) -> Statement {
    Statement::Trigger(Box::new(statement))
}

impl Reader<'_> {
    /// Errors: 42601; 0A000 for CONSTRAINT TRIGGER.
    pub(super) fn create_trigger(&mut self) -> Result<Statement> {
        self.skip(1);
        let replace = self.eat_words(&["or", "replace"]);
        if self.eat("constraint") {
            return Err(Error::unsupported("CREATE CONSTRAINT TRIGGER is not supported")
                .hint("CREATE TRIGGER .. AFTER .. FOR EACH ROW fires at the end of the statement."));
        }
        self.expect("trigger")?;
        let name = checked_name(self.name()?)?;
        let timing = self.timing()?;
        let (events, columns) = self.trigger_events()?;
        self.expect("on")?;
        let table = self.relation_name()?;
        let (old_table, new_table) = self.referencing()?;
        let mut row = false;
        if self.eat("for") {
            self.eat("each");
            row = self.eat("row");
            if !row {
                self.expect("statement")?;
            }
        }
        let condition = if self.eat("when") { Some(self.in_parentheses()?) } else { None };
        self.expect("execute")?;
        if !self.eat("procedure") {
            self.expect("function")?;
        }
        let function = self.relation_name()?;
        let arguments = self.trigger_arguments()?;
        let new = NewTrigger { name, table, timing, events, columns, row, old_table, new_table, condition, function, arguments };
        Ok(statement(TriggerStatement::Create { new, replace }))
    }

    /// `REFERENCING {OLD | NEW} TABLE [AS] name ..`: the names of the two. Errors: 42601 for one that is named twice, 0A000 for ROW.
    fn referencing(&mut self) -> Result<(Option<String>, Option<String>)> {
        let (mut old, mut new) = (None, None);
        if !self.eat("referencing") {
            return Ok((old, new));
        }
        while matches!(self.word(0).as_str(), "old" | "new") {
            let is_new = self.word(0) == "new";
            self.skip(1);
            if !self.eat("table") {
                self.eat("row");
                return Err(Error::unsupported("ROW variable naming in the REFERENCING clause is not supported")
                    .hint("Use OLD TABLE or NEW TABLE for naming transition tables."));
            }
            self.eat("as");
            let name = checked_name(self.name()?)?;
            let (word, place) = if is_new { ("NEW", &mut new) } else { ("OLD", &mut old) };
            if place.replace(name).is_some() {
                return Err(Error::syntax(format!("{word} TABLE cannot be specified multiple times")));
            }
        }
        if old.is_none() && new.is_none() { Err(self.unexpected()) } else { Ok((old, new)) }
    }

    fn timing(&mut self) -> Result<Timing> {
        match self.word(0).as_str() {
            "instead" => {
                self.skip(1);
                self.expect("of")?;
                Ok(Timing::Instead)
            }
            "before" | "after" => {
                let before = self.word(0) == "before";
                self.skip(1);
                Ok(if before { Timing::Before } else { Timing::After })
            }
            _ => Err(self.unexpected()),
        }
    }

    /// `event [OR ..]`, and the columns of UPDATE OF. Errors: 42601 for one that is named twice.
    fn trigger_events(&mut self) -> Result<(Vec<TriggerEvent>, Vec<String>)> {
        let (mut events, mut columns) = (Vec::new(), Vec::new());
        loop {
            let word = self.word(0);
            let event = TriggerEvent::named(&word).ok_or_else(|| self.unexpected())?;
            if events.contains(&event) {
                let at = char_position(self.sql, self.parser.peek_token_ref().span.start);
                return Err(Error::syntax(format!("duplicate trigger events specified at or near \"{word}\"")).at(at));
            }
            self.skip(1);
            events.push(event);
            if event == TriggerEvent::Update && self.eat("of") {
                columns.push(self.name()?);
                while self.parser.consume_token(&Token::Comma) {
                    columns.push(self.name()?);
                }
            }
            if !self.eat("or") {
                break;
            }
        }
        events.sort();
        Ok((events, columns))
    }

    /// An expression in parentheses, as text.
    fn in_parentheses(&mut self) -> Result<String> {
        if !self.parser.consume_token(&Token::LParen) {
            return Err(self.unexpected());
        }
        let expr = self.parser.parse_expr().map_err(|e| self.refused(e))?;
        self.close()?;
        Ok(expr.to_string())
    }

    /// The arguments of the function: literals and words, all of which are texts to it.
    fn trigger_arguments(&mut self) -> Result<Vec<String>> {
        if !self.parser.consume_token(&Token::LParen) {
            return Err(self.unexpected());
        }
        let mut arguments = Vec::new();
        while self.parser.peek_token_ref().token != Token::RParen {
            arguments.push(match self.parser.peek_token().token {
                Token::Number(number, _) => {
                    self.skip(1);
                    number
                }
                Token::Word(_) => self.name()?,
                _ => self.text()?,
            });
            if !self.parser.consume_token(&Token::Comma) {
                break;
            }
        }
        self.close()?;
        Ok(arguments)
    }

    /// `ALTER TRIGGER name ON table RENAME TO name`. Errors: 0A000 for DEPENDS ON EXTENSION.
    pub(super) fn alter_trigger(&mut self) -> Result<Statement> {
        self.skip(2);
        let name = self.name()?;
        self.expect("on")?;
        let table = self.relation_name()?;
        if !self.eat_words(&["rename", "to"]) {
            return Err(Error::unsupported(format!("ALTER TRIGGER .. {} is not supported", self.rest()))
                .hint("RENAME TO gives it another name; for another definition CREATE OR REPLACE it."));
        }
        Ok(statement(TriggerStatement::Rename { name, table, to: checked_name(self.name()?)? }))
    }

    pub(super) fn drop_trigger(&mut self) -> Result<Statement> {
        self.skip(2);
        let if_exists = self.eat_words(&["if", "exists"]);
        let name = self.name()?;
        self.expect("on")?;
        let table = self.relation_name()?;
        // Nothing depends on a trigger.
        let _ = self.eat("cascade") || self.eat("restrict");
        Ok(statement(TriggerStatement::Drop { name, table, if_exists }))
    }

    /// `ENABLE | DISABLE TRIGGER name | ALL | USER`, if that is what stands here. Errors: 0A000 for DISABLE TRIGGER ALL, which would switch
    /// off constraints too, and for ENABLE REPLICA and ALWAYS.
    pub(super) fn switched_triggers(&mut self) -> Result<Option<Alteration>> {
        let enabled = match self.word(0).as_str() {
            "enable" => true,
            "disable" => false,
            _ => return Ok(None),
        };
        if matches!(self.word(1).as_str(), "replica" | "always") && self.word(2) == "trigger" {
            return Err(Error::unsupported(format!("ENABLE {} TRIGGER is not supported", self.word(1).to_uppercase()))
                .hint("ENABLE TRIGGER: nothing is replicated here that would fire triggers otherwise."));
        }
        if self.word(1) != "trigger" {
            return Ok(None);
        }
        if self.word(2) == "all" && !enabled {
            return Err(Error::unsupported("ALTER TABLE .. DISABLE TRIGGER ALL is not supported").hint(
                "Constraints hold always; those made DEFERRABLE are checked at COMMIT after SET CONSTRAINTS ALL DEFERRED. DISABLE TRIGGER \
                 USER disables triggers.",
            ));
        }
        self.skip(2);
        let all = matches!(self.word(0).as_str(), "all" | "user");
        let name = self.name()?;
        Ok(Some(Alteration::SwitchTriggers { name: (!all).then_some(name), enabled }))
    }
}
