//! The bodies of the longer system functions.

use std::collections::BTreeSet;

use super::Row;
use crate::catalog::{Column, RelationKind, TEMPORARY_NAMESPACE};
use crate::data::encode::REG_SEPARATOR;
use crate::error::{Error, Result, code};
use crate::serve::system::deparse::Style;
use crate::serve::system::facts;
use crate::serve::system::keys::{IndexEntry, constraints, indexes};
use crate::serve::system::names::{self, Reg};
use crate::serve::system::relations;
use crate::serve::system::rows::Cell;
use crate::serve::system::updatable::{UPDATE, changes_replaced, changes_taken};
use crate::serve::system::{LockStatus, RelationStatus, SystemContext};

/// An argument that is an oid, or the name of a relation: functions of a regclass take both.
pub(super) fn class(context: &SystemContext, row: Row) -> Result<Option<u32>> {
    row[0].map(|text| Reg::Class.read(context, text)).transpose()
}

/// The oid, or another whole number of its size, that an argument is.
pub fn oid(argument: Option<&str>) -> Option<u32> {
    argument.and_then(|text| text.parse().ok())
}

fn reg<'a>(row: Row<'a>) -> Result<(Reg, Option<&'a str>)> {
    let kind = row[0].and_then(Reg::parse).ok_or_else(|| Error::internal("reg_oid and reg_name take the name of a reg type"))?;
    Ok((kind, row[1]))
}

/// `x::regclass::oid`: the oid of what text or number names.
pub fn reg_oid(context: &SystemContext, row: Row) -> Result<Cell> {
    let (kind, text) = reg(row)?;
    Ok(text.map(|text| kind.read(context, text)).transpose()?.into())
}

/// `x::regclass`, shown: the name of what text or number names.
pub fn reg_name(context: &SystemContext, row: Row) -> Result<Cell> {
    let (kind, text) = reg(row)?;
    let Some(text) = text else { return Ok(Cell::Null) };
    Ok(kind.print(context, kind.read(context, text)?).into())
}

/// The same behind the oid, for whoever writes it to a client: see [`REG_SEPARATOR`].
pub fn reg_shown(context: &SystemContext, row: Row) -> Result<Cell> {
    let (kind, text) = reg(row)?;
    let Some(text) = text else { return Ok(Cell::Null) };
    let oid = kind.read(context, text)?;
    Ok(format!("{oid}{REG_SEPARATOR}{}", kind.print(context, oid)).into())
}

/// to_regclass() and its kin: null for a name that does not exist.
pub fn to_reg(kind: &str, context: &SystemContext, row: Row) -> Result<Cell> {
    let kind = Reg::parse(kind).ok_or_else(|| Error::internal("not a reg type"))?;
    Ok(match row[0] {
        Some(text) => kind.look_up(context, text)?.into(),
        None => Cell::Null,
    })
}

/// The schema in which relations are created: the first of the path.
pub fn current_schema(context: &SystemContext, _: Row) -> Result<Cell> {
    let first = context.scope.path.namespaces().iter().find(|id| **id != TEMPORARY_NAMESPACE);
    Ok(first.map(|id| context.scope.namespace_name(*id)).into())
}

/// The oid of the schema of temporary tables; 0 while there are none.
pub fn temporary_schema(context: &SystemContext, _: Row) -> Result<Cell> {
    let there = context.scope.relations_in(TEMPORARY_NAMESPACE).next().is_some();
    Ok(if there { TEMPORARY_NAMESPACE.into() } else { Cell::Int(0) })
}

/// The path, with what is before it unasked if the argument is true.
pub fn current_schemas(context: &SystemContext, row: Row) -> Result<Cell> {
    let Some(argument) = row[0] else { return Ok(Cell::Null) };
    let scope = &context.scope;
    let path = scope.path.namespaces();
    // What comes first without being named.
    let unnamed = usize::from(path.first() == Some(&TEMPORARY_NAMESPACE));
    let mut names: Vec<&str> = path[unnamed..].iter().map(|id| scope.namespace_name(*id)).collect();
    if argument == "true" {
        if !names.contains(&"pg_catalog") {
            names.insert(0, "pg_catalog");
        }
        path[..unnamed].iter().for_each(|id| names.insert(0, scope.namespace_name(*id)));
    }
    Ok(names.into_iter().map(Cell::from).collect::<Vec<_>>().into())
}

