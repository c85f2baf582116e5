//! Values that a statement does not give: DEFAULT, sequences, identity, generated columns.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, new_null_array};
use arrow::compute::concat;
use datafusion::common::ScalarValue;
use sqlparser::ast::{self, Expr, SetExpr};

use super::columns::{all_not_null, at_precision, cast_columns, not_null, target_columns};
use super::parsed_query;
use super::values::is_default;
use crate::catalog::{Catalog, Column, Identity, Relation, TriggerEvent};
use crate::data::decode::parse_text_as;
use crate::engine::generated::is_generated;
use crate::engine::sequence::IDENTITY;
use crate::engine::session::Session;
use crate::engine::triggers::{Happening, Rows};
use crate::error::{Error, Result};
use crate::sql::Statement;
use crate::sql::statement::Overriding;

impl Session {
    /// Puts the columns' defaults where VALUES says DEFAULT. Errors: 428C9 for another value of a column that is always generated.
    pub(in crate::engine) fn fill_defaults(&self, statement: &mut Statement) -> Result<()> {
        if let Statement::WithChanges { changes, then } = statement {
            changes.iter_mut().try_for_each(|change| self.fill_defaults(&mut change.statement))?;
            return self.fill_defaults(then);
        }
        let Statement::Insert { table, columns, overriding, source, .. } = statement else { return Ok(()) };
        let Ok(relation) = self.written_on(table, TriggerEvent::Insert) else { return Ok(()) };
        let overriding = *overriding;
        let refuses =
            |column: &Column| takes_default_only(column) && (column.generated.is_some() || overriding != Some(Overriding::System));
        let replaces = |column: &Column| overriding == Some(Overriding::User) && column.identity.is_some();
        let SetExpr::Values(values) = source.body.as_mut() else {
            let targets = target_columns(&relation, columns)?;
            // A query without a list of columns may give fewer than there are.
            let given = targets.iter().filter(|_| !columns.is_empty());
            let mut given = given.map(|t| &relation.columns[*t]);
            if given.clone().any(replaces) {
                return Err(Error::unsupported("OVERRIDING USER VALUE is not supported for the rows of a query")
                    .hint("Leave the identity column out."));
            }
            return given.find(|c| refuses(c)).map_or(Ok(()), |c| Err(generated_always(c)));
        };
        let plain = |column: &Column| !refuses(column) && !replaces(column);
        if !values.rows.iter().any(|row| row.content.iter().any(is_default)) && relation.columns.iter().all(plain) {
            return Ok(());
        }
        let targets = target_columns(&relation, columns)?;
        for row in &mut values.rows {
            for (value, target) in row.content.iter_mut().zip(&targets) {
                let column = &relation.columns[*target];
                match is_default(value) || replaces(column) {
                    true => *value = self.default_expression(&relation, column)?,
                    false if refuses(column) => return Err(generated_always(column)),
                    false => {}
                }
            }
        }
        Ok(())
    }

    /// What a column gets where nothing is said about it: one that is generated, NULL until it is computed.
    pub(super) fn default_expression(&self, relation: &Relation, column: &Column) -> Result<Expr> {
        if column.generated.is_some() {
            return Ok(Expr::Value(ast::Value::Null.with_empty_span()));
        }
        let (sequence, catalog) = (self.sequence_of_column(relation, column), self.catalog());
        let text = match (&sequence, catalog.default_of(column)) {
            (Some(sequence), _) if column.identity.is_some() => format!("{IDENTITY}({})", sequence.id),
            (Some(sequence), _) => format!("nextval({})", sequence.id),
            (None, Some(default)) => self.whole_expression(default)?,
            (None, None) => return Ok(Expr::Value(ast::Value::Null.with_empty_span())),
        };
        match *parsed_query(&format!("SELECT {text}"))?.body {
            SetExpr::Select(mut select) => match select.projection.pop() {
                Some(ast::SelectItem::UnnamedExpr(expr)) => Ok(expr),
                _ => Err(Error::internal("a default is an expression")),
            },
            _ => Err(Error::internal("a default is an expression")),
        }
    }

