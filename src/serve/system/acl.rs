//! Access control lists as PostgreSQL prints them (`{ann=arwd/ann,=r/ann}`), and whether a session may see what another one does.

use super::names::Reg;
use super::rows::Cell;
use super::{SessionStatus, SystemContext};
use crate::catalog::{
    BOOTSTRAP, Function, Granted, Namespace, NewObjects, Object, PUBLIC, Privileges, READ_ALL_STATS, Relation, RelationKind, RoleId,
    Sequence,
};
use crate::data::quoting::ident;

/// pg_class.relacl of a relation; null where nothing is granted.
pub fn relation_acl(context: &SystemContext, relation: &Relation) -> Cell {
    granted_acl(context, &Object::Relation(relation.id), relation.owner, Privileges::on_relation(relation.kind))
}

/// pg_class.relacl of a sequence.
pub fn sequence_acl(context: &SystemContext, sequence: &Sequence) -> Cell {
    granted_acl(context, &Object::Sequence(sequence.id), context.scope.sequence_owner(sequence), Privileges::ON_SEQUENCE)
}

/// pg_namespace.nspacl of a user's schema.
pub fn schema_acl(context: &SystemContext, schema: &Namespace) -> Cell {
    let object = Object::Schema(schema.name.clone());
    granted_acl(context, &object, schema.owner, object.privileges(None))
}

/// pg_proc.proacl: null where everybody may call the function, as it began.
pub fn function_acl(context: &SystemContext, function: &Function) -> Cell {
    let object = Object::Function(function.id);
    let began = Granted { privileges: Privileges::EXECUTE, options: Privileges::NONE };
    let grants: Vec<_> = context.scope.roles().grants_on(&object).collect();
    if let [(PUBLIC, grantor, granted)] = grants[..]
        && grantor == function.owner
        && *granted == began
    {
        return Cell::Null;
    }
    acl(context, &object, function.owner, object.privileges(None))
}

/// pg_attribute.attacl of a column: what is granted on it beside what is on its relation.
pub fn column_acl(context: &SystemContext, relation: &Relation, column: &str) -> Cell {
    let given = given(context, &Object::Column(relation.id, column.to_string()));
    if given.is_empty() { Cell::Null } else { Cell::List(given) }
}

/// pg_database.datacl.
pub fn database_acl(context: &SystemContext) -> Cell {
    acl(context, &Object::Database, BOOTSTRAP, Object::Database.privileges(None))
}

/// pg_default_acl.defaclacl: where no schema is named it is all that such objects begin with, their owner's own included.
pub fn default_acl(context: &SystemContext, on: &NewObjects) -> Cell {
    let own =
        on.schema.is_none().then(|| item(context, on.owner, on.owner, &Granted { privileges: on.privileges(), options: Privileges::NONE }));
    let given = context.scope.roles().defaults().filter(|(of, _, _)| *of == on);
    Cell::List(own.into_iter().chain(given.map(|(_, grantee, granted)| item(context, grantee, on.owner, &granted))).collect())
}

fn acl(context: &SystemContext, object: &Object, owner: RoleId, all: Privileges) -> Cell {
    let own = item(context, owner, owner, &Granted { privileges: all, options: Privileges::NONE });
    Cell::List(std::iter::once(own).chain(given(context, object)).collect())
}

/// The same, but null where nothing is granted.
fn granted_acl(context: &SystemContext, object: &Object, owner: RoleId, all: Privileges) -> Cell {
    if context.scope.roles().grants_on(object).next().is_none() {
        return Cell::Null;
    }
    acl(context, object, owner, all)
}

fn given(context: &SystemContext, object: &Object) -> Vec<Cell> {
    context.scope.roles().grants_on(object).map(|(grantee, grantor, granted)| item(context, grantee, grantor, granted)).collect()
}

fn item(context: &SystemContext, grantee: RoleId, grantor: RoleId, granted: &Granted) -> Cell {
    let name = |id: RoleId| if id == PUBLIC { String::new() } else { ident(&context.role_name(id)) };
    Cell::Text(format!("{}={granted}/{}", name(grantee), name(grantor)))
}

