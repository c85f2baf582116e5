//! The operators without state: linear, so each delta is mapped on its own.

use arrow::datatypes::SchemaRef;
use datafusion::physical_expr::expressions::Column;

use super::Operator;
use super::eval::{Expr, batch_of, consolidate, evaluate_all, mask};
use crate::data::Delta;
use crate::error::{Error, Result};

/// The deltas of an operator's only input. Errors: XX000 if it was given another number of inputs.
pub(crate) fn only(mut inputs: Vec<Vec<Delta>>) -> Result<Vec<Delta>> {
    match (inputs.pop(), inputs.is_empty()) {
        (Some(deltas), true) => Ok(deltas),
        _ => Err(Error::internal("an operator with one input was given another number of inputs")),
    }
}

pub(crate) fn list<T: std::fmt::Display>(items: &[T]) -> String {
    items.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
}

/// Maps each delta. Where an expression errs, tries once more without the rows that come and go within the step: an outer join
/// gives a row without a partner before it finds one, and nobody ever sees it.
fn map_settled(deltas: Vec<Delta>, map: impl Fn(&Delta) -> Result<Option<Delta>>) -> Result<Vec<Delta>> {
    let map_all = |deltas: &[Delta]| deltas.iter().filter_map(|d| map(d).transpose()).collect::<Result<Vec<_>>>();
    match map_all(&deltas) {
        Err(e) if e.is_of_data() && deltas.iter().any(|d| d.weights.is_some()) => {
            let Some(first) = deltas.first() else { return Err(e) };
            map_all(consolidate(&first.schema(), deltas)?.as_slice())
        }
        done => done,
    }
}

/// WHERE: keeps the rows for which the predicate is true. Cost O(n x c).
pub struct Filter {
    predicate: Expr,
    schema: SchemaRef,
}

impl Filter {
    /// Keeps the rows of an input of `schema` for which `predicate` is true.
    pub fn new(predicate: Expr, schema: SchemaRef) -> Self {
        Filter { predicate, schema }
    }
}

impl Operator for Filter {
    fn name(&self) -> &'static str {
        "Filter"
    }
    fn detail(&self) -> String {
        self.predicate.to_string()
    }
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
    fn step(&mut self, inputs: Vec<Vec<Delta>>) -> Result<Vec<Delta>> {
        map_settled(only(inputs)?, |delta| {
            let mask = mask(&self.predicate, &delta.batch)?;
            Ok(match mask.true_count() {
                0 => None,
                all if all == delta.num_rows() => Some(delta.clone()),
                _ => Some(delta.filter(&mask)?),
            })
        })
    }
}

/// Rows that are alike as one row with the sum of their weights, within a step. Cost O(n x c); it pays below what makes several rows of
/// one.
pub struct Consolidate {
    schema: SchemaRef,
}

impl Consolidate {
    /// Over an input of `schema`.
    pub fn new(schema: SchemaRef) -> Self {
        Consolidate { schema }
    }
}

impl Operator for Consolidate {
    fn name(&self) -> &'static str {
        "Consolidate"
    }
    fn detail(&self) -> String {
        String::new()
    }
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
    fn step(&mut self, inputs: Vec<Vec<Delta>>) -> Result<Vec<Delta>> {
        Ok(consolidate(&self.schema, only(inputs)?)?.into_iter().collect())
    }
}

/// SELECT's list: computes columns. A projection to plain columns copies nothing.
pub struct Project {
    exprs: Vec<Expr>,
    columns: Option<Vec<usize>>,
    schema: SchemaRef,
}

impl Project {
    /// Computes `exprs`, whose types and names are those of `schema`.
    pub fn new(exprs: Vec<Expr>, schema: SchemaRef) -> Self {
        let columns = exprs.iter().map(|e| e.downcast_ref::<Column>().map(Column::index)).collect();
        Project { exprs, columns, schema }
    }
}

impl Operator for Project {
    fn name(&self) -> &'static str {
        "Project"
    }
    fn detail(&self) -> String {
        list(&self.exprs)
    }
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
    fn row_by_row(&self) -> Option<&[Expr]> {
        Some(&self.exprs)
    }
    fn step(&mut self, inputs: Vec<Vec<Delta>>) -> Result<Vec<Delta>> {
        map_settled(only(inputs)?, |delta| {
            let columns = match &self.columns {
                Some(indices) => indices.iter().map(|&i| delta.batch.column(i).clone()).collect(),
                None => evaluate_all(&self.exprs, &delta.batch)?,
            };
            Ok(Some(delta.with_batch(batch_of(&self.schema, columns, delta.num_rows())?)))
        })
    }
}

/// UNION ALL: the rows of all inputs.
pub struct Union {
    schema: SchemaRef,
}

impl Union {
    /// The rows of all inputs, whose columns are those of `schema` by place.
    pub fn new(schema: SchemaRef) -> Self {
        Union { schema }
    }
}

impl Operator for Union {
    fn name(&self) -> &'static str {
        "Union"
    }
    fn detail(&self) -> String {
        String::new()
    }
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
    fn step(&mut self, inputs: Vec<Vec<Delta>>) -> Result<Vec<Delta>> {
        let rename = |delta: Delta| Ok(delta.with_batch(batch_of(&self.schema, delta.batch.columns().to_vec(), delta.num_rows())?));
        inputs.into_iter().flatten().map(rename).collect()
    }
}
