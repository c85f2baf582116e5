//! SQL syntax that stands for a function of ours: EXTRACT, `||`, `~`, the operators and subscripts of json, and ARRAY of an enumeration's values.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use datafusion::common::{DFSchema, Result as DfResult, ScalarValue};
use datafusion::functions::string::starts_with;
use datafusion::logical_expr::expr::{Like, Placeholder, ScalarFunction};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr, RawFieldAccessExpr};
use datafusion::logical_expr::{Expr, ExprSchemable, GetFieldAccess, cast};
use sqlparser::ast::BinaryOperator;

use super::concatenation::{self, is_plain};
use super::{jsonpath, network, overloads, regexps, row};
use crate::data::{EnumType, PgType};
use crate::error::{Error, code};
use crate::func::{cast as casts, composites, enums, json_operators, operands, type_of, unions};

/// The planner of such syntax.
#[derive(Debug)]
pub struct Syntax;

impl ExprPlanner for Syntax {
    fn plan_extract(&self, args: Vec<Expr>) -> DfResult<PlannerResult<Vec<Expr>>> {
        let Some(extract) = super::times::functions().into_iter().find(|f| f.name() == "extract") else {
            return Ok(PlannerResult::Original(args));
        };
        Ok(PlannerResult::Planned(Expr::ScalarFunction(ScalarFunction::new_udf(extract, args))))
    }

    fn plan_substring(&self, args: Vec<Expr>) -> DfResult<PlannerResult<Vec<Expr>>> {
        Ok(PlannerResult::Planned(overloads::substring().call(args)))
    }

    fn plan_position(&self, args: Vec<Expr>) -> DfResult<PlannerResult<Vec<Expr>>> {
        Ok(PlannerResult::Planned(overloads::position().call(args)))
    }

    fn plan_overlay(&self, args: Vec<Expr>) -> DfResult<PlannerResult<Vec<Expr>>> {
        Ok(PlannerResult::Planned(overloads::overlay().call(args)))
    }

    fn plan_struct_literal(&self, args: Vec<Expr>, is_named: bool) -> DfResult<PlannerResult<Vec<Expr>>> {
        Ok(if is_named { PlannerResult::Original(args) } else { PlannerResult::Planned(row::row().call(args)) })
    }

    fn plan_array_literal(&self, mut items: Vec<Expr>, schema: &DFSchema) -> DfResult<PlannerResult<Vec<Expr>>> {
        // A literal beside a bytea or an inet is one.
        let of_bytes = |item: &Expr| item.get_type(schema).ok().filter(|ty| matches!(ty, DataType::Binary | DataType::LargeBinary));
        if let Some(ty) = items.iter().find_map(of_bytes) {
            for item in &mut items {
                if let Some(read) = casts::read_beside(item, &ty)? {
                    *item = read;
                }
            }
        }
        if items.iter().any(|item| item.get_type(schema).is_ok_and(|ty| EnumType::of_arrow(&ty).is_some())) {
            return Ok(PlannerResult::Planned(Expr::ScalarFunction(ScalarFunction::new_udf(enums::make_array(), items))));
        }
        Ok(PlannerResult::Original(items))
    }

    fn plan_field_access(&self, access: RawFieldAccessExpr, schema: &DFSchema) -> DfResult<PlannerResult<RawFieldAccessExpr>> {
        if !is_json(&access.expr, schema) {
            return Ok(PlannerResult::Original(access));
        }
        let refuse = |message: &str| Err(Error::new(code::DATATYPE_MISMATCH, message).into());
        if is_written(&access.expr, schema) {
            return refuse("cannot subscript type json because it does not support subscripting");
        }
        let key = match access.field_access {
            GetFieldAccess::NamedStructField { name } => Expr::Literal(name, None),
            GetFieldAccess::ListIndex { key } => cast(*key, PgType::Text.arrow()),
            GetFieldAccess::ListRange { .. } => return refuse("jsonb subscript does not support slices"),
        };
        Ok(PlannerResult::Planned(super::jsonb::subscript().call(vec![access.expr, key])))
    }

