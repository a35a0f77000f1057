//! The metrics page: a snapshot of the ledger behind prometheus' registry and text encoder.
//!
//! prometheus' own `*Vec` types merge different series (0.14 hashes label values without a separator
//! and never compares them), and clients choose values; so every series is in our own tables, which
//! a collector of ours shows. `process_*` is prometheus' own.

mod family;
mod snapshot;

use std::sync::{Arc, Mutex, PoisonError};

use prometheus::core::{Collector, Desc};
use prometheus::process_collector::ProcessCollector;
use prometheus::proto::MetricFamily;
use prometheus::{Encoder as _, Registry, TextEncoder};

pub use snapshot::{AlertFigures, ReceiverFigures, Snapshot, SourceFigures};

use crate::event::reason::Reason;
use crate::event::verdict::Verdict;
use family::Series;
use snapshot::{Outcome, RouteFigures};

/// Prometheus 3 refuses a page without a valid one.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What a series takes on the page, in bytes, so that it need not be moved while it grows. Measured
/// with server and route of 20 bytes; more is no harm.
const SERIES_BYTES: usize = 160;

/// Makes the page.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    shown: Arc<Mutex<Shown>>,
}

/// What the next page shows.
#[derive(Debug)]
struct Shown {
    snapshot: Snapshot,
    reload_successful: bool,
}

impl Metrics {
    /// Registers every family.
    ///
    /// # Errors
    /// When two families were the same; the tests say that none are.
    pub fn new() -> Result<Metrics, prometheus::Error> {
        let registry = Registry::new();
        let shown = Shown { snapshot: Snapshot::default(), reload_successful: true };
        let shown = Arc::new(Mutex::new(shown));
        let desc = |family: &family::Family| {
            let (name, help) = (family.name.to_owned(), family.help.to_owned());
            Desc::new(name, help, family.label_names(), std::collections::HashMap::new())
        };
        let descs = family::ALL.into_iter().map(desc).collect::<Result<_, _>>()?;
        registry.register(Box::new(SnapshotCollector { descs, shown: Arc::clone(&shown) }))?;
        registry.register(Box::new(ProcessCollector::for_self()))?;
        Ok(Metrics { registry, shown })
    }

    /// The page of a snapshot. `reload_successful` tells of the last reload of the configuration;
    /// true when there was none.
    ///
    /// # Errors
    /// None that is known: the encoder writes to memory and every family has a name.
    pub fn page(
        &self,
        snapshot: Snapshot,
        reload_successful: bool,
    ) -> Result<Vec<u8>, prometheus::Error> {
        let show = |shown| *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = shown;
        show(Shown { snapshot, reload_successful });
        let families = self.registry.gather();
        // Nobody needs it any more, and it may be large.
        show(Shown { snapshot: Snapshot::default(), reload_successful });
        let series: usize = families.iter().map(|family| family.get_metric().len()).sum();
        let mut page = Vec::with_capacity(series * SERIES_BYTES);
        TextEncoder::new().encode(&families, &mut page)?;
        Ok(page)
    }
}

/// Shows the tables of a snapshot as families.
struct SnapshotCollector {
    descs: Vec<Desc>,
    shown: Arc<Mutex<Shown>>,
}

impl Collector for SnapshotCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let Shown { snapshot, reload_successful } = &*shown;
        let mut reload = family::RELOAD_SUCCESSFUL.series();
        reload.add([], if *reload_successful { 1.0 } else { 0.0 });
        let mut state = family::STATE_HEALTHY.series();
        state.add([], if snapshot.state_healthy { 1.0 } else { 0.0 });
        let mut build = family::BUILD_INFO.series();
        build.add([env!("CARGO_PKG_VERSION")], 1.0);
        let mut limits = family::LIMIT_HITS.series();
        snapshot.limits.iter().for_each(|(limit, hits)| limits.add([limit], float(*hits)));
        let mut families = vec![reload, state, build, limits];
        families.extend(route_families(snapshot));
        families.extend(server_families(snapshot));
        families.extend(certificate_families(snapshot));
        families.extend(source_families(snapshot));
        families.extend(alert_families(snapshot));
        families.into_iter().map(Series::into_family).collect()
    }
}

/// The reasons of requests that verified and were refused; the others are of failures. Two make
/// series that start at 0 with each route, a hundred would be too many.
const FORBIDDEN_REASONS: [Reason; 2] = [Reason::Policy, Reason::PolicyOrApplication];

