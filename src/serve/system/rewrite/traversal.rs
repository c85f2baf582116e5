//! SEARCH and CYCLE of recursive queries, written out as PostgreSQL's manual does (chapter 7.8.2). `r AS (first UNION ALL next) SEARCH .. CYCLE ..`
//! becomes two queries: one that is recursive and has the order, the mark and the path of each row as columns of its own, and `r`, which shows
//! them as the clauses say. For BREADTH FIRST the former counts the steps, which is all that the row it shows needs.

use std::collections::HashSet;

use sqlparser::ast::helpers::attached_token::AttachedToken;
use sqlparser::ast::{
    BinaryOperator, Cte, Expr, Ident, ObjectName, Query, Select, SelectItem, SetExpr, SetOperator, TableAlias, TableAliasColumnDef,
    TableFactor,
};

use super::build::{binary, column_of, last_name, parsed};
use super::queries::name_of_item;
use super::recursion;
use super::recursive_form::reads;
use crate::error::{Error, Result, code};
use crate::sql::fold_name;
use crate::sql::traversal::{self, Clauses, Cycle, Search};

/// What is behind the name of the query with the columns of the clauses.
const TRAVERSED: &str = " traversed";

/// Writes out the clauses of the queries of WITH. Errors: 42601, 42701, 42702 and 0A000 for clauses that cannot be.
pub fn written_out(query: &mut Query) -> Result<()> {
    if !query.with.iter().flat_map(|with| &with.cte_tables).any(|cte| cte.from.is_some()) {
        return Ok(());
    }
    recursion::typed(query);
    let Some(with) = query.with.as_mut() else { return Ok(()) };
    let mut written = Vec::with_capacity(with.cte_tables.len() + 1);
    for mut cte in std::mem::take(&mut with.cte_tables) {
        match cte.from.take() {
            Some(clauses) => written.extend(of_query(cte, &traversal::read(&clauses.value)?, with.recursive)?),
            None => written.push(cte),
        }
    }
    with.cte_tables = written;
    Ok(())
}

/// The query that is recursive, and the one that shows it.
fn of_query(cte: Cte, clauses: &Clauses, recursive: bool) -> Result<[Cte; 2]> {
    let name = fold_name(&cte.alias.name);
    let body = cte.query.body;
    let SetExpr::SetOperation { op: SetOperator::Union, set_quantifier, left, right } = *body else { return Err(not_recursive()) };
    if !recursive || reads(right.as_ref(), &name) == 0 {
        return Err(not_recursive());
    }
    let columns = if cte.alias.columns.is_empty() { names(&left)? } else { cte.alias.columns.iter().map(|c| fold_name(&c.name)).collect() };
    checked(clauses, &columns)?;
    let traversed = format!("{name}{TRAVERSED}");
    let next = stepping(*right, clauses, &name, &traversed)?;
    let carried = carried(clauses);
    let own = listed(&columns);
    let all: Vec<String> = columns.iter().chain(&carried).cloned().collect();
    let (first, following, shown) = (first(clauses), following(clauses), shown(clauses));
    let text = format!(
        "SELECT {own}{first} FROM (SELECT 1) AS found ({own}) UNION {set_quantifier} SELECT {own}{following} FROM (SELECT 1) AS found ({})",
        listed(&all)
    );
    let mut rows = parsed(&text)?;
    if let SetExpr::SetOperation { left: base, right: step, .. } = rows.body.as_mut() {
        within(base, *left)?;
        within(step, SetExpr::Select(next))?;
    }
    let rows = named(cte.alias.clone(), &traversed, &all, rows);
    let told = named(cte.alias, &name, &all, parsed(&format!("SELECT {own}{shown} FROM {}", quoted(&traversed)))?);
    Ok([rows, told])
}