/// Errors: 42704 for a name that is no setting, unless the second argument is true.
pub fn current_setting(context: &SystemContext, row: Row) -> Result<Cell> {
    let Some(name) = row[0] else { return Ok(Cell::Null) };
    match relations::setting(context, name) {
        Some(value) => Ok(value.into()),
        None if row.get(1) == Some(&Some("true")) => Ok(Cell::Null),
        None => Err(Error::new(code::UNDEFINED_OBJECT, format!("unrecognized configuration parameter \"{name}\""))),
    }
}

/// The names of the columns of a relation, by their numbers in a key's text: `{1,2}` or `1 2`. Null for columns that do not exist.
pub fn column_names(context: &SystemContext, row: Row) -> Result<Cell> {
    let (Some(relation), Some(key)) = (oid(row[0]), row[1]) else { return Ok(Cell::Null) };
    let numbers = key.split(['{', '}', '[', ']', ',', ' ']).filter_map(|n| n.parse::<usize>().ok());
    let Some(relation) = context.scope.by_id(relation) else { return Ok(Cell::Null) };
    let name = |n: usize| n.checked_sub(1).and_then(|i| relation.columns.get(i)).map(|c| c.name.clone());
    Ok(Cell::List(numbers.map(|n| name(n).into()).collect()))
}

pub fn format_type(context: &SystemContext, row: Row) -> Result<Cell> {
    let Some(oid) = oid(row[0]) else { return Ok(Cell::Null) };
    if oid == 0 {
        return Ok("-".into());
    }
    let typmod = row[1].and_then(|m| m.parse().ok());
    Ok(names::type_name(context, oid, typmod).unwrap_or_else(|| "???".into()).into())
}

/// Visible without a schema. Null for an oid that nothing has.
pub fn table_is_visible(context: &SystemContext, row: Row) -> Result<Cell> {
    Ok(oid(row[0]).and_then(|oid| names::is_visible(context, oid)).into())
}

/// The same of a type: the row type of a relation is in the schema of that.
pub fn type_is_visible(context: &SystemContext, row: Row) -> Result<Cell> {
    let Some(oid) = oid(row[0]) else { return Ok(Cell::Null) };
    if let Some((ty, _)) = names::users_type(context, oid) {
        return Ok((context.scope.shown_type(ty).schema.is_none()).into());
    }
    let relation = [names::ROW_ARRAY, names::ROW_TYPE].iter().find_map(|base| context.scope.by_id(oid.checked_sub(*base)?));
    Ok(relation.map_or(Some(true), |r| names::is_visible(context, r.id)).into())
}

pub fn view_definition(context: &SystemContext, row: Row) -> Result<Cell> {
    let relation = class(context, row)?.and_then(|oid| context.scope.by_id(oid));
    Ok(relation.filter(|r| !r.is_table()).map(|r| relations::definition(context, r)).into())
}

/// The statement that makes the index, or the name of its n-th column.
pub fn index_definition(context: &SystemContext, row: Row) -> Result<Cell> {
    let wanted = oid(row[0]);
    let Some(index) = indexes(&context.scope).into_iter().find(|i| Some(i.oid) == wanted) else { return Ok(Cell::Null) };
    let column: usize = row.get(1).copied().flatten().and_then(|n| n.parse().ok()).unwrap_or(0);
    let style = style(row.get(2).copied().flatten());
    Ok(match column.checked_sub(1) {
        None => index.definition(context, style).into(),
        Some(i) => index.column(context, i, style).unwrap_or_default().into(),
    })
}

/// Null for an oid that no trigger has.
pub fn trigger_definition(context: &SystemContext, row: Row) -> Result<Cell> {
    let style = style(row.get(1).copied().flatten());
    Ok(oid(row[0]).and_then(|oid| relations::trigger_definition(context, oid, style)).into())
}

/// What the argument `pretty` asks for.
fn style(pretty: Option<&str>) -> Style {
    if pretty == Some("true") { Style::Pretty } else { Style::Whole }
}

/// An expression of the catalogs, which have it as text: as that is, or in the pretty style if it is the condition of an index or what a
/// generated column is computed by.
pub fn expression(context: &SystemContext, row: Row) -> Result<Cell> {
    let relation = oid(row.get(1).copied().flatten());
    let style = style(row.get(2).copied().flatten());
    let of_index =
        |entry: &IndexEntry<'_>| Some(entry.relation.id) == relation && entry.predicate(context, Style::Whole).as_deref() == row[0];
    match style {
        Style::Pretty if row[0].is_some() => {
            let entry = indexes(&context.scope).into_iter().find(of_index);
            let pretty = entry.and_then(|entry| entry.predicate(context, style)).or_else(|| pretty_generation(context, relation?, row[0]?));
            Ok(pretty.map_or_else(|| row[0].into(), Cell::from))
        }
        _ => Ok(row[0].into()),
    }
}

