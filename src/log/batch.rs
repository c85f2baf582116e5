//! Events on their way into the log: checked against its schema, then stamped with position, offset and time.

use std::borrow::Borrow;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int64Array, RecordBatch, RecordBatchOptions, TimestampMicrosecondArray};
use arrow::compute;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef, TimeUnit};

use super::LogId;
use super::ipc::{compact, is_storable};
use super::projection::Projection;
use crate::data::{OFFSET, POSITION, Position, TIME};
use crate::error::{Error, Result, code};
use crate::limits;

/// Number of columns that the log adds.
pub(super) const ADDED: usize = 3;

/// What a log is.
#[derive(Debug)]
pub(super) struct Definition {
    pub id: LogId,
    /// The user's columns, then position, offset and time.
    pub schema: SchemaRef,
    /// Indices of the user's columns that get bloom filters in segments.
    pub bloom: Vec<usize>,
    /// Names of the columns that it has got since the log was opened: whoever began before may not know them.
    pub further: Vec<String>,
}

fn are_alike<F: Borrow<FieldRef>>(own: &[F], others: &[F]) -> bool {
    let alike = |(a, b): (&FieldRef, &FieldRef)| (a.name(), a.data_type(), a.is_nullable()) == (b.name(), b.data_type(), b.is_nullable());
    own.len() == others.len() && own.iter().map(F::borrow).zip(others.iter().map(F::borrow)).all(alike)
}

fn time_field() -> Field {
    Field::new(TIME, DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), false)
}

impl Definition {
    /// A log of these user columns. Errors: 42701 for a name that the log itself adds, 0A000 for a type it cannot keep, 54000
    /// for too many columns, 22023 for a bloom filter on a column there is not.
    pub fn new(id: LogId, user: &Schema, bloom: &[usize]) -> Result<Definition> {
        if user.fields().len() > limits::COLUMNS_MAX {
            return Err(Error::new(code::PROGRAM_LIMIT_EXCEEDED, format!("a relation can have at most {} columns", limits::COLUMNS_MAX)));
        }
        for field in user.fields() {
            if [POSITION, OFFSET, TIME].contains(&field.name().as_str()) {
                let message = format!("column name \"{}\" conflicts with a system column name", field.name());
                return Err(Error::new(code::DUPLICATE_COLUMN, message).hint("Every event has this column already; choose another name."));
            }
            if !is_storable(field.data_type()) {
                let message = format!("column \"{}\" has type {}, which cannot be stored", field.name(), field.data_type());
                return Err(Error::unsupported(message).hint("Cast it to a type that a table can have."));
            }
        }
        if bloom.iter().any(|&i| i >= user.fields().len()) {
            return Err(Error::new(code::INVALID_PARAMETER_VALUE, "a bloom filter names a column that is not there"));
        }
        let mut fields: Vec<_> = user.fields().iter().cloned().collect();
        let numbers = [POSITION, OFFSET].map(|name| Arc::new(Field::new(name, DataType::Int64, false)));
        fields.extend(numbers);
        fields.push(Arc::new(time_field()));
        let schema = Arc::new(Schema::new_with_metadata(fields, user.metadata().clone()));
        Ok(Definition { id, schema, bloom: bloom.to_vec(), further: vec![] })
    }

    /// True if the log has the same columns. What the metadata of a field tells beyond its Arrow type is not the log's matter, and an
    /// older version may have told less.
    pub fn is_alike(&self, other: &Definition) -> bool {
        are_alike(self.schema.fields(), other.schema.fields())
    }

    /// False if the other one has the same columns, true if it has further ones. Errors: 42P07 if it has others.
    pub fn is_widened_by(&self, other: &Definition) -> Result<bool> {
        match () {
            () if self.is_alike(other) => Ok(false),
            () if other.widens(self) => Ok(true),
            () => Err(Error::new(code::DUPLICATE_TABLE, format!("log {} exists already with other columns", self.id))),
        }
    }

