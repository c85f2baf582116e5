//! Rules about queries and subqueries.

use hashbrown::HashSet;
use sqlparser::ast::{
    BinaryOperator, CastKind, DataType, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, Ident, LimitClause, ObjectName,
    Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, TableFactor, TableWithJoins, TrimWhereField, Value,
};

use super::super::SystemContext;
use super::super::facts;
use super::super::relations::is_empty;
use super::build::{binary, call, column_name, last_name, literal, take, when, with_optional};
use super::columns::Columns;
use super::hidden_names;
use super::series::is_set;
use crate::data::PgType;
use crate::error::{Error, Result, code};
use crate::sql::fold_name;
use crate::sql::parse::written_expression;

/// Ends the name of an output column that another one before it bears already, followed by a number: DataFusion wants names unique.
/// Whoever shows names to a client cuts them there.
pub const DUPLICATE: char = '\u{1}';

/// `(SELECT ..)` as a whole query is what stands within (pgAdmin): its ORDER BY is the query's.
pub fn without_parentheses(query: &mut Query) {
    while query.with.is_none()
        && query.order_by.is_none()
        && query.limit_clause.is_none()
        && query.fetch.is_none()
        && query.locks.is_empty()
    {
        let SetExpr::Query(inner) = query.body.as_ref() else { return };
        *query = inner.as_ref().clone();
    }
}

/// The only SELECT of a query, if it is nothing but that.
pub fn plain_select(query: &mut Query) -> Option<&mut Select> {
    if query.with.is_some() || query.limit_clause.is_some() || query.fetch.is_some() {
        return None;
    }
    match query.body.as_mut() {
        SetExpr::Select(select) => Some(select),
        _ => None,
    }
}

pub fn is_grouped(select: &Select) -> bool {
    !matches!(&select.group_by, GroupByExpr::Expressions(e, _) if e.is_empty()) || select.having.is_some()
}

pub fn only_item(select: &mut Select) -> Option<&mut Expr> {
    match select.projection.as_mut_slice() {
        [SelectItem::UnnamedExpr(e) | SelectItem::ExprWithAlias { expr: e, .. }] => Some(e),
        _ => None,
    }
}

/// `ARRAY(SELECT .. FROM unnest(column) x)` is the column's array: psql shows options so (`reloptions`, `evttags`), pg_dump those of foreign
/// data by pg_options_to_table(), which nothing here has.
pub fn array_of_options(expr: &mut Expr, _: &SystemContext) -> Result<()> {
    let Expr::Function(f) = expr else { return Ok(()) };
    let FunctionArguments::Subquery(query) = &mut f.args else { return Ok(()) };
    if last_name(&f.name) != "array" {
        return Ok(());
    }
    let Some(select) = plain_select(query) else { return Ok(()) };
    let column = match select.from.as_slice() {
        [TableWithJoins { relation, joins }] if joins.is_empty() => unnested(relation),
        _ => None,
    };
    if let Some(column) = column.filter(|c| column_name(c).is_some_and(|n| OPTIONS.contains(&n.as_str()))) {
        *expr = call("pg_array_or_empty", vec![column]);
    }
    Ok(())
}

/// Columns of options, NULL in every row.
const OPTIONS: [&str; 5] = ["reloptions", "evttags", "attfdwoptions", "fdwoptions", "srvoptions"];

/// `ARRAY(SELECT rolname FROM pg_roles WHERE oid = ANY (polroles))`, the roles of a row-level policy (psql's \d and \dp):
/// DataFusion plans only equalities between a subquery and what is around it, so a function of ours answers their names.
pub fn roles_of_policy(expr: &mut Expr, _: &SystemContext) -> Result<()> {
    let Expr::Function(f) = expr else { return Ok(()) };
    let FunctionArguments::Subquery(query) = &mut f.args else { return Ok(()) };
    if last_name(&f.name) != "array" {
        return Ok(());
    }
    let Some(select) = plain_select(query) else { return Ok(()) };
    let Some(Expr::AnyOp { right, .. }) = &select.selection else { return Ok(()) };
    let of_policy = column_name(right).is_some_and(|n| n == "polroles");
    if of_policy && select.from.len() == 1 && table_is(&select.from[0].relation, "pg_roles") {
        *expr = written_expression(&format!("string_to_array(pg_role_names(array_to_string({right}, ',')), ',')"))?;
    }
    Ok(())
}

