//! Casts to types that only PostgreSQL has: `::regclass` and its kin, `::oid`, `::name`, `::"char"`, `::pg_catalog.text`.

use sqlparser::ast::{ArrayElemTypeDef, BinaryOperator, CastKind, DataType, Expr, Function, FunctionArguments, Ident, ObjectName, Value};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

use super::super::SystemContext;
use super::super::names::Reg;
use super::build::{arguments, bare, call, last_name, literal, strings, take, text};
use super::copies;
use crate::catalog::{TypeKind, UserType};
use crate::data::{PgType, composites};
use crate::error::calls::bit_strings;
use crate::error::{Error, Result};
use crate::func::domains;
use crate::sql::convert::relation_name;
use crate::sql::with_value;

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

/// The number of an object, as an oid.
pub fn oid_literal(oid: u32) -> Expr {
    call("arrow_cast", vec![literal(Value::Number(oid.to_string(), false)), text("UInt32")])
}

/// The standard's domains over types of PostgreSQL's (manual, chapter 37.2).
const OF_STANDARD: [(&str, &str); 5] = [
    ("sql_identifier", "name"),
    ("character_data", "varchar"),
    ("yes_or_no", "varchar(3)"),
    ("cardinal_number", "int4"),
    ("time_stamp", "timestamptz"),
];

/// `x::information_schema.sql_identifier` is of the type beneath.
pub fn to_standard(expr: &mut Expr, _: &SystemContext) -> Result<()> {
    let Expr::Cast { data_type, .. } = expr else { return Ok(()) };
    let DataType::Custom(name, _) = &*data_type else { return Ok(()) };
    let found = OF_STANDARD.iter().find(|(domain, _)| name.0.len() == 2 && last_name(name) == *domain);
    if let Some((_, beneath)) = found.filter(|_| name.to_string().to_lowercase().starts_with("information_schema.")) {
        *data_type = type_named(beneath)?;
    }
    Ok(())
}

/// `('x' || md5(t))::bit(64)::bigint`, the usual way to a number from digits: the number that the bits are.
pub fn bits_as_number(expr: &mut Expr, _: &SystemContext) -> Result<()> {
    let Expr::Cast { expr: bits, data_type, .. } = expr else { return Ok(()) };
    let width = match data_type {
        DataType::Int(_) | DataType::Integer(_) | DataType::Int4(_) => "32",
        DataType::BigInt(_) | DataType::Int8(_) => "64",
        _ => return Ok(()),
    };
    if let Expr::Cast { expr: digits, data_type: DataType::Bit(length), .. } = bits.as_mut()
        && !matches!(bare(digits), Expr::Value(value) if matches!(value.value, Value::Number(..)))
    {
        let number = |n: &str| literal(Value::Number(n.to_string(), false));
        let length = length.unwrap_or(1).to_string();
        **bits = call("bits_number", vec![take(digits), number(&length), number(width)]);
    }
    Ok(())
}

/// Errors: 0A000 for `X'1f'`, a bit string, of which DataFusion makes a bytea.
pub fn bit_string(expr: &mut Expr, _: &SystemContext) -> Result<()> {
    match &*expr {
        Expr::Value(value) if matches!(&value.value, Value::HexStringLiteral(digits) if digits.chars().all(|c| c.is_ascii_hexdigit())) => {
            Err(bit_strings())
        }
        _ => Ok(()),
    }
}

/// A type as it is written.
pub(super) fn written(ty: &PgType) -> Result<DataType> {
    if ty.is_of_user() {
        return Ok(DataType::Custom(ObjectName::from(vec![Ident::with_quote('"', ty.kept_name())]), vec![]));
    }
    type_named(&ty.to_string())
}

pub(super) fn type_named(name: &str) -> Result<DataType> {
    let parser = Parser::new(&PostgreSqlDialect {}).try_with_sql(name);
    parser.and_then(|mut parser| parser.parse_data_type()).map_err(|e| Error::internal(e.to_string()))
}

/// Types whose names are functions too, that cast to them (manual, chapter 4.2.9).
const CALLED: [&str; 23] = [
    "int2",
    "int4",
    "int8",
    "float4",
    "float8",
    "numeric",
    "bool",
    "text",
    "varchar",
    "bpchar",
    "name",
    "date",
    "timestamptz",
    "timetz",
    "bytea",
    "cidr",
    "inet",
    "oid",
    "xid",
    "regclass",
    "regtype",
    "regproc",
    "regnamespace",
];

