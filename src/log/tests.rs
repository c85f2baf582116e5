//! The log as a whole, against disks that fail.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{Array, AsArray, Int64Array, RecordBatch, StringViewArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType};
use proptest::prelude::*;

use super::memory::{Faults, MemoryStore};
use super::*;
use crate::clock::ManualClock;
use crate::error::code;

const A: LogId = 16_384;
const B: LogId = 16_385;

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false), Field::new("t", DataType::Utf8View, true)]))
}

fn rows(numbers: std::ops::Range<i64>) -> RecordBatch {
    let texts = StringViewArray::from_iter(numbers.clone().map(|n| (n % 5 != 0).then(|| format!("the text of event number {n}"))));
    RecordBatch::try_new(schema(), vec![Arc::new(Int64Array::from_iter_values(numbers)), Arc::new(texts)]).unwrap()
}

fn options() -> Options {
    Options { wal_file_bytes: 1 << 30, fill_bytes: 0, row_group_rows: 1000, ..Options::default() }
}

fn open_with(store: &MemoryStore, options: Options) -> Result<Arc<Log>> {
    Log::open(Arc::new(store.clone()), Arc::new(ManualClock::default()), options)
}

fn open(store: &MemoryStore) -> Arc<Log> {
    let log = open_with(store, options()).unwrap();
    for id in [A, B] {
        log.register(id, schema(), &[0]).unwrap();
    }
    log
}

#[test]
fn columns_of_which_an_older_version_told_less_are_the_same_columns() {
    let log = open(&MemoryStore::new());
    let told = |f: &Arc<Field>| f.as_ref().clone().with_metadata([("pg.type".to_string(), "bigint".to_string())].into());
    log.register(A, Arc::new(Schema::new(schema().fields().iter().map(told).collect::<Vec<_>>())), &[0]).unwrap();
    let other = Schema::new(vec![Field::new("n", DataType::Int32, false), Field::new("t", DataType::Utf8View, true)]);
    assert!(log.register(A, Arc::new(other), &[0]).is_err());
}

