//! CREATE STREAM and CREATE TABLE, with columns or AS SELECT; INSERT INTO .. SELECT; CREATE TYPE.

use std::sync::Arc;

use super::insert::{check_appendable, shares_topic};
use super::node;
use crate::catalog::{Catalog, Change, Ksql, PUBLIC_NAMESPACE, Relation, RelationKind, RoleId, Writer, ksql_name, plain_name};
use crate::engine::ddl::table_node;
use crate::engine::session::{Response, Session};
use crate::error::{Error, Result, code};
use crate::func::ksql::Type;
use crate::limits;
use crate::plan::ksql::define::{declared, derived, plain_columns, planned, query_id, writer};
use crate::plan::ksql::sink::check_fits;
use crate::sql::ksql::ast::{Create, Kind, Properties, Query, TypeName};
use crate::sql::ksql::lex::{Lexeme, Lexer};
use crate::sql::ksql::quoted;

/// The part of a statement's text that is its SELECT, which begins at a character of it.
fn text_from(text: &str, at: usize) -> String {
    let start = text.char_indices().nth(at.saturating_sub(1)).map_or(text.len(), |(i, _)| i);
    text[start..].trim_end().trim_end_matches(';').trim_end().to_string()
}

/// The catalog's entry of a relation of this dialect.
pub(super) fn relation_of(id: u32, owner: RoleId, name: &str, ksql: Ksql, sql: &str, depends_on: Vec<u32>) -> Result<Relation> {
    let columns = plain_columns(&ksql);
    if columns.len() > limits::COLUMNS_MAX {
        return Err(Error::new("54011", format!("a relation has at most {} columns", limits::COLUMNS_MAX)));
    }
    let key = ksql.columns.iter().enumerate().filter(|(_, c)| c.key || c.bound).map(|(i, _)| i).collect();
    let kind = match (ksql.table, ksql.writers.is_empty()) {
        (false, _) => RelationKind::Stream,
        (true, true) => RelationKind::Table,
        (true, false) => RelationKind::MaterializedView,
    };
    let key = if kind == RelationKind::Stream { vec![] } else { key };
    let (sql, ksql) = (sql.trim().to_string(), Some(Box::new(ksql)));
    Ok(Relation { key, depends_on, owner, ksql, ..Relation::new(id, plain_name(name), kind, columns, sql) })
}

fn kind_word(kind: Kind) -> &'static str {
    match kind {
        Kind::Stream => "STREAM",
        Kind::Table => "TABLE",
    }
}

impl Session {
    pub(super) async fn ksql_create(&mut self, text: &str, create: &Create) -> Result<Response> {
        let engine = self.engine.clone();
        let text = self.substituted(text)?;
        let _ddl = self.define_now().await?;
        let catalog = engine.catalog();
        let done = Ok(Response::Done(format!("CREATE {}", kind_word(create.kind))));
        // The relations of this dialect are in the first schema, whatever search_path says.
        if catalog.namespace(PUBLIC_NAMESPACE).is_none() {
            return Err(Error::new(code::INVALID_SCHEMA_NAME, "schema \"public\" does not exist").hint("CREATE SCHEMA public first."));
        }
        let old = catalog.find_public(&plain_name(&create.name)).cloned();
        if let Some(old) = &old
            && !create.or_replace
        {
            self.exists(old.namespace, &old.name, create.if_not_exists)?;
            return done;
        }
        let id = old.as_ref().map_or_else(|| engine.new_id(), |old| old.id);
        let defaults = self.ksql.defaults();
        let (mut ksql, mut depends_on) = match &create.query {
            Some(query) => {
                let mut ksql = derived(create, query, &catalog, id, &defaults)?;
                let word = if create.kind == Kind::Stream { "CSAS" } else { "CTAS" };
                let id = query_id(word, Some(&create.name), engine.log.head());
                ksql.writers.push(writer(id, text_from(&text, query.at), self.ksql.of_queries()));
                (ksql, node::named(&catalog, &[query]))
            }
            None => (declared(create, &catalog, &defaults)?, vec![]),
        };
        if let Some(old) = old {
            self.refuse_in_transaction("CREATE OR REPLACE")?;
            return self.ksql_replace(&catalog, &old, &create.name, ksql, &text, depends_on).await.and(done);
        }
        if !ksql.writers.is_empty()
            && let Some((other, _)) = catalog.ksql_relations().find(|(_, k)| k.topic == ksql.topic)
        {
            let message = format!("topic \"{}\" belongs to \"{}\" already", ksql.topic, other.name);
            return Err(
                Error::unsupported(message).hint("Give the query a topic of its own, and INSERT INTO .. SELECT to add its rows there.")
            );
        }
        let shared = self.topic_source(&catalog, &create.name, &mut ksql, &mut depends_on)?;
        let relation = relation_of(id, old.as_ref().map_or(self.role(), |old| old.owner), &create.name, ksql, &text, depends_on)?;
        let node = match (relation.has_node(), relation.kind) {
            (false, _) => None,
            (true, RelationKind::Table) => Some(table_node(&Arc::new(relation.clone()))?),
            (true, _) => {
                let catalog = catalog.apply(&Change::Create(relation.clone()))?;
                Some(node::node(&engine, &catalog, &Arc::new(relation.clone()))?)
            }
        };
        // What is in the topic already is there before the relation is, and nothing is appended to it in between.
        let _held = match &shared {
            Some(shared) => {
                let held = self.lock_topic(&catalog, shared).await?;
                self.copy_topic(shared, &Arc::new(relation.clone())).await?;
                held
            }
            None => vec![],
        };
        self.cancel.shield(engine.create(relation, node, None)).await?;
        self.created(id);
        done
    }

