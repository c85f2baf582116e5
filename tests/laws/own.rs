//! A transaction sees its own writes: whatever it has done so far, its statements answer as if that were committed.
//!
//! A case is drawn from a seed: statements inside BEGIN, among them savepoints, failing statements, ROLLBACK TO and changes of the
//! catalog. The same statements, less what was rolled back, are run one by one on a second database. Every few statements all
//! relations are compared; at last the transaction commits, or rolls back, and a restart must not change what is there.

use super::database::Database;
use crate::support::random::{Random, number};

const SCHEMA: &[&str] = &[
    "CREATE STREAM s (a int, b text)",
    "CREATE TABLE t (k int PRIMARY KEY, v int)",
    "CREATE TABLE m (a int, b text)",
    "CREATE MATERIALIZED VIEW per_b AS SELECT b, count(*) AS n, sum(a) AS total, min(a) AS low FROM s GROUP BY b",
    "CREATE MATERIALIZED VIEW joined AS SELECT t.k, t.v, m.b FROM t LEFT JOIN m ON m.a = t.k",
    "CREATE MATERIALIZED VIEW above AS SELECT count(*) AS n, sum(v) AS v FROM joined WHERE b IS NOT NULL",
    "CREATE VIEW plain AS SELECT per_b.b, per_b.n, above.n AS others FROM per_b, above",
];

/// What is compared; some of them may not exist.
const READS: &[&str] = &[
    "SELECT a, b, _offset FROM s ORDER BY _position",
    "SELECT * FROM t",
    "SELECT v FROM t WHERE k = 3",
    "SELECT * FROM m",
    "SELECT * FROM per_b",
    "SELECT * FROM joined",
    "SELECT * FROM above",
    "SELECT * FROM plain",
    "SELECT * FROM x",
    "SELECT * FROM xs",
];

/// A statement, drawn.
fn statement(random: &mut Random) -> String {
    let (a, b) = (random.below(8), random.below(8));
    let text = ["'p'", "'q'", "'r'", "NULL"][random.below(4)];
    match random.below(18) {
        0 | 1 => format!("INSERT INTO s VALUES ({a}, {text}), ({b}, 'q')"),
        2 | 3 => format!("INSERT INTO t VALUES ({a}, {b})"),
        4 => format!("UPDATE t SET v = v + {b} WHERE k <= {a}"),
        5 => format!("DELETE FROM t WHERE k = {a}"),
        6 | 7 => format!("INSERT INTO m VALUES ({a}, {text}), ({b}, 'p')"),
        8 => format!("UPDATE m SET a = a + 1, b = {text} WHERE a = {a}"),
        9 => format!("DELETE FROM m WHERE a = {a}"),
        10 => "INSERT INTO s SELECT v, 'from t' FROM t WHERE v < 5 ORDER BY v".into(),
        11 => "INSERT INTO m SELECT k, b FROM joined WHERE b IS NOT NULL AND k < 4".into(),
        12 => format!("UPDATE t SET v = (SELECT count(*) FROM m WHERE m.a = t.k) WHERE k < {a}"),
        13 => "CREATE TABLE x (a int PRIMARY KEY, b text)".into(),
        14 => "CREATE MATERIALIZED VIEW xs AS SELECT x.b, count(*) AS n FROM x, s WHERE x.a = s.a GROUP BY x.b".into(),
        15 => format!("INSERT INTO x VALUES ({a}, {text})"),
        16 => ["DROP TABLE x CASCADE", "DROP MATERIALIZED VIEW IF EXISTS xs"][random.below(2)].into(),
        _ => "UPDATE t SET v = 1 / (v - 3)".into(),
    }
}

/// The answer, or the SQLSTATE: both databases must fail alike.
fn told(database: &mut Database, sql: &str) -> Result<Vec<String>, String> {
    database.run(sql).map(|answer| answer.bag()).map_err(|e| e.code().to_string())
}

fn replayed(done: &[String]) -> Database {
    let mut database = Database::new().expect("a database");
    for sql in SCHEMA.iter().copied().chain(done.iter().map(String::as_str)) {
        database.run(sql).unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    }
    database
}

fn compare(own: &mut Database, other: &mut Database, seed: u64, log: &[String]) {
    for read in READS {
        // A read that errs would end the transaction.
        let _ = own.run("SAVEPOINT reading");
        let (ours, theirs) = (told(own, read), told(other, read));
        assert_eq!(ours, theirs, "seed {seed}: {read} after\n{}", log.join(";\n"));
        let _ = own.run("ROLLBACK TO reading");
        let _ = own.run("RELEASE reading");
    }
}

fn check(seed: u64) {
    let mut random = Random::new(seed);
    let mut done: Vec<String> = vec![];
    let before = (0..random.below(12)).map(|_| statement(&mut random)).collect::<Vec<_>>();
    let mut own = replayed(&[]);
    let mut other = replayed(&[]);
    for sql in before {
        let (ours, theirs) = (told(&mut own, &sql), told(&mut other, &sql));
        assert_eq!(ours.is_ok(), theirs.is_ok(), "seed {seed}: {sql}");
        done.extend(ours.is_ok().then_some(sql));
    }
    let committed = done.clone();
    let mut log = done.clone();
    own.run("BEGIN").expect("BEGIN");
    let mut savepoints: Vec<Vec<String>> = vec![];
    for step in 0..random.below(30) {
        let mut perform = |own: &mut Database, sql: String| {
            log.push(sql.clone());
            own.run(&sql)
        };
        match random.below(6) {
            0 if !savepoints.is_empty() => {
                let to = random.below(savepoints.len());
                perform(&mut own, format!("ROLLBACK TO p{to}")).expect("a savepoint");
                savepoints.truncate(to + 1);
                done = savepoints[to].clone();
                other = replayed(&done);
            }
            1 => {
                perform(&mut own, format!("SAVEPOINT p{}", savepoints.len())).expect("a savepoint");
                savepoints.push(done.clone());
            }
            _ => {
                let sql = statement(&mut random);
                perform(&mut own, "SAVEPOINT one".into()).expect("a savepoint");
                let (ours, theirs) = (perform(&mut own, sql.clone()).map_err(|e| e.code()), other.run(&sql).map_err(|e| e.code()));
                assert_eq!(ours.as_ref().map(|a| &a.tag), theirs.as_ref().map(|a| &a.tag), "seed {seed}: {sql} after\n{}", log.join(";\n"));
                if ours.is_ok() {
                    done.push(sql);
                } else {
                    perform(&mut own, "ROLLBACK TO one".into()).expect("a savepoint");
                }
                perform(&mut own, "RELEASE one".into()).expect("a savepoint");
            }
        }
        if step % 3 == 0 {
            compare(&mut own, &mut other, seed, &log);
        }
    }
    if random.below(4) == 0 {
        own.run("ROLLBACK").expect("ROLLBACK");
        other = replayed(&committed);
    } else {
        assert_eq!(own.run("COMMIT").expect("COMMIT").tag, "COMMIT");
    }
    compare(&mut own, &mut other, seed, &log);
    let mut own = own.restart().expect("a restart");
    compare(&mut own, &mut other, seed, &log);
}

#[test]
fn a_transaction_reads_its_own_writes_as_if_they_were_committed() {
    let first = number("EVERFOLD_SEED", 1);
    for seed in first..first + number("EVERFOLD_CASES", 5) {
        check(seed);
    }
}
