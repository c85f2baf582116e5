//! What queries of ksqlDB's dialect derive depends on the events alone.
//!
//! Random events of two streams and two tables are appended twice. On one server every relation is derived before the first event, each
//! event is a commit of its own, and the server is killed on the way, with and without a checkpoint. On the other one events come
//! in transactions of random length and the relations are derived when all are there. Both must hold the same, streams in the same
//! order with the same ROWTIME and offsets.

use std::collections::BTreeSet;

use crate::support::random::{Random, number};
use crate::support::server::Server;
use crate::support::wire::Wire;

/// What events are appended to.
const BASE: &str = "
    CREATE STREAM clicks (k INT KEY, v INT, s VARCHAR) WITH (KAFKA_TOPIC = 'clicks', VALUE_FORMAT = 'JSON');
    CREATE STREAM carts (k INT KEY, w INT) WITH (KAFKA_TOPIC = 'carts', VALUE_FORMAT = 'JSON');
    CREATE TABLE users (id INT PRIMARY KEY, name VARCHAR, boss INT) WITH (KAFKA_TOPIC = 'users', VALUE_FORMAT = 'JSON');
    CREATE TABLE rooms (id INT PRIMARY KEY, size INT) WITH (KAFKA_TOPIC = 'rooms', VALUE_FORMAT = 'JSON');";

/// What is derived: name, the statement that makes it, and what is read of it (streams with their order, tables sorted).
const DERIVED: &[(&str, &str)] = &[
    ("projected", "CREATE STREAM projected AS SELECT k, v * 2 AS twice, 10 / (v - 3) AS errs FROM clicks WHERE v > 1"),
    ("rekeyed", "CREATE STREAM rekeyed AS SELECT s, k, v FROM clicks PARTITION BY s"),
    (
        "joined",
        "CREATE STREAM joined AS SELECT c.k AS k, c.v, d.w FROM clicks c LEFT JOIN carts d WITHIN 40 SECONDS GRACE PERIOD 10 SECONDS ON c.k = d.k",
    ),
    (
        "full_joined",
        "CREATE STREAM full_joined AS SELECT ROWKEY, c.v, d.w FROM clicks c FULL OUTER JOIN carts d WITHIN 20 SECONDS ON c.k = d.k",
    ),
    ("enriched", "CREATE STREAM enriched AS SELECT r.k AS k, r.v, u.name FROM clicks r LEFT JOIN users u ON r.k = u.id"),
    ("above", "CREATE STREAM above AS SELECT k, name, v FROM enriched WHERE name IS NOT NULL PARTITION BY name"),
    (
        "counted",
        "CREATE TABLE counted AS SELECT k, COUNT(*) AS n, SUM(v) AS total, COLLECT_LIST(v) AS vs FROM clicks GROUP BY k HAVING COUNT(*) > 1",
    ),
    (
        "tumbled",
        "CREATE TABLE tumbled AS SELECT k, COUNT(*) AS n FROM clicks WINDOW TUMBLING (SIZE 30 SECONDS, GRACE PERIOD 5 SECONDS) GROUP BY k",
    ),
    (
        "hopped",
        "CREATE TABLE hopped AS SELECT k, MAX(v) AS m FROM clicks WINDOW HOPPING (SIZE 30 SECONDS, ADVANCE BY 10 SECONDS) GROUP BY k",
    ),
    ("sessions", "CREATE TABLE sessions AS SELECT k, COUNT(*) AS n, MIN(v) AS m FROM clicks WINDOW SESSION (15 SECONDS) GROUP BY k"),
    ("final", "CREATE TABLE final AS SELECT k, COUNT(*) AS n FROM clicks WINDOW TUMBLING (SIZE 20 SECONDS) GROUP BY k EMIT FINAL"),
    ("by_boss", "CREATE TABLE by_boss AS SELECT boss, COUNT(*) AS n, MAX(id) AS m FROM users GROUP BY boss"),
    ("homes", "CREATE TABLE homes AS SELECT ROWKEY AS id, u.name, r.size FROM users u FULL OUTER JOIN rooms r ON u.id = r.id"),
    ("bosses", "CREATE TABLE bosses AS SELECT u.id AS id, u.name, r.size FROM users u LEFT JOIN rooms r ON u.boss = r.id"),
    ("kept", "CREATE TABLE kept AS SELECT id, name FROM users WHERE boss > 1"),
];

