//! From the names in a statement to relations: what DataFusion's planner asks for tables.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{CatalogProvider, CatalogProviderList, SchemaProvider, TableProvider};
use datafusion::datasource::ViewTable;
use datafusion::error::DataFusionError;
use datafusion::execution::SessionState;
use datafusion::sql::parser::Statement as DfStatement;
use parking_lot::Mutex;
use sqlparser::ast;

use crate::catalog::{Catalog, Command, Name, Path, Relation, RelationId, RelationKind, RoleId, SYSTEM_NAMESPACES, Scope, TEMPORARY_NAME};
use crate::data::{OFFSET, POSITION, PgType, ROW, TIME};
use crate::error::Result;
use crate::func::enums;
use crate::plan::arrival;
use crate::plan::policies::Reader;
use crate::plan::reads::Reads;
use crate::plan::size;
use crate::serve::provider::{RelationProvider, SystemProvider};
use crate::serve::secured::SecuredProvider;
use crate::serve::system::facts::SET_FUNCTIONS;
use crate::serve::system::rewrite::{expand_row_stars, rewrite};
use crate::serve::system::{RELATIONS, SystemContext};
use crate::sql::hidden::{self, Mentioned};
use crate::sql::{Statement, parse};

/// How system relations reach what they show.
pub type ContextSource = Arc<dyn Fn() -> Arc<SystemContext> + Send + Sync>;

/// The schema of names without one, for DataFusion: no identifier is empty.
pub const UNQUALIFIED: &str = "";

/// The names that a statement may use, as of one catalog.
#[derive(Clone)]
pub struct Names {
    /// The relations, and the path along which they are looked up.
    pub scope: Scope,
    /// What system relations show.
    pub context: ContextSource,
    /// The hidden columns that the statement names.
    pub hidden: Mentioned,
    /// Relations of this statement only, by name, without a schema: rows that it has written, the table that it changes.
    pub stand_ins: Vec<(String, Arc<dyn TableProvider>)>,
    /// Materialized views to be read by their queries, as plain views are.
    pub expand: Arc<BTreeSet<RelationId>>,
    /// What plans the queries of plain views. It is shared: it holds the name of every function.
    pub base: Arc<SessionState>,
    /// The owner of the view whose query is being planned.
    pub as_owner: Option<RoleId>,
    /// The owner of the materialized view around it: with whose rights what takes the reader's is read, as it was when the view was made.
    pub kept_by: Option<RoleId>,
    /// Who asks; `None` for the server itself, which sees all rows.
    pub reader: Option<Reader>,
    /// Relations whose rows the statement locks, as who changes them does.
    pub locked: BTreeSet<RelationId>,
    /// The relations whose policies are being planned, one within the other.
    pub securing: Vec<RelationId>,
    /// What was named so far.
    pub reads: Arc<Mutex<Reads>>,
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Names")
    }
}

/// The columns of a relation's events or rows, system columns included where they are stored: what the log and the fold hold.
pub fn stored_schema(relation: &Relation, hidden: bool) -> SchemaRef {
    let user = relation.schema();
    let mut fields: Vec<Field> = user.fields().iter().map(|f| f.as_ref().clone()).collect();
    match relation.kind {
        RelationKind::Stream if hidden => {
            fields.push(PgType::Int8.field(POSITION, false));
            fields.push(PgType::Int8.field(OFFSET, false));
            fields.push(PgType::Timestamptz.field(TIME, false));
        }
        RelationKind::Table if hidden && relation.key.is_empty() => fields.push(PgType::Int8.field(ROW, false)),
        _ => {}
    }
    Arc::new(Schema::new(fields))
}

/// The columns that the fold holds of a table: its own, the row id where it has no key, and the position of the event that each row is as of,
/// but in ksqlDB's dialect.
pub fn folded_schema(table: &Relation) -> SchemaRef {
    let stored = stored_schema(table, true);
    if table.ksql.is_some() {
        return stored;
    }
    let position = PgType::Int8.field(POSITION, false);
    Arc::new(Schema::new(stored.fields().iter().map(|f| f.as_ref().clone()).chain([position]).collect::<Vec<_>>()))
}

