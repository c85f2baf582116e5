//! Clients as people use them: tokio-postgres, psycopg 3, psql.

use std::process::Command;

use bytes::Bytes;
use futures::{SinkExt, StreamExt, TryStreamExt, pin_mut};
use tokio_postgres::binary_copy::{BinaryCopyInWriter, BinaryCopyOutStream};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, NoTls};

use crate::support::programs::{available, output_of, python_with};
use crate::support::server::Server;
use crate::support::wire::{Wire, report};

// tokio-postgres ---------------------------------------------------------------------------------------------------------

/// The only value of a query, in binary form.
async fn one<T>(client: &Client, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> T
where
    T: for<'a> tokio_postgres::types::FromSql<'a>,
{
    client.query_one(sql, parameters).await.unwrap_or_else(|e| panic!("{sql}: {e:?}")).get(0)
}

#[tokio::test]
async fn values_of_every_type_go_in_and_out_in_binary_form() {
    let server = Server::start();
    let client = server.client().await;
    let columns = "id int PRIMARY KEY, b boolean, s smallint, i int, l bigint, r real, d double precision, t text, v varchar(9), x bytea, ia int[], ta text[]";
    client.batch_execute(&format!("CREATE TABLE every ({columns}); CREATE MATERIALIZED VIEW mirror AS SELECT * FROM every")).await.unwrap();
    let insert = client.prepare("INSERT INTO every VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)").await.unwrap();
    let expected = [
        Type::INT4,
        Type::BOOL,
        Type::INT2,
        Type::INT4,
        Type::INT8,
        Type::FLOAT4,
        Type::FLOAT8,
        Type::TEXT,
        Type::VARCHAR,
        Type::BYTEA,
        Type::INT4_ARRAY,
        Type::TEXT_ARRAY,
    ];
    assert_eq!(insert.params(), expected);
    let (bytes, ints, texts) = (vec![0u8, 255, 128], vec![Some(1i32), None], vec![Some("a"), None, Some("")]);
    let row: [&(dyn ToSql + Sync); 12] =
        [&1i32, &true, &i16::MIN, &i32::MAX, &i64::MIN, &1.5f32, &0.1f64, &"grüß", &"varchar", &bytes, &ints, &texts];
    assert_eq!(client.execute(&insert, &row).await.unwrap(), 1);
    let none: [&(dyn ToSql + Sync); 12] = [
        &2i32,
        &None::<bool>,
        &None::<i16>,
        &None::<i32>,
        &None::<i64>,
        &None::<f32>,
        &None::<f64>,
        &None::<&str>,
        &None::<&str>,
        &None::<Vec<u8>>,
        &None::<Vec<Option<i32>>>,
        &None::<Vec<Option<&str>>>,
    ];
    client.execute(&insert, &none).await.unwrap();
    for source in ["every", "mirror"] {
        let rows = client.query(&format!("SELECT * FROM {source} ORDER BY id"), &[]).await.unwrap();
        let types: Vec<&Type> = rows[0].columns().iter().map(|c| c.type_()).collect();
        assert_eq!(types, expected.iter().collect::<Vec<_>>());
        let first = &rows[0];
        assert!(first.get::<_, bool>(1));
        assert_eq!((first.get::<_, i16>(2), first.get::<_, i32>(3), first.get::<_, i64>(4)), (i16::MIN, i32::MAX, i64::MIN));
        assert_eq!((first.get::<_, f32>(5), first.get::<_, f64>(6)), (1.5, 0.1));
        assert_eq!((first.get::<_, &str>(7), first.get::<_, &str>(8)), ("grüß", "varchar"));
        assert_eq!(first.get::<_, &[u8]>(9), &bytes[..]);
        assert_eq!(first.get::<_, Vec<Option<i32>>>(10), ints);
        assert_eq!(first.get::<_, Vec<Option<&str>>>(11), texts);
        for column in 1..12 {
            // A type that takes any bytes shows that there are none.
            assert!(rows[1].try_get::<_, Option<Raw>>(column).unwrap().is_none(), "{source} column {column}");
        }
    }
}

/// The bytes of a value of any type.
struct Raw(Vec<u8>);

impl<'a> tokio_postgres::types::FromSql<'a> for Raw {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Raw, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Raw(raw.to_vec()))
    }
    fn accepts(_: &Type) -> bool {
        true
    }
}

