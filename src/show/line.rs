//! One line of a log as one JSON object: what `gatelog parse` prints.
//!
//! Absent fields are omitted. Text is unescaped; bytes that are not UTF-8 become `\xHH`.

use std::borrow::Cow;

use gatelog_parsers::distinguished_name;
use gatelog_parsers::line::Record;
use gatelog_parsers::time_stamp;
use gatelog_parsers::variable::{Field, upstream_list};
use gatelog_parsers::verify_result::{self, VerifyResult};
use serde::{Serialize, Serializer};

use super::time::{rfc3339, rfc3339_millis};
use crate::event::judge::Target;
use crate::event::route::{self, MALFORMED, NOT_LOGGED, Router};
use crate::event::{Certificate, Event};

/// A line that gave a record; see the module.
#[derive(Debug, Serialize)]
pub struct LineJson<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uri: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    protocol: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verify: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject_dn: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer_dn: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cn: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    o: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    serial: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fingerprint_sha1: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_before: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_after: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remaining_days: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remote_addr: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    upstream_addrs: Vec<Option<Text<'a>>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    upstream_statuses: Vec<Option<u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls_protocol: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls_cipher: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_reused: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_time_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body_bytes_sent: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_sent: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    referer: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection_requests: Option<u64>,
}

impl<'a> LineJson<'a> {
    /// The object of a record; `event` is `None` when the record tells no verdict.
    pub fn new(record: &Record<'a>, event: Option<&Event<'a>>, router: &'a Router) -> LineJson<'a> {
        let text = |field| record.value(field).map(|value| Text(record.escape().undo(value)));
        let number = |field| record.value(field).and_then(parse_number);
        let request = record.value(Field::Request).map(|value| record.escape().undo(value));
        let part = |of: fn(&[u8]) -> Option<&[u8]>| {
            let part = of(request.as_deref()?)?;
            Some(Text(Cow::Owned(part.to_vec())))
        };
        let subject_dn = text(Field::SslClientSDn).or_else(|| text(Field::SslClientSDnLegacy));
        let name = |kind| {
            let value = distinguished_name::attribute(&subject_dn.as_ref()?.0, kind)?;
            Some(Text(Cow::Owned(value.into_owned())))
        };
        let (upstream_addrs, upstream_statuses) = upstreams(record);
        LineJson {
            time: time(record, event),
            server: event
                .map(|event| Text(Cow::Borrowed(event.server.as_bytes())))
                .or_else(|| text(Field::ServerName)),
            method: text(Field::RequestMethod).or_else(|| part(route::method)),
            uri: text(Field::RequestUri)
                .or_else(|| part(route::target))
                .or_else(|| text(Field::Uri)),
            protocol: text(Field::ServerProtocol).or_else(|| part(route::protocol)),
            route: event.map(|event| event_route(event, router)),
            status: number(Field::Status),
            verdict: event.map(|event| event.verdict.as_str()),
            reason: event.and_then(|event| event.reason).map(|reason| reason.as_str()),
            class: event.and_then(|event| event.reason).map(|reason| reason.class().as_str()),
            verify: text(Field::SslClientVerify),
            identity: identity(record, event),
            cn: name("CN"),
            o: name("O"),
            subject_dn,
            issuer_dn: text(Field::SslClientIDn).or_else(|| text(Field::SslClientIDnLegacy)),
            serial: text(Field::SslClientSerial),
            fingerprint_sha1: record.value(Field::SslClientFingerprint).map(lower_hex),
            not_before: certificate_time(record.value(Field::SslClientVStart)),
            not_after: certificate_time(record.value(Field::SslClientVEnd)),
            remaining_days: number(Field::SslClientVRemain),
            remote_addr: event
                .and_then(|event| event.remote_addr)
                .map(|addr| Text(record.escape().undo(addr)))
                .or_else(|| text(Field::RemoteAddr)),
            upstream_addrs,
            upstream_statuses,
            tls_protocol: text(Field::SslProtocol),
            tls_cipher: text(Field::SslCipher),
            session_reused: record
                .value(Field::SslSessionReused)
                .map(|value| matches!(value, b"r" | b"true")),
            request_time_seconds: record.value(Field::RequestTime).and_then(parse_number),
            body_bytes_sent: number(Field::BodyBytesSent),
            bytes_sent: number(Field::BytesSent),
            user_agent: text(Field::HttpUserAgent),
            referer: text(Field::HttpReferer),
            request_id: text(Field::RequestId),
            connection: number(Field::Connection),
            connection_requests: number(Field::ConnectionRequests),
        }
    }
}

/// Text of a client: UTF-8 as it is, any other byte as `\xHH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text<'a>(pub Cow<'a, [u8]>);

impl Text<'_> {
    /// The text as a string.
    pub fn to_utf8(&self) -> Cow<'_, str> {
        crate::escape::utf8_text(&self.0)
    }
}

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_utf8())
    }
}

