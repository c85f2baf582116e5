//! The same case in PostgreSQL: streams and tables as tables, materialized views as views.

use std::process::Command;
use std::sync::OnceLock;

use everfold::data::PgType;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use super::steps::{Relation, Step, Verdict, insert, tuple};
use super::values::{Class, class};
use crate::laws::database::{Answer, Row};

/// Where Debian and others put the server's programs.
const BINARIES: [&str; 4] =
    ["/usr/lib/postgresql/15/bin", "/usr/lib/postgresql/16/bin", "/usr/lib/postgresql/17/bin", "/usr/local/pgsql/bin"];

/// A schema of its own in a PostgreSQL.
pub struct Mirror {
    runtime: tokio::runtime::Runtime,
    client: Client,
    /// Views that PostgreSQL takes too.
    views: Vec<String>,
}

/// How to reach a PostgreSQL: `EVERFOLD_POSTGRES`, or a server of our own if its programs are installed; `None` if there is neither.
pub fn reachable() -> Option<&'static str> {
    static DSN: OnceLock<Option<String>> = OnceLock::new();
    DSN.get_or_init(|| std::env::var("EVERFOLD_POSTGRES").ok().or_else(Cluster::start)).as_deref()
}

/// A private cluster; it is stopped by the watching shell when this process is gone.
struct Cluster;

impl Cluster {
    fn start() -> Option<String> {
        let binaries = BINARIES.iter().find(|dir| std::path::Path::new(dir).join("initdb").exists())?;
        let directory = tempfile::Builder::new().prefix("everfold-pg").tempdir().ok()?.keep();
        let home = directory.display().to_string();
        // initdb refuses to run as root.
        let script = format!(
            "set -e; d={home}; b={binaries}; if [ $(id -u) = 0 ]; then chown postgres $d; r='runuser -u postgres --'; fi
             $r $b/initdb -D $d/data -A trust -U postgres --locale=C.UTF-8 -N >/dev/null
             $r $b/pg_ctl -D $d/data -o \"-F -c listen_addresses= -c unix_socket_directories=$d -c lc_messages=C -c timezone=UTC\" \
                -l $d/log -w start >/dev/null
             (while kill -0 {pid} 2>/dev/null; do sleep 1; done; $r $b/pg_ctl -D $d/data -m immediate stop; rm -rf $d) >/dev/null 2>&1 &",
            pid = std::process::id()
        );
        let started = Command::new("bash").args(["-c", &script]).status().is_ok_and(|s| s.success());
        started.then(|| format!("host={home} user=postgres dbname=postgres"))
    }
}

impl Mirror {
    /// An empty schema.
    pub fn open(dsn: &str) -> Mirror {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let client = runtime.block_on(async {
            let (client, connection) = tokio_postgres::connect(dsn, NoTls).await.expect("PostgreSQL is reachable");
            tokio::spawn(connection);
            let reset = "DROP SCHEMA IF EXISTS law CASCADE; CREATE SCHEMA law; SET search_path = law; SET timezone = 'UTC'";
            client.batch_execute(reset).await.expect("a schema can be made");
            client
        });
        Mirror { runtime, client, views: vec![] }
    }

    fn execute(&self, sql: &str) -> Result<(), tokio_postgres::Error> {
        self.runtime.block_on(self.client.batch_execute(sql))
    }

    /// Does what the step does. Errors: PostgreSQL refuses what Everfold took.
    pub fn perform(&mut self, step: &Step) -> Verdict {
        if let Step::View { name, query } = step {
            // What PostgreSQL does not take is not compared.
            match self.execute(&format!("CREATE VIEW {name} AS {query}")) {
                Ok(()) => self.views.push(name.clone()),
                Err(e) if std::env::var_os("EVERFOLD_VERBOSE").is_some() => {
                    eprintln!("PostgreSQL: {}\n  {query}", e.as_db_error().map_or_else(|| e.to_string(), |d| d.message().to_string()));
                }
                Err(_) => {}
            }
            return Ok(());
        }
        let Some(sql) = translated(step) else { return Ok(()) };
        self.execute(&sql).map_err(|e| format!("PostgreSQL refuses what Everfold takes: {e:?}\n  {sql}"))
    }

