//! WITH RECURSIVE (manual, chapter 7.8.2).
//!
//! - [`check`], a part of [`super::rewrite::Meaning`]: DataFusion casts the second term to the types of the first, and makes 2 of 2.5.
//!   PostgreSQL refuses it. Which types the terms have is found of copies of them that have PostgreSQL's meaning; a cast on top of the second
//!   is DataFusion's, since those that are written there are hidden from it ([`APART`](super::APART)). In the copies the rows that the second
//!   term reads are of the first one's types.
//! - [`Nullable`], an optimizer rule that runs last: what can be NULL is not the same before and after a term is optimized, and DataFusion
//!   refuses to run a query whose second term may be NULL where its columns were said not to be. So all of them may be.
//! - [`node`], an optimizer rule and a planner: a second term may read the rows of a step in several places, and UNION keeps one of the rows
//!   that are equal, and each that is not.
//! - [`InTurn`], a physical rule: rows come in the order in which they are found, as they do in PostgreSQL. DataFusion would deal them out
//!   among the processors, which gains nothing, as each step waits for the one before.
//! - [`ManyByFew`], a physical rule: rows of a step beside a few others (`FROM r, generate_series(1, 3)`) are made many at a time. DataFusion's
//!   cross join makes a batch for each row of its left side; elsewhere it puts the smaller side there, but nobody knows how many rows a step
//!   has. Its nested loop join makes the same rows in the same order, a whole batch at once.

pub mod node;
mod run;

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result as DfResult, ScalarValue, TableReference};
use datafusion::datasource::cte_worktable::CteWorkTable;
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::logical_expr::{Cast, Expr, JoinType, LogicalPlan, Projection, RecursiveQuery, TableScan, TableScanBuilder, TableSource};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::joins::{CrossJoinExec, NestedLoopJoinExec};
use datafusion::physical_plan::recursive_query::RecursiveQueryExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::work_table::WorkTableExec;
use datafusion::physical_plan::{ExecutionPlan, Partitioning};

use self::run::{RecursionExec, StepExec};
use super::subquery::{Rewrite, from_outside};
use super::unions;
use crate::data::{EnumType, PgType};
use crate::error::{Error, code};

/// What a user can do about types that differ.
const CAST_FIRST: &str = "Cast the output of the non-recursive term to the correct type.";

/// Errors: 42804 where the whole would be of other types than the first term, 0A000 where it has more decimals. What cannot be given its
/// meaning by itself is not checked.
pub fn check(query: &RecursiveQuery, meaning: &Rewrite<'_>) -> DfResult<()> {
    let Ok(first) = from_outside(query.static_term.as_ref().clone(), meaning) else { return Ok(()) };
    let next = uncast(&query.recursive_term, query.static_term.schema())?;
    let Ok(next) = from_outside(reading(next, &query.name, first.schema())?, meaning) else { return Ok(()) };
    for (i, (first_field, next_field)) in first.schema().fields().iter().zip(next.schema().fields()).enumerate() {
        let (of_first, of_next) = (first_field.data_type(), next_field.data_type());
        let column = || format!("recursive query \"{}\" column {}", query.name, i + 1);
        let (named, other) = (name(of_first), name(of_next));
        let declared = PgType::of(first_field);
        if has_length(&declared) && named == other && PgType::of(next_field) != declared {
            let message = format!("{} has type {declared} in non-recursive term but type {} overall", column(), declared.base());
            return Err(Error::new(code::DATATYPE_MISMATCH, message).hint(CAST_FIRST).into());
        }
        if !is_known(of_first) || !is_known(of_next) || is_untyped(&next, i) {
            continue;
        }
        if named == other {
            let is_declared = PgType::of_arrow(of_first) == PgType::Numeric(None) || !first.schema().field(i).metadata().is_empty();
            if decimals(of_next) > decimals(of_first) && !is_declared {
                let message = format!("{} has more decimals in the recursive term than in the non-recursive one", column());
                return Err(Error::unsupported(message).hint("Cast the output of the non-recursive term to numeric.").into());
            }
            continue;
        }
        let overall = overall(of_first, of_next).map(|ty| name(&ty)).or(is_untyped(&first, i).then(|| other.clone()));
        let error = match overall {
            Some(overall) if overall == named => continue,
            Some(overall) => {
                let message = format!("{} has type {named} in non-recursive term but type {overall} overall", column());
                Error::new(code::DATATYPE_MISMATCH, message).hint(CAST_FIRST)
            }
            None => Error::new(code::DATATYPE_MISMATCH, format!("UNION types {named} and {other} cannot be matched")),
        };
        return Err(error.into());
    }
    Ok(())
}

/// True for a type that is declared with a length or a precision.
fn has_length(ty: &PgType) -> bool {
    match ty {
        PgType::Numeric(declared) => declared.is_some(),
        PgType::Varchar(length) => length.is_some(),
        PgType::Bpchar(length) => *length > 0,
        _ => false,
    }
}

/// A term in which the rows of the recursive query, where it reads them, are of these types.
fn reading(term: LogicalPlan, name: &str, types: &DFSchema) -> DfResult<LogicalPlan> {
    let typed = |node: LogicalPlan| {
        let LogicalPlan::TableScan(scan) = &node else { return Ok(Transformed::no(node)) };
        let provider = source_as_provider(&scan.source)?;
        if provider.downcast_ref::<CteWorkTable>().is_none_or(|rows| rows.name() != name) {
            return Ok(Transformed::no(node));
        }
        let field = |(own, of): (&FieldRef, &FieldRef)| of.as_ref().clone().with_name(own.name()).with_nullable(true);
        let fields: Fields = scan.source.schema().fields().iter().zip(types.fields()).map(field).collect();
        let rows = CteWorkTable::new(name, Arc::new(Schema::new(fields)));
        scan_of(scan, provider_as_source(Arc::new(rows))).map(Transformed::yes)
    };
    Ok(term.transform_up_with_subqueries(typed)?.data)
}

