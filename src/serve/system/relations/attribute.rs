//! pg_attribute and pg_attrdef: the columns of every relation and of every index, their defaults, and what generated ones are computed by.

use super::super::SystemContext;
use super::super::acl::column_acl;
use super::super::deparse::Style;
use super::super::facts::{self, SHAPES};
use super::super::keys::indexes;
use super::super::names::{ROW_TYPE, shown_expression, shown_generation};
use super::super::rows::{Cell, Rows};
use crate::catalog::{Identity, Relation};
use crate::data::PgType;
use crate::error::Result;
use hashbrown::HashMap;

/// How a type is stored: pg_type's columns that pg_attribute repeats.
struct Storage {
    by_value: bool,
    align: &'static str,
    storage: &'static str,
    collation: i64,
}

/// What a column has besides its type.
#[derive(Default)]
struct Traits {
    not_null: bool,
    has_default: bool,
    identity: &'static str,
    generated: bool,
    domain: Option<u32>,
    precision: Option<u8>,
    acl: Option<Cell>,
}

fn storages() -> HashMap<u32, Storage> {
    let one = |t: Vec<&'static str>| {
        let storage = Storage { by_value: t[4] == "t", align: t[5], storage: t[6], collation: facts::number(t[13]) };
        (facts::number(t[0]) as u32, storage)
    };
    facts::types().map(one).collect()
}

pub fn pg_attribute(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    let storages = storages();
    for shape in SHAPES.iter() {
        for (i, (name, ty)) in shape.columns.iter().enumerate() {
            attribute(&storages, rows, shape.oid, i + 1, name, ty, Traits::default())?;
        }
    }
    for relation in context.scope.relations() {
        for (i, c) in relation.columns.iter().enumerate() {
            let not_null = !c.nullable || relation.key.contains(&i);
            let identity = match c.identity {
                None => "",
                Some(Identity::Always) => "a",
                Some(Identity::ByDefault) => "d",
            };
            let acl = Some(column_acl(context, relation, &c.name));
            let generated = c.generated.is_some();
            let has_default = generated || c.default.is_some();
            let traits = Traits { not_null, has_default, identity, generated, domain: c.domain, precision: c.precision, acl };
            attribute(&storages, rows, relation.id, i + 1, &c.name, &c.ty, traits)?;
        }
    }
    for index in indexes(&context.scope) {
        for (i, (name, ty)) in index.columns().enumerate() {
            attribute(&storages, rows, index.oid, i + 1, &name, &ty, Traits::default())?;
        }
    }
    for sequence in context.scope.sequences.iter() {
        for (i, (name, ty)) in [("last_value", PgType::Int8), ("log_cnt", PgType::Int8), ("is_called", PgType::Bool)].iter().enumerate() {
            attribute(&storages, rows, sequence.id, i + 1, name, ty, Traits { not_null: true, ..Traits::default() })?;
        }
    }
    for ty in context.scope.user_types() {
        for (i, column) in ty.attributes().unwrap_or_default().iter().enumerate() {
            attribute(&storages, rows, ty.id + ROW_TYPE, i + 1, &column.name, &column.ty, Traits::default())?;
        }
    }
    Ok(())
}

fn attribute(
    storages: &HashMap<u32, Storage>,
    rows: &mut Rows,
    relation: u32,
    number: usize,
    name: &str,
    ty: &PgType,
    Traits { not_null, has_default, identity, generated, domain, precision, acl }: Traits,
) -> Result<()> {
    let (array, is_enum) = (matches!(ty, PgType::Array(_)), matches!(ty, PgType::Enum(_)));
    let scalar = storages.get(&ty.oid());
    rows.add([
        ("attrelid", relation.into()),
        ("attname", name.into()),
        ("atttypid", domain.unwrap_or_else(|| ty.oid()).into()),
        ("attstattarget", Cell::Int(-1)),
        ("attlen", ty.typlen().into()),
        ("attnum", number.into()),
        ("attndims", i32::from(array).into()),
        ("attcacheoff", Cell::Int(-1)),
        ("atttypmod", precision.map_or_else(|| ty.typmod(), i32::from).into()),
        ("attbyval", scalar.map_or(is_enum, |s| s.by_value).into()),
        ("attalign", scalar.map_or(if ty.is_of_rows() { "d" } else { "i" }, |s| s.align).into()),
        ("attstorage", scalar.map_or(if is_enum { "p" } else { "x" }, |s| s.storage).into()),
        ("attcompression", "".into()),
        ("attnotnull", not_null.into()),
        ("atthasdef", has_default.into()),
        ("attidentity", identity.into()),
        ("attgenerated", if generated { "s" } else { "" }.into()),
        ("attislocal", true.into()),
        ("attacl", acl.unwrap_or(Cell::Null)),
        ("attcollation", scalar.map_or(0, |s| s.collation).into()),
    ])
}

/// The defaults of columns, and the expressions of those that are generated: an oid, the relation, the 0-based column, and the expression as
/// it is kept. They are numbered through relations and columns, far above every other oid.
pub fn defaults(context: &SystemContext) -> impl Iterator<Item = (u32, &Relation, usize, &str)> {
    let columns = context.scope.relations().flat_map(|r| r.columns.iter().enumerate().map(move |(i, column)| (r.as_ref(), i, column)));
    let with_default =
        columns.filter_map(|(relation, i, column)| Some((relation, i, column.default.as_deref().or(column.generated.as_deref())?)));
    ((1u32 << 31)..).zip(with_default).map(|(oid, (relation, i, default))| (oid, relation, i, default))
}

pub fn pg_attrdef(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    for (oid, relation, i, default) in defaults(context) {
        let generation = shown_generation(context, relation, &relation.columns[i], Style::Whole);
        let default = generation.unwrap_or_else(|| shown_expression(context, default));
        rows.add([("oid", oid.into()), ("adrelid", relation.id.into()), ("adnum", (i + 1).into()), ("adbin", default.into())])?;
    }
    Ok(())
}
