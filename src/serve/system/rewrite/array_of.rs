//! `ARRAY(SELECT ..)` and `ARRAY[..]` (manual, chapter 4.2.12).

use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, FunctionArgumentClause, FunctionArguments, Ident, OrderBy, OrderByKind, Query, Select, SelectItem, SetExpr, TableAliasColumnDef,
    TableFactor, Value, VisitorMut, visit_expressions,
};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

use super::super::SystemContext;
use super::build::{arguments, call, last_name, literal, take};
use super::queries::{is_grouped, label, only_item, plain_select};
use super::series::is_set;
use crate::error::Result;
use crate::sql::fold_name;

/// `ARRAY[a, b]` is `make_array(a, b)` where it names columns: DataFusion plans the elements of a constructor as if no query stood around
/// theirs, and so finds no column of such a one.
pub struct Constructors;

impl VisitorMut for Constructors {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Array(array) = expr
            && array.elem.iter().any(names_column)
        {
            *expr = call("make_array", std::mem::take(&mut array.elem));
        }
        ControlFlow::Continue(())
    }
}

fn names_column(expr: &Expr) -> bool {
    let found = |e: &Expr| match e {
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    visit_expressions(expr, found).is_break()
}

/// `ARRAY(SELECT x ..)` is `(SELECT array_agg(x) ..)`, an empty array for no rows (psql's \du, \dp; pgcli).
pub fn array_of_query(expr: &mut Expr, _: &SystemContext) -> Result<()> {
    let Expr::Function(f) = expr else { return Ok(()) };
    if last_name(&f.name) != "array" {
        return Ok(());
    }
    let FunctionArguments::Subquery(query) = &mut f.args else { return Ok(()) };
    let order = query.order_by.take();
    let plain = plain_select(query).filter(|s| s.distinct.is_none() && !is_grouped(s) && !names_all(s)).is_some();
    if !plain {
        query.order_by = order;
        if let Some(whole) = array_of_whole(query) {
            *expr = call("pg_array_or_empty", vec![Expr::Subquery(Box::new(whole))]);
        }
        return Ok(());
    }
    let from_nothing = plain_select(query).is_some_and(|s| s.from.is_empty() && s.selection.is_none());
    let Some(item) = plain_select(query).and_then(only_item) else { return Ok(()) };
    let value = take(item);
    // A set is an array here (pgAdmin: `ARRAY(SELECT generate_series(1, i.indnkeyatts))`).
    if from_nothing
        && order.is_none()
        && let Expr::Function(f) = &value
        && last_name(&f.name) == "unnest"
        && let [array] = arguments(&mut f.clone()).as_mut_slice()
        && matches!(array, Expr::Function(f) if is_set(&last_name(&f.name)) || last_name(&f.name) == "pg_subscripts")
    {
        *expr = call("pg_array_or_empty", vec![take(array)]);
        return Ok(());
    }
    let mut aggregate = call("array_agg", vec![value.clone()]);
    if let (Some(order), Expr::Function(f)) = (order, &mut aggregate)
        && let OrderByKind::Expressions(mut by) = order.kind
        && let FunctionArguments::List(list) = &mut f.args
    {
        for one in &mut by {
            if matches!(&one.expr, Expr::Value(v) if matches!(v.value, Value::Number(..))) {
                one.expr = value.clone();
            }
        }
        list.clauses.push(FunctionArgumentClause::OrderBy(by));
    }
    *item = aggregate;
    *expr = call("pg_array_or_empty", vec![Expr::Subquery(query.clone())]);
    Ok(())
}

/// True for `SELECT *`.
fn names_all(select: &Select) -> bool {
    matches!(select.projection.as_slice(), [SelectItem::Wildcard(_)])
}

/// `ARRAY(SELECT * FROM unnest(array_agg(x)) a [WHERE a IS NOT NULL])`: the aggregate is of the query around, which cannot be computed within
/// another. All that is done to its array can be done where it stands (sqitch).
pub fn of_aggregate(expr: &mut Expr, _: &SystemContext) -> Result<()> {
    let Expr::Function(f) = expr else { return Ok(()) };
    if last_name(&f.name) != "array" {
        return Ok(());
    }
    let FunctionArguments::Subquery(query) = &mut f.args else { return Ok(()) };
    if let Some((array, with_nulls)) = unnested_aggregate(query) {
        let array = if with_nulls { array } else { call("array_remove", vec![array, literal(Value::Null)]) };
        *expr = call("pg_array_or_empty", vec![array]);
    }
    Ok(())
}

/// The aggregate whose elements are all that the query gives, and whether NULLs are among them.
fn unnested_aggregate(query: &mut Query) -> Option<(Expr, bool)> {
    if query.order_by.is_some() {
        return None;
    }
    let select = plain_select(query).filter(|s| s.distinct.is_none() && !is_grouped(s))?;
    let [from] = select.from.as_slice() else { return None };
    let TableFactor::UNNEST { alias: Some(alias), array_exprs, with_offset: false, with_ordinality: false, .. } = &from.relation else {
        return None;
    };
    let [Expr::Function(aggregate)] = array_exprs.as_slice() else { return None };
    let is_item = |e: &Expr| matches!(e, Expr::Identifier(name) if fold_name(name) == fold_name(&alias.name));
    let gives_items = names_all(select) || matches!(select.projection.as_slice(), [SelectItem::UnnamedExpr(e)] if is_item(e));
    let with_nulls = match &select.selection {
        None => true,
        Some(Expr::IsNotNull(e)) if is_item(e) => false,
        Some(_) => return None,
    };
    let fits = gives_items && from.joins.is_empty() && alias.columns.is_empty() && last_name(&aggregate.name) == "array_agg";
    fits.then(|| (array_exprs[0].clone(), with_nulls))
}

/// `SELECT array_agg(v ORDER BY o) FROM (query) q (v, o)`, for a query whose LIMIT, DISTINCT or grouping comes before. `None` for one with an order
/// by what it does not select, and that cannot select it besides.
fn array_of_whole(query: &Query) -> Option<Query> {
    let mut inner = query.clone();
    let mut order = inner.order_by.clone();
    let mut names = vec!["v".to_string()];
    if let Some(OrderBy { kind: OrderByKind::Expressions(by), .. }) = &mut order {
        let mut hidden = Vec::new();
        let select = match inner.body.as_mut() {
            SetExpr::Select(select) => Some(select),
            _ => None,
        };
        let own = select.as_ref().and_then(|s| match s.projection.as_slice() {
            [SelectItem::UnnamedExpr(e)] => Some((e.clone(), label(e))),
            [SelectItem::ExprWithAlias { expr, alias }] => Some((expr.clone(), alias.value.clone())),
            _ => None,
        });
        for one in by.iter_mut() {
            let is_value = matches!(&one.expr, Expr::Value(v) if matches!(v.value, Value::Number(..)))
                || own.as_ref().is_none_or(|(e, name)| one.expr == *e || matches!(&one.expr, Expr::Identifier(n) if n.value == *name));
            let name = if is_value { "v".to_string() } else { format!("o{}", hidden.len()) };
            let by = std::mem::replace(&mut one.expr, Expr::Identifier(Ident::with_quote('"', &name)));
            if !is_value {
                hidden.push(SelectItem::ExprWithAlias { expr: by, alias: Ident::with_quote('"', name) });
            }
        }
        names.extend((0..hidden.len()).map(|i| format!("o{i}")));
        if let Some(select) = select {
            if !hidden.is_empty() && select.distinct.is_some() {
                return None;
            }
            select.projection.extend(hidden);
        }
    }
    let mut outer = Parser::new(&PostgreSqlDialect {}).try_with_sql("SELECT array_agg(\"v\") FROM (SELECT 1) \"q\"");
    let mut outer = outer.as_mut().ok()?.parse_query().ok()?;
    let SetExpr::Select(select) = outer.body.as_mut() else { return None };
    let TableFactor::Derived { subquery, alias: Some(alias), .. } = &mut select.from.first_mut()?.relation else { return None };
    **subquery = inner;
    alias.columns = names.iter().map(|name| TableAliasColumnDef { name: Ident::with_quote('"', name), data_type: None }).collect();
    if let (Some(Expr::Function(f)), Some(order)) = (only_item(select.as_mut()), order)
        && let (FunctionArguments::List(list), OrderByKind::Expressions(by)) = (&mut f.args, order.kind)
    {
        list.clauses.push(FunctionArgumentClause::OrderBy(by));
    }
    Some(*outer)
}
