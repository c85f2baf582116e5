//! What a statement of ksqlDB's dialect is, as written. Names are folded: an unquoted one is in upper case, a quoted one as it stands.

use crate::func::ksql::Type;

/// A place in the text: 1-based, in characters.
pub type Place = usize;

/// One statement.
#[derive(Clone, Debug, PartialEq)]
pub enum Statement {
    /// `CREATE [OR REPLACE] [SOURCE] STREAM|TABLE [IF NOT EXISTS] name [(column, ..)] [WITH (..)] [AS query]`
    Create(Create),
    /// `INSERT INTO name [WITH (..)] SELECT ..`
    InsertSelect { name: String, with: Properties, query: Query },
    /// `INSERT INTO name [(columns)] VALUES (expressions)`; several rows are taken too.
    InsertValues { name: String, columns: Vec<(String, Place)>, rows: Vec<Vec<Expr>> },
    /// `DELETE FROM name WHERE key = value [AND ..]`, which appends a tombstone (ours: ksqlDB has none).
    Delete { name: String, condition: Option<Expr> },
    /// `ALTER STREAM|TABLE name ADD [COLUMN] column type, ..`
    Alter { kind: Kind, name: String, columns: Vec<ColumnDef> },
    /// `DROP STREAM|TABLE [IF EXISTS] name [DELETE TOPIC] [CASCADE]`
    Drop { kind: Kind, name: String, if_exists: bool, delete_topic: bool, cascade: bool },
    /// `CREATE TYPE [IF NOT EXISTS] name AS type`
    CreateType { name: String, ty: TypeName, if_not_exists: bool },
    /// `DROP TYPE [IF EXISTS] name`
    DropType { name: String, if_exists: bool },
    /// `SELECT ..`: a push query with EMIT, else a pull query.
    Query(Query),
    /// `TERMINATE|PAUSE|RESUME id|ALL` (None: ALL).
    Control { action: Control, query: Option<String> },
    /// `EXPLAIN statement|query id`
    Explain(Explained),
    /// `SHOW|LIST what [EXTENDED]`
    Show { what: Shown, extended: bool },
    /// `DESCRIBE name [EXTENDED]`
    Describe { name: String, extended: bool },
    /// `DESCRIBE STREAMS|TABLES [EXTENDED]`
    DescribeAll { kind: Kind, extended: bool },
    /// `DESCRIBE FUNCTION name`
    DescribeFunction(String),
    /// `PRINT topic [FROM BEGINNING] [INTERVAL|SAMPLE n] [LIMIT n]`
    Print { topic: String, from_beginning: bool, interval: Option<u64>, limit: Option<u64> },
    /// `SET 'property' = 'value'`
    Set { property: String, value: String },
    /// `UNSET 'property'`
    Unset { property: String },
    /// `DEFINE name = 'value'`
    Define { name: String, value: String },
    /// `UNDEFINE name`
    Undefine { name: String },
    /// `RUN SCRIPT 'file'`
    RunScript { file: String },
    /// `ASSERT ..`
    Assert(Assert),
    /// Statements that are ksqlDB's and that we refuse, with what they are: connectors, ALTER SYSTEM, SPOOL ..
    Refused { what: &'static str, hint: &'static str },
}

/// CREATE STREAM and CREATE TABLE.
#[derive(Clone, Debug, PartialEq)]
pub struct Create {
    pub kind: Kind,
    pub name: String,
    pub or_replace: bool,
    pub source: bool,
    pub if_not_exists: bool,
    /// Empty where the list is missing or the statement has a query.
    pub columns: Vec<ColumnDef>,
    pub with: Properties,
    pub query: Option<Query>,
}

/// The properties of WITH: names in upper case, values as text, places of the names.
pub type Properties = Vec<Property>;

