//! One followed source: its files, socket or standard input, the format of its lines, and what became of them.
//!
//! Owns the way from "no format is known yet" to a reader and back; what a line then counts as, and
//! when files are looked at, is the caller's.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gatelog_parsers::time_stamp::UnixMillis;

use super::lines::{Lines, Losses};
use super::source_state::SourceState;
use crate::clock::Monotonic;
use crate::escape::escape_text;
use crate::limits::{FILES_MATCHED_MAX, SOURCE_PROBLEMS_MAX, UNFIT_IN_A_ROW_MAX};
use crate::reader::{LineCounts, Reader};
use crate::setup::format::{ChosenFormat, Recogniser};
use crate::setup::source::{SetupError, SourceSetup};
use crate::setup::{missing, paste};
use crate::show::metrics::SourceFigures;
use crate::source::change::{Change, Changes};
use crate::source::feed::Wake;
use crate::source::file::Progress;
use crate::source::{Joiner, Line};

/// Shortest time between two messages about the format of one source.
const TROUBLE_INTERVAL: Duration = Duration::from_secs(60);

/// A source that is followed.
#[derive(Debug)]
pub struct Source {
    setup: SourceSetup,
    lines: Lines,
    /// Takes off what stands around each line.
    joiner: Joiner,
    format: FormatState,
    /// Names under which files were found, at most [`FILES_MATCHED_MAX`]: the servers that write them
    /// are known by them.
    logs: BTreeSet<PathBuf>,
    /// Why names lead to no file, at most [`SOURCE_PROBLEMS_MAX`].
    problems: BTreeMap<PathBuf, String>,
    /// Lines of readers that are no more, and lines that no format fits.
    counts: LineCounts,
    last_time: Option<UnixMillis>,
    /// Whether any line has come that no known format fits, since one last did.
    unfit: bool,
    /// The trouble with the format that has been said; none when there is none.
    told: Option<Trouble>,
    /// When trouble, or its end, was last said.
    told_at: Option<Monotonic>,
    looked_at: Monotonic,
    /// Servers of which it has been said that their gate is unknown, at most
    /// [`UNKNOWN_GATES_MAX`](crate::limits::UNKNOWN_GATES_MAX).
    gates_told: BTreeSet<String>,
    losses: Losses,
}

/// What can be wrong with the format of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Trouble {
    /// None that is known fits.
    NoneFits,
    /// Many lines in a row do not fit this one.
    Unfit { log_format: String },
    /// This one tells no verdict.
    NoVerdict { log_format: String, missing: String, paste: String },
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Trouble::NoneFits => f.write_str("no known log_format fits its lines"),
            Trouble::Unfit { log_format } => {
                write!(f, "its lines do not fit log_format {log_format}")
            }
            Trouble::NoVerdict { log_format, missing, .. } => {
                write!(f, "log_format {log_format} has no {missing}, so it tells no verdict")
            }
        }
    }
}

/// How lines are read.
#[derive(Debug)]
enum FormatState {
    /// By this format.
    Known(Box<Known>),
    /// Each line is tried with every format.
    Unknown(Box<Recogniser>),
}

#[derive(Debug)]
struct Known {
    format: ChosenFormat,
    reader: Reader,
    /// Whether its lines tell a verdict.
    gives_verdicts: bool,
    unfit_in_a_row: u32,
}

impl Source {
    /// A source that goes on as its saved state says, or of which nothing is read yet.
    ///
    /// # Errors
    /// A path that is no glob, but not after [`Setup::load`](crate::setup::source::Setup::load); a socket
    /// that cannot be had.
    pub fn new(
        setup: SourceSetup,
        wake: &Wake,
        saved: Option<&[u8]>,
    ) -> Result<Source, SetupError> {
        let saved = saved.map(SourceState::from_bytes).transpose();
        let saved = saved.unwrap_or_else(|error| {
            let source = setup.name.as_str();
            tracing::error!(source, %error, "its saved places cannot be read: it begins anew");
            None
        });
        let is_new = saved.is_none();
        let state = saved.unwrap_or_default();
        let mut joiner = Joiner::new(setup.wrap);
        joiner.restore(state.pending, state.pending_limit_hits);
        let mut source = Source {
            lines: Lines::open(&setup, wake, (!is_new).then_some(state.follower))?,
            joiner,
            losses: Losses::default(),
            format: FormatState::Unknown(Box::new(setup.recogniser([]))),
            logs: plain_paths(&setup),
            problems: BTreeMap::new(),
            counts: state.counts,
            last_time: state.last_time,
            unfit: false,
            told: None,
            told_at: None,
            looked_at: Monotonic::default(),
            gates_told: BTreeSet::new(),
            setup,
        };
        let format = source.setup.format.clone();
        source.set_format(format);
        Ok(source)
    }

