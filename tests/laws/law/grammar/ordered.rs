//! What depends on the order of rows: window functions, DISTINCT ON, the first rows, ordered aggregates.
//!
//! An answer must be determined. Where it is to be so in PostgreSQL too, all columns that are shown, or that functions read, are of types whose
//! equal values look alike, and the order is by all of them; rows that it does not part are the same row twice. Here rows that tie come as
//! they arrived, so where there is no PostgreSQL the order may be by some columns, or none for what is gathered. Functions of one
//! SELECT that count rows share one order: in two orders, twins could stand either way round.

use everfold::data::PgType;
use everfold::error::Result;

use super::{Grammar, Scope};
use crate::laws::law::values::{Class, class};

/// True if equal values of the type have one text.
fn looks_as_it_compares(ty: &PgType) -> bool {
    matches!(class(ty), Class::Int | Class::Text | Class::Bool | Class::Date | Class::Timestamp | Class::Timestamptz | Class::Time)
        || matches!(ty, PgType::Numeric(Some(_)) | PgType::Uuid | PgType::Inet)
}

impl Grammar<'_> {
    /// Up to three columns that can be ordered by; none if there are none.
    pub(super) fn base(&mut self, scope: &Scope) -> Scope {
        let fitting: Scope = scope.iter().filter(|(_, ty)| looks_as_it_compares(ty)).cloned().collect();
        let mut base: Scope = Vec::new();
        for _ in 0..1 + self.random.below(3) {
            if let Some(column) = (!fitting.is_empty()).then(|| self.random.pick(&fitting).clone())
                && !base.contains(&column)
            {
                base.push(column);
            }
        }
        base
    }

    /// An order by all of these columns, in any sequence and direction.
    pub(super) fn total_order(&mut self, base: &Scope) -> String {
        let mut columns: Vec<&String> = base.iter().map(|(name, _)| name).collect();
        let turn = self.random.below(columns.len());
        columns.rotate_left(turn);
        let terms: Vec<String> = columns.into_iter().map(|name| self.order_term(name)).collect();
        terms.join(", ")
    }

    /// An order that need not be total where only views and queries here are compared.
    fn some_order(&mut self, base: &Scope) -> String {
        if self.taste.portable || self.random.chance(60) {
            return self.total_order(base);
        }
        let column = self.random.pick(base).0.clone();
        self.order_term(&column)
    }

    fn order_term(&mut self, name: &str) -> String {
        let direction = self.random.pick(&["", "", " DESC"]);
        format!("{name}{direction}{}", self.random.pick(&["", "", " NULLS FIRST", " NULLS LAST"]))
    }

    /// Window functions beside the columns that they are over.
    pub(super) fn windows(&mut self, depth: usize) -> Result<String> {
        if self.random.chance(8) {
            return self.windows_over_groups(depth);
        }
        let tables = if self.random.chance(25) { 2 } else { 1 };
        let (from, scope) = self.from(depth, tables)?;
        let base = self.base(&scope);
        if base.is_empty() {
            return self.selection(depth);
        }
        let mut items: Vec<String> = base.iter().map(|(name, _)| name.clone()).collect();
        let ranked = self.random.chance(25);
        let (partition, order) = (self.partition(&base), self.some_order(&base));
        if ranked {
            let function = *self.random.pick(&["row_number", "row_number", "rank"]);
            items.push(format!("{function}() OVER ({partition}ORDER BY {order})"));
        }
        for _ in 0..usize::from(!ranked) + self.random.below(2) {
            items.push(self.window_call(&base, &partition, &order));
        }
        let items: Vec<String> = items.iter().enumerate().map(|(i, e)| format!("{e} AS c{i}")).collect();
        let sql = format!("SELECT {} FROM {from}{}", items.join(", "), self.filter(&scope));
        Ok(if ranked { self.first_ranks(&sql, base.len()) } else { sql })
    }

    /// Window functions over groups: where they count groups, the order is by all that these are grouped by.
    fn windows_over_groups(&mut self, depth: usize) -> Result<String> {
        let (from, scope) = self.from(depth, 1)?;
        let base = self.base(&scope);
        if base.is_empty() {
            return self.selection(depth);
        }
        let (partition, order) = (self.partition(&base), self.total_order(&base));
        let call = match self.random.chance(50) {
            true => "count(*)".to_string(),
            false => format!("sum({})", self.expr(&scope, Class::Int, 0)),
        };
        let mut items: Vec<String> = base.iter().map(|(name, _)| name.clone()).chain([call.clone()]).collect();
        for _ in 0..1 + self.random.below(2) {
            items.push(match self.random.below(5) {
                0 => format!("sum({call}) OVER ({})", partition.trim_end()),
                1 => format!("{}({call}) OVER ({partition}ORDER BY {order})", self.random.pick(&["sum", "max", "lag", "lead"])),
                2 => format!(
                    "{}({call}) OVER ({partition}ORDER BY {order}{})",
                    self.random.pick(&["sum", "min", "first_value"]),
                    self.frame()
                ),
                3 => format!("row_number() OVER ({partition}ORDER BY {order})"),
                _ => format!("{}() OVER ({partition}ORDER BY {call} DESC)", self.random.pick(&["rank", "dense_rank", "cume_dist"])),
            });
        }
        let items: Vec<String> = items.iter().enumerate().map(|(i, e)| format!("{e} AS c{i}")).collect();
        let places = (1..=base.len()).map(|i| i.to_string()).collect::<Vec<_>>().join(", ");
        Ok(format!("SELECT {} FROM {from}{} GROUP BY {places}", items.join(", "), self.filter(&scope)))
    }

    fn partition(&mut self, base: &Scope) -> String {
        if self.random.chance(60) { format!("PARTITION BY {} ", self.random.pick(base).0) } else { String::new() }
    }

    /// The rows of a window query with the first ranks, which are in this column: the shape of a top-N per group.
    fn first_ranks(&mut self, sql: &str, column: usize) -> String {
        let operator = *self.random.pick(&["<=", "<", "="]);
        format!("SELECT * FROM ({sql}) AS ranked WHERE c{column} {operator} {}", self.random.between(1, 3))
    }

    fn window_call(&mut self, base: &Scope, partition: &str, order: &str) -> String {
        let (column, ty) = self.random.pick(base).clone();
        match self.random.below(12) {
            0..=2 => format!("row_number() OVER ({partition}ORDER BY {order})"),
            // Peers get the same, so any order does.
            3..=4 => {
                let function = *self.random.pick(&["rank", "dense_rank", "percent_rank", "cume_dist"]);
                format!("{function}() OVER ({partition}ORDER BY {})", self.order_term(&column))
            }
            5 => format!("ntile({}) OVER ({partition}ORDER BY {order})", self.random.between(1, 4)),
            6..=7 => {
                let arguments = match self.random.below(3) {
                    0 => column,
                    1 => format!("{column}, {}", self.random.between(0, 3)),
                    _ => format!("{column}, {}, {}", self.random.between(1, 2), self.leaf_of(&ty)),
                };
                format!("{}({arguments}) OVER ({partition}ORDER BY {order})", self.random.pick(&["lag", "lead"]))
            }
            8 => {
                let call = match self.random.below(3) {
                    0 => format!("first_value({column})"),
                    1 => format!("last_value({column})"),
                    _ => format!("nth_value({column}, {})", self.random.between(1, 3)),
                };
                format!("{call} OVER ({partition}ORDER BY {order}{})", self.frame())
            }
            _ => self.window_aggregate(base, partition, order),
        }
    }

    fn window_aggregate(&mut self, base: &Scope, partition: &str, order: &str) -> String {
        let (column, ty) = self.random.pick(base).clone();
        let call = match class(&ty) {
            _ if !self.taste.portable && self.random.chance(20) => format!("array_agg({column})"),
            Class::Int | Class::Numeric => format!("{}({column})", self.random.pick(&["sum", "avg", "min", "max", "count"])),
            Class::Bool => format!("{}({column})", self.random.pick(&["count", "bool_and", "bool_or"])),
            _ if ty == PgType::Uuid => format!("count({column})"),
            _ => format!("{}({column})", self.random.pick(&["count", "min", "max"])),
        };
        let call = match self.random.chance(15) {
            true => format!("{call} FILTER (WHERE {column} IS NOT NULL)"),
            false => call,
        };
        match self.random.below(4) {
            0 => format!("{call} OVER ({})", partition.trim_end()),
            1 => format!("{call} OVER ({partition}ORDER BY {order})"),
            2 if matches!(class(&ty), Class::Int | Class::Numeric | Class::Date | Class::Timestamp | Class::Timestamptz) => {
                let frame = self.range(class(&ty));
                format!("{call} OVER ({partition}ORDER BY {column}{}{frame})", self.random.pick(&["", " DESC"]))
            }
            _ => format!("{call} OVER ({partition}ORDER BY {order}{})", self.frame()),
        }
    }

    /// A frame; where it counts rows, the order must be total.
    fn frame(&mut self) -> String {
        let unit = *self.random.pick(&["ROWS", "ROWS", "GROUPS", "RANGE"]);
        let near = if unit == "RANGE" { String::new() } else { format!("{} ", self.random.between(0, 2)) };
        let bounds: &[&str] = match near.is_empty() {
            true => &["UNBOUNDED PRECEDING AND CURRENT ROW", "CURRENT ROW AND UNBOUNDED FOLLOWING"],
            false => &[
                "@PRECEDING AND CURRENT ROW",
                "@PRECEDING AND @FOLLOWING",
                "UNBOUNDED PRECEDING AND @PRECEDING",
                "CURRENT ROW AND UNBOUNDED FOLLOWING",
            ],
        };
        let bounds = self.random.pick(bounds).replace('@', &near);
        let without = *self.random.pick(&["CURRENT ROW", "GROUP", "TIES", "NO OTHERS"]);
        format!(" {unit} BETWEEN {bounds}{}", if self.random.chance(15) { format!(" EXCLUDE {without}") } else { String::new() })
    }

    /// A frame of what is so far away from the one column of such a class that orders.
    fn range(&mut self, class: Class) -> String {
        let mut away = || match class {
            Class::Int => self.random.between(0, 3).to_string(),
            Class::Numeric => self.random.pick(&["0.5", "2", "10"]).to_string(),
            _ => self.random.pick(&["INTERVAL '1 day'", "INTERVAL '90 minutes'", "INTERVAL '0'"]).to_string(),
        };
        let (before, after) = (away(), away());
        format!(" RANGE BETWEEN {before} PRECEDING AND {after} FOLLOWING")
    }

    /// DISTINCT ON some columns: the first row by an order of all.
    pub(super) fn distinct_on(&mut self, depth: usize) -> Result<String> {
        let (from, scope) = self.from(depth, 1)?;
        let base = self.base(&scope);
        if base.is_empty() {
            return self.selection(depth);
        }
        let keys: Vec<&str> = base[..1 + self.random.below(base.len())].iter().map(|(name, _)| name.as_str()).collect();
        let first: Vec<String> = keys.iter().map(|name| self.order_term(name)).collect();
        let rest = self.some_order(&base);
        let items: Vec<String> = base.iter().enumerate().map(|(i, (name, _))| format!("{name} AS c{i}")).collect();
        let filter = self.filter(&scope);
        Ok(format!(
            "SELECT DISTINCT ON ({}) {} FROM {from}{filter} ORDER BY {}, {rest}",
            keys.join(", "),
            items.join(", "),
            first.join(", ")
        ))
    }

    /// ORDER BY .. LIMIT .. OFFSET, or FETCH FIRST .. WITH TIES.
    pub(super) fn first_rows(&mut self, depth: usize) -> Result<String> {
        let (from, scope) = self.from(depth, 1)?;
        let base = self.base(&scope);
        if base.is_empty() {
            return self.selection(depth);
        }
        let mut items: Vec<String> = base.iter().map(|(name, _)| name.clone()).collect();
        if self.random.chance(30) {
            items.push(self.expr(&base, Class::Int, 1));
        }
        let items: Vec<String> = items.iter().enumerate().map(|(i, e)| format!("{e} AS c{i}")).collect();
        let (filter, order) = (self.filter(&scope), self.some_order(&base));
        if self.random.chance(12) {
            // All that tie come, so that any order will do.
            let (column, rows) = (self.random.pick(&base).0.clone(), self.random.between(1, 5));
            let order = self.order_term(&column);
            return Ok(format!("SELECT {} FROM {from}{filter} ORDER BY {order} FETCH FIRST {rows} ROWS WITH TIES", items.join(", ")));
        }
        let limit = match self.random.below(4) {
            0 => format!(" OFFSET {}", self.random.below(4)),
            1 => format!(" LIMIT {} OFFSET {}", self.random.below(6), self.random.below(4)),
            _ => format!(" LIMIT {}", self.random.below(8)),
        };
        Ok(format!("SELECT {} FROM {from}{filter} ORDER BY {order}{limit}", items.join(", ")))
    }

    /// An aggregate over its rows in order.
    pub(super) fn ordered_aggregate(&mut self, scope: &Scope) -> Option<String> {
        let base = self.base(scope);
        let (column, ty) = base.first()?.clone();
        let order = self.order_term(&column);
        let middle = *self.random.pick(&["0", "0.25", "0.5", "1"]);
        if !self.taste.portable && self.random.chance(40) {
            let call = *self.random.pick(&["array_agg($)", "string_agg($::text, ',')", "any_value($)", "array_agg($ ORDER BY $ IS NULL)"]);
            return Some(call.replace('$', &column));
        }
        match (self.random.below(10), class(&ty)) {
            (0, _) => return Some(format!("mode() WITHIN GROUP (ORDER BY {column})")),
            (1, Class::Int | Class::Numeric) => return Some(format!("percentile_cont({middle}) WITHIN GROUP (ORDER BY {column})")),
            (2, Class::Numeric) => {}
            (2, _) => return Some(format!("array_agg(DISTINCT {column})")),
            (3, Class::Text) => return Some(format!("string_agg(DISTINCT {column}, ',')")),
            (4, Class::Int | Class::Text | Class::Bool) => {
                return Some(format!("{}({column} ORDER BY {order})", self.random.pick(&["json_agg", "jsonb_agg"])));
            }
            // A key that comes twice has the value that it had.
            (5, Class::Int | Class::Text | Class::Bool) => {
                let function = *self.random.pick(&["json_object_agg", "jsonb_object_agg"]);
                return Some(format!("{function}(coalesce({column}::text, '-'), {column} ORDER BY {order})"));
            }
            (6, Class::Int | Class::Text | Class::Date | Class::Timestamp) => {
                let function = *self.random.pick(&["rank", "dense_rank", "percent_rank", "cume_dist"]);
                return Some(format!("{function}({}) WITHIN GROUP (ORDER BY {order})", self.leaf_of(&ty)));
            }
            _ => {}
        }
        Some(match (self.random.below(3), class(&ty)) {
            // A text or an array of numerics would show how many digits each has, which are a column's here and a value's there.
            (0 | 1, Class::Numeric) => {
                format!("percentile_disc({}) WITHIN GROUP (ORDER BY {column})", self.random.pick(&["0", "0.5", "1"]))
            }
            (_, Class::Numeric) => return None,
            (0, _) => format!("string_agg({column}::text, ',' ORDER BY {})", self.order_term(&format!("{column}::text"))),
            (1, Class::Int) => format!("percentile_disc({}) WITHIN GROUP (ORDER BY {column})", self.random.pick(&["0", "0.5", "1"])),
            _ => format!("array_agg({column} ORDER BY {order})"),
        })
    }
}
