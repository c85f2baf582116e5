//! A request to stop a step that is under way: of a view that is dropped or replaced, or of a server that ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result, code};

/// Asked by who needs a step's answer no more; what may take long within the step looks at it. Clones are one and the same.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Asks for the end, once and for all.
    pub fn ask(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// True once it was asked for.
    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Errors: 57014 once it was asked for. Cost: one load.
    pub fn check(&self) -> Result<()> {
        if self.is_asked() { Err(Error::new(code::QUERY_CANCELED, "the dataflow was stopped within a step")) } else { Ok(()) }
    }
}
