//! A script run as psql runs it.
//!
//! [`runner`] takes line after line ([`source`]), has it cut into statements and meta-commands ([`scan`]) and runs them: statements by
//! [`answers`], which shows what comes back by [`mod@print`], meta-commands by [`commands`], whose arguments [`words`] reads; some of them ask for [`listings`]
//! and [`catalogs`] of what there is, for [`definitions`], or [`describe`] what a [`pattern`] finds; `\copy` moves rows through a [`channel`], and [`connect`] goes on elsewhere. What a script has set is in [`variables`] and [`options`]. [`bar`] shows on a terminal how far a long statement is.
//!
//! What goes to standard output is psql's byte for byte, which recorded outputs of psql hold it to. Errors and notices go to standard
//! error as psql's do, but with the line of the script at fault. What psql has and this does not is refused by name.
//!
//! Manual: PostgreSQL 15, "psql".

mod answers;
mod bar;
mod branches;
mod catalogs;
mod channel;
mod commands;
mod connect;
mod crosstab;
mod definitions;
mod describe;
mod listings;
mod options;
mod pattern;
mod print;
mod runner;
mod scan;
mod sink;
mod source;
#[cfg(test)]
mod tests;
mod variables;
mod words;

pub(super) use bar::Bar;
pub(super) use runner::Runner;
pub(super) use source::Source;
