//! Recursive queries: walks along the rows of a relation, a few steps long.

use everfold::error::Result;

use super::{Grammar, Scope};
use crate::laws::law::values::{Class, class};

impl Grammar<'_> {
    /// Numbers of one relation, those that another leads to from there, and so on.
    pub(super) fn recursive(&mut self, depth: usize) -> Result<String> {
        let (first, scope) = self.from(depth.saturating_sub(1), 1)?;
        let (edges, inside) = self.from(depth.saturating_sub(1), 1)?;
        let integers = |scope: &Scope| scope.iter().filter(|c| class(&c.1) == Class::Int).map(|c| c.0.clone()).collect::<Vec<_>>();
        let (starts, ends) = (integers(&scope), integers(&inside));
        if starts.is_empty() || ends.is_empty() {
            return self.selection(depth);
        }
        let (start, from, to) = (self.random.pick(&starts).clone(), self.random.pick(&ends).clone(), self.random.pick(&ends).clone());
        let filter = self.filter(&scope);
        let union = *self.random.pick(&["UNION", "UNION ALL"]);
        let distinct = if self.random.chance(30) { "DISTINCT " } else { "" };
        let (steps, next) = if self.random.chance(60) || union == "UNION ALL" { (" AND walk.d < 2", "walk.d + 1") } else { ("", "walk.d") };
        let walk =
            format!("SELECT {start}::bigint, 0 FROM {first}{filter} {union} SELECT {distinct}{to}::bigint, {next} FROM walk JOIN {edges}");
        let walk = format!("WITH RECURSIVE walk(x, d) AS ({walk} ON {from} = walk.x{steps})");
        Ok(match self.random.below(4) {
            0 => format!("{walk} SELECT x, count(*) AS n, min(d) AS d FROM walk GROUP BY x"),
            1 => format!("{walk} SELECT l.x, r.d FROM walk AS l JOIN walk AS r ON l.x = r.x"),
            _ => format!("{walk} SELECT x, d FROM walk"),
        })
    }
}
