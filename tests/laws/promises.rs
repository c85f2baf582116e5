//! One test for each promise of the design, by its name.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use everfold::engine::{Engine, Response};
use everfold::error::{Error, code};
use everfold::limits;

use super::database::{Answer, Database, answer, directory};
use super::server::{Server, rows};
use crate::support::random::Random;

fn run(database: &mut Database, sql: &str) -> Answer {
    database.run(sql).unwrap_or_else(|e| panic!("{e:?}\n  by {sql}"))
}

fn refused(database: &mut Database, sql: &str) -> Error {
    match database.run(sql) {
        Err(e) => e,
        Ok(answer) => panic!("not refused, but answered with {:?}: {sql}", answer.bag()),
    }
}

/// One statement in a session of its own.
async fn alone(engine: &Arc<Engine>, sql: &str) -> Answer {
    let mut session = engine.session("test", "test", &[]).expect("a session");
    let response = session.query(sql).await.unwrap_or_else(|e| panic!("{e:?}\n  by {sql}"));
    answer(response).await.unwrap_or_else(|e| panic!("{e:?}\n  by {sql}"))
}

fn numbers(answer: &Answer) -> Vec<Vec<i64>> {
    let cell = |c: &Option<String>| c.as_deref().unwrap_or("-1").parse().expect("a whole number");
    answer.rows.iter().map(|row| row.iter().map(cell).collect()).collect()
}

fn threads() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().expect("a runtime")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn durable() {
    let data = directory();
    let server = Server::start(data.path());
    let client = server.connect().await;
    rows(&client, "CREATE STREAM s (a int)").await;
    rows(&client, "CREATE TABLE t (k int PRIMARY KEY, v int)").await;
    for i in 0..20 {
        rows(&client, &format!("INSERT INTO s VALUES ({i})")).await;
        rows(&client, &format!("INSERT INTO t VALUES ({}, {i})", i % 3)).await;
    }
    server.kill();
    let server = Server::start(data.path());
    let client = server.connect().await;
    assert_eq!(rows(&client, "SELECT count(*), sum(a) FROM s").await, [[Some("20".to_string()), Some("190".to_string())]]);
    let last: Vec<Vec<Option<String>>> =
        [(0, 18), (1, 19), (2, 17)].iter().map(|(k, v)| vec![Some(k.to_string()), Some(v.to_string())]).collect();
    assert_eq!(rows(&client, "SELECT k, v FROM t").await, last);
}

#[test]
fn one_order() {
    let mut database = Database::new().expect("an empty database");
    run(&mut database, "CREATE STREAM a (w int, n int)");
    run(&mut database, "CREATE STREAM b (w int, n int)");
    let first = database.engine.log().head() as i64;
    let engine = database.engine.clone();
    threads().block_on(async {
        let writer = |w: i64| {
            let engine = engine.clone();
            async move {
                for n in 0..40 {
                    let stream = if (w + n) % 2 == 0 { "a" } else { "b" };
                    let more = if n % 3 == 0 { format!(", ({w}, {n})") } else { String::new() };
                    alone(&engine, &format!("INSERT INTO {stream} VALUES ({w}, {n}){more}")).await;
                }
            }
        };
        let writers: Vec<_> = (0..6).map(|w| tokio::spawn(writer(w))).collect();
        for writer in writers {
            writer.await.expect("a writer succeeds");
        }
    });
    let mut positions = Vec::new();
    for stream in ["a", "b"] {
        let events = numbers(&run(&mut database, &format!("SELECT _position, _offset, w, n FROM {stream} ORDER BY _position")));
        for (offset, event) in events.iter().enumerate() {
            assert_eq!(event[1], offset as i64, "offsets of {stream} are gapless and ascend with the positions");
        }
        // What one session appended later has a later position.
        for w in 0..6 {
            let own: Vec<i64> = events.iter().filter(|e| e[2] == w).map(|e| e[3]).collect();
            assert!(own.is_sorted(), "session {w} in {stream}: {own:?}");
        }
        positions.extend(events.iter().map(|e| e[0]));
    }
    positions.sort_unstable();
    let gapless: Vec<i64> = (first..first + positions.len() as i64).collect();
    assert_eq!(positions, gapless);
    assert_eq!(positions.len(), 6 * (40 + 14));
}

const PARTS: &str = "SELECT (SELECT count(*) FROM a), (SELECT count(*) FROM b), (SELECT n FROM va), (SELECT n FROM vb), \
    (SELECT count(*) FROM t), (SELECT count(*) FROM lonely)";

