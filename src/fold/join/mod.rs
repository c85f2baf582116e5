//! Joins of all kinds.
//!
//! Both sides are kept in an [`Arrangement`]. [`Join::step`] folds the deltas of the left side against the right side as it is,
//! and then those of the right side against the new left side, so that each pair of new rows is met once. For one delta,
//! [`Join::fold`] numbers its keys, gathers candidate pairs in bounded chunks ([`Join::pairs`]), evaluates the residual on them,
//! and gives each surviving pair with the product of the weights.
//!
//! A row of a preserved side (that of an outer, semi, anti or mark join) also has a lone form, given while it has no match, or
//! while it has one. What decides is the sum of the weights of its matches: without a residual that is the other side's sum for
//! the key, with one it is kept for each entry. Each change of a row's weight or of that sum gives the difference of the lone
//! forms before and after, and such differences add up whatever their order: so weights may be negative for a while.
//! NULL keys match nothing (unless `null_equals_null`) and are not stored. Semi, anti and mark joins without a residual keep no
//! rows of the other side, only sums. NOT IN (`null_aware`) is in [`null_aware`]: there one NULL on the right hides everything.

mod null_aware;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, new_null_array};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::JoinType;

use self::null_aware::NullAware;
use super::arrangement::{Added, Arrangement};
use super::eval::{Expr, batch_of, evaluate_all, mask, take_all};
use super::key_index::NONE;
use super::{Operator, StateReader, StateWriter, Stop};
use crate::data::Delta;
use crate::error::{Error, Result, code};
use crate::limits;

/// Pairs that are built at one time.
const PAIRS_MAX: usize = 65_536;

/// What a join is to do, as DataFusion's logical plan has it.
pub struct JoinSpec {
    pub kind: JoinType,
    /// Equal expressions, (left, right), of equal types.
    pub on: Vec<(Expr, Expr)>,
    /// A further condition over the left columns and then the right ones.
    pub residual: Option<Expr>,
    /// NULL keys match each other.
    pub null_equals_null: bool,
    /// A left anti join that is NOT IN.
    pub null_aware: bool,
    /// The left input.
    pub left: SchemaRef,
    /// The right input.
    pub right: SchemaRef,
    /// The output: both sides' columns, or one side's, followed by `mark` for mark joins.
    pub schema: SchemaRef,
    /// No left row is ever retracted.
    pub left_append_only: bool,
    /// No right row is ever retracted.
    pub right_append_only: bool,
}

/// The form of a row given without a partner.
#[derive(Clone, Copy)]
enum Lone {
    /// As it is.
    Bare,
    /// With nulls for the other side.
    Extended,
    /// With the mark column.
    Marked(bool),
}

/// The lone forms of a preserved side's rows.
#[derive(Clone, Copy)]
struct Preserved {
    unmatched: Option<Lone>,
    matched: Option<Lone>,
}

/// The lone forms of the rows of `side` (0 left, 1 right); `None` if it is not preserved.
fn preserved(kind: JoinType, side: usize) -> Option<Preserved> {
    use JoinType::*;
    let forms = |unmatched, matched| Some(Preserved { unmatched, matched });
    match (kind, side) {
        (Left | Full, 0) | (Right | Full, 1) => forms(Some(Lone::Extended), None),
        (LeftSemi, 0) | (RightSemi, 1) => forms(None, Some(Lone::Bare)),
        (LeftAnti, 0) | (RightAnti, 1) => forms(Some(Lone::Bare), None),
        (LeftMark, 0) | (RightMark, 1) => forms(Some(Lone::Marked(false)), Some(Lone::Marked(true))),
        _ => None,
    }
}

/// A join of two inputs.
pub struct Join {
    spec: JoinSpec,
    on: [Vec<Expr>; 2],
    both: SchemaRef,
    sides: [Arrangement; 2],
    preserved: [Option<Preserved>; 2],
    gives_pairs: bool,
    null_aware: Option<NullAware>,
    /// Most bytes of pairs that one step may give, and those that the step at hand has given.
    step_bytes_max: usize,
    step_bytes: usize,
    stop: Stop,
}

/// One delta of one side under way.
struct Folding<'a> {
    side: usize,
    delta: &'a Delta,
    /// Number of each row's key on the other side, or [`NONE`].
    found: Vec<u32>,
    /// Sum of the weights of each row's matches.
    matched: Vec<i64>,
}

