//! The logs of a command: found, opened, in the order of their first time stamp, each with the
//! format that fits it.

use std::borrow::Cow;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use gatelog_parsers::line::Spans;
use gatelog_parsers::recognise::LINES_MAX;
use gatelog_parsers::time_stamp::UnixMillis;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::context::{Complaint, Context, Failure, say_error, say_note};
use super::shards::threads_default;
use crate::config::checked::source_name;
use crate::limits::HEAD_BYTES_MAX;
use crate::reader::Reader;
use crate::setup::format::ChosenFormat;
use crate::setup::{missing, paste};
use crate::source::{Input, Joiner, Line, LineBuffer, Stream, Wrap, stream};

/// The logs that could be opened.
#[derive(Debug)]
pub(super) struct Logs {
    pub(super) list: Vec<Log>,
    /// Whether some could not be opened, which standard error has been told.
    pub(super) incomplete: bool,
}

/// One log.
#[derive(Debug)]
pub(super) struct Log {
    /// The source's name: what a server without a name is called after.
    pub(super) name: String,
    /// What messages call it.
    pub(super) shown: String,
    /// `None` for standard input.
    pub(super) path: Option<PathBuf>,
    /// `None` when no line has told.
    pub(super) format: Option<ChosenFormat>,
    /// What stands around each line.
    pub(super) wrap: Wrap,
    /// Whether it holds nothing at all.
    pub(super) is_empty: bool,
    /// What ended the look at the first lines.
    fault: Option<String>,
    input: Input,
    first_time: Option<UnixMillis>,
    /// What cannot be opened again: a pipe, with the lines read from it.
    held: Option<Held>,
}

#[derive(Debug)]
struct Held {
    stream: Stream,
    buffer: LineBuffer,
    lines: Vec<OwnedLine>,
}

/// A line kept until its format is known.
#[derive(Clone, Debug)]
struct OwnedLine {
    bytes: Vec<u8>,
    cut: bool,
    byte_offset: u64,
    line_number: u64,
    is_stderr: bool,
}

impl OwnedLine {
    fn new(line: Line<'_>) -> OwnedLine {
        let Line { bytes, cut, byte_offset, line_number, is_stderr } = line;
        OwnedLine { bytes: bytes.to_vec(), cut, byte_offset, line_number, is_stderr }
    }

    fn line(&self) -> Line<'_> {
        let OwnedLine { bytes, cut, byte_offset, line_number, is_stderr } = self;
        Line {
            bytes,
            cut: *cut,
            byte_offset: *byte_offset,
            line_number: *line_number,
            is_stderr: *is_stderr,
        }
    }
}

/// What stands around the lines: as the configuration says, else as the first of them shows.
fn wrap_of(configured: Option<Wrap>, lines: &[OwnedLine]) -> Wrap {
    let first = || lines.iter().find(|line| !line.bytes.is_empty());
    configured.or_else(|| Some(Wrap::of(&first()?.bytes))).unwrap_or(Wrap::None)
}

/// The lines of the access log among them, without what stands around each.
fn unwrapped(wrap: Wrap, lines: &[OwnedLine]) -> Cow<'_, [OwnedLine]> {
    if wrap == Wrap::None {
        return Cow::Borrowed(lines);
    }
    let mut joiner = Joiner::new(Some(wrap));
    let mut unwrapped = Vec::new();
    let mut keep = |line: Line<'_>| {
        if !line.is_error_log() {
            unwrapped.push(OwnedLine::new(line));
        }
    };
    let file = Path::new("").into();
    lines.iter().for_each(|line| joiner.take(&file, line.line(), &mut keep));
    joiner.finish(keep);
    Cow::Owned(unwrapped)
}

