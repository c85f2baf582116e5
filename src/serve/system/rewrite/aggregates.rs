//! Aggregates that are a function of the array of a group's, or a window's, values: json_agg, json_object_agg, mode and the percentiles.
//! And numbers in an aggregate's ORDER BY.

use sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause, FunctionArguments, OrderByExpr, OrderByOptions, Value,
};

use super::SystemContext;
use super::build::{bare, call, last_name, literal};
use super::hypothetical::is_hypothetical;
use crate::error::Result;
use crate::func::APART;

/// True for a call that this rule, or that of hypothetical sets, writes out as other aggregates.
pub fn is_collected(f: &Function) -> bool {
    // PostgreSQL has the others over no window.
    const OF_WINDOWS_TOO: [&str; 4] = ["json_agg", "jsonb_agg", "json_object_agg", "jsonb_object_agg"];
    const OF_GROUPS: [&str; 3] = ["mode", "percentile_cont", "percentile_disc"];
    let name = last_name(&f.name);
    OF_WINDOWS_TOO.contains(&name.as_str()) || f.over.is_none() && OF_GROUPS.contains(&name.as_str()) || is_hypothetical(f)
}

/// `array_agg(x ORDER BY 1)` without its order: a number is a constant there, and the place of a column to DataFusion.
pub fn constant_order(expr: &mut Expr, _: &SystemContext) -> Result<()> {
    let Expr::Function(Function { args: FunctionArguments::List(list), .. }) = expr else { return Ok(()) };
    let is_number = |by: &OrderByExpr| matches!(&by.expr, Expr::Value(value) if matches!(value.value, Value::Number(..)));
    list.clauses.retain_mut(|clause| match clause {
        FunctionArgumentClause::OrderBy(by) => {
            by.retain(|by| !is_number(by));
            !by.is_empty()
        }
        _ => true,
    });
    Ok(())
}

/// `json_agg(x ..)` is `array_to_json_agg(array_agg(x ..))`, and so on.
pub fn collected(expr: &mut Expr, _: &SystemContext) -> Result<()> {
    let Expr::Function(f) = expr else { return Ok(()) };
    if !is_collected(f) {
        return Ok(());
    }
    let rewritten = match last_name(&f.name).as_str() {
        "json_agg" => Some(call("array_to_json_agg", vec![array_agg(f, None, vec![])])),
        "jsonb_agg" => Some(call("array_to_jsonb_agg", vec![array_agg(f, None, vec![])])),
        "json_object_agg" => object(f, "arrays_to_json_object"),
        "jsonb_object_agg" => object(f, "arrays_to_object"),
        "mode" => within_group(f, 0).map(|(array, _)| call("array_mode", vec![array])),
        "percentile_cont" => within_group(f, 1).map(|(array, args)| call("array_percentile_cont", [vec![array], args].concat())),
        "percentile_disc" => within_group(f, 1).map(|(array, args)| call("array_percentile_disc", [vec![array], args].concat())),
        _ => None,
    };
    if let Some(rewritten) = rewritten {
        *expr = rewritten;
    }
    Ok(())
}

/// The arguments of a call, if they are plain expressions.
pub fn plain(f: &Function) -> Option<Vec<Expr>> {
    let FunctionArguments::List(list) = &f.args else { return None };
    let plain = |arg: &FunctionArg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(e)) => Some(e.clone()),
        _ => None,
    };
    list.args.iter().map(plain).collect()
}

/// The same call as array_agg of one argument, `order` behind its ORDER BY.
fn array_agg(f: &Function, argument: Option<Expr>, order: Vec<OrderByExpr>) -> Expr {
    let mut f = f.clone();
    if let (Expr::Function(named), FunctionArguments::List(list)) = (call("array_agg", vec![]), &mut f.args) {
        f.name = named.name;
        if let Some(argument) = argument {
            list.args = vec![FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))];
        }
        let given = list.clauses.iter_mut().find_map(|c| if let FunctionArgumentClause::OrderBy(by) = c { Some(by) } else { None });
        match given {
            Some(by) => by.extend(order),
            None if order.is_empty() => {}
            None => list.clauses.push(FunctionArgumentClause::OrderBy(order)),
        }
    }
    Expr::Function(f)
}

fn ascending(expr: Expr) -> OrderByExpr {
    OrderByExpr { expr, options: OrderByOptions { asc: None, nulls_first: None }, with_fill: None }
}

/// Two arrays in the same order: that of the rows, and of the keys where rows have none. Values of one key may stand in any.
fn object(f: &Function, maker: &str) -> Option<Expr> {
    let [key, value] = <[Expr; 2]>::try_from(plain(f)?).ok()?;
    // The rows of a window are in one order already; and a constant has none, but would be the number of a column.
    let is_ordered = f.over.is_none() && !matches!(bare(&key), Expr::Value(_));
    let last = || ascending(call(APART, vec![key.clone(), literal(Value::Number("0".to_string(), false))]));
    let order = || is_ordered.then(last).into_iter().collect();
    let arrays = vec![array_agg(f, Some(key.clone()), order()), array_agg(f, Some(value.clone()), order())];
    Some(call(maker, arrays))
}

/// The array of the values of WITHIN GROUP in their order, and the direct arguments.
fn within_group(f: &Function, direct: usize) -> Option<(Expr, Vec<Expr>)> {
    let [by] = f.within_group.as_slice() else { return None };
    let args = plain(f).filter(|args| args.len() == direct)?;
    let mut inner = f.clone();
    inner.within_group = vec![];
    Some((array_agg(&inner, Some(by.expr.clone()), vec![by.clone()]), args))
}
