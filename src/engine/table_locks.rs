//! Locks on tables and on rows of theirs: who may change what beside whom.
//!
//! A lock has two sides. It locks the table as a whole in a [`TableMode`], as PostgreSQL does: so LOCK TABLE and ALTER TABLE keep
//! statements out by what they are. And it has a [`Mode`] and is of some [`Rows`]: all of a table, those of some keys, whether they are
//! there or not, or none. Two sessions are in each other's way if the modes of their tables are, or those of their rows are and these
//! meet. Keys are known by their hashes; two that have the same by chance wait for each
//! other, which takes time and is never wrong.
//!
//! First come, first served: whoever asks for what another waits for already stands in line behind that one, unless that one waits for it,
//! itself or through others. Whoever would wait for itself is told 40P01 at once, since the graph of who waits for whom is all here.
//!
//! A session keeps what it has until its last [`TableLock`] of the table is dropped, also while it waits for more. Only what it has of
//! [`Mode::Put`] it gives back for a stronger lock of the same rows: so several that have put rows into a table, and then change all of it,
//! are served one after the other. Until then others may change those rows, as if they were not put yet. If the wait was in vain, the
//! lock must be had again before the transaction commits ([`TableLocks::lost`]).
//!
//! What it gets after a savepoint is written down, to be given back when it goes back to that.
//!
//! Cost of a request: O(sessions that hold or await something of the table x keys asked for).

mod held;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use self::held::Held;
pub use self::held::Rows;
use crate::catalog::RelationId;
use crate::error::{Error, Result, code};
use crate::limits;
use crate::sql::TableMode;

/// The session that holds a lock, by its process id.
pub type Owner = i32;

/// What a session is about to do to rows; the later ones exclude all that the earlier ones do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// Rows of others refer to these rows, which must not go.
    Refer,
    /// Rows are put in, whatever is there.
    Put,
    /// Rows are read and changed; their keys stay.
    Change,
    /// Rows may go.
    Remove,
}

impl Mode {
    fn excludes(self, other: Mode) -> bool {
        match self.max(other) {
            Mode::Remove => true,
            Mode::Change => self.min(other) > Mode::Refer,
            Mode::Put | Mode::Refer => false,
        }
    }
}

/// What a session asks for.
#[derive(Clone, Debug)]
pub struct Request {
    table: TableMode,
    mode: Mode,
    rows: Rows,
    /// How many savepoints there are.
    savepoints: usize,
}

impl Request {
    /// To change rows, or to refer to them.
    pub fn new(mode: Mode, rows: Rows) -> Request {
        let table = if mode == Mode::Refer { TableMode::RowShare } else { TableMode::RowExclusive };
        Request { table, mode, rows, savepoints: 0 }
    }

    /// To select rows FOR UPDATE.
    pub fn selected(rows: Rows) -> Request {
        Request { table: TableMode::RowShare, ..Request::new(Mode::Remove, rows) }
    }

    /// To lock the table, and no rows.
    pub fn whole(table: TableMode) -> Request {
        Request { table, ..Request::new(Mode::Refer, Rows::default()) }
    }

    /// To define the table otherwise, or to empty it. Who has put rows gives them back for it, as for a change of all rows.
    pub fn definition() -> Request {
        Request { table: TableMode::AccessExclusive, ..Request::new(Mode::Remove, Rows::All) }
    }

    /// The same in a transaction that has so many savepoints.
    pub fn after(self, savepoints: usize) -> Request {
        Request { savepoints, ..self }
    }

    fn excludes(&self, other: &Request) -> bool {
        self.table.excludes(other.table) || self.mode.excludes(other.mode) && self.rows.meets(&other.rows)
    }
}

const MODES: [Mode; 4] = [Mode::Refer, Mode::Put, Mode::Change, Mode::Remove];

struct Waiter {
    ticket: u64,
    owner: Owner,
    request: Request,
    granted: oneshot::Sender<TableLock>,
}

#[derive(Default)]
struct Table {
    held: HashMap<Owner, Held>,
    /// Those who wait, in the order in which they are served.
    queue: Vec<Waiter>,
}

