//! Secrets in files: read for each use, so that they can be replaced, and never shown.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::limits::{PEM_BYTES_MAX, SECRET_BYTES_MAX};

/// Why a file gives nothing that can be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot use `{}`: {problem}", .path.display())]
pub(super) struct FileError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: FileProblem,
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(super) enum FileProblem {
    /// What the system said.
    #[error("{0}")]
    Read(#[from] io::Error),
    /// It is longer than such files are.
    #[error("expected at most {0} bytes")]
    TooLarge(usize),
    /// It has something else in it.
    #[error("expected {0}")]
    Content(&'static str),
}

/// One line that must not be shown.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Secret(String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    pub(super) fn new(text: String) -> Secret {
        Secret(text)
    }

    /// What the file has, without the white space around it.
    pub(super) fn read(path: &Path) -> Result<Secret, FileError> {
        let bytes = read(path, SECRET_BYTES_MAX)?;
        let text = String::from_utf8(bytes).ok();
        let text = text.map(|text| text.trim().to_owned());
        let is_line = |text: &String| !text.is_empty() && !text.contains(char::is_control);
        let text = text.filter(is_line);
        let expected = FileProblem::Content("one line of text, and not an empty one");
        text.map(Secret).ok_or_else(|| FileError { path: path.to_owned(), problem: expected })
    }

    /// The secret itself: for a header, for a key, for nothing that is kept.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

/// A file of PEM.
pub(super) fn read_pem(path: &Path) -> Result<Vec<u8>, FileError> {
    read(path, PEM_BYTES_MAX)
}

fn read(path: &Path, bytes_max: usize) -> Result<Vec<u8>, FileError> {
    let failed = |problem| FileError { path: path.to_owned(), problem };
    let mut bytes = Vec::new();
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    let file = File::open(path).map_err(|error| failed(error.into()))?;
    file.take(limit).read_to_end(&mut bytes).map_err(|error| failed(error.into()))?;
    if bytes.len() > bytes_max { Err(failed(FileProblem::TooLarge(bytes_max))) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_may_have() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        let check = |text: &[u8], expected: Result<&str, &str>| {
            std::fs::write(&path, text).unwrap();
            let found = Secret::read(&path);
            let found = found.as_ref().map(Secret::reveal).map_err(ToString::to_string);
            let error = |what: &&str| format!("cannot use `{}`: {what}", path.display());
            assert_eq!(found, expected.map_err(|what| error(&what)));
        };
        check(b"abc", Ok("abc"));
        check(b"abc\n", Ok("abc"));
        check(b"  a b \r\n", Ok("a b"));
        let no_line = Err("expected one line of text, and not an empty one");
        check(b"\n", no_line);
        check(b"a\nb", no_line);
        check(b"\xff", no_line);
        check(&vec![b'a'; SECRET_BYTES_MAX + 1], Err("expected at most 8192 bytes"));
        assert!(!format!("{:?}", Secret::new("abc".to_owned())).contains("abc"));
        let missing = Secret::read(&directory.path().join("none")).unwrap_err().to_string();
        assert!(missing.ends_with("none`: No such file or directory (os error 2)"), "{missing}");
    }
}
