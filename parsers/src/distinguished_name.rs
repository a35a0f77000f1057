//! Distinguished names as nginx writes them: `CN=checkout-service,O=payments`.
//!
//! Owns the grammar of names and the way back from their escapes to bytes. Log escaping (`\x5C`) is
//! undone before, by whoever splits the line; whether a name is proven or claimed is the agent's.
//!
//! Two forms are read. `$ssl_client_s_dn` and `$ssl_client_i_dn` are RFC 2253 text since nginx
//! 1.11.6, written by OpenSSL with `XN_FLAG_RFC2253`: last RDN first, `,+"\<>;` and edge spaces
//! after a backslash, bytes outside printable ASCII as a backslash and two hex digits, values
//! without a string type as `#` and their DER in hex. What RFC 2253 section 4 and RFC 4514 also
//! allow (spaces around separators, quoted values, `OID.2.5.4.3`, raw UTF-8) is read too, for names
//! typed by hand; `;` as a separator is not.
//!
//! `$ssl_client_s_dn_legacy`, and the former before 1.11.6, is `X509_NAME_oneline()`: `/O=x/CN=y`,
//! root first, bytes outside printable ASCII as `\xHH`. OpenSSL 3 joins the attributes of one RDN
//! with `+` and puts a backslash before `/` and `+` in values; 1.1.1 does neither, and no version
//! escapes the backslash (seen with 1.1.1w, 3.0.19, 3.3.1, 3.5.9). A value can therefore forge what
//! follows it: from 1.1.1, `/CN=a/CN=b` can be one value or two, and is read as two.

use std::borrow::Cow;
use std::fmt;

use memchr::{memchr, memchr2_iter};
use nom::branch::alt;
use nom::bytes::complete::{tag, take, take_while, take_while1};
use nom::combinator::{cut, recognize};
use nom::error::{ErrorKind, ParseError};
use nom::multi::many0_count;
use nom::sequence::{delimited, preceded, terminated};
use nom::{IResult, Parser};

/// Most attributes in one name; real names have fewer than twenty. [`parse`] refuses a longer name,
/// [`attribute`] stores nothing and needs no bound.
pub const ATTRIBUTES_MAX: usize = 128;

/// A relative distinguished name: one attribute, or several joined by `+`; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rdn<'a> {
    /// In the order of RFC 2253 text, whichever form they were read from.
    pub attributes: Vec<Attribute<'a>>,
}

/// One `kind=value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// The attribute type as written: `CN`, `emailAddress`, `2.5.4.3`.
    pub kind: &'a str,
    /// Its value.
    pub value: Value<'a>,
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value<'a> {
    /// The bytes meant, escapes undone; mostly but not surely UTF-8, and possibly control bytes.
    Text(Cow<'a, [u8]>),
    /// `#` and the hex digits of the DER, as written.
    Hex(&'a [u8]),
}

/// Where a name is malformed, and what was expected there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DnError {
    /// Counts bytes within the name, from 1; one past its length when it ends too early.
    pub column: usize,
    /// What was expected.
    pub kind: DnErrorKind,
}

/// What was expected where a name is malformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DnErrorKind {
    /// An attribute type.
    ExpectedKind,
    /// `=` after an attribute type.
    ExpectedEquals,
    /// Something that may be escaped, after a backslash.
    ExpectedEscape,
    /// An even number of hex digits, after `#`.
    ExpectedHex,
    /// The quote that ends a quoted value.
    ExpectedQuote,
    /// A separator or the end, after a value; found a byte that has to be escaped.
    ExpectedSeparator,
    /// No more than [`ATTRIBUTES_MAX`] attributes.
    TooManyAttributes,
}

impl fmt::Display for DnError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "column {}: ", self.column)?;
        match self.kind {
            DnErrorKind::ExpectedKind => formatter.write_str("expected an attribute type like CN"),
            DnErrorKind::ExpectedEquals => formatter.write_str("expected = after attribute type"),
            DnErrorKind::ExpectedEscape => {
                formatter.write_str("expected two hex digits or one of ,+\"\\<>;#= after backslash")
            }
            DnErrorKind::ExpectedHex => {
                formatter.write_str("expected an even number of hex digits after #")
            }
            DnErrorKind::ExpectedQuote => formatter.write_str("expected closing quote"),
            DnErrorKind::ExpectedSeparator => {
                formatter.write_str("expected , or + or the end; \" < > ; need a backslash")
            }
            DnErrorKind::TooManyAttributes => {
                write!(formatter, "expected at most {ATTRIBUTES_MAX} attributes")
            }
        }
    }
}

