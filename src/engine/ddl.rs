//! CREATE and DROP: changes of the catalog, and the nodes that come and go with them.
//!
//! A statement checks its change against the catalog as its transaction sees it, and stages it there, with the nodes that it needs
//! ([`Session::stage`]); outside BEGIN it has a transaction of its own. [`Engine::commit`] then registers the logs of new
//! relations, appends the changes to `_catalog` together with the transaction's events (from then on they are durable), gives the nodes to
//! the runner, makes the new catalog current, and removes what was dropped. A crash in between is mended by opening, which does
//! the same from `_catalog`.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Field, Schema, SchemaRef};
use sqlparser::ast;

use super::constraints::{free_name, is_taken, is_wanted, referring};
use super::database::Engine;
use super::dml::parsed_query;
use super::indexes::check_key_types;
use super::ksql;
use super::node::{Bounds, Input, Node, Source};
use super::order::below_first;
use super::partitions::check_keys;
use super::query::Planned;
use super::recovery::catalog_events;
use super::session::{Response, Session};
use super::time::tells_time;
use super::transaction::Definition;
use super::types::check_free_of_types;
use crate::catalog::{
    CATALOG_LOG, CLOCK_LOG, Catalog, Change, Column, FunctionId, NUMBERS_LOG, Name, NamespaceId, Relation, RelationId, RelationKind,
    ViewOptions,
};
use crate::data::{OFFSET, POSITION, PgType, TIME};
use crate::error::{Error, Result, code};
use crate::fold::{Flow, Identity, Upsert};
use crate::func::enums;
use crate::limits;
use crate::log::{Append, LogId};
use crate::plan::lower::{Dataflow, Options, lower, refuse_unstable};
use crate::plan::names::{ContextSource, Names};
use crate::sql::convert::check_kept;
use crate::sql::parse::refuse_rules_of_stream;
use crate::sql::statement::{NewRelation, NewRule, OnCommit};
use crate::sql::{Statement, parse};

/// The columns of a relation's events as the log gives them back.
pub(super) fn logged_schema(relation: &Relation) -> SchemaRef {
    let mut fields: Vec<Field> = relation.event_schema().fields().iter().map(|f| f.as_ref().clone()).collect();
    fields.push(PgType::Int8.field(POSITION, false));
    fields.push(PgType::Int8.field(OFFSET, false));
    fields.push(PgType::Timestamptz.field(TIME, false));
    Arc::new(Schema::new(fields))
}

/// The relations with nodes that a relation reads directly.
pub fn nodes_below(catalog: &Catalog, relation: &Relation) -> Vec<RelationId> {
    let direct = direct_reads(catalog, relation);
    direct.into_iter().filter(|id| catalog.by_id(*id).is_some_and(|r| r.has_node())).collect()
}

/// A relation with a node and all such relations below it, those below first.
pub fn nodes_all_below(catalog: &Catalog, id: RelationId) -> Vec<RelationId> {
    below_first([id], |id| catalog.by_id(id).map_or(Vec::new(), |r| nodes_below(catalog, r)))
}

fn direct_reads(catalog: &Catalog, relation: &Relation) -> BTreeSet<RelationId> {
    let mut reads = BTreeSet::new();
    for id in &relation.depends_on {
        match catalog.by_id(*id) {
            Some(r) if r.is_expanded() => reads.extend(direct_reads(catalog, r)),
            Some(r) => {
                reads.insert(r.id);
            }
            None => {}
        }
    }
    reads
}

/// The logs that a relation's rows come from in the end.
pub(super) fn base_logs(catalog: &Catalog, relation: &Relation) -> Vec<LogId> {
    let mut logs = BTreeSet::new();
    let mut open = vec![relation.id];
    while let Some(relation) = open.pop().and_then(|id| catalog.by_id(id)) {
        if relation.has_log() {
            logs.insert(relation.id);
        }
        open.extend(&relation.depends_on);
    }
    logs.into_iter().collect()
}

/// The node of a relation that has one, at position 0.
pub fn node(engine: &Engine, relation: &Arc<Relation>) -> Result<Arc<Node>> {
    if relation.ksql.as_ref().is_some_and(|k| !k.writers.is_empty()) {
        return ksql::node::node(engine, &engine.catalog(), relation);
    }
    match relation.kind {
        RelationKind::Table => table_node(relation),
        _ => futures::executor::block_on(view_node_of(engine, relation)),
    }
}

