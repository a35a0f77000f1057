//! The configuration as meant: every value in range, every default filled in. The rest of gatelog sees only this.
//!
//! All fields are public and plain; what has a syntax of its own has its own type. Nothing here is secret in this
//! version. How a file becomes a [`Config`] is in `check`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::tz::TimeZone;

use super::receiver::Receiver;
use super::state_dir::StateDir;
use crate::event::Scope;
use crate::event::route_pattern::RoutePattern;
use crate::event::server::SslVerifyClient;
use crate::event::upstream_pattern::UpstreamPattern;
use crate::limits::{LATENESS_DEFAULT, NAME_BYTES_MAX, ROUTES_DEFAULT};
use crate::rules::{Identities, Rotations, Rules, Silences};
use crate::source::{Listen, Wrap};

/// Where `[http]` listens unless it says otherwise.
pub const HTTP_LISTEN_DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9496);

/// The variable that holds the client's address unless `client_address` says otherwise.
pub const CLIENT_ADDRESS_DEFAULT: &str = "remote_addr";

/// Everything that a configuration file can say.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Where state is kept.
    pub state_dir: StateDir,
    /// How long an event may come after later ones and still count in its window.
    pub lateness: Duration,
    /// Whether the agent gives up at its start what it will not need.
    pub sandbox: bool,
    /// `[http]`
    pub http: Http,
    /// `[metrics] listen`: an address of its own for `/metrics` and health; `None`: they are on `http.listen`.
    pub metrics_listen: Option<SocketAddr>,
    /// `[[source]]`, in the order of the file, their names unique; may be empty.
    pub sources: Vec<Source>,
    /// `[routes]`
    pub routes: Routes,
    /// `[[server]]`, their names unique; may be empty.
    pub servers: Vec<ServerFacts>,
    /// `[rules]` and `[[rule]]`
    pub rules: Rules,
    /// `[[identity]]`
    pub identities: Identities,
    /// `[[rotation]]`
    pub rotations: Rotations,
    /// `[[silence]]`
    pub silences: Silences,
    /// `[[receiver]]`, their names unique; may be empty.
    pub receivers: Vec<Receiver>,
    /// The file that was read, as the user named it; `None` without one.
    pub path: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            state_dir: StateDir::Default,
            lateness: LATENESS_DEFAULT,
            sandbox: true,
            http: Http::default(),
            metrics_listen: None,
            sources: Vec::new(),
            routes: Routes::default(),
            servers: Vec::new(),
            rules: Rules::default(),
            identities: Identities::default(),
            rotations: Rotations::default(),
            silences: Silences::default(),
            receivers: Vec::new(),
            path: None,
        }
    }
}

impl Config {
    /// The same configuration with one source for each LOG of the command line, instead of its own sources. A
    /// LOG given twice counts once; two of the same file name are told apart by their whole path.
    #[must_use]
    pub fn with_logs(mut self, logs: &[String]) -> Self {
        self.sources.clear();
        for log in logs {
            if self.sources.iter().any(|source| source.paths.contains(log)) {
                continue;
            }
            let name = if log == "-" { "stdin".to_owned() } else { source_name(log) };
            let taken = self.sources.iter().any(|source| source.name == name);
            let name = if taken { log.clone() } else { name };
            self.sources.push(Source { name, paths: vec![log.clone()], ..Source::default() });
        }
        self
    }

    /// Whether other machines could reach `listen` while no path group was opened on purpose: it must not be
    /// bound then. This version has no TLS and no tokens that could guard it.
    pub fn is_unguarded(&self, listen: SocketAddr) -> bool {
        !listen.ip().to_canonical().is_loopback() && self.http.open.is_empty()
    }
}

/// What a source is called by default: its file name, else the whole path.
pub fn source_name(path: &str) -> String {
    let name = Path::new(path).file_name().and_then(|name| name.to_str());
    name.unwrap_or(path).to_owned()
}

/// `[http]`: the listener of the page, the API, metrics and health.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    /// Port 0 lets the system choose one.
    pub listen: SocketAddr,
    /// The path groups that need no guard off loopback, each at most once.
    pub open: Vec<PathGroup>,
    /// Names in lower case that `Host` may carry besides IP literals and localhost.
    pub hosts: Vec<String>,
}

