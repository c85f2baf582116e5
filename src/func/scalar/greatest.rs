//! greatest() and least() of arrays and of rows (manual, chapter 9.18.4), whose order is [`arrays::key`]'s: arrow takes a NULL within one for the
//! smallest value.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute;
use arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{ExprSchemable, ScalarUDF};

use super::arrays;
use super::define::Function;
use crate::error::Result;

/// The call, of a function of ours if its arguments are arrays or rows of one type.
pub fn settle(mut call: ScalarFunction, schema: &DFSchema) -> ScalarFunction {
    let types: Vec<DataType> = call.args.iter().flat_map(|value| value.get_type(schema)).collect();
    if types.len() == call.args.len() && of_nested(&types).is_some() {
        call.func = match call.name() {
            "greatest" => greatest(),
            "least" => least(),
            _ => return call,
        };
    }
    call
}

fn greatest() -> Arc<ScalarUDF> {
    Function::udf("pg_greatest", of_nested, |args, _| extreme(args, Ordering::Greater))
}

fn least() -> Arc<ScalarUDF> {
    Function::udf("pg_least", of_nested, |args, _| extreme(args, Ordering::Less))
}

fn of_nested(types: &[DataType]) -> Option<(Vec<DataType>, DataType)> {
    let ty = types.iter().find(|ty| !ty.is_null())?;
    let fits = matches!(ty, DataType::List(_) | DataType::Struct(_)) && types.iter().all(|other| other == ty || other.is_null());
    fits.then(|| (vec![ty.clone(); types.len()], ty.clone()))
}

/// Of each row's values that are not NULL the one that is so beside all others, the first of equal ones.
fn extreme(args: &[ArrayRef], wanted: Ordering) -> Result<ArrayRef> {
    let keys = args.iter().map(arrays::keys).collect::<Result<Vec<_>>>()?;
    let keys: Vec<_> = keys.iter().map(|keys| keys.as_binary::<i32>()).collect();
    let best = |row: usize| {
        let present = (0..args.len()).filter(|column| keys[*column].is_valid(row));
        let better = |one: usize, other: usize| if keys[other].value(row).cmp(keys[one].value(row)) == wanted { other } else { one };
        // Where all are NULL, the first is.
        (present.reduce(better).unwrap_or(0), row)
    };
    let rows = args.first().map_or(0, |first| first.len());
    let columns: Vec<&dyn Array> = args.iter().map(|column| column.as_ref()).collect();
    Ok(compute::interleave(&columns, &(0..rows).map(best).collect::<Vec<_>>())?)
}
