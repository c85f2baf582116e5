//! `SELECT array_agg(v) FROM (SELECT v FROM t ORDER BY k) s`: what gathers values takes them in the order of its input (manual, chapter 9.21).
//!
//! DataFusion drops the order of a subquery that has no LIMIT, and a view keeps a group's values in an order of its own. So the order of the
//! one subquery or WITH query in FROM becomes that of the call, `array_agg(v ORDER BY s.k)`; a key that the subquery does not answer is added
//! to its list. So it does for window functions that count rows, `row_number() OVER ()`.

use sqlparser::ast::{
    Distinct, DuplicateTreatment, Expr, Function, FunctionArgumentClause, FunctionArguments, Ident, OrderByExpr, OrderByKind, Query,
    Select, SelectItem, SetExpr, TableAlias, TableFactor, TableWithJoins, WindowFrame, WindowFrameBound, WindowFrameUnits, WindowSpec,
    WindowType,
};

use super::Ctes;
use super::build::{each_expression, last_name};
use super::grouping::{expr_of, position};
use super::outer_aggregates::is_aggregate;
use super::queries::{contains_set, is_grouped, name_of_item};
use crate::sql::convert::relation_name;
use crate::sql::exclusions::is_exclusion;
use crate::sql::fold_name;

/// The aggregates whose answer tells the order of their input.
const ORDERED: [&str; 6] = ["array_agg", "string_agg", "json_agg", "jsonb_agg", "json_object_agg", "jsonb_object_agg"];

/// The window functions that count the rows of a partition.
const COUNTING: [&str; 4] = ["row_number", "ntile", "lag", "lead"];
/// Those that count the rows of a frame.
const OF_FRAMES: [&str; 3] = ["first_value", "last_value", "nth_value"];

/// Orders the calls of a SELECT over one subquery.
pub fn of_select(select: &mut Select, ctes: &Ctes) {
    let (mut gathers, mut counts, mut grouped) = (false, false, is_grouped(select));
    let mut look = |expr: &mut Expr, queries: usize| {
        if queries == 0 {
            gathers |= unordered(expr).is_some();
            counts |= window(expr).is_some();
            grouped |= is_aggregate(expr);
        }
    };
    each_expression(&mut select.projection, &mut look);
    each_expression(&mut select.having, &mut look);
    // What windows over groups are ordered by would have to be grouped by.
    let orders_windows = counts && !grouped;
    if !gathers && !orders_windows {
        return;
    }
    let [TableWithJoins { relation, joins }] = select.from.as_mut_slice() else { return };
    if !joins.is_empty() {
        return;
    }
    // A star would show what is added.
    let is_open = select.projection.iter().any(|item| expr_of(item).is_none());
    let Some(order) = order_of(relation, ctes, !is_open) else { return };
    let mut add = |expr: &mut Expr, queries: usize| {
        if queries > 0 {
            return;
        }
        if let Some(clauses) = unordered(expr) {
            clauses.push(FunctionArgumentClause::OrderBy(order.clone()));
        } else if let Some((over, of_frame)) = window(expr).filter(|_| orders_windows) {
            over.order_by.clone_from(&order);
            if of_frame {
                over.window_frame.get_or_insert_with(whole);
            }
        }
    };
    each_expression(&mut select.projection, &mut add);
    each_expression(&mut select.having, &mut add);
}

/// The clauses of a call of such an aggregate that has no order of its own.
fn unordered(expr: &mut Expr) -> Option<&mut Vec<FunctionArgumentClause>> {
    let Expr::Function(Function { name, args: FunctionArguments::List(list), over: None, .. }) = expr else { return None };
    let is_free = list.duplicate_treatment != Some(DuplicateTreatment::Distinct)
        && !list.clauses.iter().any(|clause| matches!(clause, FunctionArgumentClause::OrderBy(_)));
    (is_free && ORDERED.contains(&last_name(name).as_str())).then_some(&mut list.clauses)
}

/// The window of a call that counts rows in no order of its own, and whether it counts those of its frame.
fn window(expr: &mut Expr) -> Option<(&mut WindowSpec, bool)> {
    let Expr::Function(Function { name, over: Some(WindowType::WindowSpec(over)), .. }) = expr else { return None };
    let name = last_name(name);
    let of_frame = OF_FRAMES.contains(&name.as_str()) || ORDERED.contains(&name.as_str());
    let counts = of_frame || COUNTING.contains(&name.as_str());
    let is_free = over.window_name.is_none() && over.order_by.is_empty() && !over.partition_by.iter().any(is_exclusion);
    let by_rows = over.window_frame.as_ref().is_none_or(|frame| frame.units == WindowFrameUnits::Rows);
    (counts && is_free && by_rows).then_some((over, of_frame))
}

