//! Which server answered, and what is known of its gate.
//!
//! A server is named by its configuration (`$server_name`, the source's name, `$server_port`), never
//! by `$host` or SNI, which the client chooses.

use foldhash::fast::RandomState;
use gatelog_parsers::short::are_same;
use gatelog_parsers::variable::contacted_upstreams;
use hashbrown::{Equivalent, HashMap};

use crate::escape::escape_text;
use crate::event::route::Patterns;
use crate::event::upstream_pattern::UpstreamPattern;
use crate::limits::{NAME_BYTES_MAX, SERVER_NAMES_MAX};

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
    /// What `error_page` answers for 495 and 496. Counts while `verify_client` is unknown only:
    /// where it is known, nginx has refused exactly those that it says, whatever they were shown,
    /// and `optional_no_ca` shows this page to nobody whom it lets in.
    pub courtesy: Vec<Refusal>,
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
            || self.known_refusals().any(|r| r.on_failed && r.holds(status, path))
    }

    /// Whether `status` refuses a request without a certificate.
    pub fn refuses_missing(&self, status: u16, path: &[u8]) -> bool {
        MISSING_STATUSES.contains(&status)
            || self.known_refusals().any(|r| r.on_missing && r.holds(status, path))
    }

    fn known_refusals(&self) -> impl Iterator<Item = &Refusal> {
        let unknown = self.verify_client.is_none();
        self.refusals.iter().chain(self.courtesy.iter().filter(move |_| unknown))
    }

    /// Whether every upstream of `$upstream_addr` only serves the refused.
    pub fn is_refused_upstream(&self, upstream_addr: &[u8]) -> bool {
        let serves = |addr: &[u8]| {
            let addr = String::from_utf8_lossy(addr);
            self.refused_upstreams.iter().any(|pattern| pattern.is_match(&addr))
        };
        !self.refused_upstreams.is_empty() && contacted_upstreams(upstream_addr).all(serves)
    }
}

impl Refusal {
    fn holds(&self, status: u16, path: &[u8]) -> bool {
        let inside = |prefix: &String| path.starts_with(prefix.as_bytes());
        self.status == status && self.location.as_ref().is_none_or(inside)
    }
}

/// The gate of a server, and how to tell that a line is its.
#[derive(Clone, Debug, Default)]
pub struct ServerFacts {
    /// What `$server_name` shows; empty for a server without a name. Where the configuration
    /// declares it, also the name that gatelog gives the server.
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
    /// Whether it stands for the servers beyond [`SERVER_NAMES_MAX`], and is called `other`.
    pub is_other: bool,
}

/// Finds the server of a line; each pair of name and port is worked out once.
#[derive(Debug)]
pub struct Servers {
    source_name: String,
    declared: Vec<ServerFacts>,
    read: Vec<ServerFacts>,
    found: Vec<Server>,
    by_key: HashMap<Key, usize, RandomState>,
}

/// What a line logs of its server.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Key {
    name: Option<Box<[u8]>>,
    port: Option<Box<[u8]>>,
}

/// The same, borrowed.
#[derive(Clone, Copy, Hash)]
struct KeyRef<'a> {
    name: Option<&'a [u8]>,
    port: Option<&'a [u8]>,
}

impl Equivalent<Key> for KeyRef<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        let same = |mine: Option<&[u8]>, known: Option<&[u8]>| match (mine, known) {
            (Some(mine), Some(known)) => are_same(mine, known),
            (mine, known) => mine.is_none() && known.is_none(),
        };
        same(self.name, key.name.as_deref()) && same(self.port, key.port.as_deref())
    }
}

impl Servers {
    /// Servers of the source of this name: those that the configuration `declared`, and those of
    /// nginx.conf that may write its log.
    pub fn new(source_name: String, declared: Vec<ServerFacts>, read: Vec<ServerFacts>) -> Servers {
        Servers { source_name, declared, read, found: Vec::new(), by_key: HashMap::default() }
    }

    /// The server of a line that logs this `$server_name` and `$server_port`; `None` for what is not
    /// logged, an empty name for a server without one.
    pub fn resolve(&mut self, server_name: Option<&[u8]>, server_port: Option<&[u8]>) -> &Server {
        let key = KeyRef { name: server_name, port: server_port };
        let index = match self.by_key.get(&key) {
            Some(index) => *index,
            None => self.add(server_name, server_port),
        };
        self.found.get(index).unwrap_or(&OTHER)
    }

    /// The servers of the lines so far; one name may come with several ports.
    pub fn found(&self) -> &[Server] {
        &self.found
    }

