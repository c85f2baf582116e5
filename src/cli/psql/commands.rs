//! Meta-commands.
//!
//! Manual: psql, "Meta-Commands".

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use super::answers::How;
use super::catalogs::{Catalog, Each, Inquiry};
use super::connect::Wish;
use super::definitions::Definition;
use super::listings::{Listing, Lookup};
use super::options::{Format, Options};
use super::runner::{Reading, Runner};
use super::scan::Line;
use super::sink::{Sink, shell};
use super::source::{Source, plain};
use super::variables::boolean;
use super::words::{Mode, skip, whole_line, word, words, words_in};
use crate::cli::copy;
use crate::error::Result;

/// How the script goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Go,
    /// It has ended, well.
    Quit,
    /// It has ended by an error.
    Stop,
}

/// Commands of psql that edit, ask somebody, or tell of psql itself; those that begin with d and are not known do too.
const REFUSED: &[&str] = &["?", "copyright", "e", "edit", "ef", "ev", "h", "help", "lo_export", "lo_import", "lo_unlink", "password", "s"];

/// What went wrong with a command, in psql's words.
type Told<T> = std::result::Result<T, String>;

/// What comes of a command that is read.
enum Outcome {
    Done,
    Quit,
    /// The statement at hand, or else the one before, is run so.
    Run(Box<How>),
    /// The same so many times, with so many seconds between.
    Watch(u64, f64),
    Include(Source),
    Copy(copy::Copy),
    Connect(Wish),
    List(Listing),
    ListEach(Each),
    /// The definition of what has this name.
    Define(Definition, String),
    /// The relations that a pattern finds; all of them that is to be known, if true.
    Describe(String, bool),
}

impl<O: Write, C: Write> Runner<O, C> {
    /// Runs the meta-command that the line goes on with; `None` if it failed. Errors: 08006.
    pub(super) async fn command(&mut self, line: &mut Line, reading: &mut Reading, source: &mut Source) -> Result<Option<Act>> {
        let name: String = line.rest().chars().take_while(|c| !c.is_whitespace() && *c != '\\').collect();
        line.at += name.len();
        let outcome = if matches!(name.as_str(), "if" | "elif" | "else" | "endif") {
            self.branch(&name, line, reading, source).map(|()| Outcome::Done)
        } else if !reading.branches.is_active() {
            skip(line);
            Ok(Outcome::Done)
        } else {
            self.read_command(&name, line, reading, source)
        };
        let well = match outcome {
            Ok(Outcome::Done) => true,
            Ok(Outcome::Quit) => return Ok(Some(Act::Quit)),
            Ok(Outcome::Run(how)) => self.run_query(reading, source, *how).await?,
            Ok(Outcome::Watch(times, seconds)) => self.watch(reading, source, times, seconds).await?,
            Ok(Outcome::Include(mut included)) => match self.include(&mut included).await? {
                true => true,
                false => return Ok(Some(Act::Stop)),
            },
            Ok(Outcome::Copy(copy)) => self.copy(&copy, source).await?,
            Ok(Outcome::Connect(wish)) => match self.connect(wish).await? {
                Ok(()) => true,
                Err(message) => {
                    // What follows is meant for the place that cannot be reached.
                    self.complain(source, &message)?;
                    return Ok(Some(Act::Stop));
                }
            },
            Ok(Outcome::List(listing)) => self.list(&listing, source).await?,
            Ok(Outcome::ListEach(each)) => self.list_each(&each, source).await?,
            Ok(Outcome::Define(definition, name)) => self.define(&definition, &name, source).await?,
            Ok(Outcome::Describe(pattern, verbose)) => self.describe(&pattern, verbose, source).await?,
            Err(message) => {
                self.complain(source, &message)?;
                line.at = line.text.len();
                false
            }
        };
        while let Ok(Some(extra)) = word(line, Mode::Normal, &self.variables) {
            self.warn(source, &format!("\\{name}: extra argument \"{extra}\" ignored"))?;
        }
        if line.rest().starts_with("\\\\") {
            line.at += 2;
        }
        Ok(well.then_some(Act::Go))
    }

