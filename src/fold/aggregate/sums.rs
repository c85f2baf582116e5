//! count, sum, avg, bool_and and bool_or: invertible, so a retraction is a subtraction.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float32Array, Float64Array, Int64Array, IntervalMonthDayNanoArray, PrimitiveArray,
    PrimitiveBuilder,
};
use arrow::compute;
use arrow::datatypes::*;

use super::super::key_index::integers;
use super::super::state::{StateReader, StateWriter, damaged};
use super::super::warm::gathered;
use super::state::{Rows, State, sized};
use crate::error::{Error, Result, code};
use crate::func::exact_float::ExactSum;
use crate::func::sum_state::WideSum;

fn out_of_range(message: &str) -> Error {
    Error::new(code::NUMERIC_VALUE_OUT_OF_RANGE, message)
}

/// count(*) without arguments, count(x): rows in which no argument is null.
#[derive(Default)]
pub(super) struct Count(Vec<i64>);

impl State for Count {
    fn resize(&mut self, groups: usize) {
        self.0.resize(groups, 0);
    }
    fn reset(&mut self, group: u32) {
        self.0[group as usize] = 0;
    }
    fn update(&mut self, rows: &Rows<'_>) -> Result<()> {
        rows.each(|_, g, w| self.0[g] += w);
        Ok(())
    }
    fn finish(&mut self, groups: &[u32]) -> Result<ArrayRef> {
        Ok(Arc::new(Int64Array::from_iter_values(groups.iter().map(|g| self.0[*g as usize]))))
    }
    fn bytes(&self) -> usize {
        self.0.capacity() * 8
    }
    fn save(&self, out: &mut StateWriter<'_>) -> Result<()> {
        out.i64s(&self.0);
        Ok(())
    }
    fn load(&mut self, input: &mut StateReader<'_>, groups: usize) -> Result<()> {
        self.0 = sized(input.i64s()?, groups)?;
        Ok(())
    }
}

/// bool_and, bool_or: how many are true and how many false.
pub(super) struct Bools {
    pub and: bool,
    pub counts: Vec<[i64; 2]>,
}

impl State for Bools {
    fn resize(&mut self, groups: usize) {
        self.counts.resize(groups, [0; 2]);
    }
    fn reset(&mut self, group: u32) {
        self.counts[group as usize] = [0; 2];
    }
    fn update(&mut self, rows: &Rows<'_>) -> Result<()> {
        let values = rows.args[0].as_boolean_opt().ok_or_else(|| Error::internal("bool_and of a value that is not boolean"))?;
        rows.each(|i, g, w| self.counts[g][usize::from(values.value(i))] += w);
        Ok(())
    }
    fn finish(&mut self, groups: &[u32]) -> Result<ArrayRef> {
        let one = |g: &u32| match self.counts[*g as usize] {
            [0, 0] => None,
            [falses, trues] => Some(if self.and { falses == 0 } else { trues != 0 }),
        };
        Ok(Arc::new(groups.iter().map(one).collect::<BooleanArray>()))
    }
    fn bytes(&self) -> usize {
        self.counts.capacity() * 16
    }
    fn save(&self, out: &mut StateWriter<'_>) -> Result<()> {
        out.i64s(self.counts.as_flattened());
        Ok(())
    }
    fn load(&mut self, input: &mut StateReader<'_>, groups: usize) -> Result<()> {
        self.counts = sized(input.i64s()?.chunks_exact(2).map(|c| [c[0], c[1]]).collect(), groups)?;
        Ok(())
    }
}

/// Whether a sum or an average is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Want {
    Sum,
    Avg,
}

/// sum and avg of integers and decimals: exact, in 128 bits where no sum of them can be wider, in [`WideSum`]s else.
pub(super) struct ExactSums<N> {
    want: Want,
    /// Scale of the arguments.
    scale: i8,
    result: DataType,
    groups: Vec<(N, i64)>,
}

