//! Which server answered, and what is known of its gate.
//!
//! A server is named by its configuration (`$server_name`, the source's name, `$server_port`), never
//! by `$host` or SNI, which the client chooses.

use std::collections::HashMap;

use crate::escape::escape_text;
use crate::event::route::Patterns;
use crate::event::upstream_pattern::UpstreamPattern;
use crate::limits::SERVER_NAMES_MAX;

/// nginx's `ssl_verify_client`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SslVerifyClient {
    /// A certificate that verifies is demanded.
    On,
    /// None is let in; one that does not verify is refused.
    Optional,
    /// None is let in, and so is one whose chain does not verify.
    OptionalNoCa,
    /// No certificate is asked for.
    Off,
}

/// What is known of a server's gate.
#[derive(Clone, Debug, Default)]
pub struct Gate {
    /// `None`: neither nginx.conf nor the configuration tells.
    pub verify_client: Option<SslVerifyClient>,
    /// Statuses that mean a refusal, beside the built-in ones.
    pub refusals: Vec<Refusal>,
    /// Upstreams that only serve pages for the refused.
    pub refused_upstreams: Vec<UpstreamPattern>,
    /// Routes that need no certificate.
    pub public: Patterns,
}

/// A status that a server answers the refused with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status in the log.
    pub status: u16,
    /// Whether it answers a request without a certificate.
    pub on_missing: bool,
    /// Whether it answers a certificate that did not verify.
    pub on_failed: bool,
    /// The paths it holds for; `None` for all.
    pub location: Option<String>,
}

/// With what nginx refuses by itself or by `return`, beside what a configuration adds: a failed
/// certificate may also meet what nginx answers before it looks at the certificate.
const FAILED_STATUSES: [u16; 14] =
    [400, 401, 403, 405, 408, 414, 421, 444, 494, 495, 496, 497, 501, 505];
const MISSING_STATUSES: [u16; 6] = [400, 401, 403, 444, 495, 496];

impl Gate {
    /// Whether `status` refuses a certificate that did not verify.
    pub fn refuses_failed(&self, status: u16, path: &[u8]) -> bool {
        FAILED_STATUSES.contains(&status)
            || self.refusals.iter().any(|r| r.on_failed && r.holds(status, path))
    }

    /// Whether `status` refuses a request without a certificate.
    pub fn refuses_missing(&self, status: u16, path: &[u8]) -> bool {
        MISSING_STATUSES.contains(&status)
            || self.refusals.iter().any(|r| r.on_missing && r.holds(status, path))
    }

    /// Whether every upstream of `$upstream_addr` only serves the refused.
    pub fn is_refused_upstream(&self, upstream_addr: &[u8]) -> bool {
        let serves = |addr: &[u8]| {
            let addr = String::from_utf8_lossy(addr);
            self.refused_upstreams.iter().any(|pattern| pattern.is_match(&addr))
        };
        !self.refused_upstreams.is_empty()
            && gatelog_parsers::variable::upstream_list(upstream_addr).all(serves)
    }
}

impl Refusal {
    fn holds(&self, status: u16, path: &[u8]) -> bool {
        let inside = |prefix: &String| path.starts_with(prefix.as_bytes());
        self.status == status && self.location.as_ref().is_none_or(inside)
    }
}

/// The gate of the servers that go by a name or a port.
#[derive(Clone, Debug, Default)]
pub struct ServerFacts {
    /// What `$server_name` shows; empty for a server without a name.
    pub name: String,
    /// The ports it listens on; empty: any.
    pub ports: Vec<u16>,
    /// Its gate.
    pub gate: Gate,
}

/// A server as events name it.
#[derive(Clone, Debug)]
pub struct Server {
    /// Its name in reports and labels, safe to show.
    pub name: String,
    /// What is known of its gate.
    pub gate: Gate,
}

/// Finds the server of a line; each pair of name and port is worked out once.
#[derive(Debug)]
pub struct Servers {
    facts: Vec<ServerFacts>,
    /// The name for lines whose server has none: of the server that the log belongs to, else of
    /// the source.
    fallback: String,
    found: Vec<Server>,
    by_key: HashMap<Vec<u8>, usize>,
    key: Vec<u8>,
    last: usize,
}

impl Servers {
    /// Servers of one source. `facts` are those nginx.conf and the configuration tell, the latter
    /// first: the first that fits a line counts.
    pub fn new(fallback: String, facts: Vec<ServerFacts>) -> Servers {
        let by_key = HashMap::new();
        Servers { facts, fallback, found: Vec::new(), by_key, key: Vec::new(), last: 0 }
    }

    /// The server of a line that logs this `$server_name` and `$server_port`.
    pub fn resolve(&mut self, server_name: Option<&[u8]>, server_port: Option<&[u8]>) -> &Server {
        self.key.clear();
        self.key.extend_from_slice(server_name.unwrap_or_default());
        self.key.push(0);
        self.key.extend_from_slice(server_port.unwrap_or_default());
        self.last = match self.by_key.get(&self.key) {
            Some(index) => *index,
            None => self.add(server_name.unwrap_or_default(), server_port),
        };
        self.found.get(self.last).unwrap_or(&OTHER)
    }

