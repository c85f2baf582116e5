//! ASSERT, for scripts that check themselves.
//!
//! `ASSERT VALUES` over a stream looks for its next event after those that the session has asserted before, over a table for the row of
//! that key as it is now.

use super::alter::ksql_of;
use crate::catalog::{Ksql, plain_name};
use crate::engine::session::{Response, Session};
use crate::error::{Error, Result, code};
use crate::func::ksql::Value;
use crate::plan::ksql::expr::resolve_type;
use crate::plan::ksql::expr::{Scope, compile_as};
use crate::sql::ksql::ast::{Assert, Expr, ExprKind, Item, Kind, Query, Source};

/// The error of an assertion that does not hold.
const ASSERT_FAILURE: &str = code::ASSERT_FAILURE;

impl Session {
    pub(super) async fn ksql_assert(&mut self, assert: &Assert) -> Result<Response> {
        match assert {
            Assert::Values { name, columns, values, null } => self.assert_values(name, columns, values, *null).await?,
            Assert::Relation { kind, name, columns, .. } => self.assert_relation(*kind, name, columns)?,
            Assert::Topic { name, exists, .. } => {
                let there = self.engine.catalog().ksql_relations().any(|(_, k)| k.topic == *name);
                if there != *exists {
                    let what = if there { "exists" } else { "does not exist" };
                    return Err(Error::new(ASSERT_FAILURE, format!("topic \"{name}\" {what}")));
                }
            }
        }
        Ok(Response::Done("ASSERT".into()))
    }

    async fn assert_values(&mut self, name: &str, columns: &[String], values: &[Expr], null: bool) -> Result<()> {
        let relation = self.engine.catalog().get_public(&plain_name(name))?.clone();
        let ksql = relation
            .ksql
            .as_deref()
            .ok_or_else(|| Error::new(code::WRONG_OBJECT_TYPE, format!("\"{name}\" was not made in ksqlDB's dialect")))?;
        let columns: Vec<String> = match columns {
            [] => ksql.columns.iter().filter(|c| !null || c.key).map(|c| c.name.clone()).collect(),
            given => given.to_vec(),
        };
        if columns.len() != values.len() {
            return Err(Error::new(code::DATATYPE_MISMATCH, "ASSERT has another number of values than of columns"));
        }
        let wanted = self.asserted(ksql, &columns, values)?;
        let item = |name: &String| Item::Expr {
            expr: Expr { kind: ExprKind::Column { source: None, name: name.clone() }, at: 0 },
            alias: Some(format!("_{name}")),
        };
        let query = Query {
            items: columns.iter().map(item).collect(),
            from: Source { name: name.to_string(), alias: None, at: 0 },
            joins: vec![],
            window: None,
            condition: None,
            group_by: None,
            partition_by: None,
            having: None,
            emit: None,
            limit: None,
            at: 0,
        };
        let rows = self.pull_rows(&query).await?;
        let is_key = |name: &String| ksql.columns.iter().any(|c| (c.key || c.bound) && c.name == *name);
        let holds = if ksql.table {
            let of_key = |row: &Vec<Value>| columns.iter().zip(row).zip(&wanted).filter(|((c, _), _)| is_key(c)).all(|((_, v), w)| v == w);
            let mut found = rows.iter().filter(|row| of_key(row));
            if null { found.next().is_none() } else { found.any(|row| *row == wanted) }
        } else {
            let next = self.ksql.asserted.entry(relation.id).or_default();
            let row = rows.get(*next);
            *next += 1;
            row.is_some_and(|row| *row == wanted)
        };
        if holds {
            return Ok(());
        }
        let shown: Vec<String> = wanted.iter().map(crate::func::ksql::show::show).collect();
        let what = if null { "a row that should be gone" } else { "no such row" };
        Err(Error::new(ASSERT_FAILURE, format!("{} \"{name}\" has {what}: ({})", relation.kind.word(), shown.join(", "))))
    }

    fn asserted(&self, ksql: &Ksql, columns: &[String], values: &[Expr]) -> Result<Vec<Value>> {
        let catalog = self.engine.catalog();
        let none =
            |_: Option<&str>, name: &str| Err(Error::new(code::UNDEFINED_COLUMN, format!("column \"{name}\" cannot be named in VALUES")));
        let scope = Scope { column: &none, custom: &|name| catalog.named_type(name).cloned() };
        let mut wanted = Vec::with_capacity(values.len());
        for (name, value) in columns.iter().zip(values) {
            let found = ksql.columns.iter().find(|c| c.name == *name).map(|c| c.ty.clone());
            let ty = match name.as_str() {
                _ if found.is_some() => found.unwrap_or(crate::func::ksql::Type::Null),
                "ROWTIME" | "WINDOWSTART" | "WINDOWEND" => crate::func::ksql::Type::Bigint,
                other => return Err(Error::new(code::UNDEFINED_COLUMN, format!("column \"{other}\" does not exist"))),
            };
            wanted.push(compile_as(value, &scope, &ty)?.code.eval(&[])?);
        }
        Ok(wanted)
    }

    fn assert_relation(&self, kind: Kind, name: &str, columns: &[crate::sql::ksql::ast::ColumnDef]) -> Result<()> {
        let catalog = self.engine.catalog();
        let relation = catalog.get_public(&plain_name(name))?;
        let ksql = ksql_of(relation, kind)?;
        if columns.is_empty() {
            return Ok(());
        }
        let mut expected = Vec::with_capacity(columns.len());
        for column in columns {
            let ty = resolve_type(&column.ty, &|name| catalog.named_type(name).cloned())?;
            let key = !matches!(column.role, crate::sql::ksql::ast::ColumnRole::Value);
            expected.push((column.name.clone(), ty, key));
        }
        let mut actual: Vec<_> = ksql.columns.iter().filter(|c| !c.bound).map(|c| (c.name.clone(), c.ty.clone(), c.key)).collect();
        let order = |a: &(String, crate::func::ksql::Type, bool)| !a.2;
        expected.sort_by_key(order);
        actual.sort_by_key(order);
        if expected == actual {
            return Ok(());
        }
        let list = |columns: &[(String, crate::func::ksql::Type, bool)]| {
            columns.iter().map(|(n, t, k)| format!("{n} {t}{}", if *k { " KEY" } else { "" })).collect::<Vec<_>>().join(", ")
        };
        Err(Error::new(ASSERT_FAILURE, format!("\"{name}\" has other columns")).detail(format!("It has {}.", list(&actual))))
    }
}
