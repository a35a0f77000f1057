//! The command line.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::escape::escape_text;
use crate::event::reason::Reason;
use crate::event::verdict::Verdict;
use crate::limits::READ_THREADS_MAX;

/// Follows nginx's log of client certificates and makes every failed verification visible.
#[derive(Debug, Parser)]
#[command(name = "gatelog", version, max_term_width = 100)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// What holds for every command.
    #[command(flatten)]
    pub common: Common,
}

impl Arguments {
    /// Those of this program.
    ///
    /// # Errors
    /// The exit code when there is nothing to do: help was asked for and given, or the usage is wrong
    /// and that was said.
    pub fn of_program() -> Result<Arguments, ExitCode> {
        Arguments::try_parse().map_err(|error| {
            // clap repeats arguments as they are, and the name of a file can be one: what it says is
            // said of arguments that are safe to show.
            let safe = |argument: OsString| escape_text(argument.as_encoded_bytes()).into_owned();
            let error = match Arguments::try_parse_from(std::env::args_os().map(safe)) {
                Err(shown) => shown,
                // Only their bytes were wrong: that is said without them.
                Ok(_) => error,
            };
            // There is nobody left to tell when standard error is closed.
            let _unsaid = error.print();
            u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
        })
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Follow logs, and serve metrics: the agent.
    Run {
        /// Files and globs to follow; without any, the sources of the configuration.
        #[arg(value_name = "LOG")]
        logs: Vec<String>,
    },
    /// What happened in these logs: who was refused, where and why.
    Report {
        /// How to show it.
        #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
        format: ReportFormat,
        /// Threads that read a large log, 1 to 8; as many as there are processors without.
        #[arg(long, value_name = "N", value_parser = threads)]
        threads: Option<usize>,
        /// Files, globs, .gz, .zst, or - for standard input.
        #[arg(value_name = "LOG", required = true)]
        logs: Vec<String>,
    },
    /// One JSON object a line, for jq.
    Parse {
        /// Go on with what is written later.
        #[arg(long)]
        follow: bool,
        /// Which lines.
        #[command(flatten)]
        filter: Filter,
        /// Files, globs, .gz, .zst, or - for standard input.
        #[arg(value_name = "LOG", required = true)]
        logs: Vec<String>,
    },
    /// Which alerts would have fired, and when.
    Backtest {
        /// Files, globs, .gz, .zst, or - for standard input.
        #[arg(value_name = "LOG", required = true)]
        logs: Vec<String>,
    },
    /// Receivers of alerts.
    Notify {
        /// What to do with them.
        #[command(subcommand)]
        command: NotifyCommand,
    },
    /// Is the configuration right, does the format fit, which fields are missing.
    Check {
        /// Files, globs, .gz, .zst, or - for standard input.
        #[arg(value_name = "LOG")]
        logs: Vec<String>,
    },
}

/// What to do with receivers.
#[derive(Debug, Subcommand)]
pub enum NotifyCommand {
    /// Tell receivers of a test, an alert that is resolved at once, and print what they say.
    Test {
        /// Names of receivers; without any, all of the configuration.
        #[arg(value_name = "RECEIVER")]
        receivers: Vec<String>,
    },
}

/// Which lines `parse` prints; all of them without a filter.
#[derive(Debug, Default, Args)]
pub struct Filter {
    /// Only these verdicts, joined by commas.
    #[arg(long, value_name = "V,...", value_delimiter = ',', value_parser = verdict)]
    pub verdict: Vec<Verdict>,
    /// Only these reasons, joined by commas.
    #[arg(long, value_name = "R,...", value_delimiter = ',', value_parser = reason)]
    pub reason: Vec<Reason>,
    /// Only this certificate: its SHA-1 in any case, with or without colons, or its first 8 digits
    /// or more.
    #[arg(long, value_name = "SHA1", value_parser = fingerprint)]
    pub fingerprint: Option<String>,
}

/// What holds for every command; given before or after it.
#[derive(Debug, Default, Args)]
pub struct Common {
    /// The configuration, as TOML.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The log_format: a name, its text, or @FILE; recognised from the first lines without.
    #[arg(long, global = true, value_name = "FORMAT")]
    pub log_format: Option<String>,
    /// nginx's configuration, for formats and what each server demands.
    #[arg(long, global = true, value_name = "FILE")]
    pub nginx_conf: Option<PathBuf>,
    /// Only from this time on: RFC 3339, or an age such as 24h.
    #[arg(long, global = true, value_name = "TIME")]
    pub since: Option<String>,
    /// Only before this time.
    #[arg(long, global = true, value_name = "TIME")]
    pub until: Option<String>,
    /// Where a followed file is begun the first time.
    #[arg(long, global = true, value_enum)]
    pub from: Option<From>,
    /// Where to serve metrics and health.
    #[arg(long, global = true, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// The directory for what outlives a restart, or `none`.
    #[arg(long, global = true, value_name = "DIR")]
    pub state_dir: Option<String>,
    /// Colours.
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto)]
    pub color: Color,
}

/// How a report is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For a person.
    Text,
    /// For a program.
    Json,
}

/// Where following begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum From {
    /// At what is there already.
    Beginning,
    /// At what is written from now on.
    End,
}

/// Whether to use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal that has them.
    #[default]
    Auto,
    /// Yes.
    Always,
    /// No.
    Never,
}

impl Color {
    /// Whether a stream that is (or is not) a terminal gets colours: see <https://no-color.org>.
    pub fn on(self, is_terminal: bool) -> bool {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        match self {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => is_terminal && !dumb && !set("NO_COLOR"),
        }
    }
}

fn threads(text: &str) -> Result<usize, String> {
    let threads = text.parse().ok().filter(|threads| (1..=READ_THREADS_MAX).contains(threads));
    threads.ok_or_else(|| format!("expected a number from 1 to {READ_THREADS_MAX}"))
}

fn verdict(name: &str) -> Result<Verdict, String> {
    let names = || Verdict::ALL.map(Verdict::as_str).join(", ");
    Verdict::from_name(name).ok_or_else(|| format!("expected one of {}", names()))
}

fn reason(name: &str) -> Result<Reason, String> {
    let example = "expected a name like cert_has_expired, no_certificate or policy";
    Reason::from_name(name).ok_or_else(|| example.to_owned())
}

/// Shortest start of a fingerprint that is taken.
const FINGERPRINT_DIGITS_MIN: usize = 8;

fn fingerprint(text: &str) -> Result<String, String> {
    let digits: String = text.chars().filter(|c| *c != ':').collect();
    let digits = digits.to_ascii_lowercase();
    let fits = (FINGERPRINT_DIGITS_MIN..=40).contains(&digits.len())
        && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    if fits { Ok(digits) } else { Err("expected 8 to 40 hex digits".to_owned()) }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn threads_are_bounded() {
        assert_eq!(threads("1").unwrap(), 1);
        assert_eq!(threads("8").unwrap(), 8);
        for text in ["0", "9", "-1", "", "two"] {
            assert_eq!(threads(text).unwrap_err(), "expected a number from 1 to 8", "{text}");
        }
    }

    #[test]
    fn fingerprints() {
        assert_eq!(fingerprint("B2:B2:79:F3").unwrap(), "b2b279f3");
        assert_eq!(fingerprint(&"a".repeat(40)).unwrap(), "a".repeat(40));
        assert!(fingerprint(&"a".repeat(41)).is_err());
        assert!(fingerprint("b2b279f").is_err());
        assert!(fingerprint("b2b279fg").is_err());
    }
}
