//! COPY: bulk rows in and out.
//!
//! In: bytes are parsed as they come; full batches go to the log early, staged, so that encoding and writing them overlaps with
//! parsing the next ([`Encoding`]). They become visible, all at once, when the client says that it is done; before that an error or a lost client leaves nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{Array, Int64Array, RecordBatch};
use arrow::compute::filter_record_batch;
use bytes::Bytes;
use datafusion::common::cast::as_boolean_array;
use datafusion::execution::SendableRecordBatchStream;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use tokio::task::JoinHandle;

use super::database::Engine;
use super::dml::{all_not_null, at_precision, parsed_query, quoted, refuse_volatile, target_columns};
use super::events::events_of_rows;
use super::generated::Generators;
use super::path::with_schema;
use super::progress::{Kind, Running};
use super::session::{Column as Answered, Parameters, Response, Session};
use super::table_locks::{Mode, TableLock};
use super::triggers::Happening;
use crate::catalog::{Column, Name, Privileges, Relation, Sequence};
use crate::data::PgType;
use crate::data::charset::Charset;
use crate::data::copy::{CopyDecoder, CopyEncoder, CopyFormat, CopyOptions, OptionValue};
use crate::data::encode::Style;
use crate::error::{Error, Result, code};
use crate::fold::Expr;
use crate::log::{LogId, Staging};
use crate::sql::{self, CopySource, Statement};

/// A COPY .. FROM STDIN under way. Nothing is visible before `finish`; dropping it appends nothing.
pub struct CopyIn {
    engine: Arc<Engine>,
    /// Number of columns that each row has.
    pub columns: usize,
    /// True for the binary format.
    pub binary: bool,
    /// What the data is encoded in.
    charset: Charset,
    /// `None` once it has finished.
    decoder: Option<CopyDecoder>,
    relation: Arc<Relation>,
    targets: Vec<usize>,
    /// Values of the columns that are not copied; `None` if all are.
    template: Option<RecordBatch>,
    /// Of those, the columns that take a number from a sequence for each row.
    numbered: Vec<(usize, Arc<Sequence>)>,
    /// How those that are generated are computed, if there are any.
    generators: Option<Arc<Generators>>,
    /// The rows that are taken; `None` for all.
    condition: Option<Expr>,
    sink: Sink,
    rows: u64,
    work: Running,
    _lock: Option<TableLock>,
}

/// Where full batches go.
enum Sink {
    /// To the log, ahead of the commit.
    Staged(Box<Encoding>),
    /// Into the transaction, at the end.
    Held(Vec<(LogId, RecordBatch)>),
    /// The same, by way of triggers, or of a look at the keys that are there: generated columns are not computed yet.
    Proposed(Vec<RecordBatch>),
}

/// A COPY .. TO STDOUT: each of the byte strings is a row, to be sent as one CopyData message as the protocol promises its clients;
/// then the tag `COPY rows`.
pub struct CopyOut {
    pub columns: usize,
    pub binary: bool,
    pub chunks: BoxStream<'static, Result<Vec<Bytes>>>,
    pub rows: Arc<AtomicU64>,
}

/// A staging area whose batches are encoded on another thread, one at a time and in order.
struct Encoding {
    /// `None` while a batch is being encoded.
    staging: Option<Staging>,
    task: Option<JoinHandle<(Staging, Result<()>)>>,
}

impl Encoding {
    fn new(staging: Staging) -> Self {
        Encoding { staging: Some(staging), task: None }
    }

    /// The staging area, once the batch at hand is encoded.
    async fn rest(&mut self) -> Result<Staging> {
        if let Some(task) = self.task.take() {
            let (staging, done) = task.await.map_err(|e| Error::internal(e.to_string()))?;
            done?;
            return Ok(staging);
        }
        self.staging.take().ok_or_else(|| Error::internal("a staging area was lost"))
    }

    async fn push(&mut self, log: LogId, batch: RecordBatch) -> Result<()> {
        let mut staging = self.rest().await?;
        self.task = Some(tokio::task::spawn_blocking(move || {
            let done = staging.push_blocking(log, batch);
            (staging, done)
        }));
        Ok(())
    }
}

impl CopyIn {
    /// Takes the payload of one CopyData message (cut anywhere).
    pub async fn push(&mut self, data: Bytes) -> Result<()> {
        let Some(decoder) = &mut self.decoder else { return Ok(()) };
        self.work.gauge.add_bytes(data.len());
        match self.charset.converts() {
            true => decoder.feed(self.charset.read(&data)?.as_bytes())?,
            false => decoder.feed(&data)?,
        }
        let batches = decoder.take_full_batches();
        self.take_all(batches).boxed().await.map_err(|e| with_schema(&self.engine.catalog(), e))
    }

