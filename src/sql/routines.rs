//! How statements name functions and procedures, and call them.

use std::sync::Arc;

use sqlparser::ast;

use super::plpgsql::Function;
use super::roles::RoleName;
use crate::catalog::{FunctionId, Name, RoutineKind};

/// How a statement calls what it names a routine by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoutineWord {
    Function,
    Procedure,
    /// Either.
    Routine,
}

impl RoutineWord {
    /// As messages name it.
    pub fn word(self) -> &'static str {
        match self {
            RoutineWord::Function => "function",
            RoutineWord::Procedure => "procedure",
            RoutineWord::Routine => "routine",
        }
    }

    /// True if it may be said of what is of that kind.
    pub fn is_of(self, kind: RoutineKind) -> bool {
        self == RoutineWord::Routine || self.word() == kind.word()
    }
}

/// What ALTER FUNCTION does.
#[derive(Clone, Debug, PartialEq)]
pub enum RoutineChange {
    Rename(String),
    SetSchema(String),
    Own(RoleName),
}

/// How a statement names a function: its name, and of its parameters' types what stands there.
pub type Signature = (Name, Option<Vec<ast::DataType>>);

/// A call of a function with a body.
#[derive(Clone, Debug)]
pub struct Call {
    pub function: Arc<Function>,
    /// Of one that the catalog keeps: what it is then is looked up when it runs.
    pub kept: Option<FunctionId>,
    /// One for each parameter that is given, in their order.
    pub arguments: Vec<ast::Expr>,
    /// The name under which the statement that calls it reads its rows.
    pub answer: String,
}
