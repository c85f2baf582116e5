//! Functions and procedures: their heads.

use sqlparser::ast;

use super::{Block, Embedded, TypeName, What};
pub use crate::catalog::Mode;
use crate::catalog::{Language, Name, RoleId, RoutineKind, Volatility};
use crate::error::{Error, Result, code};

/// A function as CREATE FUNCTION defines it, or a procedure as CREATE PROCEDURE does.
#[derive(Clone, Debug)]
pub struct Function {
    pub name: Name,
    pub procedure: bool,
    pub parameters: Vec<Parameter>,
    pub returns: Returns,
    /// It is not called where an argument is NULL, and answers NULL.
    pub strict: bool,
    pub volatility: Volatility,
    /// SECURITY DEFINER: it runs with its owner's rights.
    pub definer: bool,
    /// SET: what settings are while it runs; `None` for their defaults.
    pub settings: Vec<(String, Option<String>)>,
    /// Of one that the catalog keeps.
    pub owner: Option<RoleId>,
    pub body: Body,
    /// The body as it was written.
    pub source: String,
    /// True for a body that is SQL itself, RETURN or BEGIN ATOMIC, and no literal behind AS.
    pub standard: bool,
}

/// What a function does.
#[derive(Clone, Debug)]
pub enum Body {
    Plpgsql(Box<Block>),
    /// Statements of SQL; the rows of the last are the answer.
    Sql(Vec<Embedded>),
}

/// What a function answers.
#[derive(Clone, Debug, Default)]
pub struct Returns {
    /// Any number of rows.
    pub set: bool,
    /// `None`: what the OUT parameters say.
    pub ty: Option<TypeName>,
}

/// A parameter of a function, or a column of RETURNS TABLE.
#[derive(Clone, Debug)]
pub struct Parameter {
    pub mode: Mode,
    pub name: Option<String>,
    pub ty: TypeName,
    pub default: Option<ast::Expr>,
    /// It is an array of what a call gives from there on.
    pub variadic: bool,
}

impl Function {
    /// The parameters that a call gives.
    pub fn inputs(&self) -> impl Iterator<Item = &Parameter> {
        self.parameters.iter().filter(|p| p.mode != Mode::Out)
    }

    /// The parameters that an answer has.
    pub fn outputs(&self) -> impl Iterator<Item = &Parameter> {
        self.parameters.iter().filter(|p| p.mode != Mode::In)
    }

    /// What it is.
    pub fn kind(&self) -> RoutineKind {
        match self.returns.ty {
            _ if self.procedure => RoutineKind::Procedure,
            Some(TypeName::Trigger) => RoutineKind::Trigger,
            _ => RoutineKind::Function,
        }
    }

    /// The language that it is written in.
    pub fn language(&self) -> Language {
        match self.body {
            Body::Plpgsql(_) => Language::Plpgsql,
            Body::Sql(_) => Language::Sql,
        }
    }

    /// Errors: 42P13 for a head that does not fit itself.
    pub fn check(&self) -> Result<()> {
        let invalid = |message: String| Err(Error::new(code::INVALID_FUNCTION_DEFINITION, message));
        if self.kind() == RoutineKind::Trigger {
            return match self.language() {
                Language::Sql => invalid("SQL functions cannot return type trigger".into()),
                Language::Plpgsql if !self.parameters.is_empty() => {
                    let error = Error::new(code::INVALID_FUNCTION_DEFINITION, "trigger functions cannot have declared arguments");
                    Err(error.hint("The arguments of the trigger can be accessed through TG_NARGS and TG_ARGV instead."))
                }
                Language::Plpgsql => self.check_body(),
            };
        }
        let mut names: Vec<&String> = self.parameters.iter().filter_map(|p| p.name.as_ref()).collect();
        names.sort();
        if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return invalid(format!("parameter name \"{}\" used more than once", twice[0]));
        }
        let inputs = self.inputs().count();
        if self.inputs().take(inputs.saturating_sub(1)).any(|p| p.variadic) {
            return invalid("VARIADIC parameter must be the last input parameter".into());
        }
        // Arguments of CALL stand for OUT parameters too.
        let last = self.parameters.len().saturating_sub(1);
        if self.procedure && self.parameters.iter().take(last).any(|p| p.variadic) {
            return invalid("VARIADIC parameter must be the last parameter".into());
        }
        let given: Vec<bool> = self.inputs().map(|p| p.default.is_some()).collect();
        if given.windows(2).any(|pair| pair[0] && !pair[1]) {
            return invalid("input parameters after one with a default value must also have defaults".into());
        }
        match (&self.returns.ty, self.outputs().count()) {
            (None, 0) => invalid("function result type must be specified".into()),
            (Some(TypeName::Record), 1) => invalid(format!("function result type must be {} because of OUT parameters", "that of its one")),
            (Some(ty), 1..) if !matches!(ty, TypeName::Record) && self.outputs().count() > 1 => {
                invalid("function result type must be record because of OUT parameters".into())
            }
            (Some(TypeName::Record), 0) => Err(Error::unsupported("a function that returns record needs OUT parameters or RETURNS TABLE")
                .hint("Name the columns of its answer.")),
            _ => self.check_body(),
        }
    }

    fn check_body(&self) -> Result<()> {
        let Body::Plpgsql(block) = &self.body else { return Ok(()) };
        let mut wrong = None;
        block.each(&mut |statement| {
            let by_row = matches!(statement.what, What::ReturnNext(_) | What::ReturnQuery(_));
            if by_row && !self.returns.set {
                wrong
                    .get_or_insert(Error::new(code::DATATYPE_MISMATCH, format!("cannot use {} in a non-SETOF function", statement.kind())));
            }
            if let What::Return(Some(_)) = statement.what {
                let message = match (&self.returns.ty, self.returns.set, self.outputs().count()) {
                    _ if self.procedure => {
                        wrong.get_or_insert(Error::syntax("RETURN cannot have a parameter in a procedure"));
                        return;
                    }
                    (_, true, _) => "RETURN cannot have a parameter in function returning set",
                    (Some(TypeName::Void), ..) => "RETURN cannot have a parameter in function returning void",
                    (_, _, 1..) => "RETURN cannot have a parameter in function with OUT parameters",
                    _ => return,
                };
                wrong.get_or_insert(Error::new(code::DATATYPE_MISMATCH, message));
            }
        });
        wrong.map_or(Ok(()), Err)
    }
}

impl Block {
    /// Every statement of the block and of those in it.
    pub fn each(&self, look: &mut dyn FnMut(&super::Statement)) {
        let handled = self.handlers.iter().flat_map(|handler| &handler.body);
        self.body.iter().chain(handled).for_each(|statement| statement.each(look));
    }
}

impl super::Statement {
    fn each(&self, look: &mut dyn FnMut(&super::Statement)) {
        look(self);
        match &self.what {
            What::Block(block) => block.each(look),
            What::If { arms, otherwise } => arms.iter().flat_map(|(_, body)| body).chain(otherwise).for_each(|s| s.each(look)),
            What::Case { arms, otherwise, .. } => {
                arms.iter().flat_map(|(_, body)| body).chain(otherwise.iter().flatten()).for_each(|s| s.each(look));
            }
            What::Loop { body, .. } => body.iter().for_each(|s| s.each(look)),
            _ => {}
        }
    }
}
