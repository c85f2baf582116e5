//! The bytes of a WAL file: its header, the frames' headers, and reading them back.
//!
//! All numbers are little-endian. A file is a header of 64 bytes and frames, each a header of 64 bytes and a payload padded with
//! zeros to a multiple of 8; behind the last frame there may be zeros, written ahead so that commits overwrite allocated blocks.
//!
//! ```text
//! file header                                   frame header
//!  0  magic "EVFWAL01"                           0  magic "EVFR"      4  kind (u8), 3 zeros    8  payload bytes, with padding (u32)
//!  8  salt (u64)                                12  CRC-32 of the payload
//! 16  number of the file (u64)                  16  sequence number (u64)
//! 24  position at its beginning (u64)           24  sequence number up to which everything was synced before (u64)
//! 32  first sequence number (u64)               32  position of its first event (u64)
//! 40  last commit time before it (i64, us)      40  commit time (i64, us since 1970)
//! 48  zeros                                     48  number of its events (u64)      56  zeros
//! 60  CRC-32 of bytes 0..60                     60  CRC-32 of the salt and of bytes 0..60
//! ```
//!
//! Decision: a damaged frame is a torn tail, to be cut, only if nothing behind it proves that it was once synced. The proof is a
//! valid frame header behind it whose "synced up to" is not below the damaged frame's number. So frames of one unsynced window
//! may reach the disk in any order, and still a flipped bit in an acknowledged frame is told from a power cut. Sequence
//! numbers never repeat, and every file has its own salt, so bytes of older frames are never taken for new ones.

use std::ops::Range;

use bytes::Bytes;

use crate::data::Position;
use crate::error::{Error, Result, code};

/// Length of both headers, in bytes.
pub(super) const HEADER_BYTES: usize = 64;
const FILE_MAGIC: &[u8; 8] = b"EVFWAL01";
const FRAME_MAGIC: &[u8; 4] = b"EVFR";

/// What a frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// The schema of a log, before its first batch in the file.
    Schema = 1,
    /// Events of one or more transactions, all visible.
    Data = 2,
    /// Events of a transaction that is not visible yet.
    Stage = 3,
    /// A staged transaction becomes visible.
    Commit = 4,
    /// The server was shut down well.
    Clean = 5,
    /// A log and its events are gone.
    Drop = 6,
}

impl Kind {
    fn of(byte: u8) -> Option<Kind> {
        [Kind::Schema, Kind::Data, Kind::Stage, Kind::Commit, Kind::Clean, Kind::Drop].into_iter().find(|k| *k as u8 == byte)
    }
}

/// The head of a WAL file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileHeader {
    pub salt: u64,
    pub number: u64,
    pub first: Position,
    pub sequence: u64,
    pub time_us: i64,
}

/// The head of a frame, without what its bytes give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameHeader {
    pub kind: Kind,
    pub length: usize,
    pub payload_crc: u32,
    pub sequence: u64,
    pub durable: u64,
    pub position: Position,
    pub time_us: i64,
    pub events: u64,
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

impl FileHeader {
    /// Its 64 bytes.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        out[..8].copy_from_slice(FILE_MAGIC);
        for (at, value) in [(8, self.salt), (16, self.number), (24, self.first), (32, self.sequence), (40, self.time_us as u64)] {
            out[at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
        let crc = crc32fast::hash(&out[..60]);
        out[60..].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// Reads it back; `None` if it is damaged.
    pub fn decode(bytes: &[u8]) -> Option<FileHeader> {
        let bytes = bytes.get(..HEADER_BYTES)?;
        if &bytes[..8] != FILE_MAGIC || u32_at(bytes, 60) != crc32fast::hash(&bytes[..60]) {
            return None;
        }
        let at = |i| u64_at(bytes, i);
        Some(FileHeader { salt: at(8), number: at(16), first: at(24), sequence: at(32), time_us: at(40) as i64 })
    }
}

fn header_crc(salt: u64, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&salt.to_le_bytes());
    hasher.update(&bytes[..60]);
    hasher.finalize()
}

impl FrameHeader {
    /// Its 64 bytes in a file of that salt.
    pub fn encode(&self, salt: u64) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        out[..4].copy_from_slice(FRAME_MAGIC);
        out[4] = self.kind as u8;
        out[8..12].copy_from_slice(&(self.length as u32).to_le_bytes());
        out[12..16].copy_from_slice(&self.payload_crc.to_le_bytes());
        for (at, value) in [(16, self.sequence), (24, self.durable), (32, self.position), (40, self.time_us as u64), (48, self.events)] {
            out[at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
        let crc = header_crc(salt, &out);
        out[60..].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// Reads it back; `None` if it is damaged.
    pub fn decode(salt: u64, bytes: &[u8]) -> Option<FrameHeader> {
        let bytes = bytes.get(..HEADER_BYTES)?;
        if &bytes[..4] != FRAME_MAGIC || u32_at(bytes, 60) != header_crc(salt, bytes) {
            return None;
        }
        let at = |i| u64_at(bytes, i);
        let (length, payload_crc) = (u32_at(bytes, 8) as usize, u32_at(bytes, 12));
        let kind = Kind::of(bytes[4])?;
        Some(FrameHeader {
            kind,
            length,
            payload_crc,
            sequence: at(16),
            durable: at(24),
            position: at(32),
            time_us: at(40) as i64,
            events: at(48),
        })
    }
}

/// A whole frame of a file.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    pub header: FrameHeader,
    /// Byte offset of its header in the file.
    pub offset: u64,
    /// Where its payload is in the file.
    pub payload: Range<usize>,
}

/// A WAL file, read and checked.
pub(super) struct Scan {
    pub name: String,
    pub header: FileHeader,
    pub bytes: Bytes,
    pub frames: Vec<Frame>,
    /// Byte offset behind the last whole frame.
    pub end: u64,
    /// True if there is a damaged frame behind it that was never synced.
    pub torn: bool,
}

impl Scan {
    /// The sequence number after the last frame's.
    pub fn next_sequence(&self) -> u64 {
        self.frames.last().map_or(self.header.sequence, |f| f.header.sequence + 1)
    }

