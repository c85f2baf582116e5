//! ksqlDB's dialect: text to statement.
//!
//! 1. [`begins::begins_ksql`] tells by a few tokens whether a text is of this dialect, of PostgreSQL's, or of that of the relations it names.
//! 2. [`variables()`] puts in what DEFINE has given, [`split()`] cuts a script into statements.
//! 3. [`lex`] makes tokens of a statement, [`parse()`] a [`ast::Statement`]; a family of statements is a file.
//!
//! Invariant: names in the tree are folded as ksqlDB folds them, unquoted ones to upper case.
//! Decision: a parser of our own, because what this grammar has and no other (`->`, `:=`, `=>`, WITHIN, WINDOW, EMIT, identifiers that
//! begin with a digit, words that are keywords in their place only) outweighs what sqlparser would give.

pub mod ast;
pub mod begins;
mod command;
mod create;
mod expr;
pub mod lex;
pub mod parse;
mod properties;
mod query;
pub mod split;
mod types;
pub mod variables;
mod window;

pub use begins::{Form, begins_ksql as form};
pub use parse::parse;
pub use properties::PROPERTIES;
pub use split::split;
pub use variables::variables;

/// The name as an identifier that is taken as it is written.
pub fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}
