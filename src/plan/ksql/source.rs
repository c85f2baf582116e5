//! Relations as the rows of a query.
//!
//! A stream is read from its log, or if queries write to it from the node that keeps what they gave. A table is read from its log too,
//! change by change, since what a stream's event is joined with is the table as of that event; a table that a query keeps is folded
//! here once more, from the logs that the query reads.

use std::sync::Arc;

use super::compute::{column, evaluator};
use super::query::Planner;
use super::stage::{Role, Stage, StageColumn};
use crate::catalog::{Earlier, Ksql, KsqlColumn, Properties, Relation, RelationKind, Widths, Writer, ksql_name};
use crate::error::{Error, Result, code, nearest};
use crate::fold::ksql as fold;
use crate::func::ksql::Type;
use crate::func::ksql::columns::of_pg_type;
use crate::sql::ksql::ast::{Query, Source, Statement, WindowKind};
use crate::sql::ksql::parse;

/// One thing that a query reads.
#[derive(Clone, Debug)]
pub struct SourceInput {
    pub relation: Arc<Relation>,
    /// True if it is read from the relation's node, false if from its log.
    pub node: bool,
    /// How its rows are read.
    pub input: fold::Input,
    /// Only events before this position are read.
    pub until: Option<u64>,
    /// True if it is part of a table, which is what all its events make it, and not what comes.
    pub table: bool,
}

/// A persistent query, as it is or was.
struct Version<'a> {
    sql: &'a str,
    widths: &'a Widths,
    properties: &'a Properties,
}

impl<'a> From<&'a Writer> for Version<'a> {
    fn from(writer: &'a Writer) -> Self {
        Version { sql: &writer.sql, widths: &writer.widths, properties: &writer.properties }
    }
}

impl<'a> From<&'a Earlier> for Version<'a> {
    fn from(earlier: &'a Earlier) -> Self {
        Version { sql: &earlier.sql, widths: &earlier.widths, properties: &earlier.properties }
    }
}

/// What ksqlDB's dialect sees of a relation that was made in PostgreSQL's.
pub fn seen(relation: &Relation) -> Result<Ksql> {
    if let Some(ksql) = &relation.ksql {
        return Ok(ksql.as_ref().clone());
    }
    let refuse = |what: &str| {
        Error::unsupported(format!("{what} \"{}\" cannot be read by a query of this dialect", relation.name))
            .hint("Read it in a materialized view: CREATE MATERIALIZED VIEW .. AS SELECT ..")
    };
    let table = match relation.kind {
        RelationKind::Stream => false,
        RelationKind::Table if !relation.key.is_empty() => true,
        RelationKind::Table => return Err(refuse("table without a primary key")),
        other => return Err(refuse(other.word())),
    };
    let mut columns = Vec::with_capacity(relation.columns.len());
    for (i, column) in relation.columns.iter().enumerate() {
        let unknown = || refuse(&format!("column \"{}\" of type {} of", column.name, column.ty));
        let ty = of_pg_type(&column.ty).ok_or_else(unknown)?;
        columns.push(KsqlColumn { name: ksql_name(&column.name), ty, key: relation.key.contains(&i), bound: false });
    }
    Ok(Ksql {
        topic: relation.name.clone(),
        columns,
        table,
        timestamp: None,
        read_only: false,
        window: None,
        properties: Default::default(),
        writers: Vec::new(),
    })
}

/// The kind of window that a relation's rows are in. The sizes do not matter to those who read them.
fn window_kind(ksql: &Ksql) -> Option<WindowKind> {
    ksql.window.as_deref().map(|kind| match kind {
        "SESSION" => WindowKind::Session { gap_ms: 0 },
        _ => WindowKind::Tumbling { size_ms: 0 },
    })
}

