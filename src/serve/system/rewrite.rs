//! Rewrites what PostgreSQL's clients send into what DataFusion can plan, on the syntax tree.
//!
//! [`rewrite`] walks a statement once; at each node it tries the rules of [`BEFORE`] on the way down, where a rule must see what
//! its operands were written as, and those of [`AFTER`] on the way up, where the operands are rewritten already. A rule
//! is a small function that changes the node it knows and leaves the rest alone, so their order within a list matters
//! only where a rule says so. What other rules want to see as it was written comes last: [`array_of::Constructors`]. The helpers that build expressions are in `build`; rules for whole queries in `queries`.

mod aggregates;
mod apart;
mod array_of;
mod build;
mod calls;
mod casts;
mod columns;
mod copies;
mod cte_names;
mod distinct_from;
mod expanding;
mod frame_offsets;
mod grouping;
mod hidden_names;
mod hiding_ctes;
mod hypothetical;
mod keys;
mod like_any;
mod named_windows;
mod nested_arrays;
mod numbers;
mod ordered_input;
mod outer_aggregates;
mod outer_grouping;
mod outer_names;
mod partitions;
mod present;
mod quantified;
mod queries;
mod recordsets;
mod recursion;
mod recursive_form;
mod row_stars;
mod row_wise;
mod sequences;
mod series;
mod shared_columns;
mod standard;
mod system_columns;
mod tables;
mod ties;
mod traversal;
mod true_types;
mod values;
mod vectors;
mod whole_row;
mod wildcards;
mod written_types;

use std::ops::ControlFlow;

use sqlparser::ast::{
    AccessExpr, BinaryOperator, Cte, Expr, FunctionArguments, Ident, ObjectName, ObjectNamePart, Query, Select, Statement, Subscript,
    TableFactor, TableFunctionArgs, Value, VisitMut, VisitorMut,
};

use super::SystemContext;
use crate::catalog::Name;
use crate::error::{Error, Result, code};
use crate::func::SLICES;
use crate::sql::fold_name;
use build::{call, last_name, literal, strings, take};
use columns::Columns;
use copies::Copies;

pub use outer_aggregates::is_aggregate;
pub use queries::DUPLICATE;
pub use recursion::with_declared_types;
pub use row_stars::{expand_row_stars, is_row_star};

type Rule = fn(&mut Expr, &SystemContext) -> Result<()>;

/// Rules for the way down.
const BEFORE: &[Rule] = &[
    hidden_names::of_expression,
    values::as_select,
    frame_offsets::in_partition,
    casts::called,
    calls::misused,
    numbers::beyond_numeric,
    numbers::negated,
    true_types::spelled_out,
    casts::to_standard,
    casts::of_array,
    distinct_from::regrouped,
    hypothetical::counted,
    row_wise::compared,
    row_wise::beside_query,
    standard::overlaps,
    casts::compared,
    casts::chained,
    casts::joined,
    casts::of_sequence,
    casts::to_domain,
    standard::age,
    standard::lsn_difference,
    standard::extract_field,
    standard::bytes,
    standard::rows_or_empty,
    array_of::of_aggregate,
    nested_arrays::flattened,
    recordsets::as_value,
    casts::bits_as_number,
    casts::bit_string,
    like_any::spelled_out,
    like_any::boolean_literal,
    queries::some_column,
    queries::only_expression,
    queries::always_null,
    keys::column_names,
    queries::base_of_domain,
    queries::array_of_options,
    queries::roles_of_policy,
    vectors::expanded_field,
    vectors::subscript,
];

