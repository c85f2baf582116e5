//! The matrix of privileges, and what roles do to one another.

use super::{FIRST, refusal, run};
use crate::support::server::Server;
use crate::support::wire::Wire;

const ROLES: [&str; 8] = ["nobody", "appender", "reader", "writer", "noinherit", "maker", "owner", "admin"];

fn prepared() -> (Server, Wire) {
    let server = Server::start();
    let mut wire = server.connect();
    run(&mut wire, &["CREATE ROLE admin SUPERUSER", "CREATE ROLE nobody", "CREATE ROLE maker", "CREATE ROLE owner"]);
    run(&mut wire, &["GRANT CREATE ON SCHEMA public TO maker, owner"]);
    run(&mut wire, &["CREATE SCHEMA sales AUTHORIZATION owner"]);
    run(
        &mut wire,
        &["SET ROLE owner", "CREATE STREAM orders (id int, sku text, n int)", "CREATE TABLE stock (id int PRIMARY KEY, sku text, n int)"],
    );
    run(&mut wire, &["CREATE MATERIALIZED VIEW totals AS SELECT sku, sum(n) AS total FROM orders GROUP BY sku"]);
    run(&mut wire, &["CREATE VIEW big_orders AS SELECT * FROM orders WHERE n > 5", "INSERT INTO orders VALUES (1, 'a', 9)"]);
    run(&mut wire, &["CREATE STREAM K_ORDERS (ID INT KEY, N INT) WITH (kafka_topic='k_orders', value_format='JSON', partitions=1)"]);
    run(&mut wire, &["INSERT INTO K_ORDERS (ID, N) VALUES (1, 1)", "SET 'auto.offset.reset' = 'earliest'"]);
    run(&mut wire, &["CREATE TABLE staff (id int PRIMARY KEY, name text, pay int)", "CREATE SEQUENCE numbers"]);
    run(&mut wire, &["CREATE TABLE sales.bills (a int)", "GRANT SELECT ON sales.bills TO nobody"]);
    for role in ROLES {
        run(&mut wire, &[&format!("CREATE TABLE gone_{role} (a int)")]);
        let stream = format!("CREATE STREAM K_GONE_{role} (A INT) WITH (kafka_topic='gone_{role}', value_format='JSON', partitions=1)");
        run(&mut wire, &[&stream]);
    }
    run(&mut wire, &["RESET ROLE", "CREATE ROLE appender", "GRANT INSERT ON orders TO appender"]);
    run(&mut wire, &["CREATE ROLE reader", "GRANT pg_read_all_data TO reader", "CREATE ROLE noinherit NOINHERIT IN ROLE reader"]);
    run(
        &mut wire,
        &["CREATE ROLE writer", "GRANT SELECT, INSERT, UPDATE, DELETE ON stock TO writer", "GRANT SELECT ON big_orders TO writer"],
    );
    run(
        &mut wire,
        &["GRANT SELECT (id, name), INSERT (id, name), UPDATE (name) ON staff TO writer", "GRANT USAGE ON SEQUENCE numbers TO appender"],
    );
    run(&mut wire, &["GRANT SELECT (n) ON k_orders TO writer"]);
    run(&mut wire, &["GRANT USAGE ON SCHEMA sales TO writer", "GRANT SELECT ON ALL TABLES IN SCHEMA sales TO writer"]);
    for role in ROLES {
        run(&mut wire, &[&format!("CREATE SCHEMA gone_{role} AUTHORIZATION owner")]);
    }
    (server, wire)
}

