//! Views that cannot fold a row: where they stop, what they leave out, restarts, limits.

use std::sync::Arc;

use everfold::clock::SystemClock;
use everfold::config::Config;
use everfold::error::{Error, code};

use super::database::{Database, directory};
use crate::support::random::{Random, number};

fn run(database: &mut Database, sql: &str) -> Vec<String> {
    database.run(sql).unwrap_or_else(|e| panic!("{e:?}\n by {sql}")).bag()
}

#[track_caller]
fn refused(database: &mut Database, sql: &str) -> Error {
    match database.run(sql) {
        Ok(answer) => panic!("{sql} was not refused: {answer:?}"),
        Err(e) => e,
    }
}

/// Views that err where `b` is 0 or `t` is no number, and what they are over the rows that do not err.
const VIEWS: [(&str, &str, &str); 8] = [
    ("project", "SELECT k, a / b AS q FROM r", "SELECT k, a / b AS q FROM r WHERE b <> 0"),
    ("filter", "SELECT k FROM r WHERE a % b = 1", "SELECT k FROM r WHERE a % nullif(b, 0) = 1"),
    ("grouped", "SELECT a / b AS q, count(*) AS n FROM r GROUP BY 1", "SELECT a / b AS q, count(*) AS n FROM r WHERE b <> 0 GROUP BY 1"),
    (
        "calls",
        "SELECT a % 3 AS g, count(*) AS n, sum(a / b) AS s, max(t::int) AS m FROM r GROUP BY 1",
        "SELECT a % 3 AS g, count(*) AS n, sum(a / b) AS s, max(t::int) AS m FROM r WHERE b <> 0 AND t <> 'x' GROUP BY 1",
    ),
    (
        "joined",
        "SELECT r.k, o.k AS l FROM r LEFT JOIN r AS o ON r.t::int = o.k",
        "SELECT r.k, o.k AS l FROM (SELECT * FROM r WHERE t <> 'x') AS r LEFT JOIN r AS o ON r.t::int = o.k",
    ),
    (
        "pairs",
        "SELECT r.k, o.k AS l FROM r JOIN r AS o ON r.a / o.b > 2",
        "SELECT r.k, o.k AS l FROM r JOIN (SELECT * FROM r WHERE b <> 0) AS o ON r.a / o.b > 2",
    ),
    (
        "first",
        "SELECT k, a / b AS q FROM r ORDER BY a / b DESC, k LIMIT 3",
        "SELECT k, a / b AS q FROM r WHERE b <> 0 ORDER BY a / b DESC, k LIMIT 3",
    ),
    ("above", "SELECT count(*) AS n, sum(q) AS s FROM project", "SELECT count(*) AS n, sum(a / b) AS s FROM r WHERE b <> 0"),
];

fn row(random: &mut Random) -> String {
    let t = match random.chance(20) {
        true => "x".to_string(),
        false => random.below(8).to_string(),
    };
    format!("({}, {}, {}, '{t}')", random.below(12), random.between(-5, 9), random.between(0, 3))
}

fn change(random: &mut Random) -> String {
    let condition = format!("k % 4 = {}", random.below(4));
    match random.below(4) {
        0 => format!("UPDATE r SET b = {} WHERE {condition}", random.between(0, 2)),
        1 => format!("UPDATE r SET t = '{}', a = a + 1 WHERE {condition}", random.pick(&["1", "x", "5"])),
        2 => format!("DELETE FROM r WHERE {condition}"),
        _ => {
            format!("INSERT INTO r VALUES {}", row(random))
        }
    }
}