#[test]
fn atomic() {
    let mut database = Database::new().expect("an empty database");
    for sql in [
        "CREATE STREAM a (i int)",
        "CREATE STREAM b (i int)",
        "CREATE TABLE t (k int PRIMARY KEY)",
        "CREATE MATERIALIZED VIEW va AS SELECT count(*) AS n FROM a",
        "CREATE MATERIALIZED VIEW vb AS SELECT count(*) AS n FROM b",
        "CREATE MATERIALIZED VIEW lonely AS SELECT a.i FROM a LEFT JOIN b ON a.i = b.i WHERE b.i IS NULL",
    ] {
        run(&mut database, sql);
    }
    let engine = database.engine.clone();
    let done = Arc::new(AtomicBool::new(false));
    let runtime = threads();
    let reader = {
        let (engine, done) = (engine.clone(), done.clone());
        runtime.spawn(async move {
            let mut observations = 0;
            while !done.load(Ordering::SeqCst) {
                let seen = numbers(&alone(&engine, PARTS).await).remove(0);
                assert!(seen[..5].iter().all(|n| *n == seen[0]) && seen[5] == 0, "a part of a transaction is seen: {seen:?}");
                observations += 1;
            }
            observations
        })
    };
    let mut next = 0;
    for round in 0..25 {
        let (from, count) = (next, 1 + round % 7);
        next += count;
        run(&mut database, "BEGIN");
        for i in from..next {
            run(&mut database, &format!("INSERT INTO a VALUES ({i})"));
            run(&mut database, &format!("INSERT INTO b VALUES ({i})"));
            run(&mut database, &format!("INSERT INTO t VALUES ({i})"));
        }
        run(&mut database, if round % 5 == 4 { "ROLLBACK" } else { "COMMIT" });
        if round % 5 == 4 {
            next = from;
            continue;
        }
        let range = format!("WHERE i >= {from} AND i < {next}");
        let positions = numbers(&run(
            &mut database,
            &format!("SELECT min(p), max(p), count(*) FROM (SELECT _position AS p FROM a {range} UNION ALL SELECT _position AS p FROM b {range}) AS x"),
        ))
        .remove(0);
        assert_eq!(positions[2], 2 * count as i64);
        assert!(positions[1] - positions[0] < 3 * count as i64, "the events of a transaction are not neighbours: {positions:?}");
    }
    done.store(true, Ordering::SeqCst);
    assert!(runtime.block_on(reader).expect("the reader sees no parts") > 0);
    // COPY is one transaction too: a bad line leaves nothing.
    let good: String = (0..100_000).map(|i| format!("{}\n", next + i)).collect();
    let e = database.copy_in("COPY a FROM STDIN", &format!("{good}nonsense\n")).expect_err("a bad line is refused");
    assert_eq!(e.code(), code::INVALID_TEXT_REPRESENTATION);
    assert!(format!("{e}").contains("line 100001"), "{e}");
    assert_eq!(numbers(&run(&mut database, PARTS))[0][..5], [i64::from(next); 5]);
}

#[test]
fn strictly_serializable() {
    let mut database = Database::new().expect("an empty database");
    for sql in [
        "CREATE STREAM s (w int, n int)",
        "CREATE TABLE t (w int PRIMARY KEY, n int)",
        "CREATE MATERIALIZED VIEW counts AS SELECT w, count(*) AS n, max(n) AS last FROM s GROUP BY w",
        "CREATE MATERIALIZED VIEW both_sides AS SELECT counts.w, counts.n, t.n AS tn FROM counts FULL JOIN t ON counts.w = t.w",
    ] {
        run(&mut database, sql);
    }
    let engine = database.engine.clone();
    threads().block_on(async {
        let client = |w: i64| {
            let engine = engine.clone();
            async move {
                for n in 1..=25 {
                    alone(&engine, &format!("INSERT INTO s VALUES ({w}, {n})")).await;
                    alone(&engine, &format!("INSERT INTO t VALUES ({w}, {n})")).await;
                    // Another session, so nothing but the acknowledgement joins the two.
                    let seen = alone(&engine, &format!("SELECT n, last FROM counts WHERE w = {w}")).await;
                    assert_eq!(numbers(&seen), [[n, n]]);
                    let seen = alone(&engine, &format!("SELECT n, tn FROM both_sides WHERE w = {w} AND n > 0")).await;
                    assert_eq!(numbers(&seen), [[n, n]]);
                    let sums = "SELECT (SELECT count(*) FROM s), (SELECT sum(n) FROM counts), (SELECT sum(n) FROM both_sides)";
                    let seen = numbers(&alone(&engine, sums).await).remove(0);
                    assert!(seen.iter().all(|n| *n == seen[0]), "not of one position: {seen:?}");
                }
            }
        };
        let clients: Vec<_> = (0..4).map(|w| tokio::spawn(client(w))).collect();
        for client in clients {
            client.await.expect("a client sees what was acknowledged");
        }
    });
}

