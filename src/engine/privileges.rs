//! Who a session is, and what it may do.
//!
//! What of a relation's rows is seen is told by its policies, where it is named ([`crate::plan::policies`]).
//!
//! Each kind of statement asks here once, when it runs: queries in [`Session::may_read`] for all that their plan names, look-ups by key
//! and statements that write in [`Session::may`], DDL in [`Session::must_own`] and [`Session::may_create_in`]. What a view reads is read with
//! its owner's rights, what a materialized view holds was read with its owner's when it was made.
//!
//! The answer for the session's role is kept with the [`Roles`] it was computed from, which is another value after every statement
//! about roles: [`Session::refresh`] compares pointers, and a superuser is asked nothing more.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::session::Session;
use crate::catalog::{
    BOOTSTRAP, CHECKPOINT, Catalog, Function, Granted, Namespace, NamespaceId, Object, Privileges, Relation, RoleId, Roles, Sequence,
    TEMPORARY_NAMESPACE, UserType,
};
use crate::error::{Error, Result, code};
use crate::plan::reads::Read;
use crate::sql::TableMode;

/// Who a session is.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Who came in: what RESET goes back to, and who may take another's place.
    pub login: RoleId,
    /// session_user
    pub session: RoleId,
    /// current_user
    pub current: RoleId,
    /// The name under which the first superuser came in, if it did.
    pub alias: Option<String>,
}

impl Identity {
    /// A role that has come in under its own name.
    pub fn of(role: RoleId) -> Identity {
        Identity { login: role, session: role, current: role, alias: None }
    }

    /// The first superuser under the name that the client gave.
    pub fn bootstrap(name: &str) -> Identity {
        Identity { alias: Some(name.to_string()), ..Identity::of(BOOTSTRAP) }
    }

    /// The settings that say who it is.
    pub fn settings(&self, roles: &Roles) -> [(&'static str, String); 3] {
        let role = if self.current == self.session { "none".to_string() } else { self.name(roles, self.current) };
        let superuser = if roles.is_superuser(self.current) { "on" } else { "off" };
        [("role", role), ("session_authorization", self.name(roles, self.session)), ("is_superuser", superuser.to_string())]
    }

    /// The name of a role as this session knows it.
    pub fn name(&self, roles: &Roles, id: RoleId) -> String {
        match &self.alias {
            Some(alias) if id == BOOTSTRAP => alias.clone(),
            _ => roles.name(id),
        }
    }
}

/// What the current role may, as of one state of the roles.
pub struct Authority {
    pub roles: Arc<Roles>,
    pub role: RoleId,
    pub superuser: bool,
    /// The roles whose privileges it has.
    inherits: BTreeSet<RoleId>,
}

impl Authority {
    /// The authority of a role.
    pub fn of(roles: &Arc<Roles>, role: RoleId) -> Authority {
        let superuser = roles.is_superuser(role);
        let inherits = if superuser { BTreeSet::new() } else { roles.inherits(role) };
        Authority { roles: roles.clone(), role, superuser, inherits }
    }

    /// True if it has the rights of that role.
    pub fn has_role(&self, id: RoleId) -> bool {
        self.superuser || self.inherits.contains(&id)
    }

    /// True if it may do that with a relation.
    pub fn may(&self, privilege: Privileges, relation: &Relation) -> bool {
        let of_kind = Privileges::on_relation(relation.kind);
        self.has_role(relation.owner) || self.on(&Object::Relation(relation.granted_on()), of_kind).privileges.has(privilege)
    }

    /// True if it may do that with these columns of a relation, by grants on them; where there are none, with any one.
    fn may_with_columns(&self, privilege: Privileges, relation: &Relation, columns: impl IntoIterator<Item = usize>) -> bool {
        let all = Privileges::on_column(relation.kind);
        let granted = |at: usize| {
            let column = relation.columns.get(at).map(|column| Object::Column(relation.granted_on(), column.name.clone()));
            column.is_some_and(|column| self.on(&column, all).privileges.has(privilege))
        };
        let mut columns = columns.into_iter().peekable();
        if columns.peek().is_some() { columns.all(granted) } else { (0..relation.columns.len()).any(granted) }
    }

    /// True if it may do that with these columns of a relation, by grants on it or on them.
    pub fn may_on(&self, privilege: Privileges, relation: &Relation, columns: impl IntoIterator<Item = usize>) -> bool {
        self.may(privilege, relation) || self.may_with_columns(privilege, relation, columns)
    }

    /// Errors: 42501 unless it may do one of these with a sequence.
    pub fn may_number(&self, any: Privileges, catalog: &Catalog, sequence: &Sequence) -> Result<()> {
        let held = || self.on(&Object::Sequence(sequence.id), Privileges::ON_SEQUENCE).privileges;
        if self.has_role(catalog.sequence_owner(sequence)) || !held().within(any).is_none() {
            return Ok(());
        }
        let wanted = if any.has(Privileges::USAGE) { Privileges::USAGE } else { any };
        let name = self.roles.name(self.role);
        Err(denied("sequence", &sequence.name)
            .hint(format!("Its owner or a superuser can let it: GRANT {wanted} ON SEQUENCE {} TO {name};", sequence.name)))
    }

