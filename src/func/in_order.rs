//! array_agg and string_agg with ORDER BY: the rows of all groups in one place, sorted when they are asked for.
//!
//! DataFusion keeps each value, and what it is ordered by, as values of their own, group by group. Here a row is one run of bytes in arrow's row
//! format, what it is ordered by first and then the value, so that rows are compared as bytes: those that tie in their order are in that of
//! their values, which is how a view has them. Cost: encoding, and a sort of each group that only merges where rows come in runs.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, BooleanArray, LargeBinaryBuilder, ListArray, StringViewArray, new_empty_array};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::{cast, filter};
use arrow::datatypes::{DataType, Field, FieldRef};
use arrow::row::{RowConverter, Rows, SortField};
use datafusion::common::{Result as DfResult, ScalarValue, internal_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{Accumulator, EmitTo, GroupsAccumulator};

use super::string_agg::check_size;
use crate::error::{Error, code};

/// What becomes of the values of a group.
#[derive(Debug)]
pub(super) enum Made {
    /// An array, with the field of its items.
    Array(FieldRef),
    /// Text, with this between the values; NULL is left out.
    Text(String),
    /// The same of bytea.
    Bytes(Vec<u8>),
}

/// True for calls that [`InOrder`] is for, of values of this type.
pub(super) fn is_for(is_distinct: bool, is_ordered: bool, value: Option<&DataType>) -> bool {
    !is_distinct && is_ordered && value.is_some_and(|ty| RowConverter::supports_fields(&[SortField::new(ty.clone())]))
}

/// The state of such a call: its rows.
pub(super) fn state_fields(args: &StateFieldsArgs) -> Vec<FieldRef> {
    vec![Field::new_list(format!("{}[in order]", args.name), row_field(), true).into()]
}

fn row_field() -> Field {
    Field::new_list_field(DataType::LargeBinary, true)
}

/// The rows of numbered groups; of group 0 where there is one.
#[derive(Debug)]
pub(super) struct InOrder {
    made: Made,
    converter: RowConverter,
    rows: Rows,
    /// The group of each row.
    groups: Vec<usize>,
    /// How many groups there are.
    count: usize,
    /// Number of expressions that are ordered by.
    order: usize,
    value: DataType,
    skips_nulls: bool,
}

impl InOrder {
    /// The accumulator of a call that it is for.
    pub fn new(args: &AccumulatorArgs, made: Made) -> DfResult<Self> {
        let Some(value) = args.expr_fields.first().map(|field| field.data_type().clone()) else {
            return internal_err!("{} gathers no values", args.name);
        };
        let mut fields = Vec::with_capacity(args.order_bys.len() + 1);
        for by in args.order_bys {
            fields.push(SortField::new_with_options(by.expr.data_type(args.schema)?, by.options));
        }
        fields.push(SortField::new(value.clone()));
        let converter = RowConverter::new(fields)?;
        let rows = converter.empty_rows(0, 0);
        let skips_nulls = args.ignore_nulls || !matches!(made, Made::Array(_));
        Ok(InOrder { made, converter, rows, groups: Vec::new(), count: 0, order: args.order_bys.len(), value, skips_nulls })
    }

    /// What is ordered by, and the value behind it, of arguments behind which stands what is ordered by.
    fn keyed(&self, columns: &[ArrayRef]) -> DfResult<Vec<ArrayRef>> {
        let (Some(value), Some(at)) = (columns.first(), columns.len().checked_sub(self.order)) else {
            return internal_err!("an ordered aggregate is given {} columns", columns.len());
        };
        Ok(columns[at..].iter().chain([value]).cloned().collect())
    }

    /// Which rows count.
    fn is_wanted(&self, value: &ArrayRef, wanted: Option<&BooleanArray>) -> BooleanArray {
        let passes = |row: usize| wanted.is_none_or(|mask| mask.is_valid(row) && mask.value(row));
        let row = |row: usize| Some(passes(row) && !(self.skips_nulls && value.is_null(row)));
        (0..value.len()).map(row).collect()
    }

    fn take(&mut self, columns: &[ArrayRef], group: impl Fn(usize) -> usize, wanted: Option<&BooleanArray>) -> DfResult<()> {
        let mut keyed = self.keyed(columns)?;
        let value = &keyed[self.order];
        if wanted.is_none() && !(self.skips_nulls && value.null_count() > 0) {
            self.groups.extend((0..value.len()).map(group));
        } else {
            let mask = self.is_wanted(value, wanted);
            self.groups.extend(mask.values().set_indices().map(group));
            keyed = keyed.iter().map(|column| Ok(filter(column, &mask)?)).collect::<DfResult<_>>()?;
        }
        self.converter.append(&mut self.rows, &keyed)?;
        Ok(())
    }

    fn take_states(&mut self, states: &[ArrayRef], group: impl Fn(usize) -> usize) -> DfResult<()> {
        let Some(lists) = states.first().and_then(|state| state.as_list_opt::<i32>()) else {
            return internal_err!("the state of an ordered aggregate is no list");
        };
        let parser = self.converter.parser();
        for list in (0..lists.len()).filter(|list| lists.is_valid(*list)) {
            let rows = lists.value(list);
            for row in rows.as_binary::<i64>().iter().flatten() {
                self.rows.push(parser.parse(row));
                self.groups.push(group(list));
            }
        }
        Ok(())
    }

    /// The rows of the first groups, group by group, each in the order in which they came; and where each group begins.
    fn by_group(&self, groups: usize) -> (Vec<usize>, Vec<usize>) {
        let mut starts = vec![0; groups + 1];
        for group in self.groups.iter().filter(|group| **group < groups) {
            starts[group + 1] += 1;
        }
        for group in 0..groups {
            starts[group + 1] += starts[group];
        }
        let mut next = starts.clone();
        let mut rows = vec![0; starts[groups]];
        for (row, group) in self.groups.iter().enumerate().filter(|(_, group)| **group < groups) {
            rows[next[*group]] = row;
            next[*group] += 1;
        }
        (rows, starts)
    }

    /// What is made of the first groups. Errors: 54000 for more bytes than arrow's arrays can address.
    fn answers(&self, groups: usize) -> DfResult<ArrayRef> {
        let (mut rows, starts) = self.by_group(groups);
        let too_large = |bytes: usize| bytes > i32::MAX as usize;
        if too_large(self.rows.size()) && too_large(rows.iter().map(|row| self.rows.row(*row).data().len()).sum()) {
            let error = Error::new(code::PROGRAM_LIMIT_EXCEEDED, "an aggregate with an order gathers more than 2 GB at once");
            return Err(error.hint("Filter the rows, or gather them group by group in several statements.").into());
        }
        for group in starts.windows(2) {
            rows[group[0]..group[1]].sort_by(|a, b| self.rows.row(*a).cmp(&self.rows.row(*b)));
        }
        let columns = if rows.is_empty() { vec![] } else { self.converter.convert_rows(rows.iter().map(|row| self.rows.row(*row)))? };
        let values = columns.last().cloned().unwrap_or_else(|| new_empty_array(&self.value));
        self.made.of(values, &starts)
    }

    /// The rows of the first groups as a state for each.
    fn states(&self, groups: usize) -> DfResult<Vec<ArrayRef>> {
        let (rows, starts) = self.by_group(groups);
        let bytes = LargeBinaryBuilder::with_capacity(rows.len(), self.rows.size());
        Ok(vec![listed(rows.iter().map(|row| self.rows.row(*row).data()), bytes, starts.windows(2).map(|group| group[1] - group[0]))?])
    }

    /// Forgets the first groups; those behind are numbered anew.
    fn forget(&mut self, emitted: EmitTo) {
        let first = match emitted {
            EmitTo::All => self.count,
            EmitTo::First(groups) => groups.min(self.count),
        };
        let mut rows = self.converter.empty_rows(0, 0);
        let mut groups = Vec::new();
        for (row, group) in self.groups.iter().enumerate().filter(|(_, group)| **group >= first) {
            rows.push(self.rows.row(row));
            groups.push(group - first);
        }
        (self.rows, self.groups) = (rows, groups);
        self.count -= first;
    }

    fn groups_of(&self, emitted: EmitTo) -> usize {
        match emitted {
            EmitTo::All => self.count,
            EmitTo::First(groups) => groups,
        }
    }

    fn bytes(&self) -> usize {
        size_of_val(self) + self.converter.size() + self.rows.size() + self.groups.capacity() * size_of::<usize>()
    }
}

/// Runs of bytes as lists of these lengths.
fn listed<'a>(
    rows: impl Iterator<Item = &'a [u8]>,
    mut bytes: LargeBinaryBuilder,
    lengths: impl IntoIterator<Item = usize>,
) -> DfResult<ArrayRef> {
    rows.for_each(|row| bytes.append_value(row));
    let offsets = OffsetBuffer::from_lengths(lengths);
    Ok(Arc::new(ListArray::try_new(row_field().into(), offsets, Arc::new(bytes.finish()), None)?))
}

