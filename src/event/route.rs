//! The route of a request: what its path has in common with others of its kind.
//!
//! First that applies: a variable that the operator logs, the first matching pattern, else the path
//! as a template in which what looks like an identifier becomes `{id}`. Nothing is percent-decoded,
//! the query is dropped, a trailing slash is kept.

use std::borrow::Cow;

use regex::bytes::{RegexSet, RegexSetBuilder};

use super::route_pattern::RoutePattern;
use crate::escape::escape_text;
use crate::limits::ROUTE_BYTES_MAX;

/// The route of what is no HTTP request.
pub const MALFORMED: &str = "(malformed)";
/// The route of all requests when the log has neither request nor path.
pub const NOT_LOGGED: &str = "(not logged)";
/// The route of the requests beyond the bound on routes.
pub const OTHER: &str = "other";

/// Longest regular expression program for all patterns together, in bytes.
const PATTERNS_BYTES_MAX: usize = 4 << 20;

/// Finds routes.
#[derive(Debug, Default)]
pub struct Router {
    patterns: Patterns,
}

/// Route patterns, made ready to match; the first that matches counts.
#[derive(Clone, Debug)]
pub struct Patterns {
    names: Vec<String>,
    set: RegexSet,
}

impl Patterns {
    /// Compiles patterns.
    ///
    /// # Errors
    /// When together they are larger than 4 MiB of program.
    pub fn new(patterns: &[RoutePattern]) -> Result<Patterns, regex::Error> {
        let names: Vec<String> = patterns.iter().map(|p| p.as_str().to_owned()).collect();
        let set = RegexSetBuilder::new(names.iter().map(|name| expression(name)))
            .unicode(false)
            .size_limit(PATTERNS_BYTES_MAX)
            .build()?;
        Ok(Patterns { names, set })
    }

    /// The first pattern that matches the whole path.
    pub fn first_match(&self, path: &[u8]) -> Option<&str> {
        if self.names.is_empty() {
            return None;
        }
        let index = self.set.matches(path).into_iter().next()?;
        self.names.get(index).map(String::as_str)
    }

    /// Which patterns match the whole path, as indexes into those given to [`Patterns::new`].
    pub fn matching(&self, path: &[u8]) -> impl Iterator<Item = usize> + use<> {
        self.set.matches(path).into_iter()
    }
}

impl Default for Patterns {
    fn default() -> Patterns {
        Patterns { names: Vec::new(), set: RegexSet::empty() }
    }
}

/// `{x}` is one segment, a trailing `*` the rest.
fn expression(pattern: &str) -> String {
    let (body, end) = match pattern.strip_suffix('*') {
        Some(body) => (body, ""),
        None => (pattern, "$"),
    };
    let segment = |segment: &str| match segment.strip_prefix('{') {
        Some(_) => "[^/]+".to_owned(),
        None => regex::escape(segment),
    };
    let body: Vec<_> = body.split('/').map(segment).collect();
    format!("(?s-u)^{}{end}", body.join("/"))
}

impl Router {
    /// A router with the operator's patterns.
    pub fn new(patterns: Patterns) -> Router {
        Router { patterns }
    }