/// The log's columns, and so many more.
fn wider(more: usize) -> Arc<Schema> {
    let narrow = schema();
    let further = (0..more).map(|i| Arc::new(Field::new(format!("w{i}"), DataType::Int64, true)));
    // Between the others, as a table's are before what says upsert or delete.
    let fields = narrow.fields()[..1].iter().cloned().chain(further).chain(narrow.fields()[1..].iter().cloned());
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn wider_rows(numbers: std::ops::Range<i64>, more: usize) -> RecordBatch {
    let narrow = rows(numbers.clone());
    let mut columns = vec![narrow.column(0).clone()];
    columns.extend((0..more).map(|_| Arc::new(Int64Array::from_iter_values(numbers.clone())) as _));
    columns.push(narrow.column(1).clone());
    RecordBatch::try_new(wider(more), columns).unwrap()
}

#[test]
fn a_log_gets_columns_while_it_has_events_in_segments_and_tail() {
    let mut store = MemoryStore::new();
    let reopen = |store: &MemoryStore, more: usize| {
        let log = open_with(store, options()).unwrap();
        log.register(A, wider(more), &[0]).unwrap();
        log
    };
    let told = |log: &Log, more: usize| -> Vec<(i64, i64, Option<i64>)> {
        let slice = log.read(A, 0..Position::MAX).unwrap();
        let mut wanted = wider(more).fields().to_vec();
        wanted.push(Arc::new(slice.schema.field_with_name("_offset").unwrap().clone()));
        let wanted = Arc::new(Schema::new(wanted));
        let mut all = Vec::new();
        for batch in slice.batches(&wanted).unwrap().map(|b| b.unwrap()) {
            assert_eq!(batch.schema().fields().len(), wanted.fields().len());
            let column = |name: &str| batch.column_by_name(name).unwrap().as_primitive::<Int64Type>().clone();
            let last = (more > 0).then(|| column(&format!("w{}", more - 1)));
            let value = |i: usize| last.as_ref().filter(|l| l.is_valid(i)).map(|l| l.value(i));
            all.extend((0..batch.num_rows()).map(|i| (column("_offset").value(i), column("n").value(i), value(i))));
        }
        all
    };
    let put = |log: &Log, numbers, more| {
        log.append_blocking(Append { batches: vec![(A, wider_rows(numbers, more))], sync: true }).unwrap();
    };
    let mut log = reopen(&store, 0);
    let mut n = 0;
    let mut model: Vec<(i64, i64, usize)> = Vec::new();
    // Each step: events, some of them sealed or staged; more columns; what readers of each width find; a crash or an orderly end.
    for more in 0..4 {
        log.check(A, &wider(more), &[0]).unwrap();
        log.register(A, wider(more), &[0]).unwrap();
        for sealed in [true, false] {
            put(&log, n..n + 20, more);
            let mut staging = log.stage().unwrap();
            staging.push_blocking(A, wider_rows(n + 20..n + 30, more)).unwrap();
            staging.commit_blocking(true).unwrap();
            model.extend((n..n + 30).map(|i| (i, i, more)));
            n += 30;
            if sealed && more != 2 {
                log.seal().unwrap();
            }
        }
        for _ in 0..2 {
            for width in 0..=more {
                let found = told(&log, width);
                let want = model.iter().map(|&(offset, n, had)| (offset, n, (width > 0 && had >= width).then_some(n)));
                assert_eq!(found, want.collect::<Vec<_>>(), "{width} of {more} further columns");
            }
            if more % 2 == 0 {
                store = store.crash(0);
                drop(log);
            } else {
                log.close().unwrap();
                drop(log);
            }
            log = reopen(&store, more);
        }
    }
    assert_eq!(log.check(A, &wider(2), &[0]).unwrap_err().code(), code::DUPLICATE_TABLE);
    let strict: Vec<_> = wider(5).fields().iter().map(|f| f.as_ref().clone().with_nullable(false)).collect();
    assert_eq!(log.register(A, Arc::new(Schema::new(strict)), &[0]).unwrap_err().code(), code::DUPLICATE_TABLE);
    log.seal().unwrap();
    drop(log);
    verify(&(Arc::new(store) as Arc<dyn Store>)).unwrap();
}

#[test]
fn who_began_before_a_log_got_columns_appends_to_it_all_the_same() {
    let store = MemoryStore::new();
    let log = open(&store);
    let widths = AtomicU64::new(0);
    // Each knows the log as it was at some time, and appends at once or in pieces.
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let (log, widths) = (&log, &widths);
            scope.spawn(move || {
                for i in 0..60 {
                    let known = widths.load(Ordering::SeqCst) as usize;
                    let first = (writer * 60 + i) * 10;
                    let batches = vec![(A, wider_rows(first..first + 5, known))];
                    let mut staging = log.stage().unwrap();
                    staging.push_blocking(A, wider_rows(first + 5..first + 8, known)).unwrap();
                    log.append_blocking(Append { batches, sync: i % 7 == 0 }).unwrap();
                    staging.push_blocking(A, wider_rows(first + 8..first + 10, known)).unwrap();
                    staging.commit_blocking(false).unwrap();
                }
            });
        }
        for more in 1..6 {
            while log.head() < more * 400 {
                std::thread::yield_now();
            }
            log.register(A, wider(more as usize), &[0]).unwrap();
            widths.store(more, Ordering::SeqCst);
        }
    });
    let mut numbers = numbers(&log, A);
    numbers.sort_unstable();
    assert_eq!(numbers, (0..2400).collect::<Vec<_>>());
    let filled = |log: &Log| {
        let wanted = wider(5);
        let nulls = |b: RecordBatch| (1..6).map(|i| b.num_rows() - b.column(i).null_count()).collect::<Vec<_>>();
        let batches = log.read(A, 0..Position::MAX).unwrap().batches(&wanted).unwrap().map(|b| nulls(b.unwrap()));
        batches.reduce(|a, b| a.iter().zip(b).map(|(a, b)| a + b).collect()).unwrap()
    };
    let before = filled(&log);
    assert!(before.windows(2).all(|w| w[0] >= w[1]), "{before:?}");
    let crashed = store.crash(0);
    drop(log);
    // The catalog knows all the columns, the log may have heard of fewer.
    let reopened = open_with(&crashed, options()).unwrap();
    reopened.register(A, wider(5), &[0]).unwrap();
    assert!(filled(&reopened).iter().zip(&before).all(|(after, before)| after <= before));
    reopened.seal().unwrap();
    append(&reopened, A, 0..1).unwrap_err();
    verify(&(Arc::new(crashed) as Arc<dyn Store>)).unwrap();
}

