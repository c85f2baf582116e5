//! A socket with its two buffers, and the frames in them.

use std::future::{Future, poll_fn};
use std::io;
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BufMut, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use super::charset::spoken;
use super::read::{Message, protocol};
use crate::data::charset::Charset;
use crate::error::{Error, Result, code};
use crate::limits;

/// Answers waiting for the socket, in bytes, past which they are flushed before more are produced.
pub(crate) const PENDING_BYTES: usize = 64 << 10;
/// How far, in bytes, the client is read ahead while a statement runs.
pub(crate) const AHEAD_BYTES: usize = 256 << 10;
/// Least room, in bytes, for one read. It is on the stack: a connection that waits for its client holds none.
const READ_BYTES: usize = 8 << 10;
/// Room, in bytes, for answers to begin with; it grows with them. The greeting fits.
const ANSWER_BYTES: usize = 1 << 10;
/// Most room for one read, that of a client which keeps filling what it is given: each read costs a call into the kernel.
const READ_BYTES_MAX: usize = 128 << 10;
/// A buffer of answers that has grown past this many bytes is given back once it is empty.
const KEEP_BYTES: usize = 1 << 20;
/// How long a client may take to receive the last answer and close.
const LINGER_TIME: Duration = Duration::from_secs(2);
/// Largest startup message, in bytes (PostgreSQL's MAX_STARTUP_PACKET_LENGTH).
const STARTUP_BYTES_MAX: usize = 10_000;

/// A byte stream, what was read from it and not yet taken, what is to be written to it.
pub(crate) struct Socket<S> {
    stream: S,
    input: BytesMut,
    /// Room for the next read.
    room: usize,
    /// Answers not yet written, whole messages but for one that is being built.
    pub out: BytesMut,
    /// Where in `out` an unfinished message begins, while rows are encoded.
    pub unfinished: Option<usize>,
    ended: bool,
    /// What the client's text is encoded in.
    charset: Charset,
    /// Bytes of `out` that are in that encoding already.
    encoded: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// A socket with empty buffers.
    pub fn new(stream: S) -> Self {
        Socket {
            stream,
            input: BytesMut::new(),
            room: READ_BYTES,
            out: BytesMut::with_capacity(ANSWER_BYTES),
            unfinished: None,
            ended: false,
            charset: Charset::default(),
            encoded: 0,
        }
    }

    /// The next whole message in the buffer, if there is one. Errors: 08P01 and 54000, after which the stream is useless.
    pub fn message(&mut self) -> Result<Option<Message>> {
        self.short_message(limits::MESSAGE_BYTES_MAX)
    }

    /// The same with a limit of its own, for a client that is not let in yet.
    pub fn short_message(&mut self, bytes_max: usize) -> Result<Option<Message>> {
        let Some(header) = self.input.get(..5) else { return Ok(None) };
        let (tag, length) = (header[0], u32::from_be_bytes([header[1], header[2], header[3], header[4]]) as usize);
        if !b"QPBEDCSHFXdcfp".contains(&tag) {
            return Err(protocol(format!("invalid frontend message type {tag}")));
        }
        if length < 4 {
            return Err(protocol("invalid message length"));
        }
        if length > bytes_max {
            let message = format!("message of {length} bytes is larger than {bytes_max} bytes");
            return Err(Error::new(code::PROGRAM_LIMIT_EXCEEDED, message).hint("Send less at a time; COPY takes any amount in parts."));
        }
        if self.input.len() <= length {
            return Ok(None);
        }
        let mut frame = self.input.split_to(length + 1);
        if length > PENDING_BYTES {
            // What came behind a long message is not to hold all of it in memory.
            self.input = BytesMut::from(&self.input[..]);
        }
        frame.advance(5);
        Ok(Some(Message { tag, body: frame.freeze() }))
    }

    /// The startup message (code and rest, without its length), if it is whole. Errors: 08P01 for a length outside 8 to 10000.
    pub fn startup_message(&mut self) -> Result<Option<Message>> {
        let Some(header) = self.input.get(..4) else { return Ok(None) };
        let length = u32::from_be_bytes([header[0], header[1], header[2], header[3]]) as usize;
        if !(8..=STARTUP_BYTES_MAX).contains(&length) {
            return Err(protocol("invalid length of startup packet"));
        }
        if self.input.len() < length {
            return Ok(None);
        }
        let mut frame = self.input.split_to(length);
        frame.advance(4);
        Ok(Some(Message { tag: 0, body: frame.freeze() }))
    }

    /// True if the next thing in the buffer is a message of this type.
    pub fn next_is(&self, tag: u8) -> bool {
        self.input.first() == Some(&tag)
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        if self.input.is_empty() && self.input.capacity() > 4 * self.room {
            self.input = BytesMut::new();
        }
        let n = ready!(self.poll_read(cx))?;
        let room = if n >= self.room {
            self.room * 2
        } else if n < self.room / 4 {
            self.room / 2
        } else {
            self.room
        };
        self.room = room.clamp(READ_BYTES, READ_BYTES_MAX);
        self.ended |= n == 0;
        Poll::Ready(Ok(n > 0))
    }

