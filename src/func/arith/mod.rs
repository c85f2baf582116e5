//! Arithmetic as PostgreSQL does it: `+ - * / %` and unary minus (manual, chapters 9.3 and 9.9).
//!
//! The planner ([`Operators`]) turns an arithmetic operator into one of our own immutable functions ([`Arith`]), because
//! DataFusion's own operators wrap integers, type quotients otherwise and know no `n * interval`. As immutable functions they
//! are folded, pushed down and shared like any expression. An operator's life: [`rules::resolve`] gives the types its operands
//! are coerced to and the type of its result; [`Arith::invoke_with_args`] runs one kernel over arrays and scalars without
//! expanding the scalars. Overflow is an error (22003), division by zero too (22012), and NULL in gives NULL out.

mod chain;
pub mod decimal;
pub mod irrational;
pub mod kernel;
pub mod rules;
pub mod time;

pub(super) use chain::{named, shown};

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Datum, new_null_array};
use arrow::compute::kernels::numeric;
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use arrow::error::ArrowError;
use datafusion::common::{DFSchema, Result as DfResult, ScalarValue};
use datafusion::logical_expr::expr::{Placeholder, ScalarFunction};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{
    Cast, ColumnarValue, Expr, ExprSchemable, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use sqlparser::ast::BinaryOperator;

use super::{numbers, rewrite};
use crate::data::PgType;
use crate::error::{Error, Result, code};
use kernel::map2;

/// An arithmetic operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    Add,
    Sub,
    Mul,
    Div,
    Rem,
}

impl Op {
    /// The operator as SQL writes it.
    pub fn symbol(self) -> &'static str {
        match self {
            Op::Add => "+",
            Op::Sub => "-",
            Op::Mul => "*",
            Op::Div => "/",
            Op::Rem => "%",
        }
    }

    fn function(self) -> &'static str {
        match self {
            Op::Add => "pg_add",
            Op::Sub => "pg_subtract",
            Op::Mul => "pg_multiply",
            Op::Div => "pg_divide",
            Op::Rem => "pg_modulo",
        }
    }

    fn of(op: &BinaryOperator) -> Option<Op> {
        Some(match op {
            BinaryOperator::Plus => Op::Add,
            BinaryOperator::Minus => Op::Sub,
            BinaryOperator::Multiply => Op::Mul,
            BinaryOperator::Divide => Op::Div,
            BinaryOperator::Modulo => Op::Rem,
            _ => return None,
        })
    }
}

/// An arithmetic operator as a function of two arguments.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Arith {
    op: Op,
    name: &'static str,
    signature: Signature,
}

impl Arith {
    /// The operator `op` as a function.
    pub fn new(op: Op) -> Self {
        Arith { op, name: op.function(), signature: Signature::user_defined(Volatility::Immutable) }
    }

    /// The operator it is.
    pub fn op(&self) -> Op {
        self.op
    }
}

/// All arithmetic functions, for the registry.
pub fn functions() -> Vec<Arc<ScalarUDF>> {
    let operators = [Op::Add, Op::Sub, Op::Mul, Op::Div, Op::Rem].map(|op| Arc::new(ScalarUDF::new_from_impl(Arith::new(op))));
    let modulo = Arith { name: "mod", ..Arith::new(Op::Rem) };
    operators
        .into_iter()
        .chain([Arc::new(ScalarUDF::new_from_impl(modulo)), Arc::new(ScalarUDF::new_from_impl(Negate::default()))])
        .collect()
}

/// `left op right` as an expression of our own.
pub fn binary(op: Op, left: Expr, right: Expr) -> Expr {
    Expr::ScalarFunction(ScalarFunction::new_udf(Arc::new(ScalarUDF::new_from_impl(Arith::new(op))), vec![left, right]))
}

/// `- expr` as an expression of our own.
pub fn negate(expr: Expr) -> Expr {
    Expr::ScalarFunction(ScalarFunction::new_udf(Arc::new(ScalarUDF::new_from_impl(Negate::default())), vec![expr]))
}

