//! pg_sequence, pg_sequences, information_schema.sequences, and each sequence as a relation.

use super::super::SystemContext;
use super::super::names::type_oid;
use super::super::rows::Rows;
use crate::catalog::{Privileges, Sequence};
use crate::error::Result;

pub fn pg_sequence(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    context.scope.sequences.iter().try_for_each(|s| {
        rows.add([
            ("seqrelid", s.id.into()),
            ("seqtypid", type_oid(context, &s.ty).into()),
            ("seqstart", s.start.into()),
            ("seqincrement", s.increment.into()),
            ("seqmax", s.max.into()),
            ("seqmin", s.min.into()),
            ("seqcache", 1i64.into()),
            ("seqcycle", s.cycle.into()),
        ])
    })
}

pub fn pg_sequences(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    context.scope.sequences.iter().try_for_each(|s| {
        rows.add([
            ("schemaname", context.scope.namespace_name(s.namespace).into()),
            ("sequencename", (&s.name).into()),
            ("sequenceowner", context.role_name(context.scope.sequence_owner(s)).into()),
            ("data_type", type_oid(context, &s.ty).into()),
            ("start_value", s.start.into()),
            ("min_value", s.min.into()),
            ("max_value", s.max.into()),
            ("increment_by", s.increment.into()),
            ("cycle", s.cycle.into()),
            ("cache_size", 1i64.into()),
            ("last_value", last_value(context, s).into()),
        ])
    })
}

/// The last number that a sequence gave; `None` before the first, and for who may not know it.
pub fn last_value(context: &SystemContext, sequence: &Sequence) -> Option<i64> {
    let may = context.on_sequence(sequence).privileges;
    let (last, called) = context.session.as_ref()?.last_of(sequence);
    (called && (may.has(Privileges::SELECT) || may.has(Privileges::USAGE))).then_some(last)
}

/// What a sequence is as a relation.
pub fn pg_sequence_state(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    let Some(session) = &context.session else { return Ok(()) };
    context.scope.sequences.iter().try_for_each(|s| {
        let (last, called) = session.last_of(s);
        rows.add([("seqrelid", s.id.into()), ("last_value", last.into()), ("log_cnt", 0i64.into()), ("is_called", called.into())])
    })
}

pub fn sequences(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    let mut seen = context.scope.sequences.iter().filter(|s| !context.on_sequence(s).privileges.is_none());
    seen.try_for_each(|s| {
        let bits: i64 = match s.ty.as_str() {
            "smallint" => 16,
            "integer" => 32,
            _ => 64,
        };
        rows.add([
            ("sequence_catalog", (&context.database).into()),
            ("sequence_schema", context.scope.namespace_name(s.namespace).into()),
            ("sequence_name", (&s.name).into()),
            ("data_type", (&s.ty).into()),
            ("numeric_precision", bits.into()),
            ("numeric_precision_radix", 2i64.into()),
            ("numeric_scale", 0i64.into()),
            ("start_value", s.start.to_string().into()),
            ("minimum_value", s.min.to_string().into()),
            ("maximum_value", s.max.to_string().into()),
            ("increment", s.increment.to_string().into()),
            ("cycle_option", if s.cycle { "YES" } else { "NO" }.into()),
        ])
    })
}
