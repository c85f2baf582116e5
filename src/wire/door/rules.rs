//! Host-based rules: who may come in from where, and how they show who they are. The syntax is that of PostgreSQL's pg_hba.conf.
//!
//! Manual: PostgreSQL, "The pg_hba.conf File". The first rule that fits decides; where none fits nobody comes in.

use std::net::IpAddr;

use super::{Origin, Peer};
use crate::error::{Error, Result, code};
use crate::wire::startup::Startup;

/// How a client shows who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// Not at all.
    Trust,
    /// It is turned away.
    Reject,
    /// By its password, which it does not send.
    Scram,
    /// By the operating system, which knows it by the user's name.
    Peer,
    /// By a certificate whose common name is the user's.
    Certificate,
}

/// One line.
#[derive(Clone, Debug)]
struct Rule {
    /// `Some(true)` for hostssl, `Some(false)` for hostnossl.
    encrypted: Option<bool>,
    databases: Vec<Word>,
    users: Vec<Word>,
    addresses: Addresses,
    method: Method,
}

/// A word, and whether it stood in quotes, where no word has a meaning of its own.
#[derive(Clone, Debug, PartialEq)]
struct Word {
    text: String,
    quoted: bool,
}

#[derive(Clone, Debug, PartialEq)]
enum Addresses {
    /// None: the socket of this machine.
    Local,
    All,
    SameHost,
    Network(IpAddr, u8),
}

/// The rules, in their order.
#[derive(Debug)]
pub(crate) struct Rules(Vec<Rule>);

impl Default for Rules {
    /// A password, from everywhere.
    fn default() -> Self {
        let all = || vec![Word { text: "all".into(), quoted: false }];
        let from = |addresses| Rule { encrypted: None, databases: all(), users: all(), addresses, method: Method::Scram };
        Rules(vec![from(Addresses::Local), from(Addresses::All)])
    }
}

impl Rules {
    /// Reads a file. Errors: F0000 with its name and the line.
    pub fn parse(file: &str, text: &str, verifies_clients: bool) -> Result<Rules> {
        let mut rules = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let place = |e: Error| {
                let mut e = e;
                e.fields_mut().message = format!("{file}:{}: {}", number + 1, e.message());
                e
            };
            let fields = fields(line).map_err(place)?;
            if !fields.is_empty() {
                rules.push(rule(&fields, verifies_clients).map_err(place)?);
            }
        }
        Ok(Rules(rules))
    }

    /// The method of the first rule that fits. Errors: 28000 if none does.
    pub fn decide(&self, asked: &Startup, peer: &Peer, groups: &[String]) -> Result<Method> {
        let fits = |rule: &&Rule| {
            rule.encrypted.is_none_or(|wanted| wanted == peer.tls.is_some())
                && rule.addresses.has(peer)
                && rule.databases.iter().any(|word| word.is_database(asked, groups))
                && rule.users.iter().any(|word| word.is_user(asked, groups))
        };
        match self.0.iter().find(fits) {
            Some(rule) => Ok(rule.method),
            None => Err(Error::new(code::INVALID_AUTHORIZATION, format!("no pg_hba.conf entry for {}", whom(asked, peer)))),
        }
    }
}

/// The error of a rule that turns the client away.
pub(crate) fn rejected(asked: &Startup, peer: &Peer) -> Error {
    Error::new(code::INVALID_AUTHORIZATION, format!("pg_hba.conf rejects connection for {}", whom(asked, peer)))
}

fn whom(asked: &Startup, peer: &Peer) -> String {
    let encryption = if peer.tls.is_some() { "SSL encryption" } else { "no encryption" };
    let host = match &peer.origin {
        Origin::Network { address, .. } => address.ip().to_canonical().to_string(),
        Origin::Local { .. } => "[local]".into(),
    };
    format!("host \"{host}\", user \"{}\", database \"{}\", {encryption}", asked.user, asked.database)
}

impl Word {
    fn is(&self, keyword: &str) -> bool {
        !self.quoted && self.text == keyword
    }

