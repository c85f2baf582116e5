//! What INSERT, UPDATE and DELETE take and answer, told without running them: types of parameters, columns of RETURNING.

use arrow::array::RecordBatch;
use sqlparser::ast::{Expr, Value};

use super::change::{ChangePlan, assigned_types, whole};
use super::columns::target_columns;
use super::returning::{Part, names_hidden, schema_with_hidden};
use super::values::typed;
use crate::data::PgType;
use crate::engine::session::{Column, Session};
use crate::error::{Error, Result};
use crate::sql::Statement;
use crate::sql::statement::Change;

/// Types of parameters, and columns of the rows answered, if there are any.
pub(in crate::engine) type Described = (Vec<PgType>, Option<Vec<Column>>);

impl Session {
    pub(in crate::engine) async fn describe_change(&self, statement: &Statement, types: &[Option<PgType>]) -> Result<Described> {
        match statement {
            Statement::Insert { .. } => self.describe_insert(statement, types).await,
            Statement::Update(change) => Ok(self.describe_planned("UPDATE", change, types).await?.0),
            Statement::Delete(change) => Ok(self.describe_planned("DELETE", change, types).await?.0),
            _ => Err(Error::internal("not a change of data")),
        }
    }

    /// Of UPDATE or DELETE, whose word is `what`: that, and its plan.
    pub(in crate::engine) async fn describe_planned(
        &self,
        what: &str,
        change: &Change,
        types: &[Option<PgType>],
    ) -> Result<(Described, ChangePlan)> {
        let relation = self.changeable(&change.table, what)?;
        let mut types = types.to_vec();
        assigned_types(&relation, &change.assignments, &mut types)?;
        // Where a cursor stands is asked when the statement runs.
        let selection = change.cursor().map(|_| Expr::Value(Value::Boolean(false).into()));
        let elsewhere = selection.map(|none| Change { selection: Some(none), ..change.clone() });
        let plan = self.plan_change(&relation, whole(&relation), elsewhere.as_ref().unwrap_or(change), &types).await?;
        let types = plan.planned.parameters.clone();
        let Some(items) = &change.returning else { return Ok(((types, None), plan)) };
        let parts = plan.empty_parts(&relation, change);
        let planned = self.plan_returning(change.with.as_ref(), items, &parts, &some(types)).await?;
        Ok(((planned.parameters, Some(planned.columns)), plan))
    }

    async fn describe_insert(&self, statement: &Statement, types: &[Option<PgType>]) -> Result<Described> {
        let Statement::Insert { table, alias, columns, source, conflict, returning, .. } = statement else {
            return Err(Error::internal("not an INSERT"));
        };
        let relation = self.writable(table)?;
        let mut parameters = match self.insert_parameters(statement, types)? {
            Some(parameters) => parameters,
            None => {
                let source = typed(source, &relation, &target_columns(&relation, columns)?);
                self.plan_query(&source, &self.target_types(statement, types)?).await?.parameters
            }
        };
        let alias = alias.as_deref().unwrap_or(&table.name);
        if let Some(conflict) = conflict
            && let Some(update) = &conflict.update
        {
            let mut types = some(parameters);
            assigned_types(&relation, &update.assignments, &mut types)?;
            parameters = self.describe_conflict(&relation, alias, conflict, update, &types).await?.parameters;
        }
        let Some(items) = returning else { return Ok((parameters, None)) };
        let schema = if names_hidden(items)? { schema_with_hidden(&relation) } else { relation.schema() };
        let part = Part { alias: alias.to_string(), relation: Some(relation.id), rows: RecordBatch::new_empty(schema) };
        let planned = self.plan_returning(source.with.as_ref(), items, &[part], &some(parameters)).await?;
        Ok((planned.parameters, Some(planned.columns)))
    }
}

fn some(types: Vec<PgType>) -> Vec<Option<PgType>> {
    types.into_iter().map(Some).collect()
}
