//! What a log holds that somebody should be told of: the labels of incidents.

use std::fmt::Write as _;

use crate::time::rfc_3339;

/// What an alert may be about; one that names any of it otherwise is about something else. Unknown
/// where empty: several, or of no matter.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// `$server_name`.
    pub server: String,
    /// The route: numbers and UUIDs of its path are `{id}`.
    pub route: String,
    /// RFC 2253 text.
    pub subject_dn: String,
    /// RFC 2253 text.
    pub issuer_dn: String,
    /// 40 lower-case hex digits.
    pub fingerprint: String,
    /// `$remote_addr`.
    pub remote_addr: String,
    /// The name of the log.
    pub source: String,
}

/// One message that is expected, or must not be sent.
#[derive(Clone, Debug)]
pub struct Expected {
    /// The incident.
    pub incident: &'static str,
    /// When there is reason for the first message, in milliseconds.
    pub start: u64,
    /// When it must have come, in milliseconds.
    pub end: u64,
    /// Who should find it; `-`: nobody may speak of this, in all of the log.
    pub rule: &'static str,
    /// `page` or `ticket`.
    pub severity: &'static str,
    /// How many messages, in all of the log.
    pub messages: u64,
    /// About what.
    pub about: About,
}

/// The columns of `labels.tsv`.
const COLUMNS: &str = "incident\tstart\tend\trule\tseverity\tmessages\tserver\troute\tsubject_dn\tissuer_dn\tfingerprint\tremote_addr\tsource\n";

/// The text of `labels.tsv`.
pub fn labels_tsv(expected: &[Expected]) -> String {
    let mut text = String::from(COLUMNS);
    for it in expected {
        let Expected { incident, rule, severity, messages, .. } = it;
        let (start, end) = (rfc_3339(it.start), rfc_3339(it.end));
        let About { server, route, subject_dn, issuer_dn, fingerprint, remote_addr, source } =
            &it.about;
        // To a string nothing fails.
        writeln!(
            text,
            "{incident}\t{start}\t{end}\t{rule}\t{severity}\t{messages}\t{server}\t{route}\t\
             {subject_dn}\t{issuer_dn}\t{fingerprint}\t{remote_addr}\t{source}"
        )
        .ok();
    }
    text
}
