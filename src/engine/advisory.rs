//! Advisory locks: what applications lock by number, and the server only keeps.
//!
//! A lock is held by sessions, exclusively or shared, until it is given back, until the transaction ends, or until the session does;
//! a session that takes it n times gives it back n times. Who cannot have it stands in its queue, and is served in order. Whoever
//! would wait for itself, through others, is told 40P01 at once: the graph of who waits for whom is all here. For a statement that is
//! over nothing is taken: who waits for it is sent away when it ends ([`Advisory::dismiss`]), and who asks later is refused.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::error::{Error, Result, code};
use crate::limits;
use crate::serve::system::functions::Caller;
use crate::serve::system::{LockKey, LockStatus};

/// What a session asks for.
#[derive(Clone, Debug)]
pub struct Request {
    pub session: i32,
    pub key: LockKey,
    pub shared: bool,
    /// Until the transaction ends, and not until it is given back.
    pub transaction: bool,
    /// Once it has gone, the lock is not to be had any more.
    pub caller: Caller,
}

/// All advisory locks.
#[derive(Default)]
pub struct Advisory(Mutex<State>);

#[derive(Default)]
struct State {
    locks: BTreeMap<LockKey, Lock>,
    /// Locks that each session holds, and whether shared.
    held: HashMap<i32, BTreeSet<(LockKey, bool)>>,
    /// Those among them, and maybe some that it has given back, that it has taken until the end of its transaction: each statement asks.
    until_end: HashMap<i32, BTreeSet<LockKey>>,
    /// Locks in whose queues each session has stood since it was last dismissed.
    awaited: HashMap<i32, BTreeSet<LockKey>>,
    next_ticket: u64,
}

#[derive(Default)]
struct Lock {
    holders: Vec<Holder>,
    queue: Vec<Waiter>,
}

/// How often a session holds a lock in one mode.
struct Holder {
    session: i32,
    shared: bool,
    until_unlocked: usize,
    until_end: usize,
}

struct Waiter {
    ticket: u64,
    request: Request,
    granted: oneshot::Sender<()>,
}

/// How often a session held each lock until the end of its transaction, by the lock and whether it was shared.
pub type UntilEnd = BTreeMap<(LockKey, bool), usize>;

/// A place in a lock's queue.
pub struct Ticket {
    key: LockKey,
    number: u64,
    /// Answers when the lock is granted, or with an error if the session is dismissed.
    pub granted: oneshot::Receiver<()>,
}

impl Lock {
    /// The sessions that a request has to wait for: those that hold it otherwise, and those in the queue before it (up to
    /// `ticket`) that it would overtake. Who holds it already overtakes: to wait for one that waits for oneself helps nobody.
    fn blockers(&self, request: &Request, ticket: u64) -> Vec<i32> {
        let conflicts = |session: i32, shared: bool| session != request.session && !(shared && request.shared);
        let holders = self.holders.iter().filter(|h| conflicts(h.session, h.shared)).map(|h| h.session);
        if self.holders.iter().any(|h| h.session == request.session) {
            return holders.collect();
        }
        let before = self.queue.iter().filter(|w| w.ticket < ticket && conflicts(w.request.session, w.request.shared));
        holders.chain(before.map(|w| w.request.session)).collect()
    }
}

impl State {
    fn grant(&mut self, request: &Request) {
        let lock = self.locks.entry(request.key).or_default();
        let i = lock.holders.iter().position(|h| h.session == request.session && h.shared == request.shared).unwrap_or_else(|| {
            self.held.entry(request.session).or_default().insert((request.key, request.shared));
            lock.holders.push(Holder { session: request.session, shared: request.shared, until_unlocked: 0, until_end: 0 });
            lock.holders.len() - 1
        });
        if request.transaction {
            self.until_end.entry(request.session).or_default().insert(request.key);
        }
        let holder = &mut lock.holders[i];
        *(if request.transaction { &mut holder.until_end } else { &mut holder.until_unlocked }) += 1;
    }

    /// Removes holders that hold nothing any more, and serves the queue.
    fn settle(&mut self, key: LockKey) {
        let Some(lock) = self.locks.get_mut(&key) else { return };
        let held = &mut self.held;
        lock.holders.retain(|h| {
            let kept = h.until_unlocked + h.until_end > 0;
            if !kept && let Some(locks) = held.get_mut(&h.session) {
                locks.remove(&(key, h.shared));
                if locks.is_empty() {
                    held.remove(&h.session);
                }
            }
            kept
        });
        while let Some(lock) = self.locks.get_mut(&key) {
            let free = lock.queue.iter().position(|w| lock.blockers(&w.request, w.ticket).is_empty());
            let Some(i) = free else { break };
            let waiter = lock.queue.remove(i);
            // One that has given up meanwhile gets nothing.
            if !waiter.request.caller.has_gone() && waiter.granted.send(()).is_ok() {
                self.grant(&waiter.request);
            }
        }
        if self.locks.get(&key).is_some_and(|lock| lock.holders.is_empty() && lock.queue.is_empty()) {
            self.locks.remove(&key);
        }
    }

