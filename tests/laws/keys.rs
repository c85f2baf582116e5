//! Changes that find their rows by keys, and constraints that are checked by them, do what passing over the tables does.
//!
//! A case is drawn from a seed: changes of tables with keys, UNIQUE, REFERENCES and unique indexes, on an expression and on some rows, outside
//! of transactions and inside, with savepoints. A second database has the same tables without constraints; there each condition on a key is written so that no index knows it,
//! the actions of foreign keys are statements of their own, and queries over whole tables tell what breaks a rule. Both must take and refuse
//! the same statements, and hold the same rows, at last after a restart too.

use super::database::Database;
use crate::support::random::{Random, number};

const TABLES: &[&str] = &["p", "c", "r", "m", "e"];

const CHECKED: &[&str] = &[
    "CREATE TABLE p (a int, b bigint, u text UNIQUE, n int, PRIMARY KEY (a, b))",
    "CREATE TABLE c (id int PRIMARY KEY, pa bigint, pb int, v int, FOREIGN KEY (pa, pb) REFERENCES p ON DELETE CASCADE)",
    "CREATE TABLE r (id int PRIMARY KEY, pu text REFERENCES p (u) DEFERRABLE INITIALLY DEFERRED)",
    "CREATE TABLE m (x int, y text UNIQUE, z smallint REFERENCES c ON DELETE SET NULL)",
    "CREATE TABLE e (id int PRIMARY KEY, w text, k int, f boolean)",
    "CREATE UNIQUE INDEX e_w ON e (lower(w))",
    "CREATE UNIQUE INDEX e_k ON e (k, (id % 2)) WHERE f AND k > 0",
];

const PLAIN: &[&str] = &[
    "CREATE TABLE p (a int, b bigint, u text, n int, PRIMARY KEY (a, b))",
    "CREATE TABLE c (id int PRIMARY KEY, pa bigint, pb int, v int)",
    "CREATE TABLE r (id int PRIMARY KEY, pu text)",
    "CREATE TABLE m (x int, y text, z smallint)",
    "CREATE TABLE e (id int PRIMARY KEY, w text, k int, f boolean)",
];

/// What ON DELETE does, one after the other.
const ACTIONS: &[&str] = &[
    "DELETE FROM c WHERE pa IS NOT NULL AND pb IS NOT NULL AND NOT EXISTS (SELECT 1 FROM p WHERE p.a = c.pa AND p.b = c.pb)",
    "UPDATE m SET z = NULL WHERE z IS NOT NULL AND NOT EXISTS (SELECT 1 FROM c WHERE c.id = m.z)",
];

/// What breaks a rule, if it has rows, and the rule's SQLSTATE; the last is checked at the end of a transaction.
const BROKEN: &[(&str, &str)] = &[
    ("SELECT u FROM p WHERE u IS NOT NULL GROUP BY u HAVING count(*) > 1", "23505"),
    ("SELECT y FROM m WHERE y IS NOT NULL GROUP BY y HAVING count(*) > 1", "23505"),
    ("SELECT lower(w) FROM e WHERE w IS NOT NULL GROUP BY 1 HAVING count(*) > 1", "23505"),
    ("SELECT k, id % 2 FROM e WHERE f AND k > 0 GROUP BY 1, 2 HAVING count(*) > 1", "23505"),
    ("SELECT 1 FROM c WHERE pa IS NOT NULL AND pb IS NOT NULL AND NOT EXISTS (SELECT 1 FROM p WHERE p.a = c.pa AND p.b = c.pb)", "23503"),
    ("SELECT 1 FROM m WHERE z IS NOT NULL AND NOT EXISTS (SELECT 1 FROM c WHERE c.id = m.z)", "23503"),
    (DEFERRED, "23503"),
];

const DEFERRED: &str = "SELECT 1 FROM r WHERE pu IS NOT NULL AND NOT EXISTS (SELECT 1 FROM p WHERE p.u = r.pu)";

