//! A whole row as a value: `row_to_json(t)`, `json_agg(t)`, `count(t)`, `t IS NOT NULL`, where `t` is a table of FROM and no column of one
//! (manual, chapter 8.16.5). It becomes a struct of the table's columns; a row that an outer join left out is NULL.
//!
//! The columns of a table are known from the catalog, those of a subquery from its SELECT list. Where they are not, the name stays, and is
//! refused when it is planned.

use std::ops::ControlFlow;

use sqlparser::ast::{
    BinaryOperator, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, JoinConstraint, JoinOperator, Query, Select, SelectItem,
    SelectItemQualifiedWildcardKind, SetExpr, TableAlias, TableFactor, TableWithJoins, visit_expressions,
};

use super::super::SystemContext;
use super::super::facts;
use super::Ctes;
use super::build::{call, each_expression, last_name, take, text, when, with_optional};
use super::queries::{DUPLICATE, label, only_item, plain_select, table_name};
use crate::limits;
use crate::sql::convert::relation_name;

/// Functions of a row.
const OF_ROWS: [&str; 6] = ["row_to_json", "to_json", "to_jsonb", "json_agg", "jsonb_agg", "count"];

/// A table of FROM.
struct Table {
    name: String,
    columns: Vec<String>,
    /// An outer join may leave its row out.
    optional: bool,
}

/// Puts structs for the rows that the expressions of a SELECT name.
pub fn of_select(select: &mut Select, ctes: &Ctes, context: &SystemContext) {
    if !names_a_table(select) {
        return;
    }
    let columns = Columns { ctes, context };
    let tables = columns.tables(select);
    let rows = Rows { tables, columns };
    each_expression(select, |expr, subqueries| {
        if subqueries == 0 {
            rows.replace(expr);
        }
    });
}

/// True if an expression may name a table of FROM where a column is expected.
fn names_a_table(select: &Select) -> bool {
    let tables: Vec<String> = select.from.iter().flat_map(with_optional).filter_map(|(factor, _)| table_name(factor)).collect();
    let found = visit_expressions(select, |expr| {
        let is_table = |name: &str| tables.iter().any(|table| table == name);
        let wild =
            |arg: &FunctionArg| matches!(arg, FunctionArg::Unnamed(FunctionArgExpr::QualifiedWildcard(name)) if is_table(&last_name(name)));
        let query = |arg: &FunctionArg| matches!(arg, FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Subquery(_))));
        let names = match expr {
            Expr::Identifier(name) => is_table(&name.value),
            Expr::Function(f) => matches!(&f.args, FunctionArguments::List(list) if list.args.iter().any(|a| wild(a) || query(a))),
            _ => false,
        };
        if names { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    found.is_break()
}

/// How deep the columns of a subquery are looked for.
const DEPTH_MAX: usize = 8;

/// Finds the names of columns.
struct Columns<'a> {
    ctes: &'a Ctes,
    context: &'a SystemContext,
}

impl Columns<'_> {
    /// What FROM has, with the columns that are known.
    fn tables(&self, select: &Select) -> Vec<Table> {
        let named = |(factor, optional)| {
            let columns = self.of_factor(factor, 0).unwrap_or_default();
            Some(Table { name: table_name(factor)?, columns, optional })
        };
        select.from.iter().flat_map(with_optional).filter_map(named).collect()
    }

    fn of_factor(&self, factor: &TableFactor, depth: usize) -> Option<Vec<String>> {
        if depth > DEPTH_MAX {
            return None;
        }
        let (alias, columns) = match factor {
            TableFactor::Table { name, alias, args: None, .. } => {
                let wanted = relation_name(name).ok()?;
                let columns = match self.ctes.find(&wanted) {
                    Some(cte) => named_by(&cte.alias, self.of_query(&cte.query, depth)?),
                    None => match self.context.scope.find(&wanted) {
                        Some(relation) => relation.columns.iter().map(|c| c.name.clone()).collect(),
                        None => {
                            let shape = facts::find(wanted.schema.as_deref().unwrap_or("pg_catalog"), &wanted.name)?;
                            shape.columns.iter().map(|(name, _)| name.to_string()).collect()
                        }
                    },
                };
                (alias, columns)
            }
            TableFactor::Derived { subquery, alias, .. } => (alias, self.of_query(subquery, depth)?),
            _ => return None,
        };
        Some(alias.as_ref().map_or(columns.clone(), |alias| named_by(alias, columns)))
    }

    fn of_query(&self, query: &Query, depth: usize) -> Option<Vec<String>> {
        // What the query's own WITH names is not looked up here.
        if query.with.is_some() { None } else { self.of_body(&query.body, depth + 1) }
    }

    fn of_body(&self, body: &SetExpr, depth: usize) -> Option<Vec<String>> {
        match body {
            SetExpr::Select(select) => self.of_select(select, depth),
            SetExpr::Query(query) => self.of_query(query, depth),
            SetExpr::SetOperation { left, .. } => self.of_body(left, depth),
            SetExpr::Values(values) => Some((1..=values.rows.first()?.len()).map(|i| format!("column{i}")).collect()),
            _ => None,
        }
    }

    fn of_select(&self, select: &Select, depth: usize) -> Option<Vec<String>> {
        let mut columns = Vec::new();
        for item in &select.projection {
            match item {
                SelectItem::UnnamedExpr(expr) => columns.push(label(expr)),
                SelectItem::ExprWithAlias { alias, .. } => columns.push(without_mark(&alias.value)),
                SelectItem::Wildcard(_) if !select.from.iter().any(shares_columns) => {
                    for (factor, _) in select.from.iter().flat_map(with_optional) {
                        columns.extend(self.of_factor(factor, depth)?);
                    }
                }
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
                    let mut factors = select.from.iter().flat_map(with_optional).map(|(factor, _)| factor);
                    let factor = factors.find(|factor| table_name(factor).is_some_and(|table| table == last_name(name)))?;
                    columns.extend(self.of_factor(factor, depth)?);
                }
                _ => return None,
            }
        }
        (columns.len() <= limits::COLUMNS_MAX).then_some(columns)
    }
}

