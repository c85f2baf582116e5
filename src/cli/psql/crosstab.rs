//! `\crosstabview`: a result turned into a grid, the values of one column below each other and those of another side by side.
//!
//! Manual: psql, "Meta-Commands", `\crosstabview`.

use super::print::Heading;
use crate::cli::client::{Column, Rows};

/// The most columns that a grid may have.
const COLUMNS_MAX: usize = 1600;

type Value = Option<String>;

/// A grid: its headings, and the rows under them.
#[derive(Debug)]
pub(super) struct Grid {
    pub headings: Vec<Heading>,
    pub rows: Vec<Vec<Value>>,
}

/// The grid of a result, `null` being how a null heads a column. The arguments name the columns that go down, across and into the
/// cells, and the one that what goes across is sorted by. Errors: in psql's words.
pub(super) fn crosstab(result: &Rows, arguments: &[String], null: &str) -> Result<Grid, String> {
    let columns = &result.columns;
    if columns.len() < 3 {
        return Err("query must return at least three columns".into());
    }
    let argument = |i: usize| arguments.get(i).map(|text| place(text, columns)).transpose();
    let (down, across) = (argument(0)?.unwrap_or(0), argument(1)?.unwrap_or(1));
    if down == across {
        return Err("vertical and horizontal headers must be different columns".into());
    }
    let data = match argument(2)? {
        Some(data) => data,
        None if columns.len() > 3 => return Err("data column must be specified when query returns more than three columns".into()),
        None => 3 - down - across,
    };
    let sort = argument(3)?;
    let named = |value: &Value| value.clone().unwrap_or_else(|| null.to_string());

    let heads_down = distinct(result, down);
    let mut heads_across = distinct(result, across);
    if heads_across.len() > COLUMNS_MAX {
        return Err(format!("maximum number of columns ({COLUMNS_MAX}) exceeded"));
    }
    if let Some(sort) = sort {
        heads_across.sort_by_key(|head| rank(result.rows.iter().find(|row| &&row[across] == head).and_then(|row| row[sort].as_deref())));
    }
    let mut cells: Vec<Vec<Option<&Value>>> = vec![vec![None; heads_across.len()]; heads_down.len()];
    for row in &result.rows {
        let at = |heads: &[&Value], column: usize| heads.iter().position(|head| **head == row[column]);
        let (Some(i), Some(j)) = (at(&heads_down, down), at(&heads_across, across)) else { continue };
        if cells[i][j].replace(&row[data]).is_some() {
            let (row, column) = (named(&row[down]), named(&row[across]));
            return Err(format!("query result contains multiple data values for row \"{row}\", column \"{column}\""));
        }
    }
    let heading = |name: String, column: &Column| Heading::new(&name, column.oid);
    let corner = heading(columns[down].name.clone(), &columns[down]);
    let headings = heads_across.iter().map(|head| heading(named(head), &columns[data]));
    // Where there is no row for a cell it is empty, which a null need not look like.
    let filled = |cell: Option<&Value>| cell.cloned().unwrap_or_else(|| Some(String::new()));
    let line =
        |(head, cells): (&&Value, Vec<Option<&Value>>)| std::iter::once((*head).clone()).chain(cells.into_iter().map(filled)).collect();
    Ok(Grid { headings: std::iter::once(corner).chain(headings).collect(), rows: heads_down.iter().zip(cells).map(line).collect() })
}

/// The values of a column, each where it is met first.
fn distinct(result: &Rows, column: usize) -> Vec<&Value> {
    let mut seen = std::collections::HashSet::new();
    result.rows.iter().map(|row| &row[column]).filter(|value| seen.insert(*value)).collect()
}

/// Where a value sorts: by the whole number that it is; others like zero.
fn rank(value: Option<&str>) -> i64 {
    value.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// The column that an argument names, by its number from 1 or its name.
fn place(argument: &str, columns: &[Column]) -> Result<usize, String> {
    if !argument.is_empty() && argument.chars().all(|c| c.is_ascii_digit()) {
        let number = argument.parse().ok().filter(|n| (1..=columns.len()).contains(n));
        return number.map(|n: usize| n - 1).ok_or_else(|| format!("column number {argument} is out of range 1..{}", columns.len()));
    }
    let name = match argument.strip_prefix('"').and_then(|a| a.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\"\"", "\""),
        None => argument.to_lowercase(),
    };
    let mut found = (0..columns.len()).filter(|i| columns[*i].name == name);
    match (found.next(), found.next()) {
        (None, _) => Err(format!("column name not found: \"{name}\"")),
        (Some(place), None) => Ok(place),
        _ => Err(format!("ambiguous column name: \"{name}\"")),
    }
}
