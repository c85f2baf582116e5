//! No way leads to a row that a policy keeps back: not its values, not an error about them, and no change of it.

use super::{refusal, run};
use crate::support::server::Server;
use crate::support::wire::Wire;

const SECRET: &str = "hidden words";

/// What reads.
const READS: &[&str] = &[
    "SELECT * FROM docs",
    "TABLE docs",
    "SELECT body FROM docs WHERE id = 2",
    "SELECT body FROM docs WHERE id IN (1, 2, 3)",
    "SELECT docs FROM docs",
    "SELECT row_to_json(d) FROM docs d",
    "SELECT string_agg(body, ',' ORDER BY id), array_agg(body) FROM docs",
    "SELECT (SELECT max(body) FROM docs)",
    "SELECT max(body) OVER (), first_value(body) OVER (ORDER BY n) FROM docs",
    "WITH d AS (SELECT * FROM docs) SELECT d.body FROM d JOIN docs e ON e.id = 2",
    "SELECT body FROM open_docs WHERE id = 2",
    "SELECT body FROM docs WHERE 1 / n > 0",
    "SELECT body FROM docs WHERE id = 2 AND 1 / n > 0",
    "SELECT 1 / n, body FROM docs",
    "SELECT body FROM docs WHERE body::int > 0 AND id = 2",
    "SELECT e.body FROM (VALUES (2)) v (id) LEFT JOIN docs e USING (id)",
    "SELECT e.body FROM (VALUES (2)) v (id), LATERAL (SELECT body FROM docs WHERE docs.id = v.id) e",
    "SELECT body FROM docs UNION ALL SELECT body FROM docs",
    "SELECT body FROM docs ORDER BY n LIMIT 1",
    "SELECT body FROM docs FOR UPDATE",
    "SELECT body FROM docs ORDER BY id FOR UPDATE SKIP LOCKED LIMIT 3",
    "COPY docs TO STDOUT",
    "COPY (SELECT body FROM docs) TO STDOUT",
    "EXPLAIN ANALYZE SELECT body FROM docs WHERE id = 2",
    "EXECUTE by_key",
    "EXECUTE all_of_them",
    "SELECT * FROM docs EMIT CHANGES LIMIT 1",
    "LISTEN docs",
    "SELECT body FROM kept",
    "SELECT body FROM kept WHERE id = 2",
    "CREATE MATERIALIZED VIEW mine AS SELECT body FROM docs",
    "CREATE STREAM MINE AS SELECT * FROM docs EMIT CHANGES",
    "CREATE TABLE copied AS SELECT * FROM docs",
    "DO $$ BEGIN RAISE EXCEPTION '%', (SELECT max(body) FROM docs); END $$",
];

/// What writes.
const WRITES: &[&str] = &[
    "UPDATE docs SET n = 7",
    "UPDATE docs SET n = 7 WHERE id = 2 RETURNING *",
    "UPDATE docs d SET n = 7 FROM docs e WHERE e.id = 2 RETURNING e.*",
    "UPDATE docs SET id = 2 WHERE id = 1",
    "DELETE FROM docs",
    "DELETE FROM docs WHERE id = 2 RETURNING *",
    "DELETE FROM docs WHERE 1 / n > 0",
    "INSERT INTO docs VALUES (2, 'seer', 'mine', 1)",
    "INSERT INTO docs VALUES (2, 'seer', 'mine', 1) RETURNING *",
    "INSERT INTO docs VALUES (2, 'seer', 'mine', 1) ON CONFLICT DO NOTHING RETURNING *",
    "INSERT INTO docs VALUES (2, 'seer', 'mine', 1) ON CONFLICT (id) DO UPDATE SET owner = 'seer' RETURNING *",
    "INSERT INTO docs VALUES (9, 'seer', 'hidden words', 1)",
    "INSERT INTO docs SELECT id + 10, 'seer', body, 1 FROM docs RETURNING body",
    "MERGE INTO docs d USING (VALUES (2)) v (id) ON d.id = v.id WHEN MATCHED THEN UPDATE SET owner = 'seer'",
    "MERGE INTO docs d USING (VALUES (2)) v (id) ON d.id = v.id WHEN MATCHED THEN DELETE",
    "MERGE INTO docs d USING (VALUES (2)) v (id) ON d.id = v.id WHEN NOT MATCHED THEN INSERT VALUES (2, 'seer', 'mine', 1)",
    "WITH gone AS (DELETE FROM docs RETURNING *) SELECT * FROM gone",
    "COPY docs FROM STDIN",
];

