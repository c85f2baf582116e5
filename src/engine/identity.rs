//! Who may come in, and who a session is: admission, SET ROLE, SET SESSION AUTHORIZATION.

use std::sync::Arc;

use super::database::Engine;
use super::lookup::Lookup;
use super::privileges::{Authority, Identity, denied, denied_text};
use super::session::Session;
use crate::catalog::{Object, Privileges, Role, RoleId, Roles};
use crate::error::{Error, Result, code};

/// What is known of a user who wants in.
pub struct Candidate {
    /// True while no role has a password: then everybody on this machine is let in.
    pub open: bool,
    /// The role, if there is one of that name.
    pub role: Option<Arc<Role>>,
    /// The names of the roles that it is a member of, itself included.
    pub groups: Vec<String>,
    /// From what salts for users without a password are made.
    pub mock_key: String,
    /// False if its password was good until some time past.
    pub in_time: bool,
}

impl Default for Candidate {
    /// What is known of everybody where there are no roles.
    fn default() -> Self {
        Candidate { open: true, role: None, groups: vec![], mock_key: String::new(), in_time: true }
    }
}

impl Engine {
    /// What is known of a user of that name.
    pub fn candidate(&self, user: &str) -> Candidate {
        let catalog = self.catalog();
        let roles = catalog.roles();
        let role = roles.find(user).cloned();
        let groups = role.iter().flat_map(|r| roles.member_of(r.id)).map(|id| roles.name(id)).collect();
        let in_time = role.as_ref().and_then(|r| r.valid_until_us).is_none_or(|end| self.clock.now_us() < end);
        Candidate { open: !roles.is_closed(), role, groups, mock_key: roles.mock_key.clone(), in_time }
    }

    /// True once a role has a password.
    pub fn asks_for_passwords(&self) -> bool {
        self.catalog().roles().is_closed()
    }

    /// Who a user is that has been let in, because it has `shown` to be the one or because nobody has to. Errors: 28000, 42501, 53300.
    pub(super) fn admitted(&self, user: &str, database: &str, shown: bool) -> Result<Identity> {
        let catalog = self.catalog();
        let roles = catalog.roles();
        let refused = |message: String| Err(Error::new(code::INVALID_AUTHORIZATION, message));
        let Some(role) = roles.find(user) else {
            // Who was asked is somebody, and not the first superuser under whatever name.
            if !roles.is_closed() && !shown {
                return Ok(Identity::bootstrap(user));
            }
            return refused(format!("role \"{user}\" does not exist"));
        };
        if !role.login {
            return refused(format!("role \"{user}\" is not permitted to log in"));
        }
        if !roles
            .on(role.id, &Object::Database, crate::catalog::BOOTSTRAP, Object::Database.privileges(None))
            .privileges
            .has(Privileges::CONNECT)
        {
            return Err(denied("database", &format!("\"{database}\"")).detail("User does not have CONNECT privilege."));
        }
        let sessions = || self.sessions.lock().values().filter(|s| s.role == role.id).count();
        if role.connection_limit >= 0 && !role.superuser && sessions() >= role.connection_limit as usize {
            return Err(Error::new(code::TOO_MANY_CONNECTIONS, format!("too many connections for role \"{user}\"")));
        }
        Ok(Identity::of(role.id))
    }
}

impl Session {
    /// False if a look-up must not be answered at once, but refused in the general way.
    pub(super) fn may_look_up(&self, lookup: &Lookup) -> bool {
        let is_itself = self.caller.is_none();
        is_itself && !self.is_pinned() && (self.authority.superuser || self.may_run_lookup(lookup).is_ok())
    }

    /// Errors: 42501.
    pub(super) fn may_run_lookup(&self, lookup: &Lookup) -> Result<()> {
        let catalog = self.catalog();
        // Its owner may be another one than when it was prepared.
        let now = catalog.by_id(lookup.relation().id).map_or(lookup.relation(), |now| now.as_ref());
        self.may_on(Privileges::SELECT, now, lookup.reads())
    }

    /// Sets `role` or `session_authorization`; `None` is back to how the session began.
    pub(super) fn become_role(&mut self, setting: &str, name: Option<&str>) -> Result<()> {
        let catalog = self.catalog();
        let roles = catalog.roles();
        let id = permitted(&self.identity, roles, setting, name)?;
        if self.caller.is_some() {
            return Err(fixed(setting));
        }
        if setting != "role" {
            self.identity.session = id;
        }
        self.take_role(id);
        Ok(())
    }

    /// Has the rights of a role from now on. Whether it may is asked before.
    pub(super) fn take_role(&mut self, id: RoleId) {
        self.identity.current = id;
        self.authority = Authority::of(self.catalog().roles(), id);
        self.context.set_identity(&self.identity);
        self.acts.set_identity(&self.identity, self.caller.is_some());
        if let Some(status) = self.engine.sessions.lock().get_mut(&self.process) {
            status.current_role = id;
        }
        self.show_identity();
    }

    /// Puts who the session is among its settings.
    pub(super) fn show_identity(&mut self) {
        let settings = self.identity.settings(&self.authority.roles);
        settings.into_iter().for_each(|(name, value)| self.settings.put(name, value));
    }
}

/// 42501: a function that runs as its owner cannot become somebody.
pub(super) fn fixed(setting: &str) -> Error {
    Error::new(code::INSUFFICIENT_PRIVILEGE, format!("cannot set parameter \"{setting}\" within security-definer function"))
}

/// The role that a session becomes by the setting `role` or `session_authorization`; `None` is back to how it began. Errors: 22023,
/// PostgreSQL's for the value of a setting, 42501.
pub(super) fn permitted(who: &Identity, roles: &Roles, setting: &str, name: Option<&str>) -> Result<RoleId> {
    let to_role = setting == "role";
    let id = match name.filter(|name| !(to_role && *name == "none")) {
        Some(name) => known(who, roles, name)?,
        None if to_role => who.session,
        None => who.login,
    };
    match to_role {
        true if !roles.is_superuser(who.session) && !roles.member_of(who.session).contains(&id) => {
            Err(denied_text(&format!("permission denied to set role \"{}\"", roles.name(id))))
        }
        false if id != who.login && !roles.is_superuser(who.login) => Err(denied_text("permission denied to set session authorization")),
        _ => Ok(id),
    }
}

/// The role of that name, the session's own included.
fn known(who: &Identity, roles: &Roles, name: &str) -> Result<RoleId> {
    match roles.find(name) {
        Some(role) => Ok(role.id),
        None if who.alias.as_deref() == Some(name) => Ok(who.login),
        None => {
            let mut error = roles.get(name).expect_err("it was not found");
            error.fields_mut().code = code::INVALID_PARAMETER_VALUE;
            Err(error)
        }
    }
}
