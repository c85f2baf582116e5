//! inet and cidr: an address of IPv4 or IPv6 with the number of bits that name its network (manual, chapter 8.9).
//!
//! Both are carried as bytes that compare as PostgreSQL compares them (`network_cmp()`): the family, the address without its host part, the
//! number of bits, and the address if it has a host part. So they are sorted, hashed, grouped and joined as any bytes are, and a cidr equals the
//! inet that is the same. An address of IPv4 takes 6 bytes, one of IPv6 18.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::data::PgType;
use crate::error::{Error, Result, code};

/// The families as they are carried, and as family() tells them.
const V4: u8 = 4;
const V6: u8 = 6;
/// How inet_send() names the two families.
const SENT_V4: u8 = 2;
const SENT_V6: u8 = 3;

/// An address with the length of its network's prefix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Network {
    is_v6: bool,
    /// Bits of the prefix, at most [`Network::width`].
    bits: u8,
    /// The address; that of IPv4 in the low 32 bits.
    address: u128,
}

impl Network {
    /// 4 or 6.
    pub fn family(self) -> u8 {
        if self.is_v6 { V6 } else { V4 }
    }

    /// Bits of an address: 32 or 128.
    pub fn width(self) -> u8 {
        if self.is_v6 { 128 } else { 32 }
    }

    /// Bits that name the network.
    pub fn bits(self) -> u8 {
        self.bits
    }

    /// The address as a number.
    pub fn address(self) -> u128 {
        self.address
    }

    /// The same prefix with another address, whose bits beyond the family's are lost.
    pub fn with_address(self, address: u128) -> Network {
        Network { address: address & all(self.width()), ..self }
    }

    /// The same address with another prefix; `None` if that is longer than the address.
    pub fn with_bits(self, bits: u8) -> Option<Network> {
        (bits <= self.width()).then_some(Network { bits, ..self })
    }

    /// The bits of the address that are the host's.
    pub fn host_mask(self) -> u128 {
        all(self.width() - self.bits)
    }

    /// The address without its host part.
    pub fn network(self) -> Network {
        Network { address: self.address & !self.host_mask(), ..self }
    }

    /// The address as one of no network.
    pub fn host(self) -> Network {
        Network { bits: self.width(), ..self }
    }

    /// True if they agree in so many bits, and are of one family.
    pub fn agrees(self, other: Network, bits: u8) -> bool {
        self.is_v6 == other.is_v6 && (self.address ^ other.address) & !all(self.width() - bits.min(self.width())) == 0
    }

    /// What a text means as an inet or as a cidr. Errors: 22P02.
    pub fn parse(ty: &PgType, text: &str) -> Result<Network> {
        let is_cidr = *ty == PgType::Cidr;
        let read = match text.contains(':') {
            true => v6(text),
            false if is_cidr => v4_network(text),
            false => v4(text),
        };
        let invalid = |message: String| Error::new(code::INVALID_TEXT_REPRESENTATION, message);
        match read {
            None => Err(invalid(format!("invalid input syntax for type {ty}: \"{text}\""))),
            Some(network) if is_cidr && network != network.network() => {
                Err(invalid(format!("invalid cidr value: \"{text}\"")).detail("Value has bits set to right of mask."))
            }
            Some(network) => Ok(network),
        }
    }

    /// The bytes that carry it.
    pub fn to_bytes(self) -> Vec<u8> {
        let network = self.network();
        let mut bytes = vec![self.family()];
        network.put_address(&mut bytes);
        bytes.push(self.bits);
        if network != self {
            self.put_address(&mut bytes);
        }
        bytes
    }

    /// What the bytes carry. Errors: XX000 for others.
    pub fn of_bytes(bytes: &[u8]) -> Result<Network> {
        let read = || {
            let (family, rest) = bytes.split_first()?;
            let octets = if *family == V6 { 16 } else { 4 };
            let (network, rest) = rest.split_at_checked(octets)?;
            let (bits, address) = rest.split_first()?;
            let is_whole = address.is_empty() || address.len() == octets;
            is_whole.then(|| Network::of(*family == V6, *bits, if address.is_empty() { network } else { address }))?
        };
        read().ok_or_else(|| Error::internal("these bytes are no inet"))
    }

    fn of(is_v6: bool, bits: u8, octets: &[u8]) -> Option<Network> {
        let address = octets.iter().fold(0, |address, octet| address << 8 | u128::from(*octet));
        let network = Network { is_v6, bits, address };
        (bits <= network.width()).then_some(network)
    }

