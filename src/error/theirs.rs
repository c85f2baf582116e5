//! Errors of Arrow and DataFusion, and ours on their way through them.
//!
//! What they say is told in PostgreSQL's words where a client is likely to meet it; anything else keeps its sentence, with the SQLSTATE that
//! its kind suggests ([`classify`]).

use arrow::error::ArrowError;
use datafusion::common::{DataFusionError, SchemaError};

use super::{Error, absent, calls, code, nearest, wordings};

impl From<ArrowError> for Error {
    fn from(e: ArrowError) -> Self {
        let text = e.to_string();
        match e {
            ArrowError::ExternalError(inner) => from_boxed(inner),
            ArrowError::DivideByZero => Error::new(code::DIVISION_BY_ZERO, "division by zero"),
            ArrowError::ArithmeticOverflow(_) => out_of_range(&text),
            ArrowError::CastError(m) => from_cast(m),
            ArrowError::ParseError(m) => Error::new(code::INVALID_TEXT_REPRESENTATION, m),
            ArrowError::IoError(_, inner) => inner.into(),
            ArrowError::InvalidArgumentError(m) if m.contains("too large to store") || m.contains("too small to store") => {
                Error::new(code::NUMERIC_VALUE_OUT_OF_RANGE, "numeric field overflow").detail(calls::limits(&m).unwrap_or(m))
            }
            ArrowError::ComputeError(m) => bad_pattern(&m).unwrap_or_else(|| Error::new(code::DATA_EXCEPTION, m)),
            _ => Error::internal(text),
        }
    }
}

/// What the crate regex says of a pattern that it cannot read, wherever it comes up from.
fn bad_pattern(text: &str) -> Option<Error> {
    let is_large = text.contains("Compiled regex exceeds size limit") || text.contains("CompiledTooBig");
    if !is_large && !text.contains("regex parse error") {
        return None;
    }
    let worded = text.rsplit_once("error: ").filter(|_| !is_large);
    let reason = worded.map_or("pattern is too large", |(_, reason)| reason.lines().next().unwrap_or(reason));
    Some(Error::new(code::INVALID_REGULAR_EXPRESSION, format!("invalid regular expression: {reason}")))
}

fn out_of_range(text: &str) -> Error {
    Error::new(code::NUMERIC_VALUE_OUT_OF_RANGE, "value out of range").detail(text.to_string())
}

/// Arrow says overflow and malformed text alike "Cast error"; the clients want them apart.
fn from_cast(message: String) -> Error {
    if message.contains("Overflowing on") {
        return Error::new(code::NUMERIC_VALUE_OUT_OF_RANGE, "numeric field overflow");
    }
    if message.contains("Can't cast value") || message.contains("overflow") || message.contains("out of range") {
        return Error::new(code::NUMERIC_VALUE_OUT_OF_RANGE, "value out of range for the target type").detail(message);
    }
    let words = message.strip_prefix("Cannot cast string '").and_then(|m| m.split_once("' to value of "));
    if let Some((value, ty)) = words
        && let Some(name) = sql_name(ty.trim_end_matches(" type"))
    {
        return Error::new(code::INVALID_TEXT_REPRESENTATION, format!("invalid input syntax for type {name}: \"{value}\""));
    }
    Error::new(code::INVALID_TEXT_REPRESENTATION, message)
}

/// PostgreSQL's name of an Arrow type that Arrow casts text to.
pub(super) fn sql_name(arrow: &str) -> Option<&'static str> {
    Some(match arrow {
        "Int16" => "smallint",
        "Int32" => "integer",
        "Int64" => "bigint",
        "Float32" => "real",
        "Float64" => "double precision",
        "Boolean" => "boolean",
        "Utf8" | "Utf8View" => "text",
        "LargeUtf8" => "jsonb",
        "FixedSizeBinary(16)" => "uuid",
        "Binary" => "bytea",
        "Date32" => "date",
        _ if arrow.starts_with("Interval") => "interval",
        _ if arrow.starts_with("Decimal") => "numeric",
        _ if arrow.starts_with("Timestamp") => "timestamp",
        _ => return None,
    })
}

fn from_boxed(inner: Box<dyn std::error::Error + Send + Sync>) -> Error {
    let inner = match inner.downcast::<Error>() {
        Ok(ours) => return *ours,
        Err(other) => other,
    };
    match inner.downcast::<DataFusionError>() {
        Ok(df) => (*df).into(),
        Err(other) => {
            let text = other.to_string();
            bad_pattern(&text).unwrap_or_else(|| Error::internal(text))
        }
    }
}

