//! A whole row as a value: `SELECT t`, `row_to_json(t)`, `json_agg(t)`, `count(t)`, `t::text`, `(t.*)::text`, `t IS NOT NULL`, where `t` is a table of FROM and no column
//! of one (manual, chapter 8.16.5). It becomes a struct of the table's columns; a row that an outer join left out is NULL. `(t).a` is `t.a`.
//!
//! Where the columns of a table are not known ([`Columns`]), the name stays, and is refused when it is planned.

use std::ops::ControlFlow;

use sqlparser::ast::{
    AccessExpr, BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Query, Select, SelectItem,
    TableFactor, visit_expressions,
};

use super::super::SystemContext;
use super::Ctes;
use super::build::{bare, binary, call, column_of, each_expression, last_name, take, text, when, with_optional};
use super::columns::Columns;
use super::queries::{only_item, plain_select, table_name};
use crate::sql::fold_name;

/// Functions of rows, or of values of any type.
const OF_ROWS: &[&str] = &[
    "array_agg",
    "concat",
    "concat_ws",
    "count",
    "format",
    "json_agg",
    "json_build_array",
    "json_build_object",
    "json_object_agg",
    "jsonb_agg",
    "jsonb_build_array",
    "jsonb_build_object",
    "jsonb_object_agg",
    "row_to_json",
    "to_json",
    "to_jsonb",
];

/// A table of FROM.
struct Table {
    name: String,
    columns: Vec<String>,
    /// An outer join may leave its row out.
    optional: bool,
    /// Its rows are the values of a function.
    of_function: bool,
}

/// Puts structs for the rows that the expressions of a SELECT name.
pub fn of_select(select: &mut Select, ctes: &Ctes, context: &SystemContext) {
    if !names_a_table(select) {
        return;
    }
    let columns = Columns { ctes, context };
    let tables = tables_of(select, columns);
    let rows = Rows { tables, columns };
    select.projection.iter_mut().for_each(|item| rows.as_item(item));
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
            Expr::Identifier(name) => is_table(&fold_name(name)),
            Expr::QualifiedWildcard(name, _) => is_table(&last_name(name)),
            Expr::Function(f) => matches!(&f.args, FunctionArguments::List(list) if list.args.iter().any(|a| wild(a) || query(a))),
            _ => false,
        };
        if names { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    found.is_break()
}

/// What FROM has, with the columns that are known.
fn tables_of(select: &Select, columns: Columns<'_>) -> Vec<Table> {
    let named = |(factor, optional)| {
        let columns = columns.of_factor(factor, 0).unwrap_or_default();
        let of_function = !matches!(factor, TableFactor::Table { args: None, .. } | TableFactor::Derived { .. });
        Some(Table { name: table_name(factor)?, columns, optional, of_function })
    };
    select.from.iter().flat_map(with_optional).filter_map(named).collect()
}

struct Rows<'a> {
    tables: Vec<Table>,
    columns: Columns<'a>,
}

/// The table whose row a name means.
fn named<'a>(tables: &'a [Table], name: &Ident) -> Option<&'a Table> {
    let is_column = tables.iter().any(|t| t.columns.contains(&name.value));
    tables.iter().find(|t| !is_column && t.name == fold_name(name) && !t.columns.is_empty())
}

/// What `t`, or `(t.*)`, names.
fn row_name(expr: &Expr) -> Option<&Ident> {
    match bare(expr) {
        Expr::Identifier(name) => Some(name),
        Expr::QualifiedWildcard(name, _) => match name.0.as_slice() {
            [name] => name.as_ident(),
            _ => None,
        },
        _ => None,
    }
}

