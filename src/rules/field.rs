//! What rules ask of an event, and group by: the keys of `where`, the names in `by` and `of`.

/// A property of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// The outcome at the gate.
    Verdict,
    /// Why it failed or was forbidden.
    Reason,
    /// The class of the reason.
    Class,
    /// The server's name.
    Server,
    /// The route.
    Route,
    /// The whole subject, RFC 2253.
    SubjectDn,
    /// The subject's first `CN`.
    Cn,
    /// The subject's first `O`.
    O,
    /// The whole issuer, RFC 2253.
    IssuerDn,
    /// SHA-1 of the certificate, 40 lowercase hex digits.
    Fingerprint,
    /// The client's address.
    RemoteAddr,
    /// `$ssl_protocol`
    TlsProtocol,
    /// `$ssl_cipher`
    TlsCipher,
    /// The upstream that was contacted last.
    Upstream,
    /// `true` when the certificate was verified here in the last 30 days, else `false`.
    Known,
    /// The name of the source.
    Source,
    /// Who owns the client, as `[[identity]]` says.
    Owner,
}

impl Field {
    /// Every field once.
    pub const ALL: [Field; 17] = [
        Field::Verdict,
        Field::Reason,
        Field::Class,
        Field::Server,
        Field::Route,
        Field::SubjectDn,
        Field::Cn,
        Field::O,
        Field::IssuerDn,
        Field::Fingerprint,
        Field::RemoteAddr,
        Field::TlsProtocol,
        Field::TlsCipher,
        Field::Upstream,
        Field::Known,
        Field::Source,
        Field::Owner,
    ];

    /// Its name in the configuration and as a label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Field::Verdict => "verdict",
            Field::Reason => "reason",
            Field::Class => "class",
            Field::Server => "server",
            Field::Route => "route",
            Field::SubjectDn => "subject_dn",
            Field::Cn => "cn",
            Field::O => "o",
            Field::IssuerDn => "issuer_dn",
            Field::Fingerprint => "fingerprint",
            Field::RemoteAddr => "remote_addr",
            Field::TlsProtocol => "tls_protocol",
            Field::TlsCipher => "tls_cipher",
            Field::Upstream => "upstream",
            Field::Known => "known",
            Field::Source => "source",
            Field::Owner => "owner",
        }
    }

    /// The field of a name.
    pub fn from_name(name: &str) -> Option<Field> {
        Field::ALL.into_iter().find(|field| field.as_str() == name)
    }

    /// The values that it can have, where they are few and fixed.
    pub fn closed_values(self) -> Option<Vec<&'static str>> {
        use crate::event::reason::{Class, Reason};
        use crate::event::verdict::Verdict;
        match self {
            Field::Verdict => Some(Verdict::ALL.map(Verdict::as_str).to_vec()),
            Field::Reason => Some(Reason::ALL.map(Reason::as_str).to_vec()),
            Field::Class => Some(Class::ALL.map(Class::as_str).to_vec()),
            Field::Known => Some(vec!["true", "false"]),
            _ => None,
        }
    }
}
