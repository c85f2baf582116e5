//! `\df`, `\l`, `\du` and others that list what is no relation: functions, databases, roles, types, privileges, extensions.
//!
//! Each is a [`List`] of one of the tables in [`schemas`], [`server`] and [`search`]: columns, where they come from, and where a pattern
//! looks for [`names`]. A [`Catalog`] is such a list as a command asks for it, and [`query`] writes its query down. What depends on more
//! than that is adapted by a function beside the list.

mod names;
mod query;
mod schemas;
mod search;
mod server;

use super::listings::Listing;
use names::Names;
use query::{Column, Query, Shown};

/// A command that lists things.
struct List {
    /// The command by its names.
    commands: &'static [&'static str],
    /// Letters that may stand behind the name: they choose among the things.
    choices: &'static str,
    title: &'static str,
    columns: &'static [Column],
    from: &'static str,
    /// What holds for all of them; empty for nothing.
    always: &'static str,
    /// What is left out unless a pattern or `S` asks for it; empty for nothing.
    own: &'static str,
    /// Where the patterns look, one after the other.
    patterns: &'static [Names],
    /// How many patterns more the list's own function looks at.
    arguments: usize,
    order: &'static str,
    /// Whether the number of rows stands below.
    counted: bool,
    /// What is said if nothing is found; an empty table is shown if nothing is.
    missing: Option<fn(&[String]) -> String>,
    /// Does what the rest cannot say.
    adapt: fn(&mut Query, &Request<'_>) -> Result<(), String>,
    /// `+` shows tables for each of the things rather than more columns.
    parts: Option<Parts>,
}

/// A list that has nothing yet.
const LIST: List = List {
    commands: &[],
    choices: "",
    title: "",
    columns: &[],
    from: "",
    always: "",
    own: "",
    patterns: &[],
    arguments: 0,
    order: "1",
    counted: true,
    missing: None,
    adapt: |_, _| Ok(()),
    parts: None,
};

/// The tables for each of some things.
struct Parts {
    /// What the things are called.
    noun: &'static str,
    /// What `tables` needs to know of each: expressions over the list's relations.
    known: &'static [Column],
    order: &'static str,
    tables: fn(&[Option<String>]) -> Vec<Listing>,
}

/// What a command asks for.
struct Request<'a> {
    /// The letters behind the command's name.
    letters: &'a str,
    patterns: &'a [String],
}

/// How the answer to a command is found.
pub(super) enum Inquiry {
    /// A table.
    One(Listing),
    /// Tables for each of some things.
    Each(Each),
}

/// Tables for each of the rows that are found first.
pub(super) struct Each {
    /// Asks for the rows.
    pub sql: String,
    /// What is said if there are none.
    pub missing: String,
    /// The tables for a row.
    pub tables: fn(&[Option<String>]) -> Vec<Listing>,
}

/// A command that is one of these.
pub(super) struct Catalog {
    list: &'static List,
    /// `S` for those of the system too, `+` for all that is to be known, and the list's own choices.
    letters: String,
}

impl Catalog {
    /// What a command lists, if it is one.
    pub fn of(command: &str) -> Option<Catalog> {
        let lists = schemas::LISTS.iter().chain(&server::LISTS).chain(&search::LISTS);
        let (list, letters) = lists
            .flat_map(|list| list.commands.iter().map(move |known| (list, known)))
            .filter_map(|(list, known)| Some((list, command.strip_prefix(known)?)))
            .find(|(list, letters)| letters.chars().all(|c| "S+".contains(c) || list.choices.contains(c)))?;
        // Names that do not begin with d are whole words, and what they do not know is an error.
        let fits = command.starts_with('d')
            || letters.is_empty()
            || letters == "+" && list.columns.iter().any(|column| column.shown == Shown::Detail);
        fits.then(|| Catalog { list, letters: letters.to_string() })
    }

    /// How many patterns it takes.
    pub fn patterns_max(&self) -> usize {
        self.list.patterns.len() + self.list.arguments
    }

    /// What is to be asked, of what the patterns find as far as they are given. Errors: in psql's words.
    pub fn inquiry(&self, patterns: &[String]) -> Result<Inquiry, String> {
        let list = self.list;
        let verbose = self.letters.contains('+');
        let left_out = if verbose { Shown::Brief } else { Shown::Detail };
        let mut query = Query {
            title: list.title,
            columns: list.columns.iter().filter(|column| column.shown != left_out).copied().collect(),
            from: list.from.to_string(),
            conditions: self.conditions(patterns)?,
            order: list.order.to_string(),
        };
        (list.adapt)(&mut query, &Request { letters: &self.letters, patterns })?;
        if let Some(parts) = list.parts.as_ref().filter(|_| verbose) {
            return Ok(Inquiry::Each(parts.each(query, patterns.first())));
        }
        let missing = list.missing.map(|missing| missing(patterns));
        Ok(Inquiry::One(Listing { missing, counted: list.counted, ..query.listing() }))
    }

