//! Views that rows are written through (manual, CREATE VIEW, "Updatable Views").
//!
//! Such a view shows rows of one relation, each by itself: of a stream, of a table, or of another such view ([`Level`]). What is written to its
//! columns is written to the columns that they show; the others, which are computed, are read only.

use std::ops::ControlFlow;
use std::sync::Arc;

use sqlparser::ast::{self, Expr, SelectItem, TableFactor};

use super::facts::PROCS;
use super::rewrite::is_aggregate;
use crate::catalog::{Relation, RelationKind, Scope, TriggerEvent};
use crate::sql::convert::relation_name;
use crate::sql::{Statement, fold_name, hidden, parse};

/// A view that rows are written through.
pub struct Updatable {
    /// The view, and those that it reads, down to the one that reads `base`.
    pub levels: Vec<Level>,
    /// The stream, table or partition whose rows they show, or the view that has triggers in the place of what a statement would do to it.
    pub base: Arc<Relation>,
}

/// One of the views.
pub struct Level {
    pub view: Arc<Relation>,
    pub query: Box<ast::Query>,
    /// For each of its columns the one that it shows of what it reads; `None` for one that is computed.
    pub shows: Vec<Option<usize>>,
    /// The name that its query gives to what it reads.
    pub alias: String,
    /// True if it names columns that only rows that are written have.
    pub names_hidden: bool,
}

/// What is done to rows, as bits (pg_relation_is_updatable(): manual, chapter 9.26).
pub const UPDATE: i64 = 4;
pub const INSERT: i64 = 8;
pub const DELETE: i64 = 16;

/// The changes of a view for which its triggers do something else.
pub fn changes_replaced(relation: &Relation) -> i64 {
    let events = [(TriggerEvent::Update, UPDATE), (TriggerEvent::Insert, INSERT), (TriggerEvent::Delete, DELETE)];
    events.into_iter().filter(|(event, _)| relation.is_replaced_on(*event)).map(|(_, bit)| bit).sum()
}

/// The changes that a relation takes, and those that each of its columns does: none if it is computed. Cost: that of [`Updatable::of`] for a view.
pub fn changes_taken(scope: &Scope, relation: &Arc<Relation>) -> (i64, Vec<bool>) {
    let of_kind = |kind| match kind {
        RelationKind::Table | RelationKind::Partition => UPDATE | INSERT | DELETE,
        RelationKind::Stream => INSERT,
        _ => 0,
    };
    let is_view = relation.kind == RelationKind::View;
    let views = if is_view { Updatable::of(scope, relation, TriggerEvent::Update).ok() } else { None };
    let mut taken = of_kind(views.as_ref().map_or(relation.kind, |views| views.base.kind));
    let shows = |at: usize| views.as_ref().is_none_or(|views| views.shown(0, at).is_some());
    if !(0..relation.columns.len()).any(shows) {
        taken &= DELETE;
    }
    (taken, (0..relation.columns.len()).map(|at| taken & UPDATE != 0 && shows(at)).collect())
}

/// Why rows are not written through a view, as PostgreSQL words it.
type Reason = &'static str;

const NOT_OF_ONE: Reason = "Views that do not select from a single table or view are not automatically updatable.";

impl Updatable {
    /// What is written through a view by a statement that does that. Errors: why nothing is. Cost: that of parsing the texts of the views.
    pub fn of(scope: &Scope, view: &Arc<Relation>, event: TriggerEvent) -> Result<Updatable, Reason> {
        let kept = Scope::kept(scope.catalog.clone());
        let (mut levels, mut at) = (Vec::new(), view.clone());
        let ends = |at: &Relation, levels: &[Level]| !levels.is_empty() && at.is_replaced_on(event);
        while at.kind == RelationKind::View && !ends(&at, &levels) {
            let (level, below) = Level::of(&kept, &at)?;
            levels.push(level);
            at = below;
        }
        let has_rows = at.kind != RelationKind::MaterializedView && at.ksql.is_none();
        if has_rows { Ok(Updatable { levels, base: at }) } else { Err(NOT_OF_ONE) }
    }

    /// The view that is named.
    pub fn view(&self) -> &Arc<Relation> {
        &self.levels[0].view
    }

    /// The column of the base that a column of view `level` shows.
    pub fn shown(&self, level: usize, column: usize) -> Option<usize> {
        self.levels[level..].iter().try_fold(column, |column, level| *level.shows.get(column)?)
    }

    /// The column of view `level` that shows one of the base.
    pub fn showing(&self, level: usize, column: usize) -> Option<usize> {
        (0..self.levels[level].view.columns.len()).find(|at| self.shown(level, *at) == Some(column))
    }

