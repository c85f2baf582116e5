//! What goes wrong from outside: each sentence of the promise has a test, and after each the server and other sessions are unharmed.

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::process::Command;

use crate::support::programs::available;
use crate::support::server::{BINARY, Server};
use crate::support::wire::{Outcome, Wire, report};

/// A server with a keyed table of one row, a stream with a view, and a session that looks on.
fn unharmed() -> (Server, Wire) {
    let server = Server::start();
    let mut other = server.connect();
    other.ok("CREATE TABLE t (k int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'one')");
    other.ok("CREATE STREAM s (a int); CREATE MATERIALIZED VIEW n AS SELECT count(*) AS n FROM s");
    (server, other)
}

/// The other session, a new one, and what was there before are as they should be, and appends go on.
#[track_caller]
fn check(server: &Server, other: &mut Wire) {
    assert_eq!(other.rows("SELECT k, v FROM t"), ["1|one"]);
    let mut new = server.connect();
    let before: i64 = new.value("SELECT n FROM n").parse().expect("a count");
    new.ok("INSERT INTO s VALUES (1)");
    assert_eq!(other.value("SELECT n FROM n"), (before + 1).to_string());
}

/// Waits until no session but these is there: asked over and over, each a round trip, not timed.
#[track_caller]
fn wait_for_sessions(other: &mut Wire, sessions: usize) {
    for _ in 0..20_000 {
        if other.value("SELECT count(*) FROM pg_stat_activity") == sessions.to_string() {
            return;
        }
    }
    panic!("the session of the client that left is still there");
}

/// Numbers that look like chance and are the same in each run (xorshift).
fn chance(seed: u64) -> impl FnMut() -> u64 {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ seed;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    }
}

#[track_caller]
fn code(outcome: Option<Outcome>) -> String {
    match outcome {
        Some(Err(e)) => e.code,
        other => panic!("should fail, but answered {other:?}"),
    }
}

/// Reads to the end of the connection; the SQLSTATE of the last error before it.
fn last_error(wire: &mut Wire) -> String {
    let mut code = String::new();
    while let Ok((tag, body)) = wire.read() {
        if tag == b'E' {
            code = report(&body).code;
        }
    }
    code
}

#[test]
fn an_oversized_message_is_refused_before_it_is_read() {
    let (server, mut other) = unharmed();
    for tag in *b"QPBd" {
        let mut wire = server.connect();
        let mut head = vec![tag];
        head.extend_from_slice(&0x7fff_ffff_u32.to_be_bytes());
        wire.raw(&head).expect("it is sent");
        assert_eq!(last_error(&mut wire), "54000");
    }
    check(&server, &mut other);
}

#[test]
fn a_startup_that_is_none_is_turned_away() {
    let (server, mut other) = unharmed();
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\0\0\0\x08\0\x02\0\0", b"\xff\xff\xff\xff", b"\0\0\0\x09\0\x03\0\0x", b""] {
        let mut stream = TcpStream::connect(server.address).expect("it listens");
        stream.write_all(bytes).expect("it is sent");
        let _ = stream.shutdown(Shutdown::Write);
        let mut answer = Vec::new();
        // A reset is as good an answer as an error and a close.
        let _ = std::io::Read::read_to_end(&mut stream, &mut answer);
        assert!(answer.is_empty() || answer[0] == b'E', "{answer:?}");
    }
    check(&server, &mut other);
}

#[test]
fn a_copy_that_breaks_off_appends_nothing() {
    let (server, mut other) = unharmed();
    let mut wire = server.connect();
    wire.send(&[(b'Q', b"COPY t FROM STDIN\0"), (b'd', b"2\ttwo\n3\tth"), (b'f', b"changed my mind\0")]);
    let error = wire.outcomes().pop().expect("an outcome").expect_err("it broke off");
    assert_eq!(error.code, "57014");
    assert!(error.message.contains("changed my mind"), "{error:?}");
    assert_eq!(other.value("SELECT count(*) FROM t"), "1");
    // The same connection goes on.
    assert_eq!(wire.copy_in("COPY t FROM STDIN", b"1\tone\n").as_deref(), Ok("COPY 1"));
    check(&server, &mut other);
}

