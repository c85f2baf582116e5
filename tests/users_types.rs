//! What drivers see of types of users: object ids in the descriptions of parameters and columns, and values in both formats.

use crate::support::server::Server;
use crate::support::wire::Wire;

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
