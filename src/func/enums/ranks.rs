//! Subqueries whose value is an array of an enumeration.
//!
//! DataFusion puts the value of a subquery into the plan as a constant, and prints it; of such arrays it cannot ([`super::bound`]). So the value is
//! an array of ranks, which are numbers, and becomes one of labels again outside; where one label is taken out of it, that label does.

use std::sync::Arc;

use arrow::compute::cast;
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Column, Result as DfResult, ScalarValue};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    ColumnarValue, Expr, LogicalPlanBuilder, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Subquery, Volatility,
};

use crate::data::PgType;

/// The function's name.
pub(super) const NAME: &str = "enum_ranks";

/// The subquery, whose value is of this array of an enumeration, with ranks in the place of labels.
pub(super) fn of_subquery(subquery: Subquery, ty: &PgType) -> DfResult<Expr> {
    let ty = nested(subquery.subquery.schema().field(0).data_type(), ty);
    let value = Column::from(subquery.subquery.schema().qualified_field(0));
    let name = value.name.clone();
    let ranks = carried(Expr::Column(value), ranks_of(&ty)).alias(name);
    let plan = LogicalPlanBuilder::from(Arc::clone(&subquery.subquery)).project([ranks])?.build()?;
    let subquery = Subquery { subquery: Arc::new(plan), ..subquery };
    Ok(carried(Expr::ScalarSubquery(subquery), ty))
}

/// The label that a function takes out of the array of a subquery: that of the rank which it takes out.
pub(super) fn of_item(mut call: ScalarFunction) -> Result<Expr, ScalarFunction> {
    let of_labels = call.args.first().and_then(|arg| match arg {
        Expr::ScalarFunction(array) => Some((array.func.inner().downcast_ref::<Carried>()?, array.args.first()?)),
        _ => None,
    });
    match of_labels {
        Some((Carried { to: PgType::Array(item), .. }, ranks)) => {
            let (item, ranks) = (item.as_ref().clone(), ranks.clone());
            call.args[0] = ranks;
            Ok(carried(Expr::ScalarFunction(call), item))
        }
        _ => Err(call),
    }
}

/// The array as deep as its Arrow type. To PostgreSQL an array of arrays is of the type that these have; but where arrays of several rows are
/// gathered, one is taken out.
fn nested(shape: &DataType, ty: &PgType) -> PgType {
    match (shape, ty.enumeration()) {
        (DataType::List(item), _) => PgType::Array(Box::new(nested(item.data_type(), ty))),
        (_, Some(of)) => PgType::Enum(of.clone()),
        (_, None) => ty.clone(),
    }
}

fn ranks_of(ty: &PgType) -> PgType {
    match ty {
        PgType::Array(item) => PgType::Array(Box::new(ranks_of(item))),
        _ => PgType::Int8,
    }
}

fn carried(expr: Expr, to: PgType) -> Expr {
    // A constant array of labels would be printed.
    let volatility = if matches!(to, PgType::Array(_)) && to.is_of_enum() { Volatility::Volatile } else { Volatility::Immutable };
    let function = ScalarUDF::new_from_impl(Carried { to, signature: Signature::any(1, volatility) });
    Expr::ScalarFunction(ScalarFunction::new_udf(Arc::new(function), vec![expr]))
}

/// Labels as their ranks, and ranks as labels of a type.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Carried {
    to: PgType,
    signature: Signature,
}

impl ScalarUDFImpl for Carried {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> DfResult<DataType> {
        Ok(self.to.arrow())
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs) -> DfResult<FieldRef> {
        Ok(Arc::new(self.to.field(NAME, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        let values = cast(&args.args[0].to_array(1)?, &self.to.arrow())?;
        Ok(match &args.args[0] {
            ColumnarValue::Array(_) => ColumnarValue::Array(values),
            ColumnarValue::Scalar(_) => ColumnarValue::Scalar(ScalarValue::try_from_array(&values, 0)?),
        })
    }
}
