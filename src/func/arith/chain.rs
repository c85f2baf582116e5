//! Long sums: `a + b - c + ..`, which a parser nests as deep as they are long.
//!
//! DataFusion learns the type of an expression, and its name, from those of its parts, and asks for both at every one of them; a nesting costs
//! it time that grows with the cube of the depth. So from [`LONG`] operators in a row on, a chain is one call of [`Chain`] with its
//! operands side by side. That means what the nesting means: operators are applied from the left to the right, each with its types and errors.
//!
//! Chains are of numbers only. Sums of dates, times and intervals stay as they are, since a time zone and the lower bound of what a view
//! keeps are found in calls of two arguments.

use std::fmt::Write;

use arrow::datatypes::DataType;
use datafusion::common::{DFSchema, Result as DfResult};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{ColumnarValue, Expr, ExprSchemable, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

use super::{Arith, Op, binary, evaluate, rules};
use crate::error::{Error, Result};

/// Operators in a row from which on they are one call.
const LONG: usize = 16;

/// Several arithmetic operators that are applied from the left to the right.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Chain {
    /// The operator before each operand but the first.
    ops: Vec<Op>,
    /// The type of the value when the call was planned, for what follows in the statement; literals get their types later.
    planned: DataType,
    signature: Signature,
}

/// `left op right`, whose left side is of type `left_type` if it has one: in one call with the operators of that side if there are many.
pub(super) fn joined(op: Op, left: Expr, right: Expr, left_type: Option<&DataType>, schema: &DFSchema) -> Expr {
    let planned = left_type.filter(|ty| ty.is_numeric()).and_then(|left_type| {
        let right_type = number(&right, schema)?;
        Some(rules::resolve(op, left_type, &right_type).ok()?.output)
    });
    let Some(planned) = planned else { return binary(op, left, right) };
    if is_chain(&left) {
        return longer(op, left, right, planned);
    }
    let sum = binary(op, left, right);
    match operators(&sum, schema) {
        Some(ops) => flat(sum, ops, planned),
        None => sum,
    }
}

/// The type of a chain, which is at hand. `None` for any other expression.
pub(super) fn planned_type(expr: &Expr) -> Option<DataType> {
    match expr {
        Expr::ScalarFunction(call) => call.func.inner().downcast_ref::<Chain>().map(|chain| chain.planned.clone()),
        _ => None,
    }
}

fn is_chain(expr: &Expr) -> bool {
    matches!(expr, Expr::ScalarFunction(call) if call.func.inner().downcast_ref::<Chain>().is_some())
}

/// The type of a number.
fn number(expr: &Expr, schema: &DFSchema) -> Option<DataType> {
    expr.get_type(schema).ok().filter(DataType::is_numeric)
}

/// The operators of a nested sum from the left to the right, if they are many and what stands to the right of each is a number.
fn operators(sum: &Expr, schema: &DFSchema) -> Option<Vec<Op>> {
    let mut ops = Vec::with_capacity(LONG);
    let mut at = sum;
    while let Expr::ScalarFunction(call) = at
        && let Some(function) = call.func.inner().downcast_ref::<Arith>()
        && let [left, right] = call.args.as_slice()
        && ops.len() < LONG
    {
        number(right, schema)?;
        ops.push(function.op());
        at = left;
    }
    ops.reverse();
    (ops.len() == LONG).then_some(ops)
}

/// The last operators of a nested sum in one call.
fn flat(sum: Expr, ops: Vec<Op>, planned: DataType) -> Expr {
    let mut operands = Vec::with_capacity(ops.len() + 1);
    let mut at = sum;
    for _ in &ops {
        match at {
            Expr::ScalarFunction(call) => {
                let mut sides = call.args.into_iter();
                at = sides.next().unwrap_or_default();
                operands.extend(sides.next());
            }
            other => {
                at = other;
                break;
            }
        }
    }
    operands.push(at);
    operands.reverse();
    call(Chain::new(ops, planned), operands)
}

/// A chain with one more operator.
fn longer(op: Op, left: Expr, right: Expr, planned: DataType) -> Expr {
    let ScalarFunction { func, mut args } = match left {
        Expr::ScalarFunction(call) => call,
        other => return binary(op, other, right),
    };
    let Some(chain) = func.inner().downcast_ref::<Chain>() else {
        return binary(op, Expr::ScalarFunction(ScalarFunction { func, args }), right);
    };
    let mut ops = chain.ops.clone();
    ops.push(op);
    args.push(right);
    call(Chain::new(ops, planned), args)
}

fn call(chain: Chain, operands: Vec<Expr>) -> Expr {
    ScalarUDF::new_from_impl(chain).call(operands)
}

/// `left op right`, as a name of it is written: also of a long nesting in time that grows with its length.
pub(super) fn written(op: Op, left: &Expr, right: &Expr, name: fn(&Expr, &mut String)) -> String {
    // The sums on the left, the outermost first.
    let mut sides = vec![(op, right)];
    let mut first = left;
    while let Expr::ScalarFunction(call) = first
        && let Some(function) = call.func.inner().downcast_ref::<Arith>()
        && let [left, right] = call.args.as_slice()
    {
        sides.push((function.op(), right));
        first = left;
    }
    spelled(first, sides.into_iter().rev(), name)
}

