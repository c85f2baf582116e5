//! What SQL sees of paths: jsonb_path_exists, jsonb_path_match, jsonb_path_query and its kin, the operators `@?` and `@@`, the type jsonpath.

use std::cell::Cell;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, LargeStringArray, StringViewArray};
use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, ScalarUDF};

use super::eval::{self, Run, Sink};
use super::parse::parse;
use super::{Outcome, Path};
use crate::data::datetime::Zone;
use crate::data::json::{self, Json};
use crate::error::{Error, Result, code};
use crate::func::scalar::define::{Function, TEXT, text};
use crate::func::scalar::growing::Room;
use crate::func::scalar::series::list_of;
use crate::func::scalar::sets::{JSON, json_lists};

/// The place of a time zone among the arguments, behind all that PostgreSQL's function has.
const ZONE: usize = 4;

pub fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![
        Function::udf("jsonb_path_exists", exists_rule, |args, _| exists(Call::new(args))),
        Function::udf("jsonb_path_exists_opr", operator_rule, |args, _| exists(Call::silent(args))),
        Function::udf("jsonb_path_exists_tz", exists_rule, |args, _| exists(Call::zoned(args)?)),
        Function::udf("jsonb_path_match", exists_rule, |args, _| matches(Call::new(args))),
        Function::udf("jsonb_path_match_opr", operator_rule, |args, _| matches(Call::silent(args))),
        Function::udf("jsonb_path_match_tz", exists_rule, |args, _| matches(Call::zoned(args)?)),
        Function::udf("jsonb_path_query", set_rule, |args, _| query(Call::new(args))),
        Function::udf("jsonb_path_query_tz", set_rule, |args, _| query(Call::zoned(args)?)),
        Function::udf("jsonb_path_query_array", json_rule, |args, _| query_array(Call::new(args))),
        Function::udf("jsonb_path_query_array_tz", json_rule, |args, _| query_array(Call::zoned(args)?)),
        Function::udf("jsonb_path_query_first", json_rule, |args, _| query_first(Call::new(args))),
        Function::udf("jsonb_path_query_first_tz", json_rule, |args, _| query_first(Call::zoned(args)?)),
    ]
}

/// The function of `@?` or `@@`.
pub fn operator(name: &str) -> Option<Arc<ScalarUDF>> {
    functions().into_iter().find(|f| f.name() == name)
}

/// True for a function that compares times in the session's zone.
pub fn is_zoned(function: &str) -> bool {
    function.starts_with("jsonb_path_") && function.ends_with("_tz")
}

/// The arguments of such a call with a time zone behind them, and what is left out before it.
pub fn in_zone(mut args: Vec<Expr>, zone: Expr) -> Vec<Expr> {
    if args.len() > ZONE {
        return args;
    }
    let defaults = [ScalarValue::LargeUtf8(Some("{}".to_string())), ScalarValue::Boolean(Some(false))];
    let missing = (ZONE - defaults.len()..ZONE).zip(defaults).filter(|(place, _)| *place >= args.len());
    let missing: Vec<Expr> = missing.map(|(_, value)| Expr::Literal(value, None)).collect();
    args.extend(missing);
    args.push(zone);
    args
}

/// Paths as the type jsonpath shows them. Errors: those of a path that is none.
pub fn jsonpath(paths: &StringViewArray) -> Result<StringViewArray> {
    paths.iter().map(|path| path.map(shown).transpose()).collect()
}

/// A path as the type jsonpath shows it. Errors: the same.
pub fn shown(path: &str) -> Result<String> {
    Ok(parse(path)?.to_string())
}

type Types = Option<(Vec<DataType>, DataType)>;

fn is_json(ty: &DataType) -> bool {
    *ty == JSON || ty.is_string() || ty.is_null()
}

fn is_path(ty: &DataType) -> bool {
    *ty != JSON && ty.is_string() || ty.is_null()
}

fn rule(types: &[DataType], output: DataType) -> Types {
    let is_flag = |ty: &DataType| *ty == DataType::Boolean || ty.is_null();
    let fits: [&dyn Fn(&DataType) -> bool; ZONE + 1] = [&is_json, &is_path, &is_json, &is_flag, &is_path];
    let takes = [JSON, TEXT, JSON, DataType::Boolean, TEXT];
    let all = types.len() >= 2 && types.len() <= takes.len() && types.iter().zip(fits).all(|(ty, fits)| fits(ty));
    all.then(|| (takes[..types.len()].to_vec(), output))
}

fn exists_rule(types: &[DataType]) -> Types {
    rule(types, DataType::Boolean)
}

fn operator_rule(types: &[DataType]) -> Types {
    if types.len() == 2 { rule(types, DataType::Boolean) } else { None }
}

fn json_rule(types: &[DataType]) -> Types {
    rule(types, JSON)
}

fn set_rule(types: &[DataType]) -> Types {
    rule(types, list_of(JSON))
}