/// A statement in both forms; `[a]` in it is the column a, bare or hidden from indexes. Forms that differ more stand on both sides of `|||`.
fn both(statement: &str) -> (String, String) {
    if let Some((by_key, by_scan)) = statement.split_once("|||") {
        return (by_key.to_string(), by_scan.to_string());
    }
    let by_key = statement.replace(['[', ']'], "");
    let mut by_scan = statement.to_string();
    for text in ["u", "y", "pu"] {
        by_scan = by_scan.replace(&format!("[{text}]"), &format!("({text} || '')"));
    }
    (by_key, by_scan.replace('[', "(0 + ").replace(']', ")"))
}

/// A change, drawn.
fn change(random: &mut Random) -> String {
    let (a, b, n) = (random.below(4), random.below(3), random.below(9));
    let text = |random: &mut Random| ["'s'", "'t'", "'u'", "'v'", "'w'", "NULL"][random.below(6)];
    let (u, other) = (text(random), text(random));
    let key = format!("[a] = {a} AND [b] = {b}");
    if random.below(4) == 0 {
        return change_of_e(random);
    }
    match random.below(24) {
        0..=3 => format!("INSERT INTO p VALUES ({a}, {b}, {u}, {n})"),
        4 => format!(
            "INSERT INTO p VALUES ({a}, {b}, {u}, {n}), ({n}, {b}, {other}, {a}) ON CONFLICT (a, b) DO UPDATE SET n = p.n + excluded.n"
        ),
        5 => format!("INSERT INTO p VALUES ({a}, {b}, {u}, {n}) ON CONFLICT (b, a) DO NOTHING"),
        6 | 7 => format!("UPDATE p SET n = n + 1, u = {u} WHERE {key}"),
        8 => format!("UPDATE p SET n = n + 1 WHERE {key} AND n > {n}"),
        9 => format!("UPDATE p SET b = b + 1 WHERE {key}"),
        10 => format!("UPDATE p SET n = (SELECT count(*) FROM p AS q WHERE q.n >= p.n) WHERE [a] IN ({a}, 2) AND ([b] = {b} OR [b] = 1)"),
        11 => format!("DELETE FROM p WHERE {key}"),
        12 => format!("DELETE FROM p WHERE [a] = {a} AND [b] = {b} AND u = {u}"),
        13 => format!("UPDATE p SET n = c.v FROM c WHERE {key} AND [id] = {n}"),
        14..=16 => format!("INSERT INTO c VALUES ({n}, {a}, {}, {n})", ["0", "1", "2", "NULL"][random.below(4)]),
        17 => format!("DELETE FROM c WHERE [id] = {n}"),
        18 => format!("UPDATE c SET pa = {a}, v = v + 1 WHERE [id] IN ({n}, 3, NULL)"),
        19 => format!("INSERT INTO r VALUES ({n}, {u})"),
        20 => format!("UPDATE r SET pu = {u} WHERE [id] = {n}"),
        21 => format!("INSERT INTO m VALUES ({a}, {u}, {})", ["1", "2", "7", "NULL"][random.below(4)]),
        22 => format!("UPDATE m SET x = x + 1, y = {other} WHERE [y] = {u}"),
        _ => format!("DELETE FROM m WHERE [y] = {u}"),
    }
}

