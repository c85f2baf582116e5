//! Hypothetical-set aggregates (manual, chapter 9.21): `rank(3) WITHIN GROUP (ORDER BY x)` is the rank that a row of 3 would have among a
//! group's. They are written out as counts of the rows that stand before it, so that views fold them as they fold counts.

use sqlparser::ast::{BinaryOperator, CastKind, DataType, DuplicateTreatment, Expr, Function, FunctionArguments, OrderByExpr, Value};

use super::super::SystemContext;
use super::aggregates::plain;
use super::build::{binary, call, last_name, literal};
use crate::error::{Error, Result, code};

/// True for a call of one of them.
pub fn is_hypothetical(f: &Function) -> bool {
    const NAMES: [&str; 4] = ["rank", "dense_rank", "percent_rank", "cume_dist"];
    f.over.is_none() && !f.within_group.is_empty() && NAMES.contains(&last_name(&f.name).as_str())
}

/// The rule. Errors: 42883 for another number of values than of keys.
pub fn counted(expr: &mut Expr, _: &SystemContext) -> Result<()> {
    let Expr::Function(f) = &*expr else { return Ok(()) };
    if !is_hypothetical(f) {
        return Ok(());
    }
    let name = last_name(&f.name);
    let values = plain(f).unwrap_or_default();
    if values.len() != f.within_group.len() {
        let hint = format!(
            "To use the hypothetical-set aggregate {name}, the number of hypothetical direct arguments (here {}) must match the number of \
             ordering columns (here {}).",
            values.len(),
            f.within_group.len()
        );
        return Err(Error::new(code::UNDEFINED_FUNCTION, format!("function {name} does not exist for these arguments")).hint(hint));
    }
    let before = || stands_before(&values, &f.within_group, false);
    let one = || literal(Value::Number("1".into(), false));
    let plus_one = |count: Expr| Expr::Nested(Box::new(binary(count, BinaryOperator::Plus, one())));
    let share = |part: Expr, of: Expr| binary(float(part), BinaryOperator::Divide, float(of));
    *expr = match name.as_str() {
        "rank" => plus_one(count(f, one(), Some(before()))),
        "dense_rank" => {
            let keys = f.within_group.iter().map(|by| by.expr.clone()).collect();
            plus_one(distinct(count(f, call("row", keys), Some(before()))))
        }
        "percent_rank" => {
            let zero = || literal(Value::Number("0".into(), false));
            let rows = call("nullif", vec![count(f, one(), None), zero()]);
            call("coalesce", vec![share(count(f, one(), Some(before())), rows), float(zero())])
        }
        _ => {
            let not_behind = stands_before(&values, &f.within_group, true);
            Expr::Nested(Box::new(share(plus_one(count(f, one(), Some(not_behind))), plus_one(count(f, one(), None)))))
        }
    };
    Ok(())
}

/// True for a row whose keys stand before the values; with `or_equal`, also for one that has the values.
fn stands_before(values: &[Expr], keys: &[OrderByExpr], or_equal: bool) -> Expr {
    use BinaryOperator::{And, Gt, Lt, Or};
    let boxed = |e: &Expr| Box::new(e.clone());
    let mut rest = or_equal.then(|| literal(Value::Boolean(true)));
    for (value, by) in values.iter().zip(keys).rev() {
        let descending = by.options.asc == Some(false);
        let key = Expr::Nested(boxed(&by.expr));
        // Of a NULL and a value it is the place of NULLs that counts; a comparison of the two is not true.
        let nulls_first = by.options.nulls_first.unwrap_or(descending);
        let (null, some) = if nulls_first { (&key, value) } else { (value, &key) };
        let by_null = Expr::Nested(Box::new(binary(Expr::IsNull(boxed(null)), And, Expr::IsNotNull(boxed(some)))));
        let compared = binary(key.clone(), if descending { Gt } else { Lt }, value.clone());
        let mut before = binary(compared, Or, by_null);
        if let Some(rest) = rest {
            let equal = Expr::IsNotDistinctFrom(boxed(&key), boxed(value));
            before = binary(before, Or, Expr::Nested(Box::new(binary(equal, And, rest))));
        }
        rest = Some(Expr::Nested(Box::new(before)));
    }
    rest.unwrap_or_else(|| literal(Value::Boolean(or_equal)))
}

/// The count of an argument over the rows of the call for which a condition holds.
fn count(f: &Function, argument: Expr, condition: Option<Expr>) -> Expr {
    let mut counted = call("count", vec![argument]);
    if let Expr::Function(of) = &mut counted {
        let given = f.filter.clone().map(Expr::Nested);
        of.filter = given.into_iter().chain(condition).reduce(|a, b| binary(a, BinaryOperator::And, b)).map(Box::new);
    }
    counted
}

fn distinct(mut counted: Expr) -> Expr {
    if let Expr::Function(Function { args: FunctionArguments::List(list), .. }) = &mut counted {
        list.duplicate_treatment = Some(DuplicateTreatment::Distinct);
    }
    counted
}

fn float(expr: Expr) -> Expr {
    Expr::Cast { kind: CastKind::Cast, expr: Box::new(expr), data_type: DataType::DoublePrecision, array: false, format: None }
}