/// Rules for the way up.
const AFTER: &[Rule] = &[
    unqualified_function,
    calls::of_row,
    standard::named_arguments,
    standard::prefix_operator,
    standard::random_uuid,
    standard::known_uuid,
    standard::similar,
    standard::substring,
    standard::normalized,
    keyword_function,
    custom_operator,
    collate,
    slice,
    struct_field,
    at_time_zone,
    any_of_literal,
    quantified::compared,
    like_escape,
    vectors::array_literal,
    array_of::array_of_query,
    aggregates::constant_order,
    aggregates::collected,
    queries::scalar_subquery,
    vectors::vector_argument,
    vectors::any_of_vector,
    quantified::sought,
    casts::to_users_type,
    casts::cast,
    present::present,
    present::precision,
];

/// Rewrites the statement in place. Errors: 54001 where the rules would copy too much (`copies`); 42P01, 42704, 42883 for a literal such as `'nothing'::regclass` that names nothing.
pub fn rewrite(statement: &mut Statement, context: &SystemContext) -> Result<()> {
    if let Statement::Query(query) = statement {
        queries::without_parentheses(query);
        hidden_names::of_query(query);
    }
    let copies = Copies::of(statement);
    let rewritten = VisitMut::visit(statement, &mut Rewriter { context, ctes: Ctes::default(), around: vec![], copies });
    let _ = VisitMut::visit(statement, &mut array_of::Constructors);
    rewritten.break_value().map_or(Ok(()), Err)
}

struct Rewriter<'a> {
    context: &'a SystemContext,
    ctes: Ctes,
    /// The SELECTs around a place.
    around: Vec<outer_aggregates::Scope>,
    copies: Copies,
}

/// The WITH queries of each query around a place, by name.
#[derive(Default)]
struct Ctes(Vec<Vec<Cte>>);

impl Ctes {
    fn has(&self, name: &Name) -> bool {
        self.find(name).is_some()
    }

    fn find(&self, name: &Name) -> Option<&Cte> {
        let mut all = self.0.iter().rev().flatten().filter(|_| name.schema.is_none());
        all.find(|cte| fold_name(&cte.alias.name) == name.name)
    }
}

impl Rewriter<'_> {
    fn apply(&mut self, rules: &[Rule], expr: &mut Expr) -> ControlFlow<Error> {
        match self.copies.counted(expr, |expr| rules.iter().try_for_each(|rule| rule(expr, self.context))) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }
}