    /// Whether what is sent while nobody listens is gone.
    pub fn is_heard(&self) -> bool {
        self.setup.listen.is_some() || self.setup.paths.iter().any(|path| path == "-")
    }

    /// The label `source`.
    pub fn name(&self) -> &str {
        &self.setup.name
    }

    /// Whether `setup` is of the same source: the same name and files.
    pub fn is(&self, setup: &SourceSetup) -> bool {
        self.setup.name == setup.name && self.reads(setup)
    }

    /// Whether it reads the files or socket of that setup.
    pub fn reads(&self, setup: &SourceSetup) -> bool {
        self.setup.paths == setup.paths && self.setup.listen == setup.listen
    }

    /// Takes a new setup of the same source; counts and places in files stay, and so does a format
    /// that was recognised from lines which nobody has named since.
    pub fn reload(&mut self, setup: SourceSetup) {
        self.setup = setup;
        if let Some(wrap) = self.setup.wrap {
            self.joiner.set_wrap(wrap);
        }
        let format = self.setup.format.clone().or_else(|| match &self.format {
            FormatState::Known(known) if known.format.recognised => Some(known.format.clone()),
            FormatState::Known(_) | FormatState::Unknown(_) => None,
        });
        self.set_format(format);
    }

    /// Looks at the files, and says what it found.
    pub fn look(&mut self, now: Monotonic) -> Changes {
        self.look_with(now, |_| {})
    }

    /// The same; `explain` may know better why a file cannot be read.
    pub fn look_with(&mut self, now: Monotonic, explain: impl FnOnce(&mut Changes)) -> Changes {
        self.looked_at = now;
        self.losses.say(&self.setup.name, &self.lines.counters(), now);
        let mut changes = self.lines.look(now);
        explain(&mut changes);
        let mut new_name = false;
        for change in &changes.list {
            match change {
                Change::Appeared { path, .. } => {
                    self.problems.remove(&**path);
                    if self.logs.len() < FILES_MATCHED_MAX {
                        new_name |= self.logs.insert(path.to_path_buf());
                    }
                }
                Change::Problem { path, problem } => self.add_problem(path, problem.to_string()),
                Change::Rotated { .. }
                | Change::Gone { .. }
                | Change::Truncated { .. }
                | Change::Missed { .. }
                | Change::Lost { .. } => {}
            }
        }
        // Another server may write it.
        if new_name && let FormatState::Known(known) = &self.format {
            self.set_format(Some(known.format.clone()));
        }
        changes
    }

