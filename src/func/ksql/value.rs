//! A value of ksqlDB's dialect.
//!
//! Decision: values are an enum and not Arrow arrays, because what this dialect says is said record by record: each record sees the
//! state that the one before it left, an error of one record is that record's NULL, lambdas and CASE are lazy. At the edges, in the
//! log and in what readers see, rows are Arrow.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use bigdecimal::BigDecimal;

/// One value. Composite values are shared: a clone costs a count.
#[derive(Clone, Debug, Default)]
pub enum Value {
    #[default]
    Null,
    Boolean(bool),
    Int(i32),
    Bigint(i64),
    Double(f64),
    Decimal(BigDecimal),
    String(Arc<str>),
    Bytes(Arc<[u8]>),
    /// Days since 1970-01-01.
    Date(i32),
    /// Milliseconds since midnight.
    Time(i32),
    /// Milliseconds since 1970-01-01 00:00 UTC.
    Timestamp(i64),
    Array(Arc<Vec<Value>>),
    /// Entries in the order in which they came, each key once.
    Map(Arc<Vec<(Value, Value)>>),
    Struct(Arc<Struct>),
}

/// A struct's fields: names and values, of equal length.
#[derive(Clone, Debug)]
pub struct Struct {
    pub names: Arc<[Arc<str>]>,
    pub values: Vec<Value>,
}

/// A row: values in the order of a relation's columns.
pub type Row = Arc<[Value]>;

impl Value {
    /// Text.
    pub fn text(text: impl AsRef<str>) -> Value {
        Value::String(Arc::from(text.as_ref()))
    }

    /// An array.
    pub fn array(values: Vec<Value>) -> Value {
        Value::Array(Arc::new(values))
    }

    /// A map; of equal keys the last wins, at the place of the first.
    pub fn map(entries: impl IntoIterator<Item = (Value, Value)>) -> Value {
        let mut unique: Vec<(Value, Value)> = Vec::new();
        let mut places: std::collections::HashMap<Value, usize> = std::collections::HashMap::new();
        for (key, value) in entries {
            match places.get(&key) {
                Some(&at) => unique[at].1 = value,
                None => {
                    places.insert(key.clone(), unique.len());
                    unique.push((key, value));
                }
            }
        }
        Value::Map(Arc::new(unique))
    }

    /// True for NULL.
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// The text, of a string.
    pub fn as_str(&self) -> Option<&str> {
        if let Value::String(s) = self { Some(s) } else { None }
    }

