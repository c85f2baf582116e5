//! Frames that leave rows out: EXCLUDE CURRENT ROW, GROUP and TIES (manual, chapter 4.2.8), which DataFusion's frames have not.
//!
//! The parser tells what a call excludes by a [`Marker`] in its PARTITION BY. [`taken`] takes it out when the call is analyzed, and [`call`]
//! makes a window function of the call's own function, [`Excluding`]: it is given each row's frame, leaves the rows out, and folds what is
//! left from nothing, in a query as in a view. Cost per row: O(rows in its frame). Where DataFusion cannot tell the frame, a [`Measure`] does.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray};
use arrow::compute::{concat, filter, partition};
use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use datafusion::common::{Result as DfResult, ScalarValue};
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::function::{PartitionEvaluatorArgs, WindowUDFFieldArgs};
use datafusion::logical_expr::type_coercion::functions::fields_with_udf;
use datafusion::logical_expr::{
    ColumnarValue, Expr, PartitionEvaluator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, WindowFrame,
    WindowFrameBound, WindowFrameUnits, WindowFunctionDefinition, WindowUDF, WindowUDFImpl,
};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::aggregate::{AggregateExprBuilder, AggregateFunctionExpr};
use datafusion::physical_expr::expressions::{Column, Literal};

use super::measured::{Measure, Measured};
use super::replayed;
use crate::error::{Error, code};

/// Which rows a frame leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Exclusion {
    /// The current row.
    CurrentRow,
    /// The current row and its peers.
    Group,
    /// The peers of the current row, but not itself.
    Ties,
}

impl Exclusion {
    const ALL: [Exclusion; 3] = [Exclusion::CurrentRow, Exclusion::Group, Exclusion::Ties];

    /// The function without arguments that stands for it in PARTITION BY.
    pub fn marker(self) -> &'static str {
        match self {
            Exclusion::CurrentRow => "excluding_current_row",
            Exclusion::Group => "excluding_group",
            Exclusion::Ties => "excluding_ties",
        }
    }
}

/// True for the name of a function that stands for an [`Exclusion`].
pub fn is_marker(function: &str) -> bool {
    Exclusion::ALL.iter().any(|exclusion| exclusion.marker() == function)
}

/// True for the name of a function that stands for an [`Exclusion`] of peers, which are others where there is an order.
pub fn is_of_peers(function: &str) -> bool {
    [Exclusion::Group, Exclusion::Ties].iter().any(|exclusion| exclusion.marker() == function)
}

