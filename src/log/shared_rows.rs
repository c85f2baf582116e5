//! Rows of a view that has one for each event of a segment: what it only picks stands in the segment and nowhere else, and what it computes
//! in a [`RowsOfView`] beside it, row by row.
//!
//! The name of such rows is that of the file beside the segment, which names the segment in its footer, or of the segment if there is none.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;

use super::segment::Segment;
use super::view_rows::RowsOfView;
use crate::data::{Position, RowBatches, RowFile};
use crate::error::{Error, Result};

/// Where a column of such rows stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It is the column of this index of those picked of the segment.
    Picked(usize),
    /// It is the column of this index in the file beside it.
    Beside(usize),
}

/// How the rows of a view are made of the events of a log.
pub struct Sharing {
    /// The schema of the rows.
    pub schema: SchemaRef,
    /// Per column of it, where it stands.
    pub places: Vec<Place>,
    /// The columns that are picked, as the log names them.
    pub picked: SchemaRef,
}

/// The two sides that columns stand on.
const PICKED: usize = 0;
const BESIDE: usize = 1;

/// The rows of a view for the events of one segment.
pub struct SharedRows {
    segment: Arc<Segment>,
    /// What is computed of them; absent if nothing is.
    beside: Option<RowsOfView>,
    sharing: Arc<Sharing>,
}

impl SharedRows {
    /// The rows for a segment. Errors: XX001 if the file beside it has another number of rows.
    pub fn new(segment: Arc<Segment>, beside: Option<RowsOfView>, sharing: Arc<Sharing>) -> Result<SharedRows> {
        match beside.as_ref().filter(|file| file.rows() as u64 != segment.rows) {
            Some(file) => {
                Err(file.damaged(format!("It has {} rows, but segment \"{}\" {}.", file.rows(), segment.file.name, segment.rows)))
            }
            None => Ok(SharedRows { segment, beside, sharing }),
        }
    }

    /// The columns at these places among those picked, of every row.
    fn picked(&self, columns: &[usize]) -> Result<RowBatches> {
        self.segment.read(&Arc::new(self.sharing.picked.project(columns)?), 0..Position::MAX)
    }
}

impl RowFile for SharedRows {
    fn name(&self) -> &str {
        self.beside.as_ref().map_or(&self.segment.file.name, |file| file.name())
    }

    fn rows(&self) -> usize {
        self.segment.rows as usize
    }

    fn bytes(&self) -> u64 {
        self.beside.as_ref().map_or(0, |file| file.bytes())
    }

    fn checksum(&self) -> u32 {
        self.beside.as_ref().map_or_else(|| self.segment.checksum(), |file| file.checksum())
    }

    fn read(&self, projection: Option<&[usize]>, positions: Option<Range<Position>>) -> Result<RowBatches> {
        if positions.is_some() {
            return Err(Error::internal("rows that a view shares with a segment have no positions of their own"));
        }
        let all: Vec<usize> = (0..self.sharing.places.len()).collect();
        let wanted = projection.unwrap_or(&all);
        let schema: SchemaRef = Arc::new(self.sharing.schema.project(wanted)?);
        // Per column wanted, the side it stands on and its place among those that are read there.
        let mut read: [Vec<usize>; 2] = Default::default();
        let mut note = |place: Place| {
            let (side, column) = match place {
                Place::Picked(column) => (PICKED, column),
                Place::Beside(column) => (BESIDE, column),
            };
            read[side].push(column);
            (side, read[side].len() - 1)
        };
        let order: Vec<(usize, usize)> = wanted.iter().map(|column| note(self.sharing.places[*column])).collect();
        let build = move |sides: [Option<&RecordBatch>; 2], rows: usize| -> Result<RecordBatch> {
            let column = |(side, at): &(usize, usize)| sides[*side].map(|batch| batch.column(*at).clone());
            let columns = order.iter().map(column).collect::<Option<Vec<_>>>().ok_or_else(|| Error::internal("a side was not read"))?;
            let options = RecordBatchOptions::new().with_row_count(Some(rows));
            Ok(RecordBatch::try_new_with_options(schema.clone(), columns, &options)?)
        };
        let [picked, beside] = &read;
        Ok(match &self.beside {
            Some(file) if picked.is_empty() => {
                Box::new(file.read(Some(beside), None)?.map(move |batch| batch.and_then(|b| build([None, Some(&b)], b.num_rows()))))
            }
            Some(file) if !beside.is_empty() => {
                let pairs = Together::new(self.picked(picked)?, file.read(Some(beside), None)?);
                Box::new(pairs.map(move |pair| pair.and_then(|(left, right)| build([Some(&left), Some(&right)], left.num_rows()))))
            }
            _ => Box::new(self.picked(picked)?.map(move |batch| batch.and_then(|b| build([Some(&b), None], b.num_rows())))),
        })
    }

    fn doom(&self) {
        // The segment is the log's.
        if let Some(file) = &self.beside {
            file.doom();
        }
    }
}

/// Two readers of as many rows side by side, however each cuts them into batches: pairs of batches of as many rows.
struct Together {
    sides: [RowBatches; 2],
    /// What is left of the batch that each side is at.
    rest: [Option<RecordBatch>; 2],
}

impl Together {
    fn new(left: RowBatches, right: RowBatches) -> Together {
        Together { sides: [left, right], rest: [None, None] }
    }

    /// The next rows of both sides; `None` if both are at their end.
    fn pair(&mut self) -> Result<Option<(RecordBatch, RecordBatch)>> {
        for (rest, side) in self.rest.iter_mut().zip(&mut self.sides) {
            while rest.as_ref().is_none_or(|batch| batch.num_rows() == 0) {
                match side.next() {
                    Some(batch) => *rest = Some(batch?),
                    None => break,
                }
            }
        }
        let rows = |rest: &Option<RecordBatch>| rest.as_ref().map_or(0, RecordBatch::num_rows);
        let count = rows(&self.rest[0]).min(rows(&self.rest[1]));
        match &self.rest {
            [Some(left), Some(right)] if count > 0 => {
                let pair = (left.slice(0, count), right.slice(0, count));
                let rest = [left, right].map(|batch| Some(batch.slice(count, batch.num_rows() - count)));
                self.rest = rest;
                Ok(Some(pair))
            }
            rest if rest.iter().all(|side| rows(side) == 0) => Ok(None),
            _ => Err(Error::internal("rows beside a segment are not as many as its events")),
        }
    }
}

impl Iterator for Together {
    type Item = Result<(RecordBatch, RecordBatch)>;

    fn next(&mut self) -> Option<Self::Item> {
        self.pair().transpose()
    }
}
