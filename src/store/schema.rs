//! The tables, and the way from the schema of an earlier version to ours.

use std::path::Path;

use rusqlite::Connection;

use super::{StoreError, sqlite_error};

/// Marks the file as ours: `GATE` in ASCII, see <https://www.sqlite.org/fileformat.html>.
const APPLICATION_ID: i64 = 0x4741_5445;

/// What makes the schema of each version from the one before, the first from an empty file.
const STEPS: [&str; 2] = ["
    -- The ledger when its image was last taken, part by part.
    CREATE TABLE image (part INTEGER PRIMARY KEY, bytes BLOB NOT NULL, hash INTEGER NOT NULL) STRICT;
    -- What was recorded after that, in order.
    CREATE TABLE journal (number INTEGER PRIMARY KEY, piece BLOB NOT NULL, hash INTEGER NOT NULL) STRICT;
    -- Where each source has read to and what it has counted; the one saved last has the highest.
    CREATE TABLE source (name TEXT PRIMARY KEY, state BLOB NOT NULL, saved INTEGER NOT NULL) STRICT, WITHOUT ROWID;
", "
    -- What each receiver of alerts was told is firing (told), and what it has not taken yet (queued).
    CREATE TABLE notice (kind TEXT NOT NULL, receiver TEXT NOT NULL, id TEXT NOT NULL, bytes BLOB NOT NULL,
                         hash INTEGER NOT NULL, PRIMARY KEY (kind, receiver, id)) STRICT, WITHOUT ROWID;
"];

/// How many of the steps the file has behind it.
///
/// # Errors
/// A schema of a later version; a file of another program counts as damaged.
pub(super) fn version(connection: &Connection, path: &Path) -> Result<usize, StoreError> {
    let failed = |source| sqlite_error(path, source);
    let number = |pragma: &str| {
        connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0)).map_err(failed)
    };
    let version = number("user_version")?;
    let application = number("application_id")?;
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(failed)?;
    if application != APPLICATION_ID && (application != 0 || version != 0 || tables != 0) {
        let reason = "a database of another program".to_owned();
        return Err(StoreError::Damaged { path: path.to_owned(), reason });
    }
    let done = usize::try_from(version).ok().filter(|done| *done <= STEPS.len());
    done.ok_or_else(|| {
        let known = i64::try_from(STEPS.len()).unwrap_or(i64::MAX);
        StoreError::Newer { path: path.to_owned(), found: version, known }
    })
}

/// Takes the steps that are not done yet, all or none.
pub(super) fn migrate(connection: &mut Connection, done: usize) -> rusqlite::Result<()> {
    if done == STEPS.len() {
        return Ok(());
    }
    let transaction = connection.transaction()?;
    for step in STEPS.iter().skip(done) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", i64::try_from(STEPS.len()).unwrap_or(0))?;
    transaction.commit()
}
