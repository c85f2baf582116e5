//! INSERT VALUES and DELETE: events of this dialect's relations.
//!
//! Relations that share a topic share its events: what is appended through one is appended to the logs of all of them in one
//! transaction, each reading it as it declares it: columns of the key by their place, others by their name.

use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use arrow::array::{ArrayRef, Int8Array, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::Schema;

use super::node::rows_between;
use crate::catalog::{Catalog, Ksql, KsqlColumn, Relation, plain_name};
use crate::data::{OP, PgType, Position, TIME};
use crate::engine::database::Engine;
use crate::engine::dml::check_writable;
use crate::engine::session::{Response, Session};
use crate::engine::table_locks::{Mode, TableLock};
use crate::error::{Error, Result, code};
use crate::fold::ksql::{Input, edges::told_time};
use crate::func::ksql::cast::cast;
use crate::func::ksql::columns::{column, value_at};
use crate::func::ksql::{Type, Value};
use crate::limits;
use crate::log::LogId;
use crate::plan::ksql::expr::{Scope, compile_as, rewrite};
use crate::plan::ksql::source::SourceInput;
use crate::sql::ksql::ast::{BinaryOp, Expr, ExprKind, Place};

/// One event to be appended: the relation's columns, or only its key if it is gone; ROWTIME if it was given.
struct Event {
    values: Vec<Value>,
    time: Option<i64>,
    gone: bool,
}

impl Session {
    fn writable_ksql(&self, name: &str) -> Result<Arc<Relation>> {
        let relation = self.catalog().get_public(&plain_name(name))?.clone();
        check_writable(&relation)?;
        Ok(relation)
    }

    pub(super) async fn ksql_insert(&mut self, name: &str, columns: &[(String, Place)], rows: &[Vec<Expr>]) -> Result<Response> {
        let relation = self.writable_ksql(name)?;
        let ksql = relation.ksql.as_deref().ok_or_else(|| Error::internal("not a relation of this dialect"))?;
        let targets = targets(ksql, name, columns)?;
        let mut events = Vec::with_capacity(rows.len());
        for row in rows {
            events.push(self.event(ksql, &targets, row)?);
        }
        let count = events.len();
        self.append_events(&relation, events).await?;
        Ok(Response::Done(format!("INSERT 0 {count}")))
    }

    fn event(&self, ksql: &Ksql, targets: &[Target], row: &[Expr]) -> Result<Event> {
        if row.len() != targets.len() {
            let at = row.get(targets.len()).or(row.last()).map_or(1, |e| e.at);
            let what =
                if row.len() > targets.len() { "more expressions than target columns" } else { "more target columns than expressions" };
            return Err(Error::new(code::DATATYPE_MISMATCH, format!("INSERT has {what}")).at(at));
        }
        let catalog = self.engine.catalog();
        let none = |_: Option<&str>, name: &str| -> Result<(usize, Type)> {
            Err(Error::new(code::UNDEFINED_COLUMN, format!("column \"{name}\" cannot be named in VALUES")))
        };
        let scope = Scope { column: &none, custom: &|name| catalog.named_type(name).cloned() };
        let mut event = Event { values: vec![Value::Null; ksql.columns.len()], time: None, gone: false };
        for (target, expr) in targets.iter().zip(row) {
            let ty = match target {
                Target::Column(i) => &ksql.columns[*i].ty,
                Target::RowTime => &Type::Bigint,
            };
            let value = compile_as(&self.of_now(expr), &scope, ty)?.code.eval(&[]).map_err(|e| e.at(expr.at))?;
            match target {
                Target::Column(i) => event.values[*i] = fitting(value, ty).map_err(|e| e.at(expr.at))?,
                Target::RowTime => {
                    event.time = value.as_i64();
                    if event.time.is_some_and(|time| time < 0) {
                        let message = "ROWTIME is before 1970";
                        return Err(Error::new(code::DATETIME_FIELD_OVERFLOW, message).at(expr.at));
                    }
                }
            }
        }
        let mut keys = ksql.columns.iter().zip(&event.values).filter(|(c, _)| c.key).peekable();
        if let (true, Some(first)) = (ksql.table, keys.peek().map(|(c, _)| c.name.clone()))
            && keys.all(|(_, v)| v.is_null())
        {
            let message = format!("null value in column \"{first}\" of the primary key");
            return Err(Error::new(code::NOT_NULL_VIOLATION, message).hint("A table's rows are told apart by their key."));
        }
        Ok(event)
    }

    /// The expression with what depends on the clock and on chance as it is now: an event is made once.
    fn of_now(&self, expr: &Expr) -> Expr {
        let now_ms = self.engine.clock.now_us().div_euclid(1_000);
        let value = |kind: ExprKind, at: Place| Some(Expr { kind, at });
        rewrite(expr.clone(), &mut |e| match &e.kind {
            ExprKind::Call { name, arguments } if arguments.is_empty() => match name.as_str() {
                "UUID" => value(ExprKind::String(random_uuid()), e.at),
                "RANDOM" => value(ExprKind::Double(format!("{:e}", (random_u64() >> 11) as f64 / (1u64 << 53) as f64)), e.at),
                "UNIX_TIMESTAMP" => value(ExprKind::Integer(now_ms.to_string()), e.at),
                "UNIX_DATE" => value(ExprKind::Integer(now_ms.div_euclid(86_400_000).to_string()), e.at),
                _ => None,
            },
            _ => None,
        })
    }

    /// DELETE FROM table WHERE key = value AND ..: a tombstone.
    pub(super) async fn ksql_delete(&mut self, name: &str, condition: Option<&Expr>) -> Result<Response> {
        let relation = self.writable_ksql(name)?;
        let ksql = relation.ksql.as_deref().ok_or_else(|| Error::internal("not a relation of this dialect"))?;
        if !ksql.table {
            return Err(Error::new(code::WRONG_OBJECT_TYPE, format!("\"{name}\" is a stream: its events never go")));
        }
        let event = self.tombstone(ksql, condition)?;
        self.append_events(&relation, vec![event]).await?;
        Ok(Response::Done("DELETE 1".into()))
    }

    fn tombstone(&self, ksql: &Ksql, condition: Option<&Expr>) -> Result<Event> {
        let mut parts = Vec::new();
        let refuse =
            || Error::unsupported("DELETE takes the key of one row").hint("DELETE FROM table WHERE key = value [AND key2 = value2]");
        equalities(condition.ok_or_else(refuse)?, &mut parts).ok_or_else(refuse)?;
        let catalog = self.engine.catalog();
        let none = |_: Option<&str>, name: &str| -> Result<(usize, Type)> {
            Err(Error::new(code::UNDEFINED_COLUMN, format!("column \"{name}\" is not of the key")))
        };
        let scope = Scope { column: &none, custom: &|name| catalog.named_type(name).cloned() };
        let mut event = Event { values: vec![Value::Null; ksql.columns.len()], time: None, gone: true };
        for (column, value) in &parts {
            let index = ksql.columns.iter().position(|c| c.key && c.name == *column).ok_or_else(refuse)?;
            let ty = &ksql.columns[index].ty;
            event.values[index] = fitting(compile_as(value, &scope, ty)?.code.eval(&[])?, ty)?;
        }
        let named = |c: &KsqlColumn| parts.iter().filter(|(name, _)| *name == c.name).count() == 1;
        let mut keys = ksql.columns.iter().zip(&event.values).filter(|(c, _)| c.key);
        if parts.len() != keys.clone().count() || !keys.clone().all(|(c, _)| named(c)) {
            return Err(refuse());
        }
        if keys.all(|(_, v)| v.is_null()) {
            return Err(Error::new(code::NOT_NULL_VIOLATION, "a row without a key cannot be deleted"));
        }
        Ok(event)
    }

    /// Appends events to the relation and to all that share its topic.
    async fn append_events(&mut self, relation: &Arc<Relation>, mut events: Vec<Event>) -> Result<()> {
        let throws = self.ksql.flag("ksql.timestamp.throw.on.invalid");
        let (catalog, _held) = self.lock_sharing(relation).await?;
        // It may have got columns while it was waited for.
        let gone = || Error::new(code::UNDEFINED_TABLE, format!("relation \"{}\" was dropped", relation.name));
        let relation = catalog.by_id(relation.id).ok_or_else(gone)?;
        events.iter_mut().for_each(|event| event.values.resize(relation.columns.len(), Value::Null));
        let batches = spread(&catalog, relation, &events, self.engine.clock.now_us(), throws)?;
        self.append(batches).await.map(|_| ())
    }

    /// Locks what an event of a relation is appended to, in the order in which ALTER does. Answers the catalog in which it is that: nobody
    /// can begin to share the topic any more.
    async fn lock_sharing(&mut self, relation: &Relation) -> Result<(Arc<Catalog>, Vec<Option<TableLock>>)> {
        let mut held = Vec::new();
        loop {
            let ids: Vec<LogId> = sharing(&self.engine.catalog(), relation).map(|(r, _)| r.id).collect();
            for id in &ids {
                held.push(self.lock_table(*id, Mode::Put).await?);
            }
            let catalog = self.engine.catalog();
            if sharing(&catalog, relation).map(|(r, _)| r.id).eq(ids) {
                return Ok((catalog, held));
            }
        }
    }

    /// Appends what was appended to one relation of a topic to the log of another that is about to be made.
    pub(super) async fn copy_topic(&mut self, from: &Arc<Relation>, to: &Arc<Relation>) -> Result<()> {
        let (engine, from, to) = (self.engine.clone(), from.clone(), to.clone());
        engine.log.register(to.id, to.event_schema(), &to.key)?;
        self.aside(move || async move {
            let head = engine.log.head();
            let mut staging = engine.log.stage()?;
            for first in (0..head).step_by(limits::ORDERED_STEP_EVENTS_MAX as usize) {
                let range = first..head.min(first + limits::ORDERED_STEP_EVENTS_MAX);
                if let Some(batch) = copied(&engine, &from, &to, range)? {
                    staging.push(to.id, batch).await?;
                }
            }
            if staging.rows() > 0 {
                staging.commit(true).await?;
            }
            Ok(())
        })
        .await
    }
}

/// The events of a range of positions as another relation of the topic has them.
fn copied(engine: &Engine, from: &Arc<Relation>, to: &Relation, range: std::ops::Range<Position>) -> Result<Option<RecordBatch>> {
    let (Some(source), Some(target)) = (from.ksql.as_deref(), to.ksql.as_deref()) else { return Ok(None) };
    let types = source.columns.iter().map(|c| c.ty.clone()).collect();
    let input = Input { types, key: source.identity(), deletes: source.table };
    let read = SourceInput { relation: from.clone(), node: false, input: input.clone(), until: None, table: false };
    let mut changes = Vec::new();
    input.changes(&rows_between(engine, &read, None, range)?, &mut changes)?;
    let columns = mapping(source, target);
    let mut rows = Vec::new();
    for change in changes {
        let gone = change.new.is_none();
        if gone && !target.table {
            continue;
        }
        // Of a row that is gone there is the key.
        let mut values = vec![Value::Null; source.columns.len()];
        match &change.new {
            Some(row) => values.clone_from_slice(&row[..source.columns.len()]),
            None => input.key.iter().zip(change.key.iter()).for_each(|(i, v)| values[*i] = v.clone()),
        }
        let values: Vec<Value> = columns.iter().zip(&target.columns).map(|(from, c)| converted(from.map(|i| &values[i]), &c.ty)).collect();
        let event = Event { values, time: Some(change.time), gone };
        if let Some(time) = time_of(target, &event.values, &event) {
            rows.push((event.values, time.unwrap_or(change.time).saturating_mul(1_000), gone));
        }
    }
    if rows.is_empty() { Ok(None) } else { batch(to, target, &rows).map(Some) }
}

/// The relation, and those to which its events are appended too since they have its topic. What reads a query's topic is told by that
/// query's relation; an event must not come to it twice.
fn sharing<'a>(catalog: &'a Catalog, relation: &'a Relation) -> impl Iterator<Item = (&'a Arc<Relation>, &'a Ksql)> {
    let own = relation.ksql.as_deref();
    let shares = move |k: &Ksql| own.is_some_and(|own| k.topic == own.topic && !own.reads_topic() && !k.reads_topic());
    catalog.ksql_relations().filter(move |(r, k)| r.id == relation.id || r.has_log() && shares(k))
}

