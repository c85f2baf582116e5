//! Numbers of transactions: what `xmin` of a row is, and `pg_current_xact_id()`.
//!
//! A row's `xmin` is the position of the event that it is as of. That is known when the event is in the log, and so at COMMIT; a client that
//! keeps it to tell whether a row was changed (as ORMs do by `UPDATE .. RETURNING xmin`) asks for it before, and must read the same afterwards.
//! So a transaction takes a number when it is first asked for one:
//! 1. It appends an event of the log `_numbers`, whose position is the number ([`Numbers::take`]): no other event has it, and rows that are
//!    committed already have lower ones.
//! 2. Rows that it has written have negative positions until it commits ([`super::own`]): their `xmin` is its number, and RETURNING gives
//!    rows such a position.
//! 3. COMMIT appends one more event of `_numbers` right behind the transaction's own ([`bearing`]), which says how many before it bear the number.
//!    The log shows it to [`Numbers::note`] before anybody sees the rows, so no reader and no view ever takes one for another.
//!
//! A statement by itself is a transaction in this too: what it writes bears the number that it has asked for, as a default may have done.
//! One that nobody asks costs nothing of this, and its rows have their own positions.
//!
//! What a snapshot says of transactions is read when a statement begins ([`Numbers::seen`]), before it reads anything: of all transactions
//! that it counts as ended it sees the rows, so that a reader who goes on from `pg_snapshot_xmin` misses none.
//!
//! `_numbers` is read when the database is opened.
//! The last [`limits::NUMBERED_TRANSACTIONS_MAX`] transactions are kept: rows of one before these have the positions of their events
//! again, so that whoever has kept the number so long finds the row changed, and never a changed one unchanged.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Weak};

use arrow::array::{Array, AsArray, Int64Array, RecordBatch, UInt32Array};
use arrow::datatypes::{DataType, Field, FieldRef, Int64Type, Schema, SchemaRef};
use datafusion::common::{Result as DfResult, ScalarValue};
use datafusion::logical_expr::{ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use parking_lot::{Mutex, RwLock};

use super::acts::Acts;
use super::node::read_log;
use crate::catalog::NUMBERS_LOG;
use crate::data::{POSITION, PgType, Position};
use crate::error::Result;
use crate::limits;
use crate::log::{Append, Log, LogId};

/// The numbers of all transactions that have taken one.
#[derive(Default)]
pub struct Numbers {
    borne: RwLock<Borne>,
    open: Mutex<Open>,
}

/// Which events bear a number, in the order of their positions.
#[derive(Default)]
struct Borne(VecDeque<Bearers>);

struct Bearers {
    first: Position,
    end: Position,
    number: Position,
}

/// The numbers of transactions that have not ended.
#[derive(Default)]
struct Open {
    next: u64,
    numbers: BTreeMap<u64, Position>,
}

/// The transactions that have not ended, as of one moment.
#[derive(Clone)]
pub(super) struct Seen {
    /// The log's head.
    pub head: Position,
    /// The numbers of those that have taken one, in order.
    pub running: Vec<Position>,
}

/// A number that a transaction has taken; it is open until this is dropped.
pub(super) struct Taken {
    numbers: Arc<Numbers>,
    ticket: u64,
    pub number: Position,
}

/// The columns of `_numbers`: the number that is borne, NULL where one is taken, and by how many events before this one.
fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("number", DataType::Int64, true), Field::new("events", DataType::Int64, false)]))
}

/// Events of one transaction with the one behind them that says that they bear its number.
pub(super) fn bearing(mut batches: Vec<(LogId, RecordBatch)>, number: Position) -> Result<Vec<(LogId, RecordBatch)>> {
    let events = batches.iter().map(|(_, batch)| batch.num_rows() as i64).sum();
    if events > 0 {
        batches.push((NUMBERS_LOG, event(Some(number), events)?));
    }
    Ok(batches)
}

fn event(number: Option<Position>, events: i64) -> Result<RecordBatch> {
    let number = Int64Array::from(vec![number.map(|number| number as i64)]);
    Ok(RecordBatch::try_new(schema(), vec![Arc::new(number), Arc::new(Int64Array::from(vec![events]))])?)
}

impl Numbers {
    /// Those that the log knows of, and comes to know of from now on.
    pub fn open(log: &Log) -> Result<Arc<Numbers>> {
        log.register(NUMBERS_LOG, schema(), &[])?;
        let numbers = Arc::new(Numbers::default());
        let mut fields = schema().fields().to_vec();
        fields.push(Arc::new(PgType::Int8.field(POSITION, false)));
        let placed = Arc::new(Schema::new(fields));
        for batch in read_log(log, NUMBERS_LOG, 0..log.head(), &placed)? {
            numbers.note(&batch?);
        }
        let noting = numbers.clone();
        log.before_commit(Box::new(move |id, batch| {
            if id == NUMBERS_LOG {
                noting.note(batch);
            }
        }));
        Ok(numbers)
    }

    /// Notes events of `_numbers`, with their positions.
    fn note(&self, events: &RecordBatch) {
        let column = |i: usize| events.column(i).as_primitive_opt::<Int64Type>();
        let positions = events.column_by_name(POSITION).and_then(|column| column.as_primitive_opt::<Int64Type>());
        let (Some(numbers), Some(counts), Some(positions)) = (column(0), column(1), positions) else { return };
        let mut borne = self.borne.write();
        for i in (0..numbers.len()).filter(|i| numbers.is_valid(*i)) {
            let end = positions.value(i) as Position;
            let first = end.saturating_sub(counts.value(i) as Position);
            borne.0.push_back(Bearers { first, end, number: numbers.value(i) as Position });
            if borne.0.len() > limits::NUMBERED_TRANSACTIONS_MAX {
                borne.0.pop_front();
            }
        }
    }

