//! Java's regular expressions in terms of the crate `regex`: what means something else is rewritten, and what that crate cannot do
//! (looking around, back references, possessive quantifiers) is refused rather than understood wrongly.

use std::cell::RefCell;
use std::rc::Rc;

use regex::{Regex, RegexBuilder};

use crate::error::{Error, Result, code};

/// Compiled patterns that a thread remembers.
const REMEMBERED: usize = 32;

/// Memory that one compiled pattern may take, in bytes.
const COMPILED_BYTES_MAX: usize = 16 << 20;

/// What a pattern became: the expression, or why there is none.
type Compiled = std::result::Result<Rc<Regex>, String>;

thread_local! {
    /// The last used first. Failures are remembered too, so that a wrong pattern is not read again for each row.
    static CACHE: RefCell<Vec<(String, Compiled)>> = const { RefCell::new(Vec::new()) };
}

/// The compiled expression of a pattern.
pub fn compiled(pattern: &str) -> Result<Rc<Regex>> {
    let found = CACHE.with_borrow_mut(|cache| {
        if let Some(at) = cache.iter().position(|(text, _)| text == pattern) {
            cache.get_mut(..=at).unwrap_or_default().rotate_right(1);
        } else {
            cache.insert(0, (pattern.to_string(), compile(pattern)));
            cache.truncate(REMEMBERED);
        }
        cache.first().map(|(_, compiled)| compiled.clone())
    });
    match found {
        Some(Ok(regex)) => Ok(regex),
        Some(Err(why)) => Err(Error::new(code::INVALID_PARAMETER_VALUE, format!("invalid regular expression \"{pattern}\"")).detail(why)),
        None => Err(Error::internal("the cache of patterns is empty")),
    }
}

fn compile(pattern: &str) -> Compiled {
    let translated = translate(pattern)?;
    RegexBuilder::new(&translated).size_limit(COMPILED_BYTES_MAX).build().map(Rc::new).map_err(|e| e.to_string())
}

/// Rewrites a pattern of Java; an error says what there is no word for.
fn translate(pattern: &str) -> std::result::Result<String, String> {
    let mut reader = Reader { rest: pattern, out: String::new(), dot_all: false, quantified: false };
    reader.pattern()?;
    Ok(reader.out)
}

const LINE_ENDS: &str = r"\n\r\x{85}\x{2028}\x{2029}";
const HORIZONTAL: &str = r" \t\x{A0}\x{1680}\x{180E}\x{2000}-\x{200A}\x{202F}\x{205F}\x{3000}";
const VERTICAL: &str = r"\n\x0B\x0C\r\x{85}\x{2028}\x{2029}";

