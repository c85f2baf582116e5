//! Comments: pg_description, and pg_shdescription for the database and roles.

use super::super::SystemContext;
use super::super::keys::{constraints, indexes};
use super::super::names::DATABASE;
use super::super::rows::Rows;
use crate::catalog::{Numbered, TypeKind};
use crate::error::Result;

/// The catalogs that comments are about.
const PG_TYPE: u32 = 1247;
const PG_PROC: u32 = 1255;
const PG_CLASS: u32 = 1259;
const PG_AUTHID: u32 = 1260;
const PG_DATABASE: u32 = 1262;
const PG_CONSTRAINT: u32 = 2606;
const PG_NAMESPACE: u32 = 2615;
const PG_TRIGGER: u32 = 2620;
const PG_POLICY: u32 = 3256;

/// A comment: the object, its catalog, the column's number or 0, the text.
pub struct Description<'a> {
    pub object: u32,
    pub class: u32,
    pub column: usize,
    pub text: &'a str,
}

/// All comments but those on the database and on roles.
pub fn all(context: &SystemContext) -> impl Iterator<Item = Description<'_>> {
    let schemas = context.scope.namespaces().filter_map(|n| Some((n.id, context.scope.comment_on(&n.name)?)));
    let schemas = schemas.map(|(object, text)| Description { object, class: PG_NAMESPACE, column: 0, text });
    let relations = context.scope.relations().flat_map(|r| {
        let columns = r.columns.iter().enumerate();
        let columns = columns.filter_map(|(i, c)| Some((i + 1, r.comments.columns.get(&c.name)?)));
        let own = r.comments.relation.iter().map(|text| (0, text));
        own.chain(columns).map(|(column, text)| Description { object: r.id, class: PG_CLASS, column, text })
    });
    let types = context.scope.user_types().filter_map(|t| Some((t.id, t.comment.as_deref()?)));
    let types = types.map(|(object, text)| Description { object, class: PG_TYPE, column: 0, text });
    let functions = context.scope.functions().filter_map(|f| Some((f.id, f.comment.as_deref()?)));
    let functions = functions.map(|(object, text)| Description { object, class: PG_PROC, column: 0, text });
    let triggers = context.scope.relations().flat_map(|r| r.triggers.iter().filter_map(|t| Some((t.id, t.comment.as_deref()?))));
    let triggers = triggers.map(|(object, text)| Description { object, class: PG_TRIGGER, column: 0, text });
    schemas.chain(types).chain(functions).chain(triggers).chain(relations).chain(numbered(context))
}

/// Those on what is there of sequences, indexes, constraints and policies.
fn numbered(context: &SystemContext) -> Vec<Description<'_>> {
    let comments = context.scope.numbered_comments();
    if comments.is_empty() {
        return vec![];
    }
    let sequences = context.scope.sequences.iter().map(|s| (Numbered::Sequence(s.id), s.id, PG_CLASS));
    let indexes = indexes(&context.scope).into_iter().map(|i| (Numbered::Index(i.oid), i.oid, PG_CLASS));
    let of_tables = constraints(&context.scope).into_iter().map(|c| c.oid);
    let of_domains = context.scope.user_types().flat_map(|ty| match &ty.what {
        TypeKind::Domain(domain) => domain.checks.iter().map(|check| check.id).collect(),
        _ => vec![],
    });
    let constraints = of_tables.chain(of_domains).map(|oid| (Numbered::Constraint(oid), oid, PG_CONSTRAINT));
    let policies = context.scope.relations().flat_map(|r| &r.security.policies).map(|p| (Numbered::Policy(p.id), p.id, PG_POLICY));
    let told = |(what, object, class)| Some(Description { object, class, column: 0, text: comments.get(&what)? });
    sequences.chain(indexes).chain(constraints).chain(policies).filter_map(told).collect()
}

/// The comment on a role.
pub fn of_role(context: &SystemContext, role: u32) -> Option<&str> {
    context.scope.numbered_comments().get(&Numbered::Role(role)).map(String::as_str)
}

pub fn pg_description(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    all(context).try_for_each(|d| {
        rows.add([("objoid", d.object.into()), ("classoid", d.class.into()), ("objsubid", d.column.into()), ("description", d.text.into())])
    })
}

pub fn pg_shdescription(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    if let Some(text) = context.scope.comment_on("") {
        rows.add([("objoid", DATABASE.into()), ("classoid", PG_DATABASE.into()), ("description", text.into())])?;
    }
    for role in context.scope.roles().all() {
        let Some(text) = of_role(context, role.id) else { continue };
        rows.add([("objoid", role.id.into()), ("classoid", PG_AUTHID.into()), ("description", text.into())])?;
    }
    Ok(())
}
