//! What is in schemas: functions, types, domains, operators, casts, conversions, collations, statistics, partitioned tables, comments.

use super::names::{Names, TYPE, operator_pattern, qualified, some_type, type_pattern};
use super::query::{Query, SCHEMA, column, comment, detail, in_schema, lines, own, role, type_name};
use super::{LIST, List, Request};

/// How many arguments `\df` and `\do` read, as a function has no more.
const ARGUMENTS_MAX: usize = 100;

const FUNCTION: Names = qualified(&["p.proname"], "pg_catalog.pg_function_is_visible(p.oid)");
const OPERATOR: Names = Names { respell: operator_pattern, ..qualified(&["o.oprname"], "pg_catalog.pg_operator_is_visible(o.oid)") };

/// The size of the partitions `p` of a relation, as this counts each.
macro_rules! size_of_partitions {
    ($size:literal) => {
        concat!("(SELECT pg_catalog.pg_size_pretty(sum(", $size, ")) FROM pg_catalog.pg_partition_tree(c.oid) p)")
    };
}

/// The things of a catalog with their comments: the name of a thing `o`, and the relation, type or thing `r` by which it is in a schema
/// and seen.
macro_rules! described {
    ($object:literal, $name:literal, $catalog:literal, $home:literal, $at_home:literal, $namespace:literal, $seen:literal) => {
        concat!(
            "SELECT n.nspname, ",
            $name,
            "::pg_catalog.text AS name, '",
            $object,
            "'::pg_catalog.text AS object, pg_catalog.obj_description(o.oid, '",
            $catalog,
            "') AS description, pg_catalog.pg_",
            $seen,
            "_is_visible(r.oid) AS visible FROM pg_catalog.",
            $catalog,
            " o JOIN pg_catalog.",
            $home,
            " r ON ",
            $at_home,
            " LEFT JOIN pg_catalog.pg_namespace n ON n.oid = r.",
            $namespace
        )
    };
}

