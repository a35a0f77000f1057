//! `access_log`, `error_log` and `log_format` (`ngx_http_log_module`, `ngx_log.c`): where nginx
//! writes, in which format and under which condition.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use gatelog_parsers::nginx_conf::{Argument, Directive};

use super::include::Node;
use super::problem::Problems;
use super::{misses, text};

/// The format that nginx has without being told, and the one of an `access_log` that names none.
pub(super) const COMBINED: &str = "combined";

/// The format `combined`, as nginx has it built in; its path is empty and its line 0.
pub(super) static COMBINED_DIRECTIVE: LazyLock<LogFormatDirective> = LazyLock::new(|| {
    let argument =
        |text: &[u8], quoted| Argument { text: text.to_vec(), line: 0, column: 0, quoted };
    let value = br#"$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent""#;
    LogFormatDirective {
        name: COMBINED.to_owned(),
        directive: Directive {
            name: b"log_format".to_vec(),
            arguments: vec![argument(COMBINED.as_bytes(), false), argument(value, true)],
            line: 0,
            column: 0,
            block: None,
        },
        path: PathBuf::new(),
        line: 0,
    }
});

/// A `log_format` of the `http` block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFormatDirective {
    /// Its name. nginx compares names without regard to case.
    pub name: String,
    /// The whole directive: name, `escape=` if any, and the pieces of the format.
    pub directive: Directive,
    /// The file it stands in; empty for the built-in `combined`.
    pub path: PathBuf,
    /// Its line, from 1; 0 for the built-in `combined`.
    pub line: u32,
}

/// An `access_log` other than `off`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessLog {
    /// Where it is written.
    pub path: LogTarget,
    /// The name of its `log_format`, `combined` when none is given.
    pub format: String,
    /// The value of `if=`: requests for which it is empty or `0` are not logged.
    pub condition: Option<String>,
    /// The configuration file it stands in.
    pub conf_path: PathBuf,
    /// Its line there, from 1.
    pub line: u32,
}

/// Where an access log is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogTarget {
    /// A file; a relative path has nginx's prefix in front.
    File(PathBuf),
    /// `syslog:` and its parameters, as written.
    Syslog(String),
    /// A path with variables, as written: one file for each of their values.
    Variable(String),
}

/// An `error_log`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorLog {
    /// Where it is written.
    pub path: ErrorLogTarget,
    /// Its level, `error` when none is given. A refused certificate is told at `info` and below
    /// only.
    pub level: String,
    /// The configuration file it stands in.
    pub conf_path: PathBuf,
    /// Its line there, from 1.
    pub line: u32,
}

/// Where an error log is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorLogTarget {
    /// A file; a relative path has nginx's prefix in front.
    File(PathBuf),
    /// `syslog:` and its parameters, as written.
    Syslog(String),
    /// `memory:` and its size, as written.
    Memory(String),
    /// nginx's standard error.
    Stderr,
}

/// The access logs that a level defines itself: `None` when it says nothing and inherits, empty
/// when it says `off`, which wins over other access logs beside it.
pub(super) fn access_logs(
    level: &[Node],
    prefix: &Path,
    problems: &mut Problems,
) -> Option<Vec<AccessLog>> {
    let mut own: Option<Vec<AccessLog>> = None;
    let mut off = false;
    for node in level.iter().filter(|node| node.is("access_log")) {
        match node.argument(0) {
            None => misses(node, 0, "a path or off", problems),
            Some(b"off") => off = true,
            Some(path) => own.get_or_insert_default().extend(access_log(node, path, prefix)),
        }
    }
    if off { Some(Vec::new()) } else { own }
}

/// `None` for an empty path, which is nginx's standard error.
fn access_log(node: &Node, path: &[u8], prefix: &Path) -> Option<AccessLog> {
    let target = if path.starts_with(b"syslog:") {
        LogTarget::Syslog(text(path))
    } else if path.contains(&b'$') {
        LogTarget::Variable(text(path))
    } else if path.is_empty() {
        return None;
    } else {
        LogTarget::File(prefix.join(OsStr::from_bytes(path)))
    };
    let condition = node.arguments().skip(2).find_map(|argument| argument.strip_prefix(b"if="));
    Some(AccessLog {
        path: target,
        format: node.argument(1).map_or_else(|| COMBINED.to_owned(), text),
        condition: condition.map(text),
        conf_path: node.path.to_path_buf(),
        line: node.directive.line,
    })
}

/// The error logs that a level defines itself; `None` when it inherits.
pub(super) fn error_logs(
    level: &[Node],
    prefix: &Path,
    problems: &mut Problems,
) -> Option<Vec<ErrorLog>> {
    let mut own: Option<Vec<ErrorLog>> = None;
    for node in level.iter().filter(|node| node.is("error_log")) {
        let Some(path) = node.argument(0) else {
            misses(node, 0, "a path", problems);
            continue;
        };
        let target = if path == b"stderr" || path.is_empty() {
            ErrorLogTarget::Stderr
        } else if path.starts_with(b"syslog:") {
            ErrorLogTarget::Syslog(text(path))
        } else if path.starts_with(b"memory:") {
            ErrorLogTarget::Memory(text(path))
        } else {
            ErrorLogTarget::File(prefix.join(OsStr::from_bytes(path)))
        };
        own.get_or_insert_default().push(ErrorLog {
            path: target,
            level: node.argument(1).map_or_else(|| "error".to_owned(), text),
            conf_path: node.path.to_path_buf(),
            line: node.directive.line,
        });
    }
    own
}

/// The `log_format` directives of an `http` block.
pub(super) fn log_formats(level: &[Node], problems: &mut Problems) -> Vec<LogFormatDirective> {
    let mut formats = Vec::new();
    for node in level.iter().filter(|node| node.is("log_format")) {
        let (Some(name), Some(_)) = (node.argument(0), node.argument(1)) else {
            misses(node, usize::from(node.argument(0).is_some()), "a name and a format", problems);
            continue;
        };
        formats.push(LogFormatDirective {
            name: text(name),
            directive: node.directive.clone(),
            path: node.path.to_path_buf(),
            line: node.directive.line,
        });
    }
    formats
}
