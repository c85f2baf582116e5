//! DO, and CREATE, ALTER and DROP of functions and procedures.

use sqlparser::ast;
use sqlparser::tokenizer::Token;

use super::Reader;
use crate::catalog::{Language, Volatility};
use crate::error::{Error, Result, code};
use crate::sql::parse;
use crate::sql::plpgsql::{self, Body, Embedded, Function, Mode, Parameter, Returns, TypeName};
use crate::sql::split::{char_position, split};
use crate::sql::statement::{RoutineAttributes, RoutineChange, RoutineWord, Signature, Statement};

impl Reader<'_> {
    /// `DO [LANGUAGE plpgsql] 'body'`
    pub(super) fn do_block(&mut self) -> Result<Statement> {
        self.skip(1);
        let before = self.language()?;
        let (body, at) = self.body()?;
        let language = match before {
            Some(language) => language,
            None => self.language()?.unwrap_or_else(|| "plpgsql".into()),
        };
        match language.as_str() {
            "plpgsql" => plpgsql::body(&body).map(|block| Statement::Do(Box::new(block))).map_err(|e| within(e, at)),
            "sql" => {
                Err(Error::unsupported("language \"sql\" does not support inline code execution").hint("Send the statements as they are."))
            }
            other => Err(unknown_language(other)),
        }
    }

    fn language(&mut self) -> Result<Option<String>> {
        if !self.eat("language") {
            return Ok(None);
        }
        let language = match self.parser.peek_token_ref().token {
            Token::SingleQuotedString(_) => self.text()?,
            _ => self.name()?,
        };
        Ok(Some(language.to_lowercase()))
    }

    /// A literal of code, and how many characters there are before what it holds.
    fn body(&mut self) -> Result<(String, usize)> {
        let token = self.parser.peek_token();
        let quotes = match &token.token {
            Token::DollarQuotedString(text) => text.tag.as_ref().map_or(0, |tag| tag.chars().count()) + 2,
            _ => 1,
        };
        let start = char_position(self.sql, token.span.start) - 1;
        Ok((self.text()?, start + quotes))
    }

    /// How many characters stand before the next token.
    fn before(&self) -> usize {
        char_position(self.sql, self.parser.peek_token_ref().span.start) - 1
    }

    /// `RETURN expression` as a query, and how many characters there are before what would be its beginning.
    fn returned(&mut self) -> Result<(String, usize)> {
        const SELECT: &str = "SELECT ";
        self.skip(1);
        let (text, before) = (format!("{SELECT}{}", self.rest()), self.before().saturating_sub(SELECT.len()));
        self.skip_all();
        Ok((text, before))
    }

    /// `BEGIN ATOMIC statement; .. END`: its statements, and how many characters there are before them.
    fn atomic(&mut self) -> Result<(String, usize)> {
        self.skip(2);
        let (before, mut open) = (self.before(), 1usize);
        loop {
            match self.word(0).as_str() {
                "case" => open += 1,
                "end" => open -= 1,
                _ if matches!(self.parser.peek_token_ref().token, Token::EOF) => return Err(self.unexpected()),
                _ => {}
            }
            if open == 0 {
                break;
            }
            self.skip(1);
        }
        let text = self.sql.chars().skip(before).take(self.before() - before).collect();
        self.skip(1);
        Ok((text, before))
    }

    /// `CREATE [OR REPLACE] {FUNCTION | PROCEDURE} name (parameters) [RETURNS type] attribute ..`
    pub(super) fn create_function(&mut self) -> Result<Statement> {
        self.skip(1);
        let replace = self.eat_words(&["or", "replace"]);
        let procedure = self.eat("procedure");
        if !procedure {
            self.expect("function")?;
        }
        let name = self.relation_name()?;
        let parameters = self.parameters()?;
        let no_answer = procedure && parameters.iter().all(|p| p.mode == Mode::In);
        let mut function = Function {
            name,
            procedure,
            parameters,
            returns: Returns { set: false, ty: no_answer.then_some(TypeName::Void) },
            strict: false,
            volatility: Volatility::default(),
            definer: false,
            settings: vec![],
            owner: None,
            body: Body::Sql(vec![]),
            source: String::new(),
            standard: false,
        };
        let (mut language, mut body, mut attributes) = (None, None, RoutineAttributes::default());
        let mut standard = 0;
        while !self.ended() {
            if !function.standard {
                standard = self.before();
            }
            match [self.word(0), self.word(1)].each_ref().map(String::as_str) {
                [word, _] if procedure && !OF_PROCEDURES.contains(&word) => return Err(self.not_of_procedures()),
                _ if self.attribute(&mut attributes)? => {}
                ["returns", _] => self.returns(&mut function)?,
                ["language", _] => language = self.language()?,
                ["as", _] => {
                    self.skip(1);
                    body = Some(self.body()?);
                }
                ["return", _] => (body, function.standard) = (Some(self.returned()?), true),
                ["begin", "atomic"] => (body, function.standard) = (Some(self.atomic()?), true),
                [word @ ("external" | "window" | "transform" | "support"), _] => {
                    let error = Error::unsupported(format!("{} of a function is not supported", word.to_uppercase()));
                    return Err(error.hint("Leave it out."));
                }
                _ => return Err(self.unexpected()),
            }
        }
        let Some((text, at)) = body else {
            return Err(Error::new(code::INVALID_FUNCTION_DEFINITION, "no function body specified"));
        };
        function.volatility = attributes.volatility.unwrap_or_default();
        function.strict = attributes.strict.unwrap_or_default();
        function.definer = attributes.definer.unwrap_or_default();
        function.settings = attributes.settings;
        function.source = match function.standard {
            true => self.sql.chars().skip(standard).collect::<String>().trim_end().trim_end_matches(';').trim_end().to_string(),
            false => text.clone(),
        };
        function.body = match language.as_deref() {
            None if function.standard => Body::Sql(statements(&text).map_err(|e| within(e, at))?),
            Some(other) if function.standard && other != "sql" => {
                return Err(Error::new(code::INVALID_FUNCTION_DEFINITION, "inline SQL function body only valid for language SQL"));
            }
            None => return Err(Error::new(code::INVALID_FUNCTION_DEFINITION, "no language specified")),
            Some("plpgsql") => plpgsql::body(&text).map(|block| Body::Plpgsql(Box::new(block))).map_err(|e| within(e, at))?,
            Some("sql") => Body::Sql(statements(&text).map_err(|e| within(e, at))?),
            Some(other) => return Err(unknown_language(other)),
        };
        function.check()?;
        Ok(Statement::CreateFunction { function: Box::new(function), replace })
    }

    /// `name TO value` behind SET. Errors: 0A000 for FROM CURRENT, and for who the session is.
    fn kept_setting(&mut self) -> Result<(String, Option<String>)> {
        if self.word(1) == "from" && self.word(2) == "current" {
            return Err(Error::unsupported("SET .. FROM CURRENT of a function is not supported").hint("Name the value."));
        }
        let (name, value) = self.assignment()?;
        match name.as_str() {
            "role" | "session_authorization" => {
                Err(Error::unsupported(format!("SET {name} of a function is not supported")).hint("SECURITY DEFINER runs it as its owner."))
            }
            _ => Ok((name, value)),
        }
    }

    /// Reads what CREATE and ALTER may say of how a routine is called and run, if one of these stands next.
    fn attribute(&mut self, attributes: &mut RoutineAttributes) -> Result<bool> {
        match [self.word(0), self.word(1)].each_ref().map(String::as_str) {
            ["returns", "null"] => {
                self.skip(1);
                ["null", "on", "null", "input"].iter().try_for_each(|word| self.expect(word))?;
                attributes.strict = Some(true);
                return Ok(true);
            }
            ["called", _] => {
                self.skip(1);
                ["on", "null", "input"].iter().try_for_each(|word| self.expect(word))?;
                attributes.strict = Some(false);
                return Ok(true);
            }
            ["set", _] => {
                self.skip(1);
                attributes.settings.push(self.kept_setting()?);
                return Ok(true);
            }
            ["strict", _] => attributes.strict = Some(true),
            // What a function promises of itself is taken and shown, and not needed: what it does is known.
            ["immutable", _] => attributes.volatility = Some(Volatility::Immutable),
            ["stable", _] => attributes.volatility = Some(Volatility::Stable),
            ["volatile", _] => attributes.volatility = Some(Volatility::Volatile),
            ["leakproof", _] => {}
            ["not", "leakproof"] | ["parallel" | "cost" | "rows", _] => self.skip(1),
            ["external", "security"] => {
                self.skip(1);
                return self.attribute(attributes);
            }
            ["security", who @ ("invoker" | "definer")] => {
                attributes.definer = Some(who == "definer");
                self.skip(1);
            }
            _ => return Ok(false),
        }
        self.skip(1);
        Ok(true)
    }

    /// The error of what stands next, which no procedure has.
    fn not_of_procedures(&self) -> Error {
        match FOR_FUNCTIONS.contains(&self.word(0).as_str()) {
            true => Error::new(code::INVALID_FUNCTION_DEFINITION, "invalid attribute in procedure definition").at(self.before() + 1),
            false => self.unexpected(),
        }
    }

    /// What ALTER says besides names and owners: attributes, and settings that go.
    fn altered_attributes(&mut self, word: RoutineWord) -> Result<RoutineAttributes> {
        let mut attributes = RoutineAttributes::default();
        while !self.ended() && !self.eat("restrict") {
            let first = self.word(0);
            if word == RoutineWord::Procedure && first != "reset" && !OF_PROCEDURES.contains(&first.as_str()) {
                return Err(self.not_of_procedures());
            }
            if self.eat("reset") {
                if self.eat("all") {
                    attributes.resets = true;
                } else {
                    attributes.unset.push(self.name()?);
                }
            } else if !self.attribute(&mut attributes)? {
                return Err(self.unexpected());
            }
        }
        Ok(attributes)
    }

    /// RETURNS of a function: a type, SETOF a type, or TABLE with columns.
    fn returns(&mut self, function: &mut Function) -> Result<()> {
        self.skip(1);
        if self.word(0) == "table" {
            self.skip(1);
            let columns = self.parameters()?;
            function.parameters.extend(columns.into_iter().map(|column| Parameter { mode: Mode::Out, ..column }));
            function.returns = Returns { set: true, ty: None };
            return Ok(());
        }
        let set = self.eat("setof");
        function.returns = Returns { set, ty: Some(self.type_name()?) };
        Ok(())
    }

    fn parameters(&mut self) -> Result<Vec<Parameter>> {
        if !self.parser.consume_token(&Token::LParen) {
            return Err(self.unexpected());
        }
        let parameters = match self.parser.peek_token_ref().token {
            Token::RParen => vec![],
            _ => self.listed(|r| r.parameter())?,
        };
        self.close()?;
        Ok(parameters)
    }

    /// `[mode | VARIADIC] [name] type [DEFAULT expression]`
    fn parameter(&mut self) -> Result<Parameter> {
        let mode = match self.word(0).as_str() {
            "inout" => Mode::InOut,
            "out" => Mode::Out,
            "in" if self.word(1) == "out" => {
                self.skip(1);
                Mode::InOut
            }
            _ => Mode::In,
        };
        let variadic = self.eat("variadic");
        if mode != Mode::In || self.word(0) == "in" {
            self.skip(1);
        }
        let name = if self.is_named() { Some(self.name()?) } else { None };
        let ty = self.type_name()?;
        let has_default = self.eat("default") || self.parser.consume_token(&Token::Eq);
        let default = if has_default { Some(self.parser.parse_expr().map_err(|e| self.refused(e))?) } else { None };
        Ok(Parameter { mode, name, ty, default, variadic })
    }

    /// True if a name and then a type stand here, and not a type alone.
    fn is_named(&self) -> bool {
        // Types of two words, whose first is no name.
        let first = self.word(0);
        let is_type = matches!(first.as_str(), "double" | "character" | "char" | "bit" | "national" | "time" | "timestamp" | "interval");
        let next = &self.parser.peek_nth_token_ref(1).token;
        !is_type && matches!(next, Token::Word(word) if word.quote_style.is_some() || !word.value.eq_ignore_ascii_case("default"))
    }

    fn type_name(&mut self) -> Result<TypeName> {
        if let Some(ty) = plpgsql::own_type(&mut self.parser) {
            return Ok(ty);
        }
        if POLYMORPHIC.contains(&self.word(0).as_str()) {
            return Err(Error::unsupported(format!("the polymorphic type {} is not supported", self.word(0)))
                .hint("Make a function for each type that it is called with: they may have one name."));
        }
        let ty = self.parser.parse_data_type().map_err(|e| self.refused(e))?;
        crate::sql::convert::sql_type(&ty).map(TypeName::Named)
    }

    /// FUNCTION, PROCEDURE or ROUTINE.
    pub(super) fn routine_word(&mut self) -> Result<RoutineWord> {
        let word = match self.word(0).as_str() {
            "function" => RoutineWord::Function,
            "procedure" => RoutineWord::Procedure,
            "routine" => RoutineWord::Routine,
            _ => return Err(self.unexpected()),
        };
        self.skip(1);
        Ok(word)
    }

    /// `ALTER FUNCTION name [(types)] {RENAME TO .. | SET SCHEMA .. | OWNER TO .. | attribute ..}`
    pub(super) fn alter_function(&mut self) -> Result<Statement> {
        self.skip(1);
        let word = self.routine_word()?;
        let signature = self.signature()?;
        let change = if self.eat_words(&["rename", "to"]) {
            RoutineChange::Rename(crate::sql::convert::checked_name(self.name()?)?)
        } else if self.eat_words(&["set", "schema"]) {
            RoutineChange::SetSchema(self.name()?)
        } else if self.eat_words(&["owner", "to"]) {
            RoutineChange::Own(self.role_name()?)
        } else if matches!(self.word(0).as_str(), "depends" | "no") {
            let clause = self.rest();
            return Err(Error::unsupported(format!("ALTER {} .. {clause} is not supported", word.word().to_uppercase()))
                .hint("There are no extensions that it could depend on."));
        } else {
            RoutineChange::Attributes(self.altered_attributes(word)?)
        };
        Ok(Statement::AlterFunction { word, signature, change })
    }

    /// `CALL name (arguments)`
    pub(super) fn call(&mut self) -> Result<Statement> {
        self.skip(1);
        match self.parser.parse_expr().map_err(|e| self.refused(e))? {
            ast::Expr::Function(call) => match call.args {
                ast::FunctionArguments::List(list) => {
                    let name = crate::sql::convert::relation_name(&call.name)?;
                    Ok(Statement::CallProcedure { name, arguments: list.args })
                }
                _ => Err(self.unexpected()),
            },
            _ => Err(self.unexpected()),
        }
    }

    /// `DROP {FUNCTION | PROCEDURE | ROUTINE} [IF EXISTS] name [(types)], .. [CASCADE | RESTRICT]`
    pub(super) fn drop_functions(&mut self) -> Result<Statement> {
        self.skip(1);
        let word = self.routine_word()?;
        let if_exists = self.eat_words(&["if", "exists"]);
        let names = self.listed(|r| r.signature())?;
        let cascade = self.cascade();
        Ok(Statement::DropFunctions { word, names, if_exists, cascade })
    }

    /// The name of a function, and of its parameters' types what stands there.
    pub(super) fn signature(&mut self) -> Result<Signature> {
        let name = self.relation_name()?;
        if !self.parser.consume_token(&Token::LParen) {
            return Ok((name, None));
        }
        let mut types = Vec::new();
        while !matches!(self.parser.peek_token_ref().token, Token::RParen) {
            let out = self.eat("out");
            let _ = out || self.eat("in") || self.eat("inout") || self.eat("variadic");
            if self.is_named() {
                self.name()?;
            }
            let ty = self.parser.parse_data_type().map_err(|e| self.refused(e))?;
            if !out {
                types.push(ty);
            }
            if !self.parser.consume_token(&Token::Comma) {
                break;
            }
        }
        self.close()?;
        Ok((name, Some(types)))
    }
}

