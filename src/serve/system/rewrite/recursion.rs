//! `WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL ..)`: n is an integer. The planner takes whole numbers for bigint until the plan is whole,
//! but the type of a recursive query's rows is settled when its first part is planned; so there it is written out. So is text, which NULL is
//! there.

use std::ops::ControlFlow;

use sqlparser::ast::{
    CastKind, DataType, Expr, Ident, Query, Select, SelectItem, SetExpr, Statement, TableFactor, UnaryOperator, Value, VisitMut, VisitorMut,
};

use super::build::{bare, call, each_expression, literal, take};
use super::casts;
use super::queries::label;
use super::recursive_form::reads;
use crate::data::PgType;
use crate::error::{Error, Result};
use crate::func::APART;
use crate::sql::{fold_name, placeholder};

/// Casts the literals in the first parts of the recursive queries of WITH, and in the others, from which they may be read, and marks the casts
/// that are written in the second parts, where the planner adds its own.
pub fn typed(query: &mut Query) {
    let Some(with) = query.with.as_mut().filter(|with| with.recursive) else { return };
    for cte in &mut with.cte_tables {
        let is_recursive = reads(&cte.query, &fold_name(&cte.alias.name)) > 0;
        if is_recursive {
            of_with(&mut cte.query);
        } else {
            of_query(&mut cte.query);
        }
        if let SetExpr::SetOperation { left, right, .. } = cte.query.body.as_mut() {
            first(left);
            if is_recursive {
                each_item(left, null);
                each_item(right, cast);
            }
        }
        if is_recursive {
            to_parts(&mut cte.query);
        }
    }
}

/// Gives the WITH of a recursive query to those of its parts that read it: the planner forgets it.
fn to_parts(query: &mut Query) {
    if query.with.is_none() {
        return;
    }
    let whole = query.clone();
    let Some(with) = query.with.take() else { return };
    if let SetExpr::SetOperation { left, right, .. } = query.body.as_mut() {
        for part in [left, right] {
            if with.cte_tables.iter().any(|cte| reads(part.as_ref(), &fold_name(&cte.alias.name)) > 0) {
                **part = SetExpr::Query(Box::new(Query { body: part.clone(), ..whole.clone() }));
            }
        }
    }
}

/// Makes integers of the literals that are columns of the queries of WITH.
fn of_with(query: &mut Query) {
    if let Some(with) = &mut query.with {
        with.cte_tables.iter_mut().for_each(|cte| of_query(&mut cte.query));
    }
}

/// Makes integers of the literals that are columns of a query, or of those of its WITH.
fn of_query(query: &mut Query) {
    of_with(query);
    of_literals(&mut query.body);
}

/// Makes integers of the literals that are columns of what a query is made of.
fn of_literals(body: &mut SetExpr) {
    if let SetExpr::Select(select) = body {
        let is_literal = |item: &SelectItem| matches!(item, SelectItem::UnnamedExpr(expr) if matches!(unsigned(expr), Expr::Value(_)));
        select.projection.iter_mut().filter(|item| is_literal(item)).for_each(named);
    }
    match body {
        SetExpr::SetOperation { left, right, .. } => {
            of_literals(left);
            of_literals(right);
        }
        SetExpr::Query(query) => of_query(query),
        body => each_item(body, |expr| {
            if matches!(unsigned(expr), Expr::Value(_)) {
                each_expression(expr, number);
            }
        }),
    }
}

/// An expression without its sign.
fn unsigned(expr: &Expr) -> &Expr {
    match bare(expr) {
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => bare(expr),
        other => other,
    }
}

/// Names a column as it is called, which a cast would name.
fn named(item: &mut SelectItem) {
    if let SelectItem::UnnamedExpr(expr) = item {
        let alias = Ident::with_quote('"', label(expr));
        *item = SelectItem::ExprWithAlias { expr: take(expr), alias };
    }
}

fn first(body: &mut SetExpr) {
    match body {
        SetExpr::SetOperation { left, right, .. } => {
            first(left);
            first(right);
        }
        SetExpr::Query(query) => {
            of_with(query);
            first(&mut query.body);
        }
        SetExpr::Select(select) => {
            select.projection.iter_mut().for_each(named);
            each_expression(&mut select.projection, number);
            derived(select).for_each(of_query);
        }
        SetExpr::Values(values) => each_expression(values, number),
        _ => {}
    }
}

/// The subqueries that FROM reads.
fn derived(select: &mut Select) -> impl Iterator<Item = &mut Query> {
    let factors = select
        .from
        .iter_mut()
        .flat_map(|from| std::iter::once(&mut from.relation).chain(from.joins.iter_mut().map(|join| &mut join.relation)));
    factors.filter_map(|factor| if let TableFactor::Derived { subquery, .. } = factor { Some(subquery.as_mut()) } else { None })
}

