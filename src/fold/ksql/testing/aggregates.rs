//! GROUP BY without a window, over streams and over tables.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{COUNT, SUM, Table, call, events, int, maybe, record, row, run, same, shown, spec, survives_damage, tombstone};
use crate::fold::ksql::aggregate::{AggregateSpec, WindowKind};
use crate::fold::ksql::change::Change;
use crate::fold::ksql::pipeline::{Input, Pipeline};
use crate::fold::ksql::stateless::column;
use crate::fold::ksql::table::Upsert;

/// COUNT and SUM of column 1, grouped by column 2.
fn over_a_table() -> AggregateSpec {
    AggregateSpec { keys: vec![column(2)], calls: vec![call(&COUNT), call(&SUM)], table: true, ..spec(None, None, false) }
}

fn grouped_table() -> Pipeline {
    let table = Input::node(Upsert::new("t"), vec![Input::Source(0)]);
    Pipeline::new(Input::boxed(over_a_table().build().unwrap(), vec![table]))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn groups_of_a_stream_are_those_of_the_model(
        all in proptest::collection::vec((0..2u64, -1..3i64, 0..50i64, 0..16i64), 0..40),
        cuts in proptest::collection::vec(any::<bool>(), 40),
    ) {
        let generated = all.into_iter().map(|(rise, key, time, value)| (0, rise, record(0, time, &[maybe(key), int(value)])));
        let events = events(generated.collect());
        let mut groups: BTreeMap<i64, (Vec<i64>, i64)> = BTreeMap::new();
        let mut expected = Vec::new();
        for (_, change) in &events {
            let new = change.new.as_ref().unwrap();
            let (Some(key), Some(value)) = (new[0].as_i64(), new[1].as_i64()) else { continue };
            let (values, time) = groups.entry(key).or_default();
            let whole = |values: &[i64]| [int(key)].into_iter().chain(shown(values)).collect();
            let old = (!values.is_empty()).then(|| whole(values));
            values.push(value);
            *time = change.time.max(*time);
            let new = Some(whole(values));
            expected.push(Change { position: change.position, time: *time, key: row(&[int(key)]), old, new });
        }
        let out = run(&|| spec(None, None, false).build().unwrap(), 1, &events, &cuts);
        same(&out, &expected).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn groups_of_a_table_add_up(
        all in proptest::collection::vec((0..4i64, 0..20i64, -1..3i64, any::<bool>()), 0..40),
    ) {
        let mut pipeline = grouped_table();
        let (mut table, mut present, mut groups) = (Table::default(), BTreeMap::new(), BTreeMap::new());
        for (i, (key, value, group, deleted)) in all.into_iter().enumerate() {
            let change = if deleted {
                present.remove(&key);
                tombstone(i as u64, 0, int(key))
            } else {
                present.insert(key, (value, group));
                record(i as u64, 0, &[int(key), int(value), maybe(group)])
            };
            let out = pipeline.step(vec![vec![change]]).unwrap();
            prop_assert!(out.len() <= 2);
            table.apply(&out);
            // A group that has lost its last row is still there.
            groups.values_mut().for_each(|g| *g = (0, 0));
            for (value, group) in present.values().filter(|(_, group)| *group >= 0) {
                let (count, sum) = groups.entry(*group).or_insert((0i64, 0i64));
                *count += 1;
                *sum += if *value == 13 { 0 } else { *value };
            }
            let mut expected: Vec<String> =
                groups.iter().map(|(k, (c, s))| format!("{:?}", row(&[int(*k), int(*c), int(*s)]))).collect();
            expected.sort();
            prop_assert_eq!(table.rows(), expected);
        }
    }
}

#[test]
fn a_row_that_changes_within_its_group_is_one_change() {
    let mut pipeline = grouped_table();
    let step = |pipeline: &mut Pipeline, position, value, group| {
        let change = record(position, 10, &[int(1), int(value), int(group)]);
        pipeline.step(vec![vec![change]]).unwrap()
    };
    assert_eq!(step(&mut pipeline, 1, 5, 0).len(), 1);
    let within = step(&mut pipeline, 2, 7, 0);
    assert_eq!((within.len(), within[0].new.clone()), (1, Some(row(&[int(0), int(1), int(7)]))));
    let moved = step(&mut pipeline, 3, 7, 1);
    assert_eq!(moved.len(), 2);
    assert_eq!(moved[0].new, Some(row(&[int(0), int(0), int(0)])));
    assert_eq!(moved[1].new, Some(row(&[int(1), int(1), int(7)])));
}

#[test]
fn what_cannot_be_built_is_an_error() {
    let windowed = |window| spec(Some(window), None, false);
    let bad = [
        AggregateSpec { table: true, ..spec(None, None, false) },
        AggregateSpec { window: Some(WindowKind::Tumbling { size: 1 }), ..over_a_table() },
        spec(None, None, true),
        windowed(WindowKind::Tumbling { size: 0 }),
        windowed(WindowKind::Hopping { size: 5, advance: 6 }),
        windowed(WindowKind::Hopping { size: 5, advance: 0 }),
    ];
    assert!(bad.into_iter().all(|spec| spec.build().is_err()));
    let mut operator = spec(None, None, false).build().unwrap();
    operator.step(vec![vec![record(0, 1, &[int(1), int(2)]), record(1, 1, &[int(2), int(13)])]]).unwrap();
    assert_eq!(operator.counts().errors, 1);
    survives_damage(&|| spec(None, None, false).build().unwrap(), operator.as_ref());
}
