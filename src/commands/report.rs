//! `gatelog report`: what happened in these logs.
use super::arguments::ReportFormat;
use super::context::{Context, Failure};
use std::process::ExitCode;
pub(super) fn run(_: &Context, _: ReportFormat, _: &[String]) -> Result<ExitCode, Failure> {
    Err(Failure::usage("not yet"))
}