#[test]
fn a_bad_line_is_named_and_nothing_of_its_copy_is_appended() {
    let (server, mut other) = unharmed();
    let good: String = (10..200_000).map(|k| format!("{k}\tvalue\n")).collect();
    for (sql, line, state, at) in [
        ("COPY t FROM STDIN", "x\tbad\n", "22P02", "COPY t, line 199991, column k"),
        ("COPY t FROM STDIN", "5\n", "22P04", "COPY t, line 199991"),
        ("COPY t FROM STDIN", "5\ta\tb\n", "22P04", "COPY t, line 199991"),
        ("COPY t FROM STDIN", "\\N\ta\n", "23502", "COPY t, line 199991"),
        ("COPY t FROM STDIN", "99999999999\ta\n", "22003", "COPY t, line 199991, column k"),
    ] {
        let data = format!("{good}{line}5\tafter\n");
        let error = other.copy_in(sql, data.as_bytes()).expect_err(line);
        assert_eq!(error.code, state, "{error:?}");
        assert!(error.context.as_deref().unwrap_or_default().starts_with(at), "{line:?}: {error:?}");
        assert_eq!(other.value("SELECT count(*) FROM t"), "1");
    }
    let csv = b"1,one\n2,\"two\nlines\"\n3,\"open\n";
    let error = other.copy_in("COPY t FROM STDIN CSV", csv).expect_err("an open quote");
    assert_eq!((error.code.as_str(), error.message.as_str()), ("22P04", "unterminated CSV quoted field"));
    assert_eq!(other.value("SELECT count(*) FROM t"), "1");
    check(&server, &mut other);
}

#[test]
fn a_client_that_asks_for_answers_and_does_not_read_them_can_be_ended() {
    let (server, mut other) = unharmed();
    for last in [b'H', b'S'] {
        let mut wire = server.connect();
        let process = wire.value("SELECT pg_backend_pid()");
        wire.ok("BEGIN; UPDATE t SET v = 'gone'");
        let rows: &[u8] = b"\0SELECT repeat('x', 1000) FROM generate_series(1, 1000000)\0\0\0";
        wire.send(&[(b'P', rows), (b'B', b"\0\0\0\0\0\0\0\0"), (b'E', b"\0\0\0\0\0"), (last, b"")]);
        // Answers have begun to come; there are far more of them than the sockets take.
        while wire.read().expect("a message").0 != b'D' {}
        assert_eq!(other.value(&format!("SELECT pg_terminate_backend({process})")), "t");
        wait_for_sessions(&mut other, 1);
        // Nobody holds the row any more.
        other.ok("UPDATE t SET v = 'one'");
    }
    check(&server, &mut other);
}

#[test]
fn inserts_that_wait_for_a_draw_of_a_sequence_hold_up_nobody() {
    let (server, mut other) = unharmed();
    other.ok("CREATE SEQUENCE q; CREATE TABLE drawn (n bigint, last bigint)");
    let mut clients: Vec<Wire> = (0..6).map(|_| server.connect()).collect();
    let insert: &[u8] = b"INSERT INTO drawn VALUES (nextval('q'), pg_sequence_last_value('q'::regclass))\0";
    for _ in 0..10 {
        clients.iter_mut().for_each(|client| client.send(&[(b'Q', insert)]));
        clients.iter_mut().for_each(|client| assert!(client.outcomes().iter().all(Outcome::is_ok)));
    }
    assert_eq!(other.value("SELECT count(DISTINCT n) FROM drawn WHERE last <= (SELECT max(n) FROM drawn)"), "60");
    check(&server, &mut other);
}