fn spelled<'a>(first: &Expr, sides: impl ExactSizeIterator<Item = (Op, &'a Expr)>, name: fn(&Expr, &mut String)) -> String {
    let mut all = "(".repeat(sides.len());
    name(first, &mut all);
    for (op, side) in sides {
        let _ = write!(all, " {} ", op.symbol());
        name(side, &mut all);
        all.push(')');
    }
    all
}

/// Appends an expression as EXPLAIN shows it.
pub(in crate::func) fn shown(expr: &Expr, to: &mut String) {
    let _ = write!(to, "{expr}");
}

/// Appends the name that an expression has as a column.
pub(in crate::func) fn named(expr: &Expr, to: &mut String) {
    let _ = write!(to, "{}", expr.schema_name());
}

impl Chain {
    fn new(ops: Vec<Op>, planned: DataType) -> Self {
        Chain { ops, planned, signature: Signature::user_defined(Volatility::Immutable) }
    }

    /// The types that the operands are coerced to, and the type of the value.
    fn resolve(&self, types: &[DataType]) -> Result<(Vec<DataType>, DataType)> {
        let [first, rest @ ..] = types else { return Err(miscounted()) };
        if rest.len() != self.ops.len() {
            return Err(miscounted());
        }
        let (mut wanted, mut value) = (Vec::with_capacity(types.len()), first.clone());
        for (op, ty) in self.ops.iter().zip(rest) {
            let rule = rules::resolve(*op, &value, ty)?;
            if wanted.is_empty() {
                wanted.push(rule.left);
            }
            wanted.push(rule.right);
            value = rule.output;
        }
        Ok((wanted, value))
    }

    fn written(&self, args: &[Expr], name: fn(&Expr, &mut String)) -> String {
        match args {
            [first, rest @ ..] if rest.len() == self.ops.len() => {
                let sides: Vec<(Op, &Expr)> = self.ops.iter().copied().zip(rest).collect();
                spelled(first, sides.into_iter(), name)
            }
            _ => self.name().to_string(),
        }
    }
}

fn miscounted() -> Error {
    Error::internal("a chain of operators has one operand more than operators")
}

impl ScalarUDFImpl for Chain {
    fn name(&self) -> &str {
        "pg_chain"
    }

    fn display_name(&self, args: &[Expr]) -> DfResult<String> {
        Ok(self.written(args, shown))
    }

    fn schema_name(&self, args: &[Expr]) -> DfResult<String> {
        Ok(self.written(args, named))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> DfResult<Vec<DataType>> {
        Ok(self.resolve(types)?.0)
    }

    fn return_type(&self, types: &[DataType]) -> DfResult<DataType> {
        Ok(self.resolve(types)?.1)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        let mut operands = args.args.into_iter();
        let Some(mut value) = operands.next() else { return Err(miscounted().into()) };
        for (op, operand) in self.ops.iter().zip(operands) {
            let rule = rules::resolve(*op, &value.data_type(), &operand.data_type())?;
            // What was computed so far is coerced as an operand is.
            if value.data_type() != rule.left {
                value = value.cast_to(&rule.left, None)?;
            }
            value = evaluate(*op, &value, &operand)?;
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{Field, Schema};
    use datafusion::logical_expr::{col, lit};

    use super::*;

    fn schema() -> DFSchema {
        let fields = vec![Field::new("a", DataType::Int32, true), Field::new("d", DataType::Date32, true)];
        DFSchema::try_from(Schema::new(fields)).unwrap()
    }

    /// `first op right op right ..`, as the planner joins it.
    fn sum(first: Expr, op: Op, right: &Expr, count: usize) -> Expr {
        let schema = schema();
        (0..count).fold(first, |left, _| {
            let ty = planned_type(&left).or_else(|| left.get_type(&schema).ok());
            joined(op, left, right.clone(), ty.as_ref(), &schema)
        })
    }

    #[test]
    fn a_long_sum_of_numbers_is_one_call_that_is_named_as_the_nesting_is() {
        let nested = |count: usize| (0..count).fold(col("a"), |left, _| binary(Op::Sub, left, col("a")));
        for count in [LONG - 1, LONG, LONG + 1, 300] {
            let long = sum(col("a"), Op::Sub, &col("a"), count);
            assert_eq!(is_chain(&long), count >= LONG, "{count}");
            assert_eq!(long.schema_name().to_string(), nested(count).schema_name().to_string());
            assert_eq!(long.get_type(&schema()).unwrap(), DataType::Int32);
        }
        let Expr::ScalarFunction(call) = sum(col("a"), Op::Sub, &lit(1i64), 300) else { panic!("a call") };
        assert_eq!(call.args.len(), 301);
    }

    #[test]
    fn a_sum_of_dates_stays_a_nesting() {
        let long = sum(col("d"), Op::Add, &col("a"), 40);
        assert!(!is_chain(&long));
        assert_eq!(long.get_type(&schema()).unwrap(), DataType::Date32);
    }
}
