//! The grammar of roles, grants and owners.

use sqlparser::tokenizer::Token;

use super::Reader;
use crate::catalog::{Privileges, RelationKind};
use crate::data::Secret;
use crate::error::{Error, Result, code};
use crate::sql::Statement;
use crate::sql::roles::{DefaultsChange, Listed, NewDefaults, RoleName, RoleOptions, RoleStatement, SettingOf, Target, Wanted, both};
use crate::sql::statement::RoutineWord;

/// What GRANT and REVOKE list: a privilege or a role, and columns behind it.
type Word = (String, Vec<String>);

/// Privileges that nothing here could ever check.
const REFUSED: [(&str, &str); 1] = [("maintain", "There is nothing to maintain.")];

fn statement(statement: RoleStatement) -> Statement {
    Statement::Role(Box::new(statement))
}

/// Errors: 42601 for what is no privilege, 0A000 for one that nothing here has.
fn privilege(word: &str) -> Result<Privileges> {
    if let Some((_, hint)) = REFUSED.iter().find(|(name, _)| *name == word) {
        return Err(Error::unsupported(format!("privilege {} is not supported", word.to_uppercase())).hint(*hint));
    }
    Privileges::named(word).ok_or_else(|| Error::syntax(format!("unrecognized privilege type \"{word}\"")))
}

fn wanted(words: Vec<Word>) -> Result<Wanted> {
    let alone = words.len() == 1;
    let mut wanted = Wanted { whole: Some(Privileges::NONE), columns: vec![] };
    for (word, columns) in words {
        let listed: Listed = match word.as_str() {
            "all" if alone => None,
            "all" => return Err(Error::syntax("ALL stands alone")),
            word => Some(privilege(word)?),
        };
        if columns.is_empty() {
            wanted.whole = both(wanted.whole, listed);
        }
        wanted.columns.extend(columns.into_iter().map(|column| (column, listed)));
    }
    Ok(wanted)
}

/// Errors: 0LP01 for columns, which roles have none of.
fn roles(words: Vec<Word>) -> Result<Vec<String>> {
    if words.iter().any(|(_, columns)| !columns.is_empty()) {
        return Err(Error::new(code::INVALID_GRANT_OPERATION, "column names cannot be included in GRANT/REVOKE ROLE"));
    }
    Ok(words.into_iter().map(|(name, _)| name).collect())
}