/// A change of the table with unique indexes, drawn. ON CONFLICT is a query over the table for who has no index; what it inserts then has an
/// id that is not there.
fn change_of_e(random: &mut Random) -> String {
    let word = |random: &mut Random| ["'s'", "'S'", "'t'", "'T'", "'u'", "NULL"][random.below(6)];
    let (w, other, f) = (word(random), word(random), ["true", "false", "NULL"][random.below(3)]);
    let (id, k, fresh) = (random.below(6), random.below(4), 100 + random.below(1 << 30));
    let row = format!("{fresh}, {w}, {k}, {f}");
    let absent = |same: &str| format!("WHERE NOT EXISTS (SELECT 1 FROM e WHERE {same})");
    let same_w = format!("lower(w) = lower({w})");
    let same_k = format!("k = {k} AND id % 2 = {} AND f AND k > 0 AND {f}", fresh % 2);
    match random.below(10) {
        0..=2 => format!("INSERT INTO e VALUES ({id}, {w}, {k}, {f})"),
        3 => format!("INSERT INTO e VALUES ({id}, {w}, {k}, {f}), ({}, {other}, {k}, true)", id + 1),
        4 => format!("UPDATE e SET w = {w}, f = {f} WHERE [id] = {id}"),
        5 => format!("UPDATE e SET k = k + 1, f = true WHERE [id] IN ({id}, {})", id + 1),
        6 => format!("DELETE FROM e WHERE [id] = {id}"),
        7 => format!("INSERT INTO e VALUES ({row}) ON CONFLICT (lower(w)) DO NOTHING|||INSERT INTO e SELECT {row} {}", absent(&same_w)),
        8 => format!(
            "INSERT INTO e VALUES ({row}) ON CONFLICT (lower(w)) DO UPDATE SET k = e.k + 1, f = excluded.f\
             |||INSERT INTO e SELECT id, w, k + 1, {f} FROM e WHERE {same_w} UNION ALL SELECT {row} {}",
            absent(&same_w)
        ),
        _ => format!(
            "INSERT INTO e VALUES ({row}) ON CONFLICT (k, (id % 2)) WHERE f AND k > 0 DO NOTHING|||INSERT INTO e SELECT {row} {}",
            absent(&same_k)
        ),
    }
}

/// The SQLSTATEs of the rules that are broken; of the deferred one too if it is `due`.
fn broken(plain: &mut Database, due: bool) -> Vec<&'static str> {
    let rules = BROKEN.iter().filter(|(query, _)| due || *query != DEFERRED);
    rules.filter(|(query, _)| !plain.run(query).expect("a query").rows.is_empty()).map(|(_, state)| *state).collect()
}

/// Both databases, and what has been done to them.
struct Pair {
    checked: Database,
    plain: Database,
    log: Vec<String>,
}

impl Pair {
    fn new(seed: u64) -> Pair {
        let made = |schema: &[&str]| {
            let mut database = Database::new().expect("a database");
            schema.iter().for_each(|sql| drop(database.run(sql).expect("a table")));
            database
        };
        Pair { checked: made(CHECKED), plain: made(PLAIN), log: vec![format!("seed {seed}")] }
    }

    fn said(&self) -> String {
        self.log.join(";\n")
    }

    fn control(&mut self, sql: &str) {
        self.log.push(sql.into());
        self.checked.run(sql).unwrap_or_else(|e| panic!("{e:?} after\n{}", self.said()));
        self.plain.run(sql).expect("the same");
    }

    /// Does a change to both. `block`: inside BEGIN.
    fn change(&mut self, statement: &str, block: bool) {
        let (by_key, by_scan) = both(statement);
        self.log.push(by_key.clone());
        let (mark, keep, undo) = match block {
            true => ("SAVEPOINT one", "RELEASE one", "ROLLBACK TO one"),
            false => ("BEGIN", "COMMIT", "ROLLBACK"),
        };
        if block {
            self.checked.run(mark).expect("a savepoint");
        }
        self.plain.run(mark).expect("a savepoint");
        let theirs = self.plain.run(&by_scan);
        if theirs.is_ok() && statement.starts_with("DELETE") {
            ACTIONS.iter().for_each(|action| drop(self.plain.run(action).expect("an action")));
        }
        let states = theirs.as_ref().map_or_else(|e| vec![e.code()], |_| broken(&mut self.plain, !block));
        let ours = self.checked.run(&by_key);
        match &ours {
            Ok(answer) => {
                assert!(states.is_empty(), "{states:?} was to come after\n{}", self.said());
                assert_eq!(answer.tag, theirs.expect("taken").tag, "after\n{}", self.said());
            }
            Err(e) => assert!(states.contains(&e.code()), "{e:?}, not {states:?}, after\n{}", self.said()),
        }
        let end = if ours.is_ok() { keep } else { undo };
        self.plain.run(end).expect("an end");
        if block {
            self.checked.run(end).expect("an end");
        }
    }

    fn commit(&mut self) {
        self.log.push("COMMIT".into());
        let states = broken(&mut self.plain, true);
        let ours = self.checked.run("COMMIT");
        assert_eq!(ours.as_ref().err().map(|e| e.code()), states.first().copied(), "{ours:?} after\n{}", self.said());
        self.plain.run(if ours.is_ok() { "COMMIT" } else { "ROLLBACK" }).expect("an end");
    }

