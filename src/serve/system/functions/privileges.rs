//! `has_table_privilege` and its kin: what a role may do, from the catalog.
//!
//! Each takes the role first or, left out, means the current one; roles and objects are named or given by their oids.

use super::Row;
use crate::catalog::{BOOTSTRAP, Granted, Object, PUBLIC, Privileges, RelationKind, RoleId};
use crate::error::{Error, Result, code};
use crate::serve::system::SystemContext;
use crate::serve::system::acl;
use crate::serve::system::facts::{PROCS, SHAPES};
use crate::serve::system::names::{DATABASE, OWNER, Reg};
use crate::serve::system::rows::Cell;
use crate::sql::hidden::HIDDEN;

/// The role and the rest of the arguments, of which there are `count`; `None` if one is null.
fn arguments<'a>(context: &SystemContext, row: Row<'a>, count: usize) -> Result<Option<(RoleId, Vec<&'a str>)>> {
    let Some(texts) = row.iter().copied().collect::<Option<Vec<&str>>>() else { return Ok(None) };
    if texts.len() == count {
        return Ok(Some((context.role, texts)));
    }
    if texts.len() != count + 1 {
        return Err(Error::new(code::UNDEFINED_FUNCTION, "function does not exist").hint("It takes another number of arguments."));
    }
    Ok(Some((role(context, texts[0])?, texts[1..].to_vec())))
}

fn role(context: &SystemContext, text: &str) -> Result<RoleId> {
    if let Ok(oid) = text.parse() {
        return Ok(oid);
    }
    if text == "public" {
        return Ok(PUBLIC);
    }
    match Reg::Role.look_up(context, &format!("\"{}\"", text.replace('"', "\"\"")))? {
        Some(id) => Ok(id),
        None => context.scope.roles().get(text).map(|r| r.id),
    }
}

/// True if one of the privileges listed is held, each with its grant option where that is said.
fn any(list: &str, held: Granted, known: &[&str]) -> Result<Cell> {
    let mut holds = false;
    for item in list.split(',') {
        let item = item.trim().to_ascii_uppercase();
        let (name, option) = match item.strip_suffix("WITH GRANT OPTION") {
            Some(name) => (name.trim().to_string(), true),
            None => (item, false),
        };
        let privilege = Privileges::named(&name).filter(|_| known.contains(&name.as_str()));
        let privilege = privilege
            .ok_or_else(|| Error::new(code::INVALID_PARAMETER_VALUE, format!("unrecognized privilege type: \"{}\"", list.trim())))?;
        holds |= if option { held.options } else { held.privileges }.has(privilege);
    }
    Ok(holds.into())
}

const ON_TABLES: &[&str] = &["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"];
const ON_COLUMNS: &[&str] = &["SELECT", "INSERT", "UPDATE", "REFERENCES"];
const ON_SEQUENCES: &[&str] = &["USAGE", "SELECT", "UPDATE"];
const EVERYTHING: Granted = Granted { privileges: ALL, options: ALL };
const ALL: Privileges =
    Privileges::OF_COLUMNS.and(Privileges::DELETE).and(Privileges::TRUNCATE).and(Privileges::TRIGGER).and(Privileges::USAGE);

/// The oid of a relation, sequence or system relation by its name or its oid. Errors: 42P01.
fn class(context: &SystemContext, text: &str) -> Result<u32> {
    if let Ok(oid) = text.parse() {
        return Ok(oid);
    }
    let missing = || Error::new(code::UNDEFINED_TABLE, format!("relation \"{text}\" does not exist"));
    Reg::Class.look_up(context, text)?.ok_or_else(missing)
}

/// What a role holds on what has that oid in pg_class; `None` if nothing has.
fn on_class(context: &SystemContext, role: RoleId, oid: u32) -> Option<Granted> {
    let (scope, roles) = (&context.scope, context.scope.roles());
    if let Some(relation) = scope.by_id(oid) {
        return Some(roles.on_relation(role, relation));
    }
    if let Some(sequence) = scope.sequences.get(oid) {
        return Some(roles.on(role, &Object::Sequence(oid), scope.sequence_owner(sequence), Privileges::ON_SEQUENCE));
    }
    let shape = SHAPES.iter().find(|s| s.oid == oid)?;
    let secret = ["pg_authid", "pg_shadow"].contains(&shape.name);
    Some(match (roles.is_superuser(role), secret) {
        (true, _) => EVERYTHING,
        (false, true) => Granted::default(),
        (false, false) => Granted { privileges: Privileges::SELECT, options: Privileges::NONE },
    })
}

