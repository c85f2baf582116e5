//! EXPLAIN: what a statement would do, or what a view has done.

use std::sync::Arc;

use arrow::array::{RecordBatch, StringViewArray};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::execution::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::display::DisplayableExecutionPlan;
use datafusion::physical_plan::execute_stream;
use serde_json::{Map, Value};
use sqlparser::ast;
use tokio::task::JoinSet;

use super::dml::{declared, scalars};
use super::query::{Planned, collect, filled};
use super::session::{Column, Parameters, Prepared, Response, Session};
use crate::catalog::{Name, Privileges, RelationKind, TriggerEvent};
use crate::data::PgType;
use crate::error::{Error, Result, code};
use crate::fold::OperatorReport;
use crate::plan::lower::{Options, lower};
use crate::serve::access::Access;
use crate::serve::cut::{ReadCut, Readable};
use crate::serve::provider::read_from;
use crate::sql::{Explain, Statement};

/// How a run of an optimized plan comes by the rows of tables and materialized views, where it does not look at all of them.
fn ways(plan: &LogicalPlan, state: &SessionState) -> Result<Vec<String>> {
    let (cut, mut ways) = (state.config().get_extension::<ReadCut>(), Vec::new());
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node
            && let Some((relation, schema)) = read_from(node)
            && let Some(Readable::Rows(rows)) = cut.as_ref().and_then(|cut| cut.relations.get(&relation.id))
        {
            ways.extend(match Access::to(&relation, &schema, rows, &scan.filters)? {
                Access::Found { by, rows } => {
                    let columns: Vec<&str> = by.iter().map(|column| schema.field(*column).name().as_str()).collect();
                    let count: usize = rows.iter().map(RecordBatch::num_rows).sum();
                    Some(format!("Rows of {} by ({}): {count}", relation.name, columns.join(", ")))
                }
                Access::Among(left) => {
                    let (left, all) = (left.count(), rows.count());
                    (left < all).then(|| format!("Rows of {} by blocks: {left} of {all}", relation.name))
                }
            });
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(ways)
}

/// The one column of every EXPLAIN.
pub fn columns(json: bool) -> Vec<Column> {
    vec![Column::new("QUERY PLAN", if json { PgType::Json } else { PgType::Text })]
}

impl Session {
    /// EXPLAIN of a statement. `prepared` is the whole, whose parameters are those of the statement.
    pub(super) async fn explain(
        &mut self,
        what: Explain,
        json: bool,
        statement: &Statement,
        prepared: &Prepared,
        parameters: &Parameters,
    ) -> Result<Response> {
        let executed = match statement {
            Statement::Execute { name, arguments } => Some(self.named(name, arguments)?),
            _ => None,
        };
        let (statement, types, arguments) = match &executed {
            Some((executed, arguments)) => (&executed.statement, declared(executed), arguments),
            None => (statement, declared(prepared), parameters),
        };
        if let Some(word) = changed(statement) {
            if what != Explain::Plan {
                return Err(Error::unsupported(format!("{} of {word} is not supported", what.words()))
                    .hint(format!("EXPLAIN {word} shows its plan, and changes nothing.")));
            }
            if let Some((table, planned)) = self.plan_of_change(statement, &types).await? {
                let mut lines = self.explain_plan(planned, arguments, false).await?;
                // All but the position is what the change does.
                let plan = lines.len().saturating_sub(1);
                lines[..plan].iter_mut().for_each(|line| line.insert_str(0, "  "));
                lines.insert(0, format!("{} on {table}", title(word)));
                return if json { answer(vec![document(&lines)], true) } else { answer(lines, false) };
            }
        }
        let query = match statement {
            Statement::Query(query) | Statement::CreateView { query, .. } => query,
            Statement::Insert { source, table, .. } => {
                self.may_insert(&self.written_on(table, TriggerEvent::Insert)?, statement, &types).await?;
                source
            }
            _ => {
                return Err(Error::unsupported("EXPLAIN takes a query, or a change of rows")
                    .hint("EXPLAIN SELECT .., EXPLAIN UPDATE .., or EXPLAIN CREATE MATERIALIZED VIEW .."));
            }
        };
        let dataflow = what == Explain::Dataflow || matches!(statement, Statement::CreateView { materialized: true, .. });
        let lines = if dataflow {
            self.explain_dataflow(query).await?
        } else {
            let planned = self.plan_query(query, &types).await?;
            self.may_read(&planned.reads)?;
            self.explain_plan(planned, arguments, what == Explain::Analyze).await?
        };
        if json { answer(vec![document(&lines)], true) } else { answer(lines, false) }
    }

    /// The table of an UPDATE, DELETE or MERGE, and the query that finds the rows to change.
    async fn plan_of_change(&self, statement: &Statement, types: &[Option<PgType>]) -> Result<Option<(Name, Planned)>> {
        Ok(match statement {
            Statement::Update(change) => Some((change.table.clone(), self.query_of_change("UPDATE", change, types).await?)),
            Statement::Delete(change) => Some((change.table.clone(), self.query_of_change("DELETE", change, types).await?)),
            Statement::Merge(merge) => Some((merge.table.clone(), self.query_of_merge(merge, types).await?)),
            _ => None,
        })
    }

    /// The plan of a query with its arguments.
    async fn explain_plan(&mut self, planned: Planned, arguments: &Parameters, analyze: bool) -> Result<Vec<String>> {
        let cut = self.read(&planned.relations).await?;
        let (position, caller) = (cut.position, Arc::new(()));
        let values = scalars(&planned.parameters, arguments, self.settings.reading())?;
        let plan = filled(planned.plan, values)?;
        let state = self.running(&plan, cut, &caller);
        let planner = state.clone();
        let planning = async move {
            let optimized = planner.optimize(&plan)?;
            let ways = ways(&optimized, &planner)?;
            Ok((planner.query_planner().create_physical_plan(&optimized, &planner).await?, ways))
        };
        let (physical, ways) = self.aside(move || planning).await?;
        let mut text = DisplayableExecutionPlan::new(physical.as_ref()).indent(false).to_string();
        if analyze {
            let (executed, context) = (physical.clone(), state.task_ctx());
            // It is stopped with the statement.
            let mut task = JoinSet::new();
            task.spawn_on(async move { collect(execute_stream(executed, context)?).await }, self.engine.query_runtime());
            if let Some(done) = task.join_next().await {
                done.map_err(|e| Error::internal(e.to_string()))??;
            }
            text = DisplayableExecutionPlan::with_metrics(physical.as_ref()).indent(false).to_string();
        }
        let mut lines: Vec<String> = text.lines().map(str::to_string).collect();
        lines.extend(ways);
        lines.push(format!("At position {position}"));
        Ok(lines)
    }

    async fn explain_dataflow(&mut self, query: &ast::Query) -> Result<Vec<String>> {
        let planned = self.plan_query(query, &[]).await?;
        self.may_read(&planned.reads)?;
        let names: Vec<String> = planned.columns.iter().map(|c| c.name.clone()).collect();
        let wanted: Vec<Field> = planned.columns.iter().map(|c| c.ty.field(&c.name, true)).collect();
        let (state, plan) = (self.knowing(self.state()), planned.plan);
        let options = Options { leaves_out: false, step_bytes_max: self.engine.view_bounds.state };
        let dataflow = self.aside(move || std::future::ready(lower(&state, &plan, &wanted, options))).await?;
        let mut lines = vec![match &dataflow.key {
            Some(key) => format!("Output: keyed by {}", key.iter().map(|k| names[*k].as_str()).collect::<Vec<_>>().join(", ")),
            None if dataflow.append_only => "Output: append-only".to_string(),
            None => "Output: multiset".to_string(),
        }];
        lines.extend(
            dataflow.flow.operators().iter().map(|o| format!("{}{} {}", "  ".repeat(o.depth + 1), o.name, o.detail).trim_end().to_string()),
        );
        for (i, input) in dataflow.inputs.iter().enumerate() {
            let columns = input.columns.iter().map(|c| input.schema.field(*c).name().as_str()).collect::<Vec<_>>().join(", ");
            lines.push(format!("Input {i}: {} {} ({columns})", input.relation.kind.word(), input.relation.name));
        }
        Ok(lines)
    }

    /// EXPLAIN ANALYZE view: rows in and out, state, time, and lag.
    pub(super) fn explain_view(&mut self, name: &Name) -> Result<Response> {
        let scope = self.scope();
        let relation = scope.get(name)?;
        self.may(Privileges::SELECT, relation)?;
        let Some(node) = self.engine.node(relation.id) else {
            let hint = "EXPLAIN ANALYZE takes a materialized view or a table; EXPLAIN ANALYZE SELECT .. runs a query.";
            return Err(
                Error::new(code::WRONG_OBJECT_TYPE, format!("\"{name}\" is a {} and folds nothing", relation.kind.word())).hint(hint)
            );
        };
        let head = self.engine.log.head();
        let position = node.position();
        let lag = if node.is_current(&self.engine.log) { 0 } else { head.saturating_sub(position) };
        let what = if relation.kind == RelationKind::Table { "Table" } else { "Materialized view" };
        let mut lines = vec![format!(
            "{what} {name}: position {}, lag {lag} events, {} rows, {} bytes",
            if lag == 0 { head } else { position },
            node.with_output(|o| o.rows()),
            node.state_bytes()
        )];
        lines.extend(node.reports().iter().map(line));
        answer(lines, false)
    }
}

/// The word of a statement that changes data.
fn changed(statement: &Statement) -> Option<&'static str> {
    match statement {
        Statement::Insert { .. } => Some("INSERT"),
        Statement::Update(_) => Some("UPDATE"),
        Statement::Delete(_) => Some("DELETE"),
        Statement::Merge(_) => Some("MERGE"),
        _ => None,
    }
}

