//! Scalar functions of the family `url`. What a URL's parts are is RFC 2396 as Java's `java.net.URI` reads it.

use percent_encoding::percent_decode_str;

use super::string::{check_size, str_at, strict};
use crate::error::{Error, Result, code};
use crate::func::ksql::{Scalar, Value};

/// The parts of a URL, as written.
#[derive(Default)]
struct Url<'a> {
    scheme: Option<&'a str>,
    host: Option<&'a str>,
    port: Option<i32>,
    /// `None` behind a scheme without `/`, as in `mailto:a@b`.
    path: Option<&'a str>,
    query: Option<&'a str>,
    fragment: Option<&'a str>,
}

const UNRESERVED: &str = "-_.!~*'()";

fn invalid(url: &str) -> Error {
    Error::new(code::INVALID_TEXT_REPRESENTATION, format!("invalid URL \"{url}\""))
}

/// True if a text is made of letters, digits, these characters, characters outside of ASCII that can be seen, and `%` with two digits.
fn made_of(text: &str, more: &str) -> bool {
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let known = match c {
            '%' => rest.as_bytes().get(1..3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)),
            c if c.is_ascii() => c.is_ascii_alphanumeric() || UNRESERVED.contains(c) || more.contains(c),
            c => !c.is_control() && !c.is_whitespace(),
        };
        if !known {
            return false;
        }
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
    }
    true
}

impl<'a> Url<'a> {
    fn parse(text: &'a str) -> Result<Url<'a>> {
        Url::read(text).ok_or_else(|| invalid(text))
    }

    fn read(text: &'a str) -> Option<Url<'a>> {
        let mut url = Url::default();
        if text.is_empty() {
            return None;
        }
        let (mut rest, fragment) = text.split_once('#').map_or((text, None), |(rest, fragment)| (rest, Some(fragment)));
        url.fragment = fragment;
        const URIC: &str = ";/?:@&=+$,[]";
        if let Some(at) = rest.find(['/', '?', ':']).filter(|at| rest.as_bytes().get(*at) == Some(&b':')) {
            let (scheme, after) = rest.split_at_checked(at)?;
            let plain = scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
            if !plain || !scheme.starts_with(|c: char| c.is_ascii_alphabetic()) {
                return None;
            }
            url.scheme = Some(scheme);
            rest = after.get(1..)?;
            if !rest.starts_with('/') {
                return (!rest.is_empty() && made_of(rest, URIC) && fragment.is_none_or(|f| made_of(f, URIC))).then_some(url);
            }
        }
        if let Some((before, query)) = rest.split_once('?') {
            rest = before;
            url.query = Some(query);
        }
        if let Some(after) = rest.strip_prefix("//") {
            let (authority, path) = after.split_at_checked(after.find('/').unwrap_or(after.len()))?;
            rest = path;
            if !authority.is_empty() {
                url.authority(authority)?;
            } else if path.is_empty() && url.query.is_none() {
                return None;
            }
        }
        url.path = Some(rest);
        let whole = made_of(rest, "/;:@&=+$,") && [url.query, url.fragment].into_iter().flatten().all(|part| made_of(part, URIC));
        whole.then_some(url)
    }

    /// An authority that is no host with a port may still be a name in some registry, and then tells no host.
    fn authority(&mut self, text: &'a str) -> Option<()> {
        let server = match text.split_once('@') {
            Some((user, server)) if made_of(user, ";:&=+$,") => server,
            _ => text,
        };
        let (host, port) = match server.find(']') {
            Some(end) => server.split_at_checked(end + 1)?,
            None => server.split_at_checked(server.find(':').unwrap_or(server.len()))?,
        };
        let digits = port.strip_prefix(':').unwrap_or(port);
        let good_port = (port.is_empty() || port.starts_with(':')) && digits.bytes().all(|b| b.is_ascii_digit());
        let number = if digits.is_empty() { Some(None) } else { digits.parse().ok().map(Some) };
        match number {
            Some(number) if good_port && is_host(host) => {
                self.host = Some(host);
                self.port = number;
                Some(())
            }
            _ => made_of(text, "$,;:@&=+").then_some(()),
        }
    }
}

fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[') {
        let address = address.strip_suffix(']').unwrap_or_default();
        let address = address.split_once('%').map_or(address, |(address, _)| address);
        return address.parse::<std::net::Ipv6Addr>().is_ok();
    }
    if host.parse::<std::net::Ipv4Addr>().is_ok() {
        return true;
    }
    let names: Vec<&str> = host.strip_suffix('.').unwrap_or(host).split('.').collect();
    let name = |n: &&str| {
        let edges = n.starts_with(|c: char| c.is_ascii_alphanumeric()) && n.ends_with(|c: char| c.is_ascii_alphanumeric());
        edges && n.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    let last = names.last().is_some_and(|n| names.len() == 1 || n.starts_with(|c: char| c.is_ascii_alphabetic()));
    last && names.iter().all(name)
}

/// A part with `%41` and the like read as UTF-8.
fn decoded(part: &str) -> Value {
    Value::text(percent_decode_str(part).decode_utf8_lossy())
}

fn or_null(part: Option<Value>) -> Result<Value> {
    Ok(part.unwrap_or_default())
}

fn parameter(args: &[Value]) -> Result<Value> {
    let wanted = str_at(args, 1)?;
    let Some(query) = Url::parse(str_at(args, 0)?)?.query else { return Ok(Value::Null) };
    // ksqlDB decodes before it splits.
    let query = percent_decode_str(query).decode_utf8_lossy();
    let mut pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    or_null(pairs.find(|(name, _)| *name == wanted).map(|(_, value)| Value::text(value)))
}

/// Form encoding: a space is `+`.
fn encode(args: &[Value]) -> Result<Value> {
    let text = str_at(args, 0)?;
    check_size(text.len().saturating_mul(3))?;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' ' => out.push('+'),
            b'-' | b'_' | b'.' | b'*' => out.push(char::from(byte)),
            b if b.is_ascii_alphanumeric() => out.push(char::from(b)),
            b => out.push_str(&format!("%{b:02X}")),
        }
    }
    Ok(Value::text(out))
}

