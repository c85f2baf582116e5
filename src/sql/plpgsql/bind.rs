//! Parameters in the places of variables.

use std::ops::ControlFlow;

use sqlparser::ast::{self, Expr, Value, Visit, VisitMut};

use crate::catalog::Name;
use crate::data::quoting::literal;
use crate::error::{Error, Result};
use crate::sql::convert::relation_name;
use crate::sql::fold_name;
use crate::sql::parse::written_expression;
use crate::sql::statement::{Change, Merge, Statement};

/// What the names of a body mean.
pub trait Variables {
    /// The number from 1 of the parameter that stands for a name, if it is a variable's. `seen` are the relations whose columns the name
    /// may be of.
    fn parameter(&mut self, path: &[String], seen: &[Name]) -> Result<Option<usize>>;
    /// The same for `$n` in the body.
    fn positional(&mut self, n: usize) -> Result<usize>;
    /// What stands in the place of a variable: its parameter, or what makes its value of that.
    fn value(&self, n: usize) -> Result<Expr> {
        Ok(parameter(n))
    }
    /// The parameters that stand for the whole row that a name means, if it is a variable that holds one.
    fn row(&mut self, _path: &[String], _seen: &[Name]) -> Result<Option<WholeRow>> {
        Ok(None)
    }
    /// True for the name of an array whose first item is number 0.
    fn counts_from_zero(&self, _name: &str) -> bool {
        false
    }
}

/// The parameters that stand for a row.
pub struct WholeRow {
    /// True if there is one: it may be NULL.
    pub there: usize,
    /// Its columns.
    pub fields: Vec<(String, usize)>,
}

impl WholeRow {
    /// The row as a value.
    fn value(&self) -> Result<Expr> {
        let fields: Vec<String> = self.fields.iter().map(|(name, n)| format!("{}, ${n}", literal(name))).collect();
        written_expression(&format!("CASE WHEN ${} THEN named_struct({}) END", self.there, fields.join(", ")))
    }

    /// Its columns, with their names.
    fn items(&self) -> impl Iterator<Item = (ast::Ident, Expr)> {
        self.fields.iter().map(|(name, n)| (ast::Ident::with_quote('"', name), parameter(*n)))
    }
}

/// `$n`
pub fn parameter(n: usize) -> Expr {
    Expr::Value(Value::Placeholder(format!("${n}")).into())
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
    finished(ast::visit_expressions_mut(part, |expr| finish(counted_from_one(expr, variables))))?;
    finished(ast::visit_expressions_mut(part, |expr| match replacement(expr, &seen, &aliases, variables) {
        Ok(Some(value)) => {
            *expr = value;
            ControlFlow::Continue(())
        }
        Ok(None) => ControlFlow::Continue(()),
        Err(e) => ControlFlow::Break(e),
    }))?;
    // Last, as what it puts there are parameters already.
    finished(VisitMut::visit(part, &mut Spreading { variables, seen: &seen }))
}

fn finish(done: Result<()>) -> ControlFlow<Error> {
    done.map_or_else(ControlFlow::Break, ControlFlow::Continue)
}

fn finished(done: ControlFlow<Error>) -> Result<()> {
    match done {
        ControlFlow::Break(e) => Err(e),
        ControlFlow::Continue(()) => Ok(()),
    }
}

/// Makes a subscript of an array that counts from 0 one of an array that counts from 1.
fn counted_from_one(expr: &mut Expr, variables: &dyn Variables) -> Result<()> {
    if let Expr::CompoundFieldAccess { root, access_chain } = expr
        && let Expr::Identifier(name) = root.as_ref()
        && let Some(ast::AccessExpr::Subscript(ast::Subscript::Index { index })) = access_chain.first_mut()
        && variables.counts_from_zero(&fold_name(name))
    {
        *index = written_expression(&format!("({index}) + 1"))?;
    }
    Ok(())
}

fn replacement(expr: &Expr, seen: &[Name], aliases: &[ast::Ident], variables: &mut dyn Variables) -> Result<Option<Expr>> {
    let found = match expr {
        Expr::Identifier(name) if !aliases.iter().any(|alias| alias.span == name.span && alias == name) => {
            let path = [fold_name(name)];
            if let Some(row) = variables.row(&path, seen)? {
                return row.value().map(Some);
            }
            variables.parameter(&path, seen)?
        }
        Expr::CompoundIdentifier(names) => variables.parameter(&names.iter().map(fold_name).collect::<Vec<_>>(), seen)?,
        Expr::Value(value) => match &value.value {
            Value::Placeholder(place) => {
                place.strip_prefix('$').and_then(|n| n.parse().ok()).map(|n| variables.positional(n)).transpose()?
            }
            _ => None,
        },
        _ => None,
    };
    found.map(|n| variables.value(n)).transpose()
}

/// Spreads `row.*` of variables that hold rows where columns or values are listed, and makes it the row itself where it is an argument.
struct Spreading<'a> {
    variables: &'a mut dyn Variables,
    seen: &'a [Name],
}

impl Spreading<'_> {
    fn row(&mut self, name: &ast::ObjectName) -> Result<Option<WholeRow>> {
        match relation_name(name) {
            Ok(Name { schema: None, name }) => self.variables.row(&[name], self.seen),
            _ => Ok(None),
        }
    }

    fn select(&mut self, select: &mut ast::Select) -> Result<()> {
        let mut items = Vec::with_capacity(select.projection.len());
        for item in std::mem::take(&mut select.projection) {
            let row = match &item {
                ast::SelectItem::QualifiedWildcard(ast::SelectItemQualifiedWildcardKind::ObjectName(name), _) => self.row(name)?,
                _ => None,
            };
            match row {
                Some(row) => items.extend(row.items().map(|(alias, expr)| ast::SelectItem::ExprWithAlias { expr, alias })),
                None => items.push(item),
            }
        }
        select.projection = items;
        Ok(())
    }

    fn values(&mut self, values: &mut ast::Values) -> Result<()> {
        for row in &mut values.rows {
            let mut content = Vec::with_capacity(row.content.len());
            for value in std::mem::take(&mut row.content) {
                let spread = if let Expr::QualifiedWildcard(name, _) = &value { self.row(name)? } else { None };
                match spread {
                    Some(row) => content.extend(row.items().map(|(_, expr)| expr)),
                    None => content.push(value),
                }
            }
            row.content = content;
        }
        Ok(())
    }

    fn expression(&mut self, expr: &mut Expr) -> Result<()> {
        let Expr::Function(function) = &mut *expr else { return Ok(()) };
        let is_row = function.name.0.last().and_then(|part| part.as_ident()).is_some_and(|name| fold_name(name) == "row");
        let ast::FunctionArguments::List(list) = &mut function.args else { return Ok(()) };
        let alone = is_row && list.args.len() == 1;
        for argument in &mut list.args {
            let ast::FunctionArg::Unnamed(ast::FunctionArgExpr::QualifiedWildcard(name)) = &*argument else { continue };
            let Some(row) = self.row(&name.clone())? else { continue };
            let value = row.value()?;
            if alone {
                *expr = value;
                return Ok(());
            }
            *argument = ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(value));
        }
        Ok(())
    }
}

impl ast::VisitorMut for Spreading<'_> {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &mut ast::Query) -> ControlFlow<Error> {
        match query.body.as_mut() {
            ast::SetExpr::Values(values) => finish(self.values(values)),
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_select(&mut self, select: &mut ast::Select) -> ControlFlow<Error> {
        finish(self.select(select))
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        finish(self.expression(expr))
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