fn prepared() -> (Server, Wire) {
    let server = Server::start();
    let mut wire = server.connect();
    run(&mut wire, &["CREATE ROLE seer", "GRANT CREATE ON SCHEMA public TO seer", "CREATE ROLE other"]);
    run(&mut wire, &["CREATE TABLE docs (id int PRIMARY KEY, owner text, body text UNIQUE, n int)"]);
    run(&mut wire, &[&format!("INSERT INTO docs VALUES (1, 'seer', '1', 1), (2, 'other', '{SECRET}', 0)")]);
    run(&mut wire, &["CREATE VIEW open_docs AS SELECT * FROM docs", "CREATE MATERIALIZED VIEW kept AS SELECT id, body FROM docs"]);
    run(&mut wire, &["ALTER VIEW open_docs OWNER TO other", "ALTER MATERIALIZED VIEW kept OWNER TO other"]);
    run(&mut wire, &["GRANT SELECT, INSERT, UPDATE, DELETE ON docs TO seer, other", "GRANT SELECT ON open_docs, kept TO seer"]);
    run(&mut wire, &["PREPARE by_key AS SELECT body FROM docs WHERE id = 2", "PREPARE all_of_them AS SELECT body FROM docs"]);
    run(&mut wire, &["EXECUTE by_key", "SELECT body FROM docs WHERE id = 2", "SELECT body FROM kept"]);
    run(&mut wire, &["ALTER TABLE docs ENABLE ROW LEVEL SECURITY", "CREATE POLICY own ON docs USING (owner = current_user)"]);
    (server, wire)
}

/// All that a statement answers; an error of its own is one about a hidden row.
fn told(wire: &mut Wire, statement: &str) -> String {
    let mut all = String::new();
    for outcome in wire.simple(statement) {
        match outcome {
            Ok(answer) => {
                let copied = String::from_utf8_lossy(&answer.copied).into_owned();
                all += &format!("{:?} {copied} {:?}\n", answer.lines(), answer.notices);
            }
            Err(e) => {
                assert!(!["22012", "22P02"].contains(&e.code.as_str()), "{statement}: {e:?}");
                all += &format!("{:?} {:?}\n", e.message, e.detail);
            }
        }
    }
    all
}

#[test]
fn no_statement_tells_of_a_row_that_is_kept_back() {
    let (_server, mut wire) = prepared();
    run(&mut wire, &["SET ROLE seer"]);
    for statement in READS {
        let answer = told(&mut wire, statement);
        assert!(!answer.contains(SECRET), "{statement}: {answer}");
    }
    for statement in WRITES {
        run(&mut wire, &["BEGIN"]);
        let answer = told(&mut wire, statement);
        run(&mut wire, &["ROLLBACK"]);
        assert!(!answer.contains(SECRET), "{statement}: {answer}");
    }
}

#[test]
fn no_statement_changes_a_row_that_is_kept_back() {
    let (server, mut wire) = prepared();
    for statement in WRITES {
        run(&mut wire, &["SET ROLE seer"]);
        told(&mut wire, statement);
        run(&mut wire, &["RESET ROLE"]);
        assert_eq!(wire.value("SELECT concat(owner, body, n) FROM docs WHERE id = 2"), format!("other{SECRET}0"), "{statement}");
    }
    drop(wire);
    let server = server.kill_and_restart();
    let mut wire = server.connect();
    run(&mut wire, &["SET ROLE seer"]);
    assert_eq!(wire.value("SELECT count(*) FROM docs WHERE id = 2"), "0", "policies are there after a crash");
    assert_eq!(refusal(&mut wire, "ALTER TABLE docs DISABLE ROW LEVEL SECURITY").code, "42501");
}
