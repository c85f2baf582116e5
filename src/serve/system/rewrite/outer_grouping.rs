//! Queries whose aggregates stand in subqueries: `SELECT a, (SELECT c.name FROM c WHERE c.id = max(o.b)) FROM o GROUP BY a`, where max(o.b)
//! is of the query around (manual, chapter 4.2.7). The planner takes it for the subquery's. So the rows are grouped in a table of their own,
//! `FROM (SELECT a AS g0, max(o.b) AS a0 FROM o GROUP BY a)`, and the list, HAVING and ORDER BY name its columns.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Distinct, Expr, GroupByExpr, Ident, OrderByKind, Query, Select, SelectItem, SetExpr, TableAlias, TableFactor, TableWithJoins, VisitMut,
    VisitorMut,
};

use super::build::{bare, column_of, each_expression, query_of, take};
use super::columns::Columns;
use super::grouping::{expr_of, position};
use super::outer_aggregates::{Scope, is_aggregate, named, names_of_aggregate, not_supported, without_from};
use super::queries::{label, name_of_item};
use crate::error::Result;
use crate::sql::fold_name;

/// Rewrites a query that is one SELECT, ORDER BY included, `depth` SELECTs further in. Errors: 0A000 where it names what it does not group by.
pub fn of_query(query: &mut Query, depth: usize, columns: Columns<'_>) -> Result<()> {
    let Query { body, order_by, .. } = query;
    let SetExpr::Select(select) = body.as_mut() else { return Ok(()) };
    let mut by: Vec<&mut Expr> = Vec::new();
    if let Some(OrderByKind::Expressions(all)) = order_by.as_mut().map(|by| &mut by.kind) {
        // A name alone is an output column's first.
        let is_output = |expr: &Expr| {
            let Expr::Identifier(name) = expr else { return false };
            select.projection.iter().any(|item| name_of_item(item).is_some_and(|item| item == fold_name(name)))
        };
        by.extend(all.iter_mut().map(|one| &mut one.expr).filter(|expr| !is_output(expr)));
    }
    apart(select, by, depth, columns)
}

/// The same for a SELECT without ORDER BY.
pub fn of_select(select: &mut Select, depth: usize, columns: Columns<'_>) -> Result<()> {
    apart(select, vec![], depth, columns)
}

fn apart(select: &mut Select, mut by: Vec<&mut Expr>, depth: usize, columns: Columns<'_>) -> Result<()> {
    // Whether there are such aggregates is cheaper to know than the columns.
    if !has_aggregates_within(select, &mut by) {
        return Ok(());
    }
    let scope = Scope::of(select, columns);
    let groups = groups(select, &scope);
    let mut grouping = Grouping {
        columns,
        scopes: vec![scope],
        table: format!("__grouped_{depth}"),
        groups: groups.clone().unwrap_or_default(),
        aggregates: vec![],
        within: false,
        ungrouped: false,
    };
    let mut parts: Vec<Expr> = select.projection.iter().filter_map(|item| expr_of(item).cloned()).collect();
    let is_star = parts.len() < select.projection.len();
    parts.extend(select.having.clone());
    parts.extend(by.iter().map(|expr| (**expr).clone()));
    for part in &mut parts {
        let _ = VisitMut::visit(part, &mut grouping);
    }
    if !grouping.within {
        return Ok(());
    }
    let is_plain = select.named_window.is_empty() && !matches!(select.distinct, Some(Distinct::On(_)));
    if is_star || grouping.ungrouped || groups.is_none() || !is_plain {
        return Err(not_supported());
    }
    let mut parts = parts.into_iter();
    for (item, expr) in select.projection.iter_mut().zip(parts.by_ref()) {
        let alias = match &*item {
            SelectItem::ExprWithAlias { alias, .. } => alias.clone(),
            other => Ident::with_quote('"', expr_of(other).map_or_else(String::new, label)),
        };
        *item = SelectItem::ExprWithAlias { expr, alias };
    }
    let having = select.having.is_some().then(|| parts.next()).flatten();
    by.into_iter().zip(parts).for_each(|(expr, part)| *expr = part);
    select.from = vec![grouping.rows(select)?];
    select.selection = having;
    select.having = None;
    select.group_by = GroupByExpr::Expressions(vec![], vec![]);
    Ok(())
}

/// True if an aggregate stands in a subquery of the SELECT list, HAVING or ORDER BY. Those of subqueries without a FROM stand there no longer.
fn has_aggregates_within(select: &mut Select, by: &mut [&mut Expr]) -> bool {
    let mut within = false;
    let mut visit = |expr: &mut Expr, queries: usize| match queries {
        0 => without_from(expr),
        _ => within |= is_aggregate(expr),
    };
    each_expression(&mut select.projection, &mut visit);
    each_expression(&mut select.having, &mut visit);
    by.iter_mut().for_each(|expr| each_expression(&mut **expr, &mut visit));
    within
}

