//! Which names of a statement are of columns that it makes itself: those of subqueries, of WITH, and of functions in FROM. They go before
//! variables, as columns of relations do.

use std::collections::HashSet;
use std::ops::ControlFlow;

use sqlparser::ast::{self, Expr, Ident, Query, Select, SelectItem, SetExpr, TableFactor, TableWithJoins, Visit};

use crate::sql::fold_name;
use crate::sql::statement::{ChangingCte, Statement};

/// The columns that can be named at some place.
#[derive(Clone, Debug, Default)]
pub struct Made {
    names: Vec<String>,
    /// What WITH has named, and its columns.
    named: Vec<(String, Vec<String>)>,
}

impl Made {
    pub fn add_with(&mut self, with: Option<&ast::With>) {
        for cte in with.iter().flat_map(|with| &with.cte_tables) {
            let columns = renamed(&cte.alias, outputs(&cte.query, &mut self.named));
            self.named.push((fold_name(&cte.alias.name), columns));
        }
    }

    pub fn add_change(&mut self, change: &ChangingCte) {
        let items = returned(&change.statement).map(|items| items_of(items, &[], &mut self.named)).unwrap_or_default();
        let columns = change.columns.iter().cloned().chain(items.into_iter().skip(change.columns.len())).collect();
        self.named.push((change.name.clone(), columns));
    }

    pub fn add_from(&mut self, from: &[TableWithJoins]) {
        let names = sources(from, &mut self.named);
        self.names.extend(names);
    }
}

/// The items of RETURNING.
pub fn returned(statement: &Statement) -> Option<&Vec<SelectItem>> {
    match statement {
        Statement::Insert { returning, .. } => returning.as_ref(),
        Statement::Update(change) | Statement::Delete(change) => change.returning.as_ref(),
        _ => None,
    }
}

/// Names that stand for no variable.
#[derive(Default)]
pub struct Found {
    columns: HashSet<Spot>,
    aliases: HashSet<Spot>,
}

impl Found {
    /// True for the name of a column that the statement makes.
    pub fn is_column(&self, name: &Ident) -> bool {
        self.columns.contains(&spot(name))
    }

    /// True for what ORDER BY, GROUP BY or DISTINCT ON names that is an alias of its SELECT: an alias goes before a variable there.
    pub fn is_alias(&self, name: &Ident) -> bool {
        self.aliases.contains(&spot(name))
    }
}

/// A name and where it stands.
type Spot = (u64, u64, String);

fn spot(name: &Ident) -> Spot {
    (name.span.start.line, name.span.start.column, fold_name(name))
}

/// Such names in a part of a statement, with what can be named around it.
pub fn find<T: Visit>(part: &T, around: &Made) -> Found {
    let around = around.clone();
    let mut finder = Finder { levels: vec![(around.names, 0)], named: around.named, aside: vec![], found: Found::default() };
    let _ = part.visit(&mut finder);
    finder.found
}

struct Finder {
    /// Of each query that is open the columns of its FROM, and how much WITH had named before it.
    levels: Vec<(Vec<String>, usize)>,
    named: Vec<(String, Vec<String>)>,
    /// Columns that a part of FROM does not see.
    aside: Vec<Vec<String>>,
    found: Found,
}

impl Finder {
    fn top(&mut self) -> Option<&mut Vec<String>> {
        self.levels.last_mut().map(|(names, _)| names)
    }

    fn find_aliases<'a>(&mut self, select: &Select, by: impl IntoIterator<Item = &'a Expr>) {
        for expr in by {
            let Expr::Identifier(name) = expr else { continue };
            let folded = fold_name(name);
            let is_it = |item: &SelectItem| match item {
                SelectItem::ExprWithAlias { alias, .. } => fold_name(alias) == folded,
                SelectItem::UnnamedExpr(Expr::CompoundIdentifier(names)) => names.last().is_some_and(|last| fold_name(last) == folded),
                _ => false,
            };
            if select.projection.iter().any(is_it) {
                self.found.aliases.insert(spot(name));
            }
        }
    }
}

impl ast::Visitor for Finder {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        self.levels.push((vec![], self.named.len()));
        let mut made = Made { names: vec![], named: std::mem::take(&mut self.named) };
        made.add_with(query.with.as_ref());
        self.named = made.named;
        if let (Some(ast::OrderBy { kind: ast::OrderByKind::Expressions(by), .. }), SetExpr::Select(select)) =
            (&query.order_by, query.body.as_ref())
        {
            self.find_aliases(select, by.iter().map(|by| &by.expr));
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        if let Some((_, named)) = self.levels.pop() {
            self.named.truncate(named);
        }
        ControlFlow::Continue(())
    }

