//! Which of several functions of one name a call means, by the types of its arguments (PostgreSQL manual, chapter "Functions" of "Type
//! Conversion").
//!
//! Calls are looked up before anything is planned. So the types of arguments are those that the statement tells by itself: of literals, casts,
//! parameters, columns of relations in FROM, and calls of functions with one result. Where that does not tell which function is meant, and
//! another type would, the call is refused.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, LazyLock};

use sqlparser::ast::{self, BinaryOperator, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, TableFactor, UnaryOperator, Value};

use super::inline;
use crate::catalog::{Column, Function, Relation, Scope, listed};
use crate::data::PgType;
use crate::error::{Error, Result, code};
use crate::serve::system::facts::{self, PROCS};
use crate::sql::convert::{known_type, relation_name};
use crate::sql::fold_name;
use crate::sql::statement::VARIADIC;

/// What tells the types of names that are no columns, as variables are.
pub type Variables<'a> = &'a dyn Fn(&[String]) -> Option<PgType>;

/// The name of a relation of FROM, with its columns where they are known.
type SourceTyped = (String, Option<Vec<(String, PgType)>>);

/// Tells the types of arguments.
pub struct Typing<'a> {
    scope: &'a Scope,
    /// Those that are declared of parameters.
    parameters: &'a [Option<PgType>],
    variables: Option<Variables<'a>>,
    /// Of each query that is open: the names of its relations, with their columns where they are known.
    sources: Vec<Vec<SourceTyped>>,
}

