//! COPY's formats: what is read, and in what words it is refused.

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::util::display::array_value_to_string;

use super::*;
use crate::data::PgType;
use crate::data::encode::Style;
use crate::error::Result;
use crate::limits::BATCH_ROWS_MAX;

fn columns() -> Vec<(String, PgType)> {
    vec![("id".into(), PgType::Int4), ("name".into(), PgType::Text)]
}

fn options(words: &[(&str, &str)]) -> CopyOptions {
    let given: Vec<_> = words.iter().map(|(n, v)| (n.to_string(), OptionValue::Text(v.to_string()))).collect();
    CopyOptions::parse(&given, false).unwrap()
}

fn read(options: CopyOptions, data: &[u8], piece: usize) -> Result<RecordBatch> {
    let mut decoder = CopyDecoder::new(options, "t", &columns());
    data.chunks(piece).try_for_each(|part| decoder.feed(part))?;
    let batches = decoder.finish()?;
    Ok(concat_batches(&batches[0].schema(), &batches)?)
}

fn shown(batch: &RecordBatch) -> Vec<String> {
    let cell = |row, i: usize| match batch.column(i).is_null(row) {
        true => "~".to_string(),
        false => array_value_to_string(batch.column(i), row).unwrap(),
    };
    (0..batch.num_rows()).map(|row| format!("{}|{}", cell(row, 0), cell(row, 1))).collect()
}

fn refused(options: CopyOptions, data: &str) -> (String, String) {
    let error = read(options, data.as_bytes(), 7).unwrap_err();
    (error.message().to_string(), error.fields().context.clone().unwrap_or_default())
}

#[test]
fn csv_is_read_however_it_is_cut() {
    let data = "1,a\r\n2,\r\n3,\"\"\r\n4,\"x,\"\"y\"\"\r\nz\"\r\n5,pre\"q,q\"post\r\n6,\u{20ac}uro";
    let rows = ["1|a", "2|~", "3|", "4|x,\"y\"\r\nz", "5|preq,qpost", "6|\u{20ac}uro"];
    for piece in 1..data.len() {
        assert_eq!(shown(&read(options(&[("format", "csv")]), data.as_bytes(), piece).unwrap()), rows, "pieces of {piece}");
    }
}

#[test]
fn text_is_read_however_it_is_cut() {
    let data = "1\ta\\tb\n2\t\\N\n3\t\\\\N\n4\tx\\\ny\n5\t\\x41\\101\\q\n\\.\njunk";
    let rows = ["1|a\tb", "2|~", "3|\\N", "4|x\ny", "5|AAq"];
    for piece in 1..data.len() {
        assert_eq!(shown(&read(options(&[]), data.as_bytes(), piece).unwrap()), rows, "pieces of {piece}");
    }
}

#[test]
fn escape_header_and_delimiter_can_be_chosen() {
    let given = options(&[("format", "csv"), ("delimiter", ";"), ("escape", "\\"), ("quote", "'"), ("header", "match"), ("null", "-")]);
    let batch = read(given.clone(), b"id;name\n1;'it\\'s; \\\\'\n2;-\n3;'-'\n", 3).unwrap();
    assert_eq!(shown(&batch), ["1|it's; \\", "2|~", "3|-"]);
    let (message, context) = refused(given, "id;nam\n");
    assert_eq!(message, "column name mismatch in header line field 2: got \"nam\", expected \"name\"");
    assert_eq!(context, "COPY t, line 1: \"id;nam\"");
}

#[test]
fn forced_columns_decide_what_is_null() {
    let force = |name: &str| {
        let list =
            vec![("format".to_string(), OptionValue::Text("csv".into())), (name.to_string(), OptionValue::List(vec!["name".into()]))];
        CopyOptions::parse(&list, false).unwrap()
    };
    assert_eq!(shown(&read(force("force_null"), b"1,\"\"\n", 9).unwrap()), ["1|~"]);
    assert_eq!(shown(&read(force("force_not_null"), b"1,\n", 9).unwrap()), ["1|"]);
}

