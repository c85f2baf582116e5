//! The contract of all operators, asserted against slow and obviously right references.
//!
//! A test gives an operator and a function from the inputs' rows to the output's rows. [`check`] feeds random insertions and
//! retractions of earlier insertions, cut at random into deltas and steps; after each step the consolidated sum of all outputs
//! must be what the function says of the sum of all inputs (clauses 1, 2 and 4). Half-way the operator is saved and loaded into a
//! new one (5); at the end everything is retracted, and no row may be left; in some cases all rows then come and go many times, and no more
//! state may be held than after the first of them (3).

mod aggregates;
mod recursion;
mod sets;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array, Int8Array, Int64Array, RecordBatch, StringViewArray};
use arrow::datatypes::*;
use datafusion::common::{JoinType, ScalarValue};
use datafusion::logical_expr::Operator as Op;
use datafusion::physical_expr::PhysicalSortExpr;
use datafusion::physical_expr::expressions::{binary, col, lit};
use proptest::prelude::*;

use super::state::saved;
use super::*;
use crate::data::Delta;
use crate::error::Result;

mod time;
mod zeros;

/// A row of a test input: key, value, text number.
pub(super) type Row = (Option<i64>, Option<i64>, u8);
/// An output row as text.
pub(super) type Cells = Vec<String>;
pub(super) type Bag<R> = BTreeMap<R, i64>;

/// One step of the test: which input, row and whether to take the row away again.
#[derive(Clone, Debug)]
pub(super) struct Event {
    port: usize,
    row: Row,
    /// 0 inserts; otherwise retracts some present row chosen by it.
    retract: usize,
    /// A delta ends behind this event.
    cut: bool,
    /// A step ends behind this event.
    step: bool,
}

pub(super) fn events(ports: usize, retracting: bool) -> impl Strategy<Value = Vec<Event>> {
    let row = (prop::option::weighted(0.8, 0i64..4), prop::option::weighted(0.8, -2i64..5), 0u8..3);
    let retract = if retracting { (0usize..3).boxed() } else { Just(0usize).boxed() };
    let event = (0..ports, row, retract, prop::bool::weighted(0.3), prop::bool::weighted(0.2));
    let event = event.prop_map(|(port, row, retract, cut, step)| Event { port, row, retract, cut, step });
    prop::collection::vec(event, 0..60)
}

pub(super) fn schema() -> SchemaRef {
    let fields =
        vec![Field::new("k", DataType::Int64, true), Field::new("v", DataType::Int64, true), Field::new("t", DataType::Utf8View, true)];
    Arc::new(Schema::new(fields))
}

pub(super) fn text(t: u8) -> Option<&'static str> {
    [None, Some("short"), Some("a text that is too long to be kept inside a view")][usize::from(t)]
}

pub(super) fn delta(rows: &[(Row, i64)]) -> Delta {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(rows.iter().map(|r| r.0.0).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|r| r.0.1).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|r| text(r.0.2)).collect::<StringViewArray>()),
    ];
    let batch = RecordBatch::try_new(schema(), columns).unwrap();
    if rows.iter().all(|r| r.1 == 1) {
        Delta::insert(batch)
    } else {
        Delta::weighted(batch, rows.iter().map(|r| r.1).collect::<Vec<_>>().into())
    }
}

pub(super) fn cells(batch: &RecordBatch, i: usize) -> Cells {
    batch.columns().iter().map(|c| ScalarValue::try_from_array(c, i).unwrap().to_string()).collect()
}

pub(super) fn add<R: Ord>(bag: &mut Bag<R>, row: R, weight: i64) {
    let entry = bag.entry(row);
    match entry {
        std::collections::btree_map::Entry::Occupied(mut found) => {
            *found.get_mut() += weight;
            if *found.get() == 0 {
                found.remove();
            }
        }
        std::collections::btree_map::Entry::Vacant(empty) if weight != 0 => {
            empty.insert(weight);
        }
        _ => {}
    }
}

pub(super) fn sum_up(bag: &mut Bag<Cells>, deltas: &[Delta]) {
    for delta in deltas {
        (0..delta.num_rows()).for_each(|i| add(bag, cells(&delta.batch, i), delta.weight(i)));
    }
}

