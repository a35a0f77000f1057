//! The one-word outcome of a request at the gate.
//!
//! Decided by `$ssl_client_verify`, `$status`, whether an upstream was contacted, and what the
//! server demands. nginx completes the handshake and refuses at the HTTP layer, so the refused
//! request is in the log with its certificate; `ngx_http_process_request` (nginx 1.22) is the source.

use gatelog_parsers::verify_result::VerifyResult;

use super::reason::Reason;
use super::server::{Gate, SslVerifyClient};

/// What happened at the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Verdict {
    /// A valid certificate, let through.
    Verified,
    /// A certificate that did not verify, refused.
    Rejected,
    /// No certificate, refused.
    Missing,
    /// A valid certificate that a policy refused.
    Forbidden,
    /// A certificate that did not verify, let through.
    FailedOpen,
    /// No certificate, and none was needed.
    Anonymous,
    /// The TLS name and the host name belong to different servers (421).
    Misdirected,
    /// Plain HTTP.
    NotTls,
}

impl Verdict {
    /// How many verdicts there are.
    pub const COUNT: usize = 8;

    /// Every verdict, in the order of the enum.
    pub const ALL: [Verdict; Verdict::COUNT] = [
        Verdict::Verified,
        Verdict::Rejected,
        Verdict::Missing,
        Verdict::Forbidden,
        Verdict::FailedOpen,
        Verdict::Anonymous,
        Verdict::Misdirected,
        Verdict::NotTls,
    ];

    /// The name in labels, JSON and configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Verified => "verified",
            Verdict::Rejected => "rejected",
            Verdict::Missing => "missing",
            Verdict::Forbidden => "forbidden",
            Verdict::FailedOpen => "failed_open",
            Verdict::Anonymous => "anonymous",
            Verdict::Misdirected => "misdirected",
            Verdict::NotTls => "not_tls",
        }
    }

    /// The verdict of a name.
    pub fn from_name(name: &str) -> Option<Verdict> {
        Verdict::ALL.into_iter().find(|verdict| verdict.as_str() == name)
    }

    /// Refused at the gate: rejected, missing or forbidden.
    pub fn is_denial(self) -> bool {
        matches!(self, Verdict::Rejected | Verdict::Missing | Verdict::Forbidden)
    }

    /// Failed verification, refused or not: rejected, missing or failed open.
    pub fn is_failure(self) -> bool {
        matches!(self, Verdict::Rejected | Verdict::Missing | Verdict::FailedOpen)
    }

    /// Its place in an array over all verdicts.
    pub fn index(self) -> usize {
        usize::from(self as u8)
    }
}

/// Whether an upstream was contacted, as far as the log tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upstream {
    /// `$upstream_addr` names one.
    Contacted,
    /// `$upstream_addr` is logged and names none.
    NotContacted,
    /// `$upstream_addr` is not logged.
    Unknown,
}

/// What decides.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// `$ssl_client_verify`.
    pub verify: VerifyResult<'a>,
    /// `$status`.
    pub status: u16,
    /// From `$upstream_addr`.
    pub upstream: Upstream,
    /// What is known of the server.
    pub gate: &'a Gate,
    /// The request's path, undecoded and without query; gates may hold for a location only.
    pub path: &'a [u8],
    /// Whether the operator declared the route public.
    pub public: bool,
}

/// The verdict, and for a failure or a refusal its reason.
pub fn decide(evidence: &Evidence<'_>) -> (Verdict, Option<Reason>) {
    match evidence.verify {
        VerifyResult::NotTls => (Verdict::NotTls, None),
        VerifyResult::Success => decide_success(evidence),
        VerifyResult::None => decide_none(evidence),
        VerifyResult::Failed { text } => {
            let reason = Reason::from_failed_text(text);
            (decide_failed(evidence, reason), Some(reason))
        }
    }
}

fn decide_success(evidence: &Evidence<'_>) -> (Verdict, Option<Reason>) {
    match (evidence.status, evidence.upstream) {
        (_, Upstream::Contacted) => (Verdict::Verified, None),
        (421, _) => (Verdict::Misdirected, None),
        (401 | 403 | 444, Upstream::NotContacted) => (Verdict::Forbidden, Some(Reason::Policy)),
        (401 | 403 | 444, Upstream::Unknown) => {
            (Verdict::Forbidden, Some(Reason::PolicyOrApplication))
        }
        _ => (Verdict::Verified, None),
    }
}

fn decide_failed(evidence: &Evidence<'_>, reason: Reason) -> Verdict {
    let gate = evidence.gate;
    let refuses =
        matches!(gate.verify_client, Some(SslVerifyClient::On | SslVerifyClient::Optional));
    let may_be_refused = evidence.upstream != Upstream::Contacted;
    // nginx lets five errors through, and only where the certificate is not demanded.
    if !reason.can_pass_optional_no_ca()
        || refuses
        || may_be_refused && gate.refuses_failed(evidence.status, evidence.path)
    {
        Verdict::Rejected
    } else {
        Verdict::FailedOpen
    }
}

