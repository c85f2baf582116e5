//! Generated columns: GENERATED ALWAYS AS (expression) STORED (manual, chapter 5.3).
//!
//! The expression is over the other columns of the row, and always gives the same for them. It is planned once for each definition of the
//! relation ([`Session::generators`]), as those of indexes are, and computed for the rows that a statement puts, once their other columns are
//! known and before anything is checked: by INSERT, UPDATE, ON CONFLICT, MERGE, COPY, and by what a foreign key does. The values are in the
//! events, so that whoever reads or folds those computes nothing.
//!
//! What happens to the columns that an expression reads is here too: a new name goes into it, another type is refused, and DROP COLUMN takes
//! the generated column along.

use std::collections::{BTreeSet, HashMap};
use std::future::ready;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{Field, FieldRef, Schema, SchemaRef};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_expr::utils::collect_columns;
use parking_lot::Mutex;
use sqlparser::ast;

use super::alter::columns_in;
use super::constraints::unique::{OneRow, is_changing, physical};
use super::dml::cast_columns;
use super::dml::columns::mismatched;
use super::indexes::unqualified;
use super::session::Session;
use crate::catalog::{Catalog, Change, Column, Relation, RelationId};
use crate::data::PgType;
use crate::error::{Error, Result, code};
use crate::fold::Expr;
use crate::fold::eval::{batch_of, evaluate_all};
use crate::plan::soon::Effort;

/// How generated columns are computed, as of these definitions of their relations.
pub(super) type KnownGenerators = Mutex<HashMap<RelationId, (Arc<Relation>, Arc<Generators>)>>;

/// How the generated columns of a relation are computed.
pub(super) struct Generators {
    /// Their places among the relation's columns.
    columns: Vec<usize>,
    /// Expressions over the rows, then what assignment makes of their values: each stage is over what the one before it gives.
    stages: Vec<Stage>,
    /// What that takes.
    effort: Effort,
}

struct Stage {
    exprs: Vec<Expr>,
    schema: SchemaRef,
}

impl Generators {
    /// The rows with their generated columns computed, which may be NULL. There may be more columns behind those of the relation.
    pub fn fill(&self, rows: &RecordBatch) -> Result<RecordBatch> {
        let mut values = rows.clone();
        for stage in &self.stages {
            values = batch_of(&stage.schema, evaluate_all(&stage.exprs, &values)?, rows.num_rows())?;
        }
        let mut fields: Vec<FieldRef> = rows.schema().fields().iter().cloned().collect();
        let mut columns: Vec<ArrayRef> = rows.columns().to_vec();
        for (i, at) in self.columns.iter().enumerate() {
            fields[*at] = values.schema().fields()[i].clone();
            columns[*at] = values.column(i).clone();
        }
        Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
    }

    /// The places of the columns that its expressions read.
    fn read(&self) -> BTreeSet<usize> {
        let exprs = self.stages.iter().take(1).flat_map(|stage| &stage.exprs);
        exprs.flat_map(collect_columns).map(|column| column.index()).collect()
    }
}

impl Session {
    /// How a relation's generated columns are computed; `None` if it has none. Cost: a plan, the first time that a definition is met.
    pub(super) async fn generators(&self, relation: &Arc<Relation>) -> Result<Option<Arc<Generators>>> {
        if !relation.has_generated() {
            return Ok(None);
        }
        let known = self.engine.generators.lock().get(&relation.id).cloned();
        if let Some((_, generators)) = known.filter(|(of, _)| Arc::ptr_eq(of, relation)) {
            return Ok(Some(generators));
        }
        let columns = (0..relation.columns.len()).filter(|at| relation.columns[*at].generated.is_some()).collect();
        let generators = Arc::new(self.plan_generators(relation, columns).await?.0);
        self.engine.generators.lock().insert(relation.id, (relation.clone(), generators.clone()));
        Ok(Some(generators))
    }

    /// Rows that begin with the relation's columns, with those that are generated computed.
    pub(super) async fn with_generated(&self, relation: &Arc<Relation>, rows: RecordBatch) -> Result<RecordBatch> {
        let generators = self.generators(relation).await?;
        self.filled(generators.as_ref(), rows).await
    }

    /// The same with what computes them, if anything does. Where that may take long it is done aside.
    pub(super) async fn filled(&self, generators: Option<&Arc<Generators>>, rows: RecordBatch) -> Result<RecordBatch> {
        let Some(generators) = generators else { return Ok(rows) };
        if generators.effort.is_little_of(&[], &rows) {
            return generators.fill(&rows);
        }
        let generators = generators.clone();
        self.aside(move || ready(generators.fill(&rows))).await
    }

