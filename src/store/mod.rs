//! What outlives a restart: one SQLite file in the state directory, and the only room that knows SQL.
//!
//! Owns the file, its lock, its schema, and what happens when it is damaged. It holds the ledger's last
//! image, the journal of what was recorded after that, and of each source its places and counts; all
//! of it moves in one transaction. What the bytes mean is left to those who made them, except that
//! [`Store::open`] makes a ledger of them, so that no more than one part is in memory.
//!
//! SQLite runs with a write-ahead log and `synchronous=FULL`: a transaction that was committed
//! survives a loss of power, one that was not leaves no trace
//! (<https://www.sqlite.org/pragma.html#pragma_synchronous>). Another process may read the file
//! meanwhile, for a backup.

mod damage;
mod lock;
mod notices;
mod schema;

use std::fs::OpenOptions;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::{Connection, ErrorCode, OpenFlags, params};

use crate::clock::UnixMilliseconds;
use crate::ledger::image::{ImageError, ImageReader};
use crate::ledger::replay::Replay;
use crate::limits::{SAVED_SOURCES_MAX, STORE_CACHE_KIB, STORE_PAGE_BYTES, STORE_WAL_BYTES};
use crate::rules::RuleSet;
use crate::rules::watch::Watch;
use crate::source::identity::hash;
use damage::suffixed;
use lock::Lock;

/// The file in the state directory; SQLite puts `-wal` and `-shm` beside it.
pub const FILE_NAME: &str = "state.db";

/// Why the state cannot be used, or was not saved.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another agent has it.
    #[error("{}: another gatelog holds this state directory (process {process})", .directory.display())]
    Held {
        /// The state directory.
        directory: PathBuf,
        /// What the other one wrote into its lock.
        process: String,
    },
    /// A later version has written it.
    #[error(
        "{}: written by a newer gatelog (schema {found}, this one knows up to {known}): run that one, or \
         give another --state-dir", .path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// It is no database, or not ours, or bytes in it are not what was written.
    #[error("{}: damaged: {reason}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The file that was opened is not there any more.
    #[error("{}: was removed or replaced while it was in use", .0.display())]
    Gone(PathBuf),
    /// The file system refuses.
    #[error("{}: {source}", .path.display())]
    Io {
        /// What could not be used.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// SQLite refuses.
    #[error("{}: {source}", .path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
}

/// The open state.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    path: PathBuf,
    /// Device and inode of the file that is open.
    file: (u64, u64),
    /// Parts of the image that is being written.
    parts: i64,
    /// The number of this transaction.
    saves: i64,
    _lock: Lock,
}

/// What was saved when the state was opened.
#[derive(Debug, Default)]
pub struct Saved {
    /// None in a new state.
    pub watch: Option<Watch>,
    /// Of each source, by its name: what [`Changes::sources`] gave.
    pub sources: Vec<(String, Vec<u8>)>,
    /// What is kept of notifications.
    pub notices: Vec<Notice>,
    /// How much that was.
    pub size: SavedSize,
    /// Where a damaged file was set aside, and what was wrong with it.
    pub set_aside: Option<(PathBuf, String)>,
}

/// How much is saved, apart from the sources.
#[derive(Clone, Copy, Debug, Default)]
pub struct SavedSize {
    /// Whether there is an image; without one, a journal says nothing.
    pub has_image: bool,
    /// Bytes of the image.
    pub image_bytes: u64,
    /// Pieces of the journal.
    pub pieces: u64,
    /// Bytes of the journal.
    pub journal_bytes: u64,
    /// Events of the journal, which were recorded once more.
    pub events: u64,
}

/// What a row of notices tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NoticeKind {
    /// The receiver was told that the alert of this id fires.
    Told,
    /// The receiver has not taken the notification of this id yet.
    Queued,
}

impl NoticeKind {
    /// As it is stored.
    const fn name(self) -> &'static str {
        match self {
            NoticeKind::Told => "told",
            NoticeKind::Queued => "queued",
        }
    }
}

/// What is kept of the notifications to one receiver: one row, or that it is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What it tells.
    pub kind: NoticeKind,
    /// The receiver's name.
    pub receiver: String,
    /// The alert's or the notification's.
    pub id: String,
    /// The notification; none where the row is to go.
    pub bytes: Option<Vec<u8>>,
}

/// What one transaction saves.
#[derive(Debug, Default)]
pub struct Changes {
    /// The next piece of the journal; may be empty.
    pub journal: Vec<u8>,
    /// Of each source that has changed, its name and what is to be found again.
    pub sources: Vec<(String, Vec<u8>)>,
    /// Rows of notices that have changed.
    pub notices: Vec<Notice>,
}

