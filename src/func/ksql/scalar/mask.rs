//! Scalar functions that hide characters: MASK and its like.
//!
//! Characters are counted in UTF-16 code units. A character of two units is masked as two, because ksqlDB looks at its second half as
//! at a character of its own.

use std::sync::LazyLock;

use regex::Regex;

use super::string::{int_at, seeing, split_units, str_at, strict, units};
use crate::error::{Error, Result, code};
use crate::func::ksql::{Scalar, Value};

/// What stands for the characters of each class; `None` leaves them as they are.
struct Masker {
    upper: Option<char>,
    lower: Option<char>,
    digit: Option<char>,
    other: Option<char>,
}

const DEFAULT: Masker = Masker { upper: Some('X'), lower: Some('x'), digit: Some('n'), other: Some('-') };

/// Java's classes are Unicode's categories Lu, Ll and Nd, which the standard library does not tell.
static CLASSES: LazyLock<Option<[Regex; 3]>> =
    LazyLock::new(|| Some([Regex::new(r"\p{Lu}").ok()?, Regex::new(r"\p{Ll}").ok()?, Regex::new(r"\p{Nd}").ok()?]));

impl Masker {
    /// The masks of arguments from `at` on, if there are any. NULL means that a class is not masked.
    fn of(args: &[Value], at: usize) -> Result<Masker> {
        if args.len() <= at {
            return Ok(DEFAULT);
        }
        let mask = |at: usize| match args.get(at) {
            Some(Value::String(s)) => {
                let mut chars = s.chars();
                match (chars.next(), chars.next()) {
                    (Some(c), None) if c.len_utf16() == 1 => Ok(Some(c)),
                    _ => Err(Error::new(code::INVALID_PARAMETER_VALUE, format!("a mask must be one character, not \"{s}\""))),
                }
            }
            _ => Ok(None),
        };
        Ok(Masker { upper: mask(at)?, lower: mask(at + 1)?, digit: mask(at + 2)?, other: mask(at + 3)? })
    }

    fn class(&self, c: char) -> Option<char> {
        if c.is_ascii() {
            return match c {
                'A'..='Z' => self.upper,
                'a'..='z' => self.lower,
                '0'..='9' => self.digit,
                _ => self.other,
            };
        }
        let mut buffer = [0; 4];
        let text: &str = c.encode_utf8(&mut buffer);
        let Some([upper, lower, digit]) = CLASSES.as_ref() else { return self.other };
        let classes = [(upper, self.upper), (lower, self.lower), (digit, self.digit)];
        classes.into_iter().find(|(class, _)| class.is_match(text)).map_or(self.other, |(_, mask)| mask)
    }

    fn mask(&self, text: &str, out: &mut String) {
        for c in text.chars() {
            out.push(self.class(c).unwrap_or(c));
            if c.len_utf16() == 2 {
                out.extend(self.other);
            }
        }
    }
}

/// Which part is masked, of a text and the given number of characters.
#[derive(Clone, Copy)]
enum Part {
    Left,
    Right,
    AllButLeft,
    AllButRight,
}

fn mask_all(args: &[Value]) -> Result<Value> {
    let masker = Masker::of(args, 1)?;
    if args.first().is_none_or(Value::is_null) {
        return Ok(Value::Null);
    }
    let mut out = String::new();
    masker.mask(str_at(args, 0)?, &mut out);
    Ok(Value::text(out))
}

fn mask_part(args: &[Value], part: Part) -> Result<Value> {
    if args.iter().take(2).any(Value::is_null) {
        return Ok(Value::Null);
    }
    let masker = Masker::of(args, 2)?;
    let text = str_at(args, 0)?;
    let count = usize::try_from(int_at(args, 1)?)
        .map_err(|_| Error::new(code::INVALID_PARAMETER_VALUE, "the number of characters to mask or keep must not be negative"))?;
    let at = match part {
        Part::Left | Part::AllButLeft => count,
        Part::Right | Part::AllButRight => units(text).saturating_sub(count),
    };
    let (left, right) = split_units(text, at);
    let mut out = String::with_capacity(text.len());
    if matches!(part, Part::Left | Part::AllButRight) {
        masker.mask(left, &mut out);
        out.push_str(right);
    } else {
        out.push_str(left);
        masker.mask(right, &mut out);
    }
    Ok(Value::text(out))
}

