//! Which `log_format` a log is read by.

use std::path::{Path, PathBuf};

use gatelog_parsers::line::{LineError, LineParser, Spans};
use gatelog_parsers::log_format::{FormatError, LogFormat};
use gatelog_parsers::recognise;

use crate::config::Format;
use crate::limits::FORMAT_FILE_BYTES_MAX;
use crate::nginx::{LogFormatDirective, NginxConf};

/// A format and where it comes from.
#[derive(Clone, Debug)]
pub struct ChosenFormat {
    /// Splits the lines.
    pub parser: LineParser,
    /// The directive behind it; `None` for JSON that is read by its keys alone.
    pub log_format: Option<LogFormat>,
    /// The name in messages: of the directive, or `log_format` for a bare text.
    pub name: String,
    /// Where it was found, as `nginx.conf:7`; `None` for those known by name or given as text.
    pub place: Option<String>,
    /// Whether it was recognised from lines rather than named.
    pub recognised: bool,
}

impl std::fmt::Display for ChosenFormat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.place {
            Some(place) => write!(f, "`{}` ({place})", self.name),
            None => write!(f, "`{}`", self.name),
        }
    }
}

/// Why there is no format.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChooseError {
    /// The text or the directive cannot be compiled.
    #[error("log_format {place}: {source}")]
    Format {
        /// Where it stands.
        place: String,
        /// What is wrong with it.
        source: FormatError,
    },
    /// No format of this name.
    #[error("no log_format `{name}`; known are {known}")]
    Unknown {
        /// The name.
        name: String,
        /// Those there are.
        known: String,
    },
    /// The file that should hold the format cannot be read.
    #[error("cannot read the log_format in `{}`: {source}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Chooses the format for a log. With [`Format::Auto`] the first lines decide, among nginx.conf's
/// formats for this log, its other formats, and those known by name; `None` when no line tells.
///
/// # Errors
/// [`ChooseError`]; lines that fit no format are no error.
pub fn choose<'a>(
    format: &Format,
    conf: Option<&NginxConf>,
    log: Option<&Path>,
    first_lines: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Option<ChosenFormat>, ChooseError> {
    match format {
        Format::Auto => Ok(Recogniser::new(conf, log).recognise(first_lines)),
        Format::Named(name) => named(name, conf).map(Some),
        Format::Text(text) => given(text.as_bytes(), "given").map(Some),
        Format::File(path) => {
            let text = read_bounded(path)
                .map_err(|source| ChooseError::File { path: path.clone(), source })?;
            given(&text, &path.display().to_string()).map(Some)
        }
    }
}

fn read_bounded(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut text = Vec::new();
    std::fs::File::open(path)?.take(FORMAT_FILE_BYTES_MAX).read_to_end(&mut text)?;
    Ok(text)
}

fn given(text: &[u8], place: &str) -> Result<ChosenFormat, ChooseError> {
    let format = LogFormat::parse(text)
        .map_err(|source| ChooseError::Format { place: place.to_owned(), source })?;
    let name = if format.name.is_empty() { "log_format".to_owned() } else { format.name.clone() };
    let parser = LineParser::new(&format);
    let log_format = Some(format);
    Ok(ChosenFormat { parser, log_format, name, place: None, recognised: false })
}

fn named(name: &str, conf: Option<&NginxConf>) -> Result<ChosenFormat, ChooseError> {
    if let Some(directive) = conf.and_then(|conf| conf.log_format(name)) {
        return compiled(directive);
    }
    let known: Vec<_> = known_formats().collect();
    let names = known.iter().map(|format| format!("`{}`", format.name));
    let names = names.collect::<Vec<_>>().join(", ");
    match known.into_iter().find(|format| format.name == name) {
        Some(format) => Ok(format),
        None => Err(ChooseError::Unknown { name: name.to_owned(), known: names }),
    }
}

fn compiled(directive: &LogFormatDirective) -> Result<ChosenFormat, ChooseError> {
    let place = format!("{}:{}", directive.path.display(), directive.line);
    let format = LogFormat::from_directive(&directive.directive)
        .map_err(|source| ChooseError::Format { place: place.clone(), source })?;
    // nginx predefines `combined`, which stands in no file.
    let place = (directive.line > 0).then_some(place);
    let (parser, name) = (LineParser::new(&format), format.name.clone());
    Ok(ChosenFormat { parser, log_format: Some(format), name, place, recognised: false })
}

/// Those of [`recognise::known_parsers`], in its order.
fn known_formats() -> impl Iterator<Item = ChosenFormat> {
    let texts = recognise::KNOWN_FORMATS.iter();
    let formats = texts.filter_map(|text| LogFormat::parse(text.as_bytes()).ok());
    let formats = formats.map(|format| (LineParser::new(&format), Some(format)));
    formats.chain([(LineParser::json_by_key(), None)]).map(|(parser, log_format)| {
        let name = parser.name().to_owned();
        ChosenFormat { parser, log_format, name, place: None, recognised: false }
    })
}

/// Tells a log's format by its lines: among nginx.conf's formats for the logs, its other formats,
/// and those known by name.
#[derive(Debug)]
pub struct Recogniser {
    candidates: Vec<ChosenFormat>,
    parsers: Vec<LineParser>,
}

impl Recogniser {
    /// A recogniser for these logs; those that `conf` writes them in come first.
    pub fn new<'a>(
        conf: Option<&NginxConf>,
        logs: impl IntoIterator<Item = &'a Path>,
    ) -> Recogniser {
        let mut directives: Vec<&LogFormatDirective> = Vec::new();
        if let Some(conf) = conf {
            directives.extend(logs.into_iter().flat_map(|log| conf.formats_for_log(log)));
            directives.extend(&conf.log_formats);
        }
        let read = directives.into_iter().filter_map(|format| compiled(format).ok());
        let candidates: Vec<_> = read.chain(known_formats()).collect();
        let parsers = candidates.iter().map(|format| format.parser.clone()).collect();
        Recogniser { candidates, parsers }
    }

    /// The format that fits most of the lines; `None` when none fits any.
    pub fn recognise<'a>(&self, lines: impl IntoIterator<Item = &'a [u8]>) -> Option<ChosenFormat> {
        let index = recognise::recognise(lines, &self.parsers)?;
        let chosen = self.candidates.get(index)?.clone();
        Some(ChosenFormat { recognised: true, ..chosen })
    }

    /// The format that reads furthest into a line that none fits, of several the first, and where it
    /// stops; `None` when the line fits one after all.
    pub fn nearest(&self, line: &[u8]) -> Option<(&ChosenFormat, LineError)> {
        let mut spans = Spans::default();
        let mut error = |format: &ChosenFormat| format.parser.parse(line, &mut spans).err();
        let errors: Option<Vec<_>> = self.candidates.iter().map(&mut error).collect();
        let tried = self.candidates.iter().zip(errors?);
        tried.rev().max_by_key(|(_, error)| error.column())
    }
}
