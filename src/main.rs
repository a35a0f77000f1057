//! Arguments in, exit code out.

use std::process::ExitCode;

use clap::Parser as _;
use gatelog::commands::{self, Arguments};

fn main() -> ExitCode {
    commands::run(Arguments::parse())
}
