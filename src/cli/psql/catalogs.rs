//! `\df`, `\l`, `\du` and others that list what is no relation: functions, databases, roles, types, privileges, extensions.
//!
//! Each is a line of [`LISTS`]: a query over the catalogs, and where a pattern looks for names.

use super::listings::Listing;
use super::pattern::Pattern;

/// A command that lists things.
struct List {
    /// The commands' letters.
    commands: &'static [&'static str],
    title: &'static str,
    /// SELECT .. FROM ..
    query: &'static str,
    /// Which are left out unless a pattern or `S` asks for them; empty for none.
    own: &'static str,
    /// What holds for all of them; empty for nothing.
    always: &'static str,
    /// The columns of the schema, empty for what is in none, and of the name.
    named: [&'static str; 2],
    /// What is seen without a schema before it; empty for everything.
    visible: &'static str,
    order: &'static str,
}

const OWN: &str = "n.nspname <> 'pg_catalog' AND n.nspname <> 'information_schema'";

static LISTS: [List; 6] = [
    List {
        commands: &["df"],
        title: "List of functions",
        query: "SELECT n.nspname AS \"Schema\", p.proname AS \"Name\", pg_catalog.pg_get_function_result(p.oid) AS \"Result data type\", \
                pg_catalog.pg_get_function_arguments(p.oid) AS \"Argument data types\", \
                CASE p.prokind WHEN 'a' THEN 'agg' WHEN 'w' THEN 'window' WHEN 'p' THEN 'proc' ELSE 'func' END AS \"Type\" \
                FROM pg_catalog.pg_proc p LEFT JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace",
        own: OWN,
        always: "",
        named: ["n.nspname", "p.proname"],
        visible: "pg_catalog.pg_function_is_visible(p.oid)",
        order: "1, 2, 4",
    },
    List {
        commands: &["dT"],
        title: "List of data types",
        query: "SELECT n.nspname AS \"Schema\", pg_catalog.format_type(t.oid, NULL) AS \"Name\", \
                pg_catalog.obj_description(t.oid, 'pg_type') AS \"Description\" \
                FROM pg_catalog.pg_type t LEFT JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace",
        own: OWN,
        always: "t.typrelid = 0 AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_type el WHERE el.typarray = t.oid)",
        named: ["n.nspname", "t.typname"],
        visible: "pg_catalog.pg_type_is_visible(t.oid)",
        order: "1, 2",
    },
    List {
        commands: &["dp", "z"],
        title: "Access privileges",
        query: "SELECT n.nspname AS \"Schema\", c.relname AS \"Name\", \
                CASE c.relkind WHEN 'r' THEN 'table' WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence' END AS \"Type\", \
                pg_catalog.array_to_string(c.relacl, E'\\n') AS \"Access privileges\", \
                pg_catalog.array_to_string(ARRAY(SELECT a.attname || E':\\n  ' || pg_catalog.array_to_string(a.attacl, E'\\n  ') \
                FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attacl IS NOT NULL ORDER BY a.attnum), E'\\n') AS \"Column privileges\", \
                '' AS \"Policies\" \
                FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace",
        own: "n.nspname !~ '^pg_'",
        always: "c.relkind IN ('r', 'v', 'm', 'S')",
        named: ["n.nspname", "c.relname"],
        visible: "pg_catalog.pg_table_is_visible(c.oid)",
        order: "1, 2",
    },
    List {
        commands: &["du", "dg"],
        title: "List of roles",
        query: "SELECT r.rolname AS \"Role name\", pg_catalog.concat_ws(E'\\n', nullif(pg_catalog.concat_ws(', ', \
                CASE WHEN r.rolsuper THEN 'Superuser' END, CASE WHEN NOT r.rolinherit THEN 'No inheritance' END, \
                CASE WHEN r.rolcreaterole THEN 'Create role' END, CASE WHEN r.rolcreatedb THEN 'Create DB' END, \
                CASE WHEN NOT r.rolcanlogin THEN 'Cannot login' END, CASE WHEN r.rolreplication THEN 'Replication' END, \
                CASE WHEN r.rolbypassrls THEN 'Bypass RLS' END), ''), \
                CASE WHEN r.rolconnlimit = 0 THEN 'No connections' WHEN r.rolconnlimit = 1 THEN '1 connection' \
                WHEN r.rolconnlimit > 1 THEN r.rolconnlimit || ' connections' END, 'Password valid until ' || r.rolvaliduntil) AS \"Attributes\", \
                ARRAY(SELECT b.rolname FROM pg_catalog.pg_auth_members m JOIN pg_catalog.pg_roles b ON m.roleid = b.oid \
                WHERE m.member = r.oid) AS \"Member of\" FROM pg_catalog.pg_roles r",
        own: "r.rolname !~ '^pg_'",
        always: "",
        named: ["", "r.rolname"],
        visible: "",
        order: "1",
    },
    List {
        commands: &["l", "list"],
        title: "List of databases",
        query: "SELECT d.datname AS \"Name\", pg_catalog.pg_get_userbyid(d.datdba) AS \"Owner\", \
                pg_catalog.pg_encoding_to_char(d.encoding) AS \"Encoding\", d.datcollate AS \"Collate\", d.datctype AS \"Ctype\", \
                d.daticulocale AS \"ICU Locale\", CASE d.datlocprovider WHEN 'c' THEN 'libc' WHEN 'i' THEN 'icu' END AS \"Locale Provider\", \
                pg_catalog.array_to_string(d.datacl, E'\\n') AS \"Access privileges\" FROM pg_catalog.pg_database d",
        own: "",
        always: "",
        named: ["", "d.datname"],
        visible: "",
        order: "1",
    },
    List {
        commands: &["dx"],
        title: "List of installed extensions",
        query: "SELECT e.extname AS \"Name\", e.extversion AS \"Version\", n.nspname AS \"Schema\", c.description AS \"Description\" \
                FROM pg_catalog.pg_extension e LEFT JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace \
                LEFT JOIN pg_catalog.pg_description c ON c.objoid = e.oid AND c.classoid = 'pg_catalog.pg_extension'::pg_catalog.regclass",
        own: "",
        always: "",
        named: ["", "e.extname"],
        visible: "",
        order: "1",
    },
];

