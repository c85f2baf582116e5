//! The server's side of SCRAM-SHA-256 and SCRAM-SHA-256-PLUS: two messages of the client in, two of the server out.
//!
//! Standards: RFC 5802, RFC 7677, and RFC 5929 for the channel binding `tls-server-end-point`; messages of errors are PostgreSQL's.
//! A user that does not exist, or has no password, goes the same way with a verifier that no proof fits, and a salt that stays the same
//! from one attempt to the next, so that it cannot be told from a wrong password.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::data::Verifier;
use crate::data::verifier::{ITERATIONS, Key, SALT_BYTES, hmac, random, same, sha256};
use crate::error::{Error, Result, code};

/// The mechanism without channel binding.
pub(crate) const PLAIN: &str = "SCRAM-SHA-256";
/// The mechanism with channel binding.
pub(crate) const PLUS: &str = "SCRAM-SHA-256-PLUS";
/// The one channel binding there is.
const BINDING: &str = "tls-server-end-point";
/// Random bytes of the server's part of a nonce.
const NONCE_BYTES: usize = 18;

/// One attempt to log in.
pub(crate) struct Exchange {
    verifier: Verifier,
    /// True if no proof may fit.
    doomed: bool,
    /// What binds the exchange to its TLS connection; then PLUS is offered.
    binding: Option<Vec<u8>>,
    /// The server's part of the nonce.
    nonce: String,
    /// What the client's first message said, once it is there.
    begun: Option<Begun>,
}

struct Begun {
    /// The header that the client must repeat, with what it binds to: in base64.
    header: String,
    /// `r=..` as the client must repeat it.
    nonce: String,
    /// The client's first message without its header, a comma, and the server's first message.
    messages: String,
}

impl Exchange {
    /// An attempt of `user`, whose verifier is `None` if nobody can log in as that. Errors: 58030.
    pub fn new(user: &str, verifier: Option<Verifier>, mock_key: &str, binding: Option<Vec<u8>>) -> Result<Exchange> {
        let doomed = verifier.is_none();
        let verifier = verifier.unwrap_or_else(|| mock(user, mock_key));
        let nonce = STANDARD.encode(random(NONCE_BYTES)?);
        Ok(Exchange { verifier, doomed, binding, nonce, begun: None })
    }

    /// The mechanisms offered, the best first.
    pub fn mechanisms(&self) -> &'static [&'static str] {
        if self.binding.is_some() { &[PLUS, PLAIN] } else { &[PLAIN] }
    }

    /// Takes the client's first message; answers the server's. Errors: 08P01, 28000, 0A000.
    pub fn first(&mut self, mechanism: &str, message: &str) -> Result<String> {
        if !self.mechanisms().contains(&mechanism) {
            return Err(protocol("client selected an invalid SASL authentication mechanism"));
        }
        let (flag, rest) = message.split_once(',').ok_or_else(malformed)?;
        let (identity, bare) = rest.split_once(',').ok_or_else(malformed)?;
        let bound = self.bound(flag, mechanism == PLUS)?;
        if !identity.is_empty() {
            return Err(
                Error::unsupported("client uses authorization identity, but it is not supported").hint("Log in as the role itself.")
            );
        }
        let mut fields = bare.split(',');
        let user = fields.next().ok_or_else(malformed)?;
        if user.starts_with("m=") {
            return Err(Error::unsupported("client requires an unsupported SCRAM extension").hint("Use a client of SCRAM-SHA-256."));
        }
        let nonce = fields.next().and_then(|f| f.strip_prefix("r=")).ok_or_else(malformed)?;
        let printable = |nonce: &str| !nonce.is_empty() && nonce.bytes().all(|b| (0x21..=0x7e).contains(&b));
        if !user.starts_with("n=") || !printable(nonce) {
            return Err(malformed());
        }
        let nonce = format!("r={nonce}{}", self.nonce);
        let answer = format!("{nonce},s={},i={}", STANDARD.encode(&self.verifier.salt), self.verifier.iterations);
        let mut header = format!("{flag},{identity},").into_bytes();
        header.extend_from_slice(bound.as_deref().unwrap_or_default());
        self.begun = Some(Begun { header: STANDARD.encode(header), nonce, messages: format!("{bare},{answer}") });
        Ok(answer)
    }

    /// What the client's choice of channel binding binds to. Errors: 28000 if it was made to believe that there is none.
    fn bound(&self, flag: &str, plus: bool) -> Result<Option<Vec<u8>>> {
        match (flag, plus) {
            ("n", false) => Ok(None),
            ("y", false) if self.binding.is_some() => {
                Err(Error::new(code::INVALID_AUTHORIZATION, "SCRAM channel binding negotiation error").detail(
                    "The client supports SCRAM channel binding but thinks the server does not. However, this server does support channel binding.",
                ))
            }
            ("y", false) => Ok(None),
            (flag, true) => match flag.strip_prefix("p=") {
                Some(BINDING) => Ok(self.binding.clone()),
                Some(other) => Err(protocol(format!("unsupported SCRAM channel-binding type \"{other}\""))),
                None => Err(malformed()),
            },
            _ => Err(malformed()),
        }
    }

    /// Takes the client's last message; answers the server's if the proof is good, `None` if it is not. Errors: 08P01.
    pub fn last(self, message: &str) -> Result<Option<String>> {
        let begun = self.begun.ok_or_else(malformed)?;
        let (unproved, proof) = message.rsplit_once(",p=").ok_or_else(malformed)?;
        let (header, nonce) = unproved.strip_prefix("c=").and_then(|rest| rest.split_once(',')).ok_or_else(malformed)?;
        // Extensions behind the nonce are none of ours.
        let nonce = nonce.split(',').next().unwrap_or_default();
        if !same(nonce.as_bytes(), begun.nonce.as_bytes()) {
            return Err(protocol("invalid SCRAM response").detail("Nonce does not match."));
        }
        if !same(header.as_bytes(), begun.header.as_bytes()) {
            return Err(Error::new(code::INVALID_AUTHORIZATION, "SCRAM channel binding check failed"));
        }
        let proof: Key = STANDARD.decode(proof).ok().and_then(|p| p.try_into().ok()).ok_or_else(malformed)?;
        let parts: [&[u8]; 3] = [begun.messages.as_bytes(), b",", unproved.as_bytes()];
        let mut client_key = hmac(&self.verifier.stored, &parts);
        client_key.iter_mut().zip(proof).for_each(|(k, p)| *k ^= p);
        let good = same(&sha256(&client_key), &self.verifier.stored);
        Ok((good && !self.doomed).then(|| format!("v={}", STANDARD.encode(hmac(&self.verifier.server, &parts)))))
    }
}

