//! Cursors: how they are declared, opened and gone over.

use std::sync::Arc;

use sqlparser::tokenizer::Token;

use super::scan::{Piece, Reader};
use super::{Argument, BoundCursor, Declared, Rows, What};
use crate::error::Result;

/// Words that begin a statement of SQL, and are no cursor's name where a loop's rows come from.
const STATEMENTS: [&str; 8] = ["select", "values", "with", "table", "insert", "update", "delete", "explain"];

impl Reader<'_> {
    /// True at `[[NO] SCROLL] CURSOR`.
    pub fn declares_cursor(&self) -> bool {
        let words = [self.word(0), self.word(1), self.word(2)];
        matches!(words.each_ref().map(String::as_str), ["cursor", ..] | ["scroll", "cursor", _] | ["no", "scroll", "cursor"])
    }

    /// `[[NO] SCROLL] CURSOR [(name type, ..)] {FOR | IS} query`
    pub fn bound_cursor(&mut self) -> Result<Declared> {
        let scroll = self.scrolls()?;
        self.expect("cursor")?;
        let mut parameters = Vec::new();
        if self.eat_token(&Token::LParen) {
            loop {
                let name = self.name()?;
                let ty = self.type_name(|piece| matches!(piece.token, Token::Comma | Token::RParen))?;
                parameters.push((name, ty));
                if !self.eat_token(&Token::Comma) {
                    break;
                }
            }
            self.expect_token(&Token::RParen)?;
        }
        if !self.eat("is") {
            self.expect("for")?;
        }
        let query = self.query(self.until(|_| false))?;
        Ok(Declared::Cursor(Arc::new(BoundCursor { scroll, parameters, query })))
    }

    /// `[NO] SCROLL`: true for SCROLL, and false for neither.
    fn scrolls(&mut self) -> Result<bool> {
        if self.word(0) == "no" {
            self.skip(1);
            self.expect("scroll")?;
            return Ok(false);
        }
        Ok(self.eat("scroll"))
    }

    /// `cursor [[NO] SCROLL] FOR {query | EXECUTE ..};`, or `cursor [(arguments)];` of one that is bound to its query.
    pub fn open(&mut self) -> Result<What> {
        let cursor = self.name()?;
        let (bound, scroll) = (self.is(&Token::LParen) || self.is(&Token::SemiColon), self.scrolls()?);
        let rows = if bound {
            Rows::Cursor { cursor: cursor.clone(), arguments: self.arguments()? }
        } else {
            self.expect("for")?;
            match self.word(0) == "execute" {
                true => Rows::Dynamic(self.dynamic(false, |_| false)?),
                false => Rows::Query(self.query(self.until(|_| false))?),
            }
        };
        self.end_statement()?;
        Ok(What::Open { cursor, scroll, rows })
    }

    /// True at `cursor [(arguments)] LOOP`, behind IN of a loop.
    pub fn loops_over_cursor(&self) -> bool {
        let is_name = matches!(self.piece(0).token, Token::Word(_)) && !STATEMENTS.contains(&self.word(0).as_str());
        is_name && (self.word(1) == "loop" || self.piece(1).token == Token::LParen)
    }

    /// `cursor [(arguments)]`
    pub fn cursor_rows(&mut self) -> Result<Rows> {
        Ok(Rows::Cursor { cursor: self.name()?, arguments: self.arguments()? })
    }

    /// `(value, ..)` or `(name := value, ..)`, if they stand here.
    fn arguments(&mut self) -> Result<Vec<Argument>> {
        let mut arguments = Vec::new();
        if !self.eat_token(&Token::LParen) {
            return Ok(arguments);
        }
        loop {
            let is_named =
                matches!(self.piece(0).token, Token::Word(_)) && matches!(self.piece(1).token, Token::Assignment | Token::RArrow);
            let name = if is_named { Some(self.name()?) } else { None };
            self.skip(usize::from(is_named));
            let value = self.expression(|piece: &Piece| matches!(piece.token, Token::Comma | Token::RParen))?;
            arguments.push(Argument { name, value });
            if !self.eat_token(&Token::Comma) {
                break;
            }
        }
        self.expect_token(&Token::RParen)?;
        Ok(arguments)
    }
}
