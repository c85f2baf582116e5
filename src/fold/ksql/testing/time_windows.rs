//! Tumbling, hopping and session windows.

use proptest::prelude::*;

use super::{events, int, maybe, record, row, run, same, shown, spec};
use crate::fold::ksql::aggregate::{AggregateSpec, WindowKind};
use crate::fold::ksql::change::Change;
use crate::func::ksql::Value;

fn make_events() -> impl Strategy<Value = Vec<(usize, Change)>> {
    let one = (0..2u64, -1..3i64, 0..40i64, 0..16i64, 0..6u8);
    proptest::collection::vec(one, 0..40).prop_map(|all| {
        let mut drift = 0;
        let mut generated = Vec::new();
        for (rise, key, time, value, jump) in all {
            // Time moves on in jumps, so that windows close.
            drift += if jump == 0 { 30 } else { 1 };
            generated.push((0, rise, record(0, time + drift - 5, &[maybe(key), int(value)])));
        }
        events(generated)
    })
}

fn output(change: &Change, time: i64, key: i64, bounds: (i64, i64), old: Option<&[i64]>, new: Option<&[i64]>) -> Change {
    let head = [int(key), int(bounds.0), int(bounds.1)];
    let whole = |values: &[i64]| head.iter().cloned().chain(shown(values)).collect();
    Change { position: change.position, time, key: row(&head), old: old.map(whole), new: new.map(whole) }
}

fn parts(change: &Change) -> Option<(i64, i64)> {
    let new = change.new.as_ref()?;
    Some((new[0].as_i64()?, new[1].as_i64()?)).filter(|_| change.time >= 0)
}

/// Everything that a window was given, and when it was last emitted.
struct Seen {
    start: i64,
    key: i64,
    records: Vec<(i64, i64)>,
    finished: bool,
    gone: bool,
}

impl Seen {
    fn values(&self) -> Vec<i64> {
        self.records.iter().map(|r| r.1).collect()
    }
    fn time(&self) -> i64 {
        self.records.iter().map(|r| r.0).max().unwrap_or(0)
    }
}

fn window_model(spec: &AggregateSpec, size: i64, advance: i64, events: &[(usize, Change)]) -> Vec<Change> {
    let grace = spec.grace.unwrap_or(if spec.emit_final { 0 } else { 86_400_000 - size });
    let kept = spec.retention.unwrap_or(0).max(size + grace);
    let (mut seen, mut out): (Vec<Seen>, Vec<Change>) = (Vec::new(), Vec::new());
    let (mut now, mut newest) = (i64::MIN, i64::MIN / 2);
    for (_, change) in events {
        let Some((key, value)) = parts(change) else { continue };
        now = now.max(change.time);
        for start in (0..=change.time).step_by(advance as usize).filter(|s| change.time < s + size && s + size > now - grace) {
            newest = newest.max(start);
            let at = seen.iter().position(|w| (w.start, w.key) == (start, key)).unwrap_or_else(|| {
                seen.push(Seen { start, key, records: vec![], finished: false, gone: false });
                seen.len() - 1
            });
            let before = seen[at].values();
            seen[at].records.push((change.time, value));
            if !spec.emit_final {
                let old = (!before.is_empty()).then_some(&before[..]);
                out.push(output(change, seen[at].time(), key, (start, start + size), old, Some(&seen[at].values())));
            }
        }
        seen.sort_by_key(|w| (w.start, w.key));
        for w in seen.iter_mut().filter(|w| spec.emit_final && !w.finished && !w.gone && w.start + size <= now - grace) {
            w.finished = w.start >= newest - kept;
            w.gone = !w.finished;
            if w.finished {
                out.push(output(change, w.time(), w.key, (w.start, w.start + size), None, Some(&w.values())));
            }
        }
        if let Some(retention) = spec.retention {
            let retention = retention.max(size + grace) + i64::from(spec.emit_final);
            for w in seen.iter_mut().filter(|w| !w.gone && w.start <= newest - retention) {
                w.gone = true;
                if w.finished || !spec.emit_final {
                    out.push(output(change, now, w.key, (w.start, w.start + size), Some(&w.values()), None));
                }
            }
        }
    }
    out
}

/// One session: its records' times and values.
struct Of {
    key: i64,
    start: i64,
    end: i64,
    values: Vec<i64>,
    finished: bool,
}

