//! How a function is defined: a name, a rule for its types, and a kernel over arrays.

use std::fmt::Write;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringViewArray};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result as DfResult, ScalarValue};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

use crate::data::PgType;
use crate::error::{Error, Result, code};
use crate::func::array_text;

/// The types an overload takes and the type it gives, for given argument types; `None` if it does not match.
pub type Rule = fn(&[DataType]) -> Option<(Vec<DataType>, DataType)>;
/// The kernel: arguments as arrays of equal length and of the types that the rule gave.
pub type Kernel = fn(&[ArrayRef], &DataType) -> Result<ArrayRef>;
/// The type an overload gives, from what its rule says and the value of an argument that is a literal. The rule must not cast that
/// argument, or the type would change when the cast is folded.
pub type Refine = fn(DataType, &ScalarValue) -> DataType;

/// The error for argument types that no overload takes.
pub type Misfit = fn(&[DataType]) -> Error;

/// A function of ours.
pub struct Function {
    name: &'static str,
    rule: Rule,
    kernel: Kernel,
    /// Which argument is looked at, and how.
    refine: Option<(usize, Refine)>,
    /// What is said of arguments that do not fit, where it is not what PostgreSQL says.
    misfit: Option<Misfit>,
    /// The exact type of the result, where its Arrow type does not tell.
    exactly: Option<PgType>,
    signature: Signature,
}

impl Function {
    /// An immutable function.
    pub fn udf(name: &'static str, rule: Rule, kernel: Kernel) -> Arc<ScalarUDF> {
        let signature = Signature::user_defined(Volatility::Immutable);
        Arc::new(ScalarUDF::new_from_impl(Function { name, rule, kernel, refine: None, misfit: None, exactly: None, signature }))
    }

    /// An immutable function whose type depends on the value of argument `index`, if that is a literal.
    pub fn refined(name: &'static str, rule: Rule, index: usize, refine: Refine, kernel: Kernel) -> Arc<ScalarUDF> {
        let signature = Signature::user_defined(Volatility::Immutable);
        Arc::new(ScalarUDF::new_from_impl(Function {
            name,
            rule,
            kernel,
            refine: Some((index, refine)),
            misfit: None,
            exactly: None,
            signature,
        }))
    }

    /// An immutable function with an error of its own for arguments that do not fit.
    pub fn explained(name: &'static str, rule: Rule, misfit: Misfit, kernel: Kernel) -> Arc<ScalarUDF> {
        let signature = Signature::user_defined(Volatility::Immutable);
        Arc::new(ScalarUDF::new_from_impl(Function { name, rule, kernel, refine: None, misfit: Some(misfit), exactly: None, signature }))
    }

    /// An immutable function whose result is of a type that its Arrow type does not tell, such as json.
    pub fn typed(name: &'static str, rule: Rule, exactly: PgType, kernel: Kernel) -> Arc<ScalarUDF> {
        let signature = Signature::user_defined(Volatility::Immutable);
        let exactly = Some(exactly);
        Arc::new(ScalarUDF::new_from_impl(Function { name, rule, kernel, refine: None, misfit: None, exactly, signature }))
    }

    /// A function whose value the catalog, or the session, has a part in.
    pub fn stable(name: &'static str, rule: Rule, kernel: Kernel) -> Arc<ScalarUDF> {
        let signature = Signature::user_defined(Volatility::Stable);
        Arc::new(ScalarUDF::new_from_impl(Function { name, rule, kernel, refine: None, misfit: None, exactly: None, signature }))
    }

    /// The same function with its type settled, for a call of a refined one whose argument is no literal: if it became one when
    /// constants are folded, the type of the column would change under the plan. `None` if there is nothing to settle.
    pub fn settled(call: &ScalarFunction) -> Option<Arc<ScalarUDF>> {
        let function = call.func.inner().downcast_ref::<Function>()?;
        let (index, _) = function.refine?;
        let literal = matches!(call.args.get(index), Some(Expr::Literal(..)));
        (!literal).then(|| Function::udf(function.name, function.rule, function.kernel))
    }

