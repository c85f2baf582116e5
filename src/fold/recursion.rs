//! WITH RECURSIVE: the rows of a first term, and those that a recursive term makes of them again and again.
//!
//! `first UNION [ALL] term`: iteration 0 has the rows of `first`, iteration i + 1 those that `term` makes of iteration i, its working table;
//! with UNION a row is of the first iteration only that has it. The answer is the rows of all iterations.
//!
//! One flow serves all iterations. Each row of the working table bears the number of its iteration as a last column, and so does what the
//! term makes of it (the planner sees to that): the term is then a query over the rows of all iterations at once, and its operators keep what
//! it joins them with once. Keeping a copy of the term for each iteration, as an unrolled loop does, would multiply that by the depth, and a
//! new iteration would have to be told all that happened before.
//!
//! A step goes through the term several times. The first pass takes all that happened to the inputs, and the change of iteration 0; each further
//! pass takes the change of the least iteration that is still to be looked at. What a pass gives changes later iterations only, so an
//! iteration is final when its turn comes, and is changed once in a step, to what it is by definition: iteration for iteration the
//! step does what evaluating the query would, or undoes what it once did. So it ends where that does. No row lives on because
//! rows that it has led to lead to it, as on a circle whose entry is gone: each is held by such of iterations before its own.
//!
//! With UNION a row is counted for each iteration that derives it ([`Derivations`]). Which is the least of them may change in both
//! directions; the row then moves, and what the term made of it moves along. Of rows that are equal and differ, the last form ([`Forms`]) that the
//! least iteration derives is there; so it is in batch ([`crate::func::recursive`]).
//!
//! The first pass joins what is new in the inputs with iterations that the step has yet to change. What it gives too much is taken back by
//! later passes; only an expression that errs for such a pair is not.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, AsArray, Int64Array, UInt32Array};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};

use super::chains::Chains;
use super::eval::{batch_of, concat_deltas, consolidate, replace};
use super::flow::{Flow, Given, timed};
use super::forms::Forms;
use super::key_index::{Equality, KeyIndex, NONE};
use super::marks::Marks;
use super::state::damaged;
use super::{StateReader, StateWriter};
use crate::data::Delta;
use crate::error::{Error, Result, code};
use crate::limits;

/// The last column of the working table, and of what the recursive term gives: the iteration that a row is of, or was made of.
pub const ITERATION: &str = "$iteration";

/// Deltas of one iteration each that are put together as one.
const GATHERED: usize = 256;

/// The column [`ITERATION`].
pub fn iteration_field() -> Field {
    Field::new(ITERATION, DataType::Int64, false)
}

/// What a [`Flow`] knows of a recursive query besides its two terms.
pub struct Recursion {
    name: String,
    schema: SchemaRef,
    working: SchemaRef,
    /// With UNION.
    derivations: Option<Derivations>,
    bytes_max: usize,
}

/// What a step has still to do, by iteration.
type Agenda = BTreeMap<u32, Waiting>;

/// What is to be done about one iteration.
#[derive(Default)]
struct Waiting {
    /// The change of what the terms give for it.
    rows: Vec<Delta>,
    /// Rows that may be of it now, by number.
    check: Vec<u32>,
    /// What rows have shown of it that are not of it any more.
    leave: Vec<u32>,
}

/// A step under way.
#[derive(Default)]
struct Run {
    agenda: Agenda,
    waiting_bytes: usize,
    /// With UNION ALL: the changes of all iterations, the last few of them one by one.
    gathered: Vec<Delta>,
    last: Vec<Delta>,
    gathered_bytes: usize,
}

fn bytes(deltas: &[Delta]) -> usize {
    deltas.iter().map(Delta::own_bytes).sum()
}

impl Run {
    fn gather(&mut self, schema: &SchemaRef, delta: Delta) -> Result<()> {
        self.gathered_bytes += delta.own_bytes();
        self.last.push(delta);
        if self.last.len() == GATHERED {
            self.gathered.extend(concat_deltas(schema, std::mem::take(&mut self.last))?);
        }
        Ok(())
    }

