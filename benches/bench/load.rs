//! Bulk loads: COPY of bids, alone and with views kept meanwhile.

use std::time::Instant;

use bytes::Bytes;

use super::table::{Rate, Table, median};
use super::target::{Everfold, Postgres, Target, copy};
use super::{EVENTS, Options, Result, SCHEMA};

/// Count, sum and max per auction.
pub const F1: &str =
    "CREATE MATERIALIZED VIEW f1 AS SELECT auction, count(*) AS n, sum(price) AS s, max(price) AS m FROM bid GROUP BY auction";
/// Count and sum per channel, a text.
pub const F2: &str = "CREATE MATERIALIZED VIEW f2 AS SELECT channel, count(*) AS n, sum(price) AS s FROM bid GROUP BY channel";
/// Bids joined with their auctions, folded per category.
pub const JOINED: &str = "CREATE MATERIALIZED VIEW joined AS SELECT a.category, count(*) AS n, max(b.price) AS m FROM bid b JOIN auction a ON a.id = b.auction GROUP BY a.category";
/// The same fold as [`F1`], kept by a statement trigger.
const TRIGGER: &str = "
    CREATE TABLE fold (auction bigint PRIMARY KEY, n bigint, s numeric, m bigint);
    CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      INSERT INTO fold SELECT auction, count(*), sum(price), max(price) FROM added GROUP BY auction
      ON CONFLICT (auction) DO UPDATE SET n = fold.n + EXCLUDED.n, s = fold.s + EXCLUDED.s, m = greatest(fold.m, EXCLUDED.m);
      RETURN NULL; END $$;
    CREATE TRIGGER keep AFTER INSERT ON bid REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION keep();";
/// Takes away whatever a measure has left in PostgreSQL.
pub const CLEAR: &str = "DROP TABLE IF EXISTS person, auction, bid, side, fold, f1; DROP FUNCTION IF EXISTS keep;";
/// Runs of which the median counts.
const RUNS: usize = 3;

/// The schema in PostgreSQL, where streams are tables.
pub fn tables() -> String {
    SCHEMA.replace("STREAM", "TABLE")
}

/// Runs `work`, which handles some rows, and answers its rate.
pub async fn timed<T: Target>(target: &T, work: impl Future<Output = Result<u64>>) -> Result<Rate> {
    let (cpu, start) = (target.cpu(), Instant::now());
    let rows = work.await? as f64;
    let (wall, cpu) = (start.elapsed().as_secs_f64(), target.cpu() - cpu);
    Ok(Rate { per_second: rows / wall, per_cpu_second: rows / cpu.max(0.01) })
}

fn middle(rates: &[Rate]) -> Rate {
    let of = |f: fn(&Rate) -> f64| median(rates.iter().map(f));
    Rate { per_second: of(|r| r.per_second), per_cpu_second: of(|r| r.per_cpu_second) }
}

/// COPY of bids until the last of `views` shows them.
async fn ours(csv: &Bytes, auctions: &Bytes, views: &[&str], names: &[&str]) -> Result<Rate> {
    let mut rates = Vec::new();
    for _ in 0..RUNS {
        let server = Everfold::start()?;
        let client = server.connect().await?;
        client.batch_execute(SCHEMA).await?;
        copy(&client, "auction", auctions).await?;
        for view in views {
            client.batch_execute(view).await?;
        }
        let work = async {
            let rows = copy(&client, "bid", csv).await?;
            for name in names {
                client.query_one(&format!("SELECT count(*) FROM {name}"), &[]).await?;
            }
            Ok(rows)
        };
        rates.push(timed(&server, work).await?);
    }
    Ok(middle(&rates))
}

async fn theirs(postgres: Option<&Postgres>, csv: &Bytes, set_up: &str) -> Result<Option<Rate>> {
    let Some(postgres) = postgres else { return Ok(None) };
    let client = postgres.connect().await?;
    let mut rates = Vec::new();
    for _ in 0..RUNS {
        client.batch_execute(CLEAR).await?;
        client.batch_execute(&format!("{}{set_up}; CHECKPOINT", tables())).await?;
        rates.push(timed(postgres, copy(&client, "bid", csv)).await?);
    }
    client.batch_execute(CLEAR).await?;
    Ok(Some(middle(&rates)))
}

/// COPY of the bids among a million events (or fewer, if fewer are asked for).
pub async fn copies(options: &Options, postgres: Option<&Postgres>, table: &mut Table) -> Result<()> {
    let events = options.events.min(1_000_000);
    let (csv, auctions) = (Bytes::from(EVENTS.bids(0, events)), Bytes::from(EVENTS.auctions(0, events)));
    let plain = theirs(postgres, &csv, "").await?;
    let kept = theirs(postgres, &csv, TRIGGER).await?;
    table.rate("COPY of bids", ours(&csv, &auctions, &[], &[]).await?, plain);
    table.rate("COPY of bids, f1 live (PostgreSQL: trigger)", ours(&csv, &auctions, &[F1], &["f1"]).await?, kept);
    let all = ours(&csv, &auctions, &[F1, F2, JOINED], &["f1", "f2", "joined"]).await?;
    table.rate("COPY of bids, f1, f2 and a join live (PostgreSQL: no view)", all, plain);
    Ok(())
}
