//! A [`Store`] in memory that can fail: full disks, failing syncs, power cuts. For tests.
//!
//! Every file has its bytes as written and as synced, every name as given and as made durable by `sync_dir`.
//! [`MemoryStore::crash`] gives the directory as a power cut would leave it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;

use super::store::{Blob, Store, Writable, parent};
use crate::error::{Error, Result, code};

/// A directory in memory; clones share it.
#[derive(Clone, Default)]
pub struct MemoryStore(Arc<Mutex<Files>>, Arc<AtomicBool>);

#[derive(Default)]
struct Files {
    names: BTreeMap<String, usize>,
    durable: BTreeMap<String, usize>,
    contents: Vec<Content>,
    faults: Faults,
}

#[derive(Clone, Default)]
struct Content {
    now: Vec<u8>,
    synced: Vec<u8>,
}

/// What shall go wrong.
#[derive(Clone, Default)]
pub struct Faults {
    /// The disk is full when all files together reach this many bytes.
    pub capacity: Option<usize>,
    /// Every sync fails.
    pub sync: bool,
    /// After this many more changes (create, write, sync, cut, rename, remove) the machine stops: everything fails.
    pub steps: Option<usize>,
}

impl Files {
    fn step(&mut self) -> Result<()> {
        match &mut self.faults.steps {
            Some(0) => Err(Error::new(code::IO_ERROR, "the machine stopped")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn find(&self, name: &str) -> Result<usize> {
        let found = self.names.get(name).copied();
        found.ok_or_else(|| Error::new(code::UNDEFINED_FILE, format!("could not open file \"{name}\"")))
    }

    fn size(&self) -> usize {
        self.names.values().map(|&i| self.contents[i].now.len()).sum()
    }

    fn room(&self, file: usize, length: usize) -> Result<()> {
        let grown = length.saturating_sub(self.contents[file].now.len());
        match self.faults.capacity {
            Some(capacity) if grown > 0 && self.size() + grown > capacity => {
                Err(std::io::Error::from(std::io::ErrorKind::StorageFull).into())
            }
            _ => Ok(()),
        }
    }
}

impl MemoryStore {
    /// An empty directory.
    pub fn new() -> MemoryStore {
        MemoryStore::default()
    }

    /// Sets what shall go wrong from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.0.lock().faults = faults;
    }

    /// True if the machine has stopped, because [`Faults::steps`] have run out.
    pub fn stopped(&self) -> bool {
        self.0.lock().faults.steps == Some(0)
    }

    /// The directory as a power cut now would leave it: only synced bytes under durable names. Of the unsynced bytes at each
    /// file's end, `torn` are kept. It is not locked, and has no faults.
    pub fn crash(&self, torn: usize) -> MemoryStore {
        let files = self.0.lock();
        let survive = |c: &Content| {
            let mut bytes = c.synced.clone();
            let kept = c.now.len().min(bytes.len() + torn);
            if kept > bytes.len() {
                bytes.extend_from_slice(&c.now[bytes.len()..kept]);
            }
            Content { now: bytes.clone(), synced: bytes }
        };
        let contents = files.contents.iter().map(survive).collect();
        let names = files.durable.clone();
        let files = Files { durable: names.clone(), names, contents, faults: Faults::default() };
        MemoryStore(Arc::new(Mutex::new(files)), Arc::default())
    }

    /// A copy that shares nothing, is not locked, and has no faults.
    pub fn copy(&self) -> MemoryStore {
        let files = self.0.lock();
        let contents = files.contents.iter().map(|c| Content { now: c.now.clone(), synced: c.now.clone() }).collect();
        let files = Files { names: files.names.clone(), durable: files.names.clone(), contents, faults: Faults::default() };
        MemoryStore(Arc::new(Mutex::new(files)), Arc::default())
    }

    /// Sets the bytes of a file, durably; for damaging it.
    pub fn put(&self, name: &str, bytes: Vec<u8>) {
        let mut files = self.0.lock();
        files.contents.push(Content { now: bytes.clone(), synced: bytes });
        let file = files.contents.len() - 1;
        files.names.insert(name.to_string(), file);
        files.durable.insert(name.to_string(), file);
    }
}

impl Store for MemoryStore {
    fn list(&self, dir: &str) -> Result<Vec<String>> {
        let below = format!("{dir}/");
        Ok(self.0.lock().names.keys().filter(|n| dir.is_empty() || n.starts_with(&below)).cloned().collect())
    }

    fn open(&self, name: &str) -> Result<Blob> {
        let files = self.0.lock();
        let file = files.find(name)?;
        Ok(Blob::Bytes(Bytes::copy_from_slice(&files.contents[file].now)))
    }

    fn create(&self, name: &str) -> Result<Arc<dyn Writable>> {
        let mut files = self.0.lock();
        files.step()?;
        files.contents.push(Content::default());
        let file = files.contents.len() - 1;
        files.names.insert(name.to_string(), file);
        Ok(Arc::new(MemoryFile { files: self.0.clone(), file }))
    }

    fn open_writable(&self, name: &str) -> Result<Arc<dyn Writable>> {
        let file = self.0.lock().find(name)?;
        Ok(Arc::new(MemoryFile { files: self.0.clone(), file }))
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        let mut files = self.0.lock();
        files.step()?;
        let file = files.find(from)?;
        files.names.remove(from);
        files.names.insert(to.to_string(), file);
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<()> {
        let mut files = self.0.lock();
        files.step()?;
        files.find(name)?;
        files.names.remove(name);
        Ok(())
    }

    fn sync_dir(&self, dir: &str) -> Result<()> {
        let mut files = self.0.lock();
        files.step()?;
        let now: Vec<(String, usize)> = files.names.iter().filter(|(n, _)| parent(n) == dir).map(|(n, &f)| (n.clone(), f)).collect();
        files.durable.retain(|n, _| parent(n) != dir);
        files.durable.extend(now);
        Ok(())
    }

    fn lock(&self) -> Result<Box<dyn Send + Sync>> {
        if self.1.swap(true, Ordering::SeqCst) {
            return Err(Error::new(code::OBJECT_IN_USE, "data directory is in use by another Everfold"));
        }
        Ok(Box::new(MemoryLock(self.1.clone())))
    }

    fn local_path(&self, _name: &str) -> Option<PathBuf> {
        None
    }
}

struct MemoryLock(Arc<AtomicBool>);

impl Drop for MemoryLock {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

struct MemoryFile {
    files: Arc<Mutex<Files>>,
    file: usize,
}

impl Writable for MemoryFile {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        let mut files = self.files.lock();
        files.step()?;
        let start = offset as usize;
        files.room(self.file, start + bytes.len())?;
        let content = &mut files.contents[self.file].now;
        content.resize(content.len().max(start + bytes.len()), 0);
        content[start..start + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn sync_data(&self) -> Result<()> {
        let mut files = self.files.lock();
        files.step()?;
        if files.faults.sync {
            return Err(Error::new(code::IO_ERROR, "could not sync file: Input/output error"));
        }
        let content = &mut files.contents[self.file];
        content.synced = content.now.clone();
        Ok(())
    }

    fn set_len(&self, length: u64) -> Result<()> {
        let mut files = self.files.lock();
        files.step()?;
        files.room(self.file, length as usize)?;
        files.contents[self.file].now.resize(length as usize, 0);
        Ok(())
    }
}
