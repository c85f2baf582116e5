//! Passwords and host-based rules, over the wire.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::Command;

use super::{FIRST, log_in, log_in_by, refusal, run};
use crate::support::programs::output_of;
use crate::support::server::{BINARY, Server};
use crate::support::wire::Wire;

fn wrong(user: &str) -> (String, String) {
    ("28P01".to_string(), format!("password authentication failed for user \"{user}\""))
}

#[tokio::test]
async fn from_the_first_password_on_everybody_needs_one() {
    let server = Server::start();
    let mut wire = server.connect();
    run(&mut wire, &[FIRST, "CREATE ROLE ann LOGIN PASSWORD 'p\u{e4}ss\u{ad}word'", "CREATE ROLE staff", "CREATE ROLE bob LOGIN"]);
    run(
        &mut wire,
        &["CREATE ROLE late LOGIN PASSWORD 'x' VALID UNTIL '2001-01-01'", "CREATE ROLE one LOGIN CONNECTION LIMIT 1 PASSWORD 'x'"],
    );
    assert!(log_in(&server, "admin", "first secret").await.is_ok());
    // SASLprep: the soft hyphen is nothing.
    let ann = log_in(&server, "ann", "p\u{e4}ssword").await.unwrap();
    let row = ann.query_one("SELECT session_user, current_user, current_setting('is_superuser')", &[]).await.unwrap();
    assert_eq!((row.get::<_, &str>(0), row.get::<_, &str>(1), row.get::<_, &str>(2)), ("ann", "ann", "off"));
    for (user, password) in [("ann", "wrong"), ("nosuch", "x"), ("bob", "x"), ("staff", "x"), ("late", "x")] {
        assert_eq!(log_in(&server, user, password).await.err().unwrap(), wrong(user));
    }
    let _one = log_in(&server, "one", "x").await.unwrap();
    assert_eq!(log_in(&server, "one", "x").await.err().unwrap().0, "53300");
    run(&mut wire, &["REVOKE CONNECT ON DATABASE everfold FROM PUBLIC"]);
    assert_eq!(log_in(&server, "ann", "p\u{e4}ssword").await.err().unwrap().0, "42501");
    run(&mut wire, &["GRANT CONNECT ON DATABASE everfold TO ann"]);
    drop(wire);
    let server = server.restart();
    assert!(log_in(&server, "ann", "p\u{e4}ssword").await.is_ok());
    assert_eq!(log_in(&server, "ann", "wrong").await.err().unwrap(), wrong("ann"));
}

#[tokio::test]
async fn clients_of_this_machine_may_come_in_by_a_socket() {
    let me = output_of(Command::new("id").arg("-nu")).trim().to_string();
    let files = tempfile::tempdir().unwrap();
    let directory = files.path().to_str().unwrap();
    let rules = files.path().join("hba.conf");
    std::fs::write(&rules, format!("local all {me},mallory peer\nlocal all all scram-sha-256\nhost all all samehost scram-sha-256\n"))
        .unwrap();
    let server = Server::start_with(&["--unix-socket-directory", directory, "--hba-file", rules.to_str().unwrap()]);
    let client = log_in_by(directory, &server, "anybody", "").await.unwrap();
    assert_eq!(log_in_by(directory, &server, "mallory", "").await.err().unwrap().0, "28000", "rules hold before there is a password");
    let nobody = ("28000".to_string(), format!("role \"{me}\" does not exist"));
    assert_eq!(log_in_by(directory, &server, &me, "").await.err().unwrap(), nobody, "who is known is not let in as anybody");
    assert!(client.query_one("SELECT inet_client_addr() IS NULL", &[]).await.unwrap().get::<_, bool>(0));
    for statement in [FIRST, &format!("CREATE ROLE \"{me}\" LOGIN"), "CREATE ROLE mallory LOGIN"] {
        client.batch_execute(statement).await.unwrap();
    }
    assert!(log_in_by(directory, &server, &me, "").await.is_ok());
    assert_eq!(log_in(&server, &me, "x").await.err().unwrap(), wrong(&me));
    let mallory = ("28000".to_string(), "Peer authentication failed for user \"mallory\"".to_string());
    assert_eq!(log_in_by(directory, &server, "mallory", "").await.err().unwrap(), mallory);
    assert!(log_in_by(directory, &server, "admin", "first secret").await.is_ok());
    assert_eq!(log_in_by(directory, &server, "admin", "x").await.err().unwrap(), wrong("admin"));
    let script = files.path().join("who.sql");
    std::fs::write(&script, "SELECT session_user = current_user AS same;\n").unwrap();
    let place = format!("{directory}:{}", server.address.port());
    let said = output_of(Command::new(BINARY).args(["run", "--server", &place]).arg(&script).env("PGUSER", &me));
    assert!(said.contains("(1 row)"), "{said}");
    let socket = files.path().join(format!(".s.PGSQL.{}", server.address.port()));
    assert!(socket.exists());
    drop(client);
    server.terminate();
    assert!(!socket.exists());
}

