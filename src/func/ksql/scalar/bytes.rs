//! Scalar functions between text and bytes: ENCODE, TO_BYTES, FROM_BYTES, numbers out of bytes, digests and UUIDs.

use md5::{Digest, Md5};

use super::string::{bytes_at, check_size, str_at, strict};
use crate::error::{Error, Result, code};
use crate::func::ksql::json::{decode_base64, encode_base64};
use crate::func::ksql::{Scalar, Value};

/// How text stands for bytes.
#[derive(Clone, Copy, PartialEq)]
enum Encoding {
    Hex,
    Utf8,
    Ascii,
    Base64,
}

fn encoding(name: &str) -> Result<Encoding> {
    Ok(match name.to_ascii_lowercase().as_str() {
        "hex" => Encoding::Hex,
        "utf8" => Encoding::Utf8,
        "ascii" => Encoding::Ascii,
        "base64" => Encoding::Base64,
        _ => {
            let message = format!("unknown encoding \"{name}\": it must be hex, utf8, ascii or base64");
            return Err(Error::new(code::INVALID_PARAMETER_VALUE, message));
        }
    })
}

fn invalid(encoding: &str) -> Error {
    Error::new(code::INVALID_TEXT_REPRESENTATION, format!("invalid text in encoding {encoding}"))
}

/// Digits of either case, an even number of them.
fn decode_hex(text: &str) -> Result<Vec<u8>> {
    let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok()).ok_or_else(|| invalid("hex"));
    let pairs = text.as_bytes().chunks(2).map(|pair| match pair {
        [high, low] => Ok(digit(*high)? << 4 | digit(*low)?),
        _ => Err(invalid("hex")),
    });
    pairs.collect()
}

fn encode_hex(bytes: &[u8], upper: bool) -> String {
    let digits: &[u8; 16] = if upper { b"0123456789ABCDEF" } else { b"0123456789abcdef" };
    bytes.iter().flat_map(|b| [b >> 4, b & 15]).map(|d| char::from(digits[usize::from(d & 15)])).collect()
}

fn decode_ascii(bytes: &[u8]) -> String {
    bytes.iter().map(|b| if b.is_ascii() { char::from(*b) } else { char::REPLACEMENT_CHARACTER }).collect()
}

fn encode_ascii(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(c).ok().filter(u8::is_ascii).unwrap_or(b'?')).collect()
}

/// Text of an encoding, as bytes.
fn to_bytes(text: &str, encoding: Encoding) -> Result<Vec<u8>> {
    match encoding {
        Encoding::Hex => decode_hex(text),
        Encoding::Utf8 => Ok(text.as_bytes().to_vec()),
        Encoding::Ascii => Ok(encode_ascii(text)),
        Encoding::Base64 => decode_base64(text).ok_or_else(|| invalid("base64")),
    }
}

/// Bytes as text of an encoding; what is no character becomes U+FFFD.
fn from_bytes(bytes: &[u8], encoding: Encoding, upper: bool) -> Result<Value> {
    check_size(bytes.len().saturating_mul(3))?;
    Ok(Value::text(match encoding {
        Encoding::Hex => encode_hex(bytes, upper),
        Encoding::Utf8 => String::from_utf8_lossy(bytes).into_owned(),
        Encoding::Ascii => decode_ascii(bytes),
        Encoding::Base64 => encode_base64(bytes),
    }))
}

/// Hexadecimal text without `0x` or `x'..'`; an odd number of digits behind `0x` gets a 0 before it.
fn bare_hex(text: &str) -> String {
    if let Some(digits) = text.strip_prefix("0x") {
        return if text.len() % 2 == 1 { format!("0{digits}") } else { digits.to_string() };
    }
    let quoted = text.strip_prefix("x'").or_else(|| text.strip_prefix("X'")).and_then(|rest| rest.strip_suffix('\''));
    quoted.unwrap_or(text).to_string()
}

/// Base64 in which everything that is none of its characters is skipped, and the one for URLs is understood too.
fn loose_base64(text: &str) -> Result<Vec<u8>> {
    let digits = text.chars().take_while(|c| *c != '=').filter_map(|c| match c {
        '-' => Some('+'),
        '_' => Some('/'),
        c => (c.is_ascii_alphanumeric() || c == '+' || c == '/').then_some(c),
    });
    let mut digits: String = digits.collect();
    if digits.len() % 4 == 1 {
        digits.pop();
    }
    decode_base64(&digits).ok_or_else(|| invalid("base64"))
}