impl<N> ExactSums<N> {
    pub fn new(want: Want, scale: i8, result: DataType) -> Self {
        ExactSums { want, scale, result, groups: Vec::new() }
    }
}

/// What sums are kept in.
pub(super) trait Exact: Copy + Default + Send {
    /// Of an argument.
    type Value;
    /// Bytes of [`Exact::to_bytes`].
    const WIDTH: usize;
    /// self + value x weight, or `None` past the range.
    fn plus(self, value: Self::Value, weight: i64) -> Option<Self>;
    /// The sum. Errors: 22003 if it does not fit.
    fn value(&self) -> Result<i256>;
    /// Its bytes, little endian.
    fn to_bytes(&self) -> impl AsRef<[u8]>;
    /// Reads [`Exact::to_bytes`]. Errors: XX001.
    fn from_bytes(bytes: &[u8]) -> Result<Self>;
    /// Calls `f(group, value, weight)` for each row whose argument is not null.
    fn each(rows: &Rows<'_>, f: impl FnMut(usize, Self::Value, i64)) -> Result<()>;
}

impl Exact for i128 {
    type Value = i128;
    const WIDTH: usize = 16;

    #[inline]
    fn plus(self, value: i128, weight: i64) -> Option<i128> {
        if weight == 1 { self.checked_add(value) } else { self.checked_add(value.checked_mul(i128::from(weight))?) }
    }
    fn value(&self) -> Result<i256> {
        Ok(i256::from_i128(*self))
    }
    fn to_bytes(&self) -> impl AsRef<[u8]> {
        self.to_le_bytes()
    }
    fn from_bytes(bytes: &[u8]) -> Result<i128> {
        Ok(i128::from_le_bytes(bytes.try_into().map_err(|_| damaged("sums"))?))
    }
    fn each(rows: &Rows<'_>, mut f: impl FnMut(usize, i128, i64)) -> Result<()> {
        let array = &rows.args[0];
        match array.data_type() {
            DataType::UInt64 => {
                let values = array.as_primitive::<UInt64Type>().values();
                rows.each(|i, g, w| f(g, i128::from(values[i]), w));
            }
            DataType::Decimal128(..) => {
                let values = array.as_primitive::<Decimal128Type>().values();
                rows.each(|i, g, w| f(g, values[i], w));
            }
            _ => {
                let values = integers(array).ok_or_else(|| Error::internal("a sum's argument changed its type"))?;
                rows.each(|i, g, w| f(g, i128::from(values[i]), w));
            }
        }
        Ok(())
    }
}

impl Exact for WideSum {
    type Value = i256;
    const WIDTH: usize = WideSum::BYTES;

    fn plus(mut self, value: i256, weight: i64) -> Option<WideSum> {
        self.add_times(value, weight);
        Some(self)
    }
    fn value(&self) -> Result<i256> {
        WideSum::value(self)
    }
    fn to_bytes(&self) -> impl AsRef<[u8]> {
        WideSum::to_bytes(self)
    }
    fn from_bytes(bytes: &[u8]) -> Result<WideSum> {
        WideSum::from_bytes(bytes)
    }
    fn each(rows: &Rows<'_>, mut f: impl FnMut(usize, i256, i64)) -> Result<()> {
        if let Some(narrow) = rows.args[0].as_primitive_opt::<Decimal128Type>() {
            let values = narrow.values();
            rows.each(|i, g, w| f(g, i256::from_i128(values[i]), w));
            return Ok(());
        }
        let values = rows.args[0].as_primitive_opt::<Decimal256Type>();
        let values = values.ok_or_else(|| Error::internal("a sum's argument changed its type"))?.values();
        rows.each(|i, g, w| f(g, values[i], w));
        Ok(())
    }
}

impl<N: Exact> State for ExactSums<N> {
    fn resize(&mut self, groups: usize) {
        self.groups.resize(groups, (N::default(), 0));
    }
    fn reset(&mut self, group: u32) {
        self.groups[group as usize] = (N::default(), 0);
    }