impl std::error::Error for DnError {}

/// Reads a whole name of either form, the most specific RDN first. An empty name has no RDN.
///
/// # Errors
///
/// Says where the name is malformed; see [`DnErrorKind`].
pub fn parse(dn: &[u8]) -> Result<Vec<Rdn<'_>>, DnError> {
    let mut rdns: Vec<Rdn<'_>> = Vec::new();
    for (index, attribute) in attributes(dn).enumerate() {
        let (written, at) = attribute?;
        if index == ATTRIBUTES_MAX {
            return Err(DnError { column: at + 1, kind: DnErrorKind::TooManyAttributes });
        }
        let attribute = written.attribute();
        match rdns.last_mut() {
            Some(rdn) if written.joined => rdn.attributes.push(attribute),
            _ => rdns.push(Rdn { attributes: vec![attribute] }),
        }
    }
    if is_legacy(dn) {
        rdns.reverse();
        rdns.iter_mut().for_each(|rdn| rdn.attributes.reverse());
    }
    Ok(rdns)
}

/// The most specific value of an attribute, escapes undone, or `None`.
///
/// `kind` is a name such as `CN` or `O`, in any case, or a dotted object identifier; the common
/// kinds are found under either. A `#` value is given as written. Reads no further than it must, so
/// that a value is found in a name cut off behind it; the legacy form is read to its end.
///
/// ```
/// use gatelog_parsers::distinguished_name::attribute;
/// let dn = br"CN=x\,CN=admin,O=Acme\, Inc.";
/// assert_eq!(attribute(dn, "cn").as_deref(), Some(&b"x,CN=admin"[..]));
/// assert_eq!(attribute(dn, "2.5.4.10").as_deref(), Some(&b"Acme, Inc."[..]));
/// ```
#[must_use]
pub fn attribute<'a>(dn: &'a [u8], kind: &str) -> Option<Cow<'a, [u8]>> {
    let names = ALIASES.iter().find(|names| names.iter().any(|name| is_kind(name, kind)));
    let mut wanted =
        attributes(dn).map_while(Result::ok).map(|(written, _)| written).filter(|written| {
            is_kind(written.kind, kind)
                || names.is_some_and(|names| names.iter().any(|name| is_kind(written.kind, name)))
        });
    let found = if is_legacy(dn) { wanted.last() } else { wanted.next() };
    found.map(|written| match written.attribute().value {
        Value::Text(text) => text,
        Value::Hex(hex) => Cow::Borrowed(hex),
    })
}

/// The names of the kinds that clients' certificates carry: short, dotted and long.
const ALIASES: [[&str; 3]; 9] = [
    ["CN", "2.5.4.3", "commonName"],
    ["O", "2.5.4.10", "organizationName"],
    ["OU", "2.5.4.11", "organizationalUnitName"],
    ["C", "2.5.4.6", "countryName"],
    ["L", "2.5.4.7", "localityName"],
    ["ST", "2.5.4.8", "stateOrProvinceName"],
    ["DC", "0.9.2342.19200300.100.1.25", "domainComponent"],
    ["UID", "0.9.2342.19200300.100.1.1", "userId"],
    ["emailAddress", "1.2.840.113549.1.9.1", "E"],
];

fn is_kind(written: &str, wanted: &str) -> bool {
    without_oid_prefix(written).eq_ignore_ascii_case(without_oid_prefix(wanted))
}

fn without_oid_prefix(kind: &str) -> &str {
    match kind.split_at_checked(4) {
        Some((prefix, oid)) if prefix.eq_ignore_ascii_case("OID.") => oid,
        _ => kind,
    }
}

fn is_legacy(dn: &[u8]) -> bool {
    dn.first() == Some(&b'/')
}

/// An attribute as it stands in the name, its value not yet unescaped.
#[derive(Debug, Clone, Copy)]
struct Written<'a> {
    kind: &'a str,
    value: WrittenValue<'a>,
    /// Follows the one before it after `+`, in the same RDN.
    joined: bool,
}

