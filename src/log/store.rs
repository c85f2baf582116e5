//! The one door to files: the log, and the engine's checkpoints, reach a disk only through a [`Store`].
//!
//! Names are relative, with `/` between parts. A file becomes visible under its final name by `rename` after its bytes were
//! synced, and `sync_dir` makes the name itself durable: [`Store::write_atomic`] does all of it for a small file, [`NewFile`] for one that is
//! written piece by piece.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

use crate::error::{Error, Result, code};

/// Ending of names that are not finished; recovery removes such files.
pub const TEMPORARY: &str = ".tmp";

/// A directory of files.
pub trait Store: Send + Sync + 'static {
    /// Names of all files below the directory `dir`, at any depth, sorted; none if it does not exist.
    fn list(&self, dir: &str) -> Result<Vec<String>>;
    /// Opens a file for reading at any offset. Errors: 58P01 if there is none.
    fn open(&self, name: &str) -> Result<Blob>;
    /// Creates a file, or empties the one there is; missing directories are made.
    fn create(&self, name: &str) -> Result<Arc<dyn Writable>>;
    /// Opens an existing file for writing.
    fn open_writable(&self, name: &str) -> Result<Arc<dyn Writable>>;
    /// Gives a file another name, replacing what had it.
    fn rename(&self, from: &str, to: &str) -> Result<()>;
    /// Removes a file; readers that have it open go on reading.
    fn remove(&self, name: &str) -> Result<()>;
    /// Makes the names in a directory durable.
    fn sync_dir(&self, dir: &str) -> Result<()>;
    /// Takes the directory for this process until the guard is dropped. Errors: 55006 if another has it.
    fn lock(&self) -> Result<Box<dyn Send + Sync>>;
    /// The path of a file on this machine, if the store is local.
    fn local_path(&self, name: &str) -> Option<PathBuf>;

    /// All bytes of a file.
    fn read(&self, name: &str) -> Result<Bytes> {
        let blob = self.open(name)?;
        let length = usize::try_from(blob.len()).map_err(|_| Error::internal(format!("file \"{name}\" is too large to read at once")))?;
        blob.read_at(0, length)
    }

    /// `length` bytes of a file from `offset` on.
    fn read_range(&self, name: &str, offset: u64, length: usize) -> Result<Bytes> {
        self.open(name)?.read_at(offset, length)
    }

    /// Replaces a file as one step: a crash leaves the old bytes or the new ones.
    fn write_atomic(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let temporary = format!("{name}{TEMPORARY}");
        let file = self.create(&temporary)?;
        file.write_at(0, bytes)?;
        file.sync_data()?;
        self.rename(&temporary, name)?;
        self.sync_dir(parent(name))
    }
}

/// A file open for writing. Offsets and lengths are in bytes.
pub trait Writable: Send + Sync {
    /// Writes all of `bytes` at `offset`. Errors: 53100 if the disk is full; a part may have been written.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()>;
    /// Makes all written bytes durable.
    fn sync_data(&self) -> Result<()>;
    /// Cuts the file, or extends it with zeros.
    fn set_len(&self, length: u64) -> Result<()>;
}

/// A file that is written from its beginning on, and gets its name when it is finished. Of one that is not finished nothing is left.
pub struct NewFile {
    store: Arc<dyn Store>,
    name: String,
    temporary: String,
    file: Arc<dyn Writable>,
    written: u64,
    hasher: crc32fast::Hasher,
    finished: bool,
}

impl NewFile {
    /// Begins a file. Errors: the store's.
    pub fn create(store: &Arc<dyn Store>, name: &str) -> Result<NewFile> {
        let temporary = format!("{name}{TEMPORARY}");
        let file = store.create(&temporary)?;
        let hasher = crc32fast::Hasher::new();
        Ok(NewFile { store: store.clone(), name: name.to_string(), temporary, file, written: 0, hasher, finished: false })
    }

    /// Bytes written so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// CRC-32 of what was written so far.
    pub fn checksum(&self) -> u32 {
        self.hasher.clone().finalize()
    }

    /// Puts other bytes in the place of some that were written, and does not count them to the checksum.
    pub fn overwrite(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.file.write_at(offset, bytes)
    }