fn append(log: &Log, id: LogId, numbers: std::ops::Range<i64>) -> Result<Committed> {
    log.append_blocking(Append { batches: vec![(id, rows(numbers))], sync: true })
}

/// (position, offset, n) of every event of a log below `end`, from segments and tail.
fn events_before(log: &Log, id: LogId, range: Range<Position>) -> Vec<(i64, i64, i64)> {
    let slice = log.read(id, range.clone()).unwrap();
    let batches: Vec<RecordBatch> = slice.batches(&slice.schema).unwrap().map(|b| b.unwrap()).collect();
    let column = |b: &RecordBatch, name: &str| b.column_by_name(name).unwrap().as_primitive::<Int64Type>().values().to_vec();
    let mut out = Vec::new();
    for batch in &batches {
        assert_eq!(batch.schema().fields(), slice.schema.fields());
        for (i, n) in column(batch, "n").into_iter().enumerate() {
            let text = batch.column_by_name("t").unwrap().as_string_view();
            let want = (n % 5 != 0).then(|| format!("the text of event number {n}"));
            assert_eq!(text.is_valid(i).then(|| text.value(i).to_string()), want);
            out.push((column(batch, "_position")[i], column(batch, "_offset")[i], n));
        }
    }
    out
}

fn events(log: &Log, id: LogId) -> Vec<(i64, i64, i64)> {
    events_before(log, id, 0..Position::MAX)
}

fn numbers(log: &Log, id: LogId) -> Vec<i64> {
    let all = events(log, id);
    assert!(all.iter().enumerate().all(|(i, e)| e.1 == i as i64), "offsets are gapless");
    assert!(all.windows(2).all(|w| w[0].0 < w[1].0), "positions grow");
    assert_eq!(log.count(id), all.len() as u64);
    assert_eq!(log.end_of(id), all.last().map_or(0, |e| e.0 as u64 + 1));
    all.into_iter().map(|e| e.2).collect()
}

fn last_wal(store: &MemoryStore) -> String {
    store.list("wal").unwrap().into_iter().rfind(|n| n.ends_with(".wal")).unwrap()
}

fn frames(store: &MemoryStore) -> Vec<frame::Frame> {
    let name = last_wal(store);
    frame::scan(&name, store.read(&name).unwrap(), true).unwrap().frames
}

#[test]
fn concurrent_appends_get_gapless_positions_and_offsets() {
    let log = open(&MemoryStore::new());
    let told = Arc::new(AtomicU64::new(0));
    let seen = told.clone();
    log.on_commit(Box::new(move |head, ids| {
        assert!(!ids.is_empty() && seen.swap(head, Ordering::SeqCst) < head);
    }));
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let log = &log;
            scope.spawn(move || {
                for i in 0..50 {
                    let n = thread * 1000 + i * 2;
                    let batches = vec![(A, rows(n..n + 1)), (B, rows(n..n + 2)), (A, rows(n + 1..n + 2))];
                    let done = log.append_blocking(Append { batches, sync: i % 3 != 0 }).unwrap();
                    assert_eq!(done.end - done.first, 4);
                    let mine: Vec<i64> = events_before(log, A, done.first..done.end).iter().map(|e| e.2).collect();
                    assert_eq!(mine, [n, n + 1], "visible once acknowledged, and a transaction's events are neighbours");
                }
            });
        }
    });
    log.close().unwrap(); // the observers are told after the waiters: the writer must have ended
    assert_eq!((log.head(), told.load(Ordering::SeqCst)), (1600, 1600));
    assert_eq!((numbers(&log, A).len(), numbers(&log, B).len()), (800, 800));
    let mut positions: Vec<i64> = [A, B].iter().flat_map(|&id| events(&log, id)).map(|e| e.0).collect();
    positions.sort_unstable();
    assert_eq!(positions, (0..1600).collect::<Vec<_>>());
}

