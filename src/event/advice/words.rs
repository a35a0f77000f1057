//! The sentences: for every reason what a client, the operator or a stranger's host would do.

use super::super::reason::{Class, Reason};
use super::{Facts, is_operators_fault};

pub(super) fn client_advice(reason: Reason, facts: &Facts) -> &'static str {
    match reason {
        Reason::CertHasExpired => expired_advice(facts.own_end_ahead),
        Reason::CertNotYetValid => "wait until it is valid, or fix the clock of its issuer.",
        Reason::CertRevoked => {
            "ask its owner whether it is lost; if not, deploy a new certificate."
        }
        Reason::NoCertificate => {
            "configure a certificate; clients send none when no CA that nginx names fits. \
             Health check: declare it public."
        }
        Reason::ErrorInCertNotBeforeField | Reason::ErrorInCertNotAfterField => {
            "reissue with validity dates in the form that X.509 asks for."
        }
        Reason::NoValidScts => "reissue with signed certificate timestamps.",
        reason => match reason.class() {
            Class::Chain => chain_advice(reason),
            Class::Untrusted => untrusted_advice(reason),
            Class::Purpose => purpose_advice(reason),
            Class::Signature => signature_advice(reason),
            Class::Crl | Class::Policy => operator_advice(reason).unwrap_or(UNKNOWN_CAUSE),
            Class::Expired
            | Class::NotYetValid
            | Class::Revoked
            | Class::NoCertificate
            | Class::Other => UNKNOWN_CAUSE,
        },
    }
}

const UNKNOWN_CAUSE: &str =
    "nginx's own text, kept in the audit, says more; `openssl verify` with its chain shows where.";

fn expired_advice(own_end_ahead: Option<bool>) -> &'static str {
    match own_end_ahead {
        Some(true) => {
            "an issuer of it expired: send the renewed issuer; if nginx holds it, renew it in \
             `ssl_client_certificate` and reload."
        }
        Some(false) => "deploy the renewed certificate.",
        None => {
            "deploy the renewed certificate; logging `$ssl_client_v_end` would tell it from an \
             expired issuer."
        }
    }
}

fn chain_advice(reason: Reason) -> &'static str {
    match reason {
        Reason::UnableToVerifyLeafSignature => "send the intermediate after the certificate.",
        Reason::UnableToGetIssuerCertLocally | Reason::CertChainTooLong => {
            "send all intermediates; if it does, two or more need `ssl_verify_depth` above its \
             default 1 in nginx."
        }
        Reason::UnableToGetIssuerCert => {
            "an intermediate is trusted without its root; add the root to `ssl_client_certificate` \
             or `ssl_trusted_certificate`."
        }
        Reason::PathLoop => "send each CA of the chain once; this chain leads back to itself.",
        _ => {
            "send the issuer that signed it; the one found has another name, key or serial number."
        }
    }
}

fn untrusted_advice(reason: Reason) -> &'static str {
    match reason {
        Reason::DepthZeroSelfSignedCert => "get a certificate from our CA; this one signed itself.",
        Reason::SelfSignedCertInChain => {
            "use a certificate of our CA; if that root is our new CA, nginx must trust it before \
             clients move."
        }
        Reason::RpkUntrusted => "send a certificate from our CA instead of a raw public key.",
        Reason::DaneNoMatch => "use a certificate that the TLSA records name.",
        _ => "get a certificate from a CA that nginx trusts for clients.",
    }
}

fn purpose_advice(reason: Reason) -> &'static str {
    match reason {
        Reason::InvalidPurpose => {
            "reissue with extended key usage clientAuth and, if key usage is set, digitalSignature."
        }
        Reason::KeyusageNoDigitalSignature => "reissue with digitalSignature in its key usage.",
        Reason::InvalidCa | Reason::KeyusageNoCertsign => {
            "get a certificate from our CA; the issuer of this one may not sign certificates."
        }
        Reason::InvalidNonCa => "use a client certificate, not one marked as a CA.",
        Reason::PathLengthExceeded => {
            "reissue with no more CAs in the chain than the path length of each allows."
        }
        Reason::PermittedViolation | Reason::ExcludedViolation => {
            "reissue with names that the name constraints of its CA allow."
        }
        Reason::NameConstraintsWithoutSans => {
            "reissue with a subject alternative name, as the name constraints of its CA need one."
        }
        Reason::SubtreeMinmax
        | Reason::UnsupportedConstraintType
        | Reason::UnsupportedConstraintSyntax
        | Reason::UnsupportedNameSyntax => {
            "reissue with names and name constraints of a kind that OpenSSL can check."
        }
        Reason::UnhandledCriticalExtension => {
            "reissue without the critical extension that OpenSSL does not know."
        }
        Reason::NoExplicitPolicy => {
            "reissue with a certificate policy; OpenSSL is set to ask for one."
        }
        Reason::UnnestedResource => "reissue with addresses and AS numbers within those of its CA.",
        Reason::HostnameMismatch | Reason::EmailMismatch | Reason::IpAddressMismatch => {
            "reissue with the host name, email or IP address that the server compares."
        }
        Reason::ProxyPathLengthExceeded
        | Reason::ProxyCertificatesNotAllowed
        | Reason::ProxySubjectNameViolation => {
            "send the client certificate itself; a proxy certificate made from it is refused."
        }
        _ => "reissue with well-formed fields and extensions; nginx's text names the one at fault.",
    }
}