/// A call for a batch of rows. What is the same as in the row before is not read again.
struct Call<'c> {
    args: &'c [ArrayRef],
    /// All rows are, whatever they say.
    silent: bool,
    zone: Option<Zone>,
    path: Option<(&'c str, Path)>,
    vars: Option<(&'c str, Json)>,
}

/// What a path gives for one row.
struct Answer {
    outcome: Outcome,
    items: Vec<Json>,
    silent: bool,
}

impl<'c> Call<'c> {
    fn new(args: &'c [ArrayRef]) -> Call<'c> {
        Call { args, silent: false, zone: None, path: None, vars: None }
    }

    fn silent(args: &'c [ArrayRef]) -> Call<'c> {
        Call { silent: true, ..Call::new(args) }
    }

    /// With the zone that is the last argument, the same in each row; UTC without it. Errors: 22023.
    fn zoned(args: &'c [ArrayRef]) -> Result<Call<'c>> {
        let zone = match args.get(ZONE).filter(|zones| !zones.is_empty() && zones.is_valid(0)) {
            Some(_) => Zone::parse(text(args, ZONE).value(0))?,
            None => Zone::Utc,
        };
        Ok(Call { zone: Some(zone), ..Call::new(args) })
    }

    /// `one` of each row in which no argument is NULL; NULL elsewhere.
    fn each<T>(mut self, asks: bool, one: impl Fn(Answer) -> Result<Option<T>>) -> Result<Vec<Option<T>>> {
        let rows = self.args.first().map_or(0, |first| first.len());
        let mut all = Vec::with_capacity(rows);
        for row in 0..rows {
            let is_null = self.args.iter().any(|arg| arg.is_null(row));
            all.push(if is_null { None } else { one(self.run(row, asks)?)? });
        }
        Ok(all)
    }

    /// `asks`: only whether there is anything.
    fn run(&mut self, row: usize, asks: bool) -> Result<Answer> {
        let args = self.args;
        let root = json::parse(args[0].as_string::<i64>().value(row))?;
        let path = text(args, 1).value(row);
        if self.path.as_ref().is_none_or(|(known, _)| *known != path) {
            self.path = Some((path, parse(path)?));
        }
        if let Some(vars) = args.get(2).map(|vars| vars.as_string::<i64>().value(row))
            && self.vars.as_ref().is_none_or(|(known, _)| *known != vars)
        {
            self.vars = Some((vars, variables(vars)?));
        }
        let silent = self.silent || args.get(3).is_some_and(|silent| silent.as_boolean().value(row));
        let Some((_, path)) = &self.path else { return Err(Error::internal("a path is read before it is run")) };
        let vars = self.vars.as_ref().map(|(_, vars)| vars);
        // The document is the first object of all, the variables are the second.
        let generated = Cell::new(if vars.is_some() { 2 } else { 1 });
        let run = Run { lax: path.lax, root: &root, vars, zone: self.zone, generated, taken: Cell::new(0) };
        let mut sink = if asks { Sink::asking() } else { Sink::keeping() };
        let outcome = eval::run(path, &run, silent, &mut sink)?;
        let items = sink.into_list().into_iter().map(eval::Found::into_json).collect();
        Ok(Answer { outcome, items, silent })
    }
}

/// The values of variables. Errors: 22023 for what is no object.
fn variables(text: &str) -> Result<Json> {
    match json::parse(text)? {
        vars @ Json::Object(_) => Ok(vars),
        _ => {
            let error = Error::new(code::INVALID_PARAMETER_VALUE, "\"vars\" argument is not an object");
            Err(error.detail("Jsonpath parameters should be encoded as key-value pairs of \"vars\" object."))
        }
    }
}

fn exists(call: Call) -> Result<ArrayRef> {
    let rows = call.each(true, |answer| Ok((answer.outcome != Outcome::Failed).then_some(answer.outcome == Outcome::Found)))?;
    Ok(Arc::new(rows.into_iter().collect::<BooleanArray>()))
}

/// What the path says, if that is one truth value.
fn matches(call: Call) -> Result<ArrayRef> {
    let rows = call.each(false, |answer| match answer.items.as_slice() {
        [Json::Bool(value)] => Ok(Some(*value)),
        [Json::Null] => Ok(None),
        _ if answer.silent => Ok(None),
        _ => Err(Error::new(code::SINGLETON_SQL_JSON_ITEM_REQUIRED, "single boolean result is expected")),
    })?;
    Ok(Arc::new(rows.into_iter().collect::<BooleanArray>()))
}

/// All that is found, as an array that the query expands.
fn query(call: Call) -> Result<ArrayRef> {
    let room = std::cell::RefCell::new(Room::default());
    let rows = call.each(false, |answer| {
        let texts = answer.items.iter().map(|item| {
            let text = item.to_text();
            room.borrow_mut().take(text.len())?;
            Ok(Some(text))
        });
        texts.collect::<Result<Vec<_>>>().map(Some)
    })?;
    Ok(json_lists(rows.into_iter()))
}

fn texts(call: Call, one: fn(Vec<Json>) -> Option<Json>) -> Result<ArrayRef> {
    let room = std::cell::RefCell::new(Room::default());
    let rows = call.each(false, |answer| {
        let text = one(answer.items).map(|json| json.to_text());
        room.borrow_mut().take(text.as_ref().map_or(0, String::len))?;
        Ok(text)
    })?;
    Ok(Arc::new(rows.into_iter().collect::<LargeStringArray>()))
}

fn query_array(call: Call) -> Result<ArrayRef> {
    texts(call, |items| Some(Json::Array(items)))
}

fn query_first(call: Call) -> Result<ArrayRef> {
    texts(call, |items| items.into_iter().next())
}