    fn add(&mut self, name: &[u8], port: Option<&[u8]>) -> usize {
        if self.found.len() >= SERVER_NAMES_MAX {
            return usize::MAX;
        }
        let port = port.and_then(|text| std::str::from_utf8(text).ok());
        let named = !matches!(name, b"" | b"_");
        let shown = match port {
            _ if named => escape_text(name).into_owned(),
            Some(port) => format!("{}:{port}", self.fallback),
            None => self.fallback.clone(),
        };
        let gate = self.gate(name, port.and_then(|port| port.parse().ok()), &shown);
        self.found.push(Server { name: shown, gate });
        self.by_key.insert(self.key.clone(), self.found.len() - 1);
        self.found.len() - 1
    }

    /// The gate on which all facts that fit agree; where they do not, what the server demands is
    /// unknown and a status of either counts as a refusal.
    fn gate(&self, name: &[u8], port: Option<u16>, shown: &str) -> Gate {
        let has_port = |facts: &&ServerFacts| {
            port.is_none_or(|port| facts.ports.is_empty() || facts.ports.contains(&port))
        };
        let fits = |facts: &&ServerFacts| {
            has_port(facts) && (facts.name.as_bytes() == name || facts.name == shown)
        };
        let mut fitting = self.facts.iter().filter(fits);
        let Some(first) = fitting.next() else { return Gate::default() };
        let mut gate = first.gate.clone();
        for facts in fitting {
            gate = gate.or(&facts.gate);
        }
        gate
    }
}

impl Gate {
    /// What two servers that cannot be told apart have in common.
    fn or(self, other: &Gate) -> Gate {
        let same = self.verify_client == other.verify_client;
        let both = |mine: Vec<Refusal>| [mine, other.refusals.clone()].concat();
        Gate {
            verify_client: self.verify_client.filter(|_| same),
            refusals: both(self.refusals),
            refused_upstreams: [self.refused_upstreams, other.refused_upstreams.clone()].concat(),
            public: self.public,
        }
    }
}

/// Stands for the servers beyond [`SERVER_NAMES_MAX`].
static OTHER: std::sync::LazyLock<Server> =
    std::sync::LazyLock::new(|| Server { name: "other".to_owned(), gate: Gate::default() });

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(name: &str, ports: &[u16], verify_client: SslVerifyClient) -> ServerFacts {
        let gate = Gate { verify_client: Some(verify_client), ..Gate::default() };
        ServerFacts { name: name.to_owned(), ports: ports.to_vec(), gate }
    }

    #[test]
    fn resolved() {
        use SslVerifyClient::{Off, On, Optional};
        let facts = vec![
            facts("a.example", &[443], On),
            facts("a.example", &[8443], Optional),
            facts("", &[444], Off),
            facts("", &[445], On),
            facts("edge:446", &[], Off),
        ];
        let mut servers = Servers::new("edge".to_owned(), facts);
        let mut check = |name: &str, port: Option<&str>, shown: &str, expected| {
            let server = servers.resolve(Some(name.as_bytes()), port.map(str::as_bytes));
            assert_eq!((server.name.as_str(), server.gate.verify_client), (shown, expected));
        };
        check("a.example", Some("443"), "a.example", Some(On));
        check("a.example", Some("8443"), "a.example", Some(Optional));
        check("a.example", None, "a.example", None);
        check("b.example", Some("443"), "b.example", None);
        check("", Some("444"), "edge:444", Some(Off));
        check("_", Some("446"), "edge:446", Some(Off));
        check("", Some("447"), "edge:447", None);
        check("", None, "edge", None);
        check("a\x1b", None, "a\\x1B", None);
    }

    #[test]
    fn bounded() {
        let mut servers = Servers::new("edge".to_owned(), Vec::new());
        for number in 0..SERVER_NAMES_MAX + 10 {
            servers.resolve(Some(format!("s{number}").as_bytes()), None);
        }
        assert_eq!(servers.found.len(), SERVER_NAMES_MAX);
        assert_eq!(servers.resolve(Some(b"one more"), None).name, "other");
        assert_eq!(servers.resolve(Some(b"s3"), None).name, "s3");
    }

    #[test]
    fn refusals_of_a_location_hold_there_only() {
        let refusal = |status, location: Option<&str>| Refusal {
            status,
            on_missing: true,
            on_failed: false,
            location: location.map(str::to_owned),
        };
        let gate = Gate {
            refusals: vec![refusal(302, None), refusal(404, Some("/admin"))],
            ..Gate::default()
        };
        assert!(gate.refuses_missing(302, b"/x"));
        assert!(gate.refuses_missing(404, b"/admin/1"));
        assert!(!gate.refuses_missing(404, b"/x"));
        assert!(!gate.refuses_failed(302, b"/x"));
    }

    #[test]
    fn refused_upstreams() {
        let gate = Gate {
            refused_upstreams: vec![UpstreamPattern::parse("127.0.0.1:81").unwrap()],
            ..Gate::default()
        };
        assert!(gate.is_refused_upstream(b"127.0.0.1:81"));
        assert!(gate.is_refused_upstream(b"127.0.0.1:81 : 127.0.0.1:81"));
        assert!(!gate.is_refused_upstream(b"127.0.0.1:81, 127.0.0.1:82"));
        assert!(!Gate::default().is_refused_upstream(b"127.0.0.1:81"));
    }
}
