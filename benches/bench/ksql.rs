//! Queries of ksqlDB's dialect: how many events a second they fold, and how soon a push query shows an event.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::StreamExt;

use super::load::timed;
use super::table::{Table, short};
use super::target::{Everfold, Target, copy};
use super::{EVENTS, Options, Result};

/// The streams, with event time from a column, and a table to look up.
const SCHEMA: &str = "
    CREATE STREAM bids (auction BIGINT KEY, bidder BIGINT, price BIGINT, ts BIGINT)
      WITH (KAFKA_TOPIC = 'bids', VALUE_FORMAT = 'JSON', TIMESTAMP = 'ts');
    CREATE STREAM asks (auction BIGINT KEY, price BIGINT, ts BIGINT) WITH (KAFKA_TOPIC = 'asks', VALUE_FORMAT = 'JSON', TIMESTAMP = 'ts');
    CREATE TABLE auctions (id BIGINT PRIMARY KEY, category BIGINT) WITH (KAFKA_TOPIC = 'auctions', VALUE_FORMAT = 'JSON');";

/// Name, query, and the sink that is counted.
const QUERIES: [(&str, &str); 4] = [
    (
        "tumbling count per key",
        "CREATE TABLE sink AS SELECT auction, COUNT(*) AS n FROM bids WINDOW TUMBLING (SIZE 10 SECONDS) GROUP BY auction",
    ),
    ("session per key", "CREATE TABLE sink AS SELECT bidder, COUNT(*) AS n FROM bids WINDOW SESSION (5 SECONDS) GROUP BY bidder"),
    (
        "stream-stream join",
        "CREATE STREAM sink AS SELECT b.auction, b.price AS bid, a.price AS ask FROM bids b JOIN asks a WITHIN 10 SECONDS ON b.auction = a.auction",
    ),
    ("stream-table join", "CREATE STREAM sink AS SELECT b.auction, b.price, t.category FROM bids b JOIN auctions t ON b.auction = t.id"),
];

/// Events of the log in one COPY.
const SLICE: u64 = 50_000;
/// Events per second while delays are measured, events in one COPY, and subscribers.
const STEADY: (u64, u64, usize) = (50_000, 500, 10);

/// Columns of a bid of the benchmark's events, as the streams here have them: auction, bidder, price, time in milliseconds.
fn bids(first: u64, count: u64) -> Bytes {
    let mut csv = String::new();
    for n in first..first + count {
        // Few hot keys and many cold ones, from a generator of one line.
        let mixed = n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33;
        let auction = if mixed % 4 == 0 { mixed % 100 } else { 100 + mixed % 50_000 };
        csv.push_str(&format!("{auction},{},{},{}\n", mixed % 20_000, 100 + mixed % 900, EVENTS.pace * n));
    }
    Bytes::from(csv)
}

fn asks(first: u64, count: u64) -> Bytes {
    let mut csv = String::new();
    for n in (first..first + count).step_by(10) {
        let mixed = n.wrapping_mul(0xD1B5_4A32_D192_ED03) >> 33;
        csv.push_str(&format!("{},{},{}\n", 100 + mixed % 50_000, 100 + mixed % 900, EVENTS.pace * n));
    }
    Bytes::from(csv)
}

/// Each query over a history, from its CREATE to the first answer, and then live.
pub async fn queries(options: &Options, table: &mut Table) -> Result<()> {
    let events = options.events.min(1_000_000);
    for (name, query) in QUERIES {
        let server = Everfold::start()?;
        let client = server.connect().await?;
        client.batch_execute(SCHEMA).await?;
        let auctions: String = (0..50_100).map(|id| format!("{id},{}\n", id % 10)).collect();
        copy(&client, "auctions", &Bytes::from(auctions)).await?;
        for first in (0..events).step_by(SLICE as usize) {
            let count = SLICE.min(events - first);
            copy(&client, "asks", &asks(first, count)).await?;
            copy(&client, "bids", &bids(first, count)).await?;
        }
        let history = timed(&server, async {
            client.batch_execute(query).await?;
            client.query_one("SELECT count(*) FROM sink", &[]).await?;
            Ok(events)
        });
        table.rate(format!("ksqlDB: {name}, history"), history.await?, None);
        let live = timed(&server, async {
            copy(&client, "asks", &asks(events, events / 10)).await?;
            copy(&client, "bids", &bids(events, events / 10)).await?;
            client.query_one("SELECT count(*) FROM sink", &[]).await?;
            Ok(events / 10)
        });
        table.rate(format!("ksqlDB: {name}, live COPY"), live.await?, None);
    }
    Ok(())
}

/// The delay from an acknowledged append to its row at each of several subscribers.
pub async fn pushed(options: &Options, table: &mut Table) -> Result<()> {
    let (rate, slice, subscribers) = STEADY;
    let server = Arc::new(Everfold::start()?);
    let client = server.connect().await?;
    client.batch_execute(SCHEMA).await?;
    let start = Instant::now();
    let sent = options.seconds * rate / slice;
    let mut tasks = Vec::new();
    for _ in 0..subscribers {
        let client = server.connect().await?;
        let query = format!("COPY (SELECT bidder FROM bids EMIT CHANGES LIMIT {}) TO STDOUT", sent * slice);
        let rows = client.copy_out(&query).await?;
        tasks.push(tokio::spawn(async move {
            let mut rows = std::pin::pin!(rows);
            let mut seen = Vec::new();
            while let Some(row) = rows.next().await {
                let row = row?;
                let number: u64 = std::str::from_utf8(&row)?.trim_end().parse()?;
                seen.push((number, start.elapsed()));
            }
            client.simple_query("SELECT 1").await?;
            Result::Ok(seen)
        }));
    }
    let mut acknowledged = Vec::new();
    for n in 0..sent {
        let due = Duration::from_secs_f64(n as f64 * slice as f64 / rate as f64);
        tokio::time::sleep_until((start + due).into()).await;
        let csv: String = (0..slice).map(|i| format!("{i},{},1,{}\n", n * slice + i, due.as_millis())).collect();
        copy(&client, "bids", &Bytes::from(csv)).await?;
        acknowledged.push(start.elapsed());
    }
    let mut delays = Vec::new();
    for task in tasks {
        // A row may come before its COPY has answered.
        delays.extend(task.await??.into_iter().map(|(number, seen)| seen.saturating_sub(acknowledged[(number / slice) as usize])));
    }
    delays.sort_unstable();
    let at = |part: f64| delays.get(((delays.len() as f64 - 1.0) * part) as usize).map_or(0.0, |d| d.as_secs_f64() * 1e3);
    table.fact(
        format!("ksqlDB: acknowledged append to pushed row, {rate} events/s, {subscribers} subscribers"),
        format!("p50 {} ms, p99 {} ms, max {} ms over {} rows", short(at(0.5)), short(at(0.99)), short(at(1.0)), delays.len()),
    );
    Ok(())
}
