//! ALTER ROLE .. SET and ALTER DATABASE .. SET: what settings are when a session begins.
//!
//! They are kept with the roles. A session begins with those of everybody, then those of the role that logs in, then what the startup
//! message says; RESET goes back to that. SET ROLE changes none of them. One that is no longer good is left out with a warning, so that it
//! locks nobody out.

use super::privileges::denied_text;
use super::session::Session;
use super::settings::Settings;
use crate::catalog::{PUBLIC, RoleChange, RoleId};
use crate::error::{Error, Result, code};
use crate::sql::roles::{SettingChange, SettingOf};

impl Session {
    /// Errors: 42704, 22023 and 55P02 as of SET, 42501.
    pub(super) fn change_settings_of(&mut self, of: &SettingOf, change: &SettingChange) -> Result<()> {
        let role = match of {
            SettingOf::Role(name) => self.role_id(name)?,
            SettingOf::AllRoles | SettingOf::Database => PUBLIC,
        };
        self.may_set_for(role)?;
        let changes = match change {
            SettingChange::ResetAll => {
                let kept = self.authority.roles.settings_of(role).map(|(name, _)| name.to_string());
                kept.map(|name| RoleChange::Setting { role, name, value: None }).collect()
            }
            SettingChange::To { name, value: None } => vec![RoleChange::Setting { role, name: name.clone(), value: None }],
            SettingChange::To { name, value: Some(value) } => vec![setting(role, name, value)?],
            SettingChange::FromCurrent(name) => vec![setting(role, name, &self.settings.get(name)?)?],
        };
        self.change_roles(changes)
    }

    /// Whoever may alter a role may set its settings, and everybody his own. Errors: 42501.
    fn may_set_for(&self, role: RoleId) -> Result<()> {
        if self.authority.superuser || role == self.role() {
            return Ok(());
        }
        if role == PUBLIC || self.authority.roles.is_superuser(role) {
            return Err(denied_text("must be superuser to change the settings of everybody or of a superuser"));
        }
        if self.may_make_roles() { Ok(()) } else { Err(denied_text("permission denied")) }
    }

    /// Begins with the settings that everybody and the role that has logged in have.
    pub(super) fn start_with_settings_of_role(&mut self) {
        let roles = self.authority.roles.clone();
        for role in [PUBLIC, self.identity.login] {
            for (name, value) in roles.settings_of(role) {
                if let Err(e) = self.settings.start_with(name, value) {
                    self.notice("WARNING", e);
                }
            }
        }
    }
}

/// The change, if sessions may begin so.
fn setting(role: RoleId, name: &str, value: &str) -> Result<RoleChange> {
    if matches!(name, "role" | "session_authorization") || name.starts_with("transaction_") {
        let message = format!("parameter \"{name}\" cannot be set beforehand");
        return Err(Error::new(code::CANT_CHANGE_RUNTIME_PARAM, message).hint("SET it in the session."));
    }
    Settings::default().set(name, Some(value))?;
    Ok(RoleChange::Setting { role, name: name.to_string(), value: Some(value.to_string()) })
}
