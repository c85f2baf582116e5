//! Views of a well-known suite, `sql/<name>/q*.sql`, over data that change.
//!
//! Everything happens in a server and, if there is one, in PostgreSQL too. [`Suite::check`] then holds each view against its own query
//! run in batch and against PostgreSQL's answer: to the same query, or to `sql/<name>/plain/q*.sql` where ours says what PostgreSQL
//! cannot.

use std::path::{Path, PathBuf};

use super::postgres::{Postgres, complaint, reachable};
use super::server::Server;
use super::wire::{Answer, Wire, type_name};

/// A view of the suite.
struct View {
    name: String,
    /// Its CREATE MATERIALIZED VIEW.
    statement: String,
    /// Its query.
    query: String,
    /// The same for PostgreSQL.
    plain: String,
    created: bool,
}

/// A server with the views of a suite.
pub struct Suite {
    server: Option<Server>,
    wire: Wire,
    peer: Option<Postgres>,
    views: Vec<View>,
}

/// The text of a file of the suite; `None` if it is not there.
fn text(path: PathBuf) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

/// The views of a directory, in the order of their numbers.
fn views(directory: &Path) -> Vec<View> {
    let read = |number: usize| {
        let name = format!("q{number}");
        let statement = text(directory.join(format!("{name}.sql")))?;
        let head = format!("CREATE MATERIALIZED VIEW {name} AS\n");
        let (_, query) = statement.split_once(&head).unwrap_or_else(|| panic!("{name}.sql creates the view {name}"));
        let query = query.trim_end().trim_end_matches(';').to_string();
        let plain = text(directory.join("plain").join(format!("{name}.sql")));
        let plain = plain.map_or_else(|| query.clone(), |p| p.trim_end().trim_end_matches(';').to_string());
        Some(View { name, statement, query, plain, created: false })
    };
    (0..100).filter_map(read).collect()
}

impl Suite {
    /// A server with the relations of `sql/<name>/schema.sql`, and PostgreSQL with the same.
    pub fn start(name: &str) -> Suite {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql").join(name);
        let schema = text(directory.join("schema.sql")).expect("the suite has a schema");
        let peer = reachable().map(|dsn| Postgres::open(dsn, name));
        match &peer {
            Some(peer) => peer.execute(&schema.replace("CREATE STREAM", "CREATE TABLE")).expect("PostgreSQL takes the schema"),
            None => eprintln!("NOTICE: {name} is not compared with PostgreSQL: none is installed, and EVERFOLD_POSTGRES names none"),
        }
        let server = Server::start();
        let mut wire = server.connect();
        wire.ok(&schema);
        Suite { server: Some(server), wire, peer, views: views(&directory) }
    }

    /// Copies CSV into a relation, as one commit.
    pub fn copy(&mut self, relation: &str, csv: &[u8]) {
        let sql = format!("COPY {relation} FROM STDIN (FORMAT csv)");
        self.wire.copy_in(&sql, csv).unwrap_or_else(|e| panic!("{sql}: {e:?}"));
        if let Some(peer) = &self.peer {
            peer.copy_in(&sql, csv).unwrap_or_else(|e| panic!("PostgreSQL, {sql}: {}", complaint(&e)));
        }
    }

    /// Runs statements, each of them a commit unless a transaction holds them together.
    pub fn run(&mut self, sql: &str) {
        self.wire.ok(sql);
        if let Some(peer) = &self.peer {
            peer.execute(sql).unwrap_or_else(|e| panic!("PostgreSQL, {sql}: {}", complaint(&e)));
        }
    }

    /// The only value of a query.
    pub fn value(&mut self, sql: &str) -> String {
        self.wire.value(sql)
    }

