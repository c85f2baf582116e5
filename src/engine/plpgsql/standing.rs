//! What a session is while a function runs: its owner where that is SECURITY DEFINER, with the settings that its SET says.

use crate::catalog::RoleId;
use crate::engine::session::Session;
use crate::error::Result;
use crate::sql::plpgsql::Function;

/// Who the session was before it became an owner.
pub(in crate::engine) struct Left {
    role: RoleId,
    /// True if it did not act for somebody else by then.
    outermost: bool,
}

impl Session {
    /// Runs something as a function is to run. What it runs may not become another role. Errors: those of settings.
    pub(super) async fn under<T>(&mut self, function: &Function, run: impl AsyncFnOnce(&mut Session) -> Result<T>) -> Result<T> {
        let owner = function.owner.filter(|_| function.definer);
        if owner.is_none() && function.settings.is_empty() {
            return run(self).await;
        }
        // The end of the transaction would be one of these settings too.
        self.may_end = false;
        let caller = owner.map(|owner| self.become_owner(owner));
        let mark = self.settings_changed();
        let before: Vec<(String, Option<String>)> =
            function.settings.iter().map(|(name, _)| (name.clone(), self.settings.get(name).ok())).collect();
        let set = function.settings.iter().try_for_each(|(name, value)| self.set(name, value.as_deref(), true).map(drop));
        self.context.forget();
        let done = match set {
            Ok(()) => run(self).await,
            Err(e) => Err(e),
        };
        let restored = before.iter().rev().try_for_each(|(name, value)| self.apply_setting(name, value.as_deref()));
        self.forget_changed(mark, before.len());
        self.context.forget();
        if let Some(caller) = caller {
            self.go_back(caller);
        }
        restored.and(done)
    }

    /// What follows is done as the owner of a function or of a table, until [`Session::go_back`]. It may not become another role.
    pub(in crate::engine) fn become_owner(&mut self, owner: RoleId) -> Left {
        let left = Left { role: self.identity.current, outermost: self.caller.is_none() };
        self.caller.get_or_insert(left.role);
        self.take_role(owner);
        left
    }

    /// Is again who it was.
    pub(in crate::engine) fn go_back(&mut self, to: Left) {
        self.caller = self.caller.filter(|_| !to.outermost);
        self.take_role(to.role);
    }

    /// Goes back to who called, where a function that ran as its owner was given up half way.
    pub(in crate::engine) fn leave_owner(&mut self) {
        if let Some(caller) = self.caller.take() {
            self.take_role(caller);
        }
    }

    fn settings_changed(&self) -> usize {
        self.transaction.as_ref().map_or(0, |transaction| transaction.settings.len())
    }

    /// Takes the settings of a call off the list of what the end of the transaction undoes: they are as they were.
    fn forget_changed(&mut self, mark: usize, count: usize) {
        if let Some(transaction) = &mut self.transaction {
            let end = (mark + count).min(transaction.settings.len());
            transaction.settings.drain(mark.min(end)..end);
        }
    }
}
