//! SELECT of ksqlDB's dialect.

use super::ast::{Emit, Expr, Item, Join, JoinKind, Query, Source};
use super::parse::Parser;
use crate::error::Result;

impl Parser<'_> {
    pub(super) fn query(&mut self) -> Result<Query> {
        let at = self.place();
        self.expect(&["SELECT"])?;
        let items = self.list(Self::item)?;
        self.expect(&["FROM"])?;
        let from = self.source()?;
        let mut joins = Vec::new();
        while let Some(join) = self.join()? {
            joins.push(join);
        }
        let window = if self.eat(&["WINDOW"]) { Some(self.window()?) } else { None };
        let condition = if self.eat(&["WHERE"]) { Some(self.whole()?) } else { None };
        let group_by = if self.eat(&["GROUP", "BY"]) { Some(self.keys()?) } else { None };
        let partition_by = if self.eat(&["PARTITION", "BY"]) { Some(self.keys()?) } else { None };
        let having = if self.eat(&["HAVING"]) { Some(self.whole()?) } else { None };
        let emit = match self.eat(&["EMIT"]) {
            true if self.eat(&["FINAL"]) => Some(Emit::Final),
            true => {
                self.expect(&["CHANGES"])?;
                Some(Emit::Changes)
            }
            false => None,
        };
        let limit = if self.eat(&["LIMIT"]) { Some(self.count()?) } else { None };
        Ok(Query { items, from, joins, window, condition, group_by, partition_by, having, emit, limit, at })
    }

    fn item(&mut self) -> Result<Item> {
        let (first, at) = (self.next, self.place());
        if self.eat_sign("*") {
            return Ok(Item::All { source: None, at });
        }
        if self.names(0) && self.sign(1) == "." && self.sign(2) == "*" {
            let source = Some(self.name()?);
            self.skip(2);
            return Ok(Item::All { source, at });
        }
        let expr = self.whole()?;
        if self.sign(0) == "->" {
            // The fields of a part of the expression cannot be meant.
            if self.fields_of != Some(first) || self.sign(1) != "*" {
                return Err(self.unexpected());
            }
            self.skip(2);
            return Ok(Item::Fields(expr));
        }
        let alias = self.alias()?;
        Ok(Item::Expr { expr, alias })
    }

    fn source(&mut self) -> Result<Source> {
        let at = self.place();
        let name = self.name()?;
        let alias = self.alias()?;
        Ok(Source { name, alias, at })
    }

    /// `[AS] name`, or nothing: without AS the words that begin a clause are no alias.
    fn alias(&mut self) -> Result<Option<String>> {
        if self.eat(&["AS"]) {
            return self.name().map(Some);
        }
        let clause = match self.word(0) {
            "WINDOW" => true,
            "EMIT" => matches!(self.word(1), "CHANGES" | "FINAL"),
            "PARTITION" => self.word(1) == "BY",
            _ => false,
        };
        if clause || !self.names(0) { Ok(None) } else { self.name().map(Some) }
    }

    fn join(&mut self) -> Result<Option<Join>> {
        let at = self.place();
        let kind = match self.word(0) {
            "JOIN" => JoinKind::Inner,
            "INNER" => {
                self.skip(1);
                JoinKind::Inner
            }
            word @ ("LEFT" | "RIGHT" | "FULL") => {
                let kind = match word {
                    "LEFT" => JoinKind::Left,
                    "RIGHT" => JoinKind::Right,
                    _ => JoinKind::Full,
                };
                self.skip(1);
                self.eat(&["OUTER"]);
                kind
            }
            _ => return Ok(None),
        };
        self.expect(&["JOIN"])?;
        let source = self.source()?;
        let within = if self.eat(&["WITHIN"]) { Some(self.within()?) } else { None };
        self.expect(&["ON"])?;
        let on = self.whole()?;
        Ok(Some(Join { kind, source, within, on, at }))
    }

    /// Expressions with commas between; parentheses around all of them say nothing.
    fn keys(&mut self) -> Result<Vec<Expr>> {
        if self.parentheses_end_clause() { self.values() } else { self.list(Self::whole) }
    }

    /// True if a parenthesis opens here and the clause ends behind the one that closes it.
    fn parentheses_end_clause(&self) -> bool {
        let (mut n, mut open) = (0, 0_usize);
        loop {
            match self.sign(n) {
                "(" => open += 1,
                ")" => open = open.saturating_sub(1),
                _ => {}
            }
            if open == 0 || self.peek(n).is_none() {
                break;
            }
            n += 1;
        }
        let behind = n + 1;
        n > 0
            && (self.peek(behind).is_none()
                || self.sign(behind) == ";"
                || matches!(self.word(behind), "PARTITION" | "HAVING" | "EMIT" | "LIMIT"))
    }
}
