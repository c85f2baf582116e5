//! VALUES as DataFusion plans them.
//!
//! `VALUES (1, (SELECT min(a) FROM t)), (2, 3)`: it computes the rows while it plans, before a subquery has a value. So they become
//! `SELECT 1 AS column1, (SELECT ..) AS column2 UNION ALL SELECT 2, 3`.
//!
//! `VALUES ('a'::varchar(3)), ('b')`: a cast notes its type in the metadata of its field where the Arrow type does not tell it, and
//! DataFusion wants the rows of a column to have the same metadata. Where they have not, those casts are put into [`UNTOLD`]; and so are
//! columns of the row around, `LATERAL (VALUES (t.a), (t.b))`, which may note any.
//!
//! `VALUES ('2020-01-01'::date), ('2020-01-02')`, `VALUES (1), (2::int)`, `VALUES ('NaN'::float8), (2.5)`: the values of a column have one
//! type, which DataFusion settles while it plans, by rules of its own: whole numbers are bigint yet, a float8 is made a numeric, and no
//! literal is a date. So values are cast beforehand to the type that PostgreSQL finds, as far as [`types`] tells it.

use std::ops::ControlFlow;

use sqlparser::ast::{
    CastKind, Expr, FunctionArguments, Ident, Parens, Query, Select, SelectItem, SetExpr, SetOperator, SetQuantifier, TableAlias,
    UnaryOperator, Value, visit_expressions,
};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

use super::super::SystemContext;
use super::KEYWORDS;
use super::build::{all_of, bare, call, last_name, literal, query_of, take};
use super::written_types::{self as types, Written};
use crate::data::PgType;
use crate::error::Result;
use crate::func::type_of::UNTOLD;
use crate::func::types::pg_type;

/// `x IN (VALUES (1), (2))`: the planner wants a SELECT in expressions, so it is `SELECT * FROM (VALUES ..)`. Rows in IN are compared by
/// another rule.
pub fn as_select(expr: &mut Expr, _: &SystemContext) -> Result<()> {
    let query = match expr {
        Expr::Subquery(query) => query,
        Expr::Exists { subquery, .. } => subquery,
        Expr::InSubquery { expr, subquery, .. } if !matches!(bare(expr), Expr::Tuple(_)) => subquery,
        _ => return Ok(()),
    };
    if matches!(query.body.as_ref(), SetExpr::Values(_)) {
        let alias = TableAlias { explicit: true, name: Ident::with_quote('"', "*VALUES*"), columns: vec![], at: None };
        *query.body = *all_of(query_of(query.body.as_ref().clone())?, alias)?.body;
    }
    Ok(())
}

/// Rewrites the VALUES of a query.
pub fn plannable(query: &mut Query) {
    rewrite(&mut query.body);
}

fn rewrite(body: &mut SetExpr) {
    match body {
        SetExpr::SetOperation { left, right, .. } => {
            rewrite(left);
            rewrite(right);
        }
        SetExpr::Values(values) if visit_expressions(&*values, is_subquery).is_break() && same_length(&values.rows) => {
            let rows = std::mem::take(&mut values.rows);
            if let Some(empty) = empty_select()
                && let Some(union) = union(rows.into_iter().map(|row| select(&empty, row.content)).collect())
            {
                *body = union;
            }
        }
        SetExpr::Values(values) if same_length(&values.rows) => alike(&mut values.rows),
        _ => {}
    }
}

/// Makes the values of each column be of one type, and note the same.
fn alike(rows: &mut [Parens<Vec<Expr>>]) {
    if rows.len() < 2 {
        return;
    }
    for i in 0..rows.first().map_or(0, |row| row.content.len()) {
        cast_alike(rows, i);
        let of_rows = rows.iter().any(|row| visit_expressions(&row.content[i], names_column).is_break());
        if of_rows || rows.windows(2).any(|two| noted(&two[0].content[i]) != noted(&two[1].content[i])) {
            // What is made of such a cast may note its type too: `- 1::numeric(4,1)`.
            for value in rows.iter_mut().map(|row| &mut row.content[i]).filter(|value| !matches!(bare(value), Expr::Value(_))) {
                *value = call(UNTOLD, vec![take(value)]);
            }
        }
    }
}

