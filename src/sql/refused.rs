//! Statements of PostgreSQL that Everfold does not have, with what to write instead.

use crate::error::Error;

const NONE: &str = "There are none but those that are built in; leave the statement out.";

/// The first word of a statement, what stands behind it, and the hint. The second word tells, an empty one fits any.
const REFUSED: &[(&str, &str, &str)] = &[
    (
        "alter",
        "system",
        "SET a setting in the session, ALTER ROLE ALL SET it for sessions to come, or start the server with another configuration.",
    ),
    ("alter", "", "Create the relation anew under another name, and fill it with INSERT INTO .. SELECT."),
    ("create", "database", "A server serves one database; start another one with its own --data and --listen."),
    ("create", "access method", "Streams and tables are kept in one way each; CREATE INDEX takes btree and hash."),
    ("create", "aggregate", "Compute it of the aggregates that there are, in a view."),
    ("create", "cast", "Write a function that converts, and call it."),
    ("create", "collation", "Text is compared by its bytes: COLLATE \"C\"."),
    ("create", "conversion", "SET client_encoding to one of the encodings that there are."),
    ("create", "event trigger", "LISTEN to a relation tells of its changes."),
    ("create", "foreign", "COPY reads and writes files; there are no foreign tables."),
    ("create", "language", "Functions are written in sql and plpgsql."),
    ("create", "operator", "Write a function, and call it."),
    ("create", "publication", "There is no logical replication: LISTEN to a relation, or read it from a position on."),
    ("create", "rule", "A materialized view follows every event; say in its query what shall follow."),
    ("create", "server", "COPY reads and writes files; there are no foreign tables."),
    ("create", "statistics", "Leave it out: plans do not rest on statistics of several columns."),
    ("create", "subscription", "There is no logical replication: COPY the rows, or INSERT them."),
    ("create", "tablespace", "All data is in the data directory of the server: leave it out."),
    ("create", "text search", "Search text with LIKE and regular expressions."),
    ("create", "transform", "Functions are written in sql and plpgsql, which take all types as they are."),
    ("drop", "access method", NONE),
    ("drop", "cast", NONE),
    ("drop", "conversion", NONE),
    ("drop", "database", "A server serves one database, under whatever name it is asked for: stop it, and remove its data directory."),
    ("drop", "event trigger", NONE),
    ("drop", "foreign", NONE),
    ("drop", "operator", NONE),
    ("drop", "tablespace", NONE),
    ("drop", "text search", NONE),
    ("drop", "transform", NONE),
    ("import", "foreign", "COPY reads and writes files; there are no foreign tables."),
    ("load", "", "Functions are built in; leave the statement out."),
    ("security", "label", "GRANT says who may do what."),
];

/// The refusal of a statement that begins with these words in lower case, if it is one that will never parse.
pub fn refused(first: &str, second: &str) -> Option<Error> {
    let fits = |(a, b, _): &&(&str, &str, &str)| *a == first && (b.is_empty() || b.split(' ').next() == Some(second));
    let (a, b, hint) = REFUSED.iter().find(fits)?;
    let name = if matches!(first, "alter") { format!("{a} {second}") } else { format!("{a} {b}") };
    Some(Error::unsupported(format!("{} is not supported", name.trim_end().to_uppercase())).at(1).hint(*hint))
}

#[cfg(test)]
mod tests {
    use crate::error::code;
    use crate::sql::parse;

    #[test]
    fn what_is_not_there_is_refused_with_what_to_write_instead() {
        let cases = [
            ("create database d", "CREATE DATABASE is not supported", "--data"),
            ("create text search configuration c (copy = simple)", "CREATE TEXT SEARCH is not supported", "LIKE"),
            ("drop cast if exists (int as text)", "DROP CAST is not supported", "leave the statement out"),
            ("create rule r as on insert to t do nothing", "CREATE RULE is not supported", "view"),
        ];
        for (sql, message, hint) in cases {
            let e = parse(sql).unwrap_err();
            assert_eq!((e.code(), e.message()), (code::FEATURE_NOT_SUPPORTED, message), "{sql}");
            assert!(e.fields().hint.as_ref().unwrap().contains(hint), "{sql}: {e:?}");
        }
    }
}
