//! The types of expressions as far as their text tells them, and the type that several of them have in common (manual, chapter 10.5).

use sqlparser::ast::{BinaryOperator, DataType, ExactNumberInfo, Expr, FunctionArguments, TimezoneInfo, TypedString, UnaryOperator, Value};

use super::build::{bare, last_name};
use crate::data::PgType;
use crate::func::types::pg_type;

/// What an expression is.
#[derive(Clone, Debug, PartialEq)]
pub enum Written {
    /// A string or NULL: what stands beside it tells its type.
    Literal,
    /// A type and its name; one of a user's is known by its name only.
    Of(Option<PgType>, DataType),
    Unknown,
}

impl Written {
    fn ty(ty: PgType) -> Written {
        name(&ty).map_or(Written::Unknown, |name| Written::Of(Some(ty), name))
    }

    fn known(&self) -> Option<&PgType> {
        if let Written::Of(ty, _) = self { ty.as_ref() } else { None }
    }
}

/// The name of a type that operators and functions give.
fn name(ty: &PgType) -> Option<DataType> {
    Some(match ty {
        PgType::Bool => DataType::Boolean,
        PgType::Int2 => DataType::SmallInt(None),
        PgType::Int4 => DataType::Integer(None),
        PgType::Int8 => DataType::BigInt(None),
        PgType::Float4 => DataType::Real,
        PgType::Float8 => DataType::Double(ExactNumberInfo::None),
        PgType::Numeric(_) => DataType::Numeric(ExactNumberInfo::None),
        PgType::Text => DataType::Text,
        PgType::Date => DataType::Date,
        PgType::Time => DataType::Time(None, TimezoneInfo::None),
        PgType::Timestamp => DataType::Timestamp(None, TimezoneInfo::None),
        PgType::Timestamptz => DataType::Timestamp(None, TimezoneInfo::Tz),
        PgType::Interval => DataType::Interval { fields: None, precision: None },
        PgType::Uuid => DataType::Uuid,
        _ => return None,
    })
}

/// Functions of one type, whatever their arguments are.
fn function(name: &str) -> Option<PgType> {
    Some(match name {
        "now" | "current_timestamp" | "transaction_timestamp" | "statement_timestamp" | "clock_timestamp" | "to_timestamp" => {
            PgType::Timestamptz
        }
        "localtimestamp" | "make_timestamp" => PgType::Timestamp,
        "current_date" | "to_date" | "make_date" => PgType::Date,
        "make_interval" => PgType::Interval,
        "gen_random_uuid" => PgType::Uuid,
        "length" | "char_length" | "character_length" | "octet_length" => PgType::Int4,
        "concat" | "lower" | "upper" | "to_char" | "format" | "md5" => PgType::Text,
        _ => return None,
    })
}

/// What an expression is written as.
pub fn of(expr: &Expr) -> Written {
    match bare(expr) {
        Expr::Value(v) => match &v.value {
            Value::Number(digits, _) => number(&digits.to_string()),
            Value::Boolean(_) => Written::ty(PgType::Bool),
            Value::Null | Value::SingleQuotedString(_) | Value::EscapedStringLiteral(_) => Written::Literal,
            _ => Written::Unknown,
        },
        Expr::Cast { data_type, array: false, .. } | Expr::TypedString(TypedString { data_type, .. }) => named(data_type),
        Expr::Interval(_) => Written::ty(PgType::Interval),
        Expr::UnaryOp { op: UnaryOperator::Not, .. } => Written::ty(PgType::Bool),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => match bare(expr) {
            // The least integer is one: PostgreSQL reads the sign with the digits.
            Expr::Value(v) if matches!(&v.value, Value::Number(digits, _) if *digits == "2147483648") => Written::ty(PgType::Int4),
            inner => signed(inner),
        },
        Expr::UnaryOp { op: UnaryOperator::Plus, expr } => signed(expr),
        Expr::BinaryOp { left, op, right } => operation(&of(left), op, &of(right)),
        Expr::Function(f) if f.over.is_none() && (f.name.0.len() == 1 || matches!(f.args, FunctionArguments::None)) => {
            function(&last_name(&f.name)).map_or(Written::Unknown, Written::ty)
        }
        _ => Written::Unknown,
    }
}

fn number(digits: &str) -> Written {
    let integer = digits.parse::<i32>().map(|_| PgType::Int4).or_else(|_| digits.parse::<i64>().map(|_| PgType::Int8));
    Written::ty(integer.unwrap_or(PgType::Numeric(None)))
}