fn session_model(spec: &AggregateSpec, gap: i64, events: &[(usize, Change)]) -> Vec<Change> {
    let grace = spec.grace.unwrap_or(if spec.emit_final { 0 } else { 86_400_000 - gap });
    let kept = spec.retention.unwrap_or(0).max(gap + grace);
    let (mut sessions, mut out): (Vec<Of>, Vec<Change>) = (Vec::new(), Vec::new());
    let mut now = i64::MIN / 2;
    for (_, change) in events {
        let Some((key, value)) = parts(change) else { continue };
        let t = change.time;
        let (forgotten, closed) = (now - kept, now.max(t) - grace - gap);
        now = now.max(t);
        sessions.sort_by_key(|s| (s.end, s.start, s.key));
        let meets = |s: &Of| s.key == key && s.end > forgotten && s.end >= t - gap && s.start <= t + gap;
        let start = sessions.iter().filter(|s| meets(s)).map(|s| s.start).fold(t, i64::min);
        let end = sessions.iter().filter(|s| meets(s)).map(|s| s.end).fold(t, i64::max);
        if end >= closed {
            let (met, rest): (Vec<Of>, Vec<Of>) = sessions.into_iter().partition(meets);
            sessions = rest;
            let alone = (start, end) == (t, t);
            let before: Vec<i64> = met.iter().flat_map(|s| s.values.clone()).collect();
            for s in met.iter().filter(|_| !alone && !spec.emit_final) {
                out.push(output(change, s.end, key, (s.start, s.end), Some(&s.values), None));
            }
            let values: Vec<i64> = before.iter().copied().chain([value]).collect();
            // The same bounds again, but too old to be found: it is overwritten.
            let lost = sessions.iter().position(|s| (s.key, s.start, s.end) == (key, start, end)).map(|at| sessions.remove(at));
            let old = lost.map(|s| s.values).or((alone && !before.is_empty()).then_some(before));
            let old = old.as_deref();
            if !spec.emit_final {
                out.push(output(change, end, key, (start, end), old, Some(&values)));
            }
            sessions.push(Of { key, start, end, values, finished: false });
        }
        sessions.sort_by_key(|s| (s.end, s.start, s.key));
        for s in sessions.iter_mut().filter(|s| spec.emit_final && !s.finished && s.end < closed) {
            s.finished = true;
            out.push(output(change, s.end, s.key, (s.start, s.end), None, Some(&s.values)));
        }
        let expired = |s: &Of| spec.retention.is_some() && s.end <= now - kept && (s.finished || !spec.emit_final);
        for s in sessions.iter().filter(|s| expired(s)) {
            out.push(output(change, now, s.key, (s.start, s.end), Some(&s.values), None));
        }
        sessions.retain(|s| !(expired(s) || spec.emit_final && spec.retention.is_none() && s.finished));
    }
    out
}

fn lengths() -> impl Strategy<Value = (Option<i64>, Option<i64>, bool)> {
    (proptest::option::weighted(0.8, 0..20i64), proptest::option::weighted(0.3, 0..60i64), any::<bool>())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn time_windows_are_those_of_the_model(
        events in make_events(),
        cuts in proptest::collection::vec(any::<bool>(), 40),
        (size, advance) in (1..20i64, 1..20i64),
        (grace, retention, emit_final) in lengths(),
        tumbling in any::<bool>(),
    ) {
        let advance = if tumbling { size } else { advance.min(size) };
        let window = if tumbling { WindowKind::Tumbling { size } } else { WindowKind::Hopping { size, advance } };
        let spec = AggregateSpec { retention, ..spec(Some(window), grace, emit_final) };
        let out = run(&|| spec.clone().build().unwrap(), 1, &events, &cuts);
        same(&out, &window_model(&spec, size, advance, &events)).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn sessions_are_those_of_the_model(
        events in make_events(),
        cuts in proptest::collection::vec(any::<bool>(), 40),
        gap in 0..12i64,
        (grace, retention, emit_final) in lengths(),
    ) {
        let spec = AggregateSpec { retention, ..spec(Some(WindowKind::Session { gap }), grace, emit_final) };
        let out = run(&|| spec.clone().build().unwrap(), 1, &events, &cuts);
        same(&out, &session_model(&spec, gap, &events)).map_err(TestCaseError::fail)?;
    }
}

#[test]
fn state_is_dropped_as_windows_close() {
    for window in [WindowKind::Tumbling { size: 10 }, WindowKind::Hopping { size: 10, advance: 3 }, WindowKind::Session { gap: 4 }] {
        for emit_final in [false, true] {
            let make = || spec(Some(window), Some(5), emit_final).build().unwrap();
            let mut operator = make();
            let mut most = 0;
            for i in 0..1_000 {
                operator.step(vec![vec![record(i, i as i64 * 3, &[int(i as i64 % 4), Value::Null])]]).unwrap();
                most = most.max(operator.state_bytes());
            }
            operator.step(vec![vec![record(1_000, 1_000_000, &[int(1), int(1)])]]).unwrap();
            assert!(operator.state_bytes() < 8_000 && most < 100_000, "{window:?} {} {most}", operator.state_bytes());
            super::survives_damage(&make, operator.as_ref());
        }
    }
}