fn pair(types: &[DataType]) -> DfResult<(&DataType, &DataType)> {
    match types {
        [left, right] => Ok((left, right)),
        _ => Err(Error::internal("an arithmetic operator takes two operands").into()),
    }
}

impl ScalarUDFImpl for Arith {
    fn name(&self) -> &str {
        self.name
    }

    fn display_name(&self, args: &[Expr]) -> DfResult<String> {
        match args {
            [left, right] => Ok(chain::written(self.op, left, right, chain::shown)),
            _ => Ok(self.name().to_string()),
        }
    }

    fn schema_name(&self, args: &[Expr]) -> DfResult<String> {
        match args {
            [left, right] => Ok(chain::written(self.op, left, right, chain::named)),
            _ => Ok(self.name().to_string()),
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> DfResult<Vec<DataType>> {
        let (left, right) = pair(types)?;
        let rule = rules::resolve(self.op, left, right)?;
        Ok(vec![rule.left, rule.right])
    }

    fn return_type(&self, types: &[DataType]) -> DfResult<DataType> {
        let (left, right) = pair(types)?;
        Ok(rules::resolve(self.op, left, right)?.output)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        let [left, right] = args.args.as_slice() else {
            return Err(Error::internal("an arithmetic operator takes two operands").into());
        };
        Ok(evaluate(self.op, left, right)?)
    }
}

/// `left op right` over values already coerced as [`rules::resolve`] says. Cost: one kernel over the longer operand; a scalar is
/// not expanded. Errors: 22003 out of range, 22008 for dates, 22012 division by zero.
pub fn evaluate(op: Op, left: &ColumnarValue, right: &ColumnarValue) -> Result<ColumnarValue> {
    let rule = rules::resolve(op, &left.data_type(), &right.data_type())?;
    let both_scalar = matches!((left, right), (ColumnarValue::Scalar(_), ColumnarValue::Scalar(_)));
    let rows = |v: &ColumnarValue| if let ColumnarValue::Array(a) = v { a.len() } else { 1 };
    let null = |v: &ColumnarValue| matches!(v, ColumnarValue::Scalar(s) if s.is_null());
    let array = if null(left) || null(right) {
        let length = if both_scalar { 1 } else { rows(left).max(rows(right)) };
        let length = if let (ColumnarValue::Array(a), _) | (_, ColumnarValue::Array(a)) = (left, right) { a.len() } else { length };
        new_null_array(&rule.output, length)
    } else {
        compute(op, left, right, &rule)?
    };
    if both_scalar {
        return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?));
    }
    Ok(ColumnarValue::Array(array))
}

fn compute(op: Op, left: &ColumnarValue, right: &ColumnarValue, rule: &rules::Rule) -> Result<ArrayRef> {
    use DataType::*;
    match (&rule.left, &rule.right) {
        (Int16 | Int32 | Int64, Int16 | Int32 | Int64) if rule.output.is_integer() => integers(op, left, right, &rule.output),
        (Float32, Float32) => Ok(Arc::new(map2::<Float32Type, Float32Type, Float32Type>(left, right, &rule.output, |a, b| {
            float(op, f64::from(a), f64::from(b), f64::from(plain(op, f64::from(a), f64::from(b)) as f32)).map(|v| v as f32)
        })?)),
        (Float64, Float64) => {
            Ok(Arc::new(map2::<Float64Type, Float64Type, Float64Type>(left, right, &rule.output, |a, b| float(op, a, b, plain(op, a, b)))?))
        }
        (Decimal128(..) | Decimal256(..), Decimal128(..) | Decimal256(..)) => decimal::compute(op, left, right, &rule.output),
        _ => time::compute(op, left, right, rule),
    }
}

fn plain(op: Op, a: f64, b: f64) -> f64 {
    match op {
        Op::Add => a + b,
        Op::Sub => a - b,
        Op::Mul => a * b,
        Op::Div => a / b,
        Op::Rem => a % b,
    }
}

