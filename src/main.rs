//! Arguments in, exit code out.

use std::process::ExitCode;

use gatelog::commands::{self, Arguments};

fn main() -> ExitCode {
    match Arguments::of_program() {
        Ok(arguments) => commands::run(arguments),
        Err(code) => code,
    }
}