/// The node of a materialized view of the catalog, at position 0.
pub async fn view_node_of(engine: &Engine, relation: &Arc<Relation>) -> Result<Arc<Node>> {
    view_node_in(engine, &engine.catalog(), relation).await
}

/// The node of a materialized view of a catalog that is not current yet, at position 0.
pub async fn view_node_in(engine: &Engine, catalog: &Arc<Catalog>, relation: &Arc<Relation>) -> Result<Arc<Node>> {
    view_node_with(engine, catalog, relation, |id| engine.node(id)).await
}

/// The same, with nodes below that are not in place yet.
pub async fn view_node_with(
    engine: &Engine,
    catalog: &Arc<Catalog>,
    relation: &Arc<Relation>,
    find: impl Fn(RelationId) -> Option<Arc<Node>>,
) -> Result<Arc<Node>> {
    let Statement::Query(query) = parse(&relation.sql)? else {
        return Err(Error::internal(format!("materialized view {} is not a query", relation.name)));
    };
    let dataflow = engine.dataflow(catalog, &query, &relation.columns, relation.leaves_out).await?;
    view_node(engine, catalog, relation.clone(), dataflow, find)
}

/// The operator that folds the events of a table, all their columns, into its rows; and the columns that identify a row.
pub(super) fn table_flow(relation: &Relation) -> Result<(Flow, Vec<usize>)> {
    let schema = logged_schema(relation);
    let op = relation.columns.len();
    let mut rows: Vec<usize> = (0..op).collect();
    if relation.ksql.is_some() {
        // ROWTIME, behind the columns that PostgreSQL's dialect sees.
        rows.push(op + 3);
    }
    let (identity, key, position) = if relation.key.is_empty() {
        rows.push(op + 1);
        (Identity::Row { row: op + 1, position: op + 2 }, vec![op], op + 2)
    } else {
        (Identity::Key(relation.key.clone()), relation.key.clone(), op + 1)
    };
    if relation.ksql.is_none() {
        // The position of the event that the row is as of: what its system columns are made of.
        rows.push(position);
    }
    let upsert = Upsert::new(schema.clone(), identity, op, rows)?;
    Ok((Flow::node(Box::new(upsert), vec![Flow::source(0, schema)]), key))
}

pub(super) fn table_node(relation: &Arc<Relation>) -> Result<Arc<Node>> {
    let (flow, key) = table_flow(relation)?;
    let all: Vec<usize> = (0..logged_schema(relation).fields().len()).collect();
    let input = Input::new(Source::Log(relation.id), all, &logged_schema(relation))?;
    Ok(Arc::new(Node::new(relation.clone(), vec![input], vec![relation.id], flow, Some(key), false, Bounds::default())))
}

/// A node that holds nothing and reads nothing, for a relation whose query cannot be planned.
pub fn empty_node(relation: &Arc<Relation>) -> Arc<Node> {
    let schema = if relation.ksql.is_some() { ksql::node::kept_schema(relation) } else { relation.schema() };
    let flow = Flow::constant(RecordBatch::new_empty(schema));
    Arc::new(Node::new(relation.clone(), vec![], vec![], flow, None, false, Bounds::default()))
}

/// `find` gives the nodes below.
fn view_node(
    engine: &Engine,
    catalog: &Catalog,
    relation: Arc<Relation>,
    dataflow: Dataflow,
    find: impl Fn(RelationId) -> Option<Arc<Node>>,
) -> Result<Arc<Node>> {
    let by_clock = |id: RelationId| id == CLOCK_LOG || find(id).is_some_and(|node| tells_time(&node));
    let tells_time = dataflow.inputs.iter().any(|input| by_clock(input.relation.id));
    let inputs = dataflow.inputs.iter().map(|input| {
        let source = if input.relation.has_node() { Source::Node(input.relation.id) } else { Source::Log(input.relation.id) };
        Input::new(source, input.columns.clone(), &input.schema)
    });
    let inputs = inputs.collect::<Result<Vec<_>>>()?;
    let mut logs = base_logs(catalog, &relation);
    logs.extend(tells_time.then_some(CLOCK_LOG));
    let Dataflow { flow, key, append_only, .. } = dataflow;
    Ok(Arc::new(Node::new(relation, inputs, logs, flow, key, append_only, engine.view_bounds)))
}

