//! Text to statement.
//!
//! 1. [`split::split`] cuts a message into statements, by tokens, so that quotes and comments cannot fool it.
//! 2. [`parse::parse`] reads one statement. What only Everfold has (streams, DATAFLOW, SHOW STREAMS ..) and what sqlparser
//!    cannot read (COPY .. FROM STDIN) is recognised by its first words; the rest goes to sqlparser with its PostgreSQL dialect,
//!    and is then narrowed to a [`Statement`]: whatever a statement carries that we do not honour is refused here, never dropped.
//!    [`convert`] does the narrowing, [`nesting`] refuses beforehand what would take for ever to read, [`reserved`] and [`refused`] know the statements that there are not.
//! 3. `intervals` reads interval literals, and `windows` spells TUMBLE, HOP and SESSION out, both at the end of parsing: the text of a view
//!    keeps them.
//!    `inference` reads what ON CONFLICT names.
//!    `nested_joins` puts in parentheses that sqlparser needs, `keyword_names` quotes names that it would take for keywords, `only` leaves out
//!    ONLY before tables, `star_rows` makes rows of wildcards, `row_stars` makes calls of those behind rows, `signs` takes signs from operators, `operators` spells operators before ANY, `exclusions` reads
//!    what frames leave out, `continued` puts
//!    literals of several lines together, `unicode` decodes literals with Unicode escapes, and `misspelt` hints at keywords in errors,
//!    `habits` at what stands for what other databases write.
//! 4. [`hidden`] makes `*` skip the columns that the log adds where a query names them itself.
//! 5. [`redacted`] takes passwords out of texts that are kept or shown.
//!    [`respell`] puts schemas before the names in a text that is kept or shown.
//! 6. [`plpgsql`] reads the bodies of DO and of functions, and the SQL in them as a statement of its own.
//! 7. [`located`] finds in the text what a later error is about.
//!
//! Invariant: nothing below this floor sees SQL text, nothing above it sees tokens.
//! Decision: statements are our own enum over sqlparser's query AST, because `execute` shall be one exhaustive match.

mod array_types;
mod changes;
pub mod condition;
mod continued;
pub mod convert;
mod dialect;
pub mod edits;
pub mod exclusions;
mod frame_offsets;
pub mod group_by;
mod habits;
pub mod hidden;
mod identity;
mod inference;
mod intervals;
mod keyword_names;
pub mod ksql;
mod local;
pub mod locate;
mod locking;
mod misspelt;
mod nested_joins;
pub mod nesting;
pub mod only;
mod operators;
mod overriding;
pub mod parse;
pub mod plpgsql;
pub mod refused;
pub mod reserved;
pub mod respell;
pub mod roles;
mod routines;
pub mod row_stars;
mod rows_from;
mod secrets;
mod signs;
mod similar;
pub mod split;
mod star_rows;
pub mod stars;
pub mod statement;
pub mod subscripted;
mod table_modes;
pub mod traversal;
mod type_changes;
mod unicode;
mod whole_tables;
mod windows;

pub use changes::fields_set;
pub use condition::{value_as, with_value};
pub use locate::located;
pub use parse::parse;
pub use rows_from::ROWS_FROM;
pub use secrets::redacted;
pub use split::split;
pub use statement::{CommentOn, CopyOptions, CopySource, CursorOptions, Discard, Explain, Modes, Move, Statement};
pub use table_modes::TableMode;

/// The name as the catalog has it: folded to lower case unless it was quoted.
pub fn fold_name(ident: &sqlparser::ast::Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}

/// True for an unquoted word, in whatever case.
fn is_word(token: &sqlparser::tokenizer::Token, word: &str) -> bool {
    matches!(token, sqlparser::tokenizer::Token::Word(w) if w.quote_style.is_none() && w.value.eq_ignore_ascii_case(word))
}

/// A token as it can be read again. Of one with quotes sqlparser prints what is between them as it means it.
fn written(token: &sqlparser::tokenizer::Token) -> String {
    use sqlparser::tokenizer::Token;
    match token {
        Token::SingleQuotedString(text) => format!("'{}'", text.replace('\'', "''")),
        Token::EscapedStringLiteral(text) => format!("E'{}'", text.replace('\\', r"\\").replace('\'', r"\'")),
        Token::NationalStringLiteral(text) => format!("N'{}'", text.replace('\'', "''")),
        Token::Word(word) if word.quote_style == Some('"') => format!("\"{}\"", word.value.replace('"', "\"\"")),
        other => other.to_string(),
    }
}

/// The places of the tokens that are no white space and no comments.
fn solid(tokens: &[sqlparser::tokenizer::TokenWithSpan]) -> Vec<usize> {
    (0..tokens.len()).filter(|i| !matches!(tokens[*i].token, sqlparser::tokenizer::Token::Whitespace(_))).collect()
}

/// The number of the parameter that an expression is, from 1.
pub fn placeholder(expr: &sqlparser::ast::Expr) -> Option<usize> {
    let sqlparser::ast::Expr::Value(value) = expr else { return None };
    let sqlparser::ast::Value::Placeholder(name) = &value.value else { return None };
    name.strip_prefix('$')?.parse().ok().filter(|number| (1..=crate::limits::PARAMETERS_MAX).contains(number))
}