/// The expressions that a SELECT groups by; `None` for sets of them, and where it is not known whether a name is a column.
fn groups(select: &Select, scope: &Scope) -> Option<Vec<Expr>> {
    let GroupByExpr::Expressions(keys, modifiers) = &select.group_by else { return None };
    let key = |key: &Expr| match bare(key) {
        Expr::GroupingSets(_) | Expr::Rollup(_) | Expr::Cube(_) | Expr::Tuple(_) => None,
        Expr::Identifier(name) if !scope.has(None, &fold_name(name)) => {
            let mut items = select.projection.iter();
            let aliased = items.find(|item| matches!(item, SelectItem::ExprWithAlias { alias, .. } if alias == name));
            aliased.filter(|_| scope.is_whole()).and_then(expr_of).cloned()
        }
        number @ Expr::Value(_) => select.projection.get(position(number)?).and_then(expr_of).cloned(),
        other => Some(other.clone()),
    };
    if modifiers.is_empty() { keys.iter().map(key).collect() } else { None }
}

/// Puts the columns of the grouped rows in the place of keys and aggregates.
struct Grouping<'a> {
    columns: Columns<'a>,
    /// Of the SELECT that groups, and of those within it around a place.
    scopes: Vec<Scope>,
    /// What the grouped rows are called.
    table: String,
    groups: Vec<Expr>,
    aggregates: Vec<Expr>,
    /// True if an aggregate stood in a subquery.
    within: bool,
    /// True if there is a column that is neither a key nor in an aggregate, or one of which it is not known whose it is.
    ungrouped: bool,
}

/// Whose a column is.
#[derive(PartialEq)]
enum Owner {
    /// Of a query within the one that groups.
    Within,
    Grouped,
    Around,
    Unknown,
}

impl VisitorMut for Grouping<'_> {
    type Break = ();

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        self.scopes.push(Scope::of(select, self.columns));
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, _: &mut Select) -> ControlFlow<()> {
        self.scopes.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let own = self.scopes.len() == 1;
        if is_aggregate(expr) && (own || self.is_grouped(expr)) {
            self.within |= !own;
            *expr = self.aggregate(take(expr));
        } else if let Some(key) = self.groups.iter().position(|key| own && key == bare(expr)) {
            *expr = self.key(key);
        } else if let Some((table, column)) = named(expr) {
            match self.owner(table.as_deref(), &column) {
                Owner::Grouped => match self.groups.iter().position(|key| is_column(key, table.as_deref(), &column)) {
                    Some(key) => *expr = self.key(key),
                    None => self.ungrouped = true,
                },
                Owner::Unknown => self.ungrouped = true,
                Owner::Within | Owner::Around => {}
            }
        }
        ControlFlow::Continue(())
    }
}

impl Grouping<'_> {
    fn owner(&self, table: Option<&str>, column: &str) -> Owner {
        for (i, scope) in self.scopes.iter().enumerate().rev() {
            if scope.has(table, column) {
                return if i == 0 { Owner::Grouped } else { Owner::Within };
            }
            if table.is_none() && !scope.is_whole() {
                return Owner::Unknown;
            }
        }
        Owner::Around
    }

    /// True if the aggregate of a query within names columns of the one that groups, and no others.
    fn is_grouped(&self, aggregate: &Expr) -> bool {
        let Some(names) = names_of_aggregate(aggregate) else { return false };
        !names.is_empty() && names.iter().all(|(table, column)| self.owner(table.as_deref(), column) == Owner::Grouped)
    }

    fn aggregate(&mut self, aggregate: Expr) -> Expr {
        let place = self.aggregates.iter().position(|known| *known == aggregate).unwrap_or_else(|| {
            self.aggregates.push(aggregate);
            self.aggregates.len() - 1
        });
        column_of(&self.table, &format!("a{place}"))
    }

    fn key(&self, place: usize) -> Expr {
        column_of(&self.table, &format!("g{place}"))
    }

    /// The grouped rows of a SELECT as a table.
    fn rows(self, select: &Select) -> Result<TableWithJoins> {
        let item = |prefix: char| {
            move |(i, expr): (usize, Expr)| SelectItem::ExprWithAlias { expr, alias: Ident::with_quote('"', format!("{prefix}{i}")) }
        };
        // By expressions: names and numbers of the list that was mean nothing in this one.
        let group_by = GroupByExpr::Expressions(self.groups.clone(), vec![]);
        let keys = self.groups.into_iter().enumerate().map(item('g'));
        let projection = keys.chain(self.aggregates.into_iter().enumerate().map(item('a'))).collect();
        let grouped = Select { projection, distinct: None, having: None, group_by, ..select.clone() };
        let subquery = Box::new(query_of(SetExpr::Select(Box::new(grouped)))?);
        let alias = TableAlias { explicit: true, name: Ident::with_quote('"', self.table), columns: vec![], at: None };
        let relation = TableFactor::Derived { lateral: false, subquery, alias: Some(alias), sample: None };
        Ok(TableWithJoins { relation, joins: vec![] })
    }
}

/// True if an expression is that column.
fn is_column(expr: &Expr, table: Option<&str>, column: &str) -> bool {
    named(expr).is_some_and(|(of, name)| name == column && (table.is_none() || of.is_none() || of.as_deref() == table))
}