    fn update(&mut self, rows: &Rows<'_>) -> Result<()> {
        let mut fits = true;
        N::each(rows, |g, value, w| {
            let group = &mut self.groups[g];
            group.1 += w;
            match group.0.plus(value, w) {
                Some(sum) => group.0 = sum,
                None => fits = false,
            }
        })?;
        if fits { Ok(()) } else { Err(out_of_range("value overflows numeric format")) }
    }

    fn finish(&mut self, groups: &[u32]) -> Result<ArrayRef> {
        let one = |(sum, count): (N, i64)| (count != 0).then(|| sum.value().map(|sum| (sum, count))).transpose();
        let values = gathered(&self.groups, groups).map(one);
        if let DataType::Float64 | DataType::Float32 = self.result {
            let unit = 10f64.powi(i32::from(self.scale));
            let divide = |(sum, count): (i256, i64)| {
                let sum = to_f64(sum) / unit;
                if self.want == Want::Avg { sum / count as f64 } else { sum }
            };
            let quotients = column::<Float64Type>(groups.len(), values.map(|v| Ok(v?.map(divide))))?;
            return Ok(compute::cast(&quotients, &self.result)?);
        }
        let target = match self.result {
            DataType::Decimal128(_, s) | DataType::Decimal256(_, s) => s,
            _ => 0,
        };
        let up = power(target.saturating_sub(self.scale).max(0))?;
        let down = power(self.scale.saturating_sub(target).max(0))?;
        let as_it_is = self.want == Want::Sum && self.scale == target;
        let scaled = |(sum, count): (i256, i64)| -> Result<i256> {
            if as_it_is {
                return Ok(sum);
            }
            let by = if self.want == Want::Avg { i256::from_i128(i128::from(count)) } else { i256::ONE };
            let result = sum.checked_mul(up).zip(down.checked_mul(by)).and_then(|(n, d)| divide_rounded(n, d));
            result.ok_or_else(|| out_of_range("value overflows numeric format"))
        };
        from_wide(groups.len(), values.map(|v| v?.map(scaled).transpose()), &self.result)
    }

