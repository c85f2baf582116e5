//! A view that has one row for each event shares what it picks with the segments, and writes what it computes beside them.

use std::path::PathBuf;

use super::database::Database;
use super::server::files;

const VIEWS: [(&str, &str); 6] = [
    ("picked", "SELECT b, a FROM s"),
    ("all_of_it", "SELECT * FROM s"),
    ("twice", "SELECT b AS x, a AS y, b AS z FROM (SELECT a, b FROM s) i"),
    ("computed", "SELECT a, c * 2 AS c, b, upper(b) || c AS text, ARRAY[a, NULL] AS list, 7 AS seven FROM s"),
    ("nested", "SELECT y + y AS y, k FROM (SELECT a * 3 AS y, b AS k, c FROM s) i"),
    ("above", "SELECT c % 10 AS k, count(*) AS n, min(b) AS least, sum(a) AS total FROM computed GROUP BY 1"),
];

fn run(database: &mut Database, sql: &str) -> Vec<String> {
    database.run(sql).unwrap_or_else(|e| panic!("{e:?}\n by {sql}")).bag()
}

fn insert(database: &mut Database, range: std::ops::Range<i64>) {
    let (from, to) = (range.start, range.end - 1);
    let text = "CASE WHEN i % 4 > 0 THEN 'a text that is longer than a view ' || i % 40 END";
    run(database, &format!("INSERT INTO s SELECT i, {text}, CASE WHEN i % 3 > 0 THEN i END FROM generate_series({from}, {to}) i"));
}

/// Two segments of 500 and 300 events, and 50 in the tail; then the views.
fn filled() -> Database {
    let mut database = Database::new().expect("an empty database");
    run(&mut database, "CREATE STREAM s (a int, b text, c bigint)");
    insert(&mut database, 0..500);
    run(&mut database, "CHECKPOINT");
    insert(&mut database, 500..800);
    run(&mut database, "CHECKPOINT");
    insert(&mut database, 800..850);
    for (name, query) in VIEWS {
        run(&mut database, &format!("CREATE MATERIALIZED VIEW {name} AS {query}"));
    }
    database
}

fn all_is_there(database: &mut Database, why: &str) {
    for (name, query) in VIEWS {
        assert_eq!(run(database, &format!("SELECT * FROM {name}")), run(database, query), "{why}: view {name}");
    }
    // Each side of the rows alone, and neither.
    for query in ["SELECT seven, text FROM computed", "SELECT a FROM computed", "SELECT count(*) FROM computed WHERE true"] {
        let inlined = query.replace("computed", &format!("({}) i", VIEWS[3].1));
        assert_eq!(run(database, query), run(database, &inlined), "{why}: {query}");
    }
}

fn row_files(database: &Database) -> Vec<PathBuf> {
    files(database.directory.path(), "views/")
}

#[test]
fn rows_are_read_where_the_events_are_sealed() {
    let mut database = filled();
    all_is_there(&mut database, "live");
    let mut count = |view: &str| {
        let oid = run(&mut database, &format!("SELECT oid FROM everfold.views WHERE name = '{view}'"))[0].trim_matches('\'').to_string();
        row_files(&database).iter().filter(|file| file.to_string_lossy().contains(&format!("views/{oid:0>10}/"))).count()
    };
    // What is folded of the tail goes to a file now or later.
    assert!(count("computed") >= 2 && count("picked") <= 1, "{:?}", row_files(&database));
    assert_eq!(run(&mut database, "SELECT max(rows_in) FROM everfold.dataflows WHERE view = 'picked'"), ["'850'"]);
    insert(&mut database, 850..900);
    run(&mut database, "ALTER STREAM s ADD COLUMN d int");
    insert_wide(&mut database);
    let all_of_it = run(&mut database, "SELECT * FROM all_of_it");
    assert_eq!(all_of_it, run(&mut database, "SELECT a, b, c FROM s"));
    assert_eq!(run(&mut database, "SELECT * FROM picked"), run(&mut database, "SELECT b, a FROM s"));
    // A column that the segments lack.
    run(&mut database, "CREATE MATERIALIZED VIEW wide AS SELECT d, a, coalesce(d, -1) AS e FROM s");
    assert_eq!(run(&mut database, "SELECT * FROM wide"), run(&mut database, "SELECT d, a, coalesce(d, -1) FROM s"));
}

