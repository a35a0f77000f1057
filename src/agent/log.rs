//! The agent's own log on standard error: `INFO  message field=value`, a line each.
//!
//! On a terminal, and under systemd, whose journal has its own, without time stamps; elsewhere with
//! them. The whole line is escaped, so that nothing that a file name or a client brings in can make
//! a second line or steer a terminal. `RUST_LOG` chooses levels; `info` without.

use std::io::{self, IsTerminal as _};

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::escape::escape_text;

/// Levels without `RUST_LOG`.
const LEVEL_DEFAULT: &str = "info";

/// Begins to log. `color` is whether levels are coloured. Does nothing when something logs already.
pub fn init(color: bool) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| LEVEL_DEFAULT.into());
    let in_journal = std::env::var_os("JOURNAL_STREAM").is_some();
    let format = Format { time: !in_journal && !io::stderr().is_terminal() };
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(color)
        .with_writer(io::stderr)
        .event_format(format);
    // In a test another one may have been first.
    let _already = subscriber.try_init();
}

struct Format {
    time: bool,
}

impl<S, N> FormatEvent<S, N> for Format
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> std::fmt::Result {
        let mut fields = String::new();
        context.field_format().format_fields(Writer::new(&mut fields), event)?;
        if self.time {
            SystemTime.format_time(&mut writer)?;
            writer.write_char(' ')?;
        }
        let (word, ansi) = match *event.metadata().level() {
            Level::ERROR => ("ERROR", "31"),
            Level::WARN => ("WARN ", "33"),
            Level::INFO => ("INFO ", "32"),
            Level::DEBUG => ("DEBUG", "34"),
            Level::TRACE => ("TRACE", "35"),
        };
        if writer.has_ansi_escapes() {
            write!(writer, "\x1b[{ansi}m{word}\x1b[0m ")?;
        } else {
            write!(writer, "{word} ")?;
        }
        writeln!(writer, "{}", escape_text(fields.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_is_a_line() {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .event_format(Format { time: false })
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(path = %"a\x1b[31m\nb", count = 3, name = "x y", "following");
            tracing::error!("gone");
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        assert_eq!(
            text,
            "INFO  following path=a\\x1B[31m\\x0Ab count=3 name=\"x y\"\nERROR gone\n"
        );
    }
}
