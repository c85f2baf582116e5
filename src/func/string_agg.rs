//! string_agg of text, which is DataFusion's but for its type: LargeUtf8, which is json here; and of bytea, which DataFusion lacks. Calls whose
//! delimiter differs from row to row are [`row_delimiters`](super::row_delimiters).

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result as DfResult, ScalarValue, internal_err};
use datafusion::functions_aggregate::array_agg::array_agg_udaf;
use datafusion::functions_aggregate::string_agg::string_agg_udaf;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::type_coercion::functions::fields_with_udf;
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, GroupsAccumulator, Signature, Volatility};
use datafusion::physical_expr::expressions::Literal;

use super::in_order::{self, InOrder, Made};
use super::scalar::define::no_function;
use crate::error::{Error, code};
use crate::limits;

/// string_agg(value, delimiter), of text or of bytea.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct StringAgg {
    text: Arc<AggregateUDF>,
    /// Gathers what is joined, where that is bytea.
    array: Arc<AggregateUDF>,
    signature: Signature,
}

/// The function, for the registry.
pub fn function() -> Arc<AggregateUDF> {
    let signature = Signature::user_defined(Volatility::Immutable);
    Arc::new(AggregateUDF::new_from_impl(StringAgg { text: string_agg_udaf(), array: array_agg_udaf(), signature }))
}

fn text_field() -> FieldRef {
    Arc::new(Field::new("string_agg", DataType::LargeUtf8, true))
}

fn array_field() -> FieldRef {
    Arc::new(Field::new("string_agg", DataType::new_list(DataType::Binary, true), true))
}

fn is_bytea(value: Option<&DataType>) -> bool {
    value == Some(&DataType::Binary)
}

