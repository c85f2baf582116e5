//! Where a result's column comes from: the relation and the column that it shows unchanged, for RowDescription. Drivers name tables by
//! it, and make UPDATEs of result sets that were changed.

use datafusion::common::Column;
use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::{Distinct, Expr, JoinType, LogicalPlan, TableScan};

use crate::catalog::{Name, RelationId, RelationKind, Scope};
use crate::serve::provider::{RelationProvider, SystemProvider};
use crate::serve::secured::SecuredProvider;
use crate::serve::system::{STANDS_FOR, facts};

pub use crate::serve::system::STAND_IN;

/// The name of a stand-in, by its number among the statement's.
pub fn stand_in(number: usize, relation: Option<RelationId>) -> String {
    match relation {
        Some(id) => format!("{STAND_IN}{number}{STANDS_FOR}{id}"),
        None => format!("{STAND_IN}{number}"),
    }
}

/// A column of a relation, as pg_attribute numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The relation's oid.
    pub relation: u32,
    /// The column's number, from 1.
    pub number: i16,
}

impl Origin {
    /// The column at an index, from 0.
    pub fn of(relation: u32, index: usize) -> Option<Origin> {
        Some(Origin { relation, number: i16::try_from(index + 1).ok()? })
    }
}

/// The origin of a plan's column at an index; `None` for an expression. A view's columns are its own, not those of what it reads.
/// Cost O(depth of the plan).
pub fn origin(plan: &LogicalPlan, index: usize, scope: &Scope) -> Option<Origin> {
    let of = |input: &LogicalPlan, column: &Column| origin(input, input.schema().maybe_index_of_column(column)?, scope);
    let shown = |input: &LogicalPlan, expr: &Expr| plain(expr).and_then(|column| of(input, column));
    match plan {
        LogicalPlan::TableScan(scan) => scanned(scan, index, scope),
        LogicalPlan::Projection(p) => shown(&p.input, p.expr.get(index)?),
        LogicalPlan::SubqueryAlias(alias) => match view(plan, alias.alias.schema(), alias.alias.table(), scope) {
            Some(relation) => Origin::of(relation, index),
            None => origin(&alias.input, index, scope),
        },
        LogicalPlan::Filter(f) => origin(&f.input, index, scope),
        LogicalPlan::Sort(s) => origin(&s.input, index, scope),
        LogicalPlan::Limit(l) => origin(&l.input, index, scope),
        LogicalPlan::Subquery(s) => origin(&s.subquery, index, scope),
        LogicalPlan::Distinct(Distinct::All(input)) => origin(input, index, scope),
        LogicalPlan::Distinct(Distinct::On(on)) => shown(&on.input, on.select_expr.get(index)?),
        LogicalPlan::Aggregate(a) if !matches!(a.group_expr.as_slice(), [Expr::GroupingSet(_)]) => {
            shown(&a.input, a.group_expr.get(index)?)
        }
        LogicalPlan::Window(w) if index < w.input.schema().fields().len() => origin(&w.input, index, scope),
        LogicalPlan::Join(join) => {
            let left = join.left.schema().fields().len();
            match join.join_type {
                JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => origin(&join.right, index, scope),
                _ if index < left => origin(&join.left, index, scope),
                JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full => origin(&join.right, index - left, scope),
                _ => None,
            }
        }
        _ => None,
    }
}

/// The column that an expression is, whatever it is called.
fn plain(expr: &Expr) -> Option<&Column> {
    match expr {
        Expr::Column(column) => Some(column),
        Expr::Alias(alias) => plain(&alias.expr),
        _ => None,
    }
}

fn scanned(scan: &TableScan, index: usize, scope: &Scope) -> Option<Origin> {
    let index = scan.projection.as_ref().map_or(Some(index), |kept| kept.get(index).copied())?;
    let provider = source_as_provider(&scan.source).ok()?;
    let secured = || provider.downcast_ref::<SecuredProvider>().map(|provider| &provider.relation);
    if let Some(relation) = provider.downcast_ref::<RelationProvider>().map(|provider| &provider.relation).or_else(secured) {
        let shown = index < relation.columns.len();
        return if shown { Origin::of(relation.id, index) } else { None };
    }
    if let Some(provider) = provider.downcast_ref::<SystemProvider>() {
        return Origin::of(facts::find(provider.relation.schema, provider.relation.name)?.oid, index);
    }
    let (_, id) = scan.table_name.table().strip_prefix(STAND_IN)?.split_once(STANDS_FOR)?;
    let relation = scope.by_id(id.parse().ok()?)?;
    if index < relation.columns.len() { Origin::of(relation.id, index) } else { None }
}

/// The view that a plan under that name is the query of, by its columns.
fn view(plan: &LogicalPlan, schema: Option<&str>, name: &str, scope: &Scope) -> Option<u32> {
    let name = Name { schema: schema.map(String::from), name: name.to_string() };
    let relation = scope.find(&name).filter(|r| matches!(r.kind, RelationKind::View | RelationKind::MaterializedView))?;
    let fields = plan.schema().fields();
    let alike = fields.len() == relation.columns.len() && fields.iter().zip(&relation.columns).all(|(f, c)| *f.name() == c.name);
    alike.then_some(relation.id)
}