    /// Plans the expressions of some generated columns, with the casts of assignment around them. Answers the analyzed plan too. Errors: those
    /// of planning, 42804.
    async fn plan_generators(&self, relation: &Arc<Relation>, columns: Vec<usize>) -> Result<(Generators, LogicalPlan)> {
        let of = |at: &usize| &relation.columns[*at];
        let texts: Vec<String> = columns.iter().filter_map(|at| of(at).generated.clone()).collect();
        let wanted: Vec<&Column> = columns.iter().map(of).collect();
        let planned = cast_columns(self.plan_over_rows(relation, &texts).await?, &wanted)?;
        let plan = self.analyzed(planned.plan)?;
        let state = self.knowing(&self.engine.bare);
        let (mut stages, mut node, mut all) = (Vec::new(), &plan, Vec::new());
        while let LogicalPlan::Projection(projection) = node {
            all.extend(&projection.expr);
            let input = projection.input.schema();
            // Of what is NULL in a column that may not be, the error tells later.
            let fields = projection.schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
            let schema = Arc::new(Schema::new(fields.collect::<Vec<Field>>()));
            let exprs = projection.expr.iter().map(|e| physical(&state, e, input)).collect::<Result<_>>()?;
            stages.push(Stage { exprs, schema });
            node = projection.input.as_ref();
        }
        stages.reverse();
        let last = stages.last_mut().ok_or_else(|| Error::internal("generated columns are computed by a projection"))?;
        last.schema = Arc::new(Schema::new(wanted.iter().map(|c| c.ty.field(&c.name, true)).collect::<Vec<Field>>()));
        let effort = Effort::of(all);
        Ok((Generators { columns, stages, effort }, plan))
    }

    /// Makes the expression of a column, if it is generated, what the catalog keeps of it. The relation need not be in the catalog yet. Errors:
    /// those of the expression, 42P17 for one that may give something else another time or reads a generated column, 42P10 for one that reads
    /// what is no column of the row, 42804 for a value that is not assigned to the column.
    pub(super) async fn keep_generated(&self, relation: &mut Relation, at: usize) -> Result<()> {
        let Some(written) = relation.columns[at].generated.clone() else { return Ok(()) };
        let kept = self.kept_expression(&unqualified(relation, &written)?)?;
        let rows = Arc::new(Relation { schemas: Default::default(), ..relation.clone() });
        relation.columns[at].generated = Some(self.settled_over_rows(&rows, kept).await?);
        self.check_generated(&Arc::new(Relation { schemas: Default::default(), ..relation.clone() }), at).await
    }

    async fn check_generated(&self, relation: &Arc<Relation>, at: usize) -> Result<()> {
        let column = &relation.columns[at];
        let Some(kept) = &column.generated else { return Ok(()) };
        let ty = self.immutable(relation, kept, OneRow::Generated).await?;
        if is_text(&ty) && !is_text(&column.ty) {
            return Err(mismatched(&ty, column));
        }
        let (generators, plan) = self.plan_generators(relation, vec![at]).await?;
        for read in generators.read() {
            match relation.columns.get(read) {
                None => return Err(beyond_the_columns()),
                Some(other) if other.generated.is_some() => return Err(reads_generated(other)),
                Some(_) => {}
            }
        }
        if is_changing(&plan)? { Err(OneRow::Generated.not_immutable()) } else { Ok(()) }
    }

    // ALTER TABLE -----------------------------------------------------------------------------------------------------------------

    /// DROP EXPRESSION: the column keeps its values. Errors: 55000 for a column that is not generated.
    pub(super) fn drop_expression(&mut self, relation: &Relation, column: &str, if_exists: bool) -> Result<()> {
        let at = relation.column(column)?;
        if relation.columns[at].generated.is_none() {
            let message = format!("column \"{column}\" of relation \"{}\" is not a stored generated column", relation.name);
            if !if_exists {
                return Err(Error::new(code::OBJECT_NOT_IN_PREREQUISITE_STATE, message));
            }
            self.notice("NOTICE", Error::new(code::SUCCESS, format!("{message}, skipping")));
            return Ok(());
        }
        let mut altered = relation.clone();
        altered.columns[at].generated = None;
        self.stage(Change::Alter(altered), vec![])
    }