#[tokio::test]
async fn binary_forms_are_those_of_postgresql() {
    let server = Server::start();
    let client = server.client().await;
    for (sql, hex) in [
        // Digits, weight, sign, scale; then the digits to base 10000.
        ("SELECT 1.5::numeric", "0002 0000 0000 0001 0001 1388"),
        ("SELECT -12345.678::numeric(10,3)", "0003 0001 4000 0003 0001 0929 1a7c"),
        ("SELECT 0::numeric", "0000000000000000"),
        ("SELECT date '2000-01-02'", "00000001"),
        ("SELECT time '00:00:01'", "00000000000f4240"),
        ("SELECT timestamp '2000-01-01 00:00:01'", "00000000000f4240"),
        ("SELECT timestamptz '2000-01-01 00:00:01+00'", "00000000000f4240"),
        ("SELECT interval '1 month 2 days 3 microseconds'", "00000000000000030000000200000001"),
        ("SELECT uuid 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "a0eebc999c0b4ef8bb6d6bb9bd380a11"),
        ("SELECT '{\"a\":1}'::jsonb", "017b2261223a20317d"),
        ("SELECT '{\"a\":1}'::json", "7b2261223a317d"),
        ("SELECT true", "01"),
        ("SELECT ARRAY[1,NULL]::int[]", "00000001 00000001 00000017 00000002 00000001 00000004 00000001 ffffffff"),
        ("SELECT '{}'::text[]", "00000000 00000000 00000019"),
        ("SELECT 1", "00000001"),
        ("SELECT 1 + 1", "00000002"),
        ("SELECT count(*) FROM (VALUES (1), (2)) v", "0000000000000002"),
        ("SELECT sum(x) FROM (VALUES (1), (2)) v(x)", "0000000000000003"),
        ("SELECT CASE WHEN true THEN 1 ELSE 2 END", "00000001"),
        ("SELECT coalesce(NULL, 5)", "00000005"),
    ] {
        let raw: Raw = one(&client, sql, &[]).await;
        assert_eq!(raw.0.iter().map(|b| format!("{b:02x}")).collect::<String>(), hex.replace(' ', ""), "{sql}");
    }
}

#[tokio::test]
async fn parameters_get_their_types_from_where_they_stand() {
    let server = Server::start();
    let client = server.client().await;
    client
        .batch_execute("CREATE TABLE t (k int PRIMARY KEY, v text, n bigint); INSERT INTO t VALUES (1, 'one', 10), (2, 'two', 20)")
        .await
        .unwrap();
    let types = |sql: &'static str| {
        let client = &client;
        async move { client.prepare(sql).await.unwrap_or_else(|e| panic!("{sql}: {e:?}")).params().to_vec() }
    };
    assert_eq!(types("SELECT v FROM t WHERE k = $1").await, [Type::INT4]);
    assert_eq!(types("SELECT v FROM t WHERE n > $1 AND v LIKE $2").await, [Type::INT8, Type::TEXT]);
    assert_eq!(types("UPDATE t SET v = $1 WHERE k = $2").await, [Type::TEXT, Type::INT4]);
    assert_eq!(types("DELETE FROM t WHERE n = $1").await, [Type::INT8]);
    assert_eq!(types("INSERT INTO t (n, k) VALUES ($1, $2)").await, [Type::INT8, Type::INT4]);
    assert_eq!(types("INSERT INTO t SELECT k + $1, v, n FROM t WHERE k IN ($2, $3)").await, [Type::INT4, Type::INT4, Type::INT4]);
    let int = Type::INT4;
    for (sql, expected) in [
        ("SELECT 1 FROM t WHERE k = ANY($1)", vec![Type::INT4_ARRAY]),
        ("SELECT k FROM t WHERE v = $1 AND k > $2 ORDER BY k LIMIT $3 OFFSET $4", vec![Type::TEXT, int.clone(), Type::INT8, Type::INT8]),
        ("SELECT $1::bigint + 1, 1 / ($2::int - 3), $3 + 1, k + $4 FROM t", vec![Type::INT8, int.clone(), int.clone(), int.clone()]),
        ("SELECT coalesce(k, $1), coalesce($2, v), nullif(k, $3) FROM t", vec![int.clone(), Type::TEXT, int.clone()]),
        ("SELECT CASE WHEN k = 1 THEN $1 ELSE n END, CASE WHEN $2 THEN 1 END FROM t", vec![Type::INT8, Type::BOOL]),
        (
            "SELECT 1 FROM t WHERE now() > $1 AND now() - $2::interval > $3 AND NOT $4",
            vec![Type::TIMESTAMPTZ, Type::INTERVAL, Type::TIMESTAMPTZ, Type::BOOL],
        ),
        ("SELECT substr(v, $1), left(v, $2), lower($3), v || $4 FROM t", vec![int.clone(), int.clone(), Type::TEXT, Type::TEXT]),
        ("SELECT round(n::numeric, $1), abs($2::numeric), $3::int[] FROM t", vec![int.clone(), Type::NUMERIC, Type::INT4_ARRAY]),
        ("INSERT INTO t SELECT $1, $2, $3", vec![int.clone(), Type::TEXT, Type::INT8]),
        ("INSERT INTO t (k, v) VALUES ($1, lower($2)), ($3 + 1, $4)", vec![int.clone(), Type::TEXT, int.clone(), Type::TEXT]),
        ("UPDATE t SET n = n + $1, v = coalesce($2, v) WHERE k = $3", vec![Type::INT8, Type::TEXT, int.clone()]),
        ("SELECT count(*) FILTER (WHERE k > $1) FROM t GROUP BY v HAVING sum(k) > $2", vec![int.clone(), Type::INT8]),
        ("SELECT pg_sleep($1), set_config($2, $3, $4)", vec![Type::FLOAT8, Type::TEXT, Type::TEXT, Type::BOOL]),
        ("SELECT lag(k, $1, $2) OVER (ORDER BY k), ntile($3) OVER (ORDER BY k) FROM t", vec![int.clone(), int.clone(), int.clone()]),
        ("SELECT count(*) FILTER (WHERE $1) FROM t", vec![Type::BOOL]),
        ("SELECT $1::oid, array_append($2, 1)", vec![Type::OID, Type::INT4_ARRAY]),
        ("SELECT $1", vec![Type::TEXT]),
    ] {
        assert_eq!(types(sql).await, expected, "{sql}");
    }
    assert_eq!(one::<i32>(&client, "SELECT k FROM t WHERE k = ANY($1)", &[&vec![2i32, 7]]).await, 2);
    assert_eq!(one::<i32>(&client, "SELECT k FROM t ORDER BY k LIMIT $1 OFFSET $2", &[&1i64, &1i64]).await, 2);
    assert_eq!(one::<i64>(&client, "SELECT $1::bigint + 1", &[&3i64]).await, 4);
    assert_eq!(one::<i64>(&client, "SELECT coalesce($1, n) FROM t WHERE k = 1", &[&None::<i64>]).await, 10);
    assert_eq!(one::<String>(&client, "SELECT substr(v, $1) FROM t WHERE k = 2", &[&2i32]).await, "wo");
    assert_eq!(one::<u32>(&client, "SELECT $1::oid", &[&16_384u32]).await, 16_384);
    client.query("SELECT pg_sleep($1)", &[&0.01f64]).await.expect("it sleeps");
    let by_zero = client.query("SELECT 1 / ($1::int - 3)", &[&3i32]).await.unwrap_err();
    assert_eq!(by_zero.code().map(|c| c.code()), Some("22012"));
    assert_eq!(client.execute("INSERT INTO t SELECT $1, lower($2), 30", &[&3i32, &"DREI"]).await.unwrap(), 1);
    assert_eq!(one::<String>(&client, "SELECT v FROM t WHERE k = 3", &[]).await, "drei");
    assert_eq!(client.execute("DELETE FROM t WHERE k = $1", &[&3i32]).await.unwrap(), 1);
    assert_eq!(one::<String>(&client, "SELECT v FROM t WHERE k = $1", &[&2i32]).await, "two");
    assert_eq!(one::<i64>(&client, "SELECT n FROM t WHERE n BETWEEN $1 AND $2", &[&15i64, &25i64]).await, 20);
    assert_eq!(one::<i32>(&client, "SELECT k + $1 FROM t WHERE v = $2", &[&5i32, &"one"]).await, 6);
    assert_eq!(client.execute("UPDATE t SET v = $1, n = n + $2 WHERE k = $3", &[&"uno", &1i64, &1i32]).await.unwrap(), 1);
    assert_eq!(one::<String>(&client, "SELECT v FROM t WHERE k = 1", &[]).await, "uno");
    assert_eq!(client.execute("DELETE FROM t WHERE k = $1", &[&1i32]).await.unwrap(), 1);
}