/// PostgreSQL refuses a float result that left the range of its type; see float8_mul and its kin in its manual's chapter 8.1.3. There is one
/// NaN: what processors make of `infinity - infinity` has the sign bit set, and would be less than all other floats instead of greater.
fn float(op: Op, a: f64, b: f64, result: f64) -> Result<f64> {
    if b == 0.0 && matches!(op, Op::Div | Op::Rem) && !a.is_nan() {
        return Err(Error::new(code::DIVISION_BY_ZERO, "division by zero"));
    }
    if result.is_infinite() && a.is_finite() && b.is_finite() {
        return Err(Error::new(code::NUMERIC_VALUE_OUT_OF_RANGE, "value out of range: overflow"));
    }
    let lost = match op {
        Op::Mul => a != 0.0 && b != 0.0,
        Op::Div => a != 0.0 && b.is_finite(),
        _ => false,
    };
    if result == 0.0 && lost {
        return Err(Error::new(code::NUMERIC_VALUE_OUT_OF_RANGE, "value out of range: underflow"));
    }
    Ok(if result.is_nan() { f64::NAN } else { result })
}

fn integers(op: Op, left: &ColumnarValue, right: &ColumnarValue, output: &DataType) -> Result<ArrayRef> {
    let (left, right) = (datum(left)?, datum(right)?);
    let result = match op {
        Op::Add => numeric::add(left.as_ref(), right.as_ref()),
        Op::Sub => numeric::sub(left.as_ref(), right.as_ref()),
        Op::Mul => numeric::mul(left.as_ref(), right.as_ref()),
        Op::Div => numeric::div(left.as_ref(), right.as_ref()),
        Op::Rem => numeric::rem(left.as_ref(), right.as_ref()),
    };
    result.map_err(|e| match e {
        ArrowError::ArithmeticOverflow(_) => out_of_range(output),
        other => other.into(),
    })
}

/// A value as arrow's kernels take it, scalars staying scalars.
fn datum(value: &ColumnarValue) -> Result<Box<dyn Datum>> {
    Ok(match value {
        ColumnarValue::Array(array) => Box::new(Arc::clone(array)),
        ColumnarValue::Scalar(scalar) => Box::new(scalar.to_scalar()?),
    })
}

/// 22003 in PostgreSQL's words: `integer out of range`.
pub fn out_of_range(ty: &DataType) -> Error {
    Error::new(code::NUMERIC_VALUE_OUT_OF_RANGE, format!("{} out of range", PgType::of_arrow(ty).base()))
}

/// Unary minus, checked.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Negate {
    signature: Signature,
}

