//! Queries: from the AST to rows.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, FieldRef, Schema, SchemaRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{ParamValues, ScalarValue};
use datafusion::datasource::source_as_provider;
use datafusion::error::DataFusionError;
use datafusion::execution::{FunctionRegistry, RecordBatchStream, SendableRecordBatchStream, SessionState};
use datafusion::logical_expr::{Expr, LogicalPlan, Projection, lit};
use datafusion::optimizer::optimize_projections::OptimizeProjections;
use datafusion::optimizer::{OptimizerContext, OptimizerRule};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::sql::parser::Statement as DfStatement;
use futures::{Stream, StreamExt};
use sqlparser::ast;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;

use super::branches::{Branches, has_order, keep_order};
use super::session::{Column, Session};
use crate::catalog::{Function, Name, Relation, Scope};
use crate::data::{Enums, PgType};
use crate::error::{Error, Result, code};
use crate::func::enums;
use crate::func::names::output_names;
use crate::limits;
use crate::plan::by_key::ByKey;
use crate::plan::inline;
use crate::plan::lower::tells_partition;
use crate::plan::names::{Names, UNQUALIFIED};
use crate::plan::of_nothing::OfNothing;
use crate::plan::of_rows::OfRows;
use crate::plan::origin::origin;
use crate::plan::parameters::{cast_declared, declared, wider};
use crate::plan::per_row::Under;
use crate::plan::reads::Read;
use crate::plan::result_types;
use crate::plan::size;
use crate::serve::cut::{ReadCut, Readable};
use crate::serve::provider::RelationProvider;
use crate::serve::secured::SecuredProvider;
use crate::serve::system::functions::Caller;
use crate::serve::system::rewrite::{DUPLICATE, expand_row_stars, rewrite, with_declared_types};
use crate::sql::convert::relation_name;
use crate::sql::{fold_name, hidden};

/// A planned query: over names, not rows, so it can be run again.
#[derive(Clone)]
pub struct Planned {
    /// The logical plan, not optimized yet, since parameters are still to come.
    pub plan: LogicalPlan,
    /// The schema of its rows: what the plan's is once it is analyzed, which is when literals and expressions get their types.
    pub schema: SchemaRef,
    /// Its columns, as PostgreSQL would name them.
    pub columns: Vec<Column>,
    /// The streams, tables and materialized views that it reads.
    pub relations: Vec<Arc<Relation>>,
    /// The relations that it names, their columns that it reads, and with whose rights: what is checked whenever it runs.
    pub reads: Vec<Read>,
    /// Types of its parameters.
    pub parameters: Vec<PgType>,
    /// The functions of users that were expanded in it.
    pub functions: Vec<Arc<Function>>,
    /// True if it tells which of a table's partitions rows are of, of those that there were when it was made.
    pub tells_partition: bool,
    /// What makes its rows, where that may be soon done.
    pub computed: Option<Computed>,
}

/// A query whose rows are computed without DataFusion's planner.
#[derive(Clone)]
pub struct Computed {
    plan: Arc<LightPlan>,
    /// The enumerations that there were when it was analyzed.
    enums: Enums,
    /// The time zone that it was analyzed for, while that is not UTC.
    zone: Option<String>,
}

/// What rows are computed of.
enum LightPlan {
    /// The row of a SELECT without FROM.
    OfNothing(OfNothing),
    /// Those of one relation, if they are few.
    OfOne(OfRows),
}

impl Planned {
    /// True if the other plan computes the same of the same columns, under the same names. Columns that nothing reads make no difference: a
    /// partition has all those of its table.
    pub(super) fn says_the_same(&self, other: &Planned) -> bool {
        let told = |of: &Planned| of.columns.iter().map(|c| (c.name.clone(), c.ty.clone())).collect::<Vec<_>>();
        let text = |plan: &LogicalPlan| plan.display_indent().to_string();
        let read = |plan: &LogicalPlan| OptimizeProjections::new().rewrite(plan.clone(), &OptimizerContext::new()).ok();
        let same_read = || match (read(&self.plan), read(&other.plan)) {
            (Some(own), Some(theirs)) => text(&own.data) == text(&theirs.data),
            _ => false,
        };
        told(self) == told(other) && (text(&self.plan) == text(&other.plan) || same_read())
    }
}