    /// XX001 that names the file and a frame's offset.
    pub fn corrupt(&self, frame: &Frame, what: impl Into<String>) -> Error {
        corrupt(&self.name, frame.offset, what)
    }
}

/// XX001 that names a file and a byte offset.
pub(super) fn corrupt(name: &str, offset: u64, what: impl Into<String>) -> Error {
    let message = format!("the log is damaged: file \"{name}\", byte offset {offset}");
    let error = Error::new(code::DATA_CORRUPTED, message).detail(what);
    error.hint("Nothing was changed. Restore the file from a backup.")
}

/// Reads a WAL file and checks every frame. `last`: no file comes after it, so its tail may be torn. Errors: XX001.
pub(super) fn scan(name: &str, bytes: Bytes, last: bool) -> Result<Scan> {
    let header = FileHeader::decode(&bytes).ok_or_else(|| corrupt(name, 0, "The header of the file is not valid."))?;
    let mut scan = Scan { name: name.to_string(), header, bytes, frames: Vec::new(), end: HEADER_BYTES as u64, torn: false };
    let mut sequence = header.sequence;
    while let Some(frame) = frame_at(&scan.bytes, header.salt, scan.end as usize, sequence) {
        scan.end = frame.payload.end as u64;
        scan.frames.push(frame);
        sequence += 1;
    }
    let rest = &scan.bytes[scan.end as usize..];
    if rest.iter().any(|&b| b != 0) {
        if !last {
            return Err(corrupt(name, scan.end, "A frame is damaged, and another WAL file follows."));
        }
        if was_synced(rest, header.salt, sequence) {
            return Err(corrupt(name, scan.end, format!("Frame {sequence} is damaged, though it had been synced.")));
        }
        scan.torn = true;
    }
    Ok(scan)
}

fn frame_at(bytes: &Bytes, salt: u64, offset: usize, sequence: u64) -> Option<Frame> {
    let header = FrameHeader::decode(salt, bytes.get(offset..)?)?;
    let start = offset + HEADER_BYTES;
    let payload = start..start.checked_add(header.length)?;
    let whole = bytes.get(payload.clone())?;
    let good = header.sequence == sequence && header.length.is_multiple_of(8) && crc32fast::hash(whole) == header.payload_crc;
    good.then_some(Frame { header, offset: offset as u64, payload })
}

/// True if a frame header in `rest` proves that the frame `sequence` had been synced.
fn was_synced(rest: &[u8], salt: u64, sequence: u64) -> bool {
    let finder = memchr::memmem::Finder::new(FRAME_MAGIC);
    let mut headers = finder.find_iter(rest).filter_map(|at| FrameHeader::decode(salt, &rest[at..]));
    headers.any(|h| h.sequence > sequence && h.durable >= sequence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_back_and_every_flipped_bit_is_noticed() {
        let file = FileHeader { salt: 7, number: 3, first: 11, sequence: 5, time_us: -1 };
        let length = 24;
        let frame = FrameHeader { kind: Kind::Stage, length, payload_crc: 9, sequence: 6, durable: 5, position: 11, time_us: 8, events: 2 };
        assert_eq!(FileHeader::decode(&file.encode()), Some(file));
        assert_eq!(FrameHeader::decode(7, &frame.encode(7)), Some(frame));
        assert_eq!(FrameHeader::decode(8, &frame.encode(7)), None, "another file's salt");
        for bit in 0..HEADER_BYTES * 8 {
            let (mut a, mut b) = (file.encode(), frame.encode(7));
            a[bit / 8] ^= 1 << (bit % 8);
            b[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(FileHeader::decode(&a), None, "bit {bit}");
            assert_eq!(FrameHeader::decode(7, &b), None, "bit {bit}");
        }
    }
}
