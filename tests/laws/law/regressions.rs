//! Cases that once broke the law, made small.

use crate::laws::database::Database;

/// Runs the statements; then each view equals its query, now, after a checkpoint and a restart, and after a kill.
fn holds(statements: &[&str]) {
    let mut database = Database::new().expect("an empty database");
    let mut views = Vec::new();
    for sql in statements {
        database.run(sql).unwrap_or_else(|e| panic!("{e:?}\n  by {sql}"));
        if let Some((name, query)) = sql.strip_prefix("CREATE MATERIALIZED VIEW ").and_then(|rest| rest.split_once(" AS ")) {
            views.push((name, query));
        }
    }
    let equal = |database: &mut Database, when: &str| {
        for (name, query) in &views {
            let bag = |answer: everfold::error::Result<crate::laws::database::Answer>| answer.unwrap_or_else(|e| panic!("{e:?}")).bag();
            assert_eq!(bag(database.run(&format!("SELECT * FROM {name}"))), bag(database.run(query)), "{when}: view {name} AS {query}");
        }
    };
    equal(&mut database, "at once");
    database.run("CHECKPOINT").expect("all types can be sealed");
    equal(&mut database, "sealed");
    let mut database = database.restart().expect("it opens again");
    equal(&mut database, "after a restart");
    let mut database = database.kill().expect("it opens again");
    equal(&mut database, "after a kill");
}

#[test]
fn a_filter_that_lets_nothing_through() {
    holds(&[
        "CREATE STREAM s (a int, b text)",
        "CREATE MATERIALIZED VIEW v AS SELECT a, b FROM s WHERE 1 > 2",
        "INSERT INTO s VALUES (1, 'x')",
    ]);
}

#[test]
fn intervals_are_sealed() {
    holds(&[
        "CREATE STREAM s (i interval, a interval[])",
        "CREATE TABLE t (k int PRIMARY KEY, i interval)",
        "INSERT INTO s VALUES ('1 mon 2 days 03:04:05.000006', '{1 day,NULL}'), (NULL, NULL), ('-1 day', '{}')",
        "INSERT INTO t VALUES (1, '1 mon'), (2, NULL)",
        "CREATE MATERIALIZED VIEW v AS SELECT i, a FROM s",
        "CREATE MATERIALIZED VIEW w AS SELECT s.i, t.k FROM s LEFT JOIN t ON s.i > t.i",
        "CREATE MATERIALIZED VIEW x AS SELECT i, count(*) AS n FROM s GROUP BY i",
    ]);
}

#[test]
fn a_view_of_constants_over_a_table_with_deletions() {
    holds(&[
        "CREATE TABLE t (k int PRIMARY KEY, v int)",
        "INSERT INTO t VALUES (1, 1), (2, 2), (3, 3)",
        "DELETE FROM t WHERE k = 2",
        "CREATE MATERIALIZED VIEW v AS SELECT 7 AS c FROM t",
        "CREATE MATERIALIZED VIEW w AS SELECT v.c FROM v CROSS JOIN t WHERE t.v > 1",
    ]);
}

#[test]
fn text_in_every_arrow_type_is_text_to_those_who_read_the_view() {
    holds(&[
        "CREATE STREAM s (a int, t text, v varchar(5), b boolean)",
        "INSERT INTO s VALUES (1, 'a', 'b', true), (2, 'b', NULL, false), (NULL, NULL, NULL, NULL)",
        "CREATE MATERIALIZED VIEW v AS SELECT min(t) AS c0, max(upper(v)) AS c1, (a)::text AS c2, CASE WHEN b THEN t ELSE 'x' END AS c3, \
         coalesce(substr(t, 1, 2), 'y') AS c4, t || v AS c5, 'z' AS c6 FROM s GROUP BY 3, 4, 5, 6",
        "CREATE MATERIALIZED VIEW w AS SELECT c0, c1, c2, c3, c4, c5, c6, count(*) FILTER (WHERE c4 LIKE '%') AS n FROM v \
         WHERE c3 LIKE '_' OR c2 LIKE '%' OR c6 LIKE 'z' GROUP BY 1, 2, 3, 4, 5, 6, 7",
    ]);
}