    fn branch(&mut self, name: &str, line: &mut Line, reading: &mut Reading, source: &Source) -> Told<()> {
        let asks = match name {
            "if" => reading.branches.is_active(),
            "elif" => reading.branches.asks(),
            _ => false,
        };
        let mut condition = name == "else";
        if asks {
            let text = words(line, &self.variables)?.join(" ");
            condition = boolean(&text).unwrap_or(false);
            if boolean(&text).is_none() {
                let message = format!("unrecognized value \"{text}\" for \"\\{name} expression\": Boolean expected");
                self.complain(source, &message).map_err(|e| e.to_string())?;
            }
        } else if matches!(name, "if" | "elif") {
            skip(line);
        }
        match name {
            "if" => {
                reading.branches.begin(condition, &reading.query);
                Ok(())
            }
            "endif" => reading.branches.end(&mut reading.query),
            _ => reading.branches.next(name, condition, &mut reading.query),
        }
    }

    fn read_command(&mut self, name: &str, line: &mut Line, reading: &mut Reading, source: &Source) -> Told<Outcome> {
        match name {
            "q" | "quit" => return Ok(Outcome::Quit),
            "g" | "gx" => return self.go(name, line),
            "gset" => return run(How { store: Some(self.word(line)?.unwrap_or_default()), ..How::default() }),
            "gexec" => return run(How { each: true, ..How::default() }),
            "gdesc" => return run(How { describe: true, ..How::default() }),
            "crosstabview" => {
                let arguments = words(line, &self.variables)?.iter().map(|word| without_semicolon(word)).collect();
                return run(How { grid: Some(arguments), ..How::default() });
            }
            "bind" => self.bound = Some(words(line, &self.variables)?),
            "watch" => {
                let arguments = words(line, &self.variables)?;
                return watched(&arguments);
            }
            "i" | "include" | "ir" | "include_relative" => {
                let path = self.word(line)?.ok_or(format!("\\{name}: missing required argument"))?;
                let relative = name.contains('r') && !Path::new(&path).is_absolute();
                return Ok(Outcome::Include(Source::open(&if relative { source.beside(&path) } else { path.into() })?));
            }
            "c" | "connect" => return Wish::of(&words_in(line, Mode::Unfolded, &self.variables)?).map(Outcome::Connect),
            "copy" => {
                let text = whole_line(line);
                if text.is_empty() {
                    return Err("\\copy: arguments required".into());
                }
                return Ok(Outcome::Copy(copy::parse(&text).map_err(|e| told(&e))?));
            }
            "!" => self.shell(&whole_line(line))?,
            "r" | "reset" => {
                reading.query.clear();
                reading.scanner.reset();
                self.say("Query buffer reset (cleared).")?;
            }
            "p" | "print" => {
                let text = if reading.query.is_empty() { &reading.previous } else { &reading.query };
                match text.as_str() {
                    "" => self.say("Query buffer is empty.")?,
                    text => writeln!(self.out, "{text}").map_err(|e| e.to_string())?,
                }
            }
            "w" | "write" => {
                let path = self.word(line)?.ok_or(format!("\\{name}: missing required argument"))?;
                let text = if reading.query.is_empty() { &reading.previous } else { &reading.query };
                std::fs::write(&path, format!("{text}\n")).map_err(|e| format!("{path}: {}", plain(&e)))?;
            }
            _ => match (Catalog::of(name), Lookup::of(name)) {
                (Some(catalog), _) => {
                    let patterns = self.patterns(line, catalog.patterns_max())?;
                    return Ok(match catalog.inquiry(&patterns)? {
                        Inquiry::One(listing) => Outcome::List(listing),
                        Inquiry::Each(each) => Outcome::ListEach(each),
                    });
                }
                (None, Some(lookup)) => return self.look_up(&lookup, line),
                (None, None) if let Some(definition) = Definition::of(name) => {
                    let of = whole_line(line);
                    return if of.is_empty() { Err(definition.nameless()) } else { Ok(Outcome::Define(definition, of)) };
                }
                (None, None) => self.simple(name, line)?,
            },
        }
        Ok(Outcome::Done)
    }

