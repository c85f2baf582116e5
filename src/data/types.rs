//! PostgreSQL's types and the Arrow types that carry them.
//!
//! | PostgreSQL | Arrow |
//! |---|---|
//! | boolean, smallint, integer, bigint, real, double precision | Boolean, Int16, Int32, Int64, Float32, Float64 |
//! | numeric(p,s), p <= 38 | Decimal128(p, s) |
//! | numeric, as an exact result | Decimal128(p, s): shown with s decimals |
//! | numeric, as a column without precision | Decimal256(76, 38): 38 digits before and 38 after the point; shown without trailing zeros |
//! | numeric, as a quotient or an average | Decimal256(76, 20): shown with as many digits as PostgreSQL computes (at least 16 significant) |
//! | text, varchar(n), char(n), name | Utf8View |
//! | json, jsonb | LargeUtf8 (nothing else is LargeUtf8; jsonb text is normalised when it is read) |
//! | bytea | Binary |
//! | date, time, timestamp, timestamptz, interval | Date32, Time64(us), Timestamp(us), Timestamp(us, "UTC"), Interval(MonthDayNano) |
//! | uuid | FixedSizeBinary(16) |
//! | inet, cidr | LargeBinary, see [`super::network`] (nothing else is LargeBinary) |
//! | oid and the reg* types | UInt32 |
//! | an enumeration | Timestamp(s, "enum id"), see [`super::enums`] |
//! | a composite type | Struct, see [`super::composites`] |
//! | T[] | List(T) |
//!
//! The Arrow type alone decides the PostgreSQL type. What it cannot tell apart (varchar(n) from text, json from jsonb, cidr from inet, a declared
//! numeric(p,s) from a result that is as wide) stands in the field's metadata under [`TYPE_KEY`], and is lost harmlessly where an
//! expression drops it.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, IntervalUnit, TimeUnit};

use super::composites::{self, CompositeType};
use super::enums::{ARRAY_OF, EnumType};
use super::quoting;
use crate::error::{Error, Result, code};

/// Key in an Arrow field's metadata that names the exact PostgreSQL type, as [`PgType::kept_name`] has it.
pub const TYPE_KEY: &str = "pg.type";
/// Largest precision of numeric(p,s).
pub const NUMERIC_PRECISION_MAX: u8 = 38;
/// Scale of a numeric column declared without precision.
pub const UNCONSTRAINED_SCALE: i8 = 38;
/// Least scale of a quotient or an average; the Arrow type is Decimal256(76, max(this, scale of the operands)), never above 37.
pub const QUOTIENT_SCALE: i8 = 20;

