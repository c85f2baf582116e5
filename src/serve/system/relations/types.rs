//! pg_type: the scalar types, their arrays, and the row types of relations.

use super::super::SystemContext;
use super::super::facts;
use super::super::names::{OWNER, ROW_ARRAY, ROW_TYPE};
use super::super::rows::{Cell, Rows};
use crate::catalog::Relation;
use crate::data::PgType;
use crate::error::Result;

/// Functions of pg_proc that all arrays share: subscript handler, in, out, receive, send; and those of row types.
const ARRAY: [u32; 5] = [6179, 750, 751, 2400, 2401];
const RECORD: [u32; 4] = [2290, 2291, 2402, 2403];

/// Types that functions take and return and that no column has: oid, name, length, as PostgreSQL lists them.
const PSEUDO: [(u32, &str, i64); 7] = [
    (2275, "cstring", -2),
    (2276, "any", 4),
    (2277, "anyarray", -1),
    (2279, "trigger", 4),
    (2281, "internal", 8),
    (2283, "anyelement", 4),
    (3838, "event_trigger", 4),
];

/// What functions take that read the modifier of a type.
const CSTRING_ARRAY: u32 = 1263;

pub fn pg_type(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    for t in facts::types() {
        let oid = facts::number(t[0]);
        if let Some(ty) = u32::try_from(oid).ok().and_then(PgType::from_oid) {
            scalar(&t, &ty, rows)?;
            let array = PgType::Array(Box::new(ty));
            if array.oid() != 0 {
                array_of(array.oid(), &array.typname(), 11, oid, if t[5] == "d" { "d" } else { "i" }, facts::number(t[13]), rows)?;
            }
        }
    }
    for (oid, name, length) in PSEUDO {
        pseudo(oid, name, length, rows)?;
    }
    array_of(CSTRING_ARRAY, "_cstring", 11, 2275, "i", 0, rows)?;
    for relation in context.scope.relations() {
        let (row, array) = (relation.id + ROW_TYPE, relation.id + ROW_ARRAY);
        row_type(row, array, relation, rows)?;
        array_of(array, &format!("_{}", relation.name), relation.namespace, row.into(), "d", 0, rows)?;
    }
    Ok(())
}

fn scalar(t: &[&'static str], ty: &PgType, rows: &mut Rows) -> Result<()> {
    let element = match ty {
        PgType::Int2Vector => PgType::Int2.oid(),
        PgType::OidVector => PgType::Oid.oid(),
        PgType::Name => PgType::Char.oid(),
        _ => 0,
    };
    rows.add([
        ("oid", facts::number(t[0]).into()),
        ("typname", t[1].into()),
        ("typnamespace", 11u32.into()),
        ("typowner", OWNER.into()),
        ("typlen", ty.typlen().into()),
        ("typbyval", (t[4] == "t").into()),
        ("typtype", t[14].into()),
        ("typcategory", t[2].into()),
        ("typispreferred", (t[3] == "t").into()),
        ("typisdefined", true.into()),
        ("typdelim", ",".into()),
        ("typelem", element.into()),
        ("typarray", PgType::Array(Box::new(ty.clone())).oid().into()),
        ("typinput", facts::number(t[7]).into()),
        ("typoutput", facts::number(t[8]).into()),
        ("typreceive", facts::number(t[9]).into()),
        ("typsend", facts::number(t[10]).into()),
        ("typmodin", facts::number(t[11]).into()),
        ("typmodout", facts::number(t[12]).into()),
        ("typalign", t[5].into()),
        ("typstorage", t[6].into()),
        ("typtypmod", Cell::Int(-1)),
        ("typcollation", facts::number(t[13]).into()),
    ])
}

fn pseudo(oid: u32, name: &str, length: i64, rows: &mut Rows) -> Result<()> {
    rows.add([
        ("oid", oid.into()),
        ("typname", name.into()),
        ("typnamespace", 11u32.into()),
        ("typowner", OWNER.into()),
        ("typlen", Cell::Int(length)),
        ("typbyval", (length > 0).into()),
        ("typtype", "p".into()),
        ("typcategory", "P".into()),
        ("typisdefined", true.into()),
        ("typdelim", ",".into()),
        ("typarray", if name == "cstring" { CSTRING_ARRAY } else { 0 }.into()),
        ("typalign", if length == 8 { "d" } else { "i" }.into()),
        ("typstorage", if length == -1 { "x" } else { "p" }.into()),
        ("typtypmod", Cell::Int(-1)),
    ])
}

fn array_of(oid: u32, name: &str, schema: u32, element: i64, align: &'static str, collation: i64, rows: &mut Rows) -> Result<()> {
    rows.add([
        ("oid", oid.into()),
        ("typname", name.into()),
        ("typnamespace", schema.into()),
        ("typowner", OWNER.into()),
        ("typlen", Cell::Int(-1)),
        ("typtype", "b".into()),
        ("typcategory", "A".into()),
        ("typisdefined", true.into()),
        ("typdelim", ",".into()),
        ("typsubscript", ARRAY[0].into()),
        ("typelem", element.into()),
        ("typinput", ARRAY[1].into()),
        ("typoutput", ARRAY[2].into()),
        ("typreceive", ARRAY[3].into()),
        ("typsend", ARRAY[4].into()),
        ("typalign", align.into()),
        ("typstorage", "x".into()),
        ("typtypmod", Cell::Int(-1)),
        ("typcollation", collation.into()),
    ])
}

fn row_type(oid: u32, array: u32, relation: &Relation, rows: &mut Rows) -> Result<()> {
    rows.add([
        ("oid", oid.into()),
        ("typname", (&relation.name).into()),
        ("typnamespace", relation.namespace.into()),
        ("typowner", OWNER.into()),
        ("typlen", Cell::Int(-1)),
        ("typtype", "c".into()),
        ("typcategory", "C".into()),
        ("typisdefined", true.into()),
        ("typdelim", ",".into()),
        ("typrelid", relation.id.into()),
        ("typarray", array.into()),
        ("typinput", RECORD[0].into()),
        ("typoutput", RECORD[1].into()),
        ("typreceive", RECORD[2].into()),
        ("typsend", RECORD[3].into()),
        ("typalign", "d".into()),
        ("typstorage", "x".into()),
        ("typtypmod", Cell::Int(-1)),
    ])
}
