//! Calls of functions of users, with what the functions mean in their place.
//!
//! A function is a query with `$n` for its parameters ([`Function`]). One that is an expression is put where its call stands, with the arguments
//! in the places of parameters. One that reads something becomes a subquery, and in FROM a derived table. So a view folds what a function
//! does as if its query said it, and the optimizer sees through calls.
//!
//! Decision: arguments are never resolved here, since that takes the tables around them. Where putting one into a body could give its names
//! another meaning, or would compute it again and again, it becomes a column of a derived table of one row that the body reads from outside.
//! What changes each time it is computed is put in one place, or refused.
//!
//! Each argument is cast to the type of its parameter, so that a call takes more than PostgreSQL lets it: a text for an integer that reads as one.
//!
//! Bounded: what one statement is expanded by ([`limits::EXPANDED_BYTES_MAX`]).

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use sqlparser::ast::{
    self, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName, Query, Select, SelectItem, SetExpr, TableAlias,
    TableAliasColumnDef, TableFactor, Value, Visit, VisitMut, Visitor, VisitorMut,
};

use super::overloads::{Candidate, Typing, pick};
use crate::catalog::{Answers, Column, Function, FunctionId, RoutineKind, Scope, listed};
use crate::data::PgType;
use crate::data::quoting::ident;
use crate::error::{Error, Result, code};
use crate::func::names::expression_name;
use crate::limits;
use crate::serve::system::facts::PROCS;
use crate::sql::convert::relation_name;
use crate::sql::parse::written_expression;
use crate::sql::{Statement, fold_name, parse, placeholder};

/// Where a function can be called that runs.
const ROUTINES_RUN: &str = "It runs when it is called, which it can be in FROM, as an item of a SELECT list, in VALUES of INSERT, and in PL/pgSQL. \
                            One of LANGUAGE sql whose body is one SELECT is called for each row, and in views.";
/// What stands for a body's rows where they are joined to something.
const ROWS: &str = "rows of a function";
/// Length of an argument, over all its places, up to which it is computed in each of them.
const REPEATED_BYTES_MAX: usize = 2_000;

/// Expands the calls of functions of users in a part of a statement. Answers the functions, those that they call included. Errors: 42883 for a
/// name that only such functions have, called with what none of them takes; 0A000, 42809 for what cannot be called in its place. `types[i]` is
/// the declared type of parameter i+1.
pub fn expand<T: VisitMut>(part: &mut T, scope: &Scope, types: &[Option<PgType>]) -> Result<Vec<FunctionId>> {
    if scope.functions().next().is_none() {
        return Ok(vec![]);
    }
    let mut expander = Expander { scope, typing: Typing::new(scope, types), called: BTreeSet::new(), bytes: 0 };
    match VisitMut::visit(part, &mut expander) {
        ControlFlow::Break(e) => Err(e),
        ControlFlow::Continue(()) => Ok(expander.called.into_iter().collect()),
    }
}

/// The query that a text is.
pub fn parsed(text: &str) -> Result<Box<Query>> {
    match parse(text)? {
        Statement::Query(query) => Ok(query),
        _ => Err(Error::internal("what a function means is a query")),
    }
}

/// Casts an expression to a type.
pub fn cast(value: Expr, ty: &PgType) -> Result<Expr> {
    let mut cast = written_expression(&format!("CAST(NULL AS {})", ty.in_sql()))?;
    match &mut cast {
        Expr::Cast { expr, .. } => **expr = value,
        _ => return Err(Error::internal("a cast is one")),
    }
    Ok(cast)
}

/// The arguments of a call in the order of what is to be given, names and defaults, and how many defaults there are among them; `None` if
/// they do not fit.
pub fn given(inputs: &[(Option<&str>, Option<Expr>)], arguments: &[FunctionArg]) -> Option<(Vec<Expr>, usize)> {
    let mut given: Vec<Option<Expr>> = vec![None; inputs.len()];
    for (at, argument) in places(inputs, arguments)?.into_iter().zip(arguments) {
        given[at] = argument_value(argument).cloned();
    }
    let defaults = given.iter().filter(|given| given.is_none()).count();
    let all: Option<Vec<Expr>> = given.into_iter().zip(inputs).map(|(given, (_, default))| given.or_else(|| default.clone())).collect();
    all.map(|all| (all, defaults))
}

