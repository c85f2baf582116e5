//! Types by fields: pg_typeof(x), the type of its argument, whatever its value (manual, chapter 9.26.6); and x in a field that tells
//! nothing of its type.

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result as DfResult, ScalarValue};
use datafusion::logical_expr::{
    Cast, ColumnarValue, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility,
};

use super::rewrite::literal;
use super::scalar::define::Function;
use crate::data::PgType;

/// The function that gives its argument as it is, in a field without metadata.
pub const UNTOLD: &str = "pg_untold";

/// The functions.
pub fn functions() -> [Arc<ScalarUDF>; 2] {
    let type_of = ScalarUDF::new_from_impl(TypeOf { signature: Signature::any(1, Volatility::Immutable) });
    [Arc::new(type_of), untold()]
}

/// The type of an expression, if it has one by itself. Whole numbers are integers if they fit, in `ARRAY[..]` too, which DataFusion reads as
/// bigint until the plan is whole.
pub fn of(expr: &Expr, schema: &DFSchema) -> Option<PgType> {
    if let Expr::Literal(value, None) = expr
        && let Some(typed) = literal(value)
    {
        return Some(PgType::of_arrow(&typed.data_type()));
    }
    if let Expr::ScalarFunction(array) = expr
        && array.name() == "make_array"
    {
        let items: Vec<PgType> = array.args.iter().filter_map(|item| of(item, schema)).collect();
        if let [first, others @ ..] = items.as_slice()
            && others.iter().all(|other| other == first)
        {
            return Some(PgType::Array(Box::new(first.clone())));
        }
    }
    let (_, field) = expr.to_field(schema).ok()?;
    (!field.data_type().is_null()).then(|| PgType::of(&field))
}

fn untold() -> Arc<ScalarUDF> {
    let same = |types: &[DataType]| (types.len() == 1).then(|| (types.to_vec(), types[0].clone()));
    Function::udf(UNTOLD, same, |args, _| Ok(Arc::clone(&args[0])))
}

/// VALUES of these rows. DataFusion wants what a column has to note the same types: where they differ, as between a parameter of a column's
/// type and a literal, none is noted.
pub fn values(rows: Vec<Vec<Expr>>) -> DfResult<LogicalPlan> {
    let nothing = DFSchema::empty();
    let mut rows = rows.into_iter().map(|row| row.into_iter().map(widened).collect()).collect::<DfResult<Vec<Vec<Expr>>>>()?;
    let width = rows.iter().map(Vec::len).min().unwrap_or(0);
    for column in 0..width {
        let notes = rows.iter().map(|row| row[column].metadata(&nothing)).collect::<DfResult<Vec<_>>>()?;
        if notes.windows(2).all(|two| two[0] == two[1]) {
            continue;
        }
        for (row, _) in rows.iter_mut().zip(&notes).filter(|(_, note)| !note.is_empty()) {
            let told = std::mem::take(&mut row[column]);
            row[column] = untold().call(vec![told]);
        }
    }
    LogicalPlanBuilder::values(rows)?.build()
}

/// CASE of integers of several widths as one of the widest. DataFusion takes the type of the first result for that of all until the plan is
/// analyzed, and what VALUES says of its columns stays as it was before.
fn widened(expr: Expr) -> DfResult<Expr> {
    let nothing = DFSchema::empty();
    let widened = expr.transform_up(|e| {
        let Expr::Case(mut case) = e else { return Ok(Transformed::no(e)) };
        let results = case.when_then_expr.iter().map(|(_, then)| then).chain(&case.else_expr);
        let types = results.map(|result| result.get_type(&nothing)).collect::<DfResult<Vec<_>>>().unwrap_or_default();
        let whole = types.iter().all(|ty| ty.is_signed_integer() || ty.is_null());
        let widest = [DataType::Int64, DataType::Int32, DataType::Int16].into_iter().find(|ty| types.contains(ty));
        let Some(widest) = widest.filter(|_| whole) else { return Ok(Transformed::no(Expr::Case(case))) };
        let results = case.when_then_expr.iter_mut().map(|(_, then)| then).chain(&mut case.else_expr);
        for (result, _) in results.zip(&types).filter(|(_, ty)| !ty.is_null() && **ty != widest) {
            let narrow = std::mem::take(result.as_mut());
            **result = Expr::Cast(Cast::new(Box::new(narrow), widest.clone()));
        }
        Ok(Transformed::yes(Expr::Case(case)))
    })?;
    Ok(widened.data)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct TypeOf {
    signature: Signature,
}

impl ScalarUDFImpl for TypeOf {
    fn name(&self) -> &str {
        "pg_typeof"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> DfResult<DataType> {
        Ok(PgType::Regtype.arrow())
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs) -> DfResult<FieldRef> {
        Ok(Arc::new(PgType::Regtype.field("pg_typeof", true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        let ty = args.arg_fields.first().map_or(PgType::Unknown, |field| match field.data_type() {
            // A literal that nothing has given a type.
            DataType::Null | DataType::Utf8 => PgType::Unknown,
            _ => PgType::of(field),
        });
        Ok(ColumnarValue::Scalar(ScalarValue::UInt32(Some(ty.oid()))))
    }
}