#[test]
fn a_staged_transaction_is_invisible_until_its_commit_and_then_whole() {
    let store = MemoryStore::new();
    let log = open(&store);
    let mut staging = log.stage().unwrap();
    staging.push_blocking(A, rows(0..70_000)).unwrap();
    staging.push_blocking(B, rows(0..10)).unwrap();
    append(&log, A, 500..501).unwrap();
    assert_eq!((log.head(), numbers(&log, A), numbers(&log, B)), (1, vec![500], vec![]));
    log.seal().unwrap();
    staging.push_blocking(A, rows(70_000..70_002)).unwrap();
    let mut aborted = log.stage().unwrap();
    aborted.push_blocking(B, rows(100..200)).unwrap();
    drop(aborted);
    let done = staging.commit_blocking(true).unwrap();
    assert_eq!((done.first, done.end), (1, 70_013));
    let want: Vec<i64> = [500].into_iter().chain(0..70_002).collect();
    assert_eq!((numbers(&log, A), numbers(&log, B)), (want.clone(), (0..10).collect()));
    assert!(store.list("wal").unwrap().len() > 1, "the closed file holds rows that are not sealed yet");
    drop(log);
    let crashed = store.crash(0);
    let log = open(&crashed);
    assert_eq!((numbers(&log, A), numbers(&log, B)), (want.clone(), (0..10).collect()));
    log.seal().unwrap();
    assert_eq!(crashed.list("wal").unwrap().len(), 1);
    drop(log);
    let log = open(&crashed);
    assert_eq!((numbers(&log, A), numbers(&log, B)), (want, (0..10).collect()));
}

#[test]
fn a_large_append_is_one_transaction() {
    let log = open(&MemoryStore::new());
    let done = log.append_blocking(Append { batches: vec![(A, rows(0..100_000)), (B, rows(0..1))], sync: true }).unwrap();
    assert_eq!((done.first, done.end), (0, 100_001));
    assert_eq!(numbers(&log, A), (0..100_000).collect::<Vec<_>>());
    assert_eq!(numbers(&log, B), [0]);
}

#[test]
fn events_keep_times_of_their_own() {
    let store = MemoryStore::new();
    let utc = || DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let timed = |time: i64| {
        let mut fields: Vec<_> = schema().fields().to_vec();
        fields.push(Arc::new(Field::new("_time", utc(), false)));
        let mut columns = rows(1..2).columns().to_vec();
        columns.push(Arc::new(TimestampMicrosecondArray::from(vec![time]).with_timezone("UTC")));
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
    };
    let times = |log: &Log| -> Vec<i64> {
        let slice = log.read(A, 0..Position::MAX).unwrap();
        slice.tail.iter().flat_map(|b| b.column(4).as_primitive::<TimestampMicrosecondType>().values().to_vec()).collect()
    };
    let log = open(&store);
    log.append_blocking(Append { batches: vec![(A, timed(77)), (A, rows(2..3))], sync: true }).unwrap();
    let mut staging = log.stage().unwrap();
    staging.push_blocking(A, timed(-5)).unwrap();
    staging.commit_blocking(true).unwrap();
    assert_eq!(times(&log), [77, 0, -5]);
    drop(log);
    assert_eq!(times(&open(&store)), [77, 0, -5]);
}

