//! The binary forms of types that are carried as text: pg_lsn, tid, xid8, jsonpath and snapshots of transactions, as PostgreSQL's *send functions
//! write them and its *recv functions read them.

use bytes::{BufMut, BytesMut};

use super::tid;
use crate::error::{Error, Result, code};

/// The version of its text that jsonpath_send() names.
const JSONPATH_VERSION: u8 = 1;

/// True for a type, by its name, whose binary form is another than its text.
pub fn has_binary_form(name: &str) -> bool {
    matches!(name, "pg_lsn" | "tid" | "xid8" | "jsonpath" | "pg_snapshot" | "txid_snapshot")
}

/// Appends the binary form of a value of that type. Errors: 0A000 for a text that is none of its values.
pub fn put(name: &str, text: &str, out: &mut BytesMut) -> Result<()> {
    let put = match name {
        "pg_lsn" => lsn(text).map(|lsn| out.put_u64(lsn)),
        "tid" => tid::parts(text).map(|(block, offset)| {
            out.put_u32(block);
            out.put_u16(offset);
        }),
        "xid8" => text.parse().ok().map(|id: u64| out.put_u64(id)),
        "jsonpath" => {
            out.put_u8(JSONPATH_VERSION);
            out.put_slice(text.as_bytes());
            Some(())
        }
        _ => put_snapshot(text, out),
    };
    put.ok_or_else(|| {
        let error = Error::unsupported(format!("\"{text}\" has no binary format as {name}"));
        error.hint("Ask for the text format, or cast the value to text.")
    })
}

/// The text of a binary form. Errors: 22P03; 0A000 for snapshots.
pub fn read(name: &str, bytes: &[u8]) -> Result<String> {
    let read = match name {
        "pg_lsn" => bytes.try_into().ok().map(u64::from_be_bytes).map(|lsn| format!("{:X}/{:X}", lsn >> 32, lsn & 0xffff_ffff)),
        "tid" => bytes
            .split_first_chunk()
            .and_then(|(block, offset)| Some(tid::text(u32::from_be_bytes(*block), u16::from_be_bytes(offset.try_into().ok()?)))),
        "xid8" => bytes.try_into().ok().map(|id| u64::from_be_bytes(id).to_string()),
        "jsonpath" => bytes.strip_prefix(&[JSONPATH_VERSION]).and_then(|text| String::from_utf8(text.to_vec()).ok()),
        _ => return Err(Error::unsupported(format!("{name} is not supported as binary input")).hint("Send the value as text.")),
    };
    let wrong = || Error::new(code::INVALID_BINARY_REPRESENTATION, format!("incorrect binary data format for type {name}"));
    read.ok_or_else(wrong)
}

/// `16/B374D848`
fn lsn(text: &str) -> Option<u64> {
    let (high, low) = text.trim().split_once('/')?;
    let half = |digits: &str| u32::from_str_radix(digits, 16).ok().map(u64::from);
    Some(half(high)? << 32 | half(low)?)
}

/// `xmin:xmax:xip,xip`: the number of the last, and all of them.
fn put_snapshot(text: &str, out: &mut BytesMut) -> Option<()> {
    let mut parts = text.splitn(3, ':');
    let (least, next, running) = (parts.next()?.parse::<i64>().ok()?, parts.next()?.parse::<i64>().ok()?, parts.next()?);
    let running = running.split(',').filter(|id| !id.is_empty()).map(|id| id.parse::<i64>().ok()).collect::<Option<Vec<_>>>()?;
    out.put_i32(i32::try_from(running.len()).ok()?);
    [least, next].into_iter().chain(running).for_each(|id| out.put_i64(id));
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What PostgreSQL 15 sends.
    const SENT: &[(&str, &str, &[u8])] = &[
        ("pg_lsn", "0/16B3748", b"\0\0\0\0\x01\x6b\x37\x48"),
        ("tid", "(1,2)", b"\0\0\0\x01\0\x02"),
        ("xid8", "7", b"\0\0\0\0\0\0\0\x07"),
        ("jsonpath", "$.\"a\"", b"\x01$.\"a\""),
    ];

    #[test]
    fn values_are_sent_and_read_as_postgresql_15_does() {
        for (name, text, sent) in SENT {
            let mut out = BytesMut::new();
            put(name, text, &mut out).unwrap();
            assert_eq!(out, *sent, "{text}");
            assert_eq!(read(name, sent).unwrap(), *text);
        }
        let mut out = BytesMut::new();
        put("pg_snapshot", "10:20:12", &mut out).unwrap();
        assert_eq!(&out[..], b"\0\0\0\x01\0\0\0\0\0\0\0\x0a\0\0\0\0\0\0\0\x14\0\0\0\0\0\0\0\x0c");
    }

    #[test]
    fn what_is_no_value_is_refused() {
        let mut out = BytesMut::new();
        assert_eq!(put("pg_lsn", "here", &mut out).unwrap_err().code(), code::FEATURE_NOT_SUPPORTED);
        assert!(out.is_empty());
        for bytes in [&b""[..], b"\0\0\0\x01\0", b"\0\0\0\x01\0\x02\0"] {
            assert_eq!(read("tid", bytes).unwrap_err().code(), code::INVALID_BINARY_REPRESENTATION, "{bytes:?}");
        }
    }
}