impl Store {
    /// Opens the state in a directory, which is made if need be, and reads what was saved. A damaged
    /// file is set aside under another name, never deleted, and a new one begun.
    ///
    /// # Errors
    /// [`StoreError`], not that it is damaged.
    pub fn open(
        directory: &Path,
        now: UnixMilliseconds,
        rules: &Arc<RuleSet>,
    ) -> Result<(Store, Saved), StoreError> {
        let lock = lock_directory(directory)?;
        match Store::open_locked(directory, lock, rules) {
            Err((StoreError::Damaged { path, reason }, lock)) => {
                let aside = damage::set_aside(&path, "damaged", now)?;
                let (store, saved) =
                    Store::open_locked(directory, lock, rules).map_err(|(error, _)| error)?;
                Ok((store, Saved { set_aside: Some((aside, reason)), ..saved }))
            }
            other => other.map_err(|(error, _)| error),
        }
    }

    /// Opens the state in a directory for a ledger that exists already: what was saved there before
    /// is set aside. Returns where. Nothing is where the sources are still as [`Store::read`] found
    /// them: then that ledger goes on from this state, and its image takes the place of the one before.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open_anew(
        directory: &Path,
        now: UnixMilliseconds,
        sources_read: &[(String, Vec<u8>)],
    ) -> Result<(Store, Option<PathBuf>), StoreError> {
        let lock = lock_directory(directory)?;
        let path = directory.join(FILE_NAME);
        let opened = open_file(&path).and_then(|(connection, file)| {
            let failed = |source| sqlite_error(&path, source);
            let rows = connection.query_row("SELECT count(*) FROM image", [], |row| row.get(0));
            let parts: i64 = rows.map_err(failed)?;
            let is_read = !sources_read.is_empty()
                && sources(&connection).map_err(failed)?.as_slice() == sources_read;
            let saves = prune(&connection).map_err(failed)?;
            Ok((connection, file, saves, parts == 0 || is_read))
        });
        match opened {
            Ok((connection, file, saves, true)) => {
                Ok((Store { connection, path, file, parts: 0, saves, _lock: lock }, None))
            }
            Ok((connection, ..)) => {
                drop(connection);
                begin_anew(path, lock, now)
            }
            Err(StoreError::Damaged { .. } | StoreError::Newer { .. }) => {
                begin_anew(path, lock, now)
            }
            Err(error) => Err(error),
        }
    }

    /// Reads what was saved where nothing can be written, be it that the disk is full or the file
    /// system read-only, after [`Store::open`] has failed for that.
    ///
    /// # Errors
    /// [`StoreError`]; also when nothing was saved yet.
    pub fn read(directory: &Path, rules: &Arc<RuleSet>) -> Result<Saved, StoreError> {
        let path = directory.join(FILE_NAME);
        let connection = open_to_read(&path)?;
        schema::version(&connection, &path)?;
        load(&connection, &path, rules)
    }

    fn open_locked(
        directory: &Path,
        lock: Lock,
        rules: &Arc<RuleSet>,
    ) -> Result<(Store, Saved), (StoreError, Lock)> {
        let path = directory.join(FILE_NAME);
        let opened = open_file(&path).and_then(|(connection, file)| {
            let saves = prune(&connection).map_err(|source| sqlite_error(&path, source))?;
            let saved = load(&connection, &path, rules)?;
            Ok((connection, file, saved, saves))
        });
        match opened {
            Ok((connection, file, saved, saves)) => {
                Ok((Store { connection, path, file, parts: 0, saves, _lock: lock }, saved))
            }
            Err(error) => Err((error, lock)),
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Saves changes, all or nothing.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing was saved.
    pub fn commit(&mut self, changes: &Changes) -> Result<(), StoreError> {
        self.check_file()?;
        self.saves += 1;
        let result = (|| {
            let transaction = self.connection.transaction()?;
            if !changes.journal.is_empty() {
                let mut insert = transaction
                    .prepare_cached("INSERT INTO journal (piece, hash) VALUES (?1, ?2)")?;
                insert.execute(params![changes.journal, stored_hash(&changes.journal)])?;
            }
            put_sources(&transaction, &changes.sources, self.saves)?;
            notices::put(&transaction, &changes.notices)?;
            transaction.commit()
        })();
        result.map_err(|source| sqlite_error(&self.path, source))
    }

    /// Takes the next part of a ledger's image. It counts for nothing until [`Store::finish_image`];
    /// after an error the image is given up.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_image_part(&mut self, part: &[u8]) -> Result<(), StoreError> {
        let result = (|| {
            if self.parts == 0 {
                self.check_file()?;
                self.connection
                    .execute_batch("BEGIN IMMEDIATE; DELETE FROM image; DELETE FROM journal;")
                    .map_err(|source| sqlite_error(&self.path, source))?;
            }
            self.parts += 1;
            let insert = self
                .connection
                .prepare_cached("INSERT INTO image (part, bytes, hash) VALUES (?1, ?2, ?3)");
            insert
                .and_then(|mut insert| insert.execute(params![self.parts, part, stored_hash(part)]))
                .map_err(|source| sqlite_error(&self.path, source))
        })();
        if result.is_err() {
            self.give_up_image();
        }
        result.map(|_| ())
    }

    /// The image is whole: it takes the place of the one before and of the journal, together with
    /// what the sources have changed, and all notices.
    ///
    /// # Errors
    /// [`StoreError`]; then all is as it was before the image.
    pub fn finish_image(
        &mut self,
        sources: &[(String, Vec<u8>)],
        notices: &[Notice],
    ) -> Result<(), StoreError> {
        self.saves += 1;
        let result = put_sources(&self.connection, sources, self.saves)
            .and_then(|()| notices::replace(&self.connection, notices))
            .and_then(|()| self.connection.execute_batch("COMMIT"));
        self.parts = 0;
        if result.is_err() {
            self.give_up_image();
        }
        result.map_err(|source| sqlite_error(&self.path, source))
    }

    /// Forgets the parts of an image that was not finished.
    pub fn give_up_image(&mut self) {
        self.parts = 0;
        if !self.connection.is_autocommit() {
            // SQLite may have rolled back by itself.
            let _rolled_back = self.connection.execute_batch("ROLLBACK");
        }
    }

    /// Whether the name still leads to the open file: SQLite would go on writing to one that was
    /// removed.
    fn check_file(&self) -> Result<(), StoreError> {
        let file = std::fs::metadata(&self.path).map(|metadata| (metadata.dev(), metadata.ino()));
        match file {
            Ok(file) if file == self.file => Ok(()),
            _ => Err(StoreError::Gone(self.path.clone())),
        }
    }
}

