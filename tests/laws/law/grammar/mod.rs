//! Random queries over given relations: the grammar of what a materialized view may be.
//!
//! Here are the forms and FROM; [`expressions`] and [`functions`] have what stands in them, [`ordered`] what depends on the order of rows,
//! [`recursive`] WITH RECURSIVE, [`subqueries`] what has queries within, [`tables`] what stands in FROM beside relations, [`timed`] what asks about the time.

mod expressions;
mod functions;
mod ordered;
mod recursive;
mod subqueries;
mod tables;
mod timed;

use everfold::data::PgType;
use everfold::error::Result;

use super::values::{Class, Taste, class, has_equality};
use crate::laws::database::Database;
use crate::support::random::Random;

/// A relation that queries may read.
#[derive(Clone, Debug)]
pub struct Source {
    pub name: String,
    pub columns: Vec<(String, PgType)>,
    /// A stream has the columns `_position` and `_offset` too.
    pub stream: bool,
}

/// What an expression may name: text and type.
type Scope = Vec<(String, PgType)>;

/// Draws queries. The database says which types a subquery's columns have.
pub struct Grammar<'a> {
    pub random: &'a mut Random,
    pub database: &'a mut Database,
    pub taste: Taste,
    pub sources: &'a [Source],
    aliases: usize,
}

impl<'a> Grammar<'a> {
    /// Draws over `sources`, of which there is at least one.
    pub fn new(random: &'a mut Random, database: &'a mut Database, taste: Taste, sources: &'a [Source]) -> Self {
        Grammar { random, database, taste, sources, aliases: 0 }
    }

    /// A query that a view may be made of. Errors: a subquery that does not plan.
    pub fn query(&mut self, depth: usize) -> Result<String> {
        match self.random.below(100) {
            0..=9 => self.selection(depth),
            10..=29 => self.aggregation(depth),
            30..=39 => self.joined(depth),
            40..=49 => self.set_operation(depth),
            50..=53 => Ok(self.selection(depth)?.replacen("SELECT ", "SELECT DISTINCT ", 1)),
            54..=58 => self.membership(depth),
            59..=69 => self.windows(depth),
            70..=73 => self.distinct_on(depth),
            74..=77 => self.first_rows(depth),
            78..=84 => self.with_subqueries(depth),
            85..=89 => self.lateral(depth),
            90..=91 => self.using(),
            92 => self.with_common(depth),
            93 => self.recursive(depth),
            94..=96 if !self.taste.portable => self.timed(),
            _ => self.unequal(depth),
        }
    }

    /// A query over a stream, whose rows stay, of numbers that may be too large for their types; `None` if no stream has numbers.
    pub fn overflowing(&mut self) -> Option<String> {
        let computed =
            ["($ * 4000000000000000000)", "($ + 9223372036854775800)", "(2147483640 + $)", "($ * 6000)::smallint", "($ * 2)::numeric(2,1)"];
        let computed = *self.random.pick(&computed);
        let whole = |source: &&Source| source.columns.iter().filter(|c| class(&c.1) == Class::Int).map(|c| c.0.clone()).collect::<Vec<_>>();
        let streams: Vec<&Source> = self.sources.iter().filter(|s| s.stream && !whole(s).is_empty()).collect();
        if streams.is_empty() {
            return None;
        }
        let source = *self.random.pick(&streams);
        let column = format!("a1.{}", self.random.pick(&whole(&source)));
        let scope: Scope = source.columns.iter().map(|(name, ty)| (format!("a1.{name}"), ty.clone())).collect();
        let filter = if self.random.chance(40) { format!(" WHERE {}", self.test(&scope, 1)) } else { String::new() };
        Some(format!("SELECT {column} AS c0, {} AS c1 FROM {} AS a1{filter}", computed.replace('$', &column), source.name))
    }

    // Forms ----------------------------------------------------------------------------------------------------------------

    fn selection(&mut self, depth: usize) -> Result<String> {
        let (from, scope) = self.from(depth, 1)?;
        let items = self.items(&scope, true);
        Ok(format!("SELECT {items} FROM {from}{}", self.filter(&scope)))
    }

    fn joined(&mut self, depth: usize) -> Result<String> {
        let tables = 2 + self.random.below(2);
        let (from, scope) = self.from(depth, tables)?;
        let items = self.items(&scope, true);
        Ok(format!("SELECT {items} FROM {from}{}", self.filter(&scope)))
    }