    fn resolve(&self, types: &[DataType]) -> Result<(Vec<DataType>, DataType)> {
        (self.rule)(types).ok_or_else(|| {
            if let Some(misfit) = self.misfit {
                return misfit(types);
            }
            no_function(self.name, types)
        })
    }
}

/// Appends the name that a call has as a column. A nesting of our functions is written in one go, and not each call's name anew into that of
/// the call around it: DataFusion asks for the name at every level.
fn put_call(name: &str, args: &[Expr], to: &mut String) {
    to.push_str(name);
    to.push('(');
    for (i, arg) in args.iter().enumerate() {
        if i > 0 {
            to.push(',');
        }
        match arg {
            Expr::ScalarFunction(call) if call.func.inner().downcast_ref::<Function>().is_some() => put_call(call.name(), &call.args, to),
            other => {
                let _ = write!(to, "{}", other.schema_name());
            }
        }
    }
    to.push(')');
}

/// Functions that operators are planned as, and these.
const OPERATORS: &[(&str, &str)] = &[
    ("array_contains_all", "@>"),
    ("pg_array_overlap", "&&"),
    ("json_get", "->"),
    ("jsonb_get", "->"),
    ("json_get_text", "->>"),
    ("jsonb_get_text", "->>"),
    ("json_path", "#>"),
    ("jsonb_path", "#>"),
    ("json_path_text", "#>>"),
    ("jsonb_path_text", "#>>"),
    ("jsonb_exists", "?"),
    ("jsonb_exists_any", "?|"),
    ("jsonb_exists_all", "?&"),
    ("jsonb_contains", "@>"),
    ("jsonb_contained", "<@"),
    ("jsonb_delete", "-"),
    ("jsonb_delete_path", "#-"),
    ("network_sub", "<<"),
    ("network_subeq", "<<="),
    ("network_sup", ">>"),
    ("network_supeq", ">>="),
    ("network_overlap", "&&"),
    ("inetand", "&"),
    ("inetor", "|"),
    ("inetpl", "+"),
    ("inetmi_int8", "-"),
    ("inetmi", "-"),
];

/// 42883 for arguments that no function of the name, or no operator that is planned as it, takes.
pub fn no_function(name: &str, types: &[DataType]) -> Error {
    let names: Vec<String> = types.iter().map(|t| PgType::of_arrow(t).base().to_string()).collect();
    if let (Some((_, sign)), [left, right]) = (OPERATORS.iter().find(|(function, _)| *function == name), names.as_slice()) {
        return Error::no_operator(&format!("{left} {sign} {right}"));
    }
    Error::new(code::UNDEFINED_FUNCTION, format!("function {name}({}) does not exist", names.join(", ")))
        .hint("No function matches the given name and argument types. You might need to add explicit type casts.")
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.refine.is_some() == other.refine.is_some()
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
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn schema_name(&self, args: &[Expr]) -> DfResult<String> {
        let mut name = String::new();
        put_call(self.name, args, &mut name);
        Ok(name)
    }

    fn coerce_types(&self, types: &[DataType]) -> DfResult<Vec<DataType>> {
        Ok(self.resolve(types)?.0)
    }

    fn return_type(&self, types: &[DataType]) -> DfResult<DataType> {
        Ok(self.resolve(types)?.1)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> DfResult<FieldRef> {
        let types: Vec<DataType> = args.arg_fields.iter().map(|f| f.data_type().clone()).collect();
        let plain = self.resolve(&types)?.1;
        let literal = |index: usize| args.scalar_arguments.get(index).copied().flatten();
        let ty = match self.refine.and_then(|(index, refine)| literal(index).map(|value| (refine, value))) {
            Some((refine, value)) => refine(plain, value),
            None => plain,
        };
        match &self.exactly {
            Some(exact) => Ok(Arc::new(exact.field(self.name, true))),
            None => Ok(Arc::new(Field::new(self.name, ty, true))),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        let scalar = args.args.iter().all(|a| matches!(a, ColumnarValue::Scalar(_)));
        let rows = if scalar { 1 } else { args.number_rows };
        let arrays = args.args.iter().map(|a| a.to_array(rows)).collect::<DfResult<Vec<_>>>()?;
        let result = (self.kernel)(&arrays, args.return_type())?;
        if scalar {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?));
        }
        Ok(ColumnarValue::Array(result))
    }
}