fn table_is(factor: &TableFactor, wanted: &str) -> bool {
    matches!(factor, TableFactor::Table { name, .. } if last_name(name) == wanted)
}

fn null_of(data_type: DataType) -> Expr {
    Expr::Cast { kind: CastKind::Cast, expr: Box::new(literal(Value::Null)), data_type, array: false, format: None }
}

/// The one argument of `unnest(x)` or `pg_options_to_table(x)` in FROM.
fn unnested(factor: &TableFactor) -> Option<Expr> {
    let expands = |name: &ObjectName| matches!(last_name(name).as_str(), "unnest" | "pg_options_to_table");
    match factor {
        TableFactor::UNNEST { array_exprs, .. } => array_exprs.first().cloned(),
        TableFactor::Table { name, args: Some(args), .. } if expands(name) => match args.args.as_slice() {
            [FunctionArg::Unnamed(FunctionArgExpr::Expr(e))] => Some(e.clone()),
            _ => None,
        },
        TableFactor::Function { name, args, .. } if expands(name) => match args.as_slice() {
            [FunctionArg::Unnamed(FunctionArgExpr::Expr(e))] => Some(e.clone()),
            _ => None,
        },
        _ => None,
    }
}

/// A correlated subquery over a catalog that gives one value at most is planned only as an aggregate: psql's \d looks up defaults so.
pub fn scalar_subquery(expr: &mut Expr, _: &SystemContext) -> Result<()> {
    let Expr::Subquery(query) = expr else { return Ok(()) };
    let Some(select) = plain_select(query).filter(|s| s.distinct.is_none() && !is_grouped(s)) else { return Ok(()) };
    let catalog = !select.from.is_empty() && select.from.iter().all(|t| is_catalog(&t.relation));
    if let Some(item) = only_item(select).filter(|_| catalog)
        && !is_aggregate(item)
    {
        *item = call("first_value", vec![take(item)]);
        let outer = outer_conditions(select);
        if let Some(condition) = outer.into_iter().reduce(and) {
            *expr = when(condition, take(expr));
        }
    }
    Ok(())
}

fn and(left: Expr, right: Expr) -> Expr {
    binary(left, BinaryOperator::And, right)
}

/// Takes out of a subquery the conditions that are about the outer row alone (`AND a.atthasdef`): DataFusion cannot pull them over an aggregate.
fn outer_conditions(select: &mut Select) -> Vec<Expr> {
    let own: HashSet<String> = select.from.iter().filter_map(|t| table_name(&t.relation)).collect();
    let Some(condition) = select.selection.take() else { return vec![] };
    let mut all = Vec::new();
    conjuncts(condition, &mut all);
    let is_outer = |e: &Expr| matches!(e, Expr::CompoundIdentifier(p) if p.len() > 1 && !own.contains(&p[p.len() - 2].value));
    let (outer, inner): (Vec<_>, Vec<_>) = all.into_iter().partition(is_outer);
    select.selection = inner.into_iter().reduce(and);
    outer
}

fn conjuncts(expr: Expr, all: &mut Vec<Expr>) {
    match expr {
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            conjuncts(*left, all);
            conjuncts(*right, all);
        }
        Expr::Nested(inner) => conjuncts(*inner, all),
        other => all.push(other),
    }
}

/// What a table in FROM is called there.
pub fn table_name(factor: &TableFactor) -> Option<String> {
    match factor {
        TableFactor::Table { name, alias, .. } => Some(alias.as_ref().map_or_else(|| last_name(name), |a| fold_name(&a.name))),
        TableFactor::Derived { alias, .. } => alias.as_ref().map(|a| fold_name(&a.name)),
        _ => None,
    }
}

fn is_catalog(factor: &TableFactor) -> bool {
    matches!(factor, TableFactor::Table { name, args: None, .. } if facts::find("pg_catalog", &last_name(name)).is_some())
}

