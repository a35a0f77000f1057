//! The built-in rules: what wakes a person without anybody having written a rule.
//!
//! Each is a [`Rule`] as the configuration could write it, and beside it what the six kinds cannot say.
//! Their reasoning stands in `docs/rules.md`. The order is that of inhibition: what explains others comes
//! before them, so that at one instant it is decided first.

use std::sync::Arc;

use super::field::Field;
use super::filter::Filter;
use super::rule::{Kind, Per, Rule, Severity};
use super::traits::Traits;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// A rule, and what the six kinds cannot say of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Builtin {
    /// The rule.
    pub rule: Rule,
    /// Whether it is on unless the configuration says otherwise.
    pub is_on: bool,
    /// What else is asked of its events.
    pub(super) special: Special,
}

/// What the six kinds cannot say.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Special {
    /// What every event must be.
    pub(super) needs: Traits,
    /// One of which every event must be; none asks for nothing.
    pub(super) needs_one: Traits,
    /// What no event may be.
    pub(super) excludes: Traits,
    /// The condition, where none of the kinds is it.
    pub(super) condition: Condition,
    /// It compares with the past, which must have lasted for a while.
    pub(super) learns: bool,
}

/// Conditions beyond the kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum Condition {
    /// The rule's kind, as it is.
    #[default]
    Kind,
    /// The kind in its window, or so many matching events in a longer one, in milliseconds; in both
    /// cases over at least so many connections.
    OrLonger { window_millis: i64, threshold: u64, min_connections: u64 },
    /// The kind, of one client alone.
    OfOneClient,
    /// More values where verified traffic shares the address.
    MoreWhereShared { threshold: u64 },
    /// So many refusals of claims, or one of a known certificate, since the client last verified. Holds
    /// until it does, or has not tried for so long.
    LockedOut { claims: u64, forget_millis: i64 },
    /// Nobody of those whom the route let in before is let in, and so many of them are refused.
    Lockout { sources: u64 },
    /// The ratio in its window, or in a longer one, in milliseconds.
    InEither { window_millis: i64 },
    /// Once a day, of all certificates.
    Digest,
    /// Lines that were not understood, of all lines of a source.
    Unparsed { share: f64 },
}

/// The names of the rules, in the order in which they are documented.
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

/// Whom an alert explains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Same {
    /// Of a stranger nothing explains that he is refused.
    Server,
    Route,
    Client,
    Certificate,
    Address,
    Issuer,
}

/// While an alert of the first rule fires, alerts of the second that are about the same are told by it: one
/// incident gives one message. While it is pending, they wait.
pub(super) const INHIBITIONS: [(&str, &str, Same); 24] = [
    ("verification_infrastructure", "known_client_locked_out", Same::Server),
    ("verification_infrastructure", "route_failure_ratio", Same::Server),
    ("verification_infrastructure", "route_lockout", Same::Server),
    ("verification_infrastructure", "fingerprint_denied_repeatedly", Same::Server),
    ("clock_skew", "known_client_locked_out", Same::Server),
    ("clock_skew", "route_failure_ratio", Same::Server),
    ("clock_skew", "route_lockout", Same::Server),
    ("clock_skew", "fingerprint_denied_repeatedly", Same::Server),
    ("route_failure_ratio", "known_client_locked_out", Same::Route),
    ("route_failure_ratio", "route_lockout", Same::Route),
    ("route_lockout", "route_lockout", Same::Server),
    ("route_lockout", "known_client_locked_out", Same::Server),
    ("route_lockout", "route_failure_ratio", Same::Server),
    ("route_lockout", "policy_denied_known", Same::Server),
    ("route_lockout", "fingerprint_denied_repeatedly", Same::Server),
    ("route_failure_ratio", "fingerprint_denied_repeatedly", Same::Server),
    ("known_client_locked_out", "fingerprint_denied_repeatedly", Same::Client),
    ("revoked_certificate_used", "fingerprint_denied_repeatedly", Same::Certificate),
    ("policy_denied_known", "fingerprint_denied_repeatedly", Same::Client),
    ("address_tries_certificates", "fingerprint_denied_repeatedly", Same::Address),
    ("issuer_first_admitted", "subject_changed_issuer", Same::Issuer),
    ("certificate_failed_open", "fingerprint_denied_repeatedly", Same::Certificate),
    ("policy_denied_known", "policy_denied_known", Same::Route),
    ("retired_admitted", "certificate_shared", Same::Certificate),
];

/// All of them.
pub fn rules() -> Vec<Builtin> {
    [infrastructure(), admitted(), refused(), strangers(), certificates(), logs()].concat()
}

/// The rule of a name.
pub fn rule(name: &str) -> Option<Builtin> {
    rules().into_iter().find(|builtin| &*builtin.rule.name == name)
}