/// The root of an error that several tasks of a query share, and which can therefore not be taken apart.
fn from_shared(root: &DataFusionError) -> Error {
    match root {
        DataFusionError::External(boxed) => match boxed.downcast_ref::<Error>() {
            Some(ours) => ours.clone(),
            None => bad_pattern(&boxed.to_string()).unwrap_or_else(|| Error::internal(boxed.to_string())),
        },
        DataFusionError::ResourcesExhausted(m) => exhausted(m.clone()),
        DataFusionError::ArrowError(inner, _) => match inner.as_ref() {
            ArrowError::DivideByZero => ArrowError::DivideByZero.into(),
            ArrowError::ArithmeticOverflow(m) => ArrowError::ArithmeticOverflow(m.clone()).into(),
            ArrowError::CastError(m) => ArrowError::CastError(m.clone()).into(),
            ArrowError::ParseError(m) => ArrowError::ParseError(m.clone()).into(),
            ArrowError::InvalidArgumentError(m) => ArrowError::InvalidArgumentError(m.clone()).into(),
            ArrowError::ComputeError(m) => ArrowError::ComputeError(m.clone()).into(),
            other => Error::internal(other.to_string()),
        },
        other => {
            let text = other.strip_backtrace();
            reworded(&text).or_else(|| bad_pattern(&text)).unwrap_or_else(|| Error::new(classify(other), tidy(&text)))
        }
    }
}

impl From<DataFusionError> for Error {
    fn from(e: DataFusionError) -> Self {
        match e {
            DataFusionError::External(inner) => from_boxed(inner),
            DataFusionError::ArrowError(inner, _) => (*inner).into(),
            DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => (*inner).into(),
            DataFusionError::Shared(inner) => from_shared(inner.find_root()),
            DataFusionError::Collection(mut list) if !list.is_empty() => list.swap_remove(0).into(),
            DataFusionError::SchemaError(inner, _) => from_schema(*inner),
            DataFusionError::ResourcesExhausted(m) => exhausted(m),
            DataFusionError::ParquetError(inner) => Error::new(code::DATA_CORRUPTED, inner.to_string()),
            DataFusionError::ObjectStore(inner) => Error::new(code::IO_ERROR, inner.to_string()),
            DataFusionError::IoError(inner) => inner.into(),
            other => {
                let code = classify(&other);
                let text = other.strip_backtrace();
                reworded(&text).or_else(|| bad_pattern(&text)).unwrap_or_else(|| Error::new(code, tidy(&text)))
            }
        }
    }
}

/// The sentences of DataFusion that PostgreSQL's clients know in other words, and their SQLSTATE.
const WORDINGS: &[(&str, &str, &str)] = &[
    ("more than one row", code::CARDINALITY_VIOLATION, "more than one row returned by a subquery used as an expression"),
    ("more than 1 row", code::CARDINALITY_VIOLATION, "more than one row returned by a subquery used as an expression"),
    ("in sqltorel: Prefixed {", code::SYNTAX_ERROR, "syntax error at or near \"OF\""),
    ("LIMIT must be >= 0", code::INVALID_ROW_COUNT_IN_LIMIT_CLAUSE, "LIMIT must not be negative"),
    ("OFFSET must be >=", code::INVALID_ROW_COUNT_IN_RESULT_OFFSET_CLAUSE, "OFFSET must not be negative"),
    ("NTILE requires a positive integer", code::INVALID_ARGUMENT_FOR_NTILE_FUNCTION, "argument of ntile must be greater than zero"),
    (
        "DISTINCT ON expressions must match",
        code::INVALID_COLUMN_REFERENCE,
        "SELECT DISTINCT ON expressions must match initial ORDER BY expressions",
    ),
    (
        "For SELECT DISTINCT, ORDER BY expressions",
        code::INVALID_COLUMN_REFERENCE,
        "for SELECT DISTINCT, ORDER BY expressions must appear in select list",
    ),
    ("GROUPS requires an ORDER BY", code::WINDOWING_ERROR, "GROUPS mode requires an ORDER BY clause"),
    (
        "RANGE requires exactly one ORDER BY",
        code::WINDOWING_ERROR,
        "RANGE with offset PRECEDING/FOLLOWING requires exactly one ORDER BY column",
    ),
    ("Inconsistent data length across values list", code::SYNTAX_ERROR, "VALUES lists must all be the same length"),
    ("Unsupported LIMIT expression", code::FEATURE_NOT_SUPPORTED, "LIMIT takes a constant or a parameter only"),
    ("Unsupported OFFSET expression", code::FEATURE_NOT_SUPPORTED, "OFFSET takes a constant or a parameter only"),
    ("undecorrelated Subquery", code::FEATURE_NOT_SUPPORTED, "this form of a subquery that depends on the row is not supported"),
    (
        "Window expressions should not contain a mixed of outer references",
        code::FEATURE_NOT_SUPPORTED,
        "a window function that names a column of the query around its own is not supported",
    ),
    ("The subquery should only return one column", code::SYNTAX_ERROR, "subquery has too many columns"),
    ("zero is not a valid index", code::UNDEFINED_PARAMETER, "there is no parameter $0"),
];

