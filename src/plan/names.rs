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

use crate::catalog::{Catalog, Relation, RelationId, RelationKind, RoleId};
use crate::data::{OFFSET, POSITION, PgType, ROW, TIME};
use crate::error::Result;
use crate::serve::provider::{RelationProvider, SystemProvider};
use crate::serve::system::facts::SET_FUNCTIONS;
use crate::serve::system::rewrite::rewrite;
use crate::serve::system::{RELATIONS, SystemContext};
use crate::sql::{Statement, hidden, parse};

/// How system relations reach what they show.
pub type ContextSource = Arc<dyn Fn() -> Arc<SystemContext> + Send + Sync>;

/// A relation that a query names, itself or by way of a view.
#[derive(Clone)]
pub struct Read {
    pub relation: Arc<Relation>,
    /// The owner of the view that names it, with whose rights it is read; `None` for those of whoever asks.
    pub as_owner: Option<RoleId>,
}

/// The names that a statement may use, as of one catalog.
#[derive(Clone)]
pub struct Names {
    /// The relations.
    pub catalog: Arc<Catalog>,
    /// What system relations show.
    pub context: ContextSource,
    /// True if the statement names a hidden column of a stream.
    pub hidden: bool,
    /// Relations of this statement only, by name: rows that it has written, the table that it changes.
    pub stand_ins: Vec<(String, Arc<dyn TableProvider>)>,
    /// Materialized views to be read by their queries, as plain views are.
    pub expand: Arc<BTreeSet<RelationId>>,
    /// What plans the queries of plain views.
    pub base: SessionState,
    /// The owner of the view whose query is being planned.
    pub as_owner: Option<RoleId>,
    /// What was named so far, views themselves included.
    pub reads: Arc<Mutex<Vec<Read>>>,
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

impl Names {
    /// A session state that resolves names by these.
    pub fn state(&self) -> SessionState {
        let mut state = self.base.clone();
        state.register_catalog_list(Arc::new(self.clone()));
        state
    }

    async fn relation(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        if let Some((_, stand_in)) = self.stand_ins.iter().find(|(of, _)| of == name) {
            return Ok(Some(stand_in.clone()));
        }
        let Some(relation) = self.catalog.find(name) else { return Ok(None) };
        self.note(relation);
        if relation.kind == RelationKind::View || self.expand.contains(&relation.id) {
            return Ok(Some(Arc::new(self.view(relation).await?)));
        }
        let shown = relation.kind == RelationKind::Stream && self.hidden;
        Ok(Some(Arc::new(RelationProvider { relation: relation.clone(), schema: stored_schema(relation, shown) })))
    }

    fn note(&self, relation: &Arc<Relation>) {
        let mut reads = self.reads.lock();
        if !reads.iter().any(|r| r.relation.id == relation.id && r.as_owner == self.as_owner) {
            reads.push(Read { relation: relation.clone(), as_owner: self.as_owner });
        }
    }

    /// The plan of a view's query, under the view's column names.
    async fn view(&self, relation: &Relation) -> Result<ViewTable> {
        let Statement::Query(mut query) = parse(&relation.sql)? else {
            return Err(crate::error::Error::internal(format!("view {} is not a query", relation.name)));
        };
        let mut names = self.clone();
        names.hidden = hidden::expose(&mut query, &|name| self.catalog.find(name).is_some_and(|r| r.kind == RelationKind::Stream));
        names.as_owner = Some(relation.owner);
        if relation.kind == RelationKind::MaterializedView {
            // Its grant is for what it holds: what its query reads was asked about when it was made.
            names.reads = Default::default();
        }
        names.stand_ins = vec![];
        let mut statement = ast::Statement::Query(query);
        rewrite(&mut statement, &(names.context)())?;
        let plan = Box::pin(names.state().statement_to_plan(DfStatement::Statement(Box::new(statement)))).await?;
        let renamed =
            relation.columns.iter().zip(plan.schema().columns()).map(|(c, from)| datafusion::logical_expr::col(from).alias(&c.name));
        let plan = datafusion::logical_expr::LogicalPlanBuilder::from(plan.clone()).project(renamed.collect::<Vec<_>>())?.build()?;
        Ok(ViewTable::new(plan, Some(relation.sql.clone())))
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
        ["public", "pg_catalog", "information_schema", "everfold", SET_FUNCTIONS].map(String::from).into()
    }
    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        let known = self.schema_names().iter().any(|s| s == name);
        known.then(|| Arc::new(NamesOfSchema { schema: name.to_string(), names: self.clone() }) as Arc<dyn SchemaProvider>)
    }
}

/// One schema's names. Unqualified names are looked up in `public`, which falls back to `pg_catalog`.
#[derive(Debug)]
struct NamesOfSchema {
    schema: String,
    names: Names,
}

#[async_trait]
impl SchemaProvider for NamesOfSchema {
    fn table_names(&self) -> Vec<String> {
        match self.schema.as_str() {
            "public" => self.names.catalog.relations().map(|r| r.name.clone()).collect(),
            schema => RELATIONS.iter().filter(|r| r.schema == schema).map(|r| r.name.to_string()).collect(),
        }
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>, DataFusionError> {
        if self.schema != "public" {
            return Ok(self.names.system(&self.schema, name));
        }
        match self.names.relation(name).await? {
            Some(found) => Ok(Some(found)),
            None => match self.names.system("pg_catalog", name) {
                Some(found) => Ok(Some(found)),
                // Planning goes on to look for a CTE of that name; `missing` words the error if there is none.
                None => Ok(None),
            },
        }
    }

    fn table_exist(&self, name: &str) -> bool {
        self.names.catalog.find(name).is_some()
    }
}