#[test]
fn deterministic() {
    let views = [
        ("g", "SELECT k, sum(f) AS s, avg(f) AS a, count(DISTINCT x) AS d, min(x) AS m FROM s GROUP BY k"),
        ("j", "SELECT s.k, s.f, t.v FROM s JOIN t ON s.k = t.k"),
        ("u", "SELECT DISTINCT x FROM s UNION ALL SELECT v FROM t"),
    ];
    let out = |database: &mut Database, suffix: &str| -> Vec<Vec<u8>> {
        let copy = |(name, _): &(&str, &str)| format!("COPY (SELECT * FROM {name}{suffix} ORDER BY 1, 2 NULLS FIRST) TO STDOUT");
        let copy = |v: &(&str, &str)| if v.0 == "u" { copy(v).replace("1, 2", "1") } else { copy(v) };
        views.iter().map(|v| database.copy_out(&copy(v).replace(" ORDER BY 1, 2 ", " ORDER BY 1, 2, 3 ")).expect("COPY")).collect()
    };
    let mut random = Random::new(7);
    let row = |random: &mut Random| {
        format!("({}, {}::float8, {})", random.below(5), random.pick(&["0.1", "1e17", "-1e17", "0.3"]), random.below(30))
    };
    let events: Vec<String> = (0..400).map(|_| row(&mut random)).collect();
    // The same events, one by one and all at once: the same bytes, sums of floats included.
    let mut wholes = Vec::new();
    for batch in [1, 7, 400] {
        let mut database = Database::new().expect("an empty database");
        run(&mut database, "CREATE STREAM s (k int, f double precision, x int)");
        run(&mut database, "CREATE TABLE t (k int PRIMARY KEY, v int)");
        for (name, query) in views {
            run(&mut database, &format!("CREATE MATERIALIZED VIEW {name} AS {query}"));
        }
        for k in 0..4 {
            run(&mut database, &format!("INSERT INTO t VALUES ({k}, {})", k * 10));
        }
        for chunk in events.chunks(batch) {
            run(&mut database, &format!("INSERT INTO s VALUES {}", chunk.join(", ").replace("::float8", "")));
        }
        let folded = out(&mut database, "");
        for (name, query) in views {
            run(&mut database, &format!("CREATE MATERIALIZED VIEW {name}_again AS {query}"));
        }
        assert_eq!(folded, out(&mut database, "_again"), "folded event by event, and at once");
        let mut database = database.kill().expect("it opens again");
        assert_eq!(folded, out(&mut database, ""), "folded again after a kill");
        wholes.push(folded);
    }
    assert!(wholes.windows(2).all(|w| w[0] == w[1]), "batches make a difference");
}