/// A verifier for a user without one.
fn mock(user: &str, mock_key: &str) -> Verifier {
    let salt = hmac(mock_key.as_bytes(), &[user.as_bytes()])[..SALT_BYTES].to_vec();
    Verifier { iterations: ITERATIONS, salt, stored: Key::default(), server: Key::default() }
}

fn protocol(message: impl Into<String>) -> Error {
    Error::new(code::PROTOCOL_VIOLATION, message)
}

fn malformed() -> Error {
    protocol("malformed SCRAM message")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 7677: user `user`, password `pencil`.
    fn example() -> Exchange {
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let mut exchange = Exchange::new("user", Some(Verifier::of_password("pencil", &salt, 4096)), "", None).unwrap();
        exchange.nonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0".into();
        exchange
    }

    const FIRST: &str = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
    const LAST: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";

    #[test]
    fn the_example_of_rfc_7677() {
        let mut exchange = example();
        let answer = exchange.first(PLAIN, FIRST).unwrap();
        assert_eq!(answer, "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
        assert_eq!(exchange.last(LAST).unwrap().as_deref(), Some("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
    }

    #[test]
    fn a_wrong_proof_an_old_one_and_none_at_all() {
        let mut exchange = example();
        exchange.first(PLAIN, FIRST).unwrap();
        assert_eq!(exchange.last(&LAST.replace("p=dH", "p=dG")).unwrap(), None);
        // The same words to another server's nonce.
        let mut other = Exchange::new("user", None, "key", None).unwrap();
        other.first(PLAIN, FIRST).unwrap();
        assert_eq!(other.last(LAST).unwrap_err().code(), "08P01");
        assert_eq!(example().last(LAST).unwrap_err().code(), "08P01");
        for wrong in
            ["", "n,,", "n,,n=user", "n,,n=user,r=", "n,,r=x,n=user", "x,,n=u,r=x", "p=tls-server-end-point,,n=u,r=x", "n,,n=u,r=\u{e9}"]
        {
            assert_eq!(example().first(PLAIN, wrong).unwrap_err().code(), "08P01", "{wrong}");
        }
        assert_eq!(example().first(PLUS, FIRST).unwrap_err().code(), "08P01");
        assert_eq!(example().first(PLAIN, "n,a=root,n=u,r=x").unwrap_err().code(), "0A000");
    }

    #[test]
    fn a_client_that_was_told_of_no_channel_binding_is_refused() {
        let with_binding = || Exchange::new("user", None, "key", Some(b"hash".to_vec())).unwrap();
        assert_eq!(with_binding().mechanisms(), [PLUS, PLAIN]);
        assert_eq!(with_binding().first(PLAIN, "y,,n=,r=x").unwrap_err().message(), "SCRAM channel binding negotiation error");
        assert!(example().first(PLAIN, "y,,n=,r=x").is_ok());
        assert!(with_binding().first(PLAIN, "n,,n=,r=x").is_ok());
        assert_eq!(with_binding().first(PLUS, "p=tls-unique,,n=,r=x").unwrap_err().code(), "08P01");
        let mut bound = with_binding();
        let answer = bound.first(PLUS, "p=tls-server-end-point,,n=,r=x").unwrap();
        let nonce = answer.split(',').next().unwrap();
        let elsewhere = STANDARD.encode(b"p=tls-server-end-point,,another");
        let e = bound.last(&format!("c={elsewhere},{nonce},p=AAAA")).unwrap_err();
        assert_eq!(e.message(), "SCRAM channel binding check failed");
    }

    #[test]
    fn unknown_users_have_a_salt_of_their_own_that_stays() {
        let salt = |user: &str| Exchange::new(user, None, "key", None).unwrap().verifier.salt;
        assert_eq!(salt("ann"), salt("ann"));
        assert_ne!(salt("ann"), salt("bob"));
    }
}
