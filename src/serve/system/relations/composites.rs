//! information_schema: composite types and their attributes.

use super::super::SystemContext;
use super::super::rows::{Cell, Rows};
use super::standard::{TypeTold, datetime_precision, length, numeric, octets, type_told, yes_no};
use crate::error::Result;

pub fn user_defined_types(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    for ty in context.scope.user_types().filter(|ty| ty.attributes().is_some()) {
        rows.add([
            ("user_defined_type_catalog", (&context.database).into()),
            ("user_defined_type_schema", context.scope.namespace_name(ty.namespace).into()),
            ("user_defined_type_name", (&ty.name).into()),
            ("user_defined_type_category", "STRUCTURED".into()),
            ("is_instantiable", yes_no(true)),
        ])?;
    }
    Ok(())
}

pub fn attributes(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    let database = || Cell::from(&context.database);
    for ty in context.scope.user_types() {
        for (i, attribute) in ty.attributes().unwrap_or_default().iter().enumerate() {
            let TypeTold { data_type, udt_schema, udt_name } = type_told(context, &attribute.ty);
            let [precision, radix, scale] = numeric(&attribute.ty);
            rows.add([
                ("udt_catalog", database()),
                ("udt_schema", context.scope.namespace_name(ty.namespace).into()),
                ("udt_name", (&ty.name).into()),
                ("attribute_name", (&attribute.name).into()),
                ("ordinal_position", (i + 1).into()),
                ("is_nullable", yes_no(true)),
                ("data_type", data_type.into()),
                ("character_maximum_length", length(&attribute.ty).into()),
                ("character_octet_length", octets(&attribute.ty).into()),
                ("numeric_precision", precision),
                ("numeric_precision_radix", radix),
                ("numeric_scale", scale),
                ("datetime_precision", datetime_precision(&attribute.ty).into()),
                ("attribute_udt_catalog", database()),
                ("attribute_udt_schema", udt_schema.into()),
                ("attribute_udt_name", udt_name.into()),
                ("dtd_identifier", (i + 1).to_string().into()),
                ("is_derived_reference_attribute", yes_no(false)),
            ])?;
        }
    }
    Ok(())
}
