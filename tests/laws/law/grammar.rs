//! Random queries over given relations: the grammar of what a materialized view may be.

use everfold::data::PgType;
use everfold::error::Result;

use super::values::{Class, Taste, class, has_equality, has_order, literal};
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
            0..=24 => self.selection(depth),
            25..=59 => self.aggregation(depth),
            60..=74 => self.joined(depth),
            75..=84 => self.union(depth),
            85..=92 => Ok(self.selection(depth)?.replacen("SELECT ", "SELECT DISTINCT ", 1)),
            _ => self.membership(depth),
        }
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
            let call = self.aggregate(&scope);
            items.push(if self.random.chance(12) { format!("coalesce({call}, {call})") } else { call });
        }
        let items: Vec<String> = items.iter().enumerate().map(|(i, e)| format!("{e} AS c{i}")).collect();
        let mut sql = format!("SELECT {} FROM {from}{}", items.join(", "), self.filter(&scope));
        if !keys.is_empty() {
            sql += &format!(" GROUP BY {}", (1..=keys.len()).map(|i| i.to_string()).collect::<Vec<_>>().join(", "));
        }
        if self.random.chance(15) {
            sql += &format!(" HAVING count(*) {} {}", self.random.pick(&[">", "<", "<>"]), self.random.below(4));
        }
        Ok(sql)
    }

    fn union(&mut self, depth: usize) -> Result<String> {
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
            branches.push(format!("SELECT {} FROM {from}{}", items.join(", "), self.filter(&scope)));
        }
        Ok(branches.join(if self.random.chance(80) { " UNION ALL " } else { " UNION " }))
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
            let mut on = format!("{l} = {r}");
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
        let source = self.random.pick(self.sources).clone();
        let mut scope: Scope = source.columns.iter().map(|(name, ty)| (format!("{alias}.{name}"), ty.clone())).collect();
        if source.stream && !self.taste.portable && self.random.chance(15) {
            scope.push((format!("{alias}.{}", self.random.pick(&["_position", "_offset"])), PgType::Int8));
        }
        Ok((format!("{} AS {alias}", source.name), scope))
    }

    /// Two columns that can be compared for equality.
    fn equal_pair(&mut self, left: &Scope, right: &Scope) -> Option<(String, String)> {
        let fits = |l: &PgType, r: &PgType| {
            has_equality(l) && (l.base() == r.base() || (class(l) == class(r) && !matches!(class(l), Class::Other)))
        };
        let pairs: Vec<(&String, &String)> =
            left.iter().flat_map(|(l, lt)| right.iter().filter(move |(_, rt)| fits(lt, rt)).map(move |(r, _)| (l, r))).collect();
        if pairs.is_empty() {
            return None;
        }
        let (l, r) = *self.random.pick(&pairs);
        let (l, r) = (l.clone(), r.clone());
        Some((l, r))
    }

    fn filter(&mut self, scope: &Scope) -> String {
        if self.random.chance(45) { format!(" WHERE {}", self.expr(scope, Class::Bool, 2)) } else { String::new() }
    }

    // Items ----------------------------------------------------------------------------------------------------------------

    fn items(&mut self, scope: &Scope, equality: bool) -> String {
        let mut items = Vec::new();
        for i in 0..1 + self.random.below(4) {
            let expr = if self.random.chance(60) { self.column(scope, equality) } else { None };
            let expr = expr.unwrap_or_else(|| {
                let class = self.plain_class();
                self.expr(scope, class, 2)
            });
            items.push(format!("{expr} AS c{i}"));
        }
        items.join(", ")
    }

    fn column(&mut self, scope: &Scope, equality: bool) -> Option<String> {
        let fitting: Vec<&String> = scope.iter().filter(|(_, ty)| !equality || has_equality(ty)).map(|(name, _)| name).collect();
        (!fitting.is_empty()).then(|| self.random.pick(&fitting).to_string())
    }

    fn key(&mut self, scope: &Scope) -> String {
        let column = if self.random.chance(75) { self.column(scope, true) } else { None };
        column.unwrap_or_else(|| {
            let class = *self.random.pick(&[Class::Int, Class::Text, Class::Bool, Class::Date]);
            self.expr(scope, class, 1)
        })
    }

    fn aggregate(&mut self, scope: &Scope) -> String {
        let call = match self.random.below(12) {
            0..=1 => "count(*)".to_string(),
            2 => match self.column(scope, false) {
                Some(column) => format!("count({column})"),
                None => "count(*)".into(),
            },
            3 => match self.column(scope, true) {
                Some(column) => format!("count(DISTINCT {column})"),
                None => "count(*)".into(),
            },
            4..=6 => format!("sum({})", self.number(scope)),
            7..=8 => format!("avg({})", self.number(scope)),
            9 if self.random.chance(30) => format!("{}({})", self.random.pick(&["bool_and", "bool_or"]), self.expr(scope, Class::Bool, 1)),
            9 if self.random.chance(30) => format!("sum(DISTINCT {})", self.number(scope)),
            _ => {
                let ordered: Vec<&String> = scope.iter().filter(|(_, ty)| has_order(ty)).map(|(name, _)| name).collect();
                let what = match ordered.is_empty() {
                    true => "1".to_string(),
                    false if self.random.chance(80) => self.random.pick(&ordered).to_string(),
                    false => self.number(scope),
                };
                format!("{}({what})", self.random.pick(&["min", "max"]))
            }
        };
        if self.random.chance(20) { format!("{call} FILTER (WHERE {})", self.expr(scope, Class::Bool, 1)) } else { call }
    }

    fn number(&mut self, scope: &Scope) -> String {
        let class = *self.random.pick(&[Class::Int, Class::Int, Class::Numeric, Class::Float]);
        self.expr(scope, class, 1)
    }

    fn plain_class(&mut self) -> Class {
        *self.random.pick(&[Class::Int, Class::Numeric, Class::Float, Class::Text, Class::Bool, Class::Date, Class::Timestamp])
    }

    fn plain_type(&mut self) -> PgType {
        self.random
            .pick(&[PgType::Int4, PgType::Int8, PgType::Numeric(Some((12, 3))), PgType::Text, PgType::Bool, PgType::Date, PgType::Float8])
            .clone()
    }

    // Expressions ------------------------------------------------------------------------------------------------------------

    fn leaf(&mut self, scope: &Scope, wanted: Class) -> String {
        let fitting: Vec<&String> = scope.iter().filter(|(_, ty)| class(ty) == wanted).map(|(name, _)| name).collect();
        if !fitting.is_empty() && self.random.chance(85) {
            return self.random.pick(&fitting).to_string();
        }
        let ty = match wanted {
            Class::Int => PgType::Int4,
            Class::Numeric => PgType::Numeric(Some((10, 2))),
            Class::Float => PgType::Float8,
            Class::Text => PgType::Text,
            Class::Bool => PgType::Bool,
            Class::Date => PgType::Date,
            Class::Timestamp => PgType::Timestamp,
            Class::Timestamptz => PgType::Timestamptz,
            Class::Time => PgType::Time,
            Class::Interval => PgType::Interval,
            Class::Other => PgType::Uuid,
        };
        literal(self.random, &ty, Taste { wild: false, ..self.taste })
    }

    fn expr(&mut self, scope: &Scope, wanted: Class, depth: usize) -> String {
        if wanted == Class::Bool && depth > 0 {
            return self.test(scope, depth);
        }
        if depth == 0 || self.random.chance(45) {
            return self.leaf(scope, wanted);
        }
        let d = depth - 1;
        if self.random.chance(12) {
            let test = self.test(scope, 1);
            return format!("CASE WHEN {test} THEN {} ELSE {} END", self.expr(scope, wanted, d), self.expr(scope, wanted, d));
        }
        if self.random.chance(12) {
            let leaf = self.leaf(&Vec::new(), wanted);
            return format!("coalesce({}, {leaf})", self.expr(scope, wanted, d));
        }
        match wanted {
            Class::Int => match self.random.below(7) {
                0 => format!("({} + {})", self.expr(scope, wanted, d), self.expr(scope, wanted, d)),
                1 => format!("({} - {})", self.expr(scope, wanted, d), self.expr(scope, wanted, d)),
                2 => format!("({} * {})", self.expr(scope, wanted, d), self.random.between(2, 5)),
                3 => format!("({} / {})", self.expr(scope, wanted, d), self.random.between(2, 5)),
                4 => format!("({} % {})", self.expr(scope, wanted, d), self.random.between(2, 5)),
                5 => format!("length({})", self.expr(scope, Class::Text, d)),
                _ => format!("abs({})", self.expr(scope, wanted, d)),
            },
            Class::Numeric => match self.random.below(6) {
                0 => format!("({} + {})", self.expr(scope, wanted, d), self.expr(scope, Class::Int, d)),
                1 => format!("({} - {})", self.expr(scope, wanted, d), self.expr(scope, wanted, d)),
                2 => format!("({} * 1.25)", self.expr(scope, wanted, d)),
                3 => format!("({} / {})", self.expr(scope, wanted, d), self.random.between(2, 7)),
                4 => format!("round({}, 1)", self.expr(scope, wanted, d)),
                _ => format!("({} * 0.5)", self.expr(scope, Class::Int, d)),
            },
            Class::Float => match self.random.below(3) {
                0 => format!("({} + {})", self.expr(scope, wanted, d), self.expr(scope, wanted, d)),
                1 => format!("({} * {})", self.expr(scope, wanted, d), self.expr(scope, Class::Int, d)),
                _ => format!("({} - {})", self.expr(scope, wanted, d), self.expr(scope, wanted, d)),
            },
            Class::Text => match self.random.below(4) {
                0 => format!("({} || {})", self.expr(scope, wanted, d), self.expr(scope, wanted, d)),
                1 => format!("upper({})", self.expr(scope, wanted, d)),
                2 => format!("substr({}, 1, 2)", self.expr(scope, wanted, d)),
                _ => format!("({})::text", self.expr(scope, Class::Int, d)),
            },
            Class::Date => format!("({} + {})", self.expr(scope, wanted, d), self.random.between(1, 3)),
            Class::Timestamp => match self.random.below(2) {
                0 => format!("date_trunc('day', {})", self.expr(scope, wanted, d)),
                _ => format!("({} + '1 day'::interval)", self.expr(scope, wanted, d)),
            },
            _ => self.leaf(scope, wanted),
        }
    }

    /// A condition.
    fn test(&mut self, scope: &Scope, depth: usize) -> String {
        let d = depth.saturating_sub(1);
        match self.random.below(12) {
            0 => match self.column(scope, false) {
                Some(column) => format!("{column} IS {}NULL", self.random.pick(&["", "NOT "])),
                None => "true".into(),
            },
            1 if depth > 0 => format!("({} AND {})", self.test(scope, d), self.test(scope, d)),
            2 if depth > 0 => format!("({} OR {})", self.test(scope, d), self.test(scope, d)),
            3 if depth > 0 => format!("(NOT {})", self.test(scope, d)),
            4 => self.leaf(scope, Class::Bool),
            5 => format!("{} IN (1, 3, {})", self.expr(scope, Class::Int, d), self.random.between(-2, 8)),
            6 => format!("{} LIKE {}", self.expr(scope, Class::Text, d), self.random.pick(&["'a%'", "'%b'", "'_'", "'%'"])),
            7 => format!("{} BETWEEN 0 AND {}", self.expr(scope, Class::Int, d), self.random.between(1, 6)),
            8 => {
                let class = self.plain_class();
                format!("{} IS {}DISTINCT FROM {}", self.expr(scope, class, d), self.random.pick(&["", "NOT "]), self.expr(scope, class, d))
            }
            _ => {
                let class = self.plain_class();
                let operator = *self.random.pick(&["=", "<>", "<", ">=", ">", "<="]);
                format!("{} {operator} {}", self.expr(scope, class, d), self.expr(scope, class, d))
            }
        }
    }
}
