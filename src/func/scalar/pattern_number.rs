//! Patterns of to_char and to_number for numbers (manual, table 9.29), as PostgreSQL's formatting.c reads and fills them.

use arrow::datatypes::i256;

use crate::error::{Error, Result};
use crate::func::arith::decimal::{div_round, pow10};

/// How wide a Roman number is, to the longest of them.
const ROMAN_WIDTH: usize = 15;

/// Words of a pattern, longer ones before their own beginnings; all in upper or all in lower case.
const WORDS: &[&str] = &["EEEE", "FM", "MI", "PL", "PR", "RN", "SG", "SP", "TH", ",", ".", "0", "9", "B", "D", "G", "L", "S", "V"];

/// A place of a pattern that shows something.
#[derive(Debug, Clone, PartialEq)]
enum Node {
    Nine,
    Zero,
    Point,
    Comma,
    Currency,
    Minus,
    Plus,
    Sign,
    /// Upper case or not.
    Ordinal(bool),
    Roman(bool),
    Text(String),
}

/// A number pattern in its parts.
#[derive(Debug, Default)]
pub struct Pattern {
    nodes: Vec<Node>,
    /// Places of digits before and behind the point, and behind a V.
    before: usize,
    after: usize,
    shifted: usize,
    /// The place of the first 0 before the point, or a place that is none, and how many digits there are to the last 0.
    zero: Option<(usize, usize)>,
    point: bool,
    multi: bool,
    exponent: bool,
    roman: bool,
    /// FM: nothing is filled with blanks.
    tight: bool,
    brackets: bool,
    minus: bool,
    plus: bool,
    /// S: how many digits are before it, or that it is behind the number.
    sign: Option<Anchor>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Anchor {
    Front(usize),
    Back,
}

fn wrong(message: &str) -> Error {
    Error::syntax(message.to_string())
}

/// Reads a pattern. Errors: 42601 for words that do not go together.
pub fn parse(text: &str) -> Result<Pattern> {
    let mut pattern = Pattern::default();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let begins = |word: &&str| rest.starts_with(*word) || rest.starts_with(&word.to_ascii_lowercase());
        if let Some(word) = WORDS.iter().copied().find(|word| begins(word)) {
            pattern.word(word, rest.starts_with(word))?;
            rest = &rest[word.len()..];
        } else if let Some(quoted) = rest.strip_prefix('"') {
            let (mut chars, mut literal) = (quoted.chars(), String::new());
            while let Some(c) = chars.next().filter(|c| *c != '"') {
                literal.push(if c == '\\' { chars.next().unwrap_or(c) } else { c });
            }
            rest = chars.as_str();
            pattern.nodes.push(Node::Text(literal));
        } else {
            rest = if rest.starts_with("\\\"") { &rest[1..] } else { rest };
            let c = rest.chars().next().unwrap_or(first);
            rest = &rest[c.len_utf8()..];
            pattern.nodes.push(Node::Text(c.to_string()));
        }
    }
    Ok(pattern)
}

impl Pattern {
    fn word(&mut self, word: &str, upper: bool) -> Result<()> {
        if self.exponent {
            return Err(wrong("\"EEEE\" must be the last pattern used"));
        }
        let node = match word {
            "9" | "0" => {
                if self.brackets {
                    return Err(wrong(&format!("\"{word}\" must be ahead of \"PR\"")));
                }
                self.digit(word == "0");
                if word == "0" { Node::Zero } else { Node::Nine }
            }
            "." | "D" => {
                if self.point {
                    return Err(wrong("multiple decimal points"));
                }
                if self.multi {
                    return Err(wrong("cannot use \"V\" and decimal point together"));
                }
                self.point = true;
                Node::Point
            }
            "," | "G" => Node::Comma,
            "L" => Node::Currency,
            "S" => {
                if self.sign.is_some() {
                    return Err(wrong("cannot use \"S\" twice"));
                }
                if self.plus || self.minus || self.brackets {
                    return Err(wrong("cannot use \"S\" and \"PL\"/\"MI\"/\"SG\"/\"PR\" together"));
                }
                self.sign = Some(if self.point { Anchor::Back } else { Anchor::Front(self.before) });
                return Ok(());
            }
            "MI" | "PL" | "SG" => {
                if self.sign.is_some() {
                    return Err(wrong(&format!("cannot use \"S\" and \"{word}\" together")));
                }
                self.minus |= word != "PL";
                self.plus |= word != "MI";
                match word {
                    "MI" => Node::Minus,
                    "PL" => Node::Plus,
                    _ => Node::Sign,
                }
            }
            "PR" => {
                if self.sign.is_some() || self.plus || self.minus {
                    return Err(wrong("cannot use \"PR\" and \"S\"/\"PL\"/\"MI\"/\"SG\" together"));
                }
                self.brackets = true;
                return Ok(());
            }
            "RN" => {
                self.roman = true;
                Node::Roman(upper)
            }
            "TH" => Node::Ordinal(upper),
            "FM" => {
                self.tight = true;
                return Ok(());
            }
            "V" => {
                if self.point {
                    return Err(wrong("cannot use \"V\" and decimal point together"));
                }
                self.multi = true;
                return Ok(());
            }
            "EEEE" => {
                if self.tight || self.sign.is_some() || self.brackets || self.minus || self.plus || self.roman || self.multi {
                    let error = wrong("\"EEEE\" is incompatible with other formats");
                    return Err(error.detail("\"EEEE\" may only be used together with digit and decimal point patterns."));
                }
                self.exponent = true;
                return Ok(());
            }
            // B and SP show nothing.
            _ => return Ok(()),
        };
        self.nodes.push(node);
        Ok(())
    }

