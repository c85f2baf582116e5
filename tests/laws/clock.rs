//! Views that depend on the time: at each time they hold what their query gives with that time in the place of `now()`.

use std::sync::Arc;

use everfold::catalog::CLOCK_LOG;
use everfold::clock::ManualClock;

use super::database::{Database, directory};

/// 2024-03-31 12:00 UTC, the last day of a month behind a shorter one.
const START_S: i64 = 1_711_886_400;

const VIEWS: [(&str, &str); 9] = [
    ("recent", "SELECT id, at FROM s WHERE at > now() - INTERVAL '1 hour' AND at <= current_timestamp"),
    ("waiting", "SELECT id FROM s WHERE now() < until"),
    ("due", "SELECT id, until FROM s WHERE until + INTERVAL '10 minutes' <= now() AND id % 2 = 0"),
    ("young", "SELECT count(*) AS n, max(id) AS last FROM s WHERE now() - at < INTERVAL '30 minutes'"),
    ("month", "SELECT k, at FROM t WHERE at BETWEEN now() - INTERVAL '1 month' AND now()"),
    ("today", "SELECT k FROM t WHERE at::date >= current_date AND at < date_trunc('hour', now())"),
    ("joined", "SELECT s.id, t.k FROM s LEFT JOIN t ON s.id = t.k AND t.at > now() - INTERVAL '1 day' WHERE s.at < now()"),
    ("busy", "SELECT id % 3 AS g, max(at) AS last FROM s GROUP BY 1 HAVING max(at) >= now() - INTERVAL '2 hours'"),
    // Over another view, and over one and a stream.
    ("above", "SELECT r.id, s.until FROM recent r JOIN s ON r.id = s.id WHERE s.until > now()"),
];

fn run(database: &mut Database, sql: &str) -> Vec<String> {
    database.run(sql).unwrap_or_else(|e| panic!("{e:?}\n by {sql}")).bag()
}

struct Test {
    database: Database,
    clock: Arc<ManualClock>,
    now_s: i64,
}

impl Test {
    fn new() -> Test {
        Test::at(START_S)
    }

    fn at(now_s: i64) -> Test {
        let clock = Arc::new(ManualClock::default());
        clock.set_us(now_s * 1_000_000);
        let database = Database::at_time(directory(), clock.clone()).expect("an empty database");
        let mut test = Test { database, clock, now_s };
        test.run("CREATE STREAM s (id int, at timestamptz, until timestamptz)");
        test.run("CREATE TABLE t (k int PRIMARY KEY, at timestamptz)");
        test
    }

    fn run(&mut self, sql: &str) -> Vec<String> {
        run(&mut self.database, sql)
    }

    fn create(&mut self) {
        self.create_all(&VIEWS);
    }

    fn create_all(&mut self, views: &[(&str, &str)]) {
        for (name, query) in views {
            self.run(&format!("CREATE MATERIALIZED VIEW {name} AS {query}"));
        }
    }

    /// Events whose times lie around the present.
    fn fill(&mut self, ids: std::ops::Range<i64>) {
        let at = |id: i64| format!("{} + INTERVAL '{} minutes'", literal(START_S), (id * 37) % 400 - 200);
        let rows: Vec<String> = ids.clone().map(|id| format!("({id}, {}, {} + INTERVAL '{id} minutes')", at(id), at(id))).collect();
        self.run(&format!("INSERT INTO s VALUES {}, ({}, NULL, NULL)", rows.join(", "), ids.end));
        let rows: Vec<String> = ids.map(|id| format!("({}, {} - INTERVAL '{} days')", id % 20, at(id), id % 5 * 15)).collect();
        self.run(&format!("INSERT INTO t VALUES {}", rows.join(", ")));
    }

    fn pass(&mut self, seconds: i64) {
        self.now_s += seconds;
        self.clock.set_us(self.now_s * 1_000_000);
    }

    fn check(&mut self, why: &str) {
        self.check_all(&VIEWS, why);
    }

    fn check_all(&mut self, views: &[(&str, &str)], why: &str) {
        let now = literal(self.now_s);
        for (name, query) in views {
            let query = query.replace("now()", &now).replace("current_timestamp", &now).replace("current_date", &format!("({now})::date"));
            // The view that stands in the query of another is as of now too.
            assert_eq!(self.run(&format!("SELECT * FROM {name}")), self.run(&query), "{why}: {name}");
        }
    }
}

fn literal(seconds: i64) -> String {
    format!("('2024-03-31 12:00:00+00'::timestamptz + INTERVAL '{} seconds')", seconds - START_S)
}

