//! Expressions that err: for constants at once, for rows by failing the view or by leaving them out.
//!
//! In a view that leaves out such rows, every operator that evaluates expressions over rows is lowered with a `LeaveOut` of the same
//! expressions below it ([`Lowering::guarded`]). Expressions that cannot err need none.

use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::Schema;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::ScalarFunctionExpr;
use datafusion::physical_expr::expressions::{
    BinaryExpr, CaseExpr, Column, InListExpr, IsNotNullExpr, IsNullExpr, LikeExpr, Literal, NotExpr,
};

use super::{Lowered, Lowering};
use crate::error::{Error, Result};
use crate::fold::{AggregateCall, Expr, Flow, Guard, LeaveOut};

impl Lowering<'_> {
    /// The rows of `input` for which none of these expressions errs, if the view leaves out the others; else all of them. Errors: 0A000
    /// where what is left out would be missed by no row but counted as none, see [`Lowering::for_outer_rows`].
    pub(super) fn guarded(&self, input: Lowered, guards: Vec<Guard>) -> Result<Lowered> {
        if !self.options.leaves_out {
            return Ok(input);
        }
        let mut needed = Vec::new();
        for Guard { filter, mut exprs } in guards {
            // What the filter itself raises is asked first, over all rows.
            if filter.as_ref().is_some_and(may_err) {
                needed.push(always(&filter));
            }
            exprs.retain(may_err);
            if !exprs.is_empty() {
                needed.push(Guard { filter, exprs });
            }
        }
        if needed.is_empty() {
            return Ok(input);
        }
        if self.for_outer_rows {
            return Err(refused("subquery, which is computed for each row around it and may err"));
        }
        let schema = input.flow.schema();
        Ok(Lowered { flow: Flow::node(Box::new(LeaveOut::new(needed, schema)), vec![input.flow]), ..input })
    }
}

/// The refusal where it shows that a row has been left out.
pub(super) fn refused(place: &str) -> Error {
    Error::unsupported(format!("rows cannot be left out of this {place}"))
        .hint("Compute what may err in a view of its own that leaves out such rows, and join that.")
}

/// Expressions that are evaluated over all rows.
pub(super) fn always<'a>(exprs: impl IntoIterator<Item = &'a Expr>) -> Guard {
    Guard { filter: None, exprs: exprs.into_iter().cloned().collect() }
}

/// What an aggregate call evaluates.
pub(super) fn of_call(call: &AggregateCall) -> Guard {
    let order = call.order_by.iter().map(|o| &o.expr);
    Guard { filter: call.filter.clone(), ..always(call.args.iter().chain(order)) }
}

/// False if the expression has a value for every row.
pub(super) fn may_err(expr: &Expr) -> bool {
    use Operator::*;
    let harmless = expr
        .downcast_ref::<BinaryExpr>()
        .is_some_and(|b| matches!(b.op(), Eq | NotEq | Lt | LtEq | Gt | GtEq | And | Or | IsDistinctFrom | IsNotDistinctFrom))
        || expr.downcast_ref::<Column>().is_some()
        || expr.downcast_ref::<Literal>().is_some()
        || expr.downcast_ref::<IsNullExpr>().is_some()
        || expr.downcast_ref::<IsNotNullExpr>().is_some()
        || expr.downcast_ref::<NotExpr>().is_some()
        || expr.downcast_ref::<InListExpr>().is_some()
        || expr.downcast_ref::<LikeExpr>().is_some()
        || expr.downcast_ref::<CaseExpr>().is_some();
    !harmless || expr.children().into_iter().any(may_err)
}

/// Errors: that of a part without columns, which errs for every row; PostgreSQL refuses such a query even over no rows. What only some
/// rows reach is left alone.
pub(super) fn refuse_always_erring(expr: &Expr) -> Result<()> {
    let function = expr.downcast_ref::<ScalarFunctionExpr>();
    let conditional = expr.downcast_ref::<CaseExpr>().is_some() || function.is_some_and(|f| f.name() == "coalesce");
    if conditional || !may_err(expr) {
        return Ok(());
    }
    if !reads_columns(expr) {
        let one = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &RecordBatchOptions::new().with_row_count(Some(1)))?;
        return match expr.evaluate(&one).map_err(Error::from) {
            Err(e) if e.is_of_data() => Err(e),
            _ => Ok(()),
        };
    }
    expr.children().into_iter().try_for_each(refuse_always_erring)
}

fn reads_columns(expr: &Expr) -> bool {
    expr.downcast_ref::<Column>().is_some() || expr.children().into_iter().any(reads_columns)
}