/// One history over a keyed table: what is left out, and for how long, is the rows' own matter.
fn leaves_out_what_errs(seed: u64) {
    let mut random = Random::new(seed);
    let mut database = Database::new().expect("an empty database");
    run(&mut database, "CREATE TABLE r (k int PRIMARY KEY, a int, b int, t text)");
    let early = random.chance(50);
    if !early {
        (0..8).for_each(|_| drop(database.run(&change(&mut random))));
    }
    for (name, query, _) in VIEWS {
        run(&mut database, &format!("CREATE MATERIALIZED VIEW {name} AS {query}"));
        // Some have failed by now, others have not.
        run(&mut database, &format!("ALTER MATERIALIZED VIEW {name} RESUME SKIP"));
    }
    for round in 0..12 {
        match random.below(12) {
            0 => run(&mut database, "CHECKPOINT"),
            1 => {
                database = database.restart().expect("it opens again");
                vec![]
            }
            2 => {
                database = database.kill().expect("it opens again");
                vec![]
            }
            3 => {
                let sql = [change(&mut random), change(&mut random), change(&mut random)];
                run(&mut database, "BEGIN");
                sql.iter().take_while(|sql| database.run(sql).is_ok()).count();
                drop(database.run("COMMIT"));
                vec![]
            }
            _ => run(&mut database, &change(&mut random)),
        };
        for (name, _, wanted) in VIEWS {
            let (held, wanted) = (run(&mut database, &format!("SELECT * FROM {name}")), run(&mut database, wanted));
            assert_eq!(held, wanted, "seed {seed}, round {round}: view {name}");
        }
        let left_out = "SELECT left_out FROM everfold.views WHERE name = 'project'";
        assert_eq!(run(&mut database, left_out), run(&mut database, "SELECT count(*) FROM r WHERE b = 0"), "seed {seed}, round {round}");
    }
}

#[test]
fn a_view_that_leaves_out_rows_equals_its_query_over_the_others() {
    let first = number("EVERFOLD_SEED", 1);
    (first..first + number("EVERFOLD_CASES", 2)).for_each(leaves_out_what_errs);
}

fn failure(database: &mut Database, view: &str) -> Vec<String> {
    assert_eq!(refused(database, &format!("SELECT * FROM {view}")).code(), code::OBJECT_NOT_IN_PREREQUISITE_STATE);
    run(database, &format!("SELECT state, failed_position, sqlstate, error FROM everfold.views WHERE name = '{view}'"))
}

#[test]
fn the_event_at_fault_is_found_however_far_the_step_was_that_met_it() {
    let mut database = Database::new().expect("an empty database");
    run(&mut database, "CREATE STREAM s (a int, b int)");
    run(&mut database, "CREATE TABLE t (k int PRIMARY KEY, b int)");
    run(&mut database, "INSERT INTO s SELECT i, 1 + i % 7 FROM generate_series(1, 5000) AS g(i)");
    run(&mut database, "INSERT INTO s SELECT i, i % 11 FROM generate_series(1, 100) AS g(i)");
    run(&mut database, "INSERT INTO t SELECT i, 1 FROM generate_series(1, 300) AS g(i)");
    run(&mut database, "UPDATE t SET b = 0 WHERE k = 17");
    run(&mut database, "UPDATE t SET b = 2 WHERE k < 100");
    run(&mut database, "UPDATE t SET b = 3");
    run(&mut database, "UPDATE t SET b = 0 WHERE k = 40");
    run(&mut database, "UPDATE t SET b = 3 WHERE k > 200");
    run(&mut database, "SELECT count(*) FROM t");
    let head = run(&mut database, "SELECT end_position FROM everfold.tables").remove(0).replace('\'', "");
    let head: u64 = head.parse().expect("a position");
    let first = run(&mut database, "SELECT min(_position) FROM s WHERE b = 0").remove(0).replace('\'', "");
    for (view, query) in [
        ("plain", "SELECT a / b AS q FROM s"),
        ("grouped", "SELECT a % 10 AS g, sum(a / b) AS s FROM s GROUP BY 1"),
        ("paired", "SELECT count(*) AS n FROM (SELECT 10 / b AS q FROM s) AS x JOIN t ON t.k = x.q"),
    ] {
        run(&mut database, &format!("CREATE MATERIALIZED VIEW {view} AS {query}"));
        let told = failure(&mut database, view).remove(0);
        assert!(told.starts_with(&format!("'failed' | '{first}' | '22012' | ")), "{view}: {told}, but it is {first}");
    }
    // Row 17 was at fault once, but is not any more: what counts is the event that left row 40 as it is.
    run(&mut database, "CREATE MATERIALIZED VIEW shares AS SELECT k, 100 / b AS q FROM t");
    let told = failure(&mut database, "shares").remove(0);
    assert!(told.starts_with(&format!("'failed' | '{}' | '22012' | ", head - 101)), "{told}, but it is {}", head - 101);

    // Neither a restart nor a crash makes it another one, and a mended row is forgotten.
    let before = ["plain", "grouped", "paired", "shares"].map(|view| failure(&mut database, view));
    let mut database = database.restart().expect("it opens again");
    assert_eq!(["plain", "grouped", "paired", "shares"].map(|view| failure(&mut database, view)), before);
    let mut database = database.kill().expect("it opens again");
    assert_eq!(["plain", "grouped", "paired", "shares"].map(|view| failure(&mut database, view)), before);
    run(&mut database, "DELETE FROM t WHERE k = 40");
    run(&mut database, "ALTER MATERIALIZED VIEW shares RESUME");
    assert_eq!(run(&mut database, "SELECT sum(q) FROM shares"), run(&mut database, "SELECT sum(100 / b) FROM t"));
}

