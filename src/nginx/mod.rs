//! What nginx's configuration says about its access logs and its gates: which server writes which
//! log in which format, what it demands of client certificates, and which statuses it gives to
//! those it refuses.
//!
//! Owns the files, their includes, and the meaning of the few directives it reads; the syntax
//! belongs to `gatelog_parsers::nginx_conf`, the meaning of a format to `log_format`. Follows nginx
//! 1.31 as each file below says, and was compared with nginx 1.22.1.
//!
//! Reading goes on after a problem, so that one bad file does not hide the others. What cannot be
//! followed is left out rather than guessed:
//!
//! - variables in the path of a log (the log is kept as [`LogTarget::Variable`]) and in
//!   `server_name` (`$hostname`);
//! - gates that test another variable, such as one that a `map` or `set` derives from
//!   `$ssl_client_verify`, gates by `rewrite ... redirect`, in Lua, njs or Perl, by `auth_request`,
//!   or by what stands behind `if ($ssl_client_verify = SUCCESS) { break; }`;
//! - the target of an `error_page` beyond a `return` in a named or exact location;
//! - the log that nginx writes without any `access_log`, as its path is compiled in;
//! - `stream` and `mail`; options on nginx's command line (`-g`).
//!
//! The prefix for relative log paths is a guess unless it is given: nginx has it compiled in or
//! from `-p`.

mod error_page;
mod gate;
mod include;
mod listen;
mod log;
mod problem;
mod server;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

pub use error_page::{ErrorPage, ErrorPageAnswer};
pub use log::{AccessLog, ErrorLog, ErrorLogTarget, LogFormatDirective, LogTarget};
pub use problem::{Problem, ProblemKind};
pub use server::{Gate, Server};

use include::Node;
use problem::Problems;
use server::Records;

/// Where Debian's nginx has its configuration, and the prefix that is compiled into it.
const DEBIAN: (&str, &str) = ("/etc/nginx", "/usr/share/nginx");

/// Most bytes of a refused value that a problem repeats.
const VALUE_SHOWN_BYTES_MAX: usize = 64;

/// What the configuration says, all files together.
#[derive(Debug, Default)]
pub struct NginxConf {
    /// The main file, as given.
    pub path: PathBuf,
    /// The `log_format` directives in the order nginx reads them, without the built-in `combined`.
    pub log_formats: Vec<LogFormatDirective>,
    /// The servers of `http` in the order nginx reads them.
    pub servers: Vec<Server>,
    /// What could not be read or followed, at most
    /// [`NGINX_CONF_PROBLEMS_MAX`](crate::limits::NGINX_CONF_PROBLEMS_MAX).
    pub problems: Vec<Problem>,
    /// Where its files are, links followed, and those in which its includes look for more; as nginx
    /// names them, so that they may be relative and need not exist.
    pub directories: BTreeSet<PathBuf>,
}

impl NginxConf {
    /// Reads a main configuration file and what it includes.
    ///
    /// Relative log paths are relative to `prefix`, nginx's `-p`. Without one it is guessed:
    /// `/usr/share/nginx`, as Debian builds nginx, for a main file in `/etc/nginx`, else the
    /// directory of the main file. (The packages of nginx.org have `/etc/nginx` there.)
    ///
    /// # Errors
    /// The main file cannot be read, or is no configuration. Everything else is one of the
    /// `problems`.
    pub fn read(path: &Path, prefix: Option<&Path>) -> Result<Self, Problem> {
        let mut problems = Problems::default();
        let include::Read { main, directories } = include::read(path, &mut problems)?;
        let prefix = prefix.map_or_else(|| guessed_prefix(path), absolute);
        let error_logs = log::error_logs(&main, &prefix, &mut problems).unwrap_or_default();
        let error_logs = Rc::from(error_logs);
        let mut records = Records::new();
        let mut conf = NginxConf { path: path.to_owned(), directories, ..NginxConf::default() };
        for http in main.iter().filter(|node| node.is("http")) {
            let formats = log::log_formats(&http.block, &mut problems);
            conf.log_formats.extend(records.keep(formats, http, &mut problems));
            let servers =
                server::servers(&http.block, &error_logs, &prefix, &mut records, &mut problems);
            conf.servers.extend(servers);
        }
        conf.problems = problems.list;
        Ok(conf)
    }

