//! `WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL ..)`: n is an integer. The planner takes whole numbers for bigint until the plan is whole,
//! but the type of a recursive query's rows is settled when its first part is planned; so there it is written out.

use std::ops::ControlFlow;

use sqlparser::ast::{CastKind, DataType, Expr, Ident, Query, SelectItem, SetExpr, Value, VisitMut, VisitorMut};

use super::build::take;
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
    let mut numbers = Numbers { queries: 0 };
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
            let _ = VisitMut::visit(&mut select.projection, &mut numbers);
        }
        SetExpr::Values(values) => {
            let _ = VisitMut::visit(values, &mut numbers);
        }
        _ => {}
    }
}

struct Numbers {
    /// Subqueries around the expression.
    queries: usize,
}

impl VisitorMut for Numbers {
    type Break = ();
    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.queries += 1;
        ControlFlow::Continue(())
    }
    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.queries -= 1;
        ControlFlow::Continue(())
    }
    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let is_whole = |v: &Value| matches!(v, Value::Number(n, _) if n.to_string().parse::<i32>().is_ok());
        if self.queries == 0 && matches!(expr, Expr::Value(v) if is_whole(&v.value)) {
            let number = Box::new(take(expr));
            *expr = Expr::Cast { kind: CastKind::Cast, expr: number, data_type: DataType::Integer(None), array: false, format: None };
        }
        ControlFlow::Continue(())
    }
}
