//! The nginx variables that gatelog understands, and the shape each one's value has in a log.
//!
//! A shape says which texts a value can be, so that the line parser sees where a value cannot end.
//! Every shape also takes `-` (unset, `escape=default`) and nothing (unset, `escape=json`).
//! Source: nginx, "Alphabetical index of variables", and `ngx_http_log_module`.

use wide::u8x16;

use crate::{hex, time_stamp, verify_result};

macro_rules! fields {
    ($($(#[$doc:meta])* $field:ident $name:literal $shape:ident,)*) => {
        /// A variable whose meaning gatelog knows.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Field { $($(#[$doc])* $field,)* }

        impl Field {
            /// Every field, in the order of the enum.
            pub const ALL: &'static [Field] = &[$(Field::$field,)*];

            /// The variable's name, without `$`.
            pub fn variable(self) -> &'static str {
                match self { $(Field::$field => $name,)* }
            }

            /// What its value looks like in a log.
            pub fn shape(self) -> Shape {
                match self { $(Field::$field => Shape::$shape,)* }
            }
        }
    };
}

fields! {
    /// The client's address, or `unix:`.
    RemoteAddr "remote_addr" Address,
    /// The name of HTTP basic authentication; the client's own word.
    RemoteUser "remote_user" Text,
    /// `22/Nov/2026:11:51:17 +0000`.
    TimeLocal "time_local" TimeLocal,
    /// `2026-11-22T11:51:17+00:00`.
    TimeIso8601 "time_iso8601" TimeIso8601,
    /// Seconds since 1970 with three decimals.
    Msec "msec" Decimal,
    /// The request line as the client sent it.
    Request "request" Text,
    /// `GET`, `POST` and so on.
    RequestMethod "request_method" Token,
    /// The target with its query, as sent.
    RequestUri "request_uri" Text,
    /// The path after nginx normalised and decoded it.
    Uri "uri" Text,
    /// The query.
    Args "args" Text,
    /// `HTTP/1.1`.
    ServerProtocol "server_protocol" Token,
    /// Three digits.
    Status "status" Status,
    /// Bytes of the body sent.
    BodyBytesSent "body_bytes_sent" Integer,
    /// Bytes sent in all.
    BytesSent "bytes_sent" Integer,
    /// Bytes of the request.
    RequestLength "request_length" Integer,
    /// `Referer`.
    HttpReferer "http_referer" Text,
    /// `User-Agent`.
    HttpUserAgent "http_user_agent" Text,
    /// `X-Forwarded-For`.
    HttpXForwardedFor "http_x_forwarded_for" Text,
    /// `NONE`, `SUCCESS` or `FAILED:` and OpenSSL's text.
    SslClientVerify "ssl_client_verify" Verify,
    /// The subject, RFC 2253.
    SslClientSDn "ssl_client_s_dn" Text,
    /// The issuer, RFC 2253.
    SslClientIDn "ssl_client_i_dn" Text,
    /// The subject in OpenSSL's one-line form.
    SslClientSDnLegacy "ssl_client_s_dn_legacy" Text,
    /// The issuer in OpenSSL's one-line form.
    SslClientIDnLegacy "ssl_client_i_dn_legacy" Text,
    /// Upper-case hex digits, the client's own choice.
    SslClientSerial "ssl_client_serial" Serial,
    /// SHA-1 of the certificate, 40 hex digits.
    SslClientFingerprint "ssl_client_fingerprint" Sha1,
    /// `Nov 22 11:51:15 2026 GMT`.
    SslClientVStart "ssl_client_v_start" CertificateTime,
    /// `Nov 22 11:51:15 2027 GMT`.
    SslClientVEnd "ssl_client_v_end" CertificateTime,
    /// Whole days until the certificate ends.
    SslClientVRemain "ssl_client_v_remain" Integer,
    /// `TLSv1.3`.
    SslProtocol "ssl_protocol" Token,
    /// The cipher's OpenSSL name.
    SslCipher "ssl_cipher" Token,
    /// `r` for a resumed session, `.` for a new one.
    SslSessionReused "ssl_session_reused" SessionReused,
    /// The name the client asked for (SNI).
    SslServerName "ssl_server_name" Text,
    /// The first name of the server that answered.
    ServerName "server_name" Token,
    /// The port of the server that answered.
    ServerPort "server_port" Integer,
    /// The host the client named.
    Host "host" Text,
    /// The `Host` header as sent.
    HttpHost "http_host" Text,
    /// The upstream servers tried, joined by `, ` and ` : `.
    UpstreamAddr "upstream_addr" UpstreamAddresses,
    /// Their statuses, joined alike.
    UpstreamStatus "upstream_status" UpstreamNumbers,
    /// Their times in seconds, joined alike.
    UpstreamResponseTime "upstream_response_time" UpstreamNumbers,
    /// Seconds with three decimals.
    RequestTime "request_time" Decimal,
    /// 32 hex digits that nginx draws for each request.
    RequestId "request_id" Hex,
    /// The connection's number in this run of nginx.
    Connection "connection" Integer,
    /// How many requests the connection has carried.
    ConnectionRequests "connection_requests" Integer,
}

impl Field {
    /// The field of a variable's name (without `$`), in any case as nginx takes it.
    pub fn from_variable(name: &[u8]) -> Option<Field> {
        let same = |known: &str| known.as_bytes().eq_ignore_ascii_case(name);
        let field = Field::ALL.iter().find(|field| same(field.variable())).copied();
        let aliases = [("query_string", Field::Args), ("document_uri", Field::Uri)];
        field.or_else(|| aliases.iter().find(|(alias, _)| same(alias)).map(|(_, field)| *field))
    }
}

/// Which texts a value can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Anything that escaping lets through.
    Text,
    /// Anything without a space.
    Token,
    /// An IPv4 or IPv6 address, or `unix:` and a path.
    Address,
    /// `$time_local`.
    TimeLocal,
    /// `$time_iso8601`.
    TimeIso8601,
    /// Three digits.
    Status,
    /// Digits.
    Integer,
    /// Digits with an optional fraction.
    Decimal,
    /// 40 hex digits.
    Sha1,
    /// Hex digits.
    Hex,
    /// OpenSSL's `i2a_ASN1_INTEGER`: hex digits with an optional minus, a backslash and a line end
    /// behind each 35 octets.
    Serial,
    /// `$ssl_client_verify`.
    Verify,
    /// OpenSSL's `ASN1_TIME_print`: a time, possibly with a fraction, or `Bad time value`.
    CertificateTime,
    /// `r` or `.`.
    SessionReused,
    /// Addresses or group names joined by `, ` and ` : `.
    UpstreamAddresses,
    /// Numbers or `-` joined by `, ` and ` : `.
    UpstreamNumbers,
}