impl Planner<'_> {
    /// The relation of a name folded by this dialect. Errors: 42P01.
    pub fn relation(&self, name: &str) -> Result<Arc<Relation>> {
        let plain = crate::catalog::plain_name(name);
        self.catalog.find_public(&plain).cloned().ok_or_else(|| {
            let error = Error::new(code::UNDEFINED_TABLE, format!("relation \"{name}\" does not exist"));
            match nearest(&plain, self.catalog.relations().map(|r| r.name.as_str())) {
                Some(near) => error.hint(format!("Perhaps you meant \"{near}\".")),
                None => error,
            }
        })
    }

    /// The rows of a relation in FROM or JOIN.
    pub(super) fn source(&mut self, source: &Source) -> Result<Stage> {
        let relation = self.relation(&source.name).map_err(|e| e.at(source.at))?;
        let width = self.widths.get(&relation.id).copied();
        let relation = width.filter(|_| !relation.is_written()).map_or_else(|| relation.clone(), |width| narrowed(&relation, width));
        let alias = source.alias.clone().unwrap_or_else(|| source.name.clone());
        let ksql = seen(&relation).map_err(|e| e.at(source.at))?;
        let first = self.inputs.len();
        let mut stage = self.rows(&relation, &ksql)?;
        self.inputs.iter_mut().skip(first).for_each(|input| input.table |= ksql.table);
        stage.columns.iter_mut().for_each(|c| c.source = Some(alias.clone()));
        if let Some(width) = width {
            let later = stage.columns.iter_mut().take(ksql.columns.len()).skip(width);
            later.for_each(|column| column.role = Role::Hidden);
        }
        Ok(stage)
    }

    /// The rows of a relation: its columns, then ROWTIME, ROWPARTITION and ROWOFFSET.
    fn rows(&mut self, relation: &Arc<Relation>, ksql: &Ksql) -> Result<Stage> {
        let derived = !ksql.writers.is_empty();
        if derived && (ksql.table || relation.id >= self.reader) {
            let stage = self.written(relation, ksql)?;
            let tree = fold::Tree::node(fold::Stamp::new(ksql.table), vec![stage.tree]);
            return Ok(Stage { tree, ..described(ksql) });
        }
        let tree = self.read(relation, ksql, derived, None);
        let stage = described(ksql);
        if ksql.table {
            let deletes = fold::Tree::node(fold::Upsert::new(relation.name.clone()), vec![tree]);
            return Ok(Stage { tree: deletes, ..stage });
        }
        Ok(Stage { tree, ..stage })
    }

    /// A source of the tree for a relation's events.
    fn read(&mut self, relation: &Arc<Relation>, ksql: &Ksql, node: bool, until: Option<u64>) -> fold::Tree {
        let key = ksql.identity();
        let types = ksql.columns.iter().map(|c| c.ty.clone()).collect();
        let input = fold::Input { types, key, deletes: ksql.table && !node };
        self.inputs.push(SourceInput { relation: relation.clone(), node, input, until, table: false });
        fold::Tree::Source(self.inputs.len() - 1)
    }

    /// What the queries that write to a relation give, and what was appended to it, as rows of its columns.
    pub fn written(&mut self, relation: &Arc<Relation>, ksql: &Ksql) -> Result<Stage> {
        let mut trees = Vec::new();
        for writer in &ksql.writers {
            trees.push(self.writer(ksql, writer)?);
        }
        if !ksql.table && relation.has_log() {
            let tree = self.read(relation, ksql, false, None);
            let width = ksql.columns.len();
            let columns: Vec<fold::Expr> = (0..width).map(|i| evaluator(column(i, &ksql.columns[i].name))).collect();
            let key = ksql.columns.iter().enumerate().filter(|(_, c)| c.key).map(|(i, _)| i).collect();
            trees.push(fold::Tree::node(fold::Project::new(columns, key, relation.name.clone()), vec![tree]));
        }
        let tree = match trees.pop() {
            Some(only) if trees.is_empty() => only,
            last => {
                trees.extend(last);
                fold::Tree::node(fold::Merge, trees)
            }
        };
        let mut stage = described(ksql);
        stage.columns.truncate(ksql.columns.len());
        Ok(Stage { tree, ..stage })
    }

    /// What one query gives, in the columns of the relation that it writes to.
    fn writer(&mut self, sink: &Ksql, writer: &Writer) -> Result<fold::Tree> {
        if sink.table {
            return self.version(sink, writer.into(), writer.until, &writer.earlier);
        }
        // Each version gives the rows of its time; the last one knows what came before, but gives nothing for it.
        let mut trees = Vec::with_capacity(writer.earlier.len() + 1);
        let mut from = 0;
        for earlier in &writer.earlier {
            let until = earlier.until.min(writer.until.unwrap_or(earlier.until));
            trees.push(fold::Tree::node(fold::Since::new(from), vec![self.version(sink, earlier.into(), Some(until), &[])?]));
            from = earlier.until;
        }
        let last = self.version(sink, writer.into(), writer.until, &[])?;
        if trees.is_empty() {
            return Ok(last);
        }
        trees.push(fold::Tree::node(fold::Since::new(from), vec![last]));
        Ok(fold::Tree::node(fold::Merge, trees))
    }

    /// What one version of a query gives over the events before `until`; `earlier`: versions that filtered otherwise before it.
    fn version(&mut self, sink: &Ksql, version: Version<'_>, until: Option<u64>, earlier: &[Earlier]) -> Result<fold::Tree> {
        let first = self.inputs.len();
        let query = select(version.sql)?;
        let conditions = earlier.iter().map(|e| Ok((e.until, select(&e.sql)?.condition))).collect::<Result<Vec<_>>>()?;
        let transient = std::mem::replace(&mut self.transient, false);
        let conditions = std::mem::replace(&mut self.earlier, conditions);
        let widths = std::mem::replace(&mut self.widths, version.widths.clone());
        let properties = std::mem::replace(&mut self.properties, version.properties.clone());
        let given = self.query(&query);
        (self.transient, self.earlier, self.widths, self.properties) = (transient, conditions, widths, properties);
        let mut given = given?;
        for input in self.inputs.iter_mut().skip(first) {
            input.until = input.until.into_iter().chain(until).min();
        }
        if given.table && !sink.table {
            given = given.then(fold::ToStream::new(false));
        }
        if sink.table && !given.table {
            given = given.then(fold::Upsert::new(""));
        }
        given = super::sink::fitted(given, sink)?;
        if let Some(timestamp) = &sink.timestamp {
            given = super::sink::restamped(given, timestamp)?;
        }
        Ok(given.tree)
    }
}