/// What the matrix drops, alters and calls, all of it the owner's; what is dropped is there once for each role.
fn doomed(wire: &mut Wire) {
    run(wire, &["SET ROLE owner", "CREATE TABLE kept (a int)", "CREATE TYPE kept_enum AS ENUM ('a')", "CREATE DOMAIN kept_domain AS int"]);
    run(wire, &["CREATE FUNCTION told() RETURNS int LANGUAGE sql AS 'SELECT 1'", "REVOKE EXECUTE ON FUNCTION told() FROM PUBLIC"]);
    run(wire, &["CREATE PROCEDURE done() LANGUAGE plpgsql AS 'BEGIN NULL; END'", "REVOKE EXECUTE ON PROCEDURE done() FROM PUBLIC"]);
    run(wire, &["GRANT EXECUTE ON FUNCTION told() TO writer", "GRANT EXECUTE ON PROCEDURE done() TO writer"]);
    run(wire, &["CREATE FUNCTION quiet() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'"]);
    run(wire, &["CREATE TABLE parted (a text) PARTITION BY LIST (a)"]);
    for (relation, topic) in [("STREAM K_KEPT (A INT)", "k_kept"), ("STREAM K_SINK (ID INT KEY, N INT)", "k_sink")] {
        run(wire, &[&format!("CREATE {relation} WITH (kafka_topic='{topic}', value_format='JSON', partitions=1)")]);
    }
    run(wire, &["CREATE TABLE K_STATE (ID INT PRIMARY KEY, N INT) WITH (kafka_topic='k_state', value_format='JSON', partitions=1)"]);
    run(wire, &["INSERT INTO K_STATE (ID, N) VALUES (1, 1)", "CREATE STREAM K_FED AS SELECT * FROM K_ORDERS EMIT CHANGES"]);
    for role in ROLES {
        for statement in [
            "CREATE MATERIALIZED VIEW gone_mv_{role} AS SELECT count(*) AS n FROM orders",
            "CREATE VIEW gone_view_{role} AS SELECT 1 AS a",
            "CREATE STREAM gone_stream_{role} (a int)",
            "CREATE SEQUENCE gone_sequence_{role}",
            "CREATE INDEX gone_index_{role} ON stock (n)",
            "CREATE INDEX renamed_index_{role} ON stock (n)",
            "CREATE TABLE renamed_{role} (a int)",
            "CREATE TYPE gone_enum_{role} AS ENUM ('a')",
            "CREATE DOMAIN gone_domain_{role} AS int",
            "CREATE FUNCTION gone_function_{role}() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "CREATE TRIGGER gone_trigger_{role} AFTER INSERT ON kept FOR EACH ROW EXECUTE FUNCTION quiet()",
            "CREATE TABLE moved_{role} PARTITION OF parted FOR VALUES IN ('moved {role}')",
            "INSERT INTO K_SINK WITH (QUERY_ID = 'Q_{role}') SELECT * FROM K_ORDERS EMIT CHANGES",
        ] {
            run(wire, &[&statement.replace("{role}", role)]);
        }
    }
    run(wire, &["RESET ROLE"]);
}

/// A line of the matrix: the statement, and `+`, `-`, `!` (another error than 42501) or `*` (a warning) for each role.
fn matrix() -> Vec<(String, Vec<String>)> {
    let text = include_str!("privileges.txt");
    let lines = text.lines().filter(|l| !l.starts_with('#') && !l.is_empty());
    let cells = |l: &str| {
        let (statement, cells) = l.rsplit_once('|').expect("cells behind a bar");
        (statement.trim().to_string(), cells.split_whitespace().map(str::to_string).collect::<Vec<_>>())
    };
    lines.map(cells).collect()
}

