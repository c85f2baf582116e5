//! Offsets of frames that are computed: `ROWS BETWEEN 1 + 1 PRECEDING ..`, `RANGE '1 day'::interval * 2 PRECEDING`, `ROWS $1 PRECEDING`.
//!
//! DataFusion takes numbers and texts as they are written only, and makes the frame before it knows any type. So other offsets stand in PARTITION
//! BY when a call is planned, each in a [`Marker`], and the frame has 0 in their place. [`settle`] takes them out when the call is analyzed and
//! types and computes them as PostgreSQL does: rows and groups are counted in bigint, and a distance is an interval or of the order's type.

use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Schema};
use datafusion::common::tree_node::TreeNode;
use datafusion::common::{DFSchema, Result as DfResult, ScalarValue};
use datafusion::logical_expr::execution_props::ExecutionProps;
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, WindowFrame, WindowFrameBound,
    WindowFrameUnits,
};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_expr::create_physical_expr;

use super::frames::{BEYOND_ALL_ROWS, TIME_OF_DAY};
use super::{STABLE, cast};
use crate::data::PgType;
use crate::error::{Error, Result, code};

/// An end of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// Where it starts.
    Start,
    /// Where it ends.
    End,
}

impl End {
    const BOTH: [End; 2] = [End::Start, End::End];

    /// The function that tells this end's offset in PARTITION BY.
    pub fn marker(self) -> &'static str {
        match self {
            End::Start => "frame_starts_at",
            End::End => "frame_ends_at",
        }
    }

    /// As messages call it.
    fn name(self) -> &'static str {
        match self {
            End::Start => "starting",
            End::End => "ending",
        }
    }
}

