//! Drives single stages of gatelog over whole logs in memory: reading lines, splitting them, counting
//! them. What is measured here is the code of the agent and of `report`, set up as they do it.

use std::io::Read as _;

use gatelog::event::Judge;
use gatelog::event::judge::JudgeSettings;
use gatelog::event::route::{Patterns, Router};
use gatelog::event::server::Servers;
use gatelog::ledger::Ledger;
use gatelog::ledger::distinct::Seed;
use gatelog::limits::{JOURNAL_PIECE_BYTES, ROUTES_DEFAULT};
use gatelog::reader::{Reader, TimeRange};
use gatelog::source::{Line, LineBuffer};
use gatelog_parsers::line::{LineParser, Spans};
use gatelog_parsers::log_format::LogFormat;
use gatelog_parsers::recognise::{MTLS_EXTENDED, MTLS_JSON, MTLS_TSV};
use generate_log::Format;

/// All formats and what they are called in output.
pub const FORMATS: [(Format, &str); 3] =
    [(Format::Extended, "extended"), (Format::Json, "json"), (Format::Tsv, "tsv")];

/// The parser of a format.
///
/// # Panics
/// Never: the formats are constants, and a test of their own reads each.
#[expect(clippy::expect_used, reason = "a constant that gatelog reads at each start")]
pub fn parser(format: Format) -> LineParser {
    let text = match format {
        Format::Extended => MTLS_EXTENDED,
        Format::Json => MTLS_JSON,
        Format::Tsv => MTLS_TSV,
    };
    LineParser::new(&LogFormat::parse(text.as_bytes()).expect("a format that gatelog knows"))
}

/// An empty ledger as `report` has it.
pub fn ledger() -> Ledger {
    Ledger::new(Seed::new(1), ROUTES_DEFAULT)
}

/// A judge that nobody has told about the servers.
pub fn judge(parser: &LineParser) -> Judge {
    let servers = Servers::new("edge".to_owned(), Vec::new(), Vec::new());
    Judge::new(parser, servers, JudgeSettings::default())
}

/// Hands on each line of a log that lies in memory, through the buffer that files are read with.
pub fn read_lines(buffer: &mut LineBuffer, mut log: &[u8], mut line: impl FnMut(Line<'_>)) {
    // Reading from memory cannot fail.
    while buffer.read_from(&mut log.by_ref(), &mut line).is_ok_and(|bytes| bytes > 0) {}
    buffer.finish(&mut line);
}

/// Lines to their values.
#[derive(Debug)]
pub struct Splitting {
    buffer: LineBuffer,
    parser: LineParser,
    spans: Spans,
}

impl Splitting {
    /// Of lines of this format.
    pub fn new(format: Format) -> Splitting {
        let (buffer, spans) = (LineBuffer::new(), Spans::default());
        Splitting { buffer, parser: parser(format), spans }
    }

    /// Splits all lines and returns how many fit.
    pub fn split(&mut self, log: &[u8]) -> u64 {
        let mut fit = 0;
        read_lines(&mut self.buffer, log, |line| {
            fit += u64::from(self.parser.parse(line.bytes, &mut self.spans).is_ok());
        });
        fit
    }
}

/// Lines to a ledger.
#[derive(Debug)]
pub struct Counting {
    buffer: LineBuffer,
    reader: Reader,
    router: Router,
    /// What was counted so far.
    pub ledger: Ledger,
    piece: Vec<u8>,
}

impl Counting {
    /// Of lines of this format, into an empty ledger.
    pub fn new(format: Format) -> Counting {
        let parser = parser(format);
        let judge = judge(&parser);
        Counting {
            buffer: LineBuffer::new(),
            reader: Reader::new(parser, judge, TimeRange::default()),
            router: Router::new(Patterns::default()),
            ledger: ledger(),
            piece: Vec::new(),
        }
    }

    /// The same, with a journal of what is recorded, as the agent keeps one.
    #[must_use]
    pub fn with_journal(mut self) -> Counting {
        self.ledger.keep_journal(true);
        self
    }

    /// Counts all lines and returns how many of them and of earlier ones fit.
    pub fn count(&mut self, log: &[u8]) -> u64 {
        read_lines(&mut self.buffer, log, |line| {
            self.reader.count(&line, &mut self.ledger, &self.router);
            // A piece of this length is handed over; its memory comes back.
            if let Some(journal) = self.ledger.journal()
                && journal.len_bytes() >= JOURNAL_PIECE_BYTES
            {
                self.piece = journal.take(std::mem::take(&mut self.piece));
            }
        });
        self.reader.counts().parsed
    }
}