#[test]
fn a_crash_behind_alter_loses_nothing_of_it() {
    let mut database = Database::new().expect("an empty database");
    run(&mut database, "CREATE STREAM s (a int, b int)");
    run(&mut database, "CREATE MATERIALIZED VIEW v AS SELECT a / b AS q FROM s");
    run(&mut database, "CREATE MATERIALIZED VIEW w AS SELECT count(*) AS n FROM v");
    run(&mut database, "INSERT INTO s VALUES (1, 1), (2, 0), (3, 1)");
    refused(&mut database, "SELECT * FROM w");
    run(&mut database, "CHECKPOINT");
    run(&mut database, "ALTER MATERIALIZED VIEW v RESUME SKIP");
    let mut database = database.kill().expect("it opens again");
    assert_eq!(run(&mut database, "SELECT * FROM w"), ["'2'"]);
    run(&mut database, "CHECKPOINT");
    run(&mut database, "INSERT INTO s VALUES (4, 0)");
    let mut database = database.kill().expect("it opens again");
    assert_eq!(run(&mut database, "SELECT * FROM w"), ["'2'"]);
    assert_eq!(run(&mut database, "SELECT left_out FROM everfold.views WHERE name = 'v'"), ["'2'"]);
    run(&mut database, "CREATE OR REPLACE MATERIALIZED VIEW x AS SELECT a / b AS q FROM s");
    refused(&mut database, "SELECT * FROM x");
    run(&mut database, "CREATE OR REPLACE MATERIALIZED VIEW x AS SELECT count(*) AS n FROM s");
    let mut database = database.kill().expect("it opens again");
    assert_eq!(run(&mut database, "SELECT n FROM x"), ["'4'"]);
}