    fn is_database(&self, asked: &Startup, groups: &[String]) -> bool {
        match self.text.as_str() {
            _ if self.is("all") => true,
            _ if self.is("sameuser") => asked.database == asked.user,
            _ if self.is("samerole") || self.is("samegroup") => groups.contains(&asked.database),
            // There are no replication connections.
            _ if self.is("replication") => false,
            name => name == asked.database,
        }
    }

    fn is_user(&self, asked: &Startup, groups: &[String]) -> bool {
        match self.text.strip_prefix('+') {
            _ if self.is("all") => true,
            Some(group) if !self.quoted => groups.iter().any(|g| g == group),
            _ => self.text == asked.user,
        }
    }
}

impl Addresses {
    fn has(&self, peer: &Peer) -> bool {
        let Origin::Network { address, local } = &peer.origin else { return *self == Addresses::Local };
        let address = address.ip().to_canonical();
        match self {
            Addresses::Local => false,
            Addresses::All => true,
            Addresses::SameHost => address.is_loopback() || address == local.ip().to_canonical(),
            Addresses::Network(network, bits) => within(address, *network, *bits),
        }
    }

    /// True if only this machine is among them.
    fn is_this_machine(&self) -> bool {
        match self {
            Addresses::All => false,
            Addresses::Local | Addresses::SameHost => true,
            Addresses::Network(IpAddr::V4(network), bits) => network.is_loopback() && *bits >= 8,
            Addresses::Network(IpAddr::V6(network), bits) => network.is_loopback() && *bits == 128,
        }
    }
}

fn within(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(n)) => bits == 0 || (a.to_bits() ^ n.to_bits()) >> (32 - u32::from(bits)) == 0,
        (IpAddr::V6(a), IpAddr::V6(n)) => bits == 0 || (a.to_bits() ^ n.to_bits()) >> (128 - u32::from(bits)) == 0,
        _ => false,
    }
}

fn wrong(message: impl Into<String>) -> Error {
    Error::new(code::CONFIG_FILE_ERROR, message)
}

/// The fields of a line, each a list of words parted by commas.
fn fields(line: &str) -> Result<Vec<Vec<Word>>> {
    let mut fields: Vec<Vec<Word>> = Vec::new();
    let mut rest = line.trim_start();
    let mut goes_on = false;
    while !rest.is_empty() && !rest.starts_with('#') {
        let (word, after) = match rest.strip_prefix('"') {
            Some(inside) => {
                let (text, after) = inside.split_once('"').ok_or_else(|| wrong("a quote is not closed"))?;
                (Word { text: text.to_string(), quoted: true }, after)
            }
            None => {
                let end = rest.find(|c: char| c.is_whitespace() || c == ',' || c == '#').unwrap_or(rest.len());
                (Word { text: rest[..end].to_string(), quoted: false }, &rest[end..])
            }
        };
        match fields.last_mut() {
            Some(list) if goes_on => list.push(word),
            _ => fields.push(vec![word]),
        }
        let after = after.trim_start();
        goes_on = after.starts_with(',');
        rest = after.strip_prefix(',').unwrap_or(after).trim_start();
    }
    Ok(fields)
}

