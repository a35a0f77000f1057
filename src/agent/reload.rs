//! What a reload reads, within the sandbox that was entered at the start.

use super::sandbox::{Outside, OutsidePort, Sandbox};
use crate::notify;
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
    /// It names a receiver that the sandbox keeps out.
    #[error(transparent)]
    OutsidePort(#[from] OutsidePort),
}

/// Reads the configuration and what it names anew; whatever lies outside of the sandbox is told before
/// it fails to open, and nothing is changed.
pub(super) fn load(options: &Options, sandbox: &Sandbox) -> Result<Setup, ReloadError> {
    let config = Setup::config(options)?;
    sandbox.admit(&needs::of_config(&config, options), &needs::written(&config))?;
    let proxy = notify::https_proxy();
    sandbox.admit(&needs::of_receivers(&config, proxy.as_ref()), &[])?;
    sandbox.admit_ports(&needs::connected(&config, proxy.as_ref()))?;
    let setup = Setup::of(config, options)?;
    sandbox.admit(&needs::of_includes(&setup), &[])?;
    Ok(setup)
}
