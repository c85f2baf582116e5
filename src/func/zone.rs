//! Queries in a time zone other than UTC.
//!
//! A timestamptz is an instant; only where it becomes a date, a time of day or text, or is made of one, does the session's time zone
//! matter. [`InZone`] is an analyzer rule that a session in another zone adds behind all others, when every type is known: it puts
//! `timezone(zone, ..)` around such places, so that the rest of the server computes in UTC whatever the zone. What it cannot put so is
//! refused, rather than answered in UTC. Views are planned without it: they fold in UTC, whoever created them.
//!
//! The same rule has text made and read in the forms that the session has set besides, by the functions of [`super::styled`].

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int32Array, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, IntervalMonthDayNanoType, TimestampMicrosecondType};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result as DfResult, ScalarValue};
use datafusion::logical_expr::expr::{ScalarFunction, WindowFunction};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Cast, Expr, ExprSchemable, LogicalPlan, ScalarUDF};
use datafusion::optimizer::AnalyzerRule;

use super::arith::rules::{INTERVAL, TIMESTAMP, timestamptz};
use super::arith::time::{Interval, add_interval, out_of_range};
use super::cast::{self, PgCast};
use super::excluding;
use super::scalar::define::{Function, text};
use super::scalar::{jsonpath, series, times, to_char};
use super::styled;
use crate::data::datetime::{Zone, is_infinite};
use crate::data::encode::Style;
use crate::data::{EnumType, PgType};
use crate::error::{Error, Result};

const TEXT: DataType = DataType::Utf8View;

/// Functions that take an instant for what it is, whatever a clock shows.
const INSTANTS: &[&str] = &[
    "timezone",
    "now",
    "current_timestamp",
    "transaction_timestamp",
    "statement_timestamp",
    "clock_timestamp",
    "to_timestamp",
    "coalesce",
    "nullif",
    "greatest",
    "least",
    "isfinite",
    "time_precision",
    "pg_subtract",
    "date_bin",
    "array_length",
    "cardinality",
    "make_array",
    "unnest",
    "arrow_typeof",
    "pg_typeof",
    "count",
    "min",
    "max",
    "array_agg",
    "first_value",
    "last_value",
    "nth_value",
    "lag",
    "lead",
    "any_value",
    "string_to_array",
    "array_element",
    "styled_read",
    "styled_text",
    "styled_json",
    "zoned_add",
    "zoned_to_char",
    "zoned_part",
    "zoned_series",
    "make_timestamptz",
    "row",
    "named_struct",
    "pg_frame_order",
    "pg_frame_moves",
];

/// Fields that tell how far a clock of the zone is ahead of UTC.
const ZONE_PARTS: &[&str] = &["timezone", "timezone_hour", "timezone_minute"];

/// Functions that show each argument as text.
const AS_TEXT: &[&str] = &["concat", "concat_ws", "textcat", "format", "quote_literal", "quote_nullable", "array_to_string"];

/// Functions that make JSON of each argument, which is a string where it is an instant.
const AS_JSON: &[&str] = &[
    "to_json",
    "to_jsonb",
    "row_to_json",
    "array_to_json",
    "array_to_json_agg",
    "array_to_jsonb_agg",
    "arrays_to_json_object",
    "arrays_to_object",
    "json_build_object",
    "json_build_array",
    "jsonb_build_object",
    "jsonb_build_array",
];

/// A function to put around arguments, and what tells those that it is put around.
type Presenting = (fn() -> Arc<ScalarUDF>, fn(&DataType, &Style) -> bool);

/// The rule; see the head of this module.
#[derive(Debug)]
pub struct InZone {
    /// The session's time zone and its name.
    pub zone: Zone,
    pub name: String,
    /// How values are shown and read.
    pub style: Style,
}

