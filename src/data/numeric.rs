//! PostgreSQL's numeric between Arrow decimals, text and the binary format.
//!
//! All go through [`Decimal`]: decimal digits, most significant first, and how many of them stand behind the point. Rounding is half away
//! from zero, as numeric rounds. NaN and infinities, which Arrow decimals do not have, are refused.

use arrow::datatypes::i256;
use bytes::{BufMut, BytesMut};

use super::types::QUOTIENT_SCALE;
use crate::error::{Error, Result, code};

/// More digits than any Arrow decimal has (i256 has 77), so that results fit the stack.
const DIGITS_MAX: usize = 80;

/// 10^38, the largest power of ten in an i128.
const TEN_38: i128 = 10i128.pow(38);

/// A decimal number on the stack: `digits` (0 to 9 each, no leading zeros) times 10^-scale.
pub struct Decimal {
    negative: bool,
    digits: [u8; DIGITS_MAX],
    len: usize,
    scale: i32,
}

impl Decimal {
    /// From the unscaled value of a Decimal128.
    pub fn from_i128(value: i128, scale: i8) -> Decimal {
        let mut decimal = Decimal { negative: value < 0, digits: [0; DIGITS_MAX], len: 0, scale: i32::from(scale) };
        decimal.push(value.unsigned_abs(), 0);
        decimal
    }

    /// From the unscaled value of a Decimal256.
    pub fn from_i256(value: i256, scale: i8) -> Decimal {
        if let Some(small) = value.to_i128() {
            return Decimal::from_i128(small, scale);
        }
        let mut decimal = Decimal { negative: value.is_negative(), digits: [0; DIGITS_MAX], len: 0, scale: i32::from(scale) };
        let ten = i256::from_i128(TEN_38);
        let part = |v: i256| v.to_i128().map_or(0, i128::unsigned_abs);
        let (high, low) = (value.wrapping_div(ten), value.wrapping_rem(ten));
        // A Decimal256 has at most 76 digits, so both halves have at most 38.
        decimal.push(part(high), 0);
        decimal.push(part(low), 38);
        decimal
    }

    /// Appends the digits of `value`, at least `width` of them.
    fn push(&mut self, mut value: u128, width: usize) {
        let mut scratch = [0u8; 40];
        let mut at = scratch.len();
        while value > 0 {
            // 64-bit division is far cheaper than 128-bit, so nineteen digits are cut off at a time.
            let mut chunk = (value % 10_000_000_000_000_000_000) as u64;
            value /= 10_000_000_000_000_000_000;
            let stop = if value > 0 { at - 19 } else { 0 };
            while at > stop && (chunk > 0 || value > 0) {
                at -= 1;
                scratch[at] = (chunk % 10) as u8;
                chunk /= 10;
            }
        }
        let found = &scratch[at.min(scratch.len() - width)..];
        self.digits[self.len..self.len + found.len()].copy_from_slice(found);
        self.len += found.len();
    }

    /// How many decimals are not trailing zeros.
    pub fn least_scale(&self) -> i32 {
        let zeros = self.digits[..self.len].iter().rev().take_while(|d| **d == 0).count() as i32;
        if self.len == 0 { 0 } else { (self.scale - zeros).max(0) }
    }

    /// How many decimals PostgreSQL's division shows for a value of this size: at least 16 significant digits, in whole groups of four
    /// (select_div_scale in its numeric.c), but no more than there are.
    pub fn quotient_scale(&self) -> i32 {
        // A quotient has at least this scale; fewer decimals are those of a sum or a product, which are exact.
        if self.scale < i32::from(QUOTIENT_SCALE) {
            return self.scale.max(0);
        }
        let weight = if self.len == 0 { -1 } else { (self.len as i32 - self.scale - 1).div_euclid(4) };
        (16 - 4 * weight).clamp(0, self.scale.max(0))
    }

    /// The same number with `scale` decimals, rounded half away from zero.
    pub fn rounded(mut self, scale: i32) -> Decimal {
        let drop = self.scale - scale;
        if drop <= 0 {
            return self;
        }
        let keep = self.len as i32 - drop;
        self.scale = scale;
        if keep < 0 {
            self.len = 0;
            self.negative = false;
            return self;
        }
        let keep = keep as usize;
        let up = self.digits[keep] >= 5;
        self.len = keep;
        if up {
            self.increment();
        }
        self.negative &= self.len > 0;
        self
    }

