//! What has to be known of an X.509 certificate: when it ends, whom it names, and the hash that channel binding wants.
//!
//! Standards: X.690 (DER), RFC 5280, RFC 5929 section 4.1. Only what is needed is read, and nothing is verified here: rustls does that.

use chrono::NaiveDateTime;
use sha2::{Digest, Sha256, Sha384, Sha512};

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OID: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// The explicit tag before the version.
const VERSION: u8 = 0xa0;
/// id-at-commonName, 2.5.4.3
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
/// Signature algorithms by the hash they use: ends of their OIDs below 1.2.840.113549.1.1 (RSA) and 1.2.840.10045.4 (ECDSA).
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
const ECDSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04];

/// A value of DER: its tag, its content, and what is behind it.
fn value(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, first, rest) = (*der.first()?, *der.get(1)?, der.get(2..)?);
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let count = usize::from(first & 0x7f);
        let digits = rest.get(..count).filter(|_| count <= 4)?;
        (digits.iter().fold(0, |n, d| n << 8 | usize::from(*d)), &rest[count..])
    };
    Some((tag, rest.get(..length)?, &rest[length..]))
}

/// The content of a value of that tag, and what is behind it.
fn expect(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    value(der).filter(|(found, _, _)| *found == tag).map(|(_, content, rest)| (content, rest))
}

/// The end of validity and what follows it: `subject ..`, from a certificate.
fn validity_and_subject(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (certificate, _) = expect(SEQUENCE, der)?;
    let (mut rest, _) = expect(SEQUENCE, certificate)?;
    if rest.first() == Some(&VERSION) {
        rest = value(rest)?.2;
    }
    // Serial number, signature algorithm, issuer.
    for _ in 0..3 {
        rest = value(rest)?.2;
    }
    expect(SEQUENCE, rest)
}

/// When the certificate ends to be valid, in microseconds since 1970.
pub(crate) fn ends_us(der: &[u8]) -> Option<i64> {
    let (validity, _) = validity_and_subject(der)?;
    let (_, _, rest) = value(validity)?;
    let (tag, content, _) = value(rest)?;
    let text = std::str::from_utf8(content).ok()?;
    let text = match tag {
        // Two digits of a year: 1950 to 2049.
        UTC_TIME => format!("{}{text}", if text < "50" { "20" } else { "19" }),
        GENERALIZED_TIME => text.to_string(),
        _ => return None,
    };
    let time = NaiveDateTime::parse_from_str(&text, "%Y%m%d%H%M%SZ").ok()?;
    Some(time.and_utc().timestamp_micros())
}

/// The common name of whom the certificate was given to.
pub(crate) fn common_name(der: &[u8]) -> Option<String> {
    let (_, rest) = validity_and_subject(der)?;
    let (mut names, _) = expect(SEQUENCE, rest)?;
    while !names.is_empty() {
        let (set, behind) = expect(SET, names)?;
        let (pair, _) = expect(SEQUENCE, set)?;
        let (oid, text) = expect(OID, pair)?;
        if oid == COMMON_NAME {
            return String::from_utf8(value(text)?.1.to_vec()).ok();
        }
        names = behind;
    }
    None
}

/// The hash of the certificate for `tls-server-end-point`: by the hash of its signature, SHA-256 for older ones. `None` where the
/// signature names none, as Ed25519; then there is no channel binding.
pub(crate) fn end_point_hash(der: &[u8]) -> Option<Vec<u8>> {
    let (certificate, _) = expect(SEQUENCE, der)?;
    let (_, _, rest) = value(certificate)?;
    let (algorithm, _) = expect(SEQUENCE, rest)?;
    let (oid, _) = expect(OID, algorithm)?;
    let hash = match (oid.strip_prefix(RSA), oid.strip_prefix(ECDSA)) {
        // MD5, SHA-1, SHA-256; for ECDSA SHA-1, SHA-256.
        (Some([4 | 5 | 11]), _) | (_, Some([1] | [3, 2])) => Sha256::digest(der).to_vec(),
        (Some([12]), _) | (_, Some([3, 3])) => Sha384::digest(der).to_vec(),
        (Some([13]), _) | (_, Some([3, 4])) => Sha512::digest(der).to_vec(),
        _ => return None,
    };
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_read() {
        let mut parameters = rcgen::CertificateParams::new(vec!["localhost".to_string()]).unwrap();
        parameters.not_after = rcgen::date_time_ymd(2001, 2, 3);
        parameters.distinguished_name.push(rcgen::DnType::OrganizationName, "Shop");
        parameters.distinguished_name.push(rcgen::DnType::CommonName, "robot");
        let certificate = parameters.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
        let der = certificate.der();
        assert_eq!(ends_us(der), Some(981_158_400_000_000));
        assert_eq!(common_name(der).as_deref(), Some("robot"));
        assert_eq!(end_point_hash(der), Some(Sha256::digest(der.as_ref()).to_vec()));
        for cut in 0..der.len() {
            let _ = (ends_us(&der[..cut]), common_name(&der[..cut]), end_point_hash(&der[..cut]));
        }
    }
}
