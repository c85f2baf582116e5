//! Restarts: checkpoints that are used, missing or damaged; torn and flipped bytes in the log.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Int32Array, RecordBatch};
use everfold::clock::SystemClock;
use everfold::config::Config;
use everfold::engine::Engine;
use everfold::error::{Error, code};
use everfold::log::store::{LocalStore, Store};
use everfold::log::{Append, Log, Options};

use super::database::Database;
use super::server::files;

const VIEWS: [(&str, &str); 4] = [
    ("sums", "SELECT a % 7 AS k, count(*) AS n, sum(b) AS s, max(b) AS m FROM s GROUP BY 1"),
    ("joined", "SELECT s.a, s.b, t.v FROM s JOIN t ON s.a = t.k WHERE t.v > 2"),
    // Its common expression is named by a counter, which must not make it another view after a restart.
    ("common", "SELECT a % 7 + 1 AS x, (a % 7 + 1) * 2 AS y FROM s WHERE a % 7 + 1 > 2"),
    ("above", "SELECT sums.k, sums.s, t.v FROM sums LEFT JOIN t ON sums.k = t.k"),
];

fn values(range: std::ops::Range<i64>) -> String {
    range.map(|i| format!("({}, {})", i % 50, i)).collect::<Vec<_>>().join(", ")
}

/// A database with a stream of 1000 events, a table and three views.
fn filled() -> Database {
    let mut database = Database::new().expect("an empty database");
    run(&mut database, "CREATE STREAM s (a int, b bigint)");
    run(&mut database, "CREATE TABLE t (k int PRIMARY KEY, v int)");
    for (name, query) in VIEWS {
        run(&mut database, &format!("CREATE MATERIALIZED VIEW {name} AS {query}"));
    }
    run(&mut database, &format!("INSERT INTO s VALUES {}", values(0..1000)));
    run(&mut database, &format!("INSERT INTO t VALUES {}", values(0..20)));
    database
}

fn run(database: &mut Database, sql: &str) -> Vec<String> {
    database.run(sql).unwrap_or_else(|e| panic!("{e:?}\n by {sql}")).bag()
}

fn views_equal_their_queries(database: &mut Database, why: &str) {
    for (name, query) in VIEWS {
        assert_eq!(run(database, &format!("SELECT * FROM {name}")), run(database, query), "{why}: view {name}");
    }
}

fn count(database: &mut Database, sql: &str) -> i64 {
    database.run(sql).expect("it can be counted").one().parse().expect("a number")
}

/// The bytes of a file changed by `f`; the database is opened on a copy of the whole directory with it.
fn with_changed(database: &Database, file: &Path, f: impl FnOnce(&mut Vec<u8>)) -> Result<Database, Error> {
    let copy = database.copied()?;
    let inside = copy.path().join(file.strip_prefix(database.directory.path()).expect("a file of the database"));
    let mut bytes = std::fs::read(&inside)?;
    f(&mut bytes);
    std::fs::write(&inside, bytes)?;
    Database::open(copy)
}

fn rows_in(database: &mut Database, view: &str) -> i64 {
    count(database, &format!("SELECT coalesce(max(rows_in), 0) FROM everfold.dataflows WHERE view = '{view}'"))
}

#[test]
fn views_come_back_from_a_checkpoint_and_fold_only_what_came_after() {
    let mut database = filled();
    run(&mut database, "CHECKPOINT");
    run(&mut database, &format!("INSERT INTO s VALUES {}", values(1000..1005)));
    let mut database = database.kill().expect("it opens again");
    views_equal_their_queries(&mut database, "after a checkpoint");
    assert_eq!(count(&mut database, "SELECT sum(n) FROM sums"), 1005);
    let folded = rows_in(&mut database, "sums");
    // Five events, of which each may take a row out of the groups and put one in.
    assert!((5..=10).contains(&folded), "{folded} rows were folded");
    // A clean stop takes a checkpoint by itself.
    let mut database = database.restart().expect("it opens again");
    views_equal_their_queries(&mut database, "after a clean stop");
    for (view, _) in VIEWS {
        assert_eq!(rows_in(&mut database, view), 0, "{view}");
    }
}

#[test]
fn without_a_checkpoint_everything_is_folded_again() {
    let mut database = filled().kill().expect("it opens again");
    views_equal_their_queries(&mut database, "without a checkpoint");
    assert_eq!(rows_in(&mut database, "sums"), 1000);
}

