//! CREATE TABLE .. AS: a table without a key that holds the rows that a query has now. The table and its rows are committed as one.

use std::sync::Arc;

use sqlparser::ast;

use super::columns::cast_columns;
use super::{declared, scalars};
use crate::catalog::{Change, Column, Relation, RelationKind, TEMPORARY_NAMESPACE};
use crate::engine::ddl::table_node;
use crate::engine::session::{Parameters, Prepared, Session};
use crate::error::{Error, Result, code};
use crate::sql::convert::check_columns;
use crate::sql::statement::NewTable;

impl Session {
    /// Runs CREATE TABLE .. AS in the transaction that is open, and answers its tag. Errors: 42P07, 42601 for too many names.
    pub(in crate::engine) async fn create_table_as(
        &mut self,
        prepared: &Prepared,
        parameters: &Parameters,
        new: &NewTable,
        names: &[String],
        query: &ast::Query,
        data: bool,
    ) -> Result<String> {
        let done = "CREATE TABLE AS".to_string();
        new.told.iter().for_each(|text| self.notice("NOTICE", Error::new(code::SUCCESS, text.clone())));
        let name = &new.name.name;
        let exists = match new.temporary {
            Some(_) => {
                self.temporary_place(&new.name)?;
                self.exists_temporary(name, new.if_not_exists)
            }
            None => {
                let namespace = self.scope().place_of(&new.name)?.id;
                self.may_create_in(namespace)?;
                self.exists(namespace, name, new.if_not_exists)?
            }
        };
        if exists {
            return Ok(done);
        }
        let planned = self.plan_query(query, &declared(prepared)).await?;
        if names.len() > planned.columns.len() {
            return Err(Error::syntax("too many column names were specified"));
        }
        let column = |(i, column): (usize, &crate::engine::session::Column)| {
            let made = Column::new(names.get(i).unwrap_or(&column.name).clone(), column.ty.of_new_column());
            Column { precision: column.precision, ..made }
        };
        let columns: Vec<Column> = planned.columns.iter().enumerate().map(column).collect();
        check_columns(&columns)?;
        let wanted: Vec<&Column> = columns.iter().collect();
        let planned = cast_columns(planned, &wanted)?;
        let values = scalars(&planned.parameters, parameters, self.settings.reading())?;
        let rows = if data { self.collect(&planned, values).await? } else { vec![] };
        let mut namespace = TEMPORARY_NAMESPACE;
        if new.temporary.is_none() {
            self.define().await?;
            namespace = self.scope().place_of(&new.name)?.id;
            if self.exists(namespace, name, new.if_not_exists)? {
                return Ok(done);
            }
        }
        let made = Relation::new(self.engine.new_id(), name.clone(), RelationKind::Table, columns, prepared.text.trim().to_string());
        let relation = Relation { namespace, owner: self.role(), ..made };
        match new.temporary {
            Some(on_commit) => self.create_temporary(relation.clone(), on_commit)?,
            None => {
                let node = table_node(&Arc::new(relation.clone()))?;
                self.stage(Change::Create(relation.clone()), vec![node])?;
                self.notice(
                    "NOTICE",
                    Error::new(code::SUCCESS, format!("table \"{name}\" holds the rows as of now"))
                        .hint("CREATE MATERIALIZED VIEW makes a view that follows what its query reads."),
                );
            }
        }
        let mut count = 0;
        let mut batches = Vec::with_capacity(rows.len());
        for batch in rows {
            count += batch.num_rows();
            batches.push(arrow::array::RecordBatch::try_new(relation.schema(), batch.columns().to_vec())?);
        }
        self.append_rows(&std::sync::Arc::new(relation), batches, true).await?;
        Ok(if data { format!("SELECT {count}") } else { done })
    }
}
