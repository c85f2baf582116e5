//! `\connect`: another session, as somebody else or elsewhere.
//!
//! Manual: psql, "Meta-Commands", `\connect`; libpq, "Connection Strings".

use std::io::Write;

use super::runner::Runner;
use crate::cli::place::{Place, Way};
use crate::error::Result;

/// Where to connect to: what is not said is as before, or as it is when a script begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Wish {
    database: Option<String>,
    user: Option<String>,
    host: Option<String>,
    port: Option<String>,
    password: Option<String>,
}

impl Wish {
    /// What the arguments of `\connect` ask for. Errors: in psql's words.
    pub fn of(arguments: &[String]) -> std::result::Result<Wish, String> {
        // Whatever a connection string leaves out stays as it is: there is nothing else that a script could have been begun with.
        let rest = match arguments.first() {
            Some(first) if first.starts_with("-reuse-previous=") => &arguments[1..],
            _ => arguments,
        };
        match rest.first() {
            Some(text) if text.starts_with("postgresql://") || text.starts_with("postgres://") => {
                Err("everfold run does not support \\connect with a URI\nHINT:  Write it as \"host=... port=... dbname=... user=...\"."
                    .into())
            }
            Some(text) if text.contains('=') => Wish::of_string(text),
            _ => {
                let mut words = rest.iter().map(|word| (word != "-").then(|| word.clone()));
                let mut next = || words.next().flatten();
                Ok(Wish { database: next(), user: next(), host: next(), port: next(), password: None })
            }
        }
    }

    /// Reads `keyword=value` pairs.
    fn of_string(text: &str) -> std::result::Result<Wish, String> {
        let (mut wish, mut rest) = (Wish::default(), text.trim_start());
        while !rest.is_empty() {
            let (keyword, behind) = rest.split_once('=').ok_or(format!("missing \"=\" after \"{rest}\" in connection info string"))?;
            let (value, behind) = value(behind.trim_start())?;
            match keyword.trim_end() {
                "dbname" => wish.database = Some(value),
                "user" => wish.user = Some(value),
                "host" | "hostaddr" => wish.host = Some(value),
                "port" => wish.port = Some(value),
                "password" => wish.password = Some(value),
                "application_name" | "client_encoding" | "sslmode" => {
                    return Err(format!("everfold run does not support the connection option \"{}\"", keyword.trim_end()));
                }
                other => return Err(format!("invalid connection option \"{other}\"")),
            }
            rest = behind.trim_start();
        }
        Ok(wish)
    }

    /// The place that is wished for, from the one before. Errors: a host or a port within one process.
    fn place(self, before: &Place) -> std::result::Result<Place, String> {
        let way = match &before.way {
            Way::Process(_) if self.host.is_some() || self.port.is_some() => {
                return Err("the script runs in one process\nHINT:  Name a server with --server to connect to others from there.".into());
            }
            Way::Process(begin) => Way::Process(begin.clone()),
            Way::Server { host, port } => {
                Way::Server { host: self.host.unwrap_or_else(|| host.clone()), port: self.port.unwrap_or_else(|| port.clone()) }
            }
        };
        Ok(Place {
            way,
            user: self.user.unwrap_or_else(|| before.user.clone()),
            database: self.database.unwrap_or_else(|| before.database.clone()),
            password: self.password.or_else(|| before.password.clone()),
            settings: before.settings,
        })
    }
}

/// A value of a connection string, in quotes or not, and what is behind it.
fn value(text: &str) -> std::result::Result<(String, &str), String> {
    let quoted = text.starts_with('\'');
    let (mut value, mut chars) = (String::new(), text.char_indices().skip(usize::from(quoted)));
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => value.extend(chars.next().map(|(_, c)| c)),
            '\'' if quoted => return Ok((value, &text[at + 1..])),
            c if c.is_whitespace() && !quoted => return Ok((value, &text[at..])),
            c => value.push(c),
        }
    }
    if quoted { Err("unterminated quoted string in connection info string".into()) } else { Ok((value, "")) }
}

impl<O: Write, C: Write> Runner<O, C> {
    /// Goes on in the session that is wished for; the message if there is none to be had. Errors: those of the output.
    pub(super) async fn connect(&mut self, wish: Wish) -> Result<std::result::Result<(), String>> {
        let place = match wish.place(&self.place) {
            Ok(place) => place,
            Err(message) => return Ok(Err(message)),
        };
        let moved = place.address() != self.place.address();
        if let Err(e) = self.reconnect(place).await {
            return Ok(Err(format!("\\connect: {}", e.message())));
        }
        if !self.variables.is_on("QUIET") {
            let place = &self.place;
            let whereabouts = if moved { format!(" {}", place.whereabouts()) } else { String::new() };
            let (database, user) = (&place.database, &place.user);
            writeln!(self.out, "You are now connected to database \"{database}\" as user \"{user}\"{whereabouts}.")?;
        }
        Ok(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(arguments: &[&str]) -> std::result::Result<Wish, String> {
        Wish::of(&arguments.iter().map(|a| a.to_string()).collect::<Vec<_>>())
    }

    #[test]
    fn arguments_stand_in_their_order_and_a_dash_for_as_before() {
        let some = |text: &str| Some(text.to_string());
        let wish = Wish { database: None, user: some("ann"), host: None, port: some("5432"), password: None };
        assert_eq!(of(&["-", "ann", "-", "5432"]), Ok(wish));
        assert_eq!(of(&[]), Ok(Wish::default()));
        assert_eq!(of(&["-reuse-previous=on", "shop"]), Ok(Wish { database: some("shop"), ..Wish::default() }));
    }

    #[test]
    fn connection_strings_are_libpqs() {
        let some = |text: &str| Some(text.to_string());
        let wish = Wish { database: some("it's \\ mine"), user: some("a b"), host: some("h"), ..Wish::default() };
        assert_eq!(of(&["dbname = 'it\\'s \\\\ mine' user=a\\ b  host=h"]), Ok(wish));
        assert_eq!(of(&["dbname='x"]).unwrap_err(), "unterminated quoted string in connection info string");
        assert_eq!(of(&["dbname=x nosuch=y"]).unwrap_err(), "invalid connection option \"nosuch\"");
        assert_eq!(of(&["dbname=x y"]).unwrap_err(), "missing \"=\" after \"y\" in connection info string");
        assert!(of(&["postgresql://h/d"]).unwrap_err().contains("URI"));
    }
}
