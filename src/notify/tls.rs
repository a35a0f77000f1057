//! TLS towards receivers: which CAs are trusted, which certificate is shown.
//!
//! Made anew for each connection, so that renewed files hold without a restart; with the CAs of a
//! Debian system that takes some milliseconds.

use std::path::Path;
use std::sync::Arc;

use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, Error, RootCertStore};

use super::secret::{FileError, FileProblem, read_pem};
use crate::config::receiver::HttpOptions;

/// Why there is no TLS to be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(super) enum TlsError {
    /// A file of the configuration.
    #[error(transparent)]
    File(#[from] FileError),
    /// The system knows no CA.
    #[error("this system has no CAs to trust; name some with `ca_file`")]
    NoRoots,
    /// rustls does not take what the files have.
    #[error("{0}")]
    Config(#[from] Error),
}

/// What TLS needs, read from the files.
pub(super) fn config(options: &HttpOptions) -> Result<ClientConfig, TlsError> {
    let roots = match &options.ca_file {
        Some(path) => roots_of(path)?,
        None => system_roots()?,
    };
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder.with_safe_default_protocol_versions()?.with_root_certificates(roots);
    let mut config = match &options.client_certificate {
        None => builder.with_no_client_auth(),
        Some(files) => {
            let chain = certificates(&files.certificate_file)?;
            builder.with_client_auth_cert(chain, private_key(&files.key_file)?)?
        }
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn roots_of(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate)?;
    }
    Ok(roots)
}

/// Those of the system, and of `SSL_CERT_FILE` and `SSL_CERT_DIR`.
fn system_roots() -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() { Err(TlsError::NoRoots) } else { Ok(roots) }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let expected = || wrong(path, "certificates as PEM");
    let pem = read_pem(path)?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let certificates = read.map_err(|_| expected())?;
    if certificates.is_empty() { Err(expected().into()) } else { Ok(certificates) }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let pem = read_pem(path)?;
    Ok(PrivateKeyDer::from_pem_slice(&pem).map_err(|_| wrong(path, "a private key as PEM"))?)
}

fn wrong(path: &Path, expected: &'static str) -> FileError {
    FileError { path: path.to_owned(), problem: FileProblem::Content(expected) }
}
