//! Many small statements: inserts, look-ups, and how soon an append is seen.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::BoxFuture;
use tokio_postgres::{Client, Statement};

use super::events::{FIRST_ID, auctions_in};
use super::load::{CLEAR, F1, tables, timed};
use super::table::{Rate, Table, short};
use super::target::{Everfold, Postgres, Target, copy};
use super::{EVENTS, Options, Result, SCHEMA};

const INSERT: &str = "INSERT INTO bid VALUES ($1, $2, $3, 'channel-1', 'https://www.nexmark.com/item.htm?query=1', '2015-07-15 00:00:00', \
                      'abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnop')";
/// Events per second while freshness is measured, and how many go into one COPY.
const STEADY: (u64, u64) = (50_000, 500);

/// A connection of its own and what it has prepared.
struct Caller {
    client: Client,
    statement: Statement,
    /// Differs from caller to caller.
    number: u64,
}

/// One call, the n-th of its caller.
type Call = fn(Arc<Caller>, u64) -> BoxFuture<'static, Result<()>>;

/// Makes calls in `connections` sessions for `seconds`; their rate.
async fn hammered<T: Target>(target: &T, connections: u64, seconds: u64, prepare: &str, call: Call) -> Result<Rate> {
    let mut callers = Vec::new();
    for number in 0..connections {
        let client = target.connect().await?;
        let statement = client.prepare(prepare).await?;
        callers.push(Arc::new(Caller { client, statement, number }));
    }
    let end = Instant::now() + Duration::from_secs(seconds);
    let all = async {
        let tasks = callers.into_iter().map(|caller| {
            tokio::spawn(async move {
                let mut calls = 0u64;
                while Instant::now() < end {
                    call(caller.clone(), calls).await?;
                    calls += 1;
                }
                Result::Ok(calls)
            })
        });
        let mut calls = 0;
        for task in tasks.collect::<Vec<_>>() {
            calls += task.await??;
        }
        Ok(calls)
    };
    timed(target, all).await
}

fn insert(caller: Arc<Caller>, n: u64) -> BoxFuture<'static, Result<()>> {
    Box::pin(async move {
        let key = (n * 1_009 + caller.number * 7_919) as i64;
        caller.client.execute(&caller.statement, &[&(key % 600_000), &(key % 200_000), &(key % 100_000_000)]).await?;
        Ok(())
    })
}

/// Single-row prepared INSERT, acknowledged when it is on disk.
pub async fn inserts(options: &Options, server: &Everfold, postgres: Option<&Postgres>, table: &mut Table) -> Result<()> {
    server.connect().await?.batch_execute(SCHEMA).await?;
    if let Some(postgres) = postgres {
        postgres.connect().await?.batch_execute(&format!("{CLEAR} {}", tables())).await?;
    }
    for connections in [1, 16, 64] {
        let ours = hammered(server, connections, options.seconds, INSERT, insert).await?;
        let theirs = match postgres {
            Some(postgres) => Some(hammered(postgres, connections, options.seconds, INSERT, insert).await?),
            None => None,
        };
        table.rate(format!("INSERT of one row, prepared, {connections} connections"), ours, theirs);
    }
    Ok(())
}

/// Keys that look-ups draw from: the auctions among this many events.
const LOOKED_UP: u64 = 1_000_000;
const LOOKUP: &str = "SELECT n, s, m FROM f1 WHERE auction = $1";
const RANGE: &str = "SELECT n, s, m FROM f1 WHERE auction BETWEEN $1 AND $2 ORDER BY auction";

fn key(caller: &Caller, n: u64) -> i64 {
    let spread = (n * 7_919 + caller.number * 104_729) % auctions_in(LOOKED_UP);
    (FIRST_ID + spread) as i64
}

fn look_up_prepared(caller: Arc<Caller>, n: u64) -> BoxFuture<'static, Result<()>> {
    Box::pin(async move {
        caller.client.query(&caller.statement, &[&key(&caller, n)]).await?;
        Ok(())
    })
}

fn look_up_simple(caller: Arc<Caller>, n: u64) -> BoxFuture<'static, Result<()>> {
    Box::pin(async move {
        caller.client.simple_query(&format!("SELECT n, s, m FROM f1 WHERE auction = {}", key(&caller, n))).await?;
        Ok(())
    })
}

fn range_prepared(caller: Arc<Caller>, n: u64) -> BoxFuture<'static, Result<()>> {
    Box::pin(async move {
        let from = key(&caller, n);
        caller.client.query(&caller.statement, &[&from, &(from + 9)]).await?;
        Ok(())
    })
}