/// A relation with its first columns only: what is read of its log is found by their names.
fn narrowed(relation: &Relation, width: usize) -> Arc<Relation> {
    let mut narrow = Relation { schemas: Default::default(), ..relation.clone() };
    narrow.columns.truncate(width);
    if let Some(ksql) = &mut narrow.ksql {
        ksql.columns.truncate(width);
    }
    Arc::new(narrow)
}

/// The query that a text is.
pub fn select(sql: &str) -> Result<Query> {
    match parse(sql)? {
        Statement::Query(query) => Ok(query),
        _ => Err(Error::internal("a writer is a query")),
    }
}

/// A stage without operators, of a relation's columns and the pseudo columns behind them.
pub(super) fn described(ksql: &Ksql) -> Stage {
    let role = |c: &KsqlColumn| match (c.key, c.bound) {
        (true, _) => Role::Key,
        (_, true) => Role::Bound,
        _ => Role::Value,
    };
    let one = |name: &str, ty: &Type, role: Role| StageColumn { source: None, name: name.to_string(), ty: ty.clone(), role };
    let mut columns: Vec<StageColumn> = ksql.columns.iter().map(|c| one(&c.name, &c.ty, role(c))).collect();
    columns.extend(fold::PSEUDO_COLUMNS.iter().map(|(name, ty)| one(name, ty, Role::Pseudo)));
    Stage { tree: fold::Tree::Source(usize::MAX), columns, table: ksql.table, window: window_kind(ksql) }
}