fn decide_none(evidence: &Evidence<'_>) -> (Verdict, Option<Reason>) {
    let gate = evidence.gate;
    let may_be_refused = evidence.upstream != Upstream::Contacted;
    let missing = (Verdict::Missing, Some(Reason::NoCertificate));
    if evidence.status == 421 && may_be_refused {
        (Verdict::Misdirected, None)
    } else if evidence.public || gate.verify_client == Some(SslVerifyClient::Off) {
        (Verdict::Anonymous, None)
    } else if gate.verify_client == Some(SslVerifyClient::On)
        || may_be_refused && gate.refuses_missing(evidence.status, evidence.path)
    {
        missing
    } else {
        (Verdict::Anonymous, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPIRED: VerifyResult<'_> = VerifyResult::Failed { text: b"certificate has expired" };
    const SELF_SIGNED: VerifyResult<'_> = VerifyResult::Failed { text: b"self-signed certificate" };
    const NEXT_YEAR: VerifyResult<'_> = VerifyResult::Failed { text: b"a text of next year" };

    #[test]
    fn table() {
        use SslVerifyClient as M;
        use Upstream::{Contacted as Yes, NotContacted as No, Unknown};
        use VerifyResult::{None as NoCert, NotTls, Success};

        let check = |verify, status, upstream, mode: Option<M>, expected: &str| {
            let gate = Gate { verify_client: mode, ..Gate::default() };
            let evidence =
                Evidence { verify, status, upstream, gate: &gate, path: b"/", public: false };
            let (verdict, reason) = decide(&evidence);
            let found = match reason {
                Some(reason) => format!("{} {}", verdict.as_str(), reason.as_str()),
                None => verdict.as_str().to_owned(),
            };
            assert_eq!(found, expected, "{evidence:?}");
        };
        check(NotTls, 400, Unknown, None, "not_tls");
        check(Success, 200, No, None, "verified");
        check(Success, 421, No, None, "misdirected");
        check(Success, 421, Unknown, None, "misdirected");
        check(Success, 421, Yes, None, "verified");
        check(Success, 403, No, None, "forbidden policy");
        check(Success, 403, Unknown, None, "forbidden policy_or_application");
        check(Success, 403, Yes, None, "verified");
        check(Success, 400, No, None, "verified");
        check(Success, 404, No, None, "verified");
        // An error that nginx never lets through is a refusal whatever the status says.
        check(EXPIRED, 400, No, None, "rejected cert_has_expired");
        check(EXPIRED, 200, Yes, None, "rejected cert_has_expired");
        check(NEXT_YEAR, 200, Yes, None, "rejected other");
        check(SELF_SIGNED, 400, No, None, "rejected depth_zero_self_signed_cert");
        check(SELF_SIGNED, 400, Unknown, None, "rejected depth_zero_self_signed_cert");
        check(SELF_SIGNED, 200, No, None, "failed_open depth_zero_self_signed_cert");
        check(SELF_SIGNED, 404, No, None, "failed_open depth_zero_self_signed_cert");
        check(SELF_SIGNED, 403, Yes, None, "failed_open depth_zero_self_signed_cert");
        check(
            SELF_SIGNED,
            200,
            Yes,
            Some(M::OptionalNoCa),
            "failed_open depth_zero_self_signed_cert",
        );
        check(SELF_SIGNED, 200, No, Some(M::On), "rejected depth_zero_self_signed_cert");
        check(SELF_SIGNED, 302, No, Some(M::Optional), "rejected depth_zero_self_signed_cert");
        check(NoCert, 421, No, Some(M::On), "misdirected");
        check(NoCert, 200, No, Some(M::On), "missing no_certificate");
        check(NoCert, 403, No, Some(M::Off), "anonymous");
        check(NoCert, 403, No, Some(M::Optional), "missing no_certificate");
        check(NoCert, 400, Unknown, None, "missing no_certificate");
        check(NoCert, 403, Yes, None, "anonymous");
        check(NoCert, 404, No, None, "anonymous");
        check(NoCert, 405, No, None, "anonymous");
        check(NoCert, 200, Yes, None, "anonymous");
    }

    #[test]
    fn a_public_route_needs_no_certificate() {
        let gate = Gate { verify_client: Some(SslVerifyClient::On), ..Gate::default() };
        let evidence = Evidence {
            verify: VerifyResult::None,
            status: 403,
            upstream: Upstream::NotContacted,
            gate: &gate,
            path: b"/health",
            public: true,
        };
        assert_eq!(decide(&evidence), (Verdict::Anonymous, None));
    }

    #[test]
    fn names() {
        for verdict in Verdict::ALL {
            assert_eq!(Verdict::from_name(verdict.as_str()), Some(verdict));
            assert_eq!(Verdict::ALL.get(verdict.index()), Some(&verdict));
        }
        assert_eq!(Verdict::from_name("denied"), None);
    }
}
