//! The `server` blocks of `http`, with what they inherit (`ngx_http_merge_servers` and the merge
//! functions of each module): logs and error pages come from the outer level as a whole, and only
//! where the inner one defines none of its own.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::error_page::{self, ErrorPage, Return, Targets};
use super::gate::Test;
use super::include::Node;
use super::listen::Listen;
use super::log::{self, AccessLog, ErrorLog};
use super::problem::{ProblemKind, Problems};
use super::{misses, text};
use crate::event::server::SslVerifyClient;
use crate::limits::NGINX_CONF_RECORDS_MAX;

/// A `server` of the `http` block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// The words of `server_name`, in lower case but for regular expressions (`~...`). The first is
    /// what `$server_name` shows, for which nginx takes the dot off `.example.org`; empty without
    /// `server_name`. `$hostname` stays as written, although nginx puts the name of its machine
    /// there.
    pub names: Vec<String>,
    /// The ports it listens on, in the order written, each once; none for unix sockets only. 80
    /// without a `listen`.
    pub ports: Vec<u16>,
    /// Whether any of its addresses speaks TLS (`listen ... ssl`, here or in another server of the
    /// same address, `quic`, or the old `ssl on`).
    pub tls: bool,
    /// Its `ssl_verify_client`.
    pub verify_client: SslVerifyClient,
    /// Where it logs requests: its own or inherited logs, then those of its locations.
    pub access_logs: Vec<AccessLog>,
    /// Where it logs errors: its own or inherited logs, then those of its locations.
    pub error_logs: Vec<ErrorLog>,
    /// Its own or inherited error pages, then those of its locations.
    pub error_pages: Vec<ErrorPage>,
    /// What it answers by itself to requests without a good certificate.
    pub gates: Vec<Gate>,
    /// The file it stands in.
    pub path: PathBuf,
    /// Its line, from 1.
    pub line: u32,
}

/// A status that nginx answers by itself where the verification did not succeed: `if
/// ($ssl_client_verify ...) { return N; }`. One such `if` makes several gates when an `error_page`
/// shows `N` as another status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gate {
    /// It catches requests without a certificate.
    pub on_missing: bool,
    /// It catches requests whose certificate failed.
    pub on_failed: bool,
    /// The status, as the access log may show it.
    pub status: u16,
    /// The prefix or exact path of its location. `None` at server level, where it holds for every
    /// request, and for locations that are named or a regular expression: of these, only gates with
    /// a status from 300 are kept, as a gate that holds for some requests must not make every 200 a
    /// refusal.
    pub location: Option<String>,
}

/// The servers of one `http` block. `outer_error_logs` are those of the main level.
pub(super) fn servers(
    http: &[Node],
    outer_error_logs: &Rc<[ErrorLog]>,
    prefix: &Path,
    records: &mut Records,
    problems: &mut Problems,
) -> Vec<Server> {
    let no_targets = Targets::of(&[], problems);
    let mut reading = Reading { prefix, records, problems };
    let outer = Settings {
        access_logs: Rc::from([]),
        error_logs: Rc::clone(outer_error_logs),
        error_pages: Rc::from([]),
    };
    let (settings, _) = reading.settings(http, &outer, &no_targets);
    let verify_client = reading.verify_client(http);
    let tls = legacy_ssl(http);
    let mut servers = Vec::new();
    let mut listens = Vec::new();
    for node in http.iter().filter(|node| node.is("server")) {
        if !reading.records.take(1, node, reading.problems) {
            break;
        }
        let mut server = reading.server(node, &settings);
        server.verify_client =
            reading.verify_client(&node.block).or(verify_client).unwrap_or(SslVerifyClient::Off);
        server.tls = legacy_ssl(&node.block).or(tls).unwrap_or_default();
        listens.push(reading.listens(node));
        servers.push(server);
    }
    reading.addresses(&mut servers, &listens);
    servers
}

/// How many records may still be kept.
pub(super) struct Records {
    left: usize,
}

impl Records {
    pub(super) fn new() -> Self {
        Records { left: NGINX_CONF_RECORDS_MAX }
    }

    /// Whether this many more may be kept; if not, that is a problem of `node`.
    fn take(&mut self, count: usize, node: &Node, problems: &mut Problems) -> bool {
        let left = self.left.checked_sub(count);
        self.left = left.unwrap_or_default();
        if left.is_none() {
            let place = (node.directive.line, node.directive.column);
            problems.push(&node.path, place, ProblemKind::Records);
        }
        left.is_some()
    }