/// Makes the directory if need be, and keeps others out of it.
fn lock_directory(directory: &Path) -> Result<Lock, StoreError> {
    let mut builder = std::fs::DirBuilder::new();
    let made = builder.recursive(true).mode(0o700).create(directory);
    made.map_err(|source| StoreError::Io { path: directory.to_owned(), source })?;
    Lock::take(directory)
}

fn begin_anew(
    path: PathBuf,
    lock: Lock,
    now: UnixMilliseconds,
) -> Result<(Store, Option<PathBuf>), StoreError> {
    let aside = damage::set_aside(&path, "replaced", now)?;
    let (connection, file) = open_file(&path)?;
    Ok((Store { connection, path, file, parts: 0, saves: 0, _lock: lock }, Some(aside)))
}

fn open_file(path: &Path) -> Result<(Connection, (u64, u64)), StoreError> {
    let io_error = |source| StoreError::Io { path: path.to_owned(), source };
    // Made here, so that nobody else can read it; SQLite gives the files beside it the same rights.
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
    let metadata = file.and_then(|file| file.metadata()).map_err(io_error)?;
    if !metadata.is_file() {
        return Err(io_error(io::Error::other("is not a regular file")));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let failed = |source| sqlite_error(path, source);
    let mut connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    // What is not ours is not touched.
    let version = schema::version(&connection, path)?;
    connection
        .execute_batch(&format!(
            "PRAGMA busy_timeout = 5000; PRAGMA trusted_schema = OFF; \
             PRAGMA page_size = {STORE_PAGE_BYTES}; PRAGMA cache_size = -{STORE_CACHE_KIB}; PRAGMA auto_vacuum = INCREMENTAL; \
             PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
             PRAGMA journal_size_limit = {STORE_WAL_BYTES};"
        ))
        .map_err(failed)?;
    schema::migrate(&mut connection, version).map_err(failed)?;
    Ok((connection, (metadata.dev(), metadata.ino())))
}

fn open_to_read(path: &Path) -> Result<Connection, StoreError> {
    let failed = |source| sqlite_error(path, source);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let plain = Connection::open_with_flags(path, flags).map_err(failed)?;
    let reads = |connection: &Connection| {
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0))
    };
    let Err(error) = reads(&plain) else { return Ok(plain) };
    drop(plain);
    let wal = std::fs::metadata(suffixed(path, "-wal"));
    if wal.is_ok_and(|wal| wal.len() > 0) {
        return Err(failed(error));
    }
    // The file alone is all there is; it need not make those that a write-ahead log needs beside it
    // (<https://www.sqlite.org/wal.html#read_only_databases>).
    let escaped = uri_path(path);
    Connection::open_with_flags(
        format!("file:{escaped}?immutable=1"),
        flags | OpenFlags::SQLITE_OPEN_URI,
    )
    .map_err(failed)
}