impl Join {
    /// Errors: 0A000 for key types that cannot be compared, and for `null_aware` together with anything but a left anti join of
    /// one key without a residual.
    pub fn new(spec: JoinSpec) -> Result<Self> {
        let on: [Vec<Expr>; 2] = [spec.on.iter().map(|p| p.0.clone()).collect(), spec.on.iter().map(|p| p.1.clone()).collect()];
        let types = |side: usize, schema: &SchemaRef| on[side].iter().map(|e| Ok(e.data_type(schema)?)).collect::<Result<Vec<_>>>();
        let (left, right) = (types(0, &spec.left)?, types(1, &spec.right)?);
        if left != right {
            return Err(Error::internal(format!("join keys of different types: {left:?} and {right:?}")));
        }
        if spec.null_aware && (spec.kind != JoinType::LeftAnti || spec.residual.is_some() || left.len() != 1) {
            return Err(Error::unsupported("NOT IN with a correlated subquery or several columns is not supported")
                .hint("Write NOT EXISTS, or exclude NULL in the subquery."));
        }
        let preserved = [preserved(spec.kind, 0), preserved(spec.kind, 1)];
        let gives_pairs = matches!(spec.kind, JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full);
        let with_rows = |side: usize| gives_pairs || spec.residual.is_some() || preserved[side].is_some();
        let sides = [
            Arrangement::new(spec.left.clone(), &left, spec.left_append_only, with_rows(0))?,
            Arrangement::new(spec.right.clone(), &left, spec.right_append_only, with_rows(1))?,
        ];
        let fields = spec.left.fields().iter().chain(spec.right.fields()).map(Arc::clone);
        let both = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let null_aware = spec.null_aware.then(|| NullAware::new(spec.left.clone(), spec.left_append_only)).transpose()?;
        let step_bytes_max = limits::VIEW_STATE_BYTES_MAX;
        Ok(Join { on, both, sides, preserved, gives_pairs, null_aware, step_bytes_max, step_bytes: 0, stop: Stop::default(), spec })
    }

    /// The same join, failing with 53400 when the pairs that it gives in one step take more than so many bytes, text left out.
    pub fn bounded(self, step_bytes_max: usize) -> Self {
        Join { step_bytes_max, ..self }
    }

    fn count_bytes(&mut self, delta: &Delta) -> Result<()> {
        self.step_bytes += delta.own_bytes();
        if self.step_bytes <= self.step_bytes_max {
            return Ok(());
        }
        let message = format!("a join gives more than {} bytes at one time", self.step_bytes_max);
        Err(Error::new(code::CONFIGURATION_LIMIT_EXCEEDED, message))
    }

    fn fold(&mut self, side: usize, delta: &Delta, out: &mut Vec<Delta>) -> Result<()> {
        let rows = delta.num_rows();
        let keys = evaluate_all(&self.on[side], &delta.batch)?;
        let nulls = if self.spec.null_equals_null { None } else { any_null(&keys) };
        let mut found = self.sides[1 - side].find(&keys, rows)?;
        if let Some(nulls) = &nulls {
            nulls.iter().zip(&mut found).filter(|(valid, _)| !valid).for_each(|(_, f)| *f = NONE);
        }
        let mut folding = Folding { side, delta, matched: vec![0; rows], found };
        if self.spec.residual.is_some() || self.gives_pairs {
            self.pairs(&mut folding, out)?;
        }
        if self.spec.residual.is_none() {
            folding.matched = folding.found.iter().map(|&k| self.sides[1 - side].total(k)).collect();
        }
        let chosen: Vec<u32> = match &nulls {
            None => (0..rows as u32).collect(),
            Some(nulls) => nulls.valid_indices().map(|i| i as u32).collect(),
        };
        let added = Added { delta, keys: &keys, chosen: &chosen, matched: &folding.matched };
        if self.null_aware.is_some() {
            return self.fold_null_aware(&folding, nulls.as_ref(), &added, out);
        }
        self.lone_rows(&folding, out)?;
        let changed = self.sides[side].add(&added)?;
        if self.spec.residual.is_none() {
            self.key_transitions(&folding, &changed, out)?;
        }
        Ok(())
    }

    /// Goes through all pairs of a delta row and a stored entry with equal keys that pass the residual: gives them if the join
    /// gives pairs, and counts matches on both sides if there is a residual.
    fn pairs(&mut self, folding: &mut Folding<'_>, out: &mut Vec<Delta>) -> Result<()> {
        let other = 1 - folding.side;
        let (mut rows, mut entries) = (Vec::new(), Vec::new());
        for row in 0..folding.found.len() {
            let mut entry = self.sides[other].first(folding.found[row]);
            while entry != NONE {
                rows.push(row as u32);
                entries.push(entry);
                entry = self.sides[other].after(entry);
                if rows.len() == PAIRS_MAX {
                    self.chunk(folding, std::mem::take(&mut rows), std::mem::take(&mut entries), out)?;
                }
            }
        }
        self.chunk(folding, rows, entries, out)
    }

