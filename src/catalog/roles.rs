//! Roles, memberships and grants: the part of the catalog that says who may do what.
//!
//! It is a fold like the rest: a statement becomes a list of [`RoleChange`]s, one event of `_catalog`. [`Roles`] is shared by all
//! catalogs between two such events, so that whoever has asked it something need only compare the pointer to know that the
//! answer still holds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::privileges::{Granted, NewObjects, Object, Privileges};
use super::{NamespaceId, Relation, RelationId};
use crate::data::Verifier;
use crate::error::{Error, Result, code, nearest};

/// Number of a role; its pg_authid oid too.
pub type RoleId = u32;
/// Who gets what everybody gets.
pub const PUBLIC: RoleId = 0;
/// The superuser that is always there, and owns what was made before there were other roles.
pub const BOOTSTRAP: RoleId = 10;
/// Its name.
pub const BOOTSTRAP_NAME: &str = "everfold";
/// Members may read every relation.
pub const READ_ALL_DATA: RoleId = 6_181;
/// Members may write to every relation.
pub const WRITE_ALL_DATA: RoleId = 6_182;
/// For who watches the server: a member of the next three.
pub const MONITOR: RoleId = 3_373;
/// Members may see all settings, also where the data is.
pub const READ_ALL_SETTINGS: RoleId = 3_374;
/// Members may run what watches tables with locks on them, of which there is nothing.
const STAT_SCAN_TABLES: RoleId = 3_377;
/// Members may see what other sessions do.
pub const READ_ALL_STATS: RoleId = 3_375;
/// The role whose members may stop what others do.
pub const SIGNAL_BACKEND: RoleId = 4_200;
/// Members may CHECKPOINT.
pub const CHECKPOINT: RoleId = 4_544;
/// The first id given to a role that was created.
const FIRST_ROLE: RoleId = 16_384;
/// The schema of all relations.
const PUBLIC_SCHEMA: &str = "public";

/// A role: a user, a group, or both.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Role {
    pub id: RoleId,
    pub name: String,
    pub superuser: bool,
    /// True if it has the privileges of the roles it is a member of without SET ROLE.
    pub inherit: bool,
    pub create_role: bool,
    pub create_db: bool,
    pub login: bool,
    /// True if policies of rows do not apply to it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub bypass_rls: bool,
    /// Sessions at one time; -1 for no limit.
    pub connection_limit: i32,
    /// What is kept of its password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Verifier>,
    /// When its password ends to be good, in microseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until_us: Option<i64>,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

impl Role {
    /// A role with PostgreSQL's defaults: it may nothing, and not log in.
    pub fn new(id: RoleId, name: &str) -> Role {
        Role {
            id,
            name: name.to_string(),
            superuser: false,
            inherit: true,
            create_role: false,
            create_db: false,
            login: false,
            bypass_rls: false,
            connection_limit: -1,
            password: None,
            valid_until_us: None,
        }
    }

    /// True if it was there from the beginning.
    pub fn is_predefined(&self) -> bool {
        self.id < FIRST_ROLE
    }

    /// True if it can let itself in by password and then mend everything.
    pub fn is_key_holder(&self) -> bool {
        self.superuser && self.login && self.password.is_some()
    }
}

/// That one role is a member of another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Membership {
    pub role: RoleId,
    pub member: RoleId,
    /// True if the member may let others in.
    pub admin: bool,
    pub grantor: RoleId,
}

/// One change of what roles there are and may do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum RoleChange {
    /// A new role, or another definition of the one of that id.
    Put(Role),
    Drop(RoleId),
    /// A new membership, or another definition of it.
    Join(Membership),
    Leave {
        role: RoleId,
        member: RoleId,
    },
    /// What `grantor` has granted `grantee` on the object from now on, nothing left out.
    Grant {
        object: Object,
        grantee: RoleId,
        grantor: RoleId,
        granted: Granted,
    },
    /// What is granted `grantee` on such objects when they are created, nothing left out.
    Default {
        on: NewObjects,
        grantee: RoleId,
        granted: Granted,
    },
    /// What a setting is in sessions of the role from their start; of everybody's for [`PUBLIC`]. `None` is what it is without.
    Setting {
        role: RoleId,
        name: String,
        value: Option<String>,
    },
    /// The key from which salts for users that do not exist are made, so that they look like any other's. In hexadecimal.
    MockKey(String),
}