impl<'a> Typing<'a> {
    /// Outside of any query.
    pub fn new(scope: &'a Scope, parameters: &'a [Option<PgType>]) -> Typing<'a> {
        Typing { scope, parameters, variables: None, sources: vec![] }
    }

    /// The same with names that are variables.
    pub fn with_variables(self, variables: Variables<'a>) -> Typing<'a> {
        Typing { variables: Some(variables), ..self }
    }

    /// Goes into a query: its columns may be arguments.
    pub fn enter(&mut self, query: &ast::Query) {
        let from = match query.body.as_ref() {
            ast::SetExpr::Select(select) => select.from.as_slice(),
            _ => &[],
        };
        let factors = from.iter().flat_map(|from| [&from.relation].into_iter().chain(from.joins.iter().map(|join| &join.relation)));
        let sources = factors.map(|factor| self.source(factor)).collect();
        self.sources.push(sources);
    }

    /// Goes into a statement that changes a relation.
    pub fn enter_change(&mut self, relation: &Relation, alias: &str) {
        self.sources.push(vec![(alias.to_string(), Some(columns_of(relation)))]);
    }

    /// Comes out of the last that it went into.
    pub fn leave(&mut self) {
        self.sources.pop();
    }

    fn source(&self, factor: &TableFactor) -> (String, Option<Vec<(String, PgType)>>) {
        let (TableFactor::Table { alias, .. } | TableFactor::Derived { alias, .. } | TableFactor::Function { alias, .. }) = factor else {
            return (String::new(), None);
        };
        let TableFactor::Table { name, args: None, .. } = factor else {
            return (alias.as_ref().map(|alias| fold_name(&alias.name)).unwrap_or_default(), None);
        };
        let name = relation_name(name).ok();
        let relation = name.as_ref().and_then(|name| self.scope.find(name));
        let plain = alias.as_ref().is_none_or(|alias| alias.columns.is_empty());
        let called = alias.as_ref().map(|alias| fold_name(&alias.name)).or(name.map(|name| name.name));
        (called.unwrap_or_default(), relation.filter(|_| plain).map(|relation| columns_of(relation)))
    }

    /// The type of a value, unknown for one that may become any; `None` if the statement does not tell.
    pub fn of(&self, value: &Expr) -> Option<PgType> {
        match value {
            Expr::Value(value) => self.of_literal(&value.value),
            Expr::Nested(value) => self.of(value),
            Expr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, expr } => self.of(expr),
            Expr::UnaryOp { op: UnaryOperator::Not, .. }
            | Expr::IsNull(_)
            | Expr::IsNotNull(_)
            | Expr::IsTrue(_)
            | Expr::IsFalse(_)
            | Expr::IsDistinctFrom(..)
            | Expr::IsNotDistinctFrom(..)
            | Expr::Between { .. }
            | Expr::InList { .. }
            | Expr::InSubquery { .. }
            | Expr::Like { .. }
            | Expr::ILike { .. }
            | Expr::Exists { .. } => Some(PgType::Bool),
            Expr::Interval(_) => Some(PgType::Interval),
            Expr::Extract { .. } => Some(PgType::Numeric(None)),
            Expr::Case { conditions, else_result, .. } => {
                self.of_alike(conditions.iter().map(|when| &when.result).chain(else_result.as_deref()))
            }
            Expr::Cast { data_type, .. } => known_type(data_type).ok(),
            Expr::TypedString(typed) => known_type(&typed.data_type).ok(),
            Expr::Array(array) => {
                let mut items = array.elem.iter().map(|item| self.of(item));
                let first = items.next()??;
                let alike = first != PgType::Unknown && items.all(|item| item.as_ref() == Some(&first));
                alike.then(|| PgType::Array(Box::new(first)))
            }
            Expr::Identifier(name) => self.of_name(&[fold_name(name)]),
            Expr::CompoundIdentifier(names) => self.of_name(&names.iter().map(fold_name).collect::<Vec<_>>()),
            Expr::BinaryOp { left, op, right } => self.of_operation(op, left, right),
            Expr::Function(call) => self.of_call(call),
            _ => None,
        }
    }

    /// The type that values have of which one is chosen: the one that they have in common, of numbers the widest, text where none has any.
    fn of_alike<'e>(&self, values: impl Iterator<Item = &'e Expr>) -> Option<PgType> {
        let mut together = PgType::Unknown;
        for value in values {
            together = match (together, self.of(value)?) {
                (PgType::Unknown, ty) | (ty, PgType::Unknown) => ty,
                (one, other) if is_same(&one, &other) => one,
                (one, other) => wider(one, other)?,
            };
        }
        Some(if together == PgType::Unknown { PgType::Text } else { together })
    }

    /// What numbers and dates are computed to, what comparisons tell, what texts are put together to, and what parts of JSON are.
    fn of_operation(&self, op: &BinaryOperator, left: &Expr, right: &Expr) -> Option<PgType> {
        use BinaryOperator as B;
        match op {
            B::LongArrow | B::HashLongArrow => Some(PgType::Text),
            B::Arrow | B::HashArrow => self.of(left).filter(|ty| matches!(ty, PgType::Json | PgType::Jsonb)),
            B::And | B::Or | B::Eq | B::NotEq | B::Lt | B::LtEq | B::Gt | B::GtEq => Some(PgType::Bool),
            B::StringConcat => {
                let (left, right) = (self.of(left)?, self.of(right)?);
                [left, right].iter().all(|ty| *ty == PgType::Unknown || category(ty) == "S").then_some(PgType::Text)
            }
            B::Plus | B::Minus | B::Multiply | B::Divide | B::Modulo => match (self.of(left)?, self.of(right)?) {
                (PgType::Unknown, number) | (number, PgType::Unknown) => width(&number).map(|_| number),
                (left, right) => of_dates(op, &left, &right).or_else(|| wider(left, right)),
            },
            _ => None,
        }
    }

    fn of_literal(&self, value: &Value) -> Option<PgType> {
        match value {
            Value::Number(digits, _) if digits.parse::<i32>().is_ok() => Some(PgType::Int4),
            Value::Number(digits, _) if digits.parse::<i64>().is_ok() => Some(PgType::Int8),
            Value::Number(..) => Some(PgType::Numeric(None)),
            Value::Boolean(_) => Some(PgType::Bool),
            Value::Placeholder(place) => {
                let n: usize = place.strip_prefix('$')?.parse().ok()?;
                Some(self.parameters.get(n.checked_sub(1)?).cloned().flatten().unwrap_or(PgType::Unknown))
            }
            _ => Some(PgType::Unknown),
        }
    }

    /// True if arguments may be given for parameters of these types, by number, as far as their own are told.
    pub fn fit(&self, arguments: &[FunctionArg], asked: &[u32]) -> bool {
        let fits = |(argument, asked): (&FunctionArg, &u32)| match (argument, PgType::from_oid(*asked)) {
            (FunctionArg::Unnamed(FunctionArgExpr::Expr(value)), Some(asked)) if asked != PgType::Record => {
                takes(self.of(value).as_ref(), &asked)
            }
            _ => true,
        };
        arguments.len() == asked.len() && arguments.iter().zip(asked).all(fits)
    }

    fn of_name(&self, path: &[String]) -> Option<PgType> {
        let (column, of) = path.split_last()?;
        for sources in self.sources.iter().rev() {
            let named = sources.iter().filter(|(name, _)| of.last().is_none_or(|of| of == name));
            let mut unknown = false;
            for (_, columns) in named {
                match columns {
                    Some(columns) => {
                        if let Some((_, ty)) = columns.iter().find(|(name, _)| name == column) {
                            return Some(ty.clone());
                        }
                    }
                    None => unknown = true,
                }
            }
            if unknown {
                return None;
            }
        }
        self.variables.and_then(|variables| variables(path))
    }

    /// The type of a call's result, if all functions of that name and of as many arguments have the same.
    fn of_call(&self, call: &ast::Function) -> Option<PgType> {
        let name = relation_name(&call.name).ok()?;
        let FunctionArguments::List(list) = &call.args else { return of_keyword(&name.name) };
        let mut values = list.args.iter().filter_map(inline::argument_value);
        match name.name.as_str() {
            "coalesce" | "greatest" | "least" => return self.of_alike(values),
            "nullif" => return self.of_alike(values.next().into_iter()),
            _ => {}
        }
        let mut results: Vec<PgType> = Vec::new();
        for function in self.scope.functions_named(&name).filter(|f| f.inputs.len() >= list.args.len() && f.gives_value()) {
            results.extend(function.outputs.first().map(|output| output.ty.clone()));
        }
        let built_in = PROCS.iter().filter(|p| p.name == name.name && p.types().len() == list.args.len());
        results.extend(built_in.filter_map(|p| PgType::from_oid(p.returns)));
        let first = results.first()?.clone();
        results.iter().all(|ty| *ty == first).then_some(first)
    }
}