/// Casts the values of a column to the type that they have in common. Strings stay as they are beside texts: nothing is to be cut to a length.
fn cast_alike(rows: &mut [Parens<Vec<Expr>>], column: usize) {
    let written: Vec<Written> = rows.iter().map(|row| types::of(&row.content[column])).collect();
    // Literals of one kind are typed when the plan is whole.
    if rows.iter().all(|row| is_number(&row.content[column])) || written.iter().all(|w| matches!(w, Written::Literal | Written::Unknown)) {
        return;
    }
    let Some((common, data_type)) = types::common(&written) else { return };
    let is_text = matches!(common, Some(PgType::Text | PgType::Varchar(_) | PgType::Bpchar(_) | PgType::Char | PgType::Name));
    let is_numeric = common.as_ref().is_some_and(PgType::is_numeric);
    for (value, written) in rows.iter_mut().map(|row| &mut row.content[column]).zip(written) {
        let is_cast = match &written {
            Written::Literal => !is_text && is_string(value) && !(is_numeric && as_number(value)),
            // A cast to numeric would lose how many decimals a number shows.
            Written::Of(Some(ty), _) => common.as_ref().is_some_and(|common| !is_text && !is_numeric && !is_cast_to(value, ty, common)),
            Written::Of(None, _) | Written::Unknown => false,
        };
        if is_cast {
            let (expr, data_type) = (Box::new(take(value)), data_type.clone());
            *value = Expr::Cast { kind: CastKind::Cast, expr, data_type, array: false, format: None };
        }
    }
}

fn is_number(value: &Expr) -> bool {
    match bare(value) {
        Expr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, expr } => is_number(expr),
        Expr::Value(v) => matches!(v.value, Value::Number(..) | Value::Null),
        _ => false,
    }
}

fn is_string(value: &Expr) -> bool {
    matches!(bare(value), Expr::Value(v) if matches!(v.value, Value::SingleQuotedString(_) | Value::EscapedStringLiteral(_)))
}

/// True if it says itself that it is of the type.
fn is_cast_to(value: &Expr, ty: &PgType, common: &PgType) -> bool {
    let is_told = matches!(bare(value), Expr::Cast { .. } | Expr::TypedString(_) | Expr::Interval(_));
    ty == common && (is_told || matches!(common, PgType::Bool | PgType::Date | PgType::Timestamp | PgType::Timestamptz | PgType::Interval))
}

/// Makes a string of digits the number that it shows, with its decimals.
fn as_number(value: &mut Expr) -> bool {
    let Expr::Value(v) = bare(value) else { return false };
    let (Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text)) = &v.value else { return false };
    let (negative, digits) = text.trim().strip_prefix('-').map_or((false, text.trim()), |digits| (true, digits));
    let is_plain = digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.len() <= 38
        && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        && digits.matches('.').count() <= 1;
    if !is_plain {
        return false;
    }
    let number = literal(Value::Number(digits.to_string(), false));
    *value = if negative { Expr::UnaryOp { op: UnaryOperator::Minus, expr: Box::new(number) } } else { number };
    true
}

/// The type that stands in the metadata of the field of a cast, or of `current_user` and its kin.
fn noted(expr: &Expr) -> Option<PgType> {
    match expr {
        Expr::Nested(inner) => noted(inner),
        Expr::Function(f) if matches!(f.args, FunctionArguments::None) && KEYWORDS.contains(&last_name(&f.name).as_str()) => {
            Some(PgType::Name)
        }
        Expr::Cast { data_type, .. } => pg_type(data_type).ok().filter(|ty| !ty.field("", true).metadata().is_empty()),
        _ => None,
    }
}

/// What a column of the row around notes is not known here.
fn names_column(expr: &Expr) -> ControlFlow<()> {
    if matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_)) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

/// Others are an error that the planner words.
fn same_length(rows: &[Parens<Vec<Expr>>]) -> bool {
    rows.windows(2).all(|two| two[0].content.len() == two[1].content.len())
}

fn is_subquery(expr: &Expr) -> ControlFlow<()> {
    let is = matches!(expr, Expr::Subquery(_) | Expr::Exists { .. } | Expr::InSubquery { .. })
        || matches!(expr, Expr::AnyOp { right, .. } | Expr::AllOp { right, .. } if matches!(right.as_ref(), Expr::Subquery(_)))
        || matches!(expr, Expr::Function(f) if matches!(f.args, FunctionArguments::Subquery(_)));
    if is { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

/// A SELECT without FROM.
fn empty_select() -> Option<Select> {
    let query = Parser::new(&PostgreSqlDialect {}).try_with_sql("SELECT 1").and_then(|mut parser| parser.parse_query()).ok()?;
    let SetExpr::Select(select) = *query.body else { return None };
    Some(*select)
}

/// A row as such a SELECT, its columns named as those of VALUES are.
fn select(empty: &Select, row: Vec<Expr>) -> SetExpr {
    let named = |(i, expr)| SelectItem::ExprWithAlias { expr, alias: Ident::new(format!("column{}", i + 1)) };
    let projection = row.into_iter().enumerate().map(named).collect();
    SetExpr::Select(Box::new(Select { projection, ..empty.clone() }))
}

/// UNION ALL of these, as deep as the logarithm of their number.
fn union(mut all: Vec<SetExpr>) -> Option<SetExpr> {
    if all.len() < 2 {
        return all.pop();
    }
    let right = all.split_off(all.len() / 2);
    Some(SetExpr::SetOperation {
        op: SetOperator::Union,
        set_quantifier: SetQuantifier::All,
        left: Box::new(union(all)?),
        right: Box::new(union(right)?),
    })
}
