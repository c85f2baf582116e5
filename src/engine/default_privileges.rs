//! ALTER DEFAULT PRIVILEGES: what relations and sequences that a role creates begin with. The catalog grants it as it takes them in.

use std::collections::BTreeSet;

use super::grants::invalid;
use super::roles::grantee;
use super::session::Session;
use crate::catalog::{NewObjects, PUBLIC, RoleChange, RoleId};
use crate::error::{Error, Result, code};
use crate::sql::roles::{DefaultsChange, NewDefaults};

impl Session {
    /// Errors: 42501 unless the current role is a member of those that create, 42704, 3F000, 0LP01.
    pub(super) fn alter_defaults(&mut self, new: &NewDefaults) -> Result<()> {
        let grantees = new.grantees.iter().map(|name| grantee(self, name)).collect::<Result<Vec<_>>>()?;
        if new.change == (DefaultsChange::Grant { option: true }) && grantees.contains(&PUBLIC) {
            return Err(Error::new(code::INVALID_GRANT_OPERATION, "grant options can only be granted to roles"));
        }
        let roles = self.authority.roles.clone();
        let mut changes = Vec::new();
        for on in self.new_objects(new)? {
            let privileges = new.privileges.unwrap_or(on.privileges());
            let foreign = privileges.without(on.privileges());
            if !foreign.is_none() {
                return Err(invalid(foreign, if on.sequences { "sequence" } else { "relation" }));
            }
            for grantee in grantees.iter().copied().filter(|grantee| *grantee != on.owner) {
                let old = roles.default_of(&on, grantee);
                let granted = match new.change {
                    DefaultsChange::Grant { option } => old.with(privileges, option),
                    DefaultsChange::Revoke { option_only } => old.without(privileges, option_only),
                };
                if granted != old {
                    changes.push(RoleChange::Default { on: on.clone(), grantee, granted });
                }
            }
        }
        self.change_roles(changes)
    }

    /// The objects that are meant.
    fn new_objects(&self, new: &NewDefaults) -> Result<Vec<NewObjects>> {
        let mut owners: Vec<RoleId> = new.owners.iter().map(|name| self.role_id(name)).collect::<Result<_>>()?;
        owners.iter().try_for_each(|owner| self.may_stand_in_for(*owner))?;
        if owners.is_empty() {
            owners.push(self.role());
        }
        let catalog = self.catalog();
        let mut schemas = new.schemas.iter().map(|name| Ok(Some(catalog.get_namespace(name)?.id))).collect::<Result<Vec<_>>>()?;
        if schemas.is_empty() {
            schemas.push(None);
        }
        let of = |owner: RoleId| schemas.iter().map(move |schema| NewObjects { owner, schema: *schema, sequences: new.sequences });
        Ok(owners.into_iter().flat_map(of).collect())
    }

    /// What the roles own and hold of such privileges, as messages tell it.
    pub(super) fn defaults_of(&self, role: RoleId) -> Vec<String> {
        let catalog = self.catalog();
        let told = |on: &NewObjects| {
            let (kind, owner) = (if on.sequences { "sequences" } else { "relations" }, self.authority.roles.name(on.owner));
            let place = on.schema.map_or(String::new(), |schema| format!(" in schema {}", catalog.namespace_name(schema)));
            format!("default privileges on new {kind} belonging to role {owner}{place}")
        };
        let theirs = catalog.roles().defaults().filter(|(on, grantee, _)| on.owner == role || *grantee == role);
        theirs
            .map(|(on, _, _)| if on.owner == role { format!("owner of {}", told(on)) } else { format!("privileges for {}", told(on)) })
            .collect()
    }

    /// What takes back all that is to be granted to roles, or by them.
    pub(super) fn without_defaults(&self, gone: &BTreeSet<RoleId>) -> Vec<RoleChange> {
        let catalog = self.catalog();
        let theirs = catalog.roles().defaults().filter(|(on, grantee, _)| gone.contains(&on.owner) || gone.contains(grantee));
        theirs.map(|(on, grantee, _)| RoleChange::Default { on: on.clone(), grantee, granted: Default::default() }).collect()
    }
}
