//! Names and object ids: what `::regclass`, `::regtype` and their kin read and print, and the ids of things derived from relations.
//!
//! A relation's oid is its number in the catalog. What PostgreSQL keeps beside a relation gets its oid by adding a constant
//! to the relation's, so that an oid never changes: the row type, its array, the index and the constraint of the primary key;
//! other indexes and constraints have numbers of their own, to which the same is added. The other way round with a composite type, whose
//! number is its own: the relation that pg_class has for it gets its oid by adding.

use sqlparser::ast::Expr;

use crate::catalog::{Answers, Column, Function, Name, NamespaceId, Path, Relation, RelationKind, RoutineKind, UserType, listed};
use crate::data::PgType;
use crate::data::enums::ARRAY_OF;
use crate::data::quoting::ident;
use crate::error::{Error, Result, code};
pub use crate::sql::convert::name_parts as parts;
use crate::sql::parse::written_expression;
use crate::sql::respell;

use super::SystemContext;
use super::deparse::{self, Style};
use super::facts::{self, PROCS, Proc, SHAPES};
use super::keys::indexes;

/// Added to a relation's oid: the index of its primary key.
pub const INDEX: u32 = 1 << 30;
/// Added to a relation's oid: the constraint of its primary key.
pub const CONSTRAINT: u32 = (1 << 30) + (1 << 28);
/// Added to a relation's oid: its row type. Added to a composite type's: its relation.
pub const ROW_TYPE: u32 = 1 << 29;
/// Added to a relation's oid: the array of its row type.
pub const ROW_ARRAY: u32 = ARRAY_OF;
/// The oid of the one role that owns everything, PostgreSQL's bootstrap superuser.
pub const OWNER: u32 = 10;
/// The oid of the database.
pub const DATABASE: u32 = 5;

/// pg_class.relkind of a user relation.
pub fn relkind(relation: &Relation) -> &'static str {
    match relation.kind {
        _ if relation.partitioning.is_some() => "p",
        RelationKind::Stream | RelationKind::Table | RelationKind::Partition => "r",
        RelationKind::MaterializedView => "m",
        RelationKind::View => "v",
    }
}

/// The kinds of names that have a `reg..` type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reg {
    Class,
    Type,
    Proc,
    /// A function with the types of its arguments.
    Procedure,
    Namespace,
    Role,
    Collation,
    Operator,
}

impl Reg {
    /// By the name of the type: `regclass`, `regtype` ...
    pub fn parse(name: &str) -> Option<Reg> {
        Some(match name.to_ascii_lowercase().as_str() {
            "regclass" => Reg::Class,
            "regtype" => Reg::Type,
            "regproc" => Reg::Proc,
            "regprocedure" => Reg::Procedure,
            "regnamespace" => Reg::Namespace,
            "regrole" => Reg::Role,
            "regcollation" => Reg::Collation,
            "regoper" | "regoperator" => Reg::Operator,
            _ => return None,
        })
    }

    /// The oid that the text means: a number, `-`, or a name. Errors: 42P01, 42704, 42883, 3F000 for a name that does not exist.
    pub fn read(self, context: &SystemContext, text: &str) -> Result<u32> {
        if text == "-" {
            return Ok(0);
        }
        if let Ok(oid) = text.parse() {
            return Ok(oid);
        }
        self.look_up(context, text)?.ok_or_else(|| {
            let (code, message) = match self {
                Reg::Class => return missing_class(context, text),
                Reg::Type => (code::UNDEFINED_OBJECT, format!("type \"{text}\" does not exist")),
                Reg::Proc | Reg::Procedure => (code::UNDEFINED_FUNCTION, format!("function \"{text}\" does not exist")),
                Reg::Namespace => (code::INVALID_SCHEMA_NAME, format!("schema \"{text}\" does not exist")),
                Reg::Role => (code::UNDEFINED_OBJECT, format!("role \"{text}\" does not exist")),
                Reg::Collation => (code::UNDEFINED_OBJECT, format!("collation \"{text}\" does not exist")),
                Reg::Operator => (code::UNDEFINED_FUNCTION, format!("operator does not exist: {text}")),
            };
            Error::new(code, message)
        })
    }

