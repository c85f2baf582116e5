//! `FETCH FIRST n ROWS WITH TIES`: the first rows, and all that ORDER BY puts beside the last of them.
//!
//! These are the rows whose `rank()` in that order is at most n, and those that OFFSET leaves out count too. QUALIFY says so, and ORDER BY and
//! OFFSET stay as they are. Where ORDER BY names output columns only, the rows are ranked around the query, which means the same whatever it
//! is; else within it, where its input is still there to be named.

use sqlparser::ast::{
    BinaryOperator, CastKind, DataType, Distinct, Expr, Ident, LimitClause, OrderBy, OrderByExpr, OrderByKind, Query, Select, SelectItem,
    SetExpr, TableAlias, TableFactor, Value, WindowSpec, WindowType,
};

use super::build::{binary, call, derived, literal, take};
use super::grouping::position;
use super::queries::{columns_of_parts, contains_set, name_of_item};
use crate::error::{Error, Result, code};
use crate::sql::fold_name;

/// What the query is called around which rows are ranked.
const RANKED: &str = "everfold ranked";

/// Ranks the rows of a query that says WITH TIES. Errors: 42601 without ORDER BY, 2201W for NULL rows, 22P02, 0A000.
pub fn ranked(query: &mut Query) -> Result<()> {
    let Some(fetch) = query.fetch.take_if(|fetch| fetch.with_ties && !fetch.percent) else { return Ok(()) };
    let Query { body, order_by: Some(OrderBy { kind: OrderByKind::Expressions(by), .. }), limit_clause, .. } = &mut *query else {
        return Err(Error::syntax("WITH TIES cannot be specified without ORDER BY clause"));
    };
    let offset = match limit_clause {
        None => None,
        Some(LimitClause::LimitOffset { limit: None, offset, .. }) => offset.as_ref().map(|offset| offset.value.clone()),
        Some(_) => return Err(Error::syntax("multiple LIMIT clauses not allowed")),
    };
    let rows = fetch.quantity.unwrap_or_else(|| literal(Value::Number("1".into(), false)));
    let Ranking { select, by } = ranking(body, by)?;
    let within = within(by, rows, offset)?;
    select.qualify = Some(match select.qualify.take() {
        Some(other) => binary(Expr::Nested(Box::new(other)), BinaryOperator::And, within),
        None => within,
    });
    columns_of_parts(query);
    Ok(())
}

/// The SELECT in which rows are ranked, and by what.
struct Ranking<'a> {
    select: &'a mut Select,
    by: Vec<OrderByExpr>,
}

fn ranking<'a>(body: &'a mut Box<SetExpr>, by: &mut [OrderByExpr]) -> Result<Ranking<'a>> {
    let outputs = Outputs::of(body);
    let within = ranks_within(body);
    let named: Option<Vec<Expr>> = by.iter().map(|one| outputs.column(&one.expr)).collect();
    let Some(named) = named.filter(|_| !within || !outputs.wild) else {
        let by = by.iter().map(|one| Ok(OrderByExpr { expr: outputs.input(&one.expr)?, ..one.clone() })).collect::<Result<_>>()?;
        return match body.as_mut() {
            SetExpr::Select(select) if within => Ok(Ranking { select, by }),
            _ => Err(refused("with DISTINCT, UNION or a function of several rows, ordered by what is no output column")),
        };
    };
    for (one, name) in by.iter_mut().zip(named) {
        one.expr = name;
    }
    around(body, &outputs)?;
    let SetExpr::Select(select) = body.as_mut() else { return Err(Error::internal("a SELECT stays one")) };
    Ok(Ranking { select, by: by.to_vec() })
}

/// True for a SELECT whose rows are those that it answers before they are told apart or become several.
fn ranks_within(body: &SetExpr) -> bool {
    let SetExpr::Select(select) = body else { return false };
    let becomes_several = |item: &SelectItem| match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => contains_set(expr),
        _ => false,
    };
    matches!(select.distinct, None | Some(Distinct::All)) && !select.projection.iter().any(becomes_several)
}

/// Makes a query a part of another one of the same columns.
fn around(body: &mut Box<SetExpr>, outputs: &Outputs) -> Result<()> {
    if matches!(body.as_ref(), SetExpr::Select(select) if matches!(select.distinct, Some(Distinct::On(_)))) {
        return Err(refused("with DISTINCT ON"));
    }
    if let SetExpr::Select(select) = body.as_mut()
        && !outputs.wild
    {
        // Other rules may change what an item is, and with that its name.
        for (item, (name, _)) in select.projection.iter_mut().zip(&outputs.columns) {
            if let SelectItem::UnnamedExpr(expr) = item {
                *item = SelectItem::ExprWithAlias { expr: take(expr), alias: Ident::with_quote('"', name) };
            }
        }
    }
    let alias = |name: &str| TableAlias { explicit: true, name: Ident::with_quote('"', name), columns: vec![], at: None };
    let TableFactor::Derived { subquery: mut outer, .. } = derived("SELECT * FROM (SELECT 1) AS ranked", false, alias(RANKED))? else {
        return Err(Error::internal("a query in FROM is one"));
    };
    let SetExpr::Select(select) = outer.body.as_mut() else { return Err(Error::internal("a SELECT is one")) };
    let Some(TableFactor::Derived { subquery, alias: of, .. }) = select.from.first_mut().map(|from| &mut from.relation) else {
        return Err(Error::internal("a query in FROM is one"));
    };
    std::mem::swap(&mut subquery.body, body);
    *of = Some(alias(RANKED));
    if !outputs.wild {
        // `*` would leave out what the log adds.
        select.projection = outputs.columns.iter().map(|(name, _)| SelectItem::UnnamedExpr(column(name))).collect();
    }
    *body = outer.body;
    Ok(())
}

