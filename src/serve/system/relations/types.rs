//! pg_type: the scalar types, their arrays, the row types of relations, and types of users; pg_enum.

use super::super::SystemContext;
use super::super::facts;
use super::super::names::{OWNER, ROW_ARRAY, ROW_TYPE, shown_expression};
use super::super::rows::{Cell, Rows};
use crate::catalog::{Domain, TypeKind, UserType};
use crate::data::PgType;
use crate::error::Result;

/// Functions of pg_proc that all arrays share: subscript handler, in, out, receive, send; and those of row types.
const ARRAY: [u32; 5] = [6179, 750, 751, 2400, 2401];
const RECORD: [u32; 4] = [2290, 2291, 2402, 2403];
const ENUM: [u32; 4] = [3506, 3507, 3532, 3533];
/// Of domains: in and receive.
const DOMAIN: [u32; 2] = [2597, 2598];

/// Types that functions take and return and that no column has: oid, name, length, as PostgreSQL lists them; those of its own statistics are
/// among the facts.
const PSEUDO: [(u32, &str, i64); 6] = [
    (2275, "cstring", -2),
    (2276, "any", 4),
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
    for ty in context.scope.user_types() {
        match &ty.what {
            TypeKind::Enum(_) => enumeration(ty, rows)?,
            TypeKind::Domain(of) => domain(context, ty, of, rows)?,
            TypeKind::Composite(_) => row_type(&RowType::of(ty), rows)?,
        }
        let align = if ty.attributes().is_some() { "d" } else { "i" };
        array_of(ty.id + ROW_ARRAY, &format!("_{}", ty.name), ty.namespace, ty.id.into(), align, 0, rows)?;
    }
    for relation in context.scope.relations() {
        let (row, array) = (relation.id + ROW_TYPE, relation.id + ROW_ARRAY);
        let (name, schema) = (&relation.name, relation.namespace);
        row_type(&RowType { oid: row, array, name, schema, owner: OWNER, relation: relation.id }, rows)?;
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

fn enumeration(ty: &UserType, rows: &mut Rows) -> Result<()> {
    rows.add([
        ("oid", ty.id.into()),
        ("typname", (&ty.name).into()),
        ("typnamespace", ty.namespace.into()),
        ("typowner", ty.owner.into()),
        ("typlen", Cell::Int(4)),
        ("typbyval", true.into()),
        ("typtype", "e".into()),
        ("typcategory", "E".into()),
        ("typisdefined", true.into()),
        ("typdelim", ",".into()),
        ("typarray", (ty.id + ROW_ARRAY).into()),
        ("typinput", ENUM[0].into()),
        ("typoutput", ENUM[1].into()),
        ("typreceive", ENUM[2].into()),
        ("typsend", ENUM[3].into()),
        ("typalign", "i".into()),
        ("typstorage", "p".into()),
        ("typtypmod", Cell::Int(-1)),
    ])
}

/// A domain has what its type has, and its own input functions.
fn domain(context: &SystemContext, ty: &UserType, domain: &Domain, rows: &mut Rows) -> Result<()> {
    let facts = facts::types().find(|t| facts::number(t[0]) == i64::from(domain.base.oid()));
    let fact = |i: usize, or: &'static str| facts.as_ref().map_or(or, |t| t[i]);
    let number = |i: usize, or: u32| facts.as_ref().map_or(i64::from(or), |t| facts::number(t[i]));
    rows.add([
        ("oid", ty.id.into()),
        ("typname", (&ty.name).into()),
        ("typnamespace", ty.namespace.into()),
        ("typowner", ty.owner.into()),
        ("typlen", domain.base.typlen().into()),
        ("typbyval", (fact(4, "f") == "t").into()),
        ("typtype", "d".into()),
        ("typcategory", fact(2, if domain.base.is_of_enum() { "E" } else { "A" }).into()),
        ("typisdefined", true.into()),
        ("typdelim", ",".into()),
        ("typarray", (ty.id + ROW_ARRAY).into()),
        ("typinput", DOMAIN[0].into()),
        ("typoutput", number(8, ENUM[1]).into()),
        ("typreceive", DOMAIN[1].into()),
        ("typsend", number(10, ENUM[3]).into()),
        ("typalign", fact(5, "i").into()),
        ("typstorage", fact(6, "p").into()),
        ("typnotnull", domain.not_null.into()),
        ("typbasetype", domain.base.oid().into()),
        ("typtypmod", domain.base.typmod().into()),
        ("typcollation", number(13, 0).into()),
        // pg_dump quotes a default that has no expression.
        ("typdefaultbin", domain.default.as_ref().map(|default| shown_expression(context, default)).into()),
        ("typdefault", domain.default.as_ref().map(|default| shown_expression(context, default)).into()),
    ])
}

/// The labels of enumerations, in the order of their definition.
pub fn pg_enum(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    for ty in context.scope.user_types() {
        for (i, label) in ty.labels().unwrap_or_default().iter().enumerate() {
            rows.add([
                ("oid", label.id.into()),
                ("enumtypid", ty.id.into()),
                ("enumsortorder", (i + 1).into()),
                ("enumlabel", (&label.name).into()),
            ])?;
        }
    }
    Ok(())
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

/// The type of the rows of a relation, or of a composite type, which has an entry in pg_class too.
struct RowType<'a> {
    oid: u32,
    array: u32,
    name: &'a str,
    schema: u32,
    owner: u32,
    relation: u32,
}

impl RowType<'_> {
    fn of(ty: &UserType) -> RowType<'_> {
        let (array, relation) = (ty.id + ROW_ARRAY, ty.id + ROW_TYPE);
        RowType { oid: ty.id, array, name: &ty.name, schema: ty.namespace, owner: ty.owner, relation }
    }
}

fn row_type(ty: &RowType<'_>, rows: &mut Rows) -> Result<()> {
    rows.add([
        ("oid", ty.oid.into()),
        ("typname", ty.name.into()),
        ("typnamespace", ty.schema.into()),
        ("typowner", ty.owner.into()),
        ("typlen", Cell::Int(-1)),
        ("typtype", "c".into()),
        ("typcategory", "C".into()),
        ("typisdefined", true.into()),
        ("typdelim", ",".into()),
        ("typrelid", ty.relation.into()),
        ("typarray", ty.array.into()),
        ("typinput", RECORD[0].into()),
        ("typoutput", RECORD[1].into()),
        ("typreceive", RECORD[2].into()),
        ("typsend", RECORD[3].into()),
        ("typalign", "d".into()),
        ("typstorage", "x".into()),
        ("typtypmod", Cell::Int(-1)),
    ])
}
