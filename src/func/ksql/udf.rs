//! ksqlDB's functions as DataFusion's, for queries and views of PostgreSQL's dialect.
//!
//! A call is resolved by the same signatures as in ksqlDB's dialect, over the types that [`super::columns`] maps. What PostgreSQL or
//! DataFusion has under the same name stays theirs. Left out are functions of lambdas, which SQL cannot write, and aggregates whose
//! result depends on the order of rows (COLLECT_LIST, EARLIEST_BY_OFFSET, LATEST_BY_OFFSET): `array_agg(x ORDER BY ..)`, `first_value`
//! and `last_value` say the order. An error of a row is the statement's, as PostgreSQL's functions have it.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result as DfResult, ScalarValue};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::codec::{decode_row, encode_row};
use super::columns::{column, of_pg_type, pg_type, value_at};
use super::function::{Aggregate, AggregateCall, AggregateOverload, Call, Nulls, Scalar};
use super::signature::{Argument, Candidate, Resolved, Signature as Shape, resolve};
use super::types::Type;
use super::value::Value;
use super::{cast, list};
use crate::data::PgType;
use crate::error::{Error, Result, code};

/// Aggregates whose result depends on the order of rows.
const ORDERED: [&str; 3] = ["COLLECT_LIST", "EARLIEST_BY_OFFSET", "LATEST_BY_OFFSET"];

/// The scalar functions that DataFusion does not have already: `known` tells by a name in lower case.
pub fn scalars(known: &dyn Fn(&str) -> bool) -> Vec<Arc<ScalarUDF>> {
    let wanted = |f: &&'static Scalar| f.family != "lambda" && !known(&f.name.to_lowercase());
    list::scalars().filter(wanted).map(|f| Arc::new(ScalarUDF::new_from_impl(Function::new(f)))).collect()
}

/// The aggregate functions that DataFusion does not have already.
pub fn aggregates(known: &dyn Fn(&str) -> bool) -> Vec<Arc<AggregateUDF>> {
    let wanted = |f: &&'static Aggregate| !ORDERED.contains(&f.name) && !known(&f.name.to_lowercase());
    list::aggregates().filter(wanted).map(|f| Arc::new(AggregateUDF::new_from_impl(Folding::new(f)))).collect()
}

/// The types of arguments as this dialect has them. A type that it has not is no argument.
fn types_of(types: &[DataType]) -> Result<Vec<Type>> {
    let of = |ty: &DataType| match ty {
        DataType::Null => Ok(Type::Null),
        ty => of_pg_type(&PgType::of_arrow(ty)).ok_or_else(|| Error::unsupported(format!("an argument of type {}", PgType::of_arrow(ty)))),
    };
    types.iter().map(of).collect()
}

/// The overload that a call means, of candidates without lambdas.
fn resolved(name: &str, candidates: &[Candidate], types: &[DataType]) -> Result<Resolved> {
    let misfit = |_| {
        let names: Vec<String> = types.iter().map(|t| PgType::of_arrow(t).base().to_string()).collect();
        Error::new(code::UNDEFINED_FUNCTION, format!("function {}({}) does not exist", name.to_lowercase(), names.join(", ")))
            .hint(format!("DESCRIBE FUNCTION {name} tells what it takes."))
    };
    let types = types_of(types)?;
    let with = |types: Vec<Type>| {
        let arguments: Vec<Argument> = types.into_iter().map(Argument::Type).collect();
        resolve(name, candidates, &arguments, true, &mut |_, _| Err(Error::internal("there are no lambdas")))
    };
    // A whole number of a query is BIGINT to DataFusion, also where it is a count, which is INT here.
    with(types.clone()).or_else(|_| {
        let narrow = |ty: Type| if ty == Type::Bigint { Type::Int } else { ty };
        with(types.into_iter().map(narrow).collect()).map_err(misfit)
    })
}

