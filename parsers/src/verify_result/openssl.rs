//! The verification errors nginx can name after `FAILED:`, one per `X509_V_ERR_*` macro, each with
//! every wording it has had.
//!
//! Where they were read: each text is what `X509_verify_cert_error_string()` returned for its
//! number in OpenSSL 1.1.1w, 3.0.19, 3.1.1, 3.2.0, 3.3.1, 3.4.0, 3.5.9 and 4.0.3; the macros and
//! numbers come from `x509_vfy.h` of 3.0 and 4.0. `LibreSSL` 3.8 and `BoringSSL` use the wordings of
//! 1.1.1 except for one text each, read from their `x509_txt.c`. The two of `ngx_ssl_ocsp_get_status`
//! are from nginx's `ngx_event_openssl_stapling.c`; its third, `certificate revoked`, is the text of
//! `X509_V_ERR_CERT_REVOKED` too, so a revocation has one entry whoever reported it.
//! `tests/data/x509_verify_errors.tsv` says which version showed which wording.
//!
//! No two macros share a text. 101 and 104 have a macro in 4.0 but no text up to 4.0.3: nginx then
//! writes the text for unknown numbers, which is not in this table.

/// One verification error: its number and macro in OpenSSL, and every text it was seen with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifyError {
    /// OpenSSL 3.x's number, as the error log writes it; `None` for what OpenSSL does not know.
    /// The number is no key across versions: 24 was `invalid_ca` and 79 `ec_key_explicit_params`
    /// in 1.1.1, and `LibreSSL` numbers 65 to 69 differently. The text decides.
    pub number: Option<u16>,
    /// The macro in lower case without `X509_V_ERR_`, such as `cert_has_expired`.
    pub macro_name: &'static str,
    /// Every wording, oldest first; at least one.
    pub texts: &'static [&'static str],
}

const fn error(
    number: Option<u16>,
    macro_name: &'static str,
    texts: &'static [&'static str],
) -> VerifyError {
    VerifyError { number, macro_name, texts }
}

