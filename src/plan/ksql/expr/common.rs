//! The common type of a list: of the elements of a constructor, and of both sides of IN.
//!
//! The first element that is not NULL begins, and each further one widens the type or is refused. Literals are taken freely ('10' among
//! numbers, 10 among texts); constructors are looked into, so that their literals are, too.

use std::sync::Arc;

use crate::error::{Error, Result, code};
use crate::func::ksql::cast::{coerce_literal, number_type};
use crate::func::ksql::{Type, Value};

use super::node::{Made, Node};
use super::placed;

/// The common type of these; NULL's type if there is none.
pub(super) fn of(nodes: &[Node<'_>]) -> Result<Type> {
    nodes.iter().try_fold(Type::Null, |ty, node| with(ty, node))
}

/// The type that holds values of `target` and the node's.
fn with(target: Type, node: &Node<'_>) -> Result<Type> {
    if node.ty == Type::Null {
        return Ok(target);
    }
    if target == Type::Null {
        return Ok(node.ty.clone());
    }
    match (&node.made, &target) {
        (Made::Array(items), Type::Array(item)) => Ok(Type::Array(Box::new(all((**item).clone(), items.iter(), &target, node)?))),
        (Made::Map(entries), Type::Map(key, value)) => {
            let key = all((**key).clone(), entries.iter().map(|(k, _)| k), &target, node)?;
            let value = all((**value).clone(), entries.iter().map(|(_, v)| v), &target, node)?;
            Ok(Type::Map(Box::new(key), Box::new(value)))
        }
        (Made::Struct(given), Type::Struct(fields)) => {
            let mut merged: Vec<(Arc<str>, Type)> = Vec::new();
            for (name, field) in given {
                let ty = match fields.iter().find(|(n, _)| n == name) {
                    Some((_, ty)) => all(ty.clone(), std::iter::once(field), &target, node)?,
                    None => field.ty.clone(),
                };
                merged.push((name.clone(), ty));
            }
            merged.extend(fields.iter().filter(|(n, _)| !given.iter().any(|(m, _)| m == n)).cloned());
            Ok(Type::Struct(merged.into()))
        }
        (Made::Literal(Value::String(text)), _) if target.is_number() => number(text, &target).map_err(|e| placed(e, node.expr.at)),
        (Made::Literal(Value::String(text)), Type::Boolean) => match coerce_literal(text, &target) {
            Ok(_) => Ok(target),
            Err(_) => Err(placed(bad_syntax(text, &target), node.expr.at)),
        },
        (made, _) => {
            let lax = matches!(made, Made::Literal(_));
            let found = coerced(&node.ty, &target, lax).or_else(|| coerced(&target, &node.ty, lax));
            found.ok_or_else(|| mismatch(&target, node))
        }
    }
}

/// Folds the elements of a constructor; an element that does not fit is reported as the whole constructor.
fn all<'n>(first: Type, nodes: impl Iterator<Item = &'n Node<'n>>, target: &Type, whole: &Node<'_>) -> Result<Type> {
    nodes.into_iter().try_fold(first, with).map_err(|e| if e.code() == code::UNDEFINED_FUNCTION { mismatch(target, whole) } else { e })
}

fn mismatch(target: &Type, node: &Node<'_>) -> Error {
    let error = Error::new(code::UNDEFINED_FUNCTION, format!("operator does not exist: {target} = {} ({})", node.ty, node.text()));
    placed(error.hint("You might need to add explicit type casts."), node.expr.at)
}

fn bad_syntax(text: &str, to: &Type) -> Error {
    let name = if let Type::Decimal(..) = to { "DECIMAL".into() } else { to.to_string() };
    Error::new(code::INVALID_TEXT_REPRESENTATION, format!("invalid input syntax for type {name}: \"{text}\""))
}

/// The type of numbers that holds the number in a text, too.
fn number(text: &str, target: &Type) -> Result<Type> {
    number_type(text).and_then(|ty| ty.common(target)).ok_or_else(|| bad_syntax(text, target))
}

/// The type that values of `from` become where `to` is wanted. `lax` is for literals.
fn coerced(from: &Type, to: &Type, lax: bool) -> Option<Type> {
    use Type::*;
    match (from, to) {
        (Int, Int | Bigint | Decimal(..) | Double) | (Bigint, Bigint | Decimal(..) | Double) | (Decimal(..), Decimal(..) | Double) => {
            from.common(to)
        }
        (String, Timestamp | Time | Date | Bytes) => Some(to.clone()),
        (Boolean | Int | Bigint | Decimal(..) | Double | Timestamp | Time | Date, String) if lax => Some(String),
        (String, Boolean | Int | Bigint | Decimal(..) | Double) if lax => Some(to.clone()),
        (Array(f), Array(t)) => Some(Array(Box::new(coerced(f, t, lax)?))),
        (Map(fk, fv), Map(tk, tv)) => Some(Map(Box::new(coerced(fk, tk, lax)?), Box::new(coerced(fv, tv, lax)?))),
        (Struct(f), Struct(t)) => {
            let mut fields: Vec<(Arc<str>, Type)> = Vec::new();
            for (name, from) in f.iter() {
                let ty = match t.iter().find(|(n, _)| n == name) {
                    Some((_, to)) => coerced(from, to, lax)?,
                    None => from.clone(),
                };
                fields.push((name.clone(), ty));
            }
            fields.extend(t.iter().filter(|(n, _)| !f.iter().any(|(m, _)| m == n)).cloned());
            Some(Struct(fields.into()))
        }
        _ if from == to => Some(to.clone()),
        _ => None,
    }
}