/// Types that stand for whatever a call gives.
const POLYMORPHIC: [&str; 11] = [
    "anyelement",
    "anyarray",
    "anynonarray",
    "anyenum",
    "anyrange",
    "anymultirange",
    "anycompatible",
    "anycompatiblearray",
    "anycompatiblenonarray",
    "anycompatiblerange",
    "anycompatiblemultirange",
];
/// What may be said of a procedure besides its name and parameters, by first words.
const OF_PROCEDURES: [&str; 8] = ["language", "as", "security", "external", "set", "transform", "begin", "return"];
/// What may be said of functions only.
const FOR_FUNCTIONS: [&str; 11] =
    ["strict", "called", "immutable", "stable", "volatile", "leakproof", "not", "parallel", "cost", "rows", "window"];

/// What a source is that the catalog keeps. Errors: those of CREATE FUNCTION.
pub fn routine_body(language: Language, source: &str, standard: bool) -> Result<Body> {
    match language {
        Language::Plpgsql => plpgsql::body(source).map(|block| Body::Plpgsql(Box::new(block))),
        Language::Sql if !standard => statements(source).map(Body::Sql),
        Language::Sql => match parse(&format!("CREATE FUNCTION f() RETURNS void {source}"))? {
            Statement::CreateFunction { function, .. } => Ok(function.body),
            _ => Err(Error::internal("a function is one")),
        },
    }
}

/// The statements of a function in SQL.
fn statements(text: &str) -> Result<Vec<Embedded>> {
    let ranges = split(text)?;
    let each = ranges.into_iter().enumerate().map(|(id, range)| {
        let before = text[..range.start].chars().count();
        let text = text[range].to_string();
        let statement = Box::new(parse(&text).map_err(|e| within(e, before))?);
        Ok(Embedded { id, text, statement })
    });
    each.collect()
}

/// An error in a text that begins behind some characters of the statement.
fn within(mut error: Error, before: usize) -> Error {
    let position = error.fields().position.map(|at| at + before);
    error.fields_mut().position = position;
    error
}

fn unknown_language(name: &str) -> Error {
    Error::new(code::UNDEFINED_OBJECT, format!("language \"{name}\" does not exist")).hint("There are plpgsql and sql.")
}
