//! Which keys a condition lets through: `key = 1`, `key IN (1, 2)`, and several of them for a key of several columns.
//!
//! Conditions come from the optimizer, which has put parameters in, computed constants, and made both sides of one type. They stay above
//! the scan: what is found here only bounds the rows that are looked at.

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};

use crate::catalog::{Index, Relation, RelationKind};

/// Keys of several columns that are looked up at most, where each column has several values; with more the table is scanned.
const COMBINATIONS_MAX: usize = 1_024;

/// The columns by which a table's rows can be found: those of its key, of each UNIQUE, and of each unique index that says no more.
pub fn of_table(relation: &Relation) -> Vec<Vec<usize>> {
    if relation.kind != RelationKind::Table || relation.ksql.is_some() {
        return vec![];
    }
    let unique = relation.unique_columns().filter_map(|columns| columns.iter().map(|name| relation.column(name).ok()).collect());
    std::iter::once(relation.key.clone()).filter(|key| !key.is_empty()).chain(unique).collect()
}

/// The columns that a key, a UNIQUE or an index of a relation begins with, most of them first: by their values rows can be found, any number
/// for one.
pub fn of_indexes(relation: &Relation) -> Vec<Vec<usize>> {
    if relation.ksql.is_some() {
        return vec![];
    }
    let named = |names: Vec<String>| names.iter().map(|name| relation.column(name).ok()).collect::<Option<Vec<usize>>>();
    let indexed = relation.unique_columns().chain(relation.indexes.iter().map(Index::first_columns)).filter_map(named);
    let all = std::iter::once(relation.key.clone()).chain(indexed);
    let mut first: Vec<Vec<usize>> = all.flat_map(|columns| (1..=columns.len()).map(move |n| columns[..n].to_vec())).collect();
    first.sort_by_key(|columns| (std::cmp::Reverse(columns.len()), columns.clone()));
    first.dedup();
    first
}

/// True if a condition may say which values a column has.
pub fn names_values(condition: &Expr) -> bool {
    values(condition).is_some()
}

/// The keys, one array for each column, that rows must have to meet all conditions.
pub fn wanted(conditions: &[Expr], schema: &SchemaRef, columns: &[usize]) -> Option<Vec<ArrayRef>> {
    let known: Vec<(&str, Vec<ScalarValue>)> = conditions.iter().filter_map(values).collect();
    let mut keys: Vec<Vec<ScalarValue>> = vec![vec![]];
    for column in columns {
        // What identifies rows may be hidden from the statement.
        let field = schema.fields().get(*column)?;
        let (_, values) = known.iter().find(|(name, values)| name == field.name() && values.iter().all(|v| fits(v, field.data_type())))?;
        if columns.len() > 1 && keys.len() * values.len() > COMBINATIONS_MAX {
            return None;
        }
        keys = keys.iter().flat_map(|key| values.iter().map(|value| key.iter().chain([value]).cloned().collect())).collect();
    }
    let array = |i: usize| {
        let field = schema.field(columns[i]);
        if keys.is_empty() {
            return Some(arrow::array::new_empty_array(field.data_type()));
        }
        let cast = keys.iter().map(|key| key[i].cast_to(field.data_type())).collect::<Result<Vec<_>, _>>().ok()?;
        ScalarValue::iter_to_array(cast).ok()
    };
    (0..columns.len()).map(array).collect()
}

/// True if a value is of a column's type, or text of another layout.
pub(super) fn fits(value: &ScalarValue, ty: &DataType) -> bool {
    let is_text = |ty: &DataType| matches!(ty, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    value.data_type() == *ty || is_text(&value.data_type()) && is_text(ty)
}

/// A column's name and all values that a condition lets it have.
fn values(condition: &Expr) -> Option<(&str, Vec<ScalarValue>)> {
    match condition {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => match (left.as_ref(), right.as_ref()) {
            (Expr::Column(column), Expr::Literal(value, _)) | (Expr::Literal(value, _), Expr::Column(column)) => {
                Some((&column.name, present(value).collect()))
            }
            _ => None,
        },
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
            let ((name, mut all), (other, more)) = (values(left)?, values(right)?);
            all.extend(more);
            (name == other).then_some((name, all))
        }
        Expr::InList(InList { expr, list, negated: false }) => {
            let Expr::Column(column) = expr.as_ref() else { return None };
            let literals = list.iter().map(|item| if let Expr::Literal(value, _) = item { Some(value) } else { None });
            let literals: Vec<&ScalarValue> = literals.collect::<Option<_>>()?;
            Some((&column.name, literals.into_iter().flat_map(present).collect()))
        }
        _ => None,
    }
}

/// The value, unless it is NULL, which no column equals.
fn present(value: &ScalarValue) -> impl Iterator<Item = ScalarValue> {
    Some(value.clone()).filter(|value| !value.is_null()).into_iter()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{AsArray, Int32Array};
    use arrow::datatypes::{Field, Schema};
    use datafusion::prelude::{col, lit};

    use super::*;

    fn keys(conditions: &[Expr], columns: &[usize]) -> Option<Vec<(i32, String)>> {
        let fields = vec![Field::new("a", DataType::Int32, false), Field::new("b", DataType::Utf8View, false)];
        let wanted = wanted(conditions, &(Arc::new(Schema::new(fields)) as SchemaRef), columns)?;
        let numbers: &Int32Array = wanted[0].as_primitive();
        let text = |i: usize| wanted.get(1).map_or(String::new(), |texts| texts.as_string_view().value(i).to_string());
        Some(numbers.values().iter().enumerate().map(|(i, number)| (*number, text(i))).collect())
    }

    #[test]
    fn keys_are_what_conditions_let_through() {
        let one = |n: i32| (n, String::new());
        assert_eq!(keys(&[col("a").eq(lit(1))], &[0]), Some(vec![one(1)]));
        assert_eq!(keys(&[lit(1).eq(col("a")).or(col("a").eq(lit(2)))], &[0]), Some(vec![one(1), one(2)]));
        let list = |negated| col("a").in_list(vec![lit(1), lit(ScalarValue::Int32(None)), lit(3)], negated);
        assert_eq!(keys(&[list(false)], &[0]), Some(vec![one(1), one(3)]));
        assert_eq!(keys(&[col("a").eq(lit(ScalarValue::Int32(None)))], &[0]), Some(vec![]));
        let both = [col("b").eq(lit("x")), col("a").eq(lit(1)).or(col("a").eq(lit(2)))];
        assert_eq!(keys(&both, &[0, 1]), Some(vec![(1, "x".into()), (2, "x".into())]));
    }

    #[test]
    fn other_conditions_bound_no_keys() {
        for other in [
            col("a").gt(lit(1)),
            col("a").not_eq(lit(1)),
            col("a").in_list(vec![lit(1)], true),
            col("a").in_list(vec![col("b")], false),
            col("a").eq(lit(1)).or(col("b").eq(lit("x"))),
            col("a").eq(lit(1)).or(col("a").gt(lit(7))),
            col("a").eq(lit(1i64)),
            col("b").eq(lit("x")),
        ] {
            assert_eq!(keys(std::slice::from_ref(&other), &[0]), None, "{other}");
        }
        assert_eq!(keys(&[col("a").eq(lit(1))], &[0, 1]), None);
        let many = |name: &str| (1..40).map(|i| col(name).eq(lit(i))).reduce(Expr::or).unwrap();
        assert_eq!(keys(&[many("a"), many("a")], &[0, 0]), None, "too many combinations");
    }
}
