//! Names in a text that is kept or shown: schemas are put before them, and those in literals follow what they name. Everything else stays
//! as it was written.
//!
//! The names are those of relations in FROM that are not CTEs, also as the argument of a window function, and those of relations and
//! sequences in literals: `'name'::regclass`, `nextval('name')`.

use std::ops::ControlFlow;
use std::sync::Arc;

use sqlparser::ast::{
    ArrayElemTypeDef, DataType, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName, Query, TableFactor, Value,
    ValueWithSpan, Visit, Visitor,
};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

use super::convert::{name_parts, relation_name};
use super::edits::replaced;
use super::parse::written_query;
use super::split::{LineIndex, char_position};
use super::{fold_name, windows};
use crate::catalog::{Catalog, Name, PUBLIC_NAMESPACE, Sequence};
use crate::data::quoting::ident;
use crate::error::Result;

/// Functions that take the name of a sequence.
const OF_SEQUENCES: [&str; 3] = ["nextval", "currval", "setval"];
/// What makes a query of an expression.
pub const SELECT: &str = "SELECT ";

/// The schema to be put before an unqualified name, if any.
pub type SchemaOf<'a> = &'a dyn Fn(&str) -> Option<String>;
/// The text in the place of the name of a user's type, if it is one.
pub type TypeOf<'a> = &'a dyn Fn(&Name) -> Option<String>;
/// The new name of what has that name, if it has another one.
pub type Renamed<'a> = &'a dyn Fn(&Name) -> Option<Name>;

/// A query with a schema before each unqualified name for which `schema_of` has one, and types by the names that `type_of` has for them.
/// Errors: 42601.
pub fn query(sql: &str, schema_of: SchemaOf<'_>, type_of: TypeOf<'_>) -> Result<String> {
    edited(sql, What::Qualify(schema_of, type_of))
}

/// The same for an expression.
pub fn expression(sql: &str, schema_of: SchemaOf<'_>, type_of: TypeOf<'_>) -> Result<String> {
    query(&format!("{SELECT}{sql}"), schema_of, type_of).map(|text| text[SELECT.len()..].to_string())
}

/// A query with other names in its literals. Errors: 42601.
pub fn literals(sql: &str, renamed: Renamed<'_>) -> Result<String> {
    let lower = sql.to_ascii_lowercase();
    if !OF_SEQUENCES.iter().chain(&["regclass"]).any(|word| lower.contains(word)) {
        return Ok(sql.to_string());
    }
    edited(sql, What::Rename(renamed))
}

/// The same for an expression.
pub fn literals_of_expression(sql: &str, renamed: Renamed<'_>) -> Result<String> {
    literals(&format!("{SELECT}{sql}"), renamed).map(|text| text[SELECT.len()..].to_string())
}

/// A query with other texts in the place of those of its literals for which there is one. Errors: 42601.
pub fn texts(sql: &str, instead: &mut dyn FnMut(&str) -> Option<String>) -> Result<String> {
    let query = written_query(sql)?;
    let mut texts = Texts { sql, instead, edits: vec![] };
    let _ = Visit::visit(query.as_ref(), &mut texts);
    Ok(replaced(sql, texts.edits))
}

/// The name that a text such as `schema."Name"` is.
pub fn read_name(text: &str) -> Option<Name> {
    let mut parts = name_parts(text).ok()?;
    let name = parts.pop()?;
    Some(Name { schema: parts.pop(), name })
}

/// An expression with the types that it casts to in lower case, as PostgreSQL prints them; what is no SQL stays as it is.
pub fn with_plain_types(sql: &str) -> String {
    let Ok(tokens) = Tokenizer::new(&PostgreSqlDialect {}, sql).tokenize_with_location() else { return sql.to_string() };
    let (mut text, mut index, mut cast) = (sql.to_string(), LineIndex::new(sql), false);
    for TokenWithSpan { token, span } in &tokens {
        if let (true, Token::Word(word)) = (cast, token)
            && word.quote_style.is_none()
        {
            let at = index.byte(span.start);
            text.get_mut(at..at + word.value.len()).into_iter().for_each(str::make_ascii_lowercase);
        }
        cast = *token == Token::DoubleColon;
    }
    text
}

