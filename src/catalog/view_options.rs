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
    /// Which rows may be written through it: `check_option`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<CheckOption>,
}

/// What WITH CHECK OPTION wants of a row that is written through a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckOption {
    /// That the view shows it.
    Local,
    /// The same of each view that the view reads.
    Cascaded,
}

/// What is said of them; `None` leaves one as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SaidOfView {
    pub invoker: Option<bool>,
    pub barrier: Option<bool>,
    pub check: Option<Option<CheckOption>>,
}

impl ViewOptions {
    /// True if nothing is said.
    pub fn is_none(&self) -> bool {
        *self == ViewOptions::default()
    }

    /// The options after that was said.
    pub fn with(self, said: SaidOfView) -> ViewOptions {
        ViewOptions {
            invoker: said.invoker.unwrap_or(self.invoker),
            barrier: said.barrier.unwrap_or(self.barrier),
            check: said.check.unwrap_or(self.check),
        }
    }

    /// The options that are on, by their names, as the catalog shows them.
    pub fn shown(self) -> Vec<(String, String)> {
        let all = [("security_barrier", self.barrier), ("security_invoker", self.invoker)];
        let on = all.into_iter().filter(|(_, on)| *on).map(|(name, _)| (name.to_string(), "true".to_string()));
        on.chain(self.check.map(|check| ("check_option".to_string(), check.word().to_string()))).collect()
    }
}

impl CheckOption {
    /// As an option's value is written.
    pub fn word(self) -> &'static str {
        match self {
            CheckOption::Local => "local",
            CheckOption::Cascaded => "cascaded",
        }
    }
}
