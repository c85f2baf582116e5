//! What EXPLAIN is asked for.

/// What EXPLAIN shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Explain {
    /// The plan of a query.
    Plan,
    /// The plan, with what running it did.
    Analyze,
    /// The operators that a materialized view of it would have.
    Dataflow,
}

impl Explain {
    /// How a statement asks for it.
    pub fn words(self) -> &'static str {
        match self {
            Explain::Plan => "EXPLAIN",
            Explain::Analyze => "EXPLAIN ANALYZE",
            Explain::Dataflow => "EXPLAIN DATAFLOW",
        }
    }
}