/// Opens what the arguments name. What cannot be opened is said and passed over.
///
/// # Errors
/// When nothing could be opened, or a named format does not exist.
pub(super) fn open(context: &Context, arguments: &[String]) -> Result<Logs, Failure> {
    let color = context.color.on(std::io::stderr().is_terminal());
    let mut logs = Logs { list: Vec::new(), incomplete: false };
    for input in stream::expand(arguments) {
        let opened = match input {
            Err(error) => Err(error.to_string()),
            Ok(input) => Stream::open(&input).map(|s| (input, s)).map_err(|e| e.to_string()),
        };
        match opened {
            Ok((input, stream)) => {
                let log = Log::new(context, input, stream)?;
                // Nobody reads on where there is nothing, so that it is said here.
                let is_unread = log.is_empty && log.format.is_none();
                if let Some(fault) = log.fault.as_ref().filter(|_| is_unread) {
                    say_error(fault, color);
                    logs.incomplete = true;
                }
                logs.list.push(log);
            }
            Err(message) => {
                say_error(&message, color);
                logs.incomplete = true;
            }
        }
    }
    if logs.list.is_empty() {
        return Err(Failure::Usage("no log could be opened".to_owned()));
    }
    // Stable: those without a time come first, in the order in which they were named.
    logs.list.sort_by_key(|log| log.begins_at());
    Ok(logs)
}

impl Logs {
    /// Those that a report can be made of, each with its format; what the others lack is said.
    ///
    /// # Errors
    /// When none is left, though one has lines.
    pub(super) fn with_verdicts(&mut self, context: &Context) -> Result<(), Failure> {
        let mut refused = Vec::new();
        self.list.retain(|log| match &log.format {
            Some(format) if missing::gives_verdicts(&format.parser) => true,
            Some(format) => {
                let conf = context.conf_for(log.path.as_deref());
                refused.push(Complaint::new(&paste::no_verdicts(&log.shown, format, conf)));
                false
            }
            None if log.is_empty => true,
            None => {
                refused.push(Complaint::new(&no_format(&log.shown)));
                false
            }
        });
        if self.list.is_empty() {
            return Err(Failure::Inputs(refused));
        }
        let color = context.color.on(std::io::stderr().is_terminal());
        self.incomplete |= !refused.is_empty();
        refused.iter().for_each(|complaint| complaint.say(color));
        Ok(())
    }

    /// Says on standard error which formats were recognised.
    pub(super) fn say_formats(&self) {
        for log in &self.list {
            if let Some(format) = log.format.as_ref().filter(|format| format.recognised) {
                let wrap = log.wrap_note();
                say_note(&format!("{}: read as {format}{wrap}", log.shown));
            }
        }
    }
}

/// What to say of a log that no format fits.
pub(super) fn no_format(shown: &str) -> String {
    format!(
        "{shown}: no known log_format fits its first lines; name it with --log-format, or nginx's \
         configuration with --nginx-conf"
    )
}

impl Log {
    fn new(context: &Context, input: Input, mut stream: Stream) -> Result<Log, Failure> {
        let path = match &input {
            Input::File(path) => Some(path.clone()),
            Input::Stdin => None,
        };
        let mut buffer = LineBuffer::new();
        let configured = context.source_for(path.as_deref()).and_then(|source| source.wrap);
        let fits = |lines: &[OwnedLine]| {
            let lines = unwrapped(wrap_of(configured, lines), lines);
            let lines = lines.iter().map(|line| line.bytes.as_slice());
            context.choose_format(path.as_deref(), lines).is_ok_and(|format| format.is_some())
        };
        let Head { lines, is_empty, fault } = head(&mut stream, &mut buffer, fits);
        let wrap = wrap_of(configured, &lines);
        let first = unwrapped(wrap, &lines);
        let first_lines = first.iter().map(|line| line.bytes.as_slice());
        let format = context.choose_format(path.as_deref(), first_lines)?;
        let name = match (context.source_for(path.as_deref()), path.as_deref()) {
            (Some(source), _) => source.name.clone(),
            (None, Some(path)) => source_name(&path.to_string_lossy()),
            (None, None) => "stdin".to_owned(),
        };
        let mut log = Log {
            name,
            shown: stream.name().to_owned(),
            is_empty,
            fault,
            first_time: None,
            held: None,
            path,
            format,
            wrap,
            input,
        };
        log.first_time = log.first_time(context, &first);
        drop(first);
        // What is no regular file gives its bytes only once.
        if stream.size_bytes().is_none() {
            log.held = Some(Held { stream, buffer, lines });
        }
        Ok(log)
    }

