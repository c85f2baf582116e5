//! Window functions against a reference that looks at all rows of a partition for each of its rows.

use arrow::compute::SortOptions;
use arrow::datatypes::Field;
use datafusion::common::ScalarValue;
use datafusion::functions_aggregate::{count::count_udaf, min_max::min_udaf, string_agg::string_agg_udaf};
use datafusion::functions_window::{cume_dist, lead_lag, nth_value, ntile, rank, row_number};
use datafusion::logical_expr::{
    AggregateUDF, Operator as Op, WindowFrame, WindowFrameBound, WindowFrameUnits, WindowFunctionDefinition, WindowUDF,
};
use datafusion::physical_expr::aggregate::AggregateExprBuilder;
use datafusion::physical_expr::expressions::{binary, col, lit};
use datafusion::physical_plan::windows::create_udwf_window_expr;
use proptest::prelude::*;

use super::super::testing::{Bag, Cells, Event, Row, add, cell, check, delta, events, row_cells, schema, text};
use super::*;
use crate::func::excluding::{self, Exclusion};

/// A frame: its units and its bounds as distances from the current row, -3 and 3 for those without a bound.
type Shape = (WindowFrameUnits, i64, i64);

fn bound(units: WindowFrameUnits, distance: i64) -> WindowFrameBound {
    let offset = match (units, distance.abs()) {
        (_, 3) => ScalarValue::UInt64(None),
        (WindowFrameUnits::Range, n) => ScalarValue::Int64(Some(n)),
        (_, n) => ScalarValue::UInt64(Some(n as u64)),
    };
    match distance {
        0 => WindowFrameBound::CurrentRow,
        n if n < 0 => WindowFrameBound::Preceding(offset),
        _ => WindowFrameBound::Following(offset),
    }
}

fn standard(function: Arc<WindowUDF>, args: &[Expr], frame: &Arc<WindowFrame>) -> WindowCall {
    let function = create_udwf_window_expr(&function, args, &schema(), "w".to_string(), false).unwrap();
    let field = function.field().unwrap();
    WindowCall { function: WindowFunction::Standard(function), frame: frame.clone(), field }
}

fn aggregate(function: Arc<AggregateUDF>, args: Vec<Expr>, filter: Option<Expr>, frame: &Arc<WindowFrame>) -> WindowCall {
    let function = Arc::new(AggregateExprBuilder::new(function, args).schema(schema()).alias("w").build().unwrap());
    let field = Arc::new(Field::new("w", function.field().data_type().clone(), true));
    WindowCall { function: WindowFunction::Aggregate { function, filter }, frame: frame.clone(), field }
}

/// A call with EXCLUDE.
fn without(exclusion: Exclusion, function: WindowFunctionDefinition, args: &[Expr], frame: &Arc<WindowFrame>) -> WindowCall {
    match excluding::without(exclusion, function) {
        WindowFunctionDefinition::WindowUDF(function) => standard(function, args, frame),
        WindowFunctionDefinition::AggregateUDF(_) => panic!("an exclusion makes a window function"),
    }
}