#[test]
fn a_missing_or_damaged_checkpoint_is_made_again_from_the_log() {
    let mut database = filled();
    run(&mut database, "CHECKPOINT");
    run(&mut database, "DELETE FROM t WHERE k = 3");
    let checkpoints = files(database.directory.path(), "checkpoints/");
    assert!(checkpoints.len() > VIEWS.len(), "{checkpoints:?}");
    for file in checkpoints.iter().filter(|f| f.to_string_lossy().ends_with(".state")) {
        let name = file.display();
        let length = std::fs::metadata(file).expect("it is there").len() as usize;
        for at in [0, 9, 14, 30, length / 2, length - 1] {
            let mut reopened = with_changed(&database, file, |bytes| bytes[at] ^= 0x40).expect("it opens");
            views_equal_their_queries(&mut reopened, &format!("{name} flipped at {at}"));
        }
        for left in [0, 7, 20, length / 2, length - 1] {
            let mut reopened = with_changed(&database, file, |bytes| bytes.truncate(left)).expect("it opens");
            views_equal_their_queries(&mut reopened, &format!("{name} cut to {left}"));
        }
        let copy = database.copied().expect("it can be copied");
        std::fs::remove_file(copy.path().join(file.strip_prefix(database.directory.path()).expect("inside"))).expect("it can be removed");
        views_equal_their_queries(&mut Database::open(copy).expect("it opens"), &format!("{name} removed"));
    }
    let copy = database.copied().expect("it can be copied");
    std::fs::remove_dir_all(copy.path().join("checkpoints")).expect("it can be removed");
    views_equal_their_queries(&mut Database::open(copy).expect("it opens"), "no checkpoints");
}

#[test]
fn relations_of_all_schemas_come_back_and_views_read_what_they_read() {
    let mut database = filled();
    for sql in [
        "CREATE SCHEMA a",
        "CREATE SCHEMA b",
        "CREATE TABLE a.t (k serial PRIMARY KEY, v int)",
        "CREATE STREAM b.s (a int, b bigint)",
        "SET search_path = a, b, public",
        "CREATE MATERIALIZED VIEW sums AS SELECT t.v, count(*) AS n, (SELECT count(*) FROM public.t) AS others FROM t JOIN s ON s.a = t.k GROUP BY 1",
        "CREATE VIEW over AS WITH t AS (SELECT v FROM t) SELECT * FROM t",
        "INSERT INTO t (v) VALUES (7), (8)",
        "INSERT INTO s VALUES (1, 1), (1, 2), (2, 3)",
        "ALTER SCHEMA b RENAME TO c",
        "RESET search_path",
    ] {
        run(&mut database, sql);
    }
    let shown = |database: &mut Database| {
        let views = ["a.sums", "a.over", "sums"].map(|view| run(database, &format!("SELECT * FROM {view}")));
        let schemas = run(database, "SELECT nspname, oid FROM pg_namespace");
        let definitions = run(database, "SELECT schema, name, definition FROM everfold.views");
        (views, schemas, definitions)
    };
    let before = shown(&mut database);
    let mut database = database.kill().expect("it opens again");
    assert_eq!(shown(&mut database), before, "without a checkpoint");
    run(&mut database, "INSERT INTO a.t (v) VALUES (9)");
    run(&mut database, "INSERT INTO c.s VALUES (1, 4)");
    let before = shown(&mut database);
    let mut database = database.restart().expect("it opens again");
    assert_eq!(shown(&mut database), before, "after a clean stop");
    run(&mut database, "DROP SCHEMA a CASCADE");
    let mut database = database.kill().expect("it opens again");
    assert!(database.run("SELECT * FROM a.sums").is_err());
    views_equal_their_queries(&mut database, "after a schema was dropped");
}

/// The WAL file that is written to, and where its last frame ends.
fn tail(database: &Database) -> (PathBuf, usize) {
    let file = files(database.directory.path(), ".wal").pop().expect("there is a WAL");
    let bytes = std::fs::read(&file).expect("it can be read");
    let end = bytes.iter().rposition(|b| *b != 0).expect("it has frames") + 1;
    (file, end)
}