    fn compare(&mut self) {
        for table in TABLES {
            let all = format!("SELECT * FROM {table}");
            let (ours, theirs) = (self.checked.run(&all).expect("rows").bag(), self.plain.run(&all).expect("rows").bag());
            assert_eq!(ours, theirs, "{table} after\n{}", self.said());
        }
        for read in [
            "SELECT * FROM p WHERE [a] = 1 AND [b] IN (0, 1, 2)",
            "SELECT * FROM m WHERE [y] = 's'",
            "SELECT * FROM e WHERE [id] = 1",
            "SELECT * FROM p, r WHERE [u] = 't' AND u = pu",
        ] {
            let (by_key, by_scan) = both(read);
            let (ours, theirs) = (self.checked.run(&by_key).expect("rows").bag(), self.plain.run(&by_scan).expect("rows").bag());
            assert_eq!(ours, theirs, "{by_key} after\n{}", self.said());
        }
    }
}

fn check(seed: u64) {
    let mut random = Random::new(seed);
    let mut pair = Pair::new(seed);
    for _ in 0..6 {
        for _ in 0..random.below(8) {
            pair.change(&change(&mut random), false);
        }
        pair.compare();
        pair.control("BEGIN");
        let mut savepoints = 0;
        for _ in 0..random.below(12) {
            match random.below(8) {
                0 if savepoints > 0 => {
                    let to = random.below(savepoints);
                    pair.control(&format!("ROLLBACK TO p{to}"));
                    savepoints = to + 1;
                }
                1 => {
                    pair.control(&format!("SAVEPOINT p{savepoints}"));
                    savepoints += 1;
                }
                2 => pair.compare(),
                _ => pair.change(&change(&mut random), true),
            }
        }
        match random.below(4) {
            0 => pair.control("ROLLBACK"),
            _ => pair.commit(),
        }
        pair.compare();
    }
    pair.checked = pair.checked.restart().expect("a restart");
    pair.compare();
    for _ in 0..10 {
        pair.change(&change(&mut random), false);
    }
    pair.compare();
}

#[test]
fn changes_by_key_do_what_passing_over_the_tables_does() {
    let first = number("EVERFOLD_SEED", 1);
    for seed in first..first + number("EVERFOLD_CASES", 2) {
        check(seed);
    }
}

#[test]
fn unique_indexes_are_held_after_a_restart() {
    let mut database = Database::new().expect("a database");
    for sql in [
        "CREATE TABLE users (id int PRIMARY KEY, email text, place int, active boolean)",
        "INSERT INTO users VALUES (1, 'Ann@x', 1, true), (2, 'bob@x', 1, false)",
        "CREATE UNIQUE INDEX by_email ON users (lower(email) DESC) INCLUDE (place)",
        "CREATE UNIQUE INDEX by_place ON users (place) WHERE active",
        "INSERT INTO users VALUES (3, 'cyd@x', 3, true)",
    ] {
        database.run(sql).expect("taken");
    }
    let shown = "SELECT indexdef FROM pg_indexes WHERE tablename = 'users' ORDER BY indexname";
    let before = database.run(shown).expect("definitions").rows;
    for _ in 0..2 {
        database = database.restart().expect("a restart");
        assert_eq!(database.run(shown).expect("definitions").rows, before);
        for sql in [
            "INSERT INTO users VALUES (4, 'ANN@X', 4, true)",
            "INSERT INTO users VALUES (4, 'new@x', 1, true)",
            "UPDATE users SET active = true WHERE id = 2",
            "CREATE UNIQUE INDEX by_active ON users ((active::text)) WHERE place < 9",
        ] {
            assert_eq!(database.run(sql).expect_err(sql).code(), "23505", "{sql}");
        }
        let merged = "INSERT INTO users VALUES (5, 'CYD@x') ON CONFLICT (lower(email)) DO UPDATE SET place = 7 RETURNING id";
        assert_eq!(database.run(merged).expect("merged").one(), "3");
        database.run("CHECKPOINT").expect("a checkpoint");
    }
}
