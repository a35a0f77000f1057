//! The syslog messages that nginx sends, `<PRI>Mon dd hh:mm:ss HOST TAG: MSG`, and without HOST where
//! `nohostname` is set (`ngx_syslog_add_header`, nginx 1.7.1 and later).
//!
//! RFC 3164 as nginx writes it and not wider: a stamp without year and zone, a tag of at most 32 letters,
//! digits and `_`, no process id, no newline at the end. Messages of other programs are none. Everything
//! behind the tag is the message, byte for byte; what it means is left to others, as is the stamp: nginx's
//! own lines carry a better one.

use nom::Parser as _;
use nom::bytes::complete::{take_while_m_n, take_while1};
use nom::character::complete::char;
use nom::combinator::{opt, verify};
use nom::sequence::{delimited, preceded, terminated};

/// Longest tag that nginx takes (`ngx_syslog_parse_args`).
const TAG_BYTES_MAX: usize = 32;

/// Most bytes that stand before the message: `<191>`, the stamp, a host name of the greatest length
/// that Linux has (64), the tag.
pub const HEADER_BYTES_MAX: usize = 5 + 16 + 65 + TAG_BYTES_MAX + 2;

const MONTHS: [&[u8]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

/// One message, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Facility times eight, and severity: 0 to 191. `None` where a syslog daemon that wrote the message
    /// into a file has left it out.
    pub priority: Option<u8>,
    /// The machine that nginx runs on; `None` with `nohostname`.
    pub host: Option<&'a [u8]>,
    /// `nginx` unless `tag=` says otherwise.
    pub tag: &'a [u8],
    /// The line as nginx would write it into a file, without a newline at its end.
    pub message: &'a [u8],
}

/// Reads a message; `None` for bytes that nginx does not send.
pub fn parse(bytes: &[u8]) -> Option<Message<'_>> {
    let (rest, (priority, (), (host, tag))) = (opt(priority), stamp, sender).parse(bytes).ok()?;
    // nginx ends no message; a daemon in between may.
    let message = rest.strip_suffix(b"\n").unwrap_or(rest);
    Some(Message { priority, host, tag, message })
}

type Parsed<'a, T> = nom::IResult<&'a [u8], T>;

fn priority(bytes: &[u8]) -> Parsed<'_, u8> {
    let digits = take_while_m_n(1, 3, |byte: u8| byte.is_ascii_digit());
    let number = digits.map(|digits: &[u8]| {
        digits.iter().fold(0_u16, |sum, digit| sum * 10 + u16::from(digit - b'0'))
    });
    let number = number.map_opt(|number| u8::try_from(number).ok().filter(|it| *it <= 191));
    delimited(char('<'), number, char('>')).parse(bytes)
}

/// `Nov 22 11:51:17 `, with a space for the first digit of a day below 10.
fn stamp(bytes: &[u8]) -> Parsed<'_, ()> {
    let month =
        verify(take_while_m_n(3, 3, |byte: u8| byte.is_ascii_alphabetic()), |name: &[u8]| {
            MONTHS.contains(&name)
        });
    let day = take_while_m_n(2, 2, |byte: u8| byte.is_ascii_digit() || byte == b' ');
    let two = || take_while_m_n(2, 2, |byte: u8| byte.is_ascii_digit());
    let time = (two(), char(':'), two(), char(':'), two());
    let mut stamp = (month, char(' '), day, char(' '), time, char(' '));
    stamp.parse(bytes).map(|(rest, _)| (rest, ()))
}

/// `HOST TAG: ` or `TAG: `.
fn sender(bytes: &[u8]) -> Parsed<'_, (Option<&[u8]>, &[u8])> {
    if let Ok((rest, tag)) = tag(bytes) {
        return Ok((rest, (None, tag)));
    }
    let host = terminated(take_while1(|byte: u8| byte.is_ascii_graphic()), char(' '));
    (host.map(Some), tag).parse(bytes)
}

fn tag(bytes: &[u8]) -> Parsed<'_, &[u8]> {
    let name =
        take_while_m_n(1, TAG_BYTES_MAX, |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_');
    terminated(name, preceded(char(':'), char(' '))).parse(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn messages() {
        let check = |text: &str, expected: Option<(Option<u8>, Option<&str>, &str, &str)>| {
            let found = parse(text.as_bytes());
            let expected = expected.map(|(priority, host, tag, message)| Message {
                priority,
                host: host.map(str::as_bytes),
                tag: tag.as_bytes(),
                message: message.as_bytes(),
            });
            assert_eq!(found, expected, "{text:?}");
        };
        let long = "t".repeat(TAG_BYTES_MAX);
        check("<190>Nov 22 11:51:17 vm nginx: a b", Some((Some(190), Some("vm"), "nginx", "a b")));
        check("<37>Nov  2 11:51:17 gatelog: a: b", Some((Some(37), None, "gatelog", "a: b")));
        check(
            "<190>Nov 22 11:51:17 nginx: host nginx: x",
            Some((Some(190), None, "nginx", "host nginx: x")),
        );
        check("<0>Jan  1 00:00:00 a_1: ", Some((Some(0), None, "a_1", "")));
        check("Nov 22 11:51:17 vm nginx: a", Some((None, Some("vm"), "nginx", "a")));
        check("<190>Nov 22 11:51:17 vm nginx: a\n", Some((Some(190), Some("vm"), "nginx", "a")));
        check(
            "<190>Nov 22 11:51:17 vm nginx: a\nb",
            Some((Some(190), Some("vm"), "nginx", "a\nb")),
        );
        check(&format!("<1>Nov 22 11:51:17 {long}: a"), Some((Some(1), None, &long, "a")));
        check(&format!("<1>Nov 22 11:51:17 {long}t: a"), None);
        check(
            "<1>Nov 22 11:51:17 fe80::1 nginx: a",
            Some((Some(1), Some("fe80::1"), "nginx", "a")),
        );
        check("<192>Nov 22 11:51:17 nginx: a", None);
        check("<1900>Nov 22 11:51:17 nginx: a", None);
        check("<>Nov 22 11:51:17 nginx: a", None);
        check("<190>Foo 22 11:51:17 nginx: a", None);
        check("<190>Nov 22 11:51 nginx: a", None);
        check("<190>Nov 22 11:51:17 vm nginx[7]: a", None);
        check("<190>Nov 22 11:51:17 vm nginx:a", None);
        check("<190>1 2026-11-22T11:51:17Z vm nginx - - - a", None);
        check("", None);
    }

    proptest! {
        #[test]
        fn what_nginx_would_send_comes_back(
            priority in 0_u8..=191,
            host in proptest::option::of("[a-z0-9.-]{1,64}"),
            tag in "[A-Za-z0-9_]{1,32}",
            message in proptest::collection::vec(any::<u8>(), 0..80),
        ) {
            let host_and = host.as_ref().map(|host| format!("{host} ")).unwrap_or_default();
            let mut bytes = format!("<{priority}>Nov 22 11:51:17 {host_and}{tag}: ").into_bytes();
            prop_assert!(bytes.len() <= HEADER_BYTES_MAX);
            bytes.extend_from_slice(&message);
            let found = parse(&bytes).unwrap();
            prop_assert_eq!(found.priority, Some(priority));
            prop_assert_eq!(found.host, host.as_deref().map(str::as_bytes));
            prop_assert_eq!(found.tag, tag.as_bytes());
            prop_assert_eq!(found.message, message.strip_suffix(b"\n").unwrap_or(&message));
        }

        #[test]
        fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _found = parse(&bytes);
        }
    }
}
