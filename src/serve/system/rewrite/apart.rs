//! `GROUP BY at, at::date`, `sum(n), sum(n::numeric)` and the same over windows: DataFusion names a cast as what it casts, and neither a
//! grouping nor a window has two columns of one name. So casts that would be taken for another column are told apart by a function that gives what it is given, which goes once the query
//! is planned.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, GroupByExpr, Ident, Query, Select, SelectItem, SetExpr, Value, WindowType, visit_expressions};

use super::build::{arguments, call, each_expression, literal, take};
use super::queries::label;
use crate::func::APART;

/// Tells apart what a query groups by and calls alike but for casts.
pub fn told_apart(query: &mut Query) {
    let SetExpr::Select(select) = query.body.as_mut() else { return };
    // Most queries have no casts, and are not to pay for those that have.
    let is_cast = |e: &Expr| if matches!(e, Expr::Cast { .. }) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    if visit_expressions(&*select, is_cast).is_continue() {
        return;
    }
    let computed = computed(select);
    let alike = |(text, bare): &&(String, String)| text != bare && computed.iter().any(|(other, also)| also == bare && other != text);
    let mut casts: Vec<&str> = computed.iter().filter(alike).map(|(text, _)| text.as_str()).collect();
    casts.sort_unstable();
    casts.dedup();
    if casts.is_empty() {
        return;
    }
    for item in &mut select.projection {
        if let SelectItem::UnnamedExpr(expr) = item
            && casts.contains(&expr.to_string().as_str())
        {
            let alias = Ident::with_quote('"', label(expr));
            *item = SelectItem::ExprWithAlias { expr: take(expr), alias };
        }
    }
    let tell = |expr: &mut Expr, queries: usize| {
        let text = if queries == 0 { expr.to_string() } else { String::new() };
        let Some(at) = casts.iter().position(|cast| *cast == text) else { return };
        let marked = |e: &mut Expr| *e = call(APART, vec![take(e), literal(Value::Number(at.to_string(), false))]);
        let has_casts = |e: &&mut Expr| without_casts(e) != e.to_string();
        match expr {
            Expr::Function(f) => {
                arguments(f).into_iter().filter(has_casts).for_each(marked);
                if let Some(WindowType::WindowSpec(over)) = &mut f.over {
                    let order = over.order_by.iter_mut().map(|by| &mut by.expr);
                    over.partition_by.iter_mut().chain(order).filter(has_casts).for_each(marked);
                }
            }
            other => marked(other),
        }
    };
    each_expression(select, tell);
    if let Some(order) = &mut query.order_by {
        each_expression(order, tell);
    }
}

/// Arrays that are expanded side by side: DataFusion expands no two of one name either (Django inserts rows so).
pub(super) fn arrays(arrays: &mut [Expr]) {
    let mut seen: Vec<String> = Vec::new();
    for (i, array) in arrays.iter_mut().enumerate() {
        let text = without_casts(array);
        if seen.contains(&text) {
            *array = call(APART, vec![take(array), literal(Value::Number(i.to_string(), false))]);
        } else {
            seen.push(text);
        }
    }
}

/// What a query groups by and the calls it makes: as they are written, and without casts.
fn computed(select: &mut Select) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = keys(select).iter().map(|key| (key.to_string(), without_casts(key))).collect();
    each_expression(select, |expr, queries| {
        if queries == 0 && matches!(expr, Expr::Function(_)) {
            found.push((expr.to_string(), without_casts(expr)));
        }
    });
    found
}

/// What a query groups by; a number or an alias is what it stands for.
fn keys(select: &Select) -> Vec<Expr> {
    let GroupByExpr::Expressions(keys, _) = &select.group_by else { return vec![] };
    let meant = |key: &Expr| match key {
        Expr::Value(v) => match &v.value {
            Value::Number(n, _) => select.projection.get(n.parse::<usize>().ok()?.checked_sub(1)?).and_then(expression).cloned(),
            _ => None,
        },
        Expr::Identifier(name) => select.projection.iter().find_map(|item| match item {
            SelectItem::ExprWithAlias { expr, alias } if alias == name => Some(expr.clone()),
            _ => None,
        }),
        _ => None,
    };
    keys.iter().map(|key| meant(key).unwrap_or_else(|| key.clone())).collect()
}

fn expression(item: &SelectItem) -> Option<&Expr> {
    match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => Some(expr),
        _ => None,
    }
}

/// The expression's text without its casts.
pub(super) fn without_casts(expr: &Expr) -> String {
    let mut expr = expr.clone();
    each_expression(&mut expr, |e, _| {
        if let Expr::Cast { expr: inner, .. } = e {
            *e = take(inner);
        }
    });
    expr.to_string()
}
