//! Parameters in the places of variables.

use std::ops::ControlFlow;

use sqlparser::ast::{self, Expr, Value, Visit, VisitMut};

use crate::catalog::Name;
use crate::error::Result;
use crate::sql::convert::relation_name;
use crate::sql::fold_name;
use crate::sql::statement::{Change, Merge, Statement};

/// What the names of a body mean.
pub trait Variables {
    /// The number from 1 of the parameter that stands for a name, if it is a variable's. `seen` are the relations whose columns the name
    /// may be of.
    fn parameter(&mut self, path: &[String], seen: &[Name]) -> Result<Option<usize>>;
    /// The same for `$n` in the body.
    fn positional(&mut self, n: usize) -> Result<usize>;
}

/// Puts parameters in the places of variables of a statement. Errors: those of `variables`.
pub fn statement(statement: &mut Statement, variables: &mut dyn Variables) -> Result<()> {
    match statement {
        Statement::Query(query) | Statement::Locking { query, .. } | Statement::CreateTableAs { query, .. } => part(query, &[], variables),
        Statement::Insert { table, source, conflict, returning, .. } => {
            part(source, &[], variables)?;
            let seen = [table.clone()];
            if let Some(update) = conflict.as_mut().and_then(|c| c.update.as_mut()) {
                update.assignments.iter_mut().try_for_each(|(_, value)| part(value, &seen, variables))?;
                part(&mut update.selection, &seen, variables)?;
            }
            part(returning, &seen, variables)
        }
        Statement::Update(update) => change(update, variables),
        Statement::Delete(delete) => change(delete, variables),
        Statement::Merge(merge) => self::merge(merge, variables),
        Statement::WithChanges { changes, then } => {
            changes.iter_mut().try_for_each(|c| self::statement(&mut c.statement, variables))?;
            self::statement(then, variables)
        }
        Statement::Execute { arguments, .. } => part(arguments, &[], variables),
        Statement::CallProcedure { arguments, .. } => part(arguments, &[], variables),
        Statement::Explain { statement, .. } => self::statement(statement, variables),
        _ => Ok(()),
    }
}

/// The same for a query.
pub fn query(query: &mut ast::Query, variables: &mut dyn Variables) -> Result<()> {
    part(query, &[], variables)
}

fn change(change: &mut Change, variables: &mut dyn Variables) -> Result<()> {
    let mut seen = relations(&change.from);
    seen.push(change.table.clone());
    part(&mut change.with, &[], variables)?;
    part(&mut change.from, &seen, variables)?;
    change.assignments.iter_mut().try_for_each(|(_, value)| part(value, &seen, variables))?;
    if change.cursor().is_none() {
        part(&mut change.selection, &seen, variables)?;
    }
    part(&mut change.returning, &seen, variables)
}

fn merge(merge: &mut Merge, variables: &mut dyn Variables) -> Result<()> {
    let mut seen = relations(&merge.source);
    seen.push(merge.table.clone());
    part(&mut merge.with, &[], variables)?;
    part(&mut merge.source, &seen, variables)?;
    part(&mut merge.on, &seen, variables)?;
    for when in &mut merge.whens {
        part(&mut when.condition, &seen, variables)?;
        when.then.values_mut().into_iter().try_for_each(|value| part(value, &seen, variables))?;
    }
    Ok(())
}

/// A part of a statement: names in it may be columns of the relations `outer` and of those that it names itself.
fn part<T: Visit + VisitMut>(part: &mut T, outer: &[Name], variables: &mut dyn Variables) -> Result<()> {
    let mut seen = relations(part);
    seen.extend(outer.iter().cloned());
    let aliases = ordering_aliases(part);
    let done = ast::visit_expressions_mut(part, |expr| match replacement(expr, &seen, &aliases, variables) {
        Ok(Some(n)) => {
            *expr = Expr::Value(Value::Placeholder(format!("${n}")).into());
            ControlFlow::Continue(())
        }
        Ok(None) => ControlFlow::Continue(()),
        Err(e) => ControlFlow::Break(e),
    });
    match done {
        ControlFlow::Break(e) => Err(e),
        ControlFlow::Continue(()) => Ok(()),
    }
}

fn replacement(expr: &Expr, seen: &[Name], aliases: &[ast::Ident], variables: &mut dyn Variables) -> Result<Option<usize>> {
    match expr {
        Expr::Identifier(name) if !aliases.iter().any(|alias| alias.span == name.span && alias == name) => {
            variables.parameter(&[fold_name(name)], seen)
        }
        Expr::CompoundIdentifier(names) => variables.parameter(&names.iter().map(fold_name).collect::<Vec<_>>(), seen),
        Expr::Value(value) => match &value.value {
            Value::Placeholder(place) => place.strip_prefix('$').and_then(|n| n.parse().ok()).map(|n| variables.positional(n)).transpose(),
            _ => Ok(None),
        },
        _ => Ok(None),
    }
}

/// The relations that a part names.
fn relations<T: Visit>(part: &T) -> Vec<Name> {
    let mut found = Vec::new();
    let _ = ast::visit_relations(part, |name| {
        found.extend(relation_name(name));
        ControlFlow::<()>::Continue(())
    });
    found
}

/// What ORDER BY names that is an alias of its SELECT: an alias goes before a variable there.
fn ordering_aliases<T: Visit>(part: &T) -> Vec<ast::Ident> {
    struct Aliases(Vec<ast::Ident>);
    impl ast::Visitor for Aliases {
        type Break = ();
        fn pre_visit_query(&mut self, query: &ast::Query) -> ControlFlow<()> {
            let (Some(ast::OrderBy { kind: ast::OrderByKind::Expressions(by), .. }), ast::SetExpr::Select(select)) =
                (&query.order_by, query.body.as_ref())
            else {
                return ControlFlow::Continue(());
            };
            let is_alias = |name: &ast::Ident| {
                select
                    .projection
                    .iter()
                    .any(|item| matches!(item, ast::SelectItem::ExprWithAlias { alias, .. } if fold_name(alias) == fold_name(name)))
            };
            self.0.extend(by.iter().filter_map(|by| match &by.expr {
                Expr::Identifier(name) if is_alias(name) => Some(name.clone()),
                _ => None,
            }));
            ControlFlow::Continue(())
        }
    }
    let mut aliases = Aliases(vec![]);
    let _ = part.visit(&mut aliases);
    aliases.0
}
