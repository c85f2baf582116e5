//! Signatures of functions: their text, and which overload a call means.
//!
//! ksqlDB tries the overloads twice, first as they stand and then with numbers widened. Of those that fit, one without repeated
//! parameters beats one with, then more parameters beat fewer, then fewer type variables beat more. Type variables bind strictly: a `T`
//! that is INT once cannot be BIGINT elsewhere in the same call.

mod parse;

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

use super::function::{AggregateOverload, Overload, Returns};
use super::types::Type;
use crate::error::{Error, Result, code};

/// What a parameter takes, or what a function gives.
#[derive(Clone, Debug, PartialEq)]
pub enum Pattern {
    Known(Type),
    /// A decimal of any precision and scale.
    Decimal,
    Any,
    /// A type variable.
    Variable(char),
    Array(Box<Pattern>),
    Map(Box<Pattern>, Box<Pattern>),
    Struct(Vec<(Arc<str>, Pattern)>),
    Lambda {
        parameters: Vec<Pattern>,
        returns: Box<Pattern>,
    },
}

/// One parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Empty where the signature gives none.
    pub name: String,
    pub ty: Pattern,
    /// May be left out.
    pub optional: bool,
    /// May come any number of times, also none.
    pub variadic: bool,
    /// Must be a constant.
    pub constant: bool,
}

/// A signature, taken apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Signature {
    pub name: String,
    pub parameters: Vec<Parameter>,
    pub returns: Pattern,
}

/// One overload to choose from, of whatever kind of function.
#[derive(Clone, Copy)]
pub struct Candidate {
    pub signature: &'static str,
    pub returns: Option<Returns>,
}

impl From<&Overload> for Candidate {
    fn from(overload: &Overload) -> Self {
        Candidate { signature: overload.signature, returns: overload.returns }
    }
}

impl From<&AggregateOverload> for Candidate {
    fn from(overload: &AggregateOverload) -> Self {
        Candidate { signature: overload.signature, returns: overload.returns }
    }
}

/// An argument as far as it is known before the overload is.
#[derive(Clone, Debug)]
pub enum Argument {
    Type(Type),
    /// A lambda of so many parameters.
    Lambda(usize),
}

/// The overload a call means.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved {
    /// Index among the candidates.
    pub overload: usize,
    /// For each argument the index of its parameter.
    pub parameters: Vec<usize>,
    /// For each argument the type it must be converted to, often its own; a lambda's is that of its result.
    pub arguments: Vec<Type>,
    pub returns: Type,
}

/// Types the body of the lambda at an argument's index, given the types of its parameters.
pub type Body<'a> = dyn FnMut(usize, &[Type]) -> Result<Type> + 'a;

impl Signature {
    /// The parsed form of a signature; parsed once per process.
    pub fn of(text: &'static str) -> Result<&'static Signature> {
        static PARSED: OnceLock<Mutex<HashMap<&'static str, &'static Signature>>> = OnceLock::new();
        let mut parsed = PARSED.get_or_init(Mutex::default).lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(signature) = parsed.get(text) {
            return Ok(signature);
        }
        // The texts are constants of the program, so what is leaked here is bounded.
        let signature: &'static Signature = Box::leak(Box::new(Signature::parse(text)?));
        parsed.insert(text, signature);
        Ok(signature)
    }

    /// Reads `NAME(a T, [b INT], c STRING...) -> T`.
    pub fn parse(text: &str) -> Result<Signature> {
        let bad = || Error::internal(format!("signature cannot be read: {text}"));
        parse::read(text).filter(Signature::is_sound).ok_or_else(bad)
    }

    fn is_sound(&self) -> bool {
        let variadic = self.parameters.iter().filter(|p| p.variadic).count();
        let optional = self.parameters.iter().filter(|p| p.optional).count();
        variadic <= 1 && optional <= OPTIONAL_MAX
    }
}

/// Ways to leave out parameters are tried one by one: two to the power of this.
const OPTIONAL_MAX: usize = 8;

impl Pattern {
    /// True if a type variable occurs in it.
    pub fn is_generic(&self) -> bool {
        match self {
            Pattern::Known(_) | Pattern::Decimal | Pattern::Any => false,
            Pattern::Variable(_) => true,
            Pattern::Array(item) => item.is_generic(),
            Pattern::Map(key, value) => key.is_generic() || value.is_generic(),
            Pattern::Struct(fields) => fields.iter().any(|(_, p)| p.is_generic()),
            Pattern::Lambda { parameters, returns } => parameters.iter().any(Pattern::is_generic) || returns.is_generic(),
        }
    }

