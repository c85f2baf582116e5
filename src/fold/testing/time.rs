//! The operators of time against slow references.

use datafusion::physical_expr::expressions::cast;

use super::*;
use crate::func::session::Bound;

const STAMP: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

fn stamp(us: i64) -> String {
    ScalarValue::TimestampMicrosecond(Some(us), None).to_string()
}

/// The value as a time.
fn time() -> Expr {
    cast(col("v", &schema()).unwrap(), &schema(), STAMP).unwrap()
}

// Sessions -------------------------------------------------------------------------------------------------------------------------

fn make_session(partitioned: bool, gap_us: i64) -> Box<dyn Operator> {
    let mut fields = schema().fields().to_vec();
    fields.extend(["start", "end"].map(|name| Arc::new(Field::new(name, STAMP, true))));
    let spec = SessionSpec {
        input: schema(),
        partition: if partitioned { vec![col("k", &schema()).unwrap()] } else { vec![] },
        time: time(),
        gap_us,
        bounds: vec![Bound::Start, Bound::End],
        schema: Arc::new(Schema::new(fields)),
    };
    Box::new(Session::new(spec).unwrap())
}

/// Each row with the least and the greatest time that can be reached from it by steps of no more than the gap.
fn in_sessions(partitioned: bool, gap_us: i64, input: &Bag<Row>) -> Bag<Cells> {
    let mut out = Bag::new();
    for (row, weight) in input {
        let Some(at) = row.1 else { continue };
        let times: Vec<i64> = input.keys().filter(|r| !partitioned || r.0 == row.0).filter_map(|r| r.1).collect();
        let (mut low, mut high) = (at, at);
        for _ in 0..times.len() {
            let reached: Vec<i64> = times.iter().copied().filter(|t| (low - gap_us..=high + gap_us).contains(t)).collect();
            (low, high) = reached.into_iter().fold((low, high), |(low, high), t| (low.min(t), high.max(t)));
        }
        add(&mut out, [row_cells(row), vec![stamp(low), stamp(high + gap_us)]].concat(), *weight);
    }
    out
}

// Filters by the time ---------------------------------------------------------------------------------------------------------------

fn clock() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("at", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), false)]))
}

fn make_temporal(passes: Passes) -> Temporal {
    let value = cast(col("v", &schema()).unwrap(), &schema(), clock().field(0).data_type().clone()).unwrap();
    Temporal::new(TemporalSpec { input: schema(), value, passes, bound: col("at", &clock()).unwrap(), slack: 0, clock: clock() }).unwrap()
}

fn tick(at: i64) -> Delta {
    let at = arrow::array::TimestampMicrosecondArray::from(vec![at]).with_timezone("UTC");
    Delta::insert(RecordBatch::try_new(clock(), vec![Arc::new(at)]).unwrap())
}

/// The rows that pass at a time.
fn passing(passes: Passes, now: Option<i64>, input: &Bag<Row>) -> Bag<Cells> {
    let holds = |value: i64, now: i64| match passes {
        Passes::Below { equal } => value < now || equal && value == now,
        Passes::Above { equal } => value > now || equal && value == now,
    };
    let passing = |row: &Row| row.1.zip(now).is_some_and(|(value, now)| holds(value, now));
    input.iter().filter(|(row, _)| passing(row)).map(|(row, weight)| (row_cells(row), *weight)).collect()
}

fn check_temporal(events: &[(Event, Option<i64>)], passes: Passes) {
    let mut operator = make_temporal(passes);
    let (mut input, mut sum, mut now) = (Bag::new(), Bag::new(), None);
    let (mut rows, mut ticks) = (Vec::new(), Vec::new());
    for (event, ticked) in events {
        let present = input.keys().nth(event.retract * 7 % input.len().max(1)).copied();
        let change: (Row, i64) = present.filter(|_| event.retract > 0).map_or((event.row, 1), |row| (row, -1));
        add(&mut input, change.0, change.1);
        rows.push(delta(&[change]));
        if let Some(at) = ticked {
            now = now.max(Some(*at));
            ticks.push(tick(*at));
        }
        if event.step {
            sum_up(&mut sum, &operator.step(vec![std::mem::take(&mut rows), std::mem::take(&mut ticks)]).unwrap());
            assert_eq!(sum, passing(passes, now, &input));
            let bytes = saved(|out| operator.save(out));
            operator = make_temporal(passes);
            operator.load(&mut StateReader::new(&bytes).unwrap()).unwrap();
        }
    }
    let all: Vec<(Row, i64)> = input.into_iter().map(|(row, weight)| (row, -weight)).collect();
    rows.push(delta(&all));
    sum_up(&mut sum, &operator.step(vec![rows, ticks]).unwrap());
    assert_eq!((sum, operator.state_bytes()), (Bag::new(), 0));
}

fn timed_events() -> impl Strategy<Value = Vec<(Event, Option<i64>)>> {
    let ticks = prop::collection::vec(prop::option::weighted(0.2, -2i64..6), 60);
    (events(1, true), ticks).prop_map(|(events, ticks)| events.into_iter().zip(ticks).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn rows_come_and_go_as_time_passes(events in timed_events(), above: bool, equal: bool) {
        check_temporal(&events, if above { Passes::Above { equal } } else { Passes::Below { equal } });
    }

    #[test]
    fn rows_of_sessions(events in events(1, true), partitioned: bool, gap_us in 1i64..3) {
        check(&|| make_session(partitioned, gap_us), 1, None, &events, true, &|inputs| in_sessions(partitioned, gap_us, &inputs[0]));
    }
}
