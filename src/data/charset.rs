//! Encodings of text besides UTF-8 (PostgreSQL manual, chapter 24.3 "Character Set Support"): those of one byte for each character.
//!
//! `charset/single_byte.txt` has a line for each, its name and the code points of the bytes from 0x80 on, as PostgreSQL converts them; the
//! bytes below are ASCII's. Encodings of several bytes are known by name, so that they are refused and not taken for mistakes.

use std::borrow::Cow;
use std::sync::LazyLock;

use bytes::BytesMut;

use crate::error::{Error, Result, code};

/// What a client's text is encoded in. The server's own is UTF-8.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Charset {
    #[default]
    Utf8,
    /// Bytes of which nothing is known: those that are UTF-8 are taken as that.
    SqlAscii,
    /// The table of that index.
    SingleByte(usize),
}

/// An encoding of one byte for each character.
struct Table {
    name: &'static str,
    /// The characters of the bytes from 0x80 on.
    characters: Vec<Option<char>>,
    /// The same the other way round, in the order of the characters.
    bytes: Vec<(char, u8)>,
}

static TABLES: LazyLock<Vec<Table>> = LazyLock::new(|| include_str!("charset/single_byte.txt").lines().filter_map(Table::read).collect());

/// Other names that PostgreSQL knows encodings by, in letters and digits only.
const ALIASES: &[(&str, &str)] = &[
    ("unicode", "utf8"),
    ("abc", "win1258"),
    ("tcvn", "win1258"),
    ("tcvn5712", "win1258"),
    ("vscii", "win1258"),
    ("alt", "win866"),
    ("win", "win1251"),
    ("koi8", "koi8r"),
    ("iso88591", "latin1"),
    ("iso88592", "latin2"),
    ("iso88593", "latin3"),
    ("iso88594", "latin4"),
    ("iso88599", "latin5"),
    ("iso885910", "latin6"),
    ("iso885913", "latin7"),
    ("iso885914", "latin8"),
    ("iso885915", "latin9"),
    ("iso885916", "latin10"),
];

/// Encodings of several bytes that PostgreSQL converts.
const SEVERAL_BYTES: &[&str] = &[
    "big5",
    "euccn",
    "eucjis2004",
    "eucjp",
    "euckr",
    "euctw",
    "gb18030",
    "gbk",
    "johab",
    "muleinternal",
    "mskanji",
    "shiftjis",
    "shiftjis2004",
    "sjis",
    "uhc",
    "windows932",
    "windows936",
    "windows949",
    "windows950",
];

impl Table {
    fn read(line: &'static str) -> Option<Table> {
        let (name, points) = line.split_once('|')?;
        let character = |point: &str| u32::from_str_radix(point, 16).ok().and_then(char::from_u32);
        let characters: Vec<Option<char>> = points.split(' ').map(character).collect();
        let mut bytes: Vec<(char, u8)> = (0x80..=u8::MAX).zip(&characters).filter_map(|(byte, c)| Some(((*c)?, byte))).collect();
        bytes.sort_unstable();
        Some(Table { name, characters, bytes })
    }

    fn byte(&self, c: char) -> Option<u8> {
        if c.is_ascii() {
            return Some(c as u8);
        }
        self.bytes.binary_search_by_key(&c, |(known, _)| *known).ok().map(|at| self.bytes[at].1)
    }

    fn character(&self, byte: u8) -> Option<char> {
        match byte {
            0..0x80 => Some(char::from(byte)),
            _ => self.characters.get(usize::from(byte) - 0x80).copied().flatten(),
        }
    }
}

/// Letters and digits count in the name of an encoding, in either case.
fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

fn shown(bytes: &[u8]) -> String {
    let digits: Vec<String> = bytes.iter().map(|b| format!("0x{b:02x}")).collect();
    digits.join(" ")
}

fn no_equivalent(bytes: &[u8], from: &str, to: &str) -> Error {
    let message = format!("character with byte sequence {} in encoding \"{from}\" has no equivalent in encoding \"{to}\"", shown(bytes));
    Error::new(code::UNTRANSLATABLE_CHARACTER, message)
}

impl Charset {
    /// The encoding of that name; `None` if it is none's. Errors: 0A000 for one of several bytes.
    pub fn named(name: &str) -> Result<Option<Charset>> {
        let given = plain(name);
        // Windows' code pages have their numbers, whatever is before them.
        let given = match given.strip_prefix("windows") {
            Some(page) if !SEVERAL_BYTES.contains(&given.as_str()) => format!("win{page}"),
            _ => given,
        };
        let known = ALIASES.iter().find(|(alias, _)| *alias == given).map_or(given.as_str(), |(_, known)| known);
        match known {
            "utf8" => return Ok(Some(Charset::Utf8)),
            "sqlascii" => return Ok(Some(Charset::SqlAscii)),
            _ if SEVERAL_BYTES.contains(&known) => {
                return Err(Error::unsupported(format!("encoding \"{name}\" is not supported"))
                    .hint("Use UTF8, or an encoding of one byte for each character, such as LATIN1."));
            }
            _ => {}
        }
        Ok(TABLES.iter().position(|table| plain(table.name) == known).map(Charset::SingleByte))
    }