    fn plan_binary_op(&self, mut expr: RawBinaryExpr, schema: &DFSchema) -> DfResult<PlannerResult<RawBinaryExpr>> {
        (expr.left, expr.right) = composites::operands(expr.left, &expr.op, expr.right, schema)?;
        let mut expr = match expr.op {
            BinaryOperator::StringConcat => match concatenation::longer(expr, schema)? {
                Ok(chain) => return Ok(PlannerResult::Planned(chain)),
                Err(expr) => expr,
            },
            _ => expr,
        };
        if let Some(planned) = network::operation(&expr.op, &expr.left, &expr.right, schema) {
            return Ok(PlannerResult::Planned(planned));
        }
        untyped_as_array(&mut expr, schema)?;
        let name = match expr.op {
            BinaryOperator::Arrow if is_written(&expr.left, schema) => "json_get",
            BinaryOperator::Arrow => "jsonb_get",
            BinaryOperator::LongArrow if is_written(&expr.left, schema) => "json_get_text",
            BinaryOperator::LongArrow => "jsonb_get_text",
            BinaryOperator::HashArrow if is_written(&expr.left, schema) => "json_path",
            BinaryOperator::HashArrow => "jsonb_path",
            BinaryOperator::HashLongArrow if is_written(&expr.left, schema) => "json_path_text",
            BinaryOperator::HashLongArrow => "jsonb_path_text",
            BinaryOperator::Question => "jsonb_exists",
            BinaryOperator::AtArrow if expr.left.get_type(schema)? == DataType::LargeUtf8 => "jsonb_contains",
            BinaryOperator::PGOverlap => "pg_array_overlap",
            BinaryOperator::AtArrow if is_array(&expr.left, schema) => "array_contains_all",
            BinaryOperator::ArrowAt if is_array(&expr.left, schema) || is_array(&expr.right, schema) => {
                std::mem::swap(&mut expr.left, &mut expr.right);
                "array_contains_all"
            }
            BinaryOperator::PGLikeMatch | BinaryOperator::PGNotLikeMatch if expr.left.get_type(schema)? == DataType::Binary => {
                let negated = expr.op == BinaryOperator::PGNotLikeMatch;
                let like = Like::new(negated, Box::new(expr.left), Box::new(expr.right), None, false);
                return Ok(PlannerResult::Planned(Expr::Like(like)));
            }
            BinaryOperator::PGRegexMatch
            | BinaryOperator::PGRegexIMatch
            | BinaryOperator::PGRegexNotMatch
            | BinaryOperator::PGRegexNotIMatch => return matched(expr, schema),
            BinaryOperator::PGStartsWith => return Ok(PlannerResult::Planned(starts_with().call(vec![expr.left, expr.right]))),
            BinaryOperator::QuestionPipe => "jsonb_exists_any",
            BinaryOperator::QuestionAnd => "jsonb_exists_all",
            BinaryOperator::HashMinus => "jsonb_delete_path",
            BinaryOperator::AtQuestion => return by_path("jsonb_path_exists_opr", expr, schema),
            BinaryOperator::AtAt => return by_path("jsonb_path_match_opr", expr, schema),
            BinaryOperator::ArrowAt if [&expr.left, &expr.right].iter().any(|e| is_json(e, schema)) => "jsonb_contained",
            BinaryOperator::Minus if is_json(&expr.left, schema) => "jsonb_delete",
            // A literal or an untyped parameter beside a jsonb is one; other texts are joined as text.
            BinaryOperator::StringConcat if joins_json(&expr.left, &expr.right, schema) => "jsonb_concat",
            BinaryOperator::StringConcat => {
                numbers_alike(&mut expr, schema)?;
                return join(expr, schema);
            }
            BinaryOperator::Eq
            | BinaryOperator::NotEq
            | BinaryOperator::Lt
            | BinaryOperator::LtEq
            | BinaryOperator::Gt
            | BinaryOperator::GtEq => return compared(expr, schema),
            // DataFusion would refuse them itself, in words of its own.
            BinaryOperator::And | BinaryOperator::Or => {
                let clause = expr.op.to_string();
                operands::condition(&clause, &expr.left, schema)?;
                operands::condition(&clause, &expr.right, schema)?;
                return Ok(PlannerResult::Original(expr));
            }
            _ => return Ok(PlannerResult::Original(expr)),
        };
        let of_json = super::jsonb::operator(name).or_else(|| super::jsonb_edit::operator(name));
        match of_json.or_else(|| super::places::operator(name)).or_else(|| super::arrays::operator(name)) {
            Some(function) => {
                Ok(PlannerResult::Planned(Expr::ScalarFunction(ScalarFunction::new_udf(function, vec![expr.left, expr.right]))))
            }
            None => Ok(PlannerResult::Original(expr)),
        }
    }
}

fn is_json(expr: &Expr, schema: &DFSchema) -> bool {
    expr.get_type(schema).is_ok_and(|t| t == DataType::LargeUtf8)
}

