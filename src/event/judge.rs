//! Makes a record an event: when, at which server and path, with which certificate, to which
//! verdict.
//!
//! Borrows everything from the line. What is expensive (the route, names) is left to the ledger,
//! which meets few different ones.

use gatelog_parsers::escape::Escape;
use gatelog_parsers::line::{LineParser, Record};
use gatelog_parsers::time_stamp::{self, UnixMillis};
use gatelog_parsers::variable::Field;
use gatelog_parsers::verify_result::{self, VerifyResult};

use super::reason::Reason;
use super::route::{self, Patterns};
use super::server::{Server, Servers};
use super::verdict::{Evidence, Upstream, Verdict, decide};

/// Which of its requests a source logs: `scope`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// All of them.
    #[default]
    All,
    /// Refused ones only, by nginx's `access_log ... if=`: they are no share of anything.
    Denials,
}

/// What one line says happened. Texts are as they stand in the line, escaped.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// What its source is called in messages.
    pub source: &'a str,
    /// What its source logs.
    pub scope: Scope,
    /// When nginx wrote the line; `None` when no time is logged.
    pub time: Option<UnixMillis>,
    /// The server's name, safe to show.
    pub server: &'a str,
    /// Whether that is `other`: there are more servers than are told apart.
    pub is_other_server: bool,
    /// What decides the route.
    pub target: Target<'a>,
    /// The outcome.
    pub verdict: Verdict,
    /// Why, for a failure or a refusal.
    pub reason: Option<Reason>,
    /// The certificate that was sent.
    pub certificate: Option<Certificate<'a>>,
    /// The client's address, from the variable that the source names.
    pub remote_addr: Option<&'a [u8]>,
    /// `$upstream_addr`, when one was contacted.
    pub upstream_addr: Option<&'a [u8]>,
    /// `$ssl_protocol`.
    pub tls_protocol: Option<&'a [u8]>,
    /// `$ssl_cipher`.
    pub tls_cipher: Option<&'a [u8]>,
    /// Whether it is its connection's first request; `None` when `$connection_requests` is not
    /// logged, or not for every request.
    pub first_of_connection: Option<bool>,
    /// `$request_id`.
    pub request_id: Option<&'a [u8]>,
    /// Whether a courtesy page may be what let a failed certificate seem to pass: the server's
    /// `ssl_verify_client` is unknown.
    pub suspected: bool,
    /// How the texts are escaped.
    pub escape: Escape,
}

/// What the route is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// The value of the variable that names routes.
    Named(&'a [u8]),
    /// The request's target up to its query.
    Path(&'a [u8]),
    /// A route that was worked out already, safe to show, and whether it was cut then.
    Route {
        /// The route.
        name: &'a [u8],
        /// It was longer than [`ROUTE_BYTES_MAX`](crate::limits::ROUTE_BYTES_MAX).
        cut: bool,
    },
    /// The request line is none.
    Malformed,
    /// The log has neither request nor path.
    NotLogged,
}

/// A client certificate as the log tells it.
#[derive(Clone, Copy, Debug)]
pub struct Certificate<'a> {
    /// Whether it verified: only then its names are proven.
    pub proven: bool,
    /// SHA-1 of its DER, 40 hex digits.
    pub fingerprint: Option<&'a [u8]>,
    /// Its subject.
    pub subject_dn: Option<&'a [u8]>,
    /// Its issuer.
    pub issuer_dn: Option<&'a [u8]>,
    /// Its start, as logged.
    pub not_before: Option<&'a [u8]>,
    /// Its end, as logged.
    pub not_after: Option<&'a [u8]>,
}

/// Judges the lines of one source.
#[derive(Debug)]
pub struct Judge {
    servers: Servers,
    public: Patterns,
    client_address: Option<usize>,
    route_variable: Option<usize>,
    source: String,
    scope: Scope,
    time: TimeMemo,
}

/// The source's settings that the judge needs.
#[derive(Clone, Debug, Default)]
pub struct JudgeSettings {
    /// What messages call the source.
    pub source: String,
    /// Which requests it logs.
    pub scope: Scope,
    /// The variable that holds the client's address; `remote_addr` when empty.
    pub client_address: String,
    /// The variable that names the route.
    pub route_variable: Option<String>,
    /// Routes that need no certificate, on every server.
    pub public: Patterns,
}

impl Judge {
    /// A judge for lines of `parser`.
    pub fn new(parser: &LineParser, servers: Servers, settings: JudgeSettings) -> Judge {
        let JudgeSettings { source, scope, client_address, route_variable, public } = settings;
        let variable = |name: &str| parser.variable_index(name);
        Judge {
            servers,
            public,
            client_address: variable(&client_address).or_else(|| variable("remote_addr")),
            route_variable: route_variable.and_then(|name| variable(&name)),
            source,
            scope,
            time: TimeMemo::default(),
        }
    }