fn from_schema(e: SchemaError) -> Error {
    match e {
        SchemaError::FieldNotFound { field, valid_fields } => {
            let qualifier = field.relation.as_ref().map(|r| r.table().to_string());
            let known = |name: &String| valid_fields.iter().any(|c| c.relation.as_ref().is_some_and(|r| r.table() == name));
            if let Some(name) = qualifier.filter(|q| !known(q)) {
                return Error::new(code::UNDEFINED_TABLE, format!("missing FROM-clause entry for table \"{name}\""));
            }
            if field.relation.is_none() && known(&field.name) {
                let error = Error::unsupported(format!("whole-row reference \"{}\" is not supported", field.name));
                return error.hint(format!("Name its columns, or write {}.*", field.name));
            }
            let error = Error::new(code::UNDEFINED_COLUMN, format!("column \"{}\" does not exist", field.flat_name()));
            match nearest(&field.name, valid_fields.iter().map(|c| c.name.as_str())) {
                Some(name) => error.hint(format!("Perhaps you meant to reference the column \"{name}\".")),
                None => error,
            }
        }
        SchemaError::AmbiguousReference { field } => {
            Error::new(code::AMBIGUOUS_COLUMN, format!("column reference \"{}\" is ambiguous", field.name))
        }
        SchemaError::DuplicateUnqualifiedField { name } | SchemaError::DuplicateQualifiedField { name, .. } => {
            Error::new(code::DUPLICATE_COLUMN, format!("column \"{name}\" specified more than once"))
        }
    }
}

/// The error of a statement that DataFusion's memory pool has no room for.
fn exhausted(detail: String) -> Error {
    let error = Error::new(code::OUT_OF_MEMORY, "out of memory for this statement").detail(detail);
    error.hint("Select less, or raise the limit query_memory_bytes_max.")
}

fn classify(e: &DataFusionError) -> &'static str {
    let text = e.to_string();
    match e {
        DataFusionError::NotImplemented(_) => code::FEATURE_NOT_SUPPORTED,
        DataFusionError::SQL(..) => code::SYNTAX_ERROR,
        DataFusionError::Plan(m) if m.contains("table") && m.contains("not found") => code::UNDEFINED_TABLE,
        DataFusionError::Plan(m) if m.contains("Invalid function") || m.contains("No function matches") => code::UNDEFINED_FUNCTION,
        DataFusionError::Plan(m) if m.contains("GROUP BY") => code::GROUPING_ERROR,
        DataFusionError::Plan(m) if m.contains("coerce") || m.contains("Cannot infer common") => code::DATATYPE_MISMATCH,
        DataFusionError::Plan(m) if m.contains("function") && m.contains("argument") => code::UNDEFINED_FUNCTION,
        DataFusionError::Plan(_) => code::INVALID_OBJECT_DEFINITION,
        _ if text.contains("Divide by zero") || text.contains("DivideByZero") => code::DIVISION_BY_ZERO,
        _ if text.contains("verflow") => code::NUMERIC_VALUE_OUT_OF_RANGE,
        _ if text.contains("more than one row") || text.contains("more than 1 row") => code::CARDINALITY_VIOLATION,
        DataFusionError::Execution(_) => code::DATA_EXCEPTION,
        _ => code::INTERNAL,
    }
}

/// The hint to a call whose arguments no function of the name takes.
const NO_SIGNATURE: &str = "No function matches the given name and argument types. You might need to add explicit type casts.";

/// Functions that are called with OVER only.
const WINDOW_FUNCTIONS: [&str; 8] = ["row_number", "rank", "dense_rank", "percent_rank", "cume_dist", "ntile", "lag", "lead"];