/// Written by a query of its own besides the one that made it.
const INSERTED: &str = "INSERT INTO projected SELECT k, w AS twice, w AS errs FROM carts";

/// A random event. Times wander forward, and some are late.
fn event(random: &mut Random, step: u64) -> String {
    let mut number = |below: usize| random.below(below) as u64;
    let late = if number(5) == 0 { number(60_000) } else { 0 };
    let time = (step * 1_500 + number(3_000)).saturating_sub(late);
    let (key, value) = (number(5), number(7));
    match number(10) {
        0..=4 => format!("INSERT INTO clicks (ROWTIME, k, v, s) VALUES ({time}, {key}, {value}, 's{}')", number(3)),
        5..=6 => format!("INSERT INTO carts (ROWTIME, k, w) VALUES ({time}, {key}, {value})"),
        7 => format!("INSERT INTO users (ROWTIME, id, name, boss) VALUES ({time}, {key}, 'n{value}', {})", number(4)),
        8 => format!("INSERT INTO rooms (ROWTIME, id, size) VALUES ({time}, {key}, {value})"),
        _ => format!("DELETE FROM {} WHERE id = {key}", if number(2) == 0 { "users" } else { "rooms" }),
    }
}

/// All that is derived, as text.
fn contents(wire: &mut Wire) -> Vec<(String, Vec<String>)> {
    let read = |wire: &mut Wire, name: &str, stream: bool| {
        let rows = if stream {
            wire.rows(&format!("SELECT *, ROWTIME, ROWOFFSET FROM {name}"))
        } else {
            let mut rows = wire.rows(&format!("SELECT * FROM {name}"));
            rows.sort();
            rows
        };
        (name.to_string(), rows)
    };
    DERIVED.iter().map(|(name, sql)| read(wire, name, sql.starts_with("CREATE STREAM"))).collect()
}

fn derive(wire: &mut Wire) {
    DERIVED.iter().for_each(|(_, sql)| drop(wire.ok(sql)));
    wire.ok(INSERTED);
}

/// Checks one history; gives the relations that had rows in it.
fn check(seed: u64, events: u64) -> BTreeSet<String> {
    let mut random = Random::new(seed);
    let history: Vec<String> = (0..events).map(|step| event(&mut random, step)).collect();
    let (checkpoint, kill) = (random.below(history.len()), random.below(history.len()));

    let mut server = Server::start();
    let mut wire = server.connect();
    wire.ok(BASE);
    derive(&mut wire);
    for (i, sql) in history.iter().enumerate() {
        if i == checkpoint {
            wire.ok("CHECKPOINT");
        }
        if i == kill {
            server = server.kill_and_restart();
            wire = server.connect();
        }
        wire.ok(sql);
    }
    let live = contents(&mut wire);

    let other = Server::start();
    let mut wire = other.connect();
    wire.ok(BASE);
    let mut rest = history.as_slice();
    while !rest.is_empty() {
        let (now, later) = rest.split_at((1 + random.below(30)).min(rest.len()));
        wire.ok(&format!("BEGIN;{};COMMIT", now.join(";")));
        rest = later;
    }
    derive(&mut wire);
    same(seed, "derived from a history", &live, &contents(&mut wire));

    let server = server.kill_and_restart();
    same(seed, "after a kill", &live, &contents(&mut server.connect()));
    let server = server.restart();
    same(seed, "after a checkpoint", &live, &contents(&mut server.connect()));
    live.into_iter().filter(|(_, rows)| !rows.is_empty()).map(|(name, _)| name).collect()
}

