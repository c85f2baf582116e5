//! Scripts with recorded answers: `tests/slt/*.slt`.
//!
//! A script is a list of blocks parted by empty lines. A block is a statement, a line `----`, and what the server answered:
//!
//! ```text
//! # A comment.
//! SELECT a, b FROM t ORDER BY a
//! ----
//! a integer | b text
//! 1|x
//! 2|NULL
//! SELECT 2
//! ```
//!
//! Columns come with their types, values as `psql -At` prints them but for `NULL` and `(empty)`, then the command tag. An error is
//! `ERROR 42P01: message`, its other fields below it; `AT:` is the text of the statement from the error's position on. Directives
//! before the statement: `@name` runs it on another connection, `sort` sorts its rows, `simple` runs it in the simple protocol only
//! (several statements in one message), `no rows` leaves the rows out, `<<` at the end of a line starts the data of a COPY FROM STDIN.
//!
//! Each script runs twice, in the simple and in the extended protocol, each on a new server, and both must answer as recorded.
//! With `EVERFOLD_BLESS=1` in the environment the answers of the simple protocol are written to the file: read the difference.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use super::server::Server;
use super::wire::{Answer, Outcome, Report, Wire, type_name};

/// A statement and what it answered.
#[derive(Default)]
struct Block {
    /// Comments and directives, as they stand in the file.
    head: Vec<String>,
    session: String,
    sort: bool,
    simple: bool,
    rows_hidden: bool,
    sql: String,
    data: Option<String>,
    expected: String,
}

/// Runs a script in both protocols and compares.
pub fn check_script(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/slt").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let blocks = read(&text);
    if std::env::var_os("EVERFOLD_BLESS").is_some() {
        let answers = run(&blocks, false);
        std::fs::write(&path, written(&blocks, &answers)).expect("the script can be written");
    }
    let blocks = read(&std::fs::read_to_string(&path).expect("it was there before"));
    let mut wrong = String::new();
    for extended in [false, true] {
        let protocol = if extended { "extended" } else { "simple" };
        for (block, answer) in blocks.iter().zip(run(&blocks, extended)) {
            if answer.as_ref().is_some_and(|a| *a != block.expected) {
                let answer = answer.unwrap_or_default();
                let _ = writeln!(wrong, "{}\n---- expected\n{}---- {protocol} protocol answered\n{answer}", block.sql, block.expected);
            }
        }
    }
    assert!(wrong.is_empty(), "{name} (EVERFOLD_BLESS=1 rewrites it)\n\n{wrong}");
}

fn read(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut block = Block::default();
    let mut answering = false;
    for line in text.lines().chain([""]) {
        if answering {
            if line.is_empty() {
                blocks.push(std::mem::take(&mut block));
                answering = false;
            } else {
                block.expected.push_str(line);
                block.expected.push('\n');
            }
        } else if line == "----" {
            answering = true;
        } else if let Some(data) = &mut block.data {
            data.push_str(line);
            data.push('\n');
        } else if block.sql.is_empty() && (line.is_empty() || line.starts_with('#') || directive(&mut block, line)) {
            block.head.push(line.to_string());
        } else {
            statement_line(&mut block, line);
        }
    }
    assert!(block.sql.is_empty(), "the last statement has no ---- behind it: {}", block.sql);
    blocks
}

fn directive(block: &mut Block, line: &str) -> bool {
    match line {
        "sort" => block.sort = true,
        "simple" => block.simple = true,
        "no rows" => block.rows_hidden = true,
        _ => match line.strip_prefix('@') {
            Some(session) => block.session = session.to_string(),
            None => return false,
        },
    }
    true
}

fn statement_line(block: &mut Block, line: &str) {
    let (line, data) = match line.strip_suffix(" <<") {
        Some(line) => (line, true),
        None => (line, false),
    };
    if !block.sql.is_empty() {
        block.sql.push('\n');
    }
    block.sql.push_str(line);
    block.data = data.then(String::new);
}