/// The batches that events are, of the relation and of all that share its topic.
fn spread(catalog: &Catalog, relation: &Relation, events: &[Event], now: i64, throws: bool) -> Result<Vec<(LogId, RecordBatch)>> {
    let own = relation.ksql.as_deref().ok_or_else(|| Error::internal("not a relation of this dialect"))?;
    let mut batches = Vec::new();
    for (other, ksql) in sharing(catalog, relation) {
        let mapped = if other.id == relation.id { None } else { Some(mapping(own, ksql)) };
        let mut rows = Vec::new();
        for event in events {
            let values = match &mapped {
                None => event.values.clone(),
                Some(from) => from.iter().zip(&ksql.columns).map(|(from, c)| converted(from.map(|i| &event.values[i]), &c.ty)).collect(),
            };
            if event.gone && !ksql.table {
                continue;
            }
            let time = match time_of(ksql, &values, event) {
                Some(time) => time.map_or(now, |ms| ms.saturating_mul(1_000)),
                None if throws => {
                    return Err(Error::new(code::INVALID_DATETIME_FORMAT, "the event's TIMESTAMP column holds no time"));
                }
                // An event without a time is no event of this relation.
                None => continue,
            };
            rows.push((values, time, event.gone));
        }
        if !rows.is_empty() {
            batches.push((other.id, batch(other, ksql, &rows)?));
        }
    }
    Ok(batches)
}

