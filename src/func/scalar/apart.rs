//! What tells columns apart that DataFusion would call by one name.

use std::sync::Arc;

use datafusion::logical_expr::ScalarUDF;

use super::define::Function;

/// A function of a value and a number that gives the value; a query is planned with it and runs without.
pub const APART: &str = "pg_apart";

pub fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![Function::udf(APART, |types| (types.len() == 2).then(|| (types.to_vec(), types[0].clone())), |args, _| Ok(args[0].clone()))]
}
