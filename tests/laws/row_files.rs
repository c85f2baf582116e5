//! Views that only grow keep their rows in files, of which a checkpoint only tells the names.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::database::Database;
use super::server::files;

const VIEWS: [(&str, &str); 5] = [
    ("big", "SELECT a, b, interval '1 month' * a AS span, ARRAY[a, NULL] AS list FROM s WHERE a % 3 > 0"),
    ("flat", "SELECT a, t.x FROM s CROSS JOIN LATERAL unnest(ARRAY[a, a + 1]) AS t(x)"),
    ("counted", "SELECT a % 7 AS k, count(*) AS n, max(b) AS m FROM big GROUP BY 1"),
    ("joined", "SELECT big.a, t.v FROM big JOIN t ON t.k = big.a % 5"),
    // A column of a view may be called as those that the log adds, whatever is in it.
    ("named", "SELECT b AS _position, a * 1.5 AS _time FROM s"),
];

/// What the derived stream of ksqlDB's dialect holds.
const DERIVED: &str = "SELECT k, v, _offset FROM derived";

fn run(database: &mut Database, sql: &str) -> Vec<String> {
    database.run(sql).unwrap_or_else(|e| panic!("{e:?}\n by {sql}")).bag()
}

fn insert(database: &mut Database, range: std::ops::Range<i64>) {
    let values = |f: &dyn Fn(i64) -> String| range.clone().map(f).collect::<Vec<_>>().join(", ");
    run(database, &format!("INSERT INTO s VALUES {}", values(&|i| format!("({}, 'a text that is longer than a view {i}')", i % 50))));
    run(database, &format!("INSERT INTO clicks (k, v) VALUES {}", values(&|i| format!("('k{}', {i})", i % 5))));
}

/// A database in which each checkpoint moves what it can to files, with 700 events in each stream.
fn filled() -> Database {
    let mut database = Database::new().expect("an empty database");
    run(&mut database, "CREATE STREAM s (a int, b text)");
    run(&mut database, "CREATE TABLE t (k int PRIMARY KEY, v int)");
    run(&mut database, "INSERT INTO t VALUES (0, 10), (1, 11), (4, 14)");
    run(&mut database, "CREATE STREAM clicks (k VARCHAR KEY, v BIGINT) WITH (kafka_topic = 'clicks', value_format = 'json')");
    run(&mut database, "CREATE STREAM derived AS SELECT k, v * 2 AS v FROM clicks WHERE v > 3 EMIT CHANGES");
    for (name, query) in VIEWS {
        run(&mut database, &format!("CREATE MATERIALIZED VIEW {name} AS {query}"));
    }
    insert(&mut database, 0..700);
    database
}

fn all_is_there(database: &mut Database, events: i64, why: &str) {
    for (name, query) in VIEWS {
        assert_eq!(run(database, &format!("SELECT * FROM {name}")), run(database, query), "{why}: view {name}");
    }
    let derived: Vec<String> = (4..events).map(|v| format!("'k{}' | '{}' | '{}'", v % 5, v * 2, v - 4)).collect();
    let mut found: Vec<String> = run(database, DERIVED);
    found.sort_by_key(|row| row.rsplit('\'').nth(1).and_then(|offset| offset.parse::<i64>().ok()));
    assert_eq!(found, derived, "{why}");
}

fn row_files(database: &Database) -> Vec<PathBuf> {
    files(database.directory.path(), "views/")
}