    /// The next iteration to look at.
    fn pop(&mut self) -> Option<(u32, Waiting)> {
        let next = self.agenda.pop_first()?;
        self.waiting_bytes -= bytes(&next.1.rows);
        Some(next)
    }

    fn wait(&mut self, iteration: u32, delta: Delta) {
        self.waiting_bytes += delta.own_bytes();
        self.agenda.entry(iteration).or_default().rows.push(delta);
    }
}

impl Recursion {
    /// The recursive query `name` whose rows are of `schema`, UNION if `distinct`, else UNION ALL. Errors: 0A000 for a type that cannot be
    /// compared.
    pub fn new(name: String, schema: SchemaRef, distinct: bool) -> Result<Self> {
        let plain = schema.fields().iter().map(|f| f.as_ref().clone().with_nullable(true));
        let working = Arc::new(Schema::new(plain.chain([iteration_field()]).collect::<Vec<_>>()));
        let derivations = distinct.then(|| Derivations::new(&schema)).transpose()?;
        Ok(Recursion { name, schema, working, derivations, bytes_max: limits::VIEW_STATE_BYTES_MAX })
    }

    /// The same, failing with 53400 when one step takes more than so many bytes, text left out.
    pub fn bounded(self, bytes_max: usize) -> Self {
        Recursion { bytes_max, ..self }
    }

    /// What it does, for EXPLAIN.
    pub fn detail(&self) -> String {
        format!("{}: {}", self.name, if self.derivations.is_some() { "UNION" } else { "UNION ALL" })
    }

    /// The schema of its rows.
    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// The schema of its working table, and by types that of what the recursive term gives.
    pub fn working(&self) -> SchemaRef {
        self.working.clone()
    }

    /// Folds one step: what the first term gives, and through `term` what `given` tells of the inputs. Errors: 54000 past the
    /// iterations that a recursion may take, 53400 past its bytes, 57014 once it is to stop.
    pub(super) fn step(&mut self, first: Vec<Delta>, term: &mut Flow, given: Given<'_>, busy: &mut Duration) -> Result<Vec<Delta>> {
        let mut run = Run::default();
        run.agenda.insert(0, Waiting::default());
        for delta in first {
            run.wait(0, delta.with_batch(batch_of(&self.schema, delta.batch.columns().to_vec(), delta.num_rows())?));
        }
        if let Some(derivations) = &mut self.derivations {
            derivations.begin();
        }
        let nothing = vec![Vec::new(); given.inputs.len()];
        let mut inputs = given.inputs;
        while let Some((iteration, waiting)) = run.pop() {
            term.check_stop()?;
            let change = timed(busy, || self.settle(iteration, waiting, &mut run))?;
            // The first pass is for the inputs too.
            if change.is_none() && iteration > 0 {
                continue;
            }
            let working: Vec<Delta> = change.map(|delta| self.of_iteration(delta, iteration)).transpose()?.into_iter().collect();
            let rows = term.step_with(Given { inputs, parts: &[], working: &working })?;
            inputs = &nothing;
            timed(busy, || self.file(iteration, rows, &mut run))?;
            self.check_size(&run, term)?;
        }
        timed(busy, || self.finish(run))
    }

    /// Brings an iteration up to date; answers its change.
    fn settle(&mut self, iteration: u32, waiting: Waiting, run: &mut Run) -> Result<Option<Delta>> {
        if let Some(derivations) = &mut self.derivations {
            return derivations.settle(iteration, waiting, &mut run.agenda, &self.schema);
        }
        // Rows that only come and go would do so for ever on a circle.
        let change = consolidate(&self.schema, waiting.rows)?;
        if let Some(delta) = &change {
            run.gather(&self.schema, delta.clone())?;
        }
        Ok(change)
    }

    /// The change of the working table that is that of an iteration.
    fn of_iteration(&self, delta: Delta, iteration: u32) -> Result<Delta> {
        let rows = delta.num_rows();
        let number: ArrayRef = Arc::new(Int64Array::from(vec![i64::from(iteration); rows]));
        let columns = delta.batch.columns().iter().cloned().chain([number]).collect();
        Ok(delta.with_batch(batch_of(&self.working, columns, rows)?))
    }

