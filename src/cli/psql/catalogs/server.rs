//! What is of the database or the server: databases, roles, privileges, settings, extensions, languages, foreign data, replication.

use super::names::{Names, qualified, shared};
use super::query::{Column, Query, SCHEMA, column, comment, detail, foreign_options, in_schema, lines, role, shared_comment};
use super::{LIST, List, Parts, Request};
use crate::cli::psql::listings::Listing;

const PUBLICATIONS: &str = "pg_catalog.pg_publication p";
const PUBLICATION: [Column; 8] = [
    column("Name", "p.pubname"),
    column("Owner", role!("p.pubowner")),
    column("All tables", "p.puballtables"),
    column("Inserts", "p.pubinsert"),
    column("Updates", "p.pubupdate"),
    column("Deletes", "p.pubdelete"),
    column("Truncates", "p.pubtruncate"),
    column("Via root", "p.pubviaroot"),
];

pub(super) static LISTS: [List; 16] = [
    List {
        commands: &["l", "list"],
        title: "List of databases",
        columns: &[
            column("Name", "d.datname"),
            column("Owner", role!("d.datdba")),
            column("Encoding", "pg_catalog.pg_encoding_to_char(d.encoding)"),
            column("Collate", "d.datcollate"),
            column("Ctype", "d.datctype"),
            column("ICU Locale", "d.daticulocale"),
            column("Locale Provider", "CASE d.datlocprovider WHEN 'c' THEN 'libc' WHEN 'i' THEN 'icu' END"),
            column("Access privileges", lines!("d.datacl")),
            detail(
                "Size",
                "CASE WHEN pg_catalog.has_database_privilege(d.datname, 'CONNECT') \
                 THEN pg_catalog.pg_size_pretty(pg_catalog.pg_database_size(d.datname)) ELSE 'No Access' END",
            ),
            detail("Tablespace", "(SELECT t.spcname FROM pg_catalog.pg_tablespace t WHERE t.oid = d.dattablespace)"),
            detail("Description", shared_comment!("d.oid", "pg_database")),
        ],
        from: "pg_catalog.pg_database d",
        patterns: &[shared(&["d.datname"])],
        ..LIST
    },
    List {
        commands: &["du", "dg"],
        title: "List of roles",
        columns: &[
            column("Role name", "r.rolname"),
            column(
                "Attributes",
                "pg_catalog.concat_ws(E'\\n', nullif(pg_catalog.concat_ws(', ', \
                 CASE WHEN r.rolsuper THEN 'Superuser' END, CASE WHEN NOT r.rolinherit THEN 'No inheritance' END, \
                 CASE WHEN r.rolcreaterole THEN 'Create role' END, CASE WHEN r.rolcreatedb THEN 'Create DB' END, \
                 CASE WHEN NOT r.rolcanlogin THEN 'Cannot login' END, CASE WHEN r.rolreplication THEN 'Replication' END, \
                 CASE WHEN r.rolbypassrls THEN 'Bypass RLS' END), ''), \
                 CASE WHEN r.rolconnlimit = 0 THEN 'No connections' WHEN r.rolconnlimit = 1 THEN '1 connection' \
                 WHEN r.rolconnlimit > 1 THEN r.rolconnlimit || ' connections' END, 'Password valid until ' || r.rolvaliduntil)",
            ),
            column(
                "Member of",
                "ARRAY(SELECT b.rolname FROM pg_catalog.pg_auth_members m JOIN pg_catalog.pg_roles b ON b.oid = m.roleid \
                 WHERE m.member = r.oid)",
            ),
            detail("Description", shared_comment!("r.oid", "pg_authid")),
        ],
        from: "pg_catalog.pg_roles r",
        own: "r.rolname !~ '^pg_'",
        patterns: &[shared(&["r.rolname"])],
        // psql makes this table by hand.
        counted: false,
        ..LIST
    },
    List {
        commands: &["drds"],
        title: "List of settings",
        columns: &[column("Role", "r.rolname"), column("Database", "d.datname"), column("Settings", lines!("s.setconfig"))],
        from: "pg_catalog.pg_db_role_setting s LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase \
               LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole",
        patterns: &[shared(&["r.rolname"]), shared(&["d.datname"])],
        order: "1, 2",
        missing: Some(no_settings),
        ..LIST
    },
    List {
        commands: &["dp", "z"],
        title: "Access privileges",
        columns: &[
            SCHEMA,
            column("Name", "c.relname"),
            column(
                "Type",
                "CASE c.relkind WHEN 'r' THEN 'table' WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence' \
                 WHEN 'f' THEN 'foreign table' WHEN 'p' THEN 'partitioned table' END",
            ),
            column("Access privileges", lines!("c.relacl")),
            column(
                "Column privileges",
                "pg_catalog.array_to_string(ARRAY(SELECT a.attname || E':\\n  ' || pg_catalog.array_to_string(a.attacl, E'\\n  ') \
                 FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND NOT a.attisdropped AND a.attacl IS NOT NULL \
                 ORDER BY a.attnum), E'\\n')",
            ),
            column(
                "Policies",
                "pg_catalog.array_to_string(ARRAY(SELECT p.polname || CASE WHEN p.polpermissive THEN '' ELSE ' (RESTRICTIVE)' END || \
                 CASE WHEN p.polcmd = '*' THEN '' ELSE ' (' || p.polcmd::pg_catalog.text || ')' END || ':' || \
                 coalesce(E'\\n  (u): ' || pg_catalog.pg_get_expr(p.polqual, p.polrelid), '') || \
                 coalesce(E'\\n  (c): ' || pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid), '') || \
                 CASE WHEN p.polroles <> '{0}' THEN E'\\n  to: ' || pg_catalog.array_to_string(ARRAY(SELECT r.rolname \
                 FROM pg_catalog.pg_roles r WHERE r.oid = ANY (p.polroles) ORDER BY 1), ', ') ELSE '' END \
                 FROM pg_catalog.pg_policy p WHERE p.polrelid = c.oid), E'\\n')",
            ),
        ],
        from: in_schema!("pg_class c", "c.relnamespace"),
        always: "c.relkind IN ('r', 'v', 'm', 'S', 'f', 'p')",
        patterns: &[qualified(&["c.relname"], "n.nspname !~ '^pg_' AND pg_catalog.pg_table_is_visible(c.oid)")],
        order: "1, 2",
        ..LIST
    },
    List {
        commands: &["ddp"],
        title: "Default access privileges",
        columns: &[
            column("Owner", role!("d.defaclrole")),
            SCHEMA,
            column(
                "Type",
                "CASE d.defaclobjtype WHEN 'r' THEN 'table' WHEN 'S' THEN 'sequence' WHEN 'f' THEN 'function' WHEN 'T' THEN 'type' \
                 WHEN 'n' THEN 'schema' END",
            ),
            column("Access privileges", lines!("d.defaclacl")),
        ],
        from: in_schema!("pg_default_acl d", "d.defaclnamespace"),
        patterns: &[Names { parts: 3, ..shared(&["n.nspname", role!("d.defaclrole")]) }],
        order: "1, 2, 3",
        ..LIST
    },
    List {
        commands: &["dconfig"],
        title: "List of configuration parameters",
        columns: &[
            column("Parameter", "s.name"),
            column("Value", "pg_catalog.current_setting(s.name)"),
            detail("Type", "s.vartype"),
            detail("Context", "s.context"),
            detail(
                "Access privileges",
                concat!("(SELECT ", lines!("a.paracl"), " FROM pg_catalog.pg_parameter_acl a WHERE a.parname = pg_catalog.lower(s.name))"),
            ),
        ],
        from: "pg_catalog.pg_settings s",
        patterns: &[Names { parts: usize::MAX, ..shared(&["pg_catalog.lower(s.name)"]) }],
        adapt: settings,
        ..LIST
    },
    List {
        commands: &["db"],
        title: "List of tablespaces",
        columns: &[
            column("Name", "t.spcname"),
            column("Owner", role!("t.spcowner")),
            column("Location", "pg_catalog.pg_tablespace_location(t.oid)"),
            detail("Access privileges", lines!("t.spcacl")),
            detail("Options", "t.spcoptions"),
            detail("Size", "pg_catalog.pg_size_pretty(pg_catalog.pg_tablespace_size(t.oid))"),
            detail("Description", shared_comment!("t.oid", "pg_tablespace")),
        ],
        from: "pg_catalog.pg_tablespace t",
        patterns: &[shared(&["t.spcname"])],
        ..LIST
    },
    List {
        commands: &["dx"],
        title: "List of installed extensions",
        columns: &[
            column("Name", "e.extname"),
            column("Version", "e.extversion"),
            SCHEMA,
            column("Description", comment!("e.oid", "pg_extension")),
        ],
        from: in_schema!("pg_extension e", "e.extnamespace"),
        patterns: &[shared(&["e.extname"])],
        parts: Some(Parts {
            noun: "extension",
            known: &[column("oid", "e.oid"), column("name", "e.extname")],
            order: "2",
            tables: objects_of_extension,
        }),
        ..LIST
    },
    List {
        commands: &["dL"],
        title: "List of languages",
        columns: &[
            column("Name", "l.lanname"),
            column("Owner", role!("l.lanowner")),
            column("Trusted", "l.lanpltrusted"),
            detail("Internal language", "NOT l.lanispl"),
            detail("Call handler", "l.lanplcallfoid::pg_catalog.regprocedure"),
            detail("Validator", "l.lanvalidator::pg_catalog.regprocedure"),
            detail("Inline handler", "l.laninline::pg_catalog.regprocedure"),
            detail("Access privileges", lines!("l.lanacl")),
            column("Description", comment!("l.oid", "pg_language")),
        ],
        from: "pg_catalog.pg_language l",
        own: "l.lanplcallfoid <> 0",
        patterns: &[Names { parts: 2, ..shared(&["l.lanname"]) }],
        ..LIST
    },
    List {
        commands: &["dy"],
        title: "List of event triggers",
        columns: &[
            column("Name", "e.evtname"),
            column("Event", "e.evtevent"),
            column("Owner", role!("e.evtowner")),
            column(
                "Enabled",
                "CASE e.evtenabled WHEN 'O' THEN 'enabled' WHEN 'R' THEN 'replica' WHEN 'A' THEN 'always' WHEN 'D' THEN 'disabled' END",
            ),
            column("Function", "e.evtfoid::pg_catalog.regproc"),
            column("Tags", "pg_catalog.array_to_string(e.evttags, ', ')"),
            detail("Description", comment!("e.oid", "pg_event_trigger")),
        ],
        from: "pg_catalog.pg_event_trigger e",
        patterns: &[shared(&["e.evtname"])],
        ..LIST
    },
    List {
        commands: &["des"],
        title: "List of foreign servers",
        columns: &[
            column("Name", "s.srvname"),
            column("Owner", role!("s.srvowner")),
            column("Foreign-data wrapper", "f.fdwname"),
            detail("Access privileges", lines!("s.srvacl")),
            detail("Type", "s.srvtype"),
            detail("Version", "s.srvversion"),
            detail("FDW options", foreign_options!("s.srvoptions")),
            detail("Description", comment!("s.oid", "pg_foreign_server")),
        ],
        from: "pg_catalog.pg_foreign_server s JOIN pg_catalog.pg_foreign_data_wrapper f ON f.oid = s.srvfdw",
        patterns: &[shared(&["s.srvname"])],
        ..LIST
    },
    List {
        commands: &["det"],
        title: "List of foreign tables",
        columns: &[
            SCHEMA,
            column("Table", "c.relname"),
            column("Server", "s.srvname"),
            detail("FDW options", foreign_options!("f.ftoptions")),
            detail("Description", comment!("c.oid", "pg_class")),
        ],
        from: "pg_catalog.pg_foreign_table f JOIN pg_catalog.pg_class c ON c.oid = f.ftrelid \
               JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_foreign_server s ON s.oid = f.ftserver",
        patterns: &[qualified(&["c.relname"], "pg_catalog.pg_table_is_visible(c.oid)")],
        order: "1, 2",
        ..LIST
    },
    List {
        commands: &["deu"],
        title: "List of user mappings",
        columns: &[column("Server", "m.srvname"), column("User name", "m.usename"), detail("FDW options", foreign_options!("m.umoptions"))],
        from: "pg_catalog.pg_user_mappings m",
        patterns: &[shared(&["m.srvname", "m.usename"])],
        order: "1, 2",
        ..LIST
    },
    List {
        commands: &["dew"],
        title: "List of foreign-data wrappers",
        columns: &[
            column("Name", "f.fdwname"),
            column("Owner", role!("f.fdwowner")),
            column("Handler", "f.fdwhandler::pg_catalog.regproc"),
            column("Validator", "f.fdwvalidator::pg_catalog.regproc"),
            detail("Access privileges", lines!("f.fdwacl")),
            detail("FDW options", foreign_options!("f.fdwoptions")),
            detail("Description", comment!("f.oid", "pg_foreign_data_wrapper")),
        ],
        from: "pg_catalog.pg_foreign_data_wrapper f",
        patterns: &[shared(&["f.fdwname"])],
        ..LIST
    },
    List {
        commands: &["dRp"],
        title: "List of publications",
        columns: &PUBLICATION,
        from: PUBLICATIONS,
        patterns: &[shared(&["p.pubname"])],
        parts: Some(Parts {
            noun: "publication",
            known: &[column("oid", "p.oid"), column("name", "p.pubname"), column("all", "p.puballtables")],
            order: "2",
            tables: publication,
        }),
        ..LIST
    },
    List {
        commands: &["dRs"],
        title: "List of subscriptions",
        columns: &[
            column("Name", "s.subname"),
            column("Owner", role!("s.subowner")),
            column("Enabled", "s.subenabled"),
            column("Publication", "s.subpublications"),
            detail("Binary", "s.subbinary"),
            detail("Streaming", "s.substream"),
            detail("Two-phase commit", "s.subtwophasestate"),
            detail("Disable on error", "s.subdisableonerr"),
            detail("Synchronous commit", "s.subsynccommit"),
            detail("Conninfo", "s.subconninfo"),
            detail("Skip LSN", "s.subskiplsn"),
        ],
        from: "pg_catalog.pg_subscription s",
        always: "s.subdbid = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())",
        patterns: &[shared(&["s.subname"])],
        ..LIST
    },
];