    fn chunk(&mut self, folding: &mut Folding<'_>, mut rows: Vec<u32>, mut entries: Vec<u32>, out: &mut Vec<Delta>) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        self.stop.check()?;
        let other = 1 - folding.side;
        let mine = take_all(folding.delta.batch.columns(), &rows)?;
        let theirs = self.sides[other].gather(&entries)?;
        let columns = if folding.side == 0 { [mine, theirs].concat() } else { [theirs, mine].concat() };
        let mut batch = batch_of(&self.both, columns, rows.len())?;
        if let Some(residual) = &self.spec.residual {
            let mask = mask(residual, &batch)?;
            if mask.true_count() < rows.len() {
                batch = arrow::compute::filter_record_batch(&batch, &mask)?;
                (rows, entries) = mask.values().set_indices().map(|i| (rows[i], entries[i])).unzip();
            }
            self.count_matches(folding, &rows, &entries, out)?;
        }
        if self.gives_pairs && !rows.is_empty() {
            let weight = |(&r, &e): (&u32, &u32)| folding.delta.weight(r as usize) * self.sides[other].weight(e);
            let weights: Vec<i64> = rows.iter().zip(&entries).map(weight).collect();
            let batch = batch_of(&self.spec.schema, batch.columns().to_vec(), rows.len())?;
            let pairs = Delta::of(batch, weights);
            self.count_bytes(&pairs)?;
            out.push(pairs);
        }
        Ok(())
    }

    /// Adds the weights of pairs that passed the residual to both sides' sums of matches.
    fn count_matches(&mut self, folding: &mut Folding<'_>, rows: &[u32], entries: &[u32], out: &mut Vec<Delta>) -> Result<()> {
        let other = 1 - folding.side;
        for (&row, &entry) in rows.iter().zip(entries) {
            folding.matched[row as usize] += self.sides[other].weight(entry);
        }
        let Some(forms) = self.preserved[other] else { return Ok(()) };
        // In order of first appearance, so that the output does not depend on numbers given to entries.
        let mut before: Vec<(u32, i64)> = Vec::new();
        let mut seen = hashbrown::HashSet::with_hasher(foldhash::fast::FixedState::default());
        for (&row, &entry) in rows.iter().zip(entries) {
            let sum = self.sides[other].matched(entry);
            if seen.insert(entry) {
                before.push((entry, sum));
            }
            self.sides[other].set_matched(entry, sum + folding.delta.weight(row as usize));
        }
        let turned = |to: bool| -> Vec<u32> {
            let now = |e: u32| self.sides[other].matched(e) > 0;
            before.iter().filter(|(e, b)| now(*e) == to && (*b > 0) != to).map(|t| t.0).collect()
        };
        let (gained, lost) = (turned(true), turned(false));
        self.turn(other, forms, &gained, true, out)?;
        self.turn(other, forms, &lost, false, out)
    }

    /// The lone forms of the delta's own rows.
    fn lone_rows(&self, folding: &Folding<'_>, out: &mut Vec<Delta>) -> Result<()> {
        let Some(forms) = self.preserved[folding.side] else { return Ok(()) };
        let (with, without): (Vec<u32>, Vec<u32>) = (0..folding.matched.len() as u32).partition(|&i| folding.matched[i as usize] > 0);
        for (form, rows) in [(forms.matched, with), (forms.unmatched, without)] {
            let Some(form) = form.filter(|_| !rows.is_empty()) else { continue };
            let all = rows.len() == folding.delta.num_rows();
            let columns = if all { folding.delta.batch.columns().to_vec() } else { take_all(folding.delta.batch.columns(), &rows)? };
            let weights = rows.iter().map(|&r| folding.delta.weight(r as usize)).collect();
            out.push(self.lone(folding.side, form, columns, weights)?);
        }
        Ok(())
    }

