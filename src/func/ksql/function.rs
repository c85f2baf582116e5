//! What a function is: its name, its overloads, each with a signature and what computes it.
//!
//! A signature is text that is both read by the planner and shown by DESCRIBE FUNCTION:
//! `SUBSTRING(str STRING, pos INT, [length INT]) -> STRING`. Parameters have a name and a type; `[..]` marks those that may be left
//! out, a type followed by `...` one that may come any number of times (also none), single upper-case letters are type variables,
//! `DECIMAL` alone any decimal, `(A, B) => R` a lambda, `ANY` any type, `UNIT` a word such as DAYS. An `=` behind the type, as in
//! `k INT =`, marks a parameter that must be a constant (of aggregates: an initial argument).

use super::types::Type;
use super::value::Value;
use crate::error::Result;

/// A scalar function.
pub struct Scalar {
    /// In upper case.
    pub name: &'static str,
    /// The family it is listed under: `string`, `math`, `array`, `map`, `json`, `time`, `url`, `bytes`, `conditional`, `lambda`.
    pub family: &'static str,
    /// One or two sentences for DESCRIBE FUNCTION, with what NULL arguments give if that is not NULL.
    pub about: &'static str,
    pub overloads: &'static [Overload],
}

/// The type of a result, from those of the arguments.
pub type Returns = fn(&[Type]) -> Option<Type>;

/// A step of an aggregate: its state after one more row, or one less.
pub type Add = fn(&AggregateCall<'_>, Value, &[Value]) -> Result<Value>;

/// One way of calling a scalar function.
pub struct Overload {
    pub signature: &'static str,
    /// The type of its result where the signature cannot tell (`-> ANY`): from the types of the arguments; `None` refuses them.
    pub returns: Option<Returns>,
    pub nulls: Nulls,
    /// Computes the result; an error becomes NULL for this record and is counted.
    pub eval: fn(&Call<'_>, &[Value]) -> Result<Value>,
}

/// What a NULL argument does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nulls {
    /// The result is NULL, and `eval` is not called.
    Give,
    /// `eval` sees it.
    See,
}

/// A lambda that is an argument: from its parameters' values to its result.
pub type Lambda<'a> = dyn Fn(&[Value]) -> Result<Value> + 'a;

/// What a function knows about the call beside its arguments' values.
pub struct Call<'a> {
    /// The resolved types of the arguments as given (a lambda's is that of its result).
    pub arguments: &'a [Type],
    /// The resolved type of the result.
    pub returns: &'a Type,
    /// The lambdas among the arguments, in order; such an argument's value is NULL.
    pub lambdas: &'a [&'a Lambda<'a>],
}

/// An aggregate function.
pub struct Aggregate {
    pub name: &'static str,
    pub about: &'static str,
    pub overloads: &'static [AggregateOverload],
}

/// One way of calling an aggregate. Its state is a [`Value`], so that it can be saved, merged (sessions) and compared.
pub struct AggregateOverload {
    /// As for scalar functions; parameters marked `=` are given in [`AggregateCall::constants`] and not in `add`.
    pub signature: &'static str,
    pub returns: Option<Returns>,
    /// The state over no rows.
    pub init: fn(&AggregateCall<'_>) -> Value,
    /// The state after one more row. `arguments` may be NULL: what that means is the function's.
    pub add: Add,
    /// The state after taking a row back; `None` if the function cannot, and is thus not for tables.
    pub undo: Option<Add>,
    /// The state over the rows of both, those of the first having come first.
    pub merge: fn(&AggregateCall<'_>, Value, Value) -> Result<Value>,
    /// What is shown of the state.
    pub result: fn(&AggregateCall<'_>, &Value) -> Result<Value>,
}

/// What an aggregate knows about its call.
pub struct AggregateCall<'a> {
    /// The types of all arguments, constants included.
    pub arguments: &'a [Type],
    pub returns: &'a Type,
    /// The values of the parameters marked `=`, in order; those left out are missing at the end.
    pub constants: &'a [Value],
    /// True over a table, where rows are taken back: an aggregate that forgets rows over a stream then remembers what it needs.
    pub retracting: bool,
}