/// The sequence that a default takes its numbers from, if it is `nextval('..')` and nothing else; of a text that the catalog keeps.
pub fn sequence_of_default<'a>(catalog: &'a Catalog, default: &str) -> Option<&'a Arc<Sequence>> {
    const CAST: &str = "::regclass";
    let argument = default.trim().strip_prefix("nextval(")?.strip_suffix(')')?.trim();
    let start = argument.len().checked_sub(CAST.len()).filter(|at| argument.is_char_boundary(*at));
    let cast = start.filter(|at| argument[*at..].eq_ignore_ascii_case(CAST));
    let quoted = argument[..cast.unwrap_or(argument.len())].trim().strip_prefix('\'')?.strip_suffix('\'')?;
    let name = read_name(&quoted.replace("''", "'"))?;
    let namespace = name.schema.as_ref().map_or(Some(PUBLIC_NAMESPACE), |schema| catalog.namespace_id(schema))?;
    catalog.find_sequence_in(namespace, &name.name)
}

fn edited(sql: &str, what: What<'_>) -> Result<String> {
    let query = written_query(sql)?;
    let mut finder = Finder { sql, what, open: vec![], edits: vec![] };
    let _ = Visit::visit(query.as_ref(), &mut finder);
    Ok(replaced(sql, finder.edits))
}

enum What<'a> {
    Qualify(SchemaOf<'a>, TypeOf<'a>),
    Rename(Renamed<'a>),
}

struct Finder<'a> {
    sql: &'a str,
    what: What<'a>,
    /// The queries around the place at hand.
    open: Vec<Level>,
    /// What is put in the place of which characters, from and to.
    edits: Vec<(usize, usize, String)>,
}

/// What a query's WITH defines.
#[derive(Default)]
struct Level {
    known: Vec<String>,
    /// CTEs that are known to what stands behind them only: which query, and its name.
    to_come: Vec<(*const Query, String)>,
}

impl Finder<'_> {
    fn character(&self, at: Location) -> usize {
        char_position(self.sql, at) - 1
    }

    fn named(&mut self, name: &Ident) {
        let What::Qualify(schema_of, _) = &self.what else { return };
        let folded = fold_name(name);
        if self.open.iter().any(|level| level.known.contains(&folded)) {
            return;
        }
        if let Some(schema) = schema_of(&folded) {
            let at = self.character(name.span.start);
            self.edits.push((at, at, format!("{}.", ident(&schema))));
        }
    }

    /// A type is named as the catalog keeps it, whatever it is called later.
    fn typed(&mut self, data_type: &DataType) {
        match (&self.what, data_type) {
            (_, DataType::Array(ArrayElemTypeDef::SquareBracket(item, _))) => self.typed(item),
            (What::Qualify(_, type_of), DataType::Custom(name, _)) => {
                let (first, last) = (name.0.first().and_then(|p| p.as_ident()), name.0.last().and_then(|p| p.as_ident()));
                if let (Ok(named), Some(first), Some(last)) = (relation_name(name), first, last)
                    && let Some(kept) = type_of(&named)
                {
                    let place = (self.character(first.span.start), self.character(last.span.end));
                    self.edits.push((place.0, place.1, kept));
                }
            }
            _ => {}
        }
    }

    fn literal(&mut self, value: &ValueWithSpan) {
        let Value::SingleQuotedString(text) = &value.value else { return };
        let Some(name) = read_name(text) else { return };
        let (start, end) = (self.character(value.span.start), self.character(value.span.end));
        let put = |text: String| text.replace('\'', "''");
        match &self.what {
            What::Qualify(schema_of, _) if name.schema.is_none() => {
                if let Some(schema) = schema_of(&name.name) {
                    self.edits.push((start + 1, start + 1, put(format!("{}.", ident(&schema)))));
                }
            }
            What::Rename(renamed) => {
                if let Some(new) = renamed(&name) {
                    self.edits.push((start, end, format!("'{}'", put(new.in_sql()))));
                }
            }
            What::Qualify(..) => {}
        }
    }
}

