//! Calls of functions with bodies: a statement that has some runs them first, and reads what they answered as relations.
//!
//! A call in FROM, or where the statement computes a value once, is one run. An item of a SELECT list is a run for each row
//! ([`super::rowwise`]). Where a call would be computed for each row elsewhere, one run is the same only
//! for a function that is STABLE or IMMUTABLE and is given no columns; any other is refused. So is one in a part of CASE or COALESCE that
//! may not be computed.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::catalog::TableProvider;
use sqlparser::ast::{self, Expr, FunctionArg, TableFactor, Visit, VisitMut, Visitor, VisitorMut};

use super::Cell;
use super::frame::Holds;
use super::functions::{Output, batch};
use super::queries::shown;
use crate::catalog::{Function as Record, Mode, Name, RoutineKind, Scope, TEMPORARY_NAME, Volatility, listed};
use crate::data::PgType;
use crate::data::encode::cell_text;
use crate::data::quoting::ident;
use crate::engine::dml::returning::in_memory;
use crate::engine::dml::values::scalars;
use crate::engine::query::collect;
use crate::engine::session::{Column, Parameters, Prepared, Response, Session};
use crate::error::{Error, Result, code};
use crate::plan::inline;
use crate::plan::overloads::{Candidate, Typing, pick};
use crate::sql::convert::relation_name;
use crate::sql::plpgsql::{Function, TypeName};
use crate::sql::statement::{Call, Change, Statement};
use crate::sql::{parse, placeholder};

/// The tag of CALL.
const CALL: &str = "CALL";
/// Numbers for the names of answers: calls within calls have names of their own.
static ANSWERS: AtomicU64 = AtomicU64::new(0);

impl Session {
    /// The statement, with its calls of functions that run taken out. Errors: 42883, 42809, 0A000 for a call where it would run for each row.
    /// `types[i]` is the declared type of parameter i+1.
    pub(in crate::engine) fn with_calls(&self, mut statement: Statement, types: &[Option<PgType>]) -> Result<Statement> {
        let is_call = matches!(statement, Statement::CallProcedure { .. });
        if !is_call
            && self.functions().is_empty()
            && !self.catalog().functions().any(|f| f.routine.as_ref().is_some_and(|r| r.kind == RoutineKind::Function))
        {
            return Ok(statement);
        }
        let scope = self.scope();
        let typing = Typing::new(&scope, types);
        let mut taker =
            Taker { session: self, scope: &scope, typing, calls: vec![], sources: vec![], given: vec![], perhaps: vec![], within: 0 };
        if let Statement::CallProcedure { name, arguments } = statement {
            return taker.procedure(&name, arguments);
        }
        if let Statement::Query(query) = &statement
            && let Some(rows) = taker.row_calls(query)?
        {
            statement = Statement::CallingRows(Box::new(rows));
        }
        let done = match &mut statement {
            Statement::CallingRows(rows) => VisitMut::visit(&mut rows.query, &mut taker),
            Statement::Query(query)
            | Statement::Locking { query, .. }
            | Statement::Insert { source: query, .. }
            | Statement::CreateTableAs { query, .. } => query.visit(&mut taker),
            Statement::Update(change) | Statement::Delete(change) => taker.change(change),
            _ => ControlFlow::Continue(()),
        };
        let calls = taker.calls;
        match done {
            ControlFlow::Break(e) => Err(e),
            ControlFlow::Continue(()) if calls.is_empty() => Ok(statement),
            ControlFlow::Continue(()) => Ok(Statement::Calling { calls, then: Box::new(statement), is_call: false }),
        }
    }

    /// The parameters and the columns of a statement that calls functions.
    pub(in crate::engine) async fn describe_calling(
        &mut self,
        calls: &[Call],
        then: &Statement,
        types: &[Option<PgType>],
    ) -> Result<(Vec<PgType>, Option<Vec<Column>>)> {
        let mark = self.results.len();
        let described = self.describe_each(calls, then, types).await;
        self.results.truncate(mark);
        described
    }

