//! Whose side a refusal is on, and the one sentence that says what to do about it.
//!
//! Owns the rule for the side and the words of the advice. Gathering the facts (who is known, who
//! else is refused) is the ledger's; the prefix with the owner's name is put on by whoever prints.
//! The sentences name nginx directives as <https://nginx.org/en/docs/http/ngx_http_ssl_module.html>
//! spells them and say nothing that the log cannot show: where it cannot tell, they say what would.

mod words;

use self::words::{client_advice, operator_advice, stranger_advice};
use super::reason::{Class, Reason};

/// From this many different known subjects on, certificates not valid yet speak of a clock.
/// One or two can be the fault of a single issuance; the rule `clock_skew` has the same number.
pub const CLOCK_SUBJECTS_MIN: u64 = 3;

/// From this many known clients on, an expired issuer is taken for one they share, thus for ours.
pub const SHARED_ISSUER_CLIENTS_MIN: u64 = 2;

/// Longest advice, in bytes: one line of a report beside its reason.
pub const ADVICE_BYTES_MAX: usize = 140;

/// Where the cause lies, as far as the log can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// A client of ours has to change something.
    Client,
    /// Whoever runs nginx or the CA has to.
    Operator,
    /// A clock is off: nginx's or an issuer's.
    Clock,
    /// Nothing shows that this is a client of ours at all.
    Stranger,
}

impl Side {
    /// The name used in JSON and labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Side::Client => "client",
            Side::Operator => "operator",
            Side::Clock => "clock",
            Side::Stranger => "stranger",
        }
    }

    /// How a sentence begins: `Their side`, then the owner in brackets where one is known, a colon
    /// and the [`advice`].
    #[must_use]
    pub const fn prefix(self) -> &'static str {
        match self {
            Side::Client => "Their side",
            Side::Operator => "Our side",
            Side::Clock => "A clock",
            Side::Stranger => "A stranger",
        }
    }
}

/// What is known about a refused certificate, or about a group refused for one reason. *Known*
/// means verified here in the last 30 days; a name in a refused certificate is only a claim.
///
/// For a group, a field is true when it is true of any certificate in it. The default is that
/// nothing is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Facts {
    /// How many different known clients this reason refuses on the server in question, this one
    /// included.
    pub known_clients_refused: u64,
    /// How many different known subjects, proven or claimed, stand in the certificates that this
    /// reason refuses there. Asked for certificates not valid yet, which cannot have been verified.
    pub known_subjects_refused: u64,
    /// This very certificate, by its fingerprint, was verified here.
    pub certificate_known: bool,
    /// Its subject is that of a known client, its fingerprint is not.
    pub claims_known_subject: bool,
    /// It came from an address from which that subject (without a certificate: any) was verified.
    pub known_address: bool,
    /// A certificate with this issuer's name was verified here; `None` where it is not logged.
    pub issuer_known: Option<bool>,
    /// Its own `not_after` lies ahead; `None` where it is not logged.
    pub own_end_ahead: Option<bool>,
}

impl Facts {
    fn hit_known_clients(&self) -> bool {
        self.known_clients_refused > 0 || self.certificate_known
    }

    /// Whether this looks like a client of ours: its certificate was verified here; or it claims a
    /// known subject from that subject's address; or the issuer it names is one of ours. Where the
    /// issuer is not logged, the claim alone must do.
    fn looks_like_ours(&self) -> bool {
        self.certificate_known
            || (self.claims_known_subject && self.known_address)
            || self.issuer_known.unwrap_or(self.claims_known_subject)
    }
}

/// Whose side the refusal is on.
///
/// A fault that can only be the operator's is called so only when known clients are hit by it: with
/// a CRL configured, a stranger's certificate reads `unable to get certificate CRL` too.
#[must_use]
pub fn side(reason: Reason, facts: &Facts) -> Side {
    match reason {
        Reason::Policy | Reason::PolicyOrApplication => Side::Operator,
        Reason::NoCertificate if facts.known_address => Side::Client,
        Reason::NoCertificate => Side::Stranger,
        reason if is_operators_fault(reason) => {
            if facts.hit_known_clients() {
                Side::Operator
            } else {
                Side::Stranger
            }
        }
        Reason::CertNotYetValid if facts.known_subjects_refused >= CLOCK_SUBJECTS_MIN => {
            Side::Clock
        }
        Reason::CertHasExpired
            if facts.own_end_ahead == Some(true)
                && facts.known_clients_refused >= SHARED_ISSUER_CLIENTS_MIN =>
        {
            Side::Operator
        }
        _ if facts.looks_like_ours() => Side::Client,
        _ => Side::Stranger,
    }
}

/// Reasons that no client can cause: revocation data, what nginx trusts, nginx's own host.
fn is_operators_fault(reason: Reason) -> bool {
    reason.class() == Class::Crl
        || matches!(
            reason,
            Reason::UnableToGetIssuerCert
                | Reason::CertRejected
                | Reason::StoreLookup
                | Reason::OutOfMem
                | Reason::InvalidCall
                | Reason::ApplicationVerification
        )
}

