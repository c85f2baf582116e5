//! Zone maps: the least and the greatest value of a column in each block of rows, by which a scan leaves blocks out that no condition can be met
//! in (Moerkotte, "Small Materialized Aggregates", VLDB 1998). Keys and times that ascend with the rows make them as good as an ordered index.
//!
//! Values are compared by their places in an order of integers ([`extent`]), which may put several values in one place and never two in the
//! other order: of a text only its first bytes count. A map is made when a column is first asked about, and stays right while rows of the block
//! go, since it only bounds them.

use std::ops::RangeInclusive;
use std::sync::OnceLock;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray, RecordBatch, downcast_integer_array};
use arrow::compute::{max, min};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Time64MicrosecondType, TimeUnit, TimestampMicrosecondType,
};

/// Rows of a block; a multiple of 64, so that it begins with a word of a bitmap.
pub const BLOCK_ROWS: usize = 4_096;
/// Bytes of a text that count.
const PREFIX_BYTES: usize = 15;

/// The places of the values in a block of one column; `None` where all are NULL.
type Zone = Option<(i128, i128)>;
/// Those of all blocks; `None` for a type without an order.
type Zones = OnceLock<Option<Box<[Zone]>>>;

/// What is known of the values in blocks of one batch.
#[derive(Default)]
pub struct ZoneMap(OnceLock<Box<[Zones]>>);

/// A condition on a column: its value is not NULL and has one of these places.
#[derive(Clone, Debug, PartialEq)]
pub struct Within {
    pub column: usize,
    pub places: RangeInclusive<i128>,
}

impl ZoneMap {
    /// For each block of the rows whether all conditions may be met in it. Cost O(blocks x conditions), and O(rows) the first time that a
    /// column is asked about; unless `make`, nothing is said then, and not made.
    pub fn may_meet(&self, rows: &RecordBatch, conditions: &[Within], make: bool) -> Vec<bool> {
        for Within { column, .. } in conditions.iter().filter(|_| make) {
            let columns = self.0.get_or_init(|| (0..rows.num_columns()).map(|_| Zones::new()).collect());
            columns[*column].get_or_init(|| zones(rows.column(*column)));
        }
        let mut may = vec![true; rows.num_rows().div_ceil(BLOCK_ROWS)];
        for Within { column, places } in conditions {
            let known = self.0.get().and_then(|columns| columns.get(*column)?.get()?.as_ref());
            for (may, zone) in may.iter_mut().zip(known.into_iter().flatten()) {
                *may &= zone.is_some_and(|(least, greatest)| least <= *places.end() && greatest >= *places.start());
            }
        }
        may
    }
}

fn zones(column: &ArrayRef) -> Option<Box<[Zone]>> {
    let block = |start: usize| extent(&column.slice(start, BLOCK_ROWS.min(column.len() - start)));
    (0..column.len()).step_by(BLOCK_ROWS).map(block).collect()
}

/// The places of the least and the greatest value, `None` if all are NULL; the outer `None` for a type whose order is not known here.
pub fn extent(values: &ArrayRef) -> Option<Zone> {
    let values = values.as_ref();
    Some(downcast_integer_array! {
        values => ends(values),
        DataType::Date32 => ends::<Date32Type>(values.as_primitive()),
        DataType::Time64(TimeUnit::Microsecond) => ends::<Time64MicrosecondType>(values.as_primitive()),
        DataType::Timestamp(TimeUnit::Microsecond, _) => ends::<TimestampMicrosecondType>(values.as_primitive()),
        DataType::Decimal128(..) => ends::<Decimal128Type>(values.as_primitive()),
        DataType::Float32 => of_all(values.as_primitive::<Float32Type>().iter().flatten().map(|value| place_of(value.into()))),
        DataType::Float64 => of_all(values.as_primitive::<Float64Type>().iter().flatten().map(place_of)),
        DataType::Utf8View => of_all(values.as_string_view().iter().flatten().map(|text| prefix(text.as_bytes()))),
        DataType::BinaryView => of_all(values.as_binary_view().iter().flatten().map(prefix)),
        DataType::Utf8 => of_all(values.as_string::<i32>().iter().flatten().map(|text| prefix(text.as_bytes()))),
        DataType::FixedSizeBinary(_) => of_all(values.as_fixed_size_binary().iter().flatten().map(prefix)),
        _ => return None
    })
}