pub(super) fn snapshot_bag(output: &Output) -> Bag<Cells> {
    let mut bag = Bag::new();
    let snapshot = output.snapshot();
    for batch in snapshot.batches(None) {
        sum_up(&mut bag, &[Delta::insert(batch.unwrap())]);
    }
    assert_eq!(snapshot.rows as i64, bag.values().sum::<i64>());
    bag
}

/// How often all rows come and go.
const ROUNDS: usize = 20;

/// The operator under test with what it was fed.
struct Bench<'a> {
    make: &'a dyn Fn() -> Box<dyn Operator>,
    operator: Box<dyn Operator>,
    output: Output,
    pending: Vec<Vec<Delta>>,
    inputs: Vec<Bag<Row>>,
    sum: Bag<Cells>,
    net: Bag<Cells>,
}

impl Bench<'_> {
    fn step(&mut self, expected: &dyn Fn(&[Bag<Row>]) -> Bag<Cells>) {
        let ports = self.pending.len();
        let deltas = self.operator.step(std::mem::replace(&mut self.pending, vec![Vec::new(); ports])).unwrap();
        deltas.iter().for_each(|d| assert_eq!(d.schema().fields(), self.operator.schema().fields()));
        sum_up(&mut self.sum, &deltas);
        sum_up(&mut self.net, &self.output.apply(deltas).unwrap().into_iter().collect::<Vec<_>>());
        assert_eq!(self.sum, expected(&self.inputs));
        assert_eq!(snapshot_bag(&self.output), self.sum);
        assert_eq!(self.net, self.sum);
    }

    fn reload(&mut self, key: &Option<Vec<usize>>) {
        let bytes = saved(|out| {
            self.operator.save(out)?;
            self.output.save(out)
        });
        self.operator = (self.make)();
        self.output = Output::new(self.operator.schema(), key.clone(), false);
        let mut reader = StateReader::new(&bytes).unwrap();
        self.operator.load(&mut reader).unwrap();
        self.output.load(&mut reader).unwrap();
    }

    /// Lets the rows of each port come and go as often as it takes to see what is not released. Vectors may have grown to another power of two;
    /// what is gone of the output waits for its chunk to be written anew.
    fn come_and_go(&mut self, ports: &[Vec<(Row, i64)>]) {
        let mut held = Vec::new();
        for _ in 0..ROUNDS {
            for sign in [1, -1] {
                let signed =
                    |rows: &Vec<(Row, i64)>| vec![delta(&rows.iter().map(|(row, weight)| (*row, sign * weight)).collect::<Vec<_>>())];
                let deltas = self.operator.step(ports.iter().map(signed).collect()).unwrap();
                self.output.apply(deltas).unwrap();
            }
            held.push(self.operator.state_bytes());
        }
        let grows = held[ROUNDS - 1] * 2 > held[1] * 3;
        assert!(!grows, "what {} holds after each time that all rows came and went: {held:?}", self.operator.name());
    }
}

pub(super) fn check(
    make: &dyn Fn() -> Box<dyn Operator>,
    ports: usize,
    key: Option<Vec<usize>>,
    events: &[Event],
    retracting: bool,
    expected: &dyn Fn(&[Bag<Row>]) -> Bag<Cells>,
) {
    check_but(make, ports, key, events, retracting, expected, true);
}