impl VisitorMut for Rewriter<'_> {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        queries::without_parentheses(query);
        if let Err(error) =
            recursive_form::checked(query).and_then(|()| recursive_form::arranged(query)).and_then(|()| traversal::written_out(query))
        {
            return ControlFlow::Break(error);
        }
        let known = |name: &str| self.ctes.0.iter().flatten().any(|cte| fold_name(&cte.alias.name) == name);
        if let Err(error) = hiding_ctes::told_apart(query, self.ctes.0.len(), known) {
            return ControlFlow::Break(error);
        }
        self.ctes.0.push(query.with.iter().flat_map(|with| &with.cte_tables).cloned().collect());
        if let Err(error) = system_columns::of_order(query, &self.ctes, self.context) {
            return ControlFlow::Break(error);
        }
        let columns = Columns { ctes: &self.ctes, context: self.context };
        if let Err(error) = shared_columns::of_query(query, columns) {
            return ControlFlow::Break(error);
        }
        if let Err(error) = named_windows::of_order(query) {
            return ControlFlow::Break(error);
        }
        values::plannable(query);
        queries::columns_of_parts(query);
        grouping::by_primary_key(query, &self.context.scope);
        grouping::ordered_by_position(query);
        recursion::typed(query);
        let columns = Columns { ctes: &self.ctes, context: self.context };
        if let Err(error) = outer_grouping::of_query(query, self.around.len(), columns) {
            return ControlFlow::Break(error);
        }
        outer_names::of_order(query, &self.around, Columns { ctes: &self.ctes, context: self.context });
        apart::told_apart(query);
        match series::ordered(query)
            .and_then(|()| grouping::distinct_by_position(query))
            .and_then(|()| ties::ranked(query))
            .and_then(|()| queries::fetch_first(query))
            .and_then(|()| queries::limit_literals(query))
            .and_then(|()| queries::no_locks(query))
            .and_then(|()| cte_names::of_first(query))
        {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }
    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<Error> {
        self.ctes.0.pop();
        ControlFlow::Continue(())
    }
    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
        if let Err(error) = tables::named_once(select).and_then(|()| named_windows::of_select(select)) {
            return ControlFlow::Break(error);
        }
        let columns = Columns { ctes: &self.ctes, context: self.context };
        if let Err(error) = outer_grouping::of_select(select, self.around.len(), columns) {
            return ControlFlow::Break(error);
        }
        match outer_aggregates::refused(select, &self.around, columns) {
            Ok(scope) => self.around.push(scope),
            Err(error) => return ControlFlow::Break(error),
        }
        select.selection.iter_mut().chain(&mut select.having).chain(build::conditions(&mut select.from)).for_each(like_any::as_boolean);
        whole_row::of_select(select, &self.ctes, self.context);
        ordered_input::of_select(select, &self.ctes);
        if let Err(error) = system_columns::of_select(select, &self.ctes, self.context) {
            return ControlFlow::Break(error);
        }
        wildcards::qualify(select);
        let columns = Columns { ctes: &self.ctes, context: self.context };
        if let Err(error) = shared_columns::of_select(select, columns) {
            return ControlFlow::Break(error);
        }
        series::alias_as_value(select);
        if let Err(error) = grouping::expand(select) {
            return ControlFlow::Break(error);
        }
        series::expanded(select);
        grouping::having_alone(select);
        queries::labels(select, Columns { ctes: &self.ctes, context: self.context });
        let around = self.around.len().saturating_sub(1);
        outer_names::told_apart(select, &self.around[..around], Columns { ctes: &self.ctes, context: self.context });
        ControlFlow::Continue(())
    }
    fn post_visit_select(&mut self, _: &mut Select) -> ControlFlow<Error> {
        self.around.pop();
        ControlFlow::Continue(())
    }
    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
        if let Err(error) = tables::of_database(factor, self.context).and_then(|()| tables::whole(factor)) {
            return ControlFlow::Break(error);
        }
        table_function(factor);
        shared_columns::as_query(factor);
        if let Err(error) = sequences::as_relation(factor, &self.ctes, self.context) {
            return ControlFlow::Break(error);
        }
        if let Err(error) = partitions::in_from(factor) {
            return ControlFlow::Break(error);
        }
        if let Err(error) = recordsets::in_from(factor, self.context) {
            return ControlFlow::Break(error);
        }
        nested_arrays::in_from(factor);
        series::as_relation(factor);
        series::in_from(factor);
        series::column_of_alias(factor);
        expanding::name_derived(factor, Columns { ctes: &self.ctes, context: self.context });
        ControlFlow::Continue(())
    }
    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        self.apply(BEFORE, expr)
    }
    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        self.apply(AFTER, expr)
    }
}

/// `pg_catalog.f(..)` is `f(..)`: psql, pgjdbc and SQLAlchemy qualify every call.
fn unqualified(name: &mut ObjectName) {
    if let [ObjectNamePart::Identifier(schema), _] = name.0.as_slice()
        && matches!(schema.value.to_ascii_lowercase().as_str(), "pg_catalog" | "information_schema")
    {
        name.0.remove(0);
    }
    if let [ObjectNamePart::Identifier(f)] = name.0.as_mut_slice()
        && f.quote_style.is_none()
    {
        f.value.make_ascii_lowercase();
    }
}

fn unqualified_function(expr: &mut Expr, _: &SystemContext) -> Result<()> {
    if let Expr::Function(f) = expr {
        unqualified(&mut f.name);
        if last_name(&f.name) == "_pg_expandarray" {
            f.name = ObjectName::from(vec![Ident::new("pg_expandarray")]);
        }
    }
    Ok(())
}

