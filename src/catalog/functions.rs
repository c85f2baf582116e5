//! Functions and procedures that users have made.
//!
//! Of one that is a query in SQL the catalog keeps what it means: a query in which `$n` stands for its n-th parameter, whose names are read
//! along [`Path::kept`](super::Path::kept), and in which calls of other such functions are expanded already. Names and types of parameters,
//! and the text as it was written, are kept beside it for whoever asks.
//!
//! Any other is a [`Routine`]: its text is read and run when it is called, and names in it are looked up then.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Catalog, Column, Name, NamespaceId, Object, PUBLIC_NAMESPACE, RelationId, RoleId, Scope};
use crate::data::PgType;
use crate::error::{Error, Result, code};

/// Number of a function; its pg_proc oid too. From the same numbers as those of relations.
pub type FunctionId = u32;

/// A function.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Function {
    pub id: FunctionId,
    pub name: String,
    /// The schema that it is in, as of a relation.
    #[serde(default = "super::public", skip_serializing_if = "super::is_public")]
    pub namespace: NamespaceId,
    #[serde(default = "super::bootstrap", skip_serializing_if = "super::is_bootstrap")]
    pub owner: RoleId,
    /// What a call gives, in order; one without a name has an empty one. Defaults are texts as of columns.
    pub inputs: Vec<Column>,
    /// True if the last of them is an array of what a call gives from there on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub variadic: bool,
    /// The columns of its answer.
    pub outputs: Vec<Column>,
    /// How the answer was declared.
    pub answers: Answers,
    /// Any number of rows.
    pub set: bool,
    /// It is not called where an argument is NULL, and answers NULL.
    pub strict: bool,
    pub volatility: Volatility,
    /// The body as it was written.
    pub source: String,
    /// True for a body that is SQL itself, RETURN or BEGIN ATOMIC, and no literal behind AS.
    #[serde(default)]
    pub standard: bool,
    /// What it means: a query of as many columns as there are outputs, each of its type. Empty for a routine.
    pub query: String,
    /// True for an expression of its parameters: a SELECT of one value without FROM.
    pub simple: bool,
    /// The functions of users that it calls, itself or by others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<FunctionId>,
    /// What COMMENT ON FUNCTION says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// How it runs; `None` for a query, whose calls are expanded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routine: Option<Routine>,
}

/// What is known besides of a function, or a procedure, whose source runs when it is called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Routine {
    pub kind: RoutineKind,
    pub language: Language,
    /// Which way the value of each parameter goes, in their order; those of RETURNS TABLE stand last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub modes: Vec<Mode>,
    /// Of one that answers rows of a relation: that, whatever it is called since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row: Option<RelationId>,
    /// SECURITY DEFINER: it runs with its owner's rights.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub definer: bool,
    /// SET: what settings are while it runs; `None` for their defaults.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<(String, Option<String>)>,
}

/// What a routine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RoutineKind {
    Function,
    /// RETURNS trigger: only a trigger calls it.
    Trigger,
    Procedure,
}

impl RoutineKind {
    /// As messages name it.
    pub fn word(self) -> &'static str {
        match self {
            RoutineKind::Function | RoutineKind::Trigger => "function",
            RoutineKind::Procedure => "procedure",
        }
    }
}

/// The language that a routine is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Language {
    Sql,
    Plpgsql,
}

impl Language {
    /// pg_language.lanname
    pub fn name(self) -> &'static str {
        match self {
            Language::Sql => "sql",
            Language::Plpgsql => "plpgsql",
        }
    }
}

/// Which way the value of a parameter goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    In,
    Out,
    InOut,
}

/// How the answer of a function was declared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answers {
    /// RETURNS type
    Value,
    /// OUT parameters
    Out,
    /// RETURNS TABLE
    Table,
    /// RETURNS the rows of a relation, by the name that it had.
    Row(String),
}

/// What a function promises of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Volatility {
    Immutable,
    Stable,
    #[default]
    Volatile,
}

impl Volatility {
    /// pg_proc.provolatile
    pub fn letter(self) -> &'static str {
        match self {
            Volatility::Immutable => "i",
            Volatility::Stable => "s",
            Volatility::Volatile => "v",
        }
    }
}

impl fmt::Display for Volatility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Volatility::Immutable => "IMMUTABLE",
            Volatility::Stable => "STABLE",
            Volatility::Volatile => "VOLATILE",
        })
    }
}

