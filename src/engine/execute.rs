//! The one match over all statements.

use std::sync::Arc;

use datafusion::common::ScalarValue;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::TryStreamExt;

use super::ddl::NewView;
use super::dml::locks::is_redefined;
use super::dml::{declared, scalars};
use super::explain;
use super::path::with_schema;
use super::plpgsql::calls::answers_nothing;
use super::query::Planned;
use super::session::{Column, Parameters, Prepared, Response, Session, Way};
use super::settings::display_name;
use super::transaction::aborted;
use super::triggers::{Happening, happenings};
use crate::catalog::Name;
use crate::data::PgType;
use crate::error::{Error, Result, code};
use crate::serve::system::functions::{Caller, SessionActs};
use crate::sql::convert::sql_type;
use crate::sql::statement::{Alteration, Change, SequenceChange};
use crate::sql::{Statement, located, parse, redacted};

impl Session {
    /// Parses a statement and plans what can be planned without parameters.
    pub(super) async fn plan_statement(&mut self, text: &str, types: &[Option<PgType>]) -> Result<Prepared> {
        *self.doubt.lock() = None;
        let statement = self.parsed(text).await.map_err(|e| located(text, e))?;
        let planned = self.plan_parsed(text, statement, types).await;
        planned.map_err(|e| self.doubt.lock().take().unwrap_or_else(|| located(text, self.worded(e))))
    }

    pub(super) async fn plan_parsed(&mut self, text: &str, statement: Statement, types: &[Option<PgType>]) -> Result<Prepared> {
        self.refuse_in_failed(&statement)?;
        self.refuse_only(text)?;
        let mut statement = self.with_calls(statement, types)?;
        self.through_views(&mut statement)?;
        self.fill_defaults(&mut statement)?;
        let declared = || types.iter().map(|t| t.clone().unwrap_or(PgType::Text)).collect();
        let (parameters, columns, way) = match &statement {
            Statement::Query(query) => match self.lookup(query, types) {
                Some(lookup) => (lookup.parameters.clone(), Some(lookup.columns.to_vec()), Way::Lookup(lookup)),
                None => {
                    let planned = self.plan_query(query, types).await?;
                    (planned.parameters.clone(), Some(planned.columns.clone()), Way::Query(Arc::new(planned)))
                }
            },
            Statement::Locking { query, .. } => {
                let planned = self.plan_query(query, types).await?;
                (planned.parameters, Some(planned.columns), Way::Statement)
            }
            Statement::Calling { calls, then, is_call } => {
                let (parameters, columns) = self.describe_calling(calls, then, types).await?;
                let columns = columns.filter(|_| !is_call || !calls.last().is_some_and(|call| answers_nothing(&call.function)));
                (parameters, columns, Way::Statement)
            }
            Statement::CallingRows(rows) => {
                let (parameters, columns) = self.describe_row_calls(rows, types).await?;
                (parameters, columns, Way::Statement)
            }
            Statement::WithChanges { changes, then } => {
                let (parameters, columns) = self.describe_with_changes(changes, then, types).await?;
                (parameters, columns, Way::Statement)
            }
            Statement::Insert { .. } => {
                let ((parameters, columns), plan) = self.describe_insert(&statement, types).await?;
                (parameters, columns, Way::Insert(Arc::new(plan)))
            }
            Statement::Update(change) => self.prepare_change("UPDATE", change, types).await?,
            Statement::Delete(change) => self.prepare_change("DELETE", change, types).await?,
            Statement::Merge(merge) => (self.describe_merge(merge, types).await?, None, Way::Statement),
            Statement::Ksql(statement) => (vec![], self.ksql_columns(statement)?, Way::Statement),
            // Parameters of the query within.
            Statement::Declare { query, .. } if text.contains('$') => {
                let within = self.parsed(query).await?;
                (Box::pin(self.plan_parsed(query, within, types)).await?.parameters, None, Way::Statement)
            }
            Statement::Explain { statement: within, json, .. } if text.contains('$') => {
                let within = within.as_ref().clone();
                (Box::pin(self.plan_parsed(text, within, types)).await?.parameters, Some(explain::columns(*json)), Way::Statement)
            }
            Statement::CreateTableAs { query, .. } if text.contains('$') => {
                (self.plan_query(query, types).await?.parameters, None, Way::Statement)
            }
            other => (declared(), self.answer_columns(other).await?, Way::Statement),
        };
        // Whatever keeps or shows the text must not keep a password.
        Ok(Prepared {
            parameters,
            columns,
            text: redacted(text).into_owned(),
            path: self.path(),
            enums: self.catalog().enums().clone(),
            statement,
            way,
        })
    }

