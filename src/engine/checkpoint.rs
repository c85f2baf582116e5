//! Checkpoints: the state of all nodes at one position, so that a restart folds only what came after.
//!
//! 1. [`take`] makes a cut at the head for all healthy nodes; the thread that brings a node there writes its state
//!    ([`save_node`]). Commits and other nodes go on meanwhile.
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
//! 8 bytes  magic "EVERSTA1"
//! 4 bytes  CRC-32 of what follows
//! 8 bytes  position
//! 4 bytes  length n of the fingerprint
//! n bytes  fingerprint: version, query and operators; another means that the bytes below are not for this node
//! ...      the state of operators and output
//! ```

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::Schema;

use crate::data::Position;
use crate::engine::cut::Purpose;
use crate::engine::node::{Files, Node};
use crate::engine::runner::Runner;
use crate::error::{Error, Result, code};
use crate::limits;
use crate::log::Log;
use crate::log::store::Store;

const DIRECTORY: &str = "checkpoints";
const MARK: &str = ".done";
const MAGIC: &[u8; 8] = b"EVERSTA1";
const HEAD_BYTES: usize = 8 + 4;

/// Writes a checkpoint of all nodes at the head; answers its position. Waits for nodes that lag.
pub async fn take(runner: &Runner, store: &dyn Store) -> Result<Position> {
    let nodes = runner.healthy();
    let cut = runner.cut(&nodes, Purpose::Save)?;
    cut.wait().await?;
    let position = cut.position;
    store.write_atomic(&mark(position), b"")?;
    for older in positions(store)?.into_iter().filter(|p| *p < position) {
        remove(store, older)?;
    }
    Ok(position)
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

/// Writes one node's state, its many rows to a file before.
pub fn save_node(store: &Arc<dyn Store>, node: &Node, position: Position, now_us: i64) -> Result<()> {
    // If there is no file to be had they stand in the checkpoint.
    let _ = node.move_rows(Files { store, now_us }, limits::CHECKPOINT_ROWS_BYTES_MIN);
    let fingerprint = fingerprint(node);
    let state = node.save()?;
    let mut body = Vec::with_capacity(12 + fingerprint.len() + state.len());
    body.extend_from_slice(&position.to_le_bytes());
    body.extend_from_slice(&(fingerprint.len() as u32).to_le_bytes());
    body.extend_from_slice(fingerprint.as_bytes());
    body.extend_from_slice(&state);
    let mut bytes = Vec::with_capacity(HEAD_BYTES + body.len());
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&crc32fast::hash(&body).to_le_bytes());
    bytes.append(&mut body);
    store.write_atomic(&file(position, node), &bytes)
}

/// Loads one node's state from the checkpoint at `position`, which names the files of rows that do not stand in it. Errors: XX001 for
/// anything that does not fit; the node must then be made anew.
pub fn load_node(store: &Arc<dyn Store>, log: &Log, node: &Node, position: Position) -> Result<()> {
    let name = file(position, node);
    let damaged = |what: &str| Error::new(code::DATA_CORRUPTED, format!("{name}: {what}"));
    let bytes = store.read(&name)?;
    if bytes.len() < HEAD_BYTES || &bytes[..8] != MAGIC {
        return Err(damaged("not a checkpoint"));
    }
    let body = &bytes[HEAD_BYTES..];
    if crc32fast::hash(body).to_le_bytes() != bytes[8..HEAD_BYTES] {
        return Err(damaged("wrong checksum"));
    }
    let (at, rest) = body.split_first_chunk::<8>().ok_or_else(|| damaged("cut off"))?;
    let (length, rest) = rest.split_first_chunk::<4>().ok_or_else(|| damaged("cut off"))?;
    let (noted, state) = rest.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or_else(|| damaged("cut off"))?;
    if u64::from_le_bytes(*at) != position || noted != fingerprint(node).as_bytes() {
        return Err(damaged("made by another version of the server or of the view"));
    }
    node.load(state, &|name| node.open_rows(log, store, name))
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
