//! Scalar functions that look for text in text: INSTR, the REGEXP family, and LIKE.

mod pattern;

use std::rc::Rc;

use regex::Regex;

use super::string::{check_parts, check_size, int_at, seeing, str_at, strict};
use crate::error::{Error, Result, code};
use crate::func::ksql::{Scalar, Value};

/// True if the whole text matches a pattern in which `%` is any text and `_` any character. What follows the escape character stands
/// for itself. As in ksqlDB, neither wildcard reaches over the end of a line.
pub fn like(text: &str, pattern: &str, escape: Option<char>) -> Result<bool> {
    let mut items: Vec<Item> = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        items.push(match c {
            c if Some(c) == escape => Item::Char(
                chars
                    .next()
                    .ok_or_else(|| Error::new(code::INVALID_PARAMETER_VALUE, "a LIKE pattern must not end with the escape character"))?,
            ),
            '%' => Item::Any,
            '_' => Item::One,
            c => Item::Char(c),
        });
    }
    let text: Vec<char> = text.chars().collect();
    // Greedy matching: each part between two `%` takes its first place, and only the last `%` is ever widened. That is enough also with
    // line ends, since a part that moved on would leave to the `%` before it what that one cannot hold.
    let (mut at, mut item) = (0, 0);
    let mut widen: Option<(usize, usize)> = None;
    while let Some(&c) = text.get(at) {
        let matches = match items.get(item) {
            Some(Item::Any) => {
                widen = Some((item, at));
                item += 1;
                continue;
            }
            Some(Item::One) => !ends_line(c),
            Some(Item::Char(other)) => *other == c,
            None => false,
        };
        if matches {
            (at, item) = (at + 1, item + 1);
            continue;
        }
        let Some((star, start)) = widen.filter(|(_, start)| text.get(*start).is_some_and(|c| !ends_line(*c))) else { return Ok(false) };
        widen = Some((star, start + 1));
        (at, item) = (start + 1, star + 1);
    }
    Ok(items.get(item..).unwrap_or_default().iter().all(|item| matches!(item, Item::Any)))
}

enum Item {
    Any,
    One,
    Char(char),
}

