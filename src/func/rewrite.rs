//! The analyzer rule that runs before DataFusion's own type coercion and gives a plan PostgreSQL's meaning:
//!
//! 1. integer literals that fit become int4 ([`literal`]); DataFusion reads all of them as bigint. Literals with metadata are
//!    parameters and keep their type. The terms of a recursive query keep bigint, since the work table's type is fixed when its
//!    static term is planned; and so does the whole plan if one of them depends on the row around;
//! 2. casts that arrow does otherwise become [`super::cast::PgCast`];
//! 3. unary minus is checked;
//! 4. comparisons of mixed numeric types take place in a type that holds both sides exactly, those of intervals by their length, those of
//!    jsonb by its keys ([`jsonb_order`]), those of dates with times in the type of these, those with subqueries likewise ([`members`]); what
//!    cannot be compared, and conditions that are none, are refused ([`operands`]);
//! 5. values of enumerations are given the labels beside them ([`enums`]), rows of composite types their types ([`composites`]);
//! 6. arguments of aggregates are computed behind their FILTER ([`filtered`]);
//! 7. functions whose type depends on a literal argument that is none here are settled ([`Function::settled`]);
//! 8. calls of window functions are checked as PostgreSQL checks them ([`super::window`]);
//! 9. unsigned columns of window functions become bigint ([`signed`]);
//! 10. the columns of UNION, INTERSECT, EXCEPT and VALUES get PostgreSQL's common type ([`unions`]);
//! 11. recursive queries whose terms are of different types are refused ([`recursive`]);
//! 12. frames of RANGE with an offset leave infinite dates and timestamps infinite ([`frames`]).
//!
//! Every node's schema is computed again afterwards, since types changed; names of columns are kept.

use arrow::datatypes::{DataType, i256};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result as DfResult, ScalarValue};
use datafusion::functions_nested::expr_fn::array_has;
use datafusion::functions_nested::make_array::make_array_udf;
use datafusion::logical_expr::expr::{AggregateFunction, Between, BinaryExpr, Case, InList, Like, ScalarFunction};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Cast, Expr, ExprSchemable, LogicalPlan, Operator, Union, Values, binary_expr, not, when};
use datafusion::optimizer::AnalyzerRule;

use super::APART;
use super::arith;
use super::arith::decimal::pow10;
use super::arith::rules::{WIDE_PRECISION, decimal};
use super::cast;
use super::composites;
use super::enums;
use super::filtered;
use super::frames;
use super::grouped;
use super::length;
use super::members;
use super::numbers::{numbers_alike, read_as_numbers};
use super::operands;
use super::present;
use super::recursive;
use super::row_delimiters;
use super::scalar::define::{Function, no_function};
use super::scalar::{arrays, bytes, exact, greatest, growing, jsonb_order, math, network, overloads, system_columns};
use super::setops;
use super::subquery::{Place, from_outside, outer_columns};
use super::subscripts;
use super::sum::SumLike;
use super::text_io;
use super::type_of;
use super::unions;
use crate::data::{EnumType, Enums, PgType};
use crate::error::{Error, Result, code};

/// The rule; see the head of this module.
#[derive(Debug)]
pub struct Meaning;

impl AnalyzerRule for Meaning {
    fn name(&self) -> &str {
        "postgresql_meaning"
    }

