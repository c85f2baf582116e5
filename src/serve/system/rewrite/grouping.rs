//! GROUP BY and DISTINCT ON as PostgreSQL has them.
//!
//! `ROLLUP ((a, b), c)` and `CUBE ((a, b), c)`, whose parentheses make one key of several expressions (manual, chapter 7.2.4):
//! DataFusion takes single expressions there, each of them once, so they are written as the GROUPING SETS that they stand for; so are those within
//! GROUPING SETS, and `ROLLUP (a, a)`; `GROUP BY (a, b)` is by both. GROUP BY DISTINCT, which the planner does not know, is written as the sets that its keys make together.

use std::collections::{BTreeSet, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use sqlparser::ast::{
    BinaryOperator, CastKind, DataType, Distinct, Expr, GroupByExpr, Ident, JoinConstraint, JoinOperator, OrderBy, OrderByKind, Query,
    Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, TableFactor, TableWithJoins, Value, visit_expressions,
};

use super::build::{arguments, bare, binary, call, each_expression, factors, last_name, literal, take};
use super::outer_aggregates::is_aggregate;
use super::queries::{DUPLICATE, label};
use crate::catalog::{Relation, Scope};
use crate::error::{Error, Result, code};
use crate::limits;
use crate::sql::convert::relation_name;
use crate::sql::fold_name;
use crate::sql::group_by::is_marker;

/// As many sets as PostgreSQL takes.
const SETS_MAX: usize = 4096;

/// As many keys of CUBE.
const CUBE_MAX: usize = 12;

/// Rewrites each of them, and the ordinals within. Errors: 42P10 for one that is of no item, 42601 for another number; 54001 and 54011 for
/// more sets than there may be.
pub fn expand(select: &mut Select) -> Result<()> {
    let Select { group_by: GroupByExpr::Expressions(exprs, _), projection, .. } = select else { return Ok(()) };
    let is_distinct = exprs.first().is_some_and(is_marker);
    if is_distinct {
        exprs.remove(0);
    }
    // `()` is the one group of all rows, and adds nothing to other keys.
    let is_empty = |expr: &Expr| matches!(expr, Expr::Tuple(keys) if keys.is_empty());
    if exprs.iter().any(is_empty) {
        exprs.retain(|expr| !is_empty(expr));
        if exprs.is_empty() {
            exprs.push(Expr::GroupingSets(vec![vec![]]));
        }
    }
    *exprs = std::mem::take(exprs).into_iter().flat_map(alone).collect();
    for expr in exprs.iter_mut() {
        if let Expr::GroupingSets(members) = expr {
            let mut flat: Vec<Vec<Expr>> = Vec::with_capacity(members.len());
            for mut member in std::mem::take(members) {
                flat.extend(within(&mut member)?.unwrap_or_else(|| vec![member]));
                bounded(flat.len(), flat.iter().map(Vec::len).sum())?;
            }
            *members = flat;
        }
        if let Expr::GroupingSets(keys) | Expr::Rollup(keys) | Expr::Cube(keys) = expr {
            keys.iter_mut().flatten().try_for_each(|key| by_ordinal(key, projection))?;
        }
        match expr {
            Expr::Rollup(keys) => bounded_rollup(keys)?,
            Expr::Cube(keys) => bounded_cube(keys)?,
            _ => {}
        }
        if let Some(sets) = sets(expr, projection) {
            *expr = Expr::GroupingSets(sets);
        }
    }
    if is_distinct { each_once(exprs, projection) } else { Ok(()) }
}

/// The keys that one of GROUP BY is of: `(a, b)` is two.
fn alone(key: Expr) -> Vec<Expr> {
    match key {
        Expr::Tuple(keys) => keys.into_iter().flat_map(alone).collect(),
        Expr::Nested(key) if matches!(bare(&key), Expr::Tuple(_)) => alone(*key),
        key => vec![key],
    }
}

/// The sets that keys make together, each of them once, and each key once in it. Keys of which none makes several stay. Errors: 42P10, 42601, 54001.
fn each_once(exprs: &mut Vec<Expr>, items: &mut [SelectItem]) -> Result<()> {
    if !exprs.iter().any(|expr| matches!(expr, Expr::GroupingSets(_) | Expr::Rollup(_) | Expr::Cube(_))) {
        return Ok(());
    }
    let mut all: Vec<Vec<Expr>> = vec![vec![]];
    for expr in exprs.iter_mut() {
        let sets = match expr {
            Expr::GroupingSets(sets) => sets.clone(),
            Expr::Rollup(keys) => rollup(keys),
            Expr::Cube(keys) => cube(keys),
            key => {
                by_ordinal(key, items)?;
                vec![vec![key.clone()]]
            }
        };
        let keys = |sets: &[Vec<Expr>]| sets.iter().map(Vec::len).sum::<usize>();
        bounded(all.len() * sets.len(), all.len() * keys(&sets) + sets.len() * keys(&all))?;
        all = all.iter().flat_map(|set| sets.iter().map(|more| [set.as_slice(), more].concat())).collect();
    }
    let mut seen = HashSet::new();
    all.retain_mut(|set| {
        let mut names = BTreeSet::new();
        set.retain(|key| names.insert(known_by(key, items)));
        seen.insert(names)
    });
    *exprs = vec![Expr::GroupingSets(all)];
    Ok(())
}

/// `SELECT 1 FROM t HAVING false`: HAVING makes one group of all rows, of which the planner knows by an aggregate only.
pub fn having_alone(select: &mut Select) {
    let keyless = matches!(&select.group_by, GroupByExpr::Expressions(keys, _) if keys.is_empty());
    if !keyless || select.having.is_none() {
        return;
    }
    let mut aggregates = false;
    each_expression(select, |expr, queries| aggregates |= queries == 0 && is_aggregate(expr));
    if let Some(having) = select.having.as_mut().filter(|_| !aggregates) {
        let number = |n: &str| literal(Value::Number(n.into(), false));
        let grouped = binary(call("count", vec![number("1")]), BinaryOperator::GtEq, number("0"));
        *having = binary(Expr::Nested(Box::new(take(having))), BinaryOperator::And, grouped);
    }
}

/// `ROLLUP (1, 2)` is of items of the SELECT list: the planner knows ordinals only where they stand alone, and takes these for constants.
/// A constant that is grouped by so gets a cast, in the list too: the planner takes all that is equal to a key for the key, which is NULL
/// where it is not grouped by, and other constants shall not be that.
fn by_ordinal(key: &mut Expr, items: &mut [SelectItem]) -> Result<()> {
    let Some(place) = ordinal(key, "GROUP BY")? else { return Ok(()) };
    if is_behind_star(items, place) {
        return Ok(());
    }
    let item = place.checked_sub(1).and_then(|i| items.get_mut(i)).ok_or_else(|| not_in_list(place, "GROUP BY"))?;
    if let Some(data_type) = expr_of(item).and_then(type_of_constant) {
        let (constant, alias) = match item {
            SelectItem::UnnamedExpr(expr) => {
                let alias = Ident::with_quote('"', label(expr));
                (take(expr), alias)
            }
            SelectItem::ExprWithAlias { expr, alias } => (take(expr), alias.clone()),
            _ => return Ok(()),
        };
        let expr = Expr::Cast { kind: CastKind::Cast, expr: Box::new(constant), data_type, array: false, format: None };
        *item = SelectItem::ExprWithAlias { expr, alias };
    }
    if let Some(expr) = expr_of(item) {
        *key = expr.clone();
    }
    Ok(())
}

/// The number of an item that a key of this clause is. Errors: 42601 for one with decimals.
fn ordinal(key: &Expr, clause: &str) -> Result<Option<usize>> {
    let Expr::Value(value) = bare(key) else { return Ok(None) };
    let Value::Number(number, _) = &value.value else { return Ok(None) };
    let place = number.to_string().parse::<usize>();
    place.map(Some).map_err(|_| Error::syntax(format!("non-integer constant in {clause}")))
}

/// True if it is not seen which item that is.
fn is_behind_star(items: &[SelectItem], place: usize) -> bool {
    items.iter().take(place).any(|item| expr_of(item).is_none())
}

fn not_in_list(place: usize, clause: &str) -> Error {
    Error::new(code::INVALID_COLUMN_REFERENCE, format!("{clause} position {place} is not in select list"))
}

/// `SELECT DISTINCT ON (1) .. ORDER BY 1` is of items of the SELECT list: the planner takes the former for a constant, and finds the latter
/// only where it is a column. Errors: 42P10, 0A000 behind a star.
pub fn distinct_by_position(query: &mut Query) -> Result<()> {
    let Query { body, order_by, .. } = query;
    let SetExpr::Select(select) = body.as_mut() else { return Ok(()) };
    let Select { distinct: Some(Distinct::On(keys)), projection: items, .. } = select.as_mut() else { return Ok(()) };
    let items: &[SelectItem] = items;
    let item = |place: usize| place.checked_sub(1).and_then(|i| items.get(i)).and_then(expr_of);
    for key in keys {
        let Some(place) = ordinal(key, "DISTINCT ON")? else { continue };
        if is_behind_star(items, place) {
            let error = Error::unsupported(format!("DISTINCT ON position {place} behind * is not supported"));
            return Err(error.hint("Write the columns' names."));
        }
        *key = item(place).ok_or_else(|| not_in_list(place, "DISTINCT ON"))?.clone();
    }
    if let Some(OrderByKind::Expressions(by)) = order_by.as_mut().map(|order| &mut order.kind) {
        for one in by {
            let place = ordinal(&one.expr, "ORDER BY")?.filter(|place| !is_behind_star(items, *place));
            if let Some(expr) = place.and_then(item) {
                one.expr = expr.clone();
            }
        }
    }
    Ok(())
}

/// The type of a whole number or a text.
fn type_of_constant(expr: &Expr) -> Option<DataType> {
    let Expr::Value(value) = bare(expr) else { return None };
    match &value.value {
        Value::Number(number, _) => {
            let number = number.to_string().parse::<i64>().ok()?;
            Some(if i32::try_from(number).is_ok() { DataType::Integer(None) } else { DataType::BigInt(None) })
        }
        Value::SingleQuotedString(_) => Some(DataType::Text),
        _ => None,
    }
}

fn sets(expr: &Expr, items: &[SelectItem]) -> Option<Vec<Vec<Expr>>> {
    let composite = |keys: &[Vec<Expr>]| keys.iter().any(|key| key.len() != 1) || may_repeat(keys, items);
    match expr {
        Expr::Rollup(keys) if composite(keys) => Some(rollup(keys)),
        Expr::Cube(keys) if composite(keys) => Some(cube(keys)),
        _ => None,
    }
}

/// False if surely no key is there twice.
fn may_repeat(keys: &[Vec<Expr>], items: &[SelectItem]) -> bool {
    let mut seen = HashSet::new();
    !keys.iter().flatten().all(|key| seen.insert(known_by(key, items)))
}

/// What is the same for keys that are: columns by their names alone, and for an alias what it stands for.
fn known_by(key: &Expr, items: &[SelectItem]) -> String {
    let meant = items.iter().find_map(|item| match (item, bare(key)) {
        (SelectItem::ExprWithAlias { expr, alias }, Expr::Identifier(name)) if fold_name(alias) == fold_name(name) => Some(expr),
        _ => None,
    });
    let mut meant = bare(meant.unwrap_or(key)).clone();
    each_expression(&mut meant, |expr, _| {
        if let Expr::CompoundIdentifier(parts) = expr
            && let Some(name) = parts.pop()
        {
            *expr = Expr::Identifier(name);
        }
    });
    match meant {
        Expr::Identifier(name) => fold_name(&name),
        other => other.to_string().to_lowercase(),
    }
}

/// The sets of `ROLLUP (..)` or `CUBE (..)` among GROUPING SETS, which the parser takes for calls of functions; `None` for other members.
/// Errors: 54001 and 54011 for too many.
fn within(member: &mut [Expr]) -> Result<Option<Vec<Vec<Expr>>>> {
    let [Expr::Function(call)] = member else { return Ok(None) };
    let name = last_name(&call.name);
    let key = |key: &mut Expr| match key {
        Expr::Tuple(parts) => parts.clone(),
        one => vec![one.clone()],
    };
    let keys: Vec<Vec<Expr>> = arguments(call).into_iter().map(key).collect();
    Ok(match name.as_str() {
        "rollup" => {
            bounded_rollup(&keys)?;
            Some(rollup(&keys))
        }
        "cube" => {
            bounded_cube(&keys)?;
            Some(cube(&keys))
        }
        _ => None,
    })
}

fn bounded_rollup(keys: &[Vec<Expr>]) -> Result<()> {
    bounded(keys.len() + 1, keys.iter().rev().enumerate().map(|(i, key)| (i + 1) * key.len()).sum())
}

/// Each key is in half of the sets.
fn bounded_cube(keys: &[Vec<Expr>]) -> Result<()> {
    if keys.len() > CUBE_MAX {
        return Err(Error::new("54011", format!("CUBE is limited to {CUBE_MAX} elements")));
    }
    let sets = 1 << keys.len();
    bounded(sets, sets / 2 * keys.iter().map(Vec::len).sum::<usize>())
}

/// Errors: 54001 for more sets, or expressions in all of them, than there may be.
fn bounded(sets: usize, expressions: usize) -> Result<()> {
    if sets <= SETS_MAX && expressions <= limits::GROUPED_EXPRESSIONS_MAX {
        return Ok(());
    }
    let error = Error::new(code::STATEMENT_TOO_COMPLEX, format!("too many grouping sets present (maximum {SETS_MAX})"));
    Err(error.detail(format!("In all of them there may be {} expressions.", limits::GROUPED_EXPRESSIONS_MAX)))
}

fn rollup(keys: &[Vec<Expr>]) -> Vec<Vec<Expr>> {
    (0..=keys.len()).rev().map(|n| keys[..n].concat()).collect()
}

fn cube(keys: &[Vec<Expr>]) -> Vec<Vec<Expr>> {
    let member = |set: usize| keys.iter().enumerate().filter(|(i, _)| set >> i & 1 == 1).flat_map(|(_, key)| key.clone()).collect();
    (0..1 << keys.len()).map(member).collect()
}

/// GROUP BY of a table's primary key: the other columns have one value in each group, so a query may name them (manual, chapter 7.2.3).
/// They become keys of the grouping too.
pub fn by_primary_key(query: &mut Query, scope: &Scope) {
    let Query { body, order_by, .. } = query;
    match body.as_mut() {
        SetExpr::Select(select) => keyed_select(select, order_by.as_ref(), scope),
        body => keyed_parts(body, scope),
    }
}

/// The same for what UNION and its kin put together.
fn keyed_parts(body: &mut SetExpr, scope: &Scope) {
    match body {
        SetExpr::Select(select) => keyed_select(select, None, scope),
        SetExpr::SetOperation { left, right, .. } => [left, right].into_iter().for_each(|side| keyed_parts(side, scope)),
        _ => {}
    }
}

fn keyed_select(select: &mut Select, order_by: Option<&OrderBy>, scope: &Scope) {
    let GroupByExpr::Expressions(keys, _) = &select.group_by else { return };
    if keys.is_empty() || keys.iter().any(|k| matches!(k, Expr::GroupingSets(_) | Expr::Rollup(_) | Expr::Cube(_))) {
        return;
    }
    let tables = tables(&select.from, scope);
    let mut grouped: HashSet<(usize, usize)> = HashSet::new();
    for key in keys.iter().cloned().flat_map(alone) {
        let key = &key;
        let key = position(key).and_then(|i| select.projection.get(i)).and_then(expr_of).unwrap_or(key);
        grouped.extend(column(key, &tables).or_else(|| shared(key, &select.from, &tables)));
    }
    let is_whole = |(i, (_, relation)): (usize, &(String, Arc<Relation>))| {
        (!relation.key.is_empty() && relation.key.iter().all(|k| grouped.contains(&(i, *k)))).then_some(i)
    };
    let whole: Vec<usize> = tables.iter().enumerate().filter_map(is_whole).collect();
    if whole.is_empty() {
        return;
    }
    let mut named = Vec::new();
    let mut note = |at: (usize, usize)| {
        if whole.contains(&at.0) && grouped.insert(at) {
            named.push(at);
        }
    };
    let mut mentions = |e: &Expr| {
        column(e, &tables).into_iter().for_each(&mut note);
        ControlFlow::<()>::Continue(())
    };
    let _ = visit_expressions(&select.projection, &mut mentions);
    let _ = visit_expressions(&select.having, &mut mentions);
    if let Some(order_by) = order_by {
        let _ = visit_expressions(order_by, &mut mentions);
    }
    for item in &select.projection {
        let all = match item {
            SelectItem::Wildcard(_) => whole.clone(),
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
                whole.iter().copied().filter(|i| tables[*i].0 == last_name(name)).collect()
            }
            _ => continue,
        };
        all.into_iter().flat_map(|i| (0..tables[i].1.columns.len()).map(move |c| (i, c))).for_each(&mut note);
    }
    let GroupByExpr::Expressions(keys, _) = &mut select.group_by else { return };
    keys.extend(named.into_iter().map(|(i, c)| {
        let (qualifier, relation) = &tables[i];
        Expr::CompoundIdentifier([qualifier, &relation.columns[c].name].map(|part| Ident::with_quote('"', part)).into())
    }));
}