    /// Puts what the term has given in the pass of `iteration` where it will be looked at.
    fn file(&self, iteration: u32, rows: Vec<Delta>, run: &mut Run) -> Result<()> {
        for delta in rows.into_iter().filter(|d| d.num_rows() > 0) {
            let wrong = || Error::internal("a recursive term does not tell what its rows are made of");
            let (numbers, columns) = delta.batch.columns().split_last().ok_or_else(wrong)?;
            let numbers = numbers.as_primitive_opt::<Int64Type>().ok_or_else(wrong)?;
            let plain = delta.with_batch(batch_of(&self.schema, columns.to_vec(), delta.num_rows())?);
            let mut places: BTreeMap<i64, Vec<u32>> = BTreeMap::new();
            for (place, number) in numbers.values().iter().enumerate() {
                places.entry(*number).or_default().push(place as u32);
            }
            for (number, places) in places {
                let of = u32::try_from(number).map_err(|_| wrong())?;
                if of < iteration {
                    return Err(wrong());
                }
                if of >= limits::RECURSION_ITERATIONS_MAX {
                    return Err(self.endless());
                }
                let all = places.len() == plain.num_rows();
                let part = if all { plain.clone() } else { plain.take(&UInt32Array::from(places))? };
                run.wait(of + 1, part);
            }
        }
        Ok(())
    }

    /// The change of the rows of all iterations.
    fn finish(&mut self, mut run: Run) -> Result<Vec<Delta>> {
        match &mut self.derivations {
            Some(derivations) => Ok(derivations.finish(&self.schema)?.into_iter().collect()),
            None => {
                run.gathered.extend(concat_deltas(&self.schema, run.last)?);
                Ok(run.gathered)
            }
        }
    }

    fn endless(&self) -> Error {
        let message = format!("recursive query \"{}\" has more than {} iterations", self.name, limits::RECURSION_ITERATIONS_MAX);
        Error::new(code::PROGRAM_LIMIT_EXCEEDED, message)
            .detail("Its rows lead to new ones without end, as on a circle.")
            .hint("Bound it by a condition; UNION, in place of UNION ALL, leaves out rows that are there already.")
    }

    fn check_size(&self, run: &Run, term: &Flow) -> Result<()> {
        let taken = run.waiting_bytes + run.gathered_bytes + self.state_bytes() + term.state_bytes();
        if taken <= self.bytes_max {
            return Ok(());
        }
        let message = format!("recursive query \"{}\" takes more than {} bytes", self.name, self.bytes_max);
        Err(Error::new(code::CONFIGURATION_LIMIT_EXCEEDED, message))
    }

    /// Bytes of memory held between steps, about.
    pub fn state_bytes(&self) -> usize {
        self.derivations.as_ref().map_or(0, Derivations::bytes)
    }

    /// Writes its state, that of the terms left out.
    pub fn save(&self, out: &mut StateWriter<'_>) -> Result<()> {
        self.derivations.as_ref().map_or(Ok(()), |d| d.save(out))
    }

    /// Reads what `save` wrote. Errors: XX001 for damaged bytes.
    pub fn load(&mut self, input: &mut StateReader<'_>) -> Result<()> {
        self.derivations.as_mut().map_or(Ok(()), |d| d.load(input))
    }
}

/// How often each row is derived in which iterations, and of which one it is: between steps, of the least that derives it. Cost per change
/// of a count: one probe, and a look at each iteration that derives the row.
struct Derivations {
    index: KeyIndex,
    /// Where equal rows may differ. A row shows one of its forms, by number; otherwise itself.
    forms: Option<Forms>,
    /// The iteration that each row is of, or [`NONE`].
    of: Vec<u32>,
    /// The entries of each row.
    chains: Chains,
    /// Of each entry: an iteration, and how often it derives the row, in one form; 0 for an entry that can be given out again.
    iterations: Vec<u32>,
    counts: Vec<i64>,
    free: Vec<u32>,
    /// Rows that the step at hand has touched, and what they showed before, in order of first touch.
    touched: Vec<(u32, u32)>,
    marks: Marks,
}

