//! An expression as text, for messages: names as they are resolved, binary operations in parentheses.

use crate::sql::ksql::ast::{BinaryOp, Expr, ExprKind, TypeName};
use crate::sql::ksql::quoted as backquoted;

/// An expression as one could have written it.
pub fn text_of(expr: &Expr) -> String {
    let not = |negated: &bool| if *negated { "NOT " } else { "" };
    match &expr.kind {
        ExprKind::Null => "NULL".into(),
        ExprKind::Boolean(b) => b.to_string(),
        ExprKind::Integer(digits) | ExprKind::Decimal(digits) | ExprKind::Double(digits) => digits.clone(),
        ExprKind::String(text) => quoted(text),
        ExprKind::Temporal(ty, text) => format!("{ty} {}", quoted(text)),
        // What the planner has made bears its own text as its name.
        ExprKind::Column { source: Some(source), name } if source == crate::plan::ksql::items::MADE => name.clone(),
        ExprKind::Column { source: Some(source), name } => format!("{}.{}", identifier(source), identifier(name)),
        ExprKind::Column { source: None, name } => identifier(name),
        ExprKind::Field(base, name) => format!("{}->{}", text_of(base), identifier(name)),
        ExprKind::Index(base, index) => format!("{}[{}]", text_of(base), text_of(index)),
        ExprKind::Call { name, arguments } => format!("{name}({})", list(arguments)),
        ExprKind::Lambda { parameters, body } => format!("({}) => {}", parameters.join(", "), text_of(body)),
        ExprKind::Array(items) => format!("ARRAY[{}]", list(items)),
        ExprKind::Map(entries) => {
            let entries: Vec<String> = entries.iter().map(|(k, v)| format!("{}:={}", text_of(k), text_of(v))).collect();
            format!("MAP({})", entries.join(", "))
        }
        ExprKind::Struct(fields) => {
            let fields: Vec<String> = fields.iter().map(|(name, e)| format!("{}:={}", identifier(name), text_of(e))).collect();
            format!("STRUCT({})", fields.join(", "))
        }
        ExprKind::Not(inner) => format!("(NOT {})", text_of(inner)),
        ExprKind::Negate(inner) => format!("-{}", text_of(inner)),
        ExprKind::Binary(op, left, right) => format!("({} {} {})", text_of(left), sign(*op), text_of(right)),
        ExprKind::Between { value, low, high, negated } => {
            format!("({} {}BETWEEN {} AND {})", text_of(value), not(negated), text_of(low), text_of(high))
        }
        ExprKind::In { value, list: items, negated } => format!("({} {}IN ({}))", text_of(value), not(negated), list(items)),
        ExprKind::Like { value, pattern, escape, negated } => {
            let escape = escape.map_or_else(String::new, |c| format!(" ESCAPE {}", quoted(&c.to_string())));
            format!("({} {}LIKE {}{escape})", text_of(value), not(negated), text_of(pattern))
        }
        ExprKind::IsNull { value, negated } => format!("({} IS {}NULL)", text_of(value), not(negated)),
        ExprKind::Case { operand, whens, otherwise } => {
            let operand = operand.as_ref().map_or_else(String::new, |e| format!(" {}", text_of(e)));
            let whens: Vec<String> = whens.iter().map(|(w, t)| format!(" WHEN {} THEN {}", text_of(w), text_of(t))).collect();
            let otherwise = otherwise.as_ref().map_or_else(String::new, |e| format!(" ELSE {}", text_of(e)));
            format!("(CASE{operand}{}{otherwise} END)", whens.concat())
        }
        ExprKind::Cast(inner, ty) => format!("CAST({} AS {})", text_of(inner), type_text(ty)),
    }
}

fn list(exprs: &[Expr]) -> String {
    exprs.iter().map(text_of).collect::<Vec<_>>().join(", ")
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A name, in backquotes if it would fold to another one without.
fn identifier(name: &str) -> String {
    let plain = |c: char| c.is_ascii_uppercase() || c == '_';
    if name.starts_with(plain) && name.chars().all(|c| plain(c) || c.is_ascii_digit()) { name.into() } else { backquoted(name) }
}

fn type_text(ty: &TypeName) -> String {
    match ty {
        TypeName::Known(ty) => ty.to_string(),
        TypeName::Array(item) => format!("ARRAY<{}>", type_text(item)),
        TypeName::Map(key, value) => format!("MAP<{}, {}>", type_text(key), type_text(value)),
        TypeName::Struct(fields) => {
            let fields: Vec<String> = fields.iter().map(|(name, ty)| format!("{} {}", identifier(name), type_text(ty))).collect();
            format!("STRUCT<{}>", fields.join(", "))
        }
        TypeName::Custom(name, _) => identifier(name),
    }
}

fn sign(op: BinaryOp) -> &'static str {
    match op {
        BinaryOp::And => "AND",
        BinaryOp::Or => "OR",
        BinaryOp::Equal => "=",
        BinaryOp::NotEqual => "<>",
        BinaryOp::Less => "<",
        BinaryOp::LessEqual => "<=",
        BinaryOp::Greater => ">",
        BinaryOp::GreaterEqual => ">=",
        BinaryOp::IsDistinct => "IS DISTINCT FROM",
        BinaryOp::IsNotDistinct => "IS NOT DISTINCT FROM",
        BinaryOp::Add => "+",
        BinaryOp::Subtract => "-",
        BinaryOp::Multiply => "*",
        BinaryOp::Divide => "/",
        BinaryOp::Modulo => "%",
        BinaryOp::Concat => "||",
    }
}
