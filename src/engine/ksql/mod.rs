//! ksqlDB's dialect. The life of a statement of it:
//!
//! 1. [`Session::ksql_statement`] looks at a text: what only ksqlDB has is this dialect's; INSERT, DELETE, DROP and SELECT are so when the
//!    relation that they name was made in it. All else is PostgreSQL's.
//! 2. [`Session::run_ksql`] is the one match over its statements.
//! 3. CREATE ([`create`]) becomes a relation of the catalog: one that is appended to has a log, one that a query writes to a node, whose
//!    operators the plan makes of the query ([`node`]), anew at each start. INSERT INTO .. SELECT adds a writer to a stream.
//! 4. INSERT VALUES ([`insert`]) appends to the relation's log, and to those of all relations that share its topic.
//! 5. A pull query ([`pull`]) reads the rows of one relation at a cut. A push query ([`push`]) folds the log from where it begins, and
//!    goes on as the log grows.
//! 6. What shows and describes is in [`show`], TERMINATE, PAUSE and RESUME in [`control`], ASSERT in [`mod@assert`].
//!
//! Decision: a plain SELECT over this dialect's relations is tried as a pull query, with its NULLs and its pseudo columns; what that
//! has no word for (joins, ORDER BY, PostgreSQL's functions) is PostgreSQL's, so that no tool notices which dialect made a relation.

pub mod alter;
pub mod assert;
pub mod control;
pub mod create;
pub mod insert;
pub mod node;
pub mod print;
mod privileges;
pub mod pull;
pub mod push;
pub mod show;

use std::collections::{BTreeMap, HashMap};

use arrow::array::{RecordBatch, StringViewArray};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use std::sync::Arc;

use super::session::{Column, Response, Session};
use crate::catalog::{Name, Properties, QUERY_PROPERTIES, plain_name};
use crate::data::PgType;
use crate::error::{Error, Result, code};
use crate::plan::ksql::define::Defaults;
use crate::sql::ksql::ast::{Shown, Statement};
use crate::sql::ksql::{Form, form, parse, variables};

/// The properties that something here depends on, besides [`QUERY_PROPERTIES`].
const HONORED: &[&str] =
    &["auto.offset.reset", "ksql.output.topic.name.prefix", "ksql.persistence.default.format.value", "ksql.timestamp.throw.on.invalid"];

/// What a session has set in this dialect.
#[derive(Clone, Debug, Default)]
pub struct KsqlSession {
    /// SET 'property' = 'value', by name.
    pub properties: BTreeMap<String, String>,
    /// DEFINE name = 'value', by name in lower case.
    pub variables: HashMap<String, String>,
    /// How many events of each stream ASSERT VALUES has looked at.
    pub asserted: HashMap<crate::catalog::RelationId, usize>,
}

impl KsqlSession {
    /// What CREATE takes where its WITH says nothing.
    pub fn defaults(&self) -> Defaults {
        let of = |name: &str| self.properties.get(name).cloned();
        Defaults {
            value_format: of("ksql.persistence.default.format.value"),
            topic_prefix: of("ksql.output.topic.name.prefix").unwrap_or_default(),
        }
    }

    /// True if push queries begin with the first event.
    pub fn earliest(&self) -> bool {
        self.properties.get("auto.offset.reset").is_some_and(|v| v.eq_ignore_ascii_case("earliest"))
    }