    /// As many of the items as may be kept.
    pub(super) fn keep<T>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        node: &Node,
        problems: &mut Problems,
    ) -> Vec<T> {
        items.into_iter().take_while(|_| self.take(1, node, problems)).collect()
    }
}

/// What holds at one level, inherited or its own.
#[derive(Clone)]
struct Settings {
    access_logs: Rc<[AccessLog]>,
    error_logs: Rc<[ErrorLog]>,
    error_pages: Rc<[ErrorPage]>,
}

/// Which of them are the level's own.
#[derive(Clone, Copy)]
struct Own {
    access_logs: bool,
    error_logs: bool,
    error_pages: bool,
}

/// Which requests a level is about.
#[derive(Clone)]
enum Scope {
    All,
    Location(String),
    Some,
}

struct Reading<'a> {
    prefix: &'a Path,
    records: &'a mut Records,
    problems: &'a mut Problems,
}

impl Reading<'_> {
    fn settings(&mut self, level: &[Node], outer: &Settings, targets: &Targets) -> (Settings, Own) {
        let access_logs = log::access_logs(level, self.prefix, self.problems);
        let error_logs = log::error_logs(level, self.prefix, self.problems);
        let error_pages = error_page::error_pages(level, self.problems);
        let own = Own {
            access_logs: access_logs.is_some(),
            error_logs: error_logs.is_some(),
            error_pages: error_pages.is_some(),
        };
        let settings = Settings {
            access_logs: access_logs.map_or_else(|| Rc::clone(&outer.access_logs), Rc::from),
            error_logs: error_logs.map_or_else(|| Rc::clone(&outer.error_logs), Rc::from),
            error_pages: error_pages.map_or_else(
                || Rc::clone(&outer.error_pages),
                |own| Rc::from(targets.resolve(own)),
            ),
        };
        (settings, own)
    }

    fn server(&mut self, node: &Node, http: &Settings) -> Server {
        let targets = Targets::of(&node.block, self.problems);
        let mut outer = http.clone();
        if !node.block.iter().any(|node| node.is("error_page")) {
            // The pages of `http` name locations of each server.
            outer.error_pages = Rc::from(targets.resolve(http.error_pages.to_vec()));
        }
        let names = self.records.keep(names(&node.block), node, self.problems);
        let mut server = Server {
            names,
            ports: Vec::new(),
            tls: false,
            verify_client: SslVerifyClient::Off,
            access_logs: Vec::new(),
            error_logs: Vec::new(),
            error_pages: Vec::new(),
            gates: Vec::new(),
            path: node.path.to_path_buf(),
            line: node.directive.line,
        };
        let mut levels = vec![(node, outer, Scope::All, None)];
        while let Some((node, outer, scope, test)) = levels.pop() {
            let (settings, mut own) = self.settings(&node.block, &outer, &targets);
            if node.is("server") {
                own = Own { access_logs: true, error_logs: true, error_pages: true };
            }
            self.collect(&mut server, node, &settings, own);
            if let Some(test) = test
                && let Some(answer) = error_page::first_return(&node.block, self.problems)
            {
                let gates = gates(test, answer, &scope, &settings.error_pages);
                server.gates.extend(self.records.keep(gates, node, self.problems));
            }
            for inner in node.block.iter().rev() {
                let test = if inner.is("if") { Test::of(inner) } else { None };
                if let Some(scope) = scope.inside(inner) {
                    levels.push((inner, settings.clone(), scope, test));
                }
            }
        }
        server
    }

    fn collect(&mut self, server: &mut Server, node: &Node, settings: &Settings, own: Own) {
        if own.access_logs {
            let logs = settings.access_logs.iter().cloned();
            server.access_logs.extend(self.records.keep(logs, node, self.problems));
        }
        if own.error_logs {
            let logs = settings.error_logs.iter().cloned();
            server.error_logs.extend(self.records.keep(logs, node, self.problems));
        }
        if own.error_pages {
            let pages = settings.error_pages.iter().cloned();
            server.error_pages.extend(self.records.keep(pages, node, self.problems));
        }
    }

    /// The level's own `ssl_verify_client`.
    fn verify_client(&mut self, level: &[Node]) -> Option<SslVerifyClient> {
        let node = level.iter().find(|node| node.is("ssl_verify_client"))?;
        let value = match node.argument(0).unwrap_or_default().to_ascii_lowercase().as_slice() {
            b"off" => SslVerifyClient::Off,
            b"on" => SslVerifyClient::On,
            b"optional" => SslVerifyClient::Optional,
            b"optional_no_ca" => SslVerifyClient::OptionalNoCa,
            _ => {
                misses(node, 0, "on, off, optional or optional_no_ca", self.problems);
                return None;
            }
        };
        Some(value)
    }

    fn listens(&mut self, server: &Node) -> Vec<Listen> {
        let mut listens = Vec::new();
        let nodes = server.block.iter().filter(|node| node.is("listen"));
        let has_none = nodes.clone().next().is_none();
        for node in nodes {
            match Listen::parse(node.arguments()) {
                Some(listen) => {
                    if self.records.take(listen.sockets().count(), node, self.problems) {
                        listens.push(listen);
                    }
                }
                None => misses(node, 0, "an address with a port from 1 to 65535", self.problems),
            }
        }
        if has_none {
            listens.push(Listen::default());
        }
        listens
    }

    /// Fills in ports and TLS. nginx keeps `ssl` for an address, not for a server: one that listens
    /// on the same address without the word speaks TLS too.
    fn addresses(&mut self, servers: &mut [Server], listens: &[Vec<Listen>]) {
        let mut speaks_tls = HashSet::new();
        for listen in listens.iter().flatten().filter(|listen| listen.ssl) {
            speaks_tls.extend(listen.sockets());
        }
        for (server, listens) in servers.iter_mut().zip(listens) {
            let mut seen = HashSet::new();
            for listen in listens {
                server.tls |= listen.ssl || listen.quic;
                server.tls |= !speaks_tls.is_empty()
                    && !listen.quic
                    && listen.sockets().any(|socket| speaks_tls.contains(&socket));
                let ports = listen.ports.into_iter().flat_map(|(first, last)| first..=last);
                server.ports.extend(ports.filter(|&port| seen.insert(port)));
            }
        }
    }
}

