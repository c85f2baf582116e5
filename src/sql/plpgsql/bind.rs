//! Parameters in the places of variables.

use std::ops::ControlFlow;

use sqlparser::ast::{self, Expr, Value, Visit, VisitMut};

use super::columns::{Found, Made, find, returned};
use crate::catalog::Name;
use crate::data::quoting::literal;
use crate::error::{Error, Result};
use crate::sql::convert::relation_name;
use crate::sql::fold_name;
use crate::sql::parse::written_expression;
use crate::sql::statement::{Change, Merge, Statement};

/// What columns a name may be of, where it stands.
#[derive(Clone, Copy)]
pub struct Seen<'a> {
    /// The relations of the statement.
    pub relations: &'a [Name],
    /// The statement itself makes a column of that name.
    pub made: bool,
}

/// What a part of a statement may name that stands around it.
#[derive(Clone, Default)]
struct Around {
    relations: Vec<Name>,
    made: Made,
}

/// What the names of a body mean.
pub trait Variables {
    /// The number from 1 of the parameter that stands for a name, if it is a variable's. `seen` is what the name may be a column of.
    fn parameter(&mut self, path: &[String], seen: &Seen) -> Result<Option<usize>>;
    /// The same for `$n` in the body.
    fn positional(&mut self, n: usize) -> Result<usize>;
    /// What stands in the place of a variable: its parameter, or what makes its value of that.
    fn value(&self, n: usize) -> Result<Expr> {
        Ok(parameter(n))
    }
    /// The parameters that stand for the whole row that a name means, if it is a variable that holds one.
    fn row(&mut self, _path: &[String], _seen: &Seen) -> Result<Option<WholeRow>> {
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
    within(statement, &Around::default(), variables)
}

/// The same for a query.
pub fn query(query: &mut ast::Query, variables: &mut dyn Variables) -> Result<()> {
    part(query, &Around::default(), variables)
}

/// The same for a statement that others stand around.
fn within(statement: &mut Statement, around: &Around, variables: &mut dyn Variables) -> Result<()> {
    match statement {
        Statement::Query(query) | Statement::Locking { query, .. } | Statement::CreateTableAs { query, .. } => {
            part(query, around, variables)
        }
        Statement::Insert { table, source, conflict, returning, .. } => {
            part(source, around, variables)?;
            let mut around = around.clone();
            around.relations.push(table.clone());
            if let Some(update) = conflict.as_mut().and_then(|c| c.update.as_mut()) {
                update.assignments.iter_mut().try_for_each(|(_, value)| part(value, &around, variables))?;
                part(&mut update.selection, &around, variables)?;
            }
            part(returning, &around, variables)
        }
        Statement::Update(update) => change(update, around, variables),
        Statement::Delete(delete) => change(delete, around, variables),
        Statement::Merge(merge) => self::merge(merge, around, variables),
        Statement::WithChanges { changes, then } => {
            let mut around = around.clone();
            for change in changes {
                // Before its names become parameters.
                let mut made = around.made.clone();
                made.add_change(change);
                within(&mut change.statement, &around, variables)?;
                around.made = made;
                // RETURNING * answers the columns of the table.
                let is_star =
                    |item: &ast::SelectItem| matches!(item, ast::SelectItem::Wildcard(_) | ast::SelectItem::QualifiedWildcard(..));
                if returned(&change.statement).is_some_and(|items| items.iter().any(is_star)) {
                    around.relations.extend(changed(&change.statement));
                }
            }
            within(then, &around, variables)
        }
        Statement::Execute { arguments, .. } => part(arguments, around, variables),
        Statement::CallProcedure { arguments, .. } => part(arguments, around, variables),
        Statement::Explain { statement, .. } => within(statement, around, variables),
        _ => Ok(()),
    }
}

/// The relation whose rows a statement changes.
fn changed(statement: &Statement) -> Option<Name> {
    match statement {
        Statement::Insert { table, .. } => Some(table.clone()),
        Statement::Update(change) | Statement::Delete(change) => Some(change.table.clone()),
        _ => None,
    }
}

fn change(change: &mut Change, around: &Around, variables: &mut dyn Variables) -> Result<()> {
    let mut made = around.made.clone();
    made.add_with(change.with.as_ref());
    made.add_from(&change.from);
    part(&mut change.with, around, variables)?;
    let mut around = Around { made, ..around.clone() };
    around.relations.extend(relations(&change.from));
    around.relations.push(change.table.clone());
    part(&mut change.from, &around, variables)?;
    change.assignments.iter_mut().try_for_each(|(_, value)| part(value, &around, variables))?;
    if change.cursor().is_none() {
        part(&mut change.selection, &around, variables)?;
    }
    part(&mut change.returning, &around, variables)
}

fn merge(merge: &mut Merge, around: &Around, variables: &mut dyn Variables) -> Result<()> {
    let mut made = around.made.clone();
    made.add_with(merge.with.as_ref());
    made.add_from(std::slice::from_ref(&merge.source));
    part(&mut merge.with, around, variables)?;
    let mut around = Around { made, ..around.clone() };
    around.relations.extend(relations(&merge.source));
    around.relations.push(merge.table.clone());
    part(&mut merge.source, &around, variables)?;
    part(&mut merge.on, &around, variables)?;
    for when in &mut merge.whens {
        part(&mut when.condition, &around, variables)?;
        when.then.values_mut().into_iter().try_for_each(|value| part(value, &around, variables))?;
    }
    Ok(())
}

/// A part of a statement: names in it may be columns of what is around it and of what it names itself.
fn part<T: Visit + VisitMut>(part: &mut T, around: &Around, variables: &mut dyn Variables) -> Result<()> {
    let mut seen = relations(part);
    seen.extend(around.relations.iter().cloned());
    let found = find(part, &around.made);
    finished(ast::visit_expressions_mut(part, |expr| finish(counted_from_one(expr, variables))))?;
    finished(ast::visit_expressions_mut(part, |expr| match replacement(expr, &seen, &found, variables) {
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

fn replacement(expr: &Expr, relations: &[Name], found: &Found, variables: &mut dyn Variables) -> Result<Option<Expr>> {
    let number = match expr {
        Expr::Identifier(name) if !found.is_alias(name) => {
            let (path, seen) = ([fold_name(name)], Seen { relations, made: found.is_column(name) });
            if let Some(row) = variables.row(&path, &seen)? {
                return row.value().map(Some);
            }
            variables.parameter(&path, &seen)?
        }
        Expr::CompoundIdentifier(names) => {
            variables.parameter(&names.iter().map(fold_name).collect::<Vec<_>>(), &Seen { relations, made: false })?
        }
        Expr::Value(value) => match &value.value {
            Value::Placeholder(place) => {
                place.strip_prefix('$').and_then(|n| n.parse().ok()).map(|n| variables.positional(n)).transpose()?
            }
            _ => None,
        },
        _ => None,
    };
    number.map(|n| variables.value(n)).transpose()
}

/// Spreads `row.*` of variables that hold rows where columns or values are listed, and makes it the row itself where it is an argument.
struct Spreading<'a> {
    variables: &'a mut dyn Variables,
    seen: &'a [Name],
}

impl Spreading<'_> {
    fn row(&mut self, name: &ast::ObjectName) -> Result<Option<WholeRow>> {
        match relation_name(name) {
            Ok(Name { schema: None, name }) => self.variables.row(&[name], &Seen { relations: self.seen, made: false }),
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
