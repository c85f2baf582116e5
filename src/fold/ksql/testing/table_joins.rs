//! Joins with tables: what the changes add up to must be the join of the tables' present rows.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{Table, boxed, events, int, maybe, record, run, survives_damage, tombstone};
use crate::fold::ksql::change::{Change, Operator, joined};
use crate::fold::ksql::foreign_join::ForeignKeyJoin;
use crate::fold::ksql::stateless::column;
use crate::fold::ksql::stream_join::JoinKind;
use crate::fold::ksql::table_join::{StreamTableJoin, TableTableJoin};
use crate::func::ksql::Row;

/// Events of two tables: key, and a value that may be NULL and may refer to a key.
fn make_events() -> impl Strategy<Value = Vec<(usize, Change)>> {
    proptest::collection::vec((0..2usize, 0..2u64, -1..4i64, -1..4i64, 0..50i64, 0..4u8), 0..40).prop_map(|all| {
        let change = |key, value, time, kind| match kind {
            0 => tombstone(0, time, maybe(key)),
            _ => record(0, time, &[maybe(key), maybe(value), int(time)]),
        };
        events(all.into_iter().map(|(input, rise, key, value, time, kind)| (input, rise, change(key, value, time, kind))).collect())
    })
}

/// The present rows of both tables, by key, with their times.
#[derive(Default)]
struct Present([BTreeMap<i64, (Row, i64)>; 2]);

impl Present {
    fn apply(&mut self, side: usize, change: &Change) {
        let Some(key) = change.key[0].as_i64() else { return };
        match &change.new {
            Some(row) => drop(self.0[side].insert(key, (row.clone(), change.time))),
            None => drop(self.0[side].remove(&key)),
        }
    }

    fn texts(rows: impl Iterator<Item = Row>) -> Vec<String> {
        let mut rows: Vec<String> = rows.map(|row| format!("{row:?}")).collect();
        rows.sort();
        rows
    }

    fn by_key(&self, kind: JoinKind) -> Vec<String> {
        Self::texts((0..5).filter_map(|key| {
            let (left, right) = (self.0[0].get(&key), self.0[1].get(&key));
            let kept = match (left, right) {
                (None, None) => false,
                (Some(_), None) => kind.keeps(0),
                (None, Some(_)) => kind.keeps(1),
                _ => true,
            };
            kept.then(|| joined(left.map(|l| &l.0), right.map(|r| &r.0), (3, 3)))
        }))
    }

    fn by_foreign_key(&self, keeps: bool) -> Vec<String> {
        Self::texts(self.0[0].values().filter_map(|(left, _)| {
            let right = left[1].as_i64().and_then(|key| self.0[1].get(&key));
            (keeps || right.is_some()).then(|| joined(Some(left), right.map(|r| &r.0), (3, 3)))
        }))
    }
}

/// Runs in single steps beside the model, then in random cuts: both must give the same.
fn check(
    make: &dyn Fn() -> Box<dyn Operator>,
    events: &[(usize, Change)],
    cuts: &[bool],
    expected: &dyn Fn(&Present) -> Vec<String>,
) -> Result<(), TestCaseError> {
    let (mut present, mut table, mut operator, mut all) = (Present::default(), Table::default(), make(), Vec::new());
    for (side, change) in events {
        present.apply(*side, change);
        let mut inputs = vec![vec![], vec![]];
        inputs[*side].push(change.clone());
        let out = operator.step(inputs).unwrap();
        table.apply(&out);
        prop_assert_eq!(table.rows(), expected(&present));
        all.extend(out);
    }
    super::same(&run(make, 2, events, cuts), &all).map_err(TestCaseError::fail)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn joins_of_tables_add_up(
        events in make_events(),
        cuts in proptest::collection::vec(any::<bool>(), 40),
        kind in prop_oneof![Just(JoinKind::Inner), Just(JoinKind::Left), Just(JoinKind::Right), Just(JoinKind::Full)],
    ) {
        check(&|| boxed(TableTableJoin::new(kind, (3, 3), "")), &events, &cuts, &|present| present.by_key(kind))?;
    }

    #[test]
    fn joins_by_foreign_key_add_up(
        events in make_events(),
        cuts in proptest::collection::vec(any::<bool>(), 40),
        keeps in any::<bool>(),
    ) {
        let make = || boxed(ForeignKeyJoin::new(keeps, column(1), (3, 3), ""));
        check(&make, &events, &cuts, &|present| present.by_foreign_key(keeps))?;
    }

    #[test]
    fn a_stream_meets_the_table_of_its_moment(
        events in make_events(),
        cuts in proptest::collection::vec(any::<bool>(), 40),
        (left, keeps_null_keys) in any::<(bool, bool)>(),
    ) {
        let mut present = Present::default();
        let mut expected = Vec::new();
        for (side, change) in &events {
            if *side == 1 {
                present.apply(1, change);
                continue;
            }
            let Some(row) = &change.new else { continue };
            let key = row[1].as_i64();
            let right = key.and_then(|key| present.0[1].get(&key));
            if right.is_some() || left && (key.is_some() || keeps_null_keys) {
                let new = Some(joined(Some(row), right.map(|r| &r.0), (3, 3)));
                expected.push(Change { key: super::row(&row[1..2]), old: None, new, ..change.clone() });
            }
        }
        let make = || boxed(StreamTableJoin::new(left, column(1), (3, 3), keeps_null_keys, ""));
        super::same(&run(&make, 2, &events, &cuts), &expected).map_err(TestCaseError::fail)?;
    }
}

#[test]
fn times_are_the_later_of_both_and_damage_is_an_error() {
    let make = || boxed(ForeignKeyJoin::new(false, column(1), (3, 3), ""));
    let mut operator = make();
    let left = |position, time| vec![vec![record(position, time, &[int(1), int(7), int(0)])], vec![]];
    let right = |position, time| vec![vec![], vec![record(position, time, &[int(7), int(0), int(0)])]];
    assert!(operator.step(left(1, 50)).unwrap().is_empty());
    assert_eq!(operator.step(right(2, 20)).unwrap()[0].time, 50);
    assert_eq!(operator.step(left(3, 10)).unwrap()[0].time, 20);
    let gone = operator.step(vec![vec![], vec![tombstone(4, 60, int(7))]]).unwrap();
    assert!(gone[0].new.is_none() && gone[0].old.is_some() && gone[0].time == 60);
    survives_damage(&make, operator.as_ref());
    let make = || boxed(TableTableJoin::new(JoinKind::Full, (3, 3), ""));
    let mut operator = make();
    operator.step(left(1, 50)).unwrap();
    operator.step(right(2, 20)).unwrap();
    survives_damage(&make, operator.as_ref());
}