impl Scope {
    /// The scope of a block inside; `None` for one that is no level of its own.
    fn inside(&self, node: &Node) -> Option<Self> {
        if node.is("if") || node.is("limit_except") {
            return Some(self.clone());
        }
        if !node.is("location") {
            return None;
        }
        let path = match (node.argument(0)?, node.argument(1)) {
            (b"=" | b"^~", Some(path)) => path,
            (_, Some(_)) | ([b'~' | b'@', ..], None) => return Some(Scope::Some),
            ([b'=', path @ ..] | [b'^', b'~', path @ ..] | path, None) => path,
        };
        Some(match self {
            Scope::Some => Scope::Some,
            Scope::All | Scope::Location(_) => Scope::Location(text(path)),
        })
    }
}

/// The gates that one `if` makes: its status, and what the error page of that status shows instead.
fn gates(test: Test, answer: Return, scope: &Scope, error_pages: &[ErrorPage]) -> Vec<Gate> {
    let mut statuses = vec![answer.status];
    if answer.is_special_response() {
        let page = error_pages.iter().find(|page| page.codes.contains(&answer.status));
        let logged = match page {
            Some(page) => page.logged_status(answer.status),
            None => Some(error_page::shown(answer.status)),
        };
        statuses.extend(logged.filter(|&status| status != answer.status));
    }
    statuses.retain(|&status| !matches!(scope, Scope::Some) || status >= 300);
    if !test.on_missing && !test.on_failed {
        statuses.clear();
    }
    let location = match scope {
        Scope::Location(path) => Some(path.clone()),
        Scope::All | Scope::Some => None,
    };
    let Test { on_missing, on_failed } = test;
    let gate = |status| Gate { on_missing, on_failed, status, location: location.clone() };
    statuses.into_iter().map(gate).collect()
}

fn names(level: &[Node]) -> Vec<String> {
    let mut names: Vec<String> = level
        .iter()
        .filter(|node| node.is("server_name"))
        .flat_map(Node::arguments)
        .map(|name| if name.starts_with(b"~") { text(name) } else { text(name).to_lowercase() })
        .collect();
    if let Some(first) = names.first_mut()
        && let Some(rest) = first.strip_prefix('.')
    {
        *first = rest.to_owned();
    }
    names
}

/// `ssl on`, which nginx had until 1.25.1.
fn legacy_ssl(level: &[Node]) -> Option<bool> {
    let node = level.iter().find(|node| node.is("ssl"))?;
    Some(node.argument(0)?.eq_ignore_ascii_case(b"on"))
}