    /// True if it is the other one with further columns, which can be null.
    pub fn widens(&self, narrow: &Definition) -> bool {
        let (kept, further): (Vec<_>, Vec<_>) = self.schema.fields().iter().partition(|f| narrow.schema.index_of(f.name()).is_ok());
        !further.is_empty()
            && further.iter().all(|f| f.is_nullable())
            && are_alike(&kept, &narrow.schema.fields().iter().collect::<Vec<_>>())
    }

    /// The same in the place of a narrower one.
    pub fn after(mut self, narrow: &Definition) -> Definition {
        let further = self.schema.fields().iter().map(|f| f.name()).filter(|name| narrow.schema.index_of(name).is_err());
        self.further = narrow.further.iter().chain(further).cloned().collect();
        self
    }

    /// Rows of the user's columns, those null that the log has got since they were made; others are left as they are.
    fn complete(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let lacks = |name: &String| batch.schema_ref().index_of(name).is_err();
        if !self.further.iter().any(lacks) {
            return Ok(batch.clone());
        }
        let mut before = self.schema.fields().iter().take(self.width()).map(|f| f.name()).filter(|name| !self.further.contains(name));
        if before.any(lacks) {
            return Ok(batch.clone());
        }
        let timed = batch.schema_ref().index_of(TIME).is_ok();
        Projection::new(&self.staged(timed), batch.schema_ref()).apply(batch)
    }

    /// A log of a full schema, as the disk has it; `None` if the last columns are not the log's.
    pub fn of_full(id: LogId, full: &Schema, bloom: &[usize]) -> Option<Definition> {
        let user: Vec<_> = full.fields().iter().take(full.fields().len().checked_sub(ADDED)?).cloned().collect();
        let user = Schema::new_with_metadata(user, full.metadata().clone());
        let definition = Definition::new(id, &user, bloom).ok()?;
        (definition.schema.fields() == full.fields()).then_some(definition)
    }

    /// Number of the user's columns.
    pub fn width(&self) -> usize {
        self.schema.fields().len() - ADDED
    }

    /// The schema of events without positions.
    pub fn staged(&self, timed: bool) -> SchemaRef {
        let user = self.schema.fields().iter().take(self.width()).cloned();
        let time = timed.then(|| Arc::new(time_field()));
        Arc::new(Schema::new(user.chain(time).collect::<Vec<_>>()))
    }
}

/// Events of one log without positions: n rows x the user's columns.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub definition: Arc<Definition>,
    pub columns: Vec<ArrayRef>,
    pub rows: usize,
    /// Their own event times.
    pub time: Option<ArrayRef>,
}

impl Part {
    /// Checks a batch against the log. Errors: 42804 for other columns, 23502 for a null where there must be none.
    pub fn new(definition: Arc<Definition>, batch: &RecordBatch) -> Result<Part> {
        let (width, batch) = (definition.width(), &definition.complete(batch)?);
        let given = batch.schema_ref().fields();
        let timed = given.len() == width + 1 && given[width].name() == TIME;
        if given.len() != width && !timed {
            let message = format!("log {} has {width} columns, but {} were given", definition.id, given.len());
            return Err(Error::new(code::DATATYPE_MISMATCH, message));
        }
        let wanted = definition.schema.fields().iter().take(width).cloned().chain(timed.then(|| Arc::new(time_field())));
        for (column, field) in batch.columns().iter().zip(wanted) {
            if column.data_type() != field.data_type() {
                let (name, want, have) = (field.name(), field.data_type(), column.data_type());
                let message = format!("column \"{name}\" is of type {want} but expression is of type {have}");
                return Err(Error::new(code::DATATYPE_MISMATCH, message));
            }
            if !field.is_nullable() && column.null_count() > 0 {
                let message = format!("null value in column \"{}\" violates not-null constraint", field.name());
                return Err(Error::new(code::NOT_NULL_VIOLATION, message));
            }
        }
        let columns = batch.columns()[..width].iter().map(compact).collect();
        let time = timed.then(|| batch.column(width).clone());
        Ok(Part { definition, columns, rows: batch.num_rows(), time })
    }

