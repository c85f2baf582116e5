//! Triggers: functions that run when a statement changes rows of a stream or a table (PostgreSQL manual, chapter 39).
//!
//! [`define`] makes, renames, switches and drops them: they are part of the relation that they are on, and so go and come with it. [`fire`]
//! runs them:
//! 1. A statement on a relation with triggers is checked as one on a relation with constraints is, in a transaction, its own if there is none.
//! 2. BEFORE triggers for each row run when the statement knows its rows: with their defaults, and before generated columns are computed,
//!    NOT NULL is checked, or ON CONFLICT looks what is there. What they make of the rows is what the statement writes.
//! 3. AFTER triggers for each row run once the statement's events are in the transaction and its constraints are checked. They see what the
//!    statement has done.
//! 4. Triggers for each statement run before anything else and after those for rows, also where no row is changed. AFTER triggers for rows
//!    that foreign keys have changed come last. REFERENCING gives the rows of the statement to its function as tables of these names.
//!
//! Those INSTEAD OF an INSERT, UPDATE or DELETE of a view run where BEFORE triggers do, and are all that is done: the view's rows are found by its
//! query, and nothing is written but what the functions write.
//!
//! Decision: a trigger runs when a statement is run, in the transaction of who writes, and never when events are folded. What it does are
//! events like any other, before or behind those of the statement; a view sees events only, and gives the same whenever it is folded.
//! So it differs from PostgreSQL that a BEFORE trigger does not see the rows which the same statement has changed before its own: those
//! are written together. An INSERT that replaces a row of the same key fires triggers of INSERT, as it is one event.
//!
//! Cost: a relation without triggers costs each statement one look at an empty list. With triggers an UPDATE reads its rows whole, and locks
//! the table; a function that runs for many rows is planned once for the statement.

mod define;
mod fire;

pub use define::{NEW, OLD, known_trigger, rename_column_in_triggers, triggers_of};
pub use fire::{Fired, Happening, Rows, happenings};