#[tokio::test]
async fn passwords_are_shown_nowhere() {
    let server = Server::start();
    let mut wire = server.connect();
    run(&mut wire, &[FIRST, "ALTER ROLE admin PASSWORD 'second secret'"]);
    let shown = "SELECT query FROM pg_stat_activity UNION ALL SELECT query FROM everfold.sessions UNION ALL SELECT rolpassword FROM pg_roles \
                 UNION ALL SELECT rolpassword FROM pg_authid UNION ALL SELECT passwd FROM pg_user";
    let mut other = log_in(&server, "admin", "second secret").await.map(|_| ()).err();
    assert_eq!(other.take(), None);
    let text = wire.simple(shown).pop().unwrap().unwrap().lines().join("\n");
    assert!(!text.contains("secret") && text.contains("SCRAM-SHA-256$4096:"), "{text}");
    for statement in
        ["CREATE ROLE x 'third secret'", "CREATE ROLE x PASSWORD 'a' 'third secret'", "ALTER ROLE nosuch PASSWORD 'third secret'"]
    {
        let e = refusal(&mut wire, statement);
        assert!(!format!("{e:?}").contains("secret"), "{e:?}");
    }
    let mut waiting = vec![server.data()];
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(std::fs::read_dir(path).unwrap().map(|e| e.unwrap().path()));
        } else {
            let bytes = std::fs::read(&path).unwrap();
            assert!(!bytes.windows(6).any(|w| w == b"secret"), "{}", path.display());
        }
    }
    drop(wire);
    let (_, out, errors) = server.terminate();
    assert!(!out.contains("secret") && !errors.contains("secret"));
}

#[tokio::test]
async fn a_verifier_is_taken_as_it_is() {
    let server = Server::start();
    let mut wire = server.connect();
    run(&mut wire, &[FIRST]);
    let verifier = wire.simple("SELECT rolpassword FROM pg_authid WHERE rolname = 'admin'").pop().unwrap().unwrap().lines();
    run(&mut wire, &[&format!("CREATE ROLE twin LOGIN PASSWORD '{}'", verifier[0])]);
    assert!(log_in(&server, "twin", "first secret").await.is_ok());
    assert_eq!(refusal(&mut wire, "CREATE ROLE old PASSWORD 'md512345678901234567890123456789012'").code, "0A000");
}

/// Bytes up to the end of a conversation in which the client says these messages, each after something came from the server.
fn say(server: &Server, user: &str, messages: &[Vec<u8>]) -> Vec<u8> {
    let mut stream = TcpStream::connect(server.address).unwrap();
    let body = format!("\0\x03\0\0user\0{user}\0\0");
    stream.write_all(&[&(body.len() as u32 + 4).to_be_bytes(), body.as_bytes()].concat()).unwrap();
    let mut all = Vec::new();
    for message in messages {
        let mut part = [0; 4096];
        let n = stream.read(&mut part).unwrap();
        all.extend_from_slice(&part[..n]);
        if stream.write_all(message).is_err() {
            break;
        }
    }
    // The server may wait for more: there is none.
    let _ = stream.shutdown(Shutdown::Write);
    let _ = stream.read_to_end(&mut all);
    all
}

fn first_message(text: &str) -> Vec<u8> {
    let body = [b"SCRAM-SHA-256\0", &(text.len() as u32).to_be_bytes()[..], text.as_bytes()].concat();
    framed(&body)
}

fn framed(body: &[u8]) -> Vec<u8> {
    [b"p", &(body.len() as u32 + 4).to_be_bytes()[..], body].concat()
}

