//! The SQL/JSON path language over jsonb (manual, chapter 9.16.2), as PostgreSQL 15 has it.
//!
//! [`parse`] makes a [`Path`] of a text, cut into words by [`lex`]; [`mod@print`] writes it as the type jsonpath is shown; [`eval`] runs it over
//! a document, with the conditions of [`predicate`] and the methods of [`method`]. Numbers are computed as numeric by [`number`], times are
//! read and compared by [`moment`]. [`functions()`] is what SQL sees of it.
//!
//! What SQL/JSON calls an error ends a path, or makes a condition unknown: it is one of [`Outcome`]. Errors that silence does not hide, such
//! as that of a variable which there is not, are errors of ours.

mod eval;
mod functions;
mod layout;
mod lex;
mod method;
mod moment;
mod number;
mod parse;
mod predicate;
mod print;
#[cfg(test)]
mod tests;

pub use functions::{functions, in_zone, is_zoned, jsonpath, operator, shown};

use regex::Regex;

use crate::data::json::Json;

/// How deep the parts of a path may nest.
const DEPTH_MAX: usize = 500;
/// How many steps a path may have, one within the other when it is run.
const STEPS_MAX: usize = 10_000;
/// How much of the stack must be left for one step, and how much is added where there is less.
const STACK_BYTES: (usize, usize) = (128 << 10, 1 << 20);

/// A path, ready to be run.
#[derive(Debug)]
pub(super) struct Path {
    /// Structural errors are none, arrays are taken apart, single values are arrays of themselves.
    lax: bool,
    root: Node,
}

/// An expression of a path.
#[derive(Debug)]
enum Node {
    /// `$`
    Root,
    /// `@`
    Current,
    Last,
    Variable(String),
    /// Null, a boolean, a number or a string.
    Literal(Json),
    /// The second of them is negated.
    Sign(Sign, Box<Node>),
    Arithmetic(Operator, Box<Node>, Box<Node>),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    Not(Box<Node>),
    IsUnknown(Box<Node>),
    Exists(Box<Node>),
    Comparison(Comparison, Box<Node>, Box<Node>),
    StartsWith(Box<Node>, Box<Node>),
    LikeRegex(Box<Node>, Box<Pattern>),
    /// What is no `Steps` itself, and at least one step from there.
    Steps(Box<Node>, Vec<Step>),
}

/// What is done with each item that is found so far.
#[derive(Debug)]
enum Step {
    Key(String),
    AnyKey,
    AnyItem,
    /// Places, or ranges of them.
    Items(Vec<(Node, Option<Node>)>),
    Descend(Levels),
    Filter(Node),
    Method(Method),
    Datetime(Option<String>),
}

/// The levels of `.**`: [`LEAVES`] is the last, and as the first it means those items alone that hold no others.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Levels {
    first: u32,
    last: u32,
}

const LEAVES: u32 = u32::MAX;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Sign {
    Plus,
    Minus,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Method {
    Type,
    Size,
    Abs,
    Floor,
    Ceiling,
    Double,
    KeyValue,
}

/// The pattern of like_regex.
#[derive(Debug)]
struct Pattern {
    text: String,
    flags: Flags,
    regex: Regex,
}

/// Flags of like_regex, of those that XQuery has.
#[derive(Debug, Clone, Copy, Default)]
struct Flags {
    ignore_case: bool,
    dot_is_all: bool,
    multiline: bool,
    spaced: bool,
    quoted: bool,
}

impl Sign {
    fn text(self) -> &'static str {
        match self {
            Sign::Plus => "+",
            Sign::Minus => "-",
        }
    }
}

impl Operator {
    fn text(self) -> &'static str {
        match self {
            Operator::Add => "+",
            Operator::Subtract => "-",
            Operator::Multiply => "*",
            Operator::Divide => "/",
            Operator::Remainder => "%",
        }
    }
}

impl Comparison {
    fn text(self) -> &'static str {
        match self {
            Comparison::Equal => "==",
            Comparison::NotEqual => "!=",
            Comparison::Less => "<",
            Comparison::LessOrEqual => "<=",
            Comparison::Greater => ">",
            Comparison::GreaterOrEqual => ">=",
        }
    }
}

impl Method {
    const ALL: [Method; 7] = [Method::Type, Method::Size, Method::Abs, Method::Floor, Method::Ceiling, Method::Double, Method::KeyValue];

    fn name(self) -> &'static str {
        match self {
            Method::Type => "type",
            Method::Size => "size",
            Method::Abs => "abs",
            Method::Floor => "floor",
            Method::Ceiling => "ceiling",
            Method::Double => "double",
            Method::KeyValue => "keyvalue",
        }
    }
}

/// What becomes of a path, or of a part of it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Outcome {
    Found,
    NotFound,
    /// An error that is not to be told.
    Failed,
}

/// What a condition is.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Truth {
    False,
    True,
    Unknown,
}

impl From<bool> for Truth {
    fn from(value: bool) -> Truth {
        if value { Truth::True } else { Truth::False }
    }
}
