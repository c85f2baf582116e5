//! The bank: transfers among ten accounts, each one event. Money only moves, so the total is 0 at every cut.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::SinkExt;
use tokio_postgres::Client;

use super::database::directory;
use super::server::{Server, connect, rows};
use crate::support::random::Random;

const ACCOUNTS: i64 = 10;
const SINGLE_WRITERS: i64 = 3;
const BATCH_WRITERS: i64 = 2;
/// Checkpoints at most, which seal.
const SEALS: usize = 20;
/// Appends of each writer.
const APPENDS: i64 = 60;

const VIEWS: [(&str, &str); 5] = [
    ("credits", "SELECT payee AS account, sum(amount) AS amount, count(*) AS n FROM transfer GROUP BY payee"),
    ("debits", "SELECT payer AS account, sum(amount) AS amount, count(*) AS n FROM transfer GROUP BY payer"),
    (
        "balance",
        "SELECT coalesce(c.account, d.account) AS account, coalesce(c.amount, 0) - coalesce(d.amount, 0) AS amount \
         FROM credits c FULL JOIN debits d ON c.account = d.account",
    ),
    ("total", "SELECT sum(amount) AS amount, count(*) AS accounts FROM balance"),
    ("written", "SELECT writer, count(*) AS n, max(number) AS last FROM transfer GROUP BY writer"),
];

/// Everything in one statement, so at one cut.
const OBSERVATION: &str = "SELECT (SELECT amount FROM total), (SELECT sum(amount) FROM balance), (SELECT sum(n) FROM credits), \
    (SELECT sum(n) FROM debits), (SELECT count(*) FROM transfer), (SELECT sum(n) FROM written), \
    (SELECT max(_position) FROM transfer)";

fn transfer(random: &mut Random, writer: i64, number: i64) -> String {
    let (payer, payee) = (random.between(1, ACCOUNTS), random.between(1, ACCOUNTS));
    format!("({writer}, {number}, {payer}, {payee}, {})", random.between(1, 100))
}

/// Appends, and after each acknowledgement looks for what was appended.
async fn write(client: &Client, writer: i64, single: bool) -> i64 {
    let mut random = Random::new(writer as u64);
    let mut number = 0;
    for _ in 0..APPENDS {
        let count = if single { 1 } else { random.between(2, 40) };
        let transfers: Vec<String> = (0..count).map(|i| transfer(&mut random, writer, number + 1 + i)).collect();
        number += count;
        match random.below(if single { 1 } else { 3 }) {
            0 => drop(rows(client, &format!("INSERT INTO transfer VALUES {}", transfers.join(", "))).await),
            1 => {
                let inserts: Vec<String> = transfers.iter().map(|t| format!("INSERT INTO transfer VALUES {t};")).collect();
                rows(client, &format!("BEGIN; {} COMMIT", inserts.join(" "))).await;
            }
            _ => {
                let lines: String = transfers.iter().map(|t| t.trim_matches(['(', ')']).replace(", ", "\t") + "\n").collect();
                let sink = client.copy_in("COPY transfer FROM STDIN").await.expect("COPY begins");
                let mut sink = std::pin::pin!(sink);
                sink.send(bytes::Bytes::from(lines)).await.expect("rows are taken");
                assert_eq!(sink.finish().await.expect("COPY ends"), count as u64);
            }
        }
        // What was acknowledged is seen: by key, and by a scan joined with another view.
        let own = rows(client, &format!("SELECT n, last FROM written WHERE writer = {writer}")).await;
        assert_eq!(own, [[Some(number.to_string()), Some(number.to_string())]], "writer {writer} does not see its own append");
        let own = rows(client, &format!("SELECT count(*) FROM transfer, total WHERE writer = {writer} AND total.amount = 0")).await;
        assert_eq!(own, [[Some(number.to_string())]]);
    }
    number
}

/// Observes until the writers are done; the number of observations.
async fn observe(client: &Client, done: &AtomicBool) -> usize {
    let (mut position, mut count, mut observations) = (-1, -1, 0);
    loop {
        let last = done.load(Ordering::SeqCst);
        let seen = rows(client, OBSERVATION).await.remove(0);
        let number = |i: usize| seen[i].as_deref().unwrap_or("0").parse::<i64>().unwrap_or_else(|_| panic!("a whole number: {seen:?}"));
        assert_eq!((number(0), number(1)), (0, 0), "money came or went: {seen:?}");
        assert!((2..=5).all(|i| number(i) == number(4)), "the views are of different positions: {seen:?}");
        assert!(number(6) >= position && number(4) >= count, "time went back: {seen:?} after {position}");
        (position, count) = (number(6), number(4));
        observations += 1;
        if last {
            return observations;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_is_never_made_or_lost_at_any_cut() {
    let data = directory();
    let server = Server::start(data.path());
    let client = server.connect().await;
    rows(&client, "CREATE STREAM transfer (writer int, number bigint, payer int, payee int, amount bigint)").await;
    for (name, query) in VIEWS {
        rows(&client, &format!("CREATE MATERIALIZED VIEW {name} AS {query}")).await;
    }
    let done = Arc::new(AtomicBool::new(false));
    let mut readers = Vec::new();
    for _ in 0..2 {
        let (address, done) = (server.address(), done.clone());
        readers.push(tokio::spawn(async move { observe(&connect(&address).await, &done).await }));
    }
    let mut writers = Vec::new();
    for writer in 0..SINGLE_WRITERS + BATCH_WRITERS {
        let address = server.address();
        writers.push(tokio::spawn(async move { write(&connect(&address).await, writer, writer < SINGLE_WRITERS).await }));
    }
    // Meanwhile segments are sealed, so that readers find events now in the tail, now in a file.
    let sealing = {
        let (address, done) = (server.address(), done.clone());
        tokio::spawn(async move {
            let client = connect(&address).await;
            for _ in 0..SEALS {
                if !done.load(Ordering::SeqCst) {
                    rows(&client, "CHECKPOINT").await;
                }
            }
        })
    };
    let mut written = 0;
    for writer in writers {
        written += writer.await.expect("a writer succeeds");
    }
    done.store(true, Ordering::SeqCst);
    sealing.await.expect("checkpoints succeed");
    for reader in readers {
        assert!(reader.await.expect("a reader succeeds") > 0);
    }
    assert_eq!(rows(&client, "SELECT count(*) FROM transfer").await, [[Some(written.to_string())]]);
    for (name, query) in VIEWS {
        assert_eq!(rows(&client, &format!("SELECT * FROM {name}")).await, rows(&client, query).await, "view {name}");
    }
}
