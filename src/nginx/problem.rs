//! What could not be read or followed in nginx's configuration, and where. A problem never stops
//! the reading; whoever shows them decides how loud they are.

use std::io;
use std::path::{Path, PathBuf};

use gatelog_parsers::nginx_conf::ConfError;

use crate::limits::{
    NGINX_CONF_BYTES_MAX, NGINX_CONF_FILES_MAX, NGINX_CONF_INCLUDE_DEPTH_MAX,
    NGINX_CONF_PROBLEMS_MAX, NGINX_CONF_RECORDS_MAX,
};

/// A problem and its place, shown as `path:line:column: problem`.
#[derive(Debug, thiserror::Error)]
#[error("{}{}: {kind}", .path.display(), Place { line: *.line, column: *.column })]
pub struct Problem {
    /// The file in which the problem stands: for an unreadable include the file that includes it,
    /// for broken syntax the broken file itself.
    pub path: PathBuf,
    /// The line, from 1; 0 where the main file cannot be read at all.
    pub line: u32,
    /// The column in bytes, from 1; 0 where the main file cannot be read at all.
    pub column: u32,
    /// What was expected and what was found.
    pub kind: ProblemKind,
}

/// What was expected in nginx's configuration and what was found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProblemKind {
    /// nginx could not read this file as configuration.
    #[error(transparent)]
    Syntax(#[from] ConfError),
    /// The main file is missing or unreadable.
    #[error("expected a readable file, found: {0}")]
    Unreadable(io::Error),
    /// An included file is missing or unreadable.
    #[error("expected a readable file to include at {}, found: {error}", .included.display())]
    Include {
        /// The file.
        included: PathBuf,
        /// Why it cannot be read.
        error: io::Error,
    },
    /// A file includes itself, directly or through others.
    #[error("expected no cycle of includes, found {} again", .included.display())]
    Cycle {
        /// The file that is already being read.
        included: PathBuf,
    },
    /// Files include each other too deeply.
    #[error(
        "expected at most {NGINX_CONF_INCLUDE_DEPTH_MAX} files inside each other, found {} below them",
        .included.display()
    )]
    IncludeDepth {
        /// The file that is left out.
        included: PathBuf,
    },
    /// There are too many files.
    #[error("expected at most {NGINX_CONF_FILES_MAX} files, found {} beyond", .included.display())]
    Files {
        /// The file that is left out.
        included: PathBuf,
    },
    /// The files are too long together.
    #[error(
        "expected at most {NGINX_CONF_BYTES_MAX} bytes in all files, found {} beyond",
        .included.display()
    )]
    Bytes {
        /// The file that is left out.
        included: PathBuf,
    },
    /// Blocks of all files stand too deep inside each other.
    #[error(
        "expected at most {} blocks inside each other, found more",
        gatelog_parsers::nginx_conf::BLOCK_DEPTH_MAX
    )]
    Depth,
    /// A directive has a value that nginx refuses; the directive is left out.
    #[error("expected {expected} in `{directive}`, found {found}")]
    Value {
        /// The directive.
        directive: String,
        /// What nginx takes.
        expected: &'static str,
        /// The value in backquotes, cut and escaped, or `nothing`.
        found: String,
    },
    /// More was found than is kept; the rest is left out.
    #[error(
        "expected at most {NGINX_CONF_RECORDS_MAX} servers, logs, error pages and gates, found more"
    )]
    Records,
    /// More problems were found than are kept.
    #[error("expected at most {NGINX_CONF_PROBLEMS_MAX} problems, found more")]
    Problems,
}

struct Place {
    line: u32,
    column: u32,
}

impl std::fmt::Display for Place {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.line == 0 { Ok(()) } else { write!(out, ":{}:{}", self.line, self.column) }
    }
}

/// The problems so far, bounded.
#[derive(Debug, Default)]
pub(super) struct Problems {
    pub(super) list: Vec<Problem>,
}

impl Problems {
    pub(super) fn push(&mut self, path: &Path, (line, column): (u32, u32), kind: ProblemKind) {
        let kind = match self.list.len() + 1 {
            ..NGINX_CONF_PROBLEMS_MAX => kind,
            NGINX_CONF_PROBLEMS_MAX => ProblemKind::Problems,
            _ => return,
        };
        self.list.push(Problem { path: path.to_owned(), line, column, kind });
    }
}