impl AnalyzerRule for InZone {
    fn name(&self) -> &str {
        "session_time_zone"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> DfResult<LogicalPlan> {
        Ok(plan.transform_up_with_subqueries(|node| self.node(node))?.data)
    }
}

fn is_instant(ty: &DataType) -> bool {
    match ty {
        DataType::Timestamp(_, zone) => zone.is_some() && EnumType::of_arrow(ty).is_none(),
        DataType::List(item) | DataType::LargeList(item) => is_instant(item.data_type()),
        DataType::Struct(fields) => fields.iter().any(|f| is_instant(f.data_type())),
        _ => false,
    }
}

fn is_text(ty: &DataType) -> bool {
    matches!(ty, DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8)
}

/// The type of the items of an array, also of one of several dimensions; any other type as it is.
fn item_of(ty: &DataType) -> &DataType {
    match ty {
        DataType::List(item) | DataType::LargeList(item) => item_of(item.data_type()),
        ty => ty,
    }
}

fn call(function: Arc<ScalarUDF>, args: Vec<Expr>) -> Expr {
    Expr::ScalarFunction(ScalarFunction { func: function, args })
}

impl InZone {
    /// True if a plan means something else to such a session than to one that has set nothing.
    pub fn changes(&self, plan: &LogicalPlan) -> bool {
        self.analyze(plan.clone(), &Default::default()).map_or(true, |changed| changed != *plan)
    }

    fn node(&self, plan: LogicalPlan) -> DfResult<Transformed<LogicalPlan>> {
        let mut schema = merge_schema(&plan.inputs());
        if let LogicalPlan::TableScan(scan) = &plan {
            schema.merge(&DFSchema::try_from_qualified_schema(scan.table_name.clone(), &scan.source.schema())?);
        }
        let names = NamePreserver::new(&plan);
        let named = |expr: Expr| {
            let name = names.save(&expr);
            Ok(expr.transform_up(|e| self.expr(e, &schema))?.update_data(|e| name.restore(e)))
        };
        let plan = plan.map_expressions(|expr| match expr {
            Expr::GroupingSet(_) => expr.map_children(named),
            expr => named(expr),
        })?;
        plan.map_data(LogicalPlan::recompute_schema)
    }

    fn expr(&self, expr: Expr, schema: &DFSchema) -> DfResult<Transformed<Expr>> {
        match expr {
            Expr::Cast(Cast { expr: inner, field }) => match inner.get_type(schema) {
                Ok(from) => self.cast(*inner, &from, field.data_type(), |e| Expr::Cast(Cast::new_from_field(Box::new(e), field.clone()))),
                Err(_) => Ok(Transformed::no(Expr::Cast(Cast { expr: inner, field }))),
            },
            Expr::ScalarFunction(mut f) if f.func.name() == cast::NAME => {
                let target = f.func.inner().downcast_ref::<PgCast>().map(|c| c.target().arrow());
                let types = f.args.first().map(|a| a.get_type(schema)).transpose()?;
                match (target, types, f.args.pop()) {
                    (Some(to), Some(from), Some(arg)) => self.cast(arg, &from, &to, |e| call(f.func.clone(), vec![e])),
                    (_, _, arg) => {
                        f.args.extend(arg);
                        Ok(Transformed::no(Expr::ScalarFunction(f)))
                    }
                }
            }
            Expr::ScalarFunction(f) => self.function(f, schema),
            Expr::AggregateFunction(f) => {
                self.check(f.func.name(), &f.params.args, schema)?;
                Ok(Transformed::no(Expr::AggregateFunction(f)))
            }
            Expr::WindowFunction(call) if !self.zone.is_utc() => self.window(*call, schema),
            other => Ok(Transformed::no(other)),
        }
    }

    /// A window whose frame is measured by the zone's clocks, if it goes by them.
    fn window(&self, call: WindowFunction, schema: &DFSchema) -> DfResult<Transformed<Expr>> {
        let order = match call.params.order_by.as_slice() {
            [by] => by.expr.get_type(schema)?,
            _ => return Ok(Transformed::no(Expr::from(call))),
        };
        let call = if is_instant(&order) { excluding::in_zone(call, &order, &self.name)? } else { call };
        Ok(Transformed::yes(Expr::from(call)))
    }

    fn zone(&self) -> Expr {
        Expr::Literal(ScalarValue::Utf8View(Some(self.name.clone())), None)
    }

    /// What the session has set, for the functions of [`styled`].
    fn spelled(&self) -> Expr {
        Expr::Literal(ScalarValue::Utf8View(Some(styled::spelled(&self.style, &self.name))), None)
    }

