//! COPY FROM: bytes in, batches out.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Schema, SchemaRef};

use super::binary::Tuples;
use super::fields::Fields;
use super::lines::{Cutter, Line};
use super::{CopyFormat, CopyOptions, Header, bad_format};
use crate::data::PgType;
use crate::data::datetime::Reading;
use crate::data::decode::{ColumnBuilder, invalid_utf8};
use crate::error::{Error, Result, code};
use crate::limits::{BATCH_ROWS_MAX, MESSAGE_BYTES_MAX};

/// Input is taken in pieces of this many bytes, so that a line is parsed while it is still in the cache.
const PIECE_BYTES: usize = 256 << 10;
/// Characters of a value or a line that an error's context shows.
const SHOWN_CHARACTERS_MAX: usize = 100;

/// Parses the data of one COPY FROM.
pub struct CopyDecoder {
    format: Shape,
    rows: Rows,
    /// Bytes taken but not yet parsed: the beginning of a line, or of a binary tuple.
    rest: Vec<u8>,
    /// The end-of-data mark was seen; what follows is ignored, as PostgreSQL does.
    ended: bool,
}

enum Shape {
    Lines { cutter: Cutter, lines: Vec<Line>, first: bool },
    Binary(Tuples),
}

/// The rows read so far, and where in the data the parser is.
pub(super) struct Rows {
    options: CopyOptions,
    relation: String,
    schema: SchemaRef,
    pub(super) columns: Vec<ColumnBuilder>,
    force_null: Vec<bool>,
    force_not_null: Vec<bool>,
    full: Vec<RecordBatch>,
    /// Rows in the builders.
    open: usize,
    rows: u64,
    /// 1-based number of the line being read; lines within quotes count.
    pub(super) line: u64,
    scratch: Vec<u8>,
}

impl CopyDecoder {
    /// A decoder for the columns of `relation`, in the order of the data.
    pub fn new(options: CopyOptions, relation: &str, columns: &[(String, PgType)]) -> CopyDecoder {
        let fields: Vec<_> = columns.iter().map(|(name, ty)| ty.field(name, true)).collect();
        let named = |list: &[String]| columns.iter().map(|(name, _)| list.contains(name)).collect::<Vec<bool>>();
        let format = match options.format {
            CopyFormat::Binary => Shape::Binary(Tuples::default()),
            _ => Shape::Lines { cutter: Cutter::new(&options), lines: Vec::new(), first: true },
        };
        let rows = Rows {
            force_null: named(&options.force_null),
            force_not_null: named(&options.force_not_null),
            options,
            relation: relation.to_string(),
            schema: Arc::new(Schema::new(fields)),
            columns: columns.iter().map(|(_, ty)| ColumnBuilder::new(ty, 0)).collect(),
            full: Vec::new(),
            open: 0,
            rows: 0,
            line: 0,
            scratch: Vec::new(),
        };
        CopyDecoder { format, rows, rest: Vec::new(), ended: false }
    }

    /// The same decoder, reading what text leaves open about dates and times in that way.
    pub fn reading(mut self, reading: Reading) -> CopyDecoder {
        self.rows.columns = self.rows.columns.into_iter().map(|c| c.reading(reading)).collect();
        self
    }

    /// Takes bytes, cut anywhere. Errors: 22P04 and those of the columns' types, with PostgreSQL's context; 54000 for an endless line.
    pub fn feed(&mut self, data: &[u8]) -> Result<()> {
        for piece in data.chunks(PIECE_BYTES) {
            if self.ended {
                return Ok(());
            }
            if self.rest.len() + piece.len() > MESSAGE_BYTES_MAX {
                let error = Error::new(code::PROGRAM_LIMIT_EXCEEDED, "a line of COPY data is too long");
                return Err(error.hint("Look for a quote that is not closed.").context(self.rows.place()));
            }
            self.take(piece)?;
        }
        Ok(())
    }

    /// The batches of [`BATCH_ROWS_MAX`] rows that are complete.
    pub fn take_full_batches(&mut self) -> Vec<RecordBatch> {
        std::mem::take(&mut self.rows.full)
    }

    /// Rows read so far.
    pub fn rows(&self) -> u64 {
        self.rows.rows
    }