    async fn prepare_change(
        &self,
        what: &str,
        change: &Change,
        types: &[Option<PgType>],
    ) -> Result<(Vec<PgType>, Option<Vec<Column>>, Way)> {
        let ((parameters, columns), plan) = self.describe_planned(what, change, types).await?;
        Ok((parameters, columns, Way::Change(Arc::new(plan))))
    }

    /// The columns that a statement other than a query answers.
    async fn answer_columns(&mut self, statement: &Statement) -> Result<Option<Vec<Column>>> {
        Ok(match statement {
            Statement::Show(name) => Some(match listing(name) {
                Some(sql) => self.described(sql).await?,
                None => vec![Column::new(display_name(name), PgType::Text)],
            }),
            Statement::Explain { json, .. } => Some(explain::columns(*json)),
            Statement::ExplainView(_) => Some(explain::columns(false)),
            // It may be about a portal of the connection, which is found when it runs.
            Statement::Fetch { name, skip: false, .. } => self.cursor_columns(name),
            Statement::Execute { name, .. } => self.acts.statement(name).ok_or_else(|| unknown_statement(name))?.columns.clone(),
            _ => None,
        })
    }

    async fn described(&mut self, sql: &str) -> Result<Vec<Column>> {
        let Statement::Query(query) = parse(sql)? else { return Err(Error::internal("a listing is a query")) };
        Ok(self.plan_query(&query, &[]).await?.columns)
    }

    /// Runs a statement.
    pub(super) async fn run(&mut self, prepared: &Arc<Prepared>, parameters: Parameters) -> Result<Response> {
        let done = self.run_planned(&self.with_labels(prepared), &parameters).await;
        let text = parameters.text.as_deref().unwrap_or(&prepared.text);
        let done = done.map_err(|e| located(text, with_schema(&self.catalog(), self.worded(e))))?;
        Ok(match done {
            Response::Rows { word, columns, stream } => {
                Response::Rows { word, columns, stream: located_rows(prepared, parameters.text, stream) }
            }
            other => other,
        })
    }

    /// Runs a statement, again where a table was defined otherwise while it waited, unless it has changed something already.
    async fn run_planned(&mut self, prepared: &Arc<Prepared>, parameters: &Parameters) -> Result<Response> {
        loop {
            let mark = self.gathered();
            match self.run_once(prepared, parameters).await {
                Err(e) if is_redefined(&e) && self.gathered() == mark => {}
                done => return done,
            }
        }
    }

    async fn run_once(&mut self, prepared: &Arc<Prepared>, parameters: &Parameters) -> Result<Response> {
        self.refuse_in_failed(&prepared.statement)?;
        self.check_writable(&prepared.statement)?;
        match &prepared.way {
            // What it reads is not what the live results hold.
            Way::Lookup(_) if self.is_pinned() => {}
            Way::Lookup(lookup) if !lookup.is_as_planned(&self.engine) => {}
            Way::Lookup(lookup) if !self.has_own() && self.may_use(lookup) && self.path() == prepared.path => {
                self.may_run_lookup(lookup)?;
                self.teller.awaits([lookup.relation().id]);
                return lookup.run(&self.engine, prepared, parameters).await;
            }
            Way::Lookup(lookup) if self.sees_through(lookup.relation()) && self.may_use(lookup) && self.path() == prepared.path => {
                self.may_run_lookup(lookup)?;
                let rows = self.read_now(&lookup.present(&self.engine)?.relation).await?;
                return lookup.among(&rows, prepared, parameters);
            }
            // A plan sees neither what the transaction has done since, nor another search_path, nor columns that are new.
            Way::Query(planned) if !self.may_differ(planned) && self.path() == prepared.path && self.is_as_planned(planned) => {
                let values = scalars(&prepared.parameters, parameters, self.settings.reading())?;
                let stream = self.run_query(planned, values).await?;
                return Ok(Response::Rows { word: "SELECT".into(), columns: planned.columns.clone(), stream });
            }
            Way::Lookup(_) | Way::Query(_) | Way::Change(_) | Way::Insert(_) | Way::Statement => {}
        }
        if prepared.statement.defines() {
            self.begin_alone();
            let done = self.run_definition(prepared, parameters).await;
            return self.end_alone(done).await;
        }
        let constrained: Vec<&Name> = changes(&prepared.statement).into_iter().filter(|name| self.constrained(name)).collect();
        // It may run within another.
        let around = std::mem::replace(&mut self.checks, !constrained.is_empty());
        let given = std::mem::replace(&mut self.gives_rows, gives_rows(&prepared.statement));
        let done = match constrained.as_slice() {
            [] => self.run_statement(prepared, parameters).await,
            constrained => self.run_constrained(constrained, prepared, parameters).await,
        };
        (self.checks, self.gives_rows) = (around, given);
        done
    }

