//! COPY: from a client's data, of a relation or a query to the client.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::{Reader, parse};
use crate::error::{Error, Result};
use crate::sql::ksql;
use crate::sql::split::char_position;
use crate::sql::statement::{CopyOptions, CopySource, Statement};

/// True for a query of ksqlDB's dialect whose rows come as they happen.
pub(super) fn is_push(text: &str) -> bool {
    ksql::form(text) == ksql::Form::Sure
}

/// The change of data that a text is, whose rows are to be copied; `None` for a query. Errors: 42601; 0A000 for one without RETURNING.
fn change(text: &str) -> Result<Option<Statement>> {
    let word = text.split_whitespace().next().unwrap_or_default().to_lowercase();
    if !matches!(word.as_str(), "insert" | "update" | "delete" | "with") {
        return Ok(None);
    }
    match parse(text)? {
        Statement::Query(_) | Statement::Locking { .. } => Ok(None),
        change if gives_rows(&change) => Ok(Some(change)),
        _ => {
            Err(Error::unsupported("COPY query must have a RETURNING clause").hint("Write RETURNING behind it, and what is to be copied."))
        }
    }
}

fn gives_rows(change: &Statement) -> bool {
    match change {
        Statement::Insert { returning, .. } => returning.is_some(),
        Statement::Update(change) | Statement::Delete(change) => change.returning.is_some(),
        Statement::WithChanges { then, .. } => matches!(then.as_ref(), Statement::Query(_)) || gives_rows(then),
        _ => false,
    }
}

impl Reader<'_> {
    pub(super) fn copy(&mut self) -> Result<Statement> {
        self.skip(1);
        let source = if self.parser.consume_token(&Token::LParen) {
            let (text, tokens) = self.until_closed();
            if is_push(&text) {
                self.skip(tokens);
                self.close()?;
                CopySource::Push(text)
            } else if let Some(change) = change(&text)? {
                self.skip(tokens);
                self.close()?;
                CopySource::Change(text, Box::new(change))
            } else {
                let query = self.query()?;
                self.close()?;
                CopySource::Query(query)
            }
        } else {
            CopySource::Table { name: self.relation_name()?, columns: self.names_in_parentheses()? }
        };
        let to = match self.word(0).as_str() {
            "from" => false,
            "to" => true,
            _ => return Err(self.unexpected()),
        };
        self.skip(1);
        if !self.eat("stdin") && !self.eat("stdout") {
            return Err(Error::unsupported("COPY reads from STDIN and writes to STDOUT only; files of the server are out of reach")
                .hint("Use psql's \\copy for a file on the client."));
        }
        let options = self.copy_options()?;
        let condition = match self.eat("where") {
            true if to => return Err(Error::syntax("WHERE clause not allowed with COPY TO").hint("COPY (SELECT .. WHERE ..) TO STDOUT.")),
            true => Some(self.parser.parse_expr().map_err(|e| self.refused(e))?.to_string()),
            false => None,
        };
        if !self.ended() {
            return Err(self.unexpected());
        }
        match (to, source) {
            (true, source) => Ok(Statement::CopyOut { source, options }),
            (false, CopySource::Table { name: table, columns }) => Ok(Statement::CopyIn { table, columns, options, condition }),
            (false, CopySource::Query(_) | CopySource::Change(..) | CopySource::Push(_)) => {
                Err(Error::syntax("COPY query must be followed by TO"))
            }
        }
    }

    /// The text up to the parenthesis that closes the one before it, and its number of tokens.
    fn until_closed(&self) -> (String, usize) {
        let (mut depth, mut tokens) = (0usize, 0);
        let mut end = None;
        for token in self.ahead() {
            match token.token {
                Token::LParen => depth += 1,
                Token::RParen if depth > 0 => depth -= 1,
                Token::RParen | Token::EOF => {
                    end = Some(token);
                    break;
                }
                _ => {}
            }
            tokens += 1;
        }
        let place = |token: &TokenWithSpan| char_position(self.sql, token.span.start) - 1;
        let start = place(self.parser.peek_token_ref());
        let text = self.sql.chars().skip(start).take(end.map_or(0, place).saturating_sub(start)).collect();
        (text, tokens)
    }

    /// Both `[WITH] (format csv, header)` and the old `[WITH] CSV HEADER DELIMITER ','`.
    fn copy_options(&mut self) -> Result<CopyOptions> {
        self.eat("with");
        let mut options = Vec::new();
        if self.parser.consume_token(&Token::LParen) {
            loop {
                let name = self.name()?;
                options.push((name, self.copy_value()?));
                if !self.parser.consume_token(&Token::Comma) {
                    break;
                }
            }
            self.close()?;
        }
        while !self.ended() && self.word(0) != "where" {
            let name = self.name()?;
            match name.as_str() {
                "csv" | "binary" | "text" => options.push(("format".into(), Some(name))),
                "header" | "freeze" => options.push((name, None)),
                "force" => {
                    return Err(Error::unsupported("FORCE in the old COPY syntax is not supported").hint("Write WITH (FORCE_NULL (..))."));
                }
                _ => {
                    self.eat("as");
                    let value = self.text()?;
                    options.push((name, Some(value)));
                }
            }
        }
        Ok(CopyOptions(options))
    }

    pub(super) fn copy_value(&mut self) -> Result<Option<String>> {
        match self.parser.peek_token().token {
            Token::Comma | Token::RParen => Ok(None),
            Token::LParen => Ok(Some(self.names_in_parentheses()?.join(","))),
            Token::Mul => {
                self.skip(1);
                Ok(Some("*".into()))
            }
            Token::Number(n, _) => {
                self.skip(1);
                Ok(Some(n))
            }
            Token::Word(_) => Ok(Some(self.name()?)),
            _ => Ok(Some(self.text()?)),
        }
    }
}
