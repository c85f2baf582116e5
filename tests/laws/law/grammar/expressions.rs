//! Select items and expressions.

use everfold::data::PgType;

use super::{Grammar, Scope};
use crate::laws::law::values::{Class, Taste, class, has_equality, has_order, literal};

/// Aggregates that views have seldom, and the class of what they are over.
const RARE_AGGREGATES: [(&str, Class); 28] = [
    ("avg(DISTINCT $x)", Class::Int),
    ("sum(DISTINCT $x)", Class::Numeric),
    ("bit_and($x)", Class::Int),
    ("bit_or($x)", Class::Int),
    ("bit_xor($x)", Class::Int),
    ("every($x)", Class::Bool),
    ("count(DISTINCT $x)", Class::Text),
    ("regr_count($x, $y)", Class::Float),
    ("variance($x)", Class::Int),
    ("var_pop($x)", Class::Float),
    ("stddev($x)", Class::Numeric),
    ("stddev_pop($x)", Class::Int),
    ("stddev_samp(DISTINCT $x)", Class::Float),
    ("var_samp($x)", Class::Int),
    ("covar_samp($x, $y)", Class::Float),
    ("covar_pop($x, $y)", Class::Float),
    ("regr_avgx($x, $y)", Class::Float),
    ("regr_avgy($x, $y)", Class::Float),
    ("regr_sxx($x, $y)", Class::Float),
    ("regr_syy($x, $y)", Class::Float),
    ("regr_sxy($x, $y)", Class::Float),
    ("corr($x, $y)", Class::Float),
    ("regr_slope($x, $y)", Class::Float),
    ("regr_intercept($x, $y)", Class::Float),
    ("regr_r2($x, $y)", Class::Float),
    ("sum($x)", Class::Interval),
    ("avg($x)", Class::Interval),
    ("count($x)", Class::Timestamptz),
];

impl Grammar<'_> {
    // Items ----------------------------------------------------------------------------------------------------------------

    pub(super) fn items(&mut self, scope: &Scope, equality: bool) -> String {
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

    pub(super) fn column(&mut self, scope: &Scope, equality: bool) -> Option<String> {
        let fitting: Vec<&String> = scope.iter().filter(|(_, ty)| !equality || has_equality(ty)).map(|(name, _)| name).collect();
        (!fitting.is_empty()).then(|| self.random.pick(&fitting).to_string())
    }

    pub(super) fn key(&mut self, scope: &Scope) -> String {
        let times: Vec<&String> = scope.iter().filter(|(_, ty)| *ty == PgType::Timestamp).map(|(name, _)| name).collect();
        if !times.is_empty() && self.random.chance(15) {
            let window = *self.random.pick(&["date_trunc('day', $)", "date_trunc('month', $)", "date_bin('2 hours', $, '2024-01-01')"]);
            let time = *self.random.pick(&times);
            return window.replace('$', time);
        }
        let column = if self.random.chance(75) { self.column(scope, true) } else { None };
        column.unwrap_or_else(|| {
            let class = *self.random.pick(&[Class::Int, Class::Text, Class::Bool, Class::Date, Class::Timestamp]);
            self.expr(scope, class, 1)
        })
    }

    pub(super) fn aggregate(&mut self, scope: &Scope) -> String {
        let call = match self.random.below(14) {
            12 => {
                let (call, mut class) = *self.random.pick(&RARE_AGGREGATES);
                // PostgreSQL rounds sums of floats, so that what is constant may have a correlation there.
                if self.taste.portable && call.contains("$y") {
                    class = Class::Int;
                }
                call.replace("$x", &self.expr(scope, class, 1)).replace("$y", &self.expr(scope, class, 0))
            }
            13 => format!("{}(DISTINCT {})", self.random.pick(&["min", "max", "avg"]), self.number(scope)),
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

    pub(super) fn number(&mut self, scope: &Scope) -> String {
        let class = *self.random.pick(&[Class::Int, Class::Int, Class::Numeric, Class::Float]);
        self.expr(scope, class, 1)
    }

    pub(super) fn plain_class(&mut self) -> Class {
        let common = [Class::Int, Class::Numeric, Class::Float, Class::Text, Class::Bool, Class::Date, Class::Timestamp];
        if self.random.chance(90) {
            return *self.random.pick(&common);
        }
        *self.random.pick(&[Class::Timestamptz, Class::Time, Class::Interval])
    }

    pub(super) fn plain_type(&mut self) -> PgType {
        self.random
            .pick(&[
                PgType::Int4,
                PgType::Int8,
                // Wide enough for the seconds of a timestamp.
                PgType::Numeric(Some((20, 3))),
                PgType::Text,
                PgType::Bool,
                PgType::Date,
                PgType::Float8,
                PgType::Timestamp,
                PgType::Interval,
            ])
            .clone()
    }

    // Expressions ------------------------------------------------------------------------------------------------------------

    /// A literal of the type.
    pub(super) fn leaf_of(&mut self, ty: &PgType) -> String {
        literal(self.random, ty, Taste { wild: false, ..self.taste })
    }

    pub(super) fn leaf(&mut self, scope: &Scope, wanted: Class) -> String {
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
        self.leaf_of(&ty)
    }

    pub(super) fn expr(&mut self, scope: &Scope, wanted: Class, depth: usize) -> String {
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
        self.call(scope, wanted, d)
    }

    /// A condition.
    pub(super) fn test(&mut self, scope: &Scope, depth: usize) -> String {
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
            5..=7 => self.call(scope, Class::Bool, d),
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