fn decode(args: &[Value]) -> Result<Value> {
    let text = str_at(args, 0)?;
    let wrong = text.split('%').skip(1).any(|rest| !rest.as_bytes().get(..2).is_some_and(|d| d.iter().all(u8::is_ascii_hexdigit)));
    if wrong {
        return Err(Error::new(code::INVALID_TEXT_REPRESENTATION, format!("\"%\" without two digits in \"{text}\"")));
    }
    Ok(decoded(&text.replace('+', " ")))
}

/// What is listed.
pub const FUNCTIONS: &[Scalar] = &[
    Scalar {
        name: "URL_DECODE_PARAM",
        family: "url",
        about: "The text that a URL's parameter stands for.",
        overloads: &[strict("URL_DECODE_PARAM(s STRING) -> STRING", |_, args| decode(args))],
    },
    Scalar {
        name: "URL_ENCODE_PARAM",
        family: "url",
        about: "The text as it is written in a URL's parameter.",
        overloads: &[strict("URL_ENCODE_PARAM(s STRING) -> STRING", |_, args| encode(args))],
    },
    Scalar {
        name: "URL_EXTRACT_FRAGMENT",
        family: "url",
        about: "What stands behind # in a URL, decoded. NULL if there is none.",
        overloads: &[strict("URL_EXTRACT_FRAGMENT(url STRING) -> STRING", |_, args| {
            or_null(Url::parse(str_at(args, 0)?)?.fragment.map(decoded))
        })],
    },
    Scalar {
        name: "URL_EXTRACT_HOST",
        family: "url",
        about: "The host of a URL. NULL if there is none.",
        overloads: &[strict("URL_EXTRACT_HOST(url STRING) -> STRING", |_, args| {
            or_null(Url::parse(str_at(args, 0)?)?.host.map(Value::text))
        })],
    },
    Scalar {
        name: "URL_EXTRACT_PARAMETER",
        family: "url",
        about: "The value of a parameter of a URL, decoded. Empty for one without a value, NULL if there is none of this name.",
        overloads: &[strict("URL_EXTRACT_PARAMETER(url STRING, name STRING) -> STRING", |_, args| parameter(args))],
    },
    Scalar {
        name: "URL_EXTRACT_PATH",
        family: "url",
        about: "The path of a URL, decoded.",
        overloads: &[strict("URL_EXTRACT_PATH(url STRING) -> STRING", |_, args| or_null(Url::parse(str_at(args, 0)?)?.path.map(decoded)))],
    },
    Scalar {
        name: "URL_EXTRACT_PORT",
        family: "url",
        about: "The port of a URL. NULL if there is none.",
        overloads: &[strict("URL_EXTRACT_PORT(url STRING) -> INT", |_, args| or_null(Url::parse(str_at(args, 0)?)?.port.map(Value::Int)))],
    },
    Scalar {
        name: "URL_EXTRACT_PROTOCOL",
        family: "url",
        about: "The protocol of a URL. NULL if there is none.",
        overloads: &[strict("URL_EXTRACT_PROTOCOL(url STRING) -> STRING", |_, args| {
            or_null(Url::parse(str_at(args, 0)?)?.scheme.map(Value::text))
        })],
    },
    Scalar {
        name: "URL_EXTRACT_QUERY",
        family: "url",
        about: "What stands behind ? in a URL, decoded. NULL if there is none.",
        overloads: &[strict("URL_EXTRACT_QUERY(url STRING) -> STRING", |_, args| {
            or_null(Url::parse(str_at(args, 0)?)?.query.map(decoded))
        })],
    },
];

