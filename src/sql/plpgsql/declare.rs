//! DECLARE: variables and their types.

use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;

use super::scan::{Piece, Reader};
use super::{Declaration, Declared, TypeName};
use crate::catalog::Name;
use crate::error::{Error, Result, code};
use crate::sql::convert::sql_type;

impl Reader<'_> {
    /// `name [CONSTANT] type [NOT NULL] [{DEFAULT | := | =} expression];`, and `name ALIAS FOR other;`
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
        if self.word(0) == "cursor" || self.word(1) == "cursor" || self.word(0) == "refcursor" {
            let error =
                Error::unsupported("cursor variables are not supported").hint("FOR row IN query LOOP goes over the rows of a query.");
            return Err(self.at_piece(error, 0));
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

    fn type_name(&mut self, ends: impl Fn(&Piece) -> bool) -> Result<TypeName> {
        let n = self.until(ends);
        if n == 0 {
            return Err(self.unexpected());
        }
        let last = self.piece(n - 1).word();
        if n > 2 && self.piece(n - 2).token == Token::Mod && matches!(last.as_str(), "type" | "rowtype") {
            let path = self.path()?;
            self.skip(2);
            return match (last.as_str(), path.as_slice()) {
                ("type", _) => Ok(TypeName::Like(path)),
                (_, [name]) => Ok(TypeName::Row(Name::bare(name.as_str()))),
                (_, [schema, name]) => Ok(TypeName::Row(Name::qualified(schema.as_str(), name.as_str()))),
                _ => Err(self.unexpected()),
            };
        }
        let here = self.unexpected();
        type_name(self.take(n)).map_err(|e| if e.fields().position.is_none() { e } else { here })
    }
}

/// The type that a text names. Errors: 42601, 42704.
pub fn type_name(text: &str) -> Result<TypeName> {
    if text.eq_ignore_ascii_case("record") {
        return Ok(TypeName::Record);
    }
    if text.eq_ignore_ascii_case("void") {
        return Ok(TypeName::Void);
    }
    let refused = |_| Error::syntax(format!("syntax error at or near \"{text}\"")).at(1);
    let mut parser = Parser::new(&PostgreSqlDialect {}).try_with_sql(text).map_err(refused)?;
    let ty = parser.parse_data_type().map_err(refused)?;
    if parser.peek_token().token != Token::EOF {
        return Err(Error::syntax(format!("syntax error at or near \"{}\"", parser.peek_token().token)).at(1));
    }
    sql_type(&ty).map(TypeName::Named)
}
