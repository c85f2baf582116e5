//! What a session is while a function runs: its owner where that is SECURITY DEFINER, with the settings that its SET says.

use crate::engine::session::Session;
use crate::error::Result;
use crate::sql::plpgsql::Function;

impl Session {
    /// Runs something as a function is to run. What it runs may not become another role. Errors: those of settings.
    pub(super) async fn under<T>(&mut self, function: &Function, run: impl AsyncFnOnce(&mut Session) -> Result<T>) -> Result<T> {
        let owner = function.owner.filter(|_| function.definer);
        if owner.is_none() && function.settings.is_empty() {
            return run(self).await;
        }
        let (caller, outermost) = (self.identity.current, self.caller.is_none());
        if let Some(owner) = owner {
            self.caller.get_or_insert(caller);
            self.take_role(owner);
        }
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
        if owner.is_some() {
            self.take_role(caller);
            self.caller = self.caller.filter(|_| !outermost);
        }
        restored.and(done)
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
