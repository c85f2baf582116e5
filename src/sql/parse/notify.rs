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
            "listen" => Ok(Statement::Listen(self.channel()?)),
            "unlisten" if self.parser.consume_token(&Token::Mul) => Ok(Statement::Unlisten(None)),
            "unlisten" => Ok(Statement::Unlisten(Some(self.channel()?))),
            _ => {
                let channel = self.channel()?;
                let payload = if self.parser.consume_token(&Token::Comma) { self.text()? } else { String::new() };
                Ok(Statement::Notify { channel, payload })
            }
        }
    }

    /// A channel is one name; `schema.name` is that of the changes of a relation that is not in the first schema.
    fn channel(&mut self) -> Result<String> {
        let mut channel = self.name()?;
        if self.parser.consume_token(&Token::Period) {
            channel = format!("{channel}.{}", self.name()?);
        }
        Ok(channel)
    }
}