    /// Runs a statement that changes constrained relations, in a transaction.
    async fn run_constrained(&mut self, names: &[&Name], prepared: &Arc<Prepared>, parameters: &Parameters) -> Result<Response> {
        self.begin_alone();
        let copies = matches!(prepared.statement, Statement::CopyIn { .. });
        let done = self.run_checked(names, prepared, parameters).await;
        // A COPY ends when its rows have come.
        if copies && done.is_ok() { done } else { self.end_alone(done).await }
    }

    /// Runs a statement that changes relations, and checks their constraints.
    async fn run_checked(&mut self, names: &[&Name], prepared: &Arc<Prepared>, parameters: &Parameters) -> Result<Response> {
        let scope = self.scope();
        let puts = !matches!(prepared.statement, Statement::Delete(_) | Statement::Truncate(_));
        let find = |name: &Name| scope.find(name).map(|relation| scope.written(relation));
        for relation in names.iter().filter_map(|name| find(name)) {
            self.lock_constrained(&relation, puts).await?;
        }
        let happenings = happenings(&prepared.statement, &find);
        for happening in &happenings {
            self.before_statement(happening).await?;
        }
        // It may run within another.
        let around = (std::mem::take(&mut self.fired), std::mem::take(&mut self.moved));
        let done = self.run_and_fire(&happenings, prepared, parameters).await;
        (self.fired, self.moved) = around;
        done
    }

    async fn run_and_fire(&mut self, happenings: &[Happening], prepared: &Arc<Prepared>, parameters: &Parameters) -> Result<Response> {
        let mark = self.gathered();
        let done = self.run_statement(prepared, parameters).await?;
        if !matches!(done, Response::CopyIn(_)) {
            self.check_and_fire(mark, happenings).await?;
        }
        Ok(done)
    }

    /// The error with types of users called by their names.
    fn worded(&self, mut error: Error) -> Error {
        let catalog = self.catalog();
        if !catalog.enums().is_empty() {
            let fields = error.fields_mut();
            fields.message = catalog.enums().worded(&fields.message);
        }
        error
    }

    /// The prepared statement with the labels that enumerations have now.
    fn with_labels(&self, prepared: &Arc<Prepared>) -> Arc<Prepared> {
        let catalog = self.catalog();
        let (enums, columns) = (catalog.enums(), prepared.columns.iter().flatten().map(|c| &c.ty));
        if prepared.enums.is(enums) || !prepared.parameters.iter().chain(columns).any(PgType::is_of_user) {
            return prepared.clone();
        }
        let parameters = prepared.parameters.iter().map(|ty| enums.complete(ty.clone())).collect();
        let (columns, text, path) = (prepared.columns.clone(), prepared.text.clone(), prepared.path.clone());
        let (enums, statement, way) = (enums.clone(), prepared.statement.clone(), Way::Statement);
        Arc::new(Prepared { parameters, columns, text, path, enums, statement, way })
    }

    /// Runs a statement within another, in the transaction that is open.
    pub(super) async fn run_inside(&mut self, prepared: &Arc<Prepared>, parameters: Parameters) -> Result<Response> {
        let done = self.run_planned(&self.with_labels(prepared), &parameters).await;
        done.map_err(|e| with_schema(&self.catalog(), self.worded(e)))
    }