/// The plan with values for its parameters.
pub(super) fn filled(plan: LogicalPlan, parameters: Vec<ScalarValue>) -> Result<LogicalPlan> {
    if parameters.is_empty() {
        return Ok(plan);
    }
    Ok(enums::bind(plan, &parameters)?.with_param_values(ParamValues::from(parameters))?)
}

impl Session {
    /// True if the relations of a plan have the columns that they had when it was made, and those are NULL where they were; if its
    /// functions mean what they did, and who asks may call them; if it is the same whoever asks; and if partitions have no part in it.
    pub(super) fn is_as_planned(&self, planned: &Planned) -> bool {
        let catalog = self.engine.catalog();
        let alike = |now: &Relation, known: &Relation| {
            let nullable = |relation: &Relation, i: usize| relation.columns[i].nullable;
            // Of another owner, somebody else may read it, or others by way of it; a view says with whose rights it is read. What the default
            // partition is changes with the others.
            now.owner == known.owner
                && now.sql == known.sql
                && now.view_options == known.view_options
                // Rows are found by other columns then.
                && now.indexes == known.indexes
                && now.columns.len() == known.columns.len()
                && (0..now.columns.len()).all(|i| nullable(now, i) == nullable(known, i))
        };
        let same = |known: &Relation| catalog.by_id(known.id).is_some_and(|now| alike(now, known));
        let means_the_same = |known: &Arc<Function>| catalog.function(known.id).is_some_and(|now| Arc::ptr_eq(now, known));
        !planned.tells_partition
            && planned.relations.iter().all(|relation| same(relation))
            && planned.reads.iter().all(|read| same(&read.relation))
            && planned.functions.iter().all(|function| means_the_same(function) && self.may_call(function).is_ok())
            && !planned.reads.iter().any(|read| catalog.is_guarded(&read.relation))
    }

    /// The names that a statement of the session may use.
    pub(super) fn names(&self) -> Names {
        let scope = self.scope();
        let expand = self.expanded(&scope);
        let (context, base) = (self.context_source(), self.zoned_state());
        let (as_owner, kept_by, reader, stand_ins) = (None, None, Some(self.reader()), self.results.clone());
        let (locked, securing, reads) = Default::default();
        Names { scope, context, hidden: Default::default(), stand_ins, expand, base, as_owner, kept_by, reader, locked, securing, reads }
    }

    /// The names that a text of the catalog may use.
    pub(super) fn names_kept(&self) -> Names {
        let names = self.names();
        Names { scope: Scope::kept(names.scope.catalog.clone()), ..names }
    }

    /// The same, for what a text says whatever the transaction has done: materialized views are not looked into.
    pub(super) fn names_as_told(&self) -> Names {
        Names { expand: Arc::default(), reader: None, ..self.names_kept() }
    }

    /// The names that a view may use: it folds in UTC, whatever the session's time zone.
    pub(super) fn names_of_view(&self) -> Names {
        Names { base: self.state().clone(), ..self.names() }
    }

    /// DataFusion in the session's time zone, for who plans a statement.
    fn zoned_state(&self) -> Arc<SessionState> {
        self.zoned.as_ref().map_or_else(|| self.state(), |zoned| &zoned.planning).clone()
    }

    /// The same for a plan that is made: its functions are in it.
    fn bare_state(&self) -> &SessionState {
        self.zoned.as_ref().map_or(&self.engine.bare, |zoned| &zoned.running)
    }

