//! Integers and floats as PostgreSQL prints them.

use std::io::Write;

use bytes::BufMut;

/// A decimal integer.
pub fn put_integer<B: BufMut>(value: i64, out: &mut B) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    let mut rest = value.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        at -= 1;
        digits[at] = b'-';
    }
    out.put_slice(&digits[at..]);
}

/// A double as float8out prints it. `extra_digits` is extra_float_digits: above 0 the shortest text that reads back to
/// the same value, otherwise 15 + `extra_digits` significant digits.
pub fn put_float8<B: BufMut>(value: f64, extra_digits: i32, out: &mut B) {
    if special(value, out) {
        return;
    }
    if extra_digits <= 0 {
        let digits = (15 + extra_digits).clamp(1, 15);
        return layout(&Scientific::rounded(value, digits as usize), digits, out);
    }
    let mut shortest = Scientific::shortest(value);
    if touches_boundary8(value, &shortest) {
        shortest = longer(&shortest, |n| Scientific::rounded(value, n), |s| s.parse() == Ok(value) && !touches_boundary8(value, s));
    }
    layout(&shortest, 15, out)
}

/// A float as float4out prints it; see [`put_float8`], with 6 digits.
pub fn put_float4<B: BufMut>(value: f32, extra_digits: i32, out: &mut B) {
    if special(f64::from(value), out) {
        return;
    }
    if extra_digits <= 0 {
        let digits = (6 + extra_digits).clamp(1, 6);
        return layout(&Scientific::rounded(f64::from(value), digits as usize), digits, out);
    }
    let mut shortest = Scientific::shortest(value);
    if touches_boundary4(value, &shortest) {
        let reads_back = |s: &Scientific| s.text().parse() == Ok(value) && !touches_boundary4(value, s);
        shortest = longer(&shortest, |n| Scientific::rounded(f64::from(value), n), reads_back);
    }
    layout(&shortest, 6, out)
}

fn special<B: BufMut>(value: f64, out: &mut B) -> bool {
    let text: &[u8] = match value {
        v if v.is_nan() => b"NaN",
        f64::INFINITY => b"Infinity",
        f64::NEG_INFINITY => b"-Infinity",
        _ => return false,
    };
    out.put_slice(text);
    true
}

/// Rust's `{:e}` text, on the stack: digits, a point after the first of several, `e`, exponent.
struct Scientific {
    bytes: [u8; 40],
    len: usize,
}

impl Scientific {
    fn write(arguments: std::fmt::Arguments) -> Scientific {
        let mut bytes = [0u8; 40];
        let room = bytes.len();
        let mut rest = &mut bytes[..];
        rest.write_fmt(arguments).expect("a float of at most 17 digits is shorter than 40 bytes");
        let len = room - rest.len();
        Scientific { bytes, len }
    }
    fn shortest(value: impl std::fmt::LowerExp) -> Scientific {
        Scientific::write(format_args!("{value:e}"))
    }
    fn rounded(value: f64, digits: usize) -> Scientific {
        Scientific::write(format_args!("{value:.*e}", digits - 1))
    }
    fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.len]).expect("Rust writes floats in ASCII")
    }
    fn parse(&self) -> Result<f64, std::num::ParseFloatError> {
        self.text().parse()
    }
    /// (negative, digits without the point, how many, exponent of the first digit).
    fn split(&self) -> (bool, [u8; 24], usize, i32) {
        let text = &self.bytes[..self.len];
        let e = text.iter().position(|b| *b == b'e').expect("scientific text has an e");
        let mut digits = [b'0'; 24];
        let mut n = 0;
        for b in text[..e].iter().filter(|b| b.is_ascii_digit()) {
            digits[n] = *b;
            n += 1;
        }
        let exponent = std::str::from_utf8(&text[e + 1..]).ok().and_then(|t| t.parse().ok()).expect("an exponent is an integer");
        (text[0] == b'-', digits, n, exponent)
    }
    /// The value as an integer, if it is one below 2^128.
    fn integer(&self) -> Option<u128> {
        let (_, digits, n, exponent) = self.split();
        let zeros = u32::try_from(exponent - (n as i32 - 1)).ok()?;
        let value = digits[..n].iter().fold(0u128, |v, d| v * 10 + u128::from(d - b'0'));
        value.checked_mul(10u128.checked_pow(zeros)?)
    }
}

