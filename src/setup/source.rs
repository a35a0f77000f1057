//! What the agent follows: each source with its files, its format, and what is known of the servers
//! that write it. Made from the configuration and the command line, at the start and at each reload,
//! by the same way.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gatelog_parsers::recognise::LINES_MAX;

use super::conf::NginxConfs;
use super::format::{ChooseError, ChosenFormat, Recogniser, choose};
use super::missing;
use super::paste;
use super::servers;
use crate::config::checked::StartFrom;
use crate::config::{self, Config, Format, LoadError, Source as SourceConfig, StateDir};
use crate::event::Judge;
use crate::event::judge::JudgeSettings;
use crate::event::route::Router;
use crate::event::server::{ServerFacts, Servers};
use crate::limits::{FILES_MATCHED_MAX, HEAD_BYTES_MAX, SOURCES_MAX, TAIL_BYTES_MAX};
use crate::nginx::{NginxConf, Problem};
use crate::reader::{Reader, TimeRange};
use crate::source::file::StartAt;
use crate::source::pattern::{InvalidGlob, Pattern};
use crate::source::socket::SocketError;
use crate::source::stream::{Compression, MAGIC_BYTES};
use crate::source::{Joiner, Line, Listen, Wrap};

/// What the command line says; it wins over the configuration, also when that is read again.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// `--config`
    pub config: Option<PathBuf>,
    /// LOG: they replace the sources of the configuration.
    pub logs: Vec<String>,
    /// `--log-format`
    pub format: Option<Format>,
    /// `--nginx-conf`
    pub nginx_conf: Option<PathBuf>,
    /// `--from`
    pub start: Option<StartAt>,
    /// `--listen`
    pub listen: Option<SocketAddr>,
    /// `--state-dir`
    pub state_dir: Option<StateDir>,
    /// `--since` and `--until`
    pub range: TimeRange,
}

/// Everything that following needs, checked.
#[derive(Debug)]
pub struct Setup {
    /// The configuration, with what the command line says in it.
    pub config: Config,
    /// Finds routes.
    pub router: Router,
    /// At least one.
    pub sources: Vec<SourceSetup>,
    /// What could not be followed in an nginx.conf, and files that do not exist yet.
    pub notes: Vec<String>,
    /// The machine's own nginx.conf, which a reload looks into as well.
    pub machine_conf: Option<Arc<NginxConf>>,
}