/// Text, as all our kernels take it.
pub const TEXT: DataType = DataType::Utf8View;

/// True if an argument of type `given` may be passed where `wanted` is asked for, without an explicit cast.
pub fn accepts(given: &DataType, wanted: &DataType) -> bool {
    use DataType::*;
    let rank = |t: &DataType| match t {
        Int8 | Int16 | UInt8 => 1,
        Int32 | UInt16 => 2,
        Int64 | UInt32 | UInt64 => 3,
        Decimal128(..) | Decimal256(..) => 4,
        Float32 => 5,
        Float64 => 6,
        _ => 0,
    };
    if given == wanted || given.is_null() || given.is_string() && (wanted.is_string() || wanted.is_temporal()) {
        return true;
    }
    match (given, wanted) {
        (Int64, Int32) => true,
        (g, w) if rank(g) > 0 && rank(w) > 0 => rank(g) <= rank(w),
        (Date32, Timestamp(..)) | (Timestamp(..), Timestamp(..)) | (Time64(_), Time64(_)) | (Interval(_), Interval(_)) => true,
        _ => false,
    }
}

/// The rule of a function of fixed argument types; the last `optional` of them may be left out.
pub fn fixed(given: &[DataType], wanted: &[DataType], optional: usize, output: DataType) -> Option<(Vec<DataType>, DataType)> {
    let enough = given.len() + optional >= wanted.len() && given.len() <= wanted.len();
    let matching = enough && given.iter().zip(wanted).all(|(g, w)| accepts(g, w));
    matching.then(|| (wanted[..given.len()].to_vec(), output))
}

/// Argument `i` as text.
pub fn text(args: &[ArrayRef], i: usize) -> &StringViewArray {
    args[i].as_string_view()
}

/// The type in which an array of text is taken that may be written as an array or as an array's text; see [`texts`].
pub fn texts_type(given: &DataType) -> Option<DataType> {
    match given {
        DataType::List(item) if item.data_type().is_string() || item.data_type().is_null() => Some(DataType::new_list(TEXT, true)),
        t if t.is_string() || t.is_null() => Some(TEXT),
        _ => None,
    }
}

/// Argument `i`, not NULL, as an array of text. Errors: 22P02.
pub fn texts(args: &[ArrayRef], i: usize, row: usize) -> Result<Vec<Option<String>>> {
    let items = match args[i].data_type() {
        DataType::List(_) => args[i].as_list::<i32>().value(row),
        _ => {
            let list = array_text::parse(&PgType::Array(Box::new(PgType::Text)), text(args, i).value(row))?;
            list.to_array()?.as_list::<i32>().value(0)
        }
    };
    Ok(items.as_string_view().iter().map(|t| t.map(String::from)).collect())
}

/// `f` of each row in which no argument is NULL; NULL elsewhere.
pub fn each<T>(args: &[ArrayRef], f: impl Fn(usize) -> Result<T>) -> Result<Vec<Option<T>>> {
    let rows = args.first().map_or(1, |a| a.len());
    let one = |row: usize| if args.iter().any(|a| a.is_null(row)) { Ok(None) } else { f(row).map(Some) };
    (0..rows).map(one).collect()
}

/// A column of text from such rows.
pub fn text_array(rows: Vec<Option<String>>) -> ArrayRef {
    Arc::new(rows.into_iter().collect::<StringViewArray>())
}
