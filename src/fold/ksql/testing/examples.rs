//! Small examples whose results are known from ksqlDB, and operators without state.

use std::sync::Arc;

use super::{Table, failing, int, record, row, spec, tombstone};
use crate::fold::ksql::aggregate::WindowKind;
use crate::fold::ksql::change::{Change, Operator};
use crate::fold::ksql::pipeline::{Input, Pipeline};
use crate::fold::ksql::stateless::{Explode, Filter, Merge, Project, Rekey, TableFunction, ToStream, column, predicate};
use crate::fold::ksql::stream_join::{JoinKind, StreamJoin, StreamJoinSpec};
use crate::fold::ksql::table::Upsert;
use crate::fold::state::{StateReader, saved};
use crate::func::ksql::Value;

/// WINDOWSTART, WINDOWEND and COUNT of what is emitted for records of one key at those times.
fn emitted(window: WindowKind, grace: Option<i64>, emit_final: bool, times: &[i64]) -> Vec<(i64, i64, i64)> {
    let mut operator = spec(Some(window), grace, emit_final).build().unwrap();
    let records = times.iter().enumerate().map(|(i, time)| record(i as u64, *time, &[int(0), int(0)])).collect();
    let out = operator.step(vec![records]).unwrap();
    let number = |row: &[Value], at: usize| row[at].as_i64().unwrap();
    out.iter().filter_map(|c| c.new.as_ref()).map(|r| (number(r, 1), number(r, 2), number(r, 3))).collect()
}

#[test]
fn final_windows() {
    let window = WindowKind::Tumbling { size: 10 };
    // Without a grace period a window is final as soon as it ends.
    assert_eq!(emitted(window, None, true, &[0, 9, 10]), [(0, 10, 2)]);
    assert_eq!(emitted(window, Some(5), true, &[0, 9, 14, 3, 15]), [(0, 10, 3)]);
    assert_eq!(emitted(window, Some(5), true, &[0, 9, 15, 3]), [(0, 10, 2)]);
    // After a jump by more than size and grace the store has forgotten what went before.
    assert_eq!(emitted(window, Some(5), true, &[0, 10, 26]), [(10, 20, 1)]);
    assert_eq!(emitted(window, Some(5), true, &[0, 10, 100, 200]), []);
    let hopping = WindowKind::Hopping { size: 10, advance: 5 };
    assert_eq!(emitted(hopping, None, true, &[0, 7, 12, 15]), [(0, 10, 2), (5, 15, 2)]);
    // Sessions are not forgotten. One is final when gap and grace period have passed its end.
    let session = WindowKind::Session { gap: 5 };
    assert_eq!(emitted(session, Some(6), true, &[1, 5, 9, 31, 30, 18, 43]), [(1, 9, 3), (30, 31, 2)]);
}

#[test]
fn late_records() {
    let window = WindowKind::Hopping { size: 10, advance: 5 };
    // At 30 with a grace period of 10 windows that end by 20 are closed: 14 is late for [5, 15) and [10, 20).
    assert_eq!(emitted(window, Some(10), false, &[30, 14, 16]), [(25, 35, 1), (30, 40, 1), (15, 25, 1)]);
    let session = WindowKind::Session { gap: 5 };
    assert_eq!(emitted(session, Some(10), false, &[30, 14, 15, 29]), [(30, 30, 1), (15, 15, 1), (29, 30, 2)]);
    // A session that is exactly as old as the oldest that is not late is not found, but overwritten.
    assert_eq!(emitted(WindowKind::Session { gap: 0 }, Some(3), false, &[0, 3, 0]), [(0, 0, 1), (3, 3, 1), (0, 0, 1)]);
    // The grace period of a day counts from the window's start if none is given.
    let day = 24 * 60 * 60 * 1_000;
    let tumbling = WindowKind::Tumbling { size: 1_000 };
    assert_eq!(emitted(tumbling, None, false, &[day, 1, day + 1_000, 1_000, 2_000]).len(), 3);
}

#[test]
fn sessions_leave_as_they_are_absorbed() {
    let mut operator = spec(Some(WindowKind::Session { gap: 5 }), None, false).build().unwrap();
    let times = [0i64, 10, 5, 5, 20];
    let records = times.iter().enumerate().map(|(i, time)| record(i as u64, *time, &[int(0), int(i as i64)])).collect();
    let out = operator.step(vec![records]).unwrap();
    let number = |row: &[Value], at: usize| row[at].as_i64().unwrap();
    let seen: Vec<(i64, i64, bool)> = out.iter().map(|c| (number(&c.key, 1), number(&c.key, 2), c.new.is_some())).collect();
    let expected =
        [(0, 0, true), (10, 10, true), (0, 0, false), (10, 10, false), (0, 10, true), (0, 10, false), (0, 10, true), (20, 20, true)];
    assert_eq!(seen, expected);
    let list = &out[6].new.as_ref().unwrap()[5];
    assert_eq!(list.as_array().unwrap(), [0, 1, 2, 3].map(int));
    Table::default().apply(&out);
}

