//! Expressions of the definitions of tables, planned once in a session and computed whenever rows are put: defaults, and the conditions of CHECK
//! and of domains. They are kept as long as the catalog, search_path and time zone are the same; what calls a function of a user, whose right to call it
//! may be another's, is planned anew each time.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use datafusion::common::ScalarValue;

use super::columns::cast_columns;
use super::kept::{Computed, Made, Source};
use super::returning::in_memory;
use super::{parsed_query, quoted};
use crate::catalog::{Column, Path, Relation, RelationId};
use crate::engine::query::Planned;
use crate::engine::session::{Parameters, Session};
use crate::error::Result;
use crate::limits;

/// What a session has planned of definitions; `None` for what is planned each time.
#[derive(Default)]
pub(in crate::engine) struct Known {
    made: Option<(Made, Path)>,
    /// By the relation and the column.
    defaults: HashMap<(RelationId, String), Option<Arc<Source>>>,
    /// The values of defaults that are literals, by the relation and the column; `None` for others.
    literals: HashMap<(RelationId, String), Option<ScalarValue>>,
    /// By the relation and the text.
    conditions: HashMap<(RelationId, String), Option<Arc<Computed>>>,
}

impl Session {
    /// Looks into what is known, which is nothing where it was planned for others; `None` where the transaction has definitions of its own.
    fn known<T>(&self, look: impl FnOnce(&mut Known) -> T) -> Option<T> {
        if self.has_defined() {
            return None;
        }
        let mut known = self.known.lock();
        let holds = |(made, path): &(Made, Path)| *path == self.path() && self.still_means(made, std::iter::empty::<&Planned>());
        let many = known.defaults.len() + known.literals.len() + known.conditions.len() > limits::KNOWN_EXPRESSIONS_MAX;
        if many || !known.made.as_ref().is_some_and(holds) {
            *known = Known { made: Some((self.made(), self.path())), ..Known::default() };
        }
        Some(look(&mut known))
    }

    /// Keeps what was planned under `made`, if that still holds.
    fn keep_known(&self, made: &Made, keep: impl FnOnce(&mut Known)) {
        self.known(|known| {
            if known.made.as_ref().is_some_and(|(now, _)| Arc::ptr_eq(&now.catalog, &made.catalog)) {
                keep(known);
            }
        });
    }

    /// The value of a column's default, if that is a literal: the catalog keeps it as every session reads it.
    pub(super) fn known_literal(&self, relation: &Relation, column: &Column, default: &str) -> Result<Option<ScalarValue>> {
        let key = (relation.id, column.name.clone());
        if let Some(known) = self.known(|known| known.literals.get(&key).cloned()).flatten() {
            return Ok(known);
        }
        let (made, value) = (self.made(), self.literal_default(column, default)?);
        self.keep_known(&made, |known| drop(known.literals.insert(key, value.clone())));
        Ok(value)
    }

    /// What `rows` rows get in a column by its default, an expression; `None` if that has to be run as a query. Errors: those of the default.
    pub(super) async fn known_default(&self, relation: &Relation, column: &Column, default: &str, rows: usize) -> Result<Option<ArrayRef>> {
        let key = (relation.id, column.name.clone());
        let source = match self.known(|known| known.defaults.get(&key).cloned()).flatten() {
            Some(known) => known,
            None => {
                let names = self.names();
                let made = Made { catalog: names.scope.catalog.clone(), ..self.made() };
                let query = parsed_query(&format!("SELECT {}", self.whole_expression(default)?))?;
                let planned = cast_columns(self.plan_with(names, &query, &[]).await?, &[column])?;
                let of_user = !planned.functions.is_empty();
                let source = if of_user { None } else { self.source_of(planned).await?.map(Arc::new) };
                self.keep_known(&made, |known| drop(known.defaults.insert(key, source.clone())));
                source
            }
        };
        let Some(source) = source else { return Ok(None) };
        let made = self.made_of(&source, &Parameters::default(), rows).await?;
        Ok(Some(made.column(0).clone()))
    }

    /// The first of these rows of a relation for which a condition holds. Errors: those of the condition.
    pub(in crate::engine) async fn first_where(
        &self,
        relation: &Arc<Relation>,
        condition: &str,
        rows: &RecordBatch,
    ) -> Result<Option<RecordBatch>> {
        let key = (relation.id, condition.to_string());
        let computed = match self.known(|known| known.conditions.get(&key).cloned()).flatten() {
            Some(known) => known,
            None => {
                let mut names = self.names();
                let made = Made { catalog: names.scope.catalog.clone(), ..self.made() };
                names.stand_ins.push((relation.name.clone(), in_memory(RecordBatch::new_empty(rows.schema()))?));
                let query = parsed_query(&format!("SELECT ({condition}) AS holds FROM {}", quoted(&relation.name)))?;
                let planned = self.plan_with(names, &query, &[]).await?;
                let of_user = !planned.functions.is_empty();
                let computed = if of_user { None } else { Some(Arc::new(self.computed_of(planned).await?)) };
                self.keep_known(&made, |known| drop(known.conditions.insert(key, computed.clone())));
                computed
            }
        };
        if let Some(computed) = computed
            && let Some(holds) = self.compute(&computed, rows.clone(), &Parameters::default()).await?
            && let Some(holds) = holds.column(0).as_boolean_opt()
        {
            let first = (0..holds.len()).find(|i| holds.is_valid(*i) && holds.value(*i));
            return Ok(first.map(|i| rows.slice(i, 1)));
        }
        let query = parsed_query(&format!("SELECT * FROM {} WHERE {condition} LIMIT 1", quoted(&relation.name)))?;
        self.first_of(relation, &query, Some(rows)).await
    }
}
