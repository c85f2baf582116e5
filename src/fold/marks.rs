//! A set of dense numbers that is emptied in no time: what a step has touched.

use super::warm::warm;

/// Numbers below some bound, each with a value of the caller's. Beginning anew costs nothing, so a step costs by what it touches and not by what
/// is stored; the value stands beside the mark, so that both are one cache miss.
#[derive(Default)]
pub struct Marks<T = ()> {
    /// Round in which a number was last marked, and with what; 0 for never.
    rounds: Vec<(u32, T)>,
    round: u32,
}

impl<T: Copy + Default> Marks<T> {
    /// Empties the set; numbers are below `slots` from now on, until [`Marks::grow`] says otherwise.
    pub fn begin(&mut self, slots: usize) {
        self.grow(slots);
        self.round = self.round.wrapping_add(1);
        if self.round == 0 {
            self.rounds.fill((0, T::default()));
            self.round = 1;
        }
    }

    /// Makes room for numbers below `slots`.
    pub fn grow(&mut self, slots: usize) {
        if self.rounds.len() < slots {
            self.rounds.resize(slots, (0, T::default()));
        }
    }

    /// What a number is marked with; it is marked with `value` if it was not.
    #[inline]
    pub fn mark(&mut self, number: u32, value: T) -> Option<T> {
        let (round, marked) = &mut self.rounds[number as usize];
        if *round == self.round {
            return Some(*marked);
        }
        (*round, *marked) = (self.round, value);
        None
    }

    /// Reads ahead how these numbers are marked.
    pub fn warm(&self, numbers: &[u32]) {
        warm(numbers.iter().map(|number| self.rounds[*number as usize].0));
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.rounds.capacity() * size_of::<(u32, T)>()
    }
}

impl Marks {
    /// Marks a number; true if it was not marked before.
    #[inline]
    pub fn first(&mut self, number: u32) -> bool {
        self.mark(number, ()).is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginning_anew_forgets_even_when_the_rounds_wrap() {
        let mut marks = Marks::<()> { rounds: vec![], round: u32::MAX - 1 };
        for _ in 0..3 {
            marks.begin(2);
            assert!(marks.first(1) && !marks.first(1) && marks.first(0));
        }
    }

    #[test]
    fn a_number_keeps_what_it_was_marked_with_first() {
        let mut marks = Marks::default();
        for round in 0..2 {
            marks.begin(1);
            assert_eq!([marks.mark(0, round), marks.mark(0, 9)], [None, Some(round)]);
        }
    }
}