/// The functions that stand for an [`Exclusion`], for the registry.
pub(super) fn markers() -> Vec<Arc<ScalarUDF>> {
    let make = |exclusion| Marker { exclusion, signature: Signature::nullary(Volatility::Immutable) };
    Exclusion::ALL.map(|exclusion| Arc::new(ScalarUDF::new_from_impl(make(exclusion)))).into()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Marker {
    exclusion: Exclusion,
    signature: Signature,
}

impl ScalarUDFImpl for Marker {
    fn name(&self) -> &str {
        self.exclusion.marker()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> DfResult<DataType> {
        Ok(DataType::Boolean)
    }

    /// It is taken out of the one place where it has a meaning.
    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        Err(Error::new(code::WINDOWING_ERROR, format!("{} is a part of PARTITION BY alone", self.name())).into())
    }
}

/// What a call excludes, by the marker in its PARTITION BY, which is gone.
pub(super) fn taken(partition_by: &mut Vec<Expr>) -> Option<Exclusion> {
    let marked = |by: &Expr| match by {
        Expr::ScalarFunction(call) => call.func.inner().downcast_ref::<Marker>().map(|marker| marker.exclusion),
        _ => None,
    };
    let exclusion = partition_by.iter().find_map(marked)?;
    partition_by.retain(|by| marked(by).is_none());
    Some(exclusion)
}

/// The window functions that heed their frame; the others are not changed by what it leaves out.
const OF_FRAMES: [&str; 3] = ["first_value", "last_value", "nth_value"];

/// True for the functions that heed their frame.
pub(super) fn heeds_frame(function: &WindowFunctionDefinition) -> bool {
    matches!(function, WindowFunctionDefinition::AggregateUDF(_)) || OF_FRAMES.contains(&function.name())
}

/// The call with a function that leaves the rows out and measures its frame. What it filters by becomes its last argument.
pub(super) fn call(mut call: WindowFunction, exclusion: Option<Exclusion>, measure: Option<Measure>) -> WindowFunction {
    if !heeds_frame(&call.fun) {
        return call;
    }
    if measure.is_some() {
        call.params.window_frame = all_rows();
    }
    let is_aggregate = matches!(call.fun, WindowFunctionDefinition::AggregateUDF(_));
    // DataFusion refuses a filter before another function than an aggregate.
    let condition = if is_aggregate { call.params.filter.take() } else { None };
    let filtered = condition.is_some();
    call.params.args.extend(condition.map(|condition| *condition));
    let signature = Signature::user_defined(Volatility::Immutable);
    let function = Excluding { function: call.fun, exclusion, measure, filtered, signature };
    call.fun = WindowFunctionDefinition::WindowUDF(Arc::new(WindowUDF::new_from_impl(function)));
    call
}

/// A function with frames that leave rows out.
#[cfg(test)]
pub(crate) fn without(exclusion: Exclusion, function: WindowFunctionDefinition) -> WindowFunctionDefinition {
    call(WindowFunction::new(function, vec![]), Some(exclusion), None).fun
}

fn all_rows() -> WindowFrame {
    let unbounded = || ScalarValue::UInt64(None);
    let (first, last) = (WindowFrameBound::Preceding(unbounded()), WindowFrameBound::Following(unbounded()));
    WindowFrame::new_bounds(WindowFrameUnits::Rows, first, last)
}

/// The call with its frame by the clocks of a time zone, if it goes by days or months of instants of this type. Errors: those of [`Measure`].
pub(super) fn in_zone(mut call: WindowFunction, ty: &DataType, zone: &str) -> crate::error::Result<WindowFunction> {
    let measure = Measure::in_zone(&call, ty, zone)?;
    let excluding = match &call.fun {
        WindowFunctionDefinition::WindowUDF(function) => function.inner().downcast_ref::<Excluding>(),
        WindowFunctionDefinition::AggregateUDF(_) => None,
    };
    let Some(excluding) = excluding else {
        if measure.is_none() {
            return Ok(call);
        }
        if let WindowFunctionDefinition::AggregateUDF(function) = &call.fun {
            call.fun = WindowFunctionDefinition::AggregateUDF(replayed::as_they_are(function));
        }
        return Ok(self::call(call, None, measure));
    };
    let Some(measure) = excluding.measure.as_ref().map(|known| known.moved_to(zone)).or(measure) else { return Ok(call) };
    let function = Excluding { measure: Some(measure), ..excluding.clone() };
    call.params.window_frame = all_rows();
    call.fun = WindowFunctionDefinition::WindowUDF(Arc::new(WindowUDF::new_from_impl(function)));
    Ok(call)
}

/// True for a function that [`call`] has made.
pub fn is_excluding(function: &WindowFunctionDefinition) -> bool {
    matches!(function, WindowFunctionDefinition::WindowUDF(function) if function.inner().is::<Excluding>())
}

/// A function over frames that leave rows out, or are measured.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Excluding {
    function: WindowFunctionDefinition,
    exclusion: Option<Exclusion>,
    measure: Option<Measure>,
    /// The last argument is not the function's: it says which rows are folded.
    filtered: bool,
    signature: Signature,
}

impl Excluding {
    /// How many of so many arguments are the function's own.
    fn own(&self, arguments: usize) -> usize {
        arguments.saturating_sub(usize::from(self.filtered))
    }
}

