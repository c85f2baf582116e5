//! Cuts a script into statements, meta-commands and COPY data, as psql does.
//!
//! [`Script::next_item`] walks over the text once. A statement ends at a `;` outside of quotes, comments and parentheses; a
//! backslash where a statement could begin starts a meta-command, which ends with its line. After a `COPY .. FROM STDIN` the
//! caller takes the lines up to `\.` by [`Script::copy_data`]. Only the text is looked at, never a grammar, so scripts of every
//! dialect pass through.
//!
//! Manual: PostgreSQL, "Lexical Structure"; psql, "Meta-Commands".

use memchr::memmem;

/// A piece of a script.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Item<'a> {
    /// One statement with its `;`, and the 1-based line it begins in.
    Statement { text: &'a str, line: usize },
    /// A meta-command without its backslash, and its line.
    Meta { text: &'a str, line: usize },
}

/// A script being read.
pub(super) struct Script<'a> {
    text: &'a str,
    at: usize,
    /// The line of `at`, counted as it moves.
    line: usize,
}

impl<'a> Script<'a> {
    /// A script before its first item.
    pub fn new(text: &'a str) -> Self {
        let at = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        Script { text, at, line: 1 }
    }

    /// The next item; `None` at the end.
    pub fn next_item(&mut self) -> Option<Item<'a>> {
        self.go(skip_blank(self.text, self.at));
        let (rest, line) = (&self.text[self.at..], self.line);
        if rest.is_empty() {
            return None;
        }
        if let Some(meta) = rest.strip_prefix('\\') {
            let end = meta.find('\n').unwrap_or(meta.len());
            self.go(self.at + 1 + end);
            return Some(Item::Meta { text: meta[..end].trim_end(), line });
        }
        let end = statement_end(self.text, self.at);
        let text = self.text[self.at..end].trim_end();
        self.go(end);
        if text == ";" { self.next_item() } else { Some(Item::Statement { text, line }) }
    }

    /// The lines from the next one up to `\.`, which is passed over. To the end of the script if there is no `\.`.
    pub fn copy_data(&mut self) -> &'a str {
        let line_end = memchr::memchr(b'\n', &self.text.as_bytes()[self.at..]).map_or(self.text.len(), |i| self.at + i + 1);
        self.go(line_end);
        let start = self.at;
        let mut at = start;
        for line in self.text[start..].split_inclusive('\n') {
            if line.trim_end_matches(['\n', '\r']) == "\\." {
                self.go(at + line.len());
                return &self.text[start..at];
            }
            at += line.len();
        }
        self.go(at);
        &self.text[start..]
    }

    fn go(&mut self, to: usize) {
        self.line += memchr::memchr_iter(b'\n', &self.text.as_bytes()[self.at..to]).count();
        self.at = to;
    }
}

/// The first byte at or after `at` that is neither white space nor in a comment.
fn skip_blank(text: &str, mut at: usize) -> usize {
    let bytes = text.as_bytes();
    loop {
        at += text[at..].len() - text[at..].trim_start().len();
        let past = skip_comment(bytes, at);
        if past == at {
            return at;
        }
        at = past;
    }
}

/// The end of the comment that begins at `at`; `at` if none does. Block comments nest.
fn skip_comment(bytes: &[u8], at: usize) -> usize {
    if bytes[at..].starts_with(b"--") {
        return memchr::memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |i| at + i + 1);
    }
    if !bytes[at..].starts_with(b"/*") {
        return at;
    }
    let (mut depth, mut at) = (1usize, at + 2);
    while depth > 0 {
        match memchr::memchr2(b'*', b'/', &bytes[at..]) {
            None => return bytes.len(),
            Some(i) => at += i,
        }
        match &bytes[at..] {
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            _ => at += 1,
        }
    }
    at
}