/// The aggregates that clients put into scalar subqueries over catalogs, anywhere in the expression.
fn is_aggregate(expr: &Expr) -> bool {
    const AGGREGATES: [&str; 10] =
        ["array_agg", "string_agg", "count", "min", "max", "sum", "bool_and", "bool_or", "first_value", "json_agg"];
    let text = expr.to_string().to_ascii_lowercase();
    AGGREGATES.iter().any(|a| text.contains(&format!("{a}(")))
}

/// Subqueries whose answer is always null here: psql and pgcli ask for a column's collation where it differs from its type's, which it
/// never does; psql asks for the columns of a publication (`FROM generate_series(..) s, pg_attribute`), of which there are none.
pub fn always_null(expr: &mut Expr, _: &SystemContext) -> Result<()> {
    let Expr::Subquery(query) = expr else { return Ok(()) };
    let Some(select) = plain_select(query) else { return Ok(()) };
    let name = |f: &TableFactor| match f {
        TableFactor::Table { name, .. } | TableFactor::Function { name, .. } => last_name(name),
        _ => String::new(),
    };
    let names: Vec<_> = select.from.iter().map(|t| name(&t.relation)).collect();
    if names.iter().any(|n| is_empty("pg_catalog", n))
        && select.from.iter().all(|t| t.joins.is_empty())
        && !is_grouped(select)
        && let Some(item) = only_item(select).filter(|e| !is_aggregate(e))
    {
        // It has no rows, so the answer is NULL, of the type that its column, json_build_object (SQLAlchemy) or a text has.
        let json = matches!(item, Expr::Function(f) if last_name(&f.name).starts_with("json"));
        let column = column_name(item).and_then(|column| names.iter().find_map(|name| type_of_column(name, &column)));
        *expr = null_of(if json { DataType::JSON } else { column.map_or(DataType::Text, named_type) });
        return Ok(());
    }
    let collation = names == ["pg_collation", "pg_type"] && only_item(select).and_then(|e| column_name(e)).is_some_and(|n| n == "collname");
    let publication = names == ["generate_series", "pg_attribute"] && select.to_string().contains("prattrs");
    if collation || publication {
        *expr = null_of(if collation { named_type(PgType::Name) } else { DataType::Text });
    }
    Ok(())
}

/// The type of a column of a catalog.
fn type_of_column(catalog: &str, column: &str) -> Option<PgType> {
    let shape = facts::find("pg_catalog", catalog)?;
    shape.columns.iter().find(|(name, _)| *name == column).map(|(_, ty)| ty.clone())
}

/// A type by its name in pg_type, which is in quotes since "char" is another type than char.
fn named_type(ty: PgType) -> DataType {
    DataType::Custom(ObjectName::from(vec![Ident::with_quote('"', ty.typname())]), vec![])
}

/// The type that a domain rests on, found by a recursive query of the row (asyncpg): null, for there are no domains.
pub fn base_of_domain(expr: &mut Expr, _: &SystemContext) -> Result<()> {
    if let Expr::Subquery(query) = expr
        && let Some(with) = query.with.as_ref().filter(|with| with.recursive)
        && with.to_string().contains("typbasetype")
    {
        *expr = null_of(DataType::IntUnsigned(None));
    }
    Ok(())
}

/// `FETCH FIRST n ROWS ONLY` is LIMIT n. WITH TIES is rewritten before. Errors: 0A000 for PERCENT, which PostgreSQL has not either.
pub fn fetch_first(query: &mut Query) -> Result<()> {
    let Some(fetch) = query.fetch.take() else { return Ok(()) };
    if fetch.percent {
        let error = Error::unsupported("FETCH FIRST with PERCENT is not supported");
        return Err(error.hint("Write FETCH FIRST n ROWS ONLY, or LIMIT n."));
    }
    let rows = fetch.quantity.unwrap_or_else(|| literal(Value::Number("1".into(), false)));
    match &mut query.limit_clause {
        Some(LimitClause::LimitOffset { limit: limit @ None, .. }) => *limit = Some(rows),
        Some(_) => return Err(Error::syntax("multiple LIMIT clauses not allowed")),
        None => query.limit_clause = Some(LimitClause::LimitOffset { limit: Some(rows), offset: None, limit_by: vec![] }),
    }
    Ok(())
}