pub(super) static LISTS: [List; 12] = [
    List {
        commands: &["da"],
        title: "List of aggregate functions",
        columns: &[
            SCHEMA,
            column("Name", "p.proname"),
            column("Result data type", type_name!("p.prorettype")),
            column("Argument data types", "CASE WHEN p.pronargs = 0 THEN '*' ELSE pg_catalog.pg_get_function_arguments(p.oid) END"),
            column("Description", comment!("p.oid", "pg_proc")),
        ],
        from: in_schema!("pg_proc p", "p.pronamespace"),
        always: "p.prokind = 'a'",
        own: own!("n"),
        patterns: &[FUNCTION],
        order: "1, 2, 4",
        ..LIST
    },
    List {
        commands: &["df"],
        choices: "anptw",
        title: "List of functions",
        columns: &[
            SCHEMA,
            column("Name", "p.proname"),
            column("Result data type", "pg_catalog.pg_get_function_result(p.oid)"),
            column("Argument data types", "pg_catalog.pg_get_function_arguments(p.oid)"),
            column("Type", "CASE p.prokind WHEN 'a' THEN 'agg' WHEN 'w' THEN 'window' WHEN 'p' THEN 'proc' ELSE 'func' END"),
            detail("Volatility", "CASE p.provolatile WHEN 'i' THEN 'immutable' WHEN 's' THEN 'stable' WHEN 'v' THEN 'volatile' END"),
            detail("Parallel", "CASE p.proparallel WHEN 'r' THEN 'restricted' WHEN 's' THEN 'safe' WHEN 'u' THEN 'unsafe' END"),
            detail("Owner", role!("p.proowner")),
            detail("Security", "CASE WHEN p.prosecdef THEN 'definer' ELSE 'invoker' END"),
            detail("Access privileges", lines!("p.proacl")),
            detail("Language", "(SELECT l.lanname FROM pg_catalog.pg_language l WHERE l.oid = p.prolang)"),
            detail("Source code", "coalesce(pg_catalog.pg_get_function_sqlbody(p.oid), p.prosrc)"),
            detail("Description", comment!("p.oid", "pg_proc")),
        ],
        from: in_schema!("pg_proc p", "p.pronamespace"),
        own: own!("n"),
        patterns: &[FUNCTION],
        arguments: ARGUMENTS_MAX,
        order: "1, 2, 4",
        adapt: functions,
        ..LIST
    },
    List {
        commands: &["do"],
        title: "List of operators",
        columns: &[
            SCHEMA,
            column("Name", "o.oprname"),
            column("Left arg type", concat!("CASE WHEN o.oprkind <> 'l' THEN ", type_name!("o.oprleft"), " END")),
            column("Right arg type", concat!("CASE WHEN o.oprkind <> 'r' THEN ", type_name!("o.oprright"), " END")),
            column("Result type", type_name!("o.oprresult")),
            detail("Function", "o.oprcode"),
            column("Description", concat!("coalesce(", comment!("o.oid", "pg_operator"), ", ", comment!("o.oprcode", "pg_proc"), ")")),
        ],
        from: in_schema!("pg_operator o", "o.oprnamespace"),
        own: own!("n"),
        patterns: &[OPERATOR],
        arguments: ARGUMENTS_MAX,
        order: "1, 2, 3, 4",
        adapt: operators,
        ..LIST
    },
    List {
        commands: &["dT"],
        title: "List of data types",
        columns: &[
            SCHEMA,
            column("Name", type_name!("t.oid")),
            detail("Internal name", "t.typname"),
            detail("Size", "CASE WHEN t.typrelid <> 0 THEN 'tuple' WHEN t.typlen < 0 THEN 'var' ELSE t.typlen::pg_catalog.text END"),
            detail(
                "Elements",
                lines!("ARRAY(SELECT e.enumlabel FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder)"),
            ),
            detail("Owner", role!("t.typowner")),
            detail("Access privileges", lines!("t.typacl")),
            column("Description", comment!("t.oid", "pg_type")),
        ],
        from: in_schema!("pg_type t", "t.typnamespace"),
        always: "(t.typrelid = 0 OR (SELECT c.relkind = 'c' FROM pg_catalog.pg_class c WHERE c.oid = t.typrelid))",
        own: own!("n"),
        patterns: &[Names { schema: "n.nspname", respell: type_pattern, ..TYPE }],
        order: "1, 2",
        adapt: types,
        ..LIST
    },
    List {
        commands: &["dD"],
        title: "List of domains",
        columns: &[
            SCHEMA,
            column("Name", "t.typname"),
            column("Type", "pg_catalog.format_type(t.typbasetype, t.typtypmod)"),
            column(
                "Collation",
                "(SELECT c.collname FROM pg_catalog.pg_collation c, pg_catalog.pg_type b \
                 WHERE c.oid = t.typcollation AND b.oid = t.typbasetype AND t.typcollation <> b.typcollation)",
            ),
            column("Nullable", "CASE WHEN t.typnotnull THEN 'not null' END"),
            column("Default", "t.typdefault"),
            column(
                "Check",
                "pg_catalog.array_to_string(ARRAY(SELECT pg_catalog.pg_get_constraintdef(r.oid, true) \
                 FROM pg_catalog.pg_constraint r WHERE t.oid = r.contypid), ' ')",
            ),
            detail("Access privileges", lines!("t.typacl")),
            detail("Description", comment!("t.oid", "pg_type")),
        ],
        from: in_schema!("pg_type t", "t.typnamespace"),
        always: "t.typtype = 'd'",
        own: own!("n"),
        patterns: &[qualified(&["t.typname"], "pg_catalog.pg_type_is_visible(t.oid)")],
        order: "1, 2",
        ..LIST
    },
    List {
        commands: &["dC"],
        title: "List of casts",
        columns: &[
            column("Source type", type_name!("c.castsource")),
            column("Target type", type_name!("c.casttarget")),
            column("Function", "CASE c.castmethod WHEN 'b' THEN '(binary coercible)' WHEN 'i' THEN '(with inout)' ELSE p.proname END"),
            column("Implicit?", "CASE c.castcontext WHEN 'e' THEN 'no' WHEN 'a' THEN 'in assignment' ELSE 'yes' END"),
            detail("Description", comment!("c.oid", "pg_cast")),
        ],
        from: "pg_catalog.pg_cast c LEFT JOIN pg_catalog.pg_proc p ON p.oid = c.castfunc",
        patterns: &[Names { within: some_type!("WHERE t.oid IN (c.castsource, c.casttarget) AND "), ..TYPE }],
        order: "1, 2",
        ..LIST
    },
    List {
        commands: &["dc"],
        title: "List of conversions",
        columns: &[
            SCHEMA,
            column("Name", "c.conname"),
            column("Source", "pg_catalog.pg_encoding_to_char(c.conforencoding)"),
            column("Destination", "pg_catalog.pg_encoding_to_char(c.contoencoding)"),
            column("Default?", "CASE WHEN c.condefault THEN 'yes' ELSE 'no' END"),
            detail("Description", comment!("c.oid", "pg_conversion")),
        ],
        from: in_schema!("pg_conversion c", "c.connamespace"),
        own: own!("n"),
        patterns: &[qualified(&["c.conname"], "pg_catalog.pg_conversion_is_visible(c.oid)")],
        order: "1, 2",
        ..LIST
    },
    List {
        commands: &["dO"],
        title: "List of collations",
        columns: &[
            SCHEMA,
            column("Name", "c.collname"),
            column("Collate", "c.collcollate"),
            column("Ctype", "c.collctype"),
            column("ICU Locale", "c.colliculocale"),
            column("Provider", "CASE c.collprovider WHEN 'd' THEN 'default' WHEN 'c' THEN 'libc' WHEN 'i' THEN 'icu' END"),
            column("Deterministic?", "CASE WHEN c.collisdeterministic THEN 'yes' ELSE 'no' END"),
            detail("Description", comment!("c.oid", "pg_collation")),
        ],
        from: in_schema!("pg_collation c", "c.collnamespace"),
        always: "c.collencoding IN (-1, pg_catalog.pg_char_to_encoding(pg_catalog.getdatabaseencoding()))",
        own: own!("n"),
        patterns: &[qualified(&["c.collname"], "pg_catalog.pg_collation_is_visible(c.oid)")],
        order: "1, 2",
        ..LIST
    },
    List {
        commands: &["dX"],
        title: "List of extended statistics",
        columns: &[
            column("Schema", "s.stxnamespace::pg_catalog.regnamespace::pg_catalog.text"),
            column("Name", "s.stxname"),
            column(
                "Definition",
                "pg_catalog.format('%s FROM %s', pg_catalog.pg_get_statisticsobjdef_columns(s.oid), s.stxrelid::pg_catalog.regclass)",
            ),
            column("Ndistinct", "CASE WHEN 'd' = ANY (s.stxkind) THEN 'defined' END"),
            column("Dependencies", "CASE WHEN 'f' = ANY (s.stxkind) THEN 'defined' END"),
            column("MCV", "CASE WHEN 'm' = ANY (s.stxkind) THEN 'defined' END"),
        ],
        from: "pg_catalog.pg_statistic_ext s",
        patterns: &[Names {
            schema: "s.stxnamespace::pg_catalog.regnamespace::pg_catalog.text",
            ..qualified(&["s.stxname"], "pg_catalog.pg_statistics_obj_is_visible(s.oid)")
        }],
        order: "1, 2",
        ..LIST
    },
    List {
        commands: &["dP"],
        choices: "itn",
        title: "List of partitioned relations",
        columns: &[
            SCHEMA,
            column("Name", "c.relname"),
            column("Owner", role!("c.relowner")),
            column("Type", "CASE c.relkind WHEN 'p' THEN 'partitioned table' WHEN 'I' THEN 'partitioned index' END"),
            column("Parent name", "(SELECT h.inhparent::pg_catalog.regclass FROM pg_catalog.pg_inherits h WHERE h.inhrelid = c.oid)"),
            column("Table", "(SELECT i.indrelid::pg_catalog.regclass FROM pg_catalog.pg_index i WHERE i.indexrelid = c.oid)"),
            detail(
                "Leaf partition size",
                size_of_partitions!("CASE WHEN p.isleaf AND p.level = 1 THEN pg_catalog.pg_table_size(p.relid) ELSE 0 END"),
            ),
            detail("Total size", size_of_partitions!("pg_catalog.pg_table_size(p.relid)")),
            detail("Description", comment!("c.oid", "pg_class")),
        ],
        from: in_schema!("pg_class c", "c.relnamespace"),
        own: concat!(own!("n"), " AND n.nspname !~ '^pg_toast'"),
        patterns: &[qualified(&["c.relname"], "pg_catalog.pg_table_is_visible(c.oid)")],
        adapt: partitioned,
        ..LIST
    },
    List {
        commands: &["dd"],
        title: "Object descriptions",
        columns: &[
            column("Schema", "d.nspname"),
            column("Name", "d.name"),
            column("Object", "d.object"),
            column("Description", "d.description"),
        ],
        from: concat!(
            "(",
            described!("table constraint", "o.conname", "pg_constraint", "pg_class", "r.oid = o.conrelid", "relnamespace", "table"),
            " UNION ",
            described!("domain constraint", "o.conname", "pg_constraint", "pg_type", "r.oid = o.contypid", "typnamespace", "type"),
            " UNION ",
            described!("operator class", "o.opcname", "pg_opclass", "pg_opclass", "r.oid = o.oid", "opcnamespace", "opclass"),
            " UNION ",
            described!("operator family", "o.opfname", "pg_opfamily", "pg_opfamily", "r.oid = o.oid", "opfnamespace", "opfamily"),
            " UNION ",
            described!(
                "rule",
                "o.rulename",
                "pg_rewrite",
                "pg_class",
                "r.oid = o.ev_class AND o.rulename <> '_RETURN'",
                "relnamespace",
                "table"
            ),
            " UNION ",
            described!("trigger", "o.tgname", "pg_trigger", "pg_class", "r.oid = o.tgrelid", "relnamespace", "table"),
            ") d"
        ),
        always: "d.description IS NOT NULL",
        own: own!("d"),
        patterns: &[Names { schema: "d.nspname", ..qualified(&["d.name"], "d.visible") }],
        order: "1, 2, 3",
        ..LIST
    },
    List {
        commands: &["dl", "lo_list"],
        title: "Large objects",
        columns: &[
            column("ID", "l.oid"),
            column("Owner", role!("l.lomowner")),
            detail("Access privileges", lines!("l.lomacl")),
            column("Description", comment!("l.oid", "pg_largeobject")),
        ],
        from: "pg_catalog.pg_largeobject_metadata l",
        ..LIST
    },
];