    /// The oid of a name, if there is one. Errors: 42501 for a relation or a function in a schema, which the name says, that the session may not use.
    pub fn look_up(self, context: &SystemContext, text: &str) -> Result<Option<u32>> {
        if self == Reg::Type {
            return Ok(type_oid(context, text));
        }
        let (bare, arguments) = match self {
            Reg::Proc | Reg::Procedure => text.split_once('(').map_or((text, None), |(name, rest)| (name, Some(rest))),
            _ => (text, None),
        };
        let parts = parts(bare)?;
        let (schema, name) = match parts.as_slice() {
            [name] => (None, name.as_str()),
            [.., schema, name] => (Some(schema.as_str()), name.as_str()),
            [] => return Ok(None),
        };
        if let (Reg::Class | Reg::Proc | Reg::Procedure, Some(namespace)) = (self, schema.and_then(|name| context.scope.namespace_id(name)))
        {
            context.check_usable(namespace)?;
        }
        Ok(match self {
            Reg::Class => class_oid(context, schema, name),
            Reg::Proc => {
                let of_user = || user_functions(context, schema, name).next().map(|f| f.id);
                PROCS.iter().find(|p| is_of_system(schema) && p.name == name).map(|p| p.oid).or_else(of_user)
            }
            Reg::Procedure => {
                let types = arguments.and_then(|rest| rest.trim_end().strip_suffix(')')).ok_or_else(no_arguments)?;
                let types = types.split(',').map(str::trim).filter(|ty| !ty.is_empty()).map(|ty| type_oid(context, ty));
                let types = types.collect::<Option<Vec<u32>>>();
                let of_types = |f: &&Function| Some(f.types().iter().map(PgType::oid).collect::<Vec<u32>>()) == types;
                let of_user = || user_functions(context, schema, name).find(of_types).map(|f| f.id);
                let fits = |p: &&Proc| is_of_system(schema) && p.name == name && Some(p.types()) == types;
                PROCS.iter().find(fits).map(|p| p.oid).or_else(of_user)
            }
            Reg::Namespace => context.scope.namespace_id(name),
            Reg::Role => role_oid(context, name),
            Reg::Collation => [(100, "default"), (950, "c"), (950, "C"), (951, "POSIX")].iter().find(|c| c.1 == name).map(|c| c.0),
            Reg::Operator => facts::operators().find(|o| o[1] == name).map(|o| facts::number(o[0]) as u32),
            Reg::Type => None,
        })
    }

    /// The name of an oid as PostgreSQL prints it; the number itself if nothing has it, `-` for 0.
    pub fn print(self, context: &SystemContext, oid: u32) -> String {
        if oid == 0 {
            return "-".into();
        }
        let name = match self {
            Reg::Class => class_name(context, oid),
            Reg::Type => type_name(context, oid, None),
            Reg::Proc | Reg::Procedure if context.scope.function(oid).is_some() => {
                context.scope.function(oid).map(|f| function_name(context, f, self == Reg::Procedure))
            }
            Reg::Proc => PROCS.iter().find(|p| p.oid == oid).map(|p| p.name.to_string()),
            Reg::Procedure => PROCS.iter().find(|p| p.oid == oid).map(|p| {
                let types = p.types().into_iter().map(|ty| type_name(context, ty, None).unwrap_or_else(|| ty.to_string()));
                format!("{}({})", p.name, types.collect::<Vec<_>>().join(","))
            }),
            Reg::Namespace => Some(context.scope.namespace_name(oid)).filter(|name| !name.is_empty()).map(ident),
            Reg::Role => context.scope.roles().by_id(oid).map(|_| ident(&context.role_name(oid))),
            Reg::Collation => {
                [(100, "\"default\""), (950, "\"C\""), (951, "\"POSIX\"")].iter().find(|c| c.0 == oid).map(|c| c.1.to_string())
            }
            Reg::Operator => facts::operators().find(|o| facts::number(o[0]) == i64::from(oid)).map(|o| o[1].to_string()),
        };
        name.unwrap_or_else(|| oid.to_string())
    }
}