    fn analyze(&self, plan: LogicalPlan, config: &ConfigOptions) -> DfResult<LogicalPlan> {
        let (outer, enums) = (DFSchema::empty(), enums::known(config));
        let mut is_dependent = false;
        plan.apply_with_subqueries(|node| {
            if let LogicalPlan::RecursiveQuery(query) = node {
                is_dependent |= !outer_columns(node)?.is_empty();
                recursive::check(query, &|node, _| rewrite_node(node, &outer, true, &enums))?;
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        from_outside(plan, &|node, place| {
            let literals = place == Place::Around && !is_dependent;
            rewrite_node(node, &outer, literals, &enums)
        })
    }
}

fn rewrite_node(plan: LogicalPlan, outer: &DFSchema, literals: bool, enums: &Enums) -> DfResult<Transformed<LogicalPlan>> {
    let mut schema = merge_schema(&plan.inputs());
    if let LogicalPlan::TableScan(scan) = &plan {
        schema.merge(&DFSchema::try_from_qualified_schema(scan.table_name.clone(), &scan.source.schema())?);
    }
    schema.merge(outer);
    if let LogicalPlan::Filter(filter) = &plan
        && filter.predicate.exists(|e| Ok(matches!(e, Expr::WindowFunction(_))))?
    {
        return Err(Error::new(code::WINDOWING_ERROR, "window functions are not allowed in WHERE").into());
    }
    let names = NamePreserver::new(&plan);
    let projects = matches!(plan, LogicalPlan::Projection(_));
    let named = |expr: Expr| {
        let name = names.save(&expr);
        let rewritten = expr.transform_up(|e| if projects { signed(e, &schema) } else { Ok(Transformed::no(e)) })?;
        let rewritten = rewritten.transform_data(|e| e.transform_up(|e| rewrite_expr(e, &schema, literals, enums)))?;
        let rewritten = rewritten.transform_data(|e| subscripts::complete(e, &schema))?;
        Ok(rewritten.update_data(|e| name.restore(e)))
    };
    let plan = plan.map_expressions(|expr| match expr {
        // Each of its members is a column of its own.
        Expr::GroupingSet(_) => expr.map_children(named),
        expr => named(expr),
    })?;
    operands::check_node(&plan.data, &schema)?;
    plan.map_data(|plan| match enums::settle_node(plan, enums)? {
        LogicalPlan::Values(Values { values, .. }) => type_of::values(unions::untyped_nulls(values)),
        LogicalPlan::Window(window) => frames::settle(window),
        LogicalPlan::Aggregate(aggregate) => grouped::by_keys(aggregate),
        LogicalPlan::Union(union) => Ok(LogicalPlan::Union(Union::try_new_with_loose_types(unions::alike("UNION", union.inputs)?)?)),
        LogicalPlan::Join(join) if setops::is_set_operation(&join) => setops::typed(join),
        other => other.recompute_schema(),
    })
}

/// row_number() and its kin are unsigned in DataFusion and bigint in PostgreSQL; they are cast where they are selected.
fn signed(expr: Expr, schema: &DFSchema) -> DfResult<Transformed<Expr>> {
    let is_unsigned = matches!(&expr, Expr::Column(_)) && expr.get_type(schema).is_ok_and(|t| t == DataType::UInt64);
    if !is_unsigned {
        return Ok(Transformed::no(expr));
    }
    let cast = Expr::Cast(Cast::new(Box::new(expr), DataType::Int64));
    Ok(Transformed::new(cast, true, TreeNodeRecursion::Jump))
}

/// An integer literal as PostgreSQL types it: int4 if it fits.
pub fn literal(value: &ScalarValue) -> Option<ScalarValue> {
    match value {
        ScalarValue::Int64(Some(v)) => i32::try_from(*v).ok().map(|v| ScalarValue::Int32(Some(v))),
        // 1e3 is read as 1 with a negative scale; PostgreSQL's numeric has none.
        ScalarValue::Decimal128(Some(v), p, s) if *s < 0 => {
            let value = i256::from_i128(*v).checked_mul(pow10(u32::from(s.unsigned_abs()).min(76)))?;
            let digits = i32::from(*p) - i32::from(*s);
            Some(match decimal(digits, 0) {
                DataType::Decimal128(p, s) => ScalarValue::Decimal128(value.to_i128(), p, s),
                _ => ScalarValue::Decimal256(Some(value), WIDE_PRECISION, 0),
            })
        }
        ScalarValue::UInt64(Some(v)) => Some(ScalarValue::Decimal128(Some(i128::from(*v)), 20, 0)),
        _ => None,
    }
}

fn rewrite_expr(expr: Expr, schema: &DFSchema, literals: bool, enums: &Enums) -> DfResult<Transformed<Expr>> {
    let expr = if enums.is_empty() { expr } else { composites::settle(expr, schema, enums)? };
    let expr = enums::settle(expr, schema, enums)?.data;
    operands::check(&expr, schema)?;
    match expr {
        Expr::Literal(value, None) if literals || value.data_type().is_decimal() => match literal(&value) {
            Some(typed) => Ok(Transformed::yes(Expr::Literal(typed, None))),
            None => Ok(Transformed::no(Expr::Literal(value, None))),
        },
        Expr::Cast(Cast { expr, field }) => cast::plan(*expr, field, schema),
        Expr::ScalarFunction(call) => called(call, schema),
        Expr::AggregateFunction(mut call) => {
            aggregated_bytes(call.func.name(), &mut call.params.args, schema)?;
            if let Some(function) = row_delimiters::function(call.func.name(), &call.params.args) {
                call.func = function;
            }
            if call.params.distinct {
                call = distinct(call, schema);
            }
            let params = &mut call.params;
            let sorted = params.order_by.iter_mut().map(|sort| &mut sort.expr);
            filtered::guard(params.filter.as_deref(), params.args.iter_mut().chain(sorted))?;
            Ok(Transformed::yes(Expr::AggregateFunction(call)))
        }
        Expr::WindowFunction(mut call) => {
            aggregated_bytes(call.fun.name(), &mut call.params.args, schema)?;
            Ok(Transformed::yes(super::window::settle(*call, schema)?))
        }
        #[expect(deprecated, reason = "the planner makes one of `t.*` wherever it stands")]
        Expr::Wildcard { qualifier: Some(relation), .. } => {
            let error = Error::unsupported(format!("{relation}.* is not supported here"));
            Err(error.hint(format!("Name its columns, or write ROW({relation}.*) for a row of them.")).into())
        }
        // DataFusion takes the pattern for a regular expression, unanchored: a wrong answer is worse than none.
        Expr::SimilarTo(_) => {
            Err(Error::unsupported("SIMILAR TO is not supported").hint("Use LIKE, or ~ with a regular expression.").into())
        }
        Expr::Negative(inner) => Ok(Transformed::yes(arith::negate(*inner))),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_comparison(op) => {
            let [left, right] = by_order(op, alike([*left, *right], schema)?, schema)?;
            Ok(Transformed::yes(Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)))))
        }
        Expr::Between(Between { expr, negated, low, high }) => {
            let [expr, low, high] = alike([*expr, *low, *high], schema)?;
            if matches!(expr.get_type(schema), Ok(DataType::List(_))) {
                let [above, least] = by_order(Operator::GtEq, [expr.clone(), low], schema)?;
                let [below, most] = by_order(Operator::LtEq, [expr, high], schema)?;
                let within = binary_expr(above, Operator::GtEq, least).and(binary_expr(below, Operator::LtEq, most));
                return Ok(Transformed::yes(if negated { not(within) } else { within }));
            }
            Ok(Transformed::yes(Expr::Between(Between::new(Box::new(expr), negated, Box::new(low), Box::new(high)))))
        }
        Expr::InList(InList { expr, list, negated }) => {
            let mut all: Vec<Expr> = [*expr].into_iter().chain(list).collect();
            read_as_floats(&mut all, schema)?;
            let all = alike_all(all, schema)?;
            let mut all = all.into_iter().map(|value| one_of_equals(value, schema));
            let Some(expr) = all.next() else { return datafusion::common::internal_err!("IN without an operand") };
            Ok(Transformed::yes(Expr::InList(InList::new(Box::new(expr), all.collect(), negated))))
        }
        Expr::InSubquery(test) => Ok(Transformed::yes(Expr::InSubquery(members::in_subquery(test, schema)?))),
        Expr::SetComparison(test) => Ok(Transformed::yes(Expr::SetComparison(members::set_comparison(test, schema)?))),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_match(op) => {
            Ok(Transformed::yes(Expr::BinaryExpr(BinaryExpr::new(Box::new(filled(*left, schema)), op, right))))
        }
        Expr::Like(like) if like.escape_char.is_none() && is_bytes(&like.expr, schema) => like_of_bytes(like, schema),
        Expr::Like(mut like) => {
            like.expr = Box::new(filled(*like.expr, schema));
            Ok(Transformed::yes(Expr::Like(like)))
        }
        Expr::Case(mut case) => {
            case_literals(&mut case, schema)?;
            case_operands(&mut case, schema)?;
            case_results(&mut case, schema)?;
            Ok(Transformed::yes(Expr::Case(case)))
        }
        other => Ok(Transformed::no(other)),
    }
}