    fn digit(&mut self, zero: bool) {
        if !zero && self.multi {
            self.shifted += 1;
            return;
        }
        let first = self.zero.map(|(first, _)| first);
        if self.point {
            self.after += 1
        } else {
            self.before += 1
        }
        if zero {
            // A 0 behind the point alone does not make the ones before it zeros.
            let first = first.or((!self.point).then(|| self.before - 1));
            self.zero = Some((first.unwrap_or(usize::MAX), self.before + self.after));
        }
    }

    /// Errors: 0A000 for a pattern that no number can be read by.
    pub fn for_reading(&self) -> Result<()> {
        let word = if self.roman {
            "RN"
        } else if self.exponent {
            "EEEE"
        } else {
            return Ok(());
        };
        Err(Error::unsupported(format!("\"{word}\" not supported for input")).hint("Write the number with digits."))
    }

    /// How many of the digits of a text are behind the point by V.
    pub fn shift(&self) -> usize {
        self.shifted
    }

    /// A number as mantissa and scale by the pattern.
    pub fn format(&self, mantissa: i256, scale: i8) -> String {
        if self.exponent {
            return self.with_exponent(mantissa, scale);
        }
        let decimals = if self.roman { 0 } else { self.after };
        let shift = decimals as i32 + self.shifted as i32 - i32::from(scale);
        let rounded = if shift >= 0 {
            mantissa.checked_mul(pow10(shift.min(76) as u32)).unwrap_or(i256::MAX)
        } else {
            div_round(mantissa, pow10(shift.unsigned_abs().min(76)))
        };
        let digits = format!("{:0>width$}", rounded.wrapping_abs().to_string(), width = decimals + 1);
        let (whole, fraction) = digits.split_at(digits.len() - decimals);
        let point = if decimals > 0 { "." } else { "" };
        self.show(&format!("{whole}{point}{fraction}"), rounded.is_negative())
    }

    /// A float by the pattern: it has the digits that a float is sure of.
    pub fn format_float(&self, value: f64) -> String {
        const SURE: usize = 15;
        if self.roman {
            // What is out of range is shown as such, whichever number it is.
            let whole = if value.is_finite() { value.round_ties_even().clamp(-1.0, 4_000.0) } else { 0.0 };
            return self.show(&format!("{:.0}", whole.abs()), whole < 0.0);
        }
        if self.exponent {
            return match value.is_finite() {
                true => {
                    let plain = format!("{value:.*e}", self.after);
                    let (digits, exponent) = plain.split_once('e').unwrap_or((&plain, "0"));
                    let exponent: i32 = exponent.parse().unwrap_or(0);
                    let blank = if value.is_sign_negative() { "" } else { " " };
                    format!("{blank}{digits}e{exponent:+03}")
                }
                false => self.no_exponent(),
            };
        }
        let value = value * 10f64.powi(self.shifted as i32);
        let before = if value.is_finite() { format!("{:.0}", value.abs()).len() } else { 0 };
        let decimals = self.after.min(SURE.saturating_sub(before));
        let shown = match value.is_infinite() {
            true => "Infinity".to_string(),
            false => format!("{:.*}", decimals, value.abs()),
        };
        self.show(&shown, value.is_sign_negative() && !value.is_nan())
    }

