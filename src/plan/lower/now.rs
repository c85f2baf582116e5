//! `now()` in WHERE, HAVING and ON: comparisons of a row with the time of day.
//!
//! [`clocked`] puts a placeholder in the place of `now()` and its kin before the optimizer folds them to a constant: the optimizer
//! moves it about like a parameter. [`split`] then takes the comparisons with it out of each filter, and [`Lowering::temporal`] makes
//! operators of them that read the log `_clock`. A placeholder anywhere else is refused where the expression is planned.

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, ScalarValue};
use datafusion::logical_expr::expr::{Between, BinaryExpr, Placeholder};
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{Cast, Expr, ExprSchemable, LogicalPlan, Operator};

use super::leave_out::always;
use super::{DataflowInput, Lowered, Lowering, unsupported};
use crate::catalog;
use crate::data::PgType;
use crate::error::{Error, Result};
use crate::fold::{Flow, Passes, Temporal, TemporalSpec, is_time};
use crate::func::arith::{self, Op};
use crate::func::length::LENGTH;

/// The placeholder's name: no parameter of a user's is called so.
const NOW: &str = "$now";

/// The refusal of `now()` where it is no such comparison.
pub(super) fn refused() -> Error {
    unsupported(
        "now() in this place",
        "Compare one side with it, as in WHERE at > now() - INTERVAL '1 hour' (<, <=, >, >=, BETWEEN, joined by AND), or use it when reading the view.",
    )
}

/// The refusal of a bound that may fall, or of which that is not known.
fn refused_course(bound: &Expr) -> Error {
    let of_months = |e: &Expr| matches!(e, Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(by)), _) if by.months != 0);
    match bound.exists(|e| Ok(of_months(e))) {
        Ok(true) => unsupported(
            "now() in this place",
            "Take months off last, or say days, as in INTERVAL '30 days': a time less a month goes back at times.",
        ),
        _ => refused(),
    }
}

/// True if the expression depends on the time of day.
pub(super) fn tells_time(expr: &Expr) -> bool {
    expr.exists(|e| Ok(matches!(e, Expr::Placeholder(p) if p.id == NOW))).unwrap_or(false)
}

/// The plan with a placeholder for each `now()` in its filters and join conditions, and whether there is one.
pub(super) fn clocked(plan: &LogicalPlan) -> Result<(LogicalPlan, bool)> {
    let plan = plan.clone().transform_down_with_subqueries(|node| match node {
        LogicalPlan::Filter(_) | LogicalPlan::Join(_) => node.map_expressions(|e| e.transform_up(|e| Ok(placeheld(e)))),
        other => Ok(Transformed::no(other)),
    })?;
    Ok((plan.data, plan.transformed))
}

fn placeheld(expr: Expr) -> Transformed<Expr> {
    let Expr::ScalarFunction(f) = &expr else { return Transformed::no(expr) };
    let field: FieldRef = Arc::new(PgType::Timestamptz.field("now", false));
    let now = Expr::Placeholder(Placeholder::new_with_field(NOW.to_string(), Some(field)));
    match f.func.name() {
        "now" | "current_timestamp" | "transaction_timestamp" | "statement_timestamp" => Transformed::yes(now),
        "localtimestamp" => Transformed::yes(Expr::Cast(Cast::new(Box::new(now), PgType::Timestamp.arrow()))),
        "current_date" | "today" => Transformed::yes(Expr::Cast(Cast::new(Box::new(now), DataType::Date32))),
        _ => Transformed::no(expr),
    }
}

/// A row's side, how it is compared, and what it is compared with.
pub(super) struct Comparison {
    value: Expr,
    passes: Passes,
    bound: Expr,
    /// How far the bound may fall.
    slack: i64,
}

