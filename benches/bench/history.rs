//! What depends on how much is in the log: backfill, cost per event, scans, restart.

use std::time::Instant;

use bytes::Bytes;
use tokio_postgres::Client;

use super::events::bids_in;
use super::load::{F1, F2, JOINED, timed};
use super::table::{Rate, Table, short};
use super::target::{Everfold, Target, copy};
use super::{EVENTS, Options, Result, SCHEMA};

/// Events that are made and loaded at a time.
const PART: u64 = 500_000;
/// Two more views, so that five come back after a restart.
const MORE: [&str; 2] = [
    "CREATE MATERIALIZED VIEW per_bidder AS SELECT bidder, count(*) AS n, avg(price) AS mean FROM bid GROUP BY bidder",
    "CREATE MATERIALIZED VIEW dear AS SELECT auction, bidder, price, channel FROM bid WHERE price > 90000000",
];
/// The ad-hoc scans of the common yardstick.
const SCANS: [(&str, &str); 5] = [
    ("count", "SELECT count(*) FROM bid"),
    ("filter and sum", "SELECT count(*), sum(price) FROM bid WHERE price > 1000000 AND channel = 'Apple'"),
    ("group by channel (10 k groups)", "SELECT channel, count(*) AS n, sum(price) AS s FROM bid GROUP BY channel"),
    (
        "group by bidder, auction",
        "SELECT count(*), sum(n), sum(s), max(s) FROM (SELECT bidder, auction, count(*) AS n, sum(price) AS s FROM bid GROUP BY bidder, auction) z",
    ),
    ("top 10 by sum per auction", "SELECT auction, sum(price) AS s FROM bid GROUP BY auction ORDER BY s DESC, auction LIMIT 10"),
];
/// Runs of a scan, of which the median counts.
const SCAN_RUNS: usize = 5;

/// Loads the bids of the events `from..to`, part by part.
async fn load(client: &Client, from: u64, to: u64) -> Result<u64> {
    let mut rows = 0;
    for start in (from..to).step_by(PART as usize) {
        rows += copy(client, "bid", &Bytes::from(EVENTS.bids(start, to.min(start + PART)))).await?;
    }
    Ok(rows)
}

/// What an event costs with f1 live, early and late in the log.
pub async fn flat(options: &Options, table: &mut Table) -> Result<()> {
    let server = Everfold::start()?;
    let client = server.connect().await?;
    client.batch_execute(&format!("{SCHEMA}{F1}")).await?;
    let part = PART.min(options.events / 4);
    let early = options.events.min(1_000_000);
    let mut costs: Vec<(u64, f64)> = Vec::new();
    let mut loaded = 0;
    for mark in [early, options.events] {
        if mark - part < loaded {
            continue;
        }
        load(&client, loaded, mark - part).await?;
        client.query("SELECT count(*) FROM f1", &[]).await?;
        let csv = Bytes::from(EVENTS.bids(mark - part, mark));
        let rate = timed(&server, async {
            let rows = copy(&client, "bid", &csv).await?;
            client.query("SELECT count(*) FROM f1", &[]).await?;
            Ok(rows)
        });
        costs.push((mark, 1e6 / rate.await?.per_cpu_second));
        loaded = mark;
    }
    let texts: Vec<String> = costs.iter().map(|(mark, cost)| format!("{cost:.2} us at {}", short(*mark as f64))).collect();
    let ratio = match costs.as_slice() {
        [(_, early), (_, late)] => format!(" ({:.2} times)", late / early),
        _ => String::new(),
    };
    table.fact("CPU per event, f1 live, by events in the log", texts.join(", ") + &ratio);
    Ok(())
}

/// Backfill, scans and restart over one log.
pub async fn sealed(options: &Options, table: &mut Table) -> Result<()> {
    let mut server = Everfold::start()?;
    let client = server.connect().await?;
    client.batch_execute(SCHEMA).await?;
    load(&client, 0, options.events).await?;
    for start in (0..options.events).step_by(PART as usize) {
        copy(&client, "auction", &Bytes::from(EVENTS.auctions(start, options.events.min(start + PART)))).await?;
    }
    client.batch_execute("CHECKPOINT").await?;
    let size = short(options.events as f64);
    if options.wants("backfill") {
        drop(client);
        backfill(&mut server, bids_in(options.events), &size, table).await?;
    }
    if options.wants("scans") {
        scans(&server.connect().await?, &size, table).await?;
    }
    if options.wants("restart") {
        restart(&mut server, !options.wants("backfill"), &size, table).await?;
    }
    Ok(())
}

async fn backfill(server: &mut Everfold, rows: u64, size: &str, table: &mut Table) -> Result<()> {
    // A fresh process has no memory of the load.
    server.restart("-TERM")?;
    let client = server.connect().await?;
    client.query("SELECT count(*) FROM bid", &[]).await?;
    server.forget_peak();
    let rate: Rate = timed(server, async {
        client.batch_execute(F1).await?;
        client.query("SELECT count(*) FROM f1", &[]).await?;
        Ok(rows)
    })
    .await?;
    table.rate(format!("backfill of f1 over {size} sealed events"), rate, None);
    let groups: i64 = client.query_one("SELECT count(*) FROM f1", &[]).await?.get(0);
    table.fact("largest resident set of that", format!("{} MiB, {} groups", server.peak() >> 20, short(groups as f64)));
    Ok(())
}

async fn scans(client: &Client, size: &str, table: &mut Table) -> Result<()> {
    for (name, sql) in SCANS {
        let mut times = Vec::new();
        for _ in 0..SCAN_RUNS {
            let start = Instant::now();
            client.simple_query(sql).await?;
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
        times.sort_by(f64::total_cmp);
        table.fact(format!("scan of {size} events: {name}"), format!("{:.1} ms", times[SCAN_RUNS / 2]));
    }
    Ok(())
}

/// Time from the start of the process to the first answer of a view.
async fn restart(server: &mut Everfold, with_f1: bool, size: &str, table: &mut Table) -> Result<()> {
    let client = server.connect().await?;
    let views = [F2, JOINED, MORE[0], MORE[1]].into_iter().chain(with_f1.then_some(F1));
    for view in views {
        client.batch_execute(view).await?;
    }
    client.query("SELECT (SELECT count(*) FROM f1), (SELECT count(*) FROM joined), (SELECT count(*) FROM per_bidder)", &[]).await?;
    client.batch_execute("CHECKPOINT").await?;
    drop(client);
    for (name, signal) in [("SIGTERM", "-TERM"), ("kill -9", "-KILL")] {
        let start = Instant::now();
        server.restart(signal)?;
        let client = server.connect().await?;
        let stopped = start.elapsed().as_secs_f64();
        client.query("SELECT count(*) FROM f1", &[]).await?;
        let whole = start.elapsed().as_secs_f64();
        let value = format!("{whole:.2} s to the first answer, {stopped:.2} s to the first connection (the stop included)");
        table.fact(format!("restart after {name}, {size} events, five views"), value);
    }
    Ok(())
}