impl Engine {
    /// The dataflow of a materialized view's query.
    async fn dataflow(self: &Engine, catalog: &Arc<Catalog>, query: &ast::Query, columns: &[Column], leaves_out: bool) -> Result<Dataflow> {
        let context: ContextSource = Arc::new(Default::default);
        // DataFusion names common expressions by a counter: it begins anew, so that a view's operators are the same after a restart.
        let mut state = self.template.clone();
        state.mark_start_execution();
        enums::know(state.config_mut().options_mut(), catalog.enums());
        let state = Arc::new(state);
        let names = Names::of_server(catalog.clone(), context, state.clone());
        let planned = super::query::plan_over(names, query, &[]).await?;
        let wanted: Vec<Field> = columns.iter().map(|c| c.ty.field(&c.name, true)).collect();
        let options = Options { leaves_out, step_bytes_max: self.view_bounds.state };
        lower(&state, &planned.plan, &wanted, options)
    }

    /// Appends changes of the catalog and makes them current, after `prepare`: what they name must be there when it can be found. The
    /// caller holds the DDL lock.
    pub(super) async fn change(&self, changes: &[Change], prepare: impl FnOnce() -> Result<()>) -> Result<()> {
        let next = changes.iter().try_fold(self.catalog().as_ref().clone(), |catalog, change| catalog.apply(change))?;
        let batches = vec![(CATALOG_LOG, catalog_events(changes)?)];
        self.log.append(Append { batches, sync: true }).await?;
        let prepared = prepare();
        self.catalog.store(Arc::new(next));
        prepared
    }

    /// Creates a relation, in the place of `replaced` if there is one. The caller holds the DDL lock.
    pub(super) async fn create(&self, relation: Relation, node: Option<Arc<Node>>, replaced: Option<RelationId>) -> Result<()> {
        let change = match replaced {
            Some(old) => Change::Replace(old, relation),
            None => Change::Create(relation),
        };
        let definition = Definition { change, nodes: node.into_iter().collect() };
        self.commit_holding(vec![definition], Append { batches: vec![], sync: true }).await
    }

    /// Drops relations, given dependents first, without asking who depends on them.
    pub(super) async fn drop_relations(&self, ids: &[RelationId]) -> Result<()> {
        let _ddl = self.ddl.lock().await;
        let catalog = self.catalog();
        let mut all = BTreeSet::new();
        for id in ids.iter().filter(|id| catalog.by_id(**id).is_some()) {
            all.extend(catalog.with_dependents(*id));
        }
        if all.is_empty() {
            return Ok(());
        }
        let change = Change::Drop(all.into_iter().rev().collect());
        self.commit_holding(vec![Definition { change, nodes: vec![] }], Append { batches: vec![], sync: true }).await
    }

    /// Commits a transaction that changes the catalog: its changes and its events, as one.
    pub(super) async fn commit(&self, changes: Vec<Definition>, append: Append) -> Result<()> {
        let _ddl = self.ddl.lock().await;
        self.commit_holding(changes, append).await
    }