    fn aggregation(&mut self, depth: usize) -> Result<String> {
        let tables = if self.random.chance(35) { 2 } else { 1 };
        let (from, scope) = self.from(depth, tables)?;
        let keys: Vec<String> = (0..self.random.below(4).min(2)).map(|_| self.key(&scope)).collect();
        let mut items: Vec<String> = keys.clone();
        for _ in 0..1 + self.random.below(4) {
            let ordered = if self.random.chance(12) { self.ordered_aggregate(&scope) } else { None };
            let call = ordered.unwrap_or_else(|| self.aggregate(&scope));
            items.push(if self.random.chance(12) { format!("coalesce({call}, {call})") } else { call });
        }
        let items: Vec<String> = items.iter().enumerate().map(|(i, e)| format!("{e} AS c{i}")).collect();
        let mut sql = format!("SELECT {} FROM {from}{}", items.join(", "), self.filter(&scope));
        if !keys.is_empty() {
            let places = (1..=keys.len()).map(|i| i.to_string()).collect::<Vec<_>>().join(", ");
            let by = match self.random.below(8) {
                0 if keys.iter().all(|k| k.starts_with('a') && !k.contains('(')) && keys.first() != keys.get(1) => {
                    sql = sql.replacen("SELECT ", &format!("SELECT GROUPING({}) AS g, ", keys.join(", ")), 1);
                    self.grouping_sets(&keys)
                }
                _ => format!(" GROUP BY {places}"),
            };
            sql += &by;
        }
        if self.random.chance(15) {
            let what = if self.random.chance(50) { "count(*)".to_string() } else { format!("sum({})", self.number(&scope)) };
            sql += &format!(" HAVING {what} {} {}", self.random.pick(&[">", "<", "<>"]), self.random.below(4));
        }
        Ok(sql)
    }

    /// Several groupings at once.
    fn grouping_sets(&mut self, keys: &[String]) -> String {
        let all = keys.join(", ");
        match self.random.below(3) {
            0 => format!(" GROUP BY ROLLUP ({all})"),
            1 => format!(" GROUP BY CUBE ({all})"),
            _ => format!(" GROUP BY GROUPING SETS (({all}), ({}), ())", keys[0]),
        }
    }

    fn set_operation(&mut self, depth: usize) -> Result<String> {
        let types: Vec<PgType> = (0..1 + self.random.below(3)).map(|_| self.plain_type()).collect();
        let mut branches = Vec::new();
        for _ in 0..2 + self.random.below(2) {
            let (from, scope) = self.from(depth.saturating_sub(1), 1)?;
            let items: Vec<String> = types
                .iter()
                .enumerate()
                .map(|(i, ty)| {
                    let expr = self.expr(&scope, class(ty), 1);
                    format!("({expr})::{ty} AS c{i}")
                })
                .collect();
            let distinct = if self.random.chance(10) { "DISTINCT " } else { "" };
            branches.push(format!("SELECT {distinct}{} FROM {from}{}", items.join(", "), self.filter(&scope)));
        }
        if branches.len() == 3 && self.random.chance(30) {
            let nested = branches.split_off(1).join(*self.random.pick(&[" UNION ", " EXCEPT ALL ", " INTERSECT "]));
            branches.push(format!("({nested})"));
        }
        let operators = [" UNION ALL ", " UNION ALL ", " UNION ", " EXCEPT ", " EXCEPT ALL ", " INTERSECT ", " INTERSECT ALL "];
        Ok(branches.into_iter().reduce(|left, right| left + *self.random.pick(&operators) + &right).unwrap_or_default())
    }

    /// IN and EXISTS, which become semi and anti joins.
    fn membership(&mut self, depth: usize) -> Result<String> {
        let (from, scope) = self.from(depth.saturating_sub(1), 1)?;
        let (inner, inside) = self.from(depth.saturating_sub(1), 1)?;
        let items = self.items(&scope, true);
        let not = if self.random.chance(40) { "NOT " } else { "" };
        let Some((l, r)) = self.equal_pair(&scope, &inside) else { return self.selection(depth) };
        let test = if self.random.chance(50) {
            format!("{l} {not}IN (SELECT {r} FROM {inner}{})", self.filter(&inside))
        } else {
            format!("{not}EXISTS (SELECT 1 FROM {inner} WHERE {r} = {l})")
        };
        Ok(format!("SELECT {items} FROM {from} WHERE {test}"))
    }

