//! Bytes of a checkpoint: what an operator writes to be read back by an operator of the same plan.
//!
//! A checkpoint is a cache of the log, so it is never migrated: another version byte, a section of another name, or one that is not used up is
//! an error (XX001), and the view is folded again. Whoever keeps the bytes keeps a checksum of them and checks it first, as the engine does; what
//! they say is then checked only as far as it is cheap.
//!
//! Decision: bytes go out as they are made, through a buffer of [`BUFFER_BYTES`], and nothing before them depends on what follows. A state of ten
//! million groups takes a gigabyte, which written to memory first would be pages to be had of the kernel and zeroed, several times.

use std::borrow::Borrow;
use std::io::{self, BufWriter, Write};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;

use crate::data::{OpenRowFile, RowFile};
use crate::error::{Error, Result, code};

/// Version of every format inside a checkpoint; raised with each change of any of them (arrow-row bytes included).
const VERSION: u8 = 12;
/// Bytes that are written at a time.
const BUFFER_BYTES: usize = 1 << 18;
/// What stands behind a section.
const SECTION_END: u64 = 0x454E_4453_4543_5449;

/// Writes a checkpoint.
pub struct StateWriter<'a> {
    out: BufWriter<&'a mut dyn Write>,
    /// The first error of `out`; nothing is written after it.
    failed: Option<io::Error>,
}

impl<'a> StateWriter<'a> {
    /// Begins a checkpoint of the present version.
    pub fn new(out: &'a mut dyn Write) -> Self {
        let mut writer = StateWriter { out: BufWriter::with_capacity(BUFFER_BYTES, out), failed: None };
        writer.put(&[VERSION]);
        writer
    }

    /// Writes what is left in the buffer. Errors: the first one of all writes.
    pub fn finish(mut self) -> Result<()> {
        self.failed.map_or(Ok(()), Err)?;
        Ok(self.out.flush()?)
    }

    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        if self.failed.is_none()
            && let Err(e) = self.out.write_all(bytes)
        {
            self.failed = Some(e);
        }
    }

    /// An unsigned number.
    pub fn u64(&mut self, value: u64) {
        self.put(&value.to_le_bytes());
    }

    /// A signed number.
    pub fn i64(&mut self, value: i64) {
        self.put(&value.to_le_bytes());
    }

    /// A truth value.
    pub fn bool(&mut self, value: bool) {
        self.u64(u64::from(value));
    }

    /// Bytes with their length.
    pub fn bytes(&mut self, value: &[u8]) {
        self.u64(value.len() as u64);
        self.put(value);
    }

    /// Bytes with their length, which come in parts.
    pub fn parts<P: AsRef<[u8]>>(&mut self, length: usize, parts: impl IntoIterator<Item = P>) {
        self.u64(length as u64);
        let mut written = 0;
        for part in parts {
            written += part.as_ref().len();
            self.put(part.as_ref());
        }
        debug_assert_eq!(written, length, "the parts are as long as they were said to be");
    }

    /// That rows stand in a file.
    pub fn row_file(&mut self, file: &dyn RowFile) {
        self.str(file.name());
        self.u64(u64::from(file.checksum()));
    }

    /// Text with its length.
    pub fn str(&mut self, value: &str) {
        self.bytes(value.as_bytes());
    }

    /// Numbers with their count.
    pub fn u32s<V: Borrow<u32>>(&mut self, values: impl IntoIterator<Item = V, IntoIter: ExactSizeIterator>) {
        self.numbers(values, |v| v.borrow().to_le_bytes());
    }

    /// Numbers with their count.
    pub fn i64s<V: Borrow<i64>>(&mut self, values: impl IntoIterator<Item = V, IntoIter: ExactSizeIterator>) {
        self.numbers(values, |v| v.borrow().to_le_bytes());
    }

    /// Numbers with their count.
    pub fn i128s<V: Borrow<i128>>(&mut self, values: impl IntoIterator<Item = V, IntoIter: ExactSizeIterator>) {
        self.numbers(values, |v| v.borrow().to_le_bytes());
    }

    fn numbers<V, const N: usize>(
        &mut self,
        values: impl IntoIterator<Item = V, IntoIter: ExactSizeIterator>,
        bytes: impl Fn(V) -> [u8; N],
    ) {
        let values = values.into_iter();
        self.u64(values.len() as u64);
        values.for_each(|value| self.put(&bytes(value)));
    }

    /// A record batch as an Arrow IPC stream. Errors: types that IPC cannot carry.
    pub fn batch(&mut self, batch: &RecordBatch) -> Result<()> {
        self.failed.take().map_or(Ok(()), Err)?;
        let mut writer = StreamWriter::try_new(&mut self.out, &batch.schema())?;
        writer.write(batch)?;
        Ok(writer.finish()?)
    }

    /// A named part; `fill` writes its content.
    pub fn section(&mut self, name: &str, fill: impl FnOnce(&mut StateWriter<'a>) -> Result<()>) -> Result<()> {
        self.str(name);
        fill(self)?;
        self.u64(SECTION_END);
        Ok(())
    }
}

/// The bytes that `save` writes.
#[cfg(test)]
pub fn saved(save: impl FnOnce(&mut StateWriter<'_>) -> Result<()>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = StateWriter::new(&mut bytes);
    save(&mut writer).unwrap();
    writer.finish().unwrap();
    bytes
}

/// Reads what a [`StateWriter`] wrote, in the same order.
pub struct StateReader<'a> {
    rest: &'a [u8],
    /// Opens the files of rows that are named in it.
    open: Option<&'a OpenRowFile<'a>>,
}