/// True for a cast that is written as a call.
pub fn is_call(f: &Function) -> bool {
    let plain = f.over.is_none() && f.filter.is_none() && f.within_group.is_empty();
    let one = matches!(&f.args, FunctionArguments::List(list) if list.args.len() == 1 && list.clauses.is_empty());
    let ours = f.name.0.len() == 1 || f.name.0.first().is_some_and(|schema| schema.to_string() == "pg_catalog");
    plain && one && ours && CALLED.contains(&last_name(&f.name).as_str())
}

/// `date(x)` is `x::date`.
pub fn called(expr: &mut Expr, _: &SystemContext) -> Result<()> {
    let Expr::Function(f) = expr else { return Ok(()) };
    if !is_call(f) {
        return Ok(());
    }
    let data_type = type_named(&last_name(&f.name))?;
    let Some(value) = arguments(f).into_iter().next().map(take) else { return Ok(()) };
    *expr = Expr::Cast { kind: CastKind::Cast, expr: Box::new(value), data_type, array: false, format: None };
    Ok(())
}

/// `'{int4,text}'::regtype[]` is an array of what its elements name.
pub fn of_array(expr: &mut Expr, context: &SystemContext) -> Result<()> {
    let Expr::Cast { expr: value, data_type: DataType::Array(ArrayElemTypeDef::SquareBracket(item, _)), .. } = expr else { return Ok(()) };
    let (Some((kind, name)), Expr::Value(v)) = (reg(item), bare(value)) else { return Ok(()) };
    if let Value::SingleQuotedString(text) = &v.value
        && text.trim().starts_with('{')
    {
        let elements = strings(text)?.into_iter().map(|element| as_oid(kind, &name, element, context));
        *expr = call("make_array", elements.collect::<Result<_>>()?);
    }
    Ok(())
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

/// `x::regclass::oid` is the number (psql's \sf, SQLAlchemy), `x::regclass::text` the name (psql's \d).
pub fn chained(expr: &mut Expr, context: &SystemContext) -> Result<()> {
    let Expr::Cast { expr: inner, data_type, .. } = expr else { return Ok(()) };
    if is_oid(data_type)
        && let Expr::Cast { expr: x, data_type: inner_type, .. } = unnested(inner)
        && let Some((kind, name)) = reg(inner_type)
    {
        **inner = as_oid(kind, &name, take(x), context)?;
    } else if is_text(data_type) {
        named(inner);
    }
    Ok(())
}

/// The literal name of a sequence is read at once, as `'name'::regclass` is: what is planned is the sequence's number. Errors: 42P01, 3F000,
/// 42501 for a schema that the session may not use.
pub fn of_sequence(expr: &mut Expr, context: &SystemContext) -> Result<()> {
    let Expr::Function(f) = expr else { return Ok(()) };
    if !matches!(last_name(&f.name).as_str(), "nextval" | "currval" | "setval") {
        return Ok(());
    }
    let mut arguments = arguments(f);
    let Some(name) = arguments.first_mut() else { return Ok(()) };
    if let Expr::Value(v) = bare(name)
        && let Value::SingleQuotedString(text) = &v.value
    {
        let oid = Reg::Class.read(context, text)?;
        // Of anything else the function says what it is not.
        if let Some(sequence) = context.scope.sequences.get(oid) {
            context.check_usable(sequence.namespace)?;
            **name = literal(Value::Number(oid.to_string(), false));
        }
    }
    Ok(())
}

fn is_text(data_type: &DataType) -> bool {
    let custom =
        matches!(data_type, DataType::Custom(name, _) if matches!(last_name(name).as_str(), "text" | "varchar" | "name" | "bpchar"));
    custom || matches!(data_type, DataType::Text | DataType::Varchar(_) | DataType::CharacterVarying(_))
}

fn unnested(expr: &mut Expr) -> &mut Expr {
    match expr {
        Expr::Nested(inner) => unnested(inner),
        other => other,
    }
}

/// `x::regclass` as text: the name.
fn named(operand: &mut Expr) {
    if let Expr::Cast { expr: x, data_type, .. } = unnested(operand)
        && let Some((_, name)) = reg(data_type)
    {
        *operand = call("reg_name", vec![text(&name), take(x)]);
    }
}

/// Where a reg type becomes text without a cast, it is by its name: `x::regclass || 'y'` and arguments of functions of text.
pub fn joined(expr: &mut Expr, _: &SystemContext) -> Result<()> {
    const OF_TEXT: [&str; 9] = [
        "format",
        "concat",
        "concat_ws",
        "string_agg",
        "json_build_object",
        "jsonb_build_object",
        "json_build_array",
        "to_json",
        "to_jsonb",
    ];
    match expr {
        Expr::BinaryOp { left, op: BinaryOperator::StringConcat, right } => [left, right].into_iter().for_each(|e| named(e)),
        Expr::Function(f) if OF_TEXT.contains(&last_name(&f.name).as_str()) => arguments(f).into_iter().for_each(named),
        _ => {}
    }
    Ok(())
}

/// What is left: `x::regclass` is a number of that type, which [`super::super::functions`] gives it; a literal is read at once;
/// types that Everfold carries as another one are cast to that.
pub fn cast(expr: &mut Expr, context: &SystemContext) -> Result<()> {
    let Expr::Cast { expr: x, data_type, .. } = expr else { return Ok(()) };
    if let Some((kind, name)) = reg(data_type) {
        let x = match bare(x) {
            Expr::Value(v) if let Value::SingleQuotedString(literal) = &v.value => text(&kind.read(context, literal)?.to_string()),
            _ => take(x),
        };
        *expr = call("reg_oid", vec![text(&name), x]);
        return Ok(());
    }
    if let Some(known) = plain(data_type) {
        *data_type = known;
    }
    Ok(())
}

/// A type of a user is named as the catalog keeps it, with all that [`PgType::parse`] needs.
pub fn to_users_type(expr: &mut Expr, context: &SystemContext) -> Result<()> {
    if let Expr::Cast { data_type, .. } = expr {
        kept_name(data_type, context);
    }
    Ok(())
}

/// The user's type that a name means, as it is called or as the catalog keeps it.
pub(super) fn users_type<'a>(written: &ObjectName, context: &'a SystemContext) -> Option<&'a UserType> {
    let name = relation_name(written).ok()?;
    let capitals = !composites::is_kept_name(&name.name) && name.name.contains(char::is_uppercase);
    // pg_catalog comes before the path, and has no names with capitals.
    if name.schema.is_none() && !capitals && PgType::parse(&name.name).is_ok_and(|ty| !ty.is_of_enum()) {
        return None;
    }
    let kept = || context.scope.type_kept_as(&name.name).filter(|_| name.schema.is_none());
    context.scope.find_type(&name).or_else(kept).map(AsRef::as_ref)
}