    fn increment(&mut self) {
        for d in self.digits[..self.len].iter_mut().rev() {
            if *d < 9 {
                *d += 1;
                return;
            }
            *d = 0;
        }
        self.digits.copy_within(0..self.len, 1);
        self.digits[0] = 1;
        self.len += 1;
    }

    /// Writes it with `scale` decimals, which must not be fewer than its own.
    pub fn put_text<B: BufMut>(&self, scale: i32, out: &mut B) {
        let mut line = [b'0'; DIGITS_MAX + 4];
        let mut at = 0;
        if self.negative && self.len > 0 {
            line[0] = b'-';
            at = 1;
        }
        let whole = self.len as i32 - self.scale;
        if whole <= 0 {
            at += 1;
        }
        for (i, d) in self.digits[..self.len].iter().enumerate().take_while(|(i, _)| (*i as i32) < whole) {
            line[at + i] = b'0' + d;
        }
        at += whole.clamp(0, self.len as i32) as usize;
        out.put_slice(&line[..at]);
        out.put_bytes(b'0', (-self.scale).max(0) as usize * usize::from(self.len > 0));
        if scale > 0 {
            out.put_u8(b'.');
            for place in 0..scale {
                out.put_u8(b'0' + self.digit(whole + place));
            }
        }
    }

    /// The digit at an index counted from the first digit; 0 outside.
    fn digit(&self, index: i32) -> u8 {
        usize::try_from(index).ok().filter(|i| *i < self.len).map_or(0, |i| self.digits[i])
    }

    /// Writes the body of numeric_send: base-10000 digits, weight, sign, display scale.
    pub fn put_binary(&self, scale: i32, out: &mut BytesMut) {
        let whole = self.len as i32 - self.scale;
        let first = whole.div_euclid(4) + i32::from(whole.rem_euclid(4) > 0);
        let last = -(self.scale.max(0) + 3).div_euclid(4);
        let mut groups = [0i16; DIGITS_MAX / 4 + 20];
        let mut n = 0;
        // Group g holds the places 10^(4g+3) to 10^(4g).
        let mut g = first - 1;
        let mut weight = 0;
        while g >= last.min(0) && n < groups.len() {
            let start = whole - 4 * (g + 1);
            let value = (0..4).fold(0i16, |v, k| v * 10 + i16::from(self.digit(start + k)));
            if n > 0 || value != 0 {
                weight = if n == 0 { g } else { weight };
                groups[n] = value;
                n += 1;
            }
            g -= 1;
        }
        while n > 0 && groups[n - 1] == 0 {
            n -= 1;
        }
        out.put_i16(n as i16);
        out.put_i16(if n == 0 { 0 } else { weight as i16 });
        out.put_u16(if self.negative && n > 0 { 0x4000 } else { 0 });
        out.put_i16(scale as i16);
        for group in &groups[..n] {
            out.put_i16(*group);
        }
    }
}

/// A decimal as read: sign, digits (values 0 to 9, no leading zeros) and the place of the point.
pub struct Parsed {
    negative: bool,
    digits: Vec<u8>,
    scale: i64,
}

impl Parsed {
    /// Reads PostgreSQL's numeric syntax: `-12.5e3`, with blanks around. Errors: 22P02; 0A000 for NaN and infinities.
    pub fn read(text: &str) -> Result<Parsed> {
        let malformed = || Error::new(code::INVALID_TEXT_REPRESENTATION, format!("invalid input syntax for type numeric: \"{text}\""));
        let trimmed = text.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\x0b');
        let negative = trimmed.starts_with('-');
        let body = trimmed.strip_prefix(['+', '-']).unwrap_or(trimmed);
        if ["nan", "infinity", "inf"].iter().any(|w| body.eq_ignore_ascii_case(w)) {
            return Err(no_special(trimmed));
        }
        let (mantissa, exponent) = match body.find(['e', 'E']) {
            Some(e) => (&body[..e], read_exponent(&body[e + 1..]).ok_or_else(malformed)?),
            None => (body, 0),
        };
        let (whole, decimals) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = || whole.bytes().chain(decimals.bytes());
        if whole.len() + decimals.len() == 0 || !all().all(|b| b.is_ascii_digit()) {
            return Err(malformed());
        }
        let digits: Vec<u8> = all().skip_while(|b| *b == b'0').map(|b| b - b'0').collect();
        Ok(Parsed { negative, digits, scale: decimals.len() as i64 - exponent })
    }