    /// Compares a view's rows with PostgreSQL's; 1 if they were compared.
    pub fn compare(&mut self, name: &str, query: &str, held: &Answer) -> Result<usize, String> {
        if !self.views.iter().any(|v| v == name) {
            return Ok(0);
        }
        let rows = match self.runtime.block_on(self.client.simple_query(&format!("SELECT * FROM {name}"))) {
            Ok(messages) => messages,
            Err(e) => {
                let message = e.as_db_error().map_or_else(|| e.to_string(), |d| d.message().to_string());
                return Err(format!("PostgreSQL fails where view {name} does not: {message}\n  {query}"));
            }
        };
        let cells = |m: &SimpleQueryMessage| match m {
            SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|i| row.get(i).map(str::to_string)).collect::<Row>()),
            _ => None,
        };
        let theirs = Answer { columns: held.columns.clone(), rows: rows.iter().filter_map(cells).collect(), tag: String::new() };
        let (ours, theirs) = (rounded(held), rounded(&theirs));
        if ours == theirs {
            return Ok(1);
        }
        let only =
            |a: &[String], b: &[String]| a.iter().filter(|l| !b.contains(l)).take(8).map(|l| format!("    {l}\n")).collect::<String>();
        let types: Vec<String> = held.columns.iter().map(|c| c.ty.to_string()).collect();
        Err(format!(
            "view {name} ({}) differs from PostgreSQL\n  {query}\n  only in Everfold ({} rows):\n{}  only in PostgreSQL ({} rows):\n{}",
            types.join(", "),
            ours.len(),
            only(&ours, &theirs),
            theirs.len(),
            only(&theirs, &ours)
        ))
    }
}

/// The rows as a bag, floats to six digits, since PostgreSQL's sums of floats depend on the order of the rows; quotients likewise,
/// since how many digits of one PostgreSQL shows depends on how it was divided.
fn rounded(answer: &Answer) -> Vec<String> {
    let mut answer = answer.clone();
    for (i, column) in answer.columns.iter().enumerate() {
        if class(&column.ty) == Class::Float || matches!(column.ty, PgType::Quotient(_)) {
            for cell in answer.rows.iter_mut().filter_map(|row| row[i].as_mut()) {
                if let Ok(number) = cell.parse::<f64>() {
                    // Sums that cancel leave a rest that is nothing but rounding.
                    let number = if number.abs() < 1e-9 { 0.0 } else { number };
                    *cell = if number.is_finite() { format!("{number:.5e}") } else { cell.clone() };
                }
            }
        }
    }
    answer.bag()
}

/// The step in PostgreSQL's SQL; `None` for what does not concern it.
fn translated(step: &Step) -> Option<String> {
    Some(match step {
        Step::Relation(relation) => relation.create("TABLE"),
        Step::Insert { relation, rows, .. } if relation.key > 0 => rows.iter().map(|row| upsert(relation, row)).collect(),
        Step::Insert { rows, .. } if rows.is_empty() => return None,
        Step::Insert { relation, rows, .. } => insert(relation, rows) + ";",
        Step::Change(sql) => format!("{sql};"),
        Step::Transaction { steps, .. } => steps.iter().filter_map(translated).collect(),
        Step::Drop(name) => format!("DROP VIEW IF EXISTS {name} CASCADE"),
        Step::View { .. } | Step::Checkpoint | Step::Restart | Step::Kill | Step::Check => return None,
    })
}

/// An INSERT that replaces the row of the same key.
fn upsert(relation: &Relation, row: &Row) -> String {
    let names = |columns: &[(String, String)]| columns.iter().map(|(n, _)| n.clone()).collect::<Vec<_>>();
    let key = names(&relation.columns[..relation.key]).join(", ");
    let sets: Vec<String> = names(&relation.columns[relation.key..]).iter().map(|n| format!("{n} = excluded.{n}")).collect();
    let action = if sets.is_empty() { "DO NOTHING".to_string() } else { format!("DO UPDATE SET {}", sets.join(", ")) };
    format!("INSERT INTO {} VALUES {} ON CONFLICT ({key}) {action};\n", relation.name, tuple(row))
}