/// `ties`: peers are ordered by their text first.
fn make(partitioned: bool, ordered: bool, ties: bool, (units, start, end): Shape) -> Box<dyn Operator> {
    let column = |name| col(name, &schema()).unwrap();
    let frame = Arc::new(WindowFrame::new_bounds(units, bound(units, start), bound(units, end)));
    let sum = crate::func::aggregate_functions().into_iter().find(|f| f.name() == "pg_sum").unwrap();
    let big = binary(column("v"), Op::Gt, lit(1i64), &schema()).unwrap();
    let calls = vec![
        standard(row_number::row_number_udwf(), &[], &frame),
        standard(rank::rank_udwf(), &[], &frame),
        standard(rank::dense_rank_udwf(), &[], &frame),
        standard(rank::percent_rank_udwf(), &[], &frame),
        standard(cume_dist::cume_dist_udwf(), &[], &frame),
        standard(ntile::ntile_udwf(), &[lit(2i64)], &frame),
        standard(lead_lag::lag_udwf(), &[column("k")], &frame),
        standard(lead_lag::lead_udwf(), &[column("v"), lit(2i64), lit(7i64)], &frame),
        standard(nth_value::first_value_udwf(), &[column("k")], &frame),
        standard(nth_value::last_value_udwf(), &[column("k")], &frame),
        standard(nth_value::nth_value_udwf(), &[column("k"), lit(2i64)], &frame),
        aggregate(sum.clone(), vec![column("v")], None, &frame),
        aggregate(min_udaf(), vec![column("v")], None, &frame),
        aggregate(count_udaf(), vec![column("t")], Some(big), &frame),
        aggregate(string_agg_udaf(), vec![column("t"), lit("+")], None, &frame),
        without(Exclusion::CurrentRow, WindowFunctionDefinition::AggregateUDF(sum), &[column("v")], &frame),
        without(Exclusion::Group, WindowFunctionDefinition::AggregateUDF(min_udaf()), &[column("k")], &frame),
        without(Exclusion::Ties, WindowFunctionDefinition::WindowUDF(nth_value::last_value_udwf()), &[column("k")], &frame),
    ];
    let order_by = vec![PhysicalSortExpr::new(column("v"), SortOptions { descending: true, nulls_first: false })];
    let partition = if partitioned { vec![column("k")] } else { Vec::new() };
    let order_by = if ordered { order_by } else { Vec::new() };
    let ties = if ties { vec![2] } else { vec![] };
    Box::new(Window::new(WindowSpec { input: schema(), partition, order_by, ties, calls }).unwrap())
}

/// The places of the rows of the frame of row `i`.
fn in_frame(rows: &[Row], i: usize, ordered: bool, (units, start, end): Shape) -> Vec<usize> {
    let group = |i: usize| (1..=i).filter(|&j| ordered && rows[j].1 != rows[j - 1].1).count() as i64;
    let distance = |j: usize| match (units, rows[i].1, rows[j].1) {
        (WindowFrameUnits::Rows, ..) => Some(j as i64 - i as i64),
        (WindowFrameUnits::Groups, ..) => Some(group(j) - group(i)),
        (WindowFrameUnits::Range, Some(here), Some(there)) => Some(if ordered { here - there } else { 0 }),
        // Nulls are apart from all values by more than any offset, and from one another by whatever is asked for.
        (WindowFrameUnits::Range, None, None) => None,
        (WindowFrameUnits::Range, here, _) if ordered => Some(if here.is_none() { -100 } else { 100 }),
        (WindowFrameUnits::Range, ..) => Some(0),
    };
    let inside = |j: &usize| distance(*j).is_none_or(|d| (start == -3 || d >= start) && (end == 3 || d <= end));
    (0..rows.len()).filter(inside).collect()
}

fn values(rows: &[Row], i: usize, ordered: bool, shape: Shape) -> Cells {
    let n = rows.len();
    let peers = |i: usize, j: usize| !ordered || rows[i].1 == rows[j].1;
    let first = (0..n).find(|&j| peers(i, j)).unwrap();
    let dense = (1..=first).filter(|&j| !peers(j, j - 1)).count() + 1;
    let last = (0..n).rfind(|&j| peers(i, j)).unwrap();
    let half = n.div_ceil(2);
    let places = in_frame(rows, i, ordered, shape);
    let but = |out: &dyn Fn(usize) -> bool| places.iter().filter(|j| !out(**j)).map(|j| rows[*j]).collect::<Vec<Row>>();
    let (frame, others) = (but(&|_| false), but(&|j| j == i));
    let (strangers, alone) = (but(&|j| peers(i, j)), but(&|j| j != i && peers(i, j)));
    let of_others: Vec<i64> = others.iter().filter_map(|r| r.1).collect();
    let present: Vec<i64> = frame.iter().filter_map(|r| r.1).collect();
    let texts: Vec<&str> = frame.iter().filter_map(|r| text(r.2)).collect();
    let key = |row: Option<&Row>| cell(row.and_then(|r| r.0));
    let total = |of: &[i64]| ScalarValue::Decimal128((!of.is_empty()).then(|| of.iter().map(|v| i128::from(*v)).sum()), 38, 0).to_string();
    vec![
        cell(i as u64 + 1),
        cell(first as u64 + 1),
        cell(dense as u64),
        cell(if n == 1 { 0.0 } else { first as f64 / (n - 1) as f64 }),
        cell((last + 1) as f64 / n as f64),
        cell(if i < half { 1u64 } else { 2 }),
        key(i.checked_sub(1).and_then(|j| rows.get(j))),
        cell(rows.get(i + 2).map_or(Some(7), |r| r.1)),
        key(frame.first()),
        key(frame.last()),
        key(frame.get(1)),
        total(&present),
        cell(present.iter().min().copied()),
        cell(frame.iter().filter(|r| r.1 > Some(1) && text(r.2).is_some()).count() as i64),
        ScalarValue::Utf8View((!texts.is_empty()).then(|| texts.join("+"))).to_string(),
        total(&of_others),
        cell(strangers.iter().filter_map(|r| r.0).min()),
        key(alone.last()),
    ]
}