/// Functions that take a value as it is shown, and not as text: char(n) with its blanks.
const SHOWING: &[&str] = &[
    "octet_length",
    "bit_length",
    "concat",
    "concat_ws",
    "format",
    "to_json",
    "to_jsonb",
    "json_build_array",
    "jsonb_build_array",
    "json_build_object",
    "jsonb_build_object",
];

/// A value of char(n) with the blanks that it is shown with, and any other as it is.
fn filled(expr: Expr, schema: &DFSchema) -> Expr {
    match char_length(&expr, schema).and_then(|n| i32::try_from(n).ok()) {
        Some(n) if n > 0 => growing::rpad().call(vec![expr, Expr::Literal(ScalarValue::Int32(Some(n)), None)]),
        _ => expr,
    }
}

/// The n of a char(n), 0 if it has none; `None` for everything else.
fn char_length(expr: &Expr, schema: &DFSchema) -> Option<u32> {
    match PgType::of(&expr.to_field(schema).ok()?.1) {
        PgType::Bpchar(n) => Some(n),
        _ => None,
    }
}

/// Functions of text that DataFusion would let have a bytea.
const NOT_OF_BYTES: &[&str] = &["character_length", "left", "reverse", "right", "translate"];

fn called(mut call: ScalarFunction, schema: &DFSchema) -> DfResult<Transformed<Expr>> {
    if let Some(settled) = overloads::settled(&call, schema)? {
        call = settled;
    }
    if let Some(func) = Function::settled(&call) {
        return Ok(Transformed::yes(Expr::ScalarFunction(ScalarFunction { func, args: call.args })));
    }
    if SHOWING.contains(&call.name()) {
        call.args = call.args.into_iter().map(|value| filled(value, schema)).collect();
    }
    if let Some(func) = network::of_cidr(call.name()).filter(|_| call.args.first().is_some_and(|value| is_cidr(value, schema))) {
        return Ok(Transformed::yes(Expr::ScalarFunction(ScalarFunction { func, args: call.args })));
    }
    match call.name() {
        "greatest" | "least" | "nullif" if call.args.iter().any(|value| jsonb_order::is_jsonb(value, schema)) => of_jsonb(call),
        "nullif" => null_if(call, schema),
        "coalesce" | "greatest" | "least" => {
            call.args = alternatives_alike(call.args, schema)?;
            refuse_mixed(call.name(), &call.args, schema)?;
            Ok(Transformed::yes(Expr::ScalarFunction(greatest::settle(call, schema))))
        }
        APART => Ok(Transformed::yes(call.args.into_iter().next().unwrap_or_default())),
        "make_array" => {
            let args = alternatives_alike(call.args, schema)?;
            refuse_mixed("array", &args, schema)?;
            let of_enum = args.iter().any(|item| item.get_type(schema).is_ok_and(|ty| EnumType::of_arrow(&ty).is_some()));
            let func = if of_enum { call.func } else { make_array_udf() };
            Ok(Transformed::yes(Expr::ScalarFunction(ScalarFunction { func, args })))
        }
        name if NOT_OF_BYTES.contains(&name) && call.args.first().is_some_and(|value| is_bytes(value, schema)) => {
            let types = call.args.iter().map(|value| value.get_type(schema)).collect::<DfResult<Vec<_>>>()?;
            Err(no_function(name, &types).into())
        }
        // DataFusion would take the text of a number.
        "character_length" if call.args.first().is_some_and(|value| is_number(value, schema)) => {
            let types = call.args.iter().map(|value| value.get_type(schema)).collect::<DfResult<Vec<_>>>()?;
            Err(no_function("length", &types).into())
        }
        // DataFusion's planner makes it of `list[from:to]`, with a stride of 1.
        "array_slice" if call.args.len() == 4 && call.args[0].get_type(schema).is_ok_and(|ty| matches!(ty, DataType::List(_))) => {
            call.args.truncate(3);
            Ok(Transformed::yes(Expr::ScalarFunction(ScalarFunction { func: arrays::slice(), args: call.args })))
        }
        // DataFusion's planner makes it of `item = ANY (list)`.
        "array_has" => {
            let [list, item] = call.args.as_mut_slice() else { return Ok(Transformed::no(Expr::ScalarFunction(call))) };
            if let Ok(DataType::List(of)) = list.get_type(schema) {
                if let Some(read) = cast::read_beside(item, of.data_type())? {
                    *item = read;
                }
                match of.data_type() {
                    DataType::LargeUtf8 => (*list, *item) = (jsonb_order::key_of(list.clone())?, jsonb_order::key_of(item.clone())?),
                    DataType::Interval(_) if matches!(item.get_type(schema)?, DataType::Interval(_)) => {
                        (*list, *item) = (length::of_items().call(vec![list.clone()]), length::of(item.clone()))
                    }
                    ty if math::has_twins(ty) => {
                        *item = cast::read_as(item, ty)?.unwrap_or_else(|| std::mem::take(item));
                        (*list, *item) = (one_of_equals(std::mem::take(list), schema), one_of_equals(std::mem::take(item), schema));
                    }
                    _ => {}
                }
            }
            let args = vec![list.clone(), item.clone(), Expr::ScalarFunction(call)];
            Ok(Transformed::yes(Expr::ScalarFunction(ScalarFunction { func: arrays::any(), args })))
        }
        // Our own of `'item' = ANY (list)`: the literal is one of the list's items.
        "pg_any" if call.args.len() == 2 => {
            let (list, mut item) = (call.args[0].clone(), call.args[1].clone());
            if let DataType::List(of) = list.get_type(schema)?
                && let Some(read) = cast::read_as(&item, of.data_type())?
            {
                item = read;
            }
            let found = array_has(one_of_equals(list.clone(), schema), one_of_equals(item.clone(), schema));
            Ok(Transformed::yes(Expr::ScalarFunction(ScalarFunction { func: arrays::any(), args: vec![list, item, found] })))
        }
        _ => Ok(Transformed::yes(Expr::ScalarFunction(dates_as_timestamps(call, schema)))),
    }
}