    /// What has no exponent, such as NaN.
    fn no_exponent(&self) -> String {
        let hashes = |n: usize| "#".repeat(n);
        format!(" {}.{}", hashes(self.before), hashes(self.after + 4))
    }

    fn with_exponent(&self, mantissa: i256, scale: i8) -> String {
        let digits = mantissa.wrapping_abs().to_string();
        let exponent = if digits == "0" { 0 } else { digits.len() as i32 - 1 - i32::from(scale) };
        // The exponent is that of the number before it is rounded: 9.99 by 9.9EEEE is 10.0e+00.
        let surplus = digits.len() as i32 - 1 - self.after as i32;
        let kept = match (digits.as_str(), surplus) {
            ("0", _) => "0".repeat(self.after + 1),
            (_, 1..) => div_round(mantissa.wrapping_abs(), pow10(surplus as u32)).to_string(),
            (_, _) => format!("{digits:0<width$}", width = self.after + 1),
        };
        let (whole, fraction) = kept.split_at(kept.len() - self.after);
        let point = if self.after > 0 { "." } else { "" };
        format!("{}{whole}{point}{fraction}e{exponent:+03}", if mantissa.is_negative() { "-" } else { " " })
    }

    /// The digits of a number, without its sign, in the places of the pattern.
    fn show(&self, number: &str, negative: bool) -> String {
        let places = self.before + self.shifted;
        let whole = number.find('.').unwrap_or(number.len());
        let hashes = || format!("{}.{}", "#".repeat(places), "#".repeat(self.after));
        let number = if self.roman {
            roman(number, negative)
        } else if whole > places {
            hashes()
        } else {
            number.to_string()
        };
        let mut writer = Writer::new(self, number.as_bytes(), if self.roman { 0 } else { places.saturating_sub(whole) }, negative);
        self.nodes.iter().for_each(|node| writer.node(node));
        writer.out
    }
}

/// A number in Roman numerals; none has one below 1 or above 3999.
fn roman(number: &str, negative: bool) -> String {
    const NUMERALS: [(u32, &str); 13] = [
        (1_000, "M"),
        (900, "CM"),
        (500, "D"),
        (400, "CD"),
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ];
    let Some(mut left) = number.parse::<u32>().ok().filter(|n| (1..4_000).contains(n) && !negative) else {
        return "#".repeat(ROMAN_WIDTH);
    };
    let mut out = String::new();
    for (value, numeral) in NUMERALS {
        while left >= value {
            out.push_str(numeral);
            left -= value;
        }
    }
    out
}

/// Fills the places of a pattern from left to right.
struct Writer<'a> {
    pattern: &'a Pattern,
    number: &'a [u8],
    /// The next digit of the number.
    at: usize,
    /// Places before its first digit.
    blanks: usize,
    negative: bool,
    /// Places that were filled.
    place: usize,
    /// The place behind which a sign may follow.
    end: usize,
    /// The last digit that is shown, or the point, under FM.
    last: Option<usize>,
    sign: Option<Anchor>,
    brackets: bool,
    sign_is_written: bool,
    /// A digit was written.
    inside: bool,
    out: String,
}

