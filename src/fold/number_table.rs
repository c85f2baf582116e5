//! A hash table from keys to dense numbers: what a [`KeyIndex`](super::KeyIndex) finds its keys by.
//!
//! Open addressing with linear probing in slots of a key and its number, at most three quarters full, where a key that goes lets those behind
//! it move up. So a probe reads neighbouring lines of one page, mostly one, where a table with its control bytes apart (as hashbrown's) reads two
//! places: with ten million keys both are misses. What that costs is memory where a table has just doubled, which one that may be seven eighths
//! full puts off. [`NumberTable::warm`] reads the slots of many keys ahead, so that misses overlap.

use super::warm::warm;

/// Slots of a table without keys.
const SLOTS_MIN: usize = 8;
/// A table of fewer slots is near anyway.
const WARM_SLOTS_MIN: usize = 1 << 14;
/// No number: the key is not in the table.
pub const NONE: u32 = u32::MAX;

/// What stands in a slot, and has all that its hash is made of.
pub(super) trait SlotKey: Copy + Default + PartialEq {
    /// Spread over all 64 bits.
    fn hash(&self) -> u64;
}

/// Keys with their numbers, none of which is [`NONE`].
pub(super) struct NumberTable<K> {
    /// As many as a power of two: a key, and 1 plus its number; 0 where there is none.
    slots: Vec<(K, u32)>,
    keys: usize,
}

impl<K: SlotKey> Default for NumberTable<K> {
    fn default() -> Self {
        NumberTable { slots: vec![(K::default(), 0); SLOTS_MIN], keys: 0 }
    }
}

impl<K: SlotKey> NumberTable<K> {
    /// Where a key stands if nothing is in its way.
    #[inline]
    fn home(&self, key: &K) -> usize {
        key.hash() as usize & (self.slots.len() - 1)
    }

    #[inline]
    fn after(&self, slot: usize) -> usize {
        (slot + 1) & (self.slots.len() - 1)
    }

    /// Reads the slots of these keys ahead.
    pub fn warm(&self, keys: impl Iterator<Item = K>) {
        if self.slots.len() >= WARM_SLOTS_MIN {
            warm(keys.map(|key| self.slots[self.home(&key)].1));
        }
    }

    /// The slot of the key, or the free one where its place would be. Of keys that are equal `same` says by the number if this is the one.
    #[inline]
    fn slot(&self, key: &K, same: impl Fn(u32) -> bool) -> usize {
        let mut at = self.home(key);
        loop {
            let (other, number) = &self.slots[at];
            if *number == 0 || other == key && same(*number - 1) {
                return at;
            }
            at = self.after(at);
        }
    }

    /// The number of the key, or [`NONE`].
    #[inline]
    pub fn find(&self, key: &K, same: impl Fn(u32) -> bool) -> u32 {
        // The 0 of a free slot becomes NONE.
        self.slots[self.slot(key, same)].1.wrapping_sub(1)
    }

    /// The number of the key, which is put in with the one that `give` makes if it is not there. Cost: O(1), but for a table that doubles.
    #[inline]
    pub fn find_or_add(&mut self, key: K, same: impl Fn(u32) -> bool, give: impl FnOnce() -> u32) -> u32 {
        let at = self.slot(&key, same);
        match self.slots[at].1 {
            0 => {
                let number = give();
                self.slots[at] = (key, number + 1);
                self.keys += 1;
                if self.keys * 4 > self.slots.len() * 3 {
                    self.resize(self.slots.len() * 2);
                }
                number
            }
            number => number - 1,
        }
    }

    /// Puts in a key that is not there. Cost as of [`NumberTable::find_or_add`].
    pub fn add(&mut self, key: K, number: u32) {
        self.find_or_add(key, |_| false, || number);
    }

    /// Takes a key out, if it is there with that number.
    pub fn remove(&mut self, key: &K, number: u32) {
        let mut free = self.slot(key, |n| n == number);
        if self.slots[free].1 == 0 {
            return;
        }
        let mut at = self.after(free);
        while self.slots[at].1 != 0 {
            // Those behind it move up, unless their home lies behind the free slot.
            let from_home = at.wrapping_sub(self.home(&self.slots[at].0)) & (self.slots.len() - 1);
            let from_free = at.wrapping_sub(free) & (self.slots.len() - 1);
            if from_home >= from_free {
                self.slots[free] = self.slots[at];
                free = at;
            }
            at = self.after(at);
        }
        self.slots[free] = (K::default(), 0);
        self.keys -= 1;
        if self.keys * 8 < self.slots.len() && self.slots.len() > SLOTS_MIN {
            self.resize((self.keys * 2).next_power_of_two().max(SLOTS_MIN));
        }
    }

    fn resize(&mut self, slots: usize) {
        let old = std::mem::replace(&mut self.slots, vec![(K::default(), 0); slots]);
        for (key, number) in old.into_iter().filter(|(_, number)| *number != 0) {
            let free = self.slot(&key, |_| false);
            self.slots[free] = (key, number);
        }
    }

    /// Bytes of memory held.
    pub fn bytes(&self) -> usize {
        self.slots.capacity() * size_of::<(K, u32)>()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// Many keys have one home, so that they stand in each other's way.
    #[derive(Clone, Copy, Debug, Default, PartialEq)]
    struct Crowded(u64);

    impl SlotKey for Crowded {
        fn hash(&self) -> u64 {
            self.0 / 4 * 5
        }
    }

    proptest! {
        #[test]
        fn it_has_what_a_map_has(changes in prop::collection::vec((0u64..60, any::<bool>()), 1..300)) {
            let (mut table, mut map) = (NumberTable::<Crowded>::default(), BTreeMap::new());
            for (number, (key, add)) in (0u32..).zip(changes) {
                if add {
                    let had = *map.entry(key).or_insert(number);
                    prop_assert_eq!(table.find_or_add(Crowded(key), |_| true, || number), had);
                } else if let Some(had) = map.remove(&key) {
                    table.remove(&Crowded(key), had);
                    table.remove(&Crowded(key), had);
                }
                for key in 0..60 {
                    prop_assert_eq!(table.find(&Crowded(key), |_| true), map.get(&key).copied().unwrap_or(NONE));
                }
            }
            for (key, number) in map {
                table.remove(&Crowded(key), number);
            }
            prop_assert_eq!(table.bytes(), SLOTS_MIN * size_of::<(Crowded, u32)>());
        }

        /// Keys that are equal as far as the slots tell, as of texts with one hash.
        #[test]
        fn equal_keys_are_told_apart_by_their_numbers(order in Just((0u32..20).collect::<Vec<_>>()).prop_shuffle()) {
            let mut table = NumberTable::<Crowded>::default();
            (0..20).for_each(|number| table.add(Crowded(1), number));
            for (gone, number) in order.iter().enumerate() {
                prop_assert_eq!(table.find(&Crowded(1), |n| n == *number), *number);
                table.remove(&Crowded(1), *number);
                for left in &order[gone + 1..] {
                    prop_assert_eq!(table.find(&Crowded(1), |n| n == *left), *left);
                }
                prop_assert_eq!(table.find(&Crowded(1), |n| n == *number), NONE);
            }
        }
    }
}
