//! Inputs of chance, made of valid ones: conversations for the decoder's path, statements for the path from text to plan.
//!
//! - [`wire`]: conversations with bytes flipped, cut, repeated, messages left out, doubled and swapped, lengths that lie, all in one
//!   piece or dribbled. The server answers or closes; it never panics, hangs or grows, and other sessions go on.
//! - [`statements`]: statements of `tests/slt` and `sql/` with words left out, doubled, swapped, replaced by words of others, parsed and
//!   planned (not run) over a small catalog. Each is planned or refused with a SQLSTATE other than XX000.
//!
//! In the suite each runs a few hundred cases. To run longer, each for so many minutes and with another seed:
//!
//! ```console
//! $ EVERFOLD_FUZZ_MINUTES=60 EVERFOLD_SEED=7 cargo test --test main -- fuzz --nocapture
//! ```
//!
//! A failure names the seed of its case; `EVERFOLD_SEED` with that number runs it first. These are plain tests rather than targets of
//! cargo-fuzz, which needs a nightly compiler, and what is under test is a whole server with its threads.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::support::random::{Random, number};
use crate::support::server::Server;
use crate::support::wire::{Wire, report};

/// Cases of one run in the suite.
const CASES: u64 = 300;
/// How much the server may grow over a run, in kilobytes: buffers and plans that are kept, but no leak per case.
const GROWTH_KB_MAX: u64 = 600_000;
/// How long an answer may take before the test calls it a hang.
const PATIENCE: Duration = Duration::from_secs(60);

/// The seeds of a run's cases: a fixed number, or as many as fit into the minutes asked for.
fn seeds() -> impl Iterator<Item = u64> {
    let first = number("EVERFOLD_SEED", 1);
    let minutes = number("EVERFOLD_FUZZ_MINUTES", 0);
    let end = Instant::now() + Duration::from_secs(60 * minutes);
    (0..).take_while(move |n| if minutes == 0 { *n < CASES } else { Instant::now() < end }).map(move |n| first.wrapping_add(n))
}

/// A server with a little of everything.
fn server() -> Server {
    let server = Server::start();
    let mut wire = server.connect();
    wire.ok(
        "CREATE TABLE t (k int PRIMARY KEY, v text, n numeric(10,2)); CREATE STREAM s (a int, b text, c timestamptz, d jsonb, e int[])",
    );
    wire.ok("CREATE MATERIALIZED VIEW m AS SELECT a, count(*) AS n, sum(a) AS total FROM s GROUP BY a; CREATE VIEW w AS SELECT * FROM t");
    wire.ok("INSERT INTO t VALUES (1, 'one', 1.5); INSERT INTO s VALUES (1, 'x', now(), '{\"a\": 1}', '{1,2}')");
    wire.ok("CREATE STREAM clicks (id VARCHAR KEY, page VARCHAR, ms INT) WITH (KAFKA_TOPIC = 'clicks', VALUE_FORMAT = 'JSON')");
    server
}

/// The server has not panicked, and ends as it should.
fn unharmed(server: Server) {
    let (status, _, errors) = server.terminate();
    assert!(status.success() && !errors.contains("panicked"), "{errors}");
}

// Conversations -------------------------------------------------------------------------------------------------------------------

type Messages = Vec<Vec<u8>>;

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    [&[tag][..], &(body.len() as u32 + 4).to_be_bytes(), body].concat()
}

fn startup(minor: u16, pairs: &[u8]) -> Vec<u8> {
    let body = [&[0, 3][..], &minor.to_be_bytes(), pairs, b"\0"].concat();
    [&(body.len() as u32 + 4).to_be_bytes()[..], &body].concat()
}