#[test]
fn a_torn_tail_is_cut_at_the_last_whole_frame() {
    let mut database = filled();
    run(&mut database, "INSERT INTO s VALUES (1, -1)");
    let (file, before) = tail(&database);
    run(&mut database, "INSERT INTO s VALUES (2, -2), (3, -3)");
    let (_, end) = tail(&database);
    assert!(end > before);
    for torn in [1, 8, 40, end - before - 9] {
        let mut reopened = with_changed(&database, &file, |bytes| bytes[end - torn..].fill(0)).expect("a torn tail is cut");
        assert_eq!(count(&mut reopened, "SELECT count(*) FROM s"), 1001, "{torn} bytes torn off");
        views_equal_their_queries(&mut reopened, "after a torn tail");
        run(&mut reopened, "INSERT INTO s VALUES (4, -4)");
        let mut again = reopened.kill().expect("it opens after the cut");
        assert_eq!(count(&mut again, "SELECT count(*) FROM s WHERE b IN (-4, -2)"), 1);
    }
}

#[test]
fn a_flipped_byte_in_the_wal_is_refused_with_file_and_offset() {
    let mut database = filled();
    let (file, before) = tail(&database);
    run(&mut database, "INSERT INTO s VALUES (2, -2), (3, -3)");
    let name = file.file_name().expect("it has a name").to_string_lossy().into_owned();
    for at in [70, 100, 300, before / 2, before - 20] {
        let Err(e) = with_changed(&database, &file, |bytes| bytes[at] ^= 0x10) else { panic!("the byte at {at} was not missed") };
        assert_eq!(e.code(), code::DATA_CORRUPTED, "{e:?}");
        assert!(e.message().contains(&name) && e.message().contains("byte offset"), "{e:?}");
    }
}

#[test]
fn a_flipped_byte_in_a_segment_is_found() {
    let mut database = filled();
    run(&mut database, "CHECKPOINT");
    let directory = database.copied().expect("it can be copied");
    drop(database);
    let verify = || {
        let store: Arc<dyn Store> = Arc::new(LocalStore::open(directory.path()).expect("a store"));
        everfold::log::verify(&store)
    };
    verify().expect("the log is whole");
    let segments = files(directory.path(), "segments/");
    assert!(!segments.is_empty());
    for segment in segments {
        let bytes = std::fs::read(&segment).expect("it can be read");
        let name = segment.file_name().expect("it has a name").to_string_lossy().into_owned();
        for at in [0, 5, bytes.len() / 3, bytes.len() / 2, bytes.len() - 30, bytes.len() - 5] {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x04;
            std::fs::write(&segment, damaged).expect("it can be written");
            let e = verify().expect_err("a flipped byte is found");
            assert!(e.code() == code::DATA_CORRUPTED && e.message().contains(&name), "byte {at}: {e:?}");
        }
        std::fs::write(&segment, bytes).expect("it can be written");
    }
    verify().expect("the log is whole again");
}

#[test]
fn a_directory_belongs_to_one_server() {
    let database = filled();
    let config = Config { data: database.directory.path().to_path_buf(), ..Config::default() };
    let Err(e) = Engine::open(&config) else { panic!("two servers on one directory") };
    assert_eq!(e.code(), code::OBJECT_IN_USE);
}

#[test]
fn a_log_whose_relation_is_gone_is_removed_when_the_database_is_opened() {
    let copy = filled().copied().expect("it is copied");
    let store: Arc<dyn Store> = Arc::new(LocalStore::open(copy.path()).expect("nobody holds it"));
    let log = Log::open(store, Arc::new(SystemClock), Options::default()).expect("it is whole");
    let rows = RecordBatch::try_from_iter([("a", Arc::new(Int32Array::from(vec![1, 2])) as _)]).expect("a batch");
    log.register(20_000, rows.schema(), &[]).expect("the number is free");
    log.append_blocking(Append { batches: vec![(20_000, rows)], sync: true }).expect("it is appended");
    log.close().expect("it is closed");
    drop(log);
    let mut database = Database::open(copy).expect("it opens");
    assert!(!database.engine.log().ids().contains(&20_000));
    views_equal_their_queries(&mut database, "with an orphan");
    assert!(!database.restart().expect("it opens again").engine.log().ids().contains(&20_000));
}

