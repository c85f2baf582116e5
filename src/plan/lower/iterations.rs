//! A recursive term over the rows of all iterations at once: each row with the number of the iteration that it is made of.
//!
//! The working table has that number as a column more, [`ITERATION`], and each node above hands it on: what is done row by row and what
//! is joined with other relations leaves it alone; what looks at several rows, as DISTINCT, GROUP BY, windows and LIMIT, does so for each
//! iteration apart; where two sides of an operation read the working table, their numbers must be equal. A side that does not read it
//! but counts for each iteration, as `EXCEPT SELECT ..`, is repeated for the numbers that there are.
//!
//! That is done to the optimized plan, which consists of a few kinds of nodes only.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema};
use datafusion::catalog::cte_worktable::CteWorkTable;
use datafusion::common::{Column, DFSchema, DFSchemaRef, JoinType, NullEquality, TableReference};
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::logical_expr::{
    Aggregate, Distinct, Expr, Extension, Filter, Join, JoinConstraint, Limit, LogicalPlan, Projection, RecursiveQuery, Sort,
    SubqueryAlias, TableScan, TableScanBuilder, TableSource, Union, Unnest, Window,
};

use super::{bare, unsupported};
use crate::error::{Error, Result};
use crate::fold::{ITERATION, iteration_field};
use crate::func::setops::SetOperation;

/// What the number of the other side of a join is called below it.
const OTHER: &str = "$other_iteration";

/// The recursive term of a query with the column [`ITERATION`] behind its own. Errors: 0A000 for a term that cannot be maintained.
pub(super) fn of_each_iteration(query: &RecursiveQuery) -> Result<LogicalPlan> {
    let plain = query.schema.fields().iter().map(|f| f.as_ref().clone().with_nullable(true));
    let schema = Schema::new(plain.chain([iteration_field()]).collect::<Vec<_>>());
    let columns = schema.fields().len();
    let working = provider_as_source(Arc::new(CteWorkTable::new(&query.name, Arc::new(schema))));
    Term { name: &query.name, working, columns }.ordered(&query.recursive_term)
}

struct Term<'a> {
    /// The recursive query's.
    name: &'a str,
    /// The working table with the numbers, and how many columns that has.
    working: Arc<dyn TableSource>,
    columns: usize,
}