/// The number, from 0, of the input that each argument is for; `None` if they do not fit.
pub fn places(inputs: &[(Option<&str>, Option<Expr>)], arguments: &[FunctionArg]) -> Option<Vec<usize>> {
    let mut places = Vec::with_capacity(arguments.len());
    let mut named = false;
    for (i, argument) in arguments.iter().enumerate() {
        argument_value(argument)?;
        let at = match argument {
            FunctionArg::Named { name, .. } | FunctionArg::ExprNamed { name: Expr::Identifier(name), .. } => {
                named = true;
                inputs.iter().position(|(of, _)| *of == Some(fold_name(name).as_str()))?
            }
            // Where a name has gone before, nothing tells which one it would be for.
            FunctionArg::Unnamed(_) if !named && i < inputs.len() => i,
            _ => return None,
        };
        if places.contains(&at) {
            return None;
        }
        places.push(at);
    }
    Some(places)
}

/// The value that an argument is.
pub fn argument_value(argument: &FunctionArg) -> Option<&Expr> {
    let (FunctionArg::Unnamed(value) | FunctionArg::Named { arg: value, .. } | FunctionArg::ExprNamed { arg: value, .. }) = argument;
    match value {
        FunctionArgExpr::Expr(value) => Some(value),
        _ => None,
    }
}

/// The function of users that a call means, and its arguments in the order of its parameters. One of PostgreSQL's comes first where it takes
/// such arguments. Errors: 42883 for a name that only functions of users have, called with what none of them takes; those of [`pick`].
pub fn called(typing: &Typing, scope: &Scope, name: &ObjectName, arguments: &[FunctionArg]) -> Result<Option<(Arc<Function>, Vec<Expr>)>> {
    let Ok(name) = relation_name(name) else { return Ok(None) };
    let is_built_in =
        |fits: &dyn Fn(&[u32]) -> bool| name.schema.is_none() && PROCS.iter().any(|p| p.name == name.name && fits(&p.types()));
    let mut candidates: Vec<Candidate> = Vec::new();
    let mut known = false;
    for function in scope.functions_named(&name) {
        known = true;
        if candidates.first().is_some_and(|first| first.function.namespace != function.namespace) {
            break;
        }
        candidates.extend(Candidate::of(function, &function.inputs.iter().collect::<Vec<_>>(), arguments)?);
    }
    if !candidates.is_empty() && is_built_in(&|types| typing.fit(arguments, types)) {
        candidates.clear();
    }
    match pick(typing, &name.to_string(), arguments, candidates) {
        // The planner knows more of what PostgreSQL's functions take.
        Err(e) if e.code() == code::UNDEFINED_FUNCTION && is_built_in(&|types| types.len() == arguments.len()) => Ok(None),
        Err(e) => Err(e),
        Ok(Some(found)) => Ok(Some((found.function, found.arguments))),
        Ok(None) if !known || is_built_in(&|_| true) => Ok(None),
        Ok(None) => {
            let unknown = vec!["unknown"; arguments.len()].join(", ");
            Err(Error::new(code::UNDEFINED_FUNCTION, format!("function {name}({unknown}) does not exist"))
                .hint("No function matches the given name and argument types. You might need to add explicit type casts."))
        }
    }
}

/// True if a part of a statement calls a routine: something that runs, and cannot be expanded.
pub fn calls_routine<T: Visit>(part: &T, scope: &Scope) -> bool {
    struct Search<'a>(&'a Scope);
    impl Search<'_> {
        fn look(&self, name: &ObjectName) -> ControlFlow<()> {
            let found = relation_name(name).is_ok_and(|name| self.0.functions_named(&name).any(|f| f.routine.is_some()));
            if found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }
    }
    impl Visitor for Search<'_> {
        type Break = ();
        fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
            match factor {
                TableFactor::Table { name, args: Some(_), .. } | TableFactor::Function { name, .. } => self.look(name),
                _ => ControlFlow::Continue(()),
            }
        }
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::Function(call) => self.look(&call.name),
                _ => ControlFlow::Continue(()),
            }
        }
    }
    scope.functions().any(|f| f.routine.is_some()) && part.visit(&mut Search(scope)).is_break()
}