    /// Has `change` take from what a session holds of these keys.
    fn lessen(&mut self, session: i32, keys: BTreeSet<LockKey>, change: impl Fn(LockKey, &mut Holder)) {
        for key in keys {
            let holders = self.locks.get_mut(&key).into_iter().flat_map(|lock| &mut lock.holders);
            holders.filter(|h| h.session == session).for_each(|holder| change(key, holder));
            self.settle(key);
        }
    }

    /// True if `session` waits, directly or through others, for itself.
    fn waits_for_itself(&self, session: i32) -> bool {
        let (mut seen, mut next) = (HashSet::new(), vec![session]);
        while let Some(waiting) = next.pop() {
            for lock in self.locks.values() {
                for waiter in lock.queue.iter().filter(|w| w.request.session == waiting) {
                    for blocker in lock.blockers(&waiter.request, waiter.ticket) {
                        if blocker == session {
                            return true;
                        }
                        if seen.insert(blocker) {
                            next.push(blocker);
                        }
                    }
                }
            }
        }
        false
    }
}

impl Advisory {
    /// Takes the lock if it can be had at once. Errors: 53400 for a session that holds too many, 57014 if the caller has gone.
    pub fn take(&self, request: &Request) -> Result<bool> {
        let mut state = self.0.lock();
        if request.caller.has_gone() {
            return Err(Error::canceled());
        }
        if state.held.get(&request.session).is_some_and(|locks| locks.len() >= limits::ADVISORY_LOCKS_MAX) {
            return Err(Error::new(code::CONFIGURATION_LIMIT_EXCEEDED, "too many advisory locks in one session")
                .hint(format!("A session holds at most {}; unlock those that are no longer needed.", limits::ADVISORY_LOCKS_MAX)));
        }
        let free = state.locks.get(&request.key).is_none_or(|lock| lock.blockers(request, u64::MAX).is_empty());
        if free {
            state.grant(request);
        }
        Ok(free)
    }

    /// Stands in the lock's queue. Errors: 40P01 where the wait would never end, 57014 if the caller has gone.
    pub fn stand_in_line(&self, request: &Request) -> Result<Ticket> {
        let mut state = self.0.lock();
        if request.caller.has_gone() {
            return Err(Error::canceled());
        }
        let number = state.next_ticket;
        state.next_ticket += 1;
        let (granted, receiver) = oneshot::channel();
        let waiter = Waiter { ticket: number, request: request.clone(), granted };
        state.locks.entry(request.key).or_default().queue.push(waiter);
        if state.waits_for_itself(request.session) {
            if let Some(lock) = state.locks.get_mut(&request.key) {
                lock.queue.retain(|w| w.ticket != number);
            }
            return Err(Error::new(code::DEADLOCK_DETECTED, "deadlock detected")
                .detail(format!("Process {} waits for an advisory lock whose holders wait for it.", request.session))
                .hint("Take locks in the same order everywhere, and retry."));
        }
        state.awaited.entry(request.session).or_default().insert(request.key);
        // It may have become free since it was asked for.
        state.settle(request.key);
        Ok(Ticket { key: request.key, number, granted: receiver })
    }

    /// Leaves the queue; true if the lock had been granted just before, and is held.
    pub fn leave(&self, mut ticket: Ticket) -> bool {
        let mut state = self.0.lock();
        if ticket.granted.try_recv().is_ok() {
            return true;
        }
        if let Some(lock) = state.locks.get_mut(&ticket.key) {
            lock.queue.retain(|w| w.ticket != ticket.number);
        }
        state.settle(ticket.key);
        false
    }

    /// Sends away all who wait for a session.
    pub fn dismiss(&self, session: i32) {
        let mut state = self.0.lock();
        let awaited = state.awaited.remove(&session).unwrap_or_default();
        for key in awaited {
            if let Some(lock) = state.locks.get_mut(&key) {
                lock.queue.retain(|waiter| waiter.request.session != session);
            }
            state.settle(key);
        }
    }

    /// Gives a lock back once; false if the session does not hold it so.
    pub fn unlock(&self, session: i32, key: LockKey, shared: bool) -> bool {
        let mut state = self.0.lock();
        let Some(lock) = state.locks.get_mut(&key) else { return false };
        let holds = |h: &&mut Holder| h.session == session && h.shared == shared && h.until_unlocked > 0;
        let Some(holder) = lock.holders.iter_mut().find(holds) else { return false };
        holder.until_unlocked -= 1;
        state.settle(key);
        true
    }

