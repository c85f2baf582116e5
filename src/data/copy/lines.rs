//! Cutting a stream of bytes into lines, knowing quotes and escapes, as PostgreSQL's CopyReadLineText does.

use memchr::{memchr, memchr2, memchr3};

use super::{CopyFormat, CopyOptions, bad_format};
use crate::error::Result;

/// How lines end; told by the first one, and then the same for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Unknown,
    Newline,
    Return,
    Both,
}

/// One line: bytes `start..end`, and where the next begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub start: usize,
    pub end: usize,
    pub next: usize,
    /// True if there is a quote (CSV) or a backslash (text) in it.
    pub special: bool,
}

/// Finds lines, and remembers where it stood when the bytes ran out within one.
pub(super) struct Cutter {
    csv: bool,
    quote: u8,
    /// The escape character where it is not the quote.
    escape: Option<u8>,
    ending: Ending,
    /// Bytes of the unfinished line already looked at.
    seen: usize,
    in_quote: bool,
    special: bool,
}

impl Cutter {
    pub(super) fn new(options: &CopyOptions) -> Cutter {
        let csv = options.format == CopyFormat::Csv;
        let escape = Some(options.escape).filter(|e| *e != options.quote);
        Cutter { csv, quote: options.quote, escape, ending: Ending::Unknown, seen: 0, in_quote: false, special: false }
    }

    /// The line that begins at `start`; `None` if its end is not among the bytes. With `last`, no more bytes will come.
    /// Errors: 22P04 for line ends that differ from those of the first line.
    pub(super) fn next(&mut self, bytes: &[u8], start: usize, last: bool) -> Result<Option<Line>> {
        let mut at = start + self.seen;
        loop {
            if self.in_quote {
                match self.leave_quote(bytes, at) {
                    Ok(after) => at = after,
                    Err(seen) => return Ok(self.pause(bytes, start, seen, last)),
                }
            }
            let mark = if self.csv { self.quote } else { b'\\' };
            let Some(found) = memchr3(b'\n', b'\r', mark, &bytes[at..]).map(|n| at + n) else {
                return Ok(self.pause(bytes, start, bytes.len(), last));
            };
            match bytes[found] {
                b'\n' => return self.newline(start, found),
                b'\r' => match bytes.get(found + 1) {
                    None if !last && matches!(self.ending, Ending::Unknown | Ending::Both) => {
                        return Ok(self.pause(bytes, start, found, last));
                    }
                    follower => return self.carriage_return(start, found, follower == Some(&b'\n')),
                },
                _ if self.csv => {
                    self.special = true;
                    self.in_quote = true;
                    at = found + 1;
                }
                _ => {
                    self.special = true;
                    // A backslash protects the next byte, even a line end.
                    if found + 1 >= bytes.len() {
                        return Ok(self.pause(bytes, start, found, last));
                    }
                    at = found + 2;
                }
            }
        }
    }

    /// The place behind the quote that closes; `Err` with how far was looked if it is not there.
    fn leave_quote(&mut self, bytes: &[u8], mut at: usize) -> Result<usize, usize> {
        loop {
            let found = match self.escape {
                None => memchr(self.quote, &bytes[at..]),
                Some(escape) => memchr2(self.quote, escape, &bytes[at..]),
            };
            let found = at + found.ok_or(bytes.len())?;
            if bytes[found] == self.quote {
                self.in_quote = false;
                return Ok(found + 1);
            }
            let follower = *bytes.get(found + 1).ok_or(found)?;
            at = if follower == self.quote || Some(follower) == self.escape { found + 2 } else { found + 1 };
        }
    }

    /// Notes how far was looked; at the end of all data what is left is a line, too.
    fn pause(&mut self, bytes: &[u8], start: usize, seen: usize, last: bool) -> Option<Line> {
        if last && start < bytes.len() {
            return Some(self.line(start, bytes.len(), bytes.len()));
        }
        self.seen = seen - start;
        None
    }

    fn line(&mut self, start: usize, end: usize, next: usize) -> Line {
        let special = std::mem::take(&mut self.special);
        self.seen = 0;
        self.in_quote = false;
        Line { start, end, next, special }
    }

    fn newline(&mut self, start: usize, at: usize) -> Result<Option<Line>> {
        if !matches!(self.ending, Ending::Unknown | Ending::Newline) {
            return Err(self.mixed("newline", "\\n"));
        }
        self.ending = Ending::Newline;
        Ok(Some(self.line(start, at, at + 1)))
    }

    fn carriage_return(&mut self, start: usize, at: usize, newline_follows: bool) -> Result<Option<Line>> {
        match self.ending {
            Ending::Unknown | Ending::Both if newline_follows => {
                self.ending = Ending::Both;
                Ok(Some(self.line(start, at, at + 2)))
            }
            Ending::Unknown | Ending::Return => {
                self.ending = Ending::Return;
                Ok(Some(self.line(start, at, at + 1)))
            }
            Ending::Newline | Ending::Both => Err(self.mixed("carriage return", "\\r")),
        }
    }

    fn mixed(&self, what: &str, escape: &str) -> crate::error::Error {
        if self.csv {
            return bad_format(format!("unquoted {what} found in data")).hint(format!("Use quoted CSV field to represent {what}."));
        }
        bad_format(format!("literal {what} found in data")).hint(format!("Use \"{escape}\" to represent {what}."))
    }
}
