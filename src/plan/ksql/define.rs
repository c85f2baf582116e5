//! CREATE STREAM and CREATE TABLE: from the statement to what the catalog keeps.

use super::expr::resolve_type;
use super::items::{is_reserved, reserved};
use super::query::Planner;
use super::sink;
use super::stage::Stage;
use super::with::{With, with};
use crate::catalog::{Catalog, Column, Ksql, KsqlColumn, Properties, RelationId, TimestampColumn, Writer, plain_name};
use crate::error::{Error, Result, code};
use crate::func::ksql::Type;
use crate::func::ksql::columns::pg_type;
use crate::sql::ksql::ast::{ColumnDef, ColumnRole, Create, Emit, Kind, Query};

/// What a session has set that a statement depends on.
#[derive(Clone, Debug, Default)]
pub struct Defaults {
    pub value_format: Option<String>,
    pub topic_prefix: String,
}

fn definition(message: impl Into<String>) -> Error {
    Error::new(code::INVALID_TABLE_DEFINITION, message)
}

/// The columns that PostgreSQL's dialect sees.
pub fn plain_columns(ksql: &Ksql) -> Vec<Column> {
    let column = |c: &KsqlColumn| Column::new(plain_name(&c.name), pg_type(&c.ty));
    ksql.columns.iter().map(column).collect()
}

/// A relation declared with its columns. Errors: 22023 for its properties, 42P16 for its columns, 42704 for a type.
pub fn declared(create: &Create, catalog: &Catalog, defaults: &Defaults) -> Result<Ksql> {
    let with = with(&create.with, false)?;
    let topic = with.topic.clone().ok_or_else(|| {
        Error::new(code::INVALID_PARAMETER_VALUE, "property KAFKA_TOPIC is missing in WITH").hint("WITH (KAFKA_TOPIC = 'name', ..)")
    })?;
    if with.value_format.is_none() && defaults.value_format.is_none() {
        return Err(Error::new(code::INVALID_PARAMETER_VALUE, "property VALUE_FORMAT is missing in WITH")
            .hint("WITH (.., VALUE_FORMAT = 'JSON'), or SET 'ksql.persistence.default.format.value' = 'JSON'."));
    }
    if create.columns.is_empty() {
        return Err(definition(format!("\"{}\" has no columns", create.name)).hint("There is no schema registry; declare the columns."));
    }
    let table = create.kind == Kind::Table;
    let mut columns: Vec<KsqlColumn> = Vec::new();
    for column in &create.columns {
        let key = is_key(column, table)?;
        columns.push(declared_column(column, key, &columns, catalog)?);
    }
    if table && !columns.iter().any(|c| c.key) {
        return Err(definition(format!("table \"{}\" has no PRIMARY KEY", create.name)).hint("Declare a column with PRIMARY KEY."));
    }
    if with.window.is_some() && !columns.iter().any(|c| c.key) {
        return Err(definition("windowed rows need a key").hint("Declare a column with KEY."));
    }
    columns.sort_by_key(|c| !c.key);
    if let (true, Some(_)) = (table, &with.window) {
        let at = columns.iter().take_while(|c| c.key).count();
        let bound = |name: &str| KsqlColumn { name: name.to_string(), ty: Type::Bigint, key: false, bound: true };
        columns.splice(at..at, [bound("WINDOWSTART"), bound("WINDOWEND")]);
    }
    check_timestamp(with.timestamp.as_ref(), &columns)?;
    let window = with.window.clone().filter(|_| table);
    Ok(Ksql { topic, columns, table, timestamp: with.timestamp, read_only: create.source, window, properties: with.all, writers: vec![] })
}

fn is_key(column: &ColumnDef, table: bool) -> Result<bool> {
    match (&column.role, table) {
        (ColumnRole::Value, _) => Ok(false),
        (ColumnRole::Key, false) | (ColumnRole::PrimaryKey, true) => Ok(true),
        (ColumnRole::Key, true) => Err(definition(format!("column \"{}\": a table has a PRIMARY KEY, not a KEY", column.name))
            .hint("Write PRIMARY KEY.")
            .at(column.at)),
        (ColumnRole::PrimaryKey, false) => {
            Err(definition(format!("column \"{}\": a stream has a KEY, not a PRIMARY KEY", column.name)).hint("Write KEY.").at(column.at))
        }
        // Events have no headers here: the column is there, and NULL.
        (ColumnRole::Headers(_), _) => Ok(false),
    }
}

fn declared_column(column: &ColumnDef, key: bool, before: &[KsqlColumn], catalog: &Catalog) -> Result<KsqlColumn> {
    if is_reserved(&column.name) {
        return Err(reserved(&column.name).at(column.at));
    }
    if before.iter().any(|c| plain_name(&c.name) == plain_name(&column.name)) {
        let message = format!("column \"{}\" specified more than once", column.name);
        return Err(Error::new(code::DUPLICATE_COLUMN, message).at(column.at));
    }
    let ty = resolve_type(&column.ty, &|name| catalog.named_type(name).cloned()).map_err(|e| e.at(column.at))?;
    Ok(KsqlColumn { name: column.name.clone(), ty, key, bound: false })
}