#[test]
fn what_does_not_fit_is_refused() {
    let log = open(&MemoryStore::new());
    let code_of = |result: Result<Committed>| result.unwrap_err().code();
    assert_eq!(code_of(append(&log, 99, 0..1)), code::UNDEFINED_TABLE);
    let narrow = rows(0..1).project(&[0]).unwrap();
    assert_eq!(code_of(log.append_blocking(Append { batches: vec![(A, narrow)], sync: true })), code::DATATYPE_MISMATCH);
    let loose = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, true), schema().field(1).clone()]));
    let nulls = vec![Arc::new(Int64Array::from(vec![None])) as _, rows(0..1).column(1).clone()];
    let nulls = RecordBatch::try_new(loose.clone(), nulls).unwrap();
    assert_eq!(code_of(log.append_blocking(Append { batches: vec![(A, nulls)], sync: true })), code::NOT_NULL_VIOLATION);
    assert_eq!(log.register(A, loose, &[]).unwrap_err().code(), code::DUPLICATE_TABLE);
    let reserved = Arc::new(Schema::new(vec![Field::new("_offset", DataType::Int64, true)]));
    assert_eq!(log.register(99, reserved, &[]).unwrap_err().code(), code::DUPLICATE_COLUMN);
    assert_eq!(log.head(), 0);
}

#[test]
fn a_directory_is_opened_once() {
    let store = MemoryStore::new();
    let log = open(&store);
    assert_eq!(open_with(&store, options()).err().unwrap().code(), code::OBJECT_IN_USE);
    log.close().unwrap();
    log.close().unwrap();
    assert_eq!(append(&log, A, 0..1).unwrap_err().code(), code::ADMIN_SHUTDOWN);
    open(&store);
}

#[test]
fn reopening_goes_on_where_the_log_was() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::default());
    let mut want = Vec::new();
    for round in 0..4i64 {
        clock.set_us(1000 - round);
        let store = Arc::new(LocalStore::open(dir.path()).unwrap());
        let log = Log::open(store, clock.clone(), Options { fill_bytes: 1 << 16, ..options() }).unwrap();
        log.register(A, schema(), &[]).unwrap();
        assert_eq!(numbers(&log, A), want);
        for n in round * 300..(round + 1) * 300 {
            assert_eq!(append(&log, A, n..n + 1).unwrap().time_us, 1000, "commit time does not go back");
            want.push(n);
        }
        match round {
            0 => log.close().unwrap(),
            1 => log.seal().unwrap(),
            _ => {}
        }
    }
}

#[test]
fn a_torn_tail_is_cut_at_every_byte_and_nothing_before_it_is_lost() {
    let store = MemoryStore::new();
    let log = open(&store);
    for n in 0..3 {
        append(&log, A, n..n + 1).unwrap();
    }
    let (name, whole) = (last_wal(&store), store.copy());
    drop(log);
    let bytes = whole.read(&name).unwrap().to_vec();
    let last = frames(&whole).pop().unwrap().offset as usize;
    for cut in last..bytes.len() {
        for zeros in [0, 5000] {
            let torn = whole.copy();
            let mut short = bytes[..cut].to_vec();
            short.resize(cut + zeros, 0);
            torn.put(&name, short);
            // Where only padding was cut off, zeros behind the cut make the frame whole again.
            let want: &[i64] = if zeros > 0 && bytes[cut..].iter().all(|&b| b == 0) { &[0, 1, 2] } else { &[0, 1] };
            let log = open(&torn);
            assert_eq!(numbers(&log, A), want, "cut at {cut}");
            append(&log, A, 7..8).unwrap();
            drop(log);
            assert_eq!(numbers(&open(&torn), A), [want, &[7]].concat(), "cut at {cut}");
        }
    }
}

#[test]
fn a_flipped_bit_in_an_earlier_frame_is_refused_by_name_and_offset() {
    let store = MemoryStore::new();
    let log = open(&store);
    for n in 0..3 {
        append(&log, A, n..n + 1).unwrap();
    }
    drop(log);
    let name = last_wal(&store);
    let bytes = store.read(&name).unwrap().to_vec();
    let frames = frames(&store);
    let last = frames.last().unwrap().offset as usize;
    for byte in 0..last {
        let mut flipped = bytes.clone();
        flipped[byte] ^= 1 << (byte % 8);
        let damaged = store.copy();
        damaged.put(&name, flipped.clone());
        let error = open_with(&damaged, options()).err().unwrap_or_else(|| panic!("byte {byte}"));
        let at = frames.iter().rfind(|f| f.offset as usize <= byte).map_or(0, |f| f.offset);
        assert_eq!(error.code(), code::DATA_CORRUPTED);
        assert!(error.message().contains(&name) && error.message().ends_with(&format!("byte offset {at}")), "{byte}: {error}");
        assert_eq!(damaged.read(&name).unwrap(), flipped, "the file is as it was");
        assert_eq!(verify(&(Arc::new(damaged) as Arc<dyn Store>)).unwrap_err().code(), code::DATA_CORRUPTED);
    }
}