#[tokio::test]
async fn a_portal_gives_a_few_rows_at_a_time() {
    let server = Server::start();
    let mut client = server.client().await;
    let transaction = client.transaction().await.unwrap();
    let portal = transaction.bind("SELECT i::int FROM generate_series(1, 1000) AS g(i) ORDER BY i", &[]).await.unwrap();
    let mut sum = 0i64;
    let mut calls = 0;
    loop {
        let rows = transaction.query_portal(&portal, 300).await.unwrap();
        sum += rows.iter().map(|r| i64::from(r.get::<_, i32>(0))).sum::<i64>();
        calls += 1;
        if rows.len() < 300 {
            break;
        }
    }
    assert_eq!((sum, calls), (500_500, 4));
    transaction.commit().await.unwrap();
}

/// From protocol 3.2 on a cancel key may have up to 256 bytes; older clients get one of four.
#[test]
fn both_lengths_of_cancel_keys_stop_a_statement() {
    let server = Server::start();
    for (version, long) in [(0x3_0000, false), (0x3_0002, true)] {
        let mut wire = Wire::connect_by(version, server.address, &[("user", "ann")]).expect("it is let in");
        let secret = wire.key.len() - 4;
        assert!(if long { secret > 4 } else { secret == 4 }, "{secret} bytes");
        // The notice says that the statement has begun.
        wire.send(&[(b'Q', b"DROP TABLE IF EXISTS t; SELECT pg_sleep(600)\0")]);
        while wire.read().expect("the server answers").0 != b'N' {}
        wire.cancel();
        let told = wire.outcomes().pop().expect("the statement ends").expect_err("it was stopped");
        assert_eq!(told.code, "57014");
    }
}