    /// For a function that makes text or JSON of arguments which the session shows otherwise: what is put around them, and around which.
    fn presenting(&self, function: &str, types: &[DataType]) -> Option<Presenting> {
        let (put, shows): Presenting = match function {
            name if AS_TEXT.contains(&name) => (styled::text_function, styled::shows),
            name if AS_JSON.contains(&name) => (styled::json_function, styled::shows_in_json),
            _ => return None,
        };
        types.iter().any(|ty| shows(ty, &self.style)).then_some((put, shows))
    }

    /// What a clock of the zone shows at an instant, a timestamp; or the instant at which it shows a timestamp.
    fn moved(&self, expr: Expr, from: &DataType) -> Expr {
        let wanted = if is_instant(from) { timestamptz() } else { TIMESTAMP };
        let expr = if *from == wanted { expr } else { cast::of_time(expr, &wanted) };
        call(times::timezone_function(), vec![self.zone(), expr])
    }

    /// A cast, which `again` makes of another operand.
    fn cast(&self, arg: Expr, from: &DataType, to: &DataType, again: impl Fn(Expr) -> Expr) -> DfResult<Transformed<Expr>> {
        let utc = self.zone.is_utc();
        let yes = |expr: Expr| Ok(Transformed::yes(expr));
        if is_text(item_of(to)) && styled::shows(from, &self.style) {
            return yes(again(call(styled::text_function(), vec![self.spelled(), arg])));
        }
        if is_text(item_of(from)) && styled::reads(to, &self.style) {
            let arg = match from {
                from if *from == TEXT => arg,
                from if is_text(from) => Expr::Cast(Cast::new(Box::new(arg), TEXT)),
                // An array is read of its text.
                _ => cast::call(arg, PgType::Text),
            };
            let of = Expr::Literal(ScalarValue::try_from(to)?, None);
            return yes(call(styled::read_function(), vec![self.spelled(), arg, of]));
        }
        // DataFusion compares times in nanoseconds, where it is left to find the type.
        let counted = |expr: Expr, ty: DataType| if *to == ty { expr } else { Expr::Cast(Cast::new(Box::new(expr), to.clone())) };
        match (from, to) {
            _ if utc || [from, to].iter().any(|ty| EnumType::of_arrow(ty).is_some()) => Ok(Transformed::no(again(arg))),
            (DataType::Timestamp(_, Some(_)), DataType::Timestamp(_, Some(_))) => Ok(Transformed::no(again(arg))),
            (DataType::Timestamp(_, Some(_)), DataType::Timestamp(_, None)) => yes(counted(self.moved(arg, from), TIMESTAMP)),
            (DataType::Timestamp(_, Some(_)), DataType::Date32 | DataType::Time64(_)) => yes(again(self.moved(arg, from))),
            (DataType::Timestamp(_, None) | DataType::Date32, DataType::Timestamp(_, Some(_))) => {
                yes(counted(self.moved(arg, from), timestamptz()))
            }
            (DataType::Null, _) => Ok(Transformed::no(again(arg))),
            (from, to) if is_instant(from) != is_instant(to) => Err(self.refuse("a cast of arrays or rows of timestamptz")),
            _ => Ok(Transformed::no(again(arg))),
        }
    }