    /// Appends the address, its first byte first: 4 or 16 of them.
    fn put_address(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.address.to_be_bytes()[16 - usize::from(self.width() / 8)..]);
    }

    /// Its text: an inet of a whole address has no length.
    pub fn text(self, is_cidr: bool) -> String {
        if self.bits == self.width() && !is_cidr { self.host_text() } else { self.full_text() }
    }

    /// The address alone, as host() tells it.
    pub fn host_text(self) -> String {
        if !self.is_v6 {
            return Ipv4Addr::from(self.address as u32).to_string();
        }
        let address = Ipv6Addr::from(self.address);
        match address.segments() {
            // What Rust prints in hexadecimal alone.
            [0, 0, 0, 0, 0, 0, high, _] if high != 0 => format!("::{}", Ipv4Addr::from(self.address as u32)),
            _ => address.to_string(),
        }
    }

    /// Address and length, as a cast to text has them.
    pub fn full_text(self) -> String {
        format!("{}/{}", self.host_text(), self.bits)
    }

    /// A cidr without the zeros that its length tells of, as abbrev() has it.
    pub fn abbreviated(self) -> String {
        let address = if self.is_v6 { self.abbreviated_v6() } else { self.abbreviated_v4() };
        format!("{address}/{}", self.bits)
    }

    fn abbreviated_v4(self) -> String {
        let octets = (self.address as u32).to_be_bytes();
        let shown = usize::from(self.bits.div_ceil(8)).max(1);
        octets[..shown].iter().map(u8::to_string).collect::<Vec<_>>().join(".")
    }

    /// The words that the prefix reaches into, at least two, the longest row of zeros among them left out.
    fn abbreviated_v6(self) -> String {
        let all_words = Ipv6Addr::from(self.address).segments();
        if self.bits == 0 {
            return "::".to_string();
        }
        let words = &all_words[..usize::from(self.bits.div_ceil(16)).max(2)];
        let zeros = longest_zeros(words);
        let is_v4 = zeros.start == 0 && (zeros.len() == 6 || zeros.len() == 5 && words.get(5) == Some(&0xffff)) && words.len() > 6;
        let mut shown = String::new();
        for (i, word) in words.iter().enumerate() {
            if zeros.contains(&i) {
                let ends = usize::from(i == zeros.start) + usize::from(i == words.len() - 1);
                shown += &":".repeat(ends);
            } else if is_v4 && i > 5 {
                let [high, low] = word.to_be_bytes();
                shown += &format!("{}{high}", if i == 6 { ':' } else { '.' });
                if i == 6 || self.bits > 120 {
                    shown += &format!(".{low}");
                }
            } else {
                let colon = if shown.is_empty() { "" } else { ":" };
                shown += &format!("{colon}{word:x}");
            }
        }
        shown
    }

    /// Its binary form, as inet_send() and cidr_send() write it.
    pub fn sent(self, is_cidr: bool) -> Vec<u8> {
        let family = if self.is_v6 { SENT_V6 } else { SENT_V4 };
        let mut bytes = vec![family, self.bits, u8::from(is_cidr), self.width() / 8];
        self.put_address(&mut bytes);
        bytes
    }

    /// What a binary form is; `None` if it is none, or that of a cidr with a host part.
    pub fn received(bytes: &[u8], is_cidr: bool) -> Option<Network> {
        let [family @ (SENT_V4 | SENT_V6), bits, _, length, octets @ ..] = bytes else { return None };
        let expected = if *family == SENT_V6 { 16 } else { 4 };
        let is_whole = octets.len() == expected && usize::from(*length) == expected;
        let network = is_whole.then(|| Network::of(*family == SENT_V6, *bits, octets))??;
        (!is_cidr || network == network.network()).then_some(network)
    }
}

/// That many low bits, set.
fn all(bits: u8) -> u128 {
    if bits == 0 { 0 } else { u128::MAX >> (128 - u32::from(bits)) }
}

/// The longest row of zeros, the first of several.
fn longest_zeros(words: &[u16]) -> std::ops::Range<usize> {
    let mut longest = 0..0;
    let mut start = 0;
    for (i, word) in words.iter().enumerate() {
        if *word != 0 {
            start = i + 1;
        } else if i + 1 - start > longest.len() {
            longest = start..i + 1;
        }
    }
    longest
}

