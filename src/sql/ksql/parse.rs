//! Reads one statement of ksqlDB's dialect: here what the parts of the grammar share, and which statement it is.
//!
//! The parser descends recursively and looks ahead by a few tokens; it never goes back, so that its cost is linear. Words are reserved
//! only where the grammar needs it: ksqlDB reserves more of them.

use super::ast::{Place, Statement};
pub use super::begins::{Form, begins_ksql};
use super::lex::{Lexeme, Token, tokens};
pub use super::variables::variables;
use crate::error::{Error, Result, code};

/// How deep expressions, types and statements may nest, the right sides of operators included: each level takes stack, of which an
/// unoptimized build needs up to 12 KiB.
const NESTING_MAX: usize = 128;
/// How high the tree of an expression may be: a chain of operators makes a level of each, and the tree is walked recursively later.
const HEIGHT_MAX: usize = 1_000;

/// Words that name nothing unless they are quoted.
const RESERVED: &[&str] = &[
    "ALL", "AND", "AS", "BETWEEN", "BY", "CASE", "CAST", "CREATE", "DISTINCT", "DROP", "ELSE", "END", "EXISTS", "FALSE", "FROM", "FULL",
    "GROUP", "HAVING", "IN", "INNER", "INSERT", "INTO", "IS", "JOIN", "LEFT", "LIKE", "LIMIT", "NOT", "NULL", "ON", "OR", "OUTER", "RIGHT",
    "SELECT", "THEN", "TRUE", "VALUES", "WHEN", "WHERE", "WITH", "WITHIN",
];

/// The statement in `text`, which a semicolon may end. Cost O(length). Errors: 42601 with the place for what the grammar refuses,
/// 54001 for what nests too deeply, 22003 and 22023 for numbers that no literal, type or window can have, 0A000 for AT TIME ZONE.
pub fn parse(text: &str) -> Result<Statement> {
    let mut parser = Parser { text, tokens: tokens(text)?, next: 0, depth: 0, height: 0, fields_of: None };
    let statement = parser.statement()?;
    parser.eat_sign(";");
    if parser.ended() { Ok(statement) } else { Err(parser.unexpected()) }
}

/// A reader of tokens.
pub(super) struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    /// The index of the next token.
    pub(super) next: usize,
    depth: usize,
    /// How high the tree of the expression is that is being read.
    height: usize,
    /// Where the expression in front of the last `->*` begins: the index of its first token.
    pub(super) fields_of: Option<usize>,
}

