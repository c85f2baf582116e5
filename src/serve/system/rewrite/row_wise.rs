//! Comparisons of rows (manual, chapter 9.24.5): `(a, b) < (1, 2)`, `ROW(a, b) = ROW(1, 2)`, `(a, b) IN ((1, 2), (3, 4))`; and
//! `(a, b) IS NULL`, `(a, b) IS NOT NULL` (chapter 9.2), which both ask for all the columns.
//!
//! They are written out over the columns, from left to right. DataFusion would compare structs, to which a NULL is a value like any other,
//! and to which a row of NULLs is not NULL.
//!
//! A row may stand beside a subquery of as many columns, too (chapter 9.23): `(a, b) IN (SELECT x, y ..)`, `(a, b) < ANY (SELECT x, y ..)`,
//! `(a, b) = (SELECT x, y ..)`. DataFusion plans subqueries of one column, so that they are made: [`beside_query`].

use sqlparser::ast::{
    BinaryOperator, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Query, SelectItem, SetExpr, TableAlias,
    TableAliasColumnDef, UnaryOperator,
};

use super::super::SystemContext;
use super::build::{bare, binary, call, each_expression, last_name, over};
use super::copies;
use super::outer_aggregates::is_aggregate;
use crate::error::{Error, Result};
use crate::func::subquery::ROW;

/// The rule. Errors: 42601 for rows of different lengths.
pub fn compared(expr: &mut Expr, _: &SystemContext) -> Result<()> {
    use BinaryOperator::{And, Or};
    let result = match &*expr {
        Expr::BinaryOp { left, op, right } if is_comparison(op) => pairs(left, right)?.map(|pairs| written_out(pairs, op)),
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
        Expr::InList { expr: row, list, negated } if columns(row).is_some() => {
            copies::check(row, list.len())?;
            let all = list.iter().map(|item| pairs(row, item)).collect::<Result<Option<Vec<_>>>>()?;
            all.filter(|all| !all.is_empty()).map(|all| {
                let any = joined(all.into_iter().map(equal), Or);
                if *negated { Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(any) } } else { any }
            })
        }
        _ => None,
    };
    if let Some(result) = result {
        *expr = result;
    }
    Ok(())
}

/// The rule for rows beside subqueries. The subquery of IN, ANY and ALL gets one column, of rows; its columns are told apart again once it is
/// planned ([`ROW`]). One that is a value, as in `(a, b) = (SELECT x, y ..)`, answers how its row compares. Errors: 42601 for rows of different
/// lengths; 0A000 for what cannot move into the subquery.
pub fn beside_query(expr: &mut Expr, _: &SystemContext) -> Result<()> {
    match expr {
        Expr::InSubquery { expr: row, subquery, .. } => rows_as_values(row, subquery),
        Expr::AnyOp { left: row, compare_op, right, .. } | Expr::AllOp { left: row, compare_op, right } if is_comparison(compare_op) => {
            match right.as_mut() {
                Expr::Subquery(query) => rows_as_values(row, query),
                _ => Ok(()),
            }
        }
        Expr::BinaryOp { left, op, right } if is_comparison(op) => {
            let (Some(row), Expr::Subquery(query)) = (columns(bare(left)), right.as_ref()) else { return Ok(()) };
            *expr = compared_within(row, op, query)?;
            Ok(())
        }
        _ => Ok(()),
    }
}

/// `row(a, b)` and `SELECT row(x, y) FROM (query) AS row_of (x, y)`.
fn rows_as_values(row: &mut Expr, query: &mut Query) -> Result<()> {
    let Some(columns) = columns(bare(row)) else { return Ok(()) };
    let alias = row_of(query, columns.len())?;
    let item = call(ROW, names(&alias));
    *query = over(query.clone(), alias, item)?;
    *row = call(ROW, columns);
    Ok(())
}

/// `(SELECT a = x AND b = y FROM (query) AS row_of (x, y))`: NULL without a row, and an error with several, as the comparison is.
fn compared_within(mut row: Vec<Expr>, op: &BinaryOperator, query: &Query) -> Result<Expr> {
    let mut of_other_rows = false;
    for column in &mut row {
        each_expression(column, |e, queries| {
            of_other_rows |= queries == 0 && (is_aggregate(e) || matches!(e, Expr::Function(f) if f.over.is_some()));
        });
    }
    if of_other_rows {
        return Err(Error::unsupported("an aggregate or a window function in a row beside a subquery is not supported")
            .hint("Compute it in a subquery of FROM, and compare the column."));
    }
    let alias = row_of(query, row.len())?;
    let pairs = row.into_iter().zip(names(&alias)).collect();
    Ok(Expr::Subquery(Box::new(over(query.clone(), alias, written_out(pairs, op))?)))
}

/// Names for the columns of a subquery beside a row of that length, where nothing else is named so. Errors: 42601 for another length.
fn row_of(query: &Query, length: usize) -> Result<TableAlias> {
    match width(&query.body) {
        Some(width) if width < length => return Err(Error::syntax("subquery has too few columns")),
        Some(width) if width > length => return Err(Error::syntax("subquery has too many columns")),
        _ if length == 0 => return Err(Error::syntax("subquery has too many columns")),
        _ => {}
    }
    let ident = |name: String| Ident::with_quote('"', name);
    let columns = (1..=length).map(|i| TableAliasColumnDef { name: ident(format!("__row_{i}")), data_type: None });
    Ok(TableAlias { explicit: true, name: ident("__row_of".to_string()), columns: columns.collect(), at: None })
}

/// The columns that an alias names.
fn names(alias: &TableAlias) -> Vec<Expr> {
    alias.columns.iter().map(|column| Expr::Identifier(column.name.clone())).collect()
}

/// How many columns a query has, where that is written.
fn width(body: &SetExpr) -> Option<usize> {
    match body {
        SetExpr::Select(select) => {
            let is_one = |item: &SelectItem| matches!(item, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. });
            select.projection.iter().all(is_one).then_some(select.projection.len())
        }
        SetExpr::Query(query) => width(&query.body),
        SetExpr::SetOperation { left, .. } => width(left),
        SetExpr::Values(values) => values.rows.first().map(|row| row.len()),
        _ => None,
    }
}

fn is_comparison(op: &BinaryOperator) -> bool {
    use BinaryOperator::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
    matches!(op, Eq | NotEq | Lt | LtEq | Gt | GtEq)
}

/// The comparison of two rows, column by column.
fn written_out(pairs: Vec<(Expr, Expr)>, op: &BinaryOperator) -> Expr {
    match op {
        BinaryOperator::Eq => equal(pairs),
        BinaryOperator::NotEq => joined(pairs.into_iter().map(|(l, r)| binary(l, BinaryOperator::NotEq, r)), BinaryOperator::Or),
        _ => ordered(pairs, op),
    }
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
    let all = super::build::joined(conditions, &by);
    Expr::Nested(Box::new(all.unwrap_or_else(|| super::build::literal(sqlparser::ast::Value::Boolean(true)))))
}
