//! How columns stand in segments: Parquet has no interval of months, days and nanoseconds, so one stands there as a struct
//! of the three, which any tool can read. All other types stand as they are.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int32Array, Int64Array, IntervalMonthDayNanoArray, ListArray, RecordBatch, StructArray};
use arrow::buffer::ScalarBuffer;
use arrow::datatypes::{
    DataType, Field, Fields, Int32Type, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit, Schema,
};

use crate::error::{Error, Result};

const INTERVAL: DataType = DataType::Interval(IntervalUnit::MonthDayNano);

fn parts() -> Fields {
    let part = |name: &str, data_type| Field::new(name, data_type, false);
    Fields::from(vec![part("months", DataType::Int32), part("days", DataType::Int32), part("nanoseconds", DataType::Int64)])
}

/// True if values of the type stand otherwise in a segment.
pub fn is_changed(data_type: &DataType) -> bool {
    match data_type {
        DataType::List(item) => is_changed(item.data_type()),
        DataType::Struct(fields) => fields.iter().any(|field| is_changed(field.data_type())),
        other => *other == INTERVAL,
    }
}

/// The schema of a segment's file.
pub(super) fn stored_schema(schema: &Schema) -> Schema {
    mapped_schema(schema, &|t| if *t == INTERVAL { DataType::Struct(parts()) } else { t.clone() })
}

/// The schema of the log whose segment's file has this schema.
pub(super) fn logged_schema(schema: &Schema) -> Schema {
    // The attributes of a composite type may be called and typed so; they have metadata.
    let same = |f: &Field, p: &Field| f.name() == p.name() && f.data_type() == p.data_type() && f.metadata().is_empty();
    let is_interval = |fields: &Fields| fields.iter().zip(&parts()).all(|(f, p)| same(f, p));
    mapped_schema(schema, &|t| match t {
        DataType::Struct(fields) if fields.len() == 3 && is_interval(fields) => INTERVAL,
        other => other.clone(),
    })
}

fn mapped_schema(schema: &Schema, map: &dyn Fn(&DataType) -> DataType) -> Schema {
    Schema::new(schema.fields().iter().map(|f| mapped_field(f, map)).collect::<Vec<_>>())
}

fn mapped_field(field: &Field, map: &dyn Fn(&DataType) -> DataType) -> Field {
    let data_type = match (field.data_type(), map(field.data_type())) {
        (DataType::List(item), _) => DataType::List(Arc::new(mapped_field(item, map))),
        (DataType::Struct(fields), mapped) if mapped == *field.data_type() => {
            DataType::Struct(fields.iter().map(|field| mapped_field(field, map)).collect())
        }
        (_, mapped) => mapped,
    };
    field.clone().with_data_type(data_type)
}

/// A batch as it stands in a segment, whose schema is `schema`. Cost: one pass over the intervals, nothing else.
pub(super) fn stored_batch(batch: &RecordBatch, schema: &Arc<Schema>) -> Result<RecordBatch> {
    let columns = batch.columns().iter().zip(schema.fields()).map(|(c, f)| store(c, f.data_type())).collect::<Result<Vec<_>>>()?;
    Ok(RecordBatch::try_new(schema.clone(), columns)?)
}

fn store(array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    if let Some(intervals) = array.as_primitive_opt::<IntervalMonthDayNanoType>() {
        // Under a null the parts are zeros: they must be something.
        let value = |i: usize| if intervals.is_null(i) { IntervalMonthDayNano::ZERO } else { intervals.value(i) };
        let rows = 0..intervals.len();
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int32Array::from_iter_values(rows.clone().map(|i| value(i).months))),
            Arc::new(Int32Array::from_iter_values(rows.clone().map(|i| value(i).days))),
            Arc::new(Int64Array::from_iter_values(rows.map(|i| value(i).nanoseconds))),
        ];
        return Ok(Arc::new(StructArray::try_new(parts(), columns, intervals.nulls().cloned())?));
    }
    in_nested(array, to, store)
}