fn ends<T: ArrowPrimitiveType<Native: Into<i128>>>(values: &PrimitiveArray<T>) -> Zone {
    Some((min(values)?.into(), max(values)?.into()))
}

fn of_all(places: impl Iterator<Item = i128>) -> Zone {
    places.map(|place| (place, place)).reduce(|(least, greatest), (place, _)| (least.min(place), greatest.max(place)))
}

/// -0 is 0, and NaN greater than all others, as in PostgreSQL.
fn place_of(value: f64) -> i128 {
    match value.to_bits() as i64 {
        _ if value.is_nan() => i64::MAX.into(),
        bits if bits >= 0 => bits.into(),
        bits => -i128::from(bits & i64::MAX),
    }
}

fn prefix(value: &[u8]) -> i128 {
    let mut first = [0; 16];
    let count = value.len().min(PREFIX_BYTES);
    first[1..=count].copy_from_slice(&value[..count]);
    i128::from_be_bytes(first)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Float64Array, Int32Array, Int64Array, StringViewArray};
    use arrow::datatypes::{Field, Schema};
    use proptest::prelude::*;

    use super::*;

    fn place(value: ArrayRef) -> i128 {
        let (least, greatest) = extent(&value).unwrap().unwrap();
        assert_eq!(least, greatest);
        least
    }

    proptest! {
        /// What is less is never in a greater place.
        #[test]
        fn places_are_in_the_order_of_values(a in ".{0,20}", b in ".{0,20}", x in any::<f64>(), y in any::<f64>()) {
            let text = |text: &str| place(Arc::new(StringViewArray::from(vec![text])));
            if a <= b {
                prop_assert!(text(&a) <= text(&b));
            }
            let number = |x: f64| place(Arc::new(Float64Array::from(vec![x])));
            if x <= y || y.is_nan() {
                prop_assert!(number(x) <= number(y));
            }
            prop_assert_eq!(number(0.0), number(-0.0));
        }

        /// No row that meets a condition is in a block that is left out.
        #[test]
        fn no_row_that_meets_a_condition_is_left_out(
            values in prop::collection::vec(prop::option::of(-50i32..50), 1..50),
            from in -60i32..60,
            to in -60i32..60,
        ) {
            let spread = |i: usize| values[i * values.len() / (3 * BLOCK_ROWS)];
            let column: Int32Array = (0..3 * BLOCK_ROWS).map(spread).collect();
            let schema = Arc::new(Schema::new(vec![Field::new("a", DataType::Int32, true)]));
            let rows = RecordBatch::try_new(schema, vec![Arc::new(column.clone())]).unwrap();
            let condition = Within { column: 0, places: from.into()..=to.into() };
            let may = ZoneMap::default().may_meet(&rows, &[condition], true);
            for (block, may) in may.into_iter().enumerate() {
                let met = column.slice(block * BLOCK_ROWS, BLOCK_ROWS).iter().flatten().any(|value| (from..=to).contains(&value));
                prop_assert!(may || !met);
            }
        }
    }

    #[test]
    fn blocks_that_ascend_are_told_apart() {
        let column: Int64Array = (0..10 * BLOCK_ROWS as i64).collect();
        let schema = Arc::new(Schema::new(vec![Field::new("a", DataType::Int64, true)]));
        let rows = RecordBatch::try_new(schema, vec![Arc::new(column)]).unwrap();
        let third = 3 * BLOCK_ROWS as i128;
        let may = ZoneMap::default().may_meet(&rows, &[Within { column: 0, places: third..=third + 5 }], true);
        assert_eq!(may, (0..10).map(|block| block == 3).collect::<Vec<_>>());
    }

    #[test]
    fn where_all_is_null_no_comparison_is_true() {
        let schema = Arc::new(Schema::new(vec![Field::new("a", DataType::Int32, true)]));
        let rows = RecordBatch::try_new(schema, vec![Arc::new(Int32Array::from(vec![None, None]))]).unwrap();
        let any = Within { column: 0, places: i128::MIN..=i128::MAX };
        assert_eq!(ZoneMap::default().may_meet(&rows, &[any], true), [false]);
    }
}