#[test]
fn rows_stand_in_files_and_are_read_and_followed_there() {
    let mut database = filled();
    run(&mut database, "CHECKPOINT");
    insert(&mut database, 700..900);
    run(&mut database, "CHECKPOINT");
    insert(&mut database, 900..910);
    assert!(row_files(&database).len() >= 6, "{:?}", row_files(&database));
    all_is_there(&mut database, 910, "live");
    // What reads them from the beginning is as it would have been from the beginning.
    run(&mut database, "CREATE MATERIALIZED VIEW late AS SELECT list, count(*) AS n FROM big GROUP BY list");
    run(&mut database, "CREATE TABLE per_key AS SELECT k, COUNT(*) AS n, SUM(v) AS total FROM derived GROUP BY k EMIT CHANGES");
    assert_eq!(run(&mut database, "SELECT * FROM late"), run(&mut database, "SELECT list, count(*) FROM big GROUP BY list"));
    assert_eq!(run(&mut database, "SELECT * FROM per_key"), run(&mut database, "SELECT k, count(*), sum(v) FROM derived GROUP BY k"));
    insert(&mut database, 910..920);
    all_is_there(&mut database, 920, "with readers");
    assert_eq!(run(&mut database, "SELECT * FROM late"), run(&mut database, "SELECT list, count(*) FROM big GROUP BY list"));
    assert_eq!(run(&mut database, "SELECT * FROM per_key"), run(&mut database, "SELECT k, count(*), sum(v) FROM derived GROUP BY k"));
    let in_files = "SELECT file_bytes > 0 FROM everfold.views WHERE name IN ('big', 'flat', 'counted') ORDER BY name";
    assert_eq!(run(&mut database, in_files), ["'f'", "'t'", "'t'"]);
}

#[test]
fn files_of_rows_come_back_with_the_checkpoint_that_names_them() {
    let mut database = filled();
    run(&mut database, "CHECKPOINT");
    insert(&mut database, 700..750);
    let mut database = database.kill().expect("it opens again");
    let names = |database: &Database| -> BTreeSet<String> {
        row_files(database).iter().filter_map(|file| Some(file.file_name()?.to_str()?.to_string())).collect()
    };
    assert!(names(&database).len() >= 3, "those that the checkpoint names are there");
    all_is_there(&mut database, 750, "after a kill");
    let folded = run(&mut database, "SELECT max(rows_in) FROM everfold.dataflows WHERE view = 'big'");
    assert_eq!(folded, ["'50'"], "only what came after is folded");
    let orphan = database.directory.path().join("views/0000000001/orphan.parquet");
    std::fs::create_dir_all(orphan.parent().expect("it has one")).expect("it can be made");
    std::fs::write(&orphan, "left behind").expect("it can be written");
    let mut database = database.restart().expect("it opens again");
    all_is_there(&mut database, 750, "after a restart");
    assert!(!names(&database).contains("orphan.parquet"), "a file that no checkpoint names goes");
    run(&mut database, "DROP MATERIALIZED VIEW big CASCADE");
    run(&mut database, "DROP MATERIALIZED VIEW flat, named");
    run(&mut database, "DROP STREAM derived");
    assert_eq!(row_files(&database), Vec::<PathBuf>::new(), "with the view go its files");
}

#[test]
fn a_missing_or_damaged_file_of_rows_is_made_again_from_the_log() {
    let mut database = filled();
    run(&mut database, "CHECKPOINT");
    for file in row_files(&database) {
        let inside = |copy: &Path| copy.join(file.strip_prefix(database.directory.path()).expect("inside"));
        let name = file.display();
        let length = std::fs::metadata(&file).expect("it is there").len() as usize;
        for at in [8, length / 3, length / 2, length - 9] {
            let copy = database.copied().expect("it can be copied");
            let mut bytes = std::fs::read(&file).expect("it is there");
            bytes[at] ^= 0x10;
            std::fs::write(inside(copy.path()), bytes).expect("it can be written");
            all_is_there(&mut Database::open(copy).expect("it opens"), 700, &format!("{name} flipped at {at}"));
        }
        let copy = database.copied().expect("it can be copied");
        std::fs::remove_file(inside(copy.path())).expect("it can be removed");
        all_is_there(&mut Database::open(copy).expect("it opens"), 700, &format!("{name} removed"));
    }
}