impl Table {
    /// Its row.
    fn row(&self) -> Expr {
        let table = self;
        let columns = || table.columns.iter().map(|column| column_of(&table.name, column));
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

    /// `SELECT t`, under the table's name. One column of a function's is no row, but its value.
    fn as_item(&self, item: &mut SelectItem) {
        let named = |name: &Ident| named(&self.tables, name).filter(|table| !table.of_function || table.columns.len() > 1);
        match item {
            SelectItem::UnnamedExpr(Expr::Identifier(name)) => {
                if let Some(table) = named(name) {
                    *item = SelectItem::ExprWithAlias { expr: table.row(), alias: Ident::with_quote('"', &table.name) };
                }
            }
            SelectItem::ExprWithAlias { expr, .. } => {
                if let Expr::Identifier(name) = &*expr
                    && let Some(table) = named(name)
                {
                    *expr = table.row();
                }
            }
            _ => {}
        }
    }

    fn replace(&self, expr: &mut Expr) {
        match expr {
            Expr::CompoundFieldAccess { root, access_chain } => {
                let [AccessExpr::Dot(Expr::Identifier(column))] = access_chain.as_slice() else { return };
                let (Expr::Nested(row), column) = (root.as_ref(), fold_name(column)) else { return };
                if let Expr::Identifier(name) = row.as_ref()
                    && let Some(table) = named(&self.tables, name)
                    && table.columns.contains(&column)
                {
                    *expr = column_of(&table.name, &column);
                }
            }
            Expr::Function(f) if last_name(&f.name) == "row" => self.expand(f),
            Expr::Function(f) if OF_ROWS.contains(&last_name(&f.name).as_str()) => {
                if let FunctionArguments::List(list) = &mut f.args {
                    list.args.iter_mut().for_each(|arg| self.of_call(arg));
                }
            }
            Expr::Cast { expr: operand, .. } => {
                if let Some(name) = row_name(operand)
                    && let Some(table) = named(&self.tables, name).filter(|table| !table.of_function || table.columns.len() > 1)
                {
                    **operand = table.row();
                }
            }
            // A row is NULL if all of its members are, and not NULL if none of them is.
            Expr::IsNull(operand) | Expr::IsNotNull(operand) => {
                let Some(table) = row_name(operand).and_then(|name| named(&self.tables, name)) else { return };
                let columns: Vec<Expr> = table.columns.iter().map(|column| column_of(&table.name, column)).collect();
                let null = matches!(take(expr), Expr::IsNull(_));
                let each = columns.into_iter().map(|c| if null { Expr::IsNull(Box::new(c)) } else { Expr::IsNotNull(Box::new(c)) });
                if let Some(all) = each.reduce(|a, b| binary(a, BinaryOperator::And, b)) {
                    *expr = Expr::Nested(Box::new(all));
                }
            }
            _ => {}
        }
    }

    /// `row(t.*)` has the columns of the table for its own.
    fn expand(&self, f: &mut Function) {
        let FunctionArguments::List(list) = &mut f.args else { return };
        let args = std::mem::take(&mut list.args);
        list.args = args.into_iter().flat_map(|arg| self.members(arg)).collect();
    }

    fn members(&self, arg: FunctionArg) -> Vec<FunctionArg> {
        let FunctionArg::Unnamed(FunctionArgExpr::QualifiedWildcard(name)) = &arg else { return vec![arg] };
        match self.tables.iter().find(|t| t.name == last_name(name) && !t.columns.is_empty()) {
            Some(table) => {
                let columns = table.columns.iter().map(|column| column_of(&table.name, column));
                columns.map(|column| FunctionArg::Unnamed(FunctionArgExpr::Expr(column))).collect()
            }
            None => vec![arg],
        }
    }

    /// `(SELECT e FROM (SELECT ..) AS e)`, as Hasura makes a row of expressions.
    fn of_subquery(&self, query: &mut Query) {
        let Some(select) = plain_select(query) else { return };
        let tables = tables_of(select, self.columns);
        if let Some(item) = only_item(select)
            && let Expr::Identifier(name) = &*item
            && let Some(table) = named(&tables, name)
        {
            *item = table.row();
        }
    }
}