/// The Arrow types that arguments are cast to.
fn cast_to(resolved: &Resolved, given: &[DataType]) -> Vec<DataType> {
    let one = |(ty, given): (&Type, &DataType)| {
        let same = types_of(std::slice::from_ref(given)).is_ok_and(|t| t[0] == *ty);
        if same || *ty == Type::Null { given.clone() } else { pg_type(ty).arrow() }
    };
    resolved.arguments.iter().zip(given).map(one).collect()
}

/// The value of an argument, as the resolved type has it.
fn argument(array: &ArrayRef, row: usize, ty: &Type) -> Value {
    let value = value_at(array, row, ty);
    cast::widen(value, ty).unwrap_or(Value::Null)
}

/// A scalar function.
struct Function {
    scalar: &'static Scalar,
    name: String,
    candidates: Vec<Candidate>,
    signature: Signature,
}

impl Function {
    fn new(scalar: &'static Scalar) -> Self {
        let candidates = scalar.overloads.iter().map(Candidate::from).collect();
        Function { scalar, name: scalar.name.to_lowercase(), candidates, signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Function {}

impl Hash for Function {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Function {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> DfResult<Vec<DataType>> {
        Ok(cast_to(&resolved(self.scalar.name, &self.candidates, types)?, types))
    }

    fn return_type(&self, types: &[DataType]) -> DfResult<DataType> {
        Ok(pg_type(&resolved(self.scalar.name, &self.candidates, types)?.returns).arrow())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        let scalar = args.args.iter().all(|a| matches!(a, ColumnarValue::Scalar(_)));
        let rows = if scalar { 1 } else { args.number_rows };
        let arrays = args.args.iter().map(|a| a.to_array(rows)).collect::<DfResult<Vec<_>>>()?;
        let types: Vec<DataType> = arrays.iter().map(|a| a.data_type().clone()).collect();
        let Resolved { overload, arguments, returns, .. } = resolved(self.scalar.name, &self.candidates, &types)?;
        let overload = &self.scalar.overloads[overload];
        let call = Call { arguments: &arguments, returns: &returns, lambdas: &[] };
        let mut values = Vec::with_capacity(rows);
        for row in 0..rows {
            let given: Vec<Value> = arrays.iter().zip(&arguments).map(|(a, ty)| argument(a, row, ty)).collect();
            let null = overload.nulls == Nulls::Give && given.iter().any(Value::is_null);
            values.push(if null { Value::Null } else { (overload.eval)(&call, &given)? });
        }
        let result = column(&values.iter().collect::<Vec<_>>(), &returns)?;
        if scalar {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?));
        }
        Ok(ColumnarValue::Array(result))
    }
}

/// An aggregate function.
struct Folding {
    aggregate: &'static Aggregate,
    name: String,
    candidates: Vec<Candidate>,
    signature: Signature,
}

impl Folding {
    fn new(aggregate: &'static Aggregate) -> Self {
        let candidates = aggregate.overloads.iter().map(Candidate::from).collect();
        Folding { aggregate, name: aggregate.name.to_lowercase(), candidates, signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl fmt::Debug for Folding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl PartialEq for Folding {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Folding {}

impl Hash for Folding {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl AggregateUDFImpl for Folding {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> DfResult<Vec<DataType>> {
        Ok(cast_to(&resolved(self.aggregate.name, &self.candidates, types)?, types))
    }

    fn return_type(&self, types: &[DataType]) -> DfResult<DataType> {
        Ok(pg_type(&resolved(self.aggregate.name, &self.candidates, types)?.returns).arrow())
    }

    fn accumulator(&self, args: AccumulatorArgs) -> DfResult<Box<dyn Accumulator>> {
        let types = args.exprs.iter().map(|e| e.data_type(args.schema)).collect::<DfResult<Vec<_>>>()?;
        let resolved = resolved(self.aggregate.name, &self.candidates, &types)?;
        let overload = &self.aggregate.overloads[resolved.overload];
        let shape = Shape::of(overload.signature)?;
        let is_constant = resolved.parameters.iter().map(|p| shape.parameters.get(*p).is_some_and(|p| p.constant)).collect();
        Ok(Box::new(State { overload, resolved, is_constant, constants: Vec::new(), rows: Vec::new(), state: None }))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> DfResult<Vec<FieldRef>> {
        Ok(vec![Arc::new(Field::new(format!("{}[state]", args.name), DataType::Binary, true))])
    }
}

/// The state of one group, and the constants of the call once a row has told them.
struct State {
    overload: &'static AggregateOverload,
    resolved: Resolved,
    is_constant: Vec<bool>,
    constants: Vec<Value>,
    rows: Vec<Value>,
    state: Option<Value>,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.overload.signature)
    }
}

impl State {
    fn with<T>(&self, f: impl FnOnce(&AggregateCall<'_>) -> T) -> T {
        let Resolved { arguments, returns, .. } = &self.resolved;
        // As over a table, where the result does not depend on the order of rows.
        f(&AggregateCall { arguments, returns, constants: &self.constants, retracting: true })
    }

    fn current(&mut self) -> Value {
        match self.state.take() {
            Some(state) => state,
            None => self.with(|call| (self.overload.init)(call)),
        }
    }

    /// Splits a row into the constants, which it remembers, and the other arguments.
    fn row(&mut self, values: &[ArrayRef], row: usize) {
        let all: Vec<Value> = values.iter().zip(&self.resolved.arguments).map(|(a, ty)| argument(a, row, ty)).collect();
        if self.constants.is_empty() {
            self.constants = all.iter().zip(&self.is_constant).filter(|(_, c)| **c).map(|(v, _)| v.clone()).collect();
        }
        self.rows = all.into_iter().zip(&self.is_constant).filter(|(_, c)| !**c).map(|(v, _)| v).collect();
    }
}

impl Accumulator for State {
    fn update_batch(&mut self, values: &[ArrayRef]) -> DfResult<()> {
        let rows = values.first().map_or(0, |a| a.len());
        for row in 0..rows {
            self.row(values, row);
            let state = self.current();
            self.state = Some(self.with(|call| (self.overload.add)(call, state, &self.rows))?);
        }
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> DfResult<()> {
        let undo = self.overload.undo.ok_or_else(|| Error::internal("an aggregate that cannot take rows back"))?;
        for row in 0..values.first().map_or(0, |a| a.len()) {
            self.row(values, row);
            let state = self.current();
            self.state = Some(self.with(|call| undo(call, state, &self.rows))?);
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        self.overload.undo.is_some()
    }

    /// The constants go along with the state: a group may be merged before it has seen a row of its own.
    fn state(&mut self) -> DfResult<Vec<ScalarValue>> {
        let state = self.current();
        let mut saved = vec![state.clone()];
        saved.extend(self.constants.iter().cloned());
        self.state = Some(state);
        Ok(vec![ScalarValue::Binary(Some(encode_row(&saved)))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> DfResult<()> {
        let Some(saved) = states.first().and_then(|s| s.as_binary_opt::<i32>()) else { return Ok(()) };
        for bytes in saved.iter().flatten() {
            let row = decode_row(bytes)?;
            let Some((other, constants)) = row.split_first() else { continue };
            if self.constants.is_empty() {
                self.constants = constants.to_vec();
            }
            let state = self.current();
            self.state = Some(self.with(|call| (self.overload.merge)(call, state, other.clone()))?);
        }
        Ok(())
    }

    fn evaluate(&mut self) -> DfResult<ScalarValue> {
        let state = self.current();
        let value = self.with(|call| (self.overload.result)(call, &state))?;
        self.state = Some(state);
        ScalarValue::try_from_array(&column(&[&value], &self.resolved.returns)?, 0)
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.state.as_ref().map_or(0, Value::bytes)
    }
}