fn same(seed: u64, when: &str, expected: &[(String, Vec<String>)], found: &[(String, Vec<String>)]) {
    for ((name, expected), (_, found)) in expected.iter().zip(found) {
        assert_eq!(expected, found, "{name} {when} (seed {seed})");
    }
}

#[test]
fn what_is_derived_depends_on_the_events_alone() {
    let seed = number("EVERFOLD_SEED", 1);
    let filled: BTreeSet<String> = (0..number("EVERFOLD_CASES", 2)).flat_map(|case| check(seed + case, 160)).collect();
    for (name, _) in DERIVED {
        assert!(filled.contains(*name), "{name} was empty in every history, which shows nothing");
    }
}

const JSON: &str = "VALUE_FORMAT = 'JSON'";

/// A server with two streams and a table, each over a topic of its own.
fn small() -> (Server, Wire) {
    let server = Server::start();
    let mut wire = server.connect();
    wire.ok(&format!("CREATE STREAM a (id INT KEY, v INT) WITH (KAFKA_TOPIC = 'a', {JSON})"));
    wire.ok(&format!("CREATE STREAM b (id INT KEY, v INT) WITH (KAFKA_TOPIC = 'b', {JSON})"));
    wire.ok(&format!("CREATE TABLE t (id INT PRIMARY KEY, v INT) WITH (KAFKA_TOPIC = 't', {JSON})"));
    (server, wire)
}

#[test]
fn added_columns_keep_all_events_through_a_kill() {
    let (server, mut wire) = small();
    let values = (0..3_000).map(|i| format!("({i}, {})", i % 7)).collect::<Vec<_>>().join(", ");
    wire.ok(&format!("INSERT INTO a (id, v) VALUES {values}"));
    wire.ok("INSERT INTO t (id, v) VALUES (1, 1), (2, 2)");
    wire.ok("DELETE FROM t WHERE id = 1");
    wire.ok("CREATE STREAM c AS SELECT a.*, t.v AS of_t FROM a LEFT JOIN t ON a.id = t.id");
    wire.ok("CREATE TABLE n AS SELECT v, COUNT(*) AS n FROM a GROUP BY v");
    wire.ok("CREATE MATERIALIZED VIEW s AS SELECT v, sum(id) AS total FROM a GROUP BY v");
    wire.ok("CREATE TABLE keyed (id int PRIMARY KEY, n int); INSERT INTO keyed VALUES (1, 10), (2, 20), (3, 30)");
    wire.ok("CREATE TABLE bag (n int); INSERT INTO bag VALUES (1), (1), (2); DELETE FROM bag WHERE n = 2");
    // A part of the events stands in a segment without the column, a part in the log's tail, and a part has it.
    wire.ok("CHECKPOINT");
    wire.ok("INSERT INTO a (id, v) VALUES (4000, 1)");
    wire.ok("DELETE FROM keyed WHERE id = 1");
    wire.ok("ALTER TABLE keyed ADD COLUMN w text");
    wire.ok("ALTER TABLE bag ADD COLUMN w text");
    wire.ok("UPDATE keyed SET w = 'two' WHERE id = 2");
    wire.ok("UPDATE bag SET w = 'one'");
    wire.ok("ALTER STREAM a ADD COLUMN w INT");
    wire.ok("ALTER TABLE t ADD COLUMN w VARCHAR");
    let server = server.kill_and_restart();
    let mut wire = server.connect();
    wire.ok("INSERT INTO a (id, v, w) VALUES (5000, 1, 9)");
    wire.ok("CHECKPOINT");
    wire.ok("INSERT INTO a (id, v, w) VALUES (5001, 1, 10)");
    let all = ["a", "c", "n", "s ORDER BY v", "t", "keyed ORDER BY id", "bag"];
    let read = |wire: &mut Wire| all.map(|name| wire.rows(&format!("SELECT * FROM {name}"))).to_vec();
    let before = read(&mut wire);
    assert_eq!(wire.rows("SELECT count(*), sum(w), min(_offset), max(_offset) FROM a"), ["3003|19|0|3002"]);
    assert_eq!(before[0].len(), 3003);
    assert_eq!(before[1].iter().filter(|row| row.as_str() == "2|2|" || row.as_str() == "5001|1|").count(), 2);
    assert_eq!((before[4].join(" "), before[5].join(" ")), ("2|2|".into(), "2|20|two 3|30|".into()));
    assert_eq!(before[6], ["1|one", "1|one"]);
    let server = server.kill_and_restart();
    assert_eq!(read(&mut server.connect()), before);
    let server = server.restart();
    assert_eq!(read(&mut server.connect()), before);
}