/// True for the name of the schema that PostgreSQL's own functions are in, and for none.
fn is_of_system(schema: Option<&str>) -> bool {
    schema.is_none_or(|schema| schema == "pg_catalog")
}

/// The functions of users that a name means.
fn user_functions<'a>(context: &'a SystemContext, schema: Option<&'a str>, name: &'a str) -> impl Iterator<Item = &'a Function> {
    let path = context.scope.path.namespaces().iter().copied();
    let places: Vec<NamespaceId> = match schema {
        Some(schema) => context.scope.namespace_id(schema).into_iter().collect(),
        None => path.collect(),
    };
    places.into_iter().flat_map(move |id| context.scope.functions_in(id, name)).map(AsRef::as_ref)
}

/// The name of a function of a user, with its schema where it is not found without.
fn function_name(context: &SystemContext, function: &Function, types: bool) -> String {
    let name = match context.scope.is_visible_function(function) {
        true => Name::bare(&function.name),
        false => Name::qualified(context.scope.namespace_name(function.namespace), &function.name),
    };
    let types = if types { format!("({})", listed(&function.types(), ",")) } else { String::new() };
    format!("{}{types}", name.in_sql())
}

/// The oid of the pseudo-type trigger.
const TRIGGER: u32 = 2279;

/// The oid of the type of what a function of a user answers.
pub fn result_oid(context: &SystemContext, function: &Function) -> u32 {
    match (&function.answers, function.outputs.as_slice()) {
        _ if function.kind() == RoutineKind::Trigger => TRIGGER,
        (_, []) => PgType::Void.oid(),
        _ if function.kind() == RoutineKind::Procedure => PgType::Record.oid(),
        (Answers::Row(name), _) => {
            let known = function.routine.as_ref().and_then(|routine| context.scope.by_id(routine.row?));
            let relation = known.or_else(|| respell::read_name(name).and_then(|name| context.scope.find(&name)));
            let composite = || respell::read_name(name).and_then(|name| context.scope.find_type(&name)).map(|ty| ty.id);
            relation.map(|r| r.id + ROW_TYPE).or_else(composite).unwrap_or_else(|| PgType::Record.oid())
        }
        (_, [one]) => one.ty.oid(),
        _ => PgType::Record.oid(),
    }
}

fn no_arguments() -> Error {
    Error::new(code::INVALID_TEXT_REPRESENTATION, "expected a left parenthesis")
        .hint("Write the types of the arguments, as in 'abs(integer)'.")
}

/// The oid of a role; of the first superuser by the name that the session has for it, too.
fn role_oid(context: &SystemContext, name: &str) -> Option<u32> {
    let known = context.scope.roles().find(name).map(|role| role.id);
    known.or_else(|| (name == context.role_name(OWNER) || name == "postgres").then_some(OWNER))
}

/// The oid of a relation, sequence or index: of pg_catalog first, then along the path.
pub fn class_oid(context: &SystemContext, schema: Option<&str>, name: &str) -> Option<u32> {
    let system = |schema: &str| facts::find(schema, name).map(|s| s.oid);
    let scope = &context.scope;
    let within = |namespace: NamespaceId| {
        let relation = scope.find_in(namespace, name).map(|r| r.id);
        let sequence = || scope.find_sequence_in(namespace, name).map(|s| s.id);
        let index = || indexes(scope).into_iter().find(|i| i.relation.namespace == namespace && i.index.name == name).map(|i| i.oid);
        let composite = || scope.find_type_in(namespace, name).filter(|ty| ty.attributes().is_some()).map(|ty| ty.id + ROW_TYPE);
        relation.or_else(sequence).or_else(index).or_else(composite).or_else(|| system(scope.namespace_name(namespace)))
    };
    match schema {
        None => system("pg_catalog").or_else(|| scope.path.namespaces().iter().find_map(|namespace| within(*namespace))),
        Some(schema) => within(scope.namespace_id(schema)?),
    }
}

