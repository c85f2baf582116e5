//! kill -9 of the real binary under concurrent writers.
//!
//! After each restart every acknowledged row is there exactly once, what was not acknowledged is there whole or not at all, every view
//! equals its query, and the log verifies. The suite kills a few times; at length:
//! `EVERFOLD_KILLS=20 cargo test --test main -- laws::kill --nocapture`.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::SinkExt;
use tokio::sync::Notify;
use tokio_postgres::Client;

use super::database::directory;
use super::server::{Server, connect, rows, verify};
use crate::support::random::{Random, number};

/// How often the suite kills.
const KILLS: u64 = 3;

const VIEWS: [(&str, &str); 4] = [
    ("per_batch", "SELECT writer, batch, count(*) AS n, count(DISTINCT item) AS items, sum(item) AS s FROM event GROUP BY writer, batch"),
    ("per_writer", "SELECT writer, count(*) AS batches, sum(n) AS events FROM per_batch GROUP BY writer"),
    (
        "held",
        "SELECT state.writer, state.batch, per_batch.n FROM state LEFT JOIN per_batch ON state.writer = per_batch.writer AND state.batch = per_batch.batch",
    ),
    ("late", "SELECT writer, max(batch) AS last FROM event WHERE item = 0 GROUP BY writer HAVING count(*) > 1"),
];

/// What a writer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// One row by a prepared INSERT.
    Single,
    /// Several INSERTs and an upsert between BEGIN and COMMIT.
    Transaction,
    /// COPY FROM STDIN.
    Copy,
    /// INSERT of several rows, and an upsert of its own.
    Upsert,
}

const WAYS: [Way; 4] = [Way::Single, Way::Transaction, Way::Copy, Way::Upsert];

/// What became of a writer's batches, by number: rows, and whether they were acknowledged.
type Fates = HashMap<i64, (i64, bool)>;

struct Writer {
    id: i64,
    way: Way,
    random: Random,
    next: i64,
    fates: Fates,
    /// Batches whose state (the keyed table) was acknowledged last.
    state: Option<i64>,
}

impl Writer {
    /// Writes until the server is gone.
    async fn run(mut self, address: String, acknowledged: Arc<AtomicUsize>, told: Arc<Notify>) -> Writer {
        let client = connect(&address).await;
        loop {
            let count = if self.way == Way::Single { 1 } else { self.random.between(2, 60) };
            let batch = self.next;
            self.next += 1;
            self.fates.insert(batch, (count, false));
            if self.write(&client, batch, count).await.is_err() {
                return self;
            }
            self.fates.insert(batch, (count, true));
            acknowledged.fetch_add(1, Ordering::SeqCst);
            told.notify_one();
        }
    }

    async fn write(&mut self, client: &Client, batch: i64, count: i64) -> Result<(), tokio_postgres::Error> {
        let id = self.id;
        let values: Vec<String> = (0..count).map(|item| format!("({id}, {batch}, {item})")).collect();
        let upsert = format!("INSERT INTO state VALUES ({id}, {batch})");
        match self.way {
            Way::Single => drop(client.execute("INSERT INTO event VALUES ($1, $2, 0)", &[&(id as i32), &batch]).await?),
            Way::Transaction => {
                let inserts: String = values.iter().map(|v| format!("INSERT INTO event VALUES {v};")).collect();
                client.batch_execute(&format!("BEGIN; {inserts} {upsert}; COMMIT")).await?;
                self.state = Some(batch);
            }
            Way::Copy => {
                let sink = client.copy_in("COPY event FROM STDIN").await?;
                let mut sink = std::pin::pin!(sink);
                for item in 0..count {
                    sink.send(bytes::Bytes::from(format!("{id}\t{batch}\t{item}\n"))).await?;
                }
                sink.finish().await?;
            }
            Way::Upsert => {
                client.batch_execute(&format!("INSERT INTO event VALUES {}", values.join(", "))).await?;
                client.batch_execute(&upsert).await?;
                self.state = Some(batch);
            }
        }
        Ok(())
    }
}

fn cell(cell: &Option<String>) -> i64 {
    cell.as_deref().and_then(|c| c.parse().ok()).unwrap_or(-1)
}

