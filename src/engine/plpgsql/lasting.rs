//! Functions that outlive their session and are one query in SQL: calls of them are expanded ([`inline`]). All others are
//! [`super::routines`].
//!
//! Nothing runs when one is called, so that it may be called for each row, and in views. What it means is settled when it is made: names in
//! its body are read along the path of whoever makes it, and calls of other functions in it are expanded. Names of relations there are not
//! followed when those are renamed or dropped: as in PostgreSQL a body is a text, and the next call finds that it fails.
//!
//! Decision: what the catalog keeps of a query or an expression has its calls expanded too ([`Session::without_calls`]). So a view stays what
//! it is whatever becomes of the functions, and opening a database needs none of them. A view notes what it was expanded of: such a function
//! is not dropped without CASCADE, and not replaced by one that does something else. Defaults, constraints, indexes and generated columns do
//! not note it: they keep what the function did, which CREATE OR REPLACE tells.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::logical_expr::LogicalPlan;
use sqlparser::ast::{self, Expr, LimitClause, SelectItem, SetExpr};

use super::frame::Holds;
use super::queries::is_column;
use super::{Function as Written, unsupported};
use crate::catalog::{Answers, Catalog, Change, Column, Function, FunctionId, Name, NamespaceId, Relation, RelationId, Scope, told};
use crate::data::PgType;
use crate::data::quoting::ident;
use crate::engine::dml::columns::check_assignable;
use crate::engine::dml::parsed_query;
use crate::engine::generated::is_text;
use crate::engine::query::Planned;
use crate::engine::session::Session;
use crate::engine::triggers::triggers_of;
use crate::error::{Error, Result, code};
use crate::limits;
use crate::plan::inline;
use crate::plan::result_types;
use crate::sql::plpgsql::TypeName;
use crate::sql::plpgsql::bind::{self, Seen, Variables};
use crate::sql::statement::SqlType;

/// SQLSTATE of a function that there is already.
const DUPLICATE_FUNCTION: &str = "42723";

impl Session {
    /// CREATE FUNCTION and CREATE PROCEDURE of what lasts. Errors: 42723, 42P13, 42809, 42501, 3F000, those of its body; 2BP01 for another
    /// definition of a function that views were expanded of.
    pub(super) async fn create_lasting(&mut self, written: &Written, replace: bool) -> Result<()> {
        let catalog = self.define().await?;
        let namespace = self.scope().place_of(&written.name)?.id;
        self.may_create_in(namespace)?;
        let types: Vec<PgType> = self.input_types(written)?.into_iter().map(without_length).collect();
        if written.inputs().any(|p| p.variadic) && !matches!(types.last(), Some(PgType::Array(_))) {
            return Err(Error::new(code::INVALID_FUNCTION_DEFINITION, "VARIADIC parameter must be an array"));
        }
        let old = catalog.functions_in(namespace, &written.name.name).find(|f| f.types() == types).cloned();
        if let Some(old) = &old {
            if !replace {
                let word = old.kind().word();
                let message = format!("{word} \"{}\" already exists with same argument types", written.name.name);
                return Err(Error::new(DUPLICATE_FUNCTION, message));
            }
            self.must_own_function(old)?;
            if old.kind().word() != written.kind().word() {
                let error = Error::new(code::WRONG_OBJECT_TYPE, "cannot change routine kind");
                return Err(error.detail(format!("\"{}\" is a {}.", old.name, old.kind().word())));
            }
        }
        let mut function = match self.is_query(written)? {
            true => self.defined(written, namespace).await?,
            false => {
                // What SET says is tried.
                self.under(written, async |_| Ok(())).await?;
                self.routine_defined(written, namespace).await?
            }
        };
        let Some(old) = old else {
            function.id = self.engine.new_id();
            return self.stage(Change::PutFunction(function), vec![]);
        };
        if function.calls.contains(&old.id) {
            return Err(unsupported(&format!("{} calls itself", written.name), "A recursive query (WITH RECURSIVE) repeats itself."));
        }
        let function = Function { id: old.id, owner: old.owner, comment: old.comment.clone(), ..function };
        check_replaces(&catalog, &old, &function)?;
        if old.is_defined_as(&function) {
            return Ok(());
        }
        let expanded = Users { triggers: vec![], ..users_of(&catalog, old.id) };
        if let Some(user) = expanded.told(&catalog).first() {
            let message = format!("cannot replace function {} because other objects depend on it", catalog.signature(&old));
            return Err(Error::new(code::DEPENDENT_OBJECTS_STILL_EXIST, message)
                .detail(format!("{user} depends on function {}", catalog.signature(&old)))
                .hint("A view keeps what a function did when it was made. Drop the view, replace the function, and make the view again."));
        }
        if old.routine.is_some() {
            return self.stage(Change::PutFunction(function), vec![]);
        }
        let told = format!("defaults, constraints and indexes that were made with function {} stay as they are", catalog.signature(&old));
        self.notice("NOTICE", Error::new(code::SUCCESS, told));
        self.stage(Change::PutFunction(function), vec![])
    }