/// Parts a filter into comparisons with the time and the rest. Errors: 0A000 for other uses of the time.
pub(super) fn split(predicate: &Expr, schema: &DFSchema) -> Result<(Option<Expr>, Vec<Comparison>)> {
    let (mut rest, mut comparisons) = (Vec::new(), Vec::new());
    for part in split_conjunction_owned(predicate.clone()) {
        match part {
            part if !tells_time(&part) => rest.push(part),
            Expr::Between(Between { expr, negated: false, low, high }) => {
                for (op, bound) in [(Operator::GtEq, low), (Operator::LtEq, high)] {
                    let half = Expr::BinaryExpr(BinaryExpr::new(expr.clone(), op, bound));
                    if tells_time(&half) { comparisons.push(comparison(half, schema)?) } else { rest.push(half) }
                }
            }
            part => comparisons.push(comparison(part, schema)?),
        }
    }
    // Rows to come are held before they enter, and those that pass until they leave: each is held once.
    comparisons.sort_by_key(|c| matches!(c.passes, Passes::Above { .. }));
    Ok((conjunction(rest), comparisons))
}

fn comparison(expr: Expr, schema: &DFSchema) -> Result<Comparison> {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = expr else { return Err(refused()) };
    let (left, op, right) = if tells_time(&left) { (*right, op.swap().ok_or_else(refused)?, *left) } else { (*left, op, *right) };
    // Here the time stands on the right.
    if tells_time(&left) {
        return Err(refused());
    }
    let (value, op, bound) = match right.column_refs().is_empty() {
        true => (left, op, right),
        false => difference(left, op, right)?,
    };
    let passes = match op {
        Operator::Lt => Passes::Below { equal: false },
        Operator::LtEq => Passes::Below { equal: true },
        Operator::Gt => Passes::Above { equal: false },
        Operator::GtEq => Passes::Above { equal: true },
        _ => return Err(refused()),
    };
    let ty = value.get_type(schema)?;
    let course = course(&bound).ok_or_else(|| refused_course(&bound))?;
    if !is_time(&ty) || bound.get_type(&DFSchema::empty())? != ty {
        return Err(refused());
    }
    Ok(Comparison { value, passes, bound, slack: course.slack() })
}

/// `length > now() - at` as `at > now() - length`, and `length > at - now()` as `at < now() + length`.
fn difference(length: Expr, op: Operator, difference: Expr) -> Result<(Expr, Operator, Expr)> {
    // Lengths of time are compared in microseconds, numbers of days as they are.
    let (length, difference) = match (length, difference) {
        (Expr::Literal(ScalarValue::Decimal128(Some(us), ..), _), Expr::ScalarFunction(f)) if f.func.name() == LENGTH => {
            let nanoseconds = i64::try_from(us).ok().and_then(|us| us.checked_mul(1_000)).ok_or_else(refused)?;
            let interval = ScalarValue::new_interval_mdn(0, 0, nanoseconds);
            (Expr::Literal(interval, None), f.args.into_iter().next().ok_or_else(refused)?)
        }
        other => other,
    };
    let constant = matches!(&length, Expr::Literal(value, _) if !value.is_null());
    let swapped = op.swap().ok_or_else(refused)?;
    match difference {
        Expr::ScalarFunction(f) if constant && f.func.name() == "pg_subtract" => {
            let [a, b] = <[Expr; 2]>::try_from(f.args).map_err(|_| refused())?;
            match (tells_time(&a), tells_time(&b)) {
                (true, false) if a.column_refs().is_empty() => Ok((b, op, arith::binary(Op::Sub, a, length))),
                (false, true) if b.column_refs().is_empty() => Ok((a, swapped, arith::binary(Op::Add, b, length))),
                _ => Err(refused()),
            }
        }
        _ => Err(refused()),
    }
}

/// How a time goes on as `now()` rises; what comes later promises less.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Course {
    /// It never falls.
    Rises,
    /// Its date never falls, its time of day may: noon of March 30 less a month is later than midnight of March 31 less a month, both of
    /// February 28.
    RisesByDate,
    /// It falls by less than a day.
    Falls,
}

impl Course {
    /// How far it may fall, in microseconds.
    fn slack(self) -> i64 {
        if self == Course::Rises { 0 } else { 86_400_000_000 }
    }

    /// That of the time cast to a type.
    fn cast(self, to: &DataType) -> Option<Course> {
        match (to, self) {
            (to, _) if !is_time(to) => None,
            (DataType::Date32, Course::Falls) => None,
            (DataType::Date32, _) => Some(Course::Rises),
            _ => Some(self),
        }
    }