impl WindowUDFImpl for Excluding {
    fn name(&self) -> &str {
        self.function.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> DfResult<Vec<DataType>> {
        let (own, condition) = types.split_at(self.own(types.len()));
        let fields: Vec<FieldRef> = own.iter().map(|ty| Arc::new(Field::new("argument", ty.clone(), true))).collect();
        let fields = match &self.function {
            WindowFunctionDefinition::AggregateUDF(function) => fields_with_udf(&fields, function.as_ref())?,
            WindowFunctionDefinition::WindowUDF(function) => fields_with_udf(&fields, function.as_ref())?,
        };
        let own = fields.iter().map(|field| field.data_type().clone());
        Ok(own.chain(condition.iter().map(|_| DataType::Boolean)).collect())
    }

    fn field(&self, args: WindowUDFFieldArgs) -> DfResult<FieldRef> {
        let fields = args.input_fields();
        let field = self.function.return_field(&fields[..self.own(fields.len())], args.name())?;
        Ok(Arc::new(field.as_ref().clone().with_name(args.name())))
    }

    fn partition_evaluator(&self, args: PartitionEvaluatorArgs) -> DfResult<Box<dyn PartitionEvaluator>> {
        let own = self.own(args.input_exprs().len());
        let (exprs, fields) = (&args.input_exprs()[..own], &args.input_fields()[..own]);
        let folding = match &self.function {
            WindowFunctionDefinition::AggregateUDF(function) => {
                let schema = Arc::new(Schema::new(fields.to_vec()));
                let builder = AggregateExprBuilder::new(Arc::clone(function), columns(exprs, fields)).schema(schema).alias(self.name());
                Folding::Aggregate(Box::new(builder.with_ignore_nulls(args.ignore_nulls()).build()?))
            }
            WindowFunctionDefinition::WindowUDF(function) => Folding::Window {
                function: Arc::clone(function),
                exprs: exprs.to_vec(),
                fields: fields.to_vec(),
                ignore_nulls: args.ignore_nulls(),
            },
        };
        let (exclusion, filtered, measure) = (self.exclusion, self.filtered, self.measure.clone());
        let (measured, groups) = (None, Vec::new());
        Ok(Box::new(Evaluator { folding, exclusion, measure, measured, own, filtered, row: 0, groups, group: 0 }))
    }
}

/// The arguments as columns of their own values. What is a constant stays one, since some functions ask for constants.
fn columns(exprs: &[Arc<dyn PhysicalExpr>], fields: &[FieldRef]) -> Vec<Arc<dyn PhysicalExpr>> {
    let column = |(i, (expr, field)): (usize, (&Arc<dyn PhysicalExpr>, &FieldRef))| -> Arc<dyn PhysicalExpr> {
        match expr.downcast_ref::<Literal>() {
            Some(_) => Arc::clone(expr),
            None => Arc::new(Column::new(field.name(), i)),
        }
    };
    exprs.iter().zip(fields).enumerate().map(column).collect()
}

/// How the rows that are left are folded.
#[derive(Debug)]
enum Folding {
    Aggregate(Box<AggregateFunctionExpr>),
    Window { function: Arc<WindowUDF>, exprs: Vec<Arc<dyn PhysicalExpr>>, fields: Vec<FieldRef>, ignore_nulls: bool },
}

impl Folding {
    /// The value of rows that come in pieces; `args` tells the types of their columns.
    fn value(&self, args: &[ArrayRef], pieces: &[Vec<ArrayRef>]) -> DfResult<ScalarValue> {
        match self {
            Folding::Aggregate(call) if pieces.is_empty() => call.default_value(call.field().data_type()),
            Folding::Aggregate(call) => {
                let mut accumulator = call.create_accumulator()?;
                pieces.iter().try_for_each(|piece| accumulator.update_batch(piece))?;
                accumulator.evaluate()
            }
            Folding::Window { function, exprs, fields, ignore_nulls } => {
                let joined = |(i, arg): (usize, &ArrayRef)| -> DfResult<ArrayRef> {
                    let columns: Vec<_> = pieces.iter().map(|piece| piece[i].as_ref()).collect();
                    if columns.is_empty() { Ok(arg.slice(0, 0)) } else { Ok(concat(&columns)?) }
                };
                let columns = args.iter().enumerate().map(joined).collect::<DfResult<Vec<ArrayRef>>>()?;
                let rows = columns.first().map_or(0, |column| column.len());
                let call = PartitionEvaluatorArgs::new(exprs, fields, false, *ignore_nulls);
                let mut evaluator = function.partition_evaluator_factory(call)?;
                evaluator.evaluate(&columns, &(0..rows))
            }
        }
    }
}

/// Evaluates the rows of one partition, one after the other.
#[derive(Debug)]
struct Evaluator {
    folding: Folding,
    exclusion: Option<Exclusion>,
    measure: Option<Measure>,
    /// The rows, measured.
    measured: Option<Measured>,
    /// How many of the columns are the function's arguments.
    own: usize,
    /// The column behind them says which rows are folded.
    filtered: bool,
    /// The row that is evaluated next.
    row: usize,
    /// The runs of peers, and the one that the row is in.
    groups: Vec<Range<usize>>,
    group: usize,
}

impl PartitionEvaluator for Evaluator {
    /// It is asked once for each row, in their order. Behind the arguments stand the columns of ORDER BY.
    fn evaluate(&mut self, values: &[ArrayRef], frame: &Range<usize>) -> DfResult<ScalarValue> {
        let (args, others) = values.split_at(self.own);
        let (condition, order) = others.split_at(usize::from(self.filtered));
        let excluded = self.excluded(order, values.first().map_or(0, |column| column.len()))?;
        let kept = (self.exclusion == Some(Exclusion::Ties)).then_some(self.row);
        let frame = self.frame(order, frame)?;
        self.row += 1;
        let condition = condition.first().map(|condition| condition.as_boolean());
        let pieces = left(&frame, &excluded, kept).iter().map(|rows| piece(args, condition, rows)).collect::<DfResult<Vec<_>>>()?;
        self.folding.value(args, &pieces)
    }