    /// ORDER BY comes behind, and sees the same.
    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        let names = sources(&select.from, &mut self.named);
        if let Some(top) = self.top() {
            *top = names;
        }
        if let ast::GroupByExpr::Expressions(by, _) = &select.group_by {
            self.find_aliases(select, by);
        }
        if let Some(ast::Distinct::On(by)) = &select.distinct {
            self.find_aliases(select, by);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        if sees_less(factor) {
            let own = if matches!(factor, TableFactor::Derived { .. }) { None } else { Some(source(factor, &mut self.named)) };
            if let Some(top) = self.top() {
                let less = own.map(|own| top.iter().filter(|name| !own.contains(name)).cloned().collect()).unwrap_or_default();
                let all = std::mem::replace(top, less);
                self.aside.push(all);
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        if sees_less(factor)
            && let Some(all) = self.aside.pop()
            && let Some(top) = self.top()
        {
            *top = all;
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::Identifier(name) = expr {
            let folded = fold_name(name);
            if self.levels.iter().any(|(names, _)| names.contains(&folded)) {
                self.found.columns.insert(spot(name));
            }
        }
        ControlFlow::Continue(())
    }
}

/// True for a subquery, which sees nothing that stands beside it, and for a function, whose arguments do not see what it answers.
fn sees_less(factor: &TableFactor) -> bool {
    match factor {
        TableFactor::Derived { lateral, .. } => !lateral,
        TableFactor::Table { args, .. } => args.is_some(),
        TableFactor::Function { .. } | TableFactor::UNNEST { .. } => true,
        _ => false,
    }
}

type Named = Vec<(String, Vec<String>)>;

/// The columns of FROM, as far as the statement tells them, and the names of its rows.
fn sources(from: &[TableWithJoins], named: &mut Named) -> Vec<String> {
    let mut names = Vec::new();
    for table in from {
        names.extend(source(&table.relation, named));
        for join in &table.joins {
            names.extend(source(&join.relation, named));
        }
    }
    without_doubles(names)
}

fn source(factor: &TableFactor, named: &mut Named) -> Vec<String> {
    let (alias, columns) = match factor {
        TableFactor::Derived { alias, subquery, .. } => (alias, outputs(subquery, named)),
        TableFactor::Table { name, alias, args, with_ordinality, .. } => {
            let bare = name.0.last().and_then(|part| part.as_ident()).map(fold_name);
            let columns = match (bare, args) {
                (Some(bare), Some(_)) => std::iter::once(bare).chain(with_ordinality.then(|| "ordinality".into())).collect(),
                (Some(bare), None) if name.0.len() == 1 => {
                    named.iter().rev().find(|(known, _)| *known == bare).map(|(_, columns)| columns.clone()).unwrap_or_default()
                }
                _ => vec![],
            };
            (alias, columns)
        }
        TableFactor::Function { name, alias, .. } => {
            (alias, name.0.last().and_then(|part| part.as_ident()).map(fold_name).into_iter().collect())
        }
        TableFactor::UNNEST { alias, .. } => (alias, vec!["unnest".into()]),
        TableFactor::NestedJoin { alias, table_with_joins } => (alias, sources(std::slice::from_ref(table_with_joins.as_ref()), named)),
        _ => return vec![],
    };
    let Some(alias) = alias else { return columns };
    let mut names = renamed(alias, columns);
    names.push(fold_name(&alias.name));
    names
}

/// The columns that an alias gives other names, from the first on.
fn renamed(alias: &ast::TableAlias, columns: Vec<String>) -> Vec<String> {
    alias.columns.iter().map(|column| fold_name(&column.name)).chain(columns.into_iter().skip(alias.columns.len())).collect()
}

/// The columns that a query answers, as far as it tells them.
fn outputs(query: &Query, named: &mut Named) -> Vec<String> {
    let before = named.len();
    let mut made = Made { names: vec![], named: std::mem::take(named) };
    made.add_with(query.with.as_ref());
    *named = made.named;
    let mut body = query.body.as_ref();
    // The first of several has the names.
    while let SetExpr::SetOperation { left, .. } = body {
        body = left;
    }
    let names = match body {
        SetExpr::Select(select) => items_of(&select.projection, &select.from, named),
        SetExpr::Query(query) => outputs(query, named),
        SetExpr::Values(values) => (1..=values.rows.first().map_or(0, |row| row.content.len())).map(|n| format!("column{n}")).collect(),
        _ => vec![],
    };
    named.truncate(before);
    names
}

fn items_of(items: &[SelectItem], from: &[TableWithJoins], named: &mut Named) -> Vec<String> {
    let names = items.iter().flat_map(|item| match item {
        SelectItem::ExprWithAlias { alias, .. } => vec![fold_name(alias)],
        SelectItem::UnnamedExpr(Expr::Identifier(name)) => vec![fold_name(name)],
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(names)) => names.last().map(fold_name).into_iter().collect(),
        SelectItem::UnnamedExpr(Expr::Function(function)) => {
            function.name.0.last().and_then(|part| part.as_ident()).map(fold_name).into_iter().collect()
        }
        SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..) => sources(from, named),
        // It has a place, and a name that no variable has.
        _ => vec![String::new()],
    });
    without_doubles(names.collect())
}

/// Columns of no name are told apart by their places.
fn without_doubles(names: Vec<String>) -> Vec<String> {
    let mut seen = HashSet::new();
    names.into_iter().filter(|name| name.is_empty() || seen.insert(name.clone())).collect()
}
