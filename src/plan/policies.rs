//! Row level security where names become relations: the one place by which every query, and every statement that changes rows, comes to the
//! rows of a relation.
//!
//! Policies apply to the role that asks, or to the owner of the view by way of which a relation is named. Their conditions are planned anew
//! with each statement; what they name is looked up as the catalog keeps it, read with the rights of who asks, and secured by its own policies.

use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::sql::parser::Statement as DfStatement;
use sqlparser::ast;

use super::names::Names;
use super::size;
use crate::catalog::{Command, Condition, Path, Relation, RoleId};
use crate::data::quoting::ident;
use crate::error::{Error, Result, code};
use crate::serve::secured::SecuredProvider;
use crate::serve::system::rewrite::rewrite;
use crate::sql::{Statement, hidden, parse};

/// What a policy's query calls the rows of the relation.
const ROWS: &str = "everfold rows";

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub struct Reader {
    /// With whose rights.
    pub role: RoleId,
    /// False after SET row_security = off: to be kept from rows is an error.
    pub filtered: bool,
    /// True for what ALTER TABLE and CREATE INDEX read for the owner of a table: all of its rows, also where policies are forced.
    pub whole: bool,
}

impl Names {
    /// What policies say of the rows of a relation that a statement is to see, of which it does all that to them. `None` where none applies to
    /// who asks. Errors: 42501 where that is not to be, 0A000 for what holds rows that its own owner may not see.
    pub fn conditions(&self, relation: &Relation, commands: &[Command]) -> Result<Option<Vec<Condition>>> {
        let Some(reader) = self.reader else { return Ok(None) };
        let role = self.as_owner.unwrap_or(reader.role);
        let catalog = &self.scope.catalog;
        if let Some(source) = catalog.unsecured_source(relation)
            && catalog.secures(source, role)
        {
            return Err(holds_hidden_rows(relation, source));
        }
        let is_own = || catalog.roles().inherits(role).contains(&relation.owner);
        if !catalog.secures(relation, role) || reader.whole && is_own() {
            return Ok(None);
        }
        if !reader.filtered {
            let message = format!("query would be affected by row-level security policy for table \"{}\"", relation.name);
            let error = Error::new(code::INSUFFICIENT_PRIVILEGE, message);
            let hint = "To disable the policy for the table's owner, use ALTER TABLE NO FORCE ROW LEVEL SECURITY.";
            return Err(if is_own() { error.hint(hint) } else { error });
        }
        let roles = catalog.roles().inherits(role);
        Ok(Some(commands.iter().flat_map(|command| relation.security.conditions(*command, &roles)).collect()))
    }

    /// The rows of a relation that policies let through to a statement that does all that to them. Errors: 42P17 for policies that lead back
    /// to themselves.
    pub async fn secured(
        &self,
        relation: &Arc<Relation>,
        rows: Arc<dyn TableProvider>,
        commands: &[Command],
    ) -> Result<Arc<dyn TableProvider>> {
        let Some(conditions) = self.conditions(relation, commands)? else { return Ok(rows) };
        // Those that name no relation lead back to none.
        if self.securing.contains(&relation.id) && conditions.iter().any(|condition| names_relation(&condition.sql)) {
            let message = format!("infinite recursion detected in policy for relation \"{}\"", relation.name);
            return Err(Error::new(code::INVALID_OBJECT_DEFINITION, message));
        }
        self.restricted(relation, rows, &conditions).await
    }

    /// The rows of a relation that meet all of these conditions.
    pub async fn restricted(
        &self,
        relation: &Arc<Relation>,
        rows: Arc<dyn TableProvider>,
        conditions: &[Condition],
    ) -> Result<Arc<dyn TableProvider>> {
        let (names, schema) = (self.within_policies(relation, rows.clone()), rows.schema());
        let columns: Vec<String> = schema.fields().iter().map(|field| ident(field.name())).collect();
        let met: Vec<String> = conditions.iter().map(|condition| format!("({})", condition.sql)).collect();
        let plan = names.plan_of_text(&select(relation, &columns.join(", "), &met.join(" AND "))).await?;
        names.reads.lock().look(&plan, names.as_owner);
        self.reads.lock().adopt(names.reads.lock().take());
        Ok(Arc::new(SecuredProvider { relation: relation.clone(), schema, plan }))
    }

    /// The names that the policies of a relation may use, of which these are rows.
    pub fn within_policies(&self, relation: &Relation, rows: Arc<dyn TableProvider>) -> Names {
        let mut names = self.clone();
        names.scope.path = Path::kept();
        names.stand_ins = vec![(ROWS.into(), rows)];
        names.locked.clear();
        names.securing.push(relation.id);
        names.reads = Default::default();
        names
    }

    /// The plan of a query of our own making. Errors: those of planning it.
    pub async fn plan_of_text(&self, text: &str) -> Result<datafusion::logical_expr::LogicalPlan> {
        let Statement::Query(mut query) = parse(text)? else { return Err(Error::internal("not a query")) };
        let mut names = self.clone();
        names.hidden = hidden::expose(&mut query, &|name, mentioned| names.hidden_columns(name, mentioned));
        let mut statement = ast::Statement::Query(query);
        rewrite(&mut statement, &names.system_context())?;
        let plan = Box::pin(names.state().statement_to_plan(DfStatement::Statement(Box::new(statement)))).await?;
        size::check(&plan)?;
        Ok(plan)
    }
}

/// A query of the rows that stand in for a relation, within its policies.
pub fn select(relation: &Relation, items: &str, condition: &str) -> String {
    format!("SELECT {items} FROM {} AS {} WHERE {condition}", ident(ROWS), ident(&relation.name))
}

/// True if a condition names a relation.
fn names_relation(sql: &str) -> bool {
    let Ok(Statement::Query(query)) = parse(&format!("SELECT {sql}")) else { return true };
    ast::visit_relations(query.as_ref(), |_| ControlFlow::Break(())).is_break()
}

/// 0A000: what is kept is the same for everybody, and policies are not.
pub fn holds_hidden_rows(relation: &Relation, source: &Relation) -> Error {
    let message = format!(
        "{} \"{}\" cannot be read: row-level security of \"{}\" applies to its owner",
        relation.kind.word(),
        relation.name,
        source.name
    );
    Error::unsupported(message)
        .hint("What it holds is the same for every reader: give it to an owner to whom no policy applies, or query a plain view.")
}
