//! One agent a state directory: a lock on a file in it, which the kernel takes back when the process
//! ends, however it does.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use super::StoreError;
use crate::escape::escape_text;

/// The file that is locked; it holds the number of the process, for people.
const FILE_NAME: &str = "lock";

/// Digits of a process number, and then some.
const PROCESS_BYTES_MAX: u64 = 20;

/// Held for as long as it lives.
#[derive(Debug)]
pub(super) struct Lock(#[expect(dead_code, reason = "its being open is the lock")] File);

impl Lock {
    /// Takes the lock.
    ///
    /// # Errors
    /// When another process has it.
    pub(super) fn take(directory: &Path) -> Result<Lock, StoreError> {
        let path = directory.join(FILE_NAME);
        let io_error = |source: io::Error| StoreError::Io { path: path.clone(), source };
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = file.open(&path).map_err(io_error)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut process = Vec::new();
                // Only to say who it is.
                let _read = (&file).take(PROCESS_BYTES_MAX).read_to_end(&mut process);
                let process = escape_text(process.trim_ascii()).into_owned();
                return Err(StoreError::Held { directory: directory.to_owned(), process });
            }
            Err(error) => return Err(io_error(error.into())),
        }
        let write = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        // On a full disk the lock holds as well without a number.
        if let Err(error) = write {
            tracing::debug!(%error, "the number of this process was not written to the lock");
        }
        Ok(Lock(file))
    }
}
