//! Names for the first columns of a table of FROM: `FROM t AS s(a)` calls the first column of `t` by another name, and the others keep
//! theirs (manual, chapter 7.2.1.2). DataFusion wants a name for each, so [`FirstNames`] adds those of the others.

use std::collections::HashSet;

use datafusion::common::Result as DfResult;
use datafusion::logical_expr::LogicalPlan;
use datafusion::logical_expr::planner::{PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning};
use sqlparser::ast::{Ident, TableAlias, TableAliasColumnDef, TableFactor};

use super::subquery::MARK;
use crate::data::{OFFSET, POSITION, TIME};
use crate::error::{Error, code};

/// The planner of tables whose columns are named; see the head of this module.
#[derive(Debug)]
pub struct FirstNames;

impl RelationPlanner for FirstNames {
    fn plan_relation(&self, mut relation: TableFactor, context: &mut dyn RelationPlannerContext) -> DfResult<RelationPlanning> {
        let Some(mut alias) = taken_alias(&mut relation) else { return Ok(RelationPlanning::Original(Box::new(relation))) };
        let plan = context.plan(relation)?;
        let mut names: HashSet<String> = alias.columns.iter().map(|column| context.normalize_ident(column.name.clone())).collect();
        check(&alias, &plan, context)?;
        let others = plan.schema().fields().iter().enumerate().skip(alias.columns.len());
        let others = others.map(|(i, field)| {
            // A name that is there already would be no name: clients are not shown what is behind the mark.
            let taken = !names.insert(field.name().clone());
            let name = if taken { format!("{}{MARK}{i}", field.name()) } else { field.name().clone() };
            TableAliasColumnDef { name: Ident::with_quote('"', name), data_type: None }
        });
        alias.columns.extend(others);
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, Some(alias)))))
    }
}

/// Takes the alias of a table that names columns.
fn taken_alias(relation: &mut TableFactor) -> Option<TableAlias> {
    let (TableFactor::Table { alias, .. }
    | TableFactor::Derived { alias, .. }
    | TableFactor::Function { alias, .. }
    | TableFactor::UNNEST { alias, .. }
    | TableFactor::NestedJoin { alias, .. }) = relation
    else {
        return None;
    };
    alias.take_if(|alias| !alias.columns.is_empty())
}

/// Errors: 42P10 for more names than columns.
fn check(alias: &TableAlias, plan: &LogicalPlan, context: &dyn RelationPlannerContext) -> DfResult<()> {
    let named = alias.columns.len();
    let available = plan.schema().fields().iter().filter(|field| ![POSITION, OFFSET, TIME].contains(&field.name().as_str())).count();
    if named <= available {
        return Ok(());
    }
    let table = context.normalize_ident(alias.name.clone());
    let message = format!("table \"{table}\" has {available} columns available but {named} columns specified");
    Err(Error::new(code::INVALID_COLUMN_REFERENCE, message).into())
}