#[test]
fn each_role_may_what_the_matrix_says() {
    let (_server, mut wire) = prepared();
    doomed(&mut wire);
    let mut wrong = Vec::new();
    for (statement, cells) in matrix() {
        assert_eq!(cells.len(), ROLES.len(), "{statement}");
        for (role, expected) in ROLES.iter().zip(cells) {
            let statement = statement.replace("{role}", role);
            run(&mut wire, &[&format!("SET ROLE {role}")]);
            let told = match wire.simple_copying(&statement, b"").pop().expect("an outcome") {
                Ok(answer) if answer.notices.iter().any(|n| n.severity == "WARNING") => "*",
                Ok(_) => "+",
                Err(e) if e.code == "42501" => "-",
                Err(e) if expected == "!" => {
                    if e.code == "23502" {
                        "!"
                    } else {
                        "?"
                    }
                }
                Err(e) => {
                    wrong.push(format!("{role}: {statement}: {} {}", e.code, e.message));
                    continue;
                }
            };
            if told != expected {
                wrong.push(format!("{role}: {statement}: {told} instead of {expected}"));
            }
            run(&mut wire, &["RESET ROLE"]);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_statement_prepared_before_asks_again_when_it_runs() {
    let (_server, mut wire) = prepared();
    run(&mut wire, &["PREPARE key AS SELECT n FROM stock WHERE id = 1", "PREPARE query AS SELECT count(*) FROM orders", "SET ROLE nobody"]);
    for statement in ["EXECUTE key", "EXECUTE query", "SELECT n FROM stock WHERE id = 1"] {
        assert_eq!(refusal(&mut wire, statement).code, "42501", "{statement}");
    }
    run(
        &mut wire,
        &["RESET ROLE", "GRANT SELECT ON stock TO nobody", "SET ROLE nobody", "EXECUTE key", "SELECT n FROM stock WHERE id = 1"],
    );
    // In the middle of a session the right goes.
    let mut other = _server.connect();
    run(&mut other, &["REVOKE SELECT ON stock FROM nobody"]);
    for statement in ["EXECUTE key", "SELECT n FROM stock WHERE id = 1"] {
        assert_eq!(refusal(&mut wire, statement).message, "permission denied for table stock", "{statement}");
    }
}

#[test]
fn a_view_is_read_with_its_owners_rights() {
    let (_server, mut wire) = prepared();
    run(&mut wire, &["GRANT CREATE ON SCHEMA public TO writer", "SET ROLE writer", "CREATE VIEW peek AS SELECT * FROM orders"]);
    run(&mut wire, &["GRANT SELECT ON peek TO nobody", "SET ROLE nobody"]);
    // The owner of the view may not read the orders, so nobody may by way of it.
    assert_eq!(refusal(&mut wire, "SELECT * FROM peek").message, "permission denied for stream orders");
    run(&mut wire, &["RESET ROLE", "GRANT SELECT ON orders TO writer", "SET ROLE nobody", "SELECT * FROM peek"]);
    assert_eq!(refusal(&mut wire, "SELECT * FROM orders").code, "42501");
}

#[test]
fn a_schema_that_may_not_be_used_is_no_part_of_the_path() {
    let (_server, mut wire) = prepared();
    run(&mut wire, &["SET ROLE owner", "CREATE TABLE sales.stock (id int)", "RESET ROLE", "SET search_path = sales, public"]);
    let seen =
        |wire: &mut Wire| wire.simple("SELECT 'stock'::regclass::oid::regclass, current_schemas(false)").pop().unwrap().unwrap().lines();
    let name = "SELECT relnamespace::regnamespace, current_schema() FROM pg_class WHERE oid = 'stock'::regclass";
    let place = |wire: &mut Wire| wire.simple(name).pop().unwrap().unwrap().lines();
    assert_eq!(place(&mut wire), ["sales|sales"]);
    assert_eq!(seen(&mut wire), ["stock|{sales,public}"]);
    run(&mut wire, &["SET ROLE nobody"]);
    assert_eq!(place(&mut wire), ["public|public"]);
    assert_eq!(refusal(&mut wire, "SELECT * FROM sales.bills").message, "permission denied for schema sales");
    // The schema of the role's own name is on the path as it is set.
    run(
        &mut wire,
        &["RESET ROLE", "CREATE SCHEMA writer AUTHORIZATION writer", "RESET search_path", "SET ROLE writer", "CREATE TABLE mine (a int)"],
    );
    assert_eq!(wire.simple("SELECT schemaname FROM pg_tables WHERE tablename = 'mine'").pop().unwrap().unwrap().lines(), ["writer"]);
}

#[test]
fn what_is_granted_on_a_schema_follows_its_name_and_its_owner() {
    let (server, mut wire) = prepared();
    let acl = |wire: &mut Wire, name: &str| {
        let query = format!("SELECT nspowner::regrole, nspacl FROM pg_namespace WHERE nspname = '{name}'");
        wire.simple(&query).pop().unwrap().unwrap().lines()
    };
    assert_eq!(acl(&mut wire, "sales"), ["owner|{owner=UC/owner,writer=U/owner}"]);
    run(
        &mut wire,
        &["ALTER SCHEMA sales RENAME TO sold", "ALTER SCHEMA sold OWNER TO admin", "SET ROLE writer", "SELECT * FROM sold.bills"],
    );
    assert_eq!(acl(&mut wire, "sold"), ["admin|{admin=UC/admin,writer=U/admin}"]);
    run(&mut wire, &["RESET ROLE", "REASSIGN OWNED BY admin TO owner"]);
    assert_eq!(acl(&mut wire, "sold"), ["owner|{owner=UC/owner,writer=U/owner}"]);
    assert!(refusal(&mut wire, "DROP ROLE owner").detail.is_some_and(|d| d.contains("owner of schema sold")));
    drop(wire);
    let server = server.kill_and_restart();
    let mut wire = server.connect();
    assert_eq!(acl(&mut wire, "sold"), ["owner|{owner=UC/owner,writer=U/owner}"]);
    run(&mut wire, &["REVOKE USAGE ON SCHEMA sold FROM writer", "SET ROLE writer"]);
    assert_eq!(refusal(&mut wire, "SELECT * FROM sold.bills").code, "42501");
    // What is granted goes with the schema.
    run(&mut wire, &["RESET ROLE", "GRANT CREATE ON SCHEMA sold TO nobody", "DROP SCHEMA sold CASCADE", "CREATE SCHEMA sold"]);
    assert_eq!(wire.simple("SELECT has_schema_privilege('nobody', 'sold', 'CREATE')").pop().unwrap().unwrap().lines(), ["f"]);
}

#[test]
fn grant_options_go_on_and_come_back() {
    let (_server, mut wire) = prepared();
    run(
        &mut wire,
        &["GRANT SELECT ON stock TO appender WITH GRANT OPTION", "SET ROLE appender", "GRANT SELECT ON stock TO nobody", "RESET ROLE"],
    );
    assert_eq!(refusal(&mut wire, "REVOKE SELECT ON stock FROM appender").code, "2BP01");
    let acl = |wire: &mut Wire| wire.simple("SELECT relacl FROM pg_class WHERE relname = 'stock'").pop().unwrap().unwrap().lines();
    assert_eq!(acl(&mut wire), ["{owner=arwdDxt/owner,nobody=r/appender,appender=r*/owner,writer=arwd/owner}"]);
    run(&mut wire, &["REVOKE SELECT ON stock FROM appender CASCADE"]);
    assert_eq!(acl(&mut wire), ["{owner=arwdDxt/owner,writer=arwd/owner}"]);
    let has = "SELECT has_table_privilege('writer', 'stock', 'SELECT'), has_table_privilege('nobody', 'stock', 'SELECT'), \
               has_table_privilege('reader', 'orders', 'INSERT, SELECT'), pg_has_role('noinherit', 'reader', 'MEMBER'), \
               pg_has_role('noinherit', 'reader', 'USAGE'), has_schema_privilege('nobody', 'public', 'CREATE')";
    assert_eq!(wire.simple(has).pop().unwrap().unwrap().lines(), ["t|f|t|t|f|f"]);
}

#[test]
fn roles_and_grants_survive_a_crash_and_a_rollback_takes_them_back() {
    let (server, mut wire) = prepared();
    run(&mut wire, &["BEGIN", "CREATE ROLE passing", "GRANT SELECT ON orders TO nobody", "DROP ROLE noinherit", "ROLLBACK"]);
    assert_eq!(refusal(&mut wire, "ALTER ROLE passing LOGIN").code, "42704");
    drop(wire);
    let server = server.kill_and_restart();
    let mut wire = server.connect();
    run(&mut wire, &["SET ROLE appender", "INSERT INTO orders VALUES (5, 'e', 1)"]);
    assert_eq!(refusal(&mut wire, "SELECT * FROM orders").code, "42501");
    run(&mut wire, &["RESET ROLE", "SET ROLE noinherit", "SET ROLE nobody"]);
    assert_eq!(refusal(&mut wire, "SELECT * FROM orders").code, "42501");
}

#[test]
fn grants_on_columns_and_sequences_survive_a_crash_and_follow_columns() {
    let (server, mut wire) = prepared();
    run(&mut wire, &["SET ROLE owner", "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO nobody", "RESET ROLE"]);
    run(&mut wire, &["ALTER TABLE staff RENAME COLUMN name TO called", "ALTER SEQUENCE numbers OWNER TO writer"]);
    run(&mut wire, &["INSERT INTO staff VALUES (1, 'Ida', 9)", "BEGIN", "GRANT SELECT (pay) ON staff TO writer", "ROLLBACK"]);
    drop(wire);
    let server = server.kill_and_restart();
    let mut wire = server.connect();
    run(&mut wire, &["SET ROLE writer", "PREPARE called AS SELECT called FROM staff WHERE id = $1"]);
    assert_eq!(wire.value("EXECUTE called (1)"), "Ida");
    assert_eq!(refusal(&mut wire, "SELECT pay FROM staff WHERE id = 1").message, "permission denied for table staff");
    let acls = "SELECT string_agg(attname || attacl::text, ' ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'staff'::regclass";
    assert_eq!(wire.value(acls), "id{writer=ar/owner} called{writer=arw/owner}");
    let sequence = "SELECT relowner::regrole::text || relacl::text FROM pg_class WHERE relname = 'numbers'";
    assert_eq!(wire.value(sequence), "writer{writer=rwU/writer,appender=U/writer}");
    run(&mut wire, &["SET ROLE owner", "CREATE TABLE later (a int)", "SET ROLE nobody", "SELECT * FROM later"]);
    // A prepared look-up asks again, by its columns.
    run(&mut server.connect(), &["REVOKE SELECT (called) ON staff FROM writer"]);
    run(&mut wire, &["SET ROLE writer"]);
    assert_eq!(refusal(&mut wire, "EXECUTE called (1)").code, "42501");
    // The last one goes with the table.
    run(&mut wire, &["RESET ROLE", "REVOKE ALL ON stock, big_orders, k_orders FROM writer", "DROP TABLE staff", "DROP SEQUENCE numbers"]);
    run(&mut wire, &["REVOKE ALL ON SCHEMA sales FROM writer", "REVOKE ALL ON sales.bills FROM writer", "DROP ROLE writer"]);
}

#[test]
fn a_role_becomes_those_only_of_which_it_is_a_member() {
    let (server, mut wire) = prepared();
    run(&mut wire, &["CREATE ROLE app LOGIN IN ROLE reader"]);
    let mut app = Wire::connect_with(server.address, &[("user", "app"), ("database", "everfold")]).expect("it is let in");
    run(&mut app, &["SET ROLE reader", "SELECT * FROM orders", "SET ROLE none", "SET SESSION AUTHORIZATION app"]);
    for before in ["SET ROLE reader", "RESET ROLE"] {
        run(&mut app, &[before]);
        for (become_owner, message) in [
            ("SET ROLE owner", "permission denied to set role \"owner\""),
            ("SET SESSION AUTHORIZATION owner", "permission denied to set session authorization"),
        ] {
            let told = refusal(&mut app, become_owner);
            assert_eq!((told.code.as_str(), told.message.as_str()), ("42501", message), "after {before}");
        }
    }
}

#[test]
fn settings_of_a_role_and_of_everybody_are_in_force_from_the_start() {
    let server = Server::start();
    let mut wire = server.connect();
    run(&mut wire, &["CREATE ROLE app LOGIN", "CREATE ROLE other LOGIN", "CREATE SCHEMA app AUTHORIZATION app"]);
    run(&mut wire, &["ALTER ROLE app SET search_path = app, public", "ALTER ROLE app IN DATABASE everfold SET statement_timeout TO '5s'"]);
    run(&mut wire, &["ALTER DATABASE everfold SET timezone = 'Europe/Oslo'", "ALTER ROLE ALL SET app.tenant = 'all'"]);
    run(&mut wire, &["BEGIN", "ALTER ROLE other SET statement_timeout = 1", "ROLLBACK"]);
    let mut told = refusal(&mut wire, "ALTER ROLE app SET search_pat = x");
    assert_eq!((told.code.as_str(), told.hint.is_some()), ("42704", true));
    told = refusal(&mut wire, "ALTER ROLE app SET statement_timeout = 'soon'");
    assert_eq!(told.code, "22023");
    assert_eq!(refusal(&mut wire, "ALTER ROLE app SET role = other").code, "55P02");
    assert_eq!(
        wire.value("SELECT string_agg(setconfig::text, ';' ORDER BY setrole) FROM pg_db_role_setting"),
        "{app.tenant=all,timezone=Europe/Oslo};{\"search_path=app, public\",statement_timeout=5s}"
    );
    drop(wire);
    let server = server.kill_and_restart();
    let connected = |user, more: &[(&str, &str)]| {
        let settings: Vec<_> = [("user", user), ("database", "everfold")].into_iter().chain(more.iter().copied()).collect();
        Wire::connect_with(server.address, &settings).expect("it is let in")
    };
    let mut app = connected("app", &[("statement_timeout", "7s")]);
    let all = "SELECT concat_ws('|', current_setting('search_path'), current_setting('statement_timeout'), current_setting('timezone'), current_setting('app.tenant'))";
    assert_eq!(app.value(all), "app, public|7s|Europe/Oslo|all", "the client's own come last");
    run(&mut app, &["SET search_path = public", "RESET search_path", "CREATE TABLE t (a int)"]);
    assert_eq!(app.value("SELECT 'app.t'::regclass::text"), "t");
    assert_eq!(connected("other", &[]).value(all), "public|0|Europe/Oslo|all".replace("public|", "\"$user\", public|"));
    // Everybody may change his own, and no others'.
    run(
        &mut app,
        &["SET statement_timeout = '9s'", "ALTER ROLE app SET statement_timeout FROM CURRENT", "ALTER ROLE CURRENT_USER RESET search_path"],
    );
    assert_eq!(connected("app", &[]).value(all), "\"$user\", public|9s|Europe/Oslo|all");
    for theirs in ["ALTER ROLE other SET statement_timeout = 1", "ALTER ROLE ALL RESET ALL", "ALTER DATABASE everfold SET timezone = 'UTC'"]
    {
        assert_eq!(refusal(&mut app, theirs).code, "42501", "{theirs}");
    }
    run(&mut server.connect(), &["ALTER ROLE ALL RESET ALL", "ALTER ROLE app RESET ALL"]);
    assert_eq!(server.connect().value("SELECT count(*) FROM pg_db_role_setting"), "0");
}

#[test]
fn a_role_that_is_needed_stays_and_the_last_key_holder_too() {
    let (_server, mut wire) = prepared();
    assert_eq!(refusal(&mut wire, "DROP ROLE owner").code, "2BP01");
    let e = refusal(&mut wire, "ALTER ROLE nobody LOGIN PASSWORD 'x'");
    assert_eq!((e.code.as_str(), e.message.as_str()), ("55000", "the first role with a password has to be a superuser that may log in"));
    run(&mut wire, &[&FIRST.replace("admin", "root"), "ALTER ROLE nobody LOGIN PASSWORD 'x'"]);
    for statement in ["DROP ROLE root", "ALTER ROLE root NOSUPERUSER", "ALTER ROLE root PASSWORD NULL", "ALTER ROLE root NOLOGIN"] {
        assert_eq!(refusal(&mut wire, statement).code, "55000", "{statement}");
    }
    run(&mut wire, &["REASSIGN OWNED BY owner TO admin", "DROP OWNED BY owner", "DROP ROLE owner"]);
}
