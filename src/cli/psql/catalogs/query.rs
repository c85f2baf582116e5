//! Queries over the catalogs, and the pieces of SQL that many of them share.

use crate::cli::psql::listings::Listing;

/// When a column is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    Always,
    /// With `+`.
    Detail,
    /// Without it.
    Brief,
}

/// A column of a list.
#[derive(Clone, Copy)]
pub struct Column {
    pub heading: &'static str,
    pub expression: &'static str,
    pub shown: Shown,
}

pub const fn column(heading: &'static str, expression: &'static str) -> Column {
    Column { heading, expression, shown: Shown::Always }
}

/// A column that `+` adds.
pub const fn detail(heading: &'static str, expression: &'static str) -> Column {
    Column { shown: Shown::Detail, ..column(heading, expression) }
}

/// A column that `+` has another for.
pub const fn brief(heading: &'static str, expression: &'static str) -> Column {
    Column { shown: Shown::Brief, ..column(heading, expression) }
}

/// The schema of what [`in_schema`] finds.
pub const SCHEMA: Column = column("Schema", "n.nspname");

/// Leaves out what is the system's.
macro_rules! own {
    ($namespace:literal) => {
        concat!($namespace, ".nspname <> 'pg_catalog' AND ", $namespace, ".nspname <> 'information_schema'")
    };
}

/// The things of a catalog, with the schema `n` that they are in.
macro_rules! in_schema {
    ($catalog:literal, $namespace:literal) => {
        concat!("pg_catalog.", $catalog, " LEFT JOIN pg_catalog.pg_namespace n ON n.oid = ", $namespace)
    };
}

/// The name of the role with this oid.
macro_rules! role {
    ($oid:literal) => {
        concat!("pg_catalog.pg_get_userbyid(", $oid, ")")
    };
}

/// The name of the type with this oid.
macro_rules! type_name {
    ($oid:literal) => {
        concat!("pg_catalog.format_type(", $oid, ", NULL)")
    };
}

/// What an array holds, in a line each.
macro_rules! lines {
    ($array:literal) => {
        concat!("pg_catalog.array_to_string(", $array, ", E'\\n')")
    };
}

/// The comment on the thing with this oid in a catalog.
macro_rules! comment {
    ($oid:literal, $catalog:literal) => {
        concat!("pg_catalog.obj_description(", $oid, ", '", $catalog, "')")
    };
}

/// The comment on what is shared by all databases.
macro_rules! shared_comment {
    ($oid:literal, $catalog:literal) => {
        concat!("pg_catalog.shobj_description(", $oid, ", '", $catalog, "')")
    };
}

/// Options of foreign data, in parentheses.
macro_rules! foreign_options {
    ($options:literal) => {
        concat!(
            "CASE WHEN ",
            $options,
            " IS NULL THEN '' ELSE '(' || pg_catalog.array_to_string(ARRAY(SELECT pg_catalog.quote_ident(option_name) || ' ' || \
             pg_catalog.quote_literal(option_value) FROM pg_catalog.pg_options_to_table(",
            $options,
            ")), ', ') || ')' END"
        )
    };
}

pub(super) use {comment, foreign_options, in_schema, lines, own, role, shared_comment, type_name};

/// A query in the making.
pub struct Query {
    pub title: &'static str,
    pub columns: Vec<Column>,
    pub from: String,
    /// All of them hold; empty ones are none.
    pub conditions: Vec<String>,
    pub order: String,
}

impl Query {
    pub fn sql(&self) -> String {
        let columns: Vec<String> = self.columns.iter().map(|c| format!("{} AS \"{}\"", c.expression, c.heading)).collect();
        let conditions = all_of(self.conditions.iter().map(String::as_str));
        let filter = if conditions.is_empty() { String::new() } else { format!(" WHERE {conditions}") };
        format!("SELECT {} FROM {}{filter} ORDER BY {}", columns.join(", "), self.from, self.order)
    }

    /// The table of what it finds.
    pub fn listing(&self) -> Listing {
        Listing::of(self.title, self.sql())
    }
}

/// All of these conditions; empty ones are none.
pub fn all_of<'a>(conditions: impl IntoIterator<Item = &'a str>) -> String {
    conditions.into_iter().filter(|condition| !condition.is_empty()).collect::<Vec<_>>().join(" AND ")
}