/// `::1`, `fe80::/10`
fn v6(text: &str) -> Option<Network> {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) if bits == "0" || !bits.starts_with('0') => (address, number(bits, 128)?),
        Some(_) => return None,
        None => (text, 128),
    };
    let address: Ipv6Addr = address.parse().ok()?;
    Some(Network { is_v6: true, bits, address: address.into() })
}

/// `10.0.0.1`, `10.0.0.1/8`; with a length of the prefix the octets behind it may be left out (`inet_net_pton()`).
fn v4(text: &str) -> Option<Network> {
    let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
    // A dot may end it.
    let octets = octets(address.strip_suffix('.').filter(|_| bits.is_some()).unwrap_or(address))?;
    let bits = match bits {
        Some(bits) => number(bits, 32)?,
        None if octets.len() == 4 => 32,
        None => return None,
    };
    (usize::from(bits / 8) <= octets.len()).then(|| of_v4(&octets, bits))
}

/// The same as a cidr: octets may be left out, and the length is that of the address's class then, or reaches over the octets that are there.
fn v4_network(text: &str) -> Option<Network> {
    let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
    let octets = octets(address)?;
    let bits = match bits {
        Some(bits) => number(bits, 32)?,
        None => {
            let of_class = match octets[0] {
                240.. => 32,
                224.. => 8,
                192.. => 24,
                128.. => 16,
                _ => 8,
            };
            let bits = of_class.max(octets.len() as u8 * 8);
            if bits == 8 && octets[0] == 224 { 4 } else { bits }
        }
    };
    Some(of_v4(&octets, bits))
}

fn of_v4(octets: &[u8], bits: u8) -> Network {
    let address = (0..4).fold(0, |address, i| address << 8 | u128::from(octets.get(i).copied().unwrap_or(0)));
    Network { is_v6: false, bits, address }
}

/// One to four numbers below 256 with dots between them.
fn octets(text: &str) -> Option<Vec<u8>> {
    let octets: Vec<u8> = text.split('.').map(|octet| number(octet, 255)).collect::<Option<_>>()?;
    (octets.len() <= 4).then_some(octets)
}