    async fn take_all(&mut self, batches: Vec<RecordBatch>) -> Result<()> {
        for batch in batches {
            let row = self.rows + first_null(&self.relation, &self.targets, &batch).unwrap_or(0);
            if let Err(e) = self.take(batch).await {
                // The row may be one that is not taken.
                let known = e.code() == code::NOT_NULL_VIOLATION && self.condition.is_none();
                let place = self.decoder.as_ref().filter(|_| known).map(|d| d.place_of(row));
                return Err(match place {
                    Some(place) => e.context(place),
                    None => e,
                });
            }
        }
        Ok(())
    }

    async fn take(&mut self, batch: RecordBatch) -> Result<()> {
        self.work.gauge.add(batch.num_rows());
        let columns = self.targets.iter().zip(batch.columns()).map(|(t, values)| at_precision(&self.relation.columns[*t], values.clone()));
        let batch = RecordBatch::try_new(batch.schema(), columns.collect::<Result<Vec<_>>>()?)?;
        let full = match &self.template {
            None => batch,
            Some(template) => {
                let mut wide = widened(&self.relation, &self.targets, template, &batch)?;
                for (column, sequence) in &self.numbered {
                    let numbers = Int64Array::from(self.engine.numbers(sequence, batch.num_rows()).await?);
                    let mut columns = wide.columns().to_vec();
                    columns[*column] = arrow::compute::cast(&numbers, columns[*column].data_type())?;
                    wide = RecordBatch::try_new(wide.schema(), columns)?;
                }
                if let Some(generators) = &self.generators {
                    wide = generators.fill(&wide)?;
                }
                wide
            }
        };
        let full = match &self.condition {
            Some(condition) => taken(&full, condition)?,
            None => full,
        };
        self.rows += full.num_rows() as u64;
        if full.num_rows() == 0 {
            return Ok(());
        }
        if let Sink::Proposed(rows) = &mut self.sink {
            rows.push(RecordBatch::try_new(self.relation.nullable().schema(), full.columns().to_vec())?);
            return Ok(());
        }
        let full = not_null(&self.relation, full)?;
        for (log, events) in events_of_rows(&self.engine, &self.relation, full)? {
            match &mut self.sink {
                Sink::Staged(encoding) => encoding.push(log, events).await?,
                Sink::Held(batches) => batches.push((log, events)),
                Sink::Proposed(_) => {}
            }
        }
        Ok(())
    }
}

/// The rows of which a condition is true.
fn taken(rows: &RecordBatch, condition: &Expr) -> Result<RecordBatch> {
    let held = condition.evaluate(rows)?.into_array(rows.num_rows())?;
    if held.data_type().is_null() {
        return Ok(rows.slice(0, 0));
    }
    Ok(filter_record_batch(rows, as_boolean_array(&held)?)?)
}

/// The first row (from 1) with a null in a copied column that takes none.
fn first_null(relation: &Relation, targets: &[usize], batch: &RecordBatch) -> Option<u64> {
    let strict = targets.iter().zip(batch.columns()).filter(|(t, column)| !relation.columns[**t].nullable && column.null_count() > 0);
    strict.filter_map(|(_, column)| (0..column.len()).find(|row| column.is_null(*row))).min().map(|row| row as u64 + 1)
}

/// The columns copied, and the template's values for the others.
fn widened(relation: &Relation, targets: &[usize], template: &RecordBatch, batch: &RecordBatch) -> Result<RecordBatch> {
    let mut columns = Vec::with_capacity(relation.columns.len());
    for i in 0..relation.columns.len() {
        columns.push(match targets.iter().position(|t| *t == i) {
            Some(from) => batch.column(from).clone(),
            None => datafusion::common::ScalarValue::try_from_array(template.column(i), 0)?.to_array_of_size(batch.num_rows())?,
        });
    }
    Ok(RecordBatch::try_new(relation.nullable().schema(), columns)?)
}