impl Term<'_> {
    /// A plan with the number of each row among its columns; `None` for one that does not read the working table.
    fn numbered(&self, plan: &LogicalPlan) -> Result<Option<LogicalPlan>> {
        match plan {
            LogicalPlan::TableScan(scan) => self.scan(scan),
            LogicalPlan::Join(join) => self.join(join),
            LogicalPlan::Union(union) => self.union(union),
            LogicalPlan::Extension(extension) => self.set_operation(extension),
            _ => {
                let inputs = plan.inputs().into_iter().map(|input| self.numbered(input)).collect::<Result<Vec<_>>>()?;
                if inputs.iter().all(Option::is_none) {
                    return Ok(None);
                }
                match <[Option<LogicalPlan>; 1]>::try_from(inputs) {
                    Ok([Some(input)]) => above(plan, input).map(Some),
                    _ => Err(refused("the working table in a recursive query of its own")),
                }
            }
        }
    }

    fn scan(&self, scan: &TableScan) -> Result<Option<LogicalPlan>> {
        let provider = source_as_provider(&scan.source)?;
        if provider.downcast_ref::<CteWorkTable>().is_none_or(|table| table.name() != self.name) {
            return Ok(None);
        }
        let number = self.columns - 1;
        let columns = scan.projection.clone().unwrap_or_else(|| (0..number).collect());
        self.working(&scan.table_name, columns.into_iter().chain([number]).collect()).map(Some)
    }

    fn working(&self, name: &TableReference, columns: Vec<usize>) -> Result<LogicalPlan> {
        let scan = TableScanBuilder::new(name.clone(), Arc::clone(&self.working)).with_projection(Some(columns));
        Ok(LogicalPlan::TableScan(scan.build()?))
    }

    /// A plan with the number of each row; rows that do not depend on the working table once for each number.
    fn repeated(&self, plan: &LogicalPlan) -> Result<LogicalPlan> {
        if let Some(plan) = self.numbered(plan)? {
            return Ok(plan);
        }
        let rows = self.working(&TableReference::bare(self.name), vec![self.columns - 1])?;
        let numbers = LogicalPlan::Distinct(Distinct::All(Arc::new(with_number_last(rows, &Arc::new(DFSchema::empty()), ITERATION)?)));
        let (left, right) = (Arc::new(plan.clone()), Arc::new(numbers));
        let (kind, constraint, nulls) = (JoinType::Inner, JoinConstraint::On, NullEquality::NullEqualsNothing);
        Ok(LogicalPlan::Join(Join::try_new(left, right, vec![], None, kind, constraint, nulls, false)?))
    }

    /// The same with the number as the last column.
    fn ordered(&self, plan: &LogicalPlan) -> Result<LogicalPlan> {
        with_number_last(self.repeated(plan)?, plan.schema(), ITERATION)
    }

    fn join(&self, join: &Join) -> Result<Option<LogicalPlan>> {
        use JoinType::*;
        let kind = join.join_type;
        match (self.numbered(&join.left)?, self.numbered(&join.right)?) {
            (None, None) => Ok(None),
            (Some(left), None) if matches!(kind, Inner | Left | LeftSemi | LeftAnti | LeftMark) => {
                joined(join, Arc::new(left), Arc::clone(&join.right), join.on.clone()).map(Some)
            }
            (None, Some(right)) if matches!(kind, Inner | Right | RightSemi | RightAnti | RightMark) => {
                joined(join, Arc::clone(&join.left), Arc::new(right), join.on.clone()).map(Some)
            }
            _ => self.join_of_both(join).map(Some),
        }
    }

    /// A join whose two sides both depend on the iteration.
    fn join_of_both(&self, join: &Join) -> Result<LogicalPlan> {
        use JoinType::*;
        let (left, right) = match join.join_type {
            Full => return Err(refused("a full join with the working table")),
            Right | RightSemi | RightAnti | RightMark => (OTHER, ITERATION),
            Inner | Left | LeftSemi | LeftAnti | LeftMark => (ITERATION, OTHER),
        };
        let side = |plan: &LogicalPlan, name| with_number_last(self.repeated(plan)?, plan.schema(), name);
        let numbers = (Expr::Column(Column::new_unqualified(left)), Expr::Column(Column::new_unqualified(right)));
        let on = join.on.iter().cloned().chain([numbers]).collect();
        let both = joined(join, Arc::new(side(&join.left, left)?), Arc::new(side(&join.right, right)?), on)?;
        with_number_last(both, &join.schema, ITERATION)
    }

    fn union(&self, union: &Union) -> Result<Option<LogicalPlan>> {
        let numbered = union.inputs.iter().map(|input| self.numbered(input)).collect::<Result<Vec<_>>>()?;
        if numbered.iter().all(Option::is_none) {
            return Ok(None);
        }
        let inputs = union.inputs.iter().map(|input| self.ordered(input).map(Arc::new)).collect::<Result<_>>()?;
        Ok(Some(LogicalPlan::Union(Union { inputs, schema: and_number(&union.schema, ITERATION)? })))
    }

    fn set_operation(&self, extension: &Extension) -> Result<Option<LogicalPlan>> {
        let inputs = extension.node.inputs();
        let numbered = inputs.iter().map(|input| self.numbered(input)).collect::<Result<Vec<_>>>()?;
        if numbered.iter().all(Option::is_none) {
            return Ok(None);
        }
        let Some(operation) = extension.node.as_any().downcast_ref::<SetOperation>() else {
            return Err(refused(&format!("this part of a plan: {}", extension.node.name())));
        };
        let (left, right) = (self.ordered(&operation.left)?, self.ordered(&operation.right)?);
        let node = Arc::new(SetOperation { left, right, intersect: operation.intersect });
        Ok(Some(LogicalPlan::Extension(Extension { node })))
    }
}

/// A node of one input, over that input with numbers.
fn above(plan: &LogicalPlan, input: LogicalPlan) -> Result<LogicalPlan> {
    let of = number(&input)?;
    let input = Arc::new(input);
    Ok(match plan {
        LogicalPlan::Projection(projection) => {
            let exprs = projection.expr.iter().cloned().chain([of]).collect();
            LogicalPlan::Projection(Projection::try_new_with_schema(exprs, input, and_number(&projection.schema, ITERATION)?)?)
        }
        LogicalPlan::Filter(filter) => LogicalPlan::Filter(Filter::try_new(filter.predicate.clone(), input)?),
        LogicalPlan::SubqueryAlias(alias) => LogicalPlan::SubqueryAlias(SubqueryAlias::try_new(input, alias.alias.clone())?),
        LogicalPlan::Aggregate(aggregate) => LogicalPlan::Aggregate(grouped(aggregate, input, of)?),
        LogicalPlan::Distinct(Distinct::All(_)) => LogicalPlan::Distinct(Distinct::All(input)),
        LogicalPlan::Window(window) => LogicalPlan::Window(windowed(window, input, &of)?),
        LogicalPlan::Unnest(unnest) => LogicalPlan::Unnest(Unnest::try_new(input, unnest.exec_columns.clone(), unnest.options.clone())?),
        // Their rows are counted for each number apart where they become operators.
        LogicalPlan::Sort(sort) => LogicalPlan::Sort(Sort { expr: sort.expr.clone(), input, fetch: sort.fetch }),
        LogicalPlan::Limit(limit) => LogicalPlan::Limit(Limit { skip: limit.skip.clone(), fetch: limit.fetch.clone(), input }),
        other => return Err(refused(&format!("this part of a plan: {}", other.display()))),
    })
}

