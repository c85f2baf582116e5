//! Writing through views that show rows of one table (manual, CREATE VIEW, "Updatable Views").
//!
//! 1. [`Session::through_views`] makes of a statement that names such a view one that writes to the table, when it is planned: its targets
//!    become the table's columns, and it remembers the view ([`Through`]). All that a table is about (locks, constraints, triggers, keys) goes
//!    its way from there.
//! 2. What the statement's expressions name is the view's still. An UPDATE or DELETE reads the rows as the view shows them, those that it shows,
//!    with the columns of the table behind, each under a name that no client's has ([`Session::shown_through`]). RETURNING reads the rows
//!    written as the view would show them, whether it does or not ([`Session::seen_through`]).
//! 3. Who writes needs the right to on the view, and the view's owner on the table ([`Session::may_through`]).
//!
//! Decisions: an INSERT through a view never replaces a row of its key, which the view may not show. Where row level security of the table is
//! for the one who writes or for the view's owner, the view has to be one that is read with the rights of who asks (`security_invoker`).

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{FieldRef, Int64Type};
use datafusion::catalog::TableProvider;
use datafusion::datasource::ViewTable;
use sqlparser::ast::{self, Ident, ObjectName, SelectItem, SetExpr, TableFactor};

use super::change::{ChangePlan, alias_of, column_of, select_of};
use super::columns::target_columns;
use super::parsed_query;
use super::privileges::{assigned, defaulted, looks};
use super::returning::{Part, in_memory, numbered};
use crate::catalog::{CheckOption, Name, Path, Privileges, Relation, RelationId, RelationKind, TriggerEvent};
use crate::data::PgType;
use crate::engine::session::Session;
use crate::error::{Error, Result, code};
use crate::plan::names::Names;
use crate::serve::secured::SecuredProvider;
use crate::serve::system::updatable::{Level, Updatable};
use crate::sql::Statement;
use crate::sql::statement::{Change, ChangingCte, Conflict, ConflictTarget, Through};

/// The name of the rows that a view shows, for the query that reads them.
const BELOW: &str = "everfold below";
/// The number of a row that RETURNING is about.
const PLACE: &str = "everfold place";

/// The name under which a column of the table stands behind those of a view.
pub(super) fn behind(column: &str) -> String {
    format!("everfold of the table {column}")
}