    /// [`Engine::commit`] for who holds the DDL lock. Errors: those of the append, and then nothing has changed.
    async fn commit_holding(&self, changes: Vec<Definition>, append: Append) -> Result<()> {
        let before = self.catalog();
        let next = changes.iter().try_fold(before.as_ref().clone(), |catalog, d| catalog.apply(&d.change))?;
        let mut nodes: Vec<Arc<Node>> = Vec::new();
        for node in changes.iter().flat_map(|d| &d.nodes).filter(|node| next.by_id(node.relation.id).is_some()) {
            nodes.retain(|earlier| earlier.relation.id != node.relation.id);
            nodes.push(node.clone());
        }
        // A view that filters by the time begins with a time.
        if nodes.iter().any(|node| tells_time(node)) {
            self.tick().await;
        }
        let fresh: Vec<&Arc<Relation>> = next.relations().filter(|r| r.has_log() && before.by_id(r.id).is_none()).collect();
        let mut batches = vec![(CATALOG_LOG, catalog_events(changes.iter().map(|d| &d.change))?)];
        let is_there = |log: LogId| log == NUMBERS_LOG || next.by_id(log).is_some();
        batches.extend(append.batches.into_iter().filter(|(log, _)| is_there(*log)));
        let registered = fresh.iter().try_for_each(|r| self.log.register(r.id, r.event_schema(), &r.key));
        let appended = match registered {
            Ok(()) => self.log.append(Append { batches, sync: true }).await.map(|_| ()),
            Err(e) => Err(e),
        };
        if let Err(e) = appended {
            // Best effort: opening drops the logs that no relation has.
            fresh.iter().for_each(|r| drop(self.log.drop_log(r.id)));
            return Err(e);
        }
        // What a reader finds in the catalog must be there.
        let (rebuilt, new): (Vec<_>, Vec<_>) = nodes.into_iter().partition(|node| self.node(node.relation.id).is_some());
        let mut placed = new.into_iter().try_for_each(|node| self.runner.add(node, None));
        if !rebuilt.is_empty() {
            placed = placed.and(self.runner.restart(rebuilt));
        }
        self.catalog.store(Arc::new(next.clone()));
        for change in changes.iter().map(|d| &d.change) {
            if let Change::Alter(relation) = change
                && let Some(node) = self.node(relation.id)
            {
                node.live().write().retain_indexes(|by| is_wanted(relation, by));
            }
        }
        let gone: Vec<&Arc<Relation>> = before.relations().filter(|r| next.by_id(r.id).is_none()).collect();
        self.runner.remove(&gone.iter().rev().map(|r| r.id).collect::<Vec<_>>());
        self.uniques.lock().retain(|id, _| next.by_id(*id).is_some());
        self.generators.lock().retain(|id, _| next.by_id(*id).is_some());
        self.partition_conditions.lock().retain(|id, _| next.by_id(*id).is_some());
        for relation in gone.iter().filter(|r| r.has_log()) {
            self.log.drop_log(relation.id)?;
        }
        placed
    }
}

impl Session {
    /// True if the relation is there already and that is all right; 42P07 if it is not, 42710 for the name of a type.
    pub(super) fn exists(&mut self, namespace: NamespaceId, name: &str, if_not_exists: bool) -> Result<bool> {
        if !is_taken(&self.catalog(), namespace, name) {
            check_free_of_types(&self.catalog(), namespace, name)?;
            return Ok(false);
        }
        let exists = Error::new(code::DUPLICATE_TABLE, format!("relation \"{name}\" already exists"));
        if !if_not_exists {
            return Err(exists);
        }
        self.notice("NOTICE", Error::new(code::DUPLICATE_TABLE, format!("relation \"{name}\" already exists, skipping")));
        Ok(true)
    }

    /// What CREATE TABLE creates where it does not say so: what `default_table_access_method` names. Errors: 0A000 for what no stream has.
    fn kind_by_default(&self, key: &[usize], rules: &[NewRule]) -> Result<RelationKind> {
        let kind = RelationKind::of_access_method(&self.settings.get("default_table_access_method")?).unwrap_or(RelationKind::Table);
        if kind == RelationKind::Stream {
            let hint = "Write USING heap, or SET default_table_access_method = heap, for rows of which the last one per key counts.";
            refuse_rules_of_stream(key, rules).map_err(|e| e.hint(hint))?;
        }
        Ok(kind)
    }

    /// CREATE STREAM and CREATE TABLE. Answers the tag. Errors: 42P07, 42P16, 42501, 42704, and those of columns and rules.
    pub(super) async fn create_relation(&mut self, text: &str, mut new: NewRelation) -> Result<String> {
        if new.temporary.is_none() {
            new.told.drain(..).for_each(|text| self.notice("NOTICE", Error::new(code::SUCCESS, text)));
            new.kind = if new.by_default { self.kind_by_default(&new.key, &new.rules)? } else { new.kind };
        }
        let tag = format!("CREATE {}", new.kind.word().to_uppercase());
        self.settle_types(&mut new.columns, &new.named)?;
        self.made_relation(text, new).await.map(|()| tag)
    }

