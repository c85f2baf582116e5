//! Rows that stand in a file, as those who only read them know it: the fold, which does no I/O of its own, and queries.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::RecordBatch;

use super::Position;
use crate::error::Result;

/// Batches of rows on their way from somewhere.
pub type RowBatches = Box<dyn Iterator<Item = Result<RecordBatch>> + Send>;

/// Rows in the order in which they came, in a file that does not change.
pub trait RowFile: Send + Sync {
    /// Its name in the store.
    fn name(&self) -> &str;
    /// How many there are.
    fn rows(&self) -> usize;
    /// Bytes of the file.
    fn bytes(&self) -> u64;
    /// CRC-32 of its bytes, as they were when it was opened.
    fn checksum(&self) -> u32;
    /// The rows, only the columns `projection`, all if `None`. Given `positions`, only those rows whose `_position` lies within, which
    /// ascends; others are not read as far as statistics tell. Errors: XX001 if the file is not what it was.
    fn read(&self, projection: Option<&[usize]>, positions: Option<Range<Position>>) -> Result<RowBatches>;
    /// Removes the file when the last reader is gone.
    fn doom(&self);
}

/// Opens a file by its name. Errors: the file is not there, or is damaged.
pub type OpenRowFile<'a> = dyn Fn(&str) -> Result<Arc<dyn RowFile>> + 'a;