#[test]
fn a_crash_between_any_two_steps_loses_and_repeats_nothing() {
    // First the steps before the sealing, so that each later one is a step of it.
    let run = |steps: Option<usize>| {
        let store = MemoryStore::new();
        let log = open(&store);
        let mut staging = log.stage().unwrap();
        staging.push_blocking(B, rows(0..50)).unwrap();
        append(&log, A, 0..30).unwrap();
        store.set_faults(Faults { steps, ..Faults::default() });
        let mut acknowledged = vec![30];
        let mut attempt = |from: i64| {
            if append(&log, A, from..from + 10).is_ok() {
                acknowledged.push(10);
            }
        };
        let _ = log.seal();
        attempt(30);
        let staged = staging.commit_blocking(true).is_ok();
        let _ = log.seal();
        attempt(40);
        let stopped = store.stopped();
        drop(log);
        (store, acknowledged.iter().sum::<i64>(), staged, stopped)
    };
    let mut steps = 0;
    loop {
        let (store, acknowledged, staged, stopped) = run(Some(steps));
        for torn in [0, 13, usize::MAX / 2] {
            let after = store.crash(torn);
            let log = open(&after);
            let (a, b) = (numbers(&log, A), numbers(&log, B));
            assert!(a.len() as i64 >= acknowledged, "step {steps}: {} of {acknowledged}", a.len());
            assert_eq!(a[..30], (0..30).collect::<Vec<_>>());
            assert!(b.is_empty() && !staged || b == (0..50).collect::<Vec<_>>(), "step {steps}");
            assert_eq!(log.head(), (a.len() + b.len()) as u64, "step {steps}: positions are gapless");
            append(&log, A, 90..91).unwrap();
            log.seal().unwrap();
            verify(&(Arc::new(after.clone()) as Arc<dyn Store>)).unwrap();
            assert!(!after.list("").unwrap().iter().any(|n| n.ends_with(".tmp")));
            drop(log);
            let log = open(&after);
            assert_eq!((numbers(&log, A), numbers(&log, B)), ([a, vec![90]].concat(), b));
        }
        if !stopped {
            break;
        }
        steps += 1;
    }
    assert!(steps > 20, "only {steps} steps");
}

#[test]
fn a_full_disk_fails_the_append_and_nothing_else() {
    let store = MemoryStore::new();
    let log = open(&store);
    append(&log, A, 0..3).unwrap();
    let used = store.read(&last_wal(&store)).unwrap().len();
    store.set_faults(Faults { capacity: Some(used + 500), ..Faults::default() });
    let mut staging = log.stage().unwrap();
    let _ = staging.push_blocking(B, rows(0..100));
    assert_eq!(staging.commit_blocking(true).unwrap_err().code(), code::DISK_FULL);
    assert_eq!(append(&log, A, 3..300).unwrap_err().code(), code::DISK_FULL);
    assert_eq!(log.seal().unwrap_err().code(), code::DISK_FULL);
    assert_eq!((numbers(&log, A), numbers(&log, B)), (vec![0, 1, 2], vec![]));
    store.set_faults(Faults::default());
    assert_eq!(append(&log, A, 3..5).unwrap().first, 3);
    log.seal().unwrap();
    append(&log, B, 0..1).unwrap();
    drop(log);
    let log = open(&store);
    assert_eq!((numbers(&log, A), numbers(&log, B)), ((0..5).collect(), vec![0]));
}

