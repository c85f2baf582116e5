//! The contract for recursive queries, over random graphs whose edges come and go: port 0 has what a walk begins with, port 1 the edges.

use std::collections::BTreeSet;

use datafusion::physical_expr::expressions::CastExpr;

use super::*;

/// A tree of operators as one.
struct Tree {
    flow: Flow,
}

impl Operator for Tree {
    fn name(&self) -> &'static str {
        "Tree"
    }
    fn detail(&self) -> String {
        String::new()
    }
    fn schema(&self) -> SchemaRef {
        self.flow.schema()
    }
    fn step(&mut self, inputs: Vec<Vec<Delta>>) -> Result<Vec<Delta>> {
        self.flow.step(&inputs)
    }
    fn state_bytes(&self) -> usize {
        self.flow.state_bytes()
    }
    fn save(&self, out: &mut StateWriter<'_>) -> Result<()> {
        self.flow.save(out)
    }
    fn load(&mut self, input: &mut StateReader<'_>) -> Result<()> {
        self.flow.load(input)
    }
}

fn integers(names: &[&str]) -> SchemaRef {
    Arc::new(Schema::new(names.iter().map(|name| Field::new(*name, DataType::Int64, true)).collect::<Vec<_>>()))
}

fn at(schema: &SchemaRef, index: usize) -> Expr {
    Arc::new(datafusion::physical_expr::expressions::Column::new(schema.field(index).name(), index))
}

fn projected(flow: Flow, exprs: Vec<Expr>, schema: SchemaRef) -> Flow {
    Flow::node(Box::new(Project::new(exprs, schema)), vec![flow])
}

fn rising(flow: Flow) -> Flow {
    let rises = binary(col("k", &schema()).unwrap(), Op::Lt, col("v", &schema()).unwrap(), &schema()).unwrap();
    Flow::node(Box::new(Filter::new(rises, schema())), vec![flow])
}

/// The working table's rows joined with the edges that begin at their second column: both sides' columns.
fn followed(recursion: &Recursion, edges: Flow) -> Flow {
    let working = recursion.working();
    let both = [working.fields().to_vec(), schema().fields().to_vec()].concat();
    let spec = JoinSpec {
        kind: JoinType::Inner,
        on: vec![(at(&working, 1), at(&schema(), 0))],
        residual: None,
        null_equals_null: false,
        null_aware: false,
        left: working.clone(),
        right: schema(),
        schema: Arc::new(Schema::new(both)),
        left_append_only: false,
        right_append_only: false,
    };
    Flow::node(Box::new(Join::new(spec).unwrap()), vec![Flow::working(working), edges])
}

fn start(columns: SchemaRef, exprs: Vec<Expr>) -> Flow {
    projected(Flow::source(0, schema()), exprs, columns)
}

/// `start(a, b) UNION [ALL] SELECT [DISTINCT] w.a, edge.v FROM w JOIN edge ON edge.k = w.b`; with UNION ALL of edges that rise.
fn make_walk(union: bool, distinct: bool) -> Box<dyn Operator> {
    Box::new(Tree { flow: walk(union, distinct) })
}

fn walk(union: bool, distinct: bool) -> Flow {
    let columns = integers(&["a", "b"]);
    let recursion = Recursion::new("w".into(), columns.clone(), union).unwrap();
    let edges = Flow::source(1, schema());
    let joined = followed(&recursion, if union { edges } else { rising(edges) });
    let from = joined.schema();
    let mut term = projected(joined, [0, 4, 2].map(|i| at(&from, i)).to_vec(), recursion.working());
    if distinct {
        term = Flow::node(Box::new(Distinct::new(recursion.working()).unwrap()), vec![term]);
    }
    Flow::recursive(start(columns, vec![at(&schema(), 0), at(&schema(), 1)]), term, recursion)
}

type Pair = (Option<i64>, Option<i64>);

fn walked(union: bool, distinct: bool, inputs: &[Bag<Row>]) -> Bag<Cells> {
    let mut level: Bag<Pair> = Bag::new();
    inputs[0].iter().for_each(|(r, w)| add(&mut level, (r.0, r.1), *w));
    let mut all: Bag<Pair> = Bag::new();
    loop {
        if union {
            level = level.into_keys().filter(|row| !all.contains_key(row)).map(|row| (row, 1)).collect();
        }
        if level.is_empty() {
            break all.into_iter().map(|((a, b), w)| (vec![cell(a), cell(b)], w)).collect();
        }
        level.iter().for_each(|(row, w)| add(&mut all, *row, *w));
        let mut next = Bag::new();
        for ((a, b), w) in &level {
            let follows = |r: &Row| b.is_some() && r.0 == *b && (union || r.0 < r.1 && r.1.is_some());
            inputs[1].iter().filter(|(r, _)| follows(r)).for_each(|(r, m)| add(&mut next, (*a, r.1), w * m));
        }
        level = if distinct { next.into_keys().map(|row| (row, 1)).collect() } else { next };
    }
}