#[test]
fn hostile_and_replayed_scram_messages_are_refused() {
    let server = Server::start();
    let mut wire = server.connect();
    run(&mut wire, &[FIRST]);
    let has = |answer: &[u8], text: &str| {
        let text = text.as_bytes();
        assert!(answer.windows(text.len()).any(|w| w == text), "{:?}", String::from_utf8_lossy(answer));
    };
    // A last message as it was good for another nonce.
    let replayed = framed(b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
    has(&say(&server, "admin", &[first_message("n,,n=,r=rOprNGfwEbeRWgbNEkqO"), replayed.clone()]), "Nonce does not match.");
    has(&say(&server, "admin", &[replayed]), "C08P01");
    has(&say(&server, "admin", &[first_message("p=tls-unique,,n=,r=x")]), "C08P01");
    has(&say(&server, "admin", &[framed(b"SCRAM-SHA-256-PLUS\0\0\0\0\0")]), "invalid SASL authentication mechanism");
    has(&say(&server, "admin", &[framed(b"\xff\xff")]), "C08P01");
    has(&say(&server, "admin", &[b"Q\0\0\0\x0eSELECT 1;\0".to_vec()]), "expected SASL response");
    has(&say(&server, "admin", &[b"p\x7f\xff\xff\xff".to_vec()]), "C54000");
    // The salt of somebody unknown stays the same, as one's own does.
    let salt = |user: &str| {
        let text = String::from_utf8_lossy(&say(&server, user, &[first_message("n,,n=,r=x"), vec![]])).into_owned();
        text.split(",s=").nth(1).unwrap().split(',').next().unwrap().to_string()
    };
    assert_eq!(salt("nosuch"), salt("nosuch"));
    assert_eq!(wire.simple("SELECT 1").pop().unwrap().unwrap().lines(), ["1"]);
}

fn refused_start(arguments: &[&str]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let output = Command::new(BINARY).current_dir(directory.path()).args(["serve", "--data", "d"]).args(arguments).output().unwrap();
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn what_would_let_strangers_in_stops_the_start() {
    let text = refused_start(&["--listen", "0.0.0.0:0"]);
    assert!(text.contains("there are no roles and passwords yet") && text.contains("CREATE ROLE admin"), "{text}");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("hba.conf").display().to_string();
    std::fs::write(&file, "host all all 127.0.0.1/32 trust\n\nhost all all all trust\n").unwrap();
    let text = refused_start(&["--listen", "127.0.0.1:0", "--hba-file", &file]);
    assert!(text.contains(&format!("{file}:3: trust would let other machines in without a password")), "{text}");
}

#[tokio::test]
async fn rules_are_asked_in_their_order_and_read_again_on_a_hangup() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("hba.conf");
    let rules = "host all mallory all reject\nhost shop +staff samehost trust\nhost all admin all scram-sha-256\n";
    std::fs::write(&file, rules).unwrap();
    let server = Server::start_with(&["--hba-file", &file.display().to_string()]);
    let mut wire = server.connect();
    run(&mut wire, &[FIRST, "CREATE ROLE staff", "CREATE ROLE ann LOGIN IN ROLE staff", "CREATE ROLE mallory LOGIN IN ROLE staff"]);
    #[allow(clippy::result_large_err)]
    let as_user = |user: &str, database: &str| Wire::connect_with(server.address, &[("user", user), ("database", database)]);
    assert!(as_user("ann", "shop").is_ok());
    let e = as_user("mallory", "shop").err().unwrap();
    let words = "pg_hba.conf rejects connection for host \"127.0.0.1\", user \"mallory\", database \"shop\", no encryption";
    assert_eq!((e.code.as_str(), e.message.as_str()), ("28000", words));
    let e = as_user("ann", "other").err().unwrap();
    assert_eq!(e.message, "no pg_hba.conf entry for host \"127.0.0.1\", user \"ann\", database \"other\", no encryption");
    assert!(log_in(&server, "admin", "first secret").await.is_ok());
    // A file that is wrong changes nothing; a good one is in force at once.
    server.hang_up();
    std::fs::write(&file, format!("host all ann all reject\n{rules}")).unwrap();
    server.hang_up();
    server.until(|| as_user("ann", "shop").is_err());
    std::fs::write(&file, "nonsense\n").unwrap();
    server.hang_up();
    assert!(as_user("ann", "shop").is_err());
    assert!(log_in(&server, "admin", "first secret").await.is_ok());
}

#[test]
fn whoever_has_the_directory_and_no_password_mends_it() {
    let server = Server::start();
    run(&mut server.connect(), &[FIRST]);
    let (data, script) = (server.data(), server.directory().join("mend.sql"));
    std::fs::write(&script, "ALTER ROLE admin PASSWORD 'found again';\n").unwrap();
    let run_script = |arguments: &[&str], password: &str| {
        let output =
            Command::new(BINARY).arg("run").arg(&script).args(arguments).env("PGUSER", "admin").env("PGPASSWORD", password).output();
        let output = output.unwrap();
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(!text.contains("found again"), "{text}");
        (output.status.success(), text)
    };
    let address = server.address.to_string();
    assert!(run_script(&["--server", &address], "first secret").0);
    let (well, text) = run_script(&["--server", &address], "first secret");
    assert!(!well && text.contains("password authentication failed"), "{text}");
    let stopped = server.stop();
    assert!(run_script(&["--data", &data.display().to_string()], "").0);
    let server = stopped.start_again();
    assert!(tokio::runtime::Runtime::new().unwrap().block_on(log_in(&server, "admin", "found again")).is_ok());
}
