//! Access control lists as PostgreSQL prints them (`{ann=arwd/ann,=r/ann}`), and whether a session may see what another one does.

use super::rows::Cell;
use super::{SessionStatus, SystemContext};
use crate::catalog::{BOOTSTRAP, Granted, Namespace, Object, PUBLIC, Privileges, READ_ALL_STATS, Relation, RoleId};
use crate::data::quoting::ident;

/// pg_class.relacl; null where nothing is granted.
pub fn relation_acl(context: &SystemContext, relation: &Relation) -> Cell {
    let object = Object::Relation(relation.id);
    if context.scope.roles().grants_on(&object).next().is_none() {
        return Cell::Null;
    }
    acl(context, &object, relation.owner, Privileges::on_relation(relation.kind))
}

/// pg_namespace.nspacl of a user's schema; null where nothing is granted.
pub fn schema_acl(context: &SystemContext, schema: &Namespace) -> Cell {
    let object = Object::Schema(schema.name.clone());
    if context.scope.roles().grants_on(&object).next().is_none() {
        return Cell::Null;
    }
    acl(context, &object, schema.owner, object.privileges(None))
}

/// pg_database.datacl.
pub fn database_acl(context: &SystemContext) -> Cell {
    acl(context, &Object::Database, BOOTSTRAP, Object::Database.privileges(None))
}

fn acl(context: &SystemContext, object: &Object, owner: RoleId, all: Privileges) -> Cell {
    let name = |id: RoleId| if id == PUBLIC { String::new() } else { ident(&context.role_name(id)) };
    let item = |grantee: RoleId, grantor: RoleId, granted: &Granted| Cell::Text(format!("{}={granted}/{}", name(grantee), name(grantor)));
    let own = item(owner, owner, &Granted { privileges: all, options: Privileges::NONE });
    let given = context.scope.roles().grants_on(object).map(|(grantee, grantor, granted)| item(grantee, grantor, granted));
    Cell::List(std::iter::once(own).chain(given).collect())
}

/// What a session is shown of the statement that another one runs.
pub fn shown_query<'a>(context: &SystemContext, session: &'a SessionStatus) -> &'a str {
    let own = session.role == context.role && session.process_id == context.process_id;
    let inherited = || context.scope.roles().inherits(context.role);
    let may = own || context.is_superuser() || {
        let roles = inherited();
        roles.contains(&session.role) || roles.contains(&READ_ALL_STATS)
    };
    if may { &session.query } else { "<insufficient privilege>" }
}