    fn function(&self, mut f: ScalarFunction, schema: &DFSchema) -> DfResult<Transformed<Expr>> {
        let types = f.args.iter().map(|a| a.get_type(schema)).collect::<DfResult<Vec<_>>>()?;
        if let Some((put, shows)) = self.presenting(f.func.name(), &types) {
            for (argument, _) in f.args.iter_mut().zip(&types).filter(|(_, ty)| shows(ty, &self.style)) {
                *argument = call(put(), vec![self.spelled(), std::mem::take(argument)]);
            }
            return Ok(Transformed::yes(Expr::ScalarFunction(f)));
        }
        if self.zone.is_utc() {
            return Ok(Transformed::no(Expr::ScalarFunction(f)));
        }
        let literal = |i: usize| f.args.get(i).and_then(text_of);
        let name = f.func.name().to_string();
        match name.as_str() {
            "current_date" | "today" | "localtimestamp" => {
                let now = call(now_function(), vec![]);
                let of = now.get_type(schema)?;
                let local = self.moved(now, &of);
                let date = name != "localtimestamp";
                return Ok(Transformed::yes(if date { Expr::Cast(Cast::new(Box::new(local), DataType::Date32)) } else { local }));
            }
            "to_timestamp" if types.len() == 2 => {
                f.args.insert(0, self.zone());
                return Ok(Transformed::yes(call(to_char::zoned_to_timestamp(), f.args)));
            }
            "make_timestamptz" if types.len() == 6 => {
                f.args.push(self.zone());
                return Ok(Transformed::yes(Expr::ScalarFunction(f)));
            }
            name if jsonpath::is_zoned(name) => {
                f.args = jsonpath::in_zone(f.args, self.zone());
                return Ok(Transformed::yes(Expr::ScalarFunction(f)));
            }
            "localtime" | "current_time" => return Err(self.refuse(&format!("function {name}()"))),
            _ => {}
        }
        if !types.iter().any(is_instant) {
            return Ok(Transformed::no(Expr::ScalarFunction(f)));
        }
        let moved_at = |f: &mut ScalarFunction, i: usize| f.args[i] = self.moved(f.args[i].clone(), &types[i]);
        match (name.as_str(), types.as_slice()) {
            ("date_trunc", [_, of]) if is_instant(of) => {
                f.args.push(self.zone());
                Ok(Transformed::yes(Expr::ScalarFunction(f)))
            }
            ("generate_series", [_, _, DataType::Interval(_)]) => {
                f.args.insert(0, self.zone());
                Ok(Transformed::yes(call(series::zoned_function(), f.args)))
            }
            ("date_trunc", [_, _, _]) => Ok(Transformed::no(Expr::ScalarFunction(f))),
            ("date_part" | "datepart" | "extract", [_, _]) => match literal(0).as_deref() {
                Some("epoch") => Ok(Transformed::no(Expr::ScalarFunction(f))),
                Some(part) if !part.starts_with("timezone") => {
                    moved_at(&mut f, 1);
                    Ok(Transformed::yes(Expr::ScalarFunction(f)))
                }
                Some(part) if ZONE_PARTS.contains(&part) => {
                    let output = f.func.inner().return_type(&types)?;
                    let part = Expr::Literal(ScalarValue::Utf8View(Some(part.to_string())), None);
                    let instant = Expr::Cast(Cast::new(Box::new(f.args[1].clone()), timestamptz()));
                    let shown = call(part_function(), vec![self.zone(), part, instant]);
                    let output = if matches!(output, DataType::Decimal128(..)) { DataType::Decimal128(38, 0) } else { output };
                    Ok(Transformed::yes(Expr::Cast(Cast::new(Box::new(shown), output))))
                }
                _ => Err(self.refuse(&format!("{name} of this field"))),
            },
            ("to_char", [of, _]) if is_instant(of) => {
                let mut arguments = f.args;
                arguments.insert(0, self.zone());
                for (argument, wanted) in arguments.iter_mut().zip([TEXT, timestamptz(), TEXT]) {
                    if argument.get_type(schema)? != wanted {
                        *argument = Expr::Cast(Cast::new(Box::new(argument.clone()), wanted));
                    }
                }
                Ok(Transformed::yes(call(to_char::zoned_function(), arguments)))
            }
            ("age", _) => {
                (0..types.len()).filter(|i| is_instant(&types[*i])).for_each(|i| moved_at(&mut f, i));
                Ok(Transformed::yes(Expr::ScalarFunction(f)))
            }
            ("pg_add" | "pg_subtract", [a, b]) if matches!(a, DataType::Interval(_)) || matches!(b, DataType::Interval(_)) => {
                let [left, right] = <[Expr; 2]>::try_from(f.args).map_err(|_| Error::internal("a sum has two terms"))?;
                let (instant, interval) = if is_instant(a) { (left, right) } else { (right, left) };
                let sign = Expr::Literal(ScalarValue::Boolean(Some(name == "pg_subtract")), None);
                let interval = Expr::Cast(Cast::new(Box::new(interval), INTERVAL));
                Ok(Transformed::yes(call(add_function(), vec![self.zone(), instant, interval, sign])))
            }
            _ => {
                self.check(&name, &f.args, schema)?;
                Ok(Transformed::no(Expr::ScalarFunction(f)))
            }
        }
    }

