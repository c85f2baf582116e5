//! Views that have one row for each event of a stream, as `SELECT a, b * 2 FROM s`. When such a view is made, the events that are sealed
//! by then are not copied: what it picks is read from the segments as long as it lives, and only what it computes is written, to one file
//! per segment ([`SharedRows`]). So its cost is that of its computed columns, in time and on disk, and its memory is none.
//! Events that come later are folded as for any other view.
//!
//! 1. [`RowByRow::of`] tells from a node's operators whether it is such a view, and splits its columns.
//! 2. [`RowByRow::rows_of`] makes its rows for one segment, when the node takes its first step ([`Node::step`](super::node::Node)).
//! 3. [`RowByRow::open`] finds them again for a checkpoint that names them.
//!
//! Decision: rows whose readers follow positions (`_position` among their columns) are not shared, as the file beside has none to be cut by.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::utils::collect_columns;

use super::node::{Input, Source};
use crate::data::{POSITION, RowFile};
use crate::error::{Error, Result};
use crate::fold::eval::{batch_of, evaluate_all};
use crate::fold::{Expr, Flow, RowColumns};
use crate::log::{Log, LogId, Place, RowsOfView, Segment, SharedRows, Sharing, Store};

/// Bytes of a value that is computed, about.
const VALUE_BYTES: usize = 8;

/// What a view has for each event of a log.
pub(super) struct RowByRow {
    /// The log.
    log: LogId,
    /// How its rows lie.
    sharing: Arc<Sharing>,
    /// What it computes, one step after the other, from the columns `from` of the events to the columns `beside`.
    steps: Vec<RowColumns>,
    from: SchemaRef,
    beside: SchemaRef,
}

impl RowByRow {
    /// What the flow of a view with these inputs, whose rows are of `schema`, has for each event; `None` if it is of another kind.
    pub fn of(flow: &Flow, inputs: &[Input], schema: &SchemaRef) -> Option<RowByRow> {
        let [Input { source: Source::Log(log), schema: events, until: None, .. }] = inputs else { return None };
        if schema.index_of(POSITION).is_ok() {
            return None;
        }
        let steps = flow.row_by_row()?;
        let (mut places, mut picked, mut computed) = (Vec::new(), Vec::new(), Vec::new());
        for (at, field) in schema.fields().iter().enumerate() {
            match picked_by(&steps, events, at).map(|column| events.field(column)) {
                Some(event) if event.data_type() == field.data_type() => {
                    places.push(Place::Picked(picked.len()));
                    picked.push(event.clone());
                }
                _ => {
                    places.push(Place::Beside(computed.len()));
                    computed.push(at);
                }
            }
        }
        let beside: SchemaRef = Arc::new(schema.project(&computed).ok()?);
        if picked.is_empty() || !computed.is_empty() && !RowsOfView::can_have(&beside) {
            return None;
        }
        let (steps, read) = narrowed(steps, computed)?;
        let from = Arc::new(events.project(&read).ok()?);
        let sharing = Arc::new(Sharing { schema: schema.clone(), places, picked: Arc::new(Schema::new(picked)) });
        Some(RowByRow { log: *log, sharing, steps, from, beside })
    }

    /// True if it computes nothing.
    fn only_picks(&self) -> bool {
        self.beside.fields().is_empty()
    }

    /// True if what is computed of a segment takes so many bytes that it is worth a file, or nothing is.
    pub fn is_for(&self, segment: &Segment, bytes: usize) -> bool {
        self.only_picks() || segment.rows as usize * self.beside.fields().len() * VALUE_BYTES >= bytes
    }

    /// The rows for a segment; what is computed goes to a file of that name. Errors: the store's; what an expression raises.
    pub fn rows_of(&self, segment: &Arc<Segment>, store: &Arc<dyn Store>, name: &str) -> Result<Arc<dyn RowFile>> {
        let beside = match self.only_picks() {
            true => None,
            false => {
                let computed = segment.read(&self.from, segment.first..segment.end)?.map(|events| self.computed(events?));
                Some(RowsOfView::write_beside(segment, store, name, &self.beside, computed)?)
            }
        };
        Ok(Arc::new(SharedRows::new(segment.clone(), beside, self.sharing.clone())?))
    }

    /// What is computed of events.
    fn computed(&self, events: RecordBatch) -> Result<RecordBatch> {
        let step = |rows: RecordBatch, (exprs, schema): &RowColumns| batch_of(schema, evaluate_all(exprs, &rows)?, rows.num_rows());
        self.steps.iter().try_fold(events, step)
    }

    /// The rows of that name: shared, or moved to a file later. Errors: they are not there, or damaged.
    pub fn open(&self, log: &Log, store: &Arc<dyn Store>, name: &str) -> Result<Arc<dyn RowFile>> {
        let segments = log.segments(self.log);
        let find = |name: &str| segments.iter().find(|segment| segment.file.name == name).cloned();
        if let Some(segment) = find(name) {
            return Ok(Arc::new(SharedRows::new(segment, None, self.sharing.clone())?));
        }
        let file = RowsOfView::open(store, name)?;
        let Some(segment) = file.segment() else { return Ok(Arc::new(file)) };
        let segment = find(segment).ok_or_else(|| Error::internal(format!("segment \"{segment}\" is not there any more")))?;
        Ok(Arc::new(SharedRows::new(segment, Some(file), self.sharing.clone())?))
    }
}

/// The column of the events that column `at` of what the steps give is and nothing else, encoded alike all the way.
fn picked_by(steps: &[RowColumns], events: &Schema, at: usize) -> Option<usize> {
    let Some(((exprs, made), below)) = steps.split_last() else { return Some(at) };
    let column = exprs.get(at)?.downcast_ref::<Column>()?.index();
    let given = below.last().map_or(events, |(_, schema)| schema.as_ref());
    if given.fields().get(column)?.data_type() != made.fields().get(at)?.data_type() {
        return None;
    }
    picked_by(below, events, column)
}

/// As much of the steps as the columns `wanted` of what they give take, and the columns of the events that these begin with.
fn narrowed(steps: Vec<RowColumns>, mut wanted: Vec<usize>) -> Option<(Vec<RowColumns>, Vec<usize>)> {
    let mut narrow = Vec::with_capacity(steps.len());
    for (exprs, schema) in steps.into_iter().rev() {
        let exprs = wanted.iter().map(|at| exprs.get(*at).cloned()).collect::<Option<Vec<Expr>>>()?;
        let mut used: Vec<usize> = exprs.iter().flat_map(collect_columns).map(|column| column.index()).collect();
        used.sort_unstable();
        used.dedup();
        let exprs = exprs.into_iter().map(|expr| over(expr, &used)).collect::<Option<Vec<Expr>>>()?;
        narrow.push((exprs, Arc::new(schema.project(&wanted).ok()?)));
        wanted = used;
    }
    narrow.reverse();
    Some((narrow, wanted))
}

/// An expression over rows of which the columns `used`, in ascending order, are left.
fn over(expr: Expr, used: &[usize]) -> Option<Expr> {
    let moved = expr.transform_up(|expr| {
        let place = expr.downcast_ref::<Column>().and_then(|c| Some((c.name().to_string(), used.binary_search(&c.index()).ok()?)));
        Ok(place.map_or_else(|| Transformed::no(expr), |(name, at)| Transformed::yes(Arc::new(Column::new(&name, at)) as Expr)))
    });
    Some(moved.ok()?.data)
}
