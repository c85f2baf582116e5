//! The client's side of SCRAM-SHA-256 (RFC 5802), for `everfold run` against a server.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::data::verifier::{hmac, random, salted, same, sha256};
use crate::error::{Error, Result, code};

/// Most rounds of hashing that a server may ask for.
const ITERATIONS_MAX: u32 = 10_000_000;

/// One attempt to log in.
pub(super) struct Login {
    password: String,
    nonce: String,
    /// What the server has to answer in the end.
    signature: String,
}

impl Login {
    /// An attempt with this password.
    pub fn new(password: &str) -> Result<Login> {
        Ok(Login { password: password.to_string(), nonce: STANDARD.encode(random(18)?), signature: String::new() })
    }

    /// The first message, without channel binding.
    pub fn first(&self) -> String {
        format!("n,,n=,r={}", self.nonce)
    }

    /// The last message, given the server's first.
    pub fn last(&mut self, server: &str) -> Result<String> {
        let wrong = || Error::new(code::PROTOCOL_VIOLATION, "the server's SCRAM message makes no sense");
        let field = |name: &str| server.split(',').find_map(|f| f.strip_prefix(name)).ok_or_else(wrong);
        let (nonce, salt) = (field("r=")?, STANDARD.decode(field("s=")?).map_err(|_| wrong())?);
        let iterations = field("i=")?.parse().ok().filter(|n| (1..=ITERATIONS_MAX).contains(n)).ok_or_else(wrong)?;
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err(wrong());
        }
        let salted = salted(&self.password, &salt, iterations);
        let mut client_key = hmac(&salted, &[b"Client Key"]);
        let unproved = format!("c=biws,r={nonce}");
        let message = format!("n=,r={},{server},{unproved}", self.nonce);
        let proof = hmac(&sha256(&client_key), &[message.as_bytes()]);
        client_key.iter_mut().zip(proof).for_each(|(k, p)| *k ^= p);
        self.signature = STANDARD.encode(hmac(&hmac(&salted, &[b"Server Key"]), &[message.as_bytes()]));
        Ok(format!("{unproved},p={}", STANDARD.encode(client_key)))
    }

    /// Errors: 08P01 if the server does not know the password itself.
    pub fn check(&self, server: &str) -> Result<()> {
        if server.strip_prefix("v=").is_some_and(|v| same(v.as_bytes(), self.signature.as_bytes())) {
            return Ok(());
        }
        Err(Error::new(code::PROTOCOL_VIOLATION, "the server has not shown that it knows the password"))
    }
}