/// Mistakes that are made often, in PostgreSQL's words instead of DataFusion's.
fn reworded(text: &str) -> Option<Error> {
    let plain = WORDINGS.iter().find(|(theirs, ..)| text.contains(theirs)).map(|(_, code, message)| Error::new(code, *message));
    plain.or_else(|| unknown(text)).or_else(|| wordings::reworded(text)).or_else(|| misused(text)).or_else(|| calls::reworded(text))
}

/// What stands in a text between two others.
fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    text.split_once(start)?.1.split_once(end).map(|(found, _)| found)
}

/// Functions that there are not, and lists of columns that do not fit.
fn unknown(text: &str) -> Option<Error> {
    if let Some(name) = between(text, "Invalid function '", "'") {
        return Some(unknown_function(name, between(text, "Did you mean '", "'")));
    }
    if let Some((before, _)) = text.split_once(" queries have different number of columns") {
        let operator = before.rsplit(' ').next().unwrap_or(before);
        return Some(Error::syntax(format!("each {operator} query must have the same number of columns")));
    }
    if let Some(name) = between(text, "Function '", "' failed to match any signature") {
        let error = Error::new(code::UNDEFINED_FUNCTION, format!("function {name} does not exist for arguments of these types"));
        return Some(error.hint(NO_SIGNATURE));
    }
    let column = between(text, "While expanding wildcard, column \"", "\" must appear")?;
    let message = format!("column \"{column}\" must appear in the GROUP BY clause or be used in an aggregate function");
    Some(Error::new(code::GROUPING_ERROR, message))
}

/// The error of a call of what is no function, perhaps of one of that name.
fn unknown_function(name: &str, near: Option<&str>) -> Error {
    if WINDOW_FUNCTIONS.contains(&name) {
        return Error::new(code::WRONG_OBJECT_TYPE, format!("window function {name} requires an OVER clause"));
    }
    if let Some(refused) = absent::refused(name) {
        return refused;
    }
    let error = Error::new(code::UNDEFINED_FUNCTION, format!("function {name} does not exist"));
    match near.and_then(|near| nearest(name, std::iter::once(near))) {
        Some(near) => error.hint(format!("Perhaps you meant the function {near}.")),
        None => error.hint("No function of that name is known."),
    }
}

/// Names, operators, aggregates and subqueries where they cannot be.
fn misused(text: &str) -> Option<Error> {
    if let Some(name) = text.split_once("Invalid qualifier ").map(|(_, name)| name.trim_end()) {
        return Some(Error::new(code::UNDEFINED_TABLE, format!("missing FROM-clause entry for table \"{name}\"")));
    }
    if text.contains("user-defined coercion failed with")
        && let Some(error) = not_coerced(text)
    {
        return Some(error);
    }
    if text.contains("does not support logical expression AggregateFunction") {
        return Some(Error::new(code::GROUPING_ERROR, "aggregate functions are not allowed here").hint("Compute it in a subquery."));
    }
    if text.contains("Aggregate functions are not allowed in the WHERE clause") {
        return Some(Error::new(code::GROUPING_ERROR, "aggregate functions are not allowed in WHERE").hint("Use HAVING."));
    }
    if text.contains("Argument ") && text.contains(" to grouping function is not in grouping columns") {
        let message = "arguments to GROUPING must be grouping expressions of the associated query level";
        return Some(Error::new(code::GROUPING_ERROR, message));
    }
    const CORRELATED: [&str; 4] = [
        "Correlated scalar subquery must be aggregated",
        "does not support logical expression OuterReferenceColumn",
        "does not support logical expression Exists",
        "does not support logical expression ScalarSubquery",
    ];
    if CORRELATED.iter().any(|theirs| text.contains(theirs)) {
        return Some(Error::unsupported("this form of a subquery that depends on the row is not supported").hint("Write it as a join."));
    }
    text.contains("Unsupported logical plan: CreateMemoryTable").then(|| {
        let hint = "Write CREATE MATERIALIZED VIEW name AS query, or CREATE TABLE and INSERT INTO .. SELECT.";
        Error::unsupported("SELECT INTO is not supported").hint(hint)
    })
}

