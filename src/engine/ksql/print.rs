//! PRINT: the events of a topic as they are appended.

use crate::catalog::{Privileges, ksql_name, plain_name};
use crate::engine::session::{Response, Session};
use crate::error::{Error, Result, code, nearest};
use crate::plan::ksql::source::select;
use crate::sql::ksql::quoted;

/// What PRINT answers.
pub const PRINTED: &[&str] = &["rowtime", "key", "value"];

impl Session {
    /// A push query over a relation of the topic, its key and its values as JSON.
    pub(super) async fn print(&mut self, topic: &str, from_beginning: bool, interval: Option<u64>, limit: Option<u64>) -> Result<Response> {
        if interval.is_some_and(|n| n != 1) {
            return Err(Error::unsupported("PRINT shows every event: INTERVAL and SAMPLE are not supported").hint("Leave it out."));
        }
        let catalog = self.engine.catalog();
        let found = catalog.ksql_relations().find(|(_, k)| k.topic == topic);
        let found = found.or_else(|| catalog.ksql_relations().find(|(_, k)| k.topic.eq_ignore_ascii_case(topic)));
        let found = found.or_else(|| catalog.ksql_relations().find(|(r, _)| r.name == plain_name(topic)));
        let Some((relation, ksql)) = found else {
            let error = Error::new(code::UNDEFINED_OBJECT, format!("topic \"{topic}\" does not exist"));
            let topics: Vec<&str> = catalog.ksql_relations().map(|(_, k)| k.topic.as_str()).collect();
            return Err(match nearest(topic, topics.into_iter()) {
                Some(near) => error.hint(format!("Perhaps you meant \"{near}\".")),
                None => error.hint("SHOW TOPICS lists them."),
            });
        };
        // What is appended to a topic is read by whoever may read one of its relations; the one printed is asked about.
        self.may(Privileges::SELECT, relation)?;
        self.refuse_secured(relation)?;
        let fields = |key: bool| {
            let fields: Vec<String> =
                ksql.columns.iter().filter(|c| (c.key || c.bound) == key).map(|c| format!("{0} := {0}", quoted(&c.name))).collect();
            if fields.is_empty() { "CAST(NULL AS STRING)".to_string() } else { format!("TO_JSON_STRING(STRUCT({}))", fields.join(", ")) }
        };
        let limit = limit.map_or(String::new(), |n| format!(" LIMIT {n}"));
        let text = format!(
            "SELECT CAST(ROWTIME AS STRING) AS `at`, {} AS `key`, {} AS `value` FROM {} EMIT CHANGES{limit}",
            fields(true),
            fields(false),
            quoted(&ksql_name(&relation.name))
        );
        let Response::Rows { word, mut columns, stream } = self.push(&select(&text)?, from_beginning).await? else {
            return Err(Error::internal("PRINT gives rows"));
        };
        if let Some(first) = columns.first_mut() {
            first.name = PRINTED[0].into();
        }
        Ok(Response::Rows { word, columns, stream })
    }
}
