//! What stands around each line of a log that did not come to us as nginx wrote it: syslog, or the log of a
//! container, where a long line is split into parts that are joined again here.
//!
//! The parts of a line may lie on both sides of a rotation, so they are kept by the name of the file and
//! the stream. A place in a log and [`Joiner::pending`] belong together: whoever saves one saves the other
//! with it, and gives both back at once, or the line that was half read is lost or counted in halves.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use gatelog_parsers::container::{Part, Stream, parse_cri, parse_docker};
use gatelog_parsers::syslog;
use minicbor::encode::Write;
use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};

use crate::limits::{LINE_BYTES_MAX, PENDING_BYTES_MAX, PENDING_LINES_MAX};
use crate::source::Line;
use crate::source::places::stored_path;

/// What stands around each line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrap {
    /// Nothing: the lines are nginx's own.
    None,
    /// A syslog message of nginx: see [`gatelog_parsers::syslog`].
    Syslog,
    /// A container's log as containerd and CRI-O write it.
    Cri,
    /// A container's log as Docker's `json-file` writes it.
    Docker,
}

impl Wrap {
    /// As the configuration names it.
    pub fn name(self) -> &'static str {
        match self {
            Wrap::None => "none",
            Wrap::Syslog => "syslog",
            Wrap::Cri => "cri",
            Wrap::Docker => "docker",
        }
    }

    /// What stands around this line, as it shows by itself. No `log_format` that makes sense begins like
    /// one of them.
    pub fn of(line: &[u8]) -> Wrap {
        if parse_docker(line).is_some() {
            Wrap::Docker
        } else if parse_cri(line).is_some() {
            Wrap::Cri
        } else if syslog::parse(line).is_some_and(|message| message.priority.is_some()) {
            Wrap::Syslog
        } else {
            Wrap::None
        }
    }
}

/// A line whose rest has not come yet.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Pending {
    /// The name of the file that its first part stood in: the live one, also when that was rotated.
    #[cbor(n(0), with = "stored_path")]
    pub file: Arc<Path>,
    /// The stream.
    #[n(1)]
    #[cbor(encode_with = "encode_stream", decode_with = "decode_stream")]
    pub stream: Stream,
    /// Its parts so far, joined; at most [`LINE_BYTES_MAX`].
    #[cbor(n(2), with = "minicbor::bytes")]
    pub bytes: Vec<u8>,
    /// There was more, which was cut.
    #[n(3)]
    pub cut: bool,
}

/// As the number of its descriptor.
fn encode_stream<C, W: Write>(
    stream: &Stream,
    e: &mut Encoder<W>,
    _: &mut C,
) -> Result<(), encode::Error<W::Error>> {
    e.u8(match stream {
        Stream::Stdout => 1,
        Stream::Stderr => 2,
    })?
    .ok()
}

fn decode_stream<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<Stream, decode::Error> {
    match d.u8()? {
        1 => Ok(Stream::Stdout),
        2 => Ok(Stream::Stderr),
        _ => Err(decode::Error::message("unknown stream")),
    }
}

/// Takes off what stands around lines, and joins their parts.
#[derive(Debug, Default)]
pub struct Joiner {
    /// `None` until a line has shown it.
    wrap: Option<Wrap>,
    /// In the order of their first parts; at most [`PENDING_LINES_MAX`].
    pending: Vec<Pending>,
    limit_hits: u64,
    /// The place of the last line taken: its offset and number.
    last: (u64, u64),
}

impl Joiner {
    /// A joiner for lines with this around them; without, the first line that is not empty shows it.
    pub fn new(wrap: Option<Wrap>) -> Joiner {
        Joiner { wrap, ..Joiner::default() }
    }

    /// What stands around the lines; `None` when that is not known yet.
    pub fn wrap(&self) -> Option<Wrap> {
        self.wrap
    }

    /// Takes lines with this around them from now on; what is pending stays.
    pub fn set_wrap(&mut self, wrap: Wrap) {
        self.wrap = Some(wrap);
    }