/// Errors: 0A000, 42809 for what cannot be called by an expression.
pub fn check_callable(function: &Function) -> Result<()> {
    match function.kind() {
        RoutineKind::Function => Ok(()),
        RoutineKind::Trigger => Err(Error::unsupported("trigger functions can only be called as triggers")),
        RoutineKind::Procedure => {
            let message = format!("{}({}) is a procedure", function.name, listed(&function.types(), ", "));
            Err(Error::new(code::WRONG_OBJECT_TYPE, message).hint("To call a procedure, use CALL."))
        }
    }
}

/// True if a part of a statement calls what PostgreSQL calls volatile.
pub fn is_volatile<T: Visit>(part: &T) -> bool {
    let mut found = false;
    let _ = ast::visit_expressions(part, |expr| {
        if let Expr::Function(call) = expr {
            let name = call.name.0.last().and_then(|part| part.as_ident()).map(fold_name).unwrap_or_default();
            found |= PROCS.iter().any(|p| p.name == name && p.volatility == "v");
        }
        ControlFlow::<()>::Continue(())
    });
    found
}

/// The number of queries in a part of a statement.
pub fn queries_in<T: Visit>(part: &T) -> usize {
    struct Count(usize);
    impl Visitor for Count {
        type Break = ();
        fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            self.0 += 1;
            ControlFlow::Continue(())
        }
    }
    let mut count = Count(0);
    let _ = part.visit(&mut count);
    count.0
}

/// Puts in the place of each `$n` what that number gives.
fn substitute<T: VisitMut>(part: &mut T, with: impl Fn(usize) -> Option<Expr>) {
    let _ = ast::visit_expressions_mut(part, |expr| {
        if let Some(new) = placeholder(expr).and_then(&with) {
            *expr = new;
        }
        ControlFlow::<()>::Continue(())
    });
}

/// The argument of that number, from 1.
fn argument(arguments: &[Expr], n: usize) -> Option<Expr> {
    arguments.get(n.checked_sub(1)?).cloned()
}

/// How often a part of a statement names a parameter.
fn uses<T: Visit>(part: &T, n: usize) -> usize {
    let mut count = 0;
    let _ = ast::visit_expressions(part, |expr| {
        count += usize::from(placeholder(expr) == Some(n));
        ControlFlow::<()>::Continue(())
    });
    count
}

/// True for an argument that means the same wherever it stands: it names no column and asks nothing.
fn is_fixed(argument: &Expr) -> bool {
    let mut fixed = queries_in(argument) == 0;
    let _ = ast::visit_expressions(argument, |expr| {
        fixed &= !matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::CompoundFieldAccess { .. });
        ControlFlow::<()>::Continue(())
    });
    fixed
}

/// True if any argument of one is NULL, or with `negated` if none is; `None` for a function without.
fn null_arguments(function: &Function, negated: bool) -> Option<Expr> {
    let (test, between) = if negated { ("IS NOT NULL", " AND ") } else { ("IS NULL", " OR ") };
    let tests: Vec<String> = (1..=function.inputs.len()).map(|n| format!("${n} {test}")).collect();
    if tests.is_empty() { None } else { written_expression(&tests.join(between)).ok() }
}

/// The one value of a SELECT of one value.
pub fn only_value(query: Query) -> Result<Expr> {
    let SetExpr::Select(select) = *query.body else { return Err(Error::internal("an expression is a SELECT")) };
    match select.projection.into_iter().next() {
        Some(SelectItem::UnnamedExpr(value) | SelectItem::ExprWithAlias { expr: value, .. }) => Ok(value),
        _ => Err(Error::internal("an expression is one value")),
    }
}

fn select_of(query: &mut Query) -> Result<&mut Select> {
    match query.body.as_mut() {
        SetExpr::Select(select) => Ok(select),
        _ => Err(Error::internal("it was written as a SELECT")),
    }
}

