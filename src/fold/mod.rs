//! The fold: synchronous operators, a delta in, a delta out. No I/O, no clock, no randomness.
//!
//! The life of a view here: the plan builds a [`Flow`], a tree of [`Operator`]s over the view's inputs; each step hands
//! [`Flow::step`] all that happened to the inputs since the last one, and what comes out is applied to an [`Output`], whose
//! [`Snapshot`]s are what readers scan and probe. [`Flow::save`] and [`Output::save`] write a checkpoint, `load` reads it back.
//!
//! Invariants, the contract of every operator, asserted by the property tests in `testing`:
//! 1. *Linear bookkeeping.* After any sequence of steps the sum of all outputs equals the query over the sum of all inputs.
//! 2. *Chunking.* However the inputs are cut into deltas and steps, the summed output is the same.
//! 3. *Retraction.* Folding a delta and then its negation leaves the summed output as before, and the state no larger than
//!    before, up to slack of freed slots.
//! 4. *Determinism.* No consolidated output depends on hash order or batching.
//! 5. *Save and load.* A loaded operator behaves as the saved one.
//!
//! The term of a recursive query is a tree of such operators that is stepped several times within a step ([`recursion`]).
//!
//! Decisions. Within a step weights of a row may be negative for a while, as a retraction may come before its insertion; at the
//! end of a step the sum of all deltas never is. Stateful operators are made of two parts: [`KeyIndex`] gives equal keys one
//! dense number, and everything else is a vector indexed by that number, or a [`RowStore`] that keeps whole rows columnar.
//! So nothing on a hot path allocates per row, and hash order is never visible. Equality of grouping, join and DISTINCT keys is
//! SQL's (-0.0 equals 0.0, all NaN are one); equality of rows to be retracted is that of their bytes.
//!
//! Whether a row errs must not depend on its neighbours in a batch, which decide what DataFusion's AND, OR and CASE skip:
//! [`eval::evaluate`] asks row by row before it believes an error. Rows that come and go within one step are nobody's, so Filter and Project
//! take them out before they believe one.

pub mod aggregate;
pub mod arrangement;
pub mod basic;
pub mod chains;
pub mod distinct;
mod encoded;
pub mod eval;
pub mod expand;
pub mod first_rows;
pub mod flow;
mod forms;
pub mod join;
pub mod key_index;
mod key_pairs;
pub mod ksql;
pub mod leave_out;
pub mod marks;
mod number_table;
pub mod output;
pub mod overlay;
pub mod recursion;
pub mod row_keys;
mod row_store;
pub mod session;
pub mod set_operation;
pub mod state;
pub mod stop;
pub mod temporal;
#[cfg(test)]
mod testing;
pub mod top_n;
pub mod unnest;
pub mod upsert;
pub mod value_index;
mod warm;
pub mod window;
mod zone_map;

use arrow::datatypes::SchemaRef;

use crate::data::Delta;
use crate::error::Result;

pub use aggregate::{Aggregate, AggregateCall, AggregateKind};
pub use basic::{Consolidate, Filter, Project, Union};
pub use distinct::Distinct;
pub use eval::{Expr, consolidate};
pub use expand::{Expand, GroupingSet};
pub use first_rows::FirstRows;
pub use flow::{Flow, OperatorReport, RowColumns};
pub use join::{Join, JoinSpec};
pub use key_index::KeyIndex;
pub use leave_out::{Guard, LeaveOut};
pub use marks::Marks;
pub use output::{Output, Snapshot};
pub use overlay::Overlay;
pub use recursion::{ITERATION, Recursion, iteration_field};
pub use row_keys::{Computed, Keyed, RowKeys};
pub use row_store::{Chunk, RowStore};
pub use session::{Session, SessionSpec};
pub use set_operation::{SetOperation, SetOperationKind};
pub use state::{StateReader, StateWriter};
pub use stop::Stop;
pub use temporal::{Passes, Temporal, TemporalSpec, is_time};
pub use top_n::{TopN, TopNSpec};
pub use unnest::{Unnest, UnnestColumn};
pub use upsert::{Identity, Upsert};
pub use window::{Window, WindowCall, WindowFunction, WindowSpec};
pub use zone_map::{Within, extent};

/// One incremental operator; its contract stands at the head of this module.
pub trait Operator: Send {
    /// Its name in EXPLAIN.
    fn name(&self) -> &'static str;
    /// What it does, for EXPLAIN.
    fn detail(&self) -> String;
    /// The schema of its output.
    fn schema(&self) -> SchemaRef;
    /// Folds all that happened in this step, one list of deltas per input, and returns the change of the output.
    fn step(&mut self, inputs: Vec<Vec<Delta>>) -> Result<Vec<Delta>>;
    /// Tells what its steps stop by, with 57014, where they can take much longer than their inputs are.
    fn stop_by(&mut self, _stop: &Stop) {}
    /// What it computes of each row of its only input, if that is all that it does.
    fn row_by_row(&self) -> Option<&[Expr]> {
        None
    }
    /// Bytes of memory held between steps, about.
    fn state_bytes(&self) -> usize {
        0
    }
    /// Rows that it has left out because an expression errs for them, less those retracted since.
    fn left_out(&self) -> i64 {
        0
    }
    /// What the operators that it is made of have done, if it is made of some; depths count from 0.
    fn parts(&self) -> Vec<OperatorReport> {
        Vec::new()
    }
    /// Writes its state; a stateless operator writes nothing.
    fn save(&self, _out: &mut StateWriter<'_>) -> Result<()> {
        Ok(())
    }
    /// Reads what `save` wrote, into an operator built alike. Errors: XX001 for damaged bytes.
    fn load(&mut self, _input: &mut StateReader<'_>) -> Result<()> {
        Ok(())
    }
}
