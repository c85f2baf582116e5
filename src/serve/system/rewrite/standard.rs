//! Syntax that stands for a function: OVERLAPS, SIMILAR TO, SUBSTRING with a pattern, operators before their operand, arguments by name,
//! gen_random_uuid().

use sqlparser::ast::{
    BinaryOperator, CastKind, DataType, DateTimeField, ExactNumberInfo, Expr, FunctionArg, FunctionArgExpr, FunctionArguments,
    UnaryOperator, Value,
};

use super::super::SystemContext;
use super::build::{arguments, bare, binary, call, column_name, last_name, literal, take, text};
use crate::error::{Error, Result, code};

/// `(a, b) OVERLAPS (c, d)`.
pub fn overlaps(expr: &mut Expr, _: &SystemContext) -> Result<()> {
    let Expr::BinaryOp { left, op: BinaryOperator::Overlaps, right } = expr else { return Ok(()) };
    let (Expr::Tuple(a), Expr::Tuple(b)) = (left.as_mut(), right.as_mut()) else { return Ok(()) };
    if let ([from, to], [other_from, other_to]) = (a.as_mut_slice(), b.as_mut_slice()) {
        *expr = call("overlaps", vec![take(from), take(to), take(other_from), take(other_to)]);
        return Ok(());
    }
    Err(Error::syntax("wrong number of parameters on OVERLAPS").hint("Write (start, end) OVERLAPS (start, end)."))
}

/// `x [NOT] SIMILAR TO p [ESCAPE e]`.
pub fn similar(expr: &mut Expr, _: &SystemContext) -> Result<()> {
    let Expr::SimilarTo { negated, expr: value, pattern, escape_char } = expr else { return Ok(()) };
    let escape = escape_char.take().map(|e| literal(e.value));
    let found = call("similar_to", [take(value), take(pattern)].into_iter().chain(escape).collect());
    *expr = if *negated { Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(found) } } else { found };
    Ok(())
}

/// `substring(x FROM 'pattern')`: a literal text is a pattern, anything else a place; with FOR and a text it is a pattern of SIMILAR TO.
pub fn substring(expr: &mut Expr, _: &SystemContext) -> Result<()> {
    let is_text =
        |e: &Expr| matches!(bare(e), Expr::Value(v) if matches!(v.value, Value::SingleQuotedString(_) | Value::EscapedStringLiteral(_)));
    let is_null = |e: &Expr| matches!(bare(e), Expr::Value(v) if v.value == Value::Null);
    if let Expr::Substring { expr: value, substring_from: Some(from), substring_for: Some(escape), .. } = expr
        && (is_text(from) && (is_text(escape) || is_null(escape)) || is_null(from) && is_text(escape))
    {
        *expr = call("substring_similar", vec![take(value), take(from), take(escape)]);
        return Ok(());
    }
    let parts = match expr {
        Expr::Substring { expr: value, substring_from: Some(from), substring_for: None, .. } if is_text(from) => {
            vec![take(value), take(from)]
        }
        Expr::Function(f) if last_name(&f.name) == "substring" => match arguments(f).as_mut_slice() {
            [value, from] if is_text(from) => vec![take(value), take(from)],
            _ => return Ok(()),
        },
        _ => return Ok(()),
    };
    *expr = call("substring_of_pattern", parts);
    Ok(())
}

/// `normalize(x, NFD)` names a form by a word, and `x IS NFD NORMALIZED` before one.
pub fn normalized(expr: &mut Expr, _: &SystemContext) -> Result<()> {
    match expr {
        Expr::IsNormalized { expr: value, form, negated } => {
            let form = form.as_ref().map_or_else(|| "NFC".to_string(), ToString::to_string);
            let is = call("is_normalized", vec![take(value), text(&form)]);
            *expr = if *negated { Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(is) } } else { is };
        }
        Expr::Function(f) if last_name(&f.name) == "normalize" => {
            if let [_, form] = arguments(f).as_mut_slice()
                && let Expr::Identifier(word) = &**form
            {
                **form = text(&word.value);
            }
        }
        _ => {}
    }
    Ok(())
}

/// Functions whose first argument is a bytea, and of no other type.
const OF_BYTES: [&str; 9] = ["convert", "convert_from", "get_byte", "set_byte", "encode", "sha224", "sha256", "sha384", "sha512"];