/// True for json that is not jsonb. A cast to jsonb keeps what tells json apart until it is given its meaning.
fn is_written(expr: &Expr, schema: &DFSchema) -> bool {
    let is_cast_to_jsonb = matches!(expr, Expr::Cast(cast) if PgType::of(&cast.field) == PgType::Jsonb);
    !is_cast_to_jsonb && expr.to_field(schema).is_ok_and(|(_, field)| PgType::of(&field) == PgType::Json)
}

fn is_array(expr: &Expr, schema: &DFSchema) -> bool {
    expr.get_type(schema).is_ok_and(|t| t.is_list())
}

fn joins_json(left: &Expr, right: &Expr, schema: &DFSchema) -> bool {
    let fits = |e: &Expr| is_json(e, schema) || is_plain(e) || is_open(e);
    fits(left) && fits(right) && (is_json(left, schema) || is_json(right, schema))
}

/// True for a parameter whose type is not known yet.
fn is_open(expr: &Expr) -> bool {
    matches!(expr, Expr::Placeholder(Placeholder { field: None, .. }))
}

/// `j @? '$.a'` and `j @@ '$.a == 1'`, which are functions of these names. Errors: 42883 for what is no jsonb, or no path.
fn by_path(function: &str, expr: RawBinaryExpr, schema: &DFSchema) -> DfResult<PlannerResult<RawBinaryExpr>> {
    let [left, right] = [&expr.left, &expr.right].map(|e| json_operators::type_of(e, schema).unwrap_or(PgType::Unknown));
    let is_path = matches!(right, PgType::Unknown | PgType::Text | PgType::Varchar(_) | PgType::Opaque("jsonpath"));
    match jsonpath::operator(function).filter(|_| is_path && matches!(left, PgType::Unknown | PgType::Jsonb)) {
        Some(function) => Ok(PlannerResult::Planned(function.call(vec![expr.left, expr.right]))),
        None => Err(Error::no_operator(&format!("{} {} {}", left.base(), expr.op, right.base())).into()),
    }
}

/// `tags @> '{a}'`, `tags || $1`: a literal, or a parameter, of no type beside an array is one of its type. Errors: 22P02.
fn untyped_as_array(expr: &mut RawBinaryExpr, schema: &DFSchema) -> DfResult<()> {
    use BinaryOperator::{ArrowAt, AtArrow, PGOverlap, StringConcat};
    if !matches!(expr.op, ArrowAt | AtArrow | PGOverlap | StringConcat) {
        return Ok(());
    }
    let is_untyped = |e: &Expr| is_plain(e) || is_open(e);
    let (untyped, other) = match (is_untyped(&expr.left), is_untyped(&expr.right)) {
        (true, false) => (&mut expr.left, &expr.right),
        (false, true) => (&mut expr.right, &expr.left),
        _ => return Ok(()),
    };
    if !is_array(other, schema) {
        return Ok(());
    }
    let (_, field) = other.to_field(schema)?;
    if let Expr::Placeholder(place) = untyped {
        // Whole numbers in `ARRAY[..]` are read as bigint until the plan is whole.
        let is_written = matches!(other, Expr::ScalarFunction(array) if array.name() == "make_array");
        let written = if is_written { type_of::of(other, schema) } else { None };
        let field = written.map_or_else(|| field.as_ref().clone().with_nullable(true), |ty| ty.field(field.name(), true));
        place.field = Some(Arc::new(field));
    } else if let Some(read) = casts::read_beside(untyped, field.data_type())? {
        *untyped = read;
    }
    Ok(())
}

/// `prices || 3.5`: a number beside an array of others, and that array, as of the type that all have in common. DataFusion does so with
/// whole numbers only.
fn numbers_alike(expr: &mut RawBinaryExpr, schema: &DFSchema) -> DfResult<()> {
    let types = [expr.left.get_type(schema)?, expr.right.get_type(schema)?];
    let (list, value, of, ty) = match &types {
        [DataType::List(item), ty] => (&mut expr.left, &mut expr.right, item.data_type(), ty),
        [ty, DataType::List(item)] => (&mut expr.right, &mut expr.left, item.data_type(), ty),
        _ => return Ok(()),
    };
    if of == ty || !of.is_numeric() || !ty.is_numeric() || of.is_integer() && ty.is_integer() {
        return Ok(());
    }
    let Some(common) = unions::common(&[of, ty]) else { return Ok(()) };
    if *of != common {
        let items = DataType::List(Arc::new(Field::new_list_field(common.clone(), true)));
        *list = cast(std::mem::take(list), items);
    }
    if *ty != common {
        *value = casts::implicit(std::mem::take(value), ty, &common)?;
    }
    Ok(())
}

