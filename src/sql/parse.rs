//! Reads one statement.

use sqlparser::ast;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

use super::array_types;
use super::changes::{delete_statement, insert_statement, query_statement, update_statement};
use super::continued;
use super::convert::{checked_name, last_name, relation_name};
use super::dialect::Postgres;
use super::exclusions;
use super::fold_name;
use super::frame_offsets;
use super::group_by;
use super::identity;
use super::inference;
use super::intervals;
use super::keyword_names;
use super::local;
use super::locking;
use super::misspelt;
use super::nested_joins;
use super::only;
use super::operators;
use super::overriding;
use super::refused;
use super::reserved::{self, refuse_reserved};
use super::row_stars;
use super::rows_from;
use super::signs;
use super::similar;
use super::split::char_position;
use super::star_rows;
use super::statement::{Explain, Statement};
use super::subscripted;
use super::traversal;
use super::unicode;
use super::whole_tables;
use super::windows;
use crate::catalog::{Name, RelationKind, TEMPORARY_NAME, ViewOptions};
use crate::data::quoting::ident;
use crate::error::{Error, Result, code};
use crate::limits;

/// How deep expressions and subqueries may nest.
const NESTING_MAX: usize = 128;

/// Parses one statement, as [`read`] does, with a hint where a keyword is misspelt.
pub fn parse(sql: &str) -> Result<Statement> {
    read(sql).map_err(|e| if e.code() == code::SYNTAX_ERROR { misspelt::hinted(sql, reserved::earliest(sql, e)) } else { e })
}

/// Parses one statement. Errors: 42601 with the position of the token that does not fit, 0A000 for what is not supported.
fn read(sql: &str) -> Result<Statement> {
    if sql.len() > limits::STATEMENT_BYTES_MAX {
        let message = format!("statement is {} bytes long", sql.len());
        return Err(
            Error::new(code::PROGRAM_LIMIT_EXCEEDED, message).hint(format!("At most {} bytes are taken.", limits::STATEMENT_BYTES_MAX))
        );
    }
    let mut reader = Reader { sql, parser: parser_of(sql)? };
    let statement = reader.statement()?;
    let ended = reader.parser.consume_token(&Token::SemiColon);
    while reader.parser.consume_token(&Token::SemiColon) {}
    match reader.parser.peek_token().token {
        Token::EOF => {}
        // The simple protocol cuts its messages into statements first.
        _ if ended => return Err(Error::syntax("cannot insert multiple commands into a prepared statement")),
        _ => return Err(reader.unexpected()),
    }
    if let Statement::Query(query)
    | Statement::Locking { query, .. }
    | Statement::Insert { source: query, .. }
    | Statement::CreateTableAs { query, .. }
    | Statement::CreateView { query, .. } = &statement
    {
        refuse_reserved(sql, query)?;
        if !query.locks.is_empty() {
            return Err(Error::unsupported("row locks stand behind a SELECT of their own only")
                .hint("Leave the clause out; an INSERT or UPDATE locks what it changes by itself, so that no update is lost."));
        }
    }
    Ok(statement)
}

/// A query as it is written, before anything is expanded in it: its places are those of the text. Errors: 42601.
pub(super) fn written_query(sql: &str) -> Result<Box<ast::Query>> {
    let mut reader = Reader { sql, parser: parser_of(sql)? };
    reader.parser.parse_query().map_err(|e| reader.refused(e))
}

/// An expression as it is written. Errors: 42601.
pub fn written_expression(sql: &str) -> Result<ast::Expr> {
    let mut reader = Reader { sql, parser: parser_of(sql)? };
    let expr = reader.parser.parse_expr().map_err(|e| reader.refused(e))?;
    if reader.ended() { Ok(expr) } else { Err(reader.unexpected()) }
}

/// `(key, ..) [WHERE condition]`, as ON CONFLICT names what is unique. Errors: 42601.
pub(super) fn written_inference(sql: &str) -> Result<(Vec<ast::Expr>, Option<ast::Expr>)> {
    let mut reader = Reader { sql, parser: parser_of(sql)? };
    if !reader.parser.consume_token(&Token::LParen) {
        return Err(reader.unexpected());
    }
    let keys = reader.parser.parse_comma_separated(Parser::parse_expr).map_err(|e| reader.refused(e))?;
    reader.close()?;
    let predicate = if reader.eat("where") { Some(reader.parser.parse_expr().map_err(|e| reader.refused(e))?) } else { None };
    if reader.ended() { Ok((keys, predicate)) } else { Err(reader.unexpected()) }
}

