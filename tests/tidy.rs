//! The tidiness of the source: what a reader may rely upon without looking.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Floors of the modules; an import points to the same floor's own module, or down. Floor 0 is what everything stands on.
const FLOORS: &[(&str, u8)] = &[
    ("main", 7),
    ("cli", 7),
    ("wire", 6),
    ("engine", 5),
    ("plan", 4),
    ("serve", 3),
    ("connect", 3),
    ("sql", 2),
    ("catalog", 2),
    ("fold", 2),
    ("log", 1),
    ("func", 1),
    ("data", 0),
    ("error", 0),
    ("config", 0),
    ("limits", 0),
    ("clock", 0),
    ("metrics", 0),
];

/// Imports between modules of one floor that are meant: sql names the catalog's columns and kinds.
const BESIDE: &[(&str, &str)] = &[("sql", "catalog")];

/// The longest a file may be, in lines.
const LINES_MAX: usize = 700;

/// What may stand at the top of the repository.
const TOP: &[&str] = &[
    ".ci",
    ".git",
    ".github",
    ".gitignore",
    ".rustfmt.toml",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "benches",
    "build.rs",
    "proptest-regressions",
    "rust-toolchain.toml",
    "sql",
    "src",
    "target",
    "tests",
    "everfold-data",
];

/// Files that may ask the time: the one door to the time of day, the fold's one helper that measures an operator, what measures the writing
/// of a checkpoint, and the deadlines of the log's writer and of the protocol.
const CLOCKS: &[&str] = &["src/clock.rs", "src/engine/checkpoint.rs", "src/fold/flow.rs", "src/log/writer.rs", "src/wire/interrupt.rs"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust files below a directory, with their paths from the root.
fn sources(directory: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut waiting: Vec<PathBuf> = vec![root().join(directory)];
    while let Some(path) = waiting.pop() {
        for entry in std::fs::read_dir(&path).into_iter().flatten() {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let name = path.strip_prefix(root()).expect("it is below").to_string_lossy().into_owned();
                found.push((name, std::fs::read_to_string(&path).expect("it is text")));
            }
        }
    }
    found.sort();
    assert!(!found.is_empty() || directory == "benches", "no sources in {directory}");
    found
}

/// The lines of a file outside of comments and of its unit tests, with their numbers from 1.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let code = text.split("\n#[cfg(test)]\nmod ").next().unwrap_or(text);
    code.lines().enumerate().map(|(i, line)| (i + 1, line)).filter(|(_, line)| !line.trim_start().starts_with("//"))
}

fn is_test_file(path: &str) -> bool {
    path.ends_with("/tests.rs")
        || path.contains("/tests/")
        || path.ends_with("/testing.rs")
        || path.contains("/testing/")
        || path.ends_with("/golden.rs")
}

#[track_caller]
fn none(wrong: &[String], rule: &str) {
    assert!(wrong.is_empty(), "{rule}:\n{}", wrong.join("\n"));
}

/// The modules that a line names behind `crate::`.
fn named_modules(line: &str) -> Vec<String> {
    let mut names = Vec::new();
    for rest in line.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            Some(list) => names.extend(list.split([',', '}']).map(|part| word(part.trim()))),
            None => names.push(word(rest)),
        }
    }
    names
}

fn word(text: &str) -> String {
    text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
}

#[test]
fn imports_point_down() {
    let floors: BTreeMap<&str, u8> = FLOORS.iter().copied().collect();
    let mut wrong = Vec::new();
    for (path, text) in sources("src") {
        let module = word(path.trim_start_matches("src/").trim_end_matches(".rs"));
        if module == "lib" {
            continue;
        }
        let Some(floor) = floors.get(module.as_str()) else {
            wrong.push(format!("{path}: its module has no floor"));
            continue;
        };
        for (number, line) in code_lines(&text).filter(|_| !is_test_file(&path)) {
            for name in named_modules(line) {
                let Some(other) = floors.get(name.as_str()) else { continue };
                let beside = BESIDE.contains(&(module.as_str(), name.as_str())) || *floor == 0;
                if name != module && (other > floor || other == floor && !beside) {
                    wrong.push(format!("{path}:{number}: {module} (floor {floor}) imports {name} (floor {other})"));
                }
            }
        }
    }
    none(&wrong, "imports point down the floors only");
}

#[test]
fn files_are_small() {
    let all = sources("src").into_iter().chain(sources("tests"));
    let long = all.map(|(path, text)| (path, text.lines().count())).filter(|(_, lines)| *lines > LINES_MAX);
    none(&long.map(|(path, lines)| format!("{path}: {lines} lines")).collect::<Vec<_>>(), "no file is longer than 700 lines");
}

