//! Patterns of to_char and to_number for numbers (manual, table 9.29): 9 0 . D , G S MI PL SG PR FM V is refused.

use arrow::datatypes::i256;

use crate::error::{Error, Result};
use crate::func::arith::decimal::{div_round, pow10};

/// A number pattern in its parts.
#[derive(Debug, Default)]
pub struct Pattern {
    /// '9', '0', ',' or text before the point.
    before: Vec<char>,
    /// '9' or '0' behind it.
    after: Vec<char>,
    point: bool,
    fill: bool,
    sign: Sign,
}

#[derive(Debug, Default, PartialEq)]
enum Sign {
    #[default]
    Front,
    AnchoredFront,
    AnchoredBack,
    Back,
    Brackets,
}

/// Reads a pattern. Errors: 0A000 for EEEE, RN, V, TH.
pub fn parse(text: &str) -> Result<Pattern> {
    let mut pattern = Pattern { fill: true, ..Pattern::default() };
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let upper = rest.get(..2).map(str::to_ascii_uppercase);
        let mut length = first.len_utf8();
        match (first, upper.as_deref()) {
            (_, Some("FM")) => (pattern.fill, length) = (false, 2),
            (_, Some("MI")) => (pattern.sign, length) = (Sign::Back, 2),
            (_, Some("PR")) => (pattern.sign, length) = (Sign::Brackets, 2),
            (_, Some("SG")) => (pattern.sign, length) = (Sign::AnchoredFront, 2),
            ('S' | 's', _) => {
                pattern.sign = if pattern.before.is_empty() && !pattern.point { Sign::AnchoredFront } else { Sign::AnchoredBack };
            }
            ('.' | 'D' | 'd', _) => pattern.point = true,
            ('9' | '0', _) if pattern.point => pattern.after.push(first),
            ('9' | '0', _) => pattern.before.push(first),
            (',' | 'G' | 'g', _) => pattern.before.push(','),
            ('$' | '-' | '+' | ' ' | '/' | ':' | '(' | ')' | '%', _) if !pattern.point => pattern.before.push(first),
            _ => {
                let error = Error::unsupported(format!("number pattern \"{text}\" is not supported"));
                return Err(error.hint("The supported patterns are 9 0 . D , G S SG MI PR FM."));
            }
        }
        rest = &rest[length..];
    }
    Ok(pattern)
}

impl Pattern {
    /// Digits behind the point.
    pub fn decimals(&self) -> usize {
        self.after.len()
    }

    /// A number as mantissa and scale by the pattern.
    pub fn format(&self, mantissa: i256, scale: i8) -> String {
        let negative = mantissa.is_negative();
        let wanted = self.after.len() as i32;
        let shift = wanted - i32::from(scale);
        let rounded = if shift >= 0 {
            mantissa.checked_mul(pow10(shift.min(76) as u32)).unwrap_or(i256::MAX)
        } else {
            div_round(mantissa, pow10(shift.unsigned_abs().min(76)))
        };
        let digits = format!("{:0>width$}", rounded.wrapping_abs().to_string(), width = self.after.len() + 1);
        let (whole, fraction) = digits.split_at(digits.len() - self.after.len());
        let places = self.before.iter().filter(|c| matches!(c, '9' | '0')).count();
        let whole = if whole == "0" { "" } else { whole };
        let overflow = whole.len() > places;
        let body = self.body(whole, fraction, places, overflow);
        self.signed(body, negative && (rounded != i256::ZERO))
    }

    fn body(&self, whole: &str, fraction: &str, places: usize, overflow: bool) -> String {
        let mut out = String::new();
        let mut digits = format!("{whole:>places$}").chars().collect::<Vec<_>>().into_iter();
        let first_zero = self.before.iter().filter(|c| matches!(c, '9' | '0')).position(|c| *c == '0').unwrap_or(usize::MAX);
        let (mut seen, mut started) = (0, false);
        for c in &self.before {
            match c {
                '9' | '0' => {
                    let digit = if overflow { '#' } else { digits.next().unwrap_or(' ') };
                    started |= digit != ' ' || seen >= first_zero;
                    let last_is_bare = seen + 1 == places && !self.point;
                    let shown = if digit == ' ' && (started || last_is_bare) { '0' } else { digit };
                    if shown != ' ' || self.fill {
                        out.push(shown);
                    }
                    seen += 1;
                }
                ',' if started => out.push(','),
                ',' if self.fill => out.push(' '),
                ',' => {}
                other => out.push(*other),
            }
        }
        if self.point {
            out.push('.');
            let kept = if self.fill {
                fraction.len()
            } else {
                let last_zero = self.after.iter().rposition(|c| *c == '0').map_or(0, |i| i + 1);
                fraction.trim_end_matches('0').len().max(last_zero)
            };
            if overflow { out.extend(std::iter::repeat_n('#', fraction.len())) } else { out.push_str(&fraction[..kept]) }
        }
        out
    }

    fn signed(&self, body: String, negative: bool) -> String {
        let blanks = body.len() - body.trim_start_matches(' ').len();
        let (pad, number) = body.split_at(blanks);
        let space = if self.fill { " " } else { "" };
        match self.sign {
            Sign::Front => format!("{pad}{}{number}", if negative { "-" } else { space }),
            Sign::AnchoredFront => format!("{pad}{}{number}", if negative { "-" } else { "+" }),
            Sign::AnchoredBack => format!("{body}{}", if negative { "-" } else { "+" }),
            Sign::Back => format!("{body}{}", if negative { "-" } else { space }),
            Sign::Brackets if negative => format!("{pad}<{number}>"),
            Sign::Brackets => format!("{space}{body}{space}"),
        }
    }
}
