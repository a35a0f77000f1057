//! What the metrics are made of, taken from the ledger in one go.
//!
//! Plain data, so that the thread that reads the logs is held up for a copy only; label pairs and
//! text are made where the page is. Everything here is escaped, and what is the same once it is
//! escaped is one entry: two series with the same labels would cost the whole scrape.

use std::collections::{BTreeMap, BinaryHeap, HashMap};

use gatelog_parsers::time_stamp::UnixMillis;

use crate::escape::escape_text;
use crate::event::verdict::Verdict;
use crate::ledger::counts::{ReasonCounts, VerdictCounts};
use crate::ledger::{CertificateUse, KNOWN_MILLIS, Ledger};
use crate::limits::METRICS_CERTIFICATES_MAX;
use crate::reader::LineCounts;
use crate::source::change::Counters;

/// Everything on the metrics page that the reading thread knows.
#[derive(Debug, Default)]
pub struct Snapshot {
    pub(super) routes: Vec<RouteFigures>,
    pub(super) servers: Vec<ServerFigures>,
    pub(super) tls: BTreeMap<[Box<str>; 3], u64>,
    pub(super) refused: Vec<(CertificateLabels, u64)>,
    pub(super) ends: Vec<CertificateEnd>,
    /// Whether connections are told apart at all; without, their counts are unknown and not zero.
    pub(super) has_connections: bool,
    pub(super) limits: Vec<(&'static str, u64)>,
    /// Whether what is counted outlives a restart, as it should.
    pub state_healthy: bool,
    /// Of each source, in the order of the configuration.
    pub sources: Vec<SourceFigures>,
    /// Of each rule that is on.
    pub alerts: Vec<AlertFigures>,
    /// Of each receiver of alerts.
    pub receivers: Vec<ReceiverFigures>,
    /// Alerts that fire and are silenced.
    pub silenced_alerts: u64,
}

/// The alerts of one rule.
#[derive(Clone, Debug)]
pub struct AlertFigures {
    /// The rule's name.
    pub rule: String,
    /// The rule's severity.
    pub severity: &'static str,
    /// Alerts that do not fire yet.
    pub pending: u64,
    /// Alerts that fire.
    pub firing: u64,
}

/// What one receiver of alerts has come to.
#[derive(Clone, Debug)]
pub struct ReceiverFigures {
    /// Its name.
    pub receiver: String,
    /// How often each outcome was.
    pub outcomes: Vec<(&'static str, u64)>,
    /// Notifications that wait.
    pub queue_length: u64,
}

/// What one source has read.
#[derive(Clone, Debug, Default)]
pub struct SourceFigures {
    /// Its name, safe to show.
    pub name: String,
    /// Its lines.
    pub lines: LineCounts,
    /// What its files did.
    pub files: Counters,
    /// Bytes that are there and not counted yet.
    pub unread_bytes: u64,
    /// The latest event.
    pub last_event: Option<UnixMillis>,
}

#[derive(Debug)]
pub(super) struct RouteFigures {
    pub(super) server: Box<str>,
    pub(super) route: Box<str>,
    pub(super) verdicts: VerdictCounts,
    pub(super) reasons: ReasonCounts,
}

/// The sums of a server over its routes.
#[derive(Debug, Default)]
pub(super) struct ServerFigures {
    pub(super) server: Box<str>,
    /// By the verdict of their first request.
    pub(super) connections: VerdictCounts,
    pub(super) upstreams: BTreeMap<Box<str>, VerdictCounts>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct CertificateLabels {
    /// Empty where it is not logged.
    pub(super) fingerprint: String,
    pub(super) subject_dn: String,
    /// Whether it is known: verified here within 30 days.
    pub(super) known: bool,
}

/// A certificate's end; the order is that of the ends.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CertificateEnd {
    pub(super) not_after_seconds: i64,
    pub(super) fingerprint: String,
    pub(super) subject_dn: String,
}

impl Snapshot {
    /// Takes what `ledger` counted. `now` ends the hour and the 30 days; it is at least the latest
    /// event's time.
    pub fn new(ledger: &Ledger, sources: Vec<SourceFigures>, now: UnixMillis) -> Snapshot {
        let mut snapshot = Snapshot {
            refused: refused(ledger, now),
            ends: ends(ledger, now),
            has_connections: ledger.has_connections,
            limits: ledger.limits.iter().map(|(limit, hits)| (limit.as_str(), hits)).collect(),
            sources,
            ..Snapshot::default()
        };
        let files = |count: fn(&Counters) -> u64| {
            snapshot.sources.iter().map(|source| count(&source.files)).sum::<u64>()
        };
        let of_files = [
            ("open_files", files(|files| files.open_limit_hits)),
            ("matched_files", files(|files| files.match_limit_hits)),
            ("split_lines", files(|files| files.pending_limit_hits)),
        ];
        snapshot.limits.extend(of_files);
        snapshot.take_routes(ledger);
        snapshot.take_tls(ledger);
        snapshot
    }

