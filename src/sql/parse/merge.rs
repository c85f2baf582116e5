//! MERGE. sqlparser reads that of other dialects, without DO NOTHING and DEFAULT VALUES.

use std::ops::ControlFlow;

use sqlparser::ast::helpers::attached_token::AttachedToken;
use sqlparser::ast::{self, Expr, SetExpr, VisitMut};
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;

use super::Reader;
use crate::error::{Error, Result, code};
use crate::sql::changes::{aliased, assignments, qualified, unqualify};
use crate::sql::convert::relation_name;
use crate::sql::split::char_position;
use crate::sql::statement::{Merge, MergeAction, MergeWhen, Statement};
use crate::sql::{fold_name, intervals, is_word, windows};

/// What other statements than MERGE begin with behind WITH.
const OTHERS: [&str; 6] = ["select", "insert", "update", "delete", "values", "table"];

impl Reader<'_> {
    /// True if the statement that WITH stands before is MERGE.
    pub(super) fn with_before_merge(&self) -> bool {
        // Few texts have the word, and only those are looked through.
        if !self.sql.to_ascii_lowercase().contains("merge") {
            return false;
        }
        let mut depth = 0_usize;
        let mut ahead = self.ahead().map(|t| &t.token);
        while let Some(token) = ahead.next() {
            match token {
                Token::EOF | Token::SemiColon => return false,
                Token::LParen => depth += 1,
                Token::RParen => depth = depth.saturating_sub(1),
                _ if depth > 0 => {}
                token if is_word(token, "merge") => return ahead.next().is_some_and(|next| is_word(next, "into")),
                token if OTHERS.iter().any(|word| is_word(token, word)) => return false,
                _ => {}
            }
        }
        false
    }

    /// `[WITH ..] MERGE INTO table [[AS] alias] USING source ON condition WHEN ..`. Errors: 42601, 42712, 0A000.
    pub(super) fn merge(&mut self) -> Result<Statement> {
        let with = self.with_of_merge()?;
        self.expect("merge")?;
        self.expect("into")?;
        let name = self.parser.parse_object_name(false).map_err(|e| self.refused(e))?;
        let named = self.eat("as") || self.word(0) != "using" && matches!(self.parser.peek_token_ref().token, Token::Word(_));
        let alias = if named { Some(self.name()?) } else { None };
        self.expect("using")?;
        let mut tables = qualified(&name, alias.as_deref());
        let source = self.parser.parse_table_and_joins().map_err(|e| self.refused(e))?;
        let source = aliased(self.spelled_out(vec![source])?, &mut tables)?.pop().ok_or_else(|| self.unexpected())?;
        self.expect("on")?;
        let on = self.merged_expression(&tables)?;
        let mut merge = Merge { with, table: relation_name(&name)?, alias, source, on, whens: vec![] };
        if alias_of(&merge.source.relation).is_some_and(|of| of == merge.alias()) {
            let message = format!("name \"{}\" specified more than once", merge.alias());
            return Err(Error::new(code::DUPLICATE_ALIAS, message).detail("The name is used both as MERGE target table and data source."));
        }
        while self.eat("when") {
            let when = self.when(merge.alias(), &tables)?;
            if merge.whens.iter().any(|earlier: &MergeWhen| earlier.matched == when.matched && earlier.condition.is_none()) {
                return Err(Error::syntax("unreachable WHEN clause specified after unconditional WHEN clause"));
            }
            merge.whens.push(when);
        }
        if merge.whens.is_empty() { Err(self.unexpected()) } else { Ok(Statement::Merge(Box::new(merge))) }
    }

    fn with_of_merge(&mut self) -> Result<Option<ast::With>> {
        if !self.eat("with") {
            return Ok(None);
        }
        let recursive = self.eat("recursive");
        let cte_tables = self.parser.parse_comma_separated(Parser::parse_cte).map_err(|e| self.refused(e))?;
        let changes = |cte: &ast::Cte| matches!(cte.query.body.as_ref(), SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_));
        if cte_tables.iter().any(changes) {
            return Err(Error::unsupported("a change of data in WITH before MERGE is not supported")
                .hint("Write both as statements of one transaction."));
        }
        self.spelled_out(ast::With { with_token: AttachedToken::empty(), recursive, cte_tables }).map(Some)
    }

    /// `[NOT] MATCHED [AND condition] THEN ..`, behind WHEN.
    fn when(&mut self, target: &str, tables: &[String]) -> Result<MergeWhen> {
        let matched = !self.eat("not");
        self.expect("matched")?;
        let condition = if self.eat("and") { Some(self.merged_expression(tables)?) } else { None };
        self.expect("then")?;
        let mut then = match () {
            () if self.eat_words(&["do", "nothing"]) => MergeAction::Nothing,
            () if matched && self.eat("delete") => MergeAction::Delete,
            () if matched && self.eat("update") => {
                self.expect("set")?;
                let set = self.parser.parse_comma_separated(Parser::parse_assignment).map_err(|e| self.refused(e))?;
                MergeAction::Update(assignments(set, target, tables)?)
            }
            () if !matched && self.eat("insert") => self.insert_of_merge()?,
            () => return Err(self.unexpected()),
        };
        for value in then.values_mut() {
            intervals::expand(self.sql, value)?;
            windows::expand(self.sql, value)?;
            unqualify(value, tables);
        }
        if !matched {
            then.values().into_iter().chain(&condition).try_for_each(|expr| self.refuse_target(expr, target))?;
        }
        Ok(MergeWhen { matched, condition, then })
    }

    /// `[(column, ..)] {VALUES (value, ..) | DEFAULT VALUES}`, behind INSERT.
    fn insert_of_merge(&mut self) -> Result<MergeAction> {
        let columns = self.names_in_parentheses()?;
        if columns.is_empty() && self.eat_words(&["default", "values"]) {
            return Ok(MergeAction::Insert { columns, values: vec![] });
        }
        if self.word(0) == "overriding" {
            return Err(Error::unsupported("OVERRIDING is not supported in MERGE")
                .hint("Leave the column out, or define it as GENERATED BY DEFAULT."));
        }
        self.expect("values")?;
        if !self.parser.consume_token(&Token::LParen) {
            return Err(self.unexpected());
        }
        let values = self.parser.parse_comma_separated(Parser::parse_expr).map_err(|e| self.refused(e))?;
        self.close()?;
        Ok(MergeAction::Insert { columns, values })
    }

    fn merged_expression(&mut self, tables: &[String]) -> Result<Expr> {
        let expr = self.parser.parse_expr().map_err(|e| self.refused(e))?;
        let mut expr = self.spelled_out(expr)?;
        unqualify(&mut expr, tables);
        Ok(expr)
    }

    fn spelled_out<T: VisitMut>(&self, mut part: T) -> Result<T> {
        intervals::expand(self.sql, &mut part)?;
        windows::expand(self.sql, &mut part)?;
        Ok(part)
    }

    /// Errors: 42P01 for an expression about rows of the source only that names the table.
    fn refuse_target(&self, expr: &Expr, target: &str) -> Result<()> {
        let named = ast::visit_expressions(expr, |e| match e {
            Expr::CompoundIdentifier(parts) if parts.len() > 1 && fold_name(&parts[parts.len() - 2]) == target => {
                ControlFlow::Break(parts[0].span.start)
            }
            _ => ControlFlow::Continue(()),
        });
        match named {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(at) => {
                let error = Error::new(code::UNDEFINED_TABLE, format!("invalid reference to FROM-clause entry for table \"{target}\""));
                Err(error
                    .at(char_position(self.sql, at))
                    .hint(format!("There is an entry for table \"{target}\", but it cannot be referenced from this part of the query.")))
            }
        }
    }
}

fn alias_of(factor: &ast::TableFactor) -> Option<String> {
    use ast::TableFactor as F;
    match factor {
        F::Table { alias, .. } | F::Derived { alias, .. } | F::Function { alias, .. } => alias.as_ref().map(|a| fold_name(&a.name)),
        _ => None,
    }
}