/// `LIMIT '1'` and `OFFSET '1'`: a literal of no type is the number that it says (Rails). Errors: 22P02.
pub fn limit_literals(query: &mut Query) -> Result<()> {
    let Some(LimitClause::LimitOffset { limit, offset, .. }) = &mut query.limit_clause else { return Ok(()) };
    for expr in limit.iter_mut().chain(offset.iter_mut().map(|offset| &mut offset.value)) {
        if let Expr::Value(value) = expr
            && let Value::SingleQuotedString(text) = &value.value
        {
            let rows: i64 = text
                .trim()
                .parse()
                .map_err(|_| Error::new(code::INVALID_TEXT_REPRESENTATION, format!("invalid input syntax for type bigint: \"{text}\"")))?;
            *expr = literal(Value::Number(rows.to_string(), false));
        }
        if let Expr::Value(value) = expr
            && let Value::Number(number, _) = &mut value.value
            && let Some(rows) = rounded(&number.to_string())
        {
            *number = rows.to_string();
        }
    }
    Ok(())
}

/// A number with decimals as the bigint that it is cast to, unless it is out of all measure.
fn rounded(number: &str) -> Option<i64> {
    let value: f64 = number.parse().ok().filter(|_| number.contains(['.', 'e', 'E']))?;
    (value < 1e15).then(|| value.round() as i64)
}

/// True for a SELECT list and nothing else, which is one row.
pub fn is_bare(select: &Select) -> bool {
    select.from.is_empty() && select.selection.is_none() && select.distinct.is_none() && !is_grouped(select)
}

/// `(SELECT ARRAY(SELECT ..))` without a FROM is what it selects: DataFusion lets a subquery name the query around it, and not the one around
/// that (pgAdmin).
pub fn only_expression(expr: &mut Expr, _: &SystemContext) -> Result<()> {
    let Expr::Subquery(query) = expr else { return Ok(()) };
    let Some(select) = plain_select(query) else { return Ok(()) };
    let bare = is_bare(select);
    let is_query = |e: &Expr| match e {
        Expr::Subquery(_) | Expr::Exists { .. } => true,
        Expr::Function(f) => matches!(f.args, FunctionArguments::Subquery(_)),
        _ => false,
    };
    if let Some(item) = only_item(select).filter(|item| bare && is_query(item)) {
        *expr = take(item);
    }
    Ok(())
}

/// `(SELECT FROM t)` has no column to be a value or to be compared. Errors: 42601.
pub fn some_column(expr: &mut Expr, _: &SystemContext) -> Result<()> {
    let (query, message) = match expr {
        Expr::Subquery(query) => (&*query, "subquery must return only one column"),
        Expr::InSubquery { subquery, .. } => (&*subquery, "subquery has too few columns"),
        _ => return Ok(()),
    };
    match query.body.as_ref() {
        SetExpr::Select(select) if select.projection.is_empty() => Err(Error::syntax(message)),
        _ => Ok(()),
    }
}

/// FOR UPDATE and its kin would lock nothing. Errors: 0A000.
pub fn no_locks(query: &Query) -> Result<()> {
    if query.locks.is_empty() {
        return Ok(());
    }
    let hint = "Leave it out: UPDATE and DELETE see the rows as they are and lock the table themselves.";
    Err(Error::unsupported("SELECT .. FOR UPDATE and FOR SHARE are not supported").hint(hint))
}

