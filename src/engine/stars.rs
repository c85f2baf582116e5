//! `*` in the query of a view. The catalog keeps the columns that it means, as PostgreSQL does, so that the view stays what it is when what
//! it reads gets further columns. Where the columns' names alone do not say the same (an old name may be ambiguous), `*` stays.

use datafusion::common::TableReference;

use super::dml::parsed_query;
use super::session::{Column, Session};
use crate::data::PgType;
use crate::data::quoting::ident;
use crate::error::Result;
use crate::sql::edits::replaced;
use crate::sql::stars::{Star, stars};

impl Session {
    /// A query, as the catalog keeps it, without `*`. `types[i]` is the type of its parameter i+1.
    pub(super) async fn spelled_out(&self, sql: String, types: &[Option<PgType>]) -> Result<String> {
        let mut edits = Vec::new();
        for star in stars(&sql)? {
            edits.extend(self.columns_of(&star, types).await?.map(|columns| (star.place.0, star.place.1, columns)));
        }
        if edits.is_empty() {
            return Ok(sql);
        }
        let spelled = replaced(&sql, edits);
        let Ok(query) = parsed_query(&spelled) else { return Ok(sql) };
        let again = self.plan_with(self.names_kept(), &query, types).await;
        let written = self.plan_with(self.names_kept(), parsed_query(&sql)?.as_ref(), types).await?;
        Ok(if again.is_ok_and(|again| again.says_the_same(&written)) { spelled } else { sql })
    }

    /// The names of the columns that it means, as a list of SELECT; `None` if that cannot be said.
    async fn columns_of(&self, star: &Star, types: &[Option<PgType>]) -> Result<Option<String>> {
        let Ok(query) = parsed_query(&star.alone) else { return Ok(None) };
        let Ok(planned) = self.plan_with(self.names_kept(), &query, types).await else { return Ok(None) };
        let of = star.of.as_ref().map(|of| format!("{of}.")).unwrap_or_default();
        let tables = planned.plan.schema().iter().map(|(table, _)| table.filter(|_| star.several));
        let named = |(table, column): (Option<&TableReference>, &Column)| match table {
            Some(table) => format!("{}.{}", ident(table.table()), ident(&column.name)),
            None => format!("{of}{}", ident(&column.name)),
        };
        let names: Vec<String> = tables.zip(planned.columns.iter()).map(named).collect();
        Ok((!names.is_empty()).then(|| names.join(", ")))
    }
}
