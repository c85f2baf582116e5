//! jsonb where it is compared, ordered and told apart (manual, chapter 8.14.4): its text is not in its order, and is not the same for equal
//! values. Rewrite rules put in [`key`] and its kin, none of which are PostgreSQL's own.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Int32Array, LargeStringArray};
use arrow::datatypes::DataType;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::{Expr, ExprSchemable, ScalarUDF};

use super::arrays;
use super::define::{Function, Rule, each};
use super::series::list_of;
use super::sets::json_lists;
use crate::data::{PgType, json};
use crate::error::Result;
use crate::func::text_io;

const JSON: DataType = DataType::LargeUtf8;

/// The name of [`key`].
pub const KEY: &str = "pg_jsonb_key";

pub fn functions() -> Vec<Arc<ScalarUDF>> {
    let all = vec![key(), sorted(), greatest(), least()];
    all.into_iter().chain(comparisons()).collect()
}

/// The functions of the operators that compare jsonb, which clients call by their names.
fn comparisons() -> Vec<Arc<ScalarUDF>> {
    let truth: Rule = |types| two_json(types, DataType::Boolean);
    vec![
        Function::udf(
            "jsonb_cmp",
            |types| two_json(types, DataType::Int32),
            |args, _| Ok(Arc::new(orders(args, |order| order as i32)?.into_iter().collect::<Int32Array>())),
        ),
        Function::udf("jsonb_eq", truth, |args, _| holds(args, Ordering::is_eq)),
        Function::udf("jsonb_ne", truth, |args, _| holds(args, Ordering::is_ne)),
        Function::udf("jsonb_lt", truth, |args, _| holds(args, Ordering::is_lt)),
        Function::udf("jsonb_le", truth, |args, _| holds(args, Ordering::is_le)),
        Function::udf("jsonb_gt", truth, |args, _| holds(args, Ordering::is_gt)),
        Function::udf("jsonb_ge", truth, |args, _| holds(args, Ordering::is_ge)),
    ]
}

fn two_json(types: &[DataType], output: DataType) -> Option<(Vec<DataType>, DataType)> {
    let fits = types.len() == 2 && types.iter().all(|ty| ty.is_string() || ty.is_null());
    fits.then(|| (vec![JSON; 2], output))
}

/// What the order of two values says.
fn orders<T>(args: &[ArrayRef], of: fn(Ordering) -> T) -> Result<Vec<Option<T>>> {
    let key = |i: usize, row: usize| json::key(args[i].as_string::<i64>().value(row));
    each(args, |row| Ok(of(key(0, row)?.cmp(&key(1, row)?))))
}

fn holds(args: &[ArrayRef], of: fn(Ordering) -> bool) -> Result<ArrayRef> {
    Ok(Arc::new(orders(args, of)?.into_iter().collect::<BooleanArray>()))
}

/// Bytes that are ordered as jsonb is, and the same for equal values; a list of them for a list.
pub fn key() -> Arc<ScalarUDF> {
    let rule: Rule = |types| match types {
        [DataType::List(item)] if *item.data_type() == JSON => Some((types.to_vec(), list_of(DataType::Binary))),
        [ty] if *ty == JSON || ty.is_null() => Some((vec![JSON], DataType::Binary)),
        _ => None,
    };
    Function::udf(KEY, rule, |args, _| if args[0].data_type().is_list() { arrays::comparable(&args[0]) } else { keys(&args[0]) })
}

/// A literal of no type as what it is beside jsonb. Errors: 22P02 for one that is no JSON.
pub fn read(expr: Expr) -> Result<Expr> {
    match &expr {
        Expr::Literal(ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)), None) => {
            Ok(Expr::Literal(text_io::parse(&PgType::Jsonb, text)?, None))
        }
        _ => Ok(expr),
    }
}

/// [`key`] of an expression that stands beside jsonb. Errors: those of [`read`].
pub fn key_of(expr: Expr) -> Result<Expr> {
    Ok(key().call(vec![read(expr)?]))
}

/// True for an expression that gives jsonb.
pub fn is_jsonb(expr: &Expr, schema: &DFSchema) -> bool {
    expr.to_field(schema).is_ok_and(|(_, field)| *field.data_type() == JSON && PgType::of(&field) == PgType::Jsonb)
}

/// The keys of a column of jsonb.
pub fn keys(values: &ArrayRef) -> Result<ArrayRef> {
    let keys = values.as_string::<i64>().iter().map(|text| text.map(json::key).transpose());
    Ok(Arc::new(keys.collect::<Result<BinaryArray>>()?))
}

/// The items of a list of jsonb, of equal ones the first only, in their order: descending if the second argument is true, NULL first if the
/// third is.
pub fn sorted() -> Arc<ScalarUDF> {
    let rule: Rule = |types| {
        let fits = matches!(types, [DataType::List(item), DataType::Boolean, DataType::Boolean] if *item.data_type() == JSON);
        fits.then(|| (types.to_vec(), list_of(JSON)))
    };
    Function::udf("pg_jsonb_sorted", rule, |args, _| {
        let lists = args[0].as_list::<i32>();
        let (descending, nulls_first) = (args[1].as_boolean(), args[2].as_boolean());
        let rows = each(args, |row| {
            let items = lists.value(row);
            let items = items.as_string::<i64>();
            let mut keyed = items.iter().flatten().map(|text| Ok((json::key(text)?, text))).collect::<Result<Vec<_>>>()?;
            keyed.sort();
            keyed.dedup_by(|later, first| later.0 == first.0);
            if descending.value(row) {
                keyed.reverse();
            }
            let mut all: Vec<Option<String>> = keyed.into_iter().map(|(_, text)| Some(text.to_string())).collect();
            if items.null_count() > 0 {
                all.insert(if nulls_first.value(row) { 0 } else { all.len() }, None);
            }
            Ok(all)
        })?;
        Ok(json_lists(rows.into_iter()))
    })
}

/// greatest() of jsonb.
pub fn greatest() -> Arc<ScalarUDF> {
    Function::udf("pg_jsonb_greatest", all_json, |args, _| extreme(args, true))
}

/// least() of jsonb.
pub fn least() -> Arc<ScalarUDF> {
    Function::udf("pg_jsonb_least", all_json, |args, _| extreme(args, false))
}

fn all_json(types: &[DataType]) -> Option<(Vec<DataType>, DataType)> {
    let fits = !types.is_empty() && types.iter().all(|ty| *ty == JSON || ty.is_null());
    fits.then(|| (vec![JSON; types.len()], JSON))
}

/// The greatest or the least of each row's values that are not NULL. Of equal ones the text decides, so that it is always the same.
fn extreme(args: &[ArrayRef], greatest: bool) -> Result<ArrayRef> {
    let one = |row: usize| {
        let present = args.iter().filter(|column| column.is_valid(row)).map(|column| column.as_string::<i64>().value(row));
        let keyed = present.map(|text| Ok((json::key(text)?, text))).collect::<Result<Vec<_>>>()?;
        let best = if greatest { keyed.into_iter().max() } else { keyed.into_iter().min() };
        Ok(best.map(|(_, text)| text))
    };
    Ok(Arc::new((0..args[0].len()).map(one).collect::<Result<LargeStringArray>>()?))
}