/// A parser at the beginning of a text. Errors: 42601 for what is no token, 54001 for what is nested too deeply.
pub(super) fn parser_of(sql: &str) -> Result<Parser<'static>> {
    let tokens = Tokenizer::new(&Postgres, sql).tokenize_with_location();
    let tokens = tokens.map_err(|e| Error::syntax(e.message.clone()).at(char_position(sql, e.location)))?;
    super::nesting::check(&tokens)?;
    let tokens = local::spelled(continued::spelled(whole_tables::spelled(unicode::spelled(sql, tokens)?)));
    let tokens = group_by::spelled(frame_offsets::spelled(exclusions::spelled(tokens)));
    let tokens =
        keyword_names::spelled(inference::spelled(operators::spelled(rows_from::spelled(only::spelled(overriding::spelled(tokens))))));
    let tokens = traversal::spelled(similar::spelled(signs::spelled(star_rows::spelled(row_stars::spelled(tokens)))));
    let tokens =
        nested_joins::spelled(locking::spelled(windows::spelled(identity::spelled(array_types::spelled(subscripted::spelled(tokens))))));
    Ok(Parser::new(&Postgres).with_recursion_limit(NESTING_MAX).with_tokens_with_locations(tokens))
}

/// PREPARE TRANSACTION and its kin.
fn two_phase() -> Error {
    Error::unsupported("two-phase commit is not supported").hint("COMMIT the transaction in one step.")
}

/// A parser with the text it reads, for positions and for the text of queries.
struct Reader<'a> {
    sql: &'a str,
    parser: Parser<'a>,
}