/// What the rules have in common; what differs is set by each.
fn base(name: &str, severity: Severity, conditions: &[(Field, &[&str])], by: &[Field]) -> Builtin {
    let mut filter = Filter::default();
    for (field, patterns) in conditions {
        let added = filter.add(*field, patterns);
        debug_assert!(added.is_ok(), "the patterns of {name}");
    }
    let rule = Rule {
        name: Arc::from(name),
        severity,
        filter,
        by: by.to_vec(),
        kind: Kind::Count { threshold: 1 },
        window_millis: 5 * MINUTE,
        for_millis: 0,
        keep_firing_for_millis: HOUR,
        labels: Vec::new(),
        annotations: Vec::new(),
    };
    Builtin { rule, is_on: true, special: Special::default() }
}

const VERDICT: Field = Field::Verdict;

fn infrastructure() -> Vec<Builtin> {
    let mut crl = base(
        "verification_infrastructure",
        Severity::Page,
        &[(VERDICT, &["rejected"])],
        &[Field::Server],
    );
    crl.rule.kind = Kind::Distinct { of: Field::SubjectDn, threshold: 2 };
    crl.rule.keep_firing_for_millis = 5 * MINUTE;
    crl.special.needs = Traits::OPERATORS.with(Traits::KNOWN);

    let not_yet: &[(Field, &[&str])] =
        &[(VERDICT, &["rejected"]), (Field::Reason, &["cert_not_yet_valid"])];
    let mut clock = base("clock_skew", Severity::Page, not_yet, &[Field::Server]);
    clock.rule.kind = Kind::Distinct { of: Field::SubjectDn, threshold: 3 };
    clock.rule.window_millis = 10 * MINUTE;
    clock.rule.keep_firing_for_millis = 5 * MINUTE;
    clock.special.needs = Traits::CLIENT;

    let mut lockout = base("route_lockout", Severity::Page, &[], &[Field::Server, Field::Route]);
    lockout.rule.keep_firing_for_millis = 5 * MINUTE;
    lockout.rule.for_millis = 5 * MINUTE;
    lockout.special.condition = Condition::Lockout { sources: 3 };

    let failed: &[(Field, &[&str])] = &[(VERDICT, &["rejected", "missing", "failed_open"])];
    let by = [Field::Server, Field::Route];
    let mut ratio = base("route_failure_ratio", Severity::Page, failed, &by);
    ratio.rule.kind = Kind::Ratio {
        per: Per::Connection,
        threshold: 0.1,
        min_requests: 5,
        min_clients: 3,
        times_baseline: 3.0,
    };
    ratio.rule.keep_firing_for_millis = 5 * MINUTE;
    ratio.special.condition = Condition::InEither { window_millis: HOUR };
    ratio.special.learns = true;
    vec![crl, clock, lockout, ratio]
}

fn admitted() -> Vec<Builtin> {
    let verified: &[(Field, &[&str])] = &[(VERDICT, &["verified"])];
    let open: &[(Field, &[&str])] = &[(VERDICT, &["failed_open"])];
    let failed_open = base("certificate_failed_open", Severity::Page, open, &[Field::Server]);

    let mut retired = base("retired_admitted", Severity::Page, verified, &[Field::Fingerprint]);
    retired.special.needs_one = Traits::RETIRED.with(Traits::REVOKED_BEFORE);

    let mut expired = base("expired_admitted", Severity::Page, verified, &[Field::Fingerprint]);
    expired.special.needs = Traits::EXPIRED;

    let mut issuer = base("issuer_first_admitted", Severity::Ticket, verified, &[Field::IssuerDn]);
    issuer.rule.keep_firing_for_millis = DAY;
    issuer.special = Special { needs: Traits::NEW_ISSUER, learns: true, ..issuer.special };

    let mut changed =
        base("subject_changed_issuer", Severity::Ticket, verified, &[Field::SubjectDn]);
    changed.rule.keep_firing_for_millis = DAY;
    changed.special = Special { needs: Traits::CHANGED_ISSUER, learns: true, ..changed.special };

    let mut shared = base("certificate_shared", Severity::Ticket, verified, &[Field::Fingerprint]);
    shared.rule.kind = Kind::Distinct { of: Field::RemoteAddr, threshold: 5 };
    shared.rule.window_millis = HOUR;
    shared.rule.keep_firing_for_millis = DAY;
    shared.special = Special { needs: Traits::NEW_NETWORK, learns: true, ..shared.special };
    vec![failed_open, retired, expired, issuer, changed, shared]
}