/// A command that is one of these, with `S` or without.
pub(super) struct Catalog {
    list: &'static List,
    /// `S`: of the system too.
    system: bool,
}

impl Catalog {
    /// What a command lists, if it is one.
    pub fn of(command: &str) -> Option<Catalog> {
        let letters = command.trim_end_matches('S');
        let list = LISTS.iter().find(|list| list.commands.contains(&letters))?;
        Some(Catalog { list, system: command.len() > letters.len() })
    }

    /// The listing, of what the pattern finds if one is given. Errors: in psql's words.
    pub fn listing(&self, pattern: Option<&str>) -> Result<Listing, String> {
        self.list.listing(self.system, pattern)
    }
}

impl List {
    fn listing(&self, system: bool, pattern: Option<&str>) -> Result<Listing, String> {
        let [schema, name] = self.named;
        let visible = (!self.visible.is_empty()).then_some(self.visible);
        let chosen = match pattern {
            Some(text) if schema.is_empty() => Pattern::of_schema(text)?.condition("", name, None),
            Some(text) => Pattern::of_relation(text)?.condition(schema, name, visible),
            None => {
                [if system { "" } else { self.own }, self.visible].into_iter().filter(|c| !c.is_empty()).collect::<Vec<_>>().join(" AND ")
            }
        };
        let conditions: Vec<&str> = [self.always, &chosen].into_iter().filter(|c| !c.is_empty()).collect();
        let filter = if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) };
        let sql = format!("{}{filter} ORDER BY {}", self.query, self.order);
        // psql makes the table of roles by hand.
        Ok(Listing { title: self.title, sql, missing: None, counted: self.commands != ["du", "dg"] })
    }
}