    /// What a definition makes, without a number.
    async fn defined(&self, written: &Written, namespace: NamespaceId) -> Result<Function> {
        let query = super::routines::query_of(written).ok_or_else(|| Error::internal("it was found to be a query"))?;
        let mut query = Box::new(query.clone());
        let inputs = self.inputs(written).await?;
        let (outputs, answers) = self.answered(written)?;
        let scope = self.scope();
        bind::query(&mut query, &mut Parameters { name: &written.name.name, inputs: &inputs, scope: &scope })?;
        let types: Vec<Option<PgType>> = inputs.iter().map(|input| Some(input.ty.clone())).collect();
        let calls = inline::expand(query.as_mut(), &scope, &types)?;
        let text = self.spelled_out(self.whole_query(&query.to_string())?, &types).await?;
        let query = parsed_query(&text)?;
        let planned = self.plan_with(self.names_kept(), &query, &types).await?;
        let (query, planned) = match spread(&query, &planned, &outputs).filter(|_| matches!(answers, Answers::Row(_))) {
            Some(text) => {
                let query = parsed_query(&text)?;
                let planned = self.plan_with(self.names_kept(), &query, &types).await?;
                (query, planned)
            }
            None => (query, planned),
        };
        if let Some(read) = planned.reads.iter().find(|read| self.is_temporary(read.relation.id)) {
            let message = format!("{} reads the temporary table {}", written.name, read.relation.name);
            return Err(unsupported(&message, "CREATE FUNCTION pg_temp.name makes a function for the session."));
        }
        let rows = outputs.len() != 1 || matches!(answers, Answers::Row(_));
        let declared = match &answers {
            Answers::Row(name) => name.clone(),
            _ if rows => "record".into(),
            _ => outputs[0].ty.to_string(),
        };
        check_answer(&planned, &outputs, rows, &declared).map_err(|e| e.context(format!("SQL function \"{}\"", written.name.name)))?;
        let simple = is_expression(&planned.plan) && inline::queries_in(query.as_ref()) == 1;
        let one_row = written.returns.set || planned.plan.max_rows().is_some_and(|rows| rows <= 1);
        let query = fitted(query, &planned, &outputs)?;
        let query = if one_row || simple { query } else { first_row(query)? }.to_string();
        if query.len() > limits::FUNCTION_BYTES_MAX {
            return Err(Error::new(code::PROGRAM_LIMIT_EXCEEDED, format!("{} is too long", written.name))
                .hint(format!("With the functions that it calls it may have {} bytes.", limits::FUNCTION_BYTES_MAX)));
        }
        // It is what every call of it reads.
        self.plan_with(self.names_kept(), parsed_query(&query)?.as_ref(), &types).await?;
        Ok(Function { query, simple, calls, ..self.record(written, namespace, inputs, (outputs, answers)) })
    }

    /// What a call gives. Errors: those of defaults.
    async fn inputs(&self, written: &Written) -> Result<Vec<Column>> {
        let types = self.input_types(written)?;
        let mut inputs = Vec::with_capacity(types.len());
        for (parameter, ty) in written.inputs().zip(types) {
            let mut input = Column::new(parameter.name.clone().unwrap_or_default(), without_length(ty));
            input.default = parameter.default.as_ref().map(ToString::to_string);
            self.keep_default(&mut input).await?;
            input.default = input.default.as_deref().map(|kept| self.whole_expression(kept)).transpose()?;
            inputs.push(input);
        }
        Ok(inputs)
    }