/// What to do: one sentence to follow `Their side: `, lower case, ending in a period, of at most
/// [`ADVICE_BYTES_MAX`] bytes. `side` is what [`side`] said.
#[must_use]
pub fn advice(reason: Reason, side: Side, facts: &Facts) -> &'static str {
    match side {
        Side::Client => client_advice(reason, facts),
        Side::Operator => operator_advice(reason).unwrap_or_else(|| client_advice(reason, facts)),
        Side::Clock => {
            "check nginx's clock against NTP; if it is right, their issuer's runs ahead."
        }
        Side::Stranger => stranger_advice(reason),
    }
}

/// What to do about a certificate that was let in though it failed; a sentence like [`advice`], for
/// the operator. `suspected`: the log cannot tell an admission from a courtesy page.
#[must_use]
pub const fn failed_open_advice(suspected: bool) -> &'static str {
    if suspected {
        "set `nginx_conf`, so that gatelog can tell a page for refused clients from an admission."
    } else {
        "now: set `ssl_verify_client on`, or refuse where `$ssl_client_verify` is not SUCCESS."
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Facts = Facts {
        known_clients_refused: 0,
        known_subjects_refused: 0,
        certificate_known: false,
        claims_known_subject: false,
        known_address: false,
        issuer_known: None,
        own_end_ahead: None,
    };
    const KNOWN: Facts = Facts { certificate_known: true, known_clients_refused: 1, ..NOTHING };
    const SIDES: [Side; 4] = [Side::Client, Side::Operator, Side::Clock, Side::Stranger];

    #[test]
    fn every_reason_has_one_sentence_for_every_side() {
        for reason in Reason::ALL {
            for side in SIDES {
                for own_end_ahead in [None, Some(false), Some(true)] {
                    let sentence = advice(reason, side, &Facts { own_end_ahead, ..NOTHING });
                    check_sentence(sentence, reason.as_str());
                }
            }
        }
        check_sentence(failed_open_advice(false), "failed_open");
        check_sentence(failed_open_advice(true), "failed_open, suspected");
    }

    fn check_sentence(sentence: &str, of: &str) {
        assert!(sentence.ends_with('.'), "{of}: {sentence:?}");
        assert!(sentence.len() <= ADVICE_BYTES_MAX, "{of}: {} bytes", sentence.len());
        assert!(!sentence.contains("  ") && sentence.is_ascii(), "{of}: {sentence:?}");
        assert!(sentence.matches('`').count().is_multiple_of(2), "{of}: {sentence:?}");
        let first = sentence.chars().next().unwrap();
        assert!(
            !first.is_uppercase() || sentence.starts_with("OpenSSL"),
            "{of}: {sentence:?} follows a colon"
        );
    }

    #[test]
    fn the_side_follows_the_facts() {
        fn check(reason: Reason, facts: Facts, expected: Side) {
            assert_eq!(side(reason, &facts), expected, "{reason} with {facts:?}");
        }
        let one_known = Facts { known_clients_refused: 1, ..NOTHING };
        for reason in [
            Reason::CrlHasExpired,
            Reason::UnableToGetCrl,
            Reason::OcspRequestFailed,
            Reason::OcspStatusUnknown,
            Reason::UnableToGetIssuerCert,
            Reason::OutOfMem,
        ] {
            check(reason, NOTHING, Side::Stranger);
            check(reason, Facts { claims_known_subject: true, ..NOTHING }, Side::Stranger);
            check(reason, one_known, Side::Operator);
            check(reason, Facts { certificate_known: true, ..NOTHING }, Side::Operator);
        }

        let subjects = |known_subjects_refused| Facts { known_subjects_refused, ..KNOWN };
        check(Reason::CertNotYetValid, subjects(CLOCK_SUBJECTS_MIN - 1), Side::Client);
        check(Reason::CertNotYetValid, subjects(CLOCK_SUBJECTS_MIN), Side::Clock);
        check(Reason::CertHasExpired, subjects(CLOCK_SUBJECTS_MIN), Side::Client);

        let ahead = |known_clients_refused, own_end_ahead| Facts {
            known_clients_refused,
            own_end_ahead,
            ..KNOWN
        };
        check(Reason::CertHasExpired, ahead(40, Some(false)), Side::Client);
        check(Reason::CertHasExpired, ahead(40, None), Side::Client);
        check(Reason::CertHasExpired, ahead(1, Some(true)), Side::Client);
        check(Reason::CertHasExpired, ahead(2, Some(true)), Side::Operator);

        check(Reason::Policy, NOTHING, Side::Operator);
        check(Reason::PolicyOrApplication, KNOWN, Side::Operator);
        check(Reason::NoCertificate, NOTHING, Side::Stranger);
        check(Reason::NoCertificate, Facts { known_address: true, ..NOTHING }, Side::Client);
        check(Reason::Other, KNOWN, Side::Client);
        check(Reason::Other, one_known, Side::Stranger);
    }

    #[test]
    fn a_name_alone_makes_no_client() {
        fn check(facts: Facts, expected: Side) {
            assert_eq!(side(Reason::UnableToVerifyLeafSignature, &facts), expected, "{facts:?}");
        }
        let claims = Facts { claims_known_subject: true, ..NOTHING };
        check(NOTHING, Side::Stranger);
        check(KNOWN, Side::Client);
        check(claims, Side::Client);
        check(Facts { issuer_known: Some(true), ..NOTHING }, Side::Client);
        check(Facts { issuer_known: Some(true), ..claims }, Side::Client);
        check(Facts { issuer_known: Some(false), ..claims }, Side::Stranger);
        check(Facts { issuer_known: Some(false), known_address: true, ..claims }, Side::Client);
        check(Facts { known_address: true, ..NOTHING }, Side::Stranger);
        check(Facts { issuer_known: Some(false), ..KNOWN }, Side::Client);
    }

    #[test]
    fn the_named_reasons_get_their_words() {
        fn check(name: &str, side: Side, facts: Facts, expected: &[&str]) {
            let reason = Reason::from_name(name).unwrap();
            let sentence = advice(reason, side, &facts);
            for words in expected {
                assert!(sentence.contains(words), "{name}: {words:?} in {sentence:?}");
            }
        }
        let (client, operator) = (Side::Client, Side::Operator);
        let past = Facts { own_end_ahead: Some(false), ..KNOWN };
        let ahead = Facts { own_end_ahead: Some(true), ..KNOWN };
        assert_eq!(
            advice(Reason::CertHasExpired, client, &past),
            "deploy the renewed certificate."
        );
        check("cert_has_expired", client, KNOWN, &["deploy", "`$ssl_client_v_end`"]);
        check("cert_has_expired", client, ahead, &["issuer", "`ssl_client_certificate`"]);
        check("cert_has_expired", operator, ahead, &["issuer expired", "reload"]);
        check("cert_not_yet_valid", client, KNOWN, &["wait", "clock of its issuer"]);
        check("cert_not_yet_valid", Side::Clock, KNOWN, &["nginx's clock"]);
        check("cert_revoked", client, KNOWN, &["lost", "new certificate"]);
        check("unable_to_verify_leaf_signature", client, KNOWN, &["send the intermediate"]);
        check("unable_to_get_issuer_cert_locally", client, KNOWN, &["`ssl_verify_depth`"]);
        check("cert_chain_too_long", client, KNOWN, &["all intermediates", "default 1"]);
        check("unable_to_get_issuer_cert", operator, KNOWN, &["without its root", "add the root"]);
        check("self_signed_cert_in_chain", client, KNOWN, &["our new CA", "before clients move"]);
        check("invalid_purpose", client, KNOWN, &["clientAuth", "digitalSignature"]);
        for name in ["depth_zero_self_signed_cert", "invalid_ca", "keyusage_no_certsign"] {
            check(name, client, KNOWN, &["get a certificate from our CA"]);
        }
        check("path_length_exceeded", client, KNOWN, &["reissue", "path length"]);
        check("permitted_violation", client, KNOWN, &["reissue", "name constraints"]);
        check("excluded_violation", client, KNOWN, &["reissue", "name constraints"]);
        check("unhandled_critical_extension", client, KNOWN, &["reissue", "OpenSSL"]);
        for name in ["ee_key_too_small", "ca_key_too_small", "ca_md_too_weak"] {
            check(name, client, KNOWN, &["RSA 2048 or EC", "SHA-256", "own signature counts"]);
        }
        check("cert_signature_failure", client, KNOWN, &["altered", "another CA of that name"]);
        check("crl_has_expired", operator, KNOWN, &["`ssl_crl`", "`nginx -t`", "reload"]);
        check("crl_not_yet_valid", operator, KNOWN, &["starts later", "clock"]);
        check("crl_signature_failure", operator, KNOWN, &["another key"]);
        check("unable_to_get_crl", operator, KNOWN, &["every CA in the chain, the root's too"]);
        check("unable_to_get_crl", Side::Stranger, NOTHING, &["foreign CA"]);
        check("ocsp_request_failed", operator, KNOWN, &["`resolver`", "holds the issuer"]);
        check("ocsp_status_unknown", operator, KNOWN, &["if we issued it", "lags"]);
        check("no_certificate", client, KNOWN, &["no CA that nginx names", "declare it public"]);
        check("policy", operator, KNOWN, &["if it should pass", "`/O=y/CN=x`"]);
        check("policy_or_application", operator, KNOWN, &["`$upstream_addr`"]);
        assert!(failed_open_advice(false).contains("`ssl_verify_client on`"));
        assert!(failed_open_advice(true).contains("`nginx_conf`"));
    }

    #[test]
    fn sentences_are_composed_by_the_caller() {
        let facts = Facts { own_end_ahead: Some(false), ..KNOWN };
        let side = side(Reason::CertHasExpired, &facts);
        let sentence = format!(
            "{} (team-payments): {}",
            side.prefix(),
            advice(Reason::CertHasExpired, side, &facts)
        );
        assert_eq!(sentence, "Their side (team-payments): deploy the renewed certificate.");
        assert_eq!(SIDES.map(Side::as_str), ["client", "operator", "clock", "stranger"]);
    }
}