    /// Reads into what is at hand; says how many bytes.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.room > READ_BYTES {
            self.input.reserve(self.room);
            // The future holds no state between polls, so a new one each time is the same as one kept.
            return pin!(self.stream.read_buf(&mut self.input)).poll(cx);
        }
        let mut room = [MaybeUninit::uninit(); READ_BYTES];
        let mut read = ReadBuf::uninit(&mut room);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read))?;
        self.input.extend_from_slice(read.filled());
        Poll::Ready(Ok(read.filled().len()))
    }

    /// Reads once; false at the end of the stream.
    pub async fn fill(&mut self) -> io::Result<bool> {
        if self.ended {
            return Ok(false);
        }
        poll_fn(|cx| self.poll_fill(cx)).await
    }

    /// What the client's text is encoded in.
    pub fn charset(&self) -> Charset {
        self.charset
    }

    /// From now on the client's text is in that encoding.
    pub fn speak(&mut self, charset: Charset) {
        self.encode();
        (self.charset, self.encoded) = (charset, self.out.len());
    }

    /// Puts the texts of messages that are complete into the client's encoding.
    fn encode(&mut self) {
        let end = self.unfinished.unwrap_or(self.out.len());
        if !self.charset.converts() || end <= self.encoded {
            return;
        }
        let mut messages = self.out.split_off(self.encoded);
        let unfinished = messages.split_off(end - self.encoded);
        self.out.extend_from_slice(&spoken(&messages, self.charset));
        self.encoded = self.out.len();
        self.unfinished = self.unfinished.map(|_| self.out.len());
        self.out.extend_from_slice(&unfinished);
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.encode();
        while !self.out.is_empty() {
            let n = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.out))?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.out.advance(n);
            self.encoded = self.encoded.saturating_sub(n);
        }
        if self.out.capacity() > KEEP_BYTES {
            self.out = BytesMut::with_capacity(ANSWER_BYTES);
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// Writes all answers.
    pub async fn flush(&mut self) -> io::Result<()> {
        if self.out.is_empty() {
            return Ok(());
        }
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    /// Keeps the socket going while something else is waited for: writes answers, reads ahead. Ends only when the client has gone
    /// and left nothing to be done; a client that closes right after its last message still has it carried out.
    pub async fn pump(&mut self) {
        poll_fn(|cx| self.poll_pump(cx)).await
    }

    fn poll_pump(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.out.is_empty() && matches!(self.poll_flush(cx), Poll::Ready(Err(_))) {
            return Poll::Ready(());
        }
        while !self.ended && self.input.len() < AHEAD_BYTES {
            match self.poll_fill(cx) {
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => break,
            }
        }
        if self.ended && self.input.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Says good-bye: writes what is left and closes our side, then takes in a little of what the client still sends, for a
    /// close with unread bytes would reset the connection and destroy the last answer on its way.
    pub async fn close(&mut self) {
        // A client that takes neither the answer nor the hint is not waited for.
        let _ = tokio::time::timeout(LINGER_TIME, self.linger()).await;
    }

    async fn linger(&mut self) {
        if self.flush().await.is_err() || poll_fn(|cx| Pin::new(&mut self.stream).poll_shutdown(cx)).await.is_err() {
            return;
        }
        for _ in 0..KEEP_BYTES / READ_BYTES {
            self.input.clear();
            if !matches!(self.fill().await, Ok(true)) {
                break;
            }
        }
    }

    /// The stream, to be wrapped; `None` if the client has already sent more, which would not be encrypted.
    pub fn into_stream(self) -> Option<S> {
        self.input.is_empty().then_some(self.stream)
    }

    /// Writes one raw byte: the answer to an encryption request.
    pub fn put_byte(&mut self, byte: u8) {
        self.out.put_u8(byte);
    }

    /// Removes a message that a failure left half built.
    pub fn drop_unfinished(&mut self) {
        if let Some(start) = self.unfinished.take() {
            self.out.truncate(start);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holding(bytes: &[u8]) -> Socket<tokio::io::DuplexStream> {
        let mut socket = Socket::new(tokio::io::duplex(64).0);
        socket.input.extend_from_slice(bytes);
        socket
    }

    #[test]
    fn a_message_is_taken_when_it_is_whole() {
        let bytes = b"Q\0\0\0\x08abc\0S\0\0\0\x04";
        for cut in 0..9 {
            assert!(holding(&bytes[..cut]).message().unwrap().is_none());
        }
        let mut socket = holding(bytes);
        let first = socket.message().unwrap().unwrap();
        assert_eq!((first.tag, &first.body[..]), (b'Q', &b"abc\0"[..]));
        assert!(socket.next_is(b'S'));
        assert_eq!(socket.message().unwrap().unwrap().body.len(), 0);
        assert!(socket.message().unwrap().is_none());
    }

    #[test]
    fn a_long_message_shares_no_memory_with_what_follows() {
        let length = PENDING_BYTES + 1;
        let body = vec![b'x'; length - 4];
        let mut socket = holding(&[b"Q", &(length as u32).to_be_bytes()[..], &body, b"S\0\0\0\x04"].concat());
        let first = socket.message().unwrap().unwrap();
        assert!(first.body.is_unique() && socket.next_is(b'S'));
    }

    #[test]
    fn impossible_lengths_and_types_are_refused_before_anything_is_allocated() {
        assert_eq!(holding(b"Q\x7f\xff\xff\xff").message().unwrap_err().code(), "54000");
        assert_eq!(holding(b"Q\0\0\0\x03").message().unwrap_err().code(), "08P01");
        assert_eq!(holding(b"!\0\0\0\x04").message().unwrap_err().code(), "08P01");
        assert_eq!(holding(b"\0\0\0\x07").startup_message().unwrap_err().code(), "08P01");
        assert_eq!(holding(b"GET / HTTP/1.1\r\n").startup_message().unwrap_err().code(), "08P01");
    }

    #[test]
    fn a_message_at_the_limit_is_waited_for() {
        let length = (limits::MESSAGE_BYTES_MAX as u32).to_be_bytes();
        assert!(holding(&[b"d".as_slice(), &length].concat()).message().unwrap().is_none());
    }
}