    /// Takes a line of a file, and calls `on_line` with the one that it holds or completes, if any. A
    /// line that nothing stands around, where something should, is handed on as it is.
    pub fn take(&mut self, file: &Arc<Path>, line: Line<'_>, mut on_line: impl FnMut(Line<'_>)) {
        let wrap = match self.wrap {
            Some(wrap) => wrap,
            None if line.bytes.is_empty() => Wrap::None,
            None => *self.wrap.insert(Wrap::of(line.bytes)),
        };
        let part = match wrap {
            Wrap::None => return on_line(line),
            Wrap::Syslog => syslog::parse(line.bytes).map(|message| Part {
                stream: Stream::Stdout,
                content: Cow::Borrowed(message.message),
                goes_on: false,
            }),
            Wrap::Cri => parse_cri(line.bytes),
            Wrap::Docker => parse_docker(line.bytes),
        };
        self.last = (line.byte_offset, line.line_number);
        match part {
            None => on_line(bounded(line)),
            Some(part) => self.join(file, line, &part, on_line),
        }
    }

    fn join(
        &mut self,
        file: &Arc<Path>,
        line: Line<'_>,
        part: &Part<'_>,
        mut on_line: impl FnMut(Line<'_>),
    ) {
        let stream = part.stream;
        let place = self.pending.iter().position(|it| it.stream == stream && it.file == *file);
        let place = match place {
            Some(place) => place,
            None if !part.goes_on => {
                let bytes = &*part.content;
                let is_stderr = stream == Stream::Stderr;
                return on_line(bounded(Line { bytes, is_stderr, ..line }));
            }
            None => {
                if self.pending.len() >= PENDING_LINES_MAX {
                    self.limit_hits += 1;
                    let oldest = self.pending.remove(0);
                    on_line(Line { cut: true, ..self.joined(&oldest) });
                }
                let (file, bytes) = (Arc::clone(file), Vec::new());
                self.pending.push(Pending { file, stream, bytes, cut: false });
                self.pending.len() - 1
            }
        };
        self.append(place, &part.content, line.cut);
        if !part.goes_on {
            let whole = self.pending.remove(place);
            on_line(self.joined(&whole));
        }
    }

    /// Adds to a pending line as much as there is room for.
    fn append(&mut self, place: usize, content: &[u8], cut: bool) {
        let all_bytes: usize = self.pending.iter().map(|pending| pending.bytes.len()).sum();
        let Some(pending) = self.pending.get_mut(place) else { return };
        let room_of_line = LINE_BYTES_MAX - pending.bytes.len();
        let room_of_all = PENDING_BYTES_MAX.saturating_sub(all_bytes);
        self.limit_hits += u64::from(room_of_all < content.len().min(room_of_line));
        let kept = content.get(..room_of_line.min(room_of_all)).unwrap_or(content);
        // What stands behind a gap would make a line that nobody wrote.
        if !pending.cut {
            pending.bytes.extend_from_slice(kept);
        }
        pending.cut |= cut || kept.len() < content.len();
    }

    fn joined<'a>(&self, pending: &'a Pending) -> Line<'a> {
        let (byte_offset, line_number) = self.last;
        let is_stderr = pending.stream == Stream::Stderr;
        Line { bytes: &pending.bytes, cut: pending.cut, byte_offset, line_number, is_stderr }
    }

    /// Hands out what is pending: for a log that is over.
    pub fn finish(&mut self, mut on_line: impl FnMut(Line<'_>)) {
        for pending in std::mem::take(&mut self.pending) {
            on_line(self.joined(&pending));
        }
    }

    /// The lines whose rest has not come yet, at most [`PENDING_LINES_MAX`]. To be saved together with
    /// the place in the log.
    pub fn pending(&self) -> &[Pending] {
        &self.pending
    }

    /// Goes on with lines that were pending when the place in the log was saved, in place of those there
    /// are. Those beyond the bounds are dropped and counted.
    /// `limit_hits` is what [`Joiner::limit_hits`] was then.
    pub fn restore(&mut self, pending: impl IntoIterator<Item = Pending>, limit_hits: u64) {
        self.pending.clear();
        self.limit_hits = limit_hits;
        let mut all_bytes = 0_usize;
        for pending in pending {
            all_bytes = all_bytes.saturating_add(pending.bytes.len());
            let fits = self.pending.len() < PENDING_LINES_MAX
                && all_bytes <= PENDING_BYTES_MAX
                && pending.bytes.len() <= LINE_BYTES_MAX;
            if fits {
                self.pending.push(pending);
            } else {
                self.limit_hits += 1;
            }
        }
    }

    /// How often there were more pending lines, or more bytes of them, than are kept.
    pub fn limit_hits(&self) -> u64 {
        self.limit_hits
    }
}

