//! CREATE, ALTER and DROP ROLE, and membership.
//!
//! A statement is checked against the catalog, becomes [`RoleChange`]s, and these one event of `_catalog`, at COMMIT if there is a BEGIN.
//!
//! Nobody locks himself out: while a role has a password, some superuser can log in with one. So the first role with a password has to
//! be such a superuser, and the last one cannot be taken away. Whoever has forgotten it has the directory: `everfold run` opens it
//! without asking for a password.

use super::grants::{self, sequences_of};
use super::privileges::denied_text;
use super::session::{Response, Session};
use crate::catalog::{BOOTSTRAP, Change, FunctionId, Membership, Object, PUBLIC, RelationId, Role, RoleChange, RoleId, Roles, told};
use crate::data::decode::parse_text;
use crate::data::verifier::{random, sha256};
use crate::data::{PgType, Secret, Verifier};
use crate::error::{Error, Result, code};
use crate::limits;
use crate::log::segment::hex;
use crate::sql::roles::{RoleName, RoleOptions, RoleStatement, SettingOf};
use datafusion::common::ScalarValue;

/// Bytes of the key from which salts of unknown users are made.
const MOCK_KEY_BYTES: usize = 32;
/// What to do to have passwords at all.
const FIRST_HINT: &str = "CREATE ROLE admin LOGIN SUPERUSER PASSWORD '..'; from then on every connection needs a role and its password.";

impl Session {
    /// Runs a statement about roles.
    pub(super) async fn run_roles(&mut self, statement: &RoleStatement) -> Result<Response> {
        if !matches!(statement, RoleStatement::SetRole { .. } | RoleStatement::SetSession { .. }) {
            // The names of roles and relations must mean the same until the change is made.
            self.define().await?;
        }
        self.refresh();
        let tag = match statement {
            RoleStatement::Create { name, options, in_roles, members, admins } => {
                self.create_role(name, options, in_roles, members, admins).await?;
                "CREATE ROLE"
            }
            RoleStatement::Alter { role, options } => {
                self.alter_role(role, options).await?;
                "ALTER ROLE"
            }
            RoleStatement::Setting { of, change } => {
                self.change_settings_of(of, change)?;
                if *of == SettingOf::Database { "ALTER DATABASE" } else { "ALTER ROLE" }
            }
            RoleStatement::Rename { from, to } => {
                self.rename_role(from, to).await?;
                "ALTER ROLE"
            }
            RoleStatement::Drop { names, if_exists } => {
                self.drop_roles(names, *if_exists).await?;
                "DROP ROLE"
            }
            RoleStatement::Join { roles, members, admin, by } => {
                self.join(roles, members, *admin, by.as_ref()).await?;
                "GRANT ROLE"
            }
            RoleStatement::Leave { roles, members, admin_only, by } => {
                self.leave(roles, members, *admin_only, by.as_ref()).await?;
                "REVOKE ROLE"
            }
            RoleStatement::Grant { privileges, on, to, option, by } => {
                self.is_grantor(by.as_ref())?;
                grants::grant(self, privileges, on, to, *option).await?;
                "GRANT"
            }
            RoleStatement::Revoke { privileges, on, from, option_only, cascade, by } => {
                self.is_grantor(by.as_ref())?;
                grants::revoke(self, privileges, on, from, *option_only, *cascade).await?;
                "REVOKE"
            }
            RoleStatement::Defaults(new) => {
                self.alter_defaults(new)?;
                "ALTER DEFAULT PRIVILEGES"
            }
            RoleStatement::SetRole { name, local, reset } => {
                self.set("role", Some(name.as_deref().unwrap_or("none")), *local)?;
                if *reset { "RESET" } else { "SET" }
            }
            RoleStatement::SetSession { name, local, reset } => {
                self.set("session_authorization", name.as_deref(), *local)?;
                if *reset { "RESET" } else { "SET" }
            }
            RoleStatement::Own { kind, name, if_exists, owner } => {
                self.give(*kind, name, *if_exists, owner).await?;
                let word = kind.map_or("SEQUENCE".to_string(), |kind| kind.word().to_uppercase());
                return Ok(Response::Done(format!("ALTER {word}")));
            }
            RoleStatement::Reassign { from, to } => {
                self.reassign(from, to).await?;
                "REASSIGN OWNED"
            }
            RoleStatement::DropOwned { roles, cascade } => {
                self.drop_owned(roles, *cascade).await?;
                "DROP OWNED"
            }
        };
        Ok(Response::Done(tag.into()))
    }

