//! Triggers of streams, tables and plain views.

use serde::{Deserialize, Serialize};

use super::{FunctionId, Relation, RelationId, RelationKind};

/// A trigger that CREATE TRIGGER has made: a function that runs when a statement changes rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trigger {
    /// From the same numbers as those of relations.
    pub id: RelationId,
    pub name: String,
    pub timing: Timing,
    /// In their order, each once.
    pub events: Vec<TriggerEvent>,
    /// The columns of UPDATE OF.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    /// FOR EACH ROW, else once for a statement.
    pub row: bool,
    /// OLD TABLE of REFERENCING: the name by which the function reads the statement's rows as they were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_table: Option<String>,
    /// NEW TABLE: the same for the rows as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_table: Option<String>,
    /// The condition of WHEN over `new` and `old`, as SQL text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    pub function: FunctionId,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<String>,
    /// False after DISABLE TRIGGER.
    pub enabled: bool,
    /// What COMMENT ON TRIGGER says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// When a trigger fires: before a row is put or the statement begins, after the statement is done, or in the place of what it would do to a row of
/// a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Timing {
    Before,
    After,
    Instead,
}

/// What a trigger fires on, in the order in which PostgreSQL lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TriggerEvent {
    Insert,
    Delete,
    Update,
    Truncate,
}

impl Timing {
    /// TG_WHEN, and as it is written.
    pub fn word(self) -> &'static str {
        match self {
            Timing::Before => "BEFORE",
            Timing::After => "AFTER",
            Timing::Instead => "INSTEAD OF",
        }
    }
}

impl TriggerEvent {
    /// TG_OP, and as it is written.
    pub fn word(self) -> &'static str {
        match self {
            TriggerEvent::Insert => "INSERT",
            TriggerEvent::Delete => "DELETE",
            TriggerEvent::Update => "UPDATE",
            TriggerEvent::Truncate => "TRUNCATE",
        }
    }

    /// The event of a word in any case.
    pub fn named(word: &str) -> Option<TriggerEvent> {
        use TriggerEvent::{Delete, Insert, Truncate, Update};
        [Insert, Delete, Update, Truncate].into_iter().find(|event| event.word().eq_ignore_ascii_case(word))
    }

    /// Its bit in pg_trigger.tgtype.
    fn bit(self) -> i64 {
        match self {
            TriggerEvent::Insert => 1 << 2,
            TriggerEvent::Delete => 1 << 3,
            TriggerEvent::Update => 1 << 4,
            TriggerEvent::Truncate => 1 << 5,
        }
    }
}

impl Trigger {
    /// TG_LEVEL, and as it is written.
    pub fn level(&self) -> &'static str {
        if self.row { "ROW" } else { "STATEMENT" }
    }

    /// True if its function reads the rows of the statement as tables.
    pub fn has_tables(&self) -> bool {
        self.old_table.is_some() || self.new_table.is_some()
    }

    /// pg_trigger.tgtype
    pub fn bits(&self) -> i64 {
        let events: i64 = self.events.iter().map(|event| event.bit()).sum();
        let timing = match self.timing {
            Timing::Before => 1 << 1,
            Timing::After => 0,
            Timing::Instead => 1 << 6,
        };
        i64::from(self.row) + timing + events
    }
}

impl Relation {
    /// True for a view whose triggers are run in the place of what a statement would do to its rows.
    pub fn is_replaced_on(&self, event: TriggerEvent) -> bool {
        self.kind == RelationKind::View && self.firing(Timing::Instead, event, true, &[]).next().is_some()
    }

    /// The triggers that fire at that time, on that event, for each row or once, in the order of their names. `set`: the columns that an
    /// UPDATE sets.
    pub fn firing<'a>(&'a self, timing: Timing, event: TriggerEvent, row: bool, set: &'a [String]) -> impl Iterator<Item = &'a Trigger> {
        self.triggers.iter().filter(move |trigger| {
            let of_columns = event != TriggerEvent::Update || trigger.columns.is_empty() || trigger.columns.iter().any(|c| set.contains(c));
            trigger.enabled && trigger.timing == timing && trigger.row == row && trigger.events.contains(&event) && of_columns
        })
    }
}
