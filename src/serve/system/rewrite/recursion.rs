//! `WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL ..)`: n is an integer. The planner takes whole numbers for bigint until the plan is whole,
//! but the type of a recursive query's rows is settled when its first part is planned; so there it is written out.

use sqlparser::ast::{CastKind, DataType, Expr, Ident, Query, SelectItem, SetExpr, Value};

use super::build::{each_expression, take};
use super::queries::label;

/// Casts the whole numbers in the first parts of the recursive queries of WITH.
pub fn typed(query: &mut Query) {
    let Some(with) = query.with.as_mut().filter(|with| with.recursive) else { return };
    for cte in &mut with.cte_tables {
        if let SetExpr::SetOperation { left, .. } = cte.query.body.as_mut() {
            first(left);
        }
    }
}

fn first(body: &mut SetExpr) {
    match body {
        SetExpr::SetOperation { left, right, .. } => {
            first(left);
            first(right);
        }
        SetExpr::Query(query) => first(&mut query.body),
        SetExpr::Select(select) => {
            // A cast would name the column.
            for item in &mut select.projection {
                if let SelectItem::UnnamedExpr(expr) = item {
                    let alias = Ident::with_quote('"', label(expr));
                    *item = SelectItem::ExprWithAlias { expr: take(expr), alias };
                }
            }
            each_expression(&mut select.projection, number);
        }
        SetExpr::Values(values) => each_expression(values, number),
        _ => {}
    }
}

/// Makes integer literals integers, those of subqueries left out.
fn number(expr: &mut Expr, subqueries: usize) {
    let is_whole = |v: &Value| matches!(v, Value::Number(n, _) if n.to_string().parse::<i32>().is_ok());
    if subqueries == 0 && matches!(expr, Expr::Value(v) if is_whole(&v.value)) {
        let number = Box::new(take(expr));
        *expr = Expr::Cast { kind: CastKind::Cast, expr: number, data_type: DataType::Integer(None), array: false, format: None };
    }
}
