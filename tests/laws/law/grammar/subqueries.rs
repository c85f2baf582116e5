//! Queries within queries: scalar ones, IN and EXISTS, anywhere; LATERAL; rows from arrays and series.

use everfold::data::PgType;
use everfold::error::Result;

use super::{Grammar, Scope};
use crate::laws::law::values::{Class, class};

impl Grammar<'_> {
    /// A subquery of one value, a number: over all of a relation, or over the rows that meet one of `scope`'s.
    fn scalar(&mut self, scope: &Scope) -> Result<String> {
        let (from, inside) = self.relation(0)?;
        let call = match self.random.below(4) {
            0 => "count(*)".to_string(),
            1 if self.random.chance(30) => format!("coalesce(max({}), -1)", self.expr(&inside, Class::Int, 0)),
            1 => format!("max({})", self.expr(&inside, Class::Int, 0)),
            2 => format!("min({})", self.expr(&inside, Class::Int, 1)),
            _ => format!("sum({})", self.expr(&inside, Class::Int, 0)),
        };
        let meet = if self.random.chance(60) { self.equal_pair(scope, &inside) } else { None };
        let condition = match meet {
            Some((outer, inner)) => format!(" WHERE {inner} = {outer}"),
            None => self.filter(&inside),
        };
        Ok(format!("(SELECT {call} FROM {from}{condition})"))
    }

    /// A test by a subquery.
    fn subquery_test(&mut self, scope: &Scope) -> Result<String> {
        let not = if self.random.chance(40) { "NOT " } else { "" };
        let (from, inside) = self.relation(0)?;
        let pair = self.equal_pair(scope, &inside);
        Ok(match (self.random.below(6), pair) {
            (4, Some((outer, inner))) => {
                let operator = *self.random.pick(&["= ANY", "<> ALL", ">= ALL", "< ANY"]);
                format!("{outer} {operator} (SELECT {inner} FROM {from}{})", self.filter(&inside))
            }
            (5, Some((outer, inner))) => {
                let (left, right) = (self.expr(scope, Class::Int, 0), self.expr(&inside, Class::Int, 0));
                format!("({outer}, {left}) {not}IN (SELECT {inner}, {right} FROM {from}{})", self.filter(&inside))
            }
            (0, Some((outer, inner))) => format!("{outer} {not}IN (SELECT {inner} FROM {from}{})", self.filter(&inside)),
            (1, Some((outer, inner))) => {
                let more = self.filter(&inside).replacen(" WHERE ", " AND ", 1);
                format!("{not}EXISTS (SELECT 1 FROM {from} WHERE {inner} = {outer}{more})")
            }
            (2, _) => format!("{not}EXISTS (SELECT 1 FROM {from}{})", self.filter(&inside)),
            _ => {
                let operator = *self.random.pick(&["=", "<", ">=", "<>"]);
                format!("{} {operator} {}", self.expr(scope, Class::Int, 1), self.scalar(scope)?)
            }
        })
    }

    /// Subqueries in the select list, in WHERE (also under OR), in HAVING.
    pub(super) fn with_subqueries(&mut self, depth: usize) -> Result<String> {
        let (from, scope) = self.from(depth.saturating_sub(1), 1)?;
        let test = self.subquery_test(&scope)?;
        match self.random.below(5) {
            0 => {
                let scalar = self.scalar(&scope)?;
                Ok(format!("SELECT {}, {scalar} AS s FROM {from}{}", self.items(&scope, true), self.filter(&scope)))
            }
            1 => Ok(format!("SELECT {}, ({test}) AS s FROM {from}", self.items(&scope, true))),
            2 => {
                let other = self.expr(&scope, Class::Bool, 1);
                Ok(format!("SELECT {} FROM {from} WHERE ({test} OR {other})", self.items(&scope, true)))
            }
            3 => {
                let (key, call) = (self.key(&scope), self.aggregate(&scope));
                // The row outside is the group, of which the subquery may ask what it is grouped by.
                let group: Scope = scope.iter().filter(|(name, _)| *name == key).cloned().collect();
                let scalar = self.scalar(&group)?;
                let operator = *self.random.pick(&["<=", ">", "<>"]);
                Ok(format!("SELECT {key} AS c0, {call} AS c1 FROM {from} GROUP BY 1 HAVING count(*) {operator} {scalar}"))
            }
            _ => Ok(format!("SELECT {} FROM {from} WHERE {test}", self.items(&scope, true))),
        }
    }

    /// A relation beside the rows that a LATERAL subquery finds for each of its own, or that an array or a series expands to.
    pub(super) fn lateral(&mut self, depth: usize) -> Result<String> {
        let (from, mut scope) = self.from(depth.saturating_sub(1), 1)?;
        let array = scope.iter().find(|(_, ty)| matches!(ty, PgType::Array(_))).cloned();
        if self.random.chance(12) {
            return Ok(self.sets_in_list(&from, &scope, array));
        }
        let kind = *self.random.pick(&["CROSS JOIN", "LEFT JOIN"]);
        let on = if kind == "LEFT JOIN" { " ON true" } else { "" };
        let joined = match (self.random.below(4), array) {
            (0 | 1, Some((array, PgType::Array(item)))) => {
                scope.push(("u.e".into(), *item));
                if self.random.chance(70) {
                    format!("{from} CROSS JOIN unnest({array}) AS u(e)")
                } else {
                    scope.push(("u.o".into(), PgType::Int8));
                    format!("{from} {kind} unnest({array}) WITH ORDINALITY AS u(e, o){on}")
                }
            }
            (1, _) if self.random.chance(50) => {
                let first = self.expr(&scope, Class::Timestamp, 0);
                scope.push(("g.n".into(), PgType::Timestamp));
                format!("{from} CROSS JOIN generate_series({first}, {first} + '1 day'::interval, '8 hours') AS g(n)")
            }
            (0, _) => {
                let last = self.expr(&scope, Class::Int, 0);
                scope.push(("g.n".into(), PgType::Int4));
                format!("{from} CROSS JOIN generate_series(1, {last} % 5) AS g(n)")
            }
            _ => {
                let (inner, inside) = self.relation(0)?;
                let Some((l, r)) = self.equal_pair(&scope, &inside) else { return self.selection(depth) };
                let base = self.base(&inside);
                let select = match self.random.chance(50) && !base.is_empty() {
                    true => {
                        let (order, limit) = (self.total_order(&base), self.random.between(1, 3));
                        let items: Vec<String> = base.iter().enumerate().map(|(i, (name, _))| format!("{name} AS l{i}")).collect();
                        scope.extend(base.iter().enumerate().map(|(i, (_, ty))| (format!("l.l{i}"), ty.clone())));
                        format!("SELECT {} FROM {inner} WHERE {r} = {l} ORDER BY {order} LIMIT {limit}", items.join(", "))
                    }
                    false => {
                        scope.push(("l.l0".into(), PgType::Int8));
                        format!("SELECT count(*) AS l0 FROM {inner} WHERE {r} = {l}")
                    }
                };
                format!("{from} {kind} LATERAL ({select}) AS l{on}")
            }
        };
        Ok(format!("SELECT {} FROM {joined}{}", self.items(&scope, true), self.filter(&scope)))
    }

    /// Sets in the select list, of which the shorter goes on with NULL.
    fn sets_in_list(&mut self, from: &str, scope: &Scope, array: Option<(String, PgType)>) -> String {
        let mut items = vec![self.items(scope, true)];
        let unnested = array.filter(|_| self.random.chance(80)).map(|(array, _)| format!("unnest({array}) AS e"));
        if unnested.is_none() || self.random.chance(40) {
            items.push(format!("generate_series(1, {} % 4) AS n", self.expr(scope, Class::Int, 0)));
        }
        items.extend(unnested);
        format!("SELECT {} FROM {from}{}", items.join(", "), self.filter(scope))
    }

    /// Two relations joined on what is no equality, or on nothing.
    pub(super) fn unequal(&mut self, depth: usize) -> Result<String> {
        let (left, mut scope) = self.relation(depth.saturating_sub(1))?;
        let (right, inside) = self.relation(depth.saturating_sub(1))?;
        let pair = scope.iter().find_map(|(l, lt)| {
            let fits = |rt: &PgType| class(lt) == class(rt) && !matches!(class(lt), Class::Other | Class::Bool);
            inside.iter().find(|(_, rt)| fits(rt)).map(|(r, _)| (l.clone(), r.clone()))
        });
        let Some((l, r)) = pair else { return self.joined(depth) };
        let operator = *self.random.pick(&["<", ">=", "<>"]);
        // PostgreSQL makes full joins of mergeable or hashable conditions only.
        let kinds: &[&str] = &["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"];
        let kinds = if self.taste.portable { &kinds[..3] } else { kinds };
        let kind = *self.random.pick(kinds);
        scope.extend(inside);
        let joined = match self.random.chance(10) {
            true => format!("{left} CROSS JOIN {right}"),
            false => format!("{left} {kind} {right} ON {l} {operator} {r}"),
        };
        Ok(format!("SELECT {} FROM {joined}{}", self.items(&scope, true), self.filter(&scope)))
    }
}
