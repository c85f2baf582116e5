//! Who may come in and what they may do: passwords by SCRAM, TLS, host-based rules, and the privileges of each kind of statement.
//!
//! `privileges.txt` is the matrix: statement by role, each allowed or 42501. `policies` asks for what row level security keeps back.

mod door;
mod policies;
mod privileges;
mod tls;

use crate::support::server::Server;
use crate::support::wire::{Report, Wire};

/// The first role with a password.
pub const FIRST: &str = "CREATE ROLE admin LOGIN SUPERUSER PASSWORD 'first secret'";

/// Runs statements that must succeed.
#[track_caller]
pub fn run(wire: &mut Wire, statements: &[&str]) {
    for statement in statements {
        for outcome in wire.simple(statement) {
            outcome.unwrap_or_else(|e| panic!("{statement}: {e:?}"));
        }
    }
}

/// The error of a statement that must fail.
#[track_caller]
pub fn refusal(wire: &mut Wire, statement: &str) -> Report {
    wire.simple(statement).pop().expect("an outcome").expect_err(statement)
}

/// A client of tokio-postgres with a password, or what the server refused it with: SQLSTATE and message.
pub async fn log_in(server: &Server, user: &str, password: &str) -> Result<tokio_postgres::Client, (String, String)> {
    log_in_by(&server.address.ip().to_string(), server, user, password).await
}

/// The same by a host, or by the socket in a directory.
pub async fn log_in_by(host: &str, server: &Server, user: &str, password: &str) -> Result<tokio_postgres::Client, (String, String)> {
    let mut config = tokio_postgres::Config::new();
    config.host(host).port(server.address.port()).user(user).password(password).dbname("shop");
    match config.connect(tokio_postgres::NoTls).await {
        Ok((client, connection)) => {
            tokio::spawn(connection);
            Ok(client)
        }
        Err(e) => {
            let e = e.as_db_error().unwrap_or_else(|| panic!("not the server's: {e}"));
            Err((e.code().code().to_string(), e.message().to_string()))
        }
    }
}
