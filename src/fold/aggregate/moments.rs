//! Variances, deviations, covariances and regressions: the exact sums that a batch has ([`crate::func::moments`]), so a retraction is a
//! subtraction and both give the same bits.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BinaryArray};
use arrow::datatypes::*;

use super::super::state::{StateReader, StateWriter};
use super::state::{Rows, State, sized};
use crate::error::{Error, Result};
use crate::func::moments::{FloatMoments, Pairs, WholeMoments};
use crate::func::sum::{Arguments, State as Sums, TwoFloats, totals_array};
use crate::func::sum_state::Spec;

/// The state of `spec`. Errors: 0A000.
pub(super) fn state(spec: Spec) -> Result<Box<dyn State>> {
    use DataType::*;
    Ok(match spec.input {
        _ if spec.what.arguments() == 2 => Moments::<TwoFloats, Pairs>::boxed(spec),
        Int16 => Moments::<Int16Type, WholeMoments>::boxed(spec),
        Int32 => Moments::<Int32Type, WholeMoments>::boxed(spec),
        Int64 => Moments::<Int64Type, WholeMoments>::boxed(spec),
        Decimal128(..) => Moments::<Decimal128Type, WholeMoments>::boxed(spec),
        Decimal256(..) => Moments::<Decimal256Type, WholeMoments>::boxed(spec),
        Float32 => Moments::<Float32Type, FloatMoments>::boxed(spec),
        Float64 => Moments::<Float64Type, FloatMoments>::boxed(spec),
        ref other => {
            return Err(Error::unsupported(format!("a statistic of {other} is not supported")).hint("Cast the argument to numeric."));
        }
    })
}

struct Moments<A: Arguments, S: Sums<A::Value>> {
    spec: Spec,
    /// The sums of each group and how many rows they have.
    groups: Vec<(S, i64)>,
    heap_bytes: usize,
    _arguments: std::marker::PhantomData<fn() -> A>,
}

impl<A: Arguments, S: Sums<A::Value>> Moments<A, S> {
    fn boxed(spec: Spec) -> Box<dyn State> {
        Box::new(Self { spec, groups: Vec::new(), heap_bytes: 0, _arguments: std::marker::PhantomData })
    }
}

impl<A: Arguments, S: Sums<A::Value>> State for Moments<A, S> {
    fn resize(&mut self, groups: usize) {
        self.groups.resize(groups, Default::default());
    }
    fn reset(&mut self, group: u32) {
        let (gone, _) = std::mem::take(&mut self.groups[group as usize]);
        self.heap_bytes -= gone.heap_bytes();
    }

    fn update(&mut self, rows: &Rows<'_>) -> Result<()> {
        let columns = A::columns(rows.args)?;
        rows.each(|i, g, w| {
            let (sums, count) = &mut self.groups[g];
            let (value, before) = (A::value(&columns, i), sums.heap_bytes());
            (0..w).for_each(|_| sums.add(value));
            (w..0).for_each(|_| sums.sub(value));
            *count += w;
            self.heap_bytes = self.heap_bytes + sums.heap_bytes() - before;
        });
        Ok(())
    }

    fn finish(&mut self, groups: &[u32]) -> Result<ArrayRef> {
        let one = |g: &u32| {
            let (sums, count) = &self.groups[*g as usize];
            sums.finish(*count, &self.spec)
        };
        Ok(totals_array(groups.iter().map(one).collect::<Result<_>>()?, &self.spec.output))
    }
    fn bytes(&self) -> usize {
        self.heap_bytes + self.groups.capacity() * size_of::<(S, i64)>()
    }
    fn save(&self, out: &mut StateWriter<'_>) -> Result<()> {
        let sums = S::export(self.groups.iter().map(|(sums, _)| sums.clone()).collect());
        sums.as_binary::<i32>().iter().for_each(|sums| out.bytes(sums.unwrap_or_default()));
        out.i64s(self.groups.iter().map(|(_, count)| *count));
        Ok(())
    }
    fn load(&mut self, input: &mut StateReader<'_>, groups: usize) -> Result<()> {
        let sums = (0..groups).map(|_| input.bytes()).collect::<Result<Vec<_>>>()?;
        let sums: ArrayRef = Arc::new(BinaryArray::from(sums));
        let counts = sized(input.i64s()?, groups)?;
        self.groups = counts.into_iter().enumerate().map(|(g, count)| Ok((S::import(&sums, g)?, count))).collect::<Result<_>>()?;
        self.heap_bytes = self.groups.iter().map(|(sums, _)| sums.heap_bytes()).sum();
        Ok(())
    }
}
