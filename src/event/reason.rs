//! Why a client was refused: one closed list for metric labels, reports and rules.
//!
//! Owns the names, their class, their short word and the way from nginx's text to a name. The texts
//! themselves are [`gatelog_parsers::verify_result`]'s; whose side it is and what to do is
//! [`super::advice`]'s. The raw text of a failure is kept in the audit, not here.
//!
//! The names are OpenSSL's macros in lower case without `X509_V_ERR_`, so that they can be looked
//! up in its manual (`X509_STORE_CTX_get_error(3)`) and do not change with its wordings.
//!
//! A class says which part of the verification failed, by what OpenSSL's manual says of the macro:
//!
//! - the dates and the revocation of a certificate are [`Class::Expired`], [`Class::NotYetValid`],
//!   [`Class::Revoked`];
//! - a chain whose end is found but not trusted is [`Class::Untrusted`], one whose next issuer is
//!   not found or does not fit is [`Class::Chain`];
//! - what a certificate or its issuer says about itself (its use, its names, its extensions and the
//!   form that strict checking demands of them) is [`Class::Purpose`];
//! - anything about a CRL or an OCSP answer, also its own dates, signature and issuer, is
//!   [`Class::Crl`], for it says nothing bad about the certificate;
//! - keys, digests and signatures of certificates are [`Class::Signature`], also Suite B's rules;
//! - what tells nothing about either (no memory, a wrong call, a date that cannot be read, another
//!   module's veto) is [`Class::Other`].

use std::fmt;

use gatelog_parsers::verify_result::verify_error;

macro_rules! reasons {
    ($($variant:ident, $name:literal, $class:ident, $word:literal;)+) => {
        /// Why a request failed or was forbidden. The order, OpenSSL's macros by number first, is
        /// that of [`gatelog_parsers::verify_result::VERIFY_ERRORS`] and may change between
        /// releases: store the name, not the number.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Reason {
            $(#[doc = concat!("`", $name, "`: ", $word)] $variant,)+
        }

        impl Reason {
            /// Every reason once, in order.
            pub const ALL: [Reason; [$($name),+].len()] = [$(Reason::$variant),+];

            /// The name used in labels, JSON and configuration, such as `cert_has_expired`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Reason::$variant => $name,)+ }
            }

            /// The class it belongs to; the module says by which rule.
            #[must_use]
            pub const fn class(self) -> Class {
                match self { $(Reason::$variant => Class::$class,)+ }
            }

            /// Two or three words for a table cell, such as `intermediate missing`; at most
            /// [`SHORT_WORD_BYTES_MAX`] bytes, and shared by reasons that call for the same act.
            #[must_use]
            pub const fn short_word(self) -> &'static str {
                match self { $(Reason::$variant => $word,)+ }
            }
        }
    };
}

