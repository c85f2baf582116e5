//! Queries of rows of one table that their keys tell: which they are is known before anything is read, and what the query makes of
//! them is computed without planning it anew.
//!
//! The plan is analyzed once, when the query is planned ([`ByKey::of`]); conditions on what a view shows are moved down to the table's rows. In
//! each run conditions on the key say which keys rows must have ([`keys::wanted`]), once parameters are in them ([`ByKey::bind`]); the rows of
//! those keys are what is computed of ([`PerRow`]).

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::SchemaRef;
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::source_as_provider;
use datafusion::execution::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlan};

use super::per_row::{Given, PerRow, Step, Under, is_plain, moved_down, source, taken_apart};
use super::soon::Effort;
use crate::catalog::{Relation, RelationKind};
use crate::data::PgType;
use crate::error::Result;
use crate::serve::keys;
use crate::serve::provider::read_from;
use crate::serve::secured::SecuredProvider;

/// A query whose rows come from one table, by a condition.
pub struct ByKey {
    relation: Arc<Relation>,
    /// Its conditions, and what is computed of the rows if these say all that the query is about.
    per_row: PerRow,
}

impl ByKey {
    /// True if a plan may be of this form: of rows of that table, which are read in that place only, and of no materialized view,
    /// which may rest on the table. Cost O(plan).
    pub fn may_be(plan: &LogicalPlan, relation: &Arc<Relation>, parameters: &[PgType]) -> bool {
        let keyed = !relation.key.is_empty() && relation.ksql.is_none() && !parameters.iter().any(PgType::is_of_enum);
        keyed && source(plan).and_then(scanned).is_some_and(|read| read.id == relation.id) && reads_once(plan, relation)
    }

    /// The form of a plan that may be of it. Cost: that of analyzing it.
    pub fn of(state: &SessionState, plan: &LogicalPlan, relation: &Arc<Relation>) -> Option<ByKey> {
        let analyzed = state.analyzer().execute_and_check(plan.clone(), state.config_options(), |_, _| {}).ok()?;
        let mut per_row = filtered(&analyzed, relation).or_else(|| filtered(&moved_down(state, analyzed)?, relation))?;
        let all = per_row.conditions.len();
        // They are computed where the statement arrives, and others wait.
        let is_soon = |e: &Expr| is_plain(e) && Effort::of([e]).is_short();
        per_row.conditions.retain(is_soon);
        let plain = |steps: &Vec<Step>| steps.iter().flat_map(|step| &step.expressions).all(is_soon);
        per_row.steps = per_row.steps.filter(|steps| per_row.conditions.len() == all && plain(steps));
        Some(ByKey { relation: relation.clone(), per_row })
    }

    /// The query with parameters in their places. `None` if its conditions tell no keys, or cannot be computed: then the planner says why.
    pub fn bind(&self, under: &Under, parameters: &[ScalarValue]) -> Option<Bound<'_>> {
        let given = Given::new(under, parameters);
        let conditions = self.per_row.ready(&given).ok()?;
        let keys = keys::wanted(&conditions, self.per_row.columns.inner(), &self.relation.key)?;
        Some(Bound { query: self, given, conditions, keys })
    }
}

/// A query by key that is about to run.
pub struct Bound<'a> {
    query: &'a ByKey,
    given: Given,
    conditions: Vec<Expr>,
    /// The keys that its rows have, one array for each column of the key. There may be no such rows.
    pub keys: Vec<ArrayRef>,
}

impl Bound<'_> {
    /// True if what becomes of the rows is computed by [`Bound::rows`].
    pub fn is_complete(&self) -> bool {
        self.query.per_row.steps.is_some()
    }

    /// What the query gives, with the columns of `schema`, where the table has these rows of its keys.
    pub fn rows(&self, found: &[RecordBatch], schema: &SchemaRef) -> Result<RecordBatch> {
        let rows = self.query.per_row.seen(found)?;
        self.query.per_row.compute(&self.given, &self.conditions, rows, schema)
    }
}

/// What is done with the rows of the table that meet conditions.
fn filtered(plan: &LogicalPlan, relation: &Relation) -> Option<PerRow> {
    taken_apart(plan, &|input| scans(input, relation)).filter(|found| !found.conditions.is_empty())
}

/// True for all rows of the table, as they are.
fn scans(plan: &LogicalPlan, relation: &Relation) -> bool {
    match plan {
        LogicalPlan::SubqueryAlias(alias) => scans(&alias.input, relation),
        LogicalPlan::TableScan(scan) => {
            // Conditions in the scan stand above it too.
            let whole = scan.projection.is_none() && scan.fetch.is_none();
            whole && scanned(plan).is_some_and(|scanned| scanned.id == relation.id)
        }
        _ => false,
    }
}

/// True if the plan reads the table in one place, and nothing that may rest on it.
fn reads_once(plan: &LogicalPlan, relation: &Relation) -> bool {
    let (mut places, mut rests) = (0, false);
    let walked = plan.apply_with_subqueries(|node| {
        if let Some(read) = scanned(node) {
            places += usize::from(read.id == relation.id);
            rests |= read.kind == RelationKind::MaterializedView;
        }
        // Policies may read anything.
        rests |= is_secured(node);
        Ok(TreeNodeRecursion::Continue)
    });
    walked.is_ok() && places == 1 && !rests
}

fn is_secured(plan: &LogicalPlan) -> bool {
    let LogicalPlan::TableScan(scan) = plan else { return false };
    source_as_provider(&scan.source).is_ok_and(|source| source.downcast_ref::<SecuredProvider>().is_some())
}

/// The relation that a scan reads, where its rows are not secured.
pub(super) fn scanned(plan: &LogicalPlan) -> Option<Arc<Relation>> {
    read_from(plan).map(|(relation, _)| relation)
}