/// The columns that a query sees of a relation, where it mentions these hidden ones.
fn seen_schema(relation: &Relation, hidden: Mentioned) -> SchemaRef {
    match relation.kind {
        RelationKind::Stream => stored_schema(relation, hidden.any()),
        RelationKind::Table if hidden.system && relation.ksql.is_none() => folded_schema(relation),
        _ => stored_schema(relation, false),
    }
}

impl Names {
    /// The names of a text that the catalog keeps, for the server itself.
    pub fn of_server(catalog: Arc<Catalog>, context: ContextSource, base: Arc<SessionState>) -> Names {
        Names {
            scope: Scope::kept(catalog),
            context,
            hidden: Mentioned::default(),
            stand_ins: vec![],
            expand: Arc::default(),
            base,
            as_owner: None,
            kept_by: None,
            reader: None,
            locked: BTreeSet::new(),
            securing: vec![],
            reads: Default::default(),
        }
    }

    /// A session state that resolves names by these.
    pub fn state(&self) -> SessionState {
        let mut state = self.base.as_ref().clone();
        enums::know(state.config_mut().options_mut(), self.scope.enums());
        state.register_catalog_list(Arc::new(self.clone()));
        state
    }

    /// What a name without a schema means: the path's first thing of that name, else what there is in pg_catalog.
    async fn unqualified(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        if let Some((_, stand_in)) = self.stand_ins.iter().find(|(of, _)| of == name) {
            return Ok(Some(stand_in.clone()));
        }
        for namespace in self.scope.path.namespaces() {
            if let Some(relation) = self.scope.find_in(*namespace, name) {
                return self.relation(relation).await.map(Some);
            }
            if let Some(system) = self.system(self.scope.namespace_name(*namespace), name) {
                return Ok(Some(system));
            }
        }
        // Where there is nothing planning goes on to look for a CTE of that name; the error is worded if there is none.
        Ok(self.system("pg_catalog", name))
    }

    /// The rows of a relation, under the rights and policies that these names are for.
    pub async fn relation(&self, relation: &Arc<Relation>) -> Result<Arc<dyn TableProvider>> {
        self.reads.lock().name(relation, self.as_owner);
        if relation.is_expanded() || self.expand.contains(&relation.id) {
            let view = self.view(relation).await?;
            if relation.view_options.barrier && self.reader.is_some() {
                let plan = view.logical_plan().clone();
                return Ok(Arc::new(SecuredProvider { relation: relation.clone(), schema: plan.schema().inner().clone(), plan }));
            }
            return Ok(Arc::new(view));
        }
        let rows = Arc::new(RelationProvider { relation: relation.clone(), schema: seen_schema(relation, self.hidden) });
        let locks = self.as_owner.is_none() && self.locked.contains(&relation.id);
        let commands: &[Command] = if locks { &[Command::Select, Command::Update] } else { &[Command::Select] };
        self.secured(relation, rows, commands).await
    }

    /// The plan of a view's query, under the view's column names.
    async fn view(&self, relation: &Relation) -> Result<ViewTable> {
        let Statement::Query(mut query) = parse(&relation.sql)? else {
            return Err(crate::error::Error::internal(format!("view {} is not a query", relation.name)));
        };
        let mut names = self.clone();
        // It means what it meant to whoever made it.
        names.scope.path = Path::kept();
        expand_row_stars(&mut query, &names.system_context())?;
        names.hidden = hidden::expose(&mut query, &|name, mentioned| names.hidden_columns(name, mentioned));
        if relation.view_options.invoker {
            // However many views are around it.
            names.as_owner = self.kept_by;
        } else {
            // A partition is a part of its table, and not read by way of its owner.
            let whole = relation.parent().and_then(|parent| self.scope.by_id(parent));
            names.as_owner = Some(whole.map_or(relation.owner, |table| table.owner));
        }
        if relation.kind == RelationKind::MaterializedView {
            // Its grant is for what it holds: what its query reads was asked about when it was made.
            names.reads = Default::default();
            names.kept_by = names.as_owner;
        }
        names.stand_ins = vec![];
        if relation.kind == RelationKind::MaterializedView {
            self.conditions(relation, &[Command::Select])?;
        }
        let mut statement = ast::Statement::Query(query);
        rewrite(&mut statement, &names.system_context())?;
        let plan = Box::pin(names.state().statement_to_plan(DfStatement::Statement(Box::new(statement)))).await?;
        size::check(&plan)?;
        names.reads.lock().look(&plan, names.as_owner);
        let renamed =
            relation.columns.iter().zip(plan.schema().columns()).map(|(c, from)| datafusion::logical_expr::col(from).alias(&c.name));
        let plan = datafusion::logical_expr::LogicalPlanBuilder::from(plan.clone()).project(renamed.collect::<Vec<_>>())?.build()?;
        self.reads.lock().expand(relation, &plan);
        let plan = if relation.kind == RelationKind::MaterializedView { arrival::fenced(plan) } else { plan };
        Ok(ViewTable::new(plan, Some(relation.sql.clone())))
    }

