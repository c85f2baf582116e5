//! pg_rewrite: the rule of each view. Its action is the tree of the view's query as PostgreSQL writes it, as far as clients read that: the
//! columns that the query gives, and which columns of relations they show. PostgREST finds by it what refers to what through views.

use std::sync::Arc;

use sqlparser::ast::{Expr, ObjectName, Query, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, TableFactor};

use super::super::SystemContext;
use super::super::rows::Rows;
use crate::catalog::{Column, Relation, Scope};
use crate::error::Result;
use crate::sql::convert::relation_name;
use crate::sql::{Statement, fold_name, parse};

/// Added to a view's oid: its rule `_RETURN`, by which PostgreSQL says what a view depends on.
pub(super) const RULE: u32 = (1 << 30) + (1 << 29);

/// A column of a relation that a column of a view shows: the relation's oid, and the column's number from 1; `None` for an expression.
type Origin = Option<(u32, usize)>;

/// What stands in FROM; no relation for a subquery, a function, and whatever has names of its own for its columns.
struct Source<'a> {
    alias: String,
    relation: Option<&'a Arc<Relation>>,
}

pub fn pg_rewrite(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    let scope = Scope::kept(context.scope.catalog.clone());
    for r in context.scope.relations().filter(|r| !r.is_table()) {
        rows.add([
            ("oid", (r.id + RULE).into()),
            ("rulename", "_RETURN".into()),
            ("ev_class", r.id.into()),
            ("ev_type", "1".into()),
            ("ev_enabled", "O".into()),
            ("is_instead", true.into()),
            ("ev_qual", "<>".into()),
            ("ev_action", action(&scope, r).into()),
        ])?;
    }
    Ok(())
}

fn action(scope: &Scope, view: &Relation) -> String {
    let origins = match parse(&view.sql) {
        Ok(Statement::Query(query)) => origins(scope, &query),
        _ => vec![],
    };
    // What is not told apart here is told of no column.
    let known = origins.len() == view.columns.len();
    let entry = |(i, column): (usize, &Column)| {
        let (table, number) = if known { origins[i].unwrap_or((0, 0)) } else { (0, 0) };
        let name = token(&column.name);
        format!("{{TARGETENTRY :resno {} :resname {name} :resorigtbl {table} :resorigcol {number} :resjunk false}}", i + 1)
    };
    let entries: Vec<String> = view.columns.iter().enumerate().map(entry).collect();
    format!("({{QUERY :commandType 1 :targetList ({})}})", entries.join(" "))
}

/// A name as PostgreSQL writes it into a tree.
fn token(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for (i, c) in name.chars().enumerate() {
        let begins_otherwise = i == 0 && (matches!(c, '<' | '"') || c.is_ascii_digit());
        if begins_otherwise || matches!(c, ' ' | '\n' | '\t' | '(' | ')' | '{' | '}' | '\\') {
            text.push('\\');
        }
        text.push(c);
    }
    text
}

/// What the columns of a query show; empty where that is not plain to see.
fn origins(scope: &Scope, query: &Query) -> Vec<Origin> {
    let select = match query.body.as_ref() {
        SetExpr::Select(select) => select,
        SetExpr::Query(inner) if query.with.is_none() => return origins(scope, inner),
        _ => return vec![],
    };
    let ctes: Vec<String> = query.with.iter().flat_map(|with| &with.cte_tables).map(|cte| fold_name(&cte.alias.name)).collect();
    let factors = select.from.iter().flat_map(|t| std::iter::once(&t.relation).chain(t.joins.iter().map(|join| &join.relation)));
    let sources: Vec<Source<'_>> = factors.map(|factor| source(scope, &ctes, factor)).collect();
    let mut all = Vec::new();
    for item in &select.projection {
        let whole = match item {
            SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
                all.push(shown(&sources, expr));
                continue;
            }
            SelectItem::Wildcard(_) if sources.len() == 1 => sources[0].relation,
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => of_alias(&sources, name),
            _ => None,
        };
        let Some(relation) = whole else { return vec![] };
        all.extend((1..=relation.columns.len()).map(|number| Some((relation.id, number))));
    }
    all
}

fn source<'a>(scope: &'a Scope, ctes: &[String], factor: &TableFactor) -> Source<'a> {
    let TableFactor::Table { name, alias, args: None, .. } = factor else { return Source { alias: String::new(), relation: None } };
    let named = relation_name(name).ok();
    let own = named.as_ref().map_or(String::new(), |name| name.name.clone());
    let renames = alias.as_ref().is_some_and(|alias| !alias.columns.is_empty());
    let found = named.filter(|name| !(renames || name.schema.is_none() && ctes.contains(&name.name)));
    let relation = found.and_then(|name| scope.find(&name));
    Source { alias: alias.as_ref().map_or(own, |alias| fold_name(&alias.name)), relation }
}

/// The relation that `alias` stands for.
fn of_alias<'a>(sources: &[Source<'a>], alias: &ObjectName) -> Option<&'a Arc<Relation>> {
    let name = relation_name(alias).ok()?.name;
    sources.iter().find(|source| source.alias == name)?.relation
}

/// The column that an expression is, if it is one.
fn shown(sources: &[Source<'_>], expr: &Expr) -> Origin {
    let place = |relation: &Relation, column: &str| relation.columns.iter().position(|c| c.name == column).map(|i| (relation.id, i + 1));
    match expr {
        Expr::Nested(inner) => shown(sources, inner),
        Expr::Identifier(column) => {
            // Of several sources each must be known, and one only have such a column.
            let known: Vec<&Arc<Relation>> = sources.iter().map(|source| source.relation).collect::<Option<_>>()?;
            let column = fold_name(column);
            let mut found = known.into_iter().filter_map(|relation| place(relation, &column));
            found.next().filter(|_| found.next().is_none())
        }
        Expr::CompoundIdentifier(parts) => {
            let [table, column] = parts.last_chunk::<2>()?;
            let table = fold_name(table);
            place(sources.iter().find(|source| source.alias == table)?.relation?, &fold_name(column))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::token;

    #[test]
    fn names_are_written_into_a_tree_so_that_they_end_where_they_do() {
        assert_eq!(["id", "a b", "1st", "f(x)", "a-b"].map(token), ["id", "a\\ b", "\\1st", "f\\(x\\)", "a-b"]);
    }
}
