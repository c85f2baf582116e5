//! Numbered entries in doubly linked lists, one for each numbered key: what finds all that belongs to a key, and lets go of one of them
//! in no time.

use super::key_index::NONE;
use super::state::{StateReader, StateWriter, damaged};
use crate::error::Result;

/// The entries of each key, the last one linked first.
#[derive(Default)]
pub struct Chains {
    heads: Vec<u32>,
    next: Vec<u32>,
    previous: Vec<u32>,
    key_of: Vec<u32>,
}

impl Chains {
    /// Makes room for so many keys and entries.
    pub fn grow(&mut self, keys: usize, entries: usize) {
        self.heads.resize(keys.max(self.heads.len()), NONE);
        for links in [&mut self.next, &mut self.previous, &mut self.key_of] {
            links.resize(entries.max(links.len()), NONE);
        }
    }

    /// The first entry of a key, or [`NONE`].
    #[inline]
    pub fn first(&self, key: u32) -> u32 {
        self.heads.get(key as usize).copied().unwrap_or(NONE)
    }

    /// The entry after `entry` in its key's chain, or [`NONE`].
    #[inline]
    pub fn after(&self, entry: u32) -> u32 {
        self.next[entry as usize]
    }

    /// The entries of a key.
    pub fn entries(&self, key: u32) -> impl Iterator<Item = u32> {
        let present = |entry: u32| (entry != NONE).then_some(entry);
        std::iter::successors(present(self.first(key)), move |entry| present(self.after(*entry)))
    }

    /// Puts an entry that is in no chain before the others of its key.
    pub fn link(&mut self, entry: u32, key: u32) {
        let head = std::mem::replace(&mut self.heads[key as usize], entry);
        self.next[entry as usize] = head;
        self.previous[entry as usize] = NONE;
        self.key_of[entry as usize] = key;
        if head != NONE {
            self.previous[head as usize] = entry;
        }
    }

    /// Takes an entry out of its chain; answers its key, or [`NONE`] if it is in none.
    pub fn unlink(&mut self, entry: u32) -> u32 {
        let Some(key) = self.key_of.get_mut(entry as usize).map(|key| std::mem::replace(key, NONE)) else { return NONE };
        if key == NONE {
            return NONE;
        }
        let (before, after) = (self.previous[entry as usize], self.next[entry as usize]);
        match before {
            NONE => self.heads[key as usize] = after,
            before => self.next[before as usize] = after,
        }
        if after != NONE {
            self.previous[after as usize] = before;
        }
        key
    }

    /// Bytes of memory held.
    pub fn bytes(&self) -> usize {
        self.heads.capacity() * 4 + self.next.capacity() * 12
    }

    /// Writes all chains.
    pub fn save(&self, out: &mut StateWriter<'_>) {
        [&self.heads, &self.next, &self.previous, &self.key_of].into_iter().for_each(|links| out.u32s(links));
    }

    /// Reads what `save` wrote, of so many keys and entries.
    pub fn load(&mut self, input: &mut StateReader<'_>, keys: usize, entries: usize) -> Result<()> {
        for links in [&mut self.heads, &mut self.next, &mut self.previous, &mut self.key_of] {
            *links = input.u32s()?;
        }
        let sized = self.heads.len() == keys && [&self.next, &self.previous, &self.key_of].iter().all(|links| links.len() == entries);
        let linked = self.heads.iter().chain(&self.next).chain(&self.previous).all(|&e| e == NONE || (e as usize) < entries);
        let owned = self.key_of.iter().all(|&key| key == NONE || (key as usize) < keys);
        if sized && linked && owned { Ok(()) } else { Err(damaged("chains")) }
    }
}
