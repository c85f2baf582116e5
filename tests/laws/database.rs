//! A database inside the test's process: no sockets, and files in memory where the machine has such a directory.

use std::sync::Arc;
use std::time::Duration;

use everfold::clock::{Clock, SystemClock};
use everfold::config::Config;
use everfold::data::PgType;
use everfold::data::encode::{BatchEncoder, Format, Style};
use everfold::engine::{Column, Engine, Response, Session};
use everfold::error::{Error, Result};
use everfold::limits;
use futures::StreamExt;
use tempfile::TempDir;

/// After this long a statement counts as hanging.
const HANGS_AFTER: Duration = Duration::from_secs(120);

/// The cells of one row as text; `None` for NULL.
pub type Row = Vec<Option<String>>;

/// What a statement answered.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    pub columns: Vec<Column>,
    /// In the order of the answer.
    pub rows: Vec<Row>,
    pub tag: String,
}

impl Answer {
    /// The rows as a bag: one line each, sorted.
    pub fn bag(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.rows.iter().map(line).collect();
        lines.sort_unstable();
        lines
    }

    /// The only cell of the only row.
    pub fn one(&self) -> &str {
        assert_eq!((self.rows.len(), self.rows.first().map(Vec::len)), (1, Some(1)), "not one value: {:?}", self.rows);
        self.rows[0][0].as_deref().unwrap_or("NULL")
    }
}

fn line(row: &Row) -> String {
    row.iter().map(|cell| cell.as_deref().map_or("NULL".to_string(), |text| format!("'{text}'"))).collect::<Vec<_>>().join(" | ")
}

/// A database and one session of it.
pub struct Database {
    pub directory: TempDir,
    pub engine: Arc<Engine>,
    clock: Arc<dyn Clock>,
    session: Option<Session>,
    open: bool,
    runtime: tokio::runtime::Runtime,
}

impl Database {
    /// An empty database.
    pub fn new() -> Result<Database> {
        Database::open(directory())
    }

    /// Opens the database in a directory.
    pub fn open(directory: TempDir) -> Result<Database> {
        Database::at_time(directory, Arc::new(SystemClock))
    }

    /// Opens the database in a directory, with a clock.
    pub fn at_time(directory: TempDir, clock: Arc<dyn Clock>) -> Result<Database> {
        // Rows of views that only grow go to files as soon as they can.
        Database::open_with(directory, clock, Config { view_rows_bytes_max: 1, ..Config::default() })
    }

    /// Opens the database in a directory, with a clock; of `config` only the limits count.
    pub fn open_with(directory: TempDir, clock: Arc<dyn Clock>, config: Config) -> Result<Database> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let config = Config { query_threads: 2, clock_interval_ms: 0, data: directory.path().to_path_buf(), ..config };
        let store = Arc::new(everfold::log::LocalStore::open(&config.data)?);
        let engine = Engine::open_with(store, clock.clone(), &config)?;
        let session = Some(engine.session("test", "test", &[])?);
        Ok(Database { directory, engine, clock, session, open: true, runtime })
    }

    fn on_session<T>(&mut self, what: &str, work: impl AsyncFnOnce(&mut Session) -> Result<T>) -> Result<T> {
        let session = self.session.as_mut().expect("the session lives as long as the database");
        let wait = || self.runtime.block_on(async { tokio::time::timeout(HANGS_AFTER, work(session)).await });
        // As much stack as the server's threads have.
        let done = stacker::grow(limits::STACK_BYTES, wait);
        let done = done.unwrap_or_else(|_| Err(Error::internal(format!("hangs: {what}"))));
        match &done {
            Ok(_) => session.idle(),
            Err(_) => session.fail(),
        }
        session.take_notices();
        done
    }

    /// Runs one statement.
    pub fn run(&mut self, sql: &str) -> Result<Answer> {
        self.on_session(sql, async |session| {
            let response = session.query(sql).await?;
            answer(response).await
        })
    }

    /// The columns that a query would answer.
    pub fn describe(&mut self, sql: &str) -> Result<Vec<Column>> {
        let prepared = self.on_session(sql, async |session| session.prepare(sql, &[]).await)?;
        Ok(prepared.columns.clone().unwrap_or_default())
    }

    /// Runs COPY .. FROM STDIN with these data, in two pieces.
    pub fn copy_in(&mut self, sql: &str, data: &str) -> Result<String> {
        let data = bytes::Bytes::copy_from_slice(data.as_bytes());
        self.on_session(sql, async |session| {
            let Response::CopyIn(mut copy) = session.query(sql).await? else { return Err(Error::internal("not a COPY")) };
            copy.push(data.slice(..data.len() / 2)).await?;
            copy.push(data.slice(data.len() / 2..)).await?;
            session.finish_copy(copy).await
        })
    }

    /// The bytes of COPY .. TO STDOUT.
    pub fn copy_out(&mut self, sql: &str) -> Result<Vec<u8>> {
        self.on_session(sql, async |session| {
            let Response::CopyOut(mut copy) = session.query(sql).await? else { return Err(Error::internal("not a COPY")) };
            let mut bytes = Vec::new();
            while let Some(rows) = copy.chunks.next().await {
                bytes.extend(rows?.concat());
            }
            Ok(bytes)
        })
    }

    /// Stops the server and starts it again.
    pub fn restart(mut self) -> Result<Database> {
        self.close();
        Database::at_time(self.copied()?, self.clock.clone())
    }

    /// A copy of the directory as it is now.
    pub fn copied(&self) -> Result<TempDir> {
        copied(&self.directory)
    }

    /// Opens what a server that is killed now leaves behind.
    pub fn kill(self) -> Result<Database> {
        Database::at_time(self.copied()?, self.clock.clone())
    }

    fn close(&mut self) {
        if self.open {
            self.open = false;
            self.session.take();
            self.engine.shutdown();
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.close();
    }
}