    /// Adds counts of bounds that the reading thread does not know of.
    pub fn add_limits(&mut self, limits: impl IntoIterator<Item = (&'static str, u64)>) {
        self.limits.extend(limits);
    }

    fn take_routes(&mut self, ledger: &Ledger) {
        let mut servers: HashMap<&str, ServerFigures> = HashMap::new();
        for (_, route) in ledger.routes.iter() {
            let server = servers.entry(&route.server).or_default();
            server.connections.merge(&route.connections);
            for (addr, verdicts) in route.upstreams.iter() {
                let addr = escape_text(addr);
                match server.upstreams.get_mut(&*addr) {
                    Some(known) => known.merge(verdicts),
                    None => {
                        server.upstreams.insert(addr.into(), *verdicts);
                    }
                }
            }
            self.routes.push(RouteFigures {
                server: route.server.clone(),
                route: route.route.clone(),
                verdicts: route.verdicts,
                reasons: route.reasons.clone(),
            });
        }
        let named = |(name, figures): (&str, ServerFigures)| ServerFigures {
            server: name.into(),
            ..figures
        };
        self.servers = servers.into_iter().map(named).collect();
    }

    fn take_tls(&mut self, ledger: &Ledger) {
        for (server, protocol, cipher, count) in ledger.tls.iter() {
            let [protocol, cipher] = [protocol, cipher].map(|text| escape_text(text).into());
            *self.tls.entry([server.into(), protocol, cipher]).or_default() += count;
        }
    }
}

/// The certificates refused most within the hour before `now`.
fn refused(ledger: &Ledger, now: UnixMillis) -> Vec<(CertificateLabels, u64)> {
    let mut top = ledger.refused.top(now, usize::MAX);
    // In an order of its own: else those of the same count would come and go.
    top.sort_by_key(|(key, count)| (std::cmp::Reverse(*count), *key));
    let mut sums: BTreeMap<CertificateLabels, u64> = BTreeMap::new();
    for (key, count) in top.into_iter().take(METRICS_CERTIFICATES_MAX) {
        let certificate = ledger.certificates.find(&key);
        let known_since = Some(now.saturating_sub(KNOWN_MILLIS));
        let labels = CertificateLabels {
            fingerprint: key.fingerprint_sha1().unwrap_or_default(),
            // One that was refused and has left its table since is without a name.
            subject_dn: certificate.map(subject_dn).unwrap_or_default(),
            known: certificate.is_some_and(|certificate| certificate.is_known(known_since)),
        };
        *sums.entry(labels).or_default() += count;
    }
    sums.into_iter().collect()
}

/// The known certificates that end soonest.
fn ends(ledger: &Ledger, now: UnixMillis) -> Vec<CertificateEnd> {
    let known_since = Some(now.saturating_sub(KNOWN_MILLIS));
    // The latest of the ends kept is on top and leaves first.
    let mut soonest = BinaryHeap::with_capacity(METRICS_CERTIFICATES_MAX + 1);
    for (key, certificate) in ledger.certificates.iter() {
        let Some(not_after_seconds) = certificate.not_after_seconds else { continue };
        let is_full = soonest.len() >= METRICS_CERTIFICATES_MAX;
        let is_late = soonest.peek().is_some_and(|(latest, _)| (not_after_seconds, key) > *latest);
        if (is_full && is_late) || !certificate.is_known(known_since) {
            continue;
        }
        soonest.push(((not_after_seconds, key), Subject(certificate)));
        if soonest.len() > METRICS_CERTIFICATES_MAX {
            soonest.pop();
        }
    }
    let mut ends: Vec<_> = soonest
        .into_iter()
        .map(|((not_after_seconds, key), Subject(certificate))| CertificateEnd {
            not_after_seconds,
            fingerprint: key.fingerprint_sha1().unwrap_or_default(),
            subject_dn: subject_dn(certificate),
        })
        .collect();
    ends.sort();
    // Without a fingerprint, certificates of one subject look the same: the first end is shown.
    let mut shown = std::collections::HashSet::new();
    ends.retain(|end| shown.insert((end.fingerprint.clone(), end.subject_dn.clone())));
    ends
}

/// A certificate that rides along in a heap and takes no part in its order.
struct Subject<'a>(&'a CertificateUse);

impl PartialEq for Subject<'_> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Subject<'_> {}

impl PartialOrd for Subject<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Subject<'_> {
    fn cmp(&self, _: &Self) -> std::cmp::Ordering {
        std::cmp::Ordering::Equal
    }
}

fn subject_dn(certificate: &CertificateUse) -> String {
    escape_text(&certificate.subject_dn).into_owned()
}

/// What becomes of a connection, by the verdict of its first request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Verified,
    Failed,
    Other,
}

impl Outcome {
    pub(super) const ALL: [Outcome; 3] = [Outcome::Verified, Outcome::Failed, Outcome::Other];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Outcome::Verified => "verified",
            Outcome::Failed => "failed",
            Outcome::Other => "other",
        }
    }

    pub(super) fn of(verdict: Verdict) -> Outcome {
        match verdict {
            Verdict::Verified => Outcome::Verified,
            Verdict::Rejected | Verdict::Missing | Verdict::FailedOpen => Outcome::Failed,
            Verdict::Forbidden | Verdict::Anonymous | Verdict::Misdirected | Verdict::NotTls => {
                Outcome::Other
            }
        }
    }
}
