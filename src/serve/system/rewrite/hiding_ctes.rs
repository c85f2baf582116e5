//! A WITH query that is called as one of a query around it hides that (manual, SELECT). DataFusion takes it for the same name twice, so it is planned
//! under a name of its own, and FROM calls it as it was called.

use std::ops::ControlFlow;

use sqlparser::ast::{Ident, ObjectName, Query, TableAlias, TableFactor, VisitMut, VisitorMut};

use super::build::last_name;
use crate::error::{Error, Result, code};
use crate::sql::fold_name;

/// Gives the WITH queries of a query, so many queries further in, names of their own where the name is `known` around. Errors: 42712 for two of one
/// WITH that are called alike.
pub fn told_apart(query: &mut Query, depth: usize, known: impl Fn(&str) -> bool) -> Result<()> {
    let Query { with: Some(with), body, order_by, .. } = query else { return Ok(()) };
    for i in 0..with.cte_tables.len() {
        let Some((cte, later)) = with.cte_tables[i..].split_first_mut() else { return Ok(()) };
        let name = fold_name(&cte.alias.name);
        if later.iter().any(|other| fold_name(&other.alias.name) == name) {
            return Err(Error::new(code::DUPLICATE_ALIAS, format!("WITH query name \"{name}\" specified more than once")));
        }
        if !known(&name) {
            continue;
        }
        let mut renaming = Renaming { other: format!("{name} {depth}"), name, hidden: 0 };
        if with.recursive {
            let _ = VisitMut::visit(&mut cte.query, &mut renaming);
        }
        for cte in later {
            let _ = VisitMut::visit(&mut cte.query, &mut renaming);
        }
        let _ = VisitMut::visit(body, &mut renaming);
        let _ = VisitMut::visit(order_by, &mut renaming);
        cte.alias.name = Ident::with_quote('"', &renaming.other);
    }
    Ok(())
}

/// Puts the other name wherever FROM has this one.
struct Renaming {
    name: String,
    other: String,
    /// How many queries further in than one that hides the name itself.
    hidden: usize,
}

impl VisitorMut for Renaming {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        if self.hidden > 0 {
            self.hidden += 1;
            return ControlFlow::Continue(());
        }
        let Some(with) = &mut query.with else { return ControlFlow::Continue(()) };
        let Some(at) = with.cte_tables.iter().position(|cte| fold_name(&cte.alias.name) == self.name) else {
            return ControlFlow::Continue(());
        };
        // Unless it is recursive, it does not know itself.
        let unaware = if with.recursive { at } else { at + 1 };
        for cte in &mut with.cte_tables[..unaware] {
            let _ = VisitMut::visit(&mut cte.query, self);
        }
        self.hidden = 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.hidden = self.hidden.saturating_sub(1);
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, alias, args: None, .. } = factor
            && self.hidden == 0
            && name.0.len() == 1
            && last_name(name) == self.name
        {
            let own = Ident::with_quote('"', &self.name);
            *name = ObjectName::from(vec![Ident::with_quote('"', &self.other)]);
            alias.get_or_insert_with(|| TableAlias { explicit: true, name: own, columns: vec![], at: None });
        }
        ControlFlow::Continue(())
    }
}
