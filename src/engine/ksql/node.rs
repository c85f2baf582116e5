//! The node of a relation that queries of this dialect write to.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};

use crate::catalog::{Catalog, Relation, RelationId};
use crate::data::{Delta, OFFSET, POSITION, PgType, Position, TIME};
use crate::engine::database::Engine;
use crate::engine::ddl::{base_logs, logged_schema};
use crate::engine::node::{Input, Node, Source, read_log, within};
use crate::error::{Error, Result};
use crate::fold::Flow;
use crate::fold::ksql::{Pipeline, Program};
use crate::plan::ksql::query::Planner;
use crate::plan::ksql::source::SourceInput;
use crate::serve::cut::Readable;
use crate::sql::ksql::ast::Query;

/// The columns that the node of a relation keeps: the relation's, then for a stream `_position`, `_offset` and `_time`, for a
/// table `_time`.
pub fn kept_schema(relation: &Relation) -> SchemaRef {
    let mut fields: Vec<Field> = relation.columns.iter().map(|c| c.ty.field(&c.name, true)).collect();
    if relation.ksql.as_ref().is_some_and(|k| !k.table) {
        fields.push(PgType::Int8.field(POSITION, false));
        fields.push(PgType::Int8.field(OFFSET, false));
    }
    fields.push(PgType::Timestamptz.field(TIME, false));
    Arc::new(Schema::new(fields))
}

/// The columns of an input, in the order in which a program wants them.
fn input_columns(input: &SourceInput) -> (SchemaRef, Vec<usize>) {
    let schema = if input.node { kept_schema(&input.relation) } else { logged_schema(&input.relation) };
    let all = (0..schema.fields().len()).collect();
    (schema, all)
}

/// The node's inputs and the sources of its flow.
pub fn inputs(of: &[SourceInput]) -> (Vec<Input>, Vec<Flow>) {
    let one = |(i, input): (usize, &SourceInput)| {
        let (schema, columns) = input_columns(input);
        let source = if input.node { Source::Node(input.relation.id) } else { Source::Log(input.relation.id) };
        (Input { source, columns, schema: schema.clone(), until: input.until }, Flow::source(i, schema))
    };
    of.iter().enumerate().map(one).unzip()
}

/// The node of a relation that is written by queries, at position 0. `catalog` has the relation.
pub fn node(engine: &Engine, catalog: &Catalog, relation: &Arc<Relation>) -> Result<Arc<Node>> {
    let ksql = relation.ksql.as_ref().ok_or_else(|| Error::internal("not a relation of ksqlDB's dialect"))?;
    let mut planner = Planner::new(catalog, relation.id, false);
    let stage = planner.written(relation, ksql)?;
    let (inputs, sources) = inputs(&planner.inputs);
    let read = planner.inputs.iter().map(|i| i.input.clone()).collect();
    let types = ksql.columns.iter().map(|c| c.ty.clone()).collect();
    let pipeline = Pipeline::new(stage.tree);
    let detail = ksql.writers.iter().map(|w| w.sql.as_str()).collect::<Vec<_>>().join("; ");
    let program = Program::new(read, pipeline, types, ksql.table, kept_schema(relation), detail);
    let key = ksql.identity();
    let key = (ksql.table && !key.is_empty()).then_some(key);
    let flow = Flow::node(Box::new(program), sources);
    let logs = base_logs(catalog, relation);
    Ok(Arc::new(Node::new(relation.clone(), inputs, logs, flow, key, !ksql.table, engine.view_bounds).in_order()))
}

/// The relations that the queries which write to a relation name.
pub fn named(catalog: &Catalog, queries: &[&Query]) -> Vec<RelationId> {
    let names = queries.iter().flat_map(|q| std::iter::once(&q.from).chain(q.joins.iter().map(|j| &j.source)));
    let mut ids: Vec<RelationId> = names.filter_map(|s| catalog.find_public(&crate::catalog::plain_name(&s.name))).map(|r| r.id).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// The rows of an input in a range of positions, out of what was read at a cut.
pub fn rows_between(
    engine: &Engine,
    input: &SourceInput,
    readable: Option<&Readable>,
    range: std::ops::Range<Position>,
) -> Result<Vec<Delta>> {
    let (schema, columns) = input_columns(input);
    let end = input.until.map_or(range.end, |until| range.end.min(until));
    let range = range.start..end.max(range.start);
    match readable {
        Some(Readable::Rows(rows)) if input.node => within(rows.batches_between(&columns, range.clone()), &range),
        _ => read_log(&engine.log, input.relation.id, range, &schema)?.map(|b| Ok(Delta::insert(b?))).collect(),
    }
}