/// Everything that a response holds, as text.
pub async fn answer(response: Response) -> Result<Answer> {
    let mut answer = Answer::default();
    match response {
        Response::Rows { word, columns, mut stream } => {
            let types: Vec<PgType> = columns.iter().map(|c| c.ty.clone()).collect();
            while let Some(batch) = stream.next().await {
                put(&batch?, &types, &mut answer.rows)?;
            }
            answer.tag = word;
            answer.columns = columns;
        }
        Response::Batch { word, columns, batch } => {
            let types: Vec<PgType> = columns.iter().map(|c| c.ty.clone()).collect();
            put(&batch, &types, &mut answer.rows)?;
            answer.tag = word;
            answer.columns = columns.to_vec();
        }
        Response::Done(tag) => answer.tag = tag,
        Response::Empty | Response::CopyIn(_) | Response::CopyOut(_) | Response::OnPortals(_) => {}
    }
    Ok(answer)
}

fn put(batch: &arrow::array::RecordBatch, types: &[PgType], rows: &mut Vec<Row>) -> Result<()> {
    let encoder = BatchEncoder::new(batch, types, &[Format::Text], &Style::default())?;
    let columns: Vec<_> = encoder.columns().collect();
    for row in 0..batch.num_rows() {
        let cell = |c: &&everfold::data::encode::Column| {
            (!c.is_null(row)).then(|| {
                let mut text = bytes::BytesMut::new();
                c.put_text(row, &Style::default(), &mut text);
                String::from_utf8_lossy(&text).into_owned()
            })
        };
        rows.push(columns.iter().map(cell).collect());
    }
    Ok(())
}

/// An empty directory.
pub fn directory() -> TempDir {
    let memory = std::path::Path::new("/dev/shm");
    let mut builder = tempfile::Builder::new();
    builder.prefix("everfold-test");
    let made = if memory.is_dir() { builder.tempdir_in(memory) } else { builder.tempdir() };
    made.expect("a temporary directory can be made")
}

/// A copy of a database's directory.
fn copied(from: &TempDir) -> Result<TempDir> {
    let to = directory();
    let mut open = vec![std::path::PathBuf::new()];
    while let Some(below) = open.pop() {
        for entry in std::fs::read_dir(from.path().join(&below))? {
            let entry = entry?;
            let name = below.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                std::fs::create_dir_all(to.path().join(&name))?;
                open.push(name);
            } else {
                std::fs::copy(entry.path(), to.path().join(&name))?;
            }
        }
    }
    Ok(to)
}
