//! Sets a damaged file aside: it may be all the evidence there is, so that it is never deleted.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use super::StoreError;
use crate::clock::UnixMilliseconds;

/// Most names that are tried for a file that is set aside.
const NAMES_TRIED_MAX: u32 = 100;

/// Renames the database and what SQLite keeps beside it, by what became of it (`damaged`, `replaced`)
/// and the seconds since 1970; returns the new name of the database.
///
/// # Errors
/// When it cannot be renamed.
pub(super) fn set_aside(
    path: &Path,
    what: &str,
    now: UnixMilliseconds,
) -> Result<PathBuf, StoreError> {
    let named = |number: u32| {
        let again = if number == 0 { String::new() } else { format!("-{number}") };
        suffixed(path, &format!(".{what}-{}{again}", now.0.div_euclid(1000)))
    };
    let free = (0..NAMES_TRIED_MAX).map(named).find(|aside| !aside.exists());
    let aside = free.unwrap_or_else(|| named(NAMES_TRIED_MAX));
    for beside in ["-wal", "-shm", ""] {
        match std::fs::rename(suffixed(path, beside), suffixed(&aside, beside)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(StoreError::Io { path: path.to_owned(), source }),
        }
    }
    Ok(aside)
}

/// The path with something at its end.
pub(super) fn suffixed(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}
