//! The configuration file: TOML in, a checked [`Config`] out, or all of its problems at once.
//!
//! `document` reads TOML into `raw` (as written), `check` turns that into [`checked`] (as meant). Both record
//! problems with their place, which [`problem`] shows in the order of the file. Not here: what the command line
//! adds, whether the named files exist, and formats and patterns beyond their syntax. The keys of this version are
//! explained in `config/gatelog.toml`; a key that is planned but not there yet is refused as such.

pub mod checked;
pub mod duration;
pub mod environment;
pub mod problem;
pub mod receiver;
pub mod rule_tests;
pub mod state_dir;
pub mod time_zone;
pub mod written;

mod check;
mod document;
mod nearest;
mod raw;
mod sections;

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

pub use checked::{
    Config, Format, FormatError, Http, PathGroup, Routes, ServerFacts, Source, StartFrom,
};
pub use duration::{DurationError, DurationText, parse_duration};
pub use problem::{Problem, Problems};
pub use receiver::{Receiver, ReceiverKind};
pub use state_dir::{NoStateDir, StateDir};
pub use time_zone::{TimeZoneError, parse_time_zone};
pub use written::{Written, WrittenPattern};

use crate::diagnostic::{Level, render_title};
use crate::limits::CONFIG_BYTES_MAX;
use environment::Lookup;

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The file cannot be opened or read.
    #[error("cannot read the configuration `{}`: {source}", .path.display())]
    Read {
        /// The file, as the user named it.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is a directory.
    #[error("cannot read the configuration `{}`: it is a directory, expected a file", .path.display())]
    Directory {
        /// The directory, as the user named it.
        path: PathBuf,
    },
    /// It is larger than [`CONFIG_BYTES_MAX`].
    #[error(
        "cannot read the configuration `{}`: it is larger than {CONFIG_BYTES_MAX} bytes",
        .path.display()
    )]
    TooLarge {
        /// The file, as the user named it.
        path: PathBuf,
    },
    /// It was read but is not right.
    #[error("{0}")]
    Invalid(Problems),
}

impl LoadError {
    /// The text for a terminal, without a final newline. With `color` it has ANSI styles.
    pub fn render(&self, color: bool) -> String {
        match self {
            Self::Invalid(problems) => problems.render(color),
            Self::Read { .. } | Self::Directory { .. } | Self::TooLarge { .. } => {
                render_title(Level::Error, &self.to_string(), color)
            }
        }
    }
}

/// Reads and checks the configuration file at `path`; `${NAME}` in its paths is looked up in the environment.
///
/// # Errors
///
/// When the file cannot be read, is a directory or larger than 1 MiB; else all of its problems together.
pub fn load(path: &Path) -> Result<Config, LoadError> {
    let bytes = read(path)?;
    let mut config = parse(&path.to_string_lossy(), &bytes, &|name| std::env::var_os(name))
        .map_err(LoadError::Invalid)?;
    config.path = Some(path.to_owned());
    Ok(config)
}

/// Checks the text of a configuration file. `path` is only what problems are reported under.
///
/// # Errors
///
/// All problems together: the bytes that are not UTF-8, else the one syntax error, else whatever is wrong with
/// keys and values.
pub fn parse(path: &str, bytes: &[u8], lookup: Lookup<'_>) -> Result<Config, Problems> {
    checked_text(path, bytes, lookup).map(|(config, _)| config)
}

/// As [`parse`], and the patterns in it.
fn checked_text(
    path: &str,
    bytes: &[u8],
    lookup: Lookup<'_>,
) -> Result<(Config, Vec<WrittenPattern>), Problems> {
    let (text, document) = text_and_document(path, bytes, &sections::TOP)?;
    let (config, patterns, problems) = check::check(text, document, lookup);
    if problems.is_empty() {
        Ok((config, patterns))
    } else {
        Err(Problems::new(path.into(), bytes, problems))
    }
}

/// The text of a file that can have what `top` says, as text and as TOML.
fn text_and_document<'b, T: DeserializeOwned + Default>(
    path: &str,
    bytes: &'b [u8],
    top: &'static sections::Section,
) -> Result<(&'b str, document::Document<T>), Problems> {
    let invalid = |problem| Problems::new(path.into(), bytes, vec![problem]);
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let start = error.valid_up_to();
        let end = error.error_len().map_or(bytes.len(), |length| start.saturating_add(length));
        invalid(Problem::new(start..end, "this is not UTF-8", "expected UTF-8"))
    })?;
    Ok((text, document::read(text, top).map_err(invalid)?))
}

fn read(path: &Path) -> Result<Vec<u8>, LoadError> {
    let failed = |source| LoadError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.is_dir() {
        return Err(LoadError::Directory { path: path.to_owned() });
    }
    let mut bytes = Vec::new();
    // One byte more than allowed tells "too large" from "just right".
    let bytes_max = u64::try_from(CONFIG_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    file.take(bytes_max).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > CONFIG_BYTES_MAX {
        return Err(LoadError::TooLarge { path: path.to_owned() });
    }
    Ok(bytes)
}
