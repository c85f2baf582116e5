//! DO of a plain block: definitions one after the other, and which of their errors are passed over. ORMs and migrations send it around
//! CREATE TYPE, which has no IF NOT EXISTS. There is no procedural language: everything else in a block is refused.

use super::{Reader, parse};
use crate::error::{Error, Result, code};
use crate::sql::split::split;
use crate::sql::statement::{Block, Caught, Statement};

/// Conditions as blocks name them, and their SQLSTATEs.
const CONDITIONS: [(&str, &str); 10] = [
    ("duplicate_column", code::DUPLICATE_COLUMN),
    ("duplicate_object", code::DUPLICATE_OBJECT),
    ("duplicate_schema", code::DUPLICATE_SCHEMA),
    ("duplicate_table", code::DUPLICATE_TABLE),
    ("invalid_table_definition", code::INVALID_TABLE_DEFINITION),
    ("undefined_column", code::UNDEFINED_COLUMN),
    ("undefined_object", code::UNDEFINED_OBJECT),
    ("undefined_table", code::UNDEFINED_TABLE),
    ("unique_violation", code::UNIQUE_VIOLATION),
    ("dependent_objects_still_exist", code::DEPENDENT_OBJECTS_STILL_EXIST),
];

impl Reader<'_> {
    /// `DO [LANGUAGE plpgsql] 'BEGIN definition; .. [EXCEPTION WHEN condition [OR ..] THEN null;] END'`. Errors: 0A000 for any other block.
    pub(super) fn do_block(&mut self) -> Result<Statement> {
        self.skip(1);
        let before = self.eat_words(&["language", "plpgsql"]);
        let body = self.text()?;
        if !before {
            self.eat_words(&["language", "plpgsql"]);
        }
        block(&body).map(Statement::Do)
    }
}

fn unsupported(what: &str) -> Error {
    Error::unsupported(format!("{what} is not supported in DO"))
        .hint("There is no procedural language: a block takes definitions, and EXCEPTION WHEN condition THEN null. Send other statements one by one.")
}

fn block(body: &str) -> Result<Block> {
    let mut pieces: Vec<&str> = split(body)?.into_iter().map(|range| body[range].trim()).collect();
    let Some(first) = pieces.first_mut() else { return Err(unsupported("an empty block")) };
    *first = after(first, "begin").ok_or_else(|| unsupported("a block that does not begin with BEGIN"))?;
    match pieces.pop() {
        Some(last) if last.eq_ignore_ascii_case("end") => {}
        _ => return Err(unsupported("a block that does not end with END")),
    }
    let handlers = pieces.iter().position(|piece| after(piece, "exception").is_some()).unwrap_or(pieces.len());
    let caught = pieces.split_off(handlers).into_iter().map(handler).collect::<Result<Vec<_>>>()?.concat();
    for piece in &pieces {
        check(piece)?;
    }
    Ok(Block { statements: pieces.into_iter().map(String::from).collect(), caught })
}

/// What stands behind a word at the beginning of a text.
fn after<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(word.len())?;
    (head.eq_ignore_ascii_case(word) && rest.starts_with(char::is_whitespace)).then(|| rest.trim_start())
}

/// `[EXCEPTION] WHEN condition [OR condition ..] THEN null`
fn handler(piece: &str) -> Result<Vec<Caught>> {
    let refused = || unsupported(&format!("\"{piece}\""));
    let words: Vec<String> = piece.split_whitespace().map(str::to_lowercase).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let words = words.strip_prefix(&["exception"]).unwrap_or(&words);
    let conditions = words.strip_prefix(&["when"]).and_then(|w| w.strip_suffix(&["then", "null"])).ok_or_else(refused)?;
    let one = |condition: &str| match CONDITIONS.iter().find(|known| known.0 == condition) {
        Some((_, code)) => Ok(Caught::Code(code)),
        None if condition == "others" => Ok(Caught::Others),
        None => Err(refused()),
    };
    let named = conditions.iter().step_by(2).map(|condition| one(condition)).collect();
    if conditions.len() % 2 == 1 && conditions.iter().skip(1).step_by(2).all(|word| *word == "or") { named } else { Err(refused()) }
}

/// Errors: 0A000 for what is no definition.
fn check(piece: &str) -> Result<()> {
    let word = piece.split_whitespace().next().unwrap_or_default().to_uppercase();
    match parse(piece) {
        Ok(statement) if statement.defines() => Ok(()),
        Ok(_) => Err(unsupported(&word)),
        Err(e) if e.code() == code::SYNTAX_ERROR && !matches!(word.as_str(), "CREATE" | "ALTER" | "DROP" | "COMMENT") => {
            Err(unsupported(&word))
        }
        Err(e) => Err(e),
    }
}