/// True if policies apply to what the current role reads of a relation.
pub fn row_security_active(context: &SystemContext, row: Row) -> Result<Cell> {
    let Some(text) = row[0] else { return Ok(Cell::Null) };
    let oid = class(context, text)?;
    Ok(context.scope.by_id(oid).is_some_and(|relation| context.scope.secures(relation, context.role)).into())
}

/// The names of roles, given and answered with commas between them, in order.
pub fn role_names(context: &SystemContext, row: Row) -> Result<Cell> {
    let Some(text) = row[0] else { return Ok(Cell::Null) };
    let mut names: Vec<String> = text.split(',').filter_map(|oid| oid.parse().ok()).map(|oid| context.role_name(oid)).collect();
    names.sort();
    Ok(names.join(",").into())
}

pub fn on_table(context: &SystemContext, row: Row) -> Result<Cell> {
    let Some((role, rest)) = arguments(context, row, 2)? else { return Ok(Cell::Null) };
    on_class(context, role, class(context, rest[0])?).map_or(Ok(Cell::Null), |held| any(rest[1], held, ON_TABLES))
}

/// Of a column by its name or its number. Errors: 42703 for a name.
pub fn on_column(context: &SystemContext, row: Row) -> Result<Cell> {
    let Some((role, rest)) = arguments(context, row, 3)? else { return Ok(Cell::Null) };
    let oid = class(context, rest[0])?;
    let Some(whole) = on_class(context, role, oid) else { return Ok(Cell::Null) };
    let Some(relation) = context.scope.by_id(oid) else { return any(rest[2], whole, ON_COLUMNS) };
    let column = match rest[1].parse::<usize>() {
        Ok(number) => relation.columns.get(number.wrapping_sub(1)),
        // Those of the log go with the whole stream.
        Err(_) if relation.kind == RelationKind::Stream && HIDDEN.contains(&rest[1]) => return any(rest[2], whole, ON_COLUMNS),
        Err(_) => Some(&relation.columns[relation.column(rest[1])?]),
    };
    column.map_or(Ok(Cell::Null), |column| any(rest[2], context.scope.roles().on_column(role, relation, &column.name), ON_COLUMNS))
}

pub fn on_any_column(context: &SystemContext, row: Row) -> Result<Cell> {
    let Some((role, rest)) = arguments(context, row, 2)? else { return Ok(Cell::Null) };
    let oid = class(context, rest[0])?;
    let Some(whole) = on_class(context, role, oid) else { return Ok(Cell::Null) };
    let columns = context.scope.by_id(oid).into_iter().flat_map(|r| r.columns.iter().map(move |column| (r, column)));
    let held = columns.fold(whole, |held, (relation, column)| {
        let own = context.scope.roles().on_column(role, relation, &column.name);
        Granted { privileges: held.privileges.and(own.privileges), options: held.options.and(own.options) }
    });
    any(rest[1], held, ON_COLUMNS)
}

/// Errors: 42809 for what is no sequence.
pub fn on_sequence(context: &SystemContext, row: Row) -> Result<Cell> {
    let Some((role, rest)) = arguments(context, row, 2)? else { return Ok(Cell::Null) };
    let oid = class(context, rest[0])?;
    let Some(held) = on_class(context, role, oid) else { return Ok(Cell::Null) };
    if context.scope.sequences.get(oid).is_none() {
        return Err(Error::new(code::WRONG_OBJECT_TYPE, format!("\"{}\" is not a sequence", rest[0])));
    }
    any(rest[1], held, ON_SEQUENCES)
}

pub fn on_schema(context: &SystemContext, row: Row) -> Result<Cell> {
    let Some((role, rest)) = arguments(context, row, 2)? else { return Ok(Cell::Null) };
    let scope = &context.scope;
    let oid = match rest[0].parse::<u32>() {
        Ok(oid) => oid,
        Err(_) => scope.namespace_id(rest[0]).map_or_else(|| scope.get_namespace(rest[0]).map(|n| n.id), Ok)?,
    };
    let (name, user) = (scope.namespace_name(oid), scope.namespace(oid));
    if name.is_empty() {
        return Ok(Cell::Null);
    }
    let object = Object::Schema(name.to_string());
    let mut held = scope.roles().on(role, &object, user.map_or(BOOTSTRAP, |n| n.owner), object.privileges(None));
    if user.is_none() {
        held.privileges = held.privileges.and(Privileges::USAGE);
    }
    any(rest[1], held, &["CREATE", "USAGE"])
}

