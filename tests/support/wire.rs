//! The protocol, message by message, over a blocking socket.
//!
//! <https://www.postgresql.org/docs/15/protocol-message-formats.html>

// A test makes a handful of reports; boxing them would only make it harder to read.
#![allow(clippy::result_large_err)]

use std::io::{self, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// An error or notice of the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub severity: String,
    pub code: String,
    pub message: String,
    pub detail: Option<String>,
    pub hint: Option<String>,
    pub context: Option<String>,
    /// In characters, from 1.
    pub position: Option<usize>,
}

/// What a statement answered.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// Name and type oid of each column; `None` if it returns no rows.
    pub columns: Option<Vec<(String, u32)>>,
    pub rows: Vec<Vec<Option<Vec<u8>>>>,
    /// What COPY TO sent.
    pub copied: Vec<u8>,
    /// The command tag; `None` for an empty query or a suspended portal.
    pub tag: Option<String>,
    pub notices: Vec<Report>,
}

impl Answer {
    /// The rows as `psql -At` prints them: columns parted by `|`, NULL as nothing.
    pub fn lines(&self) -> Vec<String> {
        let cell = |c: &Option<Vec<u8>>| String::from_utf8_lossy(c.as_deref().unwrap_or_default()).into_owned();
        self.rows.iter().map(|row| row.iter().map(cell).collect::<Vec<_>>().join("|")).collect()
    }
}

/// One answer or error per statement.
pub type Outcome = Result<Answer, Report>;

/// A connection.
pub struct Wire {
    stream: BufReader<TcpStream>,
    /// Process id and secret, as a cancel request wants them.
    pub key: Vec<u8>,
    /// What the last ReadyForQuery reported: `I`, `T` or `E`.
    pub status: char,
    /// Parameters that the server has reported, in order.
    pub parameters: Vec<(String, String)>,
}

/// How long a test waits for an answer before it fails. No test waits that long when all is well.
const PATIENCE: Duration = Duration::from_secs(120);

impl Wire {
    /// Connects as any user; the server must let it in.
    pub fn connect(address: SocketAddr) -> Wire {
        Wire::connect_with(address, &[("user", "ann"), ("database", "everfold")]).expect("the server lets us in")
    }

    /// Connects with these startup parameters. Errors: what the server refused with.
    pub fn connect_with(address: SocketAddr, settings: &[(&str, &str)]) -> Result<Wire, Report> {
        Wire::connect_by(0x3_0000, address, settings)
    }

