//! GRANT and REVOKE on objects, and their owners.
//!
//! As in PostgreSQL an owner's grants are the owner's whoever of its members gives them, and a grant option is given on by the role that
//! holds it. REVOKE takes back what the same grantor gave; what others have given on the strength of it goes with CASCADE only.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::privileges::{denied, denied_text};
use super::roles::grantee;
use super::session::Session;
use crate::catalog::{
    BOOTSTRAP, Change, Granted, Name, Object, PUBLIC, Privileges, Relation, RelationId, RelationKind, RoleChange, RoleId, Roles,
    SYSTEM_NAMESPACES, Scope, UserType, told,
};
use crate::error::{Error, Result, code};
use crate::sql::roles::{RoleName, Target, Wanted};

/// An object to grant on, with what is needed to know about it.
struct Place {
    object: Object,
    owner: RoleId,
    /// What may be granted on it.
    all: Privileges,
    /// Its kind and name, for messages.
    kind: &'static str,
    name: String,
}

/// GRANT .. ON ..
pub(super) async fn grant(session: &mut Session, wanted: Wanted, on: &Target, to: &[RoleName], option: bool) -> Result<()> {
    let roles = session.authority.roles.clone();
    let grantees = to.iter().map(|name| grantee(session, name)).collect::<Result<Vec<_>>>()?;
    if option && grantees.contains(&PUBLIC) {
        return Err(Error::new(code::INVALID_GRANT_OPERATION, "grant options can only be granted to roles"));
    }
    let mut changes = Vec::new();
    for place in places(session, on, wanted)? {
        let asked = asked(&place, wanted, on)?;
        let (grantor, may) = grantor(session, &roles, &place, asked)?;
        warn_of_missing(session, &place, asked, may, true);
        for grantee in grantees.iter().filter(|id| **id != place.owner) {
            let mut granted = roles.granted(&place.object, *grantee, grantor);
            granted.privileges = granted.privileges.and(may);
            granted.options = if option { granted.options.and(may) } else { granted.options };
            if granted != roles.granted(&place.object, *grantee, grantor) {
                changes.push(RoleChange::Grant { object: place.object.clone(), grantee: *grantee, grantor, granted });
            }
        }
    }
    session.change_roles(changes)
}

/// REVOKE .. ON ..
pub(super) async fn revoke(
    session: &mut Session,
    wanted: Wanted,
    on: &Target,
    from: &[RoleName],
    option_only: bool,
    cascade: bool,
) -> Result<()> {
    let roles = session.authority.roles.clone();
    let grantees = from.iter().map(|name| grantee(session, name)).collect::<Result<Vec<_>>>()?;
    let mut changes = Vec::new();
    for place in places(session, on, wanted)? {
        let asked = asked(&place, wanted, on)?;
        let (grantor, may) = grantor(session, &roles, &place, asked)?;
        warn_of_missing(session, &place, asked, may, false);
        for grantee in &grantees {
            if *grantee == place.owner && matches!(place.object, Object::Relation(_)) {
                let name = roles.name(*grantee);
                return Err(Error::unsupported(format!(
                    "cannot revoke privileges of \"{name}\" on {} {}: it is the owner",
                    place.kind, place.name
                ))
                .hint(format!(
                    "Give it to another owner first: ALTER {} {} OWNER TO ..",
                    place.kind.to_uppercase(),
                    place.name
                )));
            }
            take_back(&roles, &place, (*grantee, grantor), may, option_only, cascade, &mut changes)?;
        }
    }
    session.change_roles(changes)
}