/// The name of the derived table that holds the arguments of a call.
fn arguments_of(function: &Function) -> String {
    format!("arguments of {}", function.name)
}

/// Parameters as columns of the derived table that holds the arguments.
fn from_outside<T: VisitMut>(part: &mut T, function: &Function) {
    let table = arguments_of(function);
    substitute(part, |n| Some(Expr::CompoundIdentifier([table.clone(), n.to_string()].map(|name| Ident::with_quote('"', name)).to_vec())));
}

/// `(SELECT argument AS "1", ..) AS "arguments of f"`
fn table_of(function: &Function, arguments: Vec<Expr>) -> Result<TableFactor> {
    let mut query = parsed(&format!("SELECT 1 FROM (SELECT 1) AS {}", ident(&arguments_of(function))))?;
    let mut factor = select_of(&mut query)?.from.remove(0).relation;
    if let TableFactor::Derived { subquery, .. } = &mut factor {
        let numbered = arguments.into_iter().enumerate();
        let items = numbered.map(|(i, expr)| SelectItem::ExprWithAlias { expr, alias: Ident::with_quote('"', (i + 1).to_string()) });
        select_of(subquery)?.projection = items.collect();
    }
    Ok(factor)
}

/// What a call means where a value stands.
fn value_of(function: &Function, arguments: Vec<Expr>) -> Result<Expr> {
    let body = parsed(&function.query)?;
    if !function.simple && is_volatile(body.as_ref()) {
        return Err(Error::unsupported(format!("{} gives something else each time, and is called where a value stands", function.name))
            .hint("Call it in FROM: it is asked once there."));
    }
    let mut value = if function.simple { Expr::Nested(Box::new(only_value(*body)?)) } else { Expr::Subquery(body) };
    if let Some(null) = null_arguments(function, false).filter(|_| function.strict) {
        let mut guarded = written_expression(&format!("CASE WHEN $1 THEN CAST(NULL AS {}) ELSE $2 END", function.outputs[0].ty.in_sql()))?;
        substitute(&mut guarded, |n| Some(if n == 1 { null.clone() } else { value.clone() }));
        value = guarded;
    }
    if are_put_in(function, &value, &arguments, 0)? {
        substitute(&mut value, |n| argument(&arguments, n));
        return Ok(value);
    }
    from_outside(&mut value, function);
    let mut query = parsed("SELECT 1 FROM (SELECT 1) AS x")?;
    let select = select_of(&mut query)?;
    select.projection = vec![SelectItem::UnnamedExpr(value)];
    select.from[0].relation = table_of(function, arguments)?;
    Ok(Expr::Subquery(query))
}

/// True if arguments can be put into what a function means, false if it has to read them from outside. Errors: 0A000 for one that
/// gives something else each time and would not be computed once. `more` is how often each is named besides.
fn are_put_in<T: Visit>(function: &Function, part: &T, arguments: &[Expr], more: usize) -> Result<bool> {
    let mut all = true;
    for (i, argument) in arguments.iter().enumerate() {
        let uses = uses(part, i + 1) + more;
        if is_volatile(argument) && !(function.simple && uses == 1) {
            return Err(Error::unsupported(format!("an argument of {} that is another each time is not supported", function.name))
                .hint("Compute it in a subquery of FROM, and give the function its column."));
        }
        all &= if function.simple { uses <= 1 || argument.to_string().len() * uses <= REPEATED_BYTES_MAX } else { is_fixed(argument) };
    }
    Ok(all)
}