    /// Errors: 0A000 for a function that may make text or dates of instants, in UTC.
    fn check(&self, function: &str, args: &[Expr], schema: &DFSchema) -> DfResult<()> {
        if self.zone.is_utc() || INSTANTS.contains(&function) {
            return Ok(());
        }
        for arg in args {
            if is_instant(&arg.get_type(schema)?) {
                return Err(self.refuse(&format!("function {function}")));
            }
        }
        Ok(())
    }

    fn refuse(&self, what: &str) -> datafusion::error::DataFusionError {
        Error::unsupported(format!("{what} over timestamptz is not supported in time zone \"{}\"", self.name))
            .hint("Give it a timestamp, as with AT TIME ZONE, or SET timezone = 'UTC'.")
            .into()
    }
}

/// A literal's text in lower case, also of one that is cast.
fn text_of(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Literal(value, _) => value.try_as_str().flatten().map(str::to_lowercase),
        Expr::Cast(Cast { expr, .. }) => text_of(expr),
        Expr::ScalarFunction(f) if f.func.name() == cast::NAME => f.args.first().and_then(text_of),
        _ => None,
    }
}

pub(super) fn now_function() -> Arc<ScalarUDF> {
    // By DataFusion's own settings it has no time zone, and would be taken for a local time.
    datafusion::functions::datetime::now(super::config().options())
}

fn add_function() -> Arc<ScalarUDF> {
    Function::udf("zoned_add", |t| (t.len() == 4).then(|| (vec![TEXT, timestamptz(), INTERVAL, DataType::Boolean], timestamptz())), add)
}

fn part_function() -> Arc<ScalarUDF> {
    Function::udf("zoned_part", |t| (t.len() == 3).then(|| (vec![TEXT, TEXT, timestamptz()], DataType::Int32)), part)
}

/// The zone, which is the same in each row. Errors: 22023.
fn zone_of(args: &[ArrayRef]) -> Result<Zone> {
    let names = text(args, 0);
    if names.is_empty() { Ok(Zone::Utc) } else { Zone::parse(names.value(0)) }
}

/// Months and days are added to what the clock of the zone shows, the rest to the instant; infinity stays what it is. Errors: 22008.
pub(super) fn add_in(zone: &Zone, instant: i64, v: Interval) -> Result<i64> {
    let late = || out_of_range("timestamp");
    let mut at = instant;
    if !is_infinite(at) && (v.months != 0 || v.days != 0) {
        let local = at.checked_add(i64::from(zone.offset_at(at)) * 1_000_000).ok_or_else(late)?;
        at = zone.to_utc(add_interval(local, Interval::new(v.months, v.days, 0))?).ok_or_else(late)?;
    }
    add_interval(at, Interval::new(0, 0, v.nanoseconds))
}

fn add(args: &[ArrayRef], output: &DataType) -> Result<ArrayRef> {
    let zone = zone_of(args)?;
    let (instants, by) = (args[1].as_primitive::<TimestampMicrosecondType>(), args[2].as_primitive::<IntervalMonthDayNanoType>());
    let minus = args[3].as_boolean();
    let mut sums = Vec::with_capacity(instants.len());
    for row in 0..instants.len() {
        if instants.is_null(row) || by.is_null(row) {
            sums.push(None);
            continue;
        }
        let v = by.value(row);
        let v = if minus.value(row) { super::arith::time::negate(v)? } else { v };
        sums.push(Some(add_in(&zone, instants.value(row), v)?));
    }
    Ok(Arc::new(sums.into_iter().collect::<TimestampMicrosecondArray>().with_data_type(output.clone())))
}

/// The offset of the zone in seconds, or its hours, or its minutes; infinity has none.
fn part(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let (zone, parts, instants) = (zone_of(args)?, text(args, 1), args[2].as_primitive::<TimestampMicrosecondType>());
    let rows = instants.iter().zip(parts).map(|(instant, part)| {
        let seconds = zone.offset_at(instant.filter(|at| !is_infinite(*at))?);
        Some(match part? {
            "timezone_hour" => seconds / 3_600,
            "timezone_minute" => seconds / 60 % 60,
            _ => seconds,
        })
    });
    Ok(Arc::new(rows.collect::<Int32Array>()))
}
