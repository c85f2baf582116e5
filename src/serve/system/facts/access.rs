//! How indexes may be defined: access methods, operator classes, storage parameters (manual, CREATE INDEX).

use super::{number, opclasses};
use crate::data::PgType;

/// An access method, and what an index of it may have.
pub struct AccessMethod {
    pub oid: u32,
    pub name: &'static str,
    pub handler: u32,
    pub unique: bool,
    /// Several columns.
    pub several: bool,
    /// INCLUDE.
    pub include: bool,
    /// DESC, and NULLS FIRST.
    pub ordered: bool,
    pub parameters: &'static [&'static str],
}

const NONE: AccessMethod = AccessMethod {
    oid: 0,
    name: "",
    handler: 0,
    unique: false,
    several: false,
    include: false,
    ordered: false,
    parameters: &["fillfactor"],
};

/// The access methods of indexes.
pub const ACCESS_METHODS: [AccessMethod; 6] = [
    AccessMethod {
        unique: true,
        several: true,
        include: true,
        ordered: true,
        parameters: &["fillfactor", "deduplicate_items"],
        oid: 403,
        name: "btree",
        handler: 330,
    },
    AccessMethod { oid: 405, name: "hash", handler: 331, ..NONE },
    AccessMethod { several: true, include: true, parameters: &["fillfactor", "buffering"], oid: 783, name: "gist", handler: 332, ..NONE },
    AccessMethod { several: true, parameters: &["fastupdate", "gin_pending_list_limit"], oid: 2742, name: "gin", handler: 333, ..NONE },
    AccessMethod { include: true, oid: 4000, name: "spgist", handler: 334, ..NONE },
    AccessMethod { several: true, parameters: &["pages_per_range", "autosummarize"], oid: 3580, name: "brin", handler: 335, ..NONE },
];

/// The access method of that name.
pub fn access_method(name: &str) -> Option<&'static AccessMethod> {
    ACCESS_METHODS.iter().find(|m| m.name == name)
}

/// An operator class: its oid and its name.
pub type OpClass = (u32, &'static str);

/// The operator class that an index of that method uses for a type where it names none.
pub fn default_opclass(method: &AccessMethod, ty: &PgType) -> Option<OpClass> {
    const ARRAY: u32 = 2277;
    const ENUM: u32 = 3500;
    const INET: u32 = 869;
    const OID: u32 = 26;
    const TEXT: u32 = 25;
    let oid = match ty {
        PgType::Array(item) if !item.is_of_rows() => ARRAY,
        ty if ty.is_of_enum() => ENUM,
        ty if ty.is_reg() => OID,
        PgType::Varchar(_) | PgType::Unknown => TEXT,
        PgType::Cidr => INET,
        ty => ty.oid(),
    };
    let mut classes = opclasses().filter(|c| number(c[3]) as u32 == method.oid);
    classes.find(|c| number(c[2]) as u32 == oid && c[4] == "t").map(|c| (number(c[0]) as u32, c[1]))
}

/// The operator class of that name.
pub fn opclass(method: &AccessMethod, name: &str) -> Option<OpClass> {
    let mut classes = opclasses().filter(|c| number(c[3]) as u32 == method.oid);
    classes.find(|c| c[1] == name).map(|c| (number(c[0]) as u32, c[1]))
}