    async fn run_statement(&mut self, prepared: &Arc<Prepared>, parameters: &Parameters) -> Result<Response> {
        let done = |tag: &str| Ok(Response::Done(tag.to_string()));
        match &prepared.statement {
            Statement::Ksql(statement) => self.run_ksql(&prepared.text, statement).await,
            Statement::Query(query) => self.select(query, prepared, parameters).await,
            Statement::Alter { name, if_exists, changes, .. } if let [Alteration::Resume { skip }] = changes.as_slice() => {
                self.resume(name, *if_exists, *skip).await?;
                done("ALTER MATERIALIZED VIEW")
            }
            Statement::Refresh(name) => self.refresh_view(name).await,
            Statement::SetConstraints { names, deferred } => {
                self.set_constraints(names, *deferred).await?;
                done("SET CONSTRAINTS")
            }
            Statement::Insert { .. } => self.insert(&prepared.statement, prepared, parameters).await,
            Statement::InsertDefaults { table } => self.insert_defaults(table).await,
            Statement::WithChanges { changes, then } => self.with_changes(changes, then, prepared, parameters).await,
            Statement::Locking { query, locks } => self.locking(query, locks, prepared, parameters).await,
            Statement::LockTables { tables, mode, nowait } => self.lock_tables(tables, *mode, *nowait).await,
            Statement::Truncate(truncate) => self.truncate(truncate).await,
            Statement::Update(change) => self.change("UPDATE", change, prepared, parameters).await,
            Statement::Delete(change) => self.change("DELETE", change, prepared, parameters).await,
            Statement::Merge(merge) => self.merge(merge, prepared, parameters).await,
            Statement::CopyIn { table, columns, options, condition } => {
                Ok(Response::CopyIn(Box::new(self.copy_in(table, columns, options, condition.as_deref()).await?)))
            }
            Statement::CopyOut { source, options } => Ok(Response::CopyOut(self.copy_out(source, options).await?)),
            Statement::Begin { modes, start } => {
                self.begin(modes)?;
                Ok(Response::Done(if *start { "START TRANSACTION" } else { "BEGIN" }.into()))
            }
            Statement::Commit { chain } => self.end(true, *chain).await,
            Statement::Rollback { chain } => self.end(false, *chain).await,
            Statement::Savepoint(name) => self.savepoint(name),
            Statement::Release(name) => self.release(name),
            Statement::RollbackTo(name) => self.rollback_to(name).await,
            Statement::Set { name, value, local } => self.set(name, value.as_deref(), *local),
            Statement::Reset(name) => self.reset(name),
            Statement::ResetAll => self.reset_all(),
            Statement::SetTransaction { modes, session } => self.set_transaction(modes, *session),
            Statement::Discard(what) => self.discard(*what),
            Statement::Listen(channel) => self.listen(channel),
            Statement::Unlisten(channel) => {
                self.acts.listen(false, channel.as_deref())?;
                done("UNLISTEN")
            }
            Statement::Notify { channel, payload } => {
                self.acts.notify(channel, payload, &Caller::default())?;
                done("NOTIFY")
            }
            Statement::Show(name) => self.show(name).await,
            Statement::Explain { what, json, statement } => self.explain(*what, *json, statement, prepared, parameters).await,
            Statement::ExplainView(name) => self.explain_view(name),
            Statement::Prepare { name, types, statement } => self.prepare_named(name, types, statement).await,
            Statement::Execute { name, arguments } => self.execute_named(name, arguments).await,
            Statement::Deallocate(name) => self.deallocate(name.as_deref()),
            Statement::Declare { name, how, query } => self.declare(name, *how, query, prepared, parameters).await,
            Statement::Fetch { name, to, skip } => self.fetch(name, *to, *skip).await,
            Statement::Close(name) => Ok(self.close(name.as_deref())),
            Statement::Role(statement) => self.run_roles(statement).await,
            Statement::Checkpoint => {
                self.may_checkpoint()?;
                self.engine.checkpoint().await?;
                done("CHECKPOINT")
            }
            Statement::Upkeep(tag, tables) => self.upkeep(tag, tables),
            Statement::Told { tag, notice, of } => {
                self.may_keep_up(of)?;
                self.notice("NOTICE", notice.clone());
                done(tag)
            }
            Statement::Empty => Ok(Response::Empty),
            _ => Err(Error::internal("a definition has a transaction")),
        }
    }