/// Rows that PostgreSQL's dialect inserts or copies, as events of the relation and of all that share its topic; `None` for a relation
/// whose rows are events as they are.
pub fn events_of(catalog: &Catalog, relation: &Relation, rows: &RecordBatch, now_us: i64) -> Result<Option<Vec<(LogId, RecordBatch)>>> {
    let Some(own) = relation.ksql.as_deref() else { return Ok(None) };
    if own.timestamp.is_none() && !shares_topic(catalog, relation) {
        return Ok(None);
    }
    let event = |row: usize| {
        let value = |(i, c): (usize, &KsqlColumn)| value_at(rows.column(i), row, &c.ty);
        Event { values: own.columns.iter().enumerate().map(value).collect(), time: None, gone: false }
    };
    let events: Vec<Event> = (0..rows.num_rows()).map(event).collect();
    spread(catalog, relation, &events, now_us, false).map(Some)
}

/// True if what is appended to a relation is appended to others too.
pub fn shares_topic(catalog: &Catalog, relation: &Relation) -> bool {
    let Some(own) = relation.ksql.as_deref().filter(|k| !k.reads_topic()) else { return false };
    catalog.ksql_relations().any(|(r, k)| k.topic == own.topic && r.id != relation.id && r.has_log() && !k.reads_topic())
}

