//! Dates and intervals in texts that the catalog keeps.
//!
//! `'01/02/2024'` is one date to a session and another to the next, by what they have set for DateStyle, and one moment or another by
//! TimeZone. A view, a default or a condition means what it meant to the session that defined it, so such a literal is kept as every
//! session reads it: `'2024-02-01'`, `'2024-02-01 00:00:00-05'`. What becomes a date only when the text is run, as `'..'::text::date`, is
//! left to whoever runs it, and so is a literal that stands for a date and, elsewhere in the same text, for a text.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Result as DfResult, ScalarValue};
use datafusion::logical_expr::{Cast, Expr, LogicalPlan};

use super::session::Session;
use crate::catalog::Relation;
use crate::data::PgType;
use crate::data::datetime::Reading;
use crate::data::datetime::style::{depends_on_order, depends_on_zone, spread_sign};
use crate::data::decode::{self, parse_text_as};
use crate::data::encode::{Style, cell_text};
use crate::error::Result;
use crate::func::cast::{self, PgCast};
use crate::sql::respell;

/// The texts of the literals of a plan, with the types whose values they become in their places.
type Literals = BTreeMap<String, Vec<DataType>>;

impl Session {
    /// A query that is kept, with its literals as every session reads them. Its plan tells which are dates or intervals.
    pub(super) fn settled_query(&self, sql: String, plan: &LogicalPlan) -> Result<String> {
        // What is wrong with a plan is told when it is run.
        let Some(plan) = has_suspects(&sql)?.then(|| self.analyzed(plan.clone()).ok()).flatten() else { return Ok(sql) };
        let mut literals = Literals::default();
        plan.apply_with_subqueries(|node| node.apply_expressions(|expr| expr.apply(|e| note_literal(e, &mut literals))))?;
        respell::texts(&sql, &mut |text| self.settled_alike(text, literals.get(text)?))
    }

    /// The same for an expression; `plan` is of a query with it.
    pub(super) fn settled_expression(&self, sql: &str, plan: &LogicalPlan) -> Result<String> {
        let query = self.settled_query(format!("{}{sql}", respell::SELECT), plan)?;
        Ok(query[respell::SELECT.len()..].to_string())
    }

    /// The same for an expression over the rows of a relation. What is wrong with it is told by who plans it to be computed.
    pub(super) async fn settled_over_rows(&self, relation: &Arc<Relation>, sql: String) -> Result<String> {
        if !has_suspects(&format!("{}{sql}", respell::SELECT))? {
            return Ok(sql);
        }
        match self.plan_over_rows(relation, std::slice::from_ref(&sql)).await {
            Ok(planned) => self.settled_expression(&sql, &planned.plan),
            Err(_) => Ok(sql),
        }
    }

    /// The same for an expression that is a literal of a type.
    pub(super) fn settled_literal(&self, sql: &str, ty: &PgType) -> Result<String> {
        let query = respell::texts(&format!("{}{sql}", respell::SELECT), &mut |text| self.settled(text, &ty.arrow()))?;
        Ok(query[respell::SELECT.len()..].to_string())
    }

    /// A text of values of several types, as every session reads it; `None` where there is none for all of them.
    fn settled_alike(&self, text: &str, types: &[DataType]) -> Option<String> {
        // One that is a date here and a timestamp there keeps its time.
        let settled = types.iter().filter_map(|ty| self.settled(text, ty)).max_by_key(String::len)?;
        types.iter().all(|ty| self.is_alike(text, &settled, &PgType::of_arrow(ty))).then_some(settled)
    }

    /// A text of a value, as every session reads it; `None` where all read this one alike.
    fn settled(&self, text: &str, ty: &DataType) -> Option<String> {
        if !is_suspect(text) || !cast::is_read_by_settings(text, ty) {
            return None;
        }
        let of = PgType::of_arrow(ty);
        let value = parse_text_as(&of, text, self.settings.reading()).ok()?.to_array().ok()?;
        // In the session's own zone it is the same date, too; but not every zone has an offset that can be read.
        let own = Style { timezone: self.settings.zone(), ..Style::default() };
        [own, Style::default()].into_iter().find_map(|style| {
            let mut shown = Vec::new();
            cell_text(&value, 0, &of, &style, &mut shown).ok()?;
            String::from_utf8(shown).ok().filter(|shown| self.is_alike(text, shown, &of))
        })
    }

    /// True if the session reads a text as all read another one.
    fn is_alike(&self, text: &str, settled: &str, ty: &PgType) -> bool {
        let read = |text, reading| parse_text_as(ty, text, reading).ok();
        let value = read(text, self.settings.reading());
        value.is_some() && value == read(settled, Reading::default())
    }
}

fn note_literal(expr: &Expr, literals: &mut Literals) -> DfResult<TreeNodeRecursion> {
    let (text, ty) = match (cast_literal(expr), text_of(expr)) {
        (Some(cast), _) => cast,
        (None, Some(text)) => (text, DataType::Utf8),
        (None, None) => return Ok(TreeNodeRecursion::Continue),
    };
    literals.entry(text.to_string()).or_default().push(ty);
    Ok(TreeNodeRecursion::Jump)
}

/// True for a text that may be another date, timestamp or interval, or an array of these, to another session.
fn is_suspect(text: &str) -> bool {
    if text.trim_start().starts_with('{') {
        return decode::split_array(text).is_ok_and(|items| items.iter().flatten().any(|item| is_suspect(item)));
    }
    depends_on_order(text) || depends_on_zone(text) || spread_sign(text).is_some()
}

/// True if a query has such a literal. Nearly none has.
fn has_suspects(sql: &str) -> Result<bool> {
    let mut found = false;
    respell::texts(sql, &mut |text| {
        found |= is_suspect(text);
        None
    })?;
    Ok(found)
}

fn text_of(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Literal(ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)), _) => Some(text),
        _ => None,
    }
}

/// The text that is cast, and to what.
fn cast_literal(expr: &Expr) -> Option<(&str, DataType)> {
    match expr {
        Expr::Cast(Cast { expr, field }) => Some((text_of(expr)?, field.data_type().clone())),
        Expr::ScalarFunction(f) => {
            let target = f.func.inner().downcast_ref::<PgCast>()?.target().arrow();
            Some((text_of(f.args.first()?)?, target))
        }
        _ => None,
    }
}
