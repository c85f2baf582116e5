//! CREATE INDEX and ALTER INDEX. What the definition of an index cannot say is refused.

use sqlparser::ast::{self, Expr};

use super::Reader;
use crate::catalog::{Index, IndexKey, Indexed};
use crate::data::PgType;
use crate::error::{Error, Result};
use crate::sql::convert::{checked_name, last_name, relation_name};
use crate::sql::fold_name;
use crate::sql::statement::Statement;

impl Reader<'_> {
    pub(super) fn create_index(&mut self) -> Result<Statement> {
        let index = match self.parser.parse_statement().map_err(|e| self.refused(e))? {
            ast::Statement::CreateIndex(index) => index,
            _ => return Err(self.unexpected()),
        };
        self.tablespace()?;
        if let Some(option) =
            index.index_options.iter().map(ToString::to_string).chain(index.alter_options.iter().map(ToString::to_string)).next()
        {
            return Err(Error::unsupported(format!("clause not supported: {option}")).hint("Leave it out."));
        }
        let method = index.using.as_ref().map_or("btree".into(), |using| using.to_string().trim_matches('"').to_lowercase());
        let keys = index.columns.iter().map(key).collect::<Result<Vec<_>>>()?;
        let defined = Index {
            id: 0,
            name: String::new(),
            keys,
            unique: index.unique,
            include: index.include.iter().map(fold_name).collect(),
            nulls_equal: index.nulls_distinct == Some(false),
            method,
            predicate: index.predicate.as_ref().map(ToString::to_string),
            options: index.with.iter().map(option).collect::<Result<_>>()?,
        };
        Ok(Statement::CreateIndex {
            name: index.name.as_ref().map(last_name).transpose()?,
            table: relation_name(&index.table_name)?,
            index: Box::new(defined),
            if_not_exists: index.if_not_exists,
        })
    }

    /// ALTER INDEX .. RENAME TO and ATTACH PARTITION.
    pub(super) fn alter_index(&mut self) -> Result<Statement> {
        self.skip(2);
        let if_exists = self.eat_words(&["if", "exists"]);
        let name = self.relation_name()?;
        if self.eat_words(&["attach", "partition"]) {
            return Ok(Statement::AttachIndex { index: name, part: self.relation_name()? });
        }
        if !self.eat_words(&["rename", "to"]) {
            return Err(Error::unsupported(format!("ALTER INDEX .. {} is not supported", self.rest()))
                .hint("RENAME TO gives it another name; for another definition drop it, and create it again."));
        }
        Ok(Statement::RenameIndex { name, if_exists, to: checked_name(self.name()?)? })
    }
}

fn key(column: &ast::IndexColumn) -> Result<IndexKey> {
    let options = &column.column.options;
    let descending = options.asc == Some(false);
    let (expr, collation) = match &column.column.expr {
        Expr::Collate { expr, collation } => (expr.as_ref(), Some(last_name(collation)?)),
        expr => (expr, None),
    };
    Ok(IndexKey {
        of: indexed(expr),
        collation,
        opclass: column.operator_class.as_ref().map(last_name).transpose()?,
        descending,
        nulls_first: options.nulls_first.unwrap_or(descending),
    })
}

/// The type of an expression is known when the index is made.
fn indexed(expr: &Expr) -> Indexed {
    match expr {
        Expr::Identifier(name) => Indexed::Column(fold_name(name)),
        Expr::Nested(inner) => indexed(inner),
        other => Indexed::Expression { sql: other.to_string(), ty: PgType::Unknown },
    }
}

/// A storage parameter, `name = value` or `name`.
fn option(expr: &Expr) -> Result<(String, String)> {
    match expr {
        Expr::Identifier(name) => Ok((fold_name(name), "true".into())),
        Expr::BinaryOp { left, op: ast::BinaryOperator::Eq, right } if let Expr::Identifier(name) = left.as_ref() => {
            let value = match right.as_ref() {
                Expr::Value(value) => value.to_string(),
                Expr::Identifier(word) => word.value.clone(),
                other => other.to_string(),
            };
            Ok((fold_name(name), value.trim_matches('\'').to_lowercase()))
        }
        other => Err(Error::syntax(format!("not a storage parameter: {other}"))),
    }
}