    /// The state with the enumerations that there are now, for a plan that is analyzed under it.
    pub(super) fn knowing(&self, state: &SessionState) -> SessionState {
        let mut state = state.clone();
        enums::know(state.config_mut().options_mut(), self.catalog().enums());
        state
    }

    /// What expressions are computed under.
    pub(super) fn computing(&self) -> Under {
        Under { options: self.options(), now: self.transaction_time() }
    }

    fn options(&self) -> Arc<ConfigOptions> {
        let mut options = self.bare_state().config_options().clone();
        let catalog = self.catalog();
        if !catalog.enums().is_empty() {
            enums::know(Arc::make_mut(&mut options), catalog.enums());
        }
        options
    }

    /// The time zone of the session, while that is not UTC.
    pub(super) fn zone_name(&self) -> Option<String> {
        self.zoned.as_ref().map(|zoned| zoned.name.clone())
    }

    /// The form of a planned query that tells keys of rows of that table, if it has it.
    pub(super) async fn by_key(&self, planned: Planned, relation: &Arc<Relation>) -> Result<(Planned, Option<ByKey>)> {
        if !ByKey::may_be(&planned.plan, relation, &planned.parameters) {
            return Ok((planned, None));
        }
        let relation = relation.clone();
        self.of_told(planned, move |state, plan| ByKey::of(state, plan, &relation)).await
    }

    /// What is found in a planned query whose parameters are of the types that were told, and not of those that their places suggest.
    pub(super) async fn of_told<T: Send + 'static>(
        &self,
        planned: Planned,
        find: impl FnOnce(&SessionState, &LogicalPlan) -> T + Send + 'static,
    ) -> Result<(Planned, T)> {
        let state = self.knowing(self.bare_state());
        self.aside(move || async move {
            let types: Vec<Option<PgType>> = planned.parameters.iter().cloned().map(Some).collect();
            let found = find(&state, &declared(planned.plan.clone(), &types)?);
            Ok((planned, found))
        })
        .await
    }

    /// Plans a query. `types[i]` is the declared type of parameter i+1.
    pub(super) async fn plan_query(&self, query: &ast::Query, types: &[Option<PgType>]) -> Result<Planned> {
        self.plan_with(self.names(), query, types).await
    }

    /// Plans a query over the given names, [aside](super::planning). Calls of functions of users are expanded.
    pub(super) async fn plan_with(&self, mut names: Names, query: &ast::Query, types: &[Option<PgType>]) -> Result<Planned> {
        let (mut query, types) = (query.clone(), types.to_vec());
        let called = inline::expand(&mut query, &names.scope, &types)?;
        let functions: Vec<Arc<Function>> = called.into_iter().filter_map(|id| names.scope.function(id).cloned()).collect();
        if names.reader.is_some() {
            functions.iter().try_for_each(|function| self.may_call(function))?;
        }
        let waits = wanted_by(Arc::make_mut(&mut names.base));
        let planned = self.aside(move || async move { Ok(Planned { functions, ..plan_over(names, &query, &types).await? }) }).await;
        drop(waits);
        let computed = |computed: Computed| Computed { zone: self.zone_name(), ..computed };
        planned.map(|planned| Planned { computed: planned.computed.clone().map(computed), ..planned })
    }

    /// Runs a planned query: at the head, or on views as they are if the session reads the latest.
    pub(super) async fn run_query(&self, planned: &Planned, parameters: Vec<ScalarValue>) -> Result<SendableRecordBatchStream> {
        self.may_read(&planned.reads)?;
        let cut = self.read(&planned.relations).await?;
        let soon = match self.light_plan_of(planned) {
            Some(LightPlan::OfNothing(row)) if row.is_soon(&parameters, 1) => {
                Some(row.rows(&self.computing(), &parameters, 1, &planned.schema)?)
            }
            Some(LightPlan::OfOne(of)) => match cut.relations.get(&of.relation().id) {
                Some(Readable::Rows(rows)) => of.rows(&self.computing(), &parameters, rows, &planned.schema)?,
                _ => None,
            },
            _ => None,
        };
        match soon {
            Some(rows) => Ok(rows_of(rows)),
            None => self.run_at(planned, cut, parameters),
        }
    }

    /// True if what the transaction has done may make another thing of a planned query.
    pub(super) fn may_differ(&self, planned: &Planned) -> bool {
        self.has_own() && (self.has_defined() || !matches!(self.light_plan_of(planned), Some(LightPlan::OfNothing(_))))
    }

    /// What makes the rows of a query, as long as that means what it did.
    fn light_plan_of<'a>(&self, planned: &'a Planned) -> Option<&'a LightPlan> {
        let computed = planned.computed.as_ref()?;
        (computed.enums.is(self.catalog().enums()) && computed.zone == self.zone_name()).then_some(&computed.plan)
    }

    /// Plans and runs a query: its columns and its rows.
    pub(super) async fn rows_of_query(&self, query: &ast::Query) -> Result<(Vec<Column>, SendableRecordBatchStream)> {
        let planned = self.plan_query(query, &[]).await?;
        let stream = self.run_query(&planned, vec![]).await?;
        Ok((planned.columns, stream))
    }

    /// Runs a planned query on a cut.
    pub(super) fn run_at(&self, planned: &Planned, cut: ReadCut, parameters: Vec<ScalarValue>) -> Result<SendableRecordBatchStream> {
        let plan = filled(planned.plan.clone(), parameters)?;
        let caller = Arc::new(());
        let state = self.running(&plan, cut, &caller);
        let places = self.engine.planning.clone();
        Ok(spawn(self.engine.query_runtime(), places, state, plan, planned.schema.clone(), caller))
    }

    /// The state that runs a plan on a cut, for a caller who stays as long as that is kept.
    pub(super) fn running(&self, plan: &LogicalPlan, cut: ReadCut, caller: &Arc<()>) -> SessionState {
        let mut state = self.knowing(self.bare_state());
        let options = state.config_mut().options_mut();
        Caller::staying(caller).introduce(options);
        if has_order(plan) {
            keep_order(plan, options);
        }
        state.config_mut().set_extension(Arc::new(cut));
        state.mark_start_execution();
        state.execution_props_mut().query_execution_start_time = Some(self.transaction_time());
        state
    }

    /// All rows of a query.
    pub(super) async fn collect(&self, planned: &Planned, parameters: Vec<ScalarValue>) -> Result<Vec<RecordBatch>> {
        collect(self.run_query(planned, parameters).await?).await
    }
}

