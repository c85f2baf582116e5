//! What a query gives, as the relation it writes to has it.

use super::compute::{self, evaluator};
use super::expr::Typed;
use super::stage::{Role, Stage, StageColumn};
use crate::catalog::{Ksql, KsqlColumn, TimestampColumn};
use crate::error::{Error, Result, code};
use crate::fold::ksql as fold;
use crate::func::ksql::Type;

/// The columns of a result, as a relation's.
pub fn columns(stage: &Stage) -> Vec<KsqlColumn> {
    let column =
        |c: &StageColumn| KsqlColumn { name: c.name.clone(), ty: c.ty.clone(), key: c.role == Role::Key, bound: c.role == Role::Bound };
    stage.columns.iter().map(column).collect()
}

/// Refuses a query whose columns are not those of the relation: same names and key, types that widen. Errors: 42804.
pub fn check_fits(stage: &Stage, sink: &Ksql, name: &str) -> Result<()> {
    let given = columns(stage);
    let same = given.len() == sink.columns.len()
        && given.iter().zip(&sink.columns).all(|(g, s)| g.name == s.name && g.key == s.key && widens(&g.ty, &s.ty));
    if same {
        return Ok(());
    }
    let list = |columns: &[KsqlColumn]| {
        let one = |c: &KsqlColumn| format!("{} {}{}", c.name, c.ty, if c.key { " KEY" } else { "" });
        columns.iter().map(one).collect::<Vec<_>>().join(", ")
    };
    Err(Error::new(code::DATATYPE_MISMATCH, format!("the query's columns are not those of \"{name}\""))
        .detail(format!("The query gives {}. \"{name}\" has {}.", list(&given), list(&sink.columns)))
        .hint("Name and order the items of SELECT as the relation's columns; CAST those of another type."))
}

/// True if values of `from` are taken for ones of `to`: numbers widen, and whole ones become decimals of any precision.
fn widens(from: &Type, to: &Type) -> bool {
    let whole = matches!(from, Type::Int | Type::Bigint) && matches!(to, Type::Decimal(..));
    from == to || whole || from.common(to).as_ref() == Some(to)
}

/// The rows in the columns of the relation: by name, widened. A relation whose columns were added later has NULL in them.
pub fn fitted(stage: Stage, sink: &Ksql) -> Result<Stage> {
    let alike = |(g, s): (&StageColumn, &KsqlColumn)| g.ty == s.ty && g.name == s.name;
    if stage.columns.len() == sink.columns.len() && stage.columns.iter().zip(&sink.columns).all(alike) {
        return Ok(stage);
    }
    let mut codes = Vec::with_capacity(sink.columns.len());
    for column in &sink.columns {
        let typed = match stage.columns.iter().position(|given| given.name == column.name) {
            Some(i) => Typed { code: compute::column(i, &column.name), ty: stage.columns[i].ty.clone() },
            None => compute::null(),
        };
        codes.push(evaluator(compute::assigned(typed, &column.ty).code));
    }
    let key = sink.identity();
    let role = |c: &KsqlColumn| {
        if c.key {
            Role::Key
        } else if c.bound {
            Role::Bound
        } else {
            Role::Value
        }
    };
    let columns =
        sink.columns.iter().map(|c| StageColumn { source: None, name: c.name.clone(), ty: c.ty.clone(), role: role(c) }).collect();
    Ok(Stage { columns, ..stage.then(fold::Project::new(codes, key, "fitted")) })
}

/// The rows with ROWTIME from one of their columns; those without a time there are left out.
pub fn restamped(stage: Stage, timestamp: &TimestampColumn) -> Result<Stage> {
    let index = stage.columns.iter().position(|c| c.name == timestamp.column);
    let index = index.ok_or_else(|| Error::new(code::UNDEFINED_COLUMN, format!("column \"{}\" does not exist", timestamp.column)))?;
    Ok(stage.then(fold::Restamp::new(index, timestamp.format.clone())))
}
