//! The catalogs' vectors (pg_index.indkey and its kin) where clients use them as arrays.

use sqlparser::ast::{AccessExpr, BinaryOperator, Expr, Subscript, Value};

use super::super::SystemContext;
use super::build::{arguments, bare, call, column_name, last_name, literal, take};
use crate::error::Result;

/// Columns of type int2vector or oidvector.
const VECTORS: [&str; 10] =
    ["indkey", "indclass", "indoption", "i_indoption", "indcollation", "proargtypes", "tgattr", "stxkeys", "partattrs", "partclass"];
/// Columns of array types that clients search with ANY.
const ARRAYS: [&str; 8] = ["conkey", "confkey", "polroles", "stxkind", "reloptions", "proallargtypes", "prattrs", "relacl"];

/// A vector as an array; anything else as it is.
pub fn as_array(expr: &mut Expr) {
    if is_vector(expr) {
        *expr = call("pg_vector", vec![take(expr)]);
    }
}

/// `generate_subscripts(indkey, 1)` as an array.
pub fn subscripts(function: &str, arguments: &mut [&mut Expr]) -> Option<Expr> {
    match arguments {
        [x, dimension] if function == "generate_subscripts" && is_vector(x) => Some(call("pg_subscripts", vec![take(x), take(dimension)])),
        _ => None,
    }
}

fn is_vector(expr: &Expr) -> bool {
    column_name(expr).is_some_and(|name| VECTORS.contains(&name.as_str()))
}

/// `unnest(indkey)` and `generate_subscripts(indkey, 1)`, which SQLAlchemy writes side by side, and pgjdbc's `_pg_expandarray(indkey)`.
pub fn vector_argument(expr: &mut Expr, _: &SystemContext) -> Result<()> {
    let Expr::Function(f) = expr else { return Ok(()) };
    let name = last_name(&f.name);
    let mut arguments = arguments(f);
    if let Some(numbers) = subscripts(&name, &mut arguments) {
        *expr = numbers;
        return Ok(());
    }
    match (name.as_str(), arguments.as_mut_slice()) {
        ("unnest" | "cardinality" | "array_to_string" | "array_position" | "array_length" | "array_upper" | "array_lower", [x, ..])
            if is_vector(x) =>
        {
            **x = call("pg_vector", vec![take(x)]);
        }
        ("coalesce", all) if all.iter().any(|x| is_vector(x)) => {
            all.iter_mut().filter(|x| is_vector(x)).for_each(|x| **x = call("pg_vector", vec![take(x)]));
        }
        ("pg_expandarray", [x]) => *expr = call("unnest", vec![call("pg_expandarray", vec![take(x)])]),
        _ => {}
    }
    Ok(())
}

/// True for a field of what `_pg_expandarray` returns, which is a set.
pub fn is_expanded(expr: &Expr) -> bool {
    let Expr::CompoundFieldAccess { root, .. } = expr else { return false };
    matches!(bare(root), Expr::Function(f) if last_name(&f.name) == "_pg_expandarray")
}

/// `(information_schema._pg_expandarray(indkey)).n` numbers the elements, `.x` gives them (pgjdbc, Metabase).
pub fn expanded_field(expr: &mut Expr, _: &SystemContext) -> Result<()> {
    let Expr::CompoundFieldAccess { root, access_chain } = expr else { return Ok(()) };
    let [AccessExpr::Dot(Expr::Identifier(field))] = access_chain.as_slice() else { return Ok(()) };
    let field = field.value.to_ascii_lowercase();
    let Expr::Nested(inner) = root.as_mut() else { return Ok(()) };
    let Expr::Function(f) = inner.as_mut() else { return Ok(()) };
    if last_name(&f.name) != "_pg_expandarray" {
        return Ok(());
    }
    if let [x] = arguments(f).as_mut_slice() {
        let array = call("pg_vector", vec![take(x)]);
        *expr = call("unnest", vec![if field == "n" { call("pg_subscripts", vec![array, number(1)]) } else { array }]);
    }
    Ok(())
}

fn number(n: u8) -> Expr {
    literal(Value::Number(n.to_string(), false))
}

/// `indoption[0]`: vectors count from 0, arrays from 1 (pgjdbc).
pub fn subscript(expr: &mut Expr, _: &SystemContext) -> Result<()> {
    let Expr::CompoundFieldAccess { root, access_chain } = expr else { return Ok(()) };
    // `t.indoption[0]` parses as t followed by .indoption and [0].
    let Some(AccessExpr::Subscript(Subscript::Index { index })) = access_chain.last() else { return Ok(()) };
    let mut parts = match root.as_ref() {
        Expr::Identifier(i) => vec![i.clone()],
        Expr::CompoundIdentifier(parts) => parts.clone(),
        _ => return Ok(()),
    };
    for access in &access_chain[..access_chain.len() - 1] {
        let AccessExpr::Dot(Expr::Identifier(i)) = access else { return Ok(()) };
        parts.push(i.clone());
    }
    let column = if parts.len() == 1 { Expr::Identifier(parts.remove(0)) } else { Expr::CompoundIdentifier(parts) };
    if column_name(&column).is_some_and(|name| name == "typname") {
        // A name counts its characters from 0 too (pg_dump).
        let at = Expr::BinaryOp { left: Box::new(index.clone()), op: BinaryOperator::Plus, right: Box::new(number(1)) };
        *expr = call("substr", vec![column, at, number(1)]);
    } else if is_vector(&column) {
        let index = Expr::BinaryOp { left: Box::new(index.clone()), op: BinaryOperator::Plus, right: Box::new(number(1)) };
        *expr = call("array_element", vec![call("pg_vector", vec![column]), index]);
    }
    Ok(())
}

/// `attnum = ANY(indkey)` and the catalogs' arrays alike (Metabase, psql): element types differ there, and DataFusion wants them equal.
pub fn any_of_vector(expr: &mut Expr, _: &SystemContext) -> Result<()> {
    // Directus compares with all of a vector.
    if let Expr::AllOp { right, .. } = expr
        && is_vector(right)
    {
        **right = call("pg_vector", vec![take(right)]);
    }
    let Expr::AnyOp { left, compare_op: BinaryOperator::Eq, right, .. } = expr else { return Ok(()) };
    let ours = |e: &Expr| column_name(e).is_some_and(|n| ARRAYS.contains(&n.as_str()));
    if is_vector(right) || ours(bare(right)) {
        *expr = call("pg_array_any", vec![take(left), take(right)]);
    }
    Ok(())
}

/// `polroles = '{0}'`: an array compared with an array's text is compared as text (psql).
pub fn array_literal(expr: &mut Expr, _: &SystemContext) -> Result<()> {
    let Expr::BinaryOp { left, op: BinaryOperator::Eq | BinaryOperator::NotEq, right } = expr else { return Ok(()) };
    if let Expr::Value(v) = bare(right)
        && let Value::SingleQuotedString(text) = &v.value
        && let Some(inner) = text.strip_prefix('{').and_then(|t| t.strip_suffix('}'))
        && column_name(left).is_some_and(|n| ARRAYS.contains(&n.as_str()))
    {
        let inner = literal(Value::SingleQuotedString(inner.to_string()));
        let comma = literal(Value::SingleQuotedString(",".into()));
        **left = call("array_to_string", vec![take(left), comma]);
        **right = inner;
    }
    Ok(())
}
