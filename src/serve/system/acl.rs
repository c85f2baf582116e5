//! Access control lists as PostgreSQL prints them (`{ann=arwd/ann,=r/ann}`), and whether a session may see what another one does.

use super::names::quote_ident;
use super::rows::Cell;
use super::{SessionStatus, SystemContext};
use crate::catalog::{BOOTSTRAP, Granted, Object, PUBLIC, Privileges, READ_ALL_STATS, Relation, RoleId};

/// pg_class.relacl; null where nothing is granted.
pub fn relation_acl(context: &SystemContext, relation: &Relation) -> Cell {
    let object = Object::Relation(relation.id);
    if context.catalog.roles().grants_on(&object).next().is_none() {
        return Cell::Null;
    }
    acl(context, &object, relation.owner, Privileges::on_relation(relation.kind))
}

/// pg_namespace.nspacl of `public`.
pub fn schema_acl(context: &SystemContext, name: &str) -> Cell {
    let object = Object::Schema(name.to_string());
    acl(context, &object, BOOTSTRAP, object.privileges(None))
}

/// pg_database.datacl.
pub fn database_acl(context: &SystemContext) -> Cell {
    acl(context, &Object::Database, BOOTSTRAP, Object::Database.privileges(None))
}

fn acl(context: &SystemContext, object: &Object, owner: RoleId, all: Privileges) -> Cell {
    let name = |id: RoleId| if id == PUBLIC { String::new() } else { quote_ident(&context.role_name(id)) };
    let item = |grantee: RoleId, grantor: RoleId, granted: &Granted| Cell::Text(format!("{}={granted}/{}", name(grantee), name(grantor)));
    let own = item(owner, owner, &Granted { privileges: all, options: Privileges::NONE });
    let given = context.catalog.roles().grants_on(object).map(|(grantee, grantor, granted)| item(grantee, grantor, granted));
    Cell::List(std::iter::once(own).chain(given).collect())
}

/// What a session is shown of the statement that another one runs.
pub fn shown_query<'a>(context: &SystemContext, session: &'a SessionStatus) -> &'a str {
    let own = session.role == context.role && session.process_id == context.process_id;
    let inherited = || context.catalog.roles().inherits(context.role);
    let may = own || context.is_superuser() || {
        let roles = inherited();
        roles.contains(&session.role) || roles.contains(&READ_ALL_STATS)
    };
    if may { &session.query } else { "<insufficient privilege>" }
}
