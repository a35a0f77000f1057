//! What the HTTP server shows of the agent.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hyper::body::Bytes;
use tokio::sync::watch;

use super::follow::Requests;
use crate::http::{LimitHits, Page, Pages, Readiness};
use crate::show::metrics::{CONTENT_TYPE, Metrics};

/// Asks the reading thread for a snapshot at each scrape.
#[derive(Debug)]
pub(super) struct AgentPages {
    pub(super) requests: Requests,
    pub(super) metrics: Metrics,
    pub(super) readiness: watch::Receiver<Readiness>,
    pub(super) hits: Arc<LimitHits>,
    /// Whether the last reload of the configuration was taken.
    pub(super) reload_successful: AtomicBool,
}

impl Pages for AgentPages {
    async fn metrics(&self, _accept: &str) -> Page {
        let snapshot = self.requests.snapshot().await;
        let page = snapshot.and_then(|mut snapshot| {
            snapshot.add_limits(self.hits.entries());
            let page = self.metrics.page(snapshot, self.reload_successful.load(Ordering::Relaxed));
            page.inspect_err(|error| tracing::error!(%error, "no metrics page")).ok()
        });
        match page {
            Some(page) => Page { content_type: CONTENT_TYPE, body: Bytes::from(page) },
            // There is none: the server answers 503 when its time is over, and counts that.
            None => std::future::pending().await,
        }
    }

    async fn readiness(&self) -> Readiness {
        self.readiness.borrow().clone()
    }
}
