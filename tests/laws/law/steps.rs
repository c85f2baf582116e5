//! A case as a list of steps, which can be performed again without the generator: so a failure can be made smaller.

use std::sync::Arc;

use everfold::clock::{Clock, ManualClock};
use everfold::error::{Error, Result, code};

use super::postgres::Mirror;
use super::values::quoted;
use crate::laws::database::{Database, Row, directory};

/// One step of a case.
#[derive(Clone, Debug)]
pub enum Step {
    /// CREATE STREAM, CREATE TABLE.
    Relation(Relation),
    /// CREATE MATERIALIZED VIEW name AS query.
    View {
        name: String,
        query: String,
    },
    /// CREATE VIEW name AS query.
    Plain {
        name: String,
        query: String,
    },
    /// DROP MATERIALIZED VIEW .. CASCADE
    Drop(String),
    Insert {
        relation: Relation,
        rows: Vec<Row>,
        copy: bool,
    },
    /// UPDATE, DELETE, TRUNCATE, INSERT .. SELECT, INSERT .. ON CONFLICT.
    Change(String),
    /// Several of them between BEGIN and COMMIT or ROLLBACK.
    Transaction {
        steps: Vec<Step>,
        commit: bool,
    },
    /// Steps of a transaction between SAVEPOINT and ROLLBACK TO.
    Undone(Vec<Step>),
    Checkpoint,
    Restart,
    Kill,
    /// So many minutes pass.
    Pass(i64),
    /// Every view equals its query.
    Check,
}

/// A stream or table.
#[derive(Clone, Debug)]
pub struct Relation {
    pub name: String,
    pub stream: bool,
    /// Names and types as SQL has them.
    pub columns: Vec<(String, String)>,
    /// How many of the first columns are the primary key.
    pub key: usize,
}

impl Relation {
    /// Its CREATE statement.
    pub fn create(&self, word: &str) -> String {
        let columns: Vec<String> = self.columns.iter().map(|(name, ty)| format!("{name} {ty}")).collect();
        let key: Vec<&str> = self.columns[..self.key].iter().map(|(name, _)| name.as_str()).collect();
        let key = if key.is_empty() { String::new() } else { format!(", PRIMARY KEY ({})", key.join(", ")) };
        format!("CREATE {word} {} ({}{key})", self.name, columns.join(", "))
    }

    fn word(&self) -> &'static str {
        if self.stream { "STREAM" } else { "TABLE" }
    }
}

/// One row of VALUES.
pub fn tuple(row: &Row) -> String {
    let cells: Vec<String> = row.iter().map(|c| c.as_deref().map_or("NULL".into(), quoted)).collect();
    format!("({})", cells.join(", "))
}

/// An INSERT of these rows.
pub fn insert(relation: &Relation, rows: &[Row]) -> String {
    format!("INSERT INTO {} VALUES {}", relation.name, rows.iter().map(tuple).collect::<Vec<_>>().join(", "))
}

/// The rows in COPY's text format.
fn copy_data(rows: &[Row]) -> String {
    let escape = |text: &String| text.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n");
    rows.iter().map(|row| row.iter().map(|c| c.as_ref().map_or("\\N".into(), escape)).collect::<Vec<_>>().join("\t") + "\n").collect()
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Step::Relation(relation) => write!(f, "{};", relation.create(relation.word())),
            Step::View { name, query } => write!(f, "CREATE MATERIALIZED VIEW {name} AS {query};"),
            Step::Plain { name, query } => write!(f, "CREATE VIEW {name} AS {query};"),
            Step::Drop(name) => write!(f, "DROP MATERIALIZED VIEW {name} CASCADE;"),
            Step::Insert { relation, rows, copy } => write!(f, "{};{}", insert(relation, rows), if *copy { " -- by COPY" } else { "" }),
            Step::Change(sql) => write!(f, "{sql};"),
            Step::Transaction { steps, commit } => {
                writeln!(f, "BEGIN;")?;
                steps.iter().try_for_each(|s| writeln!(f, "{s}"))?;
                write!(f, "{};", if *commit { "COMMIT" } else { "ROLLBACK" })
            }
            Step::Undone(steps) => {
                writeln!(f, "SAVEPOINT undone;")?;
                steps.iter().try_for_each(|s| writeln!(f, "{s}"))?;
                write!(f, "ROLLBACK TO SAVEPOINT undone;")
            }
            Step::Checkpoint => write!(f, "CHECKPOINT;"),
            Step::Restart => write!(f, "-- the server stops and starts"),
            Step::Kill => write!(f, "-- the server is killed and started"),
            Step::Pass(minutes) => write!(f, "-- {minutes} minutes pass"),
            Step::Check => write!(f, "-- every view equals its query"),
        }
    }
}

/// What became of a run.
#[derive(Debug, Default)]
pub struct Counts {
    pub statements: usize,
    pub comparisons: usize,
    /// Views refused with 0A000.
    pub refused: usize,
    /// Queries that PostgreSQL ran too, with the same answer.
    pub mirrored: usize,
    /// Statements that failed as such, with view and query agreeing on it.
    pub failed: usize,
    /// Views let go for having more rows than [`ROWS_MAX`].
    pub large: usize,
}

