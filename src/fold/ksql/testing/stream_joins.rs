//! The join of two streams.

use proptest::prelude::*;

use super::{boxed, events, int, maybe, record, row, run, same};
use crate::fold::ksql::change::{Change, joined};
use crate::fold::ksql::stateless::column;
use crate::fold::ksql::stream_join::{JoinKind, StreamJoin, StreamJoinSpec};
use crate::func::ksql::Value;

fn join(kind: JoinKind, before: i64, after: i64, grace: Option<i64>) -> StreamJoinSpec {
    let (left_key, right_key) = (column(0), column(0));
    StreamJoinSpec { kind, before, after, grace, left_key, right_key, columns: (2, 2), keeps_null_keys: true, detail: String::new() }
}

struct Seen {
    side: usize,
    key: i64,
    change: Change,
    held: bool,
    waits: bool,
}

fn model(spec: &StreamJoinSpec, events: &[(usize, Change)]) -> Vec<Change> {
    let (kind, grace) = (spec.kind, spec.grace);
    let retention = grace.map_or(86_400_000, |grace| spec.before + spec.after + grace);
    let first = usize::from(kind == JoinKind::Right);
    let ahead = |side: usize| if side == first { spec.after } else { spec.before };
    let back = |side: usize| if side == first { spec.before } else { spec.after };
    let (mut seen, mut out): (Vec<Seen>, Vec<Change>) = (Vec::new(), Vec::new());
    let (mut now, mut newest) = (i64::MIN, [i64::MIN / 2; 2]);
    let result = |position, time, key, side: usize, this: &Change, other: Option<&Change>| {
        let (this, other) = (this.new.as_ref(), other.and_then(|c| c.new.as_ref()));
        let new = if side == 0 { joined(this, other, (2, 2)) } else { joined(other, this, (2, 2)) };
        Change { position, time, key: row(&[key]), old: None, new: Some(new) }
    };
    for (side, change) in events {
        let (side, t) = (*side, change.time);
        if t < 0 {
            continue;
        }
        now = now.max(t);
        let keeps = kind.keeps(side);
        let Some(key) = change.key[0].as_i64() else {
            if keeps {
                out.push(result(change.position, t, Value::Null, side, change, None));
            }
            continue;
        };
        newest[side] = newest[side].max(t);
        let held = t > newest[side] - retention;
        if let (true, Some(grace)) = (t == now, grace) {
            let mut closed: Vec<&mut Seen> = seen.iter_mut().filter(|s| s.waits && s.change.time + ahead(s.side) + grace < now).collect();
            closed.sort_by_key(|s| (s.change.time, s.side == first, s.key));
            for s in closed {
                s.waits = false;
                out.push(result(change.position, s.change.time, int(s.key), s.side, &s.change, None));
            }
        }
        let mut met: Vec<&mut Seen> = seen
            .iter_mut()
            .filter(|s| s.side != side && s.key == key && s.held && s.change.time > newest[1 - side] - retention)
            .filter(|s| s.change.time >= t - back(side) && s.change.time <= t + ahead(side))
            .collect();
        met.sort_by_key(|s| s.change.time);
        for s in &mut met {
            s.waits = false;
            out.push(result(change.position, t.max(s.change.time), int(key), side, change, Some(&s.change)));
        }
        let mut waits = met.is_empty() && keeps;
        if waits && (grace.is_none() || t + ahead(side) < now) {
            waits = false;
            out.push(result(change.position, t, int(key), side, change, None));
        }
        seen.push(Seen { side, key, change: change.clone(), held, waits });
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn joins_of_streams_are_those_of_the_model(
        all in proptest::collection::vec((0..2usize, 0..2u64, -1..3i64, 0..30i64, 0..8u8), 0..50),
        cuts in proptest::collection::vec(any::<bool>(), 50),
        (before, after) in (0..15i64, 0..15i64),
        grace in proptest::option::weighted(0.7, 0..15i64),
        kind in prop_oneof![Just(JoinKind::Inner), Just(JoinKind::Left), Just(JoinKind::Right), Just(JoinKind::Full)],
    ) {
        let mut drift = -5;
        let mut generated = Vec::new();
        for (i, (side, rise, key, time, jump)) in all.into_iter().enumerate() {
            drift += if jump == 0 { 25 } else { 1 };
            generated.push((side, rise, record(0, time + drift, &[maybe(key), int(i as i64)])));
        }
        let events = events(generated);
        let spec = join(kind, before, after, grace);
        let out = run(&|| boxed(StreamJoin::new(spec.clone()).unwrap()), 2, &events, &cuts);
        same(&out, &model(&spec, &events)).map_err(TestCaseError::fail)?;
    }
}

#[test]
fn state_is_dropped_as_time_passes() {
    let make = || boxed(StreamJoin::new(join(JoinKind::Full, 10, 10, Some(5))).unwrap());
    let mut operator = make();
    let mut most = 0;
    for i in 0..1_000u64 {
        let change = record(i, i as i64 * 3, &[int(i as i64), int(0)]);
        let inputs = if i % 2 == 0 { vec![vec![change], vec![]] } else { vec![vec![], vec![change]] };
        operator.step(inputs).unwrap();
        most = most.max(operator.state_bytes());
    }
    let last = |position, side| {
        let change = record(position, 1_000_000, &[int(-1), int(0)]);
        if side == 0 { vec![vec![change], vec![]] } else { vec![vec![], vec![change]] }
    };
    operator.step(last(1_000, 0)).unwrap();
    operator.step(last(1_001, 1)).unwrap();
    assert!(most < 40_000 && operator.state_bytes() < 2_000, "{most} {}", operator.state_bytes());
    super::survives_damage(&make, operator.as_ref());
}