    /// Where row `row` (from 1) of the data is, as PostgreSQL's context names it: its line, or where rows took several lines, its number.
    pub fn place_of(&self, row: u64) -> String {
        let header = u64::from(self.rows.options.header != Header::No);
        let relation = &self.rows.relation;
        // The mark of the end is a line too.
        if self.rows.line <= self.rows.rows + header + 1 {
            format!("COPY {relation}, line {}", row + header)
        } else {
            format!("COPY {relation}, row {row}")
        }
    }

    /// Ends the data and answers the batches not yet taken, the last one of any length but 0. Errors as [`CopyDecoder::feed`].
    pub fn finish(&mut self) -> Result<Vec<RecordBatch>> {
        if !self.ended {
            self.parse_rest(true)?;
        }
        self.rows.close_batch()?;
        Ok(self.take_full_batches())
    }

    /// Takes a piece, read where it is but for the line that began before it, which is completed in `rest`.
    fn take(&mut self, mut piece: &[u8]) -> Result<()> {
        if !self.rest.is_empty() {
            let end = memchr::memchr(b'\n', piece).map_or(piece.len(), |n| n + 1);
            self.rest.extend_from_slice(&piece[..end]);
            self.parse_rest(false)?;
            piece = &piece[end..];
        }
        if self.ended || piece.is_empty() {
            return Ok(());
        }
        // The line goes on, within quotes for one.
        if !self.rest.is_empty() {
            self.rest.extend_from_slice(piece);
            return self.parse_rest(false);
        }
        let used = self.parse(piece, false)?;
        self.rest.extend_from_slice(&piece[used..]);
        Ok(())
    }

    fn parse_rest(&mut self, last: bool) -> Result<()> {
        let mut rest = std::mem::take(&mut self.rest);
        let used = self.parse(&rest, last)?;
        rest.drain(..used);
        self.rest = rest;
        Ok(())
    }

    /// Reads all that is whole; answers how many bytes that was.
    fn parse(&mut self, bytes: &[u8], last: bool) -> Result<usize> {
        match &mut self.format {
            Shape::Lines { cutter, lines, first } => {
                let mut reader = LineReader { rows: &mut self.rows, cutter, lines, first, ended: &mut self.ended };
                reader.read(bytes, last)
            }
            Shape::Binary(tuples) => tuples.read(bytes, last, &mut self.rows, &mut self.ended),
        }
    }
}

/// What reading lines needs at hand.
struct LineReader<'a> {
    rows: &'a mut Rows,
    cutter: &'a mut Cutter,
    lines: &'a mut Vec<Line>,
    first: &'a mut bool,
    ended: &'a mut bool,
}

impl LineReader<'_> {
    /// Reads all whole lines; answers how many bytes they were.
    fn read(&mut self, bytes: &[u8], last: bool) -> Result<usize> {
        self.lines.clear();
        let mut start = 0;
        let cut = loop {
            match self.cutter.next(bytes, start, last) {
                Ok(Some(line)) => {
                    start = line.next;
                    self.lines.push(line);
                }
                Ok(None) => break Ok(()),
                Err(e) => break Err(e),
            }
        };
        let valid = match std::str::from_utf8(&bytes[..start]) {
            Ok(text) => text,
            Err(e) => std::str::from_utf8(&bytes[..e.valid_up_to()]).unwrap_or_default(),
        };
        // A zero byte is as little text as bad UTF-8 is; looking for it once here spares looking in every field.
        let valid = memchr::memchr(0, valid.as_bytes()).map_or(valid, |zero| &valid[..zero]);
        for line in self.lines.iter() {
            self.rows.line += 1;
            let Some(text) = valid.get(line.start..line.end) else {
                return Err(invalid_utf8(&bytes[valid.len()..]).context(self.rows.place()));
            };
            if self.rows.line_is_end(text, line.special)? {
                *self.ended = true;
                return Ok(bytes.len());
            }
            if line.special && self.rows.options.format == CopyFormat::Csv {
                self.rows.line += memchr::memchr_iter(b'\n', text.as_bytes()).count() as u64;
            }
            if std::mem::take(self.first) && self.rows.options.header != Header::No {
                self.rows.header(text, line.special)?;
                continue;
            }
            self.rows.row(text, line.special)?;
        }
        self.rows.line += u64::from(cut.is_err());
        cut.map_err(|e| e.context(self.rows.place()))?;
        Ok(start)
    }
}

