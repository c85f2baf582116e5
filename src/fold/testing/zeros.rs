//! -0 and 0, which are equal and look otherwise: which of them a group shows does not depend on how it came about.

use datafusion::physical_expr::expressions::cast;

use super::*;

/// 0 where the value is negative and else -0.
fn zero() -> Expr {
    let value = cast(col("v", &schema()).unwrap(), &schema(), DataType::Float64).unwrap();
    binary(value, Op::Multiply, lit(-0.0f64), &schema()).unwrap()
}

/// The zeros of each key, or of each of them.
fn make_zeros(by_zero: bool, append_only: bool) -> Box<dyn Operator> {
    let float = |kind, distinct| call(kind, vec![zero()], distinct, DataType::Float64);
    let calls = vec![
        float(AggregateKind::Max, false),
        float(AggregateKind::Min, false),
        float(AggregateKind::Sum, false),
        float(AggregateKind::Sum, true),
        float(AggregateKind::Avg, false),
        call(AggregateKind::Count, vec![zero()], true, DataType::Int64),
    ];
    let (key, ty) = if by_zero { (zero(), DataType::Float64) } else { (col("k", &schema()).unwrap(), DataType::Int64) };
    let mut fields: Vec<FieldRef> = vec![Arc::new(Field::new("key", ty, true))];
    fields.extend(calls.iter().map(|c| c.field.clone()));
    Box::new(Aggregate::new(vec![key], calls, schema(), Arc::new(Schema::new(fields)), append_only).unwrap())
}

fn folded(by_zero: bool, input: &Bag<Row>) -> Bag<Cells> {
    let mut groups: BTreeMap<String, Vec<bool>> = BTreeMap::new();
    for row in input.keys() {
        let key = if by_zero { cell(row.1.map(|_| 0.0)) } else { cell(row.0) };
        groups.entry(key).or_default().extend(row.1.map(|v| v >= 0));
    }
    let shown = |is_minus: bool| if is_minus { -0.0 } else { 0.0 };
    let group = |(key, zeros): (String, Vec<bool>)| {
        let all = (!zeros.is_empty()).then(|| shown(zeros.iter().all(|z| *z)));
        let least = (!zeros.is_empty()).then(|| shown(zeros.contains(&true)));
        let plain = all.map(|_| 0.0);
        (vec![key, cell(all), cell(least), cell(all), cell(plain), cell(plain), cell(i64::from(all.is_some()))], 1)
    };
    groups.into_iter().map(group).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn zeros_of_groups(events in events(1, true), by_zero: bool) {
        check(&|| make_zeros(by_zero, false), 1, Some(vec![0]), &events, true, &|inputs| folded(by_zero, &inputs[0]));
    }

    #[test]
    fn zeros_of_groups_that_grow(events in events(1, false), by_zero: bool) {
        check(&|| make_zeros(by_zero, true), 1, Some(vec![0]), &events, false, &|inputs| folded(by_zero, &inputs[0]));
    }
}
