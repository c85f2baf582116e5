//! Functions that return sets: `FROM generate_series(1, 3) i` has a column `i`, and `SELECT generate_series(1, 3)` has three rows. Any
//! other function in FROM is a set of one: `FROM current_schema() s` has one row, and a column `s`.
//!
//! Here they return arrays, and DataFusion's unnest expands them: in FROM each becomes `UNNEST(f(..))`, which may name the columns of
//! what stands to its left, with columns named as PostgreSQL does; in SELECT each becomes `unnest(f(..))`.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName, OrderByKind, Query, Select, SelectItem, SetExpr, TableAlias,
    TableAliasColumnDef, TableFactor, TableWithJoins, UnaryOperator, Value, VisitMut, VisitorMut,
};

use super::super::facts::{self, SET_FUNCTIONS};
use super::apart;
use super::build::{arguments, bare, call, each_expression, last_name, take};
use super::queries::{DUPLICATE, label};
use super::standard::in_places;
use super::vectors;
use crate::error::{Error, Result};
use crate::sql::ROWS_FROM;

/// Each function and its columns; one without is named as its alias is.
const SETS: &[(&str, &[&str])] = &[
    ("generate_series", &[]),
    ("generate_subscripts", &[]),
    ("string_to_table", &[]),
    ("pg_listening_channels", &[]),
    ("pg_partition_ancestors", &[]),
    ("regexp_matches", &[]),
    ("regexp_split_to_table", &[]),
    ("jsonb_array_elements", &["value"]),
    ("jsonb_array_elements_text", &["value"]),
    ("jsonb_object_keys", &[]),
    ("jsonb_path_query", &[]),
    ("jsonb_path_query_tz", &[]),
    ("jsonb_each", &["key", "value"]),
    ("jsonb_each_text", &["key", "value"]),
    ("json_array_elements", &["value"]),
    ("json_array_elements_text", &["value"]),
    ("json_object_keys", &[]),
    ("json_each", &["key", "value"]),
    ("json_each_text", &["key", "value"]),
    ("aclexplode", &["grantor", "grantee", "privilege_type", "is_grantable"]),
    ("pg_options_to_table", &["option_name", "option_value"]),
];

/// The functions that give the columns of those above, where each has its own, as arrays.
const COLUMN_WISE: &[(&str, &[&str])] = &[
    ("jsonb_each", &["pg_jsonb_each_keys", "jsonb_each"]),
    ("jsonb_each_text", &["pg_jsonb_each_text_keys", "jsonb_each_text"]),
    ("json_each", &["pg_json_each_keys", "json_each"]),
    ("json_each_text", &["pg_json_each_keys", "json_each_text"]),
    ("aclexplode", &["pg_acl_grantor", "pg_acl_grantee", "pg_acl_privilege", "pg_acl_grantable"]),
    ("pg_options_to_table", &["pg_option_name", "pg_option_value"]),
];

/// The arrays of a set's columns.
fn column_wise(function: &str, arguments: &[Expr]) -> Option<Vec<Expr>> {
    let (_, parts) = COLUMN_WISE.iter().find(|(name, _)| *name == function)?;
    Some(parts.iter().map(|part| call(part, arguments.to_vec())).collect())
}

/// What all columns of several arrays side by side are called.
const UNNEST: &str = "unnest";

/// Functions whose rows are one value each in SELECT, and what makes it of their columns.
const ROWS: &[(&str, &str)] = &[
    ("aclexplode", "pg_acl_zip"),
    ("jsonb_each", "pg_each_zip"),
    ("jsonb_each_text", "pg_each_zip"),
    ("json_each", "pg_each_zip"),
    ("json_each_text", "pg_each_zip"),
];

/// What a parser of text search makes, of which there is none.
const TOKENS: &str = "ts_token_type";

/// A series of literal numbers longer than this stays a table function, whose rows are made one by one.
const ARRAY_MAX: i64 = 10_000;

fn columns_of(function: &str) -> Option<&'static [&'static str]> {
    SETS.iter().find(|(name, _)| *name == function).map(|(_, columns)| *columns)
}

/// Functions of no argument, or of one that makes no difference, whose rows are those of a relation of that name, which is listed in
/// no catalog.
pub fn as_relation(factor: &mut TableFactor) {
    let TableFactor::Table { name, args: args @ Some(_), with_ordinality, .. } = factor else { return };
    let function = last_name(name);
    let same = args.as_ref().is_some_and(|a| a.args.is_empty() || function == TOKENS);
    if same && facts::find(SET_FUNCTIONS, &function).is_some() {
        *name = ObjectName::from(vec![Ident::new(SET_FUNCTIONS), Ident::new(function)]);
        *args = None;
        *with_ordinality = false;
    }
}

/// True for a function that returns a set.
pub fn is_set(function: &str) -> bool {
    function == "unnest" || columns_of(function).is_some()
}