impl Session {
    /// Makes of a statement that writes to a view one that writes to the table whose rows that shows. Errors: 55000 for a view of other rows,
    /// 0A000 for a column of it that is computed.
    pub(in crate::engine) fn through_views(&self, statement: &mut Statement) -> Result<()> {
        match statement {
            Statement::WithChanges { changes, then } => {
                changes.iter_mut().try_for_each(|ChangingCte { statement, .. }| self.through_views(statement))?;
                self.through_views(then)
            }
            Statement::Explain { statement, .. } => self.through_views(statement),
            Statement::Update(change) => self.change_through(TriggerEvent::Update, change),
            Statement::Delete(change) => self.change_through(TriggerEvent::Delete, change),
            Statement::Insert { .. } => self.insert_through(statement),
            Statement::InsertDefaults { table } => {
                let views = self.view_written(TriggerEvent::Insert, table)?;
                let scope = self.scope();
                let replaced = scope.find(table).filter(|relation| relation.is_replaced_on(TriggerEvent::Insert));
                let Some(relation) = views.as_ref().map(|views| &views.base).or(replaced) else { return Ok(()) };
                // The other columns take their defaults too.
                let columns = relation.columns.first().map(|column| column.name.clone()).into_iter().collect();
                let (alias, source) = (Some(table.name.clone()), parsed_query("VALUES (DEFAULT)")?);
                let (table, through) =
                    (self.catalog().name_of(relation), views.as_ref().map(|views| remembered(views, TriggerEvent::Insert)));
                *statement =
                    Statement::Insert { table, alias, columns, overriding: None, source, conflict: None, returning: None, through };
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn change_through(&self, event: TriggerEvent, change: &mut Change) -> Result<()> {
        if change.through.is_some() {
            return Ok(());
        }
        let Some(views) = self.view_written(event, &change.table)? else { return Ok(()) };
        if change.cursor().is_some() {
            return Err(Error::unsupported("WHERE CURRENT OF of a view is not supported").hint("Name the key of the row, or the table."));
        }
        for (column, _) in &mut change.assignments {
            *column = written_column(&views, "update", column)?;
        }
        change.alias.get_or_insert_with(|| change.table.name.clone());
        change.table = self.catalog().name_of(&views.base);
        change.through = Some(remembered(&views, event));
        Ok(())
    }

    fn insert_through(&self, statement: &mut Statement) -> Result<()> {
        let Statement::Insert { table, alias, columns, source, conflict, through, .. } = statement else { return Ok(()) };
        if through.is_some() {
            return Ok(());
        }
        let Some(views) = self.view_written(TriggerEvent::Insert, table)? else { return Ok(()) };
        let view = views.view();
        if columns.is_empty() {
            *columns = view.columns.iter().take(given(&source.body)).map(|column| column.name.clone()).collect();
        }
        *columns = columns.iter().map(|column| written_column(&views, "insert into", column)).collect::<Result<_>>()?;
        if let Some(conflict) = conflict {
            conflict_through(&views, conflict)?;
        }
        alias.get_or_insert_with(|| table.name.clone());
        *table = self.catalog().name_of(&views.base);
        *through = Some(remembered(&views, TriggerEvent::Insert));
        Ok(())
    }

    /// The view of that name, if it is one that has no triggers for that, and what is written through it. Errors: 55000, 0A000.
    fn view_written(&self, event: TriggerEvent, name: &Name) -> Result<Option<Updatable>> {
        let scope = self.scope();
        let is_written = |relation: &&Arc<Relation>| relation.kind == RelationKind::View && !relation.is_replaced_on(event);
        let Some(view) = scope.find(name).filter(is_written) else { return Ok(None) };
        let views = Updatable::of(&scope, view, event).map_err(|reason| {
            let what = match event {
                TriggerEvent::Insert => "insert into",
                TriggerEvent::Update => "update",
                _ => "delete from",
            };
            Error::new(code::OBJECT_NOT_IN_PREREQUISITE_STATE, format!("cannot {what} view \"{}\"", view.name))
                .detail(reason)
                .hint("Append to the streams and tables that it reads, or make an INSTEAD OF trigger.")
        })?;
        self.of_one_mind(&views)?;
        Ok(Some(views))
    }

    /// Errors: 0A000 where the policies of the table are for who writes or for the owner of a view, and these are not asked about as one.
    fn of_one_mind(&self, views: &Updatable) -> Result<()> {
        let catalog = self.catalog();
        let secures = |role| catalog.secures(&views.base, role);
        let invoked = views.levels.iter().all(|level| level.view.view_options.invoker);
        if invoked || !secures(self.authority.role) && !views.levels.iter().any(|level| secures(level.view.owner)) {
            return Ok(());
        }
        let (view, table) = (&views.view().name, &views.base.name);
        let message = format!("cannot write through view \"{view}\": \"{table}\" has row-level security");
        Err(Error::unsupported(message).hint("ALTER VIEW .. SET (security_invoker = true) has it read with the rights of who asks."))
    }

    /// The view that a statement was found to write through. Errors: 0A000 if it is another one by now, or secured.
    pub(super) fn views_of(&self, through: &Through) -> Result<Updatable> {
        let scope = self.scope();
        let view = through.views.first().and_then(|(id, _)| scope.by_id(*id)).filter(|view| !view.is_replaced_on(through.event));
        let views = view.and_then(|view| Updatable::of(&scope, view, through.event).ok());
        let is_same = |views: &Updatable| {
            let known = |(level, (id, sql)): (&Level, &(RelationId, String))| level.view.id == *id && level.view.sql == *sql;
            let as_many = views.levels.len() == through.views.len();
            as_many && views.base.id == through.base && views.levels.iter().zip(&through.views).all(known)
        };
        let changed = || Error::unsupported("cached plan must not change its view").hint("Prepare the statement again.");
        let views = views.filter(is_same).ok_or_else(changed)?;
        self.of_one_mind(&views)?;
        Ok(views)
    }

    /// Errors: 42501 unless the current role may do that with these columns of the table through its views.
    fn may_through(&self, views: &Updatable, privilege: Privileges, columns: &[usize]) -> Result<()> {
        let mut role = self.authority.role;
        for (i, level) in views.levels.iter().enumerate() {
            let columns = columns.iter().filter_map(|column| views.showing(i, *column));
            self.may_as(role, privilege, &level.view, columns)?;
            role = if level.view.view_options.invoker { self.authority.role } else { level.view.owner };
        }
        self.may_as(role, privilege, &views.base, columns.iter().copied())
    }

    /// Errors: 42501 unless the current role may make a change through the view that it names.
    pub(super) async fn may_change_through(
        &self,
        privilege: Privileges,
        change: &Change,
        through: &Through,
        plan: &ChangePlan,
        types: &[Option<PgType>],
    ) -> Result<()> {
        let views = self.views_of(through)?;
        self.may_through(&views, privilege, &assigned(&views.base, &change.assignments)?)?;
        if self.authority.superuser {
            return Ok(());
        }
        self.may_use_defaults(&views.base, defaulted(&views.base, &change.assignments)?).await?;
        self.may_read_for(views.view(), change, plan, types, looks(change)).await
    }

    /// The same for an INSERT.
    pub(super) async fn may_insert_through(&self, statement: &Statement, through: &Through, types: &[Option<PgType>]) -> Result<()> {
        let Statement::Insert { alias, columns, source, conflict, returning, .. } = statement else {
            return Err(Error::internal("not an INSERT"));
        };
        let views = self.views_of(through)?;
        self.may_through(&views, Privileges::INSERT, &target_columns(&views.base, columns)?)?;
        if let Some(update) = conflict.as_ref().and_then(|conflict| conflict.update.as_ref()) {
            self.may_through(&views, Privileges::UPDATE, &assigned(&views.base, &update.assignments)?)?;
            // It may name any column of the view.
            self.may_on(Privileges::SELECT, views.view(), 0..views.view().columns.len())?;
        }
        if conflict.as_ref().is_some_and(|conflict| conflict.target.is_some() || conflict.update.is_some()) {
            self.may_through(&views, Privileges::SELECT, &(0..views.base.columns.len()).collect::<Vec<_>>())?;
        }
        let Some(items) = returning else { return Ok(()) };
        let alias = alias.as_deref().unwrap_or(&views.view().name);
        let mut query = self.query_of(views.view(), alias, items.clone())?;
        query.with = source.with.clone();
        self.may_read(&self.plan_query(&query, types).await?.reads)
    }

    /// The rows of the table that the view shows, as it shows them, with their own columns behind. `names` come to know what the view reads.
    pub(super) async fn shown_through(
        &self,
        names: &Names,
        through: &Through,
        rows: (String, Arc<dyn TableProvider>),
    ) -> Result<Arc<dyn TableProvider>> {
        let views = self.views_of(through)?;
        self.rows_through(names, &views, rows, 0, 0..views.levels.len()).await
    }

    /// Rows of the table as view number `view` shows rows, under the conditions of some of the views, with their own columns [`behind`].
    async fn rows_through(
        &self,
        names: &Names,
        views: &Updatable,
        (mut below, mut rows): (String, Arc<dyn TableProvider>),
        view: usize,
        conditions: Range<usize>,
    ) -> Result<Arc<dyn TableProvider>> {
        let own: Vec<String> = rows.schema().fields().iter().map(|field| field.name().clone()).collect();
        for (i, level) in views.levels.iter().enumerate().skip(view).rev() {
            let is_last = i + 1 == views.levels.len();
            let kept: Vec<(String, String)> =
                own.iter().map(|column| (if is_last { column.clone() } else { behind(column) }, behind(column))).collect();
            let query = query_of_level(level, &below, &kept, conditions.contains(&i))?;
            let as_owner = (!level.view.view_options.invoker).then_some(level.view.owner);
            let mut within = Names { as_owner, reads: Default::default(), ..names.clone() };
            within.scope.path = Path::kept();
            within.stand_ins = vec![(below, rows)];
            let plan = within.plan_of_text(&query.to_string()).await?;
            within.reads.lock().look(&plan, as_owner);
            names.reads.lock().adopt(within.reads.lock().take());
            rows = match level.view.view_options.barrier && names.reader.is_some() {
                true => Arc::new(SecuredProvider { relation: level.view.clone(), schema: plan.schema().inner().clone(), plan }),
                false => Arc::new(ViewTable::new(plan, None)),
            };
            below = BELOW.into();
        }
        Ok(rows)
    }

    /// All of these rows of the table as the view shows rows, with their own columns behind.
    pub(super) async fn all_through(
        &self,
        names: &Names,
        through: &Through,
        (name, rows): (String, RecordBatch),
    ) -> Result<Arc<dyn TableProvider>> {
        self.rows_through(names, &self.views_of(through)?, (name, in_memory(rows)?), 0, 0..0).await
    }

    /// Rows that a statement writes, as the view shows rows.
    pub(super) async fn seen_through(&self, through: &Through, alias: &str, rows: &RecordBatch) -> Result<Part> {
        let views = self.views_of(through)?;
        if let Some(level) = views.levels.iter().find(|level| level.names_hidden) {
            let message = format!("RETURNING of view \"{}\" is not supported", level.view.name);
            return Err(Error::unsupported(message)
                .detail("It shows system columns, which rows have when they are written.")
                .hint("Read the view afterwards."));
        }
        let schema = views.view().nullable().schema();
        let columns: Vec<String> = views.view().columns.iter().map(|column| column.name.clone()).collect();
        let batches = match rows.num_rows() {
            0 => vec![],
            _ => self.read_through(&views, 0, 0..0, &columns, rows).await?,
        };
        // A literal, or now(), is of a type near that of the view's column.
        let typed = |(column, field): (&ArrayRef, &FieldRef)| cast(column, field.data_type());
        let typed = batches.iter().map(|batch| {
            let columns = batch.columns().iter().zip(schema.fields()).map(typed).collect::<std::result::Result<Vec<_>, _>>()?;
            Ok(RecordBatch::try_new(schema.clone(), columns)?)
        });
        let rows = concat_batches(&schema, &typed.collect::<Result<Vec<_>>>()?)?;
        Ok(Part { alias: alias.to_string(), relation: None, rows })
    }

    /// What views show of these rows of the table in the columns of one of them, under the conditions of some, in the order of the rows.
    async fn read_through(
        &self,
        views: &Updatable,
        view: usize,
        conditions: Range<usize>,
        columns: &[String],
        rows: &RecordBatch,
    ) -> Result<Vec<RecordBatch>> {
        let mut names = self.names();
        let rows = (BELOW.to_string(), in_memory(numbered(rows, PLACE)?)?);
        names.stand_ins = vec![(BELOW.into(), self.rows_through(&names, views, rows, view, conditions).await?)];
        let place = column_of(BELOW, &behind(PLACE));
        let columns: Vec<String> = columns.iter().map(|column| column_of(BELOW, column).to_string()).collect();
        let query = parsed_query(&format!("SELECT {} FROM \"{BELOW}\" ORDER BY {place}", columns.join(", ")))?;
        let planned = self.plan_with(names, &query, &[]).await?;
        self.collect(&planned, vec![]).await
    }

    /// Errors: 44000 for a row to be written that a view does not show, as one of them wants it to.
    pub(super) async fn check_options(&self, through: &Through, rows: &RecordBatch) -> Result<()> {
        let scope = self.scope();
        let checks = |(id, _): &(RelationId, String)| scope.by_id(*id).is_none_or(|view| view.view_options.check.is_some());
        if rows.num_rows() == 0 || !through.views.iter().any(checks) {
            return Ok(());
        }
        let views = self.views_of(through)?;
        let columns = rows.columns()[..views.base.columns.len()].to_vec();
        let rows = RecordBatch::try_new(views.base.nullable().schema(), columns)?;
        let mut cascaded = false;
        for (i, level) in views.levels.iter().enumerate() {
            let check = level.view.view_options.check;
            if cascaded || check.is_some() {
                self.check_shown(&views, i, &rows).await?;
            }
            cascaded |= check == Some(CheckOption::Cascaded);
        }
        Ok(())
    }

    /// Errors: 44000 for one of the rows that view number `i` does not show.
    async fn check_shown(&self, views: &Updatable, i: usize, rows: &RecordBatch) -> Result<()> {
        let places = self.read_through(views, i, i..i + 1, &[behind(PLACE)], rows).await?;
        let shown: HashSet<i64> = places.iter().flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec()).collect();
        let Some(missing) = (0..rows.num_rows()).find(|at| !shown.contains(&(*at as i64))) else { return Ok(()) };
        let message = format!("new row violates check option for view \"{}\"", views.levels[i].view.name);
        let error = Error::new(code::WITH_CHECK_OPTION_VIOLATION, message);
        let detail = self.failing_row(&views.base, &rows.slice(missing, 1))?;
        Err(match detail {
            Some(detail) => error.detail(detail),
            None => error,
        })
    }

    /// Errors: 0A000 for a view whose rows are to be checked, and through which none are written.
    pub(in crate::engine) fn may_check(&self, view: &Relation) -> Result<()> {
        if view.view_options.check.is_none() {
            return Ok(());
        }
        let view = Arc::new(view.clone());
        let refused =
            |reason: &str| Error::unsupported("WITH CHECK OPTION is supported only on automatically updatable views").hint(reason);
        let views = Updatable::of(&self.scope(), &view, TriggerEvent::Insert).map_err(refused)?;
        if views.levels[0].names_hidden { Err(refused("Leave the system columns out.")) } else { Ok(()) }
    }

    /// Has RETURNING see the rows of a change as the view that it names would show them.
    pub(super) async fn changed_through(&self, change: &Change, parts: &mut [Part]) -> Result<()> {
        if let (Some(through), [own, ..]) = (&change.through, parts) {
            *own = self.seen_through(through, alias_of(change), &own.rows).await?;
        }
        Ok(())
    }
}

/// The number of columns that a source gives, as far as its form tells.
fn given(source: &SetExpr) -> usize {
    match source {
        SetExpr::Values(values) => values.rows.first().map_or(0, |row| row.content.len()),
        SetExpr::Query(query) => given(&query.body),
        SetExpr::SetOperation { left, .. } => given(left),
        SetExpr::Select(select) => {
            let is_one = |item: &SelectItem| matches!(item, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. });
            if select.projection.iter().all(is_one) { select.projection.len() } else { usize::MAX }
        }
        _ => usize::MAX,
    }
}

/// The query of a view over the rows of that name, with columns of these behind under other names.
fn query_of_level(level: &Level, below: &str, kept: &[(String, String)], shown: bool) -> Result<Box<ast::Query>> {
    let mut query = level.query.clone();
    query.order_by = None;
    let select = select_of(&mut query)?;
    let named = |(item, column): (SelectItem, &crate::catalog::Column)| match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
            Ok(SelectItem::ExprWithAlias { expr, alias: Ident::with_quote('"', &column.name) })
        }
        _ => Err(Error::internal("a view's columns are listed")),
    };
    let items = std::mem::take(&mut select.projection).into_iter().zip(&level.view.columns).map(named);
    select.projection = items.collect::<Result<_>>()?;
    select.projection.extend(
        kept.iter()
            .map(|(column, name)| SelectItem::ExprWithAlias { expr: column_of(&level.alias, column), alias: Ident::with_quote('"', name) }),
    );
    if !shown {
        select.selection = None;
    }
    if let [ast::TableWithJoins { relation: TableFactor::Table { name, alias, .. }, .. }] = select.from.as_mut_slice() {
        *name = ObjectName::from(vec![Ident::with_quote('"', below)]);
        alias.get_or_insert_with(|| ast::TableAlias {
            explicit: true,
            name: Ident::with_quote('"', &level.alias),
            columns: vec![],
            at: None,
        });
    }
    Ok(query)
}