/// `Update`
fn title(word: &str) -> String {
    let (first, rest) = word.split_at(1);
    format!("{first}{}", rest.to_lowercase())
}

fn line(report: &OperatorReport) -> String {
    let indent = "  ".repeat(report.depth + 1);
    format!(
        "{indent}{} {} (rows in={} out={} state={} bytes busy={:.3} ms)",
        report.name,
        report.detail,
        report.rows_in,
        report.rows_out,
        report.state_bytes,
        report.busy.as_secs_f64() * 1e3
    )
}

/// The lines as PostgreSQL nests them in FORMAT JSON: `[{"Plan": {"Node Type": .., "Detail": .., "Plans": [..]}, "Notes": [..]}]`. A line
/// that is further in than the one before belongs to it; the notes are what stands behind the plan.
fn document(lines: &[String]) -> String {
    let depth = |line: &String| line.chars().take_while(|c| *c == ' ').count();
    let notes = lines.iter().skip(1).position(|l| depth(l) == 0).map_or(lines.len(), |i| i + 1);
    let mut open: Vec<(usize, Map<String, Value>)> = Vec::new();
    let close = |open: &mut Vec<(usize, Map<String, Value>)>| {
        if let (Some((_, node)), Some((_, around))) = (open.pop(), open.last_mut())
            && let Value::Array(plans) = around.entry("Plans").or_insert_with(|| Value::Array(vec![]))
        {
            plans.push(Value::Object(node));
        }
    };
    for line in &lines[..notes] {
        let (name, detail) = line.trim().split_once([':', ' ']).unwrap_or((line.trim(), ""));
        let mut node = Map::new();
        node.insert("Node Type".into(), name.into());
        node.insert("Detail".into(), detail.trim().into());
        while open.len() > 1 && open.last().is_some_and(|(inner, _)| *inner >= depth(line)) {
            close(&mut open);
        }
        open.push((depth(line), node));
    }
    while open.len() > 1 {
        close(&mut open);
    }
    let plan = open.pop().map_or(Value::Null, |(_, node)| Value::Object(node));
    let whole = serde_json::json!([{ "Plan": plan, "Notes": lines[notes..] }]);
    serde_json::to_string_pretty(&whole).unwrap_or_default()
}

pub(super) fn answer(lines: Vec<String>, json: bool) -> Result<Response> {
    let schema = Arc::new(Schema::new(vec![Field::new("QUERY PLAN", DataType::Utf8View, false)]));
    let batch = RecordBatch::try_new(schema, vec![Arc::new(StringViewArray::from(lines))])?;
    Ok(Response::Batch { word: "EXPLAIN".into(), columns: columns(json).into(), batch })
}
