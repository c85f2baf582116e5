//! The benchmark of the whole server: one table, ratios to PostgreSQL taken in the same run where PostgreSQL is installed.
//!
//! 1. [`events`] makes events like those of Nexmark, the same at every run, as CSV in memory; the tests use it too.
//! 2. [`target`] starts what is measured on a directory of its own: this package's binary, and a private PostgreSQL.
//! 3. [`load`], [`rates`], [`connections`], [`history`], [`queries`] and [`ksql`] measure, and add lines to the [`table`], which is printed at the end.
//!
//! ```text
//! cargo bench -- --events 10000000          # everything, over ten million events
//! EVERFOLD_BINARY=other/everfold cargo bench  # another build of the server
//! cargo bench -- --only copy,insert         # some of it: copy insert lookup connections visible backfill flat groups scans restart nexmark ksql pushed
//! ```
//!
//! Rates are per second of wall time; where cores are shared with other work, compare those per second of the server's processor time.

mod connections;
#[path = "../../tests/support/nexmark.rs"]
mod events;
mod groups;
mod history;
mod ksql;
mod load;
mod queries;
mod rates;
mod table;
mod target;

use clap::Parser;

use events::Nexmark;
use table::Table;
use target::{Everfold, Postgres};

/// The streams that all measures fill.
const SCHEMA: &str = include_str!("../../sql/nexmark/schema.sql");
/// The events that all measures use: one a millisecond.
const EVENTS: Nexmark = Nexmark { pace: 1 };

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Sizes of the benchmark.
#[derive(Parser)]
struct Options {
    /// Events in the log for backfill, scans, restart and nexmark; 46 of 50 are bids
    #[arg(long, default_value_t = 1_000_000)]
    events: u64,
    /// Seconds for each rate
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// Only these measures, by comma: copy insert lookup connections visible backfill flat groups scans restart nexmark ksql pushed
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Leave PostgreSQL out
    #[arg(long)]
    no_postgres: bool,
    /// What cargo adds.
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    fn wants(&self, measure: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|m| m == measure)
    }
}

fn main() -> Result<()> {
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(run(&options))
}

async fn run(options: &Options) -> Result<()> {
    let mut table = Table::default();
    let postgres = if options.no_postgres { None } else { Postgres::start()? };
    if postgres.is_none() {
        table.note("PostgreSQL was not measured: no binaries in $PGBIN or /usr/lib/postgresql/*/bin, or --no-postgres.");
    }
    let postgres = postgres.as_ref();
    if options.wants("copy") {
        load::copies(options, postgres, &mut table).await?;
    }
    if options.wants("insert") {
        let server = Everfold::start()?;
        rates::inserts(options, &server, postgres, &mut table).await?;
    }
    if options.wants("lookup") {
        let server = Everfold::start()?;
        rates::lookups(options, &server, postgres, &mut table).await?;
    }
    if options.wants("connections") {
        connections::measure(&Everfold::start()?, &mut table).await?;
    }
    if options.wants("visible") {
        let server = Everfold::start()?;
        rates::visible(options, &server, &mut table).await?;
    }
    if options.wants("groups") {
        groups::costs(options, &mut table).await?;
    }
    if options.wants("flat") {
        history::flat(options, &mut table).await?;
    }
    if ["backfill", "scans", "restart"].iter().any(|m| options.wants(m)) {
        history::sealed(options, &mut table).await?;
    }
    if options.wants("ksql") {
        ksql::queries(options, &mut table).await?;
    }
    if options.wants("pushed") {
        ksql::pushed(options, &mut table).await?;
    }
    if options.wants("nexmark") {
        queries::measure(options, &mut table).await?;
    }
    table.print();
    Ok(())
}
