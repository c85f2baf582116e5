//! Expressions of ksqlDB's dialect, by precedence: OR, AND, NOT, one comparison, `||`, sums, products, signs.

use super::ast::{BinaryOp, Expr, ExprKind};
use super::lex::Lexeme;
use super::parse::Parser;
use crate::error::{Error, Result, code};
use crate::func::ksql::Type;

/// How tightly operators bind.
type Level = u8;
const OR: Level = 1;
const AND: Level = 2;
const NOT: Level = 3;
const PREDICATE: Level = 4;
const CONCAT: Level = 5;
const SUM: Level = 6;
const PRODUCT: Level = 7;

impl Parser<'_> {
    /// Any expression, as a part of what is being read.
    pub(super) fn expression(&mut self) -> Result<Expr> {
        self.nested(|p| p.binary(OR))
    }

    /// An expression between commas and a clause's words: not part of another one.
    pub(super) fn whole(&mut self) -> Result<Expr> {
        self.root(|p| p.expression())
    }

    /// Operators that bind at least as tightly as `least`.
    fn binary(&mut self, least: Level) -> Result<Expr> {
        let at = self.place();
        // Only one comparison may stand in a row, and none behind a NOT that is complete: so the level may only fall.
        let (mut left, mut most) = if least <= NOT && self.eat(&["NOT"]) {
            let inner = self.nested(|p| p.binary(NOT))?;
            (Expr { kind: ExprKind::Not(Box::new(inner)), at }, AND)
        } else {
            (self.signed()?, PRODUCT)
        };
        while let Some((level, op)) = self.operator() {
            if level < least || level > most {
                break;
            }
            if level == PREDICATE {
                left = Expr { kind: self.predicate(left, op)?, at };
                most = NOT;
            } else if let Some(op) = op {
                self.skip(1);
                let right = self.beside(|p| p.binary(level + 1))?;
                left = Expr { kind: ExprKind::Binary(op, Box::new(left), Box::new(right)), at };
                most = level;
            }
            self.grow()?;
        }
        Ok(left)
    }

    /// The operator at the next token; without a `BinaryOp` it is a word that begins a predicate.
    fn operator(&self) -> Option<(Level, Option<BinaryOp>)> {
        let (level, op) = match self.peek(0)? {
            Lexeme::Sign(sign) => match *sign {
                "=" => (PREDICATE, BinaryOp::Equal),
                "<>" => (PREDICATE, BinaryOp::NotEqual),
                "<" => (PREDICATE, BinaryOp::Less),
                "<=" => (PREDICATE, BinaryOp::LessEqual),
                ">" => (PREDICATE, BinaryOp::Greater),
                ">=" => (PREDICATE, BinaryOp::GreaterEqual),
                "||" => (CONCAT, BinaryOp::Concat),
                "+" => (SUM, BinaryOp::Add),
                "-" => (SUM, BinaryOp::Subtract),
                "*" => (PRODUCT, BinaryOp::Multiply),
                "/" => (PRODUCT, BinaryOp::Divide),
                "%" => (PRODUCT, BinaryOp::Modulo),
                _ => return None,
            },
            Lexeme::Word(word) => match word.as_str() {
                "OR" => (OR, BinaryOp::Or),
                "AND" => (AND, BinaryOp::And),
                "IS" | "BETWEEN" | "IN" | "LIKE" => return Some((PREDICATE, None)),
                "NOT" if matches!(self.word(1), "BETWEEN" | "IN" | "LIKE") => return Some((PREDICATE, None)),
                _ => return None,
            },
            _ => return None,
        };
        Some((level, Some(op)))
    }

    /// What stands on a side of a comparison.
    fn side(&mut self) -> Result<Box<Expr>> {
        self.beside(|p| p.binary(CONCAT)).map(Box::new)
    }

    fn predicate(&mut self, value: Expr, op: Option<BinaryOp>) -> Result<ExprKind> {
        let value = Box::new(value);
        if let Some(op) = op {
            self.skip(1);
            return Ok(ExprKind::Binary(op, value, self.side()?));
        }
        if self.eat(&["IS"]) {
            let negated = self.eat(&["NOT"]);
            if self.eat(&["NULL"]) {
                return Ok(ExprKind::IsNull { value, negated });
            }
            self.expect(&["DISTINCT", "FROM"])?;
            let op = if negated { BinaryOp::IsNotDistinct } else { BinaryOp::IsDistinct };
            return Ok(ExprKind::Binary(op, value, self.side()?));
        }
        let negated = self.eat(&["NOT"]);
        if self.eat(&["BETWEEN"]) {
            let low = self.side()?;
            self.expect(&["AND"])?;
            let high = self.side()?;
            return Ok(ExprKind::Between { value, low, high, negated });
        }
        if self.eat(&["IN"]) {
            let list = self.parenthesized(|p| p.expression())?;
            return Ok(ExprKind::In { value, list, negated });
        }
        self.expect(&["LIKE"])?;
        let pattern = self.side()?;
        let escape = if self.eat(&["ESCAPE"]) { Some(self.escape()?) } else { None };
        Ok(ExprKind::Like { value, pattern, escape, negated })
    }

    fn escape(&mut self) -> Result<char> {
        let at = self.place();
        let text = self.string()?;
        let mut chars = text.chars();
        match (chars.next(), chars.next()) {
            (Some(c), None) => Ok(c),
            _ => Err(Error::new(code::INVALID_PARAMETER_VALUE, "ESCAPE must be one character").at(at)),
        }
    }

    /// An operand, with the signs before it.
    fn signed(&mut self) -> Result<Expr> {
        let at = self.place();
        let expr = if self.eat_sign("-") {
            match self.number("-")? {
                Some(kind) => Expr { kind, at },
                None => Expr { kind: ExprKind::Negate(Box::new(self.nested(|p| p.signed())?)), at },
            }
        } else if self.eat_sign("+") {
            self.nested(|p| p.signed())?
        } else {
            self.postfix()?
        };
        if self.word(0) == "AT" && self.word(1) == "TIME" {
            let error = Error::unsupported("AT TIME ZONE is not supported").at(self.place());
            return Err(error.hint("Write CONVERT_TZ(timestamp, from, to): a TIMESTAMP has no zone, it is in UTC."));
        }
        Ok(expr)
    }

    /// The number at the next token, if it is one.
    fn number(&mut self, sign: &str) -> Result<Option<ExprKind>> {
        let kind = match self.peek(0) {
            Some(Lexeme::Integer(digits)) => {
                let digits = format!("{sign}{digits}");
                let value: i64 = digits.parse().map_err(|_| self.out_of_range(&digits))?;
                ExprKind::Integer(value.to_string())
            }
            Some(Lexeme::Decimal(digits)) => ExprKind::Decimal(format!("{sign}{digits}")),
            Some(Lexeme::Double(digits)) => {
                let digits = format!("{sign}{digits}");
                match digits.parse::<f64>() {
                    Ok(value) if value.is_finite() => ExprKind::Double(digits),
                    _ => return Err(self.out_of_range(&digits)),
                }
            }
            _ => return Ok(None),
        };
        self.skip(1);
        Ok(Some(kind))
    }

    /// An operand with what is taken out of it.
    fn postfix(&mut self) -> Result<Expr> {
        let (first, at) = (self.next, self.place());
        let mut expr = Expr { kind: self.primary()?, at };
        loop {
            let base = if self.eat_sign("[") {
                let index = self.expression()?;
                self.expect_sign("]")?;
                ExprKind::Index(Box::new(expr), Box::new(index))
            } else if self.sign(0) == "->" && self.sign(1) == "*" {
                self.fields_of = Some(first);
                return Ok(expr);
            } else if self.eat_sign("->") {
                ExprKind::Field(Box::new(expr), self.name()?)
            } else {
                return Ok(expr);
            };
            expr = Expr { kind: base, at };
            self.grow()?;
        }
    }

    fn primary(&mut self) -> Result<ExprKind> {
        if let Some(number) = self.number("")? {
            return Ok(number);
        }
        match (self.peek(0), self.sign(1)) {
            (Some(Lexeme::Text(_)), _) => return Ok(ExprKind::String(self.string()?)),
            (Some(Lexeme::Sign("(")), _) => {
                self.skip(1);
                let inner = self.expression()?;
                self.expect_sign(")")?;
                return Ok(inner.kind);
            }
            (Some(Lexeme::Word(word)), sign) => {
                let read = match (word.as_str(), sign) {
                    ("NULL", _) => return self.constant(ExprKind::Null),
                    ("TRUE", _) => return self.constant(ExprKind::Boolean(true)),
                    ("FALSE", _) => return self.constant(ExprKind::Boolean(false)),
                    ("CASE", _) => Some(Self::case as fn(&mut Self) -> Result<ExprKind>),
                    ("CAST", "(") => Some(Self::cast as fn(&mut Self) -> Result<ExprKind>),
                    ("ARRAY", "[") => Some(Self::array as fn(&mut Self) -> Result<ExprKind>),
                    ("MAP", "(") => Some(Self::map as fn(&mut Self) -> Result<ExprKind>),
                    ("STRUCT", "(") => Some(Self::structure as fn(&mut Self) -> Result<ExprKind>),
                    _ => None,
                };
                if let Some(read) = read {
                    self.skip(1);
                    return read(self);
                }
            }
            _ => {}
        }
        self.named()
    }

    fn constant(&mut self, kind: ExprKind) -> Result<ExprKind> {
        self.skip(1);
        Ok(kind)
    }

    /// A column, a call, or a string of a type.
    fn named(&mut self) -> Result<ExprKind> {
        let name = self.name()?;
        if matches!(self.peek(0), Some(Lexeme::Text(_))) {
            let ty = match name.to_ascii_uppercase().as_str() {
                "DATE" => Type::Date,
                "TIME" => Type::Time,
                "TIMESTAMP" => Type::Timestamp,
                _ => return Err(self.unexpected()),
            };
            return Ok(ExprKind::Temporal(ty, self.string()?));
        }
        match self.sign(0) {
            "." => {
                self.skip(1);
                Ok(ExprKind::Column { source: Some(name), name: self.name()? })
            }
            "(" => {
                self.skip(1);
                let star = self.sign(0) == "*" && self.sign(1) == ")";
                let arguments = if star {
                    self.skip(1);
                    Vec::new()
                } else {
                    self.until(")", Self::argument)?
                };
                self.expect_sign(")")?;
                Ok(ExprKind::Call { name: name.to_ascii_uppercase(), arguments })
            }
            _ => Ok(ExprKind::Column { source: None, name }),
        }
    }

    /// What `one` reads, with commas between; nothing if `end` follows.
    pub(super) fn until<T>(&mut self, end: &str, one: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        if self.sign(0) == end { Ok(Vec::new()) } else { self.list(one) }
    }

    fn argument(&mut self) -> Result<Expr> {
        let at = self.place();
        let Some(names) = self.parameters() else {
            return self.expression();
        };
        let parentheses = self.eat_sign("(");
        let parameters = (0..names).map(|i| {
            if i > 0 {
                self.skip(1);
            }
            self.name()
        });
        let parameters = parameters.collect::<Result<_>>()?;
        if parentheses {
            self.expect_sign(")")?;
        }
        self.expect_sign("=>")?;
        let body = Box::new(self.expression()?);
        Ok(Expr { kind: ExprKind::Lambda { parameters, body }, at })
    }

    /// How many parameters the lambda at the next token has, if it is one.
    fn parameters(&self) -> Option<usize> {
        if self.names(0) && self.sign(1) == "=>" {
            return Some(1);
        }
        if self.sign(0) != "(" {
            return None;
        }
        let mut names = 0;
        while self.names(2 * names + 1) {
            names += 1;
            match self.sign(2 * names) {
                "," => {}
                ")" if self.sign(2 * names + 1) == "=>" => return Some(names),
                _ => return None,
            }
        }
        None
    }

    // Forms that begin with a word, read up to behind it ---------------------------------------------------------------

    fn case(&mut self) -> Result<ExprKind> {
        let operand = if self.word(0) == "WHEN" { None } else { Some(Box::new(self.expression()?)) };
        let mut whens = Vec::new();
        while self.eat(&["WHEN"]) {
            let when = self.expression()?;
            self.expect(&["THEN"])?;
            whens.push((when, self.expression()?));
        }
        if whens.is_empty() {
            return Err(self.unexpected());
        }
        let otherwise = if self.eat(&["ELSE"]) { Some(Box::new(self.expression()?)) } else { None };
        self.expect(&["END"])?;
        Ok(ExprKind::Case { operand, whens, otherwise })
    }

    fn cast(&mut self) -> Result<ExprKind> {
        self.expect_sign("(")?;
        let value = self.expression()?;
        self.expect(&["AS"])?;
        let ty = self.type_name()?;
        self.expect_sign(")")?;
        Ok(ExprKind::Cast(Box::new(value), ty))
    }

    fn array(&mut self) -> Result<ExprKind> {
        self.expect_sign("[")?;
        let items = self.until("]", Self::expression)?;
        self.expect_sign("]")?;
        Ok(ExprKind::Array(items))
    }

    fn map(&mut self) -> Result<ExprKind> {
        self.expect_sign("(")?;
        let entries = self.until(")", |p| {
            let key = p.expression()?;
            p.expect_sign(":=")?;
            Ok((key, p.expression()?))
        })?;
        self.expect_sign(")")?;
        Ok(ExprKind::Map(entries))
    }

    fn structure(&mut self) -> Result<ExprKind> {
        self.expect_sign("(")?;
        let fields = self.until(")", |p| {
            let name = p.name()?;
            p.expect_sign(":=")?;
            Ok((name, p.expression()?))
        })?;
        self.expect_sign(")")?;
        Ok(ExprKind::Struct(fields))
    }
}
