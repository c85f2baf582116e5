//! Functions of regular expressions (manual, chapter 9.7.3): regexp_match, regexp_matches, regexp_replace, regexp_split_to_table,
//! regexp_split_to_array, regexp_like, regexp_substr, regexp_instr, regexp_count, substring(.. FROM pattern). Patterns and flags are PostgreSQL's, as
//! far as [`super::regex_text`] can say them to the crate regex.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int32Array, ListArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, Int32Type};
use datafusion::logical_expr::ScalarUDF;
use regex::{Captures, Match, Regex, RegexBuilder};

use super::define::{Function, TEXT, each, fixed, text, text_array, texts, texts_type};
use super::regex_text::{Options, translated};
use super::series::list_of;
use super::sets::text_lists;
use crate::error::{Error, Result, code};
use crate::limits;

const INT: DataType = DataType::Int32;

pub fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![
        Function::udf("regexp_match", |t| fixed(t, &[TEXT, TEXT, TEXT], 1, list_of(TEXT)), first_match),
        Function::udf("regexp_matches", |t| fixed(t, &[TEXT, TEXT, TEXT], 1, list_of(list_of(TEXT))), all_matches),
        Function::udf(
            "regexp_split_to_table",
            |t| fixed(t, &[TEXT, TEXT, TEXT], 1, list_of(TEXT)),
            |args, _| split(args, "regexp_split_to_table"),
        ),
        Function::udf(
            "regexp_split_to_array",
            |t| fixed(t, &[TEXT, TEXT, TEXT], 1, list_of(TEXT)),
            |args, _| split(args, "regexp_split_to_array"),
        ),
        Function::udf("regexp_like", |t| fixed(t, &[TEXT, TEXT, TEXT], 1, DataType::Boolean), like),
        Function::udf("regexp_replace", replace_rule, replace),
        Function::udf("regexp_count", |t| fixed(t, &[TEXT, TEXT, INT, TEXT], 2, INT), count),
        Function::udf("regexp_substr", |t| fixed(t, &[TEXT, TEXT, INT, INT, TEXT, INT], 4, TEXT), substr),
        Function::udf("regexp_instr", |t| fixed(t, &[TEXT, TEXT, INT, INT, INT, TEXT, INT], 5, INT), instr),
        // Not PostgreSQL's own: a rewrite rule makes it of substring(x FROM pattern).
        substring_of_pattern(),
        // Nor these: of `x ~ ANY (array)`, and of a pattern beside an operator.
        Function::udf(QUANTIFIED, quantified_rule, quantified),
        pattern_function(),
    ]
}

/// What `substring(text FROM pattern)` is.
pub(super) fn substring_of_pattern() -> Arc<ScalarUDF> {
    Function::udf("substring_of_pattern", |t| fixed(t, &[TEXT, TEXT], 0, TEXT), substring)
}

/// The function of `x ~ ANY (array)` and `x !~* ALL (array)`: a value, patterns, the operator, and whether all of them are meant.
const QUANTIFIED: &str = "regexp_quantified";

/// PostgreSQL's pattern as DataFusion's operators `~`, `~*`, `!~` and `!~*` take it.
pub(super) fn pattern_function() -> Arc<ScalarUDF> {
    Function::udf(
        "regexp_operand",
        |t| fixed(t, &[TEXT], 0, TEXT),
        |args, _| Ok(text_array(each(args, |row| Ok(operand(text(args, 0).value(row))))?)),
    )
}

/// The same for a pattern that is at hand.
pub(super) fn operand(pattern: &str) -> String {
    translated(pattern, Options::default())
}

/// Patterns compiled for one call, by pattern and flags: in a column they are most often the same.
#[derive(Default)]
pub(super) struct Patterns(HashMap<(String, String), Arc<Regex>>);

impl Patterns {
    /// The compiled pattern. Errors: 2201B for a pattern that is none, 22023 for unknown flags.
    pub(super) fn get(&mut self, pattern: &str, flags: &str) -> Result<Arc<Regex>> {
        let key = (pattern.to_string(), flags.to_string());
        if let Some(known) = self.0.get(&key) {
            return Ok(known.clone());
        }
        let regex = Arc::new(compile(pattern, flags)?);
        if self.0.len() >= limits::PATTERNS_MAX {
            self.0.clear();
        }
        self.0.insert(key, regex.clone());
        Ok(regex)
    }
}