/// Joins upon joins may have millions of rows, which say no more than some do and take minutes to compare.
const ROWS_MAX: usize = 50_000;

/// When a case begins, 2024-02-28 01:00 UTC: its rows have times around that.
const START_US: i64 = 1_709_082_000_000_000;

/// A database under test and what it is expected to hold.
pub struct World {
    pub database: Option<Database>,
    clock: Arc<ManualClock>,
    pub views: Vec<(String, String)>,
    pub counts: Counts,
    pub mirror: Option<Mirror>,
}

/// Why a case fails.
pub type Verdict = std::result::Result<(), String>;

/// Errors that no input may cause.
fn is_bug(e: &Error) -> bool {
    e.code() == code::INTERNAL || e.code() == code::DATA_CORRUPTED || e.message().contains("panicked")
}

impl World {
    /// An empty database. Without a mirror its relations are made in a schema of their own, along a path which a restart forgets.
    pub fn new(mirror: Option<Mirror>) -> World {
        let clock = Arc::new(ManualClock::default());
        clock.set_us(START_US);
        let database = Database::at_time(directory(), clock.clone()).expect("an empty database opens");
        let mut world = World { database: Some(database), clock, views: vec![], counts: Counts::default(), mirror };
        if world.mirror.is_none() {
            world.database().run("CREATE SCHEMA world").expect("a schema");
        }
        world.set_path();
        world
    }

    fn set_path(&mut self) {
        if self.mirror.is_none() {
            self.database().run("SET search_path = world, public").expect("a path");
        }
    }

    /// The database.
    pub fn database(&mut self) -> &mut Database {
        self.database.as_mut().expect("the database is open")
    }

    fn statement(&mut self, sql: &str) -> std::result::Result<bool, String> {
        self.counts.statements += 1;
        let done = self.database().run(sql);
        self.noted(sql, done.map(|_| ()))
    }

    /// True if it was done, false if it was refused in a way that is its own fault.
    fn noted(&mut self, sql: &str, done: Result<()>) -> std::result::Result<bool, String> {
        match done {
            Ok(()) => Ok(true),
            Err(e) if is_bug(&e) => Err(format!("{e:?}\n  by {sql}")),
            Err(e) => {
                self.counts.failed += 1;
                if std::env::var_os("EVERFOLD_VERBOSE").is_some() {
                    eprintln!("{e:?}\n  by {sql}");
                }
                Ok(false)
            }
        }
    }

    /// Performs a step. Errors: what is wrong, if the law is broken.
    pub fn perform(&mut self, step: &Step) -> Verdict {
        let done = match step {
            Step::Relation(relation) => self.statement(&relation.create(relation.word()))?,
            Step::View { name, query } => return self.view(name, query),
            Step::Plain { name, query } => self.statement(&format!("CREATE VIEW {name} AS {query}"))?,
            Step::Drop(name) => {
                self.views.retain(|(n, _)| n != name);
                let done = self.statement(&format!("DROP MATERIALIZED VIEW {name} CASCADE"))?;
                let catalog = self.database().engine.catalog();
                self.views.retain(|(n, _)| catalog.relations().any(|r| r.name == *n));
                done
            }
            Step::Insert { relation, rows, copy: true } if !rows.is_empty() => {
                self.counts.statements += 1;
                let sql = format!("COPY {} FROM STDIN", relation.name);
                let done = self.database().copy_in(&sql, &copy_data(rows));
                self.noted(&sql, done.map(|_| ()))?
            }
            Step::Insert { rows, .. } if rows.is_empty() => true,
            Step::Insert { relation, rows, .. } => self.statement(&insert(relation, rows))?,
            Step::Change(sql) => self.statement(sql)?,
            Step::Transaction { steps, commit } => {
                self.statement("BEGIN")?;
                let mut all = true;
                for step in steps {
                    all &= self.perform_within(step)?;
                }
                self.statement(if *commit { "COMMIT" } else { "ROLLBACK" })?;
                all && *commit
            }
            Step::Undone(_) => return Ok(()),
            Step::Checkpoint => self.statement("CHECKPOINT")?,
            Step::Restart => return self.reopen(|d| d.restart()),
            Step::Kill => return self.reopen(|d| d.kill()),
            Step::Pass(minutes) => {
                self.clock.set_us(self.clock.now_us() + minutes * 60_000_000);
                true
            }
            Step::Check => return self.check(),
        };
        match &mut self.mirror {
            Some(mirror) if done => mirror.perform(step),
            _ => Ok(()),
        }
    }