fn refused() -> Vec<Builtin> {
    let not_revoked: &[(Field, &[&str])] =
        &[(VERDICT, &["rejected"]), (Field::Class, &["!revoked"])];
    let by = [Field::SubjectDn];
    let mut locked_out = base("known_client_locked_out", Severity::Page, not_revoked, &by);
    locked_out.rule.window_millis = 10 * MINUTE;
    locked_out.rule.for_millis = MINUTE;
    locked_out.rule.keep_firing_for_millis = 0;
    locked_out.special.needs = Traits::CLIENT;
    locked_out.special.condition = Condition::LockedOut { claims: 3, forget_millis: DAY };

    let revoked_only: &[(Field, &[&str])] =
        &[(VERDICT, &["rejected"]), (Field::Reason, &["cert_revoked"])];
    let by = [Field::Fingerprint];
    let mut revoked = base("revoked_certificate_used", Severity::Ticket, revoked_only, &by);
    revoked.rule.keep_firing_for_millis = DAY;

    let policy_only: &[(Field, &[&str])] =
        &[(VERDICT, &["forbidden"]), (Field::Reason, &["policy"])];
    let by = [Field::SubjectDn, Field::Server, Field::Route];
    let mut policy = base("policy_denied_known", Severity::Ticket, policy_only, &by);
    policy.rule.kind = Kind::Count { threshold: 5 };
    policy.rule.window_millis = 15 * MINUTE;
    // When nobody is let in any more, that is said instead.
    policy.rule.for_millis = 6 * MINUTE;
    policy.special.needs = Traits::KNOWN.with(Traits::ADMITTED_HERE);
    policy.special.condition = Condition::OfOneClient;
    vec![locked_out, revoked, policy]
}

fn strangers() -> Vec<Builtin> {
    let rejected: &[(Field, &[&str])] = &[(VERDICT, &["rejected"])];
    let by = [Field::RemoteAddr];
    let mut tries = base("address_tries_certificates", Severity::Ticket, rejected, &by);
    tries.rule.kind = Kind::Distinct { of: Field::Fingerprint, threshold: 5 };
    tries.rule.window_millis = 10 * MINUTE;
    tries.special.excludes = Traits::KNOWN.with(Traits::CLIENT);
    tries.special.condition = Condition::MoreWhereShared { threshold: 20 };

    let missing: &[(Field, &[&str])] = &[(VERDICT, &["missing"])];
    let mut without = base("address_refused_repeatedly", Severity::Ticket, missing, &by);
    without.rule.kind = Kind::Count { threshold: 100 };
    without.rule.window_millis = 10 * MINUTE;
    without.special.needs = Traits::ROUTE_REQUIRES;

    let denied: &[(Field, &[&str])] = &[(VERDICT, &["rejected", "forbidden"])];
    let by = [Field::Fingerprint];
    let mut repeatedly = base("fingerprint_denied_repeatedly", Severity::Ticket, denied, &by);
    repeatedly.rule.kind = Kind::Count { threshold: 10 };
    repeatedly.rule.window_millis = 15 * MINUTE;
    repeatedly.special.condition =
        Condition::OrLonger { window_millis: 6 * HOUR, threshold: 24, min_connections: 3 };

    let misdirected: &[(Field, &[&str])] = &[(VERDICT, &["misdirected"])];
    let by = [Field::Server];
    let mut wrong_host = base("misdirected_requests", Severity::Ticket, misdirected, &by);
    wrong_host.rule.kind = Kind::Count { threshold: 5 };
    wrong_host.rule.window_millis = 10 * MINUTE;
    vec![tries, without, repeatedly, wrong_host]
}

fn certificates() -> Vec<Builtin> {
    let mut expiring = base("certificate_expiring", Severity::Ticket, &[], &[]);
    expiring.rule.kind = Kind::Expiring { within_millis: 14 * DAY, share_of_lifetime: 1.0 / 3.0 };
    expiring.rule.window_millis = DAY;
    expiring.rule.keep_firing_for_millis = 0;
    expiring.special.condition = Condition::Digest;

    let verified: &[(Field, &[&str])] = &[(VERDICT, &["verified"])];
    let by = [Field::Fingerprint];
    let mut long_lived = base("certificate_long_lived", Severity::Ticket, verified, &by);
    long_lived.rule.keep_firing_for_millis = DAY;
    long_lived.special.needs = Traits::LONG_LIVED;
    long_lived.is_on = false;

    let mut old_tls = base("tls_deprecated", Severity::Ticket, verified, &[Field::SubjectDn]);
    old_tls.rule.keep_firing_for_millis = DAY;
    old_tls.special.needs = Traits::KNOWN.with(Traits::OLD_TLS);
    old_tls.is_on = false;
    vec![expiring, long_lived, old_tls]
}

fn logs() -> Vec<Builtin> {
    let by = [Field::Source];
    let mut silent = base("log_silent", Severity::Ticket, &[], &by);
    silent.rule.kind = Kind::Absent { times_usual_gap: 5.0 };
    silent.rule.window_millis = 15 * MINUTE;
    silent.rule.keep_firing_for_millis = 0;
    silent.special.learns = true;

    let mut unparsed = base("log_unparsed", Severity::Ticket, &[], &by);
    unparsed.rule.kind = Kind::Count { threshold: 50 };
    unparsed.rule.window_millis = 10 * MINUTE;
    unparsed.special.condition = Condition::Unparsed { share: 0.01 };
    vec![silent, unparsed]
}
