//! GRANT and REVOKE on objects, and their owners.
//!
//! As in PostgreSQL an owner's grants are the owner's whoever of its members gives them, and a grant option is given on by the role that
//! holds it. REVOKE takes back what the same grantor gave; what others have given on the strength of it goes with CASCADE only.
//!
//! A grant option on a relation is one on each of its columns, and what is taken back on a relation is taken back on its columns.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::privileges::{denied, denied_text};
use super::roles::grantee;
use super::session::Session;
use crate::catalog::{
    BOOTSTRAP, Catalog, Change, Function, Granted, Name, Namespace, Object, PUBLIC, Privileges, Relation, RelationId, RelationKind,
    RoleChange, RoleId, Roles, SYSTEM_NAMESPACES, Scope, Sequence, UserType,
};
use crate::error::{Error, Result, code};
use crate::sql::roles::{Listed, RoleName, Target, Wanted, both};

/// An object to grant on, with what is needed to know about it.
struct Place {
    object: Object,
    owner: RoleId,
    /// What may be granted on it.
    all: Privileges,
    /// What is meant of that: all of it where ALL is said.
    asked: Privileges,
    says_all: bool,
    /// Of a column the relation.
    relation: Option<Object>,
    /// Its kind and name, for messages.
    kind: &'static str,
    name: String,
}

impl Place {
    /// A column of this relation.
    fn of_column(&self, id: RelationId, column: &str, asked: Privileges) -> Place {
        Place {
            object: Object::Column(id, column.to_string()),
            owner: self.owner,
            all: self.all.within(Privileges::OF_COLUMNS),
            asked,
            says_all: self.says_all,
            relation: Some(self.object.clone()),
            kind: "column",
            name: format!("\"{column}\" of relation \"{}\"", self.name),
        }
    }

    /// The objects grants on which are good for this one.
    fn carriers(&self) -> impl Iterator<Item = &Object> {
        std::iter::once(&self.object).chain(&self.relation)
    }

    /// The place as warnings tell it.
    fn told(&self) -> String {
        if self.relation.is_some() { format!("{} {}", self.kind, self.name) } else { format!("\"{}\"", self.name) }
    }
}

/// GRANT .. ON ..
pub(super) async fn grant(session: &mut Session, wanted: &Wanted, on: &Target, to: &[RoleName], option: bool) -> Result<()> {
    let roles = session.authority.roles.clone();
    let grantees = to.iter().map(|name| grantee(session, name)).collect::<Result<Vec<_>>>()?;
    if of_everybody(session, on, wanted, true)? {
        return Ok(());
    }
    let mut changes = Vec::new();
    for place in places(session, on, wanted)? {
        let (grantor, may) = grantor(session, &roles, &place)?;
        warn_of_missing(session, &place, may, true);
        if option && grantees.contains(&PUBLIC) {
            return Err(Error::new(code::INVALID_GRANT_OPERATION, "grant options can only be granted to roles"));
        }
        for grantee in grantees.iter().filter(|id| **id != place.owner) {
            let old = roles.granted(&place.object, *grantee, grantor);
            let granted = old.with(may, option);
            if granted != old {
                changes.push(RoleChange::Grant { object: place.object.clone(), grantee: *grantee, grantor, granted });
            }
        }
    }
    session.change_roles(changes)
}