/// What the owner of a new object and everybody begin with, by the letter of the object's kind (manual, chapter 5.7).
pub fn default_letters(kind: &str) -> Option<(String, &'static str)> {
    let letters = |privileges| Granted { privileges, options: Privileges::NONE }.to_string();
    Some(match kind {
        "c" => (String::new(), ""),
        "r" => (letters(Privileges::on_relation(RelationKind::Table)), ""),
        "s" => (letters(Privileges::ON_SEQUENCE), ""),
        "d" => (letters(Object::Database.privileges(None)), "Tc"),
        "n" => (letters(Object::Schema(String::new()).privileges(None)), ""),
        "f" => ("X".into(), "X"),
        "l" | "T" => ("U".into(), "U"),
        "L" => ("rw".into(), ""),
        "t" => ("C".into(), ""),
        "F" | "S" => ("U".into(), ""),
        "p" => ("sA".into(), ""),
        _ => return None,
    })
}

/// The list of an owner's letters and of everybody's.
pub fn default_items(context: &SystemContext, owner: RoleId, (own, everybodys): (String, &str)) -> Cell {
    let name = ident(&context.role_name(owner));
    let item = |to: &str, letters: &str| (!letters.is_empty()).then(|| Cell::Text(format!("{to}={letters}/{name}")));
    Cell::List(item("", everybodys).into_iter().chain(item(&name, &own)).collect())
}

/// One privilege of an access control list.
pub struct Line {
    pub grantor: RoleId,
    pub grantee: RoleId,
    pub privilege: &'static str,
    pub grantable: bool,
}

/// The privileges in the text of a list of items; what is no item is left out.
pub fn exploded(context: &SystemContext, items: &str) -> Vec<Line> {
    let inner = items.trim_matches(['[', ']', '{', '}']);
    let mut quoted = false;
    let apart = inner.split(|c| {
        quoted ^= c == '"';
        c == ',' && !quoted
    });
    apart.filter_map(|item| lines(context, item.trim())).flatten().collect()
}

fn lines(context: &SystemContext, item: &str) -> Option<Vec<Line>> {
    let role = |name: &str| match name {
        "" => Some(PUBLIC),
        name => Reg::Role.look_up(context, name).ok().flatten(),
    };
    let (grantee, rest) = item.rsplit_once('=')?;
    let (letters, grantor) = rest.split_once('/')?;
    let (grantee, grantor) = (role(grantee)?, role(grantor)?);
    let mut found: Vec<Line> = Vec::new();
    for letter in letters.chars() {
        match (letter, found.last_mut()) {
            ('*', Some(line)) => line.grantable = true,
            _ => found.extend(name_of(letter).map(|privilege| Line { grantor, grantee, privilege, grantable: false })),
        }
    }
    Some(found)
}

/// Privileges that only objects of PostgreSQL's have.
const FOREIGN: [(char, &str); 3] = [('X', "EXECUTE"), ('s', "SET"), ('A', "ALTER SYSTEM")];

fn name_of(letter: char) -> Option<&'static str> {
    Privileges::of_letter(letter).or_else(|| FOREIGN.iter().find(|(l, _)| *l == letter).map(|(_, name)| *name))
}

/// What is shown in the place of what a session may not see.
const HIDDEN: &str = "<insufficient privilege>";

/// What a session is shown of the statement that another one runs.
pub fn shown_query<'a>(context: &SystemContext, session: &'a SessionStatus) -> &'a str {
    if may_watch(context, session) { &session.query } else { HIDDEN }
}

/// True if a session is shown what another one does, and where its client is.
pub fn may_watch(context: &SystemContext, session: &SessionStatus) -> bool {
    let own = session.role == context.role && session.process_id == context.process_id;
    own || context.is_superuser() || {
        let roles = context.scope.roles().inherits(context.role);
        roles.contains(&session.role) || roles.contains(&READ_ALL_STATS)
    }
}

/// What a session is shown of why a view has failed: that may tell values of the rows that it reads.
pub fn shown_error(context: &SystemContext, view: &Relation, error: Option<String>) -> Option<String> {
    let may = context.may_touch(view, Privileges::SELECT) || context.scope.roles().inherits(context.role).contains(&READ_ALL_STATS);
    error.map(|text| if may { text } else { HIDDEN.into() })
}
