//! UPDATE and DELETE: rows read at the head, and what becomes of them.

use sqlparser::ast::{self, Expr};

use arrow::array::RecordBatch;

use super::columns::{all_not_null, cast_columns};
use super::values::{declared, is_default, placeholder, scalars};
use super::{parsed_query, quoted};
use crate::catalog::{Column, Relation};
use crate::data::PgType;
use crate::engine::events::{DELETE, UPSERT, changes};
use crate::engine::query::collect;
use crate::engine::session::{Parameters, Prepared, Response, Session};
use crate::error::{Error, Result};
use crate::sql::Statement;

impl Session {
    pub(in crate::engine) async fn update(
        &mut self,
        statement: &Statement,
        prepared: &Prepared,
        parameters: &Parameters,
    ) -> Result<Response> {
        let Statement::Update { table, alias, assignments, selection } = statement else { return Err(Error::internal("not an UPDATE")) };
        let relation = self.changeable(table, "UPDATE")?;
        let query = update_query(&relation, alias.as_deref(), assignments, selection.as_ref())?;
        let rekeyed = assignments.iter().any(|(name, _)| relation.key.iter().any(|k| relation.columns[*k].name == *name));
        let _held = self.lock_exclusive(relation.id).await?;
        let new = self.changed_rows(&relation, &query, prepared, parameters).await?;
        let count: usize = new.iter().map(RecordBatch::num_rows).sum();
        let mut events = Vec::new();
        if rekeyed {
            let before = delete_query(&relation, alias.as_deref(), selection.as_ref())?;
            for batch in self.changed_rows(&relation, &before, prepared, parameters).await? {
                events.push((relation.id, changes(&relation, &batch, DELETE)?));
            }
        }
        for batch in new {
            all_not_null(&relation, &batch)?;
            events.push((relation.id, changes(&relation, &batch, UPSERT)?));
        }
        if count > 0 {
            self.append(events).await?;
        }
        Ok(Response::Done(format!("UPDATE {count}")))
    }

    pub(in crate::engine) async fn delete(
        &mut self,
        statement: &Statement,
        prepared: &Prepared,
        parameters: &Parameters,
    ) -> Result<Response> {
        let Statement::Delete { table, alias, selection } = statement else { return Err(Error::internal("not a DELETE")) };
        let relation = self.changeable(table, "DELETE")?;
        let query = delete_query(&relation, alias.as_deref(), selection.as_ref())?;
        let _held = self.lock_exclusive(relation.id).await?;
        let gone = self.changed_rows(&relation, &query, prepared, parameters).await?;
        let count: usize = gone.iter().map(RecordBatch::num_rows).sum();
        let events = gone.iter().map(|batch| Ok((relation.id, changes(&relation, batch, DELETE)?))).collect::<Result<Vec<_>>>()?;
        if count > 0 {
            self.append(events).await?;
        }
        Ok(Response::Done(format!("DELETE {count}")))
    }

    /// Types of the parameters of an UPDATE or DELETE.
    pub(in crate::engine) async fn change_parameters(&self, statement: &Statement, declared: &[Option<PgType>]) -> Result<Vec<PgType>> {
        let (relation, query) = match statement {
            Statement::Update { table, alias, assignments, selection } => {
                let relation = self.changeable(table, "UPDATE")?;
                let query = update_query(&relation, alias.as_deref(), assignments, selection.as_ref())?;
                (relation, query)
            }
            Statement::Delete { table, alias, selection } => {
                let relation = self.changeable(table, "DELETE")?;
                let query = delete_query(&relation, alias.as_deref(), selection.as_ref())?;
                (relation, query)
            }
            _ => return Ok(vec![]),
        };
        let mut types: Vec<Option<PgType>> = declared.to_vec();
        if let Statement::Update { assignments, .. } = statement {
            for (name, value) in assignments {
                if let Some(n) = placeholder(value) {
                    types.resize(types.len().max(n), None);
                    types[n - 1].get_or_insert(relation.columns[relation.column(name)?].ty.clone());
                }
            }
        }
        let mut names = self.names();
        names.identity = true;
        Ok(self.plan_with(names, &query, &types).await?.parameters)
    }

    pub(super) async fn changed_rows(
        &self,
        relation: &Relation,
        query: &ast::Query,
        prepared: &Prepared,
        parameters: &Parameters,
    ) -> Result<Vec<RecordBatch>> {
        let mut names = self.names();
        names.identity = true;
        let planned = self.plan_with(names, query, &declared(prepared)).await?;
        let wanted: Vec<&Column> = relation.columns.iter().collect();
        let planned = cast_columns(planned, &wanted)?;
        let values = scalars(&planned.parameters, parameters, self.settings.zone())?;
        collect(self.run_query(&planned, values).await?).await
    }
}

/// SELECT of the rows as they will be, and of their row id where the table has no key.
pub fn update_query(
    relation: &Relation,
    alias: Option<&str>,
    assignments: &[(String, Expr)],
    selection: Option<&Expr>,
) -> Result<Box<ast::Query>> {
    for (i, (name, _)) in assignments.iter().enumerate() {
        relation.column(name)?;
        if assignments[..i].iter().any(|(other, _)| other == name) {
            return Err(Error::syntax(format!("multiple assignments to same column \"{name}\"")));
        }
    }
    let value = |column: &Column| match assignments.iter().find(|(name, _)| *name == column.name) {
        Some((_, expr)) if is_default(expr) => column.default.clone().unwrap_or("NULL".into()),
        Some((_, expr)) => expr.to_string(),
        None => quoted(&column.name),
    };
    rows_query(relation, alias, relation.columns.iter().map(value).collect(), selection)
}

/// SELECT of the rows as they are, and of their row id where the table has no key.
pub fn delete_query(relation: &Relation, alias: Option<&str>, selection: Option<&Expr>) -> Result<Box<ast::Query>> {
    rows_query(relation, alias, relation.columns.iter().map(|c| quoted(&c.name)).collect(), selection)
}

pub fn rows_query(relation: &Relation, alias: Option<&str>, mut items: Vec<String>, selection: Option<&Expr>) -> Result<Box<ast::Query>> {
    // Each item has a name of its own: two columns may be set to the same expression.
    items = items.into_iter().enumerate().map(|(i, item)| format!("{item} AS \"column{i}\"")).collect();
    if relation.key.is_empty() {
        items.push(format!("{} AS \"_row\"", crate::data::ROW));
    }
    let alias = alias.map_or(String::new(), |a| format!(" AS {}", quoted(a)));
    let condition = selection.map_or(String::new(), |s| format!(" WHERE {s}"));
    parsed_query(&format!("SELECT {} FROM {}{alias}{condition}", items.join(", "), quoted(&relation.name)))
}