    /// Plans and runs a query.
    pub(super) async fn select(&mut self, query: &sqlparser::ast::Query, prepared: &Prepared, parameters: &Parameters) -> Result<Response> {
        let planned = self.plan_query(query, &declared(prepared)).await?;
        let values = scalars(&planned.parameters, parameters, self.settings.reading())?;
        self.run_selected(planned, prepared, values).await
    }

    /// Runs the query of a statement, planned anew. Errors: 0A000 if its columns are others now.
    pub(super) async fn run_selected(&mut self, planned: Planned, prepared: &Prepared, values: Vec<ScalarValue>) -> Result<Response> {
        let alike = |known: &Vec<Column>| {
            known.len() == planned.columns.len() && known.iter().zip(&planned.columns).all(|(a, b)| a.name == b.name && a.ty == b.ty)
        };
        if !prepared.columns.as_ref().is_none_or(alike) {
            return Err(Error::unsupported("cached plan must not change result type").hint("Prepare the statement again."));
        }
        let stream = self.run_query(&planned, values).await?;
        Ok(Response::Rows { word: "SELECT".into(), columns: planned.columns, stream })
    }

    /// Runs a statement that changes the catalog, in the transaction that is open.
    async fn run_definition(&mut self, prepared: &Prepared, parameters: &Parameters) -> Result<Response> {
        let tag = match &prepared.statement {
            Statement::CreateRelation(new) => self.create_relation(&prepared.text, new.as_ref().clone()).await?,
            Statement::CreatePartition(new) => {
                self.reading_whole(async |session| session.create_partition(new).await).await?;
                "CREATE TABLE".into()
            }
            Statement::CreateTableAs { new, columns, query, data } => {
                self.create_table_as(prepared, parameters, new, columns, query, *data).await?
            }
            Statement::CreateView { materialized, temporary, name, columns, query, sql, if_not_exists, or_replace, options, data } => {
                let (name, columns, query, sql) = (name.clone(), columns.clone(), query.clone(), sql.clone());
                let (materialized, if_not_exists, or_replace) = (*materialized, *if_not_exists, *or_replace);
                let view = NewView { materialized, name, columns, query, sql, if_not_exists, or_replace, options: *options };
                match temporary {
                    true => self.create_temporary_view(view).await?,
                    false => self.create_view(view).await?,
                }
                if !data {
                    let notice = Error::new(code::SUCCESS, "WITH NO DATA has no effect: a materialized view is always filled");
                    self.notice("NOTICE", notice);
                }
                if materialized { "CREATE MATERIALIZED VIEW" } else { "CREATE VIEW" }.to_string()
            }
            Statement::Drop { kind, names, if_exists, cascade } => {
                let names = self.drop_temporary(*kind, names, *cascade)?;
                if !names.is_empty() {
                    self.drop(*kind, &names, *if_exists, *cascade).await?;
                }
                format!("DROP {}", kind.word().to_uppercase())
            }
            Statement::CreateEnum { name, labels } => {
                self.create_enum(name, labels).await?;
                "CREATE TYPE".into()
            }
            Statement::CreateComposite { name, attributes } => {
                self.create_composite(name, attributes).await?;
                "CREATE TYPE".into()
            }
            Statement::CreateDomain { name, column, named, rules } => {
                self.create_domain(name, column, named.as_ref(), rules).await?;
                "CREATE DOMAIN".into()
            }
            Statement::AlterDomain { name, change } => {
                self.alter_domain(name, change).await?;
                "ALTER DOMAIN".into()
            }
            Statement::Do(block) => {
                self.run_block(block).await?;
                "DO".into()
            }
            Statement::CreateFunction { function, replace } => {
                self.create_function(function, *replace).await?;
                format!("CREATE {}", if function.procedure { "PROCEDURE" } else { "FUNCTION" })
            }
            Statement::AlterFunction { word, signature, change } => {
                self.alter_function(*word, signature, change).await?;
                format!("ALTER {}", word.word().to_uppercase())
            }
            Statement::DropFunctions { word, names, if_exists, cascade } => {
                self.drop_functions(*word, names, *if_exists, *cascade).await?;
                format!("DROP {}", word.word().to_uppercase())
            }
            Statement::CallingRows(rows) => return self.run_row_calls(rows, prepared, parameters).await,
            Statement::Calling { calls, then, .. } => return self.run_calling(calls, then, prepared, parameters).await,
            Statement::AlterType { name, domain, change } => {
                self.alter_type(name, *domain, change).await?;
                if *domain { "ALTER DOMAIN" } else { "ALTER TYPE" }.into()
            }
            Statement::DropTypes { names, domains, if_exists, cascade } => {
                self.drop_types(names, *domains, *if_exists, *cascade).await?;
                if *domains { "DROP DOMAIN" } else { "DROP TYPE" }.into()
            }
            Statement::CreateSchema { name, owner, if_not_exists, definitions } => {
                let name = self.create_schema(name.as_deref(), owner.as_ref(), *if_not_exists).await?;
                if !definitions.is_empty() {
                    self.define_within(&name, definitions).await?;
                }
                "CREATE SCHEMA".into()
            }
            Statement::AlterSchema { name, change } => {
                self.alter_schema(name, change).await?;
                "ALTER SCHEMA".into()
            }
            Statement::DropSchema { names, if_exists, cascade } => {
                self.drop_schemas(names, *if_exists, *cascade).await?;
                "DROP SCHEMA".into()
            }
            Statement::CreateSequence { name, options, if_not_exists } => {
                self.create_sequence(name, options, *if_not_exists).await?;
                "CREATE SEQUENCE".into()
            }
            Statement::AlterSequence { name, if_exists, change } => {
                match change {
                    SequenceChange::Options(options) => self.alter_sequence(name, *if_exists, options).await?,
                    SequenceChange::Move(to) => self.alter_name_of_sequence(name, *if_exists, to).await?,
                }
                "ALTER SEQUENCE".into()
            }
            Statement::DropSequence { names, if_exists, cascade } => {
                self.drop_sequences(names, *if_exists, *cascade).await?;
                "DROP SEQUENCE".into()
            }
            Statement::CreateIndex { name, table, index, if_not_exists } => {
                self.reading_whole(async |session| session.create_index(name.as_deref(), table, index, *if_not_exists).await).await?;
                "CREATE INDEX".into()
            }
            Statement::RenameIndex { name, if_exists, to } => {
                self.rename_index(name, *if_exists, to).await?;
                "ALTER INDEX".into()
            }
            Statement::AttachIndex { index, part } => {
                self.attach_index(index, part).await?;
                "ALTER INDEX".into()
            }
            Statement::DropIndex { names, if_exists, cascade } => {
                self.drop_indexes(names, *if_exists, *cascade).await?;
                "DROP INDEX".into()
            }
            Statement::Trigger(statement) => self.run_trigger_statement(statement).await?,
            Statement::Alter { kind, name, if_exists, changes } => {
                self.reading_whole(async |session| session.alter(*kind, name, *if_exists, changes).await).await?;
                format!("ALTER {}", kind.word().to_uppercase())
            }
            Statement::Role(statement) => return self.run_roles(statement).await,
            Statement::Policy(statement) => self.run_policy(statement).await?.into(),
            Statement::Comment { on, text } => {
                self.comment(on, text.as_deref()).await?;
                "COMMENT".to_string()
            }
            _ => return Err(Error::internal("not a definition")),
        };
        Ok(Response::Done(tag))
    }