/// Takes privileges (or their options only) of one grant back, and with `cascade` what the grantee has given on.
fn take_back(
    roles: &Roles,
    place: &Place,
    (grantee, grantor): (RoleId, RoleId),
    privileges: Privileges,
    option_only: bool,
    cascade: bool,
    changes: &mut Vec<RoleChange>,
) -> Result<()> {
    let old = roles.granted(&place.object, grantee, grantor);
    let lost_options = old.options.within(privileges);
    let mut granted = Granted { options: old.options.without(privileges), ..old };
    if !option_only {
        granted.privileges = old.privileges.without(privileges);
    }
    if granted == old {
        return Ok(());
    }
    changes.push(RoleChange::Grant { object: place.object.clone(), grantee, grantor, granted });
    // Options that the grantee still has from somebody else carry what it has given on.
    let elsewhere = roles.grants_on(&place.object).filter(|(g, from, _)| *g == grantee && *from != grantor);
    let kept = elsewhere.fold(Privileges::NONE, |kept, (_, _, granted)| kept.and(granted.options));
    let lost = lost_options.without(kept);
    let given: Vec<_> =
        roles.grants_on(&place.object).filter(|(_, from, g)| *from == grantee && !g.privileges.within(lost).is_none()).collect();
    if !given.is_empty() && !cascade {
        let names: Vec<String> = given.iter().map(|(to, _, g)| format!("{} of {}", g.privileges.within(lost), roles.name(*to))).collect();
        return Err(Error::new(code::DEPENDENT_OBJECTS_STILL_EXIST, "dependent privileges exist")
            .detail(names.join("\n"))
            .hint("Use CASCADE to revoke them too."));
    }
    for (to, from, _) in given {
        let seen = |c: &RoleChange| matches!(c, RoleChange::Grant { object, grantee, grantor, .. } if *object == place.object && *grantee == to && *grantor == from);
        if !changes.iter().any(seen) {
            take_back(roles, place, (to, from), lost, false, true, changes)?;
        }
    }
    Ok(())
}

/// The objects that a statement names. Errors: 42P01, 3F000, 3D000.
fn places(session: &Session, on: &Target, wanted: Wanted) -> Result<Vec<Place>> {
    let scope = session.scope();
    match on {
        Target::Relations(names) => names.iter().map(|name| Ok(of_relation(scope.known(name)?))).collect(),
        Target::AllIn(schemas) => {
            let mut places = Vec::new();
            for name in schemas {
                if SYSTEM_NAMESPACES.iter().any(|s| s.1 == name) {
                    continue;
                }
                let schema = scope.get_namespace(name)?;
                // What a kind of relation can never have is nothing that is missing.
                let fits = |place: &Place| wanted.is_none_or(|wanted| !wanted.within(place.all).is_none());
                places.extend(scope.relations_in(schema.id).map(of_relation).filter(fits));
            }
            Ok(places)
        }
        Target::Schemas(names) => names.iter().map(|name| of_schema(&scope, name)).collect(),
        Target::Databases(names) => names.iter().map(|name| database(session, name)).collect(),
    }
}

fn of_schema(scope: &Scope, name: &str) -> Result<Place> {
    if SYSTEM_NAMESPACES.iter().any(|s| s.1 == name) {
        return Err(Error::unsupported(format!("privileges on schema {name} are not supported"))
            .hint("Everybody may look at the system's relations, and nobody change them."));
    }
    let schema = scope.get_namespace(name)?;
    let object = Object::Schema(schema.name.clone());
    Ok(Place { all: object.privileges(None), object, owner: schema.owner, kind: "schema", name: schema.name.clone() })
}

fn of_relation(relation: &Arc<Relation>) -> Place {
    let object = Object::Relation(relation.id);
    Place {
        all: object.privileges(Some(relation.kind)),
        object,
        owner: relation.owner,
        kind: relation.kind.word(),
        name: relation.name.clone(),
    }
}

fn database(session: &Session, name: &str) -> Result<Place> {
    let current = session.context.database();
    if name != current {
        return Err(Error::new(code::INVALID_CATALOG_NAME, format!("database \"{name}\" does not exist"))
            .hint(format!("A server has one database; in this session it is called \"{current}\".")));
    }
    Ok(Place {
        object: Object::Database,
        owner: BOOTSTRAP,
        all: Object::Database.privileges(None),
        kind: "database",
        name: name.to_string(),
    })
}