    async fn made_relation(&mut self, text: &str, mut new: NewRelation) -> Result<()> {
        let namespace = match new.temporary {
            Some(_) => self.temporary_place(&new.name)?,
            None => {
                self.define().await?;
                let namespace = self.scope().place_of(&new.name)?.id;
                self.may_create_in(namespace)?;
                namespace
            }
        };
        let exists = match new.temporary {
            Some(_) => self.exists_temporary(&new.name.name, new.if_not_exists),
            None => self.exists(namespace, &new.name.name, new.if_not_exists)?,
        };
        if exists {
            return Ok(());
        }
        let liked = self.take_liked(&mut new)?;
        let NewRelation { kind, name: Name { name, .. }, mut columns, key, key_named, rules, numbered, temporary, partitioning, .. } = new;
        for column in &mut columns {
            self.keep_default(column).await?;
        }
        let sql = text.trim().to_string();
        let relation = Relation::new(self.engine.new_id(), name, kind, columns, sql);
        let mut relation = Relation { namespace, key, key_named, owner: self.role(), ..relation };
        check_key_types(relation.key.iter().map(|k| &relation.columns[*k]))?;
        for at in 0..relation.columns.len() {
            self.keep_generated(&mut relation, at).await?;
        }
        if !relation.key.is_empty() && temporary.is_none() {
            self.name_key(&mut relation)?;
        }
        for (column, options) in &numbered {
            let sequence = self.number_column(&mut relation, *column, options)?;
            self.stage(sequence, vec![])?;
        }
        for rule in &rules {
            let constraint = self.new_constraint(&relation, rule).await?;
            relation.constraints.push(constraint);
        }
        if let Some(by) = &partitioning {
            relation.partitioning = Some(Box::new(self.settled_partitioning(&relation, by).await?));
            check_keys(&self.catalog(), &Arc::new(relation.clone()), &relation)?;
        }
        relation.comments.columns = liked.comments;
        if let Some(on_commit) = temporary {
            return self.create_temporary(relation, on_commit);
        }
        let node = if kind == RelationKind::Table { Some(table_node(&Arc::new(relation.clone()))?) } else { None };
        let id = relation.id;
        let name = Name::qualified(self.catalog().namespace_name(namespace), &relation.name);
        self.stage(Change::Create(relation), node.into_iter().collect())?;
        self.transaction.iter_mut().for_each(|t| t.renew(id));
        for index in &liked.indexes {
            self.create_index(None, &name, index, false).await?;
        }
        Ok(())
    }

    /// Gives a new primary key the name that it is to have, or one that is free. Errors: 42P07.
    fn name_key(&self, relation: &mut Relation) -> Result<()> {
        if relation.key_named.is_some() {
            return self.check_free(relation.namespace, relation.key_named.as_deref());
        }
        let catalog = self.catalog();
        let (usual, taken) = (relation.key_name(), |name: &str| is_taken(&catalog, relation.namespace, name));
        if taken(&usual) {
            relation.key_named = Some(free_name(&usual, &taken));
        }
        Ok(())
    }

    pub(super) async fn create_view(&mut self, view: NewView) -> Result<()> {
        let engine = self.engine.clone();
        let before = self.scope();
        let mut namespace = before.place_of(&view.name)?.id;
        self.may_create_in(namespace)?;
        let name = view.name.name.clone();
        let kind = if view.materialized { RelationKind::MaterializedView } else { RelationKind::View };
        let replaceable = |r: &&Arc<Relation>| view.or_replace && r.kind == kind && r.ksql.is_none();
        // Without the lock, since planning may take long; once more with it if the catalog has changed meanwhile.
        if before.find_in(namespace, &name).is_some_and(|r| !replaceable(&r)) && self.exists(namespace, &name, view.if_not_exists)? {
            return Ok(());
        }
        let mut planned = self.plan_view(&view).await?;
        let catalog = self.define().await?;
        if !Arc::ptr_eq(&before.catalog, &catalog) {
            planned = self.plan_view(&view).await?;
            namespace = self.scope().place_of(&view.name)?.id;
        }
        let replaced = catalog.find_in(namespace, &name).filter(replaceable).cloned();
        if replaced.is_none() && self.exists(namespace, &name, view.if_not_exists)? {
            return Ok(());
        }
        let PlannedView { columns, sql, depends_on, calls, dataflow } = planned;
        let owner = replaced.as_ref().map_or(self.role(), |old| old.owner);
        let (view_options, triggers) = (view.options, replaced.as_ref().map_or(vec![], |old| old.triggers.clone()));
        let plain = Relation::new(engine.new_id(), name, kind, columns, sql);
        let relation = Relation { namespace, depends_on, calls, owner, view_options, triggers, ..plain };
        self.may_check(&relation)?;
        let node = if let Some(mut dataflow) = dataflow {
            for notice in std::mem::take(&mut dataflow.notices) {
                self.notice("NOTICE", Error::new(code::WARNING, notice));
            }
            // The node's base logs are looked up in a catalog that has the relation.
            let catalog = catalog.apply(&Change::Create(relation.clone()))?;
            if let Some((_, failure)) = nodes_below(&catalog, &relation).into_iter().find_map(|id| engine.runner.failure(id)) {
                return Err(failure.told.clone());
            }
            Some(view_node(&engine, &catalog, Arc::new(relation.clone()), dataflow, |id| self.node_of(id))?)
        } else {
            None
        };
        let change = match replaced {
            Some(old) => {
                self.must_own(&old)?;
                check_replaceable(&catalog, &old)?;
                Change::Replace(old.id, relation)
            }
            None => Change::Create(relation),
        };
        self.stage(change, node.into_iter().collect())
    }

