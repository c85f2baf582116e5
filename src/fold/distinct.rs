//! DISTINCT: each row once, as long as the sum of its weights is positive.

use arrow::datatypes::SchemaRef;

use super::basic::only;
use super::eval::replace;
use super::key_index::{Equality, KeyIndex};
use super::marks::Marks;
use super::state::damaged;
use super::{Operator, StateReader, StateWriter};
use crate::data::Delta;
use crate::error::Result;

/// Each row of the input once.
pub struct Distinct {
    schema: SchemaRef,
    index: KeyIndex,
    weights: Vec<i64>,
    /// What the step at hand has touched.
    marks: Marks,
}

impl Distinct {
    /// The distinct rows of an input of `schema`. Errors: 0A000 for a type that cannot be compared.
    pub fn new(schema: SchemaRef) -> Result<Self> {
        let types: Vec<_> = schema.fields().iter().map(|f| f.data_type().clone()).collect();
        Ok(Distinct { schema, index: KeyIndex::new(&types, Equality::Sql)?, weights: Vec::new(), marks: Marks::default() })
    }
}

impl Operator for Distinct {
    fn name(&self) -> &'static str {
        "Distinct"
    }
    fn detail(&self) -> String {
        String::new()
    }
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn step(&mut self, inputs: Vec<Vec<Delta>>) -> Result<Vec<Delta>> {
        // Weights at the beginning of the step of every row that is touched, in order of first touch.
        let mut touched: Vec<(u32, i64)> = Vec::new();
        self.marks.begin(self.weights.len());
        let mut numbers = Vec::new();
        for delta in only(inputs)? {
            let mut fresh = Vec::new();
            self.index.intern(delta.batch.columns(), delta.num_rows(), &mut numbers, &mut fresh)?;
            self.weights.resize(self.index.slots(), 0);
            self.marks.grow(self.index.slots());
            for (i, &number) in numbers.iter().enumerate() {
                let n = number as usize;
                if self.marks.first(number) {
                    touched.push((number, self.weights[n]));
                }
                self.weights[n] += delta.weight(i);
            }
        }
        let now = |n: u32| self.weights[n as usize];
        let gone: Vec<u32> = touched.iter().filter(|(n, before)| *before > 0 && now(*n) <= 0).map(|t| t.0).collect();
        let come: Vec<u32> = touched.iter().filter(|(n, before)| *before <= 0 && now(*n) > 0).map(|t| t.0).collect();
        let out = replace(&self.schema, (self.index.keys(&gone)?, gone.len()), (self.index.keys(&come)?, come.len()))?;
        touched.iter().filter(|(n, _)| self.weights[*n as usize] == 0).for_each(|(n, _)| self.index.release(*n));
        Ok(out.into_iter().collect())
    }

    fn state_bytes(&self) -> usize {
        self.index.bytes() + self.weights.capacity() * 8
    }
    fn save(&self, out: &mut StateWriter<'_>) -> Result<()> {
        self.index.save(out)?;
        out.i64s(&self.weights);
        Ok(())
    }
    fn load(&mut self, input: &mut StateReader<'_>) -> Result<()> {
        self.index.load(input)?;
        self.weights = input.i64s()?;
        if self.weights.len() == self.index.slots() { Ok(()) } else { Err(damaged("row weights")) }
    }
}