/// What is planned under the state is wanted as long as that is kept: see [`Caller`].
pub(super) fn wanted_by(state: &mut SessionState) -> Arc<()> {
    let waits = Arc::new(());
    Caller::staying(&waits).introduce(state.config_mut().options_mut());
    waits
}

/// Plans a query over the given names. `types[i]` is the declared type of parameter i+1.
pub async fn plan_over(mut names: Names, written: &ast::Query, types: &[Option<PgType>]) -> Result<Planned> {
    size::check_names(written)?;
    let mut query = Box::new(written.clone());
    let context = names.system_context();
    expand_row_stars(&mut query, &context)?;
    let labels = output_names(&query);
    cast_declared(&mut query, types)?;
    names.hidden = names.hidden | hidden::expose(&mut query, &|name, mentioned| names.hidden_columns(name, mentioned));
    let mut statement = ast::Statement::Query(query);
    with_declared_types(&mut statement, types)?;
    rewrite(&mut statement, &context)?;
    let (state, reads) = (names.state(), names.reads.clone());
    let planned = state.statement_to_plan(DfStatement::Statement(Box::new(statement))).await;
    let plan = planned.map_err(|e| missing_relation(&names.scope, written, e))?;
    size::check(&plan)?;
    reads.lock().look(&plan, names.as_owner);
    let relations = relations_of(&plan)?;
    let enums = names.scope.enums();
    let complete = |types: Vec<PgType>| types.into_iter().map(|ty| enums.complete(ty)).collect::<Vec<_>>();
    // Places of one parameter may tell several types: `$1 = $1 + 1`.
    let plan = match plan.get_parameter_types() {
        Err(_) => declared(plan, types)?,
        Ok(inferred) if inferred.is_empty() => plan,
        Ok(inferred) => declared(plan, &wider(&inferred, types))?,
    };
    let parameters = complete(parameter_types(&plan, types)?);
    let plan = if parameters.is_empty() { plan } else { crate::plan::parameters::typed(plan, &parameters)? };
    let origins: Vec<_> = (0..plan.schema().fields().len()).map(|i| origin(&plan, i, &names.scope)).collect();
    let (plan, analyzed, types) = shown(&state, plan, !parameters.is_empty())?;
    let schema = analyzed.schema().inner().clone();
    let mut columns = columns_of(&schema, complete(types), labels.as_deref());
    for (column, origin) in columns.iter_mut().zip(origins) {
        column.origin = origin;
        column.precision = origin.and_then(|of| names.scope.by_id(of.relation)?.columns.get(of.number as usize - 1)?.precision);
    }
    let light = light_plan(&state, &plan, analyzed, &parameters)?;
    let computed = light.map(|plan| Computed { plan: Arc::new(plan), enums: enums.clone(), zone: None });
    let reads = reads.lock().take();
    let tells_partition = reads.iter().any(|read| read.relation.partitioning.is_some()) && tells_partition(&plan);
    Ok(Planned { plan, schema, columns, relations, reads, parameters, functions: vec![], tells_partition, computed })
}

