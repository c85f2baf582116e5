//! Nexmark, `sql/nexmark`: every query as a view, created amid the events, across a restart and a kill.

use crate::support::nexmark::{Nexmark, auctions_in, bids_in, persons_in, side};
use crate::support::suite::Suite;

/// Slow enough that a few thousand events fill several windows.
const EVENTS: Nexmark = Nexmark { pace: 10 };

/// Queries that are refused for now; the test fails when one no longer is.
const REFUSED: &[&str] = &[];

/// Loads the events `from..to`, a commit per stream.
fn load(suite: &mut Suite, from: u64, to: u64) {
    for (stream, csv) in [("person", EVENTS.persons(from, to)), ("auction", EVENTS.auctions(from, to)), ("bid", EVENTS.bids(from, to))] {
        if !csv.is_empty() {
            suite.copy(stream, &csv);
        }
    }
}

#[test]
fn every_view_equals_its_query() {
    let mut suite = Suite::start("nexmark");
    suite.copy("side", &side());
    load(&mut suite, 0, 1_000);
    suite.create(|n| n % 3 > 0, REFUSED);
    // Bids before their auctions, and commits of one event and of many.
    suite.copy("bid", &EVENTS.bids(1_000, 1_200));
    suite.copy("auction", &EVENTS.auctions(1_000, 1_200));
    suite.copy("person", &EVENTS.persons(1_000, 1_200));
    (1_200..1_212).for_each(|n| load(&mut suite, n, n + 1));
    suite.run("CHECKPOINT");
    suite.create(|_| true, REFUSED);
    load(&mut suite, 1_212, 2_000);
    suite.restart();
    suite.run("UPDATE side SET value = value || ', changed' WHERE key % 3 = 0");
    suite.run("DELETE FROM side WHERE key % 7 = 0");
    load(&mut suite, 2_000, 2_600);
    suite.kill();
    load(&mut suite, 2_600, 4_000);
    for (stream, rows) in [("person", persons_in(4_000)), ("auction", auctions_in(4_000)), ("bid", bids_in(4_000))] {
        assert_eq!(suite.value(&format!("SELECT count(*) FROM {stream}")), rows.to_string());
    }
    suite.check("at the end", true);
}