fn signature_advice(reason: Reason) -> &'static str {
    match reason {
        Reason::EeKeyTooSmall | Reason::CaKeyTooSmall | Reason::CaMdTooWeak => {
            "reissue with RSA 2048 or EC, and SHA-256 throughout the chain; its own signature \
             counts too."
        }
        Reason::CertSignatureFailure | Reason::UnableToDecryptCertSignature => {
            "altered, or signed by another CA of that name: compare it with the certificate as \
             issued."
        }
        Reason::NoIssuerPublicKey | Reason::UnableToDecodeIssuerPublicKey => {
            "send the issuer's certificate as its CA published it; its public key cannot be read."
        }
        Reason::EcKeyExplicitParams => {
            "reissue with a named curve; explicit parameters are refused."
        }
        Reason::UnsupportedSignatureAlgorithm
        | Reason::SignatureAlgorithmMismatch
        | Reason::SignatureAlgorithmInconsistency => {
            "reissue with a signature algorithm that OpenSSL knows and that fits its issuer's key."
        }
        _ => "reissue with P-256 or P-384 keys and SHA-256 or SHA-384, as Suite B asks.",
    }
}

/// `None` where the operator has nothing to do that the client's advice does not say.
pub(super) fn operator_advice(reason: Reason) -> Option<&'static str> {
    let advice = match reason {
        Reason::CertHasExpired => {
            "an issuer expired: renew it in `ssl_client_certificate` and reload, or where clients \
             send it."
        }
        Reason::CertRejected => {
            "a CA in `ssl_client_certificate` is marked as rejected for clients; replace it, if \
             its clients should pass."
        }
        Reason::StoreLookup => {
            "looking up an issuer failed: check that the file of `ssl_client_certificate` is \
             whole, then reload."
        }
        Reason::OutOfMem => {
            "OpenSSL had no memory left while it verified: check the limits of nginx."
        }
        Reason::InvalidCall | Reason::ApplicationVerification => {
            "nginx or a module of it stopped the verification; its error log at level info says \
             more."
        }
        Reason::Policy => {
            "if it should pass, put its exact subject on nginx's list: it compares text, \
             `CN=x,O=y` is not `/O=y/CN=x`."
        }
        Reason::PolicyOrApplication => {
            "log `$upstream_addr` to tell whether nginx or the application refused it."
        }
        reason if reason.class() == Class::Crl => revocation_advice(reason),
        _ => return None,
    };
    Some(advice)
}

fn revocation_advice(reason: Reason) -> &'static str {
    match reason {
        Reason::CrlHasExpired => {
            "put a fresh CRL into the file of `ssl_crl`, run `nginx -t`, reload; nginx reads it \
             only then."
        }
        Reason::CrlNotYetValid => {
            "the CRL starts later: check nginx's clock and its CA's, or put the current one into \
             `ssl_crl`."
        }
        Reason::CrlSignatureFailure | Reason::UnableToDecryptCrlSignature => {
            "the CRL in `ssl_crl` is signed by another key than its CA's: fetch it again, reload."
        }
        Reason::UnableToGetCrl => {
            "`ssl_crl` needs a CRL of every CA in the chain, the root's too; then reload."
        }
        Reason::UnableToGetCrlIssuer => {
            "the CA that issued the CRL is not trusted: add it to `ssl_trusted_certificate`, \
             reload."
        }
        Reason::DifferentCrlScope => {
            "no CRL in `ssl_crl` covers certificates like this one: add the full one of its CA, \
             reload."
        }
        Reason::OcspRequestFailed => {
            "check `resolver`, the responder, and that nginx holds the issuer; resumed sessions \
             send no chain."
        }
        Reason::OcspStatusUnknown | Reason::OcspCertUnknown => {
            "the OCSP responder does not know it; if we issued it, the responder lags behind."
        }
        Reason::OcspVerifyNeeded | Reason::OcspNoResponse => {
            "an OCSP answer is demanded and there was none: check `ssl_ocsp` and the responder."
        }
        Reason::OcspVerifyFailed
        | Reason::OcspRespInvalid
        | Reason::OcspSignatureFailure
        | Reason::OcspNotYetValid
        | Reason::OcspHasExpired => {
            "check the OCSP responder: its clock, its signing certificate, how fresh its answers \
             are."
        }
        _ => "OpenSSL cannot use the CRL in `ssl_crl`: have its CA publish it again, then reload.",
    }
}

pub(super) fn stranger_advice(reason: Reason) -> &'static str {
    match reason {
        Reason::NoCertificate => {
            "if it is ours, give it a certificate of a CA that nginx names; a health check: \
             declare it public."
        }
        Reason::UnableToGetCrl => {
            "with `ssl_crl` set, any certificate of a foreign CA reads like this; if not ours, \
             block the address."
        }
        Reason::UnableToGetIssuerCert => {
            "if it is ours, an intermediate is trusted without its root: add the root to \
             `ssl_client_certificate`."
        }
        Reason::CertRevoked => "no known client uses it; ask its owner whether the key is lost.",
        Reason::UnableToVerifyLeafSignature
        | Reason::UnableToGetIssuerCertLocally
        | Reason::CertChainTooLong => {
            "its name is its own word; if it is ours, it must send the intermediates; if not, \
             block the address."
        }
        Reason::CertHasExpired => {
            "its name is its own word; if it is ours, it needs a renewed certificate; if not, \
             block the address."
        }
        Reason::Policy | Reason::PolicyOrApplication => {
            operator_advice(reason).unwrap_or(UNKNOWN_CAUSE)
        }
        reason if reason.class() == Class::Crl => {
            "no known client is refused for it; check the CRL or the OCSP responder all the same."
        }
        reason if is_operators_fault(reason) => {
            "no known client is refused for it; if more of them come, see nginx's error log."
        }
        _ => {
            "its name is its own word; if it is ours, give it a certificate from our CA; if not, \
             block the address."
        }
    }
}