fn rule(fields: &[Vec<Word>], verifies_clients: bool) -> Result<Rule> {
    let one = |field: Option<&Vec<Word>>, what: &str| match field.map(Vec::as_slice) {
        Some([word]) => Ok(word.text.clone()),
        Some(_) => Err(wrong(format!("multiple values specified for {what}"))),
        None => Err(wrong(format!("end-of-line before {what}"))),
    };
    let (local, encrypted) = match one(fields.first(), "connection type")?.as_str() {
        "local" => (true, None),
        "host" => (false, None),
        "hostssl" => (false, Some(true)),
        "hostnossl" => (false, Some(false)),
        other => {
            return Err(wrong(format!("invalid connection type \"{other}\"")).hint("The types are local, host, hostssl and hostnossl."));
        }
    };
    let databases = fields.get(1).ok_or_else(|| wrong("end-of-line before database specification"))?.clone();
    let users = fields.get(2).ok_or_else(|| wrong("end-of-line before role specification"))?.clone();
    let unsupported = |word: &&Word| !word.quoted && word.text.starts_with(['@', '/']);
    if let Some(word) = databases.iter().chain(&users).find(unsupported) {
        return Err(wrong(format!("\"{}\": files and regular expressions are not supported", word.text)).hint("Write the names out."));
    }
    let (addresses, rest) = if local {
        (Addresses::Local, &fields[3..])
    } else {
        let (addresses, masks) = addresses(&one(fields.get(3), "IP address specification")?, fields.get(4))?;
        (addresses, fields.get(4 + masks..).unwrap_or_default())
    };
    let method = one(rest.first(), "authentication method")?;
    if let Some(option) = rest.get(1) {
        return Err(wrong(format!("authentication option \"{}\" is not supported", option[0].text)).hint("End the line after the method."));
    }
    let method = match method.as_str() {
        "trust" if !addresses.is_this_machine() => {
            return Err(wrong("trust would let other machines in without a password").hint("Use scram-sha-256 or cert."));
        }
        "trust" => Method::Trust,
        "reject" => Method::Reject,
        "scram-sha-256" => Method::Scram,
        "peer" if local => Method::Peer,
        "peer" => return Err(wrong("peer authentication is only supported on local sockets")),
        "cert" if encrypted != Some(true) => return Err(wrong("cert authentication is only supported on hostssl connections")),
        "cert" if !verifies_clients => {
            return Err(
                wrong("cert needs the authorities whose certificates are accepted").hint("Set tls_cert, tls_key and tls_client_ca.")
            );
        }
        "cert" => Method::Certificate,
        other => {
            let e = wrong(format!("invalid authentication method \"{other}\""));
            return Err(e.hint("The methods are scram-sha-256, cert, peer and trust (for this machine) and reject."));
        }
    };
    Ok(Rule { encrypted, databases, users, addresses, method })
}

