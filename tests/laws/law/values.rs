//! Types and values: small domains, so that rows meet in joins and groups, and a few values at the edges.

use everfold::data::{EnumType, PgType};

use crate::support::random::Random;

/// How much is asked of a case.
#[derive(Clone, Copy, Debug)]
pub struct Taste {
    /// Edges of the domains: NaN, infinities, numbers of many digits.
    pub wild: bool,
    /// PostgreSQL runs the case too, so what it has not got is left out.
    pub portable: bool,
    /// Columns of an enumeration.
    pub moods: bool,
}

/// The enumeration of a case that has one.
pub const MOOD: &str = "CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy')";

/// The domains of a case: name, the type beneath, what is asked of a value.
pub const DOMAINS: [(&str, PgType, &str); 3] = [
    ("small", PgType::Int4, "CHECK (VALUE < 1000)"),
    ("label", PgType::Text, "CHECK (length(VALUE) < 1000) CHECK (VALUE <> 'no label')"),
    ("amount", PgType::Numeric(Some((10, 2))), ""),
];

fn mood() -> PgType {
    PgType::Enum(EnumType::new(0, "mood".into(), vec![]))
}

/// What kind of expression a type takes part in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    Int,
    Numeric,
    Float,
    Text,
    Bool,
    Date,
    Timestamp,
    Timestamptz,
    Time,
    Interval,
    Other,
}

/// The class of a type.
pub fn class(ty: &PgType) -> Class {
    match ty {
        PgType::Int2 | PgType::Int4 | PgType::Int8 => Class::Int,
        PgType::Numeric(_) | PgType::Exact(..) | PgType::Padded(_) | PgType::Quotient(_) => Class::Numeric,
        PgType::Float4 | PgType::Float8 => Class::Float,
        PgType::Text | PgType::Varchar(_) => Class::Text,
        PgType::Bool => Class::Bool,
        PgType::Date => Class::Date,
        PgType::Timestamp => Class::Timestamp,
        PgType::Timestamptz => Class::Timestamptz,
        PgType::Time => Class::Time,
        PgType::Interval => Class::Interval,
        _ => Class::Other,
    }
}

/// True if values of the type can be told equal.
pub fn has_equality(ty: &PgType) -> bool {
    *ty != PgType::Json && !matches!(ty, PgType::Array(item) if **item == PgType::Json)
}

/// True if min and max take the type.
pub fn has_order(ty: &PgType) -> bool {
    matches!(ty, PgType::Enum(_) | PgType::Inet) || !matches!(class(ty), Class::Bool | Class::Other)
}

/// Types of columns; those that views do most with come more often.
pub fn column_type(random: &mut Random, taste: Taste) -> PgType {
    if taste.moods && random.chance(40) {
        return if random.chance(80) { mood() } else { PgType::Array(Box::new(mood())) };
    }
    let common = [PgType::Int4, PgType::Int8, PgType::Text, PgType::Numeric(Some((10, 2))), PgType::Bool, PgType::Float8];
    let all = [
        PgType::Int2,
        PgType::Float4,
        PgType::Numeric(None),
        PgType::Numeric(Some((38, 10))),
        PgType::Varchar(Some(5)),
        PgType::Bpchar(3),
        PgType::Bytea,
        PgType::Date,
        PgType::Time,
        PgType::Timestamp,
        PgType::Timestamptz,
        PgType::Interval,
        PgType::Uuid,
        PgType::Inet,
        PgType::Json,
        PgType::Jsonb,
        PgType::Array(Box::new(PgType::Int4)),
        PgType::Array(Box::new(PgType::Text)),
    ];
    if random.chance(60) { random.pick(&common).clone() } else { random.pick(&all).clone() }
}

/// A type that a primary key may have.
pub fn key_type(random: &mut Random, taste: Taste) -> PgType {
    if taste.moods && random.chance(20) {
        return mood();
    }
    random.pick(&[PgType::Int4, PgType::Int8, PgType::Text, PgType::Int2, PgType::Date, PgType::Uuid, PgType::Inet]).clone()
}