/// The type of what stands for the time, or for who asks, without parentheses.
fn of_keyword(name: &str) -> Option<PgType> {
    Some(match name {
        "current_date" => PgType::Date,
        "current_timestamp" => PgType::Timestamptz,
        "localtimestamp" => PgType::Timestamp,
        "current_user" | "session_user" | "user" | "current_role" | "current_catalog" | "current_schema" => PgType::Name,
        _ => return None,
    })
}

/// What becomes of a date or a time to which something is added, or from which something is taken.
fn of_dates(op: &BinaryOperator, left: &PgType, right: &PgType) -> Option<PgType> {
    use PgType as T;
    Some(match (op, left, right) {
        (BinaryOperator::Plus | BinaryOperator::Minus, T::Date, T::Int2 | T::Int4) => T::Date,
        (BinaryOperator::Plus | BinaryOperator::Minus, T::Date | T::Timestamp, T::Interval) => T::Timestamp,
        (BinaryOperator::Plus | BinaryOperator::Minus, T::Timestamptz, T::Interval) => T::Timestamptz,
        (BinaryOperator::Plus | BinaryOperator::Minus, T::Interval, T::Interval) => T::Interval,
        (BinaryOperator::Minus, T::Date, T::Date) => T::Int4,
        (BinaryOperator::Minus, T::Timestamp, T::Timestamp) | (BinaryOperator::Minus, T::Timestamptz, T::Timestamptz) => T::Interval,
        _ => return None,
    })
}

/// The place of a type of numbers among [`NUMBERS`].
fn width(ty: &PgType) -> Option<usize> {
    NUMBERS.iter().position(|number| is_same(number, ty))
}