impl Shape {
    /// Whether `value`, as it stands in the line, can be a value of this shape.
    pub fn fits(self, value: &[u8]) -> bool {
        self.fits_inline(value)
    }

    /// [`Shape::fits`] for a loop over all values of a line.
    #[inline(always)]
    pub(crate) fn fits_inline(self, value: &[u8]) -> bool {
        matches!(value, b"" | b"-") || self.fits_set(value)
    }

    /// Whether `value` can be a value of this shape in an object that somebody else than nginx wrote:
    /// also a time by RFC 3339, `true` and `false`.
    pub fn fits_in_object(self, value: &[u8]) -> bool {
        self.fits(value)
            || match self {
                Shape::CertificateTime => time_stamp::parse_time_iso8601(value).is_some(),
                Shape::SessionReused => matches!(value, b"true" | b"false"),
                _ => false,
            }
    }

    /// Whether `array` can be the elements of a list of this shape, as JSON: `["10.0.0.1:80", null]`.
    pub fn fits_array(self, array: &[u8]) -> bool {
        let Some(mut elements) = array_elements(array) else { return false };
        match self {
            Shape::UpstreamAddresses => elements.all(|one| one == b"-" || is_upstream(one)),
            Shape::UpstreamNumbers => elements.all(|one| one == b"-" || is_decimal(one)),
            _ => false,
        }
    }

    /// [`Shape::fits`] of a value that is known to hold nothing outside `#` to `~`.
    pub(crate) fn fits_unmarked(self, value: &[u8]) -> bool {
        match self {
            Shape::Text | Shape::Token => true,
            Shape::UpstreamAddresses => value.is_empty() || is_upstream_of_token(value),
            Shape::UpstreamNumbers => matches!(value, b"" | b"-") || is_decimal(value),
            shape => shape.fits(value),
        }
    }