/// A column of a segment as the log has it, of type `to`.
pub(super) fn load(array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    if *to == INTERVAL {
        let lost = || Error::internal("an interval is stored in three parts");
        let stored = array.as_struct_opt().filter(|s| s.num_columns() == 3).ok_or_else(lost)?;
        let months = stored.column(0).as_primitive_opt::<Int32Type>().ok_or_else(lost)?.values();
        let days = stored.column(1).as_primitive_opt::<Int32Type>().ok_or_else(lost)?.values();
        let nanoseconds = stored.column(2).as_primitive_opt::<Int64Type>().ok_or_else(lost)?.values();
        let value = |i: usize| IntervalMonthDayNano::new(months[i], days[i], nanoseconds[i]);
        let values: ScalarBuffer<_> = (0..stored.len()).map(value).collect();
        return Ok(Arc::new(IntervalMonthDayNanoArray::try_new(values, stored.nulls().cloned())?));
    }
    in_nested(array, to, load)
}

/// The items of lists and the attributes of rows.
fn in_nested(array: &ArrayRef, to: &DataType, map: fn(&ArrayRef, &DataType) -> Result<ArrayRef>) -> Result<ArrayRef> {
    if array.data_type() == to {
        return Ok(array.clone());
    }
    match (to, array.as_list_opt::<i32>(), array.as_struct_opt()) {
        (DataType::List(item), Some(lists), _) => {
            let values = map(lists.values(), item.data_type())?;
            Ok(Arc::new(ListArray::try_new(item.clone(), lists.offsets().clone(), values, lists.nulls().cloned())?))
        }
        (DataType::Struct(fields), _, Some(rows)) => {
            let columns = rows.columns().iter().zip(fields).map(|(column, field)| map(column, field.data_type()));
            let columns = columns.collect::<Result<Vec<_>>>()?;
            Ok(Arc::new(StructArray::try_new_with_length(fields.clone(), columns, rows.nulls().cloned(), rows.len())?))
        }
        _ => Ok(array.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::Int32Builder;

    #[test]
    fn intervals_come_back_as_they_were_alone_in_lists_and_in_rows() {
        let values = vec![Some(IntervalMonthDayNano::new(-1, 2, 3_000)), None, Some(IntervalMonthDayNano::new(0, 0, i64::MIN))];
        let intervals: ArrayRef = Arc::new(IntervalMonthDayNanoArray::from(values));
        let item = Arc::new(Field::new_list_field(INTERVAL, true));
        let offsets = arrow::buffer::OffsetBuffer::from_lengths([2, 0, 1]);
        let lists: ArrayRef = Arc::new(ListArray::try_new(item.clone(), offsets, intervals.clone(), None).unwrap());
        let attribute = Field::new("i", INTERVAL, true).with_metadata([("note".to_string(), "of a row".to_string())].into());
        let rows = StructArray::try_new(vec![attribute].into(), vec![intervals.clone()], None).unwrap();
        let mut numbers = Int32Builder::new();
        numbers.append_slice(&[1, 2, 3]);
        let schema = Schema::new(vec![
            Field::new("i", INTERVAL, true),
            Field::new("l", DataType::List(item), true),
            Field::new("n", DataType::Int32, true),
            Field::new("r", rows.data_type().clone(), true),
        ]);
        let batch =
            RecordBatch::try_new(Arc::new(schema.clone()), vec![intervals, lists, Arc::new(numbers.finish()), Arc::new(rows)]).unwrap();
        let file = Arc::new(stored_schema(&schema));
        assert_eq!(logged_schema(&file), schema);
        assert!(is_changed(schema.field(1).data_type()) && !is_changed(schema.field(2).data_type()));
        let stored = stored_batch(&batch, &file).unwrap();
        for (i, field) in schema.fields().iter().enumerate() {
            assert_eq!(&load(stored.column(i), field.data_type()).unwrap(), batch.column(i));
        }
    }
}