/// The same for functions in FROM: `pg_catalog.generate_series(..)`, `pg_catalog.unnest(..)` (psql, pgjdbc); and those that are called
/// without parentheses, `FROM current_date`.
fn table_function(factor: &mut TableFactor) {
    match factor {
        TableFactor::Table { name, args: Some(_), .. } | TableFactor::Function { name, .. } => unqualified(name),
        TableFactor::Table { name, args: args @ None, .. } => {
            if let [ObjectNamePart::Identifier(word)] = name.0.as_slice()
                && word.quote_style.is_none()
                && KEYWORDS.iter().chain(&TIMES).any(|known| word.value.eq_ignore_ascii_case(known))
            {
                unqualified(name);
                *args = Some(TableFunctionArgs { args: vec![], settings: None });
            }
        }
        _ => {}
    }
}

/// Functions that PostgreSQL's grammar calls without parentheses.
const KEYWORDS: [&str; 6] = ["current_user", "session_user", "user", "current_catalog", "current_schema", "current_role"];
/// Those of them that DataFusion knows.
const TIMES: [&str; 5] = ["current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"];

/// `current_user`, `session_user`, `user`, `current_catalog`, `current_schema` without parentheses are calls (DBeaver, Grafana).
fn keyword_function(expr: &mut Expr, _: &SystemContext) -> Result<()> {
    match expr {
        Expr::Function(f) if matches!(f.args, FunctionArguments::None) && KEYWORDS.contains(&last_name(&f.name).as_str()) => {
            *expr = call(&last_name(&f.name), vec![]);
        }
        Expr::Identifier(i)
            if i.quote_style.is_none() && matches!(i.value.to_ascii_lowercase().as_str(), "current_schema" | "current_role") =>
        {
            *expr = call(&i.value.to_ascii_lowercase(), vec![]);
        }
        _ => {}
    }
    Ok(())
}

/// `x AT TIME ZONE z` is `timezone(z, x)`, as in PostgreSQL's grammar.
fn at_time_zone(expr: &mut Expr, _: &SystemContext) -> Result<()> {
    if let Expr::AtTimeZone { timestamp, time_zone } = expr {
        *expr = call("timezone", vec![take(time_zone), take(timestamp)]);
    }
    Ok(())
}

/// `OPERATOR(pg_catalog.~)` is `~`: psql writes every pattern so.
fn custom_operator(expr: &mut Expr, _: &SystemContext) -> Result<()> {
    let Expr::BinaryOp { op, .. } = expr else { return Ok(()) };
    let BinaryOperator::PGCustomBinaryOperator(parts) = op else { return Ok(()) };
    let Some(symbol) = parts.last() else { return Ok(()) };
    *op = match symbol.as_str() {
        "~" => BinaryOperator::PGRegexMatch,
        "~*" => BinaryOperator::PGRegexIMatch,
        "!~" => BinaryOperator::PGRegexNotMatch,
        "!~*" => BinaryOperator::PGRegexNotIMatch,
        "~~" => BinaryOperator::PGLikeMatch,
        "!~~" => BinaryOperator::PGNotLikeMatch,
        "=" => BinaryOperator::Eq,
        "<>" => BinaryOperator::NotEq,
        "<" => BinaryOperator::Lt,
        "<=" => BinaryOperator::LtEq,
        ">" => BinaryOperator::Gt,
        ">=" => BinaryOperator::GtEq,
        "+" => BinaryOperator::Plus,
        "-" => BinaryOperator::Minus,
        "*" => BinaryOperator::Multiply,
        "/" => BinaryOperator::Divide,
        "||" => BinaryOperator::StringConcat,
        "%" => BinaryOperator::Modulo,
        "&" => BinaryOperator::BitwiseAnd,
        "|" => BinaryOperator::BitwiseOr,
        "&&" => BinaryOperator::PGOverlap,
        "@>" => BinaryOperator::AtArrow,
        "<@" => BinaryOperator::ArrowAt,
        "->" => BinaryOperator::Arrow,
        "->>" => BinaryOperator::LongArrow,
        "#>" => BinaryOperator::HashArrow,
        "#>>" => BinaryOperator::HashLongArrow,
        "?" => BinaryOperator::Question,
        "@?" => BinaryOperator::AtQuestion,
        "@@" => BinaryOperator::AtAt,
        other => return Err(Error::unsupported(format!("OPERATOR({other}) is not supported")).hint("Write the operator by itself.")),
    };
    Ok(())
}

