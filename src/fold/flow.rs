//! A tree of operators: what a view folds. What stands in it several times is folded once: a part, stepped before the tree, which
//! refers to what it gave.

use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::{Expr, Operator, Recursion, StateReader, StateWriter, Stop};
use crate::data::Delta;
use crate::error::{Error, Result};

/// A tree of operators over the numbered inputs of a view.
pub struct Flow {
    node: Node,
    rows_in: u64,
    rows_out: u64,
    busy: Duration,
    stop: Stop,
}

enum Node {
    Source {
        index: usize,
        schema: SchemaRef,
    },
    /// What a part gives.
    Shared {
        part: usize,
        schema: SchemaRef,
    },
    /// A tree and its parts, each of which may refer to those before it.
    Sharing {
        parts: Vec<Flow>,
        tree: Box<Flow>,
    },
    Constant {
        batch: RecordBatch,
        emitted: bool,
    },
    /// The rows of the recursive query around, by iteration.
    Working {
        schema: SchemaRef,
    },
    /// A recursive query of two terms, the second of which reads its working table.
    Recursive {
        first: Box<Flow>,
        term: Box<Flow>,
        recursion: Box<Recursion>,
    },
    Inner {
        operator: Box<dyn Operator>,
        inputs: Vec<Flow>,
    },
}

/// What a step gives to the leaves of a tree.
#[derive(Clone, Copy)]
pub(super) struct Given<'a> {
    /// All that happened to each input of the view.
    pub inputs: &'a [Vec<Delta>],
    /// What each part before has given.
    pub parts: &'a [Vec<Delta>],
    /// The change of the working table of the recursive query around.
    pub working: &'a [Delta],
}

/// What one operator did since it was built, for EXPLAIN and the system relations.
#[derive(Clone, Debug)]
pub struct OperatorReport {
    /// Distance from the root.
    pub depth: usize,
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub detail: String,
    /// Rows of all deltas in.
    pub rows_in: u64,
    /// Rows of all deltas out.
    pub rows_out: u64,
    /// Bytes held between steps.
    pub state_bytes: usize,
    /// Rows left out because an expression errs for them.
    pub left_out: i64,
    /// Time spent inside its steps, without its inputs.
    pub busy: Duration,
}

/// The one place of the fold that looks at a clock, and only to report how long an operator was busy.
pub(super) fn timed<T>(busy: &mut Duration, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    *busy += start.elapsed();
    result
}

fn count(deltas: &[Delta]) -> u64 {
    deltas.iter().map(|d| d.num_rows() as u64).sum()
}

/// What the inputs or parts before an operator give it in a step, counted.
fn taken(from: &[Vec<Delta>], what: &str, at: usize, rows: &mut u64) -> Result<Vec<Delta>> {
    let deltas = from.get(at).ok_or_else(|| Error::internal(format!("{what} {at} of a view is missing")))?;
    *rows += count(deltas);
    Ok(deltas.clone())
}

/// What one operator computes of each row: expressions over the rows that it is given, and the schema of what they give.
pub type RowColumns = (Vec<Expr>, SchemaRef);

impl Flow {
    fn new(node: Node) -> Flow {
        Flow { node, rows_in: 0, rows_out: 0, busy: Duration::ZERO, stop: Stop::default() }
    }

    /// The `index`-th input of the view.
    pub fn source(index: usize, schema: SchemaRef) -> Flow {
        Flow::new(Node::Source { index, schema })
    }

    /// What the `part`-th part of the tree around it gives.
    pub fn shared(part: usize, schema: SchemaRef) -> Flow {
        Flow::new(Node::Shared { part, schema })
    }

    /// The flow with the parts that it refers to, each of which may refer to those before it.
    pub fn with_parts(self, parts: Vec<Flow>) -> Flow {
        if parts.is_empty() { self } else { Flow::new(Node::Sharing { parts, tree: Box::new(self) }) }
    }

    /// Rows that are there from the first step on.
    pub fn constant(batch: RecordBatch) -> Flow {
        Flow::new(Node::Constant { batch, emitted: false })
    }

    /// The working table of the recursive query around, whose last column is the iteration.
    pub fn working(schema: SchemaRef) -> Flow {
        Flow::new(Node::Working { schema })
    }

    /// A recursive query; `term` reads its working table, the rows of each iteration apart.
    pub fn recursive(first: Flow, term: Flow, recursion: Recursion) -> Flow {
        Flow::new(Node::Recursive { first: Box::new(first), term: Box::new(term), recursion: Box::new(recursion) })
    }

    /// `operator` over `inputs`, one per port.
    pub fn node(operator: Box<dyn Operator>, inputs: Vec<Flow>) -> Flow {
        Flow::new(Node::Inner { operator, inputs })
    }

