//! Comparisons of values.

use std::cmp::Ordering;

use crate::func::ksql::Value;

/// A comparison; all but the last two are FALSE where a side is NULL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Distinct,
    NotDistinct,
}

impl Comparison {
    /// Compares two values of types that can be compared.
    pub fn holds(self, left: &Value, right: &Value) -> bool {
        use Comparison::*;
        if left.is_null() || right.is_null() {
            return match self {
                Distinct => left.is_null() != right.is_null(),
                NotDistinct => left.is_null() && right.is_null(),
                _ => false,
            };
        }
        if let (Equal | NotEqual | Distinct | NotDistinct, Value::String(a), Value::String(b)) = (self, left, right) {
            return (a == b) == matches!(self, Equal | NotDistinct);
        }
        // NaN is neither equal nor unequal to anything.
        let Some(order) = order(left, right) else { return false };
        match self {
            Equal | NotDistinct => order.is_eq(),
            NotEqual | Distinct => order.is_ne(),
            Less => order.is_lt(),
            LessEqual => order.is_le(),
            Greater => order.is_gt(),
            GreaterEqual => order.is_ge(),
        }
    }

    /// How it is written.
    pub(super) fn sign(self) -> &'static str {
        match self {
            Comparison::Equal => "=",
            Comparison::NotEqual => "<>",
            Comparison::Less => "<",
            Comparison::LessEqual => "<=",
            Comparison::Greater => ">",
            Comparison::GreaterEqual => ">=",
            Comparison::Distinct => "IS DISTINCT FROM",
            Comparison::NotDistinct => "IS NOT DISTINCT FROM",
        }
    }
}

/// The order of two values that are not NULL; of composites only whether they are equal.
fn order(left: &Value, right: &Value) -> Option<Ordering> {
    use Value::*;
    match (left, right) {
        (Int(a), Int(b)) => Some(a.cmp(b)),
        (Bigint(a), Bigint(b)) => Some(a.cmp(b)),
        (Int(a), Bigint(b)) => Some(i64::from(*a).cmp(b)),
        (Bigint(a), Int(b)) => Some(a.cmp(&i64::from(*b))),
        (Double(a), Double(b)) => a.partial_cmp(b),
        (Double(a), Int(b)) => a.partial_cmp(&f64::from(*b)),
        (Int(a), Double(b)) => f64::from(*a).partial_cmp(b),
        (Double(a), Bigint(b)) => a.partial_cmp(&(*b as f64)),
        (Bigint(a), Double(b)) => (*a as f64).partial_cmp(b),
        (String(a), String(b)) => Some(order_of_text(a, b)),
        (Decimal(_), Double(_)) | (Double(_), Decimal(_)) => Some(left.as_decimal()?.cmp(&right.as_decimal()?)),
        (Array(_), Array(_)) | (Map(_), Map(_)) | (Struct(_), Struct(_)) => {
            Some(if left == right { Ordering::Equal } else { Ordering::Less })
        }
        _ => left.compare(right),
    }
}

/// The order by UTF-16 code units, as Java's, found in UTF-8: they differ only where a character beyond the Basic Multilingual Plane,
/// which UTF-16 begins with 0xD8.., meets one of U+E000 to U+FFFF.
fn order_of_text(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    match a.iter().zip(b).find(|(x, y)| x != y) {
        Some((0xF0.., 0xEE | 0xEF)) => Ordering::Less,
        Some((0xEE | 0xEF, 0xF0..)) => Ordering::Greater,
        Some((x, y)) => x.cmp(y),
        None => a.len().cmp(&b.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparisons_are_two_valued() {
        use Comparison::*;
        let (one, two, null) = (Value::Int(1), Value::Bigint(2), Value::Null);
        let cases = [
            (Equal, &one, &one, true),
            (NotEqual, &one, &two, true),
            (Less, &one, &two, true),
            (Equal, &null, &null, false),
            (NotEqual, &one, &null, false),
            (Distinct, &one, &null, true),
            (Distinct, &null, &null, false),
            (NotDistinct, &null, &null, true),
            (NotDistinct, &one, &two, false),
        ];
        for (comparison, left, right, expected) in cases {
            assert_eq!(comparison.holds(left, right), expected, "{left:?} {comparison:?} {right:?}");
        }
        let nan = Value::Double(f64::NAN);
        assert!(!Equal.holds(&nan, &nan) && !NotEqual.holds(&nan, &nan));
    }

    #[test]
    fn text_has_the_order_of_java() {
        let texts = ["", "a", "aa", "b", "é", "\u{d7ff}", "𝄞", "\u{e000}", "\u{ffff}"];
        for a in texts {
            for b in texts {
                assert_eq!(order_of_text(a, b), a.encode_utf16().cmp(b.encode_utf16()), "{a} {b}");
            }
        }
    }
}
