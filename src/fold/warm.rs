//! Reading ahead: state is asked for by numbers in no order, and where it is large each read misses the caches.
//!
//! What is done with a value often has the processor wait before it comes to the next (a branch that it could not foresee, a long
//! computation); reads alone overlap. So those of [`TOGETHER`] rows go first, and then each row finds what it needs near.

use std::hint::black_box;

/// Rows to be read ahead: enough for misses to overlap, and few enough that what was read first is still near.
pub(super) const TOGETHER: usize = 64;

/// Makes these reads, of which none waits for another.
#[inline]
pub(super) fn warm(reads: impl Iterator<Item = u32>) {
    black_box(reads.fold(0, u32::wrapping_add));
}

/// The values of these numbers, read [`TOGETHER`] at a time.
pub(super) fn gathered<'a, T: Copy + Default>(values: &'a [T], numbers: &'a [u32]) -> impl Iterator<Item = T> + 'a {
    numbers.chunks(TOGETHER).flat_map(move |numbers| {
        let mut near = [T::default(); TOGETHER];
        near.iter_mut().zip(numbers).for_each(|(near, number)| *near = values[*number as usize]);
        near.into_iter().take(numbers.len())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_in_the_order_of_the_numbers() {
        let values: Vec<u64> = (0..1000).collect();
        for count in [0, 1, TOGETHER, TOGETHER + 1, 500] {
            let numbers: Vec<u32> = (0..count as u32).map(|i| i * 7 % 1000).collect();
            assert_eq!(gathered(&values, &numbers).collect::<Vec<_>>(), numbers.iter().map(|n| u64::from(*n)).collect::<Vec<_>>());
        }
    }
}