    /// What a relation over a topic that is there already begins with: over a query's topic it is written by what that gives; over
    /// another's events it answers the relation from which they are to be copied. Errors: 42501 for the topic of another role's relation.
    fn topic_source(&self, catalog: &Catalog, name: &str, ksql: &mut Ksql, depends_on: &mut Vec<u32>) -> Result<Option<Arc<Relation>>> {
        if !ksql.writers.is_empty() {
            return Ok(None);
        }
        let over: Vec<_> = catalog.ksql_relations().filter(|(_, k)| k.topic == ksql.topic).collect();
        over.iter().try_for_each(|(relation, of)| self.may_share_topic(relation, &of.topic))?;
        if let Some((source, of)) = over.iter().find(|(_, k)| !k.writers.is_empty()) {
            let sql = topic_query(source, of, ksql)?;
            let reads = writer(query_id("TOPIC", Some(name), 0), sql, Default::default());
            ksql.writers.push(Writer { topic: true, ..reads });
            depends_on.push(source.id);
            return Ok(None);
        }
        Ok(over.first().map(|(relation, _)| (*relation).clone()))
    }

    /// INSERT INTO stream SELECT: one more writer.
    pub(super) async fn ksql_insert_select(&mut self, text: &str, name: &str, properties: &Properties, query: &Query) -> Result<Response> {
        self.refuse_in_transaction("INSERT INTO .. SELECT as a query")?;
        let engine = self.engine.clone();
        let text = self.substituted(text)?;
        let _ddl = self.define_now().await?;
        let catalog = engine.catalog();
        let relation = catalog.get_public(&plain_name(name))?.clone();
        let Some(sink) = relation.ksql.as_deref() else {
            return Err(Error::unsupported(format!("INSERT INTO \"{name}\" SELECT .. EMIT CHANGES: it was not made in ksqlDB's dialect"))
                .hint("Use CREATE MATERIALIZED VIEW, or leave EMIT CHANGES out to insert the rows that there are now."));
        };
        if sink.table {
            return Err(Error::new(code::WRONG_OBJECT_TYPE, format!("INSERT INTO .. SELECT writes to a stream; \"{name}\" is a table")));
        }
        check_appendable(&relation)?;
        if sink.writers.is_empty() && shares_topic(&catalog, &relation) {
            return Err(Error::unsupported(format!("INSERT INTO \"{name}\" SELECT: it shares its topic with other relations"))
                .hint("Write the query into a stream of its own topic, and declare the others over that."));
        }
        let id = match properties.iter().find(|p| p.name != "QUERY_ID") {
            Some(other) => {
                let message = format!("invalid property \"{}\" in WITH", other.name);
                return Err(Error::new(code::INVALID_PARAMETER_VALUE, message).at(other.at));
            }
            None => properties.first().map(|p| p.value.clone()),
        };
        let id = id.unwrap_or_else(|| query_id("INSERTQUERY", None, engine.log.head()));
        if catalog.ksql_relations().any(|(_, k)| k.writers.iter().any(|w| w.id == id)) {
            return Err(Error::new(code::DUPLICATE_OBJECT, format!("query \"{id}\" already exists")));
        }
        let stage = planned(query, &catalog, relation.id)?;
        if stage.table {
            return Err(Error::new(code::WRONG_OBJECT_TYPE, "the query gives a table, and a stream takes a stream")
                .hint("Use CREATE TABLE .. AS SELECT.")
                .at(query.at));
        }
        check_fits(&stage, sink, name)?;
        let reads = node::named(&catalog, &[query]);
        let above = catalog.with_dependents(relation.id);
        if let Some(own) = reads.iter().find(|id| above.contains(id)).and_then(|id| catalog.by_id(*id)) {
            return Err(Error::new(code::INVALID_OBJECT_DEFINITION, format!("\"{name}\" would feed itself by way of \"{}\"", own.name)));
        }
        let mut sink = sink.clone();
        sink.writers.push(writer(id, text_from(&text, query.at), self.ksql.of_queries()));
        let mut depends_on = relation.depends_on.clone();
        depends_on.extend(reads.into_iter().filter(|id| !relation.depends_on.contains(id)));
        let altered = Relation { ksql: Some(Box::new(sink)), depends_on, ..relation.as_ref().clone() };
        self.alter_in_place(&catalog, altered).await?;
        Ok(Response::Done("CREATE QUERY".into()))
    }