/// The functions that tell offsets, for the registry.
pub(super) fn markers() -> Vec<Arc<ScalarUDF>> {
    let make = |end| Marker { end, signature: Signature::any(1, Volatility::Immutable) };
    End::BOTH.map(|end| Arc::new(ScalarUDF::new_from_impl(make(end)))).into()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Marker {
    end: End,
    signature: Signature,
}

impl ScalarUDFImpl for Marker {
    fn name(&self) -> &str {
        self.end.marker()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> DfResult<DataType> {
        Ok(DataType::Boolean)
    }

    /// It is taken out of the one place where it has a meaning.
    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        Err(Error::new(code::WINDOWING_ERROR, format!("{} is a part of a window's frame alone", self.name())).into())
    }
}

/// The offset that an expression of PARTITION BY tells.
pub fn told(by: &Expr) -> Option<&Expr> {
    marked(by).map(|(_, offset)| offset)
}

fn marked(by: &Expr) -> Option<(End, &Expr)> {
    let Expr::ScalarFunction(call) = by else { return None };
    let marker = call.func.inner().downcast_ref::<Marker>()?;
    Some((marker.end, call.args.first()?))
}

/// The call with the offsets that were told in its PARTITION BY, which are gone from there. Those that hold a parameter stay until this has a
/// value. Errors: 22004, 22013, 42P10, 42804 and 0A000 for offsets that are none.
pub(super) fn settle(call: &mut WindowFunction, schema: &DFSchema) -> DfResult<()> {
    let params = &mut call.params;
    let offsets: Vec<(End, Expr)> = params.partition_by.iter().filter_map(marked).map(|(end, offset)| (end, offset.clone())).collect();
    let waits = |offset: &Expr| offset.exists(|e| Ok(matches!(e, Expr::Placeholder(_))));
    for (_, offset) in &offsets {
        if waits(offset)? {
            return Ok(());
        }
    }
    if offsets.is_empty() {
        return Ok(());
    }
    params.partition_by.retain(|by| marked(by).is_none());
    let order = params.order_by.first().map(|by| by.expr.get_type(schema)).transpose()?;
    let frame = &params.window_frame;
    let (units, mut start, mut end) = (frame.units, frame.start_bound.clone(), frame.end_bound.clone());
    for (place, offset) in offsets {
        let value = value(place, offset, units, order.as_ref(), schema)?;
        let bound = match place {
            End::Start => &mut start,
            End::End => &mut end,
        };
        *bound = match bound {
            WindowFrameBound::Preceding(_) => WindowFrameBound::Preceding(value),
            WindowFrameBound::Following(_) => WindowFrameBound::Following(value),
            WindowFrameBound::CurrentRow => WindowFrameBound::CurrentRow,
        };
    }
    params.window_frame = WindowFrame::new_bounds(units, start, end);
    Ok(())
}

/// The offset as a frame of these units over this order has it.
fn value(end: End, offset: Expr, units: WindowFrameUnits, order: Option<&DataType>, schema: &DFSchema) -> DfResult<ScalarValue> {
    if offset.any_column_refs() {
        return Err(Error::new(code::INVALID_COLUMN_REFERENCE, format!("argument of {units} must not contain variables")).into());
    }
    let value = match (units, order) {
        (WindowFrameUnits::Range, Some(order)) if is_moment(order) => interval(offset, order, schema)?,
        (WindowFrameUnits::Range, Some(order)) => distance(offset, order, schema)?,
        _ => count(end, offset, units, schema)?,
    };
    if value.is_null() {
        return Err(Error::new(code::NULL_VALUE_NOT_ALLOWED, format!("frame {} offset must not be null", end.name())).into());
    }
    Ok(value)
}

/// True for orders from which intervals lead away.
fn is_moment(order: &DataType) -> bool {
    matches!(order, DataType::Date32 | DataType::Timestamp(..)) || *order == TIME_OF_DAY
}

fn is_text(ty: &DataType) -> bool {
    ty.is_string() || ty.is_null()
}

/// So many rows or groups.
fn count(end: End, offset: Expr, units: WindowFrameUnits, schema: &DFSchema) -> DfResult<ScalarValue> {
    let ty = offset.get_type(schema)?;
    if !ty.is_numeric() && !is_text(&ty) {
        let message = format!("argument of {units} must be type bigint, not type {}", PgType::of_arrow(&ty).base());
        return Err(Error::new(code::DATATYPE_MISMATCH, message).into());
    }
    let value = computed(as_type(offset, &PgType::Int8, schema)?)?;
    let ScalarValue::Int64(rows) = value.cast_to(&DataType::Int64)? else { return Ok(value) };
    if rows.is_some_and(|rows| rows < 0) {
        let message = format!("frame {} offset must not be negative", end.name());
        return Err(Error::new(code::INVALID_PRECEDING_OR_FOLLOWING_SIZE, message).into());
    }
    Ok(ScalarValue::UInt64(rows.map(|rows| rows.min(BEYOND_ALL_ROWS) as u64)))
}

/// An interval. Errors: 0A000 for what is none.
fn interval(offset: Expr, order: &DataType, schema: &DFSchema) -> DfResult<ScalarValue> {
    let ty = offset.get_type(schema)?;
    if is_text(&ty) {
        return computed(as_type(offset, &PgType::Interval, schema)?);
    }
    if matches!(ty, DataType::Interval(_)) { computed(offset) } else { Err(misfit(order, &ty).into()) }
}

fn misfit(order: &DataType, offset: &DataType) -> Error {
    let [order, offset] = [order, offset].map(|ty| PgType::of_arrow(ty).base());
    let message = format!("RANGE with offset PRECEDING/FOLLOWING is not supported for column type {order} and offset type {offset}");
    Error::unsupported(message).hint("Cast the offset value to an appropriate type.")
}

/// A distance between numbers, as text: DataFusion gives it the order's type. Errors: 0A000 for one of another type than an order of this one
/// takes, 22013 for a negative one.
fn distance(offset: Expr, order: &DataType, schema: &DFSchema) -> DfResult<ScalarValue> {
    let ty = offset.get_type(schema)?;
    let fits = match order {
        order if order.is_integer() => ty.is_integer(),
        order if order.is_decimal() => ty.is_integer() || ty.is_decimal(),
        order => ty.is_numeric() || !order.is_numeric(),
    };
    if !fits && !is_text(&ty) {
        return Err(misfit(order, &ty).into());
    }
    let typed = match cast::read_as(&offset, order)? {
        Some(read) => read,
        None if is_text(&ty) => as_type(offset, &PgType::of_arrow(order), schema)?,
        None => offset,
    };
    let value = computed(as_type(typed, &PgType::Text, schema)?)?;
    let Some(text) = value.try_as_str().flatten() else { return Ok(ScalarValue::Utf8(None)) };
    let number: f64 = text.parse().unwrap_or(0.0);
    if number < 0.0 || number.is_nan() {
        let message = "invalid preceding or following size in window function";
        return Err(Error::new(code::INVALID_PRECEDING_OR_FOLLOWING_SIZE, message).into());
    }
    if number.is_infinite() && order.is_floating() {
        return Err(Error::unsupported("RANGE with an infinite offset is not supported").hint("Write UNBOUNDED.").into());
    }
    Ok(ScalarValue::Utf8(Some(text.trim_start_matches('-').to_string())))
}

fn as_type(expr: Expr, ty: &PgType, schema: &DFSchema) -> DfResult<Expr> {
    Ok(cast::plan(expr, Arc::new(ty.field("", true)), schema)?.data)
}

/// The value of an expression without columns. Errors: its own, and 0A000 for one that differs from run to run or reads what is around.
fn computed(expr: Expr) -> DfResult<ScalarValue> {
    let changes = |e: &Expr| match e {
        Expr::ScalarFunction(call) => STABLE.contains(&call.name()),
        Expr::OuterReferenceColumn(..) | Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_) | Expr::SetComparison(_) => true,
        _ => false,
    };
    if expr.is_volatile() || expr.exists(|e| Ok(changes(e)))? {
        return Err(not_constant().into());
    }
    let none = DFSchema::empty();
    let options = super::config().options().clone();
    let simplifier = ExprSimplifier::new(SimplifyContext::builder().with_config_options(options).build());
    let simplified = simplifier.simplify(simplifier.coerce(expr, &none)?)?;
    if let Expr::Literal(value, _) = simplified {
        return Ok(value);
    }
    // What cannot be computed says why.
    let physical = create_physical_expr(&simplified, &none, &ExecutionProps::new(), &PhysicalPlanningContext::default())?;
    match physical.evaluate(&one_row()?)? {
        ColumnarValue::Scalar(value) => Ok(value),
        ColumnarValue::Array(values) => ScalarValue::try_from_array(&values, 0),
    }
}

/// The error of an offset that is not the same for every row, or is not known before the query runs.
pub fn not_constant() -> Error {
    Error::unsupported("a frame's offset that is not constant is not supported").hint("Write a constant, or a parameter.")
}

fn one_row() -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    Ok(RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &options)?)
}