    /// The number, of an INT or BIGINT; of dates and times their count of days or milliseconds.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Value::Int(n) | Value::Date(n) | Value::Time(n) => Some(i64::from(*n)),
            Value::Bigint(n) | Value::Timestamp(n) => Some(*n),
            _ => None,
        }
    }

    /// The number, of any numeric type, as a double.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Value::Int(n) => Some(f64::from(*n)),
            Value::Bigint(n) => Some(*n as f64),
            Value::Double(x) => Some(*x),
            Value::Decimal(d) => d.to_string().parse().ok(),
            _ => None,
        }
    }

    /// The number, of an exact numeric type or a double, as a decimal.
    pub fn as_decimal(&self) -> Option<BigDecimal> {
        match self {
            Value::Int(n) => Some(BigDecimal::from(*n)),
            Value::Bigint(n) => Some(BigDecimal::from(*n)),
            Value::Decimal(d) => Some(d.clone()),
            Value::Double(x) => format!("{x:?}").parse().ok(),
            _ => None,
        }
    }

    /// The elements, of an array.
    pub fn as_array(&self) -> Option<&[Value]> {
        if let Value::Array(a) = self { Some(a) } else { None }
    }

    /// The entries, of a map.
    pub fn as_map(&self) -> Option<&[(Value, Value)]> {
        if let Value::Map(m) = self { Some(m) } else { None }
    }

    /// The value of a key, of a map.
    pub fn entry(&self, key: &Value) -> Option<&Value> {
        self.as_map()?.iter().find(|(k, _)| k == key).map(|(_, v)| v)
    }

    /// The value of a field, of a struct, whatever the case of its name.
    pub fn field(&self, name: &str) -> Option<&Value> {
        let Value::Struct(s) = self else { return None };
        let exact = s.names.iter().position(|n| n.as_ref() == name);
        let at = exact.or_else(|| s.names.iter().position(|n| n.eq_ignore_ascii_case(name)))?;
        s.values.get(at)
    }

    /// Bytes of memory, about.
    pub fn bytes(&self) -> usize {
        let own = size_of::<Value>();
        own + match self {
            Value::String(s) => s.len(),
            Value::Bytes(b) => b.len(),
            Value::Decimal(_) => 32,
            Value::Array(a) => a.iter().map(Value::bytes).sum(),
            Value::Map(m) => m.iter().map(|(k, v)| k.bytes() + v.bytes()).sum(),
            Value::Struct(s) => s.values.iter().map(Value::bytes).sum(),
            _ => 0,
        }
    }

    /// The order of two values of one type, numbers of different types by their value, NULL before everything; `None` for values that
    /// have no order. Text compares by UTF-16 code units, as Java's does.
    pub fn compare(&self, other: &Value) -> Option<Ordering> {
        use Value::*;
        Some(match (self, other) {
            (Null, Null) => Ordering::Equal,
            (Null, _) => Ordering::Less,
            (_, Null) => Ordering::Greater,
            (Boolean(a), Boolean(b)) => a.cmp(b),
            (String(a), String(b)) => a.encode_utf16().cmp(b.encode_utf16()),
            (Bytes(a), Bytes(b)) => a.cmp(b),
            (Date(a), Date(b)) | (Time(a), Time(b)) => a.cmp(b),
            (Timestamp(a), Timestamp(b)) => a.cmp(b),
            (Date(a), Timestamp(b)) => (i64::from(*a) * 86_400_000).cmp(b),
            (Timestamp(a), Date(b)) => a.cmp(&(i64::from(*b) * 86_400_000)),
            (Array(a), Array(b)) => {
                let unequal = a.iter().zip(b.iter()).map(|(x, y)| x.compare(y)).find(|o| *o != Some(Ordering::Equal));
                unequal.unwrap_or(Some(a.len().cmp(&b.len())))?
            }
            (Struct(a), Struct(b)) => {
                let unequal = a.values.iter().zip(&b.values).map(|(x, y)| x.compare(y)).find(|o| *o != Some(Ordering::Equal));
                unequal.unwrap_or(Some(a.values.len().cmp(&b.values.len())))?
            }
            (Double(a), Double(b)) => a.partial_cmp(b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan())),
            (Double(_), Int(_) | Bigint(_) | Decimal(_)) | (Int(_) | Bigint(_) | Decimal(_), Double(_)) => {
                return Double(self.as_f64()?).compare(&Double(other.as_f64()?));
            }
            (Decimal(_), _) | (_, Decimal(_)) => self.as_decimal()?.cmp(&other.as_decimal()?),
            _ => self.as_i64()?.cmp(&other.as_i64()?),
        })
    }
}

impl PartialEq for Value {
    /// Equality for grouping and maps: NULL equals NULL, NaN equals NaN, maps whatever the order of their entries.
    fn eq(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Map(a), Value::Map(b)) => a.len() == b.len() && a.iter().all(|(k, v)| other.entry(k) == Some(v)),
            (Value::Array(a), Value::Array(b)) => a == b,
            (Value::Struct(a), Value::Struct(b)) => a.values == b.values,
            _ => self.compare(other) == Some(Ordering::Equal),
        }
    }
}

impl Eq for Value {}

impl Hash for Value {
    /// Equal values hash alike; numbers of one value hash alike across types of whole numbers.
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Value::Null => 0u8.hash(state),
            Value::Boolean(b) => b.hash(state),
            Value::Int(_) | Value::Bigint(_) | Value::Double(_) | Value::Decimal(_) => {
                self.as_f64().map(|x| if x == 0.0 { 0 } else { x.to_bits() }).hash(state);
            }
            Value::Date(n) | Value::Time(n) => i64::from(*n).hash(state),
            Value::Timestamp(n) => n.hash(state),
            Value::String(s) => s.hash(state),
            Value::Bytes(b) => b.hash(state),
            Value::Array(a) => a.iter().for_each(|v| v.hash(state)),
            Value::Map(m) => m.len().hash(state),
            Value::Struct(s) => s.values.iter().for_each(|v| v.hash(state)),
        }
    }
}