impl Made {
    /// One answer for each group, of values that stand group by group; NULL for a group without.
    fn of(&self, values: ArrayRef, starts: &[usize]) -> DfResult<ArrayRef> {
        let groups = || starts.windows(2).map(|group| group[0]..group[1]);
        Ok(match self {
            Made::Array(item) => {
                let nulls: NullBuffer = groups().map(|group| !group.is_empty()).collect::<Vec<bool>>().into();
                let offsets = OffsetBuffer::from_lengths(groups().map(|group| group.len()));
                Arc::new(ListArray::try_new(item.clone(), offsets, values, Some(nulls))?)
            }
            Made::Text(delimiter) => {
                let values = cast(&values, &DataType::Utf8View)?;
                let values = values.as_string_view();
                let text = |group: Range<usize>| -> DfResult<Option<String>> {
                    let parts: Vec<&str> = group.map(|row| values.value(row)).collect();
                    check_joined(&parts, delimiter.len())?;
                    Ok((!parts.is_empty()).then(|| parts.join(delimiter.as_str())))
                };
                Arc::new(StringViewArray::from_iter(groups().map(text).collect::<DfResult<Vec<Option<String>>>>()?))
            }
            Made::Bytes(delimiter) => {
                let values = values.as_binary::<i32>();
                let bytes = |group: Range<usize>| -> DfResult<Option<Vec<u8>>> {
                    let parts: Vec<&[u8]> = group.map(|row| values.value(row)).collect();
                    check_joined(&parts, delimiter.len())?;
                    Ok((!parts.is_empty()).then(|| parts.join(&delimiter[..])))
                };
                Arc::new(BinaryArray::from_iter(groups().map(bytes).collect::<DfResult<Vec<Option<Vec<u8>>>>>()?))
            }
        })
    }
}

