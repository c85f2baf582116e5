//! What is kept of a password: a SCRAM-SHA-256 verifier, and the hashes that it is made of.
//!
//! Standards: RFC 5802 (SCRAM), RFC 7677 (SHA-256), RFC 4013 (SASLprep). The text of a verifier is PostgreSQL's,
//! `SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey` with the last three in base64, so that one made there serves here.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

/// A key or a hash of SHA-256.
pub type Key = [u8; 32];

/// Rounds of hashing for a new verifier, PostgreSQL's.
pub const ITERATIONS: u32 = 4_096;
/// Bytes of salt of a new verifier, PostgreSQL's.
pub const SALT_BYTES: usize = 16;
/// What the text of a verifier begins with.
const MECHANISM: &str = "SCRAM-SHA-256";

/// A verifier: enough to tell whether a client knows the password, and to prove to it that the server knows of it, but not enough to
/// log in with.
#[derive(Clone, PartialEq, Eq)]
pub struct Verifier {
    pub iterations: u32,
    pub salt: Vec<u8>,
    pub stored: Key,
    pub server: Key,
}

impl Verifier {
    /// The verifier of a password with a salt of its own. Errors: 58030 if the operating system has no randomness.
    pub fn new(password: &str) -> crate::error::Result<Verifier> {
        Ok(Self::of_password(password, &random(SALT_BYTES)?, ITERATIONS))
    }

    /// The verifier of a password with this salt.
    pub fn of_password(password: &str, salt: &[u8], iterations: u32) -> Verifier {
        let salted = salted(password, salt, iterations);
        let (stored, server) = (sha256(&hmac(&salted, &[b"Client Key"])), hmac(&salted, &[b"Server Key"]));
        Verifier { iterations, salt: salt.to_vec(), stored, server }
    }

    /// Reads the text of a verifier; `None` if it is none.
    pub fn parse(text: &str) -> Option<Verifier> {
        let (mechanism, rest) = text.split_once('$')?;
        let (head, keys) = rest.split_once('$')?;
        let (iterations, salt) = head.split_once(':')?;
        let (stored, server) = keys.split_once(':')?;
        let key = |text: &str| STANDARD.decode(text).ok().and_then(|k| Key::try_from(k).ok());
        let iterations = iterations.parse().ok().filter(|n| (1..=i32::MAX as u32).contains(n))?;
        let salt = STANDARD.decode(salt).ok()?;
        (mechanism == MECHANISM).then_some(Verifier { iterations, salt, stored: key(stored)?, server: key(server)? })
    }

    /// Its text.
    pub fn text(&self) -> String {
        let of = |bytes: &[u8]| STANDARD.encode(bytes);
        format!("{MECHANISM}${}:{}${}:{}", self.iterations, of(&self.salt), of(&self.stored), of(&self.server))
    }
}

/// Says nothing: what is kept of a password is in no message.
impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier(..)")
    }
}

impl Serialize for Verifier {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.text())
    }
}

impl<'de> Deserialize<'de> for Verifier {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        Verifier::parse(&text).ok_or_else(|| serde::de::Error::custom("not a verifier"))
    }
}

/// A password as it was typed: it is hashed as soon as may be, and never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// SaltedPassword of RFC 5802. A password that SASLprep refuses is taken as its bytes, as PostgreSQL and its clients do.
pub fn salted(password: &str, salt: &[u8], iterations: u32) -> Key {
    let prepared = stringprep::saslprep(password).unwrap_or(password.into());
    let keyed = keyed(prepared.as_bytes());
    let round = |parts: &[&[u8]]| {
        let mut mac = keyed.clone();
        parts.iter().for_each(|part| mac.update(part));
        Key::from(mac.finalize().into_bytes())
    };
    let mut last = round(&[salt, &1u32.to_be_bytes()]);
    let mut sum = last;
    for _ in 1..iterations {
        last = round(&[&last]);
        sum.iter_mut().zip(last).for_each(|(s, l)| *s ^= l);
    }
    sum
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

/// HMAC-SHA-256 of the parts one after the other.
pub fn hmac(key: &[u8], parts: &[&[u8]]) -> Key {
    let mut mac = keyed(key);
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

/// SHA-256.
pub fn sha256(bytes: &[u8]) -> Key {
    Sha256::digest(bytes).into()
}

/// Compares in a time that does not tell where the difference is.
pub fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |difference, (x, y)| difference | (x ^ y)) == 0
}

/// Bytes from the operating system that nobody can guess. Errors: 58030.
pub fn random(bytes: usize) -> crate::error::Result<Vec<u8>> {
    let mut random = vec![0; bytes];
    getrandom::fill(&mut random)
        .map_err(|e| crate::error::Error::new(crate::error::code::IO_ERROR, format!("no random bytes from the system: {e}")))?;
    Ok(random)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_verifier_is_read_and_written() {
        let verifier = Verifier::of_password("pencil", b"salt of 16 bytes", 10);
        let text = verifier.text();
        assert!(text.starts_with("SCRAM-SHA-256$10:c2FsdCBvZiAxNiBieXRlcw==$"), "{text}");
        assert_eq!(Verifier::parse(&text).unwrap(), verifier);
        for wrong in ["pencil", "SCRAM-SHA-256$0:AA==$x:y", "SCRAM-SHA-1$1:AA==$AA==:AA==", "SCRAM-SHA-256$4096:AA==$AA==:AA=="] {
            assert!(Verifier::parse(wrong).is_none(), "{wrong}");
        }
        assert_eq!(format!("{verifier:?} {:?}", Secret("pencil".into())), "Verifier(..) Secret(..)");
    }

    #[test]
    fn passwords_are_normalized() {
        let of = |password: &str| Verifier::of_password(password, b"s", 2);
        // A soft hyphen is nothing, a no-break space a space; what may not be in a password counts as its bytes.
        assert_eq!(of("pass\u{ad}word"), of("password"));
        assert_eq!(of("a\u{a0}b"), of("a b"));
        assert_ne!(of("a\u{7}"), of("a"));
    }
}
