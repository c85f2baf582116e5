//! Calls of scalar functions: arguments, lambdas and units.

use std::sync::Arc;

use crate::error::{Error, Result, code, nearest};
use crate::func::ksql::code::{Code, Invocation, Operand};
use crate::func::ksql::list;
use crate::func::ksql::signature::{Argument, Candidate, Pattern, Resolved, Signature, resolve};
use crate::func::ksql::{Call, Scalar, Type, Value};
use crate::sql::ksql::ast::{Expr, ExprKind};

use super::node::{Made, Node, guarded};
use super::{Compiler, no_twice, placed};

/// The words that are units of time.
const UNITS: [&str; 10] = ["DAY", "DAYS", "HOUR", "HOURS", "MINUTE", "MINUTES", "SECOND", "SECONDS", "MILLISECOND", "MILLISECONDS"];

/// The lambdas of a call: for the argument at an index its parameters' names and its body.
type Bodies = Vec<(usize, Vec<Arc<str>>, Code)>;

impl Compiler<'_> {
    pub(super) fn call(&mut self, name: &str, arguments: &[Expr]) -> Result<(Code, Type)> {
        let function = list::scalar(name).ok_or_else(|| unknown(name))?;
        let mut nodes: Vec<Option<Node<'_>>> = Vec::with_capacity(arguments.len());
        let mut given: Vec<Argument> = Vec::with_capacity(arguments.len());
        for (at, argument) in arguments.iter().enumerate() {
            if let ExprKind::Lambda { parameters, .. } = &argument.kind {
                no_twice(parameters.iter().map(String::as_str)).map_err(|_| twice(argument))?;
                nodes.push(None);
                given.push(Argument::Lambda(parameters.len()));
                continue;
            }
            let node = match unit(function, at, argument) {
                Some(word) => Node { made: Made::Literal(Value::text(word)), ty: Type::Unit, expr: argument },
                None => self.node(argument)?,
            };
            given.push(Argument::Type(node.ty.clone()));
            nodes.push(Some(node));
        }
        let candidates: Vec<Candidate> = function.overloads.iter().map(Candidate::from).collect();
        let mut bodies = Bodies::new();
        let Resolved { overload, arguments: types, returns, .. } = resolve(name, &candidates, &given, true, &mut |at, inputs| {
            let (names, body, ty) = self.lambda(arguments.get(at), inputs)?;
            bodies.push((at, names, body));
            Ok(ty)
        })?;
        let overload = function.overloads.get(overload).ok_or_else(|| Error::internal("no such overload"))?;
        // What depends on the clock or on chance says so whenever it is called: it is refused before a row meets it.
        if arguments.is_empty() {
            let call = Call { arguments: &[], returns: &returns, lambdas: &[] };
            (overload.eval)(&call, &[]).err().filter(|e| e.code() == code::FEATURE_NOT_SUPPORTED).map_or(Ok(()), Err)?;
        }
        let mut operands = Vec::with_capacity(nodes.len());
        for (at, (node, ty)) in nodes.into_iter().zip(&types).enumerate() {
            operands.push(match node {
                Some(node) => Operand::Value(operand(node, ty)?),
                None => {
                    let found = bodies.iter().position(|(of, _, _)| *of == at).map(|i| bodies.swap_remove(i));
                    let (_, parameters, body) = found.ok_or_else(|| Error::internal("a lambda without a type"))?;
                    Operand::Lambda { parameters, body }
                }
            });
        }
        let call = Invocation { name: function.name, overload, operands, types, returns: returns.clone() };
        Ok((Code::Call(Arc::new(call)), returns))
    }

    /// Compiles a lambda whose parameters have these types.
    fn lambda(&mut self, lambda: Option<&Expr>, inputs: &[Type]) -> Result<(Vec<Arc<str>>, Code, Type)> {
        let Some(ExprKind::Lambda { parameters, body }) = lambda.map(|l| &l.kind) else {
            return Err(Error::internal("a lambda that is none"));
        };
        let names: Vec<Arc<str>> = parameters.iter().map(|name| name.as_str().into()).collect();
        self.frames.push(names.iter().cloned().zip(inputs.iter().cloned()).collect());
        let typed = self.typed(body);
        self.frames.pop();
        let (code, ty) = typed?;
        Ok((names, code, ty))
    }
}

/// An argument's code. One that is a call or a field itself gives NULL where it fails, and the function goes on.
fn operand(node: Node<'_>, ty: &Type) -> Result<Code> {
    let nested = matches!(node.expr.kind, ExprKind::Call { .. } | ExprKind::Field(..));
    let code = node.converted(ty)?;
    Ok(if nested { guarded(code) } else { code })
}

/// The unit that an argument is: a bare word where some overload takes a unit.
pub(super) fn unit<'e>(function: &Scalar, at: usize, argument: &'e Expr) -> Option<&'e str> {
    let ExprKind::Column { source: None, name } = &argument.kind else { return None };
    let takes_one = |signature: &Signature| signature.parameters.get(at).is_some_and(|p| p.ty == Pattern::Known(Type::Unit));
    let mut signatures = function.overloads.iter().filter_map(|o| Signature::of(o.signature).ok());
    (UNITS.contains(&name.as_str()) && signatures.any(takes_one)).then_some(name)
}

fn twice(lambda: &Expr) -> Error {
    placed(Error::new(code::DUPLICATE_OBJECT, "a lambda has two parameters of the same name"), lambda.at)
}

fn unknown(name: &str) -> Error {
    if list::aggregate(name).is_some() {
        let error = Error::new(code::GROUPING_ERROR, format!("aggregate function {name} is not allowed here"));
        return error.hint("Aggregates may stand in SELECT and HAVING, but not within one another.");
    }
    if list::table(name).is_some() {
        let error = Error::new(code::WRONG_OBJECT_TYPE, format!("table function {name} is not allowed here"));
        return error.hint("Table functions may stand in the SELECT of a stream, but not within one another.");
    }
    let error = Error::new(code::UNDEFINED_FUNCTION, format!("function {name} does not exist"));
    match nearest(name, list::names()) {
        Some(near) => error.hint(format!("Perhaps you meant {near}. SHOW FUNCTIONS lists all.")),
        None => error.hint("SHOW FUNCTIONS lists all."),
    }
}