    /// The rows as those of a definition that is the same or wider.
    pub fn widened(self, definition: &Arc<Definition>) -> Result<Part> {
        if Arc::ptr_eq(&self.definition, definition) {
            return Ok(self);
        }
        let Part { definition: narrow, columns, rows, time } = self;
        let batch = build(narrow.staged(false), columns, rows)?;
        let columns = Projection::new(&definition.staged(false), batch.schema_ref()).apply(&batch)?.columns().to_vec();
        Ok(Part { definition: definition.clone(), columns, rows, time })
    }

    /// The rows as one batch, as they are staged.
    pub fn staged(&self) -> Result<RecordBatch> {
        let columns = self.columns.iter().chain(self.time.iter()).cloned().collect();
        build(self.definition.staged(self.time.is_some()), columns, self.rows)
    }

    /// Bytes of Arrow memory.
    pub fn bytes(&self) -> usize {
        self.columns.iter().map(|c| c.get_array_memory_size()).sum()
    }
}

fn build(schema: SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(schema, columns, &options)?)
}

/// Events of one log, each part at its position: what one group commit adds to it.
pub(super) struct Run {
    pub parts: Vec<(Position, Part)>,
    pub rows: usize,
}

impl Run {
    /// The same events, all as those of the widest definition: the log may have got columns between two of them.
    pub fn level(mut self) -> Result<Run> {
        let Some(widest) = self.parts.iter().map(|(_, p)| &p.definition).max_by_key(|d| d.width()).cloned() else { return Ok(self) };
        self.parts = self.parts.into_iter().map(|(at, part)| Ok((at, part.widened(&widest)?))).collect::<Result<_>>()?;
        Ok(self)
    }

    /// One batch of all columns, which all parts have. Offsets begin at `offset`; events without a time of their own get `time_us`.
    /// Cost: one copy of the values if there are several parts, none if there is one.
    pub fn stamp(&self, offset: u64, time_us: i64) -> Result<RecordBatch> {
        let definition = &self.parts[0].1.definition;
        let mut columns = Vec::with_capacity(definition.schema.fields().len());
        for i in 0..definition.width() {
            columns.push(self.gather(i)?);
        }
        let positions = self.parts.iter().flat_map(|(at, p)| *at as i64..(*at as i64 + p.rows as i64));
        columns.push(Arc::new(Int64Array::from_iter_values(positions)));
        columns.push(Arc::new(Int64Array::from_iter_values(offset as i64..offset as i64 + self.rows as i64)));
        columns.push(self.times(time_us)?);
        build(definition.schema.clone(), columns, self.rows)
    }

    fn gather(&self, column: usize) -> Result<ArrayRef> {
        if let [(_, part)] = self.parts.as_slice() {
            return Ok(part.columns[column].clone());
        }
        let arrays: Vec<&dyn Array> = self.parts.iter().map(|(_, p)| p.columns[column].as_ref()).collect();
        Ok(compact(&compute::concat(&arrays)?))
    }

    fn times(&self, time_us: i64) -> Result<ArrayRef> {
        let commit = |rows: usize| TimestampMicrosecondArray::from_value(time_us, rows).with_timezone("UTC");
        if self.parts.iter().all(|(_, p)| p.time.is_none()) {
            return Ok(Arc::new(commit(self.rows)));
        }
        let own: Vec<ArrayRef> = self.parts.iter().map(|(_, p)| p.time.clone().unwrap_or_else(|| Arc::new(commit(p.rows)))).collect();
        Ok(compute::concat(&own.iter().map(|a| a.as_ref()).collect::<Vec<_>>())?)
    }
}

/// The positions of a batch of all columns.
pub(super) fn positions(batch: &RecordBatch) -> &Int64Array {
    number_column(batch, ADDED)
}

/// The offsets of a batch of all columns.
pub(super) fn offsets(batch: &RecordBatch) -> &Int64Array {
    number_column(batch, ADDED - 1)
}

fn number_column(batch: &RecordBatch, from_end: usize) -> &Int64Array {
    let column = batch.column(batch.num_columns() - from_end);
    column.as_any().downcast_ref::<Int64Array>().expect("a log's positions and offsets are Int64")
}