/// A function in FROM as UNNEST of its array, its columns named; several of ROWS FROM as one of all their arrays.
pub fn in_from(factor: &mut TableFactor) {
    let Some(set) = Set::of(factor) else { return };
    let name = set.alias.as_ref().map_or_else(|| Ident::new(&set.function), |a| a.name.clone());
    let expanded = match set.function.as_str() {
        ROWS_FROM => side_by_side(&set.arrays),
        function => set.columns().map(|_| arrays_of(function, set.arrays.clone(), &name)),
    };
    let Some((mut arrays, mut names)) = expanded else { return };
    apart::arrays(&mut arrays);
    if set.ordinality {
        arrays.push(call("array_ordinals", arrays.clone()));
        names.push(Ident::new("ordinality"));
    }
    // More names than there are columns stay, for the planner to refuse.
    let mut columns = set.alias.map_or(vec![], |a| a.columns);
    columns.extend(names.into_iter().skip(columns.len()).map(|name| TableAliasColumnDef { name, data_type: None }));
    *factor = expanded_arrays(name, columns, arrays);
}

/// The arrays that a function's rows are made of, and what their columns are called; one that has no name of its own is called `name`.
fn arrays_of(function: &str, mut arrays: Vec<Expr>, name: &Ident) -> (Vec<Expr>, Vec<Ident>) {
    // Vectors count from 0, arrays from 1.
    let numbers = vectors::subscripts(function, &mut arrays.iter_mut().collect::<Vec<_>>());
    arrays.iter_mut().for_each(vectors::as_array);
    if let Some(numbers) = numbers {
        arrays = vec![numbers];
    } else if function != UNNEST {
        arrays = column_wise(function, &arrays).unwrap_or_else(|| {
            let value = call(function, arrays);
            vec![if columns_of(function).is_some() { value } else { call("make_array", vec![value]) }]
        });
    }
    let columns = if function == UNNEST { &[] } else { columns_of(function).unwrap_or(&[]) };
    let names = match (columns, arrays.len()) {
        ([], 1) => vec![name.clone()],
        ([], n) => (0..n).map(|i| repeated(UNNEST, i)).collect(),
        (columns, _) => columns.iter().copied().map(Ident::new).collect(),
    };
    (arrays, names)
}

/// The name of a column that so many before it have too.
fn repeated(name: &str, before: usize) -> Ident {
    Ident::with_quote('"', if before == 0 { name.to_string() } else { format!("{name}{DUPLICATE}{before}") })
}

/// The arrays and columns of all calls; `None` for what is no call.
fn side_by_side(calls: &[Expr]) -> Option<(Vec<Expr>, Vec<Ident>)> {
    let (mut arrays, mut names) = (Vec::new(), Vec::<Ident>::new());
    for expr in calls {
        let Expr::Function(f) = expr else { return None };
        let FunctionArguments::List(list) = &f.args else { return None };
        let function = last_name(&f.name);
        let (of_call, columns) = arrays_of(&function, plain(&f.name, &list.args)?, &Ident::new(&function));
        arrays.extend(of_call);
        for column in columns {
            let before = names.iter().filter(|name| name.value.split(DUPLICATE).next() == Some(column.value.as_str())).count();
            names.push(if before == 0 { column } else { repeated(&column.value, before) });
        }
    }
    Some((arrays, names))
}

/// Arrays side by side as a table of that name, a column for each.
pub fn expanded_arrays(name: Ident, columns: Vec<TableAliasColumnDef>, arrays: Vec<Expr>) -> TableFactor {
    TableFactor::UNNEST {
        alias: Some(TableAlias { explicit: true, name, columns, at: None }),
        array_exprs: arrays,
        with_offset: false,
        with_offset_alias: None,
        with_ordinality: false,
    }
}

/// A call of a function in FROM.
struct Set {
    function: String,
    arrays: Vec<Expr>,
    alias: Option<TableAlias>,
    ordinality: bool,
}

impl Set {
    fn of(factor: &TableFactor) -> Option<Set> {
        let (function, args, alias, ordinality) = match factor {
            TableFactor::Table { name, alias, args: Some(args), with_ordinality, .. } => {
                (last_name(name), plain(name, &args.args)?, alias, *with_ordinality)
            }
            TableFactor::Function { name, args, alias, with_ordinality, .. } => {
                (last_name(name), plain(name, args)?, alias, *with_ordinality)
            }
            TableFactor::UNNEST { alias, array_exprs, with_offset: false, with_ordinality, .. } => {
                ("unnest".to_string(), array_exprs.clone(), alias, *with_ordinality)
            }
            _ => return None,
        };
        Some(Set { function, arrays: args, alias: alias.clone(), ordinality })
    }

    /// The names of its columns; `None` if it is not to be changed.
    fn columns(&self) -> Option<&'static [&'static str]> {
        if self.function == "unnest" {
            return Some(&[]);
        }
        let columns = columns_of(&self.function).unwrap_or(&[]);
        let long = self.function == "generate_series" && length(&self.arrays).is_some_and(|n| n > ARRAY_MAX) && !self.ordinality;
        (!long).then_some(columns)
    }
}