    /// Reads the body of numeric_recv. Errors: 22P03; 0A000 for NaN and infinities.
    pub fn read_binary(bytes: &[u8]) -> Result<Parsed> {
        let malformed = || Error::new(code::INVALID_BINARY_REPRESENTATION, "invalid digit or length in external \"numeric\" value");
        let word = |i: usize| bytes.get(2 * i..2 * i + 2).map(|b| u16::from_be_bytes([b[0], b[1]])).ok_or_else(malformed);
        let (n, weight, sign) = (usize::from(word(0)?), i64::from(word(1)? as i16), word(2)?);
        if matches!(sign, 0xC000 | 0xD000 | 0xF000) {
            return Err(no_special(if sign == 0xC000 { "NaN" } else { "Infinity" }));
        }
        if !matches!(sign, 0 | 0x4000) || bytes.len() != 8 + 2 * n {
            return Err(malformed());
        }
        let mut digits = Vec::with_capacity(4 * n);
        for i in 0..n {
            let group = word(4 + i)?;
            if group > 9999 {
                return Err(malformed());
            }
            digits.extend([group / 1000, group / 100 % 10, group / 10 % 10, group % 10].map(|d| d as u8));
        }
        let leading = digits.iter().take_while(|d| **d == 0).count();
        digits.drain(..leading);
        Ok(Parsed { negative: sign == 0x4000, digits, scale: 4 * (n as i64 - weight - 1) })
    }

    /// Rounds to `scale` decimals and answers the unscaled value, if it has at most `precision` digits.
    fn unscaled(&self, precision: u8, scale: i8) -> Option<i256> {
        let drop = self.scale - i64::from(scale);
        let len = self.digits.len() as i64;
        let kept = len - drop.max(0);
        let zeros = (-drop).max(0);
        if kept + zeros > i64::from(precision) && len > 0 {
            return None;
        }
        let mut value = i256::ZERO;
        let kept_digits = &self.digits[..kept.max(0) as usize];
        for chunk in kept_digits.chunks(18) {
            let number = chunk.iter().fold(0i128, |v, d| v * 10 + i128::from(*d));
            value = value.checked_mul(power(chunk.len() as u32))?.checked_add(i256::from_i128(number))?;
        }
        if len > 0 {
            value = value.checked_mul(power(zeros as u32))?;
        }
        let up = kept >= 0 && drop > 0 && self.digits.get(kept as usize).is_some_and(|d| *d >= 5);
        if up {
            value = value.checked_add(i256::ONE)?;
        }
        if value >= power(u32::from(precision)) {
            return None;
        }
        Some(if self.negative { value.wrapping_neg() } else { value })
    }

    /// As a Decimal128(precision, scale). Errors: 22003 `numeric field overflow`.
    pub fn to_i128(&self, precision: u8, scale: i8) -> Result<i128> {
        let value = self.unscaled(precision, scale).and_then(i256::to_i128);
        value.ok_or_else(|| field_overflow(precision, scale))
    }

    /// As a Decimal256(76, scale). Errors: 22003, also if digits beyond the scale of a numeric without precision would be lost.
    pub fn to_i256(&self, scale: i8, exact: bool) -> Result<i256> {
        let lost = self.scale - i64::from(scale);
        let beyond = self.digits.iter().rev().take(usize::try_from(lost).unwrap_or(0)).any(|d| *d != 0);
        let value = self.unscaled(76, scale).filter(|_| !(exact && beyond));
        value.ok_or_else(|| {
            let detail = format!("numeric without precision holds up to {} digits before and {scale} after the decimal point.", 76 - scale);
            Error::new(code::NUMERIC_VALUE_OUT_OF_RANGE, "value overflows numeric format").detail(detail)
        })
    }
}

/// Powers of ten as i256, up to 10^76.
fn power(exponent: u32) -> i256 {
    if exponent <= 38 {
        return i256::from_i128(10i128.pow(exponent));
    }
    i256::from_i128(TEN_38).wrapping_mul(i256::from_i128(10i128.pow((exponent - 38).min(38))))
}

fn read_exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || digits.len() > 9 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

fn no_special(what: &str) -> Error {
    Error::unsupported(format!("the numeric value \"{what}\" is not supported")).hint("Leave the value NULL, or use double precision.")
}

/// 22003 with PostgreSQL's DETAIL.
pub fn field_overflow(precision: u8, scale: i8) -> Error {
    let whole = i32::from(precision) - i32::from(scale);
    let bound = if whole == 0 { "1".to_string() } else { format!("10^{whole}") };
    let detail = format!("A field with precision {precision}, scale {scale} must round to an absolute value less than {bound}.");
    Error::new(code::NUMERIC_VALUE_OUT_OF_RANGE, "numeric field overflow").detail(detail)
}