/// All roles, as of one position.
#[derive(Clone, Debug)]
pub struct Roles {
    roles: BTreeMap<RoleId, Arc<Role>>,
    by_name: BTreeMap<String, RoleId>,
    /// By role and member.
    members: BTreeMap<(RoleId, RoleId), Membership>,
    /// By object, grantee and grantor.
    grants: BTreeMap<(Object, RoleId, RoleId), Granted>,
    /// What objects begin with, by them and grantee.
    defaults: BTreeMap<(NewObjects, RoleId), Granted>,
    /// By role, which [`PUBLIC`] is for everybody, and name.
    settings: BTreeMap<RoleId, BTreeMap<String, String>>,
    next: RoleId,
    /// See [`RoleChange::MockKey`].
    pub mock_key: String,
    /// True if a role has a password: then nobody is let in for nothing.
    closed: bool,
}

impl Default for Roles {
    fn default() -> Self {
        let mut roles = Roles {
            roles: BTreeMap::new(),
            by_name: BTreeMap::new(),
            members: BTreeMap::new(),
            grants: BTreeMap::new(),
            defaults: BTreeMap::new(),
            settings: BTreeMap::new(),
            next: FIRST_ROLE,
            mock_key: String::new(),
            closed: false,
        };
        let owner = Role { superuser: true, create_role: true, create_db: true, login: true, ..Role::new(BOOTSTRAP, BOOTSTRAP_NAME) };
        roles.put(owner);
        let predefined = [
            (READ_ALL_DATA, "pg_read_all_data"),
            (WRITE_ALL_DATA, "pg_write_all_data"),
            (MONITOR, "pg_monitor"),
            (READ_ALL_SETTINGS, "pg_read_all_settings"),
            (READ_ALL_STATS, "pg_read_all_stats"),
            (STAT_SCAN_TABLES, "pg_stat_scan_tables"),
            (SIGNAL_BACKEND, "pg_signal_backend"),
            (CHECKPOINT, "pg_checkpoint"),
        ];
        predefined.into_iter().for_each(|(id, name)| roles.put(Role::new(id, name)));
        for role in [READ_ALL_SETTINGS, READ_ALL_STATS, STAT_SCAN_TABLES] {
            roles.join(&Membership { role, member: MONITOR, admin: false, grantor: BOOTSTRAP });
        }
        let everybody =
            [(Object::Schema(PUBLIC_SCHEMA.into()), Privileges::USAGE), (Object::Database, Privileges::CONNECT.and(Privileges::TEMPORARY))];
        for (object, privileges) in everybody {
            roles.grants.insert((object, PUBLIC, BOOTSTRAP), Granted { privileges, options: Privileges::NONE });
        }
        roles
    }
}

impl Roles {
    fn put(&mut self, role: Role) {
        self.next = self.next.max(role.id + 1);
        if let Some(old) = self.roles.get(&role.id) {
            self.by_name.remove(&old.name);
        }
        self.by_name.insert(role.name.clone(), role.id);
        self.roles.insert(role.id, Arc::new(role));
    }

    fn join(&mut self, membership: &Membership) {
        self.members.insert((membership.role, membership.member), membership.clone());
    }

    /// Folds one more change.
    pub(super) fn apply(&mut self, change: &RoleChange) {
        match change {
            RoleChange::Put(role) => self.put(role.clone()),
            RoleChange::Drop(id) => {
                if let Some(gone) = self.roles.remove(id) {
                    self.by_name.remove(&gone.name);
                }
                self.members.retain(|(role, member), _| role != id && member != id);
                self.settings.remove(id);
            }
            RoleChange::Join(membership) => self.join(membership),
            RoleChange::Leave { role, member } => {
                self.members.remove(&(*role, *member));
            }
            RoleChange::Grant { object, grantee, grantor, granted } => {
                let key = (object.clone(), *grantee, *grantor);
                if granted.privileges.is_none() {
                    self.grants.remove(&key);
                } else {
                    self.grants.insert(key, *granted);
                }
            }
            RoleChange::Default { on, grantee, granted } => {
                let key = (on.clone(), *grantee);
                if granted.privileges.is_none() {
                    self.defaults.remove(&key);
                } else {
                    self.defaults.insert(key, *granted);
                }
            }
            RoleChange::Setting { role, name, value } => {
                let settings = self.settings.entry(*role).or_default();
                match value {
                    Some(value) => settings.insert(name.clone(), value.clone()),
                    None => settings.remove(name),
                };
                self.settings.retain(|_, settings| !settings.is_empty());
            }
            RoleChange::MockKey(key) => self.mock_key = key.clone(),
        }
        self.closed = self.roles.values().any(|role| role.password.is_some());
    }

