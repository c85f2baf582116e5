//! The columns that the log adds to every event (`_position`, `_offset`, `_time`) are there for a query that names them, and are
//! left out of `*`, as PostgreSQL does with its system columns.
//!
//! DataFusion has no hidden columns. So a query is planned over relations without them, unless it mentions one of the
//! names; then they are there, and each `*` over such a relation is told to exclude them.

use std::ops::ControlFlow;

use sqlparser::ast::{
    ExcludeSelectItem, Expr, Ident, ObjectName, Query, Select, SelectItem, TableFactor, VisitMut, VisitorMut, WildcardAdditionalOptions,
};

use super::convert::relation_name;
use crate::catalog::Name;
use crate::data::{OFFSET, POSITION, TIME};

/// The hidden columns, in the order in which the log adds them.
pub const HIDDEN: [&str; 3] = [POSITION, OFFSET, TIME];

/// If `query` mentions a hidden column: excludes them from each `*` over relations for which `is_stream` holds, and answers true.
pub fn expose(query: &mut Query, is_stream: &dyn Fn(&Name) -> bool) -> bool {
    let mut seen = Mentions(false);
    let _ = VisitMut::visit(query, &mut seen);
    if seen.0 {
        let _ = VisitMut::visit(query, &mut Exclude { is_stream });
    }
    seen.0
}

struct Mentions(bool);

impl VisitorMut for Mentions {
    type Break = ();
    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let name = match expr {
            Expr::Identifier(ident) => ident,
            Expr::CompoundIdentifier(parts) => match parts.last() {
                Some(ident) => ident,
                None => return ControlFlow::Continue(()),
            },
            _ => return ControlFlow::Continue(()),
        };
        self.0 |= HIDDEN.contains(&name.value.as_str());
        ControlFlow::Continue(())
    }
}

struct Exclude<'a> {
    is_stream: &'a dyn Fn(&Name) -> bool,
}

impl Exclude<'_> {
    fn over_stream(&self, select: &Select) -> bool {
        let factors = select.from.iter().flat_map(|t| std::iter::once(&t.relation).chain(t.joins.iter().map(|j| &j.relation)));
        factors.into_iter().any(|f| matches!(f, TableFactor::Table { name, .. } if self.names_stream(name)))
    }

    fn names_stream(&self, name: &ObjectName) -> bool {
        relation_name(name).is_ok_and(|name| (self.is_stream)(&name))
    }
}

impl VisitorMut for Exclude<'_> {
    type Break = ();
    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        if self.over_stream(select) {
            for item in &mut select.projection {
                if let SelectItem::Wildcard(options) | SelectItem::QualifiedWildcard(_, options) = item {
                    exclude(options);
                }
            }
        }
        ControlFlow::Continue(())
    }
}

fn exclude(options: &mut WildcardAdditionalOptions) {
    if options.opt_exclude.is_none() {
        options.opt_exclude = Some(ExcludeSelectItem::Multiple(HIDDEN.map(|h| ObjectName::from(vec![Ident::new(h)])).to_vec()));
    }
}