/// greatest, least and nullif of jsonb.
fn of_jsonb(call: ScalarFunction) -> DfResult<Transformed<Expr>> {
    let args = call.args.iter().cloned().map(jsonb_order::read).collect::<Result<Vec<_>>>()?;
    let picked = match call.name() {
        "greatest" => jsonb_order::greatest().call(args),
        "least" => jsonb_order::least().call(args),
        _ => {
            let [one, other] = args.as_slice() else { return Ok(Transformed::no(Expr::ScalarFunction(call))) };
            let same = jsonb_order::key_of(one.clone())?.eq(jsonb_order::key_of(other.clone())?);
            when(same, Expr::Literal(ScalarValue::LargeUtf8(None), None)).otherwise(one.clone())?
        }
    };
    Ok(Transformed::yes(picked))
}

/// Dates among arguments that are to be timestamps, cast as we do it: DataFusion's cast knows no infinity.
fn dates_as_timestamps(mut call: ScalarFunction, schema: &DFSchema) -> ScalarFunction {
    let Ok(types) = call.args.iter().map(|arg| arg.get_type(schema)).collect::<DfResult<Vec<_>>>() else { return call };
    if !types.contains(&DataType::Date32) {
        return call;
    }
    let Ok(wanted) = call.func.coerce_types(&types) else { return call };
    for ((arg, ty), wanted) in call.args.iter_mut().zip(types).zip(wanted) {
        if ty == DataType::Date32 && matches!(wanted, DataType::Timestamp(..)) {
            *arg = cast::of_time(std::mem::take(arg), &wanted);
        }
    }
    call
}