/// A pattern with the flags of regexp_match(). Errors: 2201B for a pattern that is none, 22023 for unknown flags.
pub(super) fn compile(pattern: &str, flags: &str) -> Result<Regex> {
    let mut options = Options::default();
    for flag in flags.chars().filter(|flag| *flag != 'g') {
        if !options.set(flag) {
            let error = Error::new(code::INVALID_PARAMETER_VALUE, format!("invalid regular expression option: \"{flag}\""));
            return Err(error.hint("Options are g, i, c, n, m, p, s, w, x and q."));
        }
    }
    let mut builder = RegexBuilder::new(&translated(pattern, options));
    builder.size_limit(limits::PATTERN_BYTES_MAX);
    builder.build().map_err(|e| {
        let reason = e.to_string();
        let reason = reason.lines().last().unwrap_or("").trim_start_matches("error: ").to_string();
        Error::new(code::INVALID_REGULAR_EXPRESSION, format!("invalid regular expression: {reason}"))
    })
}

/// The text of argument `i`, or "" where it is left out.
fn flags(args: &[ArrayRef], i: usize, row: usize) -> &str {
    args.get(i).map_or("", |_| text(args, i).value(row))
}

/// The number that argument `i` is, at least `least`; `default` where it is left out. Errors: 22023.
fn number(args: &[ArrayRef], i: usize, row: usize, name: &str, default: usize, least: usize) -> Result<usize> {
    let Some(given) = args.get(i) else { return Ok(default) };
    let given = given.as_primitive::<Int32Type>().value(row);
    let wrong = || Error::new(code::INVALID_PARAMETER_VALUE, format!("invalid value for parameter \"{name}\": {given}"));
    usize::try_from(given).ok().filter(|n| *n >= least).ok_or_else(wrong)
}

fn refuse_global(flags: &str, function: &str) -> Result<()> {
    if !flags.contains('g') {
        return Ok(());
    }
    let error = Error::new(code::INVALID_PARAMETER_VALUE, format!("{function}() does not support the \"global\" option"));
    Err(if function == "regexp_match" { error.hint("Use the regexp_matches function instead.") } else { error })
}

/// The groups of a match, or the whole of it if there are none.
fn groups(captures: &Captures) -> Vec<Option<String>> {
    let skip = usize::from(captures.len() > 1);
    captures.iter().skip(skip).map(|m| m.map(|m| m.as_str().to_string())).collect()
}

fn first_match(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let mut patterns = Patterns::default();
    let rows = each_mut(args, |row| {
        refuse_global(flags(args, 2, row), "regexp_match")?;
        let regex = patterns.get(text(args, 1).value(row), flags(args, 2, row))?;
        Ok(regex.captures(text(args, 0).value(row)).map(|c| groups(&c)))
    })?;
    text_lists(rows.into_iter().map(Option::flatten).collect())
}

/// [`each`] for a body that keeps something.
fn each_mut<T>(args: &[ArrayRef], f: impl FnMut(usize) -> Result<T>) -> Result<Vec<Option<T>>> {
    let f = std::cell::RefCell::new(f);
    each(args, |row| f.borrow_mut()(row))
}

/// What `find` finds from a byte on, and then from the end of each: an empty match may stand right behind another, as the crate's own iterators
/// do not have it. The first is where the search begins; `^` is the start of the text all the same.
fn every<M>(value: &str, begin: usize, find: impl Fn(usize) -> Option<M>, range: impl Fn(&M) -> Range<usize>) -> impl Iterator<Item = M> {
    let mut next = Some(begin);
    std::iter::from_fn(move || {
        let found = find(next?)?;
        let range = range(&found);
        let behind = || value[range.end..].chars().next().map(|c| range.end + c.len_utf8());
        next = if range.is_empty() { behind() } else { Some(range.end) };
        Some(found)
    })
}

fn matches<'v>(regex: &Regex, value: &'v str, begin: usize) -> impl Iterator<Item = Match<'v>> {
    every(value, begin, |at| regex.find_at(value, at), Match::range)
}

fn captures<'v>(regex: &Regex, value: &'v str, begin: usize) -> impl Iterator<Item = Captures<'v>> {
    every(value, begin, |at| regex.captures_at(value, at), |captures| captures.get(0).map_or(0..0, |whole| whole.range()))
}

