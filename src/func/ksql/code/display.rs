//! Compiled expressions as text, for EXPLAIN.

use std::fmt;

use super::{Code, Conversion, Operand};
use crate::func::ksql::Value;
use crate::func::ksql::arith::Arith;
use crate::func::ksql::show::show;

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Code::Constant(value) => constant(value, f),
            Code::Column { name, .. } | Code::Variable { name, .. } => f.write_str(name),
            Code::Field { base, name, .. } => write!(f, "{base}->{name}"),
            Code::Element(base, index) | Code::Entry(base, index) => write!(f, "{base}[{index}]"),
            Code::Call(call) => write!(f, "{}({})", call.name, separated(&call.operands)),
            Code::Array(items) => write!(f, "ARRAY[{}]", separated(items)),
            Code::Map(entries) => {
                let entries: Vec<String> = entries.iter().map(|(k, v)| format!("{k}:={v}")).collect();
                write!(f, "MAP({})", entries.join(", "))
            }
            Code::Struct(names, fields) => {
                let fields: Vec<String> = names.iter().zip(fields).map(|(n, v)| format!("{n}:={v}")).collect();
                write!(f, "STRUCT({})", fields.join(", "))
            }
            Code::Not(inner) => write!(f, "(NOT {inner})"),
            Code::Negate(inner) => write!(f, "-({inner})"),
            Code::And(left, right) => write!(f, "({left} AND {right})"),
            Code::Or(left, right) => write!(f, "({left} OR {right})"),
            Code::Arith(op, left, right, _) => {
                let sign = match op {
                    Arith::Add => '+',
                    Arith::Subtract => '-',
                    Arith::Multiply => '*',
                    Arith::Divide => '/',
                    Arith::Modulo => '%',
                };
                write!(f, "({left} {sign} {right})")
            }
            Code::Concat(left, right) => write!(f, "({left} || {right})"),
            Code::Compare(comparison, left, right) => write!(f, "({left} {} {right})", comparison.sign()),
            Code::In(value, list) => write!(f, "({value} IN ({}))", list.text),
            Code::Like { value, pattern, escape: None } => write!(f, "({value} LIKE {pattern})"),
            Code::Like { value, pattern, escape: Some(escape) } => write!(f, "({value} LIKE {pattern} ESCAPE '{escape}')"),
            Code::IsNull { value, negated: false } => write!(f, "({value} IS NULL)"),
            Code::IsNull { value, negated: true } => write!(f, "({value} IS NOT NULL)"),
            Code::Case { whens, otherwise } => {
                f.write_str("(CASE")?;
                for (condition, result) in whens {
                    write!(f, " WHEN {condition} THEN {result}")?;
                }
                if let Some(otherwise) = otherwise {
                    write!(f, " ELSE {otherwise}")?;
                }
                f.write_str(" END)")
            }
            Code::Convert { value, how: Conversion::Widen, .. } | Code::Guard(value) => write!(f, "{value}"),
            Code::Convert { value, to, .. } => write!(f, "CAST({value} AS {to})"),
        }
    }
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Operand::Value(code) => write!(f, "{code}"),
            Operand::Lambda { parameters, body } => write!(f, "({}) => {body}", separated(parameters)),
        }
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

fn separated(items: &[impl fmt::Display]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// A constant as one would write it.
fn constant(value: &Value, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match value {
        Value::Null => f.write_str("NULL"),
        Value::String(text) => write!(f, "'{}'", text.replace('\'', "''")),
        Value::Boolean(_) | Value::Int(_) | Value::Bigint(_) | Value::Double(_) | Value::Decimal(_) => f.write_str(&show(value)),
        Value::Date(_) => write!(f, "DATE '{}'", show(value)),
        Value::Time(_) => write!(f, "TIME '{}'", show(value)),
        Value::Timestamp(_) => write!(f, "TIMESTAMP '{}'", show(value)),
        _ => f.write_str(&show(value)),
    }
}