/// The arguments of a function, those that are named in their places.
fn plain(function: &ObjectName, args: &[FunctionArg]) -> Option<Vec<Expr>> {
    let mut args = args.to_vec();
    in_places(&last_name(function), &mut args).ok()?;
    let expr = |arg: &FunctionArg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(e)) => Some(e.clone()),
        _ => None,
    };
    args.iter().map(expr).collect()
}

/// Elements of a series of literal numbers, at most.
fn length(args: &[Expr]) -> Option<i64> {
    let [first, last] = args.get(..2)? else { return None };
    Some(number(last)?.checked_sub(number(first)?)?.saturating_abs())
}

fn number(expr: &Expr) -> Option<i64> {
    match bare(expr) {
        Expr::Value(v) => match &v.value {
            Value::Number(n, _) => n.to_string().parse().ok(),
            _ => None,
        },
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => number(expr)?.checked_neg(),
        _ => None,
    }
}

/// A long series in FROM, which stays a function: the column is named as the alias is, or as the function.
pub fn column_of_alias(factor: &mut TableFactor) {
    let (TableFactor::Table { name, alias, args: Some(_), .. } | TableFactor::Function { name, alias, .. }) = factor else { return };
    if last_name(name) != "generate_series" {
        return;
    }
    let name = alias.as_ref().map_or_else(|| Ident::new("generate_series"), |a| a.name.clone());
    let alias = alias.get_or_insert_with(|| TableAlias { explicit: true, name: name.clone(), columns: vec![], at: None });
    if alias.columns.is_empty() {
        alias.columns.push(TableAliasColumnDef { name, data_type: None });
    }
}

/// `SELECT generate_series(..)`: the array is expanded.
pub fn expanded(select: &mut Select) {
    each_expression(&mut select.projection, |expr, subqueries| {
        let expands = |f: &str| columns_of(f).is_some_and(|columns| columns.len() < 2);
        if subqueries == 0 && matches!(expr, Expr::Function(f) if f.over.is_none() && expands(&last_name(&f.name))) {
            *expr = call("unnest", vec![take(expr)]);
        }
        if subqueries == 0
            && let Expr::Function(f) = expr
            && let Some((function, zip)) = ROWS.iter().find(|(function, _)| *function == last_name(&f.name))
        {
            let given: Vec<Expr> = arguments(f).into_iter().map(take).collect();
            *expr = call("unnest", vec![call(zip, column_wise(function, &given).unwrap_or_default())]);
        }
    });
}

/// `SELECT generate_series(1, n) .. ORDER BY generate_series(1, n)`: by the column of that. Errors: 0A000 for one that is not selected, by whose
/// rows there would be more of them.
pub fn ordered(query: &mut Query) -> Result<()> {
    let Query { body, order_by: Some(order), .. } = query else { return Ok(()) };
    let (SetExpr::Select(select), OrderByKind::Expressions(by)) = (body.as_mut(), &mut order.kind) else { return Ok(()) };
    for by in by {
        let mut expands = false;
        each_expression(&mut by.expr, |expr, subqueries| {
            expands |= subqueries == 0 && matches!(expr, Expr::Function(f) if f.over.is_none() && is_set(&last_name(&f.name)));
        });
        if !expands {
            continue;
        }
        let is_it = |item: &SelectItem| match item {
            SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => *expr == by.expr,
            _ => false,
        };
        let Some(place) = select.projection.iter().position(is_it) else {
            let error = Error::unsupported(format!("{} in ORDER BY, but not in SELECT, is not supported", by.expr));
            return Err(error.hint("Select it, or put it into FROM, and order by its column."));
        };
        let alias = match &mut select.projection[place] {
            SelectItem::ExprWithAlias { alias, .. } => alias.clone(),
            item => {
                let alias = Ident::with_quote('"', format!("{}{DUPLICATE}{place}", label(&by.expr)));
                *item = SelectItem::ExprWithAlias { expr: by.expr.clone(), alias: alias.clone() };
                alias
            }
        };
        by.expr = Expr::Identifier(alias);
    }
    Ok(())
}

/// `FROM jsonb_array_elements(j) AS e`: the column is `value`, and `e` alone means it too.
pub fn alias_as_value(select: &mut Select) {
    let factors = |t: &TableWithJoins| -> Vec<TableFactor> {
        std::iter::once(t.relation.clone()).chain(t.joins.iter().map(|j| j.relation.clone())).collect()
    };
    let named = |factor: TableFactor| {
        let set = Set::of(&factor)?;
        let alias = set.alias.filter(|a| a.columns.is_empty())?;
        (columns_of(&set.function) == Some(&["value"])).then_some(alias.name)
    };
    let aliases: Vec<Ident> = select.from.iter().flat_map(factors).filter_map(named).collect();
    if !aliases.is_empty() {
        let _ = VisitMut::visit(select, &mut Named { aliases });
    }
}

struct Named {
    aliases: Vec<Ident>,
}

impl VisitorMut for Named {
    type Break = ();
    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Identifier(ident) = expr
            && self.aliases.contains(ident)
        {
            *expr = Expr::CompoundIdentifier(vec![ident.clone(), Ident::new("value")]);
        }
        ControlFlow::Continue(())
    }
}