    /// Reads at most one chunk, and hands each line to `on_line` with its reader; without one when no
    /// format fits it. `on_line` returns whether the line was understood.
    pub fn read(
        &mut self,
        mut on_line: impl FnMut(Option<&mut Reader>, &Line<'_>) -> bool,
    ) -> Progress {
        let Source { lines, joiner, format, setup, logs, counts, last_time, unfit, .. } = self;
        let mut on_whole_line = |line: Line<'_>| {
            if let FormatState::Unknown(recogniser) = format
                && let Some(found) = recogniser.recognise([line.bytes])
            {
                *format = FormatState::known(found, setup, logs);
                *unfit = false;
            }
            let FormatState::Known(known) = format else {
                if line.is_error_log() {
                    counts.error_log += 1;
                    return;
                }
                counts.unparsed += 1;
                *unfit |= !line.bytes.is_empty();
                on_line(None, &line);
                return;
            };
            let errors = known.reader.counts().error_log;
            let is_understood = on_line(Some(&mut known.reader), &line);
            // One of the error log says nothing about the format of the access log.
            if known.reader.counts().error_log > errors {
                return;
            }
            if is_understood {
                known.unfit_in_a_row = 0;
                return;
            }
            known.unfit_in_a_row = known.unfit_in_a_row.saturating_add(1);
            if known.unfit_in_a_row >= UNFIT_IN_A_ROW_MAX && known.format.recognised {
                counts.merge(known.reader.counts());
                *last_time = (*last_time).max(known.reader.last_time());
                let logs = logs.iter().map(PathBuf::as_path);
                *format = FormatState::Unknown(Box::new(setup.recogniser(logs)));
            }
        };
        let progress = lines.read(&mut |file, line| joiner.take(file, line, &mut on_whole_line));
        if progress == Progress::Read {
            self.say();
        }
        progress
    }

    /// What is to be found again after a restart.
    pub fn state(&self) -> Vec<u8> {
        let (counts, last_time) = self.line_counts();
        let state = SourceState {
            counts,
            last_time,
            follower: self.lines.state(),
            pending: self.joiner.pending().to_vec(),
            pending_limit_hits: self.joiner.limit_hits(),
        };
        state.to_bytes()
    }

    /// How many lines were read, and the latest time of an event.
    fn line_counts(&self) -> (LineCounts, Option<UnixMillis>) {
        let (mut lines, mut last_time) = (self.counts, self.last_time);
        if let FormatState::Known(known) = &self.format {
            lines.merge(known.reader.counts());
            last_time = last_time.max(known.reader.last_time());
        }
        (lines, last_time)
    }

    /// What was read, for the metrics.
    pub fn figures(&self) -> SourceFigures {
        let (lines, last_event) = self.line_counts();
        let mut files = self.lines.counters();
        files.pending_limit_hits = self.joiner.limit_hits();
        SourceFigures {
            name: escape_text(self.name().as_bytes()).into_owned(),
            lines,
            files,
            unread_bytes: self.lines.unread_bytes(),
            last_event,
        }
    }

    /// Why it is not followed as it should be: no file, or lines that tell nothing. A log that is
    /// there and empty is no reason: it may stay so until something waits for us to be ready.
    pub fn reasons(&self) -> Vec<String> {
        let name = escape_text(self.name().as_bytes());
        let mut reasons = Vec::new();
        if self.lines.is_without_file() {
            let mut paths = self.setup.paths.iter().take(SOURCE_PROBLEMS_MAX);
            if self.problems.is_empty() {
                let missing = |path: &String| format!("{name}: {}: no such file", shown(path));
                reasons.extend(paths.by_ref().map(missing));
            }
            let problem = |(path, problem): (&PathBuf, &String)| {
                format!("{name}: {}: {problem}", shown(&path.to_string_lossy()))
            };
            reasons.extend(self.problems.iter().map(problem));
        }
        reasons.extend(self.trouble().map(|trouble| format!("{name}: {trouble}")));
        reasons
    }

    /// The directories to watch for it.
    pub fn directories(&self) -> impl Iterator<Item = PathBuf> {
        self.lines.directories().into_iter()
    }

    /// What messages call its format; nothing while there is none.
    pub fn format_name(&self) -> Option<String> {
        match &self.format {
            FormatState::Known(known) => Some(known.format.to_string()),
            FormatState::Unknown(_) => None,
        }
    }

    /// Bytes read so far.
    pub fn read_bytes(&self) -> u64 {
        self.lines.counters().read_bytes
    }

    /// Receives no more; what has come can still be read. Files are followed on.
    pub fn stop(&mut self) {
        self.lines.stop();
    }

    fn set_format(&mut self, format: Option<ChosenFormat>) {
        if let FormatState::Known(known) = &self.format {
            self.counts.merge(known.reader.counts());
            self.last_time = self.last_time.max(known.reader.last_time());
        }
        self.format = match format {
            Some(format) => FormatState::known(format, &self.setup, &self.logs),
            None => {
                let logs = self.logs.iter().map(PathBuf::as_path);
                FormatState::Unknown(Box::new(self.setup.recogniser(logs)))
            }
        };
    }

