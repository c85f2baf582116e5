//! LISTEN, UNLISTEN and NOTIFY.

use sqlparser::tokenizer::Token;

use super::Reader;
use crate::error::Result;
use crate::sql::statement::Statement;

impl Reader<'_> {
    pub(super) fn notify(&mut self) -> Result<Statement> {
        let word = self.word(0);
        self.skip(1);
        match word.as_str() {
            "listen" => Ok(Statement::Listen(self.name()?)),
            "unlisten" if self.parser.consume_token(&Token::Mul) => Ok(Statement::Unlisten(None)),
            "unlisten" => Ok(Statement::Unlisten(Some(self.name()?))),
            _ => {
                let channel = self.name()?;
                let payload = if self.parser.consume_token(&Token::Comma) { self.text()? } else { String::new() };
                Ok(Statement::Notify { channel, payload })
            }
        }
    }
}