struct Reader<'a> {
    rest: &'a str,
    out: String,
    /// True behind `(?s)`, wherever that stood: groups that end its reach are rare.
    dot_all: bool,
    /// The last thing read was a quantifier, so that a `+` now would make it possessive.
    quantified: bool,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = self.rest.get(c.len_utf8()..).unwrap_or_default();
        Some(c)
    }

    fn eat(&mut self, token: &str) -> bool {
        let rest = self.rest.strip_prefix(token);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn pattern(&mut self) -> std::result::Result<(), String> {
        while let Some(c) = self.next() {
            let was_quantified = std::mem::take(&mut self.quantified);
            match c {
                '\\' => self.escape(false)?,
                '[' => {
                    self.out.push('[');
                    self.class()?;
                }
                '(' => self.group()?,
                '.' if !self.dot_all => self.out.push_str(&format!("[^{LINE_ENDS}]")),
                '+' if was_quantified => return Err("possessive quantifiers are not supported".to_string()),
                '*' | '+' | '?' => {
                    self.quantified = !was_quantified;
                    self.out.push(c);
                }
                '{' => {
                    let (count, rest) = self.rest.split_once('}').ok_or("a repetition does not end")?;
                    self.rest = rest;
                    self.out.push_str(&format!("{{{count}}}"));
                    self.quantified = true;
                }
                '}' => self.out.push_str("\\}"),
                c => self.out.push(c),
            }
        }
        Ok(())
    }

    /// Behind `(`: names and flags; what looks around is refused.
    fn group(&mut self) -> std::result::Result<(), String> {
        self.out.push('(');
        if !self.eat("?") {
            return Ok(());
        }
        if self.rest.starts_with(['=', '!']) || self.rest.starts_with("<=") || self.rest.starts_with("<!") {
            return Err("looking ahead or behind is not supported".to_string());
        }
        if self.rest.starts_with('>') {
            return Err("atomic groups are not supported".to_string());
        }
        if self.rest.starts_with('<') {
            self.out.push('?');
            return Ok(());
        }
        let end = self.rest.find([':', ')']).ok_or("a group does not end")?;
        let (flags, rest) = self.rest.split_at_checked(end).ok_or("a group does not end")?;
        if let Some(unknown) = flags.chars().find(|c| !"imsxduU-".contains(*c)) {
            return Err(format!("unknown flag \"{unknown}\""));
        }
        let on = flags.split('-').next().unwrap_or_default();
        self.dot_all = if on.contains('s') { true } else { self.dot_all && !flags.contains('s') };
        // `d`, `u` and `U` are about ends of lines and Unicode, and mean other things or nothing in the crate.
        let mut kept: String = flags.chars().filter(|c| !"duU".contains(*c)).collect();
        if kept.ends_with('-') {
            kept.pop();
        }
        self.rest = rest;
        if kept.is_empty() && self.eat(")") {
            self.out.pop();
            return Ok(());
        }
        self.out.push('?');
        self.out.push_str(&kept);
        Ok(())
    }

    /// Inside of `[..]`: the same language, but for escapes.
    fn class(&mut self) -> std::result::Result<(), String> {
        if self.eat("^") {
            self.out.push('^');
        }
        if self.eat("]") {
            self.out.push_str("\\]");
        }
        let mut depth = 1;
        while let Some(c) = self.next() {
            match c {
                '\\' => self.escape(true)?,
                '[' => {
                    depth += 1;
                    self.out.push('[');
                    if self.eat("^") {
                        self.out.push('^');
                    }
                }
                ']' => {
                    depth -= 1;
                    self.out.push(']');
                    if depth == 0 {
                        return Ok(());
                    }
                }
                // These are set operations in the crate and characters in Java.
                '~' => self.out.push_str("\\~"),
                '-' if self.rest.starts_with('-') => self.out.push_str("\\-"),
                '&' if !self.rest.starts_with('&') && !self.out.ends_with('&') => self.out.push_str("\\&"),
                c => self.out.push(c),
            }
        }
        Err("a character class does not end".to_string())
    }

    /// Writes a set of characters, with brackets where there are none yet.
    fn set(&mut self, in_class: bool, negated: bool, members: &str) {
        match (in_class, negated) {
            (true, false) => self.out.push_str(members),
            (_, true) => self.out.push_str(&format!("[^{members}]")),
            (false, false) => self.out.push_str(&format!("[{members}]")),
        }
    }

    fn literal(&mut self, c: char) {
        if c.is_ascii() && !c.is_ascii_alphanumeric() && !matches!(c, '<' | '>') && !c.is_ascii_control() {
            self.out.push('\\');
        }
        self.out.push(c);
    }

    fn code_point(&mut self, point: u32) {
        self.out.push_str(&format!("\\x{{{point:X}}}"));
    }

    fn escape(&mut self, in_class: bool) -> std::result::Result<(), String> {
        let c = self.next().ok_or("the pattern ends with a backslash")?;
        match c {
            'd' | 'D' => self.set(in_class, c == 'D', "0-9"),
            'w' | 'W' => self.set(in_class, c == 'W', "a-zA-Z0-9_"),
            's' | 'S' => self.set(in_class, c == 'S', r" \t\n\x0B\x0C\r"),
            'h' | 'H' => self.set(in_class, c == 'H', HORIZONTAL),
            'v' | 'V' => self.set(in_class, c == 'V', VERTICAL),
            'R' => self.out.push_str(&format!(r"(?:\r\n|[{VERTICAL}])")),
            'Z' => self.out.push_str(r"\z"),
            'A' | 'z' | 'b' | 'B' | 't' | 'n' | 'r' | 'f' | 'a' | 'u' => {
                self.out.push('\\');
                self.out.push(c);
            }
            'x' => {
                self.out.push_str("\\x");
                if self.eat("{") {
                    let (digits, rest) = self.rest.split_once('}').ok_or("\\x{ does not end")?;
                    self.rest = rest;
                    self.out.push_str(&format!("{{{digits}}}"));
                }
            }
            'e' => self.out.push_str(r"\x1B"),
            'c' => {
                let control = self.next().ok_or("\\c needs a character")?;
                self.code_point(u32::from(control) ^ 64);
            }
            '0' => {
                let most = if self.rest.starts_with(['0', '1', '2', '3']) { 3 } else { 2 };
                let count = self.rest.bytes().take(most).take_while(|b| (b'0'..=b'7').contains(b)).count();
                let (digits, rest) = self.rest.split_at_checked(count).unwrap_or_default();
                let point = u32::from_str_radix(digits, 8).map_err(|_| "\\0 needs octal digits")?;
                self.rest = rest;
                self.code_point(point);
            }
            '1'..='9' | 'k' => return Err("back references are not supported".to_string()),
            'p' | 'P' => self.property(in_class, c == 'P')?,
            'Q' => {
                let (quoted, rest) = self.rest.split_once("\\E").unwrap_or((self.rest, ""));
                self.rest = rest;
                for c in quoted.chars() {
                    self.literal(c);
                }
            }
            c if c.is_ascii_alphabetic() => return Err(format!("unknown escape \"\\{c}\"")),
            c => self.literal(c),
        }
        Ok(())
    }

    /// Behind `\p`: Java's own names of classes, and Unicode's.
    fn property(&mut self, in_class: bool, negated: bool) -> std::result::Result<(), String> {
        let name = if self.eat("{") {
            let (name, rest) = self.rest.split_once('}').ok_or("\\p{ does not end")?;
            self.rest = rest;
            name.to_string()
        } else {
            self.next().ok_or("\\p needs a name")?.to_string()
        };
        let members = match name.as_str() {
            "Lower" => "a-z",
            "Upper" => "A-Z",
            "ASCII" => r"\x00-\x7F",
            "Alpha" => "a-zA-Z",
            "Digit" => "0-9",
            "Alnum" => "a-zA-Z0-9",
            "Punct" => r"!-/:-@\[-`{-\~",
            "Graph" => r"!-\~",
            "Print" => r" -\~",
            "Blank" => r" \t",
            "Cntrl" => r"\x00-\x1F\x7F",
            "XDigit" => "0-9a-fA-F",
            "Space" => r" \t\n\x0B\x0C\r",
            "javaLowerCase" => r"\p{Lowercase}",
            "javaUpperCase" => r"\p{Uppercase}",
            "javaLetter" => r"\p{L}",
            "javaDigit" => r"\p{Nd}",
            "javaLetterOrDigit" => r"\p{L}\p{Nd}",
            "javaWhitespace" => r"\s",
            other => {
                let bare = other.strip_prefix("Is").unwrap_or(other);
                self.out.push_str(&format!("\\{}{{{bare}}}", if negated { 'P' } else { 'p' }));
                return Ok(());
            }
        };
        self.set(in_class, negated, members);
        Ok(())
    }
}