/// The columns under the names that an alias gives to the first of them.
fn named_by(alias: &TableAlias, mut columns: Vec<String>) -> Vec<String> {
    for (column, named) in columns.iter_mut().zip(&alias.columns) {
        *column = named.name.value.clone();
    }
    columns
}

fn shares_columns(from: &TableWithJoins) -> bool {
    use JoinOperator as J;
    from.joins.iter().any(|join| match &join.join_operator {
        J::Join(c) | J::Inner(c) | J::Left(c) | J::LeftOuter(c) | J::Right(c) | J::RightOuter(c) | J::FullOuter(c) => {
            matches!(c, JoinConstraint::Using(_) | JoinConstraint::Natural)
        }
        _ => false,
    })
}

fn without_mark(name: &str) -> String {
    name.split(DUPLICATE).next().unwrap_or(name).to_string()
}

struct Rows<'a> {
    tables: Vec<Table>,
    columns: Columns<'a>,
}

/// The table whose row a name means.
fn named<'a>(tables: &'a [Table], name: &Ident) -> Option<&'a Table> {
    let is_column = tables.iter().any(|t| t.columns.contains(&name.value));
    tables.iter().find(|t| !is_column && t.name == name.value && !t.columns.is_empty())
}

impl Table {
    /// Its row.
    fn row(&self) -> Expr {
        let table = self;
        let columns = || table.columns.iter().map(|column| column_of(table, column));
        let members = table.columns.iter().zip(columns()).flat_map(|(name, value)| [text(name), value]);
        let row = call("named_struct", members.collect());
        if !table.optional {
            return row;
        }
        let condition = columns().map(|column| Expr::IsNotNull(Box::new(column))).reduce(|a, b| binary(a, BinaryOperator::Or, b));
        match condition {
            Some(condition) => when(condition, row),
            None => row,
        }
    }
}

impl Rows<'_> {
    fn of_call(&self, arg: &mut FunctionArg) {
        let FunctionArg::Unnamed(value) = arg else { return };
        let table = match &mut *value {
            FunctionArgExpr::Expr(Expr::Subquery(query)) => return self.of_subquery(query),
            FunctionArgExpr::Expr(Expr::Identifier(name)) => named(&self.tables, name),
            FunctionArgExpr::QualifiedWildcard(name) => self.tables.iter().find(|t| t.name == last_name(name) && !t.columns.is_empty()),
            _ => None,
        };
        if let Some(table) = table {
            *value = FunctionArgExpr::Expr(table.row());
        }
    }

    fn replace(&self, expr: &mut Expr) {
        match expr {
            Expr::Function(f) if OF_ROWS.contains(&last_name(&f.name).as_str()) => {
                if let FunctionArguments::List(list) = &mut f.args {
                    list.args.iter_mut().for_each(|arg| self.of_call(arg));
                }
            }
            // A row is NULL if all of its members are, and not NULL if none of them is.
            Expr::IsNull(operand) | Expr::IsNotNull(operand) => {
                let Expr::Identifier(name) = operand.as_ref() else { return };
                let Some(table) = named(&self.tables, name) else { return };
                let columns: Vec<Expr> = table.columns.iter().map(|column| column_of(table, column)).collect();
                let null = matches!(take(expr), Expr::IsNull(_));
                let each = columns.into_iter().map(|c| if null { Expr::IsNull(Box::new(c)) } else { Expr::IsNotNull(Box::new(c)) });
                if let Some(all) = each.reduce(|a, b| binary(a, BinaryOperator::And, b)) {
                    *expr = Expr::Nested(Box::new(all));
                }
            }
            _ => {}
        }
    }

    /// `(SELECT e FROM (SELECT ..) AS e)`, as Hasura makes a row of expressions.
    fn of_subquery(&self, query: &mut Query) {
        let Some(select) = plain_select(query) else { return };
        let tables = self.columns.tables(select);
        if let Some(item) = only_item(select)
            && let Expr::Identifier(name) = &*item
            && let Some(table) = named(&tables, name)
        {
            *item = table.row();
        }
    }
}

fn column_of(table: &Table, column: &str) -> Expr {
    Expr::CompoundIdentifier([&table.name, column].map(|name| Ident::with_quote('"', name)).to_vec())
}

fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) }
}