/// The addresses of a rule, and how many fields more than one they take: 1 where a mask follows.
fn addresses(text: &str, next: Option<&Vec<Word>>) -> Result<(Addresses, usize)> {
    let address = |text: &str| text.parse::<IpAddr>().ok();
    match text {
        "all" => return Ok((Addresses::All, 0)),
        "samehost" => return Ok((Addresses::SameHost, 0)),
        "samenet" => return Err(wrong("samenet is not supported").hint("Write the network, as in 10.0.0.0/8.")),
        _ => {}
    }
    if let Some((network, bits)) = text.split_once('/') {
        let network = address(network).ok_or_else(|| wrong(format!("invalid IP address \"{network}\"")))?;
        let most = if network.is_ipv4() { 32 } else { 128 };
        let bits = bits.parse().ok().filter(|b| *b <= most).ok_or_else(|| wrong(format!("invalid CIDR mask in address \"{text}\"")))?;
        return Ok((Addresses::Network(network, bits), 0));
    }
    let hint = "Write an address with its bits, as in 192.0.2.0/24, or all or samehost.";
    let network =
        address(text).ok_or_else(|| wrong(format!("\"{text}\" is not an IP address; host names are not supported")).hint(hint))?;
    let mask =
        next.and_then(|words| address(&words[0].text)).ok_or_else(|| wrong("end-of-line before netmask specification").hint(hint))?;
    let (ones, zeros) = match mask {
        IpAddr::V4(m) => (m.to_bits().leading_ones(), m.to_bits().trailing_zeros()),
        IpAddr::V6(m) => (m.to_bits().leading_ones(), m.to_bits().trailing_zeros()),
    };
    let most = if network.is_ipv4() { 32 } else { 128 };
    if mask.is_ipv4() != network.is_ipv4() || ones + zeros != most {
        return Err(wrong(format!("invalid IP mask \"{mask}\"")));
    }
    Ok((Addresses::Network(network, ones as u8), 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::door::tls::Facts;

    const FILE: &str = "# TYPE DATABASE USER ADDRESS METHOD
host    all      mallory       all                     reject
host    all      all           127.0.0.1/32            trust   # this machine
hostssl shop,\"all\" ann, +staff 10.0.0.0/8            scram-sha-256
hostssl all      robot         ::/0                    cert
hostnossl sameuser all         192.168.1.0 255.255.255.0 scram-sha-256
local   shop     ann                                   peer
";

    fn decide(user: &str, database: &str, address: &str, encrypted: bool, groups: &[&str]) -> String {
        let rules = Rules::parse("hba.conf", FILE, true).unwrap();
        let asked = Startup { user: user.into(), database: database.into(), settings: vec![], long_secret: false };
        let tls = encrypted.then_some(Facts { binding: None, client: None });
        let origin = match address {
            "" => Origin::Local { user: Some("ann".into()) },
            of => {
                let with_port = |address: &str| (address.parse::<IpAddr>().unwrap(), 5432).into();
                Origin::Network { address: with_port(of), local: with_port("127.0.0.1") }
            }
        };
        let peer = Peer { origin, tls };
        let groups: Vec<String> = groups.iter().map(|g| g.to_string()).collect();
        rules.decide(&asked, &peer, &groups).map_or_else(|e| e.message().to_string(), |m| format!("{m:?}"))
    }

    #[test]
    fn the_first_rule_that_fits_decides() {
        assert_eq!(decide("mallory", "shop", "127.0.0.1", false, &[]), "Reject");
        assert_eq!(decide("bob", "x", "::ffff:127.0.0.1", false, &[]), "Trust");
        assert_eq!(decide("ann", "shop", "10.1.2.3", true, &[]), "Scram");
        assert_eq!(decide("bob", "all", "10.1.2.3", true, &["staff"]), "Scram");
        assert_eq!(decide("robot", "x", "2001:db8::1", true, &[]), "Certificate");
        assert_eq!(decide("bob", "bob", "192.168.1.77", false, &[]), "Scram");
        assert_eq!(decide("ann", "shop", "", false, &[]), "Peer");
        let stranger = "no pg_hba.conf entry for host \"[local]\", user \"bob\", database \"shop\", no encryption";
        assert_eq!(decide("bob", "shop", "", false, &[]), stranger);
        let nobody = "no pg_hba.conf entry for host \"10.1.2.3\", user \"ann\", database \"shop\", no encryption";
        assert_eq!(decide("ann", "shop", "10.1.2.3", false, &[]), nobody);
        assert!(decide("bob", "shop", "10.1.2.3", true, &[]).starts_with("no pg_hba.conf entry"));
        assert!(decide("bob", "bob", "192.168.2.1", false, &[]).starts_with("no pg_hba.conf entry"));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let cases = [
            ("host all all all trust", "trust would let other machines in without a password"),
            ("host all all 0.0.0.0/0 trust", "trust would let other machines in without a password"),
            ("host all all all peer", "peer authentication is only supported on local sockets"),
            ("local all all all peer", "authentication option \"peer\" is not supported"),
            ("local all all", "end-of-line before authentication method"),
            ("host all all", "end-of-line before IP address specification"),
            ("host all all example.org scram-sha-256", "\"example.org\" is not an IP address; host names are not supported"),
            ("host all all 10.0.0.0/33 scram-sha-256", "invalid CIDR mask in address \"10.0.0.0/33\""),
            ("host all all 10.0.0.0 255.0.255.0 reject", "invalid IP mask \"255.0.255.0\""),
            ("host all all all md5", "invalid authentication method \"md5\""),
            ("host all all all cert", "cert authentication is only supported on hostssl connections"),
            ("hostssl all all all cert", "cert needs the authorities whose certificates are accepted"),
            ("host all all all scram-sha-256 map=x", "authentication option \"map=x\" is not supported"),
            ("host all \"a all reject", "a quote is not closed"),
            ("host @dbs all all reject", "\"@dbs\": files and regular expressions are not supported"),
        ];
        for (line, message) in cases {
            let e = Rules::parse("hba.conf", &format!("# rules\n{line}\n"), false).unwrap_err();
            assert_eq!((e.code(), e.message()), ("F0000", format!("hba.conf:2: {message}").as_str()));
        }
    }
}