#[test]
fn a_client_that_vanishes_in_a_statement_leaves_nothing_behind() {
    let (server, mut other) = unharmed();
    // In the midst of a message, of a statement, of reading rows, of a COPY, of a transaction.
    let forever = "SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 100000) b, generate_series(1, 1000) c\0";
    let rows = "SELECT * FROM generate_series(1, 10000000)\0";
    for messages in [
        &[(b'Q', forever.as_bytes())][..],
        &[(b'Q', rows.as_bytes())],
        &[(b'Q', b"COPY t FROM STDIN\0"), (b'd', b"2\ttwo\n3\tthree\n")],
        &[(b'Q', b"BEGIN; INSERT INTO t VALUES (2, 'two')\0")],
        &[(b'Q', b"BEGIN; UPDATE t SET v = 'gone'\0")],
        &[(b'P', b"\0INSERT INTO t VALUES (2, 'two')\0\0\0"), (b'B', b"\0\0\0\0\0\0\0\0")],
    ] {
        let mut wire = server.connect();
        wire.send(messages);
        wire.socket().shutdown(Shutdown::Both).expect("it is open");
        drop(wire);
        wait_for_sessions(&mut other, 1);
    }
    let mut half = server.connect();
    half.raw(b"Q\0\0\0\x40INSERT INTO t VAL").expect("it is sent");
    drop(half);
    wait_for_sessions(&mut other, 1);
    // Locks went with their sessions.
    assert_eq!(other.ok("UPDATE t SET v = 'one'").tag.as_deref(), Some("UPDATE 1"));
    assert_eq!(other.value("SELECT count(*) FROM t"), "1");
    check(&server, &mut other);
}

#[test]
fn a_full_disk_is_an_error_of_the_append_and_of_nothing_else() {
    let what = "the test of a full disk";
    if !available("unshare", &["-r", "-m", "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", "/tmp"], what) {
        return;
    }
    // The server runs in a mount namespace of its own, its data on a small disk; we see it through /proc.
    let server = Server::start_on_disk("24m");
    let filler = server.disk().join("filler");
    let mut wire = server.connect();
    wire.ok("CREATE STREAM s (a int, b text); CREATE MATERIALIZED VIEW v AS SELECT count(*) AS n, sum(a) AS s FROM s");
    wire.ok("CREATE TABLE t (k int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'one')");
    wire.ok("INSERT INTO s VALUES (1, 'first')");
    let room = vec![b'x'; 1 << 20];
    let mut file = std::fs::File::create(&filler).expect("there is room for a file");
    while file.write_all(&room[..]).is_ok() {}
    while file.write_all(&room[..4096]).is_ok() {}
    drop(file);
    // Text of chance does not compress.
    let mut chance = chance(7);
    let large: String = (0..200_000).map(|_| char::from(b'a' + (chance() % 26) as u8)).collect();
    // The log may have some room of its own yet; what is acknowledged until it is full counts.
    let mut acknowledged = 1;
    let error = loop {
        assert!(acknowledged < 1_000, "the disk is never full");
        match wire.simple(&format!("INSERT INTO s VALUES (1, '{large}')")).pop() {
            Some(Err(e)) => break e,
            _ => acknowledged += 1,
        }
    };
    assert_eq!(error.code, "53100", "{error:?}");
    assert_eq!(wire.error(&format!("BEGIN; INSERT INTO s VALUES (3, '{large}'); COMMIT")).code, "53100");
    wire.ok("ROLLBACK");
    let copied = wire.copy_in("COPY s FROM STDIN", format!("4\t{large}\n").repeat(20).as_bytes()).expect_err("the disk is full");
    assert_eq!(copied.code, "53100", "{copied:?}");
    assert_eq!(wire.error(&format!("UPDATE t SET v = '{large}'")).code, "53100");
    // Reads go on, here and in others, and see only what was acknowledged.
    assert_eq!(wire.rows("SELECT count(*), sum(a) FROM s"), [format!("{acknowledged}|{acknowledged}")]);
    assert_eq!(server.connect().rows("SELECT n, s FROM v"), [format!("{acknowledged}|{acknowledged}")]);
    assert_eq!(server.connect().rows("SELECT v FROM t WHERE k = 1"), ["one"]);
    std::fs::remove_file(&filler).expect("it is there");
    wire.ok("INSERT INTO s VALUES (5, 'after')");
    assert_eq!(wire.rows("SELECT n, s FROM v"), [format!("{}|{}", acknowledged + 1, acknowledged + 5)]);
    assert_eq!(wire.rows("SELECT b FROM s WHERE a = 5"), ["after"]);
}

