//! Bytes of a checkpoint: what an operator writes to be read back by an operator of the same plan.
//!
//! A checkpoint is a cache of the log, so it is never migrated: another version byte, a checksum that does not hold or a
//! section of another name is an error (XX001), and the view is folded again. Checksums are checked before anything inside a
//! section is interpreted, so damaged bytes give an error and never a panic.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;

use crate::data::{OpenRowFile, RowFile};
use crate::error::{Error, Result, code};

/// Version of every format inside a checkpoint; raised with each change of any of them (arrow-row bytes included).
const VERSION: u8 = 11;

/// Writes a checkpoint.
pub struct StateWriter {
    bytes: Vec<u8>,
}

impl Default for StateWriter {
    fn default() -> Self {
        StateWriter::new()
    }
}

impl StateWriter {
    /// An empty checkpoint of the present version.
    pub fn new() -> Self {
        StateWriter { bytes: vec![VERSION] }
    }

    /// The finished checkpoint.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }

    /// An unsigned number.
    pub fn u64(&mut self, value: u64) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// A signed number.
    pub fn i64(&mut self, value: i64) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// A truth value.
    pub fn bool(&mut self, value: bool) {
        self.u64(u64::from(value));
    }

    /// Bytes with their length.
    pub fn bytes(&mut self, value: &[u8]) {
        self.u64(value.len() as u64);
        self.bytes.extend_from_slice(value);
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
    pub fn u32s(&mut self, values: &[u32]) {
        self.u64(values.len() as u64);
        values.iter().for_each(|v| self.bytes.extend_from_slice(&v.to_le_bytes()));
    }

    /// Numbers with their count.
    pub fn i64s(&mut self, values: &[i64]) {
        self.u64(values.len() as u64);
        values.iter().for_each(|v| self.bytes.extend_from_slice(&v.to_le_bytes()));
    }

    /// Numbers with their count.
    pub fn i128s(&mut self, values: &[i128]) {
        self.u64(values.len() as u64);
        values.iter().for_each(|v| self.bytes.extend_from_slice(&v.to_le_bytes()));
    }

    /// A record batch as an Arrow IPC stream. Errors: types that IPC cannot carry.
    pub fn batch(&mut self, batch: &RecordBatch) -> Result<()> {
        let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema())?;
        writer.write(batch)?;
        self.bytes(&writer.into_inner()?);
        Ok(())
    }

    /// A named part with length and checksum; `fill` writes its content.
    pub fn section(&mut self, name: &str, fill: impl FnOnce(&mut StateWriter) -> Result<()>) -> Result<()> {
        self.str(name);
        let head = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 12]);
        fill(self)?;
        let body = head + 12;
        let length = (self.bytes.len() - body) as u64;
        let checksum = crc32fast::hash(&self.bytes[body..]);
        self.bytes[head..head + 8].copy_from_slice(&length.to_le_bytes());
        self.bytes[head + 8..body].copy_from_slice(&checksum.to_le_bytes());
        Ok(())
    }
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
        let mut reader = StreamReader::try_new(self.bytes()?, None)?;
        Ok(reader.next().ok_or_else(|| damaged("a batch is missing"))??)
    }

    /// The part called `name`; `read` must use all of it. Errors: another name, a checksum that does not hold, bytes left over.
    pub fn section<T>(&mut self, name: &str, read: impl FnOnce(&mut StateReader<'a>) -> Result<T>) -> Result<T> {
        let found = self.str()?;
        if found != name {
            return Err(damaged(&format!("section \"{found}\" where \"{name}\" was expected")));
        }
        let length = usize::try_from(self.u64()?).map_err(|_| damaged("a section is too long"))?;
        let checksum = u32::from_le_bytes(self.fixed()?);
        let body = self.take(length)?;
        if crc32fast::hash(body) != checksum {
            return Err(damaged(&format!("the checksum of section \"{name}\" does not hold")));
        }
        let mut inner = StateReader { rest: body, open: self.open };
        let value = read(&mut inner)?;
        if !inner.rest.is_empty() {
            return Err(damaged(&format!("section \"{name}\" has bytes left over")));
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_damaged_byte_is_noticed() {
        let mut writer = StateWriter::new();
        writer
            .section("part", |w| {
                w.i64s(&[1, -2, 3]);
                w.str("text");
                Ok(())
            })
            .unwrap();
        let good = writer.finish();
        let read = |bytes: &[u8]| -> Result<(Vec<i64>, String)> {
            StateReader::new(bytes)?.section("part", |r| Ok((r.i64s()?, r.str()?.to_string())))
        };
        assert_eq!(read(&good).unwrap(), (vec![1, -2, 3], "text".to_string()));
        for i in 0..good.len() {
            let mut bad = good.clone();
            bad[i] ^= 0x41;
            assert!(read(&bad).is_err(), "byte {i}");
            assert!(read(&good[..i]).is_err(), "cut at {i}");
        }
    }
}