impl Reader<'_> {
    fn statement(&mut self) -> Result<Statement> {
        let words = [self.word(0), self.word(1), self.word(2)];
        let words = words.each_ref().map(String::as_str);
        if let Some(read) = self.role_statement(words) {
            return read;
        }
        match words {
            ["", ..] if self.parser.peek_token().token == Token::EOF => Ok(Statement::Empty),
            ["create", "stream", _] => self.create_relation(RelationKind::Stream),
            ["create", "table", _] => self.create_permanent(),
            ["create", "unlogged", "table"] => self.create_unlogged(),
            ["create", "temp" | "temporary" | "local" | "global", _] => self.create_temporary(),
            ["create", "or", "replace"] if matches!(self.word(3).as_str(), "function" | "procedure") => self.create_function(),
            ["create", "or", "replace"] if matches!(self.word(3).as_str(), "trigger" | "constraint") => self.create_trigger(),
            ["create", "trigger", _] | ["create", "constraint", "trigger"] => self.create_trigger(),
            ["alter", "trigger", _] => self.alter_trigger(),
            ["drop", "trigger", _] => self.drop_trigger(),
            ["create", "materialized" | "view" | "recursive" | "or", _] => self.create_view(),
            ["create", "sequence", _] => self.create_sequence(),
            ["create", "type", _] => self.create_type(),
            ["do", ..] => self.do_block(),
            ["create", "function" | "procedure", _] => self.create_function(),
            ["alter", "function" | "procedure" | "routine", _] => self.alter_function(),
            ["drop", "function" | "procedure" | "routine", _] => self.drop_functions(),
            ["call", ..] => self.call(),
            ["alter", "type", _] => self.alter_type(),
            ["drop", "type" | "domain", _] => self.drop_types(),
            ["create", "domain", _] => self.create_domain(),
            ["alter", "domain", _] => self.alter_domain(),
            ["create", "schema", _] => self.create_schema(),
            ["alter", "schema", _] => self.alter_schema(),
            ["drop", "schema", _] => self.drop_schemas(),
            ["refresh", "materialized", "view"] => {
                self.skip(3);
                self.eat("concurrently");
                let name = self.relation_name()?;
                self.eat_words(&["with", "data"]);
                Ok(Statement::Refresh(name))
            }
            ["create", "index", _] | ["create", "unique", "index"] => self.create_index(),
            ["drop", "sequence", _] | ["drop", "index", _] => self.drop_named(),
            ["alter", "index", _] => self.alter_index(),
            ["alter", "sequence", _] => self.alter_sequence(),
            ["alter", "table" | "stream" | "view", _] => self.alter(),
            ["drop", "stream" | "table" | "view" | "materialized", _] => self.drop(),
            ["alter", "materialized", "view"] => self.alter(),
            ["create" | "alter" | "drop", "policy", _] => self.policy(),
            ["comment", ..] => self.comment(),
            ["copy", ..] => self.copy(),
            ["truncate", ..] => self.truncate(),
            ["merge", ..] => self.merge(),
            ["with", ..] if self.with_before_merge() => self.merge(),
            ["lock", ..] => self.lock_tables(),
            ["reindex", ..] => self.reindex(),
            ["cluster", ..] => self.cluster(),
            ["show", ..] => self.show(),
            ["set", "constraints", _] => self.set_constraints(),
            ["set", ..] => self.set(),
            ["reset", ..] => self.reset(),
            ["explain", ..] => self.explain(),
            ["declare", ..] => self.declare(),
            ["fetch" | "move", ..] => self.fetch(),
            ["close", ..] => {
                self.skip(1);
                Ok(Statement::Close(self.name_or_all()?))
            }
            ["deallocate", ..] => {
                self.skip(1);
                self.eat("prepare");
                Ok(Statement::Deallocate(self.name_or_all()?))
            }
            ["create", "extension", _] => self.create_extension(),
            words if Self::drops_absent(words) => self.drop_absent(),
            ["prepare", "transaction", _] | ["commit" | "rollback", "prepared", _] => Err(two_phase()),
            ["prepare", ..] => self.prepare(),
            ["checkpoint", "", _] => {
                self.skip(1);
                Ok(Statement::Checkpoint)
            }
            ["discard", "all" | "temp" | "temporary" | "plans" | "sequences", ..] => self.discard(),
            ["begin", ..] | ["start", "transaction", ..] => self.begin(),
            ["listen" | "unlisten" | "notify", ..] => self.notify(),
            ["savepoint", ..] => {
                self.skip(1);
                Ok(Statement::Savepoint(self.name()?))
            }
            ["release", ..] => {
                self.skip(1);
                self.eat("savepoint");
                Ok(Statement::Release(self.name()?))
            }
            ["rollback" | "abort", "to", _] | ["rollback" | "abort", "work" | "transaction", "to"] => {
                while !self.eat("to") {
                    self.skip(1);
                }
                self.eat("savepoint");
                Ok(Statement::RollbackTo(self.name()?))
            }
            ["abort", ..] => {
                self.skip(1);
                let _ = self.eat("work") || self.eat("transaction");
                let chain = self.eat_words(&["and", "chain"]);
                let _ = chain || self.eat_words(&["and", "no", "chain"]);
                Ok(Statement::Rollback { chain })
            }
            ["analyze", ..] => self.upkeep("ANALYZE"),
            ["vacuum", ..] => self.upkeep("VACUUM"),
            [first, second, _] => match refused::refused(first, second) {
                Some(error) => Err(error),
                None => self.by_sqlparser(),
            },
        }
    }

    // Tokens -------------------------------------------------------------------------------------------------------

    /// The n-th word ahead in lower case; empty if it is not an unquoted word.
    fn word(&self, n: usize) -> String {
        match &self.parser.peek_nth_token_ref(n).token {
            Token::Word(w) if w.quote_style.is_none() => w.value.to_lowercase(),
            _ => String::new(),
        }
    }

    /// The tokens from here on that are no white space, and then the end for ever.
    fn ahead(&self) -> impl Iterator<Item = &TokenWithSpan> {
        let next = self.parser.peek_token_ref();
        let tokens = (self.parser.get_current_index()..).map(move |i| self.parser.token_at(i));
        let from_next = tokens.skip_while(move |t| !std::ptr::eq(*t, next) && t.token != Token::EOF);
        from_next.filter(|t| !matches!(t.token, Token::Whitespace(_)))
    }

    fn skip(&mut self, n: usize) {
        for _ in 0..n {
            self.parser.next_token();
        }
    }

    fn skip_all(&mut self) {
        while !matches!(self.parser.peek_token_ref().token, Token::EOF | Token::SemiColon) {
            self.parser.next_token();
        }
    }

    fn eat(&mut self, word: &str) -> bool {
        let fits = self.word(0) == word;
        if fits {
            self.skip(1);
        }
        fits
    }

    fn eat_words(&mut self, words: &[&str]) -> bool {
        let fit = words.iter().enumerate().all(|(i, w)| self.word(i) == *w);
        if fit {
            self.skip(words.len());
        }
        fit
    }

    fn expect(&mut self, word: &str) -> Result<()> {
        if self.eat(word) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn ended(&self) -> bool {
        matches!(self.parser.peek_token_ref().token, Token::EOF | Token::SemiColon)
    }

    /// 42601 at the next token, as PostgreSQL words it.
    fn unexpected(&self) -> Error {
        let token = self.parser.peek_token();
        match token.token {
            Token::EOF => self.at_end(),
            Token::LParen if table::is_action_before(self.sql, char_position(self.sql, token.span.start)) => {
                Error::unsupported("ON DELETE SET NULL and SET DEFAULT of some of the columns are not supported")
                    .at(char_position(self.sql, token.span.start))
                    .hint("Leave the list out: all columns of the foreign key are set.")
            }
            other => Error::syntax(format!("syntax error at or near \"{other}\"")).at(char_position(self.sql, token.span.start)),
        }
    }

    fn at_end(&self) -> Error {
        Error::syntax("syntax error at end of input").at(self.sql.chars().count() + 1)
    }

    fn name(&mut self) -> Result<String> {
        match &self.parser.peek_token_ref().token {
            Token::Word(_) => {
                let ident = self.parser.parse_identifier().map_err(|e| self.refused(e))?;
                checked_name(fold_name(&ident))
            }
            _ => Err(self.unexpected()),
        }
    }

    /// A relation's name, with or without its schema.
    fn relation_name(&mut self) -> Result<Name> {
        let name = self.parser.parse_object_name(false).map_err(|e| self.refused(e))?;
        relation_name(&name)
    }

    fn name_or_all(&mut self) -> Result<Option<String>> {
        Ok(if self.eat("all") { None } else { Some(self.name()?) })
    }

    fn names_in_parentheses(&mut self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        if self.parser.consume_token(&Token::LParen) {
            loop {
                names.push(self.name()?);
                if !self.parser.consume_token(&Token::Comma) {
                    break;
                }
            }
            self.close()?;
        }
        Ok(names)
    }

    fn close(&mut self) -> Result<()> {
        if self.parser.consume_token(&Token::RParen) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn text(&mut self) -> Result<String> {
        match self.parser.peek_token().token {
            Token::SingleQuotedString(s) | Token::EscapedStringLiteral(s) | Token::DoubleQuotedString(s) => {
                self.skip(1);
                Ok(s)
            }
            Token::DollarQuotedString(s) => {
                self.skip(1);
                Ok(s.value)
            }
            _ => Err(self.unexpected()),
        }
    }

    /// The text from here to the end of the statement; nothing is consumed.
    fn rest(&self) -> String {
        let start = char_position(self.sql, self.parser.peek_token_ref().span.start) - 1;
        let byte = self.sql.char_indices().nth(start).map_or(self.sql.len(), |(i, _)| i);
        self.sql[byte..].trim_end().trim_end_matches(';').trim_end().to_string()
    }

    fn query(&mut self) -> Result<Box<ast::Query>> {
        let mut query = self.parser.parse_query().map_err(|e| self.refused(e))?;
        intervals::expand(self.sql, query.as_mut())?;
        windows::expand(self.sql, query.as_mut())?;
        Ok(query)
    }

    /// sqlparser's error as PostgreSQL would word it, at the token where it stopped.
    fn refused(&self, e: ParserError) -> Error {
        let text = match e {
            ParserError::RecursionLimitExceeded => {
                return Error::new(code::STATEMENT_TOO_COMPLEX, "statement is nested too deeply")
                    .hint(format!("At most {NESTING_MAX} levels are taken."));
            }
            ParserError::TokenizerError(text) | ParserError::ParserError(text) => text,
        };
        let Some((what, at)) = text.rsplit_once(" at Line: ") else {
            let ended = text.ends_with("found: EOF");
            return if ended { self.at_end() } else { Error::syntax(text) };
        };
        let mut numbers = at.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse::<u64>().ok());
        let location = Location { line: numbers.next().unwrap_or(1), column: numbers.next().unwrap_or(1) };
        let message = match what.split_once("found: ") {
            Some((_, "EOF")) => "syntax error at end of input".to_string(),
            Some((_, found)) => format!("syntax error at or near \"{found}\""),
            None => what.to_string(),
        };
        let at = char_position(self.sql, location);
        let error = Error::syntax(message).at(at);
        match what.strip_prefix("Expected: ").and_then(|w| w.split_once(", found")) {
            Some((expected, _)) => error.detail(format!("Expected {expected}.")),
            None => error,
        }
    }

    // CREATE and DROP ------------------------------------------------------------------------------------------------

    /// `CREATE [OR REPLACE] [TEMP[ORARY] | MATERIALIZED] [RECURSIVE] VIEW ..`
    fn create_view(&mut self) -> Result<Statement> {
        self.skip(1);
        let or_replace = self.eat_words(&["or", "replace"]);
        let scoped = self.eat("local") || self.eat("global");
        let temporary = self.eat("temp") || self.eat("temporary");
        if scoped && !temporary {
            return Err(self.unexpected());
        }
        let materialized = !temporary && self.eat("materialized");
        let recursive = !materialized && self.word(1) == "view" && self.eat("recursive");
        if !temporary && !materialized && self.word(0) != "view" {
            let what = self.word(0);
            return Err(match refused::refused("create", &what) {
                Some(refused) => refused,
                None if or_replace => self.unexpected(),
                None => Error::unsupported("statement not supported"),
            });
        }
        self.expect("view")?;
        let if_not_exists = self.eat_words(&["if", "not", "exists"]);
        let name = self.relation_name()?;
        let columns = self.names_in_parentheses()?;
        let mut options = if !materialized && self.eat("with") { self.view_options()? } else { ViewOptions::default() };
        self.expect("as")?;
        let mut sql = self.rest();
        let mut query = self.query()?;
        let clause = self.rest();
        let data = !self.eat_words(&["with", "no", "data"]);
        let mut is_said = !data || self.eat_words(&["with", "data"]);
        if !materialized && let Some(check) = self.check_option()? {
            options.check = Some(check);
            is_said = true;
        }
        if is_said {
            sql = sql.strip_suffix(&clause).unwrap_or(&sql).trim_end().to_string();
        }
        if recursive {
            // `CREATE RECURSIVE VIEW v (a) AS q` is `CREATE VIEW v AS WITH RECURSIVE v (a) AS (q) SELECT a FROM v`.
            if columns.is_empty() {
                return Err(Error::syntax("CREATE RECURSIVE VIEW needs the names of its columns"));
            }
            let (called, listed) = (ident(&name.name), columns.iter().map(|column| ident(column)).collect::<Vec<_>>().join(", "));
            sql = format!("WITH RECURSIVE {called} ({listed}) AS ({sql}) SELECT {listed} FROM {called}");
            query = written_query(&sql)?;
        }
        let temporary = temporary || !materialized && name.schema.as_deref() == Some(TEMPORARY_NAME);
        Ok(Statement::CreateView { materialized, temporary, name, columns, query, sql, if_not_exists, or_replace, options, data })
    }

    fn drop(&mut self) -> Result<Statement> {
        self.skip(1);
        let kind = match self.word(0).as_str() {
            "stream" => RelationKind::Stream,
            "table" => RelationKind::Table,
            "view" => RelationKind::View,
            _ => {
                self.skip(1);
                RelationKind::MaterializedView
            }
        };
        self.expect(if kind == RelationKind::MaterializedView { "view" } else { kind.word() })?;
        let if_exists = self.eat_words(&["if", "exists"]);
        let names = self.listed(|r| r.relation_name())?;
        let cascade = self.cascade();
        Ok(Statement::Drop { kind, names, if_exists, cascade })
    }

    /// SET CONSTRAINTS {ALL | name, ..} {DEFERRED | IMMEDIATE}
    fn set_constraints(&mut self) -> Result<Statement> {
        self.skip(2);
        let mut names = Vec::new();
        if !self.eat("all") {
            names.push(self.relation_name()?);
            while self.parser.consume_token(&Token::Comma) {
                names.push(self.relation_name()?);
            }
        }
        let deferred = self.eat("deferred");
        if !deferred {
            self.expect("immediate")?;
        }
        Ok(Statement::SetConstraints { names, deferred })
    }

    // EXPLAIN, prepared statements -----------------------------------------------------------------------------

    fn explain(&mut self) -> Result<Statement> {
        self.skip(1);
        let (mut what, mut json) = (Explain::Plan, false);
        if self.parser.consume_token(&Token::LParen) {
            loop {
                let here = self.unexpected();
                let option = self.name()?;
                match option.as_str() {
                    "format" => match self.name()?.as_str() {
                        form @ ("text" | "json") => json = form == "json",
                        other => {
                            return Err(
                                Error::unsupported(format!("EXPLAIN format \"{other}\" is not supported")).hint("There are TEXT and JSON.")
                            );
                        }
                    },
                    "analyze" | "dataflow" | "plan" | "verbose" | "costs" | "timing" | "summary" | "buffers" | "settings" | "wal" => {}
                    other => {
                        let mut error = Error::syntax(format!("unrecognized EXPLAIN option \"{other}\""));
                        error.fields_mut().position = here.fields().position;
                        return Err(error.hint("Use EXPLAIN, EXPLAIN ANALYZE, EXPLAIN (DATAFLOW) or EXPLAIN ANALYZE view."));
                    }
                }
                let value = self.copy_value()?;
                let is_on = !value.is_some_and(|v| ["false", "off", "0"].contains(&v.as_str()));
                match option.as_str() {
                    "analyze" if is_on => what = Explain::Analyze,
                    "dataflow" if is_on => what = Explain::Dataflow,
                    _ => {}
                }
                if !self.parser.consume_token(&Token::Comma) {
                    break;
                }
            }
            self.close()?;
        }
        for (word, meaning) in [("plan", Explain::Plan), ("dataflow", Explain::Dataflow), ("analyze", Explain::Analyze)] {
            if self.eat(word) {
                what = meaning;
            }
        }
        self.eat("verbose");
        let query = matches!(self.word(0).as_str(), "select" | "with" | "values" | "table" | "create")
            || matches!(self.word(0).as_str(), "execute" | "insert" | "update" | "delete" | "merge") && !self.word(1).is_empty();
        let named = matches!(self.parser.peek_token_ref().token, Token::Word(_));
        if matches!(what, Explain::Analyze | Explain::Dataflow) && named && !query {
            self.eat_words(&["materialized", "view"]);
            return Ok(Statement::ExplainView(self.relation_name()?));
        }
        let statement = Box::new(self.statement()?);
        Ok(Statement::Explain { what, json, statement })
    }

    fn prepare(&mut self) -> Result<Statement> {
        self.skip(1);
        let name = self.name()?;
        let mut types = Vec::new();
        if self.parser.consume_token(&Token::LParen) {
            loop {
                types.push(self.parser.parse_data_type().map_err(|e| self.refused(e))?);
                if !self.parser.consume_token(&Token::Comma) {
                    break;
                }
            }
            self.close()?;
        }
        self.expect("as")?;
        let statement = self.rest();
        self.statement()?;
        Ok(Statement::Prepare { name, types, statement })
    }

    // The rest -------------------------------------------------------------------------------------------------------

    fn by_sqlparser(&mut self) -> Result<Statement> {
        let start: TokenWithSpan = self.parser.peek_token();
        let mut statement = self.parser.parse_statement().map_err(|e| self.refused(e))?;
        intervals::expand(self.sql, &mut statement)?;
        windows::expand(self.sql, &mut statement)?;
        match statement {
            ast::Statement::Query(query) => overriding::noted(self.sql, query_statement(query)?),
            ast::Statement::Insert(insert) => overriding::noted(self.sql, insert_statement(insert, None)?),
            ast::Statement::Update(update) => update_statement(update, None),
            ast::Statement::Delete(delete) => delete_statement(delete, None),
            ast::Statement::Commit { chain, .. } => Ok(Statement::Commit { chain }),
            ast::Statement::Rollback { chain, savepoint: None } => Ok(Statement::Rollback { chain }),
            ast::Statement::Execute { name: Some(name), parameters, .. } => {
                Ok(Statement::Execute { name: last_name(&name)?, arguments: parameters })
            }
            other => {
                let words: Vec<String> = other.to_string().split_whitespace().take(2).map(str::to_uppercase).collect();
                Err(Error::unsupported(format!("{} is not supported", words.join(" ")))
                    .hint("The README lists the statements that are.")
                    .at(char_position(self.sql, start.span.start)))
            }
        }
    }
}

mod absent;
mod alter;
mod comment;
mod copy;
mod create_as;
mod cursors;
mod domains;
mod functions;
mod index;
mod locks;
mod merge;
mod notify;
mod partitions;
mod policies;
mod roles;
mod schemas;
mod settings;
mod table;
#[cfg(test)]
mod tests;
mod triggers;
mod types;
mod upkeep;
mod views;

pub use functions::routine_body;
pub use policies::check_conditions;
pub use table::{key_columns, refuse_rules_of_stream, several_keys};