/// A PostgreSQL type.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PgType {
    Bool,
    Int2,
    Int4,
    Int8,
    Float4,
    Float8,
    /// numeric(precision, scale); `None` is numeric without precision.
    Numeric(Option<(u8, i8)>),
    /// Any other result of arithmetic: numeric without a precision of its own, held with this one and this scale.
    Exact(u8, i8),
    /// The result of a division or an average: numeric, held with this scale.
    Quotient(i8),
    /// A table's column that was made of [`PgType::Exact`]: numeric that takes any number, and shows at least so many decimals.
    Padded(i8),
    Text,
    /// varchar(n); `None` is varchar without a length.
    Varchar(Option<u32>),
    /// char(n): held without blanks at the end, which mean nothing, and filled with them when it is shown.
    Bpchar(u32),
    Name,
    Json,
    Jsonb,
    Bytea,
    Date,
    Time,
    Timestamp,
    Timestamptz,
    Interval,
    Uuid,
    Inet,
    Cidr,
    Oid,
    Regclass,
    Regtype,
    Regproc,
    /// The system catalogs' one-byte type, `"char"`.
    Char,
    Int2Vector,
    OidVector,
    /// A number of a kind that only system relations have, by its name: xid, cid, and the reg* types that have no variant of their own.
    Id(&'static str),
    /// A type that no column of a table has, by its name, carried as text: aclitem, pg_node_tree, jsonpath ...
    Opaque(&'static str),
    /// A type that a user has made of labels.
    Enum(EnumType),
    /// A type of rows that a user has made.
    Composite(CompositeType),
    Array(Box<PgType>),
    /// A row constructor's type; sent as text.
    Record,
    /// A parameter or literal whose type is not known; sent as text.
    Unknown,
    Void,
}

/// Fixed facts of a scalar type: (type, oid, array oid, typname, SQL name, typlen).
type Fact = (PgType, u32, u32, &'static str, &'static str, i16);

/// The scalar types, with the object ids of PostgreSQL's pg_type.dat.
const FACTS: &[Fact] = &[
    (PgType::Bool, 16, 1000, "bool", "boolean", 1),
    (PgType::Bytea, 17, 1001, "bytea", "bytea", -1),
    (PgType::Char, 18, 1002, "char", "\"char\"", 1),
    (PgType::Name, 19, 1003, "name", "name", 64),
    (PgType::Int8, 20, 1016, "int8", "bigint", 8),
    (PgType::Int2, 21, 1005, "int2", "smallint", 2),
    (PgType::Int2Vector, 22, 1006, "int2vector", "int2vector", -1),
    (PgType::Int4, 23, 1007, "int4", "integer", 4),
    (PgType::Regproc, 24, 1008, "regproc", "regproc", 4),
    (PgType::Text, 25, 1009, "text", "text", -1),
    (PgType::Oid, 26, 1028, "oid", "oid", 4),
    (PgType::Opaque("tid"), 27, 1010, "tid", "tid", 6),
    (PgType::Id("xid"), 28, 1011, "xid", "xid", 4),
    (PgType::Id("cid"), 29, 1012, "cid", "cid", 4),
    (PgType::OidVector, 30, 1013, "oidvector", "oidvector", -1),
    (PgType::Json, 114, 199, "json", "json", -1),
    (PgType::Opaque("pg_node_tree"), 194, 0, "pg_node_tree", "pg_node_tree", -1),
    (PgType::Cidr, 650, 651, "cidr", "cidr", -1),
    (PgType::Float4, 700, 1021, "float4", "real", 4),
    (PgType::Float8, 701, 1022, "float8", "double precision", 8),
    (PgType::Unknown, 705, 0, "unknown", "unknown", -2),
    (PgType::Inet, 869, 1041, "inet", "inet", -1),
    (PgType::Opaque("aclitem"), 1033, 1034, "aclitem", "aclitem", 12),
    (PgType::Bpchar(0), 1042, 1014, "bpchar", "character", -1),
    (PgType::Varchar(None), 1043, 1015, "varchar", "character varying", -1),
    (PgType::Date, 1082, 1182, "date", "date", 4),
    (PgType::Time, 1083, 1183, "time", "time without time zone", 8),
    (PgType::Timestamp, 1114, 1115, "timestamp", "timestamp without time zone", 8),
    (PgType::Timestamptz, 1184, 1185, "timestamptz", "timestamp with time zone", 8),
    (PgType::Interval, 1186, 1187, "interval", "interval", 16),
    (PgType::Numeric(None), 1700, 1231, "numeric", "numeric", -1),
    (PgType::Opaque("refcursor"), 1790, 2201, "refcursor", "refcursor", -1),
    (PgType::Id("regprocedure"), 2202, 2207, "regprocedure", "regprocedure", 4),
    (PgType::Id("regoper"), 2203, 2208, "regoper", "regoper", 4),
    (PgType::Id("regoperator"), 2204, 2209, "regoperator", "regoperator", 4),
    (PgType::Regclass, 2205, 2210, "regclass", "regclass", 4),
    (PgType::Regtype, 2206, 2211, "regtype", "regtype", 4),
    (PgType::Record, 2249, 2287, "record", "record", -1),
    (PgType::Opaque("anyarray"), 2277, 0, "anyarray", "anyarray", -1),
    (PgType::Void, 2278, 0, "void", "void", 4),
    (PgType::Uuid, 2950, 2951, "uuid", "uuid", 16),
    (PgType::Opaque("txid_snapshot"), 2970, 2949, "txid_snapshot", "txid_snapshot", -1),
    (PgType::Opaque("pg_lsn"), 3220, 3221, "pg_lsn", "pg_lsn", 8),
    (PgType::Jsonb, 3802, 3807, "jsonb", "jsonb", -1),
    (PgType::Opaque("jsonpath"), 4072, 4073, "jsonpath", "jsonpath", -1),
    (PgType::Id("regnamespace"), 4089, 4090, "regnamespace", "regnamespace", 4),
    (PgType::Id("regrole"), 4096, 4097, "regrole", "regrole", 4),
    (PgType::Id("regcollation"), 4191, 4192, "regcollation", "regcollation", 4),
    (PgType::Opaque("pg_snapshot"), 5038, 5039, "pg_snapshot", "pg_snapshot", -1),
    (PgType::Opaque("xid8"), 5069, 271, "xid8", "xid8", 8),
];

/// The most dimensions in the name of a type: each is a type around another.
const DIMENSIONS_MAX: usize = 6;

/// The name of the item in the name of an array, and the array's dimensions; `None` if it is no array's. A length that is written has no
/// effect, as in PostgreSQL. Errors: 42704 for too many.
fn item_of_array(name: &str) -> Result<Option<(&str, usize)>> {
    let (mut item, mut dimensions) = (name.trim(), 0);
    while let Some((inner, length)) = item.strip_suffix(']').and_then(|open| open.rsplit_once('['))
        && length.bytes().all(|b| b.is_ascii_digit())
    {
        (item, dimensions) = (inner.trim_end(), dimensions + 1);
    }
    if dimensions > DIMENSIONS_MAX {
        return Err(Error::new(code::UNDEFINED_OBJECT, format!("type \"{item}\" has no arrays of {dimensions} dimensions")));
    }
    Ok(Some((item, dimensions)).filter(|_| dimensions > 0))
}

impl PgType {
    /// All scalar types, each once, modifiers absent.
    pub fn scalars() -> impl Iterator<Item = PgType> {
        FACTS.iter().map(|f| f.0.clone())
    }

    /// The type without its modifiers: varchar(10) becomes varchar.
    pub fn base(&self) -> PgType {
        match self {
            numeric if numeric.is_numeric() => PgType::Numeric(None),
            PgType::Varchar(_) => PgType::Varchar(None),
            PgType::Bpchar(_) => PgType::Bpchar(0),
            PgType::Array(item) => PgType::Array(Box::new(item.base())),
            other => other.clone(),
        }
    }

    /// The type without its modifiers, held as it was: what an expression gives that declares none.
    pub fn unmodified(&self) -> PgType {
        match self {
            PgType::Numeric(Some((p, s))) => PgType::Exact(*p, *s),
            PgType::Exact(..) | PgType::Quotient(_) => self.clone(),
            PgType::Array(item) => PgType::Array(Box::new(item.unmodified())),
            other => other.base(),
        }
    }

    /// The type of a table's column that is made of a query's: it takes all that PostgreSQL's would.
    pub fn of_new_column(&self) -> PgType {
        match self {
            PgType::Unknown => PgType::Text,
            PgType::Exact(_, s) => PgType::Padded(*s),
            PgType::Array(item) => PgType::Array(Box::new(item.of_new_column())),
            other => other.clone(),
        }
    }

    fn fact(&self) -> &'static Fact {
        let base = self.base();
        FACTS.iter().find(|f| f.0 == base).expect("every scalar type has its facts")
    }

    /// Object id in pg_type.
    pub fn oid(&self) -> u32 {
        match self {
            PgType::Enum(ty) => ty.id(),
            PgType::Composite(ty) => ty.id(),
            PgType::Array(item) => match item.as_ref() {
                PgType::Enum(ty) => ty.id() + ARRAY_OF,
                PgType::Composite(ty) => ty.id() + ARRAY_OF,
                inner @ PgType::Array(_) => inner.oid(),
                item => item.fact().2,
            },
            scalar => scalar.fact().1,
        }
    }

    /// The type of an object id; `None` if Everfold does not have it by itself: those of users are in the catalog.
    pub fn from_oid(oid: u32) -> Option<PgType> {
        let scalar = FACTS.iter().find(|f| f.1 == oid).map(|f| f.0.clone());
        scalar.or_else(|| FACTS.iter().find(|f| f.2 == oid && oid != 0).map(|f| PgType::Array(Box::new(f.0.clone()))))
    }

    /// Name in pg_type (`int4`, `_text`).
    pub fn typname(&self) -> String {
        match self {
            PgType::Enum(ty) => ty.name(),
            PgType::Composite(ty) => ty.name(),
            PgType::Array(item) => match item.as_ref() {
                inner @ PgType::Array(_) => inner.typname(),
                item => format!("_{}", item.typname()),
            },
            scalar => scalar.fact().3.to_string(),
        }
    }

    /// Length in bytes as pg_type has it: -1 for variable.
    pub fn typlen(&self) -> i16 {
        match self {
            PgType::Array(_) | PgType::Composite(_) => -1,
            PgType::Enum(_) => 4,
            scalar => scalar.fact().5,
        }
    }

    /// Type modifier as RowDescription and pg_attribute send it; -1 for none. An array has that of its items.
    pub fn typmod(&self) -> i32 {
        match self {
            PgType::Array(item) => item.typmod(),
            PgType::Numeric(Some((p, s))) => (i32::from(*p) << 16 | i32::from(*s) & 0x7ff) + 4,
            PgType::Varchar(Some(n)) => i32::try_from(*n).unwrap_or(i32::MAX - 4) + 4,
            PgType::Bpchar(n) if *n > 0 => i32::try_from(*n).unwrap_or(i32::MAX - 4) + 4,
            _ => -1,
        }
    }

    /// True for varchar(n) and char(n), and arrays of them.
    pub fn has_length(&self) -> bool {
        match self {
            PgType::Varchar(length) => length.is_some(),
            PgType::Bpchar(length) => *length > 0,
            PgType::Array(item) => item.has_length(),
            _ => false,
        }
    }

    /// The Arrow type that carries it.
    pub fn arrow(&self) -> DataType {
        match self {
            PgType::Bool => DataType::Boolean,
            PgType::Int2 => DataType::Int16,
            PgType::Int4 => DataType::Int32,
            PgType::Int8 => DataType::Int64,
            PgType::Float4 => DataType::Float32,
            PgType::Float8 => DataType::Float64,
            PgType::Numeric(Some((p, s))) | PgType::Exact(p, s) => DataType::Decimal128(*p, *s),
            PgType::Numeric(None) | PgType::Padded(_) => DataType::Decimal256(76, UNCONSTRAINED_SCALE),
            PgType::Quotient(s) => DataType::Decimal256(76, *s),
            PgType::Json | PgType::Jsonb => DataType::LargeUtf8,
            PgType::Bytea => DataType::Binary,
            PgType::Date => DataType::Date32,
            PgType::Time => DataType::Time64(TimeUnit::Microsecond),
            PgType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            PgType::Timestamptz => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            PgType::Interval => DataType::Interval(IntervalUnit::MonthDayNano),
            PgType::Uuid => DataType::FixedSizeBinary(16),
            PgType::Inet | PgType::Cidr => DataType::LargeBinary,
            PgType::Oid | PgType::Regclass | PgType::Regtype | PgType::Regproc | PgType::Id(_) => DataType::UInt32,
            PgType::Enum(ty) => ty.arrow(),
            PgType::Composite(ty) => ty.arrow(),
            PgType::Array(item) => DataType::List(Arc::new(Field::new_list_field(item.arrow(), true))),
            PgType::Text | PgType::Varchar(_) | PgType::Bpchar(_) | PgType::Name | PgType::Char => DataType::Utf8View,
            PgType::Int2Vector | PgType::OidVector | PgType::Record | PgType::Unknown | PgType::Opaque(_) => DataType::Utf8View,
            // The empty text.
            PgType::Void => DataType::Utf8View,
        }
    }

    /// A field of this type; the metadata keeps what the Arrow type cannot tell.
    pub fn field(&self, name: &str, nullable: bool) -> Field {
        let field = Field::new(name, self.arrow(), nullable);
        if PgType::of_arrow(field.data_type()) == *self {
            return field;
        }
        field.with_metadata(HashMap::from([(TYPE_KEY.to_string(), self.kept_name())]))
    }

    /// The type of an Arrow field, by its metadata if that fits, else by its Arrow type.
    pub fn of(field: &Field) -> PgType {
        let noted = field.metadata().get(TYPE_KEY).and_then(|name| PgType::parse_kept(name).ok());
        noted.filter(|t| t.arrow() == *field.data_type()).unwrap_or_else(|| PgType::of_arrow(field.data_type()))
    }

    /// The PostgreSQL type that an Arrow type stands for; total, since DataFusion may produce any.
    pub fn of_arrow(data_type: &DataType) -> PgType {
        match data_type {
            DataType::Boolean => PgType::Bool,
            DataType::Int8 | DataType::Int16 | DataType::UInt8 => PgType::Int2,
            DataType::Int32 | DataType::UInt16 => PgType::Int4,
            DataType::UInt32 => PgType::Oid,
            DataType::Int64 => PgType::Int8,
            DataType::UInt64 => PgType::Exact(20, 0),
            DataType::Float16 | DataType::Float32 => PgType::Float4,
            DataType::Float64 => PgType::Float8,
            DataType::Decimal256(_, s) if *s == UNCONSTRAINED_SCALE => PgType::Numeric(None),
            DataType::Decimal256(_, s) => PgType::Quotient(*s),
            DataType::Decimal128(p, s) | DataType::Decimal64(p, s) | DataType::Decimal32(p, s) => PgType::Exact(*p, *s),
            DataType::LargeUtf8 => PgType::Jsonb,
            DataType::Binary | DataType::BinaryView => PgType::Bytea,
            DataType::LargeBinary => PgType::Inet,
            DataType::FixedSizeBinary(16) => PgType::Uuid,
            DataType::FixedSizeBinary(_) => PgType::Bytea,
            DataType::Date32 | DataType::Date64 => PgType::Date,
            DataType::Time32(_) | DataType::Time64(_) => PgType::Time,
            DataType::Timestamp(_, None) => PgType::Timestamp,
            DataType::Timestamp(_, Some(_)) => EnumType::of_arrow(data_type).map_or(PgType::Timestamptz, PgType::Enum),
            DataType::Interval(_) | DataType::Duration(_) => PgType::Interval,
            DataType::List(f)
            | DataType::LargeList(f)
            | DataType::FixedSizeList(f, _)
            | DataType::ListView(f)
            | DataType::LargeListView(f) => match PgType::of(f) {
                inner @ PgType::Array(_) => inner,
                item => PgType::Array(Box::new(item)),
            },
            DataType::Dictionary(_, value) => PgType::of_arrow(value),
            DataType::RunEndEncoded(_, value) => PgType::of(value),
            DataType::Struct(fields) => CompositeType::of_fields(fields).map_or(PgType::Record, PgType::Composite),
            DataType::Map(..) | DataType::Union(..) => PgType::Jsonb,
            DataType::Null | DataType::Utf8 | DataType::Utf8View => PgType::Text,
        }
    }

    /// Reads a type's name as [`fmt::Display`] prints it, or as pg_type has it. Errors: 42704.
    pub fn parse(name: &str) -> Result<PgType> {
        if composites::is_kept_name(name) {
            return PgType::parse_kept(name);
        }
        // To PostgreSQL, arrays of however many dimensions are of one type.
        if let Some((item, _)) = item_of_array(name)? {
            return Ok(PgType::parse(item)?.in_arrays(1));
        }
        let name = name.trim().to_ascii_lowercase();
        if let Some(ty) = EnumType::of_kept_name(&name) {
            return Ok(PgType::Enum(ty));
        }
        // pg_type's names of arrays: _int4, _text.
        if let Some(item) = name.strip_prefix('_').and_then(|item| FACTS.iter().find(|f| f.3 == item)) {
            return Ok(PgType::Array(Box::new(item.0.clone())));
        }
        let (head, arguments) = match name.split_once('(') {
            Some((head, rest)) => (head.trim().to_string(), rest.trim_end_matches(')').to_string()),
            None => (name.clone(), String::new()),
        };
        let unknown = || Error::new(code::UNDEFINED_OBJECT, format!("type \"{name}\" does not exist"));
        let numbers: Vec<i64> = arguments.split(',').filter_map(|a| a.trim().parse().ok()).collect();
        let base = match head.as_str() {
            "int" | "integer" => PgType::Int4,
            "float" => PgType::Float8,
            "decimal" => PgType::Numeric(None),
            "timestamp" => PgType::Timestamp,
            "time" => PgType::Time,
            "char" => PgType::Bpchar(1),
            "string" => PgType::Text,
            _ => FACTS.iter().find(|f| f.3 == head || f.4 == head).map(|f| f.0.clone()).ok_or_else(unknown)?,
        };
        Ok(match (base, numbers.as_slice()) {
            (PgType::Numeric(_), [p]) => PgType::numeric(*p, 0)?,
            (PgType::Numeric(_), [p, s]) => PgType::numeric(*p, *s)?,
            (PgType::Varchar(_), [n]) => PgType::Varchar(u32::try_from(*n).ok()),
            (PgType::Bpchar(_), [n]) => PgType::Bpchar(u32::try_from(*n).map_err(|_| unknown())?),
            (base, _) => base,
        })
    }

    /// numeric(precision, scale). Errors: 22023 outside 1..=38 digits or with a scale outside 0..=precision.
    pub fn numeric(precision: i64, scale: i64) -> Result<PgType> {
        let refuse = |what: String| Error::new(code::INVALID_PARAMETER_VALUE, what);
        if !(1..=i64::from(NUMERIC_PRECISION_MAX)).contains(&precision) {
            let message = format!("NUMERIC precision {precision} must be between 1 and {NUMERIC_PRECISION_MAX}");
            return Err(refuse(message).hint("Write numeric without precision for up to 38 digits on either side of the point."));
        }
        if !(0..=precision).contains(&scale) {
            return Err(refuse(format!("NUMERIC scale {scale} must be between 0 and precision {precision}")));
        }
        Ok(PgType::Numeric(Some((precision as u8, scale as i8))))
    }

    /// The name by which the catalog and the metadata of fields keep it, whatever it is called.
    pub fn kept_name(&self) -> String {
        match self {
            PgType::Enum(ty) => ty.kept_name(),
            PgType::Composite(ty) => ty.kept_name(),
            PgType::Array(item) => format!("{}[]", item.kept_name()),
            PgType::Exact(p, s) => format!("exact({p},{s})"),
            PgType::Quotient(s) => format!("quotient({s})"),
            PgType::Padded(s) => format!("padded({s})"),
            other => other.to_string(),
        }
    }

    /// Reads what [`PgType::kept_name`] gives. The ways to hold a numeric have names here only: nobody can declare one. Errors: 42704.
    pub fn parse_kept(name: &str) -> Result<PgType> {
        if let Some((item, dimensions)) = item_of_array(name)? {
            return Ok(PgType::parse_kept(item)?.in_arrays(dimensions));
        }
        if composites::is_kept_name(name) {
            let unknown = || Error::new(code::UNDEFINED_OBJECT, format!("type \"{name}\" does not exist"));
            return CompositeType::of_kept_name(name).map(PgType::Composite).ok_or_else(unknown);
        }
        let held = name.strip_suffix(')').and_then(|name| name.split_once('(')).and_then(|(way, numbers)| {
            let numbers: Vec<u8> = numbers.split(',').filter_map(|n| n.parse().ok()).collect();
            match (way, numbers.as_slice()) {
                ("exact", [p, s]) => Some(PgType::Exact(*p, *s as i8)),
                ("quotient", [s]) => Some(PgType::Quotient(*s as i8)),
                ("padded", [s]) => Some(PgType::Padded(*s as i8)),
                _ => None,
            }
        });
        held.map_or_else(|| PgType::parse(name), Ok)
    }

    /// Arrays of it, one within another.
    fn in_arrays(self, dimensions: usize) -> PgType {
        (0..dimensions).fold(self, |item, _| PgType::Array(Box::new(item)))
    }

    /// Its name in a text of SQL of our own making, which is read along no path.
    pub fn in_sql(&self) -> String {
        match self {
            PgType::Enum(ty) => format!("\"{}\"", ty.kept_name()),
            PgType::Composite(ty) => quoting::ident(&ty.kept_name()),
            PgType::Array(item) => format!("{}[]", item.in_sql()),
            other => other.to_string(),
        }
    }

    /// True for an enumeration and for an array of one.
    pub fn is_of_enum(&self) -> bool {
        self.enumeration().is_some()
    }

    /// The enumeration that it is, or is an array of.
    pub fn enumeration(&self) -> Option<&EnumType> {
        match self {
            PgType::Enum(ty) => Some(ty),
            PgType::Array(item) => item.enumeration(),
            _ => None,
        }
    }

    /// True for a composite type and for an array of one.
    pub fn is_of_rows(&self) -> bool {
        self.composite().is_some()
    }

    /// The composite type that it is, or is an array of.
    pub fn composite(&self) -> Option<&CompositeType> {
        match self {
            PgType::Composite(ty) => Some(ty),
            PgType::Array(item) => item.composite(),
            _ => None,
        }
    }

    /// True for a type of a user and for an array of one.
    pub fn is_of_user(&self) -> bool {
        self.is_of_enum() || self.is_of_rows()
    }

    /// True if it is that type of a user, an array of it, or has attributes of it.
    pub fn uses(&self, id: u32) -> bool {
        match self {
            PgType::Enum(ty) => ty.id() == id,
            PgType::Composite(ty) => ty.id() == id || ty.attributes().iter().any(|a| a.ty.uses(id)),
            PgType::Array(item) => item.uses(id),
            _ => false,
        }
    }

    /// True for the types whose values are object ids that are shown by their names.
    pub fn is_reg(&self) -> bool {
        matches!(self, PgType::Regclass | PgType::Regtype | PgType::Regproc) || matches!(self, PgType::Id(name) if name.starts_with("reg"))
    }

    /// True for the types that psql aligns to the right.
    pub fn is_number(&self) -> bool {
        use PgType::*;
        self.is_numeric() || matches!(self, Int2 | Int4 | Int8 | Float4 | Float8 | Oid | Id("xid" | "cid"))
    }

    /// True for numeric, however it is held.
    pub fn is_numeric(&self) -> bool {
        matches!(self, PgType::Numeric(_) | PgType::Exact(..) | PgType::Quotient(_) | PgType::Padded(_))
    }
}