    /// What a query that is made now keeps of the properties.
    pub fn of_queries(&self) -> Properties {
        let kept = self.properties.iter().filter(|(name, _)| QUERY_PROPERTIES.contains(&name.as_str()));
        kept.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    fn flag(&self, name: &str) -> bool {
        self.properties.get(name).is_some_and(|v| v.eq_ignore_ascii_case("true"))
    }
}

/// True for an ALTER that only PostgreSQL's dialect has words for.
fn is_plain_alter(text: &str) -> bool {
    let begins = text.trim_start().get(..5).is_some_and(|word| word.eq_ignore_ascii_case("alter"));
    begins && parse(text).is_err() && crate::sql::parse(text).is_ok()
}

impl Session {
    /// The statement of this dialect that a text is, or `None` if it is PostgreSQL's. Errors: 42601 for one that is surely ksqlDB's.
    pub(super) fn ksql_statement(&self, text: &str) -> Result<Option<Statement>> {
        let text = self.substituted(text)?;
        match form(&text) {
            Form::No => Ok(None),
            Form::Sure if is_plain_alter(&text) => Ok(None),
            Form::Sure => match parse(&text).map_err(|e| or_view(&text, e))? {
                // The listing of PostgreSQL's dialect says more, where there is nothing of this one.
                Statement::Show { what: Shown::Streams | Shown::Tables, extended: false }
                    if self.engine.catalog().ksql_relations().next().is_none() =>
                {
                    Ok(None)
                }
                // Both dialects have ALTER .. ADD: it is the one in which the relation was made.
                Statement::Alter { name, .. } if self.scope().find(&Name::bare(plain_name(&name))).is_some_and(|r| r.ksql.is_none()) => {
                    Ok(None)
                }
                // Both have DROP TYPE: it is the one that has the type.
                Statement::DropType { name, .. } if self.is_plain_type(&name) => Ok(None),
                statement => Ok(Some(statement)),
            },
            Form::Depends(names) => {
                let scope = self.scope();
                let ours = |name: &String| scope.find(&Name::bare(plain_name(name))).is_some_and(|r| r.ksql.is_some());
                if !names.iter().any(ours) {
                    return Ok(None);
                }
                match parse(&text) {
                    Ok(Statement::Query(query)) if query.emit.is_none() && self.is_left_to_postgres(&query) => Ok(None),
                    Ok(statement) => Ok(Some(statement)),
                    // What the grammar of ksqlDB has no words for may well be PostgreSQL's.
                    Err(e) => match crate::sql::parse(&text) {
                        // A table of ksqlDB's relations goes on for ever; it would not as PostgreSQL's.
                        Ok(crate::sql::Statement::CreateTableAs { .. }) => Err(or_view(&text, e)),
                        Ok(_) => Ok(None),
                        Err(_) => Err(e),
                    },
                }
            }
        }
    }

    /// True for the name of a type that PostgreSQL's dialect has, or none.
    fn is_plain_type(&self, name: &str) -> bool {
        let scope = self.scope();
        scope.find_type(&Name::bare(plain_name(name))).is_some() || scope.named_type(name).is_none()
    }

    /// The text with what DEFINE has given in the place of `${name}`.
    pub(super) fn substituted(&self, text: &str) -> Result<String> {
        if self.ksql.variables.is_empty() {
            return Ok(text.to_string());
        }
        variables(text, &self.ksql.variables)
    }

    /// The columns that a statement answers.
    pub(super) fn ksql_columns(&self, statement: &Statement) -> Result<Option<Vec<Column>>> {
        Ok(match statement {
            Statement::Query(query) if query.emit.is_none() => Some(self.plan_pull(query)?.columns()),
            Statement::Query(query) => Some(self.plan_push(query)?.columns()),
            Statement::Show { what, extended } => Some(columns(show::shown_columns(*what, *extended))),
            Statement::Describe { .. } | Statement::DescribeAll { .. } => Some(columns(show::DESCRIBED)),
            Statement::DescribeFunction(_) => Some(columns(show::FUNCTION)),
            Statement::Explain(_) => Some(super::explain::columns(false)),
            Statement::Print { .. } => Some(columns(print::PRINTED)),
            _ => None,
        })
    }

