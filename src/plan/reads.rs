//! What a query reads: the relations that it names and, of each, the columns.
//!
//! As in PostgreSQL a column is read where an expression names it, whether or not the result shows it. So this is told from a plan as the
//! planner has made it, before anything in it is optimized away: each column that an expression of a node names is followed down to
//! what it is of. What a projection or an aggregate computes is followed from there, since their expressions are looked at too.
//!
//! The plan of a plain view stands in that of the query that names it. The query reads the view's columns; what the view reads was noted
//! when its own plan was made, with its owner's rights.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchemaRef};
use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::expr::{Exists, InSubquery, SetComparison};
use datafusion::logical_expr::{Distinct, Expr, JoinType, LogicalPlan, TableScan};

use crate::catalog::{Relation, RelationId, RoleId};
use crate::serve::provider::RelationProvider;
use crate::serve::secured::SecuredProvider;

/// A relation that a query names, itself or by way of a view.
#[derive(Clone)]
pub struct Read {
    pub relation: Arc<Relation>,
    /// The owner of the view that names it, with whose rights it is read; `None` for those of whoever asks.
    pub as_owner: Option<RoleId>,
    /// The columns that are read; a number past the relation's own is one of the log's. None of them where it is named only, as by `count(*)`.
    pub columns: BTreeSet<usize>,
}

/// What a statement has named so far.
#[derive(Default)]
pub struct Reads {
    named: Vec<Read>,
    /// Views by the schemas of their plans, which nothing else shares.
    views: Vec<(DFSchemaRef, RelationId)>,
}

impl Reads {
    /// A relation is named, views themselves included.
    pub fn name(&mut self, relation: &Arc<Relation>, as_owner: Option<RoleId>) {
        if !self.named.iter().any(|r| r.relation.id == relation.id && r.as_owner == as_owner) {
            self.named.push(Read { relation: relation.clone(), as_owner, columns: BTreeSet::new() });
        }
    }

    /// A view is read by that plan, a projection.
    pub fn expand(&mut self, view: &Relation, plan: &LogicalPlan) {
        self.views.push((plan.schema().clone(), view.id));
    }

    /// Notes the columns that a plan reads of what was named with these rights.
    pub fn look(&mut self, plan: &LogicalPlan, as_owner: Option<RoleId>) {
        let mut walk = Walk { views: &self.views, columns: BTreeMap::new(), lost: false };
        walk.answer(plan);
        walk.visit(plan, &mut Vec::new());
        let Walk { mut columns, lost, .. } = walk;
        for read in self.named.iter_mut().filter(|read| read.as_owner == as_owner) {
            read.columns.extend(columns.remove(&read.relation.id).unwrap_or_default());
            if lost {
                read.columns.extend(0..=read.relation.columns.len());
            }
        }
    }

    /// What the policies of a relation read, which is read with the same rights.
    pub fn adopt(&mut self, others: Vec<Read>) {
        for other in others {
            match self.named.iter_mut().find(|r| r.relation.id == other.relation.id && r.as_owner == other.as_owner) {
                Some(read) => read.columns.extend(other.columns),
                None => self.named.push(other),
            }
        }
    }

    /// All of it; from now on nothing was named.
    pub fn take(&mut self) -> Vec<Read> {
        std::mem::take(self).named
    }
}

struct Walk<'a> {
    views: &'a [(DFSchemaRef, RelationId)],
    columns: BTreeMap<RelationId, BTreeSet<usize>>,
    /// True if a name was found nowhere: then everything counts as read.
    lost: bool,
}