    /// True if it may call a function.
    fn may_call(&self, function: &Function) -> bool {
        let object = Object::Function(function.id);
        self.has_role(function.owner) || self.on(&object, object.privileges(None)).privileges.has(Privileges::EXECUTE)
    }

    /// True if it may look into a schema.
    pub fn may_use(&self, namespace: &Namespace) -> bool {
        self.may_in(namespace, Privileges::USAGE)
    }

    /// True if it may create schemas.
    pub fn may_create_schemas(&self) -> bool {
        self.may_in_database(Privileges::CREATE)
    }

    /// True if it may do that in the database.
    pub fn may_in_database(&self, privilege: Privileges) -> bool {
        self.superuser || self.on(&Object::Database, Object::Database.privileges(None)).privileges.has(privilege)
    }

    /// True if it may do that in a schema.
    fn may_in(&self, namespace: &Namespace, privilege: Privileges) -> bool {
        let object = Object::Schema(namespace.name.clone());
        self.has_role(namespace.owner) || self.on(&object, object.privileges(None)).privileges.has(privilege)
    }

    /// What it holds on an object that it does not own, of which `all` may be granted.
    fn on(&self, object: &Object, all: Privileges) -> Granted {
        self.roles.held_by(object, &self.inherits, all)
    }
}

/// 42501, as PostgreSQL words it.
pub(super) fn denied(kind: &str, name: &str) -> Error {
    Error::new(code::INSUFFICIENT_PRIVILEGE, format!("permission denied for {kind} {name}"))
}

/// 42501 with a message of its own.
pub(super) fn denied_text(message: &str) -> Error {
    Error::new(code::INSUFFICIENT_PRIVILEGE, message)
}

/// 42501: only its owner may do that to a relation.
pub(super) fn must_be_owner(relation: &Relation) -> Error {
    Error::new(code::INSUFFICIENT_PRIVILEGE, format!("must be owner of {} {}", relation.kind.word(), relation.name))
}

impl Session {
    /// The current role.
    pub(super) fn role(&self) -> RoleId {
        self.identity.current
    }

    /// Takes note of what has become of the roles. Cost, where nothing has: the comparison of two pointers.
    pub(super) fn refresh(&mut self) {
        let current = match self.transaction.as_ref().and_then(|t| t.definitions.as_ref()) {
            Some(own) => own.catalog.clone(),
            None => self.engine.catalog.load().clone(),
        };
        if !Arc::ptr_eq(current.roles(), &self.authority.roles) || self.authority.role != self.identity.current {
            self.authority = Authority::of(current.roles(), self.identity.current);
        }
    }

    /// While it is set, the session does something of the server's own, such as to check a constraint, which nobody is asked about. If that
    /// is given up half way, the next statement's [`Session::refresh`] takes the rights away.
    pub(super) fn set_unasked(&mut self, unasked: bool) {
        let role = if unasked { BOOTSTRAP } else { self.identity.current };
        self.authority = Authority::of(&self.authority.roles, role);
    }

    /// Errors: 42501 unless the current role may do that with the whole relation.
    pub(super) fn may(&self, privilege: Privileges, relation: &Relation) -> Result<()> {
        self.may_if(|authority| authority.may(privilege, relation), privilege, relation)
    }

    /// Errors: 42501 unless the current role may do that with these columns of the relation; where there are none, with any one.
    pub(super) fn may_on(&self, privilege: Privileges, relation: &Relation, columns: impl IntoIterator<Item = usize>) -> Result<()> {
        self.may_if(|authority| authority.may_on(privilege, relation, columns), privilege, relation)
    }

    fn may_if(&self, holds: impl FnOnce(&Authority) -> bool, privilege: Privileges, relation: &Relation) -> Result<()> {
        if self.authority.superuser {
            return Ok(());
        }
        self.may_in_schema(relation.namespace, Privileges::USAGE)?;
        if holds(&self.authority) { Ok(()) } else { Err(self.denied(privilege, relation, self.role())) }
    }

    fn denied(&self, privilege: Privileges, relation: &Relation, role: RoleId) -> Error {
        let name = self.identity.name(&self.authority.roles, role);
        denied(relation.kind.word(), &relation.name)
            .hint(format!("Its owner or a superuser can let it: GRANT {privilege} ON {} TO {name};", relation.name))
    }

    /// The same of another role, as which something is done, or of the current one.
    pub(super) fn may_as(
        &self,
        role: RoleId,
        privilege: Privileges,
        relation: &Relation,
        columns: impl IntoIterator<Item = usize>,
    ) -> Result<()> {
        if role == self.authority.role {
            return self.may_on(privilege, relation, columns);
        }
        let may = Authority::of(&self.authority.roles, role).may_on(privilege, relation, columns);
        if may { Ok(()) } else { Err(self.denied(privilege, relation, role)) }
    }