    #[inline(always)]
    fn fits_set(self, value: &[u8]) -> bool {
        match self {
            Shape::Text => true,
            Shape::Token => value.iter().all(|&byte| is_token(byte)),
            Shape::Address => is_address(value),
            Shape::TimeLocal => time_stamp::parse_time_local(value).is_some(),
            Shape::TimeIso8601 => time_stamp::parse_time_iso8601(value).is_some(),
            Shape::Status => value.len() == 3 && value.iter().all(u8::is_ascii_digit),
            Shape::Integer => value.iter().all(u8::is_ascii_digit),
            Shape::Decimal => is_decimal(value),
            Shape::Sha1 => value.len() == 40 && hex::all_digits(value),
            Shape::Hex => hex::all_digits(value),
            Shape::Serial => hex::all_digits(value) || is_serial(value),
            Shape::Verify => {
                matches!(value, b"SUCCESS" | b"NONE")
                    || verify_result::parse(value).is_some()
                        && value.iter().all(|&b| self.may_hold(b))
            }
            Shape::CertificateTime => is_certificate_time(value),
            Shape::SessionReused => matches!(value, b"r" | b"."),
            Shape::UpstreamAddresses => is_upstream_list(value, is_upstream),
            Shape::UpstreamNumbers => is_upstream_list(value, |n| n == b"-" || is_decimal(n)),
        }
    }

    /// Whether a value of this shape can hold `byte` somewhere.
    pub fn may_hold(self, byte: u8) -> bool {
        match self {
            Shape::Text => true,
            Shape::Token | Shape::Address => is_token(byte),
            Shape::TimeLocal => byte.is_ascii_alphanumeric() || b"/: +-".contains(&byte),
            Shape::TimeIso8601 => byte.is_ascii_digit() || b"-:T+Z.".contains(&byte),
            Shape::Status | Shape::Integer => byte.is_ascii_digit() || byte == b'-',
            Shape::Decimal => byte.is_ascii_digit() || b".-".contains(&byte),
            Shape::Sha1 | Shape::Hex => byte.is_ascii_hexdigit() || byte == b'-',
            Shape::Serial => byte.is_ascii_hexdigit() || b"-\\xn".contains(&byte),
            // The texts of every library are plain words, so an end that takes in a quote is wrong.
            Shape::Verify => byte == b' ' || byte.is_ascii_graphic() && !b"\"\\".contains(&byte),
            Shape::CertificateTime => byte.is_ascii_alphanumeric() || b": -.".contains(&byte),
            Shape::SessionReused => b"r.-".contains(&byte),
            Shape::UpstreamAddresses => byte == b' ' || is_token(byte),
            Shape::UpstreamNumbers => byte.is_ascii_digit() || b".-,: ".contains(&byte),
        }
    }

    /// How many bytes from the start of `text` a value of this shape can take up at most, as nginx
    /// writes it.
    pub fn reach(self, text: &[u8]) -> usize {
        let text = text.get(..self.bytes_max()).unwrap_or(text);
        let reach = match self {
            Shape::Text => None,
            Shape::Verify if !text.starts_with(b"FAILED:") => Some(b"SUCCESS".len()),
            Shape::UpstreamAddresses | Shape::UpstreamNumbers => {
                let held = |(at, byte): (usize, &u8)| {
                    self.may_hold(*byte) && (*byte != b' ' || is_in_separator(text, at))
                };
                text.iter().enumerate().position(|at| !held(at))
            }
            _ => text.iter().position(|byte| !self.may_hold(*byte)),
        };
        reach.unwrap_or(text.len()).min(text.len())
    }

    /// How long a value of this shape is at most, in bytes, where that is known beforehand.
    pub fn bytes_max(self) -> usize {
        match self {
            Shape::SessionReused => 1,
            Shape::Status => 3,
            Shape::TimeLocal => 26,
            Shape::Sha1 => 40,
            _ => usize::MAX,
        }
    }

    /// The shape in words, after "expected".
    pub fn expected(self) -> &'static str {
        match self {
            Shape::Text => "text",
            Shape::Token => "a word without a space",
            Shape::Address => "an IP address or unix:",
            Shape::TimeLocal => "a time like 22/Nov/2026:11:51:17 +0000",
            Shape::TimeIso8601 => "a time like 2026-11-22T11:51:17+00:00",
            Shape::Status => "a status of three digits",
            Shape::Integer => "a whole number",
            Shape::Decimal => "a number",
            Shape::Sha1 => "40 hex digits or -",
            Shape::Hex | Shape::Serial => "hex digits or -",
            Shape::Verify => "NONE, SUCCESS, FAILED:... or -",
            Shape::CertificateTime => "a time like Nov 22 11:51:15 2027 GMT",
            Shape::SessionReused => "r, . or -",
            Shape::UpstreamAddresses => "addresses joined by `, ` and ` : `",
            Shape::UpstreamNumbers => "numbers joined by `, ` and ` : `",
        }
    }
}