fn expected(input: &Bag<Row>, partitioned: bool, ordered: bool, ties: bool, shape: Shape) -> Bag<Cells> {
    let mut partitions = std::collections::BTreeMap::<Option<i64>, Vec<Row>>::new();
    let copies = input.iter().flat_map(|(r, w)| std::iter::repeat_n(*r, *w as usize));
    copies.for_each(|r| partitions.entry(r.0.filter(|_| partitioned)).or_default().push(r));
    let mut out = Bag::new();
    for mut rows in partitions.into_values() {
        let first = |r: &Row| if ties { text(r.2) } else { None };
        if ordered {
            rows.sort_by_key(|r| (r.1.is_none(), r.1.map(|v| -v), first(r), r.0, text(r.2)));
        } else {
            rows.sort_by_key(|r| (first(r), r.0, r.1, text(r.2)));
        }
        for i in 0..rows.len() {
            add(&mut out, [row_cells(&rows[i]), values(&rows, i, ordered, shape)].concat(), 1);
        }
    }
    out
}

fn shapes() -> impl Strategy<Value = Shape> {
    let units = prop_oneof![Just(WindowFrameUnits::Rows), Just(WindowFrameUnits::Range), Just(WindowFrameUnits::Groups)];
    (units, -3i64..3, -2i64..4).prop_filter("a frame begins before it ends", |(_, start, end)| start <= end)
}

/// Whether there are partitions, an order, and what settles ties.
type Over = (bool, bool, bool);

fn check_window(events: &[Event], retracting: bool, (partitioned, ordered, ties): Over, shape: Shape) {
    // An offset from no value is refused when a statement is planned.
    let ordered = ordered || shape.0 == WindowFrameUnits::Range;
    let reference = |inputs: &[Bag<Row>]| expected(&inputs[0], partitioned, ordered, ties, shape);
    check(&|| make(partitioned, ordered, ties, shape), 1, None, events, retracting, &reference);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn values_over_frames(events in events(1, true), over in any::<Over>(), shape in shapes()) {
        check_window(&events, true, over, shape);
    }

    #[test]
    fn values_over_frames_of_growing_input(events in events(1, false), partitioned: bool, ties: bool, shape in shapes()) {
        check_window(&events, false, (partitioned, true, ties), shape);
    }
}

#[test]
fn only_partitions_that_are_touched_are_given_again() {
    let mut window = make(true, true, false, (WindowFrameUnits::Rows, -3, 3));
    let row = |k, v, weight| ((Some(k), Some(v), 1), weight);
    let all: Vec<(Row, i64)> = (0..1_000).flat_map(|k| (0..4).map(move |v| row(k, v, 1))).collect();
    let out = window.step(vec![vec![delta(&all)]]).unwrap();
    assert_eq!(out.iter().map(Delta::num_rows).sum::<usize>(), 4_000);
    let out = window.step(vec![vec![delta(&[row(7, 1, -1), row(7, 9, 1), row(500, 2, 1)])]]).unwrap();
    let key = |d: &Delta, i: usize| ScalarValue::try_from_array(d.batch.column(0), i).unwrap().to_string();
    let keys: Vec<String> = out.iter().flat_map(|d| (0..d.num_rows()).map(|i| key(d, i)).collect::<Vec<_>>()).collect();
    assert!(keys.iter().all(|k| k == "7" || k == "500"), "{keys:?}");
    // Each of their rows goes and comes once at most.
    let of = |key: &str| keys.iter().filter(|k| *k == key).count();
    assert!(of("7") <= 8 && of("500") <= 9, "{keys:?}");
}
