//! Patterns of names, as `\d` and its kind take them: `t*`, `app.*`, `"Odd Name"`.
//!
//! Manual: psql, "Patterns".

use super::variables::quoted_literal;

/// The database that a session is in, which may stand before a schema.
const DATABASE: &str = "everfold";

/// What a pattern asks for: regular expressions for whole names.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    schema: Option<String>,
    name: String,
}

impl Pattern {
    /// The pattern of a relation, with a schema and a database before it or not. Errors: in psql's words.
    pub fn of_relation(text: &str) -> Result<Pattern, String> {
        let mut parts = parts(text);
        if parts.len() > 3 {
            return Err(format!("improper qualified name (too many dotted names): {text}"));
        }
        if parts.len() == 3 && parts.remove(0).plain != DATABASE {
            return Err(format!("cross-database references are not implemented: {text}"));
        }
        let name = parts.pop().unwrap_or_default().regex;
        Ok(Pattern { schema: parts.pop().map(|part| part.regex), name })
    }

    /// The pattern of a schema, with a database before it or not. Errors: in psql's words.
    pub fn of_schema(text: &str) -> Result<Pattern, String> {
        let mut parts = parts(text);
        if parts.len() > 2 {
            return Err(format!("improper qualified name (too many dotted names): {text}"));
        }
        if parts.len() == 2 && parts.remove(0).plain != DATABASE {
            return Err(format!("cross-database references are not implemented: {text}"));
        }
        Ok(Pattern { schema: None, name: parts.pop().unwrap_or_default().regex })
    }

    /// The condition that it is, on these columns. Without a schema it finds what is seen without one, by the condition `visible`.
    pub fn condition(&self, schema: &str, name: &str, visible: Option<&str>) -> String {
        let matches = |column: &str, regex: &str| format!("{column} ~ {}", quoted_literal(&format!("^({regex})$")));
        let place = self.schema.as_ref().map(|regex| matches(schema, regex)).or(visible.map(str::to_string));
        [Some(matches(name, &self.name)), place].into_iter().flatten().collect::<Vec<_>>().join(" AND ")
    }
}

/// A part of a dotted name: as a regular expression, and as it is written, quotes taken away.
#[derive(Default)]
struct Part {
    regex: String,
    plain: String,
}

/// Cuts a pattern at the dots outside of quotes. There, letters are folded to lower case, `*` and `?` stand for any characters and
/// any one, and the rest of regular expressions is what it is, but for `$`, which names may have.
fn parts(text: &str) -> Vec<Part> {
    let mut parts = vec![Part::default()];
    let (mut quoted, mut chars) = (false, text.chars().peekable());
    while let Some(c) = chars.next() {
        if c == '"' {
            if !(quoted && chars.next_if_eq(&'"').is_some()) {
                quoted = !quoted;
                continue;
            }
        } else if c == '.' && !quoted {
            parts.push(Part::default());
            continue;
        }
        let c = if quoted { c } else { c.to_ascii_lowercase() };
        let Some(part) = parts.last_mut() else { continue };
        part.plain.push(c);
        match c {
            '*' if !quoted => part.regex.push_str(".*"),
            '?' if !quoted => part.regex.push('.'),
            c => {
                let empty_brackets = c == '[' && chars.peek() == Some(&']');
                if c == '$' || empty_brackets || quoted && "|*+?()[]{}.^\\".contains(c) {
                    part.regex.push('\\');
                }
                part.regex.push(c);
            }
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_psqls() {
        let of = |text: &str| Pattern::of_relation(text).map(|p| p.condition("s", "n", Some("seen")));
        for (text, condition) in [
            ("T*", "n ~ '^(t.*)$' AND seen"),
            ("a?c", "n ~ '^(a.c)$' AND seen"),
            ("App.*", "n ~ '^(.*)$' AND s ~ '^(app)$'"),
            ("EverFold.App.t", "n ~ '^(t)$' AND s ~ '^(app)$'"),
            ("\"A.b\"*.\"c?d|e\"", "n ~  E'^(c\\\\?d\\\\|e)$' AND s ~  E'^(A\\\\.b.*)$'"),
            ("a|b$[0-9]", "n ~  E'^(a|b\\\\$[0-9])$' AND seen"),
            ("\"q\"\"r\"", "n ~ '^(q\"r)$' AND seen"),
        ] {
            assert_eq!(of(text).as_deref(), Ok(condition), "{text}");
        }
        assert_eq!(of("a.b.c"), Err("cross-database references are not implemented: a.b.c".into()));
        assert_eq!(of("a.b.c.d"), Err("improper qualified name (too many dotted names): a.b.c.d".into()));
        assert_eq!(Pattern::of_schema("a*").map(|p| p.condition("", "n", None)).as_deref(), Ok("n ~ '^(a.*)$'"));
    }
}
