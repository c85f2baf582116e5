//! How large a plan may be.
//!
//! What a name in WITH stands for, and a view's query, is in the plan wherever the name is. So names that are used twice by names that are used
//! twice make a plan whose size doubles with each, from a text of a few lines. Such a statement is refused before it is planned
//! ([`check_names`]), and one over views before its plan is looked at further ([`check`]).

use std::ops::ControlFlow;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::logical_expr::LogicalPlan;
use sqlparser::ast::{self, ObjectName, ObjectNamePart, Query, Select, Visit};

use crate::error::{Error, Result, code};
use crate::limits;
use crate::sql::fold_name;

/// Errors: 54001 for a query that names more relations than may be in a plan, those counted again that stand behind each name of WITH; 54011
/// for a SELECT of more items than PostgreSQL takes, whose planning takes longer than their number. Cost: one walk over the query.
pub fn check_names(query: &Query) -> Result<()> {
    let mut relations = Relations::default();
    match query.visit(&mut relations) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

/// Errors: 54001 for a plan of too many nodes. Cost: one walk over the plan, which ends where it is too large.
pub fn check(plan: &LogicalPlan) -> Result<()> {
    let mut nodes = 0usize;
    plan.apply_with_subqueries(|_| {
        nodes += 1;
        Ok(if nodes > limits::PLAN_NODES_MAX { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    if nodes > limits::PLAN_NODES_MAX { Err(too_large()) } else { Ok(()) }
}

fn too_large() -> Error {
    Error::new(code::STATEMENT_TOO_COMPLEX, "the plan of the statement is too large")
        .detail("A view or a name of WITH stands in the plan once for each time that it is named, with all that stands behind it.")
        .hint("Name it once, or make a materialized view or a temporary table of it.")
}

/// Counts the relations behind each name of WITH, the innermost queries first.
#[derive(Default)]
struct Relations {
    /// The queries around the place that is visited.
    open: Vec<Open>,
}

/// A query that is being visited.
#[derive(Default)]
struct Open {
    /// The names of its WITH. Their queries are visited in this order, before all others in it.
    names: Vec<String>,
    /// How many relations stand behind each of the first of these.
    known: Vec<(String, usize)>,
    /// How many relations it names so far.
    relations: usize,
}

impl Relations {
    /// How many relations stand behind a name.
    fn behind(&self, name: &str) -> usize {
        let known = |open: &Open| open.known.iter().rfind(|(of, _)| of == name).map(|(_, relations)| *relations);
        self.open.iter().rev().find_map(known).unwrap_or(1)
    }
}

impl ast::Visitor for Relations {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Error> {
        let names = query.with.iter().flat_map(|with| &with.cte_tables).map(|cte| fold_name(&cte.alias.name)).collect();
        self.open.push(Open { names, ..Open::default() });
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Error> {
        if select.projection.len() <= limits::TARGETS_MAX {
            return ControlFlow::Continue(());
        }
        ControlFlow::Break(Error::new("54011", format!("target lists can have at most {} entries", limits::TARGETS_MAX)))
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<Error> {
        let behind = match relation.0.as_slice() {
            [ObjectNamePart::Identifier(name)] => self.behind(&fold_name(name)),
            _ => 1,
        };
        if let Some(open) = self.open.last_mut() {
            open.relations = open.relations.saturating_add(behind);
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<Error> {
        let Some(done) = self.open.pop() else { return ControlFlow::Continue(()) };
        if done.relations > limits::PLAN_RELATIONS_MAX {
            return ControlFlow::Break(too_large());
        }
        if let Some(around) = self.open.last_mut() {
            match around.names.get(around.known.len()).cloned() {
                Some(name) => around.known.push((name, done.relations.saturating_add(1))),
                None => around.relations = around.relations.saturating_add(done.relations),
            }
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::{Statement, parse};

    fn query(sql: &str) -> Box<Query> {
        match parse(sql).unwrap() {
            Statement::Query(query) => query,
            other => panic!("{other:?} is no query"),
        }
    }

    /// Names of WITH, each of which names the one before it so many times.
    fn chain(names: usize, times: usize) -> Box<Query> {
        let of = |i: usize| vec![format!("c{i}"); times].join(", ");
        let rest: String = (1..names).map(|i| format!(", c{i} AS (SELECT 1 FROM {})", of(i - 1))).collect();
        query(&format!("WITH c0 AS (SELECT 1 FROM t){rest} SELECT 1 FROM c{}", names - 1))
    }

    #[test]
    fn names_that_double_a_plan_are_refused_before_it_is_planned() {
        assert!(check_names(&chain(8, 2)).is_ok());
        assert!(check_names(&chain(500, 1)).is_ok());
        assert_eq!(check_names(&chain(20, 2)).unwrap_err().code(), "54001");
        assert_eq!(check_names(&chain(500, 9)).unwrap_err().code(), "54001");
    }

    #[test]
    fn a_select_lists_so_many_items_at_most() {
        let of = |items: usize| query(&format!("SELECT * FROM (SELECT {}) AS s", vec!["1"; items].join(", ")));
        assert!(check_names(&of(limits::TARGETS_MAX)).is_ok());
        let error = check_names(&of(limits::TARGETS_MAX + 1)).unwrap_err();
        assert_eq!((error.code(), error.message()), ("54011", "target lists can have at most 1664 entries"));
    }

    #[test]
    fn a_name_means_what_it_does_in_its_place() {
        // Each of the inner queries has a c of its own, that names a table.
        let inner = "(WITH c AS (SELECT 1 FROM t) SELECT 1 FROM c, c AS d) AS s";
        let many = vec![format!("(SELECT * FROM {inner})"); 100].join(" UNION ALL ");
        assert!(check_names(&query(&format!("WITH c AS ({many}) SELECT * FROM c"))).is_ok());
        let recursive = "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 9) SELECT * FROM r, r AS q";
        assert!(check_names(&query(recursive)).is_ok());
    }
}
