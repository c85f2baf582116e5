//! Functions from before there were types for dates and times: on days as INT and milliseconds as BIGINT.

use super::time::{format_day, format_timestamp, integer, parse_instant, text};
use crate::error::{Error, Result, code};
use crate::func::ksql::pattern::Pattern;
use crate::func::ksql::{Call, Nulls, Overload, Scalar, Value};

/// The functions of this file.
pub const FUNCTIONS: &[Scalar] = &[
    Scalar {
        name: "DATETOSTRING",
        family: "time",
        about: "The date that is so many days after 1970-01-01 as text, by a pattern of Java's DateTimeFormatter.",
        overloads: &[one("DATETOSTRING(days INT, pattern STRING) -> STRING", |_, a| format_day(integer(a, 0)?, text(a, 1)?))],
    },
    Scalar {
        name: "STRINGTODATE",
        family: "time",
        about: "The days from 1970-01-01 to the date of a text, by a pattern of Java's DateTimeFormatter.",
        overloads: &[one("STRINGTODATE(text STRING, pattern STRING) -> INT", string_to_date)],
    },
    Scalar {
        name: "TIMESTAMPTOSTRING",
        family: "time",
        about: "Milliseconds since 1970-01-01 in UTC as text, by a pattern of Java's DateTimeFormatter, in a time zone or in UTC.",
        overloads: &[one("TIMESTAMPTOSTRING(milliseconds BIGINT, pattern STRING, [zone STRING]) -> STRING", |_, a| format_timestamp(a))],
    },
    Scalar {
        name: "STRINGTOTIMESTAMP",
        family: "time",
        about: "The milliseconds from 1970-01-01 in UTC to the time of a text, by a pattern of Java's DateTimeFormatter; the time zone is \
                UTC unless it is given or in the text.",
        overloads: &[one("STRINGTOTIMESTAMP(text STRING, pattern STRING, [zone STRING]) -> BIGINT", |_, a| {
            Ok(Value::Bigint(parse_instant(a)?))
        })],
    },
];

const fn one(signature: &'static str, eval: fn(&Call<'_>, &[Value]) -> Result<Value>) -> Overload {
    Overload { signature, returns: None, nulls: Nulls::Give, eval }
}

fn string_to_date(_: &Call<'_>, args: &[Value]) -> Result<Value> {
    let parsed = Pattern::compile(text(args, 1)?)?.parse(text(args, 0)?)?;
    let day = parsed.day().ok_or_else(|| Error::new(code::INVALID_DATETIME_FORMAT, "the text does not say a date"))?;
    i32::try_from(day).map(Value::Int).map_err(|_| Error::new(code::DATETIME_FIELD_OVERFLOW, "date out of range"))
}

/// The clock is not read by a query that is kept current: the same events must always give the same result.
pub(super) fn refuse_clock(what: &str) -> Error {
    Error::unsupported(format!("{what} has no place in a query that is kept current"))
        .hint("Use ROWTIME, the time of the event, or give the function a value.")
}