    fn add(&mut self, logged_name: Option<&[u8]>, logged_port: Option<&[u8]>) -> usize {
        let is_long = |text: Option<&[u8]>| text.is_some_and(|text| text.len() > NAME_BYTES_MAX);
        if self.found.len() >= SERVER_NAMES_MAX || is_long(logged_name) || is_long(logged_port) {
            return usize::MAX;
        }
        let port = logged_port.and_then(|text| std::str::from_utf8(text).ok());
        let fitting = self.fitting(logged_name, port.and_then(|port| port.parse().ok()));
        let tied = match fitting.as_slice() {
            [only] if !only.name.is_empty() && only.name != "_" => Some(only.name.as_str()),
            _ => None,
        };
        let name = match (logged_name.unwrap_or_default(), tied, port) {
            (b"" | b"_", Some(tied), _) => tied.as_bytes().into(),
            (b"" | b"_", None, Some(port)) => format!("{}:{port}", self.source_name).into_bytes(),
            (b"" | b"_", None, None) => self.source_name.as_bytes().into(),
            (name, _, _) => name.to_vec(),
        };
        // A source goes by the name of its file, which may be anything.
        let name = escape_text(&name).into_owned();
        let mut gates = fitting.into_iter().map(|facts| facts.gate.clone());
        let read = gates.next().map(|first| gates.fold(first, Gate::or)).unwrap_or_default();
        let declared =
            self.declared.iter().filter(|facts| escape_text(facts.name.as_bytes()) == name);
        let gate = declared.fold(read, |gate, facts| gate.with(&facts.gate));
        self.found.push(Server { name, gate, is_other: false });
        let key = Key { name: logged_name.map(Box::from), port: logged_port.map(Box::from) };
        self.by_key.insert(key, self.found.len() - 1);
        self.found.len() - 1
    }

    /// The servers of nginx.conf that a line of this name and port can come from. A name that is not
    /// logged, or that no server has and that names none, leaves the port to tell.
    fn fitting(&self, name: Option<&[u8]>, port: Option<u16>) -> Vec<&ServerFacts> {
        let has_port = |facts: &&ServerFacts| port.is_none_or(|port| facts.ports.contains(&port));
        let at_port = self.read.iter().filter(has_port);
        let Some(name) = name else { return at_port.collect() };
        let named: Vec<_> = at_port.clone().filter(|facts| facts.name.as_bytes() == name).collect();
        if named.is_empty() && matches!(name, b"" | b"_") { at_port.collect() } else { named }
    }
}

impl Gate {
    /// What two servers that cannot be told apart have in common. What they demand is unknown when
    /// it differs, and then a status of either counts as a refusal.
    fn or(self, other: Gate) -> Gate {
        let same = self.verify_client == other.verify_client;
        Gate {
            verify_client: self.verify_client.filter(|_| same),
            refusals: [self.refusals, other.refusals].concat(),
            courtesy: [self.courtesy, other.courtesy].concat(),
            refused_upstreams: [self.refused_upstreams, other.refused_upstreams].concat(),
            public: self.public,
        }
    }

    /// This gate with what the configuration says of it, which wins.
    fn with(self, declared: &Gate) -> Gate {
        Gate {
            verify_client: declared.verify_client.or(self.verify_client),
            refusals: [self.refusals, declared.refusals.clone()].concat(),
            courtesy: self.courtesy,
            refused_upstreams: declared.refused_upstreams.clone(),
            public: declared.public.clone(),
        }
    }
}

/// Stands for the servers beyond [`SERVER_NAMES_MAX`].
static OTHER: std::sync::LazyLock<Server> = std::sync::LazyLock::new(|| Server {
    name: "other".to_owned(),
    gate: Gate::default(),
    is_other: true,
});

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
        let read = vec![
            facts("a.example", &[443], On),
            facts("a.example", &[8443], Optional),
            facts("", &[444], Off),
            facts("", &[445], On),
        ];
        let declared = vec![facts("edge:446", &[], Off), facts("a.example", &[], Off)];
        let mut servers = Servers::new("edge".to_owned(), declared[..1].to_vec(), read.clone());
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
        let mut servers = Servers::new("edge".to_owned(), declared, read[..1].to_vec());
        let server = servers.resolve(None, None);
        assert_eq!((server.name.as_str(), server.gate.verify_client), ("a.example", Some(Off)));
    }

    #[test]
    fn without_a_logged_name_the_port_tells() {
        use SslVerifyClient::{Off, On, Optional};
        let read = vec![
            facts("a.example", &[443], On),
            facts("b.example", &[444], Off),
            facts("c.example", &[445], On),
            facts("d.example", &[445], Optional),
        ];
        let mut servers = Servers::new("edge".to_owned(), Vec::new(), read);
        let mut check = |name: Option<&str>, port: &str, shown: &str, expected| {
            let server = servers.resolve(name.map(str::as_bytes), Some(port.as_bytes()));
            assert_eq!((server.name.as_str(), server.gate.verify_client), (shown, expected));
        };
        check(None, "443", "a.example", Some(On));
        check(None, "444", "b.example", Some(Off));
        check(None, "445", "edge:445", None);
        check(None, "446", "edge:446", None);
        check(Some(""), "443", "a.example", Some(On));
        check(Some("_"), "444", "b.example", Some(Off));
        check(Some("b.example"), "443", "b.example", None);
    }

    #[test]
    fn bounded() {
        let mut servers = Servers::new("edge".to_owned(), Vec::new(), Vec::new());
        let long = [b'x'; NAME_BYTES_MAX + 1];
        assert_eq!(servers.resolve(Some(&long), None).name, "other");
        assert!(!servers.resolve(long.get(1..), None).is_other);
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
