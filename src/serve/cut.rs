//! All that one statement reads, at one position.

use std::collections::HashMap;

use super::table::TableRows;
use crate::catalog::RelationId;
use crate::data::Position;
use crate::log::Slice;

/// What a relation holds at the cut's position.
pub enum Readable {
    /// The events of a stream: sealed segments and the tail behind them.
    Events(Slice),
    /// The rows of a table or materialized view.
    Rows(TableRows),
}

/// The relations of one statement at one position.
#[derive(Default)]
pub struct ReadCut {
    /// The position: every event before it is seen, none after.
    pub position: Position,
    /// What each relation named holds there.
    pub relations: HashMap<RelationId, Readable>,
}
