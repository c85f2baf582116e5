//! EXCEPT ALL and INTERSECT ALL as operations on multisets (manual, chapter 7.4).
//!
//! DataFusion plans them as an anti or a semi join on all columns, which loses the counts. [`Multisets`], an analyzer rule, finds these
//! joins and puts [`SetOperation`] in their place. A view folds that by counting. For a query [`Counted`], an optimizer rule, does what
//! PostgreSQL does: it counts how often each row comes from either side of a UNION ALL, and repeats it as often as it is left. So it
//! reads both sides whatever is in them, as a view must, and an expression that errs does so in both; a join skips a side where the
//! other is empty.
//!
//! Without ALL the left side is made distinct first: one copy of each row, of which one or none is left by the same rule.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, DFSchemaRef, JoinType, NullEquality, Result as DfResult, ScalarValue, internal_err};
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::functions_nested::expr_fn::array_repeat;
use datafusion::logical_expr::type_coercion::binary::type_union_coercion;
use datafusion::logical_expr::{
    Cast, Distinct, Expr, Extension, Join, LogicalPlan, LogicalPlanBuilder, ScalarUDF, UserDefinedLogicalNodeCore, lit, when,
};
use datafusion::optimizer::{AnalyzerRule, ApplyOrder, OptimizerConfig, OptimizerRule};

use super::arith::rules::INTERVAL;
use super::length;
use super::scalar::{jsonb_order, math};
use super::unions;

/// Names of the hidden columns that say which side a row is from, or how often it is from there, and that repeat it.
const SIDES: [&str; 2] = ["__left", "__right"];
const COPIES: &str = "__copies";

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

/// True for the join that the SQL planner makes of EXCEPT or INTERSECT: all columns of both sides, NULLs equal, no filter. One by the
/// length of intervals or by keys of jsonb, which [`super::keys`] leaves without ALL only, is a join like any other.
pub fn is_set_operation(join: &Join) -> bool {
    let columns = join.left.schema().fields().len();
    matches!(join.join_type, JoinType::LeftSemi | JoinType::LeftAnti)
        && join.null_equality == NullEquality::NullEqualsNull
        && join.filter.is_none()
        && join.on.len() == columns
        && join.right.schema().fields().len() == columns
        && !join
            .on
            .iter()
            .any(|(left, _)| matches!(left, Expr::ScalarFunction(f) if [length::LENGTH, jsonb_order::KEY].contains(&f.name())))
}

/// EXCEPT or INTERSECT of columns of the types that PostgreSQL finds: a part of [`super::rewrite::Meaning`], for what stands around it is typed
/// by its columns. Errors: those of [`unions::alike`].
pub fn typed(mut join: Join) -> DfResult<LogicalPlan> {
    let (left, is_distinct) = match join.left.as_ref() {
        LogicalPlan::Distinct(Distinct::All(input)) => (Arc::clone(input), true),
        _ => (Arc::clone(&join.left), false),
    };
    let sides = unions::alike(vec![left, Arc::clone(&join.right)])?;
    let Ok([left, right]) = <[Arc<LogicalPlan>; 2]>::try_from(sides) else { return internal_err!("a set operation has two inputs") };
    join.left = if is_distinct { Arc::new(LogicalPlan::Distinct(Distinct::All(left))) } else { left };
    join.right = right;
    LogicalPlan::Join(join).recompute_schema()
}

fn mend(plan: LogicalPlan) -> DfResult<Transformed<LogicalPlan>> {
    match plan {
        LogicalPlan::Join(join) if is_set_operation(&join) => {
            let (left, right) = alike(&join.left, &join.right)?;
            let node = SetOperation { left, right, intersect: join.join_type == JoinType::LeftSemi };
            let node = LogicalPlan::Extension(Extension { node: Arc::new(node) });
            // IN looks for the one expression of a subquery, and finds it in a projection only.
            let columns: Vec<Expr> = node.schema().columns().into_iter().map(Expr::Column).collect();
            LogicalPlanBuilder::from(node).project(columns)?.build().map(Transformed::yes)
        }
        other => Ok(Transformed::no(other)),
    }
}