impl Derivations {
    fn new(schema: &SchemaRef) -> Result<Self> {
        let forms = Forms::new(schema)?;
        let types = match &forms {
            Some(forms) => forms.key_types()?,
            None => schema.fields().iter().map(|f| f.data_type().clone()).collect(),
        };
        Ok(Derivations {
            index: KeyIndex::new(&types, Equality::Sql)?,
            forms,
            of: Vec::new(),
            chains: Chains::default(),
            iterations: Vec::new(),
            counts: Vec::new(),
            free: Vec::new(),
            touched: Vec::new(),
            marks: Marks::default(),
        })
    }

    fn begin(&mut self) {
        self.marks.begin(self.of.len());
    }

    /// Counts what an iteration derives anew or no longer, and has its rows be those of which it is the least. All iterations before it are
    /// settled. Answers its change.
    fn settle(&mut self, iteration: u32, waiting: Waiting, agenda: &mut Agenda, schema: &SchemaRef) -> Result<Option<Delta>> {
        let Waiting { rows, mut check, leave: mut gone } = waiting;
        let (mut numbers, mut forms) = (Vec::new(), Vec::new());
        for delta in rows {
            self.intern(&delta, &mut numbers, &mut forms)?;
            for (i, &row) in numbers.iter().enumerate() {
                if self.marks.first(row) {
                    self.touched.push((row, self.shown(row)));
                }
                self.count(row, iteration, forms.get(i).copied(), delta.weight(i));
            }
            check.append(&mut numbers);
        }
        let mut come = Vec::new();
        for row in check {
            let (of, shown) = (self.of[row as usize], self.shown(row));
            let (least, shall) = self.least(row);
            if of == least && shown == shall {
                continue;
            }
            if of == iteration {
                gone.push(shown);
                self.of[row as usize] = NONE;
            }
            if least == iteration {
                if of != NONE && of != iteration {
                    agenda.entry(of).or_default().leave.push(shown);
                }
                come.push(shall);
                self.of[row as usize] = iteration;
                if let Some(forms) = &mut self.forms {
                    forms.show(row, shall);
                }
            } else if least != NONE && self.of[row as usize] == NONE {
                // Its turn is to come: what derives it there may go in this step.
                agenda.entry(least).or_default().check.push(row);
            }
        }
        replace(schema, (self.columns(&gone)?, gone.len()), (self.columns(&come)?, come.len()))
    }

    /// The number of each row, and those of their forms where equal rows may differ.
    fn intern(&mut self, delta: &Delta, numbers: &mut Vec<u32>, forms: &mut Vec<u32>) -> Result<()> {
        let keys = match &mut self.forms {
            Some(all) => {
                all.intern(&delta.batch, forms)?;
                &Forms::keys(&delta.batch)?
            }
            None => delta.batch.columns(),
        };
        self.index.intern(keys, delta.num_rows(), numbers, &mut Vec::new())?;
        self.of.resize(self.index.slots(), NONE);
        self.chains.grow(self.index.slots(), 0);
        self.marks.grow(self.index.slots());
        if let Some(forms) = &mut self.forms {
            forms.grow(self.index.slots(), 0);
        }
        Ok(())
    }

    /// What a row shows, or [`NONE`].
    fn shown(&self, row: u32) -> u32 {
        match &self.forms {
            _ if self.of[row as usize] == NONE => NONE,
            Some(forms) => forms.shown(row),
            None => row,
        }
    }

    /// The columns of what rows show.
    fn columns(&self, shown: &[u32]) -> Result<Vec<ArrayRef>> {
        self.forms.as_ref().map_or_else(|| self.index.keys(shown), |forms| forms.columns(shown))
    }

