//! Paths and what they find, as PostgreSQL 15 prints and finds them.

use std::cell::Cell;

use super::eval::{Found, Run, Sink, run};
use super::parse::parse;
use crate::data::json::{self, Json};
use crate::error::Result;
use crate::limits;

/// Paths, and how they are shown.
const PATHS: &[(&str, &str)] = &[
    ("$.a", r#"$."a""#),
    ("$[1 to last]", "$[1 to last]"),
    ("$.**{2 to last}", "$.**{2 to last}"),
    ("$.**{last}", "$.**{last}"),
    ("$.**{0 to last}", "$.**"),
    ("$ ? (@.a > 1)", r#"$?(@."a" > 1)"#),
    ("$.a == 1 && $.b == 2 || $.c > 3", r#"($."a" == 1 && $."b" == 2 || $."c" > 3)"#),
    ("!($.a == 1)", r#"!($."a" == 1)"#),
    ("($.a == 1) is unknown", r#"($."a" == 1) is unknown"#),
    ("$.a + 1 * 2 - -3", r#"(($."a" + 1 * 2) - -3)"#),
    ("-$.a", r#"(-$."a")"#),
    ("- - 1", "1"),
    ("(1+2)*3", "((1 + 2) * 3)"),
    ("1+(2*3)", "(1 + 2 * 3)"),
    ("1 - 2 - 3", "((1 - 2) - 3)"),
    ("1-(2-3)", "(1 - (2 - 3))"),
    (r#"$.a like_regex "x" flag "ismq""#, r#"($."a" like_regex "x" flag "ismq")"#),
    ("$.a starts with $v", r#"($."a" starts with $"v")"#),
    ("exists($.a ? (@ > 1))", r#"exists ($."a"?(@ > 1))"#),
    ("$.keyvalue()", "$.keyvalue()"),
    (r#"$.datetime("yyyy")"#, r#"$.datetime("yyyy")"#),
    (r#"$."a\"b""#, r#"$."a\"b""#),
    (r"$.a\u0041", r#"$."aA""#),
    (r#"$."\u{41}""#, r#"$."A""#),
    (r#"$."\x41""#, r#"$."A""#),
    (r#"$."\ud83d\ude00""#, r#"$."😀""#),
    (r#"$"v w""#, r#"$"v w""#),
    ("$v.a", r#"$"v"."a""#),
    ("strict $.a", r#"strict $."a""#),
    ("lax $.a", r#"$."a""#),
    ("STRICT $", "strict $"),
    ("$.strict", r#"$."strict""#),
    ("$.True", r#"$."True""#),
    ("1.", "1"),
    (".5", "0.5"),
    ("1e3", "1000"),
    ("1.5.type()", "(1.5).type()"),
    ("(1).type()", "(1).type()"),
    ("$[0,2 to 3]", "$[0,2 to 3]"),
    ("$[last - 1]", "$[last - 1]"),
    ("$[$.a]", r#"$[$."a"]"#),
    ("$.a /* c */ .b", r#"$."a"."b""#),
    ("($.a == 1).type()", r#"($."a" == 1).type()"#),
    ("($.a).b", r#"$."a"."b""#),
    ("($.a + 1).abs()", r#"($."a" + 1).abs()"#),
    ("-($.a).b", r#"(-$."a"."b")"#),
    ("(-$.a).b", r#"(-$."a")."b""#),
    ("$ ? (@ == $x)", r#"$?(@ == $"x")"#),
    ("!exists($.a)", r#"!(exists ($."a"))"#),
    ("$.a == 1 && ($.b == 2 || $.c == 3)", r#"($."a" == 1 && ($."b" == 2 || $."c" == 3))"#),
    ("$.é", r#"$."é""#),
    (r#""a\nb\/c\v""#, r#""a\nb/c\u000b""#),
    ("$.a[*] ? (@ > 1).b", r#"$."a"[*]?(@ > 1)."b""#),
    ("-(1+2)", "(-(1 + 2))"),
    ("(1 == 1) is unknown && 2 == 2", "((1 == 1) is unknown && 2 == 2)"),
    ("$.a.type", r#"$."a"."type""#),
    ("-0", "0"),
    ("1.50", "1.50"),
    ("$.a^", r#"$."a^""#),
    ("$[last][last]", "$[last][last]"),
    ("$.a.last", r#"$."a"."last""#),
];

/// What is no path, its SQLSTATE and what is said of it.
const REFUSED: &[(&str, &str, &str)] = &[
    ("$..a", "42601", r#"syntax error at or near "." of jsonpath input"#),
    ("", "22P02", r#"invalid input syntax for type jsonpath: """#),
    ("  ", "22P02", r#"invalid input syntax for type jsonpath: "  ""#),
    ("$.", "42601", "syntax error at end of jsonpath input"),
    ("$.a.", "42601", "syntax error at end of jsonpath input"),
    ("a", "42601", "syntax error at end of jsonpath input"),
    ("a.b", "42601", "syntax error at end of jsonpath input"),
    ("a b", "42601", r#"syntax error at or near " " of jsonpath input"#),
    ("$[1", "42601", "syntax error at end of jsonpath input"),
    ("$ ? @.a", "42601", r#"syntax error at or near "@" of jsonpath input"#),
    ("$ ? (@.a)", "42601", r#"syntax error at or near ")" of jsonpath input"#),
    ("@", "42601", "@ is not allowed in root expressions"),
    ("last", "42601", "LAST is allowed only in array subscripts"),
    ("!$.a", "42601", r#"syntax error at or near "$" of jsonpath input"#),
    (r#"$.a like_regex "x" flag "a""#, "42601", "invalid input syntax for type jsonpath"),
    (r#"$.a like_regex "x" flag "x""#, "0A000", r#"XQuery "x" flag (expanded regular expressions) is not implemented"#),
    ("$.foo()", "42601", r#"syntax error at or near "(" of jsonpath input"#),
    (r#"$."\u00""#, "42601", r#"invalid unicode sequence at or near "\u00" of jsonpath input"#),
    (r#"$."\x4""#, "42601", r#"invalid hex character sequence at or near "\x4" of jsonpath input"#),
    (r#"$."\ud83d""#, "22P02", "invalid input syntax for type jsonpath"),
    (r#"$."abc"#, "42601", "unexpected end of quoted string at end of jsonpath input"),
    (r"$.abc\", "42601", r#"unexpected end after backslash at or near "\" of jsonpath input"#),
    ("True", "42601", "syntax error at end of jsonpath input"),
    ("1e", "42601", r#"trailing junk after numeric literal at or near "1e" of jsonpath input"#),
    ("1a", "42601", r#"trailing junk after numeric literal at or near "1a" of jsonpath input"#),
    ("1.a", "42601", r#"trailing junk after numeric literal at or near "1.a" of jsonpath input"#),
    ("01", "42601", r#"trailing junk after numeric literal at or near "01" of jsonpath input"#),
    ("0x10", "42601", "syntax error at end of jsonpath input"),
    ("1 to 2", "42601", r#"syntax error at or near " " of jsonpath input"#),
    ("$[@]", "42601", "@ is not allowed in root expressions"),
    ("$.a/* c */.b", "42601", r#"syntax error at or near "." of jsonpath input"#),
    ("/* x", "42601", "unexpected end of comment at end of jsonpath input"),
    ("$ /* x", "42601", "unexpected end of comment at end of jsonpath input"),
    ("$.a #", "42601", r##"syntax error at or near "#" of jsonpath input"##),
    ("$.a ! 1", "42601", r#"syntax error at or near "!" of jsonpath input"#),
    ("$ == 1 == 2", "42601", r#"syntax error at or near "==" of jsonpath input"#),
    ("$.a & $.b", "42601", r#"syntax error at or near "&" of jsonpath input"#),
    ("$.a = 1", "42601", r#"syntax error at or near "=" of jsonpath input"#),
    ("!($.a==1) is unknown", "42601", r#"syntax error at or near " " of jsonpath input"#),
    ("$.a == 1 && $.b", "42601", "syntax error at end of jsonpath input"),
    ("$.a b", "42601", "syntax error at end of jsonpath input"),
    ("$.$a", "42601", r#"syntax error at or near "$a" of jsonpath input"#),
    ("$.1", "42601", r#"syntax error at or near ".1" of jsonpath input"#),
    ("$.a-b", "42601", "syntax error at end of jsonpath input"),
    ("$.x like_regex 1", "42601", r#"syntax error at or near "1" of jsonpath input"#),
    ("true && false", "42601", r#"syntax error at or near "&&" of jsonpath input"#),
    ("$[*", "42601", "syntax error at end of jsonpath input"),
    ("$[]", "42601", r#"syntax error at or near "]" of jsonpath input"#),
    ("$[1,]", "42601", r#"syntax error at or near "]" of jsonpath input"#),
    ("$.**{", "42601", "syntax error at end of jsonpath input"),
    ("$.**{a}", "42601", "syntax error at end of jsonpath input"),
    ("$.**{1", "42601", "syntax error at end of jsonpath input"),
    ("$.a.datetime(1)", "42601", r#"syntax error at or near "1" of jsonpath input"#),
    ("$.a.type(", "42601", "syntax error at end of jsonpath input"),
    (r#"$."\u0000""#, "22P05", "unsupported Unicode escape sequence"),
    (r#"$.a == "x" ||"#, "42601", "syntax error at end of jsonpath input"),
    ("$.a ||", "42601", r#"syntax error at or near "||" of jsonpath input"#),
    ("%", "42601", r#"syntax error at or near "%" of jsonpath input"#),
    ("^", "42601", "syntax error at end of jsonpath input"),
    ("~", "42601", "syntax error at end of jsonpath input"),
    ("{", "42601", r#"syntax error at or near "{" of jsonpath input"#),
    ("$.a ? (last > 1)", "42601", "LAST is allowed only in array subscripts"),
    ("$[0 to 1 to 2]", "42601", r#"syntax error at or near " " of jsonpath input"#),
    ("$[*, 1]", "42601", r#"syntax error at or near "," of jsonpath input"#),
];

/// A document, a path, and what is found, between blanks, or the code and the words of the error.
type Case = (&'static str, &'static str, std::result::Result<&'static str, (&'static str, &'static str)>);

/// Paths with a variable x that is 2.
const FOUND: &[Case] = &[
    ("[0,1,2,3]", "$[0,9,1]", Ok("0 1")),
    ("[1,2,3]", "strict $[0,5]", Err(("22033", "jsonpath array subscript is out of bounds"))),
    ("[1,2,3]", "$[last - 1 to last]", Ok("2 3")),
    ("[1,2,3]", "$[1.7]", Ok("2")),
    ("[]", "$[last]", Ok("")),
    ("5", "$[0 to 2]", Ok("5")),
    ("[1]", r#"$["a"]"#, Err(("22033", "jsonpath array subscript is not a single numeric value"))),
    ("[1]", "$[99999999999]", Err(("22033", "jsonpath array subscript is out of integer range"))),
    ("[1,2,3]", "$[*] / 0", Err(("22038", "left operand of jsonpath operator / is not a single numeric value"))),
    ("[1]", "$[*] / 0", Err(("22012", "division by zero"))),
    ("7.50", "$ / 3", Ok("2.5000000000000000")),
    (r#""a""#, "1 + $", Err(("22038", "right operand of jsonpath operator + is not a single numeric value"))),
    ("[1,2]", "-$[*]", Ok("-1 -2")),
    (r#""a""#, "-$", Err(("2203B", "operand of unary jsonpath operator - is not a numeric value"))),
    (r#"{"a":1}"#, "strict $.b", Err(("2203A", r#"JSON object does not contain key "b""#))),
    ("[1]", "strict $.b", Err(("2203A", "jsonpath member accessor can only be applied to an object"))),
    (r#"[{"b":1},{"c":2}]"#, "$.b", Ok("1")),
    ("1", "strict $.*", Err(("2203C", "jsonpath wildcard member accessor can only be applied to an object"))),
    ("1", "strict $[*]", Err(("22039", "jsonpath wildcard array accessor can only be applied to an array"))),
    ("1", "strict $[0]", Err(("22039", "jsonpath array accessor can only be applied to an array"))),
    ("1", "strict $.size()", Err(("22039", "jsonpath item method .size() can only be applied to an array"))),
    (r#"{"a":{"b":1,"c":"xyz"}}"#, "$.a.keyvalue()", Ok(r#"{"id": 16, "key": "b", "value": 1} {"id": 16, "key": "c", "value": "xyz"}"#)),
    (r#"{"a":1}"#, "$.keyvalue().key", Ok(r#""a""#)),
    ("1", "$.keyvalue()", Err(("2203C", "jsonpath item method .keyvalue() can only be applied to an object"))),
    (r#"{"a":{"b":1}}"#, "$.keyvalue().value.keyvalue().id", Ok("20000000048")),
    (r#""1.23456789012345678""#, "$.double()", Ok("1.23456789012346")),
    ("true", "$.double()", Err(("22036", "jsonpath item method .double() can only be applied to a string or numeric value"))),
    (
        r#""x""#,
        "$.double()",
        Err(("22036", "string argument of jsonpath item method .double() is not a valid representation of a double precision number")),
    ),
    ("1e400", "$.double()", Err(("22036", "numeric argument of jsonpath item method .double() is out of range for type double precision"))),
    ("-1.50", "$.abs()", Ok("1.50")),
    ("-1.50", "$.floor()", Ok("-2")),
    ("[-1.5, 2.5]", "$.ceiling()", Ok("-1 3")),
    (r#""a""#, "$.abs()", Err(("22036", "jsonpath item method .abs() can only be applied to a numeric value"))),
    (r#"[1,2,3,null,"x",true]"#, "$ ? (@ != 1)", Ok("2 3 null")),
    (r#"[1,2,null,"x"]"#, "$[*] ? ((@ > 1) is unknown)", Ok(r#""x""#)),
    (r#"[1,"a"]"#, "strict $[*] > 0", Ok("null")),
    (r#"[1,"a"]"#, "$[*] > 0", Ok("true")),
    ("1", "$ / 0 == 1", Ok("null")),
    ("1", "($ == 1) || ($ / 0 == 1)", Ok("true")),
    ("[1.0, 1, 1.00]", "$[*] ? (@ == 1)", Ok("1.0 1 1.00")),
    (r#"["abc","b"]"#, r#"$[*] ? (@ starts with "ab")"#, Ok(r#""abc""#)),
    (r#""a\nb""#, r#"$ like_regex "a.b""#, Ok("false")),
    (r#""a\nb""#, r#"$ like_regex "A.b" flag "is""#, Ok("true")),
    (r#""a.b""#, r#"$ like_regex "a.b" flag "q""#, Ok("true")),
    (r#"{"a":[1,2,{"a":3}]}"#, "$.**.a", Ok(r#"[1, 2, {"a": 3}] 3 3"#)),
    (r#"{"a":[1,2,{"a":3}]}"#, "strict $.**.a", Ok(r#"[1, 2, {"a": 3}] 3"#)),
    (r#"{"a":[1,2,{"a":3}]}"#, "$.**{1}", Ok(r#"[1, 2, {"a": 3}]"#)),
    (r#"{"a":[1,2,{"a":3}]}"#, "$.**{last}", Ok("1 2 3")),
    (r#"{"a":[1,2,{"a":3}]}"#, "$.**{2 to last}", Ok(r#"1 2 {"a": 3} 3"#)),
    ("[[1,2],[3]]", "$[*].size()", Ok("2 1")),
    ("[[1,2],[3]]", "$[*].type()", Ok(r#""array" "array""#)),
    ("[[1,2],[3]]", "$[*] ? (@ > 2)", Ok("3")),
    ("[1,[2,3]]", "$ ? (exists(@[*] ? (@ == 2)))", Ok("[2, 3]")),
    (r#"{"a":[{"b":1},{"b":2}]}"#, "$.a[*] ? (@.b == $x).b", Ok("2")),
    ("{}", "$y", Err(("42704", r#"could not find jsonpath variable "y""#))),
    (r#"[{"a":1},{"a":5}]"#, "$[*].a ? (@ > 2)", Ok("5")),
    (r#"{"a":1,"b":[2]}"#, "$.*", Ok("1 [2]")),
    (r#""2020-1-5""#, "$.datetime()", Ok(r#""2020-01-05""#)),
    (r#""2020-02-30""#, "$.datetime()", Err(("22031", r#"datetime format is not recognized: "2020-02-30""#))),
    (r#""10:20:30.5-03:30""#, "$.datetime()", Ok(r#""10:20:30.5-03:30""#)),
    (r#""2020-01-05T10:20:30.25+02""#, "$.datetime()", Ok(r#""2020-01-05T10:20:30.25+02:00""#)),
    (r#""2020-01-05 10:20:30""#, "$.datetime().type()", Ok(r#""timestamp without time zone""#)),
    ("1", "$.datetime()", Err(("22031", "jsonpath item method .datetime() can only be applied to a string"))),
    (r#""05.01.2020""#, r#"$.datetime("dd.mm.yyyy")"#, Ok(r#""2020-01-05""#)),
    (r#""05.01.2020x""#, r#"$.datetime("dd.mm.yyyy")"#, Err(("22007", "trailing characters remain in input string after datetime format"))),
    (r#""05.01""#, r#"$.datetime("dd.mm.yyyy")"#, Err(("22007", "input string is too short for datetime format"))),
    (r#""10:20 PM""#, r#"$.datetime("HH12:MI AM")"#, Ok(r#""22:20:00""#)),
    (r#""13:20""#, r#"$.datetime("HH12:MI")"#, Err(("22007", r#"hour "13" is invalid for the 12-hour clock"#))),
    (r#""20200105""#, r#"$.datetime("yyyymmdd")"#, Ok(r#""2020-01-05""#)),
    (r#""2020-01-05""#, r#"$.datetime("dd.mm")"#, Err(("22007", r#"unmatched format separator ".""#))),
    (r#""10:20+16""#, r#"$.datetime("HH24:MITZH")"#, Err(("22009", r#"time zone displacement out of range: "10:20+16""#))),
    (r#""x""#, r#"$.datetime("aaa")"#, Err(("22007", r#"invalid datetime format separator: "a""#))),
    (r#""010""#, r#"$.datetime("DDD")"#, Err(("22007", "cannot calculate day of year without year information"))),
    (r#""2020-05""#, r#"$.datetime("yyyyTZH")"#, Err(("22007", "datetime format is zoned but not timed"))),
    (r#""2020-01-05""#, r#"$.datetime() < "2020-01-05 10:00:00".datetime()"#, Ok("true")),
    (r#""2020-01-05""#, r#"$.datetime() < "10:00:00".datetime()"#, Ok("null")),
    (
        r#""2020-01-05""#,
        r#"$.datetime() < "2020-01-05 10:00:00+03".datetime()"#,
        Err(("0A000", "cannot convert value from date to timestamptz without time zone usage")),
    ),
    (r#""12:00:00+02""#, r#"$.datetime() == "10:00:00+00".datetime()"#, Ok("false")),
    (r#""12:00:00+02""#, r#"$.datetime() < "10:00:00+00".datetime()"#, Ok("true")),
];

fn found(document: &str, path: &str, silent: bool) -> Result<Vec<Json>> {
    found_after(0, document, path, silent)
}

/// The same where so many steps are taken already.
fn found_after(taken: u64, document: &str, path: &str, silent: bool) -> Result<Vec<Json>> {
    let (root, vars) = (json::parse(document)?, json::parse(r#"{"x": 2}"#)?);
    let path = parse(path)?;
    let around = Run { lax: path.lax, root: &root, vars: Some(&vars), zone: None, generated: Cell::new(2), taken: Cell::new(taken) };
    let mut sink = Sink::keeping();
    run(&path, &around, silent, &mut sink)?;
    Ok(sink.into_list().into_iter().map(Found::into_json).collect())
}

fn text(items: Vec<Json>) -> String {
    items.iter().map(Json::to_text).collect::<Vec<_>>().join(" ")
}

#[test]
fn paths_are_shown_as_postgresql_shows_them() {
    for (path, shown) in PATHS {
        let parsed = parse(path).unwrap_or_else(|error| panic!("{path}: {}", error.message()));
        assert_eq!(parsed.to_string(), *shown, "{path}");
        let again = parse(shown).map(|path| path.to_string());
        // A number in parentheses may not be read again as it is printed.
        if let Ok(again) = again {
            assert_eq!(again, *shown, "{path}");
        }
    }
}

#[test]
fn what_is_no_path_is_refused_in_postgresqls_words() {
    for (path, code, message) in REFUSED {
        let error = parse(path).expect_err(path);
        assert_eq!((error.code(), error.message()), (*code, *message), "{path}");
    }
}

#[test]
fn paths_find_what_postgresql_finds() {
    for (document, path, expected) in FOUND {
        let items = found(document, path, false).map(text);
        let told = items.as_ref().map(String::as_str).map_err(|error| (error.code(), error.message()));
        assert_eq!(told, *expected, "{document} {path}");
    }
}

#[test]
fn silence_keeps_what_is_found_before_an_error() {
    assert_eq!(text(found(r#"[1, 2, "a"]"#, "-$[*]", true).unwrap()), "-1 -2");
    assert_eq!(text(found("[1]", "$[*] / 0", true).unwrap()), "");
    assert_eq!(found("{}", "$y", true).unwrap_err().code(), crate::error::code::UNDEFINED_OBJECT);
}

#[test]
fn depth_is_bounded() {
    let nested = |depth: usize| format!("{}$ == 1{}", "(".repeat(depth), ")".repeat(depth));
    assert!(parse(&nested(super::DEPTH_MAX - 1)).is_ok());
    let code = crate::error::code::STATEMENT_TOO_COMPLEX;
    assert_eq!(parse(&nested(100_000)).unwrap_err().code(), code);
    assert_eq!(parse(&format!("{}1", "-".repeat(100_000))).unwrap_err().code(), code);
    assert_eq!(parse(&vec!["$"; 100_000].join("+")).unwrap_err().code(), code);
    let steps = |count: usize| format!("${}", "[*]".repeat(count));
    assert_eq!(text(found("1", &steps(super::STEPS_MAX), false).unwrap()), "1");
    assert_eq!(parse(&steps(super::STEPS_MAX + 1)).unwrap_err().code(), code);
}

#[test]
fn steps_are_bounded() {
    let [before, all] = [limits::PATH_STEPS_MAX - 100, limits::PATH_STEPS_MAX];
    assert_eq!(text(found_after(before, "[[1]]", "$.**{2}", true).unwrap()), "1");
    for path in ["$[*]", "$.**.a", "$.** ? (@ == 2)"] {
        assert_eq!(found_after(all, "[[1]]", path, true).unwrap_err().code(), crate::error::code::PROGRAM_LIMIT_EXCEEDED, "{path}");
    }
}
