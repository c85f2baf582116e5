//! Functions and operators by the class of what they give, as templates: `$i` and the like stand for an expression of a class, `$a` and
//! the like for a column or a constant of a type, `$k` for a small number that is not 0.
//!
//! They err on no value that is drawn, unless it is a wild one. No text is made of a number with digits
//! behind the point, of which a column has as many here, and each value its own in PostgreSQL.

use everfold::data::PgType;

use super::{Grammar, Scope};
use crate::laws::law::values::Class;

const INT: &[&str] = &[
    "($i + $i)",
    "($i - $i)",
    "($i * $k)",
    "($i / $k)",
    "($i % $k)",
    "abs($i)",
    "(- $i)",
    "($i & $k)",
    "($i | $k)",
    "sign($i)::int",
    "mod($i, $k)",
    "nullif($i, $k)",
    "greatest($i, $i, $k)",
    "least($i, $i)",
    "length($t)",
    "octet_length($t)",
    "strpos($t, $t)",
    "position('b' IN $t)",
    "ascii($t)",
    "extract(day FROM $d)::int",
    "extract(dow FROM $s)::int",
    "extract(hour FROM $m)::int",
    "date_part('month', $d)::int",
    "($d - $d)",
    "($b)::int",
    "cardinality($a)",
    "array_length($w, 1)",
    "($a)[1]",
    "array_position($a, $k)",
    "($j ->> 'a')::int",
    "length($y)",
    "family($e)",
    "masklen($e)",
    "CASE $i WHEN 1 THEN 2 WHEN $k THEN 0 END",
];

const NUMERIC: &[&str] = &[
    "($n + $i)",
    "($n - $n)",
    "($n * 1.25)",
    "($n / $k)",
    "($i * 0.5)",
    "abs($n)",
    "(- $n)",
    "round($n, 1)",
    "trunc($n, 1)",
    "ceil($n)",
    "floor($n)",
    "mod($n, 2.5)",
    "nullif($n, 2.5)",
    "greatest($n, $n)",
    "least($n, $i)",
    "($i)::numeric(30,2)",
    "($n)::numeric(30,1)",
    "extract(epoch FROM $s)",
];

const FLOAT: &[&str] = &[
    "($f + $f)",
    "($f - $f)",
    "($f * $i)",
    "($f / $k)",
    "abs($f)",
    "sqrt(abs($f))",
    "floor($f)",
    "ceil($f)",
    "greatest($f, $f)",
    "($n)::float8",
    "($i)::float8",
    "nullif($f, 1.5)",
];

const TEXT: &[&str] = &[
    "($t || $t)",
    "($t || $i)",
    "upper($t)",
    "lower($t)",
    "initcap($t)",
    "reverse($t)",
    "substr($t, 1, 2)",
    "substring($t FROM 2)",
    "substring($t FROM 'b.*')",
    "left($t, $k - 4)",
    "right($t, 2)",
    "repeat($t, 2)",
    "replace($t, 'a', 'xy')",
    "translate($t, 'ab', 'b')",
    "trim($t)",
    "ltrim($t, 'a')",
    "rtrim($t, 'b%')",
    "lpad($t, $k, '-')",
    "rpad($t, $k, 'ab')",
    "split_part($t, 'b', 1)",
    "overlay($t PLACING 'z' FROM 2 FOR 1)",
    "regexp_replace($t, '[ab]', '<\\&>', 'g')",
    "concat($t, $i, NULL, $b)",
    "concat_ws('-', $t, $t)",
    "format('%s/%s', $t, $i)",
    "md5($t)",
    "quote_literal($t)",
    "nullif($t, 'a')",
    "greatest($t, $t)",
    "($i)::text",
    "($b)::text",
    "($d)::text",
    "($s)::text",
    "($v)::text",
    "($u)::text",
    "($e)::text",
    "host($e)",
    "($t)::varchar(2)",
    "to_char($s, 'YYYY-MM-DD HH24:MI')",
    "to_char($d, 'Dy DD Mon')",
    "to_char($i, 'FM9990')",
    "($j ->> 'a')",
    "($j -> 'b')::text",
    "jsonb_typeof($j)",
    "array_to_string($w, ',', '*')",
    "($w)[1]",
    "encode($y, 'hex')",
    "chr(97 + abs($i % 5)::int)",
    "CASE $t WHEN 'a' THEN 'b' ELSE $t END",
];

const DATE: &[&str] = &[
    "($d + $k)",
    "($d - $k)",
    "($s)::date",
    "date_trunc('month', $s)::date",
    "greatest($d, $d)",
    "make_date(2024, 2, $k)",
    "nullif($d, '2024-02-28')",
];

const TIMESTAMP: &[&str] = &[
    "date_trunc('day', $s)",
    "date_trunc('hour', $s)",
    "($s + '1 day'::interval)",
    "($s - $v)",
    "($s + $v)",
    "($d)::timestamp",
    "($d + $m)",
    "date_bin('2 hours', $s, '2024-01-01')",
    "($z AT TIME ZONE 'UTC')",
    "least($s, $s)",
];

const TIMESTAMPTZ: &[&str] = &["($z + $v)", "($z - '36 hours'::interval)", "date_trunc('day', $z)", "($s AT TIME ZONE 'UTC')"];

