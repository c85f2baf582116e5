//! What PostgreSQL's system columns of a row are (manual, chapter 5.5), as functions of the position of the event that the row is as of:
//! `row_ctid` differs from one change of a row to the next, as there (and so does `row_xmin`, which knows of transactions and stands with
//! those). `row_xmax` and `row_cid` are always 0, since nobody sees a row that is deleted, and no row has a number among the commands of its
//! transaction.
//!
//! `partition_oid` marks the number of the partition that a row is of, which is made of the partitions that there are when a query is planned.
//!
//! A tid is carried as text, whose order is not its own: where tids are compared and sorted, rewrite rules put [`key`] in their places.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, StringViewArray};
use arrow::datatypes::{DataType, Int64Type, UInt32Type};
use datafusion::common::DFSchema;
use datafusion::logical_expr::{Expr, ExprSchemable, ScalarUDF};

use super::define::{Function, Rule, TEXT, each, fixed, text};
use crate::data::{PgType, tid};
use crate::error::Result;

pub fn functions() -> Vec<Arc<ScalarUDF>> {
    let number: Rule = |types| fixed(types, &[DataType::Int64], 0, DataType::UInt32);
    vec![
        Function::typed("row_xmax", number, PgType::Id("xid"), |args, _| zeros(args)),
        Function::typed("row_cid", number, PgType::Id("cid"), |args, _| zeros(args)),
        Function::typed("row_ctid", |types| fixed(types, &[DataType::Int64], 0, TEXT), PgType::Opaque("tid"), places),
        // It depends on what is in the catalog: no plan of it is kept, nor folded.
        Function::stable(PARTITION_OID, |types| fixed(types, &[DataType::UInt32], 0, DataType::UInt32), |args, _| Ok(args[0].clone())),
        key(),
    ]
}

/// The function that marks the number of a row's partition.
pub const PARTITION_OID: &str = "partition_oid";

/// A number that has the order of the tid.
pub fn key() -> Arc<ScalarUDF> {
    Function::udf(
        "pg_tid_key",
        |types| fixed(types, &[TEXT], 0, DataType::Int64),
        |args, _| {
            let rows = each(args, |row| tid::position(text(args, 0).value(row)))?;
            Ok(Arc::new(rows.into_iter().collect::<Int64Array>()))
        },
    )
}

/// True for an expression of type tid.
pub fn is_tid(expr: &Expr, schema: &DFSchema) -> bool {
    expr.to_field(schema).is_ok_and(|(_, field)| PgType::of(&field) == PgType::Opaque("tid"))
}

/// 0 where there is a row.
fn zeros(args: &[ArrayRef]) -> Result<ArrayRef> {
    Ok(Arc::new(args[0].as_primitive::<Int64Type>().unary::<_, UInt32Type>(|_| 0)))
}

fn places(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let places = args[0].as_primitive::<Int64Type>().iter().map(|position| position.map(tid::of_position));
    Ok(Arc::new(places.collect::<StringViewArray>()))
}