/// The part that is recursive, reading the rows by their other name and with what they carry.
fn stepping(right: SetExpr, clauses: &Clauses, name: &str, traversed: &str) -> Result<Box<Select>> {
    let right = match right {
        SetExpr::Query(query) if query.with.is_none() => *query.body,
        other => other,
    };
    let SetExpr::Select(mut next) = right else {
        return Err(Error::unsupported("with a SEARCH or CYCLE clause, the right side of the UNION must be a SELECT"));
    };
    let Some(own) = renamed(&mut next, name, traversed) else {
        let place = "must be at the top level of its right-hand SELECT";
        return Err(Error::unsupported(format!("with a SEARCH or CYCLE clause, the recursive reference to WITH query \"{name}\" {place}")));
    };
    next.projection.extend(carried(clauses).iter().map(|column| SelectItem::UnnamedExpr(column_of(&own, column))));
    if let Some(cycle) = &clauses.cycle {
        let open = binary(column_of(&own, &fold_name(&cycle.mark)), BinaryOperator::NotEq, cycle.value.clone());
        next.selection = Some(match next.selection.take() {
            Some(condition) => binary(Expr::Nested(Box::new(condition)), BinaryOperator::And, open),
            None => open,
        });
    }
    Ok(next)
}

/// What the rows carry beside their own columns.
fn carried(clauses: &Clauses) -> Vec<String> {
    let sequence = clauses.search.iter().map(|search| fold_name(&search.sequence));
    sequence.chain(clauses.cycle.iter().flat_map(|cycle| [&cycle.mark, &cycle.path].map(fold_name))).collect()
}

/// What the first rows carry.
fn first(clauses: &Clauses) -> String {
    let sequence = clauses.search.as_ref().map(|search| match search {
        Search { by_depth: true, columns, .. } => format!(", ARRAY[{}]", row("", columns)),
        Search { by_depth: false, .. } => ", 0".to_string(),
    });
    let path = clauses.cycle.as_ref().map(|cycle| format!(", {}, ARRAY[{}]", cycle.default, row("", &cycle.columns)));
    sequence.into_iter().chain(path).collect()
}

/// What the rows of a step carry, by those that they were found from.
fn following(clauses: &Clauses) -> String {
    let sequence = clauses.search.as_ref().map(|Search { by_depth, columns, sequence }| {
        let sequence = quoted(&fold_name(sequence));
        if *by_depth { format!(", found.{sequence} || {}", row("", columns)) } else { format!(", found.{sequence} + 1") }
    });
    let path = clauses.cycle.as_ref().map(|Cycle { columns, value, default, path, .. }| {
        let (row, path) = (row("", columns), quoted(&fold_name(path)));
        format!(", CASE WHEN {row} = ANY (found.{path}) THEN {value} ELSE {default} END, found.{path} || {row}")
    });
    sequence.into_iter().chain(path).collect()
}

/// What is shown of it.
fn shown(clauses: &Clauses) -> String {
    let sequence = clauses.search.as_ref().map(|Search { by_depth, columns, sequence }| {
        let sequence = quoted(&fold_name(sequence));
        if *by_depth { format!(", {sequence}") } else { format!(", {}", row(&format!("{sequence}, "), columns)) }
    });
    let path = clauses.cycle.as_ref().map(|cycle| format!(", {}", listed(&[&cycle.mark, &cycle.path].map(fold_name))));
    sequence.into_iter().chain(path).collect()
}

/// `ROW(before, columns)`
fn row(before: &str, columns: &[Ident]) -> String {
    let columns: Vec<String> = columns.iter().map(fold_name).collect();
    format!("ROW({before}{})", listed(&columns))
}

fn quoted(name: &str) -> String {
    Ident::with_quote('"', name).to_string()
}

fn listed(names: &[String]) -> String {
    names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ")
}

fn named(alias: TableAlias, name: &str, columns: &[String], query: Box<Query>) -> Cte {
    let column = |name: &String| TableAliasColumnDef { name: Ident::with_quote('"', name), data_type: None };
    let alias = TableAlias { name: Ident::with_quote('"', name), columns: columns.iter().map(column).collect(), ..alias };
    Cte { alias, query, from: None, materialized: None, closing_paren_token: AttachedToken::empty() }
}