/// The privileges meant on one object. Errors: 0LP01 and 0A000 for those that it cannot have.
fn asked(place: &Place, wanted: Wanted, on: &Target) -> Result<Privileges> {
    let Some(wanted) = wanted else { return Ok(place.all) };
    let foreign = wanted.without(place.all);
    if foreign.is_none() || matches!(on, Target::AllIn(_)) {
        return Ok(wanted.within(place.all));
    }
    let of_tables = Privileges::on_relation(RelationKind::Table);
    if matches!(place.object, Object::Relation(_)) && of_tables.has(foreign) {
        let why = if place.kind == "stream" { "events are immutable" } else { "nothing is written to a view" };
        return Err(Error::unsupported(format!("cannot grant {foreign} on {} \"{}\": {why}", place.kind, place.name))
            .hint(format!("It may have: {}.", place.all)));
    }
    let kind = if matches!(place.object, Object::Relation(_)) { "relation" } else { place.kind };
    Err(Error::new(code::INVALID_GRANT_OPERATION, format!("invalid privilege type {foreign} for {kind}")))
}

/// In whose name the session grants, and what of it it may. Errors: 42501 if it may nothing at all with the object.
fn grantor(session: &Session, roles: &Roles, place: &Place, asked: Privileges) -> Result<(RoleId, Privileges)> {
    if session.authority.has_role(place.owner) {
        return Ok((place.owner, asked));
    }
    let role = session.role();
    let options = |id: RoleId| {
        let own = roles.grants_on(&place.object).filter(|(grantee, _, _)| *grantee == id);
        own.fold(Privileges::NONE, |options, (_, _, granted)| options.and(granted.options)).within(asked)
    };
    // The role itself first, then that of its groups which may most.
    let groups = roles.inherits(role);
    let best = std::iter::once(role).chain(groups).max_by_key(|id| (options(*id).count(), *id == role)).unwrap_or(role);
    let may = options(best);
    if may.is_none() && roles.on(role, &place.object, place.owner, place.all).privileges.is_none() {
        return Err(denied(place.kind, &place.name));
    }
    Ok((best, may))
}

fn warn_of_missing(session: &mut Session, place: &Place, asked: Privileges, may: Privileges, grants: bool) {
    if may == asked {
        return;
    }
    let (code, verb) =
        if grants { (code::PRIVILEGE_NOT_GRANTED, "were granted") } else { (code::PRIVILEGE_NOT_REVOKED, "could be revoked") };
    let message = match may.is_none() {
        true => format!("no privileges {verb} for \"{}\"", place.name),
        false => format!("not all privileges {verb} for \"{}\"", place.name),
    };
    session.notice("WARNING", Error::new(code, message));
}

impl Session {
    /// ALTER kind name OWNER TO.
    pub(super) async fn give(&mut self, kind: RelationKind, name: &Name, if_exists: bool, owner: &RoleName) -> Result<()> {
        let scope = self.scope();
        let relation = match scope.find(name) {
            None if if_exists => {
                self.notice("NOTICE", Error::new(code::SUCCESS, format!("relation \"{name}\" does not exist, skipping")));
                return Ok(());
            }
            _ => scope.known(name)?,
        };
        // ALTER TABLE is PostgreSQL's word for any kind.
        if relation.kind != kind && kind != RelationKind::Table {
            return Err(Error::new(code::WRONG_OBJECT_TYPE, format!("\"{name}\" is not a {}", kind.word())));
        }
        self.must_own(relation)?;
        let owner = self.role_id(owner)?;
        self.may_stand_in_for(owner)?;
        self.change_owners(vec![(relation.id, relation.owner, owner)]).await
    }

    /// Errors: 42501 unless the current role is a member of that one.
    pub(super) fn may_stand_in_for(&self, role: RoleId) -> Result<()> {
        let roles = &self.authority.roles;
        if self.authority.superuser || roles.member_of(self.role()).contains(&role) {
            return Ok(());
        }
        Err(denied_text(&format!("must be member of role \"{}\"", roles.name(role))))
    }

