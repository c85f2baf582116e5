//! `\d`, `\dt`, `\dn` and their kind: what there is, by the queries that psql asks. `\d name` is told by [`super::describe`].

use super::pattern::Pattern;

/// What such a command asks, under which title.
#[derive(Debug)]
pub(super) struct Listing {
    pub title: String,
    pub sql: String,
    /// What is said if nothing is found; an empty table is shown if nothing is.
    pub missing: Option<String>,
    /// Whether the number of rows stands below.
    pub counted: bool,
    /// What stands there instead, as far as there is something: headings, and what to ask for the lines under each.
    pub below: Vec<(&'static str, String)>,
}

impl Listing {
    /// A table with the number of its rows below.
    pub fn of(title: impl Into<String>, sql: String) -> Listing {
        Listing { title: title.into(), sql, missing: None, counted: true, below: vec![] }
    }
}

/// A command that looks relations or schemas up, as its letters say it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Lookup<'a> {
    /// Letters of the kinds of relations, or `n` for schemas; none for all kinds.
    kinds: &'a str,
    /// `+`: all that is to be known.
    pub verbose: bool,
    /// `S`: of the system too.
    system: bool,
}

/// Letters of relations' kinds, in psql's order, with what pg_class has for them.
const KINDS: [(char, &str); 6] = [('t', "'r','p',"), ('v', "'v',"), ('m', "'m',"), ('i', "'i','I',"), ('s', "'S',"), ('E', "'f',")];

impl<'a> Lookup<'a> {
    /// The lookup that a command is, if it is one: `d`, kinds, and then `S` and `+` in any order.
    pub fn of(command: &'a str) -> Option<Lookup<'a>> {
        let letters = command.strip_prefix('d')?;
        let kinds = letters.trim_end_matches(['S', '+']);
        let more = &letters[kinds.len()..];
        let known = kinds == "n" || kinds.chars().all(|c| KINDS.iter().any(|(letter, _)| *letter == c));
        known.then(|| Lookup { kinds, verbose: more.contains('+'), system: more.contains('S') })
    }

    /// True if it describes the relations that a pattern finds, rather than to list them.
    pub fn describes(&self) -> bool {
        self.kinds.is_empty()
    }

    /// The listing, of what the pattern finds if one is given. Errors: in psql's words.
    pub fn listing(&self, pattern: Option<&str>) -> Result<Listing, String> {
        if self.kinds == "n" { self.schemas(pattern) } else { self.relations(pattern) }
    }

    fn schemas(&self, pattern: Option<&str>) -> Result<Listing, String> {
        let condition = match pattern {
            Some(text) => format!("WHERE {} ", Pattern::of_schema(text)?.condition("", "n.nspname", None)),
            None if self.system => String::new(),
            None => "WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' ".to_string(),
        };
        let details = match self.verbose {
            true => {
                ", pg_catalog.array_to_string(n.nspacl, E'\\n') AS \"Access privileges\", \
                 pg_catalog.obj_description(n.oid, 'pg_namespace') AS \"Description\""
            }
            false => "",
        };
        let sql = format!(
            "SELECT n.nspname AS \"Name\", pg_catalog.pg_get_userbyid(n.nspowner) AS \"Owner\"{details} \
             FROM pg_catalog.pg_namespace n {condition}ORDER BY 1"
        );
        Ok(Listing::of("List of schemas", sql))
    }

    fn relations(&self, pattern: Option<&str>) -> Result<Listing, String> {
        let has = |letters: &str| self.kinds.contains(|c| letters.contains(c));
        let kinds: String = match self.kinds {
            "" => KINDS.iter().filter(|(letter, _)| *letter != 'i').map(|(_, kinds)| *kinds).collect(),
            chosen => KINDS.iter().filter(|(letter, _)| chosen.contains(*letter)).map(|(_, kinds)| *kinds).collect(),
        };
        let (table, of_table) = match has("i") {
            true => (
                ", c2.relname AS \"Table\"",
                "LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid LEFT JOIN pg_catalog.pg_class c2 ON i.indrelid = c2.oid ",
            ),
            false => ("", ""),
        };
        let details = if self.verbose { details(self.kinds.is_empty() || has("tmi")) } else { String::new() };
        let visible = "pg_catalog.pg_table_is_visible(c.oid)";
        let (condition, missing) = match pattern {
            Some(text) => {
                let condition = Pattern::of_relation(text)?.condition("n.nspname", "c.relname", Some(visible));
                (condition, format!("Did not find any relation named \"{text}\"."))
            }
            None => {
                let own = "n.nspname <> 'pg_catalog' AND n.nspname !~ '^pg_toast' AND n.nspname <> 'information_schema' AND ";
                (format!("{}{visible}", if self.system { "" } else { own }), "Did not find any relations.".to_string())
            }
        };
        let sql = format!(
            "SELECT n.nspname AS \"Schema\", c.relname AS \"Name\", \
             CASE c.relkind WHEN 'r' THEN 'table' WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'i' THEN 'index' \
             WHEN 'S' THEN 'sequence' WHEN 'f' THEN 'foreign table' WHEN 'p' THEN 'partitioned table' WHEN 'I' THEN 'partitioned index' END \
             AS \"Type\", pg_catalog.pg_get_userbyid(c.relowner) AS \"Owner\"{table}{details} \
             FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             LEFT JOIN pg_catalog.pg_am am ON am.oid = c.relam {of_table}\
             WHERE c.relkind IN ({kinds}'') AND {condition} ORDER BY 1, 2"
        );
        Ok(Listing { missing: Some(missing), ..Listing::of("List of relations", sql) })
    }
}

/// The columns that `+` adds.
fn details(have_access_methods: bool) -> String {
    let access_method = if have_access_methods { ", am.amname AS \"Access method\"" } else { "" };
    format!(
        ", CASE c.relpersistence WHEN 'p' THEN 'permanent' WHEN 't' THEN 'temporary' WHEN 'u' THEN 'unlogged' END AS \"Persistence\"\
         {access_method}, pg_catalog.pg_size_pretty(pg_catalog.pg_table_size(c.oid)) AS \"Size\", \
         pg_catalog.obj_description(c.oid, 'pg_class') AS \"Description\""
    )
}