/// The same for an operator that may hold more each time that rows come and go, unless it `releases` all: dead keys stand beside one that
/// stays until there are 64 kB of them.
pub(super) fn check_but(
    make: &dyn Fn() -> Box<dyn Operator>,
    ports: usize,
    key: Option<Vec<usize>>,
    events: &[Event],
    retracting: bool,
    expected: &dyn Fn(&[Bag<Row>]) -> Bag<Cells>,
    releases: bool,
) {
    let operator = make();
    let output = Output::new(operator.schema(), key.clone(), false);
    let (pending, inputs) = (vec![Vec::new(); ports], vec![Bag::new(); ports]);
    let mut bench = Bench { make, operator, output, pending, inputs, sum: Bag::new(), net: Bag::new() };
    let mut open: Vec<Vec<(Row, i64)>> = vec![Vec::new(); ports];
    for (i, event) in events.iter().enumerate() {
        let present = bench.inputs[event.port].keys().nth(event.retract * 7 % bench.inputs[event.port].len().max(1)).copied();
        let change = match present {
            Some(row) if event.retract > 0 => (row, -1),
            _ => (event.row, 1),
        };
        add(&mut bench.inputs[event.port], change.0, change.1);
        open[event.port].push(change);
        if event.cut || event.step {
            open.iter_mut().zip(&mut bench.pending).filter(|(o, _)| !o.is_empty()).for_each(|(o, p)| p.push(delta(&std::mem::take(o))));
        }
        if event.step {
            bench.step(expected);
        }
        if event.step && i % 3 == 0 {
            bench.reload(&key);
        }
    }
    open.iter_mut().zip(&mut bench.pending).filter(|(o, _)| !o.is_empty()).for_each(|(o, p)| p.push(delta(&std::mem::take(o))));
    bench.step(expected);
    if retracting {
        let all: Vec<Vec<(Row, i64)>> = bench.inputs.iter_mut().map(|input| std::mem::take(input).into_iter().collect()).collect();
        for (rows, pending) in all.iter().zip(&mut bench.pending) {
            pending.push(delta(&rows.iter().map(|(row, weight)| (*row, -weight)).collect::<Vec<_>>()));
        }
        bench.step(expected);
        // It takes long, so it is done in some cases.
        if releases && events.len() % 4 == 3 {
            bench.come_and_go(&all);
        }
    }
}

pub(super) fn cell<T: Into<ScalarValue>>(value: T) -> String {
    value.into().to_string()
}

pub(super) fn row_cells(row: &Row) -> Cells {
    vec![cell(row.0), cell(row.1), ScalarValue::Utf8View(text(row.2).map(str::to_string)).to_string()]
}

// Joins --------------------------------------------------------------------------------------------------------------------------

const KINDS: [JoinType; 10] = [
    JoinType::Inner,
    JoinType::Left,
    JoinType::Right,
    JoinType::Full,
    JoinType::LeftSemi,
    JoinType::RightSemi,
    JoinType::LeftAnti,
    JoinType::RightAnti,
    JoinType::LeftMark,
    JoinType::RightMark,
];

fn join_schema(kind: JoinType) -> SchemaRef {
    let side = schema().fields().iter().map(Arc::clone).collect::<Vec<_>>();
    let mark = Arc::new(Field::new("mark", DataType::Boolean, false));
    Arc::new(Schema::new(match kind {
        JoinType::LeftMark | JoinType::RightMark => [side, vec![mark]].concat(),
        JoinType::LeftSemi | JoinType::RightSemi | JoinType::LeftAnti | JoinType::RightAnti => side,
        _ => [side.clone(), side].concat(),
    }))
}

#[derive(Clone, Copy, Debug)]
struct Case {
    kind: JoinType,
    residual: bool,
    keyed: bool,
    null_equals_null: bool,
    null_aware: bool,
    append_only: bool,
}

fn make_join(case: Case) -> Box<dyn Operator> {
    let key = || col("k", &schema()).unwrap();
    let both = Schema::new([schema().fields().to_vec(), schema().fields().to_vec()].concat());
    let value = |i| Arc::new(datafusion::physical_expr::expressions::Column::new("v", i)) as Expr;
    let residual = case.residual.then(|| binary(value(1), Op::Lt, value(4), &both).unwrap());
    let spec = JoinSpec {
        kind: case.kind,
        on: if case.keyed { vec![(key(), key())] } else { Vec::new() },
        residual,
        null_equals_null: case.null_equals_null,
        null_aware: case.null_aware,
        left: schema(),
        right: schema(),
        schema: join_schema(case.kind),
        left_append_only: case.append_only,
        right_append_only: case.append_only,
    };
    Box::new(Join::new(spec).unwrap())
}