#[derive(Debug, Clone, Copy)]
enum WrittenValue<'a> {
    /// With RFC 2253 escapes; of a quoted value what is between its quotes.
    Escaped(&'a [u8]),
    Hex(&'a [u8]),
    /// With the escapes of `X509_NAME_oneline()`.
    Oneline(&'a [u8]),
}

impl<'a> Written<'a> {
    fn attribute(self) -> Attribute<'a> {
        let value = match self.value {
            WrittenValue::Escaped(text) => Value::Text(undo(text, undo_rfc2253)),
            WrittenValue::Oneline(text) => Value::Text(undo(text, undo_oneline)),
            WrittenValue::Hex(hex) => Value::Hex(hex),
        };
        Attribute { kind: self.kind, value }
    }
}

/// Copies only what has a backslash in it. `escape` takes what follows a backslash and gives the
/// byte meant and how many bytes stood for it, or `None` where the backslash stands for itself.
fn undo(text: &[u8], escape: fn(&[u8]) -> Option<(u8, usize)>) -> Cow<'_, [u8]> {
    if memchr(b'\\', text).is_none() {
        return Cow::Borrowed(text);
    }
    let mut undone = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        let (byte, length) =
            if byte == b'\\' { escape(after).unwrap_or((byte, 0)) } else { (byte, 0) };
        undone.push(byte);
        rest = after.get(length..).unwrap_or_default();
    }
    Cow::Owned(undone)
}

fn undo_rfc2253(after: &[u8]) -> Option<(u8, usize)> {
    match hex_pair(after) {
        Some(byte) => Some((byte, 2)),
        None => after.first().map(|&byte| (byte, 1)),
    }
}

fn undo_oneline(after: &[u8]) -> Option<(u8, usize)> {
    match after.split_first()? {
        (b'x', digits) => hex_pair(digits).map(|byte| (byte, 3)),
        (&byte @ (b'/' | b'+'), _) => Some((byte, 1)),
        _ => None,
    }
}

fn hex_pair(digits: &[u8]) -> Option<u8> {
    let &[high, low, ..] = digits else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(high)? << 4 | digit(low)?)
}

/// The attributes in the order written, each with its byte offset; ends after the first error.
fn attributes(dn: &[u8]) -> impl Iterator<Item = Result<(Written<'_>, usize), DnError>> {
    let next = if is_legacy(dn) { oneline_attribute } else { rfc2253_attribute };
    let mut rest = dn.strip_prefix(b"/").or(Some(dn).filter(|dn| !dn.is_empty()));
    let mut joined = false;
    std::iter::from_fn(move || {
        let start = rest.take()?;
        let (after, (kind, value)) = match next(start) {
            Ok(parsed) => parsed,
            Err(nom::Err::Error(stop) | nom::Err::Failure(stop)) => {
                return Some(Err(DnError {
                    column: dn.len() - stop.rest.len() + 1,
                    kind: stop.kind,
                }));
            }
            // The complete parsers never ask for more.
            Err(nom::Err::Incomplete(_)) => return None,
        };
        let written = Written { kind, value, joined };
        joined = after.first() == Some(&b'+');
        rest = after.split_first().map(|(_, behind_separator)| behind_separator);
        Some(Ok((written, dn.len() - start.len())))
    })
}

/// Where a parser stopped.
#[derive(Debug, Clone, Copy)]
struct Stop<'a> {
    rest: &'a [u8],
    kind: DnErrorKind,
}

impl<'a> ParseError<&'a [u8]> for Stop<'a> {
    fn from_error_kind(rest: &'a [u8], _: ErrorKind) -> Self {
        Stop { rest, kind: DnErrorKind::ExpectedKind }
    }

    fn append(_: &'a [u8], _: ErrorKind, earlier: Self) -> Self {
        earlier
    }
}

type Parsed<'a, T> = IResult<&'a [u8], T, Stop<'a>>;

/// Says what was expected where `parser` fails.
fn expect<'a, T>(
    kind: DnErrorKind,
    mut parser: impl Parser<&'a [u8], Output = T, Error = Stop<'a>>,
) -> impl FnMut(&'a [u8]) -> Parsed<'a, T> {
    move |input| parser.parse(input).map_err(|error| error.map(|stop| Stop { kind, ..stop }))
}

fn spaces(input: &[u8]) -> Parsed<'_, &[u8]> {
    take_while(|byte| byte == b' ').parse(input)
}

