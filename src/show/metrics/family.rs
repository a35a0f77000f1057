//! The families of metrics: names, labels and help, written once. Names and labels are a promise to
//! dashboards and alerts; a renamed one is a breaking change.
//!
//! Follows the Prometheus text format 0.0.4 and its naming rules (base units, `_total` for
//! counters); `promtool check metrics` is clean.

use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};

/// A family without its series.
#[derive(Debug)]
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    kind: Kind,
    labels: &'static [&'static str],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
}

macro_rules! families {
    ($($constant:ident: $kind:ident $name:literal [$($label:literal),*] $help:literal;)*) => {
        $(pub(super) const $constant: Family = Family {
            name: concat!("gatelog_", $name),
            help: $help,
            kind: Kind::$kind,
            labels: &[$($label),*],
        };)*

        /// Every family, for the registry.
        pub(super) const ALL: [&Family; [$($name),*].len()] = [$(&$constant),*];
    };
}

families! {
    REQUESTS: Counter "requests_total" ["server", "route", "verdict"]
        "Requests by what happened at the gate. rejected, missing and failed_open failed \
         verification; forbidden was verified and refused by a policy.";
    VERIFY_FAILURES: Counter "verify_failures_total" ["server", "route", "reason"]
        "Requests whose client certificate did not verify, or that had none and needed one, by \
         OpenSSL's reason.";
    FORBIDDEN: Counter "forbidden_requests_total" ["server", "route", "reason"]
        "Requests whose certificate verified and was refused all the same: policy by nginx, \
         policy_or_application where $upstream_addr is not logged.";
    CONNECTIONS: Counter "connections_total" ["server", "outcome"]
        "Connections by the verdict of their first request; failed is rejected, missing or \
         failed_open. A refusal closes its connection, so a share per request hides failures \
         behind keep-alive. Needs $connection_requests in the log.";
    TLS_REQUESTS: Counter "tls_requests_total" ["server", "tls_protocol", "tls_cipher"]
        "Requests by TLS version and cipher, refused ones too: who must move before an old \
         version is turned off.";
    UPSTREAM_REQUESTS: Counter "upstream_requests_total" ["server", "upstream", "verdict"]
        "Requests by the upstreams contacted for them. A failed_open one reached an application \
         with a bad certificate.";
    DENIED_FINGERPRINTS: Gauge "denied_fingerprint_requests" ["fingerprint", "subject_dn", "identity"]
        "Refused requests of the last hour for the 100 certificates refused most. identity \
         verified: known here, its owner is refused; claimed: a name that nothing proves.";
    NOT_AFTER: Gauge "client_certificate_not_after_timestamp_seconds" ["fingerprint", "subject_dn"]
        "When a certificate ends, for the 100 that end soonest of those verified here within 30 \
         days. Renew before; subtract time() for what is left.";
    LINES: Counter "log_lines_total" ["source", "outcome"]
        "Lines read. Those of nginx's error log are told apart; unparsed ones fit no log_format or \
         tell no verdict and are counted nowhere else: gatelog check shows where they do not fit.";
    BYTES: Counter "log_bytes_total" ["source"]
        "Bytes read from the files of a source.";
    UNREAD_BYTES: Gauge "log_unread_bytes" ["source"]
        "Bytes of a source that have come and were not counted yet. Growing: the agent falls \
         behind.";
    GAPS: Counter "log_gaps_total" ["source", "reason"]
        "Times that lines were lost before they could be read: truncated (use rename rotation), \
         unreadable (permissions, damaged archives), deleted (while the agent was not running), \
         dropped_by_kernel and buffer_full (datagrams that came too fast).";
    LAST_EVENT: Gauge "log_last_event_timestamp_seconds" ["source"]
        "Time stamp of the latest event in a source. Old: the log is quiet, or is written \
         elsewhere.";
    LIMIT_HITS: Counter "limit_hits_total" ["limit"]
        "Times that a bound was reached. What is beyond it is merged, cut or refused as the \
         documentation of the limit says; totals stay exact.";
    RELOAD_SUCCESSFUL: Gauge "config_last_reload_successful" []
        "1 if the last reload of the configuration was taken, 0 if it was refused and the one \
         before is still used: the agent's log says why.";
    STATE_HEALTHY: Gauge "state_healthy" []
        "1 if what is counted is saved, or is not to be; 0 if it is lost should the agent end now: \
         /readyz and the agent's log say why.";
    ALERTS: Gauge "alerts" ["rule", "severity", "state"]
        "Alerts of each rule that is on, by their state; a page wakes a person, a ticket waits for the \
         day.";
    SILENCED_ALERTS: Gauge "silenced_alerts" []
        "Alerts that fire and that nobody is told of, for a silence of the configuration names them.";
    NOTIFICATIONS: Counter "notifications_total" ["receiver", "outcome"]
        "What became of notifications since the start. failed is tried again; refused and dropped are \
         not: the agent's log says which.";
    NOTIFICATION_QUEUE_LENGTH: Gauge "notification_queue_length" ["receiver"]
        "Notifications that the receiver has not taken yet.";
    BUILD_INFO: Gauge "build_info" ["version"]
        "Always 1; the label tells the running version.";
}

/// A family with its series, to be filled.
pub(super) struct Series {
    family: &'static Family,
    metrics: Vec<Metric>,
}

impl Family {
    pub(super) fn series(&'static self) -> Series {
        Series { family: self, metrics: Vec::new() }
    }

    pub(super) fn label_names(&self) -> Vec<String> {
        self.labels.iter().map(|&label| label.to_owned()).collect()
    }
}

impl Series {
    /// Makes room for so many series at once.
    pub(super) fn reserve(&mut self, series: usize) {
        self.metrics.reserve(series);
    }

    /// Adds a series; `values` are those of the family's labels, in their order.
    pub(super) fn add<const N: usize>(&mut self, values: [&str; N], value: f64) {
        debug_assert_eq!(self.family.labels.len(), N, "{}", self.family.name);
        let pair = |(name, value): (&&str, &str)| {
            let mut pair = LabelPair::default();
            pair.set_name((*name).to_owned());
            pair.set_value(value.to_owned());
            pair
        };
        let mut metric =
            Metric::from_label(self.family.labels.iter().zip(values).map(pair).collect());
        match self.family.kind {
            Kind::Counter => {
                let mut counter = Counter::default();
                counter.set_value(value);
                metric.set_counter(counter);
            }
            Kind::Gauge => {
                let mut gauge = Gauge::default();
                gauge.set_value(value);
                metric.set_gauge(gauge);
            }
        }
        self.metrics.push(metric);
    }

    pub(super) fn into_family(self) -> MetricFamily {
        let mut family = MetricFamily::default();
        family.set_name(self.family.name.to_owned());
        family.set_help(self.family.help.to_owned());
        family.set_field_type(match self.family.kind {
            Kind::Counter => MetricType::COUNTER,
            Kind::Gauge => MetricType::GAUGE,
        });
        family.set_metric(self.metrics);
        family
    }
}
