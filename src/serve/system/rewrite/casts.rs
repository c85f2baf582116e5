//! Casts to types that only PostgreSQL has: `::regclass` and its kin, `::oid`, `::name`, `::"char"`, `::pg_catalog.text`.

use sqlparser::ast::{ArrayElemTypeDef, BinaryOperator, DataType, Expr, Value};

use super::super::SystemContext;
use super::super::names::Reg;
use super::build::{bare, call, last_name, literal, take, text};
use crate::error::Result;

fn reg(data_type: &DataType) -> Option<(Reg, String)> {
    let name = match data_type {
        DataType::Custom(name, _) => last_name(name),
        DataType::Regclass => "regclass".to_string(),
        _ => return None,
    };
    Reg::parse(&name).map(|r| (r, name))
}

fn is_oid(data_type: &DataType) -> bool {
    let custom = matches!(data_type, DataType::Custom(name, _) if matches!(last_name(name).as_str(), "oid" | "int4" | "int8"));
    custom || matches!(data_type, DataType::Int(_) | DataType::Integer(_) | DataType::BigInt(_) | DataType::Int4(_) | DataType::Int8(_))
}

fn oid_literal(oid: u32) -> Expr {
    call("arrow_cast", vec![literal(Value::Number(oid.to_string(), false)), text("UInt32")])
}

/// What `x::regclass` is worth as a number: a literal at once, anything else when it runs.
fn as_oid(kind: Reg, name: &str, x: Expr, context: &SystemContext) -> Result<Expr> {
    if let Expr::Value(v) = bare(&x)
        && let Value::SingleQuotedString(literal) = &v.value
    {
        return Ok(oid_literal(kind.read(context, literal)?));
    }
    Ok(call("reg_oid", vec![text(name), x]))
}

/// `oid = x::regclass`, either way round: what is compared is the number (pgjdbc, SQLAlchemy, DBeaver).
pub fn compared(expr: &mut Expr, context: &SystemContext) -> Result<()> {
    use BinaryOperator::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
    let operands: Vec<&mut Expr> = match expr {
        Expr::BinaryOp { left, op: Eq | NotEq | Lt | LtEq | Gt | GtEq, right } => vec![left.as_mut(), right.as_mut()],
        Expr::InList { expr, list, .. } => list.iter_mut().chain([expr.as_mut()]).collect(),
        _ => return Ok(()),
    };
    for operand in operands {
        if let Expr::Cast { expr: x, data_type, .. } = operand
            && let Some((kind, name)) = reg(data_type)
        {
            *operand = as_oid(kind, &name, take(x), context)?;
        }
    }
    Ok(())
}

/// `x::regclass::oid` is the number (psql's \sf, SQLAlchemy).
pub fn chained(expr: &mut Expr, context: &SystemContext) -> Result<()> {
    let Expr::Cast { expr: inner, data_type, .. } = expr else { return Ok(()) };
    if is_oid(data_type)
        && let Expr::Cast { expr: x, data_type: inner_type, .. } = inner.as_mut()
        && let Some((kind, name)) = reg(inner_type)
    {
        **inner = as_oid(kind, &name, take(x), context)?;
    }
    Ok(())
}

/// What is left: `x::regclass` is shown by its name (psql's \d), a literal is checked and its number kept;
/// types that Everfold carries as another one are cast to that.
pub fn cast(expr: &mut Expr, context: &SystemContext) -> Result<()> {
    let Expr::Cast { expr: x, data_type, .. } = expr else { return Ok(()) };
    if let Some((kind, name)) = reg(data_type) {
        *expr = match bare(x) {
            Expr::Value(v) if matches!(v.value, Value::SingleQuotedString(_)) => as_oid(kind, &name, take(x), context)?,
            _ => call("reg_name", vec![text(&name), take(x)]),
        };
        return Ok(());
    }
    if let Some(known) = plain(data_type) {
        if known == DataType::IntUnsigned(None)
            && let Expr::Value(v) = bare(x)
            && let Value::Placeholder(_) = v.value
        {
            // A parameter cast to oid comes as a number or as text; both become the number.
            *expr = call("reg_oid", vec![text("regclass"), take(x)]);
            return Ok(());
        }
        *data_type = known;
    }
    Ok(())
}

/// The standard type for one that only PostgreSQL names, or that is qualified.
fn plain(data_type: &DataType) -> Option<DataType> {
    match data_type {
        DataType::Array(ArrayElemTypeDef::SquareBracket(item, size)) => {
            Some(DataType::Array(ArrayElemTypeDef::SquareBracket(Box::new(plain(item)?), *size)))
        }
        DataType::Custom(name, _) => Some(match last_name(name).as_str() {
            "name" | "text" | "char" | "int2vector" | "oidvector" | "pg_node_tree" | "bpchar" | "varchar" | "cstring" | "aclitem" => {
                DataType::Text
            }
            "oid" | "xid" | "cid" => DataType::IntUnsigned(None),
            "int2" => DataType::SmallInt(None),
            "int4" => DataType::Integer(None),
            "int8" => DataType::BigInt(None),
            "bool" => DataType::Boolean,
            // Only as the item of an array: a reg type by itself has its own rules.
            name if Reg::parse(name).is_some() => DataType::IntUnsigned(None),
            _ => return None,
        }),
        _ => None,
    }
}
