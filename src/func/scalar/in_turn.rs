//! What keeps the number of a row beside the value that a window function takes of it.

use std::sync::Arc;

use datafusion::logical_expr::ScalarUDF;

use super::define::Function;

/// A function of a value and the row's number that gives the value. It keeps the number in the plan, where it would be left out as unused.
pub const IN_TURN: &str = "pg_in_turn";
/// How the columns begin that number rows for it.
pub const TURN: &str = "__turn_";

/// The function called [`IN_TURN`].
pub fn in_turn() -> Arc<ScalarUDF> {
    Function::udf(IN_TURN, |types| (types.len() == 2).then(|| (types.to_vec(), types[0].clone())), |args, _| Ok(args[0].clone()))
}