/// Conversations that a client may well have, each a list of messages.
fn conversations() -> Vec<Messages> {
    let plain = || startup(0, b"user\0ann\0database\0everfold\0");
    let with = || startup(2, b"user\0ann\0options\0-c statement_timeout=5s\0TimeZone\0Europe/Berlin\0_pq_.x\x001\0");
    let query = |sql: &str| message(b'Q', format!("{sql}\0").as_bytes());
    let (describe, execute, sync) = (message(b'D', b"P\0"), message(b'E', b"\0\0\0\0\0"), message(b'S', b""));
    let parse = |name: &str, sql: &str| message(b'P', format!("{name}\0{sql}\0\0\0").as_bytes());
    let bind = |values: &[&[u8]]| {
        let mut body = b"\0\0\0\0".to_vec();
        body.extend((values.len() as u16).to_be_bytes());
        for value in values {
            body.extend((value.len() as u32).to_be_bytes());
            body.extend(*value);
        }
        message(b'B', &[&body[..], b"\0\0"].concat())
    };
    let ssl = || b"\0\0\0\x08\x04\xd2\x16\x2f".to_vec();
    let cancel = || b"\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\x01\x12\x34\x56\x78".to_vec();
    vec![
        vec![plain(), query("SELECT k, v FROM t"), query("SELECT 1; SELECT 2"), message(b'X', b"")],
        vec![ssl(), with(), query("BEGIN; INSERT INTO t VALUES (2, 'two', 2)"), query("ROLLBACK")],
        vec![cancel()],
        vec![plain(), parse("p", "SELECT v FROM t WHERE k = $1"), bind(&[b"1"]), describe.clone(), execute.clone(), sync.clone()],
        vec![
            plain(),
            parse("", "SELECT $1::int + $2::numeric, $3::text"),
            message(b'D', b"S\0"),
            bind(&[b"1", b"2.5", b"x"]),
            execute.clone(),
            sync.clone(),
        ],
        vec![
            plain(),
            parse("", "SELECT v FROM t WHERE k = $1"),
            message(b'B', b"\0\0\0\x01\0\x01\0\x01\0\0\0\x04\0\0\0\x01\0\x01\0\x01"),
            execute.clone(),
            sync.clone(),
        ],
        vec![
            plain(),
            parse("", "SELECT * FROM generate_series(1, 100)"),
            bind(&[]),
            message(b'E', b"\0\0\0\0\x07"),
            message(b'E', b"\0\0\0\0\x07"),
            message(b'C', b"P\0"),
            message(b'H', b""),
            sync.clone(),
        ],
        vec![
            plain(),
            query("COPY t FROM STDIN"),
            message(b'd', b"7\tseven\t7.0\n8\t"),
            message(b'd', b"eight\t8\n"),
            message(b'c', b""),
            query("COPY t TO STDOUT"),
        ],
        vec![
            plain(),
            query("COPY s FROM STDIN WITH (FORMAT csv)"),
            message(b'd', b"1,\"a\nb\",2024-01-01,{},{}\n"),
            message(b'f', b"enough\0"),
        ],
        vec![
            plain(),
            query("COPY t FROM STDIN (FORMAT binary)"),
            message(b'd', b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0\0\x03\0\0\0\x04\0\0\0\x09"),
            message(b'c', b""),
        ],
        vec![
            plain(),
            query("LISTEN x"),
            query("NOTIFY x, 'y'"),
            query("SELECT pg_notify('x', 'z'), pg_try_advisory_lock(3)"),
            query("UNLISTEN *"),
        ],
        vec![
            plain(),
            query("BEGIN"),
            query("DECLARE c SCROLL CURSOR FOR SELECT * FROM s"),
            query("FETCH ALL FROM c"),
            query("FETCH BACKWARD 2 FROM c"),
            query("COMMIT"),
        ],
        vec![
            plain(),
            query("SET timezone = 'Asia/Tokyo'"),
            query("SELECT c, c::date, date_trunc('day', c) FROM s"),
            message(b'F', b"\0\0\0\x01\0\0\0\0\0\0"),
        ],
        vec![plain(), message(b'p', b"secret\0"), query("SELECT 1")],
    ]
}

/// Changes a conversation in one to four ways.
fn mutated(mut messages: Messages, random: &mut Random) -> Messages {
    for _ in 0..1 + random.below(4) {
        if messages.is_empty() {
            break;
        }
        let i = random.below(messages.len());
        match random.below(9) {
            0 => {
                messages.remove(i);
            }
            1 => messages.insert(i, messages[i].clone()),
            2 => {
                let j = random.below(messages.len());
                messages.swap(i, j);
            }
            3 => {
                let n = random.below(messages[i].len() + 1);
                messages[i].truncate(n);
            }
            // A length that lies.
            4 if messages[i].len() > 5 => {
                let at = if i == 0 { 0 } else { 1 };
                let lie = *random.pick(&[0u32, 3, 4, 5, 255, 65_536, 0x7fff_ffff, 0xffff_ffff]);
                messages[i][at..at + 4].copy_from_slice(&lie.to_be_bytes());
            }
            5 => {
                let noise: Vec<u8> = (0..random.below(40)).map(|_| random.below(256) as u8).collect();
                let at = random.below(messages[i].len() + 1);
                messages[i].splice(at..at, noise);
            }
            _ => {
                for _ in 0..1 + random.below(4) {
                    if !messages[i].is_empty() {
                        let at = random.below(messages[i].len());
                        messages[i][at] = *random.pick(&[0, 1, 0x7f, 0x80, 0xff, random.clone().below(256) as u8]);
                    }
                }
            }
        }
    }
    messages
}

/// Says it all and reads to the end; the errors that the server answered. Panics where it neither answers nor closes.
fn converse(server: &Server, messages: &Messages, dribble: bool, seed: u64) -> Vec<u8> {
    let mut stream = TcpStream::connect(server.address).expect("the server listens");
    stream.set_read_timeout(Some(PATIENCE)).and_then(|()| stream.set_nodelay(true)).expect("the socket is open");
    let bytes = messages.concat();
    for piece in bytes.chunks(if dribble { 3 } else { bytes.len().max(1) }) {
        // The server may have hung up already.
        if stream.write_all(piece).is_err() {
            break;
        }
    }
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    if let Err(e) = stream.read_to_end(&mut answer) {
        let hangs = matches!(e.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut);
        assert!(!hangs, "seed {seed}: the server neither answers nor closes");
    }
    answer
}

#[test]
fn wire() {
    let (server, known) = (server(), conversations());
    let mut other = server.connect();
    // The valid ones first, so that what is kept for good is there before it is measured.
    known.iter().for_each(|messages| drop(converse(&server, messages, false, 0)));
    let before = server.memory_kb();
    let mut cases = 0;
    for seed in seeds() {
        cases += 1;
        let mut random = Random::new(seed);
        let messages = mutated(random.pick(&known).clone(), &mut random);
        let answer = converse(&server, &messages, random.chance(20), seed);
        let internal = answer.windows(7).any(|w| w == b"\0CXX000" || w == b"CXX000\0");
        assert!(!internal, "seed {seed}: {}", String::from_utf8_lossy(&answer));
        assert_eq!(other.value("SELECT 1"), "1", "seed {seed}");
    }
    let grown = server.memory_kb().saturating_sub(before);
    println!("{cases} conversations; the server has grown by {grown} kB");
    assert!(grown < GROWTH_KB_MAX, "the server has grown by {grown} kB");
    assert_eq!(server.connect().value("SELECT 1"), "1");
    unharmed(server);
}

// Statements ----------------------------------------------------------------------------------------------------------------------

fn files(directory: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(directory).expect("a directory").map(|e| e.expect("an entry").path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, ending, found);
        } else if path.extension().is_some_and(|e| e == ending) {
            found.push(path);
        }
    }
}

