//! Functions that act upon the session that calls them: pg_notify, advisory locks, set_config; and random numbers, which go on from one call
//! to the next.
//!
//! They are volatile: called once for each row, never in a view. What they do is the engine's affair, behind [`SessionActs`].

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, FieldRef};
use datafusion::error::Result as DfResult;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};
use parking_lot::Mutex;

use super::super::rows::{Cell, column};
use super::super::{CursorStatus, LockKey, PreparedStatus};
use super::Caller;
use crate::catalog::Sequence;
use crate::data::PgType::{self, Array as ArrayOf, Bool, Float8, Text, Void};
use crate::data::Position;
use crate::data::datetime::{US_PER_DAY, Zone, civil_from_days};
use crate::error::{Error, Result, code};
use crate::func::random::Random;

/// What functions do to the session that calls them, and what only it knows. Called on a thread of a query.
pub trait SessionActs: fmt::Debug + Send + Sync {
    /// Tells those who listen, once the transaction has committed. Errors: 22023, 54000, 57014 for a caller who has gone.
    fn notify(&self, channel: &str, payload: &str, caller: &Caller) -> Result<()>;
    /// How many trigger functions run, each fired by what the one before does.
    fn trigger_depth(&self) -> i32;
    /// The number of the transaction, or of the statement where none is open, which is taken if need be and `take` says so; `None` without
    /// one. Errors: the log's.
    fn transaction_number(&self, take: bool) -> Result<Option<Position>>;
    /// When the statement at hand came, in microseconds since 1970.
    fn statement_us(&self) -> i64;
    /// The time, in microseconds since 1970.
    fn now_us(&self) -> i64;
    /// The session's time zone.
    fn zone(&self) -> Zone;
    /// The session's random numbers.
    fn random(&self) -> &Mutex<Random>;
    /// The channels that the session listens to.
    fn listening(&self) -> Vec<String>;
    /// What part of the room for notifications that wait is taken, 0 to 1.
    fn queue_usage(&self) -> f64;
    /// Takes an advisory lock; false if others hold it and `wait` is not set. Blocks its thread while it waits. Errors: 40P01, 55P03, 57014.
    fn lock(&self, key: LockKey, mode: LockMode, wait: bool, caller: &Caller) -> Result<bool>;
    /// Gives an advisory lock back; false if the session does not hold it.
    fn unlock(&self, key: LockKey, shared: bool) -> bool;
    /// Gives back all that are not held until the transaction's end.
    fn unlock_all(&self);
    /// Sets a setting, with `local` until the transaction's end; the new value. Errors: as SET.
    fn set_config(&self, name: &str, value: Option<&str>, local: bool) -> Result<String>;
    /// Stops the statement of a session, with `end` its connection; false, with a warning, if there is none of that number. Errors: 42501.
    fn signal(&self, process: i32, end: bool) -> Result<bool>;
    /// The last number that a sequence gave, and true; before the first the number to come, and false.
    fn last_of(&self, sequence: &Sequence) -> (i64, bool);
    /// The prepared statements of the session.
    fn prepared(&self) -> Vec<PreparedStatus>;
    /// The cursors of the session.
    fn cursors(&self) -> Vec<CursorStatus>;
}

/// How an advisory lock is held.
#[derive(Clone, Copy, Debug, Default)]
pub struct LockMode {
    pub shared: bool,
    /// Until the transaction ends.
    pub transaction: bool,
}

/// A call of a function that acts, for as many rows as it is called with.
struct Call<'a> {
    /// What the name of a lock function says.
    mode: LockMode,
    session: &'a dyn SessionActs,
    caller: Caller,
}