/// The function that gives what stands for all equal values of a type; `None` where these are the same.
fn one_of_equals(ty: &DataType) -> Option<Arc<ScalarUDF>> {
    match ty {
        DataType::LargeUtf8 => Some(jsonb_order::one_of_equals()),
        DataType::List(_) if math::has_twins(ty) => Some(math::one_zero()),
        ty => (*ty == INTERVAL).then(length::one_of_equals),
    }
}

/// Both sides with columns of common types, and equal intervals, jsonb and arrays of floats alike.
fn alike(left: &LogicalPlan, right: &LogicalPlan) -> DfResult<(LogicalPlan, LogicalPlan)> {
    let common =
        |(l, r): (&FieldRef, &FieldRef)| type_union_coercion(l.data_type(), r.data_type()).unwrap_or_else(|| l.data_type().clone());
    let types: Vec<DataType> = left.schema().fields().iter().zip(right.schema().fields()).map(common).collect();
    let cast = |plan: &LogicalPlan| -> DfResult<LogicalPlan> {
        if plan.schema().fields().iter().zip(&types).all(|(f, t)| f.data_type() == t && one_of_equals(t).is_none()) {
            return Ok(plan.clone());
        }
        let exprs = plan.schema().columns().into_iter().zip(plan.schema().fields()).zip(&types).map(|((c, f), t)| {
            let (relation, name) = (c.relation.clone(), c.name.clone());
            let column = Expr::Column(c);
            let value = if f.data_type() == t { column } else { Expr::Cast(Cast::new(Box::new(column), t.clone())) };
            match (one_of_equals(t), value) {
                (Some(one), value) => one.call(vec![value]).alias_qualified(relation, name),
                (None, column @ Expr::Column(_)) => column,
                (None, cast) => cast.alias_qualified(relation, name),
            }
        });
        LogicalPlanBuilder::from(plan.clone()).project(exprs.collect::<Vec<_>>())?.build()
    };
    Ok((cast(left)?, cast(right)?))
}

/// The optimizer rule for queries; see the head of this module.
#[derive(Debug)]
pub struct Counted;

impl OptimizerRule for Counted {
    fn name(&self) -> &str {
        "counted_multisets"
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
            Some(operation) => Ok(Transformed::yes(counted(operation)?)),
            None => Ok(Transformed::no(plan)),
        }
    }
}

fn counted(operation: &SetOperation) -> DfResult<LogicalPlan> {
    let hidden = |name: &str| Expr::Column(Column::from_name(name));
    let columns: Vec<String> = (0..operation.left.schema().fields().len()).map(|i| format!("__{i}")).collect();
    let of_side = |plan: &LogicalPlan, side: usize| {
        let named = plan.schema().columns().into_iter().zip(&columns).map(|(column, name)| Expr::Column(column).alias(name));
        let mark = |i: usize| lit(ScalarValue::Boolean((i == side).then_some(true))).alias(SIDES[i]);
        LogicalPlanBuilder::from(plan.clone()).project(named.chain([mark(0), mark(1)]).collect::<Vec<_>>())
    };
    let keys = columns.iter().map(|name| hidden(name));
    let counts = SIDES.map(|side| count(hidden(side)).alias(side));
    let counted = of_side(&operation.left, 0)?.union(of_side(&operation.right, 1)?.build()?)?.aggregate(keys.clone(), counts)?;
    let [left, right] = SIDES.map(hidden);
    let (stays, copies) = match operation.intersect {
        true => {
            let fewer = when(left.clone().lt(right.clone()), left.clone()).otherwise(right.clone())?;
            (left.gt(lit(0i64)).and(right.gt(lit(0i64))), fewer)
        }
        false => (left.clone().gt(right.clone()), left - right),
    };
    let repeated = keys.clone().chain([array_repeat(lit(true), copies).alias(COPIES)]);
    let output =
        operation.left.schema().columns().into_iter().zip(keys).map(|(column, key)| key.alias_qualified(column.relation, column.name));
    counted.filter(stays)?.project(repeated.collect::<Vec<_>>())?.unnest_column(COPIES)?.project(output.collect::<Vec<_>>())?.build()
}