/// The type of numbers that two are computed with.
fn wider(one: PgType, other: PgType) -> Option<PgType> {
    Some(if width(&one)? < width(&other)? { other } else { one })
}

fn columns_of(relation: &Relation) -> Vec<(String, PgType)> {
    relation.columns.iter().map(|column| (column.name.clone(), column.ty.clone())).collect()
}

/// The types of numbers: of two that are computed with, the result has the later one.
const NUMBERS: [PgType; 6] = [PgType::Int2, PgType::Int4, PgType::Int8, PgType::Numeric(None), PgType::Float4, PgType::Float8];

/// Categories of types by their object ids, and whether a type is preferred in its own.
static CATEGORIES: LazyLock<HashMap<u32, (&str, bool)>> = LazyLock::new(|| {
    let of = |row: Vec<&'static str>| Some((row.first()?.parse().ok()?, (*row.get(2)?, *row.get(3)? == "t")));
    facts::types().filter_map(of).collect()
});
/// The casts that are made where nothing asks for them: from one type to another.
static IMPLICIT: LazyLock<BTreeSet<(u32, u32)>> = LazyLock::new(|| {
    let of = |row: Vec<&'static str>| Some((row.get(1)?.parse().ok()?, row.get(2)?.parse().ok()?)).filter(|_| row.get(4) == Some(&"i"));
    facts::casts().filter_map(of).collect()
});

fn category(ty: &PgType) -> &'static str {
    match ty {
        PgType::Array(_) => "A",
        PgType::Enum(_) => "E",
        other => CATEGORIES.get(&other.oid()).map_or("U", |(category, _)| category),
    }
}

fn is_preferred(ty: &PgType) -> bool {
    !matches!(ty, PgType::Array(_) | PgType::Enum(_)) && CATEGORIES.get(&ty.oid()).is_some_and(|(_, preferred)| *preferred)
}

/// True if a value of one type is taken where the other is asked for. One whose type is not told may be.
fn takes(given: Option<&PgType>, asked: &PgType) -> bool {
    let Some(given) = given else { return true };
    *given == PgType::Unknown || is_same(given, asked) || IMPLICIT.contains(&(given.oid(), asked.oid()))
}

fn is_same(one: &PgType, other: &PgType) -> bool {
    one.base() == other.base()
}

/// Which of the candidates, by the types of the parameters that the arguments are for, a call means. Errors: 42883 for none of them, 42725 for
/// several, 0A000 where the type of an argument that is not told would tell.
pub fn choose(name: &str, given: &[Option<PgType>], candidates: &[Vec<PgType>]) -> Result<usize> {
    let mut left: Vec<usize> = (0..candidates.len()).collect();
    left.retain(|i| given.iter().zip(&candidates[*i]).all(|(given, asked)| takes(given.as_ref(), asked)));
    let of_known = |i: usize, fits: &dyn Fn(&PgType, &PgType) -> bool| {
        given.iter().flatten().zip(&candidates[i]).filter(|(given, asked)| **given != PgType::Unknown && fits(given, asked)).count()
    };
    if given.iter().all(Option::is_some) {
        keep_best(&mut left, |i| of_known(i, &is_same));
        keep_best(&mut left, |i| of_known(i, &|given, asked| is_same(given, asked) || is_preferred(asked)));
        by_category(&mut left, given, candidates);
        by_likeness(&mut left, given, candidates);
    }
    let told = || {
        let types: Vec<PgType> = given.iter().map(|ty| ty.clone().unwrap_or(PgType::Unknown).base()).collect();
        listed(&types, ", ")
    };
    match left.as_slice() {
        [one] => Ok(*one),
        [] => Err(Error::new(code::UNDEFINED_FUNCTION, format!("function {name}({}) does not exist", told()))
            .hint("No function matches the given name and argument types. You might need to add explicit type casts.")),
        _ if given.iter().any(Option::is_none) => {
            let message = format!("which function {name} is called is not known before its arguments are computed");
            Err(Error::unsupported(message).hint("Cast the arguments to the types of its parameters."))
        }
        _ => Err(Error::new(code::AMBIGUOUS_FUNCTION, format!("function {name}({}) is not unique", told()))
            .hint("Could not choose a best candidate function. You might need to add explicit type casts.")),
    }
}

