//! PL/pgSQL: DO, functions and procedures.
//!
//! 1. A body was read when its statement was ([`crate::sql::plpgsql`]). [`run::Run`] goes through its statements, in the transaction that is open;
//!    variables and their scopes are in [`frame`], and what they are given in [`assign`] and [`arrays`]. Cursors are in [`cursors`].
//! 2. SQL in it is planned and run as any other statement of the session, with the values of variables as parameters. A plan is kept for
//!    as long as the body runs.
//! 3. A block with EXCEPTION begins with a savepoint, and goes back to it for an error that it takes. COMMIT and ROLLBACK end the transaction
//!    that the statement of the client has opened, in a body that DO or CALL runs ([`Session::end_inside`]).
//! 4. CREATE FUNCTION pg_temp.name keeps a function in the session ([`functions`]), along with temporary tables and as long as they.
//!    A statement that calls functions is one that runs them first and reads what they answered as relations ([`calls`]).
//! 5. Functions that outlive their session are queries, which are expanded where they are called ([`lasting`]), or else routines, which run
//!    as those of the session do, and so do procedures ([`routines`]). DROP and ALTER of both are in [`named`].
//!
//! Decisions: values are PostgreSQL's text of them, each with its type: they go in and out as parameters and results do, and there is no
//! second set of conversions. A function runs once for a call that stands in FROM or in a SELECT without FROM, for each row for one that
//! is an item of a SELECT list ([`rowwise`]), and nowhere else, since it may do anything to the session, which the engine of queries cannot reach. So views call queries only: they could not fold what may do
//! anything.

mod arrays;
mod assign;
pub mod calls;
mod composites;
mod cursors;
mod frame;
mod functions;
mod lasting;
mod named;
mod queries;
mod raise;
mod routines;
mod rowwise;
mod run;
mod standing;
mod trigger;

use std::collections::HashMap;
use std::sync::Arc;

use crate::catalog::{self, FunctionId};
use crate::data::PgType;
use crate::error::{Error, Result, code};
use crate::sql::plpgsql::{Block, Function};

use super::session::Session;
pub(super) use composites::answers_rows_of;
use run::Run;
pub use trigger::{Made, RowTexts, TriggerCall};

/// The functions of a session.
pub type Functions = Vec<Arc<Function>>;

/// Routines by their numbers: as the catalog has each, and as it was read.
pub type Routines = HashMap<FunctionId, (Arc<catalog::Function>, Arc<Function>)>;

/// A value: PostgreSQL's text of it, and its type.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    pub ty: PgType,
    pub text: Option<String>,
}

impl Cell {
    fn text(text: impl Into<String>) -> Cell {
        Cell { ty: PgType::Text, text: Some(text.into()) }
    }

    fn is_true(&self) -> bool {
        self.text.as_deref() == Some("t")
    }
}

impl Session {
    /// DO. Errors: those of its statements that it does not take.
    pub(super) async fn run_block(&mut self, block: &Block) -> Result<()> {
        self.may_end = self.may_end_inside();
        self.within(async |session| Run::new(session, "inline_code_block", 0)?.block(block).await.map(drop)).await
    }

    /// Runs something made of statements: none of them ends the transaction that was opened for it. Where that is given up half way,
    /// the next statement begins outside again.
    pub(super) async fn within<T>(&mut self, run: impl AsyncFnOnce(&mut Session) -> Result<T>) -> Result<T> {
        self.inside += 1;
        let done = run(self).await;
        self.inside -= 1;
        done
    }
}

/// Stack that one step of a body may need, and how much more is taken where less is left, in bytes.
const STACK_BYTES: (usize, usize) = (2 << 20, 16 << 20);

/// The future, polled on a stack that grows: bodies call each other within polls.
async fn deep<T>(work: impl Future<Output = T>) -> T {
    let mut work = Box::pin(work);
    std::future::poll_fn(|cx| stacker::maybe_grow(STACK_BYTES.0, STACK_BYTES.1, || work.as_mut().poll(cx))).await
}

/// The error of what is not there yet.
fn unsupported(what: &str, hint: &str) -> Error {
    Error::new(code::FEATURE_NOT_SUPPORTED, what).hint(hint)
}