/// The expression of a generated column of a relation, given as pg_attrdef has it, in the pretty style.
fn pretty_generation(context: &SystemContext, relation: u32, whole: &str) -> Option<String> {
    let relation = context.scope.by_id(relation)?;
    let shown = |column: &Column, style| names::shown_generation(context, relation, column, style);
    let column = relation.columns.iter().find(|column| shown(column, Style::Whole).as_deref() == Some(whole))?;
    shown(column, Style::Pretty)
}

pub fn constraint_definition(context: &SystemContext, row: Row) -> Result<Cell> {
    let (wanted, style) = (oid(row[0]), style(row.get(1).copied().flatten()));
    let found = constraints(&context.scope).into_iter().find(|c| Some(c.oid) == wanted);
    let of_domain = || {
        let checks = context.scope.user_types().flat_map(|ty| ty.checks());
        let check = checks.into_iter().find(|check| Some(check.id) == wanted)?;
        let shown = names::shown_bare(context, &check.sql);
        Some(if style == Style::Pretty { format!("CHECK ({shown})") } else { format!("CHECK (({shown}))") })
    };
    Ok(found.map(|c| c.definition(context, style)).or_else(of_domain).into())
}

/// The sequence that a column of a table goes with. Errors: 42P01, 42703.
pub fn serial_sequence(context: &SystemContext, row: Row) -> Result<Cell> {
    let (Some(table), Some(column)) = (row[0], row[1]) else { return Ok(Cell::Null) };
    let oid = Reg::Class.read(context, table)?;
    let Some(relation) = context.scope.by_id(oid) else { return Ok(Cell::Null) };
    relation.column(column)?;
    let owned = context.scope.sequences.of_column(oid, column).next();
    Ok(owned.map(|s| context.scope.name_of_sequence(s).in_sql()).into())
}

fn description(context: &SystemContext, object: u32, class: Option<&str>, column: usize) -> Option<String> {
    let class = class.map(|name| facts::find("pg_catalog", name).map_or(0, |s| s.oid));
    let fits = |d: &relations::Description| d.object == object && d.column == column && class.is_none_or(|c| c == d.class);
    relations::descriptions(context).find(fits).map(|d| d.text.to_string())
}

/// The comment on an object, of a catalog if one is named.
pub fn object_description(context: &SystemContext, row: Row) -> Result<Cell> {
    let Some(object) = oid(row[0]) else { return Ok(Cell::Null) };
    if row.get(1) == Some(&None) {
        return Ok(Cell::Null);
    }
    Ok(description(context, object, row.get(1).copied().flatten(), 0).into())
}

/// The comment on a column.
pub fn column_description(context: &SystemContext, row: Row) -> Result<Cell> {
    let (Some(object), Some(column)) = (oid(row[0]), row[1].and_then(|n| n.parse::<usize>().ok())) else { return Ok(Cell::Null) };
    Ok(if column == 0 { Cell::Null } else { description(context, object, Some("pg_class"), column).into() })
}

/// The sessions that hold what a session waits for: advisory locks, of which those that are shared go together.
pub fn blocking(context: &SystemContext, row: Row) -> Result<Cell> {
    let Some(waiting) = row[0].and_then(|pid| pid.parse::<i32>().ok()) else { return Ok(Cell::Null) };
    let wanted: Vec<_> = context.locks.iter().filter(|l| l.process_id == waiting && !l.granted).collect();
    let holds = |l: &&LockStatus| l.granted && wanted.iter().any(|w| w.key == l.key && !(w.shared && l.shared));
    let pids: BTreeSet<i32> = context.locks.iter().filter(holds).map(|l| l.process_id).filter(|pid| *pid != waiting).collect();
    Ok(pids.into_iter().map(Cell::from).collect::<Vec<_>>().into())
}