    /// That of the time moved by a constant: first by months, to the last day of a shorter one, then by days and by the time.
    fn moved(self, by: &Expr) -> Option<Course> {
        match constant(by)? {
            ScalarValue::IntervalYearMonth(_) => None,
            ScalarValue::IntervalMonthDayNano(Some(by)) => match self {
                Course::Falls if by.months != 0 => None,
                Course::Rises if by.months == 0 => Some(Course::Rises),
                _ if by.nanoseconds == 0 => Some(self.max(Course::RisesByDate)),
                _ => Some(Course::Falls),
            },
            _ => Some(self),
        }
    }

    /// That of the time cut off to a unit.
    fn truncated(self, unit: &Expr) -> Option<Course> {
        let unit = constant(unit)?.try_as_str().flatten()?.to_ascii_lowercase();
        let of_dates = ["day", "week", "month", "quarter", "year", "decade", "century", "millennium"].contains(&unit.as_str());
        match self {
            Course::Falls => None,
            Course::RisesByDate if of_dates => Some(Course::Rises),
            _ => Some(self),
        }
    }
}

fn constant(expr: &Expr) -> Option<&ScalarValue> {
    if let Expr::Literal(value, _) = expr { Some(value).filter(|v| !v.is_null()) } else { None }
}

/// The course of the expression; `None` if it is no time of which it is known.
fn course(expr: &Expr) -> Option<Course> {
    let rising = |e: &Expr| course(e).filter(|c| *c == Course::Rises);
    match expr {
        Expr::Placeholder(_) => Some(Course::Rises),
        Expr::Alias(alias) => course(&alias.expr),
        Expr::Cast(cast) => course(&cast.expr)?.cast(cast.field.data_type()),
        Expr::ScalarFunction(f) => match (f.func.name(), f.args.as_slice()) {
            ("pg_cast", [e]) => course(e)?.cast(&expr.get_type(&DFSchema::empty()).ok()?),
            ("pg_add", [a, b]) if constant(a).is_some() => course(b)?.moved(a),
            ("pg_add" | "pg_subtract", [a, b]) => course(a)?.moved(b),
            ("date_trunc", [unit, e]) => course(e)?.truncated(unit),
            ("date_trunc", [unit, e, _]) => constant(unit).and_then(|_| rising(e)),
            ("date_bin", [a, e, b]) => constant(a).and(constant(b)).and_then(|_| rising(e)),
            // A clock of another zone goes back an hour in autumn.
            ("timezone", [zone, e]) => {
                let utc = constant(zone)?.try_as_str().flatten()?.eq_ignore_ascii_case("utc");
                course(e).filter(|_| utc)
            }
            _ => None,
        },
        _ => None,
    }
}

impl Lowering<'_> {
    /// The rows that pass a comparison with the time.
    pub(super) fn temporal(&mut self, input: Lowered, comparison: Comparison, schema: &DFSchema) -> Result<Lowered> {
        let clock = catalog::clock().schema();
        let at = Expr::Column(Column::from_name(clock.field(0).name()));
        let over_clock = |e| Ok(if matches!(e, Expr::Placeholder(_)) { Transformed::yes(at.clone()) } else { Transformed::no(e) });
        let bound = comparison.bound.transform_up(over_clock)?.data;
        let value = self.expr(&comparison.value, schema)?;
        let input = self.guarded(input, vec![always([&value])])?;
        let spec = TemporalSpec {
            input: input.flow.schema(),
            value,
            passes: comparison.passes,
            bound: self.state.create_physical_expr(bound, &DFSchema::try_from(clock.as_ref().clone())?)?,
            slack: comparison.slack,
            clock: clock.clone(),
        };
        let append_only = input.append_only && comparison.slack == 0 && matches!(comparison.passes, Passes::Below { .. });
        let ticks = Flow::source(self.clock_input(), clock);
        Ok(Lowered { flow: Flow::node(Box::new(Temporal::new(spec)?), vec![input.flow, ticks]), append_only, key: input.key })
    }

    /// The input that the ticks come by; one for all comparisons of a view.
    fn clock_input(&mut self) -> usize {
        match self.inputs.iter().position(|i| i.relation.id == catalog::CLOCK_LOG) {
            Some(index) => index,
            None => {
                let relation = Arc::new(catalog::clock());
                self.inputs.push(DataflowInput { schema: relation.schema(), columns: vec![0], relation });
                self.inputs.len() - 1
            }
        }
    }
}
