//! Counters of every limit of the server that was hit, for `limit_hits_total{limit}`.

use std::sync::atomic::{AtomicU64, Ordering};

/// One counter; only ever grows.
#[derive(Debug, Default)]
pub struct Hits(AtomicU64);

impl Hits {
    pub(super) fn add(&self) {
        // Relaxed: each counter stands alone, nothing is ordered by it.
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// How often so far.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How often each limit was hit. Shared by all listeners and read by the metrics.
#[derive(Debug, Default)]
pub struct LimitHits {
    /// Connections closed, at the cap or for want of descriptors, to make room for a newer one.
    pub closed_for_room: Hits,
    /// Times a new connection had to wait because all others were being answered.
    pub all_busy: Hits,
    /// `accept` failed for want of descriptors or memory.
    pub accept_failures: Hits,
    /// Headers not finished in time, connections that never sent any among them.
    pub head_timeouts: Hits,
    /// Headers longer than allowed, or too many (431).
    pub heads_too_large: Hits,
    /// Kept-alive connections closed after no request for too long.
    pub idle_timeouts: Hits,
    /// Request bodies larger than what is drained (413).
    pub bodies_too_large: Hits,
    /// Request bodies that did not arrive in time (408).
    pub body_timeouts: Hits,
    /// Pages that were not ready in time (503).
    pub page_timeouts: Hits,
    /// Scrapes that found too many others running (503).
    pub metrics_answers: Hits,
    /// Clients that did not take their answer in time.
    pub answer_timeouts: Hits,
    /// Answers cut off because the agent stopped and the grace was over.
    pub shutdown_cuts: Hits,
}

impl LimitHits {
    /// Every counter with the name of its limit, for the label `limit`.
    #[must_use]
    pub fn entries(&self) -> [(&'static str, u64); 12] {
        [
            ("http_connections", self.closed_for_room.count()),
            ("http_connections_busy", self.all_busy.count()),
            ("http_accept", self.accept_failures.count()),
            ("http_head_time", self.head_timeouts.count()),
            ("http_head_bytes", self.heads_too_large.count()),
            ("http_idle_time", self.idle_timeouts.count()),
            ("http_body_bytes", self.bodies_too_large.count()),
            ("http_body_time", self.body_timeouts.count()),
            ("http_page_time", self.page_timeouts.count()),
            ("http_metrics_answers", self.metrics_answers.count()),
            ("http_answer_time", self.answer_timeouts.count()),
            ("http_shutdown_grace", self.shutdown_cuts.count()),
        ]
    }
}