    /// The pattern behind a command that lists things.
    fn pattern(&self, line: &mut Line) -> Told<Option<String>> {
        Ok(self.word(line)?.map(|word| without_semicolon(&word)).filter(|word| !word.is_empty()))
    }

    /// The patterns behind such a command, as many as it takes.
    fn patterns(&self, line: &mut Line, most: usize) -> Told<Vec<String>> {
        let mut all = Vec::new();
        while all.len() < most
            && let Some(pattern) = self.pattern(line)?
        {
            all.push(pattern);
        }
        Ok(all)
    }

    fn look_up(&self, lookup: &Lookup<'_>, line: &mut Line) -> Told<Outcome> {
        match self.pattern(line)? {
            Some(pattern) if lookup.describes() => Ok(Outcome::Describe(pattern, lookup.verbose)),
            pattern => lookup.listing(pattern.as_deref()).map(Outcome::List),
        }
    }

    /// Commands that have nothing to do with the statement at hand.
    fn simple(&mut self, name: &str, line: &mut Line) -> Told<()> {
        match name {
            "echo" | "qecho" | "warn" => self.echo(name, line)?,
            "set" => match self.word(line)? {
                None => write!(self.out, "{}", self.variables.listed()).map_err(|e| e.to_string())?,
                Some(variable) => {
                    let value = words(line, &self.variables)?.concat();
                    self.variables.set(&variable, &value)?;
                }
            },
            "unset" => {
                let variable = self.word(line)?.ok_or("\\unset: missing required argument")?;
                self.variables.unset(&variable);
            }
            "getenv" => {
                let missing = || "\\getenv: missing required argument".to_string();
                let (variable, of) = (self.word(line)?.ok_or_else(missing)?, self.word(line)?.ok_or_else(missing)?);
                if let Some(value) = self.environment.get(&of).cloned().or_else(|| std::env::var(&of).ok()) {
                    self.variables.set(&variable, &value)?;
                }
            }
            "setenv" => {
                let variable = self.word(line)?.ok_or("\\setenv: missing required argument")?;
                let value = self.word(line)?.unwrap_or_default();
                self.environment.insert(variable, value);
            }
            "prompt" => self.prompt(line)?,
            "pset" => match self.word(line)? {
                None => write!(self.out, "{}", self.options.listed()).map_err(|e| e.to_string())?,
                Some(option) => {
                    let value = self.word(line)?;
                    self.option(&option, value.as_deref())?;
                }
            },
            "a" => {
                let format = if self.options.format == Format::Aligned { "unaligned" } else { "aligned" };
                self.option("format", Some(format))?;
            }
            "t" | "x" | "f" | "C" | "T" => {
                let option = match name {
                    "t" => "tuples_only",
                    "x" => "expanded",
                    "f" => "fieldsep",
                    "C" => "title",
                    _ => "tableattr",
                };
                let value = self.word(line)?;
                self.option(option, value.as_deref())?;
            }
            "H" | "html" => {
                let format = if self.options.format == Format::Html { "aligned" } else { "html" };
                self.option("format", Some(format))?;
            }
            "timing" => {
                let word = self.word(line)?;
                let wanted = word.as_deref().map_or(Some(!self.timing), boolean);
                self.timing = wanted.unwrap_or(self.timing);
                self.say(if self.timing { "Timing is on." } else { "Timing is off." })?;
                if let (None, Some(word)) = (wanted, word) {
                    return Err(format!("unrecognized value \"{word}\" for \"\\timing\": Boolean expected"));
                }
            }
            "o" | "out" => {
                let target = self.target(line)?;
                self.redirected = target.map(|target| self.sink(&target)).transpose()?;
            }
            "cd" => {
                let path = self.word(line)?.or_else(|| std::env::var("HOME").ok()).ok_or("could not get home directory")?;
                std::env::set_current_dir(&path).map_err(|e| format!("\\cd: could not change directory to \"{path}\": {}", plain(&e)))?;
            }
            "conninfo" => {
                let (place, whereabouts) = (&self.place, self.place.whereabouts());
                let (database, user) = (&place.database, &place.user);
                writeln!(self.out, "You are connected to database \"{database}\" as user \"{user}\" {whereabouts}.")
                    .map_err(|e| e.to_string())?;
            }
            "encoding" => match self.word(line)? {
                None => writeln!(self.out, "UTF8").map_err(|e| e.to_string())?,
                Some(name) if ["utf8", "utf-8", "unicode"].contains(&name.to_ascii_lowercase().as_str()) => {}
                Some(name) => return Err(format!("{name}: invalid encoding name or conversion procedure not found")),
            },
            "errverbose" => match &self.last_error {
                None => writeln!(self.out, "There is no previous error.").map_err(|e| e.to_string())?,
                Some(report) => {
                    let state = report.field(b'C').unwrap_or_default();
                    let text =
                        format!("{}:  {state}: {}\n{}", report.severity(), report.field(b'M').unwrap_or_default(), report.footnotes(true));
                    write!(self.complaint, "{text}").map_err(|e| e.to_string())?;
                }
            },
            _ if REFUSED.contains(&name) || name.starts_with('d') => {
                return Err(refused(name));
            }
            _ => return Err(format!("invalid command \\{name}")),
        }
        Ok(())
    }