    /// The event of a record, or why there is none: the record lacks what a verdict needs.
    ///
    /// # Errors
    /// Names the variable that the line does not have.
    pub fn judge<'a>(&'a mut self, record: &Record<'a>) -> Result<Event<'a>, Field> {
        let verify = record.logged(Field::SslClientVerify).ok_or(Field::SslClientVerify)?;
        let verify = verify_result::parse(verify).ok_or(Field::SslClientVerify)?;
        let status = record.value(Field::Status).and_then(status).ok_or(Field::Status)?;
        let time = self.time.of(record);
        let requested = requested(record);
        let path = requested.path();
        let name = self.route_variable.and_then(|index| record.variable(index));
        let target = name.map_or(requested, Target::Named);
        let server = self.servers.resolve(server_name(record), record.value(Field::ServerPort));
        let upstream_addr = record.value(Field::UpstreamAddr);
        let upstream = match (record.logged(Field::UpstreamAddr), upstream_addr) {
            (_, Some(addr)) if !server.gate.is_refused_upstream(addr) => Upstream::Contacted,
            (Some(_), _) => Upstream::NotContacted,
            (None, _) => Upstream::Unknown,
        };
        let public = verify == VerifyResult::None
            && (self.public.first_match(path).is_some()
                || server.gate.public.first_match(path).is_some());
        let gate = &server.gate;
        let (verdict, reason) = decide(&Evidence { verify, status, upstream, gate, path, public });
        let first_of_connection = match self.scope {
            Scope::All => first_of_connection(record),
            Scope::Denials => None,
        };
        Ok(Event {
            source: &self.source,
            scope: self.scope,
            time,
            server: &server.name,
            is_other_server: server.is_other,
            target,
            verdict,
            reason,
            certificate: certificate(verify, record),
            remote_addr: self.client_address.and_then(|index| record.variable(index)),
            upstream_addr,
            tls_protocol: record.value(Field::SslProtocol),
            tls_cipher: record.value(Field::SslCipher),
            first_of_connection,
            request_id: record.value(Field::RequestId),
            suspected: gate.verify_client.is_none(),
            escape: record.escape(),
        })
    }

    /// What messages call the source.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The servers of the records judged so far.
    pub fn servers(&self) -> &[Server] {
        self.servers.found()
    }

    /// When a record's line was written; `None` when no time is logged.
    pub fn time(&mut self, record: &Record<'_>) -> Option<UnixMillis> {
        self.time.of(record)
    }
}

impl<'a> Target<'a> {
    /// The path that gates and public routes are about: from its `/`, also of an absolute URI.
    fn path(self) -> &'a [u8] {
        match self {
            Target::Path(path) if path.starts_with(b"/") => path,
            Target::Path(uri) => route::path(uri).unwrap_or_default(),
            Target::Named(_) | Target::Route { .. } | Target::Malformed | Target::NotLogged => b"",
        }
    }
}

/// What was asked for, whatever names its route.
fn requested<'a>(record: &Record<'a>) -> Target<'a> {
    let logged = [Field::Request, Field::RequestUri, Field::Uri];
    let Some(field) = logged.into_iter().find(|field| record.logged(*field).is_some()) else {
        return Target::NotLogged;
    };
    let value = record.value(field);
    let target = if field == Field::Request { value.and_then(route::target) } else { value };
    match target.map(|target| (target, memchr::memchr(b'?', target))) {
        None => Target::Malformed,
        Some((target, None)) => Target::Path(target),
        Some((target, Some(query))) => Target::Path(target.get(..query).unwrap_or(target)),
    }
}

/// `$server_name`: `None` when it is not logged, empty when the server has none.
fn server_name<'a>(record: &Record<'a>) -> Option<&'a [u8]> {
    record.logged(Field::ServerName)?;
    Some(record.value(Field::ServerName).unwrap_or_default())
}

fn certificate<'a>(verify: VerifyResult<'_>, record: &Record<'a>) -> Option<Certificate<'a>> {
    let proven = match verify {
        VerifyResult::Success => true,
        VerifyResult::Failed { .. } => false,
        VerifyResult::None | VerifyResult::NotTls => return None,
    };
    let either = |field, legacy| record.value(field).or_else(|| record.value(legacy));
    Some(Certificate {
        proven,
        fingerprint: record.value(Field::SslClientFingerprint),
        subject_dn: either(Field::SslClientSDn, Field::SslClientSDnLegacy),
        issuer_dn: either(Field::SslClientIDn, Field::SslClientIDnLegacy),
        not_before: record.value(Field::SslClientVStart),
        not_after: record.value(Field::SslClientVEnd),
    })
}

fn first_of_connection(record: &Record<'_>) -> Option<bool> {
    record.value(Field::ConnectionRequests).map(|requests| requests == b"1")
}

fn status(digits: &[u8]) -> Option<u16> {
    let [a, b, c] = <[u8; 3]>::try_from(digits).ok()?;
    let digit = |byte: u8| byte.is_ascii_digit().then(|| u16::from(byte - b'0'));
    Some(digit(a)? * 100 + digit(b)? * 10 + digit(c)?)
}

/// The time of a record. Lines of one second carry the same stamp, so the last one is remembered.
#[derive(Debug, Default)]
struct TimeMemo {
    stamp: Vec<u8>,
    time: Option<UnixMillis>,
}

