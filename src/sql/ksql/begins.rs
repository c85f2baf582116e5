//! Tells by a few tokens whether a statement is of ksqlDB's dialect, so that PostgreSQL's stays with its own parser.

use super::lex::{Lexeme, Lexer};
use super::properties::PROPERTIES;

/// Whose statement a text is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// Only ksqlDB has this form.
    Sure,
    /// Both have it: ksqlDB's if one of these relations was made in its dialect. Names are folded as in ksqlDB.
    Depends(Vec<String>),
    /// PostgreSQL's, or nobody's.
    No,
}

/// What SHOW takes in ksqlDB alone.
const SHOWN: &[&str] = &["STREAMS", "TABLES", "TOPICS", "QUERIES", "FUNCTIONS", "TYPES", "PROPERTIES", "VARIABLES", "CONNECTORS"];

/// Whose statement `text` is. It may be anything: nothing here is an error. Cost O(length) for CREATE and SELECT, else a few tokens.
pub fn begins_ksql(text: &str) -> Form {
    let mut tokens = Look { lexer: Lexer::new(text), ahead: Vec::new() };
    // EXPLAIN says nothing itself.
    while tokens.word(0) == "EXPLAIN" {
        if tokens.name(1).is_some() && tokens.ends(2) {
            return Form::Sure;
        }
        tokens.drop_first();
    }
    let words = [tokens.word(0), tokens.word(1), tokens.word(2)];
    match [words[0].as_str(), words[1].as_str(), words[2].as_str()] {
        ["SELECT", ..] => select(&tokens.rest()),
        ["CREATE", ..] => create(&tokens.rest()),
        // With a schema, several names or these clauses it is PostgreSQL's.
        ["DROP", "TYPE", "IF"] if tokens.sign(5) == "." => Form::No,
        ["DROP", "TYPE", _] if tokens.sign(3) == "." => Form::No,
        ["DROP", "TYPE", _] if (3..6).any(|n| tokens.sign(n) == "," || matches!(tokens.word(n).as_str(), "CASCADE" | "RESTRICT")) => {
            Form::No
        }
        ["DROP", "TYPE" | "CONNECTOR", _] | ["ALTER", "STREAM", _] | ["RUN", "SCRIPT", _] => Form::Sure,
        ["TERMINATE" | "PAUSE" | "RESUME" | "PRINT" | "DESCRIBE" | "LIST" | "UNSET" | "DEFINE" | "UNDEFINE" | "ASSERT" | "SPOOL", ..] => {
            Form::Sure
        }
        ["SHOW", "ALL", "TOPICS"] | ["SHOW", "SOURCE" | "SINK", "CONNECTORS"] | ["SHOW", "CONNECTOR", "PLUGINS"] => Form::Sure,
        ["SHOW", what, _] => sure(SHOWN.contains(&what)),
        ["SET", ..] => sure(matches!(tokens.get(1), Some(Lexeme::Text(_)))),
        ["ALTER", "SYSTEM", _] => sure(matches!(tokens.get(2), Some(Lexeme::Text(_)))),
        ["ALTER", "TABLE", _] if tokens.word(3) == "ADD" => depends(tokens.relation(2)),
        ["DELETE", "FROM", _] => depends(tokens.relation(2)),
        ["INSERT", "INTO", _] if tokens.word(3) == "WITH" && tokens.sign(4) == "(" => Form::Sure,
        ["INSERT", "INTO", _] => {
            let target = depends(tokens.relation(2));
            let values = (3..6).any(|n| tokens.word(n) == "VALUES");
            if !values && select(&tokens.rest()) == Form::Sure { Form::Sure } else { target }
        }
        ["DROP", "STREAM" | "TABLE", _] if (3..6).any(|n| tokens.word(n) == "DELETE" && tokens.word(n + 1) == "TOPIC") => Form::Sure,
        ["DROP", "STREAM" | "TABLE", "IF"] if tokens.word(3) == "EXISTS" => depends(tokens.relation(4)),
        ["DROP", "STREAM" | "TABLE", _] => depends(tokens.relation(2)),
        _ => Form::No,
    }
}