    /// The encoding that [`Charset::name`] has named; UTF-8 for anything else.
    pub fn of(name: &str) -> Charset {
        // Every statement asks, and few clients have another.
        if name == "UTF8" {
            return Charset::Utf8;
        }
        Charset::named(name).ok().flatten().unwrap_or_default()
    }

    /// Its name in PostgreSQL.
    pub fn name(self) -> &'static str {
        match self.table() {
            Some(table) => table.name,
            None if self == Charset::SqlAscii => "SQL_ASCII",
            None => "UTF8",
        }
    }

    fn table(self) -> Option<&'static Table> {
        match self {
            Charset::SingleByte(at) => TABLES.get(at),
            _ => None,
        }
    }

    /// True if text in it is other bytes than in UTF-8.
    pub fn converts(self) -> bool {
        matches!(self, Charset::SingleByte(_))
    }

    /// Text in this encoding, in UTF-8. Errors: 22P05 for a byte that is no character, 22021 for what is no UTF-8 and should be.
    pub fn read(self, bytes: &[u8]) -> Result<Cow<'_, str>> {
        let Some(table) = self.table().filter(|_| !bytes.is_ascii()) else {
            return std::str::from_utf8(bytes).map(Cow::from).map_err(|_| super::decode::invalid_utf8(bytes));
        };
        let character = |byte: &u8| table.character(*byte).ok_or_else(|| no_equivalent(&[*byte], table.name, "UTF8"));
        bytes.iter().map(character).collect::<Result<String>>().map(Cow::from)
    }

    /// Text in UTF-8, in this encoding. Errors: 22P05 for a character that it does not have.
    pub fn write(self, text: &str) -> Result<Cow<'_, [u8]>> {
        let Some(table) = self.table().filter(|_| !text.is_ascii()) else { return Ok(text.as_bytes().into()) };
        let byte = |c: char| table.byte(c).ok_or_else(|| no_equivalent(c.encode_utf8(&mut [0; 4]).as_bytes(), "UTF8", table.name));
        text.chars().map(byte).collect::<Result<Vec<u8>>>().map(Cow::from)
    }

    /// The same, with `?` in the place of characters that it does not have: what tells of an error must not fail itself.
    pub fn write_anyhow(self, text: &[u8]) -> Cow<'_, [u8]> {
        let Some(table) = self.table().filter(|_| !text.is_ascii()) else { return text.into() };
        String::from_utf8_lossy(text).chars().map(|c| table.byte(c).unwrap_or(b'?')).collect::<Vec<u8>>().into()
    }

    /// Puts the text that stands behind `start` into this encoding. Errors: 22P05.
    pub fn write_behind(self, start: usize, out: &mut BytesMut) -> Result<()> {
        let text = std::str::from_utf8(&out[start..]).map_err(|_| Error::internal("a value's text is UTF-8"))?;
        if let Cow::Owned(written) = self.write(text)? {
            out.truncate(start);
            out.extend_from_slice(&written);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_are_found_by_all_their_names() {
        for (name, known) in [
            ("latin1", "LATIN1"),
            ("ISO-8859-1", "LATIN1"),
            ("iso_8859_15", "LATIN9"),
            ("windows-1252", "WIN1252"),
            ("win1250", "WIN1250"),
            ("KOI8-R", "KOI8R"),
            ("'utf-8'", "UTF8"),
            ("SQL_ASCII", "SQL_ASCII"),
            ("ISO 8859-5", "ISO_8859_5"),
        ] {
            assert_eq!(Charset::named(name).unwrap().map(Charset::name), Some(known), "{name}");
        }
        assert_eq!(Charset::named("nonsense").unwrap(), None);
        assert_eq!(Charset::named("EUC_JP").unwrap_err().code(), code::FEATURE_NOT_SUPPORTED);
    }

    #[test]
    fn every_character_comes_back() {
        for at in 0..TABLES.len() {
            let charset = Charset::SingleByte(at);
            assert_eq!(TABLES[at].characters.len(), 128, "{}", charset.name());
            let all: Vec<u8> = (1..=u8::MAX).filter(|b| TABLES[at].character(*b).is_some()).collect();
            assert_eq!(charset.write(&charset.read(&all).unwrap()).unwrap().as_ref(), all, "{}", charset.name());
        }
    }

    #[test]
    fn what_has_no_equivalent_is_refused() {
        let latin1 = Charset::of("LATIN1");
        let error = latin1.write("\u{20ac}").unwrap_err();
        assert_eq!(
            error.message(),
            "character with byte sequence 0xe2 0x82 0xac in encoding \"UTF8\" has no equivalent in encoding \"LATIN1\""
        );
        let error = Charset::of("WIN1252").read(b"\x81").unwrap_err();
        assert_eq!(error.message(), "character with byte sequence 0x81 in encoding \"WIN1252\" has no equivalent in encoding \"UTF8\"");
        assert_eq!(latin1.write_anyhow("\u{e9}\u{20ac}".as_bytes()).as_ref(), b"\xe9?");
    }
}