/// `SELECT upper(a) .. GROUP BY a ORDER BY 1`: the planner looks for the expression among the keys unless it has a name.
pub fn ordered_by_position(query: &mut Query) {
    let Query { body, order_by: Some(order), .. } = query else { return };
    let (SetExpr::Select(select), OrderByKind::Expressions(by)) = (body.as_mut(), &order.kind) else { return };
    if matches!(&select.group_by, GroupByExpr::Expressions(keys, _) if keys.is_empty()) {
        return;
    }
    for i in by.iter().filter_map(|one| position(&one.expr)) {
        if let Some(SelectItem::UnnamedExpr(expr)) = select.projection.get_mut(i)
            && !matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_))
        {
            let alias = Ident::with_quote('"', format!("{}{DUPLICATE}{i}", label(expr)));
            select.projection[i] = SelectItem::ExprWithAlias { expr: take(expr), alias };
        }
    }
}

/// The tables of a FROM clause and what they are called there.
fn tables(from: &[TableWithJoins], scope: &Scope) -> Vec<(String, Arc<Relation>)> {
    let table = |factor: &TableFactor| match factor {
        TableFactor::Table { name, alias, args: None, .. } => {
            let relation = scope.find(&relation_name(name).ok()?)?.clone();
            Some((alias.as_ref().map_or_else(|| last_name(name), |a| fold_name(&a.name)), relation))
        }
        _ => None,
    };
    factors(from).filter_map(table).collect()
}