/// Every verification error, in order of its number; those without one come last.
pub static VERIFY_ERRORS: [VerifyError; 105] = [
    error(
        Some(1),
        "unspecified",
        &[
            "unspecified certificate verification error",
            "Unspecified certificate verification error",
        ],
    ),
    error(Some(2), "unable_to_get_issuer_cert", &["unable to get issuer certificate"]),
    error(Some(3), "unable_to_get_crl", &["unable to get certificate CRL"]),
    error(
        Some(4),
        "unable_to_decrypt_cert_signature",
        &["unable to decrypt certificate's signature"],
    ),
    error(Some(5), "unable_to_decrypt_crl_signature", &["unable to decrypt CRL's signature"]),
    error(Some(6), "unable_to_decode_issuer_public_key", &["unable to decode issuer public key"]),
    error(Some(7), "cert_signature_failure", &["certificate signature failure"]),
    error(Some(8), "crl_signature_failure", &["CRL signature failure"]),
    error(
        Some(9),
        "cert_not_yet_valid",
        &[
            "certificate is not yet valid",
            "certificate is not yet valid or the system clock is incorrect",
        ],
    ),
    error(Some(10), "cert_has_expired", &["certificate has expired"]),
    error(Some(11), "crl_not_yet_valid", &["CRL is not yet valid"]),
    error(Some(12), "crl_has_expired", &["CRL has expired"]),
    error(
        Some(13),
        "error_in_cert_not_before_field",
        &["format error in certificate's notBefore field"],
    ),
    error(
        Some(14),
        "error_in_cert_not_after_field",
        &["format error in certificate's notAfter field"],
    ),
    error(Some(15), "error_in_crl_last_update_field", &["format error in CRL's lastUpdate field"]),
    error(Some(16), "error_in_crl_next_update_field", &["format error in CRL's nextUpdate field"]),
    error(Some(17), "out_of_mem", &["out of memory"]),
    error(
        Some(18),
        "depth_zero_self_signed_cert",
        &["self signed certificate", "self-signed certificate"],
    ),
    error(
        Some(19),
        "self_signed_cert_in_chain",
        &[
            "self signed certificate in certificate chain",
            "self-signed certificate in certificate chain",
        ],
    ),
    error(
        Some(20),
        "unable_to_get_issuer_cert_locally",
        &["unable to get local issuer certificate"],
    ),
    error(Some(21), "unable_to_verify_leaf_signature", &["unable to verify the first certificate"]),
    error(Some(22), "cert_chain_too_long", &["certificate chain too long"]),
    error(Some(23), "cert_revoked", &["certificate revoked"]),
    error(Some(24), "no_issuer_public_key", &["issuer certificate doesn't have a public key"]),
    error(Some(25), "path_length_exceeded", &["path length constraint exceeded"]),
    error(
        Some(26),
        "invalid_purpose",
        &["unsupported certificate purpose", "unsuitable certificate purpose"],
    ),
    error(Some(27), "cert_untrusted", &["certificate not trusted"]),
    error(Some(28), "cert_rejected", &["certificate rejected"]),
    error(Some(29), "subject_issuer_mismatch", &["subject issuer mismatch"]),
    error(Some(30), "akid_skid_mismatch", &["authority and subject key identifier mismatch"]),
    error(
        Some(31),
        "akid_issuer_serial_mismatch",
        &["authority and issuer serial number mismatch"],
    ),
    error(Some(32), "keyusage_no_certsign", &["key usage does not include certificate signing"]),
    error(Some(33), "unable_to_get_crl_issuer", &["unable to get CRL issuer certificate"]),
    error(Some(34), "unhandled_critical_extension", &["unhandled critical extension"]),
    error(Some(35), "keyusage_no_crl_sign", &["key usage does not include CRL signing"]),
    error(Some(36), "unhandled_critical_crl_extension", &["unhandled critical CRL extension"]),
    error(Some(37), "invalid_non_ca", &["invalid non-CA certificate (has CA markings)"]),
    error(Some(38), "proxy_path_length_exceeded", &["proxy path length constraint exceeded"]),
    error(
        Some(39),
        "keyusage_no_digital_signature",
        &["key usage does not include digital signature"],
    ),
    error(
        Some(40),
        "proxy_certificates_not_allowed",
        &["proxy certificates not allowed, please set the appropriate flag"],
    ),
    error(Some(41), "invalid_extension", &["invalid or inconsistent certificate extension"]),
    error(
        Some(42),
        "invalid_policy_extension",
        &["invalid or inconsistent certificate policy extension"],
    ),
    error(Some(43), "no_explicit_policy", &["no explicit policy"]),
    error(Some(44), "different_crl_scope", &["Different CRL scope", "different CRL scope"]),
    error(
        Some(45),
        "unsupported_extension_feature",
        &["Unsupported extension feature", "unsupported extension feature"],
    ),
    error(Some(46), "unnested_resource", &["RFC 3779 resource not subset of parent's resources"]),
    error(Some(47), "permitted_violation", &["permitted subtree violation"]),
    error(Some(48), "excluded_violation", &["excluded subtree violation"]),
    error(Some(49), "subtree_minmax", &["name constraints minimum and maximum not supported"]),
    error(Some(50), "application_verification", &["application verification failure"]),
    error(Some(51), "unsupported_constraint_type", &["unsupported name constraint type"]),
    error(
        Some(52),
        "unsupported_constraint_syntax",
        &["unsupported or invalid name constraint syntax"],
    ),
    error(Some(53), "unsupported_name_syntax", &["unsupported or invalid name syntax"]),
    error(Some(54), "crl_path_validation_error", &["CRL path validation error"]),
    error(Some(55), "path_loop", &["Path Loop", "path loop"]),
    error(Some(56), "suite_b_invalid_version", &["Suite B: certificate version invalid"]),
    error(Some(57), "suite_b_invalid_algorithm", &["Suite B: invalid public key algorithm"]),
    error(Some(58), "suite_b_invalid_curve", &["Suite B: invalid ECC curve"]),
    error(
        Some(59),
        "suite_b_invalid_signature_algorithm",
        &["Suite B: invalid signature algorithm"],
    ),
    error(Some(60), "suite_b_los_not_allowed", &["Suite B: curve not allowed for this LOS"]),
    error(
        Some(61),
        "suite_b_cannot_sign_p_384_with_p_256",
        &["Suite B: cannot sign P-384 with P-256"],
    ),
    error(Some(62), "hostname_mismatch", &["Hostname mismatch", "hostname mismatch"]),
    error(Some(63), "email_mismatch", &["Email address mismatch", "email address mismatch"]),
    error(Some(64), "ip_address_mismatch", &["IP address mismatch"]),
    error(
        Some(65),
        "dane_no_match",
        &["No matching DANE TLSA records", "no matching DANE TLSA records"],
    ),
    error(Some(66), "ee_key_too_small", &["EE certificate key too weak"]),
    error(Some(67), "ca_key_too_small", &["CA certificate key too weak"]),
    error(Some(68), "ca_md_too_weak", &["CA signature digest algorithm too weak"]),
    error(
        Some(69),
        "invalid_call",
        &["Invalid certificate verification context", "invalid certificate verification context"],
    ),
    error(
        Some(70),
        "store_lookup",
        &["Issuer certificate lookup error", "issuer certificate lookup error"],
    ),
    error(
        Some(71),
        "no_valid_scts",
        &["Certificate Transparency required, but no valid SCTs found"],
    ),
    error(Some(72), "proxy_subject_name_violation", &["proxy subject name violation"]),
    error(Some(73), "ocsp_verify_needed", &["OCSP verification needed"]),
    error(Some(74), "ocsp_verify_failed", &["OCSP verification failed"]),
    error(Some(75), "ocsp_cert_unknown", &["OCSP unknown cert"]),
    error(
        Some(76),
        "unsupported_signature_algorithm",
        &["Cannot find certificate signature algorithm"],
    ),
    error(
        Some(77),
        "signature_algorithm_mismatch",
        &["subject signature algorithm and issuer public key algorithm mismatch"],
    ),
    error(
        Some(78),
        "signature_algorithm_inconsistency",
        &["cert info signature and signature algorithm mismatch"],
    ),
    error(Some(79), "invalid_ca", &["invalid CA certificate"]),
    error(Some(80), "pathlen_invalid_for_non_ca", &["Path length invalid for non-CA cert"]),
    error(
        Some(81),
        "pathlen_without_ku_key_cert_sign",
        &["Path length given without key usage keyCertSign"],
    ),
    error(
        Some(82),
        "ku_key_cert_sign_invalid_for_non_ca",
        &["Key usage keyCertSign invalid for non-CA cert"],
    ),
    error(Some(83), "issuer_name_empty", &["Issuer name empty"]),
    error(Some(84), "subject_name_empty", &["Subject name empty"]),
    error(Some(85), "missing_authority_key_identifier", &["Missing Authority Key Identifier"]),
    error(Some(86), "missing_subject_key_identifier", &["Missing Subject Key Identifier"]),
    error(Some(87), "empty_subject_alt_name", &["Empty Subject Alternative Name extension"]),
    error(
        Some(88),
        "empty_subject_san_not_critical",
        &["Subject empty and Subject Alt Name extension not critical"],
    ),
    error(Some(89), "ca_bcons_not_critical", &["Basic Constraints of CA cert not marked critical"]),
    error(
        Some(90),
        "authority_key_identifier_critical",
        &["Authority Key Identifier marked critical"],
    ),
    error(Some(91), "subject_key_identifier_critical", &["Subject Key Identifier marked critical"]),
    error(Some(92), "ca_cert_missing_key_usage", &["CA cert does not include key usage extension"]),
    error(
        Some(93),
        "extensions_require_version_3",
        &["Using cert extension requires at least X509v3"],
    ),
    error(
        Some(94),
        "ec_key_explicit_params",
        &["Certificate public key has explicit ECC parameters"],
    ),
    error(Some(95), "rpk_untrusted", &["Raw public key untrusted, no trusted keys configured"]),
    error(Some(96), "ocsp_resp_invalid", &["OCSP response(s) invalid"]),
    error(Some(97), "ocsp_signature_failure", &["OCSP response signature verification failure"]),
    error(
        Some(98),
        "ocsp_not_yet_valid",
        &["OCSP response not yet valid (contains a date in the future)"],
    ),
    error(Some(99), "ocsp_has_expired", &["OCSP response has expired"]),
    error(Some(100), "ocsp_no_response", &["no OCSP response available for certificate"]),
    error(Some(102), "empty_authority_key_identifier", &["Empty Authority Key Identifier"]),
    error(
        Some(103),
        "akid_issuer_serial_not_paired",
        &["Authority Key Identifier issuer and serial number must be paired"],
    ),
    error(None, "ocsp_status_unknown", &["certificate status unknown"]),
    error(None, "ocsp_request_failed", &["certificate status request failed"]),
    error(
        None,
        "name_constraints_without_sans",
        &["Issuer has name constraints but leaf has no SANs"],
    ),
];
