//! The syslog datagrams of `tests/corpus/nginx-syslog.bin`, as nginx 1.22 sent them: each a big-endian
//! `u32` with its length, then its bytes. Their access lines are those of `nginx-mtls.log`, twice: over
//! UDP with a host, over a unix socket without. And the same lines as a container runtime keeps them.

#![expect(clippy::unwrap_used, reason = "in helpers of tests a failure is the report")]

use gatelog_parsers::container::{self, Stream};
use gatelog_parsers::error_log::is_error_line;
use gatelog_parsers::syslog;

const DATAGRAMS: &[u8] = include_bytes!("../../tests/corpus/nginx-syslog.bin");
const LOG: &[u8] = include_bytes!("../../tests/corpus/nginx-mtls.log");

fn datagrams() -> Vec<&'static [u8]> {
    let mut rest = DATAGRAMS;
    let mut datagrams = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk() {
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap();
        let (datagram, after) = after.split_at(length);
        datagrams.push(datagram);
        rest = after;
    }
    datagrams
}

fn lines() -> Vec<&'static [u8]> {
    LOG.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect()
}

#[test]
fn every_datagram_is_a_message() {
    let (mut udp, mut unix, mut errors) = (Vec::new(), Vec::new(), 0);
    for datagram in datagrams() {
        let message = syslog::parse(datagram).unwrap();
        assert_eq!(is_error_line(message.message), message.tag == b"gatelog_err");
        match (message.tag, message.host) {
            (b"nginx", Some(b"vm")) => {
                assert_eq!(message.priority, Some(190));
                udp.push(message.message);
            }
            (b"gatelog", None) => {
                assert_eq!(message.priority, Some(37));
                unix.push(message.message);
            }
            (b"gatelog_err", None) => errors += 1,
            other => unreachable!("{other:?}"),
        }
    }
    assert_eq!(udp, lines());
    assert_eq!(unix, lines());
    assert_eq!(errors, 451);
}

#[test]
fn what_a_runtime_keeps_comes_back() {
    for line in lines() {
        let escaped = line.iter().flat_map(|byte| match byte {
            b'"' | b'\\' => vec![b'\\', *byte],
            byte => vec![*byte],
        });
        let escaped: Vec<u8> = escaped.collect();
        let (time, ends) = (b"2026-11-22T11:51:17.123456789Z", [b" stdout F ", b" stdout P "]);
        for (goes_on, tag, newline) in [(false, ends[0], &b"\\n"[..]), (true, ends[1], &b""[..])] {
            let cri = [&time[..], tag, line].concat();
            let part = container::parse_cri(&cri).unwrap();
            assert_eq!(
                (part.stream, &*part.content, part.goes_on),
                (Stream::Stdout, line, goes_on)
            );
            let tail = b"\",\"stream\":\"stdout\",\"time\":\"";
            let docker =
                [b"{\"log\":\"", &escaped[..], newline, &tail[..], &time[..], b"\"}"].concat();
            let part = container::parse_docker(&docker).unwrap();
            assert_eq!(
                (part.stream, &*part.content, part.goes_on),
                (Stream::Stdout, line, goes_on)
            );
        }
        assert!(container::parse_cri(line).is_none() && container::parse_docker(line).is_none());
        assert!(syslog::parse(line).is_none() && !is_error_line(line));
    }
}
