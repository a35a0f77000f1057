//! What a reload reads, within the sandbox that was entered at the start.

use super::sandbox::{Outside, Sandbox};
use crate::setup::needs;
use crate::setup::source::{Options, Setup, SetupError};

/// Why the configuration before stays.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReloadError {
    /// The configuration and what it names.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// It needs what the sandbox keeps out.
    #[error(transparent)]
    Outside(#[from] Outside),
}

/// Reads the configuration and what it names anew; whatever lies outside of the sandbox is told before
/// it fails to open, and nothing is changed.
pub(super) fn load(options: &Options, sandbox: &Sandbox) -> Result<Setup, ReloadError> {
    let config = Setup::config(options)?;
    sandbox.admit(&needs::of_config(&config, options), &needs::written(&config))?;
    let setup = Setup::of(config, options)?;
    sandbox.admit(&needs::of_includes(&setup), &[])?;
    Ok(setup)
}
