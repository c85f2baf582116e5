//! A query's dataflow: a tree of operators over numbered sources.

use crate::error::{Error, Result};
use crate::fold::ksql::change::{Change, Operator};
use crate::fold::state::{StateReader, StateWriter};

/// Where an operator gets its changes from.
pub enum Input {
    /// A source, by its number. Several operators may read the same one.
    Source(usize),
    /// Another operator.
    Node(Box<Node>),
}

/// An operator with its inputs.
pub struct Node {
    operator: Box<dyn Operator>,
    inputs: Vec<Input>,
    rows_in: u64,
    rows_out: u64,
}

impl Node {
    /// An operator over inputs.
    pub fn new(operator: Box<dyn Operator>, inputs: Vec<Input>) -> Self {
        Node { operator, inputs, rows_in: 0, rows_out: 0 }
    }
}

impl Input {
    /// An operator over inputs, as an input.
    pub fn node(operator: impl Operator + 'static, inputs: Vec<Input>) -> Input {
        Input::boxed(Box::new(operator), inputs)
    }

    /// An operator over inputs, as an input.
    pub fn boxed(operator: Box<dyn Operator>, inputs: Vec<Input>) -> Input {
        Input::Node(Box::new(Node::new(operator, inputs)))
    }

    /// Calls `f` with each source that is read, in order.
    fn sources(&self, f: &mut impl FnMut(usize)) {
        match self {
            Input::Source(source) => f(*source),
            Input::Node(node) => node.inputs.iter().for_each(|input| input.sources(f)),
        }
    }

    fn nodes<'a>(&'a self, depth: usize, all: &mut Vec<(usize, &'a Node)>) {
        if let Input::Node(node) = self {
            all.push((depth, node));
            node.inputs.iter().for_each(|input| input.nodes(depth + 1, all));
        }
    }

    fn nodes_mut(&mut self, f: &mut impl FnMut(&mut Node) -> Result<()>) -> Result<()> {
        if let Input::Node(node) = self {
            f(node)?;
            node.inputs.iter_mut().try_for_each(|input| input.nodes_mut(f))?;
        }
        Ok(())
    }

    fn step(&mut self, sources: &mut Sources) -> Result<Vec<Change>> {
        match self {
            Input::Source(source) => sources.take(*source),
            Input::Node(node) => {
                let mut inputs = Vec::with_capacity(node.inputs.len());
                for input in &mut node.inputs {
                    inputs.push(input.step(sources)?);
                }
                node.rows_in += inputs.iter().map(|input| input.len() as u64).sum::<u64>();
                let out = node.operator.step(inputs)?;
                node.rows_out += out.len() as u64;
                Ok(out)
            }
        }
    }
}

/// A step's changes per source, with the number of reads that are still to come.
struct Sources(Vec<(Vec<Change>, usize)>);

impl Sources {
    /// The last reader gets them, those before it a copy.
    fn take(&mut self, source: usize) -> Result<Vec<Change>> {
        let Some((changes, reads)) = self.0.get_mut(source) else {
            return Err(Error::internal("a pipeline was not given all of its sources"));
        };
        *reads = reads.saturating_sub(1);
        Ok(if *reads == 0 { std::mem::take(changes) } else { changes.clone() })
    }
}

/// What an operator has done, for EXPLAIN.
#[derive(Clone, Debug)]
pub struct Report {
    pub name: &'static str,
    pub detail: String,
    /// How deep it stands in the tree; the root has 0.
    pub depth: usize,
    pub rows_in: u64,
    pub rows_out: u64,
    pub state_bytes: usize,
    /// Records that came too late.
    pub late: u64,
    /// Errors of expressions that became NULL.
    pub errors: u64,
    /// Records dropped because their key is NULL.
    pub unkeyed: u64,
}

/// A query's dataflow.
pub struct Pipeline {
    root: Input,
    /// How often each source is read.
    reads: Vec<usize>,
}

impl Pipeline {
    /// The dataflow with that root.
    pub fn new(root: Input) -> Self {
        let mut reads: Vec<usize> = Vec::new();
        root.sources(&mut |source| {
            if reads.len() <= source {
                reads.resize(source + 1, 0);
            }
            reads[source] += 1;
        });
        Pipeline { root, reads }
    }

    /// Folds all changes of a range of positions, `sources[i]` being those of source `i`, and answers what comes out.
    pub fn step(&mut self, sources: Vec<Vec<Change>>) -> Result<Vec<Change>> {
        let reads = self.reads.iter().copied().chain(std::iter::repeat(0));
        self.root.step(&mut Sources(sources.into_iter().zip(reads).collect()))
    }

    /// All operators, each before its inputs.
    pub fn reports(&self) -> Vec<Report> {
        let mut nodes = Vec::new();
        self.root.nodes(0, &mut nodes);
        let report = |(depth, node): (usize, &Node)| {
            let counts = node.operator.counts();
            Report {
                name: node.operator.name(),
                detail: node.operator.detail(),
                depth,
                rows_in: node.rows_in,
                rows_out: node.rows_out,
                state_bytes: node.operator.state_bytes(),
                late: counts.late,
                errors: counts.errors,
                unkeyed: counts.unkeyed,
            }
        };
        nodes.into_iter().map(report).collect()
    }

    /// Bytes of memory held between steps, about.
    pub fn state_bytes(&self) -> usize {
        let mut nodes = Vec::new();
        self.root.nodes(0, &mut nodes);
        nodes.iter().map(|(_, node)| node.operator.state_bytes()).sum()
    }

    /// Writes the state of all operators.
    pub fn save(&self, out: &mut StateWriter<'_>) -> Result<()> {
        let mut nodes = Vec::new();
        self.root.nodes(0, &mut nodes);
        for (_, node) in nodes {
            out.section(node.operator.name(), |out| {
                out.u64(node.rows_in);
                out.u64(node.rows_out);
                node.operator.save(out)
            })?;
        }
        Ok(())
    }

    /// Reads what `save` wrote, into a pipeline built alike. Errors: XX001 for damaged bytes or another pipeline.
    pub fn load(&mut self, input: &mut StateReader<'_>) -> Result<()> {
        self.root.nodes_mut(&mut |node| {
            input.section(node.operator.name(), |input| {
                (node.rows_in, node.rows_out) = (input.u64()?, input.u64()?);
                node.operator.load(input)
            })
        })
    }
}