/// Why there is no setup.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The configuration file.
    #[error(transparent)]
    Config(#[from] LoadError),
    /// Nothing to follow.
    #[error(
        "nothing to follow: name a log, as in `gatelog run /var/log/nginx/access.log`, or give \
         --config a file with a [[source]]"
    )]
    NoSource,
    /// More than [`SOURCES_MAX`] logs on the command line.
    #[error(
        "{0} logs are more than {SOURCES_MAX} sources: quote the glob, and its files are one source"
    )]
    TooMany(usize),
    /// A socket.
    #[error("source `{name}`: {source}")]
    Socket {
        /// The source.
        name: String,
        /// Why it cannot be had.
        source: SocketError,
    },
    /// The system gives no thread for standard input.
    #[error("standard input: {0}")]
    Stdin(io::Error),
    /// A path.
    #[error("source `{name}`: {source}")]
    Glob {
        /// The source.
        name: String,
        /// What is wrong with its path.
        source: InvalidGlob,
    },
    /// nginx's configuration, where somebody named it.
    #[error("{0}")]
    NginxConf(#[from] Problem),
    /// A format.
    #[error("source `{name}`: {source}")]
    Format {
        /// The source.
        name: String,
        /// What is wrong with its format.
        source: ChooseError,
    },
    /// Logs whose format gives no verdict, with the format to paste; one text for each.
    #[error("{}", .0.join("\n"))]
    NoVerdicts(Vec<String>),
    /// Patterns of the configuration.
    #[error("the route patterns: {0}")]
    Patterns(#[from] regex::Error),
}

impl Setup {
    /// Reads the configuration, nginx.conf and the formats, and recognises those that nobody names
    /// where there are lines already.
    ///
    /// # Errors
    /// [`SetupError`]. That a log does not exist yet, is empty, or that no format fits its lines is
    /// none.
    pub fn load(options: &Options) -> Result<Setup, SetupError> {
        Setup::of(Setup::config(options)?, options)
    }

    /// The same for a configuration that was read already.
    ///
    /// # Errors
    /// [`SetupError`].
    pub fn of(config: Config, options: &Options) -> Result<Setup, SetupError> {
        let setup = Setup::for_lines(config, options)?;
        let refused: Vec<String> =
            setup.sources.iter().filter_map(SourceSetup::no_verdicts).collect();
        if refused.is_empty() { Ok(setup) } else { Err(SetupError::NoVerdicts(refused)) }
    }

    /// The same for who wants lines only: formats that give no verdict will do.
    ///
    /// # Errors
    /// [`SetupError`].
    pub fn load_for_lines(options: &Options) -> Result<Setup, SetupError> {
        Setup::for_lines(Setup::config(options)?, options)
    }

    /// The configuration with what the command line says in it; no other file is read.
    ///
    /// # Errors
    /// [`SetupError`].
    pub fn config(options: &Options) -> Result<Config, SetupError> {
        let mut config = match &options.config {
            Some(path) => config::load(path)?,
            None => Config::default(),
        };
        if !options.logs.is_empty() {
            config = config.with_logs(&options.logs);
        }
        if let Some(state_dir) = &options.state_dir {
            config.state_dir = state_dir.clone();
        }
        config.http.listen = options.listen.unwrap_or(config.http.listen);
        if config.sources.is_empty() {
            return Err(SetupError::NoSource);
        }
        if config.sources.len() > SOURCES_MAX {
            return Err(SetupError::TooMany(config.sources.len()));
        }
        Ok(config)
    }

    fn for_lines(config: Config, options: &Options) -> Result<Setup, SetupError> {
        let mut confs = NginxConfs::with_default();
        let facts = Facts {
            declared: servers::declared(&config)?,
            judge: servers::judge_settings(&config, "")?,
            range: options.range,
        };
        let make = |source| SourceSetup::new(source, options, &facts, &mut confs);
        let sources: Vec<SourceSetup> =
            config.sources.iter().map(make).collect::<Result<_, _>>()?;
        let notes = confs.problems().map(Problem::to_string).collect();
        let machine_conf = confs.machine().cloned();
        Ok(Setup { router: servers::router(&config)?, config, sources, notes, machine_conf })
    }
}

/// What holds for every source.
struct Facts {
    declared: Vec<ServerFacts>,
    judge: JudgeSettings,
    range: TimeRange,
}

/// What one source needs to be read.
#[derive(Debug)]
pub struct SourceSetup {
    /// The label `source`.
    pub name: String,
    /// Files and globs, as written.
    pub paths: Vec<String>,
    /// The socket that it listens on instead.
    pub listen: Option<Listen>,
    /// What stands around each line; `None`: the first line shows it.
    pub wrap: Option<Wrap>,
    /// Where to begin in files that exist at the first look.
    pub start: StartAt,
    /// The format that was named, or recognised from lines that are there already.
    pub format: Option<ChosenFormat>,
    conf: Option<Arc<NginxConf>>,
    declared: Vec<ServerFacts>,
    judge: JudgeSettings,
    range: TimeRange,
}

impl SourceSetup {
    fn new(
        source: &SourceConfig,
        options: &Options,
        facts: &Facts,
        confs: &mut NginxConfs,
    ) -> Result<SourceSetup, SetupError> {
        let start = options.start.unwrap_or(match source.from {
            StartFrom::Beginning => StartAt::Beginning,
            StartFrom::End => StartAt::End,
        });
        let mut setup = SourceSetup {
            name: source.name.clone(),
            paths: source.paths.clone(),
            listen: source.listen.clone(),
            wrap: source.wrap,
            start,
            format: None,
            conf: None,
            declared: facts.declared.clone(),
            judge: JudgeSettings {
                source: source.name.clone(),
                scope: source.scope,
                client_address: source.client_address.clone(),
                ..facts.judge.clone()
            },
            range: facts.range,
        };
        let logs = setup.logs()?;
        let logs = || logs.iter().map(PathBuf::as_path);
        setup.conf = match options.nginx_conf.as_ref().or(source.nginx_conf.as_ref()) {
            Some(path) => Some(confs.named(path)?),
            None => confs.own(logs()).cloned(),
        };
        let format = options.format.as_ref().unwrap_or(&source.format);
        let lines: Vec<Vec<u8>> = logs().flat_map(|log| first_lines(log, start)).collect();
        let lines = setup.unwrap(lines);
        setup.format = if *format == Format::Auto {
            setup.recogniser(logs()).recognise(lines.iter().map(Vec::as_slice))
        } else {
            choose(format, setup.conf.as_deref(), logs().next(), [])
                .map_err(|source| SetupError::Format { name: setup.name.clone(), source })?
        };
        Ok(setup)
    }

    /// Whether it is standard input.
    pub fn is_stdin(&self) -> bool {
        self.paths.iter().any(|path| path == "-")
    }

    /// Takes off what stands around the lines, and learns from them what that is. Those of the error log
    /// are left out.
    fn unwrap(&mut self, lines: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        if self.wrap.is_none() {
            let first = lines.iter().find(|line| !line.is_empty());
            self.wrap = first.map(|line| Wrap::of(line));
        }
        if matches!(self.wrap, None | Some(Wrap::None)) {
            return lines;
        }
        let (mut joiner, file) = (Joiner::new(self.wrap), Path::new("").into());
        let mut unwrapped = Vec::new();
        for bytes in &lines {
            joiner.take(&file, Line { bytes, ..Line::default() }, |line| {
                if !line.is_error_log() {
                    unwrapped.push(line.bytes.to_vec());
                }
            });
        }
        unwrapped
    }

    /// The patterns of its paths; none of what is no file.
    ///
    /// # Errors
    /// The first that is no glob; none once the setup is made.
    pub fn patterns(&self) -> Result<Vec<Pattern>, SetupError> {
        let fail = |source| SetupError::Glob { name: self.name.clone(), source };
        let paths = self.paths.iter().filter(|_| !self.is_stdin());
        paths.map(Pattern::new).collect::<Result<_, _>>().map_err(fail)
    }

    /// The files that it has just now, or will have: a path without wildcards need not exist.
    fn logs(&self) -> Result<Vec<PathBuf>, SetupError> {
        let mut patterns = self.patterns()?;
        let paths = patterns.iter_mut().flat_map(|pattern| pattern.paths(|_, _| {}));
        Ok(paths.take(FILES_MATCHED_MAX).collect())
    }

    /// Tells the format of these files by their lines.
    pub fn recogniser<'a>(&self, logs: impl IntoIterator<Item = &'a Path>) -> Recogniser {
        Recogniser::new(self.conf.as_deref(), logs)
    }

    /// A reader of lines in this format, written to these files.
    pub fn reader<'a>(
        &self,
        format: &ChosenFormat,
        logs: impl IntoIterator<Item = &'a Path>,
    ) -> Reader {
        let read = self.conf.as_ref().map(|conf| servers::tied(conf, logs)).unwrap_or_default();
        let servers = Servers::new(self.name.clone(), self.declared.clone(), read);
        let judge = Judge::new(&format.parser, servers, self.judge.clone());
        Reader::new(format.parser.clone(), judge, self.range)
    }

    /// nginx's configuration that speaks of it.
    pub fn conf(&self) -> Option<&NginxConf> {
        self.conf.as_deref()
    }

    /// What to say when its format gives no verdicts.
    fn no_verdicts(&self) -> Option<String> {
        let format = self.format.as_ref()?;
        let gives = missing::gives_verdicts(&format.parser);
        (!gives).then(|| paste::no_verdicts(&self.name, format, self.conf.as_deref()))
    }
}