    /// The hidden columns that a query sees of a relation of this name, where it mentions such.
    pub fn hidden_columns(&self, name: &Name, mentioned: Mentioned) -> Vec<String> {
        let Some(relation) = self.scope.find(name).filter(|r| !self.expand.contains(&r.id)) else { return vec![] };
        let seen = seen_schema(relation, mentioned);
        seen.fields().iter().skip(relation.columns.len()).map(|field| field.name().clone()).collect()
    }

    /// What system functions know, with names looked up as here.
    pub fn system_context(&self) -> Arc<SystemContext> {
        let context = (self.context)();
        let same = context.scope.path == self.scope.path && Arc::ptr_eq(&context.scope.catalog, &self.scope.catalog);
        if same && self.stand_ins.is_empty() {
            return context;
        }
        let columns = |table: &Arc<dyn TableProvider>| table.schema().fields().iter().map(|f| f.name().clone()).collect();
        let stand_ins = self.stand_ins.iter().map(|(name, table)| (name.clone(), columns(table))).collect();
        Arc::new(SystemContext { scope: self.scope.clone(), stand_ins, ..context.as_ref().clone() })
    }

    fn system(&self, schema: &str, name: &str) -> Option<Arc<dyn TableProvider>> {
        let relation = RELATIONS.iter().find(|r| r.schema == schema && r.name == name)?;
        Some(Arc::new(SystemProvider { relation, context: self.context.clone() }))
    }
}

impl CatalogProviderList for Names {
    fn register_catalog(&self, _: String, _: Arc<dyn CatalogProvider>) -> Option<Arc<dyn CatalogProvider>> {
        None
    }
    fn catalog_names(&self) -> Vec<String> {
        vec!["everfold".into()]
    }
    /// There is one database, whatever name a client gave it.
    fn catalog(&self, _: &str) -> Option<Arc<dyn CatalogProvider>> {
        Some(Arc::new(self.clone()))
    }
}

impl CatalogProvider for Names {
    fn schema_names(&self) -> Vec<String> {
        let users = self.scope.namespaces().map(|n| n.name.as_str());
        let others = SYSTEM_NAMESPACES.iter().map(|s| s.1).chain([TEMPORARY_NAME, SET_FUNCTIONS, UNQUALIFIED]);
        users.chain(others).map(String::from).collect()
    }
    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        let known = [SET_FUNCTIONS, UNQUALIFIED].contains(&name) || self.scope.namespace_id(name).is_some();
        known.then(|| Arc::new(NamesOfSchema { schema: name.to_string(), names: self.clone() }) as Arc<dyn SchemaProvider>)
    }
}

/// One schema's names, or those without a schema.
#[derive(Debug)]
struct NamesOfSchema {
    schema: String,
    names: Names,
}

#[async_trait]
impl SchemaProvider for NamesOfSchema {
    fn table_names(&self) -> Vec<String> {
        let users = self.names.scope.namespace_id(&self.schema).into_iter().flat_map(|id| self.names.scope.relations_in(id));
        let system = RELATIONS.iter().filter(|r| r.schema == self.schema).map(|r| r.name.to_string());
        users.map(|r| r.name.clone()).chain(system).collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>, DataFusionError> {
        if self.schema == UNQUALIFIED {
            return Ok(self.names.unqualified(name).await?);
        }
        let relation = self.names.scope.namespace_id(&self.schema).and_then(|id| self.names.scope.find_in(id, name));
        match relation {
            Some(relation) => Ok(Some(self.names.relation(relation).await?)),
            None => Ok(self.names.system(&self.schema, name)),
        }
    }

    fn table_exist(&self, name: &str) -> bool {
        self.table_names().iter().any(|n| n == name)
    }
}