    /// Runs a statement of this dialect.
    pub(super) async fn run_ksql(&mut self, text: &str, statement: &Statement) -> Result<Response> {
        self.may_ksql(statement)?;
        let done = |tag: &str| Ok(Response::Done(tag.to_string()));
        match statement {
            Statement::Create(create) => self.ksql_create(text, create).await,
            Statement::InsertSelect { name, with, query } => self.ksql_insert_select(text, name, with, query).await,
            Statement::InsertValues { name, columns, rows } => self.ksql_insert(name, columns, rows).await,
            Statement::Delete { name, condition } => self.ksql_delete(name, condition.as_ref()).await,
            Statement::Alter { kind, name, columns } => self.ksql_alter(*kind, name, columns).await,
            Statement::Drop { kind, name, if_exists, delete_topic, cascade } => {
                self.ksql_drop(*kind, name, *if_exists, *delete_topic, *cascade).await
            }
            Statement::CreateType { name, ty, if_not_exists } => self.ksql_create_type(name, ty, *if_not_exists).await,
            Statement::DropType { name, if_exists } => self.ksql_drop_type(name, *if_exists).await,
            Statement::Query(query) if query.emit.is_none() => self.pull(query).await,
            Statement::Query(query) => self.push(query, self.ksql.earliest()).await,
            Statement::Control { action, query } => self.ksql_control(*action, query.as_deref()).await,
            Statement::Explain(what) => self.ksql_explain(what).await,
            Statement::Show { what, extended } => self.ksql_show(*what, *extended),
            Statement::Describe { name, extended } => self.ksql_describe(name, *extended),
            Statement::DescribeAll { kind, extended } => self.ksql_describe_all(*kind, *extended),
            Statement::DescribeFunction(name) => show::describe_function(name),
            Statement::Print { topic, from_beginning, interval, limit } => self.print(topic, *from_beginning, *interval, *limit).await,
            Statement::Set { property, value } => {
                let name = property.to_lowercase();
                if QUERY_PROPERTIES.contains(&name.as_str()) && value.trim().parse::<i64>().is_err() {
                    let message = format!("invalid value for property \"{property}\": \"{value}\"");
                    return Err(
                        Error::new(code::INVALID_PARAMETER_VALUE, message).hint("It is a whole number; a negative one is no limit.")
                    );
                }
                if !HONORED.contains(&name.as_str()) && !QUERY_PROPERTIES.contains(&name.as_str()) {
                    let message = format!("property \"{property}\" is kept, but nothing here depends on it");
                    self.notice("NOTICE", Error::new(code::SUCCESS, message));
                }
                self.ksql.properties.insert(name, value.clone());
                done("SET")
            }
            Statement::Unset { property } => {
                self.ksql.properties.remove(&property.to_lowercase());
                done("UNSET")
            }
            Statement::Define { name, value } => {
                self.ksql.variables.insert(name.to_lowercase(), value.clone());
                done("DEFINE")
            }
            Statement::Undefine { name } => {
                if self.ksql.variables.remove(&name.to_lowercase()).is_none() {
                    self.notice("WARNING", Error::new(code::WARNING, format!("variable \"{name}\" is not defined")));
                }
                done("UNDEFINE")
            }
            Statement::RunScript { .. } => Err(Error::unsupported("RUN SCRIPT is the client's: the server reads no files of yours")
                .hint("Use \\i in psql, or everfold run.")),
            Statement::Assert(assert) => self.ksql_assert(assert).await,
            Statement::Refused { what, hint } => Err(Error::unsupported(format!("{what} is not supported")).hint(*hint)),
        }
    }
}

impl Session {
    /// The columns and the rows of a query of this dialect, for COPY and for a cursor.
    pub(super) async fn rows_pushed(&mut self, text: &str) -> Result<(Vec<Column>, SendableRecordBatchStream)> {
        let Some(statement) = self.ksql_statement(text)? else { return Err(Error::syntax("not a query of ksqlDB's dialect")) };
        match self.run_ksql(text, &statement).await? {
            Response::Rows { columns, stream, .. } => Ok((columns, stream)),
            Response::Batch { columns, batch, .. } => {
                let (schema, rows) = (batch.schema(), futures::stream::iter([Ok(batch)]));
                Ok((columns.to_vec(), Box::pin(RecordBatchStreamAdapter::new(schema, rows))))
            }
            _ => Err(Error::syntax("it needs a query")),
        }
    }
}

/// An error of CREATE .. AS SELECT; one of grammar with what takes any query.
fn or_view(text: &str, error: Error) -> Error {
    let has = |word: &str| text.split(|c: char| !c.is_alphanumeric()).any(|w| w.eq_ignore_ascii_case(word));
    if error.code() != code::SYNTAX_ERROR || error.fields().hint.is_some() || !(has("create") && has("select")) {
        return error;
    }
    error.hint("CREATE STREAM and CREATE TABLE .. AS take queries of ksqlDB's dialect; CREATE MATERIALIZED VIEW name AS takes any query.")
}

/// Columns of text by name.
fn columns(names: &[&str]) -> Vec<Column> {
    names.iter().map(|name| Column::new(*name, PgType::Text)).collect()
}

/// Rows of text.
fn listing(word: &str, names: &[&str], rows: Vec<Vec<Option<String>>>) -> Result<Response> {
    let schema = Schema::new(names.iter().map(|n| Field::new(*n, DataType::Utf8View, true)).collect::<Vec<_>>());
    let column = |i: usize| Arc::new(rows.iter().map(|row| row[i].as_deref()).collect::<StringViewArray>()) as _;
    let batch = RecordBatch::try_new(Arc::new(schema), (0..names.len()).map(column).collect())?;
    Ok(Response::Batch { word: word.to_string(), columns: columns(names).into(), batch })
}
