//! `VALUES (1, (SELECT min(a) FROM t)), (2, 3)`: DataFusion computes the rows of VALUES while it plans, before a subquery has a value. So
//! they become `SELECT 1 AS column1, (SELECT ..) AS column2 UNION ALL SELECT 2, 3`.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, Ident, Parens, Query, Select, SelectItem, SetExpr, SetOperator, SetQuantifier, visit_expressions};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

/// Rewrites the VALUES of a query that have subqueries.
pub fn with_subqueries(query: &mut Query) {
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
        _ => {}
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
