//! EXCEPT ALL and INTERSECT ALL as operations on multisets (manual, chapter 7.4).
//!
//! DataFusion plans them as an anti or a semi join on all columns, which loses the counts. [`Multisets`], an analyzer rule, finds these
//! joins and puts [`SetOperation`] in their place. A view folds that by counting. For a query [`Numbered`], an optimizer rule, numbers the
//! equal rows of either side, `row_number() over (partition by all columns)`, as one more column to be equal in: the k-th copy of a row
//! meets the k-th copy of the other side, so that EXCEPT ALL keeps the copies without a partner, INTERSECT ALL those with one. The joins
//! treat NULLs as equal.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, DFSchemaRef, JoinConstraint, JoinType, NullEquality, Result as DfResult, internal_err};
use datafusion::functions_window::row_number::row_number_udwf;
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::type_coercion::binary::type_union_coercion;
use datafusion::logical_expr::{
    Cast, Distinct, Expr, ExprFunctionExt, Extension, Join, LogicalPlan, LogicalPlanBuilder, UserDefinedLogicalNodeCore,
    WindowFunctionDefinition,
};
use datafusion::optimizer::{AnalyzerRule, ApplyOrder, OptimizerConfig, OptimizerRule};

/// Name of the hidden column that numbers equal rows.
const COPY: &str = "__copy";

/// EXCEPT ALL or INTERSECT ALL of two plans whose columns have the same types.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SetOperation {
    pub left: LogicalPlan,
    pub right: LogicalPlan,
    /// True for INTERSECT ALL.
    pub intersect: bool,
}

impl PartialOrd for SetOperation {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        (&self.left, &self.right, self.intersect).partial_cmp(&(&other.left, &other.right, other.intersect))
    }
}

impl UserDefinedLogicalNodeCore for SetOperation {
    fn name(&self) -> &str {
        "SetOperation"
    }
    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.left, &self.right]
    }
    fn schema(&self) -> &DFSchemaRef {
        self.left.schema()
    }
    fn expressions(&self) -> Vec<Expr> {
        vec![]
    }
    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.intersect { "SetOperation: INTERSECT ALL" } else { "SetOperation: EXCEPT ALL" })
    }
    fn with_exprs_and_inputs(&self, _: Vec<Expr>, inputs: Vec<LogicalPlan>) -> DfResult<Self> {
        let Ok([left, right]) = <[LogicalPlan; 2]>::try_from(inputs) else { return internal_err!("a set operation has two inputs") };
        Ok(SetOperation { left, right, intersect: self.intersect })
    }
}

/// The analyzer rule; see the head of this module.
#[derive(Debug)]
pub struct Multisets;

impl AnalyzerRule for Multisets {
    fn name(&self) -> &str {
        "multiset_operations"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> DfResult<LogicalPlan> {
        Ok(plan.transform_up_with_subqueries(mend)?.data)
    }
}

/// True for the join that the SQL planner makes of EXCEPT or INTERSECT: all columns of both sides, NULLs equal, no filter.
pub fn is_set_operation(join: &Join) -> bool {
    let columns = join.left.schema().fields().len();
    matches!(join.join_type, JoinType::LeftSemi | JoinType::LeftAnti)
        && join.null_equality == NullEquality::NullEqualsNull
        && join.filter.is_none()
        && join.on.len() == columns
        && join.right.schema().fields().len() == columns
}

fn mend(plan: LogicalPlan) -> DfResult<Transformed<LogicalPlan>> {
    match plan {
        // Without ALL the left side is made distinct first: one copy of each row, so the plain join is right.
        LogicalPlan::Join(join) if is_set_operation(&join) && !is_distinct(&join.left) => {
            let (left, right) = alike(&join.left, &join.right)?;
            let node = SetOperation { left, right, intersect: join.join_type == JoinType::LeftSemi };
            Ok(Transformed::yes(LogicalPlan::Extension(Extension { node: Arc::new(node) })))
        }
        other => Ok(Transformed::no(other)),
    }
}

fn is_distinct(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Distinct(Distinct::All(_)) => true,
        LogicalPlan::SubqueryAlias(alias) => is_distinct(&alias.input),
        _ => false,
    }
}