/// The plan with object ids that are shown by their names as `reg_shown` gives them, the same analyzed, and the types of its columns. One with
/// parameters may lack what the analyzer wants to know until they are given; then the plan as it stands has to do, and rows are cast to its
/// schema.
fn shown(state: &SessionState, plan: LogicalPlan, parameters: bool) -> Result<(LogicalPlan, LogicalPlan, Vec<PgType>)> {
    let analyze = |plan: &LogicalPlan| match state.analyzer().execute_and_check(plan.clone(), state.config_options(), |_, _| {}) {
        Ok(analyzed) => Ok(analyzed),
        Err(_) if parameters => Ok(plan.clone()),
        Err(e) => Err(Error::from(e)),
    };
    let analyzed = analyze(&plan)?;
    let types = result_types::types(&plan, analyzed.schema().fields());
    let is_named = |i: usize| types[i].is_reg() && *analyzed.schema().field(i).data_type() == DataType::UInt32;
    if !(0..types.len()).any(is_named) {
        return Ok((plan, analyzed, types));
    }
    let name = state.udf("reg_shown")?;
    let columns = plan.schema().iter().enumerate().map(|(i, (table, field))| {
        let column = Expr::from((table, field));
        if !is_named(i) {
            return column;
        }
        name.call(vec![lit(types[i].typname()), column]).alias_qualified(table.cloned(), field.name())
    });
    let columns: Vec<Expr> = columns.collect();
    let plan = LogicalPlan::Projection(Projection::try_new(columns, Arc::new(plan))?);
    let analyzed = analyze(&plan)?;
    Ok((plan, analyzed, types))
}

