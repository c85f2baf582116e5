//! SELECT .. FOR UPDATE SKIP LOCKED: the rows that nobody else has locked, for workers that share a table of jobs.
//!
//! The query is run without its LIMIT and with the table's key behind its columns. Each row is locked by its key in the order of the result, if
//! that takes no waiting, until there are as many as LIMIT and OFFSET want. Then the query is run once more, since a row may have changed before it
//! was locked, and what it gives of the locked rows is the answer. Cost: two runs of the query without its LIMIT.

use std::collections::HashSet;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::{concat_batches, filter_record_batch};
use datafusion::common::ScalarValue;
use sqlparser::ast::{self, Expr, Ident, LimitClause, SelectItem, SetExpr, TableFactor, Value};

use super::conflict::columns_at;
use super::locks::locked;
use super::returning::Returned;
use super::values::{declared, scalars};
use crate::catalog::Relation;
use crate::engine::query::{Planned, collect};
use crate::engine::session::{Parameters, Prepared, Response, Session};
use crate::engine::table_locks::{Request, Rows, TableLock};
use crate::error::{Error, Result, code};
use crate::fold::key_index::hashes;
use crate::sql::statement::RowLock;
use crate::sql::{TableMode, fold_name};

impl Session {
    /// Runs such a query. Errors: 0A000 for more than one table, for one without a key, and for a LIMIT that is computed.
    pub(super) async fn locking_others(
        &mut self,
        query: &ast::Query,
        locks: &[RowLock],
        prepared: &Prepared,
        parameters: &Parameters,
    ) -> Result<Response> {
        let scope = self.scope();
        let mut wanted = locks.iter().map(|lock| locked(&scope, query, lock)).collect::<Result<Vec<_>>>()?.concat();
        wanted.dedup();
        let ([id], Some(table)) = (wanted.as_slice(), only_table(query)) else { return Err(refused("of more than one table")) };
        let relation = scope.by_id(*id).ok_or_else(|| Error::internal("a relation that is locked exists"))?;
        if relation.key.is_empty() || relation.ksql.is_some() {
            return Err(refused("of a table without a primary key"));
        }
        self.may_lock_rows(relation)?;
        let (all, skip, count) = with_keys(query, relation, &table)?;
        let planned = self.plan_with(self.names_locking([relation.id]), &all, &declared(prepared)).await?;
        let values = scalars(&planned.parameters, parameters, self.settings.reading())?;
        // Without LIMIT the query may have fewer parameters.
        let given = scalars(&prepared.parameters, parameters, self.settings.reading())?;
        let (skip, count) = (number(skip.as_ref(), &given)?.unwrap_or(0), number(count.as_ref(), &given)?.unwrap_or(usize::MAX));
        // Until the end of a statement that is no transaction's; else the transaction has them.
        // It waits for who has locked the table as a whole: only rows are skipped.
        let mut held = vec![self.lock(relation.id, Request::whole(TableMode::RowShare)).await?];
        let mut mine = HashSet::new();
        for row in self.keys_of(&planned, &values, relation.key.len()).await?.1 {
            if mine.len() >= count.saturating_add(skip) {
                break;
            }
            if mine.contains(&row) || self.lock_if_free(relation, row, &mut held) {
                mine.insert(row);
            }
        }
        let (rows, keys) = self.keys_of(&planned, &values, relation.key.len()).await?;
        let mut left = (skip, count);
        let taken: BooleanArray = keys.iter().map(|key| Some(mine.contains(key) && is_wanted(&mut left))).collect();
        let width = planned.columns.len() - relation.key.len();
        let rows = filter_record_batch(&rows, &taken)?.project(&(0..width).collect::<Vec<_>>())?;
        let columns = planned.columns.into_iter().take(width).collect();
        Returned { columns, schema: rows.schema(), rows: vec![rows] }.answer("SELECT")
    }

    /// True if the row of that key could be locked at once.
    fn lock_if_free(&mut self, relation: &Relation, key: u64, held: &mut Vec<Option<TableLock>>) -> bool {
        if self.is_temporary(relation.id) {
            return true;
        }
        let request = self.undoable(Request::selected(Rows::Keys([key].into())));
        let Some(lock) = self.engine.locks.try_take(self.process, relation.id, &request) else { return false };
        held.push(self.keep(relation.id, lock));
        true
    }