#[test]
fn a_second_server_on_the_same_directory_is_refused() {
    let (server, mut other) = unharmed();
    let second = Command::new(BINARY).args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(server.data()).output().expect("it runs");
    assert!(!second.status.success());
    let text = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(text.contains("in use") || text.contains("another"), "{text}");
    assert!(text.contains("HINT:"), "{text}");
    check(&server, &mut other);
    // And one on the same port.
    let directory = server.directory().join("elsewhere");
    let address = server.address.to_string();
    let third = Command::new(BINARY).args(["serve", "--listen", &address, "--data"]).arg(&directory).output().expect("it runs");
    assert!(!third.status.success());
    assert!(String::from_utf8_lossy(&third.stderr).contains("address already in use"));
    assert!(!directory.exists(), "a server that cannot listen touches no data");
    check(&server, &mut other);
}

#[test]
fn deep_nesting_is_answered_or_refused() {
    let (server, mut other) = unharmed();
    let deep = |open: &str, inner: &str, close: &str, n: usize| format!("SELECT {}{inner}{}", open.repeat(n), close.repeat(n));
    let mut wire = server.connect();
    for n in [10, 1_000] {
        for sql in [
            deep("(", "1", ")", n),
            deep("-(", "1", ")", n),
            deep("NOT ", "true", "", n),
            deep("- ", "1", "", n),
            deep("abs(", "1", ")", n),
            deep("(SELECT ", "1", ")", n),
            deep("CASE WHEN true THEN ", "1", " END", n),
            deep("ARRAY[", "1", "]", n),
            deep("", "1", "::int", n.min(100)),
            deep("1 + ", "1", "", n),
            deep("1 + (", "1", ")", n),
            deep("'a' || ", "'b'", "", n),
            deep("true AND ", "true", "", n.min(100)),
            deep("1 UNION ALL SELECT ", "1", "", n.min(50)),
            format!("SELECT * FROM {}t{}", "(SELECT * FROM ".repeat(n), ") x".repeat(n)),
            format!("SELECT 1 FROM t {}", "JOIN t USING (k) ".repeat(n.min(1_000))),
            format!("SELECT '{}1{}'::jsonb", "[".repeat(n), "]".repeat(n)),
            format!("SELECT '{}1{}'::int[]", "{".repeat(n), "}".repeat(n)),
            format!("WITH RECURSIVE {} SELECT 1", (0..n.min(5_000)).map(|i| format!("c{i} AS (SELECT 1)")).collect::<Vec<_>>().join(", ")),
            format!("EXPLAIN {}SELECT 1", "EXPLAIN ".repeat(n)),
        ] {
            let answered = wire.simple(&sql);
            if let Some(Err(e)) = answered.last() {
                let expected = ["54001", "54000", "42601", "22P02", "0A000", "42702", "42712", "53200", "42804", "2202E", "42701"];
                assert!(
                    expected.contains(&e.code.as_str()),
                    "{n} of {}...: {} {}",
                    &sql[..40],
                    e.code,
                    &e.message[..e.message.len().min(200)]
                );
            }
        }
    }
    check(&server, &mut other);
}