#[test]
fn a_checkpoint_from_before_a_column_was_added_is_not_taken_for_what_it_is_not() {
    let (server, mut wire) = small();
    wire.ok("CREATE STREAM c AS SELECT a.id AS id, a.v AS v, b.v AS w FROM a INNER JOIN b WITHIN 1 DAYS ON a.id = b.id");
    wire.ok("CREATE STREAM d AS SELECT c.id AS id, c.v AS v, b.v AS w FROM c INNER JOIN b WITHIN 1 DAYS ON c.id = b.id");
    wire.ok("ALTER STREAM a ADD COLUMN x INT");
    wire.ok(
        "CREATE OR REPLACE STREAM c AS SELECT a.id AS id, a.v AS v, b.v AS w, a.x AS x FROM a INNER JOIN b WITHIN 1 DAYS ON a.id = b.id",
    );
    wire.ok("INSERT INTO a (id, v, x) VALUES (1, 100, 111)");
    wire.ok("CHECKPOINT");
    wire.ok("ALTER STREAM a ADD COLUMN y INT");
    wire.ok("ALTER STREAM b ADD COLUMN z INT");
    let server = server.kill_and_restart();
    let mut wire = server.connect();
    wire.ok("INSERT INTO b (id, v) VALUES (1, 10)");
    assert_eq!(wire.rows("SELECT * FROM c"), ["1|100|10|111"]);
    assert_eq!(wire.rows("SELECT * FROM d"), ["1|100|10"]);
}

#[test]
fn prepared_statements_read_what_they_name_after_columns_were_added() {
    let (_server, mut wire) = small();
    wire.ok("CREATE STREAM c AS SELECT id, v FROM a; CREATE TABLE keyed (id int PRIMARY KEY, n int); INSERT INTO keyed VALUES (1, 10)");
    wire.ok("INSERT INTO a (id, v) VALUES (1, 2)");
    wire.ok("PREPARE hidden AS SELECT v, _offset FROM c; PREPARE one AS SELECT n FROM keyed WHERE id = $1; PREPARE all_of AS TABLE keyed");
    wire.ok("CREATE OR REPLACE STREAM c AS SELECT id, v, v + 1000 AS x, 'y' AS y FROM a");
    wire.ok("ALTER TABLE keyed ADD COLUMN m int");
    assert_eq!(wire.rows("EXECUTE hidden"), ["2|0"]);
    assert_eq!(wire.rows("EXECUTE one(1)"), ["10"]);
    assert_eq!(wire.error("EXECUTE all_of").code, "0A000");
}