/// `flag = 'f'`: a literal that stands beside a value of another type than text is read as one of that.
/// Errors: 42883 for what cannot be compared.
fn compared(mut expr: RawBinaryExpr, schema: &DFSchema) -> DfResult<PlannerResult<RawBinaryExpr>> {
    operands::check_plain(&expr.left, &expr.op.to_string(), &expr.right, schema)?;
    // DataFusion finds no type that a time of day and an interval both are.
    match (expr.left.get_type(schema)?, expr.right.get_type(schema)?) {
        (DataType::Time64(_), DataType::Interval(_)) => expr.left = casts::call(expr.left, PgType::Interval),
        (DataType::Interval(_), DataType::Time64(_)) => expr.right = casts::call(expr.right, PgType::Interval),
        _ => {}
    }
    let (literal, other) = match (is_plain(&expr.left), is_plain(&expr.right)) {
        (true, false) => (&mut expr.left, &expr.right),
        (false, true) => (&mut expr.right, &expr.left),
        _ => return Ok(PlannerResult::Original(expr)),
    };
    if let Some(read) = casts::read_beside(literal, &other.get_type(schema)?)? {
        *literal = read;
    }
    Ok(PlannerResult::Original(expr))
}

/// `a ~ b`: the pattern in the words that DataFusion takes it in.
fn matched(mut expr: RawBinaryExpr, schema: &DFSchema) -> DfResult<PlannerResult<RawBinaryExpr>> {
    expr.right = match expr.right {
        Expr::Literal(ScalarValue::Utf8(Some(pattern)), None) => Expr::Literal(ScalarValue::Utf8(Some(regexps::operand(&pattern))), None),
        Expr::Literal(ScalarValue::Utf8View(Some(pattern)), None) => {
            Expr::Literal(ScalarValue::Utf8View(Some(regexps::operand(&pattern))), None)
        }
        pattern if pattern.get_type(schema)?.is_string() => regexps::pattern_function().call(vec![pattern]),
        other => other,
    };
    Ok(PlannerResult::Original(expr))
}

/// `a || b` of bytea, of texts, or of a text and anything that is no array.
fn join(expr: RawBinaryExpr, schema: &DFSchema) -> DfResult<PlannerResult<RawBinaryExpr>> {
    // A NULL of no type beside an array is one of that type, and adds nothing.
    let is_null = |e: &Expr| matches!(e, Expr::Literal(ScalarValue::Null, _));
    if is_null(&expr.right) && is_array(&expr.left, schema) {
        return Ok(PlannerResult::Planned(expr.left));
    }
    if is_null(&expr.left) && is_array(&expr.right, schema) {
        return Ok(PlannerResult::Planned(expr.right));
    }
    let (left, right) = (PgType::of(&expr.left.to_field(schema)?.1), PgType::of(&expr.right.to_field(schema)?.1));
    let is_text = |ty: &PgType| matches!(ty, PgType::Text | PgType::Varchar(_) | PgType::Bpchar(_) | PgType::Name | PgType::Unknown);
    // A literal beside a bytea is one.
    let bytes = match (left == PgType::Bytea, right == PgType::Bytea) {
        (true, true) => Some((expr.left.clone(), expr.right.clone())),
        _ if (left == PgType::Bytea || right == PgType::Bytea) && (is_null(&expr.left) || is_null(&expr.right)) => {
            Some((expr.left.clone(), expr.right.clone()))
        }
        (true, false) => casts::read_beside(&expr.right, &DataType::Binary)?.map(|read| (expr.left.clone(), read)),
        (false, true) => casts::read_beside(&expr.left, &DataType::Binary)?.map(|read| (read, expr.right.clone())),
        (false, false) => None,
    };
    if let Some((left, right)) = bytes {
        return Ok(PlannerResult::Planned(super::bytes::joined().call(vec![left, right])));
    }
    let is_joined = |ty: &PgType| !matches!(ty, PgType::Array(_));
    if !is_joined(&left) || !is_joined(&right) || !(is_text(&left) || is_text(&right)) {
        return Ok(PlannerResult::Original(expr));
    }
    let sides = vec![concatenation::operand(expr.left, &left), concatenation::operand(expr.right, &right)];
    Ok(PlannerResult::Planned(super::growing::joined().call(sides)))
}
