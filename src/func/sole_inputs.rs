//! Unions of which one input is left.
//!
//! Where all inputs of a UNION but one have no rows, DataFusion puts a projection in its place that names the input's columns as the union
//! does: without the relation that they are of. A condition that is pushed through it keeps these names, under which the projection further
//! below, by EXCEPT or INTERSECT, does not know its columns: "column does not exist". [`keeping_names`] is put in the place of DataFusion's
//! rule: its projection names the columns as the input does, and gives them the union's names.

use std::sync::Arc;

use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, Result as DfResult};
use datafusion::logical_expr::{Expr, LogicalPlan, Projection, Union};
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

/// The rule that leaves out what has no rows, by DataFusion's name.
pub const EMPTYING: &str = "propagate_empty_relation";

/// The rewriting of the rule that leaves out what has no rows, but for the unions of the head of this module.
pub fn keeping_names(theirs: &dyn OptimizerRule, plan: LogicalPlan, config: &dyn OptimizerConfig) -> DfResult<Transformed<LogicalPlan>> {
    if let LogicalPlan::Union(union) = &plan
        && let Some(input) = sole(union)
    {
        return named(input, union).map(Transformed::yes);
    }
    theirs.rewrite(plan, config)
}

/// The only input of a union that may have rows.
fn sole(union: &Union) -> Option<&Arc<LogicalPlan>> {
    let is_empty = |input: &LogicalPlan| matches!(input, LogicalPlan::EmptyRelation(empty) if !empty.produce_one_row);
    let mut others = union.inputs.iter().filter(|input| !is_empty(input));
    others.next().filter(|_| others.next().is_none())
}

/// An input under the names that the union gives its columns.
fn named(input: &Arc<LogicalPlan>, union: &Union) -> DfResult<LogicalPlan> {
    if input.schema() == &union.schema {
        return Ok(input.as_ref().clone());
    }
    let columns = input.schema().columns().into_iter().zip(union.schema.columns());
    let renamed = |(from, to): (Column, Column)| {
        if from == to { Expr::Column(from) } else { Expr::Column(from).alias_qualified(to.relation, to.name) }
    };
    let exprs = columns.map(renamed).collect();
    Ok(LogicalPlan::Projection(Projection::try_new_with_schema(exprs, Arc::clone(input), Arc::clone(&union.schema))?))
}