#[test]
fn a_transaction_that_waits_while_a_column_is_added_goes_on() {
    let (server, mut first) = small();
    first.ok("CREATE TABLE bag (n int); CREATE TABLE keyed (id int PRIMARY KEY, n int)");
    let (mut second, mut third) = (server.connect(), server.connect());
    first.ok("BEGIN; INSERT INTO bag VALUES (7); INSERT INTO keyed VALUES (7, 7)");
    second.ok("BEGIN; INSERT INTO bag VALUES (8); INSERT INTO keyed VALUES (8, 8)");
    std::thread::scope(|scope| {
        let altering = scope.spawn(move || third.ok("ALTER TABLE bag ADD COLUMN w text"));
        second.ok("COMMIT");
        first.ok("UPDATE bag SET n = n + 100");
        first.ok("UPDATE keyed SET n = n + 100");
        assert_eq!(first.rows("SELECT n FROM bag ORDER BY n"), ["107", "108"]);
        first.ok("COMMIT");
        altering.join().expect("the table is altered");
    });
    assert_eq!(first.rows("SELECT * FROM bag ORDER BY n"), ["107|", "108|"]);
}

#[test]
fn columns_are_added_while_others_append() {
    let (server, mut wire) = small();
    wire.ok("CREATE STREAM s (n int); CREATE TABLE keyed (id int PRIMARY KEY); CREATE TABLE bag (n int)");
    wire.ok("CREATE MATERIALIZED VIEW counted AS SELECT count(*) AS n FROM s");
    wire.ok("CREATE STREAM copied AS SELECT * FROM a");
    let stop = std::sync::atomic::AtomicBool::new(false);
    let appended: i64 = std::thread::scope(|scope| {
        let append = |writer: i64, stop: &std::sync::atomic::AtomicBool, mut wire: Wire| {
            let mut done = 0;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let id = writer * 1_000_000 + done;
                wire.ok(&format!("INSERT INTO a (id, v) VALUES ({id}, 1)"));
                wire.ok(&format!("INSERT INTO s (n) VALUES ({id}); INSERT INTO keyed (id) VALUES ({id})"));
                wire.ok(&format!("BEGIN; INSERT INTO s (n) VALUES (1); INSERT INTO bag (n) VALUES ({id})"));
                wire.rows("SELECT count(*) FROM s");
                wire.ok("COMMIT");
                done += 1;
            }
            done
        };
        let writers: Vec<_> = (0..3).map(|i| (i, server.connect())).collect();
        let stop = &stop;
        let writers: Vec<_> = writers.into_iter().map(|(i, wire)| scope.spawn(move || append(i, stop, wire))).collect();
        for i in 0..8 {
            wire.ok(&format!("ALTER STREAM a ADD COLUMN c{i} INT"));
            for relation in ["STREAM s", "TABLE keyed", "TABLE bag"] {
                wire.ok(&format!("ALTER {relation} ADD COLUMN c{i} int"));
            }
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        writers.into_iter().map(|writer| writer.join().expect("nothing that was appended was refused")).sum()
    });
    let counts =
        |wire: &mut Wire| ["a", "copied", "keyed", "bag", "s"].map(|name| wire.rows(&format!("SELECT count(*) FROM {name}"))).concat();
    let expected = [appended, appended, appended, appended, 2 * appended].map(|n| n.to_string());
    assert_eq!(counts(&mut wire), expected);
    assert_eq!(wire.rows("SELECT n FROM counted"), expected[4..]);
    let server = server.kill_and_restart();
    assert_eq!(counts(&mut server.connect()), expected);
}