/// REVOKE .. ON ..
pub(super) async fn revoke(
    session: &mut Session,
    wanted: &Wanted,
    on: &Target,
    from: &[RoleName],
    option_only: bool,
    cascade: bool,
) -> Result<()> {
    let roles = session.authority.roles.clone();
    let grantees = from.iter().map(|name| grantee(session, name)).collect::<Result<Vec<_>>>()?;
    if of_everybody(session, on, wanted, false)? {
        return match grantees.contains(&PUBLIC) {
            true => Err(Error::unsupported("privileges on types and languages are everybody's")
                .hint("They let nobody see or change rows: REVOKE those on relations and schemas.")),
            false => Ok(()),
        };
    }
    let mut changes = Vec::new();
    let mut places = places(session, on, wanted)?;
    with_columns(&roles, &mut places);
    for place in places {
        let (grantor, may) = grantor(session, &roles, &place)?;
        warn_of_missing(session, &place, may, false);
        for grantee in &grantees {
            if *grantee == place.owner && !matches!(place.object, Object::Database | Object::Column(..)) {
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

/// True for types and languages, which everybody may use: what is granted on them is held already, and nobody but everybody has what could be
/// taken back. Errors: 42704 for one that there is not, 0LP01 for what it cannot have.
fn of_everybody(session: &mut Session, on: &Target, wanted: &Wanted, grants: bool) -> Result<bool> {
    let kind = match on {
        Target::Types(_) => "type",
        Target::Languages(_) => "language",
        _ => return Ok(false),
    };
    if !wanted.columns.is_empty() {
        return Err(of_relations_only());
    }
    let foreign = wanted.whole.unwrap_or_default().without(Privileges::USAGE);
    if !foreign.is_none() {
        return Err(invalid(foreign, kind));
    }
    let scope = session.scope();
    let mut places = Vec::new();
    if let Target::Types(names) = on {
        for name in names {
            let ty = scope.get_type(name)?;
            places.push((ty.owner, ty.name.clone()));
        }
    }
    if let Target::Languages(names) = on {
        for name in names {
            if !["sql", "plpgsql"].contains(&name.as_str()) {
                return Err(Error::new(code::UNDEFINED_OBJECT, format!("language \"{name}\" does not exist")));
            }
            places.push((BOOTSTRAP, name.clone()));
        }
    }
    for (owner, name) in places.iter().filter(|(owner, _)| !session.authority.has_role(*owner)).cloned().collect::<Vec<_>>() {
        let (object, all, asked) = (Object::Database, Privileges::USAGE, Privileges::USAGE);
        let place = Place { object, owner, all, asked, says_all: false, relation: None, kind, name };
        warn_of_missing(session, &place, Privileges::NONE, grants);
    }
    Ok(true)
}

/// What is taken back on a relation is taken back on its columns too.
fn with_columns(roles: &Roles, places: &mut Vec<Place>) {
    let mut more: Vec<Place> = Vec::new();
    for whole in places.iter().filter(|place| !place.asked.within(Privileges::OF_COLUMNS).is_none()) {
        let Object::Relation(id) = whole.object else { continue };
        for column in roles.columns_granted(id) {
            more.push(whole.of_column(id, &column, whole.asked.within(Privileges::OF_COLUMNS)));
        }
    }
    for place in more {
        match places.iter_mut().find(|other| other.object == place.object) {
            Some(named) => named.asked = named.asked.and(place.asked),
            None => places.push(place),
        }
    }
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
    let granted = old.without(privileges, option_only);
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

/// The objects that a statement names, and their columns. Errors: 42P01, 3F000, 3D000, 42703, 42809, 0LP01.
fn places(session: &mut Session, on: &Target, wanted: &Wanted) -> Result<Vec<Place>> {
    let scope = session.scope();
    if !wanted.columns.is_empty() && !matches!(on, Target::Relations(_) | Target::AllIn(_)) {
        return Err(of_relations_only());
    }
    let mut places = Vec::new();
    match on {
        Target::Relations(names) => {
            for name in names {
                match scope.sequence(name).filter(|_| scope.find(name).is_none()) {
                    Some(sequence) => places.push(of_sequence_as_table(session, &scope, sequence, wanted)?),
                    None => places.extend(of_relation(scope.known(name)?, wanted, false)?),
                }
            }
        }
        Target::AllIn(schemas) => {
            for schema in in_schemas(&scope, schemas)? {
                for relation in scope.relations_in(schema.id) {
                    places.extend(of_relation(relation, wanted, true)?);
                }
            }
        }
        Target::Sequences(names) => {
            for name in names {
                places.push(of_sequence(&scope, known_sequence(&scope, name)?, wanted.whole)?);
            }
        }
        Target::AllSequencesIn(schemas) => {
            for schema in in_schemas(&scope, schemas)? {
                for sequence in scope.sequences.iter().filter(|s| s.namespace == schema.id) {
                    places.push(of_sequence(&scope, sequence, wanted.whole)?);
                }
            }
        }
        Target::Routines(word, signatures) => {
            for signature in signatures {
                places.push(of_function(session.known_function(*word, signature)?.as_ref(), wanted.whole)?);
            }
        }
        Target::AllRoutinesIn(word, schemas) => {
            for schema in in_schemas(&scope, schemas)? {
                for function in scope.functions().filter(|f| f.namespace == schema.id && word.is_of(f.kind())) {
                    places.push(of_function(function, wanted.whole)?);
                }
            }
        }
        Target::Schemas(names) => {
            for name in names {
                places.push(of_schema(&scope, name, wanted.whole)?);
            }
        }
        Target::Types(_) | Target::Languages(_) => {}
        Target::Databases(names) => {
            for name in names {
                places.push(of_database(session, name, wanted.whole)?);
            }
        }
    }
    Ok(places)
}

/// The schemas of users among those of these names. Errors: 3F000.
fn in_schemas<'a>(scope: &'a Scope, names: &[String]) -> Result<Vec<&'a Arc<Namespace>>> {
    let of_users = names.iter().filter(|name| SYSTEM_NAMESPACES.iter().all(|s| s.1 != name.as_str()));
    of_users.map(|name| scope.get_namespace(name)).collect()
}

/// The sequence of that name. Errors: 42P01, 3F000, 42809 for another relation.
pub(super) fn known_sequence<'a>(scope: &'a Scope, name: &Name) -> Result<&'a Arc<Sequence>> {
    if let Some(sequence) = scope.sequence(name) {
        return Ok(sequence);
    }
    scope.known(name)?;
    Err(Error::new(code::WRONG_OBJECT_TYPE, format!("\"{name}\" is not a sequence")))
}

fn of_schema(scope: &Scope, name: &str, listed: Listed) -> Result<Place> {
    if SYSTEM_NAMESPACES.iter().any(|s| s.1 == name) {
        return Err(Error::unsupported(format!("privileges on schema {name} are not supported"))
            .hint("Everybody may look at the system's relations, and nobody change them."));
    }
    let schema = scope.get_namespace(name)?;
    place(Object::Schema(schema.name.clone()), schema.owner, ("schema", &schema.name), listed)
}

fn of_database(session: &Session, name: &str, listed: Listed) -> Result<Place> {
    let current = session.context.database();
    if name != current {
        return Err(Error::new(code::INVALID_CATALOG_NAME, format!("database \"{name}\" does not exist"))
            .hint(format!("A server has one database; in this session it is called \"{current}\".")));
    }
    place(Object::Database, BOOTSTRAP, ("database", name), listed)
}

fn of_sequence(scope: &Scope, sequence: &Sequence, listed: Listed) -> Result<Place> {
    place(Object::Sequence(sequence.id), scope.sequence_owner(sequence), ("sequence", &sequence.name), listed)
}

fn of_function(function: &Function, listed: Listed) -> Result<Place> {
    place(Object::Function(function.id), function.owner, ("function", &function.name), listed)
}

/// An object on which all of its kind may have the same. Errors: 0LP01 for what it cannot have.
fn place(object: Object, owner: RoleId, (kind, name): (&'static str, &str), listed: Listed) -> Result<Place> {
    let all = object.privileges(None);
    let asked = listed.unwrap_or(all);
    let foreign = asked.without(all);
    if !foreign.is_none() {
        return Err(invalid(foreign, kind));
    }
    Ok(Place { object, owner, all, asked, says_all: listed.is_none(), relation: None, kind, name: name.to_string() })
}

/// A sequence that is called a table, whose privileges are a table's then. What a sequence cannot have is told, and left out.
fn of_sequence_as_table(session: &mut Session, scope: &Scope, sequence: &Sequence, wanted: &Wanted) -> Result<Place> {
    if !wanted.columns.is_empty() {
        return Err(of_relations_only());
    }
    let fits = wanted.whole.map(|listed| listed.within(Privileges::ON_SEQUENCE));
    if fits != wanted.whole {
        let message = format!("sequence \"{}\" only supports USAGE, SELECT, and UPDATE privileges", sequence.name);
        session.notice("WARNING", Error::new(code::INVALID_GRANT_OPERATION, message));
    }
    of_sequence(scope, sequence, fits)
}

/// A relation, where something on itself is meant, and its columns that are named. Where it is one of all in a schema, what it cannot have is
/// nothing that is missing. Errors: 42703, 0LP01, 0A000.
fn of_relation(relation: &Relation, wanted: &Wanted, one_of_all: bool) -> Result<Vec<Place>> {
    let of_kind = Privileges::on_relation(relation.kind);
    let fitting = |asked: Privileges, all: Privileges| match one_of_all {
        true => Ok(asked.within(all)),
        false => fitting(relation, asked).map(|()| asked),
    };
    let whole = Place {
        object: Object::Relation(relation.id),
        owner: relation.owner,
        all: of_kind,
        asked: fitting(wanted.whole.unwrap_or(of_kind), of_kind)?,
        says_all: wanted.whole.is_none(),
        relation: None,
        kind: relation.kind.word(),
        name: relation.name.clone(),
    };
    let mut columns: BTreeMap<usize, Listed> = BTreeMap::new();
    for (name, listed) in &wanted.columns {
        let foreign = listed.unwrap_or_default().without(Privileges::OF_COLUMNS);
        if !foreign.is_none() {
            return Err(invalid(foreign, "column"));
        }
        let of = columns.entry(relation.column(name)?).or_insert(Some(Privileges::NONE));
        *of = both(*of, *listed);
    }
    let all = Privileges::on_column(relation.kind);
    let mut places = Vec::with_capacity(columns.len() + 1);
    for (at, listed) in columns {
        let asked = fitting(listed.unwrap_or(all), all)?;
        places.push(Place { says_all: listed.is_none(), ..whole.of_column(relation.id, &relation.columns[at].name, asked) });
    }
    places.push(whole);
    places.retain(|place| !place.asked.is_none());
    Ok(places)
}

/// Errors: 0A000 for what another kind of relation may have, 0LP01 for what none may.
fn fitting(relation: &Relation, asked: Privileges) -> Result<()> {
    let all = Privileges::on_relation(relation.kind);
    let foreign = asked.without(all);
    if foreign.is_none() {
        return Ok(());
    }
    if !Privileges::on_relation(RelationKind::Table).has(foreign) {
        return Err(invalid(foreign, if foreign == Privileges::USAGE { "table" } else { "relation" }));
    }
    let why = match relation.kind {
        _ if foreign == Privileges::REFERENCES => "no foreign key refers to it",
        _ if foreign == Privileges::TRIGGER => "it has no triggers",
        RelationKind::Stream => "events are immutable",
        RelationKind::View => "no table is truncated through it",
        _ => "nothing is written to a materialized view",
    };
    let (kind, name) = (relation.kind.word(), &relation.name);
    Err(Error::unsupported(format!("cannot grant {foreign} on {kind} \"{name}\": {why}")).hint(format!("It may have: {all}.")))
}

pub(super) fn invalid(privileges: Privileges, kind: &str) -> Error {
    Error::new(code::INVALID_GRANT_OPERATION, format!("invalid privilege type {privileges} for {kind}"))
}

fn of_relations_only() -> Error {
    Error::new(code::INVALID_GRANT_OPERATION, "column privileges are only valid for relations")
}

/// In whose name the session grants, and what of it it may. Errors: 42501 if it may nothing at all with the object.
fn grantor(session: &Session, roles: &Roles, place: &Place) -> Result<(RoleId, Privileges)> {
    if session.authority.has_role(place.owner) {
        return Ok((place.owner, place.asked));
    }
    let role = session.role();
    let options = |id: RoleId| {
        let own = place.carriers().flat_map(|object| roles.grants_on(object)).filter(|(grantee, _, _)| *grantee == id);
        own.fold(Privileges::NONE, |options, (_, _, granted)| options.and(granted.options)).within(place.asked)
    };
    // The role itself first, then that of its groups which may most.
    let groups = roles.inherits(role);
    let best = std::iter::once(role).chain(groups).max_by_key(|id| (options(*id).count(), *id == role)).unwrap_or(role);
    let may = options(best);
    let holds = |object: &Object| !roles.on(role, object, place.owner, place.all).privileges.is_none();
    if may.is_none() && !place.carriers().any(holds) {
        return Err(denied(place.kind, &place.name));
    }
    Ok((best, may))
}

fn warn_of_missing(session: &mut Session, place: &Place, may: Privileges, grants: bool) {
    // Of ALL it is as much as may be.
    if may == place.asked || place.says_all && !may.is_none() {
        return;
    }
    let (code, verb) =
        if grants { (code::PRIVILEGE_NOT_GRANTED, "were granted") } else { (code::PRIVILEGE_NOT_REVOKED, "could be revoked") };
    let what = if may.is_none() { "no privileges" } else { "not all privileges" };
    session.notice("WARNING", Error::new(code, format!("{what} {verb} for {}", place.told())));
}

impl Session {
    /// ALTER kind name OWNER TO; of a sequence without a kind.
    pub(super) async fn give(&mut self, kind: Option<RelationKind>, name: &Name, if_exists: bool, owner: &RoleName) -> Result<()> {
        let scope = self.scope();
        if let Some(sequence) =
            scope.sequence(name).filter(|_| matches!(kind, None | Some(RelationKind::Table)) && scope.find(name).is_none())
        {
            return self.give_sequence(sequence, owner);
        }
        let relation = match scope.find(name) {
            None if if_exists => {
                self.notice("NOTICE", Error::new(code::SUCCESS, format!("relation \"{name}\" does not exist, skipping")));
                return Ok(());
            }
            _ => scope.known(name)?,
        };
        // ALTER TABLE is PostgreSQL's word for any kind.
        if kind != Some(relation.kind) && kind != Some(RelationKind::Table) {
            let kind = kind.map_or("sequence", RelationKind::word);
            return Err(Error::new(code::WRONG_OBJECT_TYPE, format!("\"{name}\" is not a {kind}")));
        }
        self.must_own(relation)?;
        let owner = self.role_id(owner)?;
        self.may_stand_in_for(owner)?;
        self.change_owners(vec![(relation.id, relation.owner, owner)]).await
    }

    /// Gives a sequence to another owner. Errors: 0A000 for one that goes with a table.
    fn give_sequence(&mut self, sequence: &Sequence, owner: &RoleName) -> Result<()> {
        self.must_own_sequence(sequence)?;
        let owner = self.role_id(owner)?;
        self.may_stand_in_for(owner)?;
        let table = sequence.owner.as_ref().and_then(|(id, _)| self.catalog().by_id(*id).cloned());
        match table.filter(|table| table.owner != owner) {
            Some(table) => Err(Error::unsupported(format!("cannot change owner of sequence \"{}\"", sequence.name))
                .detail(format!("Sequence \"{}\" is linked to table \"{}\".", sequence.name, table.name))),
            None => self.change_sequence_owner(sequence, owner),
        }
    }

    fn change_sequence_owner(&mut self, sequence: &Sequence, owner: RoleId) -> Result<()> {
        if sequence.owner.is_some() || sequence.role == owner {
            return Ok(());
        }
        self.stage_rights(Change::PutSequence(Sequence { role: owner, ..sequence.clone() }))?;
        self.regrant(&Object::Sequence(sequence.id), sequence.role, owner)
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
        let catalog = self.catalog();
        for (id, old, new) in moved {
            parts(&catalog, id).iter().try_for_each(|object| self.regrant(object, old, new))?;
        }
        Ok(())
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

    /// The roles of which all that they own is meant. Errors: 42501 unless the current role has their rights: to be a member of one that it
    /// does not inherit from is not enough.
    pub(super) fn owned(&mut self, names: &[RoleName], to: &str) -> Result<BTreeSet<RoleId>> {
        let roles = names.iter().map(|name| self.role_id(name)).collect::<Result<BTreeSet<_>>>()?;
        roles.iter().try_for_each(|role| self.must_have_rights_of(*role, to))?;
        if roles.contains(&BOOTSTRAP) {
            let message = format!(
                "cannot reassign or drop what role {} owns, because it is required by the database system",
                self.authority.roles.name(BOOTSTRAP)
            );
            return Err(Error::new(code::DEPENDENT_OBJECTS_STILL_EXIST, message));
        }
        Ok(roles)
    }

    fn must_have_rights_of(&self, role: RoleId, to: &str) -> Result<()> {
        if self.authority.has_role(role) {
            return Ok(());
        }
        Err(denied_text(&format!("permission denied to {to}"))
            .detail(format!("It takes the privileges of role \"{}\".", self.authority.roles.name(role))))
    }

    /// REASSIGN OWNED BY .. TO ..
    pub(super) async fn reassign(&mut self, from: &[RoleName], to: &RoleName) -> Result<()> {
        let from = self.owned(from, "reassign objects")?;
        let to = self.role_id(to)?;
        self.must_have_rights_of(to, "reassign objects")?;
        let catalog = self.catalog();
        let theirs = catalog.relations().filter(|r| from.contains(&r.owner)).map(|r| (r.id, r.owner, to)).collect();
        self.change_owners(theirs).await?;
        for ty in catalog.user_types().filter(|t| from.contains(&t.owner)) {
            self.stage(Change::PutUserType(UserType { owner: to, ..ty.as_ref().clone() }), vec![])?;
        }
        for function in catalog.functions().filter(|f| from.contains(&f.owner)) {
            self.stage_rights(Change::PutFunction(Function { owner: to, ..function.as_ref().clone() }))?;
            self.regrant(&Object::Function(function.id), function.owner, to)?;
        }
        let sequences = catalog.sequences.iter().filter(|s| s.owner.is_none() && from.contains(&s.role));
        for sequence in sequences {
            self.change_sequence_owner(sequence, to)?;
        }
        catalog.namespaces().filter(|n| from.contains(&n.owner)).try_for_each(|n| self.give_schema(n, to))
    }
}

/// What grants are on of a relation: itself, its columns, the sequences that go with it.
fn parts(catalog: &Catalog, id: RelationId) -> Vec<Object> {
    let columns = catalog.roles().columns_granted(id).into_iter().map(|column| Object::Column(id, column));
    let sequences = catalog.sequences.owned_by(id).map(|sequence| Object::Sequence(sequence.id));
    std::iter::once(Object::Relation(id)).chain(columns).chain(sequences).collect()
}

/// The sequences that roles own apart from tables, as messages name them.
pub(super) fn sequences_of(catalog: &Catalog, owners: &BTreeSet<RoleId>) -> Vec<String> {
    let theirs = catalog.sequences.iter().filter(|s| s.owner.is_none() && owners.contains(&s.role));
    theirs.map(|sequence| format!("sequence {}", sequence.name)).collect()
}