    /// The type it stands for, given the variables; `None` while one is unbound or where it stands for many.
    fn concrete(&self, bound: &Bound) -> Option<Type> {
        Some(match self {
            Pattern::Known(ty) => ty.clone(),
            Pattern::Variable(name) => bound.get(*name)?.clone(),
            Pattern::Array(item) => Type::Array(Box::new(item.concrete(bound)?)),
            Pattern::Map(key, value) => Type::Map(Box::new(key.concrete(bound)?), Box::new(value.concrete(bound)?)),
            Pattern::Struct(fields) => {
                let fields: Option<Vec<_>> = fields.iter().map(|(n, p)| Some((n.clone(), p.concrete(bound)?))).collect();
                Type::Struct(fields?.into())
            }
            Pattern::Decimal | Pattern::Any | Pattern::Lambda { .. } => return None,
        })
    }

    /// The type that an argument of type `given` which fits is converted to.
    fn target(&self, given: &Type, bound: &Bound) -> Type {
        match (self, given) {
            (_, Type::Null) => self.concrete(bound).unwrap_or(Type::Null),
            (Pattern::Known(ty), _) => ty.clone(),
            (Pattern::Decimal, _) => given.as_decimal().map_or_else(|| given.clone(), |(p, s)| Type::Decimal(p, s)),
            (Pattern::Array(item), Type::Array(g)) => Type::Array(Box::new(item.target(g, bound))),
            (Pattern::Map(k, v), Type::Map(gk, gv)) => Type::Map(Box::new(k.target(gk, bound)), Box::new(v.target(gv, bound))),
            _ => given.clone(),
        }
    }

    /// Whether a value of a type is taken; binds type variables.
    fn fits(&self, given: &Type, casts: bool, bound: &mut Bound) -> bool {
        match (self, given) {
            (Pattern::Lambda { .. }, _) => false,
            (_, Type::Null) => true,
            (Pattern::Known(ty), _) => ty == given || casts && widens(given, ty),
            (_, Type::Unit) => false,
            (Pattern::Any, _) => true,
            (Pattern::Decimal, Type::Decimal(..)) => true,
            (Pattern::Decimal, Type::Int | Type::Bigint) => casts,
            (Pattern::Variable(name), _) => bound.bind(*name, given),
            (Pattern::Array(item), Type::Array(g)) => item.fits(g, casts, bound),
            (Pattern::Map(k, v), Type::Map(gk, gv)) => k.fits(gk, casts, bound) && v.fits(gv, casts, bound),
            (Pattern::Struct(fields), Type::Struct(given)) => {
                // Fields are not widened.
                let mut each = fields.iter().map(|(name, p)| given.iter().find(|(n, _)| n == name).map(|(_, g)| (p, g)));
                fields.len() == given.len() && each.all(|pair| pair.is_some_and(|(p, g)| p.fits(g, false, bound)))
            }
            _ => false,
        }
    }
}

/// Whether numbers widen so.
fn widens(from: &Type, to: &Type) -> bool {
    matches!((breadth(from), breadth(to)), (Some(f), Some(t)) if f < t)
}

fn breadth(ty: &Type) -> Option<u8> {
    match ty {
        Type::Int => Some(0),
        Type::Bigint => Some(1),
        Type::Decimal(..) => Some(2),
        Type::Double => Some(3),
        _ => None,
    }
}

/// What the type variables stand for in a call.
#[derive(Clone, Default)]
struct Bound(Vec<(char, Type)>);

impl Bound {
    fn get(&self, name: char) -> Option<&Type> {
        self.0.iter().find(|(n, _)| *n == name).map(|(_, ty)| ty)
    }

