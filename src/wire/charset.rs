//! Messages of a client whose text is not UTF-8: from its encoding when they come, into it when they go.
//!
//! Rows and COPY's data are in the client's encoding already where they are made ([`crate::data::encode::Style`]). Of a parameter in binary
//! form only its type tells whether it is text; it is taken as it comes, so that text in it must be UTF-8.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::read::Message;
use crate::data::charset::Charset;
use crate::error::Result;

/// A message of the client with its text in UTF-8. Errors: 22P05.
pub(super) fn understood(message: Message, charset: Charset) -> Result<Message> {
    if !charset.converts() || message.body.is_ascii() {
        return Ok(message);
    }
    let Message { tag, body } = message;
    let texts = match tag {
        // A letter and a name are text as a whole, zero bytes and all.
        b'Q' | b'D' | b'C' => Some(body.len()),
        b'P' => after_texts(&body, 2),
        b'E' => after_texts(&body, 1),
        b'B' => return Ok(Message { tag, body: bound(&body, charset)?.unwrap_or(body) }),
        _ => None,
    };
    // One that is cut short is refused by who reads it.
    let Some(texts) = texts else { return Ok(Message { tag, body }) };
    let mut out = BytesMut::from(charset.read(&body[..texts])?.as_bytes());
    out.put_slice(&body[texts..]);
    Ok(Message { tag, body: out.freeze() })
}

/// Where the first `n` texts, each with a zero byte behind it, end.
fn after_texts(body: &[u8], n: usize) -> Option<usize> {
    memchr::memchr_iter(0, body).nth(n - 1).map(|at| at + 1)
}

/// The body of a Bind message; `None` if it is cut short.
fn bound(body: &Bytes, charset: Charset) -> Result<Option<Bytes>> {
    let Some(names) = after_texts(body, 2) else { return Ok(None) };
    let mut out = BytesMut::from(charset.read(&body[..names])?.as_bytes());
    let mut rest = &body[names..];
    let Some(codes) = counted(&mut rest, &mut out) else { return Ok(None) };
    if rest.len() < 2 * codes {
        return Ok(None);
    }
    let formats: Vec<u16> = (0..codes).map(|_| rest.get_u16()).collect();
    formats.iter().for_each(|format| out.put_u16(*format));
    let Some(values) = counted(&mut rest, &mut out) else { return Ok(None) };
    for i in 0..values {
        if rest.len() < 4 {
            return Ok(None);
        }
        let length = rest.get_i32();
        let Ok(bytes) = usize::try_from(length) else {
            out.put_i32(length);
            continue;
        };
        let Some((value, behind)) = rest.split_at_checked(bytes) else { return Ok(None) };
        rest = behind;
        let is_text = formats.get(if formats.len() == 1 { 0 } else { i }).is_none_or(|format| *format == 0);
        let read = if is_text { charset.read(value)?.into_owned().into_bytes() } else { value.to_vec() };
        out.put_i32(read.len() as i32);
        out.put_slice(&read);
    }
    out.put_slice(rest);
    Ok(Some(out.freeze()))
}

/// A count off the front of `rest`, which is written too.
fn counted(rest: &mut &[u8], out: &mut BytesMut) -> Option<usize> {
    if rest.len() < 2 {
        return None;
    }
    let n = rest.get_u16();
    out.put_u16(n);
    Some(usize::from(n))
}

/// Whole messages of the server, with their text in the client's encoding.
pub(super) fn spoken(mut messages: &[u8], charset: Charset) -> BytesMut {
    let mut out = BytesMut::with_capacity(messages.len());
    while let Some(header) = messages.get(..5) {
        let length = u32::from_be_bytes([header[1], header[2], header[3], header[4]]) as usize;
        let Some((message, behind)) = messages.split_at_checked(length.saturating_add(1)).filter(|_| length >= 4) else { break };
        messages = behind;
        let (tag, body) = (message[0], &message[5..]);
        let start = out.len();
        out.put_slice(&message[..5]);
        match tag {
            // Errors, notices, settings and tags: text but for bytes that are ASCII.
            b'E' | b'N' | b'S' | b'C' => out.put_slice(&charset.write_anyhow(body)),
            b'A' if body.len() >= 4 => {
                out.put_slice(&body[..4]);
                out.put_slice(&charset.write_anyhow(&body[4..]));
            }
            b'T' => put_description(body, charset, &mut out),
            _ => out.put_slice(body),
        }
        let length = (out.len() - start - 1) as u32;
        out[start + 1..start + 5].copy_from_slice(&length.to_be_bytes());
    }
    out.put_slice(messages);
    out
}

/// Bytes behind the name of a column in a RowDescription.
const COLUMN_BYTES: usize = 18;

/// A RowDescription: a count, and for each column its name and numbers.
fn put_description(body: &[u8], charset: Charset, out: &mut BytesMut) {
    let (count, mut rest) = body.split_at(body.len().min(2));
    out.put_slice(count);
    while let Some(end) = memchr::memchr(0, rest)
        && let Some(numbers) = rest.get(end..end + 1 + COLUMN_BYTES)
    {
        out.put_slice(&charset.write_anyhow(&rest[..end]));
        out.put_slice(numbers);
        rest = &rest[end + 1 + COLUMN_BYTES..];
    }
    out.put_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::write;

    fn latin1() -> Charset {
        Charset::of("LATIN1")
    }

    #[test]
    fn a_bind_message_is_read_but_for_binary_values() {
        let mut body = BytesMut::new();
        body.put_slice(b"\0st\xe9\0\0\x02\0\0\0\x01\0\x03\0\0\0\x01\xe9\0\0\0\x01\xe9\xff\xff\xff\xff\0\0");
        let message = understood(Message { tag: b'B', body: body.freeze() }, latin1()).unwrap();
        let wanted = b"\0st\xc3\xa9\0\0\x02\0\0\0\x01\0\x03\0\0\0\x02\xc3\xa9\0\0\0\x01\xe9\xff\xff\xff\xff\0\0";
        assert_eq!(message.body.as_ref(), wanted);
    }

    #[test]
    fn a_message_cut_anywhere_is_no_panic() {
        let whole = Bytes::from_static(b"\0st\xe9\0\0\x01\0\0\0\x01\0\0\0\x01\xe9\0\0");
        for cut in 0..=whole.len() {
            for tag in *b"BQPEDCX" {
                let _ = understood(Message { tag, body: whole.slice(..cut) }, latin1());
            }
            let _ = spoken(&whole[..cut], latin1());
        }
    }

    #[test]
    fn texts_of_the_server_go_out_in_the_encoding() {
        let mut out = BytesMut::new();
        write::parameter_status(&mut out, "application_name", "\u{e9}t\u{e9}");
        write::command_complete(&mut out, "SELECT 1");
        let sent = spoken(&out, latin1());
        assert_eq!(sent.len(), out.len() - 2);
        assert!(sent.windows(4).any(|w| w == b"\xe9t\xe9\0"));
        assert!(sent.ends_with(b"SELECT 1\0"));
    }
}
