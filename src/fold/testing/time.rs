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

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn rows_of_sessions(events in events(1, true), partitioned: bool, gap_us in 1i64..3) {
        check(&|| make_session(partitioned, gap_us), 1, None, &events, true, &|inputs| in_sessions(partitioned, gap_us, &inputs[0]));
    }
}
