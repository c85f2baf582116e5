//! PostgreSQL's regular expressions (manual, chapter 9.7.3) as the crate regex writes them. The two agree on most of what is written, but not on
//! what `.` takes, on the escapes, on what a bracket may hold, and on the options before a pattern.
//!
//! What neither knows is handed on as it is, so that the crate refuses it. It has no look-around and no back references, and among alternatives it
//! takes the first that fits, where PostgreSQL takes the longest.

use regex::escape;

/// What is between letters and digits in the locale C.UTF-8, which PostgreSQL's images use: blanks that do not join words.
const SPACE: &str = r"\t-\r \u{1680}\u{2000}-\u{2006}\u{2008}-\u{200A}\u{2028}\u{2029}\u{205F}\u{3000}";

/// Options of a pattern: the flags of a function, and those that the pattern begins with.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Options {
    /// Whether case matters, where it is said.
    insensitive: Option<bool>,
    /// Neither `.` nor a bracket that excludes takes the end of a line.
    stops: bool,
    /// `^` and `$` are beginning and end of a line.
    lines: bool,
    /// Blanks and comments in the pattern are not part of it.
    spaced: bool,
    /// The pattern is a text to be found.
    literal: bool,
}

impl Options {
    /// Sets one; false if there is none of that letter.
    pub(super) fn set(&mut self, letter: char) -> bool {
        match letter {
            'i' => self.insensitive = Some(true),
            'c' => self.insensitive = Some(false),
            'n' | 'm' => (self.stops, self.lines) = (true, true),
            'p' => (self.stops, self.lines) = (true, false),
            'w' => (self.stops, self.lines) = (false, true),
            's' => (self.stops, self.lines) = (false, false),
            'x' => self.spaced = true,
            't' => self.spaced = false,
            'q' => self.literal = true,
            'e' | 'b' => {}
            _ => return false,
        }
        true
    }
}

/// The pattern in the crate's words.
pub(super) fn translated(pattern: &str, mut options: Options) -> String {
    let mut rest = pattern;
    if let Some(text) = rest.strip_prefix("***=") {
        (options.literal, rest) = (true, text);
    } else if let Some(text) = rest.strip_prefix("***:") {
        rest = text;
    }
    if let Some((letters, behind)) = embedded(rest).filter(|_| !options.literal) {
        let mut with = options;
        if letters.chars().all(|letter| with.set(letter)) {
            (options, rest) = (with, behind);
        }
    }
    let (body, dots) = match options.literal {
        true => (escape(rest), false),
        false => {
            let mut reader = Reader { pattern: rest.chars().collect(), at: 0, options, out: String::new(), dots: false };
            reader.body();
            (reader.out, reader.dots)
        }
    };
    let mut on = String::new();
    on.extend((dots && !options.stops).then_some('s'));
    on.extend(options.lines.then_some('m'));
    on.extend((options.insensitive == Some(true)).then_some('i'));
    let off = if options.insensitive == Some(false) { "-i" } else { "" };
    // A pattern that means the same in both is not touched: DataFusion makes simple ones comparisons.
    if on.is_empty() && off.is_empty() { body } else { format!("(?{on}{off}){body}") }
}

/// The letters of `(?i)` at the beginning, and what is behind it.
fn embedded(pattern: &str) -> Option<(&str, &str)> {
    let (letters, behind) = pattern.strip_prefix("(?")?.split_once(')')?;
    (!letters.is_empty() && letters.bytes().all(|b| b.is_ascii_lowercase())).then_some((letters, behind))
}

/// What a class is in a bracket of the crate's. `None` for a name that is none.
fn class(name: &str) -> Option<String> {
    let known = match name {
        "alpha" => r"\p{Alphabetic}[\p{Nd}--0-9]".into(),
        "alnum" => r"\p{Alphabetic}\p{Nd}".into(),
        "word" => r"\p{Alphabetic}\p{Nd}_".into(),
        "upper" => r"\p{Uppercase}".into(),
        "lower" => r"\p{Lowercase}".into(),
        "digit" => "0-9".into(),
        "xdigit" => "0-9A-Fa-f".into(),
        "blank" => r"\t ".into(),
        "space" => SPACE.into(),
        "cntrl" => r"\p{Cc}".into(),
        "ascii" => r"\x00-\x7F".into(),
        "print" => r"[^\p{Cc}\p{Cn}\u{2028}\u{2029}]".into(),
        "graph" => format!(r"[^\p{{Cc}}\p{{Cn}}{SPACE}]"),
        "punct" => format!(r"[[^\p{{Cc}}\p{{Cn}}{SPACE}]--[\p{{Alphabetic}}\p{{Nd}}]]"),
        _ => return None,
    };
    Some(known)
}