#[test]
fn huge_lists_and_literals_are_taken() {
    let (server, mut other) = unharmed();
    let list = (0..100_000).map(|i| i.to_string()).collect::<Vec<_>>().join(",");
    assert_eq!(other.rows(&format!("SELECT v FROM t WHERE k IN ({list})")), ["one"]);
    assert_eq!(other.rows(&format!("SELECT k FROM t WHERE k NOT IN ({list})")), Vec::<String>::new());
    let values = (0..20_000).map(|i| format!("({i})")).collect::<Vec<_>>().join(",");
    assert_eq!(other.value(&format!("SELECT count(*) FROM (VALUES {values}) v")), "20000");
    let mut wire = server.connect();
    wire.ok("CREATE TABLE big (k int PRIMARY KEY, v text, b bytea)");
    let text = "z".repeat(10 << 20);
    wire.ok(&format!("INSERT INTO big VALUES (1, '{text}', '\\x{}')", "00".repeat(1 << 20)));
    assert_eq!(wire.rows("SELECT length(v), length(b) FROM big"), ["10485760|1048576"]);
    assert_eq!(wire.value("SELECT v FROM big WHERE k = 1").len(), text.len());
    assert_eq!(wire.extended("SELECT length($1::text)", &[Some(&text)]).expect("it is taken").lines(), ["10485760"]);
    let columns = (0..1_700).map(|i| format!("c{i} int")).collect::<Vec<_>>().join(", ");
    assert_eq!(wire.error(&format!("CREATE STREAM wide ({columns})")).code, "54011");
    check(&server, &mut other);
}

#[test]
fn grouping_sets_without_end_are_refused() {
    let (server, mut other) = unharmed();
    let keys = |n: usize| (0..n).map(|i| format!("k + {i}")).collect::<Vec<_>>().join(", ");
    for (sets, code) in [
        (format!("CUBE ({})", keys(30)), "54011"),
        (format!("CUBE ((k, v), {})", keys(30)), "54011"),
        (format!("GROUPING SETS (CUBE ({}), ())", keys(30)), "54011"),
        (format!("ROLLUP ({})", keys(10_000)), "54001"),
        (format!("ROLLUP ((k, v), {})", keys(10_000)), "54001"),
        (format!("GROUPING SETS (ROLLUP ({}))", keys(10_000)), "54001"),
        (format!("GROUPING SETS ({})", vec![format!("CUBE ({})", keys(12)); 3].join(", ")), "54001"),
    ] {
        assert_eq!(other.error(&format!("SELECT count(*) FROM t GROUP BY {sets}")).code, code);
    }
    assert_eq!(other.rows(&format!("SELECT DISTINCT count(*) FROM t GROUP BY CUBE ({})", keys(5))), ["1"]);
    check(&server, &mut other);
}

#[test]
fn text_that_is_not_utf8_and_zero_bytes_are_refused() {
    let (server, mut other) = unharmed();
    let mut wire = server.connect();
    for (messages, state) in [
        (&[(b'Q', &b"SELECT '\xff\xfe'\0"[..])][..], "22021"),
        (&[(b'P', b"\0SELECT '\xc3\x28'\0\0\0"), (b'S', b"")], "22021"),
        (&[(b'Q', b"SELECT 1\0garbage\0")], "08P01"),
        (
            &[(b'P', b"\0SELECT $1::text\0\0\0"), (b'B', b"\0\0\0\0\0\x01\0\0\0\x02\xff\xfe\0\0"), (b'E', b"\0\0\0\0\0"), (b'S', b"")],
            "22021",
        ),
        (&[(b'P', b"\0SELECT $1::text\0\0\0"), (b'B', b"\0\0\0\0\0\x01\0\0\0\x03a\0b\0\0"), (b'E', b"\0\0\0\0\0"), (b'S', b"")], "22021"),
        (
            &[(b'P', b"\0SELECT $1::text\0\0\0"), (b'B', b"\0\0\0\x01\0\x01\0\x01\0\0\0\x03a\0b\0\0"), (b'E', b"\0\0\0\0\0"), (b'S', b"")],
            "22021",
        ),
    ] {
        wire.send(messages);
        assert_eq!(code(wire.outcomes().pop()), state, "{messages:?}");
    }
    for (sql, data) in [
        ("COPY t FROM STDIN", &b"2\t\xff\n"[..]),
        ("COPY t FROM STDIN", b"2\ta\0b\n"),
        ("COPY t FROM STDIN CSV", b"2,\"\xc3\"\n"),
        ("COPY t FROM STDIN CSV", b"2,a\0b\n"),
    ] {
        let error = wire.copy_in(sql, data).expect_err("it is no text");
        assert_eq!(error.code, "22021", "{data:?}: {error:?}");
        assert!(error.context.as_deref().unwrap_or_default().starts_with("COPY t, line 1"), "{error:?}");
    }
    assert_eq!(other.value("SELECT count(*) FROM t"), "1");
    check(&server, &mut other);
}