/// The frame of all rows of a partition, which is that of a window without an order.
fn whole() -> WindowFrame {
    let (start_bound, end_bound) = (WindowFrameBound::Preceding(None), Some(WindowFrameBound::Following(None)));
    WindowFrame { units: WindowFrameUnits::Rows, start_bound, end_bound }
}

/// The order of the rows of a table, in columns of it; `None` if it has none, or none that can be told. With `may_add` the table may get
/// columns for it.
fn order_of(factor: &mut TableFactor, ctes: &Ctes, may_add: bool) -> Option<Vec<OrderByExpr>> {
    match factor {
        TableFactor::Derived { subquery, alias: Some(alias), .. } => {
            let Query { body, order_by, .. } = subquery.as_mut();
            let OrderByKind::Expressions(keys) = &order_by.as_ref()?.kind else { return None };
            let by = keys.iter().enumerate().map(|(i, key)| {
                let column = answered(body, &key.expr, alias);
                let column = if may_add { column.or_else(|| added(body, &key.expr, i, alias)) } else { column }?;
                Some(ordered(&alias.name, column, key))
            });
            by.collect()
        }
        TableFactor::Table { name, alias, args: None, .. } => {
            let cte = ctes.find(&relation_name(name).ok()?)?;
            let OrderByKind::Expressions(keys) = &cte.query.order_by.as_ref()?.kind else { return None };
            let alias = alias.as_ref().unwrap_or(&cte.alias);
            let is_renamed = !alias.columns.is_empty() || !cte.alias.columns.is_empty();
            let by = keys.iter().map(|key| Some(ordered(&alias.name, answered(&cte.query.body, &key.expr, alias)?, key)));
            if is_renamed { None } else { by.collect() }
        }
        _ => None,
    }
}

fn ordered(table: &Ident, column: Ident, key: &OrderByExpr) -> OrderByExpr {
    OrderByExpr { expr: Expr::CompoundIdentifier(vec![table.clone(), column]), options: key.options, with_fill: None }
}

/// The column of a query's answer that a key of its ORDER BY is.
fn answered(body: &SetExpr, key: &Expr, alias: &TableAlias) -> Option<Ident> {
    let SetExpr::Select(select) = body else {
        // Of several queries together only answers can be keys.
        let Expr::Identifier(name) = key else { return None };
        return alias.columns.is_empty().then(|| name.clone());
    };
    // A star answers all columns under their names.
    if let ([SelectItem::Wildcard(_)], Expr::Identifier(name), true) = (select.projection.as_slice(), key, alias.columns.is_empty()) {
        return Some(name.clone());
    }
    let names: Vec<Option<String>> = select.projection.iter().map(name_of_item).collect();
    let place = match (key, position(key)) {
        (_, Some(place)) => place,
        (Expr::Identifier(name), _) => {
            let named = names.iter().position(|item| item.as_ref() == Some(&fold_name(name)));
            named.or_else(|| select.projection.iter().position(|item| expr_of(item) == Some(key)))?
        }
        _ => select.projection.iter().position(|item| expr_of(item) == Some(key))?,
    };
    let before = names.get(..place)?;
    if let (false, Some(column)) = (before.contains(&None), alias.columns.get(place)) {
        return Some(column.name.clone());
    }
    let name = names.get(place)?.clone()?;
    let is_told =
        names.iter().flatten().filter(|other| **other == name).count() == 1 && (position(key).is_none() || !before.contains(&None));
    is_told.then(|| Ident::with_quote('"', name))
}

/// A column for a key that is none of a SELECT's answer.
fn added(body: &mut SetExpr, key: &Expr, place: usize, alias: &TableAlias) -> Option<Ident> {
    let SetExpr::Select(select) = body else { return None };
    // DISTINCT ON tells rows apart by its own keys, whatever else they have.
    let is_distinct = matches!(select.distinct, Some(Distinct::Distinct));
    // It must not be the column for a name too many.
    let has_names = alias.columns.len() <= select.projection.len() || select.projection.iter().any(|item| expr_of(item).is_none());
    if is_distinct || !has_names || position(key).is_some() || contains_set(key) {
        return None;
    }
    let alias = Ident::with_quote('"', format!("__order_{place}"));
    select.projection.push(SelectItem::ExprWithAlias { expr: key.clone(), alias: alias.clone() });
    Some(alias)
}
