//! VALUES as DataFusion plans them.
//!
//! `VALUES (1, (SELECT min(a) FROM t)), (2, 3)`: it computes the rows while it plans, before a subquery has a value. So they become
//! `SELECT 1 AS column1, (SELECT ..) AS column2 UNION ALL SELECT 2, 3`.
//!
//! `VALUES ('a'::varchar(3)), ('b')`: a cast notes its type in the metadata of its field where the Arrow type does not tell it, and
//! DataFusion wants the rows of a column to have the same metadata. Where they have not, those casts are put into [`UNTOLD`].
//!
//! `VALUES ('2020-01-01'::date), ('2020-01-02')`: a literal of no type is of the one that others of its column are cast to.

use std::ops::ControlFlow;

use sqlparser::ast::{
    CastKind, DataType, ExactNumberInfo, Expr, Ident, Parens, Query, Select, SelectItem, SetExpr, SetOperator, SetQuantifier, Value,
    visit_expressions,
};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

use super::build::{bare, call, take};
use crate::data::PgType;
use crate::func::type_of::UNTOLD;
use crate::func::types::pg_type;

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

/// Makes the rows of each column note the same types.
fn alike(rows: &mut [Parens<Vec<Expr>>]) {
    for i in 0..rows.first().map_or(0, |row| row.content.len()) {
        cast_alike(rows, i);
        if rows.windows(2).any(|two| noted(&two[0].content[i]) != noted(&two[1].content[i])) {
            for value in rows.iter_mut().map(|row| &mut row.content[i]).filter(|value| noted(value).is_some()) {
                *value = call(UNTOLD, vec![take(value)]);
            }
        }
    }
}

/// Casts the strings of a column as others of it are cast, to text excepted: nothing is to be cut to a length.
fn cast_alike(rows: &mut [Parens<Vec<Expr>>], column: usize) {
    let types = rows.iter().filter_map(|row| match bare(&row.content[column]) {
        Expr::Cast { data_type, .. } => match pg_type(data_type) {
            Ok(PgType::Text | PgType::Varchar(_) | PgType::Bpchar(_) | PgType::Char | PgType::Name) => None,
            Ok(PgType::Numeric(_)) => Some(DataType::Numeric(ExactNumberInfo::None)),
            _ => Some(data_type.clone()),
        },
        _ => None,
    });
    let mut types: Vec<DataType> = types.collect();
    types.dedup();
    let [data_type] = types.as_slice() else { return };
    for value in rows.iter_mut().map(|row| &mut row.content[column]) {
        if matches!(bare(value), Expr::Value(v) if matches!(v.value, Value::SingleQuotedString(_))) {
            let (expr, data_type) = (Box::new(take(value)), data_type.clone());
            *value = Expr::Cast { kind: CastKind::Cast, expr, data_type, array: false, format: None };
        }
    }
}

/// The type of a cast that stands in the metadata of its field.
fn noted(expr: &Expr) -> Option<PgType> {
    match expr {
        Expr::Nested(inner) => noted(inner),
        Expr::Cast { data_type, .. } => pg_type(data_type).ok().filter(|ty| !ty.field("", true).metadata().is_empty()),
        _ => None,
    }
}

/// Others are an error that the planner words.
fn same_length(rows: &[Parens<Vec<Expr>>]) -> bool {
    rows.windows(2).all(|two| two[0].content.len() == two[1].content.len())
}

fn is_subquery(expr: &Expr) -> ControlFlow<()> {
    let is = matches!(expr, Expr::Subquery(_) | Expr::Exists { .. } | Expr::InSubquery { .. })
        || matches!(expr, Expr::AnyOp { right, .. } | Expr::AllOp { right, .. } if matches!(right.as_ref(), Expr::Subquery(_)))
        || matches!(expr, Expr::Function(f) if matches!(f.args, sqlparser::ast::FunctionArguments::Subquery(_)));
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