    async fn describe_each(
        &mut self,
        calls: &[Call],
        then: &Statement,
        types: &[Option<PgType>],
    ) -> Result<(Vec<PgType>, Option<Vec<Column>>)> {
        let mut declared = types.to_vec();
        for call in calls {
            let arguments = self.arguments(call)?;
            let of_arguments = self.plan_query(&arguments, types).await?.parameters;
            for n in parameters_in(call).into_iter().filter(|n| *n <= of_arguments.len()) {
                declared.resize(declared.len().max(n), None);
                declared[n - 1].get_or_insert(of_arguments[n - 1].clone());
            }
            let empty = batch(&self.outputs(&call.function)?, vec![], self.settings.reading())?;
            self.results.push((call.answer.clone(), in_memory(empty)?));
        }
        let prepared = Box::pin(self.plan_parsed("", then.clone(), &declared)).await?;
        let (mut parameters, columns) = (prepared.parameters, prepared.columns);
        for (i, ty) in declared.into_iter().enumerate() {
            match parameters.get_mut(i) {
                Some(parameter) => *parameter = ty.unwrap_or_else(|| parameter.clone()),
                None => parameters.push(ty.unwrap_or(PgType::Text)),
            }
        }
        Ok((parameters, columns))
    }

    /// Runs a statement that calls functions, in the transaction that is open.
    pub(in crate::engine) async fn run_calling(
        &mut self,
        calls: &[Call],
        then: &Statement,
        prepared: &Prepared,
        parameters: &Parameters,
    ) -> Result<Response> {
        let mark = self.results.len();
        let types: Vec<Option<PgType>> = prepared.parameters.iter().cloned().map(Some).collect();
        let is_call = matches!(prepared.statement, Statement::Calling { is_call: true, .. });
        let may_end = self.may_end_inside() && is_call;
        let done = self
            .within(async |session| {
                for (i, call) in calls.iter().enumerate() {
                    // The last is the procedure itself.
                    session.may_end = may_end && i + 1 == calls.len();
                    let answer = session.answer_of(call, &types, parameters).await?;
                    session.results.push((call.answer.clone(), answer));
                }
                let then = Arc::new(Box::pin(session.plan_parsed("", then.clone(), &types)).await?);
                gathered(Box::pin(session.run_inside(&then, parameters.clone())).await?).await
            })
            .await;
        self.results.truncate(mark);
        match done? {
            Response::Batch { columns, batch, .. } if is_call => {
                Ok(match calls.last().is_some_and(|call| answers_nothing(&call.function)) {
                    true => Response::Done(CALL.into()),
                    false => Response::Batch { word: CALL.into(), columns, batch },
                })
            }
            response => Ok(response),
        }
    }

    async fn answer_of(&mut self, call: &Call, types: &[Option<PgType>], parameters: &Parameters) -> Result<Arc<dyn TableProvider>> {
        let arguments = self.arguments(call)?;
        let planned = self.plan_query(&arguments, types).await?;
        let values = scalars(&planned.parameters, parameters, self.settings.reading())?;
        let rows = self.collect(&planned, values).await?;
        let mut inputs = Vec::with_capacity(call.arguments.len());
        for (i, column) in planned.columns.iter().enumerate().take(call.arguments.len()) {
            let array = rows.iter().find(|batch| batch.num_rows() > 0).ok_or_else(|| Error::internal("arguments are a row"))?.column(i);
            let mut text = Vec::new();
            cell_text(array, 0, &column.ty, &self.settings.carried(), &mut text)?;
            inputs.push(Cell { ty: column.ty.clone(), text: shown(array, 0, text) });
        }
        let function = self.current(call)?;
        in_memory(Box::pin(self.call(&function, inputs)).await?)
    }