/// A function that a call may mean, with the call's arguments.
pub struct Candidate {
    pub function: Arc<Function>,
    /// One for each parameter, defaults among them.
    pub arguments: Vec<Expr>,
    defaults: usize,
    /// The types of the parameters that the call's own arguments are for.
    types: Vec<PgType>,
}

impl Candidate {
    /// The function with the arguments of a call for these of its parameters; `None` if there are too many or too few, or of other names.
    pub fn of(function: &Arc<Function>, parameters: &[&Column], arguments: &[FunctionArg]) -> Result<Option<Candidate>> {
        let as_array = arguments.last().and_then(inline::argument_value).and_then(of_variadic);
        let gathers = function.variadic && as_array.is_none();
        // What is gathered has no names, so that no argument may have one.
        if gathers && arguments.iter().any(|argument| !matches!(argument, FunctionArg::Unnamed(_))) {
            return Ok(None);
        }
        let mut written = arguments.to_vec();
        if let (Some(array), Some(last)) = (as_array, written.last_mut()) {
            if !function.variadic {
                return Ok(None);
            }
            *last = FunctionArg::Unnamed(FunctionArgExpr::Expr(array.clone()));
        }
        let fixed = parameters.len().saturating_sub(usize::from(gathers));
        if gathers && written.len() > fixed {
            let rest: Option<Vec<Expr>> = written.drain(fixed..).map(|argument| inline::argument_value(&argument).cloned()).collect();
            let Some(elem) = rest else { return Ok(None) };
            written.push(FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Array(ast::Array { elem, named: true }))));
        }
        let inputs = inline::named_defaults(parameters.iter().copied())?;
        let (Some(places), Some((given, defaults))) = (inline::places(&inputs, &written), inline::given(&inputs, &written)) else {
            return Ok(None);
        };
        let of_parameter = |at: usize| match &parameters[at].ty {
            PgType::Array(item) if gathers && at == fixed => item.as_ref().clone(),
            other => other.clone(),
        };
        let mut types: Vec<PgType> = places.iter().map(|at| of_parameter(*at)).collect();
        if gathers {
            // The last parameter stands for all that it gathers.
            types.extend(std::iter::repeat_n(of_parameter(fixed), arguments.len().saturating_sub(places.len())));
        }
        Ok(Some(Candidate { function: function.clone(), arguments: given, defaults, types }))
    }
}

/// What VARIADIC stands before, if an argument is that.
fn of_variadic(argument: &Expr) -> Option<&Expr> {
    match argument {
        Expr::Prefixed { prefix, value } if prefix.value == VARIADIC => Some(value),
        _ => None,
    }
}

/// The candidate that a call means, if there is any. Errors: those of [`choose`].
pub fn pick(typing: &Typing, name: &str, arguments: &[FunctionArg], mut candidates: Vec<Candidate>) -> Result<Option<Candidate>> {
    // Of those with the same types, the one that needs the fewest defaults and gathers nothing.
    candidates.sort_by_key(|candidate| (candidate.defaults, candidate.function.variadic));
    let mut different: Vec<Candidate> = Vec::with_capacity(candidates.len());
    for candidate in candidates {
        if different.iter().all(|other| other.types != candidate.types) {
            different.push(candidate);
        }
    }
    if different.len() < 2 {
        return Ok(different.pop());
    }
    let value = |argument: &FunctionArg| inline::argument_value(argument).map(|value| of_variadic(value).unwrap_or(value).clone());
    let given: Vec<Option<PgType>> = arguments.iter().map(|argument| value(argument).and_then(|value| typing.of(&value))).collect();
    let types: Vec<Vec<PgType>> = different.iter().map(|candidate| candidate.types.clone()).collect();
    let chosen = choose(name, &given, &types)?;
    Ok(Some(different.swap_remove(chosen)))
}