    /// The same by this version of the protocol: the major number in the upper 16 bits.
    pub fn connect_by(version: u32, address: SocketAddr, settings: &[(&str, &str)]) -> Result<Wire, Report> {
        let stream = TcpStream::connect(address).expect("the server listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        stream.set_nodelay(true).expect("nodelay can be set");
        let mut wire = Wire { stream: BufReader::new(stream), key: vec![], status: '?', parameters: vec![] };
        let mut body = version.to_be_bytes().to_vec();
        for (name, value) in settings {
            body.extend_from_slice(format!("{name}\0{value}\0").as_bytes());
        }
        body.push(0);
        let mut packet = (body.len() as u32 + 4).to_be_bytes().to_vec();
        packet.extend_from_slice(&body);
        wire.raw(&packet).expect("the startup is sent");
        let mut refused = None;
        loop {
            match wire.read() {
                Ok((b'E', body)) => refused = Some(report(&body)),
                Ok((b'Z', _)) => return Ok(wire),
                Ok(_) => {}
                Err(e) => return Err(refused.unwrap_or_else(|| panic!("the connection broke: {e}"))),
            }
        }
    }

    /// Sends bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// The socket, to close or break it.
    pub fn socket(&self) -> &TcpStream {
        self.stream.get_ref()
    }

    /// Asks the server, over a connection of its own, to cancel what runs here; answers once the server has taken it.
    pub fn cancel(&self) {
        let mut other = TcpStream::connect(self.socket().peer_addr().expect("it is connected")).expect("the server listens");
        let request = [&(self.key.len() as u32 + 8).to_be_bytes()[..], &80_877_102u32.to_be_bytes(), &self.key].concat();
        other.write_all(&request).expect("the server takes it");
        let _ = other.read_to_end(&mut Vec::new());
    }

    /// Sends messages in one write.
    pub fn send(&mut self, messages: &[(u8, &[u8])]) {
        let mut out = Vec::new();
        for (tag, body) in messages {
            out.push(*tag);
            out.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
            out.extend_from_slice(body);
        }
        self.raw(&out).expect("the server takes it");
    }

    /// The next message, as it came.
    pub fn read(&mut self) -> io::Result<(u8, Vec<u8>)> {
        let mut head = [0; 5];
        self.stream.read_exact(&mut head)?;
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        let mut body = vec![0; length - 4];
        self.stream.read_exact(&mut body)?;
        match head[0] {
            b'Z' => self.status = char::from(body[0]),
            b'K' => self.key = body.clone(),
            b'S' => {
                let mut texts = strings(&body);
                let name = texts.next().unwrap_or_default();
                self.parameters.push((name, texts.next().unwrap_or_default()));
            }
            _ => {}
        }
        Ok((head[0], body))
    }

    /// Reads up to ReadyForQuery: one outcome per statement.
    pub fn outcomes(&mut self) -> Vec<Outcome> {
        self.outcomes_copying(b"", &[])
    }

    /// The same, sending `data` to each COPY FROM STDIN, then the messages `after` it.
    fn outcomes_copying(&mut self, data: &[u8], after: &[(u8, &[u8])]) -> Vec<Outcome> {
        let mut done = Vec::new();
        let mut now = Answer::default();
        loop {
            let (tag, body) = self.read().expect("the server answers");
            match tag {
                b'T' => now.columns = Some(columns(&body)),
                b'D' => now.rows.push(row(&body)),
                b'd' => now.copied.extend_from_slice(&body),
                b'N' => now.notices.push(report(&body)),
                b'G' => {
                    self.send(&[(b'd', data), (b'c', b"")]);
                    self.send(after);
                }
                b'C' => {
                    now.tag = strings(&body).next();
                    done.push(Ok(std::mem::take(&mut now)));
                }
                b'I' | b's' => done.push(Ok(std::mem::take(&mut now))),
                b'E' => {
                    now = Answer::default();
                    done.push(Err(report(&body)));
                }
                b'Z' => return done,
                _ => {}
            }
        }
    }

    /// A simple query message; one outcome per statement of it.
    pub fn simple(&mut self, sql: &str) -> Vec<Outcome> {
        self.simple_copying(sql, b"")
    }

    /// The same, sending `data` where a statement takes it.
    pub fn simple_copying(&mut self, sql: &str, data: &[u8]) -> Vec<Outcome> {
        self.send(&[(b'Q', format!("{sql}\0").as_bytes())]);
        self.outcomes_copying(data, &[])
    }

    /// One statement over the extended protocol: Parse, Bind, Describe, Execute, Sync; everything as text.
    pub fn extended(&mut self, sql: &str, parameters: &[Option<&str>]) -> Outcome {
        self.extended_copying(sql, parameters, b"")
    }

    /// The same, sending `data` if the statement takes it.
    pub fn extended_copying(&mut self, sql: &str, parameters: &[Option<&str>], data: &[u8]) -> Outcome {
        let parse = [b"\0", sql.as_bytes(), b"\0\0\0"].concat();
        let mut bind = b"\0\0\0\0".to_vec();
        bind.extend_from_slice(&(parameters.len() as u16).to_be_bytes());
        for value in parameters {
            match value {
                None => bind.extend_from_slice(&(-1i32).to_be_bytes()),
                Some(text) => {
                    bind.extend_from_slice(&(text.len() as u32).to_be_bytes());
                    bind.extend_from_slice(text.as_bytes());
                }
            }
        }
        bind.extend_from_slice(b"\0\0");
        let execute: &[u8] = b"\0\0\0\0\0";
        // A server that takes COPY data ignores Sync until the data has ended, so it is sent again behind them.
        self.send(&[(b'P', &parse), (b'B', &bind), (b'D', b"P\0"), (b'E', execute), (b'S', b"")]);
        let again: &[(u8, &[u8])] = &[(b'S', b"")];
        let mut all = self.outcomes_copying(data, again);
        assert!(all.len() <= 1, "one statement, one outcome: {all:?}");
        all.pop().unwrap_or(Ok(Answer::default()))
    }

    /// Runs statements that must succeed; the last one's answer.
    #[track_caller]
    pub fn ok(&mut self, sql: &str) -> Answer {
        let mut last = Answer::default();
        for outcome in self.simple(sql) {
            last = outcome.unwrap_or_else(|e| panic!("{}\n{e:?}", shortened(sql)));
        }
        last
    }

    /// The rows of a statement that must succeed, as `psql -At` prints them.
    #[track_caller]
    pub fn rows(&mut self, sql: &str) -> Vec<String> {
        self.ok(sql).lines()
    }

    /// The only value of a statement that must succeed.
    #[track_caller]
    pub fn value(&mut self, sql: &str) -> String {
        let lines = self.rows(sql);
        assert_eq!(lines.len(), 1, "{}", shortened(sql));
        lines.into_iter().next().unwrap_or_default()
    }

    /// The error of a statement that must fail.
    #[track_caller]
    pub fn error(&mut self, sql: &str) -> Report {
        match self.simple(sql).pop() {
            Some(Err(e)) => e,
            other => panic!("{}\nshould fail, but answered {other:?}", shortened(sql)),
        }
    }

    /// Copies `data` in; the tag.
    #[track_caller]
    pub fn copy_in(&mut self, sql: &str, data: &[u8]) -> Result<String, Report> {
        let outcome = self.simple_copying(sql, data).pop().expect("COPY answers");
        outcome.map(|a| a.tag.unwrap_or_default())
    }
}

/// The beginning of a statement, for a message.
fn shortened(sql: &str) -> String {
    sql.chars().take(300).collect()
}

fn strings(body: &[u8]) -> impl Iterator<Item = String> + '_ {
    body.split(|b| *b == 0).map(|text| String::from_utf8_lossy(text).into_owned())
}

