//! Where patterns look for names.

use super::query::type_name;
use crate::cli::psql::pattern::Pattern;

/// Where a pattern looks.
pub struct Names {
    /// The column of the schema; empty for what is in none.
    pub schema: &'static str,
    /// Columns of the name, one of which has to match.
    pub names: &'static [&'static str],
    /// What is seen without a schema before it; empty for everything.
    pub visible: &'static str,
    /// How many parts psql allows a pattern to have, even where only the last of them means something.
    pub parts: usize,
    /// Says in another way what the pattern means.
    pub respell: fn(&str) -> String,
    /// The beginning of a subquery that has these columns, up to an AND; empty for none.
    pub within: &'static str,
}

/// What is in no database: roles, tablespaces, and much that has no schema.
pub const fn shared(names: &'static [&'static str]) -> Names {
    Names { schema: "", names, visible: "", parts: 1, respell: str::to_string, within: "" }
}

/// What is in the schema `n`.
pub const fn qualified(names: &'static [&'static str], visible: &'static str) -> Names {
    Names { schema: "n.nspname", parts: 3, visible, ..shared(names) }
}

/// A subquery for a type `t`, which goes on with this.
macro_rules! some_type {
    ($rest:literal) => {
        concat!("EXISTS (SELECT 1 FROM pg_catalog.pg_type t LEFT JOIN pg_catalog.pg_namespace tn ON tn.oid = t.typnamespace ", $rest)
    };
}

pub(super) use some_type;

/// A type `t` in a schema `tn`.
pub const TYPE: Names =
    Names { schema: "tn.nspname", ..qualified(&["t.typname", type_name!("t.oid")], "pg_catalog.pg_type_is_visible(t.oid)") };

impl Names {
    /// The condition that a pattern is; empty for none. Errors: in psql's words.
    pub fn condition(&self, text: &str) -> Result<String, String> {
        let condition = match text {
            "*.*" if !self.schema.is_empty() => String::new(),
            "*" => self.visible.to_string(),
            _ => self.matching(&self.pattern(&(self.respell)(text))?),
        };
        Ok(self.subquery(condition))
    }

    /// The condition without a pattern.
    pub fn unasked(&self) -> String {
        self.subquery(self.visible.to_string())
    }

    fn pattern(&self, text: &str) -> Result<Pattern, String> {
        if !self.schema.is_empty() {
            return Pattern::of_relation(text);
        }
        match 1 + unquoted(text).filter(|c| *c == '.').count() {
            parts if parts > self.parts => Err(format!("improper qualified name (too many dotted names): {text}")),
            parts if parts > 1 && parts == self.parts => Err(format!("cross-database references are not implemented: {text}")),
            // Without a schema a dot is any character, as in any regular expression.
            _ => Pattern::of_schema(&replaced(text, |c| if c == '.' { "?".to_string() } else { c.to_string() })),
        }
    }

    fn matching(&self, pattern: &Pattern) -> String {
        let visible = (!self.visible.is_empty()).then_some(self.visible);
        let any: Vec<String> = self.names.iter().map(|name| pattern.condition(self.schema, name, visible)).collect();
        if any.len() == 1 { any.concat() } else { format!("({})", any.join(" OR ")) }
    }

    fn subquery(&self, condition: String) -> String {
        if condition.is_empty() || self.within.is_empty() { condition } else { format!("{}{condition})", self.within) }
    }
}

/// Names that SQL has for types, and the ones that they are shown by.
const SYNONYMS: [(&str, &str); 3] = [("decimal", "numeric"), ("float", "double precision"), ("int", "integer")];

/// The same for what arrays are of: the catalog's names of arrays are others still.
const ELEMENTS: [(&str, &str); 12] = [
    ("bool", "boolean"),
    ("float4", "real"),
    ("float8", "double precision"),
    ("int2", "smallint"),
    ("int4", "integer"),
    ("int8", "bigint"),
    ("time", "time without time zone"),
    ("timetz", "time with time zone"),
    ("timestamp", "timestamp without time zone"),
    ("timestamptz", "timestamp with time zone"),
    ("varbit", "bit varying"),
    ("varchar", "character varying"),
];

/// The name that a type is shown by, if the pattern is another of its names.
pub fn type_pattern(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let (name, brackets) = lower.strip_suffix("[]").map_or((lower.as_str(), ""), |element| (element, "[]"));
    let elements = if brackets.is_empty() { &[][..] } else { &ELEMENTS[..] };
    let known = SYNONYMS.iter().chain(elements).find(|(synonym, _)| *synonym == name);
    known.map_or(text.to_string(), |(_, shown)| format!("{shown}{brackets}"))
}

/// A pattern of operators: what means something in regular expressions stands for itself there, but for `*` and `?`.
pub fn operator_pattern(text: &str) -> String {
    let quoted = replaced(text, |c| if "|+()[]{}^".contains(c) { format!("\"{c}\"") } else { c.to_string() });
    // Two quotes end one part and begin the next; left there they would be a quote.
    quoted.replace("\"\"", "")
}

/// The characters outside of double quotes.
fn unquoted(text: &str) -> impl Iterator<Item = char> {
    text.split('"').step_by(2).flat_map(str::chars)
}

/// The text with something else for each character outside of double quotes.
fn replaced(text: &str, other: impl Fn(char) -> String) -> String {
    let part = |(i, part): (usize, &str)| if i % 2 == 0 { part.chars().map(&other).collect() } else { part.to_string() };
    text.split('"').enumerate().map(part).collect::<Vec<_>>().join("\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_find_names_by_psqls_rules() {
        let table = qualified(&["c.relname"], "seen(c.oid)");
        let role = shared(&["r.rolname"]);
        let privileges = Names { parts: 3, ..shared(&["n.nspname", "d.owner"]) };
        for (names, text, condition) in [
            (&table, "a*", "c.relname ~ '^(a.*)$' AND seen(c.oid)"),
            (&table, "s.a", "c.relname ~ '^(a)$' AND n.nspname ~ '^(s)$'"),
            (&table, "*", "seen(c.oid)"),
            (&table, "*.*", ""),
            (&role, "*", ""),
            (&role, "\"a.b\"", "r.rolname ~  E'^(a\\\\.b)$'"),
            (&privileges, "a.b", "(n.nspname ~ '^(a.b)$' OR d.owner ~ '^(a.b)$')"),
        ] {
            assert_eq!(names.condition(text).as_deref(), Ok(condition), "{text}");
        }
        assert_eq!(role.condition("a.b"), Err("improper qualified name (too many dotted names): a.b".into()));
        assert_eq!(privileges.condition("a.b.c"), Err("cross-database references are not implemented: a.b.c".into()));
        assert_eq!(table.unasked(), "seen(c.oid)");
    }

    #[test]
    fn types_and_operators_are_spelled_as_the_catalogs_have_them() {
        for (text, shown) in
            [("INT", "integer"), ("int8", "int8"), ("int8[]", "bigint[]"), ("float[]", "double precision[]"), ("\"int\"", "\"int\"")]
        {
            assert_eq!(type_pattern(text), shown);
        }
        assert_eq!(["||", "*+?", "a.\"|\"+"].map(operator_pattern), ["\"||\"", "*\"+\"?", "a.\"|+\""]);
    }
}