    /// The time of its first line; before all times when none has one.
    pub(super) fn begins_at(&self) -> UnixMillis {
        self.first_time.unwrap_or(UnixMillis::MIN)
    }

    /// What messages add to the format of a log whose lines are wrapped.
    pub(super) fn wrap_note(&self) -> String {
        match self.wrap {
            Wrap::None => String::new(),
            wrap => format!(" in {} lines", wrap.name()),
        }
    }

    fn first_time(&self, context: &Context, lines: &[OwnedLine]) -> Option<UnixMillis> {
        let parser = &self.format.as_ref()?.parser;
        let mut judge = context.judge(&self.name, self.path.as_deref(), parser).ok()?;
        let mut spans = Spans::default();
        let mut time = |line: &OwnedLine| judge.time(&parser.parse(&line.bytes, &mut spans).ok()?);
        lines.iter().filter(|line| !line.cut).find_map(&mut time)
    }

    /// The reader of its lines; `None` when it has no format, because it has no line.
    pub(super) fn reader(&self, context: &Context) -> Result<Option<Reader>, Failure> {
        let Some(format) = &self.format else { return Ok(None) };
        let parser = format.parser.clone();
        context.reader(&self.name, self.path.as_deref(), parser).map(Some)
    }

    /// Opens it for [`OpenLog::read`]; `None` when it cannot be opened any more, which standard error
    /// has been told. With more than one thread a decompressor gets one for itself.
    pub(super) fn open(&mut self, color: bool, threads: usize) -> Option<OpenLog> {
        let (stream, buffer, lines) = match self.held.take() {
            Some(Held { stream, buffer, lines }) => (stream, buffer, lines),
            None => match Stream::open(&self.input) {
                Ok(stream) => {
                    let stream = if threads > 1 { stream.ahead() } else { stream };
                    (stream, LineBuffer::new(), Vec::new())
                }
                Err(error) => {
                    say_error(&error.to_string(), color);
                    return None;
                }
            },
        };
        // A pipe has told of it once, when its first lines were read.
        let fault = self.fault.take().filter(|_| stream.size_bytes().is_none());
        Some(OpenLog { stream, buffer, lines, wrap: self.wrap, fault, color })
    }

    /// Opens and reads it; see [`OpenLog::read`].
    pub(super) fn read(
        &mut self,
        color: bool,
        on: impl FnMut(Read<'_>) -> Result<(), Failure>,
    ) -> Result<bool, Failure> {
        self.open(color, threads_default()).map_or(Ok(false), |log| log.read(on))
    }
}

/// A log about to be read.
#[derive(Debug)]
pub(super) struct OpenLog {
    pub(super) stream: Stream,
    buffer: LineBuffer,
    /// Read from the stream already.
    lines: Vec<OwnedLine>,
    pub(super) wrap: Wrap,
    /// What ended the look at them.
    fault: Option<String>,
    color: bool,
}

impl OpenLog {
    /// Reads the whole log and hands each line on, which may stop the reading with an error. Returns
    /// whether all could be read; if not, standard error has been told.
    pub(super) fn read(
        self,
        mut on: impl FnMut(Read<'_>) -> Result<(), Failure>,
    ) -> Result<bool, Failure> {
        let OpenLog { mut stream, mut buffer, lines, wrap, fault, color } = self;
        let (mut joiner, file) = (Joiner::new(Some(wrap)), Path::new("").into());
        let mut stopped = Ok(());
        for line in &lines {
            joiner.take(&file, line.line(), |line| {
                stopped =
                    std::mem::replace(&mut stopped, Ok(())).and_then(|()| on(Read::Line(&line)));
            });
        }
        stopped?;
        let is_pipe = stream.size_bytes().is_none();
        let progress = progress(&stream);
        let mut complete = true;
        if let Some(fault) = fault {
            say_error(&fault, color);
            complete = false;
        }
        let mut is_over = false;
        while !is_over {
            let mut stopped = Ok(());
            let mut on_line = |line: Line<'_>| {
                if stopped.is_ok() {
                    stopped = on(Read::Line(&line));
                }
            };
            let mut each = |line: Line<'_>| joiner.take(&file, line, &mut on_line);
            match buffer.read_from(&mut stream, &mut each) {
                Ok(0) => is_over = true,
                Ok(_) => progress.set_position(stream.consumed_bytes()),
                Err(error) => {
                    progress.suspend(|| say_error(&error.to_string(), color));
                    complete = false;
                    is_over = true;
                }
            }
            if is_over {
                buffer.finish(&mut each);
                joiner.finish(on_line);
            }
            stopped?;
            if is_pipe {
                on(Read::Pause)?;
            }
        }
        progress.finish_and_clear();
        if complete {
            complete = !has_shrunk(&stream, stream.consumed_bytes(), color);
        }
        Ok(complete)
    }