#[test]
fn parameters_must_fit_their_statement() {
    let (server, mut other) = unharmed();
    let mut wire = server.connect();
    let state = |outcome: Outcome| outcome.map(|a| a.lines()).map_err(|e| e.code);
    let refused = |code: &str| Err::<Vec<String>, _>(code.to_string());
    assert_eq!(state(wire.extended("SELECT $1::int + $2::int", &[Some("1"), Some("2")])), Ok(vec!["3".to_string()]));
    assert_eq!(state(wire.extended("SELECT $1::int + $2::int", &[Some("1")])), refused("08P01"));
    assert_eq!(state(wire.extended("SELECT $1::int", &[Some("1"), Some("2")])), refused("08P01"));
    assert_eq!(state(wire.extended("SELECT $1::int", &[])), refused("08P01"));
    assert_eq!(state(wire.extended("SELECT v FROM t WHERE k = $1", &[])), refused("08P01"));
    assert_eq!(state(wire.extended("SELECT v FROM t WHERE k = $1", &[Some("x")])), refused("22P02"));
    assert_eq!(state(wire.extended("SELECT v FROM t WHERE k = $1", &[Some("99999999999")])), refused("22003"));
    assert_eq!(state(wire.extended("SELECT v FROM t WHERE k = $1", &[None])), Ok(vec![]));
    assert_eq!(state(wire.extended("INSERT INTO t VALUES ($1, $2)", &[Some("7")])), refused("08P01"));
    assert_eq!(state(wire.extended("INSERT INTO t VALUES ($1, $2)", &[None, Some("x")])), refused("23502"));
    assert_eq!(state(wire.extended("SELECT $0::int", &[])), refused("42P02"));
    assert_eq!(state(wire.extended("SELECT 1; SELECT 2", &[])), refused("42601"));
    assert_eq!(wire.error("SELECT $1::int").code, "42P02");
    for sql in ["SELECT $2::date, $1::int", "SELECT v FROM t WHERE k = $1 AND k < $2", "INSERT INTO t VALUES ($1, $2), ($2, NULL)"] {
        let error = wire.extended(sql, &[Some("x"), Some("1")]).expect_err("a text is no integer");
        let context = error.context.unwrap_or_default();
        assert!(context.starts_with("unnamed portal parameter $") && context.ends_with(" = '...'"), "{sql}: {context}");
    }
    check(&server, &mut other);
}

#[test]
fn a_session_that_idles_too_long_is_ended_and_leaves_nothing_behind() {
    let (server, mut other) = unharmed();
    let mut idle = server.connect();
    idle.ok("SET idle_session_timeout = '1ms'");
    assert_eq!(last_error(&mut idle), "57P05");
    let mut open = server.connect();
    open.ok("SET idle_in_transaction_session_timeout = '1ms'");
    open.ok("BEGIN; UPDATE t SET v = 'gone'");
    assert_eq!(last_error(&mut open), "25P03");
    wait_for_sessions(&mut other, 1);
    // Its locks went with it.
    other.ok("UPDATE t SET v = 'one'");
    check(&server, &mut other);
}