/// Names output columns before other rules change them: by PostgreSQL's label where a rule will change the expression, and with
/// [`DUPLICATE`] where a name or a text comes twice (`SELECT NULL, NULL`, DBeaver's `c.oid, c.*`, `SELECT *, at::date AS at`).
pub fn labels(select: &mut Select, columns: Columns<'_>) {
    let wild = wildcards(select);
    let mut seen = if wild.is_empty() || wild.len() == select.projection.len() { HashSet::new() } else { covered(select, &wild, columns) };
    // Beside a set the columns that it is made of and the items are of one plan, where both would have the name.
    let is_set = |e: &Expr| contains_set(e) || super::vectors::is_expanded(e);
    let beside_set = select
        .projection
        .iter()
        .any(|item| matches!(item, SelectItem::UnnamedExpr(e) | SelectItem::ExprWithAlias { expr: e, .. } if is_set(e)));
    for (i, item) in select.projection.iter_mut().enumerate() {
        match item {
            SelectItem::ExprWithAlias { alias, .. } if !seen.insert(alias.value.clone()) => {
                *alias = Ident::with_quote('"', format!("{}{DUPLICATE}{i}", alias.value));
            }
            SelectItem::UnnamedExpr(expr) => {
                let name = label(expr);
                let twice = !seen.insert(name.clone());
                let covered = wild.iter().any(|of| covers(of.as_deref(), expr));
                let hides = beside_set && matches!(expr, Expr::CompoundFieldAccess { .. }) && !is_set(expr);
                if twice || covered || hides {
                    let alias = Ident::with_quote('"', format!("{name}{DUPLICATE}{i}"));
                    *item = SelectItem::ExprWithAlias { expr: take(expr), alias };
                } else if changes(expr) {
                    *item = SelectItem::ExprWithAlias { expr: take(expr), alias: Ident::with_quote('"', name) };
                }
            }
            _ => {}
        }
    }
}

/// Names the columns of derived tables and CTEs as PostgreSQL does, for the query around them to use: `SELECT count FROM (SELECT count(*) ..) q`.
pub fn columns_of_parts(query: &mut Query) {
    for cte in query.with.iter_mut().flat_map(|with| &mut with.cte_tables) {
        name_columns(&mut cte.query.body);
        hidden_names::of_part(&mut cte.query, &mut cte.alias);
    }
    let SetExpr::Select(select) = query.body.as_mut() else { return };
    for table in &mut select.from {
        for factor in std::iter::once(&mut table.relation).chain(table.joins.iter_mut().map(|j| &mut j.relation)) {
            if let TableFactor::Derived { subquery, alias, .. } = factor {
                name_columns(&mut subquery.body);
                alias.iter_mut().for_each(|alias| hidden_names::of_part(subquery, alias));
            }
        }
    }
}

fn name_columns(body: &mut SetExpr) {
    match body {
        SetExpr::Select(select) => {
            // Without FROM a column is one of the row around, which the planner would call otherwise.
            let outer = select.from.is_empty();
            let names: Vec<String> = select.projection.iter().filter_map(name_of_item).collect();
            for item in &mut select.projection {
                if let SelectItem::UnnamedExpr(expr) = item
                    && (is_computed(expr) || outer && !contains_set(expr))
                    && names.iter().filter(|name| **name == label(expr)).count() == 1
                {
                    let alias = Ident::with_quote('"', label(expr));
                    *item = SelectItem::ExprWithAlias { expr: take(expr), alias };
                }
            }
        }
        SetExpr::Query(query) => name_columns(&mut query.body),
        SetExpr::SetOperation { left, .. } => name_columns(left),
        _ => {}
    }
}

/// What an item of a select list is called; `None` for wildcards.
pub fn name_of_item(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::UnnamedExpr(Expr::Identifier(column)) => Some(fold_name(column)),
        SelectItem::UnnamedExpr(expr) => Some(label(expr)),
        SelectItem::ExprWithAlias { alias, .. } => Some(fold_name(alias)),
        _ => None,
    }
}

/// True for what is more than a column's name, and one value per row.
fn is_computed(expr: &Expr) -> bool {
    match expr {
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => false,
        Expr::Function(f) => !is_set(&last_name(&f.name)),
        other => !contains_set(other),
    }
}

/// True if a function in it returns a set.
pub fn contains_set(expr: &Expr) -> bool {
    let found = sqlparser::ast::visit_expressions(expr, |e| match e {
        Expr::Function(f) if is_set(&last_name(&f.name)) => std::ops::ControlFlow::Break(()),
        _ => std::ops::ControlFlow::Continue(()),
    });
    found.is_break()
}

/// The tables that wildcards of the select list name, `None` for one that names none.
fn wildcards(select: &Select) -> Vec<Option<String>> {
    let name = |item: &SelectItem| match item {
        SelectItem::Wildcard(_) => Some(None),
        SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => Some(Some(last_name(name))),
        _ => None,
    };
    select.projection.iter().filter_map(name).collect()
}