/// What makes the rows of a planned query without the planner, if it may be so: the row of a SELECT without FROM that does no more than to
/// compute, or what depends on few rows of one relation. A parameter of an enumeration is looked at when it is given.
fn light_plan(state: &SessionState, plan: &LogicalPlan, analyzed: LogicalPlan, parameters: &[PgType]) -> Result<Option<LightPlan>> {
    let (of_nothing, of_one) = (OfNothing::is_one_row(plan), OfRows::may_be(plan));
    if !of_nothing && !of_one || parameters.iter().any(PgType::is_of_enum) {
        return Ok(None);
    }
    let told = |plan: LogicalPlan| declared(plan, &parameters.iter().cloned().map(Some).collect::<Vec<_>>());
    if of_nothing {
        return Ok(OfNothing::of(state, &told(plan.clone())?).map(LightPlan::OfNothing));
    }
    let analyzed = match parameters {
        [] => Some(analyzed),
        _ => state.analyzer().execute_and_check(told(plan.clone())?, state.config_options(), |_, _| {}).ok(),
    };
    Ok(analyzed.and_then(|analyzed| OfRows::of(state, analyzed)).map(LightPlan::OfOne))
}

/// A stream of rows that are there.
fn rows_of(batch: RecordBatch) -> SendableRecordBatchStream {
    Box::pin(RecordBatchStreamAdapter::new(batch.schema(), futures::stream::iter([Ok(batch)])))
}

/// Collects a stream.
pub async fn collect(mut stream: SendableRecordBatchStream) -> Result<Vec<RecordBatch>> {
    let mut batches = Vec::new();
    while let Some(batch) = stream.next().await {
        batches.push(batch?);
    }
    Ok(batches)
}

/// A relation that DataFusion did not find, as PostgreSQL words it.
fn missing_relation(scope: &Scope, query: &ast::Query, e: DataFusionError) -> Error {
    let text = e.to_string();
    let error: Error = e.into();
    if error.code() != code::UNDEFINED_TABLE {
        return error;
    }
    let unjoined = error.message().strip_prefix("missing FROM-clause entry for table \"").and_then(|rest| rest.strip_suffix('"'));
    if let Some(name) = unjoined {
        return alias_of(query, name).map_or(error.clone(), |alias| {
            let message = format!("invalid reference to FROM-clause entry for table \"{name}\"");
            Error::new(code::UNDEFINED_TABLE, message).hint(format!("Perhaps you meant to reference the table alias \"{alias}\"."))
        });
    }
    let Some(qualified) = text.split('\'').nth(1) else { return error };
    let mut parts = qualified.rsplit('.');
    let (name, schema) = (parts.next().unwrap_or(qualified), parts.next().filter(|schema| *schema != UNQUALIFIED));
    let name = Name { schema: schema.map(String::from), name: name.to_string() };
    let is_it = |relation: &ast::ObjectName| relation_name(relation).is_ok_and(|relation| relation == name);
    let named = ast::visit_relations(query, |relation| if is_it(relation) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) });
    match scope.missing(&name) {
        // A column that is qualified by what is not in FROM: where there are relations does not help.
        missing if named.is_continue() && name.schema.is_some() => Error::new(missing.code(), missing.message()),
        missing => missing,
    }
}

/// The alias that a query gives to a relation of that name.
fn alias_of(query: &ast::Query, name: &str) -> Option<String> {
    /// Stops at the relation, with its alias.
    struct Aliases<'a>(&'a str);
    impl ast::Visitor for Aliases<'_> {
        type Break = String;

        fn pre_visit_table_factor(&mut self, factor: &ast::TableFactor) -> ControlFlow<String> {
            match factor {
                ast::TableFactor::Table { name, alias: Some(alias), .. } if relation_name(name).is_ok_and(|name| name.name == self.0) => {
                    ControlFlow::Break(fold_name(&alias.name))
                }
                _ => ControlFlow::Continue(()),
            }
        }
    }
    ast::Visit::visit(query, &mut Aliases(name)).break_value()
}