/// A scan like another of other rows.
fn scan_of(scan: &TableScan, rows: Arc<dyn TableSource>) -> DfResult<LogicalPlan> {
    let scan = TableScanBuilder::new(scan.table_name.clone(), rows)
        .with_projection(scan.projection.clone())
        .with_filters(scan.filters.clone())
        .with_fetch(scan.fetch);
    Ok(LogicalPlan::TableScan(scan.build()?))
}

/// A term without the casts to these types at its top.
fn uncast(term: &LogicalPlan, types: &DFSchema) -> DfResult<LogicalPlan> {
    let LogicalPlan::Projection(list) = term else { return Ok(term.clone()) };
    let exprs = list.expr.iter().enumerate().map(|(i, expr)| match expr.clone().unalias() {
        Expr::Cast(Cast { expr: inner, field }) if field.data_type() == types.field(i).data_type() => {
            let (relation, name) = expr.qualified_name();
            inner.alias_qualified(relation, name)
        }
        _ => expr.clone(),
    });
    Ok(LogicalPlan::Projection(Projection::try_new(exprs.collect(), list.input.clone())?))
}

/// True for types of which it is known what they have in common.
fn is_known(ty: &DataType) -> bool {
    match ty {
        DataType::List(item) => is_known(item.data_type()),
        DataType::Utf8 | DataType::Utf8View | DataType::Date32 => true,
        DataType::Timestamp(..) => EnumType::of_arrow(ty).is_none(),
        ty => ty.is_numeric() && !ty.is_unsigned_integer(),
    }
}

fn name(ty: &DataType) -> PgType {
    PgType::of_arrow(ty).base()
}

fn decimals(ty: &DataType) -> i8 {
    match ty {
        DataType::Decimal128(_, scale) | DataType::Decimal256(_, scale) => *scale,
        _ => 0,
    }
}

/// The type that both terms have in common.
fn overall(first: &DataType, next: &DataType) -> Option<DataType> {
    match (first, next) {
        (DataType::List(first), DataType::List(next)) => {
            overall(first.data_type(), next.data_type()).map(|item| DataType::new_list(item, true))
        }
        _ => unions::common(&[first, next]),
    }
}

/// True for a column that is a literal whose type its place decides.
fn is_untyped(term: &LogicalPlan, i: usize) -> bool {
    let LogicalPlan::Projection(list) = term else { return false };
    let is_null = |expr: &Expr| matches!(expr, Expr::Literal(value, None) if value.is_null());
    match list.expr.get(i).map(|expr| expr.clone().unalias()) {
        Some(Expr::Literal(ScalarValue::Utf8(_) | ScalarValue::Utf8View(_), None)) => true,
        Some(Expr::Cast(cast)) => is_null(&cast.expr),
        Some(expr) => is_null(&expr),
        None => false,
    }
}

/// The optimizer rule; see the head of this module.
#[derive(Debug)]
pub struct Nullable;

impl OptimizerRule for Nullable {
    fn name(&self) -> &str {
        "nullable_recursive_queries"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn supports_rewrite(&self) -> bool {
        true
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> DfResult<Transformed<LogicalPlan>> {
        match plan {
            LogicalPlan::RecursiveQuery(query) if query.schema.fields().iter().any(|field| !field.is_nullable()) => {
                let nullable = |(relation, field): (Option<&TableReference>, &Arc<Field>)| {
                    (relation.cloned(), Arc::new(field.as_ref().clone().with_nullable(true)))
                };
                let fields = query.schema.iter().map(nullable).collect();
                let schema = DFSchema::new_with_metadata(fields, query.schema.metadata().clone())?;
                Ok(Transformed::yes(LogicalPlan::RecursiveQuery(RecursiveQuery { schema: Arc::new(schema), ..query })))
            }
            other => Ok(Transformed::no(other)),
        }
    }
}

/// The rule for physical plans; see the head of this module.
#[derive(Debug)]
pub struct InTurn;

impl PhysicalOptimizerRule for InTurn {
    fn name(&self) -> &str {
        "recursive_rows_in_turn"
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> DfResult<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| match node.downcast_ref::<RepartitionExec>() {
            Some(dealing) if matches!(dealing.partitioning(), Partitioning::RoundRobinBatch(_)) && is_of_recursion(dealing.input())? => {
                Ok(Transformed::yes(Arc::clone(dealing.input())))
            }
            _ => Ok(Transformed::no(node)),
        })
        .data()
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// The rule for cross joins; see the head of this module.
#[derive(Debug)]
pub struct ManyByFew;

impl PhysicalOptimizerRule for ManyByFew {
    fn name(&self) -> &str {
        "recursive_rows_many_by_few"
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> DfResult<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| match node.downcast_ref::<CrossJoinExec>() {
            Some(join) if is_of_recursion(join.left())? => {
                let (left, right) = (Arc::clone(join.left()), Arc::clone(join.right()));
                Ok(Transformed::yes(Arc::new(NestedLoopJoinExec::try_new(left, right, None, &JoinType::Inner, None)?)))
            }
            _ => Ok(Transformed::no(node)),
        })
        .data()
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// True if rows of a recursive query, or of its last step, are in a plan.
fn is_of_recursion(plan: &Arc<dyn ExecutionPlan>) -> DfResult<bool> {
    let mut found = false;
    plan.apply(|node| {
        found |= node.is::<RecursiveQueryExec>() || node.is::<WorkTableExec>() || node.is::<RecursionExec>() || node.is::<StepExec>();
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}