    /// Errors: 42501 unless all of this may be read, what a view names with the rights of the view's owner.
    pub(super) fn may_read(&self, reads: &[Read]) -> Result<()> {
        for read in reads {
            match read.as_owner {
                None => self.may_on(Privileges::SELECT, &read.relation, read.columns.iter().copied())?,
                Some(owner) if owner == read.relation.owner => {}
                Some(owner) => {
                    let authority = Authority::of(&self.authority.roles, owner);
                    if !authority.may_on(Privileges::SELECT, &read.relation, read.columns.iter().copied()) {
                        return Err(self.denied(Privileges::SELECT, &read.relation, owner));
                    }
                }
            }
        }
        Ok(())
    }

    /// Errors: 42501 unless the current role owns the relation.
    pub(super) fn must_own(&self, relation: &Relation) -> Result<()> {
        if self.authority.has_role(relation.owner) { Ok(()) } else { Err(must_be_owner(relation)) }
    }

    /// As [`Session::must_own`], of the relation of that name among those of ksqlDB's dialect, if there is one.
    pub(super) fn must_own_public(&self, name: &str) -> Result<()> {
        self.catalog().find_public(name).map_or(Ok(()), |relation| self.must_own(relation))
    }

    /// Errors: 42501 unless the current role owns the sequence.
    pub(super) fn must_own_sequence(&self, sequence: &Sequence) -> Result<()> {
        if self.authority.has_role(self.catalog().sequence_owner(sequence)) {
            return Ok(());
        }
        Err(denied_text(&format!("must be owner of sequence {}", sequence.name)))
    }

    /// Errors: 42501 unless the current role may create relations in that schema.
    pub(super) fn may_create_in(&self, namespace: NamespaceId) -> Result<()> {
        self.may_in_schema(namespace, Privileges::CREATE)
    }

    fn may_in_schema(&self, namespace: NamespaceId, privilege: Privileges) -> Result<()> {
        if self.authority.superuser || namespace == TEMPORARY_NAMESPACE {
            return Ok(());
        }
        let catalog = self.catalog();
        let schema = catalog.namespace(namespace);
        if schema.is_some_and(|schema| self.authority.may_in(schema, privilege)) {
            return Ok(());
        }
        let (schema, name) = (catalog.namespace_name(namespace), self.identity.name(&self.authority.roles, self.role()));
        Err(denied("schema", schema).hint(format!("Its owner or a superuser can let it: GRANT {privilege} ON SCHEMA {schema} TO {name};")))
    }

    /// Errors: 42501 for a function that the current role may not call, and for one of a schema that it may not look into.
    pub(super) fn may_call(&self, function: &Function) -> Result<()> {
        self.may_in_schema(function.namespace, Privileges::USAGE)?;
        if self.authority.may_call(function) {
            return Ok(());
        }
        let (signature, name) = (self.catalog().signature(function), self.identity.name(&self.authority.roles, self.role()));
        let kind = function.kind().word();
        Err(denied(kind, &function.name)
            .hint(format!("Its owner or a superuser can let it: GRANT EXECUTE ON {} {signature} TO {name};", kind.to_uppercase())))
    }

    /// Errors: 42501 unless the current role owns the schema.
    pub(super) fn must_own_schema(&self, namespace: &Namespace) -> Result<()> {
        if self.authority.has_role(namespace.owner) {
            return Ok(());
        }
        Err(denied_text(&format!("must be owner of schema {}", namespace.name)))
    }

    /// Errors: 42501 unless the current role owns the type.
    pub(super) fn must_own_type(&self, ty: &UserType) -> Result<()> {
        if self.authority.has_role(ty.owner) { Ok(()) } else { Err(denied_text(&format!("must be owner of type {}", ty.name))) }
    }

    /// Errors: 42501 unless the current role may CHECKPOINT.
    pub(super) fn may_checkpoint(&self) -> Result<()> {
        if self.authority.has_role(CHECKPOINT) {
            return Ok(());
        }
        Err(denied_text("must be superuser or have privileges of pg_checkpoint to do CHECKPOINT"))
    }

    /// Errors: 42501 unless the current role may lock rows of the relation: it takes UPDATE on it or on one of its columns.
    pub(super) fn may_lock_rows(&self, relation: &Relation) -> Result<()> {
        self.may_on(Privileges::UPDATE, relation, [])
    }

    /// Errors: 42501 unless the current role may lock the relation so. Who only reads may keep it from being defined otherwise, who changes
    /// rows may lock it as that does; to hold others up takes a privilege to change what is there, for a stream to add to it.
    pub(super) fn may_lock(&self, relation: &Relation, mode: TableMode) -> Result<()> {
        let writes =
            Privileges::on_relation(relation.kind).within(Privileges::OF_CHANGES).without(Privileges::REFERENCES.and(Privileges::TRIGGER));
        let wanted = match mode {
            TableMode::AccessShare => Privileges::SELECT,
            TableMode::RowExclusive => writes,
            _ if writes.has(Privileges::UPDATE) => writes.without(Privileges::INSERT),
            _ => writes,
        };
        if wanted.each().any(|(privilege, _)| self.may(privilege, relation).is_ok()) {
            return Ok(());
        }
        Err(denied(relation.kind.word(), &relation.name).hint(format!("It takes one of: {wanted}.")))
    }
}
