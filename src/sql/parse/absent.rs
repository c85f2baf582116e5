//! Statements about kinds of objects that Everfold does not have, where doing nothing is what they ask for: DROP .. IF EXISTS, and
//! CREATE EXTENSION for what is built in. Migrations and ORMs send them at their beginning.

use super::Reader;
use crate::error::{Error, Result, code};
use crate::sql::statement::Statement;

/// Kinds that there are none of.
const KINDS: [&str; 9] = ["aggregate", "rule", "extension", "language", "collation", "publication", "subscription", "server", "statistics"];

/// Extensions of PostgreSQL whose functions are here, in part or in whole.
const BUILT_IN: [(&str, &str); 4] = [
    ("uuid-ossp", "uuid_generate_v3(), v4(), v5(), uuid_nil() and the name spaces"),
    ("pgcrypto", "digest(), hmac(), gen_random_bytes() and gen_random_uuid()"),
    ("plpgsql", "DO, functions and procedures"),
    ("everfold", "everything"),
];

impl Reader<'_> {
    /// True at `DROP kind` of a kind that there is none of.
    pub(super) fn drops_absent(words: [&str; 3]) -> bool {
        words[0] == "drop" && KINDS.contains(&words[1])
    }

    /// DROP kind [IF EXISTS] name .. Errors: 42704 without IF EXISTS.
    pub(super) fn drop_absent(&mut self) -> Result<Statement> {
        self.skip(1);
        let kind = self.word(0);
        self.skip(1);
        let if_exists = self.eat_words(&["if", "exists"]);
        let name = self.parser.parse_object_name(false).map_err(|e| self.refused(e))?;
        self.skip_all();
        if kind == "extension" && built_in(&name.to_string().replace('"', "")).is_some() {
            return kept(&name.to_string(), if_exists);
        }
        let absent = Error::new(code::UNDEFINED_OBJECT, format!("{kind} {name} does not exist"));
        if !if_exists {
            return Err(absent.hint(format!("There is nothing of the kind {} in Everfold.", kind.to_uppercase())));
        }
        let notice = Error::new(code::UNDEFINED_OBJECT, format!("{kind} {name} does not exist, skipping"));
        Ok(Statement::Told { tag: format!("DROP {}", kind.to_uppercase()), notice, of: vec![] })
    }

    /// COMMENT ON EXTENSION name IS .., which dumps have behind CREATE EXTENSION. Errors: 42704 for one that is not built in.
    pub(super) fn comment_on_extension(&mut self) -> Result<Statement> {
        self.skip(1);
        let name = self.name()?;
        self.skip_all();
        if built_in(&name).is_none() {
            return Err(Error::new(code::UNDEFINED_OBJECT, format!("extension \"{name}\" does not exist")));
        }
        let notice = Error::new(code::DUPLICATE_OBJECT, format!("extension \"{name}\" is built in, and has its comment, skipping"));
        Ok(Statement::Told { tag: "COMMENT".into(), notice, of: vec![] })
    }

    /// `COMMENT ON [PROCEDURAL] LANGUAGE name IS ..` Errors: 42704 for one that there is not.
    pub(super) fn comment_on_language(&mut self) -> Result<Statement> {
        self.skip(1);
        let name = self.name()?;
        self.skip_all();
        if !["sql", "plpgsql"].contains(&name.as_str()) {
            return Err(Error::new(code::UNDEFINED_OBJECT, format!("language \"{name}\" does not exist")));
        }
        let notice = Error::new(code::DUPLICATE_OBJECT, format!("language \"{name}\" is built in, and has its comment, skipping"));
        Ok(Statement::Told { tag: "COMMENT".into(), notice, of: vec![] })
    }

    /// CREATE EXTENSION [IF NOT EXISTS] name. Errors: 0A000 for one that is not built in.
    pub(super) fn create_extension(&mut self) -> Result<Statement> {
        self.skip(2);
        self.eat_words(&["if", "not", "exists"]);
        let name = self.name()?;
        self.skip_all();
        let Some(functions) = built_in(&name) else {
            return Err(Error::unsupported(format!("extension \"{name}\" is not available"))
                .hint("Functions are built in; leave the statement out, and see which the queries miss."));
        };
        let notice = Error::new(code::DUPLICATE_OBJECT, format!("extension \"{name}\" is built in, skipping"));
        let notice = notice.detail(format!("Of it there is {functions}."));
        Ok(Statement::Told { tag: "CREATE EXTENSION".into(), notice, of: vec![] })
    }
}

/// What there is of an extension, if it is built in.
fn built_in(name: &str) -> Option<&'static str> {
    BUILT_IN.iter().find(|(known, _)| *known == name).map(|(_, functions)| *functions)
}

/// DROP EXTENSION of one that is built in. Errors: 2BP01 without IF EXISTS.
fn kept(name: &str, if_exists: bool) -> Result<Statement> {
    let message = format!("cannot drop extension {name} because it is required by the database system");
    let kept = Error::new(code::DEPENDENT_OBJECTS_STILL_EXIST, message).hint("It is built in: leave the statement out.");
    if !if_exists {
        return Err(kept);
    }
    Ok(Statement::Told { tag: "DROP EXTENSION".into(), notice: kept, of: vec![] })
}