/// What runs when it is called does so after a restart too.
#[test]
fn functions_and_procedures_survive_restarts() {
    let mut database = Database::new().expect("an empty database");
    run(&mut database, "CREATE TABLE t (k int PRIMARY KEY, v int)");
    run(
        &mut database,
        "CREATE FUNCTION put(a int, b int DEFAULT 3, OUT n bigint) LANGUAGE plpgsql SET timezone = 'UTC' AS \
         $$ BEGIN INSERT INTO t VALUES (a, b); SELECT count(*) INTO n FROM t; END $$",
    );
    run(&mut database, "CREATE PROCEDURE clear() LANGUAGE sql AS 'DELETE FROM t WHERE k < 3; DELETE FROM t WHERE k >= 3'");
    let told = "SELECT pg_get_functiondef(oid) FROM pg_proc WHERE proname IN ('put', 'clear') ORDER BY proname";
    let definitions = run(&mut database, told);
    let holds = |database: &mut Database, why: &str| {
        run(database, "CALL clear()");
        assert_eq!(run(database, "SELECT put(1)"), ["'1'"], "{why}");
        assert_eq!(run(database, "SELECT put(4, 5)"), ["'2'"], "{why}");
        assert_eq!(run(database, "SELECT * FROM t"), ["'1' | '3'", "'4' | '5'"], "{why}");
        assert_eq!(run(database, told), definitions, "{why}");
    };
    holds(&mut database, "before");
    let mut database = database.restart().expect("it opens");
    holds(&mut database, "after a restart");
    run(&mut database, "CHECKPOINT");
    let mut database = database.restart().expect("it opens");
    holds(&mut database, "after a checkpoint");
}

/// Triggers are part of their tables, and fire after a restart as before.
#[test]
fn triggers_survive_restarts() {
    let mut database = Database::new().expect("an empty database");
    run(&mut database, "CREATE TABLE t (k int PRIMARY KEY, v int)");
    run(&mut database, "CREATE TABLE told (op text, k int, v int)");
    run(&mut database, "CREATE MATERIALIZED VIEW tellings AS SELECT op, count(*) AS n FROM told GROUP BY op");
    run(
        &mut database,
        "CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN INSERT INTO told VALUES (TG_OP, NEW.k, NEW.v); RETURN NEW; END $$",
    );
    run(&mut database, "CREATE TRIGGER tell AFTER INSERT OR UPDATE OF v ON t FOR EACH ROW WHEN (new.v > 1) EXECUTE FUNCTION tell()");
    run(&mut database, "CREATE TRIGGER off AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION tell()");
    run(&mut database, "ALTER TABLE t DISABLE TRIGGER off");
    let kept = "SELECT pg_get_triggerdef(oid), tgenabled FROM pg_trigger ORDER BY tgname";
    let triggers = run(&mut database, kept);
    assert_eq!(triggers.len(), 2);
    let fires = |database: &mut Database, n: usize, why: &str| {
        run(database, &format!("INSERT INTO t VALUES ({n}, {n})"));
        run(database, &format!("UPDATE t SET v = 5 WHERE k = {n}"));
        assert_eq!(run(database, "SELECT * FROM tellings"), run(database, "SELECT op, count(*) FROM told GROUP BY op"), "{why}");
        assert_eq!(count(database, "SELECT count(*) FROM told WHERE op = 'UPDATE'"), n as i64 - 1, "{why}");
        assert_eq!(run(database, kept), triggers, "{why}");
    };
    fires(&mut database, 2, "before");
    let mut database = database.restart().expect("it opens");
    fires(&mut database, 3, "after a restart");
    run(&mut database, "CHECKPOINT");
    let mut database = database.restart().expect("it opens");
    fires(&mut database, 4, "after a checkpoint");
}