    /// True if something is granted on the object.
    pub(super) fn mentions(&self, object: &Object) -> bool {
        self.grants_on(object).next().is_some()
    }

    /// The columns of a relation on which something is granted, each once.
    pub fn columns_granted(&self, id: RelationId) -> Vec<String> {
        let from = (Object::Column(id, String::new()), 0, 0);
        let columns = self.grants.range(from..).map_while(|((object, _, _), _)| match object {
            Object::Column(of, column) if *of == id => Some(column.clone()),
            _ => None,
        });
        let mut columns: Vec<String> = columns.collect();
        columns.dedup();
        columns
    }

    /// Forgets what was granted on an object that is gone, or moves it to the one in its place.
    pub(super) fn replace(&mut self, old: &Object, new: Option<Object>) {
        let moved: Vec<_> = self.grants_on(old).map(|(grantee, grantor, granted)| (grantee, grantor, *granted)).collect();
        self.grants.retain(|(object, _, _), _| object != old);
        if let Some(new) = new {
            self.grants.extend(moved.into_iter().map(|(grantee, grantor, granted)| ((new.clone(), grantee, grantor), granted)));
        }
    }

    /// Grants everybody what a new function begins with.
    pub(super) fn grant_call(&mut self, object: Object, owner: RoleId) {
        let granted = Granted { privileges: Privileges::EXECUTE, options: Privileges::NONE };
        self.grants.insert((object, PUBLIC, owner), granted);
    }

    /// Forgets what objects of a schema that is gone began with.
    pub(super) fn forget_schema(&mut self, id: NamespaceId) {
        self.defaults.retain(|(on, _), _| on.schema != Some(id));
    }

    /// Grants on a new object, of which `all` may be granted, what such objects begin with.
    pub(super) fn grant_defaults(&mut self, object: &Object, on: &NewObjects, all: Privileges) {
        for (grantee, granted) in self.defaults_for(on) {
            let granted = Granted { privileges: granted.privileges.within(all), options: granted.options.within(all) };
            if grantee != on.owner && !granted.privileges.is_none() {
                self.grants.insert((object.clone(), grantee, on.owner), granted);
            }
        }
    }

    /// What objects of a schema begin with, also by what is said of all schemas, by grantee.
    pub(super) fn defaults_for(&self, on: &NewObjects) -> BTreeMap<RoleId, Granted> {
        let mut all: BTreeMap<RoleId, Granted> = BTreeMap::new();
        for (_, grantee, granted) in self.defaults().filter(|(of, _, _)| **of == *on || **of == NewObjects { schema: None, ..on.clone() }) {
            let held = all.entry(grantee).or_default();
            *held = held.and(granted);
        }
        all
    }

    // Who there is -------------------------------------------------------------------------------------------------------