/// The error of a text that names no relation.
fn missing_class(context: &SystemContext, text: &str) -> Error {
    let name = parts(text).ok().and_then(|mut parts| Some((parts.pop()?, parts.pop())));
    let (name, schema) = name.unwrap_or_else(|| (text.to_string(), None));
    let name = Name { schema, name };
    context.scope.check_schema(&name).map_or_else(|e| e, |()| context.scope.missing(&name))
}

/// The schema and the name of a relation, sequence or index of users.
fn class_place(context: &SystemContext, oid: u32) -> Option<(NamespaceId, String)> {
    let scope = &context.scope;
    let relation = scope.by_id(oid).map(|r| (r.namespace, r.name.clone()));
    let sequence = || scope.sequences.get(oid).map(|s| (s.namespace, s.name.clone()));
    let index = || indexes(scope).into_iter().find(|i| i.oid == oid).map(|i| (i.relation.namespace, i.index.name.clone()));
    let composite = || composite_of_class(context, oid).map(|ty| (ty.namespace, ty.name.clone()));
    relation.or_else(sequence).or_else(index).or_else(composite)
}

/// The composite type whose relation has that oid.
fn composite_of_class(context: &SystemContext, oid: u32) -> Option<&UserType> {
    context.scope.user_type(oid.checked_sub(ROW_TYPE)?).map(AsRef::as_ref).filter(|ty| ty.attributes().is_some())
}

/// True if a relation, sequence or index is found by its name without a schema; `None` for an oid that nothing has.
pub fn is_visible(context: &SystemContext, oid: u32) -> Option<bool> {
    match class_place(context, oid) {
        Some((_, _)) if let Some(ty) = composite_of_class(context, oid) => Some(context.scope.shown_type(ty).schema.is_none()),
        Some((namespace, name)) => Some(context.scope.is_visible(namespace, &name)),
        None => SHAPES.iter().find(|s| s.oid == oid).map(|s| {
            let listed = || context.scope.path.namespaces().iter().any(|id| context.scope.namespace_name(*id) == s.schema);
            s.schema == "pg_catalog" || listed()
        }),
    }
}

/// The name of a relation as the session has to write it.
pub fn shown(context: &SystemContext, relation: &Relation) -> String {
    context.scope.shown(relation.namespace, &relation.name).in_sql()
}

fn class_name(context: &SystemContext, oid: u32) -> Option<String> {
    if let Some((namespace, name)) = class_place(context, oid) {
        return Some(context.scope.shown(namespace, &name).in_sql());
    }
    let shape = SHAPES.iter().find(|s| s.oid == oid)?;
    Some(if is_visible(context, oid) == Some(true) { shape.name.to_string() } else { format!("{}.{}", shape.schema, shape.name) })
}

