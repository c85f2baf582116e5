//! Where statements are planned: aside, on threads that nobody else waits for.
//!
//! Planning is computation of a length that the statement decides, and no step of it can be interrupted. On a socket's thread it would hold
//! up every session of that thread, on a query's thread other queries; so it has threads of its own, and its session awaits it as it
//! awaits a disk: cancel and statement_timeout are answered at once, while the plan that nobody wants any more runs on to its next rule,
//! where it ends ([`Caller`](crate::func::caller::Caller)).
//!
//! Bounded: a session has one plan under way, also one that was given up, and all of them together [`limits::PLANS_MAX`].
//!
//! Cost: two wake-ups a plan, of the planning thread and of the session. A look-up by key, a prepared statement that is run again,
//! and an INSERT of literals or parameters are not planned and wake nobody here; a short text is parsed where it is.

use std::future::Future;

use super::session::Session;
use crate::error::{Error, Result, code};
use crate::limits;
use crate::sql::{Statement, parse};

impl Session {
    /// Does work that may take long aside. Errors: those of the work; 57P01 when the server is closing.
    pub(super) async fn aside<T, F>(&self, work: impl FnOnce() -> F + Send + 'static) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>>,
    {
        // Neither semaphore is ever closed. The work keeps both places, since it may outlive this call.
        let places = (self.planning.clone().acquire_owned().await, self.engine.planning.clone().acquire_owned().await);
        let runtime = self.engine.query_runtime().clone();
        let task = self.engine.query_runtime().spawn_blocking(move || {
            let _kept = places;
            runtime.block_on(work())
        });
        task.await.unwrap_or_else(|e| {
            Err(match e.is_panic() {
                true => Error::internal("planning the statement ended in an internal error"),
                false => Error::new(code::ADMIN_SHUTDOWN, "terminating connection due to administrator command"),
            })
        })
    }

    /// Parses a statement, or takes it as [`Session::parse_ahead`] has parsed it.
    pub(super) async fn parsed(&self, text: &str) -> Result<Statement> {
        if let Some(statement) = self.ksql_statement(text)? {
            return Ok(Statement::Ksql(Box::new(statement)));
        }
        let ahead = self.ahead.lock().remove(text);
        match ahead {
            Some(statement) => Ok(statement),
            None => self.parsed_plainly(text).await,
        }
    }

    /// Parses a statement whose turn is yet to come; false if it may be ksqlDB's. What is refused for what it means is so in its turn.
    pub(super) async fn parsed_ahead(&self, text: &str) -> Result<bool> {
        // A variable of ksqlDB's may be defined by what runs before.
        if text.contains("${") || !matches!(self.ksql_statement(text), Ok(None)) {
            return Ok(false);
        }
        match self.parsed_plainly(text).await {
            Ok(statement) => {
                let mut ahead = self.ahead.lock();
                if ahead.len() < limits::AHEAD_STATEMENTS_MAX {
                    ahead.insert(text.to_string(), statement);
                }
                Ok(true)
            }
            Err(e) if e.code() == code::SYNTAX_ERROR => Err(e),
            Err(_) => Ok(true),
        }
    }

    /// Parses a statement of PostgreSQL's: at once where that takes no time to speak of.
    async fn parsed_plainly(&self, text: &str) -> Result<Statement> {
        if is_short(text) {
            return parse(text);
        }
        let text = text.to_string();
        self.aside(move || std::future::ready(parse(&text))).await
    }
}

/// True for a text that is parsed in less time than waking another thread takes, or little more: not long, and not deep, since the
/// parser's time doubles with each level of calls.
fn is_short(text: &str) -> bool {
    let mut depth = 0usize;
    text.len() <= limits::SHORT_STATEMENT_BYTES_MAX
        && text.bytes().all(|byte| {
            match byte {
                b'(' | b'[' => depth += 1,
                b')' | b']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth <= SHORT_DEPTH_MAX
        })
}

/// Brackets of a short text that may be open at once.
const SHORT_DEPTH_MAX: usize = 5;

#[cfg(test)]
mod tests {
    use super::is_short;

    #[test]
    fn a_long_or_deep_text_is_not_short() {
        assert!(is_short("INSERT INTO t VALUES (1, 'x'), (abs(coalesce(2, 3)), 'y)))')"));
        assert!(!is_short(&"a".repeat(5_000)));
        assert!(!is_short("SELECT f(f(f(f(f(f(1))))))"));
        assert!(is_short("(1)(2)(3)(4)(5)(6)(7)"));
    }
}
