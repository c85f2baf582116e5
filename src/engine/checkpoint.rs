//! Checkpoints: the state of all nodes at one position, so that a restart folds only what came after.
//!
//! 1. [`take`] makes a cut at the head for all healthy nodes; the thread that brings a node there writes its state
//!    ([`serve`]). Commits and other nodes go on meanwhile.
//! 2. When all are written, an empty file `<position>.done` makes the checkpoint count, and older ones are removed.
//! 3. [`latest`] finds the newest one with a mark; [`load_node`] loads a node of it.
//!
//! Rows of views that only grow do not stand in it but in files of their own, as far as they are many: [`Node::move_rows`]. The checkpoint
//! names the files, which were made durable before.
//!
//! A checkpoint is a cache of the log: a missing, damaged or outdated file means that its node, and those above it, fold again.
//!
//! `checkpoints/<position>-<relation>.state`:
//!
//! ```text
//! 8 bytes  magic "EVERSTA2"
//! 8 bytes  position
//! 4 bytes  length n of the fingerprint
//! n bytes  fingerprint: version, query and operators; another means that the bytes below are not for this node
//! ...      the state of operators and output
//! 4 bytes  CRC-32 of all before
//! ```

use std::collections::BTreeSet;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::datatypes::Schema;

use crate::data::Position;
use crate::engine::cut::{Cut, Purpose};
use crate::engine::node::{Files, Node};
use crate::engine::runner::Runner;
use crate::error::{Error, Result, code};
use crate::limits;
use crate::log::Log;
use crate::log::store::{NewFile, Store};

const DIRECTORY: &str = "checkpoints";
const MARK: &str = ".done";
const MAGIC: &[u8; 8] = b"EVERSTA2";

/// A checkpoint that was taken: where, and how long the threads that fold were at it.
pub struct Taken {
    pub position: Position,
    pub spent: Duration,
}

/// Writes a checkpoint of all nodes at the head. Waits for nodes that lag.
pub async fn take(runner: &Runner, store: &dyn Store) -> Result<Taken> {
    let nodes = runner.healthy();
    let cut = runner.cut(&nodes, Purpose::Save)?;
    cut.wait().await?;
    let position = cut.position;
    store.write_atomic(&mark(position), b"")?;
    for older in positions(store)?.into_iter().filter(|p| *p < position) {
        remove(store, older)?;
    }
    Ok(Taken { position, spent: cut.spent() })
}

/// The position of the newest complete checkpoint not beyond `head`; others are removed.
pub fn latest(store: &dyn Store, head: Position) -> Result<Option<Position>> {
    let mut best = None;
    for position in positions(store)? {
        let complete = store.list(DIRECTORY)?.contains(&mark(position));
        if complete && position <= head && best.is_none_or(|b| b < position) {
            best = Some(position);
        }
    }
    for position in positions(store)?.into_iter().filter(|p| Some(*p) != best) {
        remove(store, position)?;
    }
    Ok(best)
}

/// Writes the state of a node that has reached the cut, its many rows to a file before.
pub fn serve(cut: &Cut, store: &Arc<dyn Store>, node: &Node, now_us: i64) {
    let saved = catch_unwind(AssertUnwindSafe(|| {
        // If there is no file to be had these rows stand in the checkpoint.
        let _ = node.move_rows(Files { store, now_us }, limits::CHECKPOINT_ROWS_BYTES_MIN);
        // What went into files of its own is not written again: it does not count.
        let started = Instant::now();
        let saved = write(store, &file(cut.position, node), cut.position, &fingerprint(node), |out| node.save(out));
        cut.spend(started.elapsed());
        saved
    }));
    match saved {
        Ok(Ok(())) => cut.arrive(node.relation.id, None),
        Ok(Err(e)) => cut.fail(e),
        Err(_) => cut.fail(Error::internal("writing a checkpoint panicked")),
    }
}

/// Writes a file of the form above, whose state is what `save` writes.
fn write(
    store: &Arc<dyn Store>,
    name: &str,
    position: Position,
    fingerprint: &str,
    save: impl FnOnce(&mut dyn Write) -> Result<()>,
) -> Result<()> {
    let mut file = NewFile::create(store, name)?;
    file.write_all(MAGIC)?;
    file.write_all(&position.to_le_bytes())?;
    file.write_all(&(fingerprint.len() as u32).to_le_bytes())?;
    file.write_all(fingerprint.as_bytes())?;
    save(&mut file)?;
    let checksum = file.checksum();
    file.write_all(&checksum.to_le_bytes())?;
    file.finish()
}

