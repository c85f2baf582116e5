//! How much rules may copy. A rule that writes an operand several times does so for what is in the operand, too: a statement of few
//! letters would become one of any size.

use std::ops::ControlFlow;

use sqlparser::ast::{BinaryOperator, DataType, Expr, Statement, Value, visit_expressions};

use super::build::bare;
use crate::error::{Error, Result, code};

/// The most expressions that one rule makes of an operand.
const AT_ONCE_MAX: usize = 100_000;
/// As many expressions may be copied whatever the statement is,
const ALWAYS: usize = 5_000;
/// and as many for each that was written,
const FOR_EACH: usize = 50;
/// but no more than these.
const IN_ALL_MAX: usize = 2_000_000;
/// So many bytes of a literal, which may be an array, count as one expression.
const LITERAL_BYTES: usize = 8;

/// What the rules have copied of a statement.
pub struct Copies {
    made: usize,
    most: usize,
}

impl Copies {
    /// Those of a statement as it was written. Cost O(its expressions).
    pub fn of(written: &Statement) -> Copies {
        let mut expressions = 0usize;
        let _ = visit_expressions(written, |expr| {
            expressions += 1;
            if let Expr::Value(value) = expr
                && let Value::SingleQuotedString(text) = &value.value
            {
                expressions += text.len() / LITERAL_BYTES;
            }
            ControlFlow::<()>::Continue(())
        });
        Copies { made: 0, most: expressions.saturating_mul(FOR_EACH).saturating_add(ALWAYS).min(IN_ALL_MAX) }
    }

    /// Applies rules to an expression. Errors: theirs; 54001 where they have copied too much.
    pub fn counted(&mut self, expr: &mut Expr, apply: impl FnOnce(&mut Expr) -> Result<()>) -> Result<()> {
        if !may_be_copied(expr) {
            return apply(expr);
        }
        let before = size(expr);
        apply(expr)?;
        self.made = self.made.saturating_add(size(expr).saturating_sub(before));
        if self.made > self.most { Err(too_complex()) } else { Ok(()) }
    }
}

/// True for what there are rules for that write operands several times.
fn may_be_copied(expr: &Expr) -> bool {
    use BinaryOperator::{Eq, Gt, GtEq, Lt, LtEq, NotEq, Overlaps};
    match expr {
        Expr::Cast { data_type: DataType::Custom(..), .. } => true,
        Expr::BinaryOp { left: row, op: Eq | NotEq | Lt | LtEq | Gt | GtEq | Overlaps, .. } | Expr::InList { expr: row, .. } => {
            matches!(bare(row), Expr::Tuple(_) | Expr::Function(_))
        }
        // These are lists, whose left side stands there once.
        Expr::AnyOp { compare_op: Eq, .. } | Expr::AllOp { compare_op: NotEq, .. } => false,
        _ => matches!(expr, Expr::AnyOp { .. } | Expr::AllOp { .. } | Expr::Like { .. } | Expr::ILike { .. }),
    }
}

/// Errors: 54001 where an operand is too large to be written that many times.
pub fn check(operand: &Expr, times: usize) -> Result<()> {
    if times > 1 && size(operand).saturating_mul(times) > AT_ONCE_MAX { Err(too_complex()) } else { Ok(()) }
}

/// How many expressions there are in one, itself included.
fn size(expr: &Expr) -> usize {
    let mut count = 0;
    let _ = visit_expressions(expr, |_| {
        count += 1;
        ControlFlow::<()>::Continue(())
    });
    count
}

fn too_complex() -> Error {
    Error::new(code::STATEMENT_TOO_COMPLEX, "an expression is too complex")
        .hint("Casts to domains, comparisons of rows and ANY are written out: compute what is within them in a subquery of FROM.")
}

#[cfg(test)]
mod tests {
    use sqlparser::dialect::PostgreSqlDialect;
    use sqlparser::parser::Parser;

    use super::super::{SystemContext, rewrite};

    #[test]
    fn long_lists_are_no_copies() {
        let list: Vec<String> = (0..20_000).map(|n| n.to_string()).collect();
        let list = list.join(",");
        let casts = "(1::varchar, 2),".repeat(2_000);
        for sql in [
            format!("SELECT x = ANY ('{{{list}}}'), x <> ALL ('{{{list}}}'), lower(y) LIKE ANY ('{{{list}}}')"),
            format!("INSERT INTO t VALUES {casts} (1, 2)"),
        ] {
            let mut statements = Parser::parse_sql(&PostgreSqlDialect {}, &sql).unwrap();
            assert!(rewrite(&mut statements[0], &SystemContext::default()).is_ok());
        }
    }
}