/// Puts a query into the FROM of a SELECT of ours, in the place of the one there.
fn within(select: &mut SetExpr, body: SetExpr) -> Result<()> {
    if let SetExpr::Select(select) = select
        && let Some(TableFactor::Derived { subquery, .. }) = select.from.first_mut().map(|from| &mut from.relation)
    {
        *subquery.body = body;
        return Ok(());
    }
    Err(Error::internal("a SELECT of ours has a query in FROM"))
}

/// Gives the relation of that name in FROM another one; what the SELECT calls it is returned.
fn renamed(select: &mut Select, name: &str, traversed: &str) -> Option<String> {
    let factors = select.from.iter_mut().flat_map(|from| {
        let joined = from.joins.iter_mut().map(|join| &mut join.relation);
        std::iter::once(&mut from.relation).chain(joined)
    });
    for factor in factors {
        if let TableFactor::Table { name: table, alias, args: None, .. } = factor
            && table.0.len() == 1
            && last_name(table) == name
        {
            *table = ObjectName::from(vec![Ident::with_quote('"', traversed)]);
            let own = Ident::with_quote('"', name);
            let alias = alias.get_or_insert_with(|| TableAlias { explicit: true, name: own, columns: vec![], at: None });
            return Some(fold_name(&alias.name));
        }
    }
    None
}

/// The names of the columns of a query's first SELECT.
fn names(body: &SetExpr) -> Result<Vec<String>> {
    let all: Option<Vec<String>> = match body {
        SetExpr::Select(select) => select.projection.iter().map(name_of_item).collect(),
        SetExpr::Query(query) => return names(&query.body),
        SetExpr::SetOperation { left, .. } => return names(left),
        SetExpr::Values(values) => values.rows.first().map(|row| (1..=row.content.len()).map(|i| format!("column{i}")).collect()),
        _ => None,
    };
    all.ok_or_else(|| {
        let error = Error::unsupported("a SEARCH or CYCLE clause of a query whose columns are not named is not supported");
        error.hint("Name the columns behind the name of the WITH query, or in its first SELECT.")
    })
}

/// Errors: 42601 and 42701 for columns that the clauses cannot be about.
fn checked(clauses: &Clauses, columns: &[String]) -> Result<()> {
    let lists = [("search", clauses.search.as_ref().map(|s| &s.columns)), ("cycle", clauses.cycle.as_ref().map(|c| &c.columns))];
    for (clause, list) in lists {
        let mut seen = HashSet::new();
        for column in list.into_iter().flatten().map(fold_name) {
            if !columns.contains(&column) {
                return Err(Error::syntax(format!("{clause} column \"{column}\" not in WITH query column list")));
            }
            if !seen.insert(column.clone()) {
                return Err(Error::new(code::DUPLICATE_COLUMN, format!("{clause} column \"{column}\" specified more than once")));
            }
        }
    }
    let sequence = clauses.search.as_ref().map(|search| ("search sequence", &search.sequence));
    let marks = clauses.cycle.as_ref().map(|cycle| [("cycle mark", &cycle.mark), ("cycle path", &cycle.path)]);
    let added: Vec<(&str, String)> =
        sequence.into_iter().chain(marks.into_iter().flatten()).map(|(what, name)| (what, fold_name(name))).collect();
    for (i, (what, name)) in added.iter().enumerate() {
        if columns.contains(name) {
            let message = format!("{what} column name \"{name}\" already used in WITH query column list");
            return Err(Error::new(code::DUPLICATE_COLUMN, message));
        }
        if let Some((other, _)) = added[i + 1..].iter().find(|(_, other)| other == name) {
            return Err(Error::syntax(format!("{what} column name and {other} column name are the same")));
        }
    }
    Ok(())
}

fn not_recursive() -> Error {
    Error::syntax("WITH query is not recursive")
}