fn sure(fits: bool) -> Form {
    if fits { Form::Sure } else { Form::No }
}

fn depends(names: impl IntoIterator<Item = String>) -> Form {
    let names: Vec<String> = names.into_iter().collect();
    if names.is_empty() { Form::No } else { Form::Depends(names) }
}

/// Reads tokens when they are asked for, so that a long INSERT costs no more than a short one.
struct Look<'a> {
    lexer: Lexer<'a>,
    ahead: Vec<Lexeme>,
}

impl Look<'_> {
    fn get(&mut self, n: usize) -> Option<&Lexeme> {
        while self.ahead.len() <= n {
            self.ahead.push(self.lexer.next()?.kind);
        }
        self.ahead.get(n)
    }

    fn drop_first(&mut self) {
        if self.get(0).is_some() {
            self.ahead.remove(0);
        }
    }

    fn rest(mut self) -> Vec<Lexeme> {
        self.ahead.extend(self.lexer.map(|t| t.kind));
        self.ahead
    }

    fn word(&mut self, n: usize) -> String {
        self.get(n).map_or("", word).to_string()
    }

    fn sign(&mut self, n: usize) -> &'static str {
        self.get(n).map_or("", sign)
    }

    fn name(&mut self, n: usize) -> Option<String> {
        self.get(n).and_then(name)
    }

    /// The name at `n`, unless it is one of several parts: ksqlDB has no schemas.
    fn relation(&mut self, n: usize) -> Option<String> {
        if self.sign(n + 1) == "." { None } else { self.name(n) }
    }

    fn ends(&mut self, n: usize) -> bool {
        self.get(n).is_none() || (self.sign(n) == ";" && self.get(n + 1).is_none())
    }
}

fn word(lexeme: &Lexeme) -> &str {
    if let Lexeme::Word(word) = lexeme { word } else { "" }
}

fn sign(lexeme: &Lexeme) -> &'static str {
    if let Lexeme::Sign(sign) = lexeme { sign } else { "" }
}

fn name(lexeme: &Lexeme) -> Option<String> {
    match lexeme {
        Lexeme::Word(name) | Lexeme::Quoted(name) => Some(name.clone()),
        _ => None,
    }
}

/// SELECT: EMIT is only ksqlDB's; else the relations behind FROM and JOIN tell.
fn select(tokens: &[Lexeme]) -> Form {
    let at = |i: usize| tokens.get(i);
    let emit = |i: usize| at(i).map(word) == Some("EMIT") && matches!(at(i + 1).map(word), Some("CHANGES" | "FINAL"));
    let mut names = Vec::new();
    // For each open parenthesis, whether a SELECT stands in it: FROM is a clause only then, and not an argument's as in EXTRACT.
    let mut selects = vec![false];
    for (i, lexeme) in tokens.iter().enumerate() {
        if selects.len() == 1 && emit(i) {
            return Form::Sure;
        }
        match (sign(lexeme), word(lexeme)) {
            ("(", _) => selects.push(false),
            (")", _) if selects.len() > 1 => drop(selects.pop()),
            (_, "SELECT") => {
                if let Some(open) = selects.last_mut() {
                    *open = true;
                }
            }
            (_, "FROM" | "JOIN") if selects.last() == Some(&true) => {
                let distinct = i > 0 && at(i - 1).map(word) == Some("DISTINCT");
                let parts = at(i + 2).map(sign) == Some(".");
                if !distinct && !parts {
                    names.extend(at(i + 1).and_then(name));
                }
            }
            _ => {}
        }
    }
    names.sort();
    names.dedup();
    depends(names)
}