#[test]
fn a_query_that_was_paused_or_replaced_is_the_same_after_a_kill() {
    let (server, mut wire) = small();
    wire.ok("CREATE STREAM c AS SELECT id, v FROM a WHERE v > 0");
    wire.ok("CREATE TABLE n AS SELECT id, COUNT(*) AS n FROM a GROUP BY id");
    wire.ok("INSERT INTO a VALUES (1, 1)");
    wire.ok("PAUSE ALL");
    wire.ok("INSERT INTO a VALUES (1, 2), (2, -2)");
    assert_eq!(wire.rows("SELECT * FROM n"), ["1|1"]);
    wire.ok("CHECKPOINT");
    wire.ok("RESUME ALL");
    wire.ok("CREATE OR REPLACE STREAM c AS SELECT id, v, v * 2 AS w FROM a WHERE v < 0");
    wire.ok("INSERT INTO a VALUES (3, 3), (4, -4)");
    let read = |wire: &mut Wire| (wire.rows("SELECT * FROM c"), wire.rows("SELECT * FROM n"));
    let before = read(&mut wire);
    assert_eq!(before.0, ["1|1|", "1|2|", "4|-4|-8"]);
    assert_eq!(before.1, ["1|2", "2|1", "3|1", "4|1"]);
    let server = server.kill_and_restart();
    assert_eq!(read(&mut server.connect()), before);
    // What an earlier version reads is still read, and its types are still there.
    let mut wire = server.connect();
    assert_eq!(wire.error("CREATE OR REPLACE STREAM c AS SELECT id, v, v AS w FROM b").code, "42P16");
    assert_eq!(wire.error("DROP STREAM a").code, "2BP01");
    wire.ok("CREATE TYPE short AS INT; CREATE STREAM d AS SELECT id, CAST(v AS short) AS v FROM a");
    assert_eq!(wire.error("DROP TYPE short").code, "2BP01");
    let server = server.kill_and_restart();
    assert_eq!(server.connect().rows("SELECT count(*) FROM d"), ["5"]);
}

#[test]
fn relations_of_one_topic_see_each_event_once_whatever_wrote_it() {
    let (_server, mut wire) = small();
    wire.ok("INSERT INTO a VALUES (1, 10)");
    wire.ok(&format!("CREATE STREAM a2 (k INT KEY, v VARCHAR) WITH (KAFKA_TOPIC = 'a', {JSON})"));
    wire.ok(&format!("CREATE TABLE a3 (k INT PRIMARY KEY, v BIGINT) WITH (KAFKA_TOPIC = 'a', {JSON})"));
    wire.ok(&format!("CREATE SOURCE STREAM ro (k INT KEY, v INT) WITH (KAFKA_TOPIC = 'a', {JSON})"));
    wire.ok("INSERT INTO a2 (k, v) VALUES (2, '20')");
    assert_eq!(wire.rows("INSERT INTO a VALUES (3, 30) RETURNING v"), ["30"]);
    wire.copy_in("COPY a3 FROM STDIN (FORMAT csv)", b"4,40\n").expect("it is copied");
    assert_eq!(wire.rows("SELECT * FROM a"), ["1|10", "2|20", "3|30", "4|40"]);
    for relation in ["a2", "a3", "ro"] {
        assert_eq!(wire.rows(&format!("SELECT * FROM {relation}")), wire.rows("SELECT * FROM a"), "{relation}");
    }
    assert_eq!(wire.error("INSERT INTO ro VALUES (5, 50) RETURNING k").code, "42809");
    assert_eq!(wire.copy_in("COPY ro FROM STDIN (FORMAT csv)", b"5,50\n").expect_err("it is read-only").code, "42809");
    assert_eq!(wire.error("UPDATE a3 SET v = 1").code, "0A000");
    // Over the topic of a query: what is inserted into its stream comes once.
    wire.ok("CREATE STREAM c WITH (KAFKA_TOPIC = 'c') AS SELECT id, v FROM b");
    wire.ok(&format!("CREATE STREAM c2 (id INT KEY, v INT) WITH (KAFKA_TOPIC = 'c', {JSON})"));
    wire.ok("INSERT INTO b VALUES (1, 1)");
    wire.ok("INSERT INTO c VALUES (2, 2)");
    wire.ok("INSERT INTO c2 VALUES (3, 3)");
    assert_eq!(wire.rows("SELECT * FROM c"), ["1|1", "2|2"]);
    assert_eq!(wire.rows("SELECT * FROM c2"), ["1|1", "2|2", "3|3"]);
    wire.ok("CREATE MATERIALIZED VIEW m AS SELECT count(*) AS n FROM c2");
    assert_eq!(wire.error("DROP STREAM c").code, "2BP01");
}

