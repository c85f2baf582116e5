//! `pg_cancel_backend()` and `pg_terminate_backend()` (manual, chapter 9.28.2): a session stops another's statement, or its connection.
//!
//! The connection says how it is reached when it opens ([`Session::reached_by`](super::session::Session::reached_by)): it alone knows
//! whether a statement runs, and how its client is told.

use super::database::Engine;
use crate::catalog::SIGNAL_BACKEND;
use crate::error::{Error, Result, code};

/// The calls that reach a connection from outside.
pub struct Reach {
    /// Stops the statement that runs, if one does.
    pub cancel: Box<dyn Fn() + Send + Sync>,
    /// Ends the connection, 57P01.
    pub end: Box<dyn Fn() + Send + Sync>,
}

impl std::fmt::Debug for Reach {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reach")
    }
}

impl Engine {
    /// Stops the statement of session `target` for session `by`, with `end` its connection; false if there is no such session.
    /// Errors: 42501 unless `by` is a superuser, a member of the target's role, or one of pg_signal_backend.
    pub(super) fn signal(&self, by: i32, target: i32, end: bool) -> Result<bool> {
        let (asking, asked) = {
            let sessions = self.sessions.lock();
            (sessions.get(&by).map(|s| s.current_role), sessions.get(&target).map(|s| s.role))
        };
        let (Some(asking), Some(asked)) = (asking, asked) else { return Ok(false) };
        let Some(reach) = self.reaches.lock().get(&target).cloned() else { return Ok(false) };
        let catalog = self.catalog.load();
        let (roles, of) = (catalog.roles(), catalog.roles().member_of(asking));
        let member = of.contains(&asked) || of.contains(&SIGNAL_BACKEND);
        let may = roles.is_superuser(asking) || member && !roles.is_superuser(asked);
        if !may {
            let what = if end { "terminate process" } else { "cancel query" };
            return Err(Error::new(code::INSUFFICIENT_PRIVILEGE, format!("permission denied to {what}"))
                .detail("Only superusers, members of the session's role and, if that is no superuser, of pg_signal_backend may do it."));
        }
        if end {
            (reach.end)()
        } else {
            (reach.cancel)()
        }
        Ok(true)
    }
}