/// A value of the type in its text form, never NULL.
pub fn value(random: &mut Random, ty: &PgType, taste: Taste) -> String {
    let wild = taste.wild && random.chance(8);
    match ty {
        PgType::Bool => random.pick(&["t", "f"]).to_string(),
        PgType::Int2 => random.between(-2, 6).to_string(),
        PgType::Int4 => random.between(-3, 8).to_string(),
        PgType::Int8 if wild => random.pick(&["4000000000000000000", "-4000000000000000000", "4294967296"]).to_string(),
        PgType::Int8 => random.between(0, 9).to_string(),
        PgType::Float4 | PgType::Float8 if wild => random.pick(&["NaN", "Infinity", "-0", "1e-7", "1e20"]).to_string(),
        PgType::Float4 => random.pick(&["0", "1.5", "-2.25", "0.1", "3"]).to_string(),
        PgType::Float8 => random.pick(&["0", "1.5", "-2.25", "0.1", "0.2", "0.3", "1000000.7"]).to_string(),
        PgType::Numeric(Some((38, _))) if wild => "1234567890123456789012345.0000000001".into(),
        PgType::Numeric(Some(_)) => format!("{}.{:02}", random.between(-5, 20), random.below(4) * 25),
        PgType::Numeric(None) if wild => "12345678901234567890.0123456789".into(),
        PgType::Numeric(None) => random.pick(&["0", "1", "2.5", "-3.125", "0.001", "7"]).to_string(),
        PgType::Text if wild => random.pick(&["a long text, longer than twelve bytes", "it's", "tab\tand\\", "ü", "NULL"]).to_string(),
        PgType::Bpchar(_) => random.pick(&["a", "b", "ab", "", "abc"]).to_string(),
        PgType::Text | PgType::Varchar(_) => random.pick(&["a", "b", "A", "", "ab", "abc", "b%"]).to_string(),
        PgType::Bytea => random.pick(&["\\x00ff", "\\x", "\\x61"]).to_string(),
        PgType::Date => format!("2024-0{}-{:02}", random.between(1, 2), random.between(27, 29)),
        PgType::Time => random.pick(&["00:00:00", "12:30:00", "23:59:59.999999"]).to_string(),
        PgType::Timestamp => format!("2024-02-2{} 0{}:30:00", random.between(7, 9), random.between(0, 2)),
        PgType::Timestamptz => format!("2024-02-2{} 0{}:30:00+00", random.between(7, 9), random.between(0, 2)),
        PgType::Interval => random.pick(&["1 day", "2 days", "03:00:00", "1 mon"]).to_string(),
        PgType::Uuid => format!("00000000-0000-0000-0000-00000000000{}", random.below(5)),
        PgType::Inet => random.pick(&["10.0.0.1", "10.0.0.2", "10.0.0.1/8", "10.0.0.0/8", "::1", "192.168.0.7"]).to_string(),
        PgType::Json | PgType::Jsonb => random.pick(&["{\"a\": 1}", "{\"a\": 2, \"b\": [1, null]}", "1", "\"x\""]).to_string(),
        PgType::Enum(_) => random.pick(&["sad", "ok", "happy"]).to_string(),
        PgType::Array(item) if item.is_of_enum() => random.pick(&["{}", "{sad,ok}", "{NULL}", "{happy}"]).to_string(),
        PgType::Array(item) if **item == PgType::Int4 => random.pick(&["{}", "{1,2}", "{NULL,3}", "{1}"]).to_string(),
        PgType::Array(_) => random.pick(&["{}", "{a,b}", "{NULL}", "{\"b c\"}"]).to_string(),
        _ => "0".into(),
    }
}

/// Text in quotes.
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A literal of the type for use in an expression.
pub fn literal(random: &mut Random, ty: &PgType, taste: Taste) -> String {
    let text = value(random, ty, taste);
    match class(ty) {
        Class::Int if !text.starts_with('-') && text.len() < 4 => text,
        Class::Numeric if text.contains('.') && !text.starts_with('-') => text,
        Class::Text => quoted(&text),
        Class::Bool => if text == "t" { "true" } else { "false" }.into(),
        _ => format!("{}::{ty}", quoted(&text)),
    }
}