/// A datagram may hold more than a line can.
fn bounded(line: Line<'_>) -> Line<'_> {
    match line.bytes.get(..LINE_BYTES_MAX) {
        Some(kept) if kept.len() < line.bytes.len() => Line { bytes: kept, cut: true, ..line },
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: &str = "2026-11-22T11:51:17.123456789Z";

    type Owned = (String, bool, bool);

    fn joiner(wrap: Wrap) -> (Joiner, Arc<Path>) {
        (Joiner::new(Some(wrap)), Path::new("/a.log").into())
    }

    fn take(joiner: &mut Joiner, file: &Arc<Path>, line: &str) -> Vec<Owned> {
        let mut lines = Vec::new();
        let line = Line { bytes: line.as_bytes(), ..Line::default() };
        joiner.take(file, line, |line| lines.push(owned(line)));
        lines
    }

    fn owned(line: Line<'_>) -> Owned {
        (String::from_utf8(line.bytes.to_vec()).unwrap(), line.cut, line.is_stderr)
    }

    fn cri(stream: &str, tag: char, content: &str) -> String {
        format!("{TIME} {stream} {tag} {content}")
    }

    #[test]
    fn parts_of_several_files_and_streams_are_joined() {
        let (mut joiner, a) = joiner(Wrap::Cri);
        let b: Arc<Path> = Path::new("/b.log").into();
        let mut check = |file: &Arc<Path>, stream: &str, tag: char, content: &str, expected| {
            let lines = take(&mut joiner, file, &cri(stream, tag, content));
            let expected: Option<(&str, bool)> = expected;
            let expected = expected.map(|(text, is_stderr)| (text.to_owned(), false, is_stderr));
            assert_eq!(lines, expected.into_iter().collect::<Vec<_>>(), "{content}");
        };
        check(&a, "stdout", 'F', "whole", Some(("whole", false)));
        check(&a, "stdout", 'P', "a1 ", None);
        check(&b, "stdout", 'P', "b1 ", None);
        check(&a, "stderr", 'F', "error", Some(("error", true)));
        check(&a, "stderr", 'P', "e1 ", None);
        check(&a, "stdout", 'P', "a2 ", None);
        check(&a, "stdout", 'F', "a3", Some(("a1 a2 a3", false)));
        check(&a, "stderr", 'F', "", Some(("e1 ", true)));
        check(&b, "stdout", 'F', "b2", Some(("b1 b2", false)));
        check(&b, "stdout", 'F', "", Some(("", false)));
        assert!(joiner.pending().is_empty());
        assert_eq!(joiner.limit_hits(), 0);
    }

    #[test]
    fn pending_lines_are_saved_and_given_back() {
        let (mut first, file) = joiner(Wrap::Docker);
        let docker = |log: &str| format!(r#"{{"log":"{log}","stream":"stdout","time":"{TIME}"}}"#);
        assert!(take(&mut first, &file, &docker("a ")).is_empty());
        let saved = first.pending().to_vec();
        let (mut second, _) = joiner(Wrap::Docker);
        second.restore(saved, 0);
        assert_eq!(take(&mut second, &file, &docker("b\\n")), [("a b".to_owned(), false, false)]);
    }

    #[test]
    fn what_is_wrapped_shows_by_itself() {
        let check = |line: &str, expected: Wrap| {
            assert_eq!(Wrap::of(line.as_bytes()), expected, "{line}");
            let mut joiner = Joiner::default();
            let file = Path::new("/a.log").into();
            take(&mut joiner, &file, "");
            assert_eq!(joiner.wrap(), None);
            take(&mut joiner, &file, line);
            assert_eq!(joiner.wrap(), Some(expected), "{line}");
        };
        check(&cri("stdout", 'F', "a"), Wrap::Cri);
        check(&format!(r#"{{"log":"a","stream":"stdout","time":"{TIME}"}}"#), Wrap::Docker);
        check("<190>Nov 22 11:51:17 vm nginx: a", Wrap::Syslog);
        check("10.0.0.1 - - [22/Nov/2026:11:51:17 +0000] \"GET / HTTP/1.1\" 200", Wrap::None);
        check(r#"{"time":"2026-11-22T11:51:17+00:00","status":200}"#, Wrap::None);
    }

    #[test]
    fn a_line_without_its_wrap_is_handed_on() {
        for wrap in [Wrap::None, Wrap::Syslog, Wrap::Cri, Wrap::Docker] {
            let (mut joiner, file) = joiner(wrap);
            let expected = ("what is this".to_owned(), false, false);
            assert_eq!(take(&mut joiner, &file, "what is this"), [expected], "{wrap:?}");
        }
        let (mut joiner, file) = joiner(Wrap::Syslog);
        let expected = ("a".to_owned(), false, false);
        assert_eq!(take(&mut joiner, &file, "Nov 22 11:51:17 vm nginx: a"), [expected]);
    }

    #[test]
    fn too_long_a_line_is_cut_and_said_so() {
        let check = |parts: &[usize], expected: usize, cut: bool| {
            let (mut joiner, file) = joiner(Wrap::Cri);
            let mut lines = Vec::new();
            for (index, bytes) in parts.iter().enumerate() {
                let tag = if index + 1 == parts.len() { 'F' } else { 'P' };
                lines.extend(take(&mut joiner, &file, &cri("stdout", tag, &"x".repeat(*bytes))));
            }
            let found: Vec<_> = lines.iter().map(|line| (line.0.len(), line.1)).collect();
            assert_eq!(found, [(expected, cut)], "{parts:?}");
            assert!(joiner.pending().is_empty());
        };
        let half = LINE_BYTES_MAX / 2;
        check(&[half, half], LINE_BYTES_MAX, false);
        check(&[half, half, 0], LINE_BYTES_MAX, false);
        check(&[half, half, 1], LINE_BYTES_MAX, true);
        check(&[half, half + 1, half], LINE_BYTES_MAX, true);
        check(&[LINE_BYTES_MAX + 1], LINE_BYTES_MAX, true);
    }

    #[test]
    fn the_bounds_on_all_pending_lines() {
        let (mut joiner, _) = joiner(Wrap::Cri);
        let file = |index: usize| Arc::from(Path::new(&format!("/{index}.log")));
        let part = cri("stdout", 'P', "x");
        for index in 0..PENDING_LINES_MAX {
            assert!(take(&mut joiner, &file(index), &part).is_empty());
        }
        let out = take(&mut joiner, &file(PENDING_LINES_MAX), &part);
        assert_eq!(out, [("x".to_owned(), true, false)], "the oldest, as one that is not whole");
        assert_eq!((joiner.pending().len(), joiner.limit_hits()), (PENDING_LINES_MAX, 1));

        let long = cri("stdout", 'P', &"x".repeat(LINE_BYTES_MAX));
        for index in 1..=PENDING_LINES_MAX {
            assert!(take(&mut joiner, &file(index), &long).is_empty());
        }
        let bytes: usize = joiner.pending().iter().map(|pending| pending.bytes.len()).sum();
        assert_eq!(bytes, PENDING_BYTES_MAX);
        assert!(joiner.limit_hits() > 1);
        let saved = joiner.pending().to_vec();
        joiner.restore(saved.clone(), 0);
        assert_eq!(joiner.pending(), saved);
        let mut finished = 0;
        joiner.finish(|line| finished += usize::from(line.cut));
        assert_eq!((finished, joiner.pending().len()), (PENDING_LINES_MAX, 0));
    }
}