    /// All columns of the rows that an INSERT adds, from those given, as its triggers make them. Errors: 23502 for a null where none may be,
    /// those of triggers.
    pub(super) async fn proposed(
        &mut self,
        relation: &Arc<Relation>,
        targets: &[usize],
        given: Vec<ArrayRef>,
        rows: usize,
    ) -> Result<RecordBatch> {
        if relation.triggers.is_empty() {
            return self.complete(relation, targets, given, rows).await;
        }
        let columns = self.with_defaults(relation, targets, given, rows).await?;
        self.passed_rows(relation, RecordBatch::try_new(relation.nullable().schema(), columns)?).await
    }

    /// All columns of the relation from those given; the others get their defaults, and then those that are generated are computed. Errors:
    /// 23502 for a null where none may be.
    pub(in crate::engine) async fn complete(
        &self,
        relation: &Arc<Relation>,
        targets: &[usize],
        given: Vec<ArrayRef>,
        rows: usize,
    ) -> Result<RecordBatch> {
        let columns = self.with_defaults(relation, targets, given, rows).await?;
        self.with_computed(relation, columns).await
    }

    /// Rows that are to be added, any of whose columns may be NULL, as triggers make them and with generated columns computed. Errors: as
    /// [`Session::proposed`].
    pub(in crate::engine) async fn passed_rows(&mut self, relation: &Arc<Relation>, rows: RecordBatch) -> Result<RecordBatch> {
        let passed = self.before_rows(&Happening::insert(relation), Rows { old: None, new: Some(&rows) }).await?;
        let rows = match passed {
            Some(passed) => passed.rows(&rows)?,
            None => rows,
        };
        self.with_computed(relation, rows.columns().to_vec()).await
    }

    /// Rows of all columns with those that are generated computed.
    async fn with_computed(&self, relation: &Arc<Relation>, columns: Vec<ArrayRef>) -> Result<RecordBatch> {
        match self.generators(relation).await? {
            Some(generators) => {
                let rows = RecordBatch::try_new(relation.nullable().schema(), columns)?;
                let rows = self.filled(Some(&generators), rows).await?;
                all_not_null(relation, &rows)?;
                Ok(RecordBatch::try_new(relation.schema(), rows.columns().to_vec())?)
            }
            None => {
                columns.iter().enumerate().try_for_each(|(i, values)| not_null(relation, i, values))?;
                Ok(RecordBatch::try_new(relation.schema(), columns)?)
            }
        }
    }

    /// All columns of the relation from those given, NULL in those that are generated; the others get their defaults.
    async fn with_defaults(&self, relation: &Arc<Relation>, targets: &[usize], given: Vec<ArrayRef>, rows: usize) -> Result<Vec<ArrayRef>> {
        let schema = relation.schema();
        let mut columns: Vec<Option<ArrayRef>> = vec![None; relation.columns.len()];
        for (target, array) in targets.iter().zip(given) {
            columns[*target] = Some(array);
        }
        let mut all = Vec::with_capacity(columns.len());
        for (i, column) in columns.into_iter().enumerate() {
            let default = match column {
                _ if relation.columns[i].generated.is_some() => None,
                Some(array) => Some(array),
                None => self.default_values(relation, &relation.columns[i], rows).await?,
            };
            all.push(default.unwrap_or_else(|| new_null_array(schema.field(i).data_type(), rows)));
        }
        Ok(all)
    }

    /// What `rows` rows get in a column that is not given: each its own, where the default is another one each time. `None` for NULL.
    async fn default_values(&self, relation: &Relation, column: &Column, rows: usize) -> Result<Option<ArrayRef>> {
        if let Some(sequence) = self.sequence_of_column(relation, column) {
            return self.draw(&sequence, column, rows).await.map(Some);
        }
        let catalog = self.catalog();
        let Some(default) = catalog.default_of(column) else { return Ok(None) };
        if let Some(value) = self.known_literal(relation, column, default)? {
            return at_precision(column, value.to_array_of_size(rows)?).map(Some);
        }
        if rows > 0
            && let Some(values) = self.known_default(relation, column, default, rows).await?
        {
            return Ok(Some(values));
        }
        let query = parsed_query(&format!("SELECT {} FROM generate_series(1, {rows})", self.whole_expression(default)?))?;
        let planned = cast_columns(self.plan_query(&query, &[]).await?, &[column])?;
        let batches = self.collect(&planned, vec![]).await?;
        let parts: Vec<&dyn arrow::array::Array> = batches.iter().map(|b| b.column(0).as_ref()).collect();
        if parts.iter().map(|p| p.len()).sum::<usize>() != rows {
            return Err(Error::internal("a default has one value for each row"));
        }
        Ok(if rows == 0 { None } else { Some(concat(&parts)?) })
    }

