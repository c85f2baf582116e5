//! Reads the fields of a client's message, checking each against its end.

use bytes::Bytes;

use crate::error::{Error, Result, code};

/// A message of the client: its type byte and what follows the length.
#[derive(Debug)]
pub(crate) struct Message {
    pub tag: u8,
    pub body: Bytes,
}

/// Walks over the body of one message. Every function fails with 08P01 where the message ends too early.
pub(crate) struct Reader<'a> {
    body: &'a Bytes,
    at: usize,
}

impl<'a> Reader<'a> {
    /// A reader at the start of `body`.
    pub fn new(body: &'a Bytes) -> Self {
        Reader { body, at: 0 }
    }

    fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        let rest = &self.body[self.at..];
        let taken = rest.get(..n).ok_or_else(|| protocol("insufficient data left in message"))?;
        self.at += n;
        Ok(taken)
    }

    /// One byte.
    pub fn u8(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }

    /// A 16-bit integer, big-endian.
    pub fn i16(&mut self) -> Result<i16> {
        let b = self.take(2)?;
        Ok(i16::from_be_bytes([b[0], b[1]]))
    }

    /// A 16-bit count; PostgreSQL's clients send up to 65535 of a thing.
    pub fn count(&mut self) -> Result<usize> {
        Ok(usize::from(self.i16()? as u16))
    }

    /// A 32-bit integer, big-endian.
    pub fn i32(&mut self) -> Result<i32> {
        let b = self.take(4)?;
        Ok(i32::from_be_bytes([b[0], b[1], b[2], b[3]]))
    }

    /// A string that ends in a zero byte. Errors: 22021 if it is not UTF-8.
    pub fn text(&mut self) -> Result<&'a str> {
        let rest = &self.body[self.at..];
        let end = memchr::memchr(0, rest).ok_or_else(|| protocol("invalid string in message"))?;
        self.at += end + 1;
        std::str::from_utf8(&rest[..end]).map_err(|e| not_utf8(&rest[e.valid_up_to()..end]))
    }

    /// A value with its length before it, -1 for null; a slice of the message, not a copy.
    pub fn value(&mut self) -> Result<Option<Bytes>> {
        let length = self.i32()?;
        if length == -1 {
            return Ok(None);
        }
        let length = usize::try_from(length).map_err(|_| protocol("invalid length of a value in message"))?;
        let start = self.at;
        self.take(length)?;
        Ok(Some(self.body.slice(start..start + length)))
    }

    /// All that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        let rest = &self.body[self.at..];
        self.at = self.body.len();
        rest
    }

    /// Fails unless the message ends here.
    pub fn end(&self) -> Result<()> {
        if self.at == self.body.len() { Ok(()) } else { Err(protocol("invalid message format")) }
    }
}

/// 08P01 with this message.
pub(crate) fn protocol(message: impl Into<String>) -> Error {
    Error::new(code::PROTOCOL_VIOLATION, message)
}

fn not_utf8(bytes: &[u8]) -> Error {
    let shown: Vec<String> = bytes.iter().take(4).map(|b| format!("0x{b:02x}")).collect();
    let message = format!("invalid byte sequence for encoding \"UTF8\": {}", shown.join(" "));
    Error::new(code::CHARACTER_NOT_IN_REPERTOIRE, message).hint("Set client_encoding to the encoding that the client's text is in.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_message_is_an_error_and_never_a_panic() {
        let whole = Bytes::from_static(b"name\0\0\x02\0\0\0\x03abc\xff\xff\xff\xff");
        for cut in 0..=whole.len() {
            let body = whole.slice(..cut);
            let mut r = Reader::new(&body);
            let read = (|| -> Result<_> { Ok((r.text()?, r.count()?, r.value()?, r.value()?)) })();
            match read {
                Ok((name, n, a, b)) => {
                    assert_eq!((cut, name, n, a.as_deref(), b), (whole.len(), "name", 2, Some(&b"abc"[..]), None));
                    r.end().unwrap();
                }
                Err(e) => assert_eq!(e.code(), code::PROTOCOL_VIOLATION, "cut at {cut}"),
            }
        }
    }

    #[test]
    fn text_that_is_not_utf8_is_named() {
        let body = Bytes::from_static(b"a\xff\0");
        let error = Reader::new(&body).text().unwrap_err();
        assert_eq!((error.code(), error.message()), ("22021", "invalid byte sequence for encoding \"UTF8\": 0xff"));
    }
}
