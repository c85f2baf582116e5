//! `\d`, `\dt`, `\dn` and their kind without a pattern, by the queries that psql asks.

/// What such a command asks, under which title.
#[derive(Debug)]
pub(super) struct Listing {
    pub title: &'static str,
    pub sql: String,
}

/// Letters of relations' kinds, in psql's order, with what pg_class has for them.
const KINDS: [(char, &str); 5] = [('t', "'r','p',"), ('v', "'v',"), ('m', "'m',"), ('i', "'i','I',"), ('s', "'S',")];

/// The listing that a command is, if it is one.
pub(super) fn listing(command: &str) -> Option<Listing> {
    let letters = command.strip_prefix('d')?;
    if letters == "n" {
        let sql = "SELECT n.nspname AS \"Name\", pg_catalog.pg_get_userbyid(n.nspowner) AS \"Owner\" FROM pg_catalog.pg_namespace n \
                   WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' ORDER BY 1";
        return Some(Listing { title: "List of schemas", sql: sql.into() });
    }
    if !letters.chars().all(|c| KINDS.iter().any(|(letter, _)| *letter == c)) {
        return None;
    }
    let chosen = KINDS.iter().filter(|(letter, _)| letters.contains(*letter)).map(|(_, kinds)| *kinds);
    let kinds = if letters.is_empty() { "'r','p','v','m','S','f',".to_string() } else { chosen.collect() };
    let (column, join) = match letters.contains('i') {
        true => (
            ", c2.relname AS \"Table\"",
            "LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid LEFT JOIN pg_catalog.pg_class c2 ON i.indrelid = c2.oid ",
        ),
        false => ("", ""),
    };
    let sql = format!(
        "SELECT n.nspname AS \"Schema\", c.relname AS \"Name\", \
         CASE c.relkind WHEN 'r' THEN 'table' WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'i' THEN 'index' \
         WHEN 'S' THEN 'sequence' WHEN 'f' THEN 'foreign table' WHEN 'p' THEN 'partitioned table' WHEN 'I' THEN 'partitioned index' END \
         AS \"Type\", pg_catalog.pg_get_userbyid(c.relowner) AS \"Owner\"{column} \
         FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace {join}\
         WHERE c.relkind IN ({kinds}'') AND n.nspname <> 'pg_catalog' AND n.nspname !~ '^pg_toast' AND n.nspname <> 'information_schema' \
         AND pg_catalog.pg_table_is_visible(c.oid) ORDER BY 1, 2"
    );
    Some(Listing { title: "List of relations", sql })
}