fn joined(case: Case, inputs: &[Bag<Row>]) -> Bag<Cells> {
    let matches = |l: &Row, r: &Row| {
        let keys = !case.keyed || l.0 == r.0 && (l.0.is_some() || case.null_equals_null);
        keys && (!case.residual || matches!((l.1, r.1), (Some(a), Some(b)) if a < b))
    };
    let nulls = || vec![cell(None::<i64>), cell(None::<i64>), ScalarValue::Utf8View(None).to_string()];
    let mut out = Bag::new();
    let (left, right) = (&inputs[0], &inputs[1]);
    use JoinType::*;
    if matches!(case.kind, Inner | Left | Right | Full) {
        for (l, w) in left {
            right.iter().filter(|(r, _)| matches(l, r)).for_each(|(r, v)| add(&mut out, [row_cells(l), row_cells(r)].concat(), w * v));
        }
    }
    let mut lone = |row: &Row, weight: i64, any: bool, side: usize| {
        let bare = row_cells(row);
        let form = match (case.kind, side) {
            (Left | Full, 0) if !any => Some([bare, nulls()].concat()),
            (Right | Full, 1) if !any => Some([nulls(), bare].concat()),
            (LeftSemi, 0) | (RightSemi, 1) if any => Some(bare),
            (LeftAnti, 0) | (RightAnti, 1) if !any => Some(bare),
            (LeftMark, 0) | (RightMark, 1) => Some([bare, vec![any.to_string()]].concat()),
            _ => None,
        };
        form.into_iter().for_each(|f| add(&mut out, f, weight));
    };
    for (l, w) in left {
        let mut any = right.keys().any(|r| matches(l, r));
        if case.null_aware {
            any |= right.keys().any(|r| r.0.is_none()) || l.0.is_none() && !right.is_empty();
        }
        lone(l, *w, any, 0);
    }
    right.iter().for_each(|(r, w)| lone(r, *w, left.keys().any(|l| matches(l, r)), 1));
    out
}

fn check_join(case: Case, events: &[Event]) {
    check(&|| make_join(case), 2, None, events, !case.append_only, &|inputs| joined(case, inputs));
}

// Aggregates ---------------------------------------------------------------------------------------------------------------------

fn call(kind: AggregateKind, args: Vec<Expr>, distinct: bool, result: DataType) -> AggregateCall {
    AggregateCall { kind, args, filter: None, distinct, order_by: Vec::new(), field: Arc::new(Field::new("a", result, true)) }
}

fn make_aggregate(grouped: bool, append_only: bool) -> Box<dyn Operator> {
    let column = |name| col(name, &schema()).unwrap();
    let avg = DataType::Decimal256(76, 20);
    let mut filtered = call(AggregateKind::Count, Vec::new(), false, DataType::Int64);
    filtered.filter = Some(binary(column("v"), Op::Gt, lit(1i64), &schema()).unwrap());
    let calls = vec![
        call(AggregateKind::Count, Vec::new(), false, DataType::Int64),
        call(AggregateKind::Count, vec![column("v")], true, DataType::Int64),
        call(AggregateKind::Sum, vec![column("v")], false, DataType::Decimal128(38, 0)),
        call(AggregateKind::Avg, vec![column("v")], false, avg),
        call(AggregateKind::Min, vec![column("v")], false, DataType::Int64),
        call(AggregateKind::Max, vec![column("t")], false, DataType::Utf8View),
        filtered,
    ];
    let group = if grouped { vec![column("k")] } else { Vec::new() };
    let mut fields: Vec<FieldRef> = if grouped { vec![schema().fields()[0].clone()] } else { Vec::new() };
    fields.extend(calls.iter().map(|c| c.field.clone()));
    Box::new(Aggregate::new(group, calls, schema(), Arc::new(Schema::new(fields)), append_only).unwrap())
}