    /// True if every column of the base is there under its own name.
    pub fn is_whole(&self) -> bool {
        let own = |at: usize| self.showing(0, at).is_some_and(|shows| self.view().columns[shows].name == self.base.columns[at].name);
        (0..self.base.columns.len()).all(own)
    }
}

impl Level {
    /// A view, and what it reads.
    fn of(scope: &Scope, view: &Arc<Relation>) -> Result<(Level, Arc<Relation>), Reason> {
        let Ok(Statement::Query(query)) = parse(&view.sql) else { return Err(NOT_OF_ONE) };
        let select = plain_select(&query)?;
        let [ast::TableWithJoins { relation: TableFactor::Table { name, alias, args: None, sample: None, .. }, joins }] =
            select.from.as_slice()
        else {
            return Err(NOT_OF_ONE);
        };
        let name = relation_name(name).map_err(|_| NOT_OF_ONE)?;
        let below = scope.find(&name).filter(|_| joins.is_empty()).cloned().ok_or(NOT_OF_ONE)?;
        if alias.as_ref().is_some_and(|alias| !alias.columns.is_empty()) {
            return Err("Views that rename the columns of what they select from in FROM are not automatically updatable.");
        }
        let alias = alias.as_ref().map_or(name.name, |alias| fold_name(&alias.name));
        let shows: Vec<Option<usize>> = select.projection.iter().map(|item| shown_by(item, &alias, &below)).collect();
        if shows.len() != view.columns.len() {
            return Err("Views that return the fields of a row are not automatically updatable.");
        }
        let names_hidden = hidden::mentioned(&mut query.clone()).any();
        Ok((Level { view: view.clone(), query: query.clone(), shows, alias, names_hidden }, below))
    }
}

/// The SELECT of a query that shows rows by themselves.
fn plain_select(query: &ast::Query) -> Result<&ast::Select, Reason> {
    if query.with.is_some() {
        return Err("Views containing WITH are not automatically updatable.");
    }
    if query.limit_clause.is_some() || query.fetch.is_some() {
        return Err("Views containing LIMIT or OFFSET are not automatically updatable.");
    }
    let select = match query.body.as_ref() {
        ast::SetExpr::Select(select) => select,
        ast::SetExpr::SetOperation { .. } => return Err("Views containing UNION, INTERSECT, or EXCEPT are not automatically updatable."),
        _ => return Err(NOT_OF_ONE),
    };
    if select.distinct.is_some() {
        return Err("Views containing DISTINCT are not automatically updatable.");
    }
    if !matches!(&select.group_by, ast::GroupByExpr::Expressions(e, m) if e.is_empty() && m.is_empty()) {
        return Err("Views containing GROUP BY are not automatically updatable.");
    }
    if select.having.is_some() {
        return Err("Views containing HAVING are not automatically updatable.");
    }
    let found = ast::Visit::visit(&select.projection, &mut Items { within: 0 });
    found.break_value().map_or(Ok(select), Err)
}

/// Looks for what is not about one row by itself, but in subqueries.
struct Items {
    /// The subqueries around.
    within: usize,
}

impl ast::Visitor for Items {
    type Break = Reason;

    fn pre_visit_query(&mut self, _: &ast::Query) -> ControlFlow<Reason> {
        self.within += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &ast::Query) -> ControlFlow<Reason> {
        self.within -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Reason> {
        match of_many(expr).filter(|_| self.within == 0) {
            Some(reason) => ControlFlow::Break(reason),
            None => ControlFlow::Continue(()),
        }
    }
}

/// What is said of an expression that is not about one row by itself.
fn of_many(expr: &Expr) -> Option<Reason> {
    let Expr::Function(call) = expr else { return None };
    let name = call.name.0.last().and_then(|part| part.as_ident()).map(fold_name)?;
    if call.over.is_some() {
        Some("Views that return window functions are not automatically updatable.")
    } else if is_aggregate(expr) {
        Some("Views that return aggregate functions are not automatically updatable.")
    } else if PROCS.iter().any(|proc| proc.returns_set && proc.name == name) {
        Some("Views that return set-returning functions are not automatically updatable.")
    } else {
        None
    }
}

/// The column of what is read that an item shows.
fn shown_by(item: &SelectItem, alias: &str, below: &Relation) -> Option<usize> {
    let (SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = item else { return None };
    let column = match expr {
        Expr::Identifier(column) => column,
        Expr::CompoundIdentifier(parts) => match parts.as_slice() {
            [.., table, column] if fold_name(table) == alias => column,
            _ => return None,
        },
        _ => return None,
    };
    let column = fold_name(column);
    below.columns.iter().position(|of| of.name == column)
}