    fn bind(&mut self, name: char, ty: &Type) -> bool {
        match self.get(name) {
            Some(bound) => bound == ty,
            None => {
                self.0.push((name, ty.clone()));
                true
            }
        }
    }
}

/// A way of giving the arguments to the parameters of one overload.
struct Match {
    overload: usize,
    signature: &'static Signature,
    parameters: Vec<usize>,
    bound: Bound,
    arguments: Vec<Type>,
    rank: Rank,
    /// How far numbers are widened, and which parameters are left out: decides among equals.
    cost: (u32, Reverse<Vec<bool>>),
}

/// ksqlDB's order of overloads that fit; the greatest is meant.
type Rank = (bool, usize, Reverse<usize>, bool, usize);

/// Finds the overload that a call means. `casts` lets numbers widen; `body` types the lambdas among the arguments.
pub fn resolve(name: &str, candidates: &[Candidate], arguments: &[Argument], casts: bool, body: &mut Body<'_>) -> Result<Resolved> {
    let mut found = Vec::new();
    for casts in if casts { &[false, true][..] } else { &[false] } {
        for (overload, candidate) in candidates.iter().enumerate() {
            matches_of(overload, candidate, arguments, *casts, &mut found)?;
        }
        if !found.is_empty() {
            break;
        }
    }
    let Some(best) = found.iter().map(|m| m.rank).max() else { return Err(refused(name, candidates, arguments)) };
    found.retain(|m| m.rank == best);
    let several = found.iter().any(|m| m.overload != found[0].overload);
    if several && !best.0 {
        let types = show(arguments);
        return Err(Error::new(code::AMBIGUOUS_FUNCTION, format!("Function '{name}' cannot be resolved: ambiguous parameters {types}"))
            .hint(format!("Say which is meant with CAST. {}", accepted(candidates))));
    }
    // Equals differ in what ksqlDB calls ambiguous too; taking the narrowest is kinder and harms nobody.
    let Some(chosen) = found.into_iter().min_by(|a, b| a.cost.cmp(&b.cost).then(a.overload.cmp(&b.overload))) else {
        return Err(refused(name, candidates, arguments));
    };
    settle(name, chosen, candidates, arguments, body)
}

/// Adds the ways in which the arguments fit an overload.
fn matches_of(overload: usize, candidate: &Candidate, arguments: &[Argument], casts: bool, found: &mut Vec<Match>) -> Result<()> {
    let signature = Signature::of(candidate.signature)?;
    let optional: Vec<usize> = (0..signature.parameters.len()).filter(|i| signature.parameters[*i].optional).collect();
    let variadic = signature.parameters.iter().position(|p| p.variadic);
    'subsets: for subset in 0..1usize << optional.len().min(OPTIONAL_MAX) {
        let present = |i: &usize| optional.iter().position(|o| o == i).is_none_or(|bit| subset >> bit & 1 == 1);
        let given: Vec<usize> = (0..signature.parameters.len()).filter(|i| present(i)).collect();
        let repeated = variadic.filter(|v| given.contains(v));
        let fixed = given.len() - usize::from(repeated.is_some());
        if arguments.len() < fixed || repeated.is_none() && arguments.len() != fixed {
            continue;
        }
        let times = |i: &usize| if repeated == Some(*i) { arguments.len() - fixed } else { 1 };
        let parameters: Vec<usize> = given.iter().flat_map(|i| std::iter::repeat_n(*i, times(i))).collect();
        let mut bound = Bound::default();
        let mut cost = 0;
        for (argument, at) in arguments.iter().zip(&parameters) {
            let Some(pattern) = signature.parameters.get(*at).map(|p| &p.ty) else { continue 'subsets };
            let fits = match (argument, pattern) {
                (Argument::Lambda(n), Pattern::Lambda { parameters, .. }) => *n == parameters.len(),
                (Argument::Lambda(_), _) => false,
                (Argument::Type(ty), _) => {
                    let target = pattern.target(ty, &bound);
                    cost += u32::from(breadth(&target).unwrap_or(0).saturating_sub(breadth(ty).unwrap_or(3)));
                    pattern.fits(ty, casts && !pattern.is_generic(), &mut bound)
                }
            };
            if !fits {
                continue 'subsets;
            }
        }
        let of_given = || given.iter().filter_map(|i| signature.parameters.get(*i));
        let generics = of_given().filter(|p| p.ty.is_generic() || p.variadic && p.ty == Pattern::Any).count();
        let any = of_given().any(|p| p.variadic && p.ty == Pattern::Any);
        let rank = (repeated.is_none(), given.len(), Reverse(generics), !any, repeated.unwrap_or(0));
        let cost = (cost, Reverse(optional.iter().map(present).collect()));
        let typed: Vec<Type> = arguments
            .iter()
            .zip(&parameters)
            .map(|(argument, at)| match argument {
                Argument::Type(ty) => signature.parameters[*at].ty.target(ty, &bound),
                Argument::Lambda(_) => Type::Null,
            })
            .collect();
        let lambdas = arguments.iter().any(|a| matches!(a, Argument::Lambda(_)));
        if !lambdas && returned(signature, candidate, &typed, &bound).is_none() {
            continue;
        }
        found.push(Match { overload, signature, parameters, bound, arguments: typed, rank, cost });
    }
    Ok(())
}

/// Types the lambdas of the overload that is meant, and with them its result.
fn settle(name: &str, chosen: Match, candidates: &[Candidate], arguments: &[Argument], body: &mut Body<'_>) -> Result<Resolved> {
    let Match { overload, signature, parameters, mut bound, arguments: mut types, .. } = chosen;
    for (i, at) in parameters.iter().enumerate() {
        let Some(Pattern::Lambda { parameters: inputs, returns }) = signature.parameters.get(*at).map(|p| &p.ty) else { continue };
        let inputs: Option<Vec<Type>> = inputs.iter().map(|p| p.concrete(&bound)).collect();
        let Some(inputs) = inputs else {
            return Err(Error::new(code::INDETERMINATE_DATATYPE, format!("the types of the lambda's parameters in {name} are not known"))
                .hint("Give a NULL among the arguments a type with CAST."));
        };
        let result = body(i, &inputs)?;
        if !returns.fits(&result, false, &mut bound) {
            let wanted = returns.concrete(&bound).map_or_else(|| "another type".into(), |ty| ty.to_string());
            let message = format!("Function '{name}' needs a lambda that gives {wanted}, not {result}");
            return Err(Error::new(code::UNDEFINED_FUNCTION, message).hint("Add a CAST to the lambda or to the other arguments."));
        }
        if let Some(place) = types.get_mut(i) {
            *place = result;
        }
    }
    // A NULL takes the type that a variable was given later.
    for ((ty, at), argument) in types.iter_mut().zip(&parameters).zip(arguments) {
        if let (Type::Null, Argument::Type(_), Some(parameter)) = (&*ty, argument, signature.parameters.get(*at)) {
            *ty = parameter.ty.target(&Type::Null, &bound);
        }
    }
    let returns = candidates.get(overload).and_then(|candidate| returned(signature, candidate, &types, &bound));
    let returns = returns.ok_or_else(|| refused(name, candidates, arguments))?;
    Ok(Resolved { overload, parameters, arguments: types, returns })
}

fn returned(signature: &Signature, candidate: &Candidate, arguments: &[Type], bound: &Bound) -> Option<Type> {
    if let Some(returns) = candidate.returns {
        return returns(arguments);
    }
    Some(result(&signature.returns, arguments, bound))
}

/// A DECIMAL that a signature gives is the first one among the arguments; a variable that only NULLs were given for is NULL's type.
fn result(pattern: &Pattern, arguments: &[Type], bound: &Bound) -> Type {
    match pattern {
        Pattern::Decimal => arguments.iter().find(|ty| matches!(ty, Type::Decimal(..))).cloned().unwrap_or(Type::Null),
        Pattern::Array(item) => Type::Array(Box::new(result(item, arguments, bound))),
        Pattern::Map(key, value) => Type::Map(Box::new(result(key, arguments, bound)), Box::new(result(value, arguments, bound))),
        Pattern::Struct(fields) => {
            let fields: Vec<_> = fields.iter().map(|(name, p)| (name.clone(), result(p, arguments, bound))).collect();
            Type::Struct(fields.into())
        }
        _ => pattern.concrete(bound).unwrap_or(Type::Null),
    }
}

fn refused(name: &str, candidates: &[Candidate], arguments: &[Argument]) -> Error {
    let message = format!("Function '{name}' does not accept parameters {}", show(arguments));
    Error::new(code::UNDEFINED_FUNCTION, message).hint(accepted(candidates))
}

fn accepted(candidates: &[Candidate]) -> String {
    let calls: Vec<&str> = candidates.iter().map(|c| c.signature.rsplit_once(" -> ").map_or(c.signature, |(call, _)| call)).collect();
    format!("Valid alternatives are: {}.", calls.join("; "))
}

fn show(arguments: &[Argument]) -> String {
    let types: Vec<String> = arguments
        .iter()
        .map(|argument| match argument {
            Argument::Type(Type::Null) => "null".into(),
            Argument::Type(ty) => ty.to_string(),
            Argument::Lambda(_) => "LAMBDA".into(),
        })
        .collect();
    format!("({})", types.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ty(text: &str) -> Argument {
        match text.strip_prefix("lambda ") {
            Some(n) => Argument::Lambda(n.parse().unwrap()),
            None => Argument::Type(text.parse().unwrap()),
        }
    }

    fn call(signatures: &[&'static str], arguments: &[&str]) -> String {
        let candidates: Vec<Candidate> = signatures.iter().map(|s| Candidate { signature: s, returns: None }).collect();
        let arguments: Vec<Argument> = arguments.iter().map(|t| ty(t)).collect();
        // Lambdas give the type of their first parameter.
        match resolve("F", &candidates, &arguments, true, &mut |_, inputs| Ok(inputs[0].clone())) {
            Ok(r) => format!("{} {}", r.overload, r.returns),
            Err(e) => e.code().to_string(),
        }
    }

    #[test]
    fn reads_signatures() {
        let s =
            Signature::parse("F(str STRING, [pos INT, n DECIMAL(4, 2)], f (A, B) => R, rest ANY..., k INT =) -> MAP<STRING, R>").unwrap();
        let flags: Vec<_> = s.parameters.iter().map(|p| (p.name.as_str(), p.optional, p.variadic, p.constant)).collect();
        assert_eq!(
            flags,
            [
                ("str", false, false, false),
                ("pos", true, false, false),
                ("n", true, false, false),
                ("f", false, false, false),
                ("rest", false, true, false),
                ("k", false, false, true)
            ]
        );
        assert_eq!(Signature::parse("PI() -> DOUBLE").unwrap().parameters.len(), 0);
        assert_eq!(Signature::parse("F(STRING..., x T[, y T]) -> T").unwrap().parameters.len(), 3);
        for bad in ["F(", "F(x Q1) -> T", "F(x INT)", "F(x INT]) -> INT", "F(a INT..., b INT...) -> INT"] {
            assert!(Signature::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn chooses_overloads() {
        let abs = ["F(x INT) -> INT", "F(x BIGINT) -> BIGINT", "F(x DECIMAL) -> DECIMAL", "F(x DOUBLE) -> DOUBLE"];
        let least = ["F(x INT, y INT...) -> INT", "F(x BIGINT, y BIGINT...) -> BIGINT", "F(x DOUBLE, y DOUBLE...) -> DOUBLE"];
        let cases: &[(&[&'static str], &[&str], &str)] = &[
            (&abs, &["DECIMAL(4, 2)"], "2 DECIMAL(4, 2)"),
            (&abs[1..], &["INTEGER"], "0 BIGINT"),
            (&abs, &["STRING"], "42883"),
            (&abs, &["NULL"], "0 INTEGER"),
            (&["F(x DOUBLE, y DOUBLE) -> DOUBLE"], &["BIGINT", "DECIMAL(3, 1)"], "0 DOUBLE"),
            (&["F(x T, y T...) -> T"], &[], "42883"),
            (&["F(x T, y T...) -> T"], &["STRING", "NULL", "STRING"], "0 STRING"),
            (&["F(x T, y T...) -> T"], &["INTEGER", "BIGINT"], "42883"),
            (&least, &["INTEGER", "BIGINT"], "42725"),
            (&least, &["INTEGER", "INTEGER"], "0 INTEGER"),
            (&["F(x STRING, [n INT], [b BOOLEAN]) -> STRING"], &["STRING", "BOOLEAN"], "0 STRING"),
            (&["F(x STRING, [n INT], [b BOOLEAN]) -> STRING"], &["STRING", "BOOLEAN", "INTEGER"], "42883"),
            (&["F(x ANY...) -> INT", "F(x STRING...) -> STRING"], &["STRING"], "1 STRING"),
            (&["F(a ARRAY<T>, i T) -> BOOLEAN"], &["ARRAY<BIGINT>", "INTEGER"], "42883"),
            (&["F(a ARRAY<DOUBLE>) -> DOUBLE"], &["ARRAY<INTEGER>"], "0 DOUBLE"),
            (&["F(u UNIT, n INT) -> INT", "F(u STRING, n INT) -> INT"], &["INTERVALUNIT", "INTEGER"], "0 INTEGER"),
            (&["F(u UNIT, n INT) -> INT"], &["DATE", "INTEGER"], "42883"),
            (&["F(a ARRAY<T>, s S, f (S, T) => S) -> S"], &["ARRAY<INTEGER>", "BIGINT", "lambda 2"], "0 BIGINT"),
            (&["F(a ARRAY<T>, s S, f (S, T) => S) -> S"], &["ARRAY<INTEGER>", "NULL", "lambda 2"], "42P18"),
            (&["F(a ARRAY<T>, f T => U) -> ARRAY<U>"], &["ARRAY<INTEGER>", "lambda 1"], "0 ARRAY<INTEGER>"),
            (&["F(a ARRAY<T>, f T => U) -> ARRAY<U>"], &["ARRAY<INTEGER>", "lambda 2"], "42883"),
            (&["F(a ARRAY<T>, f T => BOOLEAN) -> ARRAY<T>"], &["ARRAY<INTEGER>", "lambda 1"], "42883"),
        ];
        for (signatures, arguments, expected) in cases {
            assert_eq!(call(signatures, arguments), *expected, "{signatures:?} {arguments:?}");
        }
    }
}
