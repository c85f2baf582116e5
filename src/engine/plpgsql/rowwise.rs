//! Calls of functions for each row of a query, where such a call is an item of its SELECT list.
//!
//! The query is asked first, with the arguments in the places of the calls, and then the functions run for its rows, in their order: what they
//! change it does not see. A call anywhere else in a query with FROM is not this: it would have to run within the query.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, new_empty_array};
use arrow::compute::{concat, concat_batches};
use arrow::datatypes::{Field, Schema};
use sqlparser::ast::{self, Expr, SelectItem};

use super::Cell;
use super::calls::Taker;
use super::frame::Holds;
use super::functions::Output;
use super::queries::shown;
use crate::data::PgType;
use crate::data::encode::cell_text;
use crate::engine::dml::values::scalars;
use crate::engine::session::{Column, Parameters, Prepared, Response, Session};
use crate::error::{Error, Result, code};
use crate::limits;
use crate::plan::inline;
use crate::serve::system::rewrite::{expand_row_stars, is_row_star};
use crate::sql::fold_name;
use crate::sql::plpgsql::Function;
use crate::sql::statement::{Call, RowCalls, RowItem};

impl Taker<'_> {
    /// The query as one that calls functions for each row, if it is that and has to be.
    pub(super) fn row_calls(&mut self, query: &ast::Query) -> Result<Option<RowCalls>> {
        let Some(calls) = self.calls_within(query)? else { return Ok(None) };
        if !calls.query.body.as_select().is_some_and(|select| select.projection.iter().any(is_row_star)) {
            return Ok(Some(calls));
        }
        // An item is to be one column.
        let mut spread = query.clone();
        expand_row_stars(&mut spread, &self.session.names().system_context())?;
        self.calls_within(&spread)
    }

    fn calls_within(&mut self, query: &ast::Query) -> Result<Option<RowCalls>> {
        self.typing.enter(query);
        let calls = self.calls_of_items(query);
        self.typing.leave();
        calls
    }

    fn calls_of_items(&mut self, query: &ast::Query) -> Result<Option<RowCalls>> {
        let ast::SetExpr::Select(select) = query.body.as_ref() else { return Ok(None) };
        if select.from.is_empty() || select.distinct.is_some() {
            return Ok(None);
        }
        let (mut items, mut kept, mut arguments, mut has_to) = (vec![], vec![], vec![], false);
        for item in &select.projection {
            let (expr, alias) = match item {
                SelectItem::UnnamedExpr(expr) => (expr, None),
                SelectItem::ExprWithAlias { expr, alias } => (expr, Some(fold_name(alias))),
                SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..) => {
                    items.push(RowItem::Wildcard);
                    kept.push(item.clone());
                    continue;
                }
                SelectItem::ExprWithAliases { .. } => return Ok(None),
            };
            let Some(call) = self.item(expr)? else {
                items.push(RowItem::Column);
                kept.push(item.clone());
                continue;
            };
            has_to |= call.runs_for_each_row();
            for (argument, ty) in call.arguments.iter().zip(self.session.input_types(&call.function)?) {
                let expr = if ty.is_of_enum() { argument.clone() } else { inline::cast(argument.clone(), &ty)? };
                let alias = ast::Ident::with_quote('"', format!("argument {}", arguments.len() + 1));
                arguments.push(SelectItem::ExprWithAlias { expr, alias });
            }
            let name = alias.unwrap_or_else(|| call.function.name.name.clone());
            items.push(RowItem::Call(call, name));
        }
        let wildcards = items.iter().filter(|item| matches!(item, RowItem::Wildcard)).count();
        if !has_to || wildcards > 1 || arranges_by_calls(query, select, &items) {
            return Ok(None);
        }
        let mut query = Box::new(query.clone());
        if let ast::SetExpr::Select(select) = query.body.as_mut() {
            kept.extend(arguments);
            if kept.is_empty() {
                kept.push(SelectItem::UnnamedExpr(Expr::Value(ast::Value::Null.with_empty_span())));
            }
            select.projection = kept;
        }
        Ok(Some(RowCalls { query, items }))
    }

    /// The call that an item is, and nothing else, of a function that answers one value.
    fn item(&mut self, expr: &Expr) -> Result<Option<Call>> {
        let Expr::Function(function) = expr else { return Ok(None) };
        let ast::FunctionArguments::List(list) = &function.args else { return Ok(None) };
        let Some(call) = self.call(&function.name, &list.args)? else { return Ok(None) };
        inline::check_plain(function, &call.function.name.name)?;
        let one_value = !call.function.returns.set
            && matches!(self.session.outputs(&call.function)?.as_slice(), [Output { holds: Holds::Value { .. }, .. }]);
        Ok(Some(call).filter(|_| one_value))
    }
}