/// True if the wildcard of a table, or of all, may give this column too.
fn covers(table: Option<&str>, expr: &Expr) -> bool {
    match (table, expr) {
        (_, Expr::Identifier(_)) | (None, Expr::CompoundIdentifier(_)) => true,
        (Some(table), Expr::CompoundIdentifier(parts)) => parts.iter().nth_back(1).is_some_and(|of| of.value == table),
        _ => false,
    }
}

/// The columns that the wildcards give, of tables whose columns are known.
fn covered(select: &Select, wild: &[Option<String>], columns: Columns<'_>) -> HashSet<String> {
    let factors = select.from.iter().flat_map(with_optional).map(|(factor, _)| factor);
    let named = factors.filter(|factor| wild.iter().any(|of| of.is_none() || *of == table_name(factor)));
    named.filter_map(|factor| columns.of_factor(factor, 0)).flatten().collect()
}

fn changes(expr: &Expr) -> bool {
    match expr {
        Expr::Cast { .. } | Expr::Subquery(_) | Expr::Array(_) => true,
        Expr::Function(f) if super::aggregates::is_collected(f) || super::casts::is_call(f) => true,
        Expr::Function(f) => f.over.is_none() && (f.name.0.len() > 1 || !matches!(f.args, FunctionArguments::List(_))),
        Expr::CompoundFieldAccess { .. } | Expr::AnyOp { .. } => true,
        // DataFusion has one name for it and for btrim(), which may stand beside it.
        Expr::Trim { .. } => true,
        _ => false,
    }
}

/// The name that PostgreSQL gives to an output column without alias (FigureColname in its parser).
pub fn label(expr: &Expr) -> String {
    named(expr).unwrap_or_else(|| match expr {
        Expr::Cast { data_type, .. } => type_label(data_type),
        Expr::Case { .. } => "case".into(),
        _ => "?column?".into(),
    })
}

fn type_label(data_type: &sqlparser::ast::DataType) -> String {
    use sqlparser::ast::DataType as T;
    match data_type {
        T::Custom(name, _) => last_name(name),
        T::Regclass => "regclass".into(),
        T::Int(_) | T::Integer(_) | T::Int4(_) => "int4".into(),
        T::BigInt(_) | T::Int8(_) => "int8".into(),
        T::SmallInt(_) | T::Int2(_) => "int2".into(),
        T::Boolean | T::Bool => "bool".into(),
        other => other.to_string().split(['(', '[', ' ']).next().unwrap_or("?column?").to_ascii_lowercase(),
    }
}

fn named(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(i) => Some(i.value.clone()),
        Expr::CompoundIdentifier(parts) => parts.last().map(|i| i.value.clone()),
        Expr::Function(f) => Some(last_name(&f.name)),
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => named(inner),
        Expr::Cast { expr, .. } => named(expr),
        Expr::CompoundFieldAccess { root, access_chain } => {
            let field = access_chain.iter().rev().find_map(|access| match access {
                sqlparser::ast::AccessExpr::Dot(Expr::Identifier(field)) => Some(field.value.clone()),
                _ => None,
            });
            field.or_else(|| named(root))
        }
        Expr::Subquery(query) => match query.body.as_ref() {
            SetExpr::Select(s) => match s.projection.as_slice() {
                [SelectItem::UnnamedExpr(e)] => named(e),
                [SelectItem::ExprWithAlias { alias, .. }] => Some(alias.value.clone()),
                _ => None,
            },
            _ => None,
        },
        Expr::Array(_) => Some("array".into()),
        Expr::Case { else_result: Some(e), .. } => named(e),
        Expr::Exists { negated: false, .. } => Some("exists".into()),
        Expr::Trim { trim_where, .. } => Some(match trim_where {
            Some(TrimWhereField::Leading) => "ltrim".into(),
            Some(TrimWhereField::Trailing) => "rtrim".into(),
            Some(TrimWhereField::Both) | None => "btrim".into(),
        }),
        _ => None,
    }
}