/// The fast way for short plain text such as `-12.50` into a Decimal128: `None` if the general way must be taken.
pub fn short_decimal(text: &str, precision: u8, scale: i8) -> Option<i128> {
    let (negative, body) = match text.as_bytes() {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    if body.len() > 18 || body.is_empty() || scale < 0 {
        return None;
    }
    let mut value = 0i64;
    let mut decimals: Option<u32> = None;
    for b in body {
        match b {
            b'0'..=b'9' => {
                value = value * 10 + i64::from(b - b'0');
                decimals = decimals.map(|n| n + 1);
            }
            b'.' if decimals.is_none() => decimals = Some(0),
            _ => return None,
        }
    }
    if decimals.is_some() && body.len() == 1 {
        return None;
    }
    let missing = (scale as u32).checked_sub(decimals.unwrap_or(0))?;
    let unscaled = i128::from(value).checked_mul(10i128.checked_pow(missing)?)?;
    (unscaled < 10i128.pow(u32::from(precision))).then_some(if negative { -unscaled } else { unscaled })
}

/// A JSON number as jsonb prints it: numeric's text, so without exponent and without a sign on zero. `None` if that would be absurdly long.
pub fn plain_number(text: &str) -> Option<String> {
    if text.len() < 1_000 && text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return Some(text.to_string());
    }
    let parsed = Parsed::read(text).ok()?;
    let scale = parsed.scale.max(0);
    let whole = if parsed.digits.is_empty() { 0 } else { parsed.digits.len() as i64 - parsed.scale };
    if scale > 16_383 || whole > 131_072 {
        return None;
    }
    let digit = |place: i64| {
        let index = usize::try_from(place).ok();
        char::from(b'0' + index.and_then(|i| parsed.digits.get(i)).copied().unwrap_or(0))
    };
    let mut out = String::new();
    if parsed.negative && !parsed.digits.is_empty() {
        out.push('-');
    }
    if parsed.digits.is_empty() || whole <= 0 {
        out.push('0');
    } else {
        out.extend((0..whole).map(digit));
    }
    if scale > 0 {
        out.push('.');
        out.extend((whole..whole + scale).map(|p| if parsed.digits.is_empty() { '0' } else { digit(p) }));
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(value: i128, scale: i8, shown: i32) -> String {
        let mut out = Vec::new();
        Decimal::from_i128(value, scale).rounded(shown).put_text(shown, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn decimals_are_written_and_rounded() {
        assert_eq!(text(-12345, 2, 2), "-123.45");
        assert_eq!(text(5, 3, 3), "0.005");
        assert_eq!(text(-5, 3, 2), "-0.01");
        assert_eq!(text(-4, 3, 2), "0.00");
        assert_eq!(text(9995, 1, 0), "1000");
        assert_eq!(text(0, 2, 2), "0.00");
        assert_eq!(text(12, -2, 0), "1200");
        assert_eq!(text(10_000_000_000_000_000_000, 0, 0), "10000000000000000000");
    }

    #[test]
    fn quotients_show_as_many_decimals_as_postgresql() {
        let shown = |v: &str| {
            let value = Parsed::read(v).unwrap().to_i256(20, false).unwrap();
            Decimal::from_i256(value, 20).quotient_scale()
        };
        let exact = Decimal::from_i256(i256::from_i128(10i128.pow(22) + 25), 2);
        assert_eq!(exact.quotient_scale(), 2, "a product of 100000000000000000000.25 keeps its decimals");
        assert_eq!([shown("1.5"), shown("9999"), shown("10000"), shown("0.3333"), shown("0"), shown("0.00001")], [16, 16, 12, 20, 20, 20]);
    }

    proptest! {
        #[test]
        fn numeric_survives_text_and_binary(value in any::<i128>(), more in any::<u64>(), scale in 0i8..=38) {
            let big = i256::from_i128(value).wrapping_mul(i256::from_i128(i128::from(more)));
            let decimal = Decimal::from_i256(big, scale);
            let mut written = Vec::new();
            decimal.put_text(i32::from(scale), &mut written);
            let parsed = Parsed::read(std::str::from_utf8(&written).unwrap()).unwrap();
            prop_assert_eq!(parsed.to_i256(scale, true).unwrap(), big);
            let mut sent = BytesMut::new();
            decimal.put_binary(i32::from(scale), &mut sent);
            prop_assert_eq!(Parsed::read_binary(&sent).unwrap().to_i256(scale, true).unwrap(), big);
        }
    }
}