/// The left one of the columns that USING or NATURAL makes one of: in joins that leave none of its rows out it is what the name means.
fn shared(expr: &Expr, from: &[TableWithJoins], tables: &[(String, Arc<Relation>)]) -> Option<(usize, usize)> {
    let Expr::Identifier(name) = bare(expr) else { return None };
    let name = fold_name(name);
    let shares = |constraint: &JoinConstraint| match constraint {
        JoinConstraint::Using(columns) => columns.iter().any(|column| last_name(column) == name),
        JoinConstraint::Natural => true,
        _ => false,
    };
    let mut joins = from.iter().flat_map(|table| &table.joins);
    let keeps = joins.all(|join| match &join.join_operator {
        JoinOperator::Join(by) | JoinOperator::Inner(by) | JoinOperator::Left(by) | JoinOperator::LeftOuter(by) => shares(by),
        _ => false,
    });
    let mut found =
        tables.iter().enumerate().filter_map(|(i, (_, relation))| Some((i, relation.columns.iter().position(|c| c.name == name)?)));
    found.next().filter(|_| keeps && from.len() == 1)
}

/// Which column of which table a name means, if one only can be meant.
fn column(expr: &Expr, tables: &[(String, Arc<Relation>)]) -> Option<(usize, usize)> {
    let (qualifier, name) = match bare(expr) {
        Expr::Identifier(name) => (None, fold_name(name)),
        Expr::CompoundIdentifier(parts) => match parts.as_slice() {
            [.., qualifier, name] => (Some(fold_name(qualifier)), fold_name(name)),
            _ => return None,
        },
        _ => return None,
    };
    let fits = |(i, (called, relation)): (usize, &(String, Arc<Relation>))| {
        let here = qualifier.as_ref().is_none_or(|q| q == called);
        relation.columns.iter().position(|c| here && c.name == name).map(|c| (i, c))
    };
    let mut found = tables.iter().enumerate().filter_map(fits);
    found.next().filter(|_| found.next().is_none())
}

/// `GROUP BY 1` is of the first output column.
pub fn position(expr: &Expr) -> Option<usize> {
    match expr {
        Expr::Value(v) => match &v.value {
            Value::Number(n, _) => n.to_string().parse::<usize>().ok()?.checked_sub(1),
            _ => None,
        },
        _ => None,
    }
}

/// What an item computes; `None` for wildcards.
pub fn expr_of(item: &SelectItem) -> Option<&Expr> {
    match item {
        SelectItem::UnnamedExpr(e) | SelectItem::ExprWithAlias { expr: e, .. } => Some(e),
        _ => None,
    }
}