/// The columns of a relation that COPY names, or all that are not generated. Errors: 42703, 42701, 42P10 for one that is generated.
fn copied_columns(relation: &Relation, names: &[String]) -> Result<Vec<usize>> {
    let mut targets = target_columns(relation, names)?;
    let generated = |at: &usize| relation.columns[*at].generated.is_some();
    if names.is_empty() {
        targets.retain(|at| !generated(at));
    }
    if targets.is_empty() {
        return Err(Error::unsupported(format!("COPY of \"{}\", of which all columns are generated, is not supported", relation.name))
            .hint("COPY (SELECT ..) TO copies them."));
    }
    match targets.iter().find(|at| generated(at)).map(|at| &relation.columns[*at]) {
        Some(column) => {
            let message = format!("column \"{}\" is a generated column", column.name);
            Err(Error::new(code::INVALID_COLUMN_REFERENCE, message).detail("Generated columns cannot be used in COPY."))
        }
        None => Ok(targets),
    }
}

fn not_null(relation: &Relation, batch: RecordBatch) -> Result<RecordBatch> {
    all_not_null(relation, &batch)?;
    Ok(RecordBatch::try_new(relation.schema(), batch.columns().to_vec())?)
}

impl Session {
    pub(super) async fn copy_in(
        &mut self,
        table: &Name,
        columns: &[String],
        options: &sql::CopyOptions,
        condition: Option<&str>,
    ) -> Result<CopyIn> {
        let relation = self.writable(table)?;
        let targets = copied_columns(&relation, columns)?;
        self.may_on(Privileges::INSERT, &relation, targets.iter().copied())?;
        self.refuse_copy_of_secured(&relation)?;
        let options = CopyOptions::parse(&option_values(options), false)?;
        if options.freeze && !self.transaction.as_ref().is_some_and(|t| t.has_renewed(relation.id)) {
            let message = "cannot perform COPY FREEZE because the table was not created or truncated in the current subtransaction";
            return Err(Error::new(code::OBJECT_NOT_IN_PREREQUISITE_STATE, message));
        }
        let template = if targets.len() == relation.columns.len() && targets.is_sorted() {
            None
        } else {
            Some(self.defaults(&relation, &targets).await?)
        };
        let numbered = (0..relation.columns.len()).filter(|i| !targets.contains(i));
        let numbered = numbered.filter_map(|i| Some((i, self.sequence_of_column(&relation, &relation.columns[i])?)));
        let numbered: Vec<(usize, Arc<Sequence>)> = numbered.collect();
        numbered.iter().try_for_each(|(i, sequence)| self.may_number(sequence, &relation.columns[*i]))?;
        let strict = self.refuses_taken_keys(&relation);
        let looks = strict || self.may_replace(&relation).is_err();
        let gathers = looks || Happening::insert(&relation).fires_for_rows();
        let generators = if gathers { None } else { self.generators(&relation).await? };
        let condition = match condition {
            Some(text) => Some(self.condition_over_rows(&relation, text).await?),
            None => None,
        };
        let free = relation.kind == crate::catalog::RelationKind::Stream && relation.ksql.is_none();
        let lock = if free { None } else { self.lock_table(relation.id, if looks { Mode::Change } else { Mode::Put }).await? };
        if !free {
            self.as_begun(&relation)?;
        }
        let sink = if gathers {
            Sink::Proposed(vec![])
        } else if self.transaction.is_some() || self.is_temporary(relation.id) {
            Sink::Held(vec![])
        } else {
            Sink::Staged(Box::new(Encoding::new(self.engine.log.stage()?)))
        };
        let binary = options.format == CopyFormat::Binary;
        let charset = options.encoding.unwrap_or_else(|| self.settings.style().charset);
        if binary && charset.converts() {
            return Err(Error::unsupported(format!("COPY in binary form is not supported in encoding {}", charset.name()))
                .hint("SET client_encoding TO 'UTF8', or use the text format."));
        }
        let types: Vec<(String, PgType)> =
            targets.iter().map(|t| (relation.columns[*t].name.clone(), relation.columns[*t].ty.clone())).collect();
        let work = self.engine.begin_work(Kind::CopyFrom, Some(&relation), self.process, "reading");
        let decoder = Some(CopyDecoder::new(options, &relation.name, &types).reading(self.settings.reading()));
        Ok(CopyIn {
            engine: self.engine.clone(),
            columns: targets.len(),
            binary,
            charset,
            decoder,
            relation,
            targets,
            template,
            numbered,
            generators,
            condition,
            sink,
            rows: 0,
            work,
            _lock: lock,
        })
    }

