//! WHEN NOT MATCHED of a MERGE: what it says is about rows of the source, which the table's columns are no part of.
//!
//! The query of a MERGE is about both, so a name that both have would be ambiguous there. [`Session::check_source`] plans what is said about
//! the source alone; after it every name that stands alone means a column of the source, and [`of_source`] says so.

use std::borrow::Cow;

use sqlparser::ast::Expr;

use super::change::{alias_of_factor, named_items, select_of};
use super::merge::is_plain;
use super::parsed_query;
use crate::catalog::Relation;
use crate::data::PgType;
use crate::engine::session::Session;
use crate::error::Result;
use crate::sql::convert::each_expression;
use crate::sql::fold_name;
use crate::sql::statement::{Merge, MergeWhen};

impl Session {
    /// Errors: 42703 and others for WHEN NOT MATCHED that names what the source has not.
    pub(super) async fn check_source(&self, merge: &Merge, types: &[Option<PgType>]) -> Result<()> {
        let adding = merge.whens.iter().filter(|when| !when.matched);
        let named: Vec<Expr> =
            adding.flat_map(|when| when.then.values().into_iter().chain(&when.condition)).filter(|e| !is_plain(e)).cloned().collect();
        if named.is_empty() {
            return Ok(());
        }
        let mut query = parsed_query("SELECT 1")?;
        query.with = merge.with.clone();
        let select = select_of(&mut query)?;
        select.projection = named_items(named);
        select.from.push(merge.source.clone());
        self.plan_query(&query, types).await.map(|_| ())
    }
}

/// The same MERGE, where WHEN NOT MATCHED calls by the source's name the columns that the table has, too. Subqueries are left as they are, and
/// so is a source of several relations: what is ambiguous there stays so.
pub(super) fn of_source<'a>(merge: &'a Merge, relation: &Relation) -> Cow<'a, Merge> {
    let alias = alias_of_factor(&merge.source.relation).filter(|_| merge.source.joins.is_empty());
    let Some(alias) = alias.filter(|_| merge.whens.iter().any(|when| !when.matched)) else {
        return Cow::Borrowed(merge);
    };
    let mut named = merge.clone();
    let name_source = |expr: &mut Expr, subqueries: usize| {
        if let Expr::Identifier(name) = expr
            && subqueries == 0
            && relation.columns.iter().any(|column| column.name == fold_name(name))
        {
            *expr = Expr::CompoundIdentifier(vec![alias.clone(), name.clone()]);
        }
    };
    for MergeWhen { condition, then, .. } in named.whens.iter_mut().filter(|when| !when.matched) {
        then.values_mut().into_iter().chain(condition).for_each(|expr| each_expression(expr, name_source));
    }
    Cow::Owned(named)
}