    /// Without a residual: the other side's rows of keys that got their first match or lost their last.
    fn key_transitions(&self, folding: &Folding<'_>, changed: &[(u32, i64, i64)], out: &mut Vec<Delta>) -> Result<()> {
        let other = 1 - folding.side;
        let Some(forms) = self.preserved[other] else { return Ok(()) };
        let turned: Vec<_> = changed.iter().filter(|(_, before, after)| (*before > 0) != (*after > 0)).collect();
        for to in [true, false] {
            let mut entries = Vec::new();
            for (row, ..) in turned.iter().filter(|t| (t.2 > 0) == to) {
                let mut entry = self.sides[other].first(folding.found[*row as usize]);
                while entry != NONE {
                    entries.push(entry);
                    entry = self.sides[other].after(entry);
                }
            }
            self.turn(other, forms, &entries, to, out)?;
        }
        Ok(())
    }

    /// Gives the change of lone forms of stored entries that turned matched (`to`) or unmatched.
    fn turn(&self, side: usize, forms: Preserved, entries: &[u32], to: bool, out: &mut Vec<Delta>) -> Result<()> {
        for entries in entries.chunks(PAIRS_MAX) {
            let columns = self.sides[side].gather(entries)?;
            for (form, sign) in [(forms.unmatched, if to { -1 } else { 1 }), (forms.matched, if to { 1 } else { -1 })] {
                let Some(form) = form else { continue };
                let weights = entries.iter().map(|&e| sign * self.sides[side].weight(e)).collect();
                out.push(self.lone(side, form, columns.clone(), weights)?);
            }
        }
        Ok(())
    }

    /// Rows of `side` in a lone form.
    fn lone(&self, side: usize, form: Lone, mut columns: Vec<ArrayRef>, weights: Vec<i64>) -> Result<Delta> {
        let rows = weights.len();
        let nulls = |schema: &SchemaRef| schema.fields().iter().map(|f| new_null_array(f.data_type(), rows)).collect::<Vec<_>>();
        match (form, side) {
            (Lone::Bare, _) => {}
            (Lone::Marked(mark), _) => columns.push(Arc::new(BooleanArray::from(vec![mark; rows]))),
            (Lone::Extended, 0) => columns.extend(nulls(&self.spec.right)),
            (Lone::Extended, _) => columns = [nulls(&self.spec.left), columns].concat(),
        }
        Ok(Delta::of(batch_of(&self.spec.schema, columns, rows)?, weights))
    }
}

/// The rows in which no key is null; `None` if that is all.
fn any_null(keys: &[ArrayRef]) -> Option<NullBuffer> {
    keys.iter().fold(None, |all, k| NullBuffer::union(all.as_ref(), k.logical_nulls().as_ref())).filter(|n| n.null_count() > 0)
}

impl Operator for Join {
    fn name(&self) -> &'static str {
        "Join"
    }
    fn detail(&self) -> String {
        let on: Vec<String> = self.spec.on.iter().map(|(l, r)| format!("{l} = {r}")).collect();
        let residual = self.spec.residual.as_ref().map_or(String::new(), |r| format!(", filter: {r}"));
        let null_aware = if self.spec.null_aware { ", null aware" } else { "" };
        format!("{}, on: {}{residual}{null_aware}", self.spec.kind, on.join(" AND "))
    }
    fn schema(&self) -> SchemaRef {
        self.spec.schema.clone()
    }

    fn step(&mut self, inputs: Vec<Vec<Delta>>) -> Result<Vec<Delta>> {
        if inputs.len() != 2 {
            return Err(Error::internal("a join has two inputs"));
        }
        let mut out = Vec::new();
        self.step_bytes = 0;
        for (side, deltas) in inputs.iter().enumerate() {
            for delta in deltas.iter().filter(|d| d.num_rows() > 0) {
                self.fold(side, delta, &mut out)?;
            }
        }
        self.sides.iter_mut().try_for_each(Arrangement::maintain)?;
        Ok(out)
    }

    fn stop_by(&mut self, stop: &Stop) {
        self.stop = stop.clone();
    }
    fn state_bytes(&self) -> usize {
        self.sides.iter().map(Arrangement::bytes).sum::<usize>() + self.null_aware.as_ref().map_or(0, NullAware::bytes)
    }
    fn save(&self, out: &mut StateWriter<'_>) -> Result<()> {
        self.sides.iter().try_for_each(|s| s.save(out))?;
        self.null_aware.as_ref().map_or(Ok(()), |n| n.save(out))
    }
    fn load(&mut self, input: &mut StateReader<'_>) -> Result<()> {
        self.sides.iter_mut().try_for_each(|s| s.load(input))?;
        self.null_aware.as_mut().map_or(Ok(()), |n| n.load(input))
    }
}