    /// The route of a path (or an absolute URI), its log escaping undone; safe to show. The second
    /// value says that it was cut at [`ROUTE_BYTES_MAX`].
    pub fn route<'a>(&'a self, target: &'a [u8]) -> (Cow<'a, str>, bool) {
        let Some(path) = path(target) else { return (MALFORMED.into(), false) };
        if let Some(name) = self.patterns.first_match(path) {
            return (name.into(), false);
        }
        shown(template(path))
    }

    /// The route of a path whose escaping need not be undone and whose route need not be escaped:
    /// nearly every path, where no pattern is set. `template` is written to. `None` for any other.
    pub fn plain_route<'a>(&self, path: &'a [u8], template: &'a mut Vec<u8>) -> Option<&'a [u8]> {
        if path.first() != Some(&b'/') || !self.patterns.names.is_empty() {
            return None;
        }
        template.clear();
        // Where the segment begins, and what of the path is in the template.
        let (mut start, mut written) = (0, 0);
        let mut end_segment = |end: usize, classes: u8| {
            if classes & DIGIT != 0 && is_identifier(path.get(start..end)?, classes) {
                template.extend_from_slice(path.get(written..start)?);
                template.extend_from_slice(IDENTIFIER);
                written = end;
            }
            start = end + 1;
            (classes & SPECIAL == 0).then_some(())
        };
        let mut classes = 0;
        for (at, byte) in path.iter().enumerate() {
            if *byte == b'/' {
                end_segment(at, classes)?;
                classes = 0;
            } else {
                classes |= class(*byte);
            }
        }
        end_segment(path.len(), classes)?;
        // Nothing was written: the path is its own template.
        let route = match written {
            0 => path,
            _ => {
                template.extend_from_slice(path.get(written..)?);
                template
            }
        };
        (route.len() <= ROUTE_BYTES_MAX).then_some(route)
    }
}

/// The route that the operator's variable names, its log escaping undone; safe to show. The second
/// value says that it was cut at [`ROUTE_BYTES_MAX`].
pub fn named(name: &[u8]) -> (Cow<'_, str>, bool) {
    shown(name.into())
}

fn shown(route: Cow<'_, [u8]>) -> (Cow<'_, str>, bool) {
    let (route, cut) = cut(route);
    let route = match route {
        Cow::Borrowed(route) => escape_text(route),
        Cow::Owned(route) => escape_text(&route).into_owned().into(),
    };
    (route, cut)
}

/// The target of `METHOD SP target [SP HTTP/x.y]`; `None` for anything else.
pub fn target(request: &[u8]) -> Option<&[u8]> {
    let method_bytes = request.iter().position(|&byte| !is_method(byte)).filter(|&n| n > 0)?;
    let rest = request.get(method_bytes..)?.strip_prefix(b" ")?;
    match memchr::memchr(b' ', rest) {
        None => Some(rest),
        Some(space) => {
            let is_version = matches!(
                rest.get(space + 1..),
                Some([b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'])
            );
            rest.get(..space).filter(|_| is_version)
        }
    }
}

fn is_method(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_".contains(&byte)
}

/// The path of a target, without query: from its `/`, or behind the host of an absolute URI.
pub fn path(target: &[u8]) -> Option<&[u8]> {
    let end = memchr::memchr2(b'?', b'#', target).unwrap_or(target.len());
    let target = target.get(..end)?;
    if target.first() == Some(&b'/') {
        return Some(target);
    }
    let scheme = memchr::memchr(b':', target)?;
    let is_scheme = scheme > 0 && target.get(..scheme)?.iter().all(u8::is_ascii_alphanumeric);
    let behind = target.get(scheme..)?.strip_prefix(b"://").filter(|_| is_scheme)?;
    match memchr::memchr(b'/', behind) {
        Some(slash) => behind.get(slash..),
        None => Some(b"/"),
    }
}

/// The path with `{id}` for every segment that looks like an identifier.
fn template(path: &[u8]) -> Cow<'_, [u8]> {
    let is_identifier = |segment: &[u8]| {
        is_identifier(segment, segment.iter().fold(0, |classes, byte| classes | class(*byte)))
    };
    if !path.split(|&byte| byte == b'/').any(is_identifier) {
        return path.into();
    }
    let mut out = Vec::with_capacity(path.len());
    for (index, segment) in path.split(|&byte| byte == b'/').enumerate() {
        if index > 0 {
            out.push(b'/');
        }
        out.extend_from_slice(if is_identifier(segment) { IDENTIFIER } else { segment });
    }
    out.into()
}

/// What a segment that looks like an identifier becomes.
const IDENTIFIER: &[u8] = b"{id}";

/// All digits; eight or more hex digits, or twenty or more of a token, with a digit among them; a
/// UUID. `classes` are those of its bytes together.
fn is_identifier(segment: &[u8], classes: u8) -> bool {
    classes & DIGIT != 0
        && (classes == DIGIT
            || segment.len() >= 8 && classes & !(DIGIT | HEX_LETTER) == 0
            || segment.len() >= 20 && classes & LETTERS != 0 && classes & !WORD == 0
            || is_uuid(segment))
}

fn class(byte: u8) -> u8 {
    CLASSES.get(usize::from(byte)).copied().unwrap_or_default()
}

const DIGIT: u8 = 1;
const HEX_LETTER: u8 = 2;
const OTHER_LETTER: u8 = 4;
/// `_` and `-`.
const JOINER: u8 = 8;
/// Any other byte that stays as it is in every log and on every terminal.
const VISIBLE: u8 = 16;
/// What ends a path, escapes, or has to be escaped.
const SPECIAL: u8 = 32;
const LETTERS: u8 = HEX_LETTER | OTHER_LETTER;
const WORD: u8 = DIGIT | LETTERS | JOINER;

#[expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "evaluated by the compiler only, where an index out of range fails the build"
)]
const CLASSES: [u8; 256] = {
    let mut classes = [SPECIAL; 256];
    let mut byte = 0;
    while byte < classes.len() {
        classes[byte] = match byte as u8 {
            b'0'..=b'9' => DIGIT,
            b'a'..=b'f' | b'A'..=b'F' => HEX_LETTER,
            b'a'..=b'z' | b'A'..=b'Z' => OTHER_LETTER,
            b'_' | b'-' => JOINER,
            b'?' | b'#' | b'\\' => SPECIAL,
            b'!'..=b'~' => VISIBLE,
            _ => SPECIAL,
        };
        byte += 1;
    }
    classes
};

