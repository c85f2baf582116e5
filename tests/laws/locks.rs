//! Changes of the same rows by many sessions at once: no addition is lost, no row that was put is overwritten by what was there before.

use std::sync::Arc;

use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use super::database::{Row, directory};
use super::server::{Server, connect, rows};
use crate::support::random::Random;

const KEYS: i64 = 4;
const WRITERS: u64 = 6;
const ROUNDS: usize = 40;

fn one(value: impl ToString) -> Vec<Row> {
    vec![vec![Some(value.to_string())]]
}

/// One way to add to rows, whole; how much it adds to all of them.
async fn add(client: &Client, random: &mut Random) -> Result<i64, tokio_postgres::Error> {
    let (a, b) = (random.between(1, KEYS), random.between(1, KEYS));
    let both = |other: &str| format!("BEGIN; UPDATE t SET n = n + 1 WHERE k = {a}; {other}; COMMIT");
    let (sql, added) = match random.below(10) {
        0 | 1 => (format!("UPDATE t SET n = n + 1 WHERE k = {a}"), 1),
        2 => (format!("UPDATE t SET n = n + 1 WHERE k IN ({a}, 5 - {a})"), 2),
        3 => ("UPDATE t SET n = n + 1 WHERE n >= 0".into(), KEYS),
        4 => (format!("INSERT INTO t VALUES ({a}, 1) ON CONFLICT (k) DO UPDATE SET n = t.n + excluded.n"), 1),
        5 => (both(&format!("UPDATE t SET n = n + 1 WHERE k = {b}")), 2),
        6 => (both(&format!("INSERT INTO t VALUES ({b}, 2) ON CONFLICT (k) DO UPDATE SET n = t.n + excluded.n")), 3),
        7 => (both("UPDATE t SET n = n + 1 WHERE k = (SELECT max(k) FROM t)"), 2),
        8 => (format!("WITH x AS (DELETE FROM t WHERE k = {a} RETURNING *) INSERT INTO t SELECT k, n + 1 FROM x"), 1),
        _ => {
            client.batch_execute("BEGIN").await?;
            let row = client.query_one("SELECT n FROM t WHERE k = $1 FOR UPDATE", &[&a]).await?;
            client.execute("UPDATE t SET n = $2 WHERE k = $1", &[&a, &(row.get::<_, i64>(0) + 1)]).await?;
            client.batch_execute("COMMIT").await?;
            return Ok(1);
        }
    };
    client.batch_execute(&sql).await.map(|()| added)
}

/// Adds as often as told, retrying what would have waited for itself; how much was added.
async fn add_often(address: String, seed: u64) -> i64 {
    let (client, mut random, mut added) = (connect(&address).await, Random::new(seed), 0);
    for _ in 0..ROUNDS {
        added += loop {
            match add(&client, &mut random).await {
                Ok(added) => break added,
                Err(e) if e.code() == Some(&SqlState::T_R_DEADLOCK_DETECTED) => client.batch_execute("ROLLBACK").await.expect("an end"),
                Err(e) => panic!("{e:?}"),
            }
        };
    }
    added
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_addition_is_lost() {
    let data = directory();
    let server = Server::start(data.path());
    let client = server.connect().await;
    rows(&client, "CREATE TABLE t (k bigint PRIMARY KEY, n bigint)").await;
    rows(&client, &format!("INSERT INTO t SELECT k, 0 FROM generate_series(1, {KEYS}) AS k")).await;
    rows(&client, "CREATE MATERIALIZED VIEW total AS SELECT sum(n) AS n FROM t").await;
    let writers: Vec<_> = (0..WRITERS).map(|seed| tokio::spawn(add_often(server.address(), seed))).collect();
    let mut added = 0;
    for writer in writers {
        added += writer.await.expect("a writer succeeds");
    }
    assert_eq!(rows(&client, "SELECT sum(n) FROM t").await, one(added));
    assert_eq!(rows(&client, "SELECT n FROM total").await, one(added));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_is_put_stays_put() {
    let data = directory();
    let server = Server::start(data.path());
    let client = server.connect().await;
    rows(&client, "CREATE TABLE t (k int PRIMARY KEY, version int, n int)").await;
    rows(&client, "INSERT INTO t VALUES (1, 0, 0)").await;
    let updating = |statement: &'static str| {
        let address = server.address();
        tokio::spawn(async move {
            let client = connect(&address).await;
            for _ in 0..ROUNDS {
                rows(&client, statement).await;
            }
        })
    };
    let updates = ["UPDATE t SET n = n + 1 WHERE k = 1", "UPDATE t SET n = n + 1", "BEGIN; UPDATE t SET n = n + 1 WHERE k = 1; COMMIT"];
    let updates: Vec<_> = updates.into_iter().map(updating).collect();
    for version in 1..=ROUNDS {
        let many = (0..2_000).map(|k| format!("({k}, {version}, 0)")).collect::<Vec<_>>().join(", ");
        rows(&client, &format!("INSERT INTO t VALUES {}", if version % 8 == 0 { many } else { format!("(1, {version}, 0)") })).await;
        assert_eq!(rows(&client, "SELECT version FROM t WHERE k = 1").await, one(version));
    }
    for update in updates {
        update.await.expect("updates succeed");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_itself_is_told_at_once() {
    let data = directory();
    let server = Server::start(data.path());
    let (a, b) = (server.connect().await, Arc::new(server.connect().await));
    rows(&a, "CREATE TABLE t (k int PRIMARY KEY, n int)").await;
    rows(&a, "INSERT INTO t VALUES (1, 0), (2, 0)").await;
    rows(&a, "BEGIN; UPDATE t SET n = n + 1 WHERE k = 1").await;
    rows(&b, "BEGIN; UPDATE t SET n = n + 1 WHERE k = 2").await;
    let waiting = b.clone();
    let waiting = tokio::spawn(async move { waiting.batch_execute("UPDATE t SET n = n + 1 WHERE k = 1; COMMIT").await });
    let first = a.batch_execute("UPDATE t SET n = n + 1 WHERE k = 2; COMMIT").await;
    // Whoever is refused lets the other go on.
    if first.is_err() {
        rows(&a, "ROLLBACK").await;
    }
    let second = waiting.await.expect("it ends");
    let refused = match (first, second) {
        (Err(refused), Ok(())) | (Ok(()), Err(refused)) => refused,
        both => panic!("one is refused: {both:?}"),
    };
    let refused = refused.as_db_error().expect("an error of the server");
    assert_eq!((refused.code(), refused.message()), (&SqlState::T_R_DEADLOCK_DETECTED, "deadlock detected"));
    rows(&b, "ROLLBACK").await;
    assert_eq!(rows(&a, "SELECT sum(n) FROM t").await, one(2));
}