/// CREATE: of a relation, a type or a connector.
fn create(tokens: &[Lexeme]) -> Form {
    let words: Vec<&str> = tokens.iter().map(word).collect();
    let at = |i: usize| words.get(i).copied().unwrap_or_default();
    let signs = |i: usize| tokens.get(i).map_or("", sign);
    let after_if = |i: usize| if [at(i), at(i + 1), at(i + 2)] == ["IF", "NOT", "EXISTS"] { i + 3 } else { i };
    match [at(1), at(2), at(3)] {
        ["TYPE", ..] => {
            let i = after_if(2) + 1;
            return sure(at(i) == "AS" && !matches!(at(i + 1), "ENUM" | "RANGE") && signs(i + 1) != "(" && tokens.len() > i + 1);
        }
        ["SOURCE" | "SINK", "CONNECTOR", _] | ["SOURCE", "STREAM" | "TABLE", _] => return Form::Sure,
        ["OR", "REPLACE", "STREAM" | "TABLE" | "SOURCE"] => return Form::Sure,
        ["STREAM" | "TABLE", ..] => {}
        _ => return Form::No,
    }
    let mut i = after_if(2) + 1;
    if signs(i) == "(" {
        match columns(tokens.get(i + 1..).unwrap_or_default()) {
            None => return Form::Sure,
            Some(length) => i += 1 + length,
        }
    }
    let properties = at(i) == "WITH" && signs(i + 1) == "(" && tokens.get(i + 2..).is_some_and(|rest| rest.iter().any(is_property));
    if properties || at(i) != "AS" || at(i + 1) != "SELECT" {
        return sure(properties);
    }
    // A table of a query is PostgreSQL's too: the relations that it reads tell, unless it has clauses of ksqlDB's alone.
    match at(1) {
        "TABLE" if !has_ksql_clause(&words[i..]) => select(tokens.get(i + 1..).unwrap_or_default()),
        _ => Form::Sure,
    }
}

/// True for a query with a window of time, a partition or EMIT of ksqlDB's.
fn has_ksql_clause(words: &[&str]) -> bool {
    words.windows(2).any(|pair| matches!(pair, ["WINDOW", "TUMBLING" | "HOPPING" | "SESSION"] | ["EMIT", "CHANGES" | "FINAL"]))
}

/// True for the name of a property of ksqlDB's: PostgreSQL's storage parameters have others.
fn is_property(lexeme: &Lexeme) -> bool {
    let (Lexeme::Word(name) | Lexeme::Text(name)) = lexeme else { return false };
    PROPERTIES.iter().any(|(known, _)| known.eq_ignore_ascii_case(name))
}