/// Holds what the server has against what it acknowledged.
async fn examine(client: &Client, writers: &mut [Writer], round: u64) {
    let held = rows(client, VIEWS[0].1).await;
    let held: HashMap<(i64, i64), (i64, i64)> = held.iter().map(|r| ((cell(&r[0]), cell(&r[1])), (cell(&r[2]), cell(&r[3])))).collect();
    let states: HashMap<i64, i64> =
        rows(client, "SELECT writer, batch FROM state").await.iter().map(|r| (cell(&r[0]), cell(&r[1]))).collect();
    for writer in writers {
        for (batch, (count, acknowledged)) in &writer.fates {
            let (rows, distinct) = held.get(&(writer.id, *batch)).copied().unwrap_or((0, 0));
            let what = format!("round {round}, writer {} ({:?}), batch {batch} of {count}", writer.id, writer.way);
            assert_eq!(rows, distinct, "{what}: rows are there twice");
            assert!(rows == *count || (rows == 0 && !acknowledged), "{what}: {rows} rows are there, acknowledged: {acknowledged}");
        }
        let batches = held.keys().filter(|(id, _)| *id == writer.id).count();
        assert!(batches <= writer.fates.len(), "rows nobody wrote");
        // What was in doubt is settled now.
        writer.fates.retain(|batch, _| held.contains_key(&(writer.id, *batch)));
        writer.fates.values_mut().for_each(|(_, acknowledged)| *acknowledged = true);
        if let Some(state) = writer.state {
            let found = states.get(&writer.id).copied().unwrap_or(-1);
            assert!(found == state || found == writer.next - 1, "round {round}: state of writer {} is {found}, not {state}", writer.id);
        }
    }
    for (name, query) in VIEWS {
        assert_eq!(rows(client, &format!("SELECT * FROM {name}")).await, rows(client, query).await, "round {round}: view {name}");
    }
}

fn verified(data: &Path, round: u64) {
    let output = verify(data);
    assert!(output.status.success(), "round {round}: {}", String::from_utf8_lossy(&output.stderr));
}

/// One life of the server: writers write until it is killed.
async fn life(data: &Path, mut writers: Vec<Writer>, random: &mut Random) -> Vec<Writer> {
    let server = Server::start(data);
    let (acknowledged, told) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let tasks: Vec<_> =
        writers.drain(..).map(|writer| tokio::spawn(writer.run(server.address(), acknowledged.clone(), told.clone()))).collect();
    let deadline = random.between(5, 120) as usize;
    // Checkpoints seal: WAL files of all sizes are closed, sealed and removed meanwhile.
    let address = server.address();
    let checkpoints = random.chance(70);
    let sealing = tokio::spawn(async move {
        let client = connect(&address).await;
        while checkpoints && client.batch_execute("CHECKPOINT").await.is_ok() {}
    });
    while acknowledged.load(Ordering::SeqCst) < deadline {
        told.notified().await;
    }
    server.kill();
    for task in tasks {
        writers.push(task.await.expect("a writer does not panic"));
    }
    sealing.await.expect("sealing does not panic");
    writers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_the_server_is_killed() {
    let data = directory();
    let seed = number("EVERFOLD_SEED", 1);
    let mut random = Random::new(seed);
    {
        let server = Server::start(data.path());
        let client = server.connect().await;
        rows(&client, "CREATE STREAM event (writer int, batch bigint, item bigint)").await;
        rows(&client, "CREATE TABLE state (writer int PRIMARY KEY, batch bigint)").await;
        for (name, query) in VIEWS {
            rows(&client, &format!("CREATE MATERIALIZED VIEW {name} AS {query}")).await;
        }
        server.kill();
    }
    let writer = |i: usize| Writer {
        id: i as i64,
        way: WAYS[i % WAYS.len()],
        random: Random::new(seed * 1000 + i as u64),
        next: 0,
        fates: Fates::new(),
        state: None,
    };
    let mut writers: Vec<Writer> = (0..2 * WAYS.len()).map(writer).collect();
    for round in 1..=number("EVERFOLD_KILLS", KILLS) {
        writers = life(data.path(), writers, &mut random).await;
        verified(data.path(), round);
        let server = Server::start(data.path());
        examine(&server.connect().await, &mut writers, round).await;
        server.kill();
    }
    let batches: usize = writers.iter().map(|w| w.fates.len()).sum();
    assert!(batches > 0);
}