#[test]
fn rows_come_and_go_as_time_passes() {
    let mut test = Test::new();
    test.fill(0..40);
    test.create();
    test.check("at first");
    for round in 0..6 {
        test.pass(20 * 60 + round);
        test.check("after 20 minutes");
        test.fill(40 + round * 10..50 + round * 10);
        test.run(&format!("DELETE FROM t WHERE k = {round}"));
        test.run(&format!("UPDATE t SET at = at + INTERVAL '1 hour' WHERE k = {}", round + 5));
        test.check("after changes");
    }
    test.pass(30 * 86_400);
    test.check("after a month");
    assert_eq!(test.run("SELECT count(*) FROM waiting"), ["'0'"]);
}

#[test]
fn the_time_is_the_same_after_a_restart() {
    let mut test = Test::new();
    test.create();
    test.fill(0..40);
    test.pass(600);
    test.run("CHECKPOINT");
    test.pass(600);
    test.check("behind a checkpoint");
    test.fill(40..60);
    test.database = test.database.kill().expect("it opens");
    test.check("after a kill");
    test.pass(1_800);
    test.database = test.database.restart().expect("it opens");
    test.check("after a restart");
    let copy = test.database.copied().expect("a copy");
    std::fs::remove_dir_all(copy.path().join("checkpoints")).expect("they are there");
    test.database = Database::at_time(copy, test.clock.clone()).expect("it opens");
    test.check("folded again");
}

#[test]
fn time_is_logged_only_while_a_view_depends_on_it() {
    let mut test = Test::new();
    test.fill(0..5);
    let ticks = |test: &Test| test.database.engine.log().count(CLOCK_LOG);
    test.run("CREATE MATERIALIZED VIEW plain AS SELECT id FROM s WHERE at > '2024-01-01'");
    test.pass(60);
    test.run("SELECT * FROM plain");
    assert_eq!(ticks(&test), 0);
    test.run("CREATE MATERIALIZED VIEW recent AS SELECT id FROM s WHERE at > now() - INTERVAL '1 hour'");
    assert_eq!(ticks(&test), 1);
    // While the time stands still, and nothing happens, readers share a tick.
    test.run("SELECT * FROM recent");
    test.run("SELECT * FROM recent");
    assert_eq!(ticks(&test), 1);
    test.pass(60);
    test.run("SELECT * FROM recent");
    assert_eq!(ticks(&test), 2);
    test.run("DROP MATERIALIZED VIEW recent");
    test.pass(60);
    test.run("SELECT * FROM plain");
    assert_eq!(ticks(&test), 2);
}

#[test]
fn a_transaction_reads_at_the_time_of_its_statements() {
    let mut test = Test::new();
    test.create();
    test.fill(0..40);
    test.run("BEGIN");
    test.check("in a transaction");
    test.pass(3_600);
    test.check("later in it");
    test.run("COMMIT");
}

#[test]
fn a_month_ago_falls_at_midnight_behind_a_shorter_month() {
    const MONTHS: [(&str, &str); 6] = [
        ("since", "SELECT k, at FROM t WHERE at > now() - INTERVAL '1 month'"),
        ("until", "SELECT k FROM t WHERE at <= now() - INTERVAL '1 month 3 hours'"),
        ("ahead", "SELECT count(*) AS n, max(at) AS last FROM t WHERE now() + INTERVAL '11 months' <= at + INTERVAL '1 year'"),
        (
            "dated",
            "SELECT k FROM t WHERE at >= date_trunc('day', now() - INTERVAL '1 month') AND at::date < (now() - INTERVAL '1 month')::date + 1",
        ),
        ("hours", "SELECT k FROM t WHERE at > date_trunc('hour', now() - INTERVAL '1 month')"),
        ("last", "SELECT id FROM s WHERE at < now() - INTERVAL '1 month' ORDER BY at DESC LIMIT 3"),
    ];
    // 2023-03-30 11:00 UTC: of that day and of the next one a month before is February 28.
    let mut test = Test::at(1_680_174_000);
    test.create_all(&MONTHS);
    test.run("INSERT INTO t SELECT k, '2023-02-27 00:30+00'::timestamptz + k * INTERVAL '1 hour' FROM generate_series(0, 79) k");
    test.run("INSERT INTO s SELECT k, at, at FROM t");
    for round in 0..28 {
        test.check_all(&MONTHS, &format!("round {round}"));
        test.run(&format!("DELETE FROM t WHERE k = {}", round * 3));
        test.run(&format!("INSERT INTO t VALUES ({}, '2023-02-28 03:10+00'::timestamptz + INTERVAL '{round} hours')", 100 + round));
        if round % 8 == 5 {
            test.run("CHECKPOINT");
            test.database = test.database.kill().expect("it opens");
        }
        test.pass(2 * 3_600 + round);
    }
    test.check_all(&MONTHS, "at last");
}
