//! What drivers see of types of users: object ids in the descriptions of parameters and columns, and values in both formats.

use crate::support::server::Server;
use crate::support::wire::{Wire, report};

/// The bodies of the messages of these kinds that answer a statement with one parameter, in binary format both ways.
fn asked(wire: &mut Wire, sql: &str, declared: &[u32], parameter: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut parse = [b"\0", sql.as_bytes(), b"\0"].concat();
    parse.extend_from_slice(&(declared.len() as u16).to_be_bytes());
    declared.iter().for_each(|oid| parse.extend_from_slice(&oid.to_be_bytes()));
    let mut bind = b"\0\0\0\x01\0\x01\0\x01".to_vec();
    bind.extend_from_slice(&(parameter.len() as u32).to_be_bytes());
    bind.extend_from_slice(parameter);
    bind.extend_from_slice(b"\0\x01\0\x01");
    wire.send(&[(b'P', &parse), (b'D', b"S\0"), (b'B', &bind), (b'E', b"\0\0\0\0\0"), (b'S', b"")]);
    let mut messages = Vec::new();
    loop {
        match wire.read().expect("an answer") {
            (b'Z', _) => return messages,
            message => messages.push(message),
        }
    }
}

fn body(messages: &[(u8, Vec<u8>)], kind: u8) -> &[u8] {
    let found = messages.iter().find(|(k, _)| *k == kind);
    &found.unwrap_or_else(|| panic!("no message {} in {messages:?}", kind as char)).1
}

fn word(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes[..4].try_into().expect("four bytes"))
}

/// The object ids of a RowDescription's columns.
fn types(mut row: &[u8]) -> Vec<u32> {
    let count = u16::from_be_bytes([row[0], row[1]]);
    row = &row[2..];
    let one = |_| {
        let name = row.iter().position(|b| *b == 0).expect("a name ends");
        let oid = word(&row[name + 7..]);
        row = &row[name + 19..];
        oid
    };
    (0..count).map(one).collect()
}

/// Appends a value with its length before it, as it stands in rows and messages; `None` is NULL.
fn put(bytes: &mut Vec<u8>, value: Option<&[u8]>) {
    let length = value.map_or(-1, |value| value.len() as i32);
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(value.unwrap_or_default());
}

/// A row as record_send writes it: its attributes, each with its type.
fn record(attributes: &[(u32, Option<&[u8]>)]) -> Vec<u8> {
    let mut bytes = (attributes.len() as u32).to_be_bytes().to_vec();
    for (oid, value) in attributes {
        bytes.extend_from_slice(&oid.to_be_bytes());
        put(&mut bytes, *value);
    }
    bytes
}

/// An array as array_send writes it, of one dimension, or of none where it is empty.
fn array(oid: u32, items: &[Option<&[u8]>]) -> Vec<u8> {
    let nulls = u32::from(items.contains(&None));
    let head = [u32::from(!items.is_empty()), nulls, oid, items.len() as u32, 1];
    let words = if items.is_empty() { &head[..3] } else { &head[..] };
    let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
    items.iter().for_each(|item| put(&mut bytes, *item));
    bytes
}

#[test]
fn values_of_an_enum_bear_its_oid_and_are_sent_as_labels() {
    let server = Server::start();
    let mut wire = server.connect();
    wire.ok("CREATE TYPE mood AS ENUM ('sad', 'happy'); CREATE DOMAIN few AS int CHECK (VALUE < 9)");
    wire.ok("CREATE TABLE t (k int PRIMARY KEY, m mood, ms mood[], f few); INSERT INTO t VALUES (1, 'happy', '{sad}', 3)");
    let mut oid =
        |column: &str| wire.value(&format!("SELECT {column} FROM pg_type WHERE typname = 'mood'")).parse::<u32>().expect("an oid");
    let (mood, array) = (oid("oid"), oid("typarray"));

    for declared in [&[][..], &[mood]] {
        let answer = asked(&mut wire, "SELECT m, ms, f FROM t WHERE m = $1", declared, b"happy");
        assert_eq!(word(&body(&answer, b't')[2..]), mood);
        assert_eq!(types(body(&answer, b'T')), [mood, array, 23]);
        let items = [&1u32.to_be_bytes()[..], &[0; 4], &mood.to_be_bytes(), &1u32.to_be_bytes(), &1u32.to_be_bytes()].concat();
        let row = [b"\0\x03\0\0\0\x05happy\0\0\0\x1b", &items[..], b"\0\0\0\x03sad\0\0\0\x04\0\0\0\x03"].concat();
        assert_eq!(body(&answer, b'D'), row);
    }
    let refused = asked(&mut wire, "SELECT k FROM t WHERE m = $1", &[], b"glum");
    assert!(String::from_utf8_lossy(body(&refused, b'E')).contains("invalid input value for enum mood: \"glum\""));

    wire.ok("ALTER TYPE mood ADD VALUE 'glum'");
    let inserted = asked(&mut wire, "INSERT INTO t (k, m) VALUES (2, $1)", &[], b"glum");
    assert_eq!(word(&body(&inserted, b't')[2..]), mood);
    assert_eq!(wire.rows("SELECT m FROM t WHERE m > 'happy'"), ["glum"]);
}

