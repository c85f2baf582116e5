//! Types as written in ksqlDB's dialect.

use super::ast::TypeName;
use super::lex::Lexeme;
use super::parse::Parser;
use crate::error::{Error, Result, code};
use crate::func::ksql::Type;

impl Parser<'_> {
    /// A type. Lengths such as that of VARCHAR(20) mean nothing and are left out.
    pub(super) fn type_name(&mut self) -> Result<TypeName> {
        self.nested(|p| {
            let mut ty = p.simple_type()?;
            while p.eat(&["ARRAY"]) {
                ty = TypeName::Array(Box::new(ty));
                p.grow()?;
            }
            Ok(ty)
        })
    }

    fn simple_type(&mut self) -> Result<TypeName> {
        match (self.word(0), self.sign(1)) {
            ("ARRAY", "<") => {
                self.skip(2);
                let item = self.type_name()?;
                self.expect_sign(">")?;
                Ok(TypeName::Array(Box::new(item)))
            }
            ("MAP", "<") => {
                self.skip(2);
                let key = self.type_name()?;
                self.expect_sign(",")?;
                let value = self.type_name()?;
                self.expect_sign(">")?;
                Ok(TypeName::Map(Box::new(key), Box::new(value)))
            }
            ("STRUCT", "<>") => {
                self.skip(2);
                Ok(TypeName::Struct(Vec::new()))
            }
            ("STRUCT", "<") => {
                self.skip(2);
                let fields = self.until(">", |p| Ok((p.name()?, p.type_name()?)))?;
                self.expect_sign(">")?;
                Ok(TypeName::Struct(fields))
            }
            ("DECIMAL", _) => {
                self.skip(1);
                self.decimal()
            }
            _ => self.base_type(),
        }
    }

    fn decimal(&mut self) -> Result<TypeName> {
        self.expect_sign("(")?;
        let at = self.place();
        let precision = self.count()?;
        self.expect_sign(",")?;
        let scale = self.count()?;
        self.expect_sign(")")?;
        match (u8::try_from(precision), u8::try_from(scale)) {
            (Ok(p), Ok(s)) if p >= 1 && s <= p => Ok(TypeName::Known(Type::Decimal(p, s))),
            _ => {
                let message = format!("DECIMAL({precision}, {scale}) does not exist");
                let error = Error::new(code::INVALID_PARAMETER_VALUE, message).at(at);
                Err(error.hint("The precision is between 1 and 255, the scale between 0 and the precision."))
            }
        }
    }

    fn base_type(&mut self) -> Result<TypeName> {
        let at = self.place();
        let name = self.name()?;
        if self.eat_sign("(") {
            self.list(|p| match p.peek(0) {
                Some(Lexeme::Integer(_)) => p.count().map(|_| ()),
                _ => p.expect(&["STRING"]),
            })?;
            self.expect_sign(")")?;
        }
        Ok(match name.to_ascii_uppercase().as_str() {
            "BOOLEAN" => TypeName::Known(Type::Boolean),
            "INT" | "INTEGER" => TypeName::Known(Type::Int),
            "BIGINT" => TypeName::Known(Type::Bigint),
            "DOUBLE" => TypeName::Known(Type::Double),
            "STRING" | "VARCHAR" => TypeName::Known(Type::String),
            "BYTES" => TypeName::Known(Type::Bytes),
            "DATE" => TypeName::Known(Type::Date),
            "TIME" => TypeName::Known(Type::Time),
            "TIMESTAMP" => TypeName::Known(Type::Timestamp),
            _ => TypeName::Custom(name, at),
        })
    }
}