/// The relations that a plan scans, subqueries included.
pub fn relations_of(plan: &LogicalPlan) -> Result<Vec<Arc<Relation>>> {
    let mut found: Vec<Arc<Relation>> = Vec::new();
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node
            && let Ok(provider) = source_as_provider(&scan.source)
        {
            let read = match (provider.downcast_ref::<RelationProvider>(), provider.downcast_ref::<SecuredProvider>()) {
                (Some(provider), _) => vec![provider.relation.clone()],
                (None, Some(secured)) => relations_of(&secured.plan).map_err(DataFusionError::from)?,
                (None, None) => vec![],
            };
            let known = |found: &[Arc<Relation>], read: &Relation| found.iter().any(|r| r.id == read.id);
            read.into_iter().for_each(|read| {
                if !known(&found, &read) {
                    found.push(read)
                }
            });
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}

fn parameter_types(plan: &LogicalPlan, declared: &[Option<PgType>]) -> Result<Vec<PgType>> {
    let inferred: HashMap<String, Option<DataType>> = plan.get_parameter_types().map_err(|e| {
        Error::new(code::AMBIGUOUS_PARAMETER, "inconsistent types deduced for a parameter")
            .detail(e.strip_backtrace())
            .hint("Cast the parameter in each of its places.")
    })?;
    let told = crate::plan::parameters::types(plan)?;
    let number = |name: &String| name.trim_start_matches('$').parse::<usize>().unwrap_or(0);
    // Each number up to the highest gets a type, so that one is not to be had for nothing.
    if let Some(name) = inferred.keys().find(|name| is_beyond(name)) {
        return Err(Error::new(code::UNDEFINED_PARAMETER, format!("there is no parameter {name}")));
    }
    let count = inferred.keys().map(number).max().unwrap_or(0).max(declared.len());
    let mut types = Vec::with_capacity(count);
    for i in 1..=count {
        let known = declared.get(i - 1).cloned().flatten().filter(|t| *t != PgType::Unknown);
        // The blanks at the end of what is compared with char(n) mean nothing.
        let padded = || told.get(&i).filter(|ty| matches!(ty, PgType::Bpchar(_))).map(|_| PgType::Bpchar(0));
        // It may have more decimals than the column beside it.
        let open = |ty: PgType| if ty.is_numeric() { PgType::Numeric(None) } else { ty };
        let from_use = || inferred.get(&format!("${i}")).cloned().flatten().map(|t| open(PgType::of_arrow(&t)));
        types.push(known.or_else(padded).or_else(from_use).or_else(|| told.get(&i).cloned()).unwrap_or(PgType::Text));
    }
    Ok(types)
}

/// True for the name of a parameter with a number that no client can give a value for.
fn is_beyond(name: &str) -> bool {
    let number = name.trim_start_matches('$');
    number.bytes().all(|digit| digit.is_ascii_digit()) && number.parse().ok().is_none_or(|n: usize| n > limits::PARAMETERS_MAX)
}

fn columns_of(schema: &SchemaRef, types: Vec<PgType>, labels: Option<&[Option<String>]>) -> Vec<Column> {
    let fields = schema.fields();
    let labels = labels.and_then(|l| spread(l, fields.len()));
    // A repeated name has a mark and a number behind it, since DataFusion wants them unique.
    let plain = |name: &str| name.split(DUPLICATE).next().unwrap_or(name).to_string();
    let name = |i: usize| labels.as_ref().and_then(|l| l[i].clone()).unwrap_or_else(|| plain(fields[i].name()));
    types.into_iter().enumerate().map(|(i, ty)| Column::new(name(i), ty)).collect()
}

/// One label per column: what stands before the first wildcard counts from the left, what stands behind the last from the right.
/// `None` if there are more labels than columns.
fn spread(labels: &[Option<String>], columns: usize) -> Option<Vec<Option<String>>> {
    let named = labels.iter().filter(|l| l.is_some()).count();
    if named > columns || named == labels.len() && named != columns {
        return None;
    }
    let before = labels.iter().take_while(|l| l.is_some()).count();
    let behind = labels.iter().rev().take_while(|l| l.is_some()).count().min(labels.len() - before);
    let mut spread = vec![None; columns];
    spread[..before].clone_from_slice(&labels[..before]);
    spread[columns - behind..].clone_from_slice(&labels[labels.len() - behind..]);
    Some(spread)
}

/// Optimizes and runs a plan on the query runtime; rows come through a short channel, so a slow client holds the query back.
fn spawn(
    runtime: &Handle,
    places: Arc<Semaphore>,
    state: SessionState,
    plan: LogicalPlan,
    schema: SchemaRef,
    caller: Arc<()>,
) -> SendableRecordBatchStream {
    let (send, receive) = mpsc::channel(2);
    let wanted = schema.clone();
    let task = runtime.spawn(async move {
        if let Err(e) = run(&places, state, plan, &wanted, &send).await {
            let _ = send.send(Err(e)).await;
        }
    });
    Box::pin(Rows { schema, receive, task, ended: false, _caller: caller })
}

async fn run(
    places: &Semaphore,
    state: SessionState,
    plan: LogicalPlan,
    wanted: &SchemaRef,
    send: &mpsc::Sender<datafusion::error::Result<RecordBatch>>,
) -> datafusion::error::Result<()> {
    let physical = {
        let _place = places.acquire().await;
        // Other tasks of this thread go on elsewhere meanwhile. Dropping the rows stops this before the next rule that it comes to.
        tokio::task::block_in_place(|| Handle::current().block_on(state.create_physical_plan(&plan)))?
    };
    let mut rows = Branches::of(physical, &state.task_ctx(), has_order(&plan))?;
    while let Some(batch) = rows.next().await {
        if send.send(batch.and_then(|batch| conform(batch, wanted))).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// The batch with the types that were announced to the client: parameters may have changed those of an expression.
fn conform(batch: RecordBatch, wanted: &SchemaRef) -> datafusion::error::Result<RecordBatch> {
    let differs = |(column, field): (&ArrayRef, &FieldRef)| column.data_type() != field.data_type();
    if !batch.columns().iter().zip(wanted.fields()).any(differs) {
        return Ok(batch);
    }
    let cast = |(column, field): (&ArrayRef, &FieldRef)| arrow::compute::cast(column, field.data_type());
    let columns = batch.columns().iter().zip(wanted.fields()).map(cast).collect::<std::result::Result<Vec<_>, _>>()?;
    let fields = wanted.fields().iter().map(|f| f.as_ref().clone().with_nullable(true)).collect::<Vec<_>>();
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}

/// Rows of a query that runs elsewhere; dropping it stops the query.
struct Rows {
    schema: SchemaRef,
    receive: mpsc::Receiver<datafusion::error::Result<RecordBatch>>,
    task: JoinHandle<()>,
    ended: bool,
    /// See [`Caller`].
    _caller: Arc<()>,
}

impl Stream for Rows {
    type Item = datafusion::error::Result<RecordBatch>;
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        match self.receive.poll_recv(cx) {
            // A task that panicked closes the channel without an end of its own.
            Poll::Ready(None) => Pin::new(&mut self.task).poll(cx).map(|end| {
                self.ended = true;
                let panicked = end.is_err_and(|e| e.is_panic());
                panicked.then(|| Err(DataFusionError::Internal("the query panicked".into())))
            }),
            other => other,
        }
    }
}

impl RecordBatchStream for Rows {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
}

impl Drop for Rows {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_stand_around_a_wildcard() {
        let labels = |names: &[&str]| -> Vec<Option<String>> { names.iter().map(|n| (*n != "*").then(|| n.to_string())).collect() };
        assert_eq!(spread(&labels(&["a", "*", "z"]), 4), Some(labels(&["a", "*", "*", "z"])));
        assert_eq!(spread(&labels(&["*", "m", "*", "z"]), 6), Some(labels(&["*", "*", "*", "*", "*", "z"])));
        assert_eq!(spread(&labels(&["a", "b"]), 2), Some(labels(&["a", "b"])));
        assert_eq!(spread(&labels(&["a", "b"]), 3), None);
    }
}