fn range_simple(caller: Arc<Caller>, n: u64) -> BoxFuture<'static, Result<()>> {
    Box::pin(async move {
        let from = key(&caller, n);
        let query = format!("SELECT n, s, m FROM f1 WHERE auction BETWEEN {from} AND {} ORDER BY auction", from + 9);
        caller.client.simple_query(&query).await?;
        Ok(())
    })
}

/// One row by its key, and ten by a range of it: of a view here, of a table with a primary key there.
pub async fn lookups(options: &Options, server: &Everfold, postgres: Option<&Postgres>, table: &mut Table) -> Result<()> {
    let csv = Bytes::from(EVENTS.bids(0, LOOKED_UP));
    let client = server.connect().await?;
    client.batch_execute(&format!("{SCHEMA}{F1}")).await?;
    copy(&client, "bid", &csv).await?;
    client.query("SELECT count(*) FROM f1", &[]).await?;
    if let Some(postgres) = postgres {
        let client = postgres.connect().await?;
        client.batch_execute(&format!("{CLEAR} {}", tables())).await?;
        copy(&client, "bid", &csv).await?;
        let fold = "CREATE TABLE f1 AS SELECT auction, count(*) AS n, sum(price) AS s, max(price) AS m FROM bid GROUP BY auction";
        client.batch_execute(&format!("{fold}; ALTER TABLE f1 ADD PRIMARY KEY (auction)")).await?;
        client.batch_execute("VACUUM ANALYZE f1").await?;
    }
    let ways = [
        ("look-up by key, simple", LOOKUP, look_up_simple as Call),
        ("look-up by key, prepared", LOOKUP, look_up_prepared),
        ("ten rows by a range of the key, simple", RANGE, range_simple),
        ("ten rows by a range of the key, prepared", RANGE, range_prepared),
    ];
    for (way, query, call) in ways {
        for connections in [1, 16, 64] {
            let ours = hammered(server, connections, options.seconds, query, call).await?;
            let theirs = match postgres {
                Some(postgres) => Some(hammered(postgres, connections, options.seconds, query, call).await?),
                None => None,
            };
            table.rate(format!("{way}, {connections} connections"), ours, theirs);
        }
    }
    Ok(())
}

/// From the acknowledgement of an append until the view shows it, while other appends come at a steady rate.
pub async fn visible(options: &Options, server: &Everfold, table: &mut Table) -> Result<()> {
    let client = server.connect().await?;
    client.batch_execute(&format!("{SCHEMA}{F1}")).await?;
    let stop = Arc::new(AtomicBool::new(false));
    let steady = tokio::spawn(append_steadily(server.connect().await?, stop.clone()));
    let (insert, look) = (client.prepare(INSERT).await?, client.prepare("SELECT n FROM f1 WHERE auction = $1").await?);
    let (mut delays, end) = (Vec::new(), Instant::now() + Duration::from_secs(options.seconds.max(2) * 2));
    // Far from any key that the steady appends draw.
    let mut key = 1_000_000_000_000i64;
    while Instant::now() < end {
        key += 1;
        client.execute(&insert, &[&key, &1i64, &100i64]).await?;
        let acknowledged = Instant::now();
        while client.query(&look, &[&key]).await?.is_empty() {}
        delays.push(acknowledged.elapsed());
    }
    stop.store(true, Ordering::Relaxed);
    let per_second = steady.await??;
    delays.sort();
    let at = |share: f64| delays[((delays.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    let what = format!("acknowledged append to visible, at {} events/s", short(per_second));
    table.fact(what, format!("p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms", at(0.5), at(0.99), at(1.0)));
    Ok(())
}

/// Appends at a steady rate until told to stop; the rate reached.
async fn append_steadily(client: Client, stop: Arc<AtomicBool>) -> Result<f64> {
    let (per_second, per_copy) = STEADY;
    let mut clock = tokio::time::interval(Duration::from_micros(1_000_000 * per_copy / per_second));
    let (mut event, mut rows, start) = (0, 0, Instant::now());
    while !stop.load(Ordering::Relaxed) {
        clock.tick().await;
        // 46 of 50 events are bids.
        let next = event + per_copy * 50 / 46;
        rows += copy(&client, "bid", &Bytes::from(EVENTS.bids(event, next))).await?;
        event = next;
    }
    Ok(rows as f64 / start.elapsed().as_secs_f64())
}
