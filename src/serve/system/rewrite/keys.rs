//! The names of a key's columns, which clients look up by unnesting the key beside pg_attribute in a subquery (Django, pgcli, TypeORM):
//! `ARRAY(SELECT attname FROM unnest(conkey) WITH ORDINALITY k(n, i) JOIN pg_attribute a ON a.attnum = k.n WHERE a.attrelid = conrelid
//! ORDER BY i)` is `pg_column_names(conrelid, conkey)`. DataFusion cannot unnest what comes from around a subquery.

use sqlparser::ast::{
    BinaryOperator, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, JoinConstraint, JoinOperator, Query, Select, SelectItem,
    SetExpr, TableFactor, TableWithJoins,
};

use super::super::SystemContext;
use super::build::{arguments, bare, call, column_name, last_name, take};
use crate::error::Result;

/// Such a subquery, scalar or in ARRAY(..).
pub fn column_names(expr: &mut Expr, _: &SystemContext) -> Result<()> {
    let rewritten = match expr {
        Expr::Subquery(query) => names_of(query, false),
        Expr::Function(f) if last_name(&f.name) == "array" => match &f.args {
            FunctionArguments::Subquery(query) => names_of(query, true),
            _ => None,
        },
        _ => None,
    };
    if let Some(rewritten) = rewritten {
        *expr = rewritten;
    }
    Ok(())
}

fn names_of(query: &Query, array: bool) -> Option<Expr> {
    let SetExpr::Select(select) = query.body.as_ref() else { return None };
    if query.with.is_some() || query.limit_clause.is_some() {
        return None;
    }
    let (key, joins_attributes) = sources(select)?;
    let relation = relation(select, &key)?;
    let names = call("pg_column_names", vec![relation, key]);
    let [SelectItem::UnnamedExpr(item) | SelectItem::ExprWithAlias { expr: item, .. }] = select.projection.as_slice() else { return None };
    let is_name = |e: &Expr| column_name(e).is_some_and(|n| n == "attname");
    match item {
        item if array && joins_attributes && is_name(item) => Some(names),
        Expr::Function(f) if !array && joins_attributes => {
            let mut f = f.clone();
            let function = last_name(&f.name);
            let mut arguments: Vec<Expr> = arguments(&mut f).into_iter().map(take).collect();
            match (function.as_str(), arguments.as_slice()) {
                ("array_agg", [name]) if is_name(name) => Some(names),
                ("string_agg", [name, _]) if is_name(bare_text(name)) => Some(call("array_to_string", vec![names, arguments.remove(1)])),
                _ => None,
            }
        }
        _ => None,
    }
}

/// An expression without a cast around it.
fn bare_text(expr: &Expr) -> &Expr {
    match bare(expr) {
        Expr::Cast { expr, .. } => bare_text(expr),
        other => other,
    }
}

/// The key that is unnested in FROM, and whether it is joined with pg_attribute and with nothing else.
fn sources(select: &Select) -> Option<(Expr, bool)> {
    let mut factors = Vec::new();
    for TableWithJoins { relation, joins } in &select.from {
        factors.push(relation);
        for join in joins {
            let inner = matches!(
                join.join_operator,
                JoinOperator::Join(_) | JoinOperator::Inner(_) | JoinOperator::CrossJoin(JoinConstraint::None)
            );
            inner.then_some(())?;
            factors.push(&join.relation);
        }
    }
    let [one, two] = factors.as_slice() else { return None };
    let is_attribute = |f: &TableFactor| matches!(f, TableFactor::Table { name, args: None, .. } if last_name(name) == "pg_attribute");
    match (key_of(one), key_of(two)) {
        (Some(key), None) => Some((key, is_attribute(two))),
        (None, Some(key)) => Some((key, is_attribute(one))),
        _ => None,
    }
}

/// The key in `unnest(key)`, written as a function, with or without WITH ORDINALITY, or as `(SELECT unnest(key) .., generate_subscripts(key, 1) ..)`.
fn key_of(factor: &TableFactor) -> Option<Expr> {
    let argument = |args: &[FunctionArg]| match args {
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(e))] => Some(e.clone()),
        _ => None,
    };
    let key = match factor {
        TableFactor::UNNEST { array_exprs, .. } => array_exprs.first().cloned(),
        TableFactor::Table { name, args: Some(args), .. } if last_name(name) == "unnest" => argument(&args.args),
        TableFactor::Function { name, args, .. } if last_name(name) == "unnest" => argument(args),
        TableFactor::Derived { subquery, .. } => match subquery.body.as_ref() {
            SetExpr::Select(select) if select.from.is_empty() => select.projection.iter().find_map(unnested),
            _ => None,
        },
        _ => None,
    }?;
    const KEYS: [&str; 4] = ["conkey", "confkey", "indkey", "tgattr"];
    column_name(&key).filter(|n| KEYS.contains(&n.as_str()))?;
    Some(key)
}

fn unnested(item: &SelectItem) -> Option<Expr> {
    let (SelectItem::UnnamedExpr(Expr::Function(f)) | SelectItem::ExprWithAlias { expr: Expr::Function(f), .. }) = item else {
        return None;
    };
    let mut f = f.clone();
    if last_name(&f.name) != "unnest" {
        return None;
    }
    arguments(&mut f).pop().map(take)
}

/// What `attrelid` is compared with, in WHERE or ON.
fn relation(select: &Select, key: &Expr) -> Option<Expr> {
    let on = select.from.iter().flat_map(|t| &t.joins).filter_map(|join| match &join.join_operator {
        JoinOperator::Join(JoinConstraint::On(e)) | JoinOperator::Inner(JoinConstraint::On(e)) => Some(e),
        _ => None,
    });
    let mut conditions = Vec::new();
    select.selection.iter().chain(on).for_each(|e| conjuncts(e, &mut conditions));
    let other = |left: &Expr, right: &Expr| column_name(left).filter(|n| n == "attrelid").map(|_| right.clone());
    let found = conditions.iter().find_map(|condition| match condition {
        Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => other(left, right).or_else(|| other(right, left)),
        _ => None,
    });
    // It must come from around the subquery, as the key does.
    found.filter(|e| matches!((e, bare(key)), (Expr::Identifier(_), _) | (Expr::CompoundIdentifier(_), Expr::CompoundIdentifier(_))))
}

fn conjuncts<'a>(expr: &'a Expr, all: &mut Vec<&'a Expr>) {
    match expr {
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            conjuncts(left, all);
            conjuncts(right, all);
        }
        Expr::Nested(inner) => conjuncts(inner, all),
        other => all.push(other),
    }
}