/// Errors: 54000 for parts that are too much for one value.
fn check_joined<T: AsRef<[u8]> + ?Sized>(parts: &[&T], delimiter: usize) -> DfResult<()> {
    let own: usize = parts.iter().map(|part| part.as_ref().len()).sum();
    check_size(own.saturating_add(delimiter.saturating_mul(parts.len().saturating_sub(1))))
}

impl Accumulator for InOrder {
    fn update_batch(&mut self, values: &[ArrayRef]) -> DfResult<()> {
        self.take(values, |_| 0, None)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> DfResult<()> {
        self.take_states(states, |_| 0)
    }

    fn state(&mut self) -> DfResult<Vec<ScalarValue>> {
        self.states(1)?.iter().map(|state| ScalarValue::try_from_array(state, 0)).collect()
    }

    fn evaluate(&mut self) -> DfResult<ScalarValue> {
        ScalarValue::try_from_array(&self.answers(1)?, 0)
    }

    fn size(&self) -> usize {
        self.bytes()
    }
}

impl GroupsAccumulator for InOrder {
    fn update_batch(&mut self, values: &[ArrayRef], groups: &[usize], wanted: Option<&BooleanArray>, count: usize) -> DfResult<()> {
        self.count = count;
        self.take(values, |row| groups[row], wanted)
    }

