//! A file that lines are appended to, and that others rotate away.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::PathBuf;

use rustix::fs::OFlags;

/// Who may read it: it tells of certificates and addresses.
const MODE: u32 = 0o600;

#[derive(Debug)]
pub(super) struct LineFile {
    path: PathBuf,
    opened: Option<File>,
}

impl LineFile {
    pub(super) fn new(path: PathBuf) -> LineFile {
        LineFile { path, opened: None }
    }

    /// Makes sure that the file of this name is open; whether it is another one than before.
    pub(super) fn ready(&mut self) -> io::Result<bool> {
        if self.is_current() {
            return Ok(false);
        }
        // So that nobody writes to what was rotated away, if this fails.
        self.opened = None;
        self.opened = Some(self.open()?);
        Ok(true)
    }

    /// Whether what is open has its name still.
    fn is_current(&self) -> bool {
        let Some(opened) = &self.opened else { return false };
        let (Ok(opened), Ok(named)) = (opened.metadata(), self.path.metadata()) else {
            return false;
        };
        (opened.dev(), opened.ino()) == (named.dev(), named.ino())
    }

    /// A line that somebody left unfinished is ended first.
    fn open(&self) -> io::Result<File> {
        // Of a pipe without a reader this is an error, instead of a wait without end.
        let flags = OFlags::NONBLOCK.bits().cast_signed();
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true).mode(MODE).custom_flags(flags);
        let mut file = match options.open(&self.path) {
            // A device or a pipe may be for writing alone.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                OpenOptions::new().append(true).custom_flags(flags).open(&self.path)?
            }
            opened => opened?,
        };
        let metadata = file.metadata()?;
        if metadata.is_file() && metadata.len() > 0 {
            let mut last = [0];
            file.seek(SeekFrom::End(-1))?;
            if file.read(&mut last)? == 1 && last != *b"\n" {
                file.write_all(b"\n")?;
            }
        }
        Ok(file)
    }

    pub(super) fn append(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.opened {
            Some(file) => file.write(bytes),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// How much of these bytes the file of this name ends with, from their beginning; it is left open,
    /// so that the rest goes behind them even in the midst of a line.
    pub(super) fn written_of(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut options = OpenOptions::new();
        let flags = OFlags::NONBLOCK.bits().cast_signed();
        let opened = options.read(true).append(true).custom_flags(flags).open(&self.path);
        let mut file = match opened {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            opened => opened?,
        };
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Ok(0);
        }
        let most = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        file.seek(SeekFrom::Start(metadata.len().saturating_sub(most)))?;
        let mut tail = Vec::new();
        (&mut file).take(most).read_to_end(&mut tail)?;
        let written = overlap(bytes, &tail);
        if written > 0 {
            self.opened = Some(file);
        }
        Ok(written)
    }
}

/// The length of the longest beginning of `bytes` that `tail` ends with, in time proportional to both
/// (Knuth, Morris, Pratt 1977).
fn overlap(bytes: &[u8], tail: &[u8]) -> usize {
    // For each beginning: the longest shorter one that it ends with.
    let mut shorter: Vec<usize> = Vec::with_capacity(bytes.len());
    let extend = |shorter: &[usize], mut length: usize, byte: u8| {
        while bytes.get(length) != Some(&byte) {
            let Some(before) = length.checked_sub(1) else { return 0 };
            length = shorter.get(before).copied().unwrap_or(0);
        }
        length + 1
    };
    let mut length = 0;
    for (index, byte) in bytes.iter().enumerate() {
        length = if index == 0 { 0 } else { extend(&shorter, length, *byte) };
        shorter.push(length);
    }
    tail.iter().fold(0, |length, byte| extend(&shorter, length, *byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlaps() {
        for (bytes, tail, expected) in [
            ("", "", 0),
            ("abc", "", 0),
            ("", "abc", 0),
            ("abc", "abc", 3),
            ("abc", "xxab", 2),
            ("abc", "xxabx", 0),
            ("aab", "aaaab", 3),
            ("aab", "aaaa", 2),
            ("abcabd", "abcabc", 3),
            ("abcabd", "abcab", 5),
            ("aaaa", "aa", 2),
            ("abab", "babab", 4),
        ] {
            let (bytes, tail) = (bytes.as_bytes(), tail.as_bytes());
            assert_eq!(overlap(bytes, tail), expected);
            let by_hand = (0..=bytes.len()).rev().find(|length| tail.ends_with(&bytes[..*length]));
            assert_eq!(by_hand, Some(expected));
        }
    }
}
