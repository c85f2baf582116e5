//! LIKE in the list of columns of CREATE TABLE.

use crate::catalog::Name;

/// `LIKE relation [{INCLUDING | EXCLUDING} what ..]`
#[derive(Clone, Debug)]
pub struct Like {
    pub relation: Name,
    /// How many of the statement's own columns stand before it.
    pub at: usize,
    pub taken: Taken,
}

/// What is taken of a relation besides its columns, their types and NOT NULL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    pub comments: bool,
    pub constraints: bool,
    pub defaults: bool,
    pub generated: bool,
    pub identity: bool,
    pub indexes: bool,
}

impl Taken {
    /// Takes, or leaves, what a word in lower case names. False for a word that names nothing.
    pub fn set(&mut self, word: &str, taken: bool) -> bool {
        match word {
            "all" => {
                let (comments, constraints, defaults) = (taken, taken, taken);
                *self = Taken { comments, constraints, defaults, generated: taken, identity: taken, indexes: taken };
            }
            "comments" => self.comments = taken,
            "constraints" => self.constraints = taken,
            "defaults" => self.defaults = taken,
            "generated" => self.generated = taken,
            "identity" => self.identity = taken,
            "indexes" => self.indexes = taken,
            // No relation has any of these, so that there is nothing to take.
            "compression" | "statistics" | "storage" => {}
            _ => return false,
        }
        true
    }
}
