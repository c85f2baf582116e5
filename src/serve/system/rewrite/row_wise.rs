//! Comparisons of rows (manual, chapter 9.24.5): `(a, b) < (1, 2)`, `ROW(a, b) = ROW(1, 2)`, `(a, b) IN ((1, 2), (3, 4))`; and
//! `(a, b) IS NULL`, `(a, b) IS NOT NULL` (chapter 9.2), which both ask for all the columns.
//!
//! They are written out over the columns, from left to right. DataFusion would compare structs, to which a NULL is a value like any other,
//! and to which a row of NULLs is not NULL.

use sqlparser::ast::{BinaryOperator, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, UnaryOperator};

use super::super::SystemContext;
use super::build::last_name;
use crate::error::{Error, Result};

/// The rule. Errors: 42601 for rows of different lengths.
pub fn compared(expr: &mut Expr, _: &SystemContext) -> Result<()> {
    use BinaryOperator::{And, Eq, Gt, GtEq, Lt, LtEq, NotEq, Or};
    let written_out = match &*expr {
        Expr::BinaryOp { left, op: op @ (Eq | NotEq | Lt | LtEq | Gt | GtEq), right } => pairs(left, right)?.map(|pairs| match op {
            Eq => equal(pairs),
            NotEq => joined(pairs.into_iter().map(|(l, r)| binary(l, NotEq, r)), Or),
            _ => ordered(pairs, op),
        }),
        Expr::IsDistinctFrom(left, right) => pairs(left, right)?.map(|pairs| {
            let distinct = |(l, r)| Expr::IsDistinctFrom(Box::new(l), Box::new(r));
            joined(pairs.into_iter().map(distinct), Or)
        }),
        Expr::IsNotDistinctFrom(left, right) => pairs(left, right)?.map(|pairs| {
            let same = |(l, r)| Expr::IsNotDistinctFrom(Box::new(l), Box::new(r));
            joined(pairs.into_iter().map(same), And)
        }),
        Expr::IsNull(row) => columns(row).map(|columns| joined(columns.into_iter().map(|column| is_null(column, true)), And)),
        Expr::IsNotNull(row) => columns(row).map(|columns| joined(columns.into_iter().map(|column| is_null(column, false)), And)),
        Expr::InList { expr: row, list, negated } => {
            let all = list.iter().map(|item| pairs(row, item)).collect::<Result<Option<Vec<_>>>>()?;
            all.filter(|all| !all.is_empty()).map(|all| {
                let any = joined(all.into_iter().map(equal), Or);
                if *negated { Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(any) } } else { any }
            })
        }
        _ => None,
    };
    if let Some(written_out) = written_out {
        *expr = written_out;
    }
    Ok(())
}

/// `column IS NULL`, or NOT NULL. A row within a row is a value, whatever it has.
fn is_null(column: Expr, null: bool) -> Expr {
    if columns(&column).is_some() {
        return super::build::literal(sqlparser::ast::Value::Boolean(!null));
    }
    if null { Expr::IsNull(Box::new(column)) } else { Expr::IsNotNull(Box::new(column)) }
}

/// The columns of two rows side by side; `None` if these are no rows. Errors: 42601.
fn pairs(left: &Expr, right: &Expr) -> Result<Option<Vec<(Expr, Expr)>>> {
    let (Some(left), Some(right)) = (columns(left), columns(right)) else { return Ok(None) };
    if left.len() != right.len() || left.is_empty() {
        return Err(Error::syntax("unequal number of entries in row expressions"));
    }
    Ok(Some(left.into_iter().zip(right).collect()))
}

/// The columns of a row that is written as one.
fn columns(expr: &Expr) -> Option<Vec<Expr>> {
    match expr {
        Expr::Tuple(columns) => Some(columns.clone()),
        Expr::Function(f) if last_name(&f.name) == "row" => {
            let FunctionArguments::List(list) = &f.args else { return None };
            let column = |argument: &FunctionArg| match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(column)) => Some(column.clone()),
                _ => None,
            };
            list.args.iter().map(column).collect()
        }
        _ => None,
    }
}

fn equal(pairs: Vec<(Expr, Expr)>) -> Expr {
    joined(pairs.into_iter().map(|(l, r)| binary(l, BinaryOperator::Eq, r)), BinaryOperator::And)
}

/// `a < x OR a = x AND (b < y OR ..)`: the last columns are compared as the rows are, those before them strictly.
fn ordered(pairs: Vec<(Expr, Expr)>, op: &BinaryOperator) -> Expr {
    use BinaryOperator::{And, Eq, Gt, GtEq, Lt, LtEq, Or};
    let strict = match op {
        LtEq => Lt,
        GtEq => Gt,
        other => other.clone(),
    };
    let mut rest: Option<Expr> = None;
    for (l, r) in pairs.into_iter().rev() {
        rest = Some(match rest {
            None => binary(l, op.clone(), r),
            Some(rest) => {
                let behind = binary(binary(l.clone(), Eq, r.clone()), And, rest);
                Expr::Nested(Box::new(binary(binary(l, strict.clone(), r), Or, behind)))
            }
        });
    }
    rest.unwrap_or_else(|| joined(std::iter::empty(), And))
}

/// The conditions, all of them or any of them, in parentheses.
fn joined(conditions: impl Iterator<Item = Expr>, by: BinaryOperator) -> Expr {
    let all = conditions.reduce(|left, right| binary(left, by.clone(), right));
    Expr::Nested(Box::new(all.unwrap_or_else(|| super::build::literal(sqlparser::ast::Value::Boolean(true)))))
}

fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) }
}