fn encode(args: &[Value]) -> Result<Value> {
    let text = str_at(args, 0)?;
    let (from, to) = (encoding(str_at(args, 1)?)?, encoding(str_at(args, 2)?)?);
    if from == to {
        return Err(Error::new(code::INVALID_PARAMETER_VALUE, "the encodings of ENCODE must differ"));
    }
    let bytes = match from {
        Encoding::Hex => decode_hex(&bare_hex(text))?,
        Encoding::Base64 => loose_base64(text)?,
        other => to_bytes(text, other)?,
    };
    from_bytes(&bytes, to, false)
}

/// Just so many bytes, the most significant first whatever the order that the second argument tells.
fn number<const N: usize>(args: &[Value]) -> Result<[u8; N]> {
    let bytes = bytes_at(args, 0)?;
    let little = match args.get(1) {
        None => false,
        Some(Value::String(order)) if order.eq_ignore_ascii_case("BIG_ENDIAN") => false,
        Some(Value::String(order)) if order.eq_ignore_ascii_case("LITTLE_ENDIAN") => true,
        Some(_) => return Err(Error::new(code::INVALID_PARAMETER_VALUE, "the byte order must be BIG_ENDIAN or LITTLE_ENDIAN")),
    };
    let mut array = <[u8; N]>::try_from(bytes)
        .map_err(|_| Error::new(code::INVALID_PARAMETER_VALUE, format!("there must be {N} bytes, not {}", bytes.len())))?;
    if little {
        array.reverse();
    }
    Ok(array)
}

fn uuid(args: &[Value]) -> Result<Value> {
    let bytes = bytes_at(args, 0)?;
    if bytes.len() != 16 {
        return Ok(Value::Null);
    }
    let hex = encode_hex(bytes, false);
    let parts: Vec<&str> = [0..8, 8..12, 12..16, 16..20, 20..32].into_iter().filter_map(|range| hex.get(range)).collect();
    Ok(Value::text(parts.join("-")))
}

/// What is listed.
pub const FUNCTIONS: &[Scalar] = &[
    Scalar {
        name: "ENCODE",
        family: "string",
        about: "Text of one encoding in another one: hex, utf8, ascii or base64.",
        overloads: &[strict("ENCODE(s STRING, input_encoding STRING, output_encoding STRING) -> STRING", |_, args| encode(args))],
    },
    Scalar {
        name: "TO_BYTES",
        family: "bytes",
        about: "The bytes that text of an encoding (hex, utf8, ascii or base64) stands for.",
        overloads: &[strict("TO_BYTES(s STRING, encoding STRING) -> BYTES", |_, args| {
            Ok(Value::Bytes(to_bytes(str_at(args, 0)?, encoding(str_at(args, 1)?)?)?.into()))
        })],
    },
    Scalar {
        name: "FROM_BYTES",
        family: "bytes",
        about: "Bytes as text of an encoding: hex, utf8, ascii or base64.",
        overloads: &[strict("FROM_BYTES(b BYTES, encoding STRING) -> STRING", |_, args| {
            from_bytes(bytes_at(args, 0)?, encoding(str_at(args, 1)?)?, true)
        })],
    },
    Scalar {
        name: "INT_FROM_BYTES",
        family: "bytes",
        about: "The INT of 4 bytes in BIG_ENDIAN (as if none is given) or LITTLE_ENDIAN order.",
        overloads: &[strict("INT_FROM_BYTES(b BYTES, [byte_order STRING]) -> INT", |_, args| {
            Ok(Value::Int(i32::from_be_bytes(number(args)?)))
        })],
    },
    Scalar {
        name: "BIGINT_FROM_BYTES",
        family: "bytes",
        about: "The BIGINT of 8 bytes in BIG_ENDIAN (as if none is given) or LITTLE_ENDIAN order.",
        overloads: &[strict("BIGINT_FROM_BYTES(b BYTES, [byte_order STRING]) -> BIGINT", |_, args| {
            Ok(Value::Bigint(i64::from_be_bytes(number(args)?)))
        })],
    },
    Scalar {
        name: "DOUBLE_FROM_BYTES",
        family: "bytes",
        about: "The DOUBLE of 8 bytes in BIG_ENDIAN (as if none is given) or LITTLE_ENDIAN order.",
        overloads: &[strict("DOUBLE_FROM_BYTES(b BYTES, [byte_order STRING]) -> DOUBLE", |_, args| {
            Ok(Value::Double(f64::from_be_bytes(number(args)?)))
        })],
    },
    Scalar {
        name: "MD5",
        family: "string",
        about: "The MD5 digest of a text in hexadecimal digits.",
        overloads: &[strict("MD5(s STRING) -> STRING", |_, args| {
            Ok(Value::text(encode_hex(&Md5::digest(str_at(args, 0)?.as_bytes()), false)))
        })],
    },
    Scalar {
        name: "UUID",
        family: "string",
        about: "The UUID of 16 bytes; NULL for any other number of them. Without arguments it is refused: a random value has no place in a \
                query that is kept current.",
        overloads: &[
            strict("UUID() -> STRING", |_, _| {
                let hint = "Give it 16 bytes, for example from columns that identify the row: UUID(TO_BYTES(MD5(id), 'hex')).";
                Err(Error::unsupported("UUID() without arguments gives another value each time").hint(hint))
            }),
            strict("UUID(b BYTES) -> STRING", |_, args| uuid(args)),
        ],
    },
];

