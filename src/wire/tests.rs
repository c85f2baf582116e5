//! Whole conversations with a session that has no database behind it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use futures::{SinkExt, StreamExt, TryStreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio_postgres::{Client, NoTls};

use super::backend::Timeout;
use super::registry::Registry;
use super::server::converse;
use super::testing::FakeHost;
use crate::error::code;
use crate::limits;

const PIPE: usize = 1 << 16;

/// A message: its type and its body.
type Message<'a> = (u8, &'a [u8]);

/// A connected tokio-postgres client, as an independent judge of our bytes.
async fn client(host: &Arc<FakeHost>) -> Client {
    let (ours, theirs) = duplex(PIPE);
    tokio::spawn(converse(host.clone(), Registry::new(), theirs));
    let (client, connection) = tokio_postgres::Config::new().user("ann").connect_raw(ours, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// A raw conversation, past its startup.
struct Raw {
    stream: DuplexStream,
    key: Vec<u8>,
    task: JoinHandle<()>,
}

impl Raw {
    async fn new(host: &Arc<FakeHost>, registry: &Arc<Registry>) -> Raw {
        let (mut stream, theirs) = duplex(PIPE);
        let task = tokio::spawn(converse(host.clone(), registry.clone(), theirs));
        stream.write_all(b"\0\0\0\x12\0\x03\0\0user\0ann\0\0").await.unwrap();
        let mut raw = Raw { stream, key: Vec::new(), task };
        loop {
            let (tag, body) = raw.read().await.unwrap();
            match tag {
                b'K' => raw.key = body,
                b'Z' => return raw,
                _ => {}
            }
        }
    }

    async fn read(&mut self) -> Option<(u8, Vec<u8>)> {
        let tag = self.stream.read_u8().await.ok()?;
        let length = self.stream.read_u32().await.ok()? as usize;
        let mut body = vec![0; length - 4];
        self.stream.read_exact(&mut body).await.ok()?;
        Some((tag, body))
    }

    async fn send(&mut self, messages: &[Message<'_>]) {
        let mut out = BytesMut::new();
        for (tag, body) in messages {
            out.put_u8(*tag);
            out.put_u32(body.len() as u32 + 4);
            out.put_slice(body);
        }
        self.stream.write_all(&out).await.unwrap();
    }

    /// The types of the messages up to `last`, errors as `E` and their SQLSTATE in brackets.
    async fn until(&mut self, last: u8) -> String {
        let mut seen = String::new();
        while let Some((tag, body)) = self.read().await {
            seen.push(tag as char);
            if tag == b'E' {
                let text = String::from_utf8_lossy(&body);
                let state = text.split('\0').find_map(|f| f.strip_prefix('C')).unwrap_or("").to_string();
                seen.push_str(&format!("[{state}]"));
            }
            if tag == b'Z' {
                seen.push(body[0].to_ascii_lowercase() as char);
            }
            if tag == last {
                break;
            }
        }
        seen
    }

    async fn talk(&mut self, messages: &[Message<'_>]) -> String {
        self.send(messages).await;
        self.until(b'Z').await
    }
}

const PARSE_ROWS: Message<'static> = (b'P', b"\0rows 7\0\0\0");
const BIND: Message<'static> = (b'B', b"\0\0\0\0\0\0\0\0");
const EXECUTE: Message<'static> = (b'E', b"\0\0\0\0\0");
const SYNC: Message<'static> = (b'S', b"");

#[tokio::test]
async fn simple_queries_are_answered_statement_by_statement() {
    let mut raw = Raw::new(&FakeHost::new(), &Registry::new()).await;
    assert_eq!(raw.talk(&[(b'Q', b"rows 4; done X; notice\0")]).await, "TDDDDCCNCZi");
    assert_eq!(raw.talk(&[(b'Q', b"done A; fail; done B\0")]).await, "CE[42P01]Zi", "an error stops the rest");
    assert_eq!(raw.talk(&[(b'Q', b"  \0")]).await, "IZi");
    assert_eq!(raw.talk(&[(b'Q', b"begin\0")]).await, "CZt");
    assert_eq!(raw.talk(&[(b'Q', b"fail\0")]).await, "E[42P01]Ze");
    assert_eq!(raw.talk(&[(b'Q', b"done A\0")]).await, "E[25P02]Ze");
    assert_eq!(raw.talk(&[(b'Q', b"rollback\0")]).await, "CZi");
    assert_eq!(raw.talk(&[(b'Q', b"\xff\0")]).await, "E[22021]Zi");
}

#[tokio::test]
async fn several_statements_are_one_implicit_transaction_and_positions_count_from_the_start() {
    let host = FakeHost::new();
    let client = client(&host).await;
    client.batch_execute("done A; done B").await.unwrap();
    assert_eq!(host.implicit.load(Ordering::SeqCst), 1);
    let error = client.batch_execute("done é; fail").await.unwrap_err();
    let error = error.as_db_error().unwrap();
    assert_eq!(error.position(), Some(&tokio_postgres::error::ErrorPosition::Original(16 + 7)));
    assert_eq!((error.detail(), error.hint()), (Some("detailed"), Some("hinted")));
    assert_eq!(host.implicit.load(Ordering::SeqCst), 101);
    client.batch_execute("done A").await.unwrap();
    assert_eq!(host.implicit.load(Ordering::SeqCst), 101, "a lone statement needs none");
}

#[tokio::test]
async fn a_prepared_statement_is_parsed_once_and_reads_binary_parameters() {
    let host = FakeHost::new();
    let client = client(&host).await;
    let echo = client.prepare("echo $1").await.unwrap();
    for n in [1i32, -7, i32::MAX] {
        assert_eq!(client.query_one(&echo, &[&n]).await.unwrap().get::<_, i32>(0), n);
    }
    assert_eq!(client.query_one(&echo, &[&None::<i32>]).await.unwrap().get::<_, Option<i32>>(0), None);
    assert_eq!(host.prepared.load(Ordering::SeqCst), 1);
    assert_eq!(host.implicit.load(Ordering::SeqCst), 0, "each commits by itself");
}

#[tokio::test]
async fn a_pipeline_is_answered_in_order() {
    let mut raw = Raw::new(&FakeHost::new(), &Registry::new()).await;
    let describe: Message<'_> = (b'D', b"P\0");
    assert_eq!(raw.talk(&[PARSE_ROWS, (b'D', b"S\0"), BIND, describe, EXECUTE, SYNC]).await, "1tT2TDDDDDDDCZi");
    assert_eq!(
        raw.talk(&[(b'P', b"x\0done A\0\0\0"), (b'B', b"\0x\0\0\0\0\0\0\0"), describe, EXECUTE, EXECUTE, SYNC]).await,
        "12nCE[55000]Zi"
    );
    assert_eq!(raw.talk(&[(b'P', b"x\0done B\0\0\0"), SYNC]).await, "E[42P05]Zi");
    assert_eq!(raw.talk(&[(b'C', b"Sx\0"), (b'B', b"\0x\0\0\0\0\0\0\0"), EXECUTE, SYNC]).await, "3E[26000]Zi");
    assert_eq!(raw.talk(&[(b'P', b"\0\0\0\0"), BIND, EXECUTE, SYNC]).await, "12IZi");
}

#[tokio::test]
async fn after_an_error_messages_are_skipped_up_to_sync() {
    let host = FakeHost::new();
    let mut raw = Raw::new(&host, &Registry::new()).await;
    let fail: Message<'_> = (b'P', b"\0fail\0\0\0");
    assert_eq!(raw.talk(&[fail, BIND, EXECUTE, (b'Q', b"done A\0"), SYNC]).await, "E[42P01]Zi");
    assert_eq!(raw.talk(&[PARSE_ROWS, BIND, EXECUTE, fail, SYNC]).await, "12DDDDDDDCE[42P01]Zi");
    assert_eq!(host.implicit.load(Ordering::SeqCst), 100, "what came before it is rolled back");
    for bad in [(b'B', &b"\0\0\0\0\0\x01\0\0\0\x01x\0\0"[..]), (b'B', b"\0\0\0\x01"), (b'E', b"\0"), (b'D', b"Q\0")] {
        assert_eq!(raw.talk(&[PARSE_ROWS, bad, SYNC]).await, "1E[08P01]Zi");
    }
    let format_2: Message<'_> = (b'B', b"\0\0\0\0\0\0\0\x01\0\x02");
    assert_eq!(raw.talk(&[PARSE_ROWS, format_2, SYNC]).await, "1E[22023]Zi");
}

#[tokio::test]
async fn a_portal_is_suspended_and_resumed_until_its_transaction_ends() {
    let host = FakeHost::new();
    let mut raw = Raw::new(&host, &Registry::new()).await;
    let bind: Message<'_> = (b'B', b"c\0\0\0\0\0\0\0\0");
    let (two, all): (Message<'_>, Message<'_>) = ((b'E', b"c\0\0\0\0\x02"), (b'E', b"c\0\0\0\0\0"));
    assert_eq!(raw.talk(&[(b'Q', b"begin\0")]).await, "CZt");
    assert_eq!(raw.talk(&[PARSE_ROWS, bind, two, SYNC]).await, "12DDsZt");
    assert_eq!(host.pulled.load(Ordering::SeqCst), 3, "no more than a batch was taken");
    assert_eq!(raw.talk(&[two, SYNC]).await, "DDsZt");
    assert_eq!(raw.talk(&[bind, SYNC]).await, "E[42P03]Ze");
    assert_eq!(raw.talk(&[(b'Q', b"rollback\0")]).await, "CZi");
    assert_eq!(raw.talk(&[(b'Q', b"begin\0")]).await, "CZt");
    assert_eq!(raw.talk(&[PARSE_ROWS, bind, two, all, all, SYNC, two, SYNC]).await, "12DDsDDDDDCCZt");
    assert_eq!(raw.until(b'Z').await, "CZt");
    assert_eq!(raw.talk(&[(b'P', b"\0commit\0\0\0"), BIND, EXECUTE, SYNC]).await, "12CZi");
    assert_eq!(raw.talk(&[two, SYNC]).await, "E[34000]Zi", "gone with its transaction");
}

#[tokio::test]
async fn flush_answers_without_sync() {
    let mut raw = Raw::new(&FakeHost::new(), &Registry::new()).await;
    raw.send(&[PARSE_ROWS, (b'H', b"")]).await;
    assert_eq!(raw.until(b'1').await, "1");
    assert_eq!(raw.talk(&[(b'H', b"x"), SYNC]).await, "E[08P01]Zi");
}

#[tokio::test]
async fn copy_goes_both_ways_in_both_protocols() {
    let mut raw = Raw::new(&FakeHost::new(), &Registry::new()).await;
    assert_eq!(raw.talk(&[(b'Q', b"copyin; copyout\0"), (b'd', b"a\nb"), (b'd', b"c\n"), (b'c', b"")]).await, "GCHddcCZi");
    assert_eq!(raw.talk(&[(b'Q', b"copyin\0"), (b'f', b"why\0")]).await, "GE[57014]Zi");
    assert_eq!(raw.talk(&[(b'Q', b"copyin\0"), (b'd', b"bad"), (b'd', b"x"), (b'c', b"")]).await, "GE[22P04]Zi");
    assert_eq!(raw.talk(&[(b'Q', b"done A\0")]).await, "CZi", "the rest of the data was drained");
    let parse: Message<'_> = (b'P', b"\0copyin\0\0\0");
    assert_eq!(raw.talk(&[parse, BIND, EXECUTE, (b'd', b"bad"), (b'c', b""), SYNC]).await, "12GE[22P04]Zi");
    let client = client(&FakeHost::new()).await;
    let mut sink = std::pin::pin!(client.copy_in::<_, bytes::Bytes>("copyin").await.unwrap());
    sink.send(bytes::Bytes::from_static(b"12345")).await.unwrap();
    assert_eq!(sink.finish().await.unwrap(), 5);
    let out: Vec<_> = client.copy_out("copyout").await.unwrap().try_collect().await.unwrap();
    assert_eq!(out.concat(), b"a\nb\n");
}

/// Sends a cancel request over a connection of its own, as clients do.
async fn cancel(host: &Arc<FakeHost>, registry: &Arc<Registry>, key: &[u8]) {
    let (mut stream, theirs) = duplex(64);
    stream.write_all(&[&b"\0\0\0\x10\x04\xd2\x16\x2e"[..], key].concat()).await.unwrap();
    converse(host.clone(), registry.clone(), theirs).await;
}

#[tokio::test]
async fn a_statement_is_cancelled_while_it_runs_and_while_it_sends() {
    let (host, registry) = (FakeHost::new(), Registry::new());
    let mut raw = Raw::new(&host, &registry).await;
    let key = raw.key.clone();
    // The notice says that the connection is in the midst of the query when the cancel comes.
    raw.send(&[(b'Q', b"notice; hang\0")]).await;
    assert_eq!(raw.until(b'C').await, "NC");
    cancel(&host, &registry, &key).await;
    assert_eq!(raw.until(b'Z').await, "E[57014]Zi");
    raw.send(&[(b'Q', b"hangrows\0")]).await;
    assert_eq!(raw.until(b'D').await, "TD");
    cancel(&host, &registry, &key).await;
    assert_eq!(raw.until(b'Z').await, "E[57014]Zi");
    cancel(&host, &registry, &key).await;
    assert_eq!(raw.talk(&[(b'Q', b"done A\0")]).await, "CZi", "a late cancel hits nothing");
    // One that comes as a statement ends hits the next of the same message, and none of the next message.
    assert_eq!(raw.talk(&[(b'Q', b"cancel; hangrows\0")]).await, "CTE[57014]Zi");
    assert_eq!(raw.talk(&[(b'Q', b"cancel\0")]).await, "CZi");
    assert_eq!(raw.talk(&[(b'Q', b"rows 1\0")]).await, "TDCZi");
}

#[tokio::test]
async fn rows_are_pulled_no_faster_than_they_are_read_and_cancel_gets_through() {
    let (host, registry) = (FakeHost::new(), Registry::new());
    let mut raw = Raw::new(&host, &registry).await;
    raw.send(&[(b'Q', b"rows 1000000\0")]).await;
    assert_eq!(raw.until(b'D').await, "TD");
    let key = raw.key.clone();
    cancel(&host, &registry, &key).await;
    assert!(raw.until(b'Z').await.ends_with("E[57014]Zi"));
    assert!(host.pulled.load(Ordering::SeqCst) < 100_000);
}

#[tokio::test]
async fn a_statement_ends_at_its_deadline() {
    let host = Arc::new(FakeHost { timeout: Some((Timeout::Statement, Duration::ZERO)), ..FakeHost::default() });
    let client = client(&host).await;
    for statement in ["hang", "hangrows"] {
        let error = client.batch_execute(statement).await.unwrap_err();
        assert_eq!(error.as_db_error().unwrap().message(), "canceling statement due to statement timeout");
    }
}

#[tokio::test]
async fn a_client_that_pauses_too_long_is_sent_away() {
    let paused = |what| Arc::new(FakeHost { timeout: Some((what, Duration::ZERO)), ..FakeHost::default() });
    let mut idle = Raw::new(&paused(Timeout::Idle), &Registry::new()).await;
    assert_eq!(idle.until(b'E').await, "E[57P05]");
    assert!(idle.read().await.is_none());
    // Who is in a transaction is not idle, and the other way round.
    let mut open = Raw::new(&paused(Timeout::IdleInTransaction), &Registry::new()).await;
    assert_eq!(open.talk(&[(b'Q', b"begin\0")]).await, "CZt");
    assert_eq!(open.until(b'E').await, "E[25P03]");
    assert!(open.read().await.is_none());
    let mut long = Raw::new(&paused(Timeout::Transaction), &Registry::new()).await;
    assert_eq!(long.talk(&[(b'Q', b"done A\0")]).await, "CZi");
    assert_eq!(long.talk(&[(b'Q', b"begin\0")]).await, "CZt");
    assert_eq!(long.until(b'E').await, "E[25P04]");
    let mut busy = Raw::new(&paused(Timeout::Transaction), &Registry::new()).await;
    busy.send(&[(b'Q', b"hang\0")]).await;
    assert_eq!(busy.until(b'E').await, "E[25P04]");
    assert!(busy.read().await.is_none());
}

#[tokio::test]
async fn a_client_that_never_finishes_its_startup_is_cut_off() {
    let host = Arc::new(FakeHost { startup_time: Some(Duration::ZERO), ..FakeHost::default() });
    // Nothing, half a length, half a startup, and a request for TLS with nothing behind it.
    for sent in [&b""[..], b"\0\0", b"\0\0\0\x12\0\x03\0\0user", b"\0\0\0\x08\x04\xd2\x16\x2f"] {
        let (mut stream, theirs) = duplex(PIPE);
        stream.write_all(sent).await.unwrap();
        let conversation = tokio::spawn(converse(host.clone(), Registry::new(), theirs));
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        assert!(answer.is_empty() || answer == b"N", "{answer:?}");
        conversation.await.unwrap();
    }
    assert_eq!(host.last.load(Ordering::SeqCst), 0, "there was no session");
}

#[tokio::test]
async fn notifications_reach_the_idle_and_wait_for_the_end_of_a_transaction() {
    let host = FakeHost::new();
    let mut raw = Raw::new(&host, &Registry::new()).await;
    let say = |payload: &str| host.hub.publish(9, &[("x".to_string(), payload.to_string())]);
    assert_eq!(raw.talk(&[(b'Q', b"listen x\0")]).await, "CZi");
    say("one");
    let (tag, body) = raw.read().await.unwrap();
    assert_eq!((tag, &body[..]), (b'A', &b"\0\0\0\x09x\0one\0"[..]));
    assert_eq!(raw.talk(&[(b'Q', b"begin\0")]).await, "CZt");
    say("two");
    say("three");
    assert_eq!(raw.talk(&[(b'Q', b"rows 4\0")]).await, "TDDDDCZt");
    assert_eq!(raw.talk(&[(b'Q', b"commit\0")]).await, "CAAZi");
    // Neither between the messages of the extended protocol.
    raw.send(&[PARSE_ROWS, (b'H', b"")]).await;
    assert_eq!(raw.until(b'1').await, "1");
    say("four");
    assert_eq!(raw.talk(&[BIND, EXECUTE, SYNC]).await, "2DDDDDDDCAZi");
}

#[tokio::test]
async fn a_listener_that_does_not_read_is_sent_away_and_delays_nobody() {
    let host = FakeHost::new();
    let (mut deaf, mut other) = (Raw::new(&host, &Registry::new()).await, Raw::new(&host, &Registry::new()).await);
    assert_eq!(deaf.talk(&[(b'Q', b"listen x\0")]).await, "CZi");
    let payload = "p".repeat(7_000);
    for _ in 0..2 * limits::NOTIFICATION_BYTES_MAX / payload.len() {
        host.hub.publish(9, &[("x".to_string(), payload.clone())]);
    }
    assert_eq!(other.talk(&[(b'Q', b"done A\0")]).await, "CZi");
    let answer = deaf.until(b'E').await;
    assert!(answer.ends_with("E[53400]"), "{}", answer.len());
    assert!(answer.len() < 1_000, "what waited in the server is dropped");
    assert!(deaf.read().await.is_none());
}

#[tokio::test]
async fn a_client_that_leaves_ends_its_statement() {
    for statement in [&b"hang\0"[..], b"hangrows\0"] {
        let mut raw = Raw::new(&FakeHost::new(), &Registry::new()).await;
        raw.send(&[(b'Q', statement)]).await;
        drop(raw.stream);
        raw.task.await.unwrap();
    }
}

#[tokio::test]
async fn a_panic_ends_its_connection_only() {
    let (host, registry) = (FakeHost::new(), Registry::new());
    let mut raw = Raw::new(&host, &registry).await;
    raw.send(&[(b'Q', b"panic\0")]).await;
    assert_eq!(raw.until(b'E').await, "E[XX000]");
    assert!(raw.read().await.is_none());
    let mut other = Raw::new(&host, &registry).await;
    assert_eq!(other.talk(&[(b'Q', b"done A\0")]).await, "CZi");
}

#[tokio::test]
async fn shutdown_tells_idle_and_busy_sessions() {
    let (host, registry) = (FakeHost::new(), Registry::new());
    let (mut idle, mut busy) = (Raw::new(&host, &registry).await, Raw::new(&host, &registry).await);
    busy.send(&[(b'Q', b"notice; hang\0")]).await;
    assert_eq!(busy.until(b'C').await, "NC");
    registry.shut_down();
    assert_eq!(idle.until(b'E').await, "E[57P01]");
    assert_eq!(busy.until(b'E').await, "E[57P01]");
    let (mut late, theirs) = duplex(PIPE);
    late.write_all(b"\0\0\0\x12\0\x03\0\0user\0ann\0\0").await.unwrap();
    tokio::spawn(converse(host, registry, theirs));
    let mut answer = Vec::new();
    late.read_to_end(&mut answer).await.unwrap();
    assert!(String::from_utf8_lossy(&answer).contains("57P01"));
}

#[tokio::test]
async fn messages_past_the_limit_or_of_no_known_type_close_the_connection() {
    let too_long = [&b"Q"[..], &((limits::MESSAGE_BYTES_MAX + 1) as u32).to_be_bytes()].concat();
    for (bytes, state) in
        [(&too_long[..], code::PROGRAM_LIMIT_EXCEEDED), (b"?\0\0\0\x04", "08P01"), (b"Q\0\0\0\x01", "08P01"), (b"p\0\0\0\x05\0", "08P01")]
    {
        let mut raw = Raw::new(&FakeHost::new(), &Registry::new()).await;
        raw.stream.write_all(bytes).await.unwrap();
        assert_eq!(raw.until(b'E').await, format!("E[{state}]"));
        assert!(raw.read().await.is_none());
    }
    let mut raw = Raw::new(&FakeHost::new(), &Registry::new()).await;
    assert_eq!(raw.talk(&[(b'F', b"\0\0\0\0")]).await, "E[0A000]Zi");
}

#[tokio::test]
async fn a_refused_user_is_told_and_a_large_value_gets_through() {
    let (ours, theirs) = duplex(PIPE);
    tokio::spawn(converse(FakeHost::new(), Registry::new(), theirs));
    let refused = tokio_postgres::Config::new().user("nobody").connect_raw(ours, NoTls).await;
    assert_eq!(refused.err().unwrap().code().unwrap().code(), "28000");
    let client = client(&FakeHost::new()).await;
    let text = format!("done {}", "x".repeat(3 << 20));
    client.batch_execute(&text).await.unwrap();
    let rows: Vec<_> = client.query_raw("rows 5000", Vec::<i32>::new()).await.unwrap().collect().await;
    assert_eq!(rows.iter().filter(|row| row.is_ok()).count(), 5000, "{:?}", rows.last());
}

#[test]
fn a_connection_that_is_idle_holds_little() {
    // What a statement needs while it runs is in boxes of its own.
    let (_client, server) = tokio::io::duplex(64);
    let conversation = converse(FakeHost::new(), Registry::new(), server);
    assert!(std::mem::size_of_val(&conversation) < 8 << 10, "{} bytes", std::mem::size_of_val(&conversation));
}