/// `COLLATE pg_catalog.default` and `COLLATE "C"` are how text compares anyway (psql). Errors: 0A000 for any other collation.
fn collate(expr: &mut Expr, _: &SystemContext) -> Result<()> {
    let Expr::Collate { expr: inner, collation } = expr else { return Ok(()) };
    let name = last_name(collation);
    if !matches!(name.as_str(), "default" | "c" | "C" | "posix" | "POSIX" | "ucs_basic") {
        let error = Error::unsupported(format!("collation \"{name}\" is not supported"));
        return Err(error.hint("Text is compared by its bytes: write COLLATE \"C\", or nothing."));
    }
    *expr = std::mem::replace(inner, literal(Value::Null));
    Ok(())
}

/// `a[:n]` and `a[n:]`: a bound that is left out is the array's own. `(array_agg(x))[1]` is the element of an array, where the planner would
/// make another aggregate of it.
fn slice(expr: &mut Expr, _: &SystemContext) -> Result<()> {
    let Expr::CompoundFieldAccess { root, access_chain } = expr else { return Ok(()) };
    let aggregate = matches!(build::bare(root), Expr::Function(f) if last_name(&f.name) == "array_agg");
    if aggregate && access_chain.iter().all(|access| matches!(access, AccessExpr::Subscript(Subscript::Index { .. }))) {
        let of = |array: Expr, access: &mut AccessExpr| match access {
            AccessExpr::Subscript(Subscript::Index { index }) => call("array_element", vec![array, take(index)]),
            _ => array,
        };
        let element = access_chain.iter_mut().fold(take(root), of);
        *expr = element;
        return Ok(());
    }
    if let Some(bounds) = bounds_of_slices(access_chain)? {
        *expr = call(SLICES, std::iter::once(take(root)).chain(bounds).collect());
        return Ok(());
    }
    for access in access_chain {
        let AccessExpr::Subscript(Subscript::Slice { lower_bound, upper_bound, .. }) = access else { continue };
        let number = |n: i32| literal(Value::Number(n.to_string(), false));
        lower_bound.get_or_insert_with(|| number(1));
        upper_bound.get_or_insert_with(|| number(i32::MAX));
    }
    Ok(())
}

/// The most dimensions of an array.
const DIMENSIONS_MAX: usize = 6;

/// The first and the last place in each dimension of several subscripts of which one is a slice at least. Errors: 54000 for more than an array has.
fn bounds_of_slices(subscripts: &mut [AccessExpr]) -> Result<Option<Vec<Expr>>> {
    let is_slice = |access: &AccessExpr| matches!(access, AccessExpr::Subscript(Subscript::Slice { .. }));
    let are_subscripts = subscripts.iter().all(|access| matches!(access, AccessExpr::Subscript(_)));
    if subscripts.len() < 2 || !are_subscripts || !subscripts.iter().any(is_slice) {
        return Ok(None);
    }
    let count = subscripts.len();
    if count > DIMENSIONS_MAX {
        let message = format!("number of array dimensions ({count}) exceeds the maximum allowed ({DIMENSIONS_MAX})");
        return Err(Error::new(code::PROGRAM_LIMIT_EXCEEDED, message));
    }
    let number = |n: i32| literal(Value::Number(n.to_string(), false));
    let bounds = subscripts.iter_mut().flat_map(|access| match access {
        AccessExpr::Subscript(Subscript::Slice { lower_bound, upper_bound, .. }) => {
            [lower_bound.take().unwrap_or_else(|| number(1)), upper_bound.take().unwrap_or_else(|| number(i32::MAX))]
        }
        AccessExpr::Subscript(Subscript::Index { index }) => [number(1), take(index)],
        AccessExpr::Dot(_) => [number(1), number(i32::MAX)],
    });
    Ok(Some(bounds.collect()))
}