/// FETCH, MOVE and CLOSE know the portals of the protocol, as asyncpg's cursors ask of them between two Executes.
#[test]
fn a_portal_is_a_cursor_to_sql() {
    let server = Server::start();
    let mut wire = server.connect();
    type Message<'a> = (u8, &'a [u8]);
    let parse: Message<'_> = (b'P', b"\0SELECT i FROM generate_series(1, 10) AS g(i) ORDER BY i\0\0\0");
    // All results in binary form, but those of FETCH are in text.
    let bind: Message<'_> = (b'B', b"c\0\0\0\0\0\0\0\x01\0\x01");
    let two: Message<'_> = (b'E', b"c\0\0\0\0\x02");
    let sync: Message<'_> = (b'S', b"");
    wire.ok("BEGIN");
    wire.send(&[parse, bind, sync]);
    assert!(wire.outcomes().is_empty());
    assert_eq!(wire.ok("MOVE 2 c").tag.as_deref(), Some("MOVE 2"), "before anything was executed");
    assert_eq!(wire.rows("FETCH 2 FROM c"), ["3", "4"]);
    wire.send(&[two, sync]);
    let executed = wire.outcomes().pop().expect("an outcome").expect("it runs");
    assert_eq!(executed.lines(), ["\0\0\0\u{5}", "\0\0\0\u{6}"]);
    assert_eq!(wire.rows("FETCH ABSOLUTE 8 FROM c"), ["8"]);
    wire.ok("SAVEPOINT s");
    assert_eq!(wire.error("FETCH PRIOR FROM c").code, "55000");
    wire.ok("ROLLBACK TO s");
    assert_eq!(wire.error("MOVE 1 d").code, "34000");
    wire.ok("ROLLBACK; BEGIN");
    wire.send(&[parse, bind, two, sync]);
    wire.outcomes();
    assert_eq!(wire.ok("MOVE ALL c").tag.as_deref(), Some("MOVE 8"));
    assert_eq!(wire.ok("FETCH c").tag.as_deref(), Some("FETCH 0"));
    assert_eq!(wire.ok("CLOSE c").tag.as_deref(), Some("CLOSE CURSOR"));
    assert_eq!(wire.error("CLOSE c").code, "34000");
}

#[tokio::test]
async fn a_transaction_commits_or_rolls_back() {
    let server = Server::start();
    let mut client = server.client().await;
    client.batch_execute("CREATE STREAM s (a int)").await.unwrap();
    let transaction = client.transaction().await.unwrap();
    transaction.execute("INSERT INTO s VALUES ($1)", &[&1i32]).await.unwrap();
    transaction.rollback().await.unwrap();
    let transaction = client.transaction().await.unwrap();
    transaction.execute("INSERT INTO s VALUES ($1)", &[&2i32]).await.unwrap();
    transaction.commit().await.unwrap();
    {
        let transaction = client.transaction().await.unwrap();
        transaction.execute("INSERT INTO s VALUES ($1)", &[&3i32]).await.unwrap();
        // Dropped: the driver rolls back.
    }
    assert_eq!(one::<i64>(&client, "SELECT count(*) FROM s", &[]).await, 1);
    assert_eq!(one::<i32>(&client, "SELECT a FROM s", &[]).await, 2);
}

#[tokio::test]
async fn a_statement_is_cancelled_and_its_session_goes_on() {
    let server = Server::start();
    let client = server.client().await;
    let watch = server.client().await;
    let running = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT count(*) FROM generate_series%'";
    // One cancel, sent when the statement is known to run: a second one could arrive late and hit the statement after it.
    let cancel = async {
        while one::<i64>(&watch, running, &[]).await == 0 {}
        client.cancel_token().cancel_query(NoTls).await.unwrap();
    };
    let long = client.query_one("SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 1000000) b", &[]);
    let (answer, ()) = futures::join!(long, cancel);
    let error = answer.unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::QUERY_CANCELED));
    assert_eq!(one::<i32>(&client, "SELECT 1", &[]).await, 1);
    client.batch_execute("SET statement_timeout = 50").await.unwrap();
    let error =
        client.query_one("SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 1000000) b", &[]).await.unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::QUERY_CANCELED));
}