impl Function {
    /// The types of what a call gives.
    pub fn types(&self) -> Vec<PgType> {
        self.inputs.iter().map(|input| input.ty.clone()).collect()
    }

    /// What it is.
    pub fn kind(&self) -> RoutineKind {
        self.routine.as_ref().map_or(RoutineKind::Function, |routine| routine.kind)
    }

    /// The language that it is written in.
    pub fn language(&self) -> Language {
        self.routine.as_ref().map_or(Language::Sql, |routine| routine.language)
    }

    /// Its parameters in their order, the columns of RETURNS TABLE last. One that goes both ways is told as it goes in.
    pub fn parameters(&self) -> Vec<(Mode, &Column)> {
        let modes = self.routine.as_ref().map(|routine| routine.modes.as_slice());
        let out = if matches!(self.answers, Answers::Out | Answers::Table) { self.outputs.as_slice() } else { &[] };
        let Some(modes) = modes else {
            let all = self.inputs.iter().map(|input| (Mode::In, input));
            return all.chain(out.iter().map(|output| (Mode::Out, output))).collect();
        };
        let (mut inputs, mut outputs) = (self.inputs.iter(), out.iter());
        let next = modes.iter().filter_map(|mode| {
            let output = if *mode == Mode::In { None } else { outputs.next() };
            let column = if *mode == Mode::Out { output } else { inputs.next() };
            column.map(|column| (*mode, column))
        });
        next.collect()
    }

    /// True if it answers one value, or a value a row, and not rows with columns that have names.
    pub fn gives_value(&self) -> bool {
        self.outputs.len() == 1 && self.answers == Answers::Value
    }

    /// True if the other is defined in the same way, whatever number it has and whoever owns it.
    pub fn is_defined_as(&self, other: &Function) -> bool {
        let bare = |function: &Function| Function { id: 0, owner: 0, comment: None, ..function.clone() };
        bare(self) == bare(other)
    }
}

impl Catalog {
    /// All functions, by id.
    pub fn functions(&self) -> impl Iterator<Item = &Arc<Function>> {
        self.functions.values()
    }

    /// The function of that id.
    pub fn function(&self, id: FunctionId) -> Option<&Arc<Function>> {
        self.functions.get(&id)
    }

    /// The functions of that name in a namespace.
    pub fn functions_in<'a>(&'a self, namespace: NamespaceId, name: &'a str) -> impl Iterator<Item = &'a Arc<Function>> {
        self.functions().filter(move |f| f.namespace == namespace && f.name == name)
    }

    /// A function as messages name it: `name(types)`, with its schema where that is not the first.
    pub fn signature(&self, function: &Function) -> String {
        let name = match function.namespace {
            PUBLIC_NAMESPACE => Name::bare(&function.name),
            _ => Name::qualified(self.namespace_name(function.namespace), &function.name),
        };
        format!("{name}({})", listed(&function.types(), ","))
    }

    pub(super) fn put_function(&mut self, function: &Function) {
        self.next = self.next.max(function.id + 1);
        if !self.functions.contains_key(&function.id) {
            Arc::make_mut(&mut self.roles).grant_call(Object::Function(function.id), function.owner);
        }
        let mut function = function.clone();
        for column in function.inputs.iter_mut().chain(&mut function.outputs).filter(|c| c.ty.is_of_user()) {
            column.ty = self.enums().complete(column.ty.clone());
        }
        self.functions.insert(function.id, Arc::new(function));
    }

    pub(super) fn take_function(&mut self, id: FunctionId) -> Result<()> {
        let unknown = || Error::new(code::DATA_CORRUPTED, format!("_catalog names the unknown function {id}"));
        self.functions.remove(&id).map(drop).ok_or_else(unknown)?;
        self.move_grants(Object::Function(id), None);
        Ok(())
    }
}

impl Scope {
    /// The functions that a name may mean, those of the first schema of the path first.
    pub fn functions_named<'a>(&'a self, name: &'a Name) -> impl Iterator<Item = &'a Arc<Function>> {
        self.places(name).into_iter().flat_map(move |namespace| self.functions_in(namespace, &name.name))
    }

    /// True if a function needs no schema to be found by its name and types.
    pub fn is_visible_function(&self, function: &Function) -> bool {
        let types = function.types();
        self.comes_first(function.namespace, |id| self.functions_in(id, &function.name).any(|f| f.types() == types))
    }
}

/// Types as a list.
pub fn listed(types: &[PgType], separator: &str) -> String {
    types.iter().map(ToString::to_string).collect::<Vec<_>>().join(separator)
}