#[test]
fn a_view_past_its_limit_of_state_fails_and_the_server_lives() {
    let limited = || Config { view_state_bytes_max: 1 << 20, ..Config::default() };
    let mut database = Database::open_with(directory(), Arc::new(SystemClock), limited()).expect("an empty database");
    run(&mut database, "CREATE TABLE t (k int PRIMARY KEY, v int)");
    run(&mut database, "CREATE STREAM s (a int)");
    run(&mut database, "CREATE MATERIALIZED VIEW small AS SELECT v % 10 AS g, count(*) AS n FROM t GROUP BY 1");
    run(&mut database, "CREATE MATERIALIZED VIEW wide AS SELECT k, v, repeat('x', 100) || k AS text FROM t");
    run(&mut database, "CREATE MATERIALIZED VIEW over_wide AS SELECT count(*) AS n FROM wide");
    run(&mut database, "INSERT INTO t SELECT i, i FROM generate_series(1, 1000) AS g(i)");
    assert_eq!(run(&mut database, "SELECT n FROM over_wide"), ["'1000'"]);
    run(&mut database, "INSERT INTO t SELECT i, i FROM generate_series(1, 20000) AS g(i)");
    let e = refused(&mut database, "SELECT n FROM over_wide");
    assert_eq!(e.message(), "materialized view \"wide\" has failed: its state takes more than 1048576 bytes");
    let told = "SELECT state, sqlstate, failed_position, state_bytes < 1000 FROM everfold.views WHERE name = 'wide'";
    assert_eq!(run(&mut database, told), ["'failed' | '53400' | NULL | 't'"]);
    assert_eq!(run(&mut database, "SELECT sum(n) FROM small"), ["'20000'"]);
    // It folds again when there is less to keep, and when there may be more.
    run(&mut database, "DELETE FROM t WHERE k > 500");
    run(&mut database, "ALTER MATERIALIZED VIEW wide RESUME");
    assert_eq!(run(&mut database, "SELECT n FROM over_wide"), ["'500'"]);

    // Four hundred million pairs are refused long before they are all there.
    run(&mut database, "INSERT INTO s SELECT i FROM generate_series(1, 20000) AS g(i)");
    run(&mut database, "CREATE MATERIALIZED VIEW crossed AS SELECT x.a, y.a AS b FROM s AS x CROSS JOIN s AS y");
    let e = refused(&mut database, "SELECT count(*) FROM crossed");
    assert_eq!(e.message(), "materialized view \"crossed\" has failed: a join gives more than 1048576 bytes at one time");
    assert_eq!(run(&mut database, "SELECT sum(n) FROM small"), ["'500'"]);
    run(&mut database, "DROP MATERIALIZED VIEW crossed");

    run(&mut database, "INSERT INTO t SELECT i, i FROM generate_series(1, 20000) AS g(i)");
    refused(&mut database, "SELECT n FROM over_wide");
    let mut database = database.restart().expect("it opens again without limits");
    assert_eq!(run(&mut database, "SELECT n FROM over_wide"), ["'20000'"]);
}

#[test]
fn an_endless_recursion_fails_its_view_and_the_server_lives() {
    let limited = || Config { view_state_bytes_max: 4 << 20, ..Config::default() };
    let mut database = Database::open_with(directory(), Arc::new(SystemClock), limited()).expect("an empty database");
    run(&mut database, "CREATE TABLE road (a int, b int, PRIMARY KEY (a, b))");
    let walk =
        |union: &str| format!("WITH RECURSIVE r(b) AS (SELECT 1 {union} SELECT road.b FROM r JOIN road ON road.a = r.b) SELECT b FROM r");
    run(&mut database, &format!("CREATE MATERIALIZED VIEW ways AS {}", walk("UNION ALL")));
    run(&mut database, &format!("CREATE MATERIALIZED VIEW reached AS {}", walk("UNION")));
    run(&mut database, "INSERT INTO road VALUES (1, 2), (2, 3)");
    assert_eq!(run(&mut database, "SELECT count(*) FROM ways"), ["'3'"]);
    // Of a circle all ways are without number, but what is reached is not.
    run(&mut database, "INSERT INTO road VALUES (3, 1)");
    assert_eq!(run(&mut database, "SELECT count(*) FROM reached"), ["'3'"]);
    assert!(failure(&mut database, "ways").remove(0).starts_with("'failed' | NULL | '53400' | "));
    run(&mut database, "DELETE FROM road WHERE a = 3");
    run(&mut database, "ALTER MATERIALIZED VIEW ways RESUME");
    assert_eq!(run(&mut database, "SELECT count(*) FROM ways"), ["'3'"]);
    // What keeps nothing is told by its iterations.
    run(&mut database, "CREATE MATERIALIZED VIEW same AS WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n FROM r) SELECT n FROM r");
    let e = refused(&mut database, "SELECT count(*) FROM same");
    assert_eq!(e.message(), "materialized view \"same\" has failed: recursive query \"r\" has more than 100000 iterations");
    assert_eq!(run(&mut database, "SELECT count(*) FROM reached"), ["'3'"]);
    run(&mut database, "DROP MATERIALIZED VIEW same");
    let mut database = database.kill().expect("it opens again");
    run(&mut database, "INSERT INTO road VALUES (3, 4)");
    assert_eq!(run(&mut database, "SELECT count(*) FROM ways"), ["'4'"]);
}