/// Errors: 42809 for a relation that nothing is appended through.
pub fn check_appendable(relation: &Relation) -> Result<()> {
    let Some(ksql) = relation.ksql.as_deref() else { return Ok(()) };
    if ksql.read_only {
        return Err(Error::new(
            code::WRONG_OBJECT_TYPE,
            format!("cannot insert into read-only {} \"{}\"", relation.kind.word(), relation.name),
        )
        .hint("It was made with SOURCE; write through another relation over its topic."));
    }
    if ksql.window.is_some() {
        return Err(Error::new(code::WRONG_OBJECT_TYPE, format!("cannot insert into windowed table \"{}\"", relation.name)));
    }
    Ok(())
}

/// A random number: the keys of a new hasher are random.
fn random_u64() -> u64 {
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}

/// A random UUID (RFC 9562, version 4).
fn random_uuid() -> String {
    let bits = u128::from(random_u64()) << 64 | u128::from(random_u64());
    let bits = bits & !(0xF << 76) & !(0x3 << 62) | 4 << 76 | 2 << 62;
    let hex = format!("{bits:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// What a value of INSERT goes into.
enum Target {
    Column(usize),
    RowTime,
}

fn targets(ksql: &Ksql, relation: &str, columns: &[(String, Place)]) -> Result<Vec<Target>> {
    if columns.is_empty() {
        return Ok((0..ksql.columns.len()).map(Target::Column).collect());
    }
    let mut targets = Vec::with_capacity(columns.len());
    for (i, (name, at)) in columns.iter().enumerate() {
        if columns[..i].iter().any(|(n, _)| n == name) {
            return Err(Error::new(code::DUPLICATE_COLUMN, format!("column \"{name}\" specified more than once")).at(*at));
        }
        let found = ksql.columns.iter().position(|c| c.name == *name);
        // Clients of PostgreSQL's dialect quote names as that dialect has them.
        let found = found.or_else(|| ksql.columns.iter().position(|c| plain_name(&c.name) == *name));
        targets.push(match found {
            Some(index) => Target::Column(index),
            None if name == "ROWTIME" => Target::RowTime,
            None => {
                let message = format!("column \"{name}\" of relation \"{relation}\" does not exist");
                let error = Error::new(code::UNDEFINED_COLUMN, message).at(*at);
                return Err(match crate::error::nearest(name, ksql.columns.iter().map(|c| c.name.as_str())) {
                    Some(near) => error.hint(format!("Perhaps you meant the column \"{near}\".")),
                    None => error,
                });
            }
        });
    }
    Ok(targets)
}

/// The value if it fits the column's type. Errors: 22003.
fn fitting(value: Value, ty: &Type) -> Result<Value> {
    column(&[&value], ty)?;
    Ok(value)
}

/// `a = x AND b = y ..` as pairs of column and value.
fn equalities<'a>(condition: &'a Expr, into: &mut Vec<(String, &'a Expr)>) -> Option<()> {
    match &condition.kind {
        ExprKind::Binary(BinaryOp::And, a, b) => {
            equalities(a, into)?;
            equalities(b, into)
        }
        ExprKind::Binary(BinaryOp::Equal, a, b) => {
            let (ExprKind::Column { name, .. }, value) = (&a.kind, b) else { return None };
            into.push((name.clone(), value));
            Some(())
        }
        _ => None,
    }
}

/// For each column of `to` the column of `from` that it reads.
fn mapping(from: &Ksql, to: &Ksql) -> Vec<Option<usize>> {
    let mut keys = from.columns.iter().enumerate().filter(|(_, c)| c.key).map(|(i, _)| i);
    let by_name = |name: &str| from.columns.iter().position(|c| !c.key && c.name.eq_ignore_ascii_case(name));
    to.columns.iter().map(|c| if c.key { keys.next() } else { by_name(&c.name) }).collect()
}

/// A value as another relation's column has it; what does not fit is NULL, as a record that another format cannot read.
fn converted(value: Option<&Value>, ty: &Type) -> Value {
    value.map_or(Value::Null, |v| cast(v, ty).and_then(|v| fitting(v, ty)).unwrap_or(Value::Null))
}

/// ROWTIME of an event: that of the relation's TIMESTAMP column, or what was given (`Some(None)`: now). `None` if the column holds none.
fn time_of(ksql: &Ksql, values: &[Value], event: &Event) -> Option<Option<i64>> {
    let Some(timestamp) = ksql.timestamp.as_ref().filter(|_| !event.gone) else { return Some(event.time) };
    let index = ksql.columns.iter().position(|c| c.name == timestamp.column)?;
    told_time(&values[index], timestamp.format.as_deref()).map(Some)
}

/// Events as the log takes them: the relation's columns, for a table what says upsert or delete, and `_time`.
fn batch(relation: &Relation, ksql: &Ksql, rows: &[(Vec<Value>, i64, bool)]) -> Result<RecordBatch> {
    let mut fields: Vec<_> = relation.event_schema().fields().iter().map(|f| f.as_ref().clone()).collect();
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(fields.len() + 1);
    for (i, c) in ksql.columns.iter().enumerate() {
        let values: Vec<&Value> = rows.iter().map(|(values, ..)| &values[i]).collect();
        columns.push(column(&values, &c.ty)?);
    }
    if fields.iter().any(|f| f.name() == OP) {
        columns.push(Arc::new(Int8Array::from_iter_values(rows.iter().map(|(_, _, gone)| if *gone { -1 } else { 1 }))));
    }
    fields.push(PgType::Timestamptz.field(TIME, false));
    let times = TimestampMicrosecondArray::from_iter_values(rows.iter().map(|(_, time, _)| *time));
    columns.push(Arc::new(times.with_timezone("UTC")));
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}