fn no_settings(patterns: &[String]) -> String {
    match patterns {
        [] => "Did not find any settings.".to_string(),
        [role] => format!("Did not find any settings for role \"{role}\"."),
        [role, database, ..] => format!("Did not find any settings for role \"{role}\" and database \"{database}\"."),
    }
}

/// Without a pattern `\dconfig` shows what somebody has set.
fn settings(query: &mut Query, request: &Request<'_>) -> Result<(), String> {
    if request.patterns.is_empty() {
        query.title = "List of non-default configuration parameters";
        query.conditions.push("s.source <> 'default' AND s.setting IS DISTINCT FROM s.boot_val".to_string());
    }
    Ok(())
}

fn objects_of_extension(row: &[Option<String>]) -> Vec<Listing> {
    let [Some(oid), Some(name)] = row else { return vec![] };
    let sql = format!(
        "SELECT pg_catalog.pg_describe_object(d.classid, d.objid, 0) AS \"Object description\" FROM pg_catalog.pg_depend d \
         WHERE d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.refobjid = {oid} AND d.deptype = 'e' ORDER BY 1"
    );
    vec![Listing::of(format!("Objects in extension \"{name}\""), sql)]
}

/// A publication, and below it what is published unless all is.
fn publication(row: &[Option<String>]) -> Vec<Listing> {
    let [Some(oid), Some(name), Some(all)] = row else { return vec![] };
    let tables = format!(
        "SELECT '    \"' || n.nspname || '.' || c.relname || '\"' || \
         coalesce(' (' || nullif(pg_catalog.array_to_string(ARRAY(SELECT a.attname FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid \
         AND a.attnum = ANY (p.prattrs::pg_catalog.int2[]) ORDER BY a.attnum), ', '), '') || ')', '') || \
         coalesce(' WHERE ' || pg_catalog.pg_get_expr(p.prqual, c.oid), '') \
         FROM pg_catalog.pg_publication_rel p JOIN pg_catalog.pg_class c ON c.oid = p.prrelid \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE p.prpubid = {oid} ORDER BY n.nspname, c.relname"
    );
    let schemas = format!(
        "SELECT '    \"' || n.nspname || '\"' FROM pg_catalog.pg_publication_namespace p \
         JOIN pg_catalog.pg_namespace n ON n.oid = p.pnnspid WHERE p.pnpubid = {oid} ORDER BY n.nspname"
    );
    let query = Query {
        title: "",
        columns: PUBLICATION[1..].to_vec(),
        from: PUBLICATIONS.to_string(),
        conditions: vec![format!("p.oid = {oid}")],
        order: "1".to_string(),
    };
    let below = if all == "t" { vec![] } else { vec![("Tables:", tables), ("Tables from schemas:", schemas)] };
    vec![Listing { below, ..Listing::of(format!("Publication {name}"), query.sql()) }]
}
