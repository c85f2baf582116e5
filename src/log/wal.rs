//! The write-ahead log's writing end: one file open, frames appended, synced when asked.
//!
//! Decision: zeros are written ahead of small frames in modest steps by a thread of their own, because syncing an overwrite of an
//! allocated block takes half the time of syncing an append (no journal commit for the file's length). A frame that reaches
//! into a region being filled waits for the filler, so that zeros never land on frames; large frames simply append.

use std::ops::Range;
use std::sync::Arc;
use std::thread::JoinHandle;

use super::frame::{FileHeader, FrameHeader, HEADER_BYTES, Kind, Scan};
use super::ipc::{pad, too_large};
use super::store::{Store, TEMPORARY, Writable, parent};
use crate::data::Position;
use crate::error::{Error, Result, code};
use crate::limits;

/// Directory of the WAL files.
pub(super) const DIRECTORY: &str = "wal";
/// Writes larger than this many bytes do without zeros ahead of them.
const LARGE_BYTES: usize = 64 << 10;

/// Name of a WAL file: its number, then the position at its beginning.
pub(super) fn file_name(number: u64, first: Position) -> String {
    format!("{DIRECTORY}/{number:010}-{first:020}.wal")
}

/// The WAL file being written.
pub(super) struct Wal {
    store: Arc<dyn Store>,
    file: Arc<dyn Writable>,
    pub header: FileHeader,
    /// Byte offset behind the last frame.
    pub end: u64,
    /// The next frame's number.
    pub sequence: u64,
    /// The frame up to which everything is synced, plus one: 0 for none.
    durable: u64,
    /// Byte offset up to which the file's blocks are written.
    filled: u64,
    fill: Option<(Range<u64>, JoinHandle<Result<()>>)>,
    fill_bytes: u64,
    /// Why the file must not be written any more: a sync failed, or a failed write could not be cut off.
    pub broken: Option<Error>,
}

/// The state of a [`Wal`] before a group, to return to when the group fails.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    sequence: u64,
}

impl Wal {
    /// Creates a file, durably. `fill_bytes`: zeros written ahead at a time; 0 for none.
    pub fn create(store: Arc<dyn Store>, header: FileHeader, fill_bytes: u64) -> Result<Wal> {
        let name = file_name(header.number, header.first);
        let temporary = format!("{name}{TEMPORARY}");
        let file = store.create(&temporary)?;
        file.write_at(0, &header.encode())?;
        file.sync_data()?;
        store.rename(&temporary, &name)?;
        store.sync_dir(parent(&name)).inspect_err(|_| {
            // A file that might be there after a crash must not be: the one before it will have grown by then.
            let _ = store.remove(&name);
        })?;
        let end = HEADER_BYTES as u64;
        let (sequence, durable) = (header.sequence, header.sequence);
        Ok(Wal { store, file, header, end, sequence, durable, filled: end, fill: None, fill_bytes, broken: None })
    }

    /// Goes on writing the last file, behind its last whole frame; what is behind it is cut off.
    pub fn resume(store: Arc<dyn Store>, scan: &Scan, fill_bytes: u64) -> Result<Wal> {
        let file = store.open_writable(&scan.name)?;
        file.set_len(scan.end)?;
        file.sync_data()?;
        let sequence = scan.next_sequence();
        let (header, end) = (scan.header, scan.end);
        Ok(Wal { store, file, header, end, sequence, durable: sequence, filled: end, fill: None, fill_bytes, broken: None })
    }

    /// Closes the file and begins the next one. On an error the file stays open.
    pub fn rotate(&mut self, first: Position, time_us: i64, salt: u64) -> Result<()> {
        self.sync()?;
        self.trim()?;
        let header = FileHeader { salt, number: self.header.number + 1, first, sequence: self.sequence, time_us };
        *self = Wal::create(self.store.clone(), header, self.fill_bytes)?;
        Ok(())
    }

