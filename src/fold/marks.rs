//! A set of dense numbers that is emptied in no time: what a step has touched.

/// Numbers below some bound. Beginning anew costs nothing, so a step costs by what it touches and not by what is stored.
#[derive(Default)]
pub struct Marks {
    /// Round in which a number was last marked; 0 for never.
    rounds: Vec<u32>,
    round: u32,
}

impl Marks {
    /// Empties the set; numbers are below `slots` from now on, until [`Marks::grow`] says otherwise.
    pub fn begin(&mut self, slots: usize) {
        self.grow(slots);
        self.round = self.round.wrapping_add(1);
        if self.round == 0 {
            self.rounds.fill(0);
            self.round = 1;
        }
    }

    /// Makes room for numbers below `slots`.
    pub fn grow(&mut self, slots: usize) {
        if self.rounds.len() < slots {
            self.rounds.resize(slots, 0);
        }
    }

    /// Marks a number; true if it was not marked before.
    #[inline]
    pub fn first(&mut self, number: u32) -> bool {
        std::mem::replace(&mut self.rounds[number as usize], self.round) != self.round
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.rounds.capacity() * 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginning_anew_forgets_even_when_the_rounds_wrap() {
        let mut marks = Marks { rounds: vec![], round: u32::MAX - 1 };
        for _ in 0..3 {
            marks.begin(2);
            assert!(marks.first(1) && !marks.first(1) && marks.first(0));
        }
    }
}