#[test]
fn a_failed_sync_stops_writing_until_a_restart() {
    let store = MemoryStore::new();
    let log = open(&store);
    append(&log, A, 0..1).unwrap();
    store.set_faults(Faults { sync: true, ..Faults::default() });
    assert_eq!(append(&log, A, 1..2).unwrap_err().code(), code::IO_ERROR);
    store.set_faults(Faults::default());
    let error = append(&log, A, 2..3).unwrap_err();
    assert!(error.fields().hint.as_ref().unwrap().contains("restart"), "{error:?}");
    assert_eq!(numbers(&log, A), [0]);
    drop(log);
    let log = open(&store.crash(0));
    assert_eq!(numbers(&log, A), [0]);
    append(&log, A, 1..2).unwrap();
}

#[test]
fn a_commit_that_did_not_ask_for_a_sync_is_synced_by_a_good_close() {
    let store = MemoryStore::new();
    let log = open(&store);
    log.append_blocking(Append { batches: vec![(A, rows(0..5))], sync: false }).unwrap();
    log.close().unwrap();
    assert_eq!(numbers(&open(&store.crash(0)), A), (0..5).collect::<Vec<_>>());
}

#[test]
fn a_dropped_log_stays_dropped() {
    let store = MemoryStore::new();
    let log = open(&store);
    append(&log, A, 0..10).unwrap();
    append(&log, B, 0..10).unwrap();
    log.seal().unwrap();
    append(&log, A, 10..12).unwrap();
    let held = log.read(A, 0..Position::MAX).unwrap();
    log.drop_log(A).unwrap();
    assert_eq!(append(&log, A, 0..1).unwrap_err().code(), code::UNDEFINED_TABLE);
    assert_eq!(held.segments[0].segment.read(&held.schema, 0..5).unwrap().map(|b| b.unwrap().num_rows()).sum::<usize>(), 5);
    let crashed = store.crash(0);
    let after = open_with(&crashed, options()).unwrap();
    assert_eq!((after.ids(), after.head()), (vec![B], 22));
    assert!(crashed.list("segments").unwrap().iter().all(|n| n.contains(&B.to_string())));
    drop(held);
    assert_eq!(store.list("segments").unwrap().len(), 1);
    log.seal().unwrap();
    drop(log);
    let log = open_with(&store, options()).unwrap();
    assert_eq!((log.ids(), log.head(), numbers(&log, B)), (vec![B], 22, (0..10).collect()));
}

#[test]
fn a_segment_reads_ranges_and_projections_exactly() {
    let log = open(&MemoryStore::new());
    append(&log, B, 0..7).unwrap();
    append(&log, A, 0..3500).unwrap();
    log.seal().unwrap();
    let segment = &log.segments(A)[0];
    assert_eq!((segment.first, segment.end, segment.first_offset, segment.rows), (7, 3507, 0, 3500));
    assert_eq!(segment.metadata().num_row_groups(), 4);
    assert!(segment.metadata().row_group(0).column(0).bloom_filter_offset().is_some());
    for range in [0..5000, 7..8, 1006..1008, 2000..3507, 3506..9999, 0..7, 3507..4000] {
        let wanted = Arc::new(segment.file.schema.project(&[3, 0]).unwrap());
        let batches: Vec<_> = segment.read(&wanted, range.clone()).unwrap().map(|b| b.unwrap()).collect();
        let got: Vec<i64> = batches.iter().flat_map(|b| b.column(1).as_primitive::<Int64Type>().values().to_vec()).collect();
        assert_eq!(got, (0..3500).filter(|n| range.contains(&(*n as u64 + 7))).collect::<Vec<_>>(), "{range:?}");
        assert!(batches.iter().all(|b| b.schema().field(0).name() == "_offset" && b.num_columns() == 2));
    }
    let slice = log.read(A, 100..200).unwrap();
    assert!(!slice.segments[0].whole && slice.tail.is_empty());
}

