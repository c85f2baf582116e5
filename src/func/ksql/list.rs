//! All functions of ksqlDB's dialect, by name: a family of functions is a file and a line here.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::function::{Aggregate, Scalar};
use super::table::TableFunction;
use super::{aggregate, scalar, table};

/// The scalar functions, family by family.
const SCALARS: &[&[Scalar]] = &[
    scalar::array::FUNCTIONS,
    scalar::bytes::FUNCTIONS,
    scalar::conditional::FUNCTIONS,
    scalar::json::FUNCTIONS,
    scalar::lambda::FUNCTIONS,
    scalar::legacy::FUNCTIONS,
    scalar::map::FUNCTIONS,
    scalar::mask::FUNCTIONS,
    scalar::math::FUNCTIONS,
    scalar::search::FUNCTIONS,
    scalar::string::FUNCTIONS,
    scalar::time::FUNCTIONS,
    scalar::url::FUNCTIONS,
];

/// The aggregate functions, family by family.
const AGGREGATES: &[&[Aggregate]] = &[
    aggregate::collect::FUNCTIONS,
    aggregate::count::FUNCTIONS,
    aggregate::extremes::FUNCTIONS,
    aggregate::histogram::FUNCTIONS,
    aggregate::offset::FUNCTIONS,
    aggregate::statistics::FUNCTIONS,
    aggregate::sum::FUNCTIONS,
    aggregate::topk::FUNCTIONS,
];

/// Functions by name.
struct Index {
    scalars: BTreeMap<&'static str, &'static Scalar>,
    aggregates: BTreeMap<&'static str, &'static Aggregate>,
    tables: BTreeMap<&'static str, &'static TableFunction>,
}

fn index() -> &'static Index {
    static INDEX: OnceLock<Index> = OnceLock::new();
    INDEX.get_or_init(|| Index {
        scalars: SCALARS.iter().flat_map(|f| f.iter()).map(|f| (f.name, f)).collect(),
        aggregates: AGGREGATES.iter().flat_map(|f| f.iter()).map(|f| (f.name, f)).collect(),
        tables: table::FUNCTIONS.iter().map(|f| (f.name, f)).collect(),
    })
}

/// The scalar function of a name in upper case.
pub fn scalar(name: &str) -> Option<&'static Scalar> {
    index().scalars.get(name).copied()
}

/// The aggregate function of a name in upper case.
pub fn aggregate(name: &str) -> Option<&'static Aggregate> {
    index().aggregates.get(name).copied()
}

/// The table function of a name in upper case.
pub fn table(name: &str) -> Option<&'static TableFunction> {
    index().tables.get(name).copied()
}

/// All scalar functions, by name.
pub fn scalars() -> impl Iterator<Item = &'static Scalar> {
    index().scalars.values().copied()
}

/// All aggregate functions, by name.
pub fn aggregates() -> impl Iterator<Item = &'static Aggregate> {
    index().aggregates.values().copied()
}

/// The names of all functions.
pub fn names() -> impl Iterator<Item = &'static str> {
    let index = index();
    index.scalars.keys().chain(index.aggregates.keys()).chain(index.tables.keys()).copied()
}
