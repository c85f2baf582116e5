//! The SQL of the README, so that it says nothing that is not so.
//!
//! Blocks marked ```` ```sql ```` are run one after the other as one script. A block marked ```` ```text ```` behind one shows what its
//! last statement prints and must be found in the output.

use super::{printed, top};
use crate::support::server::Server;

/// Blocks of the text between fences: (mark, content).
fn blocks(text: &str) -> Vec<(&str, String)> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(mark) = line.strip_prefix("```") {
            let content: Vec<&str> = lines.by_ref().take_while(|l| *l != "```").collect();
            blocks.push((mark, content.join("\n")));
        }
    }
    blocks
}

/// Output without the spaces at the ends of lines, which editors take away.
fn trimmed(text: &str) -> String {
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_statements_of_the_readme_print_what_it_shows() {
    let readme = std::fs::read_to_string(top().join("README.md")).expect("there is a README");
    let blocks = blocks(&readme);
    let script: String = blocks.iter().filter(|(mark, _)| *mark == "sql").map(|(_, text)| format!("{text}\n")).collect();
    assert!(!script.is_empty());
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), script).expect("a temporary file can be written");
    let server = Server::start();
    let output = trimmed(&printed(file.path(), &["--server", &server.address.to_string()]));
    let mut shown = 0;
    for pair in blocks.windows(2) {
        if let [("sql", _), ("text", expected)] = pair {
            shown += 1;
            assert!(output.contains(&trimmed(expected)), "the README shows\n{expected}\nbut it printed\n{output}");
        }
    }
    assert!(shown > 0);
}