    pub(super) async fn ksql_create_type(&mut self, name: &str, ty: &TypeName, if_not_exists: bool) -> Result<Response> {
        self.refuse_in_transaction("CREATE TYPE")?;
        let engine = self.engine.clone();
        let _ddl = self.define_now().await?;
        let catalog = engine.catalog();
        let done = Ok(Response::Done("CREATE TYPE".into()));
        if catalog.named_type(name).is_some() {
            let exists = Error::new(code::DUPLICATE_OBJECT, format!("type \"{name}\" already exists"));
            if !if_not_exists {
                return Err(exists);
            }
            self.notice("NOTICE", Error::new(code::DUPLICATE_OBJECT, format!("type \"{name}\" already exists, skipping")));
            return done;
        }
        let ty: Type = crate::plan::ksql::expr::resolve_type(ty, &|name| catalog.named_type(name).cloned())?;
        self.cancel.shield(engine.change(&[Change::CreateType(name.to_string(), ty.to_string())], || Ok(()))).await?;
        done
    }

    pub(super) async fn ksql_drop_type(&mut self, name: &str, if_exists: bool) -> Result<Response> {
        self.refuse_in_transaction("DROP TYPE")?;
        let engine = self.engine.clone();
        let _ddl = self.define_now().await?;
        let catalog = engine.catalog();
        if let Some((user, _)) = catalog.ksql_relations().find(|(_, k)| k.writers.iter().any(|w| names_type(w, name))) {
            let message = format!("cannot drop type \"{name}\" because other objects depend on it");
            return Err(Error::new(code::DEPENDENT_OBJECTS_STILL_EXIST, message)
                .detail(format!("A query that writes to \"{}\" names it.", user.name))
                .hint("Drop that first."));
        }
        if catalog.named_type(name).is_none() {
            let missing = Error::new(code::UNDEFINED_OBJECT, format!("type \"{name}\" does not exist"));
            if !if_exists {
                return Err(missing);
            }
            self.notice("NOTICE", Error::new(code::SUCCESS, format!("type \"{name}\" does not exist, skipping")));
        } else {
            self.cancel.shield(engine.change(&[Change::DropType(name.to_string())], || Ok(()))).await?;
        }
        Ok(Response::Done("DROP TYPE".into()))
    }
}

/// The query that reads a query's topic as another relation declares it: keys by place, values by name, of the types declared.
fn topic_query(source: &Relation, of: &Ksql, to: &Ksql) -> Result<String> {
    let mut keys = of.columns.iter().filter(|c| c.key);
    let mut items = Vec::with_capacity(to.columns.len());
    for column in to.columns.iter().filter(|c| !c.bound) {
        let from = if column.key {
            keys.next()
        } else {
            of.columns.iter().find(|c| !c.key && !c.bound && c.name.eq_ignore_ascii_case(&column.name))
        };
        let expr = match from {
            Some(from) if from.ty == column.ty => quoted(&from.name),
            Some(from) if !column.key => format!("CAST({} AS {})", quoted(&from.name), column.ty),
            None if !column.key => format!("CAST(NULL AS {})", column.ty),
            _ => {
                return Err(Error::unsupported(format!("the key of \"{}\" cannot be read as {} {}", source.name, column.name, column.ty))
                    .hint("Declare the key with the type that it has, and re-key it in a query."));
            }
        };
        items.push(format!("{expr} AS {}", quoted(&column.name)));
    }
    Ok(format!("SELECT {} FROM {}", items.join(", "), quoted(&ksql_name(&source.name))))
}

/// True if a query's text, as it is or was, has a type's name among its words: it is read again at each start.
fn names_type(writer: &Writer, name: &str) -> bool {
    let has = |sql: &str| Lexer::new(sql).any(|token| matches!(token.kind, Lexeme::Word(word) | Lexeme::Quoted(word) if word == name));
    has(&writer.sql) || writer.earlier.iter().any(|e| has(&e.sql))
}