    /// A number for a transaction: the position of an event of its own. Blocks until that is in the log. Errors: the log's.
    pub(super) fn take(self: &Arc<Self>, log: &Log) -> Result<Taken> {
        // Until it is known it counts as the next, which is no higher: who asks meanwhile which transactions are open misses none.
        let mut taken = Taken { numbers: self.clone(), ticket: 0, number: log.head() };
        {
            let mut open = self.open.lock();
            open.next += 1;
            taken.ticket = open.next;
            open.numbers.insert(taken.ticket, taken.number);
        }
        let batches = vec![(NUMBERS_LOG, event(None, 0)?)];
        taken.number = log.append_blocking(Append { batches, sync: false })?.first;
        self.open.lock().numbers.insert(taken.ticket, taken.number);
        Ok(taken)
    }

    /// Which transactions have ended: a transaction whose number is below the head and not among those that run has its events below the
    /// head too.
    pub(super) fn seen(&self, log: &Log) -> Seen {
        let open = self.open.lock();
        let head = log.head();
        let mut running: Vec<Position> = open.numbers.values().copied().collect();
        drop(open);
        running.sort_unstable();
        Seen { head, running }
    }

    /// The function `row_xmin`: the number of a transaction, from the position of an event that it has appended. In a session with
    /// `acts` also of one that the session is yet to commit.
    pub(super) fn function(self: &Arc<Self>, acts: Weak<Acts>) -> ScalarUDF {
        let signature = Signature::exact(vec![DataType::Int64], Volatility::Immutable);
        ScalarUDF::new_from_impl(RowNumber { numbers: self.clone(), acts, signature })
    }
}

impl Borne {
    /// The number of the event at a position.
    fn of(&self, position: Position) -> Position {
        let behind = self.0.partition_point(|bearers| bearers.first <= position);
        let bearers = behind.checked_sub(1).and_then(|i| self.0.get(i));
        bearers.filter(|bearers| position < bearers.end).map_or(position, |bearers| bearers.number)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.numbers.open.lock().numbers.remove(&self.ticket);
    }
}

/// See [`Numbers::function`].
struct RowNumber {
    numbers: Arc<Numbers>,
    acts: Weak<Acts>,
    signature: Signature,
}

impl RowNumber {
    /// Numbers of transactions have 32 bits, and begin anew after the last.
    fn of(&self, positions: &Int64Array) -> Result<UInt32Array> {
        let own = positions.iter().flatten().any(|position| position < 0);
        let own = match self.acts.upgrade().filter(|_| own) {
            Some(acts) => acts.block_number()?,
            None => None,
        };
        let borne = self.numbers.borne.read();
        let number = |position: i64| match u64::try_from(position) {
            Ok(position) => borne.of(position) as u32,
            // A row of a temporary table, outside of transactions.
            Err(_) => own.map_or(position as u32, |number| number as u32),
        };
        Ok(positions.iter().map(|position| position.map(number)).collect())
    }
}

impl std::fmt::Debug for RowNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
impl PartialEq for RowNumber {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.numbers, &other.numbers) && self.acts.ptr_eq(&other.acts)
    }
}
impl Eq for RowNumber {}
impl Hash for RowNumber {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

impl ScalarUDFImpl for RowNumber {
    fn name(&self) -> &str {
        "row_xmin"
    }
    fn signature(&self) -> &Signature {
        &self.signature
    }
    fn return_type(&self, _: &[DataType]) -> DfResult<DataType> {
        Ok(DataType::UInt32)
    }
    fn return_field_from_args(&self, _: ReturnFieldArgs<'_>) -> DfResult<FieldRef> {
        Ok(Arc::new(PgType::Id("xid").field(self.name(), true)))
    }
    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        let scalar = arguments.args.iter().all(|a| matches!(a, ColumnarValue::Scalar(_)));
        let rows = if scalar { 1 } else { arguments.number_rows };
        let positions = arguments.args[0].to_array(rows)?;
        let numbers = self.of(positions.as_primitive::<Int64Type>())?;
        if scalar {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&numbers, 0)?));
        }
        Ok(ColumnarValue::Array(Arc::new(numbers)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_bear_the_number_that_was_taken_for_them() {
        let numbers = Numbers::default();
        let note = |number: Option<i64>, events: i64, position: i64| {
            let event = event(number.map(|n| n as Position), events).unwrap();
            let columns = event.columns().iter().cloned().chain([Arc::new(Int64Array::from(vec![position])) as _]).collect();
            let mut fields = event.schema().fields().to_vec();
            fields.push(Arc::new(Field::new(POSITION, DataType::Int64, false)));
            numbers.note(&RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap());
        };
        note(None, 0, 10);
        note(Some(10), 3, 18);
        note(Some(12), 1, 20);
        let of = |position| numbers.borne.read().of(position);
        assert_eq!([9, 14, 15, 16, 17, 18, 19, 20].map(of), [9, 14, 10, 10, 10, 18, 12, 20]);
    }
}