    /// Errors: 25P02 for what a failed transaction does not take.
    fn refuse_in_failed(&self, statement: &Statement) -> Result<()> {
        let ends = matches!(statement, Statement::Rollback { .. } | Statement::RollbackTo(_) | Statement::Commit { .. } | Statement::Empty);
        if ends || !self.transaction.as_ref().is_some_and(|t| t.failed) {
            return Ok(());
        }
        Err(aborted())
    }

    // Prepared statements of SQL -------------------------------------------------------------------------------------------------

    async fn prepare_named(&mut self, name: &str, types: &[sqlparser::ast::DataType], statement: &str) -> Result<Response> {
        let types = types.iter().map(|t| self.type_named(&sql_type(t)?).map(Some)).collect::<Result<Vec<_>>>()?;
        let prepared = Box::pin(self.plan_statement(statement, &types)).await?;
        self.acts.keep_statement(name, Arc::new(prepared), true)?;
        Ok(Response::Done("PREPARE".into()))
    }

    async fn execute_named(&mut self, name: &str, arguments: &[sqlparser::ast::Expr]) -> Result<Response> {
        let (prepared, parameters) = self.named(name, arguments)?;
        Box::pin(self.run(&prepared, parameters)).await
    }

    /// A statement of PREPARE and its arguments. Errors: 26000, 42601 for another number of them, 0A000 for what is no literal.
    pub(super) fn named(&self, name: &str, arguments: &[sqlparser::ast::Expr]) -> Result<(Arc<Prepared>, Parameters)> {
        let prepared = self.acts.statement(name).ok_or_else(|| unknown_statement(name))?;
        if arguments.len() != prepared.parameters.len() {
            let message = format!("wrong number of parameters for prepared statement \"{name}\"");
            return Err(Error::syntax(message).detail(format!(
                "Expected {} parameters but got {}.",
                prepared.parameters.len(),
                arguments.len()
            )));
        }
        let mut values = Vec::with_capacity(arguments.len());
        for argument in arguments {
            let text = crate::sql::convert::literal(argument);
            let text = text.ok_or_else(|| Error::unsupported("EXECUTE takes literals").hint("Compute the value first."))?;
            values.push(text.map(Into::into));
        }
        Ok((prepared, Parameters { values, ..Parameters::default() }))
    }