fn all_matches(args: &[ArrayRef], output: &DataType) -> Result<ArrayRef> {
    let mut patterns = Patterns::default();
    let rows = each_mut(args, |row| {
        let flags = flags(args, 2, row);
        let regex = patterns.get(text(args, 1).value(row), flags)?;
        let all = if flags.contains('g') { usize::MAX } else { 1 };
        Ok(captures(&regex, text(args, 0).value(row), 0).take(all).map(|c| Some(groups(&c))).collect::<Vec<_>>())
    })?;
    let DataType::List(field) = output else { return Err(Error::internal("regexp_matches gives an array")) };
    let offsets = OffsetBuffer::from_lengths(rows.iter().map(|r| r.as_ref().map_or(0, Vec::len)));
    let matches = text_lists(rows.into_iter().flatten().flatten().collect())?;
    let field = Field::new(field.name(), matches.data_type().clone(), true);
    Ok(Arc::new(ListArray::try_new(Arc::new(field), offsets, matches, None)?))
}

fn split(args: &[ArrayRef], function: &str) -> Result<ArrayRef> {
    let mut patterns = Patterns::default();
    let rows = each_mut(args, |row| {
        refuse_global(flags(args, 2, row), function)?;
        let regex = patterns.get(text(args, 1).value(row), flags(args, 2, row))?;
        let value = text(args, 0).value(row);
        let (mut parts, mut from, mut before) = (Vec::new(), 0, 0);
        // An empty match splits between characters, but not before the first, behind another match, and after the last.
        for found in matches(&regex, value, 0) {
            if found.start() < value.len() && found.end() > before {
                parts.push(Some(value[from..found.start()].to_string()));
                from = found.end();
            }
            before = found.end();
        }
        parts.push(Some(value[from..].to_string()));
        Ok(parts)
    })?;
    text_lists(rows)
}

fn like(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let mut patterns = Patterns::default();
    let rows = each_mut(args, |row| {
        refuse_global(flags(args, 2, row), "regexp_like")?;
        Ok(patterns.get(text(args, 1).value(row), flags(args, 2, row))?.is_match(text(args, 0).value(row)))
    })?;
    Ok(Arc::new(rows.into_iter().collect::<BooleanArray>()))
}

fn quantified_rule(types: &[DataType]) -> Option<(Vec<DataType>, DataType)> {
    let [value, patterns, operator, DataType::Boolean] = types else { return None };
    let all = [value, operator].into_iter().all(|t| t.is_string() || t.is_null());
    all.then(|| texts_type(patterns)).flatten().map(|patterns| (vec![TEXT, patterns, TEXT, DataType::Boolean], DataType::Boolean))
}

/// Unknown if a pattern is NULL and no other decides.
fn quantified(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let mut patterns = Patterns::default();
    let rows = each_mut(args, |row| {
        let (value, operator, all) = (text(args, 0).value(row), text(args, 2).value(row), args[3].as_boolean().value(row));
        let (flags, wanted) = (if operator.ends_with('*') { "i" } else { "" }, !operator.starts_with('!'));
        let mut unknown = false;
        for pattern in texts(args, 1, row)? {
            match pattern {
                Some(pattern) if (patterns.get(&pattern, flags)?.is_match(value) == wanted) != all => return Ok(Some(!all)),
                Some(_) => {}
                None => unknown = true,
            }
        }
        Ok((!unknown).then_some(all))
    })?;
    Ok(Arc::new(rows.into_iter().map(Option::flatten).collect::<BooleanArray>()))
}

fn replace_rule(types: &[DataType]) -> Option<(Vec<DataType>, DataType)> {
    match types {
        [_, _, _, start, ..] if start.is_integer() => fixed(types, &[TEXT, TEXT, TEXT, INT, INT, TEXT], 2, TEXT),
        _ => fixed(types, &[TEXT, TEXT, TEXT, TEXT], 1, TEXT),
    }
}

/// `regexp_replace(value, pattern, replacement [, flags])` or `(.., start [, n [, flags]])`; n = 0 replaces all.
fn replace(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let by_number = args.get(3).is_some_and(|a| a.data_type().is_integer());
    let mut patterns = Patterns::default();
    let rows = each_mut(args, |row| {
        let flags = flags(args, if by_number { 5 } else { 3 }, row);
        let regex = patterns.get(text(args, 1).value(row), flags)?;
        let (start, n) = match by_number {
            true => {
                let all = if flags.contains('g') { 0 } else { 1 };
                (number(args, 3, row, "start", 1, 1)?, number(args, 4, row, "n", all, 0)?)
            }
            false => (1, usize::from(!flags.contains('g'))),
        };
        replaced(&regex, text(args, 0).value(row), text(args, 2).value(row), start, n)
    })?;
    Ok(text_array(rows))
}

