//! A pull query: rows of one relation as they are, filtered and computed.

use std::sync::Arc;

use super::expr::columns_of;
use super::items::{chosen, outputs, qualified};
use super::query::Planner;
use super::source::seen;
use super::stage::{Role, Stage};
use crate::catalog::{Catalog, Ksql, Relation};
use crate::error::{Error, Result, code};
use crate::func::ksql::cast::widen;
use crate::func::ksql::code::Code;
use crate::func::ksql::{Type, Value};
use crate::sql::ksql::ast::{BinaryOp, Expr, ExprKind, Query};

/// A pull query, planned. Its code is over the relation's columns and ROWTIME, ROWPARTITION and ROWOFFSET behind them.
pub struct Pull {
    pub relation: Arc<Relation>,
    pub ksql: Ksql,
    pub condition: Option<Code>,
    /// The values of the columns that tell a table's rows apart, where the condition asks for one such row.
    pub key: Option<Vec<Value>>,
    pub outputs: Vec<PullColumn>,
    pub limit: Option<u64>,
}

/// A column that a pull query answers.
pub struct PullColumn {
    pub name: String,
    pub ty: Type,
    pub code: Code,
}

/// True for a query that only filters and computes.
pub fn is_pull(query: &Query) -> bool {
    query.joins.is_empty()
        && query.window.is_none()
        && query.group_by.is_none()
        && query.partition_by.is_none()
        && query.having.is_none()
        && !query.items.iter().any(calls_more)
}

/// True for an item that calls an aggregate or a table function.
fn calls_more(item: &crate::sql::ksql::ast::Item) -> bool {
    use crate::func::ksql::list;
    use crate::sql::ksql::ast::{ExprKind, Item};
    let Item::Expr { expr, .. } = item else { return false };
    super::query::contains(expr, &|e| match &e.kind {
        ExprKind::Call { name, .. } => list::aggregate(name).is_some() || list::table(name).is_some(),
        _ => false,
    })
}

/// Plans a pull query. Errors: those of its expressions.
pub fn plan(query: &Query, catalog: &Catalog) -> Result<Pull> {
    let planner = Planner::new(catalog, u32::MAX, true);
    let relation = planner.relation(&query.from.name).map_err(|e| e.at(query.from.at))?;
    let ksql = seen(&relation)?;
    let alias = query.from.alias.clone().unwrap_or_else(|| query.from.name.clone());
    let mut stage: Stage = super::source::described(&ksql);
    stage.columns.iter_mut().for_each(|c| c.source = Some(alias.clone()));
    let items = chosen(query, &stage)?;
    let (mut condition, mut key) = (None, None);
    if let Some(asked) = &query.condition {
        let asked = qualified(asked, &stage)?;
        check_keys(&asked, &stage)?;
        condition = Some(planner.condition(&asked, &stage, "WHERE")?.code);
        key = ksql.table.then(|| key_asked(&planner, &asked, &stage, &ksql)).flatten();
    }
    let mut columns = Vec::new();
    for output in outputs(items, &stage, true) {
        let typed = planner.code(&output.expr, &stage)?;
        if typed.ty == Type::Null {
            let message = format!("column \"{}\" has no type", output.name);
            return Err(Error::new(code::INDETERMINATE_DATATYPE, message).hint("CAST(NULL AS type) has one.").at(output.expr.at));
        }
        columns.push(PullColumn { name: output.name, ty: typed.ty, code: typed.code });
    }
    Ok(Pull { relation, ksql, condition, key, outputs: columns, limit: query.limit })
}

/// A key looked for by IN is not converted, and is never NULL.
fn check_keys(condition: &Expr, stage: &Stage) -> Result<()> {
    let misfits = super::query::contains(condition, &|e| {
        let ExprKind::In { value, list, .. } = &e.kind else { return false };
        let ExprKind::Column { source, name } = &value.kind else { return false };
        let column = stage.resolve(source.as_deref(), name).map(|i| &stage.columns[i]);
        let Some(key) = column.ok().filter(|c| c.role == Role::Key) else { return false };
        list.iter().any(|item| match item.kind {
            ExprKind::Null => true,
            ExprKind::String(_) => key.ty.is_number(),
            _ => false,
        })
    });
    if misfits {
        let message = "a key is compared with values of its own type, and never with NULL";
        return Err(Error::new(code::DATATYPE_MISMATCH, message).at(condition.at));
    }
    Ok(())
}

/// The key that a condition asks for: a constant for each of its columns, and whatever else.
fn key_asked(planner: &Planner<'_>, condition: &Expr, stage: &Stage, ksql: &Ksql) -> Option<Vec<Value>> {
    let mut asked: Vec<(usize, &Expr)> = Vec::new();
    equalities(condition, stage, &mut asked);
    let identity = ksql.identity();
    let constant = |index: &usize| {
        let (_, value) = asked.iter().find(|(column, _)| column == index)?;
        if !columns_of(value).is_empty() {
            return None;
        }
        let typed = planner.code(value, stage).ok()?;
        let ty = &stage.columns[*index].ty;
        let fits = typed.ty == *ty || typed.ty.common(ty).as_ref() == Some(ty);
        let value = fits.then(|| typed.code.eval(&[]).ok()).flatten()?;
        widen(value, ty).ok().filter(|v| !v.is_null())
    };
    if identity.is_empty() { None } else { identity.iter().map(constant).collect() }
}

/// The `column = value` that a condition is made of by AND.
fn equalities<'a>(condition: &'a Expr, stage: &Stage, into: &mut Vec<(usize, &'a Expr)>) {
    match &condition.kind {
        ExprKind::Binary(BinaryOp::And, a, b) => {
            equalities(a, stage, into);
            equalities(b, stage, into);
        }
        ExprKind::Binary(BinaryOp::Equal, a, b) => {
            for (column, value) in [(a, b), (b, a)] {
                if let ExprKind::Column { source, name } = &column.kind
                    && let Ok(index) = stage.resolve(source.as_deref(), name)
                {
                    into.push((index, value));
                }
            }
        }
        _ => {}
    }
}

impl Pull {
    /// The answer of one row, or `None` if the condition does not hold for it. An error of an expression is NULL.
    pub fn row(&self, row: &[Value]) -> Option<Vec<Value>> {
        let holds = self.condition.as_ref().is_none_or(|c| matches!(c.eval(row), Ok(Value::Boolean(true))));
        holds.then(|| self.outputs.iter().map(|o| o.code.eval(row).unwrap_or(Value::Null)).collect())
    }
}