fn named(data_type: &DataType) -> Written {
    let Ok(ty) = pg_type(data_type) else { return Written::Of(None, data_type.clone()) };
    // Values that are put beside others have no modifier of theirs.
    match name(&ty.base()) {
        Some(plain) => Written::Of(Some(ty.base()), plain),
        None => Written::Of(Some(ty), data_type.clone()),
    }
}

fn signed(expr: &Expr) -> Written {
    let inner = of(expr);
    let has_sign = inner.known().is_some_and(|ty| is_number(ty) || *ty == PgType::Interval);
    if has_sign { inner } else { Written::Unknown }
}

fn operation(left: &Written, op: &BinaryOperator, right: &Written) -> Written {
    use BinaryOperator::{And, Divide, Eq, Gt, GtEq, Lt, LtEq, Minus, Modulo, Multiply, NotEq, Or, Plus};
    match op {
        And | Or | Eq | NotEq | Lt | LtEq | Gt | GtEq => Written::ty(PgType::Bool),
        Plus | Minus | Multiply | Divide | Modulo => match (left.known(), right.known()) {
            (Some(l), Some(r)) if is_number(l) && is_number(r) => match numbers(l, r) {
                // There is an operator of two reals only.
                PgType::Float4 if l != r => Written::ty(PgType::Float8),
                common => Written::ty(common),
            },
            _ => Written::Unknown,
        },
        _ => Written::Unknown,
    }
}

/// The type that the values have in common, and its name; `None` if the text does not tell, or there is none.
pub fn common(all: &[Written]) -> Option<(Option<PgType>, DataType)> {
    let mut typed = all.iter().filter_map(|w| if let Written::Of(ty, name) = w { Some((ty, name)) } else { None });
    let (mut ty, mut data_type) = typed.next().map(|(ty, name)| (ty.clone(), name.clone()))?;
    for (other, other_name) in typed {
        let (Some(so_far), Some(other)) = (&ty, other) else {
            // Of two types of users' nothing is known but that they are the same.
            if ty.is_none() && other.is_none() && data_type == *other_name {
                continue;
            }
            return None;
        };
        if so_far == other {
            continue;
        }
        let wider = match (so_far, other) {
            (a, b) if is_number(a) && is_number(b) => numbers(a, b),
            (a, b) if is_time(a) && is_time(b) => times(a, b),
            _ => return None,
        };
        data_type = name(&wider)?;
        ty = Some(wider);
    }
    Some((ty, data_type))
}

fn is_number(ty: &PgType) -> bool {
    rank(ty).is_some()
}

/// PostgreSQL casts numbers of its own accord along this order.
fn rank(ty: &PgType) -> Option<usize> {
    let order = [PgType::Int2, PgType::Int4, PgType::Int8, PgType::Numeric(None), PgType::Float4, PgType::Float8];
    order.iter().position(|known| known == ty)
}

fn numbers(a: &PgType, b: &PgType) -> PgType {
    if rank(a) < rank(b) { b.clone() } else { a.clone() }
}

fn is_time(ty: &PgType) -> bool {
    matches!(ty, PgType::Date | PgType::Timestamp | PgType::Timestamptz)
}

fn times(a: &PgType, b: &PgType) -> PgType {
    if [a, b].contains(&&PgType::Timestamptz) { PgType::Timestamptz } else { PgType::Timestamp }
}

#[cfg(test)]
mod tests {
    use sqlparser::dialect::PostgreSqlDialect;
    use sqlparser::parser::Parser;

    use super::*;

    #[test]
    fn values_have_the_type_that_postgresql_finds() {
        let common_of = |sql: &str| {
            let list = Parser::new(&PostgreSqlDialect {}).try_with_sql(sql).unwrap().parse_comma_separated(Parser::parse_expr).unwrap();
            let written: Vec<Written> = list.iter().map(of).collect();
            common(&written).and_then(|(ty, _)| ty)
        };
        for (list, ty) in [
            ("1, 2::int, null", Some(PgType::Int4)),
            ("1::int2, -2147483648", Some(PgType::Int4)),
            ("1, 2 + 3::bigint", Some(PgType::Int8)),
            ("2.5, 'NaN'::float8", Some(PgType::Float8)),
            ("1::numeric(12,2), -1::numeric(12,2)", Some(PgType::Numeric(None))),
            ("1::real, 2.5", Some(PgType::Float4)),
            ("date '2024-01-01', '2024-01-02'", Some(PgType::Date)),
            ("now(), current_date, null", Some(PgType::Timestamptz)),
            ("interval '1 day', '2 days'", Some(PgType::Interval)),
            ("1, true", None),
            ("'a', null", None),
        ] {
            assert_eq!(common_of(list), ty, "{list}");
        }
    }
}