/// Arguments that one of our functions or operators does not take.
fn not_coerced(text: &str) -> Option<Error> {
    if let Some(call) = between(text, "External error: operator does not exist: ", ". No function") {
        return Some(Error::no_operator(call));
    }
    let misuse = between(text, "External error: function ", ". No function");
    if let Some(misuse) = misuse.filter(|misuse| misuse.contains(" takes a column of type ")) {
        let hint = "Cast the column in a subquery: (SELECT *, column::timestamp AS at FROM ..).";
        return Some(Error::new(code::DATATYPE_MISMATCH, format!("function {misuse}")).hint(hint));
    }
    let call = between(text, "External error: function ", " does not exist")?;
    Some(Error::new(code::UNDEFINED_FUNCTION, format!("function {call} does not exist")).hint(NO_SIGNATURE))
}

/// DataFusion prefixes its messages with the stage that raised them; clients need the sentence only.
fn tidy(text: &str) -> String {
    let mut text = text;
    for prefix in [
        "Error during planning: ",
        "Execution error: ",
        "This feature is not implemented: ",
        "SQL error: ",
        "type_coercion\n",
        "caused by\n",
    ] {
        text = text.strip_prefix(prefix).unwrap_or(text);
    }
    text.lines().next().unwrap_or(text).trim_end_matches('.').to_string()
}

impl From<Error> for DataFusionError {
    fn from(e: Error) -> Self {
        DataFusionError::External(Box::new(e))
    }
}

impl From<Error> for ArrowError {
    fn from(e: Error) -> Self {
        ArrowError::ExternalError(Box::new(e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequent_mistakes_are_told_in_the_words_of_postgresql() {
        let plan = |text: &str| Error::from(DataFusionError::Plan(text.to_string()));
        let e = plan("Invalid function 'coutn'.\nDid you mean 'count'?");
        assert_eq!((e.code(), e.message()), (code::UNDEFINED_FUNCTION, "function coutn does not exist"));
        assert_eq!(e.fields().hint.as_deref(), Some("Perhaps you meant the function count."));
        let e =
            plan("Column in SELECT must be in GROUP BY or an aggregate function: While expanding wildcard, column \"s.a\" must appear in");
        assert_eq!((e.code(), &e.message()[..21]), (code::GROUPING_ERROR, "column \"s.a\" must app"));
        let e = plan("Function 'pg_sum' user-defined coercion failed with: External error: function sum(text) does not exist. No");
        assert_eq!((e.code(), e.message()), (code::UNDEFINED_FUNCTION, "function sum(text) does not exist"));
        let e = Error::from(ArrowError::CastError("Cannot cast string 'x' to value of Int32 type".into()));
        assert_eq!((e.code(), e.message()), (code::INVALID_TEXT_REPRESENTATION, "invalid input syntax for type integer: \"x\""));
    }

    #[test]
    fn what_datafusion_says_is_worded_as_postgresql_does() {
        for (theirs, code, message) in [
            ("Invalid function 'lenght'.\nDid you mean 'length'?", "42883", "function lenght does not exist"),
            ("Invalid qualifier m", "42P01", "missing FROM-clause entry for table \"m\""),
            (
                "Function 'pg_add' user-defined coercion failed with: External error: operator does not exist: boolean + bigint. No function matches the given name",
                "42883",
                "operator does not exist: boolean + bigint",
            ),
            (
                "Column in SELECT must be in GROUP BY or an aggregate function: While expanding wildcard, column \"f.a\" must appear",
                "42803",
                "column \"f.a\" must appear in the GROUP BY clause or be used in an aggregate function",
            ),
            ("UNION queries have different number of columns", "42601", "each UNION query must have the same number of columns"),
        ] {
            let e: Error = DataFusionError::Plan(theirs.to_string()).into();
            assert_eq!((e.code(), e.message()), (code, message));
        }
    }

    #[test]
    fn a_shared_error_keeps_its_code() {
        let overflow = ArrowError::InvalidArgumentError("1 is too large to store in a Decimal128 of precision 1".into());
        let e: Error = DataFusionError::Shared(std::sync::Arc::new(DataFusionError::ArrowError(Box::new(overflow), None))).into();
        assert_eq!(e.code(), code::NUMERIC_VALUE_OUT_OF_RANGE);
    }

    #[test]
    fn an_error_of_ours_survives_the_way_through_datafusion() {
        let e: DataFusionError = Error::new(code::DIVISION_BY_ZERO, "division by zero").into();
        let e: Error = DataFusionError::ArrowError(Box::new(ArrowError::ExternalError(Box::new(e))), None).into();
        assert_eq!(e.code(), code::DIVISION_BY_ZERO);
    }
}