/// Casts parameters in the first parts of recursive queries to the types that the client declares, which the planner is told too late. One
/// without that is a column by itself is text, as PostgreSQL has it.
pub fn with_declared_types(statement: &mut Statement, types: &[Option<PgType>]) -> Result<()> {
    VisitMut::visit(statement, &mut Declared { types }).break_value().map_or(Ok(()), Err)
}

struct Declared<'a> {
    types: &'a [Option<PgType>],
}

impl VisitorMut for Declared<'_> {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        for cte in query.with.iter_mut().filter(|with| with.recursive).flat_map(|with| &mut with.cte_tables) {
            if reads(&cte.query, &fold_name(&cte.alias.name)) > 0
                && let SetExpr::SetOperation { left, .. } = cte.query.body.as_mut()
                && let Err(error) = self.of_part(left)
            {
                return ControlFlow::Break(error);
            }
        }
        ControlFlow::Continue(())
    }
}

impl Declared<'_> {
    fn of_part(&self, body: &mut SetExpr) -> Result<()> {
        match body {
            SetExpr::SetOperation { left, right, .. } => {
                self.of_part(left)?;
                self.of_part(right)
            }
            SetExpr::Query(query) => self.of_part(&mut query.body),
            SetExpr::Select(select) => {
                // A cast would name a column.
                let is_parameter = |item: &&mut SelectItem| matches!(&**item, SelectItem::UnnamedExpr(expr) if number_of(expr).is_some());
                select.projection.iter_mut().filter(is_parameter).for_each(named);
                for item in &mut select.projection {
                    if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
                        self.of_column(expr)?;
                    }
                }
                derived(select).try_for_each(|query| self.of_part(&mut query.body))
            }
            SetExpr::Values(values) => values.rows.iter_mut().flat_map(|row| &mut row.content).try_for_each(|expr| self.of_column(expr)),
            _ => Ok(()),
        }
    }

    fn of_column(&self, column: &mut Expr) -> Result<()> {
        let is_alone = number_of(column).is_some();
        let mut settled = Ok(());
        each_expression(column, |expr, queries| {
            let Some(number) = number_of(expr).filter(|_| queries == 0) else { return };
            let declared = self.types.get(number - 1).and_then(Option::as_ref).filter(|ty| **ty != PgType::Unknown);
            let Some(ty) = declared.or(is_alone.then_some(&PgType::Text)) else { return };
            match casts::written(ty) {
                Ok(data_type) => {
                    let expr_of = Box::new(take(expr));
                    *expr = Expr::Cast { kind: CastKind::Cast, expr: expr_of, data_type, array: false, format: None };
                }
                Err(error) => settled = Err(error),
            }
        });
        settled
    }
}

/// The number of a parameter, in parentheses or not.
fn number_of(expr: &Expr) -> Option<usize> {
    placeholder(bare(expr))
}

/// Changes what a part of a set operation selects.
fn each_item(body: &mut SetExpr, change: fn(&mut Expr)) {
    match body {
        SetExpr::SetOperation { left, right, .. } => {
            each_item(left, change);
            each_item(right, change);
        }
        SetExpr::Query(query) => each_item(&mut query.body, change),
        SetExpr::Select(select) => {
            for item in &mut select.projection {
                if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
                    change(expr);
                }
            }
        }
        SetExpr::Values(values) => values.rows.iter_mut().flat_map(|row| &mut row.content).for_each(change),
        _ => {}
    }
}

/// Marks a cast as one that is written.
fn cast(expr: &mut Expr) {
    if matches!(bare(expr), Expr::Cast { .. }) {
        *expr = call(APART, vec![take(expr), literal(Value::Number("0".into(), false))]);
    }
}

/// Makes NULL a text.
fn null(expr: &mut Expr) {
    if matches!(bare(expr), Expr::Value(v) if v.value == Value::Null) {
        *expr = Expr::Cast { kind: CastKind::Cast, expr: Box::new(take(expr)), data_type: DataType::Text, array: false, format: None };
    }
}

/// Makes integer literals integers, those of subqueries left out.
fn number(expr: &mut Expr, subqueries: usize) {
    let is_whole = |v: &Value| matches!(v, Value::Number(n, _) if n.to_string().parse::<i32>().is_ok());
    if subqueries == 0 && matches!(expr, Expr::Value(v) if is_whole(&v.value)) {
        let number = Box::new(take(expr));
        *expr = Expr::Cast { kind: CastKind::Cast, expr: number, data_type: DataType::Integer(None), array: false, format: None };
    }
}
