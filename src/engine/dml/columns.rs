//! The columns that a statement writes to: which they are, and what may be put there.

use arrow::array::{Array, ArrayRef, RecordBatch};

use crate::catalog::{Column, Relation};
use crate::data::PgType;
use crate::data::types::check_dimensions;
use crate::engine::query::Planned;
use crate::error::{Error, Result, code};
use crate::func::{cast, present, round_all, rounded};
use crate::plan::result_types;

pub fn target_columns(relation: &Relation, names: &[String]) -> Result<Vec<usize>> {
    if names.is_empty() {
        return Ok((0..relation.columns.len()).collect());
    }
    let mut targets = Vec::with_capacity(names.len());
    for name in names {
        let target = relation.column(name)?;
        if targets.contains(&target) {
            return Err(Error::new(code::DUPLICATE_COLUMN, format!("column \"{name}\" specified more than once")));
        }
        targets.push(target);
    }
    Ok(targets)
}

/// Errors: 42601 for a row of VALUES that has not as many values as the first one.
pub fn check_row(values: usize, first: usize) -> Result<()> {
    if values == first { Ok(()) } else { Err(Error::syntax("VALUES lists must all be the same length")) }
}

/// More values than columns never fit; fewer only where no columns are listed.
pub fn check_width(values: usize, targets: usize, listed: bool) -> Result<()> {
    if values > targets {
        return Err(Error::syntax("INSERT has more expressions than target columns").item(targets + 1));
    }
    if values < targets && listed {
        return Err(Error::syntax("INSERT has more target columns than expressions").item(values + 1));
    }
    Ok(())
}

/// Errors: 23502 if column `i` of the relation may not be null and `values` has one.
pub fn not_null(relation: &Relation, i: usize, values: &ArrayRef) -> Result<()> {
    let column = &relation.columns[i];
    if column.nullable || values.null_count() == 0 {
        return Ok(());
    }
    let message = format!("null value in column \"{}\" of relation \"{}\" violates not-null constraint", column.name, relation.name);
    Err(Error::new(code::NOT_NULL_VIOLATION, message).about(relation.id, &relation.name, Some(&column.name), None))
}

/// Values that are read for a column, rounded to the precision that it has. Errors: 22008.
pub fn at_precision(column: &Column, values: ArrayRef) -> Result<ArrayRef> {
    match column.precision {
        Some(decimals) => round_all(&values, decimals),
        None => Ok(values),
    }
}

/// Errors: 23502 for a null where the relation takes none. `rows` begins with the relation's columns.
pub fn all_not_null(relation: &Relation, rows: &RecordBatch) -> Result<()> {
    (0..relation.columns.len()).try_for_each(|i| not_null(relation, i, rows.column(i)))
}

/// The plan with its first columns cast to the types wanted, as an assignment would.
pub fn cast_columns(planned: Planned, wanted: &[&Column]) -> Result<Planned> {
    let schema = planned.plan.schema().clone();
    // The types that the values have is known once they are analyzed: ARRAY[1] is of integers only then.
    let types: Vec<PgType> = planned.schema.fields().iter().map(|f| PgType::of(f)).collect();
    let mut expressions = Vec::with_capacity(schema.fields().len());
    for (i, from) in schema.columns().into_iter().enumerate() {
        let column = datafusion::logical_expr::Expr::Column(from);
        let value = match wanted.get(i) {
            Some(to) if is_narrowed(&planned.columns[i].ty, &to.ty) => cast::between(column, planned.columns[i].ty.clone(), to.ty.clone()),
            Some(to) if to.ty.is_of_rows() && to.ty.arrow() != *schema.field(i).data_type() => {
                let unknown = result_types::is_unknown(&planned.plan, i);
                check_assignable(if unknown { &PgType::Unknown } else { &types[i] }, to)?;
                cast::assignment_from(column, types[i].clone(), to.ty.clone())
            }
            Some(to) if to.ty.arrow() != *schema.field(i).data_type() || to.ty.has_length() && planned.columns[i].ty != to.ty => {
                if matches!(to.ty, PgType::Array(_)) {
                    check_dimensions(planned.schema.field(i).data_type(), &to.ty.arrow())?;
                }
                let unknown = result_types::is_unknown(&planned.plan, i);
                check_assignable(if unknown { &PgType::Unknown } else { &types[i] }, to)?;
                match present::of_column(&planned.plan, i, &to.ty) {
                    Some(present) => present,
                    None if to.ty.has_length() => cast::assignment(column, to.ty.clone()),
                    None => datafusion::logical_expr::cast(column, to.ty.arrow()),
                }
            }
            _ => column,
        };
        let value = match wanted.get(i).and_then(|to| to.precision) {
            Some(decimals) => rounded(value, decimals),
            None => value,
        };
        expressions.push(value.alias(format!("column{i}")));
    }
    let plan = datafusion::logical_expr::LogicalPlanBuilder::from(planned.plan).project(expressions)?.build()?;
    let schema = plan.schema().inner().clone();
    Ok(Planned { plan, schema, computed: None, ..planned })
}

/// True for values that are put into a column of another type with the same Arrow type, arrays likewise: json, whose text is as it was written,
/// that is to be jsonb, and an inet, which may have a host part, that is to be a cidr.
fn is_narrowed(from: &PgType, to: &PgType) -> bool {
    match (from, to) {
        (PgType::Json, PgType::Jsonb) | (PgType::Inet, PgType::Cidr) => true,
        (PgType::Array(from), PgType::Array(to)) => is_narrowed(from, to),
        _ => false,
    }
}

/// Errors: 42804 where PostgreSQL has no assignment cast.
pub fn check_assignable(from: &PgType, to: &Column) -> Result<()> {
    let family = |t: &PgType| match t {
        t if t.is_number() => 1,
        PgType::Date | PgType::Timestamp | PgType::Timestamptz => 2,
        PgType::Text | PgType::Varchar(_) | PgType::Bpchar(_) | PgType::Name | PgType::Unknown => 0,
        PgType::Json | PgType::Jsonb => 3,
        other => 4 + other.oid(),
    };
    let (from_item, to_item) = match (from, &to.ty) {
        (PgType::Array(from), PgType::Array(to)) => (from.as_ref(), to.as_ref()),
        other => other,
    };
    let (a, b) = (family(from_item), family(to_item));
    if *from_item == PgType::Record && matches!(to_item, PgType::Composite(_)) {
        return Ok(());
    }
    // Text becomes a label or a row only where it is asked to; a literal is of no type.
    let asked = to_item.is_of_user() && a == 0 && *from_item != PgType::Unknown;
    if !asked && (a == b || a == 0 || b == 0) {
        return Ok(());
    }
    Err(mismatched(from, to))
}

/// 42804: values of a type are not assigned to a column.
pub fn mismatched(from: &PgType, to: &Column) -> Error {
    Error::new(code::DATATYPE_MISMATCH, format!("column \"{}\" is of type {} but expression is of type {from}", to.name, to.ty))
        .hint("You will need to rewrite or cast the expression.")
}
