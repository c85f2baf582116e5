//! Small builders and readers of syntax trees.

use sqlparser::ast::helpers::attached_token::AttachedToken;
use sqlparser::ast::{
    BinaryOperator, CaseWhen, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, JoinConstraint, JoinOperator,
    ObjectName, ObjectNamePart, Query, SelectItem, SetExpr, TableAlias, TableFactor, TableWithJoins, Value, WildcardAdditionalOptions,
};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

use crate::data::decode::split_array;
use crate::error::{Error, Result};
pub use crate::sql::convert::{call, each_expression};

/// All that a FROM clause names, each join's right side included.
pub fn factors(from: &[TableWithJoins]) -> impl Iterator<Item = &TableFactor> {
    from.iter().flat_map(|t| std::iter::once(&t.relation).chain(t.joins.iter().map(|j| &j.relation)))
}

/// The conditions of the joins of FROM.
pub fn conditions(from: &mut [TableWithJoins]) -> impl Iterator<Item = &mut Expr> {
    use JoinOperator as J;
    from.iter_mut().flat_map(|t| &mut t.joins).filter_map(|join| match &mut join.join_operator {
        J::Join(on) | J::Inner(on) | J::Left(on) | J::LeftOuter(on) | J::Right(on) | J::RightOuter(on) | J::FullOuter(on) => match on {
            JoinConstraint::On(condition) => Some(condition),
            _ => None,
        },
        _ => None,
    })
}

/// What FROM joins, and whether a join may have no row of it.
pub fn with_optional(from: &TableWithJoins) -> Vec<(&TableFactor, bool)> {
    let mut all = vec![(&from.relation, false)];
    for join in &from.joins {
        use JoinOperator as J;
        let (before, own) = match &join.join_operator {
            J::Left(_) | J::LeftOuter(_) => (false, true),
            J::Right(_) | J::RightOuter(_) => (true, false),
            J::FullOuter(_) => (true, true),
            _ => (false, false),
        };
        all.iter_mut().for_each(|(_, optional)| *optional |= before);
        all.push((&join.relation, own));
    }
    all
}

/// `CASE WHEN condition THEN value END`.
pub fn when(condition: Expr, value: Expr) -> Expr {
    Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions: vec![CaseWhen { condition, result: value }],
        else_result: None,
    }
}

/// `table.column`
pub fn column_of(table: &str, column: &str) -> Expr {
    Expr::CompoundIdentifier([table, column].map(|name| Ident::with_quote('"', name)).to_vec())
}

/// `left op right`
pub fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) }
}

/// Conditions so joined are a tree as deep as they are many; more are joined in halves.
const JOINED_FLAT_MAX: usize = 16;

/// `a AND b AND ..` or `a OR b OR ..`; `None` without a condition. Many conditions are no deep tree, which would take long to plan.
pub fn joined(conditions: impl IntoIterator<Item = Expr>, by: &BinaryOperator) -> Option<Expr> {
    let mut all: Vec<Expr> = conditions.into_iter().collect();
    if all.len() <= JOINED_FLAT_MAX {
        return all.into_iter().reduce(|left, right| binary(left, by.clone(), right));
    }
    let right = all.split_off(all.len() / 2);
    Some(binary(joined(all, by)?, by.clone(), joined(right, by)?))
}

/// A literal.
pub fn literal(value: Value) -> Expr {
    Expr::Value(value.into())
}

/// A string literal.
pub fn text(value: &str) -> Expr {
    literal(Value::SingleQuotedString(value.to_string()))
}

/// Takes an expression out of its place.
pub fn take(expr: &mut Expr) -> Expr {
    std::mem::replace(expr, literal(Value::Null))
}

/// The last part of a name; in lower case unless it is quoted.
pub fn last_name(name: &ObjectName) -> String {
    match name.0.last() {
        Some(ObjectNamePart::Identifier(i)) if i.quote_style.is_some() => i.value.clone(),
        Some(ObjectNamePart::Identifier(i)) => i.value.to_ascii_lowercase(),
        _ => String::new(),
    }
}

/// A query of our own text.
pub fn parsed(sql: &str) -> Result<Box<Query>> {
    let parser = Parser::new(&PostgreSqlDialect {}).try_with_sql(sql);
    parser.and_then(|mut parser| parser.parse_query()).map_err(|e| Error::internal(e.to_string()))
}

/// A derived table of our own text.
pub fn derived(sql: &str, lateral: bool, alias: TableAlias) -> Result<TableFactor> {
    Ok(TableFactor::Derived { lateral, subquery: parsed(sql)?, alias: Some(alias), sample: None })
}

/// `SELECT item FROM (query) AS alias`.
pub fn over(query: Query, alias: TableAlias, item: Expr) -> Result<Query> {
    let mut outer = parsed("SELECT 1 FROM (SELECT 1) AS one")?;
    let SetExpr::Select(select) = outer.body.as_mut() else { return Err(Error::internal("a SELECT is one")) };
    for from in &mut select.from {
        from.relation =
            TableFactor::Derived { lateral: false, subquery: Box::new(query.clone()), alias: Some(alias.clone()), sample: None };
    }
    select.projection = vec![SelectItem::UnnamedExpr(item)];
    Ok(*outer)
}

/// `SELECT * FROM (query) AS alias`.
pub fn all_of(query: Query, alias: TableAlias) -> Result<Query> {
    let mut outer = over(query, alias, literal(Value::Null))?;
    if let SetExpr::Select(select) = outer.body.as_mut() {
        select.projection = vec![SelectItem::Wildcard(WildcardAdditionalOptions::default())];
    }
    Ok(outer)
}

/// A query that is nothing but this body.
pub fn query_of(body: SetExpr) -> Result<Query> {
    let mut query = parsed("SELECT 1")?;
    *query.body = body;
    Ok(*query)
}

/// The unnamed arguments of a call.
pub fn arguments(f: &mut Function) -> Vec<&mut Expr> {
    let FunctionArguments::List(list) = &mut f.args else { return vec![] };
    let unnamed = list.args.iter_mut().filter_map(|a| match a {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(e)) => Some(e),
        _ => None,
    });
    unnamed.collect()
}

/// An expression without the parentheses around it.
pub fn bare(expr: &Expr) -> &Expr {
    match expr {
        Expr::Nested(inner) => bare(inner),
        other => other,
    }
}

/// The column that an expression names, in lower case.
pub fn column_name(expr: &Expr) -> Option<String> {
    match bare(expr) {
        Expr::Identifier(i) => Some(i.value.to_ascii_lowercase()),
        Expr::CompoundIdentifier(parts) => parts.last().map(|i| i.value.to_ascii_lowercase()),
        _ => None,
    }
}

/// The elements of an array's text, `{a, "b c", NULL}`, as literals. Errors: 22P02; 0A000 for more than one dimension or a lower bound.
pub fn strings(array: &str) -> Result<Vec<Expr>> {
    Ok(split_array(array)?.into_iter().map(|item| item.map_or_else(|| literal(Value::Null), |item| text(&item))).collect())
}