fn remembered(views: &Updatable, event: TriggerEvent) -> Through {
    let views_now = views.levels.iter().map(|level| (level.view.id, level.view.sql.clone())).collect();
    Through { views: views_now, base: views.base.id, event }
}

/// The column of the table that one of the view shows. Errors: 42703, 0A000 for one that is computed.
fn written_column(views: &Updatable, what: &str, column: &str) -> Result<String> {
    let view: &Relation = views.view();
    let shown = views.shown(0, view.column(column)?);
    shown.map(|at| views.base.columns[at].name.clone()).ok_or_else(|| {
        Error::unsupported(format!("cannot {what} column \"{column}\" of view \"{}\"", view.name))
            .detail("View columns that are not columns of their base relation are not updatable.")
            .hint("Leave the column out.")
    })
}

/// Has ON CONFLICT name the columns of the table. Errors: 0A000 where what is unique is computed of columns that have other names there.
fn conflict_through(views: &Updatable, conflict: &mut Conflict) -> Result<()> {
    let computes = match &mut conflict.target {
        Some(ConflictTarget::Keys { columns, expressions, predicate }) => {
            for column in columns {
                *column = written_column(views, "find", column)?;
            }
            !expressions.is_empty() || predicate.is_some()
        }
        _ => false,
    };
    if let Some(update) = &mut conflict.update {
        for (column, _) in &mut update.assignments {
            *column = written_column(views, "update", column)?;
        }
    }
    if computes && !views.is_whole() {
        let message = format!("ON CONFLICT (expression) is not supported on view \"{}\"", views.view().name);
        return Err(Error::unsupported(message)
            .detail("The expression is one of the table's columns, which the view does not show, or under other names.")
            .hint("Insert into the table."));
    }
    Ok(())
}