/// What a call means where rows stand.
fn rows_of(function: &Function, arguments: Vec<Expr>) -> Result<Box<Query>> {
    let rows = ident(ROWS);
    if !function.set && function.gives_value() {
        let mut query = parsed("SELECT 1")?;
        select_of(&mut query)?.projection = vec![SelectItem::UnnamedExpr(value_of(function, arguments)?)];
        return Ok(query);
    }
    let mut body = parsed(&function.query)?;
    let guard = null_arguments(function, true).filter(|_| function.strict);
    let put_in = are_put_in(function, body.as_ref(), &arguments, usize::from(guard.is_some()))?;
    if put_in && guard.is_none() && function.set {
        substitute(&mut *body, |n| argument(&arguments, n));
        return Ok(body);
    }
    // What is no set has one row, of NULLs where the body gives none.
    let (join, on) = if function.set { ("CROSS", "") } else { ("LEFT", "ON $1") };
    let mut query = parsed(&format!("SELECT {rows}.* FROM (SELECT 1) AS x {join} JOIN LATERAL (SELECT 1) AS {rows} {on}"))?;
    let select = select_of(&mut query)?;
    let joined = select.from[0].joins.first_mut().ok_or_else(|| Error::internal("it was written as a join"))?;
    if let TableFactor::Derived { subquery, lateral, .. } = &mut joined.relation {
        (*subquery, *lateral) = (body, !put_in);
    }
    match guard {
        Some(guard) if function.set => select.selection = Some(guard),
        guard => {
            let whole = guard.unwrap_or_else(|| Expr::Value(Value::Boolean(true).into()));
            substitute(&mut joined.join_operator, |_| Some(whole.clone()));
        }
    }
    match put_in {
        true => substitute(&mut *query, |n| argument(&arguments, n)),
        false => {
            from_outside(&mut *query, function);
            select_of(&mut query)?.from[0].relation = table_of(function, arguments)?;
        }
    }
    Ok(query)
}

/// The alias of a call in FROM: the columns have the names that it gives them, or those that the function has for them. That of a
/// value is called as the call is.
fn alias_of(alias: Option<&TableAlias>, function: &Function) -> TableAlias {
    let own = || TableAlias { explicit: true, name: Ident::with_quote('"', &function.name), columns: vec![], at: None };
    let mut alias = alias.cloned().unwrap_or_else(own);
    let named = |output: &Column| match function.answers {
        Answers::Value => alias.name.clone(),
        _ => Ident::with_quote('"', &output.name),
    };
    let rest = function.outputs.iter().skip(alias.columns.len());
    let rest: Vec<TableAliasColumnDef> = rest.map(|output| TableAliasColumnDef { name: named(output), data_type: None }).collect();
    alias.columns.extend(rest);
    alias
}

/// Errors: 42809 for what is said of aggregates and window functions only.
pub fn check_plain(call: &ast::Function, name: &str) -> Result<()> {
    let distinct = matches!(&call.args, FunctionArguments::List(list) if list.duplicate_treatment.is_some());
    let ordered = matches!(&call.args, FunctionArguments::List(list) if !list.clauses.is_empty());
    let (said, of) = match call {
        _ if distinct => ("DISTINCT", "an aggregate function"),
        _ if ordered => ("ORDER BY", "an aggregate function"),
        call if !call.within_group.is_empty() => ("WITHIN GROUP", "an aggregate function"),
        call if call.filter.is_some() => ("FILTER", "an aggregate function"),
        call if call.over.is_some() => ("OVER", "a window function nor an aggregate function"),
        _ => return Ok(()),
    };
    Err(Error::new(code::WRONG_OBJECT_TYPE, format!("{said} specified, but {name} is not {of}")))
}

struct Expander<'a> {
    scope: &'a Scope,
    typing: Typing<'a>,
    called: BTreeSet<FunctionId>,
    /// What the statement has grown by so far.
    bytes: usize,
}

