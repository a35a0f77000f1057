//! The names of the built-in rules. What they say is not this file's.

/// Every built-in rule once, the most urgent first.
pub const NAMES: [&str; 23] = [
    "certificate_failed_open",
    "retired_admitted",
    "expired_admitted",
    "known_client_locked_out",
    "route_failure_ratio",
    "route_lockout",
    "verification_infrastructure",
    "clock_skew",
    "upstream_tls_failing",
    "revoked_certificate_used",
    "fingerprint_denied_repeatedly",
    "policy_denied_known",
    "address_tries_certificates",
    "address_refused_repeatedly",
    "issuer_first_admitted",
    "subject_changed_issuer",
    "certificate_shared",
    "misdirected_requests",
    "certificate_expiring",
    "log_silent",
    "log_unparsed",
    "certificate_long_lived",
    "tls_deprecated",
];
