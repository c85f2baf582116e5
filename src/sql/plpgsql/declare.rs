//! DECLARE: variables and their types.

use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

use super::scan::{Piece, Reader};
use super::{Declaration, Declared, TypeName};
use crate::catalog::Name;
use crate::data::PgType;
use crate::error::{Error, Result, code};
use crate::sql::convert::sql_type;
use crate::sql::fold_name;
use crate::sql::statement::SqlType;

impl Reader<'_> {
    /// `name [CONSTANT] type [NOT NULL] [{DEFAULT | := | =} expression];`, `name ALIAS FOR other;`, and `name CURSOR FOR query;`
    pub fn declaration(&mut self) -> Result<Declaration> {
        let line = self.line();
        let name = self.name()?;
        if self.eat("alias") {
            self.expect("for")?;
            let other = match &self.piece(0).token {
                Token::Placeholder(place) => vec![place.clone()],
                _ => return self.path().and_then(|path| self.declared(line, name, Declared::Alias(path))),
            };
            self.skip(1);
            return self.declared(line, name, Declared::Alias(other));
        }
        if self.declares_cursor() {
            let cursor = self.bound_cursor()?;
            return self.declared(line, name, cursor);
        }
        let constant = self.eat("constant");
        let ends = |piece: &Piece| {
            matches!(piece.token, Token::Assignment | Token::Eq) || matches!(piece.word().as_str(), "default" | "not" | "collate")
        };
        let ty = self.type_name(ends)?;
        if self.word(0) == "collate" {
            return Err(self.at_piece(Error::unsupported("COLLATE of a variable is not supported").hint("Leave it out."), 0));
        }
        let not_null = self.eat("not");
        if not_null {
            self.expect("null")?;
        }
        let set = self.eat("default") || self.eat_token(&Token::Assignment) || self.eat_token(&Token::Eq);
        let default = if set { Some(self.expression(|_| false)?) } else { None };
        if not_null && default.is_none() {
            let message = format!("variable \"{name}\" must have a default value, since it's declared NOT NULL");
            return Err(self.at_piece(Error::new(code::NULL_VALUE_NOT_ALLOWED, message), 0));
        }
        self.declared(line, name, Declared::Variable { constant, ty, not_null, default })
    }

    fn declared(&mut self, line: usize, name: String, what: Declared) -> Result<Declaration> {
        self.end_statement()?;
        Ok(Declaration { line, name, what })
    }

    /// The type that stands before a piece that `ends`.
    pub fn type_name(&mut self, ends: impl Fn(&Piece) -> bool) -> Result<TypeName> {
        let n = self.until(ends);
        if n == 0 {
            return Err(self.unexpected());
        }
        let here = self.unexpected();
        type_name(self.take(n)).map_err(|e| if e.fields().position.is_none() { e } else { here })
    }
}

/// The type that a text names. Errors: 42601, 42704.
fn type_name(text: &str) -> Result<TypeName> {
    let refused = |_| Error::syntax(format!("syntax error at or near \"{text}\"")).at(1);
    let mut parser = Parser::new(&PostgreSqlDialect {}).try_with_sql(text).map_err(refused)?;
    let ty = match own_type(&mut parser) {
        Some(ty) => ty,
        None => sql_type(&parser.parse_data_type().map_err(refused)?).map(TypeName::Named)?,
    };
    match &parser.peek_token_ref().token {
        Token::EOF => Ok(ty),
        other => Err(Error::syntax(format!("syntax error at or near \"{other}\"")).at(1)),
    }
}

/// A type that only functions and their bodies name, if one stands next: `record`, `void`, `trigger`, `refcursor`, `path%TYPE`, `relation%ROWTYPE`.
pub fn own_type(parser: &mut Parser<'_>) -> Option<TypeName> {
    let no = || ParserError::ParserError("another type".into());
    let read = |parser: &mut Parser<'_>| {
        let name = parser.parse_object_name(false)?;
        let path: Vec<String> = name.0.iter().map(|part| part.as_ident().map(fold_name)).collect::<Option<_>>().ok_or_else(no)?;
        if !parser.consume_token(&Token::Mod) {
            return match path.as_slice() {
                [word] if word == "record" => Ok(TypeName::Record),
                [word] if word == "void" => Ok(TypeName::Void),
                [word] if word == "trigger" => Ok(TypeName::Trigger),
                // As a type of columns it would be of no use.
                [word] if word == "refcursor" => Ok(TypeName::Named(SqlType::Known(PgType::Opaque("refcursor")))),
                _ => Err(no()),
            };
        }
        match (parser.parse_identifier()?.value.to_lowercase().as_str(), path.as_slice()) {
            ("type", _) => Ok(TypeName::Like(path)),
            ("rowtype", [name]) => Ok(TypeName::Row(Name::bare(name.as_str()))),
            ("rowtype", [schema, name]) => Ok(TypeName::Row(Name::qualified(schema.as_str(), name.as_str()))),
            _ => Err(no()),
        }
    };
    parser.try_parse(read).ok()
}