    fn count(&mut self, row: u32, iteration: u32, form: Option<u32>, weight: i64) {
        let is_form = |entry: u32| self.forms.as_ref().map(|forms| forms.of_use(entry)) == form;
        let found = self.chains.entries(row).find(|e| self.iterations[*e as usize] == iteration && is_form(*e));
        let entry = found.unwrap_or_else(|| {
            let entry = self.free.pop().unwrap_or(self.counts.len() as u32);
            if entry as usize == self.counts.len() {
                self.counts.push(0);
                self.iterations.push(0);
                self.chains.grow(0, self.counts.len());
            }
            self.iterations[entry as usize] = iteration;
            self.chains.link(entry, row);
            if let (Some(forms), Some(form)) = (&mut self.forms, form) {
                forms.grow(0, self.counts.len());
                forms.take(entry, form);
            }
            entry
        });
        let count = &mut self.counts[entry as usize];
        *count += weight;
        if *count == 0 {
            self.chains.unlink(entry);
            self.free.push(entry);
            if let Some(forms) = &mut self.forms {
                forms.leave(entry);
            }
        }
    }

    /// The least iteration that derives a row, and what the row shows by that; [`NONE`] twice if none does. Iterations after the one at hand
    /// are as before the step.
    fn least(&self, row: u32) -> (u32, u32) {
        let (mut least, mut shown) = (NONE, NONE);
        for entry in self.chains.entries(row).filter(|e| self.counts[*e as usize] > 0) {
            let (iteration, form) = (self.iterations[entry as usize], self.forms.as_ref().map_or(row, |forms| forms.of_use(entry)));
            if iteration < least {
                (least, shown) = (iteration, form);
            } else if iteration == least {
                shown = self.forms.as_ref().map_or(row, |forms| forms.last(shown, form));
            }
        }
        (least, shown)
    }

    /// What rows have come to show in the step, and show no longer.
    fn finish(&mut self, schema: &SchemaRef) -> Result<Option<Delta>> {
        let touched = std::mem::take(&mut self.touched);
        let changed = touched.iter().map(|(row, was)| (*was, self.shown(*row))).filter(|(was, is)| was != is);
        let (gone, come): (Vec<u32>, Vec<u32>) = changed.unzip();
        let there = |shown: Vec<u32>| shown.into_iter().filter(|shown| *shown != NONE).collect::<Vec<_>>();
        let (gone, come) = (there(gone), there(come));
        let change = replace(schema, (self.columns(&gone)?, gone.len()), (self.columns(&come)?, come.len()))?;
        for (row, _) in touched {
            if self.of[row as usize] == NONE && self.chains.first(row) == NONE {
                self.index.release(row);
            }
        }
        if let Some(forms) = &mut self.forms {
            forms.sweep();
        }
        Ok(change)
    }

    fn bytes(&self) -> usize {
        let forms = self.forms.as_ref().map_or(0, Forms::bytes);
        self.index.bytes() + forms + self.of.capacity() * 4 + self.chains.bytes() + self.counts.capacity() * 12
    }

    fn save(&self, out: &mut StateWriter<'_>) -> Result<()> {
        self.index.save(out)?;
        out.u32s(&self.of);
        out.u32s(&self.iterations);
        out.i64s(&self.counts);
        out.u32s(&self.free);
        self.chains.save(out);
        self.forms.as_ref().map_or(Ok(()), |forms| forms.save(out))
    }

    fn load(&mut self, input: &mut StateReader<'_>) -> Result<()> {
        self.index.load(input)?;
        self.of = input.u32s()?;
        self.iterations = input.u32s()?;
        self.counts = input.i64s()?;
        self.free = input.u32s()?;
        let (rows, entries) = (self.index.slots(), self.counts.len());
        self.chains.load(input, rows, entries)?;
        let sized = self.of.len() == rows && self.iterations.len() == entries;
        let numbered = self.free.iter().all(|e| (*e as usize) < entries);
        if !(sized && numbered) {
            return Err(damaged("derivations"));
        }
        self.forms.as_mut().map_or(Ok(()), |forms| forms.load(input, rows, entries))
    }
}