    fn add_problem(&mut self, path: &Arc<Path>, problem: String) {
        if self.problems.len() < SOURCE_PROBLEMS_MAX || self.problems.contains_key(&**path) {
            self.problems.insert(path.to_path_buf(), problem);
        }
    }

    /// What is wrong with the format just now, as far as lines have told.
    fn trouble(&self) -> Option<Trouble> {
        let known = match &self.format {
            FormatState::Unknown(_) => return self.unfit.then_some(Trouble::NoneFits),
            FormatState::Known(known) => known,
        };
        let log_format = || known.format.to_string();
        if !known.gives_verdicts {
            let missing = missing::needed_names(&known.format.parser);
            let paste = paste::for_log(&known.format, self.setup.conf()).directive;
            Some(Trouble::NoVerdict { log_format: log_format(), missing, paste })
        } else if known.unfit_in_a_row >= UNFIT_IN_A_ROW_MAX {
            Some(Trouble::Unfit { log_format: log_format() })
        } else {
            None
        }
    }

    /// Says in the log, once each, what the lines have told about their format and servers.
    fn say(&mut self) {
        let source = self.setup.name.as_str();
        let mut fits = false;
        if let FormatState::Known(known) = &mut self.format {
            fits = known.unfit_in_a_row == 0;
            for server in known.reader.take_unknown_gates() {
                if self.gates_told.insert(server.clone()) {
                    say_unknown_gate(source, server);
                }
            }
        }
        // Files of several formats under one glob would have much to say.
        let now = self.looked_at;
        if self.told_at.is_some_and(|told| now.since(told) < TROUBLE_INTERVAL) {
            return;
        }
        match self.trouble() {
            Some(trouble) if self.told.as_ref() != Some(&trouble) => {
                say_trouble(source, &trouble);
                self.told = Some(trouble);
                self.told_at = Some(now);
            }
            None if fits && self.told.take().is_some() => {
                tracing::info!(source, log_format = self.format_name(), "lines fit again");
                self.told_at = Some(now);
            }
            Some(_) | None => {}
        }
    }
}

fn say_unknown_gate(source: &str, server: &str) {
    tracing::warn!(
        source,
        server,
        "ssl_verify_client unknown, failed_open reads \"suspected\"; set nginx_conf"
    );
}

fn say_trouble(source: &str, trouble: &Trouble) {
    match trouble {
        Trouble::NoneFits => tracing::error!(
            source,
            "no known log_format fits, lines are counted as unparsed: name it with `format` or \
             --log-format, or nginx's configuration with `nginx_conf` or --nginx-conf"
        ),
        Trouble::Unfit { log_format } => tracing::error!(
            source,
            log_format,
            "lines do not fit and are counted as unparsed: gatelog check shows where"
        ),
        Trouble::NoVerdict { log_format, missing, paste } => {
            tracing::error!(
                source,
                log_format,
                missing,
                "lines tell no verdict and are counted as unparsed; log with the format below"
            );
            paste.lines().for_each(|line| tracing::error!("{line}"));
        }
    }
}

impl FormatState {
    fn known(format: ChosenFormat, setup: &SourceSetup, logs: &BTreeSet<PathBuf>) -> FormatState {
        let reader = setup.reader(&format, logs.iter().map(PathBuf::as_path));
        let gives_verdicts = missing::gives_verdicts(&format.parser);
        FormatState::Known(Box::new(Known { format, reader, gives_verdicts, unfit_in_a_row: 0 }))
    }
}

/// The names without wildcards: they are known before there is a file.
fn plain_paths(setup: &SourceSetup) -> BTreeSet<PathBuf> {
    let patterns = setup.patterns().unwrap_or_default();
    let plain = patterns.iter().filter(|pattern| !pattern.is_glob());
    plain.map(|pattern| pattern.as_path().to_owned()).collect()
}

fn shown(path: &str) -> String {
    escape_text(path.as_bytes()).into_owned()
}