    /// The rows of the query, and the hash of the key behind each.
    async fn keys_of(&self, planned: &Planned, values: &[ScalarValue], keys: usize) -> Result<(RecordBatch, Vec<u64>)> {
        let batches = collect(self.run_query(planned, values.to_vec()).await?).await?;
        let schema = batches.first().map_or_else(|| planned.schema.clone(), RecordBatch::schema);
        let rows = concat_batches(&schema, &batches)?;
        let width = rows.num_columns();
        let hashes = hashes(&columns_at(&rows, &(width - keys..width).collect::<Vec<_>>()))?;
        Ok((rows, hashes))
    }
}

/// Counts a row of the result; true if it is neither before OFFSET nor behind LIMIT.
fn is_wanted((skip, count): &mut (usize, usize)) -> bool {
    let before = *skip > 0;
    *skip = skip.saturating_sub(1);
    let within = !before && *count > 0;
    *count -= usize::from(within);
    within
}

/// The name by which the columns of the only table of FROM are named.
fn only_table(query: &ast::Query) -> Option<Ident> {
    let SetExpr::Select(select) = query.body.as_ref() else { return None };
    let [ast::TableWithJoins { relation: TableFactor::Table { name, alias, args: None, .. }, joins }] = select.from.as_slice() else {
        return None;
    };
    let named = alias.as_ref().map(|a| a.name.clone()).or_else(|| name.0.last().and_then(|part| part.as_ident()).cloned());
    named.filter(|_| joins.is_empty() && query.with.is_none())
}

/// The query without LIMIT and OFFSET, with the columns of the key behind its own; OFFSET and LIMIT.
fn with_keys(query: &ast::Query, relation: &Relation, table: &Ident) -> Result<(ast::Query, Option<Expr>, Option<Expr>)> {
    let mut all = query.clone();
    let fetch = all.fetch.take().and_then(|fetch| fetch.quantity);
    let (skip, count) = match all.limit_clause.take() {
        None => (None, None),
        Some(LimitClause::LimitOffset { limit, offset, limit_by }) if limit_by.is_empty() => (offset.map(|o| o.value), limit),
        Some(_) => return Err(refused("with a LIMIT of another dialect")),
    };
    let SetExpr::Select(select) = all.body.as_mut() else { return Err(refused("of a set operation")) };
    for (i, key) in relation.key.iter().enumerate() {
        let column = Ident::with_quote('"', relation.columns[*key].name.clone());
        let table = Ident::with_quote('"', fold_name(table));
        let expr = Expr::CompoundIdentifier(vec![table, column]);
        select.projection.push(SelectItem::ExprWithAlias { expr, alias: Ident::with_quote('"', format!("everfold key {i}")) });
    }
    Ok((all, skip, count.or(fetch)))
}

/// The number that LIMIT or OFFSET says; `None` for none, NULL and ALL.
fn number(expr: Option<&Expr>, values: &[ScalarValue]) -> Result<Option<usize>> {
    let Some(expr) = expr else { return Ok(None) };
    let computed = || refused("with a LIMIT or OFFSET that is computed");
    let negative = || Error::new(code::INVALID_ROW_COUNT_IN_LIMIT_CLAUSE, "LIMIT and OFFSET must not be negative");
    let value = match expr {
        Expr::Value(value) => value,
        Expr::UnaryOp { op: ast::UnaryOperator::Minus, expr } if matches!(**expr, Expr::Value(_)) => return Err(negative()),
        _ => return Err(computed()),
    };
    let text = match &value.value {
        Value::Null => return Ok(None),
        Value::Number(text, _) => text.to_string(),
        Value::Placeholder(place) => {
            let at = place.trim_start_matches('$').parse::<usize>().ok().and_then(|n| n.checked_sub(1));
            match at.and_then(|at| values.get(at)) {
                Some(value) if value.is_null() => return Ok(None),
                Some(value) => value.to_string(),
                None => return Err(computed()),
            }
        }
        _ => return Err(computed()),
    };
    let number: i64 = text.parse().map_err(|_| computed())?;
    usize::try_from(number).map(Some).map_err(|_| negative())
}

fn refused(what: &str) -> Error {
    Error::unsupported(format!("SKIP LOCKED {what} is not supported"))
        .hint("It locks rows of one table with a primary key, in a SELECT with FROM, WHERE, ORDER BY, LIMIT and OFFSET.")
}