/// What each block answers on a new server; `None` for one that this protocol leaves out, and runs in the simple one.
fn run(blocks: &[Block], extended: bool) -> Vec<Option<String>> {
    let server = Server::start();
    let mut sessions: BTreeMap<&str, Wire> = BTreeMap::new();
    let mut answers = Vec::new();
    for block in blocks {
        let wire = sessions.entry(&block.session).or_insert_with(|| server.connect());
        let data = block.data.as_deref().unwrap_or("").as_bytes();
        let outcomes = match extended && !block.simple {
            true => vec![wire.extended_copying(&block.sql, &[], data)],
            false => wire.simple_copying(&block.sql, data),
        };
        let text: String = outcomes.iter().map(|o| shown(block, o)).collect();
        answers.push((!(extended && block.simple)).then_some(text));
    }
    answers
}

fn shown(block: &Block, outcome: &Outcome) -> String {
    match outcome {
        Ok(answer) => shown_answer(block, answer),
        Err(e) => shown_report(block, e),
    }
}

fn shown_answer(block: &Block, answer: &Answer) -> String {
    let mut text: String = answer.notices.iter().map(|n| shown_report(block, n)).collect();
    if let Some(columns) = &answer.columns {
        let names: Vec<String> = columns.iter().map(|(name, oid)| format!("{name} {}", type_name(*oid))).collect();
        text.push_str(if names.is_empty() { "(no columns)" } else { "" });
        text.push_str(&names.join(" | "));
        text.push('\n');
    }
    let mut rows: Vec<String> = answer.rows.iter().map(|row| row.iter().map(cell).collect::<Vec<_>>().join("|")).collect();
    if block.sort {
        rows.sort();
    }
    for row in rows.iter().filter(|_| !block.rows_hidden) {
        let _ = writeln!(text, "{row}");
    }
    let copied = String::from_utf8_lossy(&answer.copied);
    let mut lines: Vec<&str> = copied.lines().collect();
    if block.sort {
        lines.sort_unstable();
    }
    for line in lines {
        let _ = writeln!(text, "{}", if line.is_empty() { "(empty)" } else { line });
    }
    match &answer.tag {
        Some(_) if block.rows_hidden => {}
        Some(tag) => {
            let _ = writeln!(text, "{tag}");
        }
        None => text.push_str("(nothing)\n"),
    }
    text
}

fn cell(value: &Option<Vec<u8>>) -> String {
    match value {
        None => "NULL".into(),
        Some(bytes) if bytes.is_empty() => "(empty)".into(),
        Some(bytes) => String::from_utf8_lossy(bytes).replace('\\', "\\\\").replace('\n', "\\n"),
    }
}

fn shown_report(block: &Block, report: &Report) -> String {
    let mut text = format!("{} {}: {}\n", report.severity, report.code, report.message);
    if let Some(at) = report.position {
        let rest: String = block.sql.chars().skip(at.saturating_sub(1)).take(24).collect();
        let _ = writeln!(text, "AT: {}", rest.lines().next().unwrap_or("(end)"));
    }
    for (label, more) in [("DETAIL", &report.detail), ("HINT", &report.hint), ("CONTEXT", &report.context)] {
        if let Some(more) = more {
            let _ = writeln!(text, "{label}: {}", more.replace('\n', "\\n"));
        }
    }
    text
}

fn written(blocks: &[Block], answers: &[Option<String>]) -> String {
    let mut text = String::new();
    for (block, answer) in blocks.iter().zip(answers) {
        for line in &block.head {
            let _ = writeln!(text, "{line}");
        }
        let _ = writeln!(text, "{}{}", block.sql, if block.data.is_some() { " <<" } else { "" });
        text.push_str(block.data.as_deref().unwrap_or(""));
        let _ = writeln!(text, "----\n{}", answer.as_deref().unwrap_or(&block.expected));
    }
    text
}