    /// The id that the next role gets.
    pub fn next_id(&self) -> RoleId {
        self.next
    }
    /// All roles by id.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Role>> {
        self.roles.values()
    }
    /// The role of that id.
    pub fn by_id(&self, id: RoleId) -> Option<&Arc<Role>> {
        self.roles.get(&id)
    }
    /// The role of that name, if there is one.
    pub fn find(&self, name: &str) -> Option<&Arc<Role>> {
        self.by_name.get(name).and_then(|id| self.roles.get(id))
    }
    /// The role of that name. Errors: 42704 with the nearest name as a hint.
    pub fn get(&self, name: &str) -> Result<&Arc<Role>> {
        self.find(name).ok_or_else(|| {
            let error = Error::new(code::UNDEFINED_OBJECT, format!("role \"{name}\" does not exist"));
            match nearest(name, self.by_name.keys().map(String::as_str)) {
                Some(near) => error.hint(format!("Perhaps you meant the role \"{near}\".")),
                None => error,
            }
        })
    }
    /// The name of a role; `PUBLIC` for everybody.
    pub fn name(&self, id: RoleId) -> String {
        match self.roles.get(&id) {
            _ if id == PUBLIC => "PUBLIC".into(),
            Some(role) => role.name.clone(),
            None => format!("unknown (OID={id})"),
        }
    }
    /// True if a role has a password: then nobody is let in for nothing.
    pub fn is_closed(&self) -> bool {
        self.closed
    }
    /// True if some role can let itself in by password and then mend everything.
    pub fn has_key_holder(&self) -> bool {
        self.roles.values().any(|role| role.is_key_holder())
    }
    /// The settings with which sessions of a role begin, or those of everybody for [`PUBLIC`].
    pub fn settings_of(&self, id: RoleId) -> impl Iterator<Item = (&str, &str)> {
        self.settings.get(&id).into_iter().flatten().map(|(name, value)| (name.as_str(), value.as_str()))
    }
    /// Those that have such settings.
    pub fn with_settings(&self) -> impl Iterator<Item = RoleId> {
        self.settings.keys().copied()
    }
    /// All memberships.
    pub fn memberships(&self) -> impl Iterator<Item = &Membership> {
        self.members.values()
    }
    /// That `member` is directly in `role`.
    pub fn membership(&self, role: RoleId, member: RoleId) -> Option<&Membership> {
        self.members.get(&(role, member))
    }

    /// The role and all that it is a member of, directly or not.
    pub fn member_of(&self, id: RoleId) -> BTreeSet<RoleId> {
        self.reach(id, false)
    }

    /// The role and all whose privileges it has without SET ROLE.
    pub fn inherits(&self, id: RoleId) -> BTreeSet<RoleId> {
        self.reach(id, true)
    }

    fn reach(&self, id: RoleId, inherited: bool) -> BTreeSet<RoleId> {
        let mut all = BTreeSet::new();
        let mut open = vec![id];
        while let Some(id) = open.pop() {
            let goes_on = !inherited || self.roles.get(&id).is_some_and(|r| r.inherit);
            if all.insert(id) && goes_on {
                open.extend(self.members.keys().filter(|(_, member)| *member == id).map(|(role, _)| *role));
            }
        }
        all
    }

    /// True for a superuser.
    pub fn is_superuser(&self, id: RoleId) -> bool {
        self.roles.get(&id).is_some_and(|r| r.superuser)
    }

    /// True for a role to which no policy of rows applies.
    pub fn bypasses_policies(&self, id: RoleId) -> bool {
        self.roles.get(&id).is_some_and(|r| r.superuser || r.bypass_rls)
    }

    // What they may ------------------------------------------------------------------------------------------------------

    /// Number of grants, those that are to be included.
    pub fn grants_len(&self) -> usize {
        self.grants.len() + self.defaults.len()
    }

    /// What objects begin with: which, grantee, and what.
    pub fn defaults(&self) -> impl Iterator<Item = (&NewObjects, RoleId, Granted)> {
        self.defaults.iter().map(|((on, grantee), granted)| (on, *grantee, *granted))
    }

    /// What such objects begin with for a grantee, by what is said of just them.
    pub fn default_of(&self, on: &NewObjects, grantee: RoleId) -> Granted {
        self.defaults.get(&(on.clone(), grantee)).copied().unwrap_or_default()
    }

    /// What is granted on an object: grantee, grantor, and what.
    pub fn grants_on(&self, object: &Object) -> impl Iterator<Item = (RoleId, RoleId, &Granted)> {
        let range = (object.clone(), 0, 0)..=(object.clone(), RoleId::MAX, RoleId::MAX);
        self.grants.range(range).map(|((_, grantee, grantor), granted)| (*grantee, *grantor, granted))
    }

    /// All grants: object, grantee, grantor, and what.
    pub fn grants(&self) -> impl Iterator<Item = (&Object, RoleId, RoleId, &Granted)> {
        self.grants.iter().map(|((object, grantee, grantor), granted)| (object, *grantee, *grantor, granted))
    }

    /// What `grantor` has granted `grantee` on an object.
    pub fn granted(&self, object: &Object, grantee: RoleId, grantor: RoleId) -> Granted {
        self.grants.get(&(object.clone(), grantee, grantor)).copied().unwrap_or_default()
    }

    /// What these roles together hold on an object: what was granted to one of them or to everybody, and what the predefined ones among
    /// them imply. `all` is what may be granted on it.
    pub fn held_by(&self, object: &Object, roles: &BTreeSet<RoleId>, all: Privileges) -> Granted {
        let mut held = Granted::default();
        for (_, _, granted) in self.grants_on(object).filter(|(grantee, _, _)| *grantee == PUBLIC || roles.contains(grantee)) {
            held = held.and(*granted);
        }
        let (read, write) = match object {
            Object::Relation(_) => (Privileges::SELECT, Privileges::INSERT.and(Privileges::UPDATE).and(Privileges::DELETE)),
            Object::Sequence(_) => (Privileges::SELECT, Privileges::UPDATE),
            Object::Schema(_) => (Privileges::USAGE, Privileges::USAGE),
            // What they may with a column they may with its relation.
            Object::Column(..) | Object::Database | Object::Function(_) => (Privileges::NONE, Privileges::NONE),
        };
        for (role, implied) in [(READ_ALL_DATA, read), (WRITE_ALL_DATA, write)] {
            if roles.contains(&role) {
                held.privileges = held.privileges.and(implied.within(all));
            }
        }
        held
    }

    /// The privileges of a role on a relation.
    pub fn on_relation(&self, id: RoleId, relation: &Relation) -> Granted {
        self.on(id, &Object::Relation(relation.id), relation.owner, Privileges::on_relation(relation.kind))
    }

    /// The privileges of a role on a column of a relation, those on the relation included.
    pub fn on_column(&self, id: RoleId, relation: &Relation, column: &str) -> Granted {
        let (whole, object) = (self.on_relation(id, relation), Object::Column(relation.id, column.to_string()));
        let (all, own) = (Privileges::on_column(relation.kind), self.held_by(&object, &self.inherits(id), Privileges::NONE));
        Granted { privileges: whole.privileges.within(all).and(own.privileges), options: whole.options.within(all).and(own.options) }
    }

    /// The privileges of a role on an object of which `all` may be granted.
    pub fn on(&self, id: RoleId, object: &Object, owner: RoleId, all: Privileges) -> Granted {
        let roles = self.inherits(id);
        if self.is_superuser(id) || roles.contains(&owner) {
            return Granted { privileges: all, options: all };
        }
        self.held_by(object, &roles, all)
    }

    /// The objects on which a role has been granted something, and those on which it granted.
    pub fn mentioned_in(&self, id: RoleId) -> impl Iterator<Item = &Object> {
        self.grants.keys().filter(move |(_, grantee, grantor)| *grantee == id || *grantor == id).map(|(object, _, _)| object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_reaches_what_its_groups_may_unless_it_does_not_inherit() {
        let mut roles = Roles::default();
        for (id, name, inherit) in [(1, "readers", true), (2, "ann", true), (3, "bob", false), (4, "staff", true)] {
            roles.apply(&RoleChange::Put(Role { inherit, ..Role::new(FIRST_ROLE + id, name) }));
        }
        for (role, member) in [(1, 4), (4, 2), (4, 3)] {
            let (role, member) = (FIRST_ROLE + role, FIRST_ROLE + member);
            roles.apply(&RoleChange::Join(Membership { role, member, admin: false, grantor: BOOTSTRAP }));
        }
        let object = Object::Relation(20_000);
        let granted = Granted { privileges: Privileges::SELECT, options: Privileges::NONE };
        roles.apply(&RoleChange::Grant { object: object.clone(), grantee: FIRST_ROLE + 1, grantor: BOOTSTRAP, granted });
        let may = |id: RoleId| roles.on(id, &object, BOOTSTRAP, Privileges::SELECT.and(Privileges::INSERT)).privileges;
        assert_eq!(may(FIRST_ROLE + 2), Privileges::SELECT);
        assert_eq!(may(FIRST_ROLE + 3), Privileges::NONE);
        assert_eq!(may(BOOTSTRAP), Privileges::SELECT.and(Privileges::INSERT));
        assert!(roles.member_of(FIRST_ROLE + 3).contains(&(FIRST_ROLE + 1)));
    }

    #[test]
    fn changes_are_told_as_json() {
        let change = RoleChange::Grant {
            object: Object::Schema("public".into()),
            grantee: PUBLIC,
            grantor: BOOTSTRAP,
            granted: Granted::parse("UC*").unwrap(),
        };
        let text = serde_json::to_string(&change).unwrap();
        assert_eq!(text, r#"{"Grant":{"object":{"Schema":"public"},"grantee":0,"grantor":10,"granted":"UC*"}}"#);
    }
}