/// A kind is ASCII only, so it is text.
fn kind(input: &[u8]) -> Parsed<'_, &str> {
    let bytes = take_while1(|byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    expect(DnErrorKind::ExpectedKind, bytes.map_opt(|bytes| str::from_utf8(bytes).ok()))
        .parse(input)
}

/// `kind=value`, with `,` or `+` or nothing behind it, which is left in the rest.
fn rfc2253_attribute(input: &[u8]) -> Parsed<'_, (&str, WrittenValue<'_>)> {
    let equals = expect(DnErrorKind::ExpectedEquals, tag("="));
    let (input, kind) =
        terminated(delimited(spaces, kind, spaces), terminated(equals, spaces)).parse(input)?;
    let (input, value) = alt((hex_value, quoted_value, plain_value)).parse(input)?;
    let (input, _) = spaces(input)?;
    if !matches!(input.first(), None | Some(b',' | b'+')) {
        let stop = Stop { rest: input, kind: DnErrorKind::ExpectedSeparator };
        return Err(nom::Err::Error(stop));
    }
    Ok((input, (kind, value)))
}

fn hex_value(input: &[u8]) -> Parsed<'_, WrittenValue<'_>> {
    let digits = take_while1(|byte: u8| byte.is_ascii_hexdigit());
    let pairs = digits.map_opt(|digits: &[u8]| digits.len().is_multiple_of(2).then_some(digits));
    recognize(preceded(tag("#"), cut(expect(DnErrorKind::ExpectedHex, pairs))))
        .map(WrittenValue::Hex)
        .parse(input)
}

fn quoted_value(input: &[u8]) -> Parsed<'_, WrittenValue<'_>> {
    let inside = escaped(|byte| byte != b'"' && byte != b'\\');
    let closing = cut(expect(DnErrorKind::ExpectedQuote, tag("\"")));
    delimited(tag("\""), inside, closing).map(WrittenValue::Escaped).parse(input)
}

/// Up to the next byte that would have to be escaped; may be empty.
fn plain_value(input: &[u8]) -> Parsed<'_, WrittenValue<'_>> {
    escaped(|byte| !b",+\"\\<>;".contains(&byte))
        .map(|text| WrittenValue::Escaped(without_trailing_spaces(text)))
        .parse(input)
}

fn escaped<'a>(
    is_plain: impl Fn(u8) -> bool,
) -> impl Parser<&'a [u8], Output = &'a [u8], Error = Stop<'a>> {
    recognize(many0_count(alt((take_while1(is_plain), escape))))
}

/// A backslash with one special byte or two hex digits.
fn escape(input: &[u8]) -> Parsed<'_, &[u8]> {
    let (behind, _) = tag("\\").parse(input)?;
    let length: usize = match behind.first() {
        Some(byte) if b",+\"\\<>;#= ".contains(byte) => 2,
        _ if hex_pair(behind).is_some() => 3,
        _ => {
            let stop = Stop { rest: behind, kind: DnErrorKind::ExpectedEscape };
            return Err(nom::Err::Failure(stop));
        }
    };
    take(length).parse(input)
}

/// Spaces before a separator are no part of the value, unless the last of them is escaped.
fn without_trailing_spaces(text: &[u8]) -> &[u8] {
    let spaces = text.iter().rev().take_while(|&&byte| byte == b' ').count();
    let bare = text.get(..text.len() - spaces).unwrap_or(text);
    let backslashes = bare.iter().rev().take_while(|&&byte| byte == b'\\').count();
    if backslashes.is_multiple_of(2) { bare } else { text.get(..=bare.len()).unwrap_or(text) }
}

