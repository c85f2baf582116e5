//! Plans of the statements that came as text last, so that one that comes again is neither parsed nor planned: with the same text, or of the same
//! [`Shape`].
//!
//! A plan is good for one catalog and one search_path. One of a query does not see what its transaction has done, and serves only where that is nothing;
//! one of a change is asked whether it still means the same when it runs, and serves as long as the transaction has not defined anything.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::FutureExt;
use sqlparser::ast;

use super::dml::scalars;
use super::session::{Parameters, Prepared, Session, Way, stoppable};
use super::shape::{Kind, Shape};
use crate::catalog::{Catalog, Path};
use crate::data::PgType;
use crate::error::{Result, code};
use crate::limits;
use crate::sql::convert::literal;
use crate::sql::{self, Statement, placeholder};

/// The last few plans, the youngest first.
#[derive(Default)]
pub(super) struct PlanCache {
    /// The catalog and the path that they were planned over.
    version: Option<(Arc<Catalog>, Path)>,
    /// `None` for a shape whose statements are planned by their texts.
    entries: VecDeque<(String, Option<Arc<Prepared>>)>,
}

impl Session {
    /// The plan kept by that text, or key of a shape.
    pub(super) fn cached(&mut self, key: &str) -> Option<Arc<Prepared>> {
        if self.has_defined() {
            return None;
        }
        let catalog = self.engine.catalog();
        let path = self.path_in(&catalog);
        if !self.plans.version.as_ref().is_some_and(|(of, along)| Arc::ptr_eq(of, &catalog) && *along == path) {
            self.plans = PlanCache { version: Some((catalog, path)), entries: VecDeque::new() };
        }
        let kept = self.plans.entries.iter().find(|(of, _)| of == key).and_then(|(_, prepared)| prepared.clone());
        kept.filter(|prepared| !self.has_own() || is_change(prepared))
    }

    /// True if the last [look](Session::cached) by that key was for a shape without a plan.
    fn has_no_plan(&self, key: &str) -> bool {
        self.plans.entries.iter().any(|(of, prepared)| of == key && prepared.is_none())
    }

    fn remember(&mut self, key: &str, prepared: Option<&Arc<Prepared>>) {
        // A view that the transaction has touched is planned as its query.
        if self.has_defined() || !self.expanded(&self.catalog()).is_empty() {
            return;
        }
        self.plans.entries.push_front((key.to_string(), prepared.cloned()));
        self.plans.entries.truncate(limits::CACHED_STATEMENTS_MAX);
    }

    /// Plans a text, and keeps what will serve again.
    pub(super) async fn plan_cached(&mut self, text: &str) -> Result<Arc<Prepared>> {
        let prepared = Arc::new(self.plan_statement(text, &[]).await?);
        let serves = match prepared.way {
            Way::Lookup(_) | Way::Query(_) => !self.has_own(),
            Way::Change(_) => true,
            Way::Insert(_) | Way::Statement => false,
        };
        if serves && text.len() < limits::CACHED_STATEMENT_BYTES_MAX {
            self.remember(text, Some(&prepared));
        }
        Ok(prepared)
    }

    /// What a statement of that shape is run as, and with which parameters; `None` where it has to be planned by its text, which then says what
    /// is wrong with it. Errors: 57014.
    pub(super) async fn of_shape(&mut self, shape: Shape, text: &str) -> Result<Option<(Arc<Prepared>, Parameters)>> {
        let key = shape.key();
        let prepared = match self.cached(&key) {
            Some(kept) => kept,
            None if self.has_no_plan(&key) => return Ok(None),
            None => {
                let mut prepared = if shape.select { self.look_up_of(&shape).map(Arc::new) } else { None };
                if prepared.is_none() {
                    prepared = self.planned_of(&shape, text).await?.map(Arc::new);
                }
                if prepared.is_some() || !self.has_own() {
                    self.remember(&key, prepared.as_ref());
                }
                let Some(prepared) = prepared else { return Ok(None) };
                prepared
            }
        };
        let parameters = Parameters { values: shape.values, text: Some(text.into()), ..Parameters::default() };
        let fits = prepared.parameters.len() == parameters.values.len()
            && scalars(&prepared.parameters, &parameters, self.settings.reading()).is_ok();
        Ok(fits.then_some((prepared, parameters)))
    }