/// A cast to a domain is one to the type beneath, of which the conditions are true.
pub fn to_domain(expr: &mut Expr, context: &SystemContext) -> Result<()> {
    let Expr::Cast { data_type: DataType::Custom(written, _), .. } = expr else { return Ok(()) };
    let Some(ty) = users_type(written, context) else { return Ok(()) };
    let TypeKind::Domain(domain) = &ty.what else { return Ok(()) };
    *written = ObjectName::from(vec![Ident::with_quote('"', domain.base.kept_name())]);
    copies::check(expr, domain.checks.len() + 1)?;
    let value = expr.clone();
    let mut holds = |condition: Expr, constraint: &str| {
        *expr = call(domains::NAME, vec![take(expr), condition, text(&ty.name), text(constraint)]);
    };
    if domain.not_null {
        holds(Expr::IsNotNull(Box::new(value.clone())), "");
    }
    domain.checks.iter().try_for_each(|check| with_value(&check.sql, &value).map(|condition| holds(condition, &check.name)))
}

fn kept_name(data_type: &mut DataType, context: &SystemContext) {
    match data_type {
        DataType::Array(ArrayElemTypeDef::SquareBracket(item, _)) => kept_name(item, context),
        DataType::Custom(written, modifiers) if modifiers.is_empty() => {
            if let Some(ty) = users_type(written, context) {
                *written = ObjectName::from(vec![Ident::with_quote('"', ty.planned_name())]);
            }
        }
        _ => {}
    }
}

/// The standard type for one that only PostgreSQL names, or that is qualified.
fn plain(data_type: &DataType) -> Option<DataType> {
    match data_type {
        DataType::Array(ArrayElemTypeDef::SquareBracket(item, size)) => {
            Some(DataType::Array(ArrayElemTypeDef::SquareBracket(Box::new(plain(item)?), *size)))
        }
        DataType::Custom(name, _) => Some(match last_name(name).as_str() {
            name @ ("name" | "char" | "int2vector" | "oidvector" | "pg_node_tree" | "aclitem" | "xid" | "cid" | "inet" | "cidr"
            | "refcursor" | "bpchar") => DataType::Custom(ObjectName::from(vec![Ident::new(name)]), vec![]),
            "text" | "cstring" => DataType::Text,
            "varchar" => DataType::Varchar(None),
            "oid" => DataType::IntUnsigned(None),
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