/// Loads one node's state from the checkpoint at `position`, which names the files of rows that do not stand in it. Errors: XX001 for
/// anything that does not fit; the node must then be made anew.
pub fn load_node(store: &Arc<dyn Store>, log: &Log, node: &Node, position: Position) -> Result<()> {
    let name = file(position, node);
    let bytes = store.read(&name)?;
    let state =
        state_in(&bytes, position, &fingerprint(node)).map_err(|what| Error::new(code::DATA_CORRUPTED, format!("{name}: {what}")))?;
    node.load(state, &|name| node.open_rows(log, store, name))
}

/// The state in a file that [`write()`] wrote. Errors: what is wrong with it.
fn state_in<'a>(bytes: &'a [u8], position: Position, fingerprint: &str) -> std::result::Result<&'a [u8], &'static str> {
    const CUT_OFF: &str = "cut off";
    let rest = bytes.strip_prefix(MAGIC).ok_or("not a checkpoint")?;
    let (rest, checksum) = rest.split_last_chunk::<4>().ok_or(CUT_OFF)?;
    if crc32fast::hash(&bytes[..bytes.len() - checksum.len()]) != u32::from_le_bytes(*checksum) {
        return Err("wrong checksum");
    }
    let (at, rest) = rest.split_first_chunk::<8>().ok_or(CUT_OFF)?;
    let (length, rest) = rest.split_first_chunk::<4>().ok_or(CUT_OFF)?;
    let (noted, state) = rest.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or(CUT_OFF)?;
    if u64::from_le_bytes(*at) == position && noted == fingerprint.as_bytes() {
        Ok(state)
    } else {
        Err("made by another version of the server or of the view")
    }
}

/// What must be the same for a state to fit a node.
fn fingerprint(node: &Node) -> String {
    let operators = node
        .with_flow(|flow| flow.operators().iter().map(|o| format!("{}{} {}\n", " ".repeat(o.depth), o.name, o.detail)).collect::<String>());
    // Queries of ksqlDB's dialect are replaced, paused and ended under one statement.
    let ksql = serde_json::to_string(&node.relation.ksql).unwrap_or_default();
    let relation = &node.relation;
    let below = (&relation.depends_on, relation.folded_again);
    // A relation may have got columns since, which operators keep with its rows.
    let columns = |schema: &Schema| schema.fields().iter().map(|f| format!("{} {}, ", f.name(), f.data_type())).collect::<String>();
    let inputs: String = node.inputs.iter().map(|input| columns(&input.schema) + "\n").collect();
    let made = columns(&node.schema());
    format!("{}\n{}\n{below:?}\n{ksql}\n{operators}\n{inputs}{made}", env!("CARGO_PKG_VERSION"), relation.sql)
}

fn mark(position: Position) -> String {
    format!("{DIRECTORY}/{position:020}{MARK}")
}

fn file(position: Position, node: &Node) -> String {
    format!("{DIRECTORY}/{position:020}-{}.state", node.relation.id)
}

/// The position in a file's name.
fn position_of(name: &str) -> Option<Position> {
    name.strip_prefix(DIRECTORY)?.strip_prefix('/')?.get(..20)?.parse().ok()
}

fn positions(store: &dyn Store) -> Result<BTreeSet<Position>> {
    Ok(store.list(DIRECTORY)?.iter().filter_map(|name| position_of(name)).collect())
}

fn remove(store: &dyn Store, position: Position) -> Result<()> {
    let mut names: Vec<String> = store.list(DIRECTORY)?.into_iter().filter(|name| position_of(name) == Some(position)).collect();
    // The mark goes first: what is half removed must not count.
    names.sort_by_key(|name| !name.ends_with(MARK));
    names.iter().try_for_each(|name| store.remove(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::memory::MemoryStore;

    #[test]
    fn every_damaged_byte_is_noticed() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let save = |out: &mut dyn Write| Ok((0..100u8).try_for_each(|n| out.write_all(&[n; 10]))?);
        write(&store, "a.state", 7, "print", save).unwrap();
        let good = store.read("a.state").unwrap().to_vec();
        let state: Vec<u8> = (0..100u8).flat_map(|n| [n; 10]).collect();
        assert_eq!(state_in(&good, 7, "print"), Ok(&state[..]));
        assert!(state_in(&good, 8, "print").is_err() && state_in(&good, 7, "other").is_err());
        for i in 0..good.len() {
            let mut bad = good.clone();
            bad[i] ^= 0x41;
            assert!(state_in(&bad, 7, "print").is_err(), "byte {i}");
            assert!(state_in(&good[..i], 7, "print").is_err(), "cut at {i}");
        }
    }

    #[test]
    fn of_a_state_that_could_not_be_written_no_file_is_left() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let save = |out: &mut dyn Write| {
            out.write_all(&[1; 100])?;
            Err(Error::internal("no more"))
        };
        assert!(write(&store, "a.state", 7, "print", save).is_err());
        assert_eq!(store.list("").unwrap(), Vec::<String>::new());
    }
}