/// What is done for one row, of which `None` is NULL.
type Body = fn(&Call<'_>, &[Option<&str>]) -> Result<Cell>;

/// A function that acts.
struct Act {
    name: String,
    returns: PgType,
    arity: [usize; 2],
    body: Body,
    /// What the name of a lock function says.
    mode: LockMode,
}

impl Act {
    fn new(name: impl Into<String>, returns: PgType, arity: [usize; 2], body: Body) -> Act {
        Act { name: name.into(), returns, arity, body, mode: LockMode::default() }
    }
}

/// All of them, for one session.
pub fn acts(session: &Arc<dyn SessionActs>) -> Vec<ScalarUDF> {
    let signature = Signature::one_of(vec![TypeSignature::Nullary, TypeSignature::VariadicAny], Volatility::Volatile);
    let udf = |act| ScalarUDF::new_from_impl(Acting { act, signature: signature.clone(), session: session.clone() });
    list().into_iter().map(udf).collect()
}

fn list() -> Vec<Act> {
    let mut all = vec![
        Act::new("pg_notify", Void, [2, 2], |call, row| {
            call.session.notify(row[0].unwrap_or_default(), row[1].unwrap_or_default(), &call.caller)?;
            Ok(nothing())
        }),
        Act::new("clock_timestamp", PgType::Timestamptz, [0, 0], |call, _| Ok(Cell::Int(call.session.now_us()))),
        Act::new("timeofday", Text, [0, 0], |call, _| Ok(Cell::Text(time_of_day(call.session.now_us(), &call.session.zone())))),
        Act::new("random", Float8, [0, 0], |call, _| Ok(Cell::Float(call.session.random().lock().next_number()))),
        Act::new("setseed", Void, [1, 1], |call, row| {
            *call.session.random().lock() = Random::seeded(number(row[0])?)?;
            Ok(nothing())
        }),
        Act::new("pg_listening_channels", ArrayOf(Box::new(Text)), [0, 0], |call, _| {
            Ok(Cell::List(call.session.listening().into_iter().map(Cell::Text).collect()))
        }),
        Act::new("pg_notification_queue_usage", Float8, [0, 0], |call, _| Ok(Cell::Float(call.session.queue_usage()))),
        Act::new("pg_advisory_unlock_all", Void, [0, 0], |call, _| {
            call.session.unlock_all();
            Ok(nothing())
        }),
        Act::new("pg_advisory_unlock", Bool, [1, 2], |call, row| Ok(call.session.unlock(key(row)?, false).into())),
        Act::new("pg_advisory_unlock_shared", Bool, [1, 2], |call, row| Ok(call.session.unlock(key(row)?, true).into())),
        Act::new("pg_cancel_backend", Bool, [1, 1], |call, row| Ok(call.session.signal(whole(row[0], "integer")?, false)?.into())),
        Act::new("pg_terminate_backend", Bool, [1, 2], |call, row| Ok(call.session.signal(whole(row[0], "integer")?, true)?.into())),
        Act::new("set_config", Text, [3, 3], |call, row| {
            let name = row[0].ok_or_else(|| Error::new(code::NULL_VALUE_NOT_ALLOWED, "SET requires parameter name"))?;
            Ok(call.session.set_config(name, row[1], matches!(row[2], Some("true" | "t" | "1")))?.into())
        }),
    ];
    for transaction in [false, true] {
        for shared in [false, true] {
            let middle = if transaction { "advisory_xact_lock" } else { "advisory_lock" };
            let end = if shared { "_shared" } else { "" };
            let mode = LockMode { shared, transaction };
            all.push(Act { mode, ..Act::new(format!("pg_{middle}{end}"), Void, [1, 2], waiting) });
            all.push(Act { mode, ..Act::new(format!("pg_try_{middle}{end}"), Bool, [1, 2], trying) });
        }
    }
    all
}

fn waiting(call: &Call<'_>, row: &[Option<&str>]) -> Result<Cell> {
    call.session.lock(key(row)?, call.mode, true, &call.caller)?;
    Ok(nothing())
}

/// The value of the type void.
fn nothing() -> Cell {
    Cell::Text(String::new())
}

fn trying(call: &Call<'_>, row: &[Option<&str>]) -> Result<Cell> {
    Ok(call.session.lock(key(row)?, call.mode, false, &call.caller)?.into())
}

/// `Wed Feb 03 04:05:06.789012 2021 UTC`
fn time_of_day(now_us: i64, zone: &Zone) -> String {
    let local = now_us + i64::from(zone.offset_at(now_us)) * US_PER_SECOND;
    let (days, us) = (local.div_euclid(US_PER_DAY), local.rem_euclid(US_PER_DAY));
    let (year, month, day) = civil_from_days(days);
    // The first of January 1970 was a Thursday.
    let weekday = WEEKDAYS[(days + 4).rem_euclid(7) as usize];
    let (month, seconds) = (MONTHS[month as usize - 1], us / US_PER_SECOND);
    let time = format!("{:02}:{:02}:{:02}.{:06}", seconds / 3600, seconds / 60 % 60, seconds % 60, us % US_PER_SECOND);
    format!("{weekday} {month} {day:02} {time} {year} {}", zone.abbreviation(now_us))
}

const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const US_PER_SECOND: i64 = 1_000_000;

/// Errors: 22P02.
fn number(text: Option<&str>) -> Result<f64> {
    let text = text.unwrap_or_default();
    let wrong = || Error::new(code::INVALID_TEXT_REPRESENTATION, format!("invalid input syntax for type double precision: \"{text}\""));
    text.trim().parse().map_err(|_| wrong())
}

/// A whole number. Errors: 22P02, 22003.
fn whole<T: std::str::FromStr>(text: Option<&str>, ty: &str) -> Result<T> {
    let text = text.unwrap_or_default();
    text.trim().parse().map_err(|_| match text.trim().parse::<i128>() {
        Ok(_) => Error::new(code::NUMERIC_VALUE_OUT_OF_RANGE, format!("value \"{text}\" is out of range for type {ty}")),
        Err(_) => Error::new(code::INVALID_TEXT_REPRESENTATION, format!("invalid input syntax for type {ty}: \"{text}\"")),
    })
}

/// The number, or the two numbers, of an advisory lock. Errors: 22P02, 22003.
fn key(row: &[Option<&str>]) -> Result<LockKey> {
    match row {
        [one] => Ok(LockKey::One(whole(*one, "bigint")?)),
        [one, two] => Ok(LockKey::Two(whole(*one, "integer")?, whole(*two, "integer")?)),
        _ => Err(Error::internal("an advisory lock has one number or two")),
    }
}

struct Acting {
    act: Act,
    signature: Signature,
    session: Arc<dyn SessionActs>,
}

impl fmt::Debug for Acting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.act.name)
    }
}
impl PartialEq for Acting {
    fn eq(&self, other: &Self) -> bool {
        self.act.name == other.act.name && Arc::ptr_eq(&self.session, &other.session)
    }
}
impl Eq for Acting {}
impl Hash for Acting {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.act.name.hash(state);
    }
}

