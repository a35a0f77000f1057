//! Which variables a format lacks, and what each would add.

use gatelog_parsers::line::LineParser;
use gatelog_parsers::variable::Field;

/// A variable that the log does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The variable.
    pub field: Field,
    /// What it would add, as an infinitive or a noun.
    pub adds: &'static str,
    /// Whether there is no verdict without it.
    pub needed: bool,
}

/// What gatelog can use: any one of the fields will do; the first is the one to add.
const WANTED: [(&[Field], bool, &str); 13] = [
    (&[Field::SslClientVerify], true, "for any verdict at all"),
    (&[Field::Status], true, "to tell a refusal from an admission"),
    (
        &[Field::Msec, Field::TimeIso8601, Field::TimeLocal],
        false,
        "for times: since when, until when, and the timeline",
    ),
    (&[Field::SslClientFingerprint], false, "to tell certificates apart"),
    (&[Field::SslClientSDn, Field::SslClientSDnLegacy], false, "to name the client"),
    (&[Field::RemoteAddr], false, "for where it came from"),
    (&[Field::Request, Field::RequestUri, Field::Uri], false, "for routes"),
    (&[Field::ServerName], false, "to tell the servers of one log apart"),
    (
        &[Field::UpstreamAddr],
        false,
        "to tell nginx's refusal from the application's, and which upstream was reached",
    ),
    (&[Field::ConnectionRequests], false, "for failures per connection, which keep-alive hides"),
    (&[Field::SslClientIDn, Field::SslClientIDnLegacy], false, "to see which CA is still in use"),
    (&[Field::SslClientVEnd], false, "to see which certificate ends soon"),
    (&[Field::SslProtocol], false, "to see who still needs TLS 1.2"),
];

/// What the format of `parser` lacks, most wanted first.
pub fn missing(parser: &LineParser) -> Vec<Missing> {
    let lacks = |fields: &&[Field]| !fields.iter().any(|field| parser.has(*field));
    let entries = WANTED.iter().filter(|(fields, _, _)| lacks(fields));
    entries
        .filter_map(|(fields, needed, adds)| {
            Some(Missing { field: *fields.first()?, adds, needed: *needed })
        })
        .collect()
}

/// Whether lines of this format give a verdict.
pub fn gives_verdicts(parser: &LineParser) -> bool {
    missing(parser).iter().all(|missing| !missing.needed)
}

/// The variables without which there is no verdict and that the format lacks: `$a and $b`.
pub fn needed_names(parser: &LineParser) -> String {
    let lacking = missing(parser).into_iter().filter(|missing| missing.needed);
    let names: Vec<_> = lacking.map(|missing| format!("${}", missing.field.variable())).collect();
    names.join(" and ")
}

#[cfg(test)]
mod tests {
    use gatelog_parsers::log_format::LogFormat;
    use gatelog_parsers::recognise::{COMBINED, MTLS, MTLS_EXTENDED};

    use super::*;

    #[test]
    fn what_is_missing() {
        let check = |format: &str, needed: &[&str], wanted: usize| {
            let parser = LineParser::new(&LogFormat::parse(format.as_bytes()).unwrap());
            let all = missing(&parser);
            let found: Vec<_> =
                all.iter().filter(|m| m.needed).map(|m| m.field.variable()).collect();
            assert_eq!(found, needed, "{format}");
            assert_eq!(all.len() - found.len(), wanted, "{format} {all:?}");
            assert_eq!(gives_verdicts(&parser), needed.is_empty());
        };
        check(MTLS_EXTENDED, &[], 0);
        check(MTLS, &[], 6);
        check(COMBINED, &["ssl_client_verify"], 8);
        check("$remote_addr", &["ssl_client_verify", "status"], 10);
    }
}
