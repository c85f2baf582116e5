//! Reading the text of a signature.

use std::sync::Arc;

use super::{Parameter, Pattern, Signature};
use crate::func::ksql::Type;

/// The signature in a text; `None` if there is none.
pub(super) fn read(text: &str) -> Option<Signature> {
    let mut reader = Reader { tokens: tokens(text)?, at: 0 };
    reader.signature().filter(|_| reader.at == reader.tokens.len())
}

/// Words and signs of a signature.
fn tokens(text: &str) -> Option<Vec<&str>> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let word = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
        let signs = ["...", "->", "=>"].iter().find(|s| rest.starts_with(**s)).map_or(first.len_utf8(), |s| s.len());
        let known = word > 0 || signs > 1 || "()[]<>,=*".contains(first);
        let (token, after) = rest.split_at(if word > 0 { word } else { signs });
        tokens.push(token);
        rest = after.trim_start();
        known.then_some(())?;
    }
    Some(tokens)
}

struct Reader<'a> {
    tokens: Vec<&'a str>,
    at: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self, ahead: usize) -> &'a str {
        self.tokens.get(self.at + ahead).copied().unwrap_or("")
    }

    fn take(&mut self) -> &'a str {
        let token = self.peek(0);
        self.at += 1;
        token
    }

    fn eat(&mut self, token: &str) -> bool {
        let found = self.peek(0) == token;
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, token: &str) -> Option<()> {
        self.eat(token).then_some(())
    }

    fn signature(&mut self) -> Option<Signature> {
        let name = self.take().to_string();
        self.expect("(")?;
        let mut parameters = Vec::new();
        let mut depth = 0;
        // Commas may stand before or behind the bracket of what may be left out.
        while !self.eat(")") {
            match self.peek(0) {
                "" => return None,
                "," => self.at += 1,
                "[" => (self.at, depth) = (self.at + 1, depth + 1),
                "]" => (self.at, depth) = (self.at + 1, depth - 1),
                _ => parameters.push(self.parameter(depth > 0)?),
            }
        }
        self.expect("->")?;
        let returns = self.pattern()?;
        (depth == 0 && !name.is_empty()).then_some(Signature { name, parameters, returns })
    }

    fn parameter(&mut self, optional: bool) -> Option<Parameter> {
        // `(A, B) => R` and `T` alone have no name before them.
        let named = self.peek(0) != "(" && !["", ",", ")", "]", "...", "=", "<", "=>"].contains(&self.peek(1));
        let named = named && !(self.peek(0) == "DECIMAL" && self.peek(1) == "(");
        let name = if named { self.take().to_string() } else { String::new() };
        let ty = self.pattern()?;
        let variadic = self.eat("...");
        let constant = self.eat("=");
        Some(Parameter { name, ty, optional, variadic, constant })
    }

    fn pattern(&mut self) -> Option<Pattern> {
        if self.eat("(") {
            let mut parameters = Vec::new();
            while !self.eat(")") {
                parameters.push(self.pattern()?);
                self.eat(",");
            }
            self.expect("=>")?;
            return Some(Pattern::Lambda { parameters, returns: Box::new(self.pattern()?) });
        }
        let simple = self.simple()?;
        if self.eat("=>") {
            return Some(Pattern::Lambda { parameters: vec![simple], returns: Box::new(self.pattern()?) });
        }
        Some(simple)
    }

    fn simple(&mut self) -> Option<Pattern> {
        Some(match self.take() {
            "BOOLEAN" => Pattern::Known(Type::Boolean),
            "INT" | "INTEGER" => Pattern::Known(Type::Int),
            "BIGINT" => Pattern::Known(Type::Bigint),
            "DOUBLE" => Pattern::Known(Type::Double),
            "STRING" | "VARCHAR" => Pattern::Known(Type::String),
            "BYTES" => Pattern::Known(Type::Bytes),
            "DATE" => Pattern::Known(Type::Date),
            "TIME" => Pattern::Known(Type::Time),
            "TIMESTAMP" => Pattern::Known(Type::Timestamp),
            "UNIT" => Pattern::Known(Type::Unit),
            "ANY" => Pattern::Any,
            "DECIMAL" if self.eat("(") => {
                let precision = self.take().parse().ok()?;
                self.expect(",")?;
                let scale = self.take().parse().ok()?;
                self.expect(")")?;
                Pattern::Known(Type::Decimal(precision, scale))
            }
            "DECIMAL" => Pattern::Decimal,
            "ARRAY" => {
                self.expect("<")?;
                let item = self.pattern()?;
                self.expect(">")?;
                Pattern::Array(Box::new(item))
            }
            "MAP" => {
                self.expect("<")?;
                let key = self.pattern()?;
                self.expect(",")?;
                let value = self.pattern()?;
                self.expect(">")?;
                Pattern::Map(Box::new(key), Box::new(value))
            }
            "STRUCT" => {
                self.expect("<")?;
                let mut fields = Vec::new();
                while !self.eat(">") {
                    fields.push((Arc::from(self.take()), self.pattern()?));
                    self.eat(",");
                }
                Pattern::Struct(fields)
            }
            word => {
                let mut letters = word.chars();
                let variable = letters.next().filter(|c| c.is_ascii_uppercase() && letters.next().is_none())?;
                Pattern::Variable(variable)
            }
        })
    }
}