#[test]
fn a_left_join_with_grace_waits_and_without_does_not() {
    let join = |grace| {
        let (left_key, right_key, detail) = (column(0), column(0), String::new());
        let columns = (2, 2);
        let kind = JoinKind::Left;
        StreamJoin::new(StreamJoinSpec { kind, before: 10, after: 10, grace, left_key, right_key, columns, keeps_null_keys: false, detail })
            .unwrap()
    };
    let left = vec![record(0, 0, &[int(1), int(10)]), record(2, 5, &[int(2), int(11)]), record(4, 40, &[int(3), int(12)])];
    let right = vec![record(1, 3, &[int(1), int(20)])];
    let shown = |out: Vec<Change>| -> Vec<(Option<i64>, Option<i64>, i64)> {
        out.iter().map(|c| (c.new.as_ref().unwrap()[1].as_i64(), c.new.as_ref().unwrap()[3].as_i64(), c.time)).collect()
    };
    let eager = shown(join(None).step(vec![left.clone(), right.clone()]).unwrap());
    assert_eq!(eager, [(Some(10), None, 0), (Some(10), Some(20), 3), (Some(11), None, 5), (Some(12), None, 40)]);
    let patient = shown(join(Some(1)).step(vec![left, right]).unwrap());
    assert_eq!(patient, [(Some(10), Some(20), 3), (Some(11), None, 5)]);
}

fn texts(changes: &[Change]) -> Vec<String> {
    changes.iter().map(|c| format!("{:?} {:?} -> {:?}", c.key, c.old, c.new)).collect()
}

#[test]
fn a_tables_row_that_stops_passing_is_deleted() {
    let table = Input::node(Upsert::new("t"), vec![Input::Source(0)]);
    let filter = Input::node(Filter::table(predicate(|row| row[1].as_i64() > Some(5)), "v > 5"), vec![table]);
    let mut pipeline = Pipeline::new(Input::node(Project::new(vec![column(1), column(0)], vec![1], "v, k"), vec![filter]));
    let values = [3, 7, 8, 4, 2].map(int);
    let mut input: Vec<Change> = values.iter().enumerate().map(|(i, v)| record(i as u64, 0, &[int(1), v.clone()])).collect();
    input.extend([tombstone(5, 0, int(1)), tombstone(6, 0, int(1)), tombstone(7, 0, Value::Null)]);
    let out = pipeline.step(vec![input]).unwrap();
    let (one, seven, eight) = (row(&[int(1)]), row(&[int(7), int(1)]), row(&[int(8), int(1)]));
    let change = |old: &Option<_>, new: &Option<_>| format!("{one:?} {old:?} -> {new:?}");
    let (seven, eight, none) = (Some(seven), Some(eight), None);
    assert_eq!(texts(&out), [change(&none, &seven), change(&seven, &eight), change(&eight, &none), change(&none, &none)]);
    let reports = pipeline.reports();
    let facts: Vec<(&str, usize, u64, u64)> = reports.iter().map(|r| (r.name, r.depth, r.rows_in, r.rows_out)).collect();
    assert_eq!(facts, [("Project", 0, 4, 4), ("Filter", 1, 7, 4), ("Upsert", 2, 8, 7)]);
    assert_eq!(reports[2].unkeyed, 1);
}

#[test]
fn errors_are_nulls_and_counted() {
    let filter = Input::node(Filter::stream(failing(), ""), vec![Input::Source(0)]);
    let project = Input::node(Project::new(vec![failing(), column(0)], vec![0], ""), vec![Input::Source(0)]);
    let rekey = Input::node(Rekey::new(vec![failing(), column(1)], ""), vec![project]);
    let mut pipeline = Pipeline::new(Input::node(Merge, vec![filter, rekey]));
    let out = pipeline.step(vec![vec![record(0, 0, &[int(1), int(2)])]]).unwrap();
    assert_eq!((out.len(), &out[0].key), (1, &row(&[Value::Null, int(1)])));
    assert_eq!(pipeline.reports().iter().map(|r| r.errors).collect::<Vec<_>>(), [0, 1, 1, 1]);
    let saved = saved(|out| pipeline.save(out));
    pipeline.load(&mut StateReader::new(&saved).unwrap()).unwrap();
    assert_eq!(pipeline.reports().iter().map(|r| r.errors).sum::<u64>(), 3);
}

#[test]
fn table_functions_are_zipped() {
    let up_to = |at: usize| -> TableFunction { Arc::new(move |row| Ok((1..=row[at].as_i64().unwrap_or(0)).map(int).collect())) };
    let mut explode = Explode::new(vec![up_to(0), up_to(1)], "");
    let input = vec![record(0, 0, &[int(1), int(2)]), record(1, 0, &[int(0), Value::Null]), record(2, 0, &[int(1), int(0)])];
    let rows: Vec<_> = explode.step(vec![input]).unwrap().into_iter().filter_map(|c| c.new).collect();
    let expected =
        [row(&[int(1), int(2), int(1), int(1)]), row(&[int(1), int(2), Value::Null, int(2)]), row(&[int(1), int(0), int(1), Value::Null])];
    assert_eq!(rows, expected);
}

#[test]
fn a_table_as_a_stream() {
    for (tombstones, count) in [(false, 1), (true, 2)] {
        let table = Input::node(Upsert::new("t"), vec![Input::Source(0)]);
        let mut pipeline = Pipeline::new(Input::node(ToStream::new(tombstones), vec![table]));
        let out = pipeline.step(vec![vec![record(0, 9, &[int(1)]), tombstone(1, 9, int(1))]]).unwrap();
        assert_eq!((out.len(), &out[0].new), (count, &Some(row(&[int(1)]))));
        assert!(out.iter().all(|c| c.old.is_none()));
    }
}
