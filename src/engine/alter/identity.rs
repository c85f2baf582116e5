//! Identity columns: ADD GENERATED, SET GENERATED with options of the sequence, and DROP IDENTITY.

use crate::catalog::{Change, Identity, Relation, RelationId};
use crate::engine::sequence::with_options;
use crate::engine::session::Session;
use crate::error::{Error, Result, code};
use crate::sql::statement::SequenceOptions;

impl Session {
    /// Errors: 55000 for a column that may be NULL, or whose values come from elsewhere.
    pub(super) fn add_identity(&mut self, mut altered: Relation, column: &str, kind: Identity, options: &SequenceOptions) -> Result<()> {
        let at = altered.column(column)?;
        let of = &altered.columns[at];
        let named = format!("column \"{column}\" of relation \"{}\"", altered.name);
        let refused = if of.nullable {
            format!("{named} must be declared NOT NULL before identity can be added")
        } else if of.identity.is_some() {
            format!("{named} is already an identity column")
        } else if of.generated.is_some() || of.default.is_some() {
            format!("{named} already has a default value")
        } else {
            altered.columns[at].identity = Some(kind);
            let sequence = self.number_column(&mut altered, at, options)?;
            self.stage(sequence, vec![])?;
            return self.stage(Change::Alter(altered), vec![]);
        };
        Err(Error::new(code::OBJECT_NOT_IN_PREREQUISITE_STATE, refused))
    }

    /// Errors: 55000 for another column, 22023 for what cannot be the sequence's.
    pub(super) fn alter_identity(
        &mut self,
        mut altered: Relation,
        column: &str,
        kind: Option<Identity>,
        options: &SequenceOptions,
    ) -> Result<()> {
        let at = altered.column(column)?;
        if altered.columns[at].identity.is_none() {
            return Err(no_identity(&altered, column));
        }
        for sequence in self.catalog().sequences.of_column(altered.id, column) {
            let changed = with_options(sequence.as_ref().clone(), false, options)?;
            self.alter_sequence_of(sequence, changed, options)?;
        }
        if let Some(kind) = kind {
            altered.columns[at].identity = Some(kind);
            self.stage(Change::Alter(altered), vec![])?;
        }
        Ok(())
    }

    /// Errors: 55000 for another column, unless that is all right.
    pub(super) fn drop_identity(&mut self, mut altered: Relation, column: &str, if_exists: bool) -> Result<()> {
        let at = altered.column(column)?;
        if altered.columns[at].identity.take().is_none() {
            let error = no_identity(&altered, column);
            if !if_exists {
                return Err(error);
            }
            self.notice("NOTICE", Error::new(code::SUCCESS, format!("{}, skipping", error.message())));
            return Ok(());
        }
        let gone: Vec<RelationId> = self.catalog().sequences.of_column(altered.id, column).map(|sequence| sequence.id).collect();
        self.stage(Change::Alter(altered), vec![])?;
        gone.into_iter().try_for_each(|id| self.stage(Change::DropSequence(id), vec![]))
    }
}

fn no_identity(relation: &Relation, column: &str) -> Error {
    let message = format!("column \"{column}\" of relation \"{}\" is not an identity column", relation.name);
    Error::new(code::OBJECT_NOT_IN_PREREQUISITE_STATE, message)
}

/// 42601: what is to be done cannot be done to an identity column.
pub(super) fn is_identity(relation: &Relation, column: &str) -> Error {
    Error::syntax(format!("column \"{column}\" of relation \"{}\" is an identity column", relation.name))
}
