//! The arguments of meta-commands.
//!
//! Manual: psql, "Meta-Commands".

use super::scan::{Line, reference, value_of};
use super::variables::Variables;

/// How an argument is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Quotes of single quotes are taken away, those of double quotes stay.
    Normal,
    /// A name of SQL: folded to lower case, quotes taken away.
    Name,
    /// The same, but not folded.
    Unfolded,
}

/// The next argument; `None` at the end of the line or before another backslash. Errors: in psql's words.
pub(super) fn word(line: &mut Line, mode: Mode, variables: &Variables) -> Result<Option<String>, String> {
    skip_blank(line);
    if line.rest().is_empty() || line.rest().starts_with('\\') {
        return Ok(None);
    }
    let mut out = String::new();
    while let Some(c) = line.rest().chars().next() {
        if c.is_whitespace() || c == '\\' {
            break;
        }
        if let Some((kind, name, length)) = reference(line.rest()) {
            match value_of(&kind, name, variables) {
                Some(value) => {
                    out.push_str(&value);
                    line.at += length;
                }
                // It stands for itself.
                None => {
                    out.push_str(&line.rest()[..length]);
                    line.at += length;
                }
            }
            continue;
        }
        line.at += c.len_utf8();
        match c {
            '\'' => quoted(line, &mut out)?,
            '"' => named(line, mode, &mut out)?,
            '`' => command(line, &mut out)?,
            c if mode == Mode::Name => out.extend(c.to_lowercase()),
            c => out.push(c),
        }
    }
    Ok(Some(out))
}

/// All arguments that are left.
pub(super) fn words(line: &mut Line, variables: &Variables) -> Result<Vec<String>, String> {
    words_in(line, Mode::Normal, variables)
}

/// All arguments that are left, read so.
pub(super) fn words_in(line: &mut Line, mode: Mode, variables: &Variables) -> Result<Vec<String>, String> {
    let mut all = Vec::new();
    while let Some(word) = word(line, mode, variables)? {
        all.push(word);
    }
    Ok(all)
}

/// The rest of the line, as it stands.
pub(super) fn whole_line(line: &mut Line) -> String {
    skip_blank(line);
    let text = line.rest().to_string();
    line.at = line.text.len();
    text
}

/// Passes over arguments without looking at what they stand for.
pub(super) fn skip(line: &mut Line) {
    let mut quote = None;
    while let Some(c) = line.rest().chars().next() {
        match quote {
            Some(q) if q == c => quote = None,
            Some(_) => {}
            None if c == '\\' => return,
            None if matches!(c, '\'' | '"' | '`') => quote = Some(c),
            None => {}
        }
        line.at += c.len_utf8();
    }
}

fn skip_blank(line: &mut Line) {
    let rest = line.rest();
    line.at += rest.len() - rest.trim_start().len();
}

fn unterminated() -> String {
    "unterminated quoted string".to_string()
}

/// What stands between single quotes, with C's escapes.
fn quoted(line: &mut Line, out: &mut String) -> Result<(), String> {
    loop {
        match line.next().ok_or_else(unterminated)? {
            '\'' if line.rest().starts_with('\'') => {
                line.at += 1;
                out.push('\'');
            }
            '\'' => return Ok(()),
            '\\' => out.push(escaped(line).ok_or_else(unterminated)?),
            c => out.push(c),
        }
    }
}

fn escaped(line: &mut Line) -> Option<char> {
    let number = |line: &mut Line, radix: u32, most: usize| {
        let digits = line.rest().chars().take(most).take_while(|c| c.is_digit(radix)).count();
        let value = u32::from_str_radix(&line.rest()[..digits], radix).ok().and_then(char::from_u32);
        line.at += digits;
        value
    };
    if line.rest().starts_with(|c: char| c.is_digit(8)) {
        return number(line, 8, 3);
    }
    Some(match line.next()? {
        'n' => '\n',
        't' => '\t',
        'b' => '\u{8}',
        'r' => '\r',
        'f' => '\u{c}',
        'x' if line.rest().starts_with(|c: char| c.is_ascii_hexdigit()) => number(line, 16, 2)?,
        c => c,
    })
}

fn named(line: &mut Line, mode: Mode, out: &mut String) -> Result<(), String> {
    if mode == Mode::Normal {
        out.push('"');
    }
    loop {
        let c = line.next().ok_or_else(unterminated)?;
        if c == '"' && mode != Mode::Normal && line.rest().starts_with('"') {
            line.at += 1;
        } else if c == '"' {
            if mode == Mode::Normal {
                out.push('"');
            }
            return Ok(());
        }
        out.push(c);
    }
}

/// What the command between backticks prints, without the newline at its end.
fn command(line: &mut Line, out: &mut String) -> Result<(), String> {
    let end = line.rest().find('`').ok_or_else(unterminated)?;
    let command = line.rest()[..end].to_string();
    line.at += end + 1;
    let output = std::process::Command::new("sh").arg("-c").arg(&command).stderr(std::process::Stdio::inherit()).output();
    let output = output.map_err(|e| format!("{command}: {e}"))?;
    if output.status.success() {
        out.push_str(String::from_utf8_lossy(&output.stdout).trim_end_matches('\n'));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_read_as_psql_reads_them() {
        let mut variables = Variables::default();
        variables.set("x", "a b").unwrap();
        let of = |text: &str| words(&mut Line::new(text), &variables).unwrap();
        assert_eq!(
            of(r#" one  'it''s\n\x41\101' "Q w"r :x :'x' :"x" a:x :nope :'nope' :"nope"x"#),
            ["one", "it's\nAA", "\"Q w\"r", "a b", "'a b'", "\"a b\"", "aa b", ":nope", ":'nope'", ":\"nope\"x"]
        );
        let mut line = Line::new("a \\echo b");
        assert_eq!((words(&mut line, &variables).unwrap(), line.rest()), (vec!["a".to_string()], "\\echo b"));
        assert_eq!(word(&mut Line::new("My\"Own\"\"Name\""), Mode::Name, &variables).unwrap().as_deref(), Some("myOwn\"Name"));
        assert_eq!(word(&mut Line::new("\"My Own\"Name"), Mode::Unfolded, &variables).unwrap().as_deref(), Some("My OwnName"));
        assert!(words(&mut Line::new("'open"), &variables).is_err());
        assert_eq!(of("`echo two words`"), ["two words"]);
    }
}
