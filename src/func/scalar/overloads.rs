//! Functions of text that PostgreSQL has for bytea too: substr, btrim, ltrim, rtrim, length, position and overlay.
//!
//! While a statement is planned, such a name is both functions; [`settled`] puts the one that its arguments ask for in its place before
//! types are coerced. That of text is DataFusion's.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{DFSchema, Result as DfResult};
use datafusion::functions::{string, unicode};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::type_coercion::functions::fields_with_udf;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::byte_parts;
use super::bytes::{as_bytes, length};
use super::define::no_function;
use super::{regexps, similar};
use crate::func::cast;

/// A function of text and one of bytea under one name.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Overloaded {
    name: &'static str,
    aliases: Vec<String>,
    text: Arc<ScalarUDF>,
    bytea: Arc<ScalarUDF>,
    signature: Signature,
}

pub fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![
        substring(),
        overloaded("btrim", &["trim"], string::btrim(), byte_parts::btrim()),
        overloaded("ltrim", &[], string::ltrim(), byte_parts::ltrim()),
        overloaded("rtrim", &[], string::rtrim(), byte_parts::rtrim()),
        overloaded("length", &[], unicode::character_length(), length()),
        overlay(),
    ]
}

/// What `substring(x FROM ..)` is.
pub fn substring() -> Arc<ScalarUDF> {
    overloaded("substr", &["substring"], unicode::substr(), byte_parts::substr())
}

/// What `position(x IN y)` is; its arguments are y and x. strpos is for text alone.
pub fn position() -> Arc<ScalarUDF> {
    overloaded("position", &[], unicode::strpos(), byte_parts::position())
}

/// What `overlay(x PLACING ..)` is.
pub fn overlay() -> Arc<ScalarUDF> {
    overloaded("overlay", &[], datafusion::functions::core::overlay(), byte_parts::overlay())
}

fn overloaded(name: &'static str, aliases: &[&str], text: Arc<ScalarUDF>, bytea: Arc<ScalarUDF>) -> Arc<ScalarUDF> {
    let aliases = aliases.iter().map(ToString::to_string).collect();
    let signature = Signature::user_defined(Volatility::Immutable);
    Arc::new(ScalarUDF::new_from_impl(Overloaded { name, aliases, text, bytea, signature }))
}

/// The same call of the function that its arguments ask for, where they are literals of no type as bytea beside one; `None` for a call
/// of any other function. Errors: 22P02 and 22023 for a literal that is no bytea.
pub fn settled(call: &ScalarFunction, schema: &DFSchema) -> DfResult<Option<ScalarFunction>> {
    let Some(function) = call.func.inner().downcast_ref::<Overloaded>() else { return Ok(None) };
    let types = call.args.iter().map(|arg| arg.get_type(schema)).collect::<DfResult<Vec<_>>>()?;
    let mut args = call.args.clone();
    // A literal may be a place as well as a pattern; what a rewrite rule does not tell to be a pattern is a place.
    let is_typed = args.iter().skip(1).any(|arg| !matches!(arg, Expr::Literal(..)));
    if let Some(pattern) = function.of_pattern(&types).filter(|_| is_typed) {
        return Ok(Some(ScalarFunction { func: pattern, args }));
    }
    if is_of_bytea(&types) {
        let last = function.bytea_arguments().min(args.len());
        for arg in &mut args[..last] {
            if let Some(read) = cast::read_beside(arg, &DataType::Binary)? {
                *arg = read;
            }
        }
    }
    Ok(Some(ScalarFunction { func: function.of(&types).clone(), args }))
}

fn is_of_bytea(types: &[DataType]) -> bool {
    as_bytes(types).contains(&DataType::Binary)
}

impl Overloaded {
    fn of(&self, types: &[DataType]) -> &Arc<ScalarUDF> {
        if is_of_bytea(types) { &self.bytea } else { &self.text }
    }

    /// `substring(text FROM pattern [FOR escape])`, where the types are those of its arguments.
    fn of_pattern(&self, types: &[DataType]) -> Option<Arc<ScalarUDF>> {
        if self.name != "substr" || is_of_bytea(types) {
            return None;
        }
        match types {
            [_, pattern] if pattern.is_string() => Some(regexps::substring_of_pattern()),
            [_, pattern, escape] if pattern.is_string() && escape.is_string() => Some(similar::substring_similar()),
            _ => None,
        }
    }

    /// How many of the first arguments are bytea, where it is a function of bytea.
    fn bytea_arguments(&self) -> usize {
        if self.name == "length" { 1 } else { 2 }
    }
}

impl ScalarUDFImpl for Overloaded {
    fn name(&self) -> &str {
        self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> DfResult<Vec<DataType>> {
        if let Some(pattern) = self.of_pattern(types) {
            return pattern.coerce_types(types);
        }
        // A literal beside a bytea is still a text here.
        let count = if is_of_bytea(types) { self.bytea_arguments() } else { 0 };
        let plain = |(i, ty): (usize, &DataType)| if i < count && ty.is_string() { DataType::Binary } else { ty.clone() };
        let fields: Vec<FieldRef> = types.iter().enumerate().map(plain).map(|ty| Arc::new(Field::new("argument", ty, true))).collect();
        let coerced = fields_with_udf(&fields, &**self.of(types)).map_err(|_| no_function(self.name, types))?;
        Ok(coerced.iter().map(|field| field.data_type().clone()).collect())
    }

    fn return_type(&self, types: &[DataType]) -> DfResult<DataType> {
        self.of(types).return_type(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> DfResult<FieldRef> {
        let types: Vec<DataType> = args.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        self.of(&types).return_field_from_args(args)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        let types: Vec<DataType> = args.args.iter().map(ColumnarValue::data_type).collect();
        self.of(&types).invoke_with_args(args)
    }
}
