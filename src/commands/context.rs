//! What all commands begin with: the configuration, nginx.conf, the times asked for.

use std::fmt;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use gatelog_parsers::line::LineParser;

use super::arguments::{Color, Common};
use crate::clock::Clock;
use crate::config::checked::CLIENT_ADDRESS_DEFAULT;
use crate::config::{self, Config, Format, LoadError, Source, parse_duration};
use crate::diagnostic::{Level, render_title};
use crate::escape::escape_text;
use crate::event::judge::JudgeSettings;
use crate::event::route::Router;
use crate::event::{Judge, Scope};
use crate::nginx::NginxConf;
use crate::reader::{Reader, TimeRange};
use crate::setup;
use crate::setup::conf::NginxConfs;
use crate::setup::format::{ChooseError, ChosenFormat};
use crate::source::pattern::Pattern;

/// What the commands share.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) config: Config,
    /// As named on the command line.
    format: Option<Format>,
    pub(super) range: TimeRange,
    pub(super) clock: Clock,
    pub(super) router: Router,
    /// As named on the command line.
    nginx_conf: Option<Arc<NginxConf>>,
    /// By the index of the configuration's source that names it.
    source_confs: Vec<Option<Arc<NginxConf>>>,
    confs: NginxConfs,
    pub(super) color: Color,
}

/// Why a command cannot go on.
#[derive(Debug)]
pub(super) enum Failure {
    /// 2: wrong usage or configuration, no input, no format.
    Usage(String),
    /// 2: one for each input that is of no use.
    Inputs(Vec<Complaint>),
    /// 2: problems of the configuration, rendered with or without colour.
    Config(LoadError),
    /// 0: whoever read our output has gone.
    ClosedPipe,
    /// 1: output could not be written.
    Output(io::Error),
}

/// What is said on standard error, and lines that go with it.
#[derive(Debug)]
pub(super) struct Complaint {
    title: String,
    /// Empty for none.
    detail: String,
}

impl Complaint {
    /// The first line of the text is what is wrong, the others go with it.
    pub(super) fn new(text: &str) -> Complaint {
        let (title, detail) = text.split_once('\n').unwrap_or((text, ""));
        Complaint { title: title.to_owned(), detail: detail.to_owned() }
    }

    pub(super) fn say(&self, color: bool) {
        say_error(&self.title, color);
        self.detail.lines().for_each(say_note);
    }
}

impl Failure {
    pub(super) fn usage(message: impl fmt::Display) -> Failure {
        Failure::Usage(message.to_string())
    }

    /// Says what is wrong on standard error, and returns the exit code.
    pub(super) fn report(self, color: Color) -> ExitCode {
        let color = color.on(io::stderr().is_terminal());
        match self {
            Failure::Usage(message) => {
                say_error(&message, color);
                ExitCode::from(2)
            }
            Failure::Inputs(complaints) => {
                complaints.iter().for_each(|complaint| complaint.say(color));
                ExitCode::from(2)
            }
            Failure::Config(error) => {
                write_error(&error.render(color));
                ExitCode::from(2)
            }
            Failure::Output(error) => {
                say_error(&format!("cannot write the output: {error}"), color);
                ExitCode::FAILURE
            }
            Failure::ClosedPipe => ExitCode::SUCCESS,
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::ClosedPipe,
            _ => Failure::Output(error),
        }
    }
}

impl From<ChooseError> for Failure {
    fn from(error: ChooseError) -> Failure {
        Failure::usage(error)
    }
}

impl From<regex::Error> for Failure {
    fn from(error: regex::Error) -> Failure {
        Failure::usage(format!("the route patterns: {error}"))
    }
}

/// A line on standard error that begins with `error:`.
pub(super) fn say_error(message: &str, color: bool) {
    write_error(&render_title(Level::Error, message, color));
}

/// A line on standard error.
pub(super) fn say_note(message: &str) {
    write_error(&escape_text(message.as_bytes()));
}

/// Text for standard error that is safe to show already.
pub(super) fn write_error(text: &str) {
    // There is nobody left to tell when standard error is closed.
    let _unsaid = writeln!(io::stderr(), "{}", text.trim_end());
}

impl Context {
    pub(super) fn new(common: &Common) -> Result<Context, Failure> {
        let clock = Clock::system();
        let config = match &common.config {
            Some(path) => config::load(path).map_err(Failure::Config)?,
            None => Config::default(),
        };
        let mut confs = NginxConfs::default();
        let nginx_conf = match &common.nginx_conf {
            Some(path) => Some(confs.named(path).map_err(Failure::usage)?),
            None => {
                confs = NginxConfs::with_default();
                None
            }
        };
        let source_confs = match &nginx_conf {
            // The one on the command line stands for all of them.
            Some(conf) => vec![Some(Arc::clone(conf)); config.sources.len()],
            None => read_source_confs(&config, &mut confs)?,
        };
        let stderr_color = common.color.on(io::stderr().is_terminal());
        for problem in confs.problems() {
            write_error(&render_title(Level::Warning, &problem.to_string(), stderr_color));
        }
        let format = format_option(common)?;
        Ok(Context {
            range: range_option(common, &clock)?,
            router: setup::servers::router(&config)?,
            config,
            format,
            clock,
            nginx_conf,
            source_confs,
            confs,
            color: common.color,
        })
    }

