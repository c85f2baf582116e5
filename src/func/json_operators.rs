//! What PostgreSQL has not got for json and jsonb: json has neither equality nor order, jsonb is compared with jsonb only and has no least
//! and no greatest value of several rows.
//!
//! The rule comes before all others, which compare and tell apart what nobody has asked them to.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result as DfResult, ScalarValue};
use datafusion::logical_expr::expr::{Between, BinaryExpr, InList, InSubquery};
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Distinct, Expr, ExprSchemable, LogicalPlan, Operator};
use datafusion::optimizer::AnalyzerRule;

use super::rewrite::{is_comparison, literal};
use super::setops::is_set_operation;
use crate::data::PgType;
use crate::error::{Error, Result, code};

/// The rule; see the head of this module.
#[derive(Debug)]
pub struct JsonOperators;

impl AnalyzerRule for JsonOperators {
    fn name(&self) -> &str {
        "json_operators"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> DfResult<LogicalPlan> {
        plan.apply_with_subqueries(|node| check(node).map(|()| TreeNodeRecursion::Continue))?;
        Ok(plan)
    }
}

/// Errors: 42883.
fn check(plan: &LogicalPlan) -> DfResult<()> {
    let mut schema = merge_schema(&plan.inputs());
    if let LogicalPlan::TableScan(scan) = plan {
        schema.merge(&DFSchema::try_from_qualified_schema(scan.table_name.clone(), &scan.source.schema())?);
    }
    match plan {
        LogicalPlan::Sort(sort) => sort.expr.iter().try_for_each(|by| ordered(&by.expr, &schema))?,
        LogicalPlan::Distinct(Distinct::On(on)) => on.on_expr.iter().try_for_each(|expr| told_apart(expr, &schema))?,
        LogicalPlan::Distinct(Distinct::All(input)) => rows_told_apart(input)?,
        LogicalPlan::Aggregate(aggregate) => aggregate.group_expr.iter().try_for_each(|key| match key {
            Expr::GroupingSet(sets) => sets.distinct_expr().into_iter().try_for_each(|key| told_apart(key, &schema)),
            key => told_apart(key, &schema),
        })?,
        LogicalPlan::Join(join) if is_set_operation(join) => {
            rows_told_apart(&join.left)?;
            rows_told_apart(&join.right)?;
        }
        LogicalPlan::Join(join) => {
            for (left, right) in &join.on {
                alike("=", &[type_of(left, join.left.schema()), type_of(right, join.right.schema())])?;
            }
        }
        _ => {}
    }
    plan.apply_expressions(|expr| expr.apply(|e| used(e, &schema).map(|()| TreeNodeRecursion::Continue)))?;
    Ok(())
}

/// Errors: 42883 for rows with a json; of a union those of any of its inputs, as one of NULL alone has no type.
fn rows_told_apart(plan: &LogicalPlan) -> Result<()> {
    plan.schema().fields().iter().try_for_each(|field| has_operator(&PgType::of(field), "equality"))?;
    match plan {
        LogicalPlan::Union(union) => union.inputs.iter().try_for_each(|input| rows_told_apart(input)),
        _ => Ok(()),
    }
}

/// What an expression compares by itself.
fn used(expr: &Expr, schema: &DFSchema) -> DfResult<()> {
    let types = |operands: &[&Expr]| -> Vec<Option<PgType>> { operands.iter().map(|e| type_of(e, schema)).collect() };
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_comparison(*op) => {
            alike(&sign(*op), &types(&[left.as_ref(), right.as_ref()]))?
        }
        Expr::Between(Between { expr, low, high, .. }) => alike(">=", &types(&[expr.as_ref(), low.as_ref(), high.as_ref()]))?,
        Expr::InList(InList { expr, list, .. }) => {
            alike("=", &types(&std::iter::once(expr.as_ref()).chain(list).collect::<Vec<_>>()))?;
        }
        Expr::InSubquery(InSubquery { expr, subquery, .. }) => {
            let found = subquery.subquery.schema().fields().first().map(|field| PgType::of(field));
            alike("=", &[type_of(expr, schema), found])?;
        }
        Expr::Case(case) => {
            if let Some(operand) = &case.expr {
                let whens = case.when_then_expr.iter().map(|(when, _)| when.as_ref());
                alike("=", &types(&std::iter::once(operand.as_ref()).chain(whens).collect::<Vec<_>>()))?;
            }
        }
        Expr::ScalarFunction(call) => match call.name() {
            "nullif" => alike("=", &types(&call.args.iter().collect::<Vec<_>>()))?,
            "greatest" | "least" if call.args.iter().any(|arg| type_of(arg, schema) == Some(PgType::Json)) => {
                return Err(missing("could not identify a comparison function for type json").into());
            }
            _ => {}
        },
        Expr::AggregateFunction(call) => {
            has_extremes(call.func.name(), &call.params.args, schema)?;
            call.params.order_by.iter().try_for_each(|by| ordered(&by.expr, schema))?;
            if call.params.distinct {
                call.params.args.iter().try_for_each(|arg| told_apart(arg, schema))?;
            }
        }
        Expr::WindowFunction(call) => {
            has_extremes(call.fun.name(), &call.params.args, schema)?;
            call.params.partition_by.iter().try_for_each(|by| told_apart(by, schema))?;
            call.params.order_by.iter().try_for_each(|by| ordered(&by.expr, schema))?;
        }
        _ => {}
    }
    Ok(())
}

