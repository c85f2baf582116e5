//! `a IS NOT DISTINCT FROM b OR c`: the parser takes all that follows FROM as its right side, though AND and OR bind less (manual,
//! chapter 4.1.6).

use sqlparser::ast::helpers::attached_token::AttachedToken;
use sqlparser::ast::{BinaryOperator, Expr, UnaryOperator};

use super::super::SystemContext;
use crate::error::Result;

/// Groups the operands anew, where the right side of such a comparison is an AND or OR without parentheses.
pub fn regrouped(expr: &mut Expr, _: &SystemContext) -> Result<()> {
    if swallows(expr) {
        let mut chain = Chain { first: None, rest: Vec::new() };
        chain.add(std::mem::replace(expr, nothing()), &|e| e);
        *expr = chain.grouped();
    }
    Ok(())
}

/// What stands in the place of an expression that is taken out.
fn nothing() -> Expr {
    Expr::Wildcard(AttachedToken::empty())
}

fn is_junction(expr: &Expr) -> bool {
    matches!(expr, Expr::BinaryOp { op: BinaryOperator::And | BinaryOperator::Or, .. })
}

/// True if the expression, as far as no parentheses hide it, has such a comparison.
fn swallows(expr: &Expr) -> bool {
    match expr {
        Expr::BinaryOp { left, right, .. } if is_junction(expr) => swallows(left) || swallows(right),
        Expr::UnaryOp { op: UnaryOperator::Not, expr } => swallows(expr),
        Expr::IsDistinctFrom(_, right) | Expr::IsNotDistinctFrom(_, right) => is_junction(right) || swallows(right),
        _ => false,
    }
}

/// Operands with AND and OR between them, as they are written.
struct Chain {
    first: Option<Expr>,
    rest: Vec<(BinaryOperator, Expr)>,
}

impl Chain {
    /// Adds the operands of an expression; `wrap` is around the first of them.
    fn add(&mut self, expr: Expr, wrap: &dyn Fn(Expr) -> Expr) {
        match expr {
            Expr::BinaryOp { left, op: op @ (BinaryOperator::And | BinaryOperator::Or), right } => {
                self.add(*left, wrap);
                let mut behind = Chain { first: None, rest: Vec::new() };
                behind.add(*right, &|e| e);
                self.rest.extend(behind.first.map(|first| (op, first)));
                self.rest.extend(behind.rest);
            }
            Expr::UnaryOp { op: UnaryOperator::Not, expr } => {
                self.add(*expr, &|e| wrap(Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(e) }));
            }
            Expr::IsDistinctFrom(left, right) => self.add(*right, &|e| wrap(Expr::IsDistinctFrom(left.clone(), Box::new(e)))),
            Expr::IsNotDistinctFrom(left, right) => self.add(*right, &|e| wrap(Expr::IsNotDistinctFrom(left.clone(), Box::new(e)))),
            operand => self.first = Some(wrap(operand)),
        }
    }

    /// AND before OR, each from the left.
    fn grouped(self) -> Expr {
        let join = |left: Expr, op: BinaryOperator, right: Expr| Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) };
        let mut whole: Option<Expr> = None;
        let mut term = self.first;
        for (op, operand) in self.rest {
            term = Some(match (op, term.take()) {
                (BinaryOperator::And, Some(before)) => join(before, BinaryOperator::And, operand),
                (_, Some(before)) => {
                    whole = Some(whole.map_or(before.clone(), |w| join(w, BinaryOperator::Or, before)));
                    operand
                }
                (_, None) => operand,
            });
        }
        match (whole, term) {
            (Some(whole), Some(term)) => join(whole, BinaryOperator::Or, term),
            (whole, term) => whole.or(term).unwrap_or(nothing()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlparser::dialect::PostgreSqlDialect;
    use sqlparser::parser::Parser;

    fn read(text: &str) -> Expr {
        Parser::new(&PostgreSqlDialect {}).try_with_sql(text).unwrap().parse_expr().unwrap()
    }

    #[test]
    fn and_and_or_bind_less() {
        for (written, meant) in [
            ("a IS NOT DISTINCT FROM b OR c", "(a IS NOT DISTINCT FROM b) OR c"),
            ("p AND a IS DISTINCT FROM b OR c", "(p AND (a IS DISTINCT FROM b)) OR c"),
            ("p OR a IS DISTINCT FROM b AND c", "p OR ((a IS DISTINCT FROM b) AND c)"),
            ("NOT a IS DISTINCT FROM b AND c IS DISTINCT FROM d OR e", "((NOT (a IS DISTINCT FROM b)) AND (c IS DISTINCT FROM d)) OR e"),
            ("a IS DISTINCT FROM (b OR c)", "a IS DISTINCT FROM ((b OR c))"),
            ("a = b OR c", "(a = b) OR c"),
        ] {
            let mut expr = read(written);
            regrouped(&mut expr, &SystemContext::default()).unwrap();
            assert_eq!(shape(&expr), shape(&read(meant)), "{written}");
        }
    }

    /// The tree with parentheses everywhere, and none of those that were written.
    fn shape(expr: &Expr) -> String {
        match expr {
            Expr::Nested(inner) => shape(inner),
            Expr::BinaryOp { left, op, right } => format!("({} {op} {})", shape(left), shape(right)),
            Expr::UnaryOp { op, expr } => format!("({op} {})", shape(expr)),
            Expr::IsDistinctFrom(left, right) => format!("({} IS DISTINCT FROM {})", shape(left), shape(right)),
            Expr::IsNotDistinctFrom(left, right) => format!("({} IS NOT DISTINCT FROM {})", shape(left), shape(right)),
            other => other.to_string(),
        }
    }
}