    // FROM -----------------------------------------------------------------------------------------------------------------

    /// A FROM clause of so many relations, and what it brings into scope.
    fn from(&mut self, depth: usize, tables: usize) -> Result<(String, Scope)> {
        let (mut sql, mut scope) = self.relation(depth)?;
        for _ in 1..tables {
            let (right, inside) = self.relation(depth.saturating_sub(1))?;
            let kind = *self.random.pick(&["JOIN", "JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"]);
            let Some((l, r)) = self.equal_pair(&scope, &inside) else {
                // Nothing to join on: a small cross product.
                sql = format!("{sql} CROSS JOIN {right}");
                scope.extend(inside);
                continue;
            };
            let mut on = match self.random.chance(15) {
                true => self.equal_expressions(&scope, &l, &r),
                false => format!("{l} = {r}"),
            };
            if self.random.chance(20)
                && let Some((l, r)) = self.equal_pair(&scope, &inside)
            {
                on += &format!(" AND {l} = {r}");
            }
            scope.extend(inside);
            if self.random.chance(35) {
                on += &format!(" AND {}", self.expr(&scope, Class::Bool, 2));
            }
            sql = format!("{sql} {kind} {right} ON {on}");
        }
        Ok((sql, scope))
    }

    fn relation(&mut self, depth: usize) -> Result<(String, Scope)> {
        self.aliases += 1;
        let alias = format!("a{}", self.aliases);
        if depth > 0 && self.random.chance(15) {
            let query = self.query(depth - 1)?;
            let columns = self.database.describe(&query)?;
            let scope = columns.into_iter().map(|c| (format!("{alias}.{}", c.name), c.ty)).collect();
            return Ok((format!("({query}) AS {alias}"), scope));
        }
        if self.random.chance(4) {
            return Ok(self.values(&alias));
        }
        let source = self.random.pick(self.sources).clone();
        let mut scope: Scope = source.columns.iter().map(|(name, ty)| (format!("{alias}.{name}"), ty.clone())).collect();
        if source.stream && !self.taste.portable && self.random.chance(15) {
            scope.push((format!("{alias}.{}", self.random.pick(&["_position", "_offset"])), PgType::Int8));
        }
        Ok((format!("{} AS {alias}", source.name), scope))
    }

    /// Two columns that can be compared for equality.
    fn equal_pair(&mut self, left: &Scope, right: &Scope) -> Option<(String, String)> {
        // PostgreSQL rounds sums of floats at each step, in the order of the rows, so that they are equal to nothing.
        let compares = |ty: &PgType| has_equality(ty) && !(self.taste.portable && class(ty) == Class::Float);
        let fits =
            |l: &PgType, r: &PgType| compares(l) && (l.base() == r.base() || (class(l) == class(r) && !matches!(class(l), Class::Other)));
        let pairs: Vec<(&String, &String)> =
            left.iter().flat_map(|(l, lt)| right.iter().filter(move |(_, rt)| fits(lt, rt)).map(move |(r, _)| (l, r))).collect();
        if pairs.is_empty() {
            return None;
        }
        let (l, r) = *self.random.pick(&pairs);
        let (l, r) = (l.clone(), r.clone());
        Some((l, r))
    }

    /// The same of what is computed of two columns that are equal: keys of a join may be expressions.
    fn equal_expressions(&mut self, scope: &Scope, left: &str, right: &str) -> String {
        let of = scope.iter().find(|(name, _)| name == left).map(|(_, ty)| class(ty));
        let template = match of {
            Some(Class::Int) => *self.random.pick(&["abs($)", "($ + 1)", "($ * 2)"]),
            Some(Class::Text) => *self.random.pick(&["upper($)", "($ || 'x')"]),
            _ => "($)",
        };
        format!("{} = {}", template.replace('$', left), template.replace('$', right))
    }

    fn filter(&mut self, scope: &Scope) -> String {
        match self.random.below(100) {
            0..=2 => format!(" WHERE {}", self.recent(scope)),
            3..=44 => format!(" WHERE {}", self.expr(scope, Class::Bool, 2)),
            _ => String::new(),
        }
    }
}