fn check_timestamp(timestamp: Option<&TimestampColumn>, columns: &[KsqlColumn]) -> Result<()> {
    let Some(TimestampColumn { column, format }) = timestamp else { return Ok(()) };
    let Some(found) = columns.iter().find(|c| c.name == *column) else {
        let message = format!("the TIMESTAMP column \"{column}\" does not exist");
        return Err(Error::new(code::INVALID_PARAMETER_VALUE, message).hint("It is one of the columns of the relation itself."));
    };
    match (&found.ty, format) {
        (Type::Bigint | Type::Timestamp, None) => Ok(()),
        (Type::String, Some(format)) => crate::func::ksql::pattern::Pattern::compile(format).map(|_| ()),
        (Type::String, None) => Ok(()),
        (ty, Some(_)) => Err(Error::new(code::DATATYPE_MISMATCH, format!("TIMESTAMP_FORMAT is for a STRING column, not {ty}"))),
        (ty, None) => Err(Error::new(code::DATATYPE_MISMATCH, format!("the TIMESTAMP column \"{column}\" cannot be {ty}"))
            .hint("BIGINT (milliseconds), TIMESTAMP, or STRING with TIMESTAMP_FORMAT.")),
    }
}

/// A relation that a query writes to, without its writer. `reader`: the id it will have.
pub fn derived(create: &Create, query: &Query, catalog: &Catalog, reader: RelationId, defaults: &Defaults) -> Result<Ksql> {
    let with = with(&create.with, true)?;
    let stage = planned(query, catalog, reader)?;
    check_kind(create, &stage, query)?;
    let columns = sink::columns(&stage);
    for (i, column) in columns.iter().enumerate() {
        if columns[..i].iter().any(|c| plain_name(&c.name) == plain_name(&column.name)) {
            let message = format!("column \"{}\" specified more than once", column.name);
            return Err(Error::new(code::DUPLICATE_COLUMN, message).hint("Names differ in more than case."));
        }
    }
    if let Some(format) = with.key_format.as_deref().filter(|f| *f != "NONE")
        && query.partition_by.is_some()
        && !columns.iter().any(|c| c.key)
    {
        return Err(Error::new(code::INVALID_PARAMETER_VALUE, format!("key format {format} is for rows with a key"))
            .hint("PARTITION BY NULL takes the key away; leave KEY_FORMAT out."));
    }
    check_timestamp(with.timestamp.as_ref(), &columns)?;
    let With { topic, timestamp, all, .. } = with;
    let topic = topic.unwrap_or_else(|| format!("{}{}", defaults.topic_prefix, create.name));
    let window = stage.window.map(window_word);
    Ok(Ksql { topic, columns, table: stage.table, timestamp, read_only: false, window, properties: all, writers: vec![] })
}

/// The stage of a persistent query.
pub fn planned(query: &Query, catalog: &Catalog, reader: RelationId) -> Result<Stage> {
    if query.limit.is_some() {
        return Err(Error::unsupported("a persistent query has no LIMIT").hint("LIMIT when reading."));
    }
    Planner::new(catalog, reader, false).query(query)
}

fn window_word(kind: crate::sql::ksql::ast::WindowKind) -> String {
    use crate::sql::ksql::ast::WindowKind;
    match kind {
        WindowKind::Tumbling { .. } => "TUMBLING",
        WindowKind::Hopping { .. } => "HOPPING",
        WindowKind::Session { .. } => "SESSION",
    }
    .to_string()
}

fn check_kind(create: &Create, stage: &Stage, query: &Query) -> Result<()> {
    let wrong = |message: &str, hint: &str| Err(Error::new(code::WRONG_OBJECT_TYPE, message).hint(hint).at(query.at));
    match (create.kind, stage.table) {
        (Kind::Stream, true) => wrong("the query gives a table, not a stream", "Use CREATE TABLE .. AS SELECT."),
        (Kind::Table, false) => wrong("the query gives a stream, not a table", "Use CREATE STREAM .. AS SELECT, or add GROUP BY."),
        (Kind::Stream, false) if query.emit == Some(Emit::Final) => wrong("a stream has no final rows", "Use EMIT CHANGES."),
        _ => Ok(()),
    }
}

/// The name of a query: of the statement's kind, its sink and the position at which it was made.
pub fn query_id(kind: &str, sink: Option<&str>, number: u64) -> String {
    match sink {
        Some(sink) => format!("{kind}_{sink}_{number}"),
        None => format!("{kind}_{number}"),
    }
}

/// A writer as a query makes it.
pub fn writer(id: String, sql: String, properties: Properties) -> Writer {
    Writer { id, sql, earlier: vec![], until: None, paused: false, topic: false, widths: Default::default(), properties }
}