impl Parser<'_> {
    pub(super) fn statement(&mut self) -> Result<Statement> {
        match self.word(0) {
            "CREATE" => self.create(),
            "SELECT" => Ok(Statement::Query(self.query()?)),
            "INSERT" => self.insert(),
            "DELETE" => self.delete(),
            "ALTER" => self.alter(),
            "DROP" => self.drop(),
            "EXPLAIN" => self.nested(|p| p.explain()),
            "ASSERT" => self.assertion(),
            _ => self.command(),
        }
    }

    // Looking ahead ------------------------------------------------------------------------------------------------

    /// The n-th token ahead.
    pub(super) fn peek(&self, n: usize) -> Option<&Lexeme> {
        self.tokens.get(self.next + n).map(|t| &t.kind)
    }

    /// The n-th token ahead if it is an unquoted word, in upper case; else an empty text.
    pub(super) fn word(&self, n: usize) -> &str {
        match self.peek(n) {
            Some(Lexeme::Word(word)) => word,
            _ => "",
        }
    }

    /// The n-th token ahead if it is a sign; else an empty text.
    pub(super) fn sign(&self, n: usize) -> &'static str {
        match self.peek(n) {
            Some(Lexeme::Sign(sign)) => sign,
            _ => "",
        }
    }

    /// True if the n-th token ahead can be a name.
    pub(super) fn names(&self, n: usize) -> bool {
        match self.peek(n) {
            Some(Lexeme::Quoted(_)) => true,
            Some(Lexeme::Word(word)) => !RESERVED.contains(&word.as_str()),
            _ => false,
        }
    }

    /// True at the end of the statement, before its semicolon or not.
    pub(super) fn ends(&self) -> bool {
        self.ended() || (self.sign(0) == ";" && self.peek(1).is_none())
    }

    fn ended(&self) -> bool {
        self.peek(0).is_none()
    }

    /// Where the next token stands.
    pub(super) fn place(&self) -> Place {
        self.tokens.get(self.next).map_or_else(|| self.text.chars().count() + 1, |t| t.at)
    }

    /// 42601 at the next token.
    pub(super) fn unexpected(&self) -> Error {
        let message = match self.tokens.get(self.next) {
            Some(token) => format!("syntax error at or near \"{}\"", self.text.get(token.start..token.end).unwrap_or_default()),
            None => "syntax error at end of input".to_string(),
        };
        Error::syntax(message).at(self.place())
    }

    // Taking tokens ------------------------------------------------------------------------------------------------

    pub(super) fn skip(&mut self, n: usize) {
        self.next += n;
    }

    /// Skips the statement's rest.
    pub(super) fn skip_all(&mut self) {
        while !self.ends() {
            self.next += 1;
        }
    }

    /// Takes the words if they are the next ones.
    pub(super) fn eat(&mut self, words: &[&str]) -> bool {
        let fit = words.iter().enumerate().all(|(i, w)| self.word(i) == *w);
        if fit {
            self.skip(words.len());
        }
        fit
    }

    pub(super) fn eat_sign(&mut self, sign: &str) -> bool {
        let fits = self.sign(0) == sign;
        if fits {
            self.skip(1);
        }
        fits
    }

    pub(super) fn expect(&mut self, words: &[&str]) -> Result<()> {
        words.iter().try_for_each(|word| if self.eat(&[word]) { Ok(()) } else { Err(self.unexpected()) })
    }

    pub(super) fn expect_sign(&mut self, sign: &str) -> Result<()> {
        if self.eat_sign(sign) { Ok(()) } else { Err(self.unexpected()) }
    }

    /// A name, folded.
    pub(super) fn name(&mut self) -> Result<String> {
        match self.peek(0) {
            Some(Lexeme::Quoted(name) | Lexeme::Word(name)) if self.names(0) => {
                let name = name.clone();
                self.skip(1);
                Ok(name)
            }
            _ => Err(self.unexpected()),
        }
    }

    /// A string.
    pub(super) fn string(&mut self) -> Result<String> {
        match self.peek(0) {
            Some(Lexeme::Text(text)) => {
                let text = text.clone();
                self.skip(1);
                Ok(text)
            }
            _ => Err(self.unexpected()),
        }
    }

    /// The name of a topic: a string or a name, which keeps its case.
    pub(super) fn topic(&mut self) -> Result<String> {
        let word = matches!(self.peek(0), Some(Lexeme::Word(_)));
        match self.tokens.get(self.next) {
            Some(Token { kind: Lexeme::Text(_), .. }) => self.string(),
            Some(Token { start, end, .. }) if word => {
                let text = self.text.get(*start..*end).unwrap_or_default().to_string();
                self.name().map(|_| text)
            }
            _ => self.name(),
        }
    }

    /// A whole number that is not negative.
    pub(super) fn count(&mut self) -> Result<u64> {
        let at = self.place();
        let number = self.whole_number()?;
        u64::try_from(number).map_err(|_| Error::new(code::INVALID_PARAMETER_VALUE, format!("{number} is negative")).at(at))
    }

    /// A whole number. The grammar takes any number here, so others are errors of the value: 22023.
    pub(super) fn whole_number(&mut self) -> Result<i64> {
        let at = self.place();
        let sign = if self.eat_sign("-") { "-" } else { "" };
        let number = match self.peek(0) {
            Some(Lexeme::Integer(digits)) => {
                let digits = format!("{sign}{digits}");
                digits.parse().map_err(|_| self.out_of_range(&digits))?
            }
            Some(Lexeme::Decimal(n) | Lexeme::Double(n)) => {
                return Err(Error::new(code::INVALID_PARAMETER_VALUE, format!("{sign}{n} is not a whole number")).at(at));
            }
            _ => return Err(self.unexpected()),
        };
        self.skip(1);
        Ok(number)
    }

    /// 22003 for the number at the next token.
    pub(super) fn out_of_range(&self, number: &str) -> Error {
        Error::new(code::NUMERIC_VALUE_OUT_OF_RANGE, format!("number out of range: {number}")).at(self.place())
    }

    /// What `one` reads, at least once, with commas between.
    pub(super) fn list<T>(&mut self, mut one: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let mut items = vec![one(self)?];
        while self.eat_sign(",") {
            items.push(one(self)?);
        }
        Ok(items)
    }

    /// What `one` reads, with commas between and parentheses around.
    pub(super) fn parenthesized<T>(&mut self, one: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        self.expect_sign("(")?;
        let items = self.list(one)?;
        self.expect_sign(")")?;
        Ok(items)
    }

    // Limits -------------------------------------------------------------------------------------------------------

    /// Reads something that is a level of the tree of its own.
    pub(super) fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.beside(|p| {
            let result = read(p)?;
            p.grow()?;
            Ok(result)
        })
    }

    /// Reads a part of an expression beside those read already: the higher one of them counts. It takes stack, as nesting does.
    pub(super) fn beside<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth >= NESTING_MAX {
            return Err(self.too_complex(format!("the statement nests deeper than {NESTING_MAX} levels")));
        }
        self.depth += 1;
        let others = std::mem::take(&mut self.height);
        let result = read(self);
        self.height = self.height.max(others);
        self.depth -= 1;
        result
    }

    /// Counts one level on top of what was read of an expression.
    pub(super) fn grow(&mut self) -> Result<()> {
        self.height += 1;
        if self.height > HEIGHT_MAX {
            return Err(self.too_complex(format!("an expression has more than {HEIGHT_MAX} operators in a row")));
        }
        Ok(())
    }

    /// Begins a new tree.
    pub(super) fn root<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.height = 0;
        read(self)
    }

    fn too_complex(&self, message: String) -> Error {
        Error::new(code::STATEMENT_TOO_COMPLEX, message).at(self.place())
    }
}

#[cfg(test)]
mod tests;
