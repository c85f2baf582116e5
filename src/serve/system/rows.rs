//! Rows of a system relation: named cells, gathered into Arrow columns of the relation's schema.
//!
//! System relations are small, so they are built a row at a time; what a row does not name gets the type's zero
//! (false, 0) where PostgreSQL's catalogs have no null, and null where they do (text, arrays, times).

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Float32Array, Float64Array, Int16Array, Int32Array, Int64Array, IntervalMonthDayNanoArray,
    LargeBinaryArray, ListArray, RecordBatch, StringArray, StringViewArray, TimestampMicrosecondArray, UInt32Array, new_null_array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, IntervalMonthDayNano, SchemaRef};
use hashbrown::HashMap;

use crate::data::{Network, PgType};
use crate::error::{Error, Result};

/// One value of a system relation or system function.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    Null,
    Bool(bool),
    /// Any integer type, oids and timestamps (microseconds) included.
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Cell>),
}

macro_rules! cells { ($($from:ty => |$v:ident| $to:expr;)*) => { $(impl From<$from> for Cell { fn from($v: $from) -> Cell { $to } })* } }
cells! {
    bool => |v| Cell::Bool(v);
    i16 => |v| Cell::Int(v.into());
    i32 => |v| Cell::Int(v.into());
    i64 => |v| Cell::Int(v);
    u32 => |v| Cell::Int(v.into());
    u64 => |v| Cell::Int(i64::try_from(v).unwrap_or(i64::MAX));
    usize => |v| Cell::Int(i64::try_from(v).unwrap_or(i64::MAX));
    f64 => |v| Cell::Float(v);
    &str => |v| Cell::Text(v.to_string());
    String => |v| Cell::Text(v);
    &String => |v| Cell::Text(v.clone());
    Vec<Cell> => |v| Cell::List(v);
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Cell {
        value.map_or(Cell::Null, Into::into)
    }
}

impl Cell {
    fn int(&self) -> Option<i64> {
        match self {
            Cell::Int(v) => Some(*v),
            Cell::Bool(b) => Some(i64::from(*b)),
            _ => None,
        }
    }
    fn float(&self) -> Option<f64> {
        match self {
            Cell::Float(v) => Some(*v),
            Cell::Int(v) => Some(*v as f64),
            _ => None,
        }
    }
    fn text(&self) -> Option<&str> {
        match self {
            Cell::Text(v) => Some(v),
            _ => None,
        }
    }
}

/// The rows of one system relation in the making.
pub struct Rows {
    schema: SchemaRef,
    at: HashMap<String, usize>,
    zero: Vec<Cell>,
    columns: Vec<Vec<Cell>>,
}

impl Rows {
    /// No rows yet, of that schema. With `nulls`, every cell that a row does not name is null.
    pub fn new(schema: SchemaRef, nulls: bool) -> Rows {
        let at = schema.fields().iter().enumerate().map(|(i, f)| (f.name().clone(), i)).collect();
        // The standard's views are about what may be absent; PostgreSQL's own catalogs have no null in a fixed-length column.
        let of = |f: &Arc<arrow::datatypes::Field>| if nulls { Cell::Null } else { zero(f.data_type()) };
        let zero = schema.fields().iter().map(of).collect();
        let columns = vec![Vec::new(); schema.fields().len()];
        Rows { schema, at, zero, columns }
    }

    /// Adds a row of these named cells; the rest are zero or null. Errors: XX000 for a name that the relation lacks.
    pub fn add<'a>(&mut self, cells: impl IntoIterator<Item = (&'a str, Cell)>) -> Result<()> {
        for (column, zero) in self.columns.iter_mut().zip(&self.zero) {
            column.push(zero.clone());
        }
        for (name, cell) in cells {
            let i = *self.at.get(name).ok_or_else(|| Error::internal(format!("a system relation has no column \"{name}\"")))?;
            *self.columns[i].last_mut().expect("a row was just added") = cell;
        }
        Ok(())
    }

    /// The rows as a batch.
    pub fn finish(self) -> Result<RecordBatch> {
        let fields = self.schema.fields().iter();
        let columns = fields.zip(&self.columns).map(|(f, cells)| column(f.data_type(), cells)).collect::<Result<Vec<_>>>()?;
        Ok(RecordBatch::try_new(self.schema, columns)?)
    }
}