fn is_uuid(segment: &[u8]) -> bool {
    let groups = segment.split(|&byte| byte == b'-');
    let hex = |group: &[u8]| group.iter().all(u8::is_ascii_hexdigit);
    segment.len() == 36
        && groups.clone().map(<[u8]>::len).eq([8, 4, 4, 4, 12])
        && groups.into_iter().all(hex)
}

fn cut(route: Cow<'_, [u8]>) -> (Cow<'_, [u8]>, bool) {
    if route.len() <= ROUTE_BYTES_MAX {
        return (route, false);
    }
    // Not in the middle of a UTF-8 sequence, which would then be shown as broken.
    let boundary = |&at: &usize| route.get(at).is_none_or(|byte| byte & 0xc0 != 0x80);
    let end = (0..=ROUTE_BYTES_MAX).rev().find(boundary).unwrap_or(ROUTE_BYTES_MAX);
    (route.get(..end).unwrap_or_default().to_vec().into(), true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests() {
        let check = |request: &str, expected: Option<&str>| {
            assert_eq!(target(request.as_bytes()), expected.map(str::as_bytes), "{request:?}");
        };
        check("GET / HTTP/1.1", Some("/"));
        check("GET /a?b=c HTTP/2.0", Some("/a?b=c"));
        check("GET /zero9", Some("/zero9"));
        check("M-SEARCH * HTTP/1.1", Some("*"));
        check("GET /a b HTTP/1.1", None);
        check("GET / HTTP/11", None);
        check("GET", None);
        check("", None);
        check(" / HTTP/1.1", None);
        check("\x16\x03 binary", None);
    }

    #[test]
    fn routes() {
        let patterns = ["/payments/{id}/capture", "/static/*", "/a{b", "/exact"];
        let patterns: Vec<_> =
            patterns.iter().filter_map(|p| RoutePattern::parse(p).ok()).collect();
        assert_eq!(patterns.len(), 3);
        let router = Router::new(Patterns::new(&patterns).unwrap());
        let check = |target: &[u8], expected: &str| {
            let route = router.route(target).0.into_owned();
            assert_eq!(route, expected, "{:?}", target.escape_ascii().to_string());
        };
        check(b"/payments/abc/capture", "/payments/{id}/capture");
        check(b"/payments/abc/capture/", "/payments/abc/capture/");
        check(b"/payments/7/refund", "/payments/{id}/refund");
        check(b"/static/js/a.js?v=1", "/static/*");
        check(b"/exact", "/exact");
        check(b"/exactly", "/exactly");
        check(b"/", "/");
        check(b"/a//b/", "/a//b/");
        check(b"/users/12345?token=x", "/users/{id}");
        check(b"/users/12a45", "/users/12a45");
        check(b"/k/0af76519", "/k/{id}");
        check(b"/k/deadbeef", "/k/deadbeef");
        check(b"/k/0af7651", "/k/0af7651");
        check(b"/o/550e8400-e29b-41d4-a716-446655440000", "/o/{id}");
        check(b"/o/550e8400-e29b-41d4-a716", "/o/{id}");
        check(b"/t/abcdefghij_klmnop-q9", "/t/{id}");
        check(b"/t/abcdefghij_klmnop-qr", "/t/abcdefghij_klmnop-qr");
        check(b"/2026/11/x", "/{id}/{id}/x");
        check(b"/a%20b%22c", "/a%20b%22c");
        check(b"http://h.example/a/1?x", "/a/{id}");
        check(b"http://h.example", "/");
        check(b"*", MALFORMED);
        check(b"h.example:443", MALFORMED);
        check(b"", MALFORMED);
        check("/\u{20ac}\u{202e}\n".as_bytes(), "/€\\xE2\\x80\\xAE\\x0A");
        check(b"/\xff", "/\\xFF");
    }

    #[test]
    fn a_plain_route_is_the_route() {
        let router = Router::new(Patterns::default());
        let mut written = Vec::new();
        let mut check = |path: &[u8], is_plain: bool| {
            let plain = router.plain_route(path, &mut written).map(<[u8]>::to_vec);
            let expected = is_plain.then(|| router.route(path).0.into_owned().into_bytes());
            assert_eq!(plain, expected, "{}", path.escape_ascii());
        };
        for byte in 0..=u8::MAX {
            let is_plain = byte.is_ascii_graphic() && !b"?#\\".contains(&byte);
            check(&[b'/', byte], is_plain);
            check(&[b"/1/12345678".as_slice(), &[byte]].concat(), is_plain);
            check(&[b"/abcdefghijklmnopqr9".as_slice(), &[byte]].concat(), is_plain);
        }
        check(b"/o/550e8400-0294-4124-8716-446655440000", true);
        check(b"/o/55008400-0294-4124-8716-446655440000/x", true);
        check(b"/1/2/0af76519//x.js", true);
        check(b"x", false);
        check(b"", false);
        check(&[b'/'; ROUTE_BYTES_MAX], true);
        check(&[b'/'; ROUTE_BYTES_MAX + 1], false);
        check(&b"/1".repeat(ROUTE_BYTES_MAX / 2), false);
        let patterns = [RoutePattern::parse("/a").unwrap()];
        let router = Router::new(Patterns::new(&patterns).unwrap());
        assert_eq!(router.plain_route(b"/a", &mut written), None);
    }

    #[test]
    fn a_long_route_is_cut_and_said() {
        let router = Router::new(Patterns::default());
        let path_text = |length: usize| format!("/{}", "x".repeat(length - 1));
        let path = |length: usize| path_text(length).into_bytes();
        assert_eq!(router.route(&path(ROUTE_BYTES_MAX)).0.len(), ROUTE_BYTES_MAX);
        assert!(!router.route(&path(ROUTE_BYTES_MAX)).1);
        assert!(router.route(&path(ROUTE_BYTES_MAX + 1)).1);
        assert_eq!(named(&path(ROUTE_BYTES_MAX)), (path_text(ROUTE_BYTES_MAX).into(), false));
        assert_eq!(named(&path(ROUTE_BYTES_MAX + 1)), (path_text(ROUTE_BYTES_MAX).into(), true));
        let euros = format!("/{}", "\u{20ac}".repeat(ROUTE_BYTES_MAX));
        let (route, cut) = router.route(euros.as_bytes());
        assert!(cut && route.len() <= ROUTE_BYTES_MAX && !route.contains("\\x"));
    }
}
