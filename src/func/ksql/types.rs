//! The types of ksqlDB's dialect (its documentation, "Data Types").

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::error::{Error, Result, code};

/// A type.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// The type of a bare NULL: fits everywhere.
    Null,
    Boolean,
    Int,
    Bigint,
    Double,
    /// DECIMAL(precision, scale).
    Decimal(u8, u8),
    String,
    Bytes,
    Date,
    Time,
    Timestamp,
    Array(Box<Type>),
    Map(Box<Type>, Box<Type>),
    /// Field names as resolved (unquoted ones in upper case), in order.
    Struct(Arc<[(Arc<str>, Type)]>),
    /// A word such as DAYS, an argument of DATEADD; its value is the word in upper case.
    Unit,
}

impl Type {
    /// True for INT, BIGINT, DOUBLE and DECIMAL.
    pub fn is_number(&self) -> bool {
        matches!(self, Type::Int | Type::Bigint | Type::Double | Type::Decimal(..))
    }

    /// The decimal that holds every value of INT or BIGINT, or the type itself if it is one already.
    pub fn as_decimal(&self) -> Option<(u8, u8)> {
        match self {
            Type::Int => Some((10, 0)),
            Type::Bigint => Some((19, 0)),
            Type::Decimal(p, s) => Some((*p, *s)),
            _ => None,
        }
    }

    /// The type that values of both fit without loss of magnitude: INT, BIGINT, DECIMAL, DOUBLE widen in this order, composites
    /// element by element, structs by the union of their fields. `None` if there is none.
    pub fn common(&self, other: &Type) -> Option<Type> {
        use Type::*;
        Some(match (self, other) {
            (a, b) if a == b => a.clone(),
            (Null, t) | (t, Null) => t.clone(),
            (Double, b) if b.is_number() => Double,
            (a, Double) if a.is_number() => Double,
            (Int | Bigint, Int | Bigint) => Bigint,
            (a, b) if a.is_number() && b.is_number() => {
                let ((p, s), (q, t)) = (a.as_decimal()?, b.as_decimal()?);
                let scale = s.max(t);
                Decimal(p.saturating_sub(s).max(q.saturating_sub(t)).checked_add(scale)?, scale)
            }
            (Date, Timestamp) | (Timestamp, Date) => Timestamp,
            (Array(a), Array(b)) => Array(Box::new(a.common(b)?)),
            (Map(k, v), Map(l, w)) => Map(Box::new(k.common(l)?), Box::new(v.common(w)?)),
            (Struct(a), Struct(b)) => {
                let mut fields: Vec<(Arc<str>, Type)> = Vec::new();
                for (name, ty) in a.iter() {
                    match b.iter().find(|(n, _)| n == name) {
                        Some((_, other)) => fields.push((name.clone(), ty.common(other)?)),
                        None => fields.push((name.clone(), ty.clone())),
                    }
                }
                fields.extend(b.iter().filter(|(n, _)| !a.iter().any(|(m, _)| m == n)).cloned());
                Struct(fields.into())
            }
            _ => return None,
        })
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Null => f.write_str("NULL"),
            Type::Boolean => f.write_str("BOOLEAN"),
            Type::Int => f.write_str("INTEGER"),
            Type::Bigint => f.write_str("BIGINT"),
            Type::Double => f.write_str("DOUBLE"),
            Type::Decimal(p, s) => write!(f, "DECIMAL({p}, {s})"),
            Type::String => f.write_str("STRING"),
            Type::Bytes => f.write_str("BYTES"),
            Type::Date => f.write_str("DATE"),
            Type::Time => f.write_str("TIME"),
            Type::Timestamp => f.write_str("TIMESTAMP"),
            Type::Array(item) => write!(f, "ARRAY<{item}>"),
            Type::Map(k, v) => write!(f, "MAP<{k}, {v}>"),
            Type::Struct(fields) => {
                let fields: Vec<String> = fields.iter().map(|(n, t)| format!("`{}` {t}", n.replace('`', "``"))).collect();
                write!(f, "STRUCT<{}>", fields.join(", "))
            }
            Type::Unit => f.write_str("INTERVALUNIT"),
        }
    }
}

impl FromStr for Type {
    type Err = Error;

    /// Reads what [`Type`] prints.
    fn from_str(text: &str) -> Result<Type> {
        let mut reader = Reader { rest: text };
        match reader.ty() {
            Some(ty) if reader.rest.is_empty() => Ok(ty),
            _ => Err(Error::new(code::UNDEFINED_OBJECT, format!("type \"{text}\" does not exist"))),
        }
    }
}

/// Reads types as they are printed.
struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn eat(&mut self, token: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(token)?;
        Some(())
    }

    fn number(&mut self) -> Option<u8> {
        let end = self.rest.find(|c: char| !c.is_ascii_digit())?;
        let (digits, rest) = self.rest.split_at(end);
        self.rest = rest;
        digits.parse().ok()
    }

    fn ty(&mut self) -> Option<Type> {
        let end = self.rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        Some(match word {
            "NULL" => Type::Null,
            "BOOLEAN" => Type::Boolean,
            "INTEGER" => Type::Int,
            "BIGINT" => Type::Bigint,
            "DOUBLE" => Type::Double,
            "STRING" => Type::String,
            "BYTES" => Type::Bytes,
            "DATE" => Type::Date,
            "TIME" => Type::Time,
            "TIMESTAMP" => Type::Timestamp,
            "INTERVALUNIT" => Type::Unit,
            "DECIMAL" => {
                self.eat("(")?;
                let precision = self.number()?;
                self.eat(", ")?;
                let scale = self.number()?;
                self.eat(")")?;
                Type::Decimal(precision, scale)
            }
            "ARRAY" => {
                self.eat("<")?;
                let item = self.ty()?;
                self.eat(">")?;
                Type::Array(Box::new(item))
            }
            "MAP" => {
                self.eat("<")?;
                let key = self.ty()?;
                self.eat(", ")?;
                let value = self.ty()?;
                self.eat(">")?;
                Type::Map(Box::new(key), Box::new(value))
            }
            "STRUCT" => self.fields()?,
            _ => return None,
        })
    }

    fn fields(&mut self) -> Option<Type> {
        self.eat("<")?;
        let mut fields: Vec<(Arc<str>, Type)> = Vec::new();
        while self.eat(">").is_none() {
            if !fields.is_empty() {
                self.eat(", ")?;
            }
            let name = self.name()?;
            self.eat(" ")?;
            fields.push((name.into(), self.ty()?));
        }
        Some(Type::Struct(fields.into()))
    }

    fn name(&mut self) -> Option<String> {
        self.eat("`")?;
        let mut name = String::new();
        loop {
            let end = self.rest.find('`')?;
            name.push_str(&self.rest[..end]);
            self.rest = &self.rest[end + 1..];
            match self.eat("`") {
                Some(()) => name.push('`'),
                None => return Some(name),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_read_as_it_is_printed() {
        let fields: Vec<(Arc<str>, Type)> = vec![("A`b".into(), Type::Decimal(12, 3)), ("c d".into(), Type::Struct([].into()))];
        let inner = Type::Map(Box::new(Type::String), Box::new(Type::Struct(fields.into())));
        for ty in [Type::Timestamp, Type::Array(Box::new(inner)), Type::Null] {
            assert_eq!(ty.to_string().parse::<Type>().expect("it was printed"), ty);
        }
        for wrong in ["", "INT", "ARRAY<", "STRUCT<a INTEGER>", "DECIMAL(3)", "DATE "] {
            assert!(wrong.parse::<Type>().is_err(), "{wrong}");
        }
    }
}