/// Lines from where reading will begin: the first of the file, or its last, for an operator who has
/// just changed the log_format has the old one at the head of the file. None of a file that is not
/// there, not readable, or compressed.
fn first_lines(log: &Path, start: StartAt) -> Vec<Vec<u8>> {
    read_lines(log, start).unwrap_or_default()
}

fn read_lines(log: &Path, start: StartAt) -> io::Result<Vec<Vec<u8>>> {
    let mut file = File::open(log)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Ok(Vec::new());
    }
    let mut bytes = Vec::new();
    let size = metadata.len();
    let (from, most) = match start {
        StartAt::Beginning => (0, HEAD_BYTES_MAX as u64),
        StartAt::End => (size.saturating_sub(TAIL_BYTES_MAX), TAIL_BYTES_MAX),
    };
    file.by_ref().take(MAGIC_BYTES as u64).read_to_end(&mut bytes)?;
    if Compression::of(&bytes) != Compression::None {
        return Ok(Vec::new());
    }
    bytes.clear();
    file.seek(SeekFrom::Start(from))?;
    file.take(most).read_to_end(&mut bytes)?;
    let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    // What no newline ends is no whole line yet.
    lines.pop();
    let first = if from > 0 { 1 } else { 0 };
    let kept = match start {
        StartAt::Beginning => first..lines.len().min(LINES_MAX),
        StartAt::End => first.max(lines.len().saturating_sub(LINES_MAX))..lines.len(),
    };
    Ok(lines.get(kept).unwrap_or_default().iter().map(|line| line.to_vec()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(directory: &Path, name: &str, text: &str) -> String {
        let path = directory.join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    const COMBINED_LINE: &str =
        "10.0.0.1 - - [22/Nov/2026:11:51:17 +0000] \"GET / HTTP/1.1\" 200 3 \"-\" \"a\"";

    fn mtls_line() -> String {
        format!("{COMBINED_LINE} client_verify=NONE client_dn=\"-\" client_fp=-")
    }

    fn load(logs: &[&str], start: StartAt) -> Result<Setup, SetupError> {
        let logs = logs.iter().map(|log| (*log).to_owned()).collect();
        Setup::load(&Options { logs, start: Some(start), ..Options::default() })
    }

    #[test]
    fn formats_are_recognised_where_reading_begins() {
        let directory = tempfile::tempdir().unwrap();
        let text = format!("{COMBINED_LINE}\n{}\n{COMBINED_LINE}", mtls_line());
        let log = write(directory.path(), "a.log", &text);
        let setup = load(&[&log], StartAt::End).unwrap();
        assert_eq!(setup.sources[0].format.as_ref().unwrap().name, "mtls");

        let many = format!("{COMBINED_LINE}\n").repeat(LINES_MAX) + &mtls_line() + "\n";
        let log = write(directory.path(), "b.log", &many);
        let refused = load(&[&log], StartAt::Beginning).unwrap_err().to_string();
        assert!(refused.contains("`combined` has no $ssl_client_verify"), "{refused}");
        assert!(refused.contains("client_verify=$ssl_client_verify"), "{refused}");
    }

    #[test]
    fn what_tells_nothing_is_no_error() {
        let directory = tempfile::tempdir().unwrap();
        let empty = write(directory.path(), "empty.log", "");
        let partial = write(directory.path(), "partial.log", &mtls_line());
        let rubbish = write(directory.path(), "rubbish.log", "a\nb\n");
        let none = directory.path().join("none.log").display().to_string();
        for log in [&empty, &partial, &rubbish, &none] {
            let setup = load(&[log], StartAt::Beginning).unwrap();
            assert!(setup.sources[0].format.is_none(), "{log}");
        }
    }

    #[test]
    fn what_cannot_be_followed_is_refused() {
        let check = |logs: &[&str], expected: &str| {
            let error = load(logs, StartAt::End).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        };
        check(&[], "nothing to follow");
        let many: Vec<String> =
            (0..=SOURCES_MAX).map(|number| format!("/nowhere/{number}.log")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        check(&many, "65 logs are more than 64 sources: quote the glob");
        assert!(load(&many[1..], StartAt::End).is_ok());
        check(&["/nowhere/a[b.log"], "source `a[b.log`: /nowhere/a[b.log:11: invalid glob");
    }
}
