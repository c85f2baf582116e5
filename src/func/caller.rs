//! Who waits for what a statement gives: nothing is to be done for a statement that is over.
//!
//! A query is planned and runs on threads of its own, which are stopped only between two steps. So a function that acts may come to be called,
//! or still have rows to go, when its statement has failed or its session has ended; what it took then nobody would give back. And
//! a plan may take long, and its thread is wanted by others: see [`super::wanted`].

use std::sync::{Arc, Weak};

use datafusion::common::config::ConfigOptions;

use super::carried::carried;

/// Who waits for the plan or the rows of a query. By default somebody who stays.
#[derive(Clone, Debug, Default)]
pub struct Caller(Option<Weak<()>>);

impl Caller {
    /// One who stays as long as that is kept.
    pub fn staying(as_long_as: &Arc<()>) -> Caller {
        Caller(Some(Arc::downgrade(as_long_as)))
    }

    /// True once nobody waits any more.
    pub fn has_gone(&self) -> bool {
        self.0.as_ref().is_some_and(|stays| stays.strong_count() == 0)
    }

    /// Makes itself known to the functions that run, and the rules that plan, under `options`.
    pub fn introduce(self, options: &mut ConfigOptions) {
        options.extensions.insert(self);
    }

    /// The one who runs what runs, or is planned, under `options`.
    pub fn under(options: &ConfigOptions) -> Caller {
        options.extensions.get::<Caller>().cloned().unwrap_or_default()
    }
}

carried!(Caller, "caller");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_know_whether_their_caller_has_gone() {
        let mut options = ConfigOptions::default();
        assert!(!Caller::under(&options).has_gone());
        let stays = Arc::new(());
        Caller::staying(&stays).introduce(&mut options);
        let caller = Caller::under(&options);
        assert!(!caller.has_gone());
        drop(stays);
        assert!(caller.has_gone());
    }
}
