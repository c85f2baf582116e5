//! System functions: what clients call beside the system relations (`pg_get_viewdef`, `format_type`, `current_setting` ...).
//!
//! [`functions`] makes DataFusion UDFs of two lists: `LIST`, functions of scalars, written over one row's arguments as text
//! because they run over a catalog's few rows; and `arrays`, functions of arrays. Each asks for the [`SystemContext`] when it
//! runs, so one registration serves all statements. All are stable: within a statement the context does not change. Apart from
//! them stand the functions of `acts`, which do something to the session that calls them.
//! `reg_oid(kind, x)` and `reg_name(kind, x)` are not PostgreSQL's: they are what `x::regclass` and its kin are rewritten to.

mod acts;
mod arrays;
mod columns;
mod definitions;
mod list;
mod partitions;
mod privileges;
mod routines;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::ScalarValue;
use datafusion::error::Result as DfResult;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};

use super::SystemContext;
use super::rows::{Cell, column};
use crate::data::PgType;
use crate::error::{Error, Result, code};

pub use crate::func::caller::Caller;
pub use acts::{LockMode, SessionActs, acts};

/// Gives the context of the statement that is running.
pub type ContextSource = Arc<dyn Fn() -> Arc<SystemContext> + Send + Sync>;

/// One row's arguments, as text; `None` for null.
type Row<'a> = &'a [Option<&'a str>];
type Body = fn(&SystemContext, Row) -> Result<Cell>;

/// A system function of scalars.
struct Entry {
    name: &'static str,
    returns: PgType,
    /// Least and greatest number of arguments.
    arity: [usize; 2],
    body: Body,
}

/// All system functions, ready to be registered. Cost: a hundred small allocations, so once per session or server.
pub fn functions(context: ContextSource) -> Vec<ScalarUDF> {
    let scalar = list::entries().into_iter().map(|entry| {
        let signature = Signature::one_of(vec![TypeSignature::Nullary, TypeSignature::VariadicAny], Volatility::Stable);
        ScalarUDF::new_from_impl(System { entry, signature, context: context.clone() })
    });
    scalar.chain(arrays::functions()).collect()
}

struct System {
    entry: Entry,
    signature: Signature,
    context: ContextSource,
}

impl fmt::Debug for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.entry.name)
    }
}
impl PartialEq for System {
    fn eq(&self, other: &Self) -> bool {
        self.entry.name == other.entry.name && Arc::ptr_eq(&self.context, &other.context)
    }
}
impl Eq for System {}
impl Hash for System {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.entry.name.hash(state);
    }
}

impl ScalarUDFImpl for System {
    fn name(&self) -> &str {
        self.entry.name
    }
    fn signature(&self) -> &Signature {
        &self.signature
    }
    fn return_type(&self, _: &[DataType]) -> DfResult<DataType> {
        Ok(self.entry.returns.arrow())
    }
    fn return_field_from_args(&self, args: ReturnFieldArgs) -> DfResult<FieldRef> {
        let [least, most] = self.entry.arity;
        if !(least..=most).contains(&args.arg_fields.len()) {
            let types: Vec<_> = args.arg_fields.iter().map(|f| PgType::of(f).to_string()).collect();
            let message = format!("function {}({}) does not exist", self.entry.name, types.join(", "));
            return Err(Error::new(code::UNDEFINED_FUNCTION, message).hint("It takes another number of arguments.").into());
        }
        // The type that reg_oid gives stands in its first argument.
        let kind = args.scalar_arguments.first().copied().flatten().and_then(|k| k.try_as_str().flatten());
        let returns = match kind.map(PgType::parse) {
            Some(Ok(reg)) if self.entry.name == "reg_oid" => reg,
            _ => self.entry.returns.clone(),
        };
        Ok(Arc::new(returns.field(self.entry.name, true)))
    }
    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        let context = (self.context)();
        let constant = args.args.iter().all(|a| matches!(a, ColumnarValue::Scalar(_)));
        let n = if constant { 1 } else { args.number_rows };
        let texts = args.args.into_iter().map(|a| Ok(cast(&a.into_array(n)?, &DataType::Utf8)?)).collect::<DfResult<Vec<_>>>()?;
        let texts: Vec<_> = texts.iter().map(|a| a.as_string::<i32>()).collect();
        let mut row = Vec::with_capacity(texts.len());
        let mut cells = Vec::with_capacity(n);
        for i in 0..n {
            row.clear();
            row.extend(texts.iter().map(|a| a.is_valid(i).then(|| a.value(i))));
            cells.push((self.entry.body)(&context, &row)?);
        }
        let array = column(&self.entry.returns.arrow(), &cells)?;
        Ok(if constant { ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?) } else { ColumnarValue::Array(array) })
    }
}