impl<'a> Writer<'a> {
    fn new(pattern: &'a Pattern, number: &'a [u8], blanks: usize, negative: bool) -> Writer<'a> {
        let before = pattern.before + pattern.shifted;
        let brackets = pattern.brackets && (negative || !pattern.tight);
        let sign = match pattern.sign {
            Some(Anchor::Front(place)) if place == before => Some(Anchor::Back),
            sign => sign,
        };
        let sign_is_written = match pattern.plus || pattern.minus {
            true => pattern.minus,
            false => !negative && pattern.tight && sign.is_none(),
        };
        let last = number.iter().position(|b| *b == b'.').filter(|_| pattern.tight && pattern.point).map(|point| {
            let digit = number.iter().rposition(|b| *b != b'0').unwrap_or(point).max(point);
            match pattern.zero {
                Some((_, zeros)) if zeros > blanks => digit.max((number.len() - 1).min(zeros - blanks)),
                _ => digit,
            }
        });
        let more = usize::from(!sign_is_written && blanks == 0) + usize::from(blanks > 0) + usize::from(pattern.point);
        let end = (before + pattern.after + more).saturating_sub(1);
        let (place, inside, out) = (0, false, String::new());
        Writer { pattern, number, at: 0, blanks, negative, place, end, last, sign, brackets, sign_is_written, inside, out }
    }

    fn node(&mut self, node: &Node) {
        let tight = self.pattern.tight;
        match node {
            Node::Nine | Node::Zero | Node::Point if !self.pattern.roman => self.digit(*node == Node::Zero),
            Node::Nine | Node::Zero | Node::Point => {}
            Node::Comma if self.inside => self.out.push(','),
            Node::Comma if tight => {}
            Node::Comma | Node::Currency => self.out.push(' '),
            Node::Minus | Node::Plus => {
                let shown = (*node == Node::Minus) == self.negative;
                match (shown, node) {
                    (true, Node::Minus) => self.out.push('-'),
                    (true, _) => self.out.push('+'),
                    (false, _) if tight => {}
                    (false, _) => self.out.push(' '),
                }
            }
            Node::Sign => self.out.push(self.sign()),
            Node::Ordinal(upper) => {
                let is_shown = !self.pattern.roman && !self.negative && !self.pattern.point && self.number.first() != Some(&b'#');
                let suffix = if is_shown { ordinal(self.number) } else { "" };
                self.out.push_str(&if *upper { suffix.to_uppercase() } else { suffix.to_string() });
            }
            Node::Roman(upper) => {
                let number = String::from_utf8_lossy(self.number);
                let number = if *upper { number.into_owned() } else { number.to_lowercase() };
                let width = if tight { 0 } else { ROMAN_WIDTH };
                self.out.push_str(&format!("{number:>width$}"));
            }
            Node::Text(text) => self.out.push_str(text),
        }
    }

    fn sign(&self) -> char {
        if self.negative { '-' } else { '+' }
    }

    /// True at a lone 0 before the point that is not shown: 0.1 by 9.9 is .1.
    fn is_bare_zero(&self) -> bool {
        let zeros = self.pattern.zero.is_some_and(|(first, _)| first != usize::MAX);
        !zeros && self.at == 0 && self.number.first() == Some(&b'0') && self.pattern.after != 0
    }

    /// What stands in the place of a 9, a 0 or the point.
    fn digit(&mut self, zero: bool) {
        let tight = self.pattern.tight;
        self.inside = false;
        let zeros_from = self.pattern.zero.map(|(first, _)| first);
        let ends_at_point = self.last.is_some_and(|last| self.number.get(last) == Some(&b'.'));
        let at_number = self.place >= self.blanks || zeros_from == Some(self.place);
        if !self.sign_is_written && at_number && (!self.is_bare_zero() || ends_at_point) {
            self.begin_sign();
        }
        if self.place < self.blanks && zeros_from.is_none_or(|from| from > self.place) {
            self.out.extend((!tight).then_some(' '));
        } else if self.place < self.blanks {
            self.out.push('0');
            self.inside = true;
        } else {
            match self.number.get(self.at) {
                Some(b'.') => self.out.extend((!ends_at_point || tight).then_some('.')),
                _ if self.last.is_some_and(|last| self.at > last) && !zero => {}
                _ if self.is_bare_zero() => {
                    if !tight {
                        self.out.push(' ');
                    } else if ends_at_point {
                        self.out.push('0');
                    }
                }
                Some(digit) => {
                    self.out.push(char::from(*digit));
                    self.inside = true;
                }
                None => {}
            }
            self.at += usize::from(self.at < self.number.len());
        }
        let end = if self.last == Some(self.at) { self.place } else { self.end };
        if self.place + 1 == end {
            if self.sign_is_written && self.brackets {
                self.out.push(if self.negative { '>' } else { ' ' });
            } else if self.sign == Some(Anchor::Back) {
                self.out.push(self.sign());
            }
        }
        self.place += 1;
    }

    /// The sign before the first digit, if it stands there.
    fn begin_sign(&mut self) {
        match self.sign {
            Some(Anchor::Front(_)) => self.out.push(self.sign()),
            Some(Anchor::Back) => return,
            None if self.brackets => self.out.push(if self.negative { '<' } else { ' ' }),
            None if self.negative => self.out.push('-'),
            None => self.out.extend((!self.pattern.tight).then_some(' ')),
        }
        self.sign_is_written = true;
    }
}

/// st, nd, rd or th, by the last two digits.
fn ordinal(number: &[u8]) -> &'static str {
    match number {
        [.., b'1', _] => "th",
        [.., b'1'] => "st",
        [.., b'2'] => "nd",
        [.., b'3'] => "rd",
        _ => "th",
    }
}