/// The oid of a type by its name in SQL or in pg_type; relations' row types included.
pub fn type_oid(context: &SystemContext, text: &str) -> Option<u32> {
    let mut text = text.trim();
    // Arrays of all dimensions are of one type.
    while text.ends_with("[][]") {
        text = &text[..text.len() - "[]".len()];
    }
    let bare = text;
    let bare = ["pg_catalog.", "\"pg_catalog\"."].iter().find_map(|s| bare.strip_prefix(s)).unwrap_or(bare);
    let quoted = bare.strip_prefix('"').and_then(|b| b.strip_suffix('"')).filter(|b| *b != "char" && !b.contains('"'));
    let bare = quoted.unwrap_or(bare);
    // Types that no column has but that clients compare others with.
    if let Some(oid) =
        [("trigger", 2279), ("event_trigger", 3838), ("anyarray", 2277), ("cstring", 2275), ("internal", 2281), ("bit", 1560)]
            .iter()
            .find(|p| p.0 == bare)
            .map(|p| p.1)
    {
        return Some(oid);
    }
    if let Some(item) = bare.strip_prefix('_')
        && let Ok(item) = PgType::parse(item)
    {
        return Some(PgType::Array(Box::new(item)).oid()).filter(|oid| *oid != 0);
    }
    let known = if bare == "char" || bare == "\"char\"" {
        Ok(if bare == "char" { PgType::Bpchar(1) } else { PgType::Char })
    } else {
        PgType::parse(bare)
    };
    let known = known.ok().filter(|t| !matches!(t, PgType::Array(item) if matches!(**item, PgType::Array(_)))).map(|t| t.oid());
    known.or_else(|| of_users(context, text))
}

/// The oid of a type of a user, or of a relation's row type, or of an array of one.
fn of_users(context: &SystemContext, text: &str) -> Option<u32> {
    if let Some(item) = text.strip_suffix("[]") {
        return context.scope.find_type(&respell::read_name(item)?).map(|ty| ty.id + ARRAY_OF);
    }
    let name = respell::read_name(text)?;
    let array = || context.scope.find_type(&Name { schema: name.schema.clone(), name: name.name.strip_prefix('_')?.to_string() });
    let own = context.scope.find_type(&name).map(|ty| ty.id).or_else(|| array().map(|ty| ty.id + ARRAY_OF));
    own.or_else(|| context.scope.find(&name).map(|r| r.id + ROW_TYPE))
}

/// The user's type of an oid, and whether the oid is that of its array.
pub fn users_type(context: &SystemContext, oid: u32) -> Option<(&UserType, bool)> {
    let of = |id: u32| context.scope.user_type(id).map(AsRef::as_ref);
    of(oid).map(|ty| (ty, false)).or_else(|| of(oid.checked_sub(ARRAY_OF)?).map(|ty| (ty, true)))
}

/// The name of a type of a user as the session has to write it.
pub fn shown_type(context: &SystemContext, ty: &UserType) -> String {
    context.scope.shown_type(ty).in_sql()
}

/// The text that stands for the name by which the catalog keeps a type of a user.
pub fn type_kept_as(context: &SystemContext, kept: &Name) -> Option<String> {
    context.scope.type_kept_as(&kept.name).map(|ty| shown_type(context, ty))
}

/// The schema that has to stand before a name in a text that the catalog keeps, where the session's path does not find the same by it.
pub fn schema_kept_as(context: &SystemContext, name: &str) -> Option<String> {
    let (scope, kept) = (&context.scope, Path::kept());
    let there = |id: &NamespaceId| scope.find_in(*id, name).is_some() || scope.find_sequence_in(*id, name).is_some();
    let found = kept.namespaces().iter().find(|id| there(id)).filter(|_| scope.path != kept)?;
    (!scope.is_visible(*found, name)).then(|| scope.namespace_name(*found).to_string())
}

/// The same without parentheses around it.
pub fn shown_bare(context: &SystemContext, kept: &str) -> String {
    let shown = shown_expression(context, kept);
    let Ok(mut expr) = written_expression(&shown) else { return shown };
    let mut bare = None;
    while let Expr::Nested(inner) = expr {
        expr = *inner;
        bare = Some(respell::with_plain_types(&expr.to_string()));
    }
    bare.unwrap_or(shown)
}

/// An expression that the catalog keeps, with types of users as the session has to write them.
pub fn shown_expression(context: &SystemContext, kept: &str) -> String {
    let schema_of = |name: &str| schema_kept_as(context, name);
    let shown = respell::expression(kept, &schema_of, &|name| type_kept_as(context, name)).unwrap_or_else(|_| kept.to_string());
    respell::with_plain_types(&shown)
}