/// A line that did not fit.
#[derive(Debug, Serialize)]
pub struct UnfitJson<'a> {
    /// What was expected and what was found.
    pub error: String,
    /// From 1.
    pub line_number: u64,
    /// Bytes from 1.
    pub column: usize,
    /// The line.
    pub line: Text<'a>,
}

fn parse_number<T: std::str::FromStr>(digits: &[u8]) -> Option<T> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn lower_hex(text: &[u8]) -> String {
    text.iter().map(|digit| char::from(digit.to_ascii_lowercase())).collect()
}

fn certificate_time(text: Option<&[u8]>) -> Option<String> {
    time_stamp::parse_certificate_time(text?).map(rfc3339)
}

/// With milliseconds where they are logged.
fn time(record: &Record<'_>, event: Option<&Event<'_>>) -> Option<String> {
    if let Some(time) = record.value(Field::Msec).and_then(time_stamp::parse_msec) {
        return Some(rfc3339_millis(time));
    }
    let iso = record.value(Field::TimeIso8601);
    let has_millis = iso.is_some_and(|iso| iso.contains(&b'.'));
    let time = event.and_then(|event| event.time).or_else(|| {
        let local = || record.value(Field::TimeLocal).and_then(time_stamp::parse_time_local);
        iso.and_then(time_stamp::parse_time_iso8601).or_else(local)
    })?;
    Some(if has_millis { rfc3339_millis(time) } else { rfc3339(time.div_euclid(1000)) })
}

fn identity(record: &Record<'_>, event: Option<&Event<'_>>) -> Option<&'static str> {
    match event.map(|event| event.certificate) {
        Some(Some(Certificate { proven: true, .. })) => Some("verified"),
        Some(Some(Certificate { proven: false, .. })) => Some("claimed"),
        Some(None) => Some("none"),
        None => match verify_result::parse(record.logged(Field::SslClientVerify)?)? {
            VerifyResult::Success => Some("verified"),
            VerifyResult::Failed { .. } => Some("claimed"),
            VerifyResult::None | VerifyResult::NotTls => Some("none"),
        },
    }
}

/// The route of an event, safe to show, worked out anew.
fn event_route<'a>(event: &Event<'a>, router: &'a Router) -> Cow<'a, str> {
    match event.target {
        Target::Path(path) => match event.escape.undo(path) {
            Cow::Borrowed(path) => router.route(path).0,
            Cow::Owned(path) => Cow::Owned(router.route(&path).0.into_owned()),
        },
        Target::Named(name) => Cow::Owned(route::named(&event.escape.undo(name)).0.into_owned()),
        Target::Malformed => MALFORMED.into(),
        Target::NotLogged => NOT_LOGGED.into(),
    }
}

/// Addresses and statuses of equal length; what is `-` or missing in one of them is `None`.
fn upstreams<'a>(record: &Record<'a>) -> (Vec<Option<Text<'a>>>, Vec<Option<u64>>) {
    let elements = |field| {
        let list = record.value(field).map(upstream_list);
        list.into_iter().flatten().map(|one| Some(one).filter(|one| !matches!(*one, b"" | b"-")))
    };
    let addr = |one: Option<&'a [u8]>| one.map(|addr| Text(record.escape().undo(addr)));
    let mut addrs: Vec<_> = elements(Field::UpstreamAddr).map(addr).collect();
    let status = |one: Option<&[u8]>| one.and_then(parse_number);
    let mut statuses: Vec<_> = elements(Field::UpstreamStatus).map(status).collect();
    let logged = |field| record.logged(field).is_some();
    let length = addrs.len().max(statuses.len());
    if logged(Field::UpstreamAddr) {
        addrs.resize(length, None);
    }
    if logged(Field::UpstreamStatus) {
        statuses.resize(length, None);
    }
    (addrs, statuses)
}
