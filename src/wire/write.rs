//! Writes the server's messages, each whole, into the send buffer.
//!
//! Manual: PostgreSQL, "Message Formats" and "Error and Notice Message Fields".

use bytes::{BufMut, BytesMut};

use crate::data::encode::Format;
use crate::engine::{Column, Notification, TransactionStatus};
use crate::error::Error;

/// Writes one message: type byte, length, and the body that `fill` writes. If that panics, nothing is written, so that an error can follow.
pub(crate) fn framed(out: &mut BytesMut, tag: u8, fill: impl FnOnce(&mut BytesMut)) {
    let mut message = Message { begin: out.len(), out };
    message.out.put_u8(tag);
    message.out.put_i32(0);
    fill(message.out);
    let start = message.begin + 1;
    let length = u32::try_from(message.out.len() - start).expect("a message other than DataRow and CopyData is small");
    message.out[start..start + 4].copy_from_slice(&length.to_be_bytes());
    message.begin = message.out.len();
}

/// A message in the making: what stands behind `begin` goes with it.
struct Message<'a> {
    out: &'a mut BytesMut,
    begin: usize,
}

impl Drop for Message<'_> {
    fn drop(&mut self) {
        self.out.truncate(self.begin);
    }
}

/// A string and its zero byte; zero bytes inside, which the protocol cannot carry, are left out.
fn put_text(out: &mut BytesMut, text: &str) {
    for part in text.split('\0') {
        out.put_slice(part.as_bytes());
    }
    out.put_u8(0);
}

/// A count; relations are limited far below 65536 columns, and so are parameters by the protocol.
fn put_count(out: &mut BytesMut, n: usize) {
    out.put_u16(u16::try_from(n).unwrap_or(u16::MAX));
}

/// A message without a body: ParseComplete `1`, BindComplete `2`, CloseComplete `3`, NoData `n`, PortalSuspended `s`,
/// EmptyQueryResponse `I`, CopyDone `c`.
pub(crate) fn bare(out: &mut BytesMut, tag: u8) {
    out.put_slice(&[tag, 0, 0, 0, 4]);
}

/// AuthenticationOk.
pub(crate) fn authentication_ok(out: &mut BytesMut) {
    framed(out, b'R', |out| out.put_i32(0));
}

/// AuthenticationSASLContinue.
pub(crate) const SASL_CONTINUE: i32 = 11;
/// AuthenticationSASLFinal.
pub(crate) const SASL_FINAL: i32 = 12;

/// AuthenticationSASL: the mechanisms that the client may choose of.
pub(crate) fn authentication_sasl(out: &mut BytesMut, mechanisms: &[&str]) {
    framed(out, b'R', |out| {
        out.put_i32(10);
        mechanisms.iter().for_each(|mechanism| put_text(out, mechanism));
        out.put_u8(0);
    });
}

/// A further step of an authentication, of the kind that `number` says.
pub(crate) fn authentication(out: &mut BytesMut, number: i32, data: &[u8]) {
    framed(out, b'R', |out| {
        out.put_i32(number);
        out.put_slice(data);
    });
}

/// ParameterStatus: a setting that clients want to know.
pub(crate) fn parameter_status(out: &mut BytesMut, name: &str, value: &str) {
    framed(out, b'S', |out| {
        put_text(out, name);
        put_text(out, value);
    });
}

/// NotificationResponse.
pub(crate) fn notification(out: &mut BytesMut, notification: &Notification) {
    framed(out, b'A', |out| {
        out.put_i32(notification.process);
        put_text(out, &notification.channel);
        put_text(out, &notification.payload);
    });
}

/// BackendKeyData: what a cancel request has to present. The secret is 4 bytes long before protocol 3.2.
pub(crate) fn backend_key(out: &mut BytesMut, process_id: i32, secret: &[u8]) {
    framed(out, b'K', |out| {
        out.put_i32(process_id);
        out.put_slice(secret);
    });
}

/// NegotiateProtocolVersion: the version spoken, and the `_pq_.` options that are not known.
pub(crate) fn negotiate_version(out: &mut BytesMut, version: i32, unknown: &[String]) {
    framed(out, b'v', |out| {
        out.put_i32(version);
        out.put_u32(unknown.len() as u32);
        for name in unknown {
            put_text(out, name);
        }
    });
}

/// ReadyForQuery.
pub(crate) fn ready(out: &mut BytesMut, status: TransactionStatus) {
    let letter = match status {
        TransactionStatus::Idle => b'I',
        TransactionStatus::InTransaction => b'T',
        TransactionStatus::Failed => b'E',
    };
    out.put_slice(&[b'Z', 0, 0, 0, 5, letter]);
}

/// RowDescription; `formats` has one entry per column.
pub(crate) fn row_description(out: &mut BytesMut, columns: &[Column], formats: &[Format]) {
    framed(out, b'T', |out| {
        put_count(out, columns.len());
        for (column, format) in columns.iter().zip(formats) {
            put_text(out, &column.name);
            out.put_u32(column.origin.map_or(0, |o| o.relation));
            out.put_i16(column.origin.map_or(0, |o| o.number));
            out.put_u32(column.ty.oid());
            out.put_i16(column.ty.typlen());
            out.put_i32(column.typmod());
            out.put_i16(i16::from(*format == Format::Binary));
        }
    });
}

