//! One error type for the whole server: what a PostgreSQL client is told.
//!
//! Kinds are SQLSTATE codes, because that is what a caller acts upon; a new code is used only where a client would act
//! differently. Message, detail and hint follow PostgreSQL's style: the message names the thing, the hint says what to do.

mod absent;
pub mod calls;
mod wordings;

use std::fmt;

use arrow::error::ArrowError;
use datafusion::common::{DataFusionError, SchemaError};

/// The result of everything that can fail in Everfold.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// SQLSTATE codes in use, named as in PostgreSQL's appendix A ("PostgreSQL Error Codes").
pub mod code {
    macro_rules! codes { ($($name:ident = $value:literal;)*) => {
        $(#[doc = concat!("SQLSTATE ", $value)] pub const $name: &str = $value;)*
        const ALL: &[(&str, &str)] = &[$((stringify!($name), $value)),*];
    } }
    codes! {
        WARNING = "01000"; PRIVILEGE_NOT_REVOKED = "01006"; PRIVILEGE_NOT_GRANTED = "01007"; SUCCESS = "00000";
        CONNECTION_FAILURE = "08006"; PROTOCOL_VIOLATION = "08P01"; FEATURE_NOT_SUPPORTED = "0A000"; CARDINALITY_VIOLATION = "21000";
        STRING_DATA_RIGHT_TRUNCATION = "22001"; NUMERIC_VALUE_OUT_OF_RANGE = "22003"; INVALID_DATETIME_FORMAT = "22007";
        DATETIME_FIELD_OVERFLOW = "22008"; SUBSTRING_ERROR = "22011"; DIVISION_BY_ZERO = "22012"; CHARACTER_NOT_IN_REPERTOIRE = "22021";
        INVALID_PRECEDING_OR_FOLLOWING_SIZE = "22013"; INVALID_ARGUMENT_FOR_NTILE_FUNCTION = "22014"; INVALID_ARGUMENT_FOR_NTH_VALUE_FUNCTION = "22016";
        INVALID_ROW_COUNT_IN_LIMIT_CLAUSE = "2201W"; INVALID_ROW_COUNT_IN_RESULT_OFFSET_CLAUSE = "2201X";
        INVALID_PARAMETER_VALUE = "22023"; NULL_VALUE_NOT_ALLOWED = "22004"; INVALID_TEXT_REPRESENTATION = "22P02"; INVALID_BINARY_REPRESENTATION = "22P03";
        INVALID_TIME_ZONE_DISPLACEMENT = "22009"; INVALID_ARGUMENT_FOR_SQL_JSON_DATETIME_FUNCTION = "22031"; INVALID_SQL_JSON_SUBSCRIPT = "22033"; NON_NUMERIC_SQL_JSON_ITEM = "22036"; SINGLETON_SQL_JSON_ITEM_REQUIRED = "22038"; SQL_JSON_ARRAY_NOT_FOUND = "22039"; SQL_JSON_MEMBER_NOT_FOUND = "2203A"; SQL_JSON_NUMBER_NOT_FOUND = "2203B"; SQL_JSON_OBJECT_NOT_FOUND = "2203C";
        BAD_COPY_FILE_FORMAT = "22P04"; UNTRANSLATABLE_CHARACTER = "22P05"; DATA_EXCEPTION = "22000";
        NOT_NULL_VIOLATION = "23502"; FOREIGN_KEY_VIOLATION = "23503"; UNIQUE_VIOLATION = "23505"; CHECK_VIOLATION = "23514";
        ACTIVE_SQL_TRANSACTION = "25001"; NO_ACTIVE_SQL_TRANSACTION = "25P01"; IN_FAILED_SQL_TRANSACTION = "25P02";
        READ_ONLY_SQL_TRANSACTION = "25006"; IDLE_IN_TRANSACTION_SESSION_TIMEOUT = "25P03"; TRANSACTION_TIMEOUT = "25P04";
        INVALID_SQL_STATEMENT_NAME = "26000"; INVALID_AUTHORIZATION = "28000"; INVALID_PASSWORD = "28P01";
        INVALID_GRANT_OPERATION = "0LP01"; INVALID_ROLE_SPECIFICATION = "0P000"; INSUFFICIENT_PRIVILEGE = "42501";
        DEPENDENT_OBJECTS_STILL_EXIST = "2BP01"; INVALID_CURSOR_NAME = "34000"; INVALID_CURSOR_STATE = "24000"; INVALID_CATALOG_NAME = "3D000"; INVALID_SAVEPOINT = "3B001";
        INVALID_SCHEMA_NAME = "3F000";
        SERIALIZATION_FAILURE = "40001"; DEADLOCK_DETECTED = "40P01";
        SYNTAX_ERROR = "42601"; INVALID_COLUMN_DEFINITION = "42611"; AMBIGUOUS_COLUMN = "42702"; UNDEFINED_COLUMN = "42703"; UNDEFINED_OBJECT = "42704";
        DUPLICATE_OBJECT = "42710"; DUPLICATE_COLUMN = "42701"; AMBIGUOUS_FUNCTION = "42725"; GROUPING_ERROR = "42803";
        DATATYPE_MISMATCH = "42804"; WRONG_OBJECT_TYPE = "42809"; CANNOT_COERCE = "42846"; UNDEFINED_FUNCTION = "42883";
        UNDEFINED_TABLE = "42P01"; RESERVED_NAME = "42939"; INVALID_NAME = "42602"; INVALID_CURSOR_DEFINITION = "42P11"; DUPLICATE_ALIAS = "42712"; ASSERT_FAILURE = "P0004"; UNDEFINED_PARAMETER = "42P02"; DUPLICATE_CURSOR = "42P03"; DUPLICATE_PREPARED = "42P05";
        ARRAY_SUBSCRIPT_ERROR = "2202E"; INVALID_ARGUMENT_FOR_LOGARITHM = "2201E"; INVALID_ARGUMENT_FOR_POWER_FUNCTION = "2201F"; INVALID_ARGUMENT_FOR_WIDTH_BUCKET = "2201G"; INVALID_REGULAR_EXPRESSION = "2201B"; INVALID_ESCAPE_SEQUENCE = "22025";
        DUPLICATE_TABLE = "42P07"; DUPLICATE_SCHEMA = "42P06"; INVALID_TABLE_DEFINITION = "42P16"; INVALID_OBJECT_DEFINITION = "42P17";
        INVALID_COLUMN_REFERENCE = "42P10"; INVALID_RECURSION = "42P19"; INVALID_FOREIGN_KEY = "42830"; INDETERMINATE_DATATYPE = "42P18"; AMBIGUOUS_PARAMETER = "42P08"; WINDOWING_ERROR = "42P20";
        DISK_FULL = "53100"; OUT_OF_MEMORY = "53200"; TOO_MANY_CONNECTIONS = "53300"; CONFIGURATION_LIMIT_EXCEEDED = "53400";
        PROGRAM_LIMIT_EXCEEDED = "54000"; STATEMENT_TOO_COMPLEX = "54001";
        OBJECT_NOT_IN_PREREQUISITE_STATE = "55000"; OBJECT_IN_USE = "55006"; LOCK_NOT_AVAILABLE = "55P03"; CANT_CHANGE_RUNTIME_PARAM = "55P02";
        QUERY_CANCELED = "57014"; ADMIN_SHUTDOWN = "57P01"; IDLE_SESSION_TIMEOUT = "57P05";
        CONFIG_FILE_ERROR = "F0000";
        IO_ERROR = "58030"; UNDEFINED_FILE = "58P01";
        INTERNAL = "XX000"; DATA_CORRUPTED = "XX001";
        RAISE_EXCEPTION = "P0001"; NO_DATA_FOUND = "P0002"; TOO_MANY_ROWS = "P0003"; CASE_NOT_FOUND = "20000";
        INVALID_FUNCTION_DEFINITION = "42P13"; FUNCTION_EXECUTED_NO_RETURN_STATEMENT = "2F005"; INVALID_TRANSACTION_TERMINATION = "2D000";
    }

    /// Conditions that stand for all of their class, and one that is called otherwise in PostgreSQL.
    const CLASSES: [(&str, &str); 12] = [
        ("connection_exception", "08000"),
        ("integrity_constraint_violation", "23000"),
        ("invalid_transaction_state", "25000"),
        ("transaction_rollback", "40000"),
        ("syntax_error_or_access_rule_violation", "42000"),
        ("insufficient_resources", "53000"),
        ("program_limit_exceeded", "54000"),
        ("object_not_in_prerequisite_state", "55000"),
        ("operator_intervention", "57000"),
        ("system_error", "58000"),
        ("plpgsql_error", "P0000"),
        ("internal_error", "XX000"),
    ];

    /// SQLSTATEs of users that are kept at most; see [`own`].
    const OWN_MAX: usize = 1_000;

    /// The SQLSTATE of a condition by its name in lower case, as PL/pgSQL names it.
    pub fn named(condition: &str) -> Option<&'static str> {
        let class = CLASSES.iter().find(|(name, _)| *name == condition);
        let one = || ALL.iter().find(|(name, _)| name.eq_ignore_ascii_case(condition));
        class.or_else(one).map(|(_, state)| *state)
    }