#[test]
fn independent() {
    let mut database = Database::new().expect("an empty database");
    for sql in [
        "CREATE STREAM s (a int, b int)",
        "CREATE MATERIALIZED VIEW good AS SELECT a, count(*) AS n FROM s GROUP BY a",
        "CREATE MATERIALIZED VIEW bad AS SELECT a / b AS q FROM s",
        "CREATE MATERIALIZED VIEW above_bad AS SELECT count(*) AS n FROM bad",
        "CREATE MATERIALIZED VIEW above_good AS SELECT sum(n) AS n FROM good",
        "INSERT INTO s VALUES (1, 1), (2, 1)",
    ] {
        run(&mut database, sql);
    }
    assert_eq!(run(&mut database, "SELECT n FROM above_bad").one(), "2");
    run(&mut database, "INSERT INTO s VALUES (3, 0)");
    run(&mut database, "INSERT INTO s VALUES (4, 2)");
    for view in ["bad", "above_bad"] {
        let e = refused(&mut database, &format!("SELECT * FROM {view}"));
        assert_eq!(e.code(), code::OBJECT_NOT_IN_PREREQUISITE_STATE);
        assert!(e.message().contains("\"bad\"") && e.message().contains("division by zero"), "{e:?}");
    }
    assert_eq!(run(&mut database, "SELECT n FROM above_good").one(), "4");
    assert_eq!(run(&mut database, "SELECT count(*) FROM s").one(), "4");
    // A checkpoint passes over it, and so does a restart.
    run(&mut database, "CHECKPOINT");
    let mut database = database.restart().expect("it opens with a failed view");
    assert_eq!(run(&mut database, "SELECT n FROM above_good").one(), "4");
    assert_eq!(refused(&mut database, "SELECT * FROM above_bad").code(), code::OBJECT_NOT_IN_PREREQUISITE_STATE);
    assert_eq!(run(&mut database, "SELECT state FROM everfold.views WHERE name = 'bad'").one(), "failed");
    // A view that has much to fold does not delay one that has not.
    for _ in 0..9 {
        run(&mut database, "INSERT INTO s SELECT a, 1 FROM s");
    }
    let slow = "SELECT x.a, count(DISTINCT y.b) AS n, sum(x.a * y.a) AS m FROM s x JOIN s y ON x.b = y.b WHERE x.a <> y.a GROUP BY x.a";
    let limited = format!("CREATE MATERIALIZED VIEW slow AS SELECT * FROM ({slow}) AS z WHERE false OR n > 0");
    run(&mut database, &limited);
    assert_eq!(run(&mut database, "SELECT n FROM above_good").one(), "2048");
    run(&mut database, "DROP MATERIALIZED VIEW slow");
    run(&mut database, "DROP MATERIALIZED VIEW bad CASCADE");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bounded() {
    let data = directory();
    let server = Server::start(data.path());
    let client = server.connect().await;
    let columns: Vec<String> = (0..=limits::COLUMNS_MAX).map(|i| format!("c{i} int")).collect();
    for (what, sql) in [
        ("nesting", format!("SELECT {}1{}", "(".repeat(5_000), ")".repeat(5_000))),
        ("operators", format!("SELECT {}1", "1 + ".repeat(20_000))),
        ("columns", format!("CREATE STREAM wide ({})", columns.join(", "))),
        ("statement", format!("SELECT '{}'", "x".repeat(limits::STATEMENT_BYTES_MAX))),
        ("values", format!("SELECT 1 IN ({}1)", "1, ".repeat(100_000))),
    ] {
        // It may be taken; if it is refused, then as a limit, and the server lives on.
        if let Err(e) = client.simple_query(&sql).await {
            let e = e.as_db_error().unwrap_or_else(|| panic!("{what}: the server is gone: {e}"));
            assert!(e.code().code().starts_with("54") || e.code().code().starts_with("53"), "{what}: {e:?}");
        }
        assert_eq!(rows(&client, "SELECT 1").await, [[Some("1".to_string())]], "after {what}");
    }
}

#[test]
fn exact() {
    let mut database = Database::new().expect("an empty database");
    run(&mut database, "CREATE STREAM s (i int, b bigint, d numeric(10, 2), f double precision)");
    run(&mut database, "INSERT INTO s VALUES (1, 9000000000000000000, 0.10, 0.1), (2, 9000000000000000000, 0.20, 0.2), (4, 1, 0.30, 0.3)");
    // As PostgreSQL 15 answers, in a query and in a view alike.
    let answers = [
        ("SELECT sum(b) FROM s", "18000000000000000001"),
        ("SELECT avg(i) FROM s", "2.3333333333333333"),
        ("SELECT sum(d) FROM s", "0.60"),
        ("SELECT avg(d) FROM s", "0.20000000000000000000"),
        ("SELECT sum(d * 1.5) FROM s", "0.900"),
        ("SELECT sum(i / 2) FROM s", "3"),
        ("SELECT sum(i) / count(*) FROM s", "2"),
        ("SELECT sum(b) / 7 FROM s", "2571428571428571429"),
        ("SELECT 0.1 + 0.2 = 0.3 FROM s GROUP BY 1", "t"),
        ("SELECT count(*) FROM s WHERE f = 0.1", "1"),
        ("SELECT sum(round(d * 2.5, 1)) FROM s", "1.6"),
        ("SELECT max(b % 7) FROM s", "2"),
    ];
    for (i, (query, expected)) in answers.iter().enumerate() {
        let query = query.replacen(" FROM", " AS c FROM", 1);
        let found = run(&mut database, &query);
        assert_eq!(found.one(), *expected, "{query}");
        run(&mut database, &format!("CREATE MATERIALIZED VIEW v{i} AS {query}"));
        assert_eq!(run(&mut database, &format!("SELECT c FROM v{i}")).one(), *expected, "view of {query}");
    }
    for query in
        ["SELECT b + b FROM s", "SELECT i * 2000000000 FROM s", "SELECT (i + 32766)::smallint FROM s", "SELECT sum(b)::bigint FROM s"]
    {
        assert_eq!(refused(&mut database, query).code(), code::NUMERIC_VALUE_OUT_OF_RANGE, "{query}");
    }
}

/// What is wrong with the refusal of a statement that is not supported.
fn dishonest(database: &mut Database, sql: &str) -> Option<String> {
    match database.run(sql) {
        Ok(answer) => Some(format!("{sql}: done, with {}", answer.tag)),
        Err(e) if e.code() != code::FEATURE_NOT_SUPPORTED || e.fields().hint.is_none() => Some(format!("{sql}: {e:?}")),
        Err(_) => None,
    }
}

#[test]
fn honest() {
    let mut wrong = Vec::new();
    let mut database = Database::new().expect("an empty database");
    run(&mut database, "CREATE STREAM s (a int, b text)");
    run(&mut database, "CREATE TABLE t (k int PRIMARY KEY, v int)");
    for query in [
        "SELECT now(), a FROM s",
        "SELECT random(), a FROM s",
        "SELECT approx_median(a) FROM s",
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 3 GROUP BY ROLLUP (n)) SELECT n FROM r",
        "SELECT name FROM everfold.streams",
    ] {
        wrong.extend(dishonest(&mut database, &format!("CREATE MATERIALIZED VIEW v AS {query}")));
    }
    for statement in [
        "CREATE STREAM x (a int PRIMARY KEY)",
        "CREATE SOURCE CONNECTOR c WITH ('connector.class' = 'x')",
        "RUN SCRIPT 'x.sql'",
        "CREATE STREAM x AS SELECT a FROM s EMIT FINAL",
        "CREATE VIEW x AS SELECT count(*) FROM s WITH CHECK OPTION",
        "TRUNCATE s",
        "CREATE TYPE x AS RANGE (SUBTYPE = integer)",
        "DO $$ BEGIN IF true THEN SAVEPOINT a; END IF; END $$",
        "CREATE STREAM x (a int UNIQUE)",
        "CREATE UNIQUE INDEX i ON s (a)",
        "ALTER TABLE t DROP CONSTRAINT t_pkey",
        "UPDATE s SET a = 1",
        "DELETE FROM s",
        "WITH d AS (DELETE FROM t RETURNING k) MERGE INTO t USING d ON t.k = d.k WHEN MATCHED THEN DELETE",
        "COPY s FROM '/etc/passwd'",
        "CREATE FUNCTION f(a anyelement) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END'",
        "CREATE CONSTRAINT TRIGGER x AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
        "SELECT a.v FROM t a, t b FOR UPDATE SKIP LOCKED",
    ] {
        wrong.extend(dishonest(&mut database, statement));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    run(&mut database, "BEGIN");
    run(&mut database, "INSERT INTO s VALUES (1, 'x')");
    assert_eq!(run(&mut database, "SELECT count(*) FROM s").one(), "1");
    run(&mut database, "ROLLBACK");
    assert_eq!(run(&mut database, "SELECT count(*) FROM s").one(), "0");
}

/// Copies in pieces with an error between them leave nothing behind, and the session goes on.
#[test]
fn an_abandoned_copy_appends_nothing() {
    let mut database = Database::new().expect("an empty database");
    run(&mut database, "CREATE STREAM s (a int)");
    let engine = database.engine.clone();
    threads().block_on(async {
        let mut session = engine.session("test", "test", &[]).expect("a session");
        let Response::CopyIn(mut copy) = session.query("COPY s FROM STDIN").await.expect("COPY begins") else { panic!("not a COPY") };
        let rows: String = (0..200_000).map(|i| format!("{i}\n")).collect();
        copy.push(rows.into()).await.expect("rows are taken");
        drop(copy);
        session.idle();
    });
    assert_eq!(run(&mut database, "SELECT count(*) FROM s").one(), "0");
    run(&mut database, "INSERT INTO s VALUES (1)");
    let mut database = database.kill().expect("it opens again");
    assert_eq!(run(&mut database, "SELECT count(*) FROM s").one(), "1");
}
