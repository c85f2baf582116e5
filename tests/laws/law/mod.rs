//! The law: a view at position p holds exactly what its query gives over the events with position < p.
//!
//! A case is drawn from a seed: relations of all types (`values`), views from a grammar (`grammar`), a history of changes,
//! checkpoints, restarts and kills (`generate`). Each is a step (`steps`), performed at once on a database inside the process; after
//! every batch of changes each view is compared with its query, as a bag of text rows, and where PostgreSQL is at hand with the
//! same query there (`postgres`). A failing case is made smaller (`shrink`) and printed as a script, with its seed.
//!
//! `cargo test` runs a few cases. Any number, some four a second: `EVERFOLD_CASES=10000 cargo test --release --test main -- laws::law
//! --nocapture`, with `EVERFOLD_KEEP_GOING=1` beyond the first that fails;
//! one again: `EVERFOLD_SEED=42 EVERFOLD_CASES=1 cargo test --test main -- laws::law`.

mod generate;
mod grammar;
mod postgres;
mod regressions;
mod shrink;
mod steps;
mod values;

use generate::Case;
use postgres::Mirror;
use steps::{Counts, World};
use values::Taste;

use crate::support::postgres::reachable;
use crate::support::random::number;

/// Cases in the suite, each some ten relations and views and some dozens of statements.
const CASES: u64 = 40;

fn cases(taste: Taste, count: u64, mirror: impl Fn() -> Option<Mirror>) {
    let first = number("EVERFOLD_SEED", 1);
    let count = number("EVERFOLD_CASES", count);
    let keep_going = std::env::var_os("EVERFOLD_KEEP_GOING").is_some();
    let mut total = Counts::default();
    let mut failures = 0;
    for seed in first..first + count {
        let mut case = Case::new(seed, taste, World::new(mirror()));
        if let Err(failure) = case.run() {
            eprintln!("seed {seed} breaks the law: {failure}");
            let (steps, failure) = if taste.portable { (case.steps, failure) } else { shrink::shrink(case.steps, failure) };
            let script: Vec<String> = steps.iter().map(|s| s.to_string()).collect();
            let report = format!("seed {seed}: {failure}\n--- script\n{}\n---", script.join("\n"));
            assert!(keep_going, "{report}");
            eprintln!("{report}");
            failures += 1;
            continue;
        }
        let counts = case.world.counts;
        total.statements += counts.statements;
        total.comparisons += counts.comparisons;
        total.refused += counts.refused;
        total.mirrored += counts.mirrored;
        total.failed += counts.failed;
        total.large += counts.large;
        if (seed - first + 1).is_multiple_of(100) {
            eprintln!("{} cases, {failures} failed: {total:?}", seed - first + 1);
        }
    }
    eprintln!("{count} cases, {failures} failed: {total:?}");
    assert_eq!(failures, 0);
    assert!(count < 20 || total.refused * 4 < total.comparisons, "the grammar draws mostly what is refused: {total:?}");
}

#[test]
fn a_view_equals_its_query_after_any_history() {
    cases(Taste { wild: true, portable: false, moods: false }, CASES, || None);
}

#[test]
fn a_view_over_an_enumeration_equals_its_query() {
    cases(Taste { wild: false, portable: true, moods: true }, CASES / 4, || reachable().map(|dsn| Mirror::open(dsn, "law_of_moods")));
}

#[test]
fn a_view_equals_the_query_in_postgresql() {
    match reachable() {
        Some(dsn) => cases(Taste { wild: false, portable: true, moods: false }, CASES / 4, || Some(Mirror::open(dsn, "law"))),
        None => eprintln!("skipped: no PostgreSQL is installed, and EVERFOLD_POSTGRES names none"),
    }
}
