//! LISTEN and NOTIFY over the wire: who is told what, when, and in which order.

use crate::support::server::Server;
use crate::support::wire::Wire;

/// The next notification: channel and payload.
fn told(wire: &mut Wire) -> (String, String) {
    loop {
        let (tag, body) = wire.read().expect("the server tells");
        if tag == b'A' {
            let text = String::from_utf8(body[4..].to_vec()).expect("it is text");
            let mut parts = text.split('\0');
            return (parts.next().unwrap_or_default().to_string(), parts.next().unwrap_or_default().to_string());
        }
    }
}

fn payload(wire: &mut Wire) -> String {
    told(wire).1
}

/// The position in a notice of a change.
fn position(wire: &mut Wire) -> u64 {
    let text = payload(wire);
    text.trim_start_matches("{\"position\": ").trim_end_matches('}').parse().unwrap_or_else(|_| panic!("not a position: {text}"))
}

#[test]
fn what_a_transaction_says_is_told_when_it_commits_once_and_in_order() {
    let server = Server::start();
    let (mut listener, mut one, mut two) = (server.connect(), server.connect(), server.connect());
    listener.ok("LISTEN jobs");
    one.ok("BEGIN");
    one.ok("NOTIFY jobs, 'first of one'");
    two.ok("NOTIFY jobs, 'of two'");
    one.ok("SELECT pg_notify('jobs', 'second of one') FROM generate_series(1, 3)");
    one.ok("NOTIFY jobs, 'first of one'");
    assert_eq!(payload(&mut listener), "of two");
    one.ok("COMMIT");
    assert_eq!([payload(&mut listener), payload(&mut listener)], ["first of one", "second of one"]);
    one.ok("BEGIN; NOTIFY jobs, 'never'; ROLLBACK");
    one.error("NOTIFY jobs, 'nor this'; SELECT 1 / 0");
    one.ok("NOTIFY jobs, 'after'");
    assert_eq!(payload(&mut listener), "after");
}

#[test]
fn a_listener_in_a_transaction_is_told_when_it_ends() {
    let server = Server::start();
    let (mut listener, mut other) = (server.connect(), server.connect());
    listener.ok("LISTEN jobs");
    listener.ok("BEGIN");
    other.ok("NOTIFY jobs, 'meanwhile'");
    listener.send(&[(b'Q', b"SELECT 1\0"), (b'Q', b"COMMIT\0")]);
    let mut tags = String::new();
    while !tags.ends_with('A') {
        tags.push(char::from(listener.read().expect("it answers").0));
    }
    assert_eq!(tags, "TDCZCA", "behind the end of the transaction, before the client is asked for more");
    // Who leaves listens no more.
    drop(listener);
    other.ok("NOTIFY jobs, 'to nobody'");
}

#[test]
fn who_listens_to_a_relation_is_told_of_each_change_of_it() {
    let server = Server::start();
    let (mut listener, mut other) = (server.connect(), server.connect());
    other.ok("CREATE STREAM s (a int); CREATE TABLE t (k int PRIMARY KEY, v int)");
    other.ok("CREATE MATERIALIZED VIEW big AS SELECT a, count(*) AS n FROM s WHERE a > 10 GROUP BY a");
    listener.ok("LISTEN big");
    // What does not change the view is not told; what does is there from the position on.
    other.ok("INSERT INTO s VALUES (1), (2)");
    other.ok("INSERT INTO s VALUES (11)");
    let first = position(&mut listener);
    assert_eq!(other.value(&format!("SELECT count(*) FROM s WHERE _position < {first} AND a = 11")), "1");
    assert_eq!(listener.rows("SELECT a, n FROM big"), ["11|1"]);
    other.ok("BEGIN; INSERT INTO s VALUES (11); INSERT INTO s VALUES (12); COMMIT");
    let second = position(&mut listener);
    assert!(second > first);
    assert_eq!(listener.rows("SELECT a, n FROM big ORDER BY a"), ["11|2", "12|1"]);
    listener.ok("UNLISTEN *; LISTEN s; LISTEN t");
    other.ok("INSERT INTO t VALUES (1, 1)");
    assert_eq!(told(&mut listener).0, "t");
    other.ok("INSERT INTO s VALUES (3)");
    assert_eq!(told(&mut listener).0, "s");
    other.ok("UPDATE t SET v = 2");
    assert_eq!(told(&mut listener).0, "t");
}