    fn merge_batch(&mut self, states: &[ArrayRef], groups: &[usize], count: usize) -> DfResult<()> {
        self.count = count;
        self.take_states(states, |row| groups[row])
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> DfResult<ArrayRef> {
        let answers = self.answers(self.groups_of(emit_to))?;
        self.forget(emit_to);
        Ok(answers)
    }

    fn state(&mut self, emit_to: EmitTo) -> DfResult<Vec<ArrayRef>> {
        let states = self.states(self.groups_of(emit_to))?;
        self.forget(emit_to);
        Ok(states)
    }

    fn convert_to_state(&self, values: &[ArrayRef], wanted: Option<&BooleanArray>) -> DfResult<Vec<ArrayRef>> {
        let keyed = self.keyed(values)?;
        let mask = self.is_wanted(&keyed[self.order], wanted);
        let rows = self.converter.convert_columns(&keyed)?;
        let bytes = LargeBinaryBuilder::with_capacity(rows.num_rows(), rows.size());
        let lengths = (0..rows.num_rows()).map(|row| usize::from(mask.value(row)));
        Ok(vec![listed(mask.values().set_indices().map(|row| rows.row(row).data()), bytes, lengths)?])
    }

    fn size(&self) -> usize {
        self.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Int64Array, StringArray};
    use arrow::datatypes::Schema;
    use datafusion::physical_expr::aggregate::{AggregateExprBuilder, AggregateFunctionExpr};
    use datafusion::physical_expr::expressions::{PhysicalSortExpr, col};

    fn call() -> AggregateFunctionExpr {
        let fields = vec![Field::new("v", DataType::Utf8, true), Field::new("at", DataType::Int64, true)];
        let schema = Arc::new(Schema::new(fields));
        let by = PhysicalSortExpr::new_default(col("at", &schema).unwrap());
        let value = col("v", &schema).unwrap();
        AggregateExprBuilder::new(super::super::array_agg::function(), vec![value])
            .schema(schema)
            .alias("a")
            .order_by(vec![by])
            .build()
            .unwrap()
    }

    fn columns(rows: &[(Option<&str>, i64)]) -> Vec<ArrayRef> {
        let values: StringArray = rows.iter().map(|row| row.0).collect();
        vec![Arc::new(values), Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.1)))]
    }

    fn texts(array: &ArrayRef, row: usize) -> Vec<Option<String>> {
        array.as_list::<i32>().value(row).as_string::<i32>().iter().map(|text| text.map(String::from)).collect()
    }

    fn some(texts: &[&str]) -> Vec<Option<String>> {
        texts.iter().map(|text| Some(text.to_string())).collect()
    }

    #[test]
    fn groups_are_in_order_however_they_come() {
        let call = call();
        let (mut one, mut other) = (call.create_groups_accumulator().unwrap(), call.create_groups_accumulator().unwrap());
        one.update_batch(&columns(&[(Some("c"), 3), (Some("x"), 9), (Some("a"), 1)]), &[0, 1, 0], None, 2).unwrap();
        let keep = BooleanArray::from(vec![true, false, true]);
        other.update_batch(&columns(&[(Some("b"), 2), (Some("?"), 0), (None, 4)]), &[0, 1, 1], Some(&keep), 2).unwrap();
        let states = other.state(EmitTo::All).unwrap();
        one.merge_batch(&states, &[0, 2], 3).unwrap();
        let first = one.evaluate(EmitTo::First(1)).unwrap();
        assert_eq!(texts(&first, 0), some(&["a", "b", "c"]));
        let rest = one.evaluate(EmitTo::All).unwrap();
        assert_eq!(texts(&rest, 0), some(&["x"]));
        assert_eq!(texts(&rest, 1), vec![None]);
    }

    #[test]
    fn rows_that_tie_are_in_the_order_of_their_values() {
        let mut gathered = call().create_accumulator().unwrap();
        assert!(gathered.evaluate().unwrap().is_null());
        gathered.update_batch(&columns(&[(Some("z"), 1), (Some("b"), 2), (Some("a"), 2)])).unwrap();
        let answer = gathered.evaluate().unwrap().to_array().unwrap();
        assert_eq!(texts(&answer, 0), some(&["z", "a", "b"]));
    }

    #[test]
    fn rows_become_states_of_their_own() {
        let mut groups = call().create_groups_accumulator().unwrap();
        let states = groups.convert_to_state(&columns(&[(Some("b"), 2), (Some("a"), 1)]), None).unwrap();
        groups.merge_batch(&states, &[0, 0], 1).unwrap();
        assert_eq!(texts(&groups.evaluate(EmitTo::All).unwrap(), 0), some(&["a", "b"]));
    }
}
