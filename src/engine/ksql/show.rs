//! SHOW, LIST, DESCRIBE, EXPLAIN.

use std::sync::Arc;

use super::listing;
use crate::catalog::{Catalog, Ksql, Relation, plain_name};
use crate::engine::session::{Response, Session};
use crate::error::{Error, Result, code};
use crate::fold::ksql::Pipeline;
use crate::func::ksql::list;
use crate::plan::ksql::query::Planner;
use crate::plan::ksql::source::seen;
use crate::sql::ksql::ast::{Explained, Kind, Shown, Statement};

/// What DESCRIBE answers: a row per column, and with EXTENDED further facts behind them.
pub const DESCRIBED: &[&str] = &["field", "type"];
/// What DESCRIBE FUNCTION answers.
pub const FUNCTION: &[&str] = &["name", "type", "signature", "description"];

const RELATIONS: &[&str] = &["name", "topic", "key_format", "value_format", "windowed"];
const QUERIES: &[&str] = &["id", "type", "state", "sink", "query"];

/// The columns of SHOW.
pub fn shown_columns(what: Shown, extended: bool) -> &'static [&'static str] {
    match what {
        Shown::Streams | Shown::Tables if extended => DESCRIBED,
        Shown::Streams | Shown::Tables => RELATIONS,
        Shown::Topics { .. } => &["topic", "partitions", "replicas"],
        Shown::Queries => QUERIES,
        Shown::Functions => &["name", "type"],
        Shown::Types => &["name", "schema"],
        Shown::Properties => &["property", "value"],
        Shown::Variables => &["variable", "value"],
    }
}

fn some(text: impl Into<String>) -> Option<String> {
    Some(text.into())
}

/// The format that a relation was declared with.
fn format(ksql: &Ksql, which: &str, default: &str) -> String {
    let of = |name: &str| ksql.properties.get(name).map(|f| f.to_uppercase());
    of(which).or_else(|| of("FORMAT")).unwrap_or_else(|| default.to_string())
}

/// ksqlDB's side of the relations of a kind, those of PostgreSQL's dialect included where it can read them.
fn relations(catalog: &Catalog, kind: Kind) -> Vec<(Arc<Relation>, Ksql)> {
    let of_kind = |r: &Arc<Relation>| seen(r).ok().filter(|k| k.table == (kind == Kind::Table)).map(|k| (r.clone(), k));
    catalog.relations().filter_map(of_kind).collect()
}

impl Session {
    pub(super) fn ksql_show(&mut self, what: Shown, extended: bool) -> Result<Response> {
        match (what, extended) {
            (Shown::Streams, true) => return self.ksql_describe_all(Kind::Stream, true),
            (Shown::Tables, true) => return self.ksql_describe_all(Kind::Table, true),
            _ => {}
        }
        let catalog = self.engine.catalog();
        let rows: Vec<Vec<Option<String>>> = match what {
            Shown::Streams | Shown::Tables => {
                let kind = if what == Shown::Streams { Kind::Stream } else { Kind::Table };
                let row = |(r, k): &(Arc<Relation>, Ksql)| {
                    let windowed = k.window.is_some().to_string();
                    vec![
                        some(&r.name),
                        some(&k.topic),
                        some(format(k, "KEY_FORMAT", "KAFKA")),
                        some(format(k, "VALUE_FORMAT", "JSON")),
                        some(windowed),
                    ]
                };
                relations(&catalog, kind).iter().map(row).collect()
            }
            Shown::Topics { .. } => {
                let mut topics: Vec<String> = catalog.ksql_relations().map(|(_, k)| k.topic.clone()).collect();
                topics.sort_unstable();
                topics.dedup();
                topics.into_iter().map(|t| vec![some(t), some("1"), some("1")]).collect()
            }
            Shown::Queries => queries(&catalog),
            Shown::Functions => functions(),
            Shown::Types => catalog.named_types().map(|(name, ty)| vec![some(name), some(ty.to_string())]).collect(),
            Shown::Properties => self.ksql.properties.iter().map(|(name, value)| vec![some(name), some(value)]).collect(),
            Shown::Variables => {
                let mut variables: Vec<_> = self.ksql.variables.iter().collect();
                variables.sort_unstable();
                variables.into_iter().map(|(name, value)| vec![some(name), some(value)]).collect()
            }
        };
        listing("SHOW", shown_columns(what, extended), rows)
    }

    pub(super) fn ksql_describe(&mut self, name: &str, extended: bool) -> Result<Response> {
        let catalog = self.engine.catalog();
        let relation = catalog.get_public(&plain_name(name))?;
        listing("DESCRIBE", DESCRIBED, self.fields_described(&catalog, relation, &seen(relation)?, extended))
    }

    pub(super) fn ksql_describe_all(&mut self, kind: Kind, extended: bool) -> Result<Response> {
        let catalog = self.engine.catalog();
        let mut rows = Vec::new();
        for (relation, ksql) in relations(&catalog, kind) {
            rows.push(vec![some("Name"), some(&relation.name)]);
            rows.extend(self.fields_described(&catalog, &relation, &ksql, extended));
        }
        listing("DESCRIBE", DESCRIBED, rows)
    }