/// Arguments of an aggregate, the first of which is a bytea: a literal beside it is one too. Errors: 42883 for min and max, which
/// PostgreSQL does not have of bytea.
fn aggregated_bytes(name: &str, args: &mut [Expr], schema: &DFSchema) -> DfResult<()> {
    if !args.first().is_some_and(|value| is_bytes(value, schema)) {
        return Ok(());
    }
    match (name, args) {
        ("min" | "max", _) => Err(no_function(name, &[DataType::Binary]).into()),
        ("string_agg", [_, delimiter]) => {
            if let Some(read) = cast::read_beside(delimiter, &DataType::Binary)? {
                *delimiter = read;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// An aggregate of distinct values: floats of which each equals itself alone, as DataFusion compares their bits, in arrays too. Where the order of the values
/// shows, they are in their own, as PostgreSQL finds the distinct ones by sorting.
fn distinct(mut call: AggregateFunction, schema: &DFSchema) -> AggregateFunction {
    let is_typed = |value: &Expr| value.get_type(schema).is_ok_and(|ty| !ty.is_null());
    let shows = matches!(call.func.name(), "array_agg" | "string_agg") && call.params.args.first().is_some_and(is_typed);
    let params = &mut call.params;
    let by_row = row_delimiters::function(call.func.name(), &params.args).is_some();
    for (i, arg) in params.args.iter().enumerate() {
        // A delimiter that differs from row to row tells values apart, and is a part of the order whatever else is.
        let is_sorted = if by_row { params.order_by.iter().any(|sort| sort.expr == *arg) } else { i > 0 || !params.order_by.is_empty() };
        if shows && !is_sorted {
            params.order_by.push(arg.clone().sort(true, false));
        }
    }
    for arg in &mut params.args {
        let one = one_of_equals(arg.clone(), schema);
        // What is ordered by must be an argument.
        params.order_by.iter_mut().filter(|sort| sort.expr == *arg).for_each(|sort| sort.expr = one.clone());
        *arg = one;
    }
    // DataFusion takes a call whose arguments are all the same for one of one argument.
    if let [one, other] = params.args.as_mut_slice()
        && one == other
        && call.func.inner().downcast_ref::<SumLike>().is_some()
    {
        *other = math::one_zero().call(vec![Expr::Cast(Cast::new(Box::new(std::mem::take(other)), DataType::Float64))]);
    }
    call
}

/// `CASE x WHEN 't'`: a literal of no type has the operand's.
fn case_literals(case: &mut Case, schema: &DFSchema) -> DfResult<()> {
    let Some(ty) = case.expr.as_ref().and_then(|operand| operand.get_type(schema).ok()) else { return Ok(()) };
    if ty.is_string() || ty.is_null() || ty.is_nested() {
        return Ok(());
    }
    for (when, _) in &mut case.when_then_expr {
        if let Expr::Literal(ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)), None) = when.as_ref() {
            let of = PgType::of_arrow(&ty);
            **when = match present::is_meant(text, &of) || cast::is_read_by_settings(text, &ty) {
                true => cast::call(when.as_ref().clone(), of),
                false => Expr::Literal(text_io::parse(&of, text)?, None),
            };
        }
    }
    Ok(())
}

/// `CASE x WHEN y`: by what `x = y` compares.
fn case_operands(case: &mut Case, schema: &DFSchema) -> DfResult<()> {
    let Some(operand) = &case.expr else { return Ok(()) };
    let whens = case.when_then_expr.iter().map(|(when, _)| when.as_ref());
    let operands: Vec<Expr> = std::iter::once(operand.as_ref()).chain(whens).cloned().collect();
    if !operands.iter().any(|value| has_other_equals(value, schema)) {
        return Ok(());
    }
    let mut alike = alike_all(operands, schema)?.into_iter().map(|value| one_of_equals(value, schema));
    for side in case.expr.iter_mut().chain(case.when_then_expr.iter_mut().map(|(when, _)| when)) {
        if let Some(expr) = alike.next() {
            **side = expr;
        }
    }
    Ok(())
}

/// True for a value whose equals DataFusion does not all know: an interval or a time of day, jsonb, a float, a char(n), an array.
fn has_other_equals(value: &Expr, schema: &DFSchema) -> bool {
    use DataType::{Interval, LargeUtf8, List, Time64};
    match value.get_type(schema) {
        Ok(Interval(_) | Time64(_) | LargeUtf8 | List(_)) => true,
        Ok(ty) if ty.is_string() => char_length(value, schema).is_some(),
        Ok(ty) => math::has_twins(&ty),
        Err(_) => false,
    }
}

/// A float as the one that stands for all that equal it, where DataFusion compares their bits.
fn one_of_equals(value: Expr, schema: &DFSchema) -> Expr {
    let is_one = matches!(&value, Expr::ScalarFunction(f) if f.name() == math::ONE_ZERO);
    let has_twins = !is_one && value.get_type(schema).is_ok_and(|ty| math::has_twins(&ty));
    if has_twins { math::one_zero().call(vec![value]) } else { value }
}

/// nullif: the first value unless `=` says that both are equal. One that is another each time it is computed is left to DataFusion.
fn null_if(mut call: ScalarFunction, schema: &DFSchema) -> DfResult<Transformed<Expr>> {
    call.args = alternatives_alike(call.args, schema)?;
    let [one, other] = call.args.as_slice() else { return Ok(Transformed::no(Expr::ScalarFunction(call))) };
    if one.is_volatile() || !(has_other_equals(one, schema) || has_other_equals(other, schema)) {
        return Ok(Transformed::yes(Expr::ScalarFunction(call)));
    }
    let ty = one.get_type(schema)?;
    let [left, right] = alike([one.clone(), other.clone()], schema)?.map(|value| one_of_equals(value, schema));
    if ty.is_string() {
        // A char(n) has no blanks as it is.
        call.args = vec![one.clone(), right];
        return Ok(Transformed::yes(Expr::ScalarFunction(call)));
    }
    Ok(Transformed::yes(when(left.eq(right), Expr::Literal(ScalarValue::try_from(&ty)?, None)).otherwise(one.clone())?))
}

/// The results of a CASE, of one type.
fn case_results(case: &mut Case, schema: &DFSchema) -> DfResult<()> {
    let results = || case.when_then_expr.iter().map(|(_, then)| then).chain(&case.else_expr);
    let mut alike = alternatives_alike(results().map(|e| e.as_ref().clone()).collect(), schema)?.into_iter();
    for result in case.when_then_expr.iter_mut().map(|(_, then)| then).chain(&mut case.else_expr) {
        if let Some(expr) = alike.next() {
            **result = expr;
        }
    }
    Ok(())
}

/// Values of which one is the result: literals of no type as what stands beside them, numbers of one type (manual, chapter 10.5).
pub(super) fn alternatives_alike(operands: Vec<Expr>, schema: &DFSchema) -> DfResult<Vec<Expr>> {
    let mut operands = read_as_numbers(operands, schema);
    let is_literal = |e: &Expr| matches!(e, Expr::Literal(ScalarValue::Utf8(_) | ScalarValue::Utf8View(_), None));
    let types = operands.iter().map(|e| e.get_type(schema)).collect::<DfResult<Vec<_>>>();
    let Ok(types) = types else { return Ok(operands) };
    let typed: Vec<&DataType> = operands.iter().zip(&types).filter(|(e, t)| !is_literal(e) && !t.is_null()).map(|(_, t)| t).collect();
    if let Some(ty) = typed.first().filter(|_| !typed.iter().any(|t| t.is_string())) {
        for operand in operands.iter_mut().filter(|e| is_literal(e)) {
            if let Some(read) = cast::read_as(operand, ty)? {
                *operand = read;
            }
        }
    }
    // An oid beside a whole number makes that an oid.
    if typed.contains(&&DataType::UInt32) && typed.iter().all(|t| t.is_integer()) {
        let oid = |(e, t): (Expr, &DataType)| if t.is_integer() { Expr::Cast(Cast::new(Box::new(e), DataType::UInt32)) } else { e };
        return Ok(operands.into_iter().zip(&types).map(oid).collect());
    }
    numbers_alike(times_alike(operands, schema), schema)
}

/// Errors: 42804 for alternatives of which some are text and others are not.
fn refuse_mixed(function: &str, operands: &[Expr], schema: &DFSchema) -> DfResult<()> {
    let Ok(types) = operands.iter().map(|e| e.get_type(schema)).collect::<DfResult<Vec<_>>>() else { return Ok(()) };
    let text = types.iter().find(|t| t.is_string());
    let other = types.iter().find(|t| !t.is_string() && !t.is_null());
    let (Some(text), Some(other)) = (text, other) else { return Ok(()) };
    let first = types.iter().position(|t| t == text) < types.iter().position(|t| t == other);
    let [one, two] = if first { [text, other] } else { [other, text] }.map(|t| PgType::of_arrow(t).base());
    let message = format!("{} types {one} and {two} cannot be matched", function.to_uppercase());
    Err(Error::new(code::DATATYPE_MISMATCH, message).into())
}

/// Errors: 42883 where the pattern is no bytea, and for ILIKE.
fn like_of_bytes(like: Like, schema: &DFSchema) -> DfResult<Transformed<Expr>> {
    let ty = like.pattern.get_type(schema)?;
    let read = cast::read_beside(&like.pattern, &DataType::Binary)?;
    if like.case_insensitive || read.is_none() && !matches!(ty, DataType::Binary | DataType::Null) {
        let (not, any_case) = (if like.negated { "!" } else { "" }, if like.case_insensitive { "*" } else { "" });
        let ty = if read.is_some() { PgType::Unknown } else { PgType::of_arrow(&ty).base() };
        return Err(Error::no_operator(&format!("bytea {not}~~{any_case} {ty}")).into());
    }
    let call = bytes::bytealike().call(vec![*like.expr, read.unwrap_or(*like.pattern)]);
    Ok(Transformed::yes(if like.negated { Expr::Not(Box::new(call)) } else { call }))
}

fn is_bytes(expr: &Expr, schema: &DFSchema) -> bool {
    expr.get_type(schema).is_ok_and(|ty| PgType::of_arrow(&ty) == PgType::Bytea)
}

fn is_cidr(expr: &Expr, schema: &DFSchema) -> bool {
    expr.to_field(schema).is_ok_and(|(_, field)| PgType::of(&field) == PgType::Cidr)
}

fn is_number(expr: &Expr, schema: &DFSchema) -> bool {
    expr.get_type(schema).is_ok_and(|ty| ty.is_numeric())
}

fn is_match(op: Operator) -> bool {
    matches!(op, Operator::RegexMatch | Operator::RegexIMatch | Operator::RegexNotMatch | Operator::RegexNotIMatch)
}

/// True for the operators that compare two values.
pub(super) fn is_comparison(op: Operator) -> bool {
    use Operator::*;
    matches!(op, Eq | NotEq | Lt | LtEq | Gt | GtEq | IsDistinctFrom | IsNotDistinctFrom)
}

fn alike<const N: usize>(operands: [Expr; N], schema: &DFSchema) -> DfResult<[Expr; N]> {
    let all = alike_all(operands.into(), schema)?;
    all.try_into().map_err(|_| datafusion::common::internal_datafusion_err!("operands were lost"))
}

/// Arrays of which one is to be before the other: how they are ordered, and 0.
fn by_order(op: Operator, [left, right]: [Expr; 2], schema: &DFSchema) -> DfResult<[Expr; 2]> {
    let orders = matches!(op, Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq);
    let types = [left.get_type(schema)?, right.get_type(schema)?];
    match types {
        [DataType::List(one), DataType::List(other)] if orders && one.data_type() == other.data_type() => {
            Ok([arrays::order().call(vec![left, right]), Expr::Literal(ScalarValue::Int32(Some(0)), None)])
        }
        _ => Ok([left, right]),
    }
}

/// What is compared: literals of no type as what stands beside them, numbers of one type, intervals and times of day beside them by
/// their length, jsonb and tids by their keys, arrays and rows of these and of floats by their keys.
fn alike_all(mut operands: Vec<Expr>, schema: &DFSchema) -> DfResult<Vec<Expr>> {
    let types = operands.iter().map(|e| e.get_type(schema)).collect::<DfResult<Vec<_>>>();
    let Ok(types) = types else { return Ok(operands) };
    if operands.iter().any(|operand| jsonb_order::is_jsonb(operand, schema)) {
        return Ok(operands.into_iter().map(jsonb_order::key_of).collect::<Result<_>>()?);
    }
    if operands.iter().any(|operand| system_columns::is_tid(operand, schema)) {
        return Ok(operands.into_iter().map(|operand| system_columns::key().call(vec![operand])).collect());
    }
    if let Some(ty) = types.iter().find(|ty| !ty.is_string() && !ty.is_null()) {
        for operand in &mut operands {
            if let Some(read) = cast::read_beside(operand, ty)? {
                *operand = read;
            }
        }
    }
    if types.iter().any(DataType::is_string) && operands.iter().any(|operand| char_length(operand, schema).is_some()) {
        operands.iter_mut().for_each(|operand| without_blanks(operand, schema));
    }
    let types = operands.iter().map(|e| e.get_type(schema)).collect::<DfResult<Vec<_>>>()?;
    let is_interval = |ty: &DataType| matches!(ty, DataType::Interval(_));
    if types.iter().any(is_interval) && types.iter().all(|ty| is_interval(ty) || matches!(ty, DataType::Time64(_))) {
        let as_interval = |operand, ty| if is_interval(ty) { operand } else { cast::call(operand, PgType::Interval) };
        return Ok(operands.into_iter().zip(&types).map(|(operand, ty)| length::of(as_interval(operand, ty))).collect());
    }
    let is_keyed = |ty: &DataType| ty.is_nested() && exact::may_differ(ty);
    let are_keyed = types.iter().all(is_keyed) && types.windows(2).all(|two| arrays::have_keys_alike(&two[0], &two[1]));
    let floats = types.first().and_then(floats_of);
    let are_floats = floats.is_some() && types.iter().all(|ty| floats_of(ty) == floats);
    if are_keyed || are_floats {
        return Ok(operands.into_iter().map(|array| arrays::key().call(vec![array])).collect());
    }
    numbers_alike(times_alike(read_as_numbers(operands, schema), schema), schema)
}

/// Literals of no type beside a float are floats, whatever other numbers stand there. Errors: 22P02.
fn read_as_floats(operands: &mut [Expr], schema: &DFSchema) -> DfResult<()> {
    let floats = operands.iter().filter_map(|operand| operand.get_type(schema).ok()).filter(DataType::is_floating);
    let Some(float) = floats.max_by_key(|ty| *ty == DataType::Float64) else { return Ok(()) };
    for operand in operands {
        if let Some(read) = cast::read_as(operand, &float)? {
            *operand = read;
        }
    }
    Ok(())
}

/// The type of the items of an array of floats.
fn floats_of(ty: &DataType) -> Option<&DataType> {
    match ty {
        DataType::List(item) if math::has_twins(ty) => Some(item.data_type()),
        _ => None,
    }
}

/// Casts dates and timestamps beside one another to one type, to timestamptz if one of them is one. DataFusion would count in nanoseconds,
/// for which many dates are too far off, and forget the time zone.
fn times_alike(operands: Vec<Expr>, schema: &DFSchema) -> Vec<Expr> {
    let types = operands.iter().map(|e| e.get_type(schema)).collect::<DfResult<Vec<_>>>();
    let Ok(types) = types else { return operands };
    let times: Vec<&DataType> = types.iter().filter(|t| !t.is_null()).collect();
    let Some(common) = unions::common_time(&times) else { return operands };
    // A date, a timestamp or a timestamptz, whatever it counts in.
    let kind = |t: &DataType| if let DataType::Timestamp(_, zone) = t { 1 + usize::from(zone.is_some()) } else { 0 };
    if times.windows(2).all(|two| kind(two[0]) == kind(two[1])) {
        return operands;
    }
    let to = |(e, t): (Expr, &DataType)| if *t == common || t.is_null() { e } else { cast::of_time(e, &common) };
    operands.into_iter().zip(&types).map(to).collect()
}

/// A literal of no type beside a char(n) is one too, and so is a varchar: blanks at its end mean nothing.
fn without_blanks(operand: &mut Expr, schema: &DFSchema) {
    if let Expr::Literal(ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)), None) = operand {
        text.truncate(text.trim_end_matches(' ').len());
    } else if operand.to_field(schema).is_ok_and(|(_, field)| matches!(PgType::of(&field), PgType::Varchar(_))) {
        *operand = cast::call(operand.clone(), PgType::Bpchar(0));
    }
}