fn zero(data_type: &DataType) -> Cell {
    match data_type {
        DataType::Boolean => Cell::Bool(false),
        t if t.is_integer() => Cell::Int(0),
        t if t.is_floating() => Cell::Float(0.0),
        _ => Cell::Null,
    }
}

/// Cells as an Arrow array of that type; a cell of another kind becomes null. Errors: XX000 for a type no system relation has.
pub fn column(data_type: &DataType, cells: &[Cell]) -> Result<ArrayRef> {
    fn fit<T: TryFrom<i64>>(cell: &Cell) -> Option<T> {
        cell.int().and_then(|v| T::try_from(v).ok())
    }
    let boolean = |c: &Cell| if let Cell::Bool(b) = c { Some(*b) } else { None };
    Ok(match data_type {
        DataType::Boolean => Arc::new(cells.iter().map(boolean).collect::<BooleanArray>()),
        DataType::Int16 => Arc::new(cells.iter().map(fit::<i16>).collect::<Int16Array>()),
        DataType::Int32 => Arc::new(cells.iter().map(fit::<i32>).collect::<Int32Array>()),
        DataType::Int64 => Arc::new(cells.iter().map(Cell::int).collect::<Int64Array>()),
        DataType::UInt32 => Arc::new(cells.iter().map(fit::<u32>).collect::<UInt32Array>()),
        DataType::Float32 => Arc::new(cells.iter().map(|c| c.float().map(|v| v as f32)).collect::<Float32Array>()),
        DataType::Float64 => Arc::new(cells.iter().map(Cell::float).collect::<Float64Array>()),
        DataType::Binary => Arc::new(cells.iter().map(|c| c.text().map(str::as_bytes)).collect::<BinaryArray>()),
        DataType::LargeBinary => {
            let address = |text: &str| Network::parse(&PgType::Inet, text).map(Network::to_bytes);
            let addresses = cells.iter().map(|c| c.text().map(address).transpose());
            Arc::new(addresses.collect::<Result<LargeBinaryArray>>()?)
        }
        DataType::Utf8 => Arc::new(cells.iter().map(Cell::text).collect::<StringArray>()),
        DataType::Utf8View => Arc::new(cells.iter().map(Cell::text).collect::<StringViewArray>()),
        DataType::Timestamp(_, zone) => {
            let times = cells.iter().map(Cell::int).collect::<TimestampMicrosecondArray>();
            Arc::new(times.with_timezone_opt(zone.clone()))
        }
        DataType::Interval(_) => {
            let span = |c: &Cell| c.int().map(|us| IntervalMonthDayNano::new(0, 0, us.saturating_mul(1_000)));
            Arc::new(cells.iter().map(span).collect::<IntervalMonthDayNanoArray>())
        }
        DataType::List(item) => {
            let lists = cells.iter().map(|c| if let Cell::List(items) = c { items.as_slice() } else { &[] });
            let offsets = OffsetBuffer::from_lengths(lists.clone().map(<[Cell]>::len));
            let values = column(item.data_type(), &lists.flatten().cloned().collect::<Vec<_>>())?;
            let nulls: NullBuffer = cells.iter().map(|c| matches!(c, Cell::List(_))).collect();
            Arc::new(ListArray::try_new(item.clone(), offsets, values, Some(nulls))?)
        }
        other if cells.iter().all(|c| *c == Cell::Null) => new_null_array(other, cells.len()),
        other => return Err(Error::internal(format!("a system relation cannot have a column of type {other}"))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::Schema;

    #[test]
    fn a_row_has_zero_or_null_where_nothing_is_named() {
        let fields =
            vec![PgType::Oid.field("oid", true), PgType::Text.field("t", true), PgType::Array(Box::new(PgType::Int2)).field("k", true)];
        let mut rows = Rows::new(Arc::new(Schema::new(fields)), false);
        rows.add([("t", "x".into())]).unwrap();
        rows.add([("oid", 7u32.into()), ("k", vec![Cell::Int(1), Cell::Int(2)].into())]).unwrap();
        assert!(rows.add([("nope", Cell::Null)]).is_err());
        let batch = rows.finish().unwrap();
        assert_eq!(batch.column(0).as_any().downcast_ref::<UInt32Array>().unwrap().values()[..2], [0, 7]);
        assert!(batch.column(1).is_null(1) && batch.column(2).is_null(0) && batch.column(2).is_valid(1));
    }
}