/// The elements of `$upstream_addr` and its like: joined by `, ` for the next server tried and by
/// ` : ` after an internal redirect. One is empty where nginx had no server's name: the first when
/// the resolver failed before a redirect, the last when it failed after one. Takes the JSON array of
/// [`Shape::fits_array`] too, whose `null` is `-`.
pub fn upstream_list(value: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    let array = array_elements(value);
    let list = if array.is_some() { None } else { Some(UpstreamList { rest: Some(value) }) };
    array.into_iter().flatten().chain(list.into_iter().flatten())
}

/// Whether a value of `$upstream_addr` is one element, as it stands.
pub fn is_plain_upstream(value: &[u8]) -> bool {
    memchr::memchr(b' ', value).is_none() && !value.ends_with(b"]")
}

/// The elements of a flat JSON array of strings, numbers and `null`; `None` for anything else. An
/// IPv6 address begins alike and ends in its port.
fn array_elements(value: &[u8]) -> Option<impl Iterator<Item = &[u8]> + Clone> {
    let inside = value.strip_prefix(b"[")?.strip_suffix(b"]")?;
    Some(inside.split(|byte| *byte == b',').map(array_element))
}

fn array_element(text: &[u8]) -> &[u8] {
    match text.trim_ascii() {
        b"null" => b"-",
        text => text.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\"")).unwrap_or(text),
    }
}

/// The elements that name a server.
pub fn contacted_upstreams(value: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    upstream_list(value).filter(|element| !matches!(*element, b"" | b"-"))
}

/// Iterates over the elements as nginx joins them; see [`upstream_list`].
#[derive(Clone, Debug)]
struct UpstreamList<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Iterator for UpstreamList<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest?;
        let mut from = 0;
        while let Some(space) = memchr::memchr(b' ', rest.get(from..)?).map(|i| from + i) {
            let (before, after) = rest.split_at_checked(space)?;
            if let Some(element) = before.strip_suffix(b",") {
                self.rest = after.get(1..);
                return Some(element);
            }
            if let Some(next) = after.strip_prefix(b" : ") {
                self.rest = Some(next);
                return Some(before);
            }
            from = space + 1;
        }
        self.rest = None;
        Some(rest)
    }
}

fn is_token(byte: u8) -> bool {
    byte > b' ' && byte != b'"' && byte != 0x7f
}

/// Whether the space of `text` at `at` is part of `, ` or ` : `.
fn is_in_separator(text: &[u8], at: usize) -> bool {
    let before = text.get(..at).unwrap_or_default();
    let after = text.get(at + 1..).unwrap_or_default();
    before.ends_with(b",") || before.ends_with(b" :") || after.starts_with(b": ")
}

/// A client chooses its serial: a minus, or more than 35 octets, must not hide its line. nginx then
/// escapes the backslash and the line end of OpenSSL in its way.
fn is_serial(value: &[u8]) -> bool {
    let mut rest = value.strip_prefix(b"-").unwrap_or(value);
    while let Some((first, after)) = rest.split_first() {
        let breaks = [&br"\x5C\x0A"[..], br"\\\n"];
        let behind_break = breaks.iter().find_map(|line_break| rest.strip_prefix(*line_break));
        rest = match behind_break {
            Some(behind) => behind,
            None if first.is_ascii_hexdigit() => after,
            None => return false,
        };
    }
    true
}

/// A client chooses the validity of a certificate it signs itself: a fraction of a second, a year
/// of one digit or a time that is none must not hide its line. So what OpenSSL prints is told by its
/// form, `Mmm dd hh:mm:ss[.f] year GMT`, and the date is left to whoever needs it.
fn is_certificate_time(value: &[u8]) -> bool {
    if is_plain_certificate_time(value) {
        return true;
    }
    let Some((head, rest)) = value.strip_suffix(b" GMT").and_then(|v| v.split_at_checked(15))
    else {
        return value == b"Bad time value";
    };
    let [m1, m2, m3, b' ', d1, d2, b' ', h1, h2, b':', n1, n2, b':', s1, s2] = head else {
        return false;
    };
    let digits = [d2, h1, h2, n1, n2, s1, s2];
    let year = rest.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let fraction = rest.get(..rest.len() - year).unwrap_or_default();
    [m1, m2, m3].into_iter().all(u8::is_ascii_alphabetic)
        && (*d1 == b' ' || d1.is_ascii_digit())
        && digits.into_iter().all(u8::is_ascii_digit)
        && (1..=4).contains(&year)
        && fraction.strip_suffix(b" ").is_some_and(|fraction| {
            let digits = fraction.strip_prefix(b".").unwrap_or(fraction);
            digits.iter().all(u8::is_ascii_digit)
        })
}

