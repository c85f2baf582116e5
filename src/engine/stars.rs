//! `*` in the query of a view. The catalog keeps the columns that it means, as PostgreSQL does, so that the view stays what it is when what
//! it reads gets further columns. Where the columns' names alone do not say the same (an old name may be ambiguous), `*` stays.

use super::dml::parsed_query;
use super::query::Planned;
use super::session::Session;
use crate::data::quoting::ident;
use crate::error::Result;
use crate::sql::stars::{Star, replaced, stars};

impl Session {
    /// A view's query, as the catalog keeps it, without `*`. `planned`: the same query.
    pub(super) async fn spelled_out(&self, sql: String, planned: &Planned) -> Result<String> {
        let mut edits = Vec::new();
        for star in stars(&sql)? {
            edits.extend(self.columns_of(&star).await?.map(|columns| (star.place.0, star.place.1, columns)));
        }
        if edits.is_empty() {
            return Ok(sql);
        }
        let spelled = replaced(&sql, edits);
        let again = self.plan_with(self.names_kept(), parsed_query(&spelled)?.as_ref(), &[]).await;
        let told = |p: &Planned| p.columns.iter().map(|c| (c.name.clone(), c.ty.clone())).collect::<Vec<_>>();
        Ok(if again.is_ok_and(|again| told(&again) == told(planned)) { spelled } else { sql })
    }

    /// The names of the columns that it means, as a list of SELECT; `None` if that cannot be said.
    async fn columns_of(&self, star: &Star) -> Result<Option<String>> {
        let Ok(query) = parsed_query(&star.alone) else { return Ok(None) };
        let Ok(planned) = self.plan_with(self.names_kept(), &query, &[]).await else { return Ok(None) };
        let of = star.of.as_ref().map(|of| format!("{of}.")).unwrap_or_default();
        let names: Vec<String> = planned.columns.iter().map(|c| format!("{of}{}", ident(&c.name))).collect();
        Ok((!names.is_empty()).then(|| names.join(", ")))
    }
}