/// How many lists an Arrow type has around one another: the dimensions of an array, 0 for any other value.
pub fn dimensions(ty: &DataType) -> usize {
    match ty {
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item) => 1 + dimensions(item.data_type()),
        _ => 0,
    }
}

/// Looks whether values of one Arrow type may become those of another, one of a column for one: a [`PgType`] is of one dimension, and
/// Arrow's casts print the arrays that are items of another. Errors: 0A000 if dimensions would be lost.
pub fn check_dimensions(from: &DataType, to: &DataType) -> Result<()> {
    if dimensions(from) <= dimensions(to).max(1) {
        return Ok(());
    }
    let message = "an array of several dimensions is supported neither as the value of a column nor in a cast to another array";
    Err(Error::unsupported(message).hint("Use an array of one dimension, or jsonb: to_jsonb(value)."))
}

impl fmt::Display for PgType {
    /// As format_type() prints it: `numeric(10,2)`, `character varying(10)`, `integer[]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PgType::Numeric(Some((p, s))) => write!(f, "numeric({p},{s})"),
            PgType::Varchar(Some(n)) => write!(f, "character varying({n})"),
            PgType::Bpchar(n) if *n > 0 => write!(f, "character({n})"),
            PgType::Array(item) => match item.as_ref() {
                inner @ PgType::Array(_) => inner.fmt(f),
                item => write!(f, "{item}[]"),
            },
            PgType::Enum(ty) => f.write_str(&ty.name()),
            PgType::Composite(ty) => f.write_str(&ty.name()),
            scalar => f.write_str(scalar.fact().4),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_keeps_its_dimensions_or_is_refused() {
        let list = |item: &DataType| DataType::List(Arc::new(Field::new_list_field(item.clone(), true)));
        let (text, one) = (DataType::Utf8View, list(&DataType::Utf8View));
        let two = list(&one);
        assert_eq!([&text, &one, &two].map(dimensions), [0, 1, 2]);
        for (from, to) in [(&text, &text), (&text, &one), (&one, &text), (&one, &one), (&two, &two)] {
            assert!(check_dimensions(from, to).is_ok(), "{from} to {to}");
        }
        for to in [&text, &one] {
            assert!(check_dimensions(&two, to).is_err(), "{to}");
        }
    }

