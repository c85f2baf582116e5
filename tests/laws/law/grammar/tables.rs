//! What stands in FROM beside relations and subqueries: USING and NATURAL, common table expressions, VALUES.

use everfold::data::PgType;
use everfold::error::Result;

use super::{Grammar, Scope};
use crate::laws::law::values::has_equality;

impl Grammar<'_> {
    /// Two relations joined by the names of columns.
    pub(super) fn using(&mut self) -> Result<String> {
        let (left, right) = (self.random.pick(self.sources).clone(), self.random.pick(self.sources).clone());
        let of_right = |name: &String| right.columns.iter().find(|(n, _)| n == name).map(|(_, ty)| ty);
        let both = || left.columns.iter().filter_map(|(name, ty)| of_right(name).map(|other| (name.clone(), ty.clone(), other.clone())));
        let fits = |(_, l, r): &(String, PgType, PgType)| has_equality(l) && l.base() == r.base();
        let shared: Vec<String> = both().filter(fits).map(|(name, ..)| name).collect();
        if shared.is_empty() {
            return self.joined(0);
        }
        let scope: Scope = [("a1", &left), ("a2", &right)]
            .iter()
            .flat_map(|(alias, source)| source.columns.iter().map(move |(name, ty)| (format!("{alias}.{name}"), ty.clone())))
            .collect();
        let kind = *self.random.pick(&["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"]);
        let natural = both().all(|both| fits(&both)) && self.random.chance(50);
        let column = self.random.pick(&shared).clone();
        let (items, filter) = (self.items(&scope, true), self.filter(&scope));
        let (from, to) = (format!("{} AS a1", left.name), format!("{} AS a2", right.name));
        Ok(match natural {
            true => format!("SELECT {column} AS shared, {items} FROM {from} NATURAL {kind} {to}{filter}"),
            false => format!("SELECT {column} AS shared, {items} FROM {from} {kind} {to} USING ({column}){filter}"),
        })
    }

    /// A query over one of WITH, which it may name twice.
    pub(super) fn with_common(&mut self, depth: usize) -> Result<String> {
        let query = self.query(depth.saturating_sub(1))?;
        let columns = self.database.describe(&query)?;
        self.aliases += 2;
        let (l, r) = (format!("a{}", self.aliases - 1), format!("a{}", self.aliases));
        let scope = |alias: &str| columns.iter().map(|c| (format!("{alias}.{}", c.name), c.ty.clone())).collect::<Scope>();
        let (mut left, right) = (scope(&l), scope(&r));
        let mut from = format!("q AS {l}");
        if let Some((a, b)) = if self.random.chance(40) { self.equal_pair(&left, &right) } else { None } {
            from += &format!(" {} q AS {r} ON {a} = {b}", self.random.pick(&["JOIN", "LEFT JOIN"]));
            left.extend(right);
        }
        let how = *self.random.pick(&["", "", "MATERIALIZED ", "NOT MATERIALIZED "]);
        Ok(format!("WITH q AS {how}({query}) SELECT {} FROM {from}{}", self.items(&left, true), self.filter(&left)))
    }

    /// Rows of constants as a relation.
    pub(super) fn values(&mut self, alias: &str) -> (String, Scope) {
        let types = [self.plain_type(), self.plain_type()];
        let rows: Vec<String> = (0..1 + self.random.below(3))
            .map(|row| {
                let cells: Vec<String> = types.iter().map(|ty| self.constant(ty, row > 0)).collect();
                format!("({})", cells.join(", "))
            })
            .collect();
        let scope = types.into_iter().enumerate().map(|(i, ty)| (format!("{alias}.x{i}"), ty)).collect();
        (format!("(VALUES {}) AS {alias}(x0, x1)", rows.join(", ")), scope)
    }

    fn constant(&mut self, ty: &PgType, nullable: bool) -> String {
        if nullable && self.random.chance(20) { "NULL".into() } else { format!("{}::{ty}", self.leaf_of(ty)) }
    }
}