/// Both sides with columns of common types.
fn alike(left: &LogicalPlan, right: &LogicalPlan) -> DfResult<(LogicalPlan, LogicalPlan)> {
    let common =
        |(l, r): (&FieldRef, &FieldRef)| type_union_coercion(l.data_type(), r.data_type()).unwrap_or_else(|| l.data_type().clone());
    let types: Vec<DataType> = left.schema().fields().iter().zip(right.schema().fields()).map(common).collect();
    let cast = |plan: &LogicalPlan| -> DfResult<LogicalPlan> {
        if plan.schema().fields().iter().zip(&types).all(|(f, t)| f.data_type() == t) {
            return Ok(plan.clone());
        }
        let exprs = plan.schema().columns().into_iter().zip(plan.schema().fields()).zip(&types).map(|((c, f), t)| {
            let (relation, name) = (c.relation.clone(), c.name.clone());
            if f.data_type() == t {
                Expr::Column(c)
            } else {
                Expr::Cast(Cast::new(Box::new(Expr::Column(c)), t.clone())).alias_qualified(relation, name)
            }
        });
        LogicalPlanBuilder::from(plan.clone()).project(exprs.collect::<Vec<_>>())?.build()
    };
    Ok((cast(left)?, cast(right)?))
}

/// The optimizer rule for queries; see the head of this module.
#[derive(Debug)]
pub struct Numbered;

impl OptimizerRule for Numbered {
    fn name(&self) -> &str {
        "numbered_multisets"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn supports_rewrite(&self) -> bool {
        true
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> DfResult<Transformed<LogicalPlan>> {
        let operation = match &plan {
            LogicalPlan::Extension(extension) => extension.node.as_any().downcast_ref::<SetOperation>(),
            _ => None,
        };
        match operation {
            Some(operation) => Ok(Transformed::yes(joined(operation)?)),
            None => Ok(Transformed::no(plan)),
        }
    }
}

fn joined(operation: &SetOperation) -> DfResult<LogicalPlan> {
    let output: Vec<Expr> = operation.left.schema().columns().into_iter().map(Expr::Column).collect();
    let (left, right) = (numbered(&operation.left)?, numbered(&operation.right)?);
    let columns = |plan: &LogicalPlan| plan.schema().columns().into_iter().map(Expr::Column).collect::<Vec<_>>();
    let on = columns(&left).into_iter().zip(columns(&right)).collect();
    let kind = if operation.intersect { JoinType::LeftSemi } else { JoinType::LeftAnti };
    let (left, right) = (Arc::new(left), Arc::new(right));
    let joined = Join::try_new(left, right, on, None, kind, JoinConstraint::On, NullEquality::NullEqualsNull, false)?;
    LogicalPlanBuilder::from(LogicalPlan::Join(joined)).project(output)?.build()
}

fn numbered(plan: &LogicalPlan) -> DfResult<LogicalPlan> {
    let columns: Vec<Expr> = plan.schema().columns().into_iter().map(Expr::Column).collect();
    let number = WindowFunction::new(WindowFunctionDefinition::WindowUDF(row_number_udwf()), vec![]);
    let number = Expr::from(number).partition_by(columns.clone()).build()?;
    let windowed = LogicalPlanBuilder::from(plan.clone()).window(vec![number])?.build()?;
    let last = windowed.schema().columns().pop().unwrap_or_else(|| Column::from_name(COPY));
    let renamed = columns.into_iter().chain([Expr::Column(last).alias(COPY)]);
    LogicalPlanBuilder::from(windowed).project(renamed)?.build()
}
