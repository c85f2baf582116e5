//! Which values of columns conditions let through, as far as blocks of rows can be left out for it: `a < 1`, `a >= b'..'`, `a IN (1, 2)`.
//!
//! As in [`super::keys`] the conditions come from the optimizer, and stay above the scan.

use std::ops::RangeInclusive;

use arrow::datatypes::Schema;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};

use super::keys::fits;
use crate::fold::{Within, extent};

/// What conditions, all of which are met by the rows that are looked for, say of columns.
pub fn within(conditions: &[Expr], schema: &Schema) -> Vec<Within> {
    conditions.iter().filter_map(|condition| bound(condition, schema)).collect()
}

/// What one condition says of a column.
pub fn bound(condition: &Expr, schema: &Schema) -> Option<Within> {
    match condition {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
            let (a, b) = (bound(left, schema)?, bound(right, schema)?);
            (a.column == b.column).then(|| Within { column: a.column, places: around(a.places, b.places) })
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match (left.as_ref(), right.as_ref()) {
            (Expr::Column(column), Expr::Literal(value, _)) => compared(&column.name, *op, value, schema),
            (Expr::Literal(value, _), Expr::Column(column)) => compared(&column.name, op.swap()?, value, schema),
            _ => None,
        },
        Expr::InList(InList { expr, list, negated: false }) => {
            let Expr::Column(column) = expr.as_ref() else { return None };
            let equal = |item: &Expr| match item {
                Expr::Literal(value, _) => compared(&column.name, Operator::Eq, value, schema),
                _ => None,
            };
            let mut bounds = list.iter().map(equal);
            let first = bounds.next()??;
            let places = bounds.try_fold(first.places, |places, other| Some(around(places, other?.places)))?;
            Some(Within { column: first.column, places })
        }
        _ => None,
    }
}

fn compared(column: &str, op: Operator, value: &ScalarValue, schema: &Schema) -> Option<Within> {
    let column = schema.index_of(column).ok()?;
    let ty = schema.field(column).data_type();
    if !fits(value, ty) {
        return None;
    }
    let (place, _) = extent(&value.to_array().ok()?)??;
    // Values that differ may have one place.
    let places = match op {
        Operator::Eq => place..=place,
        Operator::Lt | Operator::LtEq => i128::MIN..=place,
        Operator::Gt | Operator::GtEq => place..=i128::MAX,
        _ => return None,
    };
    Some(Within { column, places })
}

fn around(a: RangeInclusive<i128>, b: RangeInclusive<i128>) -> RangeInclusive<i128> {
    *a.start().min(b.start())..=*a.end().max(b.end())
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{DataType, Field};
    use datafusion::prelude::{col, lit};

    use super::*;

    #[test]
    fn bounds_are_what_conditions_let_through() {
        let schema = Schema::new(vec![Field::new("a", DataType::Int32, false), Field::new("b", DataType::Utf8View, false)]);
        let places = |condition: Expr| bound(&condition, &schema).map(|within| (within.column, within.places));
        assert_eq!(places(col("a").eq(lit(3))), Some((0, 3..=3)));
        assert_eq!(places(lit(3).lt(col("a"))), Some((0, 3..=i128::MAX)));
        assert_eq!(places(col("a").lt_eq(lit(3))), Some((0, i128::MIN..=3)));
        assert_eq!(places(col("a").eq(lit(3)).or(col("a").eq(lit(-1)))), Some((0, -1..=3)));
        assert_eq!(places(col("a").in_list(vec![lit(7), lit(2), lit(5)], false)), Some((0, 2..=7)));
        assert!(places(col("b").gt(lit("x"))).is_some());
        for other in [
            col("a").not_eq(lit(3)),
            col("a").in_list(vec![lit(7)], true),
            col("a").in_list(vec![lit(7), col("b")], false),
            col("a").eq(lit(3)).or(col("b").eq(lit("x"))),
            col("a").eq(lit(3_i64)),
            col("a").eq(lit(ScalarValue::Int32(None))),
            col("a").eq(col("b")),
        ] {
            assert_eq!(places(other.clone()), None, "{other}");
        }
    }
}
