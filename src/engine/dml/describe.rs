//! What INSERT, UPDATE and DELETE take and answer, told without running them: types of parameters, columns of RETURNING.

use arrow::array::RecordBatch;
use sqlparser::ast::{Expr, Value};

use super::change::{ChangePlan, assigned_types, target};
use super::columns::target_columns;
use super::kept::InsertPlan;
use super::returning::{Part, names_hidden, schema_with_hidden, with_positions};
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
            Statement::Insert { .. } => Ok(self.describe_insert(statement, types).await?.0),
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
        let mut plan = self.plan_change(&relation, target(&relation), elsewhere.as_ref().unwrap_or(change), &types).await?;
        let types = plan.planned.parameters.clone();
        let Some(items) = &change.returning else { return Ok(((types, None), plan)) };
        let mut parts = plan.empty_parts(&relation, change);
        if what == "UPDATE" && names_hidden(items, &relation) {
            parts[0].rows = with_positions(&parts[0].rows, 0)?;
        }
        let planned = self.plan_returning(change.with.as_ref(), items, &parts, &some(types)).await?;
        let described = (planned.parameters.clone(), Some(planned.columns.clone()));
        plan.returning = Some(self.computed_of(planned).await?);
        Ok((described, plan))
    }

    /// Of INSERT: that, and its plans.
    pub(in crate::engine) async fn describe_insert(
        &self,
        statement: &Statement,
        types: &[Option<PgType>],
    ) -> Result<(Described, InsertPlan)> {
        let Statement::Insert { table, alias, columns, source, conflict, returning, .. } = statement else {
            return Err(Error::internal("not an INSERT"));
        };
        let relation = self.writable(table)?;
        let mut plan = InsertPlan::new(self.made());
        let mut parameters = match self.insert_parameters(statement, types)? {
            Some(parameters) => parameters,
            None => {
                let source = typed(source, &relation, &target_columns(&relation, columns)?);
                let planned = self.plan_query(&source, &self.target_types(statement, types)?).await?;
                plan.source.insert(planned).parameters.clone()
            }
        };
        let alias = alias.as_deref().unwrap_or(&table.name);
        if let Some(conflict) = conflict
            && let Some(update) = &conflict.update
        {
            let mut types = some(parameters);
            assigned_types(&relation, &update.assignments, &mut types)?;
            let planned = self.describe_conflict(&relation, alias, conflict, update, &types).await?;
            parameters = planned.parameters.clone();
            plan.update = Some(self.computed_of(planned).await?);
        }
        let Some(items) = returning else { return Ok(((parameters, None), plan)) };
        let schema = if names_hidden(items, &relation) { schema_with_hidden(&relation) } else { relation.schema() };
        let part = Part { alias: alias.to_string(), relation: Some(relation.id), rows: RecordBatch::new_empty(schema) };
        let planned = self.plan_returning(source.with.as_ref(), items, &[part], &some(parameters)).await?;
        let described = (planned.parameters.clone(), Some(planned.columns.clone()));
        plan.returning = Some(self.computed_of(planned).await?);
        Ok((described, plan))
    }
}

fn some(types: Vec<PgType>) -> Vec<Option<PgType>> {
    types.into_iter().map(Some).collect()
}