#[test]
fn a_lock_is_handed_on_when_its_holder_ends_and_circles_are_refused() {
    let server = Server::start();
    let (mut one, mut two) = (server.connect(), server.connect());
    one.ok("SELECT pg_advisory_lock(1)");
    two.ok("SELECT pg_advisory_lock(2)");
    two.send(&[(b'Q', b"SELECT pg_advisory_lock(1)\0")]);
    // Asked over and over until the other waits.
    while one.value("SELECT count(*) FROM pg_locks WHERE NOT granted") != "1" {}
    assert_eq!(one.error("SELECT pg_advisory_lock(2)").code, "40P01");
    // A wait is cancelled; the session goes on.
    two.cancel();
    assert_eq!(two.outcomes().pop().expect("an outcome").expect_err("it was cancelled").code, "57014");
    assert_eq!(one.value("SELECT count(*) FROM pg_locks WHERE NOT granted"), "0", "who is told so waits no more");
    two.send(&[(b'Q', b"SELECT pg_advisory_lock(1), 'mine'\0")]);
    while one.value("SELECT count(*) FROM pg_locks WHERE NOT granted") != "1" {}
    drop(one);
    let answer = two.outcomes().pop().expect("an outcome").expect("it is granted");
    assert_eq!(answer.lines(), ["|mine"]);
    // A client that vanishes while it waits leaves no place in the queue.
    let (mut gone, mut three) = (server.connect(), server.connect());
    gone.send(&[(b'Q', b"SELECT pg_advisory_lock(1)\0")]);
    while three.value("SELECT count(*) FROM pg_locks WHERE NOT granted") != "1" {}
    drop(gone);
    while three.value("SELECT count(*) FROM pg_locks WHERE NOT granted") != "0" {}
    assert_eq!(two.value("SELECT pg_advisory_unlock(1)"), "t");
    assert_eq!(three.value("SELECT pg_try_advisory_lock(1)"), "t");
}

#[test]
fn a_statement_that_is_over_does_nothing_more() {
    let server = Server::start();
    let (mut listener, mut other, mut one) = (server.connect(), server.connect(), server.connect());
    listener.ok("LISTEN jobs");
    // How far it has come is a matter of time: some of these are stopped among its rows, some before the first of them.
    for limit in 1..20 {
        let acts = "SELECT pg_try_advisory_xact_lock(i), pg_notify('jobs', i::text) FROM generate_series(1, 8000) AS t (i)";
        let done = one.simple(&format!("SET LOCAL statement_timeout = {limit}; {acts}")).pop().expect("an outcome").is_ok();
        assert_eq!(other.value("SELECT count(*) FROM pg_locks"), "0");
        one.ok("NOTIFY jobs, 'end'");
        let payloads = std::iter::from_fn(|| Some(payload(&mut listener)));
        assert_eq!(payloads.take_while(|payload| payload != "end").count(), if done { 8000 } else { 0 });
    }
    // Whatever a wait is stopped by, and wherever it has come: what is given back later is not taken for it.
    for limit in 1..20 {
        other.ok("SELECT pg_advisory_lock(1)");
        let outcome = one.simple(&format!("SET LOCAL statement_timeout = {limit}; SELECT pg_advisory_lock(1)")).pop().expect("an outcome");
        assert_eq!(outcome.expect_err("others have it").code, "57014");
        other.ok("SELECT pg_advisory_unlock_all()");
        assert_eq!(other.value("SELECT count(*) FROM pg_locks"), "0");
    }
}

#[test]
fn a_client_that_goes_in_the_midst_of_its_rows_leaves_no_locks() {
    let server = Server::start();
    let mut other = server.connect();
    for trips in 0..10 {
        let mut gone = server.connect();
        gone.send(&[(b'Q', b"SELECT pg_try_advisory_lock(i) FROM generate_series(1, 8000) AS t (i)\0")]);
        // So long as these take, it goes on.
        (0..4 * trips).for_each(|_| drop(other.value("SELECT 1")));
        drop(gone);
        while other.value("SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid()") != "0" {}
        assert_eq!(other.value("SELECT count(*) FROM pg_locks"), "0");
    }
}