/// True for ORDER BY and GROUP BY what [`means_call`]: it is not there yet, or elsewhere, when the rows are ordered or grouped.
fn arranges_by_calls(query: &ast::Query, select: &ast::Select, items: &[RowItem]) -> bool {
    let grouped = match &select.group_by {
        ast::GroupByExpr::All(_) => true,
        ast::GroupByExpr::Expressions(by, _) => by.iter().any(|by| means_call(by, items)),
    };
    let Some(order) = &query.order_by else { return grouped };
    let ast::OrderByKind::Expressions(by) = &order.kind else { return true };
    grouped || by.iter().any(|by| means_call(&by.expr, items))
}

/// True for the name or the number of an item that is a call, and for the number of one behind a call.
fn means_call(expr: &Expr, items: &[RowItem]) -> bool {
    match expr {
        Expr::Value(value) => !keeps_number(&value.value, items),
        Expr::Identifier(name) => items.iter().any(|item| matches!(item, RowItem::Call(_, of) if *of == fold_name(name))),
        _ => false,
    }
}

/// True for the number of an item before which, and at which, there are columns only.
fn keeps_number(number: &ast::Value, items: &[RowItem]) -> bool {
    let ast::Value::Number(digits, _) = number else { return false };
    let before = digits.parse().ok().and_then(|n: usize| items.get(..n));
    before.is_some_and(|items| items.iter().all(|item| matches!(item, RowItem::Column)))
}

/// The calls among items.
fn calls_of(items: &[RowItem]) -> impl Iterator<Item = &Call> {
    items.iter().filter_map(|item| match item {
        RowItem::Call(call, _) => Some(call),
        _ => None,
    })
}

impl Session {
    /// The parameters and the columns of a query that calls functions for each row.
    pub(in crate::engine) async fn describe_row_calls(
        &self,
        rows: &RowCalls,
        types: &[Option<PgType>],
    ) -> Result<(Vec<PgType>, Option<Vec<Column>>)> {
        let planned = self.plan_query(&rows.query, types).await?;
        let mut columns = Vec::new();
        let mut own = planned.columns.iter().take(own_columns(rows, planned.columns.len()));
        let wide = wildcard_width(rows, own.len());
        for item in &rows.items {
            match item {
                RowItem::Column => columns.extend(own.next().cloned()),
                RowItem::Wildcard => columns.extend(own.by_ref().take(wide).cloned()),
                RowItem::Call(call, name) => columns.push(Column::new(name, self.answer_type(&call.function)?)),
            }
        }
        Ok((planned.parameters, Some(columns)))
    }