impl ScalarUDFImpl for Acting {
    fn name(&self) -> &str {
        &self.act.name
    }
    fn signature(&self) -> &Signature {
        &self.signature
    }
    fn return_type(&self, _: &[DataType]) -> DfResult<DataType> {
        Ok(self.act.returns.arrow())
    }
    fn return_field_from_args(&self, args: ReturnFieldArgs) -> DfResult<FieldRef> {
        let [least, most] = self.act.arity;
        let types: Vec<PgType> = args.arg_fields.iter().map(|f| PgType::of(f)).collect();
        // Locks have whole numbers; a text is one if it reads so.
        let whole = |ty: &PgType| matches!(ty, PgType::Int2 | PgType::Int4 | PgType::Int8 | PgType::Text | PgType::Unknown);
        let fits = !self.act.name.contains("advisory") || types.iter().all(whole);
        if !(least..=most).contains(&types.len()) || !fits {
            let shown: Vec<_> = types.iter().map(ToString::to_string).collect();
            let message = format!("function {}({}) does not exist", self.act.name, shown.join(", "));
            return Err(Error::new(code::UNDEFINED_FUNCTION, message)
                .hint("No function matches the given name and argument types. You might need to add explicit type casts.")
                .into());
        }
        Ok(Arc::new(self.act.returns.field(&self.act.name, true)))
    }
    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        let n = args.number_rows;
        let texts = args.args.into_iter().map(|a| Ok(cast(&a.into_array(n)?, &DataType::Utf8)?)).collect::<DfResult<Vec<_>>>()?;
        let texts: Vec<_> = texts.iter().map(|a| a.as_string::<i32>()).collect();
        // NULL in, NULL out, and nothing done; but for what takes NULL as a value.
        let strict = !matches!(self.act.name.as_str(), "set_config" | "pg_notify");
        let call = Call { mode: self.act.mode, session: self.session.as_ref(), caller: Caller::under(&args.config_options) };
        let mut row = Vec::with_capacity(texts.len());
        let mut cells = Vec::with_capacity(n);
        for i in 0..n {
            if call.caller.has_gone() {
                return Err(Error::canceled().into());
            }
            row.clear();
            row.extend(texts.iter().map(|a| a.is_valid(i).then(|| a.value(i))));
            let null = strict && row.iter().any(Option::is_none);
            cells.push(if null { Cell::Null } else { (self.act.body)(&call, &row)? });
        }
        Ok(ColumnarValue::Array(column(&self.act.returns.arrow(), &cells)?))
    }
}