/// What is listed.
pub const FUNCTIONS: &[Scalar] = &[
    Scalar {
        name: "MASK",
        family: "string",
        about: "The text with upper-case letters masked by X, lower-case ones by x, digits by n, others by -, or by the given characters. \
                A NULL mask leaves its class as it is.",
        overloads: &[
            strict("MASK(s STRING) -> STRING", |_, args| mask_all(args)),
            seeing("MASK(s STRING, upper STRING, lower STRING, digit STRING, other STRING) -> STRING", |_, args| mask_all(args)),
        ],
    },
    Scalar {
        name: "MASK_LEFT",
        family: "string",
        about: "Like MASK, for the first characters only. A NULL mask leaves its class as it is.",
        overloads: &[
            strict("MASK_LEFT(s STRING, count INT) -> STRING", |_, args| mask_part(args, Part::Left)),
            seeing("MASK_LEFT(s STRING, count INT, upper STRING, lower STRING, digit STRING, other STRING) -> STRING", |_, args| {
                mask_part(args, Part::Left)
            }),
        ],
    },
    Scalar {
        name: "MASK_RIGHT",
        family: "string",
        about: "Like MASK, for the last characters only. A NULL mask leaves its class as it is.",
        overloads: &[
            strict("MASK_RIGHT(s STRING, count INT) -> STRING", |_, args| mask_part(args, Part::Right)),
            seeing("MASK_RIGHT(s STRING, count INT, upper STRING, lower STRING, digit STRING, other STRING) -> STRING", |_, args| {
                mask_part(args, Part::Right)
            }),
        ],
    },
    Scalar {
        name: "MASK_KEEP_LEFT",
        family: "string",
        about: "Like MASK, for all but the first characters. A NULL mask leaves its class as it is.",
        overloads: &[
            strict("MASK_KEEP_LEFT(s STRING, count INT) -> STRING", |_, args| mask_part(args, Part::AllButLeft)),
            seeing("MASK_KEEP_LEFT(s STRING, count INT, upper STRING, lower STRING, digit STRING, other STRING) -> STRING", |_, args| {
                mask_part(args, Part::AllButLeft)
            }),
        ],
    },
    Scalar {
        name: "MASK_KEEP_RIGHT",
        family: "string",
        about: "Like MASK, for all but the last characters. A NULL mask leaves its class as it is.",
        overloads: &[
            strict("MASK_KEEP_RIGHT(s STRING, count INT) -> STRING", |_, args| mask_part(args, Part::AllButRight)),
            seeing("MASK_KEEP_RIGHT(s STRING, count INT, upper STRING, lower STRING, digit STRING, other STRING) -> STRING", |_, args| {
                mask_part(args, Part::AllButRight)
            }),
        ],
    },
];

#[cfg(test)]
mod tests {
    use super::super::string::tests::{call, n, t};
    use super::*;

    #[test]
    fn masks() {
        let own = |first: &[Value]| [first, &[t("Q"), Value::Null, t("d"), t("o")]].concat();
        let cases = [
            ("MASK", vec![t("AbC#$123xy")], "XxX--nnnxx"),
            ("MASK", own(&[t("AbC#1")]), "QbQod"),
            ("MASK", vec![t("Éé٣ 😀")], "Xxn---"),
            ("MASK_LEFT", vec![t("AbCd123"), n(4)], "XxXx123"),
            ("MASK_LEFT", vec![t("Ab"), n(9)], "Xx"),
            ("MASK_RIGHT", vec![t("AbCd123"), n(4)], "AbCxnnn"),
            ("MASK_KEEP_LEFT", vec![t("AbCd123"), n(4)], "AbCdnnn"),
            ("MASK_KEEP_RIGHT", vec![t("AbCd123"), n(4)], "XxXd123"),
            ("MASK_KEEP_RIGHT", own(&[t("AbCd123"), n(0)]), "QbQdddd"),
        ];
        for (name, args, expected) in cases {
            assert_eq!(call(FUNCTIONS, name, &args).unwrap(), t(expected), "{name}{args:?}");
        }
        assert!(call(FUNCTIONS, "MASK_LEFT", &[t("a"), n(-1)]).is_err());
        assert_eq!(call(FUNCTIONS, "MASK_LEFT", &[Value::Null, n(1)]).unwrap(), Value::Null);
    }
}