/// `start(0, b) UNION SELECT w.steps + 1, edge.v FROM w JOIN edge ON edge.k = w.b WHERE w.steps < 3`.
fn make_steps() -> Box<dyn Operator> {
    let columns = integers(&["steps", "b"]);
    let recursion = Recursion::new("w".into(), columns.clone(), true).unwrap();
    let joined = followed(&recursion, Flow::source(1, schema()));
    let from = joined.schema();
    let bound = binary(at(&from, 0), Op::Lt, lit(3i64), &from).unwrap();
    let bounded = Flow::node(Box::new(Filter::new(bound, from.clone())), vec![joined]);
    let next = binary(at(&from, 0), Op::Plus, lit(1i64), &from).unwrap();
    let term = projected(bounded, vec![next, at(&from, 4), at(&from, 2)], recursion.working());
    let first = start(columns, vec![lit(0i64), at(&schema(), 1)]);
    Box::new(Tree { flow: Flow::recursive(first, term, recursion) })
}

fn steps(inputs: &[Bag<Row>]) -> Bag<Cells> {
    let mut level: BTreeSet<Option<i64>> = inputs[0].keys().map(|r| r.1).collect();
    let mut out = Bag::new();
    for steps in 0..=3i64 {
        level.iter().for_each(|b| add(&mut out, vec![cell(steps), cell(*b)], 1));
        let follow = |b: &Option<i64>| inputs[1].keys().filter(|r| b.is_some() && r.0 == *b).map(|r| r.1).collect::<Vec<_>>();
        level = level.iter().flat_map(follow).collect();
    }
    out
}

fn float(expr: Expr) -> Expr {
    Arc::new(CastExpr::new(expr, DataType::Float64, None))
}

/// `start(0.0 * v, v) UNION SELECT w.zero * (edge.k - 1.5), edge.v FROM w JOIN edge ON edge.k = w.b`: of equal rows one may show 0 and the
/// other -0, and so may what the term makes of them.
fn make_signed() -> Box<dyn Operator> {
    let fields = vec![Field::new("zero", DataType::Float64, true), Field::new("b", DataType::Int64, true)];
    let columns = Arc::new(Schema::new(fields));
    let recursion = Recursion::new("w".into(), columns.clone(), true).unwrap();
    let joined = followed(&recursion, Flow::source(1, schema()));
    let from = joined.schema();
    let less = binary(float(at(&from, 3)), Op::Minus, lit(1.5), &from).unwrap();
    let next = binary(at(&from, 0), Op::Multiply, less, &from).unwrap();
    let term = projected(joined, vec![next, at(&from, 4), at(&from, 2)], recursion.working());
    let zero = binary(lit(0.0), Op::Multiply, float(at(&schema(), 1)), &schema()).unwrap();
    Box::new(Tree { flow: Flow::recursive(start(columns, vec![zero, at(&schema(), 1)]), term, recursion) })
}

/// Of equal rows of a step the one that shows 0 is there.
fn signed(inputs: &[Bag<Row>]) -> Bag<Cells> {
    let mut level: Vec<(Option<f64>, Option<i64>)> = inputs[0].keys().map(|r| (r.1.map(|v| 0.0 * v as f64), r.1)).collect();
    let mut all: BTreeMap<(bool, Option<i64>), Option<f64>> = BTreeMap::new();
    while !level.is_empty() {
        level.sort_by_key(|(zero, b)| (*b, zero.is_none(), zero.is_some_and(f64::is_sign_negative)));
        level.dedup_by_key(|(zero, b)| (*b, zero.is_none()));
        level.retain(|(zero, b)| !all.contains_key(&(zero.is_none(), *b)));
        all.extend(level.iter().map(|(zero, b)| ((zero.is_none(), *b), *zero)));
        let follow = |(zero, b): &(Option<f64>, Option<i64>)| {
            let edges = inputs[1].keys().filter(|r| b.is_some() && r.0 == *b);
            edges.map(|r| (zero.zip(r.0).map(|(zero, k)| zero * (k as f64 - 1.5)), r.1)).collect::<Vec<_>>()
        };
        level = level.iter().flat_map(follow).collect();
    }
    all.into_iter().map(|((_, b), zero)| (vec![cell(zero), cell(b)], 1)).collect()
}