impl Expander<'_> {
    /// The function that a call means, and its arguments, if it is one of users. Errors: 42883, 54000; 0A000, 42809 for what has to run.
    fn find(&mut self, name: &ObjectName, arguments: &[FunctionArg]) -> Result<Option<(Arc<Function>, Vec<Expr>)>> {
        let Some((function, arguments)) = called(&self.typing, self.scope, name, arguments)? else { return Ok(None) };
        if function.routine.is_some() {
            check_callable(&function)?;
            return Err(Error::unsupported(format!("a call of {} here is not supported", function.name)).hint(ROUTINES_RUN));
        }
        self.bytes += function.query.len();
        if self.bytes > limits::EXPANDED_BYTES_MAX {
            return Err(Error::new(code::PROGRAM_LIMIT_EXCEEDED, "the functions that the statement calls are too long")
                .hint(format!("What they mean may have {} bytes.", limits::EXPANDED_BYTES_MAX)));
        }
        self.called.insert(function.id);
        self.called.extend(&function.calls);
        let typed = arguments.into_iter().zip(&function.inputs).map(|(argument, input)| cast(argument, &input.ty));
        let typed = typed.collect::<Result<Vec<_>>>()?;
        Ok(Some((function, typed)))
    }

    /// True if a name is that of a function of users.
    fn is_of_users(&self, name: &ObjectName) -> bool {
        relation_name(name).is_ok_and(|name| self.scope.functions_named(&name).next().is_some())
    }

    fn value(&mut self, expr: &mut Expr) -> Result<()> {
        let Expr::Function(call) = &*expr else { return Ok(()) };
        let FunctionArguments::List(list) = &call.args else { return Ok(()) };
        let Some((function, arguments)) = self.find(&call.name, &list.args)? else { return Ok(()) };
        check_plain(call, &function.name)?;
        if function.set || function.outputs.len() != 1 || matches!(function.answers, Answers::Row(_)) {
            return Err(
                Error::unsupported(format!("{} answers rows, and is called where a value stands", function.name)).hint("Call it in FROM.")
            );
        }
        *expr = value_of(&function, arguments)?;
        Ok(())
    }

    fn rows(&mut self, factor: &mut TableFactor) -> Result<()> {
        let (name, arguments, alias, ordinality) = match &*factor {
            TableFactor::Table { name, args: Some(args), alias, with_ordinality, .. } => (name, &args.args, alias, *with_ordinality),
            TableFactor::Function { name, args, alias, with_ordinality, .. } => (name, args, alias, *with_ordinality),
            _ => return Ok(()),
        };
        let Some((function, arguments)) = self.find(name, arguments)? else { return Ok(()) };
        if ordinality {
            return Err(Error::unsupported(format!("WITH ORDINALITY of {} is not supported", function.name))
                .hint("Number the rows with row_number() OVER () in the query that calls it."));
        }
        let alias = alias_of(alias.as_ref(), &function);
        if alias.columns.len() > function.outputs.len() {
            let (name, has) = (&alias.name.value, function.outputs.len());
            let message = format!("table \"{name}\" has {has} columns available but {} columns specified", alias.columns.len());
            return Err(Error::new(code::INVALID_COLUMN_REFERENCE, message));
        }
        let lateral = !arguments.iter().all(is_fixed);
        let subquery = rows_of(&function, arguments)?;
        *factor = TableFactor::Derived { lateral, subquery, alias: Some(alias), sample: None };
        Ok(())
    }
}

impl VisitorMut for Expander<'_> {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        self.typing.enter(query);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<Error> {
        self.typing.leave();
        ControlFlow::Continue(())
    }

    /// What a call was called is told now: afterwards it is there no more.
    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
        for item in &mut select.projection {
            let SelectItem::UnnamedExpr(expr) = &*item else { continue };
            let mut calls = false;
            let _ = ast::visit_expressions(expr, |expr| {
                calls |= matches!(expr, Expr::Function(call) if self.is_of_users(&call.name));
                ControlFlow::<()>::Continue(())
            });
            let name = expression_name(expr);
            if calls && name != "?column?" {
                *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias: Ident::with_quote('"', name) };
            }
        }
        ControlFlow::Continue(())
    }

    // After what is in it: a call may be an argument of another.
    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
        self.rows(factor).map_or_else(ControlFlow::Break, ControlFlow::Continue)
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        self.value(expr).map_or_else(ControlFlow::Break, ControlFlow::Continue)
    }
}

/// The names of parameters, and their defaults where there are some.
pub fn named_defaults<'a>(parameters: impl IntoIterator<Item = &'a Column>) -> Result<Vec<(Option<&'a str>, Option<Expr>)>> {
    let mut inputs = Vec::new();
    for input in parameters {
        let default = match &input.default {
            Some(text) => Some(only_value(*parsed(&format!("SELECT {text}"))?)?),
            None => None,
        };
        inputs.push((Some(input.name.as_str()).filter(|name| !name.is_empty()), default));
    }
    Ok(inputs)
}