    /// The schema of what it gives.
    pub fn schema(&self) -> SchemaRef {
        match &self.node {
            Node::Source { schema, .. } | Node::Shared { schema, .. } | Node::Working { schema } => schema.clone(),
            Node::Recursive { recursion, .. } => recursion.schema(),
            Node::Sharing { tree, .. } => tree.schema(),
            Node::Constant { batch, .. } => batch.schema(),
            Node::Inner { operator, .. } => operator.schema(),
        }
    }

    /// What the operators compute of each row of the first input, one after the other, if the flow does nothing else and gives one row for
    /// each. They are not merged: what one computes may be read several times by the next.
    pub fn row_by_row(&self) -> Option<Vec<RowColumns>> {
        match &self.node {
            Node::Source { index: 0, .. } => Some(vec![]),
            Node::Inner { operator, inputs } => {
                let ([input], exprs) = (inputs.as_slice(), operator.row_by_row()?) else { return None };
                let mut steps = input.row_by_row()?;
                steps.push((exprs.to_vec(), operator.schema()));
                Some(steps)
            }
            _ => None,
        }
    }

    /// Counts rows that have gone through a flow which is [`Flow::row_by_row`] without a step of it.
    pub fn count_passed(&mut self, rows: u64) {
        (self.rows_in, self.rows_out) = (self.rows_in + rows, self.rows_out + rows);
        if let Node::Inner { inputs, .. } = &mut self.node {
            inputs.iter_mut().for_each(|input| input.count_passed(rows));
        }
    }

    /// Its steps, and those of all its operators, fail with 57014 once that is asked for.
    pub fn stop_by(&mut self, stop: &Stop) {
        self.stop = stop.clone();
        match &mut self.node {
            Node::Inner { operator, inputs } => {
                operator.stop_by(stop);
                inputs.iter_mut().for_each(|input| input.stop_by(stop));
            }
            Node::Sharing { parts, tree } => {
                parts.iter_mut().for_each(|part| part.stop_by(stop));
                tree.stop_by(stop);
            }
            Node::Recursive { first, term, .. } => [first, term].into_iter().for_each(|flow| flow.stop_by(stop)),
            Node::Source { .. } | Node::Shared { .. } | Node::Constant { .. } | Node::Working { .. } => {}
        }
    }

    /// Errors: 57014 once its steps are to stop.
    pub(super) fn check_stop(&self) -> Result<()> {
        self.stop.check()
    }

    /// Folds one step: `inputs[i]` is all that happened to the i-th input. Every operator is stepped, also without rows, since
    /// some give rows for no input. Errors leave the flow in no defined state: it must be dropped.
    pub fn step(&mut self, inputs: &[Vec<Delta>]) -> Result<Vec<Delta>> {
        self.step_with(Given { inputs, parts: &[], working: &[] })
    }

    /// The same for a part of a tree.
    pub(super) fn step_with(&mut self, given: Given<'_>) -> Result<Vec<Delta>> {
        self.check_stop()?;
        let out = match &mut self.node {
            Node::Source { index, .. } => taken(given.inputs, "input", *index, &mut self.rows_in)?,
            Node::Shared { part, .. } => taken(given.parts, "part", *part, &mut self.rows_in)?,
            Node::Working { .. } => {
                self.rows_in += count(given.working);
                given.working.to_vec()
            }
            Node::Sharing { parts, tree } => {
                let mut shared = Vec::with_capacity(parts.len());
                for part in parts {
                    let rows = part.step_with(Given { parts: &shared, ..given })?;
                    shared.push(rows);
                }
                tree.step_with(Given { parts: &shared, ..given })?
            }
            Node::Constant { emitted: true, .. } => Vec::new(),
            Node::Constant { batch, emitted } => {
                *emitted = true;
                vec![Delta::insert(batch.clone())]
            }
            Node::Recursive { first, term, recursion } => {
                let rows = first.step_with(given)?;
                let out = recursion.step(rows, term, given, &mut self.busy)?;
                self.rows_in = first.rows_out + term.rows_out;
                out
            }
            Node::Inner { operator, inputs: children } => {
                let ports = children.iter_mut().map(|c| c.step_with(given)).collect::<Result<Vec<_>>>()?;
                self.rows_in += ports.iter().map(|p| count(p)).sum::<u64>();
                timed(&mut self.busy, || operator.step(ports))?
            }
        };
        self.rows_out += count(&out);
        Ok(out)
    }

    /// All operators, the root first, each before its inputs; a part stands where it is first referred to.
    pub fn operators(&self) -> Vec<OperatorReport> {
        let mut reports = Vec::new();
        self.report(0, &[], &mut [], &mut reports);
        reports
    }