impl TimeMemo {
    /// `$msec` wins over `$time_iso8601` over `$time_local`, for it tells the milliseconds.
    fn of(&mut self, record: &Record<'_>) -> Option<UnixMillis> {
        if let Some(time) = record.value(Field::Msec).and_then(time_stamp::parse_msec) {
            return Some(time);
        }
        let iso = record.value(Field::TimeIso8601);
        let stamp = iso.or_else(|| record.value(Field::TimeLocal))?;
        if self.stamp != stamp {
            self.stamp.clear();
            self.stamp.extend_from_slice(stamp);
            self.time = match iso {
                Some(stamp) => time_stamp::parse_time_iso8601(stamp),
                None => time_stamp::parse_time_local(stamp),
            };
        }
        self.time
    }
}

#[cfg(test)]
mod tests {
    use gatelog_parsers::line::Spans;
    use gatelog_parsers::log_format::LogFormat;
    use gatelog_parsers::recognise::MTLS_EXTENDED;

    use super::*;

    fn show(event: &Event<'_>) -> String {
        let text = |value: Option<&[u8]>| value.unwrap_or(b"-").escape_ascii().to_string();
        format!(
            "{} {} {:?} {} {} {} {} {:?}",
            event.time.unwrap_or(0),
            event.server,
            event.target,
            event.verdict.as_str(),
            event.reason.map_or("-", Reason::as_str),
            text(event.certificate.and_then(|c| c.fingerprint)),
            text(event.upstream_addr),
            event.first_of_connection,
        )
    }

    #[test]
    fn corpus_lines() {
        let format = LogFormat::parse(MTLS_EXTENDED.as_bytes()).unwrap();
        let parser = LineParser::new(&format);
        let servers = Servers::new("edge".to_owned(), Vec::new(), Vec::new());
        let mut judge = Judge::new(&parser, servers, JudgeSettings::default());
        let log = include_bytes!("../../tests/corpus/nginx-mtls-extended.log");
        let lines: Vec<&[u8]> = log.split(|&byte| byte == b'\n').collect();
        let mut check = |index: usize, expected: &str| {
            let mut spans = Spans::default();
            let record = parser.parse(lines[index], &mut spans).unwrap();
            assert_eq!(show(&judge.judge(&record).unwrap()), expected, "line {}", index + 1);
        };
        check(
            0,
            "1795348277777 gate.internal Path([47, 110, 111, 110, 101]) missing no_certificate - - Some(true)",
        );
    }

    /// Whether a request without a certificate, answered 404 by nginx, was refused by a gate for
    /// `/admin`, or meant for a public route.
    #[test]
    fn gates_and_public_routes_are_about_the_path() {
        use crate::event::route_pattern::RoutePattern;
        use crate::event::server::{Gate, Refusal, ServerFacts};

        let format =
            LogFormat::parse(b"$status $ssl_client_verify \"$request\" $route \"$upstream_addr\"");
        let parser = LineParser::new(&format.unwrap());
        let location = Some("/admin".to_owned());
        let refusal = Refusal { status: 404, on_missing: true, on_failed: true, location };
        let gate = Gate { refusals: vec![refusal], ..Gate::default() };
        let read = vec![ServerFacts { gate, ..ServerFacts::default() }];
        let public = [RoutePattern::parse("/admin/health").unwrap()];
        let check = |variable: Option<&str>, request: &str, expected: &str| {
            let servers = Servers::new("edge".to_owned(), Vec::new(), read.clone());
            let settings = JudgeSettings {
                route_variable: variable.map(str::to_owned),
                public: Patterns::new(&public).unwrap(),
                ..JudgeSettings::default()
            };
            let mut judge = Judge::new(&parser, servers, settings);
            let line = format!("404 NONE \"{request}\" admin \"-\"");
            let mut spans = Spans::default();
            let record = parser.parse(line.as_bytes(), &mut spans).unwrap();
            let verdict = judge.judge(&record).unwrap().verdict;
            assert_eq!(verdict.as_str(), expected, "{request}, route {variable:?}");
        };
        for variable in [None, Some("route")] {
            check(variable, "GET /admin/1?x=/health HTTP/1.1", "missing");
            check(variable, "GET /x HTTP/1.1", "anonymous");
            check(variable, "GET http://h.example/admin/1 HTTP/1.1", "missing");
            check(variable, "GET /admin/health HTTP/1.1", "anonymous");
            check(variable, "GET http://h.example/admin/health?x HTTP/1.1", "anonymous");
            check(variable, "GET /admin /1", "anonymous");
        }
    }

    #[test]
    fn without_a_verdict() {
        let format = LogFormat::parse(b"$remote_addr $status").unwrap();
        let parser = LineParser::new(&format);
        let servers = Servers::new("edge".to_owned(), Vec::new(), Vec::new());
        let mut judge = Judge::new(&parser, servers, JudgeSettings::default());
        let mut spans = Spans::default();
        let record = parser.parse(b"10.0.0.1 200", &mut spans).unwrap();
        assert_eq!(judge.judge(&record).unwrap_err(), Field::SslClientVerify);
    }
}
