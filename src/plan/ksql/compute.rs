//! Code that the planner makes itself, and what the fold calls for it.

use std::sync::Arc;

use super::expr::Typed;
use super::query::Planner;
use super::stage::Stage;
use crate::error::{Error, Result};
use crate::fold::ksql as fold;
use crate::func::ksql::code::{Code, Conversion};
use crate::func::ksql::signature::{Argument, Candidate, resolve};
use crate::func::ksql::{Type, Value, list};
use crate::sql::ksql::ast::{Expr, ExprKind};

/// What the fold calls for an expression.
pub fn evaluator(code: Code) -> fold::Expr {
    Arc::new(move |row| code.eval(row))
}

/// A column of the row.
pub fn column(index: usize, name: &str) -> Code {
    Code::Column { index, name: name.into() }
}

/// NULL.
pub fn null() -> Typed {
    Typed { code: Code::Constant(Value::Null), ty: Type::Null }
}

/// The value as one of a wider type.
pub fn widened(typed: Typed, to: &Type) -> Typed {
    if typed.ty == *to {
        return typed;
    }
    let code = Code::Convert { value: Box::new(typed.code), to: to.clone(), how: Conversion::Widen };
    Typed { code, ty: to.clone() }
}

/// The value as a column of a type takes it: a number of another type becomes one of it, NULL where it does not fit.
pub fn assigned(typed: Typed, to: &Type) -> Typed {
    if typed.ty == *to || !matches!(to, Type::Decimal(..)) {
        return widened(typed, to);
    }
    let code = Code::Convert { value: Box::new(typed.code), to: to.clone(), how: Conversion::Cast };
    Typed { code, ty: to.clone() }
}

/// A table function's call: the type of its rows, and what gives them.
pub fn table_call(planner: &Planner<'_>, call: &Expr, stage: &Stage) -> Result<(Type, fold::TableFunction)> {
    let ExprKind::Call { name, arguments } = &call.kind else { return Err(Error::internal("not a call")) };
    let function = list::table(name).ok_or_else(|| Error::internal("not a table function"))?;
    let typed = arguments.iter().map(|a| planner.code(a, stage)).collect::<Result<Vec<_>>>()?;
    let candidates: Vec<Candidate> = function.overloads.iter().map(|o| Candidate { signature: o.signature, returns: o.returns }).collect();
    let given: Vec<Argument> = typed.iter().map(|t| Argument::Type(t.ty.clone())).collect();
    let lambdas = &mut |_: usize, _: &[Type]| Err(Error::internal("table functions take no lambdas"));
    let resolved = resolve(name, &candidates, &given, true, lambdas).map_err(|e| e.at(call.at))?;
    let eval = function.overloads[resolved.overload].eval;
    let codes: Vec<Code> = typed.into_iter().zip(&resolved.arguments).map(|(t, ty)| widened(t, ty).code).collect();
    let rows = move |row: &[Value]| {
        let values = codes.iter().map(|code| code.eval(row)).collect::<Result<Vec<_>>>()?;
        eval(&values)
    };
    Ok((resolved.returns, Arc::new(rows)))
}