#[test]
fn endless_views_that_are_dropped_let_others_go_on() {
    let mut database = Database::new().expect("an empty database");
    run(&mut database, "CREATE TABLE t (k int PRIMARY KEY, v int)");
    run(&mut database, "INSERT INTO t SELECT i, i FROM generate_series(1, 200000) AS g(i)");
    // Each step of them takes far longer than a statement may.
    let endless = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n FROM r JOIN t ON t.v + n > 200000) SELECT n FROM r";
    let crossed = "SELECT count(*) AS n FROM t AS a JOIN t AS b ON a.v + b.v < 0";
    // As many as there are threads, again and again: each hold of one would be for good.
    for query in [endless, crossed] {
        for name in ["one", "other"] {
            run(&mut database, &format!("CREATE MATERIALIZED VIEW {name} AS {query}"));
        }
        run(&mut database, "DROP MATERIALIZED VIEW one, other");
        run(&mut database, "CREATE MATERIALIZED VIEW sums AS SELECT sum(v) AS s FROM t");
        assert_eq!(run(&mut database, "SELECT s FROM sums"), ["'20000100000'"]);
        run(&mut database, "DROP MATERIALIZED VIEW sums");
    }
    // One that is replaced stops as well.
    for _ in 0..3 {
        run(&mut database, &format!("CREATE OR REPLACE MATERIALIZED VIEW one AS {endless}"));
    }
    run(&mut database, "CREATE OR REPLACE MATERIALIZED VIEW one AS SELECT count(*) AS n FROM t");
    assert_eq!(run(&mut database, "SELECT n FROM one"), ["'200000'"]);

    // A server that ends waits for none of them, and what the others hold is there again.
    for name in ["two", "three"] {
        run(&mut database, &format!("CREATE MATERIALIZED VIEW {name} AS {endless}"));
    }
    let mut database = database.restart().expect("it opens again");
    run(&mut database, "DROP MATERIALIZED VIEW two, three");
    assert_eq!(run(&mut database, "SELECT n FROM one"), ["'200000'"]);
}

#[test]
fn a_history_that_is_folded_in_slices_fails_no_view_that_its_query_does_not() {
    let sliced = Config { step_rows_max: 2, ..Config::default() };
    let mut database = Database::open_with(directory(), Arc::new(SystemClock), sliced).expect("an empty database");
    run(&mut database, "CREATE STREAM a (g int)");
    run(&mut database, "CREATE STREAM b (g int)");
    for _ in 0..3 {
        run(&mut database, "INSERT INTO a VALUES (0), (1), (0)");
        run(&mut database, "INSERT INTO b VALUES (0), (1), (1)");
    }
    let queries = [
        "SELECT a.g, 100 / count(b.g) AS p FROM a LEFT JOIN b ON b.g = a.g GROUP BY a.g",
        "SELECT b.g, 100 / count(a.g) AS p FROM b LEFT JOIN a ON b.g = a.g GROUP BY b.g",
    ];
    for (i, query) in queries.iter().enumerate() {
        run(&mut database, &format!("CREATE MATERIALIZED VIEW v{i} AS {query}"));
        assert_eq!(run(&mut database, &format!("SELECT * FROM v{i}")), run(&mut database, query));
    }
    run(&mut database, "INSERT INTO a VALUES (1), (1), (0)");
    for (i, query) in queries.iter().enumerate() {
        assert_eq!(run(&mut database, &format!("SELECT * FROM v{i}")), run(&mut database, query));
    }
    run(&mut database, "CREATE MATERIALIZED VIEW fails AS SELECT 100 / (count(*) - 12) AS p FROM a");
    assert_eq!(refused(&mut database, "SELECT * FROM fails").code(), code::OBJECT_NOT_IN_PREREQUISITE_STATE);
}
