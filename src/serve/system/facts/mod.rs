//! Facts about PostgreSQL 15's catalogs, as tables of text: one row per line, cells apart by `|`.
//!
//! They are names, types and object ids that clients know by heart (`pg_class` is 1259, `int4in` is 42): see PostgreSQL's
//! manual, chapter "System Catalogs". Each table is read once, at its first use.

mod access;

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{Schema, SchemaRef};
use hashbrown::HashMap;

use crate::data::PgType;

pub use access::{ACCESS_METHODS, AccessMethod, OpClass, access_method, default_opclass, opclass};

/// A system relation's identity and shape.
pub struct Shape {
    pub schema: &'static str,
    pub name: &'static str,
    pub oid: u32,
    /// `r` for a table of PostgreSQL's, `v` for a view.
    pub kind: &'static str,
    pub columns: Vec<(&'static str, PgType)>,
    pub arrow: SchemaRef,
}

/// A function that clients see in pg_proc.
pub struct Proc {
    pub oid: u32,
    pub name: &'static str,
    pub kind: &'static str,
    pub returns_set: bool,
    pub returns: u32,
    /// Types of the arguments, as an oidvector.
    pub arguments: &'static str,
    pub volatility: &'static str,
}

impl Proc {
    /// The types of the arguments.
    pub fn types(&self) -> Vec<u32> {
        self.arguments.split_whitespace().filter_map(|oid| oid.parse().ok()).collect()
    }
}

/// The schema, which no catalog lists, of relations that stand for functions in FROM.
pub const SET_FUNCTIONS: &str = "pg_set_functions";

/// Every system relation, in the order of its schema and name.
pub static SHAPES: LazyLock<Vec<Shape>> = LazyLock::new(|| shapes(|s| s.schema != SET_FUNCTIONS).collect());
/// The functions in FROM that are relations to the planner.
static SETS: LazyLock<Vec<Shape>> = LazyLock::new(|| shapes(|s| s.schema == SET_FUNCTIONS).collect());
/// The functions of pg_proc.
pub static PROCS: LazyLock<Vec<Proc>> = LazyLock::new(|| table(include_str!("procs.txt")).map(proc).collect());
static BY_NAME: LazyLock<HashMap<(&str, &str), usize>> =
    LazyLock::new(|| SHAPES.iter().enumerate().map(|(i, s)| ((s.schema, s.name), i)).collect());

/// Scalar types: oid, name, category, preferred, by value, alignment, storage, input, output, receive, send, modin, modout, collation, kind.
pub fn types() -> impl Iterator<Item = Vec<&'static str>> {
    table(include_str!("types.txt"))
}
/// Operators: oid, name, kind, can merge, can hash, left, right, result, commutator, negator, function.
pub fn operators() -> impl Iterator<Item = Vec<&'static str>> {
    // A name may be or have the mark that is between the cells: the other nine are behind it.
    include_str!("operators.txt").lines().filter(|l| !l.is_empty()).map(|line| {
        let (oid, rest) = line.split_once('|').unwrap_or((line, ""));
        let mut cells: Vec<&'static str> = rest.rsplitn(10, '|').chain([oid]).collect();
        cells.reverse();
        cells
    })
}
/// Casts: oid, source, target, function, context, method.
pub fn casts() -> impl Iterator<Item = Vec<&'static str>> {
    table(include_str!("casts.txt"))
}
/// Operator classes: oid, name, type, access method, default, family.
pub fn opclasses() -> impl Iterator<Item = Vec<&'static str>> {
    table(include_str!("opclasses.txt"))
}

/// The families that those are of: oid, access method, name.
pub fn opfamilies() -> impl Iterator<Item = Vec<&'static str>> {
    table(include_str!("opfamilies.txt"))
}

/// Keywords: word, category, whether it may be a label without AS.
pub fn keywords() -> impl Iterator<Item = Vec<&'static str>> {
    table(include_str!("keywords.txt"))
}

/// The shape of that system relation.
pub fn find(schema: &str, name: &str) -> Option<&'static Shape> {
    let listed = BY_NAME.get(&(schema, name)).map(|i| &SHAPES[*i]);
    listed.or_else(|| SETS.iter().find(|s| (s.schema, s.name) == (schema, name)))
}

/// An integer cell; 0 if it is not one.
pub fn number(cell: &str) -> i64 {
    cell.parse().unwrap_or(0)
}

fn table(text: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    text.lines().filter(|l| !l.is_empty()).map(|l| l.split('|').collect())
}

fn shapes(wanted: fn(&Shape) -> bool) -> impl Iterator<Item = Shape> {
    table(include_str!("relations.txt")).map(shape).filter(wanted)
}

fn shape(cells: Vec<&'static str>) -> Shape {
    let columns: Vec<_> = cells[4].split(',').map(|c| c.split_once(' ').expect("a fact names a column and its type")).collect();
    let columns: Vec<_> = columns.into_iter().map(|(name, ty)| (name, type_of(ty))).collect();
    let fields: Vec<_> = columns.iter().map(|(name, ty)| ty.field(name, true)).collect();
    let arrow = Arc::new(Schema::new(fields));
    Shape { schema: cells[0], name: cells[1], oid: number(cells[2]) as u32, kind: cells[3], columns, arrow }
}

/// The type of a system column; types that Everfold lacks (pg_mcv_list ...) are carried as text.
fn type_of(name: &str) -> PgType {
    PgType::parse(name).unwrap_or(PgType::Text)
}

fn proc(cells: Vec<&'static str>) -> Proc {
    Proc {
        oid: number(cells[0]) as u32,
        name: cells[1],
        kind: cells[2],
        returns_set: cells[3] == "t",
        returns: number(cells[4]) as u32,
        arguments: cells[5],
        volatility: cells[6],
    }
}