    /// The columns of the answer, and how they were declared. Errors: 0A000 for a domain and for a row in a row.
    fn answered(&self, written: &Written) -> Result<(Vec<Column>, Answers)> {
        let mut columns = Vec::new();
        for output in self.outputs(written)? {
            columns.push(match output.holds {
                Holds::Value { domain: Some(domain), .. } => return Err(of_domain(&domain)),
                Holds::Value { cell, .. } => Column::new(output.name, without_length(cell.ty)),
                Holds::Row { .. } => return Err(unsupported("a column that is a row is not supported", "Return its fields as columns.")),
            });
        }
        let answers = match &written.returns.ty {
            _ if written.outputs().count() > 0 => {
                if written.returns.set && written.returns.ty.is_none() {
                    Answers::Table
                } else {
                    Answers::Out
                }
            }
            Some(ty) if let Some(name) = self.composite_answer(ty) => Answers::Row(name),
            Some(ty) if matches!(self.holds(ty)?, Holds::Row { .. }) => Answers::Row(row_name(ty)),
            _ => Answers::Value,
        };
        Ok((columns, answers))
    }

    /// Drops a function, and with `cascade` the views and the functions that were expanded of it.
    pub(in crate::engine) fn drop_with_users(&mut self, catalog: &Catalog, function: &Function, cascade: bool) -> Result<()> {
        let users = users_of(catalog, function.id);
        let told = users.told(catalog);
        if !told.is_empty() && !cascade {
            let signature = format!("{} {}", function.kind().word(), catalog.signature(function));
            let depends: Vec<String> = told.iter().map(|user| format!("{user} depends on {signature}")).collect();
            let message = format!("cannot drop {signature} because other objects depend on it");
            return Err(Error::new(code::DEPENDENT_OBJECTS_STILL_EXIST, message)
                .detail(depends.join("\n"))
                .hint("Use DROP ... CASCADE to drop the dependent objects too."));
        }
        self.tell_cascade(&told.iter().map(|user| format!("drop cascades to {user}")).collect::<Vec<_>>());
        self.drop_users_of_functions(catalog, &users)?;
        self.stage(Change::DropFunction(function.id), vec![])
    }

    /// Drops what was expanded of functions that go, and the triggers that run them.
    fn drop_users_of_functions(&mut self, catalog: &Catalog, users: &Users) -> Result<()> {
        if !users.views.is_empty() {
            self.stage(Change::Drop(catalog.dependents_first(&users.views)), vec![])?;
        }
        for (relation, name) in &users.triggers {
            let Some(mut altered) = self.catalog().by_id(relation.id).map(|relation| relation.as_ref().clone()) else { continue };
            altered.triggers.retain(|trigger| trigger.name != *name);
            self.stage(Change::Alter(altered), vec![])?;
        }
        users.functions.iter().try_for_each(|id| self.stage(Change::DropFunction(*id), vec![]))
    }

    /// Drops the functions in schemas that go, as far as they are there still, and what was expanded of them. Nothing is told of it.
    pub(in crate::engine) fn drop_functions_in(&mut self, schemas: &[NamespaceId]) -> Result<()> {
        let inside: Vec<FunctionId> = self.catalog().functions().filter(|f| schemas.contains(&f.namespace)).map(|f| f.id).collect();
        for id in inside {
            let catalog = self.catalog();
            if catalog.function(id).is_some() {
                self.drop_users_of_functions(&catalog, &users_of(&catalog, id))?;
                self.stage(Change::DropFunction(id), vec![])?;
            }
        }
        Ok(())
    }

    /// Errors: 42501 unless the current role owns the function.
    pub(in crate::engine) fn must_own_function(&self, function: &Function) -> Result<()> {
        match self.authority.has_role(function.owner) {
            true => Ok(()),
            false => {
                Err(Error::new(code::INSUFFICIENT_PRIVILEGE, format!("must be owner of {} {}", function.kind().word(), function.name)))
            }
        }
    }

    /// A query's text with the calls of functions of users expanded, and those functions.
    pub(in crate::engine) fn without_calls(&self, sql: &str) -> Result<(String, Vec<FunctionId>)> {
        let scope = self.scope();
        if scope.functions().next().is_none() {
            return Ok((sql.to_string(), vec![]));
        }
        let mut query = parsed_query(sql)?;
        let calls = inline::expand(query.as_mut(), &scope, &[])?;
        Ok(if calls.is_empty() { (sql.to_string(), calls) } else { (query.to_string(), calls) })
    }

    /// The text of an expression with the calls of functions of users expanded; `None` if there are none in it.
    pub(in crate::engine) fn expanded_expression(&self, sql: &str) -> Result<Option<String>> {
        let scope = self.scope();
        if scope.functions().next().is_none() {
            return Ok(None);
        }
        let mut value = inline::only_value(*inline::parsed(&format!("SELECT {sql}"))?)?;
        let calls = inline::expand(&mut value, &scope, &[])?;
        Ok((!calls.is_empty()).then(|| value.to_string()))
    }
}