    /// Undoes a request that was granted.
    pub fn give_back(&self, request: &Request) {
        if !request.transaction {
            self.unlock(request.session, request.key, request.shared);
            return;
        }
        let mut state = self.0.lock();
        let holds = |h: &&mut Holder| h.session == request.session && h.shared == request.shared && h.until_end > 0;
        if let Some(holder) = state.locks.get_mut(&request.key).and_then(|lock| lock.holders.iter_mut().find(holds)) {
            holder.until_end -= 1;
        }
        state.settle(request.key);
    }

    /// Gives back all of a session's locks that are held until unlocked, with `transaction` those held until its end instead. Cost O(those).
    pub fn unlock_all(&self, session: i32, transaction: bool) {
        let mut state = self.0.lock();
        let keys = match transaction {
            true => state.until_end.remove(&session),
            false => state.held.get(&session).map(|locks| locks.iter().map(|(key, _)| *key).collect()),
        };
        let Some(keys) = keys else { return };
        state.lessen(session, keys, |_, holder| *(if transaction { &mut holder.until_end } else { &mut holder.until_unlocked }) = 0);
    }

    /// What a session holds until the end of its transaction.
    pub fn until_end(&self, session: i32) -> UntilEnd {
        let state = self.0.lock();
        let keys = state.until_end.get(&session).into_iter().flatten();
        let holders =
            keys.filter_map(|key| Some((*key, state.locks.get(key)?))).flat_map(|(key, lock)| lock.holders.iter().map(move |h| (key, h)));
        let own = holders.filter(|(_, holder)| holder.session == session && holder.until_end > 0);
        own.map(|(key, holder)| ((key, holder.shared), holder.until_end)).collect()
    }

    /// Gives back what a session has taken until the end of its transaction since it held `before`.
    pub fn unlock_since(&self, session: i32, before: &UntilEnd) {
        let mut state = self.0.lock();
        let Some(keys) = state.until_end.remove(&session) else { return };
        if !before.is_empty() {
            state.until_end.insert(session, before.keys().map(|(key, _)| *key).collect());
        }
        state.lessen(session, keys, |key, holder| {
            let kept = before.get(&(key, holder.shared)).copied().unwrap_or(0);
            holder.until_end = holder.until_end.min(kept);
        });
    }