#[test]
fn verify_detects_a_changed_byte_and_a_swapped_segment() {
    let store = MemoryStore::new();
    let log = open(&store);
    for n in 0..3 {
        append(&log, A, n * 20..(n + 1) * 20).unwrap();
        log.seal().unwrap();
    }
    drop(log);
    let shared = |s: &MemoryStore| Arc::new(s.clone()) as Arc<dyn Store>;
    let report = verify(&shared(&store)).unwrap();
    assert_eq!((report.logs[0].segments, report.logs[0].rows, report.wal_files, report.torn), (3, 60, 1, None));
    let names = store.list("segments").unwrap();
    let bytes: Vec<Vec<u8>> = names.iter().map(|n| store.read(n).unwrap().to_vec()).collect();
    for byte in 0..bytes[2].len() {
        let changed = store.copy();
        let mut content = bytes[2].clone();
        content[byte] ^= 4;
        changed.put(&names[2], content);
        assert!(verify(&shared(&changed)).is_err(), "byte {byte} of {}", bytes[2].len());
    }
    let swapped = store.copy();
    swapped.put(&names[0], bytes[1].clone());
    swapped.put(&names[1], bytes[0].clone());
    assert_eq!(verify(&shared(&swapped)).unwrap_err().code(), code::DATA_CORRUPTED);
    let shortened = store.copy();
    shortened.remove(&names[0]).unwrap();
    assert_eq!(open_with(&shortened, options()).err().unwrap().code(), code::DATA_CORRUPTED);
}

/// What a random user does.
#[derive(Clone, Debug)]
enum Act {
    Append(Vec<(bool, u8)>),
    Stage(Vec<(bool, u8)>, bool),
    Seal,
    Reopen,
    Crash(usize),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let parts = || prop::collection::vec((any::<bool>(), 0u8..30), 0..4);
    let act = prop_oneof![
        6 => parts().prop_map(Act::Append),
        2 => (parts(), any::<bool>()).prop_map(|(p, commit)| Act::Stage(p, commit)),
        1 => Just(Act::Seal),
        1 => Just(Act::Reopen),
        1 => (0usize..2000).prop_map(Act::Crash),
    ];
    prop::collection::vec(act, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn random_appends_seals_and_crashes_agree_with_a_vector(acts in acts()) {
        let mut store = MemoryStore::new();
        // Small files, so that they are closed and sealed on their own.
        let reopen = |store: &MemoryStore| {
            let log = open_with(store, Options { wal_file_bytes: 8 << 10, ..options() }).unwrap();
            [A, B].into_iter().for_each(|id| log.register(id, schema(), &[]).unwrap());
            log
        };
        let mut log = reopen(&store);
        let mut model: BTreeMap<LogId, Vec<(i64, i64, i64)>> = BTreeMap::from([(A, vec![]), (B, vec![])]);
        let mut head = 0i64;
        let mut n = 0i64;
        for act in acts {
            match &act {
                Act::Append(parts) | Act::Stage(parts, true) => {
                    let mut batches = Vec::new();
                    for (b, count) in parts {
                        let (id, count) = (if *b { B } else { A }, i64::from(*count));
                        batches.push((id, rows(n..n + count)));
                        let events = model.get_mut(&id).unwrap();
                        (0..count).for_each(|i| events.push((head + i, events.len() as i64, n + i)));
                        (n, head) = (n + count, head + count);
                    }
                    if matches!(act, Act::Append(_)) {
                        log.append_blocking(Append { batches, sync: true }).unwrap();
                    } else {
                        let mut staging = log.stage().unwrap();
                        batches.into_iter().for_each(|(id, batch)| staging.push_blocking(id, batch).unwrap());
                        staging.commit_blocking(true).unwrap();
                    }
                }
                Act::Stage(parts, _) => {
                    let mut staging = log.stage().unwrap();
                    for (b, r) in parts {
                        staging.push_blocking(if *b { B } else { A }, rows(n..n + i64::from(*r))).unwrap();
                    }
                }
                Act::Seal => log.seal().unwrap(),
                Act::Reopen => {
                    log.close().unwrap();
                    drop(log);
                    log = reopen(&store);
                }
                Act::Crash(torn) => {
                    let crashed = store.crash(*torn);
                    drop(log);
                    store = crashed;
                    log = reopen(&store);
                }
            }
            for (id, want) in &model {
                prop_assert_eq!(&events(&log, *id), want);
            }
            prop_assert_eq!(log.head(), head as u64);
        }
    }
}