fn route_families(snapshot: &Snapshot) -> [Series; 3] {
    let mut requests = family::REQUESTS.series();
    let mut failures = family::VERIFY_FAILURES.series();
    let mut forbidden = family::FORBIDDEN.series();
    requests.reserve(snapshot.routes.len() * Verdict::COUNT);
    forbidden.reserve(snapshot.routes.len() * FORBIDDEN_REASONS.len());
    // The registry sorts the series by their labels, and is soon done with those that are in order.
    let mut routes: Vec<&RouteFigures> = snapshot.routes.iter().collect();
    routes.sort_by(|a, b| (&a.server, &a.route).cmp(&(&b.server, &b.route)));
    let mut verdicts = Verdict::ALL;
    verdicts.sort_by_key(|verdict| verdict.as_str());
    for route in routes {
        let (server, name) = (&*route.server, &*route.route);
        for verdict in verdicts {
            requests.add([server, name, verdict.as_str()], float(route.verdicts.of(verdict)));
        }
        for reason in FORBIDDEN_REASONS {
            forbidden.add([server, name, reason.as_str()], float(route.reasons.of(reason)));
        }
        let of_failures = route.reasons.iter().filter(|(r, _)| !FORBIDDEN_REASONS.contains(r));
        for (reason, count) in of_failures {
            failures.add([server, name, reason.as_str()], float(count));
        }
    }
    [requests, failures, forbidden]
}

fn server_families(snapshot: &Snapshot) -> [Series; 3] {
    let mut connections = family::CONNECTIONS.series();
    let mut upstreams = family::UPSTREAM_REQUESTS.series();
    for figures in &snapshot.servers {
        let server = &*figures.server;
        for outcome in Outcome::ALL.into_iter().filter(|_| snapshot.has_connections) {
            let of_it = figures.connections.iter().filter(|(v, _)| Outcome::of(*v) == outcome);
            let count = of_it.map(|(_, count)| count).sum();
            connections.add([server, outcome.as_str()], float(count));
        }
        for (addr, verdicts) in &figures.upstreams {
            for (verdict, count) in verdicts.iter() {
                upstreams.add([server, addr, verdict.as_str()], float(count));
            }
        }
    }
    let mut tls = family::TLS_REQUESTS.series();
    for ([server, protocol, cipher], count) in &snapshot.tls {
        tls.add([server, protocol, cipher], float(*count));
    }
    [connections, upstreams, tls]
}

fn certificate_families(snapshot: &Snapshot) -> [Series; 2] {
    let mut refused = family::DENIED_FINGERPRINTS.series();
    for (labels, count) in &snapshot.refused {
        let identity = if labels.known { "verified" } else { "claimed" };
        refused.add([&labels.fingerprint, &labels.subject_dn, identity], float(*count));
    }
    let mut ends = family::NOT_AFTER.series();
    for end in &snapshot.ends {
        ends.add([&end.fingerprint, &end.subject_dn], seconds(end.not_after_seconds));
    }
    [refused, ends]
}

fn source_families(snapshot: &Snapshot) -> [Series; 5] {
    let mut lines = family::LINES.series();
    let mut bytes = family::BYTES.series();
    let mut unread = family::UNREAD_BYTES.series();
    let mut gaps = family::GAPS.series();
    let mut last_event = family::LAST_EVENT.series();
    for source in &snapshot.sources {
        let name = source.name.as_str();
        lines.add([name, "parsed"], float(source.lines.parsed));
        lines.add([name, "unparsed"], float(source.lines.unparsed));
        lines.add([name, "error_log"], float(source.lines.error_log));
        bytes.add([name], float(source.files.read_bytes));
        unread.add([name], float(source.unread_bytes));
        for (reason, gap) in source.files.gaps() {
            gaps.add([name, reason.name()], float(gap.count));
        }
        if let Some(time) = source.last_event {
            last_event.add([name], seconds(time) / 1000.0);
        }
    }
    [lines, bytes, unread, gaps, last_event]
}

fn alert_families(snapshot: &Snapshot) -> [Series; 4] {
    let mut alerts = family::ALERTS.series();
    for AlertFigures { rule, severity, pending, firing } in &snapshot.alerts {
        alerts.add([rule, severity, "firing"], float(*firing));
        alerts.add([rule, severity, "pending"], float(*pending));
    }
    let mut silenced = family::SILENCED_ALERTS.series();
    silenced.add([], float(snapshot.silenced_alerts));
    let mut notifications = family::NOTIFICATIONS.series();
    let mut queue = family::NOTIFICATION_QUEUE_LENGTH.series();
    for ReceiverFigures { receiver, outcomes, queue_length } in &snapshot.receivers {
        for (outcome, count) in outcomes {
            notifications.add([receiver, outcome], float(*count));
        }
        queue.add([receiver], float(*queue_length));
    }
    [alerts, silenced, notifications, queue]
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus counts in floats; exact up to 2^53")]
fn float(count: u64) -> f64 {
    count as f64
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus counts in floats; exact up to 2^53")]
fn seconds(time: i64) -> f64 {
    time as f64
}

#[cfg(test)]
mod tests;