#[test]
fn a_prepared_look_up_and_a_push_query_follow_what_they_read() {
    let (server, mut wire) = small();
    wire.ok("CREATE TABLE n AS SELECT id, COUNT(*) AS n FROM a GROUP BY id");
    wire.ok("INSERT INTO a VALUES (1, 1), (1, 2)");
    wire.ok("PREPARE look AS SELECT id, n FROM n WHERE id = $1");
    assert_eq!(wire.rows("EXECUTE look(1)"), ["1|2"]);
    wire.ok("INSERT INTO a SELECT id, v FROM b EMIT CHANGES");
    wire.ok("INSERT INTO b VALUES (1, 3)");
    assert_eq!(wire.rows("EXECUTE look(1)"), ["1|3"]);
    // From the next event on, with the table as it is by then.
    let mut pushed = server.connect();
    let query = "SELECT a.id AS id, a.v, n.n FROM b a JOIN n ON a.id = n.id EMIT CHANGES LIMIT 1";
    let waiting = std::thread::spawn(move || pushed.rows(query));
    let active = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%EMIT CHANGES LIMIT 1'";
    while wire.value(active) != "1" {}
    while !waiting.is_finished() {
        wire.ok("INSERT INTO b VALUES (1, 4)");
    }
    let row = waiting.join().expect("it ends at its limit").pop().expect("a row");
    let n: i64 = row.rsplit('|').next().and_then(|n| n.parse().ok()).expect("a number");
    assert!(row.starts_with("1|4|") && n >= 3, "{row}");
    assert_eq!(
        wire.error("CREATE TABLE w AS SELECT id, COUNT(*) AS n FROM a WINDOW HOPPING (SIZE 9999 DAYS, ADVANCE BY 1 SECOND) GROUP BY id")
            .code,
        "54000"
    );
}

/// What a subscriber has not read waits in the log, not in memory, and neither appends nor others wait for it.
#[test]
fn a_subscriber_that_does_not_read_delays_nobody() {
    const ROWS: usize = 40_000;
    let (server, mut wire) = small();
    wire.ok(&format!("CREATE STREAM texts (id INT KEY, t VARCHAR) WITH (KAFKA_TOPIC = 'texts', {JSON})"));
    let query = format!("SELECT id, t FROM texts EMIT CHANGES LIMIT {ROWS}");
    let subscribed = || {
        let mut wire = server.connect();
        wire.ok("SET 'auto.offset.reset' = 'earliest'");
        wire.send(&[(b'Q', format!("{query}\0").as_bytes())]);
        wire
    };
    let mut stuck = subscribed();
    let mut other = subscribed();
    let mut cut_off = server.connect();
    cut_off.ok("SET application_name = 'cut off'; SET client_stall_timeout = '200ms'; SET 'auto.offset.reset' = 'earliest'");
    cut_off.send(&[(b'Q', format!("{query}\0").as_bytes())]);
    let read = |wire: &mut Wire| {
        let answer = wire.outcomes().pop().expect("an answer").expect("no error");
        answer.lines().iter().map(|line| line.split('|').next().map(str::to_string).unwrap_or_default()).collect::<Vec<_>>()
    };
    let reader = std::thread::spawn(move || read(&mut other));
    // Many times what the sockets between server and subscriber hold.
    let text = "x".repeat(1_000);
    for first in (0..ROWS).step_by(4_000) {
        let csv: String = (first..first + 4_000).map(|id| format!("{id},{text}\n")).collect();
        wire.copy_in("COPY texts FROM STDIN CSV", csv.as_bytes()).expect("it is appended");
    }
    let ids: Vec<String> = (0..ROWS).map(|id| id.to_string()).collect();
    assert!(reader.join().expect("it ends at its limit") == ids);
    assert!(read(&mut stuck) == ids);
    // One that never reads is cut off in the end.
    server.until(|| wire.rows("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'cut off'") == ["0"]);
}