/// A message can bind that many; the protocol counts them in 16 bits.
#[test]
fn as_many_parameters_as_a_message_can_bind_are_taken() {
    let (server, mut other) = unharmed();
    let mut wire = server.connect();
    wire.ok("CREATE STREAM many (a int, b text, c int)");
    let values: Vec<String> = (1..=65_535).map(|i| i.to_string()).collect();
    let bound: Vec<Option<&str>> = values.iter().map(|v| Some(v.as_str())).collect();
    let rows: Vec<String> = (0..21_845).map(|i| format!("(${}, ${}, ${})", 3 * i + 1, 3 * i + 2, 3 * i + 3)).collect();
    let inserted = wire.extended(&format!("INSERT INTO many VALUES {}", rows.join(", ")), &bound).expect("it is taken");
    assert_eq!(inserted.tag.as_deref(), Some("INSERT 0 21845"));
    assert_eq!(wire.value("SELECT count(*) || ' ' || sum(a + b::int + c) FROM many"), "21845 2147450880");
    let any: Vec<String> = (1..=65_535).map(|i| format!("${i}::int")).collect();
    let found = wire.extended(&format!("SELECT count(*) FROM many WHERE a IN ({})", any.join(", ")), &bound).expect("it is planned");
    assert_eq!(found.lines(), ["21845"]);
    assert_eq!(wire.error(&format!("SELECT {}::int", "$65536")).code, "42P02");
    check(&server, &mut other);
}

#[test]
fn messages_of_chance_close_at_most_their_own_connection() {
    let (server, mut other) = unharmed();
    let mut next = chance(1);
    for _ in 0..200 {
        let mut wire = server.connect();
        let mut bytes = Vec::new();
        for _ in 0..next() % 6 + 1 {
            let body: Vec<u8> = (0..next() % 24).map(|_| if next().is_multiple_of(3) { 0 } else { next() as u8 }).collect();
            bytes.push(b"QPBEDCSHFdcf"[next() as usize % 12]);
            bytes.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
            bytes.extend_from_slice(&body);
        }
        // The server may have hung up on the first of them.
        let _ = wire.raw(&bytes);
        let _ = wire.socket().shutdown(Shutdown::Write);
        while wire.read().is_ok() {}
    }
    check(&server, &mut other);
}

#[test]
fn a_statement_of_one_session_that_fails_harms_no_other() {
    let (server, mut other) = unharmed();
    let mut wire = server.connect();
    for sql in [
        "SELECT 1 / (k - 1) FROM t",
        "SELECT k::text::int / 0 FROM t",
        "SELECT 9223372036854775807 * (k + 1) FROM t",
        "INSERT INTO t SELECT k + 1, v FROM t UNION ALL SELECT 1 / 0, 'x'",
        "UPDATE t SET v = (1 / (k - 1))::text",
    ] {
        wire.error(sql);
        assert_eq!(wire.status, 'I', "{sql}");
    }
    check(&server, &mut other);
}

#[test]
fn a_pipeline_that_fails_behind_a_commit_keeps_what_was_committed_and_no_more() {
    let (server, mut other) = unharmed();
    let mut wire = server.connect();
    let statements = ["BEGIN", "INSERT INTO s VALUES (2)", "COMMIT", "INSERT INTO s VALUES (3)", "SELECT 1 / 0"];
    let parses: Vec<Vec<u8>> = statements.iter().map(|sql| [b"\0", sql.as_bytes(), b"\0\0\0"].concat()).collect();
    let mut messages: Vec<(u8, &[u8])> = Vec::new();
    for parse in &parses {
        messages.extend([(b'P', parse.as_slice()), (b'B', &b"\0\0\0\0\0\0\0\0"[..]), (b'E', &b"\0\0\0\0\0"[..])]);
    }
    messages.push((b'S', &b""[..]));
    wire.send(&messages);
    assert_eq!(code(wire.outcomes().pop()), "22012");
    assert_eq!(other.rows("SELECT a FROM s"), ["2"]);
    check(&server, &mut other);
}