fn aggregated(grouped: bool, input: &Bag<Row>) -> Bag<Cells> {
    let mut groups: BTreeMap<Option<i64>, Vec<(Row, i64)>> = BTreeMap::new();
    if !grouped {
        groups.insert(None, Vec::new());
    }
    input.iter().for_each(|(r, w)| groups.entry(if grouped { r.0 } else { None }).or_default().push((*r, *w)));
    let mut out = Bag::new();
    for (key, rows) in groups {
        let values: Vec<i64> = rows.iter().flat_map(|(r, w)| std::iter::repeat_n(r.1, *w as usize)).flatten().collect();
        let distinct: std::collections::BTreeSet<i64> = values.iter().copied().collect();
        let sum: i64 = values.iter().sum();
        let total = (!values.is_empty()).then_some(i128::from(sum));
        let average = total.map(|s| {
            let (n, d) = (s * 10i128.pow(20), values.len() as i128);
            i256::from_i128((n.abs() * 2 + d) / (2 * d) * n.signum())
        });
        let longest = rows.iter().filter_map(|(r, _)| text(r.2)).max().map(str::to_string);
        let mut cells = if grouped { vec![cell(key)] } else { Vec::new() };
        cells.extend([
            cell(rows.iter().map(|r| r.1).sum::<i64>()),
            cell(distinct.len() as i64),
            ScalarValue::Decimal128(total, 38, 0).to_string(),
            ScalarValue::Decimal256(average, 76, 20).to_string(),
            cell(values.iter().min().copied()),
            ScalarValue::Utf8View(longest).to_string(),
            cell(values.iter().filter(|v| **v > 1).count() as i64),
        ]);
        add(&mut out, cells, 1);
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn joins_of_all_kinds(events in events(2, true), kind in 0usize..10, residual: bool, keyed: bool, null_equals_null: bool) {
        check_join(Case { kind: KINDS[kind], residual, keyed, null_equals_null, null_aware: false, append_only: false }, &events);
    }

    #[test]
    fn joins_of_growing_inputs(events in events(2, false), kind in 0usize..10, residual: bool) {
        check_join(Case { kind: KINDS[kind], residual, keyed: true, null_equals_null: false, null_aware: false, append_only: true }, &events);
    }

    #[test]
    fn not_in(events in events(2, true)) {
        let kind = JoinType::LeftAnti;
        check_join(Case { kind, residual: false, keyed: true, null_equals_null: false, null_aware: true, append_only: false }, &events);
    }

    #[test]
    fn aggregates(events in events(1, true), grouped: bool) {
        let key = grouped.then(|| vec![0]);
        check(&|| make_aggregate(grouped, false), 1, key, &events, true, &|inputs| aggregated(grouped, &inputs[0]));
    }

    #[test]
    fn aggregates_of_growing_input(events in events(1, false), grouped: bool) {
        let key = grouped.then(|| vec![0]);
        check(&|| make_aggregate(grouped, true), 1, key, &events, false, &|inputs| aggregated(grouped, &inputs[0]));
    }

    #[test]
    fn distinct_rows(events in events(1, true)) {
        let expected = |inputs: &[Bag<Row>]| inputs[0].keys().map(|r| (row_cells(r), 1)).collect();
        check(&|| Box::new(Distinct::new(schema()).unwrap()), 1, None, &events, true, &expected);
    }

    #[test]
    fn rows_left_out(events in events(1, true)) {
        let quotient = || binary(lit(1i64), Op::Divide, col("v", &schema()).unwrap(), &schema()).unwrap();
        let filter = || binary(col("k", &schema()).unwrap(), Op::Gt, lit(1i64), &schema()).unwrap();
        let guards = || vec![Guard { filter: Some(filter()), exprs: vec![quotient()] }];
        let errs = |r: &Row| r.1 == Some(0) && r.0 > Some(1);
        let expected = |inputs: &[Bag<Row>]| inputs[0].iter().filter(|(r, _)| !errs(r)).map(|(r, w)| (row_cells(r), *w)).collect();
        check(&|| Box::new(LeaveOut::new(guards(), schema())), 1, None, &events, true, &expected);
    }

    #[test]
    fn projections(events in events(1, true), computed: bool) {
        check(&|| make_project(computed), 1, None, &events, true, &|inputs| projected(computed, &inputs[0]));
    }

    #[test]
    fn rows_that_are_alike_together(events in events(1, true)) {
        let expected = |inputs: &[Bag<Row>]| inputs[0].iter().map(|(r, w)| (row_cells(r), *w)).collect();
        check(&|| Box::new(Consolidate::new(schema())), 1, None, &events, true, &expected);
    }

    #[test]
    fn filters(events in events(1, true)) {
        let make = || -> Box<dyn Operator> { Box::new(Filter::new(binary(col("v", &schema()).unwrap(), Op::Gt, lit(0i64), &schema()).unwrap(), schema())) };
        let expected = |inputs: &[Bag<Row>]| inputs[0].iter().filter(|(r, _)| r.1 > Some(0)).map(|(r, w)| (row_cells(r), *w)).collect();
        check(&make, 1, None, &events, true, &expected);
    }

    #[test]
    fn union_and_difference(events in events(2, true)) {
        let expected = |inputs: &[Bag<Row>]| {
            let mut out = Bag::new();
            inputs.iter().flatten().for_each(|(r, w)| add(&mut out, row_cells(r), *w));
            out
        };
        check(&|| Box::new(Union::new(schema())), 2, None, &events, true, &expected);
    }

    #[test]
    fn top_rows(events in events(1, true), top in tops()) {
        check_top(&events, &top, true, false);
    }

    #[test]
    fn top_rows_of_growing_input(events in events(1, false), top in tops(), tree: bool) {
        check_top(&events, &top, false, tree);
    }

    #[test]
    fn the_last_event_of_a_key_wins(events in prop::collection::vec((0i64..6, -3i64..3, any::<bool>(), any::<bool>()), 0..80), by_row: bool) {
        check_upsert(&events, by_row);
    }
}

// Projections --------------------------------------------------------------------------------------------------------------------

/// The text and the key, or the key and the value plus one.
fn make_project(computed: bool) -> Box<dyn Operator> {
    let column = |name| col(name, &schema()).unwrap();
    let more = || binary(column("v"), Op::Plus, lit(1i64), &schema()).unwrap();
    let exprs = if computed { vec![column("k"), more()] } else { vec![column("t"), column("k")] };
    let first = if computed { DataType::Int64 } else { DataType::Utf8View };
    let fields = vec![Field::new("one", first, true), Field::new("two", DataType::Int64, true)];
    Box::new(Project::new(exprs, Arc::new(Schema::new(fields))))
}

fn projected(computed: bool, input: &Bag<Row>) -> Bag<Cells> {
    let mut out = Bag::new();
    for (row, weight) in input {
        let [k, _, t]: [String; 3] = row_cells(row).try_into().unwrap();
        add(&mut out, if computed { vec![k, cell(row.1.map(|v| v + 1))] } else { vec![t, k] }, *weight);
    }
    out
}

#[test]
fn rows_that_are_alike_become_one() {
    let (row, other) = ((Some(1), Some(2), 1), (Some(1), Some(3), 1));
    let inputs = vec![vec![delta(&[(row, 1), (other, 1), (row, 1)]), delta(&[(other, -1), (row, 1)])]];
    let out = Consolidate::new(schema()).step(inputs).unwrap();
    assert_eq!(out.iter().map(Delta::num_rows).sum::<usize>(), 1);
    assert_eq!(out[0].weight(0), 3);
}

// Top rows ------------------------------------------------------------------------------------------------------------------------

/// What a top-N is asked for. Order keys: none; the value descending, nulls last; then the key descending, nulls last. Ties are
/// in the order of the row's columns, nulls first.
#[derive(Clone, Debug)]
struct Top {
    partitioned: bool,
    numbered: bool,
    keys: usize,
    limit: Option<u64>,
    offset: u64,
}

fn tops() -> impl Strategy<Value = Top> {
    let all = (any::<bool>(), any::<bool>(), 0usize..3, prop::option::of(0u64..4), 0u64..3);
    all.prop_map(|(partitioned, numbered, keys, limit, offset)| Top { partitioned, numbered, keys, limit, offset })
}

fn make_top(top: &Top, append_only: bool, tree: bool) -> Box<dyn Operator> {
    let column = |name| col(name, &schema()).unwrap();
    let partition = if top.partitioned { vec![column("k")] } else { Vec::new() };
    let options = arrow::compute::SortOptions { descending: true, nulls_first: false };
    let order_by = ["v", "k"][..top.keys].iter().map(|c| PhysicalSortExpr::new(column(c), options)).collect();
    let row_number = top.numbered.then(|| Arc::new(Field::new("n", DataType::Int64, false)));
    let spec = TopNSpec { input: schema(), partition, order_by, limit: top.limit, offset: top.offset, row_number, append_only };
    if tree { Box::new(TopN::new(spec).unwrap()) } else { spec.operator().unwrap() }
}

fn top_rows_of(top: &Top, input: &Bag<Row>) -> Bag<Cells> {
    let mut rows: Vec<Row> = input.iter().flat_map(|(r, w)| std::iter::repeat_n(*r, *w as usize)).collect();
    let descending = |value: Option<i64>, used: bool| (used && value.is_none(), value.filter(|_| used).map(|v| -v));
    rows.sort_by_key(|r| (descending(r.1, top.keys > 0), descending(r.0, top.keys > 1), r.0, r.1, text(r.2)));
    let mut ranks: BTreeMap<Option<i64>, u64> = BTreeMap::new();
    let mut out = Bag::new();
    for row in rows {
        let rank = ranks.entry(row.0.filter(|_| top.partitioned)).or_default();
        *rank += 1;
        if *rank > top.offset && top.limit.is_none_or(|l| *rank <= top.offset + l) {
            let number = top.numbered.then(|| rank.to_string());
            add(&mut out, row_cells(&row).into_iter().chain(number).collect(), 1);
        }
    }
    out
}

/// `tree` asks for the operator that serves any spec.
fn check_top(events: &[Event], top: &Top, retracting: bool, tree: bool) {
    let make = || make_top(top, !retracting, tree);
    check(&make, 1, None, events, retracting, &|inputs| top_rows_of(top, &inputs[0]));
}

#[test]
fn only_ranks_that_are_touched_are_given_again() {
    let top = Top { partitioned: true, numbered: true, keys: 1, limit: Some(10), offset: 0 };
    let mut operator = make_top(&top, false, true);
    let mut ranks = |rows: &[(Row, i64)]| -> Vec<(i64, i64)> {
        let out = operator.step(vec![vec![delta(rows)]]).unwrap();
        let column = |delta: &Delta, i: usize| delta.batch.column(i).as_primitive::<Int64Type>().values().to_vec();
        let mut ranks: Vec<(i64, i64)> = out.iter().flat_map(|d| column(d, 0).into_iter().zip(column(d, 3))).collect();
        ranks.sort_unstable();
        ranks
    };
    let row = |k, v| ((Some(k), Some(v), 0), 1);
    let all: Vec<(Row, i64)> = (0..100).flat_map(|k| (0..50).map(move |v| row(k, 2 * v))).collect();
    assert_eq!(ranks(&all).len(), 1_000);
    assert!(ranks(&[row(7, 1)]).is_empty());
    // Between the eighth, 84, and the ninth, 82.
    assert_eq!(ranks(&[row(7, 83)]), vec![(7, 9), (7, 9), (7, 10), (7, 10)]);
    assert_eq!(ranks(&[row(8, 79), row(9, 81)]), vec![(9, 10), (9, 10)]);
}

// Tables -------------------------------------------------------------------------------------------------------------------------

/// Events of a table: (key, value, upsert, step ends). By row, the key is used as a row id if such a row was inserted.
fn check_upsert(events: &[(i64, i64, bool, bool)], by_row: bool) {
    let fields = vec![
        Field::new("k", DataType::Int64, true),
        Field::new("v", DataType::Int64, true),
        Field::new("_op", DataType::Int8, false),
        Field::new("_row", DataType::Int64, true),
        Field::new("_position", DataType::Int64, false),
    ];
    let input = Arc::new(Schema::new(fields));
    let make = || {
        let identity = if by_row { Identity::Row { row: 3, position: 4 } } else { Identity::Key(vec![0]) };
        Upsert::new(input.clone(), identity, 2, if by_row { vec![3, 1] } else { vec![0, 1] }).unwrap()
    };
    let mut upsert = make();
    let mut output = Output::new(upsert.schema(), Some(vec![0]), false);
    let mut table: BTreeMap<i64, i64> = BTreeMap::new();
    let mut pending = Vec::new();
    for (position, &(key, value, put, step)) in events.iter().enumerate() {
        let row = (by_row && position > key as usize && value != 0).then_some(key);
        let put = put || by_row && row.is_none();
        let identity = if by_row { row.unwrap_or(position as i64) } else { key };
        if put {
            table.insert(identity, value)
        } else {
            table.remove(&identity)
        };
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(vec![key])),
            Arc::new(Int64Array::from(vec![value])),
            Arc::new(Int8Array::from(vec![if put { 1 } else { -1 }])),
            Arc::new(Int64Array::from(vec![row])),
            Arc::new(Int64Array::from(vec![position as i64])),
        ];
        pending.push(Delta::insert(RecordBatch::try_new(input.clone(), columns).unwrap()));
        if !step {
            continue;
        }
        let out = upsert.step(vec![std::mem::take(&mut pending)]).unwrap();
        output.apply(out).unwrap();
        let expected: Bag<Cells> = table.iter().map(|(k, v)| (vec![k.to_string(), v.to_string()], 1)).collect();
        assert_eq!(snapshot_bag(&output), expected);
        for key in 0..6 {
            let found = output.lookup(&[ScalarValue::Int64(Some(key))]).unwrap().map(|b| b.column(1).as_primitive::<Int64Type>().value(0));
            assert_eq!(found, table.get(&key).copied());
            assert_eq!(output.lookup_i64(key).unwrap().is_some(), found.is_some());
        }
        let bytes = saved(|out| upsert.save(out));
        upsert = make();
        upsert.load(&mut StateReader::new(&bytes).unwrap()).unwrap();
    }
}