    fn bytes(&self) -> usize {
        self.groups.capacity() * size_of::<(N, i64)>()
    }
    fn save(&self, out: &mut StateWriter<'_>) -> Result<()> {
        out.parts(self.groups.len() * N::WIDTH, self.groups.iter().map(|g| g.0.to_bytes()));
        out.i64s(self.groups.iter().map(|g| g.1));
        Ok(())
    }
    fn load(&mut self, input: &mut StateReader<'_>, groups: usize) -> Result<()> {
        let sums = input.bytes()?;
        let counts = sized(input.i64s()?, groups)?;
        if sums.len() != groups * N::WIDTH {
            return Err(damaged("sums"));
        }
        self.groups =
            sums.chunks_exact(N::WIDTH).zip(counts).map(|(sum, count)| Ok((N::from_bytes(sum)?, count))).collect::<Result<_>>()?;
        Ok(())
    }
}

fn to_f64(value: i256) -> f64 {
    value.to_i128().map_or_else(|| value.to_string().parse().unwrap_or(f64::NAN), |v| v as f64)
}

/// 10 to the `exponent`.
fn power(exponent: i8) -> Result<i256> {
    let ten = i256::from_i128(10);
    ten.checked_pow(exponent.unsigned_abs().into()).ok_or_else(|| out_of_range("value overflows numeric format"))
}

/// numerator / denominator rounded half away from zero; the denominator is positive. `None` past the range.
fn divide_rounded(numerator: i256, denominator: i256) -> Option<i256> {
    if denominator == i256::ONE {
        return Some(numerator);
    }
    let (quotient, rest) = (numerator.checked_div(denominator)?, numerator.checked_rem(denominator)?);
    let rest = if rest < i256::ZERO { rest.checked_neg()? } else { rest };
    if rest < denominator.checked_sub(rest)? {
        return Some(quotient);
    }
    if numerator < i256::ZERO { quotient.checked_sub(i256::ONE) } else { quotient.checked_add(i256::ONE) }
}

/// A column of these values, so many. Errors: the first one of them.
fn column<T: ArrowPrimitiveType>(rows: usize, values: impl Iterator<Item = Result<Option<T::Native>>>) -> Result<PrimitiveArray<T>> {
    let mut column = PrimitiveBuilder::<T>::with_capacity(rows);
    for value in values {
        column.append_option(value?);
    }
    Ok(column.finish())
}

/// A column of `result` from so many integers, those of decimals already scaled. Errors: 22003 past the range of the type.
fn from_wide(rows: usize, values: impl Iterator<Item = Result<Option<i256>>>, result: &DataType) -> Result<ArrayRef> {
    let fits = |digits: u8| {
        let limit = power(digits as i8)?;
        Ok::<_, Error>(move |value: i256| -> Result<i256> {
            let within = value < limit && value > limit.wrapping_neg();
            if within { Ok(value) } else { Err(out_of_range("numeric field overflow")) }
        })
    };
    match result {
        DataType::Decimal128(p, s) => {
            let fits = fits(*p)?;
            let narrow = |v: i256| fits(v).map(i256::as_i128);
            let column = column::<Decimal128Type>(rows, values.map(|v| v?.map(narrow).transpose()))?;
            Ok(Arc::new(column.with_precision_and_scale(*p, *s)?))
        }
        DataType::Decimal256(p, s) => {
            let fits = fits(*p)?;
            let column = column::<Decimal256Type>(rows, values.map(|v| v?.map(&fits).transpose()))?;
            Ok(Arc::new(column.with_precision_and_scale(*p, *s)?))
        }
        DataType::Int64 => {
            let narrow = |v: i256| v.to_i128().and_then(|v| i64::try_from(v).ok()).ok_or_else(|| out_of_range("bigint out of range"));
            Ok(Arc::new(column::<Int64Type>(rows, values.map(|v| v?.map(narrow).transpose()))?))
        }
        other => {
            let exact = from_wide(rows, Box::new(values) as Box<dyn Iterator<Item = _>>, &DataType::Decimal128(38, 0))?;
            let options = compute::CastOptions { safe: false, ..Default::default() };
            Ok(compute::cast_with_options(&exact, other, &options)?)
        }
    }
}

/// sum and avg of floats, exact before the one rounding.
pub(super) struct FloatSums {
    want: Want,
    result: DataType,
    groups: Vec<(ExactSum, i64)>,
}

impl FloatSums {
    pub fn new(want: Want, result: DataType) -> Self {
        FloatSums { want, result, groups: Vec::new() }
    }