    /// The function that a call means, as it is now. Errors: 42883 for one that is gone, 42501 for one that the current role may not call.
    pub(super) fn current(&self, call: &Call) -> Result<Arc<Function>> {
        match call.kept {
            Some(id) => {
                let catalog = self.catalog();
                let kept = catalog.function(id).ok_or_else(|| gone(&call.function))?;
                self.may_call(kept)?;
                self.routine(kept)
            }
            None => Ok(call.function.clone()),
        }
    }

    /// The procedure that CALL means, and its arguments in the order of its parameters, those that are OUT included. Errors: 42883, 42809,
    /// 42725.
    pub(super) fn procedure(&self, typing: &Typing, name: &Name, arguments: &[FunctionArg]) -> Result<(Arc<Record>, Vec<Expr>)> {
        let mut candidates: Vec<Candidate> = Vec::new();
        for record in self.scope().functions_named(name) {
            if candidates.first().is_some_and(|first| first.function.namespace != record.namespace) {
                break;
            }
            let parameters: Vec<_> = record.parameters().into_iter().map(|(_, column)| column).collect();
            candidates.extend(Candidate::of(record, &parameters, arguments)?);
        }
        let Some(Candidate { function, arguments, .. }) = pick(typing, &name.to_string(), arguments, candidates)? else {
            let unknown = vec!["unknown"; arguments.len()].join(", ");
            return Err(Error::new(code::UNDEFINED_FUNCTION, format!("procedure {name}({unknown}) does not exist"))
                .hint("No procedure matches the given name and argument types. You might need to add explicit type casts."));
        };
        if function.kind() != RoutineKind::Procedure {
            let types = listed(&function.types(), ", ");
            return Err(
                Error::new(code::WRONG_OBJECT_TYPE, format!("{name}({types}) is not a procedure")).hint("To call a function, use SELECT.")
            );
        }
        Ok((function, arguments))
    }

    /// The arguments of a call as a query of one row, each of its parameter's type.
    fn arguments(&self, call: &Call) -> Result<Box<ast::Query>> {
        let types = self.input_types(&call.function)?;
        let casts = call.arguments.iter().zip(types).map(|(argument, ty)| match ty.is_of_enum() {
            true => argument.to_string(),
            false => format!("CAST({argument} AS {})", ty.in_sql()),
        });
        let casts: Vec<String> = casts.collect();
        let list = if casts.is_empty() { "NULL".to_string() } else { casts.join(", ") };
        match parse(&format!("SELECT {list}"))? {
            Statement::Query(query) => Ok(query),
            _ => Err(Error::internal("arguments are a query")),
        }
    }
}

/// The error of a function that was dropped since its call was planned.
fn gone(function: &Function) -> Error {
    Error::new(code::UNDEFINED_FUNCTION, format!("function {} does not exist any more", function.name))
}

/// The rows of an answer, all of them: the transaction that made them is about to end.
async fn gathered(response: Response) -> Result<Response> {
    let Response::Rows { word, columns, stream } = response else { return Ok(response) };
    let schema = stream.schema();
    let rows = collect(stream).await?;
    let batch = arrow::compute::concat_batches(rows.first().map(|b| b.schema()).as_ref().unwrap_or(&schema), &rows)?;
    Ok(Response::Batch { word, columns: columns.into(), batch })
}

/// The numbers of the parameters in the arguments of a call.
fn parameters_in(call: &Call) -> Vec<usize> {
    let mut found = Vec::new();
    for argument in &call.arguments {
        let _ = ast::visit_expressions(argument, |expr| {
            found.extend(placeholder(expr));
            ControlFlow::<()>::Continue(())
        });
    }
    found
}

/// What the arguments of a call are made of.
#[derive(Clone, Copy, Default)]
struct Made {
    /// Columns of a query around it.
    columns: bool,
    /// Queries of their own.
    queries: bool,
}