    /// What is held and waited for, for pg_locks.
    pub fn list(&self) -> Vec<LockStatus> {
        let state = self.0.lock();
        let mut all = Vec::new();
        for (key, lock) in &state.locks {
            let status = |process_id, shared, granted| LockStatus { key: *key, process_id, shared, granted };
            all.extend(lock.holders.iter().map(|h| status(h.session, h.shared, true)));
            all.extend(lock.queue.iter().map(|w| status(w.request.session, w.request.shared, false)));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const A: LockKey = LockKey::One(1);
    const B: LockKey = LockKey::Two(1, 2);

    fn ask(session: i32, key: LockKey) -> Request {
        Request { session, key, shared: false, transaction: false, caller: Caller::default() }
    }

    fn share(session: i32, key: LockKey) -> Request {
        Request { shared: true, ..ask(session, key) }
    }

    #[test]
    fn a_lock_is_given_back_as_often_as_it_was_taken() {
        let locks = Advisory::default();
        assert!(locks.take(&ask(1, A)).unwrap() && locks.take(&ask(1, A)).unwrap());
        assert!(!locks.take(&ask(2, A)).unwrap() && !locks.take(&share(2, A)).unwrap());
        assert!(locks.unlock(1, A, false));
        assert!(!locks.take(&ask(2, A)).unwrap());
        assert!(locks.unlock(1, A, false) && !locks.unlock(1, A, false));
        assert!(locks.take(&share(2, A)).unwrap() && locks.take(&share(1, A)).unwrap());
        assert!(!locks.unlock(2, A, false), "held shared");
        locks.unlock_all(2, false);
        locks.unlock_all(1, false);
        assert!(locks.list().is_empty());
    }

    #[test]
    fn the_transaction_s_end_gives_back_its_own_locks_only() {
        let locks = Advisory::default();
        assert!(locks.take(&Request { transaction: true, ..ask(1, A) }).unwrap());
        assert!(!locks.unlock(1, A, false));
        assert!(locks.take(&ask(1, B)).unwrap());
        locks.unlock_all(1, true);
        assert_eq!(locks.list().iter().map(|l| l.key).collect::<Vec<_>>(), [B]);
    }

    #[test]
    fn what_was_taken_since_a_savepoint_is_given_back() {
        let locks = Advisory::default();
        let until_end = |key| Request { transaction: true, ..ask(1, key) };
        assert!(locks.take(&until_end(A)).unwrap());
        let before = locks.until_end(1);
        assert!(locks.take(&until_end(A)).unwrap() && locks.take(&until_end(B)).unwrap());
        assert!(locks.take(&ask(1, LockKey::One(3))).unwrap());
        locks.unlock_since(1, &before);
        assert_eq!(locks.until_end(1), before);
        assert_eq!(locks.list().iter().map(|l| l.key).collect::<Vec<_>>(), [A, LockKey::One(3)]);
    }

    #[test]
    fn a_session_that_gives_back_leaves_nothing_behind() {
        let locks = Advisory::default();
        let until_end = |key| Request { transaction: true, ..ask(1, key) };
        assert!(locks.take(&until_end(A)).unwrap() && locks.take(&Request { shared: true, ..until_end(A) }).unwrap());
        assert!(locks.take(&ask(1, B)).unwrap() && locks.take(&until_end(B)).unwrap());
        locks.give_back(&until_end(A));
        locks.unlock_all(1, true);
        assert_eq!(locks.list().iter().map(|l| l.key).collect::<Vec<_>>(), [B], "which is held until unlocked, too");
        assert!(locks.until_end(1).is_empty());
        locks.unlock_all(1, false);
        let state = locks.0.lock();
        assert!(state.locks.is_empty() && state.held.is_empty() && state.until_end.is_empty());
    }

    #[test]
    fn those_who_wait_are_served_in_order_and_nobody_overtakes() {
        let locks = Advisory::default();
        assert!(locks.take(&share(1, A)).unwrap());
        let mut two = locks.stand_in_line(&ask(2, A)).unwrap();
        let mut three = locks.stand_in_line(&share(3, A)).unwrap();
        assert!(!locks.take(&share(4, A)).unwrap(), "behind the one who waits");
        assert!(locks.take(&share(1, A)).unwrap(), "who holds it may take it again");
        assert!(two.granted.try_recv().is_err() && three.granted.try_recv().is_err());
        locks.unlock_all(1, false);
        assert!(two.granted.try_recv().is_ok() && three.granted.try_recv().is_err());
        assert!(!locks.leave(three));
        assert!(locks.unlock(2, A, false));
        assert!(locks.list().is_empty());
    }

    #[test]
    fn who_waits_for_a_statement_that_is_over_is_sent_away() {
        let locks = Advisory::default();
        assert!(locks.take(&ask(1, A)).unwrap());
        let mut two = locks.stand_in_line(&ask(2, A)).unwrap();
        let mut three = locks.stand_in_line(&ask(3, A)).unwrap();
        locks.dismiss(2);
        assert_eq!(locks.list().iter().map(|l| l.process_id).collect::<Vec<_>>(), [1, 3]);
        locks.unlock_all(1, false);
        assert!(two.granted.try_recv().is_err() && three.granted.try_recv().is_ok());
        assert!(!locks.leave(two));
        locks.unlock_all(3, false);
        assert!(locks.list().is_empty());
    }

    #[test]
    fn a_caller_who_has_gone_gets_nothing() {
        let locks = Advisory::default();
        let stays = Arc::new(());
        let late = Request { caller: Caller::staying(&stays), ..ask(2, A) };
        assert!(locks.take(&ask(1, A)).unwrap());
        let waits = locks.stand_in_line(&late).unwrap();
        drop(stays);
        locks.unlock_all(1, false);
        assert!(!locks.leave(waits) && locks.list().is_empty());
        assert_eq!(locks.take(&late).err().unwrap().code(), code::QUERY_CANCELED);
        assert_eq!(locks.stand_in_line(&late).err().unwrap().code(), code::QUERY_CANCELED);
    }

    #[test]
    fn a_wait_that_would_never_end_is_refused() {
        let locks = Advisory::default();
        assert!(locks.take(&ask(1, A)).unwrap() && locks.take(&ask(2, B)).unwrap());
        let waits = locks.stand_in_line(&ask(1, B)).unwrap();
        assert_eq!(locks.stand_in_line(&ask(2, A)).err().unwrap().code(), code::DEADLOCK_DETECTED);
        locks.unlock_all(2, false);
        assert!(locks.leave(waits), "granted meanwhile");
        // Two who share a lock and both want it alone.
        let both = Advisory::default();
        assert!(both.take(&share(1, A)).unwrap() && both.take(&share(2, A)).unwrap());
        let _first = both.stand_in_line(&ask(1, A)).unwrap();
        assert_eq!(both.stand_in_line(&ask(2, A)).err().unwrap().code(), code::DEADLOCK_DETECTED);
    }
}