/// An expression's type; `None` for a literal that has none, and for what cannot be told yet.
pub(super) fn type_of(expr: &Expr, schema: &DFSchema) -> Option<PgType> {
    if let Expr::Literal(value, None) = expr {
        let typed = literal(value).unwrap_or_else(|| value.clone());
        let untyped = matches!(typed, ScalarValue::Utf8(_) | ScalarValue::Utf8View(_) | ScalarValue::Null);
        return (!untyped).then(|| PgType::of_arrow(&typed.data_type()));
    }
    let (_, field) = expr.to_field(schema).ok()?;
    (*field.data_type() != DataType::Null).then(|| PgType::of(&field))
}

/// The operator as PostgreSQL names it in its errors.
fn sign(op: Operator) -> String {
    match op {
        Operator::NotEq => "<>".to_string(),
        Operator::IsDistinctFrom | Operator::IsNotDistinctFrom => "=".to_string(),
        op => op.to_string(),
    }
}

/// Errors: 42883 if the first cannot be compared with one of the others because one of the two is json, or jsonb and the other is not.
fn alike(sign: &str, types: &[Option<PgType>]) -> Result<()> {
    let Some((first, others)) = types.split_first() else { return Ok(()) };
    let name = |ty: &Option<PgType>| ty.as_ref().map_or_else(|| "unknown".to_string(), |ty| ty.base().to_string());
    for other in others {
        let has = |wanted: &PgType| first.as_ref() == Some(wanted) || other.as_ref() == Some(wanted);
        let is_jsonb = |ty: &Option<PgType>| ty.as_ref().is_none_or(|ty| *ty == PgType::Jsonb);
        if has(&PgType::Json) || has(&PgType::Jsonb) && !(is_jsonb(first) && is_jsonb(other)) {
            return Err(Error::no_operator(&format!("{} {sign} {}", name(first), name(other))));
        }
    }
    Ok(())
}

fn missing(message: impl Into<String>) -> Error {
    Error::new(code::UNDEFINED_FUNCTION, message)
}

fn has_operator(ty: &PgType, kind: &str) -> Result<()> {
    if *ty != PgType::Json {
        return Ok(());
    }
    Err(missing(format!("could not identify an {kind} operator for type json")).hint("Cast it to jsonb, which can be compared."))
}

fn told_apart(expr: &Expr, schema: &DFSchema) -> Result<()> {
    type_of(expr, schema).map_or(Ok(()), |ty| has_operator(&ty, "equality"))
}

fn ordered(expr: &Expr, schema: &DFSchema) -> Result<()> {
    type_of(expr, schema).map_or(Ok(()), |ty| has_operator(&ty, "ordering"))
}

/// Errors: 42883 for min() and max() of json and jsonb.
fn has_extremes(function: &str, args: &[Expr], schema: &DFSchema) -> Result<()> {
    let ([arg], "min" | "max") = (args, function) else { return Ok(()) };
    match type_of(arg, schema) {
        Some(ty @ (PgType::Json | PgType::Jsonb)) => Err(missing(format!("function {function}({ty}) does not exist"))
            .hint("No function matches the given name and argument types. You might need to add explicit type casts.")),
        _ => Ok(()),
    }
}