#[test]
fn a_plan_that_takes_long_holds_up_no_other_session_and_can_be_stopped() {
    let (server, mut other) = unharmed();
    let slow = (0..800).map(|i| format!("{i} + 1 AS c{i}")).collect::<Vec<_>>().join(", ");
    let busy = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid()";
    for what in ["SELECT", "EXPLAIN SELECT", "CREATE MATERIALIZED VIEW v AS SELECT"] {
        let sql = format!("{what} {slow} FROM s");
        // More of them than there are threads for sockets.
        let mut planning: Vec<Wire> = (0..3).map(|_| server.connect()).collect();
        for wire in &mut planning {
            wire.send(&[(b'Q', format!("{sql}\0").as_bytes())]);
        }
        while other.value(busy) != "3" {}
        check(&server, &mut other);
        other.ok("CREATE TABLE meanwhile (k int PRIMARY KEY); DROP TABLE meanwhile");
        assert_eq!(other.value(busy), "3", "the others were answered while the plans were made");
        for mut wire in planning {
            wire.cancel();
            assert_eq!(code(wire.outcomes().pop()), "57014");
        }
    }
    let mut wire = server.connect();
    wire.ok("SET statement_timeout = 1");
    assert_eq!(wire.error(&format!("SELECT {slow}")).code, "57014");
    assert_eq!(wire.extended(&format!("SELECT {slow}"), &[]).map_err(|e| e.code).map(|_| ()), Err("57014".to_string()));
    check(&server, &mut other);
}

#[test]
fn a_value_or_an_intermediate_result_too_large_for_memory_is_refused() {
    let server = Server::start_with(&["--query-memory-bytes-max", "32000000"]);
    let mut wire = server.connect();
    for (sql, state) in [
        ("SELECT length(repeat('x', 2000000000))", "54000"),
        ("SELECT length(repeat(relname, 200000000)) FROM pg_class", "54000"),
        ("SELECT length(repeat(relname, 5000000)) FROM pg_class", "53200"),
        ("SELECT length(lpad('', 2000000000)), length(rpad('', 2000000000, 'xy'))", "54000"),
        ("SELECT length(a || a || a) FROM (SELECT repeat('x', 100000000) AS a) t", "54000"),
        ("SELECT length(concat(a, a, a)), length(concat_ws(a, a, a)) FROM (SELECT repeat('x', 100000000) AS a) t", "54000"),
        ("SELECT length(replace(a, 'x', a)) FROM (SELECT repeat('x', 100000) AS a) t", "54000"),
        ("SELECT cardinality(array_fill(0, ARRAY[1000000000]))", "54000"),
        ("SELECT cardinality(array_agg(g)) FROM generate_series(1, 1000000000000) g", "53200"),
        ("SELECT cardinality(array_agg(DISTINCT g::text)) FROM generate_series(1, 1000000000000) g", "53200"),
        ("SELECT length(string_agg(g::text, ',')) FROM generate_series(1, 1000000000000) g", "53200"),
        ("SELECT g FROM generate_series(1, 1000000000000) g ORDER BY -g LIMIT 3 OFFSET 1000000000", "53200"),
        ("SELECT count(*) FROM generate_series(1, 1000000000) a(x) JOIN generate_series(1, 1000000000) b(y) ON x = y", "53200"),
    ] {
        let error = wire.error(sql);
        assert_eq!(error.code, state, "{sql}: {error:?}");
        assert!(error.detail.is_some() && (state == "54000" || error.hint.is_some()), "{sql}: {error:?}");
        assert_eq!(server.connect().value("SELECT 1"), "1");
    }
    // What fits is computed: at the limit, and with the help of the disk.
    assert_eq!(wire.value("SELECT length(repeat('x', 200000000))"), "200000000");
    assert_eq!(wire.value("SELECT count(*) FROM (SELECT g FROM generate_series(1, 1000000) g ORDER BY -g OFFSET 10) t"), "999990");
}