impl Reader<'_> {
    /// The statement about roles that begins here, if one does. Errors: 42601, 0A000.
    pub(super) fn role_statement(&mut self, words: [&str; 3]) -> Option<Result<Statement>> {
        let read = match words {
            ["create", "role" | "user" | "group", next] if next != "mapping" => self.create_role(),
            ["alter", "role" | "user" | "group", next] if next != "mapping" => self.alter_role(),
            ["alter", "database", _] => self.alter_database(),
            ["drop", "role" | "user" | "group", next] if next != "mapping" => self.drop_role(),
            ["alter", "stream" | "table" | "view" | "materialized" | "sequence", _] if self.gives_owner() => self.alter_owner(),
            ["grant", ..] => self.grant(),
            ["revoke", ..] => self.revoke(),
            ["alter", "default", "privileges"] => self.alter_defaults(),
            ["reassign", "owned", "by"] => self.reassign(),
            ["drop", "owned", "by"] => self.drop_owned(),
            ["set", ..] | ["reset", ..] => return self.identity().transpose(),
            _ => return None,
        };
        Some(read.map(statement).map_err(|e| self.without_literals(e)))
    }

    /// The error, which must not quote a literal: it may be a password.
    fn without_literals(&self, mut e: Error) -> Error {
        if e.code() == code::SYNTAX_ERROR && e.message().contains(['\'', '$']) {
            e.fields_mut().message = "syntax error at or near a string".into();
        }
        e.fields_mut().detail = None;
        e
    }

    // Roles ------------------------------------------------------------------------------------------------------------

    fn create_role(&mut self) -> Result<RoleStatement> {
        self.skip(1);
        let is_user = self.word(0) == "user";
        self.skip(1);
        let name = self.role_id()?;
        self.eat("with");
        let (mut options, mut in_roles, mut members, mut admins) = (RoleOptions::default(), vec![], vec![], vec![]);
        while !self.ended() {
            match (self.word(0).as_str(), self.word(1).as_str()) {
                ("in", "role" | "group") => {
                    self.skip(2);
                    in_roles.extend(self.role_names()?);
                }
                ("role" | "user", _) => {
                    self.skip(1);
                    members.extend(self.role_names()?);
                }
                ("admin", _) => {
                    self.skip(1);
                    admins.extend(self.role_names()?);
                }
                ("sysid", _) => return Err(Error::unsupported("SYSID is not supported").hint("Roles get their numbers by themselves.")),
                _ => self.role_option(&mut options)?,
            }
        }
        options.login = options.login.or(is_user.then_some(true));
        Ok(RoleStatement::Create { name, options, in_roles, members, admins })
    }

    fn alter_role(&mut self) -> Result<RoleStatement> {
        let group = self.word(1) == "group";
        self.skip(2);
        if self.eat("all") {
            self.in_database()?;
            return Ok(RoleStatement::Setting { of: SettingOf::AllRoles, change: self.setting_change()? });
        }
        let role = self.role_name()?;
        if self.eat_words(&["rename", "to"]) {
            let RoleName::Named(from) = role else { return Err(self.unexpected()) };
            return Ok(RoleStatement::Rename { from, to: self.role_id()? });
        }
        if group {
            let roles = vec![self.named(role)?];
            let joins = self.eat("add");
            if !joins {
                self.expect("drop")?;
            }
            self.expect("user")?;
            let members = self.role_names()?;
            return Ok(if joins {
                RoleStatement::Join { roles, members, admin: false, by: None }
            } else {
                RoleStatement::Leave { roles, members, admin_only: false, by: None }
            });
        }
        if matches!(self.word(0).as_str(), "set" | "reset" | "in") {
            self.in_database()?;
            return Ok(RoleStatement::Setting { of: SettingOf::Role(role), change: self.setting_change()? });
        }
        self.eat("with");
        let mut options = RoleOptions::default();
        while !self.ended() {
            self.role_option(&mut options)?;
        }
        Ok(RoleStatement::Alter { role, options })
    }

    /// There is one database, so a setting in it is one everywhere.
    fn in_database(&mut self) -> Result<()> {
        if self.eat_words(&["in", "database"]) {
            self.name()?;
        }
        Ok(())
    }

    fn role_option(&mut self, options: &mut RoleOptions) -> Result<()> {
        let word = self.word(0);
        let (no, plain) = match word.strip_prefix("no") {
            Some(rest) => (true, rest),
            None => (false, word.as_str()),
        };
        let flag = match plain {
            "superuser" => &mut options.superuser,
            "inherit" => &mut options.inherit,
            "createrole" => &mut options.create_role,
            "createdb" => &mut options.create_db,
            "login" => &mut options.login,
            "bypassrls" => &mut options.bypass_rls,
            "replication" if no => {
                self.skip(1);
                return Ok(());
            }
            "replication" => {
                let hint = "There is no replication protocol; a superuser may do everything.";
                return Err(Error::unsupported(format!("{} is not supported", plain.to_uppercase())).hint(hint));
            }
            _ if no => return Err(self.unexpected()),
            _ => return self.role_value(options),
        };
        if flag.is_some() {
            return Err(Error::syntax("conflicting or redundant options"));
        }
        *flag = Some(!no);
        self.skip(1);
        Ok(())
    }

    fn role_value(&mut self, options: &mut RoleOptions) -> Result<()> {
        let redundant = || Error::syntax("conflicting or redundant options");
        match self.word(0).as_str() {
            "unencrypted" => {
                let message = "UNENCRYPTED PASSWORD is no longer supported";
                return Err(Error::unsupported(message).hint("Remove UNENCRYPTED to store the password in encrypted form instead."));
            }
            "encrypted" | "password" => {
                self.eat("encrypted");
                self.expect("password")?;
                let password = if self.eat("null") { None } else { Some(Secret(self.text()?)) };
                if options.password.replace(password).is_some() {
                    return Err(redundant());
                }
            }
            "connection" if self.word(1) == "limit" => {
                self.skip(2);
                let negative = self.parser.consume_token(&Token::Minus);
                let Token::Number(digits, _) = self.parser.peek_token().token else { return Err(self.unexpected()) };
                self.skip(1);
                let limit: i32 = format!("{}{digits}", if negative { "-" } else { "" }).parse().unwrap_or(i32::MIN);
                if limit < -1 {
                    return Err(Error::new(code::INVALID_PARAMETER_VALUE, format!("invalid connection limit: {limit}")));
                }
                if options.connection_limit.replace(limit).is_some() {
                    return Err(redundant());
                }
            }
            "valid" if self.word(1) == "until" => {
                self.skip(2);
                if options.valid_until.replace(self.text()?).is_some() {
                    return Err(redundant());
                }
            }
            _ => return Err(self.unexpected()),
        }
        Ok(())
    }

    fn drop_role(&mut self) -> Result<RoleStatement> {
        self.skip(2);
        let if_exists = self.eat_words(&["if", "exists"]);
        let names = self.listed(|r| r.role_id())?;
        Ok(RoleStatement::Drop { names, if_exists })
    }

    // Grants -----------------------------------------------------------------------------------------------------------

    fn grant(&mut self) -> Result<RoleStatement> {
        self.skip(1);
        let words = self.words()?;
        let on = self.objects()?;
        self.expect("to")?;
        let to = self.role_names()?;
        let option = self.eat_words(&["with", "grant", "option"]);
        let admin = !option && self.eat_words(&["with", "admin", "option"]);
        let by = self.granted_by()?;
        match on {
            Some(on) if !admin => Ok(RoleStatement::Grant { privileges: wanted(words)?, on, to, option, by }),
            None if !option => Ok(RoleStatement::Join { roles: roles(words)?, members: to, admin, by }),
            _ => Err(Error::syntax("privileges take WITH GRANT OPTION, roles WITH ADMIN OPTION")),
        }
    }

    fn revoke(&mut self) -> Result<RoleStatement> {
        self.skip(1);
        let option_only = self.eat_words(&["grant", "option", "for"]);
        let admin_only = !option_only && self.eat_words(&["admin", "option", "for"]);
        let (words, on) = (self.words()?, self.objects()?);
        self.expect("from")?;
        let from = self.role_names()?;
        let by = self.granted_by()?;
        let cascade = self.cascade();
        match on {
            Some(on) if !admin_only => Ok(RoleStatement::Revoke { privileges: wanted(words)?, on, from, option_only, cascade, by }),
            None if !option_only => Ok(RoleStatement::Leave { roles: roles(words)?, members: from, admin_only, by }),
            _ => Err(Error::syntax("privileges take GRANT OPTION FOR, roles ADMIN OPTION FOR")),
        }
    }

    /// `[ON objects]`: what is listed before are privileges if it is there, else roles.
    fn objects(&mut self) -> Result<Option<Target>> {
        if self.eat("on") { self.target().map(Some) } else { Ok(None) }
    }

    /// `word [(column, ..)], ..`
    fn words(&mut self) -> Result<Vec<Word>> {
        self.listed(|r| {
            let name = r.name()?;
            if name == "all" {
                r.eat("privileges");
            }
            let mut columns = vec![];
            if r.parser.consume_token(&Token::LParen) {
                columns = r.listed(|r| r.name())?;
                r.close()?;
            }
            Ok((name, columns))
        })
    }

    fn target(&mut self) -> Result<Target> {
        if self.eat_words(&["all", "tables", "in", "schema"]) {
            return Ok(Target::AllIn(self.listed(|r| r.name())?));
        }
        if self.eat_words(&["all", "sequences", "in", "schema"]) {
            return Ok(Target::AllSequencesIn(self.listed(|r| r.name())?));
        }
        let kinds = [("functions", RoutineWord::Function), ("procedures", RoutineWord::Procedure), ("routines", RoutineWord::Routine)];
        for (kind, word) in kinds {
            if self.eat_words(&["all", kind, "in", "schema"]) {
                return Ok(Target::AllRoutinesIn(word, self.listed(|r| r.name())?));
            }
        }
        let is_named = |r: &Self| !matches!(r.parser.peek_nth_token_ref(1).token, Token::Comma) && r.word(1) != "to" && r.word(1) != "from";
        let kind = self.word(0);
        match kind.as_str() {
            "schema" => {
                self.skip(1);
                return Ok(Target::Schemas(self.listed(|r| r.name())?));
            }
            "database" => {
                self.skip(1);
                return Ok(Target::Databases(self.listed(|r| r.name())?));
            }
            "sequence"
                if matches!(self.parser.peek_nth_token_ref(1).token, Token::Word(_)) && self.word(1) != "to" && self.word(1) != "from" =>
            {
                self.skip(1);
                return Ok(Target::Sequences(self.listed(|r| r.relation_name())?));
            }
            "function" | "procedure" | "routine" if is_named(self) => {
                let word = self.routine_word()?;
                return Ok(Target::Routines(word, self.listed(|r| r.signature())?));
            }
            "type" | "domain" if is_named(self) => {
                self.skip(1);
                return Ok(Target::Types(self.listed(|r| r.relation_name())?));
            }
            "language" if is_named(self) => {
                self.skip(1);
                return Ok(Target::Languages(self.listed(|r| r.name())?));
            }
            "all" | "foreign" | "large" | "tablespace" | "parameter"
                if !matches!(self.parser.peek_nth_token_ref(1).token, Token::Comma) && self.word(1) != "to" && self.word(1) != "from" =>
            {
                return Err(Error::unsupported(format!("privileges on {} are not supported", kind.to_uppercase())).hint(
                    "Grant on relations, sequences, routines, ALL TABLES, SEQUENCES or ROUTINES IN SCHEMA name, TYPE, SCHEMA and DATABASE.",
                ));
            }
            "table" | "stream" | "view" => self.skip(1),
            "materialized" if self.word(1) == "view" => self.skip(2),
            _ => {}
        }
        Ok(Target::Relations(self.listed(|r| r.relation_name())?))
    }

    fn granted_by(&mut self) -> Result<Option<RoleName>> {
        if self.eat_words(&["granted", "by"]) { self.role_name().map(Some) } else { Ok(None) }
    }

    fn alter_defaults(&mut self) -> Result<RoleStatement> {
        self.skip(3);
        let of_roles = self.eat_words(&["for", "role"]) || self.eat_words(&["for", "user"]);
        let owners = if of_roles { self.role_names()? } else { vec![] };
        let schemas = if self.eat_words(&["in", "schema"]) { self.listed(|r| r.name())? } else { vec![] };
        let grants = self.eat("grant");
        if !grants {
            self.expect("revoke")?;
        }
        let option_only = !grants && self.eat_words(&["grant", "option", "for"]);
        let words = self.words()?;
        if words.iter().any(|(_, columns)| !columns.is_empty()) {
            return Err(self.unexpected());
        }
        let privileges = wanted(words)?.whole;
        self.expect("on")?;
        let kind = self.word(0);
        let sequences = match kind.as_str() {
            "tables" => false,
            "sequences" => true,
            "functions" | "routines" | "types" | "schemas" => {
                return Err(Error::unsupported(format!("default privileges on {} are not supported", kind.to_uppercase()))
                    .hint("There are those on TABLES, which are relations of any kind, and on SEQUENCES."));
            }
            _ => return Err(self.unexpected()),
        };
        self.skip(1);
        self.expect(if grants { "to" } else { "from" })?;
        let grantees = self.role_names()?;
        let change = match grants {
            true => DefaultsChange::Grant { option: self.eat_words(&["with", "grant", "option"]) },
            false => DefaultsChange::Revoke { option_only },
        };
        if !grants {
            self.cascade();
        }
        Ok(RoleStatement::Defaults(NewDefaults { owners, schemas, sequences, privileges, grantees, change }))
    }

    // Owners -----------------------------------------------------------------------------------------------------------

    /// True for `ALTER kind [IF EXISTS] name OWNER TO`, which is looked for without consuming anything.
    fn gives_owner(&self) -> bool {
        (2..12)
            .take_while(|n| !matches!(self.parser.peek_nth_token_ref(*n).token, Token::EOF | Token::SemiColon | Token::LParen))
            .any(|n| self.word(n) == "owner" && self.word(n + 1) == "to")
    }

    fn alter_owner(&mut self) -> Result<RoleStatement> {
        self.skip(1);
        let kind = match self.word(0).as_str() {
            "sequence" => None,
            "stream" => Some(RelationKind::Stream),
            "table" => Some(RelationKind::Table),
            "view" => Some(RelationKind::View),
            _ => {
                self.skip(1);
                Some(RelationKind::MaterializedView)
            }
        };
        self.skip(1);
        let if_exists = self.eat_words(&["if", "exists"]);
        let name = self.relation_name()?;
        self.expect("owner")?;
        self.expect("to")?;
        Ok(RoleStatement::Own { kind, name, if_exists, owner: self.role_name()? })
    }

    fn reassign(&mut self) -> Result<RoleStatement> {
        self.skip(3);
        let from = self.role_names()?;
        self.expect("to")?;
        Ok(RoleStatement::Reassign { from, to: self.role_name()? })
    }

    fn drop_owned(&mut self) -> Result<RoleStatement> {
        self.skip(3);
        let roles = self.role_names()?;
        Ok(RoleStatement::DropOwned { roles, cascade: self.cascade() })
    }

    /// `[CASCADE | RESTRICT]`, whether it is the former.
    pub(super) fn cascade(&mut self) -> bool {
        let cascade = self.eat("cascade");
        if !cascade {
            self.eat("restrict");
        }
        cascade
    }

    // Who the session is -------------------------------------------------------------------------------------------------

    /// SET ROLE, SET SESSION AUTHORIZATION and their RESETs; nothing is consumed if it is another SET.
    fn identity(&mut self) -> Result<Option<Statement>> {
        let reset = self.word(0) == "reset";
        let local = self.word(1) == "local";
        let scoped = local || self.word(1) == "session" && self.word(2) != "authorization";
        let at = if scoped { 2 } else { 1 };
        let role = self.word(at) == "role";
        let session = self.word(at) == "session" && self.word(at + 1) == "authorization" || self.word(at) == "session_authorization";
        if !role && !session {
            return Ok(None);
        }
        self.skip(if self.word(at) == "session" { at + 2 } else { at + 1 });
        let mut name = None;
        if !reset {
            if !self.parser.consume_token(&Token::Eq) {
                self.eat("to");
            }
            name = match self.word(0) == "default" || role && self.word(0) == "none" {
                true => {
                    self.skip(1);
                    None
                }
                false => Some(if matches!(self.parser.peek_token_ref().token, Token::Word(_)) { self.name()? } else { self.text()? }),
            };
        }
        Ok(Some(statement(match role {
            true => RoleStatement::SetRole { name, local, reset },
            false => RoleStatement::SetSession { name, local, reset },
        })))
    }

    // Names ------------------------------------------------------------------------------------------------------------

    pub(super) fn listed<T>(&mut self, mut item: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let mut all = vec![item(self)?];
        while self.parser.consume_token(&Token::Comma) {
            all.push(item(self)?);
        }
        Ok(all)
    }

    pub(super) fn role_names(&mut self) -> Result<Vec<RoleName>> {
        self.listed(|r| {
            // The word GROUP is noise of former times.
            if r.word(0) == "group" && matches!(r.parser.peek_nth_token_ref(1).token, Token::Word(_)) {
                r.skip(1);
            }
            r.role_name()
        })
    }

    pub(super) fn role_name(&mut self) -> Result<RoleName> {
        let special = match self.word(0).as_str() {
            "current_user" | "current_role" => RoleName::Current,
            "session_user" => RoleName::Session,
            "public" => RoleName::Public,
            // In quotes it is everybody too.
            _ => return self.name().map(|name| if name == "public" { RoleName::Public } else { RoleName::Named(name) }),
        };
        self.skip(1);
        Ok(special)
    }

    /// The name of a role that is created, dropped or renamed.
    fn role_id(&mut self) -> Result<String> {
        let role = self.role_name()?;
        self.named(role)
    }

    fn named(&self, role: RoleName) -> Result<String> {
        let reserved = |name: &str| Error::new(code::RESERVED_NAME, format!("role name \"{name}\" is reserved"));
        match role {
            RoleName::Named(name) if name == "none" => Err(reserved("none")),
            RoleName::Named(name) => Ok(name),
            RoleName::Public => Err(reserved("public")),
            RoleName::Current | RoleName::Session => {
                Err(Error::new(code::INVALID_ROLE_SPECIFICATION, "CURRENT_USER and SESSION_USER cannot be used as a role name here"))
            }
        }
    }
}
