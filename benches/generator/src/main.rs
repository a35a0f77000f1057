//! `generate-log`: writes an access log to standard output.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use generate_log::{Format, Generator, Sizes};

/// Bytes gathered before they are written.
const WRITE_BYTES: usize = 256 * 1024;

/// Writes an access log of nginx with client certificates: the same bytes for the same options.
#[derive(Debug, Parser)]
struct Arguments {
    /// Lines to write.
    #[arg(long, value_name = "COUNT", default_value_t = 1_000_000)]
    lines: u64,
    /// Routes, at most as many as paths.
    #[arg(long, value_name = "COUNT", default_value_t = 50, value_parser = from_one())]
    routes: u64,
    /// Different paths, without their query.
    #[arg(long, value_name = "COUNT", default_value_t = 400, value_parser = from_one())]
    paths: u64,
    /// Certificates, an eighth of which fails.
    #[arg(long, value_name = "COUNT", default_value_t = 400, value_parser = from_one())]
    certificates: u64,
    /// What fixes the bytes.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How each line is written.
    #[arg(long, value_enum, default_value = "extended")]
    format: FormatName,
}

fn from_one() -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(1..=10_000_000)
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FormatName {
    /// `mtls_extended` of config/nginx-mtls.conf.
    Extended,
    /// `mtls_json` of config/nginx-mtls.conf.
    Json,
    /// The corpus's tab-separated format.
    Tsv,
}

impl From<FormatName> for Format {
    fn from(name: FormatName) -> Format {
        match name {
            FormatName::Extended => Format::Extended,
            FormatName::Json => Format::Json,
            FormatName::Tsv => Format::Tsv,
        }
    }
}

fn main() -> ExitCode {
    match write(&Arguments::parse(), &mut io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads has had enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            // Where standard error is closed, too, the exit code alone tells.
            writeln!(io::stderr(), "generate-log: {error}").ok();
            ExitCode::FAILURE
        }
    }
}

fn write(arguments: &Arguments, out: &mut impl Write) -> io::Result<()> {
    let size = |count| usize::try_from(count).unwrap_or(usize::MAX);
    let sizes = Sizes {
        routes: size(arguments.routes),
        paths: size(arguments.paths),
        certificates: size(arguments.certificates),
    };
    let mut generator = Generator::new(arguments.seed, sizes, arguments.format.into());
    let mut lines = Vec::with_capacity(2 * WRITE_BYTES);
    for _ in 0..arguments.lines {
        generator.append_line(&mut lines);
        if lines.len() >= WRITE_BYTES {
            out.write_all(&lines)?;
            lines.clear();
        }
    }
    out.write_all(&lines)?;
    out.flush()
}