impl Default for Http {
    fn default() -> Self {
        Self { listen: HTTP_LISTEN_DEFAULT, open: Vec::new(), hosts: Vec::new() }
    }
}

impl Http {
    /// The root of the page, for people to go to, when it is served at `bound`: under the first of
    /// `hosts`, else under that address.
    pub fn page_url(&self, bound: SocketAddr) -> String {
        let host = match (self.hosts.first(), bound.ip()) {
            (Some(name), _) => name.clone(),
            (None, IpAddr::V4(address)) if address.is_unspecified() => "127.0.0.1".to_owned(),
            (None, IpAddr::V4(address)) => address.to_string(),
            (None, IpAddr::V6(address)) if address.is_unspecified() => "[::1]".to_owned(),
            (None, IpAddr::V6(address)) => format!("[{address}]"),
        };
        format!("http://{host}:{}", bound.port())
    }
}

/// Paths of the HTTP listener that are opened together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathGroup {
    /// `/metrics`
    Metrics,
    /// `/healthz` and `/readyz`
    Health,
}

/// `[[source]]`: where lines come from. In this version always nginx's access log.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// The label `source` of metrics; unique.
    pub name: String,
    /// Files and globs, at least one unless it listens; relative ones belong to the working directory. `-`, standard input, comes
    /// from the command line only.
    pub paths: Vec<String>,
    /// The socket that nginx sends its syslog messages to, instead of `paths`.
    pub listen: Option<Listen>,
    /// What stands around each line. `None`: the first line shows it.
    pub wrap: Option<Wrap>,
    /// How its lines are read.
    pub format: Format,
    /// The nginx.conf that this log belongs to.
    pub nginx_conf: Option<PathBuf>,
    /// Where to start in a file never read before.
    pub from: StartFrom,
    /// Which requests it logs.
    pub scope: Scope,
    /// The variable that holds the client's address, in lower case, without `$`.
    pub client_address: String,
    /// The zone of stamps that carry none. `None`: such stamps are not understood.
    pub time_zone: Option<TimeZone>,
}

impl Default for Source {
    /// Without name and paths, which have no default.
    fn default() -> Self {
        Self {
            name: String::new(),
            paths: Vec::new(),
            listen: None,
            wrap: None,
            format: Format::Auto,
            nginx_conf: None,
            from: StartFrom::End,
            scope: Scope::All,
            client_address: CLIENT_ADDRESS_DEFAULT.to_owned(),
            time_zone: None,
        }
    }
}

/// Where reading starts the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartFrom {
    /// At the first byte.
    Beginning,
    /// Behind the last.
    End,
}

/// How lines are read: `format`, and `--log-format`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// Recognised from the first lines.
    Auto,
    /// The name of a `log_format` in nginx.conf, or of one of ours.
    Named(String),
    /// The string of a `log_format` directive; it has a `$`.
    Text(String),
    /// `@FILE`: a file with such a string.
    File(PathBuf),
}

/// Why a text is no [`Format`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// Nothing, or nothing behind `@`.
    #[error("expected `auto`, a name, a log_format string or `@FILE`")]
    Empty,
    /// Neither a name nor something with a variable in it.
    #[error("expected a name, or a log_format string with at least one `$variable`")]
    NoVariable,
}

impl Format {
    /// Tells the four ways to write a format apart. Whether the name, the file or the variables exist is left to
    /// those who use it.
    ///
    /// # Errors
    ///
    /// Empty text, and text that is neither a name nor has a `$`.
    pub fn parse(text: &str) -> Result<Self, FormatError> {
        let is_name = |text: &str| {
            text.len() <= NAME_BYTES_MAX
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
        };
        match text.strip_prefix('@') {
            Some("") => Err(FormatError::Empty),
            Some(path) => Ok(Self::File(path.into())),
            None if text.is_empty() => Err(FormatError::Empty),
            None if text == "auto" => Ok(Self::Auto),
            None if is_name(text) => Ok(Self::Named(text.to_owned())),
            None if text.contains('$') => Ok(Self::Text(text.to_owned())),
            None => Err(FormatError::NoVariable),
        }
    }
}