    /// Says that the file has shrunk, if fewer bytes than it had were `read`; returns whether it has.
    pub(super) fn has_shrunk(&self, read_bytes: u64) -> bool {
        has_shrunk(&self.stream, read_bytes, self.color)
    }
}

/// What reading a log brings.
#[derive(Clone, Copy, Debug)]
pub(super) enum Read<'a> {
    /// A line.
    Line(&'a Line<'a>),
    /// All that a pipe has brought so far has been handed on; more may take its time.
    Pause,
}

/// What the look at the start of a stream brings.
struct Head {
    lines: Vec<OwnedLine>,
    /// The stream has no byte.
    is_empty: bool,
    fault: Option<String>,
}

/// The first lines of a stream, whose rest stays in the buffer. Of a pipe no more are awaited than
/// those that show the format.
fn head(stream: &mut Stream, buffer: &mut LineBuffer, fits: impl Fn(&[OwnedLine]) -> bool) -> Head {
    let is_pipe = stream.size_bytes().is_none();
    let mut head = Head { lines: Vec::new(), is_empty: true, fault: None };
    // Of a line without end, what is discarded counts too.
    let mut read_bytes = 0;
    loop {
        let lines = &mut head.lines;
        let mut keep = |line: Line<'_>| {
            lines.push(OwnedLine::new(line));
        };
        let is_over = match buffer.read_from(stream, &mut keep) {
            Ok(count) => {
                read_bytes += count;
                count == 0
            }
            Err(error) => {
                head.fault = Some(error.to_string());
                true
            }
        };
        if is_over {
            // The last line is kept too, for it may be the only one.
            buffer.finish(&mut keep);
        }
        head.is_empty = read_bytes == 0;
        let full = head.lines.len() >= LINES_MAX || read_bytes >= HEAD_BYTES_MAX;
        if is_over || full || is_pipe && !head.lines.is_empty() && fits(&head.lines) {
            return head;
        }
    }
}

/// Says that a file which has been read to its end has shrunk, if it has.
fn has_shrunk(stream: &Stream, read_bytes: u64, color: bool) -> bool {
    // A decompressor may leave what follows its data.
    let is_plain = stream.compression() == stream::Compression::None;
    let size = stream.size_bytes().filter(|_| is_plain);
    let missing_bytes = size.map_or(0, |size| size.saturating_sub(read_bytes));
    if missing_bytes > 0 {
        let name = stream.name();
        say_error(&format!("{name}: was cut while it was read, by {missing_bytes} bytes"), color);
    }
    missing_bytes > 0
}

/// How far the reading is, on a terminal; nothing elsewhere.
pub(super) fn progress(stream: &Stream) -> ProgressBar {
    let Some(size) = stream.size_bytes() else { return ProgressBar::hidden() };
    let bar = ProgressBar::with_draw_target(Some(size), ProgressDrawTarget::stderr());
    let name = crate::escape::escape_text(stream.name().as_bytes()).into_owned();
    if let Ok(style) = ProgressStyle::with_template("{percent:>3}% of {msg}") {
        bar.set_style(style);
    }
    bar.with_message(name)
}
