//! The modes in which LOCK TABLE locks a table, which are those that statements lock it in by themselves.
//!
//! Manual: PostgreSQL, "Explicit Locking", "Table-Level Locks".

/// A mode of locking a whole table; the later ones exclude more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TableMode {
    /// The table is read, and must stay as it is defined.
    AccessShare,
    /// Rows are locked, by FOR UPDATE or since others refer to them.
    RowShare,
    /// Rows are changed.
    RowExclusive,
    ShareUpdateExclusive,
    /// Nobody may change rows.
    Share,
    ShareRowExclusive,
    /// Others may read.
    Exclusive,
    /// The table is defined otherwise, or emptied.
    AccessExclusive,
}

impl TableMode {
    pub const ALL: [TableMode; 8] = [
        TableMode::AccessShare,
        TableMode::RowShare,
        TableMode::RowExclusive,
        TableMode::ShareUpdateExclusive,
        TableMode::Share,
        TableMode::ShareRowExclusive,
        TableMode::Exclusive,
        TableMode::AccessExclusive,
    ];

    /// Its words in LOCK TABLE, in lower case.
    pub fn words(self) -> &'static str {
        match self {
            TableMode::AccessShare => "access share",
            TableMode::RowShare => "row share",
            TableMode::RowExclusive => "row exclusive",
            TableMode::ShareUpdateExclusive => "share update exclusive",
            TableMode::Share => "share",
            TableMode::ShareRowExclusive => "share row exclusive",
            TableMode::Exclusive => "exclusive",
            TableMode::AccessExclusive => "access exclusive",
        }
    }

    /// True if two sessions cannot lock a table in these modes at the same time.
    pub fn excludes(self, other: TableMode) -> bool {
        let stronger = self.max(other);
        match self.min(other) {
            TableMode::AccessShare => stronger == TableMode::AccessExclusive,
            TableMode::RowShare => stronger >= TableMode::Exclusive,
            TableMode::RowExclusive => stronger >= TableMode::Share,
            TableMode::Share => stronger != TableMode::Share,
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of the manual, a line for each mode: X where it excludes the mode of that column.
    #[test]
    fn modes_exclude_each_other_as_in_the_manual() {
        let manual = [".......X", "......XX", "....XXXX", "...XXXXX", "..XX.XXX", "..XXXXXX", ".XXXXXXX", "XXXXXXXX"];
        for (mode, line) in TableMode::ALL.into_iter().zip(manual) {
            let ours: String = TableMode::ALL.into_iter().map(|other| if mode.excludes(other) { 'X' } else { '.' }).collect();
            assert_eq!(ours, line, "{}", mode.words());
        }
    }
}