/// Reads an ErrorResponse or NoticeResponse.
pub fn report(body: &[u8]) -> Report {
    let mut report = Report::default();
    for field in strings(body) {
        let Some(kind) = field.chars().next() else { continue };
        let text = field[1..].to_string();
        match kind {
            'V' => report.severity = text,
            'C' => report.code = text,
            'M' => report.message = text,
            'D' => report.detail = Some(text),
            'H' => report.hint = Some(text),
            'W' => report.context = Some(text),
            'P' => report.position = text.parse().ok(),
            _ => {}
        }
    }
    report
}

fn u16_at(body: &[u8], at: usize) -> usize {
    usize::from(u16::from_be_bytes([body[at], body[at + 1]]))
}

fn columns(body: &[u8]) -> Vec<(String, u32)> {
    let mut at = 2;
    let mut columns = Vec::new();
    for _ in 0..u16_at(body, 0) {
        let end = at + body[at..].iter().position(|b| *b == 0).expect("a name ends");
        let name = String::from_utf8_lossy(&body[at..end]).into_owned();
        let oid = u32::from_be_bytes(body[end + 7..end + 11].try_into().expect("four bytes"));
        columns.push((name, oid));
        at = end + 19;
    }
    columns
}

fn row(body: &[u8]) -> Vec<Option<Vec<u8>>> {
    let mut at = 2;
    let mut cells = Vec::new();
    for _ in 0..u16_at(body, 0) {
        let length = i32::from_be_bytes(body[at..at + 4].try_into().expect("four bytes"));
        at += 4;
        cells.push(usize::try_from(length).ok().map(|n| body[at..at + n].to_vec()));
        at += usize::try_from(length).unwrap_or(0);
    }
    cells
}

/// The name of a type, as PostgreSQL's format_type has it.
pub fn type_name(oid: u32) -> String {
    let scalar = [
        (16, 1000, "boolean"),
        (17, 1001, "bytea"),
        (18, 1002, "\"char\""),
        (19, 1003, "name"),
        (20, 1016, "bigint"),
        (21, 1005, "smallint"),
        (23, 1007, "integer"),
        (25, 1009, "text"),
        (26, 1028, "oid"),
        (114, 199, "json"),
        (650, 651, "cidr"),
        (700, 1021, "real"),
        (701, 1022, "double precision"),
        (705, 0, "unknown"),
        (869, 1041, "inet"),
        (1042, 1014, "character"),
        (1043, 1015, "character varying"),
        (1082, 1182, "date"),
        (1083, 1183, "time without time zone"),
        (1114, 1115, "timestamp without time zone"),
        (1184, 1185, "timestamp with time zone"),
        (1186, 1187, "interval"),
        (1700, 1231, "numeric"),
        (2249, 2287, "record"),
        (2950, 2951, "uuid"),
        (3802, 3807, "jsonb"),
        (4072, 4073, "jsonpath"),
        (2205, 2210, "regclass"),
        (2206, 2211, "regtype"),
        (27, 1010, "tid"),
        (28, 1011, "xid"),
        (29, 1012, "cid"),
        (5069, 271, "xid8"),
        (2278, 0, "void"),
    ];
    match scalar.iter().find(|(one, many, _)| *one == oid || *many == oid) {
        Some((one, _, name)) if *one == oid => (*name).to_string(),
        Some((_, _, name)) => format!("{name}[]"),
        None => format!("type {oid}"),
    }
}