/// Takes calls out of a statement.
pub(super) struct Taker<'a> {
    pub session: &'a Session,
    scope: &'a Scope,
    pub typing: Typing<'a>,
    calls: Vec<Call>,
    /// Of each query that is open: how many relations it has in FROM.
    sources: Vec<usize>,
    /// Of each call that is open what its arguments are made of.
    given: Vec<Made>,
    /// Where expressions stand that may not be computed, such as the arms of CASE, and how many of them are open.
    perhaps: Vec<*const Expr>,
    within: usize,
}

impl Taker<'_> {
    /// The call of a function that runs, if a name and arguments are that.
    pub(super) fn call(&mut self, name: &ast::ObjectName, arguments: &[FunctionArg]) -> Result<Option<Call>> {
        let Ok(bare) = relation_name(name) else { return Ok(None) };
        if bare.schema.as_deref() == Some(TEMPORARY_NAME) {
            return self.call_of_session(&bare, arguments).map(Some);
        }
        let Some((record, arguments)) = inline::called(&self.typing, self.scope, name, arguments)? else { return Ok(None) };
        if record.routine.is_none() {
            return Ok(None);
        }
        inline::check_callable(&record)?;
        Ok(Some(Call { function: self.session.routine(&record)?, kept: Some(record.id), arguments, answer: answer() }))
    }

    fn call_of_session(&mut self, name: &Name, arguments: &[FunctionArg]) -> Result<Call> {
        let of_name: Vec<&Arc<Function>> = self.session.functions().iter().filter(|f| f.name == *name).collect();
        for function in &of_name {
            if let Some(arguments) = given(function, arguments) {
                return Ok(Call { function: Arc::clone(function), kept: None, arguments, answer: answer() });
            }
        }
        Err(Error::new(
            code::UNDEFINED_FUNCTION,
            format!("function {name}({}) does not exist", vec!["unknown"; arguments.len()].join(", ")),
        )
        .hint(match of_name.first() {
            Some(function) => format!("There is one with {} parameters.", function.inputs().count()),
            None => "CREATE FUNCTION pg_temp.name makes a function for the session.".into(),
        }))
    }

    /// CALL: what a procedure answers is read as the rows of a relation are.
    fn procedure(mut self, name: &Name, arguments: Vec<FunctionArg>) -> Result<Statement> {
        let (record, arguments) = self.session.procedure(&self.typing, name, &arguments)?;
        let modes = record.parameters().into_iter().map(|(mode, _)| mode);
        let mut inputs: Vec<Expr> =
            arguments.into_iter().zip(modes).filter(|(_, mode)| *mode != Mode::Out).map(|(value, _)| value).collect();
        self.sources.push(0);
        for argument in &mut inputs {
            if let ControlFlow::Break(e) = argument.visit(&mut self) {
                return Err(e);
            }
        }
        let call = Call { function: self.session.routine(&record)?, kept: Some(record.id), arguments: inputs, answer: answer() };
        let then = Box::new(parse(&format!("SELECT * FROM {}", ident(&call.answer)))?);
        let mut calls = self.calls;
        calls.push(call);
        Ok(Statement::Calling { calls, then, is_call: true })
    }

    /// UPDATE and DELETE: what they compute, they compute for each row.
    fn change(&mut self, change: &mut Change) -> ControlFlow<Error> {
        self.sources.push(1 + change.from.len());
        if let Some(relation) = self.scope.find(&change.table) {
            self.typing.enter_change(relation, change.alias.as_ref().unwrap_or(&change.table.name));
        }
        VisitMut::visit(&mut change.with, self)?;
        VisitMut::visit(&mut change.from, self)?;
        change.assignments.iter_mut().try_for_each(|(_, value)| value.visit(self))?;
        VisitMut::visit(&mut change.selection, self)?;
        VisitMut::visit(&mut change.returning, self)?;
        self.sources.pop();
        ControlFlow::Continue(())
    }

    /// Errors: 0A000 for a call that would run for each row, or perhaps not at all.
    fn check_place(&self, call: &Call, made: Made, in_from: bool) -> Result<()> {
        let name = &call.function.name;
        if self.within > 0 {
            return Err(super::unsupported(
                &format!("a call of {name} in CASE or COALESCE, which may not compute it, is not supported"),
                "It would run in any case. Call it in IF, or on its own.",
            ));
        }
        let over_rows = self.sources.last().is_some_and(|sources| *sources > 0);
        let all: usize = self.sources.iter().sum();
        let lateral = made.columns && if in_from { all > 1 } else { all > 0 };
        let changes = call.function.volatility == Volatility::Volatile;
        if lateral || !in_from && over_rows && (changes || made.columns || made.queries) {
            return Err(super::unsupported(
                &format!("a call of {name} for each row is not supported"),
                "Call it as an item of a SELECT list, which runs it for each row, or in FROM, which runs it once. One that is STABLE and is \
                 given no columns may be called anywhere.",
            ));
        }
        Ok(())
    }

    fn factor(&mut self, factor: &mut TableFactor) -> Result<()> {
        let (name, arguments, alias) = match &*factor {
            TableFactor::Table { name, args: Some(args), alias, with_ordinality: false, .. } => (name, &args.args, alias),
            TableFactor::Function { name, args, alias, .. } => (name, args, alias),
            _ => return Ok(()),
        };
        let Some(mut call) = self.call(name, arguments)? else { return Ok(()) };
        self.check_place(&call, made(&call.arguments), true)?;
        self.sources.push(0);
        for argument in &mut call.arguments {
            if let ControlFlow::Break(e) = argument.visit(self) {
                return Err(e);
            }
        }
        self.sources.pop();
        let columns = self.session.outputs(&call.function)?;
        let own = ast::Ident::with_quote('"', &call.function.name.name);
        let mut alias = alias.clone().unwrap_or(ast::TableAlias { explicit: true, name: own, columns: vec![], at: None });
        // A function that gives one value gives it the name of its alias.
        if let ([_], true, true) = (columns.as_slice(), alias.columns.is_empty(), gives_value(&call.function)) {
            let column = ast::TableAliasColumnDef { name: alias.name.clone(), data_type: None };
            alias.columns.push(column);
        }
        *factor = table(&call.answer, Some(alias));
        self.calls.push(call);
        Ok(())
    }

    fn value(&mut self, expr: &mut Expr, made: Made) -> Result<()> {
        let Expr::Function(function) = &*expr else { return Ok(()) };
        let ast::FunctionArguments::List(list) = &function.args else { return Ok(()) };
        let Some(call) = self.call(&function.name, &list.args)? else { return Ok(()) };
        inline::check_plain(function, &call.function.name.name)?;
        self.check_place(&call, made, false)?;
        let outputs = self.session.outputs(&call.function)?;
        let [Output { name, holds: Holds::Value { .. } }] = outputs.as_slice() else { return Err(answers_rows(&call.function)) };
        if call.function.returns.set {
            return Err(answers_rows(&call.function));
        }
        let query = format!("SELECT {} AS {} FROM {}", ident(name), ident(&call.function.name.name), ident(&call.answer));
        let Statement::Query(query) = parse(&query)? else { return Err(Error::internal("a call is read by a query")) };
        *expr = Expr::Subquery(query);
        self.calls.push(call);
        Ok(())
    }

    /// Notes which parts of an expression may not be computed.
    fn note_parts(&mut self, expr: &Expr) {
        match expr {
            Expr::Case { conditions, else_result, .. } => {
                let later = conditions.iter().skip(1).map(|when| &when.condition);
                let results = conditions.iter().map(|when| &when.result).chain(else_result.as_deref());
                self.perhaps.extend(later.chain(results).map(std::ptr::from_ref));
            }
            Expr::Function(call) if relation_name(&call.name).is_ok_and(|name| name.name == "coalesce") => {
                let ast::FunctionArguments::List(list) = &call.args else { return };
                let later = list.args.iter().skip(1).filter_map(|argument| match argument {
                    FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(value)) => Some(std::ptr::from_ref(value)),
                    _ => None,
                });
                self.perhaps.extend(later);
            }
            _ => {}
        }
    }
}