    fn report(&self, depth: usize, parts: &[Flow], told: &mut [bool], reports: &mut Vec<OperatorReport>) {
        let (name, detail, left_out) = match &self.node {
            Node::Source { index, .. } => ("Source", format!("input {index}"), 0),
            Node::Shared { part, .. } => ("Shared", format!("part {part}"), 0),
            Node::Sharing { parts, tree } => return tree.report(depth, parts, &mut vec![false; parts.len()], reports),
            Node::Working { .. } => ("WorkingTable", String::new(), 0),
            Node::Recursive { recursion, .. } => ("Recursion", recursion.detail(), 0),
            Node::Constant { batch, .. } => ("Constant", format!("{} rows", batch.num_rows()), 0),
            Node::Inner { operator, .. } => (operator.name(), operator.detail(), operator.left_out()),
        };
        let (rows_in, rows_out, busy, state_bytes) = (self.rows_in, self.rows_out, self.busy, self.own_bytes());
        reports.push(OperatorReport { depth, name, detail, rows_in, rows_out, state_bytes, left_out, busy });
        match &self.node {
            Node::Inner { operator, inputs } => {
                reports.extend(operator.parts().into_iter().map(|part| OperatorReport { depth: depth + 1 + part.depth, ..part }));
                inputs.iter().for_each(|i| i.report(depth + 1, parts, told, reports));
            }
            Node::Recursive { first, term, .. } => {
                [first, term].into_iter().for_each(|flow| flow.report(depth + 1, parts, told, reports));
            }
            Node::Shared { part, .. } if told.get(*part) == Some(&false) => {
                told[*part] = true;
                parts[*part].report(depth + 1, parts, told, reports);
            }
            _ => {}
        }
    }

    /// Bytes held by all operators between steps.
    pub fn state_bytes(&self) -> usize {
        let below: usize = match &self.node {
            Node::Inner { inputs, .. } => inputs.iter().map(Flow::state_bytes).sum(),
            Node::Sharing { parts, tree } => parts.iter().map(Flow::state_bytes).sum::<usize>() + tree.state_bytes(),
            Node::Recursive { first, term, .. } => first.state_bytes() + term.state_bytes(),
            _ => 0,
        };
        self.own_bytes() + below
    }

    fn own_bytes(&self) -> usize {
        match &self.node {
            Node::Source { .. } | Node::Shared { .. } | Node::Working { .. } | Node::Sharing { .. } => 0,
            Node::Recursive { recursion, .. } => recursion.state_bytes(),
            Node::Constant { batch, .. } => batch.get_array_memory_size(),
            Node::Inner { operator, .. } => operator.state_bytes(),
        }
    }

    /// Writes the state of all operators, inputs first.
    pub fn save(&self, out: &mut StateWriter<'_>) -> Result<()> {
        match &self.node {
            Node::Source { .. } | Node::Shared { .. } | Node::Working { .. } => Ok(()),
            Node::Recursive { first, term, recursion } => {
                first.save(out)?;
                term.save(out)?;
                out.section("Recursion", |w| recursion.save(w))
            }
            Node::Sharing { parts, tree } => parts.iter().chain([tree.as_ref()]).try_for_each(|flow| flow.save(out)),
            Node::Constant { emitted, .. } => out.section("Constant", |w| {
                w.bool(*emitted);
                Ok(())
            }),
            Node::Inner { operator, inputs } => {
                inputs.iter().try_for_each(|i| i.save(out))?;
                out.section(operator.name(), |w| operator.save(w))
            }
        }
    }

    /// Reads what `save` wrote, into a flow built from the same plan. Errors: XX001 for damaged bytes or another plan; the flow
    /// must then be dropped.
    pub fn load(&mut self, input: &mut StateReader<'_>) -> Result<()> {
        match &mut self.node {
            Node::Source { .. } | Node::Shared { .. } | Node::Working { .. } => Ok(()),
            Node::Recursive { first, term, recursion } => {
                first.load(input)?;
                term.load(input)?;
                input.section("Recursion", |r| recursion.load(r))
            }
            Node::Sharing { parts, tree } => parts.iter_mut().chain([tree.as_mut()]).try_for_each(|flow| flow.load(input)),
            Node::Constant { emitted, .. } => input.section("Constant", |r| {
                *emitted = r.bool()?;
                Ok(())
            }),
            Node::Inner { operator, inputs } => {
                inputs.iter_mut().try_for_each(|i| i.load(input))?;
                input.section(operator.name(), |r| operator.load(r))
            }
        }
    }
}
