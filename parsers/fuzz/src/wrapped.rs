//! What others put around a line: syslog, a container runtime. Parts lie in the input, and what is wrapped
//! the way they do it comes back.

use gatelog_parsers::container::{Stream, parse_cri, parse_docker};
use gatelog_parsers::error_log::is_error_line;
use gatelog_parsers::syslog;

use crate::check_line::hex_digit;

const TIME: &[u8] = b"2026-11-22T11:51:17.123456789Z";

/// One run.
pub fn run(bytes: &[u8]) {
    if let Some(message) = syslog::parse(bytes) {
        assert!(bytes.strip_suffix(b"\n").unwrap_or(bytes).ends_with(message.message));
        assert!((1..=32).contains(&message.tag.len()));
        assert!(message.priority.is_none_or(|priority| priority <= 191));
    }
    if let Some(part) = parse_cri(bytes) {
        assert!(bytes.ends_with(&part.content));
    }
    if let Some(part) = parse_docker(bytes) {
        assert!(part.content.len() <= bytes.len());
    }
    if is_error_line(bytes) {
        assert!(syslog::parse(bytes).is_none() && parse_cri(bytes).is_none());
    }
    wrapped(bytes);
}

/// Takes the bytes for a line and wraps it in each of the ways.
fn wrapped(line: &[u8]) {
    for header in [&b"<190>Nov 22 11:51:17 vm nginx: "[..], b"<37>Nov  2 11:51:17 gatelog: "] {
        let datagram = [header, line].concat();
        let message = syslog::parse(&datagram).expect("nginx sends it");
        assert_eq!(message.message, line.strip_suffix(b"\n").unwrap_or(line));
    }
    for (stream, goes_on) in [(Stream::Stdout, false), (Stream::Stderr, true)] {
        let tag = if goes_on { &b" P "[..] } else { b" F " };
        let cri = [TIME, b" ", stream.name().as_bytes(), tag, line].concat();
        let part = parse_cri(&cri).expect("a line of CRI");
        assert_eq!((part.stream, &*part.content, part.goes_on), (stream, line, goes_on));
        let mut docker = b"{\"log\":\"".to_vec();
        for byte in line {
            match byte {
                b'"' | b'\\' => docker.extend([b'\\', *byte]),
                0..0x20 => {
                    docker.extend(b"\\u00");
                    docker.extend([hex_digit(byte >> 4), hex_digit(byte & 15)]);
                }
                byte => docker.push(*byte),
            }
        }
        docker.extend(if goes_on { &b""[..] } else { b"\\n" });
        docker.extend(b"\",\"stream\":\"");
        docker.extend(stream.name().bytes());
        docker.extend([&b"\",\"time\":\""[..], TIME, b"\"}"].concat());
        let part = parse_docker(&docker).expect("a line of Docker's");
        let ended = line.ends_with(b"\n") && goes_on;
        let content = if ended { &line[..line.len() - 1] } else { line };
        assert_eq!((part.stream, &*part.content), (stream, content));
        assert_eq!(part.goes_on, goes_on && !ended);
    }
}