/// `(row).field` is get_field(row, 'field'), and so on along `(row).field.of_field` and `(row).array[1].field`.
fn struct_field(expr: &mut Expr, _: &SystemContext) -> Result<()> {
    let Expr::CompoundFieldAccess { root, access_chain } = expr else { return Ok(()) };
    let is_field = |access: &AccessExpr| matches!(access, AccessExpr::Dot(Expr::Identifier(_)));
    let is_element = |access: &AccessExpr| matches!(access, AccessExpr::Subscript(Subscript::Index { .. }));
    let begins = matches!(root.as_ref(), Expr::Nested(_)) && access_chain.first().is_some_and(is_field);
    if !begins || !access_chain.iter().all(|access| is_field(access) || is_element(access)) {
        return Ok(());
    }
    let mut value = take(root);
    for access in std::mem::take(access_chain) {
        value = match (access, value) {
            (AccessExpr::Dot(Expr::Identifier(field)), row) => {
                call("get_field", vec![row, literal(Value::SingleQuotedString(fold_name(&field)))])
            }
            (element, Expr::CompoundFieldAccess { root, mut access_chain }) => {
                access_chain.push(element);
                Expr::CompoundFieldAccess { root, access_chain }
            }
            (element, array) => Expr::CompoundFieldAccess { root: Box::new(array), access_chain: vec![element] },
        };
    }
    *expr = value;
    Ok(())
}

/// `x = ANY('{r,p}')` and `x = ANY(ARRAY['r','p'])` are IN lists, `<> ALL` a NOT IN (pgcli, SQLAlchemy).
fn any_of_literal(expr: &mut Expr, _: &SystemContext) -> Result<()> {
    let (left, right, negated) = match expr {
        Expr::AnyOp { left, compare_op: BinaryOperator::Eq, right, .. } => (left, right, false),
        Expr::AllOp { left, compare_op: BinaryOperator::NotEq, right } => (left, right, true),
        _ => return Ok(()),
    };
    let list = match build::bare(right) {
        Expr::Array(array) if !array.elem.is_empty() => array.elem.clone(),
        Expr::Value(v) => match &v.value {
            Value::SingleQuotedString(text) => strings(text)?,
            _ => return Ok(()),
        },
        _ => return Ok(()),
    };
    if list.is_empty() {
        // Nothing is in an empty array, and everything is unlike all of it.
        *expr = literal(Value::Boolean(negated));
        return Ok(());
    }
    let left = std::mem::replace(left, Box::new(literal(Value::Null)));
    *expr = Expr::InList { expr: left, list, negated };
    Ok(())
}

/// `LIKE p ESCAPE '/'` is LIKE with the backslash that DataFusion takes (SQLAlchemy), so `//` is a `/`; with `ESCAPE ''` nothing escapes
/// (Hibernate).
fn like_escape(expr: &mut Expr, _: &SystemContext) -> Result<()> {
    let (Expr::Like { pattern, escape_char, .. } | Expr::ILike { pattern, escape_char, .. }) = expr else { return Ok(()) };
    let Some(Value::SingleQuotedString(escape)) = escape_char.as_ref().map(|v| v.value.clone()) else { return Ok(()) };
    if escape == "\\" {
        return Ok(());
    }
    **pattern = call("like_escape", vec![take(pattern), build::text(&escape)]);
    *escape_char = None;
    Ok(())
}

#[cfg(test)]
mod tests;