    /// CREATE TEMPORARY VIEW, in the transaction that is open. Errors: 42P16, 42P07, 42P17 for one that reads itself, 2BP01.
    pub(super) async fn create_temporary_view(&mut self, view: NewView) -> Result<()> {
        let namespace = self.temporary_place(&view.name)?;
        let name = view.name.name.clone();
        let old = self.temporary_tables().iter().find(|t| t.relation.name == name).map(|t| t.relation.clone());
        let replaced = old.filter(|old| view.or_replace && old.kind == RelationKind::View);
        if replaced.is_none() && self.exists_temporary(&name, view.if_not_exists) {
            return Ok(());
        }
        let PlannedView { columns, sql, depends_on, calls, .. } = self.plan_view(&view).await?;
        let (owner, view_options, triggers) = (self.role(), view.options, replaced.as_ref().map_or(vec![], |old| old.triggers.clone()));
        let plain = Relation::new(self.engine.new_id(), name, RelationKind::View, columns, sql);
        let relation = Relation { namespace, depends_on, calls, owner, view_options, triggers, ..plain };
        self.may_check(&relation)?;
        let Some(old) = replaced else { return self.create_temporary(relation, OnCommit::PreserveRows) };
        if relation.depends_on.contains(&old.id) {
            let message = format!("infinite recursion detected in rules for relation \"{}\"", old.name);
            return Err(Error::new(code::INVALID_OBJECT_DEFINITION, message));
        }
        check_replaceable(&self.catalog(), &old)?;
        self.replace_temporary(old.id, relation)
    }

    /// REFRESH MATERIALIZED VIEW: done when the view has folded all that is acknowledged, as it has at every query. Errors: 42P01,
    /// 42809, 55000 for a view that has failed.
    pub(super) async fn refresh_view(&mut self, name: &Name) -> Result<Response> {
        let relation = self.scope().known(name)?.clone();
        if relation.kind != RelationKind::MaterializedView {
            return Err(Error::new(code::WRONG_OBJECT_TYPE, format!("\"{name}\" is not a materialized view")));
        }
        self.must_own(&relation)?;
        if let Some(node) = self.engine.node(relation.id) {
            self.teller.awaits([relation.id]);
            self.engine.reach(&node).await?;
        }
        Ok(Response::Done("REFRESH MATERIALIZED VIEW".into()))
    }

    /// What a view is: along the session's path, but for the dataflow, which is that of the query as the catalog keeps it.
    async fn plan_view(&self, view: &NewView) -> Result<PlannedView> {
        let planned = self.plan_with(self.names_of_view(), &view.query, &[]).await?;
        if !planned.parameters.is_empty() {
            return Err(Error::new(code::UNDEFINED_PARAMETER, "a view cannot have parameters"));
        }
        let columns = view_columns(&planned, view)?;
        let (sql, calls) = self.without_calls(&view.sql)?;
        let sql = self.settled_query(self.spelled_out(self.kept_query(&sql)?, &[]).await?, &planned.plan)?;
        // What a plain view reads is read by that, with the rights of its owner.
        let direct: BTreeSet<RelationId> = planned.reads.iter().filter(|r| r.as_owner.is_none()).map(|r| r.relation.id).collect();
        let depends_on = direct.into_iter().collect();
        if !view.materialized {
            return Ok(PlannedView { columns, sql, depends_on, calls, dataflow: None });
        }
        check_kept(&columns)?;
        // The view's own plan knows no function of a session: they are found in this one.
        refuse_unstable(&planned.plan)?;
        self.refuse_other_reading(&planned.plan)?;
        // What it holds is read now, for whoever may read the view; what a plain view names is asked about whenever it is read.
        self.may_read(&planned.reads)?;
        self.refuse_secured_below(&planned.reads)?;
        let (engine, query, catalog) = (self.engine.clone(), parsed_query(&sql)?, self.catalog());
        let planned = self.aside(move || async move {
            let dataflow = engine.dataflow(&catalog, &query, &columns, false).await?;
            Ok(PlannedView { columns, sql, depends_on, calls, dataflow: Some(dataflow) })
        });
        planned.await
    }