/// `\df` with arguments finds functions by their first ones, too; `-` is none.
fn functions(query: &mut Query, request: &Request<'_>) -> Result<(), String> {
    query.conditions.push(kinds_of_functions(request.letters));
    for (i, text) in request.patterns.iter().skip(1).enumerate() {
        query.conditions.push(argument(&format!("p.proargtypes[{i}]"), text, "IS NULL")?);
    }
    Ok(())
}

/// The kinds of functions that the letters choose, all of them if none does.
fn kinds_of_functions(letters: &str) -> String {
    const KINDS: [(char, &str); 4] = [
        ('a', "p.prokind = 'a'"),
        ('p', "p.prokind = 'p'"),
        ('t', "p.prorettype = 'pg_catalog.trigger'::pg_catalog.regtype"),
        ('w', "p.prokind = 'w'"),
    ];
    let joined = |chosen: bool, by: &str| {
        KINDS.iter().filter(|(letter, _)| letters.contains(*letter) == chosen).map(|(_, kind)| *kind).collect::<Vec<_>>().join(by)
    };
    // Normal ones are those of no other kind.
    match (letters.contains('n'), joined(true, " OR ")) {
        (false, chosen) if chosen.is_empty() => String::new(),
        (false, chosen) => format!("({chosen})"),
        (true, _) => match joined(false, " OR ") {
            others if others.is_empty() => others,
            others => format!("NOT ({others})"),
        },
    }
}

