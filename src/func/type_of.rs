//! Types by fields: pg_typeof(x), the type of its argument, whatever its value (manual, chapter 9.26.6); and x in a field that tells
//! nothing of its type.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result as DfResult, ScalarValue};
use datafusion::logical_expr::expr::BinaryExpr;
use datafusion::logical_expr::{
    Cast, ColumnarValue, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Operator, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility,
};

use super::cast;
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

/// The field of an expression, without its name: what tells its type; `None` if it has none. DataFusion writes the names of all that an
/// expression is made of to tell its field, so a rule that asks at each member of a long chain of AND, OR or casts would take time that grows
/// with the cube of its length; of these the field is told without. That it may be NULL is not said.
pub fn field(expr: &Expr, schema: &DFSchema) -> Option<FieldRef> {
    let Expr::Cast(cast) = expr else { return outermost(expr, schema) };
    // A cast that notes nothing of its type keeps what its operand notes, as DataFusion has it.
    let mut telling = expr;
    while let Expr::Cast(Cast { expr, field }) = telling
        && field.name().is_empty()
        && field.is_nullable()
        && field.metadata().is_empty()
    {
        telling = expr;
    }
    let notes = match telling {
        Expr::Cast(cast) => cast.field.metadata().clone(),
        operand => outermost(operand, schema)?.metadata().clone(),
    };
    Some(Arc::new(Field::new("", cast.field.data_type().clone(), true).with_metadata(notes)))
}

/// The field of an expression that is no cast of DataFusion's.
fn outermost(expr: &Expr, schema: &DFSchema) -> Option<FieldRef> {
    match expr {
        // Operands that are no conditions were refused.
        Expr::BinaryExpr(BinaryExpr { op: Operator::And | Operator::Or, .. }) => Some(Arc::new(Field::new("", DataType::Boolean, true))),
        Expr::ScalarFunction(call) => match call.func.inner().downcast_ref::<cast::PgCast>() {
            Some(cast) => Some(Arc::new(cast.target().field("", true))),
            None => expr.to_field(schema).ok().map(|(_, field)| field),
        },
        other => other.to_field(schema).ok().map(|(_, field)| field),
    }
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

#[cfg(test)]
mod tests {
    use arrow::datatypes::Schema;
    use datafusion::logical_expr::col;

    use super::*;

    fn schema() -> DFSchema {
        let fields = vec![PgType::Varchar(Some(3)).field("name", true), PgType::Int4.field("id", true), PgType::Bool.field("is", true)];
        DFSchema::try_from(Schema::new(fields)).unwrap()
    }

    /// `value::to::to ..`, by DataFusion's casts that note the type or do not, and by our own.
    fn casts(value: &str, to: &[PgType]) -> Vec<Expr> {
        let noted = |value, ty: &PgType| Expr::Cast(Cast::new_from_field(Box::new(value), Arc::new(ty.field("", true))));
        let plain = |value, ty: &PgType| Expr::Cast(Cast::new(Box::new(value), ty.arrow()));
        let own = |value, ty: &PgType| cast::call(value, ty.clone());
        let all: [fn(Expr, &PgType) -> Expr; 3] = [noted, plain, own];
        all.iter().flat_map(|first| all.iter().map(move |then| (first, then))).fold(Vec::new(), |mut found, (first, then)| {
            let inner = to[..1].iter().fold(col(value), first);
            found.push(to[1..].iter().fold(inner, then));
            found
        })
    }

    #[test]
    fn the_field_of_a_chain_tells_the_type_that_datafusion_finds() {
        let schema = schema();
        let is = || col("is").and(col("is")).or(col("is"));
        let mut all = vec![col("id"), col("name"), is(), is().and(is())];
        for to in [[PgType::Text, PgType::Varchar(Some(2)), PgType::Text], [PgType::Varchar(Some(2)), PgType::Text, PgType::Int4]] {
            all.extend(casts("name", &to));
            all.extend(casts("id", &to));
        }
        for expr in all {
            let told = expr.to_field(&schema).unwrap().1;
            let found = field(&expr, &schema).unwrap();
            assert_eq!((found.data_type(), PgType::of(&found)), (told.data_type(), PgType::of(&told)), "{expr}");
        }
    }

    #[test]
    fn a_long_chain_of_casts_is_named_by_all_of_its_types() {
        let long = (0..300).fold(col("id"), |value, _| cast::call(value, PgType::Int4));
        assert_eq!(long.schema_name().to_string(), format!("id{}", "::integer".repeat(300)));
    }
}
