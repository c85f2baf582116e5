//! A hash table from keys to dense numbers: what a [`KeyIndex`](super::KeyIndex) finds its keys by.
//!
//! Open addressing with linear probing in slots of a key and its number, at most five eighths full, where a key that goes lets those behind it
//! move up. So a probe reads one cache line, or its neighbour, where a table with its control bytes apart (as hashbrown's) reads two places: with
//! millions of keys both are misses. A slot is of words of 32 bits, without gaps, which makes up for the room: in all a key takes as many bytes
//! as it would there. Found keys, 3 to 10 million, took 7 to 28 % less time than with hashbrown; three quarters full, mostly no less.
//! [`NumberTable::warm`] reads the slots of many keys ahead, so that misses overlap.

use super::warm::warm;

/// Slots of a table without keys.
const SLOTS_MIN: usize = 8;
/// A table of fewer slots is near anyway.
const WARM_SLOTS_MIN: usize = 1 << 14;
/// No number: the key is not in the table.
pub const NONE: u32 = u32::MAX;

/// What stands in a slot, and has all that its hash is made of.
pub(super) trait SlotKey: Copy + PartialEq {
    /// An array of 32-bit words: those of the key, and last the mark, 1 plus the number. All zeros are a free slot, as memory comes.
    type Slot: Copy + Default;
    /// Spread over all 64 bits.
    fn hash(&self) -> u64;
    /// The key with a mark.
    fn marked(self, mark: u32) -> Self::Slot;
    /// The key in a slot, and the mark.
    fn read(slot: &Self::Slot) -> (Self, u32);
}

/// The words of a key of 64 bits with a mark.
#[inline]
pub(super) fn marked(key: u64, mark: u32) -> [u32; 3] {
    [key as u32, (key >> 32) as u32, mark]
}

/// The key of two words.
#[inline]
pub(super) fn joined(low: u32, high: u32) -> u64 {
    u64::from(low) | u64::from(high) << 32
}

/// Keys with their numbers, none of which is [`NONE`].
pub(super) struct NumberTable<K: SlotKey> {
    /// As many as a power of two.
    slots: Vec<K::Slot>,
    keys: usize,
}

impl<K: SlotKey> Default for NumberTable<K> {
    fn default() -> Self {
        NumberTable { slots: vec![K::Slot::default(); SLOTS_MIN], keys: 0 }
    }
}

impl<K: SlotKey> NumberTable<K> {
    /// Where a key stands if nothing is in its way.
    #[inline]
    fn home(&self, key: &K) -> usize {
        key.hash() as usize & (self.slots.len() - 1)
    }

    #[inline]
    fn mark(&self, slot: usize) -> u32 {
        K::read(&self.slots[slot]).1
    }

    #[inline]
    fn after(&self, slot: usize) -> usize {
        (slot + 1) & (self.slots.len() - 1)
    }

    /// Reads the slots of these keys ahead.
    pub fn warm(&self, keys: impl Iterator<Item = K>) {
        if self.slots.len() >= WARM_SLOTS_MIN {
            warm(keys.map(|key| self.mark(self.home(&key))));
        }
    }

    /// The slot of the key, or the free one where its place would be. Of keys that are equal `same` says by the number if this is the one.
    #[inline]
    fn slot(&self, key: &K, same: impl Fn(u32) -> bool) -> usize {
        let mut at = self.home(key);
        loop {
            let (other, mark) = K::read(&self.slots[at]);
            if mark == 0 || other == *key && same(mark - 1) {
                return at;
            }
            at = self.after(at);
        }
    }

    /// The number of the key, or [`NONE`].
    #[inline]
    pub fn find(&self, key: &K, same: impl Fn(u32) -> bool) -> u32 {
        // The 0 of a free slot becomes NONE.
        self.mark(self.slot(key, same)).wrapping_sub(1)
    }

    /// The number of the key, which is put in with the one that `give` makes if it is not there. Cost: O(1), but for a table that doubles.
    #[inline]
    pub fn find_or_add(&mut self, key: K, same: impl Fn(u32) -> bool, give: impl FnOnce() -> u32) -> u32 {
        let at = self.slot(&key, same);
        match self.mark(at) {
            0 => {
                let number = give();
                self.slots[at] = key.marked(number + 1);
                self.keys += 1;
                if self.keys * 8 > self.slots.len() * 5 {
                    self.resize(self.slots.len() * 2);
                }
                number
            }
            mark => mark - 1,
        }
    }

    /// Puts in a key that is not there. Cost as of [`NumberTable::find_or_add`].
    pub fn add(&mut self, key: K, number: u32) {
        self.find_or_add(key, |_| false, || number);
    }

    /// Takes a key out, if it is there with that number.
    pub fn remove(&mut self, key: &K, number: u32) {
        let mut free = self.slot(key, |n| n == number);
        if self.mark(free) == 0 {
            return;
        }
        let mut at = self.after(free);
        while self.mark(at) != 0 {
            // Those behind it move up, unless their home lies behind the free slot.
            let from_home = at.wrapping_sub(self.home(&K::read(&self.slots[at]).0)) & (self.slots.len() - 1);
            let from_free = at.wrapping_sub(free) & (self.slots.len() - 1);
            if from_home >= from_free {
                self.slots[free] = self.slots[at];
                free = at;
            }
            at = self.after(at);
        }
        self.slots[free] = K::Slot::default();
        self.keys -= 1;
        if self.keys * 8 < self.slots.len() && self.slots.len() > SLOTS_MIN {
            self.resize((self.keys * 2).next_power_of_two().max(SLOTS_MIN));
        }
    }

    fn resize(&mut self, slots: usize) {
        let old = std::mem::replace(&mut self.slots, vec![K::Slot::default(); slots]);
        for slot in old {
            let (key, mark) = K::read(&slot);
            if mark != 0 {
                let free = self.slot(&key, |_| false);
                self.slots[free] = slot;
            }
        }
    }

    /// Bytes of memory held.
    pub fn bytes(&self) -> usize {
        self.slots.capacity() * size_of::<K::Slot>()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// Many keys have one home, so that they stand in each other's way.
    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Crowded(u64);

    impl SlotKey for Crowded {
        type Slot = [u32; 3];
        fn hash(&self) -> u64 {
            self.0 / 4 * 5
        }
        fn marked(self, mark: u32) -> [u32; 3] {
            marked(self.0, mark)
        }
        fn read([low, high, mark]: &[u32; 3]) -> (Self, u32) {
            (Crowded(joined(*low, *high)), *mark)
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
            prop_assert_eq!(table.bytes(), SLOTS_MIN * size_of::<[u32; 3]>());
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