reasons! {
    Unspecified, "unspecified", Other, "unspecified error";
    UnableToGetIssuerCert, "unable_to_get_issuer_cert", Chain, "root missing";
    UnableToGetCrl, "unable_to_get_crl", Crl, "no CRL for its issuer";
    UnableToDecryptCertSignature, "unable_to_decrypt_cert_signature",
        Signature, "unreadable signature";
    UnableToDecryptCrlSignature, "unable_to_decrypt_crl_signature", Crl, "CRL unusable";
    UnableToDecodeIssuerPublicKey, "unable_to_decode_issuer_public_key",
        Signature, "issuer key unreadable";
    CertSignatureFailure, "cert_signature_failure", Signature, "bad signature";
    CrlSignatureFailure, "crl_signature_failure", Crl, "CRL unusable";
    CertNotYetValid, "cert_not_yet_valid", NotYetValid, "not valid yet";
    CertHasExpired, "cert_has_expired", Expired, "expired";
    CrlNotYetValid, "crl_not_yet_valid", Crl, "CRL unusable";
    CrlHasExpired, "crl_has_expired", Crl, "CRL expired";
    ErrorInCertNotBeforeField, "error_in_cert_not_before_field", Other, "unreadable start date";
    ErrorInCertNotAfterField, "error_in_cert_not_after_field", Other, "unreadable end date";
    ErrorInCrlLastUpdateField, "error_in_crl_last_update_field", Crl, "CRL unusable";
    ErrorInCrlNextUpdateField, "error_in_crl_next_update_field", Crl, "CRL unusable";
    OutOfMem, "out_of_mem", Other, "out of memory";
    DepthZeroSelfSignedCert, "depth_zero_self_signed_cert", Untrusted, "self-signed";
    SelfSignedCertInChain, "self_signed_cert_in_chain", Untrusted, "foreign root";
    UnableToGetIssuerCertLocally, "unable_to_get_issuer_cert_locally", Chain, "chain incomplete";
    UnableToVerifyLeafSignature, "unable_to_verify_leaf_signature", Chain, "intermediate missing";
    CertChainTooLong, "cert_chain_too_long", Chain, "chain incomplete";
    CertRevoked, "cert_revoked", Revoked, "revoked";
    NoIssuerPublicKey, "no_issuer_public_key", Signature, "issuer without key";
    PathLengthExceeded, "path_length_exceeded", Purpose, "too many CAs";
    InvalidPurpose, "invalid_purpose", Purpose, "wrong purpose";
    CertUntrusted, "cert_untrusted", Untrusted, "untrusted";
    CertRejected, "cert_rejected", Untrusted, "distrusted";
    SubjectIssuerMismatch, "subject_issuer_mismatch", Chain, "issuer does not match";
    AkidSkidMismatch, "akid_skid_mismatch", Chain, "issuer key differs";
    AkidIssuerSerialMismatch, "akid_issuer_serial_mismatch", Chain, "issuer serial differs";
    KeyusageNoCertsign, "keyusage_no_certsign", Purpose, "issuer is no CA";
    UnableToGetCrlIssuer, "unable_to_get_crl_issuer", Crl, "CRL issuer missing";
    UnhandledCriticalExtension, "unhandled_critical_extension", Purpose, "unknown extension";
    KeyusageNoCrlSign, "keyusage_no_crl_sign", Crl, "CRL unusable";
    UnhandledCriticalCrlExtension, "unhandled_critical_crl_extension", Crl, "CRL unusable";
    InvalidNonCa, "invalid_non_ca", Purpose, "CA used as client";
    ProxyPathLengthExceeded, "proxy_path_length_exceeded", Purpose, "too many proxies";
    KeyusageNoDigitalSignature, "keyusage_no_digital_signature", Purpose, "key cannot sign";
    ProxyCertificatesNotAllowed, "proxy_certificates_not_allowed", Purpose, "proxy certificate";
    InvalidExtension, "invalid_extension", Purpose, "bad extension";
    InvalidPolicyExtension, "invalid_policy_extension", Purpose, "bad policy extension";
    NoExplicitPolicy, "no_explicit_policy", Purpose, "no CA policy";
    DifferentCrlScope, "different_crl_scope", Crl, "CRL of other scope";
    UnsupportedExtensionFeature, "unsupported_extension_feature", Purpose, "unsupported extension";
    UnnestedResource, "unnested_resource", Purpose, "resource not allowed";
    PermittedViolation, "permitted_violation", Purpose, "name not allowed";
    ExcludedViolation, "excluded_violation", Purpose, "name not allowed";
    SubtreeMinmax, "subtree_minmax", Purpose, "bad name constraint";
    ApplicationVerification, "application_verification", Other, "refused by a module";
    UnsupportedConstraintType, "unsupported_constraint_type", Purpose, "bad name constraint";
    UnsupportedConstraintSyntax, "unsupported_constraint_syntax", Purpose, "bad name constraint";
    UnsupportedNameSyntax, "unsupported_name_syntax", Purpose, "bad name syntax";
    CrlPathValidationError, "crl_path_validation_error", Crl, "CRL unusable";
    PathLoop, "path_loop", Chain, "chain loops";
    SuiteBInvalidVersion, "suite_b_invalid_version", Signature, "not Suite B";
    SuiteBInvalidAlgorithm, "suite_b_invalid_algorithm", Signature, "not Suite B";
    SuiteBInvalidCurve, "suite_b_invalid_curve", Signature, "not Suite B";
    SuiteBInvalidSignatureAlgorithm, "suite_b_invalid_signature_algorithm",
        Signature, "not Suite B";
    SuiteBLosNotAllowed, "suite_b_los_not_allowed", Signature, "not Suite B";
    SuiteBCannotSignP384WithP256, "suite_b_cannot_sign_p_384_with_p_256", Signature, "not Suite B";
    HostnameMismatch, "hostname_mismatch", Purpose, "other host name";
    EmailMismatch, "email_mismatch", Purpose, "other email address";
    IpAddressMismatch, "ip_address_mismatch", Purpose, "other IP address";
    DaneNoMatch, "dane_no_match", Untrusted, "not in DANE";
    EeKeyTooSmall, "ee_key_too_small", Signature, "weak key";
    CaKeyTooSmall, "ca_key_too_small", Signature, "weak key";
    CaMdTooWeak, "ca_md_too_weak", Signature, "weak digest";
    InvalidCall, "invalid_call", Other, "verification not set up";
    StoreLookup, "store_lookup", Chain, "issuer lookup failed";
    NoValidScts, "no_valid_scts", Other, "no transparency proof";
    ProxySubjectNameViolation, "proxy_subject_name_violation", Purpose, "bad proxy name";
    OcspVerifyNeeded, "ocsp_verify_needed", Crl, "OCSP needed";
    OcspVerifyFailed, "ocsp_verify_failed", Crl, "OCSP failed";
    OcspCertUnknown, "ocsp_cert_unknown", Crl, "unknown to OCSP";
    UnsupportedSignatureAlgorithm, "unsupported_signature_algorithm",
        Signature, "unknown algorithm";
    SignatureAlgorithmMismatch, "signature_algorithm_mismatch", Signature, "algorithms differ";
    SignatureAlgorithmInconsistency, "signature_algorithm_inconsistency",
        Signature, "algorithms differ";
    InvalidCa, "invalid_ca", Purpose, "issuer is no CA";
    PathlenInvalidForNonCa, "pathlen_invalid_for_non_ca", Purpose, "malformed CA fields";
    PathlenWithoutKuKeyCertSign, "pathlen_without_ku_key_cert_sign", Purpose, "malformed CA fields";
    KuKeyCertSignInvalidForNonCa, "ku_key_cert_sign_invalid_for_non_ca",
        Purpose, "malformed CA fields";
    IssuerNameEmpty, "issuer_name_empty", Purpose, "no issuer name";
    SubjectNameEmpty, "subject_name_empty", Purpose, "no subject name";
    MissingAuthorityKeyIdentifier, "missing_authority_key_identifier", Purpose, "no issuer key id";
    MissingSubjectKeyIdentifier, "missing_subject_key_identifier", Purpose, "no key id";
    EmptySubjectAltName, "empty_subject_alt_name", Purpose, "empty alternative name";
    EmptySubjectSanNotCritical, "empty_subject_san_not_critical",
        Purpose, "alternative name not critical";
    CaBconsNotCritical, "ca_bcons_not_critical", Purpose, "malformed CA fields";
    AuthorityKeyIdentifierCritical, "authority_key_identifier_critical", Purpose, "key id critical";
    SubjectKeyIdentifierCritical, "subject_key_identifier_critical", Purpose, "key id critical";
    CaCertMissingKeyUsage, "ca_cert_missing_key_usage", Purpose, "CA without key usage";
    ExtensionsRequireVersion3, "extensions_require_version_3", Purpose, "old X.509 version";
    EcKeyExplicitParams, "ec_key_explicit_params", Signature, "unnamed curve";
    RpkUntrusted, "rpk_untrusted", Untrusted, "untrusted raw key";
    OcspRespInvalid, "ocsp_resp_invalid", Crl, "OCSP answer unusable";
    OcspSignatureFailure, "ocsp_signature_failure", Crl, "OCSP answer unusable";
    OcspNotYetValid, "ocsp_not_yet_valid", Crl, "OCSP answer unusable";
    OcspHasExpired, "ocsp_has_expired", Crl, "OCSP answer expired";
    OcspNoResponse, "ocsp_no_response", Crl, "no OCSP answer";
    EmptyAuthorityKeyIdentifier, "empty_authority_key_identifier", Purpose, "no issuer key id";
    AkidIssuerSerialNotPaired, "akid_issuer_serial_not_paired", Purpose, "bad issuer key id";
    OcspStatusUnknown, "ocsp_status_unknown", Crl, "unknown to OCSP";
    OcspRequestFailed, "ocsp_request_failed", Crl, "OCSP unreachable";
    NameConstraintsWithoutSans, "name_constraints_without_sans", Purpose, "no alternative name";
    NoCertificate, "no_certificate", NoCertificate, "no certificate";
    Policy, "policy", Policy, "forbidden by policy";
    PolicyOrApplication, "policy_or_application", Policy, "forbidden";
    Other, "other", Other, "other";
}