    /// Makes it durable under its name, as one step, in the place of a file that had it.
    pub fn finish(&mut self) -> Result<()> {
        self.file.sync_data()?;
        self.store.rename(&self.temporary, &self.name)?;
        self.finished = true;
        self.store.sync_dir(parent(&self.name))
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_at(self.written, bytes).map_err(io::Error::other)?;
        self.hasher.update(bytes);
        self.written += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.finished {
            // If it stays the next opening removes it.
            let _ = self.store.remove(&self.temporary);
        }
    }
}

/// The directory part of a name.
pub fn parent(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(dir, _)| dir)
}

/// A file open for reading at any offset, by several readers at once; the Parquet readers take it as it is.
#[derive(Clone)]
pub enum Blob {
    /// A local file.
    File(Arc<File>, u64),
    /// Bytes in memory.
    Bytes(Bytes),
}

impl Blob {
    /// Length in bytes when it was opened.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> u64 {
        match self {
            Blob::File(_, length) => *length,
            Blob::Bytes(bytes) => bytes.len() as u64,
        }
    }

    /// `length` bytes from `offset` on. Errors: 58030 if the file ends before.
    pub fn read_at(&self, offset: u64, length: usize) -> Result<Bytes> {
        match self {
            Blob::File(file, _) => {
                let mut bytes = vec![0; length];
                file.read_exact_at(&mut bytes, offset)?;
                Ok(bytes.into())
            }
            Blob::Bytes(bytes) => {
                let start = usize::try_from(offset).ok().filter(|s| s.checked_add(length).is_some_and(|end| end <= bytes.len()));
                start.map(|s| bytes.slice(s..s + length)).ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof).into())
            }
        }
    }
}

impl Length for Blob {
    fn len(&self) -> u64 {
        Blob::len(self)
    }
}

impl ChunkReader for Blob {
    type T = io::BufReader<BlobReader>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        Ok(io::BufReader::new(BlobReader { blob: self.clone(), offset: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        self.read_at(start, length).map_err(|e| ParquetError::External(Box::new(e)))
    }
}

/// Reads a [`Blob`] from an offset on.
pub struct BlobReader {
    blob: Blob,
    offset: u64,
}

impl Read for BlobReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let left = self.blob.len().saturating_sub(self.offset);
        let length = out.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        match &self.blob {
            Blob::File(file, _) => file.read_exact_at(&mut out[..length], self.offset)?,
            Blob::Bytes(bytes) => {
                let start = self.offset.min(bytes.len() as u64) as usize;
                out[..length].copy_from_slice(&bytes[start..start + length]);
            }
        }
        self.offset += length as u64;
        Ok(length)
    }
}

/// A directory of the local file system.
pub struct LocalStore {
    root: PathBuf,
}

impl LocalStore {
    /// Opens a directory, making it if it is missing.
    pub fn open(root: impl Into<PathBuf>) -> Result<LocalStore> {
        let root = root.into();
        fs::create_dir_all(&root).map_err(|e| named("create directory", &root.to_string_lossy(), e))?;
        Ok(LocalStore { root })
    }

    fn walk(&self, dir: &str, into: &mut Vec<String>) -> Result<()> {
        let entries = match fs::read_dir(self.root.join(dir)) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(named("list directory", dir, e)),
        };
        for entry in entries {
            let entry = entry.map_err(|e| named("list directory", dir, e))?;
            let Ok(leaf) = entry.file_name().into_string() else { continue };
            let name = if dir.is_empty() { leaf } else { format!("{dir}/{leaf}") };
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => self.walk(&name, into)?,
                Ok(_) => into.push(name),
                Err(e) => return Err(named("inspect file", &name, e)),
            }
        }
        Ok(())
    }

    fn writable(&self, name: &str, options: &OpenOptions) -> Result<Arc<dyn Writable>> {
        let file = options.open(self.root.join(name)).map_err(|e| named("open file", name, e))?;
        Ok(Arc::new(LocalFile { file, name: name.to_string() }))
    }
}

/// An I/O error that says what was done to which file.
fn named(doing: &str, name: &str, e: io::Error) -> Error {
    let mut error: Error = e.into();
    let message = format!("could not {doing} \"{name}\": {}", error.message().trim_start_matches("could not write: "));
    error.fields_mut().message = message;
    error
}