const TIME: &[&str] = &["($s)::time", "($m + '90 minutes'::interval)", "greatest($m, $m)"];

const INTERVAL: &[&str] = &[
    "($v + $v)",
    "($v * $k)",
    "(- $v)",
    "($s - $s)",
    "($m - $m)",
    "age($s, '2024-01-01')",
    "justify_hours($v)",
    "make_interval(days => $k)",
];

const BOOL: &[&str] = &[
    "$i IN (1, 3, $k)",
    "$t NOT IN ('a', $t)",
    "$e << '10.0.0.0/8'",
    "$e >>= $e",
    "$e < $e",
    "$t LIKE 'a%'",
    "$t LIKE '_'",
    "$t NOT LIKE '%b'",
    "$t ILIKE 'A%'",
    "$t LIKE $t",
    "$t SIMILAR TO '(a|b)+'",
    "$t ~ '^[ab]+$'",
    "$t !~* 'B'",
    "starts_with($t, 'a')",
    "$i BETWEEN 0 AND $k",
    "$i NOT BETWEEN $i AND $k",
    "$i BETWEEN SYMMETRIC $k AND $i",
    "$n BETWEEN -1 AND 2.5",
    "$s BETWEEN '2024-02-27' AND $s",
    "($b) IS TRUE",
    "($b) IS NOT FALSE",
    "($b) IS UNKNOWN",
    "($b = $b)",
    "$i = ANY ($a)",
    "$t = ANY ($w)",
    "$i <> ALL ($a)",
    "$a @> ARRAY[1]",
    "$a && ARRAY[1, 3]",
    "$a <@ ARRAY[1, 2, 3]",
    "$a = '{1,2}'",
    "$w < '{b}'",
    "$j @> '{\"a\": 1}'",
    "$j ? 'a'",
    "$j = '1'",
    "$y = '\\x61'",
    "($i, $t) = (1, 'a')",
    "($i, $i) < ($k, $i)",
    "($i, $t) IN ((1, 'a'), ($k, 'b'))",
    "$v > '1 day'",
    "$v = $v",
    "$z < '2024-02-28 12:00+00'",
    "$m >= '12:00'",
    "($s, $s) OVERLAPS ('2024-02-27'::timestamp, '2024-02-28'::timestamp)",
    "coalesce($b, false)",
];

/// The templates of a class; none for what has no functions of its own.
fn templates(class: Class) -> &'static [&'static str] {
    match class {
        Class::Int => INT,
        Class::Numeric => NUMERIC,
        Class::Float => FLOAT,
        Class::Text => TEXT,
        Class::Bool => BOOL,
        Class::Date => DATE,
        Class::Timestamp => TIMESTAMP,
        Class::Timestamptz => TIMESTAMPTZ,
        Class::Time => TIME,
        Class::Interval => INTERVAL,
        Class::Other => &[],
    }
}

impl Grammar<'_> {
    /// A call or an operation that gives a value of a class, over expressions that are no deeper than `depth`.
    pub(super) fn call(&mut self, scope: &Scope, class: Class, depth: usize) -> String {
        let templates = templates(class);
        if templates.is_empty() {
            return self.leaf(scope, class);
        }
        let mut parts = self.random.pick(templates).split('$');
        let mut text = parts.next().unwrap_or_default().to_string();
        for part in parts {
            let mut rest = part.chars();
            // A dollar that stands for nothing is one of a pattern.
            match rest.next().and_then(|hole| self.filled(scope, hole, depth)) {
                Some(filled) => text = text + &filled + rest.as_str(),
                None => text = text + "$" + part,
            }
        }
        text
    }

    fn filled(&mut self, scope: &Scope, hole: char, depth: usize) -> Option<String> {
        let class = match hole {
            'i' => Class::Int,
            'n' => Class::Numeric,
            'f' => Class::Float,
            't' => Class::Text,
            'b' => Class::Bool,
            'd' => Class::Date,
            's' => Class::Timestamp,
            'z' => Class::Timestamptz,
            'm' => Class::Time,
            'v' => Class::Interval,
            'a' => return Some(self.of_type(scope, &PgType::Array(Box::new(PgType::Int4)))),
            'w' => return Some(self.of_type(scope, &PgType::Array(Box::new(PgType::Text)))),
            'j' => return Some(self.of_type(scope, &PgType::Jsonb)),
            'u' => return Some(self.of_type(scope, &PgType::Uuid)),
            'e' => return Some(self.of_type(scope, &PgType::Inet)),
            'y' => return Some(self.of_type(scope, &PgType::Bytea)),
            'k' => return Some(self.random.between(2, 5).to_string()),
            _ => return None,
        };
        Some(self.expr(scope, class, depth))
    }

    /// A column of exactly that type, or a constant.
    fn of_type(&mut self, scope: &Scope, ty: &PgType) -> String {
        let fitting: Vec<&String> = scope.iter().filter(|(_, of)| of == ty).map(|(name, _)| name).collect();
        if fitting.is_empty() { self.leaf_of(ty) } else { self.random.pick(&fitting).to_string() }
    }
}
