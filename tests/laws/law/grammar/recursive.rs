//! Recursive queries: walks along the rows of a relation, a few steps long.

use everfold::data::PgType;
use everfold::error::Result;

use super::{Grammar, Scope};
use crate::laws::law::values::{Class, class, has_equality};

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
        let (carried, names, shown) = match self.carried(&scope, &inside, !steps.is_empty()) {
            // PostgreSQL shows another one of values that are equal and differ.
            Some(carried) => (carried, "x, d, v", if self.taste.portable { "x, d" } else { "x, d, v" }),
            None => ([String::new(), String::new()], "x, d", "x, d"),
        };
        let first = format!("SELECT {start}::bigint, 0{} FROM {first}{filter}", carried[0]);
        let next = format!("SELECT {distinct}{to}::bigint, {next}{} FROM walk JOIN {edges} ON {from} = walk.x{steps}", carried[1]);
        let walk = format!("WITH RECURSIVE walk({names}) AS ({first} {union} {next})");
        Ok(match self.random.below(4) {
            0 => format!("{walk} SELECT x, count(*) AS n, min(d) AS d FROM walk GROUP BY x"),
            1 => format!("{walk} SELECT l.x, r.d FROM walk AS l JOIN walk AS r ON l.x = r.x"),
            _ => format!("{walk} SELECT {shown} FROM walk"),
        })
    }

    /// A value that each step takes along, or finds on its way: what stands behind the lists of both terms. It grows where steps are counted.
    fn carried(&mut self, scope: &Scope, inside: &Scope, is_bounded: bool) -> Option<[String; 2]> {
        let portable = self.taste.portable;
        let is_left_out = |class: Class| matches!(class, Class::Numeric | Class::Int) || class == Class::Float && portable;
        let fits = |ty: &PgType| has_equality(ty) && !is_left_out(class(ty));
        let values: Vec<_> = scope.iter().filter(|c| fits(&c.1)).cloned().collect();
        if values.is_empty() || self.random.chance(40) {
            return None;
        }
        let (value, ty) = self.random.pick(&values).clone();
        let mut next = vec!["walk.v".to_string()];
        next.extend(inside.iter().filter(|c| c.1 == ty).map(|c| c.0.clone()));
        if class(&ty) == Class::Interval && is_bounded {
            next.push("walk.v + interval '1 month'".into());
        }
        Some([format!(", {value}"), format!(", {}", self.random.pick(&next))])
    }
}