/// `\do` with arguments finds operators by both of them, or prefix operators by one.
fn operators(query: &mut Query, request: &Request<'_>) -> Result<(), String> {
    let sides = match request.patterns.get(1..).unwrap_or_default() {
        [] => return Ok(()),
        [right] => ["-", right],
        [left, right, ..] => [left.as_str(), right],
    };
    for (side, text) in ["o.oprleft", "o.oprright"].into_iter().zip(sides) {
        query.conditions.push(argument(side, text, "= 0")?);
    }
    Ok(())
}

/// The condition that an argument's type is what a pattern finds, or that there is none.
fn argument(oid: &str, text: &str, is_none: &str) -> Result<String, String> {
    if text == "-" {
        return Ok(format!("{oid} {is_none}"));
    }
    let condition = Names { respell: type_pattern, ..TYPE }.condition(text)?;
    Ok(if condition.is_empty() { condition } else { format!(some_type!("WHERE t.oid = {} AND {})"), oid, condition) })
}

/// Arrays are shown if they are asked for by their brackets.
fn types(query: &mut Query, request: &Request<'_>) -> Result<(), String> {
    if !request.patterns.first().is_some_and(|text| text.contains("[]")) {
        query.conditions.push("NOT EXISTS (SELECT 1 FROM pg_catalog.pg_type e WHERE e.oid = t.typelem AND e.typarray = t.oid)".to_string());
    }
    Ok(())
}

/// `\dP` shows tables or indexes or, by default, both, and those that are partitions themselves if asked for by `n` or a pattern.
fn partitioned(query: &mut Query, request: &Request<'_>) -> Result<(), String> {
    let has = |letter| request.letters.contains(letter);
    let (tables, indexes) = (has('t') || !has('i'), has('i') || !has('t'));
    let nested = has('n') || !request.patterns.is_empty();
    query.columns.retain(|column| match column.heading {
        "Type" => tables && indexes,
        "Parent name" => nested,
        "Leaf partition size" => has('n'),
        "Table" => indexes,
        _ => true,
    });
    let (title, kinds, by_type) = match (tables, indexes) {
        (true, false) => ("List of partitioned tables", "'p'", ""),
        (false, true) => ("List of partitioned indexes", "'I'", ""),
        _ => (query.title, "'p', 'I'", "\"Type\" DESC, "),
    };
    query.title = title;
    query.conditions.push(format!("c.relkind IN ({kinds})"));
    if !nested {
        query.conditions.push("NOT c.relispartition".to_string());
    }
    query.order = format!("\"Schema\", {by_type}{}\"Name\"", if nested { "\"Parent name\" NULLS FIRST, " } else { "" });
    Ok(())
}