    /// Changes owners: relation, old, new. What the old owner has granted becomes the new one's.
    async fn change_owners(&mut self, owners: Vec<(RelationId, RoleId, RoleId)>) -> Result<()> {
        let moved: Vec<_> = owners.into_iter().filter(|(_, old, new)| old != new).collect();
        if moved.is_empty() {
            return Ok(());
        }
        let change = Change::Own(moved.iter().map(|(id, _, new)| (*id, *new)).collect());
        self.stage_rights(change)?;
        moved.into_iter().try_for_each(|(id, old, new)| self.regrant(&Object::Relation(id), old, new))
    }

    /// What the old owner of an object has granted on it becomes the new one's.
    pub(super) fn regrant(&mut self, object: &Object, old: RoleId, new: RoleId) -> Result<()> {
        let roles = self.authority.roles.clone();
        let mut grants = Vec::new();
        for (to, from, granted) in roles.grants_on(object).filter(|(to, from, _)| *from == old || *to == new) {
            grants.push(RoleChange::Grant { object: object.clone(), grantee: to, grantor: from, granted: Granted::default() });
            if to != new {
                grants.push(RoleChange::Grant { object: object.clone(), grantee: to, grantor: new, granted: *granted });
            }
        }
        self.change_roles(grants)
    }

    fn owned(&mut self, names: &[RoleName]) -> Result<BTreeSet<RoleId>> {
        let roles = names.iter().map(|name| self.role_id(name)).collect::<Result<BTreeSet<_>>>()?;
        roles.iter().try_for_each(|role| self.may_stand_in_for(*role))?;
        if roles.contains(&BOOTSTRAP) {
            let message = format!(
                "cannot reassign or drop what role {} owns, because it is required by the database system",
                self.authority.roles.name(BOOTSTRAP)
            );
            return Err(Error::new(code::DEPENDENT_OBJECTS_STILL_EXIST, message));
        }
        Ok(roles)
    }

    /// REASSIGN OWNED BY .. TO ..
    pub(super) async fn reassign(&mut self, from: &[RoleName], to: &RoleName) -> Result<()> {
        let from = self.owned(from)?;
        let to = self.role_id(to)?;
        self.may_stand_in_for(to)?;
        let catalog = self.catalog();
        let theirs = catalog.relations().filter(|r| from.contains(&r.owner)).map(|r| (r.id, r.owner, to)).collect();
        self.change_owners(theirs).await?;
        for ty in catalog.user_types().filter(|t| from.contains(&t.owner)) {
            self.stage(Change::PutUserType(UserType { owner: to, ..ty.as_ref().clone() }), vec![])?;
        }
        catalog.namespaces().filter(|n| from.contains(&n.owner)).try_for_each(|n| self.give_schema(n, to))
    }

    /// DROP OWNED BY: takes back what the roles were granted and have granted. Errors: 0A000 while they own relations, whose DROP shall
    /// be said in so many words.
    pub(super) async fn drop_owned(&mut self, names: &[RoleName]) -> Result<()> {
        let gone = self.owned(names)?;
        let catalog = self.catalog();
        let relations = catalog.relations().filter(|r| gone.contains(&r.owner)).map(|r| told(&catalog, r));
        let schemas = catalog.namespaces().filter(|n| gone.contains(&n.owner)).map(|n| format!("schema {}", n.name));
        let types = catalog.user_types().filter(|t| gone.contains(&t.owner)).map(|t| format!("type {}", t.name));
        let theirs: Vec<String> = relations.chain(types).chain(schemas).collect();
        if !theirs.is_empty() {
            return Err(Error::unsupported("DROP OWNED does not drop relations and schemas")
                .detail(format!("Owned are: {}.", theirs.join(", ")))
                .hint("REASSIGN OWNED BY .. TO .. first, or DROP them one by one."));
        }
        let grants = catalog.roles().grants().filter(|(_, grantee, grantor, _)| gone.contains(grantee) || gone.contains(grantor));
        let none = |(object, grantee, grantor, _): (&Object, RoleId, RoleId, &Granted)| RoleChange::Grant {
            object: object.clone(),
            grantee,
            grantor,
            granted: Granted::default(),
        };
        let changes = grants.map(none).collect();
        self.change_roles(changes)
    }
}
