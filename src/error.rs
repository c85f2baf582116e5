//! One error type for the whole server: what a PostgreSQL client is told.
//!
//! Kinds are SQLSTATE codes, because that is what a caller acts upon; a new code is used only where a client would act
//! differently. Message, detail and hint follow PostgreSQL's style: the message names the thing, the hint says what to do.

mod absent;
pub mod calls;
pub mod code;
mod theirs;
mod wordings;

use std::fmt;

/// The result of everything that can fail in Everfold.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error as a client sees it. Boxed inside, so that a `Result` stays one word wide.
#[derive(Clone)]
pub struct Error(Box<Fields>);

/// The fields of PostgreSQL's ErrorResponse that Everfold fills in.
#[derive(Clone, Debug)]
pub struct Fields {
    /// SQLSTATE, one of [`code`].
    pub code: &'static str,
    /// What went wrong, in one line, without a full stop.
    pub message: String,
    /// More facts, full sentences.
    pub detail: Option<String>,
    /// What to do about it, full sentences.
    pub hint: Option<String>,
    /// 1-based character position in the statement's text.
    pub position: Option<usize>,
    /// Which item of a list in the statement it is about, counted from 1, for what finds the position.
    pub item: Option<usize>,
    /// Where it happened, for example `COPY bid, line 3`.
    pub context: Option<String>,
    /// The relation, column and constraint that it is about, by name.
    pub about: About,
    /// The operands on the left and the right of what it is about, as far as their words are known. No client sees them: they tell which of
    /// several operators of a statement is meant, where the position is looked for.
    pub operands: [Option<String>; 2],
}

/// What a program may want to know of an error: names, without quotes.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// The relation's number, by which its schema is found.
    pub relation: u32,
    pub schema: Option<String>,
    pub table: Option<String>,
    pub column: Option<String>,
    pub constraint: Option<String>,
}

impl Error {
    /// An error of SQLSTATE `code` with a one-line message.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Error(Box::new(Fields {
            code,
            message: message.into(),
            detail: None,
            hint: None,
            position: None,
            item: None,
            context: None,
            about: About::default(),
            operands: [None, None],
        }))
    }
    /// 0A000: what the user asked for is not supported; always say in a hint what to write instead.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Error::new(code::FEATURE_NOT_SUPPORTED, message)
    }
    /// 42883: there is no such operator, as in `text = integer`.
    pub fn no_operator(operation: &str) -> Self {
        Error::new(code::UNDEFINED_FUNCTION, format!("operator does not exist: {operation}"))
            .hint("No operator matches the given name and argument types. You might need to add explicit type casts.")
    }
    /// 57014: the statement was asked to stop, or nobody waits for it any more.
    pub fn canceled() -> Self {
        Error::new(code::QUERY_CANCELED, "canceling statement due to user request")
    }
    /// 42601: the text is not in the grammar.
    pub fn syntax(message: impl Into<String>) -> Self {
        Error::new(code::SYNTAX_ERROR, message)
    }
    /// XX000: a state that cannot be reached unless Everfold itself is wrong.
    pub fn internal(message: impl Into<String>) -> Self {
        Error::new(code::INTERNAL, message)
    }
    /// Adds a DETAIL line.
    pub fn detail(mut self, text: impl Into<String>) -> Self {
        self.0.detail = Some(text.into());
        self
    }
    /// Adds a HINT line.
    pub fn hint(mut self, text: impl Into<String>) -> Self {
        self.0.hint = Some(text.into());
        self
    }
    /// Adds the 1-based character position in the statement.
    pub fn at(mut self, position: usize) -> Self {
        self.0.position = Some(position);
        self
    }
    /// Says which item of a list in the statement it is about, counted from 1.
    pub fn item(mut self, number: usize) -> Self {
        self.0.item = Some(number);
        self
    }
    /// Adds a CONTEXT line, keeping one already there.
    pub fn context(mut self, text: impl Into<String>) -> Self {
        self.0.context.get_or_insert(text.into());
        self
    }
    /// Tells the operands beside what it is about.
    pub fn beside(mut self, left: Option<String>, right: Option<String>) -> Self {
        self.0.operands = [left, right];
        self
    }
    /// Names what it is about.
    pub fn about(mut self, relation: u32, table: &str, column: Option<&str>, constraint: Option<&str>) -> Self {
        let (name, schema) = (|n: &str| n.to_string(), None);
        self.0.about = About { relation, schema, table: Some(name(table)), column: column.map(name), constraint: constraint.map(name) };
        self
    }
    /// The fields of the error.
    pub fn fields(&self) -> &Fields {
        &self.0
    }
    /// The fields of the error, to be amended.
    pub fn fields_mut(&mut self) -> &mut Fields {
        &mut self.0
    }
    /// Its SQLSTATE.
    pub fn code(&self) -> &'static str {
        self.0.code
    }
    /// True if it comes from values, not from the statement or the server: SQLSTATE class 22, data exception.
    pub fn is_of_data(&self) -> bool {
        self.0.code.starts_with("22")
    }
    /// Its one-line message.
    pub fn message(&self) -> &str {
        &self.0.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.message)?;
        if let Some(context) = &self.0.context {
            write!(f, " ({context})")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.code, self.0.message)?;
        for (label, text) in [("DETAIL", &self.0.detail), ("HINT", &self.0.hint), ("CONTEXT", &self.0.context)] {
            if let Some(text) = text {
                write!(f, "\n{label}: {text}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// One of ours that went through [`std::io::Error::other`] comes out as it was.
impl From<std::io::Error> for Error {
    fn from(e: std::io::Error) -> Self {
        let e = match e.downcast::<Error>() {
            Ok(ours) => return ours,
            Err(e) => e,
        };
        match e.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                Error::new(code::DISK_FULL, format!("could not write: {e}")).hint("Free disk space; reads go on meanwhile.")
            }
            std::io::ErrorKind::NotFound => Error::new(code::UNDEFINED_FILE, e.to_string()),
            _ => Error::new(code::IO_ERROR, e.to_string()),
        }
    }
}

/// No longer word is compared with names: it is no slip of the pen.
const NEAREST_BYTES_MAX: usize = 256;

/// The candidate nearest to `name` by edit distance, if near enough to be a likely slip. Cost O(candidates x length^2).
pub fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > NEAREST_BYTES_MAX {
        return None;
    }
    let limit = (name.chars().count() / 3).max(1);
    let scored = candidates.map(|c| (edit_distance(&name.to_lowercase(), &c.to_lowercase()), c));
    scored.filter(|(d, _)| *d <= limit).min_by_key(|(d, _)| *d).map(|(_, c)| c)
}

/// Insertions, deletions, substitutions and exchanges of neighbours that make one of the other.
fn edit_distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1; b.len() + 1];
        for j in 0..b.len() {
            let substituted = above[j] + usize::from(a[i] != b[j]);
            row[j + 1] = substituted.min(row[j] + 1).min(above[j + 1] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                row[j + 1] = row[j + 1].min(before[j - 1] + 1);
            }
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_finds_a_slip_and_nothing_far() {
        let names = ["flights", "airports", "planes"];
        assert_eq!(nearest("fligths", names.into_iter()), Some("flights"));
        assert_eq!(nearest("customers", names.into_iter()), None);
        assert_eq!(nearest("coutn", ["count", "round"].into_iter()), Some("count"));
    }
}