/// `[routes]`: how requests are grouped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routes {
    /// The variable that names the route, in lower case, without `$`.
    pub variable: Option<String>,
    /// The first that matches names the route.
    pub patterns: Vec<RoutePattern>,
    /// Routes that need no certificate, on every server.
    pub public: Vec<RoutePattern>,
    /// Routes that are counted apart; further ones count as `other`. 1 to [`crate::limits::ROUTES_MAX`].
    pub limit: usize,
}

impl Default for Routes {
    fn default() -> Self {
        Self { variable: None, patterns: Vec::new(), public: Vec::new(), limit: ROUTES_DEFAULT }
    }
}

/// `[[server]]`: what nginx.conf would say about one server, for where it is not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFacts {
    /// `$server_name` as logged, or the name of the source; unique.
    pub name: String,
    /// `None`: unknown, and nginx.conf decides if it is read.
    pub ssl_verify_client: Option<SslVerifyClient>,
    /// Statuses with which this server refuses, besides the built-in ones; 100 to 599.
    pub refused_statuses: Vec<u16>,
    /// Upstreams that only serve courtesy pages: an answer of theirs is no admission.
    pub refused_upstreams: Vec<UpstreamPattern>,
    /// Routes of this server that need no certificate, besides those of `[routes]`.
    pub public: Vec<RoutePattern>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats() {
        for (text, expected) in [
            ("auto", Ok(Format::Auto)),
            ("mtls_json", Ok(Format::Named("mtls_json".into()))),
            ("main-2.0", Ok(Format::Named("main-2.0".into()))),
            ("$remote_addr", Ok(Format::Text("$remote_addr".into()))),
            ("a ${status}", Ok(Format::Text("a ${status}".into()))),
            ("@/etc/format", Ok(Format::File("/etc/format".into()))),
            ("", Err(FormatError::Empty)),
            ("@", Err(FormatError::Empty)),
            ("two words", Err(FormatError::NoVariable)),
            ("%h %l", Err(FormatError::NoVariable)),
        ] {
            assert_eq!(Format::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn logs_of_the_command_line_replace_the_sources() {
        let logs = ["a/access.log", "b/access.log", "-", "a/access.log", "/x/*mtls*.log"]
            .map(String::from);
        let config = Config { lateness: Duration::ZERO, ..Config::default() }.with_logs(&logs);
        let named: Vec<(&str, &str)> = config
            .sources
            .iter()
            .map(|source| (source.name.as_str(), source.paths[0].as_str()))
            .collect();
        assert_eq!(
            named,
            [
                ("access.log", "a/access.log"),
                ("b/access.log", "b/access.log"),
                ("stdin", "-"),
                ("*mtls*.log", "/x/*mtls*.log"),
            ]
        );
        assert_eq!(config.lateness, Duration::ZERO);
        assert_eq!(config.with_logs(&[]).sources, []);
    }

    #[test]
    fn the_page_has_a_url() {
        let check = |hosts: &[&str], bound: &str, expected: &str| {
            let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
            let http = Http { hosts, ..Http::default() };
            assert_eq!(http.page_url(bound.parse().unwrap()), expected);
        };
        check(&[], "127.0.0.1:9496", "http://127.0.0.1:9496");
        check(&[], "0.0.0.0:1", "http://127.0.0.1:1");
        check(&[], "[::]:1", "http://[::1]:1");
        check(&[], "[fd00::1]:1", "http://[fd00::1]:1");
        check(&["gate.internal", "b"], "0.0.0.0:9496", "http://gate.internal:9496");
    }

    #[test]
    fn off_loopback_something_must_be_opened() {
        let mut config = Config::default();
        for (listen, expected) in [
            ("127.0.0.1:0", false),
            ("127.9.9.9:1", false),
            ("[::1]:1", false),
            ("[::ffff:127.0.0.1]:1", false),
            ("0.0.0.0:1", true),
            ("[::]:1", true),
            ("10.0.0.1:1", true),
        ] {
            assert_eq!(config.is_unguarded(listen.parse().unwrap()), expected, "{listen}");
        }
        config.http.open.push(PathGroup::Health);
        assert!(!config.is_unguarded("0.0.0.0:1".parse().unwrap()));
    }
}