fn insert_wide(database: &mut Database) {
    run(database, "INSERT INTO s SELECT i, 'wide', i, i FROM generate_series(900, 910) i");
}

#[test]
fn they_come_back_after_a_restart_and_a_kill_and_go_with_the_view() {
    let mut database = filled();
    run(&mut database, "CHECKPOINT");
    insert(&mut database, 850..870);
    let mut database = database.kill().expect("it opens again");
    all_is_there(&mut database, "after a kill");
    assert_eq!(run(&mut database, "SELECT max(rows_in) FROM everfold.dataflows WHERE view = 'computed'"), ["'20'"]);
    run(&mut database, "CHECKPOINT");
    let mut database = database.restart().expect("it opens again");
    all_is_there(&mut database, "after a restart");
    assert!(!row_files(&database).is_empty());
    for (name, _) in VIEWS.iter().rev() {
        run(&mut database, &format!("DROP MATERIALIZED VIEW {name}"));
    }
    assert_eq!(row_files(&database), Vec::<PathBuf>::new(), "with the views go their files");
    assert_eq!(run(&mut database, "SELECT count(*), sum(a) FROM s"), ["'870' | '378015'"], "and the segments stay");
}

#[test]
fn what_is_computed_is_computed_once_however_often_it_is_read() {
    let mut database = filled();
    // Merged into one expression it would be of some 2^40 parts.
    let step = |i: i32| format!(", t{} AS (SELECT x * x % 11 + x AS x, a FROM t{i})", i + 1);
    let query = format!("WITH t0 AS (SELECT a % 7 + 1 AS x, a FROM s){} SELECT x, a FROM t40", (0..40).map(step).collect::<String>());
    run(&mut database, &format!("CREATE MATERIALIZED VIEW deep AS {query}"));
    assert_eq!(run(&mut database, "SELECT * FROM deep"), run(&mut database, &query));
}

#[test]
fn a_damaged_file_beside_a_segment_is_made_again() {
    let mut database = filled();
    run(&mut database, "CHECKPOINT");
    for file in row_files(&database) {
        let copy = database.copied().expect("it can be copied");
        let inside = copy.path().join(file.strip_prefix(database.directory.path()).expect("inside"));
        let mut bytes = std::fs::read(&inside).expect("it is there");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x10;
        std::fs::write(inside, bytes).expect("it can be written");
        all_is_there(&mut Database::open(copy).expect("it opens"), &format!("{} flipped", file.display()));
    }
}

#[test]
fn a_sealed_event_that_errs_fails_the_view_and_says_where() {
    let mut database = filled();
    run(&mut database, "CREATE MATERIALIZED VIEW failing AS SELECT b, 10 / (a - 600) AS q FROM s");
    let error = database.run("SELECT * FROM failing").expect_err("a row divides by zero");
    assert!(format!("{error:?}").contains("division by zero"), "{error:?}");
    let position =
        run(&mut database, "SELECT failed_position = (SELECT _position FROM s WHERE a = 600) FROM everfold.views WHERE name = 'failing'");
    assert_eq!(position, ["'t'"]);
    run(&mut database, "ALTER MATERIALIZED VIEW failing RESUME SKIP");
    assert_eq!(run(&mut database, "SELECT count(*) FROM failing"), ["'849'"]);
    run(&mut database, "DROP MATERIALIZED VIEW failing");
    all_is_there(&mut database, "beside a failing one");
}
