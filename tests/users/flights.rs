//! The views of `sql/flights.sql` against the same queries run in batch.

use std::path::Path;

use tokio_postgres::{Client, SimpleQueryMessage};

use super::{printed, top};
use crate::support::server::Server;

/// Where the full files may be; the test over them is skipped if this is not set.
const FULL: &str = "EVERFOLD_FLIGHTS";

/// The rows of a query as text, in the order of their text.
async fn rows(client: &Client, sql: &str) -> Vec<Vec<Option<String>>> {
    let answer = client.simple_query(sql).await.unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    let cells = |row: &tokio_postgres::SimpleQueryRow| (0..row.len()).map(|i| row.get(i).map(str::to_string)).collect::<Vec<_>>();
    let mut rows: Vec<_> =
        answer.iter().filter_map(|m| if let SimpleQueryMessage::Row(row) = m { Some(cells(row)) } else { None }).collect();
    rows.sort();
    rows
}

/// Runs the script, with the files of `directory` instead of the cut, and compares each view with its query.
async fn check(directory: Option<&Path>) {
    let server = Server::start();
    let script = std::fs::read_to_string(top().join("sql/flights.sql")).expect("the script is there");
    let edited = tempfile::NamedTempFile::new().expect("a temporary file");
    let script = match directory {
        Some(directory) => script.replace("tests/data/flights/", &format!("{}/", directory.display())),
        None => script,
    };
    std::fs::write(edited.path(), script).expect("a temporary file can be written");
    printed(edited.path(), &["--server", &server.address.to_string()]);
    let client = server.client().await;
    let views = rows(&client, "SELECT name, definition FROM everfold.views WHERE materialized").await;
    assert!(views.len() >= 6, "{views:?}");
    for view in views {
        let [Some(name), Some(query)] = view.as_slice() else { panic!("a view has a name and a query: {view:?}") };
        let (kept, batch) = (rows(&client, &format!("SELECT * FROM {name}")).await, rows(&client, query).await);
        assert!(!batch.is_empty(), "{name} is empty");
        assert!(kept == batch, "{name}: {} rows are kept, its query gives {}", kept.len(), batch.len());
    }
}

#[tokio::test]
async fn the_views_of_a_cut_hold_what_their_queries_give() {
    check(None).await;
}

#[tokio::test]
async fn the_views_of_all_flights_hold_what_their_queries_give() {
    match std::env::var_os(FULL) {
        Some(directory) => check(Some(Path::new(&directory))).await,
        None => eprintln!("skipped: set {FULL} to a directory with flights.csv, airlines.csv, airports.csv and planes.csv"),
    }
}