    /// The source of the configuration whose settings hold for a log: the first that names it.
    pub(super) fn source_for(&self, log: Option<&Path>) -> Option<&Source> {
        self.config.sources.get(self.source_index(log?)?)
    }

    fn source_index(&self, log: &Path) -> Option<usize> {
        let names = |path: &String| Pattern::new(path).is_ok_and(|pattern| pattern.names(log));
        self.config.sources.iter().position(|source| source.paths.iter().any(names))
    }

    /// nginx's configuration for a log: the one on the command line, else that of the log's source,
    /// else the machine's own if it writes this very log.
    pub(super) fn conf_for(&self, log: Option<&Path>) -> Option<&NginxConf> {
        let of_source = || self.source_confs.get(self.source_index(log?)?)?.as_ref();
        let found = self.nginx_conf.as_ref().or_else(of_source).or_else(|| self.confs.own(log));
        found.map(|conf| &**conf)
    }

    /// The format of a log: as named on the command line or by its source, else by its first lines.
    pub(super) fn choose_format<'a>(
        &self,
        log: Option<&Path>,
        first_lines: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Option<ChosenFormat>, ChooseError> {
        let of_source = || self.source_for(log).map(|source| &source.format);
        let format = self.format.as_ref().or_else(of_source).unwrap_or(&Format::Auto);
        setup::format::choose(format, self.conf_for(log), log, first_lines)
    }

    /// The configuration's sources, each with the format that is named for it; `None` when its
    /// lines are to tell.
    pub(super) fn sources(
        &self,
    ) -> impl Iterator<Item = (&Source, Result<Option<ChosenFormat>, ChooseError>)> {
        self.config.sources.iter().zip(&self.source_confs).map(|(source, conf)| {
            let format = self.format.as_ref().unwrap_or(&source.format);
            (source, setup::format::choose(format, conf.as_deref(), None, []))
        })
    }

    /// A reader of a log in this format; `name` is the source's.
    pub(super) fn reader(
        &self,
        name: &str,
        log: Option<&Path>,
        parser: LineParser,
    ) -> Result<Reader, Failure> {
        let judge = self.judge(name, log, &parser)?;
        Ok(Reader::new(parser, judge, self.range))
    }

    /// The judge of a log's records.
    pub(super) fn judge(
        &self,
        name: &str,
        log: Option<&Path>,
        parser: &LineParser,
    ) -> Result<Judge, Failure> {
        let servers = setup::servers::servers(name, log, self.conf_for(log), &self.config)?;
        let source = self.source_for(log);
        let client_address = source.map_or(CLIENT_ADDRESS_DEFAULT, |source| &source.client_address);
        let settings = JudgeSettings {
            // Each log stands for itself: those of one source may carry the same requests, too.
            source: log.map_or_else(|| name.to_owned(), |log| log.to_string_lossy().into_owned()),
            scope: source.map_or(Scope::All, |source| source.scope),
            ..setup::servers::judge_settings(&self.config, client_address)?
        };
        Ok(Judge::new(parser, servers, settings))
    }
}

/// What the sources of the configuration name, by their index.
fn read_source_confs(
    config: &Config,
    confs: &mut NginxConfs,
) -> Result<Vec<Option<Arc<NginxConf>>>, Failure> {
    let mut read = Vec::new();
    let mut unreadable = Vec::new();
    for source in &config.sources {
        let conf = source.nginx_conf.as_ref().map(|path| confs.named(path)).transpose();
        match conf {
            Ok(conf) => read.push(conf),
            Err(problem) => {
                let text = format!("nginx_conf in source `{}`: {problem}", source.name);
                unreadable.push(Complaint::new(&text));
            }
        }
    }
    if unreadable.is_empty() { Ok(read) } else { Err(Failure::Inputs(unreadable)) }
}

/// `--log-format`, if it is given.
pub(super) fn format_option(common: &Common) -> Result<Option<Format>, Failure> {
    let parse = |text| Format::parse(text).map_err(|e| option_error("--log-format", text, e));
    common.log_format.as_deref().map(parse).transpose()
}

/// `--since` and `--until`.
pub(super) fn range_option(common: &Common, clock: &Clock) -> Result<TimeRange, Failure> {
    let time = |name, text: &Option<String>| {
        let parse = |text| parse_time(text, clock).map_err(|e| option_error(name, text, e));
        text.as_deref().map(parse).transpose()
    };
    Ok(TimeRange { since: time("--since", &common.since)?, until: time("--until", &common.until)? })
}

fn option_error(name: &str, text: &str, error: impl fmt::Display) -> Failure {
    Failure::usage(format!("{name} `{}`: {error}", text.escape_debug()))
}

/// RFC 3339, or an age before now.
fn parse_time(text: &str, clock: &Clock) -> Result<i64, String> {
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Ok(time.as_millisecond());
    }
    let age = parse_duration(text)
        .map_err(|_| "expected a time like 2026-11-22T11:51:00Z, or an age like 24h".to_owned())?;
    Ok(clock.now().0.saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX)))
}
