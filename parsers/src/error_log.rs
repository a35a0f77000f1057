//! Tells a line of nginx's error log from all others, as `ngx_log_error_core` begins it:
//! `2026/11/22 11:51:17 [error] 21555#21555: `. What such a line says is not read here.

use nom::Parser as _;
use nom::branch::alt;
use nom::bytes::complete::{tag, take_while_m_n};
use nom::character::complete::char;

/// Whether the line begins as one of nginx's error log does. A client writes none of these bytes in a
/// format that begins with what nginx itself knows, such as `$remote_addr` or `$time_iso8601`; where a
/// format begins with a client's words, it is to be asked first.
pub fn is_error_line(line: &[u8]) -> bool {
    // Nearly every line that is asked about is none.
    matches!(line, [_, _, _, _, b'/', _, _, b'/', ..]) && head(line).is_ok()
}

fn head(line: &[u8]) -> nom::IResult<&[u8], ()> {
    let digits = |count| take_while_m_n(count, count, |byte: u8| byte.is_ascii_digit());
    let id = || take_while_m_n(1, ID_DIGITS_MAX, |byte: u8| byte.is_ascii_digit());
    let date = (digits(4), char('/'), digits(2), char('/'), digits(2));
    let time = (digits(2), char(':'), digits(2), char(':'), digits(2));
    let level = alt((
        tag("error"),
        tag("info"),
        tag("warn"),
        tag("crit"),
        tag("notice"),
        tag("alert"),
        tag("emerg"),
        tag("debug"),
    ));
    let process = (id(), char('#'), id(), tag(": "));
    let mut head = (date, char(' '), time, tag(" ["), level, tag("] "), process);
    head.parse(line).map(|(rest, _)| (rest, ()))
}

/// Digits of the largest process or thread id.
const ID_DIGITS_MAX: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_lines() {
        let check = |line: &str, expected: bool| {
            assert_eq!(is_error_line(line.as_bytes()), expected, "{line:?}");
        };
        check("2026/11/22 11:51:17 [notice] 21552#21552: using the \"epoll\" event method", true);
        check("2026/11/22 11:51:17 [info] 21555#21555: *1 client sent no", true);
        check("2026/11/22 11:51:17 [emerg] 1#0: ", true);
        check("2026/11/22 11:51:17 [emerg] 1#0:", false);
        check("2026/11/22 11:51:17 [trace] 1#0: ", false);
        check("2026/11/22 11:51:17 [info] 1: x", false);
        check("2026/11/22 11:51:17 [info] #1: x", false);
        check("2026-11-22 11:51:17 [info] 1#1: x", false);
        check("2026/11/22T11:51:17 [info] 1#1: x", false);
        check(" 2026/11/22 11:51:17 [info] 1#1: x", false);
        check("10.0.0.1 - - [22/Nov/2026:11:51:17 +0000] \"GET / HTTP/1.1\" 200", false);
        check("", false);
    }
}