impl VisitorMut for Taker<'_> {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &mut ast::Query) -> ControlFlow<Error> {
        self.sources.push(match query.body.as_ref() {
            ast::SetExpr::Select(select) => select.from.iter().map(|from| 1 + from.joins.len()).sum(),
            _ => 0,
        });
        self.typing.enter(query);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut ast::Query) -> ControlFlow<Error> {
        self.sources.pop();
        self.typing.leave();
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
        self.factor(factor).map_or_else(ControlFlow::Break, ControlFlow::Continue)
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        self.within += usize::from(self.perhaps.contains(&std::ptr::from_ref(&*expr)));
        self.note_parts(expr);
        if let Expr::Function(call) = &*expr {
            self.given.push(made(&call.args));
        }
        ControlFlow::Continue(())
    }

    // After those in it: a call may be an argument of another.
    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        if matches!(expr, Expr::Function(_)) {
            let made = self.given.pop().unwrap_or_default();
            if let Err(e) = self.value(expr, made) {
                return ControlFlow::Break(e);
            }
        }
        if let Some(at) = self.perhaps.iter().position(|part| *part == std::ptr::from_ref(&*expr)) {
            self.perhaps.swap_remove(at);
            self.within -= 1;
        }
        ControlFlow::Continue(())
    }
}