#[cfg(test)]
mod tests {
    use super::super::string::tests::{call, n, t};
    use super::*;

    const NULL: Value = Value::Null;

    #[test]
    fn parts() {
        let full = "https://me:x@docs.confluent.io:8080/a%20b/c?x=%26y&z=1=2&w#frag%21";
        let cases = [
            ("URL_EXTRACT_PROTOCOL", full, t("https")),
            ("URL_EXTRACT_HOST", full, t("docs.confluent.io")),
            ("URL_EXTRACT_PORT", full, n(8080)),
            ("URL_EXTRACT_PATH", full, t("/a b/c")),
            ("URL_EXTRACT_QUERY", full, t("x=&y&z=1=2&w")),
            ("URL_EXTRACT_FRAGMENT", full, t("frag!")),
            ("URL_EXTRACT_PATH", "http://www.test.com?query#fragment", t("")),
            ("URL_EXTRACT_PORT", "http://a.b", NULL),
            ("URL_EXTRACT_HOST", "http://10.0.0.1:80/x", t("10.0.0.1")),
            ("URL_EXTRACT_HOST", "http://[::1]:80/x", t("[::1]")),
            ("URL_EXTRACT_HOST", "http://under_score/x", NULL),
            ("URL_EXTRACT_HOST", "mailto:a@b.c", NULL),
            ("URL_EXTRACT_PATH", "mailto:a@b.c", NULL),
            ("URL_EXTRACT_PROTOCOL", "/relative?a", NULL),
            ("URL_EXTRACT_QUERY", "/relative?a", t("a")),
            ("URL_EXTRACT_FRAGMENT", "http://a.b", NULL),
            ("URL_DECODE_PARAM", "%3Ffoo+%24bar", t("?foo $bar")),
            ("URL_ENCODE_PARAM", "?foo $bar-é", t("%3Ffoo+%24bar-%C3%A9")),
        ];
        for (name, url, expected) in cases {
            assert_eq!(call(FUNCTIONS, name, &[t(url)]).unwrap(), expected, "{name} {url}");
        }
        for url in ["http://a b", "http://", "http://a/<", ":x", "1a:b", "http://a/%zz", "", "http:"] {
            assert!(call(FUNCTIONS, "URL_EXTRACT_HOST", &[t(url)]).is_err(), "{url}");
        }
        assert!(call(FUNCTIONS, "URL_DECODE_PARAM", &[t("a%4")]).is_err());
    }

    #[test]
    fn parameters() {
        let get =
            |name: &str| call(FUNCTIONS, "URL_EXTRACT_PARAMETER", &[t("http://www.test.com/?one=a&two=b=c&three&one=d"), t(name)]).unwrap();
        assert_eq!((get("one"), get("two"), get("three"), get("four")), (t("a"), t("b=c"), t(""), NULL));
    }
}