/// Types of users are as they were, and so are the values of them; a view that spells labels follows a rename whatever its checkpoint says.
#[test]
fn types_of_users_survive_restarts() {
    let mut database = Database::new().expect("an empty database");
    run(&mut database, "CREATE TYPE mood AS ENUM ('sad', 'happy')");
    run(&mut database, "CREATE DOMAIN positive AS int CHECK (VALUE > 0)");
    run(&mut database, "CREATE TABLE t (k positive PRIMARY KEY, m mood DEFAULT 'sad', all_of mood[])");
    run(&mut database, "CREATE STREAM s (m mood)");
    run(&mut database, "CREATE MATERIALIZED VIEW counted AS SELECT m, count(*) AS n FROM s GROUP BY m");
    run(&mut database, "CREATE MATERIALIZED VIEW spelled AS SELECT m::text AS t, n FROM counted");
    run(&mut database, "INSERT INTO t VALUES (1, 'happy', '{sad,happy}'), (2, DEFAULT, NULL)");
    run(&mut database, "INSERT INTO s VALUES ('happy'), ('sad'), ('happy')");
    run(&mut database, "CHECKPOINT");
    run(&mut database, "ALTER TYPE mood RENAME VALUE 'happy' TO 'glad'");
    run(&mut database, "ALTER TYPE mood ADD VALUE 'ok' BEFORE 'glad'");
    let holds = |database: &mut Database, why: &str| {
        assert_eq!(run(database, "SELECT k, m, all_of FROM t"), ["'1' | 'glad' | '{sad,glad}'", "'2' | 'sad' | NULL"], "{why}");
        assert_eq!(run(database, "SELECT * FROM spelled"), ["'glad' | '2'", "'sad' | '1'"], "{why}");
        assert_eq!(run(database, "SELECT m, count(*) FROM s WHERE m >= 'ok' GROUP BY m"), ["'glad' | '2'"], "{why}");
        assert_eq!(run(database, "SELECT m FROM counted WHERE m > 'ok'"), ["'glad'"], "{why}");
        assert_eq!(run(database, "SELECT enum_range(NULL::mood)"), ["'{sad,ok,glad}'"], "{why}");
        assert_eq!(database.run("INSERT INTO t VALUES (0)").err().map(|e| e.code()), Some(code::CHECK_VIOLATION), "{why}");
    };
    holds(&mut database, "before");
    let mut database = database.kill().expect("it opens after a crash");
    holds(&mut database, "after a crash");
    run(&mut database, "CHECKPOINT");
    let mut database = database.restart().expect("it opens again");
    holds(&mut database, "after a restart");
}

/// A table that was written anew has a higher id than the views over it, which must not matter when the database is opened, nor when it fails.
#[test]
fn views_over_a_table_that_was_written_anew_survive_restarts() {
    let mut database = Database::new().expect("an empty database");
    let views = [
        ("counted", "SELECT v, count(*) AS n, array_agg(k) AS ks FROM t GROUP BY v"),
        ("joined", "SELECT s.a, t.v FROM s LEFT JOIN t ON s.a = t.k"),
        ("above", "SELECT joined.a, counted.n FROM joined JOIN counted ON counted.v = joined.v"),
    ];
    run(&mut database, "CREATE STREAM s (a int)");
    run(&mut database, "CREATE TABLE t (k int PRIMARY KEY, v int, gone int)");
    run(&mut database, "CREATE VIEW seen AS SELECT k, v FROM t");
    for (name, query) in views {
        run(&mut database, &format!("CREATE MATERIALIZED VIEW {name} AS {query}"));
    }
    run(&mut database, "CREATE MATERIALIZED VIEW divided AS SELECT k, 10 / v AS d FROM seen");
    run(&mut database, "INSERT INTO s VALUES (1), (2), (4)");
    run(&mut database, "INSERT INTO t VALUES (1, 1, 1), (2, 1, 1), (3, 2, 1)");
    run(&mut database, "CHECKPOINT");
    run(&mut database, "ALTER TABLE t DROP COLUMN gone");
    let holds = |database: &mut Database, why: &str| {
        run(database, "UPDATE t SET v = v + 1");
        for (name, query) in views {
            assert_eq!(run(database, &format!("SELECT * FROM {name}")), run(database, query), "{why}: view {name}");
        }
        assert_eq!(run(database, "SELECT * FROM divided"), run(database, "SELECT k, 10 / v FROM t"), "{why}");
    };
    holds(&mut database, "before");
    let mut database = database.kill().expect("it opens after a crash");
    holds(&mut database, "after a crash");
    run(&mut database, "CHECKPOINT");
    let mut database = database.restart().expect("it opens again");
    holds(&mut database, "after a checkpoint");
    run(&mut database, "INSERT INTO t VALUES (4, 0)");
    let failed = database.run("SELECT * FROM divided").err().map(|e| e.to_string()).unwrap_or_default();
    assert!(failed.contains("division by zero"), "{failed}");
    run(&mut database, "DELETE FROM t WHERE v = 0");
    let mut database = database.restart().expect("it opens with a view that has failed");
    holds(&mut database, "mended");
}