/// ParameterDescription.
pub(crate) fn parameter_description(out: &mut BytesMut, oids: impl ExactSizeIterator<Item = u32>) {
    framed(out, b't', |out| {
        put_count(out, oids.len());
        oids.for_each(|oid| out.put_u32(oid));
    });
}

/// CommandComplete.
pub(crate) fn command_complete(out: &mut BytesMut, tag: &str) {
    framed(out, b'C', |out| put_text(out, tag));
}

/// What answers rows and does not count them in its tag.
const UNCOUNTED: [&str; 3] = ["SHOW", "EXPLAIN", "CALL"];

/// CommandComplete with a number behind the word where it has one, without building the tag first.
pub(crate) fn command_complete_count(out: &mut BytesMut, word: &str, n: u64) {
    framed(out, b'C', |out| {
        out.put_slice(word.as_bytes());
        if !UNCOUNTED.contains(&word) {
            out.put_u8(b' ');
            put_number(out, n);
        }
        out.put_u8(0);
    });
}

fn put_number(out: &mut BytesMut, mut n: u64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (n % 10) as u8;
        n /= 10;
        if n == 0 {
            break;
        }
    }
    out.put_slice(&digits[at..]);
}

/// CopyInResponse `G` or CopyOutResponse `H`.
pub(crate) fn copy_response(out: &mut BytesMut, tag: u8, columns: usize, binary: bool) {
    framed(out, tag, |out| {
        out.put_u8(u8::from(binary));
        put_count(out, columns);
        for _ in 0..columns {
            out.put_i16(i16::from(binary));
        }
    });
}

/// ErrorResponse (severity `ERROR` or `FATAL`).
pub(crate) fn error(out: &mut BytesMut, severity: &str, error: &Error) {
    report(out, b'E', severity, error);
}

/// NoticeResponse (severity `NOTICE`, `WARNING`, `INFO` ...).
pub(crate) fn notice(out: &mut BytesMut, severity: &str, notice: &Error) {
    report(out, b'N', severity, notice);
}

fn report(out: &mut BytesMut, tag: u8, severity: &str, error: &Error) {
    let fields = error.fields();
    framed(out, tag, |out| {
        let mut field = |letter: u8, text: &str| {
            out.put_u8(letter);
            put_text(out, text);
        };
        field(b'S', severity);
        field(b'V', severity);
        field(b'C', fields.code);
        field(b'M', &fields.message);
        for (letter, text) in [(b'D', &fields.detail), (b'H', &fields.hint), (b'W', &fields.context)] {
            if let Some(text) = text {
                field(letter, text);
            }
        }
        let about = &fields.about;
        for (letter, text) in [(b's', &about.schema), (b't', &about.table), (b'c', &about.column), (b'n', &about.constraint)] {
            if let Some(text) = text {
                field(letter, text);
            }
        }
        if let Some(position) = fields.position {
            field(b'P', &position.to_string());
        }
        out.put_u8(0);
    });
}

#[cfg(test)]
mod tests {
    use pgwire::messages::{DecodeContext, PgWireBackendMessage, ProtocolVersion};

    use super::*;
    use crate::data::PgType;
    use crate::error::code;

    fn decode(out: &mut BytesMut) -> PgWireBackendMessage {
        PgWireBackendMessage::decode(out, &DecodeContext::new(ProtocolVersion::PROTOCOL3_0)).unwrap().unwrap()
    }

    #[test]
    fn an_error_has_all_its_fields_in_pgwires_eyes() {
        let mut out = BytesMut::new();
        let e = Error::new(code::SYNTAX_ERROR, "syntax\0 error").detail("d").hint("h").at(7).context("w");
        error(&mut out, "ERROR", &e);
        let PgWireBackendMessage::ErrorResponse(response) = decode(&mut out) else { panic!("not an error") };
        let shown: String = response.fields.iter().map(|(k, v)| format!("{}={v};", *k as char)).collect();
        assert_eq!(shown, "S=ERROR;V=ERROR;C=42601;M=syntax error;D=d;H=h;W=w;P=7;");
        assert!(out.is_empty());
    }

    #[test]
    fn a_row_description_tells_oid_length_and_modifier() {
        let columns = [Column::new("n", PgType::Varchar(Some(10))), Column::new("i", PgType::Int8)];
        let mut out = BytesMut::new();
        row_description(&mut out, &columns, &[Format::Text, Format::Binary]);
        let PgWireBackendMessage::RowDescription(rows) = decode(&mut out) else { panic!("not a description") };
        let seen: Vec<_> = rows.fields.iter().map(|f| (f.name.as_str(), f.type_id, f.type_size, f.type_modifier, f.format_code)).collect();
        assert_eq!(seen, [("n", 1043, -1, 14, 0), ("i", 20, 8, -1, 1)]);
    }

    #[test]
    fn a_counted_tag_is_the_tag_with_its_number() {
        for n in [0, 7, 10, 1234567890123, u64::MAX] {
            let (mut a, mut b) = (BytesMut::new(), BytesMut::new());
            command_complete_count(&mut a, "INSERT 0", n);
            command_complete(&mut b, &format!("INSERT 0 {n}"));
            assert_eq!(a, b);
        }
    }
}