    /// A SQLSTATE that a user's RAISE names. It is kept for as long as the server runs; when there are too many, [`RAISE_EXCEPTION`]
    /// stands for one that is new.
    pub fn own(state: &str) -> &'static str {
        static OWN: parking_lot::Mutex<Vec<&'static str>> = parking_lot::Mutex::new(Vec::new());
        if let Some((_, known)) = ALL.iter().find(|(_, known)| *known == state) {
            return known;
        }
        let mut own = OWN.lock();
        match own.iter().find(|known| **known == state) {
            Some(known) => known,
            None if own.len() >= OWN_MAX => RAISE_EXCEPTION,
            None => {
                let kept: &'static str = String::from(state).leak();
                own.push(kept);
                kept
            }
        }
    }
}

/// An error as a client sees it. Boxed inside, so that a `Result` stays one word wide.
#[derive(Clone)]
pub struct Error(Box<Fields>);

/// The fields of PostgreSQL's ErrorResponse that Everfold fills in.
#[derive(Clone, Debug)]
pub struct Fields {
    /// SQLSTATE, one of [`code`].
    pub code: &'static str,
    /// What went wrong, in one line, without a full stop.
    pub message: String,
    /// More facts, full sentences.
    pub detail: Option<String>,
    /// What to do about it, full sentences.
    pub hint: Option<String>,
    /// 1-based character position in the statement's text.
    pub position: Option<usize>,
    /// Which item of a list in the statement it is about, counted from 1, for what finds the position.
    pub item: Option<usize>,
    /// Where it happened, for example `COPY bid, line 3`.
    pub context: Option<String>,
    /// The relation, column and constraint that it is about, by name.
    pub about: About,
    /// The operands on the left and the right of what it is about, as far as their words are known. No client sees them: they tell which of
    /// several operators of a statement is meant, where the position is looked for.
    pub operands: [Option<String>; 2],
}