    /// The servers that write this log. Two paths are the same when they are equal, or when both
    /// name the same file after symbolic links are followed.
    #[must_use]
    pub fn servers_for_log(&self, log: &Path) -> Vec<&Server> {
        let log = SamePath::of(log);
        let writes = |server: &&Server| server.access_logs.iter().any(|own| log.is(&own.path));
        self.servers.iter().filter(writes).collect()
    }

    /// The format of this name, without regard to case, as nginx compares it. `combined` is always
    /// there; its directive has an empty path and line 0.
    #[must_use]
    pub fn log_format(&self, name: &str) -> Option<&LogFormatDirective> {
        let built_in = name.eq_ignore_ascii_case(log::COMBINED).then(|| &*log::COMBINED_DIRECTIVE);
        self.log_formats.iter().find(|format| format.name.eq_ignore_ascii_case(name)).or(built_in)
    }

    /// The formats in which this log is written, each once; those that are not defined are left
    /// out.
    #[must_use]
    pub fn formats_for_log(&self, log: &Path) -> Vec<&LogFormatDirective> {
        let log = SamePath::of(log);
        let mut formats: Vec<&LogFormatDirective> = Vec::new();
        for own in self.servers.iter().flat_map(|server| &server.access_logs) {
            let known = formats.iter().any(|format| format.name.eq_ignore_ascii_case(&own.format));
            if !known && log.is(&own.path) {
                formats.extend(self.log_format(&own.format));
            }
        }
        formats
    }
}

/// A path with its canonical form, to compare others with.
struct SamePath<'a> {
    path: &'a Path,
    canonical: PathBuf,
}

impl<'a> SamePath<'a> {
    fn of(path: &'a Path) -> Self {
        SamePath { path, canonical: canonical(path) }
    }

    fn is(&self, target: &LogTarget) -> bool {
        match target {
            LogTarget::File(path) => path == self.path || canonical(path) == self.canonical,
            LogTarget::Syslog(_) | LogTarget::Variable(_) => false,
        }
    }
}

/// The path with symbolic links followed, those of its directory alone where the file is not there
/// (yet).
fn canonical(path: &Path) -> PathBuf {
    if let Ok(canonical) = fs::canonicalize(path) {
        return canonical;
    }
    let path = absolute(path);
    match (path.parent().map(fs::canonicalize), path.file_name()) {
        (Some(Ok(directory)), Some(name)) => directory.join(name),
        _ => path,
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// The directory of the main file, to which includes are relative (nginx's conf prefix).
fn directory(main: &Path) -> PathBuf {
    main.parent().map(Path::to_owned).unwrap_or_default()
}

fn guessed_prefix(main: &Path) -> PathBuf {
    let directory = directory(&absolute(main));
    if directory == Path::new(DEBIAN.0) { PathBuf::from(DEBIAN.1) } else { directory }
}

/// Bytes as text; what is not UTF-8 becomes `\xHH`.
fn text(bytes: &[u8]) -> String {
    crate::escape::utf8_text(bytes).into_owned()
}

/// A value that nginx refuses.
fn value(directive: &str, expected: &'static str, found: String) -> ProblemKind {
    ProblemKind::Value { directive: directive.to_owned(), expected, found }
}

/// Reports the argument with this index, which is missing or not what nginx takes.
fn misses(node: &Node, index: usize, expected: &'static str, problems: &mut Problems) {
    let argument = node.directive.arguments.get(index);
    let (place, found) = match argument {
        None => ((node.directive.line, node.directive.column), "nothing".to_owned()),
        Some(argument) => {
            let shown = argument.text.get(..VALUE_SHOWN_BYTES_MAX).unwrap_or(&argument.text);
            ((argument.line, argument.column), format!("`{}`", text(shown).escape_debug()))
        }
    };
    problems.push(&node.path, place, value(&text(&node.directive.name), expected, found));
}
