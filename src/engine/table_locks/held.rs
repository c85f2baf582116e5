//! What a session holds of one table: rows in each [`Mode`], and the table in [`TableMode`]s. What it has got after a savepoint is a list of
//! gains, of which the last are undone when it goes back; so a savepoint costs nothing by itself.

use std::collections::HashSet;

use super::{MODES, Mode, Request};
use crate::sql::TableMode;

/// The rows that a lock is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rows {
    All,
    /// Those with keys of these hashes.
    Keys(HashSet<u64>),
}

impl Default for Rows {
    fn default() -> Self {
        Rows::Keys(HashSet::new())
    }
}

impl Rows {
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Rows::Keys(keys) if keys.is_empty())
    }

    pub(super) fn meets(&self, other: &Rows) -> bool {
        match (self, other) {
            (Rows::All, other) | (other, Rows::All) => !other.is_empty(),
            (Rows::Keys(a), Rows::Keys(b)) => !a.is_disjoint(b),
        }
    }

    fn add(&mut self, other: &Rows) {
        match (&mut *self, other) {
            (Rows::All, _) => {}
            (_, Rows::All) => *self = Rows::All,
            (Rows::Keys(keys), Rows::Keys(more)) => keys.extend(more),
        }
    }

    /// Takes out what is in the other too, and answers that. The whole table is in nothing but itself.
    fn split_off(&mut self, other: &Rows) -> Rows {
        match (&mut *self, other) {
            (_, Rows::All) => std::mem::take(self),
            (Rows::All, Rows::Keys(_)) => Rows::default(),
            (Rows::Keys(keys), Rows::Keys(gone)) => Rows::Keys(keys.extract_if(|key| gone.contains(key)).collect()),
        }
    }
}

/// What a session has of one table.
#[derive(Default)]
pub(super) struct Held {
    /// The modes in which it has the table, as [`TableMode::ALL`] counts them.
    table: [bool; 8],
    /// By mode.
    pub rows: [Rows; 4],
    /// Of what it had of [`Mode::Put`], what it has given back for more that it did not get.
    pub lost: Rows,
    /// What it has got after savepoints that are still there, in that order.
    gained: Vec<Gain>,
    /// How many locks keep it.
    pub guards: usize,
}

/// What a lock has added to what its session had.
struct Gain {
    /// How many savepoints there were.
    savepoints: usize,
    /// The mode of the table, if it was new.
    table: Option<TableMode>,
    mode: Mode,
    rows: New,
    /// What was lost, and is had again by this.
    regained: Rows,
}

impl Gain {
    fn is_any(&self) -> bool {
        let rows = match &self.rows {
            New::None => false,
            New::Keys(keys) => !keys.is_empty(),
            New::AllBut(_) => true,
        };
        rows || self.table.is_some() || !self.regained.is_empty()
    }
}

/// The rows that were new.
enum New {
    None,
    Keys(HashSet<u64>),
    /// All but these.
    AllBut(Rows),
}

impl New {
    fn of(had: &Rows, asked: &Rows) -> New {
        match (had, asked) {
            (Rows::All, _) => New::None,
            (had, Rows::All) => New::AllBut(had.clone()),
            (Rows::Keys(had), Rows::Keys(asked)) => New::Keys(asked.difference(had).copied().collect()),
        }
    }
}

impl Held {
    pub(super) fn excludes(&self, request: &Request) -> bool {
        let table = || TableMode::ALL.iter().zip(self.table).any(|(mode, has)| has && mode.excludes(request.table));
        let rows = || MODES.iter().zip(&self.rows).any(|(mode, rows)| mode.excludes(request.mode) && rows.meets(&request.rows));
        table() || rows()
    }

    pub(super) fn add(&mut self, request: &Request) {
        let Request { table, mode, rows, savepoints } = request;
        let regained = if *mode >= Mode::Put { self.lost.split_off(rows) } else { Rows::default() };
        if *savepoints > 0 {
            let (had, rows) = (self.table[*table as usize], New::of(&self.rows[*mode as usize], rows));
            let gain = Gain { savepoints: *savepoints, table: (!had).then_some(*table), mode: *mode, rows, regained };
            self.gained.extend(Some(gain).filter(Gain::is_any));
        }
        self.table[*table as usize] = true;
        self.rows[*mode as usize].add(rows);
        self.guards += 1;
    }

    /// Gives back what it has got after more than so many savepoints; true if that was anything.
    pub(super) fn back_to(&mut self, savepoints: usize) -> bool {
        let kept = self.gained.partition_point(|gain| gain.savepoints <= savepoints);
        let gone = self.gained.split_off(kept);
        let any = !gone.is_empty();
        gone.into_iter().rev().for_each(|gain| self.give_up(gain));
        any
    }

    /// Undoes the last addition. What was given back since then of what it had put before is lost, or was and is so again.
    fn give_up(&mut self, gain: Gain) {
        if let Some(table) = gain.table {
            self.table[table as usize] = false;
        }
        let (rows, puts) = (&mut self.rows[gain.mode as usize], gain.mode == Mode::Put);
        match gain.rows {
            New::None => {}
            New::Keys(keys) => {
                let keys = Rows::Keys(keys);
                rows.split_off(&keys);
                if puts {
                    self.lost.split_off(&keys);
                }
            }
            New::AllBut(had) => {
                let given_back = std::mem::replace(rows, had) != Rows::All;
                if puts {
                    // It was lost with all the others, or nothing was.
                    self.lost = if given_back { std::mem::take(rows) } else { Rows::default() };
                }
            }
        }
        self.lost.add(&gain.regained);
    }

    /// Savepoints are released but for so many: what was got after them is of the one before.
    pub(super) fn release(&mut self, savepoints: usize) {
        if savepoints == 0 {
            self.gained.clear();
        }
        self.gained.iter_mut().rev().take_while(|gain| gain.savepoints > savepoints).for_each(|gain| gain.savepoints = savepoints);
    }

    pub(super) fn keys(&self) -> usize {
        self.rows.iter().map(|rows| if let Rows::Keys(keys) = rows { keys.len() } else { 0 }).sum()
    }

    /// Gives back what it has put of what is asked for; who has put into all of the table asks for all of it.
    pub(super) fn give_back(&mut self, request: &mut Request) {
        if request.mode <= Mode::Put {
            return;
        }
        let put = &mut self.rows[Mode::Put as usize];
        if *put == Rows::All {
            request.rows = Rows::All;
        }
        let given = put.split_off(&request.rows);
        self.lost.add(&given);
    }
}
