//! The pieces of a body, and a reader over them.

use std::ops::Range;

use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::tokenizer::{Token, Tokenizer};

use super::{Embedded, Expression};
use crate::error::{Error, Result};
use crate::sql::fold_name;
use crate::sql::parse;
use crate::sql::split::{LineIndex, char_position};
use crate::sql::statement::Statement as Sql;

/// A token, where it stands in the body, and on which line.
pub(super) struct Piece {
    pub token: Token,
    pub range: Range<usize>,
    pub line: usize,
}

impl Piece {
    /// The unquoted word in lower case that it is, or nothing.
    pub fn word(&self) -> String {
        match &self.token {
            Token::Word(w) if w.quote_style.is_none() => w.value.to_lowercase(),
            _ => String::new(),
        }
    }
}

/// What stands before an expression to make a query of it.
const SELECT: &str = "SELECT ";

/// Reads a body piece by piece.
pub(super) struct Reader<'a> {
    body: &'a str,
    pieces: Vec<Piece>,
    at: usize,
    /// How many statements and expressions of SQL there are so far.
    embedded: usize,
    /// The blocks and loops that are open, the innermost last.
    pub open: Vec<Open>,
}

/// What EXIT may leave.
pub(super) struct Open {
    pub label: Option<String>,
    pub is_loop: bool,
}

impl<'a> Reader<'a> {
    /// Errors: 42601 for what is no token.
    pub fn new(body: &'a str) -> Result<Reader<'a>> {
        let tokens = Tokenizer::new(&PostgreSqlDialect {}, body).tokenize_with_location();
        let tokens = tokens.map_err(|e| Error::syntax(e.message.clone()).at(char_position(body, e.location)))?;
        let mut lines = LineIndex::new(body);
        let mut pieces = Vec::with_capacity(tokens.len());
        for token in tokens.into_iter().filter(|t| !matches!(t.token, Token::Whitespace(_))) {
            let (start, line) = (lines.byte(token.span.start), token.span.start.line as usize);
            let end = if token.token == Token::EOF { body.len() } else { lines.byte(token.span.end) };
            pieces.push(Piece { token: token.token, range: start..end, line });
        }
        if pieces.last().is_none_or(|last| last.token != Token::EOF) {
            let line = body.lines().count().max(1);
            pieces.push(Piece { token: Token::EOF, range: body.len()..body.len(), line });
        }
        Ok(Reader { body, pieces, at: 0, embedded: 0, open: vec![] })
    }

    /// The n-th piece ahead; the end of the body stands for all behind it.
    pub fn piece(&self, n: usize) -> &Piece {
        &self.pieces[(self.at + n).min(self.pieces.len() - 1)]
    }

    pub fn word(&self, n: usize) -> String {
        self.piece(n).word()
    }

    pub fn is(&self, token: &Token) -> bool {
        self.piece(0).token == *token
    }

    pub fn line(&self) -> usize {
        self.piece(0).line
    }

    pub fn skip(&mut self, n: usize) {
        self.at = (self.at + n).min(self.pieces.len() - 1);
    }

    pub fn eat(&mut self, word: &str) -> bool {
        let fits = self.word(0) == word;
        if fits {
            self.skip(1);
        }
        fits
    }

    pub fn eat_token(&mut self, token: &Token) -> bool {
        let fits = self.is(token);
        if fits {
            self.skip(1);
        }
        fits
    }

    pub fn expect(&mut self, word: &str) -> Result<()> {
        if self.eat(word) { Ok(()) } else { Err(self.unexpected()) }
    }

    pub fn expect_token(&mut self, token: &Token) -> Result<()> {
        if self.eat_token(token) { Ok(()) } else { Err(self.unexpected()) }
    }

    /// The semicolon behind a statement.
    pub fn end_statement(&mut self) -> Result<()> {
        self.expect_token(&Token::SemiColon)
    }

    /// 42601 at the next piece.
    pub fn unexpected(&self) -> Error {
        let piece = self.piece(0);
        let error = match piece.token {
            Token::EOF => Error::syntax("syntax error at end of input"),
            ref token => Error::syntax(format!("syntax error at or near \"{token}\"")),
        };
        self.at_piece(error, 0)
    }

    /// The error at the n-th piece ahead.
    pub fn at_piece(&self, error: Error, n: usize) -> Error {
        error.at(self.characters_before(self.piece(n).range.start) + 1)
    }

    /// How many characters there are before a byte of the body.
    pub fn characters_before(&self, byte: usize) -> usize {
        self.body[..byte].chars().count()
    }

    pub fn name(&mut self) -> Result<String> {
        let Token::Word(word) = &self.piece(0).token else { return Err(self.unexpected()) };
        let name = fold_name(&word.to_ident(sqlparser::tokenizer::Span::empty()));
        self.skip(1);
        Ok(name)
    }

    /// A name, or names with dots between them.
    pub fn path(&mut self) -> Result<Vec<String>> {
        let mut path = vec![self.name()?];
        while self.eat_token(&Token::Period) {
            path.push(self.name()?);
        }
        Ok(path)
    }

    /// A literal of text.
    pub fn text(&mut self) -> Result<String> {
        let text = match &self.piece(0).token {
            Token::SingleQuotedString(text) | Token::EscapedStringLiteral(text) => text.clone(),
            Token::DollarQuotedString(text) => text.value.clone(),
            _ => return Err(self.unexpected()),
        };
        self.skip(1);
        Ok(text)
    }

    /// How many pieces there are up to one that `ends`, outside of parentheses and of CASE .. END; all up to a semicolon or the end
    /// of the body if there is none.
    pub fn until(&self, ends: impl Fn(&Piece) -> bool) -> usize {
        let (mut depth, mut cases) = (0usize, 0usize);
        let mut n = 0;
        loop {
            let piece = self.piece(n);
            match &piece.token {
                Token::EOF | Token::SemiColon => return n,
                _ if depth == 0 && cases == 0 && ends(piece) => return n,
                Token::LParen | Token::LBracket => depth += 1,
                Token::RParen | Token::RBracket => depth = depth.saturating_sub(1),
                Token::Word(_) => match piece.word().as_str() {
                    "case" => cases += 1,
                    "end" => cases = cases.saturating_sub(1),
                    _ => {}
                },
                _ => {}
            }
            n += 1;
        }
    }

    /// The places of the next `n` pieces.
    pub fn range(&self, n: usize) -> Range<usize> {
        let start = self.piece(0).range.start;
        start..if n == 0 { start } else { self.piece(n - 1).range.end }
    }

    /// Where the piece before this one stands.
    pub fn range_before(&self) -> Range<usize> {
        self.at.checked_sub(1).map_or(0..0, |before| self.pieces[before].range.clone())
    }

    /// The text of some bytes of the body.
    pub fn text_of(&self, range: Range<usize>) -> &'a str {
        self.body.get(range).unwrap_or_default()
    }