/// `kind=value`; the value ends before a `/` or `+` that no backslash precedes and `kind=` follows.
fn oneline_attribute(input: &[u8]) -> Parsed<'_, (&str, WrittenValue<'_>)> {
    let equals = expect(DnErrorKind::ExpectedEquals, tag("="));
    let (input, kind) = terminated(kind, equals).parse(input)?;
    let separates = |&at: &usize| {
        let (before, after) = input.split_at_checked(at).unwrap_or((input, b""));
        let behind = after.get(1..).unwrap_or_default();
        before.last() != Some(&b'\\') && terminated(self::kind, tag("=")).parse(behind).is_ok()
    };
    let end = memchr2_iter(b'/', b'+', input).find(separates).unwrap_or(input.len());
    let (value, rest) = input.split_at_checked(end).unwrap_or((input, b""));
    Ok((rest, (kind, WrittenValue::Oneline(value))))
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    /// The name as `kind=value` pairs, `+` before one that joins the RDN before it.
    fn shown(dn: &[u8]) -> Result<Vec<String>, DnError> {
        let mut pairs = Vec::new();
        for rdn in parse(dn)? {
            for (index, attribute) in rdn.attributes.iter().enumerate() {
                let mut pair = if index == 0 { String::new() } else { "+".to_owned() };
                let value = match &attribute.value {
                    Value::Text(text) => text,
                    Value::Hex(hex) => *hex,
                };
                write!(pair, "{}={}", attribute.kind, value.escape_ascii()).unwrap();
                pairs.push(pair);
            }
        }
        Ok(pairs)
    }

    #[test]
    fn names_are_read() {
        fn check(dn: &str, expected: &[&str]) {
            assert_eq!(shown(dn.as_bytes()).as_deref().unwrap(), expected, "{dn:?}");
        }
        check("", &[]);
        check("CN=x", &["CN=x"]);
        check("CN=", &["CN="]);
        check("CN=,O=", &["CN=", "O="]);
        check("CN=x,O=y,C=DE", &["CN=x", "O=y", "C=DE"]);
        check("UID=42+CN=multi+OU=a\\+b,O=ops", &["UID=42", "+CN=multi", "+OU=a+b", "O=ops"]);
        check("CN=x\\,CN=admin,O=y", &["CN=x,CN=admin", "O=y"]);
        check("CN=x\\\\,CN=admin", &["CN=x\\\\", "CN=admin"]);
        check("CN=\\# lead\\,=trail\\ ,O=a=b=c", &["CN=# lead,=trail ", "O=a=b=c"]);
        check("CN=a#b=c", &["CN=a#b=c"]);
        check("CN=\\C3\\b6\\0A\\00", &["CN=\\xc3\\xb6\\n\\x00"]);
        check("CN=\u{f6}", &["CN=\\xc3\\xb6"]);
        check("2.5.4.3=x,1.2.3.4=#0C03616263", &["2.5.4.3=x", "1.2.3.4=#0C03616263"]);
        check("OID.2.5.4.3=x", &["OID.2.5.4.3=x"]);
        check(" CN = x y  , O = z ", &["CN=x y", "O=z"]);
        check("CN=x\\ ,O=y", &["CN=x ", "O=y"]);
        check("CN=x\\   ,O=y", &["CN=x ", "O=y"]);
        check("CN=x\\\\  ,O=y", &["CN=x\\\\", "O=y"]);
        check("CN=x\\20 ,O=y", &["CN=x ", "O=y"]);
        check("CN=\"a, b+c\\\"d\" ,O=y", &["CN=a, b+c\\\"d", "O=y"]);
        check("CN=\"\"", &["CN="]);
    }

    #[test]
    fn legacy_names_are_read_root_last() {
        fn check(dn: &str, expected: &[&str]) {
            assert_eq!(shown(dn.as_bytes()).as_deref().unwrap(), expected, "{dn:?}");
        }
        check("/C=DE/O=payments/CN=x", &["CN=x", "O=payments", "C=DE"]);
        check("/CN=", &["CN="]);
        check("/O=a/CN=http://x/y?z=1", &["CN=http://x/y?z=1", "O=a"]);
        check("/CN=http://x/y=1", &["y=1", "CN=http://x"]);
        check("/O=Acme, Inc./CN=a+b", &["CN=a+b", "O=Acme, Inc."]);
        check("/OU=z/OU=a+CN=m+UID=42/CN=x", &["CN=x", "UID=42", "+CN=m", "+OU=a", "OU=z"]);
        check("/O=a\\/b=c\\d \\+e=f/CN=x", &["CN=x", "O=a/b=c\\\\d +e=f"]);
        check("/CN=Gr\\xC3\\xB6\\x0A", &["CN=Gr\\xc3\\xb6\\n"]);
        check("/CN=a\\b\\xZZ\\", &["CN=a\\\\b\\\\xZZ\\\\"]);
    }

    #[test]
    fn malformed_names_say_where() {
        use DnErrorKind::*;
        fn check(dn: &str, column: usize, kind: DnErrorKind) {
            let expected = DnError { column, kind };
            assert_eq!(parse(dn.as_bytes()), Err(expected), "{dn:?}");
            assert!(expected.to_string().starts_with(&format!("column {column}: expected")));
        }
        check("-", 2, ExpectedEquals);
        check("CN", 3, ExpectedEquals);
        check("CN x=1", 4, ExpectedEquals);
        check("=x", 1, ExpectedKind);
        check("CN=x,", 6, ExpectedKind);
        check("CN=x,,O=y", 6, ExpectedKind);
        check("CN=x+", 6, ExpectedKind);
        check("CN=x;O=y", 5, ExpectedSeparator);
        check("CN=x\"", 5, ExpectedSeparator);
        check("CN=a<b>", 5, ExpectedSeparator);
        check("CN=\"a\"b", 7, ExpectedSeparator);
        check("CN=x\\", 6, ExpectedEscape);
        check("CN=x\\q", 6, ExpectedEscape);
        check("CN=x\\C", 6, ExpectedEscape);
        check("O=y,CN=x\\Cg", 10, ExpectedEscape);
        check("CN=\"a\\q\"", 7, ExpectedEscape);
        check("CN=\"abc", 8, ExpectedQuote);
        check("CN=#", 5, ExpectedHex);
        check("CN=#0C0", 5, ExpectedHex);
        check("CN=#0Cx", 7, ExpectedSeparator);
        check("/", 2, ExpectedKind);
        check("/CN", 4, ExpectedEquals);
        check("//CN=x", 2, ExpectedKind);
    }

    #[test]
    fn attributes_are_bounded() {
        let longest = vec!["OU=x"; ATTRIBUTES_MAX].join(",");
        assert_eq!(parse(longest.as_bytes()).unwrap().len(), ATTRIBUTES_MAX);
        let too_long = format!("{longest},CN=x");
        let column = longest.len() + 2;
        let expected = DnError { column, kind: DnErrorKind::TooManyAttributes };
        assert_eq!(parse(too_long.as_bytes()), Err(expected));
        assert_eq!(attribute(too_long.as_bytes(), "CN").as_deref(), Some(&b"x"[..]));
        let joined = vec!["OU=x"; ATTRIBUTES_MAX + 1].join("+");
        assert_eq!(parse(joined.as_bytes()), Err(expected));
    }

    #[test]
    fn an_attribute_is_found() {
        fn check(dn: &str, kind: &str, expected: Option<&str>) {
            let found = attribute(dn.as_bytes(), kind);
            assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{kind} in {dn:?}");
        }
        check("", "CN", None);
        check("-", "CN", None);
        check("CN=x,O=y", "CN", Some("x"));
        check("CN=x,O=y", "O", Some("y"));
        check("CN=x,O=y", "OU", None);
        check("cn=x", "CN", Some("x"));
        check("CN=x", "cN", Some("x"));
        check("2.5.4.3=x,2.5.4.10=y", "CN", Some("x"));
        check("OID.2.5.4.3=x,oid.2.5.4.10=y", "O", Some("y"));
        check("OID.2.5.4.3=x", "OID.2.5.4.3", Some("x"));
        check("CN=x", "oid.2.5.4.3", Some("x"));
        check("commonName=x", "CN", Some("x"));
        check("CN=x", "2.5.4.3", Some("x"));
        check("CN=x", "2.5.4.30", None);
        check("SCN=y,CN=x", "CN", Some("x"));
        check("CN=first,CN=second", "CN", Some("first"));
        check("UID=42+CN=multi,O=ops", "CN", Some("multi"));
        check("O=y,CN=x\\,CN=admin", "CN", Some("x,CN=admin"));
        check("O=x\\,CN=admin", "CN", None);
        check("O=\"x,CN=admin\"", "CN", None);
        check("CN=a\\\"b\\\\c", "CN", Some("a\"b\\c"));
        check("CN=#0C0161", "CN", Some("#0C0161"));
        check("CN=cut,O=off\\", "CN", Some("cut"));
        check("CN=cut,O=off\\", "O", None);
        check("O=y;CN=x", "CN", None);
        check("/C=DE/O=root/O=leaf/CN=x", "O", Some("leaf"));
        check("/O=x,CN=admin/CN=y", "CN", Some("y"));
        assert!(matches!(attribute(b"CN=plain", "CN"), Some(Cow::Borrowed(_))));
    }
}