/// A piece of a replacement.
pub enum Part {
    Text(String),
    /// A group of the match.
    Group(usize),
}

/// Reads a replacement as Java does: `$1`, `${name}`, and `\` before what stands for itself.
pub fn replacement(text: &str, regex: &Regex) -> Result<Vec<Part>> {
    let wrong = |why: &str| Error::new(code::INVALID_PARAMETER_VALUE, format!("invalid replacement \"{text}\": {why}"));
    let mut parts = Vec::new();
    let mut plain = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => plain.push(chars.next().ok_or_else(|| wrong("it ends with a backslash"))?),
            '$' => {
                let group = if chars.next_if_eq(&'{').is_some() {
                    let mut name = String::new();
                    loop {
                        match chars.next() {
                            Some('}') => break,
                            Some(c) => name.push(c),
                            None => return Err(wrong("\"${\" does not end")),
                        }
                    }
                    regex.capture_names().position(|n| n == Some(name.as_str())).ok_or_else(|| wrong("there is no group of this name"))?
                } else {
                    let digit = |c: &char| c.to_digit(10).and_then(|d| usize::try_from(d).ok());
                    let mut group = chars.next().as_ref().and_then(digit).ok_or_else(|| wrong("\"$\" needs a group"))?;
                    if group >= regex.captures_len() {
                        return Err(wrong("there is no such group"));
                    }
                    // As many digits belong to the number as still make one of a group.
                    while let Some(longer) = chars.peek().and_then(digit).map(|d| group.saturating_mul(10).saturating_add(d)) {
                        if longer >= regex.captures_len() {
                            break;
                        }
                        group = longer;
                        chars.next();
                    }
                    group
                };
                if !plain.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut plain)));
                }
                parts.push(Part::Group(group));
            }
            c => plain.push(c),
        }
    }
    if !plain.is_empty() {
        parts.push(Part::Text(plain));
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_what_java_means() {
        let cases = [
            (r"\d+", "٣", false),
            (r"\w", "é", false),
            (r"^[\w.]+$", "a.b", true),
            (r"^[^\d\s]$", "a", true),
            (r"^.$", "\r", false),
            (r"(?s)^.$", "\r", true),
            (r"(?i)ABC", "abc", true),
            (r"(?u)a", "a", true),
            (r"\Qa.b*\E", "a.b*", true),
            (r"\Qa.b*\E", "axb", false),
            (r"\<a\>", "<a>", true),
            (r"^\p{Alpha}\p{IsGreek}\p{Lu}$", "aλÉ", true),
            (r"^[\p{Punct}]+$", "!~[]-", true),
            (r"^\x41\u0042\x{43}\0104$", "ABCD", true),
            (r"^[a-z&&[^b]]+$", "acd", true),
            (r"^[a-z&&[^b]]+$", "b", false),
            (r"^[a~&+]+$", "a~&+", true),
            (r"^a{2,3}?$", "aaa", true),
            (r"^\x{41}+}+[]a]{2}$", "AA}}]a", true),
            (r"\R", "\r\n", true),
            (r"^\h\v$", "\t\n", true),
            (r"^\@\é$", "@é", true),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(compiled(pattern).expect(pattern).is_match(text), expected, "{pattern} on {text:?}");
        }
    }

    #[test]
    fn refuses_what_it_cannot() {
        for pattern in ["(?=a)", "(?<!a)b", "(?>a)", r"(a)\1", "a++", "a{2}+", "(", "[a", r"\y", "a\\", "*a", r"\p{Nonsense}", "(?q)a"] {
            for _ in 0..2 {
                assert_eq!(compiled(pattern).unwrap_err().code(), code::INVALID_PARAMETER_VALUE, "{pattern}");
            }
        }
    }

    #[test]
    fn remembers_only_so_many() {
        for i in 0..3 * REMEMBERED {
            compiled(&format!("a{i}")).unwrap();
            compiled("kept").unwrap();
        }
        CACHE.with_borrow(|cache| {
            assert_eq!(cache.len(), REMEMBERED);
            assert!(cache.iter().any(|(text, _)| text == "kept"));
        });
    }
}