    /// One row with the defaults of the columns that are not among `targets`.
    async fn defaults(&self, relation: &Relation, targets: &[usize]) -> Result<RecordBatch> {
        let (mut open, catalog) = (relation.nullable(), self.catalog());
        for i in (0..open.columns.len()).filter(|i| !targets.contains(i)) {
            let column = &open.columns[i];
            if column.generated.is_some() || self.sequence_of_column(relation, column).is_some() {
                open.columns[i] = Column::new(open.columns[i].name.clone(), open.columns[i].ty.clone());
            }
            refuse_volatile(&catalog, &open.columns[i])?;
        }
        let given = targets.iter().map(|t| arrow::array::new_null_array(&relation.columns[*t].ty.arrow(), 1)).collect();
        self.complete(&Arc::new(open), targets, given, 1).await
    }

    /// Ends a COPY FROM STDIN well: appends everything and answers the tag (`COPY 5`).
    pub async fn finish_copy(&mut self, copy: Box<CopyIn>) -> Result<String> {
        self.copied(copy).boxed().await.map_err(|e| with_schema(&self.catalog(), e))
    }

    async fn copied(&mut self, mut copy: Box<CopyIn>) -> Result<String> {
        if let Some(decoder) = &mut copy.decoder {
            let batches = decoder.finish()?;
            copy.take_all(batches).await?;
        }
        let CopyIn { sink, mut rows, relation, work: _work, _lock, .. } = *copy;
        let sink = match sink {
            Sink::Proposed(proposed) => {
                let batches = self.passed_events(&relation, proposed).await?;
                rows = batches.1;
                Sink::Held(batches.0)
            }
            other => other,
        };
        match sink {
            Sink::Staged(_) if rows == 0 => {}
            Sink::Staged(mut encoding) => {
                let staging = encoding.rest().await?;
                self.cancel.shield(staging.commit(self.settings.synchronous_commit())).await?;
            }
            Sink::Proposed(_) => return Err(Error::internal("rows have passed their triggers")),
            Sink::Held(batches) => {
                for (_, batch) in &batches {
                    self.check_entry(&relation, batch).await?;
                }
                let mark = self.gathered();
                self.append(batches).await?;
                if !relation.triggers.is_empty() || self.is_constrained(&relation) {
                    self.gives_rows = true;
                    let checked = self.check_and_fire(mark, &[Happening::insert(&relation)]).await;
                    self.gives_rows = false;
                    checked?;
                    self.end_alone(Ok(Response::Empty)).await?;
                }
            }
        }
        Ok(format!("COPY {rows}"))
    }

    /// The events of rows that have passed their triggers, and how many those are. Errors: those of triggers; 23505 for keys that are
    /// there, where the session refuses those; 42501 where the role may not replace them.
    async fn passed_events(&mut self, relation: &Arc<Relation>, proposed: Vec<RecordBatch>) -> Result<(Vec<(LogId, RecordBatch)>, u64)> {
        let mut passed = Vec::with_capacity(proposed.len());
        for rows in proposed {
            passed.push(self.passed_rows(relation, rows).await?);
        }
        if self.refuses_taken_keys(relation) {
            self.no_key_taken(relation, &passed).await?;
        } else if self.may_replace(relation).is_err() {
            self.check_replaced(relation, &passed).await?;
        }
        let (mut events, mut count) = (Vec::new(), 0);
        for rows in passed {
            count += rows.num_rows() as u64;
            self.note_rows(&Happening::insert(relation), None, Some(rows.clone()));
            events.extend(events_of_rows(&self.engine, relation, rows)?);
        }
        Ok((events, count))
    }

    /// The rows that a change of data answers, which is made before the first of them is written.
    async fn rows_of_change(&mut self, text: &str, change: &Statement) -> Result<(Vec<Answered>, SendableRecordBatchStream)> {
        let prepared = Arc::new(Box::pin(self.plan_parsed(text, change.clone(), &[])).await?);
        match Box::pin(self.run_inside(&prepared, Parameters::default())).await? {
            Response::Rows { columns, stream, .. } => Ok((columns, stream)),
            _ => Err(Error::internal("a change with RETURNING answers rows")),
        }
    }