    fn value(&self, group: u32) -> Result<Option<f64>> {
        let (sum, count) = &self.groups[group as usize];
        if *count == 0 {
            return Ok(None);
        }
        let value = sum.value();
        let lost = (value.is_infinite() || self.result == DataType::Float32 && (value as f32).is_infinite()) && !sum.has_special();
        if lost {
            return Err(out_of_range("value out of range: overflow"));
        }
        Ok(Some(match self.want {
            Want::Avg => value / *count as f64,
            Want::Sum if sum.is_of_minus_zeros(*count) => -0.0,
            Want::Sum => value,
        }))
    }
}

impl State for FloatSums {
    fn resize(&mut self, groups: usize) {
        self.groups.resize(groups, Default::default());
    }
    fn reset(&mut self, group: u32) {
        self.groups[group as usize] = Default::default();
    }
    fn update(&mut self, rows: &Rows<'_>) -> Result<()> {
        let mut add = |g: usize, value: f64, w: i64| {
            let sum = &mut self.groups[g].0;
            (0..w).for_each(|_| sum.add(value));
            (w..0).for_each(|_| sum.sub(value));
            self.groups[g].1 += w;
        };
        let array = &rows.args[0];
        match array.data_type() {
            DataType::Float32 => {
                let values = array.as_primitive::<Float32Type>().values();
                rows.each(|i, g, w| add(g, f64::from(values[i]), w));
            }
            DataType::Float64 => {
                let values = array.as_primitive::<Float64Type>().values();
                rows.each(|i, g, w| add(g, values[i], w));
            }
            other => return Err(Error::internal(format!("a sum of floats was given {other}"))),
        }
        Ok(())
    }
    fn finish(&mut self, groups: &[u32]) -> Result<ArrayRef> {
        let values = groups.iter().map(|g| self.value(*g)).collect::<Result<Vec<_>>>()?;
        if self.result == DataType::Float32 {
            return Ok(Arc::new(values.into_iter().map(|v| v.map(|v| v as f32)).collect::<Float32Array>()));
        }
        Ok(compute::cast(&Float64Array::from(values), &self.result)?)
    }
    fn bytes(&self) -> usize {
        self.groups.iter().map(|g| g.0.heap_bytes()).sum::<usize>() + self.groups.capacity() * size_of::<(ExactSum, i64)>()
    }
    fn save(&self, out: &mut StateWriter<'_>) -> Result<()> {
        self.groups.iter().for_each(|(sum, count)| {
            out.bytes(&sum.to_bytes());
            out.i64(*count);
        });
        Ok(())
    }
    fn load(&mut self, input: &mut StateReader<'_>, groups: usize) -> Result<()> {
        self.groups = (0..groups).map(|_| Ok((ExactSum::from_bytes(input.bytes()?)?, input.i64()?))).collect::<Result<_>>()?;
        Ok(())
    }
}

/// sum of intervals: months, days, nanoseconds and count of each group.
#[derive(Default)]
pub(super) struct IntervalSums(Vec<[i128; 4]>);

impl State for IntervalSums {
    fn resize(&mut self, groups: usize) {
        self.0.resize(groups, [0; 4]);
    }
    fn reset(&mut self, group: u32) {
        self.0[group as usize] = [0; 4];
    }
    fn update(&mut self, rows: &Rows<'_>) -> Result<()> {
        let values = rows.args[0].as_primitive_opt::<IntervalMonthDayNanoType>();
        let values = values.ok_or_else(|| Error::internal("a sum's argument changed its type"))?.values();
        rows.each(|i, g, w| {
            let (v, w) = (values[i], i128::from(w));
            let parts = [v.months.into(), v.days.into(), v.nanoseconds.into(), 1i128];
            self.0[g].iter_mut().zip(parts).for_each(|(sum, part)| *sum += part * w);
        });
        Ok(())
    }
    fn finish(&mut self, groups: &[u32]) -> Result<ArrayRef> {
        let one = |g: &u32| -> Result<Option<IntervalMonthDayNano>> {
            let [months, days, nanos, count] = self.0[*g as usize];
            if count == 0 {
                return Ok(None);
            }
            let parts = (i32::try_from(months), i32::try_from(days), i64::try_from(nanos));
            let (Ok(months), Ok(days), Ok(nanos)) = parts else {
                return Err(Error::new(code::DATETIME_FIELD_OVERFLOW, "interval out of range"));
            };
            Ok(Some(IntervalMonthDayNano::new(months, days, nanos)))
        };
        Ok(Arc::new(groups.iter().map(one).collect::<Result<IntervalMonthDayNanoArray>>()?))
    }
    fn bytes(&self) -> usize {
        self.0.capacity() * 64
    }
    fn save(&self, out: &mut StateWriter<'_>) -> Result<()> {
        out.i128s(self.0.as_flattened());
        Ok(())
    }
    fn load(&mut self, input: &mut StateReader<'_>, groups: usize) -> Result<()> {
        self.0 = sized(input.i128s()?.chunks_exact(4).map(|c| [c[0], c[1], c[2], c[3]]).collect(), groups)?;
        Ok(())
    }
}