/// PostgreSQL's Ryu does not take a decimal that lies exactly half-way to a neighbouring float (1e23 does), Rust's does.
/// Half-way points are that short only among integers beyond the mantissa.
fn touches_boundary8(value: f64, text: &Scientific) -> bool {
    let magnitude = value.abs();
    if !(9_007_199_254_740_992.0..1e38).contains(&magnitude) {
        return false;
    }
    let ulp = 1u128 << ((magnitude.to_bits() >> 52) as u32 - 1075);
    text.integer().is_some_and(|t| t.abs_diff(magnitude as u128) * 2 == ulp)
}

fn touches_boundary4(value: f32, text: &Scientific) -> bool {
    let magnitude = value.abs();
    if !(16_777_216.0..1e38).contains(&magnitude) {
        return false;
    }
    let ulp = 1u128 << ((magnitude.to_bits() >> 23) - 150);
    text.integer().is_some_and(|t| t.abs_diff(magnitude as u128) * 2 == ulp)
}

/// The next longer text that is good.
fn longer(shortest: &Scientific, make: impl Fn(usize) -> Scientific, good: impl Fn(&Scientific) -> bool) -> Scientific {
    let (_, _, n, _) = shortest.split();
    (n..17).map(&make).find(good).unwrap_or_else(|| make(17))
}

/// Writes digits as C's %g does: with an exponent if it is below -4 or at least `precision`.
fn layout<B: BufMut>(text: &Scientific, precision: i32, out: &mut B) {
    let (negative, digits, n, exponent) = text.split();
    let n = digits[..n].iter().rposition(|d| *d != b'0').map_or(1, |last| last + 1);
    let digits = &digits[..n];
    if negative {
        out.put_u8(b'-');
    }
    if exponent < -4 || exponent >= precision {
        out.put_u8(digits[0]);
        if n > 1 {
            out.put_u8(b'.');
            out.put_slice(&digits[1..]);
        }
        out.put_slice(if exponent < 0 { b"e-" } else { b"e+" });
        if exponent.abs() < 10 {
            out.put_u8(b'0');
        }
        return put_integer(i64::from(exponent.abs()), out);
    }
    if exponent < 0 {
        out.put_slice(&b"0.0000"[..(1 - exponent) as usize]);
        return out.put_slice(digits);
    }
    let whole = exponent as usize + 1;
    out.put_slice(&digits[..whole.min(n)]);
    out.put_bytes(b'0', whole.saturating_sub(n));
    if n > whole {
        out.put_u8(b'.');
        out.put_slice(&digits[whole..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn float8(v: f64) -> String {
        let mut out = Vec::new();
        put_float8(v, 1, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn float4(v: f32) -> String {
        let mut out = Vec::new();
        put_float4(v, 1, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn floats_print_as_postgresql_15_printed_them() {
        let recorded = [
            (1e23, "9.999999999999999e+22"),
            (1e22, "1e+22"),
            (1e15, "1e+15"),
            (123456789012345.0, "123456789012345"),
            (1e14, "100000000000000"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (5e-324, "5e-324"),
            (9007199254740993.0, "9.007199254740992e+15"),
            (f64::MAX, "1.7976931348623157e+308"),
            (-0.0, "-0"),
            (0.1, "0.1"),
            (-12.5, "-12.5"),
            (2f64.powi(89), "6.189700196426902e+26"),
            (f64::NEG_INFINITY, "-Infinity"),
        ];
        for (value, text) in recorded {
            assert_eq!(float8(value), text);
        }
        let recorded = [(1e6, "1e+06"), (100000.0, "100000"), (1234567.0, "1.234567e+06"), (8.507_059e37, "8.507059e+37"), (0.1, "0.1")];
        for (value, text) in recorded {
            assert_eq!(float4(value), text);
        }
    }
}
