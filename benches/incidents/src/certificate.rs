//! Certificates, and who issued them.

use std::ops::Range;

use generate_log::calendar::validity;
use generate_log::population;
use generate_log::random::Random;

use crate::time::SECOND;

/// Where a certificate comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authority {
    /// Ours, of most services.
    Issuing1,
    /// Ours, of bookkeeping.
    Issuing2,
    /// The partners'.
    Partner,
    /// Ours, set up lately: nobody has used it yet.
    Issuing3,
    /// One that issues to anybody.
    Public,
    /// One that nginx does not know.
    Foreign,
    /// Nobody: self-signed.
    Itself,
}

impl Authority {
    /// RFC 2253 text.
    const fn dn(self) -> &'static str {
        match self {
            Authority::Issuing1 => "CN=Issuing CA 1,O=Example",
            Authority::Issuing2 => "CN=Issuing CA 2,O=Example",
            Authority::Partner => "CN=Partner CA,OU=PKI,O=Example",
            Authority::Issuing3 => "CN=Issuing CA 3,O=Example",
            Authority::Public => "CN=R11,O=Let's Encrypt,C=US",
            Authority::Foreign => "CN=Rogue Issuing CA,O=Not Ours",
            Authority::Itself => "",
        }
    }
}

/// A certificate of the world's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificateId(pub(crate) usize);

/// A client certificate.
#[derive(Debug)]
pub struct Certificate {
    /// What nginx logs of it.
    pub logged: population::Certificate,
    /// Its issuer.
    pub authority: Authority,
    /// Its first moment, in milliseconds.
    pub not_before: u64,
    /// Its last moment, in milliseconds.
    pub not_after: u64,
    /// When the revocation list has it.
    pub revoked: Vec<Range<u64>>,
}

impl Certificate {
    /// A new one, with a serial number and a fingerprint of its own.
    pub fn new(
        random: &mut Random,
        subject_dn: &str,
        authority: Authority,
        validity_millis: Range<u64>,
    ) -> Certificate {
        let Range { start: not_before, end: not_after } = validity_millis;
        let is_self_signed = authority == Authority::Itself;
        let issuer_dn = if is_self_signed { subject_dn } else { authority.dn() };
        let logged = population::Certificate {
            subject_dn: subject_dn.to_owned(),
            issuer_dn: issuer_dn.to_owned(),
            serial: random.hex(40, true),
            fingerprint_sha1: random.hex(40, false),
            not_before: validity(not_before / SECOND),
            not_after: validity(not_after / SECOND),
            not_after_seconds: not_after / SECOND,
            failure: None,
            addresses: Vec::new(),
            user_agent: "",
            tls: ("", ""),
            protocol: "",
        };
        Certificate { logged, authority, not_before, not_after, revoked: Vec::new() }
    }
}