    /// Performs a step between BEGIN and COMMIT. What fails in steps that are undone is undone too.
    fn perform_within(&mut self, step: &Step) -> std::result::Result<bool, String> {
        match step {
            Step::Insert { relation, rows, .. } if !rows.is_empty() => self.statement(&insert(relation, rows)),
            Step::Change(sql) => self.statement(sql),
            Step::Undone(steps) => {
                let begun = self.statement("SAVEPOINT undone")?;
                for step in steps {
                    self.perform_within(step)?;
                }
                Ok(self.statement("ROLLBACK TO SAVEPOINT undone")? && begun)
            }
            _ => Ok(true),
        }
    }

    fn reopen(&mut self, way: impl FnOnce(Database) -> Result<Database>) -> Verdict {
        let database = self.database.take().expect("the database is open");
        self.database = Some(way(database).map_err(|e| format!("the database does not open again: {e:?}"))?);
        self.set_path();
        Ok(())
    }

    fn view(&mut self, name: &str, query: &str) -> Verdict {
        let sql = format!("CREATE MATERIALIZED VIEW {name} AS {query}");
        self.counts.statements += 1;
        match self.database().run(&sql) {
            Ok(_) => {
                self.views.push((name.into(), query.into()));
                if let Some(mirror) = &mut self.mirror {
                    mirror.perform(&Step::View { name: name.into(), query: query.into() })?;
                }
                Ok(())
            }
            Err(e) if e.code() == code::FEATURE_NOT_SUPPORTED && e.fields().hint.is_some() => {
                self.counts.refused += 1;
                if std::env::var_os("EVERFOLD_VERBOSE").is_some() {
                    eprintln!("refused: {e:?}\n  {query}");
                }
                Ok(())
            }
            Err(e) if is_bug(&e) => Err(format!("{e:?}\n  by {sql}")),
            Err(e) => match self.database().run(query) {
                Ok(_) => Err(format!("a query that runs cannot be maintained, and is not refused with 0A000: {e:?}\n  {query}")),
                Err(other) if is_bug(&other) => Err(format!("{other:?}\n  by {query}")),
                Err(_) => self.noted(&sql, Err(e)).map(|_| ()),
            },
        }
    }

    /// The query with the time that it is, which only views take from the clock of the case.
    fn as_of_now(&self, query: &str) -> String {
        query.replace("now()", &format!("to_timestamp({})", self.clock.now_us() / 1_000_000))
    }

    fn check(&mut self) -> Verdict {
        for (name, query) in self.views.clone() {
            if !self.views.iter().any(|(held, _)| *held == name) {
                // It went with one that it reads.
                continue;
            }
            let rows = self.database().run(&format!("SELECT count(*) FROM {name}"));
            if rows.is_ok_and(|rows| rows.one().parse().is_ok_and(|n: usize| n > ROWS_MAX)) {
                self.counts.large += 1;
                self.perform(&Step::Drop(name))?;
                continue;
            }
            self.counts.comparisons += 1;
            let held = self.database().run(&format!("SELECT * FROM {name}"));
            let now = self.as_of_now(&query);
            let wanted = self.database().run(&now);
            match (held, wanted) {
                (Ok(held), Ok(wanted)) => {
                    if let Some(difference) = difference(&held.bag(), &wanted.bag()) {
                        return Err(format!("view {name} differs from its query\n  {query}\n{difference}"));
                    }
                    if let Some(mirror) = &mut self.mirror {
                        self.counts.mirrored += mirror.compare(&name, &now, &held)?;
                    }
                }
                (Err(e), _) | (_, Err(e)) if is_bug(&e) => return Err(format!("{e:?}\n  by view {name}: {query}")),
                (Err(e), Ok(_)) => return Err(format!("view {name} fails where its query does not: {e:?}\n  {query}")),
                (Ok(_), Err(e)) => return Err(format!("view {name} answers where its query fails: {e:?}\n  {query}")),
                (Err(_), Err(_)) => {
                    if let Some(mirror) = &self.mirror {
                        mirror.fails_too(&name, &now)?;
                    }
                    self.counts.failed += 1;
                    self.perform(&Step::Drop(name))?;
                }
            }
        }
        Ok(())
    }
}

/// The lines that only one of two bags has.
fn difference(held: &[String], wanted: &[String]) -> Option<String> {
    if held == wanted {
        return None;
    }
    let without = |a: &[String], b: &[String]| {
        let mut rest = b.to_vec();
        a.iter().filter(|line| rest.iter().position(|r| r == *line).map(|i| rest.swap_remove(i)).is_none()).cloned().collect::<Vec<_>>()
    };
    let list = |lines: Vec<String>| lines.iter().take(10).map(|l| format!("    {l}\n")).collect::<String>();
    Some(format!("  only in the view:\n{}  only in the query:\n{}", list(without(held, wanted)), list(without(wanted, held))))
}

/// Runs steps on an empty database up to the first that breaks the law: its index and what is wrong.
pub fn run(steps: &[Step], mirror: Option<Mirror>) -> Option<(usize, String)> {
    let mut world = World::new(mirror);
    steps.iter().enumerate().find_map(|(i, step)| world.perform(step).err().map(|e| (i, e)))
}