    #[test]
    fn every_scalar_keeps_its_identity_through_field_oid_and_name() {
        for t in PgType::scalars() {
            assert_eq!(PgType::of(&t.field("c", true)), t, "{t}");
            assert_eq!(PgType::from_oid(t.oid()), Some(t.clone()), "{t}");
        }
        let modified =
            [PgType::Varchar(Some(10)), PgType::Numeric(Some((10, 2))), PgType::Bpchar(3), PgType::Array(Box::new(PgType::Int4))];
        for t in modified {
            assert_eq!(PgType::of(&t.field("c", true)), t, "{t}");
            assert_eq!(PgType::parse(&t.to_string()).unwrap(), t, "{t}");
        }
        let held = [PgType::Exact(38, 2), PgType::Quotient(20), PgType::Padded(2)];
        for t in held.iter().cloned().chain(held.iter().map(|t| PgType::Array(Box::new(t.clone())))) {
            assert_eq!(PgType::of(&t.field("c", true)), t, "{t:?}");
            assert_eq!(PgType::parse_kept(&t.kept_name()).unwrap(), t, "{t:?}");
            assert_eq!((t.base().to_string().trim_end_matches("[]"), t.typmod()), ("numeric", -1));
            assert!(PgType::parse(&t.kept_name()).is_err());
        }
    }
}