/// The end of the statement that begins at `start`, behind its `;` or at the end of the text.
fn statement_end(text: &str, start: usize) -> usize {
    let bytes = text.as_bytes();
    let (mut at, mut depth) = (start, 0usize);
    while at < bytes.len() {
        match bytes[at] {
            b';' if depth == 0 => return at + 1,
            b'(' => (depth, at) = (depth + 1, at + 1),
            b')' => (depth, at) = (depth.saturating_sub(1), at + 1),
            b'\'' => at = quoted_end(bytes, at, escapes(bytes, start, at)),
            b'"' => at = quoted_end(bytes, at, false),
            b'`' => at = quoted_end(bytes, at, false),
            b'$' if !in_word(bytes, start, at) => at = dollar_end(bytes, at),
            b'-' | b'/' => at = skip_comment(bytes, at).max(at + 1),
            _ => at += 1,
        }
    }
    bytes.len()
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// True if the byte at `at` continues a word that begins before it.
fn in_word(bytes: &[u8], start: usize, at: usize) -> bool {
    at > start && (is_word(bytes[at - 1]) || bytes[at - 1] == b'$')
}

/// True if the quote at `at` opens an E'' string, where a backslash escapes.
fn escapes(bytes: &[u8], start: usize, at: usize) -> bool {
    at > start && bytes[at - 1].eq_ignore_ascii_case(&b'e') && !in_word(bytes, start, at - 1)
}

/// The end of what is quoted from `at` on; the quote doubled stands for itself, as does any byte after a backslash if those escape.
fn quoted_end(bytes: &[u8], at: usize, escapes: bool) -> usize {
    let quote = bytes[at];
    let mut at = at + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if escapes => at += 2,
            b if b == quote && bytes.get(at + 1) == Some(&quote) => at += 2,
            b if b == quote => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// The end of a dollar-quoted string that begins at `at`; the next byte if that is only a dollar sign.
fn dollar_end(bytes: &[u8], at: usize) -> usize {
    let name = bytes[at + 1..].iter().take_while(|b| is_word(**b)).count();
    let opens = bytes.get(at + 1 + name) == Some(&b'$') && !bytes[at + 1].is_ascii_digit();
    if !opens {
        return at + 1;
    }
    let tag = &bytes[at..at + name + 2];
    let inside = at + tag.len();
    memmem::find(&bytes[inside..], tag).map_or(bytes.len(), |i| inside + i + tag.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn items(text: &str) -> Vec<(usize, String)> {
        let mut script = Script::new(text);
        std::iter::from_fn(|| {
            script.next_item().map(|item| match item {
                Item::Statement { text, line } => (line, text.to_string()),
                Item::Meta { text, line } => (line, format!("\\{text}")),
            })
        })
        .collect()
    }

    fn one(text: &str) {
        assert_eq!(items(text), [(1, text.to_string())], "{text}");
    }

    #[test]
    fn a_semicolon_inside_something_does_not_end_a_statement() {
        for text in [
            "SELECT 'a;''b;';",
            r"SELECT E'a\';b';",
            r"SELECT e'\\' || ';';",
            "SELECT \"a;\"\"b\";",
            "SELECT `a;b`;",
            "SELECT $$ a; $b$ ; $$;",
            "SELECT $f$ $$;$$ $f$;",
            "SELECT a$1, ';';",
            "SELECT $1, ';' FROM t$x$;",
            "SELECT 1 -- no; not yet\n + 1;",
            "SELECT /* ; /* ; */ ; */ 1;",
            "CREATE RULE r AS DO (SELECT 1; SELECT 2);",
            "SELECT 1 /* never closed ;",
            "SELECT 'never closed ;",
        ] {
            one(text);
        }
        assert_eq!(items(r"SELECT type'\'; SELECT 2;").len(), 2, "a backslash escapes in E'' only");
    }

    #[test]
    fn items_know_their_lines_and_comments_are_passed_over() {
        let text = "-- head\n/* more\n */ SELECT 1;;\n\nSELECT\n 2; SELECT 3\n;\\echo a;b  \n\\set ON_ERROR_STOP 1\nSELECT 4";
        let expected =
            [(3, "SELECT 1;"), (5, "SELECT\n 2;"), (6, "SELECT 3\n;"), (7, "\\echo a;b"), (8, "\\set ON_ERROR_STOP 1"), (9, "SELECT 4")];
        assert_eq!(items(text), expected.map(|(l, t)| (l, t.to_string())));
    }

    #[test]
    fn copy_data_reaches_to_its_end_mark() {
        let mut script = Script::new("COPY t FROM STDIN;\n1;x\n2'\n\\.\nSELECT 1;\nCOPY t FROM STDIN;\n3");
        assert_eq!(script.next_item(), Some(Item::Statement { text: "COPY t FROM STDIN;", line: 1 }));
        assert_eq!(script.copy_data(), "1;x\n2'\n");
        assert_eq!(script.next_item(), Some(Item::Statement { text: "SELECT 1;", line: 5 }));
        assert!(script.next_item().is_some());
        assert_eq!(script.copy_data(), "3");
        assert_eq!(script.next_item(), None);
    }

    proptest! {
        #[test]
        fn any_text_is_cut_without_loss_or_panic(text in "[ \\n;'\"$a1e\\\\(){}/*é-]{0,60}") {
            let mut script = Script::new(&text);
            let mut kept = 0;
            while let Some(item) = script.next_item() {
                let (Item::Statement { text, .. } | Item::Meta { text, .. }) = item;
                kept += text.len();
            }
            prop_assert!(kept <= text.len());
            prop_assert_eq!(script.at, text.len());
            prop_assert_eq!(script.line, 1 + text.matches('\n').count());
        }
    }
}