impl Walk<'_> {
    /// Looks at a plan that stands within others, the innermost last.
    fn visit<'p>(&mut self, plan: &'p LogicalPlan, around: &mut Vec<&'p LogicalPlan>) {
        if self.view_of(plan).is_some() {
            return;
        }
        match plan {
            LogicalPlan::Union(_) | LogicalPlan::Distinct(Distinct::All(_)) | LogicalPlan::Extension(_) => {
                plan.inputs().into_iter().for_each(|input| self.answer(input));
            }
            _ => {}
        }
        let mut subqueries = Vec::new();
        let looked = plan.apply_expressions(|expr| {
            expr.apply(|expr| {
                match expr {
                    Expr::Column(column) => self.named(plan, column),
                    Expr::OuterReferenceColumn(_, column) => {
                        // It is of the innermost plan around that has it.
                        match around.iter().rev().find(|plan| has(plan, column)) {
                            Some(plan) => self.named(plan, column),
                            None => self.lost = true,
                        }
                    }
                    Expr::Exists(Exists { subquery, .. })
                    | Expr::InSubquery(InSubquery { subquery, .. })
                    | Expr::SetComparison(SetComparison { subquery, .. })
                    | Expr::ScalarSubquery(subquery) => subqueries.push(subquery.subquery.clone()),
                    _ => {}
                }
                Ok(TreeNodeRecursion::Continue)
            })
        });
        self.lost |= looked.is_err();
        around.push(plan);
        for input in plan.inputs() {
            self.visit(input, around);
        }
        for subquery in &subqueries {
            self.answer(subquery);
            self.visit(subquery, &mut around.clone());
        }
        around.pop();
    }

    /// The columns of a plan's rows are read.
    fn answer(&mut self, plan: &LogicalPlan) {
        (0..plan.schema().fields().len()).for_each(|index| self.follow(plan, index));
    }

    /// An expression of a node names a column of what is below it.
    fn named(&mut self, node: &LogicalPlan, column: &Column) {
        self.lost |= !has(node, column);
        for input in node.inputs() {
            if let Some(index) = input.schema().maybe_index_of_column(column) {
                self.follow(input, index);
            }
        }
    }

    /// Notes what a plan's column at an index shows unchanged.
    fn follow(&mut self, plan: &LogicalPlan, index: usize) {
        if let Some(view) = self.view_of(plan) {
            self.note(view, index);
            return;
        }
        match plan {
            LogicalPlan::TableScan(scan) => self.scanned(scan, index),
            LogicalPlan::SubqueryAlias(_)
            | LogicalPlan::Subquery(_)
            | LogicalPlan::Filter(_)
            | LogicalPlan::Sort(_)
            | LogicalPlan::Limit(_)
            | LogicalPlan::Repartition(_)
            | LogicalPlan::Distinct(Distinct::All(_))
            | LogicalPlan::Union(_)
            | LogicalPlan::RecursiveQuery(_) => plan.inputs().into_iter().for_each(|input| self.follow(input, index)),
            LogicalPlan::Window(window) if index < window.input.schema().fields().len() => self.follow(&window.input, index),
            LogicalPlan::Unnest(unnest) => match unnest.dependency_indices.get(index) {
                Some(from) => self.follow(&unnest.input, *from),
                None => self.answer(&unnest.input),
            },
            LogicalPlan::Join(join) => {
                let left = join.left.schema().fields().len();
                match join.join_type {
                    JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => self.follow(&join.right, index),
                    _ if index < left => self.follow(&join.left, index),
                    JoinType::LeftMark => {}
                    _ => self.follow(&join.right, index - left),
                }
            }
            // Their expressions are looked at, or there is nothing below.
            _ => {}
        }
    }

    fn scanned(&mut self, scan: &TableScan, index: usize) {
        let index = scan.projection.as_ref().map_or(Some(index), |kept| kept.get(index).copied());
        let (Some(index), Ok(provider)) = (index, source_as_provider(&scan.source)) else { return };
        if let Some(provider) = provider.downcast_ref::<RelationProvider>() {
            self.note(provider.relation.id, index);
        } else if let Some(provider) = provider.downcast_ref::<SecuredProvider>() {
            self.note(provider.relation.id, index);
        }
    }

    fn note(&mut self, relation: RelationId, column: usize) {
        self.columns.entry(relation).or_default().insert(column);
    }

    /// The view of whose query this is the plan.
    fn view_of(&self, plan: &LogicalPlan) -> Option<RelationId> {
        let LogicalPlan::Projection(projection) = plan else { return None };
        self.views.iter().find(|(schema, _)| Arc::ptr_eq(schema, &projection.schema)).map(|(_, view)| *view)
    }
}

/// True if a column is of what is below a node.
fn has(node: &LogicalPlan, column: &Column) -> bool {
    node.inputs().iter().any(|input| input.schema().maybe_index_of_column(column).is_some())
}