impl Table {
    /// The sessions that hold what a request of another excludes.
    fn holders_against(&self, owner: Owner, request: &Request) -> impl Iterator<Item = Owner> {
        self.held.iter().filter(move |(other, held)| **other != owner && held.excludes(request)).map(|(other, _)| *other)
    }

    /// True if a request may be served, with so many of the queue before it.
    fn is_free(&self, owner: Owner, request: &Request, before: usize) -> bool {
        !self.queue[..before].iter().any(|waiter| waiter.request.excludes(request)) && self.holders_against(owner, request).next().is_none()
    }

    /// Those who wait for a session to let go of what it has, or to be served before them.
    fn waiting_for(&self, owner: Owner) -> impl Iterator<Item = Owner> {
        let held = self.held.get(&owner);
        let place = self.queue.iter().position(|waiter| waiter.owner == owner);
        let before = move |i: usize, request: &Request| place.is_some_and(|at| at < i && self.queue[at].request.excludes(request));
        let waits = move |(i, waiter): &(usize, &Waiter)| {
            waiter.owner != owner && (held.is_some_and(|held| held.excludes(&waiter.request)) || before(*i, &waiter.request))
        };
        self.queue.iter().enumerate().filter(waits).map(|(_, waiter)| waiter.owner)
    }
}

#[derive(Default)]
struct State {
    tables: HashMap<RelationId, Table>,
    next_ticket: u64,
}

impl State {
    /// All who wait for a session, themselves or through others.
    fn waiting_for(&self, owner: Owner) -> HashSet<Owner> {
        let (mut all, mut next) = (HashSet::new(), vec![owner]);
        while let Some(awaited) = next.pop() {
            let waiting = self.tables.values().flat_map(|table| table.waiting_for(awaited));
            next.extend(waiting.filter(|waiter| all.insert(*waiter)));
        }
        all
    }

    /// The place of a request in a table's queue: the last, or before the first in its way who is among those `waiting` for it.
    fn place(&mut self, id: RelationId, request: &Request, waiting: &HashSet<Owner>) -> usize {
        let queue = &self.tables.entry(id).or_default().queue;
        let first = queue.iter().position(|waiter| waiting.contains(&waiter.owner) && waiter.request.excludes(request));
        first.unwrap_or(queue.len())
    }

    /// True if a lock was free, which the session then has.
    fn take_free(&mut self, owner: Owner, id: RelationId, request: &Request) -> bool {
        let table = self.tables.entry(id).or_default();
        let mut free = table.is_free(owner, request, table.queue.len());
        // To find who waits for whom takes longer.
        if !free && table.is_free(owner, request, 0) {
            let waiting = self.waiting_for(owner);
            let place = self.place(id, request, &waiting);
            free = self.tables.entry(id).or_default().is_free(owner, request, place);
        }
        let table = self.tables.entry(id).or_default();
        if free {
            table.held.entry(owner).or_default().add(request);
        }
        free
    }

    /// The request, for the whole table if the session has very many keys of it.
    fn bounded(&self, owner: Owner, id: RelationId, request: Request) -> Request {
        let held = self.tables.get(&id).and_then(|table| table.held.get(&owner)).map_or(0, Held::keys);
        match &request.rows {
            Rows::Keys(keys) if held + keys.len() > limits::LOCKED_KEYS_MAX => Request { rows: Rows::All, ..request },
            _ => request,
        }
    }
}

/// The locks of all tables.
#[derive(Default)]
pub struct TableLocks(Mutex<State>);

/// What a session holds of a table, until the last of its locks of that table is dropped.
pub struct TableLock {
    locks: Arc<TableLocks>,
    owner: Owner,
    table: RelationId,
}

impl TableLock {
    /// Gives back what the session has got of the table after more than so many savepoints.
    pub fn back_to(&self, savepoints: usize) {
        self.locks.serve(self.table, |table| table.held.get_mut(&self.owner).is_some_and(|held| held.back_to(savepoints)));
    }