    /// Appends a frame to `out`; `body` adds the payload. Errors: 54000 if it is too large, and `body`'s; `out` is as before then.
    pub fn frame(
        &mut self,
        out: &mut Vec<u8>,
        (kind, position, time_us, events): (Kind, Position, i64, u64),
        body: impl FnOnce(&mut Vec<u8>) -> Result<()>,
    ) -> Result<()> {
        let start = out.len();
        out.resize(start + HEADER_BYTES, 0);
        let payload = start + HEADER_BYTES;
        let written = body(out).and_then(|()| {
            pad(out);
            let length = out.len() - payload;
            if length <= limits::WAL_FRAME_BYTES_MAX { Ok(length) } else { Err(too_large()) }
        });
        let length = written.inspect_err(|_| out.truncate(start))?;
        let payload_crc = crc32fast::hash(&out[payload..]);
        let (sequence, durable) = (self.sequence, self.durable.saturating_sub(1));
        let header = FrameHeader { kind, length, payload_crc, sequence, durable, position, time_us, events };
        out[start..payload].copy_from_slice(&header.encode(self.header.salt));
        self.sequence += 1;
        Ok(())
    }

    pub fn mark(&self) -> Mark {
        Mark { sequence: self.sequence }
    }

    /// Gives back the sequence numbers of frames that were not written.
    pub fn rewind(&mut self, mark: Mark) {
        self.sequence = mark.sequence;
    }

    /// Writes frames. On an error the file is cut back; if that fails too, it is broken.
    pub fn write(&mut self, frames: &[u8]) -> Result<()> {
        let end = self.end + frames.len() as u64;
        if self.fill.as_ref().is_some_and(|(range, thread)| end > range.start || thread.is_finished()) {
            self.finish_fill();
        }
        if let Err(error) = self.file.write_at(self.end, frames) {
            self.finish_fill();
            self.filled = self.end;
            if let Err(second) = self.file.set_len(self.end) {
                self.broken = Some(second);
            }
            return Err(error);
        }
        self.end = end;
        self.filled = self.filled.max(end);
        if frames.len() <= LARGE_BYTES {
            self.fill_ahead();
        }
        Ok(())
    }

    /// Makes all frames durable.
    pub fn sync(&mut self) -> Result<()> {
        if let Err(error) = self.file.sync_data() {
            self.broken = Some(error.clone());
            return Err(error);
        }
        self.durable = self.sequence;
        Ok(())
    }

    /// Refuses if the file is broken: nobody knows what is on the disk then, and a second sync would not tell.
    pub fn check(&self) -> Result<()> {
        let Some(cause) = &self.broken else { return Ok(()) };
        let error = Error::new(code::IO_ERROR, "the log cannot be written, because the disk failed").detail(cause.message());
        Err(error.hint("Reads go on. Check the disk, then restart Everfold: it keeps what was acknowledged."))
    }

    /// Cuts the zeros off the file's end.
    pub fn trim(&mut self) -> Result<()> {
        self.finish_fill();
        self.filled = self.end;
        self.file.set_len(self.end)
    }

    fn fill_ahead(&mut self) {
        if self.fill_bytes == 0 || self.fill.is_some() || self.filled - self.end > self.fill_bytes / 2 {
            return;
        }
        let range = self.filled..self.filled + self.fill_bytes;
        let (file, from, length) = (self.file.clone(), range.start, self.fill_bytes as usize);
        let work = move || {
            let zeros = vec![0; (1 << 20).min(length)];
            for at in (0..length).step_by(zeros.len()) {
                file.write_at(from + at as u64, &zeros[..zeros.len().min(length - at)])?;
            }
            file.sync_data()
        };
        // Without the thread commits are slower, nothing else.
        self.fill = std::thread::Builder::new().name("wal-fill".into()).spawn(work).ok().map(|thread| (range, thread));
    }

    fn finish_fill(&mut self) {
        if let Some((range, thread)) = self.fill.take()
            && let Ok(Ok(())) = thread.join()
        {
            self.filled = self.filled.max(range.end);
        }
    }
}

impl Drop for Wal {
    fn drop(&mut self) {
        self.finish_fill();
    }
}