    pub(super) fn created(&mut self, id: RelationId) {
        if let Some(transaction) = self.transaction.as_mut() {
            transaction.created.push(id);
        }
    }

    /// Waits for who uses what is about to be dropped, before the catalog is held for it. What is not there, or is another's, is told later.
    async fn lock_dropped(&mut self, kind: RelationKind, names: &[Name]) -> Result<()> {
        let scope = self.scope();
        let found = names
            .iter()
            .filter_map(|name| scope.find(name))
            .map(|named| scope.written(named))
            .filter(|relation| relation.kind == kind && relation.has_log());
        let ids: Vec<RelationId> = found.filter(|relation| self.must_own(relation).is_ok()).map(|relation| relation.id).collect();
        for id in ids {
            self.lock_definition(id).await?;
        }
        Ok(())
    }

    pub(super) async fn drop(&mut self, kind: RelationKind, names: &[Name], if_exists: bool, cascade: bool) -> Result<()> {
        self.lock_dropped(kind, names).await?;
        let catalog = self.define().await?;
        let scope = self.scope();
        let mut wanted = BTreeSet::new();
        for name in names {
            match scope.find(name) {
                None if if_exists => {
                    let text = match scope.check_schema(name) {
                        Err(e) => format!("{}, skipping", e.message()),
                        Ok(()) => format!("{} \"{name}\" does not exist, skipping", kind.word()),
                    };
                    self.notice("NOTICE", Error::new(code::SUCCESS, text));
                }
                None => {
                    scope.check_schema(name)?;
                    let mut error = scope.missing(name);
                    error.fields_mut().message = format!("{} \"{name}\" does not exist", kind.word());
                    return Err(error);
                }
                Some(relation) if relation.kind != kind && !(relation.is_partition() && kind == RelationKind::Table) => {
                    let message = format!("\"{}\" is not a {}", name.name, kind.word());
                    return Err(Error::new(code::WRONG_OBJECT_TYPE, message)
                        .hint(format!("Use DROP {} to remove it.", relation.kind.word().to_uppercase())));
                }
                Some(relation) => {
                    self.must_own(relation)?;
                    wanted.extend(scope.partition_tree(relation).iter().map(|(of, _)| of.id));
                }
            }
        }
        let all = self.dropped_with(&catalog, &wanted, cascade)?;
        if all.is_empty() {
            return Ok(());
        }
        let (own, all): (BTreeSet<RelationId>, BTreeSet<RelationId>) = all.into_iter().partition(|id| self.is_temporary(*id));
        self.forget_temporary(&own)?;
        self.empty_dropped(&catalog, &all).await?;
        self.drop_references(&catalog, &all, cascade)?;
        self.drop_policies_naming(&all, cascade)?;
        self.stage(Change::Drop(all.iter().rev().copied().collect()), vec![])?;
        self.defaults_have_changed(&catalog, &all).await
    }