    /// The look-up by key that a shape is. ksqlDB's dialect compares by its own rules.
    fn look_up_of(&mut self, shape: &Shape) -> Option<Prepared> {
        if self.has_own() {
            return None;
        }
        let Statement::Query(query) = sql::parse(&shape.text).ok()? else { return None };
        let lookup = self.lookup(&query, &[]).filter(|lookup| !lookup.is_ksql())?;
        // A number is no value of a text, whatever its digits say.
        let whole = |ty: &PgType| matches!(ty, PgType::Int2 | PgType::Int4 | PgType::Int8);
        if shape.kinds.iter().zip(&lookup.parameters).any(|(kind, ty)| *kind != Kind::Text && !whole(ty)) {
            return None;
        }
        let (parameters, columns) = (lookup.parameters.clone(), Some(lookup.columns.to_vec()));
        Some(Prepared {
            parameters,
            columns,
            text: shape.text.clone(),
            path: self.path(),
            enums: self.catalog().enums().clone(),
            statement: Statement::Query(query),
            way: Way::Lookup(lookup),
        })
    }

    /// The planned query or change that a shape is. None of a relation of ksqlDB's dialect, which reads values by its own rules.
    async fn planned_of(&mut self, shape: &Shape, text: &str) -> Result<Option<Prepared>> {
        if self.has_defined() || shape.select && self.has_own() {
            return Ok(None);
        }
        let cancel = self.cancel.clone();
        self.begin_statement(text);
        match stoppable(&cancel, self.plan_statement(&shape.text, &shape.types()).boxed()).await {
            Ok(prepared) => Ok(Some(prepared).filter(|prepared| self.means_same(shape, prepared))),
            Err(e) if e.code() == code::QUERY_CANCELED => Err(e),
            Err(_) => Ok(None),
        }
    }

    /// True if its values mean as parameters of the plan what they mean as literals.
    fn means_same(&self, shape: &Shape, prepared: &Prepared) -> bool {
        if let (Statement::Query(_), Way::Query(planned)) = (&prepared.statement, &prepared.way) {
            return planned.relations.iter().all(|relation| relation.ksql.is_none());
        }
        if !is_change(prepared) {
            return false;
        }
        let (table, mixed) = match &prepared.statement {
            Statement::Update(change) | Statement::Delete(change) => (&change.table, false),
            Statement::Insert { table, source, .. } => (table, mixes(source)),
            _ => return false,
        };
        let ksql = self.scope().find(table).is_none_or(|relation| relation.ksql.is_some());
        let numbers = shape.kinds.iter().zip(&prepared.parameters).all(|(kind, ty)| *kind != Kind::Number || ty.is_number());
        numbers && !mixed && !ksql
    }
}

/// True if a list of VALUES has a value and another expression than a value in one column: what type the column has depends on how the value is written.
fn mixes(source: &ast::Query) -> bool {
    let ast::SetExpr::Values(values) = source.body.as_ref() else { return false };
    let width = values.rows.iter().map(|row| row.content.len()).max().unwrap_or(0);
    (0..width).any(|i| {
        let column = || values.rows.iter().filter_map(|row| row.content.get(i));
        let other = |value: &ast::Expr| placeholder(value).is_none() && literal(value) != Some(None);
        column().any(|value| placeholder(value).is_some()) && column().any(other)
    })
}

fn is_change(prepared: &Prepared) -> bool {
    matches!(prepared.way, Way::Change(_) | Way::Insert(_))
}