#[tokio::test]
async fn a_session_stops_what_another_does_and_ends_it_if_it_may() {
    let server = Server::start();
    let client = server.client().await;
    let watch = server.client().await;
    let pid = one::<i32>(&client, "SELECT pg_backend_pid()", &[]).await;
    let running = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT count(*) FROM generate_series%'";
    let long = "SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 1000000) b";
    let cancel = async {
        while one::<i64>(&watch, running, &[]).await == 0 {}
        assert!(one::<bool>(&watch, &format!("SELECT pg_cancel_backend({pid})"), &[]).await);
    };
    let (answer, ()) = futures::join!(client.query_one(long, &[]), cancel);
    assert_eq!(answer.unwrap_err().code(), Some(&SqlState::QUERY_CANCELED));
    assert_eq!(one::<i32>(&client, "SELECT 1", &[]).await, 1);
    assert!(!one::<bool>(&watch, "SELECT pg_cancel_backend(2000000000)", &[]).await);

    // The first superuser's session is no affair of a role of little power.
    watch.batch_execute("CREATE ROLE small; CREATE ROLE helper IN ROLE pg_signal_backend").await.unwrap();
    for role in ["small", "helper"] {
        watch.batch_execute(&format!("SET ROLE {role}")).await.unwrap();
        let error = watch.query_one(&format!("SELECT pg_terminate_backend({pid})"), &[]).await.unwrap_err();
        assert_eq!(error.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{role}");
    }
    watch.batch_execute("RESET ROLE").await.unwrap();
    assert!(one::<bool>(&watch, &format!("SELECT pg_terminate_backend({pid})"), &[]).await);
    while client.simple_query("SELECT 1").await.is_ok() {}
    assert!(client.is_closed());
    while one::<i64>(&watch, &format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {pid}"), &[]).await > 0 {}
}

#[tokio::test]
async fn copy_goes_in_and_out_as_text_and_in_binary_form() {
    let server = Server::start();
    let client = server.client().await;
    client.batch_execute("CREATE TABLE c (k int PRIMARY KEY, t text, d double precision, x bytea)").await.unwrap();
    let sink = client.copy_in("COPY c (k, t) FROM STDIN").await.unwrap();
    pin_mut!(sink);
    // Cut in the midst of a line and of a character.
    for part in [&b"1\tgr\xc3"[..], b"\xbc\xc3\x9f\n2", b"\t\\N\n"] {
        sink.send(Bytes::copy_from_slice(part)).await.unwrap();
    }
    assert_eq!(sink.finish().await.unwrap(), 2);
    let types = [Type::INT4, Type::TEXT, Type::FLOAT8, Type::BYTEA];
    let sink = client.copy_in("COPY c FROM STDIN (FORMAT binary)").await.unwrap();
    let writer = BinaryCopyInWriter::new(sink, &types);
    pin_mut!(writer);
    for k in 10..2_010i32 {
        let text = (k % 3 != 0).then(|| format!("row {k}"));
        writer.as_mut().write(&[&k, &text, &f64::from(k), &vec![k as u8; 3]]).await.unwrap();
    }
    assert_eq!(writer.finish().await.unwrap(), 2_000);
    let out: Vec<Bytes> =
        client.copy_out("COPY (SELECT k, t FROM c WHERE k < 12 ORDER BY k) TO STDOUT").await.unwrap().try_collect().await.unwrap();
    assert_eq!(String::from_utf8(out.concat()).unwrap(), "1\tgrüß\n2\t\\N\n10\trow 10\n11\trow 11\n");
    let out = client.copy_out("COPY (SELECT k, t, d, x FROM c WHERE k >= 10 ORDER BY k) TO STDOUT (FORMAT binary)").await.unwrap();
    let rows: Vec<_> = BinaryCopyOutStream::new(out, &types).try_collect().await.unwrap();
    assert_eq!(rows.len(), 2_000);
    assert_eq!((rows[1].get::<i32>(0), rows[1].get::<Option<&str>>(1), rows[1].get::<f64>(2)), (11, Some("row 11"), 11.0));
    assert_eq!(rows[2].get::<Option<&str>>(1), None);
    // A copy that the client gives up leaves nothing.
    {
        let sink = client.copy_in::<_, Bytes>("COPY c (k) FROM STDIN").await.unwrap();
        pin_mut!(sink);
        sink.send(Bytes::from_static(b"9999\n")).await.unwrap();
    }
    assert_eq!(one::<i64>(&client, "SELECT count(*) FROM c WHERE k = 9999", &[]).await, 0);
}

#[tokio::test]
async fn statements_are_pipelined() {
    let server = Server::start();
    let client = server.client().await;
    client.batch_execute("CREATE TABLE t (k int PRIMARY KEY, v int)").await.unwrap();
    let insert = client.prepare("INSERT INTO t VALUES ($1, $1)").await.unwrap();
    let keys: Vec<i32> = (0..500).collect();
    let all = keys.iter().map(|k| async { client.execute(&insert, &[k]).await });
    let done: Vec<u64> = futures::future::try_join_all(all).await.unwrap();
    assert_eq!(done.iter().sum::<u64>(), 500);
    let select = client.prepare("SELECT v FROM t WHERE k = $1").await.unwrap();
    let all = keys.iter().map(|k| async { client.query_one(&select, &[k]).await.map(|row| row.get::<_, i32>(0)) });
    assert_eq!(futures::future::try_join_all(all).await.unwrap(), keys);
    // One that fails harms none of its neighbours.
    let bad = client.prepare("SELECT 1 / (v - 3) FROM t WHERE k = $1").await.unwrap();
    let all = keys[..6].iter().map(|k| async { client.query_one(&bad, &[k]).await.map(|row| row.get::<_, i32>(0)).ok() });
    assert_eq!(futures::future::join_all(all).await, [Some(0), Some(0), Some(-1), None, Some(1), Some(0)]);
}

#[tokio::test]
async fn columns_of_relations_say_which_they_are() {
    let server = Server::start();
    let client = server.client().await;
    let setup = "CREATE TABLE t (k int PRIMARY KEY, v text); CREATE STREAM s (v text, n int); CREATE VIEW w AS SELECT v, k FROM t;
                 CREATE MATERIALIZED VIEW m AS SELECT n, count(*) AS c FROM s GROUP BY n";
    client.batch_execute(setup).await.unwrap();
    let mut oids = std::collections::HashMap::new();
    for name in ["t", "s", "w", "m", "pg_class"] {
        let oid: u32 = one(&client, &format!("SELECT '{name}'::regclass::oid"), &[]).await;
        oids.insert(name, oid);
    }
    let cases: [(&str, &[&str]); 16] = [
        ("SELECT v, k FROM t", &["t.2", "t.1"]),
        ("SELECT v FROM t WHERE k = $1", &["t.2"]),
        ("SELECT v AS x, k + 1, upper(v) FROM t ORDER BY k LIMIT 2", &["t.2", "", ""]),
        ("SELECT a.v, b.k FROM t a LEFT JOIN (SELECT k FROM t WHERE k > 1) b USING (k)", &["t.2", "t.1"]),
        ("SELECT *, s.n FROM s JOIN t ON s.v = t.v", &["s.1", "s.2", "t.1", "t.2", "s.2"]),
        ("SELECT n, _offset FROM s", &["s.2", ""]),
        ("SELECT * FROM w", &["w.1", "w.2"]),
        ("SELECT * FROM m", &["m.1", "m.2"]),
        ("SELECT c FROM m WHERE n = 1", &["m.2"]),
        ("WITH q AS (SELECT v FROM t) SELECT DISTINCT v FROM q", &["t.2"]),
        ("SELECT v, count(*) FROM t GROUP BY v", &["t.2", ""]),
        ("SELECT v FROM t UNION SELECT v FROM t", &[""]),
        ("SELECT relname, oid FROM pg_class", &["pg_class.2", "pg_class.1"]),
        ("INSERT INTO t VALUES (1, 'a') RETURNING v AS x, k + 1, k", &["t.2", "", "t.1"]),
        ("UPDATE t SET v = 'b' FROM s WHERE s.n = t.k RETURNING t.*, upper(s.v)", &["t.1", "t.2", ""]),
        ("DELETE FROM t AS old WHERE k = $1 RETURNING old.v", &["t.2"]),
    ];
    for (sql, expected) in cases {
        let statement = client.prepare(sql).await.unwrap_or_else(|e| panic!("{sql}: {e:?}"));
        let name = |oid: u32| oids.iter().find(|(_, known)| **known == oid).map_or("?", |(name, _)| name);
        let origin = |c: &tokio_postgres::Column| match (c.table_oid(), c.column_id()) {
            (Some(table), Some(column)) => format!("{}.{column}", name(table)),
            _ => String::new(),
        };
        let origins: Vec<String> = statement.columns().iter().map(origin).collect();
        assert_eq!(origins, expected, "{sql}");
    }
}

#[tokio::test]
async fn notices_and_errors_carry_their_fields() {
    let server = Server::start();
    let mut config = tokio_postgres::Config::new();
    config.host(server.address.ip().to_string()).port(server.address.port()).user("ann");
    let (client, mut connection) = config.connect(NoTls).await.unwrap();
    let (send, mut notices) = futures::channel::mpsc::unbounded();
    tokio::spawn(async move {
        let mut messages = futures::stream::poll_fn(move |cx| connection.poll_message(cx));
        while let Some(Ok(message)) = messages.next().await {
            if let tokio_postgres::AsyncMessage::Notice(notice) = message {
                let _ = send.unbounded_send(notice);
            }
        }
    });
    client.batch_execute("DROP TABLE IF EXISTS nosuch").await.unwrap();
    let notice = notices.next().await.unwrap();
    assert_eq!((notice.severity(), notice.message()), ("NOTICE", "table \"nosuch\" does not exist, skipping"));
    client.batch_execute("CREATE TABLE numbers (n int PRIMARY KEY)").await.unwrap();
    let error = client.prepare("SELECT n FROM nubmers").await.unwrap_err();
    let error = error.as_db_error().unwrap();
    assert_eq!(error.code(), &SqlState::UNDEFINED_TABLE);
    assert_eq!(error.hint(), Some("Perhaps you meant \"numbers\"."));
    assert_eq!(error.position(), Some(&tokio_postgres::error::ErrorPosition::Original(15)));
}

// psycopg 3 -----------------------------------------------------------------------------------------------------------------

#[test]
fn psycopg_3_works() {
    let Some(python) = python_with("psycopg", "the test of psycopg 3") else { return };
    let server = Server::start();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/psycopg_smoke.py");
    let mut command = Command::new(python);
    command.arg(script).arg(server.address.ip().to_string()).arg(server.address.port().to_string());
    assert!(output_of(&mut command).ends_with("ok\n"));
}

// Parquet -------------------------------------------------------------------------------------------------------------------

#[test]
fn a_foreign_reader_reads_a_segment() {
    let Some(python) = python_with("pyarrow.parquet", "the test of a foreign Parquet reader") else { return };
    let server = Server::start();
    let mut wire = server.connect();
    wire.ok("CREATE STREAM seen (k bigint, price numeric(10,2), at timestamptz, note text)");
    wire.ok("INSERT INTO seen SELECT i, i / 4.0, timestamptz '2020-01-01 00:00:00+00', 'n' || i FROM generate_series(1, 1000) AS g(i)");
    wire.ok("CHECKPOINT");
    let script = "import glob, sys, pyarrow.compute as pc, pyarrow.parquet as pq\n\
        tables = [pq.read_table(f) for f in glob.glob(sys.argv[1] + '/segments/*/*.parquet')]\n\
        seen = [t for t in tables if 'price' in t.column_names][0]\n\
        print(seen.num_rows, pc.sum(seen['k']), pc.sum(seen['price']), seen['note'][999], seen['at'][0], seen['_offset'][999])";
    let printed = output_of(Command::new(python).args(["-c", script]).arg(server.data()));
    assert_eq!(printed.trim(), "1000 500500 125125.00 n1000 2020-01-01 00:00:00+00:00 999");
}

// psql ------------------------------------------------------------------------------------------------------------------------

/// What psql prints for these commands, without settings of the machine.
fn psql(server: &Server, options: &[&str], commands: &[&str]) -> String {
    let mut command = Command::new("psql");
    command.args(["-X", "-h", &server.address.ip().to_string(), "-p", &server.address.port().to_string(), "-d", "everfold", "-U", "ann"]);
    command.args(options).current_dir(server.directory());
    for text in commands {
        command.args(["-c", text]);
    }
    output_of(&mut command)
}

/// The type modifiers of the next RowDescription.
fn modifiers(wire: &mut Wire) -> Vec<i32> {
    let described = loop {
        match wire.read().expect("a RowDescription comes") {
            (b'T', body) => break body,
            (b'E', body) => panic!("{:?}", report(&body)),
            _ => {}
        }
    };
    let (mut found, mut fields) = (vec![], &described[2..]);
    while let Some(end) = fields.iter().position(|byte| *byte == 0) {
        // Behind the name: relation, column, type, length, modifier, format.
        let facts = &fields[end + 1..];
        found.push(i32::from_be_bytes(facts[12..16].try_into().expect("four bytes")));
        fields = &facts[18..];
    }
    found
}

#[test]
fn both_protocols_describe_columns_with_the_modifiers_that_were_declared() {
    let server = Server::start();
    let mut wire = server.connect();
    wire.ok("CREATE TABLE t (n numeric(10,2), v varchar(5), c char(4), ns numeric(10,2)[])");
    let query = "SELECT n, v, c, ns, n + 1, sum(n) OVER (), v || 'x', n::numeric(5), coalesce(n, n), coalesce(n, 0), 1.50 FROM t\0";
    let numeric = |precision: i32, scale: i32| (precision << 16 | scale) + 4;
    let expected = [numeric(10, 2), 9, 8, numeric(10, 2), -1, -1, -1, numeric(5, 0), numeric(10, 2), -1, -1];
    wire.send(&[(b'Q', query.as_bytes())]);
    assert_eq!(modifiers(&mut wire), expected);
    wire.outcomes();
    let parse = [b"\0", query.as_bytes(), b"\0\0"].concat();
    wire.send(&[(b'P', &parse), (b'D', b"S\0"), (b'S', b"")]);
    assert_eq!(modifiers(&mut wire), expected);
}

#[test]
fn psql_describes_what_there_is() {
    if !available("psql", &["--version"], "the test of psql's backslash commands") {
        return;
    }
    let server = Server::start();
    psql(
        &server,
        &["-q"],
        &[
            "CREATE STREAM events (id int NOT NULL, at timestamptz, body jsonb)",
            "CREATE TABLE accounts (id bigint PRIMARY KEY, owner varchar(20) DEFAULT 'nobody', balance numeric(12,2) NOT NULL)",
            "CREATE MATERIALIZED VIEW totals AS SELECT owner, sum(balance) AS total FROM accounts GROUP BY owner",
            "CREATE VIEW rich AS SELECT owner FROM totals WHERE total > 100",
            "INSERT INTO accounts VALUES (1, 'ann', 10), (2, 'bob', 200)",
        ],
    );
    let tables = psql(&server, &["-At"], &["\\dt"]);
    assert!(tables.contains("public|accounts|table|"), "{tables}");
    let all = psql(&server, &["-At"], &["\\d"]);
    for line in ["public|accounts|table|", "public|totals|materialized view|", "public|rich|view|", "public|events|"] {
        assert!(all.contains(line), "{line} is not in\n{all}");
    }
    let one = psql(&server, &[], &["\\d accounts"]);
    for part in ["Table \"public.accounts\"", "character varying(20)", "numeric(12,2)", "not null", "'nobody'", "PRIMARY KEY"] {
        assert!(one.contains(part), "{part} is not in\n{one}");
    }
    let view = psql(&server, &[], &["\\d+ totals"]);
    assert!(view.contains("Materialized view \"public.totals\"") && view.to_lowercase().contains("select owner, sum(balance)"), "{view}");
    assert!(psql(&server, &["-At"], &["\\dv"]).contains("public|rich|view|"));
    assert!(psql(&server, &["-At"], &["\\dm"]).contains("public|totals|materialized view|"));
    assert!(psql(&server, &["-At"], &["\\l"]).contains("everfold|"));
    assert!(psql(&server, &["-At"], &["\\dn"]).contains("public|"));
    for command in
        ["\\du", "\\df", "\\dT", "\\di", "\\ds", "\\dp", "\\dx", "\\db", "\\d+", "\\dt+", "\\conninfo", "\\encoding", "\\sv rich"]
    {
        psql(&server, &["-v", "ON_ERROR_STOP=1"], &[command]);
    }
}

#[test]
fn psql_fetches_copies_and_times() {
    if !available("psql", &["--version"], "the test of psql's \\copy and FETCH_COUNT") {
        return;
    }
    let server = Server::start();
    psql(&server, &["-q"], &["CREATE TABLE t (k int PRIMARY KEY, v text)"]);
    let data: String = (0..5_000).map(|k| format!("{k},\"value, {k}\"\n")).collect();
    std::fs::write(server.directory().join("in.csv"), format!("k,v\n{data}")).expect("a file");
    let copied = psql(&server, &[], &["\\copy t FROM 'in.csv' WITH (FORMAT csv, HEADER)"]);
    assert_eq!(copied, "COPY 5000\n");
    let copied = psql(&server, &[], &["\\copy (SELECT * FROM t ORDER BY k) TO 'out.csv' CSV HEADER"]);
    assert_eq!(copied, "COPY 5000\n");
    let out = std::fs::read_to_string(server.directory().join("out.csv")).expect("it was written");
    assert_eq!(out, format!("k,v\n{data}"));
    let fetched = psql(&server, &["-At", "-v", "FETCH_COUNT=100"], &["SELECT k, v FROM t ORDER BY k"]);
    assert_eq!(fetched.lines().count(), 5_000);
    assert_eq!(fetched.lines().nth(4_999), Some("4999|value, 4999"));
    let timed = psql(&server, &["-At"], &["\\timing on", "SELECT 1"]);
    assert!(timed.contains("Time: "), "{timed}");
    let pieces = psql(&server, &["-At"], &["SELECT 1; SELECT 'two'; SELECT 3"]);
    assert_eq!(pieces, "1\ntwo\n3\n");
    std::fs::write(
        server.directory().join("script.sql"),
        "BEGIN;\nINSERT INTO t VALUES (-1, 'x');\nCOMMIT;\nSELECT count(*) FROM t;\n\\gset\n",
    )
    .expect("a file");
    let script = psql(&server, &["-At", "-q", "-v", "ON_ERROR_STOP=1", "-f", "script.sql"], &[]);
    assert_eq!(script, "5001\n");
}

#[test]
fn statements_around_a_query_take_its_parameters() {
    let server = Server::start();
    let mut wire = server.connect();
    wire.ok("CREATE TABLE t (k int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'one'), (2, 'two'), (3, 'three')");
    wire.ok("BEGIN");
    let declared = wire.extended("DECLARE c CURSOR FOR SELECT v FROM t WHERE k > $1 ORDER BY k LIMIT $2", &[Some("1"), Some("1")]);
    assert_eq!(declared.expect("a cursor").tag.as_deref(), Some("DECLARE CURSOR"));
    assert_eq!(wire.rows("FETCH ALL FROM c"), ["two"]);
    let locking = wire.extended("DECLARE l CURSOR FOR SELECT v FROM t WHERE k = $1 FOR UPDATE", &[Some("3")]);
    assert!(locking.is_ok(), "{locking:?}");
    assert_eq!(wire.rows("FETCH ALL FROM l"), ["three"]);
    wire.ok("COMMIT");
    let explained = wire.extended("EXPLAIN SELECT v FROM t WHERE k > $1", &[Some("2")]).expect("a plan").lines();
    assert!(explained.iter().any(|line| line.contains("k@0 > 2")), "{explained:?}");
    let explained = wire.extended("EXPLAIN (ANALYZE) SELECT v FROM t WHERE k > $1", &[Some("2")]).expect("a plan").lines();
    assert!(explained.iter().any(|line| line.contains("output_rows=1")), "{explained:?}");
    assert!(wire.extended("EXPLAIN UPDATE t SET v = $1 WHERE k = $2", &[Some("x"), Some("2")]).is_ok());
    let made = wire.extended("CREATE TABLE made AS SELECT k + $1 AS k FROM t", &[Some("10")]).expect("a table");
    assert_eq!(made.tag.as_deref(), Some("SELECT 3"));
    assert_eq!(wire.rows("SELECT k FROM made ORDER BY k"), ["11", "12", "13"]);
    assert_eq!(wire.error("EXPLAIN SELECT v FROM t WHERE k > $1").code, "42P02");
}

// The server's life ---------------------------------------------------------------------------------------------------------------

#[test]
fn the_server_says_how_to_connect_and_ends_cleanly_when_asked() {
    let server = Server::start();
    let mut wire = server.connect();
    wire.ok("CREATE TABLE t (k int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'one')");
    wire.ok("CREATE MATERIALIZED VIEW m AS SELECT count(*) AS n FROM t");
    assert_eq!(wire.value("SELECT n FROM m"), "1");
    let port = server.address.port();
    let (status, printed, errors) = server.terminate();
    assert!(status.success(), "{errors}");
    assert!(printed.contains(&format!("-p {port}")) && printed.ends_with("everfold has shut down\n"), "{printed}");
    assert!(errors.is_empty(), "{errors}");
}

#[test]
fn a_server_to_whose_output_nobody_listens_ends_cleanly_too() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut command = std::process::Command::new(crate::support::server::BINARY);
    command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(directory.path().join("data")).current_dir(directory.path());
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().expect("the server starts");
    let mut first = [0; 8];
    std::io::Read::read_exact(&mut child.stdout.take().expect("it is piped"), &mut first).expect("it says that it serves");
    assert!(std::process::Command::new("kill").arg(child.id().to_string()).status().expect("kill runs").success());
    assert!(child.wait().expect("it ends").success());
}

#[test]
fn what_was_acknowledged_is_there_after_a_kill_and_after_a_restart() {
    let mut server = Server::start();
    server.connect().ok(
        "CREATE STREAM s (a int); CREATE TABLE t (k int PRIMARY KEY, v int); CREATE MATERIALIZED VIEW m AS SELECT count(*) AS n, sum(a) AS s FROM s",
    );
    for round in 0..3 {
        let mut wire = server.connect();
        wire.ok(&format!("INSERT INTO s VALUES ({round}); INSERT INTO t VALUES (1, {round})"));
        server = if round == 1 { server.restart() } else { server.kill_and_restart() };
        let mut wire = server.connect();
        assert_eq!(wire.value("SELECT count(*) FROM s"), (round + 1).to_string());
        assert_eq!(wire.value("SELECT n FROM m"), (round + 1).to_string());
        assert_eq!(wire.value("SELECT v FROM t WHERE k = 1"), round.to_string());
    }
}
