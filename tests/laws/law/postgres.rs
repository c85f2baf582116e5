//! The same case in PostgreSQL: streams and tables as tables, views of both kinds as views.

use everfold::data::PgType;

use super::steps::{Relation, Step, Verdict, insert, tuple};
use super::values::{Class, class};
use crate::laws::database::{Answer, Row};
use crate::support::postgres::{Postgres, complaint};

/// A schema of its own in a PostgreSQL.
pub struct Mirror {
    postgres: Postgres,
    /// Views that PostgreSQL takes too.
    views: Vec<String>,
}

impl Mirror {
    /// An empty schema of that name: tests that run at the same time have one each.
    pub fn open(dsn: &str, schema: &str) -> Mirror {
        Mirror { postgres: Postgres::open(dsn, schema), views: vec![] }
    }

    /// Does what the step does. Errors: PostgreSQL refuses what Everfold took.
    pub fn perform(&mut self, step: &Step) -> Verdict {
        if let Step::View { name, query } | Step::Plain { name, query } = step {
            // It is another time there: the query stands for a view that asks about it, and no view reads that one.
            let sql = if query.contains("now()") { format!("EXPLAIN {query}") } else { format!("CREATE VIEW {name} AS {query}") };
            // What PostgreSQL does not take is not compared.
            match self.postgres.execute(&sql) {
                Ok(()) => self.views.push(name.clone()),
                Err(e) if std::env::var_os("EVERFOLD_VERBOSE").is_some() => {
                    eprintln!("PostgreSQL: {}\n  {query}", complaint(&e));
                }
                Err(_) => {}
            }
            return Ok(());
        }
        let Some(sql) = translated(step) else { return Ok(()) };
        self.postgres.execute(&sql).map_err(|e| format!("PostgreSQL refuses what Everfold takes: {e:?}\n  {sql}"))
    }

    /// What a view holds, by the query as of now. Errors: PostgreSQL's.
    fn rows(&self, name: &str, query: &str) -> Result<Vec<Row>, tokio_postgres::Error> {
        if query.contains("to_timestamp(") { self.postgres.rows(query) } else { self.postgres.rows(&format!("SELECT * FROM {name}")) }
    }

    /// Errors: PostgreSQL answers where the view has failed.
    pub fn fails_too(&self, name: &str, query: &str) -> Verdict {
        let compared = self.views.iter().any(|v| v == name);
        match compared.then(|| self.rows(name, query)) {
            Some(Ok(_)) => Err(format!("PostgreSQL answers where view {name} has failed\n  {query}")),
            _ => Ok(()),
        }
    }

    /// Compares a view's rows with PostgreSQL's; 1 if they were compared.
    pub fn compare(&mut self, name: &str, query: &str, held: &Answer) -> Result<usize, String> {
        if !self.views.iter().any(|v| v == name) {
            return Ok(0);
        }
        let rows = self.rows(name, query);
        let rows = rows.map_err(|e| format!("PostgreSQL fails where view {name} does not: {}\n  {query}", complaint(&e)))?;
        let theirs = Answer { columns: held.columns.clone(), rows, tag: String::new() };
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
/// since how many digits of one PostgreSQL shows depends on how it was divided; numerics without zeros at their end, of which a
/// column has as many here, and each value its own there.
fn rounded(answer: &Answer) -> Vec<String> {
    let mut answer = answer.clone();
    for (i, column) in answer.columns.iter().enumerate() {
        let change: fn(&str) -> String = match class(&column.ty) {
            Class::Float => six_digits,
            _ if matches!(column.ty, PgType::Quotient(_)) => six_digits,
            Class::Numeric => without_zeros,
            _ => continue,
        };
        for cell in answer.rows.iter_mut().filter_map(|row| row[i].as_mut()) {
            *cell = change(cell);
        }
    }
    answer.bag()
}

fn six_digits(cell: &str) -> String {
    match cell.parse::<f64>() {
        // Sums that cancel leave a rest that is nothing but rounding.
        Ok(number) if number.abs() < 1e-9 => format!("{:.5e}", 0.0),
        Ok(number) if number.is_finite() => format!("{number:.5e}"),
        _ => cell.to_string(),
    }
}

fn without_zeros(cell: &str) -> String {
    if cell.contains('.') { cell.trim_end_matches('0').trim_end_matches('.').to_string() } else { cell.to_string() }
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
        Step::View { .. }
        | Step::Plain { .. }
        | Step::Undone(_)
        | Step::Checkpoint
        | Step::Restart
        | Step::Kill
        | Step::Pass(_)
        | Step::Check => return None,
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