/// Keeps those that score best.
fn keep_best(left: &mut Vec<usize>, score: impl Fn(usize) -> usize) {
    if left.len() > 1 {
        let best = left.iter().map(|i| score(*i)).max().unwrap_or_default();
        left.retain(|i| score(*i) == best);
    }
}

/// For arguments that may become any type: strings if a candidate takes one, else what all of them take; the preferred type of that if a
/// candidate takes it. It tells nothing unless it tells of all such arguments together.
fn by_category(left: &mut Vec<usize>, given: &[Option<PgType>], candidates: &[Vec<PgType>]) {
    let mut fitting = left.clone();
    for (at, _) in given.iter().enumerate().filter(|(_, ty)| **ty == Some(PgType::Unknown)) {
        let of = |i: &usize| candidates[*i].get(at);
        let categories: BTreeSet<&str> = left.iter().filter_map(of).map(category).collect();
        let chosen = match categories.contains("S") {
            true => "S",
            false if categories.len() == 1 => categories.first().copied().unwrap_or_default(),
            false => return,
        };
        let is_chosen = |ty: &PgType| category(ty) == chosen;
        let prefers = left.iter().filter_map(of).any(|ty| is_chosen(ty) && is_preferred(ty));
        fitting.retain(|i| of(i).is_some_and(|ty| is_chosen(ty) && (!prefers || is_preferred(ty))));
    }
    if left.len() > 1 && !fitting.is_empty() {
        *left = fitting;
    }
}

/// Where all arguments that have a type have the same one: it is the others' too, if one candidate takes that.
fn by_likeness(left: &mut Vec<usize>, given: &[Option<PgType>], candidates: &[Vec<PgType>]) {
    let mut known = given.iter().flatten().filter(|ty| **ty != PgType::Unknown);
    let Some(first) = known.next() else { return };
    if left.len() < 2 || !known.all(|ty| is_same(ty, first)) {
        return;
    }
    let fitting: Vec<usize> =
        left.iter().copied().filter(|i| candidates[*i].iter().take(given.len()).all(|ty| takes(Some(first), ty))).collect();
    if fitting.len() == 1 {
        *left = fitting;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_types_are_chosen() {
        let (int, text) = (PgType::Int4, PgType::Text);
        let candidates = [vec![int.clone()], vec![text.clone()]];
        let chosen = |ty: PgType| choose("f", &[Some(ty)], &candidates).map_err(|e| e.code());
        assert_eq!(chosen(PgType::Int4), Ok(0));
        assert_eq!(chosen(PgType::Int2), Ok(0));
        assert_eq!(chosen(PgType::Unknown), Ok(1));
        assert_eq!(chosen(PgType::Varchar(None)), Ok(1));
        assert_eq!(chosen(PgType::Numeric(None)), Err(code::UNDEFINED_FUNCTION));
        assert_eq!(choose("f", &[None], &candidates).map_err(|e| e.code()), Err(code::FEATURE_NOT_SUPPORTED));
    }

    #[test]
    fn preferred_types_decide_where_no_type_is_the_same() {
        let candidates = [vec![PgType::Int8], vec![PgType::Float8]];
        assert_eq!(choose("f", &[Some(PgType::Int4)], &candidates).map_err(|e| e.code()), Ok(1));
        let candidates = [vec![PgType::Int4, PgType::Int8], vec![PgType::Int8, PgType::Int4]];
        let given = [Some(PgType::Int4), Some(PgType::Int4)];
        assert_eq!(choose("f", &given, &candidates).map_err(|e| e.code()), Err(code::AMBIGUOUS_FUNCTION));
    }

    #[test]
    fn literals_decide_only_together() {
        let candidates = [vec![PgType::Text, PgType::Int4], vec![PgType::Int4, PgType::Text]];
        let given = [Some(PgType::Unknown), Some(PgType::Unknown)];
        assert_eq!(choose("f", &given, &candidates).map_err(|e| e.code()), Err(code::AMBIGUOUS_FUNCTION));
    }
}