    fn fields_described(&self, catalog: &Catalog, relation: &Relation, ksql: &Ksql, extended: bool) -> Vec<Vec<Option<String>>> {
        let mark = |key: bool| match (key, ksql.table) {
            (true, true) => " (primary key)",
            (true, false) => " (key)",
            _ => "",
        };
        let mut rows: Vec<Vec<Option<String>>> =
            ksql.columns.iter().map(|c| vec![some(&c.name), some(format!("{}{}", c.ty, mark(c.key)))]).collect();
        if !extended {
            return rows;
        }
        let mut fact = |name: &str, value: String| rows.push(vec![some(format!("[{name}]")), some(value)]);
        fact("type", if ksql.table { "TABLE" } else { "STREAM" }.into());
        fact("topic", ksql.topic.clone());
        fact("key format", format(ksql, "KEY_FORMAT", "KAFKA"));
        fact("value format", format(ksql, "VALUE_FORMAT", "JSON"));
        if let Some(timestamp) = &ksql.timestamp {
            fact("timestamp", timestamp.column.clone());
        }
        if let Some(window) = &ksql.window {
            fact("window", window.clone());
        }
        for writer in &ksql.writers {
            fact(&format!("written by {}", writer.id), writer.sql.clone());
        }
        for reader in catalog.dependents(relation.id) {
            fact("read by", reader.name.clone());
        }
        let events = if relation.has_node() {
            self.engine.node(relation.id).map_or(0, |node| node.with_output(|o| o.rows() as u64))
        } else {
            self.engine.log.count(relation.id)
        };
        fact("rows", events.to_string());
        rows
    }

    pub(super) async fn ksql_explain(&mut self, what: &Explained) -> Result<Response> {
        let catalog = self.engine.catalog();
        let mut lines = Vec::new();
        let query = match what {
            Explained::Query(id) => {
                let writer = catalog.ksql_relations().flat_map(|(_, k)| &k.writers).find(|w| w.id.eq_ignore_ascii_case(id));
                let writer = writer.ok_or_else(|| {
                    Error::new(code::UNDEFINED_OBJECT, format!("query \"{id}\" does not exist")).hint("SHOW QUERIES lists them.")
                })?;
                lines.push(format!("Query {}: {}", writer.id, writer.sql));
                crate::plan::ksql::source::select(&writer.sql)?
            }
            Explained::Statement(statement) => match statement.as_ref() {
                Statement::Query(query) => query.clone(),
                Statement::Create(create) if create.query.is_some() => {
                    create.query.clone().ok_or_else(|| Error::internal("it has a query"))?
                }
                Statement::InsertSelect { query, .. } => query.clone(),
                _ => {
                    return Err(
                        Error::unsupported("EXPLAIN takes a query").hint("EXPLAIN SELECT .., CREATE .. AS SELECT .., or a query's id.")
                    );
                }
            },
        };
        let mut planner =
            Planner::new(&catalog, u32::MAX, matches!(what, Explained::Statement(s) if matches!(s.as_ref(), Statement::Query(_))));
        let stage = planner.query(&query)?;
        for column in stage.columns.iter().filter(|c| !c.name.starts_with(crate::plan::ksql::items::MADE)) {
            let key = if column.role == crate::plan::ksql::stage::Role::Key { " KEY" } else { "" };
            lines.push(format!("Column {} {}{key}", column.name, column.ty));
        }
        for (i, input) in planner.inputs.iter().enumerate() {
            let from = if input.node { "rows of" } else { "log of" };
            lines.push(format!("Input {i}: {from} {}", input.relation.name));
        }
        for report in Pipeline::new(stage.tree).reports() {
            lines.push(format!("{}{} {}", "  ".repeat(report.depth), report.name, report.detail).trim_end().to_string());
        }
        crate::engine::explain::answer(lines, false)
    }
}

fn queries(catalog: &Catalog) -> Vec<Vec<Option<String>>> {
    let mut rows = Vec::new();
    for (relation, ksql) in catalog.ksql_relations() {
        for writer in ksql.writers.iter().filter(|w| !w.topic && !w.is_terminated()) {
            let state = if writer.paused { "PAUSED" } else { "RUNNING" };
            rows.push(vec![some(&writer.id), some("PERSISTENT"), some(state), some(&relation.name), some(&writer.sql)]);
        }
    }
    rows
}

fn functions() -> Vec<Vec<Option<String>>> {
    let kind = |name: &str| match (list::aggregate(name), list::table(name)) {
        (Some(_), _) => "AGGREGATE",
        (_, Some(_)) => "TABLE",
        _ => "SCALAR",
    };
    let mut names: Vec<&str> = list::names().collect();
    names.sort_unstable();
    names.into_iter().map(|name| vec![some(name), some(kind(name))]).collect()
}

/// DESCRIBE FUNCTION: a row per overload, from the functions' own documentation.
pub fn describe_function(name: &str) -> Result<Response> {
    let name = name.to_uppercase();
    let mut rows = Vec::new();
    let mut add = |kind: &str, signature: &str, about: &str| rows.push(vec![some(&name), some(kind), some(signature), some(about)]);
    if let Some(function) = list::scalar(&name) {
        function.overloads.iter().for_each(|o| add("SCALAR", o.signature, function.about));
    }
    if let Some(function) = list::aggregate(&name) {
        function.overloads.iter().for_each(|o| add("AGGREGATE", o.signature, function.about));
    }
    if let Some(function) = list::table(&name) {
        function.overloads.iter().for_each(|o| add("TABLE", o.signature, function.about));
    }
    if rows.is_empty() {
        let error = Error::new(code::UNDEFINED_FUNCTION, format!("function {name} does not exist"));
        return Err(match crate::error::nearest(&name, list::names()) {
            Some(near) => error.hint(format!("Perhaps you meant {near}.")),
            None => error.hint("SHOW FUNCTIONS lists them."),
        });
    }
    listing("DESCRIBE", FUNCTION, rows)
}
