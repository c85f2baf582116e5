//! PL/pgSQL, the language of DO and of functions: text to a [`Block`]. (PostgreSQL manual, chapter "PL/pgSQL".)
//!
//! 1. `scan` cuts a body into pieces, tokens with their places.
//! 2. `block`, `statement`, `raise` and `declare` read what is the language's own. The SQL in it, statements and expressions, is cut out
//!    and read by [`crate::sql::parse()`] at once, so that what is no SQL is refused before anything runs, at its place in the body.
//! 3. [`bind`] puts parameters in the places of variables. It goes over parsed expressions: names of columns that INSERT lists, aliases and
//!    the like are none. `columns` tells which names the statement itself gives to columns.
//!
//! What runs them is the engine's. Decision: an expression is a query, as in PostgreSQL; there is no second evaluator with rules of its own.

pub mod bind;
mod block;
mod columns;
mod cursor;
mod declare;
mod function;
mod raise;
mod scan;
mod statement;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use sqlparser::ast;

use super::statement::{Move, SqlType, Statement as Sql};
use crate::catalog::Name;

pub use block::{body, of_condition};
pub use declare::own_type;
pub use function::{Body, Function, Mode, Parameter, Returns};

/// The variable that holds the operand of CASE, by a name that no body gives one.
pub const OPERAND: &str = "everfold operand";

/// `[DECLARE ..] BEGIN .. [EXCEPTION ..] END`
#[derive(Clone, Debug)]
pub struct Block {
    pub label: Option<String>,
    pub declarations: Vec<Declaration>,
    pub body: Vec<Statement>,
    pub handlers: Vec<Handler>,
    /// What becomes of a name that is a variable's and a column's.
    pub conflict: Conflict,
}

/// `#variable_conflict`: whose a name is that both a variable and a column have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Conflict {
    #[default]
    Error,
    Variable,
    Column,
}

/// A variable of a block.
#[derive(Clone, Debug)]
pub struct Declaration {
    pub line: usize,
    pub name: String,
    pub what: Declared,
}

#[derive(Clone, Debug)]
pub enum Declared {
    Variable {
        constant: bool,
        ty: TypeName,
        not_null: bool,
        default: Option<Expression>,
    },
    /// `ALIAS FOR`: another name for one.
    Alias(Vec<String>),
    /// A cursor that has its query.
    Cursor(Arc<BoundCursor>),
}

/// `CURSOR (parameters) FOR query`
#[derive(Clone, Debug)]
pub struct BoundCursor {
    pub scroll: bool,
    pub parameters: Vec<(String, TypeName)>,
    pub query: Embedded,
}

/// An argument of a cursor, and the parameter that it is for if that is named.
#[derive(Clone, Debug)]
pub struct Argument {
    pub name: Option<String>,
    pub value: Expression,
}

/// How a body or the head of a function names a type.
#[derive(Clone, Debug)]
pub enum TypeName {
    /// One of PostgreSQL's, of a user's, or that of the rows of a relation.
    Named(SqlType),
    /// `relation%ROWTYPE`
    Row(Name),
    /// `%TYPE` of a variable or of a column.
    Like(Vec<String>),
    /// Whatever row is assigned first.
    Record,
    Void,
    /// What a function returns that triggers call.
    Trigger,
}

/// `WHEN condition [OR ..] THEN ..`
#[derive(Clone, Debug)]
pub struct Handler {
    pub conditions: Vec<Condition>,
    pub body: Vec<Statement>,
}

/// Which errors a handler takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Those of a SQLSTATE, and of its whole class if that ends in `000`.
    Code(String),
    Others,
}

/// One statement and the line of the body that it begins on, from 1.
#[derive(Clone, Debug)]
pub struct Statement {
    pub line: usize,
    pub what: What,
}

/// An expression: the query `SELECT expression`, and what makes its plans known again.
#[derive(Clone, Debug)]
pub struct Expression {
    pub id: usize,
    pub text: String,
    pub query: Box<ast::Query>,
}

/// A statement of SQL.
#[derive(Clone, Debug)]
pub struct Embedded {
    pub id: usize,
    pub text: String,
    pub statement: Box<Sql>,
}

/// INTO: the variables that a row goes to.
#[derive(Clone, Debug)]
pub struct Into {
    pub strict: bool,
    pub targets: Vec<Vec<String>>,
}

/// A text that is run as SQL: EXECUTE.
#[derive(Clone, Debug)]
pub struct Dynamic {
    pub text: Expression,
    pub into: Option<Into>,
    pub using: Vec<Expression>,
}

/// Where the rows of a loop or of RETURN QUERY come from.
#[derive(Clone, Debug)]
pub enum Rows {
    Query(Embedded),
    Dynamic(Dynamic),
    /// A cursor that has its query.
    Cursor {
        cursor: String,
        arguments: Vec<Argument>,
    },
}