/// `sha256('\x01')`: a literal without a type is the bytea that it says.
pub fn bytes(expr: &mut Expr, _: &SystemContext) -> Result<()> {
    let Expr::Function(f) = expr else { return Ok(()) };
    if !OF_BYTES.contains(&last_name(&f.name).as_str()) {
        return Ok(());
    }
    if let Some(value) = arguments(f).into_iter().next()
        && let Expr::Value(literal) = bare(value)
        && matches!(literal.value, Value::SingleQuotedString(_) | Value::EscapedStringLiteral(_))
    {
        let literal = Box::new(take(value));
        *value = Expr::Cast { kind: CastKind::Cast, expr: literal, data_type: DataType::Bytea, array: false, format: None };
    }
    Ok(())
}

/// `age(x)` is the time from then to the beginning of today; that of a transaction's number, which `xmin` and its kin are, is `xid_age`.
pub fn age(expr: &mut Expr, _: &SystemContext) -> Result<()> {
    let Expr::Function(f) = expr else { return Ok(()) };
    if last_name(&f.name) != "age" {
        return Ok(());
    }
    if let [x] = arguments(f).as_mut_slice() {
        let of_xid = matches!(bare(x), Expr::Cast { data_type: DataType::Custom(name, _), .. } if last_name(name) == "xid");
        let value = take(x);
        let of_catalog = matches!(&value, Expr::Function(f) if matches!(last_name(&f.name).as_str(), "catalog_xmin" | "row_xmin"));
        *expr = if of_xid || of_catalog || column_name(&value).is_some_and(|name| XIDS.contains(&name.as_str())) {
            call("xid_age", vec![value])
        } else {
            call("age", vec![call("current_date", vec![]), value])
        };
    }
    Ok(())
}

/// `coalesce(array_agg(ROW(a, b)), '{}')`: no type of the planner's is known for an array of rows that a text is (PostgREST).
pub fn rows_or_empty(expr: &mut Expr, _: &SystemContext) -> Result<()> {
    let Expr::Function(f) = expr else { return Ok(()) };
    if last_name(&f.name) != "coalesce" {
        return Ok(());
    }
    if let [rows, empty] = arguments(f).as_mut_slice()
        && matches!(bare(empty), Expr::Value(v) if v.value == Value::SingleQuotedString("{}".into()))
        && gathers_rows(rows)
    {
        *expr = call("pg_array_or_empty", vec![take(rows)]);
    }
    Ok(())
}

/// True for array_agg of a row constructor.
fn gathers_rows(expr: &Expr) -> bool {
    let Expr::Function(f) = bare(expr) else { return false };
    let FunctionArguments::List(list) = &f.args else { return false };
    let [FunctionArg::Unnamed(FunctionArgExpr::Expr(row))] = list.args.as_slice() else { return false };
    let is_row = match bare(row) {
        Expr::Tuple(_) => true,
        Expr::Function(f) => last_name(&f.name) == "row",
        _ => false,
    };
    is_row && last_name(&f.name) == "array_agg"
}

/// `extract('dow' from x)` is `extract(dow from x)`.
pub fn extract_field(expr: &mut Expr, _: &SystemContext) -> Result<()> {
    if let Expr::Extract { field: DateTimeField::Custom(field), .. } = expr {
        field.quote_style = None;
    }
    Ok(())
}

/// `pg_wal_lsn_diff(a, b)`, and `a - b` of what is a place in the log by its look (postgres_exporter): the bytes between two places, which here
/// are positions.
pub fn lsn_difference(expr: &mut Expr, _: &SystemContext) -> Result<()> {
    let places = match expr {
        Expr::Function(f) if last_name(&f.name) == "pg_wal_lsn_diff" => match arguments(f).as_mut_slice() {
            [a, b] => [take(a), take(b)],
            _ => return Ok(()),
        },
        Expr::BinaryOp { left, op: BinaryOperator::Minus, right } if is_place(left, right) || is_place(right, left) => {
            [take(left), take(right)]
        }
        _ => return Ok(()),
    };
    let [left, right] = places.map(|lsn| Box::new(call("lsn_number", vec![lsn])));
    let difference = Expr::Nested(Box::new(Expr::BinaryOp { left, op: BinaryOperator::Minus, right }));
    let data_type = DataType::Numeric(ExactNumberInfo::None);
    *expr = Expr::Cast { kind: CastKind::Cast, expr: Box::new(difference), data_type, array: false, format: None };
    Ok(())
}

