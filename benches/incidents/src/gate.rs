//! nginx's decision: what `$ssl_client_verify` says and which status follows.
//!
//! In the order of OpenSSL's `X509_verify_cert`: the chain, revocation, then the times.

use std::ops::Range;

use crate::certificate::{Authority, Certificate};
use crate::request::{Chain, Fate};
use crate::server::{Server, VerifyClient};

/// What is wrong on nginx's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The file of `ssl_crl` holds a list that has ended.
    CrlExpired,
    /// A trusted intermediate has lost its root.
    RootRemoved,
    /// The certificate of the intermediate that issued the clients' has ended.
    IntermediateExpired,
}

/// A fault of one server.
#[derive(Clone, Debug)]
pub struct Fault {
    /// What is wrong.
    pub kind: FaultKind,
    /// Where.
    pub server: Server,
    /// When.
    pub during: Range<u64>,
}

const NOT_TRUSTED: &str = "FAILED:unable to verify the first certificate";
const SELF_SIGNED: &str = "FAILED:self-signed certificate";
const ROOT_MISSING: &str = "FAILED:unable to get issuer certificate";
const CRL_EXPIRED: &str = "FAILED:CRL has expired";
const REVOKED: &str = "FAILED:certificate revoked";
const NOT_YET_VALID: &str = "FAILED:certificate is not yet valid";
const EXPIRED: &str = "FAILED:certificate has expired";

/// Verifies a certificate as a handshake at this moment does; the text of the failure.
pub fn verify(
    certificate: &Certificate,
    chain: Chain,
    server: Server,
    faults: &[Fault],
    at: u64,
) -> Option<&'static str> {
    let has = |kind| {
        faults.iter().any(|it| it.kind == kind && it.server == server && it.during.contains(&at))
    };
    match certificate.authority {
        Authority::Itself => return Some(SELF_SIGNED),
        Authority::Foreign => return Some(NOT_TRUSTED),
        Authority::Issuing1
        | Authority::Issuing2
        | Authority::Issuing3
        | Authority::Partner
        | Authority::Public => {}
    }
    let ended = at >= certificate.not_after;
    let cases = [
        (chain == Chain::Leaf, NOT_TRUSTED),
        (has(FaultKind::RootRemoved), ROOT_MISSING),
        (has(FaultKind::CrlExpired), CRL_EXPIRED),
        (certificate.revoked.iter().any(|during| during.contains(&at)), REVOKED),
        (has(FaultKind::IntermediateExpired), EXPIRED),
        (at < certificate.not_before, NOT_YET_VALID),
        (ended, EXPIRED),
    ];
    cases.into_iter().find_map(|(fails, text)| fails.then_some(text))
}

/// What nginx logs of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// `$ssl_client_verify`.
    pub verify: Option<&'static str>,
    /// `$status`.
    pub status: u16,
    /// Whether an upstream was asked.
    pub is_passed_on: bool,
}

/// Decides on a request with or without a certificate, of which `failure` was found.
pub fn decide(
    server: Server,
    has_certificate: bool,
    failure: Option<&'static str>,
    fate: Fate,
) -> Decision {
    let refused = |verify, status| Decision { verify: Some(verify), status, is_passed_on: false };
    let passed = |verify, status| Decision { verify: Some(verify), status, is_passed_on: true };
    let Some(demand) = server.verify_client() else {
        let status = if let Fate::Answered(status) = fate { status } else { 400 };
        return Decision { verify: None, status, is_passed_on: false };
    };
    let verify = match (has_certificate, failure) {
        (false, _) => "NONE",
        (true, None) => "SUCCESS",
        (true, Some(text)) => text,
    };
    match fate {
        Fate::NotTls => return Decision { verify: None, status: 400, is_passed_on: false },
        Fate::Misdirected => return refused(verify, 421),
        Fate::Preconnected => return refused(verify, 408),
        Fate::Resumed => return passed("SUCCESS", 200),
        Fate::Answered(_) | Fate::Forbidden => {}
    }
    let is_lenient = demand == VerifyClient::OptionalNoCa
        && failure.is_none_or(|text| [NOT_TRUSTED, SELF_SIGNED].contains(&text));
    match (demand, verify, fate) {
        (VerifyClient::On, "NONE", _) => refused(verify, 400),
        (VerifyClient::Optional, "NONE", _) => refused(verify, 403),
        (_, verify, _) if verify.starts_with("FAILED") && !is_lenient => refused(verify, 400),
        (_, verify, Fate::Answered(status)) => passed(verify, status),
        (_, verify, _) => refused(verify, 403),
    }
}