/// What a statement does.
#[derive(Clone, Debug)]
pub enum What {
    Block(Block),
    /// `target[subscript] := value`
    Assign {
        target: Vec<String>,
        subscript: Option<Expression>,
        value: Expression,
    },
    Sql {
        sql: Embedded,
        into: Option<Into>,
    },
    Perform(Embedded),
    Execute(Dynamic),
    If {
        arms: Vec<(Expression, Vec<Statement>)>,
        otherwise: Vec<Statement>,
    },
    /// CASE: an arm is for any of its conditions, which compare the variable [`OPERAND`] where there is an operand. No `otherwise` is an
    /// error where no arm fits.
    Case {
        operand: Option<Expression>,
        arms: Vec<(Vec<Expression>, Vec<Statement>)>,
        otherwise: Option<Vec<Statement>>,
    },
    Loop {
        label: Option<String>,
        turns: Turns,
        body: Vec<Statement>,
    },
    /// EXIT, and with `again` CONTINUE.
    Leave {
        again: bool,
        label: Option<String>,
        when: Option<Expression>,
    },
    Return(Option<Expression>),
    ReturnNext(Option<Expression>),
    ReturnQuery(Rows),
    Raise(Raise),
    Assert {
        condition: Expression,
        message: Option<Expression>,
    },
    /// `GET [STACKED] DIAGNOSTICS`: variables and the names of items in lower case.
    Diagnostics {
        stacked: bool,
        items: Vec<(Vec<String>, String)>,
    },
    Open {
        cursor: String,
        scroll: bool,
        rows: Rows,
    },
    /// FETCH, and with `skip` MOVE.
    Fetch {
        cursor: String,
        to: Move,
        skip: bool,
        into: Option<Into>,
    },
    Close(String),
    /// COMMIT, and with `commit` false ROLLBACK; with `chain` the next transaction has the modes of this one.
    End {
        commit: bool,
        chain: bool,
    },
    Null,
}

/// For how long a loop goes on.
#[derive(Clone, Debug)]
pub enum Turns {
    Forever,
    While(Expression),
    /// `FOR variable IN [REVERSE] from .. to [BY step]`
    Numbers {
        variable: String,
        reverse: bool,
        from: Expression,
        to: Expression,
        step: Option<Expression>,
    },
    /// FOR variables IN query
    Rows {
        targets: Vec<Vec<String>>,
        rows: Rows,
    },
    /// FOREACH variable [SLICE number] IN ARRAY array
    Items {
        target: Vec<String>,
        slice: usize,
        array: Expression,
    },
}

/// RAISE; without a message and a code it raises again what is being handled.
#[derive(Clone, Debug)]
pub struct Raise {
    /// `EXCEPTION`, or how a notice is called.
    pub level: &'static str,
    /// The format and what stands for its `%`.
    pub format: Option<(String, Vec<Expression>)>,
    /// The SQLSTATE of a condition, and its name.
    pub condition: Option<(String, String)>,
    /// USING: options in lower case.
    pub options: Vec<(String, Expression)>,
}

impl Statement {
    /// What it is called in the CONTEXT of an error.
    pub fn kind(&self) -> &'static str {
        match &self.what {
            What::Block(_) => "statement block",
            What::Assign { .. } => "assignment",
            What::Sql { sql, .. } if matches!(*sql.statement, Sql::CallProcedure { .. }) => "CALL",
            What::Sql { .. } => "SQL statement",
            What::Perform(_) => "PERFORM",
            What::Execute(_) => "EXECUTE",
            What::If { .. } => "IF",
            What::Case { .. } => "CASE",
            What::Loop { turns, .. } => match turns {
                Turns::Forever => "LOOP",
                Turns::While(_) => "WHILE",
                Turns::Numbers { .. } => "FOR with integer loop variable",
                Turns::Rows { rows: Rows::Query(_), .. } => "FOR over SELECT rows",
                Turns::Rows { rows: Rows::Dynamic(_), .. } => "FOR over EXECUTE statement",
                Turns::Rows { rows: Rows::Cursor { .. }, .. } => "FOR over cursor",
                Turns::Items { .. } => "FOREACH over array",
            },
            What::Leave { again: false, .. } => "EXIT",
            What::Leave { again: true, .. } => "CONTINUE",
            What::Return(_) => "RETURN",
            What::ReturnNext(_) => "RETURN NEXT",
            What::ReturnQuery(_) => "RETURN QUERY",
            What::Raise(_) => "RAISE",
            What::Assert { .. } => "ASSERT",
            What::Diagnostics { .. } => "GET DIAGNOSTICS",
            What::Open { .. } => "OPEN",
            What::Fetch { skip: false, .. } => "FETCH",
            What::Fetch { skip: true, .. } => "MOVE",
            What::Close(_) => "CLOSE",
            What::End { commit: true, .. } => "COMMIT",
            What::End { commit: false, .. } => "ROLLBACK",
            What::Null => "NULL",
        }
    }
}

impl Rows {
    /// What stands in the body for them.
    pub fn text(&self) -> &str {
        match self {
            Rows::Query(sql) => &sql.text,
            Rows::Dynamic(dynamic) => &dynamic.text.text,
            Rows::Cursor { cursor, .. } => cursor,
        }
    }
}