    fn word(&self, line: &mut Line) -> Told<Option<String>> {
        word(line, Mode::Normal, &self.variables)
    }

    /// Says something that nobody needs to know.
    fn say(&mut self, text: &str) -> Told<()> {
        if self.variables.is_on("QUIET") {
            return Ok(());
        }
        writeln!(self.out, "{text}").map_err(|e| e.to_string())
    }

    /// `\prompt`: a line of standard input becomes a variable.
    fn prompt(&mut self, line: &mut Line) -> Told<()> {
        let mut arguments = words(line, &self.variables)?;
        let variable = arguments.pop().ok_or("\\prompt: missing required argument")?;
        write!(self.out, "{}", arguments.concat()).and_then(|()| self.out.flush()).map_err(|e| e.to_string())?;
        let mut answer = String::new();
        match std::io::stdin().read_line(&mut answer) {
            Ok(n) if n > 0 => self.variables.set(&variable, answer.trim_end_matches('\n')),
            _ => Err(format!("\\prompt: could not read value for variable \"{variable}\"")),
        }
    }

    fn option(&mut self, name: &str, value: Option<&str>) -> Told<()> {
        let text = self.options.set(name, value)?;
        if text.is_empty() { Ok(()) } else { self.say(text.trim_end_matches('\n')) }
    }

    fn echo(&mut self, name: &str, line: &mut Line) -> Told<()> {
        let mut arguments = words(line, &self.variables)?;
        let ends = arguments.first().is_none_or(|first| first != "-n");
        if !ends {
            arguments.remove(0);
        }
        let text = format!("{}{}", arguments.join(" "), if ends { "\n" } else { "" });
        match name {
            "echo" => write!(self.out, "{text}").map_err(|e| e.to_string()),
            "qecho" => self.put(&text).map_err(|e| e.to_string()),
            _ => self.out.flush().and_then(|()| write!(self.complaint, "{text}")).map_err(|e| e.to_string()),
        }
    }

    /// `\g` and `\gx`: options in parentheses, a file.
    fn go(&mut self, name: &str, line: &mut Line) -> Told<Outcome> {
        let mut options: Option<Options> = (name == "gx").then(|| self.options.expanded());
        let mut next = self.target(line)?;
        if let Some(first) = next.as_deref().and_then(|w| w.strip_prefix('(')) {
            let set = options.get_or_insert_with(|| self.options.clone());
            let mut part = first.to_string();
            loop {
                let (text, closed) = part.strip_suffix(')').map_or((part.as_str(), false), |t| (t, true));
                if !text.is_empty() {
                    let (option, value) = text.split_once('=').map_or((text, None), |(o, v)| (o, Some(v)));
                    set.set(option, value)?;
                }
                if closed {
                    break;
                }
                part = word(line, Mode::Normal, &self.variables)?.ok_or("\\g: missing right parenthesis")?;
            }
            next = self.target(line)?;
        }
        run(How { options, target: next, ..How::default() })
    }