/// True for a place in the log beside what may be one.
fn is_place(expr: &Expr, other: &Expr) -> bool {
    let is_number = matches!(bare(other), Expr::Value(value) if matches!(value.value, Value::Number(..)));
    is_lsn(expr) && !is_number || is_written_lsn(expr) && tells_lsn(other)
}

/// True for the functions that tell a place in the log, and a cast to one.
fn is_lsn(expr: &Expr) -> bool {
    match bare(expr) {
        Expr::Function(f) => last_name(&f.name).starts_with("pg_") && last_name(&f.name).ends_with("_lsn"),
        Expr::Cast { data_type: DataType::Custom(name, _), .. } => last_name(name) == "pg_lsn",
        _ => false,
    }
}

/// True for a literal that looks like a place in the log: `'0/16B3748'`.
fn is_written_lsn(expr: &Expr) -> bool {
    let Expr::Value(value) = bare(expr) else { return false };
    let Value::SingleQuotedString(text) = &value.value else { return false };
    let is_half = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_hexdigit());
    text.split_once('/').is_some_and(|(high, low)| is_half(high) && is_half(low))
}

/// True for what is a place in the log by its name, as the columns of pg_replication_slots and pg_stat_replication are.
fn tells_lsn(expr: &Expr) -> bool {
    match bare(expr) {
        Expr::Function(f) if matches!(last_name(&f.name).as_str(), "coalesce" | "greatest" | "least") => {
            let FunctionArguments::List(list) = &f.args else { return false };
            list.args.iter().any(|arg| matches!(arg, FunctionArg::Unnamed(FunctionArgExpr::Expr(e)) if tells_lsn(e)))
        }
        other => column_name(other).is_some_and(|name| name.ends_with("_lsn")),
    }
}

/// Columns of catalogs that are numbers of transactions.
const XIDS: [&str; 9] =
    ["relfrozenxid", "relminmxid", "datfrozenxid", "datminmxid", "backend_xmin", "backend_xid", "transactionid", "xmin", "catalog_xmin"];

/// The arguments of jsonb_path_query and its kin.
const OF_PATHS: &[&str] = &["target", "path", "vars", "silent"];

/// Functions whose arguments clients name, the names, and what one that is left out is: a number, another text, or NULL for none.
const NAMED: &[(&str, &[&str], &str)] = &[
    ("make_interval", &["years", "months", "weeks", "days", "hours", "mins", "secs"], "0"),
    ("jsonb_set", &["target", "path", "new_value", "create_if_missing"], ""),
    ("jsonb_insert", &["target", "path", "new_value", "insert_after"], ""),
    ("jsonb_path_exists", OF_PATHS, "{}"),
    ("jsonb_path_exists_tz", OF_PATHS, "{}"),
    ("jsonb_path_match", OF_PATHS, "{}"),
    ("jsonb_path_match_tz", OF_PATHS, "{}"),
    ("jsonb_path_query", OF_PATHS, "{}"),
    ("jsonb_path_query_tz", OF_PATHS, "{}"),
    ("jsonb_path_query_array", OF_PATHS, "{}"),
    ("jsonb_path_query_array_tz", OF_PATHS, "{}"),
    ("jsonb_path_query_first", OF_PATHS, "{}"),
    ("jsonb_path_query_first_tz", OF_PATHS, "{}"),
    ("parse_ident", &["str", "strict"], ""),
];

/// `make_interval(days => 10)`: the arguments in their places. Errors: 42883 for a name that the function does not have.
pub fn named_arguments(expr: &mut Expr, _: &SystemContext) -> Result<()> {
    let Expr::Function(f) = expr else { return Ok(()) };
    let function = last_name(&f.name);
    match &mut f.args {
        FunctionArguments::List(list) => in_places(&function, &mut list.args),
        _ => Ok(()),
    }
}

