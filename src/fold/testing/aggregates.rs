//! The contract for the kinds of aggregates that are asked for less often: statistics, first and last, DISTINCT, what is replayed in order.

use datafusion::functions_aggregate::string_agg::string_agg_udaf;
use datafusion::physical_expr::aggregate::AggregateExprBuilder;
use datafusion::physical_expr::expressions::cast;

use super::*;
use crate::func::moments::{Of, Pair};
use crate::func::sum_state::What;

fn column(name: &str) -> Expr {
    col(name, &schema()).unwrap()
}

fn float(name: &str) -> Expr {
    cast(column(name), &schema(), DataType::Float64).unwrap()
}

/// By the value and then by the text, NULL first.
fn by_value() -> Vec<PhysicalSortExpr> {
    ["v", "t"].map(|name| PhysicalSortExpr { expr: column(name), options: arrow::compute::SortOptions::default() }).into()
}

/// string_agg(t, '+'), which no state of ours is made for; `ordered`: ORDER BY v, t.
fn texts(distinct: bool, ordered: bool) -> AggregateCall {
    let order_by = if ordered { by_value() } else { Vec::new() };
    let function = AggregateExprBuilder::new(string_agg_udaf(), vec![column("t"), lit("+")]);
    let function = Arc::new(function.schema(schema()).order_by(order_by.clone()).alias("a").build().unwrap());
    let result = function.field().data_type().clone();
    AggregateCall { order_by, ..call(AggregateKind::Generic(function), vec![column("t"), lit("+")], distinct, result) }
}

fn calls() -> Vec<AggregateCall> {
    let above = || binary(column("v"), Op::Gt, lit(1i64), &schema()).unwrap();
    let ordered = |kind| AggregateCall { order_by: by_value(), ..call(kind, vec![column("k")], false, DataType::Int64) };
    let pair = |statistic, result| call(AggregateKind::Moments(What::Pair(statistic)), vec![float("v"), float("k")], false, result);
    let mut filtered = texts(false, false);
    filtered.filter = Some(above());
    vec![
        call(AggregateKind::BoolAnd, vec![above()], false, DataType::Boolean),
        call(AggregateKind::BoolOr, vec![above()], false, DataType::Boolean),
        call(AggregateKind::Moments(What::Variance(Of::Sample)), vec![float("v")], false, DataType::Float64),
        pair(Pair::Count, DataType::Int64),
        pair(Pair::Sxy, DataType::Float64),
        ordered(AggregateKind::First { ignore_nulls: false }),
        ordered(AggregateKind::First { ignore_nulls: true }),
        ordered(AggregateKind::Last { ignore_nulls: false }),
        ordered(AggregateKind::Last { ignore_nulls: true }),
        call(AggregateKind::Sum, vec![column("v")], true, DataType::Decimal128(38, 0)),
        texts(false, false),
        texts(false, true),
        texts(true, false),
        filtered,
    ]
}

fn make(grouped: bool, append_only: bool) -> Box<dyn Operator> {
    let group = if grouped { vec![column("k")] } else { Vec::new() };
    let mut fields: Vec<FieldRef> = if grouped { vec![schema().fields()[0].clone()] } else { Vec::new() };
    fields.extend(calls().iter().map(|c| c.field.clone()));
    Box::new(Aggregate::new(group, calls(), schema(), Arc::new(Schema::new(fields)), append_only).unwrap())
}

/// The sum of (a - avg(a)) * (b - avg(b)), by whole numbers, over `divisor`.
fn products(pairs: &[(i64, i64)], divisor: i64) -> f64 {
    let n = pairs.len() as i64;
    let (a, b): (i64, i64) = pairs.iter().fold((0, 0), |(a, b), pair| (a + pair.0, b + pair.1));
    (n * pairs.iter().map(|(a, b)| a * b).sum::<i64>() - a * b) as f64 / (n * divisor) as f64
}

/// What each call gives for these rows.
fn values(rows: &[Row]) -> Cells {
    let mut rows = rows.to_vec();
    rows.sort_by_key(|r| (r.1, text(r.2), r.0));
    let present: Vec<i64> = rows.iter().filter_map(|r| r.1).collect();
    let tests: Vec<bool> = present.iter().map(|v| *v > 1).collect();
    let squares: Vec<(i64, i64)> = present.iter().map(|v| (*v, *v)).collect();
    let pairs: Vec<(i64, i64)> = rows.iter().filter_map(|r| r.1.zip(r.0)).collect();
    let keys: Vec<Option<i64>> = rows.iter().map(|r| r.0).collect();
    let known: Vec<i64> = rows.iter().filter_map(|r| r.0).collect();
    let sum: i128 = present.iter().collect::<std::collections::BTreeSet<_>>().into_iter().map(|v| i128::from(*v)).sum();
    let joined = |texts: Vec<&str>| ScalarValue::Utf8View((!texts.is_empty()).then(|| texts.join("+"))).to_string();
    let in_order: Vec<&str> = rows.iter().filter_map(|r| text(r.2)).collect();
    let mut sorted = in_order.clone();
    sorted.sort_unstable();
    let mut distinct = sorted.clone();
    distinct.dedup();
    let mut above: Vec<&str> = rows.iter().filter(|r| r.1 > Some(1)).filter_map(|r| text(r.2)).collect();
    above.sort_unstable();
    vec![
        cell((!tests.is_empty()).then(|| tests.iter().all(|t| *t))),
        cell((!tests.is_empty()).then(|| tests.contains(&true))),
        cell((present.len() > 1).then(|| products(&squares, present.len() as i64 - 1))),
        cell(pairs.len() as i64),
        cell((!pairs.is_empty()).then(|| products(&pairs, 1))),
        cell(keys.first().copied().flatten()),
        cell(known.first().copied()),
        cell(keys.last().copied().flatten()),
        cell(known.last().copied()),
        ScalarValue::Decimal128((!present.is_empty()).then_some(sum), 38, 0).to_string(),
        joined(sorted),
        joined(in_order),
        joined(distinct),
        joined(above),
    ]
}

fn expected(grouped: bool, input: &Bag<Row>) -> Bag<Cells> {
    let mut groups: BTreeMap<Option<i64>, Vec<Row>> = BTreeMap::new();
    if !grouped {
        groups.insert(None, Vec::new());
    }
    for (row, weight) in input {
        groups.entry(row.0.filter(|_| grouped)).or_default().extend(std::iter::repeat_n(*row, *weight as usize));
    }
    let row = |(key, rows): (Option<i64>, Vec<Row>)| {
        let key = if grouped { vec![cell(key)] } else { Vec::new() };
        ([key, values(&rows)].concat(), 1)
    };
    groups.into_iter().map(row).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn rare_aggregates(events in events(1, true), grouped: bool) {
        let key = grouped.then(|| vec![0]);
        check(&|| make(grouped, false), 1, key, &events, true, &|inputs| expected(grouped, &inputs[0]));
    }

    #[test]
    fn rare_aggregates_of_growing_input(events in events(1, false), grouped: bool) {
        let key = grouped.then(|| vec![0]);
        check(&|| make(grouped, true), 1, key, &events, false, &|inputs| expected(grouped, &inputs[0]));
    }
}
