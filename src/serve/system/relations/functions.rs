//! What can be called and how: pg_proc, pg_operator, pg_cast, pg_opclass, pg_collation, pg_language, pg_am.

use super::super::SystemContext;
use super::super::acl::function_acl;
use super::super::facts::{self, PROCS};
use super::super::names::{self, OWNER};
use super::super::rows::{Cell, Rows};
use crate::catalog::{Answers, Column, Function, Language, Mode, RelationKind, RoutineKind};
use crate::data::PgType;
use crate::error::Result;

const PG_CATALOG: u32 = 11;

pub fn pg_proc(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    context.scope.functions().try_for_each(|f| of_user(context, f, rows))?;
    for p in PROCS.iter() {
        rows.add([
            ("oid", p.oid.into()),
            ("proname", p.name.into()),
            ("pronamespace", PG_CATALOG.into()),
            ("proowner", OWNER.into()),
            ("prolang", 12u32.into()),
            ("procost", Cell::Float(1.0)),
            ("prorows", Cell::Float(if p.returns_set { 1000.0 } else { 0.0 })),
            ("prokind", p.kind.into()),
            ("proisstrict", true.into()),
            ("proretset", p.returns_set.into()),
            ("provolatile", p.volatility.into()),
            ("proparallel", "s".into()),
            ("pronargs", p.arguments.split_whitespace().count().into()),
            ("prorettype", p.returns.into()),
            ("proargtypes", p.arguments.into()),
            ("prosrc", p.name.into()),
        ])?;
    }
    Ok(())
}

/// A function or a procedure of a user.
fn of_user(context: &SystemContext, f: &Function, rows: &mut Rows) -> Result<()> {
    let types = f.types();
    let all = f.parameters();
    let list = |cells: Vec<Cell>, there: bool| if there { Cell::List(cells) } else { Cell::Null };
    let gathers = |column: &Column| f.variadic && f.inputs.last().is_some_and(|last| std::ptr::eq(last, column));
    let letter = |mode: Mode, column: &Column| match mode {
        Mode::In if gathers(column) => "v",
        Mode::In => "i",
        Mode::InOut => "b",
        Mode::Out if f.answers == Answers::Table => "t",
        Mode::Out => "o",
    };
    let (moded, named) =
        (all.iter().any(|(mode, column)| *mode != Mode::In || gathers(column)), all.iter().any(|(_, c)| !c.name.is_empty()));
    let settings = f.routine.iter().flat_map(|r| &r.settings).filter_map(|(name, value)| Some(format!("{name}={}", value.as_ref()?)));
    let settings: Vec<Cell> = settings.map(Cell::from).collect();
    let has_settings = !settings.is_empty();
    let language = match f.language() {
        Language::Sql => SQL,
        Language::Plpgsql => PLPGSQL,
    };
    rows.add([
        ("oid", f.id.into()),
        ("proname", (&f.name).into()),
        ("pronamespace", f.namespace.into()),
        ("proowner", f.owner.into()),
        ("proacl", function_acl(context, f)),
        ("prolang", language.into()),
        ("procost", Cell::Float(100.0)),
        ("prorows", Cell::Float(if f.set { 1000.0 } else { 0.0 })),
        ("provariadic", item_of_rest(f).into()),
        ("prokind", if f.kind() == RoutineKind::Procedure { "p" } else { "f" }.into()),
        ("prosecdef", f.routine.as_ref().is_some_and(|r| r.definer).into()),
        ("proisstrict", f.strict.into()),
        ("proretset", f.set.into()),
        ("provolatile", f.volatility.letter().into()),
        ("proparallel", "u".into()),
        ("pronargs", types.len().into()),
        ("pronargdefaults", f.inputs.iter().filter(|input| input.default.is_some()).count().into()),
        ("prorettype", names::result_oid(context, f).into()),
        ("proargtypes", types.iter().map(|ty| ty.oid().to_string()).collect::<Vec<_>>().join(" ").into()),
        ("proallargtypes", list(all.iter().map(|(_, c)| c.ty.oid().into()).collect(), moded)),
        ("proargmodes", list(all.iter().map(|(mode, column)| letter(*mode, column).into()).collect(), moded)),
        ("proargnames", list(all.iter().map(|(_, c)| (&c.name).into()).collect(), named)),
        ("proconfig", list(settings, has_settings)),
        ("prosrc", if f.standard { "".into() } else { (&f.source).into() }),
    ])
}

/// The oid of the type of each argument that the last parameter gathers, 0 if it is as any other.
fn item_of_rest(function: &Function) -> u32 {
    match function.inputs.last().filter(|_| function.variadic).map(|last| &last.ty) {
        Some(PgType::Array(item)) => item.oid(),
        _ => 0,
    }
}