/// An object of a catalog in words: `table purchases`, `column id of table purchases`. Null for what is not known.
pub fn described(context: &SystemContext, row: Row) -> Result<Cell> {
    let (Some(class), Some(object)) = (oid(row[0]), oid(row[1])) else { return Ok(Cell::Null) };
    let column = row[2].and_then(|n| n.parse::<usize>().ok()).unwrap_or(0);
    let is = |name: &str| facts::find("pg_catalog", name).is_some_and(|shape| shape.oid == class);
    if is("pg_type") {
        return Ok(names::type_name(context, object, None).map(|name| format!("type {name}")).into());
    }
    if is("pg_namespace") {
        let name = context.scope.namespace_name(object);
        return Ok((!name.is_empty()).then(|| format!("schema {name}")).into());
    }
    if !is("pg_class") {
        return Ok(Cell::Null);
    }
    let Some(relation) = context.scope.by_id(object) else {
        let sequence = context.scope.sequences.get(object);
        return Ok(sequence.map(|s| format!("sequence {}", Reg::Class.print(context, s.id))).into());
    };
    let kind = if relation.has_log() { "table" } else { relation.kind.word() };
    let whole = format!("{kind} {}", Reg::Class.print(context, object));
    let column = column.checked_sub(1).and_then(|i| relation.columns.get(i));
    Ok(column.map_or(whole.clone(), |c| format!("column {} of {whole}", c.name)).into())
}

/// What stands for the file of a relation: its own number, as before anything rewrites it in PostgreSQL. Null for views.
pub fn filenode(context: &SystemContext, row: Row) -> Result<Cell> {
    let relation = class(context, row)?.and_then(|oid| context.scope.by_id(oid));
    Ok(relation.filter(|r| !r.is_expanded()).map(|r| r.id).into())
}

pub fn sequence_last_value(context: &SystemContext, row: Row) -> Result<Cell> {
    let sequence = class(context, row)?.and_then(|oid| context.scope.sequences.get(oid));
    Ok(sequence.and_then(|s| relations::last_value(context, s)).into())
}

/// What stands before (0) or behind (1) the `=` of each of the options in an array.
pub fn options(row: Row, part: usize) -> Cell {
    let Some(array) = row[0] else { return Cell::Null };
    let options = array.trim_matches(['[', ']', '{', '}']).split(',').map(str::trim).filter(|option| !option.is_empty());
    Cell::List(options.map(|option| option.split_once('=').map_or(Cell::Null, |o| <[&str; 2]>::from(o)[part].into())).collect())
}

/// The comment on the database.
pub fn database_description(context: &SystemContext, row: Row) -> Result<Cell> {
    Ok(match (oid(row[0]), row[1]) {
        (Some(names::DATABASE), Some("pg_database")) => context.scope.comment_on("").into(),
        (Some(role), Some("pg_authid")) => relations::of_role(context, role).into(),
        _ => Cell::Null,
    })
}

/// The types of a vector of oids, by name.
pub fn names_of_types(context: &SystemContext, vector: &str) -> String {
    let types = vector.split_whitespace().map(|t| facts::number(t) as u32);
    types.map(|t| names::type_name(context, t, None).unwrap_or_else(|| "-".into())).collect::<Vec<_>>().join(", ")
}

pub fn vector_types(context: &SystemContext, row: Row) -> Result<Cell> {
    Ok(row[0].map(|vector| names_of_types(context, vector)).into())
}

/// What an access method's indexes may be; null for what is neither (manual, chapter 9.26).
pub fn access_method_can(_: &SystemContext, row: Row) -> Result<Cell> {
    let method = oid(row[0]).and_then(|oid| facts::ACCESS_METHODS.iter().find(|m| m.oid == oid));
    let (Some(method), Some(property)) = (method, row[1]) else { return Ok(Cell::Null) };
    Ok(match property.to_ascii_lowercase().as_str() {
        "can_order" => method.ordered.into(),
        "can_unique" => method.unique.into(),
        "can_multi_col" => method.several.into(),
        "can_include" => method.include.into(),
        "can_exclude" => (method.name != "gin" && method.name != "brin").into(),
        _ => Cell::Null,
    })
}

/// The number that a place in the log is. Errors: 22P02.
pub fn lsn_number(_: &SystemContext, row: Row) -> Result<Cell> {
    let Some(text) = row[0] else { return Ok(Cell::Null) };
    let hex = |part: &str| i64::from_str_radix(part, 16).ok();
    let number = text.split_once('/').and_then(|(high, low)| Some((hex(high)? << 32) + hex(low)?));
    number
        .map(Cell::Int)
        .ok_or_else(|| Error::new(code::INVALID_TEXT_REPRESENTATION, format!("invalid input syntax for type pg_lsn: \"{text}\"")))
}