fn ends_line(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Positions count from 1 in UTF-16 code units; a negative one counts from the end and searches backwards; 0 finds nothing.
fn instr(args: &[Value]) -> Result<Value> {
    if args.iter().skip(2).any(Value::is_null) {
        return Ok(Value::Null);
    }
    if args.iter().any(Value::is_null) {
        return Ok(Value::Int(0));
    }
    let mut text: Vec<u16> = str_at(args, 0)?.encode_utf16().collect();
    let mut part: Vec<u16> = str_at(args, 1)?.encode_utf16().collect();
    let position = if args.len() > 2 { int_at(args, 2)? } else { 1 };
    let occurrence = if args.len() > 3 { int_at(args, 3)? } else { 1 };
    let backwards = position < 0;
    let Some(start) = usize::try_from(position.unsigned_abs()).ok().filter(|p| *p > 0 && *p <= text.len()) else {
        return Ok(Value::Int(0));
    };
    if backwards {
        text.reverse();
        part.reverse();
    }
    let rest = text.get(start - 1..).unwrap_or_default();
    let found = usize::try_from(occurrence).ok().filter(|n| *n > 0).and_then(|n| nth(rest, &part, n));
    let Some(found) = found else { return Ok(Value::Int(0)) };
    let place = if backwards { (text.len() + 2).saturating_sub(start + found + part.len()) } else { start + found };
    i32::try_from(place).map(Value::Int).map_err(|_| Error::new(code::NUMERIC_VALUE_OUT_OF_RANGE, "position is out of range"))
}

/// Where the n-th occurrence begins; occurrences may overlap, and nothing is found first of all at the beginning.
fn nth(text: &[u16], part: &[u16], n: usize) -> Option<usize> {
    if part.is_empty() {
        return Some(0);
    }
    text.windows(part.len()).enumerate().filter(|(_, window)| *window == part).nth(n - 1).map(|(at, _)| at)
}

/// Where a search goes on behind a match: behind an empty one a character later, as in Java. `None` at the end.
fn next_start(text: &str, start: usize, end: usize) -> Option<usize> {
    if end > start {
        return Some(end);
    }
    text.get(end..)?.chars().next().map(|c| end + c.len_utf8())
}

/// All matches, in Java's way: an empty match may follow directly upon another match.
fn matches(regex: &Regex, text: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut at = Some(0);
    while let Some(m) = at.and_then(|at| regex.find_at(text, at)) {
        found.push((m.start(), m.end()));
        at = next_start(text, m.start(), m.end());
    }
    found
}

/// The group that is asked for, or all of the match; `None` if the pattern has no such group.
fn group_at(args: &[Value], regex: &Regex) -> Result<Option<usize>> {
    let group = if args.len() > 2 { int_at(args, 2)? } else { 0 };
    let group = usize::try_from(group).map_err(|_| Error::new(code::INVALID_PARAMETER_VALUE, "there is no group of a negative number"))?;
    Ok((group < regex.captures_len()).then_some(group))
}

fn extract(args: &[Value]) -> Result<Value> {
    let regex = pattern::compiled(str_at(args, 0)?)?;
    let Some(group) = group_at(args, &regex)? else { return Ok(Value::Null) };
    let found = regex.captures(str_at(args, 1)?).and_then(|captures| captures.get(group).map(|m| Value::text(m.as_str())));
    Ok(found.unwrap_or_default())
}

fn extract_all(args: &[Value]) -> Result<Value> {
    let regex = pattern::compiled(str_at(args, 0)?)?;
    let text = str_at(args, 1)?;
    let Some(group) = group_at(args, &regex)? else { return Ok(Value::Null) };
    let mut found = Vec::new();
    let mut at = Some(0);
    while let Some(captures) = at.and_then(|at| regex.captures_at(text, at)) {
        check_parts(found.len())?;
        found.push(captures.get(group).map(|m| Value::text(m.as_str())).unwrap_or_default());
        at = captures.get(0).and_then(|m| next_start(text, m.start(), m.end()));
    }
    Ok(Value::array(found))
}

fn replace(args: &[Value]) -> Result<Value> {
    let (text, replacement) = (str_at(args, 0)?, str_at(args, 2)?);
    let regex = pattern::compiled(str_at(args, 1)?)?;
    let mut parts: Option<Vec<pattern::Part>> = None;
    let mut out = String::new();
    let (mut copied, mut at) = (0, Some(0));
    while let Some(captures) = at.and_then(|at| regex.captures_at(text, at)) {
        let Some(m) = captures.get(0) else { break };
        out.push_str(text.get(copied..m.start()).unwrap_or_default());
        // A replacement that makes no sense is an error only if something is replaced, as in Java.
        let parts = match &mut parts {
            Some(parts) => parts,
            None => parts.insert(pattern::replacement(replacement, &regex)?),
        };
        for part in parts.iter() {
            out.push_str(match part {
                pattern::Part::Text(text) => text,
                pattern::Part::Group(group) => captures.get(*group).map_or("", |m| m.as_str()),
            });
        }
        check_size(out.len())?;
        copied = m.end();
        at = next_start(text, m.start(), m.end());
    }
    out.push_str(text.get(copied..).unwrap_or_default());
    check_size(out.len())?;
    Ok(Value::text(out))
}

/// Two ways, as in ksqlDB: a pattern that matches nothing at all splits as Java does (no empty parts at the end), any other one keeps
/// every part.
fn split(args: &[Value]) -> Result<Value> {
    let text = str_at(args, 0)?;
    let regex: Rc<Regex> = pattern::compiled(str_at(args, 1)?)?;
    let mut parts: Vec<&str> = Vec::new();
    let mut start = 0;
    if regex.find("").is_some() {
        for (from, to) in matches(&regex, text) {
            if to > 0 {
                parts.push(text.get(start..from).unwrap_or_default());
                start = to;
            }
        }
        parts.push(text.get(start..).unwrap_or_default());
        while parts.len() > 1 && parts.last().is_some_and(|part| part.is_empty()) {
            parts.pop();
        }
    } else {
        let mut at = Some(0);
        while let Some(m) = at.and_then(|at| regex.find_at(text, at)) {
            if m.end() == start {
                at = next_start(text, start, start);
                if at.is_none() {
                    // An empty match at the very end has no part behind it.
                    return Ok(Value::array(parts.into_iter().map(Value::text).collect()));
                }
                continue;
            }
            parts.push(text.get(start..m.start()).unwrap_or_default());
            start = m.end();
            at = Some(start);
        }
        parts.push(text.get(start..).unwrap_or_default());
    }
    check_parts(parts.len())?;
    Ok(Value::array(parts.into_iter().map(Value::text).collect()))
}

/// What is listed.
pub const FUNCTIONS: &[Scalar] = &[
    Scalar {
        name: "INSTR",
        family: "string",
        about: "The position, from 1, of a text in another one: its n-th occurrence from a position on, or backwards from a negative \
                position. 0 if there is none or a text is NULL.",
        overloads: &[seeing("INSTR(s STRING, part STRING, [pos INT], [occurrence INT]) -> INT", |_, args| instr(args))],
    },
    Scalar {
        name: "REGEXP_EXTRACT",
        family: "string",
        about: "The first match of a regular expression (Java's), or a group of it. NULL if there is none.",
        overloads: &[strict("REGEXP_EXTRACT(pattern STRING, s STRING, [group INT]) -> STRING", |_, args| extract(args))],
    },
    Scalar {
        name: "REGEXP_EXTRACT_ALL",
        family: "string",
        about: "All matches of a regular expression (Java's), or a group of them. NULL if there is no such group.",
        overloads: &[strict("REGEXP_EXTRACT_ALL(pattern STRING, s STRING, [group INT]) -> ARRAY<STRING>", |_, args| extract_all(args))],
    },
    Scalar {
        name: "REGEXP_REPLACE",
        family: "string",
        about: "The text with all matches of a regular expression (Java's) replaced; $1 stands for the first group.",
        overloads: &[strict("REGEXP_REPLACE(s STRING, pattern STRING, replacement STRING) -> STRING", |_, args| replace(args))],
    },
    Scalar {
        name: "REGEXP_SPLIT_TO_ARRAY",
        family: "string",
        about: "The parts between matches of a regular expression (Java's). One that matches nothing at all splits into characters.",
        overloads: &[strict("REGEXP_SPLIT_TO_ARRAY(s STRING, pattern STRING) -> ARRAY<STRING>", |_, args| split(args))],
    },
];

#[cfg(test)]
mod tests {
    use super::super::string::tests::{call, n, t};
    use super::*;

    #[test]
    fn likes() {
        let cases = [
            ("barfoobaz", "%foo%", None, true),
            ("foo", "f_o", None, true),
            ("foo", "fo", None, false),
            ("", "%", None, true),
            ("", "_", None, false),
            ("aXbXc", "%X%Xc", None, true),
            ("a\nb", "a%", None, false),
            ("a\nb", "a\n_", None, true),
            ("50%", "50!%", Some('!'), true),
            ("505", "50!%", Some('!'), false),
            ("a!", "a!!", Some('!'), true),
            ("a.c", "a.c", None, true),
            ("abc", "a.c", None, false),
            ("éa", "_a", None, true),
        ];
        for (text, pattern, escape, expected) in cases {
            assert_eq!(like(text, pattern, escape).unwrap(), expected, "{text:?} LIKE {pattern:?}");
        }
        assert!(like("a", "a!", Some('!')).is_err());
    }

    #[test]
    fn positions() {
        let s = || t("corporate floor");
        let cases = [
            (vec![s(), t("or")], 2),
            (vec![s(), t("or"), n(3)], 5),
            (vec![s(), t("or"), n(-3)], 5),
            (vec![s(), t("or"), n(-1)], 14),
            (vec![s(), t("or"), n(3), n(2)], 14),
            (vec![s(), t("or"), n(-3), n(2)], 2),
            (vec![s(), t("or"), n(1), n(4)], 0),
            (vec![s(), t("or"), n(1), n(0)], 0),
            (vec![s(), t("or"), n(0)], 0),
            (vec![s(), t("or"), n(99)], 0),
            (vec![t("aaa"), t("aa"), n(1), n(2)], 2),
            (vec![Value::Null, t("a")], 0),
            (vec![t("a"), Value::Null], 0),
            (vec![t("a"), t("")], 1),
            (vec![t(""), t("")], 0),
            (vec![t("😀b"), t("b")], 3),
        ];
        for (args, expected) in cases {
            assert_eq!(call(FUNCTIONS, "INSTR", &args).unwrap(), n(expected), "{args:?}");
        }
        assert_eq!(call(FUNCTIONS, "INSTR", &[t("a"), t("a"), Value::Null]).unwrap(), Value::Null);
    }

    #[test]
    fn regular_expressions() {
        let a = |parts: &[&str]| Value::array(parts.iter().map(|part| t(part)).collect());
        let group = |p: &str, s: &str, g: i32| call(FUNCTIONS, "REGEXP_EXTRACT", &[t(p), t(s), n(g)]);
        assert_eq!(group("(.*) (.*)", "steven zhang", 2).unwrap(), t("zhang"));
        assert_eq!(group("(.*) (.*)", "steven zhang", 3).unwrap(), Value::Null);
        assert_eq!(group("(a)|b", "b", 1).unwrap(), Value::Null);
        assert!(group("a", "a", -1).is_err());
        assert_eq!(call(FUNCTIONS, "REGEXP_EXTRACT", &[t("test."), t("anothertest")]).unwrap(), Value::Null);
        let all = |p: &str, s: &str| call(FUNCTIONS, "REGEXP_EXTRACT_ALL", &[t(p), t(s)]).unwrap();
        assert_eq!(all("test.", "some_test_string_testabab"), a(&["test_", "testa"]));
        assert_eq!(all("a*", "aab"), a(&["aa", "", ""]));
        let replaced = |s: &str, p: &str, r: &str| call(FUNCTIONS, "REGEXP_REPLACE", &[t(s), t(p), t(r)]);
        assert_eq!(replaced("baabbabaa", "(ab)+", "cat").unwrap(), t("bacatbcataa"));
        assert_eq!(replaced("abc", "b*", "x").unwrap(), t("xaxxcx"));
        assert_eq!(replaced("ab", "(a)(?<name>b)", "$2${name}$1\\$").unwrap(), t("bba$"));
        assert_eq!(replaced("ab", "(a)b", "$10").unwrap(), t("a0"));
        assert!(replaced("a", "a", "$1").is_err() && replaced("a", "a", "\\").is_err());
        assert_eq!(replaced("b", "a", "$1").unwrap(), t("b"));
        let parts = |s: &str, p: &str| call(FUNCTIONS, "REGEXP_SPLIT_TO_ARRAY", &[t(s), t(p)]).unwrap();
        assert_eq!(parts("aabcda", "(ab|cd)"), a(&["a", "", "a"]));
        assert_eq!(parts("xab", "(ab|cd)"), a(&["x", ""]));
        assert_eq!(parts("abc", ""), a(&["a", "b", "c"]));
        assert_eq!(parts("", ""), a(&[""]));
        assert_eq!(parts("axxbx", "x*"), a(&["a", "", "b"]));
        assert_eq!(parts("zxy", "q"), a(&["zxy"]));
        assert_eq!(parts("ab cd", "\\b"), a(&["ab", " ", "cd"]));
    }
}
