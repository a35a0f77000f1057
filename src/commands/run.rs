//! `gatelog run`: the agent.

use std::io::{self, IsTerminal as _};
use std::process::ExitCode;

use super::arguments::{Common, From};
use super::context::{Complaint, Failure, format_option, range_option, say_error};
use crate::agent::{self, AgentError};
use crate::clock::Clock;
use crate::config::StateDir;
use crate::setup::source::{Options, SetupError};
use crate::source::file::StartAt;

pub(super) fn run(common: &Common, logs: Vec<String>) -> Result<ExitCode, Failure> {
    let color = common.color.on(io::stderr().is_terminal());
    let options = options(common, logs)?;
    agent::log::init(color);
    match agent::run(&options) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(AgentError::Setup(error)) => Err(error.into()),
        Err(error @ (AgentError::Bind(_) | AgentError::NoStreams(_))) => Err(Failure::usage(error)),
        Err(error) => {
            say_error(&error.to_string(), color);
            Ok(ExitCode::FAILURE)
        }
    }
}

/// What the command line says about following.
pub(super) fn options(common: &Common, logs: Vec<String>) -> Result<Options, Failure> {
    Ok(Options {
        config: common.config.clone(),
        logs,
        format: format_option(common)?,
        nginx_conf: common.nginx_conf.clone(),
        start: common.from.map(|from| match from {
            From::Beginning => StartAt::Beginning,
            From::End => StartAt::End,
        }),
        listen: common.listen,
        state_dir: common.state_dir.as_deref().map(StateDir::parse),
        range: range_option(common, &Clock::system())?,
    })
}

impl std::convert::From<SetupError> for Failure {
    fn from(error: SetupError) -> Failure {
        match error {
            SetupError::Config(error) => Failure::Config(error),
            SetupError::NoVerdicts(texts) => {
                Failure::Inputs(texts.iter().map(|text| Complaint::new(text)).collect())
            }
            error => Failure::usage(error),
        }
    }
}