/// How many tokens the list of columns takes that begins here, with the parenthesis that closes it; `None` if a type or a role in it
/// is ksqlDB's alone.
fn columns(tokens: &[Lexeme]) -> Option<usize> {
    let (mut open, mut place) = (1_usize, 0_usize);
    for (i, lexeme) in tokens.iter().enumerate() {
        let before = i.checked_sub(1).and_then(|i| tokens.get(i)).map_or("", word);
        let next = tokens.get(i + 1).map_or("", sign);
        place += 1;
        match (sign(lexeme), word(lexeme)) {
            ("(", _) => open += 1,
            (")", _) => {
                open -= 1;
                if open == 0 {
                    return Some(i + 1);
                }
            }
            (",", _) if open == 1 => place = 0,
            // The type stands behind the name.
            (_, "STRING" | "BYTES") if open == 1 && place == 2 => return None,
            (_, "ARRAY" | "MAP" | "STRUCT") if matches!(next, "<" | "<>") => return None,
            // The role stands behind the type, at the end.
            (_, "KEY") if open == 1 && place > 2 && matches!(next, "," | ")") && !matches!(before, "PRIMARY" | "FOREIGN") => return None,
            (_, "HEADERS") if open == 1 && place > 2 && matches!(next, "," | ")") => return None,
            (_, "HEADER") if open == 1 && place > 2 && next == "(" => return None,
            _ => {}
        }
    }
    Some(tokens.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_forms_of_ksqldb_are_taken() {
        let sure = [
            "CREATE STREAM s (a INT KEY, b INT)",
            "create table if not exists s (a INT PRIMARY KEY, b VARCHAR) with (kafka_topic='t')",
            "CREATE TABLE t (a STRING)",
            "CREATE TABLE t (a INT, b ARRAY<INT>)",
            "CREATE STREAM t (a INT, b VARCHAR(3) HEADER('k'))",
            "CREATE STREAM t WITH (kafka_topic='t')",
            "CREATE STREAM t AS SELECT * FROM s",
            "CREATE OR REPLACE TABLE t AS SELECT 1",
            "CREATE TABLE t AS SELECT a, COUNT(*) FROM s WINDOW TUMBLING (SIZE 1 DAY) GROUP BY a",
            "CREATE TABLE t AS SELECT a, COUNT(*) FROM s GROUP BY a EMIT CHANGES",
            "CREATE SOURCE TABLE t (a INT PRIMARY KEY)",
            "CREATE TYPE a AS STRUCT<x INT>",
            "DROP TYPE IF EXISTS a",
            "SELECT * FROM s EMIT CHANGES",
            "/* a */ explain select * from s emit final limit 3;",
            "EXPLAIN CSAS_1;",
            "SHOW streams extended",
            "SHOW ALL TOPICS",
            "SET 'a' = 'b'",
            "ALTER STREAM a ADD b INT",
            "INSERT INTO s WITH (QUERY_ID='x') SELECT 1",
            "RUN SCRIPT 'x'",
        ];
        for text in sure {
            assert_eq!(begins_ksql(text), Form::Sure, "{text}");
        }
        let no = [
            "",
            "'",
            "SELECT 1",
            "SELECT EXTRACT(YEAR FROM a)",
            "SELECT * FROM public.s",
            "CREATE TABLE t (a int PRIMARY KEY, key text, b int[] NOT NULL, FOREIGN KEY (a) REFERENCES u)",
            "CREATE STREAM t (a int)",
            "CREATE TABLE t AS SELECT 1",
            "CREATE TABLE t AS (SELECT a FROM s)",
            "CREATE TABLE public.t AS SELECT a FROM s",
            "CREATE MATERIALIZED VIEW v AS SELECT 1",
            "CREATE TYPE a AS ENUM ('x')",
            "CREATE TYPE a AS (x int)",
            "DROP TYPE a, b",
            "DROP TYPE IF EXISTS a CASCADE",
            "DROP TYPE public.a",
            "SHOW ALL",
            "SHOW server_version",
            "SET a = 'b'",
            "EXPLAIN ANALYZE SELECT 1",
            "ALTER SYSTEM SET a = 1",
            "WITH a AS (SELECT 1) SELECT * FROM a",
            "COPY a FROM STDIN",
        ];
        for text in no {
            assert_eq!(begins_ksql(text), Form::No, "{text}");
        }
        let depends: [(&str, &[&str]); 9] = [
            ("CREATE TABLE t AS SELECT a FROM s JOIN u ON true", &["S", "U"]),
            ("SELECT a FROM s JOIN \"t\" ON x IS DISTINCT FROM y", &["S", "t"]),
            ("SELECT * FROM (SELECT * FROM b), c", &["B"]),
            ("EXPLAIN SELECT * FROM s", &["S"]),
            ("INSERT INTO s VALUES ('", &["S"]),
            ("INSERT INTO s SELECT * FROM t", &["S"]),
            ("DROP TABLE IF EXISTS s CASCADE", &["S"]),
            ("DELETE FROM `s` WHERE a = 1", &["s"]),
            ("ALTER TABLE s ADD COLUMN a int", &["S"]),
        ];
        for (text, names) in depends {
            assert_eq!(begins_ksql(text), Form::Depends(names.iter().map(|n| n.to_string()).collect()), "{text}");
        }
    }
}
