//! What CREATE VIEW .. WITH (..) and ALTER VIEW .. SET (..) say of a plain view.

use serde::{Deserialize, Serialize};

/// How a view is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewOptions {
    /// What its query reads is read with the rights of who asks, and not of its owner: `security_invoker`.
    #[serde(default)]
    pub invoker: bool,
    /// Nothing that a query says is computed of rows before the view's own conditions have let them through: `security_barrier`.
    #[serde(default)]
    pub barrier: bool,
}

/// What is said of them; `None` leaves one as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SaidOfView {
    pub invoker: Option<bool>,
    pub barrier: Option<bool>,
}

impl ViewOptions {
    /// True if nothing is said.
    pub fn is_none(&self) -> bool {
        *self == ViewOptions::default()
    }

    /// The options after that was said.
    pub fn with(self, said: SaidOfView) -> ViewOptions {
        ViewOptions { invoker: said.invoker.unwrap_or(self.invoker), barrier: said.barrier.unwrap_or(self.barrier) }
    }

    /// The options that are on, by their names, as the catalog shows them.
    pub fn shown(self) -> Vec<(String, String)> {
        let all = [("security_barrier", self.barrier), ("security_invoker", self.invoker)];
        all.into_iter().filter(|(_, on)| *on).map(|(name, _)| (name.to_string(), "true".to_string())).collect()
    }
}
