//! Plans of changes, kept with the statement that was prepared: of the query that an INSERT puts in, of DO UPDATE, of RETURNING. They are
//! over names and stand-ins, not rows, so they can be run again as long as the names mean the same ([`Made`]). Where such a plan is about one row
//! at a time, as nearly all are, it is computed of the rows without DataFusion's planner ([`Computed`]).

use std::future::ready;
use std::sync::Arc;

use arrow::array::RecordBatch;

use super::describe::fill;
use super::values::scalars;
use crate::catalog::{Catalog, RelationKind};
use crate::data::PgType;
use crate::engine::query::Planned;
use crate::engine::session::{Parameters, Prepared, Session, Way};
use crate::error::Result;
use crate::plan::of_nothing::OfNothing;
use crate::plan::per_row::PerRow;

/// What a plan was made under.
pub(in crate::engine) struct Made {
    /// What its names were looked up in.
    pub catalog: Arc<Catalog>,
    /// The time zone that it was planned for, while that is not UTC.
    pub zone: Option<String>,
}

/// A plan over rows that stand in for tables.
pub(in crate::engine) struct Computed {
    pub planned: Planned,
    /// What it computes of each row, if it does that only.
    per_row: Option<Arc<PerRow>>,
}

impl Computed {
    /// What DataFusion computes.
    pub fn by_plan(planned: Planned) -> Computed {
        Computed { planned, per_row: None }
    }
}

/// A plan over nothing, whose rows are computed without DataFusion's planner.
pub(in crate::engine) struct Source {
    planned: Planned,
    rows: Arc<OfNothing>,
}

/// The plans of an INSERT.
pub(in crate::engine) struct InsertPlan {
    made: Made,
    /// Of the query whose rows it puts in; none where these are literals.
    pub source: Option<Planned>,
    /// The same as it is put into the columns, where it reads nothing.
    pub computed: Option<Source>,
    pub update: Option<Computed>,
    pub returning: Option<Computed>,
}

impl InsertPlan {
    pub fn new(made: Made) -> InsertPlan {
        InsertPlan { made, source: None, computed: None, update: None, returning: None }
    }

    /// Gives its parts the types of the statement's parameters.
    pub fn fill(&mut self, types: &[PgType]) {
        let computed = self.update.iter_mut().chain(&mut self.returning).map(|computed| &mut computed.planned);
        let source = self.computed.iter_mut().map(|source| &mut source.planned);
        self.source.iter_mut().chain(source).chain(computed).for_each(|part| fill(part, types));
    }

    fn planned(&self) -> impl Iterator<Item = &Planned> {
        self.source.iter().chain(self.update.iter().chain(&self.returning).map(|computed| &computed.planned))
    }
}

impl Session {
    /// What plans are made under now.
    pub(super) fn made(&self) -> Made {
        Made { catalog: self.catalog(), zone: self.zone_name() }
    }

    /// True if these plans are what would be made of their statement now: the catalog is the same, no view that they read rests on what the
    /// transaction has done, and who asks makes no difference and may call the functions.
    pub(super) fn still_means<'a>(&self, made: &Made, mut planned: impl Iterator<Item = &'a Planned>) -> bool {
        let differs = |planned: &Planned| {
            let views = self.has_own() && planned.relations.iter().any(|r| r.kind == RelationKind::MaterializedView);
            let barred = planned.functions.iter().any(|function| self.may_call(function).is_err());
            views || barred || planned.reads.iter().any(|read| made.catalog.is_guarded(&read.relation))
        };
        Arc::ptr_eq(&made.catalog, &self.catalog()) && made.zone == self.zone_name() && !planned.any(differs)
    }

    /// The plans that a prepared INSERT has, if they still do.
    pub(super) fn insert_plan<'a>(&self, prepared: &'a Prepared) -> Option<&'a InsertPlan> {
        match &prepared.way {
            Way::Insert(plan) if self.path() == prepared.path && self.still_means(&plan.made, plan.planned()) => Some(plan),
            _ => None,
        }
    }

    /// The plan with what it computes of each row taken out of it.
    pub(super) async fn computed_of(&self, planned: Planned) -> Result<Computed> {
        if planned.parameters.iter().any(|ty| ty.is_of_enum()) {
            return Ok(Computed::by_plan(planned));
        }
        let (planned, per_row) = self.of_told(planned, PerRow::of).await?;
        Ok(Computed { planned, per_row: per_row.map(Arc::new) })
    }

    /// The plan with what makes its rows taken out of it; `None` if it reads anything.
    pub(super) async fn source_of(&self, planned: Planned) -> Result<Option<Source>> {
        if !OfNothing::may_be(&planned.plan) || planned.parameters.iter().any(|ty| ty.is_of_enum()) {
            return Ok(None);
        }
        let (planned, rows) = self.of_told(planned, OfNothing::of).await?;
        Ok(rows.map(|rows| Source { planned, rows: Arc::new(rows) }))
    }

    /// The rows of a source; `count` of them where it is one row. Where that may take long it is done aside, as any query is.
    pub(super) async fn made_of(&self, source: &Source, parameters: &Parameters, count: usize) -> Result<RecordBatch> {
        let values = scalars(&source.planned.parameters, parameters, self.settings.reading())?;
        let under = self.computing();
        if source.rows.is_soon(&values, count) {
            return source.rows.rows(&under, &values, count, &source.planned.schema);
        }
        let (rows, schema) = (source.rows.clone(), source.planned.schema.clone());
        self.aside(move || ready(rows.rows(&under, &values, count, &schema))).await
    }

    /// What a plan gives of these rows; `None` if it is about more than one row at a time. Where that may take long it is done aside.
    pub(super) async fn compute(&self, plan: &Computed, rows: RecordBatch, parameters: &Parameters) -> Result<Option<RecordBatch>> {
        let Some(per_row) = &plan.per_row else { return Ok(None) };
        let values = scalars(&plan.planned.parameters, parameters, self.settings.reading())?;
        let under = self.computing();
        if per_row.is_soon(&values, &rows) {
            return per_row.rows(&under, &values, rows, &plan.planned.schema).map(Some);
        }
        let (per_row, schema) = (per_row.clone(), plan.planned.schema.clone());
        self.aside(move || ready(per_row.rows(&under, &values, rows, &schema))).await.map(Some)
    }
}
