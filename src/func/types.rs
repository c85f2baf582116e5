//! SQL type names to our Arrow types (manual, chapter 8). Names that PostgreSQL has and Everfold has not are refused, not guessed.

use std::sync::Arc;

use arrow::datatypes::FieldRef;
use datafusion::common::Result as DfResult;
use datafusion::logical_expr::planner::TypePlanner;
use sqlparser::ast::{ArrayElemTypeDef, CharacterLength, DataType as Sql, ExactNumberInfo, ObjectName, TimezoneInfo};

use crate::data::PgType;
use crate::error::{Error, Result, code};

/// The type planner: every type name goes through [`pg_type`].
#[derive(Debug)]
pub struct Types;

impl TypePlanner for Types {
    fn plan_type_field(&self, sql_type: &Sql) -> DfResult<Option<FieldRef>> {
        Ok(Some(Arc::new(pg_type(sql_type)?.field("", true))))
    }
}

fn length(of: &Option<CharacterLength>) -> Result<Option<u32>> {
    match of {
        Some(CharacterLength::IntegerLength { length, .. }) => {
            let n = u32::try_from(*length).ok().filter(|n| (1..=10_485_760).contains(n));
            let refuse = || Error::new(code::INVALID_PARAMETER_VALUE, "length for type character must be between 1 and 10485760");
            n.map(Some).ok_or_else(refuse)
        }
        _ => Ok(None),
    }
}

fn numeric(info: &ExactNumberInfo) -> Result<PgType> {
    match info {
        ExactNumberInfo::None => Ok(PgType::Numeric(None)),
        ExactNumberInfo::Precision(p) => PgType::numeric(i64::try_from(*p).unwrap_or(i64::MAX), 0),
        ExactNumberInfo::PrecisionAndScale(p, s) => PgType::numeric(i64::try_from(*p).unwrap_or(i64::MAX), *s),
    }
}

fn float(precision: Option<u64>) -> Result<PgType> {
    match precision {
        Some(1..=24) => Ok(PgType::Float4),
        None | Some(25..=53) => Ok(PgType::Float8),
        Some(n) => {
            let message = if n == 0 {
                "precision for type float must be at least 1 bit"
            } else {
                "precision for type float must be less than 54 bits"
            };
            Err(Error::new(code::INVALID_PARAMETER_VALUE, message))
        }
    }
}

/// The type that a SQL type name means. Errors: 42704 unknown name, 22023 bad modifier, 0A000 a type Everfold does not have.
pub fn pg_type(sql: &Sql) -> Result<PgType> {
    let zoned = |info: &TimezoneInfo| matches!(info, TimezoneInfo::WithTimeZone | TimezoneInfo::Tz);
    Ok(match sql {
        Sql::Bool | Sql::Boolean => PgType::Bool,
        Sql::SmallInt(_) | Sql::Int2(_) => PgType::Int2,
        Sql::Int(_) | Sql::Integer(_) | Sql::Int4(_) => PgType::Int4,
        Sql::BigInt(_) | Sql::Int8(_) => PgType::Int8,
        Sql::Real | Sql::Float4 => PgType::Float4,
        Sql::Double(_) | Sql::DoublePrecision | Sql::Float8 => PgType::Float8,
        Sql::Float(info) => float(match info {
            ExactNumberInfo::None => None,
            ExactNumberInfo::Precision(p) | ExactNumberInfo::PrecisionAndScale(p, _) => Some(*p),
        })?,
        Sql::Numeric(info) | Sql::Decimal(info) | Sql::Dec(info) => numeric(info)?,
        Sql::Text | Sql::String(_) => PgType::Text,
        Sql::Varchar(n) | Sql::CharVarying(n) | Sql::CharacterVarying(n) => PgType::Varchar(length(n)?),
        Sql::Char(n) | Sql::Character(n) => PgType::Bpchar(length(n)?.unwrap_or(1)),
        Sql::JSON => PgType::Json,
        Sql::JSONB => PgType::Jsonb,
        Sql::Uuid => PgType::Uuid,
        Sql::Bytea => PgType::Bytea,
        Sql::Date => PgType::Date,
        Sql::Time(_, zone) if !zoned(zone) => PgType::Time,
        Sql::Timestamp(_, zone) if zoned(zone) => PgType::Timestamptz,
        Sql::TimestampNtz(_) | Sql::Timestamp(..) | Sql::Datetime(_) => PgType::Timestamp,
        Sql::Interval { .. } => PgType::Interval,
        Sql::Regclass => PgType::Regclass,
        // What the queries of psql and its kin are rewritten to have where they say oid.
        Sql::IntUnsigned(None) => PgType::Oid,
        Sql::Array(ArrayElemTypeDef::SquareBracket(item, _) | ArrayElemTypeDef::AngleBracket(item)) => match pg_type(item)? {
            nested @ PgType::Array(_) => nested,
            item => PgType::Array(Box::new(item)),
        },
        Sql::Custom(name, modifiers) => custom(name, modifiers)?,
        other => {
            let message = format!("type {other} is not supported");
            return Err(Error::unsupported(message).hint("Use text, or the nearest type of those that pg_type lists."));
        }
    })
}

fn custom(name: &ObjectName, modifiers: &[String]) -> Result<PgType> {
    let parts: Vec<String> = name.0.iter().map(|p| p.as_ident().map_or_else(|| p.to_string(), |i| i.value.clone())).collect();
    let last = parts.last().map(String::as_str).unwrap_or_default();
    let text = if modifiers.is_empty() { last.to_string() } else { format!("{last}({})", modifiers.join(",")) };
    // The keyword char is read by the parser; as a name, quoted or qualified, it is the catalogs' one-byte type.
    if text == "char" { Ok(PgType::Char) } else { PgType::parse(&text) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlparser::dialect::PostgreSqlDialect;
    use sqlparser::parser::Parser;

    #[test]
    fn type_names_are_read_as_postgresql_reads_them() {
        let read = |text: &str| {
            let mut parser = Parser::new(&PostgreSqlDialect {}).try_with_sql(text).unwrap();
            pg_type(&parser.parse_data_type().unwrap())
        };
        for (name, ty) in [
            ("int8", PgType::Int8),
            ("double precision", PgType::Float8),
            ("numeric(10,2)", PgType::Numeric(Some((10, 2)))),
            ("varchar(5)", PgType::Varchar(Some(5))),
            ("timestamp with time zone", PgType::Timestamptz),
            ("timestamptz(3)", PgType::Timestamptz),
            ("jsonb", PgType::Jsonb),
            ("oid", PgType::Oid),
            ("int unsigned", PgType::Oid),
            ("int[]", PgType::Array(Box::new(PgType::Int4))),
        ] {
            assert_eq!(read(name).unwrap(), ty, "{name}");
        }
        assert_eq!(read("numeric(40,2)").unwrap_err().code(), code::INVALID_PARAMETER_VALUE);
        assert_eq!(read("nonsense").unwrap_err().code(), code::UNDEFINED_OBJECT);
    }
}