    /// Runs a query that calls functions for each row, in the transaction that is open. Errors: 54000 for an answer past its limit.
    pub(in crate::engine) async fn run_row_calls(
        &mut self,
        rows: &RowCalls,
        prepared: &Prepared,
        parameters: &Parameters,
    ) -> Result<Response> {
        let types: Vec<Option<PgType>> = prepared.parameters.iter().cloned().map(Some).collect();
        let planned = self.plan_query(&rows.query, &types).await?;
        let values = scalars(&planned.parameters, parameters, self.settings.reading())?;
        let batches = self.collect(&planned, values).await?;
        let fields: Vec<Field> = planned.columns.iter().map(|column| column.ty.field(&column.name, true)).collect();
        let schema = batches.first().map_or_else(|| Arc::new(Schema::new(fields)), RecordBatch::schema);
        let whole = concat_batches(&schema, &batches)?;
        let own = own_columns(rows, planned.columns.len());
        let answers = self.within(async |session| session.answers_for_rows(rows, &whole, &planned.columns[own..], own).await).await?;
        let (mut fields, mut arrays) = (Vec::new(), Vec::new());
        let mut columns = Vec::new();
        let (mut next, mut answers, wide) = (0, answers.into_iter(), wildcard_width(rows, own));
        for item in &rows.items {
            let count = match item {
                RowItem::Column => 1,
                RowItem::Wildcard => wide,
                RowItem::Call(call, name) => {
                    let ty = self.answer_type(&call.function)?;
                    fields.push(Arc::new(ty.field(name, true)));
                    arrays.extend(answers.next());
                    columns.push(Column::new(name, ty));
                    continue;
                }
            };
            for i in next..next + count {
                fields.push(Arc::new(schema.field(i).clone()));
                arrays.push(whole.column(i).clone());
                columns.push(planned.columns[i].clone());
            }
            next += count;
        }
        let options = RecordBatchOptions::new().with_row_count(Some(whole.num_rows()));
        let batch = RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)?;
        Ok(Response::Batch { word: "SELECT".into(), columns: columns.into(), batch })
    }

    /// What the calls answer: a column of n values for each, of n rows whose columns from `own` on are their arguments.
    async fn answers_for_rows(&mut self, rows: &RowCalls, whole: &RecordBatch, arguments: &[Column], own: usize) -> Result<Vec<ArrayRef>> {
        let calls: Vec<&Call> = calls_of(&rows.items).collect();
        // As they are when the statement begins, whatever the functions do to one another.
        let functions = calls.iter().map(|call| self.current(call)).collect::<Result<Vec<_>>>()?;
        let mut answers: Vec<Vec<ArrayRef>> = vec![vec![]; calls.len()];
        let mut bytes = 0;
        for row in 0..whole.num_rows() {
            let mut at = 0;
            for ((call, function), answers) in calls.iter().zip(&functions).zip(&mut answers) {
                let mut inputs = Vec::with_capacity(call.arguments.len());
                for (i, Column { ty, .. }) in arguments.iter().enumerate().skip(at).take(call.arguments.len()) {
                    let (array, mut text) = (whole.column(own + i), Vec::new());
                    cell_text(array, row, ty, &self.settings.carried(), &mut text)?;
                    inputs.push(Cell { ty: ty.clone(), text: shown(array, row, text) });
                }
                at += call.arguments.len();
                let answer = Box::pin(self.call(function, inputs)).await?.column(0).clone();
                bytes += answer.get_array_memory_size();
                answers.push(answer);
            }
            if bytes > limits::CURSOR_BYTES_MAX {
                return Err(Error::new(code::PROGRAM_LIMIT_EXCEEDED, "the functions of a query answer too much")
                    .hint(format!("At most {} bytes are kept.", limits::CURSOR_BYTES_MAX)));
            }
        }
        let mut columns = Vec::with_capacity(calls.len());
        for (call, answers) in calls.iter().zip(answers) {
            let parts: Vec<&dyn Array> = answers.iter().map(AsRef::as_ref).collect();
            columns.push(match parts.is_empty() {
                true => new_empty_array(&self.answer_type(&call.function)?.arrow()),
                false => concat(&parts)?,
            });
        }
        Ok(columns)
    }

    /// The type of the one value that a function answers.
    fn answer_type(&self, function: &Function) -> Result<PgType> {
        match self.outputs(function)?.as_slice() {
            [Output { holds: Holds::Value { cell, .. }, .. }] => Ok(cell.ty.clone()),
            _ => Err(Error::internal("the function was found to answer one value")),
        }
    }
}

/// How many columns of the query are not arguments: none where a NULL stands for a list without any.
fn own_columns(rows: &RowCalls, all: usize) -> usize {
    all.saturating_sub(calls_of(&rows.items).map(|call| call.arguments.len()).sum())
}

/// How many columns a wildcard has of those that are not arguments.
fn wildcard_width(rows: &RowCalls, own: usize) -> usize {
    own.saturating_sub(rows.items.iter().filter(|item| matches!(item, RowItem::Column)).count())
}