#[cfg(test)]
mod tests {
    use super::super::string::tests::{b, call, t};
    use super::*;

    #[test]
    fn encodings() {
        let ok = [
            ("4578616d706C6521", "hex", "utf8", "Example!"),
            ("0x4578616d706C6521", "hex", "ascii", "Example!"),
            ("X'4578616d706C6521'", "HEX", "base64", "RXhhbXBsZSE="),
            ("0x578616d706C6521", "hex", "utf8", "\u{5}xample!"),
            ("x''", "hex", "utf8", ""),
            ("ce95", "hex", "ascii", "\u{fffd}\u{fffd}"),
            ("Ελ", "ascii", "hex", "3f3f"),
            ("Ελ", "utf8", "hex", "ce95cebb"),
            ("RXho bXBsZSE", "base64", "ascii", "Exhmple!"),
        ];
        for (text, from, to, expected) in ok {
            assert_eq!(call(FUNCTIONS, "ENCODE", &[t(text), t(from), t(to)]).unwrap(), t(expected), "{text}");
        }
        for text in ["0x0x", "X'", "x'4578", "578616d706C6521"] {
            assert!(call(FUNCTIONS, "ENCODE", &[t(text), t("hex"), t("utf8")]).is_err(), "{text}");
        }
        assert!(call(FUNCTIONS, "ENCODE", &[t("a"), t("utf8"), t("utf8")]).is_err());
    }

    #[test]
    fn bytes() {
        assert_eq!(call(FUNCTIONS, "TO_BYTES", &[t("1aB2"), t("hex")]).unwrap(), b(&[0x1a, 0xb2]));
        assert_eq!(call(FUNCTIONS, "FROM_BYTES", &[b(&[0x1a, 0xb2]), t("hex")]).unwrap(), t("1AB2"));
        assert_eq!(call(FUNCTIONS, "TO_BYTES", &[t("IQ"), t("base64")]).unwrap(), b(b"!"));
        assert!(call(FUNCTIONS, "TO_BYTES", &[t("a!"), t("base64")]).is_err());
        assert!(call(FUNCTIONS, "FROM_BYTES", &[b(b"a"), t("rot13")]).is_err());
        assert_eq!(call(FUNCTIONS, "INT_FROM_BYTES", &[b(&[0, 0, 7, 0xe5])]).unwrap(), Value::Int(2021));
        assert_eq!(call(FUNCTIONS, "INT_FROM_BYTES", &[b(&[0xe5, 7, 0, 0]), t("little_endian")]).unwrap(), Value::Int(2021));
        assert!(call(FUNCTIONS, "BIGINT_FROM_BYTES", &[b(&[0, 0, 7, 0xe5])]).is_err());
        assert_eq!(call(FUNCTIONS, "MD5", &[t("a")]).unwrap(), t("0cc175b9c0f1b6a831c399e269772661"));
        let id = (FUNCTIONS[7].overloads[1].eval, (0..16).collect::<Vec<u8>>());
        let none = crate::func::ksql::Type::Null;
        let call = crate::func::ksql::Call { arguments: &[], returns: &none, lambdas: &[] };
        assert_eq!((id.0)(&call, &[b(&id.1)]).unwrap(), t("00010203-0405-0607-0809-0a0b0c0d0e0f"));
    }
}