#[test]
fn float_sums_do_not_depend_on_order_and_can_be_retracted() {
    let input = Arc::new(Schema::new(vec![Field::new("x", DataType::Float64, true)]));
    let calls = vec![call(AggregateKind::Sum, vec![col("x", &input).unwrap()], false, DataType::Float64)];
    let schema = Arc::new(Schema::new(vec![calls[0].field.clone()]));
    let mut sum = Aggregate::new(Vec::new(), calls, input.clone(), schema, false).unwrap();
    let batch = RecordBatch::try_new(input, vec![Arc::new(Float64Array::from(vec![1e300, 0.1, 0.2, 1e300]))]).unwrap();
    let mut all = Bag::new();
    sum_up(&mut all, &sum.step(vec![vec![Delta::weighted(batch, vec![1, 1, 1, -1].into())]]).unwrap());
    assert_eq!(all, Bag::from([(vec!["0.30000000000000004".to_string()], 1)]));
    sum_up(&mut all, &sum.step(vec![vec![]]).unwrap());
    assert_eq!(all.len(), 1);
}

#[test]
fn functions_of_datafusion_and_ordered_ones_follow_retractions() {
    use datafusion::functions_aggregate::string_agg::string_agg_udaf;
    use datafusion::physical_expr::aggregate::AggregateExprBuilder;
    let column = |name| col(name, &schema()).unwrap();
    let order_by = vec![PhysicalSortExpr { expr: column("v"), options: arrow::compute::SortOptions::default() }];
    let function = AggregateExprBuilder::new(string_agg_udaf(), vec![column("t"), lit("+")]);
    let function = Arc::new(function.schema(schema()).order_by(order_by.clone()).alias("a").build().unwrap());
    let mut joined =
        call(AggregateKind::Generic(function.clone()), vec![column("t"), lit("+")], false, function.field().data_type().clone());
    joined.order_by = order_by.clone();
    let mut last = call(AggregateKind::Last { ignore_nulls: true }, vec![column("k")], false, DataType::Int64);
    last.order_by = order_by;
    let fields = [schema().fields()[0].clone(), joined.field.clone(), last.field.clone()];
    let output = Arc::new(Schema::new(fields.to_vec()));
    let mut operator = Aggregate::new(vec![column("k")], vec![joined, last], schema(), output, false).unwrap();
    let mut sum = Bag::new();
    let step = |operator: &mut Aggregate, sum: &mut Bag<Cells>, rows: &[(Row, i64)]| {
        sum_up(sum, &operator.step(vec![vec![delta(rows)]]).unwrap());
    };
    let row = |v, t| (Some(1), Some(v), t);
    step(&mut operator, &mut sum, &[(row(3, 1), 1), (row(1, 2), 1), (row(2, 1), 2)]);
    let long = text(2).unwrap();
    assert_eq!(sum, Bag::from([(vec!["1".to_string(), format!("{long}+short+short+short"), "1".to_string()], 1)]));
    step(&mut operator, &mut sum, &[(row(1, 2), -1), (row(2, 1), -1), (row(5, 2), 1)]);
    assert_eq!(sum, Bag::from([(vec!["1".to_string(), format!("short+short+{long}"), "1".to_string()], 1)]));
    step(&mut operator, &mut sum, &[(row(3, 1), -1), (row(2, 1), -1), (row(5, 2), -1)]);
    assert_eq!(sum, Bag::new());
}