    /// So many savepoints are left.
    pub fn release(&self, savepoints: usize) {
        let mut state = self.locks.0.lock();
        if let Some(held) = state.tables.get_mut(&self.table).and_then(|table| table.held.get_mut(&self.owner)) {
            held.release(savepoints);
        }
    }
}

impl Drop for TableLock {
    fn drop(&mut self) {
        self.locks.serve(self.table, |table| {
            let Some(held) = table.held.get_mut(&self.owner) else { return false };
            held.guards -= 1;
            held.guards == 0 && table.held.remove(&self.owner).is_some()
        });
    }
}

/// A place in a table's queue; dropping it leaves the queue.
struct Place {
    locks: Arc<TableLocks>,
    table: RelationId,
    ticket: u64,
    granted: oneshot::Receiver<TableLock>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.locks.serve(self.table, |table| {
            let place = table.queue.iter().position(|waiter| waiter.ticket == self.ticket);
            place.map(|i| table.queue.remove(i)).is_some()
        });
    }
}

impl TableLocks {
    /// Takes a lock, waiting for it where others have it. Errors: 40P01 where that wait would never end.
    pub async fn take(self: &Arc<Self>, owner: Owner, table: RelationId, request: Request) -> Result<TableLock> {
        let request = self.0.lock().bounded(owner, table, request);
        if let Some(lock) = self.try_take(owner, table, &request) {
            return Ok(lock);
        }
        let mut place = self.stand_in_line(owner, table, request)?;
        (&mut place.granted).await.map_err(|_| Error::internal("a lock is granted to who waits for it"))
    }

    /// Takes a lock if it can be had at once: if nobody holds what it excludes, nor waits for that and not for this session.
    pub fn try_take(self: &Arc<Self>, owner: Owner, table: RelationId, request: &Request) -> Option<TableLock> {
        let free = self.0.lock().take_free(owner, table, request);
        free.then(|| self.guard(owner, table))
    }

    /// True if nobody but a session may change a table.
    pub fn changes_all(&self, owner: Owner, table: RelationId) -> bool {
        let state = self.0.lock();
        let held = state.tables.get(&table).and_then(|table| table.held.get(&owner));
        held.is_some_and(|held| [Mode::Change, Mode::Remove].iter().any(|mode| held.rows[*mode as usize] == Rows::All))
    }

    /// What a session has put and must lock again before it commits.
    pub fn lost(&self, owner: Owner, table: RelationId) -> Option<Request> {
        let state = self.0.lock();
        let lost = &state.tables.get(&table)?.held.get(&owner)?.lost;
        (!lost.is_empty()).then(|| Request::new(Mode::Put, lost.clone()))
    }

    fn guard(self: &Arc<Self>, owner: Owner, table: RelationId) -> TableLock {
        TableLock { locks: self.clone(), owner, table }
    }

    fn stand_in_line(self: &Arc<Self>, owner: Owner, id: RelationId, mut request: Request) -> Result<Place> {
        let mut state = self.0.lock();
        if let Some(held) = state.tables.entry(id).or_default().held.get_mut(&owner) {
            held.give_back(&mut request);
        }
        let waiting = state.waiting_for(owner);
        let place = state.place(id, &request, &waiting);
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        let table = state.tables.entry(id).or_default();
        let awaited = table.holders_against(owner, &request).find(|holder| waiting.contains(holder));
        let (granted, receiver) = oneshot::channel();
        table.queue.insert(place, Waiter { ticket, owner, request, granted });
        drop(state);
        let place = Place { locks: self.clone(), table: id, ticket, granted: receiver };
        // What it needs may have become free meanwhile, or what others need by what it has given back.
        match awaited {
            None => self.serve(id, |_| true),
            Some(holder) => return Err(deadlock(owner, id, holder)),
        }
        Ok(place)
    }