/// A path as it stands in a URI (RFC 3986).
fn uri_path(path: &Path) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
    let bytes = path.as_os_str().as_bytes().iter();
    bytes
        .map(|byte| match plain(*byte) {
            true => char::from(*byte).to_string(),
            false => format!("%{byte:02X}"),
        })
        .collect()
}

/// Reads what was saved.
fn load(connection: &Connection, path: &Path, rules: &Arc<RuleSet>) -> Result<Saved, StoreError> {
    let mut saved = Saved::default();
    let damaged = |reason: String| StoreError::Damaged { path: path.to_owned(), reason };
    let image_error = |error: ImageError| damaged(format!("image of the counts: {error}"));
    let mut reader = ImageReader::default();
    let size = &mut saved.size;
    for_each_row(connection, path, "SELECT bytes, hash FROM image ORDER BY part", |part| {
        size.has_image = true;
        size.image_bytes += part.len() as u64;
        reader.take(part).map_err(image_error)
    })?;
    if size.has_image {
        let beside = reader.take_beside();
        let ledger = reader.finish().map_err(image_error)?;
        let watch = Watch::restore(ledger, &beside, Arc::clone(rules));
        drop(beside);
        let mut watch = watch.map_err(|error| damaged(format!("memory of the rules: {error}")))?;
        let changed = watch.take_changes();
        let mut replay = Replay::default();
        for_each_row(
            connection,
            path,
            "SELECT piece, hash FROM journal ORDER BY number",
            |piece| {
                size.pieces += 1;
                size.journal_bytes += piece.len() as u64;
                let taken = replay.take(piece, &mut watch);
                taken.map_err(|error| damaged(format!("journal of the counts: {error}")))
            },
        )?;
        size.events = replay.events();
        // What they changed was told when the journal was saved.
        watch.replace_changes(changed);
        saved.watch = Some(watch);
    }
    saved.sources = sources(connection).map_err(|source| sqlite_error(path, source))?;
    saved.notices = notices::read(connection).map_err(|source| sqlite_error(path, source))?;
    Ok(saved)
}

/// Calls `take` with each row's bytes, which must be those that were written.
fn for_each_row(
    connection: &Connection,
    path: &Path,
    select: &str,
    mut take: impl FnMut(&[u8]) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let failed = |source| sqlite_error(path, source);
    let mut statement = connection.prepare(select).map_err(failed)?;
    let mut rows = statement.query([]).map_err(failed)?;
    while let Some(row) = rows.next().map_err(failed)? {
        let bytes = row.get_ref(0).map_err(failed)?.as_blob().unwrap_or_default();
        let expected: i64 = row.get(1).map_err(failed)?;
        if stored_hash(bytes) != expected {
            let reason = "a row is not what was written".to_owned();
            return Err(StoreError::Damaged { path: path.to_owned(), reason });
        }
        take(bytes)?;
    }
    Ok(())
}

fn sources(connection: &Connection) -> rusqlite::Result<Vec<(String, Vec<u8>)>> {
    let mut statement = connection.prepare("SELECT name, state FROM source ORDER BY name")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

/// Forgets the sources that were saved longest ago, beyond the bound. Those that are configured no more
/// are kept until then, so that one which comes back goes on where it was. Returns the number of the
/// last transaction that saved one.
fn prune(connection: &Connection) -> rusqlite::Result<i64> {
    connection.execute(
        "DELETE FROM source WHERE name IN \
         (SELECT name FROM source ORDER BY saved DESC LIMIT -1 OFFSET ?1)",
        [i64::try_from(SAVED_SOURCES_MAX).unwrap_or(i64::MAX)],
    )?;
    connection.query_row("SELECT coalesce(max(saved), 0) FROM source", [], |row| row.get(0))
}

/// Saves what the sources have changed.
fn put_sources(
    connection: &Connection,
    sources: &[(String, Vec<u8>)],
    save: i64,
) -> rusqlite::Result<()> {
    if sources.is_empty() {
        return Ok(());
    }
    let mut insert = connection.prepare_cached(
        "INSERT INTO source (name, state, saved) VALUES (?1, ?2, ?3) \
         ON CONFLICT (name) DO UPDATE SET state = excluded.state, saved = excluded.saved",
    )?;
    for (name, state) in sources {
        insert.execute(params![name, state, save])?;
    }
    Ok(())
}

/// SQLite has signed numbers only.
fn stored_hash(bytes: &[u8]) -> i64 {
    hash(bytes).cast_signed()
}

fn sqlite_error(path: &Path, source: rusqlite::Error) -> StoreError {
    let path = path.to_owned();
    match source.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            StoreError::Damaged { path, reason: source.to_string() }
        }
        _ => StoreError::Sqlite { path, source },
    }
}

#[cfg(test)]
mod tests;