/// The statements of the repository's scripts.
fn corpus() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut scripts, mut sql) = (Vec::new(), Vec::new());
    files(&root.join("tests/slt"), "slt", &mut scripts);
    files(&root.join("sql"), "sql", &mut sql);
    let text = |path: &PathBuf| std::fs::read_to_string(path).expect("a script");
    let mut statements = Vec::new();
    for script in scripts.iter().map(text) {
        let blocks = script.split("\n\n").filter_map(|block| block.split_once("\n----").map(|(head, _)| head));
        statements.extend(blocks.map(|head| head.lines().filter(|l| !l.starts_with('#')).collect::<Vec<_>>().join("\n")));
    }
    statements.extend(sql.iter().map(text).flat_map(|t| t.split(';').map(str::to_string).collect::<Vec<_>>()));
    statements.retain(|s| s.len() > 5 && s.len() < 2_000);
    assert!(statements.len() > 500, "the scripts are where they were");
    statements
}

/// Words, numbers, strings and signs of a text, with the white space behind them.
fn tokens(sql: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut kind = None;
    for c in sql.chars() {
        let now = match c {
            c if c.is_alphanumeric() || c == '_' => 'w',
            c if c.is_whitespace() => ' ',
            _ => 's',
        };
        match tokens.last_mut() {
            Some(last) if now == ' ' || (kind == Some('w') && now == 'w') => last.push(c),
            _ => tokens.push(c.to_string()),
        }
        kind = Some(now);
    }
    tokens
}