    /// Serves those who wait for a table once something has changed, which `change` does and tells.
    fn serve(self: &Arc<Self>, id: RelationId, change: impl FnOnce(&mut Table) -> bool) {
        let mut served = Vec::new();
        let mut state = self.0.lock();
        if let Some(table) = state.tables.get_mut(&id)
            && change(table)
        {
            let mut next = 0;
            while let Some(waiter) = table.queue.get(next) {
                if !table.is_free(waiter.owner, &waiter.request, next) {
                    next += 1;
                    continue;
                }
                let Waiter { owner, request, granted, .. } = table.queue.remove(next);
                table.held.entry(owner).or_default().add(&request);
                served.push((granted, self.guard(owner, id)));
            }
            if table.held.is_empty() && table.queue.is_empty() {
                state.tables.remove(&id);
            }
        }
        drop(state);
        // One that has given up meanwhile lets go of what it gets, which serves those behind it.
        served.into_iter().for_each(|(granted, lock)| drop(granted.send(lock)));
    }
}

fn deadlock(owner: Owner, table: RelationId, holder: Owner) -> Error {
    Error::new(code::DEADLOCK_DETECTED, "deadlock detected")
        .detail(format!(
            "Process {owner} waits for a lock of relation {table}; blocked by process {holder}, which waits for process {owner}."
        ))
        .hint("Retry the transaction.")
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use futures::future::BoxFuture;

    use super::*;

    const T: RelationId = 1;
    const U: RelationId = 2;

    fn all(mode: Mode) -> Request {
        Request::new(mode, Rows::All)
    }

    fn keys(mode: Mode, keys: &[u64]) -> Request {
        Request::new(mode, Rows::Keys(keys.iter().copied().collect()))
    }

    fn change(of: &[u64]) -> Request {
        keys(Mode::Change, of)
    }

    /// A lock that was had at once.
    fn had(locks: &Arc<TableLocks>, owner: Owner, table: RelationId, request: Request) -> TableLock {
        locks.try_take(owner, table, &request).expect("nobody is in the way")
    }

    /// A lock that has to be waited for.
    fn waits(locks: &Arc<TableLocks>, owner: Owner, table: RelationId, request: Request) -> BoxFuture<'static, Result<TableLock>> {
        let locks = locks.clone();
        let mut wait = async move { locks.take(owner, table, request).await }.boxed();
        assert!((&mut wait).now_or_never().is_none(), "somebody is in the way");
        wait
    }

    fn given(wait: &mut BoxFuture<'static, Result<TableLock>>) -> TableLock {
        wait.now_or_never().expect("it is granted").expect("a lock")
    }

    #[test]
    fn modes_and_rows_tell_who_is_in_the_way() {
        use Mode::*;
        let excluded: [(Mode, &[Mode]); 4] =
            [(Refer, &[Remove]), (Put, &[Change, Remove]), (Change, &[Put, Change, Remove]), (Remove, &[Refer, Put, Change, Remove])];
        for (mode, others) in excluded {
            for other in MODES {
                assert_eq!(mode.excludes(other), others.contains(&other), "{mode:?} {other:?}");
                let locks = Arc::new(TableLocks::default());
                let _one = had(&locks, 1, T, keys(mode, &[7]));
                assert_eq!(locks.try_take(2, T, &all(other)).is_none(), others.contains(&other));
                assert_eq!(locks.try_take(3, T, &keys(other, &[6, 7])).is_none(), others.contains(&other));
                assert!(locks.try_take(4, T, &keys(other, &[6, 8])).is_some());
                assert!(locks.try_take(5, U, &all(other)).is_some());
                assert!(locks.try_take(1, T, &all(other)).is_some(), "nobody is in one's own way");
            }
        }
    }

    #[test]
    fn a_lock_of_the_table_keeps_out_by_what_statements_are() {
        use TableMode::*;
        let statements = [
            Request::whole(AccessShare),
            Request::selected(Rows::Keys([1].into())),
            change(&[2]),
            Request::whole(Share),
            Request::definition(),
        ];
        let kept_out = [
            (AccessShare, "....X"),
            (RowShare, "....X"),
            (RowExclusive, "...XX"),
            (ShareUpdateExclusive, "...XX"),
            (Share, "..X.X"),
            (ShareRowExclusive, "..XXX"),
            (Exclusive, ".XXXX"),
            (AccessExclusive, "XXXXX"),
        ];
        for (mode, expected) in kept_out {
            let locks = Arc::new(TableLocks::default());
            let _one = had(&locks, 1, T, Request::whole(mode));
            let refused = |request: &Request| locks.try_take(2, T, request).is_none();
            let ours: String = statements.iter().map(|request| if refused(request) { 'X' } else { '.' }).collect();
            assert_eq!(ours, expected, "{mode:?}");
            assert!(locks.try_take(1, T, &change(&[2])).is_some(), "nobody is in one's own way");
        }
    }

    #[test]
    fn two_who_share_a_table_and_change_it_are_told() {
        let locks = Arc::new(TableLocks::default());
        let _one = had(&locks, 1, T, Request::whole(TableMode::Share));
        let _two = had(&locks, 2, T, Request::whole(TableMode::Share));
        let _first = waits(&locks, 1, T, change(&[1]));
        assert!(locks.take(2, T, change(&[2])).now_or_never().expect("at once").is_err());
    }

    #[test]
    fn a_table_is_free_when_the_last_lock_of_its_session_goes() {
        let locks = Arc::new(TableLocks::default());
        let (first, second) = (had(&locks, 1, T, change(&[1])), had(&locks, 1, T, change(&[2])));
        drop(second);
        assert!(locks.try_take(2, T, &change(&[2])).is_none());
        drop(first);
        drop(had(&locks, 2, T, change(&[1, 2])));
        assert!(locks.0.lock().tables.is_empty());
    }

    #[test]
    fn those_who_wait_are_served_in_order() {
        let locks = Arc::new(TableLocks::default());
        let one = had(&locks, 1, T, change(&[1]));
        let mut table = waits(&locks, 2, T, all(Mode::Change));
        let mut key = waits(&locks, 3, T, change(&[2]));
        assert!(locks.try_take(4, T, &keys(Mode::Put, &[3])).is_none(), "behind the one who wants the table");
        assert!(locks.try_take(1, T, &change(&[3])).is_some(), "the table waits for this session");
        drop(one);
        let two = given(&mut table);
        assert!((&mut key).now_or_never().is_none());
        drop(two);
        drop(given(&mut key));
        assert!(locks.0.lock().tables.is_empty());
    }

    #[test]
    fn who_gives_up_leaves_the_queue_to_those_behind() {
        let locks = Arc::new(TableLocks::default());
        let _one = had(&locks, 1, T, change(&[1]));
        let table = waits(&locks, 2, T, all(Mode::Change));
        let mut key = waits(&locks, 3, T, change(&[2]));
        drop(table);
        let three = given(&mut key);
        // One that is granted what it does not want any more lets go of it.
        let (four, mut five) = (waits(&locks, 4, T, change(&[2])), waits(&locks, 5, T, change(&[2])));
        drop(three);
        assert!((&mut five).now_or_never().is_none());
        drop(four);
        drop(given(&mut five));
    }

    #[test]
    fn who_waits_for_itself_is_refused() {
        let locks = Arc::new(TableLocks::default());
        let (one, _two, _three) = (had(&locks, 1, T, change(&[1])), had(&locks, 2, T, change(&[2])), had(&locks, 3, U, change(&[1])));
        let mut first = waits(&locks, 1, T, change(&[2]));
        let _second = waits(&locks, 2, U, all(Mode::Change));
        let refused = locks.take(3, T, change(&[1])).now_or_never().expect("at once").err().expect("refused");
        assert_eq!((refused.code(), refused.message()), (code::DEADLOCK_DETECTED, "deadlock detected"));
        assert!((&mut first).now_or_never().is_none(), "the others wait on");
        drop((first, one));
        assert!(locks.try_take(3, T, &change(&[1])).is_some());
    }

    #[test]
    fn two_who_have_keys_and_want_the_table_cannot_both() {
        let locks = Arc::new(TableLocks::default());
        let (_one, two) = (had(&locks, 1, T, change(&[1])), had(&locks, 2, T, change(&[2])));
        let mut table = waits(&locks, 1, T, all(Mode::Remove));
        assert!(locks.take(2, T, all(Mode::Remove)).now_or_never().expect("at once").is_err());
        assert!(locks.try_take(2, T, &change(&[3])).is_some(), "it may have more keys");
        drop(two);
        given(&mut table);
    }

    #[test]
    fn what_is_got_after_a_savepoint_is_given_back_with_it() {
        let locks = Arc::new(TableLocks::default());
        let one = had(&locks, 1, T, change(&[1]));
        drop(had(&locks, 1, T, change(&[1, 2]).after(1)));
        drop(had(&locks, 1, T, Request::whole(TableMode::Share).after(2)));
        drop(had(&locks, 1, T, all(Mode::Remove).after(3)));
        let mut table = waits(&locks, 2, T, change(&[4]));
        one.back_to(2);
        assert!((&mut table).now_or_never().is_none(), "it is shared");
        one.back_to(1);
        drop(given(&mut table));
        assert!(locks.try_take(2, T, &change(&[2])).is_none());
        // What is kept is of the savepoint before.
        drop(had(&locks, 1, T, change(&[3]).after(2)));
        one.release(1);
        assert!(locks.try_take(2, T, &change(&[3])).is_none());
        one.back_to(0);
        drop((had(&locks, 2, T, change(&[2])), had(&locks, 2, T, change(&[3]))));
        assert!(locks.try_take(2, T, &change(&[1])).is_none());
        // With the last of them nothing more is to be given back.
        drop(had(&locks, 1, T, change(&[5]).after(1)));
        one.release(0);
        one.back_to(0);
        assert!(locks.try_take(2, T, &change(&[5])).is_none());
    }

    #[test]
    fn what_was_put_before_a_savepoint_is_lost_with_what_it_was_given_back_for() {
        let locks = Arc::new(TableLocks::default());
        let one = had(&locks, 1, T, keys(Mode::Put, &[1]));
        let two = had(&locks, 2, T, keys(Mode::Put, &[1]));
        drop(had(&locks, 1, T, keys(Mode::Put, &[2]).after(1)));
        let mut changes = waits(&locks, 1, T, change(&[1, 2]).after(1));
        drop(two);
        drop(given(&mut changes));
        assert!(locks.lost(1, T).is_none());
        one.back_to(0);
        assert_eq!(locks.lost(1, T).map(|lost| lost.rows), Some(Rows::Keys([1].into())));
        drop(had(&locks, 2, T, change(&[1, 2])));
        // All of a table, put before and after.
        let _three = had(&locks, 3, U, keys(Mode::Put, &[1]));
        let more = had(&locks, 3, U, all(Mode::Put).after(1));
        assert!(locks.try_take(4, U, &change(&[2])).is_none());
        more.back_to(0);
        assert!(locks.try_take(4, U, &change(&[1])).is_none() && locks.lost(3, U).is_none());
        drop(had(&locks, 4, U, change(&[2])));
    }

    #[test]
    fn what_was_put_is_given_back_for_more_and_must_be_had_again() {
        let locks = Arc::new(TableLocks::default());
        let (_one, two) = (had(&locks, 1, T, all(Mode::Put)), had(&locks, 2, T, all(Mode::Put)));
        // All of the table, since it has put rows of other keys too.
        let mut first = waits(&locks, 1, T, change(&[1]));
        assert_eq!(locks.lost(1, T).map(|lost| lost.rows), Some(Rows::All));
        let second = had(&locks, 2, T, all(Mode::Change));
        drop((two, second));
        let changed = given(&mut first);
        assert!(locks.lost(1, T).is_none(), "what it has is more");
        assert!(locks.try_take(3, T, &keys(Mode::Put, &[2])).is_none());
        drop(changed);
        // A wait in vain.
        let (_three, _four) = (had(&locks, 3, U, keys(Mode::Put, &[1, 2])), had(&locks, 4, U, keys(Mode::Put, &[2])));
        drop(waits(&locks, 3, U, change(&[2, 3])));
        assert_eq!(locks.lost(3, U).map(|lost| lost.rows), Some(Rows::Keys([2].into())));
        let again = locks.lost(3, U).and_then(|lost| locks.try_take(3, U, &lost));
        assert!(again.is_some() && locks.lost(3, U).is_none());
    }
}