/// The output columns of a query, as far as they are known.
struct Outputs {
    /// Their names, and what they are where that is written.
    columns: Vec<(String, Option<Expr>)>,
    /// True if there are more, that a wildcard stands for.
    wild: bool,
}

impl Outputs {
    fn of(body: &SetExpr) -> Outputs {
        match body {
            SetExpr::Select(select) => {
                let mut outputs = Outputs { columns: vec![], wild: false };
                for item in &select.projection {
                    match (item, name_of_item(item)) {
                        (SelectItem::UnnamedExpr(expr @ Expr::CompoundIdentifier(parts)), Some(name)) => {
                            outputs.columns.push((parts.last().map_or(name, fold_name), Some(expr.clone())));
                        }
                        (SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }, Some(name)) => {
                            outputs.columns.push((name, Some(expr.clone())));
                        }
                        // What stands behind it has no known place.
                        _ => outputs.wild = true,
                    }
                }
                outputs
            }
            SetExpr::SetOperation { left, .. } => Outputs::of(left),
            SetExpr::Query(query) => Outputs::of(&query.body),
            SetExpr::Values(values) => {
                let width = values.rows.first().map_or(0, |row| row.content.len());
                Outputs { columns: (1..=width).map(|i| (format!("column{i}"), None)).collect(), wild: false }
            }
            _ => Outputs { columns: vec![], wild: true },
        }
    }

    /// The output column that an item of ORDER BY is; `None` if it is none, or is not told from others by its name.
    fn column(&self, expr: &Expr) -> Option<Expr> {
        let name = match (expr, position(expr)) {
            (_, Some(at)) => &self.columns.get(at).filter(|_| !self.wild)?.0,
            (Expr::Identifier(name), _) if self.wild => return Some(Expr::Identifier(name.clone())),
            (Expr::Identifier(name), _) => &self.columns.iter().find(|(of, _)| *of == fold_name(name))?.0,
            _ => &self.columns.iter().find(|(_, of)| of.as_ref() == Some(expr))?.0,
        };
        let alone = self.wild || self.columns.iter().all(|(of, _)| self.columns.iter().filter(|(other, _)| other == of).count() == 1);
        alone.then(|| column(name))
    }

    /// What an item of ORDER BY is within the SELECT. Errors: 0A000.
    fn input(&self, expr: &Expr) -> Result<Expr> {
        if let Some(at) = position(expr) {
            let known = self.columns.get(at).filter(|_| !self.wild).and_then(|(_, of)| of.clone());
            return known.ok_or_else(|| refused("ordered by the number of a column beside *"));
        }
        let computed = |of: &Expr| !matches!(of, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
        let named = match expr {
            Expr::Identifier(name) => self.columns.iter().find(|(of, _)| *of == fold_name(name)),
            _ => None,
        };
        Ok(named.and_then(|(_, of)| of.as_ref().filter(|of| computed(of))).unwrap_or(expr).clone())
    }
}

fn column(name: &str) -> Expr {
    Expr::Identifier(Ident::with_quote('"', name))
}

/// `rank() OVER (ORDER BY by) <= rows + offset`; no rows at all for 0.
fn within(by: Vec<OrderByExpr>, rows: Expr, offset: Option<Expr>) -> Result<Expr> {
    let mut rank = call("rank", vec![]);
    if let Expr::Function(f) = &mut rank {
        f.over = Some(WindowType::WindowSpec(WindowSpec { window_name: None, partition_by: vec![], order_by: by, window_frame: None }));
    }
    let rows = number(rows)?;
    let last = match offset {
        None => return Ok(binary(rank, BinaryOperator::LtEq, rows)),
        Some(offset) => Expr::Nested(Box::new(binary(rows.clone(), BinaryOperator::Plus, number(offset)?))),
    };
    let some = binary(rows, BinaryOperator::Gt, literal(Value::Number("0".into(), false)));
    Ok(binary(binary(rank, BinaryOperator::LtEq, last), BinaryOperator::And, some))
}

/// How many rows, as a bigint. Errors: 2201W, 22P02.
fn number(rows: Expr) -> Result<Expr> {
    if let Expr::Value(value) = &rows {
        match &value.value {
            Value::Null => {
                let message = "row count cannot be null in FETCH FIRST ... WITH TIES clause";
                return Err(Error::new(code::INVALID_ROW_COUNT_IN_LIMIT_CLAUSE, message));
            }
            Value::SingleQuotedString(text) if text.trim().parse::<i64>().is_err() => {
                return Err(Error::new(code::INVALID_TEXT_REPRESENTATION, format!("invalid input syntax for type bigint: \"{text}\"")));
            }
            _ => {}
        }
    }
    Ok(Expr::Cast { kind: CastKind::Cast, expr: Box::new(rows), data_type: DataType::BigInt(None), array: false, format: None })
}

fn refused(how: &str) -> Error {
    Error::unsupported(format!("FETCH FIRST .. WITH TIES is not supported {how}"))
        .hint("Put the query into a subquery of FROM, name its columns with AS, and order by those.")
}