    fn conditions(&self, patterns: &[String]) -> Result<Vec<String>, String> {
        let list = self.list;
        let mut conditions = vec![list.always.to_string()];
        if patterns.is_empty() {
            if !self.letters.contains('S') {
                conditions.push(list.own.to_string());
            }
            conditions.extend(list.patterns.first().map(Names::unasked));
        }
        for (names, text) in list.patterns.iter().zip(patterns) {
            conditions.push(names.condition(text)?);
        }
        Ok(conditions)
    }
}

impl Parts {
    /// The tables for each of the things that a query finds.
    fn each(&self, mut query: Query, pattern: Option<&String>) -> Each {
        query.columns = self.known.to_vec();
        query.order = self.order.to_string();
        let missing = match pattern {
            Some(pattern) => format!("Did not find any {} named \"{pattern}\".", self.noun),
            None => format!("Did not find any {}s.", self.noun),
        };
        Each { sql: query.sql(), missing, tables: self.tables }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_found_by_their_letters() {
        let title = |command: &str| Catalog::of(command).map(|catalog| catalog.list.title);
        for (command, known) in [
            ("df", Some("List of functions")),
            ("dfapS+", Some("List of functions")),
            ("dFp+", Some("List of text search parsers")),
            ("dp", Some("Access privileges")),
            ("dPti", Some("List of partitioned relations")),
            ("ddp", Some("Default access privileges")),
            ("ddS", Some("Object descriptions")),
            ("list+", Some("List of databases")),
            ("z", Some("Access privileges")),
            ("z+", None),
            ("listS", None),
            ("dfx", None),
            ("d", None),
            ("dt", None),
        ] {
            assert_eq!(title(command), known, "{command}");
        }
    }

    #[test]
    fn a_command_asks_for_what_its_letters_and_patterns_choose() {
        let listing = |command: &str, patterns: &[&str]| {
            let patterns: Vec<String> = patterns.iter().map(ToString::to_string).collect();
            match Catalog::of(command).map(|catalog| catalog.inquiry(&patterns)) {
                Some(Ok(Inquiry::One(listing))) => listing,
                _ => panic!("\\{command} is a table"),
            }
        };
        let all = listing("dew", &[]);
        assert_eq!((all.title.as_str(), all.counted), ("List of foreign-data wrappers", true));
        assert!(!all.sql.contains("Description") && listing("dew+", &[]).sql.contains("Description"));
        let own = " WHERE p.prokind = 'a' AND n.nspname <> 'pg_catalog' AND n.nspname <> 'information_schema' \
                   AND pg_catalog.pg_function_is_visible(p.oid) ORDER BY 1, 2, 4";
        assert!(listing("da", &[]).sql.ends_with(own), "{}", listing("da", &[]).sql);
        assert!(listing("daS", &[]).sql.ends_with(" WHERE p.prokind = 'a' AND pg_catalog.pg_function_is_visible(p.oid) ORDER BY 1, 2, 4"));
        assert!(listing("dfn", &["*.*", "-"]).sql.contains(" WHERE NOT (p.prokind = 'a' OR p.prokind = 'p' OR "));
        assert!(listing("dfaw", &["*.*", "-"]).sql.contains(" WHERE (p.prokind = 'a' OR p.prokind = 'w') AND p.proargtypes[0] IS NULL"));
        assert_eq!(listing("dPt", &[]).title, "List of partitioned tables");
        let missing = "Did not find any settings for role \"a\" and database \"b\".";
        assert_eq!(listing("drds", &["a", "b"]).missing.as_deref(), Some(missing));
    }

    #[test]
    fn with_plus_some_commands_show_tables_for_each_of_what_they_find() {
        let Some(Ok(Inquiry::Each(each))) = Catalog::of("dx+").map(|catalog| catalog.inquiry(&["x*".to_string()])) else {
            panic!("it is one")
        };
        assert_eq!(each.missing, "Did not find any extension named \"x*\".");
        let tables = (each.tables)(&[Some("7".to_string()), Some("xml".to_string())]);
        assert_eq!(tables.iter().map(|table| table.title.as_str()).collect::<Vec<_>>(), ["Objects in extension \"xml\""]);
    }
}