    /// Adds a change to the transaction; from now on the session's rights are those after it.
    pub(super) fn stage_rights(&mut self, change: Change) -> Result<()> {
        self.stage(change, vec![])?;
        self.refresh();
        Ok(())
    }

    /// Makes changes of roles and grants. Errors: 55000 where nobody could mend them afterwards, 53400.
    pub(super) fn change_roles(&mut self, mut changes: Vec<RoleChange>) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let before = self.catalog();
        let after = before.apply(&Change::Roles(changes.clone()))?;
        let (was, roles) = (before.roles(), after.roles());
        if roles.all().count() > limits::ROLES_MAX || roles.grants_len() > limits::GRANTS_MAX {
            let message = format!("at most {} roles and {} grants are kept", limits::ROLES_MAX, limits::GRANTS_MAX);
            return Err(Error::new(code::CONFIGURATION_LIMIT_EXCEEDED, message).hint("Grant to groups, and put roles into these."));
        }
        if roles.is_closed() && !roles.has_key_holder() {
            return Err(if was.is_closed() { last_one() } else { first_one() });
        }
        if was.is_closed() && !roles.is_closed() {
            return Err(last_one());
        }
        let first = roles.is_closed() && !was.is_closed();
        if first && was.mock_key.is_empty() {
            changes.push(RoleChange::MockKey(hex(&sha256(&random(MOCK_KEY_BYTES)?))));
        }
        self.stage_rights(Change::Roles(changes))?;
        if first {
            let notice = Error::new(code::SUCCESS, "from now on every connection needs a role and its password")
                .hint("If the password gets lost: stop the server, and ALTER ROLE .. PASSWORD with everfold run on its directory.");
            self.notice("NOTICE", notice);
        }
        Ok(())
    }

    fn roles(&self) -> std::sync::Arc<Roles> {
        self.authority.roles.clone()
    }

    /// The role that a statement means. Errors: 42704; for PUBLIC too, which is no role.
    pub(super) fn role_id(&self, name: &RoleName) -> Result<RoleId> {
        match name {
            RoleName::Named(name) if self.identity.alias.as_deref() == Some(name) && self.authority.roles.find(name).is_none() => {
                Ok(BOOTSTRAP)
            }
            RoleName::Named(name) => Ok(self.authority.roles.get(name)?.id),
            RoleName::Current => Ok(self.identity.current),
            RoleName::Session => Ok(self.identity.session),
            RoleName::Public => Err(Error::new(code::UNDEFINED_OBJECT, "role \"public\" does not exist")),
        }
    }

    fn role_named(&self, name: &str) -> Result<RoleId> {
        self.role_id(&RoleName::Named(name.to_string()))
    }

    /// True if the session's role may make and change roles.
    pub(super) fn may_make_roles(&self) -> bool {
        self.authority.superuser || self.authority.roles.by_id(self.role()).is_some_and(|r| r.create_role)
    }

    /// Errors: 42501 unless the current role may comment on this one.
    pub(super) fn may_describe(&self, role: RoleId) -> Result<()> {
        if self.authority.superuser {
            return Ok(());
        }
        if self.authority.roles.is_superuser(role) {
            return Err(denied_text("must be superuser"));
        }
        if self.may_make_roles() { Ok(()) } else { Err(denied_text("must have CREATEROLE privilege")) }
    }

    async fn create_role(
        &mut self,
        name: &str,
        options: &RoleOptions,
        in_roles: &[RoleName],
        members: &[RoleName],
        admins: &[RoleName],
    ) -> Result<()> {
        let roles = self.roles();
        if options.superuser == Some(true) && !self.authority.superuser {
            return Err(denied_text("must be superuser to create superusers"));
        }
        if options.bypass_rls == Some(true) && !self.authority.superuser {
            return Err(denied_text("must be superuser to create bypassrls users"));
        }
        if !self.may_make_roles() {
            return Err(denied_text("permission denied to create role"));
        }
        check_new_name(&roles, name)?;
        let mut role = Role::new(roles.next_id(), name);
        self.set_options(&mut role, options)?;
        let id = role.id;
        let join = |role, member, admin| RoleChange::Join(Membership { role, member, admin, grantor: self.role() });
        let mut changes = vec![RoleChange::Put(role)];
        for group in in_roles {
            let group = self.role_id(group)?;
            self.may_admit(group)?;
            changes.push(join(group, id, false));
        }
        for (member, admin) in members.iter().map(|m| (m, false)).chain(admins.iter().map(|m| (m, true))) {
            let member = self.role_id(member)?;
            let groups = in_roles.iter().map(|group| self.role_id(group)).collect::<Result<Vec<_>>>()?;
            if groups.into_iter().any(|group| roles.member_of(group).contains(&member)) {
                let message = format!("role \"{name}\" is a member of role \"{}\"", roles.name(member));
                return Err(Error::new(code::INVALID_GRANT_OPERATION, message));
            }
            changes.push(join(id, member, admin));
        }
        self.change_roles(changes)
    }

    async fn alter_role(&mut self, role: &RoleName, options: &RoleOptions) -> Result<()> {
        let roles = self.roles();
        let id = self.role_id(role)?;
        let Some(old) = roles.by_id(id) else { return Err(Error::internal("a role without a definition")) };
        if old.is_predefined() && id != BOOTSTRAP {
            return Err(Error::new(code::RESERVED_NAME, format!("role name \"{}\" is reserved", old.name)));
        }
        if (old.superuser || options.superuser.is_some()) && !self.authority.superuser {
            return Err(denied_text("must be superuser to alter superuser roles or change superuser attribute"));
        }
        if options.bypass_rls.is_some() && !self.authority.superuser {
            return Err(denied_text("must be superuser to change bypassrls attribute"));
        }
        let own_password = RoleOptions { password: options.password.clone(), ..RoleOptions::default() };
        if !(self.may_make_roles() || id == self.role() && *options == own_password) {
            return Err(denied_text("permission denied"));
        }
        if id == BOOTSTRAP && (options.superuser == Some(false) || options.login == Some(false)) {
            return Err(Error::new(code::DEPENDENT_OBJECTS_STILL_EXIST, format!("role {} is required by the database system", old.name)));
        }
        let mut role = old.as_ref().clone();
        self.set_options(&mut role, options)?;
        self.change_roles(vec![RoleChange::Put(role)])
    }

    fn set_options(&mut self, role: &mut Role, options: &RoleOptions) -> Result<()> {
        let flags = [
            (&mut role.superuser, options.superuser),
            (&mut role.inherit, options.inherit),
            (&mut role.create_role, options.create_role),
            (&mut role.create_db, options.create_db),
            (&mut role.login, options.login),
            (&mut role.bypass_rls, options.bypass_rls),
        ];
        flags.into_iter().for_each(|(flag, wanted)| *flag = wanted.unwrap_or(*flag));
        role.connection_limit = options.connection_limit.unwrap_or(role.connection_limit);
        if let Some(text) = &options.valid_until {
            role.valid_until_us = valid_until(text)?;
        }
        match &options.password {
            None => {}
            Some(Some(Secret(text))) if text.is_empty() => {
                self.notice("NOTICE", Error::new(code::SUCCESS, "empty string is not a valid password, clearing password"));
                role.password = None;
            }
            Some(Some(secret)) => role.password = Some(verifier(secret)?),
            Some(None) => role.password = None,
        }
        Ok(())
    }

    async fn rename_role(&mut self, from: &str, to: &str) -> Result<()> {
        let roles = self.roles();
        let old = roles.get(from)?;
        if old.is_predefined() {
            return Err(Error::new(code::RESERVED_NAME, format!("role name \"{from}\" is reserved")));
        }
        if old.id == self.identity.session || old.id == self.identity.current {
            return Err(Error::unsupported("session user cannot be renamed").hint("Let another superuser do it."));
        }
        if !self.may_make_roles() || old.superuser && !self.authority.superuser {
            return Err(denied_text("permission denied to rename role"));
        }
        check_new_name(&roles, to)?;
        self.change_roles(vec![RoleChange::Put(Role { name: to.to_string(), ..old.as_ref().clone() })])
    }

    async fn drop_roles(&mut self, names: &[String], if_exists: bool) -> Result<()> {
        let roles = self.roles();
        if !self.may_make_roles() {
            return Err(denied_text("permission denied to drop role"));
        }
        let mut changes = Vec::new();
        for name in names {
            let role = match roles.find(name) {
                None if if_exists => {
                    self.notice("NOTICE", Error::new(code::SUCCESS, format!("role \"{name}\" does not exist, skipping")));
                    continue;
                }
                found => found.cloned().map_or_else(|| roles.get(name).cloned(), Ok)?,
            };
            let in_use = |message: &str| Err(Error::new(code::OBJECT_IN_USE, message));
            if role.id == self.identity.current {
                return in_use("current user cannot be dropped");
            }
            if role.id == self.identity.session || role.id == self.identity.login {
                return in_use("session user cannot be dropped");
            }
            if role.superuser && !self.authority.superuser {
                return Err(denied_text("must be superuser to drop superusers"));
            }
            if role.is_predefined() {
                let message = format!("cannot drop role {name} because it is required by the database system");
                return Err(Error::new(code::DEPENDENT_OBJECTS_STILL_EXIST, message));
            }
            self.refuse_dependents(&role)?;
            changes.push(RoleChange::Drop(role.id));
        }
        self.change_roles(changes)
    }

    /// Errors: 2BP01 if the role owns something, or something was granted to it or by it.
    fn refuse_dependents(&self, role: &Role) -> Result<()> {
        let catalog = self.catalog();
        let owned = catalog.relations().filter(|r| r.owner == role.id).map(|r| format!("owner of {}", told(&catalog, r)));
        let schemas = catalog.namespaces().filter(|n| n.owner == role.id).map(|n| format!("owner of schema {}", n.name));
        let relation = |id: &RelationId| catalog.by_id(*id).map_or(format!("relation {id}"), |r| told(&catalog, r));
        // That everybody may call a function goes with it.
        let of_own = |id: &FunctionId| catalog.function(*id).is_some_and(|function| function.owner == role.id);
        let told_already = |object: &&Object| matches!(object, Object::Function(id) if of_own(id));
        let granted = catalog.roles().mentioned_in(role.id).filter(|object| !told_already(object)).map(|object| match object {
            Object::Relation(id) => format!("privileges for {}", relation(id)),
            Object::Column(id, column) => format!("privileges for column {column} of {}", relation(id)),
            Object::Sequence(id) => {
                format!("privileges for sequence {}", catalog.sequences.get(*id).map_or(id.to_string(), |s| s.name.clone()))
            }
            Object::Function(id) => {
                format!("privileges for function {}", catalog.function(*id).map_or(id.to_string(), |f| catalog.signature(f)))
            }
            Object::Schema(name) => format!("privileges for schema {name}"),
            Object::Database => format!("privileges for database {}", self.context.database()),
        });
        let policies = catalog.policies().filter(|(_, policy)| policy.roles.contains(&role.id));
        let policies = policies.map(|(table, policy)| format!("target of policy {} on {}", policy.name, told(&catalog, table)));
        let sequences = sequences_of(&catalog, &[role.id].into()).into_iter().map(|sequence| format!("owner of {sequence}"));
        let types = catalog.user_types().filter(|t| t.owner == role.id).map(|t| format!("owner of type {}", t.name));
        let functions = catalog.functions().filter(|f| f.owner == role.id).map(|f| format!("owner of function {}", catalog.signature(f)));
        let mut all: Vec<String> = owned
            .chain(sequences)
            .chain(types)
            .chain(functions)
            .chain(schemas)
            .chain(granted)
            .chain(policies)
            .chain(self.defaults_of(role.id))
            .collect();
        all.dedup();
        if all.is_empty() {
            return Ok(());
        }
        let message = format!("role \"{}\" cannot be dropped because some objects depend on it", role.name);
        Err(Error::new(code::DEPENDENT_OBJECTS_STILL_EXIST, message)
            .detail(all.join("\n"))
            .hint(format!("REASSIGN OWNED BY {0} TO ..; DROP OWNED BY {0}; then drop it.", role.name)))
    }

    // Membership -------------------------------------------------------------------------------------------------------------

    /// Errors: 42501 unless the current role may let others into this one, or put them out.
    fn may_admit(&self, role: RoleId) -> Result<()> {
        let roles = &self.authority.roles;
        if self.authority.superuser {
            return Ok(());
        }
        if roles.is_superuser(role) {
            return Err(denied_text("must be superuser to alter superusers"));
        }
        let admin = roles.member_of(self.role()).iter().any(|own| roles.membership(role, *own).is_some_and(|m| m.admin));
        if self.may_make_roles() || admin {
            return Ok(());
        }
        Err(denied_text(&format!("must have admin option on role \"{}\"", roles.name(role))))
    }

    /// The role that GRANTED BY names for a membership, or else the current one. Errors: 42501 for another one, but to superusers.
    fn imputed(&self, by: Option<&RoleName>) -> Result<RoleId> {
        let grantor = by.map_or(Ok(self.role()), |name| self.role_id(name))?;
        if grantor == self.role() || self.authority.superuser { Ok(grantor) } else { Err(denied_text("must be superuser to set grantor")) }
    }

    /// Errors: 0A000 where GRANTED BY names another role than the current one, for privileges.
    fn is_grantor(&self, by: Option<&RoleName>) -> Result<()> {
        match by {
            Some(name) if self.role_id(name)? != self.role() => {
                Err(Error::unsupported("grantor must be current user").hint("SET ROLE first: the current role is the grantor."))
            }
            _ => Ok(()),
        }
    }

    async fn join(&mut self, groups: &[String], members: &[RoleName], admin: bool, by: Option<&RoleName>) -> Result<()> {
        let roles = self.roles();
        let mut changes = Vec::new();
        for group in groups {
            let role = self.role_named(group)?;
            self.may_admit(role)?;
            let grantor = self.imputed(by)?;
            for name in members {
                let member = self.role_id(name)?;
                let member_name = roles.name(member);
                if roles.member_of(role).contains(&member) {
                    let message = format!("role \"{group}\" is a member of role \"{member_name}\"");
                    return Err(Error::new(code::INVALID_GRANT_OPERATION, message));
                }
                if roles.membership(role, member).is_some_and(|m| m.admin || !admin) {
                    let message = format!("role \"{member_name}\" is already a member of role \"{group}\"");
                    self.notice("NOTICE", Error::new(code::SUCCESS, message));
                    continue;
                }
                changes.push(RoleChange::Join(Membership { role, member, admin, grantor }));
            }
        }
        self.change_roles(changes)
    }

    async fn leave(&mut self, groups: &[String], members: &[RoleName], admin_only: bool, by: Option<&RoleName>) -> Result<()> {
        let roles = self.roles();
        let mut changes = Vec::new();
        for group in groups {
            let role = self.role_named(group)?;
            self.may_admit(role)?;
            self.imputed(by)?;
            for name in members {
                let member = self.role_id(name)?;
                match roles.membership(role, member) {
                    None => {
                        let message = format!("role \"{}\" is not a member of role \"{group}\"", roles.name(member));
                        self.notice("WARNING", Error::new(code::WARNING, message));
                    }
                    Some(membership) if admin_only => changes.push(RoleChange::Join(Membership { admin: false, ..membership.clone() })),
                    Some(_) => changes.push(RoleChange::Leave { role, member }),
                }
            }
        }
        self.change_roles(changes)
    }
}