pub(crate) fn damaged(what: &str) -> Error {
    Error::new(code::DATA_CORRUPTED, format!("checkpoint is damaged: {what}"))
        .hint("Drop the checkpoint; the view is folded again from the log.")
}

impl<'a> StateReader<'a> {
    /// Opens a checkpoint. Errors: another version.
    pub fn new(bytes: &'a [u8]) -> Result<Self> {
        match bytes.split_first() {
            Some((&VERSION, rest)) => Ok(StateReader { rest, open: None }),
            Some((other, _)) => Err(damaged(&format!("version {other}, expected {VERSION}"))),
            None => Err(damaged("no bytes")),
        }
    }

    /// The same, with what opens the files of rows that are named in it.
    pub fn with_files(self, open: &'a OpenRowFile<'a>) -> Self {
        StateReader { open: Some(open), ..self }
    }

    /// The file that rows stand in. Errors: there is none of that name, or it is not what it was.
    pub fn row_file(&mut self) -> Result<Arc<dyn RowFile>> {
        let (name, checksum) = (self.str()?, self.u64()?);
        let open = self.open.ok_or_else(|| Error::internal("nobody opens files of rows"))?;
        let file = open(name)?;
        if u64::from(file.checksum()) == checksum { Ok(file) } else { Err(damaged(&format!("file \"{name}\" is not what it was"))) }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        if length > self.rest.len() {
            return Err(damaged("it ends early"));
        }
        let (head, rest) = self.rest.split_at(length);
        self.rest = rest;
        Ok(head)
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut value = [0; N];
        value.copy_from_slice(self.take(N)?);
        Ok(value)
    }

    /// An unsigned number.
    pub fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.fixed()?))
    }

    /// A signed number.
    pub fn i64(&mut self) -> Result<i64> {
        Ok(i64::from_le_bytes(self.fixed()?))
    }

    /// A truth value.
    pub fn bool(&mut self) -> Result<bool> {
        match self.u64()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(damaged("not a truth value")),
        }
    }

    /// A count of things of `size` bytes each, of which that many are certainly there.
    fn count(&mut self, size: usize) -> Result<usize> {
        let count = usize::try_from(self.u64()?).map_err(|_| damaged("a count is too large"))?;
        if count.checked_mul(size).is_none_or(|total| total > self.rest.len()) {
            return Err(damaged("a count is too large"));
        }
        Ok(count)
    }

    /// Bytes.
    pub fn bytes(&mut self) -> Result<&'a [u8]> {
        let length = self.count(1)?;
        self.take(length)
    }

    /// Text.
    pub fn str(&mut self) -> Result<&'a str> {
        std::str::from_utf8(self.bytes()?).map_err(|_| damaged("text is not UTF-8"))
    }

    /// Numbers.
    pub fn u32s(&mut self) -> Result<Vec<u32>> {
        let count = self.count(4)?;
        (0..count).map(|_| Ok(u32::from_le_bytes(self.fixed()?))).collect()
    }

    /// Numbers.
    pub fn i64s(&mut self) -> Result<Vec<i64>> {
        let count = self.count(8)?;
        (0..count).map(|_| self.i64()).collect()
    }

    /// Numbers.
    pub fn i128s(&mut self) -> Result<Vec<i128>> {
        let count = self.count(16)?;
        (0..count).map(|_| Ok(i128::from_le_bytes(self.fixed()?))).collect()
    }

    /// A record batch.
    pub fn batch(&mut self) -> Result<RecordBatch> {
        let mut reader = StreamReader::try_new(&mut self.rest, None)?;
        let batch = reader.next().ok_or_else(|| damaged("a batch is missing"))??;
        // Reads the end of the stream as well, where the next thing begins.
        if reader.next().is_none() { Ok(batch) } else { Err(damaged("a batch is followed by another")) }
    }

    /// The part called `name`; `read` must use all of it. Errors: another name, bytes left over.
    pub fn section<T>(&mut self, name: &str, read: impl FnOnce(&mut StateReader<'a>) -> Result<T>) -> Result<T> {
        let found = self.str()?;
        if found != name {
            return Err(damaged(&format!("section \"{found}\" where \"{name}\" was expected")));
        }
        let value = read(self)?;
        match self.u64()? {
            SECTION_END => Ok(value),
            _ => Err(damaged(&format!("section \"{name}\" does not end where it should"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_a_part_of_it_is_an_error() {
        let good = saved(|w| {
            w.section("part", |w| {
                w.i64s([1, -2, 3]);
                w.parts(3, ["te", "x"]);
                Ok(())
            })
        });
        let read = |bytes: &[u8]| -> Result<(Vec<i64>, Vec<u8>)> {
            StateReader::new(bytes)?.section("part", |r| Ok((r.i64s()?, r.bytes()?.to_vec())))
        };
        assert_eq!(read(&good).unwrap(), (vec![1, -2, 3], b"tex".to_vec()));
        (0..good.len()).for_each(|i| assert!(read(&good[..i]).is_err(), "cut at {i}"));
        let some = StateReader::new(&good).unwrap().section("part", |r| r.i64s());
        assert!(some.unwrap_err().message().contains("does not end"));
    }

    #[test]
    fn the_first_error_of_many_writes_is_told() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::Error::other(Error::new(code::DISK_FULL, "no room")))
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut full = Full;
        let mut writer = StateWriter::new(&mut full);
        (0..BUFFER_BYTES as u64).for_each(|n| writer.u64(n));
        assert_eq!(writer.finish().unwrap_err().code(), code::DISK_FULL);
    }
}