    /// A file, or a program with all that stands behind its `|`.
    fn target(&self, line: &mut Line) -> Told<Option<String>> {
        if line.rest().trim_start().starts_with('|') { Ok(Some(whole_line(line))) } else { self.word(line) }
    }

    /// Opens what results are to go to.
    pub(super) fn sink(&mut self, target: &str) -> Told<Sink> {
        self.out.flush().map_err(|e| e.to_string())?;
        Sink::open(target, &self.environment)
    }

    /// Runs the statement at hand, or the one before if there is none.
    async fn run_query(&mut self, reading: &mut Reading, source: &mut Source, how: How) -> Result<bool> {
        let how = How { bound: self.bound.take(), ..how };
        let query = std::mem::take(&mut reading.query);
        reading.scanner.reset();
        if query.is_empty() {
            reading.begun = source.line;
        } else {
            reading.previous = query;
        }
        let query = reading.previous.clone();
        if query.is_empty() {
            return Ok(true);
        }
        self.send(&query, source, reading.begun, how).await
    }

    async fn watch(&mut self, reading: &mut Reading, source: &mut Source, times: u64, seconds: f64) -> Result<bool> {
        let mut well = true;
        for round in 0..times {
            if round > 0 {
                tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
            }
            let now = chrono::DateTime::from_timestamp_micros(self.clock.now_us()).unwrap_or_default();
            let title = format!("{} (every {seconds}s)\n", now.format("%a %b %e %H:%M:%S %Y"));
            let mut options = self.options.clone();
            options.title = Some(title);
            well = self.run_query(reading, source, How { options: Some(options), ..How::default() }).await?;
            if !well {
                break;
            }
        }
        Ok(well)
    }

    fn shell(&mut self, command: &str) -> Told<()> {
        if command.is_empty() {
            return Err("\\!: everfold run starts no shell for somebody to type into".into());
        }
        self.out.flush().map_err(|e| e.to_string())?;
        let status = shell(command, &self.environment).status();
        let status = status.map_err(|_| "\\!: failed".to_string())?;
        self.variables.tell("SHELL_ERROR", if status.success() { "false" } else { "true" });
        self.variables.tell("SHELL_EXIT_CODE", status.code().unwrap_or(-1).to_string());
        Ok(())
    }
}

fn run(how: How) -> Told<Outcome> {
    Ok(Outcome::Run(Box::new(how)))
}

/// `\watch`: a script does not go on for ever, so it says how often.
fn watched(arguments: &[String]) -> Told<Outcome> {
    let (mut times, mut seconds) = (None, 2.0);
    for argument in arguments {
        let (name, value) = argument.split_once('=').unwrap_or(("i", argument));
        let invalid = || format!("\\watch: incorrect interval value \"{value}\"");
        match name {
            "i" | "interval" => seconds = value.parse::<f64>().ok().filter(|s| (0.0..=1e6).contains(s)).ok_or_else(invalid)?,
            "c" | "count" => times = Some(value.parse::<u64>().map_err(|_| format!("\\watch: incorrect iteration count \"{value}\""))?),
            other => return Err(format!("\\watch: unrecognized parameter \"{other}\"")),
        }
    }
    times.map(|times| Outcome::Watch(times, seconds)).ok_or("\\watch: say how many times, as in \\watch i=2 c=5".to_string())
}

/// An argument: who writes SQL all day ends a meta-command with a semicolon too.
fn without_semicolon(word: &str) -> String {
    word.trim_end_matches(';').to_string()
}

fn refused(command: &str) -> String {
    let hint = "HINT:  Run the script with psql, or query everfold.tables, everfold.views or pg_catalog.";
    format!("everfold run does not support \\{command}\n{hint}")
}

fn told(e: &crate::error::Error) -> String {
    e.fields().hint.as_ref().map_or(e.message().to_string(), |hint| format!("{}\nHINT:  {hint}", e.message()))
}
