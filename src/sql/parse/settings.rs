//! SET, RESET, SHOW, DISCARD, and the modes of a transaction.

use sqlparser::tokenizer::Token;

use super::Reader;
use crate::data::datetime::{parse_interval, posix_name};
use crate::data::quoting::ident;
use crate::error::{Error, Result, code};
use crate::sql::roles::{RoleStatement, SettingChange, SettingOf};
use crate::sql::statement::{Discard, Modes, Statement};

impl Reader<'_> {
    pub(super) fn show(&mut self) -> Result<Statement> {
        self.skip(1);
        for (words, name) in [
            (&["time", "zone"][..], "timezone"),
            (&["transaction", "isolation", "level"], "transaction_isolation"),
            (&["session", "authorization"], "session_authorization"),
            (&["materialized", "views"], "views"),
        ] {
            if self.eat_words(words) {
                return Ok(Statement::Show(name.into()));
            }
        }
        Ok(Statement::Show(self.setting_name()?))
    }

    /// Dotted names (`everfold.read`) are one name.
    fn setting_name(&mut self) -> Result<String> {
        let mut name = self.name()?.to_lowercase();
        while self.parser.consume_token(&Token::Period) {
            name = format!("{name}.{}", self.name()?.to_lowercase());
        }
        Ok(name)
    }

    pub(super) fn set(&mut self) -> Result<Statement> {
        self.skip(1);
        // `local` and `session` are words of SET only where a name follows.
        let named = !matches!(self.parser.peek_nth_token_ref(1).token, Token::Eq | Token::Period) && self.word(1) != "to";
        let local = named && self.eat("local");
        let session = named && !local && self.eat("session");
        if session && self.eat_words(&["characteristics", "as", "transaction"]) {
            return Ok(Statement::SetTransaction { modes: self.some_modes()?, session: true });
        }
        if self.word(0) == "transaction" && self.word(1) == "snapshot" {
            return Err(Error::unsupported("snapshots cannot be imported").hint("Every query reads all that was committed before it."));
        }
        if named && self.eat("transaction") {
            return Ok(Statement::SetTransaction { modes: self.some_modes()?, session: false });
        }
        let (name, value) = self.assignment()?;
        Ok(Statement::Set { name, value, local })
    }

    /// `name TO value` and the other spellings that SET has; `None` for DEFAULT.
    pub(super) fn assignment(&mut self) -> Result<(String, Option<String>)> {
        if self.eat_words(&["time", "zone"]) {
            let value = if self.eat("local") { None } else { self.time_zone()? };
            return Ok(("timezone".into(), value));
        }
        let named = !matches!(self.parser.peek_nth_token_ref(1).token, Token::Eq | Token::Period) && self.word(1) != "to";
        if named && self.eat("names") {
            let value = if self.ended() { None } else { self.setting_value()? };
            return Ok(("client_encoding".into(), value));
        }
        // SCHEMA 'name' is the path of one schema (PostgREST).
        if named && self.word(0) == "schema" {
            self.skip(1);
            return Ok(("search_path".into(), self.list_of_names()?));
        }
        let name = self.setting_name()?;
        if !self.parser.consume_token(&Token::Eq) {
            self.expect("to")?;
        }
        let value = if name == "search_path" { self.list_of_names()? } else { self.setting_value()? };
        Ok((name, value))
    }

    /// Names apart by commas, quoted where they must be: a string is one name, too.
    fn list_of_names(&mut self) -> Result<Option<String>> {
        if self.eat("default") {
            return Ok(None);
        }
        let mut names = Vec::new();
        loop {
            let name = match self.parser.peek_token_ref().token {
                Token::Word(_) => self.name()?,
                _ => self.text()?,
            };
            names.push(ident(&name));
            if !self.parser.consume_token(&Token::Comma) {
                return Ok(Some(names.join(", ")));
            }
        }
    }

    /// A name, hours, or `INTERVAL '+01:00' HOUR TO MINUTE`, which is how the standard writes an offset. Errors: 22007, 22023.
    fn time_zone(&mut self) -> Result<Option<String>> {
        if !self.eat("interval") {
            return self.setting_value();
        }
        let text = self.text()?;
        let unit = if self.eat_words(&["hour", "to", "minute"]) {
            "minutes"
        } else if self.eat("hour") {
            "hours"
        } else {
            "seconds"
        };
        let is_bare = text.trim().parse::<f64>().is_ok();
        let offset = parse_interval(&if is_bare { format!("{text} {unit}") } else { text.clone() })?;
        for (count, unit) in [(offset.months, "months"), (offset.days, "days")] {
            if count != 0 {
                let message = format!("invalid value for parameter \"TimeZone\": \"INTERVAL '{text}'\"");
                let detail = format!("Cannot specify {unit} in time zone interval.");
                return Err(Error::new(code::INVALID_PARAMETER_VALUE, message).detail(detail));
            }
        }
        let seconds = i32::try_from(offset.nanoseconds / 1_000_000_000).unwrap_or(i32::MAX);
        Ok(Some(posix_name(seconds)))
    }

    fn setting_value(&mut self) -> Result<Option<String>> {
        if self.eat("default") {
            return Ok(None);
        }
        let mut parts = Vec::new();
        loop {
            parts.push(match self.parser.peek_token().token {
                Token::Word(w) => {
                    self.skip(1);
                    w.value
                }
                Token::Number(n, _) => {
                    self.skip(1);
                    n
                }
                Token::Minus | Token::Plus => {
                    let sign = if self.parser.next_token().token == Token::Minus { "-" } else { "" };
                    match self.parser.next_token().token {
                        Token::Number(n, _) => format!("{sign}{n}"),
                        _ => return Err(self.unexpected()),
                    }
                }
                _ => self.text()?,
            });
            if !self.parser.consume_token(&Token::Comma) {
                return Ok(Some(parts.join(", ")));
            }
        }
    }

    pub(super) fn reset(&mut self) -> Result<Statement> {
        self.skip(1);
        if self.word(1).is_empty() && self.eat("all") {
            return Ok(Statement::ResetAll);
        }
        if self.eat_words(&["time", "zone"]) {
            return Ok(Statement::Reset("timezone".into()));
        }
        if self.eat_words(&["transaction", "isolation", "level"]) {
            return Ok(Statement::Reset("transaction_isolation".into()));
        }
        Ok(Statement::Reset(self.setting_name()?))
    }

    pub(super) fn discard(&mut self) -> Result<Statement> {
        let what = match self.word(1).as_str() {
            "all" => Discard::All,
            "plans" => Discard::Plans,
            "sequences" => Discard::Sequences,
            _ => Discard::Temp,
        };
        self.skip(2);
        Ok(Statement::Discard(what))
    }

    /// BEGIN [WORK | TRANSACTION] and START TRANSACTION, each with modes.
    pub(super) fn begin(&mut self) -> Result<Statement> {
        let start = self.word(0) == "start";
        self.skip(1);
        if !self.eat("transaction") {
            self.eat("work");
        }
        Ok(Statement::Begin { modes: self.modes()?, start })
    }

    fn some_modes(&mut self) -> Result<Modes> {
        if self.ended() { Err(self.unexpected()) } else { self.modes() }
    }

    /// Modes of a transaction, with or without commas between them.
    fn modes(&mut self) -> Result<Modes> {
        let mut modes = Modes::default();
        while !self.ended() {
            if self.eat_words(&["isolation", "level"]) {
                modes.isolation = Some(self.isolation()?);
            } else if self.eat_words(&["read", "only"]) {
                modes.read_only = Some(true);
            } else if self.eat_words(&["read", "write"]) {
                modes.read_only = Some(false);
            } else if self.eat("deferrable") {
                modes.deferrable = Some(true);
            } else if self.eat_words(&["not", "deferrable"]) {
                modes.deferrable = Some(false);
            } else {
                return Err(self.unexpected());
            }
            if self.parser.consume_token(&Token::Comma) && self.ended() {
                return Err(self.unexpected());
            }
        }
        Ok(modes)
    }

    fn isolation(&mut self) -> Result<String> {
        for words in [&["serializable"][..], &["repeatable", "read"], &["read", "committed"], &["read", "uncommitted"]] {
            if self.eat_words(words) {
                return Ok(words.join(" "));
            }
        }
        Err(self.unexpected())
    }

    /// `SET name TO value`, `SET name FROM CURRENT`, `RESET name` and `RESET ALL`, of sessions to come.
    pub(super) fn setting_change(&mut self) -> Result<SettingChange> {
        if self.eat("reset") {
            let all = self.eat("all");
            return Ok(if all { SettingChange::ResetAll } else { SettingChange::To { name: self.setting_name()?, value: None } });
        }
        self.expect("set")?;
        // The name may be in two parts.
        if self.word(1) == "from" || self.word(3) == "from" {
            let name = self.setting_name()?;
            self.skip(1);
            self.expect("current")?;
            return Ok(SettingChange::FromCurrent(name));
        }
        let (name, value) = self.assignment()?;
        Ok(SettingChange::To { name, value })
    }

    /// `ALTER DATABASE name SET|RESET ..`. Errors: 0A000 for what else ALTER DATABASE does.
    pub(super) fn alter_database(&mut self) -> Result<RoleStatement> {
        self.skip(2);
        self.name()?;
        if !matches!(self.word(0).as_str(), "set" | "reset") || self.word(1) == "tablespace" {
            let error = Error::unsupported("ALTER DATABASE changes settings only");
            return Err(error.hint("There is one database, under whatever name it is asked for."));
        }
        Ok(RoleStatement::Setting { of: SettingOf::Database, change: self.setting_change()? })
    }
}