    fn uses_window_frame(&self) -> bool {
        true
    }
}

impl Evaluator {
    /// The frame of the current row: the one that is given, or as it is measured.
    fn frame(&mut self, order: &[ArrayRef], given: &Range<usize>) -> DfResult<Range<usize>> {
        if let (Some(measure), None, Some(order)) = (&self.measure, &self.measured, order.first()) {
            self.measured = Some(Measured::new(measure, order)?);
        }
        Ok(self.measured.as_ref().map_or(Ok(given.clone()), |measured| measured.frame(self.row))?)
    }

    /// No row, the current row, or the run of its peers. Without an order all rows are peers.
    fn excluded(&mut self, order: &[ArrayRef], rows: usize) -> DfResult<Range<usize>> {
        let itself = self.row..self.row + 1;
        match self.exclusion {
            None => return Ok(0..0),
            Some(Exclusion::CurrentRow) => return Ok(itself),
            Some(Exclusion::Group | Exclusion::Ties) => {}
        }
        if self.row == 0 {
            self.groups = if order.is_empty() { std::iter::once(0..rows).collect() } else { partition(order)?.ranges() };
        }
        while self.groups.get(self.group).is_some_and(|group| group.end <= self.row) {
            self.group += 1;
        }
        Ok(self.groups.get(self.group).cloned().unwrap_or(itself))
    }
}

/// The rows of a frame without those that are excluded, but with the one that is kept, if it is in the frame. No range is empty.
fn left(frame: &Range<usize>, excluded: &Range<usize>, kept: Option<usize>) -> Vec<Range<usize>> {
    let (start, end) = (frame.start, frame.end.max(frame.start));
    let before = start..excluded.start.clamp(start, end);
    let after = excluded.end.clamp(start, end)..end;
    let kept = kept.filter(|row| (start..end).contains(row)).map(|row| row..row + 1);
    [Some(before), kept, Some(after)].into_iter().flatten().filter(|rows| !rows.is_empty()).collect()
}

/// The arguments of those rows that pass.
fn piece(args: &[ArrayRef], condition: Option<&BooleanArray>, rows: &Range<usize>) -> DfResult<Vec<ArrayRef>> {
    let slice = |column: &ArrayRef| column.slice(rows.start, rows.len());
    let Some(condition) = condition else { return Ok(args.iter().map(slice).collect()) };
    let passing = condition.slice(rows.start, rows.len());
    args.iter().map(|column| Ok(filter(&slice(column), &passing)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::left;

    #[test]
    fn what_is_left_of_a_frame_is_in_it_and_not_excluded() {
        for (start, end) in (0..6).flat_map(|start| (0..6).map(move |end| (start, end))) {
            for (from, to) in (0..6).flat_map(|from| (from + 1..7).map(move |to| (from, to))) {
                for kept in std::iter::once(None).chain((from..to).map(Some)) {
                    let rows: Vec<usize> = left(&(start..end), &(from..to), kept).into_iter().flatten().collect();
                    let stays = |row: &usize| !(from..to).contains(row) || Some(*row) == kept;
                    let expected: Vec<usize> = (start..end).filter(stays).collect();
                    assert_eq!(rows, expected, "{start}..{end} without {from}..{to} but {kept:?}");
                }
            }
        }
    }
}