    /// Drops the columns that are generated from one that is to be dropped. Answers what there is then, if there were any. Errors: 2BP01
    /// without `cascade`.
    pub(super) async fn drop_generated_from(
        &mut self,
        relation: &Arc<Relation>,
        name: &str,
        cascade: bool,
    ) -> Result<Option<(Arc<Catalog>, Arc<Relation>)>> {
        let (kind, table) = (relation.kind.word(), &relation.name);
        let names: Vec<String> = generated_from(relation, name).map(|c| c.name.clone()).collect();
        if names.is_empty() {
            return Ok(None);
        }
        if !cascade {
            let depends = |c: &String| format!("column {c} of {kind} {table} depends on column {name} of {kind} {table}");
            let message = format!("cannot drop column {name} of {kind} {table} because other objects depend on it");
            return Err(Error::new(code::DEPENDENT_OBJECTS_STILL_EXIST, message)
                .detail(names.iter().map(depends).collect::<Vec<_>>().join("\n"))
                .hint("Use DROP ... CASCADE to drop the dependent objects too."));
        }
        self.tell_cascade(&names.iter().map(|c| format!("drop cascades to column {c} of {kind} {table}")).collect::<Vec<_>>());
        let (mut catalog, mut left) = (self.catalog(), relation.clone());
        for generated in &names {
            Box::pin(self.drop_column(&catalog, &left, generated, false, true)).await?;
            // It was written anew, under another number.
            catalog = self.catalog();
            let lost = || Error::internal("a relation was lost");
            left = catalog.find_in(relation.namespace, &relation.name).cloned().ok_or_else(lost)?;
        }
        Ok(Some((catalog, left)))
    }

    /// Whether a column of `retyped` may have the type that it has there, and had not before, given with USING or not. Errors: 0A000 for a
    /// column that a generated one reads, 42611 for USING with a generated column, 42804 for a type that its expression is not assigned to.
    pub(super) async fn check_retyped(&self, retyped: &Arc<Relation>, at: usize, using: bool) -> Result<()> {
        let column = &retyped.columns[at];
        if let Some(other) = generated_from(retyped, &column.name).next() {
            return Err(Error::new(code::FEATURE_NOT_SUPPORTED, "cannot alter type of a column used by a generated column")
                .detail(format!("Column \"{}\" is used by generated column \"{}\".", column.name, other.name))
                .hint("Drop that first, and add it again."));
        }
        if using && column.generated.is_some() {
            return Err(Error::new(code::INVALID_COLUMN_DEFINITION, "cannot specify USING when altering type of generated column")
                .detail(is_generated(column)));
        }
        let named = |e: Error| {
            let message =
                format!("generation expression for column \"{}\" cannot be cast automatically to type {}", column.name, column.ty);
            if e.code() == code::DATATYPE_MISMATCH { Error::new(code::DATATYPE_MISMATCH, message) } else { e }
        };
        self.check_generated(retyped, at).await.map_err(named)
    }
}

/// The columns that are generated from a column.
fn generated_from<'a>(relation: &'a Relation, name: &'a str) -> impl Iterator<Item = &'a Column> {
    relation.columns.iter().filter(move |column| reads(column, |read| read == name))
}

/// True if an UPDATE that sets these columns may change that one.
pub(super) fn is_set_by(column: &Column, assignments: &[(String, ast::Expr)]) -> bool {
    let is_set = |name: &str| assignments.iter().any(|(of, _)| of == name);
    is_set(&column.name) || reads(column, is_set)
}

/// True if a column is generated from one of those meant.
fn reads(column: &Column, is_meant: impl Fn(&str) -> bool) -> bool {
    column.generated.as_ref().is_some_and(|sql| columns_in(sql).iter().any(|name| is_meant(name)))
}

/// The DETAIL of what is refused for a generated column.
pub(super) fn is_generated(column: &Column) -> String {
    format!("Column \"{}\" is a generated column.", column.name)
}

/// True for the types of text, which are not assigned to those of other things.
pub(super) fn is_text(ty: &PgType) -> bool {
    matches!(ty, PgType::Text | PgType::Varchar(_) | PgType::Bpchar(_) | PgType::Name)
}

fn reads_generated(column: &Column) -> Error {
    let message = format!("cannot use generated column \"{}\" in column generation expression", column.name);
    Error::new(code::INVALID_OBJECT_DEFINITION, message).detail("A generated column cannot reference another generated column.")
}

fn beyond_the_columns() -> Error {
    Error::new(code::INVALID_COLUMN_REFERENCE, "cannot use system column in column generation expression")
        .detail("Where an event is to be in the log is not known before it is there.")
}