#[test]
fn errors_name_the_place_as_postgresql_does() {
    let csv = || options(&[("format", "csv")]);
    let cases = [
        ("1,a\n2\n", "missing data for column \"name\"", "COPY t, line 2: \"2\""),
        ("1,a,b\n", "extra data after last expected column", "COPY t, line 1: \"1,a,b\""),
        ("1,\"a\nb\"\nx,c\n", "invalid input syntax for type integer: \"x\"", "COPY t, line 3, column id: \"x\""),
        ("1,\"a\nb", "unterminated CSV quoted field", "COPY t, line 2: \"1,\"a\nb\""),
        ("1,a\n2,b\r\n", "unquoted carriage return found in data", "COPY t, line 2"),
        ("1,a\r\n2,b\n", "unquoted newline found in data", "COPY t, line 2"),
    ];
    for (data, message, context) in cases {
        assert_eq!(refused(csv(), data), (message.to_string(), context.to_string()), "{data:?}");
    }
    assert_eq!(refused(options(&[]), "1\ta\n\\.x\n").0, "end-of-copy marker corrupt");
    let error = read(csv(), b"1,a\n2,\xff\n", 100).unwrap_err();
    assert_eq!((error.code(), error.fields().context.as_deref()), ("22021", Some("COPY t, line 2")));
    for (given, data) in [(csv(), &b"1,a\n2,b\0\n"[..]), (options(&[]), b"1\ta\n2\t\\000\n")] {
        let error = read(given, data, 100).unwrap_err();
        assert_eq!((error.code(), error.message()), ("22021", "invalid byte sequence for encoding \"UTF8\": 0x00"));
    }
}

#[test]
fn options_are_checked() {
    let refuse = |list: &[(&str, &str)], to| {
        let given: Vec<_> = list.iter().map(|(n, v)| (n.to_string(), OptionValue::Text(v.to_string()))).collect();
        CopyOptions::parse(&given, to).unwrap_err().message().to_string()
    };
    assert_eq!(refuse(&[("format", "binary"), ("delimiter", ",")], false), "cannot specify DELIMITER in BINARY mode");
    assert_eq!(refuse(&[("quote", "'")], false), "COPY quote available only in CSV mode");
    assert_eq!(refuse(&[("delimiter", "ab")], false), "COPY delimiter must be a single one-byte character");
    assert_eq!(refuse(&[("delimiter", "a")], false), "COPY delimiter cannot be \"a\"");
    assert_eq!(refuse(&[("format", "csv"), ("header", "match")], true), "cannot use \"match\" with HEADER in COPY TO");
    assert_eq!(refuse(&[("nonsense", "1")], true), "option \"nonsense\" not recognized");
}

#[test]
fn full_batches_are_handed_out_early() {
    let mut decoder = CopyDecoder::new(options(&[("format", "csv")]), "t", &columns());
    let data = "1,a\n".repeat(BATCH_ROWS_MAX + 1);
    decoder.feed(data.as_bytes()).unwrap();
    let full = decoder.take_full_batches();
    assert_eq!(full.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [BATCH_ROWS_MAX]);
    assert_eq!(decoder.finish().unwrap()[0].num_rows(), 1);
}

#[test]
fn csv_output_quotes_what_could_be_mistaken() {
    let batch = read(options(&[("null", "-")]), b"1\t\n2\t-\n3\tq\"\n", 9).unwrap();
    let encoder = CopyEncoder::new(CopyOptions { header: Header::Yes, ..CopyOptions::new(CopyFormat::Csv) }, &columns(), &Style::default());
    let mut out = Vec::new();
    encoder.header(&mut out);
    let mut ends = Vec::new();
    encoder.batch(&batch, &mut out, &mut ends).unwrap();
    assert_eq!((ends.len(), ends.last()), (batch.num_rows(), Some(&out.len())));
    encoder.trailer(&mut out);
    assert_eq!(String::from_utf8(out).unwrap(), "id,name\n1,\"\"\n2,\n3,\"q\"\"\"\n");
}