/// Of a function by its name and types or its oid. Errors: 42883.
pub fn on_function(context: &SystemContext, row: Row) -> Result<Cell> {
    let Some((role, rest)) = arguments(context, row, 2)? else { return Ok(Cell::Null) };
    let missing = || Error::new(code::UNDEFINED_FUNCTION, format!("function \"{}\" does not exist", rest[0]));
    let oid = match rest[0].parse::<u32>() {
        Ok(oid) => oid,
        Err(_) => Reg::Procedure.look_up(context, rest[0])?.ok_or_else(missing)?,
    };
    let object = Object::Function(oid);
    let held = match context.scope.function(oid) {
        Some(function) => context.scope.roles().on(role, &object, function.owner, object.privileges(None)),
        // Those of the system are everybody's.
        None if PROCS.iter().any(|p| p.oid == oid) => Granted { privileges: Privileges::EXECUTE, options: Privileges::NONE },
        None => return Ok(Cell::Null),
    };
    any(rest[1], held, &["EXECUTE"])
}

pub fn on_database(context: &SystemContext, row: Row) -> Result<Cell> {
    let Some((role, rest)) = arguments(context, row, 2)? else { return Ok(Cell::Null) };
    match rest[0].parse::<u32>() {
        Ok(DATABASE) => {}
        Ok(_) => return Ok(Cell::Null),
        Err(_) if rest[0] == context.database => {}
        Err(_) => return Err(Error::new(code::INVALID_CATALOG_NAME, format!("database \"{}\" does not exist", rest[0]))),
    }
    let held = context.scope.roles().on(role, &Object::Database, BOOTSTRAP, Object::Database.privileges(None));
    any(rest[1], held, &["CREATE", "CONNECT", "TEMPORARY", "TEMP"])
}

/// What only superusers may: settings of the server, tablespaces.
pub fn superuser(context: &SystemContext, row: Row) -> Result<Cell> {
    let Some((role, _)) = arguments(context, row, 2)? else { return Ok(Cell::Null) };
    Ok(context.scope.roles().is_superuser(role).into())
}

/// `MEMBER`: may become that role. `USAGE`: has its privileges without that.
pub fn has_role(context: &SystemContext, row: Row) -> Result<Cell> {
    let Some((member, rest)) = arguments(context, row, 2)? else { return Ok(Cell::Null) };
    let group = role(context, rest[0])?;
    let roles = context.scope.roles();
    let mut holds = roles.is_superuser(member);
    for item in rest[1].split(',') {
        let item = item.trim().to_ascii_uppercase();
        let admin = item.ends_with("WITH ADMIN OPTION") || item.ends_with("WITH GRANT OPTION");
        holds |= match item.split_whitespace().next() {
            Some("MEMBER" | "USAGE" | "SET") if admin => {
                roles.member_of(member).iter().any(|own| roles.membership(group, *own).is_some_and(|m| m.admin))
            }
            Some("USAGE") => roles.inherits(member).contains(&group),
            Some("MEMBER" | "SET") => roles.member_of(member).contains(&group),
            _ => {
                let message = format!("unrecognized privilege type: \"{}\"", rest[1].trim());
                return Err(Error::new(code::INVALID_PARAMETER_VALUE, message));
            }
        };
    }
    Ok(holds.into())
}

/// The name of a role.
pub fn user_by_id(context: &SystemContext, row: Row) -> Result<Cell> {
    Ok(row[0].and_then(|oid| oid.parse().ok()).map(|oid: u32| context.role_name(if oid == OWNER { BOOTSTRAP } else { oid })).into())
}

/// `acldefault(kind, owner)`: what objects of that kind begin with.
pub fn acl_default(context: &SystemContext, row: Row) -> Result<Cell> {
    let (Some(kind), Some(owner)) = (row[0], row[1].and_then(|oid| oid.parse().ok())) else { return Ok(Cell::Null) };
    let letters = acl::default_letters(kind).ok_or_else(|| {
        let message = format!("unrecognized object type abbreviation: {}", kind.bytes().next().unwrap_or_default());
        Error::new(code::INVALID_PARAMETER_VALUE, message)
    })?;
    Ok(acl::default_items(context, owner, letters))
}

/// A column of what `aclexplode` gives: grantor, grantee, privilege, whether it may be granted on; one line for each privilege.
pub fn acl_column(context: &SystemContext, row: Row, column: usize) -> Result<Cell> {
    let Some(items) = row[0] else { return Ok(Cell::Null) };
    let cells = acl::exploded(context, items).into_iter().map(|line| match column {
        0 => line.grantor.into(),
        1 => line.grantee.into(),
        2 => line.privilege.into(),
        _ => line.grantable.into(),
    });
    Ok(Cell::List(cells.collect()))
}
