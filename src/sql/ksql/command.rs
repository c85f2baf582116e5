//! Statements of ksqlDB's dialect about queries, the catalog and the session, and assertions.

use super::ast::{Assert, Control, Explained, Kind, Shown, Statement};
use super::lex::Lexeme;
use super::parse::Parser;
use crate::error::Result;

impl Parser<'_> {
    /// A statement that begins with none of the words that more than one module knows.
    pub(super) fn command(&mut self) -> Result<Statement> {
        let read = match self.word(0) {
            "TERMINATE" => |p: &mut Self| p.control(Control::Terminate),
            "PAUSE" => |p: &mut Self| p.control(Control::Pause),
            "RESUME" => |p: &mut Self| p.control(Control::Resume),
            "SHOW" | "LIST" => Self::show,
            "DESCRIBE" => Self::describe,
            "PRINT" => Self::print,
            "SET" => |p: &mut Self| {
                let (property, value) = (p.string()?, p.assigned()?);
                Ok(Statement::Set { property, value })
            },
            "UNSET" => |p: &mut Self| Ok(Statement::Unset { property: p.string()? }),
            "DEFINE" => |p: &mut Self| {
                let (name, value) = (p.name()?, p.assigned()?);
                Ok(Statement::Define { name, value })
            },
            "UNDEFINE" => |p: &mut Self| Ok(Statement::Undefine { name: p.name()? }),
            "RUN" => |p: &mut Self| {
                p.expect(&["SCRIPT"])?;
                Ok(Statement::RunScript { file: p.string()? })
            },
            "SPOOL" => |p: &mut Self| {
                p.skip_all();
                Ok(Statement::Refused { what: "SPOOL", hint: "Let the client write its output into a file." })
            },
            _ => return Err(self.unexpected()),
        };
        self.skip(1);
        read(self)
    }

    /// `= 'value'`
    fn assigned(&mut self) -> Result<String> {
        self.expect_sign("=")?;
        self.string()
    }

    fn control(&mut self, action: Control) -> Result<Statement> {
        let query = if self.eat(&["ALL"]) { None } else { Some(self.name()?) };
        Ok(Statement::Control { action, query })
    }

    fn show(&mut self) -> Result<Statement> {
        let what = match (self.word(0), self.word(1)) {
            ("STREAMS", _) => Shown::Streams,
            ("TABLES", _) => Shown::Tables,
            ("TOPICS", _) => Shown::Topics { all: false },
            ("ALL", "TOPICS") => {
                self.skip(1);
                Shown::Topics { all: true }
            }
            ("QUERIES", _) => Shown::Queries,
            ("FUNCTIONS", _) => Shown::Functions,
            ("TYPES", _) => Shown::Types,
            ("PROPERTIES", _) => Shown::Properties,
            ("VARIABLES", _) => Shown::Variables,
            ("CONNECTORS", _) | ("SOURCE" | "SINK", "CONNECTORS") | ("CONNECTOR", "PLUGINS") => return Ok(self.connectors()),
            _ => return Err(self.unexpected()),
        };
        self.skip(1);
        let extended = matches!(what, Shown::Streams | Shown::Tables | Shown::Topics { .. } | Shown::Queries) && self.eat(&["EXTENDED"]);
        Ok(Statement::Show { what, extended })
    }

    fn describe(&mut self) -> Result<Statement> {
        match (self.word(0), self.names(1)) {
            ("FUNCTION", true) => {
                self.skip(1);
                return Ok(Statement::DescribeFunction(self.name()?.to_ascii_uppercase()));
            }
            ("CONNECTOR", true) => return Ok(self.connectors()),
            _ => {}
        }
        // EXTENDED stood before the name in old versions.
        let before = self.word(0) == "EXTENDED" && self.names(1);
        if before {
            self.skip(1);
        }
        let kind = match self.word(0) {
            "STREAMS" => Some(Kind::Stream),
            "TABLES" => Some(Kind::Table),
            _ => None,
        };
        let name = self.name()?;
        let extended = before || self.eat(&["EXTENDED"]);
        Ok(match kind {
            Some(kind) => Statement::DescribeAll { kind, extended },
            None => Statement::Describe { name, extended },
        })
    }

    fn print(&mut self) -> Result<Statement> {
        let topic = self.topic()?;
        let from_beginning = self.eat(&["FROM"]);
        if from_beginning {
            self.expect(&["BEGINNING"])?;
        }
        let interval = if self.eat(&["INTERVAL"]) || self.eat(&["SAMPLE"]) { Some(self.count()?) } else { None };
        let limit = if self.eat(&["LIMIT"]) { Some(self.count()?) } else { None };
        Ok(Statement::Print { topic, from_beginning, interval, limit })
    }

    pub(super) fn explain(&mut self) -> Result<Statement> {
        self.expect(&["EXPLAIN"])?;
        let (first, name) = (self.next, self.name());
        match name {
            Ok(name) if self.ends() => return Ok(Statement::Explain(Explained::Query(name))),
            _ => self.next = first,
        }
        Ok(Statement::Explain(Explained::Statement(Box::new(self.statement()?))))
    }

    pub(super) fn assertion(&mut self) -> Result<Statement> {
        self.expect(&["ASSERT"])?;
        let null = self.eat(&["NULL"]);
        if null || self.word(0) == "VALUES" {
            self.expect(&["VALUES"])?;
            let name = self.name()?;
            let columns = if self.sign(0) == "(" { self.parenthesized(Self::name)? } else { Vec::new() };
            self.expect(&[if null { "KEY" } else { "VALUES" }])?;
            return Ok(Statement::Assert(Assert::Values { name, columns, values: self.values()?, null }));
        }
        if matches!(self.word(0), "STREAM" | "TABLE") {
            let kind = self.kind()?;
            let name = self.name()?;
            let columns = if self.sign(0) == "(" { self.columns()? } else { Vec::new() };
            return Ok(Statement::Assert(Assert::Relation { kind, name, columns, with: self.with()? }));
        }
        let exists = !self.eat(&["NOT", "EXISTS"]);
        if self.eat(&["SCHEMA"]) {
            return self.schema();
        }
        self.expect(&["TOPIC"])?;
        let name = self.topic()?;
        let with = self.with()?;
        Ok(Statement::Assert(Assert::Topic { name, exists, with, timeout_ms: self.timeout()? }))
    }

    fn timeout(&mut self) -> Result<Option<u64>> {
        if !self.eat(&["TIMEOUT"]) {
            return Ok(None);
        }
        Ok(Some(self.duration("a timeout", 0)?.unsigned_abs()))
    }

    /// ASSERT SCHEMA, behind SCHEMA: there is no registry of schemas.
    fn schema(&mut self) -> Result<Statement> {
        if self.eat(&["SUBJECT"]) {
            self.topic()?;
        }
        if self.eat(&["ID"]) {
            match self.peek(0) {
                Some(Lexeme::Text(_)) => self.string().map(|_| ())?,
                _ => self.count().map(|_| ())?,
            }
        }
        self.timeout()?;
        Ok(Statement::Refused { what: "ASSERT SCHEMA", hint: "Write ASSERT STREAM or ASSERT TABLE with the columns." })
    }
}