/// The changes that a relation takes, as bits: 8 INSERT, 4 UPDATE, 16 DELETE.
pub fn updatable(context: &SystemContext, row: Row) -> Result<Cell> {
    let Some(relation) = class(context, row)?.and_then(|oid| context.scope.by_id(oid)) else { return Ok(Cell::Int(0)) };
    let by_triggers = if row[1].is_some_and(|on| on.starts_with('t')) { changes_replaced(relation) } else { 0 };
    Ok(Cell::Int(changes_taken(&context.scope, relation).0 | by_triggers))
}

pub fn column_updatable(context: &SystemContext, row: Row) -> Result<Cell> {
    let relation = class(context, row)?.and_then(|oid| context.scope.by_id(oid));
    let place = row[1].and_then(|number| number.parse::<usize>().ok()?.checked_sub(1));
    let by_triggers = row[2].is_some_and(|on| on.starts_with('t')) && relation.is_some_and(|r| changes_replaced(r) & UPDATE != 0);
    let taken = relation.zip(place).and_then(|(relation, at)| changes_taken(&context.scope, relation).1.get(at).copied());
    Ok((by_triggers || taken.unwrap_or_default()).into())
}

pub fn char_to_encoding(_: &SystemContext, row: Row) -> Result<Cell> {
    let number = |name: &str| if matches!(name.to_ascii_uppercase().as_str(), "UTF8" | "UTF-8" | "UNICODE") { 6 } else { -1 };
    Ok(row[0].map(number).into())
}

/// A number out of a relation's status; 0 while there is none.
pub fn status(context: &SystemContext, row: Row, of: fn(&RelationStatus) -> u64) -> Result<Cell> {
    let Some(oid) = class(context, row)? else { return Ok(Cell::Null) };
    Ok(context.progress.relations.iter().find(|s| s.id == oid).map_or(0, of).into())
}

/// Bytes on disk of a stream or table, of memory of a materialized view.
pub fn relation_size(context: &SystemContext, row: Row) -> Result<Cell> {
    let Some(oid) = class(context, row)? else { return Ok(Cell::Null) };
    if context.scope.by_id(oid).is_some_and(|r| r.kind == RelationKind::MaterializedView) {
        return status(context, row, |s| s.state_bytes);
    }
    Ok(context.segments.iter().filter(|s| s.relation == oid).map(|s| s.bytes).sum::<u64>().into())
}

pub fn database_size(context: &SystemContext, row: Row) -> Result<Cell> {
    Ok(row[0].map(|_| context.segments.iter().map(|s| s.bytes).sum::<u64>()).into())
}

/// As PostgreSQL: the largest unit of which there are at least ten, halves rounded away from zero.
pub fn size_pretty(_: &SystemContext, row: Row) -> Result<Cell> {
    let Some(text) = row[0] else { return Ok(Cell::Null) };
    let invalid = || Error::new(code::INVALID_TEXT_REPRESENTATION, format!("invalid size: \"{text}\""));
    let mut size: f64 = text.parse().map_err(|_| invalid())?;
    for unit in ["bytes", "kB", "MB", "GB", "TB"] {
        if size.abs() < 10_240.0 {
            return Ok(format!("{} {unit}", size.round()).into());
        }
        size /= 1024.0;
    }
    Ok(format!("{} PB", size.round()).into())
}

/// The bytes that a size such as `10 MB` means.
pub fn size_bytes(_: &SystemContext, row: Row) -> Result<Cell> {
    let Some(text) = row[0] else { return Ok(Cell::Null) };
    let invalid = || Error::new(code::INVALID_PARAMETER_VALUE, format!("invalid size: \"{text}\""));
    let trimmed = text.trim();
    let at = trimmed.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-' | '+'))).unwrap_or(trimmed.len());
    let number: f64 = trimmed[..at].parse().map_err(|_| invalid())?;
    let unit = trimmed[at..].trim().to_ascii_lowercase();
    let power = match unit.as_str() {
        "" | "b" | "bytes" => 0,
        "kb" => 1,
        "mb" => 2,
        "gb" => 3,
        "tb" => 4,
        "pb" => 5,
        _ => return Err(invalid().hint("Valid units are \"bytes\", \"B\", \"kB\", \"MB\", \"GB\", \"TB\", and \"PB\".")),
    };
    Ok(Cell::Int((number * 1024f64.powi(power)).round() as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_printed_as_postgresql_prints_them() {
        let context = SystemContext::default();
        let pretty = |n: &str| size_pretty(&context, &[Some(n)]).unwrap();
        assert_eq!([pretty("8192"), pretty("10240"), pretty("1073741824")], ["8192 bytes".into(), "10 kB".into(), "1024 MB".into()]);
        assert!(size_pretty(&context, &[Some("x")]).is_err());
    }
}