impl AggregateUDFImpl for StringAgg {
    fn name(&self) -> &str {
        "string_agg"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> DfResult<Vec<DataType>> {
        if is_bytea(types.first()) {
            // A literal is read as bytea when the meaning of the plan is settled.
            let fits = |ty: &DataType| *ty == DataType::Binary || ty.is_null() || ty.is_string();
            let taken = types.len() == 2 && types.iter().all(fits);
            return if taken { Ok(types.to_vec()) } else { Err(no_function(self.name(), types).into()) };
        }
        let fields: Vec<FieldRef> = types.iter().map(|ty| Arc::new(Field::new("argument", ty.clone(), true))).collect();
        let coerced = fields_with_udf(&fields, &*self.text).map_err(|_| no_function(self.name(), types))?;
        Ok(coerced.iter().map(|field| field.data_type().clone()).collect())
    }

    fn return_type(&self, types: &[DataType]) -> DfResult<DataType> {
        Ok(if is_bytea(types.first()) { DataType::Binary } else { DataType::Utf8View })
    }

    fn accumulator(&self, args: AccumulatorArgs) -> DfResult<Box<dyn Accumulator>> {
        if let Some(in_order) = in_order(&args)? {
            return Ok(Box::new(in_order));
        }
        if !is_bytea(args.expr_fields.first().map(|field| field.data_type())) {
            let text = self.text.accumulator(AccumulatorArgs { return_field: text_field(), ..args })?;
            return Ok(Box::new(AsText(text)));
        }
        let delimiter = delimiter(&args)?;
        let (exprs, expr_fields) = (&args.exprs[..1], &args.expr_fields[..1]);
        let values = self.array.accumulator(AccumulatorArgs { return_field: array_field(), exprs, expr_fields, ..args })?;
        Ok(Box::new(AsBytes { values, delimiter }))
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        is_in_order(args.is_distinct, !args.order_bys.is_empty(), args.expr_fields)
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> DfResult<Box<dyn GroupsAccumulator>> {
        match in_order(&args)? {
            Some(in_order) => Ok(Box::new(in_order)),
            None => internal_err!("string_agg without an order is folded group by group"),
        }
    }

    fn state_fields(&self, args: StateFieldsArgs) -> DfResult<Vec<FieldRef>> {
        if is_in_order(args.is_distinct, !args.ordering_fields.is_empty(), args.input_fields) {
            return Ok(in_order::state_fields(&args));
        }
        if is_bytea(args.input_fields.first().map(|field| field.data_type())) {
            return self.array.state_fields(StateFieldsArgs { return_field: array_field(), ..args });
        }
        self.text.state_fields(StateFieldsArgs { return_field: text_field(), ..args })
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.text.order_sensitivity()
    }
}

/// True for calls that sort by themselves.
fn is_in_order(is_distinct: bool, is_ordered: bool, args: &[FieldRef]) -> bool {
    in_order::is_for(is_distinct, is_ordered, args.first().map(|value| value.data_type()))
}

fn in_order(args: &AccumulatorArgs) -> DfResult<Option<InOrder>> {
    if !is_in_order(args.is_distinct, !args.order_bys.is_empty(), args.expr_fields) {
        return Ok(None);
    }
    let made = match is_bytea(args.expr_fields.first().map(|field| field.data_type())) {
        true => Made::Bytes(delimiter(args)?),
        false => Made::Text(text_delimiter(args)?),
    };
    InOrder::new(args, made).map(Some)
}

/// What stands between texts; nothing where it is NULL. Errors: 0A000 for one that is no literal.
fn text_delimiter(args: &AccumulatorArgs) -> DfResult<String> {
    match args.exprs.get(1).and_then(|expr| expr.downcast_ref::<Literal>()) {
        Some(literal) => Ok(literal.value().try_as_str().flatten().unwrap_or_default().to_string()),
        None => Err(no_literal().into()),
    }
}

fn no_literal() -> Error {
    let error = Error::unsupported("string_agg needs a literal as its delimiter");
    error.hint("Join the delimiter to the value: string_agg(delimiter || value, '').")
}

/// What stands between bytea; nothing where it is NULL. Errors: 0A000 for one that is no literal, 42883 for one that is text.
fn delimiter(args: &AccumulatorArgs) -> DfResult<Vec<u8>> {
    let Some(literal) = args.exprs.get(1).and_then(|expr| expr.downcast_ref::<Literal>()) else {
        return Err(no_literal().into());
    };
    match literal.value() {
        ScalarValue::Binary(delimiter) => Ok(delimiter.clone().unwrap_or_default()),
        value if value.is_null() => Ok(Vec::new()),
        value => Err(no_function("string_agg", &[DataType::Binary, value.data_type()]).into()),
    }
}

/// Errors: 54000 for more bytes than a value may have.
pub(super) fn check_size(bytes: usize) -> DfResult<()> {
    if bytes > limits::VALUE_BYTES_MAX {
        let error = Error::new(code::PROGRAM_LIMIT_EXCEEDED, "the result of string_agg is too large");
        return Err(error.detail(format!("A value has at most {} bytes.", limits::VALUE_BYTES_MAX)).into());
    }
    Ok(())
}

#[derive(Debug)]
struct AsText(Box<dyn Accumulator>);

impl AsText {
    /// What is gathered takes at most twice what it has.
    fn fits(&self) -> DfResult<()> {
        check_size(self.0.size() / 2)
    }
}

impl Accumulator for AsText {
    fn update_batch(&mut self, values: &[ArrayRef]) -> DfResult<()> {
        self.0.update_batch(values)?;
        self.fits()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> DfResult<()> {
        self.0.merge_batch(states)?;
        self.fits()
    }

    fn state(&mut self) -> DfResult<Vec<ScalarValue>> {
        self.0.state()
    }

    fn evaluate(&mut self) -> DfResult<ScalarValue> {
        self.0.evaluate()?.cast_to(&DataType::Utf8View)
    }

    fn size(&self) -> usize {
        self.0.size()
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> DfResult<()> {
        self.0.retract_batch(values)
    }

    fn supports_retract_batch(&self) -> bool {
        self.0.supports_retract_batch()
    }
}

/// Bytea that array_agg gathers, joined in the end.
#[derive(Debug)]
struct AsBytes {
    values: Box<dyn Accumulator>,
    delimiter: Vec<u8>,
}

impl Accumulator for AsBytes {
    fn update_batch(&mut self, values: &[ArrayRef]) -> DfResult<()> {
        // The delimiter is the second argument, and what is ordered by stands behind it.
        let gathered: Vec<ArrayRef> = values.iter().enumerate().filter(|(i, _)| *i != 1).map(|(_, column)| column.clone()).collect();
        self.values.update_batch(&gathered)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> DfResult<()> {
        self.values.merge_batch(states)
    }

    fn state(&mut self) -> DfResult<Vec<ScalarValue>> {
        self.values.state()
    }

    fn evaluate(&mut self) -> DfResult<ScalarValue> {
        let ScalarValue::List(list) = self.values.evaluate()? else { return Ok(ScalarValue::Binary(None)) };
        let items = list.values().as_binary::<i32>();
        let parts: Vec<&[u8]> = if list.is_null(0) { Vec::new() } else { items.iter().flatten().collect() };
        if parts.is_empty() {
            return Ok(ScalarValue::Binary(None));
        }
        check_size(parts.iter().map(|part| part.len()).sum::<usize>() + self.delimiter.len().saturating_mul(parts.len() - 1))?;
        Ok(ScalarValue::Binary(Some(parts.join(&self.delimiter[..]))))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.values.size() + self.delimiter.capacity()
    }
}