impl Visitor for Finder<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let mut level = Level::default();
        for (with, cte) in query.with.iter().flat_map(|with| with.cte_tables.iter().map(move |cte| (with, cte))) {
            let name = fold_name(&cte.alias.name);
            match with.recursive {
                true => level.known.push(name),
                false => level.to_come.push((cte.query.as_ref(), name)),
            }
        }
        self.open.push(level);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        self.open.pop();
        if let Some(around) = self.open.last_mut()
            && let Some(i) = around.to_come.iter().position(|(cte, _)| std::ptr::eq(*cte, query))
        {
            let (_, name) = around.to_come.remove(i);
            around.known.push(name);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        match factor {
            TableFactor::Table { name, args: None, .. } if let [part] = name.0.as_slice() => {
                if let Some(name) = part.as_ident() {
                    self.named(name);
                }
            }
            other => {
                if let Some(name) = windows::relation_of(other) {
                    self.named(name);
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Cast { expr, data_type, .. } if is_regclass(data_type) => {
                if let Expr::Value(value) = expr.as_ref() {
                    self.literal(value);
                }
            }
            Expr::Cast { data_type, .. } => self.typed(data_type),
            Expr::Function(f) if OF_SEQUENCES.contains(&last_of(&f.name).as_str()) => {
                if let FunctionArguments::List(list) = &f.args
                    && let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(value)))) = list.args.first()
                {
                    self.literal(value);
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

struct Texts<'a> {
    sql: &'a str,
    instead: &'a mut dyn FnMut(&str) -> Option<String>,
    edits: Vec<(usize, usize, String)>,
}

impl Visitor for Texts<'_> {
    type Break = ();

    fn pre_visit_value(&mut self, value: &ValueWithSpan) -> ControlFlow<()> {
        if let Value::SingleQuotedString(text) = &value.value
            && let Some(new) = (self.instead)(text)
        {
            let place = |at: Location| char_position(self.sql, at) - 1;
            self.edits.push((place(value.span.start), place(value.span.end), format!("'{}'", new.replace('\'', "''"))));
        }
        ControlFlow::Continue(())
    }
}

fn last_of(name: &ObjectName) -> String {
    name.0.last().and_then(|part| part.as_ident()).map(fold_name).unwrap_or_default()
}

fn is_regclass(data_type: &DataType) -> bool {
    match data_type {
        DataType::Regclass => true,
        DataType::Custom(name, _) => last_of(name) == "regclass",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything called `t` or `S` is in schema `a`.
    fn respelt(sql: &str) -> String {
        query(sql, &|name| ["t", "S"].contains(&name).then(|| "a".to_string()), &|_| None).unwrap()
    }

    #[test]
    fn types_of_casts_are_in_lower_case_and_literals_stay_as_they_are() {
        let sql = "a <> 'it''s::TEXT'::TEXT AND \"é\"\"A\" <> E'a\\\\b'::VARCHAR\n AND b::\"T\" = B::Int";
        let shown = "a <> 'it''s::TEXT'::text AND \"é\"\"A\" <> E'a\\\\b'::varchar\n AND b::\"T\" = B::int";
        assert_eq!(with_plain_types(sql), shown);
    }

    #[test]
    fn names_of_relations_get_a_schema_and_nothing_else_does() {
        assert_eq!(
            respelt("SELECT t.x -- é t\n FROM t, u AS t2 JOIN b.t ON t.x = 1"),
            "SELECT t.x -- é t\n FROM a.t, u AS t2 JOIN b.t ON t.x = 1"
        );
        assert_eq!(respelt("SELECT (SELECT max(x) FROM T) FROM \"S\""), "SELECT (SELECT max(x) FROM a.T) FROM a.\"S\"");
        assert_eq!(respelt("SELECT 't' FROM s WHERE x IN (SELECT 1 FROM t)"), "SELECT 't' FROM s WHERE x IN (SELECT 1 FROM a.t)");
        assert_eq!(respelt("SELECT * FROM TUMBLE(t, at, '1 hour')"), "SELECT * FROM TUMBLE(a.t, at, '1 hour')");
        assert_eq!(
            respelt("SELECT * FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(at), '1 hour'))"),
            "SELECT * FROM TABLE(TUMBLE(TABLE a.t, DESCRIPTOR(at), '1 hour'))"
        );
    }

    #[test]
    fn the_name_of_a_cte_is_not_a_relations() {
        assert_eq!(respelt("WITH t AS (SELECT 1) SELECT * FROM t"), "WITH t AS (SELECT 1) SELECT * FROM t");
        assert_eq!(respelt("WITH t AS (SELECT * FROM t) SELECT * FROM t"), "WITH t AS (SELECT * FROM a.t) SELECT * FROM t");
        assert_eq!(
            respelt("SELECT * FROM (WITH t AS (SELECT 1) SELECT * FROM t) q, t"),
            "SELECT * FROM (WITH t AS (SELECT 1) SELECT * FROM t) q, a.t"
        );
        assert_eq!(
            respelt("WITH RECURSIVE t AS (SELECT 1 UNION SELECT * FROM t) SELECT 1"),
            "WITH RECURSIVE t AS (SELECT 1 UNION SELECT * FROM t) SELECT 1"
        );
    }

    #[test]
    fn literals_that_name_something_get_one_too() {
        let respelt = |sql: &str| expression(sql, &|name| ["t", "S"].contains(&name).then(|| "a".to_string()), &|_| None).unwrap();
        assert_eq!(respelt("nextval('t'::regclass) + nextval('\"S\"')"), "nextval('a.t'::regclass) + nextval('a.\"S\"')");
        assert_eq!(respelt("coalesce('t', currval('b.t'))"), "coalesce('t', currval('b.t'))");
    }

    #[test]
    fn types_of_users_are_named_as_they_are_kept() {
        let kept = |sql: &str| expression(sql, &|_| None, &|name| (name.name == "Mood").then(|| "\"enum 7\"".to_string())).unwrap();
        assert_eq!(kept("'é'::\"Mood\" = CAST(x AS s.\"Mood\"[])"), "'é'::\"enum 7\" = CAST(x AS \"enum 7\"[])");
        assert_eq!(kept("'é'::Mood::text"), "'é'::Mood::text");
    }

    #[test]
    fn literals_get_other_texts_wherever_they_stand() {
        let spelt = |sql: &str| texts(sql, &mut |text| (text == "a").then(|| "it's".to_string())).unwrap();
        assert_eq!(
            spelt("SELECT 'é', date 'a' FROM t WHERE x IN ('a', 'b', E'a')"),
            "SELECT 'é', date 'it''s' FROM t WHERE x IN ('it''s', 'b', E'a')"
        );
    }

    #[test]
    fn literals_follow_what_they_name() {
        let (old, new) = (Name::bare("s"), Name::qualified("b", "It's"));
        let renamed = |sql: &str| literals_of_expression(sql, &|name| (*name == old).then(|| new.clone())).unwrap();
        assert_eq!(renamed("'é' || nextval('s') || 's'"), "'é' || nextval('b.\"It''s\"') || 's'");
        assert_eq!(renamed("nextval('S'::regclass) + currval('a.s')"), "nextval('b.\"It''s\"'::regclass) + currval('a.s')");
    }
}