/// The arguments of a call in their places, if some are named. Errors: 42883 for a name that the function does not have.
pub fn in_places(function: &str, args: &mut Vec<FunctionArg>) -> Result<()> {
    let is_named = |a: &FunctionArg| matches!(a, FunctionArg::Named { .. } | FunctionArg::ExprNamed { .. });
    let Some((_, names, missing)) = NAMED.iter().find(|n| n.0 == function).filter(|_| args.iter().any(is_named)) else {
        return Ok(());
    };
    let mut places: Vec<Option<Expr>> = vec![None; names.len()];
    for (i, arg) in args.drain(..).enumerate() {
        let (place, value) = match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(e)) => (Some(i), e),
            FunctionArg::Named { name, arg: FunctionArgExpr::Expr(e), .. } => {
                (names.iter().position(|n| *n == name.value.to_ascii_lowercase()), e)
            }
            FunctionArg::ExprNamed { name, arg: FunctionArgExpr::Expr(e), .. } => {
                (column_name(&name).and_then(|name| names.iter().position(|n| *n == name)), e)
            }
            _ => (None, literal(Value::Null)),
        };
        match place.and_then(|p| places.get_mut(p)) {
            Some(place @ None) => *place = Some(value),
            _ => {
                let error = Error::new(code::UNDEFINED_FUNCTION, format!("function {function} does not have these arguments"));
                return Err(error.hint(format!("Its arguments are {}.", names.join(", "))));
            }
        }
    }
    let given = places.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
    let default = || match *missing {
        "" => literal(Value::Null),
        number if number.bytes().all(|b| b.is_ascii_digit()) => literal(Value::Number(number.to_string(), false)),
        text => literal(Value::SingleQuotedString(text.to_string())),
    };
    let placed = places.into_iter().take(given).map(|e| e.unwrap_or_else(default));
    args.extend(placed.map(|e| FunctionArg::Unnamed(FunctionArgExpr::Expr(e))));
    Ok(())
}

/// `@ x`, `|/ x`, `||/ x` and `~x` (manual, table 9.4), which the planner does not know: it has functions for them, and `#`.
pub fn prefix_operator(expr: &mut Expr, _: &SystemContext) -> Result<()> {
    let Expr::UnaryOp { op, expr: operand } = expr else { return Ok(()) };
    let float =
        |e: Expr| Expr::Cast { kind: CastKind::Cast, expr: Box::new(e), data_type: DataType::DoublePrecision, array: false, format: None };
    *expr = match op {
        UnaryOperator::PGAbs => call("abs", vec![take(operand)]),
        UnaryOperator::PGSquareRoot => call("sqrt", vec![float(take(operand))]),
        UnaryOperator::PGCubeRoot => call("cbrt", vec![float(take(operand))]),
        UnaryOperator::BitwiseNot => {
            let all = Expr::UnaryOp { op: UnaryOperator::Minus, expr: Box::new(literal(Value::Number("1".into(), false))) };
            Expr::Nested(Box::new(binary(take(operand), BinaryOperator::PGBitwiseXor, all)))
        }
        _ => return Ok(()),
    };
    Ok(())
}

/// UUIDs that stand for nothing, and for the name spaces of names (RFC 4122).
const UUIDS: [(&str, &str); 5] = [
    ("uuid_nil", "00000000-0000-0000-0000-000000000000"),
    ("uuid_ns_dns", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
    ("uuid_ns_url", "6ba7b811-9dad-11d1-80b4-00c04fd430c8"),
    ("uuid_ns_oid", "6ba7b812-9dad-11d1-80b4-00c04fd430c8"),
    ("uuid_ns_x500", "6ba7b814-9dad-11d1-80b4-00c04fd430c8"),
];

/// `uuid_nil()` and its kin are literals.
pub fn known_uuid(expr: &mut Expr, _: &SystemContext) -> Result<()> {
    let Expr::Function(f) = expr else { return Ok(()) };
    let found = UUIDS.iter().find(|(name, _)| *name == last_name(&f.name));
    if let Some((_, uuid)) = found.filter(|_| arguments(f).is_empty()) {
        *expr = Expr::Cast { kind: CastKind::Cast, expr: Box::new(text(uuid)), data_type: DataType::Uuid, array: false, format: None };
    }
    Ok(())
}

/// `gen_random_uuid()` is DataFusion's uuid(), which is text there.
pub fn random_uuid(expr: &mut Expr, _: &SystemContext) -> Result<()> {
    if matches!(expr, Expr::Function(f) if matches!(last_name(&f.name).as_str(), "gen_random_uuid" | "uuid_generate_v4")) {
        let uuid = call("uuid", vec![]);
        *expr = Expr::Cast { kind: CastKind::Cast, expr: Box::new(uuid), data_type: DataType::Uuid, array: false, format: None };
    }
    Ok(())
}
