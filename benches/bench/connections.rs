//! Many connections: how soon each is served when all come at once, and what each takes of the server's memory while it is idle.

use std::time::{Duration, Instant};

use tokio_postgres::Client;

use super::Result;
use super::table::Table;
use super::target::{Everfold, Target};

/// Connections opened at one time: as many as the server takes.
const CONNECTIONS: usize = 1_000;

/// Opens so many of them at one time; how long each took, sorted.
async fn opened(server: &Everfold, count: usize) -> Result<(Vec<Client>, Vec<Duration>)> {
    let start = Instant::now();
    let each = (0..count).map(|_| async {
        let client = server.connect().await?;
        Result::Ok((client, start.elapsed()))
    });
    let opened = futures::future::try_join_all(each).await?;
    let (clients, mut delays): (Vec<Client>, Vec<Duration>) = opened.into_iter().unzip();
    delays.sort();
    Ok((clients, delays))
}

/// All of them are served, twice: a server that has just started, and one that has served as many before.
pub async fn measure(server: &Everfold, table: &mut Table) -> Result<()> {
    // One of them stays, to ask whether the others have gone.
    let (mut kept, _) = opened(server, 1).await?;
    for round in ["first", "second"] {
        let before = server.resident();
        let (clients, delays) = opened(server, CONNECTIONS - kept.len()).await?;
        let held = server.resident().saturating_sub(before);
        let at = |share: f64| delays[((delays.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
        let times = format!("p50 {:.0} ms, p99 {:.0} ms, max {:.0} ms", at(0.5), at(0.99), at(1.0));
        table.fact(format!("{CONNECTIONS} connections opened at once, {round} time"), times);
        table.fact(format!("memory of each while idle, {round} time"), format!("{:.0} kB", held as f64 / CONNECTIONS as f64 / 1024.0));
        for client in &clients {
            client.simple_query("SELECT 1").await?;
        }
        let asked = server.resident().saturating_sub(before);
        table.fact(format!("memory of each after a query, {round} time"), format!("{:.0} kB", asked as f64 / CONNECTIONS as f64 / 1024.0));
        drop(clients);
        kept = server.until_alone(kept).await?;
    }
    Ok(())
}