/// Byte offset of the character `start`, counted from 1.
fn offset(value: &str, start: usize) -> usize {
    value.char_indices().nth(start - 1).map_or(value.len(), |(at, _)| at)
}

fn replaced(regex: &Regex, value: &str, replacement: &str, start: usize, n: usize) -> Result<String> {
    let begin = offset(value, start);
    let (mut out, mut from) = (value[..begin].to_string(), begin);
    for (i, captures) in captures(regex, value, begin).enumerate() {
        let Some(whole) = captures.get(0) else { continue };
        if n > 0 && i + 1 != n {
            continue;
        }
        out.push_str(&value[from..whole.start()]);
        expand(replacement, &captures, &mut out);
        from = whole.end();
        if out.len() > limits::VALUE_BYTES_MAX {
            return Err(Error::new(code::PROGRAM_LIMIT_EXCEEDED, "the result of regexp_replace() is too long").hint("Replace less."));
        }
        if n > 0 {
            break;
        }
    }
    out.push_str(&value[from..]);
    Ok(out)
}

/// `\1` is the first group, `\&` the whole match, `\\` a backslash.
fn expand(replacement: &str, captures: &Captures, out: &mut String) {
    let mut chars = replacement.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        let group = |i: usize| captures.get(i).map_or("", |m| m.as_str());
        match chars.next() {
            Some('&') => out.push_str(group(0)),
            Some(digit @ '1'..='9') => out.push_str(group(digit as usize - '0' as usize)),
            Some('\\') | None => out.push('\\'),
            Some(other) => out.extend(['\\', other]),
        }
    }
}

fn count(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let mut patterns = Patterns::default();
    let rows = each_mut(args, |row| {
        refuse_global(flags(args, 3, row), "regexp_count")?;
        let regex = patterns.get(text(args, 1).value(row), flags(args, 3, row))?;
        let value = text(args, 0).value(row);
        let begin = offset(value, number(args, 2, row, "start", 1, 1)?);
        Ok(matches(&regex, value, begin).count() as i32)
    })?;
    Ok(Arc::new(rows.into_iter().collect::<Int32Array>()))
}

/// Where the n-th match from `start` on lies, or a group of it: offsets of bytes. Arguments from `flags_at` on are flags and group.
fn located(args: &[ArrayRef], patterns: &mut Patterns, row: usize, flags_at: usize, function: &str) -> Result<Option<(usize, usize)>> {
    let flags = flags(args, flags_at, row);
    refuse_global(flags, function)?;
    let regex = patterns.get(text(args, 1).value(row), flags)?;
    let value = text(args, 0).value(row);
    let begin = offset(value, number(args, 2, row, "start", 1, 1)?);
    let n = number(args, 3, row, "n", 1, 1)?;
    let group = number(args, flags_at + 1, row, "subexpr", 0, 0)?;
    Ok(captures(&regex, value, begin).nth(n - 1).and_then(|c| c.get(group).map(|m| (m.start(), m.end()))))
}

fn substr(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let mut patterns = Patterns::default();
    let rows = each_mut(args, |row| {
        let found = located(args, &mut patterns, row, 4, "regexp_substr")?;
        Ok(found.map(|(from, to)| text(args, 0).value(row)[from..to].to_string()))
    })?;
    Ok(text_array(rows.into_iter().map(Option::flatten).collect()))
}

/// 0 where nothing matches; the place behind the match if the fifth argument is 1.
fn instr(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let mut patterns = Patterns::default();
    let rows = each_mut(args, |row| {
        let behind = number(args, 4, row, "endoption", 0, 0)?;
        if behind > 1 {
            return Err(Error::new(code::INVALID_PARAMETER_VALUE, format!("invalid value for parameter \"endoption\": {behind}")));
        }
        let value = text(args, 0).value(row);
        let found = located(args, &mut patterns, row, 5, "regexp_instr")?;
        Ok(found.map_or(0, |(from, to)| value[..if behind == 1 { to } else { from }].chars().count() as i32 + 1))
    })?;
    Ok(Arc::new(rows.into_iter().collect::<Int32Array>()))
}

/// The first group of the first match, or the match.
fn substring(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let mut patterns = Patterns::default();
    let rows = each_mut(args, |row| {
        let regex = patterns.get(text(args, 1).value(row), "")?;
        Ok(regex.captures(text(args, 0).value(row)).and_then(|c| groups(&c).into_iter().next().flatten()))
    })?;
    Ok(text_array(rows.into_iter().map(Option::flatten).collect()))
}
