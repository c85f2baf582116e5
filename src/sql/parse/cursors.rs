//! DECLARE, FETCH and MOVE.

use sqlparser::tokenizer::Token;

use super::{Reader, copy};
use crate::error::{Error, Result, code};
use crate::sql::statement::{CursorOptions, Move, Statement};

impl Reader<'_> {
    pub(super) fn declare(&mut self) -> Result<Statement> {
        self.skip(1);
        let name = self.name()?;
        let mut how = self.cursor_options()?;
        how.hold = self.eat_words(&["with", "hold"]);
        if !how.hold {
            self.eat_words(&["without", "hold"]);
        }
        self.expect("for")?;
        let query = self.rest();
        if copy::is_push(&query) {
            self.skip_all();
        } else {
            self.query()?;
        }
        Ok(Statement::Declare { name, how, query })
    }

    /// `[ASENSITIVE | INSENSITIVE] [[NO] SCROLL] [BINARY] CURSOR`, the words before CURSOR in any order. Errors: 42P11.
    fn cursor_options(&mut self) -> Result<CursorOptions> {
        let mut how = CursorOptions::default();
        let (mut forward, mut asensitive) = (false, false);
        while !self.eat("cursor") {
            match self.word(0).as_str() {
                "asensitive" => asensitive = true,
                "insensitive" => how.insensitive = true,
                "scroll" => how.scroll = true,
                "binary" => how.binary = true,
                "no" if self.word(1) == "scroll" => {
                    forward = true;
                    self.skip(1);
                }
                _ => return Err(self.unexpected()),
            }
            self.skip(1);
        }
        let both = |one: &str, other: &str| Error::new(code::INVALID_CURSOR_DEFINITION, format!("cannot specify both {one} and {other}"));
        match () {
            () if how.scroll && forward => Err(both("SCROLL", "NO SCROLL")),
            () if asensitive && how.insensitive => Err(both("ASENSITIVE", "INSENSITIVE")),
            () => Ok(how),
        }
    }

    pub(super) fn fetch(&mut self) -> Result<Statement> {
        let skip = self.word(0) == "move";
        self.skip(1);
        let to = self.direction()?;
        if !self.eat("from") {
            self.eat("in");
        }
        Ok(Statement::Fetch { name: self.name()?, to, skip })
    }

    /// A cursor may be named as a direction is: `FETCH next` reads from the cursor `next`.
    fn direction(&mut self) -> Result<Move> {
        let alone = matches!(self.parser.peek_nth_token_ref(1).token, Token::EOF | Token::SemiColon);
        if alone {
            return Ok(Move::By(1));
        }
        let word = self.word(0);
        let simple = match word.as_str() {
            "next" => Some(Move::By(1)),
            "prior" => Some(Move::By(-1)),
            "first" => Some(Move::Absolute(1)),
            "last" => Some(Move::Absolute(-1)),
            "all" => Some(Move::ForwardAll),
            _ => None,
        };
        if let Some(to) = simple {
            self.skip(1);
            return Ok(to);
        }
        match word.as_str() {
            "absolute" | "relative" => {
                self.skip(1);
                let n = self.count()?.ok_or_else(|| self.unexpected())?;
                Ok(if word == "absolute" { Move::Absolute(n) } else { Move::Relative(n) })
            }
            "forward" | "backward" => {
                self.skip(1);
                let forward = word == "forward";
                if self.eat("all") {
                    return Ok(if forward { Move::ForwardAll } else { Move::BackwardAll });
                }
                let n = self.count()?.unwrap_or(1);
                Ok(Move::By(if forward { n } else { n.saturating_neg() }))
            }
            _ => Ok(Move::By(self.count()?.unwrap_or(1))),
        }
    }

    /// A whole number with its sign, if there is one.
    fn count(&mut self) -> Result<Option<i64>> {
        let negative = match self.parser.peek_token_ref().token {
            Token::Minus => {
                self.skip(1);
                true
            }
            Token::Plus => {
                self.skip(1);
                false
            }
            _ => false,
        };
        let Token::Number(digits, _) = self.parser.peek_token_ref().token.clone() else {
            return if negative { Err(self.unexpected()) } else { Ok(None) };
        };
        let n: i64 = digits.parse().map_err(|_| Error::syntax(format!("syntax error at or near \"{digits}\"")))?;
        self.skip(1);
        Ok(Some(if negative { -n } else { n }))
    }
}
