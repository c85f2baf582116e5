//! EXCEPT ALL and INTERSECT ALL as operations on multisets (manual, chapter 7.4).
//!
//! DataFusion plans them as an anti or a semi join on all columns, which loses the counts. [`Multisets`], an analyzer rule, finds these
//! joins and puts [`SetOperation`] in their place. A view folds that by counting. For a query [`Counted`], an optimizer rule, does what
//! PostgreSQL does: it counts how often each row comes from either side of a UNION ALL, and repeats it as often as it is left. So it
//! reads both sides whatever is in them, as a view must, and an expression that errs does so in both; a join skips a side where the
//! other is empty.
//!
//! Without ALL the left side is made distinct first: one copy of each row, of which one or none is left by the same rule.
//!
//! Equal values may differ: `1 day` and `24:00:00`, 0 and -0, jsonb `1.0` and `1.00`, and arrays and rows of these. Rows with columns of such
//! types are counted by what is the same for equal ones, in views too, and all copies show the values of one row of the left side: the last by
//! [`exact::key`]. PostgreSQL shows those of the row that it met first.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{
    Column, DFSchemaRef, JoinType, NullEquality, NullHandling, Result as DfResult, ScalarValue, UnnestOptions, internal_err,
};
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::functions_aggregate::first_last::first_value_udaf;
use datafusion::functions_nested::expr_fn::array_repeat;
use datafusion::logical_expr::type_coercion::binary::type_union_coercion;
use datafusion::logical_expr::{
    Cast, Distinct, Expr, ExprFunctionExt, Extension, Join, LogicalPlan, LogicalPlanBuilder, SortExpr, UserDefinedLogicalNodeCore, lit,
    when,
};
use datafusion::optimizer::{AnalyzerRule, ApplyOrder, OptimizerConfig, OptimizerRule};

use super::arith::rules::INTERVAL;
use super::length;
use super::scalar::exact::{self, may_differ};
use super::scalar::{arrays, jsonb_order, math};
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
pub fn typed(join: Join) -> DfResult<LogicalPlan> {
    with_sides(join, unions::alike)
}

/// EXCEPT or INTERSECT with what is made of its sides, of which the left one is seen below DISTINCT; `settle` is told its name.
pub(super) fn with_sides(
    mut join: Join,
    settle: impl FnOnce(&str, Vec<Arc<LogicalPlan>>) -> DfResult<Vec<Arc<LogicalPlan>>>,
) -> DfResult<LogicalPlan> {
    let (left, is_distinct) = match join.left.as_ref() {
        LogicalPlan::Distinct(Distinct::All(input)) => (Arc::clone(input), true),
        _ => (Arc::clone(&join.left), false),
    };
    let operation = if join.join_type == JoinType::LeftSemi { "INTERSECT" } else { "EXCEPT" };
    let sides = settle(operation, vec![left, Arc::clone(&join.right)])?;
    let Ok([left, right]) = <[Arc<LogicalPlan>; 2]>::try_from(sides) else { return internal_err!("a set operation has two inputs") };
    join.left = if is_distinct { Arc::new(LogicalPlan::Distinct(Distinct::All(left))) } else { left };
    join.right = right;
    LogicalPlan::Join(join).recompute_schema()
}

fn mend(plan: LogicalPlan) -> DfResult<Transformed<LogicalPlan>> {
    match plan {
        LogicalPlan::Join(join) if is_set_operation(&join) => {
            let (left, right) = alike(&join.left, &join.right)?;
            let mut node = SetOperation { left, right, intersect: join.join_type == JoinType::LeftSemi };
            if node.left.schema().fields().iter().any(|field| may_differ(field.data_type())) {
                // DISTINCT has no -0.
                let distinct = match &node.left {
                    LogicalPlan::Distinct(Distinct::All(input)) => Some(input.as_ref().clone()),
                    _ => None,
                };
                let once = distinct.is_some();
                node.left = distinct.unwrap_or(node.left);
                return counted(&node, once).map(Transformed::yes);
            }
            let node = LogicalPlan::Extension(Extension { node: Arc::new(node) });
            // IN looks for the one expression of a subquery, and finds it in a projection only.
            let columns: Vec<Expr> = node.schema().columns().into_iter().map(Expr::Column).collect();
            LogicalPlanBuilder::from(node).project(columns)?.build().map(Transformed::yes)
        }
        other => Ok(Transformed::no(other)),
    }
}

/// What is the same for all equal values of a type of which these may differ.
fn one_of_equals(value: Expr, ty: &DataType) -> Expr {
    match ty {
        DataType::LargeUtf8 => jsonb_order::key().call(vec![value]),
        ty if *ty == INTERVAL => length::of(value),
        ty if ty.is_nested() && !math::has_twins(ty) => arrays::key().call(vec![value]),
        _ => math::one_zero().call(vec![value]),
    }
}