    /// The value of a default that is a literal, which needs no planning.
    pub(super) fn literal_default(&self, column: &Column, default: &str) -> Result<Option<ScalarValue>> {
        let query = parsed_query(&format!("SELECT {default}"))?;
        let SetExpr::Select(select) = query.body.as_ref() else { return Ok(None) };
        let [ast::SelectItem::UnnamedExpr(value)] = select.projection.as_slice() else { return Ok(None) };
        let text = crate::sql::convert::literal(value).flatten();
        Ok(text.and_then(|text| parse_text_as(&column.ty, &text, self.settings.reading()).ok()))
    }

    /// Makes a DEFAULT what the catalog keeps of it. It must be an expression of the column's type over nothing. It is not evaluated: it may
    /// take a number from a sequence.
    pub(in crate::engine) async fn keep_default(&self, column: &mut Column) -> Result<()> {
        let Some(default) = column.default.clone() else { return Ok(()) };
        let query = parsed_query(&format!("SELECT {default}"))?;
        let planned = cast_columns(self.plan_query(&query, &[]).await?, &[&*column])?;
        let kept = self.kept_expression(&default)?;
        column.default = Some(match is_literal(&query) {
            true => self.settled_literal(&kept, &column.ty)?,
            false => self.settled_expression(&kept, &planned.plan)?,
        });
        // A constant that is no value of the type is found now, and not by the first INSERT.
        if !default.contains('(') {
            self.collect(&planned, vec![]).await?;
        }
        Ok(())
    }
}

/// True for a query of one literal.
fn is_literal(query: &ast::Query) -> bool {
    let SetExpr::Select(select) = query.body.as_ref() else { return false };
    matches!(select.projection.as_slice(), [ast::SelectItem::UnnamedExpr(ast::Expr::Value(_))])
}

/// True for a column that takes no value but DEFAULT.
pub(super) fn takes_default_only(column: &Column) -> bool {
    column.generated.is_some() || column.identity == Some(Identity::Always)
}

/// The error of another value for it.
pub(super) fn generated_always(column: &Column) -> Error {
    let error = Error::new("428C9", format!("cannot insert a non-DEFAULT value into column \"{}\"", column.name));
    let error = error.detail(why_default_only(column));
    if column.generated.is_some() { error } else { error.hint("Use OVERRIDING SYSTEM VALUE to override.") }
}

/// The same where it is set.
pub(super) fn updated_always(column: &Column) -> Error {
    Error::new("428C9", format!("column \"{}\" can only be updated to DEFAULT", column.name)).detail(why_default_only(column))
}

fn why_default_only(column: &Column) -> String {
    if column.generated.is_some() {
        return is_generated(column);
    }
    format!("Column \"{}\" is an identity column defined as GENERATED ALWAYS.", column.name)
}

/// The constant that a default is for all rows of a COPY. Errors: 0A000 for one that is another each time.
pub(in crate::engine) fn refuse_volatile(catalog: &Catalog, column: &Column) -> Result<()> {
    const VOLATILE: [&str; 4] = ["random", "uuid", "nextval", "clock_timestamp"];
    let text = catalog.default_of(column).unwrap_or_default().to_lowercase();
    if VOLATILE.iter().any(|word| text.contains(word)) {
        return Err(Error::unsupported(format!("COPY cannot compute the default of column \"{}\" for each row", column.name))
            .hint("Copy the column too, or use INSERT."));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::refuse_volatile;
    use crate::catalog::{Catalog, Column};
    use crate::data::PgType;

    #[test]
    fn a_default_that_is_another_each_time_is_not_copied() {
        let column = |default: &str| Column { default: Some(default.into()), ..Column::new("a".into(), PgType::Text) };
        assert!(refuse_volatile(&Catalog::default(), &column("gen_random_uuid()")).is_err());
        assert!(refuse_volatile(&Catalog::default(), &column("now()")).is_ok());
    }
}