impl Rows {
    /// `COPY bid, line 3`.
    pub(super) fn place(&self) -> String {
        format!("COPY {}, line {}", self.relation, self.line)
    }

    fn line_place(&self, line: &str) -> String {
        format!("{}: \"{}\"", self.place(), shorten(line))
    }

    /// `COPY bid, line 3, column price`.
    pub(super) fn column_place(&self, column: usize) -> String {
        format!("{}, column {}", self.place(), self.schema.field(column).name())
    }

    /// True for the line `\.`. Errors: 22P04 for a mark in the middle of a line of the text format.
    fn line_is_end(&self, line: &str, special: bool) -> Result<bool> {
        let text = self.options.format == CopyFormat::Text;
        if line == "\\." {
            return Ok(true);
        }
        if text && special && line.starts_with("\\.") {
            return Err(bad_format("end-of-copy marker corrupt").context(self.place()));
        }
        Ok(false)
    }

    /// One line of data.
    fn row(&mut self, line: &str, special: bool) -> Result<()> {
        let mut fields = Fields::new(&self.options, line, special);
        let mut scratch = std::mem::take(&mut self.scratch);
        for i in 0..self.columns.len() {
            let field = match fields.next(&mut scratch) {
                Ok(Some(field)) => field,
                Ok(None) => {
                    let message = format!("missing data for column \"{}\"", self.schema.field(i).name());
                    return Err(bad_format(message).context(self.line_place(line)));
                }
                Err(e) => return Err(e.context(self.line_place(line))),
            };
            if field.null && (!field.quoted && !self.force_not_null[i] || field.quoted && self.force_null[i]) {
                self.columns[i].append_null();
            } else if let Err(e) = self.columns[i].append_clean_text(field.text) {
                return Err(e.context(format!("{}: \"{}\"", self.column_place(i), shorten(field.text))));
            }
        }
        let no_columns = self.columns.is_empty() && line.is_empty();
        if !(fields.done() || no_columns) {
            return Err(bad_format("extra data after last expected column").context(self.line_place(line)));
        }
        self.scratch = scratch;
        self.end_row()
    }

    /// The first line, if it names the columns.
    fn header(&mut self, line: &str, special: bool) -> Result<()> {
        if self.options.header != Header::Match {
            return Ok(());
        }
        let mut fields = Fields::new(&self.options, line, special);
        let mut scratch = Vec::new();
        let mut names = Vec::new();
        while let Some(field) = fields.next(&mut scratch).map_err(|e| e.context(self.line_place(line)))? {
            names.push((field.text.to_string(), field.null));
        }
        let expected = self.schema.fields();
        if names.len() != expected.len() {
            let message = format!("wrong number of fields in header line: got {}, expected {}", names.len(), expected.len());
            return Err(bad_format(message).context(self.line_place(line)));
        }
        for (i, ((name, null), field)) in names.iter().zip(expected).enumerate() {
            if *null || name != field.name() {
                let got = if *null { format!("null value (\"{}\")", self.options.null) } else { format!("\"{name}\"") };
                let message = format!("column name mismatch in header line field {}: got {got}, expected \"{}\"", i + 1, field.name());
                return Err(bad_format(message).context(self.line_place(line)));
            }
        }
        Ok(())
    }

    /// Counts a row whose columns have all been appended.
    pub(super) fn end_row(&mut self) -> Result<()> {
        self.rows += 1;
        self.open += 1;
        if self.open == BATCH_ROWS_MAX { self.close_batch() } else { Ok(()) }
    }

    fn close_batch(&mut self) -> Result<()> {
        if self.open == 0 {
            return Ok(());
        }
        let arrays: Vec<ArrayRef> = self.columns.iter_mut().map(ColumnBuilder::finish).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(self.open));
        self.full.push(RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)?);
        self.open = 0;
        Ok(())
    }
}

/// What a context shows of a long text.
fn shorten(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARACTERS_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_string(),
    }
}