/// Two recursive queries, the second of which begins with the first one's rows and follows them too.
fn make_nested() -> Box<dyn Operator> {
    let inner = || {
        let columns = integers(&["k", "v"]);
        let recursion = Recursion::new("w".into(), columns.clone(), true).unwrap();
        let joined = followed(&recursion, Flow::source(1, schema()));
        let from = joined.schema();
        let term = projected(joined, [0, 4, 2].map(|i| at(&from, i)).to_vec(), recursion.working());
        let reached = Flow::recursive(start(columns, vec![at(&schema(), 0), at(&schema(), 1)]), term, recursion);
        let from = reached.schema();
        projected(reached, vec![at(&from, 0), at(&from, 1), lit(ScalarValue::Utf8View(None))], schema())
    };
    let columns = integers(&["a", "b"]);
    let recursion = Recursion::new("x".into(), columns.clone(), true).unwrap();
    let joined = followed(&recursion, inner());
    let from = joined.schema();
    let term = projected(joined, [0, 4, 2].map(|i| at(&from, i)).to_vec(), recursion.working());
    let first = projected(inner(), vec![at(&schema(), 0), at(&schema(), 1)], columns);
    Box::new(Tree { flow: Flow::recursive(first, term, recursion) })
}

fn nested(inputs: &[Bag<Row>]) -> Bag<Cells> {
    let reach = |pairs: BTreeSet<Pair>, edges: &BTreeSet<Pair>| {
        let mut all = pairs;
        loop {
            let follow = |(a, b): &Pair| edges.iter().filter(|e| b.is_some() && e.0 == *b).map(|e| (*a, e.1)).collect::<Vec<_>>();
            let more: BTreeSet<Pair> = all.iter().flat_map(follow).chain(all.iter().copied()).collect();
            if more.len() == all.len() {
                break all;
            }
            all = more;
        }
    };
    let pairs = |port: usize| inputs[port].keys().map(|r| (r.0, r.1)).collect::<BTreeSet<Pair>>();
    let inner = reach(pairs(0), &pairs(1));
    reach(inner.clone(), &inner).into_iter().map(|(a, b)| (vec![cell(a), cell(b)], 1)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn walks_on_graphs_with_circles(events in events(2, true), distinct: bool) {
        check(&|| make_walk(true, distinct), 2, Some(vec![0, 1]), &events, true, &|inputs| walked(true, distinct, inputs));
    }

    #[test]
    fn all_ways_on_rising_graphs(events in events(2, true), distinct: bool) {
        check(&|| make_walk(false, distinct), 2, None, &events, true, &|inputs| walked(false, distinct, inputs));
    }

    #[test]
    fn walks_of_so_many_steps(events in events(2, true)) {
        check(&make_steps, 2, None, &events, true, &steps);
    }

    #[test]
    fn rows_that_are_equal_and_differ(events in events(2, true)) {
        check(&make_signed, 2, Some(vec![0, 1]), &events, true, &signed);
    }

    #[test]
    fn a_walk_on_another_one(events in events(2, true)) {
        check(&make_nested, 2, None, &events, true, &nested);
    }
}

#[test]
fn a_report_has_both_terms_below_the_recursion() {
    let names: Vec<_> = walk(true, false).operators().iter().map(|o| (o.depth, o.name)).collect();
    let below = [(1, "Project"), (2, "Source"), (1, "Project"), (2, "Join"), (3, "WorkingTable"), (3, "Source")];
    assert_eq!(names[0], (0, "Recursion"));
    assert_eq!(names[1..], below);
}

/// `start(k) UNION ALL SELECT n + 1 FROM w`.
fn endless(bytes_max: usize) -> Flow {
    let columns = integers(&["n"]);
    let recursion = Recursion::new("w".into(), columns.clone(), false).unwrap().bounded(bytes_max);
    let working = recursion.working();
    let next = binary(at(&working, 0), Op::Plus, lit(1i64), &working).unwrap();
    let term = projected(Flow::working(working.clone()), vec![next, at(&working, 1)], working);
    Flow::recursive(start(columns, vec![at(&schema(), 0)]), term, recursion)
}

#[test]
fn an_endless_recursion_fails_by_its_bytes() {
    let mut flow = endless(4_096);
    let rows = [((Some(1), None, 0), 1)];
    assert_eq!(flow.step(&[vec![delta(&rows)]]).unwrap_err().code(), crate::error::code::CONFIGURATION_LIMIT_EXCEEDED);
}

#[test]
fn an_endless_recursion_stops_when_it_is_asked_to() {
    let (mut flow, stop) = (endless(usize::MAX), Stop::default());
    flow.stop_by(&stop);
    let rows = [((Some(1), None, 0), 1)];
    let step = std::thread::spawn(move || flow.step(&[vec![delta(&rows)]]).unwrap_err());
    stop.ask();
    assert_eq!(step.join().unwrap().code(), crate::error::code::QUERY_CANCELED);
}