impl Store for LocalStore {
    fn list(&self, dir: &str) -> Result<Vec<String>> {
        let mut names = Vec::new();
        self.walk(dir, &mut names)?;
        names.sort();
        Ok(names)
    }

    fn open(&self, name: &str) -> Result<Blob> {
        let file = File::open(self.root.join(name)).map_err(|e| named("open file", name, e))?;
        let length = file.metadata().map_err(|e| named("inspect file", name, e))?.len();
        Ok(Blob::File(Arc::new(file), length))
    }

    fn create(&self, name: &str) -> Result<Arc<dyn Writable>> {
        let dir = self.root.join(parent(name));
        fs::create_dir_all(&dir).map_err(|e| named("create directory", parent(name), e))?;
        self.writable(name, OpenOptions::new().write(true).create(true).truncate(true))
    }

    fn open_writable(&self, name: &str) -> Result<Arc<dyn Writable>> {
        self.writable(name, OpenOptions::new().write(true))
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        fs::rename(self.root.join(from), self.root.join(to)).map_err(|e| named("rename file", from, e))
    }

    fn remove(&self, name: &str) -> Result<()> {
        fs::remove_file(self.root.join(name)).map_err(|e| named("remove file", name, e))
    }

    /// Syncs the directory and those above it, since the directory itself may be new.
    fn sync_dir(&self, dir: &str) -> Result<()> {
        let mut dir = dir;
        loop {
            let path = self.root.join(dir);
            File::open(path).and_then(|d| d.sync_all()).map_err(|e| named("sync directory", dir, e))?;
            if dir.is_empty() {
                return Ok(());
            }
            dir = parent(dir);
        }
    }

    fn lock(&self) -> Result<Box<dyn Send + Sync>> {
        let path = self.root.join("LOCK");
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = file.map_err(|e| named("open file", "LOCK", e))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(in_use(&self.root, &path)),
            Err(TryLockError::Error(e)) => return Err(named("lock file", "LOCK", e)),
        }
        let write = |file: &mut File| -> io::Result<()> {
            file.set_len(0)?;
            file.seek(SeekFrom::Start(0))?;
            writeln!(file, "{}", std::process::id())
        };
        write(&mut file).map_err(|e| named("write file", "LOCK", e))?;
        Ok(Box::new(file))
    }

    fn local_path(&self, name: &str) -> Option<PathBuf> {
        Some(self.root.join(name))
    }
}

fn in_use(root: &Path, lock: &Path) -> Error {
    let process = fs::read_to_string(lock).unwrap_or_default();
    let error = Error::new(code::OBJECT_IN_USE, "data directory is in use by another Everfold");
    let error = error.detail(format!("Process {} holds the lock of \"{}\".", process.trim(), root.display()));
    error.hint("Stop that server, or name another data directory.")
}

struct LocalFile {
    file: File,
    name: String,
}

impl Writable for LocalFile {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.file.write_all_at(bytes, offset).map_err(|e| named("write file", &self.name, e))
    }

    fn sync_data(&self) -> Result<()> {
        self.file.sync_data().map_err(|e| named("sync file", &self.name, e))
    }

    fn set_len(&self, length: u64) -> Result<()> {
        self.file.set_len(length).map_err(|e| named("cut file", &self.name, e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_file_is_replaced_in_one_step_and_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let store = LocalStore::open(dir.path()).unwrap();
        store.write_atomic("a/b/c", b"old").unwrap();
        store.write_atomic("a/b/c", b"newer").unwrap();
        assert_eq!(store.list("a").unwrap(), ["a/b/c"]);
        assert_eq!(store.read("a/b/c").unwrap(), "newer");
        assert_eq!(store.read_range("a/b/c", 1, 2).unwrap(), "ew");
        assert_eq!(store.open("x").err().unwrap().code(), code::UNDEFINED_FILE);
    }

    #[test]
    fn a_directory_is_locked_once() {
        let dir = tempfile::tempdir().unwrap();
        let store = LocalStore::open(dir.path()).unwrap();
        let guard = store.lock().unwrap();
        let error = LocalStore::open(dir.path()).unwrap().lock().err().unwrap();
        assert_eq!(error.code(), code::OBJECT_IN_USE);
        assert!(error.fields().detail.as_ref().unwrap().contains(&std::process::id().to_string()));
        drop(guard);
        store.lock().unwrap();
    }
}