/// The expression of a generated column, as PostgreSQL prints it again.
pub fn shown_generation(context: &SystemContext, relation: &Relation, column: &Column, style: Style) -> Option<String> {
    column.generated.as_ref().map(|sql| deparse::expression(relation, &shown_expression(context, sql), style))
}

/// The SQL name of a type, as format_type() prints it; `None` if nothing has that oid. A modifier of -1 says that there is none.
pub fn type_name(context: &SystemContext, oid: u32, typmod: Option<i32>) -> Option<String> {
    if let Some(ty) = PgType::from_oid(oid) {
        return Some(match (&ty, typmod) {
            (PgType::Array(item), m) => format!("{}[]", with_modifier(item, m)),
            (scalar, m) => with_modifier(scalar, m),
        });
    }
    if let Some((ty, array)) = users_type(context, oid) {
        return Some(format!("{}{}", shown_type(context, ty), if array { "[]" } else { "" }));
    }
    let row = |base: u32| oid.checked_sub(base).and_then(|id| context.scope.by_id(id)).map(|r| shown(context, r));
    let pseudo = [
        (1560, "bit"),
        (2275, "cstring"),
        (2276, "\"any\""),
        (2277, "anyarray"),
        (2279, "trigger"),
        (2281, "internal"),
        (2283, "anyelement"),
    ];
    let pseudo = pseudo.iter().find(|p| p.0 == oid).map(|p| p.1.to_string());
    pseudo.or_else(|| row(ROW_ARRAY).map(|name| format!("{name}[]"))).or_else(|| row(ROW_TYPE))
}

fn with_modifier(ty: &PgType, typmod: Option<i32>) -> String {
    let Some(typmod) = typmod else { return ty.to_string() };
    let modifier = typmod - 4;
    match ty {
        // The word character alone would be read as character(1).
        PgType::Bpchar(_) if typmod < 0 => ty.typname(),
        PgType::Numeric(_) if typmod > 3 => format!("numeric({},{})", modifier >> 16 & 0xffff, modifier & 0x7ff),
        PgType::Varchar(_) if typmod > 3 => format!("character varying({modifier})"),
        PgType::Bpchar(_) if typmod > 3 => format!("character({modifier})"),
        PgType::Timestamp | PgType::Timestamptz | PgType::Time if typmod >= 0 => {
            let plain = ty.to_string();
            let (word, rest) = plain.split_once(' ').unwrap_or((plain.as_str(), ""));
            format!("{word}({typmod}) {rest}")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_split_as_postgresql_does() {
        assert_eq!(parts(r#"Public."A.""b""#).unwrap(), ["public", "A.\"b"]);
        assert!(parts("\"open").is_err());
    }

    #[test]
    fn system_names_are_looked_up_both_ways() {
        let context = SystemContext::default();
        assert_eq!(Reg::Class.read(&context, "pg_catalog.pg_class").unwrap(), 1259);
        assert_eq!(Reg::Class.print(&context, 1259), "pg_class");
        assert_eq!(Reg::Type.read(&context, "character varying").unwrap(), 1043);
        assert_eq!(Reg::Type.read(&context, "int4[]").unwrap(), 1007);
        assert_eq!(Reg::Proc.read(&context, "array_in").unwrap(), 750);
        assert_eq!(Reg::Procedure.read(&context, "pg_catalog.abs(int)").unwrap(), 1397);
        assert_eq!(Reg::Procedure.print(&context, 1397), "abs(integer)");
        assert_eq!(Reg::Procedure.print(&context, 1299), "now()");
        assert_eq!(Reg::Procedure.read(&context, "abs(text)").unwrap_err().code(), code::UNDEFINED_FUNCTION);
        assert_eq!(Reg::Class.read(&context, "nothing").unwrap_err().code(), code::UNDEFINED_TABLE);
        assert_eq!(type_name(&context, 1700, Some((10 << 16 | 2) + 4)).unwrap(), "numeric(10,2)");
    }
}