/// What is kept of a password. Errors: 0A000 for an MD5 hash.
fn verifier(Secret(text): &Secret) -> Result<Verifier> {
    if let Some(ready) = Verifier::parse(text) {
        return Ok(ready);
    }
    if text.len() == 35 && text.starts_with("md5") && text[3..].bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(Error::unsupported("MD5 passwords are not supported").hint("Give the password itself, or a SCRAM-SHA-256 verifier."));
    }
    Verifier::new(text)
}

/// A time in microseconds since 1970, `None` for infinity.
fn valid_until(text: &str) -> Result<Option<i64>> {
    if text.trim().eq_ignore_ascii_case("infinity") {
        return Ok(None);
    }
    match parse_text(&PgType::Timestamptz, text)? {
        ScalarValue::TimestampMicrosecond(us, _) => Ok(us),
        other => Err(Error::internal(format!("a timestamp is not {other}"))),
    }
}

fn check_new_name(roles: &Roles, name: &str) -> Result<()> {
    if name.starts_with("pg_") {
        let message = format!("role name \"{name}\" is reserved");
        return Err(Error::new(code::RESERVED_NAME, message).detail("Role names starting with \"pg_\" are reserved."));
    }
    match roles.find(name) {
        None => Ok(()),
        Some(role) => {
            let exists = Error::new(code::DUPLICATE_OBJECT, format!("role \"{name}\" already exists"));
            Err(if role.id == BOOTSTRAP { exists.hint(format!("It is always there: ALTER ROLE {name} PASSWORD '..';")) } else { exists })
        }
    }
}

fn first_one() -> Error {
    let message = "the first role with a password has to be a superuser that may log in";
    Error::new(code::OBJECT_NOT_IN_PREREQUISITE_STATE, message)
        .detail("Passwords are asked for as soon as a role has one; without such a superuser nobody could manage the roles any more.")
        .hint(FIRST_HINT)
}

fn last_one() -> Error {
    let message = "the last superuser that can log in with a password cannot be taken away";
    Error::new(code::OBJECT_NOT_IN_PREREQUISITE_STATE, message)
        .detail("Nobody could manage the roles any more.")
        .hint("Make another one first: CREATE ROLE name LOGIN SUPERUSER PASSWORD '..'.")
}

/// The role that GRANT and REVOKE mean; everybody too.
pub(super) fn grantee(session: &Session, name: &RoleName) -> Result<RoleId> {
    if *name == RoleName::Public { Ok(PUBLIC) } else { session.role_id(name) }
}