/// Words of the catalog and of the grammar that make a mutated statement reach further than to its first word.
const WORDS: &[&str] = &[
    "t ",
    "s ",
    "m ",
    "w ",
    "k ",
    "v ",
    "a ",
    "b ",
    "c ",
    "d ",
    "e ",
    "NULL ",
    "0 ",
    "-1 ",
    "'x' ",
    "1e400 ",
    "9223372036854775807 ",
    "''::jsonb ",
    "( ",
    ") ",
    ", ",
    ":: ",
    "$1 ",
    "SELECT ",
    "FROM ",
    "WHERE ",
    "JOIN ",
    "LATERAL ",
    "OVER () ",
    "GROUP BY ",
    "UNION ALL ",
    "LIMIT ",
    "ARRAY[1] ",
    "interval '1 day' ",
    "CASE WHEN ",
    "EXISTS ",
    "DISTINCT ",
    "numeric(5,2) ",
];

fn rewritten(statement: &str, all: &[String], random: &mut Random) -> String {
    let mut words = tokens(statement);
    for _ in 0..1 + random.below(4) {
        let i = random.below(words.len());
        match random.below(7) {
            _ if words.is_empty() => break,
            0 => {
                words.remove(i);
            }
            1 => words.insert(i, words[i].clone()),
            2 => {
                let j = random.below(words.len());
                words.swap(i, j);
            }
            3 => words[i] = (*random.pick(WORDS)).to_string(),
            4 => words.insert(i, (*random.pick(WORDS)).to_string()),
            5 => {
                // A piece of another statement.
                let other = tokens(random.pick::<String>(all));
                let from = random.below(other.len());
                let piece = other.into_iter().skip(from).take(1 + random.below(6));
                words.splice(i..i, piece);
            }
            _ => {
                let n = random.below(words.len() - i) + 1;
                let piece: Vec<String> = words[i..(i + n).min(i + 5)].to_vec();
                words.splice(i..i, [vec!["(".to_string()], piece, vec![") ".to_string()]].concat());
            }
        }
    }
    words.concat().replace('\0', "")
}

/// Parses and plans a statement, as far as Parse does; the error if there is one.
fn planned(wire: &mut Wire, sql: &str) -> Option<crate::support::wire::Report> {
    wire.send(&[(b'P', format!("\0{sql}\0\0\0").as_bytes()), (b'D', b"S\0"), (b'S', b"")]);
    let mut error = None;
    loop {
        match wire.read() {
            Ok((b'E', body)) => error = Some(report(&body)),
            Ok((b'Z', _)) => return error,
            Ok(_) => {}
            Err(e) => panic!("the connection broke ({e}) at: {sql}"),
        }
    }
}

#[test]
fn statements() {
    let (server, corpus) = (server(), corpus());
    let (mut wire, mut other) = (server.connect(), server.connect());
    wire.ok("SET statement_timeout = '20s'");
    let before = server.memory_kb();
    let mut internal = Vec::new();
    let mut cases = 0;
    for seed in seeds() {
        cases += 1;
        let mut random = Random::new(seed);
        let sql = rewritten(random.pick::<String>(&corpus), &corpus, &mut random);
        if let Some(error) = planned(&mut wire, &sql)
            && error.code.starts_with("XX")
        {
            internal.push(format!("seed {seed}: {} {:?}\n{sql}", error.message, error.detail));
        }
        if seed % 50 == 0 {
            assert_eq!(other.value("SELECT 1"), "1", "seed {seed}");
        }
    }
    assert!(internal.is_empty(), "{} internal errors\n{}", internal.len(), internal.join("\n\n"));
    let grown = server.memory_kb().saturating_sub(before);
    println!("{cases} statements; the server has grown by {grown} kB");
    assert!(grown < GROWTH_KB_MAX, "the server has grown by {grown} kB");
    unharmed(server);
}