    pub(super) async fn copy_out(&mut self, source: &CopySource, options: &sql::CopyOptions) -> Result<CopyOut> {
        let options = CopyOptions::parse(&option_values(options), true)?;
        let (answered, mut stream) = match source {
            CopySource::Query(query) => self.rows_of_query(query).await?,
            CopySource::Table { name, columns } => {
                let columns = match self.scope().find(name) {
                    Some(relation) if relation.has_generated() => {
                        copied_columns(relation, columns)?.into_iter().map(|at| relation.columns[at].name.clone()).collect()
                    }
                    _ => columns.clone(),
                };
                self.rows_of_query(table_query(name, &columns)?.as_ref()).await?
            }
            CopySource::Change(text, change) => self.rows_of_change(text, change).await?,
            CopySource::Push(text) => self.rows_pushed(text).await?,
        };
        let binary = options.format == CopyFormat::Binary;
        let types: Vec<(String, PgType)> = answered.iter().map(|c| (c.name.clone(), c.ty.clone())).collect();
        let style = self.settings.style();
        let style = Style { charset: options.encoding.unwrap_or(style.charset), ..style };
        let encoder = CopyEncoder::new(options, &types, &style);
        // A system relation is in no catalog.
        let relation = if let CopySource::Table { name, .. } = source { self.scope().find(name).cloned() } else { None };
        let work = self.engine.begin_work(Kind::CopyTo, relation.as_deref(), self.process, "writing");
        work.enter("writing", relation.and_then(|relation| self.engine.rows_of(&relation)));
        let rows = Arc::new(AtomicU64::new(0));
        let counted = rows.clone();
        let columns = answered.len();
        let chunks = async_stream(move |mut send| async move {
            let (mut out, mut ends) = (Vec::new(), Vec::new());
            encoder.header(&mut out);
            // A line of names is a message of its own; the binary header belongs to the first row's.
            if !binary && !out.is_empty() {
                ends.push(out.len());
            }
            while let Some(batch) = stream.next().await {
                let batch = batch?;
                encoder.batch(&batch, &mut out, &mut ends)?;
                work.gauge.add(batch.num_rows());
                work.gauge.add_bytes(out.len());
                counted.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
                if !ends.is_empty() && !send.give(std::mem::take(&mut out), std::mem::take(&mut ends)).await {
                    return Ok(());
                }
            }
            encoder.trailer(&mut out);
            if !out.is_empty() {
                let end = vec![out.len()];
                send.give(out, if ends.is_empty() { end } else { ends }).await;
            }
            Ok(())
        });
        Ok(CopyOut { columns, binary, chunks, rows })
    }
}

/// The giving end of [`async_stream`].
struct Giver(tokio::sync::mpsc::Sender<Result<Vec<Bytes>>>);

impl Giver {
    /// False if nobody takes any more.
    async fn give(&mut self, rows: Vec<u8>, ends: Vec<usize>) -> bool {
        let mut rest = Bytes::from(rows);
        let mut start = 0;
        let messages = ends.into_iter().map(|end| {
            let row = rest.split_to(end - start);
            start = end;
            row
        });
        let messages = messages.collect();
        self.0.send(Ok(messages)).await.is_ok()
    }
}

/// A stream of what a future gives, run by whoever polls the stream.
fn async_stream<F>(make: impl FnOnce(Giver) -> F) -> BoxStream<'static, Result<Vec<Bytes>>>
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let (send, mut receive) = tokio::sync::mpsc::channel(1);
    let errors = send.clone();
    let work = make(Giver(send));
    let work = async move {
        if let Err(e) = work.await {
            let _ = errors.send(Err(e)).await;
        }
    };
    let mut work = Box::pin(futures::FutureExt::fuse(work));
    futures::stream::poll_fn(move |cx| {
        let _ = work.as_mut().poll(cx);
        receive.poll_recv(cx)
    })
    .boxed()
}

/// The options as the codec takes them.
fn option_values(options: &sql::CopyOptions) -> Vec<(String, OptionValue)> {
    let value = |v: &Option<String>, name: &str| match v.as_deref() {
        None => OptionValue::Absent,
        Some("*") if name.starts_with("force_") => OptionValue::Star,
        Some(list) if name.starts_with("force_") => OptionValue::List(list.split(',').map(str::to_string).collect()),
        Some(text) => OptionValue::Text(text.to_string()),
    };
    options.0.iter().map(|(name, v)| (name.clone(), value(v, name))).collect()
}

fn table_query(name: &Name, columns: &[String]) -> Result<Box<sqlparser::ast::Query>> {
    let items = if columns.is_empty() { "*".to_string() } else { columns.iter().map(|c| quoted(c)).collect::<Vec<_>>().join(", ") };
    let schema = name.schema.as_ref().map_or(String::new(), |schema| format!("{}.", quoted(schema)));
    parsed_query(&format!("SELECT {items} FROM {schema}{}", quoted(&name.name)))
}