/// What was expanded of a function, or runs it.
struct Users {
    /// Views, and the relations that depend on them.
    views: BTreeSet<RelationId>,
    functions: Vec<FunctionId>,
    /// Triggers that run it, with their relations. They run it as it is, and are not expanded.
    triggers: Vec<(Arc<Relation>, String)>,
}

impl Users {
    /// Each as messages name it.
    fn told(&self, catalog: &Catalog) -> Vec<String> {
        let functions = self.functions.iter().filter_map(|id| catalog.function(*id));
        let functions = functions.map(|f| format!("function {}", catalog.signature(f)));
        let views = self.views.iter().filter_map(|id| catalog.by_id(*id)).map(|r| told(catalog, r));
        let triggers = self.triggers.iter().map(|(relation, name)| format!("trigger {name} on {}", told(catalog, relation)));
        functions.chain(views).chain(triggers).collect()
    }
}

fn users_of(catalog: &Catalog, id: FunctionId) -> Users {
    let direct = catalog.relations().filter(|r| r.calls.contains(&id));
    Users {
        views: direct.flat_map(|r| catalog.with_dependents(r.id)).collect(),
        functions: catalog.functions().filter(|f| f.calls.contains(&id)).map(|f| f.id).collect(),
        triggers: triggers_of(catalog, id),
    }
}

/// Errors: 42P13 for a function that another cannot take the place of.
fn check_replaces(catalog: &Catalog, old: &Function, new: &Function) -> Result<()> {
    // A relation may be named with its schema or without.
    let bare = |answers: &Answers| match answers {
        Answers::Row(name) => Answers::Row(name.rsplit('.').next().unwrap_or(name).to_string()),
        other => other.clone(),
    };
    let shape = |f: &Function| (f.set, f.outputs.iter().map(|c| c.ty.clone()).collect::<Vec<_>>(), bare(&f.answers));
    let renamed = old.inputs.iter().zip(&new.inputs).find(|(old, new)| !old.name.is_empty() && old.name != new.name);
    let lost = old.inputs.iter().zip(&new.inputs).any(|(old, new)| old.default.is_some() && new.default.is_none());
    let message = match renamed {
        _ if shape(old) != shape(new) => "cannot change return type of existing function".into(),
        Some((input, _)) => format!("cannot change name of input parameter \"{}\"", input.name),
        None if lost => "cannot remove parameter defaults from existing function".into(),
        None => return Ok(()),
    };
    let hint = format!("Use DROP FUNCTION {} first.", catalog.signature(old));
    Err(Error::new(code::INVALID_FUNCTION_DEFINITION, message).hint(hint))
}

/// Errors: 42P13 for a query that does not give what was declared.
fn check_answer(planned: &Planned, outputs: &[Column], rows: bool, declared: &str) -> Result<()> {
    let mismatch = |detail: String| {
        let message = format!("return type mismatch in function declared to return {declared}");
        Err(Error::new(code::INVALID_FUNCTION_DEFINITION, message).detail(detail))
    };
    match (planned.columns.len(), outputs.len()) {
        (has, wanted) if has == wanted => {}
        _ if !rows => return mismatch("Final statement must return exactly one column.".into()),
        (has, wanted) if has < wanted => return mismatch("Final statement returns too few columns.".into()),
        _ => return mismatch("Final statement returns too many columns.".into()),
    }
    for (i, output) in outputs.iter().enumerate() {
        let ty = if result_types::is_unknown(&planned.plan, i) { &PgType::Unknown } else { &planned.columns[i].ty };
        if check_assignable(ty, output).is_err() || is_text(ty) && !is_text(&output.ty) {
            return mismatch(match rows {
                true => format!("Final statement returns {ty} instead of {} at column {}.", output.ty, i + 1),
                false => format!("Actual return type is {ty}."),
            });
        }
    }
    Ok(())
}

/// A query of one column, a row of what the function answers, as one of the columns of that row.
fn spread(query: &ast::Query, planned: &Planned, outputs: &[Column]) -> Option<String> {
    let [column] = planned.columns.as_slice() else { return None };
    let PgType::Composite(of) = &column.ty else { return None };
    let attributes = of.attributes();
    let mut both = attributes.iter().zip(outputs);
    if attributes.len() != outputs.len() || !both.all(|(a, output)| a.name == output.name && without_length(a.ty.clone()) == output.ty) {
        return None;
    }
    let items: Vec<String> = outputs.iter().map(|output| format!("(\"answer\".\"row\").{0} AS {0}", ident(&output.name))).collect();
    Some(format!("SELECT {} FROM ({query}) AS \"answer\" (\"row\")", items.join(", ")))
}