/// A number in digits, at most `most`.
fn number(digits: &str, most: u8) -> Option<u8> {
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let value = is_number.then(|| digits.trim_start_matches('0'))?;
    if value.is_empty() { Some(0) } else { value.parse().ok().filter(|value| *value <= most) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn inet(text: &str) -> Network {
        Network::parse(&PgType::Inet, text).unwrap()
    }

    fn cidr(text: &str) -> Network {
        Network::parse(&PgType::Cidr, text).unwrap()
    }

    #[test]
    fn texts_are_read_and_shown_as_postgresql_15_does() {
        for (text, shown) in [
            ("10.0.0.1", "10.0.0.1"),
            ("010.1.2.3/08", "10.1.2.3/8"),
            ("10.1/16", "10.1.0.0/16"),
            ("10./8", "10.0.0.0/8"),
            ("10.1./16", "10.1.0.0/16"),
            ("::", "::"),
            ("::2", "::2"),
            ("::1.2.3.4", "::1.2.3.4"),
            ("::1:2", "::0.1.0.2"),
            ("::ffff:1.2.3.4/100", "::ffff:1.2.3.4/100"),
            ("1:0:0:2:0:0:0:3", "1:0:0:2::3"),
            ("1:0:2:0:3:0:4:0", "1:0:2:0:3:0:4:0"),
            ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"),
        ] {
            assert_eq!(inet(text).text(false), shown, "{text}");
        }
        for (text, shown, abbreviated) in [
            ("10.1.2.3/32", "10.1.2.3/32", "10.1.2.3/32"),
            ("10.1.0.0/16", "10.1.0.0/16", "10.1/16"),
            ("10.128.0.0/9", "10.128.0.0/9", "10.128/9"),
            ("0/0", "0.0.0.0/0", "0/0"),
            ("224/4", "224.0.0.0/4", "224/4"),
            ("224", "224.0.0.0/4", "224/4"),
            ("192.168", "192.168.0.0/24", "192.168.0/24"),
            ("10", "10.0.0.0/8", "10/8"),
            ("2001:4f8:3:ba::/64", "2001:4f8:3:ba::/64", "2001:4f8:3:ba/64"),
            ("::ffff:1.2.3.0/120", "::ffff:1.2.3.0/120", "::ffff:1.2.3/120"),
            ("::ffff:1.2.3.0/128", "::ffff:1.2.3.0/128", "::ffff:1.2.3.0/128"),
            ("::/0", "::/0", "::/0"),
            ("::1/128", "::1/128", "::1/128"),
            ("::1:2/128", "::0.1.0.2/128", "::0.1.0.2/128"),
            ("2001::/16", "2001::/16", "2001::/16"),
            ("1::/20", "1::/20", "1::/20"),
            ("1:2:0:0:3::/80", "1:2:0:0:3::/80", "1:2::3/80"),
            ("1:0:2:3::/64", "1:0:2:3::/64", "1::2:3/64"),
            ("::18.0.0.0/112", "::18.0.0.0/112", "::18.0/112"),
            ("::ffff:0:0/96", "::ffff:0.0.0.0/96", "::ffff/96"),
        ] {
            assert_eq!((cidr(text).text(true).as_str(), cidr(text).abbreviated().as_str()), (shown, abbreviated), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in ["", "10.1.2", "1.2.3.4/33", " 1.2.3.4", "1.2.3.4.5", "256.1.1.1", "::1/0128", "::1/129", "1.2.3.4/", "/8", "10./", "x"]
        {
            let error = Network::parse(&PgType::Inet, text).unwrap_err();
            assert_eq!(error.message(), format!("invalid input syntax for type inet: \"{text}\""));
        }
        for text in ["10.", "x", "1.2.3.4/33"] {
            assert!(Network::parse(&PgType::Cidr, text).unwrap_err().message().starts_with("invalid input"), "{text}");
        }
        assert_eq!(Network::parse(&PgType::Cidr, "10.1.2.3/8").unwrap_err().message(), "invalid cidr value: \"10.1.2.3/8\"");
        for bytes in [&b""[..], b"\x04", b"\x04\x0a\0\0\x01\x21", b"\x04\x0a\0\0\x01\x08\0", b"\x06\x0a\0\0\x01\x08"] {
            assert!(Network::of_bytes(bytes).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn binary_forms_are_those_of_postgresql_15() {
        for (text, sent) in [
            ("10.0.0.1", &b"\x02\x20\0\x04\x0a\0\0\x01"[..]),
            ("10.0.0.0/8", b"\x02\x08\0\x04\x0a\0\0\0"),
            ("::1", b"\x03\x80\0\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01"),
        ] {
            assert_eq!(inet(text).sent(false), sent, "{text}");
            assert_eq!(Network::received(sent, false), Some(inet(text)), "{text}");
        }
        assert_eq!(cidr("10.0.0.0/8").sent(true), b"\x02\x08\x01\x04\x0a\0\0\0");
        assert_eq!(Network::received(b"\x02\x08\x01\x04\x0a\0\0\x01", true), None);
        for bytes in
            [&b""[..], b"\x02\x20\0\x04\x0a", b"\x02\x21\0\x04\x0a\0\0\x01", b"\x09\x20\0\x04\x0a\0\0\x01", b"\x02\x20\0\xff\x0a\0\0\x01"]
        {
            assert_eq!(Network::received(bytes, false), None, "{bytes:?}");
        }
    }

    /// `network_cmp_internal()`: the bits that both networks name, then how many these are, then the addresses.
    fn order(a: Network, b: Network) -> std::cmp::Ordering {
        let named = |n: Network, bits: u8| n.address & !all(n.width() - bits);
        let common = a.bits.min(b.bits);
        let key = |n: Network| (n.family(), named(n, common.min(n.width())), n.bits, n.address);
        key(a).cmp(&key(b))
    }

    fn any_network() -> impl Strategy<Value = Network> {
        // Few of the bits are set, so that many agree in a prefix.
        let address = prop_oneof![any::<u128>(), (0u32..128, 0u32..128).prop_map(|(i, j)| 1u128 << i | 1u128 << j)];
        (any::<bool>(), 0u8..=128, address).prop_map(|(is_v6, bits, address)| {
            let network = Network { is_v6, bits: 0, address: 0 };
            Network { bits: bits.min(network.width()), ..network }.with_address(address)
        })
    }

    proptest! {
        #[test]
        fn bytes_keep_the_value_and_the_order(a in any_network(), b in any_network()) {
            prop_assert_eq!(Network::of_bytes(&a.to_bytes()).unwrap(), a);
            prop_assert_eq!(a.to_bytes().cmp(&b.to_bytes()), order(a, b));
            prop_assert_eq!(inet(&a.text(false)), a);
            prop_assert_eq!(cidr(&a.network().text(true)), a.network());
            if !a.is_v6 {
                prop_assert_eq!(cidr(&a.network().abbreviated()), a.network());
            }
        }
    }
}