/// What a program may want to know of an error: names, without quotes.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// The relation's number, by which its schema is found.
    pub relation: u32,
    pub schema: Option<String>,
    pub table: Option<String>,
    pub column: Option<String>,
    pub constraint: Option<String>,
}

impl Error {
    /// An error of SQLSTATE `code` with a one-line message.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Error(Box::new(Fields {
            code,
            message: message.into(),
            detail: None,
            hint: None,
            position: None,
            item: None,
            context: None,
            about: About::default(),
            operands: [None, None],
        }))
    }
    /// 0A000: what the user asked for is not supported; always say in a hint what to write instead.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Error::new(code::FEATURE_NOT_SUPPORTED, message)
    }
    /// 42883: there is no such operator, as in `text = integer`.
    pub fn no_operator(operation: &str) -> Self {
        Error::new(code::UNDEFINED_FUNCTION, format!("operator does not exist: {operation}"))
            .hint("No operator matches the given name and argument types. You might need to add explicit type casts.")
    }
    /// 57014: the statement was asked to stop, or nobody waits for it any more.
    pub fn canceled() -> Self {
        Error::new(code::QUERY_CANCELED, "canceling statement due to user request")
    }
    /// 42601: the text is not in the grammar.
    pub fn syntax(message: impl Into<String>) -> Self {
        Error::new(code::SYNTAX_ERROR, message)
    }
    /// XX000: a state that cannot be reached unless Everfold itself is wrong.
    pub fn internal(message: impl Into<String>) -> Self {
        Error::new(code::INTERNAL, message)
    }
    /// Adds a DETAIL line.
    pub fn detail(mut self, text: impl Into<String>) -> Self {
        self.0.detail = Some(text.into());
        self
    }
    /// Adds a HINT line.
    pub fn hint(mut self, text: impl Into<String>) -> Self {
        self.0.hint = Some(text.into());
        self
    }
    /// Adds the 1-based character position in the statement.
    pub fn at(mut self, position: usize) -> Self {
        self.0.position = Some(position);
        self
    }
    /// Says which item of a list in the statement it is about, counted from 1.
    pub fn item(mut self, number: usize) -> Self {
        self.0.item = Some(number);
        self
    }
    /// Adds a CONTEXT line, keeping one already there.
    pub fn context(mut self, text: impl Into<String>) -> Self {
        self.0.context.get_or_insert(text.into());
        self
    }
    /// Tells the operands beside what it is about.
    pub fn beside(mut self, left: Option<String>, right: Option<String>) -> Self {
        self.0.operands = [left, right];
        self
    }
    /// Names what it is about.
    pub fn about(mut self, relation: u32, table: &str, column: Option<&str>, constraint: Option<&str>) -> Self {
        let (name, schema) = (|n: &str| n.to_string(), None);
        self.0.about = About { relation, schema, table: Some(name(table)), column: column.map(name), constraint: constraint.map(name) };
        self
    }
    /// The fields of the error.
    pub fn fields(&self) -> &Fields {
        &self.0
    }
    /// The fields of the error, to be amended.
    pub fn fields_mut(&mut self) -> &mut Fields {
        &mut self.0
    }
    /// Its SQLSTATE.
    pub fn code(&self) -> &'static str {
        self.0.code
    }
    /// True if it comes from values, not from the statement or the server: SQLSTATE class 22, data exception.
    pub fn is_of_data(&self) -> bool {
        self.0.code.starts_with("22")
    }
    /// Its one-line message.
    pub fn message(&self) -> &str {
        &self.0.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.message)?;
        if let Some(context) = &self.0.context {
            write!(f, " ({context})")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.code, self.0.message)?;
        for (label, text) in [("DETAIL", &self.0.detail), ("HINT", &self.0.hint), ("CONTEXT", &self.0.context)] {
            if let Some(text) = text {
                write!(f, "\n{label}: {text}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

impl From<std::io::Error> for Error {
    fn from(e: std::io::Error) -> Self {
        match e.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                Error::new(code::DISK_FULL, format!("could not write: {e}")).hint("Free disk space; reads go on meanwhile.")
            }
            std::io::ErrorKind::NotFound => Error::new(code::UNDEFINED_FILE, e.to_string()),
            _ => Error::new(code::IO_ERROR, e.to_string()),
        }
    }
}

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
fn sql_name(arrow: &str) -> Option<&'static str> {
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

/// Functions that are called with OVER only.
const WINDOW_FUNCTIONS: [&str; 8] = ["row_number", "rank", "dense_rank", "percent_rank", "cume_dist", "ntile", "lag", "lead"];

/// Mistakes that are made often, in PostgreSQL's words instead of DataFusion's.
fn reworded(text: &str) -> Option<Error> {
    if let Some((_, code, message)) = WORDINGS.iter().find(|(theirs, ..)| text.contains(theirs)) {
        return Some(Error::new(code, *message));
    }
    let between = |start: &str, end: &str| text.split_once(start).and_then(|(_, rest)| rest.split_once(end)).map(|(found, _)| found);
    if let Some(name) = between("Invalid function '", "'") {
        if WINDOW_FUNCTIONS.contains(&name) {
            return Some(Error::new(code::WRONG_OBJECT_TYPE, format!("window function {name} requires an OVER clause")));
        }
        if let Some(refused) = absent::refused(name) {
            return Some(refused);
        }
        let error = Error::new(code::UNDEFINED_FUNCTION, format!("function {name} does not exist"));
        let near = between("Did you mean '", "'").and_then(|near| nearest(name, std::iter::once(near)));
        return Some(match near {
            Some(near) => error.hint(format!("Perhaps you meant the function {near}.")),
            None => error.hint("No function of that name is known."),
        });
    }
    if let Some((before, _)) = text.split_once(" queries have different number of columns") {
        let operator = before.rsplit(' ').next().unwrap_or(before);
        return Some(Error::syntax(format!("each {operator} query must have the same number of columns")));
    }
    if let Some(name) = between("Function '", "' failed to match any signature") {
        return Some(
            Error::new(code::UNDEFINED_FUNCTION, format!("function {name} does not exist for arguments of these types"))
                .hint("No function matches the given name and argument types. You might need to add explicit type casts."),
        );
    }
    if let Some(column) = between("While expanding wildcard, column \"", "\" must appear") {
        let message = format!("column \"{column}\" must appear in the GROUP BY clause or be used in an aggregate function");
        return Some(Error::new(code::GROUPING_ERROR, message));
    }
    if let Some(error) = wordings::reworded(text) {
        return Some(error);
    }
    if let Some(name) = text.split_once("Invalid qualifier ").map(|(_, name)| name.trim_end()) {
        return Some(Error::new(code::UNDEFINED_TABLE, format!("missing FROM-clause entry for table \"{name}\"")));
    }
    if text.contains("user-defined coercion failed with")
        && let Some(call) = between("External error: operator does not exist: ", ". No function")
    {
        return Some(Error::no_operator(call));
    }
    if text.contains("user-defined coercion failed with")
        && let Some(misuse) = between("External error: function ", ". No function").filter(|m| m.contains(" takes a column of type "))
    {
        let hint = "Cast the column in a subquery: (SELECT *, column::timestamp AS at FROM ..).";
        return Some(Error::new(code::DATATYPE_MISMATCH, format!("function {misuse}")).hint(hint));
    }
    if text.contains("user-defined coercion failed with")
        && let Some(call) = between("External error: function ", " does not exist")
    {
        return Some(
            Error::new(code::UNDEFINED_FUNCTION, format!("function {call} does not exist"))
                .hint("No function matches the given name and argument types. You might need to add explicit type casts."),
        );
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
    if text.contains("Unsupported logical plan: CreateMemoryTable") {
        let hint = "Write CREATE MATERIALIZED VIEW name AS query, or CREATE TABLE and INSERT INTO .. SELECT.";
        return Some(Error::unsupported("SELECT INTO is not supported").hint(hint));
    }
    calls::reworded(text)
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

/// The candidate nearest to `name` by edit distance, if near enough to be a likely slip. Cost O(candidates x length^2).
pub fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (name.chars().count() / 3).max(1);
    let scored = candidates.map(|c| (edit_distance(&name.to_lowercase(), &c.to_lowercase()), c));
    scored.filter(|(d, _)| *d <= limit).min_by_key(|(d, _)| *d).map(|(_, c)| c)
}

/// Insertions, deletions, substitutions and exchanges of neighbours that make one of the other.
fn edit_distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1; b.len() + 1];
        for j in 0..b.len() {
            let substituted = above[j] + usize::from(a[i] != b[j]);
            row[j + 1] = substituted.min(row[j] + 1).min(above[j + 1] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                row[j + 1] = row[j + 1].min(before[j - 1] + 1);
            }
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_finds_a_slip_and_nothing_far() {
        let names = ["flights", "airports", "planes"];
        assert_eq!(nearest("fligths", names.into_iter()), Some("flights"));
        assert_eq!(nearest("customers", names.into_iter()), None);
        assert_eq!(nearest("coutn", ["count", "round"].into_iter()), Some("count"));
    }

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
