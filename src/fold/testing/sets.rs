//! The contract for what makes several rows of one, and for counts of rows: Expand, Unnest, SetOperation.

use arrow::array::{Int64Builder, ListBuilder};

use super::*;

// GROUPING SETS (k, v), (k), (): count(*) and sum(v) of each group.

fn make_rollup() -> Box<dyn Operator> {
    let column = |name| col(name, &schema()).unwrap();
    let set = |masked: [bool; 2], id| GroupingSet { masked: masked.to_vec(), id };
    let sets = vec![set([false, false], 0), set([false, true], 1), set([true, true], 3)];
    let mut fields: Vec<FieldRef> = schema().fields()[..2].to_vec();
    fields.push(Arc::new(Field::new("id", DataType::UInt8, false)));
    let expand = Expand::new(vec![column("k"), column("v")], sets, fields.clone(), &schema());
    let expanded = expand.schema();
    let key = |i: usize| Arc::new(datafusion::physical_expr::expressions::Column::new(expanded.field(i).name(), i)) as Expr;
    let value = Arc::new(datafusion::physical_expr::expressions::Column::new("v", 4)) as Expr;
    let calls = vec![
        call(AggregateKind::Count, Vec::new(), false, DataType::Int64),
        call(AggregateKind::Sum, vec![value], false, DataType::Decimal128(38, 0)),
    ];
    fields.extend(calls.iter().map(|c| c.field.clone()));
    let standing = expand.empty_groups().unwrap();
    let groups = (0..3).map(key).collect();
    let aggregate = Aggregate::new(groups, calls, expanded.clone(), Arc::new(Schema::new(fields)), false).unwrap();
    let aggregate = aggregate.with_standing(&standing.0, standing.1).unwrap();
    Box::new(Chain { below: Box::new(expand), above: Box::new(aggregate) })
}

/// Two operators, one above the other.
struct Chain {
    below: Box<dyn Operator>,
    above: Box<dyn Operator>,
}

impl Operator for Chain {
    fn name(&self) -> &'static str {
        self.above.name()
    }
    fn detail(&self) -> String {
        self.above.detail()
    }
    fn schema(&self) -> SchemaRef {
        self.above.schema()
    }
    fn step(&mut self, inputs: Vec<Vec<Delta>>) -> Result<Vec<Delta>> {
        let between = self.below.step(inputs)?;
        self.above.step(vec![between])
    }
    fn state_bytes(&self) -> usize {
        self.below.state_bytes() + self.above.state_bytes()
    }
    fn save(&self, out: &mut StateWriter<'_>) -> Result<()> {
        self.below.save(out)?;
        self.above.save(out)
    }
    fn load(&mut self, input: &mut StateReader<'_>) -> Result<()> {
        self.below.load(input)?;
        self.above.load(input)
    }
}

fn rolled_up(input: &Bag<Row>) -> Bag<Cells> {
    type Key = (Option<i64>, Option<i64>, u8);
    let mut groups: BTreeMap<Key, (i64, Option<i128>)> = BTreeMap::from([((None, None, 3), (0, None))]);
    for (row, weight) in input {
        for key in [(row.0, row.1, 0), (row.0, None, 1), (None, None, 3)] {
            let (count, sum) = groups.entry(key).or_default();
            *count += weight;
            if let Some(v) = row.1 {
                *sum = Some(sum.unwrap_or(0) + i128::from(v) * i128::from(*weight));
            }
        }
    }
    let row = |((k, v, id), (count, sum)): (Key, (i64, Option<i128>))| {
        let cells = vec![cell(k), cell(v), cell(id), cell(count), ScalarValue::Decimal128(sum, 38, 0).to_string()];
        (cells, 1)
    };
    groups.into_iter().map(row).collect()
}

/// A row's array: as many elements as the key says, counted up from the value; NULL without a key.
fn array_of(row: &Row) -> Option<Vec<Option<i64>>> {
    row.0.map(|length| (0..length).map(|i| row.1.map(|v| v + i)).collect())
}

/// Puts an array of each row behind its columns.
struct WithArray {
    schema: SchemaRef,
}

impl Operator for WithArray {
    fn name(&self) -> &'static str {
        "WithArray"
    }
    fn detail(&self) -> String {
        String::new()
    }
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
    fn step(&mut self, inputs: Vec<Vec<Delta>>) -> Result<Vec<Delta>> {
        let with_array = |delta: &Delta| {
            let (keys, values) = (delta.batch.column(0).as_primitive::<Int64Type>(), delta.batch.column(1).as_primitive::<Int64Type>());
            let mut lists = ListBuilder::new(Int64Builder::new());
            for (k, v) in keys.iter().zip(values) {
                lists.append_option(array_of(&(k, v, 0)));
            }
            let mut columns = delta.batch.columns().to_vec();
            columns.push(Arc::new(lists.finish()));
            delta.with_batch(RecordBatch::try_new(self.schema.clone(), columns).unwrap())
        };
        Ok(inputs[0].iter().map(with_array).collect())
    }
}

fn make_unnest(outer: bool) -> Box<dyn Operator> {
    let list = Field::new("a", DataType::List(Arc::new(Field::new_list_field(DataType::Int64, true))), true);
    let mut fields = schema().fields().to_vec();
    fields.push(Arc::new(list));
    let below = WithArray { schema: Arc::new(Schema::new(fields.clone())) };
    fields[3] = Arc::new(Field::new("a", DataType::Int64, true));
    let columns = (0..4).map(|input| UnnestColumn { input, expand: input == 3 }).collect();
    let above = Unnest::new(columns, outer, Arc::new(Schema::new(fields)));
    Box::new(Chain { below: Box::new(below), above: Box::new(above) })
}

fn unnested(outer: bool, input: &Bag<Row>) -> Bag<Cells> {
    let mut out = Bag::new();
    for (row, weight) in input {
        let mut elements = array_of(row).unwrap_or_default();
        if outer && elements.is_empty() {
            elements.push(None);
        }
        elements.into_iter().for_each(|e| add(&mut out, [row_cells(row), vec![cell(e)]].concat(), *weight));
    }
    out
}

fn counted(kind: SetOperationKind, inputs: &[Bag<Row>]) -> Bag<Cells> {
    let mut out = Bag::new();
    for (row, left) in &inputs[0] {
        let right = inputs[1].get(row).copied().unwrap_or(0);
        let copies = match kind {
            SetOperationKind::ExceptAll => (left - right).max(0),
            SetOperationKind::IntersectAll => *left.min(&right),
        };
        add(&mut out, row_cells(row), copies);
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn grouping_sets(events in events(1, true)) {
        // The row of the total stays.
        check_but(&make_rollup, 1, Some(vec![0, 1, 2]), &events, true, &|inputs| rolled_up(&inputs[0]), false);
    }

    #[test]
    fn unnested_arrays(events in events(1, true), outer: bool) {
        check(&|| make_unnest(outer), 1, None, &events, true, &|inputs| unnested(outer, &inputs[0]));
    }

    #[test]
    fn multisets(events in events(2, true), intersect: bool) {
        let kind = if intersect { SetOperationKind::IntersectAll } else { SetOperationKind::ExceptAll };
        check(&|| Box::new(SetOperation::new(kind, schema()).unwrap()), 2, None, &events, true, &|inputs| counted(kind, inputs));
    }
}