/// One property of WITH.
#[derive(Clone, Debug, PartialEq)]
pub struct Property {
    pub name: String,
    pub value: String,
    pub at: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Stream,
    Table,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ColumnDef {
    pub name: String,
    pub ty: TypeName,
    pub role: ColumnRole,
    pub at: Place,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ColumnRole {
    Value,
    Key,
    PrimaryKey,
    /// `HEADERS`, or `HEADER('key')`.
    Headers(Option<String>),
}

/// A type as written: custom types are names until the catalog is asked.
#[derive(Clone, Debug, PartialEq)]
pub enum TypeName {
    Known(Type),
    Array(Box<TypeName>),
    Map(Box<TypeName>, Box<TypeName>),
    Struct(Vec<(String, TypeName)>),
    Custom(String, Place),
}

/// SELECT.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    pub items: Vec<Item>,
    pub from: Source,
    pub joins: Vec<Join>,
    pub window: Option<Window>,
    pub condition: Option<Expr>,
    /// `None` without GROUP BY.
    pub group_by: Option<Vec<Expr>>,
    /// `None` without PARTITION BY.
    pub partition_by: Option<Vec<Expr>>,
    pub having: Option<Expr>,
    pub emit: Option<Emit>,
    pub limit: Option<u64>,
    /// Where SELECT stands.
    pub at: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emit {
    Changes,
    Final,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// `*`, or `alias.*`
    All {
        source: Option<String>,
        at: Place,
    },
    /// `expression->*`
    Fields(Expr),
    Expr {
        expr: Expr,
        alias: Option<String>,
    },
}

/// A relation in FROM or JOIN.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    pub name: String,
    pub alias: Option<String>,
    pub at: Place,
}

impl Source {
    /// What the query calls it.
    pub fn called(&self) -> &str {
        self.alias.as_ref().unwrap_or(&self.name)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Join {
    pub kind: JoinKind,
    pub source: Source,
    pub within: Option<Within>,
    pub on: Expr,
    pub at: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinKind {
    Inner,
    Left,
    Right,
    Full,
}

/// `WITHIN 5 SECONDS`, `WITHIN (1 HOUR, 2 HOURS) [GRACE PERIOD n unit]`; milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Within {
    pub before_ms: i64,
    pub after_ms: i64,
    pub grace_ms: Option<i64>,
}

/// WINDOW; all durations in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub kind: WindowKind,
    pub retention_ms: Option<i64>,
    pub grace_ms: Option<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowKind {
    Tumbling { size_ms: i64 },
    Hopping { size_ms: i64, advance_ms: i64 },
    Session { gap_ms: i64 },
}

/// An expression and where it begins.
#[derive(Clone, Debug)]
pub struct Expr {
    pub kind: ExprKind,
    pub at: Place,
}

impl PartialEq for Expr {
    /// Expressions are equal wherever they stand.
    fn eq(&self, other: &Expr) -> bool {
        self.kind == other.kind
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    Null,
    Boolean(bool),
    /// Digits only; INT if it fits, else BIGINT.
    Integer(String),
    /// With a point and without an exponent: DECIMAL.
    Decimal(String),
    /// With an exponent: DOUBLE.
    Double(String),
    String(String),
    /// `DATE '..'`, `TIME '..'`, `TIMESTAMP '..'`
    Temporal(Type, String),
    /// `[source.]column`. A bare word such as DAYS among a function's arguments is a column too; the planner tells.
    Column {
        source: Option<String>,
        name: String,
    },
    /// `base->field`
    Field(Box<Expr>, String),
    /// `base[index]`
    Index(Box<Expr>, Box<Expr>),
    Call {
        name: String,
        arguments: Vec<Expr>,
    },
    /// `x => body`, `(x, y) => body`
    Lambda {
        parameters: Vec<String>,
        body: Box<Expr>,
    },
    Array(Vec<Expr>),
    Map(Vec<(Expr, Expr)>),
    Struct(Vec<(String, Expr)>),
    Not(Box<Expr>),
    Negate(Box<Expr>),
    Binary(BinaryOp, Box<Expr>, Box<Expr>),
    Between {
        value: Box<Expr>,
        low: Box<Expr>,
        high: Box<Expr>,
        negated: bool,
    },
    In {
        value: Box<Expr>,
        list: Vec<Expr>,
        negated: bool,
    },
    Like {
        value: Box<Expr>,
        pattern: Box<Expr>,
        escape: Option<char>,
        negated: bool,
    },
    IsNull {
        value: Box<Expr>,
        negated: bool,
    },
    /// `CASE [operand] WHEN a THEN b .. [ELSE c] END`
    Case {
        operand: Option<Box<Expr>>,
        whens: Vec<(Expr, Expr)>,
        otherwise: Option<Box<Expr>>,
    },
    Cast(Box<Expr>, TypeName),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BinaryOp {
    And,
    Or,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    IsDistinct,
    IsNotDistinct,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    /// `||`
    Concat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    Terminate,
    Pause,
    Resume,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Explained {
    Query(String),
    Statement(Box<Statement>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    Streams,
    Tables,
    Topics { all: bool },
    Queries,
    Functions,
    Types,
    Properties,
    Variables,
}

/// ASSERT.
#[derive(Clone, Debug, PartialEq)]
pub enum Assert {
    /// `ASSERT VALUES name (columns) VALUES (..)`; with `null` `ASSERT NULL VALUES name (keys) KEY (..)`.
    Values { name: String, columns: Vec<String>, values: Vec<Expr>, null: bool },
    /// `ASSERT STREAM|TABLE name [(columns)] [WITH (..)]`
    Relation { kind: Kind, name: String, columns: Vec<ColumnDef>, with: Properties },
    /// `ASSERT [NOT EXISTS] TOPIC name [WITH (..)] [TIMEOUT n unit]`
    Topic { name: String, exists: bool, with: Properties, timeout_ms: Option<u64> },
}
