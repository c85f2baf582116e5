//! Conditions of domains: VALUE in them is the value that they are about.

use std::ops::ControlFlow;

use sqlparser::ast::{self, Expr, SelectItem, SetExpr};

use super::parse::written_query;
use crate::error::{Error, Result};

/// The condition about another expression.
pub fn with_value(condition: &str, value: &Expr) -> Result<Expr> {
    let mut condition = expression(condition)?;
    let _ = ast::visit_expressions_mut(&mut condition, |e| {
        if matches!(e, Expr::Identifier(ident) if ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("value")) {
            *e = value.clone();
        }
        ControlFlow::<()>::Continue(())
    });
    Ok(condition)
}

/// The same as texts.
pub fn value_as(condition: &str, value: &str) -> Result<String> {
    Ok(with_value(condition, &expression(value)?)?.to_string())
}

fn expression(text: &str) -> Result<Expr> {
    let query = written_query(&format!("SELECT {text}"))?;
    let item = match *query.body {
        SetExpr::Select(select) => select.projection.into_iter().next(),
        _ => None,
    };
    match item {
        Some(SelectItem::UnnamedExpr(expr)) => Ok(expr),
        _ => Err(Error::internal("a condition is an expression")),
    }
}

#[cfg(test)]
mod tests {
    use super::value_as;

    #[test]
    fn the_value_of_a_condition_is_replaced() {
        assert_eq!(
            value_as("VALUE > 0 AND length(value::text) < 5", "\"Value\"").unwrap(),
            "\"Value\" > 0 AND length(\"Value\"::TEXT) < 5"
        );
        assert_eq!(value_as("\"value\" = 'value'", "x").unwrap(), "\"value\" = 'value'");
    }
}
