//! The lines in which container runtimes keep what a container writes.
//!
//! - CRI, as containerd and CRI-O write it for Kubernetes: `TIME stdout|stderr TAG CONTENT`, where the tag
//!   is `P` for a part whose rest comes later and `F` for a line that is now whole
//!   (kubernetes/design-proposals-archive, `node/kubelet-cri-logging.md`).
//! - Docker's `json-file`: `{"log":"...\n","stream":"stdout","time":"..."}`, where `log` ends with a newline
//!   only when the line is whole (moby, `daemon/logger/jsonfilelog/jsonlog`).
//!
//! Both cut what a container writes into parts of 16 KiB. Joining them is left to others, for it needs
//! memory.

use std::borrow::Cow;

use crate::escape::Escape;
use crate::json_line::{Kind, members};

/// What a container wrote to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stream {
    /// Standard output: where nginx's image writes its access log.
    #[default]
    Stdout,
    /// Standard error: where it writes its error log.
    Stderr,
}

impl Stream {
    /// As runtimes write it.
    pub fn name(self) -> &'static str {
        match self {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        }
    }

    /// The stream of this name.
    pub fn from_name(name: &[u8]) -> Option<Stream> {
        match name {
            b"stdout" => Some(Stream::Stdout),
            b"stderr" => Some(Stream::Stderr),
            _ => None,
        }
    }
}

/// A line or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    /// Where the container wrote it to.
    pub stream: Stream,
    /// The bytes, without the newline that ends the line.
    pub content: Cow<'a, [u8]>,
    /// Whether the line goes on in the next part of the same stream.
    pub goes_on: bool,
}

/// Reads a line of CRI; `None` when it is none.
pub fn parse_cri(line: &[u8]) -> Option<Part<'_>> {
    let (time, rest) = split_at_space(line)?;
    let (stream, rest) = split_at_space(rest)?;
    // An empty line may have lost the space at its end.
    let (tags, content) = split_at_space(rest).unwrap_or((rest, &[]));
    let stream = Stream::from_name(stream)?;
    let goes_on = match tags.split(|byte| *byte == b':').next()? {
        b"P" => true,
        b"F" => false,
        _ => return None,
    };
    is_time(time).then_some(Part { stream, content: Cow::Borrowed(content), goes_on })
}

/// Reads a line of Docker's `json-file`; `None` when it is none. Keys that Docker adds where labels are
/// logged (`attrs`) are passed over.
pub fn parse_docker(line: &[u8]) -> Option<Part<'_>> {
    // Every one of them begins so, and hardly any other JSON.
    if !line.starts_with(b"{\"log\":") {
        return None;
    }
    let (mut log, mut stream, mut time) = (None, None, false);
    for member in members(line) {
        let member = member.ok()?;
        let value = line.get(member.start..member.end)?;
        match (member.key, member.kind) {
            (b"log", Kind::Text) if log.is_none() => log = Some(value),
            (b"stream", Kind::Text) if stream.is_none() => stream = Some(Stream::from_name(value)?),
            (b"time", Kind::Text) => time = is_time(value),
            (b"attrs", Kind::Nested) => {}
            _ => return None,
        }
    }
    let stream = stream.filter(|_| time)?;
    let (content, goes_on) = without_newline(Escape::Json.undo(log?));
    Some(Part { stream, content, goes_on })
}

/// The content of a whole line, or the part of one that goes on.
fn without_newline(content: Cow<'_, [u8]>) -> (Cow<'_, [u8]>, bool) {
    match content {
        Cow::Owned(mut bytes) if bytes.ends_with(b"\n") => {
            bytes.pop();
            (Cow::Owned(bytes), false)
        }
        // A newline is escaped, so that what is borrowed has none.
        content => (content, true),
    }
}

fn split_at_space(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (before, after) = text.split_at_checked(memchr::memchr(b' ', text)?)?;
    Some((before, after.get(1..).unwrap_or_default()))
}

/// Whether it begins as an RFC 3339 time, as far as is needed to tell it from other words.
fn is_time(text: &[u8]) -> bool {
    let shape = b"0000-00-00T00:00:00";
    text.len() > shape.len()
        && text.iter().zip(shape).all(|(byte, shape)| match shape {
            b'0' => byte.is_ascii_digit(),
            shape => byte == shape,
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Expected<'a> = Option<(Stream, &'a [u8], bool)>;

    #[track_caller]
    fn check(found: Option<&Part<'_>>, expected: Expected<'_>) {
        let found = found.map(|part| (part.stream, part.content.as_ref(), part.goes_on));
        assert_eq!(found, expected);
    }

    #[test]
    fn cri() {
        let check = |line: &str, expected: Expected<'_>| {
            check(parse_cri(line.as_bytes()).as_ref(), expected)
        };
        let time = "2026-11-22T11:51:17.123456789Z";
        let zoned = "2026-11-22T11:51:17.123456789+01:00";
        use Stream::{Stderr, Stdout};
        check(&format!("{time} stdout F a b"), Some((Stdout, b"a b", false)));
        check(&format!("{zoned} stderr P a b "), Some((Stderr, b"a b ", true)));
        check(&format!("{time} stdout F:x:P a"), Some((Stdout, b"a", false)));
        check(&format!("{time} stdout F "), Some((Stdout, b"", false)));
        check(&format!("{time} stdout F"), Some((Stdout, b"", false)));
        check(&format!("{time} stdout F  a"), Some((Stdout, b" a", false)));
        check(&format!("{time} stdout X a"), None);
        check(&format!("{time} stdin F a"), None);
        check(&format!("{time} stdout"), None);
        check("2026-11-22 stdout F a", None);
        check("2026-11-22T11:51:17 stdout F a", None);
        check("", None);
    }

    #[test]
    fn docker() {
        let check = |line: &str, expected: Expected<'_>| {
            check(parse_docker(line.as_bytes()).as_ref(), expected)
        };
        let whole = |log: &str, stream: &str| {
            format!(r#"{{"log":"{log}","stream":"{stream}","time":"2026-11-22T11:51:17.1Z"}}"#)
        };
        use Stream::{Stderr, Stdout};
        check(&whole(r"a b\n", "stdout"), Some((Stdout, b"a b", false)));
        check(&whole(r"a b", "stderr"), Some((Stderr, b"a b", true)));
        check(&whole("", "stdout"), Some((Stdout, b"", true)));
        check(&whole(r"\n", "stdout"), Some((Stdout, b"", false)));
        check(&whole(r#"\"a\\x22\u003c\u0000\n"#, "stdout"), Some((Stdout, b"\"a\\x22<\0", false)));
        check(&whole(r"a\\n", "stdout"), Some((Stdout, br"a\n", true)));
        check(&whole("a", "stdin"), None);
        let attrs =
            r#"{"log":"a\n","stream":"stdout","attrs":{"tag":"x"},"time":"2026-11-22T11:51:17Z"}"#;
        check(attrs, Some((Stdout, b"a", false)));
        check(r#"{"log":"a\n","stream":"stdout"}"#, None);
        check(r#"{"log":"a\n","stream":"stdout","time":"now"}"#, None);
        check(
            r#"{"log":"a\n","stream":"stdout","time":"2026-11-22T11:51:17Z","status":200}"#,
            None,
        );
        check(r#"{"time":"2026-11-22T11:51:17Z","status":200}"#, None);
        check(r#"{"log":"a\n","#, None);
        check("", None);
    }

    proptest! {
        #[test]
        fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _parts = (parse_cri(&bytes), parse_docker(&bytes));
        }
    }
}