#[test]
fn rows_and_arrays_of_them_are_binary_both_ways() {
    const INT: u32 = 23;
    const TEXT: u32 = 25;
    let server = Server::start();
    let mut wire = server.connect();
    wire.ok("CREATE TYPE pair AS (n int, t text)");
    wire.ok("CREATE TYPE segment AS (label text, ends pair[], middle pair)");
    wire.ok("CREATE TABLE kept (k int PRIMARY KEY, p pair, ps pair[], s segment)");
    let mut oid = |column: &str, name: &str| wire.value(&format!("SELECT {column} FROM pg_type WHERE typname = '{name}'")).parse::<u32>();
    let (pair, pairs) = (oid("oid", "pair").expect("an oid"), oid("typarray", "pair").expect("an oid"));
    let segment = oid("oid", "segment").expect("an oid");
    let seven = 7u32.to_be_bytes();
    let full = record(&[(INT, Some(&seven)), (TEXT, Some(b"a \"b\", (c)"))]);
    let half = record(&[(INT, None), (TEXT, Some(b""))]);
    let many = array(pair, &[Some(&full), None, Some(&half)]);
    let whole = record(&[(TEXT, Some(b"x")), (pairs, Some(&many)), (pair, Some(&half))]);
    let bare = record(&[(TEXT, None), (pairs, Some(&array(pair, &[]))), (pair, None)]);
    for (ty, oid, column, sent) in [
        ("pair", pair, "p", &full),
        ("pair", pair, "p", &half),
        ("pair[]", pairs, "ps", &many),
        ("pair[]", pairs, "ps", &array(pair, &[])),
        ("segment", segment, "s", &whole),
        ("segment", segment, "s", &bare),
    ] {
        let mut row = b"\0\x01".to_vec();
        put(&mut row, Some(sent));
        for declared in [&[][..], &[oid]] {
            let answer = asked(&mut wire, &format!("SELECT $1::{ty}"), declared, sent);
            assert_eq!(word(&body(&answer, b't')[2..]), oid, "{ty}");
            assert_eq!(types(body(&answer, b'T')), [oid], "{ty}");
            assert_eq!(body(&answer, b'D'), row, "{ty}");
            // A column is of the type, so the parameter is.
            let inserted = asked(&mut wire, &format!("INSERT INTO kept (k, {column}) VALUES (1, $1)"), declared, sent);
            assert_eq!(word(&body(&inserted, b't')[2..]), oid, "{ty}");
            assert_eq!(body(&inserted, b'C'), b"INSERT 0 1\0", "{ty}");
            let found = asked(&mut wire, &format!("SELECT {column} FROM kept WHERE k = $1"), &[], &1u32.to_be_bytes());
            assert_eq!(body(&found, b'D'), row, "{ty}");
        }
    }
    for (state, sent) in [
        ("42804", record(&[(TEXT, Some(b"7")), (TEXT, None)])),
        ("42804", record(&[(INT, Some(&seven))])),
        ("22P03", [&full[..], b"?"].concat()),
    ] {
        let refused = asked(&mut wire, "SELECT $1::pair", &[], &sent);
        assert_eq!(report(body(&refused, b'E')).code, state, "{sent:?}");
    }
}