    fn deallocate(&mut self, name: Option<&str>) -> Result<Response> {
        match name {
            None => self.acts.forget_statements(),
            Some(name) if self.acts.forget_statement(name) => {}
            Some(name) => return Err(unknown_statement(name)),
        }
        Ok(Response::Done(if name.is_none() { "DEALLOCATE ALL" } else { "DEALLOCATE" }.into()))
    }
}

/// The relations whose rows a statement changes.
fn changes(statement: &Statement) -> Vec<&Name> {
    match statement {
        Statement::Insert { table, .. } | Statement::InsertDefaults { table } | Statement::CopyIn { table, .. } => vec![table],
        Statement::Update(change) | Statement::Delete(change) => vec![&change.table],
        Statement::Merge(merge) => vec![&merge.table],
        Statement::Truncate(truncate) => truncate.tables.iter().collect(),
        Statement::WithChanges { changes: first, then } => {
            first.iter().map(|change| &change.statement).chain([then.as_ref()]).flat_map(changes).collect()
        }
        _ => vec![],
    }
}

/// True for a statement that gives the whole of each row that it puts.
fn gives_rows(statement: &Statement) -> bool {
    match statement {
        Statement::Insert { source, conflict, .. } => {
            source.with.is_none() && conflict.as_ref().is_none_or(|conflict| conflict.update.is_none())
        }
        Statement::InsertDefaults { .. } => true,
        _ => false,
    }
}

fn unknown_statement(name: &str) -> Error {
    Error::new(code::INVALID_SQL_STATEMENT_NAME, format!("prepared statement \"{name}\" does not exist"))
}

/// What SHOW of a kind of thing lists.
pub(super) fn listing(name: &str) -> Option<&'static str> {
    Some(match name {
        "streams" => "SELECT * FROM everfold.streams",
        "tables" => "SELECT * FROM everfold.tables",
        "views" => "SELECT * FROM everfold.views",
        "segments" => "SELECT * FROM everfold.segments",
        "dataflows" => "SELECT * FROM everfold.dataflows",
        "sessions" => "SELECT * FROM everfold.sessions",
        "all" => "SELECT name, setting, short_desc AS description FROM pg_catalog.pg_settings ORDER BY name",
        _ => return None,
    })
}

/// The rows of a statement, with its errors at the literals that they are about: constants are computed when rows are asked for.
fn located_rows(prepared: &Arc<Prepared>, text: Option<Arc<str>>, stream: SendableRecordBatchStream) -> SendableRecordBatchStream {
    let (schema, prepared) = (stream.schema(), Arc::clone(prepared));
    let rows = stream.map_err(move |e| {
        let text = text.as_deref().unwrap_or(&prepared.text);
        DataFusionError::from(located(text, Error::from(e)))
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, rows))
}