#[test]
fn the_top_of_the_repository_is_short() {
    let entries = std::fs::read_dir(root()).expect("the repository");
    let names = entries.map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned());
    none(&names.filter(|n| !TOP.contains(&n.as_str())).collect::<Vec<_>>(), "entries of the top level are those of the list");
}

#[test]
fn nothing_is_left_undone() {
    // Written in two parts, so that this list does not find itself.
    let marks = [("to", "do!("), ("unimple", "mented!("), ("#[ig", "nore"), ("db", "g!("), ("FIX", "ME"), ("TO", "DO")];
    let mut wrong = Vec::new();
    for (path, text) in sources("src").into_iter().chain(sources("tests")) {
        for (number, line) in text.lines().enumerate() {
            if marks.iter().any(|(a, b)| line.contains(&format!("{a}{b}"))) {
                wrong.push(format!("{path}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    none(&wrong, "no stubs, no tests left out, no remains of debugging");
}

#[test]
fn only_the_command_line_prints() {
    let mut wrong = Vec::new();
    for (path, text) in sources("src") {
        for (number, line) in code_lines(&text).filter(|_| !path.starts_with("src/cli/")) {
            let printed = line.replace("eprintln!", "").contains("println!") || line.contains(" print!(");
            if printed {
                wrong.push(format!("{path}:{number}: {}", line.trim()));
            }
        }
    }
    none(&wrong, "standard output belongs to the command line");
}

#[test]
fn time_is_read_at_its_doors_only() {
    let mut wrong = Vec::new();
    for (path, text) in sources("src") {
        let door = CLOCKS.contains(&path.as_str()) || is_test_file(&path);
        for (number, line) in code_lines(&text).filter(|_| !door) {
            if line.contains("Instant::now") || line.contains("SystemTime::now") {
                wrong.push(format!("{path}:{number}: {}", line.trim()));
            }
        }
    }
    none(&wrong, "the clock has few doors");
}

#[test]
fn no_test_sleeps() {
    let mut wrong = Vec::new();
    for (path, text) in sources("tests").into_iter().chain(sources("src")) {
        let (_, tests) = text.split_once("\n#[cfg(test)]\nmod ").unwrap_or(("", ""));
        let tests = if path.starts_with("tests/") || is_test_file(&path) { text.as_str() } else { tests };
        let sleeping = ["thread::sl", "time::sl"].map(|call| format!("{call}eep("));
        if sleeping.iter().any(|call| tests.contains(call)) {
            wrong.push(path);
        }
    }
    none(&wrong, "tests wait for what happens, not for time to pass");
}

#[test]
fn each_dependency_is_used_and_says_why_it_is_there() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).expect("Cargo.toml");
    let all: String = ["src", "tests", "benches"].iter().flat_map(|d| sources(d)).map(|(_, text)| text).collect();
    let mut wrong = Vec::new();
    // One whose comment begins so is there for its features.
    const FOR_FEATURES: &str = "# Not called: ";
    let (mut inside, mut comment, mut called) = (false, false, true);
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line.ends_with("dependencies]");
        } else if line.starts_with('#') {
            (comment, called) = (true, !line.starts_with(FOR_FEATURES));
            continue;
        } else if let (true, Some((name, _))) = (inside, line.split_once(" = ")) {
            let used = name.replace('-', "_");
            if !comment {
                wrong.push(format!("{name} has no comment above it"));
            }
            if called && ![format!("{used}::"), format!("use {used}")].iter().any(|u| all.contains(u)) {
                wrong.push(format!("{name} is used nowhere"));
            }
        }
        comment = false;
    }
    none(&wrong, "dependencies are few and justified");
}

#[test]
fn each_module_tells_its_story() {
    let silent = sources("src").into_iter().filter(|(_, text)| !text.starts_with("//!"));
    none(&silent.map(|(path, _)| path).collect::<Vec<_>>(), "each file begins with what it is");
}

#[test]
fn scripts_of_the_repository_are_named_in_lower_case() {
    let odd = |path: &PathBuf| path.file_name().is_some_and(|n| n.to_string_lossy().contains(|c: char| c.is_uppercase() || c == ' '));
    let mut wrong = Vec::new();
    for directory in ["tests/slt", "tests/data", "sql"] {
        let entries = std::fs::read_dir(root().join(directory)).into_iter().flatten();
        wrong.extend(entries.map(|e| e.expect("an entry").path()).filter(odd).map(|p| p.display().to_string()));
    }
    none(&wrong, "names are lower case without spaces");
}