    /// Creates those views of the suite that `wanted` names by their place; those in `refused` must be refused.
    pub fn create(&mut self, wanted: impl Fn(usize) -> bool, refused: &[&str]) {
        let mut wrong = Vec::new();
        for (_, view) in self.views.iter_mut().enumerate().filter(|(place, view)| wanted(*place) && !view.created) {
            let outcome = self.wire.simple(&view.statement).pop().expect("a statement answers");
            view.created = outcome.is_ok();
            match (outcome, refused.contains(&view.name.as_str())) {
                (Ok(_), true) => wrong.push(format!("{} is no longer refused: take it from the list", view.name)),
                (Err(e), false) => wrong.push(format!("{} is refused: {e:?}", view.name)),
                _ => {}
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    /// Ends the server and starts it again.
    pub fn restart(&mut self) {
        self.reopen(Server::restart);
    }

    /// Kills the server and starts it again.
    pub fn kill(&mut self) {
        self.reopen(Server::kill_and_restart);
    }

    fn reopen(&mut self, way: impl FnOnce(Server) -> Server) {
        let running = self.server.take().expect("it runs");
        self.wire = self.server.insert(way(running)).connect();
    }

    /// Each view equals its query, here and in PostgreSQL; and has rows, if it is to be `filled`.
    pub fn check(&mut self, when: &str, filled: bool) {
        let mut wrong = Vec::new();
        for view in self.views.iter().filter(|v| v.created) {
            let held = match self.wire.simple(&format!("SELECT * FROM {}", view.name)).pop().expect("a statement answers") {
                Ok(held) => held,
                Err(e) => {
                    wrong.push(format!("{} fails: {e:?}", view.name));
                    continue;
                }
            };
            let mut compare = |with: &str, theirs: Result<Vec<Vec<Option<String>>>, String>| match theirs {
                Ok(theirs) => wrong.extend(difference(&held, &theirs).map(|d| format!("{} differs from {with}\n{d}", view.name))),
                Err(e) => wrong.push(format!("{}, asked of {with}: {e}", view.name)),
            };
            let batch = self.wire.simple(&view.query).pop().expect("a statement answers");
            compare("its query", batch.map(|a| cells(&a)).map_err(|e| format!("{e:?}")));
            if let Some(peer) = &self.peer {
                compare("PostgreSQL", peer.rows(&view.plain).map_err(|e| complaint(&e)));
            }
            if filled && held.rows.is_empty() {
                wrong.push(format!("{} is empty, which shows nothing", view.name));
            }
        }
        assert!(wrong.is_empty(), "{when}:\n{}", wrong.join("\n"));
    }
}

fn cells(answer: &Answer) -> Vec<Vec<Option<String>>> {
    let text = |cell: &Option<Vec<u8>>| cell.as_ref().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    answer.rows.iter().map(|row| row.iter().map(text).collect()).collect()
}

/// The rows that only one of two answers has.
fn difference(held: &Answer, theirs: &[Vec<Option<String>>]) -> Option<String> {
    let columns = held.columns.as_deref().unwrap_or_default();
    let types: Vec<String> = columns.iter().map(|(_, oid)| type_name(*oid)).collect();
    let bag = |rows: &[Vec<Option<String>>]| {
        let line = |row: &Vec<Option<String>>| {
            let shown = row.iter().zip(&types).map(|(cell, ty)| cell.as_ref().map_or("NULL".into(), |c| rounded(c, ty)));
            shown.collect::<Vec<_>>().join("|")
        };
        let mut lines: Vec<String> = rows.iter().map(line).collect();
        lines.sort_unstable();
        lines
    };
    let (ours, theirs) = (bag(&cells(held)), bag(theirs));
    if ours == theirs {
        return None;
    }
    let only = |a: &[String], b: &[String]| a.iter().filter(|l| !b.contains(l)).take(6).map(|l| format!("    {l}\n")).collect::<String>();
    let (a, b) = (only(&ours, &theirs), only(&theirs, &ours));
    Some(format!("  only in the view ({} rows):\n{a}  only there ({} rows):\n{b}", ours.len(), theirs.len()))
}

/// A float to six digits, since a sum of floats depends on the order of the rows; a quotient (a numeric of many digits behind the
/// point) to eleven, since how many digits of one are shown depends on how it was divided.
fn rounded(cell: &str, ty: &str) -> String {
    let digits = match ty {
        "real" | "double precision" => 5,
        "numeric" if cell.split_once('.').is_some_and(|(_, behind)| behind.len() > 8) => 10,
        _ => return cell.to_string(),
    };
    match cell.parse::<f64>() {
        Ok(number) if number.is_finite() => format!("{number:.digits$e}"),
        _ => cell.to_string(),
    }
}
