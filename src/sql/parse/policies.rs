//! CREATE, ALTER and DROP POLICY.

use sqlparser::tokenizer::Token;

use super::Reader;
use crate::catalog::Command;
use crate::error::{Error, Result};
use crate::sql::statement::{PolicySaid, PolicyStatement, Statement};

impl Reader<'_> {
    pub(super) fn policy(&mut self) -> Result<Statement> {
        let verb = self.word(0);
        self.skip(2);
        let if_exists = verb == "drop" && self.eat_words(&["if", "exists"]);
        let name = self.name()?;
        self.expect("on")?;
        let table = self.relation_name()?;
        let statement = match verb.as_str() {
            "create" => {
                let restrictive = self.eat("as") && self.is_restrictive()?;
                let command = if self.eat("for") { self.command()? } else { None };
                let said = self.said()?;
                check_conditions(command, &said)?;
                PolicyStatement::Create { name, table, restrictive, command, said }
            }
            "alter" if self.eat_words(&["rename", "to"]) => PolicyStatement::Rename { name, table, to: self.name()? },
            "alter" => PolicyStatement::Alter { name, table, said: self.said()? },
            _ => {
                let _ = self.eat("cascade") || self.eat("restrict");
                PolicyStatement::Drop { name, table, if_exists }
            }
        };
        Ok(Statement::Policy(Box::new(statement)))
    }

    fn is_restrictive(&mut self) -> Result<bool> {
        let word = self.name()?;
        match word.as_str() {
            "permissive" => Ok(false),
            "restrictive" => Ok(true),
            _ => Err(Error::syntax(format!("unrecognized row security option \"{word}\""))
                .hint("Only PERMISSIVE or RESTRICTIVE policies are supported currently.")),
        }
    }

    fn command(&mut self) -> Result<Option<Command>> {
        let command = match self.word(0).as_str() {
            "all" => None,
            "select" => Some(Command::Select),
            "insert" => Some(Command::Insert),
            "update" => Some(Command::Update),
            "delete" => Some(Command::Delete),
            _ => return Err(self.unexpected()),
        };
        self.skip(1);
        Ok(command)
    }

    fn said(&mut self) -> Result<PolicySaid> {
        let roles = if self.eat("to") { Some(self.role_names()?) } else { None };
        let using = if self.eat("using") { Some(self.policy_condition()?) } else { None };
        let check = if self.eat_words(&["with", "check"]) { Some(self.policy_condition()?) } else { None };
        Ok(PolicySaid { roles, using, check })
    }

    fn policy_condition(&mut self) -> Result<String> {
        if !self.parser.consume_token(&Token::LParen) {
            return Err(self.unexpected());
        }
        let condition = self.parser.parse_expr().map_err(|e| self.refused(e))?;
        self.close()?;
        Ok(condition.to_string())
    }
}

/// Errors: 42601 for a condition that such a policy has no use for.
pub fn check_conditions(command: Option<Command>, said: &PolicySaid) -> Result<()> {
    match command {
        Some(Command::Select | Command::Delete) if said.check.is_some() => {
            Err(Error::syntax("WITH CHECK cannot be applied to SELECT or DELETE"))
        }
        Some(Command::Insert) if said.using.is_some() => Err(Error::syntax("only WITH CHECK expression allowed for INSERT")),
        _ => Ok(()),
    }
}
