//! The queries of Nexmark, `sql/nexmark`, each as the only view: what an event costs when the view is filled from sealed segments and
//! when it is kept during COPY, and how much state the view needs. An event counts where a stream that the query reads has it.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use tokio_postgres::Client;

use super::events::{auctions_in, bids_in, persons_in, side};
use super::load::timed;
use super::table::{Rate, Table, short};
use super::target::{Everfold, Target, copy};
use super::{EVENTS, Options, Result, SCHEMA};

/// Events of one COPY, and of one load.
const PART: u64 = 100_000;
/// Live COPY is measured over so many events at most.
const LIVE_MAX: u64 = 1_000_000;
/// What a query reads, if not bids alone.
const READS: [(&str, &[&str]); 6] = [
    ("q3", &["person", "auction"]),
    ("q4", &["auction", "bid"]),
    ("q6", &["auction", "bid"]),
    ("q8", &["person", "auction"]),
    ("q9", &["auction", "bid"]),
    ("q20", &["auction", "bid"]),
];

/// A query as a view.
struct Query {
    name: String,
    /// Its CREATE MATERIALIZED VIEW.
    statement: String,
    reads: &'static [&'static str],
}

fn queries() -> Result<Vec<Query>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql/nexmark");
    let file = |name: &str| -> PathBuf { directory.join(format!("{name}.sql")) };
    let query = |name: String| -> Result<Query> {
        let reads = READS.iter().find(|(of, _)| *of == name).map_or(&["bid"][..], |(_, reads)| reads);
        Ok(Query { statement: std::fs::read_to_string(file(&name))?, name, reads })
    };
    (0..).map(|n| format!("q{n}")).take_while(|name| file(name).exists()).map(query).collect()
}

/// What a stream has of the events `from..to`, as CSV.
fn part(stream: &str, from: u64, to: u64) -> Bytes {
    Bytes::from(match stream {
        "person" => EVENTS.persons(from, to),
        "auction" => EVENTS.auctions(from, to),
        _ => EVENTS.bids(from, to),
    })
}

/// How many of the first `events` these streams have.
fn rows(streams: &[&str], events: u64) -> u64 {
    let of = |stream: &&str| match *stream {
        "person" => persons_in(events),
        "auction" => auctions_in(events),
        _ => bids_in(events),
    };
    streams.iter().map(of).sum()
}

/// Waits until a view is at the log's head; its rows.
async fn count(client: &Client, view: &str) -> Result<i64> {
    Ok(client.query_one(&format!("SELECT count(*) FROM {view}"), &[]).await?.get(0))
}

/// A line per query.
pub async fn measure(options: &Options, table: &mut Table) -> Result<()> {
    let queries = queries()?;
    let mut server = Everfold::start()?;
    let client = server.connect().await?;
    client.batch_execute(SCHEMA).await?;
    copy(&client, "side", &Bytes::from(side())).await?;
    for from in (0..options.events).step_by(PART as usize) {
        for stream in ["person", "auction", "bid"] {
            copy(&client, stream, &part(stream, from, options.events.min(from + PART))).await?;
        }
    }
    client.batch_execute("CHECKPOINT").await?;
    drop(client);
    // A fresh process has no memory of the load.
    server.restart("-TERM")?;
    let client = server.connect().await?;
    count(&client, "bid").await?;
    for query in &queries {
        let filled = timed(&server, async {
            client.batch_execute(&query.statement).await?;
            count(&client, &query.name).await?;
            Ok(rows(query.reads, options.events))
        });
        let filled = match filled.await {
            Ok(rate) => rate,
            Err(e) => {
                let reason = e.source().map_or_else(|| e.to_string(), ToString::to_string);
                table.note(format!("{} is not measured: {reason}", query.name));
                continue;
            }
        };
        let state = client.query_one("SELECT state_bytes, rows FROM everfold.views WHERE name = $1", &[&query.name]).await?;
        let (bytes, kept): (i64, i64) = (state.get(0), state.get(1));
        client.batch_execute(&format!("DROP MATERIALIZED VIEW {}", query.name)).await?;
        let live = live(query, options.events.min(LIVE_MAX)).await?;
        table.query(&query.name, filled, live, format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20)), short(kept as f64));
    }
    Ok(())
}

/// COPY of the streams that a query reads, part by part, until its view shows all of it.
async fn live(query: &Query, events: u64) -> Result<Rate> {
    let server = Everfold::start()?;
    let client = server.connect().await?;
    client.batch_execute(SCHEMA).await?;
    copy(&client, "side", &Bytes::from(side())).await?;
    client.batch_execute(&query.statement).await?;
    timed(&server, async {
        for from in (0..events).step_by(PART as usize) {
            for stream in query.reads {
                copy(&client, stream, &part(stream, from, events.min(from + PART))).await?;
            }
        }
        count(&client, &query.name).await?;
        Ok(rows(query.reads, events))
    })
    .await
}