pub fn pg_operator(_: &SystemContext, rows: &mut Rows) -> Result<()> {
    let n = |cell: &str| Cell::Int(facts::number(cell));
    facts::operators().try_for_each(|o| {
        rows.add([
            ("oid", n(o[0])),
            ("oprname", o[1].into()),
            ("oprnamespace", PG_CATALOG.into()),
            ("oprowner", OWNER.into()),
            ("oprkind", o[2].into()),
            ("oprcanmerge", (o[3] == "t").into()),
            ("oprcanhash", (o[4] == "t").into()),
            ("oprleft", n(o[5])),
            ("oprright", n(o[6])),
            ("oprresult", n(o[7])),
            ("oprcom", n(o[8])),
            ("oprnegate", n(o[9])),
            ("oprcode", n(o[10])),
        ])
    })
}

pub fn pg_cast(_: &SystemContext, rows: &mut Rows) -> Result<()> {
    let n = |cell: &str| Cell::Int(facts::number(cell));
    facts::casts().try_for_each(|c| {
        rows.add([
            ("oid", n(c[0])),
            ("castsource", n(c[1])),
            ("casttarget", n(c[2])),
            ("castfunc", n(c[3])),
            ("castcontext", c[4].into()),
            ("castmethod", c[5].into()),
        ])
    })
}

pub fn pg_opclass(_: &SystemContext, rows: &mut Rows) -> Result<()> {
    let n = |cell: &str| Cell::Int(facts::number(cell));
    facts::opclasses().try_for_each(|c| {
        rows.add([
            ("oid", n(c[0])),
            ("opcmethod", n(c[3])),
            ("opcname", c[1].into()),
            ("opcnamespace", PG_CATALOG.into()),
            ("opcowner", OWNER.into()),
            ("opcfamily", n(c[5])),
            ("opcintype", n(c[2])),
            ("opcdefault", (c[4] == "t" || c[4] == "true").into()),
        ])
    })
}

pub fn pg_opfamily(_: &SystemContext, rows: &mut Rows) -> Result<()> {
    facts::opfamilies().try_for_each(|f| {
        rows.add([
            ("oid", Cell::Int(facts::number(f[0]))),
            ("opfmethod", Cell::Int(facts::number(f[1]))),
            ("opfname", f[2].into()),
            ("opfnamespace", PG_CATALOG.into()),
            ("opfowner", OWNER.into()),
        ])
    })
}

pub fn pg_collation(_: &SystemContext, rows: &mut Rows) -> Result<()> {
    for (oid, name, provider, locale) in [(100u32, "default", "d", None), (950, "C", "c", Some("C")), (951, "POSIX", "c", Some("POSIX"))] {
        rows.add([
            ("oid", oid.into()),
            ("collname", name.into()),
            ("collnamespace", PG_CATALOG.into()),
            ("collowner", OWNER.into()),
            ("collprovider", provider.into()),
            ("collisdeterministic", true.into()),
            ("collencoding", Cell::Int(-1)),
            ("collcollate", locale.into()),
            ("collctype", locale.into()),
        ])?;
    }
    Ok(())
}

/// The oid of the language sql.
const SQL: u32 = 14;
/// The oid of the language plpgsql.
pub const PLPGSQL: u32 = 13_502;

pub fn pg_language(_: &SystemContext, rows: &mut Rows) -> Result<()> {
    let languages = [(12, "internal", false, 2246), (SQL, "sql", true, 2248), (PLPGSQL, "plpgsql", true, 0)];
    for (oid, name, trusted, validator) in languages {
        rows.add([
            ("oid", oid.into()),
            ("lanname", name.into()),
            ("lanowner", OWNER.into()),
            ("lanispl", (oid == PLPGSQL).into()),
            ("lanpltrusted", trusted.into()),
            ("lanvalidator", validator.into()),
        ])?;
    }
    Ok(())
}

pub fn pg_am(_: &SystemContext, rows: &mut Rows) -> Result<()> {
    let of_indexes = facts::ACCESS_METHODS.iter().map(|m| (m.oid, m.name, "i", m.handler));
    let of_tables = [RelationKind::Table, RelationKind::Stream].into_iter().filter_map(RelationKind::access_method);
    for (oid, name, kind, handler) in of_tables.map(|(oid, name)| (oid, name, "t", 3)).chain(of_indexes) {
        rows.add([("oid", oid.into()), ("amname", name.into()), ("amhandler", handler.into()), ("amtype", kind.into())])?;
    }
    Ok(())
}

pub fn pg_get_keywords(_: &SystemContext, rows: &mut Rows) -> Result<()> {
    facts::keywords().try_for_each(|k| {
        let category = match k[1] {
            "C" => "unreserved (cannot be function or type name)",
            "T" => "reserved (can be function or type name)",
            "R" => "reserved",
            _ => "unreserved",
        };
        rows.add([
            ("word", k[0].into()),
            ("catcode", k[1].into()),
            ("barelabel", (k[2] == "t").into()),
            ("catdesc", category.into()),
            ("baredesc", if k[2] == "t" { "can be bare label" } else { "requires AS" }.into()),
        ])
    })
}
