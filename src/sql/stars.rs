//! `*` and `relation.*` in the SELECTs of a query, those within it included: where they stand, and what they mean.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, TableFactor, TableWithJoins, WildcardAdditionalOptions,
    visit_expressions,
};

use super::parse::written_query;
use super::split::char_position;
use crate::error::Result;

/// One of them.
pub struct Star {
    /// The characters of the text that it is, from and to.
    pub place: (usize, usize),
    /// What stands before the point, as it is written.
    pub of: Option<String>,
    /// True if it may mean columns of several tables.
    pub several: bool,
    /// A query that gives its columns and no others.
    pub alone: String,
}

/// Those of a query; one may be told twice. Errors: 42601.
pub fn stars(sql: &str) -> Result<Vec<Star>> {
    let query = written_query(sql)?;
    let mut finder = Finder { sql, found: vec![] };
    finder.query(&query, &With::default());
    Ok(finder.found)
}

/// What is defined around a place by WITH.
#[derive(Clone, Default)]
struct With {
    recursive: bool,
    tables: Vec<String>,
}

struct Finder<'a> {
    sql: &'a str,
    found: Vec<Star>,
}

impl Finder<'_> {
    fn query(&mut self, query: &Query, around: &With) {
        let mut with = around.clone();
        if let Some(own) = &query.with {
            with.recursive |= own.recursive;
            for cte in &own.cte_tables {
                self.query(&cte.query, &with);
                with.tables.push(cte.to_string());
            }
        }
        self.body(&query.body, &with);
    }

    fn body(&mut self, body: &SetExpr, with: &With) {
        match body {
            SetExpr::Select(select) => self.select(select, with),
            SetExpr::SetOperation { left, right, .. } => {
                self.body(left, with);
                self.body(right, with);
            }
            SetExpr::Query(inner) => self.query(inner, with),
            _ => {}
        }
    }

    fn select(&mut self, select: &Select, with: &With) {
        for item in &select.projection {
            self.found.extend(star(self.sql, select, item, with));
        }
        select.from.iter().for_each(|from| self.from(from, with));
        let mut inner = Vec::new();
        let _ = visit_expressions(select, |expr| {
            if let Expr::Subquery(query) | Expr::Exists { subquery: query, .. } | Expr::InSubquery { subquery: query, .. } = expr {
                inner.push(query.clone());
            }
            ControlFlow::<()>::Continue(())
        });
        inner.iter().for_each(|query| self.query(query, with));
    }

    fn from(&mut self, from: &TableWithJoins, with: &With) {
        for factor in std::iter::once(&from.relation).chain(from.joins.iter().map(|join| &join.relation)) {
            match factor {
                TableFactor::Derived { subquery, .. } => self.query(subquery, with),
                TableFactor::NestedJoin { table_with_joins, .. } => self.from(table_with_joins, with),
                _ => {}
            }
        }
    }
}

fn star(sql: &str, select: &Select, item: &SelectItem, with: &With) -> Option<Star> {
    let at = |location| char_position(sql, location) - 1;
    let token = |options: &WildcardAdditionalOptions| options.wildcard_token.0.span;
    let (place, of) = match item {
        SelectItem::Wildcard(options) => ((at(token(options).start), at(token(options).end)), None),
        SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options) => {
            let first = name.0.first()?.as_ident()?.span;
            ((at(first.start), at(token(options).end)), Some(name.to_string()))
        }
        _ => return None,
    };
    let several = of.is_none() && (select.from.len() > 1 || select.from.iter().any(|from| !from.joins.is_empty()));
    let from: Vec<String> = select.from.iter().map(ToString::to_string).collect();
    let with = match with.tables.as_slice() {
        [] => String::new(),
        tables => format!("WITH {}{} ", if with.recursive { "RECURSIVE " } else { "" }, tables.join(", ")),
    };
    Some(Star { place, of, several, alone: format!("{with}SELECT {item} FROM {}", from.join(", ")) })
}
