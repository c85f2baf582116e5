//! SET, RESET, SHOW, DISCARD, and the modes of a transaction.

use sqlparser::tokenizer::Token;

use super::Reader;
use crate::error::{Error, Result};
use crate::sql::ident;
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
        if self.eat_words(&["time", "zone"]) {
            let value = if self.eat("local") { None } else { self.time_zone()? };
            return Ok(Statement::Set { name: "timezone".into(), value, local });
        }
        if named && self.eat("names") {
            let value = if self.ended() { None } else { self.setting_value()? };
            return Ok(Statement::Set { name: "client_encoding".into(), value, local });
        }
        let name = self.setting_name()?;
        if !self.parser.consume_token(&Token::Eq) {
            self.expect("to")?;
        }
        let value = if name == "search_path" { self.list_of_names()? } else { self.setting_value()? };
        Ok(Statement::Set { name, value, local })
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

    /// A name, an offset, or `INTERVAL '+01:00' HOUR TO MINUTE`, which is how the standard writes an offset.
    fn time_zone(&mut self) -> Result<Option<String>> {
        if !self.eat("interval") {
            return self.setting_value();
        }
        let offset = self.text()?;
        self.eat_words(&["hour", "to", "minute"]);
        Ok(Some(offset))
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
        self.skip(1);
        if !self.eat("transaction") {
            self.eat("work");
        }
        Ok(Statement::Begin(self.modes()?))
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

    /// True for ALTER ROLE, USER, DATABASE or SYSTEM that sets or resets a setting.
    pub(super) fn sets(&self) -> bool {
        (2..8).map(|n| self.word(n)).any(|word| word == "set" || word == "reset")
    }

    pub(super) fn refused_set(&self) -> Error {
        let what = self.word(1).to_uppercase();
        Error::unsupported(format!("ALTER {what} .. SET is not supported"))
            .hint("SET a setting in the session, or give it at the start: options=-c name=value, or PGOPTIONS.")
            .at(1)
    }
}