fn grouped(aggregate: &Aggregate, input: Arc<LogicalPlan>, of: Expr) -> Result<Aggregate> {
    let groups = &aggregate.group_expr;
    if groups.is_empty() || matches!(groups.as_slice(), [Expr::GroupingSet(_)]) {
        return Err(refused("aggregates over all rows of the working table, or GROUPING SETS of it"));
    }
    let mut fields = fields(&aggregate.schema);
    fields.insert(groups.len(), (None, Arc::new(iteration_field())));
    let schema = Arc::new(DFSchema::new_with_metadata(fields, HashMap::new())?);
    let groups = groups.iter().cloned().chain([of]).collect();
    Ok(Aggregate::try_new_with_schema(input, groups, aggregate.aggr_expr.clone(), schema)?)
}

fn windowed(window: &Window, input: Arc<LogicalPlan>, of: &Expr) -> Result<Window> {
    let calls = window.window_expr.iter().map(|call| match bare(call) {
        Expr::WindowFunction(call) => {
            let mut call = call.clone();
            call.params.partition_by.push(of.clone());
            Ok(Expr::WindowFunction(call))
        }
        other => Err(refused(&format!("the window expression {other}"))),
    });
    let added = fields(&window.schema).into_iter().skip(window.input.schema().fields().len());
    let schema = DFSchema::new_with_metadata(fields(input.schema()).into_iter().chain(added).collect(), HashMap::new())?;
    Ok(Window::try_new_with_schema(calls.collect::<Result<_>>()?, input, Arc::new(schema))?)
}

/// A join like another of other sides.
fn joined(join: &Join, left: Arc<LogicalPlan>, right: Arc<LogicalPlan>, on: Vec<(Expr, Expr)>) -> Result<LogicalPlan> {
    let (filter, nulls) = (join.filter.clone(), join.null_equality);
    Ok(LogicalPlan::Join(Join::try_new(left, right, on, filter, join.join_type, join.join_constraint, nulls, join.null_aware)?))
}

/// The number among the columns of a plan. Errors: 0A000 if a column of a user's is called so.
fn number(plan: &LogicalPlan) -> Result<Expr> {
    let mut found = plan.schema().iter().filter(|(_, field)| field.name() == ITERATION);
    match (found.next(), found.next()) {
        (Some((qualifier, field)), None) => Ok(Expr::Column(Column::new(qualifier.cloned(), field.name()))),
        (Some(_), Some(_)) => Err(refused(&format!("a column called \"{ITERATION}\""))),
        _ => Err(Error::internal("a part of a recursive term has lost the number of the iteration")),
    }
}

/// These columns of a numbered plan, and then the number, called `name`.
fn with_number_last(plan: LogicalPlan, columns: &DFSchemaRef, name: &str) -> Result<LogicalPlan> {
    let number = number(&plan)?;
    let exprs = columns.columns().into_iter().map(Expr::Column).chain([number]).collect();
    Ok(LogicalPlan::Projection(Projection::try_new_with_schema(exprs, Arc::new(plan), and_number(columns, name)?)?))
}

type Fields = Vec<(Option<TableReference>, Arc<Field>)>;

fn fields(schema: &DFSchemaRef) -> Fields {
    schema.iter().map(|(qualifier, field)| (qualifier.cloned(), Arc::clone(field))).collect()
}

/// A schema with the number behind its columns.
fn and_number(schema: &DFSchemaRef, name: &str) -> Result<DFSchemaRef> {
    let mut fields = fields(schema);
    fields.push((None, Arc::new(iteration_field().with_name(name))));
    Ok(Arc::new(DFSchema::new_with_metadata(fields, HashMap::new())?))
}

fn refused(what: &str) -> Error {
    unsupported(
        format!("{what} within a recursive query"),
        "Run the recursive query when reading, or make what it does there a view of its own.",
    )
}
