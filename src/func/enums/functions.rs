//! The functions of enumerations (manual, chapter 9.10), and those of DataFusion's that would not take their values as they are.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::Result as DfResult;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::type_coercion::functions::fields_with_udf;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};

use crate::data::{EnumType, PgType};
use crate::error::{Error, code};

/// Functions of DataFusion's that are planned before a literal beside a value of another type is read as one of that.
pub fn lenient() -> Vec<Arc<ScalarUDF>> {
    use datafusion::functions::core::{coalesce, greatest, least, nullif};
    let mut all: Vec<_> = [coalesce(), greatest(), least(), nullif()].into_iter().map(planned_early).collect();
    all.push(make_array());
    all
}

/// What `ARRAY[..]` is that names columns, or has values of an enumeration in it; any other is DataFusion's own, whose optimizer knows it.
pub fn make_array() -> Arc<ScalarUDF> {
    planned_early(datafusion::functions_nested::make_array::make_array_udf())
}

fn planned_early(inner: Arc<ScalarUDF>) -> Arc<ScalarUDF> {
    let signature = Signature::user_defined(inner.signature().volatility);
    Arc::new(ScalarUDF::new_from_impl(Other { inner, signature }))
}

/// The function, not computed beforehand: see [`PgCast::between`](super::super::cast::PgCast::between).
pub(super) fn unfolded(inner: Arc<ScalarUDF>) -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::new_from_impl(Other { inner, signature: Signature::user_defined(Volatility::Volatile) }))
}

/// A function of DataFusion's under another signature.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Other {
    inner: Arc<ScalarUDF>,
    signature: Signature,
}

impl ScalarUDFImpl for Other {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> DfResult<DataType> {
        self.inner.inner().return_type(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> DfResult<FieldRef> {
        self.inner.return_field_from_args(args)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        self.inner.invoke_with_args(args)
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> DfResult<ExprSimplifyResult> {
        self.inner.simplify(args, info)
    }

    fn conditional_arguments<'a>(&self, args: &'a [Expr]) -> Option<(Vec<&'a Expr>, Vec<&'a Expr>)> {
        self.inner.conditional_arguments(args)
    }

    fn short_circuits(&self) -> bool {
        self.inner.short_circuits()
    }

    fn coerce_types(&self, types: &[DataType]) -> DfResult<Vec<DataType>> {
        let typed = |of: &DataType| types.iter().map(|t| if t.is_string() || t.is_null() { of.clone() } else { t.clone() }).collect();
        if let Some(of) = types.iter().find(|t| EnumType::of_arrow(t).is_some()) {
            return Ok(typed(of));
        }
        let fields: Vec<FieldRef> = types.iter().map(|t| Field::new("", t.clone(), true).into()).collect();
        let coerced = fields_with_udf(&fields, self.inner.as_ref());
        let coerced = coerced.map(|fields| fields.iter().map(|field| field.data_type().clone()).collect());
        // Whether what is text is a literal, which is read as a value of the type beside it, is seen later.
        coerced.or_else(|e| match types.iter().find(|t| !t.is_string() && !t.is_null()) {
            // DataFusion casts no text to a uuid.
            Some(DataType::FixedSizeBinary(_)) => Ok(types.to_vec()),
            Some(of) => Ok(typed(of)),
            None => Err(e),
        })
    }
}

/// enum_first(), enum_last() and enum_range(): they become constants when their argument's type is known.
pub fn functions() -> Vec<Arc<ScalarUDF>> {
    let function = |name, signature, range| Arc::new(ScalarUDF::new_from_impl(OfType { name, signature, range }));
    let one = || Signature::any(1, Volatility::Immutable);
    let range = Signature::one_of(vec![TypeSignature::Any(1), TypeSignature::Any(2)], Volatility::Immutable);
    vec![function("enum_first", one(), false), function("enum_last", one(), false), function("enum_range", range, true)]
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct OfType {
    name: &'static str,
    signature: Signature,
    /// True if it answers an array of the type.
    range: bool,
}

impl ScalarUDFImpl for OfType {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> DfResult<DataType> {
        let of = types.iter().find(|t| EnumType::of_arrow(t).is_some()).or(types.first()).cloned().unwrap_or(DataType::Null);
        Ok(if self.range { DataType::List(Arc::new(Field::new_list_field(of, true))) } else { of })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        let names: Vec<String> = args.arg_fields.iter().map(|f: &FieldRef| PgType::of(f).base().to_string()).collect();
        let message = format!("function {}({}) does not exist", self.name, names.join(", "));
        Err(Error::new(code::UNDEFINED_FUNCTION, message).hint("It takes a value of an enum type, as in NULL::type.").into())
    }
}
