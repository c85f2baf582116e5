//! Statements of the language, and where SQL in them begins and ends.

use std::ops::Range;

use sqlparser::tokenizer::Token;

use super::scan::{Open, Piece, Reader};
use super::{Dynamic, Embedded, Expression, Into, OPERAND, Rows, Statement, Turns, What};
use crate::error::{Error, Result, code};
use crate::limits;
use crate::sql::statement::Statement as Sql;

impl Reader<'_> {
    /// Statements up to one of the words, which is not read.
    pub fn statements(&mut self, ends: &[&str], depth: usize) -> Result<Vec<Statement>> {
        let mut statements = Vec::new();
        while !ends.contains(&self.word(0).as_str()) {
            statements.push(self.statement(depth + 1)?);
        }
        Ok(statements)
    }

    fn statement(&mut self, depth: usize) -> Result<Statement> {
        if depth > limits::PROCEDURE_DEPTH_MAX {
            return Err(Error::new(code::STATEMENT_TOO_COMPLEX, "statements are nested too deeply")
                .hint(format!("At most {} levels are taken.", limits::PROCEDURE_DEPTH_MAX)));
        }
        let line = self.line();
        let label = self.label()?;
        let word = self.word(0);
        let loops = matches!(word.as_str(), "loop" | "while" | "for" | "foreach");
        if label.is_some() && !loops && !matches!(word.as_str(), "declare" | "begin") {
            return Err(self.unexpected());
        }
        let what = match word.as_str() {
            "declare" | "begin" => {
                let block = self.block(label, depth)?;
                self.end_statement()?;
                What::Block(block)
            }
            _ if self.assigns() => self.assignment()?,
            _ if loops => self.looped(label, depth)?,
            "if" => self.condition(depth)?,
            "case" => self.choice(depth)?,
            "exit" | "continue" => self.leave(word == "continue")?,
            "return" => self.returned()?,
            "raise" => self.after_word(Self::raise)?,
            "assert" => self.after_word(Self::assert)?,
            "get" => self.after_word(Self::diagnostics)?,
            "execute" => {
                let dynamic = self.dynamic(true, |piece| piece.token == Token::SemiColon)?;
                self.end_statement()?;
                What::Execute(dynamic)
            }
            "perform" => {
                self.skip(1);
                let sql = self.embedded(self.until(|_| false), "SELECT ", None)?;
                self.end_statement()?;
                What::Perform(sql)
            }
            "null" if self.piece(1).token == Token::SemiColon => {
                self.skip(2);
                What::Null
            }
            "open" => self.after_word(Self::open)?,
            _ => self.sql()?,
        };
        Ok(Statement { line, what })
    }

    fn after_word(&mut self, read: fn(&mut Self) -> Result<What>) -> Result<What> {
        self.skip(1);
        read(self)
    }

    // Assignments and SQL -----------------------------------------------------------------------------------------------------------

    /// True at `name := ..`, `name.field = ..`, `name[i] := ..`
    fn assigns(&self) -> bool {
        let mut n = 0;
        if !matches!(self.piece(0).token, Token::Word(_)) {
            return false;
        }
        n += 1;
        while self.piece(n).token == Token::Period && matches!(self.piece(n + 1).token, Token::Word(_)) {
            n += 2;
        }
        if self.piece(n).token == Token::LBracket {
            while !matches!(self.piece(n).token, Token::RBracket | Token::SemiColon | Token::EOF) {
                n += 1;
            }
            n += 1;
        }
        matches!(self.piece(n).token, Token::Assignment | Token::Eq)
    }

    fn assignment(&mut self) -> Result<What> {
        let target = self.path()?;
        let mut subscript = None;
        if self.eat_token(&Token::LBracket) {
            subscript = Some(self.expression(|piece| piece.token == Token::RBracket)?);
            self.expect_token(&Token::RBracket)?;
        }
        if self.is(&Token::LBracket) {
            let error = Error::unsupported("assignment to an element of an array of several dimensions is not supported");
            return Err(self.at_piece(error.hint("Build the array anew, as with a query."), 0));
        }
        self.skip(1);
        let value = self.expression(|_| false)?;
        self.end_statement()?;
        Ok(What::Assign { target, subscript, value })
    }

    /// A statement of SQL; its INTO names variables, but for that of INSERT.
    fn sql(&mut self) -> Result<What> {
        if !matches!(self.piece(0).token, Token::Word(_) | Token::LParen) {
            return Err(self.unexpected());
        }
        let n = self.until(|_| false);
        if self.piece(n).token == Token::EOF {
            self.skip(n);
            return Err(self.unexpected());
        }
        let here = self.piece(0).range.start;
        let (into, gone) = match self.find_into(n)? {
            Some((into, gone)) => (Some(into), Some(gone)),
            None => (None, None),
        };
        let sql = self.embedded(n, "", gone)?;
        check(&sql, into.is_some()).map_err(|e| e.at(self.characters_before(here) + 1))?;
        self.end_statement()?;
        Ok(match sql.statement.as_ref() {
            Sql::Commit { chain } => What::End { commit: true, chain: *chain },
            Sql::Rollback { chain } => What::End { commit: false, chain: *chain },
            Sql::Fetch { name, to, skip } => What::Fetch { cursor: name.clone(), to: *to, skip: *skip, into },
            Sql::Close(Some(cursor)) => What::Close(cursor.clone()),
            _ => What::Sql { sql, into },
        })
    }

    /// INTO among the next `n` pieces, outside of parentheses, and where it stands.
    fn find_into(&mut self, n: usize) -> Result<Option<(Into, Range<usize>)>> {
        if self.word(0) == "create" {
            return Ok(None);
        }
        let mut depth = 0usize;
        for i in 0..n {
            match self.piece(i).token {
                Token::LParen => depth += 1,
                Token::RParen => depth = depth.saturating_sub(1),
                _ if depth == 0 && self.word(i) == "into" && !(i > 0 && matches!(self.word(i - 1).as_str(), "insert" | "merge")) => {
                    return self.read_into_at(i).map(Some);
                }
                _ => {}
            }
        }
        Ok(None)
    }

    /// Reads the INTO that is `i` pieces ahead, and comes back.
    fn read_into_at(&mut self, i: usize) -> Result<(Into, Range<usize>)> {
        let back = self.place();
        self.skip(i);
        let start = self.piece(0).range.start;
        let into = self.read_into();
        let end = self.range_before().end;
        self.go(back);
        Ok((into?, start..end))
    }

    /// `INTO [STRICT] variable, ..`
    fn read_into(&mut self) -> Result<Into> {
        self.expect("into")?;
        let strict = self.eat("strict");
        Ok(Into { strict, targets: self.paths()? })
    }

    fn paths(&mut self) -> Result<Vec<Vec<String>>> {
        let mut paths = vec![self.path()?];
        while self.eat_token(&Token::Comma) {
            paths.push(self.path()?);
        }
        Ok(paths)
    }

    /// `EXECUTE text [INTO ..] [USING ..]` up to a piece that `ends`.
    pub fn dynamic(&mut self, into: bool, ends: impl Fn(&Piece) -> bool) -> Result<Dynamic> {
        self.expect("execute")?;
        let stops = |piece: &Piece| ends(piece) || piece.word() == "using" || into && piece.word() == "into";
        let text = self.expression(stops)?;
        let mut dynamic = Dynamic { text, into: None, using: vec![] };
        loop {
            if into && dynamic.into.is_none() && self.word(0) == "into" {
                dynamic.into = Some(self.read_into()?);
            } else if dynamic.using.is_empty() && self.eat("using") {
                dynamic.using.push(self.expression(|piece| stops(piece) || piece.token == Token::Comma)?);
                while self.eat_token(&Token::Comma) {
                    dynamic.using.push(self.expression(|piece| stops(piece) || piece.token == Token::Comma)?);
                }
            } else {
                return Ok(dynamic);
            }
        }
    }

    // Control -----------------------------------------------------------------------------------------------------------------------

    /// `IF condition THEN .. [ELSIF condition THEN ..] [ELSE ..] END IF;`
    fn condition(&mut self, depth: usize) -> Result<What> {
        let mut arms = Vec::new();
        while self.eat("if") || self.eat("elsif") || self.eat("elseif") {
            let condition = self.expression_to("then")?;
            self.expect("then")?;
            arms.push((condition, self.statements(&["elsif", "elseif", "else", "end"], depth)?));
            if !matches!(self.word(0).as_str(), "elsif" | "elseif") {
                break;
            }
        }
        let otherwise = if self.eat("else") { self.statements(&["end"], depth)? } else { vec![] };
        self.expect("end")?;
        self.expect("if")?;
        self.end_statement()?;
        Ok(What::If { arms, otherwise })
    }

    /// `CASE [operand] WHEN expression [, ..] THEN .. [ELSE ..] END CASE;`
    fn choice(&mut self, depth: usize) -> Result<What> {
        self.skip(1);
        let operand = if self.word(0) == "when" { None } else { Some(self.expression_to("when")?) };
        let mut arms = Vec::new();
        while self.eat("when") {
            let mut conditions = vec![self.fits(operand.is_some())?];
            while self.eat_token(&Token::Comma) {
                conditions.push(self.fits(operand.is_some())?);
            }
            self.expect("then")?;
            arms.push((conditions, self.statements(&["when", "else", "end"], depth)?));
        }
        let otherwise = if self.eat("else") { Some(self.statements(&["end"], depth)?) } else { None };
        self.expect("end")?;
        self.expect("case")?;
        self.end_statement()?;
        Ok(What::Case { operand, arms, otherwise })
    }

    /// The condition for an arm of CASE: what stands here, or that the operand equals it.
    fn fits(&mut self, to_operand: bool) -> Result<Expression> {
        let start = self.piece(0).range.start;
        let value = self.item(&["then"])?;
        if !to_operand {
            return Ok(value);
        }
        self.expression_behind(&format!("\"{OPERAND}\" = ("), format!("{})", value.text), start)
    }

    fn looped(&mut self, label: Option<String>, depth: usize) -> Result<What> {
        let word = self.word(0);
        self.skip(1);
        let turns = match word.as_str() {
            "loop" => Turns::Forever,
            "while" => {
                let condition = self.expression_to("loop")?;
                self.expect("loop")?;
                Turns::While(condition)
            }
            "foreach" => self.items()?,
            _ => self.turns()?,
        };
        self.open.push(Open { label: label.clone(), is_loop: true });
        let body = self.statements(&["end"], depth)?;
        self.open.pop();
        self.expect("end")?;
        self.expect("loop")?;
        self.end_label(label.as_ref())?;
        self.end_statement()?;
        Ok(What::Loop { label, turns, body })
    }

    /// `variable [SLICE number] IN ARRAY array LOOP`
    fn items(&mut self) -> Result<Turns> {
        let target = self.path()?;
        let slice = if self.eat("slice") { self.slice()? } else { 0 };
        self.expect("in")?;
        self.expect("array")?;
        let array = self.expression_to("loop")?;
        self.expect("loop")?;
        Ok(Turns::Items { target, slice, array })
    }

    /// The number behind SLICE.
    fn slice(&mut self) -> Result<usize> {
        let Token::Number(digits, _) = &self.piece(0).token else { return Err(self.unexpected()) };
        let slice = digits.parse().map_err(|_| self.unexpected())?;
        self.skip(1);
        Ok(slice)
    }

    /// What stands behind FOR, up to LOOP.
    fn turns(&mut self) -> Result<Turns> {
        let targets = self.paths()?;
        self.expect("in")?;
        let is_loop = |piece: &Piece| piece.word() == "loop";
        if self.word(0) == "execute" {
            let dynamic = self.dynamic(false, is_loop)?;
            self.expect("loop")?;
            return Ok(Turns::Rows { targets, rows: Rows::Dynamic(dynamic) });
        }
        let n = self.until(is_loop);
        if let Some(dots) = self.dots_within(n) {
            return self.numbers(&targets, n, dots);
        }
        let rows = if self.loops_over_cursor() { self.cursor_rows()? } else { Rows::Query(self.query(n)?) };
        self.expect("loop")?;
        Ok(Turns::Rows { targets, rows })
    }

    /// `[REVERSE] from .. to [BY step] LOOP`; the dots are at a byte of the body.
    fn numbers(&mut self, targets: &[Vec<String>], n: usize, dots: usize) -> Result<Turns> {
        let [[variable]] = targets.iter().map(Vec::as_slice).collect::<Vec<_>>()[..] else { return Err(self.unexpected()) };
        let variable = variable.clone();
        let whole = self.range(n);
        let reverse = self.word(0) == "reverse";
        let start = if reverse { self.piece(1).range.start } else { whole.start };
        let by = (0..n).find(|i| self.piece(*i).range.start > dots && self.word(*i) == "by").map(|i| self.piece(i).range.clone());
        self.skip(n);
        let mut bound = |range: Range<usize>| {
            let text = self.text_of(range.clone()).trim().to_string();
            if text.is_empty() { Err(self.unexpected()) } else { self.expression_at(text, range.start) }
        };
        let from = bound(start..dots)?;
        let to = bound(dots + 2..by.as_ref().map_or(whole.end, |by| by.start))?;
        let step = by.map(|by| bound(by.end..whole.end)).transpose()?;
        self.expect("loop")?;
        Ok(Turns::Numbers { variable, reverse, from, to, step })
    }

    /// `EXIT [label] [WHEN condition];` Errors: 42601 where there is nothing around it that it could leave.
    fn leave(&mut self, again: bool) -> Result<What> {
        let whole = self.piece(0).range.start;
        self.skip(1);
        let at = self.piece(0).range.start;
        let label = if self.is(&Token::SemiColon) || self.word(0) == "when" { None } else { Some(self.name()?) };
        let left = |open: &&Open| if label.is_some() { open.label == label } else { open.is_loop };
        let refused = match (self.open.iter().rev().find(left), &label) {
            (Some(Open { is_loop: false, .. }), Some(label)) if again => {
                Some((format!("block label \"{label}\" cannot be used in CONTINUE"), at))
            }
            (Some(_), _) => None,
            (None, Some(label)) => {
                Some((format!("there is no label \"{label}\" attached to any block or loop enclosing this statement"), at))
            }
            (None, None) if again => Some(("CONTINUE cannot be used outside a loop".into(), whole)),
            (None, None) => Some(("EXIT cannot be used outside a loop, unless it has a label".into(), whole)),
        };
        if let Some((message, at)) = refused {
            return Err(Error::syntax(message).at(self.characters_before(at) + 1));
        }
        let when = if self.eat("when") { Some(self.expression(|_| false)?) } else { None };
        self.end_statement()?;
        Ok(What::Leave { again, label, when })
    }

    /// `RETURN [NEXT] [expression];`, `RETURN QUERY {query | EXECUTE ..};`
    fn returned(&mut self) -> Result<What> {
        self.skip(1);
        let what = if self.eat("query") {
            if self.word(0) == "execute" {
                What::ReturnQuery(Rows::Dynamic(self.dynamic(false, |_| false)?))
            } else {
                What::ReturnQuery(Rows::Query(self.query(self.until(|_| false))?))
            }
        } else {
            let next = self.eat("next");
            let value: Option<Expression> = if self.is(&Token::SemiColon) { None } else { Some(self.expression(|_| false)?) };
            if next { What::ReturnNext(value) } else { What::Return(value) }
        };
        self.end_statement()?;
        Ok(what)
    }

    /// The query, or the change with RETURNING, that the next `n` pieces are.
    pub fn query(&mut self, n: usize) -> Result<Embedded> {
        if n == 0 {
            return Err(self.unexpected());
        }
        let sql = self.embedded(n, "", None)?;
        check(&sql, true)?;
        Ok(sql)
    }
}

