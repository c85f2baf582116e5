//! string_agg with a delimiter that differs from row to row, where DataFusion's takes a literal.
//!
//! Each value but the first has the delimiter of its own row before it, and nothing where that is NULL; rows whose value is NULL are left out
//! (manual, chapter 9.21). DISTINCT is of values with their delimiters.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, new_empty_array};
use arrow::compute::{concat, filter, is_not_null};
use arrow::datatypes::{DataType, Field, FieldRef};
use arrow::row::{RowConverter, SortField};
use datafusion::common::utils::SingleRowListArrayBuilder;
use datafusion::common::{Result as DfResult, ScalarValue, internal_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, Expr, Signature, Volatility};

use super::scalar::define::{TEXT, no_function};
use super::string_agg::check_size;
use crate::error::Error;

/// The function for calls with such a delimiter; `None` for other calls.
pub(super) fn function(name: &str, args: &[Expr]) -> Option<Arc<AggregateUDF>> {
    let ("string_agg", [_, delimiter]) = (name, args) else { return None };
    let signature = Signature::user_defined(Volatility::Immutable);
    let by_row = delimiter.any_column_refs() || delimiter.contains_outer();
    by_row.then(|| Arc::new(AggregateUDF::new_from_impl(RowDelimiters { signature })))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct RowDelimiters {
    signature: Signature,
}

impl AggregateUDFImpl for RowDelimiters {
    fn name(&self) -> &str {
        "string_agg"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> DfResult<Vec<DataType>> {
        let all = |fits: fn(&DataType) -> bool| types.len() == 2 && types.iter().all(|ty| fits(ty) || ty.is_null());
        if all(DataType::is_string) {
            Ok(vec![TEXT; 2])
        } else if all(|ty| *ty == DataType::Binary) {
            Ok(vec![DataType::Binary; 2])
        } else {
            Err(no_function(self.name(), types).into())
        }
    }

    fn return_type(&self, types: &[DataType]) -> DfResult<DataType> {
        Ok(if types.contains(&DataType::Binary) { DataType::Binary } else { TEXT })
    }

    fn accumulator(&self, args: AccumulatorArgs) -> DfResult<Box<dyn Accumulator>> {
        let order = args.order_bys.iter().map(|by| Ok((by.expr.data_type(args.schema)?, by.options))).collect::<DfResult<Vec<_>>>()?;
        let own = args.expr_fields.iter().map(|field| field.data_type().clone());
        Ok(Box::new(Gathered {
            types: own.chain(order.iter().map(|(ty, _)| ty.clone())).collect(),
            order: order.into_iter().map(|(ty, options)| SortField::new_with_options(ty, options)).collect(),
            distinct: args.is_distinct,
            pieces: Vec::new(),
            bytes: 0,
        }))
    }

    /// A list for each argument and for each expression that is ordered by.
    fn state_fields(&self, args: StateFieldsArgs) -> DfResult<Vec<FieldRef>> {
        let columns = args.input_fields.iter().chain(args.ordering_fields);
        let list = |(i, column): (usize, &FieldRef)| -> FieldRef {
            let item = Field::new_list_field(column.data_type().clone(), true);
            Arc::new(Field::new_list(format!("{}[column {i}]", args.name), item, true))
        };
        Ok(columns.enumerate().map(list).collect())
    }

    /// It sorts whatever the order that the rows come in.
    fn with_beneficial_ordering(self: Arc<Self>, _ordered: bool) -> DfResult<Option<Arc<dyn AggregateUDFImpl>>> {
        Ok(Some(self))
    }

    /// The accumulator sorts by itself, but must be given what is ordered by.
    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::SoftRequirement
    }
}

/// The rows of a group whose value is not NULL.
#[derive(Debug)]
struct Gathered {
    /// Of the columns: value, delimiter, and what is ordered by.
    types: Vec<DataType>,
    /// How the latter are ordered.
    order: Vec<SortField>,
    distinct: bool,
    /// The columns, in the pieces that they came in.
    pieces: Vec<Vec<ArrayRef>>,
    /// Of all values and delimiters.
    bytes: usize,
}

impl Gathered {
    fn push(&mut self, columns: &[ArrayRef]) -> DfResult<()> {
        let (Some(value), true) = (columns.first(), columns.len() == self.types.len()) else {
            return internal_err!("string_agg is given {} columns", columns.len());
        };
        let present = is_not_null(value)?;
        let columns = columns.iter().map(|column| Ok(filter(column, &present)?)).collect::<DfResult<Vec<ArrayRef>>>()?;
        let length = |column: &ArrayRef| (0..column.len()).filter_map(|row| bytes(column, row)).map(<[u8]>::len).sum::<usize>();
        self.bytes += columns.iter().take(2).map(length).sum::<usize>();
        check_size(self.bytes)?;
        if present.true_count() > 0 {
            self.pieces.push(columns);
        }
        Ok(())
    }

    fn columns(&self) -> DfResult<Vec<ArrayRef>> {
        let joined = |(i, ty): (usize, &DataType)| -> DfResult<ArrayRef> {
            let pieces: Vec<&dyn Array> = self.pieces.iter().map(|piece| piece[i].as_ref()).collect();
            if pieces.is_empty() { Ok(new_empty_array(ty)) } else { Ok(concat(&pieces)?) }
        };
        self.types.iter().enumerate().map(joined).collect()
    }

    /// The rows in their order, those that are equal in it as they came.
    fn ordered(&self, columns: &[ArrayRef]) -> DfResult<Vec<usize>> {
        let mut rows: Vec<usize> = (0..columns[0].len()).collect();
        if !self.order.is_empty() {
            let keys = RowConverter::new(self.order.clone())?.convert_columns(&columns[2..])?;
            rows.sort_by(|a, b| keys.row(*a).cmp(&keys.row(*b)));
        }
        Ok(rows)
    }
}

/// A text or a bytea; `None` for NULL.
fn bytes(column: &ArrayRef, row: usize) -> Option<&[u8]> {
    if column.is_null(row) {
        return None;
    }
    match column.data_type() {
        DataType::Binary => Some(column.as_binary::<i32>().value(row)),
        _ => Some(column.as_string_view().value(row).as_bytes()),
    }
}

impl Accumulator for Gathered {
    /// What is ordered by stands behind the arguments.
    fn update_batch(&mut self, values: &[ArrayRef]) -> DfResult<()> {
        self.push(values)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> DfResult<()> {
        let lists: Vec<&ListArray> = states.iter().map(|state| state.as_list::<i32>()).collect();
        let states = lists.first().map_or(0, |list| list.len());
        for state in (0..states).filter(|state| lists.iter().all(|list| list.is_valid(*state))) {
            self.push(&lists.iter().map(|list| list.value(state)).collect::<Vec<_>>())?;
        }
        Ok(())
    }

    fn state(&mut self) -> DfResult<Vec<ScalarValue>> {
        Ok(self.columns()?.into_iter().map(|column| SingleRowListArrayBuilder::new(column).build_list_scalar()).collect())
    }

    fn evaluate(&mut self) -> DfResult<ScalarValue> {
        if self.pieces.is_empty() {
            return ScalarValue::try_from(&self.types[0]);
        }
        let columns = self.columns()?;
        let pair = |row: &usize| (bytes(&columns[0], *row), bytes(&columns[1], *row));
        let mut rows = self.ordered(&columns)?;
        if self.distinct {
            let mut seen = HashSet::new();
            rows.retain(|row| seen.insert(pair(row)));
        }
        let mut joined: Vec<u8> = Vec::with_capacity(self.bytes);
        for (i, row) in rows.iter().enumerate() {
            let (value, delimiter) = pair(row);
            joined.extend_from_slice(delimiter.filter(|_| i > 0).unwrap_or_default());
            joined.extend_from_slice(value.unwrap_or_default());
        }
        if self.types[0] == DataType::Binary {
            return Ok(ScalarValue::Binary(Some(joined)));
        }
        let text = String::from_utf8(joined).map_err(|_| Error::internal("texts that are joined are no text"))?;
        Ok(ScalarValue::Utf8View(Some(text)))
    }

    fn size(&self) -> usize {
        let columns = self.pieces.iter().flatten();
        size_of_val(self) + columns.map(|column| column.to_data().get_slice_memory_size().unwrap_or(0)).sum::<usize>()
    }
}
