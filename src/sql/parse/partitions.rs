//! PARTITION BY, PARTITION OF, and bounds of partitions.

use sqlparser::ast::Expr;
use sqlparser::tokenizer::Token;

use super::Reader;
use crate::catalog::{Bound, Datum, Indexed, Name, Partitioning, Strategy};
use crate::data::PgType;
use crate::error::{Error, Result, code};
use crate::sql::convert::{is_known_collation, last_name};
use crate::sql::fold_name;
use crate::sql::statement::{Alteration, NewPartition, Statement};

impl Reader<'_> {
    /// `PARTITION BY strategy (key, ..)`, if it stands there.
    pub(super) fn partitioning(&mut self) -> Result<Option<Partitioning>> {
        if !self.eat_words(&["partition", "by"]) {
            return Ok(None);
        }
        let word = self.name()?;
        let strategy = match word.as_str() {
            "range" => Strategy::Range,
            "list" => Strategy::List,
            "hash" => Strategy::Hash,
            _ => return Err(Error::new(code::INVALID_PARAMETER_VALUE, format!("unrecognized partitioning strategy \"{word}\""))),
        };
        let keys = self.within_parentheses(Reader::partition_key)?;
        if strategy == Strategy::List && keys.len() > 1 {
            let message = "cannot use \"list\" partition strategy with more than one column";
            return Err(Error::new(code::INVALID_OBJECT_DEFINITION, message));
        }
        Ok(Some(Partitioning { strategy, keys }))
    }

    fn partition_key(&mut self) -> Result<Indexed> {
        let expr = self.parser.parse_expr().map_err(|e| self.refused(e))?;
        if matches!(self.parser.peek_token_ref().token, Token::Word(_)) {
            let name = self.rest();
            return Err(Error::unsupported(format!("an operator class of a partition key is not supported: {name}")).hint("Leave it out."));
        }
        Ok(match key_of(expr)? {
            Expr::Identifier(name) => Indexed::Column(fold_name(&name)),
            other => Indexed::Expression { sql: other.to_string(), ty: PgType::Unknown },
        })
    }

    /// `OF parent bound [PARTITION BY ..]`, behind `CREATE TABLE name PARTITION`.
    pub(super) fn partition_of(&mut self, name: Name, if_not_exists: bool) -> Result<Statement> {
        self.expect("of")?;
        let parent = self.relation_name()?;
        if self.parser.peek_token_ref().token == Token::LParen {
            return Err(Error::unsupported("columns and constraints of a partition are not supported")
                .hint("A partition has those of the partitioned table: leave the list out."));
        }
        let bound = self.partition_bound()?;
        let partitioning = self.partitioning()?;
        if self.access_method()?.is_some_and(|kind| kind != crate::catalog::RelationKind::Table) {
            return Err(Error::unsupported("a partition is a part of its table, and no stream").hint("Leave USING out."));
        }
        let told = self.storage_parameters()?;
        self.tablespace()?;
        Ok(Statement::CreatePartition(Box::new(NewPartition { name, parent, bound, partitioning, if_not_exists, told })))
    }

    /// `FOR VALUES ..` or `DEFAULT`.
    fn partition_bound(&mut self) -> Result<Bound> {
        if self.eat("default") {
            return Ok(Bound::Default);
        }
        if !self.eat_words(&["for", "values"]) {
            return Err(self.unexpected());
        }
        if self.eat("in") {
            let values =
                self.within_parentheses(|reader| Ok(Some(reader.bound_expr()?).filter(|sql| !sql.eq_ignore_ascii_case("null"))))?;
            return Ok(Bound::List(values));
        }
        if self.eat("with") {
            let options = self.within_parentheses(Reader::hash_option)?;
            let option = |name: &str| options.iter().find(|(of, _)| of == name).map(|(_, value)| *value);
            return match (options.len(), option("modulus"), option("remainder")) {
                (2, Some(modulus), Some(remainder)) => Ok(Bound::Hash { modulus, remainder }),
                _ => Err(Error::syntax("a hash partition is specified by MODULUS and REMAINDER")),
            };
        }
        self.expect("from")?;
        let from = self.within_parentheses(Reader::bound_datum)?;
        self.expect("to")?;
        Ok(Bound::Range { from, to: self.within_parentheses(Reader::bound_datum)? })
    }

    fn hash_option(&mut self) -> Result<(String, u32)> {
        let name = self.name()?;
        let value = match &self.parser.peek_token_ref().token {
            Token::Number(digits, _) => digits.parse().map_err(|_| self.unexpected())?,
            _ => return Err(self.unexpected()),
        };
        self.skip(1);
        Ok((name, value))
    }

    fn bound_datum(&mut self) -> Result<Datum> {
        Ok(match () {
            () if self.eat("minvalue") => Datum::Min,
            () if self.eat("maxvalue") => Datum::Max,
            () => Datum::Value(self.bound_expr()?),
        })
    }

    fn bound_expr(&mut self) -> Result<String> {
        Ok(self.parser.parse_expr().map_err(|e| self.refused(e))?.to_string())
    }

    fn within_parentheses<T>(&mut self, one: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        if !self.parser.consume_token(&Token::LParen) {
            return Err(self.unexpected());
        }
        let all = self.listed(one)?;
        self.close()?;
        Ok(all)
    }

    /// ATTACH PARTITION and DETACH PARTITION of ALTER TABLE.
    pub(super) fn moved_partition(&mut self) -> Result<Option<Alteration>> {
        if self.eat_words(&["attach", "partition"]) {
            let partition = self.relation_name()?;
            return Ok(Some(Alteration::Attach { partition, bound: self.partition_bound()? }));
        }
        if !self.eat_words(&["detach", "partition"]) {
            return Ok(None);
        }
        let partition = self.relation_name()?;
        // It takes one transaction either way, so there is nothing to finalize.
        let _ = self.eat("concurrently") || self.eat("finalize");
        Ok(Some(Alteration::Detach { partition }))
    }
}

/// An expression without parentheses and collation around it. Errors: 0A000 for a collation that there is not.
fn key_of(expr: Expr) -> Result<Expr> {
    match expr {
        Expr::Nested(inner) => key_of(*inner),
        Expr::Collate { expr, collation } if last_name(&collation).is_ok_and(|name| is_known_collation(&name)) => key_of(*expr),
        Expr::Collate { collation, .. } => Err(Error::unsupported(format!("collation {collation} is not supported"))
            .hint("Text is compared by its characters' codes: COLLATE \"C\".")),
        other => Ok(other),
    }
}

#[cfg(test)]
mod tests {
    use crate::catalog::{Bound, Datum};
    use crate::sql::{Statement, parse};

    #[test]
    fn bounds_are_read() {
        let bound = |sql: &str| match parse(&format!("CREATE TABLE p PARTITION OF t {sql}")) {
            Ok(Statement::CreatePartition(new)) => new.bound,
            other => panic!("{other:?}"),
        };
        assert_eq!(bound("DEFAULT"), Bound::Default);
        assert_eq!(bound("FOR VALUES IN ('a', NULL)"), Bound::List(vec![Some("'a'".into()), None]));
        let (from, to) = (vec![Datum::Value("1".into()), Datum::Min], vec![Datum::Max, Datum::Max]);
        assert_eq!(bound("FOR VALUES FROM (1, MINVALUE) TO (MAXVALUE, MAXVALUE)"), Bound::Range { from, to });
        assert_eq!(bound("FOR VALUES WITH (MODULUS 4, REMAINDER 3)"), Bound::Hash { modulus: 4, remainder: 3 });
    }
}