/// The order in which the first of equal values is the one that is shown.
pub(super) fn shown_first(value: Expr, ty: &DataType) -> SortExpr {
    exact::ordered(value, ty).sort(false, false)
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
            if f.data_type() == t {
                return Expr::Column(c);
            }
            let (relation, name) = (c.relation.clone(), c.name.clone());
            Expr::Cast(Cast::new(Box::new(Expr::Column(c)), t.clone())).alias_qualified(relation, name)
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
            Some(operation) => Ok(Transformed::yes(counted(operation, false)?)),
            None => Ok(Transformed::no(plan)),
        }
    }
}

/// The operation as counting; each row that is left comes out `once`, or as often as it is left.
fn counted(operation: &SetOperation, once: bool) -> DfResult<LogicalPlan> {
    let columns = CountedColumns::of(&operation.left);
    let counts = SIDES.map(|side| count(hidden(side)).alias(side));
    let calls = counts.into_iter().chain(columns.shown()?);
    let both = columns.of_side(&operation.left, 0)?.union(columns.of_side(&operation.right, 1)?.build()?)?;
    let counted = both.aggregate(columns.keys.iter().map(|name| hidden(name)), calls)?;
    let [left, right] = SIDES.map(hidden);
    let is_there = |count: &Expr| count.clone().gt(lit(0i64));
    let in_both = is_there(&left).and(is_there(&right));
    let (stays, copies) = match (operation.intersect, once) {
        (true, true) => (in_both, None),
        (true, false) => (in_both, Some(when(left.clone().lt(right.clone()), left).otherwise(right)?)),
        (false, true) => (is_there(&left).and(right.eq(lit(0i64))), None),
        (false, false) => (left.clone().gt(right.clone()), Some(left - right)),
    };
    let mut kept = counted.filter(stays)?;
    if let Some(copies) = copies {
        let repeated = columns.values.iter().map(|name| hidden(name)).chain([array_repeat(lit(true), copies).alias(COPIES)]);
        let options = UnnestOptions::new().with_null_handling(NullHandling::Drop);
        kept = kept.project(repeated.collect::<Vec<_>>())?.unnest_column_with_options(COPIES, options)?;
    }
    let of_left = operation.left.schema().columns();
    let output = of_left.into_iter().zip(&columns.values).map(|(column, name)| hidden(name).alias_qualified(column.relation, column.name));
    kept.project(output.collect::<Vec<_>>())?.build()
}

fn hidden(name: &str) -> Expr {
    Expr::Column(Column::from_name(name))
}

/// The hidden names of the columns of a set operation while its rows are counted.
struct CountedColumns {
    types: Vec<DataType>,
    /// What has the values.
    values: Vec<String>,
    /// What rows are counted by: the values, or what is the same for equal ones.
    keys: Vec<String>,
}

impl CountedColumns {
    fn of(plan: &LogicalPlan) -> CountedColumns {
        let types: Vec<DataType> = plan.schema().fields().iter().map(|field| field.data_type().clone()).collect();
        let values = (0..types.len()).map(|i| format!("__{i}")).collect();
        let keys = types.iter().enumerate().map(|(i, ty)| if may_differ(ty) { format!("__key_{i}") } else { format!("__{i}") }).collect();
        CountedColumns { types, values, keys }
    }

    /// The columns of which equal values may differ: their places.
    fn differing(&self) -> impl Iterator<Item = usize> {
        (0..self.types.len()).filter(move |i| may_differ(&self.types[*i]))
    }

    /// The rows of a side, which they are marked with.
    fn of_side(&self, plan: &LogicalPlan, side: usize) -> DfResult<LogicalPlanBuilder> {
        let columns: Vec<Expr> = plan.schema().columns().into_iter().map(Expr::Column).collect();
        let keys = self.differing().map(|i| one_of_equals(columns[i].clone(), &self.types[i]).alias(&self.keys[i]));
        let values = columns.iter().zip(&self.values).map(|(column, name)| column.clone().alias(name));
        let marks = (0..SIDES.len()).map(|i| lit(ScalarValue::Boolean((i == side).then_some(true))).alias(SIDES[i]));
        LogicalPlanBuilder::from(plan.clone()).project(values.chain(keys).chain(marks).collect::<Vec<_>>())
    }

    /// The calls that find what is shown of equal values that may differ: those of one row of the left side.
    fn shown(&self) -> DfResult<Vec<Expr>> {
        let apart = self.differing().map(|i| shown_first(hidden(&self.values[i]), &self.types[i]));
        let order: Vec<SortExpr> = std::iter::once(hidden(SIDES[0]).sort(true, false)).chain(apart).collect();
        let first = |i: usize| {
            let name = &self.values[i];
            Ok(first_value_udaf().call(vec![hidden(name)]).order_by(order.clone()).build()?.alias(name))
        };
        self.differing().map(first).collect()
    }
}
