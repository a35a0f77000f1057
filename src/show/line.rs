//! One line of a log as one JSON object: what `gatelog parse` prints.
//!
//! Absent fields are omitted. Text is unescaped; bytes that are not UTF-8 become `\xHH`.

use std::borrow::Cow;

use gatelog_parsers::distinguished_name;
use gatelog_parsers::line::Record;
use gatelog_parsers::time_stamp;
use gatelog_parsers::variable::{Field, is_plain_upstream, upstream_list};
use gatelog_parsers::verify_result::{self, VerifyResult};

use super::certificate_memo::{CertificateMemo, Values};
use super::json_text::{
    TimeText, append_decimal, append_digits, append_integer, append_text, append_value, is_plain,
};
use crate::event::judge::Target;
use crate::event::route::{self, MALFORMED, NOT_LOGGED, Router};
use crate::event::{Certificate, Event};

/// Makes objects of lines; keeps what the next line is likely to need again.
#[derive(Debug)]
pub struct LineJson<'r> {
    router: &'r Router,
    time: TimeText,
    certificates: CertificateMemo,
    /// Written to for each route.
    template: Vec<u8>,
}

impl<'r> LineJson<'r> {
    /// With the routes of this router.
    pub fn new(router: &'r Router) -> LineJson<'r> {
        let (time, certificates, template) = Default::default();
        LineJson { router, time, certificates, template }
    }

    /// Appends the object of a record to `out`; `event` is `None` when the record tells no verdict.
    pub fn append(&mut self, out: &mut Vec<u8>, record: &Record<'_>, event: Option<&Event<'_>>) {
        let mut object = Object::begin(out, record);
        self.append_time(&mut object, event);
        match event {
            Some(event) => object.shown(br#","server":""#, event.server),
            None => object.text(br#","server":""#, Field::ServerName),
        }
        object.request();
        if let Some(event) = event {
            self.append_event(&mut object, event);
        } else {
            object.digits(br#","status":"#, Field::Status);
        }
        object.text(br#","verify":""#, Field::SslClientVerify);
        if let Some(identity) = identity(record, event) {
            object.shown(br#","identity":""#, identity);
        }
        self.append_certificate(&mut object);
        let addr = event.and_then(|event| event.remote_addr);
        if let Some(addr) = addr.or_else(|| record.value(Field::RemoteAddr)) {
            object.value(br#","remote_addr":""#, addr);
        }
        object.upstreams();
        object.text(br#","tls_protocol":""#, Field::SslProtocol);
        object.text(br#","tls_cipher":""#, Field::SslCipher);
        if let Some(reused) = record.value(Field::SslSessionReused) {
            let is_reused = matches!(reused, b"r" | b"true");
            object.raw(br#","session_reused":"#, if is_reused { b"true" } else { b"false" });
        }
        if let Some(time) = record.value(Field::RequestTime) {
            object.number(br#","request_time_seconds":"#, |out| append_decimal(out, time));
        }
        object.digits(br#","body_bytes_sent":"#, Field::BodyBytesSent);
        object.digits(br#","bytes_sent":"#, Field::BytesSent);
        object.text(br#","user_agent":""#, Field::HttpUserAgent);
        object.text(br#","referer":""#, Field::HttpReferer);
        object.text(br#","request_id":""#, Field::RequestId);
        object.digits(br#","connection":"#, Field::Connection);
        object.digits(br#","connection_requests":"#, Field::ConnectionRequests);
        object.end();
    }

    /// With milliseconds where they are logged.
    fn append_time(&mut self, object: &mut Object<'_, '_>, event: Option<&Event<'_>>) {
        const KEY: &[u8] = br#","time":""#;
        let record = object.record;
        if let Some(time) = record.value(Field::Msec).and_then(time_stamp::parse_msec) {
            object.quoted(KEY, |out| self.time.append_millis(out, time));
            return;
        }
        let iso = record.value(Field::TimeIso8601);
        let time = event.and_then(|event| event.time).or_else(|| {
            let local = || record.value(Field::TimeLocal).and_then(time_stamp::parse_time_local);
            iso.and_then(time_stamp::parse_time_iso8601).or_else(local)
        });
        let Some(time) = time else { return };
        if iso.is_some_and(|iso| iso.contains(&b'.')) {
            object.quoted(KEY, |out| self.time.append_millis(out, time));
        } else {
            object.quoted(KEY, |out| self.time.append_seconds(out, time.div_euclid(1000)));
        }
    }

    fn append_event(&mut self, object: &mut Object<'_, '_>, event: &Event<'_>) {
        object.quoted(br#","route":""#, |out| match event.target {
            Target::Path(path) => match self.router.plain_route(path, &mut self.template) {
                Some(route) => append_text(out, route),
                None => append_route(out, event, self.router),
            },
            _ => append_route(out, event, self.router),
        });
        object.digits(br#","status":"#, Field::Status);
        object.shown(br#","verdict":""#, event.verdict.as_str());
        if let Some(reason) = event.reason {
            object.shown(br#","reason":""#, reason.as_str());
            object.shown(br#","class":""#, reason.class().as_str());
        }
    }

    fn append_certificate(&mut self, object: &mut Object<'_, '_>) {
        let record = object.record;
        let either = |field, legacy| record.value(field).or_else(|| record.value(legacy));
        let values = [
            either(Field::SslClientSDn, Field::SslClientSDnLegacy),
            either(Field::SslClientIDn, Field::SslClientIDnLegacy),
            record.value(Field::SslClientSerial),
            record.value(Field::SslClientVStart),
            record.value(Field::SslClientVEnd),
            record.value(Field::SslClientFingerprint),
        ];
        self.certificates.append(object.out, (&values, record.escape()), |out| {
            append_certificate(&mut Object::begin(out, record), &values);
        });
        object.digits(br#","remaining_days":"#, Field::SslClientVRemain);
    }
}

/// What a certificate's values alone tell.
fn append_certificate(object: &mut Object<'_, '_>, values: &Values<'_>) {
    let [subject_dn, issuer_dn, serial, not_before, not_after, fingerprint] = *values;
    if let Some(dn) = subject_dn {
        object.value(br#","subject_dn":""#, dn);
    }
    if let Some(dn) = issuer_dn {
        object.value(br#","issuer_dn":""#, dn);
    }
    if let Some(dn) = subject_dn {
        let dn = object.record.escape().undo(dn);
        object.attribute(br#","cn":""#, &dn, "CN");
        object.attribute(br#","o":""#, &dn, "O");
    }
    if let Some(serial) = serial {
        object.value(br#","serial":""#, serial);
    }
    if let Some(fingerprint) = fingerprint {
        object.quoted(br#","fingerprint_sha1":""#, |out| append_lower(out, fingerprint));
    }
    let ends = [(&br#","not_before":""#[..], not_before), (br#","not_after":""#, not_after)];
    for (key, end) in ends {
        if let Some(time) = end.and_then(time_stamp::parse_certificate_time) {
            object.quoted(key, |out| TimeText::default().append_seconds(out, time));
        }
    }
}

/// Appends the object of a line that did not fit: what was expected and what was found, the line's
/// number from 1, the column in bytes from 1, the line.
pub fn append_unfit(out: &mut Vec<u8>, error: &str, line_number: u64, column: usize, line: &[u8]) {
    out.extend_from_slice(br#"{"error":""#);
    append_text(out, error.as_bytes());
    out.extend_from_slice(br#"","line_number":"#);
    append_integer(out, line_number);
    out.extend_from_slice(br#","column":"#);
    append_integer(out, column as u64);
    out.extend_from_slice(br#","line":""#);
    append_text(out, line);
    out.extend_from_slice(br#""}"#);
}

/// An object being written. Keys come with all their punctuation: a comma before, which becomes the
/// brace if the field is the first one, and the quote of a value that is text.
struct Object<'o, 'a> {
    out: &'o mut Vec<u8>,
    start: usize,
    record: &'o Record<'a>,
}

impl<'o, 'a> Object<'o, 'a> {
    fn begin(out: &'o mut Vec<u8>, record: &'o Record<'a>) -> Object<'o, 'a> {
        let start = out.len();
        Object { out, start, record }
    }

    fn end(self) {
        match self.out.get_mut(self.start) {
            Some(first) => *first = b'{',
            None => self.out.push(b'{'),
        }
        self.out.push(b'}');
    }

    /// A field whose value stands for itself.
    fn raw(&mut self, key: &[u8], value: &[u8]) {
        self.out.extend_from_slice(key);
        self.out.extend_from_slice(value);
    }

    /// A text whose content something else appends.
    fn quoted(&mut self, key: &[u8], append: impl FnOnce(&mut Vec<u8>)) {
        self.out.extend_from_slice(key);
        append(self.out);
        self.out.push(b'"');
    }

    /// A text that is not the log's.
    fn shown(&mut self, key: &[u8], text: &str) {
        self.quoted(key, |out| append_text(out, text.as_bytes()));
    }

    /// A value as it stands in the line.
    fn value(&mut self, key: &[u8], value: &[u8]) {
        let escape = self.record.escape();
        self.quoted(key, |out| append_value(out, value, escape));
    }

    /// The text of a field that is set.
    fn text(&mut self, key: &[u8], field: Field) {
        if let Some(value) = self.record.value(field) {
            self.value(key, value);
        }
    }

    /// The whole number of a field.
    fn digits(&mut self, key: &[u8], field: Field) {
        if let Some(value) = self.record.value(field) {
            self.number(key, |out| append_digits(out, value));
        }
    }

    /// A field that is left out again if what should be a number is none.
    fn number(&mut self, key: &[u8], append: impl FnOnce(&mut Vec<u8>) -> bool) {
        let before = self.out.len();
        self.out.extend_from_slice(key);
        if !append(self.out) {
            self.out.truncate(before);
        }
    }

    fn attribute(&mut self, key: &[u8], dn: &[u8], kind: &str) {
        if let Some(value) = distinguished_name::attribute(dn, kind) {
            self.quoted(key, |out| append_text(out, &value));
        }
    }

    /// Method, target and protocol, from their own fields or from the request line.
    fn request(&mut self) {
        let record = self.record;
        let request = record.value(Field::Request).map(|value| record.escape().undo(value));
        let parts = request.as_deref().and_then(RequestParts::of);
        let either = |object: &mut Self, key: &[u8], field, part: Option<&[u8]>| {
            let value = object.record.value(field);
            match (value, part) {
                (Some(value), _) => object.value(key, value),
                (None, Some(part)) => object.quoted(key, |out| append_text(out, part)),
                (None, None) => return false,
            }
            true
        };
        let method = parts.as_ref().map(|parts| parts.method);
        let target = parts.as_ref().map(|parts| parts.target);
        let protocol = parts.as_ref().and_then(|parts| parts.protocol);
        either(self, br#","method":""#, Field::RequestMethod, method);
        if !either(self, br#","uri":""#, Field::RequestUri, target) {
            self.text(br#","uri":""#, Field::Uri);
        }
        either(self, br#","protocol":""#, Field::ServerProtocol, protocol);
    }

    /// Addresses and statuses of equal length; what is `-` or missing in one of them is `null`.
    fn upstreams(&mut self) {
        let (record, escape) = (self.record, self.record.escape());
        let [addrs, statuses] =
            [Field::UpstreamAddr, Field::UpstreamStatus].map(|field| record.value(field));
        let count = |value: Option<&[u8]>| match value {
            None => 0,
            Some(value) if is_plain_upstream(value) => 1,
            Some(value) => upstream_list(value).count(),
        };
        let length = count(addrs).max(count(statuses));
        if length > 0 && record.logged(Field::UpstreamAddr).is_some() {
            self.array(br#","upstream_addrs":["#, addrs, length, |out, addr| {
                out.push(b'"');
                append_value(out, addr, escape);
                out.push(b'"');
                true
            });
        }
        if length > 0 && record.logged(Field::UpstreamStatus).is_some() {
            self.array(br#","upstream_statuses":["#, statuses, length, append_digits);
        }
    }

    /// An array of so many elements, at least one, `null` for what is none and behind the last.
    fn array(
        &mut self,
        key: &[u8],
        list: Option<&[u8]>,
        length: usize,
        append: impl Fn(&mut Vec<u8>, &[u8]) -> bool,
    ) {
        self.out.extend_from_slice(key);
        let mut append = |element: Option<&[u8]>| {
            let element = element.filter(|one| !matches!(*one, b"" | b"-"));
            if !element.is_some_and(|element| append(self.out, element)) {
                self.out.extend_from_slice(b"null");
            }
            self.out.push(b',');
        };
        let single = list.filter(|list| is_plain_upstream(list));
        let mut several = list.filter(|_| single.is_none()).into_iter().flat_map(upstream_list);
        let first = single.or_else(|| several.next());
        append(first);
        (1..length).for_each(|_| append(several.next()));
        // The last comma.
        self.out.pop();
        self.out.push(b']');
    }
}

/// The parts of a request line, as [`route::target`] takes them.
struct RequestParts<'a> {
    method: &'a [u8],
    target: &'a [u8],
    protocol: Option<&'a [u8]>,
}

impl<'a> RequestParts<'a> {
    fn of(request: &'a [u8]) -> Option<RequestParts<'a>> {
        let target = route::target(request)?;
        let method = request.get(..memchr::memchr(b' ', request)?)?;
        let behind_last_space = request.get(memchr::memrchr(b' ', request)? + 1..)?;
        let protocol = Some(behind_last_space).filter(|part| part.starts_with(b"HTTP/"));
        Some(RequestParts { method, target, protocol })
    }
}

/// Appends hex digits in lower case.
fn append_lower(out: &mut Vec<u8>, digits: &[u8]) {
    if is_plain(digits) {
        out.extend(digits.iter().map(u8::to_ascii_lowercase));
    } else {
        let lower = |digit: &u8| char::from(digit.to_ascii_lowercase());
        append_text(out, digits.iter().map(lower).collect::<String>().as_bytes());
    }
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

/// Appends the route of an event, safe to show, worked out anew.
fn append_route(out: &mut Vec<u8>, event: &Event<'_>, router: &Router) {
    let undone: Cow<'_, [u8]>;
    let route = match event.target {
        Target::Path(path) => {
            undone = event.escape.undo(path);
            router.route(&undone).0
        }
        Target::Named(name) => {
            undone = event.escape.undo(name);
            route::named(&undone).0
        }
        Target::Route { name, .. } => String::from_utf8_lossy(name),
        Target::Malformed => MALFORMED.into(),
        Target::NotLogged => NOT_LOGGED.into(),
    };
    append_text(out, route.as_bytes());
}

#[cfg(test)]
mod tests {
    use gatelog_parsers::line::{LineParser, Spans};
    use gatelog_parsers::log_format::LogFormat;

    use super::*;
    use crate::event::Judge;
    use crate::event::judge::JudgeSettings;
    use crate::event::route::Patterns;
    use crate::event::server::Servers;

    /// The objects of a line of this format, made twice: the second one may use what the first left.
    #[track_caller]
    fn check(format: &str, line: &str, expected: &str) {
        let parser = LineParser::new(&LogFormat::parse(format.as_bytes()).unwrap());
        let servers = Servers::new("edge".to_owned(), Vec::new(), Vec::new());
        let mut judge = Judge::new(&parser, servers, JudgeSettings::default());
        let router = Router::new(Patterns::default());
        let mut json = LineJson::new(&router);
        let mut spans = Spans::default();
        for _ in 0..2 {
            let record = parser.parse(line.as_bytes(), &mut spans).unwrap();
            let mut out = b"before\n".to_vec();
            json.append(&mut out, &record, judge.judge(&record).ok().as_ref());
            assert_eq!(String::from_utf8(out).unwrap(), format!("before\n{expected}"));
        }
    }

    #[test]
    fn objects() {
        check("$status", "-", "{}");
        check("$status", "200", r#"{"status":200}"#);
        check("$http_user_agent", r"a\x22\xFF", r#"{"user_agent":"a\"\\xFF"}"#);
        check(
            "[$time_local]",
            "[22/Nov/2026:11:51:17 +0200]",
            r#"{"time":"2026-11-22T09:51:17Z"}"#,
        );
        let both = "[22/Nov/2026:11:51:17 +0200] 1795341077.007";
        check("[$time_local] $msec", both, r#"{"time":"2026-11-22T09:51:17.007Z"}"#);
        check(
            "$ssl_session_reused $request_time",
            "r 0.250",
            r#"{"session_reused":true,"request_time_seconds":0.25}"#,
        );
        check(
            "$ssl_session_reused $request_time",
            ". 1",
            r#"{"session_reused":false,"request_time_seconds":1.0}"#,
        );
    }

    #[test]
    fn requests() {
        let check = |request: &str, expected: &str| check("\"$request\"", request, expected);
        check(
            r#""GET /a?b=\x22 HTTP/1.1""#,
            r#"{"method":"GET","uri":"/a?b=\"","protocol":"HTTP/1.1"}"#,
        );
        check(r#""GET /a""#, r#"{"method":"GET","uri":"/a"}"#);
        check(r#""GET  HTTP/1.1""#, r#"{"method":"GET","uri":"","protocol":"HTTP/1.1"}"#);
        check(r#""GET /a b HTTP/1.1""#, "{}");
        check(r#""\x16\x03""#, "{}");
        check(r#""-""#, "{}");
    }

    #[test]
    fn events() {
        let format = "$ssl_client_verify|$status|$server_port|$request_uri|$remote_addr";
        check(
            format,
            "FAILED:certificate has expired|400|8443|/v1/12/x?y|10.0.0.1",
            r#"{"server":"edge:8443","uri":"/v1/12/x?y","route":"/v1/{id}/x","status":400,"verdict":"rejected","reason":"cert_has_expired","class":"expired","verify":"FAILED:certificate has expired","identity":"claimed","remote_addr":"10.0.0.1"}"#,
        );
        check(
            format,
            "-|200|-|-|-",
            r#"{"server":"edge","route":"(malformed)","status":200,"verdict":"not_tls","identity":"none"}"#,
        );
    }

    #[test]
    fn certificates() {
        check(
            r#""$ssl_client_s_dn" "$ssl_client_i_dn" $ssl_client_serial $ssl_client_fingerprint "$ssl_client_v_start" "$ssl_client_v_end" $ssl_client_v_remain"#,
            r#""CN=a\x5C,b,O=\xC3\xBC" "CN=ca" 0F 82DCF3C44723630AEFEE7DA059BAEE4F0377167F "May  4 08:09:40 2026 GMT" "Jun  5 08:09:40 2027 GMT" 195"#,
            r#"{"subject_dn":"CN=a\\,b,O=ü","issuer_dn":"CN=ca","cn":"a,b","o":"ü","serial":"0F","fingerprint_sha1":"82dcf3c44723630aefee7da059baee4f0377167f","not_before":"2026-05-04T08:09:40Z","not_after":"2027-06-05T08:09:40Z","remaining_days":195}"#,
        );
    }

    #[test]
    fn upstreams() {
        let format = "\"$upstream_addr\" \"$upstream_status\"";
        let check = |line: &str, addrs: &str, statuses: &str| {
            let expected =
                format!(r#"{{"upstream_addrs":[{addrs}],"upstream_statuses":[{statuses}]}}"#);
            check(format, line, &expected);
        };
        check(r#""10.0.0.1:80" "200""#, r#""10.0.0.1:80""#, "200");
        check(r#""10.0.0.1:80" "-""#, r#""10.0.0.1:80""#, "null");
        check(r#""a:1, b:2 : c:3" "502, 200 : 404""#, r#""a:1","b:2","c:3""#, "502,200,404");
        check(r#""a:1, b:2" "502""#, r#""a:1","b:2""#, "502,null");
        check(r#""a:1" "502, -""#, r#""a:1",null"#, "502,null");
        super::tests::check(format, r#""-" "-""#, "{}");
        super::tests::check("\"$upstream_addr\"", r#""a:1""#, r#"{"upstream_addrs":["a:1"]}"#);
    }

    #[test]
    fn lines_that_did_not_fit() {
        let mut out = Vec::new();
        append_unfit(&mut out, "expected `\"`", 7, 3, b"a\"\xff\x1b");
        let expected =
            r#"{"error":"expected `\"`","line_number":7,"column":3,"line":"a\"\\xFF\u001b"}"#;
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