/// `\d`, `\w`, `\s` and their opposites, which are classes in a bracket and out of it.
fn class_escape(letter: char) -> Option<String> {
    let name = match letter.to_ascii_lowercase() {
        'd' => "digit",
        'w' => "word",
        's' => "space",
        _ => return None,
    };
    let not = if letter.is_ascii_uppercase() { "^" } else { "" };
    class(name).map(|items| format!("[{not}{items}]"))
}

/// A character in a bracket.
fn in_bracket(c: char) -> String {
    if matches!(c, '[' | ']' | '&' | '~' | '-' | '^' | '\\') { format!("\\{c}") } else { c.to_string() }
}

/// What stands next in a bracket.
enum Item {
    Char(char),
    /// In the crate's words.
    Class(String),
    End,
    Unclosed,
}

struct Reader {
    pattern: Vec<char>,
    at: usize,
    options: Options,
    out: String,
    /// A `.` was among it.
    dots: bool,
}

impl Reader {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.pattern.get(self.at + ahead).copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek(0);
        self.at += usize::from(c.is_some());
        c
    }

    /// Goes behind a text that stands here.
    fn taken(&mut self, text: &str) -> bool {
        let here = text.chars().enumerate().all(|(i, c)| self.peek(i) == Some(c));
        self.at += if here { text.chars().count() } else { 0 };
        here
    }

    /// Goes behind the next `end`, or to where the pattern ends.
    fn skip_to(&mut self, end: char) {
        while self.next().is_some_and(|c| c != end) {}
    }

    fn body(&mut self) {
        while let Some(c) = self.next() {
            match c {
                '\\' => self.escaped(),
                '[' => self.bracket(),
                '.' => {
                    self.dots = true;
                    self.out.push('.');
                }
                '{' if self.peek(0).is_some_and(|c| c.is_ascii_digit()) => {
                    self.out.push('{');
                    while let Some(c) = self.next() {
                        self.out.push(c);
                        if c == '}' {
                            break;
                        }
                    }
                }
                '{' | '}' | ']' => self.out.extend(['\\', c]),
                '(' if self.taken("?#") => self.skip_to(')'),
                '#' if self.options.spaced => self.skip_to('\n'),
                c if self.options.spaced && c.is_whitespace() => {}
                c => self.out.push(c),
            }
        }
    }

    /// What is behind a backslash, outside of a bracket.
    fn escaped(&mut self) {
        let begin = self.at;
        let Some(letter) = self.next() else {
            self.out.push('\\');
            return;
        };
        let constraint = match letter {
            'A' => r"\A",
            'Z' => r"\z",
            'm' => r"\b{start}",
            'M' => r"\b{end}",
            'y' => r"\b",
            'Y' => r"\B",
            _ => "",
        };
        if !constraint.is_empty() {
            self.out.push_str(constraint);
        } else if let Some(class) = class_escape(letter) {
            self.out.push_str(&class);
        } else {
            self.at = begin;
            match self.character() {
                Some(c) => self.out.push_str(&escape(c.encode_utf8(&mut [0; 4]))),
                None => self.out.extend(['\\', letter]),
            }
        }
    }

    /// The character that an escape stands for, its backslash read. `None`, behind its letter, if it stands for none.
    fn character(&mut self) -> Option<char> {
        let c = self.next()?;
        Some(match c {
            'a' => '\x07',
            'b' => '\x08',
            'B' => '\\',
            'c' => char::from(u8::try_from(u32::from(self.next()?) & 0x1f).ok()?),
            'e' => '\x1b',
            'f' => '\x0c',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\x0b',
            'u' => return self.number(16, 4, 4),
            'U' => return self.number(16, 8, 8),
            'x' => return self.number(16, 1, 255),
            '0' => {
                self.at -= 1;
                return self.number(8, 1, 3);
            }
            c if c.is_ascii_alphanumeric() => return None,
            c => c,
        })
    }

    /// The character of a number, of so many digits. `None`, and nothing read, if it is no such number.
    fn number(&mut self, radix: u32, least: usize, most: usize) -> Option<char> {
        let digits = self.pattern[self.at..].iter().take(most).map_while(|c| c.to_digit(radix));
        let (count, number) = digits.fold((0, 0u32), |(count, n), digit| (count + 1, n.saturating_mul(radix).saturating_add(digit)));
        let c = char::from_u32(number).filter(|_| count >= least)?;
        self.at += count;
        Some(c)
    }

    /// A bracket, its `[` read.
    fn bracket(&mut self) {
        for (bound, here) in [("[:<:]]", r"\b{start}"), ("[:>:]]", r"\b{end}")] {
            if self.taken(bound) {
                return self.out.push_str(here);
            }
        }
        let not = self.taken("^");
        let (mut items, mut first) = (String::new(), true);
        loop {
            match self.item(first) {
                Item::End => break,
                // The crate says so of the `[`.
                Item::Unclosed => return self.out.push('['),
                Item::Class(class) => items.push_str(&class),
                Item::Char(low) => {
                    items.push_str(&in_bracket(low));
                    if self.peek(0) == Some('-') && self.peek(1).is_some_and(|c| c != ']') {
                        self.at += 1;
                        match self.item(false) {
                            Item::Char(high) => items.extend(["-", &in_bracket(high)]),
                            Item::Class(class) => items.extend([r"\-", &class]),
                            Item::End | Item::Unclosed => return self.out.push('['),
                        }
                    }
                }
            }
            first = false;
        }
        let (not, stop) = (if not { "^" } else { "" }, if not && self.options.stops { r"\n" } else { "" });
        self.out.extend(["[", not, stop, &items, "]"]);
    }

    fn item(&mut self, first: bool) -> Item {
        match (self.next(), self.peek(0)) {
            (None, _) => Item::Unclosed,
            (Some(']'), _) if !first => Item::End,
            (Some('['), Some(kind @ (':' | '.' | '='))) => {
                self.at += 1;
                self.named(kind)
            }
            (Some('\\'), Some(letter)) => match class_escape(letter) {
                Some(class) => {
                    self.at += 1;
                    Item::Class(class)
                }
                None => match self.character() {
                    Some(c) => Item::Char(c),
                    None => Item::Class(format!("\\{letter}")),
                },
            },
            (Some(c), _) => Item::Char(c),
        }
    }

    /// `[:alpha:]`, `[.-.]` or `[=x=]`, read to behind the kind.
    fn named(&mut self, kind: char) -> Item {
        let mut name = String::new();
        while let Some(c) = self.next() {
            if c == kind && self.peek(0) == Some(']') {
                self.at += 1;
                let mut chars = name.chars();
                // The crate knows no such property.
                let unknown = || Item::Class(format!(r"\p{{{}}}", name.replace(['{', '}'], "")));
                return match (kind, chars.next(), chars.next()) {
                    (':', ..) => class(&name).map_or_else(unknown, Item::Class),
                    (_, Some(c), None) => Item::Char(c),
                    _ => unknown(),
                };
            }
            name.push(c);
        }
        Item::Unclosed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(value: &str, pattern: &str) -> bool {
        let regex = translated(pattern, Options::default());
        regex::Regex::new(&regex).unwrap_or_else(|e| panic!("{pattern} is {regex}: {e}")).is_match(value)
    }

    #[test]
    fn patterns_that_mean_the_same_are_not_touched() {
        for pattern in ["^(foo)$", "a|b+", "x{2,3}?", "(?:a)(b)*"] {
            assert_eq!(translated(pattern, Options::default()), pattern);
        }
    }

    #[test]
    fn what_is_in_brackets() {
        for (value, pattern) in [
            ("]", "^[]]$"),
            ("[", "^[[]$"),
            ("a-b", "^[a-]+b$"),
            ("&&", "^[&&]+$"),
            ("-", "^[[.-.]]$"),
            ("é", "^[[:alpha:]]$"),
            ("x1", r"^[[:alpha:]\d]+$"),
            ("\\", r"^[\\]$"),
            ("^", "^[x^]$"),
            ("+", "^[[:punct:]]$"),
        ] {
            assert!(found(value, pattern), "{value} {pattern}");
        }
        assert!(!found("1", "[[:alpha:]]"));
        assert!(!found("a", "[[:punct:]]"));
    }

    #[test]
    fn any_class_can_be_read() {
        for name in
            ["alpha", "alnum", "word", "upper", "lower", "digit", "xdigit", "blank", "space", "cntrl", "ascii", "print", "graph", "punct"]
        {
            for pattern in [format!("[[:{name}:]]"), format!("(?i)[^x[:{name}:]]")] {
                found("a", &pattern);
            }
        }
    }

    #[test]
    fn no_pattern_panics() {
        let parts = ["[", "]", "\\", "^", "-", "[:", ":]", "(?", "{", "1", "}", "***", "=", "x", "\\u", "é", "[.", ".]"];
        for a in parts {
            for b in parts {
                for c in parts {
                    translated(&format!("{a}{b}{c}"), Options::default());
                }
            }
        }
    }
}
