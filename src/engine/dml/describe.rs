//! What INSERT, UPDATE and DELETE take and answer, told without running them: types of parameters, columns of RETURNING.

use arrow::array::RecordBatch;
use sqlparser::ast::{Expr, Query, Value};

use super::change::{ChangePlan, assigned_types, target};
use super::columns::{cast_columns, check_width, target_columns};
use super::insert::gives_generated;
use super::kept::{Computed, InsertPlan, Source};
use super::returning::{Part, names_hidden, schema_with_hidden, with_positions};
use super::values::typed;
use crate::catalog::{Column, Relation, RelationKind, TriggerEvent};
use crate::data::PgType;
use crate::engine::query::Planned;
use crate::engine::session::{self, Session};
use crate::error::{Error, Result};
use crate::plan::of_nothing::OfNothing;
use crate::sql::Statement;
use crate::sql::statement::Change;

/// Types of parameters, and columns of the rows answered, if there are any.
pub(in crate::engine) type Described = (Vec<PgType>, Option<Vec<session::Column>>);

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
        let target = match relation.kind {
            RelationKind::View => None,
            _ => Some(self.of_partition(&relation, target(&relation)).await?),
        };
        let mut plan = self.plan_change(&relation, target, elsewhere.as_ref().unwrap_or(change), &types).await?;
        let Some(items) = &change.returning else { return Ok(((plan.planned.parameters.clone(), None), plan)) };
        let types = told(&plan.planned, &types)?;
        let mut parts = plan.empty_parts(&relation, change);
        self.changed_through(change, &mut parts).await?;
        if what == "UPDATE" && change.is_of_table(&relation) && names_hidden(items, &relation) {
            parts[0].rows = with_positions(&parts[0].rows, 0)?;
        }
        let planned = self.plan_returning(change.with.as_ref(), items, &parts, &types).await?;
        let described = (planned.parameters.clone(), Some(planned.columns.clone()));
        fill(&mut plan.planned, &planned.parameters);
        plan.returning = Some(self.computed_of(planned).await?);
        Ok((described, plan))
    }

    /// Of INSERT: that, and its plans.
    pub(in crate::engine) async fn describe_insert(
        &self,
        statement: &Statement,
        types: &[Option<PgType>],
    ) -> Result<(Described, InsertPlan)> {
        let Statement::Insert { table, alias, columns, source, conflict, returning, through, .. } = statement else {
            return Err(Error::internal("not an INSERT"));
        };
        let relation = self.written_on(table, TriggerEvent::Insert)?;
        let mut plan = InsertPlan::new(self.made());
        let mut types = match self.insert_parameters(statement, types)? {
            Some(types) => types,
            None => {
                let targets = target_columns(&relation, columns)?;
                let source = typed(source, &relation, &targets);
                let types = self.target_types(statement, types)?;
                let planned = self.plan_query(&source, &types).await?;
                plan.computed = self.assigned_source(&relation, &targets, &source, &planned).await?;
                told(plan.source.insert(planned), &types)?
            }
        };
        let alias = alias.as_deref().unwrap_or(&table.name);
        if let Some(conflict) = conflict
            && let Some(update) = &conflict.update
        {
            assigned_types(&relation, &update.assignments, &mut types)?;
            let planned = self.describe_conflict(&relation, alias, conflict, update, through.as_ref(), &types).await?;
            types = told(&planned, &types)?;
            plan.update = Some(match through {
                // What is computed is of rows as the view shows them.
                Some(_) => Computed::by_plan(planned),
                None => self.computed_of(planned).await?,
            });
        }
        let Some(items) = returning else {
            let parameters: Vec<PgType> = types.into_iter().map(|ty| ty.unwrap_or(PgType::Text)).collect();
            plan.fill(&parameters);
            return Ok(((parameters, None), plan));
        };
        let part = match through {
            Some(through) => self.seen_through(through, alias, &RecordBatch::new_empty(relation.schema())).await?,
            None => {
                let hidden = relation.kind != RelationKind::View && names_hidden(items, &relation);
                let schema = if hidden { schema_with_hidden(&relation) } else { relation.schema() };
                Part { alias: alias.to_string(), relation: Some(relation.id), rows: RecordBatch::new_empty(schema) }
            }
        };
        let planned = self.plan_returning(source.with.as_ref(), items, &[part], &types).await?;
        let described = (planned.parameters.clone(), Some(planned.columns.clone()));
        plan.fill(&planned.parameters);
        plan.returning = Some(self.computed_of(planned).await?);
        Ok((described, plan))
    }
}

impl Session {
    /// What makes the rows that an INSERT puts into columns, if it reads nothing; `None` too where it is refused when it runs.
    async fn assigned_source(&self, relation: &Relation, targets: &[usize], source: &Query, planned: &Planned) -> Result<Option<Source>> {
        let width = planned.columns.len();
        let listed = targets.len() != relation.columns.len();
        if !OfNothing::may_be(&planned.plan) || check_width(width, targets.len(), listed).is_err() {
            return Ok(None);
        }
        let wanted: Vec<&Column> = targets[..width].iter().map(|target| &relation.columns[*target]).collect();
        if gives_generated(source, &wanted).is_some() {
            return Ok(None);
        }
        match cast_columns(planned.clone(), &wanted) {
            Ok(planned) => self.source_of(planned).await,
            Err(_) => Ok(None),
        }
    }
}

/// What is known of the parameters of a statement once a part of it is planned: what was before, and the types of those that stand in the part.
fn told(part: &Planned, known: &[Option<PgType>]) -> Result<Vec<Option<PgType>>> {
    let placed = part.plan.get_parameter_names()?;
    let types = part.parameters.iter().enumerate().map(|(i, ty)| {
        let before = known.get(i).cloned().flatten().filter(|ty| *ty != PgType::Unknown);
        before.or_else(|| placed.contains(&format!("${}", i + 1)).then(|| ty.clone()))
    });
    Ok(types.collect())
}

/// Gives a part the types of the parameters that do not stand in it, whose values it is given too.
pub(super) fn fill(part: &mut Planned, types: &[PgType]) {
    part.parameters.iter_mut().zip(types).for_each(|(ty, told)| *ty = told.clone());
}
