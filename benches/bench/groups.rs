//! What an event costs a view that has many groups.

use std::fmt::Write;

use bytes::Bytes;
use tokio_postgres::Client;

use super::table::{Table, median, short};
use super::target::{Everfold, Target, copy};
use super::{Options, Result};

const SCHEMA: &str = "CREATE STREAM change (k bigint, v int);
    CREATE MATERIALIZED VIEW per_key AS SELECT k, count(*) AS n, sum(v) AS s FROM change GROUP BY k";
/// Events that are loaded at a time.
const PART: u64 = 500_000;
/// Loads of changes, of which the median counts.
const RUNS: u64 = 9;

/// Processor time per event in microseconds: of all threads, and of those that fold alone, which is the view's.
#[derive(Clone, Copy)]
struct Cost {
    all: f64,
    folding: f64,
}

impl Cost {
    fn middle(costs: &[Cost]) -> Cost {
        let of = |f: fn(&Cost) -> f64| median(costs.iter().map(f));
        Cost { all: of(|c| c.all), folding: of(|c| c.folding) }
    }
}

/// One event each for these groups, whose keys do not ascend.
fn events(groups: impl Iterator<Item = u64>) -> Bytes {
    let mut csv = String::new();
    for group in groups {
        // Nothing can go wrong in memory.
        let _ = writeln!(csv, "{},{}", group * 7919 % 1_000_000_007, group % 100);
    }
    csv.into()
}

/// A part's worth of random groups, the same at every run.
fn any_of(groups: u64, run: u64) -> impl Iterator<Item = u64> {
    let next = |x: &u64| Some(x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407));
    let random = std::iter::successors(next(&(run << 32)), next).take(PART as usize);
    random.map(move |x| ((u128::from(x) * u128::from(groups)) >> 64) as u64)
}

/// Loads events until the view shows them.
async fn load(server: &Everfold, client: &Client, csv: &Bytes) -> Result<Cost> {
    let before = (server.cpu(), server.cpu_of("fold-"));
    let rows = copy(client, "change", csv).await? as f64;
    client.query("SELECT count(*) FROM per_key", &[]).await?;
    let per_event = |seconds: f64| seconds * 1e6 / rows;
    Ok(Cost { all: per_event(server.cpu() - before.0), folding: per_event(server.cpu_of("fold-") - before.1) })
}

/// A new group, and a change of any that there is: with a million groups, and with as many as there are events.
pub async fn costs(options: &Options, table: &mut Table) -> Result<()> {
    let server = Everfold::start()?;
    let client = server.connect().await?;
    client.batch_execute(SCHEMA).await?;
    let mut there = 0;
    let mut firsts: Option<[Cost; 2]> = None;
    for groups in [options.events.min(1_000_000), options.events] {
        let (mut new, mut changes) = (Vec::new(), Vec::new());
        for start in (there..groups).step_by(PART as usize) {
            new.push(load(&server, &client, &events(start..groups.min(start + PART))).await?);
        }
        if new.is_empty() {
            continue;
        }
        there = groups;
        for run in 0..RUNS {
            changes.push(load(&server, &client, &events(any_of(groups, run))).await?);
        }
        let costs = [Cost::middle(&new), Cost::middle(&changes)];
        for (what, at) in [("a new group", 0), ("a change of a random group", 1)] {
            let times =
                |f: fn(&Cost) -> f64| firsts.map_or(String::new(), |firsts| format!(" ({:.2} times)", f(&costs[at]) / f(&firsts[at])));
            let text = |f: fn(&Cost) -> f64| format!("{:.2} us{}", f(&costs[at]), times(f));
            let value = format!("{}; folding alone {}", text(|c| c.all), text(|c| c.folding));
            table.fact(format!("CPU of {what}, of {}", short(groups as f64)), value);
        }
        firsts.get_or_insert(costs);
    }
    Ok(())
}