/// True for a plan that computes one row of nothing.
fn is_expression(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Projection(projection) => is_expression(&projection.input),
        LogicalPlan::EmptyRelation(empty) => empty.produce_one_row,
        _ => false,
    }
}

/// The query with its columns cast to the types of the answer where they are others.
fn fitted(mut query: Box<ast::Query>, planned: &Planned, outputs: &[Column]) -> Result<Box<ast::Query>> {
    let is_numeric = |ty: &PgType| matches!(ty, PgType::Numeric(_) | PgType::Exact(..) | PgType::Quotient(_) | PgType::Padded(_));
    let is_other = |from: &PgType, to: &PgType| from != to && !(is_numeric(from) && is_numeric(to));
    let differs: Vec<bool> = planned.columns.iter().zip(outputs).map(|(from, to)| is_other(&from.ty, &to.ty)).collect();
    if !differs.contains(&true) {
        return Ok(query);
    }
    let is_one = |item: &SelectItem| matches!(item, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. });
    if let SetExpr::Select(select) = query.body.as_mut()
        && select.projection.len() == outputs.len()
        && select.projection.iter().all(is_one)
    {
        for ((item, output), differs) in select.projection.iter_mut().zip(outputs).zip(differs) {
            if let (true, SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = (differs, item) {
                *expr = inline::cast(Expr::Nested(Box::new(expr.clone())), &output.ty)?;
            }
        }
        return Ok(query);
    }
    let names: Vec<String> = (1..=outputs.len()).map(|n| ident(&format!("column {n}"))).collect();
    let casts: Vec<String> = names.iter().zip(outputs).map(|(name, output)| format!("CAST({name} AS {})", output.ty.in_sql())).collect();
    parsed_query(&format!("SELECT {} FROM ({query}) AS \"answer\" ({})", casts.join(", "), names.join(", ")))
}

/// The query with its first row only.
fn first_row(mut query: Box<ast::Query>) -> Result<Box<ast::Query>> {
    if query.limit_clause.is_some() || query.fetch.is_some() {
        return parsed_query(&format!("SELECT * FROM ({query}) AS \"answer\" LIMIT 1"));
    }
    let one = Expr::Value(ast::Value::Number("1".into(), false).into());
    query.limit_clause = Some(LimitClause::LimitOffset { limit: Some(one), offset: None, limit_by: vec![] });
    Ok(query)
}

/// Parameters and results have no lengths: as in PostgreSQL a type's modifier is dropped.
pub(super) fn without_length(ty: PgType) -> PgType {
    match ty {
        PgType::Varchar(_) => PgType::Varchar(None),
        PgType::Numeric(_) => PgType::Numeric(None),
        PgType::Array(item) => PgType::Array(Box::new(without_length(*item))),
        other => other,
    }
}

fn of_domain(name: &Name) -> Error {
    unsupported(&format!("domain {name} for a parameter or a result is not supported"), "Use the type that the domain is over.")
}

/// The name of the relation whose rows a type is.
fn row_name(ty: &TypeName) -> String {
    match ty {
        TypeName::Row(name) => name.to_string(),
        TypeName::Named(SqlType::Named(named)) => named.name.to_string(),
        _ => "record".into(),
    }
}

/// What names in a body mean: a column goes before a parameter, and a parameter is named by the function too.
struct Parameters<'a> {
    name: &'a str,
    inputs: &'a [Column],
    scope: &'a Scope,
}

impl Variables for Parameters<'_> {
    fn parameter(&mut self, path: &[String], seen: &Seen) -> Result<Option<usize>> {
        let name = match path {
            [name] => name,
            [function, name] if function == self.name => name,
            _ => return Ok(None),
        };
        let Some(at) = self.inputs.iter().position(|input| input.name == *name) else { return Ok(None) };
        Ok((!is_column(path, seen, self.scope)).then_some(at + 1))
    }

    fn positional(&mut self, n: usize) -> Result<usize> {
        match n {
            n if (1..=self.inputs.len()).contains(&n) => Ok(n),
            n => Err(Error::new(code::UNDEFINED_PARAMETER, format!("there is no parameter ${n}"))),
        }
    }
}