#[cfg(test)]
mod tests {
    use generate_log::random::Random;

    use super::*;
    use crate::time::{DAY, HISTORY_END, HOUR};

    #[test]
    fn a_handshake_fails_for_the_first_reason() {
        let now = HISTORY_END;
        let check = |authority, chain, validity: Range<u64>, revoked, faults: &[FaultKind]| {
            let mut certificate =
                Certificate::new(&mut Random::new(1), "CN=a", authority, validity);
            certificate.revoked.extend(revoked);
            let faults = faults.iter().map(|&kind| Fault {
                kind,
                server: Server::Api,
                during: now..now + HOUR,
            });
            verify(&certificate, chain, Server::Api, &faults.collect::<Vec<_>>(), now)
        };
        let (ours, whole) = (Authority::Issuing1, Chain::Whole);
        let good = || now - DAY..now + DAY;
        let ended = || now - DAY..now;
        let revoked = || Some(now - HOUR..now + HOUR);
        assert_eq!(check(ours, whole, good(), None, &[]), None);
        assert_eq!(check(ours, whole, ended(), None, &[]), Some(EXPIRED));
        assert_eq!(check(ours, whole, now + 1..now + DAY, None, &[]), Some(NOT_YET_VALID));
        assert_eq!(check(ours, whole, ended(), revoked(), &[]), Some(REVOKED));
        assert_eq!(check(ours, Chain::Leaf, good(), revoked(), &[]), Some(NOT_TRUSTED));
        assert_eq!(check(Authority::Itself, whole, good(), None, &[]), Some(SELF_SIGNED));
        assert_eq!(check(Authority::Foreign, whole, ended(), None, &[]), Some(NOT_TRUSTED));
        let crl = &[FaultKind::CrlExpired];
        assert_eq!(check(ours, whole, good(), None, crl), Some(CRL_EXPIRED));
        let intermediate = &[FaultKind::IntermediateExpired];
        assert_eq!(check(ours, whole, good(), None, intermediate), Some(EXPIRED));
        let both = &[FaultKind::RootRemoved, FaultKind::CrlExpired];
        assert_eq!(check(ours, whole, good(), None, both), Some(ROOT_MISSING));
    }

    #[test]
    fn a_server_demands_what_it_is_told_to() {
        let check = |server, certificate: Option<Option<&'static str>>, expected| {
            let fate = Fate::Answered(200);
            let made = decide(server, certificate.is_some(), certificate.flatten(), fate);
            assert_eq!((made.status, made.is_passed_on), expected, "{server:?} {certificate:?}");
        };
        check(Server::Api, None, (400, false));
        check(Server::Api, Some(None), (200, true));
        check(Server::Api, Some(Some(SELF_SIGNED)), (400, false));
        check(Server::Partner, None, (403, false));
        check(Server::Partner, Some(Some(EXPIRED)), (400, false));
        check(Server::Uploads, None, (200, true));
        check(Server::Uploads, Some(Some(SELF_SIGNED)), (200, true));
        check(Server::Uploads, Some(Some(EXPIRED)), (400, false));
        check(Server::Portal, None, (200, true));
        let forbidden = decide(Server::Admin, true, None, Fate::Forbidden);
        assert_eq!((forbidden.verify, forbidden.status), (Some("SUCCESS"), 403));
    }
}