/// Longest short word, in bytes, so that a column for them has a known width.
pub const SHORT_WORD_BYTES_MAX: usize = 29;

impl Reason {
    /// The reason for the text after `FAILED:`, in any wording of any version; [`Reason::Other`]
    /// for an unknown or empty one.
    #[must_use]
    pub fn from_failed_text(text: &[u8]) -> Reason {
        verify_error(text)
            .and_then(|index| Reason::ALL.get(index).copied())
            .unwrap_or(Reason::Other)
    }

    /// The reason with this [name](Reason::as_str).
    #[must_use]
    pub fn from_name(name: &str) -> Option<Reason> {
        Reason::ALL.into_iter().find(|reason| reason.as_str() == name)
    }

    /// Whether `ssl_verify_client optional_no_ca` lets a request with this failure through: nginx's
    /// `ngx_ssl_verify_error_optional` in `src/event/ngx_event_openssl.h`, numbers 18 to 21 and 27.
    #[must_use]
    pub const fn can_pass_optional_no_ca(self) -> bool {
        matches!(
            self,
            Reason::DepthZeroSelfSignedCert
                | Reason::SelfSignedCertInChain
                | Reason::UnableToGetIssuerCertLocally
                | Reason::UnableToVerifyLeafSignature
                | Reason::CertUntrusted
        )
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

macro_rules! classes {
    ($($(#[$doc:meta])+ $variant:ident, $name:literal;)+) => {
        /// Which part of the verification failed: a coarse [`Reason`].
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Class { $($(#[$doc])+ $variant,)+ }

        impl Class {
            /// Every class once, in order.
            pub const ALL: [Class; [$($name),+].len()] = [$(Class::$variant),+];

            /// The name used in JSON and configuration, such as `not_yet_valid`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Class::$variant => $name,)+ }
            }
        }
    };
}

classes! {
    /// The certificate, or one above it, has expired.
    Expired, "expired";
    /// The certificate, or one above it, is not valid yet.
    NotYetValid, "not_yet_valid";
    /// The certificate was revoked, says a CRL or OCSP.
    Revoked, "revoked";
    /// The chain ends, but not at a trusted root.
    Untrusted, "untrusted";
    /// An issuer is missing, does not fit, or the chain is too long.
    Chain, "chain";
    /// Purpose, key usage, CA flag, path length, names or extensions forbid it.
    Purpose, "purpose";
    /// A CRL or OCSP answer is missing, stale, unusable or unreachable.
    Crl, "crl";
    /// A bad signature, or a key or digest too weak.
    Signature, "signature";
    /// None was sent.
    NoCertificate, "no_certificate";
    /// Valid, but not allowed here.
    Policy, "policy";
    /// Anything else.
    Other, "other";
}

impl Class {
    /// The class with this [name](Class::as_str).
    #[must_use]
    pub fn from_name(name: &str) -> Option<Class> {
        Class::ALL.into_iter().find(|class| class.as_str() == name)
    }
}

impl fmt::Display for Class {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use gatelog_parsers::verify_result::VERIFY_ERRORS;

    use super::*;

    #[test]
    fn the_first_reasons_are_the_verify_errors() {
        for (index, error) in VERIFY_ERRORS.iter().enumerate() {
            let reason = Reason::ALL[index];
            assert_eq!(reason.as_str(), error.macro_name);
            for text in error.texts {
                assert_eq!(Reason::from_failed_text(text.as_bytes()), reason, "{text:?}");
            }
        }
        let beyond: Vec<&str> =
            Reason::ALL[VERIFY_ERRORS.len()..].iter().map(|reason| reason.as_str()).collect();
        assert_eq!(beyond, ["no_certificate", "policy", "policy_or_application", "other"]);
    }

    #[test]
    fn unknown_texts_are_other() {
        for text in ["", "certificate has expired!", "unknown certificate verification error"] {
            assert_eq!(Reason::from_failed_text(text.as_bytes()), Reason::Other, "{text:?}");
        }
    }

    #[test]
    fn names_and_words_are_fit_to_print() {
        let mut names = BTreeSet::new();
        for reason in Reason::ALL {
            let (name, word) = (reason.as_str(), reason.short_word());
            assert!(names.insert(name), "{name} twice");
            assert!(name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_')));
            assert!(!word.is_empty() && word.len() <= SHORT_WORD_BYTES_MAX, "{name}: {word:?}");
            assert!(word.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' '), "{word:?}");
            assert_eq!(Reason::from_name(name), Some(reason));
            assert_eq!(format!("{reason:>40}").trim_start(), name);
        }
        for class in Class::ALL {
            assert_eq!(Class::from_name(class.as_str()), Some(class));
            assert!(Reason::ALL.iter().any(|reason| reason.class() == class), "{class} is empty");
        }
        assert_eq!(Reason::from_name("certificate has expired"), None);
        assert_eq!(Class::from_name("Expired"), None);
        assert_eq!(size_of::<Option<Reason>>(), 1);
    }

    #[test]
    fn five_failures_can_pass() {
        let passing: Vec<Option<u16>> = VERIFY_ERRORS
            .iter()
            .zip(Reason::ALL)
            .filter(|(_, reason)| reason.can_pass_optional_no_ca())
            .map(|(error, _)| error.number)
            .collect();
        assert_eq!(passing, [18, 19, 20, 21, 27].map(Some));
        assert_eq!(
            Reason::ALL.iter().filter(|reason| reason.can_pass_optional_no_ca()).count(),
            passing.len()
        );
    }

    #[test]
    fn classes_and_words_are_as_designed() {
        fn check(name: &str, class: &str, word: &str) {
            let reason = Reason::from_name(name).unwrap_or_else(|| panic!("no reason {name}"));
            assert_eq!((reason.class().as_str(), reason.short_word()), (class, word), "{name}");
        }
        check("cert_has_expired", "expired", "expired");
        check("cert_not_yet_valid", "not_yet_valid", "not valid yet");
        check("cert_revoked", "revoked", "revoked");
        check("unable_to_verify_leaf_signature", "chain", "intermediate missing");
        check("unable_to_get_issuer_cert_locally", "chain", "chain incomplete");
        check("cert_chain_too_long", "chain", "chain incomplete");
        check("unable_to_get_issuer_cert", "chain", "root missing");
        check("self_signed_cert_in_chain", "untrusted", "foreign root");
        check("depth_zero_self_signed_cert", "untrusted", "self-signed");
        check("cert_untrusted", "untrusted", "untrusted");
        check("invalid_purpose", "purpose", "wrong purpose");
        check("invalid_ca", "purpose", "issuer is no CA");
        check("keyusage_no_certsign", "purpose", "issuer is no CA");
        check("path_length_exceeded", "purpose", "too many CAs");
        check("permitted_violation", "purpose", "name not allowed");
        check("excluded_violation", "purpose", "name not allowed");
        check("unhandled_critical_extension", "purpose", "unknown extension");
        check("ee_key_too_small", "signature", "weak key");
        check("ca_key_too_small", "signature", "weak key");
        check("ca_md_too_weak", "signature", "weak digest");
        check("cert_signature_failure", "signature", "bad signature");
        check("crl_has_expired", "crl", "CRL expired");
        check("crl_not_yet_valid", "crl", "CRL unusable");
        check("crl_signature_failure", "crl", "CRL unusable");
        check("unable_to_get_crl", "crl", "no CRL for its issuer");
        check("ocsp_request_failed", "crl", "OCSP unreachable");
        check("ocsp_status_unknown", "crl", "unknown to OCSP");
        check("no_certificate", "no_certificate", "no certificate");
        check("policy", "policy", "forbidden by policy");
        check("policy_or_application", "policy", "forbidden");
        check("other", "other", "other");
    }

    #[test]
    fn every_crl_and_ocsp_name_is_of_class_crl() {
        for reason in Reason::ALL {
            let name = reason.as_str();
            let is_about_revocation = name.contains("crl") || name.contains("ocsp");
            assert_eq!(reason.class() == Class::Crl, is_about_revocation, "{name}");
        }
    }
}