    /// Relations that are to be dropped, and what depends on them, which is told. Errors: 2BP01 for that without `cascade`.
    pub(super) fn dropped_with(&mut self, catalog: &Catalog, wanted: &BTreeSet<RelationId>, cascade: bool) -> Result<BTreeSet<RelationId>> {
        for relation in wanted.iter().filter_map(|id| catalog.by_id(*id)) {
            let others: Vec<_> = catalog.dependents(relation.id).into_iter().filter(|r| !wanted.contains(&r.id)).collect();
            if !cascade && !others.is_empty() {
                let dropped = format!("{} {}", relation.kind.word(), relation.name);
                let depends = |r: &Arc<Relation>| format!("{} {} depends on {dropped}", r.kind.word(), r.name);
                let message = format!("cannot drop {dropped} because other objects depend on it");
                return Err(Error::new(code::DEPENDENT_OBJECTS_STILL_EXIST, message)
                    .detail(others.iter().map(depends).collect::<Vec<_>>().join("\n"))
                    .hint("Use DROP ... CASCADE to drop the dependent objects too."));
            }
        }
        let all: BTreeSet<RelationId> = wanted.iter().flat_map(|id| catalog.with_dependents(*id)).collect();
        let others: Vec<&Arc<Relation>> = all.difference(wanted).filter_map(|id| catalog.by_id(*id)).collect();
        self.tell_cascade(&others.iter().map(|r| format!("drop cascades to {} {}", r.kind.word(), r.name)).collect::<Vec<_>>());
        Ok(all)
    }

    /// Takes away the constraints by which tables that stay refer to some that go. Errors: 2BP01 without `cascade`.
    pub(super) fn drop_references(&mut self, catalog: &Catalog, gone: &BTreeSet<RelationId>, cascade: bool) -> Result<()> {
        for parent in gone.iter().filter_map(|id| catalog.by_id(*id)) {
            let staying = referring(catalog, parent.id).filter(|(child, _, _)| !gone.contains(&child.id));
            self.drop_foreign_keys(&format!("table {}", parent.name), staying, cascade)?;
        }
        Ok(())
    }

    /// The NOTICE of a DROP .. CASCADE: what goes with it.
    pub(super) fn tell_cascade(&mut self, others: &[String]) {
        match others {
            [] => {}
            [only] => self.notice("NOTICE", Error::new(code::SUCCESS, only.clone())),
            several => {
                let notice = Error::new(code::SUCCESS, format!("drop cascades to {} other objects", several.len()));
                self.notice("NOTICE", notice.detail(several.join("\n")));
            }
        }
    }
}

/// Errors: 2BP01 if something depends on it.
fn check_replaceable(catalog: &Catalog, old: &Relation) -> Result<()> {
    if catalog.dependents(old.id).is_empty() {
        return Ok(());
    }
    let message = format!("cannot replace {} {} because other objects depend on it", old.kind.word(), old.name);
    Err(Error::new(code::DEPENDENT_OBJECTS_STILL_EXIST, message).hint("Drop the dependent objects first."))
}

/// CREATE VIEW and CREATE MATERIALIZED VIEW.
pub struct NewView {
    pub materialized: bool,
    pub name: Name,
    pub columns: Vec<String>,
    pub query: Box<ast::Query>,
    pub sql: String,
    pub if_not_exists: bool,
    pub or_replace: bool,
    pub options: ViewOptions,
}

/// The columns of a view: those of its query, renamed if a list is given.
fn view_columns(planned: &Planned, view: &NewView) -> Result<Vec<Column>> {
    let names = &view.columns;
    if names.len() > planned.columns.len() {
        let plain = "CREATE VIEW specifies more column names than columns";
        return Err(Error::syntax(if view.materialized { "too many column names were specified" } else { plain }));
    }
    if planned.columns.len() > limits::COLUMNS_MAX {
        return Err(Error::new("54011", format!("a relation has at most {} columns", limits::COLUMNS_MAX)));
    }
    let mut columns: Vec<Column> = Vec::with_capacity(planned.columns.len());
    for (i, from) in planned.columns.iter().enumerate() {
        let name = names.get(i).unwrap_or(&from.name).clone();
        if columns.iter().any(|c| c.name == name) {
            return Err(Error::new(code::DUPLICATE_COLUMN, format!("column \"{name}\" specified more than once"))
                .hint("Give one of the columns another name with AS."));
        }
        let ty = if from.ty == PgType::Unknown { PgType::Text } else { from.ty.clone() };
        columns.push(Column { precision: from.precision, ..Column::new(name, ty) });
    }
    Ok(columns)
}

/// A view as it is about to be made.
struct PlannedView {
    columns: Vec<Column>,
    /// Its query as the catalog keeps it.
    sql: String,
    /// The relations that it names directly, plain views included.
    depends_on: Vec<RelationId>,
    /// The functions of users that its query calls.
    calls: Vec<FunctionId>,
    /// If it is materialized.
    dataflow: Option<Dataflow>,
}