/// Errors: 0A000 for a statement that a body does not take, 42601 for rows that go nowhere.
fn check(sql: &Embedded, into: bool) -> Result<()> {
    match sql.statement.as_ref() {
        Sql::Commit { .. } | Sql::Rollback { .. } if into => Err(Error::syntax("INTO used with a command that cannot return data")),
        Sql::Commit { .. } | Sql::Rollback { .. } | Sql::SetTransaction { .. } => Ok(()),
        statement if statement.controls_transaction() => Err(Error::unsupported("unsupported transaction command in PL/pgSQL")
            .hint("Use a block with an EXCEPTION clause, which undoes what it has done, or COMMIT and ROLLBACK.")),
        Sql::CopyIn { .. } | Sql::CopyOut { .. } => {
            Err(Error::unsupported("cannot COPY to/from client in PL/pgSQL").hint("COPY outside of the block, or INSERT INTO .. SELECT."))
        }
        Sql::Declare { .. } | Sql::Close(None) => {
            Err(Error::unsupported("DECLARE of a cursor and CLOSE ALL are not supported in PL/pgSQL")
                .hint("A variable of type refcursor is opened with OPEN and closed with CLOSE."))
        }
        Sql::Query(_) | Sql::Locking { .. } if !into => Err(Error::syntax("query has no destination for result data")
            .hint("If you want to discard the results of a SELECT, use PERFORM instead.")),
        _ => Ok(()),
    }
}
