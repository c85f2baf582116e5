//! Tests against values recorded from PostgreSQL 15, and the laws that hold for every type: what is written reads back.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use bytes::BytesMut;
use proptest::prelude::*;

use super::PgType;
use super::copy::{CopyDecoder, CopyEncoder, CopyFormat, CopyOptions};
use super::decode::ColumnBuilder;
use super::encode::{BatchEncoder, Column, Format, Style};
use super::text::put_integer;

/// (type, input, text output, binary output in hexadecimal).
#[rustfmt::skip]
const VALUES: &[(&str, &str, &str, &str)] = &[
    ("boolean", "t", "t", "01"),
    ("boolean", " YES ", "t", "01"),
    ("boolean", "of", "f", "00"),
    ("boolean", "0", "f", "00"),
    ("boolean", "tru", "t", "01"),
    ("boolean", "on", "t", "01"),
    ("smallint", "-32768", "-32768", "8000"),
    ("smallint", " 12 ", "12", "000c"),
    ("smallint", "+7", "7", "0007"),
    ("integer", "0", "0", "00000000"),
    ("integer", "-2147483648", "-2147483648", "80000000"),
    ("integer", "2147483647", "2147483647", "7fffffff"),
    ("bigint", "9223372036854775807", "9223372036854775807", "7fffffffffffffff"),
    ("bigint", "-9223372036854775808", "-9223372036854775808", "8000000000000000"),
    ("bigint", "-1", "-1", "ffffffffffffffff"),
    ("oid", "4294967295", "4294967295", "ffffffff"),
    ("oid", "0", "0", "00000000"),
    ("real", "1.1", "1.1", "3f8ccccd"),
    ("real", "1e6", "1e+06", "49742400"),
    ("real", "3.4028235e38", "3.4028235e+38", "7f7fffff"),
    ("real", "-inf", "-Infinity", "ff800000"),
    ("real", "NaN", "NaN", "7fc00000"),
    ("real", "1e-45", "1e-45", "00000001"),
    ("real", "16777216", "1.6777216e+07", "4b800000"),
    ("real", "0.00012", "0.00012", "38fba882"),
    ("double precision", "0.1", "0.1", "3fb999999999999a"),
    ("double precision", "1e15", "1e+15", "430c6bf526340000"),
    ("double precision", "1e23", "9.999999999999999e+22", "44b52d02c7e14af6"),
    ("double precision", "-Infinity", "-Infinity", "fff0000000000000"),
    ("double precision", "nan", "NaN", "7ff8000000000000"),
    ("double precision", "123456.789", "123456.789", "40fe240c9fbe76c9"),
    ("double precision", "1e-7", "1e-07", "3e7ad7f29abcaf48"),
    ("double precision", "4.9e-324", "5e-324", "0000000000000001"),
    ("double precision", "-0", "-0", "8000000000000000"),
    ("double precision", "100000", "100000", "40f86a0000000000"),
    ("double precision", "9007199254740993", "9.007199254740992e+15", "4340000000000000"),
    ("numeric(10,2)", "1.005", "1.01", "000200000000000200010064"),
    ("numeric(10,2)", "-1.005", "-1.01", "000200004000000200010064"),
    ("numeric(10,2)", "99999999.994", "99999999.99", "0003000100000002270f270f26ac"),
    ("numeric(10,2)", "0", "0.00", "0000000000000002"),
    ("numeric(10,2)", "12345.6", "12345.60", "0003000100000002000109291770"),
    ("numeric(10,2)", "1e3", "1000.00", "000100000000000203e8"),
    ("numeric(5,5)", "0.12345", "0.12345", "0002ffff0000000504d21388"),
    ("numeric(5,5)", "-0.000005", "-0.00001", "0001fffe4000000503e8"),
    ("numeric(38,0)", "99999999999999999999999999999999999999", "99999999999999999999999999999999999999", "000a0009000000000063270f270f270f270f270f270f270f270f270f"),
    ("numeric(38,0)", "-10000", "-10000", "00010001400000000001"),
    ("numeric", "0", "0", "0000000000000000"),
    ("numeric", "1", "1", "00010000000000000001"),
    ("numeric", "-1", "-1", "00010000400000000001"),
    ("numeric", "10000", "10000", "00010001000000000001"),
    ("numeric", "0.0001", "0.0001", "0001ffff000000040001"),
    ("numeric", "-123456789.000123", "-123456789.000123", "0005000240000006000109291a85000108fc"),
    ("numeric", "99999999999999999999999999999999999999.5", "99999999999999999999999999999999999999.5", "000b0009000000010063270f270f270f270f270f270f270f270f270f1388"),
    ("numeric", "1e-10", "0.0000000001", "0001fffd0000000a0064"),
    ("numeric", "1e10", "10000000000", "00010002000000000064"),
    ("numeric", "12345678901234567890.123456789", "12345678901234567890.123456789", "000800040000000904d2162e23340d801ed204d2162e2328"),
    ("text", "", "", ""),
    ("text", "héllo", "héllo", "68c3a96c6c6f"),
    ("text", " a ", " a ", "206120"),
    ("character varying(3)", "abc", "abc", "616263"),
    ("character varying(3)", "a", "a", "61"),
    ("character varying(3)", "abc   ", "abc", "616263"),
    ("character(4)", "ab", "ab  ", "61622020"),
    ("character(4)", "abcd", "abcd", "61626364"),
    ("name", "x", "x", "78"),
    ("name", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161"),
    ("\"char\"", "a", "a", "61"),
    ("\"char\"", "", "", "00"),
    ("json", "{\"b\":1, \"a\":  [2]}", "{\"b\":1, \"a\":  [2]}", "7b2262223a312c202261223a20205b325d7d"),
    ("json", "null", "null", "6e756c6c"),
    ("jsonb", "{\"b\":1, \"a\":[2, {\"x\": \"y\\u00e9\\n\"}], \"b\":2}", "{\"a\": [2, {\"x\": \"yé\\n\"}], \"b\": 2}", "017b2261223a205b322c207b2278223a202279c3a95c6e227d5d2c202262223a20327d"),
    ("jsonb", "1e3", "1000", "0131303030"),
    ("jsonb", "\"\\u0041\\/\"", "\"A/\"", "0122412f22"),
    ("jsonb", "-0", "0", "0130"),
    ("jsonb", "[ ]", "[]", "015b5d"),
    ("jsonb", "{}", "{}", "017b7d"),
    ("jsonb", "1.500", "1.500", "01312e353030"),
    ("jsonb", "{\"aa\":1,\"b\":2,\"a\":3}", "{\"a\": 3, \"b\": 2, \"aa\": 1}", "017b2261223a20332c202262223a20322c20226161223a20317d"),
    ("bytea", "\\x00ff", "\\x00ff", "00ff"),
    ("bytea", "\\x", "\\x", ""),
    ("bytea", "abc\\\\d\\001", "\\x6162635c6401", "6162635c6401"),
    ("bytea", "\\xDE AD", "\\xdead", "dead"),
    ("date", "2013-01-05", "2013-01-05", "00001291"),
    ("date", "20130105", "2013-01-05", "00001291"),
    ("date", "Jan 5 2013", "2013-01-05", "00001291"),
    ("date", "5 January 2013", "2013-01-05", "00001291"),
    ("date", "0044-03-15 BC", "0044-03-15 BC", "fff49d7b"),
    ("date", "12345-06-07", "12345-06-07", "0039a81f"),
    ("date", "1/8/1999", "1999-01-08", "fffffe9a"),
    ("date", "1999-Jan-08", "1999-01-08", "fffffe9a"),
    ("date", "epoch", "1970-01-01", "ffffd533"),
    ("date", "2000-02-29", "2000-02-29", "0000003b"),
    ("date", "January 8, 1999", "1999-01-08", "fffffe9a"),
    ("time without time zone", "04:05", "04:05:00", "000000036c303300"),
    ("time without time zone", "04:05:06.789", "04:05:06.789", "000000036c97ca88"),
    ("time without time zone", "040506", "04:05:06", "000000036c8bc080"),
    ("time without time zone", "24:00:00", "24:00:00", "000000141dd76000"),
    ("time without time zone", "04:05 PM", "16:05:00", "0000000d7b1be300"),
    ("time without time zone", "12:00 AM", "00:00:00", "0000000000000000"),
    ("time without time zone", "23:59:60", "24:00:00", "000000141dd76000"),
    ("timestamp without time zone", "2015-07-15 00:00:00", "2015-07-15 00:00:00", "0001bddd6795c000"),
    ("timestamp without time zone", "2015-07-15T01:02:03.456789", "2015-07-15 01:02:03.456789", "0001bdde45853115"),
    ("timestamp without time zone", "2015-07-15", "2015-07-15 00:00:00", "0001bddd6795c000"),
    ("timestamp without time zone", "1969-12-31 23:59:59.999999", "1969-12-31 23:59:59.999999", "fffca2fec4c81fff"),
    ("timestamp without time zone", "0001-01-01 00:00:00", "0001-01-01 00:00:00", "ff1fe2ffc59c6000"),
    ("timestamp without time zone", "4713-01-01 00:00:00 BC", "4713-01-01 00:00:00 BC", "fd0f7fbdaf17e000"),
    ("timestamp without time zone", "2015-07-15 24:00:00", "2015-07-16 00:00:00", "0001bdf1856d2000"),
    ("timestamp without time zone", "294246-12-31 00:00:00", "294246-12-31 00:00:00", "7ffca2323ccc0000"),
    ("timestamp without time zone", "epoch", "1970-01-01 00:00:00", "fffca2fec4c82000"),
    ("timestamp without time zone", "2015-07-15 10:00:00+02", "2015-07-15 10:00:00", "0001bde5c95a2800"),
    ("timestamp without time zone", "2015-07-15 1:02", "2015-07-15 01:02:00", "0001bdde45507200"),
    ("timestamp without time zone", "Wed Jul 15 10:00:00 2015", "2015-07-15 10:00:00", "0001bde5c95a2800"),
    ("timestamp without time zone", "20150715T010203", "2015-07-15 01:02:03", "0001bdde457e38c0"),
    ("timestamp without time zone", "2015-07-15 10:00:00.1234567", "2015-07-15 10:00:00.123457", "0001bde5c95c0a41"),
    ("timestamp with time zone", "2015-07-15 00:00:00+02", "2015-07-14 22:00:00+00", "0001bddbba6e7800"),
    ("timestamp with time zone", "2015-07-15 00:00:00Z", "2015-07-15 00:00:00+00", "0001bddd6795c000"),
    ("timestamp with time zone", "2015-07-15 00:00:00-05:30", "2015-07-15 05:30:00+00", "0001bde203c1c600"),
    ("timestamp with time zone", "2015-07-15 00:00:00 Europe/Berlin", "2015-07-14 22:00:00+00", "0001bddbba6e7800"),
    ("timestamp with time zone", "2015-07-15 00:00:00", "2015-07-15 00:00:00+00", "0001bddd6795c000"),
    ("timestamp with time zone", "epoch", "1970-01-01 00:00:00+00", "fffca2fec4c82000"),
    ("timestamp with time zone", "2015-07-15 00:00:00 UTC", "2015-07-15 00:00:00+00", "0001bddd6795c000"),
    ("timestamp with time zone", "2015-07-15T00:00:00.5+0530", "2015-07-14 18:30:00.5+00", "0001bdd8cb715b20"),
    ("interval", "1 year 2 mons 3 days 04:05:06.789", "1 year 2 mons 3 days 04:05:06.789", "000000036c97ca88000000030000000e"),
    ("interval", "-1 mons", "-1 mons", "000000000000000000000000ffffffff"),
    ("interval", "1 mon -1 days", "1 mon -1 days", "0000000000000000ffffffff00000001"),
    ("interval", "-1 days +04:05:00", "-1 days +04:05:00", "000000036c303300ffffffff00000000"),
    ("interval", "1 day -04:05", "1 day -04:05:00", "fffffffc93cfcd000000000100000000"),
    ("interval", "10 seconds", "00:00:10", "00000000009896800000000000000000"),
    ("interval", "P1Y2M3DT4H5M6S", "1 year 2 mons 3 days 04:05:06", "000000036c8bc080000000030000000e"),
    ("interval", "-1 day ago", "1 day", "00000000000000000000000100000000"),
    ("interval", "1.5 days", "1 day 12:00:00", "0000000a0eebb0000000000100000000"),
    ("interval", "1.5 months", "1 mon 15 days", "00000000000000000000000f00000001"),
    ("interval", "2 weeks", "14 days", "00000000000000000000000e00000000"),
    ("interval", "1-2", "1 year 2 mons", "0000000000000000000000000000000e"),
    ("interval", "1 02:03:04", "1 day 02:03:04", "00000001b81ee6000000000100000000"),
    ("interval", "0", "00:00:00", "00000000000000000000000000000000"),
    ("interval", "100:00:00", "100:00:00", "00000053d1ac10000000000000000000"),
    ("interval", "1.5 years", "1 year 6 mons", "00000000000000000000000000000012"),
    ("interval", "00:00:00.000001", "00:00:00.000001", "00000000000000010000000000000000"),
    ("interval", "-0.5 s", "-00:00:00.5", "fffffffffff85ee00000000000000000"),
    ("interval", "1 day 2 hours ago", "-1 days -02:00:00", "fffffffe52d8b800ffffffff00000000"),
    ("interval", "12 hours 90 minutes", "13:30:00", "0000000b50c926000000000000000000"),
    ("interval", "1 century", "100 years", "000000000000000000000000000004b0"),
    ("interval", "PT36H", "36:00:00", "0000001e2cc310000000000000000000"),
    ("interval", "10", "00:00:10", "00000000009896800000000000000000"),
    ("interval", "1.75 weeks", "12 days 06:00:00", "000000050775d8000000000c00000000"),
    ("interval", "5 ms 3 us", "00:00:00.005003", "000000000000138b0000000000000000"),
    ("interval", "P0.5Y", "6 mons", "00000000000000000000000000000006"),
    ("uuid", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "a0eebc999c0b4ef8bb6d6bb9bd380a11"),
    ("uuid", "{a0eebc99-9c0b4ef8-bb6d6bb9-bd380a11}", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "a0eebc999c0b4ef8bb6d6bb9bd380a11"),
    ("uuid", "a0eebc999c0b4ef8bb6d6bb9bd380a11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "a0eebc999c0b4ef8bb6d6bb9bd380a11"),
    ("integer[]", "{}", "{}", "000000000000000000000017"),
    ("integer[]", "{1,2,NULL}", "{1,2,NULL}", "000000010000000100000017000000030000000100000004000000010000000400000002ffffffff"),
    ("integer[]", " { 1 , 2 } ", "{1,2}", "000000010000000000000017000000020000000100000004000000010000000400000002"),
    ("text[]", "{a,\"b c\",NULL,\"\",\"NULL\",\"q\\\"\\\\\"}", "{a,\"b c\",NULL,\"\",\"NULL\",\"q\\\"\\\\\"}", "0000000100000001000000190000000600000001000000016100000003622063ffffffff00000000000000044e554c4c0000000371225c"),
    ("text[]", "{ a b , c}", "{\"a b\",c}", "0000000100000000000000190000000200000001000000036120620000000163"),
    ("text[]", "{\"{}\",\"x,y\"}", "{\"{}\",\"x,y\"}", "0000000100000000000000190000000200000001000000027b7d00000003782c79"),
    ("text[]", "{a\\ b}", "{\"a b\"}", "000000010000000000000019000000010000000100000003612062"),
    ("numeric(10,2)[]", "{1.5,2.25}", "{1.50,2.25}", "0000000100000000000006a400000002000000010000000c0002000000000002000113880000000c0002000000000002000209c4"),
    ("timestamp without time zone[]", "{\"2015-07-15 00:00:00\"}", "{\"2015-07-15 00:00:00\"}", "00000001000000000000045a0000000100000001000000080001bddd6795c000"),
    ("boolean[]", "{t,f,null}", "{t,f,NULL}", "000000010000000100000010000000030000000100000001010000000100ffffffff"),
];

/// (type, input, SQLSTATE, message, detail).
#[rustfmt::skip]
const REFUSED: &[(&str, &str, &str, &str, &str)] = &[
    ("boolean", "maybe", "22P02", "invalid input syntax for type boolean: \"maybe\"", ""),
    ("boolean", "", "22P02", "invalid input syntax for type boolean: \"\"", ""),
    ("boolean", "o", "22P02", "invalid input syntax for type boolean: \"o\"", ""),
    ("integer", "abc", "22P02", "invalid input syntax for type integer: \"abc\"", ""),
    ("integer", "99999999999", "22003", "value \"99999999999\" is out of range for type integer", ""),
    ("integer", "1.5", "22P02", "invalid input syntax for type integer: \"1.5\"", ""),
    ("integer", "", "22P02", "invalid input syntax for type integer: \"\"", ""),
    ("integer", "1 2", "22P02", "invalid input syntax for type integer: \"1 2\"", ""),
    ("smallint", "40000", "22003", "value \"40000\" is out of range for type smallint", ""),
    ("bigint", "9223372036854775808", "22003", "value \"9223372036854775808\" is out of range for type bigint", ""),
    ("bigint", "--1", "22P02", "invalid input syntax for type bigint: \"--1\"", ""),
    ("double precision", "1e400", "22003", "\"1e400\" is out of range for type double precision", ""),
    ("double precision", "x", "22P02", "invalid input syntax for type double precision: \"x\"", ""),
    ("double precision", "1e-400", "22003", "\"1e-400\" is out of range for type double precision", ""),
    ("double precision", "", "22P02", "invalid input syntax for type double precision: \"\"", ""),
    ("double precision", "0x10z", "22P02", "invalid input syntax for type double precision: \"0x10z\"", ""),
    ("real", "1e40", "22003", "\"1e40\" is out of range for type real", ""),
    ("numeric(4,1)", "12345", "22003", "numeric field overflow", "A field with precision 4, scale 1 must round to an absolute value less than 10^3."),
    ("numeric(4,1)", "abc", "22P02", "invalid input syntax for type numeric: \"abc\"", ""),
    ("numeric(4,1)", "1e", "22P02", "invalid input syntax for type numeric: \"1e\"", ""),
    ("numeric(4,1)", "9999.95", "22003", "numeric field overflow", "A field with precision 4, scale 1 must round to an absolute value less than 10^3."),
    ("numeric(2,2)", "1", "22003", "numeric field overflow", "A field with precision 2, scale 2 must round to an absolute value less than 1."),
    ("uuid", "a", "22P02", "invalid input syntax for type uuid: \"a\"", ""),
    ("uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1", "22P02", "invalid input syntax for type uuid: \"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1\"", ""),
    ("bytea", "\\xg", "22023", "invalid hexadecimal digit: \"g\"", ""),
    ("bytea", "\\x1", "22023", "invalid hexadecimal data: odd number of digits", ""),
    ("bytea", "\\8", "22P02", "invalid input syntax for type bytea", ""),
    ("date", "2015-13-01", "22008", "date/time field value out of range: \"2015-13-01\"", ""),
    ("date", "2015-02-30", "22008", "date/time field value out of range: \"2015-02-30\"", ""),
    ("date", "abc", "22007", "invalid input syntax for type date: \"abc\"", ""),
    ("date", "", "22007", "invalid input syntax for type date: \"\"", ""),
    ("date", "2015-00-10", "22008", "date/time field value out of range: \"2015-00-10\"", ""),
    ("date", "0000-01-01", "22008", "date/time field value out of range: \"0000-01-01\"", ""),
    ("date", "2015-01-01-01", "22007", "invalid input syntax for type date: \"2015-01-01-01\"", ""),
    ("time without time zone", "25:00", "22008", "date/time field value out of range: \"25:00\"", ""),
    ("time without time zone", "12:61", "22008", "date/time field value out of range: \"12:61\"", ""),
    ("time without time zone", "x", "22007", "invalid input syntax for type time: \"x\"", ""),
    ("time without time zone", "24:00:01", "22008", "date/time field value out of range: \"24:00:01\"", ""),
    ("timestamp without time zone", "x", "22007", "invalid input syntax for type timestamp: \"x\"", ""),
    ("timestamp without time zone", "2015-07-15 25:00:00", "22008", "date/time field value out of range: \"2015-07-15 25:00:00\"", ""),
    ("timestamp without time zone", "300000-01-01", "22008", "timestamp out of range: \"300000-01-01\"", ""),
    ("timestamp without time zone", "2015-02-29 00:00:00", "22008", "date/time field value out of range: \"2015-02-29 00:00:00\"", ""),
    ("timestamp without time zone", "2015-07-15 00:00:61", "22008", "date/time field value out of range: \"2015-07-15 00:00:61\"", ""),
    ("timestamp with time zone", "2015-07-15 00:00:00 Nowhere/Land", "22023", "time zone \"nowhere/land\" not recognized", ""),
    ("timestamp with time zone", "x", "22007", "invalid input syntax for type timestamp with time zone: \"x\"", ""),
    ("interval", "x", "22007", "invalid input syntax for type interval: \"x\"", ""),
    ("interval", "1 2", "22007", "invalid input syntax for type interval: \"1 2\"", ""),
    ("interval", "1 fortnight", "22007", "invalid input syntax for type interval: \"1 fortnight\"", ""),
    ("interval", "", "22007", "invalid input syntax for type interval: \"\"", ""),
    ("interval", "99999999999 years", "22015", "interval field value out of range: \"99999999999 years\"", ""),
    ("integer[]", "{1,x}", "22P02", "invalid input syntax for type integer: \"x\"", ""),
    ("integer[]", "{1", "22P02", "malformed array literal: \"{1\"", "Unexpected end of input."),
    ("integer[]", "1", "22P02", "malformed array literal: \"1\"", "Array value must start with \"{\" or dimension information."),
    ("integer[]", "{1}x", "22P02", "malformed array literal: \"{1}x\"", "Junk after closing right brace."),
    ("integer[]", "{,}", "22P02", "malformed array literal: \"{,}\"", "Unexpected \",\" character."),
];

fn column(ty: &PgType, text: &str) -> Column {
    let mut builder = ColumnBuilder::new(ty, 1);
    builder.append_text(text).unwrap_or_else(|e| panic!("{ty} {text:?}: {e:?}"));
    Column::new(&builder.finish(), ty).unwrap()
}

fn text_of(column: &Column) -> String {
    let mut out = Vec::new();
    column.put_text(0, &Style::default(), &mut out);
    String::from_utf8(out).unwrap()
}

fn binary_of(column: &Column) -> Vec<u8> {
    let mut out = BytesMut::new();
    column.put_binary(0, &Style::default(), &mut out).unwrap();
    out.to_vec()
}

#[test]
fn values_are_read_and_written_as_postgresql_15_did() {
    let mut wrong = Vec::new();
    for (name, input, text, hex) in VALUES {
        let ty = PgType::parse(name).unwrap();
        let mut builder = ColumnBuilder::new(&ty, 1);
        if let Err(e) = builder.append_text(input) {
            wrong.push(format!("{name} {input:?}: {e:?}"));
            continue;
        }
        let column = Column::new(&builder.finish(), &ty).unwrap();
        let shown = text_of(&column);
        let sent: String = binary_of(&column).iter().map(|b| format!("{b:02x}")).collect();
        if shown != *text || sent != *hex {
            wrong.push(format!("{name} {input:?}: {shown:?} {sent}, recorded {text:?} {hex}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_postgresql_15_refused_is_refused_in_its_words() {
    let mut wrong = Vec::new();
    for (name, input, sqlstate, message, detail) in REFUSED {
        let ty = PgType::parse(name).unwrap();
        match ColumnBuilder::new(&ty, 1).append_text(input) {
            Ok(()) => wrong.push(format!("{name} {input:?} was taken")),
            Err(e) => {
                let same = e.code() == *sqlstate && e.message() == *message;
                if !same || (!detail.is_empty() && e.fields().detail.as_deref() != Some(*detail)) {
                    wrong.push(format!("{name} {input:?}: {e:?}\nrecorded {sqlstate}: {message}\nDETAIL: {detail}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A value of any type as text that its own output function could have written.
fn any_value() -> impl Strategy<Value = (PgType, String)> {
    let text = |ty: PgType| "[ -~äß€\n\t\r\\\\\"]{0,40}".prop_map(move |t: String| (ty.clone(), t));
    let digits = |ty: PgType, range: std::ops::Range<i64>| {
        range.prop_map(move |n| {
            let mut out = Vec::new();
            put_integer(n, &mut out);
            (ty.clone(), String::from_utf8(out).unwrap())
        })
    };
    let array = PgType::Array(Box::new(PgType::Text));
    let list = prop::collection::vec("[ -~ä]{0,8}", 0..5).prop_map(move |items| {
        let quoted: Vec<String> = items.iter().map(|i| format!("\"{}\"", i.replace('\\', "\\\\").replace('"', "\\\""))).collect();
        (array.clone(), format!("{{{}}}", quoted.join(",")))
    });
    prop_oneof![
        text(PgType::Text),
        text(PgType::Varchar(Some(40))),
        list,
        digits(PgType::Int2, -32768..32768),
        digits(PgType::Int4, -2147483648..2147483648),
        digits(PgType::Int8, i64::MIN..i64::MAX),
        any::<f64>().prop_map(|v| (PgType::Float8, format!("{v:e}"))),
        any::<f32>().prop_map(|v| (PgType::Float4, format!("{v:e}"))),
        (any::<i64>(), 0u32..10).prop_map(|(v, s)| (PgType::Numeric(Some((38, 9))), format!("{v}e-{s}").replace("e-0", ""))),
        (any::<i128>(), 0u32..30).prop_map(|(v, s)| (PgType::Numeric(None), format!("{}e-{s}", v / 10))),
        any::<bool>().prop_map(|b| (PgType::Bool, b.to_string())),
        prop::collection::vec(any::<u8>(), 0..20)
            .prop_map(|b| { (PgType::Bytea, format!("\\x{}", b.iter().map(|b| format!("{b:02x}")).collect::<String>())) }),
        any::<u128>().prop_map(|u| (PgType::Uuid, format!("{u:032x}"))),
        (any::<[u8; 4]>(), 0u8..=32).prop_map(|([a, b, c, d], bits)| (PgType::Inet, format!("{a}.{b}.{c}.{d}/{bits}"))),
        any::<u128>().prop_map(|u| (PgType::Inet, std::net::Ipv6Addr::from(u).to_string())),
        any::<[u8; 2]>().prop_map(|[a, b]| (PgType::Cidr, format!("{a}.{b}.0.0/16"))),
        (-2_000_000i32..2_000_000).prop_map(|d| {
            let mut out = Vec::new();
            super::datetime::put_date(d, &mut out);
            (PgType::Date, String::from_utf8(out).unwrap())
        }),
        (any::<bool>(), -200_000_000_000_000_000i64..9_000_000_000_000_000_000).prop_map(|(tz, us)| {
            let mut out = Vec::new();
            super::datetime::put_timestamp(us, &mut out);
            (if tz { PgType::Timestamptz } else { PgType::Timestamp }, String::from_utf8(out).unwrap())
        }),
        (any::<i32>(), any::<i32>(), any::<i64>()).prop_map(|(m, d, ns)| {
            let mut out = Vec::new();
            super::datetime::put_interval(m, d, ns / 1000 * 1000, &mut out);
            (PgType::Interval, String::from_utf8(out).unwrap())
        }),
        (0i64..=86_400_000_000).prop_map(|us| {
            let mut out = Vec::new();
            super::datetime::put_time(us, &mut out);
            (PgType::Time, String::from_utf8(out).unwrap())
        }),
    ]
}

fn copied(format: CopyFormat, columns: &[(String, PgType)], batch: &RecordBatch, cuts: &[usize]) -> RecordBatch {
    let options = CopyOptions::new(format);
    let encoder = CopyEncoder::new(options.clone(), columns, &Style::default());
    let mut bytes = Vec::new();
    encoder.header(&mut bytes);
    encoder.batch(batch, &mut bytes, &mut Vec::new()).unwrap();
    encoder.trailer(&mut bytes);
    let mut decoder = CopyDecoder::new(options, "t", columns);
    let mut rest = &bytes[..];
    for cut in cuts {
        let (head, tail) = rest.split_at((*cut).min(rest.len()));
        decoder.feed(head).unwrap();
        rest = tail;
    }
    decoder.feed(rest).unwrap();
    assert_eq!(decoder.rows(), batch.num_rows() as u64);
    decoder.finish().unwrap().remove(0)
}

proptest! {
    #[test]
    fn what_is_written_reads_back((ty, input) in any_value()) {
        let first = column(&ty, &input);
        let again = column(&ty, &text_of(&first));
        prop_assert_eq!(binary_of(&again), binary_of(&first));
        let mut builder = ColumnBuilder::new(&ty, 1);
        builder.append_binary(&binary_of(&first)).unwrap();
        let received = Column::new(&builder.finish(), &ty).unwrap();
        prop_assert_eq!(text_of(&received), text_of(&first));
    }

    #[test]
    fn copy_out_and_in_is_the_identity(
        values in prop::collection::vec(any_value(), 1..6),
        nulls in prop::collection::vec(any::<u64>(), 1..4),
        cuts in prop::collection::vec(0usize..9, 0..60),
    ) {
        let columns: Vec<(String, PgType)> = values.iter().enumerate().map(|(i, (ty, _))| (format!("c{i}"), ty.clone())).collect();
        let arrays = values.iter().enumerate().map(|(i, (ty, text))| {
            let mut builder = ColumnBuilder::new(ty, nulls.len());
            nulls.iter().for_each(|n| if n >> i & 1 == 1 { builder.append_null() } else { builder.append_text(text).unwrap() });
            builder.finish()
        });
        let schema = Schema::new(columns.iter().map(|(n, ty)| ty.field(n, true)).collect::<Vec<_>>());
        let batch = RecordBatch::try_new(Arc::new(schema), arrays.collect()).unwrap();
        for format in [CopyFormat::Text, CopyFormat::Csv, CopyFormat::Binary] {
            prop_assert_eq!(&copied(format, &columns, &batch, &cuts), &batch, "{:?}", format);
        }
    }

    #[test]
    fn no_text_and_no_bytes_make_a_reader_panic(text in "\\PC{0,30}", dates in "[-+0-9:. TZPYMDHSabcn/]{0,25}", bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        for ty in PgType::scalars().chain([PgType::Array(Box::new(PgType::Int4)), PgType::Quotient(20), PgType::Numeric(Some((5, 2)))]) {
            let mut builder = ColumnBuilder::new(&ty, 1);
            let _ = builder.append_text(&text);
            let _ = builder.append_text(&dates);
            let _ = builder.append_binary(&bytes);
        }
    }
}

#[test]
fn a_data_row_has_lengths_values_and_nulls() {
    let mut builder = ColumnBuilder::new(&PgType::Int4, 2);
    builder.append_text("7").unwrap();
    builder.append_null();
    let batch = RecordBatch::try_from_iter([("a", builder.finish())]).unwrap();
    for (format, sent) in [(Format::Text, &b"\0\0\0\x017"[..]), (Format::Binary, b"\0\0\0\x04\0\0\0\x07")] {
        let encoder = BatchEncoder::new(&batch, &[PgType::Int4], &[format], &Style::default()).unwrap();
        let mut out = BytesMut::new();
        encoder.put_row(0, &mut out).unwrap();
        assert_eq!(out, sent);
        out.clear();
        encoder.put_row(1, &mut out).unwrap();
        assert_eq!(out, &b"\xff\xff\xff\xff"[..]);
    }
}