    /// The byte at which `..` stands among the next `n` pieces, outside of parentheses. It may be parts of two numbers: `1..10`.
    pub fn dots_within(&self, n: usize) -> Option<usize> {
        let mut depth = 0usize;
        for i in 0..n {
            match &self.piece(i).token {
                Token::LParen | Token::LBracket => depth += 1,
                Token::RParen | Token::RBracket => depth = depth.saturating_sub(1),
                Token::Number(..) | Token::Period if depth == 0 => {
                    let (this, next) = (&self.piece(i).range, self.piece(i + 1));
                    let joined = this.end == next.range.start && matches!(next.token, Token::Number(..) | Token::Period);
                    if joined && self.body[..this.end].ends_with('.') && self.body[this.end..].starts_with('.') {
                        return Some(this.end - 1);
                    }
                }
                _ => {}
            }
        }
        None
    }

    /// Where it is, for [`Reader::go`].
    pub fn place(&self) -> usize {
        self.at
    }

    /// Goes back to a place.
    pub fn go(&mut self, place: usize) {
        self.at = place;
    }

    /// The text of the next `n` pieces, which are read then.
    pub fn take(&mut self, n: usize) -> &'a str {
        let range = self.range(n);
        self.skip(n);
        &self.body[range]
    }

    // SQL -----------------------------------------------------------------------------------------------------------------------

    /// An expression up to a piece that `ends`. Errors: 42601.
    pub fn expression(&mut self, ends: impl Fn(&Piece) -> bool) -> Result<Expression> {
        let n = self.until(ends);
        self.expression_of(n)
    }

    /// An expression up to a word.
    pub fn expression_to(&mut self, word: &str) -> Result<Expression> {
        self.expression(|piece| piece.word() == word)
    }

    /// An expression up to a comma or a word.
    pub fn item(&mut self, words: &[&str]) -> Result<Expression> {
        self.expression(|piece| piece.token == Token::Comma || words.contains(&piece.word().as_str()))
    }

    /// The expression that the next `n` pieces are.
    pub fn expression_of(&mut self, n: usize) -> Result<Expression> {
        if n == 0 {
            let error = Error::syntax(format!("missing expression at or near \"{}\"", self.piece(0).token));
            return Err(self.at_piece(error, 0));
        }
        let start = self.piece(0).range.start;
        let text = self.take(n).to_string();
        self.expression_at(text, start)
    }

    /// The expression of a text that begins at a byte of the body.
    pub fn expression_at(&mut self, text: String, start: usize) -> Result<Expression> {
        self.expression_behind("", text, start)
    }

    /// The expression that such a text is with another before it, which the body has not.
    pub fn expression_behind(&mut self, before: &str, text: String, start: usize) -> Result<Expression> {
        match self.parsed(&format!("{SELECT}{before}"), &text, start)? {
            Sql::Query(query) => Ok(Expression { id: self.number(), text: format!("{before}{text}"), query }),
            _ => Err(Error::syntax(format!("\"{text}\" is no expression")).at(self.characters_before(start) + 1)),
        }
    }

    /// A statement of SQL up to the end of the next `n` pieces, with INTO and what it names left out; `before` is put before it.
    pub fn embedded(&mut self, n: usize, before: &str, without: Option<Range<usize>>) -> Result<Embedded> {
        let range = self.range(n);
        self.skip(n);
        let text = match without {
            // As many blanks, so that places stay what they are.
            Some(gone) => {
                let blanks = " ".repeat(self.body[gone.clone()].chars().count());
                format!("{}{blanks}{}", &self.body[range.start..gone.start], &self.body[gone.end..range.end])
            }
            None => self.body[range.clone()].to_string(),
        };
        let statement = Box::new(self.parsed(before, &text, range.start)?);
        Ok(Embedded { id: self.number(), text: format!("{before}{text}"), statement })
    }

    /// Parses a text of the body with something before it. Errors have their place in the body.
    fn parsed(&self, before: &str, text: &str, start: usize) -> Result<Sql> {
        parse(&format!("{before}{text}")).map_err(|mut e| {
            let at = e.fields().position.map(|at| self.characters_before(start) + at.saturating_sub(before.len()).max(1));
            e.fields_mut().position = at;
            e
        })
    }

    fn number(&mut self) -> usize {
        self.embedded += 1;
        self.embedded
    }
}
