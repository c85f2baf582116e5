//! How far long statements are: the system relations, and what clients are told by NOTICE while they wait.
//!
//! Clients ask to be told after a millisecond, and wait for a NOTICE as for any other message, so nothing here depends on the time
//! that anything takes.

use crate::support::server::Server;
use crate::support::wire::{Wire, report};

/// The next notice; anything that comes before it is passed over. `None` when the statement has ended first.
fn next_notice(client: &mut Wire) -> Option<String> {
    loop {
        match client.read().expect("the server answers") {
            (b'N', body) => return Some(report(&body).message),
            (b'Z', _) => return None,
            _ => {}
        }
    }
}

/// A client that is told soon.
fn eager(server: &Server) -> Wire {
    let mut client = server.connect();
    client.ok("SET everfold.progress_interval = '1ms'");
    client
}

const COLUMNS: &str = "kind, relation, process_id, phase, done, total, bytes";

#[test]
fn a_copy_tells_its_client_and_everybody_how_far_it_is() {
    let server = Server::start();
    let (mut client, mut other) = (eager(&server), server.connect());
    client.ok("CREATE STREAM s (n int NOT NULL)");
    let process = client.value("SELECT pg_backend_pid()");
    client.send(&[(b'Q', b"COPY s FROM STDIN\0")]);
    assert_eq!(client.read().expect("it begins").0, b'G');
    client.send(&[(b'd', b"1\n2\n3\n")]);
    let notice = next_notice(&mut client).expect("it goes on until the client ends it");
    assert!(notice.starts_with("COPY into \"s\": 0 rows"), "{notice}");
    let shown = other.rows(&format!("SELECT {COLUMNS} FROM everfold.progress"));
    assert_eq!(shown, [format!("COPY FROM|s|{process}|reading|0||6")]);
    let copy = "SELECT pid, datname, relid = 's'::regclass, command, type, bytes_processed, bytes_total, tuples_processed, tuples_excluded";
    let shown = other.rows(&format!("{copy} FROM pg_stat_progress_copy"));
    assert_eq!(shown, [format!("{process}|everfold|t|COPY FROM|PIPE|6|0|0|0")]);
    client.send(&[(b'c', b"")]);
    let outcome = client.outcomes().pop().expect("there is an answer").expect("it succeeds");
    assert_eq!(outcome.tag.as_deref(), Some("COPY 3"));
    assert_eq!(other.rows("SELECT kind FROM everfold.progress"), [""; 0]);
}

#[test]
fn who_does_not_want_to_be_told_is_not() {
    let server = Server::start();
    let mut client = eager(&server);
    client.ok("CREATE STREAM s (n int NOT NULL)");
    for off in ["everfold.progress_notices = off", "client_min_messages = warning", "everfold.progress_interval = 0"] {
        client.ok(&format!("SET {off}"));
        client.send(&[(b'Q', b"COPY s FROM STDIN\0")]);
        assert_eq!(client.read().expect("it begins").0, b'G');
        client.send(&[(b'd', b"1\n"), (b'c', b"")]);
        assert_eq!(next_notice(&mut client), None, "{off}");
        client.ok("RESET everfold.progress_notices; RESET client_min_messages; SET everfold.progress_interval = '1ms'");
    }
}

#[test]
fn who_reads_a_view_that_is_being_filled_is_told_how_far_that_is() {
    let server = Server::start();
    let (mut client, mut other) = (eager(&server), server.connect());
    client.ok("CREATE STREAM s (n int NOT NULL)");
    client.ok("INSERT INTO s SELECT * FROM generate_series(1, 20000)");
    // A join that takes far longer than it takes to ask.
    client.ok("CREATE MATERIALIZED VIEW v AS SELECT count(*) AS n FROM s a JOIN s b ON a.n + b.n < 0");
    client.send(&[(b'Q', b"SELECT n FROM v\0")]);
    let notice = next_notice(&mut client).expect("it is not that quick");
    assert!(notice.starts_with("backfill of \"v\": "), "{notice}");
    let shown = other.rows("SELECT kind, relation, process_id, total FROM everfold.progress");
    assert_eq!(shown, ["backfill|v||40000"]);
}

#[test]
fn what_a_view_folds_after_a_restart_is_told_as_recovery() {
    let server = Server::start();
    let mut client = server.connect();
    client.ok("CREATE STREAM s (n int NOT NULL)");
    client.ok("INSERT INTO s SELECT * FROM generate_series(1, 20000)");
    client.ok("CREATE MATERIALIZED VIEW v AS SELECT count(*) AS n FROM s a JOIN s b ON a.n + b.n < 0");
    let server = server.kill_and_restart();
    let (mut client, mut other) = (eager(&server), server.connect());
    client.send(&[(b'Q', b"SELECT n FROM v\0")]);
    let notice = next_notice(&mut client).expect("it is not that quick");
    assert!(notice.starts_with("recovery of \"v\": "), "{notice}");
    let shown = other.rows("SELECT kind, relation, process_id, total FROM everfold.progress");
    assert_eq!(shown, ["recovery|v||40000"]);
}

#[test]
fn an_alter_that_writes_a_table_anew_is_told_as_rewrite() {
    let server = Server::start();
    let (mut client, mut other) = (eager(&server), server.connect());
    client.ok("CREATE TABLE t (n int NOT NULL)");
    client.ok("INSERT INTO t SELECT * FROM generate_series(1, 100000)");
    let process = client.value("SELECT pg_backend_pid()");
    // An expression that takes far longer than it takes to ask.
    let slow = r"length(regexp_replace(repeat('ab', 100) || n, '(a)(b)', '\2\1', 'g'))";
    client.send(&[(b'Q', format!("ALTER TABLE t ALTER COLUMN n TYPE int USING {slow}\0").as_bytes())]);
    let notice = next_notice(&mut client).expect("it is not that quick");
    assert!(notice.starts_with("rewrite of \"t\": reading, "), "{notice}");
    server.until(|| other.rows("SELECT 1 FROM everfold.progress WHERE total IS NOT NULL") == ["1"]);
    let shown = other.rows("SELECT kind, relation, process_id, phase, total FROM everfold.progress");
    assert_eq!(shown, [format!("rewrite|t|{process}|reading|100000")]);
    client.cancel();
    assert_eq!(client.outcomes().pop().expect("there is an answer").expect_err("it was stopped").code, "57014");
    assert_eq!(other.rows("SELECT kind FROM everfold.progress"), [""; 0]);
    assert_eq!(other.value("SELECT sum(n) FROM t"), "5000050000");
}

#[test]
fn the_settings_have_defaults() {
    let server = Server::start();
    let mut client = server.connect();
    assert_eq!(client.value("SHOW everfold.progress_notices"), "on");
    assert_eq!(client.value("SHOW everfold.progress_interval"), "5s");
}

#[test]
fn what_is_in_no_catalog_is_copied_too() {
    let server = Server::start();
    let mut client = server.connect();
    let outcome = client.simple("COPY pg_am TO STDOUT").pop().expect("there is an answer").expect("it succeeds");
    assert!(outcome.tag.is_some_and(|tag| tag.starts_with("COPY ")) && !outcome.copied.is_empty());
}