/// What a part of a statement is made of.
fn made<T: Visit>(part: &T) -> Made {
    struct Look {
        depth: usize,
        made: Made,
    }
    impl Visitor for Look {
        type Break = ();
        fn pre_visit_query(&mut self, _: &ast::Query) -> ControlFlow<()> {
            self.depth += 1;
            self.made.queries = true;
            ControlFlow::Continue(())
        }
        fn post_visit_query(&mut self, _: &ast::Query) -> ControlFlow<()> {
            self.depth -= 1;
            ControlFlow::Continue(())
        }
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            self.made.columns |= self.depth == 0 && matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
            ControlFlow::Continue(())
        }
    }
    let mut look = Look { depth: 0, made: Made::default() };
    let _ = part.visit(&mut look);
    look.made
}

/// A name for the rows that a call answers.
fn answer() -> String {
    format!("everfold call {}", ANSWERS.fetch_add(1, Ordering::Relaxed))
}

fn answers_rows(function: &Function) -> Error {
    super::unsupported(&format!("{} answers rows, and is called where a value stands", function.name), "Call it in FROM.")
}

/// True for a procedure without parameters that it answers.
pub(in crate::engine) fn answers_nothing(function: &Function) -> bool {
    function.procedure && function.outputs().count() == 0
}

/// True for a function that answers a value, and not a row of columns with names.
fn gives_value(function: &Function) -> bool {
    function.outputs().count() == 0 && function.returns.ty.as_ref().is_some_and(|ty| !matches!(ty, TypeName::Record | TypeName::Row(_)))
}

fn table(name: &str, alias: Option<ast::TableAlias>) -> TableFactor {
    TableFactor::Table {
        name: ast::ObjectName::from(vec![ast::Ident::with_quote('"', name)]),
        alias,
        args: None,
        with_hints: vec![],
        version: None,
        with_ordinality: false,
        partitions: vec![],
        json_path: None,
        sample: None,
        index_hints: vec![],
    }
}

/// The arguments in the order of the parameters, with defaults where none is given; `None` if they do not fit.
fn given(function: &Function, arguments: &[FunctionArg]) -> Option<Vec<Expr>> {
    let inputs: Vec<(Option<&str>, Option<Expr>)> = function.inputs().map(|p| (p.name.as_deref(), p.default.clone())).collect();
    inline::given(&inputs, arguments).map(|(arguments, _)| arguments)
}