impl Default for Negate {
    fn default() -> Self {
        Negate { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Negate {
    fn name(&self) -> &str {
        "pg_negate"
    }

    fn display_name(&self, args: &[Expr]) -> DfResult<String> {
        Ok(args.first().map_or_else(String::new, |a| format!("(- {a})")))
    }

    fn schema_name(&self, args: &[Expr]) -> DfResult<String> {
        Ok(args.first().map_or_else(String::new, |a| format!("(- {})", a.schema_name())))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> DfResult<Vec<DataType>> {
        types.iter().map(|t| Ok(rules::negated(t)?)).collect()
    }

    fn return_type(&self, types: &[DataType]) -> DfResult<DataType> {
        Ok(rules::negated(types.first().unwrap_or(&DataType::Null))?)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        let [value] = args.args.as_slice() else {
            return Err(Error::internal("unary minus takes one operand").into());
        };
        let array = value.to_array(1)?;
        let negated = negated(&array)?;
        match value {
            ColumnarValue::Array(_) => Ok(ColumnarValue::Array(negated)),
            ColumnarValue::Scalar(_) => Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&negated, 0)?)),
        }
    }
}

/// The values with the other sign; NaN has none.
fn negated(values: &ArrayRef) -> Result<ArrayRef> {
    match values.data_type() {
        DataType::Float32 => {
            Ok(Arc::new(values.as_primitive::<Float32Type>().unary::<_, Float32Type>(|v| if v.is_nan() { f32::NAN } else { -v })))
        }
        DataType::Float64 => {
            Ok(Arc::new(values.as_primitive::<Float64Type>().unary::<_, Float64Type>(|v| if v.is_nan() { f64::NAN } else { -v })))
        }
        ty => numeric::neg(values.as_ref()).map_err(|e| match e {
            ArrowError::ArithmeticOverflow(_) => out_of_range(ty),
            other => other.into(),
        }),
    }
}

/// The planner of operators: arithmetic becomes [`Arith`]; all else is left to the planners behind it.
#[derive(Debug)]
pub struct Operators;

impl ExprPlanner for Operators {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> DfResult<PlannerResult<RawBinaryExpr>> {
        let Some(op) = Op::of(&expr.op) else {
            return Ok(PlannerResult::Original(expr));
        };
        let left_type = known_type(&expr.left, schema);
        let right_type = known_type(&expr.right, schema);
        if let (Some(left), Some(right)) = (&left_type, &right_type)
            && is_unknown(&expr.left, left)
            && is_unknown(&expr.right, right)
            && !(left.is_null() && right.is_null())
        {
            let message = format!("operator is not unique: unknown {} unknown", op.symbol());
            return Err(Error::new(code::AMBIGUOUS_FUNCTION, message)
                .hint("Could not choose a best candidate operator. You might need to add explicit type casts.")
                .into());
        }
        // Only a literal says more than its type; what stands to the left may be long.
        let beside = if matches!(expr.left, Expr::Literal(..)) { expr.left.clone() } else { Expr::default() };
        let left = settle(op, expr.left, &expr.right, &left_type, right_type.as_ref(), true)?;
        let right = settle(op, expr.right, &beside, &right_type, left_type.as_ref(), false)?;
        Ok(PlannerResult::Planned(chain::joined(op, left, right, left_type.as_ref(), schema)))
    }
}

fn known_type(expr: &Expr, schema: &DFSchema) -> Option<DataType> {
    if let Some(ty) = chain::planned_type(expr) {
        return Some(ty);
    }
    if let Expr::Placeholder(Placeholder { field: None, .. }) = expr {
        return None;
    }
    expr.get_type(schema).ok()
}

fn is_unknown(expr: &Expr, ty: &DataType) -> bool {
    ty.is_null() || matches!(expr, Expr::Literal(value, _) if value.data_type().is_string())
}

/// Gives an operand of unknown type (a string literal, a parameter) the type that PostgreSQL infers from the other operand.
fn settle(op: Op, expr: Expr, beside: &Expr, own: &Option<DataType>, other: Option<&DataType>, is_left: bool) -> DfResult<Expr> {
    let Some(other) = other else { return Ok(expr) };
    // A small integer literal is int4 only once the plan is analyzed; a string beside it is read as int4 all the same.
    let other = if matches!(beside, Expr::Literal(v, None) if rewrite::literal(v).is_some_and(|v| v.data_type() == DataType::Int32)) {
        &DataType::Int32
    } else {
        other
    };
    let inferred = rules::inferred(op, other, is_left);
    match (&expr, own) {
        (Expr::Placeholder(p), None) => {
            // Of a number with decimals it may have more than the column beside it.
            let inferred = if inferred.is_decimal() { PgType::Numeric(None).arrow() } else { inferred };
            let field = Arc::new(arrow::datatypes::Field::new("", inferred, true));
            Ok(Expr::Placeholder(Placeholder::new_with_field(p.id.clone(), Some(field))))
        }
        (Expr::Literal(value, _), Some(ty)) if ty.is_string() && !value.is_null() && !other.is_string() => {
            Ok(match numbers::as_number(&expr).filter(|_| inferred.is_decimal()) {
                Some(number) => number,
                None => Expr::Cast(Cast::new(Box::new(expr), inferred)),
            })
        }
        _ => Ok(expr),
    }
}
