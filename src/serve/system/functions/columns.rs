//! The functions by which information_schema tells lengths and precisions of columns' types, and what an index's columns are. Clients call
//! them in copies of its views. Types are told by oid and modifier (manual, chapter 53.64, and information_schema.sql's definitions).

use super::Row;
use super::definitions::oid;
use crate::catalog::IndexKey;
use crate::error::Result;
use crate::serve::system::SystemContext;
use crate::serve::system::keys::{IndexEntry, indexes};
use crate::serve::system::rows::Cell;

const INT8: u32 = 20;
const INT2: u32 = 21;
const INT4: u32 = 23;
const TEXT: u32 = 25;
const FLOAT4: u32 = 700;
const FLOAT8: u32 = 701;
const BPCHAR: u32 = 1042;
const VARCHAR: u32 = 1043;
const DATE: u32 = 1082;
const TIME: u32 = 1083;
const TIMESTAMP: u32 = 1114;
const TIMESTAMPTZ: u32 = 1184;
const INTERVAL: u32 = 1186;
const TIMETZ: u32 = 1266;
const BIT: u32 = 1560;
const VARBIT: u32 = 1562;
const NUMERIC: u32 = 1700;

/// The largest bytes of a character in UTF-8, as PostgreSQL counts them.
const BYTES_OF_CHARACTER: i64 = 4;

/// A type and its modifier, -1 for none.
fn typed(row: Row) -> Option<(u32, i64)> {
    Some((oid(row[0])?, row[1]?.parse().ok()?))
}

/// What `of` tells of the type that the arguments name; null for a null.
fn told(row: Row, of: fn(u32, i64) -> Option<i64>) -> Result<Cell> {
    Ok(typed(row).and_then(|(ty, modifier)| of(ty, modifier)).into())
}

fn length(ty: u32, modifier: i64) -> Option<i64> {
    match ty {
        _ if modifier == -1 => None,
        BPCHAR | VARCHAR => Some(modifier - 4),
        BIT | VARBIT => Some(modifier),
        _ => None,
    }
}

/// The characters of char(n) and varchar(n), the bits of bit(n).
pub fn char_max_length(_: &SystemContext, row: Row) -> Result<Cell> {
    told(row, length)
}

/// The bytes of a text at most.
pub fn char_octet_length(_: &SystemContext, row: Row) -> Result<Cell> {
    told(row, |ty, modifier| match ty {
        TEXT | BPCHAR | VARCHAR if modifier == -1 => Some(1 << 30),
        BPCHAR | VARCHAR => length(ty, modifier).map(|n| n * BYTES_OF_CHARACTER),
        _ => None,
    })
}

/// Digits of a numeric, bits of other numbers.
pub fn numeric_precision(_: &SystemContext, row: Row) -> Result<Cell> {
    told(row, |ty, modifier| match ty {
        INT2 => Some(16),
        INT4 => Some(32),
        INT8 => Some(64),
        FLOAT4 => Some(24),
        FLOAT8 => Some(53),
        NUMERIC if modifier != -1 => Some(((modifier - 4) >> 16) & 0xFFFF),
        _ => None,
    })
}

/// What [`numeric_precision`] counts: decimal digits or bits.
pub fn numeric_radix(_: &SystemContext, row: Row) -> Result<Cell> {
    told(row, |ty, _| match ty {
        INT2 | INT4 | INT8 | FLOAT4 | FLOAT8 => Some(2),
        NUMERIC => Some(10),
        _ => None,
    })
}

/// Decimals.
pub fn numeric_scale(_: &SystemContext, row: Row) -> Result<Cell> {
    told(row, |ty, modifier| match ty {
        INT2 | INT4 | INT8 => Some(0),
        NUMERIC if modifier != -1 => Some((modifier - 4) & 0xFFFF),
        _ => None,
    })
}

/// Decimals of a second.
pub fn datetime_precision(_: &SystemContext, row: Row) -> Result<Cell> {
    const MOST: i64 = 6;
    told(row, |ty, modifier| match ty {
        DATE => Some(0),
        TIME | TIMETZ | TIMESTAMP | TIMESTAMPTZ => Some(if modifier < 0 { MOST } else { modifier }),
        INTERVAL => Some(if modifier < 0 || modifier & 0xFFFF == 0xFFFF { MOST } else { modifier & 0xFFFF }),
        _ => None,
    })
}

fn index(context: &SystemContext, number: u32) -> Option<IndexEntry<'_>> {
    indexes(&context.scope).into_iter().find(|entry| entry.oid == number)
}

/// The place, from 1, of a table's column in an index.
pub fn index_position(context: &SystemContext, row: Row) -> Result<Cell> {
    let (Some(number), Some(column)) = (oid(row[0]), row[1].and_then(|n| n.parse::<usize>().ok())) else { return Ok(Cell::Null) };
    let at = index(context, number).and_then(|entry| entry.numbers().position(|n| n == column));
    Ok(at.map(|at| at + 1).into())
}

/// What a column of an index can (manual, chapter 9.26); null for an index or a property that is not known, and where the operator class has
/// a say.
pub fn index_column_can(context: &SystemContext, row: Row) -> Result<Cell> {
    let at = row[1].and_then(|n| n.parse::<usize>().ok()).and_then(|n| n.checked_sub(1));
    let (Some(number), Some(at), Some(property)) = (oid(row[0]), at, row[2]) else { return Ok(Cell::Null) };
    let Some(entry) = index(context, number).filter(|entry| at < entry.width()) else { return Ok(Cell::Null) };
    let ordered = match entry.index.method.as_str() {
        "btree" => true,
        "hash" => false,
        _ => return Ok(Cell::Null),
    };
    // Columns of INCLUDE have no order, and nothing is searched by them.
    let key = entry.index.keys.get(at);
    let of_key = |holds: fn(&IndexKey) -> bool| Cell::from(key.map(|key| ordered && holds(key)));
    Ok(match property.to_ascii_lowercase().as_str() {
        "asc" => of_key(|key| !key.descending),
        "desc" => of_key(|key| key.descending),
        "nulls_first" => of_key(|key| key.nulls_first),
        "nulls_last" => of_key(|key| !key.nulls_first),
        "search_array" | "search_nulls" => of_key(|_| true),
        "orderable" => (ordered && key.is_some()).into(),
        "distance_orderable" => false.into(),
        "returnable" => ordered.into(),
        _ => Cell::Null,
    })
}