/// Nearly all of them: no fraction, a year of four digits. Looked at by its first and its last
/// sixteen bytes, each of which lies between those of two bounds.
#[inline]
fn is_plain_certificate_time(value: &[u8]) -> bool {
    const LOW: [u8x16; 2] = [u8x16::new(*b"Aaa  0 00:00:00 "), u8x16::new(*b"0:00:00 0000 GMT")];
    const HIGH: [u8x16; 2] = [u8x16::new(*b"Zzz 99 99:99:99 "), u8x16::new(*b"9:99:99 9999 GMT")];
    let Ok(value) = <&[u8; 24]>::try_from(value) else { return false };
    let (Some(start), Some(end)) = (value.first_chunk(), value.last_chunk()) else { return false };
    let [low_start, low_end] = LOW;
    let [high_start, high_end] = HIGH;
    let (start, end) = (u8x16::new(*start), u8x16::new(*end));
    let fits_start = start.max(low_start).min(high_start).simd_eq(start);
    let fits_end = end.max(low_end).min(high_end).simd_eq(end);
    // Between a blank and a digit there are other bytes.
    (fits_start & fits_end).all() && matches!(value, [_, _, _, _, b' ' | b'0'..=b'9', ..])
}

/// What a byte of an address is: a digit, a point or colon, or no part of it.
#[expect(
    clippy::indexing_slicing,
    reason = "evaluated by the compiler only, where an index out of range fails the build"
)]
const ADDRESS_CLASSES: [u8; 256] = {
    let mut classes = [2; 256];
    let mut digits: &[u8] = b"0123456789abcdefABCDEF";
    while let [digit, rest @ ..] = digits {
        classes[*digit as usize] = 0;
        digits = rest;
    }
    classes[b'.' as usize] = POINT;
    classes[b':' as usize] = POINT;
    classes
};

const POINT: u8 = 1;

/// nginx prints addresses itself, so their alphabet is enough: what does not parse further on is
/// still no other field.
fn is_address(value: &[u8]) -> bool {
    let class = |byte: &u8| ADDRESS_CLASSES.get(usize::from(*byte)).copied().unwrap_or_default();
    value.iter().fold(0, |classes, byte| classes | class(byte)) == POINT
        || value.starts_with(b"unix:") && value.iter().all(|&byte| is_token(byte))
}

/// `$upstream_addr` holds the group's name when none of its servers could be tried.
fn is_upstream(element: &[u8]) -> bool {
    element.iter().all(|&byte| is_token(byte)) && is_upstream_of_token(element)
}

fn is_upstream_of_token(element: &[u8]) -> bool {
    !matches!(element, [.., b','] | b":")
}

fn is_upstream_list(value: &[u8], is_element: impl Fn(&[u8]) -> bool) -> bool {
    let mut named = false;
    UpstreamList { rest: Some(value) }.all(|element| {
        named |= !element.is_empty();
        element.is_empty() || is_element(element)
    }) && named
}

/// Digits, and digits behind a point.
fn is_decimal(value: &[u8]) -> bool {
    // nginx writes three places.
    if let [whole @ .., last, b'.', a, b, c] = value {
        let digits = [*last, *a, *b, *c].iter().fold(true, |all, byte| all & byte.is_ascii_digit());
        if digits && whole.iter().all(u8::is_ascii_digit) {
            return true;
        }
    }
    let mut points = 0;
    let is_part = |byte: &u8| {
        points += usize::from(*byte == b'.');
        byte.is_ascii_digit() || *byte == b'.'
    };
    let parts = value.iter().all(is_part) && points <= 1;
    parts && matches!((value.first(), value.last()), (Some(b'0'..=b'9'), Some(b'0'..=b'9')))
}

#[cfg(test)]
#[path = "variable_tests.rs"]
mod tests;
