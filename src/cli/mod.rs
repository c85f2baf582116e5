//! The command line: start a server, run a script, verify a log.
//!
//! [`main`] reads the arguments and calls one function per command: `serve::serve`, `run::on_directory`, `verify::verify`. Whatever fails
//! is an [`Error`], printed as message, detail and hint by [`complain`], and the exit status is 1 (2 for wrong arguments, by clap).

mod client;
mod copy;
mod login;
mod place;
mod psql;
mod run;
mod serve;
mod verify;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Arg, ArgMatches, Args, Command, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::config::{Config, KEYS};
use crate::error::{Error, Result};

/// A SQL event database: an immutable log, folded into exact tables, over the PostgreSQL protocol.
#[derive(Parser)]
#[command(name = "everfold", version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Action>,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Subcommand)]
enum Action {
    /// Serve a database until SIGINT or SIGTERM (the default)
    Serve(Settings),
    /// Run a SQL script, on a data directory or against a server, and print its results
    Run(Script),
    /// Prove that the log of a data directory is whole and unaltered
    Verify(Settings),
}

#[derive(Args)]
struct Script {
    #[command(flatten)]
    script: run::Run,
    /// Run against this server instead of a data directory
    #[arg(long, value_name = "HOST:PORT", conflicts_with_all = ["data", "listen"])]
    server: Option<String>,
    #[command(flatten)]
    settings: Settings,
}

/// The flags of the configuration: one per key, and the file.
#[derive(Default)]
struct Settings {
    flags: Vec<(&'static str, String)>,
    file: Option<PathBuf>,
}

impl Settings {
    fn load(&self) -> Result<Config> {
        Config::load(&self.flags, self.file.as_deref())
    }
}

// By hand, so that the keys stand in one place, `config.rs`.
impl Args for Settings {
    fn augment_args(mut command: Command) -> Command {
        for key in KEYS {
            let help = format!("{} [env: {}]", key.help, key.variable());
            command = command.arg(Arg::new(key.name).long(key.flag).value_name("VALUE").help(help));
        }
        let file = Arg::new("config").long("config").value_name("FILE").help("Configuration file [default: everfold.toml, if it exists]");
        command.arg(file.value_parser(clap::value_parser!(PathBuf)))
    }
    fn augment_args_for_update(command: Command) -> Command {
        Settings::augment_args(command)
    }
}

impl FromArgMatches for Settings {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let flag = |name: &'static str| matches.get_one::<String>(name).map(|value| (name, value.clone()));
        Ok(Settings { flags: KEYS.iter().filter_map(|key| flag(key.name)).collect(), file: matches.get_one("config").cloned() })
    }
    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Settings::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let arguments = Arguments::from_arg_matches(&Arguments::command().get_matches()).unwrap_or_else(|e| e.exit());
    let outcome = match arguments.command {
        None => arguments.settings.load().and_then(serve::serve),
        Some(Action::Serve(settings)) => settings.load().and_then(serve::serve),
        Some(Action::Verify(settings)) => settings.load().and_then(|config| verify::verify(&config)),
        Some(Action::Run(script)) => match script.server {
            Some(server) => run::against_server(&script.script, &server),
            None => script.settings.load().and_then(|config| run::on_directory(&script.script, &config)),
        },
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            complain(&e);
            ExitCode::FAILURE
        }
    }
}

/// Prints an error to standard error, as psql shows one.
fn complain(e: &Error) {
    let mut text = format!("everfold: {}\n", e.message());
    for (label, more) in [("DETAIL", &e.fields().detail), ("HINT", &e.fields().hint), ("CONTEXT", &e.fields().context)] {
        if let Some(more) = more {
            text.push_str(&format!("{label}:  {more}\n"));
        }
    }
    // Nobody is left to be told when standard error is closed.
    let _ = std::io::stderr().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, clap::Error> {
        let matches = Arguments::command().try_get_matches_from(line.split_whitespace())?;
        Arguments::from_arg_matches(&matches)
    }

    #[test]
    fn serve_is_the_default_and_takes_the_keys_of_the_configuration() {
        Arguments::command().debug_assert();
        let arguments = parse("everfold --data /d --query-threads 3").unwrap();
        assert!(arguments.command.is_none());
        assert_eq!(arguments.settings.flags, [("data", "/d".to_string()), ("query_threads", "3".to_string())]);
        let Some(Action::Run(script)) = parse("everfold run a.sql --data /d").unwrap().command else { panic!("not run") };
        assert_eq!(script.settings.flags, [("data", "/d".to_string())]);
        assert!(parse("everfold run a.sql --data /d --server h:1").is_err());
        assert!(parse("everfold --datta /d").is_err());
    }
}
