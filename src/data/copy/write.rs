//! COPY TO: batches in, bytes out.

use arrow::array::RecordBatch;
use bytes::{BufMut, BytesMut};

use super::{CopyFormat, CopyOptions, ForceQuote, Header, SIGNATURE};
use crate::data::PgType;
use crate::data::encode::{BatchEncoder, Format, Style};
use crate::error::Result;

/// Writes the data of one COPY TO.
pub struct CopyEncoder {
    options: CopyOptions,
    names: Vec<String>,
    types: Vec<PgType>,
    force_quote: Vec<bool>,
    style: Style,
}

impl CopyEncoder {
    /// An encoder for batches of these columns.
    pub fn new(options: CopyOptions, columns: &[(String, PgType)], style: &Style) -> CopyEncoder {
        let force_quote = columns.iter().map(|(name, _)| match &options.force_quote {
            ForceQuote::None => false,
            ForceQuote::All => true,
            ForceQuote::Columns(list) => list.contains(name),
        });
        CopyEncoder {
            force_quote: force_quote.collect(),
            names: columns.iter().map(|(name, _)| name.clone()).collect(),
            types: columns.iter().map(|(_, ty)| ty.clone()).collect(),
            options,
            style: *style,
        }
    }

    /// Appends what stands before the rows: the binary header, or the line of column names if it is asked for.
    pub fn header(&self, out: &mut Vec<u8>) {
        match self.options.format {
            CopyFormat::Binary => {
                out.extend_from_slice(SIGNATURE);
                out.extend_from_slice(&[0; 8]);
            }
            _ if self.options.header == Header::No => {}
            format => {
                for (i, name) in self.names.iter().enumerate() {
                    if i > 0 {
                        out.push(self.options.delimiter);
                    }
                    match format {
                        CopyFormat::Csv => self.put_csv(&self.style.charset.write_anyhow(name.as_bytes()), false, out),
                        _ => self.put_escaped(&self.style.charset.write_anyhow(name.as_bytes()), out),
                    }
                }
                out.push(b'\n');
            }
        }
    }

    /// Appends the rows of a batch [n rows x the encoder's columns], and to `ends` where in `out` each of them ends: the protocol
    /// wants a message for each row. Errors: 42804, 0A000 as [`BatchEncoder`].
    pub fn batch(&self, batch: &RecordBatch, out: &mut Vec<u8>, ends: &mut Vec<usize>) -> Result<()> {
        ends.reserve(batch.num_rows());
        if self.options.format == CopyFormat::Binary {
            return self.put_binary(batch, out, ends);
        }
        let encoder = BatchEncoder::new(batch, &self.types, &[], &self.style)?;
        let columns: Vec<_> = encoder.columns().collect();
        let charset = self.style.charset;
        let mut cell = BytesMut::new();
        for row in 0..batch.num_rows() {
            for (i, column) in columns.iter().enumerate() {
                if i > 0 {
                    out.push(self.options.delimiter);
                }
                if column.is_null(row) {
                    out.extend_from_slice(&charset.write(&self.options.null)?);
                    continue;
                }
                cell.clear();
                column.put_text(row, &self.style, &mut cell);
                if charset.converts() {
                    charset.write_behind(0, &mut cell)?;
                }
                match self.options.format {
                    CopyFormat::Csv => self.put_csv(&cell, self.force_quote[i], out),
                    _ => self.put_escaped(&cell, out),
                }
            }
            out.push(b'\n');
            ends.push(out.len());
        }
        Ok(())
    }

    /// Appends what stands behind the rows: the binary trailer.
    pub fn trailer(&self, out: &mut Vec<u8>) {
        if self.options.format == CopyFormat::Binary {
            out.extend_from_slice(&[0xff, 0xff]);
        }
    }

    fn put_binary(&self, batch: &RecordBatch, out: &mut Vec<u8>, ends: &mut Vec<usize>) -> Result<()> {
        let encoder = BatchEncoder::new(batch, &self.types, &[Format::Binary], &self.style)?;
        let mut row_bytes = BytesMut::new();
        for row in 0..batch.num_rows() {
            row_bytes.clear();
            encoder.put_row(row, &mut row_bytes)?;
            out.put_i16(self.types.len() as i16);
            out.extend_from_slice(&row_bytes);
            ends.push(out.len());
        }
        Ok(())
    }

    /// A value of the text format: control characters, backslash and delimiter escaped.
    fn put_escaped(&self, value: &[u8], out: &mut Vec<u8>) {
        for b in value {
            let letter = match b {
                8 => b'b',
                9 => b't',
                10 => b'n',
                11 => b'v',
                12 => b'f',
                13 => b'r',
                b'\\' => b'\\',
                b if *b == self.options.delimiter => *b,
                b => {
                    out.push(*b);
                    continue;
                }
            };
            out.extend_from_slice(&[b'\\', letter]);
        }
    }

    /// A value of CSV, quoted if it must be: when it holds something special, or could be taken for NULL or the end mark.
    fn put_csv(&self, value: &[u8], force: bool, out: &mut Vec<u8>) {
        let (quote, escape) = (self.options.quote, self.options.escape);
        let special = |b: &u8| *b == self.options.delimiter || *b == quote || matches!(b, b'\n' | b'\r');
        let mistaken = value == self.options.null.as_bytes() || (self.names.len() == 1 && value == b"\\.");
        if !force && !mistaken && !value.iter().any(special) {
            return out.extend_from_slice(value);
        }
        out.push(quote);
        for b in value {
            if *b == quote || *b == escape {
                out.push(escape);
            }
            out.push(*b);
        }
        out.push(quote);
    }
}
