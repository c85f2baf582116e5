//! How statements name functions and procedures, and call them.

use std::sync::Arc;

use sqlparser::ast;

use super::plpgsql::Function;
use super::roles::RoleName;
use crate::catalog::{FunctionId, Name, RoutineKind, Volatility};

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
    Attributes(RoutineAttributes),
}

/// What CREATE and ALTER say of how a routine is called and run; `None` for what they do not say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RoutineAttributes {
    pub volatility: Option<Volatility>,
    pub strict: Option<bool>,
    pub definer: Option<bool>,
    /// RESET ALL: what was set before is forgotten.
    pub resets: bool,
    /// What settings are while it runs, `None` for their defaults.
    pub settings: Vec<(String, Option<String>)>,
    /// RESET: settings that are to be what they are around it.
    pub unset: Vec<String>,
}

/// What the dialect has before an argument where it reads `VARIADIC array`.
pub const VARIADIC: &str = "variadic";

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

impl Call {
    /// True if one run for all rows would not be the same: it may be another each time, or is given something of a row.
    pub fn runs_for_each_row(&self) -> bool {
        let mut of_row = false;
        let _ = ast::visit_expressions(&self.arguments, |expr| {
            of_row |= matches!(expr, ast::Expr::Identifier(_) | ast::Expr::CompoundIdentifier(_) | ast::Expr::Subquery(_));
            std::ops::ControlFlow::<()>::Continue(())
        });
        of_row || self.function.volatility == Volatility::Volatile
    }
}

/// A query that calls functions with bodies where items of its SELECT list stand.
#[derive(Clone, Debug)]
pub struct RowCalls {
    /// The query without those items; behind its own columns are the arguments of the calls, in their order.
    pub query: Box<ast::Query>,
    /// The columns of the answer.
    pub items: Vec<RowItem>,
}

/// A part of the SELECT list of a query that calls functions for each row.
#[derive(Clone, Debug)]
pub enum RowItem {
    /// A column of the query.
    Column,
    /// As many as a wildcard stands for: there is one at most.
    Wildcard,
    /// What a call answers, and the name of its column.
    Call(Call, String),
}
