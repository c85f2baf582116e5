//! Calls of functions with bodies: a statement that has some runs them first, and reads what they answered as relations.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::catalog::TableProvider;
use sqlparser::ast::{self, Expr, FunctionArg, TableFactor, VisitMut, VisitorMut};

use super::Cell;
use super::frame::Holds;
use super::functions::{Output, batch};
use super::queries::shown;
use crate::catalog::TEMPORARY_NAME;
use crate::data::PgType;
use crate::data::encode::cell_text;
use crate::data::quoting::ident;
use crate::engine::dml::returning::in_memory;
use crate::engine::dml::values::{placeholder, scalars};
use crate::engine::query::collect;
use crate::engine::session::{Column, Parameters, Prepared, Response, Session};
use crate::error::{Error, Result, code};
use crate::plan::inline;
use crate::sql::convert::relation_name;
use crate::sql::parse;
use crate::sql::plpgsql::{Function, TypeName};
use crate::sql::statement::{Call, Statement};

/// Numbers for the names of answers: calls within calls have names of their own.
static ANSWERS: AtomicU64 = AtomicU64::new(0);

impl Session {
    /// The statement, with its calls of functions of the session taken out. Errors: 42883, 0A000 for a call in another place than FROM or
    /// a SELECT without FROM.
    pub(in crate::engine) fn with_calls(&self, mut statement: Statement) -> Result<Statement> {
        if self.functions().is_empty() {
            return Ok(statement);
        }
        let mut taker = Taker { session: self, calls: vec![], over_rows: vec![] };
        let done = match &mut statement {
            Statement::Query(query) | Statement::Insert { source: query, .. } | Statement::CreateTableAs { query, .. } => {
                query.visit(&mut taker)
            }
            _ => ControlFlow::Continue(()),
        };
        let calls = taker.calls;
        match done {
            ControlFlow::Break(e) => Err(e),
            ControlFlow::Continue(()) if calls.is_empty() => Ok(statement),
            ControlFlow::Continue(()) => Ok(Statement::Calling { calls, then: Box::new(statement) }),
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
            let empty = batch(&self.outputs(&call.function)?, vec![], self.settings.zone())?;
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
        let done = self
            .within(async |session| {
                for call in calls {
                    let answer = session.answer_of(call, &types, parameters).await?;
                    session.results.push((call.answer.clone(), answer));
                }
                let then = Arc::new(Box::pin(session.plan_parsed("", then.clone(), &types)).await?);
                gathered(Box::pin(session.run_inside(&then, parameters.clone())).await?).await
            })
            .await;
        self.results.truncate(mark);
        done
    }

    async fn answer_of(&mut self, call: &Call, types: &[Option<PgType>], parameters: &Parameters) -> Result<Arc<dyn TableProvider>> {
        let arguments = self.arguments(call)?;
        let planned = self.plan_query(&arguments, types).await?;
        let values = scalars(&planned.parameters, parameters, self.settings.zone())?;
        let rows = self.collect(&planned, values).await?;
        let mut inputs = Vec::with_capacity(call.arguments.len());
        for (i, column) in planned.columns.iter().enumerate().take(call.arguments.len()) {
            let array = rows.iter().find(|batch| batch.num_rows() > 0).ok_or_else(|| Error::internal("arguments are a row"))?.column(i);
            let mut text = Vec::new();
            cell_text(array, 0, &column.ty, &self.settings.style(), &mut text)?;
            inputs.push(Cell { ty: column.ty.clone(), text: shown(array, 0, text) });
        }
        in_memory(Box::pin(self.call(&call.function, inputs)).await?)
    }

    /// The arguments of a call as a query of one row, each of its parameter's type.
    fn arguments(&self, call: &Call) -> Result<Box<ast::Query>> {
        let types = self.input_types(&call.function)?;
        let casts = call.arguments.iter().zip(types).map(|(argument, ty)| match ty.is_of_enum() {
            true => argument.to_string(),
            false => format!("CAST({argument} AS {ty})"),
        });
        let casts: Vec<String> = casts.collect();
        let list = if casts.is_empty() { "NULL".to_string() } else { casts.join(", ") };
        match parse(&format!("SELECT {list}"))? {
            Statement::Query(query) => Ok(query),
            _ => Err(Error::internal("arguments are a query")),
        }
    }
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

/// Takes calls out of a statement.
struct Taker<'a> {
    session: &'a Session,
    calls: Vec<Call>,
    /// Of each query that is open: whether it has FROM.
    over_rows: Vec<bool>,
}

impl Taker<'_> {
    /// The call of a function of the session, if a name and arguments are that.
    fn call(&self, name: &ast::ObjectName, arguments: &[FunctionArg]) -> Result<Option<Call>> {
        let Ok(name) = relation_name(name) else { return Ok(None) };
        if name.schema.as_deref() != Some(TEMPORARY_NAME) {
            return Ok(None);
        }
        let of_name: Vec<&Arc<Function>> = self.session.functions().iter().filter(|f| f.name == name).collect();
        for function in &of_name {
            if let Some(arguments) = given(function, arguments) {
                let answer = format!("everfold call {}", ANSWERS.fetch_add(1, Ordering::Relaxed));
                return Ok(Some(Call { function: Arc::clone(function), arguments, answer }));
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

    fn factor(&mut self, factor: &mut TableFactor) -> Result<()> {
        let (name, arguments, alias) = match &*factor {
            TableFactor::Table { name, args: Some(args), alias, with_ordinality: false, .. } => (name, &args.args, alias),
            TableFactor::Function { name, args, alias, .. } => (name, args, alias),
            _ => return Ok(()),
        };
        let Some(call) = self.call(name, arguments)? else { return Ok(()) };
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

    fn value(&mut self, expr: &mut Expr) -> Result<()> {
        let Expr::Function(function) = &*expr else { return Ok(()) };
        let ast::FunctionArguments::List(list) = &function.args else { return Ok(()) };
        let Some(call) = self.call(&function.name, &list.args)? else { return Ok(()) };
        if self.over_rows.last().copied().unwrap_or_default() {
            return Err(super::unsupported(
                &format!("a call of {} for each row is not supported", call.function.name),
                "Call it in FROM, or in a SELECT without FROM: it runs once, before the rows are read.",
            ));
        }
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
}

impl VisitorMut for Taker<'_> {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &mut ast::Query) -> ControlFlow<Error> {
        self.over_rows.push(matches!(query.body.as_ref(), ast::SetExpr::Select(select) if !select.from.is_empty()));
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut ast::Query) -> ControlFlow<Error> {
        self.over_rows.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
        self.factor(factor).map_or_else(ControlFlow::Break, ControlFlow::Continue)
    }

    // After those in it: a call may be an argument of another.
    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        self.value(expr).map_or_else(ControlFlow::Break, ControlFlow::Continue)
    }
}

fn answers_rows(function: &Function) -> Error {
    super::unsupported(&format!("{} answers rows, and is called where a value stands", function.name), "Call it in FROM.")
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
